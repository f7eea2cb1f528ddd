#include "common/market/match.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define ONE SP_FX_ONE

static struct sp_match match;
static struct sp_match_events events;
static struct sp_market_event event;

static void market(enum sp_kind kind)
{
    event.kind = kind;
    sp_match_market(&match, &event, &events);
}

static void trade(int64_t px, int64_t qty, enum sp_side taker)
{
    event.body.trade = (struct sp_trade){.trade_id = 1,
                                         .px = {px * ONE},
                                         .qty = {qty * ONE},
                                         .taker_side = (uint8_t)taker};
    market(SP_REC_TRADE);
}

static void quote(uint64_t update_id, int64_t bid, int64_t bid_qty, int64_t ask, int64_t ask_qty)
{
    event.body.quote = (struct sp_quote){.update_id = update_id,
                                         .bid_px = {bid * ONE},
                                         .bid_qty = {bid_qty * ONE},
                                         .ask_px = {ask * ONE},
                                         .ask_qty = {ask_qty * ONE}};
    market(SP_REC_QUOTE);
}

/* One level of the book of `side`. */
static void level(uint64_t update_id, enum sp_side side, int64_t px, int64_t qty)
{
    struct sp_book_delta *delta = &event.body.book_delta;

    memset(delta, 0, sizeof *delta);
    delta->first_update_id = delta->last_update_id = update_id;
    struct sp_levels *levels = side == SP_SIDE_BUY ? &delta->bids : &delta->asks;
    levels->count = 1;
    levels->at[0] = (struct sp_level){{px * ONE}, {qty * ONE}};
    market(SP_REC_BOOK_DELTA);
}

/* Bids 99 x 2, 98 x 3, 97 x 4; asks 101 x 2, 102 x 3, 103 x 4; update 10. */
static void start(void)
{
    struct sp_instrument rules = {.symbol = sp_name_of("X"),
                                  .base = sp_name_of("B"),
                                  .quote = sp_name_of("Q"),
                                  .tick = {ONE / 100},
                                  .step = {ONE / 100},
                                  .min_qty = {ONE / 100},
                                  .min_value = {5 * ONE}};
    struct sp_book_snapshot *snap = &event.body.book_snapshot;

    sp_match_fini(&match);
    assert_int_equal(sp_match_init(&match, &rules, 512, NULL), SP_OK);
    memset(snap, 0, sizeof *snap);
    snap->last_update_id = 10;
    snap->bids.count = snap->asks.count = 3;
    for (int64_t i = 0; i < 3; i++) {
        snap->bids.at[i] = (struct sp_level){{(99 - i) * ONE}, {(2 + i) * ONE}};
        snap->asks.at[i] = (struct sp_level){{(101 + i) * ONE}, {(2 + i) * ONE}};
    }
    market(SP_REC_BOOK_SNAPSHOT);
    trade(100, 1, SP_SIDE_BUY);
}

static struct sp_match_order limit_order(uint64_t no, enum sp_side side, int64_t px, int64_t qty)
{
    return (struct sp_match_order){.order_no = no,
                                   .side = side,
                                   .type = SP_ORDER_TYPE_LIMIT,
                                   .tif = SP_TIF_GTC,
                                   .qty = {qty * ONE},
                                   .px = {px * ONE}};
}

static void place_limit(uint64_t no, enum sp_side side, int64_t px, int64_t qty, enum sp_tif tif)
{
    struct sp_match_order order = limit_order(no, side, px, qty);

    order.tif = tif;
    sp_match_place(&match, &order, &events);
}

static void place_market(uint64_t no, enum sp_side side, int64_t qty)
{
    struct sp_match_order order = {.order_no = no,
                                   .side = side,
                                   .type = SP_ORDER_TYPE_MARKET,
                                   .tif = SP_TIF_IOC,
                                   .qty = {qty * ONE}};
    sp_match_place(&match, &order, &events);
}

static void place_stop(uint64_t no, enum sp_side side, int64_t stop, int64_t qty)
{
    struct sp_match_order order = {.order_no = no,
                                   .side = side,
                                   .type = SP_ORDER_TYPE_STOP_LOSS,
                                   .qty = {qty * ONE},
                                   .stop_px = {stop * ONE}};
    sp_match_place(&match, &order, &events);
}

static void place_pair(uint64_t no, int64_t target, int64_t stop_px, int64_t qty)
{
    struct sp_match_order limit = limit_order(no, SP_SIDE_SELL, target, qty);
    struct sp_match_order stop = {.order_no = no + 1,
                                  .pair_no = no,
                                  .side = SP_SIDE_SELL,
                                  .type = SP_ORDER_TYPE_STOP_LOSS,
                                  .qty = {qty * ONE},
                                  .stop_px = {stop_px * ONE}};
    limit.pair_no = no + 1;
    sp_match_place_pair(&match, &limit, &stop, &events);
}

