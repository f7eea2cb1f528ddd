/* The matching engine of the practice exchange: our orders against one instrument's public stream.
 *
 * The model. Public history is never changed; our orders only imagine how they would have done.
 *   Taking. An order that can trade at once walks the opposite levels as seen (common/market/seen:
 *     the book, the newest quote over it, less what we took before), best first, one fill a level,
 *     at the level's price, as taker.
 *   Resting. The rest of a GTC limit order rests. It fills as maker at its own price when
 *     - a public trade prints at or through its price: at most the trade's quantity in all, best
 *       price first among ours, then oldest. The public queue ahead of us is not modelled: a touch
 *       fills us, which is kinder than a real venue.
 *     - the opposite touch crosses its price: against the levels seen, which are thereby taken.
 *   Stop. STOP_LOSS waits for a public trade at or beyond its stop price (SELL: at or below), then
 *     takes like a market order.
 *   Rest. What is left of MARKET, IOC and a triggered stop expires; FOK fills whole or expires.
 *   Pair. A limit leg and a stop leg of one side and quantity (one cancels the other): any fill of
 *     the limit leg, even a partial one, cancels the stop leg; the trigger of the stop leg cancels
 *     the limit leg; cancelling one cancels both.
 *
 * Pure and deterministic: no clock, no randomness, no accounts (the venue keeps those). Bounded:
 * orders, levels walked by one order, and events of one call. Owned by one thread.
 */
#ifndef SP_MARKET_MATCH_H
#define SP_MARKET_MATCH_H

#include "common/market/instrument.h"
#include "common/market/seen.h"

#define SP_MATCH_ORDERS_MAX 64
#define SP_MATCH_WALK_MAX   64 /* levels one order takes at most in one go */
#define SP_MATCH_EVENTS_MAX 256

/* One order of ours. `order_no` is the venue's number, never zero, never used twice. */
struct sp_match_order {
    uint64_t order_no;
    uint64_t pair_no; /* the other leg; 0: none */
    enum sp_side side;
    enum sp_order_type type;
    enum sp_tif tif; /* of a LIMIT */
    sp_qty qty;
    sp_px px;      /* of a LIMIT */
    sp_px stop_px; /* of a STOP_LOSS */
    sp_qty filled;
};

enum sp_match_event_type {
    SP_MATCH_ACCEPTED,
    SP_MATCH_FILL,
    SP_MATCH_CANCELED,
    SP_MATCH_EXPIRED,
    SP_MATCH_REJECTED
};

/* What happened to an order, in the order it happened. A FILL that completes the order has
 * filled == qty of the order; CANCELED, EXPIRED and REJECTED are last words too. */
struct sp_match_event {
    enum sp_match_event_type type;
    uint64_t order_no;
    sp_px px;      /* of a FILL */
    sp_qty qty;    /* of a FILL */
    sp_qty filled; /* in all */
    bool is_complete;
    enum sp_liquidity liquidity;
    sp_text cause; /* the market event or rule, for a person */
};

struct sp_match_events {
    uint32_t count;
    struct sp_match_event at[SP_MATCH_EVENTS_MAX];
};

struct sp_match {
    struct sp_instrument instrument;
    struct sp_seen seen;
    sp_px last_px; /* of the last public trade; 0: none yet */
    uint32_t order_count;
    struct sp_match_order orders[SP_MATCH_ORDERS_MAX]; /* oldest first */
};

SP_NODISCARD sp_status sp_match_init(struct sp_match *match, const struct sp_instrument *instrument,
                                     uint32_t level_capacity, struct sp_err *err);
void sp_match_fini(struct sp_match *match);

/* Places one order: REJECTED with the reason, or ACCEPTED and what follows at once. *events is
 * overwritten. Asserts that order_no is new and not zero, and the order has no pair and no fill. */
void sp_match_place(struct sp_match *match, const struct sp_match_order *order,
                    struct sp_match_events *events);
/* Places a resting pair: a LIMIT and a STOP_LOSS of one side and quantity that name each other in
 * pair_no. SELL needs limit > last trade > stop, BUY the reverse; otherwise both are REJECTED. */
void sp_match_place_pair(struct sp_match *match, const struct sp_match_order *limit,
                         const struct sp_match_order *stop, struct sp_match_events *events);
/* SP_NOT_FOUND, with no event, if the order is not open. */
SP_NODISCARD sp_status sp_match_cancel(struct sp_match *match, uint64_t order_no,
                                       struct sp_match_events *events, struct sp_err *err);
/* Puts back an order that was open before a restart, oldest first: no event, no check against the
 * market. SP_FULL, SP_EXISTS, SP_INVALID. */
SP_NODISCARD sp_status sp_match_restore(struct sp_match *match, const struct sp_match_order *order,
                                        struct sp_err *err);
/* One event of the public stream. Other kinds than TRADE, QUOTE and book events change nothing. */
void sp_match_market(struct sp_match *match, const struct sp_market_event *event,
                     struct sp_match_events *events);
/* The open order of that number, or NULL. */
const struct sp_match_order *sp_match_order(const struct sp_match *match, uint64_t order_no);

#endif
