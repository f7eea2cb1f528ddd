#include "services/venue/market_view.h"

#include <string.h>

#define MINUTE_MS INT64_C(60000)
#define DAY_MS    (1440 * MINUTE_MS)

void sp_market_view_init(struct sp_market_view *view)
{
    memset(view, 0, sizeof *view);
    view->seconds = (struct sp_candle_ring){.interval_ms = 1000,
                                            .capacity = SP_VIEW_SECONDS,
                                            .at = view->second_at};
    view->minutes = (struct sp_candle_ring){.interval_ms = MINUTE_MS,
                                            .capacity = SP_VIEW_MINUTES,
                                            .at = view->minute_at};
}

/* Weeks begin on Monday; 1970 began on a Thursday. */
static int64_t open_of(int64_t time_ms, int64_t interval_ms)
{
    int64_t shift = interval_ms == 7 * DAY_MS ? 3 * DAY_MS : 0;

    return (time_ms + shift) / interval_ms * interval_ms - shift;
}

static void add_candle(struct sp_candle *to, const struct sp_candle *part)
{
    if (to->trades == 0) {
        int64_t open_ms = to->open_ms, interval_ms = to->interval_ms;
        *to = *part;
        to->open_ms = open_ms;
        to->interval_ms = interval_ms;
        return;
    }
    if (part->high.e8 > to->high.e8) to->high = part->high;
    if (part->low.e8 < to->low.e8) to->low = part->low;
    to->close = part->close;
    to->volume.e8 += part->volume.e8;
    to->taker_base.e8 += part->taker_base.e8;
    to->quote.e8 += part->quote.e8;
    to->taker_quote.e8 += part->taker_quote.e8;
    to->last_id = part->last_id;
    to->trades += part->trades;
}

static struct sp_candle *newest(struct sp_candle_ring *ring)
{
    return ring->count == 0 ? NULL : &ring->at[(ring->next + ring->capacity - 1) % ring->capacity];
}

static void add_to_ring(struct sp_candle_ring *ring, const struct sp_candle *trade, int64_t time_ms)
{
    int64_t open_ms = open_of(time_ms, ring->interval_ms);
    struct sp_candle *candle = newest(ring);

    if (candle == NULL || candle->open_ms != open_ms) {
        candle = &ring->at[ring->next];
        *candle = (struct sp_candle){.open_ms = open_ms, .interval_ms = ring->interval_ms};
        ring->next = (ring->next + 1) % ring->capacity;
        if (ring->count < ring->capacity) ring->count++;
    }
    add_candle(candle, trade);
}

void sp_market_view_trade(struct sp_market_view *view, const struct sp_trade *trade, sp_wall time)
{
    bool bought = trade->taker_side == SP_SIDE_BUY;
    sp_amt value = {0};

    if (!sp_px_times_qty(trade->px, trade->qty, &value)) return; /* no sum could hold it */
    view->time = time;
    view->trades[view->trade_count++ % SP_VIEW_TRADES] =
        (struct sp_view_trade){.id = trade->trade_id,
                               .px = trade->px,
                               .qty = trade->qty,
                               .time = time,
                               .buyer_is_maker = !bought};
    struct sp_candle one = {.open = trade->px,
                            .high = trade->px,
                            .low = trade->px,
                            .close = trade->px,
                            .volume = trade->qty,
                            .quote = value,
                            .first_id = trade->trade_id,
                            .last_id = trade->trade_id,
                            .trades = 1};
    if (bought) {
        one.taker_base = trade->qty;
        one.taker_quote = value;
    }
    add_to_ring(&view->seconds, &one, time.ns / 1000000);
    add_to_ring(&view->minutes, &one, time.ns / 1000000);
}

uint32_t sp_market_view_trades(const struct sp_market_view *view)
{
    return view->trade_count < SP_VIEW_TRADES ? (uint32_t)view->trade_count : SP_VIEW_TRADES;
}

const struct sp_view_trade *sp_market_view_back(const struct sp_market_view *view, uint32_t back)
{
    SP_ASSERT(back < sp_market_view_trades(view));
    return &view->trades[(view->trade_count - 1 - back) % SP_VIEW_TRADES];
}

