#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/bus/loop.h"
#include "common/clock.h"

struct fixture {
    struct sp_loop *loop;
    int pipe[2][2];
    char order[256];
    uint32_t calls[4];
    struct sp_timer *timer;
    bool timed_out;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_int_equal(sp_loop_open(&f->loop, NULL), SP_OK);
    assert_int_equal(pipe(f->pipe[0]), 0);
    assert_int_equal(pipe(f->pipe[1]), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    sp_loop_close(f->loop);
    for (int i = 0; i < 4; i++) {
        close(f->pipe[i / 2][i % 2]);
    }
    free(f);
    return 0;
}

static void stop(void *ctx)
{
    struct fixture *f = ctx;

    sp_loop_stop(f->loop);
}

static void time_out(void *ctx)
{
    struct fixture *f = ctx;

    f->timed_out = true;
    sp_loop_stop(f->loop);
}

static void run(struct fixture *f)
{
    struct sp_timer *deadline = NULL;

    assert_int_equal(
        sp_loop_add_timer(f->loop, (sp_dur){5 * SP_NS_PER_S}, (sp_dur){0}, time_out, f, &deadline),
        SP_OK);
    assert_int_equal(sp_loop_run(f->loop, NULL), SP_OK);
    sp_timer_cancel(deadline);
    assert_false(f->timed_out);
}

static void take(struct fixture *f, int which, char mark)
{
    char byte;

    assert_int_equal(read(f->pipe[which][0], &byte, 1), 1);
    f->calls[which]++;
    size_t len = strlen(f->order);
    if (len + 1 < sizeof(f->order)) f->order[len] = mark;
}

static void take_a(void *ctx)
{
    take(ctx, 0, 'a');
}

static void take_b(void *ctx)
{
    struct fixture *f = ctx;

    take(f, 1, 'b');
    if (f->calls[1] == 5) sp_loop_stop(f->loop);
}

static void test_loop_serves_sources_in_turn(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(write(f->pipe[0][1], "xxxxx", 5), 5);
    assert_int_equal(write(f->pipe[1][1], "xxxxx", 5), 5);
    assert_int_equal(sp_loop_add_fd(f->loop, f->pipe[0][0], take_a, f), SP_OK);
    assert_int_equal(sp_loop_add_fd(f->loop, f->pipe[1][0], take_b, f), SP_OK);
    run(f);
    assert_string_equal(f->order, "ababababab");
    assert_true(sp_loop_rounds(f->loop) >= 5);
}

static void remove_itself(void *ctx)
{
    struct fixture *f = ctx;

    take(f, 0, 'a');
    sp_loop_remove_fd(f->loop, f->pipe[0][0]);
    sp_loop_remove_fd(f->loop, f->pipe[1][0]);
}

static void test_loop_removed_source_is_not_called(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(write(f->pipe[0][1], "xx", 2), 2);
    assert_int_equal(write(f->pipe[1][1], "xx", 2), 2);
    assert_int_equal(sp_loop_add_fd(f->loop, f->pipe[0][0], remove_itself, f), SP_OK);
    assert_int_equal(sp_loop_add_fd(f->loop, f->pipe[1][0], take_b, f), SP_OK);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(sp_loop_turn(f->loop, (sp_dur){SP_NS_PER_MS}, NULL), SP_OK);
    }
    assert_string_equal(f->order, "a");
}

static bool idle_thrice(void *ctx)
{
    struct fixture *f = ctx;

    if (++f->calls[2] == 3) sp_loop_stop(f->loop);
    return f->calls[2] < 3;
}

static void test_loop_idle_runs_without_waiting(void **state)
{
    struct fixture *f = *state;

    sp_loop_set_idle(f->loop, idle_thrice, f);
    run(f);
    assert_int_equal(f->calls[2], 3);
    sp_loop_set_idle(f->loop, NULL, NULL);
}

static void tick(void *ctx)
{
    struct fixture *f = ctx;

    if (++f->calls[3] < 3) return;
    sp_timer_cancel(f->timer);
    sp_loop_stop(f->loop);
}