static void is_event(uint32_t i, enum sp_match_event_type type, uint64_t no)
{
    assert_true(i < events.count);
    assert_int_equal(events.at[i].type, type);
    assert_int_equal(events.at[i].order_no, no);
}

static void is_fill(uint32_t i, uint64_t no, int64_t px, int64_t qty, enum sp_liquidity liquidity)
{
    is_event(i, SP_MATCH_FILL, no);
    assert_int_equal(events.at[i].px.e8, px * ONE);
    assert_int_equal(events.at[i].qty.e8, qty * ONE);
    assert_int_equal(events.at[i].liquidity, liquidity);
    assert_true(events.at[i].cause.s[0] != '\0');
}

#define MAKER SP_LIQUIDITY_MAKER
#define TAKER SP_LIQUIDITY_TAKER

static void test_match_market_order_walks_the_levels_and_expires_the_rest(void **state)
{
    (void)state;
    start();
    place_market(1, SP_SIDE_BUY, 4);
    assert_int_equal(events.count, 3);
    is_event(0, SP_MATCH_ACCEPTED, 1);
    is_fill(1, 1, 101, 2, TAKER);
    assert_false(events.at[1].is_complete);
    assert_string_equal(events.at[1].cause.s, "took ask 101 x 2 in the book");
    is_fill(2, 1, 102, 2, TAKER);
    assert_true(events.at[2].is_complete);
    place_market(2, SP_SIDE_SELL, 10);
    assert_int_equal(events.count, 5);
    is_fill(3, 2, 97, 4, TAKER);
    assert_int_equal(events.at[3].filled.e8, 9 * ONE);
    is_event(4, SP_MATCH_EXPIRED, 2);
    assert_int_equal(match.order_count, 0);
}

static void test_match_what_we_took_is_gone_until_the_level_changes(void **state)
{
    (void)state;
    start();
    place_market(1, SP_SIDE_BUY, 1);
    place_market(2, SP_SIDE_BUY, 2);
    is_fill(1, 2, 101, 1, TAKER);
    is_fill(2, 2, 102, 1, TAKER);
    level(11, SP_SIDE_SELL, 104, 1); /* another level: nothing comes back */
    level(12, SP_SIDE_SELL, 101, 2); /* the same quantity: not a change */
    place_market(3, SP_SIDE_BUY, 1);
    is_fill(1, 3, 102, 1, TAKER);
    level(13, SP_SIDE_SELL, 101, 5);
    place_market(4, SP_SIDE_BUY, 6);
    is_fill(1, 4, 101, 5, TAKER);
    is_fill(2, 4, 102, 1, TAKER);
}

static void test_match_newer_quote_replaces_the_touch_of_the_book(void **state)
{
    (void)state;
    start();
    quote(9, 50, 1, 60, 1); /* older than the book */
    place_market(1, SP_SIDE_BUY, 1);
    is_fill(1, 1, 101, 1, TAKER);
    quote(11, 99, 2, 102, 1); /* 101 is gone, 102 has less than the book says */
    place_market(2, SP_SIDE_BUY, 2);
    is_fill(1, 2, 102, 1, TAKER);
    is_fill(2, 2, 103, 1, TAKER);
    level(11, SP_SIDE_SELL, 101, 0); /* the book catches up: the quote counts no more */
    place_market(3, SP_SIDE_BUY, 1);
    is_fill(1, 3, 102, 1, TAKER);
}

static void test_match_limit_order_takes_up_to_its_price_and_rests(void **state)
{
    (void)state;
    start();
    place_limit(1, SP_SIDE_BUY, 102, 9, SP_TIF_GTC);
    assert_int_equal(events.count, 3);
    is_fill(1, 1, 101, 2, TAKER);
    is_fill(2, 1, 102, 3, TAKER);
    assert_int_equal(sp_match_order(&match, 1)->filled.e8, 5 * ONE);
    place_limit(2, SP_SIDE_SELL, 98, 9, SP_TIF_IOC);
    assert_int_equal(events.count, 4);
    is_fill(2, 2, 98, 3, TAKER);
    is_event(3, SP_MATCH_EXPIRED, 2);
    assert_int_equal(sp_match_cancel(&match, 1, &events, NULL), SP_OK);
    assert_int_equal(events.count, 1);
    is_event(0, SP_MATCH_CANCELED, 1);
    assert_int_equal(events.at[0].filled.e8, 5 * ONE);
    assert_int_equal(sp_match_cancel(&match, 1, &events, NULL), SP_NOT_FOUND);
}

