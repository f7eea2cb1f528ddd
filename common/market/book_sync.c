#include "common/market/book_sync.h"

#include <stdlib.h>
#include <string.h>

sp_status sp_book_sync_init(struct sp_book_sync *sync, uint32_t level_capacity,
                            uint32_t change_capacity, struct sp_err *err)
{
    struct sp_book book = {0};

    if (change_capacity == 0) return SP_FAIL(err, SP_INVALID, "no room for book changes");
    sp_status st = sp_book_init(&book, level_capacity, err);
    if (st != SP_OK) return st;
    struct sp_book_delta *kept = calloc(change_capacity, sizeof *kept);
    if (!kept) {
        sp_book_fini(&book);
        return SP_FAIL(err, SP_NO_MEMORY, "no memory for %u book changes", change_capacity);
    }
    *sync = (struct sp_book_sync){.book = book, .kept = kept, .kept_capacity = change_capacity};
    return SP_OK;
}

void sp_book_sync_fini(struct sp_book_sync *sync)
{
    if (!sync) return;
    sp_book_fini(&sync->book);
    free(sync->kept);
    memset(sync, 0, sizeof *sync);
}

void sp_book_sync_reset(struct sp_book_sync *sync)
{
    sp_book_clear(&sync->book);
    sync->state = SP_SYNC_BUFFERING;
    sync->kept_count = 0;
    sync->part_first = sync->part_last = 0;
    sync->snapshot_id = 0;
    sync->snapshot_parts = 0;
}

static enum sp_sync_result lose(struct sp_book_sync *sync, enum sp_sync_result why)
{
    sp_book_sync_reset(sync);
    sync->gaps++;
    return why;
}

static enum sp_sync_result keep(struct sp_book_sync *sync, const struct sp_book_delta *delta)
{
    if (sync->kept_count == sync->kept_capacity) return lose(sync, SP_SYNC_OVERFLOW);
    sync->kept[sync->kept_count++] = *delta;
    return SP_SYNC_KEPT;
}

static void set_levels(struct sp_book *book, const struct sp_levels *bids,
                       const struct sp_levels *asks)
{
    for (uint32_t i = 0; i < bids->count; i++)
        sp_book_set(book, SP_SIDE_BUY, bids->at[i]);
    for (uint32_t i = 0; i < asks->count; i++)
        sp_book_set(book, SP_SIDE_SELL, asks->at[i]);
}

/* One change, or part of one, onto a loaded book. The book's number moves with the last part, so
 * that the parts before it are not taken for old. */
static enum sp_sync_result apply(struct sp_book_sync *sync, const struct sp_book_delta *delta)
{
    uint64_t last = sync->book.last_update_id;

    if (sync->part_last != 0) {
        bool continues =
            delta->first_update_id == sync->part_first && delta->last_update_id == sync->part_last;
        if (!continues) return lose(sync, SP_SYNC_GAP);
    } else {
        if (delta->last_update_id <= last) {
            if (!delta->more) sync->old++;
            return SP_SYNC_OLD;
        }
        if (delta->first_update_id > last + 1) return lose(sync, SP_SYNC_GAP);
    }
    set_levels(&sync->book, &delta->bids, &delta->asks);
    if (delta->more) {
        sync->part_first = delta->first_update_id;
        sync->part_last = delta->last_update_id;
        return SP_SYNC_PART;
    }
    sync->part_first = sync->part_last = 0;
    sync->book.last_update_id = delta->last_update_id;
    sync->applied++;
    if (sp_book_is_crossed(&sync->book)) return lose(sync, SP_SYNC_CROSSED);
    return SP_SYNC_APPLIED;
}

enum sp_sync_result sp_book_sync_delta(struct sp_book_sync *sync, const struct sp_book_delta *delta)
{
    if (sync->state != SP_SYNC_SYNCED) return keep(sync, delta);

    enum sp_sync_result result = apply(sync, delta);
    /* The change behind the hole is the first one that the next snapshot must meet. */
    if (result == SP_SYNC_GAP) SP_IGNORE(keep(sync, delta) != SP_SYNC_KEPT); /* is empty: fits */
    return result;
}

/* The whole snapshot is in the book: join it with the changes that were kept. */
static enum sp_sync_result join(struct sp_book_sync *sync)
{
    uint32_t count = sync->kept_count;
    uint32_t first = 0;

    while (first < count && sync->kept[first].last_update_id <= sync->snapshot_id) {
        if (!sync->kept[first].more) sync->old++;
        first++;
    }
    if (first < count && sync->kept[first].first_update_id > sync->snapshot_id + 1) {
        /* The snapshot is older than the stream: keep the changes and wait for a newer one. */
        sp_book_clear(&sync->book);
        sync->state = SP_SYNC_BUFFERING;
        sync->snapshot_parts = 0;
        return SP_SYNC_STALE;
    }
    sync->state = SP_SYNC_SYNCED;
    sync->book.last_update_id = sync->snapshot_id;
    if (sp_book_is_crossed(&sync->book)) return lose(sync, SP_SYNC_CROSSED);
    for (uint32_t i = first; i < count; i++) {
        enum sp_sync_result result = apply(sync, &sync->kept[i]);
        if (result == SP_SYNC_GAP || result == SP_SYNC_CROSSED) return result;
    }
    sync->kept_count = 0;
    return SP_SYNC_LOADED;
}

enum sp_sync_result sp_book_sync_snapshot(struct sp_book_sync *sync,
                                          const struct sp_book_snapshot *part)
{
    if (part->part == 0) {
        bool is_old =
            sync->state == SP_SYNC_SYNCED && part->last_update_id < sync->book.last_update_id;
        if (is_old) return SP_SYNC_OLD;
        sp_book_clear(&sync->book);
        sync->part_first = sync->part_last = 0;
        sync->state = SP_SYNC_LOADING;
        sync->snapshot_id = part->last_update_id;
        sync->snapshot_parts = 0;
    } else {
        if (sync->state == SP_SYNC_SYNCED) return SP_SYNC_OLD; /* rest of an old snapshot */
        bool fits = sync->state == SP_SYNC_LOADING && part->part == sync->snapshot_parts &&
                    part->last_update_id == sync->snapshot_id;
        if (!fits) {
            sp_book_clear(&sync->book);
            sync->state = SP_SYNC_BUFFERING;
            return SP_SYNC_GAP;
        }
    }
    set_levels(&sync->book, &part->bids, &part->asks);
    sync->snapshot_parts++;
    if (part->more) return SP_SYNC_PART;
    return join(sync);
}

bool sp_book_sync_is_right(const struct sp_book_sync *sync)
{
    return sync->state == SP_SYNC_SYNCED && sync->part_last == 0;
}

const char *sp_sync_result_name(enum sp_sync_result result)
{
    static const char *const names[SP_SYNC_RESULT_COUNT] = {
        [SP_SYNC_KEPT] = "KEPT", [SP_SYNC_PART] = "PART",       [SP_SYNC_APPLIED] = "APPLIED",
        [SP_SYNC_OLD] = "OLD",   [SP_SYNC_LOADED] = "LOADED",   [SP_SYNC_STALE] = "STALE",
        [SP_SYNC_GAP] = "GAP",   [SP_SYNC_CROSSED] = "CROSSED", [SP_SYNC_OVERFLOW] = "OVERFLOW",
    };
    SP_ASSERT(result < SP_SYNC_RESULT_COUNT);
    return names[result];
}
