/* The books of the gateway: orders, trades, strategy links, balances - the fold of its journal.
 *
 * Authoritative state: changes only in sp_books_apply. Capacities are fixed; what has ended is
 * forgotten oldest first, what has not ended never. A trade that was closed opens again when late
 * truth reaches one of its orders. Exact integers throughout. One thread.
 */
#ifndef SP_EXECUTION_BOOKS_H
#define SP_EXECUTION_BOOKS_H

#include "common/config/config.h"
#include "proto/record.h"
#include "services/execution/order_life.h"
#include "services/execution/results.h"

#define SP_ORDERS_MAX     1024
#define SP_TRADES_MAX     256
#define SP_FILLS_MAX      8192
#define SP_PLANS_MAX      1024
#define SP_ASSETS_MAX     16
#define SP_BOOK_LINKS_MAX (2 * SP_LINKS_MAX)
#define SP_SCOPES_MAX     (SP_LINKS_MAX + 2) /* all, disk */
#define SP_COMMANDS_MAX   256
#define SP_FLATTENS_MAX   (SP_BOOK_LINKS_MAX + 1) /* one per scope: of each link, all */

struct sp_order {
    struct sp_order_intent intent;
    struct sp_ref intent_ref;
    enum sp_order_state state;
    sp_qty filled;
    uint64_t venue_order_id;
    bool replaced;  /* cancelled by us so that another takes its place */
    sp_text reason; /* why it ended */
};

/* Why a trade is to be closed; durable, so that an exit survives a crash in its middle. */
struct sp_exit_want {
    bool wanted;
    uint8_t cause; /* enum sp_close_cause */
    sp_thr_ids threat_ids;
    sp_sch_id scheduled_id;
    sp_cmd_id command_id;
    struct sp_ref by;
};

/* First what is asked of every trade in turn: the table is longer than a cache is wide. */
struct sp_trade_book {
    sp_trd_id trade_id;
    uint32_t link; /* index into links */
    bool opened, closed, protected_once;
    uint8_t flatten; /* enum sp_flatten_step: how far a flatten is with it */
    sp_qty bought_qty, sold_qty, dust;
    sp_qty fee_qty; /* fees paid in the base asset: they shrink the position */
    sp_name symbol;
    sp_amt bought, sold, fees; /* quote currency */
    sp_amt counted;            /* of its result, what the link's realised_pnl holds already */
    sp_pln_id plan_id;
    uint8_t open_cause;
    sp_opp_ids opportunity_ids;
    sp_px stop_px, target_px;
    uint32_t legs; /* orders so far */
    sp_wall opened_at, closed_at;
    struct sp_ref opened_ref;
    struct sp_exit_want exit;
    struct sp_exit_want last_sell; /* what the newest sell was for; by is its fill */
    struct sp_ref last_ref;        /* last record about it */
};

struct sp_link_book {
    sp_name id;
    sp_amt capital;
    sp_amt cash; /* capital - bought + sold - fees */
    sp_amt fees;
    struct sp_result_book result;
};

struct sp_fill_book {
    struct sp_fill fill;
};

struct sp_asset_book {
    sp_name asset;
    sp_amt amount;
    bool adopted; /* an operator said how much: what it began with counts no more */
};

/* A halt that lasts. Scope "all", "disk" (of all, too) or "strategy.ID". */
struct sp_scope_book {
    sp_name scope;
    bool halted;   /* by an operator, a limit, or storage */
    uint8_t cause; /* enum sp_halt_cause */
    sp_text reason;
    struct sp_ref by; /* the record that says so */
};

/* A flatten that has not ended. */
struct sp_flatten_book {
    sp_cmd_id command_id;
    sp_name scope;
    uint8_t step;     /* enum sp_flatten_step of the whole: none, STARTED or VERIFYING */
    bool resumed;     /* an operator resumed trading meanwhile */
    sp_text blocked;  /* what it waits for, as was said last; empty: nothing */
    struct sp_ref by; /* its newest record */
};

