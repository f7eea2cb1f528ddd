/* SQLite, as we use it. */
#include "common/db.h"

#include "folder.h"

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

static const char schema[] = "CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY,"
                             " name TEXT NOT NULL CHECK (name <> 'bad')) STRICT;";

static struct folder folder;
static char path[512];
static struct sp_err err;

static int setup(void **state)
{
    (void)state;
    folder = folder_make();
    folder_path(&folder, "a.db", path);
    err = (struct sp_err){0};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    folder_remove(&folder);
    return 0;
}

static struct sp_db *open_db(void)
{
    struct sp_db *db = NULL;

    if (sp_db_open(path, SP_DB_SYNC_LAZY, schema, &db, &err) != SP_OK) fail_msg("%s", err.text);
    return db;
}

static void put(struct sp_db *db, int64_t id, const char *name, sp_status expected)
{
    struct sp_stmt *stmt = NULL;

    assert_int_equal(sp_db_prepare(db, "INSERT INTO t VALUES (?1, ?2)", &stmt, &err), SP_OK);
    sp_stmt_int(stmt, 1, id);
    sp_stmt_text(stmt, 2, name);
    assert_int_equal(sp_stmt_run(stmt, &err), expected);
}

static int64_t rows(struct sp_db *db)
{
    struct sp_stmt *stmt = NULL;

    assert_int_equal(sp_db_prepare(db, "SELECT count(*) FROM t", &stmt, &err), SP_OK);
    assert_int_equal(sp_stmt_next(stmt, &err), SP_OK);
    int64_t count = sp_stmt_column_int(stmt, 0);
    sp_stmt_reset(stmt);
    return count;
}

static void test_db_keeps_what_was_committed(void **state)
{
    (void)state;
    struct sp_db *db = open_db();
    assert_int_equal(sp_db_begin(db, &err), SP_OK);
    put(db, INT64_MAX, "whole", SP_OK);
    put(db, INT64_MIN, "n\xc3\xa9gatif", SP_OK);
    assert_int_equal(sp_db_commit(db, &err), SP_OK);
    assert_int_equal(sp_db_begin(db, &err), SP_OK);
    put(db, 7, "withdrawn", SP_OK);
    sp_db_rollback(db);
    sp_db_rollback(db); /* in any state */
    sp_db_close(db);
    db = open_db();
    struct sp_stmt *stmt = NULL;
    assert_int_equal(sp_db_prepare(db, "SELECT id, name FROM t ORDER BY id", &stmt, &err), SP_OK);
    assert_int_equal(sp_stmt_next(stmt, &err), SP_OK);
    assert_true(sp_stmt_column_int(stmt, 0) == INT64_MIN);
    assert_string_equal(sp_stmt_column_text(stmt, 1), "n\xc3\xa9gatif");
    assert_int_equal(sp_stmt_next(stmt, &err), SP_OK);
    assert_true(sp_stmt_column_int(stmt, 0) == INT64_MAX);
    assert_int_equal(sp_stmt_next(stmt, &err), SP_NOT_FOUND);
    sp_db_close(db);
}

static void test_db_a_broken_rule_is_named_and_changes_nothing(void **state)
{
    (void)state;
    struct sp_db *db = open_db();
    put(db, 1, "one", SP_OK);
    put(db, 1, "again", SP_EXISTS);
    assert_non_null(strstr(err.text, "UNIQUE"));
    put(db, 2, "bad", SP_EXISTS);
    assert_non_null(strstr(err.text, "CHECK"));
    assert_int_equal(rows(db), 1);
    put(db, 2, "good", SP_OK);
    sp_db_close(db);
}

static void test_db_wrong_sql_is_a_status(void **state)
{
    (void)state;
    struct sp_db *db = open_db();
    struct sp_stmt *stmt = NULL;
    assert_int_equal(sp_db_execute(db, "SELEKT 1", &err), SP_STORAGE);
    assert_int_equal(sp_db_prepare(db, "SELECT x FROM nowhere", &stmt, &err), SP_STORAGE);
    assert_null(stmt);
    assert_int_equal(sp_db_commit(db, &err), SP_STORAGE); /* nothing was begun */
    sp_db_close(db);
}

static void test_db_one_connection_at_a_time(void **state)
{
    struct sp_db *second = NULL;

    (void)state;
    struct sp_db *db = open_db();
    pid_t child = fork();
    if (child == 0) {
        sp_status status = sp_db_open(path, SP_DB_SYNC_LAZY, schema, &second, &err);
        _exit(status == SP_LOCKED ? 0 : 1);
    }
    int how = -1;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_int_equal(how, 0);
    put(db, 1, "still ours", SP_OK);
    sp_db_close(db);
    sp_db_close(open_db());
}

