#include "journal_fixture.h"

#include "common/journal/journal_segment.h"
#include "fault_port.h"

/* A journal of one segment: STREAM_STARTED (1), a batch of 3 (2..4), synced, one record (5), a
 * batch of 2 (6..7) that nobody synced. Its lines say that 4 was durable. */
struct sample {
    struct folder folder;
    char path[512];
    char *text;
    size_t len;
    size_t end_of[8]; /* offset behind record n; [0] behind the SEGMENT line */
};

static struct sample sample_make(void)
{
    struct sample s = {.folder = folder_make()};
    struct sp_journal_options options = options_for(&s.folder, 1);
    struct sp_journal *journal = NULL;

    assert_int_equal(sp_journal_open(&options, &journal, NULL), SP_OK);
    assert_int_equal(append_batch(journal, 1, 3, NULL), SP_OK);
    assert_int_equal(sp_journal_sync(journal, NULL), SP_OK);
    assert_int_equal(append_batch(journal, 1, 1, NULL), SP_OK);
    assert_int_equal(append_batch(journal, 1, 2, NULL), SP_OK);
    sp_journal_close(journal);
    folder_path(&s.folder, FIRST_SEGMENT, s.path);
    s.text = malloc(FILE_CAP);
    s.len = (size_t)file_read(s.path, s.text, FILE_CAP);
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.text[i] == '\n') s.end_of[n++] = i + 1;
    }
    assert_int_equal(n, 8);
    return s;
}

static void sample_free(struct sample *s)
{
    free(s->text);
    folder_remove(&s->folder);
}

/* Puts the first `len` bytes back as the only segment. */
static void sample_put(struct sample *s, size_t len)
{
    char path[512];

    folder_remove_path(folder_path(&s->folder, "quarantine", path));
    file_write(s->path, s->text, len);
}

static sp_status reopen(const struct sample *s, uint64_t noted_seq, uint64_t *next_seq,
                        struct sp_err *err)
{
    struct sp_journal_options options = options_for(&s->folder, 2);
    struct sp_journal *journal = NULL;

    options.noted_seq = noted_seq;
    sp_status status = sp_journal_open(&options, &journal, err);
    if (status == SP_OK) *next_seq = sp_journal_next_seq(journal);
    sp_journal_close(journal);
    return status;
}

static void assert_unchanged(const struct sample *s, const char *text, size_t len)
{
    char *now = malloc(FILE_CAP);

    assert_int_equal(file_read(s->path, now, FILE_CAP), len);
    assert_memory_equal(now, text, len);
    free(now);
}

static void test_journal_recovery_cuts_a_tail_torn_at_any_byte(void **state)
{
    struct sample s = sample_make();
    struct sp_err err = {0};
    uint64_t next = 0, last = 0;

    (void)state;
    for (size_t len = s.end_of[4]; len <= s.len; len++) {
        uint64_t whole = len == s.len ? 7 : len >= s.end_of[5] ? 5 : 4;
        bool torn = len != s.end_of[whole];
        for (uint64_t noted = whole + 1; noted <= 7; noted++) {
            sample_put(&s, len);
            assert_int_equal(reopen(&s, noted, &next, &err), SP_CORRUPT);
            assert_non_null(strstr(err.text, s.path));
            assert_non_null(strstr(err.text, "spoor journal verify"));
            assert_unchanged(&s, s.text, len);
        }
        sample_put(&s, len);
        assert_int_equal(reopen(&s, whole, &next, NULL), SP_OK);
        assert_int_equal(next, whole + (torn ? 3 : 2));
        assert_int_equal(read_all(s.folder.path, 1, &last, NULL), SP_AGAIN);
        assert_int_equal(last, next - 1);
        if (torn) {
            char name[64], path[512], kept[4096];
            snprintf(name, sizeof name, "quarantine/%020" PRIu64 "-2.torn", whole + 1);
            long n = file_read(folder_path(&s.folder, name, path), kept, sizeof kept);
            assert_int_equal(n, len - s.end_of[whole]);
            assert_memory_equal(kept, s.text + s.end_of[whole], (size_t)n);
        }
    }
    sample_free(&s);
}

