/* The real captures, if their folder is there: counts, exact sums, trade ids and the final books.
 * Exit 77 (skipped) says so loudly when it is not. */
#include "common/market/book_sync.h"
#include "common/market/recording.h"
#include "proto/decimal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define EXIT_SKIPPED 77

struct capture {
    const char *file;
    const char *symbol;
    uint64_t deltas, quotes, trades;
    uint64_t first_trade, last_trade;
    const char *first_px, *last_px, *sum_qty, *sum_value, *taker_buy_qty;
    uint64_t applied, last_update_id;
    uint32_t bid_count, ask_count;
    const char *bids[3][2];
    const char *asks[3][2];
};

static const struct capture captures[] = {
    {"spot_btcusdt_20240808.gz",
     "BTCUSDT",
     3451,
     28040,
     9757,
     3735683259,
     3735693015,
     "61837.63",
     "61685.99",
     "212.03315",
     "13084074.1123886",
     "96.65118",
     3449,
     50093421584,
     1209,
     2196,
     {{"61685.99", "1.0087"}, {"61685.98", "0.10972"}, {"61685.57", "0.32412"}},
     {{"61686", "2.29327"}, {"61686.01", "0.00009"}, {"61686.02", "0.45446"}}},
    {"spot_ethusdt_20240808.gz",
     "ETHUSDT",
     3434,
     24077,
     6106,
     1520538925,
     1520545030,
     "2683.8",
     "2682.51",
     "2261.3149",
     "6066483.27618",
     "953.0359",
     3432,
     35346671849,
     1195,
     1158,
     {{"2682.5", "3.3168"}, {"2682.41", "0.002"}, {"2682.4", "0.0274"}},
     {{"2682.51", "48.9739"}, {"2682.52", "3.7296"}, {"2682.54", "5.2867"}}},
};

static char folder[4096];

struct totals {
    uint64_t deltas, quotes, trades, snapshots;
    uint64_t first_trade, last_trade;
    sp_px first_px, last_px;
    __int128 qty, value, taker_buy_qty; /* 1e-8, 1e-16, 1e-8 */
    sp_wall last_time;
};

static void count_trade(struct totals *sum, const struct sp_trade *trade)
{
    if (sum->trades++ == 0) {
        sum->first_trade = trade->trade_id;
        sum->first_px = trade->px;
    } else {
        assert_int_equal(trade->trade_id, sum->last_trade + 1);
    }
    sum->last_trade = trade->trade_id;
    sum->last_px = trade->px;
    sum->qty += trade->qty.e8;
    sum->value += (__int128)trade->px.e8 * trade->qty.e8;
    if (trade->taker_side == SP_SIDE_BUY) sum->taker_buy_qty += trade->qty.e8;
}

static void count_event(struct totals *sum, struct sp_book_sync *sync,
                        const struct sp_market_event *event)
{
    assert_true(event->time.ns >= sum->last_time.ns);
    sum->last_time = event->time;
    if (event->kind == SP_REC_TRADE) {
        count_trade(sum, &event->body.trade);
    } else if (event->kind == SP_REC_QUOTE) {
        sum->quotes++;
        assert_true(event->body.quote.bid_px.e8 < event->body.quote.ask_px.e8);
    } else if (event->kind == SP_REC_BOOK_DELTA) {
        if (!event->body.book_delta.more) sum->deltas++;
        enum sp_sync_result result = sp_book_sync_delta(sync, &event->body.book_delta);
        assert_true(result == SP_SYNC_KEPT || result == SP_SYNC_APPLIED || result == SP_SYNC_PART ||
                    result == SP_SYNC_OLD);
    } else {
        assert_int_equal(event->kind, SP_REC_BOOK_SNAPSHOT);
        if (event->body.book_snapshot.part == 0) sum->snapshots++;
        enum sp_sync_result result = sp_book_sync_snapshot(sync, &event->body.book_snapshot);
        assert_true(result == SP_SYNC_PART || result == SP_SYNC_LOADED);
    }
}

static void assert_e8(__int128 e8, const char *want)
{
    int64_t wanted = 0;

    assert_int_equal(sp_e8_parse(want, strlen(want), &wanted), SP_OK);
    assert_true(e8 == wanted);
}

static void assert_book(const struct capture *cap, const struct sp_book_sync *sync)
{
    assert_true(sp_book_sync_is_right(sync));
    assert_int_equal(sync->applied, cap->applied);
    assert_int_equal(sync->book.last_update_id, cap->last_update_id);
    assert_int_equal(sync->book.forgotten, 0);
    assert_int_equal(sp_book_count(&sync->book, SP_SIDE_BUY), cap->bid_count);
    assert_int_equal(sp_book_count(&sync->book, SP_SIDE_SELL), cap->ask_count);
    for (uint32_t i = 0; i < 3; i++) {
        struct sp_level bid = sp_book_at(&sync->book, SP_SIDE_BUY, i);
        struct sp_level ask = sp_book_at(&sync->book, SP_SIDE_SELL, i);
        assert_e8(bid.px.e8, cap->bids[i][0]);
        assert_e8(bid.qty.e8, cap->bids[i][1]);
        assert_e8(ask.px.e8, cap->asks[i][0]);
        assert_e8(ask.qty.e8, cap->asks[i][1]);
    }
}

