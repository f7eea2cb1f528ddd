#include "journal_fixture.h"

#include "common/journal/journal_segment.h"
#include "proto/decimal.h"

static char *read_whole(const char *path, size_t *len)
{
    char *buf = malloc(FILE_CAP);
    long n = file_read(path, buf, FILE_CAP);

    assert_true(n >= 0);
    *len = (size_t)n;
    return buf;
}

static void test_journal_format_is_pinned(void **state)
{
    struct folder f = folder_make();
    struct sp_journal_options options = options_for(&f, 7);
    struct sp_journal *journal = NULL;
    char path[512], golden_path[512];
    size_t len = 0, golden_len = 0;

    (void)state;
    assert_int_equal(sp_journal_open(&options, &journal, NULL), SP_OK);
    assert_int_equal(append_batch(journal, 7, 3, NULL), SP_OK);
    assert_int_equal(sp_journal_sync(journal, NULL), SP_OK);
    struct sp_record record;
    record_make(&record, 5, 7);
    sp_record_add_cause(&record, &(struct sp_ref){sp_name_of("strategy.ema"), 3, 118});
    assert_int_equal(sp_journal_append(journal, &record, 1, NULL), SP_OK);
    assert_int_equal(sp_journal_seal(journal, NULL), SP_OK);
    sp_journal_close(journal);

    char *text = read_whole(folder_path(&f, FIRST_SEGMENT, path), &len);
    snprintf(golden_path, sizeof golden_path, "%s/test/golden/journal.jsonl",
             getenv("SPOOR_SOURCE"));
    if (getenv("SPOOR_GOLDEN_WRITE") != NULL) file_write(golden_path, text, len);
    char *golden = read_whole(golden_path, &golden_len);
    assert_int_equal(len, golden_len);
    assert_memory_equal(text, golden, len);
    free(text);
    free(golden);
    folder_remove(&f);
}

static void test_journal_gives_back_what_was_written(void **state)
{
    struct folder f = folder_make();
    struct sp_journal_options options = options_for(&f, 1);
    struct sp_journal *journal = NULL;
    struct sp_journal_report report;
    uint64_t last = 0;

    (void)state;
    options.segment_bytes = 20000;
    assert_int_equal(sp_journal_open(&options, &journal, NULL), SP_OK);
    for (uint32_t i = 0; i < 200; i++) {
        assert_int_equal(append_batch(journal, 1, 1 + i % 32, NULL), SP_OK);
    }
    uint64_t end = sp_journal_next_seq(journal) - 1;
    assert_true(sp_journal_stats(journal).segments > 5);
    for (uint64_t first = 1; first <= end; first += 7) {
        assert_int_equal(read_all(f.path, first, &last, NULL), SP_AGAIN);
        assert_int_equal(last, end);
    }
    assert_true(sp_journal_durable_seq(journal) < end);
    assert_int_equal(sp_journal_sync(journal, NULL), SP_OK);
    assert_int_equal(sp_journal_durable_seq(journal), end);
    sp_journal_close(journal);
    sp_name stream = sp_name_of("execution");
    assert_int_equal(sp_journal_verify(f.path, &stream, &report, NULL), SP_OK);
    assert_int_equal(report.records, end);
    assert_int_equal(report.batches, 201);
    assert_int_equal(report.epochs, 1);
    assert_int_equal(report.sealed + 1, report.segments);
    assert_false(report.torn_tail);
    folder_remove(&f);
}

static void test_journal_bisection_finds_every_record_of_a_large_segment(void **state)
{
    struct folder f = folder_make();
    struct sp_journal_options options = options_for(&f, 1);
    struct sp_journal *journal = NULL;
    static struct sp_record record;

    (void)state;
    assert_int_equal(sp_journal_open(&options, &journal, NULL), SP_OK);
    for (uint32_t i = 0; i < 2000; i++) {
        assert_int_equal(append_batch(journal, 1, 1 + i % 7, NULL), SP_OK);
    }
    uint64_t end = sp_journal_next_seq(journal) - 1;
    sp_journal_close(journal);
    for (uint64_t first = 1; first <= end + 1; first += 97) {
        struct sp_journal_reader *reader = NULL;
        assert_int_equal(sp_journal_reader_open(f.path, NULL, first, &reader, NULL), SP_OK);
        assert_int_equal(sp_journal_reader_next(reader, &record, NULL, NULL),
                         first <= end ? SP_OK : SP_AGAIN);
        if (first <= end) assert_int_equal(record.seq, first);
        sp_journal_reader_close(reader);
    }
    folder_remove(&f);
}

