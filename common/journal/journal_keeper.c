#include "common/journal/journal_keeper.h"

#include "common/clock.h"
#include "common/journal/journal_index.h"
#include "common/planted_bug.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NICE         10 /* what it does can wait for everything else */
#define LOOK_EVERY_S 60 /* for segments that became old enough */

/* Where a pass is. */
struct pass {
    const char *dir;
    const struct sp_file_port *port;
    sp_dur compress_after;
    const _Atomic bool *stopping; /* NULL: not to be stopped */
    pthread_mutex_t *files;       /* held while names change; NULL: nobody else removes */
    /* Segments before these need no index, or are compressed. */
    uint64_t indexed_below, zipped_below;
    _Atomic uint32_t indexed, compressed, failed;
};

struct sp_keeper {
    char dir[SP_SEGMENT_PATH_SIZE];
    struct pass pass;
    pthread_t thread;
    pthread_mutex_t files; /* see struct pass */
    pthread_mutex_t lock;
    pthread_cond_t turn; /* woken or stopping changed */
    bool woken;
    _Atomic bool stopping;
};

static sp_status storage_failed(const char *path, const char *what, struct sp_err *err)
{
    return SP_FAIL(err, SP_STORAGE, "cannot %s %s: %s", what, path, strerror(errno));
}

static sp_status unlink_path(const struct sp_file_port *port, const char *path, struct sp_err *err)
{
    if (port->unlink(port->self, path) == 0 || errno == ENOENT) return SP_OK;
    return storage_failed(path, "remove", err);
}

sp_status sp_keeper_remove(const char *dir, uint64_t first_seq, const struct sp_file_port *port,
                           struct sp_err *err)
{
    static const char *const suffixes[] = {SP_SEGMENT_ZIP_SUFFIX, ".jsonl", SP_INDEX_SUFFIX};
    char path[SP_SEGMENT_PATH_SIZE];
    sp_status status = SP_OK;

    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0] && status == SP_OK; i++) {
        status = sp_segment_path_as(dir, first_seq, suffixes[i], path, err);
        if (status == SP_OK) status = unlink_path(port, path, err);
    }
    return status;
}

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
    struct sp_segment_cursor cursor = {0};
    struct sp_line seal = {0};
    sp_status status = sp_segment_open(&cursor, dir, first_seq, err);

    if (status != SP_OK) return status;
    status = sp_segment_read_seal(&cursor, &seal, err);
    sp_segment_close(&cursor);
    if (status == SP_OK) *out = seal.crc;
    return status;
}

static sp_status index_segment(struct pass *pass, uint64_t first_seq, struct sp_err *err)
{
    struct sp_index *index = NULL;
    uint32_t seal_crc = 0;
    sp_status status = seal_crc_of(pass->dir, first_seq, &seal_crc, err);

    if (status != SP_OK || is_indexed(pass, first_seq, seal_crc)) return status;
    status = sp_index_build(pass->dir, first_seq, false, &index, err);
    if (status == SP_OK) status = sp_index_save(index, pass->dir, pass->port, err);
    sp_index_close(index);
    if (status != SP_OK) return status;
    atomic_fetch_add(&pass->indexed, 1);
    if (sp_segment_exists(pass->dir, first_seq)) return SP_OK;
    /* Removed meanwhile: so is its index, now or by who removes it. */
    return sp_keeper_remove(pass->dir, first_seq, pass->port, err);
}

/* ---- Compressing ---- */

/* The compressed form takes its name, then that of the written one goes. Nothing of it happens if
 * the segment was removed while it was compressed. */
