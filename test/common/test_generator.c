#include "common/market/generator.h"

#include "common/market/bars.h"
#include "common/market/book_sync.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define S       INT64_C(1000000000)
#define MINUTES 30
/* Ten minutes of seed 7. Whoever changes the generator changes every demo, and says so here. */
#define PINNED_HASH UINT64_C(0xb6a0581c2f8fe07d)

static struct sp_market_event event; /* large */

static struct sp_source open_btc(uint64_t seed, int64_t length_s)
{
    struct sp_generator_config config = {.seed = seed, .length = {length_s * S}, .symbol_count = 1};
    struct sp_source source = {0};

    assert_int_equal(sp_generator_known("BTCUSDT", &config.symbols[0], NULL), SP_OK);
    assert_int_equal(sp_generator_open(&config, &source, NULL), SP_OK);
    return source;
}

/* FNV-1a over the values of events, independent of padding. */
static void hash_u64(uint64_t *hash, uint64_t value)
{
    for (int i = 0; i < 8; i++) {
        *hash = (*hash ^ ((value >> (8 * i)) & 0xff)) * UINT64_C(0x100000001b3);
    }
}

static void hash_levels(uint64_t *hash, const struct sp_levels *levels)
{
    for (uint32_t i = 0; i < levels->count; i++) {
        hash_u64(hash, (uint64_t)levels->at[i].px.e8);
        hash_u64(hash, (uint64_t)levels->at[i].qty.e8);
    }
}

static void hash_event(uint64_t *hash, const struct sp_market_event *ev)
{
    hash_u64(hash, (uint64_t)ev->time.ns);
    hash_u64(hash, ev->symbol);
    hash_u64(hash, (uint64_t)ev->kind);
    if (ev->kind == SP_REC_TRADE) {
        hash_u64(hash, ev->body.trade.trade_id);
        hash_u64(hash, (uint64_t)ev->body.trade.px.e8);
        hash_u64(hash, (uint64_t)ev->body.trade.qty.e8);
        hash_u64(hash, ev->body.trade.taker_side);
    } else if (ev->kind == SP_REC_QUOTE) {
        hash_u64(hash, ev->body.quote.update_id);
        hash_u64(hash, (uint64_t)ev->body.quote.bid_px.e8);
        hash_u64(hash, (uint64_t)ev->body.quote.ask_qty.e8);
    } else if (ev->kind == SP_REC_BOOK_DELTA) {
        hash_u64(hash, ev->body.book_delta.last_update_id);
        hash_levels(hash, &ev->body.book_delta.bids);
        hash_levels(hash, &ev->body.book_delta.asks);
    } else {
        hash_u64(hash, ev->body.book_snapshot.last_update_id);
        hash_levels(hash, &ev->body.book_snapshot.bids);
        hash_levels(hash, &ev->body.book_snapshot.asks);
    }
}

static uint64_t hash_run(struct sp_source *source)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    while (sp_source_next(source, &event, NULL) == SP_OK)
        hash_event(&hash, &event);
    return hash;
}

static void test_generator_same_seed_gives_the_same_market_for_ever(void **state)
{
    struct sp_source a = open_btc(7, 600);
    struct sp_source b = open_btc(8, 600);

    (void)state;
    assert_true(hash_run(&a) == PINNED_HASH);
    assert_int_equal(sp_source_seek(&a, (sp_wall){0}, NULL), SP_OK);
    assert_true(hash_run(&a) == PINNED_HASH);
    assert_false(hash_run(&b) == PINNED_HASH);
    sp_source_close(&a);
    sp_source_close(&b);
}

/* Everything a consumer relies on, event by event. */
struct consumer {
    struct sp_instrument rules;
    struct sp_book_sync sync;
    sp_wall last_time;
    uint64_t trade_id;
    uint64_t counts[SP_KIND_NUMBER_MAX + 1];
};

static void check_levels(const struct consumer *c, const struct sp_levels *levels)
{
    for (uint32_t i = 0; i < levels->count; i++) {
        assert_int_equal(sp_instrument_check_px(&c->rules, levels->at[i].px, NULL), SP_OK);
        if (levels->at[i].qty.e8 == 0) continue;
        assert_int_equal(sp_instrument_check_qty(&c->rules, levels->at[i].qty, NULL), SP_OK);
    }
}

