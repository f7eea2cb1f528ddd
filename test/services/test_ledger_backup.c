/* Backups of the ledger: made while it is written, named only when sound, good for a restore. */
#include "ledger_bench.h"

#include "common/ledger/ledger_check.h"
#include "common/ledger/ledger_feed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static char dir[512];
static sp_name stream;

static int setup(void **state)
{
    if (bench_setup(state) != 0) return -1;
    folder_path(&b->folder, "backup", dir);
    memcpy(b->backup.dir, dir, sizeof dir);
    stream = sp_name_of("execution");
    return 0;
}

static struct sp_backup_report await_backup(void)
{
    struct timespec little = {.tv_nsec = 1000000};
    uint64_t number = sp_ledger_ask_backup(b->ledger);

    for (int i = 0; i < 20000 && bench_report().backup.answered < number; i++)
        nanosleep(&little, NULL);
    assert_true(bench_report().backup.answered >= number);
    return bench_report().backup;
}

static uint32_t count_backups(void)
{
    static struct sp_ledger_backup all[16];

    return sp_ledger_backup_list(dir, all, 16);
}

static void test_ledger_backup_is_made_while_the_ledger_is_written(void **state)
{
    struct sp_ledger_rows *rows = NULL, *fresh = NULL;
    char held[SP_LEDGER_HASH_SIZE], folded[SP_LEDGER_HASH_SIZE];

    (void)state;
    bench_open();
    bench_trade(20);
    bench_write(true);
    struct sp_backup_report report = {0};
    for (int i = 0; i < 3; i++) {
        uint64_t number = sp_ledger_ask_backup(b->ledger);
        bench_trade(2);
        bench_write(true);
        struct timespec little = {.tv_nsec = 1000000};
        for (int j = 0; j < 20000 && bench_report().backup.answered < number; j++)
            nanosleep(&little, NULL);
        report = bench_report().backup;
        assert_int_equal(report.status, SP_OK);
    }
    bench_stop();
    bench_check();
    assert_int_equal(sp_ledger_rows_open_copy(report.last.path, &stream, &rows, &b->err), SP_OK);
    assert_int_equal(sp_ledger_rows_cursor(rows), report.last.cursor);
    assert_int_equal(sp_ledger_hash(rows, held, &b->err), SP_OK);
    sp_ledger_rows_close(rows);
    assert_int_equal(
        sp_ledger_rows_open(":memory:", &stream, b->s->core.books.world, &fresh, &b->err), SP_OK);
    assert_int_equal(sp_ledger_fold(fresh, b->folder.path, &stream, report.last.cursor, &b->err),
                     SP_OK);
    assert_int_equal(sp_ledger_hash(fresh, folded, &b->err), SP_OK);
    sp_ledger_rows_close(fresh);
    assert_string_equal(held, folded);
}

static void test_ledger_backup_comes_by_itself_when_something_was_written(void **state)
{
    struct timespec little = {.tv_nsec = 1000000};

    (void)state;
    b->backup.every = (sp_dur){1};
    bench_open();
    bench_trade(1);
    bench_write(true);
    uint64_t last = sp_journal_next_seq(b->journal) - 1;
    for (int i = 0; i < 20000 && bench_report().backup.last.cursor < last; i++)
        nanosleep(&little, NULL);
    assert_int_equal(bench_report().backup.last.cursor, last);
    bench_stop();
    uint32_t before = count_backups();
    bench_open(); /* nothing was written since: none is due, whenever it looks */
    for (int i = 0; i < 50; i++)
        assert_int_equal(sp_ledger_make_durable(b->ledger), last);
    bench_stop();
    assert_int_equal(count_backups(), before);
}

/* A copy of what is not sound gets no name, and takes no other's place. */
static void test_ledger_backup_that_is_not_sound_is_none(void **state)
{
    char part[600];

    (void)state;
    bench_open();
    bench_trade(1);
    bench_write(true);
    assert_int_equal(await_backup().status, SP_OK);
    bench_stop();
    bench_tamper("DROP TRIGGER fills_stay; UPDATE fills SET fee = fee + 1", true);
    bench_open();
    struct sp_backup_report report = await_backup();
    assert_int_equal(report.status, SP_CORRUPT);
    assert_non_null(strstr(report.why.text, "chain breaks"));
    assert_true(report.last.cursor > 0); /* the sound one */
    bench_stop();
    assert_int_equal(count_backups(), 1);
    snprintf(part, sizeof part, "%s/" SP_LEDGER_PART, dir);
    assert_int_equal(access(part, F_OK), -1);
}

