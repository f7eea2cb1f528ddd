/* A callback may close the socket that called it. While bytes are being fed (`busy`) it is then
 * only marked, and freed when the feeding is left. */
#include "common/http/socket_client.h"

#include "common/clock.h"
#include "common/crypto.h"
#include "common/http/http_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#define MESSAGE_BYTES_MAX (4u << 20)
#define KEY_BYTES         16
#define KEY_TEXT_SIZE     25
#define ACCEPT_TEXT_SIZE  29

struct sp_socket_client {
    struct sp_http_stream *stream;
    struct http_socket *frames;
    struct sp_socket_callbacks callbacks;
    char host[SP_HTTP_BASE_SIZE];
    char path[1024];
    char key[KEY_TEXT_SIZE];
    char head[HTTP_HEAD_BYTES_MAX];
    size_t head_bytes;
    bool open, ended, busy, closed;
    sp_mono heard;
};

static void end(struct sp_socket_client *socket, const char *reason)
{
    if (socket->ended || socket->closed) return;
    socket->ended = true;
    socket->open = false;
    socket->callbacks.on_end(socket->callbacks.ctx, reason);
}

static bool put(void *ctx, const uint8_t *bytes, size_t len_bytes)
{
    struct sp_socket_client *socket = ctx;

    return !socket->closed && sp_http_stream_send(socket->stream, bytes, len_bytes);
}

static void on_text(void *ctx, const char *text, size_t len_bytes)
{
    struct sp_socket_client *socket = ctx;

    if (socket->closed || socket->ended) return;
    socket->callbacks.on_text(socket->callbacks.ctx, text, len_bytes);
}

static void on_control(void *ctx, bool is_pong)
{
    (void)ctx; /* its bytes have been heard */
    (void)is_pong;
}

static void on_open(void *ctx)
{
    struct sp_socket_client *socket = ctx;
    char request[2048];

    int n = snprintf(request, sizeof request,
                     "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\n"
                     "Connection: Upgrade\r\nSec-WebSocket-Key: %s\r\n"
                     "Sec-WebSocket-Version: 13\r\n\r\n",
                     socket->path, socket->host, socket->key);
    bool sent = n > 0 && (size_t)n < sizeof request &&
                sp_http_stream_send(socket->stream, (const uint8_t *)request, (size_t)n);
    if (!sent) end(socket, "the handshake could not be sent");
}

/* The server proves that it has read our key and speaks WebSocket. */
static bool is_accepted(const struct sp_socket_client *socket)
{
    static const char magic[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    static const char name[] = "sec-websocket-accept:";
    uint8_t digest[SP_SHA1_BYTES];
    char expected[ACCEPT_TEXT_SIZE], text[KEY_TEXT_SIZE + sizeof magic];

    if (strncmp(socket->head, "HTTP/1.1 101", 12) != 0) return false;
    snprintf(text, sizeof text, "%s%s", socket->key, magic);
    if (!sp_sha1(text, strlen(text), digest)) return false;
    sp_base64(digest, sizeof digest, expected, sizeof expected);
    for (const char *line = socket->head; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n' ? 1 : 0;
        if (strncasecmp(line, name, sizeof name - 1) != 0) continue;
        const char *value = line + sizeof name - 1;
        value += strspn(value, " \t");
        return strncmp(value, expected, strlen(expected)) == 0;
    }
    return false;
}

/* Returns how many of the bytes belong to the head. */
static size_t take_head(struct sp_socket_client *socket, const uint8_t *bytes, size_t len_bytes)
{
    for (size_t i = 0; i < len_bytes; i++) {
        if (socket->head_bytes + 1 >= sizeof socket->head) {
            end(socket, "the handshake's answer is too long");
            return len_bytes;
        }
        socket->head[socket->head_bytes++] = (char)bytes[i];
        socket->head[socket->head_bytes] = '\0';
        bool whole = socket->head_bytes >= 4 &&
                     memcmp(socket->head + socket->head_bytes - 4, "\r\n\r\n", 4) == 0;
        if (!whole) continue;
        if (is_accepted(socket)) {
            socket->open = true;
            socket->callbacks.on_open(socket->callbacks.ctx);
        } else {
            socket->head[strcspn(socket->head, "\r")] = '\0';
            end(socket, socket->head[0] != '\0' ? socket->head : "no handshake");
        }
        return i + 1;
    }
    return len_bytes;
}

static void release(struct sp_socket_client *socket)
{
    sp_http_stream_close(socket->stream);
    sp_http_socket_close(socket->frames);
    free(socket);
}

static void on_bytes(void *ctx, const uint8_t *bytes, size_t len_bytes)
{
    struct sp_socket_client *socket = ctx;
    size_t used = 0;

    socket->heard = sp_clock_mono();
    socket->busy = true;
    if (!socket->open) used = take_head(socket, bytes, len_bytes);
    if (socket->open && used < len_bytes &&
        !sp_http_socket_feed(socket->frames, bytes + used, len_bytes - used))
        end(socket, "closed by the other side");
    socket->busy = false;
    if (socket->closed) release(socket);
}

static void on_end(void *ctx, const char *reason)
{
    end(ctx, reason);
}

static sp_status make_key(struct sp_socket_client *socket)
{
    uint8_t bytes[KEY_BYTES];

    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes) return SP_IO;
    sp_base64(bytes, sizeof bytes, socket->key, sizeof socket->key);
    return SP_OK;
}

sp_status sp_socket_open(struct sp_http_client *client, const char *base, const char *path,
                         const struct sp_socket_callbacks *callbacks, struct sp_socket_client **out,
                         struct sp_err *err)
{
    struct sp_socket_client *socket = NULL;
    sp_status status = sp_http_base_check(base, err);

    if (status != SP_OK) return status;
    socket = calloc(1, sizeof *socket);
    if (socket == NULL) return SP_FAIL(err, SP_NO_MEMORY, "WebSocket");
    struct http_socket_callbacks frames = {socket, put, on_text, on_control};
    struct sp_http_stream_callbacks stream = {socket, on_open, on_bytes, on_end};
    socket->callbacks = *callbacks;
    socket->heard = sp_clock_mono();
    snprintf(socket->host, sizeof socket->host, "%s", strstr(base, "://") + 3);
    int n = snprintf(socket->path, sizeof socket->path, "%s", path);
    if (n < 0 || (size_t)n >= sizeof socket->path) {
        free(socket);
        return SP_FAIL(err, SP_TOO_LONG, "path of the WebSocket");
    }
    socket->frames = sp_http_socket_open_client(&frames, MESSAGE_BYTES_MAX);
    status = socket->frames != NULL ? make_key(socket) : SP_NO_MEMORY;
    if (status != SP_OK) {
        release(socket);
        return SP_FAIL(err, status, "WebSocket");
    }
    status = sp_http_stream_open(client, base, &stream, &socket->stream, err);
    if (status != SP_OK) {
        release(socket);
        return status;
    }
    *out = socket;
    return SP_OK;
}

bool sp_socket_text(struct sp_socket_client *socket, const char *text, size_t len_bytes)
{
    return socket->open && sp_http_socket_text(socket->frames, text, len_bytes);
}

bool sp_socket_ping(struct sp_socket_client *socket)
{
    return socket->open && sp_http_socket_ping(socket->frames);
}

sp_mono sp_socket_heard(const struct sp_socket_client *socket)
{
    return socket->heard;
}

void sp_socket_close(struct sp_socket_client *socket)
{
    if (socket == NULL) return;
    socket->closed = true;
    if (!socket->busy) release(socket);
}