static void test_match_fill_or_kill_is_all_or_nothing(void **state)
{
    (void)state;
    start();
    place_limit(1, SP_SIDE_BUY, 102, 6, SP_TIF_FOK);
    assert_int_equal(events.count, 2);
    is_event(1, SP_MATCH_EXPIRED, 1);
    place_limit(2, SP_SIDE_BUY, 102, 5, SP_TIF_FOK);
    assert_int_equal(events.count, 3);
    assert_true(events.at[2].is_complete);
    assert_int_equal(match.order_count, 0);
}

static void test_match_public_trades_fill_resting_orders_in_price_time_order(void **state)
{
    (void)state;
    start();
    place_limit(1, SP_SIDE_BUY, 99, 2, SP_TIF_GTC);
    place_limit(2, SP_SIDE_BUY, 100, 2, SP_TIF_GTC);
    place_limit(3, SP_SIDE_BUY, 99, 2, SP_TIF_GTC);
    trade(101, 9, SP_SIDE_SELL); /* above all of them */
    assert_int_equal(events.count, 0);
    trade(99, 5, SP_SIDE_SELL);
    assert_int_equal(events.count, 3);
    is_fill(0, 2, 100, 2, MAKER);
    is_fill(1, 1, 99, 2, MAKER);
    is_fill(2, 3, 99, 1, MAKER);
    assert_string_equal(events.at[2].cause.s, "trade 99 x 5");
    assert_int_equal(match.order_count, 1);
    trade(98, 9, SP_SIDE_SELL); /* through it: still its own price */
    is_fill(0, 3, 99, 1, MAKER);
    assert_true(events.at[0].is_complete);
}

static void test_match_crossing_touch_fills_resting_orders_once(void **state)
{
    (void)state;
    start();
    place_limit(1, SP_SIDE_SELL, 100, 5, SP_TIF_GTC);
    assert_int_equal(events.count, 1);
    quote(11, 100, 2, 102, 1);
    assert_int_equal(events.count, 1);
    is_fill(0, 1, 100, 2, MAKER);
    quote(12, 100, 2, 103, 1); /* the same bid: it is taken */
    assert_int_equal(events.count, 0);
    quote(13, 101, 7, 103, 1);
    is_fill(0, 1, 100, 3, MAKER);
    assert_int_equal(match.order_count, 0);
}

static void test_match_stop_triggers_on_a_trade_and_takes(void **state)
{
    (void)state;
    start();
    place_stop(1, SP_SIDE_SELL, 98, 3);
    assert_int_equal(events.count, 1);
    trade(99, 1, SP_SIDE_SELL);
    assert_int_equal(events.count, 0);
    trade(98, 1, SP_SIDE_SELL);
    assert_int_equal(events.count, 3);
    is_event(0, SP_MATCH_TRIGGERED, 1);
    is_fill(1, 1, 99, 2, TAKER);
    is_fill(2, 1, 98, 1, TAKER);
    assert_string_equal(events.at[2].cause.s,
                        "trade 98 x 1 triggered it; took bid 98 x 3 in the book");
    place_stop(2, SP_SIDE_BUY, 100, 20);
    trade(100, 1, SP_SIDE_BUY);
    assert_int_equal(events.count, 5);
    is_event(0, SP_MATCH_TRIGGERED, 2);
    is_fill(3, 2, 103, 4, TAKER);
    is_event(4, SP_MATCH_EXPIRED, 2);
}

static void test_match_stop_that_would_trigger_at_once_is_refused(void **state)
{
    (void)state;
    start();
    place_stop(1, SP_SIDE_SELL, 100, 1);
    assert_int_equal(events.count, 1);
    is_event(0, SP_MATCH_REJECTED, 1);
    place_stop(2, SP_SIDE_BUY, 100, 1);
    is_event(0, SP_MATCH_REJECTED, 2);
    place_stop(3, SP_SIDE_BUY, 101, 1);
    is_event(0, SP_MATCH_ACCEPTED, 3);
}

