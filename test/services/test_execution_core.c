/* The gateway's core on a good day and an ordinary bad one: plans, protection, exits, commands. */
#include "core_rig.h"

static const struct sp_trade_closed *closed(void)
{
    return &core_last(s, SP_REC_TRADE_CLOSED)->body.trade_closed;
}

/* ---- From a plan to a protected position ---- */

static void test_execution_core_a_plan_becomes_a_protected_position(void **state)
{
    (void)state;
    core_open(s, "ema");
    assert_int_equal(core_count(s, SP_REC_PLAN_ACCEPTED), 1);
    assert_int_equal(core_count(s, SP_REC_ORDER_INTENT), 3);
    assert_int_equal(core_count(s, SP_REC_TRADE_OPENED), 1);
    assert_int_equal(state_of(SP_LEG_ROLE_ENTRY), SP_ORDER_STATE_FILLED);
    assert_int_equal(state_of(SP_LEG_ROLE_TARGET), SP_ORDER_STATE_OPEN);
    assert_int_equal(state_of(SP_LEG_ROLE_STOP), SP_ORDER_STATE_OPEN);
    const struct sp_order *target = core_order(s, SP_LEG_ROLE_TARGET);
    assert_int_equal(target->intent.qty.e8, ONE / 10);
    assert_int_equal(target->intent.px.e8, 52000 * ONE);
    assert_true(
        sp_name_eq(&target->intent.pair, &core_order(s, SP_LEG_ROLE_STOP)->intent.client_order_id));
    core_pass(s, 1000);
    assert_int_equal(core_count(s, SP_REC_ORDER_INTENT), 3); /* nothing more to do */
}

static void test_execution_core_every_intent_explains_itself(void **state)
{
    (void)state;
    core_open(s, "ema");
    for (uint32_t i = 0; i < s->record_count; i++) {
        const struct sp_record *record = &s->records[i];
        if (record->kind != SP_REC_ORDER_INTENT) continue;
        const struct sp_order_intent *intent = &record->body.order_intent;
        assert_true(intent->client_order_id.s[0] == 's');
        assert_int_equal(strlen(intent->client_order_id.s), 34);
        assert_int_equal(intent->opportunity_ids.count, 1);
        if (intent->role != SP_LEG_ROLE_ENTRY) continue;
        assert_string_equal(record->by[0].stream.s, "strategy.ema");
        assert_true(intent->gate.count > 0);
    }
}

static void test_execution_core_target_closes_with_exact_numbers(void **state)
{
    (void)state;
    core_open(s, "ema");
    core_move(s, 52000, 0);
    assert_int_equal(closed()->cause, SP_CLOSE_CAUSE_TARGET);
    assert_string_equal(closed()->closure_reason.s, "target");
    assert_int_equal(closed()->bought.e8, 5000 * ONE);
    assert_int_equal(closed()->sold.e8, 5200 * ONE);
    assert_int_equal(closed()->fees.e8, 5 * ONE + 520000000);
    assert_int_equal(closed()->realised_pnl.e8, INT64_C(18980000000));
    assert_int_equal(closed()->dust.e8, 0);
    assert_int_equal(s->core.books.links[0].cash.e8, INT64_C(1018980000000));
    assert_int_equal(s->core.books.links[0].result.realised.e8, INT64_C(18980000000));
    assert_int_equal(s->core.books.links[0].result.peak.e8, INT64_C(18980000000));
    assert_int_equal(state_of(SP_LEG_ROLE_STOP), SP_ORDER_STATE_CANCELED);
    assert_int_equal(core_count(s, SP_REC_TRADE_CLOSED), 1);
}

static void test_execution_core_stop_closes_by_the_stop(void **state)
{
    (void)state;
    core_open(s, "ema");
    core_move(s, 48900, 0);
    assert_int_equal(closed()->cause, SP_CLOSE_CAUSE_STOP);
    assert_int_equal(closed()->realised_pnl.e8, (4890 - 5000 - 5) * ONE - 489000000);
    assert_int_equal(s->core.books.links[0].result.peak.e8, 0);
}