/* A tail torn at any byte of what was written ahead: what is blank is no part of it. */
static void test_journal_recovery_cuts_blanks_without_a_word(void **state)
{
    struct sample s = sample_make();
    uint64_t next = 0, last = 0;
    char name[64], path[512], kept[4096];

    (void)state;
    for (size_t len = s.end_of[4]; len <= s.len; len++) {
        uint64_t whole = len == s.len ? 7 : len >= s.end_of[5] ? 5 : 4;
        bool torn = len != s.end_of[whole];
        char *text = malloc(len + 5000);
        memcpy(text, s.text, len);
        memset(text + len, '\t', 5000);
        folder_remove_path(folder_path(&s.folder, "quarantine", path));
        file_write(s.path, text, len + 5000);
        assert_int_equal(reopen(&s, whole + 1, &next, NULL), SP_CORRUPT);
        assert_unchanged(&s, text, len + 5000);
        assert_int_equal(reopen(&s, whole, &next, NULL), SP_OK);
        assert_int_equal(next, whole + (torn ? 3 : 2));
        assert_int_equal(read_all(s.folder.path, 1, &last, NULL), SP_AGAIN);
        assert_int_equal(last, next - 1);
        snprintf(name, sizeof name, "quarantine/%020" PRIu64 "-2.torn", whole + 1);
        folder_path(&s.folder, name, path);
        if (torn) {
            assert_int_equal(file_read(path, kept, sizeof kept), len - s.end_of[whole]);
        } else {
            assert_int_not_equal(access(path, F_OK), 0);
        }
        free(text);
    }
    sample_free(&s);
}

/* A byte that turned into a blank hides nothing of what is behind it: acknowledged records are
 * missed, and of others all that was there is kept. */
static void test_journal_recovery_tells_a_hole_from_the_end(void **state)
{
    struct sample s = sample_make();
    struct sp_err err = {0};
    uint64_t next = 0, last = 0;
    char name[64], path[512], kept[4096];

    (void)state;
    for (size_t at = 0; at + 1 < s.len; at++) {
        uint64_t whole = at < s.end_of[5] ? 4 : 5;
        char was = s.text[at];
        s.text[at] = '\t';
        sample_put(&s, s.len);
        if (at < s.end_of[4]) {
            assert_int_equal(reopen(&s, 0, &next, &err), SP_CORRUPT);
            assert_unchanged(&s, s.text, s.len);
            assert_int_equal(read_all(s.folder.path, 1, &last, NULL), SP_CORRUPT);
        } else {
            assert_int_equal(read_all(s.folder.path, 1, &last, NULL), SP_AGAIN);
            assert_int_equal(last, whole);
            assert_int_equal(reopen(&s, 0, &next, NULL), SP_OK);
            assert_int_equal(next, whole + 3);
            snprintf(name, sizeof name, "quarantine/%020" PRIu64 "-2.torn", whole + 1);
            folder_path(&s.folder, name, path);
            assert_int_equal(file_read(path, kept, sizeof kept), s.len - s.end_of[whole]);
        }
        s.text[at] = was;
    }
    sample_free(&s);
}

static void test_journal_recovery_refuses_when_acknowledged_records_are_cut(void **state)
{
    struct sample s = sample_make();
    uint64_t next = 0;

    (void)state;
    /* The witness is cut off too, so only the snapshot's note can tell. */
    for (size_t len = s.end_of[0]; len < s.end_of[4]; len++) {
        sample_put(&s, len);
        assert_int_equal(reopen(&s, 4, &next, NULL), SP_CORRUPT);
    }
    for (size_t len = 0; len < s.end_of[0]; len++) {
        sample_put(&s, len);
        assert_int_equal(reopen(&s, 0, &next, NULL), SP_CORRUPT);
    }
    sample_put(&s, s.len);
    assert_int_equal(reopen(&s, 8, &next, NULL), SP_CORRUPT);
    sample_free(&s);
}

