/* The ledger's file: what becomes of it when it is not what it should be. */
#include "ledger_bench.h"

#include "common/ledger/ledger_check.h"
#include "common/ledger/ledger_feed.h"
#include "common/ledger/ledger_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include <cmocka.h>

#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"

static void test_ledger_file_damaged_is_put_aside_and_written_anew(void **state)
{
    (void)state;
    bench_trade(2);
    bench_write(true);
    file_write(b->path, "this is not a database at all, whatever its name may say......", 60);
    bench_expect_replaced(".damaged.1");
    file_write(b->path, "this is not a database at all, whatever its name may say......", 60);
    bench_expect_replaced(".damaged.2");
}

static void test_ledger_file_of_another_stream_is_put_aside(void **state)
{
    struct sp_db *db = NULL;

    (void)state;
    bench_open();
    bench_trade(1);
    bench_write(true);
    bench_stop();
    assert_int_equal(sp_db_open(b->path, SP_DB_SYNC_LAZY, "", &db, &b->err), SP_OK);
    assert_int_equal(sp_db_execute(db, "UPDATE meta SET stream = 'other'", &b->err), SP_OK);
    sp_db_close(db);
    bench_expect_replaced(".damaged.1");
}

/* What only the full check sees is looked for when the file was not closed in order. */
static void test_ledger_file_is_checked_as_a_whole_after_a_kill(void **state)
{
    (void)state;
    bench_open();
    bench_trade(2);
    bench_write(true);
    bench_stop();
    bench_tamper("UPDATE links SET realised_pnl = realised_pnl + 1", false);
    bench_expect_replaced(".damaged.1");
    bench_tamper("CREATE INDEX i ON fills (px)", false);
    bench_open();
    assert_true(bench_report().finding.checked);
    assert_int_equal(bench_report().replaced, 0);
    bench_stop();
    bench_check();
}

/* Also after an opening that found it so and came no further. */
static void test_ledger_file_that_was_not_found_sound_is_checked_again(void **state)
{
    char log[600];

    (void)state;
    bench_open();
    bench_trade(2);
    bench_write(true);
    bench_stop();
    bench_tamper("UPDATE links SET realised_pnl = realised_pnl + 1", false);
    struct sp_ledger_place place = {.path = b->path,
                                    .stream = sp_name_of("execution"),
                                    .first_seq = 1,
                                    .last_seq = sp_journal_next_seq(b->journal) - 1};
    assert_int_equal(sp_ledger_file_look(&place, &b->err), SP_CORRUPT);
    snprintf(log, sizeof log, "%s-wal", b->path);
    assert_int_equal(access(log, F_OK), 0);
    bench_expect_replaced(".damaged.1");
    assert_int_equal(sp_ledger_file_look(&place, &b->err), SP_OK);
    place.last_seq--;
    assert_int_equal(sp_ledger_file_look(&place, &b->err), SP_CORRUPT);
    place.path = "/nowhere/ledger.db";
    assert_int_equal(sp_ledger_file_look(&place, &b->err), SP_NOT_FOUND);
}

/* Each thing that a check looks for, broken so that nothing else sees it. */
static void test_ledger_file_check_names_what_does_not_fit(void **state)
{
    static const struct {
        const char *sql, *said;
    } cases[] = {
        {"PRAGMA foreign_keys=OFF; DROP TRIGGER accounts_are_kept;"
         "DELETE FROM accounts WHERE account = 'link:ema'",
         "a row refers to none"},
        {"DROP TRIGGER postings_stay;"
         "UPDATE postings SET amount = amount + 1 WHERE seq = (SELECT min(seq) FROM postings)",
         "does not sum to zero"},
        {"DROP TRIGGER postings_are_kept;"
         "DELETE FROM postings WHERE seq = (SELECT min(seq) FROM postings)",
         "has no postings"},
        {"DROP TRIGGER fills_are_kept; DELETE FROM fills WHERE seq = (SELECT min(seq) FROM fills)",
         "has no fill"},
        {"UPDATE meta SET cursor = (SELECT max(seq) - 1 FROM transactions)", "beyond the cursor"},
        {"UPDATE links SET realised_pnl = realised_pnl + 1 WHERE link = 'ema'",
         "not that of its trades"},
        {"UPDATE trades SET sold = sold + 1, fees = fees + 1 WHERE closed_seq > 0",
         "not the sum of its fills"},
        {"UPDATE trades SET qty = qty + 1 WHERE closed_seq > 0", "not the sum of its fills"},
        {"UPDATE links SET fees = fees + 1 WHERE link = 'ema'", "not those of its fills"},
        {"UPDATE links SET seq = 1 WHERE link = 'ema'", "not written with its last fill"},
        {"DROP TRIGGER fills_stay; UPDATE fills SET venue_time = venue_time + 1", "chain breaks"},
        {"UPDATE meta SET chain = '" ZEROS "'", "chain"},
    };
    struct sp_ledger_rows *rows = NULL;
    sp_name stream = sp_name_of("execution");
    static char whole[1 << 20];

    (void)state;
    bench_open();
    bench_trade(2);
    bench_write(true);
    bench_stop();
    long len = file_read(b->path, whole, sizeof whole);
    assert_in_range(len, 1, sizeof whole - 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        file_write(b->path, whole, (size_t)len);
        bench_tamper(cases[i].sql, true);
        assert_int_equal(sp_ledger_rows_open_copy(b->path, &stream, &rows, &b->err), SP_OK);
        sp_status status = sp_ledger_check(rows, &b->err);
        if (status != SP_CORRUPT || strstr(b->err.text, cases[i].said) == NULL)
            fail_msg("%s: %s", cases[i].sql, b->err.text);
        sp_ledger_rows_close(rows);
    }
}