/* Odd prices and quantities: every rounding is done once, by the venue's value and fee. */
static void test_execution_core_closes_exactly_at_odd_numbers(void **state)
{
    struct sp_record plan = core_plan(s, "ema");

    (void)state;
    s->venue.parts = 3;
    plan.body.plan.qty.e8 = 7777000;
    core_feed(s, &plan);
    core_deliver(s);
    venue_fill(&s->venue, &core_order(s, SP_LEG_ROLE_TARGET)->intent.client_order_id,
               (sp_px){INT64_C(5200137000000)}, (sp_qty){7777000});
    core_deliver(s);
    int64_t sum = 0;
    for (uint32_t i = 0; i < s->venue.fill_count; i++) {
        sp_amt value = {0};
        assert_true(sp_px_times_qty(s->venue.fills[i].px, s->venue.fills[i].qty, &value));
        sum += (s->venue.fills[i].side == SP_SIDE_SELL ? value.e8 : -value.e8) -
               s->venue.fills[i].fee.e8;
    }
    assert_int_equal(closed()->realised_pnl.e8, sum);
    assert_int_equal(closed()->realised_pnl.e8,
                     closed()->sold.e8 - closed()->bought.e8 - closed()->fees.e8);
}

static void test_execution_core_an_entry_in_pieces_is_one_trade(void **state)
{
    (void)state;
    s->venue.parts = 4;
    core_open(s, "ema");
    assert_int_equal(core_count(s, SP_REC_FILL), 4);
    assert_int_equal(core_count(s, SP_REC_TRADE_OPENED), 1);
    assert_int_equal(core_count(s, SP_REC_ORDER_INTENT), 3); /* protected once, after the last */
    assert_int_equal(core_order(s, SP_LEG_ROLE_STOP)->intent.qty.e8, ONE / 10);
}

static void test_execution_core_a_part_of_an_entry_is_protected(void **state)
{
    (void)state;
    s->venue.liquidity = (sp_qty){4 * ONE / 100};
    core_open(s, "ema");
    assert_int_equal(state_of(SP_LEG_ROLE_ENTRY), SP_ORDER_STATE_EXPIRED);
    assert_int_equal(core_order(s, SP_LEG_ROLE_STOP)->intent.qty.e8, 4 * ONE / 100);
}

static void test_execution_core_a_resting_entry_filled_in_part_is_protected(void **state)
{
    struct sp_record plan = core_plan(s, "ema");

    (void)state;
    plan.body.plan.order_type = SP_ORDER_TYPE_LIMIT;
    plan.body.plan.tif = SP_TIF_GTC;
    plan.body.plan.limit_px = (sp_px){49900 * ONE};
    core_feed(s, &plan);
    core_deliver(s);
    assert_int_equal(state_of(SP_LEG_ROLE_ENTRY), SP_ORDER_STATE_OPEN);
    core_move(s, 49900, 3 * ONE / 100);
    core_pass(s, 500);
    assert_int_equal(state_of(SP_LEG_ROLE_ENTRY), SP_ORDER_STATE_CANCELED);
    assert_int_equal(core_order(s, SP_LEG_ROLE_STOP)->intent.qty.e8, 3 * ONE / 100);
    assert_int_equal(state_of(SP_LEG_ROLE_STOP), SP_ORDER_STATE_OPEN);
}

static void test_execution_core_an_entry_that_finds_nothing_is_no_trade(void **state)
{
    (void)state;
    s->venue.empty = true;
    core_open(s, "ema");
    assert_int_equal(state_of(SP_LEG_ROLE_ENTRY), SP_ORDER_STATE_EXPIRED);
    assert_int_equal(core_count(s, SP_REC_TRADE_OPENED), 0);
    s->venue.empty = false;
    core_open(s, "ema"); /* the link is free again */
    assert_int_equal(core_count(s, SP_REC_TRADE_OPENED), 1);
}

