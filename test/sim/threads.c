/* Threads, locks and conditions of the production code, on fibers (see calls.c for how they come
 * here). A lock keeps its owner and its waiters in the memory of the pthread type itself, so that
 * a kill leaves nothing behind. Who waits is woken in order; who runs next is the event order's.
 */
#include "kernel.h"
#include "memory.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>

/* clang-format off */
struct lock { struct sim_fiber *owner; struct sim_fiber *waiter[3]; };
struct condition { struct sim_fiber *waiter[4]; uint32_t monotonic; };
/* clang-format on */

_Static_assert(sizeof(struct lock) <= sizeof(pthread_mutex_t), "it is kept inside");
_Static_assert(sizeof(struct condition) <= sizeof(pthread_cond_t), "it is kept inside");

#define CALL(type, name, parameters)                                                               \
    type __real_##name parameters;                                                                 \
    type __wrap_##name parameters;
CALL(int, pthread_create,
     (pthread_t * out, const pthread_attr_t *attr, void *(*fn)(void *), void *arg))
CALL(int, pthread_join, (pthread_t thread, void **out))
CALL(int, pthread_mutex_init, (pthread_mutex_t * at, const pthread_mutexattr_t *attr))
CALL(int, pthread_mutex_destroy, (pthread_mutex_t * at))
CALL(int, pthread_mutex_lock, (pthread_mutex_t * at))
CALL(int, pthread_mutex_unlock, (pthread_mutex_t * at))
CALL(int, pthread_cond_init, (pthread_cond_t * at, const pthread_condattr_t *attr))
CALL(int, pthread_cond_destroy, (pthread_cond_t * at))
CALL(int, pthread_cond_wait, (pthread_cond_t * at, pthread_mutex_t *lock))
CALL(int, pthread_cond_timedwait,
     (pthread_cond_t * at, pthread_mutex_t *lock, const struct timespec *until))
CALL(int, pthread_cond_signal, (pthread_cond_t * at))
CALL(int, pthread_cond_broadcast, (pthread_cond_t * at))
CALL(int, pthread_sigmask, (int how, const sigset_t *set, sigset_t *old))
#undef CALL

int __wrap_pthread_create(pthread_t *out, const pthread_attr_t *attr, void *(*fn)(void *),
                          void *arg)
{
    if (sim_self() == NULL) return __real_pthread_create(out, attr, fn, arg);
    *out = (pthread_t)sim_thread(fn, arg);
    return 0;
}

int __wrap_pthread_join(pthread_t thread, void **out)
{
    struct sim_fiber *fiber = (struct sim_fiber *)thread;

    if (sim_self() == NULL) return __real_pthread_join(thread, out);
    SP_ASSERT(out == NULL);
    sim_fiber_on_done(fiber, sim_self_fiber());
    while (!sim_fiber_is_done(fiber))
        sim_block(SIM_NEVER);
    return 0;
}

int __wrap_pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
    return sim_self() != NULL ? 0 : __real_pthread_sigmask(how, set, old);
}

int __wrap_pthread_mutex_init(pthread_mutex_t *at, const pthread_mutexattr_t *attr)
{
    if (sim_self() == NULL) return __real_pthread_mutex_init(at, attr);
    memset(at, 0, sizeof *at);
    return 0;
}

int __wrap_pthread_mutex_destroy(pthread_mutex_t *at)
{
    return sim_self() == NULL ? __real_pthread_mutex_destroy(at) : 0;
}

static bool add_waiter(struct sim_fiber **waiters, size_t room)
{
    for (size_t i = 0; i < room; i++) {
        if (waiters[i] != NULL && waiters[i] != sim_self_fiber()) continue;
        waiters[i] = sim_self_fiber();
        return true;
    }
    return false;
}

static void wake_first(struct sim_fiber **waiters, size_t room)
{
    struct sim_fiber *first = waiters[0];

    memmove(waiters, waiters + 1, (room - 1) * sizeof *waiters);
    waiters[room - 1] = NULL;
    if (first != NULL) sim_wake(first, sim_now());
}

