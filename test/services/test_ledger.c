/* The ledger: its rows equal a fold of the journal, wherever it was stopped. */
#include "services/execution/ledger.h"

#include "../common/folder.h"
#include "common/db.h"
#include "core_shell.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include <cmocka.h>

struct bench {
    struct folder folder;
    char path[512];
    struct core_shell *s;
    struct sp_journal *journal;
    struct sp_ledger *ledger;
    uint32_t written; /* records of the core that are in the journal */
    struct sp_err err;
};
static struct bench *b;

static void open_journal(uint32_t epoch)
{
    struct sp_journal_options options = {.dir = b->folder.path,
                                         .stream = sp_name_of("execution"),
                                         .installation = "testbench",
                                         .world = "paper",
                                         .epoch = epoch,
                                         .sync_every = {-1},
                                         .boot_id = sp_name_of("boot")};

    if (sp_journal_open(&options, &b->journal, &b->err) != SP_OK) fail_msg("%s", b->err.text);
}

static sp_status try_ledger(void)
{
    struct sp_ledger_options options = {.path = b->path,
                                        .journal_dir = b->folder.path,
                                        .stream = sp_name_of("execution"),
                                        .world = b->s->core.books.world,
                                        .journal = b->journal};

    return sp_ledger_open(&options, &b->ledger, &b->err);
}

static void open_ledger(void)
{
    if (try_ledger() != SP_OK) fail_msg("%s", b->err.text);
    sp_ledger_notify(b->ledger, sp_journal_next_seq(b->journal) - 1);
}

