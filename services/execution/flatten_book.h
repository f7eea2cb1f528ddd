/* Flattens in the books: which are under way, and how far each is with each of its trades.
 *
 * A flatten begins with the operator's command and covers the trades that its scope has then; it
 * ends with its DONE or FAILED. All of it is folded from the journal, so that a process that was
 * killed goes on where it was. Pure; one thread.
 */
#ifndef SP_EXECUTION_FLATTEN_BOOK_H
#define SP_EXECUTION_FLATTEN_BOOK_H

#include "services/execution/books.h"

/* The flatten of that scope; NULL if none is under way. */
struct sp_flatten_book *sp_flatten_of_scope(struct sp_books *books, const sp_name *scope);
/* The flatten that a trade is part of; NULL if none. */
struct sp_flatten_book *sp_flatten_of_trade(struct sp_books *books,
                                            const struct sp_trade_book *trade);
/* Nothing is left to do for a trade: closed, or nothing was ever bought and nothing is live. */
bool sp_flatten_is_over(const struct sp_books *books, const struct sp_trade_book *trade);
/* Trades of a flatten; *flat of them are over. */
uint32_t sp_flatten_trades(struct sp_books *books, const struct sp_flatten_book *flatten,
                           uint32_t *flat);
/* "strategy.ema: 1 of 2 trades flat"; empty if none is under way. */
void sp_flatten_say(struct sp_books *books, sp_text *out);

/* ---- Folding ---- */

/* An OPERATOR_COMMAND that flattens. One of the same scope that is under way is replaced. */
void sp_flatten_begin(struct sp_books *books, const struct sp_record *record);
/* A FLATTEN. */
void sp_flatten_fold(struct sp_books *books, const struct sp_record *record);
/* An operator resumed that scope. */
void sp_flatten_resumed(struct sp_books *books, const sp_name *scope);

#endif