static void test_execution_core_a_refused_entry_is_rejected_with_the_reason(void **state)
{
    (void)state;
    s->venue.refuses = true;
    core_open(s, "ema");
    assert_int_equal(state_of(SP_LEG_ROLE_ENTRY), SP_ORDER_STATE_REJECTED);
    assert_string_equal(core_last(s, SP_REC_ORDER_REJECTED)->body.order_event.reason.s,
                        "the test says so");
}

/* ---- Protection that ends, or never was ---- */

static void check_refused_protection(int64_t price, enum sp_close_cause cause)
{
    struct sp_record plan = core_plan(s, "ema");

    s->venue.parts = 1;
    core_feed(s, &plan);
    core_price(s, price); /* before the fill is heard of */
    core_deliver(s);
    assert_int_equal(state_of(SP_LEG_ROLE_TARGET), SP_ORDER_STATE_REJECTED);
    assert_int_equal(state_of(SP_LEG_ROLE_STOP), SP_ORDER_STATE_REJECTED);
    assert_int_equal(state_of(SP_LEG_ROLE_EXIT), SP_ORDER_STATE_FILLED);
    assert_int_equal(closed()->cause, cause);
}

static void test_execution_core_protection_refused_below_the_stop_exits(void **state)
{
    (void)state;
    check_refused_protection(48500, SP_CLOSE_CAUSE_STOP);
}

static void test_execution_core_protection_refused_above_the_target_exits(void **state)
{
    (void)state;
    check_refused_protection(52500, SP_CLOSE_CAUSE_TARGET);
}

/* The venue ends the stop with the target's first fill: the rest must not stand unprotected. */
static void test_execution_core_a_part_of_the_target_renews_protection(void **state)
{
    (void)state;
    core_open(s, "ema");
    core_price(s, 52000);
    venue_move(&s->venue, s->venue.price, (sp_qty){3 * ONE / 100});
    core_price(s, 51000);
    core_deliver(s);
    core_pass(s, 500);
    const struct sp_order *stop = core_order(s, SP_LEG_ROLE_STOP);
    assert_int_equal(stop->state, SP_ORDER_STATE_OPEN);
    assert_int_equal(stop->intent.qty.e8, 7 * ONE / 100);
    assert_int_equal(stop->intent.leg, 5);
    core_move(s, 48900, 0);
    assert_int_equal(closed()->cause, SP_CLOSE_CAUSE_STOP);
    assert_int_equal(closed()->sold.e8, 1560 * ONE + 3423 * ONE);
}

static void test_execution_core_renewed_protection_refused_exits_by_the_stop(void **state)
{
    (void)state;
    core_open(s, "ema");
    core_price(s, 52000);
    venue_move(&s->venue, s->venue.price, (sp_qty){3 * ONE / 100});
    core_price(s, 48000);
    core_deliver(s);
    core_pass(s, 500);
    assert_int_equal(state_of(SP_LEG_ROLE_EXIT), SP_ORDER_STATE_FILLED);
    assert_int_equal(closed()->cause, SP_CLOSE_CAUSE_STOP);
}

static void test_execution_core_a_rest_too_small_to_protect_stays_with_the_target(void **state)
{
    (void)state;
    core_open(s, "ema");
    core_move(s, 52000, ONE / 10 - 5000); /* 0.00005 left: 2.45 at the stop */
    core_pass(s, 500);
    assert_int_equal(state_of(SP_LEG_ROLE_TARGET), SP_ORDER_STATE_PARTIALLY_FILLED);
    core_move(s, 52000, 0);
    assert_int_equal(closed()->cause, SP_CLOSE_CAUSE_TARGET);
}

