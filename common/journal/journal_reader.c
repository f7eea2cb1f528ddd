#include "common/journal/journal.h"

#include "common/journal/journal_begin.h"
#include "common/journal/journal_ops.h"
#include "common/journal/journal_segment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sp_journal_reader {
    struct sp_journal_reader_base base;
    char dir[SP_SEGMENT_PATH_SIZE];
    sp_name stream;
    uint64_t first_seq; /* records before it are passed over */
    bool any_begin;     /* the caller looks itself at what it begins with */
    struct sp_segment_cursor cursor;
    struct sp_batch batch;
    uint32_t batch_at; /* next line of the batch */
    uint64_t newest;   /* first sequence of the newest segment when this one was entered */
    struct sp_batch_line line;
    /* How far it came, for verification. */
    uint64_t bytes_before; /* in segments that are done */
    uint32_t segments, sealed;
};

/* Where the newest segment begins. */
static sp_status find_newest(const struct sp_journal_reader *reader, uint64_t *out,
                             struct sp_err *err)
{
    struct sp_segment_list list;
    sp_status status = sp_segment_list_read(reader->dir, &list, err);

    if (status != SP_OK) return status;
    *out = list.first[list.count - 1];
    sp_segment_list_free(&list);
    return SP_OK;
}

static sp_status enter_segment(struct sp_journal_reader *reader, uint64_t first_seq,
                               struct sp_err *err)
{
    struct sp_segment_cursor next = {0};
    struct sp_segment_cursor *cursor = &reader->cursor;
    sp_status status = sp_segment_open(&next, reader->dir, first_seq, err);

    if (status != SP_OK) return status;
    if (sp_name_is_empty(&reader->stream)) reader->stream = next.head.stream;
    if (!sp_name_eq(&reader->stream, &next.head.stream)) {
        status = SP_FAIL(err, SP_INVALID, "%s holds the stream %s, not %s", next.path,
                         next.head.stream.s, reader->stream.s);
    } else if (reader->segments > 0 && next.head.prev_crc != cursor->crc) {
        status = sp_segment_damaged(&next, "does not follow the segment before", err);
    } else if (reader->segments > 0 && next.head.epoch < cursor->epoch) {
        status = sp_segment_damaged(&next, "epoch goes back", err);
    }
    if (status == SP_OK) status = find_newest(reader, &reader->newest, err);
    if (status != SP_OK) {
        sp_segment_close(&next);
        return status;
    }
    reader->bytes_before += cursor->at;
    sp_segment_close(cursor);
    *cursor = next;
    reader->segments++;
    return SP_OK;
}

/* From the oldest record on, and it must be known why there is none before it. */
static sp_status check_begin(const struct sp_journal_reader *reader, struct sp_err *err)
{
    struct sp_begin begin;

    return sp_begin_check(reader->dir, 0, &begin, err);
}

/* Finds the segment that holds first_seq. */
static sp_status enter_first(struct sp_journal_reader *reader, struct sp_err *err)
{
    struct sp_segment_list list;
    sp_status status = sp_segment_list_read(reader->dir, &list, err);

    if (status != SP_OK) return status;
    size_t i = list.count - 1;
    while (i > 0 && list.first[i] > reader->first_seq)
        i--;
    uint64_t oldest = list.first[0], start = reader->first_seq == 0 ? oldest : list.first[i];
    sp_segment_list_free(&list);
    if (start > reader->first_seq && start > 1 && !reader->any_begin) {
        status = check_begin(reader, err);
        if (status != SP_OK) return status;
    }
    if (start > reader->first_seq && reader->first_seq > 0) {
        return SP_FAIL(err, SP_GONE, "%s holds records from %" PRIu64 " on, not %" PRIu64,
                       reader->dir, oldest, reader->first_seq);
    }
    status = enter_segment(reader, start, err);
    if (status == SP_NOT_FOUND) {
        return SP_FAIL(err, SP_GONE, "%s was deleted meanwhile", reader->dir);
    }
    if (status != SP_OK || reader->first_seq == 0) return status;
    return sp_segment_seek(&reader->cursor, reader->first_seq, err);
}

