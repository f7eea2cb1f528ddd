/* A server and raw sockets in one loop: what is on the wire is what is tested. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/http/http_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROUNDS_MAX 2000

struct fixture {
    struct sp_loop *loop;
    struct sp_http_server *server;
    bool later;   /* replies are held back */
    bool sockets; /* upgrades are accepted */
    uint32_t request_count, text_count, closed_count;
    uint64_t waiting[8], socket;
    char path[256], query[512], body[512], header[64], text[256];
};

static void reply(struct fixture *f, uint64_t connection, const char *body)
{
    struct sp_http_header extra = {"X-Extra", "7"};
    struct sp_http_reply answer = {.status = 200,
                                   .header_count = 1,
                                   .headers = &extra,
                                   .body = body,
                                   .body_bytes = strlen(body)};

    assert_int_equal(sp_http_reply(f->server, connection, &answer), SP_OK);
}

static void on_request(void *ctx, const struct sp_http_request *request)
{
    struct fixture *f = ctx;
    const char *header = sp_http_header(request, "x-mbx-apikey");

    snprintf(f->path, sizeof f->path, "%s", request->path);
    snprintf(f->query, sizeof f->query, "%s", request->query);
    snprintf(f->body, sizeof f->body, "%.*s", (int)request->body_bytes, request->body);
    snprintf(f->header, sizeof f->header, "%s", header != NULL ? header : "none");
    f->waiting[f->request_count++ % 8] = request->connection;
    if (!f->later) reply(f, request->connection, f->path);
}

static bool on_upgrade(void *ctx, const struct sp_http_request *request)
{
    struct fixture *f = ctx;

    f->socket = request->connection;
    return f->sockets;
}

static void on_text(void *ctx, uint64_t connection, const char *text, size_t len_bytes)
{
    struct fixture *f = ctx;

    f->text_count++;
    snprintf(f->text, sizeof f->text, "%.*s", (int)len_bytes, text);
    assert_int_equal(sp_http_send_text(f->server, connection, text, len_bytes), SP_OK);
}

static void on_closed(void *ctx, uint64_t connection)
{
    struct fixture *f = ctx;

    assert_true(connection == f->socket);
    f->closed_count++;
}

static int open_with(void **state, const struct sp_http_options *options)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct sp_http_handlers handlers = {.ctx = f,
                                        .on_request = on_request,
                                        .on_upgrade = on_upgrade,
                                        .on_text = on_text,
                                        .on_closed = on_closed};

    assert_int_equal(sp_loop_open(&f->loop, NULL), SP_OK);
    assert_int_equal(sp_http_server_open(f->loop, options, &handlers, &f->server, NULL), SP_OK);
    *state = f;
    return 0;
}

static int set_up(void **state)
{
    struct sp_http_options options = {.host = "127.0.0.1", .unsent_bytes_max = 4096};

    return open_with(state, &options);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    sp_http_server_close(f->server);
    sp_loop_close(f->loop);
    free(f);
    return 0;
}

static int client(struct fixture *f)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(sp_http_server_port(f->server)),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void turn(struct fixture *f)
{
    assert_int_equal(sp_loop_turn(f->loop, (sp_dur){1000000}, NULL), SP_OK);
}

static void say(int fd, const char *bytes, size_t len_bytes)
{
    assert_int_equal(send(fd, bytes, len_bytes, MSG_NOSIGNAL), len_bytes);
}

/* Turns the loop until the connection has given this many bytes, or has ended. */
static size_t hear(struct fixture *f, int fd, char *out, size_t want)
{
    size_t at = 0;

    for (int i = 0; i < ROUNDS_MAX && at < want; i++) {
        turn(f);
        ssize_t n = recv(fd, out + at, want - at, MSG_DONTWAIT);
        if (n == 0) break;
        if (n > 0) at += (size_t)n;
    }
    out[at] = '\0';
    return at;
}

/* The same until the end. */
static void hear_end(struct fixture *f, int fd, char *out, size_t room)
{
    size_t at = hear(f, fd, out, room - 1);

    assert_true(at < room - 1);
}

static bool has_ended(struct fixture *f, int fd)
{
    char byte;

    for (int i = 0; i < ROUNDS_MAX; i++) {
        turn(f);
        ssize_t n = recv(fd, &byte, 1, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno == ECONNRESET)) return true;
    }
    return false;
}

static const char get[] = "GET /api/v3/time?x=%5B%22A%22%5D&y=1 HTTP/1.1\r\nHost: h\r\n"
                          "X-MBX-APIKEY: key\r\n\r\n";
static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                             "Content-Length: 12\r\nX-Extra: 7\r\n\r\n/api/v3/time";