static void test_journal_recovery_cuts_garbage_behind_the_end(void **state)
{
    static const char *const garbage[] = {
        "\n",
        "{",
        "{}\n",
        "not json at all\n\n\n",
        "{\"c\":\"00000000\",\"s\":8,\"e\":1,\"w\":7,\"m\":0,\"t\":\"x\"}\n",
        "{\"c\":\"00000000\",\"seal\":{\"epoch\":1,\"count\":7,\"last_seq\":7}}\n"};
    struct sample s = sample_make();
    uint64_t next = 0, last = 0;

    (void)state;
    for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++) {
        sample_put(&s, s.len);
        FILE *out = fopen(s.path, "ab");
        fputs(garbage[i], out);
        fclose(out);
        assert_int_equal(read_all(s.folder.path, 1, &last, NULL), SP_AGAIN);
        assert_int_equal(last, 7);
        assert_int_equal(reopen(&s, 7, &next, NULL), SP_OK);
        assert_int_equal(next, 10);
    }
    for (size_t zeros = 1; zeros < 200000; zeros *= 7) { /* a size that outran its data */
        sample_put(&s, s.len);
        assert_int_equal(truncate(s.path, (off_t)(s.len + zeros)), 0);
        assert_int_equal(reopen(&s, 7, &next, NULL), SP_OK);
        assert_int_equal(next, 10);
        assert_int_equal(read_all(s.folder.path, 1, &last, NULL), SP_AGAIN);
        assert_int_equal(last, 9);
    }
    sample_free(&s);
}

/* A byte of what was acknowledged: refused, nothing touched. A byte behind it: cut off there. In no
 * case a wrong record. */
static void test_journal_recovery_flipped_byte_never_gives_wrong_data(void **state)
{
    struct sample s = sample_make();
    uint64_t next = 0, last = 0;

    (void)state;
    for (size_t i = 0; i < s.len; i++) {
        for (int bit = 0; bit < 8; bit++) {
            char kept = s.text[i];
            s.text[i] = (char)(kept ^ 1 << bit);
            sample_put(&s, s.len);
            sp_status read = read_all(s.folder.path, 1, &last, NULL);
            if (i < s.end_of[4]) {
                assert_true(read == SP_CORRUPT);
                assert_true(last < 4);
                assert_int_equal(reopen(&s, 0, &next, NULL), SP_CORRUPT);
                assert_unchanged(&s, s.text, s.len);
            } else {
                uint64_t whole = i < s.end_of[5] ? 4 : 5;
                assert_int_equal(read, SP_AGAIN);
                assert_int_equal(last, whole);
                assert_int_equal(reopen(&s, whole + 1, &next, NULL), SP_CORRUPT);
                assert_int_equal(reopen(&s, whole, &next, NULL), SP_OK);
                assert_int_equal(next, whole + 3);
                assert_int_equal(read_all(s.folder.path, 1, &last, NULL), SP_AGAIN);
                assert_int_equal(last, next - 1);
            }
            s.text[i] = kept;
        }
    }
    sample_free(&s);
}

/* Gives every line the checksum that its bytes now need. */
static void stamp_again(struct sample *s)
{
    uint32_t crc = 0;

    for (size_t at = 0; at < s->len;) {
        size_t len = (size_t)((char *)memchr(s->text + at, '\n', s->len - at) - (s->text + at));
        crc = sp_line_stamp(s->text + at, len, crc);
        at += len + 1;
    }
}