struct sp_books {
    const struct sp_config *config;
    const struct sp_world_config *world;
    uint64_t version; /* sequence of the last record that changed orders, fills or balances */
    uint32_t epoch;   /* of the newest STREAM_STARTED */
    uint32_t order_count, live_count, trade_count, live_trade_count;
    uint32_t fill_count, plan_count, command_count;
    uint32_t link_count, retired_count, asset_count, scope_count, instrument_count, flatten_count;
    uint64_t fill_total, plan_total, command_total; /* ever: positions in the rings */
    uint64_t incidents;                    /* impossible steps: our books and the venue disagree */
    struct sp_order orders[SP_ORDERS_MAX]; /* oldest first */
    uint16_t live[SP_ORDERS_MAX];          /* places of those that live, ascending */
    struct sp_trade_book trades[SP_TRADES_MAX];
    uint16_t live_trades[SP_TRADES_MAX]; /* places of those that live, ascending */
    struct sp_fill_book fills[SP_FILLS_MAX];
    sp_pln_id plans[SP_PLANS_MAX];
    sp_cmd_id commands[SP_COMMANDS_MAX];
    /* The first link_count are configured, in that order. Behind them are those that the journal
     * knows and the configuration does not any more: what they did is not another link's. */
    struct sp_link_book links[SP_BOOK_LINKS_MAX];
    struct sp_asset_book assets[SP_ASSETS_MAX];
    struct sp_scope_book scopes[SP_SCOPES_MAX];
    struct sp_flatten_book flattens[SP_FLATTENS_MAX];
    struct sp_instrument_book instruments[SP_SYMBOLS_MAX];
    struct sp_result_book venue; /* of all links */
    /* The breaker over connections (scope all). */
    enum sp_breaker breaker;
    sp_thr_ids breaker_threats;
    sp_text breaker_reason;
    /* The threat this service minted for its own venue connection; none while connected. */
    struct sp_threat venue_threat;
    struct sp_ref venue_threat_ref;
};

/* Empty books: the links' capital, and the venue's configured balances as baseline. */
void sp_books_init(struct sp_books *books, const struct sp_config *config);
/* Folds one record of the execution journal. Records that mean nothing here are passed over. */
void sp_books_apply(struct sp_books *books, const struct sp_record *record);

/* Finds the orders and trades that live, after some were put in place otherwise than by folding. A
 * trade lives while it holds anything, has a live order, or is in a flatten. */
void sp_books_find_live(struct sp_books *books);

/* The live order with this number among them (UNKNOWN included), the oldest has 0. */
static inline const struct sp_order *sp_books_live(const struct sp_books *books, uint32_t number)
{
    return &books->orders[books->live[number]];
}
static inline struct sp_trade_book *sp_books_live_trade(struct sp_books *books, uint32_t number)
{
    return &books->trades[books->live_trades[number]];
}
/* NULL if not there. */
struct sp_order *sp_books_order(struct sp_books *books, const sp_name *client_order_id);
struct sp_trade_book *sp_books_trade(struct sp_books *books, sp_trd_id trade_id);
struct sp_trade_book *sp_books_open_trade(struct sp_books *books, uint32_t link);
/* Of those that are configured. */
struct sp_link_book *sp_books_link(struct sp_books *books, const sp_name *id, uint32_t *index);
/* The place of a link that is not configured, which it gets if it has none. When there is no room,
 * the last one stands for all others. */
uint32_t sp_books_retired_link(struct sp_books *books, const sp_name *id);
/* Scope "strategy.ema" is about link "ema"; "all" and "disk" are about every link. */
bool sp_books_scope_covers(const sp_name *scope, const sp_name *link);
const struct sp_scope_book *sp_books_halt_of(const struct sp_books *books, const sp_name *link);
/* While the disk reserve halts everything; else NULL. */
const struct sp_scope_book *sp_books_disk_halt(const struct sp_books *books);
/* Of an asset on the account, by our books. */
sp_amt sp_books_held(const struct sp_books *books, const sp_name *asset);
bool sp_books_has_fill(const struct sp_books *books, const sp_name *symbol, uint64_t trade_id);
bool sp_books_has_plan(const struct sp_books *books, sp_pln_id plan_id);
bool sp_books_has_command(const struct sp_books *books, sp_cmd_id command_id);
/* Whether one more order or trade has a place. */
bool sp_books_has_room(const struct sp_books *books);

/* Base quantity a trade holds; negative if the venue sold more than it held (late truth). */
sp_qty sp_trade_position(const struct sp_trade_book *trade);
/* The newest order of a trade among those of the roles first..last; NULL if there is none. */
const struct sp_order *sp_books_newest(const struct sp_books *books,
                                       const struct sp_trade_book *trade, enum sp_leg_role first,
                                       enum sp_leg_role last);
/* Live orders of a trade (UNKNOWN included); those of one role if role is not NONE. */
uint32_t sp_books_live_orders(const struct sp_books *books, const struct sp_trade_book *trade,
                              enum sp_leg_role role);
uint32_t sp_books_in_flight(const struct sp_books *books);

/* What one fill does to a trade and its link: used by apply, and by decide on copies. */
void sp_trade_fold_fill(struct sp_trade_book *trade, struct sp_link_book *link,
                        const struct sp_instrument_config *instrument, const struct sp_fill *fill);
/* sold - bought - fees. */
sp_amt sp_trade_pnl(const struct sp_trade_book *trade);

#endif
