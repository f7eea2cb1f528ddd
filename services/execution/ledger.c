#include "services/execution/ledger.h"

#include "common/ledger/ledger_rows.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_MAX 500

struct sp_ledger {
    struct sp_ledger_options options;
    char path[512], journal_dir[512];
    struct sp_ledger_rows *rows;
    struct sp_journal_reader *reader;
    struct sp_record record; /* read, not yet written if `held` */
    bool held;
    atomic_uint_fast64_t cursor;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    uint64_t target;  /* under lock: write up to here */
    bool stop;        /* under lock */
    sp_status health; /* under lock */
    struct sp_err why;
};

/* ---- The thread ---- */

/* Writes up to BATCH_MAX records not above `target`, with the cursor, in one transaction. *more
 * says whether there was more to read. */
SP_NODISCARD static sp_status write_batch(struct sp_ledger *ledger, uint64_t target, bool *more,
                                          struct sp_err *err)
{
    uint64_t cursor = atomic_load(&ledger->cursor);
    uint32_t written = 0;

    *more = false;
    sp_status status = sp_db_begin(sp_ledger_rows_db(ledger->rows), err);
    while (status == SP_OK && written < BATCH_MAX) {
        if (!ledger->held) {
            status = sp_journal_reader_next(ledger->reader, &ledger->record, NULL, err);
            if (status != SP_OK) break;
            ledger->held = true;
        }
        if (ledger->record.seq > target) break;
        status = sp_ledger_rows_put(ledger->rows, &ledger->record, err);
        cursor = ledger->record.seq;
        ledger->held = false;
        written++;
    }
    if (status == SP_AGAIN) status = SP_OK;
    if (status == SP_OK) status = sp_ledger_rows_commit(ledger->rows, cursor, err);
    if (status != SP_OK) {
        sp_db_rollback(sp_ledger_rows_db(ledger->rows));
        return status;
    }
    atomic_store(&ledger->cursor, cursor);
    *more = written == BATCH_MAX;
    return SP_OK;
}

/* The durable part of what was asked for. */
static uint64_t writable(const struct sp_ledger *ledger)
{
    uint64_t durable = sp_journal_durable_seq(ledger->options.journal);

    return ledger->target < durable ? ledger->target : durable;
}

static void *work(void *ctx)
{
    struct sp_ledger *ledger = ctx;
    struct sp_err err = {0};
    sp_status status = SP_OK;

    pthread_mutex_lock(&ledger->lock);
    while (status == SP_OK) {
        uint64_t target = writable(ledger), before = atomic_load(&ledger->cursor);
        if (target > before) {
            bool more = true;
            pthread_mutex_unlock(&ledger->lock);
            while (status == SP_OK && more)
                status = write_batch(ledger, target, &more, &err);
            pthread_mutex_lock(&ledger->lock);
            /* The reader may lag behind the writer's last line: wait for the next notice. */
        }
        /* A stop may have come while an older target was written: look once more. */
        if (status == SP_OK && ledger->stop && atomic_load(&ledger->cursor) != before) continue;
        if (status != SP_OK || ledger->stop) break;
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += 1; /* what was not durable yet is by then */
        pthread_cond_timedwait(&ledger->wake, &ledger->lock, &until);
    }
    ledger->health = status;
    ledger->why = err;
    pthread_mutex_unlock(&ledger->lock);
    return NULL;
}

/* ---- Opening ---- */

/* The ledger only notes what the journal has synced, so a journal that ends earlier has lost data:
 * it was removed, or an old copy was put back. An empty journal never means "nothing was traded".
 */
SP_NODISCARD static sp_status check_journal(const struct sp_ledger *ledger, uint64_t noted,
                                            struct sp_err *err)
{
    uint64_t held = sp_journal_next_seq(ledger->options.journal) - 1;

    if (noted <= held) return SP_OK;
    return SP_FAIL(
        err, SP_CORRUPT,
        "%s ends at sequence %llu, but the ledger has seen %llu: restore the journal, or "
        "move the whole folder away to begin anew",
        ledger->journal_dir, (unsigned long long)held, (unsigned long long)noted);
}

/* *lost: the journal is at fault, not the file. A file of an older version goes aside (to PATH.old,
 * over an earlier one), for the thread to write it anew, if the journal still has everything. */
SP_NODISCARD static sp_status put_older_aside(const struct sp_ledger *ledger, bool *lost,
                                              struct sp_err *err)
{
    char aside[sizeof ledger->path + 8];
    int64_t version = -1;
    uint64_t noted = 0;

    sp_status status = sp_ledger_rows_peek(ledger->path, &version, &noted, err);
    if (status == SP_OK) {
        status = check_journal(ledger, noted, err);
        *lost = status != SP_OK;
    }
    if (status != SP_OK || version < 0 || version >= SP_LEDGER_VERSION) return status;
    if (sp_journal_first_seq(ledger->options.journal) > 1)
        return SP_FAIL(err, SP_VERSION, "%.60s has an old version, and the journal's begin is gone",
                       ledger->path);
    snprintf(aside, sizeof aside, "%s.old", ledger->path);
    if (rename(ledger->path, aside) != 0)
        return SP_FAIL(err, SP_STORAGE, "cannot rename %.80s", ledger->path);
    return SP_OK;
}

SP_NODISCARD static sp_status open_file(struct sp_ledger *ledger, bool *lost, struct sp_err *err)
{
    sp_status status = put_older_aside(ledger, lost, err);

    if (status == SP_OK)
        status = sp_ledger_rows_open(ledger->path, &ledger->options.stream, ledger->options.world,
                                     &ledger->rows, err);
    if (status != SP_OK) return status;
    atomic_store(&ledger->cursor, sp_ledger_rows_cursor(ledger->rows));
    return SP_OK;
}

static void release(struct sp_ledger *ledger)
{
    sp_ledger_rows_close(ledger->rows);
    sp_journal_reader_close(ledger->reader);
    pthread_mutex_destroy(&ledger->lock);
    pthread_cond_destroy(&ledger->wake);
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
    bool lost = false;
    sp_status status = open_file(ledger, &lost, err);
    if (status == SP_CORRUPT && !lost) {
        status =
            SP_FAIL(err, SP_CORRUPT, "%.80s is damaged: remove it, it is rebuilt from the journal",
                    options->path);
    }
    if (status == SP_OK) {
        status = sp_journal_reader_open(ledger->journal_dir, &ledger->options.stream,
                                        atomic_load(&ledger->cursor) + 1, &ledger->reader, err);
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
    pthread_mutex_lock(&ledger->lock);
    if (seq > ledger->target) ledger->target = seq;
    pthread_cond_signal(&ledger->wake);
    pthread_mutex_unlock(&ledger->lock);
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

uint64_t sp_ledger_cursor(const struct sp_ledger *ledger)
{
    return atomic_load(&ledger->cursor);
}

sp_status sp_ledger_health(struct sp_ledger *ledger, struct sp_err *err)
{
    pthread_mutex_lock(&ledger->lock);
    sp_status status = ledger->health;
    if (status != SP_OK) *err = ledger->why;
    pthread_mutex_unlock(&ledger->lock);
    return status;
}
