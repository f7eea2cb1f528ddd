/* A journal written by the core, and the ledger over it: for tests of the ledger. */
#ifndef SP_TEST_LEDGER_BENCH_H
#define SP_TEST_LEDGER_BENCH_H

#include "services/execution/ledger.h"

#include "../common/folder.h"
#include "core_shell.h"

struct ledger_bench {
    struct folder folder;
    char path[512];
    struct core_shell *s;
    struct sp_journal *journal;
    struct sp_ledger *ledger;
    uint32_t written; /* records of the core that are in the journal */
    struct sp_backup_options backup;
    struct sp_err err;
};
extern struct ledger_bench *b;

sp_status bench_try(void);
void bench_open(void);
int bench_setup(void **state);
int bench_teardown(void **state);
void bench_write(bool sync);
void bench_trade(int trades);
struct sp_ledger_report bench_report(void);
void bench_stop(void);
int64_t bench_number(struct sp_db *db, const char *sql);
int64_t bench_posted(struct sp_db *db, const char *account, const char *asset);
void bench_check(void);
bool bench_exists(const char *suffix);
void bench_expect_replaced(const char *aside);
void bench_tamper(const char *sql, bool orderly);

#endif
