#include "common/market/synth.h"

#include <string.h>

#define FAIR_SHIFT       10
#define LEVELS_LEAST     20
#define LEVELS_MOST      24
#define BOOK_CAPACITY    64
#define TRADES_MOST      5 /* in one slot */
#define OPTIONAL_CHANGES 6
#define DIRTY_SOFT_MAX   50 /* no optional change beyond, so that a slot's change fits one record */
#define SLOTS_PER_S      10

static uint64_t rotate(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

static uint64_t next_random(struct sp_synth *s)
{
    uint64_t *r = s->random;
    uint64_t result = rotate(r[1] * 5, 7) * 9;
    uint64_t t = r[1] << 17;

    r[2] ^= r[0];
    r[3] ^= r[1];
    r[1] ^= r[2];
    r[0] ^= r[3];
    r[2] ^= t;
    r[3] = rotate(r[3], 45);
    return result;
}

/* Splitmix64: spreads a small seed over the state. */
static void seed_random(struct sp_synth *s, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        seed += UINT64_C(0x9e3779b97f4a7c15);
        uint64_t z = seed;
        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        s->random[i] = z ^ (z >> 31);
    }
}

/* Uniform in [low, high]; the slight bias of the multiplication does not matter here. */
static int64_t between(struct sp_synth *s, int64_t low, int64_t high)
{
    uint64_t span = (uint64_t)(high - low) + 1;

    return low + (int64_t)(((next_random(s) >> 32) * span) >> 32);
}

static bool chance(struct sp_synth *s, int64_t percent)
{
    return between(s, 0, 99) < percent;
}

/* About normal: sum of four uniforms, deviation 1000. */
static int64_t normal_1000(struct sp_synth *s)
{
    uint64_t bits = next_random(s);
    int64_t sum = 0;

    for (int i = 0; i < 4; i++)
        sum += (int64_t)((bits >> (16 * i)) & 0xffff);
    return (sum - 2 * 65535) * 1000 / 37837;
}

/* --- regimes --- */

static int64_t displacement_bps(const struct sp_synth *s)
{
    return (s->fair - s->anchor) / (s->anchor / 10000);
}

/* Flats and trends take turns; the farther from the anchor, the likelier the way back. */
static void next_trend(struct sp_synth *s)
{
    if (s->trend != SP_SYNTH_FLAT) {
        s->trend = SP_SYNTH_FLAT;
        s->trend_slots = (uint32_t)between(s, 15, 45) * SLOTS_PER_S;
        s->middle = s->fair;
        s->drift = 0;
        s->sigma = between(s, 180, 320);
        return;
    }
    int64_t up_percent = 54 - displacement_bps(s) / 5;
    if (up_percent < 12) up_percent = 12;
    if (up_percent > 88) up_percent = 88;
    s->trend = chance(s, up_percent) ? SP_SYNTH_UP : SP_SYNTH_DOWN;
    s->trend_slots = (uint32_t)between(s, 35, 90) * SLOTS_PER_S;
    s->drift = between(s, 450, 850);
    if (s->trend == SP_SYNTH_DOWN) s->drift = -s->drift;
    s->sigma = between(s, 500, 900);
}

static void next_burst(struct sp_synth *s)
{
    s->burst = !s->burst;
    if (s->burst) {
        s->burst_slots = (uint32_t)between(s, 15, 40) * SLOTS_PER_S;
        s->burst_sigma = between(s, 4000, 7000);
    } else {
        s->burst_slots = (uint32_t)between(s, 120, 330) * SLOTS_PER_S;
    }
}

