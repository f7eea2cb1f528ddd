#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/bus/sock.h"
#include "common/clock.h"

struct fixture {
    char dir[64];
    char endpoint[100];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    strcpy(f->dir, "/tmp/spoor-sock-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->endpoint, sizeof(f->endpoint), "ipc://%s/s", f->dir);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    unlink(f->endpoint + 6);
    rmdir(f->dir);
    free(f);
    return 0;
}

static struct sp_sock *must_bind(const struct fixture *f, enum sp_sock_type type,
                                 const struct sp_sock_options *options)
{
    struct sp_sock *sock = NULL;

    assert_int_equal(sp_sock_bind(type, f->endpoint, options, &sock, NULL), SP_OK);
    return sock;
}

static struct sp_sock *must_connect(const struct fixture *f, enum sp_sock_type type)
{
    struct sp_sock *sock = NULL;

    assert_int_equal(sp_sock_connect(type, f->endpoint, NULL, &sock, NULL), SP_OK);
    return sock;
}

/* Waits up to two seconds for a message. */
static sp_status await(struct sp_sock *sock, struct sp_peer *peer, const uint8_t **frame,
                       size_t *len)
{
    sp_mono start = sp_clock_mono();

    while (sp_mono_since(sp_clock_mono(), start).ns < 2 * SP_NS_PER_S) {
        sp_status status = sp_sock_receive(sock, peer, frame, len);
        if (status != SP_AGAIN) return status;
        struct sp_poll_item item = {.sock = sock};
        assert_int_equal(sp_sock_poll(&item, 1, (sp_dur){100 * SP_NS_PER_MS}, NULL), SP_OK);
    }
    return SP_TIMEOUT;
}

/* A DEALER refuses to send until it is connected. */
static void send_when_connected(struct sp_sock *sock, const char *text)
{
    sp_mono start = sp_clock_mono();
    sp_status status;

    do {
        struct sp_poll_item item = {.sock = sock};
        status = sp_sock_send(sock, text, strlen(text));
        if (status == SP_FULL) SP_IGNORE(sp_sock_poll(&item, 1, (sp_dur){SP_NS_PER_MS}, NULL));
    } while (status == SP_FULL && sp_mono_since(sp_clock_mono(), start).ns < 2 * SP_NS_PER_S);
    assert_int_equal(status, SP_OK);
}

static void test_sock_dealer_and_router_exchange_frames(void **state)
{
    struct sp_sock *router = must_bind(*state, SP_SOCK_ROUTER, NULL);
    struct sp_sock *dealer = must_connect(*state, SP_SOCK_DEALER);
    struct sp_peer peer;
    const uint8_t *frame;
    size_t len;

    send_when_connected(dealer, "question");
    assert_int_equal(await(router, &peer, &frame, &len), SP_OK);
    assert_int_equal(len, 8);
    assert_memory_equal(frame, "question", 8);
    assert_true(peer.len_bytes > 0);
    assert_int_equal(sp_sock_receive(router, &peer, &frame, &len), SP_AGAIN);
    assert_int_equal(sp_sock_send_to(router, &peer, "answer", 6), SP_OK);
    assert_int_equal(await(dealer, NULL, &frame, &len), SP_OK);
    assert_memory_equal(frame, "answer", 6);
    sp_sock_close(dealer);
    sp_sock_close(router);
}

static void test_sock_unconnected_dealer_queues_nothing(void **state)
{
    struct sp_sock *dealer = must_connect(*state, SP_SOCK_DEALER);
    struct sp_peer peer;
    const uint8_t *frame;
    size_t len;

    assert_int_equal(sp_sock_send(dealer, "stale", 5), SP_FULL);
    struct sp_sock *router = must_bind(*state, SP_SOCK_ROUTER, NULL);
    send_when_connected(dealer, "fresh");
    assert_int_equal(await(router, &peer, &frame, &len), SP_OK);
    assert_memory_equal(frame, "fresh", 5);
    sp_sock_close(dealer);
    sp_sock_close(router);
}

static void test_sock_router_tells_that_a_peer_has_gone(void **state)
{
    struct sp_sock *router = must_bind(*state, SP_SOCK_ROUTER, NULL);
    struct sp_peer nobody = {.len_bytes = 5, .id = {0, 1, 2, 3, 4}};

    assert_int_equal(sp_sock_send_to(router, &nobody, "x", 1), SP_CLOSED);
    sp_sock_close(router);
}

static void test_sock_subscription_matches_whole_names_only(void **state)
{
    struct sp_sock *pub = must_bind(*state, SP_SOCK_PUB, NULL);
    struct sp_sock *sub = must_connect(*state, SP_SOCK_SUB);
    sp_name stream = sp_name_of("md.a");
    const uint8_t *frame;
    size_t len = 0;
    sp_status status = SP_TIMEOUT;

    assert_int_equal(sp_sock_subscribe(sub, &stream, NULL), SP_OK);
    for (int i = 0; i < 2000 && status != SP_OK; i++) {
        struct sp_poll_item item = {.sock = sub};
        assert_int_equal(sp_sock_send(pub, "md.ab\0wrong", 11), SP_OK);
        assert_int_equal(sp_sock_send(pub, "md.a\0right", 10), SP_OK);
        assert_int_equal(sp_sock_poll(&item, 1, (sp_dur){SP_NS_PER_MS}, NULL), SP_OK);
        status = sp_sock_receive(sub, NULL, &frame, &len);
    }
    assert_int_equal(status, SP_OK);
    assert_int_equal(len, 10);
    assert_memory_equal(frame, "md.a\0right", 10);
    sp_sock_close(sub);
    sp_sock_close(pub);
}

static void test_sock_oversized_message_cuts_the_connection(void **state)
{
    static char big[4096];
    struct sp_sock_options small = {.message_max_bytes = 1024};
    struct sp_sock *router = must_bind(*state, SP_SOCK_ROUTER, &small);
    struct sp_sock *bad = must_connect(*state, SP_SOCK_DEALER);
    struct sp_sock *good = must_connect(*state, SP_SOCK_DEALER);
    struct sp_peer peer;
    const uint8_t *frame;
    size_t len;

    memset(big, 'x', sizeof(big));
    big[sizeof(big) - 1] = '\0';
    send_when_connected(bad, big);
    send_when_connected(good, "small");
    assert_int_equal(await(router, &peer, &frame, &len), SP_OK);
    assert_memory_equal(frame, "small", 5);
    sp_sock_close(bad);
    sp_sock_close(good);
    sp_sock_close(router);
}

static void test_sock_endpoints_are_checked(void **state)
{
    struct sp_sock *sock = NULL;
    struct sp_err err = {0};
    char path[160] = "ipc:///tmp/";

    (void)state;
    memset(path + 11, 'p', 103);
    assert_int_equal(sp_sock_bind(SP_SOCK_PUB, path, NULL, &sock, &err), SP_INVALID);
    assert_non_null(strstr(err.text, "107"));
    assert_int_equal(sp_sock_connect(SP_SOCK_SUB, "tcp://127.0.0.1:1", NULL, &sock, &err),
                     SP_INVALID);
    assert_int_equal(sp_sock_bind(SP_SOCK_PUB, "ipc:///nowhere/at/all", NULL, &sock, &err), SP_IO);
    assert_null(sock);
}

static void test_sock_listener_is_seen_by_the_kernel(void **state)
{
    const struct fixture *f = *state;

    assert_false(sp_sock_is_listened(f->endpoint));
    struct sp_sock *router = must_bind(f, SP_SOCK_ROUTER, NULL);
    assert_true(sp_sock_is_listened(f->endpoint));
    sp_sock_close(router);
}

/* The edge of the descriptor is consumed by sends: what came meanwhile must still be found. */
static void test_sock_poll_finds_what_came_during_a_send(void **state)
{
    struct sp_sock *router = must_bind(*state, SP_SOCK_ROUTER, NULL);
    struct sp_sock *dealer = must_connect(*state, SP_SOCK_DEALER);
    struct sp_peer peer;
    const uint8_t *frame;
    size_t len;

    send_when_connected(dealer, "hello");
    assert_int_equal(await(router, &peer, &frame, &len), SP_OK);
    for (int i = 0; i < 500; i++) {
        struct sp_poll_item item = {.sock = dealer};
        assert_int_equal(sp_sock_receive(dealer, NULL, &frame, &len), SP_AGAIN);
        assert_int_equal(sp_sock_send_to(router, &peer, "tick", 4), SP_OK);
        assert_int_equal(sp_sock_send(dealer, "noise", 5), SP_OK);
        for (int n = 0; n < 3 && !item.readable; n++) {
            assert_int_equal(sp_sock_poll(&item, 1, (sp_dur){SP_NS_PER_S}, NULL), SP_OK);
        }
        assert_true(item.readable);
        assert_int_equal(sp_sock_receive(dealer, NULL, &frame, &len), SP_OK);
        assert_int_equal(await(router, &peer, &frame, &len), SP_OK);
    }
    sp_sock_close(dealer);
    sp_sock_close(router);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sock_dealer_and_router_exchange_frames, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_sock_unconnected_dealer_queues_nothing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_sock_router_tells_that_a_peer_has_gone, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_sock_subscription_matches_whole_names_only, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_sock_oversized_message_cuts_the_connection, setup,
                                        teardown),
        cmocka_unit_test(test_sock_endpoints_are_checked),
        cmocka_unit_test_setup_teardown(test_sock_listener_is_seen_by_the_kernel, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sock_poll_finds_what_came_during_a_send, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
