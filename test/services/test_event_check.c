#include "services/marketdata/event_check.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define E8 INT64_C(100000000)

static const sp_wall now = {1000};

static struct sp_market_event trade(int64_t px, int64_t qty)
{
    struct sp_market_event event = {.time = now, .kind = SP_REC_TRADE};

    event.body.trade = (struct sp_trade){.px = {px}, .qty = {qty}};
    return event;
}

static struct sp_market_event quote(int64_t bid, int64_t ask)
{
    struct sp_market_event event = {.time = now, .kind = SP_REC_QUOTE};

    event.body.quote = (struct sp_quote){.bid_px = {bid}, .ask_px = {ask}};
    return event;
}

static bool is_possible(const struct sp_market_event *event)
{
    sp_text why = {{0}};
    bool possible = sp_md_is_possible(event, now, &why);

    assert_int_equal(possible, why.s[0] == '\0'); /* a refusal says why */
    return possible;
}

static void test_event_check_trades_have_price_and_quantity(void **state)
{
    struct sp_market_event good = trade(E8, 1), bad[] = {trade(0, 1), trade(-E8, 1), trade(E8, 0)};

    (void)state;
    assert_true(is_possible(&good));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(is_possible(&bad[i]));
}

static void test_event_check_a_bid_is_below_its_ask(void **state)
{
    struct sp_market_event good = quote(E8, E8 + 1);
    struct sp_market_event bad[] = {quote(E8, E8), quote(E8 + 1, E8), quote(0, E8), quote(E8, -1)};

    (void)state;
    assert_true(is_possible(&good));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(is_possible(&bad[i]));
}

static void test_event_check_levels_may_be_empty_but_not_negative(void **state)
{
    struct sp_market_event event = {.time = now, .kind = SP_REC_BOOK_DELTA};
    struct sp_levels *asks = &event.body.book_delta.asks;

    (void)state;
    asks->count = 1;
    asks->at[0] = (struct sp_level){.px = {E8}};
    assert_true(is_possible(&event));
    asks->at[0].qty.e8 = -1;
    assert_false(is_possible(&event));
    asks->at[0] = (struct sp_level){.qty = {1}};
    assert_false(is_possible(&event));
    event.kind = SP_REC_BOOK_SNAPSHOT;
    event.body.book_snapshot = (struct sp_book_snapshot){0};
    event.body.book_snapshot.bids.count = 1;
    assert_false(is_possible(&event));
}

static void test_event_check_time_does_not_run_back(void **state)
{
    struct sp_market_event event = trade(E8, 1);
    sp_text why = {{0}};

    (void)state;
    event.time.ns--;
    assert_false(is_possible(&event));
    assert_true(sp_md_is_possible(&event, (sp_wall){0}, &why));
}

int main(void)
{
#define T(name) cmocka_unit_test(test_event_check_##name)
    const struct CMUnitTest tests[] = {
        T(trades_have_price_and_quantity),
        T(a_bid_is_below_its_ask),
        T(levels_may_be_empty_but_not_negative),
        T(time_does_not_run_back),
    };
#undef T
    return cmocka_run_group_tests(tests, NULL, NULL);
}
