/* The practice exchange: accounts and orders over the matching engines, as a pure core.
 *
 * Each call changes memory and lists what changed; the service writes the list to its file in one
 * transaction before it answers anybody. Account 0 is the operation's own. Fees are taken in the
 * quote asset. A client order id is unique among an account's open orders only, as at Binance: once
 * an order has ended its id is accepted again, so a client that resends may fill twice. Free funds
 * never become negative: open orders hold what they may cost with its fee, a pair the dearer of its
 * legs; market orders are held against the asks as seen; and an order that waits to buy at market
 * takes nothing above its stop price and a twentieth, for which it holds. One thread.
 */
#ifndef SP_VENUE_EXCHANGE_H
#define SP_VENUE_EXCHANGE_H

#include "common/config/config.h"
#include "common/market/fees.h"
#include "common/market/match.h"
#include "proto/record.h"

#define SP_VENUE_ACCOUNTS_MAX 4
#define SP_VENUE_ORDERS_MAX   64 /* open, of one account and instrument */
#define SP_VENUE_WAITING_MAX  32 /* of those, waiting for a stop price */
#define SP_VENUE_PERCENT_UP   5  /* times the last price is the highest limit */
#define SP_VENUE_PERCENT_DOWN 5  /* a fifth of it the lowest */
#define SP_VENUE_OPEN_MAX     (SP_MATCH_ORDERS_MAX * SP_SYMBOLS_MAX)
#define SP_VENUE_CHANGES_MAX  SP_MATCH_EVENTS_MAX
#define SP_VENUE_ASSETS_MAX   16

_Static_assert(SP_VENUE_ACCOUNTS_MAX *SP_VENUE_ORDERS_MAX <= SP_MATCH_ORDERS_MAX,
               "what an account may, the engine can");

struct sp_venue_order_row {
    uint64_t order_no, pair_no;
    uint64_t list_no; /* of a pair: 0 if it came over the bus */
    uint32_t account;
    sp_name client_order_id;
    sp_name pair_client_order_id;
    sp_name list_client_id;
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
    enum sp_match_stp stp;
    sp_wall working;     /* since when it is in the market; 0: it still waits */
    uint64_t counter_no; /* ended because it met this one of its owner's; 0: it did not */
};

