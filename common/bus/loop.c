/* A round: wait -> signals -> `first` sources until nothing waits -> every other source once ->
 * timers that are due -> the idle function. What a callback has deferred follows it directly.
 *
 * Sources and timers are removed by marking; the marks are swept between rounds, so that callbacks
 * may remove anything. The poll set is rebuilt only when the sources have changed.
 */
#include "common/bus/loop.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/clock.h"

#define SOURCES_MAX     (SP_POLL_MAX - 1)
#define FIRST_TURNS_MAX 256 /* a flood on a control socket must not stop everything else for ever */

struct source {
    struct sp_sock *sock; /* or NULL for fd */
    int fd;
    bool first;
    bool removed;
    sp_loop_fn *fn;
    void *ctx;
};

struct sp_timer {
    struct sp_loop *loop;
    struct sp_timer *next;
    sp_mono due;
    sp_dur every;
    sp_loop_fn *fn;
    void *ctx;
    bool armed;
    bool owned_by_loop; /* nobody holds it: freed once it has fired */
    bool removed;
};

struct sp_loop {
    struct source sources[SOURCES_MAX];
    struct sp_poll_item items[SP_POLL_MAX]; /* [i] is sources[i]; the signals are last */
    uint32_t count;
    bool in_callbacks;
    bool dirty;
    bool stop;
    bool busy; /* the idle function wants more */
    int signal_fd;
    int signal_seen;
    uint64_t rounds;
    struct sp_timer *timers;
    sp_loop_idle_fn *idle;
    void *idle_ctx;
    struct deferred {
        sp_loop_fn *fn;
        void *ctx;
    } deferred[SP_LOOP_DEFERRED_MAX];
    uint32_t deferred_count;
};

sp_status sp_loop_open(struct sp_loop **out, struct sp_err *err)
{
    struct sp_loop *loop = calloc(1, sizeof(*loop));
    sigset_t blocked, taken;

    if (loop == NULL) return SP_FAIL(err, SP_NO_MEMORY, "loop");
    sigemptyset(&taken);
    sigaddset(&taken, SIGTERM);
    sigaddset(&taken, SIGINT);
    blocked = taken;
    sigaddset(&blocked, SIGHUP);
    sigaddset(&blocked, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &blocked, NULL);
    loop->signal_fd = signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK);
    if (loop->signal_fd < 0) {
        sp_status status = SP_FAIL(err, SP_IO, "signalfd");
        free(loop);
        return status;
    }
    loop->dirty = true;
    *out = loop;
    return SP_OK;
}

void sp_loop_close(struct sp_loop *loop)
{
    if (loop == NULL) return;
    SP_ASSERT(!loop->in_callbacks);
    for (struct sp_timer *timer = loop->timers; timer != NULL;) {
        struct sp_timer *next = timer->next;
        free(timer);
        timer = next;
    }
    close(loop->signal_fd);
    free(loop);
}

/* ---- Deferred ---- */

bool sp_loop_defer(struct sp_loop *loop, sp_loop_fn *fn, void *ctx)
{
    SP_ASSERT(fn != NULL);
    if (!loop->in_callbacks) return false;
    for (uint32_t i = 0; i < loop->deferred_count; i++) {
        if (loop->deferred[i].fn == fn && loop->deferred[i].ctx == ctx) return true;
    }
    if (loop->deferred_count == SP_LOOP_DEFERRED_MAX) return false;
    loop->deferred[loop->deferred_count++] = (struct deferred){fn, ctx};
    return true;
}

void sp_loop_cancel_deferred(struct sp_loop *loop, sp_loop_fn *fn, void *ctx)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < loop->deferred_count; i++) {
        const struct deferred *d = &loop->deferred[i];
        if (d->fn != fn || d->ctx != ctx) loop->deferred[kept++] = *d;
    }
    loop->deferred_count = kept;
}

/* Also what is deferred meanwhile: at most as many again, so that it ends. */
static void run_deferred(struct sp_loop *loop)
{
    for (uint32_t n = 0; loop->deferred_count > 0 && n < 2 * SP_LOOP_DEFERRED_MAX; n++) {
        struct deferred next = loop->deferred[0];
        sp_loop_cancel_deferred(loop, next.fn, next.ctx);
        next.fn(next.ctx);
    }
}

