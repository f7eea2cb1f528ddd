#include "common/market/seen.h"

#include <string.h>

sp_status sp_seen_init(struct sp_seen *seen, uint32_t level_capacity, uint32_t change_capacity,
                       struct sp_err *err)
{
    struct sp_book_sync sync = {0};
    sp_status st = sp_book_sync_init(&sync, level_capacity, change_capacity, err);

    if (st != SP_OK) return st;
    memset(seen, 0, sizeof *seen);
    seen->sync = sync;
    return SP_OK;
}

void sp_seen_fini(struct sp_seen *seen)
{
    if (!seen) return;
    sp_book_sync_fini(&seen->sync);
    memset(seen, 0, sizeof *seen);
}

/* The quote's level of one side; false if the quote does not count. */
static bool quoted(const struct sp_seen *seen, enum sp_side side, struct sp_level *out)
{
    if (!seen->quote_is_newer) return false;
    if (side == SP_SIDE_BUY) {
        *out = (struct sp_level){seen->quote.bid_px, seen->quote.bid_qty};
    } else {
        *out = (struct sp_level){seen->quote.ask_px, seen->quote.ask_qty};
    }
    return true;
}

static bool is_worse(enum sp_side side, sp_px a, sp_px b)
{
    return side == SP_SIDE_BUY ? a.e8 < b.e8 : a.e8 > b.e8;
}

/* The public quantity at a price, by quote and book. */
static sp_qty public_qty(const struct sp_seen *seen, enum sp_side side, sp_px px)
{
    struct sp_level touch = {0};

    if (quoted(seen, side, &touch)) {
        if (px.e8 == touch.px.e8) return touch.qty;
        if (!is_worse(side, px, touch.px)) return (sp_qty){0};
    }
    if (!sp_book_sync_is_right(&seen->sync)) return (sp_qty){0};
    return sp_book_qty_at(&seen->sync.book, side, px);
}

/* Forgets what was taken from levels that have changed since. */
static void forget_changed(struct sp_seen *seen)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < seen->taken_count; i++) {
        const struct sp_seen_taken *t = &seen->taken[i];
        if (public_qty(seen, t->side, t->px).e8 != t->public_qty.e8) continue;
        seen->taken[kept++] = *t;
    }
    seen->taken_count = kept;
}

void sp_seen_event(struct sp_seen *seen, const struct sp_market_event *event)
{
    if (event->kind == SP_REC_QUOTE) {
        const struct sp_quote *quote = &event->body.quote;
        bool known = sp_book_sync_is_right(&seen->sync);
        if (known && quote->update_id != 0 && quote->update_id <= seen->sync.book.last_update_id) {
            return;
        }
        seen->quote = *quote;
        seen->quote_is_newer = true;
    } else if (event->kind == SP_REC_BOOK_DELTA) {
        sp_book_sync_delta(&seen->sync, &event->body.book_delta);
    } else if (event->kind == SP_REC_BOOK_SNAPSHOT) {
        sp_book_sync_snapshot(&seen->sync, &event->body.book_snapshot);
    } else {
        return;
    }
    bool in_parts = seen->sync.part_last != 0 || seen->sync.state == SP_SYNC_LOADING;
    if (in_parts) return; /* between two states: neither overtakes the quote nor changes levels */
    if (event->kind != SP_REC_QUOTE && sp_book_sync_is_right(&seen->sync) &&
        seen->quote.update_id <= seen->sync.book.last_update_id) {
        seen->quote_is_newer = false;
    }
    if (seen->taken_count > 0) forget_changed(seen);
}

bool sp_seen_is_known(const struct sp_seen *seen)
{
    return seen->quote_is_newer || sp_book_sync_is_right(&seen->sync);
}

static sp_qty taken_at(const struct sp_seen *seen, enum sp_side side, sp_px px)
{
    for (uint32_t i = 0; i < seen->taken_count; i++) {
        const struct sp_seen_taken *t = &seen->taken[i];
        if (t->side == side && t->px.e8 == px.e8) return t->taken;
    }
    return (sp_qty){0};
}

/* The public levels in order: cursor 0 is the quote, n is depth n - 1 of the book. */
static bool next_public(const struct sp_seen *seen, enum sp_side side, uint32_t *cursor,
                        struct sp_level *out)
{
    struct sp_level touch = {0};
    bool has_quote = quoted(seen, side, &touch);

    if (*cursor == 0) {
        *cursor = 1;
        if (has_quote) {
            *out = touch;
            return true;
        }
    }
    if (!sp_book_sync_is_right(&seen->sync)) return false;
    while (*cursor - 1 < sp_book_count(&seen->sync.book, side)) {
        *out = sp_book_at(&seen->sync.book, side, (*cursor)++ - 1);
        if (!has_quote || is_worse(side, out->px, touch.px)) return true;
    }
    return false;
}

bool sp_seen_next(const struct sp_seen *seen, enum sp_side side, uint32_t *cursor,
                  struct sp_level *out)
{
    struct sp_level level = {0};

    while (next_public(seen, side, cursor, &level)) {
        level.qty.e8 -= taken_at(seen, side, level.px).e8;
        if (level.qty.e8 <= 0) continue;
        *out = level;
        return true;
    }
    return false;
}

bool sp_seen_best(const struct sp_seen *seen, enum sp_side side, struct sp_level *out)
{
    uint32_t cursor = 0;

    return next_public(seen, side, &cursor, out);
}

bool sp_seen_take(struct sp_seen *seen, enum sp_side side, struct sp_level part)
{
    SP_ASSERT(part.qty.e8 > 0);
    for (uint32_t i = 0; i < seen->taken_count; i++) {
        struct sp_seen_taken *t = &seen->taken[i];
        if (t->side != side || t->px.e8 != part.px.e8) continue;
        t->taken.e8 += part.qty.e8;
        SP_ASSERT(t->taken.e8 <= t->public_qty.e8);
        return true;
    }
    if (seen->taken_count == SP_SEEN_TAKEN_MAX) return false;
    seen->taken[seen->taken_count++] = (struct sp_seen_taken){
        .side = side,
        .px = part.px,
        .public_qty = public_qty(seen, side, part.px),
        .taken = part.qty,
    };
    return true;
}
