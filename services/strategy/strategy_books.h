/* What a strategy link knows from others: its trades and result (facts of execution) and threats
 * that are not its own (facts of marketdata).
 *
 * A pure fold of other streams: it changes only by sp_strategy_books_fold, in stream order, and
 * folding those streams from their beginning rebuilds it, or from `places` on a saved one. Facts of
 * other links and instruments are ignored.
 * Fixed memory. One thread.
 */
#ifndef SP_SERVICES_STRATEGY_STRATEGY_BOOKS_H
#define SP_SERVICES_STRATEGY_STRATEGY_BOOKS_H

#include "common/workers/worker.h"

#define SP_STRATEGY_TRADES_MAX  8
#define SP_STRATEGY_THREATS_MAX 10
#define SP_STRATEGY_STREAMS_MAX 4

/* A trade that execution knows and that is not closed. */
struct sp_live_trade {
    sp_trd_id trade_id;
    sp_ord_id entry_order_id; /* none: not seen */
    bool is_open;             /* it has a fill */
};

struct sp_strategy_books {
    sp_name link, symbol;
    sp_trd_id last_trade_id; /* of our newest plan; none if there was none */
    sp_pln_id last_plan_id;
    bool is_pending; /* it has no answer yet */
    uint32_t trade_count;
    struct sp_live_trade trades[SP_STRATEGY_TRADES_MAX];
    sp_amt realised_pnl;
    uint8_t trading; /* enum sp_trading of our scope, as last said; the gate decides, not we */
    uint32_t threat_count;
    struct sp_active_threat threats[SP_STRATEGY_THREATS_MAX];
    uint32_t place_count;
    struct sp_ref places[SP_STRATEGY_STREAMS_MAX]; /* newest record folded of each stream */
};

void sp_strategy_books_init(struct sp_strategy_books *books, const sp_name *link,
                            const sp_name *symbol);
/* One fact of another stream. */
void sp_strategy_books_fold(struct sp_strategy_books *books, const struct sp_record *record);
/* The place up to which a stream is in the books; none if nothing of it is. */
struct sp_ref sp_strategy_books_place(const struct sp_strategy_books *books, const sp_name *stream);
/* A stream took records back that may be in the books: empties them, but for our own newest plan,
 * which waits for its answer again. All streams are then folded from their beginning. */
void sp_strategy_books_forget(struct sp_strategy_books *books);
/* Our own PLAN_READY: its trade is in flight until execution says otherwise. */
void sp_strategy_books_plan(struct sp_strategy_books *books, const struct sp_plan *plan);
/* The trade that keeps us from opening another; none when flat. */
sp_trd_id sp_strategy_books_trade(const struct sp_strategy_books *books, bool *is_in_flight);

/* Adds to or removes from a bounded list of threats; the same id twice is one threat. A full list
 * drops its least severe. */
void sp_threats_begin(struct sp_active_threat *threats, uint32_t *count, uint32_t max,
                      const struct sp_active_threat *threat);
void sp_threats_end(struct sp_active_threat *threats, uint32_t *count, sp_thr_id threat_id);
struct sp_active_threat sp_threat_of_record(const struct sp_record *record);

#endif
