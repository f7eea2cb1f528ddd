#include "services/execution/backup_job.h"

#include "common/clock.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#define PIECE_PAGES 64 /* 256 KiB: a millisecond or so */
#define IDLE_MS     1000
#define CHECK_MS    50
#define RETRY_NS    (60 * SP_NS_PER_S)

enum stage { IDLE, COPYING, CHECKING };

struct sp_backup_job {
    struct sp_backup_options options;
    struct sp_backup_report report;
    enum stage stage;
    uint64_t answers; /* the request that this attempt is for */
    sp_wall tried;    /* the begin of the last attempt that failed; 0: the last one did not */
    char part[SP_LEDGER_PATH_SIZE];
    struct sp_db_copy *copy;
    pthread_t checker;
    atomic_bool checked; /* the checker has ended; what is below is ours again */
    sp_wall taken;
    sp_status status;
    struct sp_err err;
    struct sp_ledger_backup made;
};

sp_status sp_backup_job_open(const struct sp_backup_options *options, struct sp_backup_job **out,
                             struct sp_err *err)
{
    struct sp_backup_job *job = calloc(1, sizeof *job);

    if (job == NULL) return SP_FAIL(err, SP_NO_MEMORY, "backup job");
    job->options = *options;
    if (options->dir[0] != '\0')
        SP_IGNORE(sp_ledger_backup_list(options->dir, &job->report.last, 1) == 0); /* or none */
    *out = job;
    return SP_OK;
}

/* ---- An attempt ---- */

static void end_attempt(struct sp_backup_job *job, sp_status status)
{
    job->stage = IDLE;
    job->report.status = status;
    job->report.answered = job->answers;
    job->tried = status == SP_OK ? (sp_wall){0} : sp_clock_wall();
    if (status == SP_OK)
        job->report.last = job->made;
    else
        job->report.why = job->err;
}

static void begin(struct sp_backup_job *job, struct sp_ledger_rows *rows, uint64_t asked)
{
    job->err = (struct sp_err){0};
    job->answers = asked;
    sp_status status = SP_OK;
    if (job->options.dir[0] == '\0')
        status = SP_FAIL(&job->err, SP_CONFIG, "there is no folder for backups");
    else if (rows == NULL)
        status = SP_FAIL(&job->err, SP_STORAGE, "the ledger is not written at present");
    if (status == SP_OK) status = sp_ledger_backup_begin(job->options.dir, job->part, &job->err);
    if (status == SP_OK)
        status = sp_db_copy_begin(sp_ledger_rows_db(rows), job->part, &job->copy, &job->err);
    if (status == SP_OK)
        job->stage = COPYING;
    else
        end_attempt(job, status);
}

static void *check(void *ctx)
{
    struct sp_backup_job *job = ctx;

    job->status = sp_ledger_backup_end(job->options.dir, &job->options.stream, job->taken,
                                       job->options.keep, &job->made, &job->err);
    atomic_store(&job->checked, true);
    return NULL;
}

static void copy_piece(struct sp_backup_job *job)
{
    bool done = false;
    sp_status status = sp_db_copy_step(job->copy, PIECE_PAGES, &done, &job->err);

    if (status == SP_OK && !done) return;
    if (status == SP_OK) {
        status = sp_db_copy_end(job->copy, &job->err);
        job->copy = NULL;
    }
    job->taken = sp_clock_wall();
    atomic_store(&job->checked, false);
    if (status == SP_OK && pthread_create(&job->checker, NULL, check, job) != 0)
        status = SP_FAIL(&job->err, SP_NO_MEMORY, "backup thread");
    if (status == SP_OK) {
        job->stage = CHECKING;
        return;
    }
    sp_backup_job_let_go(job);
    unlink(job->part);
    end_attempt(job, status);
}

void sp_backup_job_let_go(struct sp_backup_job *job)
{
    if (job == NULL || job->copy == NULL) return;
    SP_IGNORE(sp_db_copy_end(job->copy, NULL)); /* given up */
    job->copy = NULL;
    unlink(job->part);
    if (job->stage == COPYING) {
        sp_status status = SP_FAIL(&job->err, SP_STORAGE, "the ledger was closed meanwhile");
        end_attempt(job, status);
    }
}

void sp_backup_job_close(struct sp_backup_job *job)
{
    if (job == NULL) return;
    sp_backup_job_let_go(job);
    if (job->stage == CHECKING) pthread_join(job->checker, NULL);
    free(job);
}

/* ---- When ---- */

static bool is_due(const struct sp_backup_job *job, const struct sp_ledger_rows *rows,
                   uint64_t asked)
{
    int64_t now = sp_clock_wall().ns, every = job->options.every.ns;

    if (asked > job->report.answered) return true;
    if (every == 0 || job->options.dir[0] == '\0' || rows == NULL) return false;
    if (sp_ledger_rows_cursor(rows) == job->report.last.cursor) return false;
    if (job->tried.ns != 0 && now >= job->tried.ns && now - job->tried.ns < RETRY_NS) return false;
    /* A clock that was set back makes it due, rather than never again. */
    return now < job->report.last.taken.ns || now - job->report.last.taken.ns >= every;
}

int sp_backup_job_go_on(struct sp_backup_job *job, struct sp_ledger_rows *rows, uint64_t asked)
{
    if (job->stage == CHECKING && atomic_load(&job->checked)) {
        pthread_join(job->checker, NULL);
        end_attempt(job, job->status);
    }
    if (job->stage == IDLE && is_due(job, rows, asked)) begin(job, rows, asked);
    if (job->stage == COPYING) copy_piece(job);
    if (job->stage == COPYING) return 0;
    return job->stage == CHECKING ? CHECK_MS : IDLE_MS;
}

const struct sp_backup_report *sp_backup_job_report(const struct sp_backup_job *job)
{
    return &job->report;
}
