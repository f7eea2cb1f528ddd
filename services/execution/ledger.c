#include "services/execution/ledger.h"

#include "common/clock.h"
#include "common/ledger/ledger_feed.h"
#include "common/planted_bug.h"
#include "services/execution/ledger_failure.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RETRY_S_MAX 60
#define HEAP_BYTES  (INT64_C(64) << 20)
#define DURABLE_S   2

struct sp_ledger {
    struct sp_ledger_options options;
    char path[SP_LEDGER_PATH_SIZE], journal_dir[SP_LEDGER_PATH_SIZE];
    struct sp_ledger_rows
        *rows; /* NULL while it could not be opened; of the thread, once it runs */
    struct sp_ledger_feed *feed;
    struct sp_backup_job *backup;
    int retry_s;      /* until the next attempt; 0: nothing failed */
    sp_mono retry_at; /* not before */
    atomic_uint_fast64_t cursor;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    uint64_t target;    /* under lock: write up to here */
    uint64_t first_seq; /* under lock: the oldest that the journal holds */
    uint64_t asked;     /* under lock: backups */
    bool stop;          /* under lock */
    bool want_durable;  /* under lock: put it on disk, set `durable`, wake `told` */
    uint64_t durable;   /* under lock; 0: it could not be done */
    pthread_cond_t told;
    struct sp_ledger_report report; /* under lock */
};

/* ---- The file ---- */

static void close_file(struct sp_ledger *ledger)
{
    sp_backup_job_let_go(ledger->backup);
    sp_ledger_feed_close(ledger->feed);
    ledger->feed = NULL;
    sp_ledger_rows_close(ledger->rows);
    ledger->rows = NULL;
}

/* What the journal holds of what may be noted. */
static struct sp_ledger_place place_of(struct sp_ledger *ledger)
{
    pthread_mutex_lock(&ledger->lock);
    uint64_t first_seq = ledger->first_seq;
    pthread_mutex_unlock(&ledger->lock);

    return (struct sp_ledger_place){.path = ledger->path,
                                    .backup_dir = ledger->options.backup.dir,
                                    .stream = ledger->options.stream,
                                    .world = ledger->options.world,
                                    .first_seq = first_seq,
                                    .last_seq = sp_journal_durable_seq(ledger->options.journal)};
}

SP_NODISCARD static sp_status open_file(struct sp_ledger *ledger, bool damaged, struct sp_err *err)
{
    struct sp_ledger_place place = place_of(ledger);
    struct sp_ledger_finding finding = {0};

    sp_status status = sp_ledger_file_open(&place, damaged, &ledger->rows, &finding, err);
    if (status == SP_OK)
        status = sp_ledger_feed_open(ledger->rows, ledger->journal_dir, &ledger->options.stream,
                                     &ledger->feed, err);
    if (status != SP_OK) {
        close_file(ledger);
        return status;
    }
    atomic_store(&ledger->cursor, sp_ledger_rows_cursor(ledger->rows));
    pthread_mutex_lock(&ledger->lock);
    ledger->report.finding = finding;
    if (finding.aside[0] != '\0') ledger->report.replaced++;
    pthread_mutex_unlock(&ledger->lock);
    return SP_OK;
}

/* ---- The thread ---- */

static void tell(struct sp_ledger *ledger, sp_status status, const struct sp_err *err, bool ended)
{
    pthread_mutex_lock(&ledger->lock);
    ledger->report.status = status;
    if (status != SP_OK) ledger->report.why = *err;
    ledger->report.ended = ended;
    pthread_mutex_unlock(&ledger->lock);
}

/* After a sync that was refused nothing is tried again here: the next start looks, whom the log
 * that stays tells to look at everything. */
