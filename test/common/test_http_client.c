/* Against a server of a few lines that says exactly what a test wants, and against our own. */
#include "common/http/http_client.h"

#include "common/clock.h"
#include "common/http/http_server.h"
#include "common/http/socket_client.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- A server that answers by rote: one letter per request of all connections ----
 *
 * a answers and keeps the connection, c answers and closes it in silence afterwards, d drops it
 * without an answer, l is a limit. A thread, since the client under test has the loop. */
struct server {
    int listener;
    char base[SP_HTTP_BASE_SIZE];
    const char *script;
    pthread_t thread;
    pthread_mutex_t lock;
    uint32_t requests, connections;
    char last[4096];
};

static bool read_request(int fd, char *text, size_t room)
{
    size_t len = 0, body = 0;

    for (;;) {
        ssize_t n = recv(fd, text + len, room - 1 - len, 0);
        if (n <= 0) return false;
        len += (size_t)n;
        text[len] = '\0';
        const char *end = strstr(text, "\r\n\r\n");
        const char *length = strcasestr(text, "content-length:");
        if (end == NULL) continue;
        if (length != NULL) body = (size_t)atoi(length + 15);
        if (len >= (size_t)(end + 4 - text) + body) return true;
    }
}

static void answer(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void *serve(void *ctx)
{
    static const char fine[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
                               "X-MBX-USED-WEIGHT-1M: 17\r\n\r\n{}";
    static const char limit[] = "HTTP/1.1 429 Too Many\r\nContent-Length: 2\r\n"
                                "Retry-After: 7\r\n\r\n{}";
    struct server *server = ctx;
    char text[4096];
    uint32_t done = 0;

    while (server->script[done] != '\0') {
        int fd = accept(server->listener, NULL, NULL);
        if (fd < 0) return NULL;
        server->connections++;
        while (server->script[done] != '\0' && read_request(fd, text, sizeof text)) {
            char what = server->script[done++];
            pthread_mutex_lock(&server->lock);
            server->requests++;
            memcpy(server->last, text, sizeof text);
            pthread_mutex_unlock(&server->lock);
            if (what == 'd') break;
            answer(fd, what == 'l' ? limit : fine);
            if (what == 'c') break;
        }
        close(fd);
    }
    return NULL;
}

static void start(struct server *server, const char *script)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;

    memset(server, 0, sizeof *server);
    server->script = script;
    pthread_mutex_init(&server->lock, NULL);
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(server->listener >= 0);
    assert_int_equal(bind(server->listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(server->listener, 8), 0);
    assert_int_equal(getsockname(server->listener, (struct sockaddr *)&address, &len), 0);
    snprintf(server->base, sizeof server->base, "http://127.0.0.1:%u", ntohs(address.sin_port));
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

static void end(struct server *server)
{
    shutdown(server->listener, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->listener);
    pthread_mutex_destroy(&server->lock);
}

/* ---- The client ---- */

struct heard {
    uint32_t count;
    int status;
    bool sent;
    int64_t weight, retry_after;
    char failure[128];
};

static void on_answer(void *ctx, const struct sp_http_answer *answer)
{
    struct heard *heard = ctx;

    heard->count++;
    heard->status = answer->status;
    heard->sent = answer->sent;
    heard->weight = sp_http_answer_number(answer, "x-mbx-used-weight-1m");
    heard->retry_after = sp_http_answer_number(answer, "retry-after");
    snprintf(heard->failure, sizeof heard->failure, "%s", answer->failure);
}

static struct sp_loop *loop;
static struct sp_http_client *client;

static int open_client(void **state)
{
    (void)state;
    return sp_loop_open(&loop, NULL) != SP_OK ||
           sp_http_client_open(loop, "", &client, NULL) != SP_OK;
}

static int close_client(void **state)
{
    (void)state;
    sp_http_client_close(client);
    sp_loop_close(loop);
    return 0;
}

static void turn_until(const uint32_t *count, uint32_t wanted)
{
    for (int i = 0; i < 1000 && *count < wanted; i++)
        assert_int_equal(sp_loop_turn(loop, (sp_dur){10 * SP_NS_PER_MS}, NULL), SP_OK);
    assert_int_equal(*count, wanted);
}

static struct heard ask(const char *base, const char *verb)
{
    struct heard heard = {0};
    struct sp_http_ask request = {.base = base,
                                  .verb = verb,
                                  .path = "/api/v3/order",
                                  .params = "symbol=BTCUSDT&signature=ab",
                                  .header = "X-MBX-APIKEY: key",
                                  .limit = {SP_NS_PER_S},
                                  .ctx = &heard,
                                  .on_answer = on_answer};

    assert_int_equal(sp_http_client_ask(client, &request, NULL), SP_OK);
    assert_int_equal(heard.count, 0); /* never from within */
    turn_until(&heard.count, 1);
    return heard;
}

static void test_http_client_connections_are_kept(void **state)
{
    struct server server;

    (void)state;
    start(&server, "aaal");
    for (int i = 0; i < 3; i++) {
        struct heard heard = ask(server.base, i == 1 ? "DELETE" : "GET");
        assert_int_equal(heard.status, 200);
        assert_int_equal(heard.weight, 17);
        assert_int_equal(heard.retry_after, -1);
    }
    assert_non_null(strstr(server.last, "GET /api/v3/order?symbol=BTCUSDT&signature=ab HTTP/1.1"));
    struct heard heard = ask(server.base, "POST");
    assert_int_equal(heard.status, 429);
    assert_int_equal(heard.retry_after, 7);
    assert_non_null(strstr(server.last, "POST /api/v3/order HTTP/1.1"));
    assert_non_null(strstr(server.last, "X-MBX-APIKEY: key"));
    assert_non_null(strstr(server.last, "\r\n\r\nsymbol=BTCUSDT&signature=ab"));
    assert_int_equal(server.connections, 1);
    end(&server);
}

/* The trap: curl sends a request a second time if a kept connection dies under it, and the first
 * may have been executed. The script drops the second request; a third must not come. */
static void test_http_client_a_lost_request_is_not_sent_again(void **state)
{
    static const char *const verbs[] = {"POST", "DELETE", "GET"};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct server server;
        start(&server, "ada");
        assert_int_equal(ask(server.base, "GET").status, 200);
        struct heard heard = ask(server.base, verbs[i]);
        assert_int_equal(heard.status, 0);
        assert_true(heard.sent);
        assert_string_equal(heard.failure, "the kept connection was closed; not sent again");
        pthread_mutex_lock(&server.lock);
        assert_int_equal(server.requests, 2);
        pthread_mutex_unlock(&server.lock);
        assert_int_equal(ask(server.base, "GET").status, 200); /* what is asked anew goes out */
        end(&server);
    }
}

static void test_http_client_nothing_sent_is_told_apart(void **state)
{
    struct server server;
    struct heard heard;

    (void)state;
    start(&server, "d");
    heard = ask(server.base, "POST");
    assert_int_equal(heard.status, 0);
    assert_true(heard.sent);
    end(&server);
    heard = ask(server.base, "POST"); /* nobody listens there any more */
    assert_int_equal(heard.status, 0);
    assert_false(heard.sent);
    assert_true(heard.failure[0] != '\0');
}

static void test_http_client_bases(void **state)
{
    static const char *const good[] = {"https://api.binance.com", "wss://stream.binance.com:9443",
                                       "http://127.0.0.1:8788", "ws://127.0.0.1:1"};
    static const char *const bad[] = {
        "http://api.binance.com", "ws://10.0.0.1:80", "http://127.0.0.1.evil.com",
        "ftp://127.0.0.1",        "https://",         "https://user@host",
        "https://host/path",      "https://host:",    "http://localhost:1",
        "api.binance.com"};

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_int_equal(sp_http_base_check(good[i], NULL), SP_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct heard heard = {0};
        struct sp_http_ask request = {.base = bad[i],
                                      .verb = "GET",
                                      .path = "/",
                                      .params = "",
                                      .ctx = &heard,
                                      .on_answer = on_answer};
        assert_int_equal(sp_http_base_check(bad[i], NULL), SP_CONFIG);
        assert_int_equal(sp_http_client_ask(client, &request, NULL), SP_CONFIG);
    }
}

/* A server without TLS behind an https base: refused before a byte of the request. */
static void test_http_client_tls_is_not_optional(void **state)
{
    struct server server;
    char base[SP_HTTP_BASE_SIZE];

    (void)state;
    start(&server, "a");
    snprintf(base, sizeof base, "https%.100s", server.base + strlen("http"));
    struct heard heard = ask(base, "GET");
    assert_int_equal(heard.status, 0);
    assert_false(heard.sent);
    end(&server);
}

/* ---- Streams ---- */

struct ended {
    struct sp_http_stream *stream;
    uint32_t count;
    char reason[128];
};

static void on_stream_open(void *ctx)
{
    (void)ctx;
    fail();
}

static void on_stream_bytes(void *ctx, const uint8_t *bytes, size_t len_bytes)
{
    (void)ctx;
    (void)bytes;
    (void)len_bytes;
    fail();
}

static void on_stream_end(void *ctx, const char *reason)
{
    struct ended *ended = ctx;

    sp_http_stream_close(ended->stream);
    snprintf(ended->reason, sizeof ended->reason, "%s", reason);
    ended->count++;
}

/* Who closes the stream at its end can still say why it ended. */
static void test_http_client_the_reason_outlives_the_stream(void **state)
{
    struct ended ended = {.count = 0};
    struct sp_http_stream_callbacks callbacks = {&ended, on_stream_open, on_stream_bytes,
                                                 on_stream_end};
    struct server server;
    char base[SP_HTTP_BASE_SIZE];

    (void)state;
    start(&server, "a");
    end(&server); /* nobody listens there any more */
    snprintf(base, sizeof base, "ws%.100s", server.base + strlen("http"));
    assert_int_equal(sp_http_stream_open(client, base, &callbacks, &ended.stream, NULL), SP_OK);
    turn_until(&ended.count, 1);
    assert_non_null(strstr(ended.reason, "onnect"));
}

/* ---- WebSockets, against our own server ---- */

static struct sp_http_server *own;
static uint64_t own_connection;

static void on_request(void *ctx, const struct sp_http_request *request)
{
    struct sp_http_reply reply = {.status = 403, .body = "{}", .body_bytes = 2};

    (void)ctx;
    SP_IGNORE(sp_http_reply(own, request->connection, &reply));
}

static bool on_upgrade(void *ctx, const struct sp_http_request *request)
{
    (void)ctx;
    own_connection = request->connection;
    return strcmp(request->path, "/ws-api/v3") == 0;
}

static void on_own_text(void *ctx, uint64_t connection, const char *text, size_t len_bytes)
{
    (void)ctx;
    SP_IGNORE(sp_http_send_text(own, connection, text, len_bytes));
}

static void on_own_closed(void *ctx, uint64_t connection)
{
    (void)ctx;
    (void)connection;
}

struct spoken {
    uint32_t opened, texts, ended;
    bool close_on_text;
    struct sp_socket_client *socket;
    char last[64], reason[128];
};

static void on_socket_open(void *ctx)
{
    struct spoken *spoken = ctx;

    spoken->opened++;
    assert_true(sp_socket_text(spoken->socket, "hello", 5));
}

static void on_socket_text(void *ctx, const char *text, size_t len_bytes)
{
    struct spoken *spoken = ctx;

    spoken->texts++;
    snprintf(spoken->last, sizeof spoken->last, "%.*s", (int)len_bytes, text);
    if (!spoken->close_on_text) return;
    sp_socket_close(spoken->socket);
    spoken->socket = NULL;
}

static void on_socket_end(void *ctx, const char *reason)
{
    struct spoken *spoken = ctx;

    spoken->ended++;
    snprintf(spoken->reason, sizeof spoken->reason, "%s", reason);
}

static void open_socket(struct spoken *spoken, const char *path)
{
    struct sp_socket_callbacks callbacks = {spoken, on_socket_open, on_socket_text, on_socket_end};
    char base[SP_HTTP_BASE_SIZE];

    snprintf(base, sizeof base, "ws://127.0.0.1:%u", sp_http_server_port(own));
    assert_int_equal(sp_socket_open(client, base, path, &callbacks, &spoken->socket, NULL), SP_OK);
}

static void test_http_client_sockets_speak_and_end(void **state)
{
    struct sp_http_options options = {.host = "127.0.0.1"};
    struct sp_http_handlers handlers = {.on_request = on_request,
                                        .on_upgrade = on_upgrade,
                                        .on_text = on_own_text,
                                        .on_closed = on_own_closed};
    struct spoken spoken = {0}, other = {0}, closing = {.close_on_text = true};

    (void)state;
    assert_int_equal(sp_http_server_open(loop, &options, &handlers, &own, NULL), SP_OK);
    open_socket(&spoken, "/ws-api/v3");
    turn_until(&spoken.texts, 1);
    assert_string_equal(spoken.last, "hello");
    assert_true(sp_socket_ping(spoken.socket));
    assert_true(sp_socket_text(spoken.socket, "again", 5));
    turn_until(&spoken.texts, 2);
    assert_string_equal(spoken.last, "again");
    sp_http_drop(own, own_connection);
    turn_until(&spoken.ended, 1);
    assert_false(sp_socket_text(spoken.socket, "late", 4));
    sp_socket_close(spoken.socket);

    open_socket(&other, "/elsewhere"); /* no WebSocket there */
    turn_until(&other.ended, 1);
    assert_int_equal(other.opened, 0);
    assert_non_null(strstr(other.reason, "403"));
    sp_socket_close(other.socket);

    open_socket(&closing, "/ws-api/v3"); /* closed by its own callback */
    turn_until(&closing.texts, 1);
    assert_int_equal(closing.ended, 0);
    sp_http_server_close(own);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_http_client_connections_are_kept, open_client,
                                        close_client),
        cmocka_unit_test_setup_teardown(test_http_client_a_lost_request_is_not_sent_again,
                                        open_client, close_client),
        cmocka_unit_test_setup_teardown(test_http_client_nothing_sent_is_told_apart, open_client,
                                        close_client),
        cmocka_unit_test_setup_teardown(test_http_client_bases, open_client, close_client),
        cmocka_unit_test_setup_teardown(test_http_client_tls_is_not_optional, open_client,
                                        close_client),
        cmocka_unit_test_setup_teardown(test_http_client_the_reason_outlives_the_stream,
                                        open_client, close_client),
        cmocka_unit_test_setup_teardown(test_http_client_sockets_speak_and_end, open_client,
                                        close_client),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