static void remove_waiter(struct sim_fiber **waiters, size_t room)
{
    for (size_t i = 0; i < room; i++) {
        if (waiters[i] != sim_self_fiber()) continue;
        memmove(waiters + i, waiters + i + 1, (room - 1 - i) * sizeof *waiters);
        waiters[room - 1] = NULL;
        return;
    }
}

int __wrap_pthread_mutex_lock(pthread_mutex_t *at)
{
    struct lock *lock = (struct lock *)(void *)at;

    if (sim_self() == NULL) return __real_pthread_mutex_lock(at);
    while (lock->owner != NULL) {
        SP_ASSERT(lock->owner != sim_self_fiber());
        SP_ASSERT(add_waiter(lock->waiter, 3));
        sim_block(SIM_NEVER);
    }
    lock->owner = sim_self_fiber();
    return 0;
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *at)
{
    struct lock *lock = (struct lock *)(void *)at;

    if (sim_self() == NULL) return __real_pthread_mutex_unlock(at);
    SP_ASSERT(lock->owner == sim_self_fiber());
    lock->owner = NULL;
    wake_first(lock->waiter, 3);
    return 0;
}

int __wrap_pthread_cond_init(pthread_cond_t *at, const pthread_condattr_t *attr)
{
    clockid_t clock = CLOCK_REALTIME;

    if (sim_self() == NULL) return __real_pthread_cond_init(at, attr);
    memset(at, 0, sizeof *at);
    if (attr != NULL) pthread_condattr_getclock(attr, &clock);
    ((struct condition *)(void *)at)->monotonic = clock == CLOCK_MONOTONIC;
    return 0;
}

int __wrap_pthread_cond_destroy(pthread_cond_t *at)
{
    return sim_self() == NULL ? __real_pthread_cond_destroy(at) : 0;
}

static int wait_until(pthread_cond_t *at, pthread_mutex_t *lock, int64_t until)
{
    struct condition *condition = (struct condition *)(void *)at;

    SP_ASSERT(add_waiter(condition->waiter, 4));
    __wrap_pthread_mutex_unlock(lock);
    bool woken = sim_block(until);
    remove_waiter(condition->waiter, 4);
    __wrap_pthread_mutex_lock(lock);
    return woken ? 0 : ETIMEDOUT;
}

int __wrap_pthread_cond_wait(pthread_cond_t *at, pthread_mutex_t *lock)
{
    if (sim_self() == NULL) return __real_pthread_cond_wait(at, lock);
    return wait_until(at, lock, SIM_NEVER);
}

int __wrap_pthread_cond_timedwait(pthread_cond_t *at, pthread_mutex_t *lock,
                                  const struct timespec *until)
{
    struct timespec now;

    if (sim_self() == NULL) return __real_pthread_cond_timedwait(at, lock, until);
    bool monotonic = ((struct condition *)(void *)at)->monotonic != 0;
    clock_gettime(monotonic ? CLOCK_MONOTONIC : CLOCK_REALTIME, &now);
    int64_t left = (until->tv_sec - now.tv_sec) * SIM_S + (until->tv_nsec - now.tv_nsec);
    return wait_until(at, lock, sim_now() + (left > 0 ? left : 0));
}

int __wrap_pthread_cond_signal(pthread_cond_t *at)
{
    if (sim_self() == NULL) return __real_pthread_cond_signal(at);
    wake_first(((struct condition *)(void *)at)->waiter, 4);
    return 0;
}

int __wrap_pthread_cond_broadcast(pthread_cond_t *at)
{
    struct condition *condition = (struct condition *)(void *)at;

    if (sim_self() == NULL) return __real_pthread_cond_broadcast(at);
    while (condition->waiter[0] != NULL)
        wake_first(condition->waiter, 4);
    return 0;
}