static void test_execution_core_a_stop_that_fills_in_part_is_followed_up(void **state)
{
    (void)state;
    core_open(s, "ema");
    s->venue.liquidity = (sp_qty){ONE / 100};
    core_move(s, 48900, 0);
    core_pass(s, 1000);
    assert_int_equal(state_of(SP_LEG_ROLE_STOP), SP_ORDER_STATE_EXPIRED);
    assert_int_equal(core_order(s, SP_LEG_ROLE_EXIT)->intent.qty.e8, 9 * ONE / 100);
    assert_int_equal(closed()->cause, SP_CLOSE_CAUSE_STOP);
}

static void test_execution_core_what_cannot_be_sold_is_dust(void **state)
{
    struct sp_record plan = core_plan(s, "ema");

    (void)state;
    s->venue.liquidity = (sp_qty){9000}; /* 4.50 of the minimum of 5 */
    core_feed(s, &plan);
    core_deliver(s);
    core_pass(s, 1000);
    assert_int_equal(core_count(s, SP_REC_ORDER_INTENT), 1);
    assert_int_equal(closed()->dust.e8, 9000);
    assert_int_equal(closed()->realised_pnl.e8, -450000000 - 450000);
    core_open(s, "ema");
    assert_int_equal(core_count(s, SP_REC_TRADE_OPENED), 2);
}

/* Nobody buys: the gateway keeps trying, ever more slowly, and calls a person. */
static void test_execution_core_exits_in_vain_slow_down_and_halt(void **state)
{
    struct sp_record flatten = core_command(s, SP_COMMAND_FLATTEN, "strategy.ema");

    (void)state;
    core_open(s, "ema");
    s->venue.empty = true;
    core_order_command(s, &flatten);
    core_pass(s, 60000);
    assert_in_range(core_count(s, SP_REC_ORDER_INTENT), 8, 13);
    assert_non_null(
        strstr(core_last(s, SP_REC_TRADING_HALTED)->body.trading_state.reason.s, "no effect"));
    s->venue.empty = false;
    core_pass(s, 40000);
    assert_int_equal(closed()->cause, SP_CLOSE_CAUSE_OPERATOR);
}

/* ---- Plans ---- */

static void test_execution_core_a_close_plan_cancels_then_sells(void **state)
{
    sp_trd_id trade = core_open(s, "ema");
    struct sp_record plan = core_close_plan(s, "ema", trade);

    (void)state;
    plan.body.plan.threat_ids = (sp_thr_ids){.count = 1, .at = {{{5, 5}}}};
    plan.body.plan.close_cause = SP_CLOSE_CAUSE_THREAT;
    core_feed(s, &plan);
    core_deliver(s);
    assert_int_equal(state_of(SP_LEG_ROLE_TARGET), SP_ORDER_STATE_CANCELED);
    assert_int_equal(state_of(SP_LEG_ROLE_STOP), SP_ORDER_STATE_CANCELED);
    assert_int_equal(state_of(SP_LEG_ROLE_EXIT), SP_ORDER_STATE_FILLED);
    assert_int_equal(s->cancels, 1); /* one cancel ends both legs; the exit itself is let alone */
    assert_int_equal(core_count(s, SP_REC_CANCEL_INTENT), 2);
    assert_int_equal(closed()->cause, SP_CLOSE_CAUSE_THREAT);
    assert_int_equal(closed()->threat_ids.count, 1);
    struct sp_record again = core_close_plan(s, "ema", trade);
    core_feed(s, &again);
    assert_string_equal(refused()->gate.s, "no_position");
}

static void test_execution_core_a_close_plan_before_the_fill_ends_the_entry(void **state)
{
    struct sp_record plan = core_plan(s, "ema");

    (void)state;
    plan.body.plan.order_type = SP_ORDER_TYPE_LIMIT;
    plan.body.plan.tif = SP_TIF_GTC;
    plan.body.plan.limit_px = (sp_px){49900 * ONE};
    core_feed(s, &plan);
    core_deliver(s);
    struct sp_record close = core_close_plan(s, "ema", plan.body.plan.trade_id);
    core_feed(s, &close);
    core_deliver(s);
    assert_int_equal(state_of(SP_LEG_ROLE_ENTRY), SP_ORDER_STATE_CANCELED);
    assert_true(sp_execution_is_flat(&s->core)); /* a stop does not wait for what never was */
}