/* The book rebuilt from changes alone is the generator's own. */
static void check_snapshot(struct consumer *c, const struct sp_book_snapshot *snap)
{
    const struct sp_book *book = &c->sync.book;

    if (c->counts[SP_REC_BOOK_SNAPSHOT] > 1) {
        assert_int_equal(snap->last_update_id, book->last_update_id);
        assert_int_equal(snap->bids.count, sp_book_count(book, SP_SIDE_BUY));
        assert_int_equal(snap->asks.count, sp_book_count(book, SP_SIDE_SELL));
        for (uint32_t i = 0; i < snap->bids.count; i++) {
            struct sp_level ours = sp_book_at(book, SP_SIDE_BUY, i);
            assert_memory_equal(&ours, &snap->bids.at[i], sizeof ours);
        }
        for (uint32_t i = 0; i < snap->asks.count; i++) {
            struct sp_level ours = sp_book_at(book, SP_SIDE_SELL, i);
            assert_memory_equal(&ours, &snap->asks.at[i], sizeof ours);
        }
    }
    assert_int_equal(sp_book_sync_snapshot(&c->sync, snap), SP_SYNC_LOADED);
}

static void check_event(struct consumer *c, const struct sp_market_event *ev)
{
    assert_true(ev->time.ns >= c->last_time.ns);
    c->last_time = ev->time;
    c->counts[ev->kind]++;
    assert_int_equal(sp_validate(sp_schema_of(sp_kind_info(ev->kind)->dto), &ev->body, NULL),
                     SP_OK);
    if (ev->kind == SP_REC_TRADE) {
        assert_int_equal(ev->body.trade.trade_id, ++c->trade_id);
        assert_int_equal(sp_instrument_check_px(&c->rules, ev->body.trade.px, NULL), SP_OK);
        assert_int_equal(sp_instrument_check_qty(&c->rules, ev->body.trade.qty, NULL), SP_OK);
    } else if (ev->kind == SP_REC_QUOTE) {
        assert_true(ev->body.quote.bid_px.e8 < ev->body.quote.ask_px.e8);
        assert_true(ev->body.quote.bid_qty.e8 > 0);
        assert_true(ev->body.quote.ask_qty.e8 > 0);
    } else if (ev->kind == SP_REC_BOOK_DELTA) {
        check_levels(c, &ev->body.book_delta.bids);
        check_levels(c, &ev->body.book_delta.asks);
        assert_int_equal(sp_book_sync_delta(&c->sync, &ev->body.book_delta), SP_SYNC_APPLIED);
        assert_true(sp_book_count(&c->sync.book, SP_SIDE_BUY) >= 12);
        assert_true(sp_book_count(&c->sync.book, SP_SIDE_SELL) >= 12);
    } else {
        assert_int_equal(ev->kind, SP_REC_BOOK_SNAPSHOT);
        check_snapshot(c, &ev->body.book_snapshot);
    }
}

static void test_generator_events_are_consistent_for_half_an_hour(void **state)
{
    struct sp_source source = open_btc(7, MINUTES * 60);
    struct consumer c = {.rules = *sp_source_instrument(&source, 0)};
    uint64_t messages = 0;

    (void)state;
    assert_int_equal(sp_book_sync_init(&c.sync, 64, 8, NULL), SP_OK);
    while (sp_source_next(&source, &event, NULL) == SP_OK) {
        check_event(&c, &event);
        messages++;
    }
    assert_int_equal(c.sync.gaps, 0);
    assert_int_equal(c.counts[SP_REC_BOOK_SNAPSHOT], MINUTES);
    assert_in_range(messages, 35 * 60 * MINUTES, 45 * 60 * MINUTES);
    assert_in_range(c.counts[SP_REC_TRADE], 9 * 60 * MINUTES, 13 * 60 * MINUTES);
    assert_null(sp_source_instrument(&source, 1));
    sp_source_close(&source);
    sp_book_sync_fini(&c.sync);
}

