/* Where a venue is: bases of URLs, and the certificates that say who it is. Any thread. */
#ifndef SP_COMMON_HTTP_BASE_H
#define SP_COMMON_HTTP_BASE_H

#include "proto/status.h"

#define SP_HTTP_BASE_SIZE 128

/* "http://127.0.0.1:8788" or "https://api.example.com": scheme, host, perhaps a port, nothing else.
 * SP_CONFIG with the reason; plain text (http, ws) to any other than 127.0.0.0/8 is one. */
SP_NODISCARD sp_status sp_http_base_check(const char *base, struct sp_err *err);
/* Whether the host is a numeric loopback address. */
bool sp_http_base_is_loopback(const char *base);
/* What follows the scheme, and whether it is one without TLS; NULL if there is no such scheme. */
const char *sp_http_base_host(const char *base, bool *is_plain);

/* The file of trusted certificates (PEM, at most 4 MiB), with a NUL; owned by the caller, free().
 * *out is NULL if the path is "". SP_CONFIG: it cannot be read, or holds none. */
SP_NODISCARD sp_status sp_http_ca_read(const char *path, char **out, size_t *len_bytes,
                                       struct sp_err *err);

#endif
