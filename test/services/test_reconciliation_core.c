#include "reconciliation_rig.h"

/* ---- Clean passes and triggers ---- */

static void test_reconciliation_core_start_is_one_clean_result(void **state)
{
    (void)state;
    rig->ours.orders[rig->ours.order_count++] = order_of(1, SP_SIDE_SELL);
    rig->venues.orders[rig->venues.order_count++] = order_of(1, SP_SIDE_SELL);
    /* What is held for an order is ours all the same. */
    rig->venues.balances[0].free.e8 -= 600 * SP_FX_ONE;
    rig->venues.balances[0].locked.e8 = 600 * SP_FX_ONE;
    run_ms(1000);
    assert_int_equal(rig->kept_count, 1);
    assert_true(result()->clean);
    assert_int_equal(result()->trigger, SP_TRIGGER_START);
    assert_int_equal(result()->execution_epoch, 3);
    assert_int_equal(result()->venue_generation, 2);
    assert_int_equal(result()->books_version, 40);
    assert_int_equal(result()->orders, 1);
    assert_int_equal(result()->balances, 2);
    assert_false(sp_rec_id_is_none(result()->reconciliation_id));
}

static void test_reconciliation_core_waits_while_nobody_answers(void **state)
{
    (void)state;
    rig->books_silent = true;
    run_ms(60000);
    assert_int_equal(rig->kept_count, 0);
    assert_non_null(sp_reconciler_waits_for(&rig->core));
    rig->books_silent = false;
    run_ms(2000);
    assert_true(result()->clean);
    assert_null(sp_reconciler_waits_for(&rig->core));
}

static void fact(enum sp_kind kind, uint32_t epoch, uint64_t generation, enum sp_breaker breaker)
{
    struct sp_record record = {.stream = sp_name_of("execution"), .epoch = epoch, .kind = kind};

    record.seq = rig->next_seq + 1000;
    if (kind == SP_REC_VENUE_CONNECTED) record.body.feed.messages = generation;
    if (kind == SP_REC_TRADING_HALTED) record.body.trading_state.breaker = (uint8_t)breaker;
    event(SP_EVENT_RECORD, 0, &record);
}

static void test_reconciliation_core_runs_after_every_reconnect(void **state)
{
    (void)state;
    run_ms(1000);
    fact(SP_REC_STREAM_STARTED, 3, 0, SP_BREAKER_NONE); /* the result says all of that already */
    fact(SP_REC_VENUE_CONNECTED, 3, 2, SP_BREAKER_NONE);
    run_ms(1000);
    assert_int_equal(count_of(SP_REC_RECONCILIATION_RESULT), 1);
    fact(SP_REC_VENUE_CONNECTED, 3, 3, SP_BREAKER_NONE);
    rig->header.venue_generation = 3;
    run_ms(1000);
    assert_int_equal(count_of(SP_REC_RECONCILIATION_RESULT), 2);
    assert_int_equal(result()->trigger, SP_TRIGGER_RECONNECT);
    assert_int_equal(newest(SP_REC_RECONCILIATION_RESULT)->by_count, 1);
    fact(SP_REC_STREAM_STARTED, 4, 0, SP_BREAKER_NONE);
    rig->header.epoch = 4;
    run_ms(1000);
    assert_int_equal(count_of(SP_REC_RECONCILIATION_RESULT), 3);
    fact(SP_REC_TRADING_HALTED, 4, 0, SP_BREAKER_OPEN);
    run_ms(1000);
    assert_int_equal(count_of(SP_REC_RECONCILIATION_RESULT), 3);
    fact(SP_REC_TRADING_HALTED, 4, 0, SP_BREAKER_HALF_OPEN);
    run_ms(1000);
    assert_int_equal(count_of(SP_REC_RECONCILIATION_RESULT), 4);
}

static void test_reconciliation_core_runs_by_the_market_clock(void **state)
{
    (void)state;
    run_ms(1000);
    rig->market.ns += 299000 * MS;
    run_ms(1000);
    assert_int_equal(count_of(SP_REC_SCHEDULED_TICK), 0);
    rig->market.ns += 1000 * MS;
    run_ms(1000);
    assert_int_equal(count_of(SP_REC_SCHEDULED_TICK), 1);
    assert_int_equal(result()->trigger, SP_TRIGGER_PERIODIC);
    assert_true(sp_sch_id_eq(result()->scheduled_id,
                             newest(SP_REC_SCHEDULED_TICK)->body.scheduled_tick.scheduled_id));
    rig->market.ns += 1200000 * MS;
    run_ms(1000);
    assert_int_equal(count_of(SP_REC_SCHEDULED_TICK), 2);
    assert_int_equal(newest(SP_REC_SCHEDULED_TICK)->body.scheduled_tick.missed, 3);
    assert_int_equal(count_of(SP_REC_RECONCILIATION_RESULT), 3);
}

