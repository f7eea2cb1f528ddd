/* The HTTP server of health: fixed pages, GET only, loopback only. The one module that knows
 * libwebsockets; it runs a thread of its own over pages that the caller publishes, so a slow client
 * stops nobody and a stuck service is seen: a page that was not renewed for three seconds is
 * answered with 503. At most 32 connections, 8 KiB of headers, 2 s for anything.
 */
#ifndef SP_HEALTH_HTTP_H
#define SP_HEALTH_HTTP_H

#include "proto/types.h"

#define SP_HTTP_CONNECTIONS_MAX 32

struct sp_http;

enum sp_http_route {
    SP_HTTP_HEALTHZ,
    SP_HTTP_READYZ,
    SP_HTTP_METRICS,
    SP_HTTP_HEALTH,
    SP_HTTP_ROUTE_COUNT
};

/* SP_CONFIG (exit 78): host is no loopback address, or the port is taken: err says what to do. */
SP_NODISCARD sp_status sp_http_open(const char *host, uint16_t port, struct sp_http **out,
                                    struct sp_err *err);
/* Replaces a page. `status` is the HTTP status, 200 or 503. Copies the text. SP_NO_MEMORY: the old
 * page stays and grows stale. */
SP_NODISCARD sp_status sp_http_publish(struct sp_http *http, enum sp_http_route route, int status,
                                       const char *text, size_t len_bytes);
void sp_http_close(struct sp_http *http);

#endif
