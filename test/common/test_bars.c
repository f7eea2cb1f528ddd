#include "common/market/bars.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define S INT64_C(1000000000)

static struct sp_bars second_and_minute(void)
{
    const sp_dur intervals[] = {{S}, {60 * S}};
    struct sp_bars bars = {0};

    assert_int_equal(sp_bars_init(&bars, intervals, 2, NULL), SP_OK);
    return bars;
}

static void trade(struct sp_bars *bars, int64_t ns, int64_t px, int64_t qty,
                  struct sp_bars_closed *closed)
{
    sp_bars_clock(bars, (sp_wall){ns}, closed);
    assert_int_equal(sp_bars_trade(bars, (sp_wall){ns}, (sp_px){px}, (sp_qty){qty}, NULL), SP_OK);
}

static void test_bars_hold_first_highest_lowest_last_and_sum(void **state)
{
    struct sp_bars bars = second_and_minute();
    struct sp_bars_closed closed = {0};

    (void)state;
    trade(&bars, 100 * S + 5, 50, 1, &closed);
    trade(&bars, 100 * S + 6, 70, 2, &closed);
    trade(&bars, 100 * S + 7, 40, 3, &closed);
    trade(&bars, 101 * S - 1, 60, 4, &closed);
    assert_int_equal(closed.count, 0);
    sp_bars_clock(&bars, (sp_wall){101 * S}, &closed);
    assert_int_equal(closed.count, 1);
    assert_int_equal(closed.at[0].opened.ns, 100 * S);
    assert_int_equal(closed.at[0].interval.ns, S);
    assert_int_equal(closed.at[0].open.e8, 50);
    assert_int_equal(closed.at[0].high.e8, 70);
    assert_int_equal(closed.at[0].low.e8, 40);
    assert_int_equal(closed.at[0].close.e8, 60);
    assert_int_equal(closed.at[0].volume.e8, 10);
    assert_int_equal(closed.at[0].trade_count, 4);
}

static void test_bars_close_exactly_when_the_clock_reaches_the_end(void **state)
{
    struct sp_bars bars = second_and_minute();
    struct sp_bars_closed closed = {0};

    (void)state;
    trade(&bars, 59 * S, 50, 1, &closed);
    sp_bars_clock(&bars, (sp_wall){60 * S - 1}, &closed);
    assert_int_equal(closed.count, 0);
    sp_bars_clock(&bars, (sp_wall){60 * S}, &closed);
    assert_int_equal(closed.count, 2);
    assert_int_equal(closed.at[0].interval.ns, S);
    assert_int_equal(closed.at[1].interval.ns, 60 * S);
    assert_int_equal(closed.at[1].opened.ns, 0);
    sp_bars_clock(&bars, (sp_wall){60 * S}, &closed);
    assert_int_equal(closed.count, 0);
}

static void test_bars_are_absent_for_spans_without_trades(void **state)
{
    struct sp_bars bars = second_and_minute();
    struct sp_bars_closed closed = {0};

    (void)state;
    trade(&bars, 10 * S, 50, 1, &closed);
    trade(&bars, 17 * S, 51, 1, &closed);
    assert_int_equal(closed.count, 1);
    assert_int_equal(closed.at[0].opened.ns, 10 * S);
    sp_bars_clock(&bars, (sp_wall){30 * S}, &closed);
    assert_int_equal(closed.count, 1);
    assert_int_equal(closed.at[0].opened.ns, 17 * S);
    sp_bars_clock(&bars, (sp_wall){40 * S}, &closed);
    assert_int_equal(closed.count, 0);
}

static void test_bars_volume_that_does_not_fit_changes_nothing(void **state)
{
    struct sp_bars bars = second_and_minute();
    struct sp_bars_closed closed = {0};
    struct sp_err err = {0};

    (void)state;
    trade(&bars, S, 50, INT64_MAX, &closed);
    assert_int_equal(sp_bars_trade(&bars, (sp_wall){S}, (sp_px){90}, (sp_qty){1}, &err),
                     SP_OVERFLOWED);
    assert_int_equal(bars.open[0].high.e8, 50);
    assert_int_equal(bars.open[1].trade_count, 1);
}

static void test_bars_intervals_are_checked(void **state)
{
    const sp_dur falling[] = {{60 * S}, {S}};
    const sp_dur zero[] = {{0}};
    struct sp_bars bars;

    (void)state;
    assert_int_equal(sp_bars_init(&bars, falling, 2, NULL), SP_INVALID);
    assert_int_equal(sp_bars_init(&bars, zero, 1, NULL), SP_INVALID);
    assert_int_equal(sp_bars_init(&bars, falling, 0, NULL), SP_INVALID);
    assert_int_equal(sp_bars_init(&bars, falling, SP_BARS_INTERVALS_MAX + 1, NULL), SP_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bars_hold_first_highest_lowest_last_and_sum),
        cmocka_unit_test(test_bars_close_exactly_when_the_clock_reaches_the_end),
        cmocka_unit_test(test_bars_are_absent_for_spans_without_trades),
        cmocka_unit_test(test_bars_volume_that_does_not_fit_changes_nothing),
        cmocka_unit_test(test_bars_intervals_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
