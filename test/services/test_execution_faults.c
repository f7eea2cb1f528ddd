/* The gateway's core when things go wrong: lost answers, kills, a venue that comes and goes, truth
 * that comes late; and what operators and threats do. */
#include "core_rig.h"

static const struct sp_trading_state *halted(void)
{
    return &core_last(s, SP_REC_TRADING_HALTED)->body.trading_state;
}

/* ---- No answer ---- */

static void test_execution_faults_a_lost_answer_is_unknown_then_found(void **state)
{
    (void)state;
    s->lose_answers = true;
    core_open(s, "ema");
    core_pass(s, 1900);
    assert_int_equal(state_of(SP_LEG_ROLE_ENTRY), SP_ORDER_STATE_SENT);
    core_pass(s, 200);
    assert_int_equal(state_of(SP_LEG_ROLE_ENTRY), SP_ORDER_STATE_UNKNOWN);
    check_refused("mean", "unknown_order"); /* another link, same instrument: reduce only */
    core_pass(s, 5000);                     /* questions are lost too */
    assert_int_equal(state_of(SP_LEG_ROLE_ENTRY), SP_ORDER_STATE_UNKNOWN);
    s->lose_answers = false;
    core_pass(s, 1500);
    assert_int_equal(state_of(SP_LEG_ROLE_ENTRY), SP_ORDER_STATE_FILLED);
    assert_int_equal(state_of(SP_LEG_ROLE_STOP), SP_ORDER_STATE_OPEN);
    core_check_truth(s);
}

static void test_execution_faults_a_lost_request_is_absent_only_after_proof(void **state)
{
    (void)state;
    s->lose_requests = true;
    core_open(s, "ema");
    core_pass(s, 2100);
    s->lose_requests = false;
    assert_int_equal(state_of(SP_LEG_ROLE_ENTRY), SP_ORDER_STATE_UNKNOWN);
    core_pass(s, 1500); /* many "not found" already: time is missing */
    assert_int_equal(state_of(SP_LEG_ROLE_ENTRY), SP_ORDER_STATE_UNKNOWN);
    core_pass(s, 1000);
    assert_int_equal(state_of(SP_LEG_ROLE_ENTRY), SP_ORDER_STATE_ABSENT_PROVEN);
    assert_int_equal(s->send_count, 1); /* and nothing was sent in its place */
    core_check_truth(s);
}

/* A question that fails says nothing: eleven of them are no proof. */
static void test_execution_faults_a_failed_question_is_not_not_found(void **state)
{
    (void)state;
    s->lose_requests = true;
    core_open(s, "ema");
    core_pass(s, 2100);
    s->lose_requests = false;
    s->venue.fails = true;
    core_pass(s, 10000);
    assert_int_equal(state_of(SP_LEG_ROLE_ENTRY), SP_ORDER_STATE_UNKNOWN);
    s->venue.fails = false;
    core_pass(s, 400); /* time is long over, but three answers are needed */
    assert_int_equal(state_of(SP_LEG_ROLE_ENTRY), SP_ORDER_STATE_UNKNOWN);
    core_pass(s, 2000);
    assert_int_equal(state_of(SP_LEG_ROLE_ENTRY), SP_ORDER_STATE_ABSENT_PROVEN);
}

static void test_execution_faults_an_answer_without_meaning_is_unknown(void **state)
{
    (void)state;
    s->venue.fails = true;
    core_open(s, "ema");
    assert_int_equal(state_of(SP_LEG_ROLE_ENTRY), SP_ORDER_STATE_UNKNOWN);
    assert_int_equal(core_count(s, SP_REC_ORDER_REJECTED), 0);
}

