/* The ledger: fills, trades, orders and balances in SQLite, a projection of the execution journal
 * (its rows: common/ledger/ledger_rows.h).
 *
 * Written behind by one thread on one connection (EXCLUSIVE, WAL, NORMAL), so that no commit is
 * ever on the order path; limits are decided from the core's memory. Each batch commits with the
 * cursor (the journal sequence it includes) in the same transaction, and never notes a sequence
 * that the journal has not synced. Deleting the file loses nothing: the next start rebuilds it.
 *
 * There is no queue between the threads: the loop only says how far the journal has grown, and the
 * thread reads the journal as any other reader does.
 */
#ifndef SP_EXECUTION_LEDGER_H
#define SP_EXECUTION_LEDGER_H

#include "common/config/config.h"
#include "common/journal/journal.h"

struct sp_ledger;

struct sp_ledger_options {
    const char *path;        /* DATA/execution/ledger.db */
    const char *journal_dir; /* where what was missed is read from */
    sp_name stream;
    const struct sp_world_config *world; /* its instruments; outlives the ledger */
    const struct sp_journal *journal;    /* asked for its durable sequence */
};

/* Opens or creates the file, checks it, starts the thread, which catches up from the journal. A
 * file of an older version is put aside and written anew. SP_CORRUPT: the file is damaged, and may
 * be removed, since it is rebuilt; or the journal ends before what the file has seen. SP_VERSION:
 * it is newer, or older and the journal's begin is gone. SP_INVALID: another stream's.
 * SP_STORAGE. */
SP_NODISCARD sp_status sp_ledger_open(const struct sp_ledger_options *options,
                                      struct sp_ledger **out, struct sp_err *err);
/* Tells the thread that the journal has grown to `seq`. Never blocks. */
void sp_ledger_notify(struct sp_ledger *ledger, uint64_t seq);
/* Writes what is there (up to what is durable), stops the thread, closes. NULL is accepted. */
void sp_ledger_close(struct sp_ledger *ledger);
/* Journal sequence the ledger includes. */
uint64_t sp_ledger_cursor(const struct sp_ledger *ledger);
/* SP_OK, or why the thread has stopped: the projection is behind, trading is not affected. */
sp_status sp_ledger_health(struct sp_ledger *ledger, struct sp_err *err);

#endif
