/* What came of trading, per scope of a limit: all that is at the venue, an instrument, a strategy
 * link. Part of the books: changes only while they are folded. Pure; one thread. */
#ifndef SP_EXECUTION_RESULTS_H
#define SP_EXECUTION_RESULTS_H

#include "proto/record.h"

struct sp_books;
struct sp_risk_config;
struct sp_trade_book;

struct sp_result_book {
    sp_amt realised; /* of closed trades */
    sp_amt peak;     /* highest realised so far, at least 0 */
    int64_t day;     /* days since 1970 where day_zone says, of realised_today */
    sp_amt realised_today;
    sp_wall entries_since; /* market time of the first of `entries` */
    uint64_t entries;      /* within the scope's entries_window */
};

/* An instrument of the world that trades. */
struct sp_instrument_book {
    sp_name symbol;
    uint64_t newest_trade_id; /* highest number of an execution booked; venues number per symbol */
    struct sp_result_book result;
};

/* The day of a moment of the market, where the operation's days begin. */
int64_t sp_results_day(const struct sp_books *books, sp_wall market_time);
/* Entries that still count at that moment. */
uint64_t sp_results_entries(const struct sp_result_book *result, const struct sp_risk_config *risk,
                            sp_wall market_time);
/* Realised today, at that moment. */
sp_amt sp_results_today(const struct sp_books *books, const struct sp_result_book *result,
                        sp_wall market_time);

/* ---- Folding ---- */

/* A trade was closed with that much more than was counted before. */
void sp_results_gain(struct sp_books *books, const struct sp_trade_book *trade, sp_amt gain,
                     sp_wall market_time);
/* An entry is about to leave. */
void sp_results_entry(struct sp_books *books, const struct sp_order_intent *intent,
                      sp_wall market_time);
/* Somebody let this scope trade again: counting begins anew. */
void sp_results_resumed(struct sp_books *books, const sp_name *scope);

#endif