static void fail(struct sp_ledger *ledger, sp_status status, struct sp_err *err)
{
    struct sp_ledger_failure failure = {
        .status = status,
        .of_journal = ledger->feed != NULL && sp_ledger_feed_journal_failed(ledger->feed),
        .sync_refused = ledger->rows != NULL && sp_db_sync_failed(sp_ledger_rows_db(ledger->rows)),
        .replaced = ledger->report.replaced};
    enum sp_ledger_next next = sp_ledger_after(&failure);

    if (next == SP_LEDGER_REPLACE) {
        close_file(ledger);
        status = open_file(ledger, true, err);
        if (status != SP_OK) next = sp_ledger_may_pass(status) ? SP_LEDGER_RETRY : SP_LEDGER_END;
    }
    if (status != SP_OK) {
        close_file(ledger);
        ledger->retry_s = ledger->retry_s == 0 ? 1 : ledger->retry_s * 2;
        if (ledger->retry_s > RETRY_S_MAX) ledger->retry_s = RETRY_S_MAX;
        ledger->retry_at = (sp_mono){sp_clock_mono().ns + ledger->retry_s * SP_NS_PER_S};
    }
    tell(ledger, status, err, next == SP_LEDGER_END);
}

/* Writes up to `target`, opens the file before that if it must. */
static void write_upto(struct sp_ledger *ledger, uint64_t target)
{
    struct sp_err err = {0};
    sp_status status = ledger->rows == NULL ? open_file(ledger, false, &err) : SP_OK;

    while (status == SP_OK) {
        status = sp_ledger_feed_write(ledger->feed, target, &err);
        atomic_store(&ledger->cursor, sp_ledger_rows_cursor(ledger->rows));
    }
    if (status != SP_AGAIN) {
        fail(ledger, status, &err);
        return;
    }
    if (ledger->retry_s > 0) tell(ledger, SP_OK, NULL, false);
    ledger->retry_s = 0;
}

/* The durable part of what was asked for. */
static uint64_t writable(const struct sp_ledger *ledger)
{
    uint64_t durable = sp_journal_durable_seq(ledger->options.journal);

    if (SP_BUG(ledger_ahead)) return ledger->target;
    return ledger->target < durable ? ledger->target : durable;
}

/* A piece of a backup, if one is due and everything is written. Returns how long to wait, in ms. */
static int back_up(struct sp_ledger *ledger)
{
    uint64_t asked = ledger->asked;

    pthread_mutex_unlock(&ledger->lock);
    int wait_ms = sp_backup_job_go_on(ledger->backup, ledger->rows, asked);
    pthread_mutex_lock(&ledger->lock);
    ledger->report.backup = *sp_backup_job_report(ledger->backup);
    return wait_ms;
}

/* Until a notice, or for so long: what was not durable yet is by then. After a failure the file is
 * left alone for longer. */
static void wait_a_while(struct sp_ledger *ledger, int wait_ms)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += wait_ms / 1000;
    until.tv_nsec += wait_ms % 1000 * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    pthread_cond_timedwait(&ledger->wake, &ledger->lock, &until);
}

static bool may_write(const struct sp_ledger *ledger)
{
    bool due = ledger->rows != NULL || sp_clock_mono().ns >= ledger->retry_at.ns;

    return !ledger->report.ended && (due || ledger->stop);
}

/* A checkpoint syncs the write-ahead log first. The lock is held before and after. */
static void put_on_disk(struct sp_ledger *ledger)
{
    uint64_t cursor = atomic_load(&ledger->cursor);
    sp_status status = SP_CLOSED;

    pthread_mutex_unlock(&ledger->lock);
    if (ledger->rows != NULL)
        status =
            sp_db_execute(sp_ledger_rows_db(ledger->rows), "PRAGMA wal_checkpoint(TRUNCATE)", NULL);
    pthread_mutex_lock(&ledger->lock);
    ledger->durable = status == SP_OK ? cursor : 0;
    ledger->want_durable = false;
    pthread_cond_broadcast(&ledger->told);
}

static void *work(void *ctx)
{
    struct sp_ledger *ledger = ctx;

    pthread_mutex_lock(&ledger->lock);
    for (;;) {
        uint64_t target = writable(ledger), before = atomic_load(&ledger->cursor);
        bool stop = ledger->stop;
        if ((target > before || ledger->rows == NULL) && may_write(ledger)) {
            pthread_mutex_unlock(&ledger->lock);
            write_upto(ledger, target);
            pthread_mutex_lock(&ledger->lock);
        }
        if (stop) break;
        if (ledger->want_durable) put_on_disk(ledger);
        int wait_ms = ledger->stop ? 0 : back_up(ledger);
        /* A stop that came meanwhile looks once more: an older target was written. */
        if (wait_ms > 0 && !ledger->stop) wait_a_while(ledger, wait_ms);
    }
    pthread_cond_broadcast(&ledger->told);
    pthread_mutex_unlock(&ledger->lock);
    return NULL;
}

