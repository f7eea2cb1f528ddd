/* Backups while the ledger is written: copied in pieces by the ledger's thread, which alone has the
 * connection, between its transactions; then checked and named by a thread of their own, so that
 * no transaction waits for more than a piece. One at a time. All calls by the ledger's thread.
 */
#ifndef SP_EXECUTION_BACKUP_JOB_H
#define SP_EXECUTION_BACKUP_JOB_H

#include "common/ledger/ledger_backup.h"

struct sp_backup_options {
    char dir[SP_LEDGER_PATH_SIZE]; /* "": none are made */
    sp_name stream;
    sp_dur every;  /* 0: only when asked */
    uint32_t keep; /* 0: all */
};

struct sp_backup_report {
    struct sp_ledger_backup last; /* sound, of this process or an earlier one; taken 0: none */
    sp_status status;             /* of the last attempt */
    struct sp_err why;
    uint64_t answered; /* the highest request that was answered by it */
};

struct sp_backup_job;

/* Looks for the newest backup there is. SP_NO_MEMORY. */
SP_NODISCARD sp_status sp_backup_job_open(const struct sp_backup_options *options,
                                          struct sp_backup_job **out, struct sp_err *err);
/* Gives a copy up, waits for a check. NULL is accepted. */
void sp_backup_job_close(struct sp_backup_job *job);
/* Does the next piece of what is due: a backup is, `every` after the last sound one if anything
 * was written since, a minute after one that failed, and when `asked` (a number that grows with
 * each request) is above what was answered. `rows` is NULL while there is no file. Returns after
 * how many ms to call again: 0 at once. */
int sp_backup_job_go_on(struct sp_backup_job *job, struct sp_ledger_rows *rows, uint64_t asked);
/* Before the connection is closed: gives a copy up. */
void sp_backup_job_let_go(struct sp_backup_job *job);
const struct sp_backup_report *sp_backup_job_report(const struct sp_backup_job *job);

#endif