static void test_generator_seek_continues_with_the_same_events(void **state)
{
    struct sp_source straight = open_btc(7, 200);
    struct sp_source sought = open_btc(7, 200);
    const sp_wall target = {SP_GENERATOR_START_DEFAULT + 95 * S + 43 * S / 1000};
    struct sp_book_sync sync = {0};
    static struct sp_market_event other;

    (void)state;
    assert_int_equal(sp_book_sync_init(&sync, 64, 8, NULL), SP_OK);
    for (int round = 0; round < 2; round++) { /* forwards, then backwards */
        assert_int_equal(sp_source_seek(&straight, (sp_wall){0}, NULL), SP_OK);
        assert_int_equal(sp_source_seek(&sought, target, NULL), SP_OK);
        assert_int_equal(sp_source_next(&sought, &event, NULL), SP_OK);
        assert_int_equal(event.kind, SP_REC_BOOK_SNAPSHOT);
        assert_true(event.time.ns == target.ns);
        sp_book_sync_reset(&sync);
        assert_int_equal(sp_book_sync_snapshot(&sync, &event.body.book_snapshot), SP_SYNC_LOADED);
        do {
            assert_int_equal(sp_source_next(&straight, &other, NULL), SP_OK);
        } while (other.time.ns < target.ns);
        for (sp_status st = SP_OK; st == SP_OK; st = sp_source_next(&straight, &other, NULL)) {
            uint64_t want = 0;
            uint64_t got = 0;
            assert_int_equal(sp_source_next(&sought, &event, NULL), SP_OK);
            hash_event(&want, &other);
            hash_event(&got, &event);
            assert_true(want == got);
            if (event.kind != SP_REC_BOOK_DELTA) continue;
            assert_int_equal(sp_book_sync_delta(&sync, &event.body.book_delta), SP_SYNC_APPLIED);
        }
        assert_int_equal(sp_source_next(&sought, &event, NULL), SP_CLOSED);
    }
    assert_int_equal(sp_source_seek(&sought, (sp_wall){INT64_MAX}, NULL), SP_OK);
    assert_int_equal(sp_source_next(&sought, &event, NULL), SP_CLOSED);
    sp_source_close(&straight);
    sp_source_close(&sought);
    sp_book_sync_fini(&sync);
}

/* The rules of the demo's strategy, in integers: two averages of 1 s closes, and the deviation of
 * 30 one-second returns. */
struct strategy {
    int64_t fast, slow; /* 1e-8 */
    uint32_t bars;
    bool above;
    int64_t returns[30]; /* 1/1000 bps */
    int64_t last;
    bool threat;
    uint32_t opportunities, blocked, threats;
};

static bool is_volatile(const struct strategy *s)
{
    int64_t sum = 0;
    int64_t squares = 0;

    for (int i = 0; i < 30; i++)
        sum += s->returns[i];
    for (int i = 0; i < 30; i++) {
        squares += (s->returns[i] - sum / 30) * (s->returns[i] - sum / 30);
    }
    return s->bars > 30 && squares / 30 > 2500 * 2500;
}

static void on_bar(struct strategy *s, const struct sp_bar *bar)
{
    int64_t px = bar->close.e8;

    s->bars++;
    if (s->bars == 1) s->fast = s->slow = px;
    s->fast += (px - s->fast) * 2 / 21;
    s->slow += (px - s->slow) * 2 / 61;
    if (s->last != 0) s->returns[s->bars % 30] = (px - s->last) * 1000 / (s->last / 10000);
    s->last = px;
    bool threat = is_volatile(s);
    if (threat && !s->threat) s->threats++;
    s->threat = threat;
    if (s->bars <= 60) return;
    bool gap = (s->fast - s->slow) * 10 > s->slow / 10000 * 8;
    if (gap && !s->above) {
        s->opportunities++;
        if (threat) s->blocked++;
        s->above = true;
    }
    if (s->fast < s->slow) s->above = false;
}

