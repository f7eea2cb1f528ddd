#include "common/market/book.h"

#include <stdlib.h>
#include <string.h>

sp_status sp_book_init(struct sp_book *book, uint32_t capacity, struct sp_err *err)
{
    if (capacity == 0) return SP_FAIL(err, SP_INVALID, "a book needs room for levels");
    struct sp_level *bids = calloc(capacity, sizeof *bids);
    struct sp_level *asks = calloc(capacity, sizeof *asks);
    if (!bids || !asks) {
        free(bids);
        free(asks);
        return SP_FAIL(err, SP_NO_MEMORY, "no memory for a book of %u levels", capacity);
    }
    *book = (struct sp_book){
        .bids = {.at = bids, .capacity = capacity, .ascending = true},
        .asks = {.at = asks, .capacity = capacity, .ascending = false},
    };
    return SP_OK;
}

void sp_book_fini(struct sp_book *book)
{
    if (!book) return;
    free(book->bids.at);
    free(book->asks.at);
    memset(book, 0, sizeof *book);
}

void sp_book_clear(struct sp_book *book)
{
    book->bids.count = 0;
    book->asks.count = 0;
    book->last_update_id = 0;
}

static struct sp_book_side *side_of(struct sp_book *book, enum sp_side side)
{
    SP_ASSERT(side == SP_SIDE_BUY || side == SP_SIDE_SELL);
    return side == SP_SIDE_BUY ? &book->bids : &book->asks;
}

static const struct sp_book_side *side_of_const(const struct sp_book *book, enum sp_side side)
{
    SP_ASSERT(side == SP_SIDE_BUY || side == SP_SIDE_SELL);
    return side == SP_SIDE_BUY ? &book->bids : &book->asks;
}

/* Whether a stands farther from the touch than b. */
static bool is_worse(const struct sp_book_side *side, sp_px a, sp_px b)
{
    return side->ascending ? a.e8 < b.e8 : a.e8 > b.e8;
}

/* Index of the first level that is not worse than px. The last few are tried one by one first:
 * that is where nearly all changes are. */
static uint32_t find(const struct sp_book_side *side, sp_px px)
{
    uint32_t low = 0;
    uint32_t high = side->count;

    for (int i = 0; i < 8 && high > 0; i++) {
        if (is_worse(side, side->at[high - 1].px, px)) return high;
        high--;
    }
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (is_worse(side, side->at[mid].px, px)) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

static void remove_at(struct sp_book_side *side, uint32_t i)
{
    SP_ASSERT(i < side->count);
    memmove(&side->at[i], &side->at[i + 1], (side->count - i - 1) * sizeof side->at[0]);
    side->count--;
}

static void insert_at(struct sp_book_side *side, uint32_t i, struct sp_level level)
{
    SP_ASSERT(i <= side->count);
    SP_ASSERT(side->count < side->capacity);
    memmove(&side->at[i + 1], &side->at[i], (side->count - i) * sizeof side->at[0]);
    side->at[i] = level;
    side->count++;
}

void sp_book_set(struct sp_book *book, enum sp_side which, struct sp_level level)
{
    struct sp_book_side *side = side_of(book, which);

    SP_ASSERT(level.px.e8 > 0);
    SP_ASSERT(level.qty.e8 >= 0);
    uint32_t i = find(side, level.px);
    bool present = i < side->count && side->at[i].px.e8 == level.px.e8;
    if (level.qty.e8 == 0) {
        if (present) remove_at(side, i);
        return;
    }
    if (present) {
        side->at[i].qty = level.qty;
        return;
    }
    if (side->count == side->capacity) {
        book->forgotten++;
        if (i == 0) return;
        remove_at(side, 0);
        i--;
    }
    insert_at(side, i, level);
}

uint32_t sp_book_count(const struct sp_book *book, enum sp_side side)
{
    return side_of_const(book, side)->count;
}

struct sp_level sp_book_at(const struct sp_book *book, enum sp_side which, uint32_t depth)
{
    const struct sp_book_side *side = side_of_const(book, which);

    SP_ASSERT(depth < side->count);
    return side->at[side->count - 1 - depth];
}

bool sp_book_best(const struct sp_book *book, enum sp_side which, struct sp_level *out)
{
    const struct sp_book_side *side = side_of_const(book, which);

    if (side->count == 0) return false;
    *out = side->at[side->count - 1];
    return true;
}

sp_qty sp_book_qty_at(const struct sp_book *book, enum sp_side which, sp_px px)
{
    const struct sp_book_side *side = side_of_const(book, which);
    uint32_t i = find(side, px);

    if (i < side->count && side->at[i].px.e8 == px.e8) return side->at[i].qty;
    return (sp_qty){0};
}

bool sp_book_is_crossed(const struct sp_book *book)
{
    struct sp_level bid = {0};
    struct sp_level ask = {0};

    if (!sp_book_best(book, SP_SIDE_BUY, &bid)) return false;
    if (!sp_book_best(book, SP_SIDE_SELL, &ask)) return false;
    return bid.px.e8 >= ask.px.e8;
}

bool sp_book_walk(const struct sp_book *book, enum sp_side taker, sp_qty qty, sp_qty *filled,
                  sp_amt *value)
{
    enum sp_side which = taker == SP_SIDE_BUY ? SP_SIDE_SELL : SP_SIDE_BUY;
    sp_qty left = qty;
    sp_amt sum = {0};

    for (uint32_t depth = 0; depth < sp_book_count(book, which) && left.e8 > 0; depth++) {
        struct sp_level level = sp_book_at(book, which, depth);
        sp_qty part = level.qty.e8 < left.e8 ? level.qty : left;
        sp_amt part_value = {0};
        if (!sp_px_times_qty(level.px, part, &part_value)) return false;
        if (!sp_amt_add(sum, part_value, &sum)) return false;
        left.e8 -= part.e8;
    }
    filled->e8 = qty.e8 - left.e8;
    *value = sum;
    return true;
}
