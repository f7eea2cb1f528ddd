/* The gateway's core and its budgets of messages to the venue. */
#include "core_rig.h"

/* The budget of messages: entries end at four fifths, protection and exits use the rest, and what
 * has no room waits instead of being lost. */
static void test_execution_messages_exits_have_the_last(void **state)
{
    (void)state;
    s->config.risk.messages_max = 5;
    s->config.risk.messages_window.ns = 10000 * MS;
    sp_trd_id ema = core_open(s, "ema"); /* an entry, and its protection as one message */
    sp_trd_id mean = core_open(s, "mean");
    struct sp_record closes[] = {core_close_plan(s, "ema", ema), core_close_plan(s, "mean", mean)};
    for (size_t i = 0; i < 2; i++)
        core_feed(s, &closes[i]);
    core_pass(s, 5000);
    assert_int_equal(s->cancels, 1); /* the fifth message */
    assert_int_equal(core_count(s, SP_REC_TRADE_CLOSED), 0);
    core_pass(s, 20000);
    assert_int_equal(core_count(s, SP_REC_TRADE_CLOSED), 2);
    assert_int_equal(s->cancels, 2);
    core_price(s, 50000);
    check_opens("ema");
    check_opens("mean");
}

/* A strategy's own budget ends its entries only, and nobody else's; an instrument's counts all. */
static void test_execution_messages_of_a_strategy_are_its_own(void **state)
{
    (void)state;
    s->config.links[0].risk.messages_max = 5;
    s->config.links[0].risk.messages_window.ns = 3600 * INT64_C(1000) * MS;
    for (int i = 0; i < 2; i++) { /* each is an entry, a protection, a cancel and an exit */
        struct sp_record close = core_close_plan(s, "mean", core_open(s, "mean"));
        core_feed(s, &close);
        core_pass(s, 5000);
    }
    struct sp_record close = core_close_plan(s, "ema", core_open(s, "ema"));
    core_feed(s, &close);
    core_pass(s, 5000);
    assert_int_equal(core_count(s, SP_REC_TRADE_CLOSED), 3);
    core_price(s, 50000);
    check_refused("ema", "messages_max");
    check_opens("mean");
    s->config.links[0].risk.messages_max = 0;
    struct sp_risk_config *instrument = &s->config.worlds[0].instruments[0].risk;
    instrument->messages_max = 15; /* entries: 12, of which this strategy alone has sent four */
    instrument->messages_window.ns = 3600 * INT64_C(1000) * MS;
    check_refused("ema", "messages_max");
}

#define T(name) cmocka_unit_test_setup_teardown(test_execution_messages_##name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(exits_have_the_last),
        T(of_a_strategy_are_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
