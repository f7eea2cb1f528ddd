/* Repair of damaged journals: the valid prefix stays, everything else is put aside, and the next
 * start goes on and says what happened. */
#include "common/journal/journal_repair.h"
#include "fault_port.h"
#include "segments_fixture.h"

#define SEGMENTS 4

static char text[FILE_CAP], rest[FILE_CAP];

static const char *segment_path(const struct folder *f, size_t i, const char *suffix,
                                char path[SP_SEGMENT_PATH_SIZE])
{
    struct sp_segment_list list = segments_of(f);

    assert_true(i < list.count);
    assert_int_equal(sp_segment_path_as(f->path, list.first[i], suffix, path, NULL), SP_OK);
    sp_segment_list_free(&list);
    return path;
}

/* Changes one byte in the middle of the i-th segment's file. Returns where. */
static long flip(const struct folder *f, size_t i, const char *suffix)
{
    char path[SP_SEGMENT_PATH_SIZE];
    long len = file_read(segment_path(f, i, suffix, path), text, sizeof text);

    assert_true(len > 0);
    text[len / 2] = (char)(text[len / 2] ^ 4);
    file_write(path, text, (size_t)len);
    return len / 2;
}

static sp_status verify(const struct folder *f, struct sp_journal_report *report)
{
    return sp_journal_verify(f->path, NULL, report, NULL);
}

/* The next start goes on at `next_seq` and records it. */
static void check_start(const struct folder *f, uint64_t next_seq, const char *kept_in)
{
    static struct sp_record record;
    struct sp_journal_options options = options_for(f, 2);
    struct sp_journal_reader *reader = NULL;
    struct sp_journal *journal = NULL;
    struct sp_err err = {0};

    if (sp_journal_open(&options, &journal, &err) != SP_OK) fail_msg("%s", err.text);
    assert_int_equal(sp_journal_next_seq(journal), next_seq + 2);
    assert_int_equal(append_batch(journal, 2, 2, NULL), SP_OK);
    sp_journal_close(journal);
    assert_int_equal(sp_journal_reader_open(f->path, NULL, next_seq + 1, &reader, NULL), SP_OK);
    assert_int_equal(sp_journal_reader_next(reader, &record, NULL, NULL), SP_OK);
    assert_int_equal(record.kind, SP_REC_JOURNAL_TRUNCATED);
    assert_int_equal(record.body.journal_truncated.first_seq, next_seq);
    if (kept_in != NULL) assert_string_equal(record.body.journal_truncated.kept_in.s, kept_in);
    sp_journal_reader_close(reader);
}

/* Looks, repairs, and checks what is left. Returns what the look said. */
static struct sp_repair repair(const struct folder *f, uint64_t last_before)
{
    static struct sp_repair look;
    struct sp_journal_report report;
    sp_text kept_in = {0};
    char path[512];

    assert_int_equal(sp_repair_look(f->path, &look, NULL), SP_CORRUPT);
    assert_true(look.next_seq > 1);
    assert_true(look.next_seq <= last_before);
    assert_true(look.why[0] != '\0');
    assert_int_equal(verify(f, &report), SP_CORRUPT); /* a look changes nothing */
    assert_int_equal(sp_repair_do(f->path, &look, quick_port(), &kept_in, NULL), SP_OK);
    assert_int_equal(verify(f, &report), SP_OK);
    assert_int_equal(report.last_seq, look.next_seq - 1);
    assert_int_equal(report.first_seq, look.first_seq);
    long len = file_read(folder_path(f, kept_in.s, path), rest, sizeof rest);
    if (look.lost_bytes > 0) assert_int_equal(len, look.lost_bytes);
    struct sp_repair again;
    assert_int_equal(sp_repair_look(f->path, &again, NULL), SP_OK);
    check_start(f, look.next_seq, kept_in.s);
    return look;
}

static uint64_t last_seq(const struct folder *f)
{
    struct sp_journal_report report;

    assert_int_equal(verify(f, &report), SP_OK);
    return report.last_seq;
}

static void test_journal_repair_keeps_the_valid_prefix(void **state)
{
    (void)state;
    for (size_t i = 0; i < SEGMENTS - 1; i++) {
        struct folder f = folder_make();
        struct sp_segment_list list;
        segments_write(&f, 1, SEGMENTS);
        assert_int_equal(keep(&f, NULL), SP_OK);
        uint64_t last = last_seq(&f);
        list = segments_of(&f);
        long at = flip(&f, i, ".jsonl");
        struct sp_repair look = repair(&f, last);
        assert_int_equal(look.segment, list.first[i]);
        assert_true((long)look.at <= at);
        assert_true(look.next_seq < list.first[i + 1]);
        assert_int_equal(look.segments, SEGMENTS - i);
        assert_int_equal(look.lost_last, last);
        /* All but the damaged line can still be counted. */
        assert_in_range(look.lost_lines, last - look.next_seq, last - look.next_seq + 1);
        assert_memory_equal(rest, text + look.at, 64);
        sp_segment_list_free(&list);
        folder_remove(&f);
    }
}

static void test_journal_repair_of_a_compressed_segment(void **state)
{
    struct folder f = folder_make();
    char path[512];
    struct sp_keeper_options options = {.dir = f.path, .port = quick_port(), .compress_after = {1}};

    (void)state;
    segments_write_of(&f, 1, SEGMENTS, 300000);
    uint64_t last = last_seq(&f);
    assert_int_equal(sp_keeper_pass(&options, NULL, NULL), SP_OK);
    flip(&f, 1, SP_SEGMENT_ZIP_SUFFIX);
    struct sp_repair look = repair(&f, last);
    assert_false(look.whole_segment);
    segment_path(&f, 1, ".jsonl", path);
    assert_int_equal(access(path, F_OK), 0);
    snprintf(path, sizeof path, "%s/quarantine/segment-%020" PRIu64 ".jsonl.zst", f.path,
             look.segment);
    assert_int_equal(access(path, F_OK), 0);
    folder_remove(&f);
}