int64_t sp_candle_interval(const char *text)
{
    static const struct {
        const char *text;
        int64_t ms;
    } intervals[] = {
        {"1s", 1000},           {"1m", MINUTE_MS},       {"3m", 3 * MINUTE_MS},
        {"5m", 5 * MINUTE_MS},  {"15m", 15 * MINUTE_MS}, {"30m", 30 * MINUTE_MS},
        {"1h", 60 * MINUTE_MS}, {"2h", 120 * MINUTE_MS}, {"4h", 240 * MINUTE_MS},
        {"6h", DAY_MS / 4},     {"8h", DAY_MS / 3},      {"12h", DAY_MS / 2},
        {"1d", DAY_MS},         {"3d", 3 * DAY_MS},      {"1w", 7 * DAY_MS},
    };

    for (size_t i = 0; i < sizeof intervals / sizeof *intervals; i++) {
        if (strcmp(intervals[i].text, text) == 0) return intervals[i].ms;
    }
    return 0;
}

/* Walks the ring from its oldest candle; candles of one interval become one. */
struct walk {
    const struct sp_candle_query *query;
    uint32_t skip, given;
    sp_candle_fn *fn; /* NULL: only counts */
    void *ctx;
};

static void give(struct walk *walk, const struct sp_candle *candle)
{
    if (candle->open_ms < walk->query->from_ms || candle->open_ms > walk->query->until_ms) return;
    if (walk->skip > 0) {
        walk->skip--;
        return;
    }
    if (walk->fn != NULL && walk->given >= walk->query->max) return;
    walk->given++;
    if (walk->fn != NULL) walk->fn(walk->ctx, candle);
}

static void walk_ring(const struct sp_candle_ring *ring, struct walk *walk)
{
    struct sp_candle sum = {0};
    int64_t interval_ms = walk->query->interval_ms;
    uint32_t oldest = (ring->next + ring->capacity - ring->count) % ring->capacity;

    for (uint32_t i = 0; i < ring->count; i++) {
        const struct sp_candle *part = &ring->at[(oldest + i) % ring->capacity];
        int64_t open_ms = open_of(part->open_ms, interval_ms);
        if (sum.trades > 0 && sum.open_ms != open_ms) {
            give(walk, &sum);
            sum = (struct sp_candle){0};
        }
        sum.open_ms = open_ms;
        sum.interval_ms = interval_ms;
        add_candle(&sum, part);
    }
    if (sum.trades > 0) give(walk, &sum);
}

void sp_market_view_candles(const struct sp_market_view *view, const struct sp_candle_query *query,
                            sp_candle_fn *fn, void *ctx)
{
    const struct sp_candle_ring *ring =
        query->interval_ms < MINUTE_MS ? &view->seconds : &view->minutes;
    struct walk count = {.query = query};

    walk_ring(ring, &count);
    bool from_oldest = query->from_oldest || count.given <= query->max;
    struct walk walk = {.query = query,
                        .skip = from_oldest ? 0 : count.given - query->max,
                        .fn = fn,
                        .ctx = ctx};
    walk_ring(ring, &walk);
}

struct first_of {
    struct sp_candle first;
    uint32_t count;
};

static void keep_first(void *ctx, const struct sp_candle *candle)
{
    struct first_of *of = ctx;

    if (of->count++ == 0) of->first = *candle;
}

bool sp_market_view_candle(const struct sp_market_view *view, int64_t interval_ms, uint32_t back,
                           struct sp_candle *out)
{
    struct sp_candle_query query = {.interval_ms = interval_ms,
                                    .until_ms = INT64_MAX,
                                    .max = back + 1};
    struct first_of of = {.count = 0};

    sp_market_view_candles(view, &query, keep_first, &of);
    if (of.count != back + 1) return false;
    *out = of.first;
    return true;
}

bool sp_market_view_day(const struct sp_market_view *view, struct sp_candle *out)
{
    const struct sp_candle_ring *ring = &view->minutes;
    int64_t until = view->time.ns / 1000000;
    uint32_t oldest = (ring->next + ring->capacity - ring->count) % ring->capacity;

    *out = (struct sp_candle){.open_ms = until - DAY_MS, .interval_ms = DAY_MS};
    for (uint32_t i = 0; i < ring->count; i++) {
        const struct sp_candle *part = &ring->at[(oldest + i) % ring->capacity];
        if (part->open_ms > until - DAY_MS) add_candle(out, part);
    }
    return out->trades > 0;
}
