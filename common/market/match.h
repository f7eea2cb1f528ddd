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
 *   Waiting. STOP_LOSS and STOP_LOSS_LIMIT wait for a public trade at or beyond their stop price
 *     (SELL: at or below), TAKE_PROFIT and TAKE_PROFIT_LIMIT for the reverse; then they go on as a
 *     market or a limit order.
 *   Rest. What is left of MARKET, IOC and a triggered market order expires; FOK fills whole or
 *     expires. A market order that has a cap takes no level beyond it.
 *   Pair. A profit leg (limit or take-profit) and a stop leg of one side and quantity (one cancels
 *     the other): any fill of a limit leg, even a partial one, and the trigger of a waiting leg
 *     cancel the other; cancelling one cancels both.
 *   Ourselves. Our orders never trade with one another. One that says so does not even pass its
 *     owner's resting order of the other side: where it would, it, the other or both expire.
 *
 * Pure and deterministic: no clock, no randomness, no accounts (the venue keeps those). Bounded:
 * orders, levels walked by one order, and events of one call. Owned by one thread.
 */
#ifndef SP_MARKET_MATCH_H
#define SP_MARKET_MATCH_H

#include "common/market/instrument.h"
#include "common/market/seen.h"

#define SP_MATCH_ORDERS_MAX 256
#define SP_MATCH_WALK_MAX   64  /* levels one order takes at most in one go */
#define SP_MATCH_EVENTS_MAX 512 /* one of each order, and one order's whole life */

/* What happens where an order meets one of its owner's: the taker's word counts. */
enum sp_match_stp { SP_STP_NONE, SP_STP_EXPIRE_TAKER, SP_STP_EXPIRE_MAKER, SP_STP_EXPIRE_BOTH };

/* One order of ours. `order_no` is the venue's number, never zero, never used twice. */
struct sp_match_order {
    uint64_t order_no;
    uint64_t pair_no; /* the other leg; 0: none */
    uint32_t owner;
    enum sp_side side;
    enum sp_order_type type; /* as it is now: a triggered one is MARKET or LIMIT */
    enum sp_tif tif;         /* of those with a limit */
    enum sp_match_stp stp;
    bool fired; /* triggered, and not carried out yet */
    sp_qty qty;
    sp_px px;      /* of those with a limit */
    sp_px stop_px; /* of those that wait */
    sp_px cap_px;  /* of one at market: the worst price it takes; 0: any */
    sp_qty filled;
};

/* Whether it waits for a trade at its stop price; whether it has a limit price. */
bool sp_order_type_waits(enum sp_order_type type);
bool sp_order_type_has_limit(enum sp_order_type type);

enum sp_match_event_type {
    SP_MATCH_ACCEPTED,
    SP_MATCH_TRIGGERED, /* of one that waited */
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
    uint64_t counter_no; /* of an EXPIRED: the owner's order that it met; 0: none */
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
/* Places a pair: a resting LIMIT or a TAKE_PROFIT(_LIMIT), and a STOP_LOSS(_LIMIT), of one side and
 * quantity that name each other in pair_no. SELL needs profit > last trade > stop, BUY the reverse;
 * otherwise both are REJECTED. */
void sp_match_place_pair(struct sp_match *match, const struct sp_match_order *profit,
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