static void test_http_server_gives_the_bytes_as_they_came(void **state)
{
    struct fixture *f = *state;
    char heard[512];
    int fd = client(f);

    say(fd, get, sizeof get - 1);
    assert_int_equal(hear(f, fd, heard, sizeof answer - 1), sizeof answer - 1);
    assert_string_equal(heard, answer);
    assert_string_equal(f->path, "/api/v3/time");
    assert_string_equal(f->query, "x=%5B%22A%22%5D&y=1");
    assert_string_equal(f->header, "key");
    close(fd);
}

static void test_http_server_joins_what_was_split_anywhere(void **state)
{
    static const char post[] = "DELETE /api/v3/order HTTP/1.1\r\nHost: h\r\n"
                               "Content-Length: 9\r\n\r\nsymbol=%2";
    struct fixture *f = *state;
    int fd = client(f);

    for (size_t i = 1; i < sizeof post - 1; i++) {
        char heard[512];
        say(fd, post, i);
        turn(f);
        turn(f);
        say(fd, post + i, sizeof post - 1 - i);
        assert_int_equal(hear(f, fd, heard, sizeof answer), sizeof answer); /* path is one longer */
        assert_int_equal(f->request_count, i);
        assert_string_equal(f->body, "symbol=%2");
        assert_string_equal(f->query, "");
    }
    close(fd);
}

static void test_http_server_answers_pipelined_requests_in_order(void **state)
{
    struct fixture *f = *state;
    char all[8 * sizeof get], heard[4096];
    size_t len = 0;
    int fd = client(f);

    f->later = true;
    for (int i = 0; i < 3; i++) {
        len +=
            (size_t)snprintf(all + len, sizeof all - len, "GET /%d HTTP/1.1\r\nHost: h\r\n\r\n", i);
    }
    say(fd, all, len);
    for (uint32_t i = 0; i < 3; i++) {
        char body[8], expected[128];
        for (int k = 0; k < 20; k++)
            turn(f);
        assert_int_equal(f->request_count, i + 1); /* the next waits for this one's reply */
        snprintf(body, sizeof body, "<%u>", i);
        reply(f, f->waiting[i], body);
        int n = snprintf(expected, sizeof expected,
                         "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                         "Content-Length: 3\r\nX-Extra: 7\r\n\r\n<%u>",
                         i);
        hear(f, fd, heard, (size_t)n);
        assert_string_equal(heard, expected);
    }
    close(fd);
}

/* The answer to what waited behind a late reply leaves with it. */
static void test_http_server_late_reply_sets_the_rest_going(void **state)
{
    struct fixture *f = *state;
    static const char two[] =
        "GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n";
    char heard[512];
    int fd = client(f);

    f->later = true;
    say(fd, two, sizeof two - 1);
    while (f->request_count == 0)
        turn(f);
    f->later = false;
    reply(f, f->waiting[0], "/1");
    assert_int_equal(f->request_count, 2);
    ssize_t n = recv(fd, heard, sizeof heard - 1, 0); /* no turn of the loop in between */
    assert_true(n > 0);
    heard[n] = '\0';
    assert_non_null(strstr(heard, "\r\n\r\n/1"));
    if (strstr(heard, "\r\n\r\n/2") == NULL) {
        n = recv(fd, heard, sizeof heard - 1, MSG_DONTWAIT);
        assert_true(n > 0);
        heard[n] = '\0';
        assert_non_null(strstr(heard, "\r\n\r\n/2"));
    }
    close(fd);
}

static void test_http_server_refuses_what_is_too_large_or_wrong(void **state)
{
    struct fixture *f = *state;
    static char wide[10000];
    const struct {
        const char *bytes;
        const char *status;
    } cases[] = {
        {"nonsense\r\n\r\n", "HTTP/1.1 400 "},
        {"POST / HTTP/1.1\r\nContent-Length: 65537\r\n\r\n", "HTTP/1.1 413 "},
        {"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "HTTP/1.1 400 "},
        {wide, "HTTP/1.1 414 "},
    };

    memset(wide, 'a', sizeof wide - 1);
    memcpy(wide, "GET /", 5);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char heard[512];
        int fd = client(f);
        say(fd, cases[i].bytes, strlen(cases[i].bytes));
        hear_end(f, fd, heard, sizeof heard);
        heard[strlen(cases[i].status)] = '\0';
        assert_string_equal(heard, cases[i].status);
        close(fd);
    }
    assert_int_equal(f->request_count, 0);
    assert_int_equal(sp_http_server_stats(f->server).malformed, 4);
}

