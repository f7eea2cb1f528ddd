/* A request that waits: a copy of what came, over HTTP or a WebSocket, in one piece. Any thread. */
#ifndef SP_VENUE_PARKED_H
#define SP_VENUE_PARKED_H

#include "common/http/http_server.h"

/* A heap copy for free(); NULL: no memory. */
void *sp_parked_pack(const struct sp_http_request *request, size_t *len_bytes);
/* Of the copy, valid as long as it is. */
void sp_parked_unpack(const void *bytes, struct sp_http_request *out,
                      struct sp_http_header headers[SP_HTTP_HEADERS_MAX]);

#endif