static void test_execution_faults_a_late_answer_changes_nothing(void **state)
{
    struct sp_record plan = core_plan(s, "ema");

    (void)state;
    core_feed(s, &plan);
    struct sp_record answer = venue_take(&s->venue, 0);
    core_deliver(s);
    uint32_t records = s->record_count;
    core_event(s, SP_EVENT_MESSAGE, SP_XI_VENUE_MESSAGE, &answer);
    core_event(s, SP_EVENT_MESSAGE, SP_XI_VENUE_MESSAGE, &answer);
    assert_int_equal(s->record_count, records);
    core_check_truth(s);
}

/* ---- Fills in any order ---- */

static void test_execution_faults_fills_in_every_order_end_the_same(void **state)
{
    (void)state;
    for (uint32_t first = 0; first < 5; first++) {
        struct core_shell *other = core_ready();
        other->venue.parts = 3;
        struct sp_record plan = core_plan(other, "ema");
        core_feed(other, &plan);
        assert_int_equal(other->venue.said_count, 5); /* answer, open, three fills */
        struct sp_record early = venue_take(&other->venue, first);
        core_event(other, SP_EVENT_MESSAGE, SP_XI_VENUE_MESSAGE, &early);
        assert_int_equal(core_count(other, SP_REC_FILL), first >= 2); /* at once, ack or not */
        core_deliver(other);
        core_event(other, SP_EVENT_MESSAGE, SP_XI_VENUE_MESSAGE, &early); /* once more */
        core_deliver(other);
        core_pass(other, 1000);
        assert_int_equal(core_count(other, SP_REC_FILL), 3);
        assert_int_equal(core_count(other, SP_REC_TRADE_OPENED), 1);
        assert_int_equal(core_count(other, SP_REC_TRADING_HALTED), 0);
        assert_int_equal(core_order(other, SP_LEG_ROLE_STOP)->intent.qty.e8, ONE / 10);
        core_check_truth(other);
        core_free(other);
    }
}

/* The report of the end overtakes the executions: they are asked for before it is believed. */
static void test_execution_faults_an_end_does_not_hide_lost_fills(void **state)
{
    struct sp_record plan = core_plan(s, "ema");

    (void)state;
    s->venue.liquidity = (sp_qty){6 * ONE / 100};
    core_feed(s, &plan);
    while (s->venue.said_count > 1) /* only the last report, EXPIRED, arrives */
        venue_take(&s->venue, 0);
    core_deliver(s);
    core_pass(s, 3000);
    assert_int_equal(state_of(SP_LEG_ROLE_ENTRY), SP_ORDER_STATE_EXPIRED);
    assert_int_equal(core_order(s, SP_LEG_ROLE_STOP)->intent.qty.e8, 6 * ONE / 100);
    core_check_truth(s);
}

static void test_execution_faults_a_gap_in_the_reports_is_closed(void **state)
{
    (void)state;
    core_open(s, "ema");
    core_price(s, 52000);
    venue_move(&s->venue, s->venue.price, (sp_qty){0});
    assert_int_equal(s->venue.said_count, 2);
    venue_take(&s->venue, 0); /* the fill of the target is lost; "stop cancelled" arrives */
    core_deliver(s);
    core_pass(s, 1000);
    assert_int_equal(core_count(s, SP_REC_TRADE_CLOSED), 1);
    core_check_truth(s);
}

static void test_execution_faults_a_lost_first_report_is_missed(void **state)
{
    (void)state;
    core_open(s, "ema");
    core_price(s, 52000);
    core_down(s);
    core_up(s); /* reports count anew */
    core_reconciled(s, true);
    s->venue.report_seq = 0;
    venue_move(&s->venue, s->venue.price, (sp_qty){0});
    assert_int_equal(s->venue.said_count, 2);
    venue_take(&s->venue, 0);
    core_deliver(s);
    core_pass(s, 1000);
    assert_int_equal(core_count(s, SP_REC_TRADE_CLOSED), 1);
    core_check_truth(s);
}

