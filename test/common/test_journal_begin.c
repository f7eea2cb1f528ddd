/* The oldest segments are not there: either it is known why, or a start, a reader and a check say
 * that they have vanished. */
#include "common/journal/journal_begin.h"
#include "common/journal/journal_lookup.h"
#include "common/journal/journal_repair.h"
#include "fault_port.h"
#include "segments_fixture.h"

#define SEGMENTS 5

static struct sp_segment_list firsts;

/* Removes every file of the first `count` segments, behind the journal's back. */
static void vanish(const struct folder *f, size_t count)
{
    static const char *const suffixes[] = {".jsonl", ".jsonl.zst", ".idx"};

    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < 3; k++) {
            char path[SP_SEGMENT_PATH_SIZE];
            assert_int_equal(sp_segment_path_as(f->path, firsts.first[i], suffixes[k], path, NULL),
                             SP_OK);
            unlink(path);
        }
    }
}

static struct folder make(bool indexed)
{
    struct folder f = folder_make();

    segments_write(&f, 1, SEGMENTS);
    if (indexed) assert_int_equal(keep(&f, NULL), SP_OK);
    firsts = segments_of(&f);
    return f;
}

static void drop(struct folder *f)
{
    sp_segment_list_free(&firsts);
    folder_remove(f);
}

static sp_status open_in(const struct folder *f, uint32_t epoch, struct sp_err *err)
{
    struct sp_journal_options options = options_for(f, epoch);
    struct sp_journal *journal = NULL;

    options.segment_bytes = 400;
    sp_status status = sp_journal_open(&options, &journal, err);
    sp_journal_close(journal);
    return status;
}

/* What the shell does, then `more` segments behind it. */
static void trim(const struct folder *f, uint32_t epoch, uint64_t first_kept, unsigned more)
{
    struct sp_journal_options options = options_for(f, epoch);
    struct sp_journal *journal = NULL;
    static struct sp_record record;

    options.segment_bytes = 400;
    assert_int_equal(sp_journal_open(&options, &journal, NULL), SP_OK);
    record_make(&record, sp_journal_next_seq(journal), epoch);
    record.kind = SP_REC_JOURNAL_TRIMMED;
    record.body.journal_trimmed = (struct sp_journal_trimmed){.first_seq = first_kept};
    assert_int_equal(sp_journal_append(journal, &record, 1, NULL), SP_OK);
    assert_int_equal(sp_journal_sync(journal, NULL), SP_OK);
    assert_int_equal(sp_journal_delete_before(journal, first_kept, NULL), SP_OK);
    while (more-- > 0)
        assert_int_equal(append_batch(journal, epoch, 8, NULL), SP_OK);
    sp_journal_close(journal);
}

/* Every way in says it, in the same words; what is held can be read by its number. */
static void check_missing(const struct folder *f, uint64_t first_held)
{
    struct sp_journal_reader *reader = NULL;
    struct sp_journal_report report;
    struct sp_lookup *lookup = NULL;
    struct sp_err err = {0};
    struct sp_begin begin;
    char says[64];

    snprintf(says, sizeof says, "records 1 to %" PRIu64 " were deleted", first_held - 1);
    assert_int_equal(sp_begin_check(f->path, 0, &begin, &err), SP_CORRUPT);
    assert_int_equal(begin.first_seq, first_held);
    assert_non_null(strstr(err.text, says));
    assert_non_null(strstr(err.text, "spoor journal repair"));
    assert_int_equal(sp_journal_verify(f->path, NULL, &report, &err), SP_CORRUPT);
    assert_non_null(strstr(err.text, says));
    assert_true(report.records > 0 && report.first_seq == first_held);
    assert_int_equal(sp_journal_reader_open(f->path, NULL, 0, &reader, &err), SP_CORRUPT);
    assert_int_equal(sp_journal_reader_open(f->path, NULL, 1, &reader, &err), SP_CORRUPT);
    assert_non_null(strstr(err.text, says));
    assert_int_equal(sp_journal_reader_open(f->path, NULL, first_held, &reader, NULL), SP_OK);
    sp_journal_reader_close(reader);
    assert_int_equal(sp_lookup_open(f->path, &lookup, NULL), SP_OK);
    assert_non_null(strstr(sp_lookup_damage(lookup), says));
    sp_lookup_close(lookup);
    assert_int_equal(open_in(f, 90, &err), SP_CORRUPT);
    assert_non_null(strstr(err.text, says));
}