/* The end came when the log was aside, but not yet the file. */
static void test_ledger_file_put_aside_by_half_is_put_aside(void **state)
{
    char log[600], aside[620];

    (void)state;
    bench_open();
    bench_trade(1);
    bench_write(true);
    bench_stop();
    bench_tamper("UPDATE links SET realised_pnl = realised_pnl + 1", false);
    snprintf(log, sizeof log, "%s-wal", b->path);
    snprintf(aside, sizeof aside, "%s.damaged.1-wal", b->path);
    assert_int_equal(rename(log, aside), 0);
    bench_expect_replaced(".damaged.1");
}

static void test_ledger_file_is_opened_later_when_another_has_it(void **state)
{
    struct sp_db *db = NULL;
    int ready[2], done[2];
    char byte = 0;

    (void)state;
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(done), 0);
    bench_trade(1);
    bench_write(true);
    pid_t child = fork();
    if (child == 0) {
        if (sp_db_open(b->path, SP_DB_SYNC_LAZY, "CREATE TABLE t (x)", &db, &b->err) != SP_OK)
            _exit(1);
        if (write(ready[1], "x", 1) != 1 || read(done[0], &byte, 1) != 1) _exit(2);
        if (sp_db_execute(db, "DROP TABLE t", &b->err) != SP_OK) _exit(3);
        sp_db_close(db);
        _exit(0);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    bench_open();
    assert_int_equal(bench_report().status, SP_LOCKED);
    assert_false(bench_report().ended);
    assert_int_equal(write(done[1], "x", 1), 1);
    int how = -1;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_int_equal(how, 0);
    struct timespec little = {.tv_nsec = 1000000};
    for (int i = 0; i < 10000 && bench_report().status != SP_OK; i++)
        nanosleep(&little, NULL);
    bench_stop();
    bench_check();
    for (int i = 0; i < 2; i++) {
        close(ready[i]);
        close(done[i]);
    }
}

/* A sound file that knows more than the journal is the proof of a loss. */
static void test_ledger_file_refuses_a_journal_that_lost_something(void **state)
{
    (void)state;
    bench_open();
    bench_trade(1);
    bench_write(true);
    bench_stop();
    bench_tamper("UPDATE meta SET cursor = cursor + 5", true);
    assert_int_equal(bench_try(), SP_CORRUPT);
    assert_non_null(strstr(b->err.text, "restore the journal"));
    assert_false(bench_exists(".damaged.1"));
    bench_tamper("DELETE FROM links", true); /* no longer sound: no witness */
    bench_expect_replaced(".damaged.1");
}

#define T(name)                                                                                    \
    cmocka_unit_test_setup_teardown(test_ledger_file_##name, bench_setup, bench_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(damaged_is_put_aside_and_written_anew), T(of_another_stream_is_put_aside),
        T(is_checked_as_a_whole_after_a_kill),    T(that_was_not_found_sound_is_checked_again),
        T(put_aside_by_half_is_put_aside),        T(check_names_what_does_not_fit),
        T(is_opened_later_when_another_has_it),   T(refuses_a_journal_that_lost_something),
    };

    return cmocka_run_group_tests_name("ledger_file", tests, NULL, NULL);
}