/* Nothing comes behind them that could show a gap: the venue's count does. */
static void test_execution_faults_lost_last_reports_are_missed(void **state)
{
    struct sp_record count = {.kind = SP_REC_VENUE_ANSWER};

    (void)state;
    core_open(s, "ema");
    core_price(s, 52000);
    venue_move(&s->venue, s->venue.price, (sp_qty){0});
    while (s->venue.said_count > 0)
        venue_take(&s->venue, 0);
    core_pass(s, 3000);
    assert_int_equal(core_count(s, SP_REC_TRADE_CLOSED), 0); /* nobody said a word */
    count.body.venue_answer = (struct sp_venue_answer){.request_id = UINT64_C(1) << 40,
                                                       .ok = true,
                                                       .reports = s->venue.report_seq};
    core_event(s, SP_EVENT_MESSAGE, SP_XI_VENUE_MESSAGE, &count);
    core_pass(s, 1000);
    assert_int_equal(core_count(s, SP_REC_TRADE_CLOSED), 1);
    core_check_truth(s);
}

/* A venue without numbers in its reports: only the comparison of the books finds out, and what it
 * may correct is bounded. Our own orders' executions are asked for all the same. */
static void test_execution_faults_an_unclean_result_asks_for_lost_fills(void **state)
{
    (void)state;
    core_open(s, "ema");
    uint32_t fills = core_count(s, SP_REC_FILL);
    core_price(s, 52000);
    venue_move(&s->venue, s->venue.price, (sp_qty){0});
    while (s->venue.said_count > 0)
        venue_take(&s->venue, 0);
    core_pass(s, 3000);
    assert_int_equal(core_count(s, SP_REC_FILL), fills);
    core_reconciled(s, false);
    core_pass(s, 1000);
    assert_int_equal(core_count(s, SP_REC_FILL), fills + 1);
}

static void test_execution_faults_a_fill_that_cannot_be_halts(void **state)
{
    struct sp_record report = {.kind = SP_REC_VENUE_REPORT};

    (void)state;
    core_open(s, "ema");
    report.body.venue_report = (struct sp_venue_report){
        .report_seq = s->venue.report_seq,
        .client_order_id = core_order(s, SP_LEG_ROLE_STOP)->intent.client_order_id,
        .venue_order_id = 1,
        .symbol = sp_name_of("BTCUSDT"),
        .state = SP_ORDER_STATE_FILLED,
        .venue_trade_id = 4711,
        .side = SP_SIDE_SELL,
        .px = {49000 * ONE},
        .qty = {ONE / 10 + 1}}; /* more than was ordered */
    core_event(s, SP_EVENT_MESSAGE, SP_XI_VENUE_MESSAGE, &report);
    assert_string_equal(halted()->scope.s, "strategy.ema");
    assert_non_null(strstr(halted()->reason.s, "4711"));
    core_event(s, SP_EVENT_MESSAGE, SP_XI_VENUE_MESSAGE, &report);
    assert_int_equal(core_count(s, SP_REC_TRADING_HALTED), 1); /* said once */
    core_check_truth(s);
}

/* ---- Late truth ---- */

/* What an order proven absent would be if it came after all. */
static void lose_entry(struct sp_record *request)
{
    struct sp_record plan = core_plan(s, "ema");

    s->lose_requests = true;
    core_feed(s, &plan);
    s->lose_requests = false;
    core_pass(s, 6000);
    assert_int_equal(state_of(SP_LEG_ROLE_ENTRY), SP_ORDER_STATE_ABSENT_PROVEN);
    const struct sp_order_intent *intent = &core_order(s, SP_LEG_ROLE_ENTRY)->intent;
    *request = (struct sp_record){.kind = SP_REC_VENUE_ORDER};
    request->body.venue_order = (struct sp_venue_order){.request_id = 99999,
                                                        .client_order_id = intent->client_order_id,
                                                        .symbol = intent->symbol,
                                                        .side = intent->side,
                                                        .type = intent->type,
                                                        .tif = intent->tif,
                                                        .qty = intent->qty};
}

