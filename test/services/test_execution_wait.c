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

/* The plan of another strategy comes before the tick that sends what waited. */
static void test_execution_wait_cancels_first_when_it_is_over(void **state)
{
    (void)state;
    sp_trd_id trade = core_open(s, "ema");
    venue_refuses(3000);
    struct sp_record close = core_close_plan(s, "ema", trade);
    core_feed(s, &close);
    core_pass(s, 2900);
    s->now += 200 * MS;
    uint32_t sends = s->send_count;
    struct sp_record open = core_plan(s, "mean");
    core_feed(s, &open);
    assert_int_equal(s->send_count, sends);
    assert_string_equal(refused()->gate.s, "venue");
    core_pass(s, 50);
    assert_int_equal(s->cancels, 1); /* of the pair */
    core_open(s, "mean");
    assert_int_equal(core_count(s, SP_REC_TRADE_OPENED), 2);
    core_pass(s, 1000);
    assert_int_equal(core_count(s, SP_REC_TRADE_CLOSED), 1);
}

/* The venue refused the cancel itself: it goes again, once, with the intent it has, and is neither
 * an order nor an incident. */
static void test_execution_wait_repeats_cancels_that_did_not_go(void **state)
{
    (void)state;
    sp_trd_id trade = core_open(s, "ema");
    struct sp_record close = core_close_plan(s, "ema", trade);
    s->lose_requests = true;
    core_feed(s, &close);
    core_pass(s, 50);
    uint32_t cancels = s->cancels, intents = core_count(s, SP_REC_CANCEL_INTENT);
    assert_int_equal(cancels, 1);
    venue_refuses(3000);
    core_pass(s, 2900); /* what is asked meanwhile does not leave */
    assert_int_equal(s->cancels, cancels);
    s->lose_requests = false;
    s->now += 150 * MS;
    struct sp_record open = core_plan(s, "mean");
    core_feed(s, &open);
    assert_string_equal(refused()->gate.s, "venue");
    core_pass(s, 50);
    assert_int_equal(s->cancels, cancels + 1);
    core_pass(s, 1000);
    assert_int_equal(s->cancels, cancels + 1);
    assert_int_equal(core_count(s, SP_REC_CANCEL_INTENT), intents);
    assert_int_equal(core_count(s, SP_REC_TRADE_CLOSED), 1);
    assert_int_equal(s->core.books.incidents, 0);
    assert_int_equal(s->core.duplicates, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_execution_wait_##name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(refuses_entries_and_says_why),
        T(holds_exits_back),
        T(cancels_first_when_it_is_over),
        T(repeats_cancels_that_did_not_go),
    };
#undef T
    return cmocka_run_group_tests(tests, NULL, NULL);
}