static void test_journal_each_epoch_begins_with_its_name(void **state)
{
    struct folder f = folder_make();
    struct sp_journal *journal = NULL;
    uint64_t last = 0;

    (void)state;
    for (uint32_t epoch = 1; epoch <= 5; epoch++) {
        struct sp_journal_options options = options_for(&f, epoch);
        assert_int_equal(sp_journal_open(&options, &journal, NULL), SP_OK);
        assert_int_equal(sp_journal_next_seq(journal), epoch * 4 - 2);
        assert_int_equal(sp_journal_durable_seq(journal), epoch * 4 - 3);
        assert_int_equal(append_batch(journal, epoch, 3, NULL), SP_OK);
        if (epoch == 3) assert_int_equal(sp_journal_seal(journal, NULL), SP_OK);
        sp_journal_close(journal);
    }
    assert_int_equal(read_all(f.path, 1, &last, NULL), SP_AGAIN);
    assert_int_equal(last, 20);
    struct sp_journal_options stale = options_for(&f, 5);
    assert_int_equal(sp_journal_open(&stale, &journal, NULL), SP_FENCED);
    folder_remove(&f);
}

static void test_journal_goes_on_after_a_seal(void **state)
{
    struct folder f = folder_make();
    struct sp_journal_options options = options_for(&f, 1);
    struct sp_journal *journal = NULL;
    uint64_t last = 0;

    (void)state;
    assert_int_equal(sp_journal_open(&options, &journal, NULL), SP_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(append_batch(journal, 1, 2, NULL), SP_OK);
        assert_int_equal(sp_journal_seal(journal, NULL), SP_OK);
        assert_int_equal(sp_journal_seal(journal, NULL), SP_OK);
    }
    assert_int_equal(sp_journal_stats(journal).segments, 3);
    assert_int_equal(read_all(f.path, 1, &last, NULL), SP_AGAIN);
    assert_int_equal(last, 7);
    sp_journal_close(journal);
    folder_remove(&f);
}

static void test_journal_reader_follows_a_writer_over_rotations(void **state)
{
    struct folder f = folder_make();
    struct sp_journal_options options = options_for(&f, 1);
    struct sp_journal *journal = NULL;
    struct sp_journal_reader *reader = NULL;
    static struct sp_record record;
    struct sp_line_meta meta;
    uint64_t expected = 1;

    (void)state;
    options.segment_bytes = 3000;
    assert_int_equal(sp_journal_open(&options, &journal, NULL), SP_OK);
    assert_int_equal(sp_journal_reader_open(f.path, NULL, 1, &reader, NULL), SP_OK);
    for (uint32_t i = 0; i < 300; i++) {
        assert_int_equal(append_batch(journal, 1, 1 + i % 3, NULL), SP_OK);
        if (i % 5 == 0) assert_int_equal(sp_journal_seal(journal, NULL), SP_OK);
        sp_status status;
        while ((status = sp_journal_reader_next(reader, &record, &meta, NULL)) == SP_OK) {
            assert_int_equal(record.seq, expected++);
            assert_true(record_is_right(&record));
            size_t len = 0;
            const char *line = sp_journal_reader_line(reader, &len);
            assert_true(len > SP_LINE_CRC_PREFIX && line[0] == '{' && line[len - 1] == '}');
        }
        assert_int_equal(status, SP_AGAIN);
        assert_int_equal(expected, sp_journal_next_seq(journal));
    }
    sp_journal_reader_close(reader);
    sp_journal_close(journal);
    folder_remove(&f);
}

static void test_journal_reader_never_shows_half_a_batch(void **state)
{
    struct folder f = folder_make();
    struct sp_journal_options options = options_for(&f, 1);
    struct sp_journal *journal = NULL;
    struct sp_journal_reader *reader = NULL;
    static struct sp_record record;
    char path[512];
    size_t before = 0, after = 0;

    (void)state;
    assert_int_equal(sp_journal_open(&options, &journal, NULL), SP_OK);
    free(read_whole(folder_path(&f, FIRST_SEGMENT, path), &before));
    assert_int_equal(append_batch(journal, 1, 4, NULL), SP_OK);
    sp_journal_close(journal);
    char *text = read_whole(path, &after);
    assert_int_equal(truncate(path, (off_t)before), 0);
    assert_int_equal(sp_journal_reader_open(f.path, NULL, 2, &reader, NULL), SP_OK);
    FILE *out = fopen(path, "ab");
    for (size_t i = before; i < after; i++) {
        assert_int_equal(sp_journal_reader_next(reader, &record, NULL, NULL), SP_AGAIN);
        assert_int_equal(fputc(text[i], out), (unsigned char)text[i]);
        fflush(out);
    }
    for (uint64_t seq = 2; seq <= 5; seq++) {
        assert_int_equal(sp_journal_reader_next(reader, &record, NULL, NULL), SP_OK);
        assert_int_equal(record.seq, seq);
    }
    fclose(out);
    free(text);
    sp_journal_reader_close(reader);
    folder_remove(&f);
}

