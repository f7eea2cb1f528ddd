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

/* Endpoints are ipc:// paths of at most 107 bytes. SP_IO with the library's reason; SP_INVALID for
 * a path that is too long. */
SP_NODISCARD sp_status sp_sock_bind(enum sp_sock_type type, const char *endpoint,
                                    const struct sp_sock_options *options, struct sp_sock **out,
                                    struct sp_err *err);
SP_NODISCARD sp_status sp_sock_connect(enum sp_sock_type type, const char *endpoint,
                                       const struct sp_sock_options *options, struct sp_sock **out,
                                       struct sp_err *err);
void sp_sock_close(struct sp_sock *sock);
/* SUB only: stream name with its NUL, so that md.a does not match md.ab. */
SP_NODISCARD sp_status sp_sock_subscribe(struct sp_sock *sock, const sp_name *stream,
                                         struct sp_err *err);

/* A peer of a ROUTER, as the library names it for this connection. */
struct sp_peer {
    uint8_t len_bytes;
    uint8_t id[32];
};

/* Never blocks. SP_OK; SP_FULL: the queue is full or the peer has gone, nothing was sent; SP_IO. */
SP_NODISCARD sp_status sp_sock_send(struct sp_sock *sock, const void *buf, size_t len_bytes);
SP_NODISCARD sp_status sp_sock_send_to(struct sp_sock *sock, const struct sp_peer *peer,
                                       const void *buf, size_t len_bytes);
/* Never blocks. *frame points into the socket's own buffer until the next call. SP_AGAIN if there
 * is none. For a ROUTER *peer is filled (else it may be NULL). */
SP_NODISCARD sp_status sp_sock_receive(struct sp_sock *sock, struct sp_peer *peer,
                                       const uint8_t **frame, size_t *len_bytes);

/* Waits until a socket or descriptor is readable or the timeout passes. */
struct sp_poll_item {
    struct sp_sock *sock; /* or NULL for fd */
    int fd;
    bool readable; /* out */
};
SP_NODISCARD sp_status sp_sock_poll(struct sp_poll_item *items, uint32_t count, sp_dur timeout,
                                    struct sp_err *err);

#endif
