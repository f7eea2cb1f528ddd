/* Compressed segments: they say what the written ones said, at every step of the way. */
#include "common/clock.h"
#include "common/journal/journal_lookup.h"
#include "common/journal/segment_zip.h"
#include "fault_port.h"
#include "segments_fixture.h"

#include <unistd.h>

#define LARGE_BYTES   300000 /* several blocks */
#define FIRST_ZIP     "00000000000000000001.jsonl.zst"
#define LINES_MAX     4096
#define SOME_SEGMENTS 3

static char text[FILE_CAP], again[FILE_CAP];

/* Every line of a journal. */
struct lines {
    uint32_t count;
    char *at[LINES_MAX];
};

static sp_status lines_read(const struct folder *f, uint64_t first_seq, uint32_t max,
                            struct lines *out)
{
    static struct sp_record record;
    struct sp_journal_reader *reader = NULL;
    sp_status status = sp_journal_reader_open(f->path, NULL, first_seq, &reader, NULL);

    out->count = 0;
    while (status == SP_OK && out->count < max) {
        size_t len = 0;
        status = sp_journal_reader_next(reader, &record, NULL, NULL);
        if (status != SP_OK) break;
        const char *line = sp_journal_reader_line(reader, &len);
        assert_true(out->count < LINES_MAX);
        out->at[out->count++] = strndup(line, len);
    }
    sp_journal_reader_close(reader);
    return status;
}

static void lines_free(struct lines *lines)
{
    for (uint32_t i = 0; i < lines->count; i++)
        free(lines->at[i]);
    lines->count = 0;
}

static bool lines_same(const struct lines *a, const struct lines *b)
{
    bool same = a->count == b->count;

    for (uint32_t i = 0; same && i < a->count; i++)
        same = strcmp(a->at[i], b->at[i]) == 0;
    return same;
}

static sp_status zip_all(const struct folder *f, const struct sp_file_port *port,
                         struct sp_keeper_done *done)
{
    struct sp_keeper_options options = {.dir = f->path, .port = port, .compress_after = {1}};

    return sp_keeper_pass(&options, done, NULL);
}

static uint32_t count_files(const struct folder *f, const char *suffix)
{
    DIR *dir = opendir(f->path);
    uint32_t count = 0;

    assert_non_null(dir);
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        size_t len = strlen(e->d_name), end = strlen(suffix);
        count += len > end && strcmp(e->d_name + len - end, suffix) == 0 ? 1 : 0;
    }
    closedir(dir);
    return count;
}

static void test_journal_zip_reads_the_same_from_every_record(void **state)
{
    static struct lines plain, zipped;
    struct folder f = folder_make();
    struct sp_journal_report before, after;
    struct sp_keeper_done done;

    (void)state;
    segments_write_of(&f, 1, SOME_SEGMENTS, LARGE_BYTES);
    assert_int_equal(lines_read(&f, 0, LINES_MAX, &plain), SP_AGAIN);
    assert_int_equal(sp_journal_verify(f.path, NULL, &before, NULL), SP_OK);
    assert_int_equal(zip_all(&f, quick_port(), &done), SP_OK);
    assert_int_equal(done.compressed, SOME_SEGMENTS - 1);
    assert_int_equal(count_files(&f, ".jsonl"), 1);
    assert_int_equal(count_files(&f, ".jsonl.zst"), SOME_SEGMENTS - 1);
    assert_int_equal(count_files(&f, ".idx"), SOME_SEGMENTS - 1);
    assert_int_equal(count_files(&f, ".tmp"), 0);

    assert_int_equal(sp_journal_verify(f.path, NULL, &after, NULL), SP_OK);
    assert_memory_equal(&before, &after, sizeof before);
    assert_int_equal(lines_read(&f, 0, LINES_MAX, &zipped), SP_AGAIN);
    assert_true(lines_same(&plain, &zipped));
    lines_free(&zipped);
    for (uint32_t seq = 1; seq <= plain.count; seq++) {
        assert_int_equal(lines_read(&f, seq, 1, &zipped), SP_OK);
        assert_string_equal(zipped.at[0], plain.at[seq - 1]);
        lines_free(&zipped);
    }
    lines_free(&plain);
    assert_int_equal(zip_all(&f, quick_port(), &done), SP_OK);
    assert_int_equal(done.compressed + done.indexed, 0);
    folder_remove(&f);
}