static sp_status swap_names(const struct pass *pass, const char *tmp, const char *plain,
                            const char *zipped, struct sp_err *err)
{
    const struct sp_file_port *port = pass->port;

    bool there = access(plain, F_OK) == 0;
    if (!there && errno != ENOENT) return storage_failed(plain, "look at", err);
    if (!there) return unlink_path(port, tmp, err);
    if (port->rename(port->self, tmp, zipped) != 0) return storage_failed(zipped, "name", err);
    bool synced = SP_BUG(zip_no_dir_sync) || port->sync_dir(port->self, pass->dir) == 0;
    if (!synced) return storage_failed(pass->dir, "sync", err);
    sp_status status = unlink_path(port, plain, err);
    if (status == SP_OK && port->sync_dir(port->self, pass->dir) != 0)
        status = storage_failed(pass->dir, "sync", err);
    return status;
}

static sp_status compress_segment(struct pass *pass, uint64_t first_seq, const char *plain,
                                  int64_t bytes, struct sp_err *err)
{
    char zipped[SP_SEGMENT_PATH_SIZE], tmp[SP_SEGMENT_PATH_SIZE];
    struct sp_segment_zip_facts facts = {.first_seq = first_seq, .plain_bytes = (uint64_t)bytes};
    sp_status status = sp_segment_path_as(pass->dir, first_seq, SP_SEGMENT_ZIP_SUFFIX, zipped, err);

    if (status == SP_OK) status = seal_crc_of(pass->dir, first_seq, &facts.seal_crc, err);
    if (status != SP_OK) return status;
    snprintf(tmp, sizeof tmp, "%s/zip.tmp", pass->dir);
    status = sp_segment_zip_make(plain, &facts, tmp, pass->port, err);
    if (status != SP_OK) {
        SP_IGNORE(unlink_path(pass->port, tmp, NULL)); /* the next one writes over it */
        return status;
    }
    if (pass->files != NULL) pthread_mutex_lock(pass->files);
    status = swap_names(pass, tmp, plain, zipped, err);
    if (pass->files != NULL) pthread_mutex_unlock(pass->files);
    if (status == SP_OK) atomic_fetch_add(&pass->compressed, 1);
    return status;
}

/* SP_AGAIN: too young. A segment that is there in both forms, after a crash, is compressed anew:
 * what lies there by its final name may not have been compared. */
static sp_status compress_if_due(struct pass *pass, uint64_t first_seq, struct sp_err *err)
{
    char plain[SP_SEGMENT_PATH_SIZE];
    struct stat st;
    sp_status status = sp_segment_path(pass->dir, first_seq, plain, err);

    if (status != SP_OK) return status;
    if (stat(plain, &st) != 0)
        return errno == ENOENT ? SP_OK : storage_failed(plain, "look at", err);
    if (first_seq >= pass->indexed_below) return SP_AGAIN; /* it may be damaged: left as it is */
    int64_t written_ns = (int64_t)st.st_mtim.tv_sec * SP_NS_PER_S + st.st_mtim.tv_nsec;
    if (sp_clock_wall().ns - written_ns < pass->compress_after.ns) return SP_AGAIN;
    return compress_segment(pass, first_seq, plain, (int64_t)st.st_size, err);
}

/* ---- A pass ---- */

static bool is_stopping(const struct pass *pass)
{
    return pass->stopping != NULL && atomic_load(pass->stopping);
}

/* What could not be done, and why; the first of them is told. */
struct trouble {
    sp_status status;
    struct sp_err err;
};

/* Whether it is done with; what was removed meanwhile is. */
static bool settle(struct pass *pass, sp_status status, const struct sp_err *why,
                   struct trouble *trouble)
{
    if (status == SP_OK || status == SP_NOT_FOUND) return true;
    if (status == SP_AGAIN) return false;
    atomic_fetch_add(&pass->failed, 1);
    if (trouble->status == SP_OK) *trouble = (struct trouble){status, *why};
    return false;
}

/* Goes on behind what it cannot do, so that one bad segment hides no other. Marks how far all is
 * done. */
static void run_step(struct pass *pass, const struct sp_segment_list *list, bool compress,
                     struct trouble *trouble)
{
    uint64_t *below = compress ? &pass->zipped_below : &pass->indexed_below;
    uint64_t from = *below;
    bool all = true;

