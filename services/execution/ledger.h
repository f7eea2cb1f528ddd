/* The ledger: fills, trades, orders and balances in SQLite, a projection of the execution journal
 * (its rows: common/ledger/ledger_rows.h).
 *
 * Written behind by one thread on one connection (EXCLUSIVE, WAL, NORMAL), so that no commit is
 * ever on the order path; limits are decided from the core's memory. Each transaction holds whole
 * batches of the journal with the cursor (the sequence it includes), and never notes a sequence
 * that the journal has not synced. Deleting the file loses nothing: the next start rebuilds it.
 *
 * It never stops trading while the journal is sound. A damaged file is put aside and written anew,
 * at start or later (common/ledger/ledger_file.h); a disk that refuses is tried again after 1 s,
 * then ever later, up to 60 s; what will not get better by waiting (a rule of the file is broken,
 * an instrument is unknown, the disk refused a sync, the file was damaged three times, the journal
 * cannot be read) ends the writing until the next start. All of it is in the report.
 *
 * There is no queue between the threads: the loop only says how far the journal has grown, and the
 * thread reads the journal as any other reader does.
 */
#ifndef SP_EXECUTION_LEDGER_H
#define SP_EXECUTION_LEDGER_H

#include "common/journal/journal.h"
#include "common/ledger/ledger_file.h"
#include "services/execution/backup_job.h"

struct sp_ledger;

struct sp_ledger_options {
    const char *path;        /* DATA/execution/ledger.db */
    const char *journal_dir; /* where what was missed is read from */
    sp_name stream;
    const struct sp_world_config *world; /* its instruments; outlives the ledger */
    const struct sp_journal *journal;    /* asked for its durable sequence */
    struct sp_backup_options backup;     /* the stream is filled in */
};

/* Opens or creates the file, checks it, starts the thread, which catches up from the journal. A
 * file that cannot be opened now (locked, disk) is opened later by the thread. SP_CORRUPT: the
 * journal ends before what the file has seen; or the file is unusable and the journal's begin is
 * gone. SP_NO_MEMORY. */
SP_NODISCARD sp_status sp_ledger_open(const struct sp_ledger_options *options,
                                      struct sp_ledger **out, struct sp_err *err);
/* Tells the thread that the journal has grown to `seq`. By the journal's own thread; never blocks.
 */
void sp_ledger_notify(struct sp_ledger *ledger, uint64_t seq);
/* Asks for a backup, whether one is due or not; the report's backup.answered reaches the number
 * that is returned when it is made, or could not be. Never blocks. */
uint64_t sp_ledger_ask_backup(struct sp_ledger *ledger);
/* Writes what is there (up to what is durable), stops the thread, closes. NULL is accepted. */
void sp_ledger_close(struct sp_ledger *ledger);
/* Journal sequence the ledger includes. */
uint64_t sp_ledger_cursor(const struct sp_ledger *ledger);

/* Has the thread put what it wrote on disk, and returns the sequence that a power cut cannot take
 * from the file; 0 if that was not possible within two seconds. Waits. */
uint64_t sp_ledger_make_durable(struct sp_ledger *ledger);

/* How it is, for people. */
struct sp_ledger_report {
    sp_status status; /* SP_OK, or why nothing is written: the projection is behind */
    struct sp_err why;
    bool ended;                       /* not tried again before the next start */
    uint32_t replaced;                /* times the file was put aside */
    struct sp_ledger_finding finding; /* of the newest opening */
    struct sp_backup_report backup;
};
void sp_ledger_report(struct sp_ledger *ledger, struct sp_ledger_report *out);

#endif