static void test_journal_reader_says_what_is_gone_and_what_is_foreign(void **state)
{
    struct folder f = folder_make();
    struct sp_journal_options options = options_for(&f, 1);
    struct sp_journal *journal = NULL;
    struct sp_journal_reader *reader = NULL;
    char path[512];
    sp_name other = sp_name_of("strategy.ema");
    static struct sp_record record;

    (void)state;
    assert_int_equal(sp_journal_reader_open(f.path, NULL, 1, &reader, NULL), SP_NOT_FOUND);
    assert_int_equal(sp_journal_reader_open(folder_path(&f, "none", path), NULL, 1, &reader, NULL),
                     SP_NOT_FOUND);
    assert_int_equal(sp_journal_open(&options, &journal, NULL), SP_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(append_batch(journal, 1, 2, NULL), SP_OK);
        assert_int_equal(sp_journal_seal(journal, NULL), SP_OK);
    }
    sp_journal_close(journal);
    assert_int_equal(sp_journal_reader_open(f.path, &other, 1, &reader, NULL), SP_INVALID);
    options.epoch = 2;
    assert_int_equal(sp_journal_open(&options, &journal, NULL), SP_OK);
    record_make(&record, sp_journal_next_seq(journal), 2);
    record.kind = SP_REC_JOURNAL_TRIMMED;
    record.body.journal_trimmed = (struct sp_journal_trimmed){.first_seq = 4};
    assert_int_equal(sp_journal_append(journal, &record, 1, NULL), SP_OK);
    assert_int_equal(sp_journal_sync(journal, NULL), SP_OK);
    assert_int_equal(sp_journal_delete_before(journal, 4, NULL), SP_OK);
    sp_journal_close(journal);
    assert_int_equal(sp_journal_reader_open(f.path, NULL, 3, &reader, NULL), SP_GONE);
    assert_int_equal(sp_journal_reader_open(f.path, NULL, 4, &reader, NULL), SP_OK);
    sp_journal_reader_close(reader);
    assert_int_equal(sp_journal_reader_open(f.path, NULL, 0, &reader, NULL), SP_OK);
    assert_int_equal(sp_journal_reader_next(reader, &record, NULL, NULL), SP_OK);
    assert_int_equal(record.seq, 4);
    sp_journal_reader_close(reader);
    options.epoch = 3; /* old segments may be gone, the journal goes on */
    assert_int_equal(sp_journal_open(&options, &journal, NULL), SP_OK);
    assert_int_equal(sp_journal_first_seq(journal), 4);
    assert_int_equal(sp_journal_next_seq(journal), 11);
    sp_journal_close(journal);
    folder_remove(&f);
}

static void test_journal_helper_syncs_by_itself(void **state)
{
    struct folder f = folder_make();
    struct sp_journal_options options = options_for(&f, 1);
    struct sp_journal *journal = NULL;

    (void)state;
    options.sync_every = (sp_dur){2 * 1000000};
    assert_int_equal(sp_journal_open(&options, &journal, NULL), SP_OK);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(append_batch(journal, 1, 2, NULL), SP_OK);
        uint64_t written = sp_journal_next_seq(journal) - 1;
        for (int tries = 0; sp_journal_durable_seq(journal) < written; tries++) {
            assert_true(tries < 5000);
            usleep(1000);
        }
    }
    assert_int_equal(sp_journal_health(journal), SP_OK);
    sp_journal_close(journal);
    folder_remove(&f);
}

/* The file's length, and how much of it is not blank. */
static size_t lengths(const struct folder *f, const char *name, size_t *written)
{
    char path[512];
    size_t len = 0;
    char *text = read_whole(folder_path(f, name, path), &len);

    *written = len;
    while (*written > 0 && text[*written - 1] == '\t')
        --*written;
    assert_null(memchr(text, '\t', *written));
    free(text);
    return len;
}

/* A reader that follows sees each batch when it is written and nothing of the blanks; the file
 * grows only when they are made, and a start cuts them off without a word. */
