/* The scrub: what it reads, and that it finds what nobody else would. */
#include "common/journal/journal_segment.h"
#include "common/journal/scrub.h"

#include "journal_fixture.h"

static uint64_t write_segments(const struct folder *f, uint64_t *second)
{
    struct sp_journal_options options = options_for(f, 1);
    struct sp_journal *journal = NULL;
    uint64_t third = 0;

    options.segment_bytes = 300;
    assert_int_equal(sp_journal_open(&options, &journal, NULL), SP_OK);
    *second = sp_journal_next_seq(journal);
    assert_int_equal(append_batch(journal, 1, 5, NULL), SP_OK);
    third = sp_journal_next_seq(journal);
    assert_int_equal(append_batch(journal, 1, 2, NULL), SP_OK);
    sp_journal_close(journal);
    return third;
}

static void flip(const struct folder *f, uint64_t first_seq, off_t at)
{
    char path[SP_SEGMENT_PATH_SIZE], byte = 0;

    assert_int_equal(sp_segment_path(f->path, first_seq, path, NULL), SP_OK);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static void test_scrub_a_flipped_bit_in_an_old_segment_is_damage(void **state)
{
    struct folder f = folder_make();
    uint64_t second = 0, bytes = 0;
    struct sp_err err = {0};

    (void)state;
    write_segments(&f, &second);
    assert_int_equal(sp_scrub_segment(f.path, 1, &bytes, &err), SP_OK);
    assert_int_equal(sp_scrub_segment(f.path, second, &bytes, &err), SP_OK);
    assert_true(bytes > 300);
    assert_int_equal(sp_scrub_segment(f.path, second + 1, &bytes, &err), SP_NOT_FOUND);
    flip(&f, second, (off_t)bytes / 2); /* ends are sound: no start would see it */
    assert_int_equal(sp_scrub_segment(f.path, second, &bytes, &err), SP_CORRUPT);
    assert_non_null(strstr(err.text, ".jsonl"));
    folder_remove(&f);
}

static void test_scrub_the_thread_reports_damage_and_its_end(void **state)
{
    struct folder f = folder_make();
    struct sp_scrub_options options = {.dir = f.path, .every = {1000000}};
    struct sp_scrub *scrub = NULL;
    struct sp_scrub_report report = {0};
    uint64_t second = 0;

    (void)state;
    write_segments(&f, &second);
    flip(&f, second, 400);
    assert_int_equal(sp_scrub_start(&options, &scrub, NULL), SP_OK);
    for (int i = 0; i < 5000 && report.passes < 1; i++) {
        usleep(1000);
        report = sp_scrub_report(scrub);
    }
    assert_int_equal(report.damaged, 1);
    assert_int_equal(report.first_damaged, second);
    assert_true(report.segments >= 2 && report.why.s[0] != '\0');
    flip(&f, second, 400); /* put back: the next pass takes it back */
    for (int i = 0; i < 5000 && report.damaged > 0; i++) {
        usleep(1000);
        report = sp_scrub_report(scrub);
    }
    assert_int_equal(report.damaged, 0);
    sp_scrub_stop(scrub);
    folder_remove(&f);
}

/* After the first segment it rests for as many seconds as that had bytes. */
static void test_scrub_reads_no_faster_than_it_may(void **state)
{
    struct folder f = folder_make();
    struct sp_scrub_options options = {.dir = f.path, .every = {1000000}, .bytes_per_second = 1};
    struct sp_scrub *scrub = NULL;
    struct sp_scrub_report report = {0};
    uint64_t second = 0;

    (void)state;
    write_segments(&f, &second);
    assert_int_equal(sp_scrub_start(&options, &scrub, NULL), SP_OK);
    for (int i = 0; i < 5000 && report.segments < 1; i++) {
        usleep(1000);
        report = sp_scrub_report(scrub);
    }
    for (int i = 0; i < 50 && report.segments == 1; i++) {
        usleep(1000);
        report = sp_scrub_report(scrub);
    }
    assert_int_equal(report.segments, 1);
    assert_int_equal(report.passes, 0);
    sp_scrub_stop(scrub); /* at once */
    folder_remove(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scrub_a_flipped_bit_in_an_old_segment_is_damage),
        cmocka_unit_test(test_scrub_the_thread_reports_damage_and_its_end),
        cmocka_unit_test(test_scrub_reads_no_faster_than_it_may),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
