/* The practice exchange: accounts and orders over the matching engines, as a pure core.
 *
 * Each call changes memory and lists what changed; the service writes the list to its file in one
 * transaction before it answers anybody. One account. Fees are taken in the quote asset. A client
 * order id is unique among open orders only, as at Binance: once an order has ended its id is
 * accepted again, so a client that resends may fill twice. Free funds never become negative: open
 * orders hold what they may cost with its fee, market orders are held against the asks as seen, and
 * stops that buy are refused. One thread.
 */
#ifndef SP_VENUE_EXCHANGE_H
#define SP_VENUE_EXCHANGE_H

#include "common/config/config.h"
#include "common/market/fees.h"
#include "common/market/match.h"
#include "proto/record.h"

#define SP_VENUE_OPEN_MAX    (SP_MATCH_ORDERS_MAX * SP_SYMBOLS_MAX)
#define SP_VENUE_CHANGES_MAX SP_MATCH_EVENTS_MAX
#define SP_VENUE_ASSETS_MAX  16

struct sp_venue_order_row {
    uint64_t order_no, pair_no;
    sp_name client_order_id;
    sp_name pair_client_order_id;
    uint32_t instrument; /* index into instruments */
    enum sp_side side;
    enum sp_order_type type;
    enum sp_tif tif;
    enum sp_order_state state;
    sp_qty qty, filled;
    sp_px px, stop_px;
    sp_text reason;
    sp_wall updated;
    sp_wall created;
    sp_amt quote_filled; /* sum of the executions' values */
    sp_amt quote_qty;    /* what a market order was asked for in the quote asset; else 0 */
};

struct sp_venue_fill_row {
    uint64_t trade_no, order_no;
    sp_name client_order_id;
    uint32_t instrument;
    enum sp_side side;
    enum sp_liquidity liquidity;
    sp_px px;
    sp_qty qty;
    sp_amt fee;
    sp_wall time;
    sp_text market; /* what caused it, for a person */
};

struct sp_venue_balance {
    sp_name asset;
    sp_amt total;
};

/* One step of one order, with the execution in it if there was one. */
struct sp_venue_change {
    struct sp_venue_order_row order;
    struct sp_venue_fill_row fill; /* trade_no 0: none */
    sp_name cancel_id;             /* of the request that cancelled it; empty: none did */
};

struct sp_venue_changes {
    uint32_t count;
    struct sp_venue_change at[SP_VENUE_CHANGES_MAX];
};

/* Of an instrument. Only TRADING takes orders; it and CANCEL_ONLY let them be cancelled. A start
 * begins with TRADING. */
enum sp_venue_status {
    SP_VENUE_TRADING,
    SP_VENUE_END_OF_DAY,
    SP_VENUE_HALT,
    SP_VENUE_BREAK,
    SP_VENUE_CANCEL_ONLY,
    SP_VENUE_STATUSES
};
const char *sp_venue_status_name(enum sp_venue_status status);

struct sp_exchange {
    const struct sp_world_config *world;
    struct sp_fees fees;
    uint64_t last_order_no, last_trade_no;
    sp_wall time; /* venue clock: the market's */
    uint32_t balance_count, open_count;
    struct sp_venue_balance balances[SP_VENUE_ASSETS_MAX];
    struct sp_venue_order_row open[SP_VENUE_OPEN_MAX]; /* oldest first */
    struct sp_match match[SP_SYMBOLS_MAX];
    enum sp_venue_status status[SP_SYMBOLS_MAX];
    struct sp_match_events events; /* scratch */
};

/* A new account with the configured balances, no orders. */
SP_NODISCARD sp_status sp_exchange_init(struct sp_exchange *x, const struct sp_world_config *world,
                                        struct sp_err *err);
void sp_exchange_fini(struct sp_exchange *x);
/* Puts back what the file holds, oldest order first. */
SP_NODISCARD sp_status sp_exchange_restore(struct sp_exchange *x,
                                           const struct sp_venue_order_row *order,
                                           struct sp_err *err);

/* Takes an order or a resting pair. SP_OK: *order_no and *pair_no (0: none) are its numbers, and
 * *changes what happened at once. SP_REFUSED: nothing happened, err says why. */
SP_NODISCARD sp_status sp_exchange_place(struct sp_exchange *x,
                                         const struct sp_venue_order *request,
                                         struct sp_venue_changes *changes, uint64_t *order_no,
                                         uint64_t *pair_no, struct sp_err *err);
/* SP_NOT_FOUND if no open order has that id. */
SP_NODISCARD sp_status sp_exchange_cancel(struct sp_exchange *x, const sp_name *client_order_id,
                                          struct sp_venue_changes *changes, struct sp_err *err);
/* One event of an instrument's public stream. */
void sp_exchange_market(struct sp_exchange *x, uint32_t instrument,
                        const struct sp_market_event *event, struct sp_venue_changes *changes);

/* Changes a balance from outside. SP_REFUSED: open orders hold more than would be left. SP_FULL:
 * too many assets. */
SP_NODISCARD sp_status sp_exchange_transfer(struct sp_exchange *x, const sp_name *asset,
                                            sp_amt amount, struct sp_err *err);
/* False: there is no such status. */
bool sp_exchange_set_status(struct sp_exchange *x, uint32_t instrument, const char *name);
/* Filters and statuses as they were configured. */
void sp_exchange_reset_rules(struct sp_exchange *x);

/* How much of the base asset a market order of that value comes to at the levels as seen, on the
 * step; 0 if there is nothing to trade against. */
sp_qty sp_exchange_qty_for(const struct sp_exchange *x, int instrument, enum sp_side side,
                           sp_amt value);

const struct sp_venue_order_row *sp_exchange_open_order(const struct sp_exchange *x,
                                                        const sp_name *client_order_id);
/* Of an asset, what open orders hold. */
sp_amt sp_exchange_locked(const struct sp_exchange *x, const sp_name *asset);
struct sp_venue_balance *sp_exchange_balance(struct sp_exchange *x, const sp_name *asset);
/* -1 if it is not traded here. */
int sp_exchange_instrument(const struct sp_exchange *x, const sp_name *symbol);

#endif