static void test_ledger_backup_keeps_the_newest(void **state)
{
    struct sp_ledger_backup newest = {.cursor = 0};

    (void)state;
    b->backup.keep = 2;
    bench_open();
    for (int i = 0; i < 4; i++) {
        bench_trade(1);
        bench_write(true);
        assert_int_equal(await_backup().status, SP_OK);
    }
    bench_stop();
    assert_int_equal(count_backups(), 2);
    assert_int_equal(sp_ledger_backup_list(dir, &newest, 1), 1);
    assert_int_equal(newest.cursor, sp_journal_next_seq(b->journal) - 1);
}

static void test_ledger_backup_fails_without_a_folder(void **state)
{
    (void)state;
    file_write(dir, "in the way", 10);
    bench_open();
    bench_trade(1);
    bench_write(true);
    assert_int_equal(await_backup().status, SP_STORAGE);
    assert_int_equal(bench_report().status, SP_OK); /* the ledger itself is well */
    bench_stop();
    bench_check();
}

/* Where the journal no longer has its begin, a backup that it reaches takes the file's place. */
static void test_ledger_backup_stands_in_for_the_journals_begin(void **state)
{
    struct sp_ledger_finding finding = {0};
    struct sp_ledger_rows *rows = NULL;

    (void)state;
    bench_open();
    bench_trade(2);
    bench_write(true);
    uint64_t cursor = await_backup().last.cursor;
    bench_trade(1);
    bench_write(true);
    bench_stop();
    file_write(b->path, "no database at all", 18);
    struct sp_ledger_place place = {.path = b->path,
                                    .backup_dir = dir,
                                    .stream = stream,
                                    .world = b->s->core.books.world,
                                    .first_seq = cursor + 2,
                                    .last_seq = sp_journal_next_seq(b->journal) - 1};
    assert_int_equal(sp_ledger_file_open(&place, false, &rows, &finding, &b->err), SP_CORRUPT);
    assert_non_null(strstr(b->err.text, "begin is gone"));
    assert_true(bench_exists("")); /* what cannot be replaced is left where it is */
    place.first_seq = cursor + 1;
    assert_int_equal(sp_ledger_file_open(&place, false, &rows, &finding, &b->err), SP_OK);
    assert_int_equal(sp_ledger_rows_cursor(rows), cursor);
    assert_non_null(strstr(finding.backup, "/ledger-"));
    assert_non_null(strstr(finding.aside, ".damaged.1"));
    sp_ledger_rows_close(rows);
    bench_open(); /* the rest comes from the journal */
    bench_stop();
    bench_check();
}

/* The newest that is sound and within what the journal holds. */
static void test_ledger_backup_is_found_by_what_the_journal_holds(void **state)
{
    struct sp_ledger_backup found = {.cursor = 0};
    uint64_t cursor[3];
    char path[3][SP_LEDGER_PATH_SIZE];

    (void)state;
    assert_int_equal(sp_ledger_backup_find(dir, &stream, 1, 9, &found, &b->err), SP_NOT_FOUND);
    bench_open();
    for (int i = 0; i < 3; i++) {
        bench_trade(1);
        bench_write(true);
        struct sp_ledger_backup last = await_backup().last;
        cursor[i] = last.cursor;
        memcpy(path[i], last.path, sizeof path[i]);
    }
    bench_stop();
    assert_int_equal(sp_ledger_backup_find(dir, &stream, 1, cursor[2], &found, &b->err), SP_OK);
    assert_int_equal(found.cursor, cursor[2]);
    assert_int_equal(sp_ledger_backup_find(dir, &stream, 1, cursor[2] - 1, &found, &b->err), SP_OK);
    assert_int_equal(found.cursor, cursor[1]);
    assert_string_equal(found.path, path[1]);
    assert_int_equal(
        sp_ledger_backup_find(dir, &stream, cursor[2] + 2, UINT64_MAX, &found, &b->err),
        SP_NOT_FOUND);
    file_write(path[2], "no database at all", 18);
    assert_int_equal(sp_ledger_backup_find(dir, &stream, 1, UINT64_MAX, &found, &b->err), SP_OK);
    assert_int_equal(found.cursor, cursor[1]);
}

#define T(name) cmocka_unit_test_setup_teardown(test_ledger_backup_##name, setup, bench_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(is_made_while_the_ledger_is_written),
        T(comes_by_itself_when_something_was_written),
        T(that_is_not_sound_is_none),
        T(keeps_the_newest),
        T(fails_without_a_folder),
        T(stands_in_for_the_journals_begin),
        T(is_found_by_what_the_journal_holds),
    };

    return cmocka_run_group_tests_name("ledger_backup", tests, NULL, NULL);
}