static void test_http_server_drops_on_demand(void **state)
{
    struct fixture *f = *state;
    int fd = client(f);

    f->later = true;
    say(fd, get, sizeof get - 1);
    while (f->request_count == 0)
        turn(f);
    sp_http_drop(f->server, f->waiting[0]);
    struct sp_http_reply late = {.status = 200};
    assert_int_equal(sp_http_reply(f->server, f->waiting[0], &late), SP_CLOSED);
    assert_true(has_ended(f, fd));
    assert_int_equal(sp_http_server_stats(f->server).connections, 0);
    close(fd);
}

/* The key and its answer are the example of RFC 6455. */
static int handshake(struct fixture *f)
{
    static const char upgrade[] = "GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n"
                                  "Connection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    static const char expected[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                                   "Connection: Upgrade\r\n"
                                   "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    char heard[512];
    int fd = client(f);

    f->sockets = true;
    say(fd, upgrade, sizeof upgrade - 1);
    hear(f, fd, heard, sizeof expected - 1);
    assert_string_equal(heard, expected);
    assert_int_equal(f->request_count, 0);
    return fd;
}

static void test_http_server_speaks_websocket(void **state)
{
    struct fixture *f = *state;
    int fd = handshake(f);
    char heard[64];

    say(fd, "\x81\x82\x01\x02\x03\x04ij", 8); /* "hh" xor the mask */
    hear(f, fd, heard, 4);
    assert_memory_equal(heard, "\x81\x02hh", 4);
    assert_string_equal(f->text, "hh");
    say(fd, "\x89\x81\x01\x02\x03\x04i", 7); /* ping "h" */
    hear(f, fd, heard, 3);
    assert_memory_equal(heard, "\x8a\x01h", 3);
    sp_http_close_socket(f->server, f->socket, 1001);
    hear(f, fd, heard, 4);
    assert_memory_equal(heard, "\x88\x02\x03\xe9", 4);
    assert_true(has_ended(f, fd));
    assert_int_equal(f->closed_count, 1);
    close(fd);
}

static void test_http_server_ends_a_websocket_that_breaks_the_protocol(void **state)
{
    static const struct {
        const char *bytes;
        size_t len_bytes;
        const char *code;
    } cases[] = {
        {"\x81\x02hh", 4, "\x03\xea"},                       /* not masked: 1002 */
        {"\x83\x80\x01\x02\x03\x04", 6, "\x03\xea"},         /* no such opcode */
        {"\x80\x80\x01\x02\x03\x04", 6, "\x03\xea"},         /* goes on with nothing */
        {"\xc1\x80\x01\x02\x03\x04", 6, "\x03\xea"},         /* an extension's bit */
        {"\x81\x81\x01\x02\x03\x04\xfe", 7, "\x03\xef"},     /* no UTF-8: 1007 */
        {"\x81\xff\0\0\0\0\x7f\0\0\0abcde", 15, "\x03\xf1"}, /* 2 GB: 1009 */
    };
    struct fixture *f = *state;

    for (uint32_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char heard[64];
        int fd = handshake(f);
        say(fd, cases[i].bytes, cases[i].len_bytes);
        assert_int_equal(hear(f, fd, heard, 4), 4);
        assert_memory_equal(heard, "\x88\x02", 2);
        assert_memory_equal(heard + 2, cases[i].code, 2);
        assert_true(has_ended(f, fd));
        assert_int_equal(f->closed_count, i + 1);
        close(fd);
    }
    assert_int_equal(f->text_count, 0);
}

static void test_http_server_frames_texts_of_any_length(void **state)
{
    static const size_t lengths[] = {0, 1, 125, 126, 65535, 65536};
    static char text[65536], heard[65536 + 11];
    struct fixture *f = *state;
    int fd = handshake(f);

    memset(text, 'x', sizeof text);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        size_t len = lengths[i], head = len < 126 ? 2 : len < 65536 ? 4 : 10, told = 0;
        assert_int_equal(sp_http_send_text(f->server, f->socket, text, len), SP_OK);
        assert_int_equal(hear(f, fd, heard, head + len), head + len);
        assert_int_equal((uint8_t)heard[0], 0x81);
        for (size_t k = 2; k < head; k++)
            told = told << 8 | (uint8_t)heard[k];
        assert_int_equal((uint8_t)heard[1], head == 2 ? len : head == 4 ? 126 : 127);
        if (head > 2) assert_int_equal(told, len);
        assert_memory_equal(heard + head, text, len);
    }
    close(fd);
}

