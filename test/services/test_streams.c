#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "services/venue/stream_control.h"

#define BEGIN_NS (INT64_C(1767636000) * 1000000000)

struct fixture {
    struct sp_world_config world;
    struct sp_exchange exchange;
    struct sp_market_view view;
    struct sp_streams *streams;
    struct sp_venue_changes changes;
    struct sp_market_event event;
    struct sp_json_text answer;
    uint32_t count;
    uint64_t to[64];
    char sent[64][1024];
};

static void on_send(void *ctx, uint64_t connection, const char *text, size_t len_bytes)
{
    struct fixture *f = ctx;

    assert_true(f->count < 64 && len_bytes == strlen(text));
    f->to[f->count] = connection;
    snprintf(f->sent[f->count++], sizeof f->sent[0], "%s", text);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->world = (struct sp_world_config){
        .instrument_count = 1,
        .instruments = {{.symbol = sp_name_of("BTCUSDT"),
                         .base = sp_name_of("BTC"),
                         .quote = sp_name_of("USDT"),
                         .tick = {1000000},
                         .step = {1000},
                         .min_qty = {1000},
                         .min_value = {5 * SP_FX_ONE}}},
        .balance_count = 1,
        .balances = {{.asset = sp_name_of("USDT"), .amount = {10000 * SP_FX_ONE}}},
    };
    assert_int_equal(sp_exchange_init(&f->exchange, &f->world, NULL), SP_OK);
    sp_market_view_init(&f->view);
    struct sp_streams_options options = {.exchange = &f->exchange,
                                         .views = &f->view,
                                         .send = on_send,
                                         .ctx = f};
    assert_int_equal(sp_streams_open(&options, &f->streams, NULL), SP_OK);
    assert_int_equal(sp_streams_join(f->streams, 7, false), SP_OK);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    sp_streams_close(f->streams);
    sp_exchange_fini(&f->exchange);
    sp_json_text_free(&f->answer);
    free(f);
    return 0;
}

/* One event, through exchange and view as in the service. */
static void market(struct fixture *f, enum sp_kind kind, int64_t after_ms)
{
    f->event.kind = kind;
    f->event.time.ns = BEGIN_NS + after_ms * 1000000;
    sp_exchange_market(&f->exchange, 0, &f->event, &f->changes);
    if (kind == SP_REC_TRADE) sp_market_view_trade(&f->view, &f->event.body.trade, f->event.time);
    sp_streams_market(f->streams, 0, &f->event);
}

static void trade(struct fixture *f, uint64_t id, int64_t px, int64_t after_ms)
{
    f->event.body.trade = (struct sp_trade){.trade_id = id,
                                            .px = {px * SP_FX_ONE},
                                            .qty = {SP_FX_ONE / 2},
                                            .taker_side = SP_SIDE_SELL};
    market(f, SP_REC_TRADE, after_ms);
}

static void ask(struct fixture *f, const char *message, const char *answer)
{
    sp_stream_control_handle(f->streams, 7, message, strlen(message), &f->answer);
    assert_string_equal(f->answer.text, answer);
}