/* Lines whose checksum holds but that cannot stand where they stand. */
static void test_journal_recovery_checks_more_than_checksums(void **state)
{
    static const struct {
        int record;
        const char *from, *to;
        uint64_t last; /* record that can be read */
    } cases[] =
        {
            {5, "\"e\":1", "\"e\":0", 4},
            {6, "\"m\":1", "\"m\":0", 7}, /* 7 is still right: a batch of its own */
            {6, "\"m\":1", "\"m\":2", 5},
            {7, "\"m\":0", "\"m\":2", 5},
            {7, "\"s\":7", "\"s\":8", 5},
            {7, "\"s\":7", "\"s\":6", 5},
            {7, "\"e\":1", "\"e\":0", 5},
            {7, "\"e\":1", "\"e\":2", 5},
            {7, "\"w\":4", "\"w\":7", 5},
            {7, "\"t\":", "\"x\":", 5},
        };
    uint64_t last = 0;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sample s = sample_make();
        char *line = s.text + s.end_of[cases[i].record - 1];
        char *at = strstr(line, cases[i].from);
        memcpy(at, cases[i].to, strlen(cases[i].to));
        stamp_again(&s);
        sample_put(&s, s.len);
        /* A false witness of its own durability makes damage of a torn tail. */
        bool witness = strcmp(cases[i].to, "\"w\":7") == 0;
        assert_int_equal(read_all(s.folder.path, 1, &last, NULL), witness ? SP_CORRUPT : SP_AGAIN);
        assert_int_equal(last, cases[i].last);
        sample_free(&s);
    }
}

/* A reader has seen half a batch; recovery cuts it off, and a shorter one takes its place. */
static void test_journal_recovery_is_followed_by_a_waiting_reader(void **state)
{
    struct sample s = sample_make();
    struct sp_journal_reader *reader = NULL;
    static struct sp_record record;

    (void)state;
    sample_put(&s, s.len - 1);
    assert_int_equal(sp_journal_reader_open(s.folder.path, NULL, 5, &reader, NULL), SP_OK);
    assert_int_equal(sp_journal_reader_next(reader, &record, NULL, NULL), SP_OK);
    assert_int_equal(record.seq, 5);
    assert_int_equal(sp_journal_reader_next(reader, &record, NULL, NULL), SP_AGAIN);
    struct sp_segment_cursor cursor = {0};
    struct sp_batch batch;
    assert_int_equal(sp_segment_open(&cursor, s.folder.path, 1, NULL), SP_OK);
    while (sp_segment_next(&cursor, &batch, NULL) == SP_OK) {
    }
    char line[256];
    int len = snprintf(line, sizeof line,
                       "{\"c\":\"00000000\",\"s\":6,\"e\":2,\"w\":4,\"m\":0,\"t\":"
                       "\"2026-11-22T19:00:00.000000000Z\",\"k\":\"CURSOR\",\"b\":{\"inputs\":6}}");
    sp_line_stamp(line, (size_t)len, cursor.crc);
    sp_segment_close(&cursor);
    line[len++] = '\n';
    memcpy(s.text + s.end_of[5], line, (size_t)len);
    sample_put(&s, s.end_of[5] + (size_t)len);
    assert_int_equal(sp_journal_reader_next(reader, &record, NULL, NULL), SP_OK);
    assert_int_equal(record.seq, 6);
    assert_int_equal(record.epoch, 2);
    sp_journal_reader_close(reader);
    sample_free(&s);
}

static void test_journal_recovery_writes_the_unsynced_again(void **state)
{
    struct sample s = sample_make();
    struct fault counter = {.only = FAULT_WRITE};
    struct sp_file_port port = fault_port(&counter);
    struct sp_journal_options options = options_for(&s.folder, 2);
    struct sp_journal *journal = NULL;

    (void)state;
    sample_put(&s, s.len);
    options.port = &port;
    assert_int_equal(sp_journal_open(&options, &journal, NULL), SP_OK);
    assert_int_equal(counter.calls, 2); /* 5..7 again, then STREAM_STARTED */
    sp_journal_close(journal);
    char *now = malloc(FILE_CAP);
    assert_true(file_read(s.path, now, FILE_CAP) > (long)s.len);
    assert_memory_equal(now, s.text, s.len);
    free(now);
    sample_free(&s);
}

