#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "services/venue/market_view.h"

#define SECOND_NS INT64_C(1000000000)
#define BEGIN_S   INT64_C(1767636000) /* a full hour */

static struct sp_market_view view;
static struct sp_candle candles[64];
static uint32_t candle_count;

static void trade_at(int64_t second, int64_t px, int64_t qty, enum sp_side taker)
{
    struct sp_trade trade = {.trade_id = view.trade_count + 1,
                             .px = {px * SP_FX_ONE},
                             .qty = {qty * SP_FX_ONE},
                             .taker_side = (uint8_t)taker};

    sp_market_view_trade(&view, &trade, (sp_wall){(BEGIN_S + second) * SECOND_NS});
}

static void take(void *ctx, const struct sp_candle *candle)
{
    (void)ctx;
    assert_true(candle_count < 64);
    candles[candle_count++] = *candle;
}

static void ask(const struct sp_candle_query *query)
{
    candle_count = 0;
    sp_market_view_candles(&view, query, take, NULL);
}

static int set_up(void **state)
{
    (void)state;
    sp_market_view_init(&view);
    return 0;
}

static void test_market_view_candle_sums_its_trades(void **state)
{
    struct sp_candle_query minutes = {.interval_ms = 60000, .until_ms = INT64_MAX, .max = 10};

    (void)state;
    trade_at(0, 100, 1, SP_SIDE_BUY);
    trade_at(10, 120, 2, SP_SIDE_SELL);
    trade_at(59, 90, 3, SP_SIDE_BUY);
    trade_at(60, 95, 4, SP_SIDE_SELL);
    ask(&minutes);
    assert_int_equal(candle_count, 2);
    assert_int_equal(candles[0].open_ms, BEGIN_S * 1000);
    assert_int_equal(candles[0].open.e8, 100 * SP_FX_ONE);
    assert_int_equal(candles[0].high.e8, 120 * SP_FX_ONE);
    assert_int_equal(candles[0].low.e8, 90 * SP_FX_ONE);
    assert_int_equal(candles[0].close.e8, 90 * SP_FX_ONE);
    assert_int_equal(candles[0].volume.e8, 6 * SP_FX_ONE);
    assert_int_equal(candles[0].quote.e8, (100 + 240 + 270) * SP_FX_ONE);
    assert_int_equal(candles[0].taker_base.e8, 4 * SP_FX_ONE);
    assert_int_equal(candles[0].taker_quote.e8, 370 * SP_FX_ONE);
    assert_int_equal(candles[0].trades, 3);
    assert_int_equal(candles[0].first_id, 1);
    assert_int_equal(candles[0].last_id, 3);
    assert_int_equal(candles[1].open.e8, 95 * SP_FX_ONE);
}

static void test_market_view_longer_candles_are_made_of_minutes(void **state)
{
    struct sp_candle_query query = {.interval_ms = 300000, .until_ms = INT64_MAX, .max = 10};

    (void)state;
    for (int minute = 0; minute < 12; minute++)
        trade_at(60 * minute, 100 + minute, 1, SP_SIDE_BUY);
    ask(&query);
    assert_int_equal(candle_count, 3);
    assert_int_equal(candles[1].open_ms, (BEGIN_S + 300) * 1000);
    assert_int_equal(candles[1].open.e8, 105 * SP_FX_ONE);
    assert_int_equal(candles[1].close.e8, 109 * SP_FX_ONE);
    assert_int_equal(candles[2].trades, 2);
    query.max = 1; /* the newest */
    ask(&query);
    assert_int_equal(candle_count, 1);
    assert_int_equal(candles[0].trades, 2);
    query.from_oldest = true;
    ask(&query);
    assert_int_equal(candles[0].open.e8, 100 * SP_FX_ONE);
    query = (struct sp_candle_query){.interval_ms = 300000,
                                     .from_ms = (BEGIN_S + 300) * 1000,
                                     .until_ms = (BEGIN_S + 300) * 1000,
                                     .max = 10};
    ask(&query);
    assert_int_equal(candle_count, 1);
    assert_int_equal(candles[0].open.e8, 105 * SP_FX_ONE);
}

static void test_market_view_forgets_the_oldest(void **state)
{
    struct sp_candle day;

    (void)state;
    assert_false(sp_market_view_day(&view, &day));
    for (int i = 0; i < SP_VIEW_TRADES + 7; i++)
        trade_at(i, 100 + i, 1, SP_SIDE_BUY);
    assert_int_equal(sp_market_view_trades(&view), SP_VIEW_TRADES);
    assert_int_equal(sp_market_view_back(&view, 0)->id, SP_VIEW_TRADES + 7);
    assert_int_equal(sp_market_view_back(&view, SP_VIEW_TRADES - 1)->id, 8);
    assert_true(sp_market_view_day(&view, &day));
    assert_int_equal(day.trades, SP_VIEW_TRADES + 7);
    trade_at(86400 + 120, 50, 1, SP_SIDE_BUY); /* the first two minutes are older than a day */
    assert_true(sp_market_view_day(&view, &day));
    assert_int_equal(day.trades, SP_VIEW_TRADES + 7 - 180 + 1);
    assert_int_equal(day.close.e8, 50 * SP_FX_ONE);
}

static void test_market_view_knows_the_intervals(void **state)
{
    (void)state;
    assert_int_equal(sp_candle_interval("1s"), 1000);
    assert_int_equal(sp_candle_interval("1w"), 604800000);
    assert_int_equal(sp_candle_interval("7m"), 0);
    assert_int_equal(sp_candle_interval("1M"), 0);
}

#define TEST(fn) cmocka_unit_test_setup(fn, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_market_view_candle_sums_its_trades),
        TEST(test_market_view_longer_candles_are_made_of_minutes),
        TEST(test_market_view_forgets_the_oldest),
        TEST(test_market_view_knows_the_intervals),
    };
    return cmocka_run_group_tests_name("market_view", tests, NULL, NULL);
}