/* One step of the walk, in 1/1000 bps of the price. */
static void move_fair(struct sp_synth *s)
{
    if (s->trend_slots == 0) next_trend(s);
    if (s->burst_slots == 0) next_burst(s);
    s->trend_slots--;
    s->burst_slots--;
    int64_t sigma = s->burst ? s->burst_sigma : s->sigma;
    /* 0.3162 is the root of a tenth of a second. */
    int64_t step = s->drift / SLOTS_PER_S + sigma * normal_1000(s) / 1000 * 3162 / 10000;
    int64_t change = s->fair / 10000 * step / 1000;
    if (s->trend == SP_SYNTH_FLAT) change += (s->middle - s->fair) / 300;
    s->fair += change;
    if (s->fair < s->anchor / 4) s->fair = s->anchor / 4;
    s->last_up = change > 0;
}

/* --- the book --- */

static void mark(struct sp_levels *dirty, sp_px px, sp_qty qty)
{
    for (uint32_t i = 0; i < dirty->count; i++) {
        if (dirty->at[i].px.e8 == px.e8) {
            dirty->at[i].qty = qty;
            return;
        }
    }
    SP_ASSERT(dirty->count < SP_LEVELS_MAX);
    dirty->at[dirty->count++] = (struct sp_level){px, qty};
}

static struct sp_levels *dirty_of(struct sp_synth *s, enum sp_side side)
{
    return side == SP_SIDE_BUY ? &s->delta->bids : &s->delta->asks;
}

static void set_level(struct sp_synth *s, enum sp_side side, sp_px px, sp_qty qty)
{
    sp_book_set(&s->book, side, (struct sp_level){px, qty});
    s->update_id++;
    if (s->delta) mark(dirty_of(s, side), px, qty);
}

/* Small, middling and large orders. */
static sp_qty some_qty(struct sp_synth *s, int64_t least, int64_t most)
{
    int64_t tier = between(s, 0, 9);
    int64_t steps = tier < 5   ? between(s, least, most / 8)
                    : tier < 9 ? between(s, most / 8, most / 2)
                               : between(s, most / 2, most);

    return (sp_qty){steps * s->instrument.step.e8};
}

static sp_qty level_qty(struct sp_synth *s)
{
    return some_qty(s, 500, 240000); /* 0.005 to 2.4 at a step of 0.00001 */
}

/* `ticks` away from the touch. */
static sp_px away(const struct sp_synth *s, enum sp_side side, sp_px px, int64_t ticks)
{
    int64_t by = ticks * s->instrument.tick.e8;

    return (sp_px){side == SP_SIDE_BUY ? px.e8 - by : px.e8 + by};
}

static int64_t ticks_apart(const struct sp_synth *s, sp_px a, sp_px b)
{
    int64_t e8 = a.e8 > b.e8 ? a.e8 - b.e8 : b.e8 - a.e8;

    return e8 / s->instrument.tick.e8;
}

/* Levels of `side` that are better than its new touch go. */
static void clear_inside(struct sp_synth *s, enum sp_side side, sp_px touch)
{
    struct sp_level best = {0};

    while (sp_book_best(&s->book, side, &best)) {
        bool inside = side == SP_SIDE_BUY ? best.px.e8 > touch.e8 : best.px.e8 < touch.e8;
        if (!inside) return;
        set_level(s, side, best.px, (sp_qty){0});
    }
}

/* Keeps the side dense near the touch, deep enough and bounded. */
static void shape_side(struct sp_synth *s, enum sp_side side)
{
    for (uint32_t i = 0; i < 6 && i + 1 < sp_book_count(&s->book, side); i++) {
        struct sp_level here = sp_book_at(&s->book, side, i);
        struct sp_level next = sp_book_at(&s->book, side, i + 1);
        int64_t widest = 40 + 8 * (int64_t)i;
        if (ticks_apart(s, here.px, next.px) <= widest) continue;
        /* One draw a statement: C leaves the order of arguments to the compiler. */
        sp_qty qty = level_qty(s);
        int64_t gap = between(s, 1, widest / 2);
        set_level(s, side, away(s, side, here.px, gap), qty);
    }
    while (sp_book_count(&s->book, side) < LEVELS_LEAST) {
        uint32_t count = sp_book_count(&s->book, side);
        struct sp_level worst = sp_book_at(&s->book, side, count - 1);
        int64_t gap = between(s, 1, 10 + 8 * (int64_t)count);
        set_level(s, side, away(s, side, worst.px, gap), level_qty(s));
    }
    while (sp_book_count(&s->book, side) > LEVELS_MOST) {
        uint32_t count = sp_book_count(&s->book, side);
        set_level(s, side, sp_book_at(&s->book, side, count - 1).px, (sp_qty){0});
    }
}