static void test_execution_faults_an_absent_order_that_fills_is_adopted(void **state)
{
    struct sp_record request;

    (void)state;
    lose_entry(&request);
    venue_receive(&s->venue, &request);
    core_deliver(s);
    assert_int_equal(state_of(SP_LEG_ROLE_ENTRY), SP_ORDER_STATE_FILLED);
    assert_int_equal(state_of(SP_LEG_ROLE_STOP), SP_ORDER_STATE_OPEN);
    assert_string_equal(halted()->scope.s, "strategy.ema");
    assert_non_null(strstr(halted()->reason.s, "ABSENT_PROVEN"));
    assert_true(strlen(halted()->next_step.s) > 10);
    core_check_truth(s);
}

/* Closed, and then an execution comes: the trade opens again, is sold, and counted once. */
static void test_execution_faults_a_fill_after_the_close_is_managed(void **state)
{
    struct sp_record plan = core_plan(s, "ema");

    (void)state;
    s->venue.liquidity = (sp_qty){6 * ONE / 100};
    core_feed(s, &plan);
    core_deliver(s);
    core_move(s, 52000, 0);
    assert_int_equal(core_count(s, SP_REC_TRADE_CLOSED), 1);
    int64_t first = core_last(s, SP_REC_TRADE_CLOSED)->body.trade_closed.realised_pnl.e8;
    /* The venue changes its mind: the expired entry had one more fill. */
    struct venue_order *entry =
        venue_find(&s->venue, &core_order(s, SP_LEG_ROLE_ENTRY)->intent.client_order_id);
    entry->state = SP_ORDER_STATE_PARTIALLY_FILLED;
    venue_fill(&s->venue, &entry->id, (sp_px){52000 * ONE}, (sp_qty){4 * ONE / 100});
    core_deliver(s);
    core_pass(s, 1000);
    assert_int_equal(core_count(s, SP_REC_TRADE_CLOSED), 2);
    const struct sp_trade_closed *again = &core_last(s, SP_REC_TRADE_CLOSED)->body.trade_closed;
    assert_int_equal(again->cause, SP_CLOSE_CAUSE_RECONCILIATION);
    assert_int_equal(again->qty.e8, ONE / 10);
    assert_int_equal(again->realised_pnl.e8, first - 2 * 208000000);
    assert_int_equal(s->core.books.links[0].result.realised.e8, again->realised_pnl.e8);
    assert_non_null(strstr(halted()->reason.s, "closed"));
    core_check_truth(s);
}

/* Sold twice: the books say what the account says, and do not fall over. */
static void test_execution_faults_a_late_second_sale_is_booked(void **state)
{
    (void)state;
    s->venue.base = (sp_amt){ONE}; /* somebody else's, at the same account */
    core_open(s, "ema");
    s->venue.liquidity = (sp_qty){9 * ONE / 100};
    core_move(s, 48900, 0);
    core_pass(s, 1000);
    assert_int_equal(core_count(s, SP_REC_TRADE_CLOSED), 1);
    struct venue_order *stop =
        venue_find(&s->venue, &core_order(s, SP_LEG_ROLE_STOP)->intent.client_order_id);
    stop->state = SP_ORDER_STATE_PARTIALLY_FILLED;
    venue_fill(&s->venue, &stop->id, (sp_px){48900 * ONE}, (sp_qty){ONE / 100});
    core_deliver(s);
    core_pass(s, 1000);
    assert_int_equal(core_count(s, SP_REC_TRADE_CLOSED), 2);
    assert_int_equal(s->core.books.fill_total, s->venue.fill_count);
    s->venue.base.e8 -= ONE;
    core_check_truth(s);
}

/* ---- Kills ---- */