static void test_reconciliation_core_runs_once_for_a_command(void **state)
{
    struct sp_record record = {.kind = SP_REC_COMMAND};

    (void)state;
    run_ms(1000);
    record.body.operator_command.command = SP_COMMAND_RECONCILE;
    record.body.operator_command.command_id.raw = (struct sp_id){7, 7};
    event(SP_EVENT_MESSAGE, SP_RI_COMMAND, &record);
    run_ms(1000);
    event(SP_EVENT_MESSAGE, SP_RI_COMMAND, &record);
    run_ms(1000);
    assert_int_equal(count_of(SP_REC_RECONCILIATION_RESULT), 2);
    assert_int_equal(result()->trigger, SP_TRIGGER_OPERATOR);
    assert_int_equal(result()->command_id.raw.lo, 7);
}

/* ---- Not comparable ---- */

static void test_reconciliation_core_an_error_is_not_an_empty_answer(void **state)
{
    static const char *const questions[] = {"open_orders", "fills", "balances"};

    (void)state;
    rig->ours.orders[rig->ours.order_count++] = order_of(1, SP_SIDE_SELL);
    rig->venues.orders[rig->venues.order_count++] = order_of(1, SP_SIDE_SELL);
    for (size_t i = 0; i < 3; i++) {
        rig->venue_fails = questions[i];
        run_ms(1000);
        assert_int_equal(rig->kept_count, 0);
    }
    rig->venue_fails = NULL;
    rig->venue_loses_frames = true;
    run_ms(500);
    assert_int_equal(rig->kept_count, 0);
    rig->venue_loses_frames = false;
    run_ms(500);
    assert_true(result()->clean);
    assert_int_equal(count_of(SP_REC_DISCREPANCY), 0);
}

static void test_reconciliation_core_gives_up_on_failing_answers_unclean(void **state)
{
    (void)state;
    rig->venue_fails = "fills";
    run_ms(10000);
    assert_false(result()->clean);
    assert_int_equal(result()->discrepancies_found, 0);
    assert_int_equal(count_of(SP_REC_RECONCILIATION_RESULT), 1);
    rig->venue_fails = NULL;
    run_ms(5000); /* it tries again by itself */
    assert_true(result()->clean);
}

static void test_reconciliation_core_moved_books_are_not_compared(void **state)
{
    (void)state;
    rig->books_move = true;
    rig->venues.balances[0].free.e8 += 5;
    run_ms(3000);
    assert_int_equal(rig->kept_count, 0);
    rig->books_move = false;
    rig->venues.balances[0].free.e8 -= 5;
    run_ms(1000);
    assert_true(result()->clean);
    assert_int_equal(count_of(SP_REC_DISCREPANCY), 0);
}

static void test_reconciliation_core_orders_in_flight_are_not_compared(void **state)
{
    (void)state;
    rig->header.in_flight = 1;
    run_ms(3000);
    assert_int_equal(rig->kept_count, 0);
    assert_int_equal(rig->questions, 0);
    run_ms(4000);
    assert_false(result()->clean);
    rig->header.in_flight = 0;
    run_ms(6000);
    assert_true(result()->clean);
}

/* The venue is read before our books catch up: what is seen once is not believed. */
static void test_reconciliation_core_a_passing_difference_is_not_one(void **state)
{
    (void)state;
    rig->venues.balances[0].free.e8 += 5;
    run_ms(40);
    assert_int_equal(rig->kept_count, 0);
    rig->venues.balances[0].free.e8 -= 5;
    run_ms(1000);
    assert_true(result()->clean);
    assert_int_equal(count_of(SP_REC_DISCREPANCY), 0);
}

/* ---- Differences ---- */

