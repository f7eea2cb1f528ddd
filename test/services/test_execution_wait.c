/* The gateway's core while the venue refuses all requests for some time. */
#include "core_rig.h"

static void venue_refuses(int64_t ms)
{
    struct sp_record wait = {.kind = SP_REC_VENUE_ANSWER};

    wait.body.venue_answer.wait = (sp_dur){ms * 1000000};
    sp_text_printf(&wait.body.venue_answer.reason, "too many requests");
    core_event(s, SP_EVENT_MESSAGE, SP_XI_VENUE_WAIT, &wait);
}

static void test_execution_wait_refuses_entries_and_says_why(void **state)
{
    (void)state;
    venue_refuses(3000);
    core_open(s, "mean");
    const struct sp_plan_answer *refused = &core_last(s, SP_REC_PLAN_REFUSED)->body.plan_answer;
    assert_string_equal(refused->gate.s, "venue");
    assert_non_null(strstr(refused->reason.s, "too many requests"));
    core_pass(s, 3100);
    core_price(s, 50000);
    core_open(s, "mean");
    assert_int_equal(core_count(s, SP_REC_TRADE_OPENED), 1);
}

/* Who goes on asking is excluded for longer: not even an exit leaves before. */
static void test_execution_wait_holds_exits_back(void **state)
{
    (void)state;
    sp_trd_id trade = core_open(s, "ema");
    uint32_t intents = core_count(s, SP_REC_ORDER_INTENT);
    venue_refuses(3000);
    struct sp_record plan = core_close_plan(s, "ema", trade);
    core_feed(s, &plan);
    core_pass(s, 2900);
    assert_int_equal(core_count(s, SP_REC_ORDER_INTENT), intents);
    assert_int_equal(core_count(s, SP_REC_CANCEL_INTENT), 0);
    core_pass(s, 2000);
    assert_int_equal(core_count(s, SP_REC_TRADE_CLOSED), 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_execution_wait_##name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(refuses_entries_and_says_why),
        T(holds_exits_back),
    };
#undef T
    return cmocka_run_group_tests(tests, NULL, NULL);
}
