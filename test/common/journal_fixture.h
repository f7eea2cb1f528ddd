/* What the journal's tests share: a folder, records that say who they are, and a check that reads
 * them back. */
#ifndef SP_TEST_JOURNAL_FIXTURE_H
#define SP_TEST_JOURNAL_FIXTURE_H

#include "common/journal/journal.h"

#include "folder.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define FIRST_SEGMENT "00000000000000000001.jsonl"
#define FILE_CAP      ((size_t)4 * 1024 * 1024)

/* A kill loses nothing that was written, so most tests need no sync, and are quicker without. */
static inline int no_sync(void *self, int fd)
{
    (void)self;
    (void)fd;
    return 0;
}
static inline int no_sync_dir(void *self, const char *path)
{
    (void)self;
    (void)path;
    return 0;
}
static inline const struct sp_file_port *quick_port(void)
{
    static struct sp_file_port port;

    port = *sp_file_port_real();
    port.sync = no_sync;
    port.datasync = no_sync;
    port.sync_dir = no_sync_dir;
    return &port;
}

static inline struct sp_journal_options options_for(const struct folder *f, uint32_t epoch)
{
    return (struct sp_journal_options){.dir = f->path,
                                       .stream = sp_name_of("execution"),
                                       .installation = "testbench",
                                       .world = "paper",
                                       .epoch = epoch,
                                       .sync_every = {-1},
                                       .start_time = {INT64_C(1795374000123456789)},
                                       .build = "0.0.0",
                                       .boot_id = sp_name_of("boot"),
                                       .port = quick_port()};
}

/* What a test writes as record `seq`: a cursor whose count is the sequence. */
static inline void record_make(struct sp_record *out, uint64_t seq, uint32_t epoch)
{
    memset(out, 0, sizeof *out);
    out->stream = sp_name_of("execution");
    out->epoch = epoch;
    out->seq = seq;
    out->time = (sp_wall){INT64_C(1795374000000000000) + (int64_t)seq * 1000};
    out->kind = SP_REC_CURSOR;
    out->body.cursor.inputs = (uint32_t)seq;
}

static inline sp_status append_batch(struct sp_journal *journal, uint32_t epoch, uint32_t count,
                                     struct sp_err *err)
{
    static struct sp_record records[32];
    uint64_t seq = sp_journal_next_seq(journal);

    for (uint32_t i = 0; i < count; i++)
        record_make(&records[i], seq + i, epoch);
    records[count - 1].in =
        (struct sp_ref){.stream = sp_name_of("md"), .epoch = 3, .seq = 1000 + seq};
    return sp_journal_append(journal, records, count, err);
}

/* Whether the record is what was written as its sequence: STREAM_STARTED and JOURNAL_TRUNCATED come
 * from opening, everything else is ours. */
static inline bool record_is_right(const struct sp_record *record)
{
    if (record->kind == SP_REC_STREAM_STARTED) {
        return record->body.stream_started.first_seq == record->seq;
    }
    if (record->kind == SP_REC_JOURNAL_TRUNCATED) {
        return record->body.journal_truncated.first_seq + 1 == record->seq;
    }
    return record->kind == SP_REC_CURSOR && record->body.cursor.inputs == (uint32_t)record->seq;
}

/* Reads from first_seq to the end. The status that ended it (SP_AGAIN if all is well); *last is the
 * last sequence read. Fails the test on a wrong record. */
static inline sp_status read_all(const char *dir, uint64_t first_seq, uint64_t *last,
                                 struct sp_err *err)
{
    static struct sp_record record;
    struct sp_journal_reader *reader = NULL;
    sp_name stream = sp_name_of("execution");
    uint64_t expected = first_seq;

    *last = first_seq - 1;
    sp_status status = sp_journal_reader_open(dir, &stream, first_seq, &reader, err);
    while (status == SP_OK) {
        status = sp_journal_reader_next(reader, &record, NULL, err);
        if (status != SP_OK) break;
        assert_int_equal(record.seq, expected);
        assert_true(record_is_right(&record));
        *last = expected++;
    }
    sp_journal_reader_close(reader);
    return status;
}

#endif
