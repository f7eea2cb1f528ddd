#include "common/journal/journal_syncer.h"

#include "common/clock.h"
#include "common/planted_bug.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>

void sp_syncer_init(struct sp_syncer *syncer, const struct sp_file_port *port, int64_t every_ns)
{
    pthread_condattr_t monotonic;

    syncer->port = port;
    syncer->every_ns = every_ns;
    syncer->fd = -1;
    pthread_mutex_init(&syncer->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&syncer->turn, &monotonic);
    pthread_cond_init(&syncer->bell, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

void sp_syncer_destroy(struct sp_syncer *syncer)
{
    sp_syncer_set_fd(syncer, -1);
    pthread_cond_destroy(&syncer->turn);
    pthread_cond_destroy(&syncer->bell);
    pthread_mutex_destroy(&syncer->lock);
}

/* The lock is held. */
static void wait_for_turn(struct sp_syncer *syncer)
{
    while (syncer->syncing)
        pthread_cond_wait(&syncer->turn, &syncer->lock);
}

/* One fdatasync, by the thread whose turn it is: the lock is held before and after, not during. */
static bool sync_in_turn(struct sp_syncer *syncer)
{
    const struct sp_file_port *port = syncer->port;
    uint64_t target = atomic_load(&syncer->written_seq);
    int fd = syncer->fd;

    SP_ASSERT(!syncer->syncing);
    syncer->syncing = true;
    pthread_mutex_unlock(&syncer->lock);
    sp_mono began = sp_clock_mono();
    int rc = SP_BUG(ack_before_sync) ? 0 : port->datasync(port->self, fd);
    if (rc != 0 && SP_BUG(retry_sync_after_eio)) rc = port->datasync(port->self, fd);
    int saved_errno = errno;
    int64_t took_ns = sp_mono_since(sp_clock_mono(), began).ns;
    pthread_mutex_lock(&syncer->lock);
    syncer->syncing = false;
    pthread_cond_broadcast(&syncer->turn);
    if (rc != 0) {
        atomic_store(&syncer->poisoned, true);
        errno = saved_errno;
        return false;
    }
    atomic_fetch_add(&syncer->syncs, 1);
    if (took_ns > atomic_load(&syncer->sync_ns_max)) atomic_store(&syncer->sync_ns_max, took_ns);
    SP_ASSERT(target >= atomic_load(&syncer->durable_seq));
    atomic_store(&syncer->durable_seq, target);
    return true;
}

static bool all_durable(const struct sp_syncer *syncer)
{
    return atomic_load(&syncer->durable_seq) == atomic_load(&syncer->written_seq);
}

static bool sync_now(struct sp_syncer *syncer, bool also_bytes)
{
    bool ok = true;

    pthread_mutex_lock(&syncer->lock);
    wait_for_turn(syncer);
    errno = 0;
    if (atomic_load(&syncer->poisoned)) {
        ok = false;
    } else if (also_bytes || !all_durable(syncer)) {
        ok = sync_in_turn(syncer);
    }
    pthread_mutex_unlock(&syncer->lock);
    return ok;
}

bool sp_syncer_sync(struct sp_syncer *syncer)
{
    return sync_now(syncer, false);
}

bool sp_syncer_sync_bytes(struct sp_syncer *syncer)
{
    return sync_now(syncer, true);
}

/* The descriptor is only changed while nobody syncs it. */
void sp_syncer_set_fd(struct sp_syncer *syncer, int fd)
{
    pthread_mutex_lock(&syncer->lock);
    wait_for_turn(syncer);
    int old = syncer->fd;
    syncer->fd = fd;
    pthread_mutex_unlock(&syncer->lock);
    if (old >= 0) syncer->port->close(syncer->port->self, old);
}

/* ---- The helper ---- */

/* Waits until `deadline` or until stopping; the lock is held. */
static void helper_wait(struct sp_syncer *syncer, int64_t deadline_ns)
{
    struct timespec until = {.tv_sec = deadline_ns / SP_NS_PER_S,
                             .tv_nsec = deadline_ns % SP_NS_PER_S};

    while (!syncer->stopping) {
        if (pthread_cond_timedwait(&syncer->bell, &syncer->lock, &until) == ETIMEDOUT) break;
    }
}

static void *helper_run(void *arg)
{
    struct sp_syncer *syncer = arg;

    pthread_mutex_lock(&syncer->lock);
    while (!syncer->stopping && !atomic_load(&syncer->poisoned)) {
        helper_wait(syncer, sp_clock_mono().ns + syncer->every_ns);
        if (syncer->stopping || syncer->syncing) continue;
        if (all_durable(syncer)) continue;
        if (!sync_in_turn(syncer)) break;
    }
    pthread_mutex_unlock(&syncer->lock);
    return NULL;
}

sp_status sp_syncer_start(struct sp_syncer *syncer, struct sp_err *err)
{
    sigset_t all, before;

    if (syncer->every_ns < 0) return SP_OK;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&syncer->helper, NULL, helper_run, syncer);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) return SP_FAIL(err, SP_NO_MEMORY, "no thread for the journal: %s", strerror(rc));
    syncer->has_helper = true;
    return SP_OK;
}

void sp_syncer_stop(struct sp_syncer *syncer)
{
    if (!syncer->has_helper) return;
    pthread_mutex_lock(&syncer->lock);
    syncer->stopping = true;
    pthread_cond_broadcast(&syncer->bell);
    pthread_mutex_unlock(&syncer->lock);
    pthread_join(syncer->helper, NULL);
    syncer->has_helper = false;
}