static void test_db_a_file_of_something_else_is_refused(void **state)
{
    struct sp_db *db = NULL;

    (void)state;
    char text[8192];
    memset(text, 'x', sizeof text);
    file_write(path, text, sizeof text);
    assert_int_equal(sp_db_open(path, SP_DB_SYNC_LAZY, schema, &db, &err), SP_CORRUPT);
    assert_null(db);
    assert_non_null(strstr(err.text, "a.db"));
}

/* Damage inside a table, which only the check at the start sees. */
static void test_db_damage_is_found_at_the_start(void **state)
{
    static char bytes[1024 * 1024];
    struct sp_db *db = open_db();

    (void)state;
    assert_int_equal(sp_db_begin(db, &err), SP_OK);
    for (int64_t i = 0; i < 2000; i++) {
        char sql[96];
        snprintf(sql, sizeof sql, "INSERT INTO t VALUES (%lld, 'a row of some length')",
                 (long long)i);
        assert_int_equal(sp_db_execute(db, sql, &err), SP_OK);
    }
    assert_int_equal(sp_db_commit(db, &err), SP_OK);
    sp_db_close(db);
    long size = file_read(path, bytes, sizeof bytes);
    assert_true(size > 5 * 4096);
    memset(bytes + 3L * 4096, 0xff, 64);
    file_write(path, bytes, (size_t)size);
    db = NULL;
    assert_int_equal(sp_db_open(path, SP_DB_SYNC_LAZY, schema, &db, &err), SP_CORRUPT);
    assert_non_null(strstr(err.text, "a.db"));
}

/* A kill between two transactions: the committed one is there, the begun one is not. */
static void test_db_a_kill_loses_nothing_committed(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        struct sp_db *db = open_db();
        put(db, 1, "committed", SP_OK);
        SP_IGNORE(sp_db_begin(db, &err)); /* the child only has to get here */
        put(db, 2, "begun", SP_OK);
        _exit(0);
    }
    int how = -1;
    assert_int_equal(waitpid(child, &how, 0), child);
    struct sp_db *db = open_db();
    assert_int_equal(rows(db), 1);
    sp_db_close(db);
}

static void test_db_backup_is_whole_and_never_overwrites(void **state)
{
    char copy[600], part[620];
    struct sp_db *db = open_db();

    (void)state;
    snprintf(copy, sizeof copy, "%s.copy", path);
    snprintf(part, sizeof part, "%s.part", copy);
    file_write(part, "cut short", 9); /* of an earlier attempt */
    put(db, 1, "one", SP_OK);         /* in the write-ahead log only */
    assert_int_equal(sp_db_backup(db, copy, &err), SP_OK);
    assert_int_equal(access(part, F_OK), -1);
    put(db, 2, "two", SP_OK);
    assert_int_equal(sp_db_backup(db, copy, &err), SP_EXISTS);
    sp_db_close(db);
    assert_int_equal(sp_db_open(copy, SP_DB_SYNC_LAZY, "", &db, &err), SP_OK);
    assert_int_equal(rows(db), 1);
    assert_int_equal(sp_db_backup(db, "/nowhere/at/all", &err), SP_STORAGE);
    sp_db_close(db);
}

/* Every release since the fault came in, but those that have it repaired. */
static void test_db_knows_which_library_wants_one_connection(void **state)
{
    static const int safe[] = {3006023, 3044006, 3044007, 3050007, 3051003, 3053000};
    static const int unsafe[] = {3007000, 3040001, 3044005, 3045000, 3050006, 3051000, 3051002};

    (void)state;
    for (size_t i = 0; i < sizeof safe / sizeof *safe; i++)
        assert_true(sp_db_version_is_safe(safe[i]));
    for (size_t i = 0; i < sizeof unsafe / sizeof *unsafe; i++)
        assert_false(sp_db_version_is_safe(unsafe[i]));
}

