#include "services/venue/parked.h"

#include <stdlib.h>
#include <string.h>

/* Path, query, names and values of headers follow, each with its NUL, then the body. */
struct parked {
    uint64_t connection;
    enum sp_http_method method;
    uint32_t header_count;
    size_t body_bytes;
    char text[];
};

static char *put(char *to, const char *text)
{
    size_t bytes = strlen(text) + 1;

    memcpy(to, text, bytes);
    return to + bytes;
}

void *sp_parked_pack(const struct sp_http_request *request, size_t *len_bytes)
{
    size_t room = strlen(request->path) + strlen(request->query) + 2 + request->body_bytes;

    SP_ASSERT(request->header_count <= SP_HTTP_HEADERS_MAX);
    for (uint32_t i = 0; i < request->header_count; i++)
        room += strlen(request->headers[i].name) + strlen(request->headers[i].value) + 2;
    struct parked *parked = malloc(sizeof *parked + room);
    if (parked == NULL) return NULL;
    *parked = (struct parked){.connection = request->connection,
                              .method = request->method,
                              .header_count = request->header_count,
                              .body_bytes = request->body_bytes};
    char *to = put(put(parked->text, request->path), request->query);
    for (uint32_t i = 0; i < request->header_count; i++)
        to = put(put(to, request->headers[i].name), request->headers[i].value);
    if (request->body_bytes > 0) memcpy(to, request->body, request->body_bytes);
    *len_bytes = sizeof *parked + room;
    return parked;
}

static const char *take(const char **at)
{
    const char *text = *at;

    *at += strlen(text) + 1;
    return text;
}

void sp_parked_unpack(const void *bytes, struct sp_http_request *out,
                      struct sp_http_header headers[SP_HTTP_HEADERS_MAX])
{
    const struct parked *parked = bytes;
    const char *at = parked->text;

    *out = (struct sp_http_request){.connection = parked->connection,
                                    .method = parked->method,
                                    .body_bytes = parked->body_bytes,
                                    .header_count = parked->header_count,
                                    .headers = headers};
    out->path = take(&at);
    out->query = take(&at);
    for (uint32_t i = 0; i < parked->header_count; i++) {
        headers[i].name = take(&at);
        headers[i].value = take(&at);
    }
    out->body = at;
}
