#include "common/ledger/ledger_feed.h"

#include "common/journal/journal.h"
#include "common/planted_bug.h"

#include <stdlib.h>

#define BATCH_MIN 500 /* records, and then to the end of their batch */

struct sp_ledger_feed {
    struct sp_ledger_rows *rows;
    struct sp_journal_reader *reader;
    struct sp_record record; /* read, not yet written if `held` */
    struct sp_line_meta meta;
    bool held, journal_failed;
};

sp_status sp_ledger_feed_open(struct sp_ledger_rows *rows, const char *dir, const sp_name *stream,
                              struct sp_ledger_feed **out, struct sp_err *err)
{
    struct sp_ledger_feed *feed = calloc(1, sizeof *feed);

    if (feed == NULL) return SP_FAIL(err, SP_NO_MEMORY, "ledger feed");
    feed->rows = rows;
    sp_status status =
        sp_journal_reader_open(dir, stream, sp_ledger_rows_cursor(rows) + 1, &feed->reader, err);
    if (status != SP_OK) {
        sp_ledger_feed_close(feed);
        return status;
    }
    *out = feed;
    return SP_OK;
}

void sp_ledger_feed_close(struct sp_ledger_feed *feed)
{
    if (feed == NULL) return;
    sp_journal_reader_close(feed->reader);
    free(feed);
}

/* The next record is in feed->record. SP_AGAIN: there is none up to `upto`. */
SP_NODISCARD static sp_status peek(struct sp_ledger_feed *feed, uint64_t upto, struct sp_err *err)
{
    if (!feed->held) {
        sp_status status = sp_journal_reader_next(feed->reader, &feed->record, &feed->meta, err);
        feed->journal_failed = status != SP_OK && status != SP_AGAIN;
        if (status != SP_OK) return status;
        feed->held = true;
    }
    return feed->record.seq > upto ? SP_AGAIN : SP_OK;
}

/* SP_AGAIN: written, and there is no more. */
SP_NODISCARD static sp_status put_batches(struct sp_ledger_feed *feed, uint64_t upto,
                                          uint64_t *cursor, struct sp_err *err)
{
    const uint32_t batch_min = SP_BUG(ledger_splits_batches) ? 1 : BATCH_MIN;
    bool within = false;

    for (uint32_t count = 0; within || count < batch_min; count++) {
        sp_status status = peek(feed, upto, err);
        if (status == SP_AGAIN && within) {
            feed->journal_failed = true;
            return SP_FAIL(err, SP_CORRUPT, "sequence %llu is within a batch of the journal",
                           (unsigned long long)*cursor);
        }
        if (status == SP_OK) status = sp_ledger_rows_put(feed->rows, &feed->record, err);
        if (status != SP_OK) return status;
        *cursor = feed->record.seq;
        within = feed->meta.batch_left > 0 && !SP_BUG(ledger_splits_batches);
        feed->held = false;
    }
    return SP_OK;
}

sp_status sp_ledger_feed_write(struct sp_ledger_feed *feed, uint64_t upto, struct sp_err *err)
{
    uint64_t before = sp_ledger_rows_cursor(feed->rows), cursor = before;

    sp_status end = peek(feed, upto, err);
    if (end != SP_OK) return end;
    sp_status status = sp_ledger_rows_begin(feed->rows, err);
    if (status == SP_OK) {
        end = put_batches(feed, upto, &cursor, err);
        if (end != SP_AGAIN) status = end;
    }
    if (status == SP_OK) status = sp_ledger_rows_commit(feed->rows, cursor, err);
    if (status == SP_OK) return end;
    sp_ledger_rows_rollback(feed->rows);
    return status;
}

bool sp_ledger_feed_journal_failed(const struct sp_ledger_feed *feed)
{
    return feed->journal_failed;
}

sp_status sp_ledger_fold(struct sp_ledger_rows *rows, const char *dir, const sp_name *stream,
                         uint64_t upto, struct sp_err *err)
{
    struct sp_ledger_feed *feed = NULL;

    if (upto != 0 && sp_ledger_rows_cursor(rows) >= upto) return SP_OK;
    sp_status status = sp_ledger_feed_open(rows, dir, stream, &feed, err);
    while (status == SP_OK)
        status = sp_ledger_feed_write(feed, upto != 0 ? upto : UINT64_MAX, err);
    sp_ledger_feed_close(feed);
    if (status != SP_AGAIN) return status;
    if (upto == 0 || sp_ledger_rows_cursor(rows) >= upto) return SP_OK;
    return SP_FAIL(err, SP_CORRUPT, "the journal ends at %llu, but the ledger has seen %llu",
                   (unsigned long long)sp_ledger_rows_cursor(rows), (unsigned long long)upto);
}
