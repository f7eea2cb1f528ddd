/* The heads of answers. */
#include "common/http/http_internal.h"

#include "common/crypto.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char *phrase(int status)
{
    static const struct {
        int status;
        const char *text;
    } phrases[] = {{200, "OK"},
                   {400, "Bad Request"},
                   {401, "Unauthorized"},
                   {403, "Forbidden"},
                   {404, "Not Found"},
                   {405, "Method Not Allowed"},
                   {408, "Request Timeout"},
                   {409, "Conflict"},
                   {413, "Payload Too Large"},
                   {414, "URI Too Long"},
                   {418, "I'm a teapot"},
                   {429, "Too Many Requests"},
                   {431, "Request Header Fields Too Large"},
                   {500, "Internal Server Error"},
                   {503, "Service Unavailable"},
                   {504, "Gateway Timeout"}};

    for (size_t i = 0; i < sizeof phrases / sizeof *phrases; i++) {
        if (phrases[i].status == status) return phrases[i].text;
    }
    return "Status";
}

size_t sp_http_reply_head(const struct sp_http_reply *reply, bool keep,
                          char out[HTTP_REPLY_HEAD_BYTES])
{
    const char *type = reply->type != NULL ? reply->type : "application/json";
    size_t room = HTTP_REPLY_HEAD_BYTES;
    size_t at = (size_t)snprintf(
        out, room, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s", reply->status,
        phrase(reply->status), type, reply->body_bytes, keep ? "" : "Connection: close\r\n");

    for (uint32_t i = 0; i < reply->header_count && at < room; i++) {
        at += (size_t)snprintf(out + at, room - at, "%s: %s\r\n", reply->headers[i].name,
                               reply->headers[i].value);
    }
    SP_ASSERT(at + 3 <= room); /* the headers are our own */
    memcpy(out + at, "\r\n", 3);
    return at + 2;
}

size_t sp_http_socket_head(const char *key, char out[HTTP_REPLY_HEAD_BYTES])
{
    char text[128], accept[29];
    uint8_t digest[SP_SHA1_BYTES];

    int len = snprintf(text, sizeof text, "%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
    if (len < 0 || (size_t)len >= sizeof text) return 0;
    if (!sp_sha1(text, (size_t)len, digest)) return 0;
    sp_base64(digest, sizeof digest, accept, sizeof accept);
    return (size_t)snprintf(out, HTTP_REPLY_HEAD_BYTES,
                            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                            "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                            accept);
}

const char *sp_http_header(const struct sp_http_request *request, const char *name)
{
    for (uint32_t i = 0; i < request->header_count; i++) {
        if (strcasecmp(request->headers[i].name, name) == 0) return request->headers[i].value;
    }
    return NULL;
}