static int setup(void **state)
{
    (void)state;
    b = calloc(1, sizeof *b);
    if (b == NULL) return -1;
    b->folder = folder_make();
    folder_path(&b->folder, "ledger.db", b->path);
    b->s = core_ready();
    b->written = 1; /* the journal begins its stream itself */
    open_journal(1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sp_ledger_close(b->ledger);
    sp_journal_close(b->journal);
    core_free(b->s);
    folder_remove(&b->folder);
    free(b);
    return 0;
}

/* What the core has recorded goes into the journal, one batch each. */
static void write_journal(bool sync)
{
    for (; b->written < b->s->record_count; b->written++) {
        struct sp_record record = b->s->records[b->written];
        record.seq = sp_journal_next_seq(b->journal);
        if (sp_journal_append(b->journal, &record, 1, &b->err) != SP_OK)
            fail_msg("%s", b->err.text);
    }
    if (sync) assert_int_equal(sp_journal_sync(b->journal, &b->err), SP_OK);
    if (b->ledger != NULL) sp_ledger_notify(b->ledger, sp_journal_next_seq(b->journal) - 1);
}

static void trade_a_while(int trades)
{
    for (int i = 0; i < trades; i++) {
        core_price(b->s, 50000);
        core_open(b->s, "ema");
        core_move(b->s, i % 2 == 0 ? 52000 : 48900, 0);
    }
    core_price(b->s, 50000);
    core_open(b->s, "mean"); /* stays open */
}

/* Closing writes all that is durable: an orderly stop. */
static void stop_ledger(void)
{
    assert_int_equal(sp_ledger_health(b->ledger, &b->err), SP_OK);
    sp_ledger_close(b->ledger);
    b->ledger = NULL;
}

static int64_t number(struct sp_db *db, const char *sql)
{
    struct sp_stmt *stmt = NULL;

    if (sp_db_prepare(db, sql, &stmt, &b->err) != SP_OK) fail_msg("%s", b->err.text);
    assert_int_equal(sp_stmt_next(stmt, &b->err), SP_OK);
    int64_t value = sp_stmt_column_int(stmt, 0);
    sp_stmt_reset(stmt);
    return value;
}

static int64_t posted(struct sp_db *db, const char *account, const char *asset)
{
    char sql[256];

    snprintf(sql, sizeof sql,
             "SELECT coalesce(sum(amount), 0) FROM postings WHERE account = '%s' AND asset = '%s'",
             account, asset);
    return number(db, sql);
}

/* Against the books, which fold the same records by other code. */
static void check_postings(struct sp_db *db)
{
    const struct sp_books *books = &b->s->core.books;

    assert_int_equal(number(db, "SELECT count(*) FROM (SELECT seq FROM postings GROUP BY seq, asset"
                                " HAVING sum(amount) <> 0)"),
                     0);
    assert_int_equal(number(db, "SELECT count(*) FROM transactions WHERE kind = 'FILL'"),
                     books->fill_total);
    assert_int_equal(posted(db, "link:ema", "USDT"),
                     books->links[0].cash.e8 - books->links[0].capital.e8);
    assert_int_equal(posted(db, "link:mean", "USDT"),
                     books->links[1].cash.e8 - books->links[1].capital.e8);
    assert_int_equal(posted(db, "venue:paper", "BTC"), -b->s->venue.base.e8);
    assert_int_equal(posted(db, "fees:paper", "USDT"),
                     books->links[0].fees.e8 + books->links[1].fees.e8);
    int64_t dust = 0;
    for (uint32_t i = 0; i < books->trade_count; i++)
        dust += books->trades[i].dust.e8;
    assert_int_equal(posted(db, "dust:ema", "BTC") + posted(db, "dust:mean", "BTC"), dust);
}

static void check_rows(void)
{
    const struct sp_books *books = &b->s->core.books;
    struct sp_db *db = NULL;

    if (sp_db_open(b->path, SP_DB_SYNC_LAZY, "", &db, &b->err) != SP_OK)
        fail_msg("%s", b->err.text);
    assert_int_equal(number(db, "SELECT cursor FROM meta"), sp_journal_next_seq(b->journal) - 1);
    assert_int_equal(number(db, "SELECT count(*) FROM fills"), books->fill_total);
    assert_int_equal(number(db, "SELECT count(*) FROM orders"), books->order_count);
    assert_int_equal(number(db, "SELECT count(*) FROM trades"), books->trade_count);
    assert_int_equal(number(db, "SELECT sum(pnl) FROM trades"), books->links[0].realised_pnl.e8);
    assert_int_equal(number(db, "SELECT cash FROM links WHERE link = 'ema'"),
                     books->links[0].cash.e8);
    assert_int_equal(number(db, "SELECT cash FROM links WHERE link = 'mean'"),
                     books->links[1].cash.e8);
    assert_int_equal(number(db, "SELECT sum(CASE side WHEN 'BUY' THEN qty ELSE -qty END)"
                                " FROM fills"),
                     b->s->venue.base.e8);
    assert_int_equal(number(db, "SELECT sum(fee) FROM fills"),
                     books->links[0].fees.e8 + books->links[1].fees.e8);
    assert_int_equal(number(db, "SELECT count(*) FROM orders WHERE outcome = ''"), 0);
    check_postings(db);
    sp_db_close(db);
}

static void test_ledger_rows_equal_the_fold(void **state)
{
    (void)state;
    open_ledger();
    trade_a_while(7);
    write_journal(true);
    stop_ledger();
    check_rows();
}

static void test_ledger_continues_where_it_stopped(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        open_ledger();
        core_price(b->s, 50000);
        core_open(b->s, "ema");
        core_move(b->s, 52000, 0);
        write_journal(true);
        stop_ledger();
    }
    trade_a_while(1);
    write_journal(true);
    open_ledger(); /* all of the last is behind */
    stop_ledger();
    check_rows();
}

/* What the disk may still take back must not be in a file that says it was there. */
static void test_ledger_is_never_ahead_of_what_is_durable(void **state)
{
    (void)state;
    open_ledger();
    write_journal(true);
    uint64_t durable = sp_journal_durable_seq(b->journal);
    trade_a_while(2);
    write_journal(false);
    stop_ledger();
    assert_true(sp_journal_durable_seq(b->journal) < sp_journal_next_seq(b->journal) - 1);
    open_ledger();
    assert_true(sp_ledger_cursor(b->ledger) <= durable);
    stop_ledger();
    write_journal(true);
    open_ledger();
    stop_ledger();
    check_rows();
}