/* Four sealed segments of two records each, and a last one. */
static void make_segments(const struct folder *f)
{
    struct sp_journal_options options = options_for(f, 1);
    struct sp_journal *journal = NULL;

    assert_int_equal(sp_journal_open(&options, &journal, NULL), SP_OK);
    assert_int_equal(append_batch(journal, 1, 1, NULL), SP_OK);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(sp_journal_seal(journal, NULL), SP_OK);
        assert_int_equal(append_batch(journal, 1, 2, NULL), SP_OK);
    }
    sp_journal_close(journal);
}

static sp_status open_status(const struct folder *f, uint64_t noted_seq, struct sp_err *err)
{
    struct sp_journal_options options = options_for(f, 9);
    struct sp_journal *journal = NULL;

    options.noted_seq = noted_seq;
    sp_status status = sp_journal_open(&options, &journal, err);
    sp_journal_close(journal);
    return status;
}

static void test_journal_recovery_refuses_a_missing_segment(void **state)
{
    struct folder f = folder_make();
    struct sp_journal_report report;
    struct sp_err err = {0};
    char path[512];

    (void)state;
    make_segments(&f);
    assert_int_equal(unlink(folder_path(&f, "00000000000000000005.jsonl", path)), 0);
    assert_int_equal(open_status(&f, 0, &err), SP_CORRUPT);
    assert_non_null(strstr(err.text, "00000000000000000007.jsonl"));
    assert_int_equal(sp_journal_verify(f.path, NULL, &report, &err), SP_CORRUPT);
    folder_remove(&f);

    f = folder_make();
    make_segments(&f);
    assert_int_equal(unlink(folder_path(&f, "00000000000000000009.jsonl", path)), 0);
    assert_int_equal(open_status(&f, 9, &err), SP_CORRUPT);
    assert_int_equal(open_status(&f, 8, &err), SP_OK);
    folder_remove(&f);

    f = folder_make();
    assert_int_equal(open_status(&f, 1, &err), SP_CORRUPT);
    folder_remove(&f);
}

static void test_journal_recovery_refuses_damage_in_older_segments(void **state)
{
    struct folder f = folder_make();
    struct sp_journal_report report;
    char path[512], text[4096];
    uint64_t last = 0;

    (void)state;
    make_segments(&f);
    folder_path(&f, "00000000000000000003.jsonl", path);
    long len = file_read(path, text, sizeof text);
    for (long i = 0; i < len; i++) {
        text[i] ^= 2;
        file_write(path, text, (size_t)len);
        assert_int_equal(sp_journal_verify(f.path, NULL, &report, NULL), SP_CORRUPT);
        assert_true(report.last_seq < 5);
        assert_int_equal(read_all(f.path, 1, &last, NULL), SP_CORRUPT);
        assert_true(last < 5);
        text[i] ^= 2;
    }
    for (long cut = 0; cut < len; cut++) { /* opening checks the ends of older segments */
        file_write(path, text, (size_t)cut);
        assert_int_equal(open_status(&f, 0, NULL), SP_CORRUPT);
        assert_int_equal(read_all(f.path, 1, &last, NULL), SP_CORRUPT);
    }
    folder_remove(&f);
}

static void test_journal_recovery_refuses_foreign_journals(void **state)
{
    struct folder f = folder_make();
    struct sp_journal_options options = options_for(&f, 9);
    struct sp_journal *journal = NULL;

    (void)state;
    make_segments(&f);
    options.installation = "elsewhere";
    assert_int_equal(sp_journal_open(&options, &journal, NULL), SP_INVALID);
    options = options_for(&f, 9);
    options.stream = sp_name_of("strategy.ema");
    assert_int_equal(sp_journal_open(&options, &journal, NULL), SP_INVALID);
    options = options_for(&f, 9);
    options.installation = "no name";
    assert_int_equal(sp_journal_open(&options, &journal, NULL), SP_INVALID);
    folder_remove(&f);
}

