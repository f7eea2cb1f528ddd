/* A subscriber of market data that adds up what it gets, for tests and the benchmark.
 *
 *   md_tap RUN_DIR NAME STREAM [--paced] [--facts] [--until KIND] [--count N] [--latency]
 *          [--bare]
 *
 * NAME is the service it speaks as. Prints one JSON object a line: an "event" for each fact (with
 * --facts), gap and book that became right, and at the end a "summary". It ends after a fact of
 * KIND once everything announced was delivered, after N records, or at SIGTERM. --bare keeps no
 * book.
 */
#include "common/bus/bus.h"
#include "common/clock.h"
#include "common/market/book_sync.h"
#include "proto/decimal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LATENCIES_MAX 4000000u

struct tap {
    struct sp_loop *loop;
    struct sp_bus *bus;
    struct sp_subscription *market, *facts;
    enum sp_kind until;
    uint64_t count_max;
    bool ending;
    uint64_t ending_beat;
    uint64_t records, kinds[SP_KIND_NUMBER_MAX + 1];
    uint64_t gaps, disorder, time_back, bars_late;
    uint32_t epoch, epochs;
    uint64_t seq;
    sp_wall time;
    uint64_t first_trade, last_trade, missing_trades;
    sp_px first_px, last_px;
    sp_qty qty, buy_qty, bar_qty[2];
    __int128 value_e16;
    bool bare, book_right;
    struct sp_book_sync book;
    sp_mono began, last_record;
    uint32_t *latency_us; /* NULL: not asked for */
    uint32_t latency_count;
};

static void print_event(const char *what, const char *detail, uint32_t epoch, uint64_t seq)
{
    printf("{\"event\":\"%s\",\"detail\":\"%s\",\"epoch\":%u,\"seq\":%" PRIu64 "}\n", what, detail,
           epoch, seq);
    fflush(stdout);
}

/* ---- Market data ---- */

static void on_trade(struct tap *tap, const struct sp_trade *trade)
{
    if (tap->first_trade == 0) {
        tap->first_trade = trade->trade_id;
        tap->first_px = trade->px;
    } else if (trade->trade_id != tap->last_trade + 1) {
        tap->missing_trades++;
    }
    tap->last_trade = trade->trade_id;
    tap->last_px = trade->px;
    tap->qty.e8 += trade->qty.e8;
    if (trade->taker_side == SP_SIDE_BUY) tap->buy_qty.e8 += trade->qty.e8;
    tap->value_e16 += (__int128)trade->px.e8 * trade->qty.e8;
}

static void on_book(struct tap *tap, const struct sp_record *record)
{
    if (record->kind == SP_REC_BOOK_DELTA) {
        sp_book_sync_delta(&tap->book, &record->body.book_delta);
    } else {
        sp_book_sync_snapshot(&tap->book, &record->body.book_snapshot);
    }
    bool right = sp_book_sync_is_right(&tap->book);
    if (right && !tap->book_right) print_event("book", "right", record->epoch, record->seq);
    if (tap->book.state == SP_SYNC_SYNCED || !tap->book_right) tap->book_right = right;
}

static sp_mono received(const struct sp_record *record)
{
    uint32_t kind = (uint32_t)record->kind;

    if (kind == SP_REC_TRADE) return record->body.trade.received;
    if (kind == SP_REC_QUOTE) return record->body.quote.received;
    if (kind == SP_REC_BOOK_DELTA) return record->body.book_delta.received;
    if (kind == SP_REC_BAR) return record->body.bar.received;
    return (sp_mono){0};
}