/* ---- Sources ---- */

static void sweep_sources(struct sp_loop *loop)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < loop->count; i++) {
        if (!loop->sources[i].removed) loop->sources[kept++] = loop->sources[i];
    }
    loop->count = kept;
    for (uint32_t i = 0; i < kept; i++) {
        loop->items[i] =
            (struct sp_poll_item){.sock = loop->sources[i].sock, .fd = loop->sources[i].fd};
    }
    loop->items[kept] = (struct sp_poll_item){.fd = loop->signal_fd};
    loop->dirty = false;
}

static sp_status add_source(struct sp_loop *loop, const struct source *source)
{
    if (loop->dirty && !loop->in_callbacks) sweep_sources(loop);
    if (loop->count == SOURCES_MAX) return SP_FULL;
    SP_ASSERT(source->fn != NULL);
    loop->sources[loop->count++] = *source;
    loop->dirty = true;
    return SP_OK;
}

sp_status sp_loop_add_sock(struct sp_loop *loop, struct sp_sock *sock, bool first, sp_loop_fn *fn,
                           void *ctx)
{
    SP_ASSERT(sock != NULL);
    return add_source(
        loop, &(struct source){.sock = sock, .fd = -1, .first = first, .fn = fn, .ctx = ctx});
}

void sp_loop_remove_sock(struct sp_loop *loop, struct sp_sock *sock)
{
    for (uint32_t i = 0; i < loop->count; i++) {
        if (loop->sources[i].sock == NULL || loop->sources[i].sock != sock) continue;
        loop->sources[i].removed = true;
        loop->dirty = true;
    }
    if (loop->dirty && !loop->in_callbacks) sweep_sources(loop);
}

sp_status sp_loop_add_fd(struct sp_loop *loop, int fd, sp_loop_fn *fn, void *ctx)
{
    SP_ASSERT(fd >= 0);
    return add_source(loop, &(struct source){.fd = fd, .fn = fn, .ctx = ctx});
}

void sp_loop_remove_fd(struct sp_loop *loop, int fd)
{
    for (uint32_t i = 0; i < loop->count; i++) {
        if (loop->sources[i].sock != NULL || loop->sources[i].fd != fd) continue;
        loop->sources[i].removed = true;
        loop->dirty = true;
    }
    if (loop->dirty && !loop->in_callbacks) sweep_sources(loop);
}

/* ---- Timers ---- */

sp_status sp_loop_add_timer(struct sp_loop *loop, sp_dur first, sp_dur every, sp_loop_fn *fn,
                            void *ctx, struct sp_timer **out)
{
    struct sp_timer *timer = calloc(1, sizeof(*timer));

    SP_ASSERT(fn != NULL);
    SP_ASSERT(every.ns >= 0);
    if (timer == NULL) return SP_NO_MEMORY;
    *timer = (struct sp_timer){.loop = loop,
                               .next = loop->timers,
                               .due = {sp_clock_mono().ns + first.ns},
                               .every = every,
                               .fn = fn,
                               .ctx = ctx,
                               .armed = true,
                               .owned_by_loop = out == NULL};
    loop->timers = timer;
    if (out != NULL) *out = timer;
    return SP_OK;
}

static void sweep_timers(struct sp_loop *loop)
{
    for (struct sp_timer **at = &loop->timers; *at != NULL;) {
        struct sp_timer *timer = *at;
        if (timer->removed || (timer->owned_by_loop && !timer->armed)) {
            *at = timer->next;
            free(timer);
        } else {
            at = &timer->next;
        }
    }
}

void sp_timer_arm(struct sp_timer *timer, sp_dur after)
{
    SP_ASSERT(!timer->removed);
    SP_ASSERT(timer->every.ns == 0);
    timer->due = (sp_mono){sp_clock_mono().ns + after.ns};
    timer->armed = true;
}

void sp_timer_cancel(struct sp_timer *timer)
{
    if (timer == NULL) return;
    SP_ASSERT(!timer->removed);
    timer->armed = false;
    timer->removed = true;
    if (!timer->loop->in_callbacks) sweep_timers(timer->loop);
}