static void set_touch(struct sp_synth *s, enum sp_side side, sp_px touch)
{
    if (sp_book_qty_at(&s->book, side, touch).e8 == 0) set_level(s, side, touch, level_qty(s));
}

static int64_t spread_ticks(struct sp_synth *s)
{
    if (s->burst) return between(s, 5, 60);
    if (chance(s, 70)) return 1;
    return between(s, 2, s->trend == SP_SYNTH_FLAT ? 4 : 10);
}

static void move_touch(struct sp_synth *s)
{
    int64_t spread = spread_ticks(s);
    int64_t bid_ticks = (s->fair >> FAIR_SHIFT) - spread / 2;
    sp_px bid = {bid_ticks * s->instrument.tick.e8};
    sp_px ask = {(bid_ticks + spread) * s->instrument.tick.e8};

    clear_inside(s, SP_SIDE_BUY, bid);
    clear_inside(s, SP_SIDE_SELL, ask);
    set_touch(s, SP_SIDE_BUY, bid);
    set_touch(s, SP_SIDE_SELL, ask);
    shape_side(s, SP_SIDE_BUY);
    shape_side(s, SP_SIDE_SELL);
    SP_ASSERT(!sp_book_is_crossed(&s->book));
}

/* Others change their orders behind the touch. */
static void change_some(struct sp_synth *s)
{
    int64_t count = between(s, 2, OPTIONAL_CHANGES);

    for (int64_t i = 0; i < count; i++) {
        enum sp_side side = chance(s, 50) ? SP_SIDE_BUY : SP_SIDE_SELL;
        if (dirty_of(s, side)->count >= DIRTY_SOFT_MAX) continue;
        int64_t depth = between(s, 1, (int64_t)sp_book_count(&s->book, side) - 1);
        struct sp_level level = sp_book_at(&s->book, side, (uint32_t)depth);
        set_level(s, side, level.px, level_qty(s));
    }
}

/* --- events --- */

static struct sp_synth_item *add_item(struct sp_synth_slot *out, enum sp_kind kind, int64_t at_ns)
{
    SP_ASSERT(out->count < SP_SYNTH_ITEMS_MAX);
    struct sp_synth_item *item = &out->at[out->count++];
    memset(item, 0, sizeof *item);
    item->kind = kind;
    item->offset_ns = at_ns;
    return item;
}

static void add_quote(struct sp_synth *s, struct sp_synth_slot *out, int64_t at_ns)
{
    struct sp_quote *quote = &add_item(out, SP_REC_QUOTE, at_ns)->quote;
    struct sp_level bid = sp_book_at(&s->book, SP_SIDE_BUY, 0);
    struct sp_level ask = sp_book_at(&s->book, SP_SIDE_SELL, 0);

    quote->update_id = s->update_id;
    quote->bid_px = bid.px;
    quote->bid_qty = bid.qty;
    quote->ask_px = ask.px;
    quote->ask_qty = ask.qty;
}

/* A taker follows the last move more often than not. */
static void add_trade(struct sp_synth *s, struct sp_synth_slot *out, int64_t at_ns)
{
    bool buys = chance(s, s->last_up ? 65 : 35);
    enum sp_side met = buys ? SP_SIDE_SELL : SP_SIDE_BUY;
    struct sp_level touch = sp_book_at(&s->book, met, 0);
    sp_qty qty = some_qty(s, 20, 60000); /* to 0.6 at a step of 0.00001 */

    if (qty.e8 > touch.qty.e8) qty = touch.qty;
    struct sp_trade *trade = &add_item(out, SP_REC_TRADE, at_ns)->trade;
    trade->trade_id = ++s->trade_id;
    trade->px = touch.px;
    trade->qty = qty;
    trade->taker_side = buys ? SP_SIDE_BUY : SP_SIDE_SELL;
    set_level(s, met, touch.px, (sp_qty){touch.qty.e8 - qty.e8});
    add_quote(s, out, at_ns + 20000);
}

