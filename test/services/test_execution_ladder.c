/* When an order of unknown outcome is asked about, and when "not found" proves that there is none:
 * both by what the venue's adapter declares. */
#include "core_rig.h"

#define ASKED_MAX 16
#define TICK_MS   50

static const struct sp_pending *the_one_pending(void)
{
    for (uint32_t i = 0; i < SP_PENDING_MAX; i++) {
        if (s->core.pending[i].client_order_id.s[0] != '\0') return &s->core.pending[i];
    }
    return NULL;
}

static void connect_anew(bool over_a_network, int64_t absence_ms)
{
    struct sp_binance_config *binance = &s->config.worlds[0].binance;

    if (over_a_network) snprintf(binance->rest, sizeof binance->rest, "https://api.example.com");
    s->absence.ns = absence_ms * MS;
    core_down(s);
    recover();
}

/* An entry whose outcome nobody tells. */
static void lose_an_entry(int64_t absence_ms)
{
    connect_anew(true, absence_ms);
    struct sp_record plan = core_plan(s, "ema");
    s->venue.fails = true;
    core_feed(s, &plan);
    core_deliver(s);
    assert_int_equal(state_of(SP_LEG_ROLE_ENTRY), SP_ORDER_STATE_UNKNOWN);
}

/* Pauses before each question, in ms. */
static uint32_t pauses(int64_t for_ms, int64_t out[ASKED_MAX])
{
    uint32_t count = 0, heard = 0;
    int64_t last = s->now;

    for (int64_t ms = 0; ms < for_ms && count < ASKED_MAX; ms += TICK_MS) {
        core_pass(s, TICK_MS);
        const struct sp_pending *pending = the_one_pending();
        if (pending == NULL || pending->questions == heard) continue;
        heard = pending->questions;
        out[count++] = (s->now - last) / MS;
        last = s->now;
    }
    return count;
}

/* Up to a quarter later, and seen a few ticks late. */
static void check_pause(int64_t got, int64_t want)
{
    if (got < want || got > want + want / 4 + 3 * TICK_MS)
        fail_msg("asked after %lld ms, not %lld", (long long)got, (long long)want);
}

static void test_execution_ladder_climbs_to_fifteen_seconds(void **state)
{
    static const int64_t wanted[] = {500, 1000, 2000, 4000, 8000, 15000, 15000};
    int64_t got[ASKED_MAX] = {0};

    (void)state;
    lose_an_entry(45000);
    uint32_t count = pauses(60000, got);
    assert_true(count >= sizeof wanted / sizeof *wanted);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        check_pause(got[i], wanted[i]);
}

/* Where absence is proven sooner, so often that the proof is not late. */
static void test_execution_ladder_is_no_longer_than_a_third_of_absence(void **state)
{
    static const int64_t wanted[] = {500, 1000, 1000, 1000};
    int64_t got[ASKED_MAX] = {0};

    (void)state;
    lose_an_entry(3000);
    assert_true(pauses(6000, got) >= sizeof wanted / sizeof *wanted);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        check_pause(got[i], wanted[i]);
}

/* Two orders do not ask at the same moments. */
static void test_execution_ladder_spreads_by_the_orders_name(void **state)
{
    int64_t first[ASKED_MAX] = {0}, second[ASKED_MAX] = {0};

    (void)state;
    lose_an_entry(45000);
    uint32_t count = pauses(40000, first);
    core_free(s);
    s = core_ready();
    s->plans = 7; /* another trade, so another name */
    lose_an_entry(45000);
    assert_int_equal(pauses(40000, second), count);
    assert_memory_not_equal(first, second, sizeof first);
}

/* Questions until it counts as absent, those behind what the adapter declared, and when. */
static void check_proof(bool over_a_network, int64_t absence_ms)
{
    uint32_t late = 0, heard = 0;
    int64_t unknown = 0, ms = 0;

    connect_anew(over_a_network, absence_ms);
    s->lose_requests = true;
    core_open(s, "ema");
    for (; ms < 200000; ms += TICK_MS) {
        if (state_of(SP_LEG_ROLE_ENTRY) == SP_ORDER_STATE_ABSENT_PROVEN) break;
        if (unknown == 0 && state_of(SP_LEG_ROLE_ENTRY) == SP_ORDER_STATE_UNKNOWN) {
            unknown = s->now;
            s->lose_requests = false;
        }
        core_pass(s, TICK_MS);
        const struct sp_pending *pending = the_one_pending();
        if (unknown == 0 || pending == NULL || pending->questions == heard) continue;
        heard = pending->questions;
        late += s->now - unknown >= absence_ms * MS;
        assert_true(pending->absent_answers <= late);
    }
    assert_int_equal(state_of(SP_LEG_ROLE_ENTRY), SP_ORDER_STATE_ABSENT_PROVEN);
    assert_true(s->now - unknown >= absence_ms * MS);
    assert_in_range(late, 2, 3); /* the third ended the waiting */
    assert_true(heard > late);   /* those before proved nothing */
    assert_int_equal(s->send_count, 1);
}

static void test_execution_ladder_absence_takes_what_the_adapter_declares(void **state)
{
    static const int64_t declared_ms[] = {1000, 2000, 7000, 45000};

    (void)state;
    for (size_t i = 0; i < sizeof declared_ms / sizeof *declared_ms; i++) {
        for (int network = 0; network < 2; network++) {
            core_free(s);
            s = core_ready();
            check_proof(network == 1, declared_ms[i]);
        }
    }
}

/* Without a declaration nothing proves it: the order stays unknown. */
static void test_execution_ladder_nothing_declared_proves_nothing(void **state)
{
    (void)state;
    connect_anew(false, 0);
    s->lose_requests = true;
    core_open(s, "ema");
    core_pass(s, 2100);
    s->lose_requests = false;
    core_pass(s, 120000);
    assert_int_equal(state_of(SP_LEG_ROLE_ENTRY), SP_ORDER_STATE_UNKNOWN);
}

int main(void)
{
#define T(name)                                                                                    \
    cmocka_unit_test_setup_teardown(test_execution_ladder_##name, setup, teardown_as_it_is)
    const struct CMUnitTest tests[] = {
        T(climbs_to_fifteen_seconds),       T(is_no_longer_than_a_third_of_absence),
        T(spreads_by_the_orders_name),      T(absence_takes_what_the_adapter_declares),
        T(nothing_declared_proves_nothing),
    };
#undef T
    return cmocka_run_group_tests(tests, NULL, NULL);
}