static void file_close(struct sp_journal_reader *reader)
{
    sp_segment_close(&reader->cursor);
    free(reader);
}

/* Behind a SEAL: SP_OK in the next segment, SP_AGAIN if it is not there yet. */
static sp_status follow(struct sp_journal_reader *reader, struct sp_err *err)
{
    uint64_t newest = 0, next_seq = reader->cursor.next_seq;
    sp_status status = enter_segment(reader, next_seq, err);

    if (status == SP_OK) reader->sealed++;
    if (status != SP_NOT_FOUND) return status;
    status = find_newest(reader, &newest, err);
    if (status != SP_OK) return status;
    if (newest <= next_seq) return SP_AGAIN;
    return SP_FAIL(err, SP_GONE, "%s no longer holds record %" PRIu64, reader->dir, next_seq);
}

/* Whether this is not the last segment: a writer seals one before it begins the next. */
static sp_status look_for_next(const struct sp_journal_reader *reader, bool *is_older,
                               struct sp_err *err)
{
    const struct sp_segment_cursor *cursor = &reader->cursor;

    *is_older = reader->newest > cursor->head.first_seq;
    if (*is_older || cursor->next_seq == cursor->head.first_seq) return SP_OK;
    return sp_segment_look(reader->dir, cursor->next_seq, is_older, err);
}

static sp_status next_batch(struct sp_journal_reader *reader, struct sp_err *err)
{
    struct sp_segment_cursor *cursor = &reader->cursor;
    sp_status status = sp_segment_next(cursor, &reader->batch, err);
    bool is_older = false;

    if (status == SP_CLOSED) {
        status = follow(reader, err);
        if (status != SP_OK) return status;
        status = sp_segment_next(cursor, &reader->batch, err);
        if (status == SP_CLOSED) return sp_segment_damaged(cursor, "a seal without records", err);
    }
    if (status == SP_AGAIN) {
        sp_status looked = look_for_next(reader, &is_older, err);
        if (looked != SP_OK) return looked;
    }
    if (status == SP_AGAIN && is_older) {
        /* It may have been sealed between our two looks. */
        status = sp_segment_next(cursor, &reader->batch, err);
        if (status == SP_CLOSED) return next_batch(reader, err);
        if (status == SP_AGAIN) return sp_segment_damaged(cursor, "ends without a seal", err);
    }
    if (status == SP_CORRUPT && cursor->why != NULL) {
        status = find_newest(reader, &reader->newest, err);
        if (status != SP_OK) return status;
        status = look_for_next(reader, &is_older, err);
        if (status != SP_OK) return status;
        if (is_older) return sp_segment_damaged(cursor, cursor->why, err);
        status = sp_segment_judge(cursor, 0, err);
        if (status == SP_OK) status = SP_AGAIN;
    }
    return status;
}

static sp_status file_next(struct sp_journal_reader *reader, struct sp_record *out,
                           struct sp_line_meta *meta, struct sp_err *err)
{
    struct sp_line_meta ours;
    uint64_t seq = 0;

    do {
        if (reader->batch_at == reader->batch.count) {
            reader->batch_at = reader->batch.count = 0;
            sp_status status = next_batch(reader, err);
            if (status != SP_OK) {
                reader->batch.count = 0;
                return status;
            }
        }
        seq = reader->cursor.next_seq - reader->batch.count + reader->batch_at++;
    } while (seq < reader->first_seq);

    reader->line = reader->batch.line[reader->batch_at - 1];
    sp_status status = sp_json_decode_line(reader->line.text, reader->line.len_bytes,
                                           &reader->stream, out, meta != NULL ? meta : &ours, err);
    if (status != SP_OK) {
        struct sp_err cause = err != NULL ? *err : (struct sp_err){0};
        return SP_FAIL(err, SP_CORRUPT, "%s: record %" PRIu64 ": %.100s", reader->cursor.path, seq,
                       cause.text);
    }
    SP_ASSERT(out->seq == seq);
    return SP_OK;
}

static const char *file_line(const struct sp_journal_reader *reader, size_t *len_bytes)
{
    *len_bytes = reader->line.len_bytes;
    return reader->line.text;
}

