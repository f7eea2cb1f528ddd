/* A small HTTP/1.1 and WebSocket server on the service's own loop: one thread, no queue between the
 * network and the code that answers, and the bytes of a request exactly as they came, since venue
 * signatures are computed over them (docs/decisions says why it is not libwebsockets).
 *
 * Loopback only. Everything is bounded: connections, header and body bytes, bytes that wait to be
 * sent. A connection's requests are answered in order: while one waits for its reply the next is
 * not read. One thread: the loop's. Callbacks may call every function below, also about their own
 * connection.
 */
#ifndef SP_COMMON_HTTP_SERVER_H
#define SP_COMMON_HTTP_SERVER_H

#include "common/bus/loop.h"

#define SP_HTTP_HEADERS_MAX 48

struct sp_http_server;

enum sp_http_method { SP_HTTP_GET, SP_HTTP_POST, SP_HTTP_PUT, SP_HTTP_DELETE, SP_HTTP_OTHER };

struct sp_http_header {
    const char *name, *value;
};

/* Valid during the callback. Text is NUL-terminated; nothing is decoded. */
struct sp_http_request {
    uint64_t connection; /* for the reply; never used twice */
    enum sp_http_method method;
    const char *path;  /* up to "?" */
    const char *query; /* behind it; "" if there is none */
    const char *body;  /* may hold NULs */
    size_t body_bytes;
    uint32_t header_count;
    const struct sp_http_header *headers;
};

struct sp_http_reply {
    int status;
    const char *type; /* NULL: application/json */
    uint32_t header_count;
    const struct sp_http_header *headers; /* further ones */
    const char *body;
    size_t body_bytes;
};

struct sp_http_handlers {
    void *ctx;
    /* Answer with sp_http_reply, now or later, or with sp_http_drop. */
    void (*on_request)(void *ctx, const struct sp_http_request *request);
    /* Whether this request may become a WebSocket; else it goes to on_request. */
    bool (*on_upgrade)(void *ctx, const struct sp_http_request *request);
    /* One whole text message. */
    void (*on_text)(void *ctx, uint64_t connection, const char *text, size_t len_bytes);
    /* A ping, which was answered, or a pong; NULL: nobody counts them. */
    void (*on_control)(void *ctx, uint64_t connection);
    /* The WebSocket has ended: nothing more can be sent to it. */
    void (*on_closed)(void *ctx, uint64_t connection);
};

struct sp_http_options {
    const char *host;         /* numeric loopback address */
    uint16_t port;            /* 0: any free one */
    uint32_t connections_max; /* 0 = 1200 */
    size_t body_bytes_max;    /* 0 = 64 KiB */
    size_t unsent_bytes_max;  /* of one connection; 0 = 1 MiB */
    sp_dur request_time;      /* for a whole request to arrive; 0 = 10 s */
    sp_dur idle_time;         /* of a connection without a request; 0 = 75 s */
    sp_dur ping_every;        /* WebSocket; 0 = 20 s */
    sp_dur pong_within;       /* of a ping; 0 = 60 s */
};

/* SP_CONFIG: no loopback address, or the port is taken; err says what to do. SP_IO, SP_NO_MEMORY,
 * SP_FULL (the loop). */
SP_NODISCARD sp_status sp_http_server_open(struct sp_loop *loop,
                                           const struct sp_http_options *options,
                                           const struct sp_http_handlers *handlers,
                                           struct sp_http_server **out, struct sp_err *err);
/* Closes all connections without a word. NULL is accepted. */
void sp_http_server_close(struct sp_http_server *server);
uint16_t sp_http_server_port(const struct sp_http_server *server);

/* The value of a header, its name compared without case; NULL if there is none. */
const char *sp_http_header(const struct sp_http_request *request, const char *name);

/* SP_CLOSED: the asker has gone. SP_FULL: it does not read and was closed. SP_NO_MEMORY: likewise.
 * Asserts that a request of this connection waits. */
SP_NODISCARD sp_status sp_http_reply(struct sp_http_server *server, uint64_t connection,
                                     const struct sp_http_reply *reply);
/* One WebSocket text message; it leaves when the loop's callback is over. SP_CLOSED, SP_FULL and
 * SP_NO_MEMORY as above. */
SP_NODISCARD sp_status sp_http_send_text(struct sp_http_server *server, uint64_t connection,
                                         const char *text, size_t len_bytes);
/* Ends a WebSocket with a close frame once what waits is sent. */
void sp_http_close_socket(struct sp_http_server *server, uint64_t connection, uint16_t code);
/* Cuts a connection at once; unknown ones are ignored. */
void sp_http_drop(struct sp_http_server *server, uint64_t connection);

struct sp_http_stats {
    uint64_t accepted, refused, requests, malformed, timed_out, too_slow;
    uint32_t connections, sockets; /* now; sockets: WebSockets among them */
};
struct sp_http_stats sp_http_server_stats(const struct sp_http_server *server);

#endif