static void test_journal_zip_is_found_by_its_index(void **state)
{
    struct folder f = folder_make();
    struct sp_lookup *lookup = NULL;
    static struct lines plain;

    (void)state;
    segments_write_of(&f, 1, SOME_SEGMENTS, LARGE_BYTES);
    assert_int_equal(lines_read(&f, 0, LINES_MAX, &plain), SP_AGAIN);
    assert_int_equal(zip_all(&f, quick_port(), NULL), SP_OK);
    assert_int_equal(sp_lookup_open(f.path, &lookup, NULL), SP_OK);
    assert_int_equal(sp_lookup_scanned(lookup), 1);
    assert_int_equal(sp_lookup_records(lookup), plain.count);
    assert_string_equal(sp_lookup_damage(lookup), "");
    for (uint32_t i = 0; i < sp_lookup_count(lookup); i++) {
        struct sp_index_record record;
        size_t len = 0;
        const char *line = sp_lookup_line(lookup, i, &len);
        assert_non_null(line);
        assert_true(sp_lookup_record(lookup, i, &record));
        assert_int_equal(sp_lookup_seek(lookup, record.seq), i);
        assert_int_equal(len, strlen(plain.at[record.seq - 1]));
        assert_memory_equal(line, plain.at[record.seq - 1], len);
    }
    sp_lookup_close(lookup);
    lines_free(&plain);
    folder_remove(&f);
}

/* A writer goes on behind compressed segments, also if the last one is sealed and all others are
 * compressed. */
static void test_journal_zip_is_continued(void **state)
{
    struct folder f = folder_make();
    struct sp_journal_options options = options_for(&f, 2);
    struct sp_journal_report report;
    struct sp_journal *journal = NULL;

    (void)state;
    segments_write(&f, 1, SOME_SEGMENTS);
    assert_int_equal(zip_all(&f, quick_port(), NULL), SP_OK);
    assert_int_equal(sp_journal_open(&options, &journal, NULL), SP_OK);
    assert_int_equal(append_batch(journal, 2, 3, NULL), SP_OK);
    assert_int_equal(sp_journal_seal(journal, NULL), SP_OK);
    assert_int_equal(append_batch(journal, 2, 3, NULL), SP_OK);
    sp_journal_close(journal);
    assert_int_equal(zip_all(&f, quick_port(), NULL), SP_OK);
    assert_int_equal(count_files(&f, ".jsonl"), 1);
    assert_int_equal(sp_journal_verify(f.path, NULL, &report, NULL), SP_OK);
    assert_int_equal(report.segments, SOME_SEGMENTS + 1);
    assert_int_equal(report.epochs, 2);
    folder_remove(&f);
}

/* After a crash between the two names both are there. */
static void test_journal_zip_beside_what_was_written(void **state)
{
    static struct lines plain, both;
    struct folder f = folder_make();
    struct sp_keeper_done done;
    char path[512];

    (void)state;
    segments_write(&f, 1, SOME_SEGMENTS);
    long len = file_read(folder_path(&f, FIRST_SEGMENT, path), text, sizeof text);
    assert_int_equal(lines_read(&f, 0, LINES_MAX, &plain), SP_AGAIN);
    assert_int_equal(zip_all(&f, quick_port(), NULL), SP_OK);
    file_write(folder_path(&f, FIRST_SEGMENT, path), text, (size_t)len);
    assert_int_equal(lines_read(&f, 0, LINES_MAX, &both), SP_AGAIN);
    assert_true(lines_same(&plain, &both));
    lines_free(&both);
    /* The compressed one may be anything as long as the other is there. */
    file_write(folder_path(&f, FIRST_ZIP, path), "nothing", 7);
    assert_int_equal(lines_read(&f, 0, LINES_MAX, &both), SP_AGAIN);
    assert_true(lines_same(&plain, &both));
    lines_free(&both);
    assert_int_equal(zip_all(&f, quick_port(), &done), SP_OK);
    assert_int_equal(done.compressed, 1);
    assert_int_equal(count_files(&f, ".jsonl"), 1);
    assert_int_equal(lines_read(&f, 0, LINES_MAX, &both), SP_AGAIN);
    assert_true(lines_same(&plain, &both));
    lines_free(&both);
    lines_free(&plain);
    folder_remove(&f);
}