static void test_journal_blanks_are_written_over(void **state)
{
    struct folder f = folder_make();
    struct sp_journal_options options = options_for(&f, 1);
    struct sp_journal *journal = NULL;
    struct sp_journal_reader *reader = NULL;
    static struct sp_record record;
    struct sp_journal_report report;
    uint64_t expected = 1, last = 0;
    size_t len = 0, written = 0, made = 0;

    (void)state;
    options.blanks_bytes = 4096;
    assert_int_equal(sp_journal_open(&options, &journal, NULL), SP_OK);
    assert_int_equal(sp_journal_reader_open(f.path, NULL, 1, &reader, NULL), SP_OK);
    for (uint32_t i = 0; i < 200; i++) {
        if (sp_journal_is_short(journal)) {
            assert_int_equal(sp_journal_prepare(journal, NULL), SP_OK);
            assert_int_equal(sp_journal_durable_seq(journal), sp_journal_next_seq(journal) - 1);
            len = lengths(&f, FIRST_SEGMENT, &written);
            assert_int_equal(len, written + 4096);
            made++;
        }
        assert_false(sp_journal_is_short(journal));
        assert_int_equal(append_batch(journal, 1, 1 + i % 4, NULL), SP_OK);
        assert_int_equal(lengths(&f, FIRST_SEGMENT, &written), len);
        sp_status status;
        while ((status = sp_journal_reader_next(reader, &record, NULL, NULL)) == SP_OK) {
            assert_int_equal(record.seq, expected++);
            assert_true(record_is_right(&record));
        }
        assert_int_equal(status, SP_AGAIN);
        assert_int_equal(expected, sp_journal_next_seq(journal));
    }
    assert_in_range(made, written / 4096, written / 3072 + 1);
    sp_journal_reader_close(reader);
    sp_journal_close(journal);
    assert_int_equal(sp_journal_verify(f.path, NULL, &report, NULL), SP_OK);
    assert_false(report.torn_tail);
    assert_int_equal(report.bytes, written);
    options.epoch = 2;
    assert_int_equal(sp_journal_open(&options, &journal, NULL), SP_OK);
    assert_int_equal(sp_journal_next_seq(journal), expected + 1); /* and no JOURNAL_TRUNCATED */
    size_t before = written;
    len = lengths(&f, FIRST_SEGMENT, &written);
    assert_int_equal(len, written);
    assert_true(written > before);
    sp_journal_close(journal);
    assert_int_equal(read_all(f.path, 1, &last, NULL), SP_AGAIN);
    assert_int_equal(last, expected);
    folder_remove(&f);
}

static void test_journal_blanks_are_cut_off_before_a_seal(void **state)
{
    struct folder f = folder_make();
    struct sp_journal_options options = options_for(&f, 1);
    struct sp_journal *journal = NULL;
    struct sp_journal_report report;
    size_t written = 0;

    (void)state;
    options.segment_bytes = 3000;
    assert_int_equal(sp_journal_open(&options, &journal, NULL), SP_OK);
    for (uint32_t i = 0; i < 40; i++) {
        assert_int_equal(append_batch(journal, 1, 3, NULL), SP_OK);
        assert_int_equal(sp_journal_prepare(journal, NULL), SP_OK);
    }
    size_t len = lengths(&f, FIRST_SEGMENT, &written);
    assert_int_equal(len, written);
    assert_int_equal(sp_journal_seal(journal, NULL), SP_OK);
    assert_false(sp_journal_is_short(journal)); /* nothing more is written to it */
    uint64_t segments = sp_journal_stats(journal).segments;
    sp_journal_close(journal);
    assert_true(segments > 3);
    assert_int_equal(sp_journal_verify(f.path, NULL, &report, NULL), SP_OK);
    assert_int_equal(report.sealed, segments);
    options.epoch = 2;
    assert_int_equal(sp_journal_open(&options, &journal, NULL), SP_OK);
    sp_journal_close(journal);
    folder_remove(&f);
}

/* What a writer left that died while it made a file. */
static void test_journal_start_removes_unfinished_files(void **state)
{
    static const char *const names[] = {"segment.tmp", "index.tmp", "zip.tmp"};
    struct folder f = folder_make();
    struct sp_journal_options options = options_for(&f, 1);
    struct sp_journal *journal = NULL;
    char path[512];

    (void)state;
    for (uint32_t i = 0; i < 3; i++)
        file_write(folder_path(&f, names[i], path), "half", 4);
    assert_int_equal(sp_journal_open(&options, &journal, NULL), SP_OK);
    sp_journal_close(journal);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_not_equal(access(folder_path(&f, names[i], path), F_OK), 0);
    folder_remove(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_journal_format_is_pinned),
        cmocka_unit_test(test_journal_gives_back_what_was_written),
        cmocka_unit_test(test_journal_bisection_finds_every_record_of_a_large_segment),
        cmocka_unit_test(test_journal_each_epoch_begins_with_its_name),
        cmocka_unit_test(test_journal_goes_on_after_a_seal),
        cmocka_unit_test(test_journal_reader_follows_a_writer_over_rotations),
        cmocka_unit_test(test_journal_reader_never_shows_half_a_batch),
        cmocka_unit_test(test_journal_reader_says_what_is_gone_and_what_is_foreign),
        cmocka_unit_test(test_journal_helper_syncs_by_itself),
        cmocka_unit_test(test_journal_blanks_are_written_over),
        cmocka_unit_test(test_journal_blanks_are_cut_off_before_a_seal),
        cmocka_unit_test(test_journal_start_removes_unfinished_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