/* A file that does not take a setting is not used with another. */
static void test_db_reads_its_settings_back(void **state)
{
    sqlite3 *raw = NULL;
    struct sp_db *db = NULL;

    (void)state;
    assert_int_equal(sqlite3_open(path, &raw), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(raw, "PRAGMA page_size=8192; CREATE TABLE t (x)", NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(raw);
    assert_int_equal(sp_db_open(path, SP_DB_SYNC_LAZY, "", &db, &err), SP_STORAGE);
    assert_non_null(strstr(err.text, "page_size is 8192"));
}

static void test_db_takes_no_second_file_and_no_change_of_its_structure(void **state)
{
    (void)state;
    struct sp_db *db = open_db();
    assert_int_not_equal(sp_db_execute(db, "ATTACH ':memory:' AS other", &err), SP_OK);
    SP_IGNORE(sp_db_execute(db, "PRAGMA writable_schema=ON", &err)); /* taken, without effect */
    assert_int_not_equal(sp_db_execute(db, "UPDATE sqlite_schema SET sql = ''", &err), SP_OK);
    assert_int_not_equal(sp_db_execute(db, "SELECT load_extension('x')", &err), SP_OK);
    assert_int_not_equal(sp_db_execute(db, "SELECT \"no_such_name\" FROM t", &err), SP_OK);
    sp_db_close(db);
}

static void test_db_says_when_it_was_not_closed_in_order(void **state)
{
    (void)state;
    struct sp_db *db = open_db();
    put(db, 1, "one", SP_OK);
    assert_false(sp_db_was_unclean(db));
    sp_db_close(db);
    pid_t child = fork();
    if (child == 0) {
        put(open_db(), 2, "two", SP_OK);
        _exit(0);
    }
    int how = -1;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_int_equal(how, 0);
    db = open_db();
    assert_true(sp_db_was_unclean(db));
    assert_int_equal(rows(db), 2);
    sp_db_close(db);
    db = open_db();
    assert_false(sp_db_was_unclean(db));
    sp_db_close(db);
}

static void test_db_stays_below_its_memory(void **state)
{
    (void)state;
    struct sp_db *db = open_db();
    sp_db_limit_heap(sqlite3_memory_used() + 20000);
    sp_status status = sp_db_execute(db, "INSERT INTO t VALUES (1, hex(zeroblob(100000)))", &err);
    sp_db_limit_heap(0);
    assert_int_equal(status, SP_NO_MEMORY);
    assert_int_equal(rows(db), 0);
    sp_db_close(db);
}

static void put_number(struct sp_db *db, int64_t number)
{
    char sql[128];

    snprintf(sql, sizeof sql, "INSERT INTO t VALUES (%lld, 'a row of some length, to fill pages')",
             (long long)number);
    assert_int_equal(sp_db_execute(db, sql, &err), SP_OK);
}

/* A copy in pieces has what was written between them, and can be read where nothing may be written.
 */
static void test_db_copy_follows_what_is_written_meanwhile(void **state)
{
    char copy_path[600], log[620];
    struct sp_db_copy *copy = NULL;
    struct sp_db *db = open_db(), *read = NULL;
    bool done = false;
    int64_t count = 0;

    (void)state;
    snprintf(copy_path, sizeof copy_path, "%s.copy", path);
    snprintf(log, sizeof log, "%s-wal", copy_path);
    for (; count < 200; count++)
        put_number(db, count);
    sp_db_close(db);
    db = open_db();
    assert_int_equal(sp_db_copy_begin(db, copy_path, &copy, &err), SP_OK);
    for (; !done; count++) {
        assert_int_equal(sp_db_copy_step(copy, 1, &done, &err), SP_OK);
        if (!done) put_number(db, count);
    }
    count--;
    assert_true(count > 202);
    assert_int_equal(sp_db_copy_end(copy, &err), SP_OK);
    sp_db_close(db);
    assert_int_equal(sp_db_open_copy(copy_path, &read, &err), SP_OK);
    assert_int_equal(rows(read), count);
    assert_int_not_equal(sp_db_execute(read, "DELETE FROM t", &err), SP_OK);
    assert_int_equal(access(log, F_OK), -1);
    sp_db_close(read);
}

#define T(name) cmocka_unit_test_setup_teardown(test_db_##name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(keeps_what_was_committed),
        T(a_broken_rule_is_named_and_changes_nothing),
        T(wrong_sql_is_a_status),
        T(one_connection_at_a_time),
        T(a_file_of_something_else_is_refused),
        T(damage_is_found_at_the_start),
        T(a_kill_loses_nothing_committed),
        T(backup_is_whole_and_never_overwrites),
        T(knows_which_library_wants_one_connection),
        T(reads_its_settings_back),
        T(takes_no_second_file_and_no_change_of_its_structure),
        T(says_when_it_was_not_closed_in_order),
        T(stays_below_its_memory),
        T(copy_follows_what_is_written_meanwhile),
    };

    return cmocka_run_group_tests_name("db", tests, NULL, NULL);
}