/* ---- Opening ---- */

static void release(struct sp_ledger *ledger)
{
    close_file(ledger);
    sp_backup_job_close(ledger->backup);
    pthread_mutex_destroy(&ledger->lock);
    pthread_cond_destroy(&ledger->wake);
    pthread_cond_destroy(&ledger->told);
    free(ledger);
}

sp_status sp_ledger_open(const struct sp_ledger_options *options, struct sp_ledger **out,
                         struct sp_err *err)
{
    struct sp_ledger *ledger = calloc(1, sizeof *ledger);

    if (ledger == NULL) return SP_FAIL(err, SP_NO_MEMORY, "ledger");
    ledger->options = *options;
    snprintf(ledger->path, sizeof ledger->path, "%s", options->path);
    snprintf(ledger->journal_dir, sizeof ledger->journal_dir, "%s", options->journal_dir);
    pthread_mutex_init(&ledger->lock, NULL);
    pthread_cond_init(&ledger->wake, NULL);
    pthread_cond_init(&ledger->told, NULL);
    ledger->first_seq = sp_journal_first_seq(options->journal);
    sp_db_limit_heap(HEAP_BYTES);
    ledger->options.backup.stream = options->stream;
    sp_status status = sp_backup_job_open(&ledger->options.backup, &ledger->backup, err);
    if (status != SP_OK) {
        release(ledger);
        return status;
    }
    status = open_file(ledger, false, err);
    if (sp_ledger_may_pass(status)) {
        ledger->report.status = status;
        if (err != NULL) ledger->report.why = *err;
        ledger->retry_s = 1;
        ledger->retry_at = (sp_mono){sp_clock_mono().ns + SP_NS_PER_S};
        status = SP_OK;
    }
    if (status == SP_OK && pthread_create(&ledger->thread, NULL, work, ledger) != 0) {
        status = SP_FAIL(err, SP_NO_MEMORY, "ledger thread");
    }
    if (status != SP_OK) {
        release(ledger);
        return status;
    }
    *out = ledger;
    return SP_OK;
}

void sp_ledger_notify(struct sp_ledger *ledger, uint64_t seq)
{
    uint64_t first_seq = sp_journal_first_seq(ledger->options.journal);

    pthread_mutex_lock(&ledger->lock);
    if (seq > ledger->target) ledger->target = seq;
    ledger->first_seq = first_seq;
    pthread_cond_signal(&ledger->wake);
    pthread_mutex_unlock(&ledger->lock);
}

uint64_t sp_ledger_ask_backup(struct sp_ledger *ledger)
{
    pthread_mutex_lock(&ledger->lock);
    uint64_t number = ++ledger->asked;
    pthread_cond_signal(&ledger->wake);
    pthread_mutex_unlock(&ledger->lock);
    return number;
}

void sp_ledger_close(struct sp_ledger *ledger)
{
    if (ledger == NULL) return;
    pthread_mutex_lock(&ledger->lock);
    ledger->stop = true;
    pthread_cond_signal(&ledger->wake);
    pthread_mutex_unlock(&ledger->lock);
    pthread_join(ledger->thread, NULL);
    release(ledger);
}

uint64_t sp_ledger_make_durable(struct sp_ledger *ledger)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += DURABLE_S;
    pthread_mutex_lock(&ledger->lock);
    ledger->durable = 0;
    ledger->want_durable = true;
    pthread_cond_signal(&ledger->wake);
    while (ledger->want_durable && !ledger->report.ended) {
        if (pthread_cond_timedwait(&ledger->told, &ledger->lock, &until) != 0) break;
    }
    uint64_t durable = ledger->durable;
    ledger->want_durable = false;
    pthread_mutex_unlock(&ledger->lock);
    return durable;
}

uint64_t sp_ledger_cursor(const struct sp_ledger *ledger)
{
    return atomic_load(&ledger->cursor);
}

void sp_ledger_report(struct sp_ledger *ledger, struct sp_ledger_report *out)
{
    pthread_mutex_lock(&ledger->lock);
    *out = ledger->report;
    pthread_mutex_unlock(&ledger->lock);
}