/* Recovery is killed at each of its calls, and begins again: the same result, and what was cut off
 * is always recorded. */
/* Checksums that hold do not make a sequence that a writer could have reached. */
static void test_journal_recovery_refuses_a_sequence_without_room(void **state)
{
    struct folder f = folder_make();
    struct sp_segment_head head = {.installation = sp_name_of("testbench"),
                                   .stream = sp_name_of("execution"),
                                   .world = sp_name_of("paper"),
                                   .build = sp_name_of("0.0.0"),
                                   .epoch = 1,
                                   .first_seq = SP_SEGMENT_SEQ_MAX};
    char line[SP_SEGMENT_LINE_MAX], name[64], path[512];
    uint32_t crc = 0;
    struct sp_err err = {0};

    (void)state;
    size_t len = sp_segment_head_line(&head, line, &crc);
    snprintf(name, sizeof name, "%020" PRIu64 ".jsonl", head.first_seq);
    file_write(folder_path(&f, name, path), line, len);
    assert_int_equal(open_status(&f, 0, &err), SP_CORRUPT);
    assert_non_null(strstr(err.text, "no room"));
    folder_remove(&f);
}

static void test_journal_recovery_can_be_interrupted_anywhere(void **state)
{
    struct sample s = sample_make();
    uint64_t next = 0, last = 0;

    (void)state;
    for (int at = 1;; at++) {
        struct fault fault = {.at = at, .forever = true, .quick = true, .error = EIO};
        struct sp_file_port port = fault_port(&fault);
        struct sp_journal_options options = options_for(&s.folder, 2);
        struct sp_journal *journal = NULL;
        sample_put(&s, s.len - 3);
        options.port = &port;
        sp_status status = sp_journal_open(&options, &journal, NULL);
        sp_journal_close(journal);
        if (status == SP_OK && fault.failed == 0) break;
        struct sp_journal_options again = options_for(&s.folder, 3);
        assert_int_equal(sp_journal_open(&again, &journal, NULL), SP_OK);
        next = sp_journal_next_seq(journal);
        sp_journal_close(journal);
        /* 6 and 7 were torn; each opening that got so far wrote STREAM_STARTED, and one of them
         * JOURNAL_TRUNCATED. */
        assert_true(next == 8 || next == 9);
        assert_int_equal(read_all(s.folder.path, 1, &last, NULL), SP_AGAIN);
        assert_int_equal(last, next - 1);
        char *text = calloc(1, FILE_CAP);
        file_read(s.path, text, FILE_CAP - 1);
        assert_non_null(strstr(text, "JOURNAL_TRUNCATED"));
        free(text);
    }
    sample_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_journal_recovery_cuts_a_tail_torn_at_any_byte),
        cmocka_unit_test(test_journal_recovery_cuts_blanks_without_a_word),
        cmocka_unit_test(test_journal_recovery_tells_a_hole_from_the_end),
        cmocka_unit_test(test_journal_recovery_refuses_when_acknowledged_records_are_cut),
        cmocka_unit_test(test_journal_recovery_cuts_garbage_behind_the_end),
        cmocka_unit_test(test_journal_recovery_flipped_byte_never_gives_wrong_data),
        cmocka_unit_test(test_journal_recovery_checks_more_than_checksums),
        cmocka_unit_test(test_journal_recovery_is_followed_by_a_waiting_reader),
        cmocka_unit_test(test_journal_recovery_writes_the_unsynced_again),
        cmocka_unit_test(test_journal_recovery_refuses_a_missing_segment),
        cmocka_unit_test(test_journal_recovery_refuses_damage_in_older_segments),
        cmocka_unit_test(test_journal_recovery_refuses_foreign_journals),
        cmocka_unit_test(test_journal_recovery_refuses_a_sequence_without_room),
        cmocka_unit_test(test_journal_recovery_can_be_interrupted_anywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