static const struct sp_journal_reader_ops file_ops = {
    .next = file_next, .line = file_line, .close = file_close};

/* One that has entered no segment yet. */
static sp_status make_reader(const char *dir, const sp_name *stream, struct sp_journal_reader **out,
                             struct sp_err *err)
{
    char path[SP_SEGMENT_PATH_SIZE];
    sp_status status = sp_segment_path(dir, 0, path, err);

    if (status != SP_OK) return status;
    struct sp_journal_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL) return SP_FAIL(err, SP_NO_MEMORY, "no memory to read %s", dir);
    snprintf(reader->dir, sizeof reader->dir, "%s", dir);
    if (stream != NULL) reader->stream = *stream;
    reader->base.ops = &file_ops;
    *out = reader;
    return SP_OK;
}

sp_status sp_journal_reader_open(const char *dir, const sp_name *stream, uint64_t first_seq,
                                 struct sp_journal_reader **out, struct sp_err *err)
{
    struct sp_journal_reader *reader = NULL;
    sp_status status = make_reader(dir, stream, &reader, err);

    if (status != SP_OK) return status;
    reader->first_seq = first_seq;
    status = enter_first(reader, err);
    if (status != SP_OK) {
        sp_journal_reader_close(reader);
        return status;
    }
    *out = reader;
    return SP_OK;
}

/* The end of what verifies must be the end of what is there. */
static sp_status verify_end(struct sp_journal_reader *reader, struct sp_journal_report *report,
                            struct sp_err *err)
{
    uint64_t newest = 0;
    const struct sp_segment_cursor *cursor = &reader->cursor;
    sp_status status = find_newest(reader, &newest, err);

    if (status != SP_OK) return status;
    if (newest > cursor->head.first_seq) {
        return sp_segment_damaged(cursor, "the segments behind it do not follow", err);
    }
    int64_t end = sp_segment_file_end(&reader->cursor.file, cursor->at);
    if (end < 0) return SP_FAIL(err, SP_IO, "cannot read %s", cursor->path);
    report->torn_tail = (uint64_t)end > cursor->at;
    return SP_OK;
}

static sp_status verify_records(struct sp_journal_reader *reader, struct sp_journal_report *report,
                                uint64_t *trimmed_to, struct sp_err *err)
{
    struct sp_record record;
    struct sp_line_meta meta;
    uint32_t epoch = 0;
    sp_status status;

    while ((status = sp_journal_reader_next(reader, &record, &meta, err)) == SP_OK) {
        if (record.epoch != epoch) report->epochs++;
        epoch = record.epoch;
        report->last_seq = record.seq;
        report->records++;
        if (meta.batch_left == 0) report->batches++;
        if (record.kind == SP_REC_JOURNAL_TRIMMED)
            *trimmed_to = record.body.journal_trimmed.first_seq;
    }
    return status;
}

sp_status sp_journal_verify(const char *dir, const sp_name *stream,
                            struct sp_journal_report *report, struct sp_err *err)
{
    struct sp_journal_reader *reader = NULL;
    uint64_t trimmed_to = 0;
    bool accepted = false;

    *report = (struct sp_journal_report){0};
    sp_status status = make_reader(dir, stream, &reader, err);
    if (status != SP_OK) return status;
    reader->any_begin = true;
    status = enter_first(reader, err);
    if (status != SP_OK) {
        sp_journal_reader_close(reader);
        return status;
    }
    report->first_seq = reader->cursor.next_seq;
    status = verify_records(reader, report, &trimmed_to, err);
    if (status == SP_AGAIN) status = verify_end(reader, report, err);
    if (status == SP_GONE) {
        status = sp_segment_damaged(&reader->cursor, "the segment behind it is missing", err);
    }
    if (status == SP_OK && !sp_begin_is_known(dir, report->first_seq, trimmed_to, &accepted))
        status = sp_begin_missing(dir, report->first_seq, err);
    report->bytes = reader->bytes_before + reader->cursor.at;
    report->segments = reader->segments;
    report->sealed = reader->sealed + (reader->cursor.sealed ? 1 : 0);
    sp_journal_reader_close(reader);
    return status;
}