/* A kill at every step of opening a trade, then at every step of closing it. */
static void kill_everywhere(void (*act)(void))
{
    for (uint32_t steps = 1; steps < 200; steps++) {
        core_free(s);
        s = core_ready();
        s->kill.steps = steps;
        act();
        bool happened = s->kill.happened;
        core_restart(s);
        recover();
        core_pass(s, 8000);
        core_check_truth(s);
        const struct sp_order *stop = core_order(s, SP_LEG_ROLE_STOP);
        bool held = s->venue.base.e8 > 0;
        if (held) assert_true(stop != NULL && stop->state == SP_ORDER_STATE_OPEN);
        if (!happened) return;
    }
    fail_msg("never came through");
}

static void open_one(void)
{
    core_open(s, "ema");
}

static void open_and_close(void)
{
    sp_trd_id trade = core_open(s, "ema");
    struct sp_record plan = core_close_plan(s, "ema", trade);

    if (s->kill.happened) return;
    core_feed(s, &plan);
    core_deliver(s);
}

static void test_execution_faults_a_kill_at_any_step_of_opening(void **state)
{
    (void)state;
    kill_everywhere(open_one);
}

static void test_execution_faults_a_kill_at_any_step_of_closing(void **state)
{
    (void)state;
    kill_everywhere(open_and_close);
    assert_int_equal(s->venue.base.e8, 0);
}

/* A cancel that was lost must not leave the exit waiting for ever. */
static void test_execution_faults_a_lost_cancel_is_repeated(void **state)
{
    sp_trd_id trade = core_open(s, "ema");
    struct sp_record plan = core_close_plan(s, "ema", trade);

    (void)state;
    s->lose_requests = true;
    core_feed(s, &plan);
    core_pass(s, 1000);
    assert_int_equal(state_of(SP_LEG_ROLE_STOP), SP_ORDER_STATE_PENDING_CANCEL);
    s->lose_requests = false;
    core_pass(s, 1500);
    assert_int_equal(core_count(s, SP_REC_TRADE_CLOSED), 1);
    core_check_truth(s);
}

static void test_execution_faults_an_order_is_known_again_after_a_restart(void **state)
{
    (void)state;
    core_open(s, "ema");
    core_restart(s);
    assert_int_equal(state_of(SP_LEG_ROLE_STOP), SP_ORDER_STATE_OPEN);
    core_price(s, 48900);
    venue_move(&s->venue, s->venue.price, (sp_qty){0}); /* fills while nobody listens */
    s->venue.said_count = 0;
    recover();
    assert_int_equal(core_count(s, SP_REC_TRADE_CLOSED), 1);
    assert_int_equal(core_last(s, SP_REC_TRADE_CLOSED)->body.trade_closed.cause,
                     SP_CLOSE_CAUSE_STOP);
    core_check_truth(s);
}

/* Of an order that had ended by our books, and while we were away: only the list of executions
 * knows. */
static void test_execution_faults_a_fill_while_away_is_found(void **state)
{
    struct sp_record plan = core_plan(s, "ema");

    (void)state;
    s->venue.liquidity = (sp_qty){6 * ONE / 100};
    core_feed(s, &plan);
    core_deliver(s);
    core_down(s);
    struct venue_order *entry =
        venue_find(&s->venue, &core_order(s, SP_LEG_ROLE_ENTRY)->intent.client_order_id);
    entry->state = SP_ORDER_STATE_PARTIALLY_FILLED;
    venue_fill(&s->venue, &entry->id, s->venue.price, (sp_qty){4 * ONE / 100});
    s->venue.said_count = 0;
    recover();
    assert_int_equal(core_count(s, SP_REC_FILL), 2);
    core_check_truth(s);
}

/* Until its outcome is known it counts as unknown, from the first moment on. */
static void test_execution_faults_what_was_sent_before_a_crash_is_unknown(void **state)
{
    struct sp_record plan = core_plan(s, "ema");

    (void)state;
    core_feed(s, &plan);
    core_restart(s);
    core_price(s, 50000);
    s->lose_answers = true;
    core_up(s);
    assert_int_equal(state_of(SP_LEG_ROLE_ENTRY), SP_ORDER_STATE_UNKNOWN);
    s->lose_answers = false;
    core_pass(s, 2000);
    assert_int_equal(state_of(SP_LEG_ROLE_ENTRY), SP_ORDER_STATE_FILLED);
    core_check_truth(s);
}