static void test_streams_follow_and_unfollow(void **state)
{
    struct fixture *f = *state;

    sp_stream_control_path(f->streams, 7, "/ws/btcusdt@trade/0/ethusdt@trade/BTCUSDT@ticker", "");
    ask(f, "{\"method\":\"LIST_SUBSCRIPTIONS\",\"id\":3}",
        "{\"result\":[\"btcusdt@trade\"],\"id\":3}");
    ask(f,
        "{\"method\":\"SUBSCRIBE\",\"params\":[\"btcusdt@kline_1m\",\"btcusdt@trade\"],"
        "\"id\":\"x\"}",
        "{\"result\":null,\"id\":\"x\"}");
    ask(f, "{\"method\":\"UNSUBSCRIBE\",\"params\":[\"btcusdt@trade\"],\"id\":4}",
        "{\"result\":null,\"id\":4}");
    ask(f, "{\"method\":\"LIST_SUBSCRIPTIONS\",\"id\":5}",
        "{\"result\":[\"btcusdt@kline_1m\"],\"id\":5}");
    ask(f, "{\"method\":\"JUMP\",\"id\":5}",
        "{\"code\":2,\"msg\":\"Invalid request: unknown method\"}");
    ask(f, "{\"method\":\"LIST_SUBSCRIPTIONS\"}",
        "{\"result\":[\"btcusdt@kline_1m\"],\"id\":null}");
    ask(f, "[]", "{\"code\":2,\"msg\":\"Invalid request: unknown method\"}");
    ask(f, "{", "{\"code\":3,\"msg\":\"Invalid JSON\"}");
    sp_streams_leave(f->streams, 7);
    assert_false(sp_streams_has(f->streams, 7));
}

static void test_streams_trade_goes_to_its_followers_alone(void **state)
{
    struct fixture *f = *state;
    static const char raw[] = "{\"e\":\"trade\",\"E\":1767636000250,\"s\":\"BTCUSDT\",\"t\":11,"
                              "\"p\":\"100.00000000\",\"q\":\"0.50000000\",\"T\":1767636000250,"
                              "\"m\":true,\"M\":true}";
    char combined[512];

    assert_int_equal(sp_streams_join(f->streams, 8, true), SP_OK);
    assert_int_equal(sp_streams_join(f->streams, 9, false), SP_OK);
    assert_int_equal(sp_streams_follow(f->streams, 7, "btcusdt@trade"), SP_OK);
    assert_int_equal(sp_streams_follow(f->streams, 8, "btcusdt@trade"), SP_OK);
    assert_int_equal(sp_streams_follow(f->streams, 9, "btcusdt@bookTicker"), SP_OK);
    trade(f, 11, 100, 250);
    assert_int_equal(f->count, 2);
    assert_int_equal(f->to[0], 7);
    assert_string_equal(f->sent[0], raw);
    snprintf(combined, sizeof combined, "{\"stream\":\"btcusdt@trade\",\"data\":%s}", raw);
    assert_int_equal(f->to[1], 8);
    assert_string_equal(f->sent[1], combined);
}

static uint32_t sent_to(const struct fixture *f, uint64_t connection)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < f->count; i++)
        count += f->to[i] == connection;
    return count;
}

/* Whoever comes, goes or changes in between: the others get each event once a name. */
static void test_streams_leaving_takes_nobody_along(void **state)
{
    struct fixture *f = *state;

    for (uint64_t id = 10; id < 20; id++) {
        assert_int_equal(sp_streams_join(f->streams, id, false), SP_OK);
        assert_int_equal(sp_streams_follow(f->streams, id, "btcusdt@trade"), SP_OK);
        assert_int_equal(sp_streams_follow(f->streams, id, "btcusdt@aggTrade"), SP_OK);
    }
    sp_streams_unfollow(f->streams, 10, "btcusdt@trade");
    sp_streams_leave(f->streams, 11);
    sp_streams_leave(f->streams, 19);
    sp_streams_leave(f->streams, 19); /* unknown by now */
    sp_streams_set_combined(f->streams, 12, true);
    assert_int_equal(sp_streams_join(f->streams, 11, false), SP_OK); /* and follows nothing */
    trade(f, 1, 100, 0);
    assert_int_equal(f->count, 7 + 8);
    for (uint64_t id = 12; id < 19; id++)
        assert_int_equal(sent_to(f, id), 2);
    assert_int_equal(sent_to(f, 10), 1);
    assert_int_equal(sent_to(f, 11), 0);
    for (uint32_t i = 0; i < f->count; i++)
        assert_int_equal(strncmp(f->sent[i], "{\"stream\"", 9) == 0, f->to[i] == 12);
}