static void run_timers(struct sp_loop *loop)
{
    sp_mono now = sp_clock_mono();

    for (struct sp_timer *timer = loop->timers; timer != NULL; timer = timer->next) {
        if (!timer->armed || timer->due.ns > now.ns) continue;
        if (timer->every.ns > 0) {
            timer->due.ns += timer->every.ns;
            if (timer->due.ns <= now.ns) timer->due.ns = now.ns + timer->every.ns;
        } else {
            timer->armed = false;
        }
        timer->fn(timer->ctx);
        run_deferred(loop);
    }
}

/* How long the loop may wait: until the next timer, at most `wait` (< 0: for ever). */
static sp_dur time_to_wait(const struct sp_loop *loop, sp_dur wait)
{
    if (loop->busy || wait.ns == 0) return (sp_dur){0};
    sp_mono now = sp_clock_mono();
    for (const struct sp_timer *timer = loop->timers; timer != NULL; timer = timer->next) {
        if (!timer->armed) continue;
        int64_t left = timer->due.ns > now.ns ? timer->due.ns - now.ns : 0;
        if (wait.ns < 0 || left < wait.ns) wait.ns = left;
    }
    return wait;
}

/* ---- Rounds ---- */

static void take_signals(struct sp_loop *loop)
{
    struct signalfd_siginfo info;

    while (read(loop->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        loop->signal_seen = (int)info.ssi_signo;
        loop->stop = true;
    }
}

/* Serves source i if it was found readable. Sources a callback removes are skipped. */
static void serve(struct sp_loop *loop, uint32_t i)
{
    const struct source *source = &loop->sources[i];

    if (!loop->items[i].readable || source->removed) return;
    source->fn(source->ctx);
    run_deferred(loop);
}

static sp_status serve_first(struct sp_loop *loop, uint32_t polled, struct sp_err *err)
{
    for (uint32_t i = 0; i < polled; i++) {
        struct sp_poll_item *item = &loop->items[i];
        if (!loop->sources[i].first) continue;
        for (int turn = 0; turn < FIRST_TURNS_MAX && item->readable; turn++) {
            serve(loop, i);
            if (loop->sources[i].removed) break;
            sp_status status = sp_sock_poll(item, 1, (sp_dur){0}, err);
            if (status != SP_OK) return status;
        }
    }
    return SP_OK;
}

sp_status sp_loop_turn(struct sp_loop *loop, sp_dur wait, struct sp_err *err)
{
    SP_ASSERT(!loop->in_callbacks);
    if (loop->dirty) sweep_sources(loop);
    uint32_t polled =
        loop->count; /* sources that callbacks add have their turn in the next round */
    sp_status status = sp_sock_poll(loop->items, polled + 1, time_to_wait(loop, wait), err);
    if (status != SP_OK) return status;

    loop->rounds++;
    if (loop->items[polled].readable) take_signals(loop);
    loop->in_callbacks = true;
    status = serve_first(loop, polled, err);
    for (uint32_t i = 0; i < polled && status == SP_OK; i++) {
        if (!loop->sources[i].first) serve(loop, i);
    }
    run_timers(loop);
    loop->busy = loop->idle != NULL && loop->idle(loop->idle_ctx);
    run_deferred(loop);
    loop->in_callbacks = false;
    sweep_timers(loop);
    return status;
}

sp_status sp_loop_run(struct sp_loop *loop, struct sp_err *err)
{
    sp_status status = SP_OK;

    loop->stop = false;
    while (status == SP_OK && !loop->stop) {
        status = sp_loop_turn(loop, (sp_dur){-1}, err);
    }
    return status;
}

void sp_loop_set_idle(struct sp_loop *loop, sp_loop_idle_fn *fn, void *ctx)
{
    loop->idle = fn;
    loop->idle_ctx = ctx;
    loop->busy = fn != NULL;
}

void sp_loop_stop(struct sp_loop *loop)
{
    loop->stop = true;
}

int sp_loop_signal(const struct sp_loop *loop)
{
    return loop->signal_seen;
}

uint64_t sp_loop_rounds(const struct sp_loop *loop)
{
    return loop->rounds;
}