static void test_reconciliation_core_books_a_missing_fill(void **state)
{
    (void)state;
    venue_fills(9, SP_SIDE_BUY);
    run_ms(2000);
    assert_int_equal(rig->proposals, 1);
    assert_true(result()->clean);
    assert_int_equal(result()->discrepancies_found, 1);
    assert_int_equal(result()->corrections_applied, 1);
    assert_int_equal(count_of(SP_REC_DISCREPANCY), 1);
    assert_int_equal(discrepancy()->item, SP_DIFFERENCE_FILL_MISSING);
    assert_int_equal(discrepancy()->result, SP_ITEM_RESULT_CORRECTED);
    assert_int_equal(discrepancy()->venue_trade_id, 9);
}

static void test_reconciliation_core_a_correction_that_failed_is_unresolved(void **state)
{
    (void)state;
    rig->ignores_corrections = true;
    venue_fills(9, SP_SIDE_BUY);
    run_ms(3000);
    assert_int_equal(rig->proposals, 1);
    assert_false(result()->clean);
    assert_int_equal(result()->unresolved, 1);
    assert_int_equal(result()->corrections_applied, 0);
    assert_int_equal(discrepancy()->result, SP_ITEM_RESULT_UNRESOLVED);
}

static void expect_unresolved(enum sp_difference item)
{
    run_ms(3000);
    assert_int_equal(rig->proposals, 0);
    assert_false(result()->clean);
    assert_int_equal(result()->discrepancies_found, 1);
    assert_int_equal(result()->unresolved, 1);
    assert_int_equal(count_of(SP_REC_DISCREPANCY), 1);
    assert_int_equal(discrepancy()->item, item);
    assert_int_equal(discrepancy()->result, SP_ITEM_RESULT_UNRESOLVED);
    assert_true(result()->reason.s[0] != '\0');
}

static void test_reconciliation_core_a_strangers_fill_is_not_booked(void **state)
{
    (void)state;
    venue_fills(9, SP_SIDE_BUY);
    rig->venues.fills[0].client_order_id = sp_name_of("web-12");
    run_ms(2000);
    assert_int_equal(rig->proposals, 0);
    assert_false(result()->clean);
    assert_int_equal(discrepancy()->item, SP_DIFFERENCE_BALANCE);
    assert_non_null(strstr(discrepancy()->evidence.s, "web-12"));
}

/* Once an operator has said what the account holds, it is no difference any more. */
static void test_reconciliation_core_an_adopted_strangers_fill_is_no_difference(void **state)
{
    (void)state;
    venue_fills(9, SP_SIDE_BUY);
    rig->venues.fills[0].client_order_id = sp_name_of("web-12");
    memcpy(rig->ours.balances, rig->venues.balances, sizeof rig->ours.balances);
    rig->ours.balance_count = rig->venues.balance_count;
    run_ms(2000);
    assert_true(result()->clean);
}

static void test_reconciliation_core_a_fill_the_venue_does_not_know(void **state)
{
    (void)state;
    rig->ours.fills[rig->ours.fill_count++] = fill_of(9, SP_SIDE_BUY);
    expect_unresolved(SP_DIFFERENCE_FILL_UNKNOWN);
}

static void test_reconciliation_core_a_fill_booked_otherwise(void **state)
{
    (void)state;
    rig->ours.fills[rig->ours.fill_count++] = fill_of(9, SP_SIDE_BUY);
    rig->venues.fills[rig->venues.fill_count++] = fill_of(9, SP_SIDE_BUY);
    rig->venues.fills[0].qty.e8++;
    expect_unresolved(SP_DIFFERENCE_FILL_UNKNOWN);
}

static void test_reconciliation_core_ends_an_order_that_ended(void **state)
{
    (void)state;
    rig->ours.orders[rig->ours.order_count++] = order_of(1, SP_SIDE_SELL);
    rig->ended[rig->ended_count] = order_of(1, SP_SIDE_SELL);
    rig->ended[rig->ended_count++].state = SP_ORDER_STATE_CANCELED;
    run_ms(2000);
    assert_int_equal(rig->proposals, 1);
    assert_true(result()->clean);
    assert_int_equal(discrepancy()->item, SP_DIFFERENCE_ORDER_STATE);
    assert_int_equal(discrepancy()->result, SP_ITEM_RESULT_CORRECTED);
}

static void test_reconciliation_core_an_order_the_venue_does_not_know(void **state)
{
    (void)state;
    rig->ours.orders[rig->ours.order_count++] = order_of(1, SP_SIDE_SELL);
    expect_unresolved(SP_DIFFERENCE_ORDER_MISSING);
}

