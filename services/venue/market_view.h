/* What the exchange shows of the market: recent trades and candles of one instrument, kept in
 * memory from the public stream since the process began. Candles of a second and of a minute are
 * kept; longer ones are put together from minutes when they are asked for. Pure; one thread.
 */
#ifndef SP_VENUE_MARKET_VIEW_H
#define SP_VENUE_MARKET_VIEW_H

#include "proto/record.h"

#define SP_VIEW_TRADES  1000
#define SP_VIEW_SECONDS 1000
#define SP_VIEW_MINUTES 1500 /* more than a day: the 24-hour figures come from them */

struct sp_view_trade {
    uint64_t id;
    sp_px px;
    sp_qty qty;
    sp_wall time;
    bool buyer_is_maker;
};

struct sp_candle {
    int64_t open_ms, interval_ms;
    sp_px open, high, low, close;
    sp_qty volume, taker_base; /* taker: of orders that bought */
    sp_amt quote, taker_quote;
    uint64_t first_id, last_id;
    int64_t trades;
};

struct sp_candle_ring {
    int64_t interval_ms;
    uint32_t capacity, count, next;
    struct sp_candle *at; /* of the view */
};

struct sp_market_view {
    uint64_t trade_count; /* since the beginning; the newest is at (trade_count - 1) % size */
    struct sp_view_trade trades[SP_VIEW_TRADES];
    struct sp_candle second_at[SP_VIEW_SECONDS], minute_at[SP_VIEW_MINUTES];
    struct sp_candle_ring seconds, minutes;
    sp_wall time;
};

void sp_market_view_init(struct sp_market_view *view);
void sp_market_view_trade(struct sp_market_view *view, const struct sp_trade *trade, sp_wall time);

/* How many trades are held, and the one that is `back` behind the newest (0). */
uint32_t sp_market_view_trades(const struct sp_market_view *view);
const struct sp_view_trade *sp_market_view_back(const struct sp_market_view *view, uint32_t back);

/* Milliseconds of "1s", "1m" .. "1w"; 0 if the protocol has no such interval ("1M" is not kept). */
int64_t sp_candle_interval(const char *text);
/* Calls fn for the newest `max` candles of an interval, oldest first, of those that open within
 * from_ms..until_ms. */
typedef void sp_candle_fn(void *ctx, const struct sp_candle *candle);
struct sp_candle_query {
    int64_t interval_ms, from_ms, until_ms;
    uint32_t max;
    bool from_oldest; /* of those within, the first instead of the newest */
};
void sp_market_view_candles(const struct sp_market_view *view, const struct sp_candle_query *query,
                            sp_candle_fn *fn, void *ctx);
/* The candle of that length that the newest trade is in (0), or one `back` before it; false if
 * there are not so many. */
SP_NODISCARD bool sp_market_view_candle(const struct sp_market_view *view, int64_t interval_ms,
                                        uint32_t back, struct sp_candle *out);
/* All minutes of the last 24 hours as one; false if there was no trade. */
SP_NODISCARD bool sp_market_view_day(const struct sp_market_view *view, struct sp_candle *out);

#endif