static void run_strategy(uint64_t seed, struct strategy *s)
{
    struct sp_source source = open_btc(seed, MINUTES * 60);
    const sp_dur second = {S};
    struct sp_bars bars;
    struct sp_bars_closed closed;

    memset(s, 0, sizeof *s);
    assert_int_equal(sp_bars_init(&bars, &second, 1, NULL), SP_OK);
    while (sp_source_next(&source, &event, NULL) == SP_OK) {
        sp_bars_clock(&bars, event.time, &closed);
        if (closed.count > 0) on_bar(s, &closed.at[0]);
        if (event.kind != SP_REC_TRADE) continue;
        assert_int_equal(
            sp_bars_trade(&bars, event.time, event.body.trade.px, event.body.trade.qty, NULL),
            SP_OK);
    }
    sp_source_close(&source);
}

static void test_generator_gives_a_momentum_strategy_something_to_do(void **state)
{
    struct strategy s;

    (void)state;
    run_strategy(7, &s);
    print_message("seed 7: %u bars, %u crosses (%u under threat), %u threats\n", s.bars,
                  s.opportunities, s.blocked, s.threats);
    assert_in_range(s.opportunities, 7, 12);
    assert_in_range(s.blocked, 1, 4);
    assert_in_range(s.threats, 3, 12);
    assert_true(s.bars >= MINUTES * 60 - 10);
    for (uint64_t seed = 100; seed < 104; seed++) {
        run_strategy(seed, &s);
        assert_in_range(s.opportunities, 3, 14);
        assert_in_range(s.threats, 2, 14);
    }
}

static void test_generator_several_instruments_are_one_ordered_sequence(void **state)
{
    struct sp_generator_config config = {.seed = 7, .length = {20 * S}, .symbol_count = 2};
    struct sp_source source = {0};
    sp_wall last = {0};
    uint64_t counts[2] = {0};

    (void)state;
    assert_int_equal(sp_generator_known("BTCUSDT", &config.symbols[0], NULL), SP_OK);
    assert_int_equal(sp_generator_known("ETHUSDT", &config.symbols[1], NULL), SP_OK);
    assert_int_equal(sp_generator_open(&config, &source, NULL), SP_OK);
    while (sp_source_next(&source, &event, NULL) == SP_OK) {
        assert_true(event.time.ns >= last.ns);
        last = event.time;
        counts[event.symbol]++;
        if (event.kind == SP_REC_QUOTE) {
            int64_t px = event.body.quote.bid_px.e8 / SP_FX_ONE;
            assert_true(event.symbol == 0 ? px > 50000 : px < 5000);
        }
    }
    assert_in_range(counts[0], 600, 1000);
    assert_in_range(counts[1], 600, 1000);
    assert_string_equal(sp_source_instrument(&source, 1)->symbol.s, "ETHUSDT");
    sp_source_close(&source);
}

static void test_generator_refuses_what_it_cannot_make(void **state)
{
    struct sp_generator_config config = {.symbol_count = 0};
    struct sp_source source = {0};

    (void)state;
    assert_int_equal(sp_generator_open(&config, &source, NULL), SP_INVALID);
    config.symbol_count = SP_GENERATOR_SYMBOLS_MAX + 1;
    assert_int_equal(sp_generator_open(&config, &source, NULL), SP_INVALID);
    config.symbol_count = 1;
    assert_int_equal(sp_generator_known("NOPE", &config.symbols[0], NULL), SP_NOT_FOUND);
    assert_int_equal(sp_generator_known("BTCUSDT", &config.symbols[0], NULL), SP_OK);
    assert_int_equal(sp_generator_open(&config, &source, NULL), SP_OK);
    assert_int_equal(sp_source_seek(&source, (sp_wall){INT64_MAX}, NULL), SP_RANGE);
    assert_int_equal(sp_source_next(&source, &event, NULL), SP_OK);
    sp_source_close(&source);
    config.symbols[0].px.e8 = 1000000;
    assert_int_equal(sp_generator_open(&config, &source, NULL), SP_INVALID);
    assert_null(source.ops);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_generator_same_seed_gives_the_same_market_for_ever),
        cmocka_unit_test(test_generator_events_are_consistent_for_half_an_hour),
        cmocka_unit_test(test_generator_seek_continues_with_the_same_events),
        cmocka_unit_test(test_generator_gives_a_momentum_strategy_something_to_do),
        cmocka_unit_test(test_generator_several_instruments_are_one_ordered_sequence),
        cmocka_unit_test(test_generator_refuses_what_it_cannot_make),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