static int64_t trades_in_slot(struct sp_synth *s)
{
    int64_t roll = between(s, 0, 99);

    if (s->burst) return roll < 25 ? 1 : roll < 60 ? 2 : roll < 85 ? 3 : TRADES_MOST;
    return roll < 38 ? 0 : roll < 75 ? 1 : roll < 91 ? 2 : 3;
}

void sp_synth_slot(struct sp_synth *s, struct sp_synth_slot *out)
{
    out->count = 0;
    out->delta = (struct sp_book_delta){.first_update_id = s->update_id + 1};
    s->delta = &out->delta;
    move_fair(s);
    move_touch(s);
    add_quote(s, out, between(s, 2000000, 8000000));
    int64_t trades = trades_in_slot(s);
    for (int64_t i = 0; i < trades; i++) {
        int64_t share = 85000000 / trades;
        add_trade(s, out, 10000000 + i * share + between(s, 0, share - 1000000));
    }
    change_some(s);
    out->delta.last_update_id = s->update_id;
    s->delta = NULL;
}

void sp_synth_snapshot(const struct sp_synth *s, struct sp_book_snapshot *out)
{
    memset(out, 0, sizeof *out);
    out->last_update_id = s->update_id;
    out->bids.count = sp_book_count(&s->book, SP_SIDE_BUY);
    out->asks.count = sp_book_count(&s->book, SP_SIDE_SELL);
    SP_ASSERT(out->bids.count <= SP_LEVELS_MAX);
    SP_ASSERT(out->asks.count <= SP_LEVELS_MAX);
    for (uint32_t i = 0; i < out->bids.count; i++) {
        out->bids.at[i] = sp_book_at(&s->book, SP_SIDE_BUY, i);
    }
    for (uint32_t i = 0; i < out->asks.count; i++) {
        out->asks.at[i] = sp_book_at(&s->book, SP_SIDE_SELL, i);
    }
}

sp_status sp_synth_init(struct sp_synth *s, const struct sp_instrument *instrument, sp_px px,
                        uint64_t seed, struct sp_err *err)
{
    struct sp_book book = {0};
    sp_status st = sp_instrument_check(instrument, err);

    if (st != SP_OK) return st;
    if (instrument->tick.e8 <= 0 || instrument->step.e8 <= 0) {
        return SP_FAIL(err, SP_INVALID, "%s: a generated market needs a tick and a step",
                       instrument->symbol.s);
    }
    int64_t ticks = px.e8 / instrument->tick.e8;
    if (ticks < 100000 || ticks > INT64_C(1) << 40) {
        return SP_FAIL(err, SP_INVALID, "%s: a generated price needs 100,000 ticks or more",
                       instrument->symbol.s);
    }
    st = sp_book_init(&book, BOOK_CAPACITY, err);
    if (st != SP_OK) return st;
    memset(s, 0, sizeof *s);
    s->instrument = *instrument;
    s->book = book;
    s->fair = s->anchor = s->middle = ticks << FAIR_SHIFT;
    seed_random(s, seed);
    s->trend = SP_SYNTH_DOWN; /* so that the first regime is a flat */
    s->burst = true;          /* and the first span between bursts is calm */
    next_trend(s);
    next_burst(s);
    move_touch(s);
    return SP_OK;
}

void sp_synth_fini(struct sp_synth *s)
{
    if (!s) return;
    sp_book_fini(&s->book);
    memset(s, 0, sizeof *s);
}