static void test_execution_faults_more_fills_than_one_answer_holds_are_caught_up(void **state)
{
    struct sp_record plan = core_plan(s, "ema");

    (void)state;
    s->venue.parts = 250;
    core_feed(s, &plan);
    core_restart(s);
    recover();
    core_pass(s, 1000);
    assert_int_equal(core_count(s, SP_REC_FILL), 250);
    assert_int_equal(state_of(SP_LEG_ROLE_STOP), SP_ORDER_STATE_OPEN);
    core_check_truth(s);
}

static void test_execution_faults_an_order_that_never_left_is_withheld(void **state)
{
    struct sp_record plan = core_plan(s, "ema");

    (void)state;
    s->connected = false; /* and the core has not heard yet */
    core_feed(s, &plan);
    assert_int_equal(state_of(SP_LEG_ROLE_ENTRY), SP_ORDER_STATE_SUPPRESSED);
    assert_int_equal(s->send_count, 0);
    s->connected = true;
    core_open(s, "ema");
    assert_int_equal(state_of(SP_LEG_ROLE_ENTRY), SP_ORDER_STATE_FILLED);
    core_check_truth(s);
}

/* Protection that never left is tried again: no reason to sell. */
static void test_execution_faults_protection_that_never_left_is_renewed(void **state)
{
    struct sp_record plan = core_plan(s, "ema");

    (void)state;
    core_feed(s, &plan);
    struct sp_record answer = venue_take(&s->venue, 0);
    struct sp_record open = venue_take(&s->venue, 0);
    struct sp_record fill = venue_take(&s->venue, 0);
    core_event(s, SP_EVENT_MESSAGE, SP_XI_VENUE_MESSAGE, &answer);
    core_event(s, SP_EVENT_MESSAGE, SP_XI_VENUE_MESSAGE, &open);
    s->connected = false;
    core_event(s, SP_EVENT_MESSAGE, SP_XI_VENUE_MESSAGE, &fill);
    s->connected = true;
    core_pass(s, 500);
    assert_int_equal(state_of(SP_LEG_ROLE_STOP), SP_ORDER_STATE_OPEN);
    assert_null(core_order(s, SP_LEG_ROLE_EXIT));
    core_check_truth(s);
}

#define T(name)                                                                                    \
    cmocka_unit_test_setup_teardown(test_execution_faults_##name, setup, teardown_as_it_is)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_lost_answer_is_unknown_then_found),
        T(a_lost_request_is_absent_only_after_proof),
        T(a_failed_question_is_not_not_found),
        T(an_answer_without_meaning_is_unknown),
        T(a_late_answer_changes_nothing),
        T(fills_in_every_order_end_the_same),
        T(an_end_does_not_hide_lost_fills),
        T(a_gap_in_the_reports_is_closed),
        T(a_lost_first_report_is_missed),
        T(lost_last_reports_are_missed),
        T(an_unclean_result_asks_for_lost_fills),
        T(a_fill_that_cannot_be_halts),
        T(an_absent_order_that_fills_is_adopted),
        T(a_fill_after_the_close_is_managed),
        T(a_late_second_sale_is_booked),
        T(a_kill_at_any_step_of_opening),
        T(a_kill_at_any_step_of_closing),
        T(a_lost_cancel_is_repeated),
        T(an_order_is_known_again_after_a_restart),
        T(a_fill_while_away_is_found),
        T(what_was_sent_before_a_crash_is_unknown),
        T(more_fills_than_one_answer_holds_are_caught_up),
        T(an_order_that_never_left_is_withheld),
        T(protection_that_never_left_is_renewed),
    };

    return cmocka_run_group_tests_name("execution_faults", tests, NULL, NULL);
}
