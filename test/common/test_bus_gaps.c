/* Market data over everything that loses it: published == applied + announced, in order, nothing
 * twice. What the ring still holds is replayed and not announced. */
#include "bus_fixture.h"

#define BIG   20000 /* holds whatever these tests publish */
#define SMALL 32

static bool is_at(struct fixture *f, uint64_t epoch)
{
    struct sp_ref cursor = sp_subscription_cursor(f->subscription);

    return is_caught_up(f, f->published[epoch]) && cursor.epoch == epoch &&
           sp_bus_stats(f->sub).received > 0;
}

static struct ring_account settle(struct fixture *f, uint32_t epoch, struct sp_ref from)
{
    assert_true(run_until(f, is_at, epoch));
    struct ring_account sum = assert_ring_adds_up(f, from);
    uint64_t published = 0;
    for (uint32_t e = 1; e < EPOCHS_MAX; e++)
        published += f->published[e];
    assert_int_equal(sum.applied + sum.announced, published - from.seq);
    assert_int_equal(flow_of(f->sub, ring_name).lag, 0);
    assert_int_equal(flow_of(f->pub, ring_name).published, f->published[epoch]);
    return sum;
}

/* The counters say what was seen: published == applied + lost, per stream. */
static void check_flow(struct fixture *f, const struct ring_account *sum)
{
    struct sp_bus_flow flow = flow_of(f->sub, ring_name);

    assert_string_equal(flow.publisher.s, "marketdata");
    assert_int_equal(flow.applied, sum->applied);
    assert_int_equal(flow.lost, sum->announced);
    assert_int_equal(flow.rewound, 0);
    assert_true(flow.gaps > 0);
    assert_int_equal(flow.replayed, sp_bus_stats(f->sub).replayed_socket);
}

static void burst(struct fixture *f, uint32_t count)
{
    for (int i = 0; i < 3; i++) {
        add_quotes(f, count);
        turn(f);
    }
}

static struct sp_ref start(struct fixture *f, uint32_t capacity)
{
    struct sp_ref from = cursor_at(ring_name, 1, 0);

    open_ring(f, 1, capacity, true);
    subscribe_ring(f, from, false);
    add_quotes(f, 1);
    assert_true(run_until(f, is_at, 1));
    return from;
}

static void test_bus_gaps_full_queues_are_made_good_by_the_ring(void **state)
{
    struct fixture *f = *state;

    f->queue_max = 10;
    struct sp_ref from = start(f, BIG);
    burst(f, 3000);
    struct ring_account sum = settle(f, 1, from);
    assert_int_equal(sum.announced, 0);
    struct sp_bus_stats stats = sp_bus_stats(f->sub);
    assert_true(stats.received < 9001); /* else nothing was dropped */
    assert_true(stats.replayed_socket >= 9001 - stats.received);
    assert_int_equal(stats.ring_gone, 0);
    check_flow(f, &sum);
    assert_int_equal(flow_of(f->sub, ring_name).applied, 9001);
}

static void test_bus_gaps_past_a_small_ring_are_announced(void **state)
{
    struct fixture *f = *state;

    f->queue_max = 10;
    struct sp_ref from = start(f, SMALL);
    burst(f, 3000);
    struct ring_account sum = settle(f, 1, from);
    assert_true(sum.announced > 0);
    assert_true(sum.applied > 0);
    assert_int_equal(sp_bus_stats(f->sub).ring_gone, sum.losses);
    check_flow(f, &sum);
}

static void test_bus_gaps_of_a_stopped_subscriber_add_up(void **state)
{
    struct fixture *f = *state;

    f->queue_max = 10;
    struct sp_ref from = start(f, 4000);
    for (int i = 0; i < 60; i++) {
        add_quotes(f, 100);
        skipped_ns += SP_NS_PER_S;
        assert_int_equal(sp_loop_turn(f->loop, (sp_dur){0}, NULL), SP_OK);
    }
    struct ring_account sum = settle(f, 1, from);
    assert_int_equal(notices_of(f, SP_SUB_SILENT), 0);
    assert_true(sum.losses >= 1);
    check_flow(f, &sum);
}

/* The last records are lost, and nothing follows them. */
static void test_bus_gaps_at_the_end_are_found_by_the_heartbeat(void **state)
{
    struct fixture *f = *state;

    f->queue_max = 1;
    struct sp_ref from = start(f, BIG);
    add_quotes(f, 6000);
    struct ring_account sum = settle(f, 1, from);
    assert_int_equal(sum.announced, 0);
    assert_true(sp_bus_stats(f->sub).received < 6001);
    check_flow(f, &sum);
}

