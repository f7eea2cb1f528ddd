/* A level-2 order book with exact levels.
 *
 * Each side is one sorted array with the best level last, because most changes are near the touch
 * and then move few bytes. The capacity is fixed at init; nothing is allocated after. When a side
 * is full the level farthest from the touch is forgotten and counted, so that the near book stays
 * exact. Owned by one thread.
 */
#ifndef SP_MARKET_BOOK_H
#define SP_MARKET_BOOK_H

#include "proto/enums.h"
#include "proto/types.h"

struct sp_book_side {
    struct sp_level *at; /* best last; heap, fixed */
    uint32_t count;
    uint32_t capacity;
    bool ascending; /* prices rise towards the best: bids */
};

struct sp_book {
    struct sp_book_side bids;
    struct sp_book_side asks;
    uint64_t last_update_id;
    uint64_t forgotten; /* levels that did not fit */
};

/* An empty book of `capacity` levels a side. SP_INVALID if it is zero, SP_NO_MEMORY. */
SP_NODISCARD sp_status sp_book_init(struct sp_book *book, uint32_t capacity, struct sp_err *err);
void sp_book_fini(struct sp_book *book);
void sp_book_clear(struct sp_book *book);

/* Sets the quantity of one level of the book of `side` (BUY: bids); zero removes it. Removing what
 * is not there is normal. Asserts a positive price and a quantity that is not negative. */
void sp_book_set(struct sp_book *book, enum sp_side side, struct sp_level level);

uint32_t sp_book_count(const struct sp_book *book, enum sp_side side);
/* The level at `depth` from the touch (0 is the best). Asserts depth < count. */
struct sp_level sp_book_at(const struct sp_book *book, enum sp_side side, uint32_t depth);
/* False, leaving *out untouched, if the side is empty. */
SP_NODISCARD bool sp_book_best(const struct sp_book *book, enum sp_side side, struct sp_level *out);
/* Quantity at a price; zero if there is no such level. */
sp_qty sp_book_qty_at(const struct sp_book *book, enum sp_side side, sp_px px);
/* Both sides exist and the best bid is at or above the best ask. */
bool sp_book_is_crossed(const struct sp_book *book);

/* What a taker of `side` would get for `qty` from the levels as they are: the quantity available
 * (at most qty) and its value, rounded level by level. False if the value does not fit; the outputs
 * are then untouched. */
SP_NODISCARD bool sp_book_walk(const struct sp_book *book, enum sp_side side, sp_qty qty,
                               sp_qty *filled, sp_amt *value);

#endif