static void test_journal_repair_without_a_segment(void **state)
{
    struct folder f = folder_make();
    char path[SP_SEGMENT_PATH_SIZE];

    (void)state;
    segments_write(&f, 1, SEGMENTS);
    uint64_t last = last_seq(&f);
    assert_int_equal(unlink(segment_path(&f, 1, ".jsonl", path)), 0);
    struct sp_repair look = repair(&f, last);
    assert_true(look.whole_segment);
    folder_remove(&f);
}

static void test_journal_repair_of_a_segment_line(void **state)
{
    struct folder f = folder_make();
    char path[SP_SEGMENT_PATH_SIZE];

    (void)state;
    segments_write(&f, 1, SEGMENTS);
    uint64_t last = last_seq(&f);
    long len = file_read(segment_path(&f, 2, ".jsonl", path), text, sizeof text);
    text[40] = (char)(text[40] ^ 4);
    file_write(path, text, (size_t)len);
    struct sp_repair look = repair(&f, last);
    assert_true(look.whole_segment);
    assert_int_equal(look.segments, 2);
    folder_remove(&f);

    f = folder_make();
    segments_write(&f, 1, SEGMENTS);
    file_read(segment_path(&f, 0, ".jsonl", path), text, sizeof text);
    text[40] = (char)(text[40] ^ 4);
    file_write(path, text, (size_t)len);
    assert_int_equal(sp_repair_look(f.path, &look, NULL), SP_GONE);
    folder_remove(&f);
}

static void test_journal_repair_leaves_what_is_sound(void **state)
{
    struct folder f = folder_make();
    struct sp_repair look;
    char path[512];

    (void)state;
    assert_int_equal(sp_repair_look(f.path, &look, NULL), SP_NOT_FOUND);
    segments_write(&f, 1, 1);
    assert_int_equal(sp_repair_look(f.path, &look, NULL), SP_OK);
    long len = file_read(folder_path(&f, FIRST_SEGMENT, path), text, sizeof text);
    file_write(path, text, (size_t)len - 3); /* torn, for a start to cut off */
    assert_int_equal(sp_repair_look(f.path, &look, NULL), SP_OK);
    folder_remove(&f);
}

static const char *const others[] = {"other.db", "other.db-log", NULL};

static bool is_there(const struct folder *f, const char *dir, const char *name)
{
    char path[600];

    snprintf(path, sizeof path, "%.256s/%s%s", f->path, dir, name);
    return access(path, F_OK) == 0;
}

static void write_others(const struct folder *f)
{
    char path[512];

    for (size_t i = 0; others[i] != NULL; i++)
        file_write(folder_path(f, others[i], path), others[i], strlen(others[i]));
}

/* Each call on the way fails, once or for good: what was there is still there somewhere, other
 * files go in their order, and a second repair finishes. */
static void test_journal_repair_every_call_may_fail(void **state)
{
    static struct sp_repair look;

    (void)state;
    for (int at = 1, forever = 0;; at++) {
        struct folder f = folder_make();
        struct fault fault = {.quick = true, .error = EIO, .at = at, .forever = forever != 0};
        struct sp_file_port port = fault_port(&fault);
        struct sp_journal_report report;
        sp_text kept_in = {0};
        segments_write(&f, 1, SEGMENTS);
        flip(&f, 1, ".jsonl");
        assert_int_equal(sp_repair_look(f.path, &look, NULL), SP_CORRUPT);
        uint64_t next_seq = look.next_seq;
        write_others(&f);
        look.also = others;
        sp_status status = sp_repair_do(f.path, &look, &port, &kept_in, NULL);
        assert_false(is_there(&f, "", others[0]) && !is_there(&f, "", others[1]));
        bool failed = fault.failed > 0;
        if (failed && fault.failed_in != FAULT_CLOSE) assert_int_equal(status, SP_STORAGE);
        sp_status left = sp_repair_look(f.path, &look, NULL);
        if (left == SP_CORRUPT) {
            assert_int_equal(look.next_seq, next_seq);
            look.also = others;
            assert_int_equal(sp_repair_do(f.path, &look, quick_port(), &kept_in, NULL), SP_OK);
        } else {
            assert_int_equal(left, SP_OK);
        }
        assert_int_equal(verify(&f, &report), SP_OK);
        assert_int_equal(report.last_seq, next_seq - 1);
        for (size_t i = 0; others[i] != NULL; i++)
            assert_true(is_there(&f, "quarantine/", others[i]) && !is_there(&f, "", others[i]));
        check_start(&f, next_seq, NULL);
        folder_remove(&f);
        if (failed) continue;
        assert_true(at > 15);
        if (forever) break;
        forever = 1;
        at = 0;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_journal_repair_keeps_the_valid_prefix),
        cmocka_unit_test(test_journal_repair_of_a_compressed_segment),
        cmocka_unit_test(test_journal_repair_without_a_segment),
        cmocka_unit_test(test_journal_repair_of_a_segment_line),
        cmocka_unit_test(test_journal_repair_leaves_what_is_sound),
        cmocka_unit_test(test_journal_repair_every_call_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
