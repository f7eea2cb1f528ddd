/* What folding needs of the tables of orders and trades. Internal to the books. */
#ifndef SP_EXECUTION_BOOKS_TABLE_H
#define SP_EXECUTION_BOOKS_TABLE_H

#include "services/execution/books.h"

/* Steps an order of the table, which may come to life or end, and with it its trade. */
void sp_books_set_state(struct sp_books *books, struct sp_order *order, enum sp_order_state state);
/* After every other change of what a trade holds: it may have come to life, or ended. */
void sp_books_note_trade(struct sp_books *books, const struct sp_trade_book *trade);

/* After these there is room for one more: what has ended is forgotten, oldest first. Orders move;
 * no pointer to one lasts. That something may go is sure: the gate keeps what lives below half
 * (sp_books_has_room). */
void sp_books_room_for_order(struct sp_books *books);
/* The orders of a forgotten trade go with it: what the venue still says of them is then "not ours",
 * and reconciliation names it. */
void sp_books_room_for_trade(struct sp_books *books);

#endif