static void test_match_partial_fill_of_the_target_cancels_the_stop(void **state)
{
    (void)state;
    start();
    place_pair(1, 105, 95, 4);
    assert_int_equal(events.count, 2);
    trade(105, 1, SP_SIDE_BUY);
    assert_int_equal(events.count, 2);
    is_fill(0, 1, 105, 1, MAKER);
    is_event(1, SP_MATCH_CANCELED, 2);
    trade(90, 1, SP_SIDE_SELL);
    assert_int_equal(events.count, 0);
    trade(106, 9, SP_SIDE_BUY);
    assert_int_equal(events.count, 1);
    is_fill(0, 1, 105, 3, MAKER);
    assert_int_equal(match.order_count, 0);
}

static void test_match_complete_fill_of_the_target_cancels_the_stop(void **state)
{
    (void)state;
    start();
    place_pair(1, 105, 95, 4);
    quote(11, 105, 9, 106, 1);
    assert_int_equal(events.count, 2);
    is_fill(0, 1, 105, 4, MAKER);
    assert_true(events.at[0].is_complete);
    is_event(1, SP_MATCH_CANCELED, 2);
    assert_int_equal(match.order_count, 0);
}

static void test_match_trigger_of_the_stop_cancels_the_target(void **state)
{
    (void)state;
    start();
    place_pair(1, 105, 95, 4);
    trade(94, 1, SP_SIDE_SELL);
    assert_int_equal(events.count, 4);
    is_event(0, SP_MATCH_TRIGGERED, 2);
    is_event(1, SP_MATCH_CANCELED, 1);
    is_fill(2, 2, 99, 2, TAKER);
    is_fill(3, 2, 98, 2, TAKER);
    assert_true(events.at[3].is_complete);
    assert_int_equal(match.order_count, 0);
}

static void test_match_cancel_of_one_leg_cancels_both(void **state)
{
    (void)state;
    for (uint64_t leg = 1; leg <= 2; leg++) {
        start();
        place_pair(1, 105, 95, 4);
        assert_int_equal(sp_match_cancel(&match, leg, &events, NULL), SP_OK);
        assert_int_equal(events.count, 2);
        is_event(0, SP_MATCH_CANCELED, leg);
        is_event(1, SP_MATCH_CANCELED, 3 - leg);
        assert_int_equal(match.order_count, 0);
    }
}

static void test_match_pair_needs_target_above_and_stop_below_the_market(void **state)
{
    static const int64_t wrong[][2] = {{100, 95}, {105, 100}, {95, 105}, {99, 95}};

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        start();
        place_pair(1, wrong[i][0], wrong[i][1], 4);
        assert_int_equal(events.count, 2);
        is_event(0, SP_MATCH_REJECTED, 1);
        is_event(1, SP_MATCH_REJECTED, 2);
        assert_int_equal(match.order_count, 0);
    }
}

static void test_match_rules_of_the_instrument_are_kept(void **state)
{
    struct sp_match_order order = limit_order(1, SP_SIDE_BUY, 99, 1);

    (void)state;
    start();
    order.px.e8 += 1;
    sp_match_place(&match, &order, &events);
    is_event(0, SP_MATCH_REJECTED, 1);
    assert_non_null(strstr(events.at[0].cause.s, "PRICE_FILTER"));
    order = limit_order(1, SP_SIDE_BUY, 99, 1);
    order.qty.e8 = ONE / 100;
    sp_match_place(&match, &order, &events);
    assert_non_null(strstr(events.at[0].cause.s, "NOTIONAL"));
    order.qty.e8 = ONE / 1000;
    sp_match_place(&match, &order, &events);
    assert_non_null(strstr(events.at[0].cause.s, "LOT_SIZE"));
    order = limit_order(1, SP_SIDE_BUY, 99, 1);
    order.tif = SP_TIF_NONE;
    sp_match_place(&match, &order, &events);
    is_event(0, SP_MATCH_REJECTED, 1);
    order = limit_order(1, SP_SIDE_BUY, 99, 1);
    order.type = SP_ORDER_TYPE_MARKET; /* with a price */
    sp_match_place(&match, &order, &events);
    is_event(0, SP_MATCH_REJECTED, 1);
}

static void test_match_open_orders_are_bounded(void **state)
{
    (void)state;
    start();
    for (uint64_t no = 1; no <= SP_MATCH_ORDERS_MAX; no++) {
        place_limit(no, SP_SIDE_BUY, 50, 1, SP_TIF_GTC);
        is_event(0, SP_MATCH_ACCEPTED, no);
    }
    place_limit(999, SP_SIDE_BUY, 50, 1, SP_TIF_GTC);
    is_event(0, SP_MATCH_REJECTED, 999);
    trade(50, 1000, SP_SIDE_SELL);
    assert_int_equal(events.count, SP_MATCH_ORDERS_MAX);
    assert_int_equal(match.order_count, 0);
}

