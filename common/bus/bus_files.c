/* Where a consumer continues in a journal.
 *
 * Sequences never repeat, except when a power cut took back an unsynced tail: then a newer epoch
 * has begun at or below the cursor. Epochs only grow along the journal, so the place is found by
 * bisection: the first record of an epoch newer than the cursor's.
 */
#include "common/bus/bus_internal.h"

#include <stdio.h>
#include <stdlib.h>

bool sp_bus_files_dir(const struct sp_bus *bus, const sp_name *service, char out[BUS_DIR_SIZE])
{
    if (!bus->has_data_dir) return false;
    int len = snprintf(out, BUS_DIR_SIZE, "%s/%s", bus->data_dir, service->s);
    return len > 0 && len < BUS_DIR_SIZE;
}

static sp_status open_at(const struct bus_files *files, const sp_name *stream, uint64_t seq,
                         struct sp_journal_reader **out, struct sp_err *err)
{
    if (files->own != NULL) return sp_journal_read(files->own, seq, out, err);
    return sp_journal_reader_open(files->dir, stream, seq, out, err);
}

/* The record at a sequence. SP_AGAIN: past the end. */
static sp_status peek(const struct bus_files *files, const sp_name *stream, uint64_t seq,
                      struct sp_record *out, struct sp_err *err)
{
    struct sp_journal_reader *reader = NULL;
    sp_status status = open_at(files, stream, seq, &reader, err);

    if (status != SP_OK) return status;
    status = sp_journal_reader_next(reader, out, NULL, err);
    sp_journal_reader_close(reader);
    return status;
}

/* The first record of an epoch newer than the cursor's, between `low` and the cursor. SP_AGAIN if
 * there is none. */
static sp_status find_newer(const struct bus_files *files, const struct sp_ref *cursor,
                            uint64_t low, struct sp_record *scratch, uint64_t *out)
{
    uint64_t high = cursor->seq; /* known: newer, or past the end */
    sp_status status = SP_OK;

    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        status = peek(files, &cursor->stream, middle, scratch, NULL);
        if (status != SP_OK && status != SP_AGAIN) return status;
        if (status == SP_AGAIN || scratch->epoch > cursor->epoch) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    status = peek(files, &cursor->stream, high, scratch, NULL);
    if (status != SP_OK) return status;
    if (scratch->epoch <= cursor->epoch) return SP_AGAIN;
    *out = high;
    return SP_OK;
}

/* The cursor's own record is not there as it was seen. */
static sp_status open_rewound(const struct bus_files *files, const struct sp_ref *cursor,
                              struct sp_record *scratch, struct bus_place *out, struct sp_err *err)
{
    uint64_t first = 0;
    sp_status status = peek(files, &cursor->stream, 0, scratch, err);

    if (status != SP_OK) return status;
    if (scratch->seq > cursor->seq) return SP_AGAIN;
    status = find_newer(files, cursor, scratch->seq, scratch, &first);
    if (status != SP_OK) return status;
    status = open_at(files, &cursor->stream, first, &out->reader, err);
    if (status != SP_OK) return status;
    out->first_seq = first;
    out->epoch = scratch->epoch;
    out->rewound = true;
    return SP_OK;
}

static sp_status open_oldest(const struct bus_files *files, const sp_name *stream,
                             struct bus_place *out, struct sp_err *err)
{
    out->first_seq = 0;
    return open_at(files, stream, 0, &out->reader, err);
}

static sp_status open_verified(const struct bus_files *files, const struct sp_ref *cursor,
                               struct bus_place *out, struct sp_err *err)
{
    struct sp_journal_reader *reader = NULL;
    struct sp_record *scratch = malloc(sizeof(*scratch));

    if (scratch == NULL) return SP_FAIL(err, SP_NO_MEMORY, "record");
    sp_status status = open_at(files, &cursor->stream, cursor->seq, &reader, err);
    if (status == SP_OK) status = sp_journal_reader_next(reader, scratch, NULL, err);
    if (status == SP_OK && scratch->epoch == cursor->epoch) {
        *out = (struct bus_place){.reader = reader, .first_seq = cursor->seq + 1};
        free(scratch);
        return SP_OK;
    }
    sp_journal_reader_close(reader);
    if (status == SP_OK && scratch->epoch < cursor->epoch) {
        status = SP_FAIL(err, SP_CORRUPT,
                         "%s: record %" PRIu64 " is of epoch %" PRIu32 ", epoch %" PRIu32
                         " of it was already consumed: an old copy?",
                         cursor->stream.s, cursor->seq, scratch->epoch, cursor->epoch);
    } else if (status == SP_OK || status == SP_AGAIN) {
        status = open_rewound(files, cursor, scratch, out, err);
    }
    free(scratch);
    return status;
}

sp_status sp_bus_files_open(const struct bus_files *files, const struct sp_ref *cursor, bool verify,
                            struct bus_place *out, struct sp_err *err)
{
    struct bus_place place = {0};
    sp_status status;

    if (cursor->seq == 0) {
        status = open_oldest(files, &cursor->stream, &place, err);
    } else {
        status = verify ? open_verified(files, cursor, &place, err) : SP_GONE;
    }
    if (status == SP_GONE && cursor->seq != 0) { /* what follows may be the oldest that is held */
        place.first_seq = cursor->seq + 1;
        status = open_at(files, &cursor->stream, place.first_seq, &place.reader, err);
    }
    if (status == SP_GONE) {
        place.gone = true;
        status = open_oldest(files, &cursor->stream, &place, err);
    }
    if (status == SP_OK) *out = place;
    return status;
}