    for (size_t i = 0; i + 1 < list->count && !is_stopping(pass); i++) {
        struct sp_err why = {0};
        if (list->first[i] < from) continue;
        sp_status status = compress ? compress_if_due(pass, list->first[i], &why)
                                    : index_segment(pass, list->first[i], &why);
        all = settle(pass, status, &why, trouble) && all;
        if (all) *below = list->first[i + 1];
    }
}

/* All but the newest segment, which may still be written to. */
static sp_status run_pass(struct pass *pass, struct sp_err *err)
{
    struct sp_segment_list list;
    struct trouble trouble = {.status = SP_OK};
    sp_status status = sp_segment_list_read(pass->dir, &list, err);

    if (status == SP_NOT_FOUND) return SP_OK;
    if (status != SP_OK) return status;
    run_step(pass, &list, false, &trouble);
    if (pass->compress_after.ns > 0) run_step(pass, &list, true, &trouble);
    sp_segment_list_free(&list);
    if (trouble.status != SP_OK && err != NULL) *err = trouble.err;
    return trouble.status;
}

static struct sp_keeper_done done_of(const struct pass *pass)
{
    return (struct sp_keeper_done){.indexed = atomic_load(&pass->indexed),
                                   .compressed = atomic_load(&pass->compressed),
                                   .failed = atomic_load(&pass->failed)};
}

sp_status sp_keeper_pass(const struct sp_keeper_options *options, struct sp_keeper_done *done,
                         struct sp_err *err)
{
    struct pass pass = {.dir = options->dir,
                        .port = options->port,
                        .compress_after = options->compress_after};
    sp_status status = run_pass(&pass, err);

    if (done != NULL) *done = done_of(&pass);
    return status;
}

/* The lock is held. Without a need to look at ages it waits to be woken. */
static void wait_for_turn(struct sp_keeper *keeper)
{
    struct timespec until;
    int rc = 0;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += LOOK_EVERY_S;
    while (!keeper->woken && !atomic_load(&keeper->stopping) && rc != ETIMEDOUT) {
        rc = keeper->pass.compress_after.ns > 0
                 ? pthread_cond_timedwait(&keeper->turn, &keeper->lock, &until)
                 : pthread_cond_wait(&keeper->turn, &keeper->lock);
    }
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
        wait_for_turn(keeper);
    }
    pthread_mutex_unlock(&keeper->lock);
    return NULL;
}

static void destroy(struct sp_keeper *keeper)
{
    pthread_cond_destroy(&keeper->turn);
    pthread_mutex_destroy(&keeper->lock);
    pthread_mutex_destroy(&keeper->files);
    free(keeper);
}

sp_status sp_keeper_start(const struct sp_keeper_options *options, struct sp_keeper **out,
                          struct sp_err *err)
{
    struct sp_keeper *keeper = calloc(1, sizeof *keeper);
    sigset_t all, before;
    pthread_condattr_t monotonic;

    if (keeper == NULL) return SP_FAIL(err, SP_NO_MEMORY, "no memory for the journal's keeper");
    snprintf(keeper->dir, sizeof keeper->dir, "%s", options->dir);
    keeper->pass.dir = keeper->dir;
    keeper->pass.port = options->port;
    keeper->pass.compress_after = options->compress_after;
    keeper->pass.stopping = &keeper->stopping;
    keeper->pass.files = &keeper->files;
    pthread_mutex_init(&keeper->files, NULL);
    pthread_mutex_init(&keeper->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&keeper->turn, &monotonic);
    pthread_condattr_destroy(&monotonic);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&keeper->thread, NULL, keeper_run, keeper);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        destroy(keeper);
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

void sp_keeper_hold(struct sp_keeper *keeper)
{
    pthread_mutex_lock(&keeper->files);
}

void sp_keeper_release(struct sp_keeper *keeper)
{
    pthread_mutex_unlock(&keeper->files);
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
    destroy(keeper);
}