static void test_execution_core_one_answer_per_plan(void **state)
{
    struct sp_record plan = core_plan(s, "ema");

    (void)state;
    core_feed(s, &plan);
    core_feed(s, &plan);
    core_deliver(s);
    core_restart(s);
    core_price(s, 50000);
    core_up(s);
    core_reconciled(s, true);
    core_feed(s, &plan);
    core_deliver(s);
    assert_int_equal(core_count(s, SP_REC_PLAN_ACCEPTED) + core_count(s, SP_REC_PLAN_REFUSED), 1);
    assert_int_equal(core_count(s, SP_REC_ORDER_INTENT), 3);
}

static void test_execution_core_plans_expire(void **state)
{
    struct sp_record plan = core_plan(s, "ema");

    (void)state;
    s->now += 500 * MS;
    core_feed(s, &plan); /* at its last moment */
    assert_int_equal(core_count(s, SP_REC_PLAN_ACCEPTED), 1);
    core_deliver(s);
    plan = core_plan(s, "mean");
    s->now += 500 * MS + 1;
    core_feed(s, &plan);
    assert_int_equal(core_count(s, SP_REC_PLAN_EXPIRED), 1);
    plan = core_plan(s, "mean");
    plan.body.plan.tick_received.ns += 1; /* of another boot of this machine */
    core_feed(s, &plan);
    assert_int_equal(core_count(s, SP_REC_PLAN_EXPIRED), 2);
    assert_true(strlen(core_last(s, SP_REC_PLAN_EXPIRED)->body.plan_answer.reason.s) > 10);
}

static void test_execution_core_a_link_plans_for_itself_only(void **state)
{
    sp_trd_id trade = core_open(s, "ema");
    struct sp_record plan = core_plan(s, "mean");

    (void)state;
    plan.body.plan.strategy_link_id = sp_name_of("ema");
    core_feed(s, &plan);
    assert_string_equal(refused()->gate.s, "link");
    struct sp_record close = core_close_plan(s, "mean", trade);
    core_feed(s, &close);
    assert_string_equal(refused()->gate.s, "link");
    assert_non_null(strstr(refused()->reason.s, "ema"));
    core_pass(s, 500);
    assert_int_equal(core_count(s, SP_REC_TRADE_CLOSED), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(test_execution_core_##name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_plan_becomes_a_protected_position),
        T(every_intent_explains_itself),
        T(target_closes_with_exact_numbers),
        T(stop_closes_by_the_stop),
        T(closes_exactly_at_odd_numbers),
        T(an_entry_in_pieces_is_one_trade),
        T(a_part_of_an_entry_is_protected),
        T(a_resting_entry_filled_in_part_is_protected),
        T(an_entry_that_finds_nothing_is_no_trade),
        T(a_refused_entry_is_rejected_with_the_reason),
        T(protection_refused_below_the_stop_exits),
        T(protection_refused_above_the_target_exits),
        T(a_part_of_the_target_renews_protection),
        T(renewed_protection_refused_exits_by_the_stop),
        T(a_rest_too_small_to_protect_stays_with_the_target),
        T(a_stop_that_fills_in_part_is_followed_up),
        T(what_cannot_be_sold_is_dust),
        T(exits_in_vain_slow_down_and_halt),
        T(a_close_plan_cancels_then_sells),
        T(a_close_plan_before_the_fill_ends_the_entry),
        T(one_answer_per_plan),
        T(plans_expire),
        T(a_link_plans_for_itself_only),
    };

    return cmocka_run_group_tests_name("execution_core", tests, NULL, NULL);
}