static void check_known(const struct folder *f, uint64_t first_held)
{
    struct sp_journal_reader *reader = NULL;
    struct sp_journal_report report;
    struct sp_lookup *lookup = NULL;
    struct sp_err err = {0};

    if (sp_journal_verify(f->path, NULL, &report, &err) != SP_OK) fail_msg("%s", err.text);
    assert_int_equal(report.first_seq, first_held);
    assert_int_equal(sp_journal_reader_open(f->path, NULL, 0, &reader, NULL), SP_OK);
    sp_journal_reader_close(reader);
    if (first_held > 1)
        assert_int_equal(sp_journal_reader_open(f->path, NULL, 1, &reader, NULL), SP_GONE);
    assert_int_equal(sp_lookup_open(f->path, &lookup, NULL), SP_OK);
    assert_string_equal(sp_lookup_damage(lookup), "");
    sp_lookup_close(lookup);
}

static void test_journal_begin_that_vanished_is_damage(void **state)
{
    (void)state;
    for (size_t gone = 1; gone < SEGMENTS; gone++) {
        for (int indexed = 0; indexed < 2; indexed++) {
            struct folder f = make(indexed);
            check_known(&f, 1);
            vanish(&f, gone);
            check_missing(&f, firsts.first[gone]);
            drop(&f);
        }
    }
}

/* A torn tail stays where it is until it is known that the begin is not missing. */
static void test_journal_begin_is_looked_at_before_anything_is_changed(void **state)
{
    static char text[FILE_CAP], after[FILE_CAP];
    struct folder f = make(false);
    char path[SP_SEGMENT_PATH_SIZE], quarantine[512];

    (void)state;
    assert_int_equal(sp_segment_path(f.path, firsts.first[SEGMENTS - 1], path, NULL), SP_OK);
    long len = file_read(path, text, sizeof text);
    file_write(path, text, (size_t)len - 3);
    vanish(&f, 2);
    assert_int_equal(open_in(&f, 2, NULL), SP_CORRUPT);
    assert_int_equal(file_read(path, after, sizeof after), len - 3);
    assert_memory_equal(after, text, (size_t)len - 3);
    assert_int_not_equal(access(folder_path(&f, "quarantine", quarantine), F_OK), 0);
    drop(&f);
}

/* The record that says so may be many segments back, indexed, compressed or neither. */
static void test_journal_begin_is_known_by_the_record_of_retention(void **state)
{
    (void)state;
    for (int form = 0; form < 3; form++) {
        struct folder f = make(form > 0);
        struct sp_keeper_options options = {.dir = f.path,
                                            .port = quick_port(),
                                            .compress_after = {form == 2 ? 1 : 0}};
        uint64_t kept = firsts.first[2];
        trim(&f, 2, kept, 6);
        assert_int_equal(open_in(&f, 3, NULL), SP_OK);
        if (form > 0) assert_int_equal(sp_keeper_pass(&options, NULL, NULL), SP_OK);
        check_known(&f, kept);
        assert_int_equal(open_in(&f, 4, NULL), SP_OK);
        check_known(&f, kept);
        /* It says how far: one segment more, and it does not. */
        vanish(&f, 3);
        check_missing(&f, firsts.first[3]);
        drop(&f);
    }
}