/* Whatever byte is changed or missing: the same lines, or damage; nothing else. */
static void test_journal_zip_refuses_damage(void **state)
{
    static struct lines plain, read;
    struct folder f = folder_make();
    char path[512];
    uint32_t refused = 0, tried = 0;

    (void)state;
    segments_write(&f, 1, 2);
    assert_int_equal(lines_read(&f, 0, LINES_MAX, &plain), SP_AGAIN);
    assert_int_equal(zip_all(&f, quick_port(), NULL), SP_OK);
    long len = file_read(folder_path(&f, FIRST_ZIP, path), text, sizeof text);
    assert_true(len > 1000);
    for (long at = 0; at < len; at += at < len - 200 ? 37 : 1) {
        memcpy(again, text, (size_t)len);
        again[at] = (char)(again[at] ^ (1 << at % 8));
        file_write(path, again, (size_t)len);
        sp_status status = lines_read(&f, 0, LINES_MAX, &read);
        bool same = status == SP_AGAIN && lines_same(&plain, &read);
        if (!same && status != SP_CORRUPT)
            fail_msg("byte %ld: %s, %u lines", at, sp_status_name(status), read.count);
        refused += status == SP_CORRUPT ? 1 : 0;
        tried++;
        lines_free(&read);
    }
    assert_true(refused > tried * 9 / 10);
    for (long keep_bytes = 0; keep_bytes < len; keep_bytes += 53) {
        file_write(path, text, (size_t)keep_bytes);
        assert_int_equal(lines_read(&f, 0, LINES_MAX, &read), SP_CORRUPT);
        lines_free(&read);
    }
    lines_free(&plain);
    folder_remove(&f);
}

/* Each call on the way fails once, then for good: nothing is lost, and the next start finishes. */
static void test_journal_zip_every_call_may_fail(void **state)
{
    static struct lines plain, read;

    (void)state;
    for (int at = 1, forever = 0;; at++) {
        struct folder f = folder_make();
        struct fault fault = {.quick = true, .error = EIO, .at = at, .forever = forever != 0};
        struct sp_file_port port = fault_port(&fault);
        struct sp_keeper_done done;
        segments_write(&f, 1, SOME_SEGMENTS);
        assert_int_equal(lines_read(&f, 0, LINES_MAX, &plain), SP_AGAIN);
        sp_status status = zip_all(&f, &port, &done);
        bool failed = fault.failed > 0;
        if (failed && fault.failed_in != FAULT_CLOSE && fault.failed_in != FAULT_UNLINK)
            assert_int_equal(status, SP_STORAGE);
        assert_int_equal(lines_read(&f, 0, LINES_MAX, &read), SP_AGAIN);
        assert_true(lines_same(&plain, &read));
        lines_free(&read);
        assert_int_equal(zip_all(&f, quick_port(), &done), SP_OK);
        assert_int_equal(count_files(&f, ".jsonl"), 1);
        assert_int_equal(count_files(&f, ".tmp"), 0);
        assert_int_equal(lines_read(&f, 0, LINES_MAX, &read), SP_AGAIN);
        assert_true(lines_same(&plain, &read));
        lines_free(&read);
        lines_free(&plain);
        folder_remove(&f);
        if (failed) continue;
        assert_int_equal(status, SP_OK);
        assert_true(at > 20);
        if (forever) break;
        forever = 1;
        at = 0;
    }
}

static void test_journal_zip_leaves_what_is_young(void **state)
{
    struct folder f = folder_make();
    struct sp_keeper_options options = {.dir = f.path,
                                        .port = quick_port(),
                                        .compress_after = {3600 * SP_NS_PER_S}};
    struct sp_keeper_done done;

    (void)state;
    segments_write(&f, 1, SOME_SEGMENTS);
    assert_int_equal(sp_keeper_pass(&options, &done, NULL), SP_OK);
    assert_int_equal(done.indexed, SOME_SEGMENTS - 1);
    assert_int_equal(done.compressed + done.failed, 0);
    assert_int_equal(count_files(&f, ".jsonl"), SOME_SEGMENTS);
    folder_remove(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_journal_zip_reads_the_same_from_every_record),
        cmocka_unit_test(test_journal_zip_is_found_by_its_index),
        cmocka_unit_test(test_journal_zip_is_continued),
        cmocka_unit_test(test_journal_zip_beside_what_was_written),
        cmocka_unit_test(test_journal_zip_refuses_damage),
        cmocka_unit_test(test_journal_zip_every_call_may_fail),
        cmocka_unit_test(test_journal_zip_leaves_what_is_young),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