static void delta(struct fixture *f, uint64_t first, uint64_t last, bool more, int64_t px)
{
    struct sp_book_delta *body = &f->event.body.book_delta;

    memset(body, 0, sizeof *body);
    body->first_update_id = first;
    body->last_update_id = last;
    body->more = more;
    body->bids.count = 1;
    body->bids.at[0] = (struct sp_level){{px * SP_FX_ONE}, {SP_FX_ONE}};
    market(f, SP_REC_BOOK_DELTA, 300);
}

/* A client that gets a second event with numbers it has seen drops it, and its book is wrong. */
static void test_streams_parts_of_a_change_are_one_event(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(sp_streams_follow(f->streams, 7, "btcusdt@depth@100ms"), SP_OK);
    delta(f, 5, 9, true, 99);
    assert_int_equal(f->count, 0);
    delta(f, 5, 9, false, 98);
    assert_int_equal(f->count, 1);
    assert_string_equal(
        f->sent[0], "{\"e\":\"depthUpdate\",\"E\":1767636000300,\"s\":\"BTCUSDT\",\"U\":5,\"u\":9,"
                    "\"b\":[[\"99.00000000\",\"1.00000000\"],[\"98.00000000\",\"1.00000000\"]],"
                    "\"a\":[]}");
    delta(f, 10, 12, false, 97);
    assert_int_equal(f->count, 2);
    assert_non_null(strstr(f->sent[1], "\"U\":10,\"u\":12,\"b\":[[\"97.00000000\""));
}

static void test_streams_candle_is_closed_once_by_the_next_trade(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(sp_streams_join(f->streams, 8, false), SP_OK);
    assert_int_equal(sp_streams_follow(f->streams, 7, "btcusdt@kline_1s"), SP_OK);
    assert_int_equal(sp_streams_follow(f->streams, 8, "btcusdt@kline_1s"), SP_OK);
    trade(f, 1, 100, 0);
    trade(f, 2, 103, 500);
    assert_int_equal(f->count, 0);
    sp_streams_tick(f->streams);
    assert_int_equal(f->count, 2); /* one for each of the two */
    assert_non_null(strstr(f->sent[0], "\"c\":\"103.00000000\""));
    assert_non_null(strstr(f->sent[0], "\"x\":false"));
    sp_streams_tick(f->streams); /* nothing changed */
    assert_int_equal(f->count, 2);
    trade(f, 3, 90, 1000);
    assert_int_equal(f->count, 4);
    assert_non_null(strstr(f->sent[2], "\"t\":1767636000000,\"T\":1767636000999"));
    assert_non_null(strstr(f->sent[2], "\"o\":\"100.00000000\",\"c\":\"103.00000000\""));
    assert_non_null(strstr(f->sent[2], "\"x\":true"));
}

static void test_streams_average_is_the_last_price(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(sp_streams_follow(f->streams, 7, "btcusdt@avgPrice"), SP_OK);
    sp_streams_tick(f->streams);
    assert_int_equal(f->count, 0); /* there is none */
    trade(f, 1, 100, 0);
    trade(f, 2, 103, 500);
    sp_streams_tick(f->streams);
    sp_streams_tick(f->streams);
    assert_int_equal(f->count, 1);
    assert_non_null(
        strstr(f->sent[0], "{\"e\":\"avgPrice\",\"E\":1767636000500,\"s\":\"BTCUSDT\""));
    assert_non_null(strstr(f->sent[0], "\"i\":\"0m\",\"w\":\"103.00000000\",\"T\":1767636000500}"));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_streams_follow_and_unfollow),
        TEST(test_streams_trade_goes_to_its_followers_alone),
        TEST(test_streams_leaving_takes_nobody_along),
        TEST(test_streams_parts_of_a_change_are_one_event),
        TEST(test_streams_candle_is_closed_once_by_the_next_trade),
        TEST(test_streams_average_is_the_last_price),
    };
    return cmocka_run_group_tests_name("streams", tests, NULL, NULL);
}