static void test_loop_timers_repeat_and_cancel_themselves(void **state)
{
    struct fixture *f = *state;
    sp_mono start = sp_clock_mono();

    assert_int_equal(sp_loop_add_timer(f->loop, (sp_dur){2 * SP_NS_PER_MS},
                                       (sp_dur){3 * SP_NS_PER_MS}, tick, f, &f->timer),
                     SP_OK);
    run(f);
    assert_int_equal(f->calls[3], 3);
    assert_true(sp_mono_since(sp_clock_mono(), start).ns >= 8 * SP_NS_PER_MS);
    assert_int_equal(sp_loop_add_timer(f->loop, (sp_dur){0}, (sp_dur){0}, stop, f, NULL), SP_OK);
    run(f);
    assert_int_equal(f->calls[3], 3);
}

static void arm_again(void *ctx)
{
    struct fixture *f = ctx;

    f->calls[3]++;
    if (f->calls[3] == 3) {
        sp_loop_stop(f->loop);
        return;
    }
    sp_timer_arm(f->timer, (sp_dur){SP_NS_PER_S});
    sp_timer_arm(f->timer, (sp_dur){2 * SP_NS_PER_MS}); /* what was arranged last counts */
}

static void test_loop_timers_can_be_armed_again(void **state)
{
    struct fixture *f = *state;
    sp_mono start = sp_clock_mono();

    assert_int_equal(sp_loop_add_timer(f->loop, (sp_dur){0}, (sp_dur){0}, arm_again, f, &f->timer),
                     SP_OK);
    run(f);
    assert_int_equal(f->calls[3], 3);
    assert_true(sp_mono_since(sp_clock_mono(), start).ns >= 4 * SP_NS_PER_MS);
    sp_timer_cancel(f->timer);
}

static void test_loop_ends_on_a_stop_signal_and_can_run_again(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(sp_loop_signal(f->loop), 0);
    raise(SIGHUP);
    raise(SIGTERM);
    run(f);
    assert_int_equal(sp_loop_signal(f->loop), SIGTERM);
    assert_int_equal(sp_loop_add_timer(f->loop, (sp_dur){0}, (sp_dur){0}, stop, f, NULL), SP_OK);
    run(f);
}

/* Control and data sockets: both have plenty, control is drained first in every round. */
struct socks {
    struct fixture *f;
    struct sp_sock *bound[2], *connected[2];
    char endpoint[2][64];
};

static void take_from(struct socks *s, int which)
{
    const uint8_t *frame;
    size_t len;
    struct sp_peer peer;

    if (sp_sock_receive(s->bound[which], &peer, &frame, &len) != SP_OK) return;
    s->f->order[strlen(s->f->order)] = which == 0 ? 'd' : 'c';
    if (strlen(s->f->order) == 40) sp_loop_stop(s->f->loop);
}

static void take_data(void *ctx)
{
    take_from(ctx, 0);
}

static void take_control(void *ctx)
{
    take_from(ctx, 1);
}

static void send_20(struct sp_sock *sock)
{
    sp_mono start = sp_clock_mono();

    for (int sent = 0; sent < 20 && sp_mono_since(sp_clock_mono(), start).ns < 2 * SP_NS_PER_S;) {
        struct sp_poll_item item = {.sock = sock};
        if (sp_sock_send(sock, "x", 1) == SP_OK) {
            sent++;
        } else {
            assert_int_equal(sp_sock_poll(&item, 1, (sp_dur){SP_NS_PER_MS}, NULL), SP_OK);
        }
    }
}

