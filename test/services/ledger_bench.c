#include "ledger_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

struct ledger_bench *b;

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

sp_status bench_try(void)
{
    struct sp_ledger_options options = {.path = b->path,
                                        .journal_dir = b->folder.path,
                                        .stream = sp_name_of("execution"),
                                        .world = b->s->core.books.world,
                                        .journal = b->journal,
                                        .backup = b->backup};

    return sp_ledger_open(&options, &b->ledger, &b->err);
}

void bench_open(void)
{
    if (bench_try() != SP_OK) fail_msg("%s", b->err.text);
    sp_ledger_notify(b->ledger, sp_journal_next_seq(b->journal) - 1);
}

int bench_setup(void **state)
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

int bench_teardown(void **state)
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
void bench_write(bool sync)
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

void bench_trade(int trades)
{
    for (int i = 0; i < trades; i++) {
        core_price(b->s, 50000);
        core_open(b->s, "ema");
        core_move(b->s, i % 2 == 0 ? 52000 : 48900, 0);
    }
    core_price(b->s, 50000);
    core_open(b->s, "mean"); /* stays open */
}

struct sp_ledger_report bench_report(void)
{
    struct sp_ledger_report report = {0};

    sp_ledger_report(b->ledger, &report);
    return report;
}

/* Closing writes all that is durable: an orderly stop. */
void bench_stop(void)
{
    assert_int_equal(bench_report().status, SP_OK);
    sp_ledger_close(b->ledger);
    b->ledger = NULL;
}

int64_t bench_number(struct sp_db *db, const char *sql)
{
    struct sp_stmt *stmt = NULL;

    if (sp_db_prepare(db, sql, &stmt, &b->err) != SP_OK) fail_msg("%s", b->err.text);
    assert_int_equal(sp_stmt_next(stmt, &b->err), SP_OK);
    int64_t value = sp_stmt_column_int(stmt, 0);
    sp_stmt_reset(stmt);
    return value;
}

int64_t bench_posted(struct sp_db *db, const char *account, const char *asset)
{
    char sql[256];

    snprintf(sql, sizeof sql,
             "SELECT coalesce(sum(amount), 0) FROM postings WHERE account = '%s' AND asset = '%s'",
             account, asset);
    return bench_number(db, sql);
}

/* Against the books, which fold the same records by other code. */
static void check_postings(struct sp_db *db)
{
    const struct sp_books *books = &b->s->core.books;

    assert_int_equal(
        bench_number(db, "SELECT count(*) FROM (SELECT seq FROM postings GROUP BY seq, asset"
                         " HAVING sum(amount) <> 0)"),
        0);
    assert_int_equal(bench_number(db, "SELECT count(*) FROM transactions WHERE kind = 'FILL'"),
                     books->fill_total);
    assert_int_equal(bench_posted(db, "link:ema", "USDT"),
                     books->links[0].cash.e8 - books->links[0].capital.e8);
    assert_int_equal(bench_posted(db, "link:mean", "USDT"),
                     books->links[1].cash.e8 - books->links[1].capital.e8);
    assert_int_equal(bench_posted(db, "venue:paper", "BTC"), -b->s->venue.base.e8);
    assert_int_equal(bench_posted(db, "fees:paper", "USDT"),
                     books->links[0].fees.e8 + books->links[1].fees.e8);
    int64_t dust = 0;
    for (uint32_t i = 0; i < books->trade_count; i++)
        dust += books->trades[i].dust.e8;
    assert_int_equal(bench_posted(db, "dust:ema", "BTC") + bench_posted(db, "dust:mean", "BTC"),
                     dust);
}

void bench_check(void)
{
    const struct sp_books *books = &b->s->core.books;
    struct sp_db *db = NULL;

    if (sp_db_open(b->path, SP_DB_SYNC_LAZY, "", &db, &b->err) != SP_OK)
        fail_msg("%s", b->err.text);
    assert_int_equal(bench_number(db, "SELECT cursor FROM meta"),
                     sp_journal_next_seq(b->journal) - 1);
    assert_int_equal(bench_number(db, "SELECT count(*) FROM fills"), books->fill_total);
    assert_int_equal(bench_number(db, "SELECT count(*) FROM orders"), books->order_count);
    assert_int_equal(bench_number(db, "SELECT count(*) FROM trades"), books->trade_count);
    assert_int_equal(bench_number(db, "SELECT sum(pnl) FROM trades"),
                     books->links[0].result.realised.e8 + books->links[1].result.realised.e8);
    assert_int_equal(bench_number(db, "SELECT cash FROM links WHERE link = 'ema'"),
                     books->links[0].cash.e8);
    assert_int_equal(bench_number(db, "SELECT cash FROM links WHERE link = 'mean'"),
                     books->links[1].cash.e8);
    assert_int_equal(bench_number(db, "SELECT sum(CASE side WHEN 'BUY' THEN qty ELSE -qty END)"
                                      " FROM fills"),
                     b->s->venue.base.e8);
    assert_int_equal(bench_number(db, "SELECT sum(fee) FROM fills"),
                     books->links[0].fees.e8 + books->links[1].fees.e8);
    assert_int_equal(bench_number(db, "SELECT count(*) FROM orders WHERE outcome = ''"), 0);
    check_postings(db);
    sp_db_close(db);
}

bool bench_exists(const char *suffix)
{
    char path[600];

    snprintf(path, sizeof path, "%s%s", b->path, suffix);
    return access(path, F_OK) == 0;
}

/* Opens what was damaged, and expects it aside and everything written anew. */
void bench_expect_replaced(const char *aside)
{
    bench_open();
    assert_int_equal(bench_report().replaced, 1);
    assert_non_null(strstr(bench_report().finding.aside, aside));
    assert_true(bench_report().finding.why.text[0] != '\0');
    bench_stop();
    assert_true(bench_exists(aside));
    bench_check();
}

/* Changes the file with SQL of ours, and ends without closing it. */
void bench_tamper(const char *sql, bool orderly)
{
    pid_t child = fork();

    if (child == 0) {
        struct sp_db *db = NULL;
        if (sp_db_open(b->path, SP_DB_SYNC_LAZY, "", &db, &b->err) != SP_OK) _exit(1);
        if (sp_db_execute(db, sql, &b->err) != SP_OK) _exit(2);
        if (orderly) sp_db_close(db);
        _exit(0);
    }
    int how = -1;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_int_equal(how, 0);
}