/* A deletion under way: more is there than the record says is needed, never less. */
static void test_journal_begin_before_the_record_is_known(void **state)
{
    struct folder f = make(false);
    char from[SP_SEGMENT_PATH_SIZE], aside[SP_SEGMENT_PATH_SIZE];

    (void)state;
    assert_int_equal(sp_segment_path(f.path, firsts.first[2], from, NULL), SP_OK);
    snprintf(aside, sizeof aside, "%.480s/aside", f.path);
    assert_int_equal(link(from, aside), 0);
    trim(&f, 2, firsts.first[3], 0);
    assert_int_equal(rename(aside, from), 0); /* its deletion never reached the disk */
    check_known(&f, firsts.first[2]);
    assert_int_equal(open_in(&f, 3, NULL), SP_OK); /* and is finished here */
    check_known(&f, firsts.first[3]);
    drop(&f);
}

/* An index that does not hold hides no record. */
static void test_journal_begin_trusts_no_index(void **state)
{
    static char text[FILE_CAP];
    struct folder f = make(true);

    (void)state;
    trim(&f, 2, firsts.first[1], 3);
    assert_int_equal(keep(&f, NULL), SP_OK);
    struct sp_segment_list list = segments_of(&f);
    for (size_t i = 0; i + 1 < list.count; i++) {
        char path[SP_SEGMENT_PATH_SIZE], other[SP_SEGMENT_PATH_SIZE];
        assert_int_equal(sp_index_path(f.path, list.first[0], other, NULL), SP_OK);
        assert_int_equal(sp_index_path(f.path, list.first[i], path, NULL), SP_OK);
        long len = file_read(other, text, sizeof text); /* sound, and of another segment */
        if (i > 0) file_write(path, text, (size_t)len);
    }
    struct sp_begin begin;
    assert_int_equal(sp_begin_check(f.path, 0, &begin, NULL), SP_OK);
    assert_int_equal(begin.first_seq, firsts.first[1]);
    sp_segment_list_free(&list);
    drop(&f);
}

/* Counts the records of retention, and what the newest says. */
static unsigned trims_of(const struct folder *f, struct sp_journal_trimmed *newest)
{
    static struct sp_record record;
    struct sp_journal_reader *reader = NULL;
    unsigned count = 0;

    assert_int_equal(sp_journal_reader_open(f->path, NULL, 0, &reader, NULL), SP_OK);
    while (sp_journal_reader_next(reader, &record, NULL, NULL) == SP_OK) {
        if (record.kind != SP_REC_JOURNAL_TRIMMED) continue;
        *newest = record.body.journal_trimmed;
        count++;
    }
    sp_journal_reader_close(reader);
    return count;
}

static void test_journal_begin_is_accepted_by_repair_and_recorded_once(void **state)
{
    struct folder f = make(true);
    static struct sp_repair look;
    struct sp_journal_trimmed trimmed = {0};
    struct sp_err err = {0};
    sp_text kept_in = {0};

    (void)state;
    assert_int_equal(sp_repair_look(f.path, &look, NULL), SP_OK);
    vanish(&f, 2);
    assert_int_equal(sp_repair_look(f.path, &look, &err), SP_CORRUPT);
    assert_true(look.begin_missing);
    assert_int_equal(look.segments, 0);
    assert_int_equal(look.first_seq, firsts.first[2]);
    assert_int_equal(look.lost_bytes, 0);
    check_missing(&f, firsts.first[2]); /* a look changes nothing */
    assert_int_equal(sp_repair_do(f.path, &look, quick_port(), &kept_in, NULL), SP_OK);
    assert_int_equal(sp_repair_look(f.path, &look, NULL), SP_OK);
    check_known(&f, firsts.first[2]);
    for (uint32_t epoch = 2; epoch < 5; epoch++) {
        assert_int_equal(open_in(&f, epoch, NULL), SP_OK);
        assert_int_equal(trims_of(&f, &trimmed), 1);
        assert_int_equal(trimmed.first_seq, firsts.first[2]);
        assert_string_equal(trimmed.limited_by.s, "repair");
    }
    char path[512];
    folder_remove_path(folder_path(&f, "quarantine", path)); /* not needed any more */
    check_known(&f, firsts.first[2]);
    vanish(&f, 3); /* what was accepted is no word on what goes later */
    check_missing(&f, firsts.first[3]);
    drop(&f);
}