static void open_capture(const struct capture *cap, struct sp_source *source)
{
    struct sp_instrument rules = {.symbol = sp_name_of(cap->symbol),
                                  .base = sp_name_of("BASE"),
                                  .quote = sp_name_of("USDT")};
    char path[sizeof folder + 64];

    snprintf(path, sizeof path, "%s/%s", folder, cap->file);
    assert_int_equal(sp_recording_open(path, &rules, source, NULL), SP_OK);
}

static void check_capture(const struct capture *cap)
{
    static struct sp_market_event event;
    struct sp_book_sync sync = {0};
    struct sp_source source = {0};
    struct totals sum = {0};
    struct timespec before;
    struct timespec after;
    sp_status st = SP_OK;

    assert_int_equal(sp_book_sync_init(&sync, 8192, 256, NULL), SP_OK);
    clock_gettime(CLOCK_MONOTONIC, &before);
    open_capture(cap, &source);
    while ((st = sp_source_next(&source, &event, NULL)) == SP_OK) {
        count_event(&sum, &sync, &event);
    }
    clock_gettime(CLOCK_MONOTONIC, &after);
    assert_int_equal(st, SP_CLOSED);
    assert_int_equal(sum.deltas, cap->deltas);
    assert_int_equal(sum.quotes, cap->quotes);
    assert_int_equal(sum.trades, cap->trades);
    assert_int_equal(sum.snapshots, 1);
    assert_int_equal(sum.first_trade, cap->first_trade);
    assert_int_equal(sum.last_trade, cap->last_trade);
    assert_e8(sum.first_px.e8, cap->first_px);
    assert_e8(sum.last_px.e8, cap->last_px);
    assert_e8(sum.qty, cap->sum_qty);
    assert_true(sum.value % SP_FX_ONE == 0);
    assert_e8(sum.value / SP_FX_ONE, cap->sum_value);
    assert_e8(sum.taker_buy_qty, cap->taker_buy_qty);
    assert_book(cap, &sync);
    int64_t us = (after.tv_sec - before.tv_sec) * 1000000 + (after.tv_nsec - before.tv_nsec) / 1000;
    uint64_t lines = sum.deltas + sum.quotes + sum.trades + 1;
    print_message("%s: %" PRIu64 " lines in %" PRId64 " ms, book included\n", cap->symbol, lines,
                  us / 1000);
    sp_source_close(&source);
    sp_book_sync_fini(&sync);
}

static void test_captures_match_their_golden_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof captures / sizeof captures[0]; i++)
        check_capture(&captures[i]);
}

static void test_captures_seek_to_the_middle_reaches_the_same_book(void **state)
{
    static struct sp_market_event event;
    const struct capture *cap = &captures[0];
    struct sp_book_sync sync = {0};
    struct sp_source source = {0};
    const sp_wall middle = {INT64_C(1723161420000000000)};
    uint64_t last_trade = 0;

    (void)state;
    assert_int_equal(sp_book_sync_init(&sync, 8192, 256, NULL), SP_OK);
    open_capture(cap, &source);
    assert_int_equal(sp_source_seek(&source, middle, NULL), SP_OK);
    while (sp_source_next(&source, &event, NULL) == SP_OK) {
        assert_true(event.time.ns >= middle.ns);
        if (event.kind == SP_REC_BOOK_SNAPSHOT) {
            sp_book_sync_snapshot(&sync, &event.body.book_snapshot);
        } else if (event.kind == SP_REC_BOOK_DELTA) {
            sp_book_sync_delta(&sync, &event.body.book_delta);
        } else if (event.kind == SP_REC_TRADE) {
            last_trade = event.body.trade.trade_id;
        }
    }
    assert_int_equal(last_trade, cap->last_trade);
    assert_int_equal(sync.gaps, 0);
    assert_true(sync.applied > 100);
    assert_true(sync.applied < cap->applied);
    sync.applied = cap->applied;
    assert_book(cap, &sync);
    sp_source_close(&source);
    sp_book_sync_fini(&sync);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_captures_match_their_golden_values),
        cmocka_unit_test(test_captures_seek_to_the_middle_reaches_the_same_book),
    };
    const char *data = getenv("SPOOR_DATA");
    const char *root = getenv("SPOOR_SOURCE");

    if (data) {
        snprintf(folder, sizeof folder, "%s/binance_wire", data);
    } else {
        snprintf(folder, sizeof folder, "%s/../shared/data/binance_wire", root ? root : ".");
    }
    if (access(folder, R_OK) != 0) {
        fprintf(stderr, "SKIPPED: no recorded market data in %s\n", folder);
        return EXIT_SKIPPED;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
