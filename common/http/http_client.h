/* HTTP requests and raw byte streams to a venue, on the service's own loop. The only module that
 * knows curl.
 *
 * A request is attempted once. curl by itself sends a request again on a fresh connection when a
 * kept one turns out dead; here the second attempt is refused before a byte of it leaves, and the
 * caller hears "sent, no answer". There is no redirect, no proxy, no cookie, no file of passwords.
 * TLS is verified, always: the certificate's chain, name and time. Plain http is for loopback
 * addresses only. Connections are kept.
 * One thread: the loop's.
 */
#ifndef SP_COMMON_HTTP_CLIENT_H
#define SP_COMMON_HTTP_CLIENT_H

#include "common/bus/loop.h"
#include "common/http/http_base.h"

#define SP_HTTP_ANSWER_BYTES_MAX (4u << 20)

struct sp_http_client;

/* `ca_file`: certificates (PEM) that are trusted instead of the system's; "": the system's.
 * SP_CONFIG (it cannot be read, or holds none), SP_NO_MEMORY, SP_IO, SP_FULL (the loop). */
SP_NODISCARD sp_status sp_http_client_open(struct sp_loop *loop, const char *ca_file,
                                           struct sp_http_client **out, struct sp_err *err);
/* What is under way ends without a word. NULL is accepted. */
void sp_http_client_close(struct sp_http_client *client);

struct sp_http_answer {
    int status;          /* 0: no complete answer */
    bool sent;           /* a byte of the request may have left; false: certainly none */
    const char *failure; /* for a person; "" with an answer */
    const char *body;    /* NUL-terminated as well */
    size_t body_bytes;
    const char *head; /* header lines as they came */
    sp_wall asked, answered;
};
/* The number that a header holds; -1 if there is none. */
int64_t sp_http_answer_number(const struct sp_http_answer *answer, const char *name);

struct sp_http_ask {
    const char *base;
    const char *verb; /* "GET", "POST", "DELETE" */
    const char *path;
    const char *params; /* in the query; of a POST in the body, as a form */
    const char *header; /* "Name: value" or NULL */
    sp_dur limit;       /* for everything, from name lookup to the last byte */
    void *ctx;
    /* Once; never from within sp_http_client_ask. What it points to ends with the call. */
    void (*on_answer)(void *ctx, const struct sp_http_answer *answer);
};
/* SP_OK: on_answer will come. SP_NO_MEMORY, SP_CONFIG (base): nothing was sent. Everything that
 * `ask` points to is copied, except ctx. */
SP_NODISCARD sp_status sp_http_client_ask(struct sp_http_client *client,
                                          const struct sp_http_ask *ask, struct sp_err *err);

/* ---- Byte streams ---- */

struct sp_http_stream;

struct sp_http_stream_callbacks {
    void *ctx;
    void (*on_open)(void *ctx);
    void (*on_bytes)(void *ctx, const uint8_t *bytes, size_t len_bytes);
    /* Once; the stream is then only to be closed. */
    void (*on_end)(void *ctx, const char *reason);
};
/* Connects; with an https or wss base over verified TLS. Callbacks never come from within this. */
SP_NODISCARD sp_status sp_http_stream_open(struct sp_http_client *client, const char *base,
                                           const struct sp_http_stream_callbacks *callbacks,
                                           struct sp_http_stream **out, struct sp_err *err);
/* Queues bytes: false if the stream is not open or a megabyte waits already. */
SP_NODISCARD bool sp_http_stream_send(struct sp_http_stream *stream, const uint8_t *bytes,
                                      size_t len_bytes);
/* At once and without a callback. Also from within one. NULL is accepted. */
void sp_http_stream_close(struct sp_http_stream *stream);

#endif
