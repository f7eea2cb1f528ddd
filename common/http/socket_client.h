/* A WebSocket (RFC 6455) as a client: text messages over a stream of http_client. The handshake is
 * checked, the server's pings are answered, ours show that it lives. One thread: the loop's.
 */
#ifndef SP_COMMON_HTTP_SOCKET_CLIENT_H
#define SP_COMMON_HTTP_SOCKET_CLIENT_H

#include "common/http/http_client.h"

struct sp_socket_client;

struct sp_socket_callbacks {
    void *ctx;
    void (*on_open)(void *ctx);
    void (*on_text)(void *ctx, const char *text, size_t len_bytes);
    /* Once; the socket is then only to be closed. */
    void (*on_end)(void *ctx, const char *reason);
};

/* `path` begins with '/' and may have a query. Callbacks never come from within this. SP_CONFIG
 * (base), SP_NO_MEMORY, SP_IO. */
SP_NODISCARD sp_status sp_socket_open(struct sp_http_client *client, const char *base,
                                      const char *path, const struct sp_socket_callbacks *callbacks,
                                      struct sp_socket_client **out, struct sp_err *err);
/* One text message. False: not open, or too much waits: the end is then told from the loop. */
SP_NODISCARD bool sp_socket_text(struct sp_socket_client *socket, const char *text,
                                 size_t len_bytes);
SP_NODISCARD bool sp_socket_ping(struct sp_socket_client *socket);
/* When the last byte of it came. */
sp_mono sp_socket_heard(const struct sp_socket_client *socket);
/* At once and without a callback. Also from within one. NULL is accepted. */
void sp_socket_close(struct sp_socket_client *socket);

#endif
