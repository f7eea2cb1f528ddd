/* The ledger: its rows equal a fold of the journal, wherever it was stopped. */
#include "ledger_bench.h"

#include "common/ledger/ledger_check.h"
#include "common/ledger/ledger_feed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include <cmocka.h>

static void test_ledger_rows_equal_the_fold(void **state)
{
    (void)state;
    bench_open();
    bench_trade(7);
    bench_write(true);
    bench_stop();
    bench_check();
}

static void test_ledger_continues_where_it_stopped(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        bench_open();
        core_price(b->s, 50000);
        core_open(b->s, "ema");
        core_move(b->s, 52000, 0);
        bench_write(true);
        bench_stop();
    }
    bench_trade(1);
    bench_write(true);
    bench_open(); /* all of the last is behind */
    bench_stop();
    bench_check();
}

/* What the disk may still take back must not be in a file that says it was there. */
static void test_ledger_is_never_ahead_of_what_is_durable(void **state)
{
    (void)state;
    bench_open();
    bench_write(true);
    uint64_t durable = sp_journal_durable_seq(b->journal);
    bench_trade(2);
    bench_write(false);
    bench_stop();
    assert_true(sp_journal_durable_seq(b->journal) < sp_journal_next_seq(b->journal) - 1);
    bench_open();
    assert_true(sp_ledger_cursor(b->ledger) <= durable);
    bench_stop();
    bench_write(true);
    bench_open();
    bench_stop();
    bench_check();
}

/* Killed in the middle of its work, by a process that dies with it. */
static void test_ledger_survives_kills(void **state)
{
    (void)state;
    bench_trade(40);
    bench_write(true);
    for (int i = 0; i < 6; i++) {
        pid_t child = fork();
        if (child == 0) {
            struct timespec little = {.tv_nsec = i * 700000};
            if (bench_try() != SP_OK) _exit(1);
            sp_ledger_notify(b->ledger, sp_journal_next_seq(b->journal) - 1);
            nanosleep(&little, NULL);
            _exit(0);
        }
        int how = -1;
        assert_int_equal(waitpid(child, &how, 0), child);
        assert_int_equal(how, 0);
    }
    bench_open();
    bench_stop();
    bench_check();
}

static void test_ledger_removed_is_rebuilt_equal(void **state)
{
    (void)state;
    bench_open();
    bench_trade(3);
    bench_write(true);
    bench_stop();
    bench_check();
    assert_int_equal(unlink(b->path), 0);
    bench_open();
    bench_stop();
    bench_check();
}

/* Each change of a row that is kept breaks the chain at its place. */
static void test_ledger_chain_names_the_first_broken_row(void **state)
{
    static const struct {
        const char *drop, *sql, *named;
    } changes[] = {
        {"postings_stay",
         "UPDATE postings SET account = 'venue:paper' WHERE leg = 2 AND seq ="
         " (SELECT max(seq) FROM postings)",
         "postings, sequence"},
        {"fills_stay",
         "UPDATE fills SET liquidity = 'MAKER' WHERE seq = (SELECT min(seq) FROM"
         " fills)",
         "fills, sequence"},
        {"transactions_stay",
         "UPDATE transactions SET time = time + 1 WHERE seq ="
         " (SELECT min(seq) FROM transactions)",
         "transactions, sequence"},
        {"fills_stay",
         "UPDATE fills SET hash = replace(hash, '0', '1') WHERE seq ="
         " (SELECT max(seq) FROM fills)",
         "fills, sequence"},
        {"postings_come_first", "UPDATE meta SET chain = replace(chain, 'a', 'b')", "shorter"},
    };

    (void)state;
    bench_trade(2);
    bench_write(true);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        struct sp_ledger_rows *rows = NULL;
        char sql[512];
        unlink(b->path);
        bench_open();
        bench_stop();
        snprintf(sql, sizeof sql, "DROP TRIGGER %s; %s", changes[i].drop, changes[i].sql);
        bench_tamper(sql, true);
        sp_name stream = sp_name_of("execution");
        assert_int_equal(
            sp_ledger_rows_open(b->path, &stream, b->s->core.books.world, &rows, &b->err), SP_OK);
        assert_int_equal(sp_ledger_check(rows, &b->err), SP_CORRUPT);
        if (strstr(b->err.text, changes[i].named) == NULL) fail_msg("%s", b->err.text);
        sp_ledger_rows_close(rows);
    }
}