static void test_http_server_closes_what_is_idle(void **state)
{
    struct sp_http_options options = {.host = "127.0.0.1", .idle_time = {1}};
    char heard[512];

    tear_down(state);
    open_with(state, &options);
    struct fixture *f = *state;
    int socket = handshake(f);
    int fd = client(f);
    say(fd, get, sizeof get - 1);
    assert_int_equal(hear(f, fd, heard, sizeof answer - 1), sizeof answer - 1);
    f->later = true;
    int waiting = client(f); /* for its reply: that is not idle */
    say(waiting, get, sizeof get - 1);
    assert_true(has_ended(f, fd));
    assert_int_equal(sp_http_server_stats(f->server).timed_out, 1);
    assert_int_equal(sp_http_server_stats(f->server).connections, 2);
    close(fd);
    close(waiting);
    close(socket);
}

/* The listener stays ready then; the loop must not turn for it, and hear it again later. */
static void test_http_server_waits_for_a_descriptor(void **state)
{
    struct fixture *f = *state;
    struct rlimit before, tight;
    char heard[512];
    int fd = client(f), other = client(f), free_fd = dup(fd);

    close(free_fd);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    tight = before;
    tight.rlim_cur = (rlim_t)free_fd;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    for (int i = 0; i < 50; i++)
        turn(f);
    struct sp_http_stats stats = sp_http_server_stats(f->server);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(stats.accepted, 0);
    assert_in_range(stats.refused, 1, 10);
    say(fd, get, sizeof get - 1);
    assert_int_equal(hear(f, fd, heard, sizeof answer - 1), sizeof answer - 1);
    close(fd);
    close(other);
}

static void test_http_server_cuts_off_who_does_not_read(void **state)
{
    struct fixture *f = *state;
    int fd = handshake(f);
    static char much[60000];
    sp_status status = SP_OK;

    memset(much, 'x', sizeof much);
    for (int i = 0; i < ROUNDS_MAX && status == SP_OK; i++) {
        status = sp_http_send_text(f->server, f->socket, much, sizeof much);
    }
    assert_int_equal(status, SP_FULL);
    while (f->closed_count == 0)
        turn(f);
    assert_int_equal(sp_http_server_stats(f->server).too_slow, 1);
    assert_int_equal(sp_http_server_stats(f->server).sockets, 0);
    close(fd);
}

static void test_http_server_bounds_its_connections(void **state)
{
    struct sp_http_options options = {.host = "127.0.0.1", .connections_max = 2};
    int fds[3];
    char heard[512];

    tear_down(state);
    open_with(state, &options);
    struct fixture *f = *state;
    for (int i = 0; i < 3; i++)
        fds[i] = client(f);
    assert_true(has_ended(f, fds[2]));
    close(fds[0]);
    close(fds[2]);
    while (sp_http_server_stats(f->server).connections != 1)
        turn(f);
    fds[0] = client(f); /* in the place of the first */
    say(fds[0], get, sizeof get - 1);
    assert_true(hear(f, fds[0], heard, sizeof answer - 1) > 0);
    close(fds[0]);
    close(fds[1]);
}

static void test_http_server_wants_loopback_and_a_free_port(void **state)
{
    struct fixture *f = *state;
    struct sp_http_options anywhere = {.host = "0.0.0.0"};
    struct sp_http_options taken = {.host = "127.0.0.1", .port = sp_http_server_port(f->server)};
    struct sp_http_handlers handlers = {.ctx = f};
    struct sp_http_server *other = NULL;
    struct sp_err err = {0};

    assert_int_equal(sp_http_server_open(f->loop, &anywhere, &handlers, &other, &err), SP_CONFIG);
    assert_non_null(strstr(err.text, "loopback"));
    assert_int_equal(sp_http_server_open(f->loop, &taken, &handlers, &other, &err), SP_CONFIG);
    assert_non_null(strstr(err.text, "cannot be used"));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_http_server_gives_the_bytes_as_they_came),
        TEST(test_http_server_joins_what_was_split_anywhere),
        TEST(test_http_server_answers_pipelined_requests_in_order),
        TEST(test_http_server_late_reply_sets_the_rest_going),
        TEST(test_http_server_refuses_what_is_too_large_or_wrong),
        TEST(test_http_server_drops_on_demand),
        TEST(test_http_server_speaks_websocket),
        TEST(test_http_server_ends_a_websocket_that_breaks_the_protocol),
        TEST(test_http_server_frames_texts_of_any_length),
        TEST(test_http_server_closes_what_is_idle),
        TEST(test_http_server_waits_for_a_descriptor),
        TEST(test_http_server_cuts_off_who_does_not_read),
        TEST(test_http_server_bounds_its_connections),
        TEST(test_http_server_wants_loopback_and_a_free_port),
    };
    return cmocka_run_group_tests_name("http_server", tests, NULL, NULL);
}
