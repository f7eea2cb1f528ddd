#include "common/journal/journal_keeper.h"

#include "common/journal/journal_index.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define NICE 10 /* what it does can wait for everything else */

/* Where a pass is. */
struct pass {
    const char *dir;
    const struct sp_file_port *port;
    const _Atomic bool *stopping; /* NULL: not to be stopped */
    uint64_t done_below;          /* segments before this one need nothing */
    _Atomic uint32_t indexed, failed;
};

struct sp_keeper {
    char dir[SP_SEGMENT_PATH_SIZE];
    struct pass pass;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t turn; /* woken or stopping changed */
    bool woken;
    _Atomic bool stopping;
};

/* Whether the index beside a segment is that segment's, and whole. */
static bool is_indexed(const struct pass *pass, uint64_t first_seq, uint32_t seal_crc)
{
    struct sp_index *index = NULL;

    if (sp_index_open(pass->dir, first_seq, &index, NULL) != SP_OK) return false;
    bool ours = sp_index_facts(index).seal_crc == seal_crc && sp_index_check(index) == SP_OK;
    sp_index_close(index);
    return ours;
}

static sp_status seal_crc_of(const char *dir, uint64_t first_seq, uint32_t *out, struct sp_err *err)
{
    struct sp_segment_cursor cursor = {.fd = -1};
    struct sp_line seal = {0};
    sp_status status = sp_segment_open(&cursor, dir, first_seq, err);

    if (status != SP_OK) return status;
    status = sp_segment_read_seal(&cursor, &seal, err);
    sp_segment_close(&cursor);
    if (status == SP_OK) *out = seal.crc;
    return status;
}

static sp_status keep_segment(struct pass *pass, uint64_t first_seq, struct sp_err *err)
{
    struct sp_index *index = NULL;
    uint32_t seal_crc = 0;
    sp_status status = seal_crc_of(pass->dir, first_seq, &seal_crc, err);

    if (status == SP_NOT_FOUND) return SP_OK; /* deleted meanwhile */
    if (status != SP_OK || is_indexed(pass, first_seq, seal_crc)) return status;
    status = sp_index_build(pass->dir, first_seq, false, &index, err);
    if (status == SP_OK) status = sp_index_save(index, pass->dir, pass->port, err);
    sp_index_close(index);
    if (status == SP_OK) atomic_fetch_add(&pass->indexed, 1);
    return status == SP_NOT_FOUND ? SP_OK : status;
}

static bool is_stopping(const struct pass *pass)
{
    return pass->stopping != NULL && atomic_load(pass->stopping);
}

/* All but the newest. Goes on behind what it cannot do, so that one bad segment hides no other. */
static sp_status run_pass(struct pass *pass, struct sp_err *err)
{
    struct sp_segment_list list;
    sp_status first_bad = SP_OK;
    sp_status status = sp_segment_list_read(pass->dir, &list, err);

    if (status == SP_NOT_FOUND) return SP_OK;
    if (status != SP_OK) return status;
    uint64_t done_below = list.first[list.count - 1];
    for (size_t i = 0; i + 1 < list.count && !is_stopping(pass); i++) {
        if (list.first[i] < pass->done_below) continue;
        struct sp_err why = {0};
        status = keep_segment(pass, list.first[i], &why);
        if (status == SP_OK) continue;
        atomic_fetch_add(&pass->failed, 1);
        if (first_bad == SP_OK) {
            first_bad = status;
            done_below = list.first[i];
            if (err != NULL) *err = why;
        }
    }
    sp_segment_list_free(&list);
    pass->done_below = done_below;
    return first_bad;
}

static struct sp_keeper_done done_of(const struct pass *pass)
{
    return (struct sp_keeper_done){.indexed = atomic_load(&pass->indexed),
                                   .failed = atomic_load(&pass->failed)};
}

sp_status sp_keeper_pass(const struct sp_keeper_options *options, struct sp_keeper_done *done,
                         struct sp_err *err)
{
    struct pass pass = {.dir = options->dir, .port = options->port};
    sp_status status = run_pass(&pass, err);

    if (done != NULL) *done = done_of(&pass);
    return status;
}

static void *keeper_run(void *arg)
{
    struct sp_keeper *keeper = arg;

    /* Linux gives each thread a nice value of its own; not being nicer harms nothing. */
    SP_IGNORE(setpriority(PRIO_PROCESS, 0, NICE) != 0);
    pthread_mutex_lock(&keeper->lock);
    while (!atomic_load(&keeper->stopping)) {
        keeper->woken = false;
        pthread_mutex_unlock(&keeper->lock);
        SP_IGNORE(run_pass(&keeper->pass, NULL)); /* counted */
        pthread_mutex_lock(&keeper->lock);
        while (!keeper->woken && !atomic_load(&keeper->stopping))
            pthread_cond_wait(&keeper->turn, &keeper->lock);
    }
    pthread_mutex_unlock(&keeper->lock);
    return NULL;
}

sp_status sp_keeper_start(const struct sp_keeper_options *options, struct sp_keeper **out,
                          struct sp_err *err)
{
    struct sp_keeper *keeper = calloc(1, sizeof *keeper);
    sigset_t all, before;

    if (keeper == NULL) return SP_FAIL(err, SP_NO_MEMORY, "no memory for the journal's keeper");
    snprintf(keeper->dir, sizeof keeper->dir, "%s", options->dir);
    keeper->pass.dir = keeper->dir;
    keeper->pass.port = options->port;
    keeper->pass.stopping = &keeper->stopping;
    pthread_mutex_init(&keeper->lock, NULL);
    pthread_cond_init(&keeper->turn, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&keeper->thread, NULL, keeper_run, keeper);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        pthread_cond_destroy(&keeper->turn);
        pthread_mutex_destroy(&keeper->lock);
        free(keeper);
        return SP_FAIL(err, SP_NO_MEMORY, "no thread for the journal's keeper: %s", strerror(rc));
    }
    *out = keeper;
    return SP_OK;
}

void sp_keeper_wake(struct sp_keeper *keeper)
{
    pthread_mutex_lock(&keeper->lock);
    keeper->woken = true;
    pthread_cond_signal(&keeper->turn);
    pthread_mutex_unlock(&keeper->lock);
}

struct sp_keeper_done sp_keeper_done(const struct sp_keeper *keeper)
{
    return done_of(&keeper->pass);
}

void sp_keeper_stop(struct sp_keeper *keeper)
{
    if (keeper == NULL) return;
    pthread_mutex_lock(&keeper->lock);
    atomic_store(&keeper->stopping, true);
    pthread_cond_signal(&keeper->turn);
    pthread_mutex_unlock(&keeper->lock);
    pthread_join(keeper->thread, NULL);
    pthread_cond_destroy(&keeper->turn);
    pthread_mutex_destroy(&keeper->lock);
    free(keeper);
}