/* What was accepted as lost and turns up again is not deleted. */
static void test_journal_begin_that_is_put_back_stays(void **state)
{
    static struct sp_repair look;
    struct folder f = make(false);
    char path[SP_SEGMENT_PATH_SIZE], aside[SP_SEGMENT_PATH_SIZE];
    sp_text kept_in = {0};

    (void)state;
    assert_int_equal(sp_segment_path(f.path, 1, path, NULL), SP_OK);
    snprintf(aside, sizeof aside, "%.480s/aside", f.path);
    assert_int_equal(rename(path, aside), 0);
    assert_int_equal(sp_repair_look(f.path, &look, NULL), SP_CORRUPT);
    assert_int_equal(sp_repair_do(f.path, &look, quick_port(), &kept_in, NULL), SP_OK);
    assert_int_equal(open_in(&f, 2, NULL), SP_OK);
    assert_int_equal(rename(aside, path), 0);
    assert_int_equal(open_in(&f, 3, NULL), SP_OK);
    check_known(&f, 1);
    drop(&f);
}

/* Damage behind: the record of retention goes with what is cut off, and the note stays for it. */
static void test_journal_begin_stays_known_when_its_record_is_cut_off(void **state)
{
    static char text[FILE_CAP];
    static struct sp_repair look;
    struct folder f = make(true);
    char path[SP_SEGMENT_PATH_SIZE];
    sp_text kept_in = {0};

    (void)state;
    trim(&f, 2, firsts.first[2], 2);
    assert_int_equal(sp_segment_path(f.path, firsts.first[3], path, NULL), SP_OK);
    long len = file_read(path, text, sizeof text);
    text[len / 2] = (char)(text[len / 2] ^ 4);
    file_write(path, text, (size_t)len);
    assert_int_equal(sp_repair_look(f.path, &look, NULL), SP_CORRUPT);
    assert_true(look.begin_missing);
    assert_int_equal(look.segment, firsts.first[3]);
    assert_int_equal(sp_repair_do(f.path, &look, quick_port(), &kept_in, NULL), SP_OK);
    assert_int_equal(sp_repair_look(f.path, &look, NULL), SP_OK);
    assert_int_equal(open_in(&f, 3, NULL), SP_OK);
    check_known(&f, firsts.first[2]);
    drop(&f);
}

/* Each call on the way fails: it is refused still, or done. */
static void test_journal_begin_every_call_of_its_repair_may_fail(void **state)
{
    (void)state;
    for (int at = 1; at < 20; at++) {
        static struct sp_repair look;
        struct folder f = make(false);
        struct fault fault = {.at = at, .forever = true, .error = EIO, .quick = true};
        struct sp_file_port port = fault_port(&fault);
        struct sp_err err = {0};
        sp_text kept_in = {0};

        vanish(&f, 1);
        assert_int_equal(sp_repair_look(f.path, &look, NULL), SP_CORRUPT);
        sp_status status = sp_repair_do(f.path, &look, &port, &kept_in, &err);
        if (status == SP_OK) at = 20;
        if (status != SP_OK) assert_int_equal(status, SP_STORAGE);
        assert_int_equal(sp_repair_do(f.path, &look, quick_port(), &kept_in, NULL), SP_OK);
        check_known(&f, firsts.first[1]);
        drop(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_journal_begin_that_vanished_is_damage),
        cmocka_unit_test(test_journal_begin_is_looked_at_before_anything_is_changed),
        cmocka_unit_test(test_journal_begin_is_known_by_the_record_of_retention),
        cmocka_unit_test(test_journal_begin_before_the_record_is_known),
        cmocka_unit_test(test_journal_begin_trusts_no_index),
        cmocka_unit_test(test_journal_begin_is_accepted_by_repair_and_recorded_once),
        cmocka_unit_test(test_journal_begin_that_is_put_back_stays),
        cmocka_unit_test(test_journal_begin_stays_known_when_its_record_is_cut_off),
        cmocka_unit_test(test_journal_begin_every_call_of_its_repair_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
