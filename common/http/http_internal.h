/* Between the parts of the server: connections (http_server.c), requests (http_parse.c, which knows
 * http_parser) and WebSockets (http_socket.c, which knows wslay).
 */
#ifndef SP_COMMON_HTTP_INTERNAL_H
#define SP_COMMON_HTTP_INTERNAL_H

#include "common/http/http_server.h"

#define HTTP_HEAD_BYTES_MAX 8192

/* ---- http_listen.c ---- */

void sp_http_set_defaults(struct sp_http_options *options);
/* SP_CONFIG, SP_IO: as sp_http_server_open. */
SP_NODISCARD sp_status sp_http_listen(const struct sp_http_options *options, int *out,
                                      uint16_t *port, struct sp_err *err);

/* ---- http_parse.c: one request after the other ---- */

struct http_parse;

enum http_parsed {
    HTTP_PARSE_MORE,    /* the bytes are used up, the request goes on */
    HTTP_PARSE_REQUEST, /* one request is complete; *used says where the next begins */
    HTTP_PARSE_BAD,     /* answer `status` and close */
};

struct http_parse *sp_http_parse_open(size_t body_bytes_max);
void sp_http_parse_close(struct http_parse *parse);
/* Feeds bytes. */
enum http_parsed sp_http_parse_feed(struct http_parse *parse, const char *bytes, size_t len_bytes,
                                    size_t *used);
/* Of the complete request; valid until the next feed. */
void sp_http_parse_request(struct http_parse *parse, struct sp_http_request *out);
bool sp_http_parse_wants_socket(const struct http_parse *parse);
bool sp_http_parse_keeps_alive(const struct http_parse *parse);
/* After HTTP_PARSE_BAD: the status to answer with. */
int sp_http_parse_bad_status(const struct http_parse *parse);
/* Whether a request has begun and is not complete. */
bool sp_http_parse_is_midway(const struct http_parse *parse);

/* ---- http_socket.c: a WebSocket over two byte queues ---- */

struct http_socket;

struct http_socket_callbacks {
    void *ctx;
    /* Appends to what is to be sent: false if there is no room. */
    bool (*put)(void *ctx, const uint8_t *bytes, size_t len_bytes);
    void (*on_text)(void *ctx, const char *text, size_t len_bytes);
    void (*on_control)(void *ctx, bool is_pong); /* a ping, which is answered, or a pong */
};

struct http_socket *sp_http_socket_open(const struct http_socket_callbacks *callbacks,
                                        size_t message_bytes_max);
/* The same from the other side: its frames are masked. */
struct http_socket *sp_http_socket_open_client(const struct http_socket_callbacks *callbacks,
                                               size_t message_bytes_max);
void sp_http_socket_close(struct http_socket *socket);
/* False: the peer has closed or broken the protocol; what was put may still be sent. */
bool sp_http_socket_feed(struct http_socket *socket, const uint8_t *bytes, size_t len_bytes);
bool sp_http_socket_text(struct http_socket *socket, const char *text, size_t len_bytes);
bool sp_http_socket_ping(struct http_socket *socket);
bool sp_http_socket_end(struct http_socket *socket, uint16_t code);
/* ---- http_head.c: the heads of answers; the count of bytes ---- */

#define HTTP_REPLY_HEAD_BYTES 2048

size_t sp_http_reply_head(const struct sp_http_reply *reply, bool keep,
                          char out[HTTP_REPLY_HEAD_BYTES]);
/* Of the handshake; 0 if the key is none. */
size_t sp_http_socket_head(const char *key, char out[HTTP_REPLY_HEAD_BYTES]);

#endif