/* Killed in the middle of its work, by a process that dies with it. */
static void test_ledger_survives_kills(void **state)
{
    (void)state;
    trade_a_while(40);
    write_journal(true);
    for (int i = 0; i < 6; i++) {
        pid_t child = fork();
        if (child == 0) {
            struct timespec little = {.tv_nsec = i * 700000};
            if (try_ledger() != SP_OK) _exit(1);
            sp_ledger_notify(b->ledger, sp_journal_next_seq(b->journal) - 1);
            nanosleep(&little, NULL);
            _exit(0);
        }
        int how = -1;
        assert_int_equal(waitpid(child, &how, 0), child);
        assert_int_equal(how, 0);
    }
    open_ledger();
    stop_ledger();
    check_rows();
}

static void test_ledger_removed_is_rebuilt_equal(void **state)
{
    (void)state;
    open_ledger();
    trade_a_while(3);
    write_journal(true);
    stop_ledger();
    check_rows();
    assert_int_equal(unlink(b->path), 0);
    open_ledger();
    stop_ledger();
    check_rows();
}

static void test_ledger_damaged_says_what_to_do(void **state)
{
    (void)state;
    file_write(b->path, "this is not a database at all, whatever its name may say......", 60);
    assert_int_equal(try_ledger(), SP_CORRUPT);
    assert_null(b->ledger);
    assert_non_null(strstr(b->err.text, "remove"));
    assert_non_null(strstr(b->err.text, "rebuilt"));
}

static void test_ledger_of_another_stream_is_refused(void **state)
{
    struct sp_db *db = NULL;

    (void)state;
    open_ledger();
    stop_ledger();
    assert_int_equal(sp_db_open(b->path, SP_DB_SYNC_LAZY, "", &db, &b->err), SP_OK);
    assert_int_equal(sp_db_execute(db, "UPDATE meta SET stream = 'other'", &b->err), SP_OK);
    sp_db_close(db);
    assert_int_equal(try_ledger(), SP_INVALID);
    assert_non_null(strstr(b->err.text, "other"));
}

static void test_ledger_keeps_fills_for_ever(void **state)
{
    struct sp_db *db = NULL;

    (void)state;
    open_ledger();
    trade_a_while(1);
    write_journal(true);
    stop_ledger();
    assert_int_equal(sp_db_open(b->path, SP_DB_SYNC_LAZY, "", &db, &b->err), SP_OK);
    assert_int_not_equal(sp_db_execute(db, "DELETE FROM fills", &b->err), SP_OK);
    assert_int_not_equal(sp_db_execute(db, "UPDATE fills SET px = 1", &b->err), SP_OK);
    sp_db_close(db);
    check_rows();
}

static void refuse(struct sp_db *db, const char *sql, const char *why)
{
    sp_status status = sp_db_execute(db, sql, &b->err);

    if (status == SP_OK) fail_msg("taken: %s", sql);
    if (strstr(b->err.text, why) == NULL) fail_msg("%s: %s", sql, b->err.text);
    sp_db_rollback(db);
}

static void test_ledger_refuses_what_does_not_balance(void **state)
{
    struct sp_db *db = NULL;

    (void)state;
    open_ledger();
    trade_a_while(1);
    write_journal(true);
    stop_ledger();
    assert_int_equal(sp_db_open(b->path, SP_DB_SYNC_LAZY, "", &db, &b->err), SP_OK);
    refuse(db,
           "BEGIN; INSERT INTO postings VALUES (90000, 0, 'link:ema', 'BTC', 5);"
           "INSERT INTO postings VALUES (90000, 1, 'venue:paper', 'USDT', -5);"
           "INSERT INTO transactions VALUES (90000, 'FILL', '', 0); COMMIT",
           "zero");
    refuse(db, "BEGIN; INSERT INTO postings VALUES (90000, 0, 'link:ema', 'BTC', 5); COMMIT",
           "FOREIGN KEY");
    refuse(db, "INSERT INTO transactions VALUES (90000, 'FILL', '', 0)", "has postings");
    refuse(db, "INSERT INTO postings SELECT seq, 99, account, asset, amount FROM postings LIMIT 1",
           "closed");
    refuse(db, "UPDATE postings SET amount = 1", "never changed");
    refuse(db, "DELETE FROM postings", "never deleted");
    refuse(db, "DELETE FROM transactions", "never deleted");
    refuse(db, "UPDATE accounts SET kind = 'dust'", "never changed");
    sp_db_close(db);
    check_rows();
}