static void test_bus_gaps_of_publisher_restarts_are_announced(void **state)
{
    struct fixture *f = *state;
    struct sp_ref from = start(f, SMALL);

    for (uint32_t epoch = 1; epoch <= 5; epoch++) {
        burst(f, 20);
        add_quotes(f, epoch); /* killed before these arrive, perhaps */
        sp_bus_close(f->pub);
        open_ring(f, epoch + 1, SMALL, epoch % 2 == 0);
    }
    add_quotes(f, 3);
    settle(f, 6, from);
}

static void test_bus_gaps_of_subscriber_restarts_are_made_good(void **state)
{
    struct fixture *f = *state;
    struct sp_ref from = start(f, BIG);

    for (int i = 0; i < 8; i++) {
        struct sp_ref cursor = sp_subscription_cursor(f->subscription);
        close_subscriber(f);
        add_quotes(f, 50);
        subscribe_ring(f, cursor, false);
        for (int n = 0; n < i; n++)
            turn(f);
    }
    assert_int_equal(settle(f, 1, from).announced, 0);
}

static void test_bus_gaps_of_both_at_once_are_announced(void **state)
{
    struct fixture *f = *state;
    struct sp_ref from = start(f, SMALL);

    for (uint32_t epoch = 1; epoch <= 5; epoch++) {
        burst(f, 15);
        struct sp_ref cursor = sp_subscription_cursor(f->subscription);
        close_subscriber(f);
        sp_bus_close(f->pub);
        subscribe_ring(f, cursor, false);
        if (epoch % 2 == 0) turn(f);
        open_ring(f, epoch + 1, SMALL, true);
    }
    add_quotes(f, 10);
    settle(f, 6, from);
}

/* ---- All of it, in any order ---- */

struct storm {
    struct fixture *f;
    uint64_t random;
    uint32_t epoch;
};

static uint32_t draw(struct storm *s, uint32_t below)
{
    s->random ^= s->random << 13;
    s->random ^= s->random >> 7;
    s->random ^= s->random << 17;
    return (uint32_t)((s->random >> 11) % below);
}

static void storm_step(struct storm *s)
{
    struct fixture *f = s->f;
    struct sp_ref cursor = sp_subscription_cursor(f->subscription);

    switch (draw(s, 10)) {
    case 0:
        sp_bus_close(f->pub);
        open_ring(f, ++s->epoch, 1 + draw(s, 300), draw(s, 2) == 0);
        return;
    case 1:
        close_subscriber(f);
        subscribe_ring(f, cursor, false);
        return;
    case 2: skipped_ns += (int64_t)draw(s, 3000) * SP_NS_PER_MS; return;
    case 3: add_quotes(f, draw(s, 1000)); return;
    case 4:
        for (uint32_t i = draw(s, 10); i > 0; i--)
            assert_int_equal(sp_loop_turn(f->loop, (sp_dur){SP_NS_PER_MS}, NULL), SP_OK);
        return;
    case 5:
        for (uint32_t i = draw(s, 10); i > 0; i--)
            assert_int_equal(sp_loop_turn(f->sub_loop, (sp_dur){SP_NS_PER_MS}, NULL), SP_OK);
        return;
    default:
        add_quotes(f, draw(s, 30));
        for (uint32_t i = draw(s, 6); i > 0; i--)
            turn(f);
    }
}

static void run_storm(uint64_t seed)
{
    void *state = NULL;
    struct storm s = {.random = seed * UINT64_C(0x9e3779b97f4a7c15), .epoch = 1};
    struct sp_ref from = cursor_at(ring_name, 1, 0);

    setup(&state);
    s.f = state;
    s.f->queue_max = 10;
    open_ring(s.f, 1, 100, true);
    subscribe_ring(s.f, from, false);
    for (int i = 0; i < 80; i++)
        storm_step(&s);
    add_quotes(s.f, 1);
    if (!run_on_until(s.f, is_at, s.epoch)) {
        fail_msg("storm %" PRIu64 ": at %" PRIu64 " of %" PRIu64, seed,
                 sp_subscription_cursor(s.f->subscription).seq, s.f->published[s.epoch]);
    }
    settle(s.f, s.epoch, from);
    teardown(&state);
}

static void test_bus_gaps_in_any_order_add_up(void **state)
{
    const char *seed = getenv("SPOOR_SEED");

    (void)state;
    if (seed != NULL) {
        run_storm(strtoull(seed, NULL, 10));
        return;
    }
    for (uint64_t i = 1; i <= 8; i++)
        run_storm(i);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_bus_gaps_full_queues_are_made_good_by_the_ring),
        TEST(test_bus_gaps_past_a_small_ring_are_announced),
        TEST(test_bus_gaps_of_a_stopped_subscriber_add_up),
        TEST(test_bus_gaps_at_the_end_are_found_by_the_heartbeat),
        TEST(test_bus_gaps_of_publisher_restarts_are_announced),
        TEST(test_bus_gaps_of_subscriber_restarts_are_made_good),
        TEST(test_bus_gaps_of_both_at_once_are_announced),
        cmocka_unit_test(test_bus_gaps_in_any_order_add_up),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
