/* One HTTP(S) request at a time, blocking: for small programs without a loop. One attempt per call,
 * over a connection of its own, so that nothing is ever sent twice behind the caller's back. TLS
 * certificates are always verified. One thread. */
#ifndef SP_COMMON_HTTP_CALL_H
#define SP_COMMON_HTTP_CALL_H

#include "proto/status.h"

enum sp_call_outcome {
    SP_CALL_ANSWERED, /* status and body are the server's */
    SP_CALL_NOT_SENT, /* no connection: the server has not seen it */
    SP_CALL_UNKNOWN   /* something left, and no whole answer came */
};

struct sp_http_request_line {
    const char *method; /* "GET", "POST", "DELETE" */
    const char *url;
    const char *header;  /* one "Name: value", or NULL */
    const char *ca_file; /* certificates (PEM) trusted instead of the system's; NULL: those */
    uint32_t timeout_ms;
};

#define SP_CALL_BODY_MAX (4u << 20)

struct sp_call_answer {
    enum sp_call_outcome outcome;
    int status;           /* 200 */
    uint32_t retry_after; /* seconds, 0 if not said */
    char *body;           /* with a NUL; owned by the caller of sp_http_call, free() */
    size_t body_bytes;
    char error[160]; /* unless ANSWERED: for a person */
};

/* Never fails otherwise than by the outcome; NO_MEMORY is NOT_SENT. */
void sp_http_call(const struct sp_http_request_line *request, struct sp_call_answer *out);

#endif