static void test_ledger_of_the_first_version_is_written_anew(void **state)
{
    struct sp_db *db = NULL;
    char aside[520];

    (void)state;
    trade_a_while(2);
    write_journal(true);
    assert_int_equal(
        sp_db_open(b->path, SP_DB_SYNC_LAZY,
                   "CREATE TABLE meta (id INTEGER PRIMARY KEY, stream TEXT, cursor INTEGER);"
                   "INSERT INTO meta VALUES (1, 'execution', 3);"
                   "CREATE TABLE fills (venue TEXT)",
                   &db, &b->err),
        SP_OK);
    sp_db_close(db);
    open_ledger();
    stop_ledger();
    check_rows();
    snprintf(aside, sizeof aside, "%s.old", b->path);
    assert_int_equal(access(aside, F_OK), 0);
}

/* The reason stays; the journal goes on without it, and the next start writes the rest. */
static void test_ledger_that_fails_says_so_and_continues_later(void **state)
{
    struct sp_db *db = NULL;

    (void)state;
    open_ledger();
    stop_ledger();
    assert_int_equal(sp_db_open(b->path, SP_DB_SYNC_LAZY,
                                "CREATE TRIGGER planted BEFORE INSERT ON fills BEGIN"
                                " SELECT RAISE(ABORT, 'planted'); END",
                                &db, &b->err),
                     SP_OK);
    sp_db_close(db);
    open_ledger();
    trade_a_while(1);
    write_journal(true);
    struct timespec little = {.tv_nsec = 1000000};
    for (int i = 0; i < 3000 && sp_ledger_health(b->ledger, &b->err) == SP_OK; i++)
        nanosleep(&little, NULL);
    assert_int_equal(sp_ledger_health(b->ledger, &b->err), SP_EXISTS);
    assert_non_null(strstr(b->err.text, "planted"));
    core_move(b->s, 51000, 0);
    write_journal(true);
    sp_ledger_close(b->ledger);
    b->ledger = NULL;
    assert_int_equal(sp_db_open(b->path, SP_DB_SYNC_LAZY, "DROP TRIGGER planted", &db, &b->err),
                     SP_OK);
    sp_db_close(db);
    open_ledger();
    stop_ledger();
    check_rows();
}

/* A trade that late truth opened again is one row, with its last result. */
static void test_ledger_takes_a_trade_that_opens_again(void **state)
{
    struct sp_record plan = core_plan(b->s, "ema");

    (void)state;
    open_ledger();
    b->s->venue.liquidity = (sp_qty){6000000};
    core_feed(b->s, &plan);
    core_deliver(b->s);
    core_move(b->s, 52000, 0);
    struct venue_order *entry =
        venue_find(&b->s->venue, &core_order(b->s, SP_LEG_ROLE_ENTRY)->intent.client_order_id);
    entry->state = SP_ORDER_STATE_PARTIALLY_FILLED;
    venue_fill(&b->s->venue, &entry->id, b->s->venue.price, (sp_qty){4000000});
    core_deliver(b->s);
    core_pass(b->s, 1000);
    struct sp_record resume = core_command(b->s, SP_COMMAND_RESUME, "all");
    core_order_command(b->s, &resume);
    trade_a_while(1);
    write_journal(true);
    stop_ledger();
    check_rows();
}

#define T(name) cmocka_unit_test_setup_teardown(test_ledger_##name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(rows_equal_the_fold),
        T(continues_where_it_stopped),
        T(is_never_ahead_of_what_is_durable),
        T(survives_kills),
        T(removed_is_rebuilt_equal),
        T(damaged_says_what_to_do),
        T(of_another_stream_is_refused),
        T(keeps_fills_for_ever),
        T(takes_a_trade_that_opens_again),
        T(refuses_what_does_not_balance),
        T(of_the_first_version_is_written_anew),
        T(that_fails_says_so_and_continues_later),
    };

    return cmocka_run_group_tests_name("ledger", tests, NULL, NULL);
}