static void test_reconciliation_core_an_order_filled_otherwise(void **state)
{
    (void)state;
    rig->ours.orders[rig->ours.order_count++] = order_of(1, SP_SIDE_SELL);
    rig->venues.orders[rig->venues.order_count++] = order_of(1, SP_SIDE_SELL);
    rig->venues.orders[0].filled_qty.e8 = 1000;
    expect_unresolved(SP_DIFFERENCE_ORDER_STATE);
}

static void test_reconciliation_core_an_orphan_of_ours(void **state)
{
    (void)state;
    rig->venues.orders[rig->venues.order_count++] = order_of(1, SP_SIDE_SELL);
    expect_unresolved(SP_DIFFERENCE_ORDER_ORPHAN);
}

static void test_reconciliation_core_an_order_of_somebody_else(void **state)
{
    (void)state;
    rig->venues.orders[rig->venues.order_count++] = order_of(1, SP_SIDE_SELL);
    rig->venues.orders[0].client_order_id = sp_name_of("web-12");
    expect_unresolved(SP_DIFFERENCE_ORDER_EXTERNAL);
}

static void test_reconciliation_core_a_balance_to_the_last_digit(void **state)
{
    (void)state;
    rig->venues.balances[1].locked.e8 = 1;
    expect_unresolved(SP_DIFFERENCE_BALANCE);
    assert_string_equal(discrepancy()->asset.s, "BTC");
}

static void test_reconciliation_core_an_asset_that_only_the_venue_has(void **state)
{
    (void)state;
    rig->venues.balances[2].asset = sp_name_of("BNB");
    rig->venues.balances[2].free.e8 = 3;
    rig->venues.balance_count = 3;
    expect_unresolved(SP_DIFFERENCE_BALANCE);
    assert_string_equal(discrepancy()->asset.s, "BNB");
}

static void test_reconciliation_core_the_blast_radius_is_bounded(void **state)
{
    (void)state;
    for (uint64_t n = 1; n <= 6; n++) {
        venue_fills(n, n % 2 == 1 ? SP_SIDE_BUY : SP_SIDE_SELL);
    }
    run_ms(2000);
    assert_int_equal(rig->proposals, 0); /* 6 items, 5 are allowed */
    assert_false(result()->clean);
    assert_int_equal(result()->unresolved, 6);

    rig->config.reconciliation.correct_items_max = 6;
    rig->config.reconciliation.correct_value_max.e8 = 359 * SP_FX_ONE;
    rig->core.want.wanted[SP_TRIGGER_OPERATOR] = true;
    run_ms(2000);
    assert_int_equal(rig->proposals, 0); /* 360 USDT, 359 are allowed */
    assert_false(result()->clean);

    rig->config.reconciliation.correct_value_max.e8 = 360 * SP_FX_ONE;
    rig->core.want.wanted[SP_TRIGGER_OPERATOR] = true;
    run_ms(2000);
    assert_int_equal(rig->proposals, 6);
    assert_true(result()->clean);
    assert_int_equal(result()->corrections_applied, 6);
}

static void test_reconciliation_core_old_fills_out_of_view_are_not_missing(void **state)
{
    (void)state;
    for (uint64_t n = 1; n <= 900; n++) {
        rig->venues.fills[rig->venues.fill_count++] = fill_of(n, SP_SIDE_BUY);
        if (n > 900 - SP_CUT_OUR_FILLS_MAX) {
            rig->ours.fills[rig->ours.fill_count++] = fill_of(n, SP_SIDE_BUY);
        }
    }
    run_ms(1000);
    assert_true(result()->clean);
    assert_int_equal(result()->fills, SP_CUT_OUR_FILLS_MAX - SP_CUT_FILLS_MARGIN);
    rig->ours.fills[400].venue_trade_id = 901; /* 789 is missing, 901 is unknown */
    rig->core.want.wanted[SP_TRIGGER_OPERATOR] = true;
    run_ms(3000);
    assert_false(result()->clean);
    assert_true(result()->discrepancies_found >= 2);
}

