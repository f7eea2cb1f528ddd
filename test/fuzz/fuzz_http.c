/* Any bytes on a connection of the HTTP server: requests, and behind a handshake a WebSocket.
 *
 * The first byte is how many bytes come at once. However they come, the same requests and messages
 * come out of them, within every bound, and all text has its end. What the server answers with
 * fits its buffer.
 */
#include "fuzz.h"

#include "common/http/http_internal.h"

#include <string.h>

#define BODY_MAX    4096
#define MESSAGE_MAX 4096
#define PUT_MAX     ((size_t)64 * 1024)
/* Two connections, one after the other: the room for a head, and the library's for one message,
 * which it makes by the length that a frame claims. */
#define MEMORY_BYTES ((size_t)32 * 1024)

struct peer {
    struct http_parse *parse;
    struct http_socket *socket;
    size_t put_bytes;
    uint32_t digest; /* of all that came out */
    bool ended;
};

static void add(struct peer *peer, const void *bytes, size_t len_bytes)
{
    uint32_t len = (uint32_t)len_bytes;

    peer->digest = sp_crc32c(peer->digest, &len, sizeof len);
    if (len_bytes > 0) peer->digest = sp_crc32c(peer->digest, bytes, len_bytes);
}

static void add_text(struct peer *peer, const char *text)
{
    FUZZ_CHECK(strlen(text) < HTTP_HEAD_BYTES_MAX);
    add(peer, text, strlen(text));
}

static bool put(void *ctx, const uint8_t *bytes, size_t len_bytes)
{
    struct peer *peer = ctx;

    (void)bytes;
    peer->put_bytes += len_bytes;
    return peer->put_bytes <= PUT_MAX;
}

static void on_text(void *ctx, const char *text, size_t len_bytes)
{
    FUZZ_CHECK(len_bytes <= MESSAGE_MAX);
    add(ctx, text, len_bytes);
}

static void on_control(void *ctx, bool is_pong)
{
    add(ctx, &is_pong, sizeof is_pong);
}

static void check_answer(const struct peer *peer, int status)
{
    char head[HTTP_REPLY_HEAD_BYTES];
    struct sp_http_reply reply = {.status = status, .type = "text/plain"};

    size_t len = sp_http_reply_head(&reply, sp_http_parse_keeps_alive(peer->parse), head);
    FUZZ_CHECK(len < sizeof head && memcmp(head + len - 4, "\r\n\r\n", 4) == 0);
}

static void become_socket(struct peer *peer, const struct sp_http_request *request)
{
    const struct http_socket_callbacks callbacks = {peer, put, on_text, on_control};
    const char *key = sp_http_header(request, "Sec-WebSocket-Key");
    char head[HTTP_REPLY_HEAD_BYTES];

    if (key == NULL) return;
    size_t len = sp_http_socket_head(key, head);
    FUZZ_CHECK(len < sizeof head);
    if (len == 0) return;
    add(peer, head, len);
    peer->socket = sp_http_socket_open(&callbacks, MESSAGE_MAX);
    FUZZ_CHECK(peer->socket != NULL);
}

static void take_request(struct peer *peer)
{
    struct sp_http_request request = {0};

    sp_http_parse_request(peer->parse, &request);
    FUZZ_CHECK(request.header_count <= SP_HTTP_HEADERS_MAX);
    FUZZ_CHECK(request.body_bytes <= BODY_MAX);
    FUZZ_CHECK(request.body[request.body_bytes] == '\0');
    add(peer, &request.method, sizeof request.method);
    add_text(peer, request.path);
    add_text(peer, request.query);
    add(peer, request.body, request.body_bytes);
    for (uint32_t i = 0; i < request.header_count; i++) {
        add_text(peer, request.headers[i].name);
        add_text(peer, request.headers[i].value);
        FUZZ_CHECK(sp_http_header(&request, request.headers[i].name) != NULL);
    }
    check_answer(peer, 200);
    bool upgrades = sp_http_parse_wants_socket(peer->parse) && request.method == SP_HTTP_GET;
    if (upgrades) become_socket(peer, &request);
    if (peer->socket == NULL) {
        bool keep = !upgrades && sp_http_parse_keeps_alive(peer->parse);
        add(peer, &keep, sizeof keep);
        peer->ended = !keep; /* the server closes it behind the answer */
    }
}

static void feed(struct peer *peer, const char *bytes, size_t len_bytes)
{
    for (size_t at = 0; at < len_bytes && !peer->ended;) {
        size_t used = 0;
        if (peer->socket != NULL) {
            peer->ended =
                !sp_http_socket_feed(peer->socket, (const uint8_t *)bytes + at, len_bytes - at);
            return;
        }
        enum http_parsed parsed =
            sp_http_parse_feed(peer->parse, bytes + at, len_bytes - at, &used);
        FUZZ_CHECK(used <= len_bytes - at);
        FUZZ_CHECK(parsed != HTTP_PARSE_MORE || used == len_bytes - at);
        at += used;
        if (parsed == HTTP_PARSE_REQUEST) {
            take_request(peer);
        } else if (parsed == HTTP_PARSE_BAD) {
            int status = sp_http_parse_bad_status(peer->parse);
            FUZZ_CHECK(status >= 400 && status < 600);
            add(peer, "refused", 7); /* of two faults the one that is seen first has the status */
            check_answer(peer, status);
            peer->ended = true;
        }
    }
}

static uint32_t connect_and_send(const char *bytes, size_t len_bytes, size_t step)
{
    struct peer peer = {.parse = sp_http_parse_open(BODY_MAX)};

    FUZZ_CHECK(peer.parse != NULL);
    for (size_t at = 0; at < len_bytes && !peer.ended; at += step)
        feed(&peer, bytes + at, len_bytes - at < step ? len_bytes - at : step);
    sp_http_socket_close(peer.socket);
    sp_http_parse_close(peer.parse);
    return peer.digest;
}

/* The library behind the handshake's digest keeps what it makes at its first use. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    char head[HTTP_REPLY_HEAD_BYTES];

    (void)argc;
    (void)argv;
    FUZZ_CHECK(sp_http_socket_head("key", head) > 0);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) return 0;
    const char *bytes = (const char *)data + 1;

    fuzz_memory_begin();
    uint32_t some = connect_and_send(bytes, size - 1, (size_t)data[0] + 1);
    uint32_t all = connect_and_send(bytes, size - 1, size - 1);
    fuzz_memory_end(size, MEMORY_BYTES);
    FUZZ_CHECK(some == all);
    return 0;
}
