/* The books at the end of their tables: what has ended makes room, what has not never does. */
#include "core_shell.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ONE SP_FX_ONE

static struct sp_config *config;
static struct sp_books *books;
static uint64_t seq;

static int setup(void **state)
{
    (void)state;
    config = calloc(1, sizeof *config);
    books = calloc(1, sizeof *books);
    if (config == NULL || books == NULL) return -1;
    core_config(config);
    sp_books_init(books, config);
    seq = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(books);
    free(config);
    return 0;
}

static sp_name id_of(uint64_t trade, uint32_t leg)
{
    return sp_execution_client_order_id("testbench", (sp_trd_id){{2, trade}}, leg);
}

static void intent(uint64_t trade, uint32_t leg, enum sp_side side)
{
    struct sp_record record = {.kind = SP_REC_ORDER_INTENT, .seq = ++seq};

    record.body.order_intent = (struct sp_order_intent){
        .order_id = {{1, seq}},
        .client_order_id = id_of(trade, leg),
        .trade_id = {{2, trade}},
        .strategy_link_id = sp_name_of("ema"),
        .symbol = sp_name_of("BTCUSDT"),
        .role = (uint8_t)(side == SP_SIDE_BUY ? SP_LEG_ROLE_ENTRY : SP_LEG_ROLE_EXIT),
        .leg = leg,
        .side = (uint8_t)side,
        .type = SP_ORDER_TYPE_MARKET,
        .tif = SP_TIF_IOC,
        .qty = {ONE}};
    sp_books_apply(books, &record);
}

static void event(enum sp_kind kind, uint64_t trade, uint32_t leg)
{
    struct sp_record record = {.kind = kind, .seq = ++seq};

    record.body.order_event.client_order_id = id_of(trade, leg);
    sp_books_apply(books, &record);
}

static void fill(uint64_t trade, uint64_t number)
{
    struct sp_record record = {.kind = SP_REC_FILL, .seq = ++seq};

    record.body.fill = (struct sp_fill){.client_order_id = id_of(trade, 1),
                                        .trade_id = {{2, trade}},
                                        .strategy_link_id = sp_name_of("ema"),
                                        .symbol = sp_name_of("BTCUSDT"),
                                        .venue_trade_id = number,
                                        .side = SP_SIDE_BUY,
                                        .px = {50000 * ONE},
                                        .qty = {ONE / 100},
                                        .fee_asset = sp_name_of("USDT")};
    sp_books_apply(books, &record);
    record = (struct sp_record){.kind = SP_REC_TRADE_OPENED, .seq = ++seq};
    record.body.trade_opened.trade_id = (sp_trd_id){{2, trade}};
    sp_books_apply(books, &record);
}

/* Two positions whose exits are refused, again and again: the table must not overflow. */
static void test_books_refused_exits_of_open_trades_make_room(void **state)
{
    (void)state;
    for (uint64_t trade = 1; trade <= 2; trade++) {
        intent(trade, 1, SP_SIDE_BUY);
        fill(trade, trade);
    }
    for (uint32_t leg = 2; leg < 990; leg++) {
        for (uint64_t trade = 1; trade <= 2; trade++) {
            intent(trade, leg, SP_SIDE_SELL);
            event(SP_REC_ORDER_REJECTED, trade, leg);
        }
    }
    assert_int_equal(books->order_count, SP_ORDERS_MAX);
    assert_true(sp_books_has_room(books));
    for (uint64_t trade = 1; trade <= 2; trade++) {
        sp_name newest = id_of(trade, 989), entry = id_of(trade, 1);
        assert_non_null(sp_books_order(books, &newest));
        assert_int_equal(sp_books_order(books, &entry)->state, SP_ORDER_STATE_PARTIALLY_FILLED);
        assert_int_equal(sp_books_trade(books, (sp_trd_id){{2, trade}})->legs, 989);
    }
}

static void test_books_what_lives_is_never_forgotten(void **state)
{
    (void)state;
    for (uint64_t trade = 1; trade <= 100; trade++) { /* old, and unresolved */
        intent(trade, 1, SP_SIDE_BUY);
        event(SP_REC_ORDER_UNKNOWN, trade, 1);
    }
    for (uint64_t trade = 101; trade <= 2000; trade++) {
        intent(trade, 1, SP_SIDE_BUY);
        event(SP_REC_ORDER_REJECTED, trade, 1);
    }
    for (uint64_t trade = 1; trade <= 100; trade++) {
        sp_name id = id_of(trade, 1);
        assert_int_equal(sp_books_order(books, &id)->state, SP_ORDER_STATE_UNKNOWN);
        assert_non_null(sp_books_trade(books, (sp_trd_id){{2, trade}}));
    }
    for (uint64_t trade = 2000 - SP_TRADES_MAX / 2; trade <= 2000; trade++)
        assert_non_null(sp_books_trade(books, (sp_trd_id){{2, trade}}));
    assert_int_equal(sp_books_in_flight(books), 100);
}

/* An order's trade is there as long as the order is: a late word about it finds both or neither. */
static void test_books_orders_go_with_their_trade(void **state)
{
    (void)state;
    for (uint64_t trade = 1; trade <= 600; trade++) {
        intent(trade, 1, SP_SIDE_BUY);
        event(SP_REC_ORDER_REJECTED, trade, 1);
    }
    assert_int_equal(books->order_count, books->trade_count);
    assert_in_range(books->order_count, SP_TRADES_MAX * 7 / 8, SP_TRADES_MAX);
    for (uint32_t i = 0; i < books->order_count; i++)
        assert_non_null(sp_books_trade(books, books->orders[i].intent.trade_id));
}

static void test_books_fills_are_remembered_by_number_and_symbol(void **state)
{
    sp_name btc = sp_name_of("BTCUSDT"), eth = sp_name_of("ETHUSDT");

    (void)state;
    intent(1, 1, SP_SIDE_BUY);
    fill(1, 7);
    fill(1, 7);
    assert_int_equal(books->fill_total, 1);
    assert_int_equal(books->trades[0].bought_qty.e8, ONE / 100);
    assert_true(sp_books_has_fill(books, &btc, 7));
    assert_false(sp_books_has_fill(books, &btc, 8));
    assert_false(sp_books_has_fill(books, &eth, 7));
}

static void test_books_client_order_ids_differ_by_installation_trade_and_leg(void **state)
{
    sp_name a = id_of(1, 1);
    sp_name others[] = {id_of(1, 2), id_of(2, 1),
                        sp_execution_client_order_id("other", (sp_trd_id){{2, 1}}, 1)};

    (void)state;
    for (size_t i = 0; i < 3; i++)
        assert_false(sp_name_eq(&a, &others[i]));
    assert_true(strlen(a.s) <= 36); /* what Binance takes */
}

#define T(name) cmocka_unit_test_setup_teardown(test_books_##name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(refused_exits_of_open_trades_make_room),
        T(what_lives_is_never_forgotten),
        T(orders_go_with_their_trade),
        T(fills_are_remembered_by_number_and_symbol),
        T(client_order_ids_differ_by_installation_trade_and_leg),
    };

    return cmocka_run_group_tests_name("books", tests, NULL, NULL);
}