static void note_latency(struct tap *tap, const struct sp_record *record)
{
    sp_mono then = received(record);

    if (tap->latency_us == NULL || then.ns == 0 || tap->latency_count == LATENCIES_MAX) return;
    int64_t us = sp_mono_since(tap->last_record, then).ns / 1000;
    tap->latency_us[tap->latency_count++] = us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

static void note_order(struct tap *tap, const struct sp_record *record, bool is_answer)
{
    if (record->epoch != tap->epoch) {
        tap->epochs++;
        tap->time = (sp_wall){0};
    } else if (!is_answer && record->seq != tap->seq + 1) {
        tap->disorder++;
    }
    if (record->time.ns < tap->time.ns) tap->time_back++;
    tap->time = record->time;
    tap->epoch = record->epoch;
    tap->seq = record->seq;
}

static void on_market(void *ctx, const struct sp_record *record)
{
    struct tap *tap = ctx;
    uint32_t kind = (uint32_t)record->kind;
    /* The parts of a late joiner's snapshot stand at the place they bring it to. */
    bool is_answer =
        kind == SP_REC_BOOK_SNAPSHOT && (tap->epoch == 0 || record->seq != tap->seq + 1);

    tap->last_record = sp_clock_mono();
    if (tap->records++ == 0) tap->began = tap->last_record;
    tap->kinds[kind]++;
    note_order(tap, record, is_answer);
    note_latency(tap, record);
    if (kind == SP_REC_TRADE) on_trade(tap, &record->body.trade);
    bool is_book = kind == SP_REC_BOOK_DELTA || kind == SP_REC_BOOK_SNAPSHOT;
    if (is_book && !tap->bare) on_book(tap, record);
    if (kind == SP_REC_BAR) {
        const struct sp_bar *bar = &record->body.bar;
        tap->bar_qty[bar->interval.ns == SP_NS_PER_S ? 0 : 1].e8 += bar->volume.e8;
        if (record->time.ns != bar->opened.ns + bar->interval.ns) tap->bars_late++;
    }
    if (tap->count_max != 0 && tap->records >= tap->count_max) sp_loop_stop(tap->loop);
}

static void on_notice(void *ctx, const struct sp_sub_notice *notice)
{
    struct tap *tap = ctx;

    if (notice->type == SP_SUB_GAP) {
        tap->gaps++;
        sp_book_sync_reset(&tap->book);
        tap->book_right = false;
        print_event("gap", notice->stream.s, notice->epoch, notice->last_seq);
    }
}

/* ---- Facts ---- */

static void on_fact(void *ctx, const struct sp_record *record)
{
    struct tap *tap = ctx;
    const char *detail = "";

    if (record->kind == SP_REC_THREAT_DETECTED || record->kind == SP_REC_THREAT_ENDED) {
        detail = record->body.threat.threat_type.s;
    }
    print_event(sp_kind_name((uint32_t)record->kind), detail, record->epoch, record->seq);
    if (tap->until == SP_REC_NONE || record->kind != tap->until) return;
    tap->ending = true;
    tap->ending_beat = sp_subscription_heartbeat(tap->facts).count;
}

/* The heartbeat after the one that may have been sent before the fact names the last sequence. */
static void check_end(void *ctx)
{
    struct tap *tap = ctx;

    if (!tap->ending) return;
    if (sp_subscription_heartbeat(tap->facts).count < tap->ending_beat + 2) return;
    if (sp_subscription_caught_up(tap->market)) sp_loop_stop(tap->loop);
}

/* ---- Summary ---- */

static void print_e8(const char *name, int64_t e8)
{
    char buf[SP_E8_TEXT_SIZE];

    printf(",\"%s\":\"%s\"", name, sp_e8_format(e8, buf));
}

static void print_level(const struct sp_book *book, enum sp_side side, uint32_t depth)
{
    struct sp_level level = sp_book_at(book, side, depth);
    char px[SP_E8_TEXT_SIZE], qty[SP_E8_TEXT_SIZE];

    printf("%s[\"%s\",\"%s\"]", depth > 0 ? "," : "", sp_e8_format(level.px.e8, px),
           sp_e8_format(level.qty.e8, qty));
}

static void print_book(const struct tap *tap)
{
    const struct sp_book *book = &tap->book.book;

    printf(",\"book\":{\"right\":%s,\"applied\":%" PRIu64 ",\"last_update_id\":%" PRIu64,
           sp_book_sync_is_right(&tap->book) ? "true" : "false", tap->book.applied,
           book->last_update_id);
    for (int n = 0; n < 2; n++) {
        enum sp_side side = n == 0 ? SP_SIDE_BUY : SP_SIDE_SELL;
        uint32_t count = sp_book_count(book, side);
        printf(",\"%s\":%u,\"best_%s\":[", n == 0 ? "bids" : "asks", count,
               n == 0 ? "bids" : "asks");
        for (uint32_t i = 0; i < 3 && i < count; i++)
            print_level(book, side, i);
        printf("]");
    }
    printf("}");
}

static int compare_us(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static void print_latency(struct tap *tap)
{
    uint32_t n = tap->latency_count;

    if (n == 0) return;
    qsort(tap->latency_us, n, sizeof *tap->latency_us, compare_us);
    printf(",\"latency_us\":{\"p50\":%u,\"p99\":%u,\"max\":%u}", tap->latency_us[n / 2],
           tap->latency_us[(uint64_t)n * 99 / 100], tap->latency_us[n - 1]);
}

static void print_summary(struct tap *tap)
{
    struct sp_bus_stats stats = sp_bus_stats(tap->bus);
    uint64_t high = (uint64_t)(tap->value_e16 / SP_FX_ONE / SP_FX_ONE);
    uint64_t low = (uint64_t)(tap->value_e16 % ((__int128)SP_FX_ONE * SP_FX_ONE));

    printf("{\"summary\":true,\"records\":%" PRIu64 ",\"epochs\":%u,\"gaps\":%" PRIu64
           ",\"disorder\":%" PRIu64 ",\"time_back\":%" PRIu64 ",\"bars_late\":%" PRIu64,
           tap->records, tap->epochs, tap->gaps, tap->disorder, tap->time_back, tap->bars_late);
    for (uint32_t kind = SP_REC_TRADE; kind <= SP_REC_BAR; kind++) {
        printf(",\"%s\":%" PRIu64, sp_kind_name(kind), tap->kinds[kind]);
    }
    printf(",\"first_trade\":%" PRIu64 ",\"last_trade\":%" PRIu64 ",\"missing_trades\":%" PRIu64,
           tap->first_trade, tap->last_trade, tap->missing_trades);
    print_e8("first_px", tap->first_px.e8);
    print_e8("last_px", tap->last_px.e8);
    print_e8("qty", tap->qty.e8);
    print_e8("buy_qty", tap->buy_qty.e8);
    print_e8("bar_qty_1s", tap->bar_qty[0].e8);
    print_e8("bar_qty_1m", tap->bar_qty[1].e8);
    printf(",\"value\":\"%" PRIu64 ".%016" PRIu64 "\"", high, low);
    printf(",\"received\":%" PRIu64 ",\"replayed\":%" PRIu64 ",\"ring_gone\":%" PRIu64,
           stats.received, stats.replayed_socket, stats.ring_gone);
    printf(",\"elapsed_ns\":%" PRId64, sp_mono_since(tap->last_record, tap->began).ns);
    print_latency(tap);
    print_book(tap);
    printf("}\n");
}

/* ---- Life ---- */

static sp_status subscribe(struct tap *tap, const char *stream, bool paced, bool facts,
                           struct sp_err *err)
{
    struct sp_sub_options options = {.stream = sp_name_of(stream),
                                     .publisher = sp_name_of("marketdata"),
                                     .paced = paced,
                                     .on_record = on_market,
                                     .on_notice = on_notice,
                                     .ctx = tap};
    sp_dur every = {20 * SP_NS_PER_MS};

    sp_status status = sp_bus_subscribe(tap->bus, &options, &tap->market, err);
    if (status != SP_OK || !facts) return status;
    options = (struct sp_sub_options){.stream = sp_name_of("marketdata"),
                                      .publisher = sp_name_of("marketdata"),
                                      .facts = true,
                                      .on_record = on_fact,
                                      .ctx = tap};
    status = sp_bus_subscribe(tap->bus, &options, &tap->facts, err);
    if (status != SP_OK) return status;
    return sp_loop_add_timer(tap->loop, every, every, check_end, tap, NULL);
}

int main(int argc, char **argv)
{
    static struct tap tap;
    struct sp_err err = {0};
    bool paced = false, facts = false;

    if (argc < 4) {
        fprintf(stderr, "usage: md_tap RUN_DIR NAME STREAM [options]\n");
        return 64;
    }
    for (int i = 4; i < argc; i++) {
        if (strcmp(argv[i], "--paced") == 0) paced = true;
        if (strcmp(argv[i], "--facts") == 0) facts = true;
        if (strcmp(argv[i], "--bare") == 0) tap.bare = true;
        if (strcmp(argv[i], "--latency") == 0) {
            tap.latency_us = calloc(LATENCIES_MAX, sizeof *tap.latency_us);
        }
        if (i + 1 < argc && strcmp(argv[i], "--count") == 0) {
            tap.count_max = strtoull(argv[i + 1], NULL, 10);
        }
        if (i + 1 < argc && strcmp(argv[i], "--until") == 0 &&
            !sp_kind_parse(argv[i + 1], strlen(argv[i + 1]), &tap.until)) {
            return 64;
        }
    }
    struct sp_bus_options options = {.run_dir = argv[1],
                                     .service = sp_name_of(argv[2]),
                                     .epoch = 1,
                                     .queue_max = 20000,
                                     .message_max_bytes = 1 << 20};
    sp_status status = sp_book_sync_init(&tap.book, 8192, 256, &err);
    if (status == SP_OK) status = sp_loop_open(&tap.loop, &err);
    if (status == SP_OK) status = sp_bus_open(tap.loop, &options, &tap.bus, &err);
    if (status == SP_OK) status = subscribe(&tap, argv[3], paced, facts, &err);
    if (status == SP_OK) status = sp_loop_run(tap.loop, &err);
    if (status != SP_OK) {
        fprintf(stderr, "md_tap: %s %s\n", sp_status_name(status), err.text);
        return 1;
    }
    print_summary(&tap);
    return 0;
}
