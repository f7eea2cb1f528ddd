/* The gateway's core when the venue's filters are not those of the configuration. */
#include "core_shell.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define ONE SP_FX_ONE

static struct core_shell *s;

static int setup(void **state)
{
    (void)state;
    s = core_ready();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    core_check_truth(s);
    core_free(s);
    return 0;
}

static void venue_says(int64_t tick_e8, int64_t step_e8)
{
    struct sp_record record = {.kind = SP_REC_VENUE_INSTRUMENT};

    record.body.venue_instrument = (struct sp_venue_instrument){.symbol = sp_name_of("BTCUSDT"),
                                                                .tick = {tick_e8},
                                                                .step = {step_e8},
                                                                .min_qty = {step_e8},
                                                                .min_value = {5 * ONE}};
    core_event(s, SP_EVENT_MESSAGE, SP_XI_VENUE_MESSAGE, &record);
}

static void test_execution_rules_refuse_an_entry_off_the_step(void **state)
{
    (void)state;
    venue_says(ONE / 100, 3 * ONE / 100);
    core_open(s, "ema"); /* 0.1 */
    const struct sp_plan_answer *refused = &core_last(s, SP_REC_PLAN_REFUSED)->body.plan_answer;
    assert_string_equal(refused->gate.s, "step");
    assert_string_equal(refused->limit.s, "0.03");
    venue_says(ONE / 100, ONE / 100);
    core_open(s, "ema");
    assert_int_equal(core_count(s, SP_REC_TRADE_OPENED), 1);
}

static void test_execution_rules_round_protection_to_the_tick(void **state)
{
    (void)state;
    venue_says(7 * ONE, ONE / 100);
    struct sp_record plan = core_plan(s, "ema");
    plan.body.plan.stop_px.e8 = 48993 * ONE;
    plan.body.plan.target_px.e8 = 52003 * ONE;
    core_feed(s, &plan);
    core_deliver(s);
    venue_says(10 * ONE, ONE / 100);
    struct sp_order *target = core_order(s, SP_LEG_ROLE_TARGET);
    struct sp_order *stop = core_order(s, SP_LEG_ROLE_STOP);
    assert_non_null(target);
    assert_int_equal(target->intent.px.e8 % (7 * ONE), 0);
    assert_int_equal(stop->intent.stop_px.e8 % (7 * ONE), 0);
}

static void test_execution_rules_sell_what_the_step_allows(void **state)
{
    (void)state;
    sp_trd_id trade = core_open(s, "ema"); /* 0.1 */
    venue_says(ONE / 100, 3 * ONE / 100);
    struct sp_record plan = core_close_plan(s, "ema", trade);
    core_feed(s, &plan);
    core_pass(s, 2000);
    assert_int_equal(core_order(s, SP_LEG_ROLE_EXIT)->intent.qty.e8, 9 * ONE / 100);
    assert_int_equal(core_last(s, SP_REC_TRADE_CLOSED)->body.trade_closed.dust.e8, ONE / 100);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_execution_rules_##name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(refuse_an_entry_off_the_step),
        T(round_protection_to_the_tick),
        T(sell_what_the_step_allows),
    };
#undef T
    return cmocka_run_group_tests(tests, NULL, NULL);
}
