/* The liquidity the practice exchange sees: the public book, the newest public quote over it, less
 * what our own orders have already taken.
 *
 * Book changes come every 100 ms, quotes at once, so a quote that is newer than the book replaces
 * the book's touch: levels better than it are gone, and its quantity counts at its price. History
 * is not changed: what we take from a level stays taken until the public quantity of that level
 * changes. Memory is fixed at init; owned by one thread.
 */
#ifndef SP_MARKET_SEEN_H
#define SP_MARKET_SEEN_H

#include "common/market/book_sync.h"
#include "common/market/source.h"

#define SP_SEEN_TAKEN_MAX 256

struct sp_seen_taken {
    enum sp_side side; /* of the book: BUY is bids */
    sp_px px;
    sp_qty public_qty; /* the level as it was when we took from it */
    sp_qty taken;
};

struct sp_seen {
    struct sp_book_sync sync;
    struct sp_quote quote;
    bool quote_is_newer; /* than the book */
    uint32_t taken_count;
    struct sp_seen_taken taken[SP_SEEN_TAKEN_MAX];
};

SP_NODISCARD sp_status sp_seen_init(struct sp_seen *seen, uint32_t level_capacity,
                                    uint32_t change_capacity, struct sp_err *err);
void sp_seen_fini(struct sp_seen *seen);
/* Takes a QUOTE, BOOK_DELTA or BOOK_SNAPSHOT; others change nothing. */
void sp_seen_event(struct sp_seen *seen, const struct sp_market_event *event);
/* Whether there is anything to trade against: a right book or a quote. */
bool sp_seen_is_known(const struct sp_seen *seen);

/* Walks one side (BUY: bids) from the touch; *cursor starts at 0. False at the end. `out` has the
 * quantity still available, never zero. */
bool sp_seen_next(const struct sp_seen *seen, enum sp_side side, uint32_t *cursor,
                  struct sp_level *out);
/* The touch with its public quantity. False, leaving *out untouched, if there is none. */
SP_NODISCARD bool sp_seen_best(const struct sp_seen *seen, enum sp_side side, struct sp_level *out);
/* Takes from a level that sp_seen_next gave. False, changing nothing, if too many levels are
 * remembered already. */
SP_NODISCARD bool sp_seen_take(struct sp_seen *seen, enum sp_side side, struct sp_level part);

#endif
