/* Keeps a book equal to the venue's: the official synchronisation procedure of Binance Spot as a
 * pure state machine.
 *
 *   BUFFERING  changes are kept; a snapshot is wanted
 *   LOADING    parts of a snapshot are arriving; changes are kept
 *   SYNCED     the book is the venue's
 *
 * A complete snapshot is usable if the first kept change that is newer than it (u > lastUpdateId)
 * satisfies U <= lastUpdateId + 1 <= u; older ones are dropped, the rest is applied. From then on
 * each change must follow the last one without a hole, otherwise the book is not to be trusted
 * until a new snapshot has been taken. A snapshot that arrives while SYNCED replaces the book,
 * unless it is older. Changes and snapshots may come in parts (`more`).
 *
 * Memory is fixed at init. Owned by one thread.
 */
#ifndef SP_MARKET_BOOK_SYNC_H
#define SP_MARKET_BOOK_SYNC_H

#include "common/market/book.h"
#include "proto/messages.h"

enum sp_sync_state { SP_SYNC_BUFFERING, SP_SYNC_LOADING, SP_SYNC_SYNCED };

/* What one input led to. */
enum sp_sync_result {
    SP_SYNC_KEPT,     /* kept until a snapshot comes */
    SP_SYNC_PART,     /* a part; the rest is awaited and the book is between two states */
    SP_SYNC_APPLIED,  /* the book changed and is right */
    SP_SYNC_OLD,      /* already contained in the book; ignored */
    SP_SYNC_LOADED,   /* snapshot taken: the book is right */
    SP_SYNC_STALE,    /* snapshot older than the changes kept: take another */
    SP_SYNC_GAP,      /* a change is missing: the book is not right, take a snapshot */
    SP_SYNC_CROSSED,  /* bid met ask after a change: not right, take a snapshot */
    SP_SYNC_OVERFLOW, /* too many changes before a snapshot: all dropped, take a snapshot */
    SP_SYNC_RESULT_COUNT
};

struct sp_book_sync {
    struct sp_book book;
    enum sp_sync_state state;
    struct sp_book_delta *kept; /* heap, fixed */
    uint32_t kept_count;
    uint32_t kept_capacity;
    uint64_t part_first; /* update numbers of the change that is arriving in parts */
    uint64_t part_last;  /* 0: none */
    uint64_t snapshot_id;
    uint32_t snapshot_parts;
    uint64_t applied; /* whole changes applied */
    uint64_t old;     /* whole changes dropped as already contained */
    uint64_t gaps;
};

/* SP_INVALID for a zero capacity, SP_NO_MEMORY. */
SP_NODISCARD sp_status sp_book_sync_init(struct sp_book_sync *sync, uint32_t level_capacity,
                                         uint32_t change_capacity, struct sp_err *err);
void sp_book_sync_fini(struct sp_book_sync *sync);
/* Forgets everything but the counters: as after a lost connection. */
void sp_book_sync_reset(struct sp_book_sync *sync);

/* Takes one change or part of it. Results: all but LOADED and STALE. */
enum sp_sync_result sp_book_sync_delta(struct sp_book_sync *sync,
                                       const struct sp_book_delta *delta);
/* Takes one part of a snapshot. Results: PART, LOADED, STALE, OLD, CROSSED, GAP (parts do not fit
 * together, or the kept changes have a hole). */
enum sp_sync_result sp_book_sync_snapshot(struct sp_book_sync *sync,
                                          const struct sp_book_snapshot *part);
/* Whether the book is right now: SYNCED and not between two parts. */
bool sp_book_sync_is_right(const struct sp_book_sync *sync);
const char *sp_sync_result_name(enum sp_sync_result result);

#endif