static void test_reconciliation_core_an_unprotected_position_is_told_twice_in_a_row(void **state)
{
    (void)state;
    struct sp_holdings *both[] = {&rig->ours, &rig->venues};
    for (size_t i = 0; i < 2; i++) {
        both[i]->balances[1].free.e8 = SP_FX_ONE / 1000;
        both[i]->fills[both[i]->fill_count++] = fill_of(5, SP_SIDE_BUY);
    }
    run_ms(1000);
    assert_int_equal(result()->positions, 1);
    assert_int_equal(count_of(SP_REC_DISCREPANCY), 0);
    rig->core.want.wanted[SP_TRIGGER_OPERATOR] = true;
    run_ms(1000);
    assert_int_equal(discrepancy()->item, SP_DIFFERENCE_PROTECTION_MISSING);
    assert_true(result()->clean);
    for (size_t i = 0; i < 2; i++) {
        both[i]->orders[both[i]->order_count++] = order_of(1, SP_SIDE_SELL);
    }
    rig->core.want.wanted[SP_TRIGGER_OPERATOR] = true;
    run_ms(1000);
    assert_int_equal(count_of(SP_REC_DISCREPANCY), 1);
}

/* ---- Repeating ---- */

static void test_reconciliation_core_the_same_inputs_give_the_same_records(void **state)
{
    struct sp_record *first = malloc(KEPT_MAX * sizeof *first);
    uint32_t count = 0;

    assert_non_null(first);
    for (int run = 0; run < 2; run++) {
        if (run == 1) assert_int_equal(set_up(state), 0);
        venue_fills(9, SP_SIDE_BUY);
        rig->venues.orders[rig->venues.order_count++] = order_of(1, SP_SIDE_SELL);
        run_ms(3000);
        if (run == 0) {
            count = rig->kept_count;
            memcpy(first, rig->kept, count * sizeof *first);
            free(rig);
        }
    }
    assert_int_equal(rig->kept_count, count);
    assert_true(count > 2);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(rig->kept[i].kind, first[i].kind);
        assert_true(sp_dto_equal(sp_schema_of(sp_kind_info(first[i].kind)->dto), &first[i].body,
                                 &rig->kept[i].body));
    }
    free(first);
}

static void test_reconciliation_core_a_restart_remembers_result_and_schedule(void **state)
{
    (void)state;
    run_ms(1000);
    rig->market.ns += 300000 * MS;
    run_ms(1000);
    struct sp_reconciler *again = calloc(1, sizeof *again);
    assert_non_null(again);
    sp_reconciler_init(again, &rig->config);
    for (uint32_t i = 0; i < rig->kept_count; i++) {
        sp_reconciliation_core.apply(again, &rig->kept[i]);
    }
    assert_int_equal(again->passes, 2);
    assert_int_equal(again->last.execution_epoch, 3);
    assert_int_equal(again->schedules[0].last.ns, rig->core.schedules[0].last.ns);
    assert_true(again->want.wanted[SP_TRIGGER_START]);
    free(again);
}

#define TEST(name)                                                                                 \
    cmocka_unit_test_setup_teardown(test_reconciliation_core_##name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(start_is_one_clean_result),
        TEST(waits_while_nobody_answers),
        TEST(runs_after_every_reconnect),
        TEST(runs_by_the_market_clock),
        TEST(runs_once_for_a_command),
        TEST(an_error_is_not_an_empty_answer),
        TEST(gives_up_on_failing_answers_unclean),
        TEST(moved_books_are_not_compared),
        TEST(orders_in_flight_are_not_compared),
        TEST(a_passing_difference_is_not_one),
        TEST(books_a_missing_fill),
        TEST(a_correction_that_failed_is_unresolved),
        TEST(a_strangers_fill_is_not_booked),
        TEST(an_adopted_strangers_fill_is_no_difference),
        TEST(a_fill_the_venue_does_not_know),
        TEST(a_fill_booked_otherwise),
        TEST(ends_an_order_that_ended),
        TEST(an_order_the_venue_does_not_know),
        TEST(an_order_filled_otherwise),
        TEST(an_orphan_of_ours),
        TEST(an_order_of_somebody_else),
        TEST(a_balance_to_the_last_digit),
        TEST(an_asset_that_only_the_venue_has),
        TEST(the_blast_radius_is_bounded),
        TEST(old_fills_out_of_view_are_not_missing),
        TEST(an_unprotected_position_is_told_twice_in_a_row),
        TEST(the_same_inputs_give_the_same_records),
        TEST(a_restart_remembers_result_and_schedule),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