/* Written in one go, and in pieces with restarts: the same hashes. */
static void test_ledger_chain_is_a_function_of_the_journal(void **state)
{
    struct sp_ledger_rows *rows = NULL, *fresh = NULL;
    sp_name stream = sp_name_of("execution");

    (void)state;
    for (int i = 0; i < 3; i++) {
        bench_open();
        bench_trade(1);
        bench_write(true);
        bench_stop();
    }
    const struct sp_world_config *world = b->s->core.books.world;
    assert_int_equal(sp_ledger_rows_open(b->path, &stream, world, &rows, &b->err), SP_OK);
    assert_int_equal(sp_ledger_rows_open(":memory:", &stream, world, &fresh, &b->err), SP_OK);
    assert_int_equal(sp_ledger_fold(fresh, b->folder.path, &stream, 0, &b->err), SP_OK);
    assert_string_equal(sp_ledger_rows_chain(rows), sp_ledger_rows_chain(fresh));
    char held[SP_LEDGER_HASH_SIZE], again[SP_LEDGER_HASH_SIZE];
    assert_int_equal(sp_ledger_hash(rows, held, &b->err), SP_OK);
    assert_int_equal(sp_ledger_hash(fresh, again, &b->err), SP_OK);
    assert_string_equal(held, again);
    assert_int_equal(sp_ledger_check(fresh, &b->err), SP_OK);
    sp_ledger_rows_close(fresh);
    sp_ledger_rows_close(rows);
}

static void trade_to_dust(void)
{
    struct sp_record plan = core_plan(b->s, "ema");

    core_open(b->s, "mean");
    b->s->venue.liquidity = (sp_qty){9000}; /* 4.50 of the minimum of 5 */
    core_feed(b->s, &plan);
    core_deliver(b->s);
    core_pass(b->s, 1000);
}

/* What cannot be sold is moved, once, and no money is made or lost by it. */
static void test_ledger_books_dust(void **state)
{
    struct sp_db *db = NULL;

    (void)state;
    bench_open();
    trade_to_dust();
    bench_write(true);
    bench_stop();
    bench_check();
    assert_int_equal(sp_db_open(b->path, SP_DB_SYNC_LAZY, "", &db, &b->err), SP_OK);
    assert_int_equal(bench_number(db, "SELECT count(*) FROM transactions WHERE kind = 'DUST'"), 1);
    assert_int_equal(bench_posted(db, "dust:ema", "BTC"), 9000);
    assert_int_equal(bench_posted(db, "link:ema", "BTC"), 0);
    assert_int_equal(bench_number(db, "SELECT dust FROM trades WHERE link = 'ema'"), 9000);
    assert_int_equal(bench_number(db, "SELECT pnl - (SELECT sum(amount) FROM postings WHERE asset ="
                                      " 'USDT' AND account = 'link:ema') FROM trades"
                                      " WHERE link = 'ema'"),
                     0);
    sp_db_close(db);
}

static void test_ledger_keeps_fills_for_ever(void **state)
{
    struct sp_db *db = NULL;

    (void)state;
    bench_open();
    bench_trade(1);
    bench_write(true);
    bench_stop();
    assert_int_equal(sp_db_open(b->path, SP_DB_SYNC_LAZY, "", &db, &b->err), SP_OK);
    assert_int_not_equal(sp_db_execute(db, "DELETE FROM fills", &b->err), SP_OK);
    assert_int_not_equal(sp_db_execute(db, "UPDATE fills SET px = 1", &b->err), SP_OK);
    sp_db_close(db);
    bench_check();
}

