/* The matching engine against minutes of a generated market: what must hold after every event. */
#include "common/market/generator.h"
#include "common/market/match.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct sp_match match;
static struct sp_match_events events;
static struct sp_market_event event;

/* Every accepted order ends exactly once or is open; legs of a pair stand or go together. */
struct tally {
    uint64_t accepted, ended, fills, makers;
};

static void count_events(struct tally *sum)
{
    for (uint32_t i = 0; i < events.count; i++) {
        const struct sp_match_event *e = &events.at[i];
        if (e->type == SP_MATCH_ACCEPTED) sum->accepted++;
        bool fills = e->type == SP_MATCH_FILL;
        if (fills) sum->fills++;
        if (fills && e->liquidity == SP_LIQUIDITY_MAKER) sum->makers++;
        if (e->type == SP_MATCH_CANCELED || e->type == SP_MATCH_EXPIRED) sum->ended++;
        if (fills && e->is_complete) sum->ended++;
    }
}

static void check_open_orders(const struct tally *sum)
{
    assert_int_equal(sum->accepted, sum->ended + match.order_count);
    for (uint32_t i = 0; i < match.order_count; i++) {
        const struct sp_match_order *order = &match.orders[i];
        if (order->pair_no == 0) continue;
        const struct sp_match_order *other = sp_match_order(&match, order->pair_no);
        assert_non_null(other);
        assert_int_equal(other->pair_no, order->order_no);
        assert_int_equal(order->filled.e8, 0);
    }
}

/* The n-th order of a fixed mixture around the last price. */
static void place_some(uint64_t n, struct tally *sum)
{
    int64_t off = (int64_t)(n * 7919 % 3000 + 1) * match.instrument.tick.e8;
    struct sp_match_order order = {.order_no = 2 * n,
                                   .side = n % 2 ? SP_SIDE_BUY : SP_SIDE_SELL,
                                   .qty = {(int64_t)(n * 104729 % 150000 + 100) * 1000}};
    struct sp_match_order stop = order;

    if (n % 5 == 0) {
        order.type = SP_ORDER_TYPE_MARKET;
    } else {
        order.type = SP_ORDER_TYPE_LIMIT;
        order.tif = n % 7 == 0 ? SP_TIF_FOK : n % 3 == 0 ? SP_TIF_IOC : SP_TIF_GTC;
        order.px.e8 = match.last_px.e8 + (n % 4 < 2 ? off : -off);
    }
    if (n % 5 == 1) {
        order.side = stop.side = SP_SIDE_SELL;
        order.tif = SP_TIF_GTC;
        order.px.e8 = match.last_px.e8 + off;
        stop.type = SP_ORDER_TYPE_STOP_LOSS;
        stop.order_no++;
        stop.stop_px.e8 = match.last_px.e8 - off;
        order.pair_no = stop.order_no;
        stop.pair_no = order.order_no;
        sp_match_place_pair(&match, &order, &stop, &events);
    } else {
        sp_match_place(&match, &order, &events);
    }
    count_events(sum);
}

static void test_match_market_orders_are_conserved(void **state)
{
    struct sp_generator_config config = {.seed = 7,
                                         .length = {240 * INT64_C(1000000000)},
                                         .symbol_count = 1};
    struct sp_source source = {0};
    struct tally sum = {0};
    uint64_t messages = 0;

    (void)state;
    assert_int_equal(sp_generator_known("BTCUSDT", &config.symbols[0], NULL), SP_OK);
    assert_int_equal(sp_generator_open(&config, &source, NULL), SP_OK);
    assert_int_equal(sp_match_init(&match, sp_source_instrument(&source, 0), 64, NULL), SP_OK);
    while (sp_source_next(&source, &event, NULL) == SP_OK) {
        sp_match_market(&match, &event, &events);
        count_events(&sum);
        if (++messages % 20 == 0) place_some(messages / 20, &sum);
        if (messages % 900 == 0 && match.order_count > 0) {
            assert_int_equal(sp_match_cancel(&match, match.orders[0].order_no, &events, NULL),
                             SP_OK);
            count_events(&sum);
        }
        check_open_orders(&sum);
    }
    assert_true(sum.accepted > 300);
    assert_true(sum.fills > 300);
    assert_true(sum.makers > 50);
    sp_source_close(&source);
    sp_match_fini(&match);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_match_market_orders_are_conserved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