static void test_loop_drains_control_before_data(void **state)
{
    struct socks s = {.f = *state};
    char dir[] = "/tmp/spoor-loop-XXXXXX";

    assert_non_null(mkdtemp(dir));
    for (int i = 0; i < 2; i++) {
        snprintf(s.endpoint[i], sizeof(s.endpoint[i]), "ipc://%s/%d", dir, i);
        assert_int_equal(sp_sock_bind(SP_SOCK_ROUTER, s.endpoint[i], NULL, &s.bound[i], NULL),
                         SP_OK);
        assert_int_equal(
            sp_sock_connect(SP_SOCK_DEALER, s.endpoint[i], NULL, &s.connected[i], NULL), SP_OK);
        send_20(s.connected[i]);
    }
    for (int i = 0; i < 2; i++) {
        struct sp_poll_item item = {.sock = s.bound[i]};
        for (int n = 0; n < 100 && !item.readable; n++) {
            assert_int_equal(sp_sock_poll(&item, 1, (sp_dur){SP_NS_PER_S}, NULL), SP_OK);
        }
        assert_true(item.readable);
    }
    assert_int_equal(sp_loop_add_sock(s.f->loop, s.bound[0], false, take_data, &s), SP_OK);
    assert_int_equal(sp_loop_add_sock(s.f->loop, s.bound[1], true, take_control, &s), SP_OK);
    run(s.f);
    assert_true(strlen(s.f->order) == 40);
    /* The data source was added first, yet control is served before it. Only one of its messages
     * is known to wait already: the others may still be on their way. */
    assert_int_equal(s.f->order[0], 'c');
    for (int i = 0; i < 2; i++) {
        sp_loop_remove_sock(s.f->loop, s.bound[i]);
        sp_sock_close(s.connected[i]);
        sp_sock_close(s.bound[i]);
        unlink(s.endpoint[i] + 6);
    }
    rmdir(dir);
}

static void leave_mark(void *ctx)
{
    struct fixture *f = ctx;
    size_t len = strlen(f->order);

    assert_true(len + 1 < sizeof(f->order));
    f->order[len] = '.';
}

static void cancelled(void *ctx)
{
    (void)ctx;
    fail_msg("it was cancelled");
}

static void take_a_and_defer(void *ctx)
{
    struct fixture *f = ctx;

    take(f, 0, 'a');
    assert_true(sp_loop_defer(f->loop, leave_mark, f));
    assert_true(sp_loop_defer(f->loop, leave_mark, f)); /* once is enough */
    assert_true(sp_loop_defer(f->loop, cancelled, f));
    sp_loop_cancel_deferred(f->loop, cancelled, f);
}

/* Between the callback that asked and the next one, not at the end of the round. */
static void test_loop_deferred_follows_its_callback(void **state)
{
    struct fixture *f = *state;

    assert_false(sp_loop_defer(f->loop, leave_mark, f));
    assert_int_equal(write(f->pipe[0][1], "xxxxx", 5), 5);
    assert_int_equal(write(f->pipe[1][1], "xxxxx", 5), 5);
    assert_int_equal(sp_loop_add_fd(f->loop, f->pipe[0][0], take_a_and_defer, f), SP_OK);
    assert_int_equal(sp_loop_add_fd(f->loop, f->pipe[1][0], take_b, f), SP_OK);
    run(f);
    assert_string_equal(f->order, "a.ba.ba.ba.ba.b");
}

static void do_nothing(void *ctx)
{
    (void)ctx;
}

static void defer_too_much(void *ctx)
{
    struct fixture *f = ctx;

    take(f, 0, 'a');
    for (int i = 0; i < SP_LOOP_DEFERRED_MAX; i++)
        assert_true(sp_loop_defer(f->loop, do_nothing, f->order + i));
    assert_false(sp_loop_defer(f->loop, leave_mark, f));
    sp_loop_stop(f->loop);
}

static void test_loop_deferred_is_bounded(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(write(f->pipe[0][1], "x", 1), 1);
    assert_int_equal(sp_loop_add_fd(f->loop, f->pipe[0][0], defer_too_much, f), SP_OK);
    run(f);
    assert_string_equal(f->order, "a");
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_loop_serves_sources_in_turn),
        TEST(test_loop_removed_source_is_not_called),
        TEST(test_loop_idle_runs_without_waiting),
        TEST(test_loop_timers_repeat_and_cancel_themselves),
        TEST(test_loop_timers_can_be_armed_again),
        TEST(test_loop_ends_on_a_stop_signal_and_can_run_again),
        TEST(test_loop_drains_control_before_data),
        TEST(test_loop_deferred_follows_its_callback),
        TEST(test_loop_deferred_is_bounded),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