#define HASH "'0000000000000000000000000000000000000000000000000000000000000000'"

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
    bench_open();
    bench_trade(1);
    bench_write(true);
    bench_stop();
    assert_int_equal(sp_db_open(b->path, SP_DB_SYNC_LAZY, "", &db, &b->err), SP_OK);
    refuse(db,
           "BEGIN; INSERT INTO postings VALUES (90000, 0, 'link:ema', 'BTC', 5, " HASH ");"
           "INSERT INTO postings VALUES (90000, 1, 'venue:paper', 'USDT', -5, " HASH ");"
           "INSERT INTO transactions VALUES (90000, 'FILL', '', 0, " HASH "); COMMIT",
           "zero");
    refuse(db,
           "BEGIN; INSERT INTO postings VALUES (90000, 0, 'link:ema', 'BTC', 5, " HASH "); COMMIT",
           "FOREIGN KEY");
    refuse(db, "INSERT INTO transactions VALUES (90000, 'FILL', '', 0, " HASH ")", "has postings");
    refuse(
        db,
        "INSERT INTO postings SELECT seq, 99, account, asset, amount, hash FROM postings LIMIT 1",
        "closed");
    refuse(db, "UPDATE postings SET amount = 1", "never changed");
    refuse(db, "DELETE FROM postings", "never deleted");
    refuse(db, "DELETE FROM transactions", "never deleted");
    refuse(db, "UPDATE accounts SET kind = 'dust'", "never changed");
    sp_db_close(db);
    bench_check();
}

static void test_ledger_of_the_first_version_is_written_anew(void **state)
{
    struct sp_db *db = NULL;
    char aside[520];

    (void)state;
    bench_trade(2);
    bench_write(true);
    assert_int_equal(
        sp_db_open(b->path, SP_DB_SYNC_LAZY,
                   "CREATE TABLE meta (id INTEGER PRIMARY KEY, stream TEXT, cursor INTEGER);"
                   "INSERT INTO meta VALUES (1, 'execution', 3);"
                   "CREATE TABLE fills (venue TEXT)",
                   &db, &b->err),
        SP_OK);
    sp_db_close(db);
    bench_open();
    bench_stop();
    bench_check();
    snprintf(aside, sizeof aside, "%s.old.1", b->path);
    assert_int_equal(access(aside, F_OK), 0);
}

/* The reason stays; the journal goes on without it, and the next start writes the rest. */
static void test_ledger_that_fails_says_so_and_continues_later(void **state)
{
    struct sp_db *db = NULL;

    (void)state;
    bench_open();
    bench_stop();
    assert_int_equal(sp_db_open(b->path, SP_DB_SYNC_LAZY,
                                "CREATE TRIGGER planted BEFORE INSERT ON fills BEGIN"
                                " SELECT RAISE(ABORT, 'planted'); END",
                                &db, &b->err),
                     SP_OK);
    sp_db_close(db);
    bench_open();
    bench_trade(1);
    bench_write(true);
    struct timespec little = {.tv_nsec = 1000000};
    for (int i = 0; i < 3000 && bench_report().status == SP_OK; i++)
        nanosleep(&little, NULL);
    assert_int_equal(bench_report().status, SP_EXISTS);
    assert_true(bench_report().ended);
    assert_non_null(strstr(bench_report().why.text, "planted"));
    core_move(b->s, 51000, 0);
    bench_write(true);
    sp_ledger_close(b->ledger);
    b->ledger = NULL;
    assert_int_equal(sp_db_open(b->path, SP_DB_SYNC_LAZY, "DROP TRIGGER planted", &db, &b->err),
                     SP_OK);
    sp_db_close(db);
    bench_open();
    bench_stop();
    bench_check();
}

/* A trade that late truth opened again is one row, with its last result. */
static void test_ledger_takes_a_trade_that_opens_again(void **state)
{
    struct sp_record plan = core_plan(b->s, "ema");

    (void)state;
    bench_open();
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
    bench_trade(1);
    bench_write(true);
    bench_stop();
    bench_check();
}

#define T(name) cmocka_unit_test_setup_teardown(test_ledger_##name, bench_setup, bench_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(rows_equal_the_fold),
        T(continues_where_it_stopped),
        T(is_never_ahead_of_what_is_durable),
        T(survives_kills),
        T(removed_is_rebuilt_equal),
        T(chain_names_the_first_broken_row),
        T(chain_is_a_function_of_the_journal),
        T(books_dust),
        T(keeps_fills_for_ever),
        T(takes_a_trade_that_opens_again),
        T(refuses_what_does_not_balance),
        T(of_the_first_version_is_written_anew),
        T(that_fails_says_so_and_continues_later),
    };

    return cmocka_run_group_tests_name("ledger", tests, NULL, NULL);
}
