/* Builds bars of several intervals from trades, keyed to market time.
 *
 * A bar starts at a multiple of its interval since 1970 and closes as soon as the market clock is
 * at or past its end, whatever event moved the clock; a span without trades makes no bar. Market
 * time never runs back in a stream; a trade stamped earlier than the bar being built is counted
 * into that bar. Pure and deterministic; owned by one thread.
 */
#ifndef SP_MARKET_BARS_H
#define SP_MARKET_BARS_H

#include "proto/messages.h"

#define SP_BARS_INTERVALS_MAX 4

struct sp_bars {
    uint32_t interval_count;
    struct sp_bar open[SP_BARS_INTERVALS_MAX]; /* trade_count 0: none being built */
};

/* The bars one event closed, shortest interval first as given at init. */
struct sp_bars_closed {
    uint32_t count;
    struct sp_bar at[SP_BARS_INTERVALS_MAX];
};

/* SP_INVALID unless there are 1 to SP_BARS_INTERVALS_MAX positive, ascending intervals. */
SP_NODISCARD sp_status sp_bars_init(struct sp_bars *bars, const sp_dur *intervals, uint32_t count,
                                    struct sp_err *err);
/* Moves the market clock. Bars that end at or before `now` are written to *closed (its previous
 * content is dropped). To be called for every event, before sp_bars_trade. */
void sp_bars_clock(struct sp_bars *bars, sp_wall now, struct sp_bars_closed *closed);
/* Adds a trade at market time `now` to the bars being built. Requires sp_bars_clock(now) before.
 * SP_OVERFLOWED if a bar's volume does not fit; no bar is then changed. */
SP_NODISCARD sp_status sp_bars_trade(struct sp_bars *bars, sp_wall now, sp_px px, sp_qty qty,
                                     struct sp_err *err);

#endif