struct sp_venue_fill_row {
    uint64_t trade_no, order_no;
    uint32_t account;
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

struct sp_venue_account {
    sp_name name; /* of account 0: "main" */
    uint32_t balance_count;
    struct sp_venue_balance balances[SP_VENUE_ASSETS_MAX];
};

/* One step of one order, with the execution in it if there was one. */
struct sp_venue_change {
    struct sp_venue_order_row order;
    struct sp_venue_fill_row fill; /* trade_no 0: none */
    sp_name cancel_id;             /* of the request that cancelled it; empty: none did */
    bool is_new, is_triggered;     /* it was taken; it no longer waits */
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

/* Filters beyond an instrument's own (common/market/instrument.h). */
struct sp_venue_rules {
    sp_qty market_max_qty;             /* of an order at market; 0: none */
    uint32_t waiting_max;              /* orders of an account that wait for a stop price */
    sp_ratio percent_up, percent_down; /* a limit is within these times the last price; 0: any */
};

struct sp_exchange {
    const struct sp_world_config *world;
    struct sp_fees fees;
    uint64_t last_order_no, last_trade_no;
    sp_wall time; /* venue clock: the market's */
    uint32_t account_count, open_count;
    struct sp_venue_account accounts[SP_VENUE_ACCOUNTS_MAX];
    struct sp_venue_order_row open[SP_VENUE_OPEN_MAX]; /* oldest first */
    struct sp_match match[SP_SYMBOLS_MAX];
    enum sp_venue_status status[SP_SYMBOLS_MAX];
    struct sp_venue_rules rules[SP_SYMBOLS_MAX];
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

/* The protocol's word. */
const char *sp_venue_stp_name(enum sp_match_stp stp);
/* SP_STP_NONE for NULL. False: there is no such word. */
SP_NODISCARD bool sp_venue_stp_parse(const char *name, enum sp_match_stp *out);

/* Adds an account, or finds it by its name: a number that stays the same. SP_FULL. */
SP_NODISCARD sp_status sp_exchange_add_account(struct sp_exchange *x, const sp_name *name,
                                               uint32_t *out, struct sp_err *err);

/* What is asked for: one order, or a pair of which the first leg is the limit or take-profit. */
struct sp_venue_leg {
    sp_name client_order_id;
    enum sp_order_type type;
    enum sp_tif tif;
    sp_px px, stop_px;
};
struct sp_venue_request {
    uint32_t account, instrument;
    enum sp_side side;
    enum sp_match_stp stp;
    sp_qty qty;
    sp_amt quote_qty;
    bool is_list;           /* the pair gets a number and a name of its own */
    sp_name list_client_id; /* of a list */
    uint32_t leg_count;
    struct sp_venue_leg legs[2];
};
/* Legs of it that will wait for their stop price. */
uint32_t sp_venue_waiting(const struct sp_venue_request *request);
struct sp_venue_placed {
    uint64_t order_no, pair_no, list_no; /* 0: none */
};
/* The same of a message over the bus. SP_REFUSED: no such symbol, or wrong legs. */
SP_NODISCARD sp_status sp_exchange_read(const struct sp_exchange *x,
                                        const struct sp_venue_order *message,
                                        struct sp_venue_request *out, struct sp_err *err);
/* Takes an order or a pair. SP_OK: *placed are its numbers, and *changes what happened at once.
 * SP_REFUSED, SP_EXISTS (an open order has the id): nothing happened, err says why. */
SP_NODISCARD sp_status sp_exchange_place(struct sp_exchange *x,
                                         const struct sp_venue_request *request,
                                         struct sp_venue_changes *changes,
                                         struct sp_venue_placed *placed, struct sp_err *err);
/* Ends an open order, and the other leg of its pair. `cancel_id` is the request's own, or NULL.
 * SP_NOT_FOUND if it is not open. SP_REFUSED: the market is closed. */
SP_NODISCARD sp_status sp_exchange_cancel(struct sp_exchange *x, uint64_t order_no,
                                          const sp_name *cancel_id,
                                          struct sp_venue_changes *changes, struct sp_err *err);
/* One event of an instrument's public stream. */
void sp_exchange_market(struct sp_exchange *x, uint32_t instrument,
                        const struct sp_market_event *event, struct sp_venue_changes *changes);

/* Changes a balance from outside. SP_REFUSED: open orders hold more than would be left. SP_FULL:
 * too many assets. */
SP_NODISCARD sp_status sp_exchange_transfer(struct sp_exchange *x, uint32_t account,
                                            const sp_name *asset, sp_amt amount,
                                            struct sp_err *err);
/* False: there is no such status. */
bool sp_exchange_set_status(struct sp_exchange *x, uint32_t instrument, const char *name);
/* Filters and statuses as they were configured. */
void sp_exchange_reset_rules(struct sp_exchange *x);

/* How much of the base asset a market order of that value comes to at the levels as seen, on the
 * step; 0 if there is nothing to trade against. */
sp_qty sp_exchange_qty_for(const struct sp_exchange *x, int instrument, enum sp_side side,
                           sp_amt value);

const struct sp_venue_order_row *sp_exchange_open_order(const struct sp_exchange *x,
                                                        uint32_t account,
                                                        const sp_name *client_order_id);
/* NULL if it is not open. */
const struct sp_venue_order_row *sp_exchange_order(const struct sp_exchange *x, uint64_t order_no);
/* Open orders of an account on an instrument. */
uint32_t sp_exchange_order_count(const struct sp_exchange *x, uint32_t account,
                                 uint32_t instrument);
/* Those of them that wait for their stop price. */
uint32_t sp_exchange_waiting_count(const struct sp_exchange *x, uint32_t account,
                                   uint32_t instrument);
/* Of an asset, what an account's open orders hold. */
sp_amt sp_exchange_locked(const struct sp_exchange *x, uint32_t account, const sp_name *asset);
struct sp_venue_balance *sp_exchange_balance(struct sp_exchange *x, uint32_t account,
                                             const sp_name *asset);
/* -1 if it is not traded here. */
int sp_exchange_instrument(const struct sp_exchange *x, const sp_name *symbol);

#endif