static void test_match_stops_without_room_for_their_events_wait_a_call(void **state)
{
    uint64_t update_id = 10;
    uint32_t ended = 0;
    struct sp_match_order stop = {.side = SP_SIDE_BUY,
                                  .type = SP_ORDER_TYPE_STOP_LOSS,
                                  .qty = {359 * ONE / 100},
                                  .stop_px = {101 * ONE}};

    (void)state;
    start();
    /* Quantities that never match a level, so that the walks make as many fills as can be. */
    for (int64_t px = 104; px < 229; px++)
        level(++update_id, SP_SIDE_SELL, px, 1);
    for (stop.order_no = 1; stop.order_no <= SP_MATCH_ORDERS_MAX; stop.order_no++) {
        sp_match_place(&match, &stop, &events);
    }
    trade(101, 1, SP_SIDE_BUY);
    assert_true(match.order_count > 0);
    for (int call = 0; call < 32 && ended < SP_MATCH_ORDERS_MAX; call++) {
        for (uint32_t i = 0; i < events.count; i++) {
            bool last = events.at[i].is_complete || events.at[i].type == SP_MATCH_EXPIRED;
            if (last) ended++;
        }
        trade(90, 1, SP_SIDE_SELL); /* back below: what triggered stays triggered */
    }
    assert_int_equal(ended, SP_MATCH_ORDERS_MAX);
    assert_int_equal(match.order_count, 0);
}

static void test_match_orders_come_back_after_a_restart(void **state)
{
    struct sp_match_order order = limit_order(5, SP_SIDE_BUY, 99, 4);

    (void)state;
    start();
    order.filled.e8 = ONE;
    assert_int_equal(sp_match_restore(&match, &order, NULL), SP_OK);
    assert_int_equal(sp_match_restore(&match, &order, NULL), SP_EXISTS);
    order.order_no = 6;
    order.filled = order.qty;
    assert_int_equal(sp_match_restore(&match, &order, NULL), SP_INVALID);
    trade(99, 9, SP_SIDE_SELL);
    assert_int_equal(events.count, 1);
    is_fill(0, 5, 99, 3, MAKER);
}

static void test_match_without_a_market_refuses_market_orders(void **state)
{
    struct sp_instrument rules = {.symbol = sp_name_of("X"),
                                  .base = sp_name_of("B"),
                                  .quote = sp_name_of("Q")};

    (void)state;
    sp_match_fini(&match);
    assert_int_equal(sp_match_init(&match, &rules, 64, NULL), SP_OK);
    place_market(1, SP_SIDE_BUY, 1);
    is_event(0, SP_MATCH_REJECTED, 1);
    quote(1, 99, 1, 101, 1); /* a quote alone is a market */
    place_market(2, SP_SIDE_BUY, 2);
    assert_int_equal(events.count, 3);
    is_fill(1, 2, 101, 1, TAKER);
    is_event(2, SP_MATCH_EXPIRED, 2);
    sp_match_fini(&match);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_match_market_order_walks_the_levels_and_expires_the_rest),
        cmocka_unit_test(test_match_what_we_took_is_gone_until_the_level_changes),
        cmocka_unit_test(test_match_newer_quote_replaces_the_touch_of_the_book),
        cmocka_unit_test(test_match_limit_order_takes_up_to_its_price_and_rests),
        cmocka_unit_test(test_match_fill_or_kill_is_all_or_nothing),
        cmocka_unit_test(test_match_public_trades_fill_resting_orders_in_price_time_order),
        cmocka_unit_test(test_match_crossing_touch_fills_resting_orders_once),
        cmocka_unit_test(test_match_stop_triggers_on_a_trade_and_takes),
        cmocka_unit_test(test_match_stop_that_would_trigger_at_once_is_refused),
        cmocka_unit_test(test_match_partial_fill_of_the_target_cancels_the_stop),
        cmocka_unit_test(test_match_complete_fill_of_the_target_cancels_the_stop),
        cmocka_unit_test(test_match_trigger_of_the_stop_cancels_the_target),
        cmocka_unit_test(test_match_cancel_of_one_leg_cancels_both),
        cmocka_unit_test(test_match_pair_needs_target_above_and_stop_below_the_market),
        cmocka_unit_test(test_match_rules_of_the_instrument_are_kept),
        cmocka_unit_test(test_match_open_orders_are_bounded),
        cmocka_unit_test(test_match_stops_without_room_for_their_events_wait_a_call),
        cmocka_unit_test(test_match_orders_come_back_after_a_restart),
        cmocka_unit_test(test_match_without_a_market_refuses_market_orders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
