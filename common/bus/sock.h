/* ZeroMQ sockets: the only module that knows libzmq. Raw single frames, finite queues, linger 0, no
 * ZMTP heartbeats (they can abort a slow subscriber). A socket belongs to one thread.
 */
#ifndef SP_COMMON_SOCK_H
#define SP_COMMON_SOCK_H

#include "proto/types.h"

struct sp_sock;

enum sp_sock_type { SP_SOCK_PUB, SP_SOCK_SUB, SP_SOCK_ROUTER, SP_SOCK_DEALER };

struct sp_sock_options {
    uint32_t queue_max;         /* messages per peer, each way; 0 = 10000 */
    uint64_t message_max_bytes; /* larger ones are cut off by the library; 0 = 1 MiB */
};

/* Endpoints are ipc:// paths of at most 107 bytes. Binding replaces a socket file that is there:
 * the caller holds the lock that says it may. `options` may be NULL. SP_IO with the library's
 * reason; SP_INVALID for an endpoint that is no ipc path or is too long. */
SP_NODISCARD sp_status sp_sock_bind(enum sp_sock_type type, const char *endpoint,
                                    const struct sp_sock_options *options, struct sp_sock **out,
                                    struct sp_err *err);
/* Connects in the background, again and again; nobody has to listen yet. */
SP_NODISCARD sp_status sp_sock_connect(enum sp_sock_type type, const char *endpoint,
                                       const struct sp_sock_options *options, struct sp_sock **out,
                                       struct sp_err *err);
/* Whatever is still queued is dropped. NULL is accepted. */
void sp_sock_close(struct sp_sock *sock);
/* SUB only: stream name with its NUL, so that md.a does not match md.ab. */
SP_NODISCARD sp_status sp_sock_subscribe(struct sp_sock *sock, const sp_name *stream,
                                         struct sp_err *err);
/* Whether a process listens at the endpoint now (asked of the kernel, not of the library). */
bool sp_sock_is_listened(const char *endpoint);

/* A peer of a ROUTER, as the library names it for this connection. */
struct sp_peer {
    uint8_t len_bytes;
    uint8_t id[32];
};

/* Never blocks. SP_OK; SP_FULL: the queue is full, or a DEALER has no connection now, and nothing
 * was sent; SP_CLOSED: the ROUTER's peer has gone; SP_IO. A PUB drops for a slow subscriber without
 * telling: it always says SP_OK. */
SP_NODISCARD sp_status sp_sock_send(struct sp_sock *sock, const void *buf, size_t len_bytes);
SP_NODISCARD sp_status sp_sock_send_to(struct sp_sock *sock, const struct sp_peer *peer,
                                       const void *buf, size_t len_bytes);
/* A frame that lies in two pieces. */
struct sp_pieces {
    const void *head, *tail;
    size_t head_len_bytes, tail_len_bytes;
};
SP_NODISCARD sp_status sp_sock_send_pieces(struct sp_sock *sock, const struct sp_pieces *pieces);
SP_NODISCARD sp_status sp_sock_send_pieces_to(struct sp_sock *sock, const struct sp_peer *peer,
                                              const struct sp_pieces *pieces);
/* Never blocks. *frame points into the socket's own buffer until the next call. SP_AGAIN if there
 * is none; messages of several frames are not ours and are dropped. For a ROUTER *peer is filled
 * (else it may be NULL). */
SP_NODISCARD sp_status sp_sock_receive(struct sp_sock *sock, struct sp_peer *peer,
                                       const uint8_t **frame, size_t *len_bytes);

#define SP_POLL_MAX 128

/* Waits until a socket or descriptor is readable (or hung up) or the timeout passes; < 0 waits for
 * ever. May come back early with nothing readable (a connection changed). At most SP_POLL_MAX. */
struct sp_poll_item {
    struct sp_sock *sock; /* or NULL for fd */
    int fd;
    bool readable; /* out; also behind a receive that found a message: there may be no more */
};
SP_NODISCARD sp_status sp_sock_poll(struct sp_poll_item *items, uint32_t count, sp_dur timeout,
                                    struct sp_err *err);

#endif
