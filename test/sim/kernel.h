/* The simulated machine: processes made of fibers, one virtual clock, one seeded order of events.
 *
 * A simulated process runs the production main of its service, unmodified, on fibers: one for its
 * main thread, one for each thread it starts. A fiber runs in no time until it asks the simulated
 * system for something that takes time (waiting, syncing); then the next event in the order of
 * (time, sequence) goes on. So one seed is one run, to the last byte.
 *
 * A process ends by returning, or by a kill: its fibers never run again, its memory, descriptors,
 * locks and sockets are gone, and what it has written stays on the simulated disk.
 *
 * All of it is one thread of the test program. "Kernel context" is everything outside of fibers.
 */
#ifndef SP_TEST_SIM_KERNEL_H
#define SP_TEST_SIM_KERNEL_H

#include "proto/types.h"
#include "random.h"

#define SIM_NEVER INT64_MAX
#define SIM_US    INT64_C(1000)
#define SIM_MS    INT64_C(1000000)
#define SIM_S     INT64_C(1000000000)

#define SIM_NAME_SIZE 40

struct sim_fiber;

struct sim_proc {
    char name[SIM_NAME_SIZE]; /* of the service instance */
    uint32_t pid;             /* counts from 1 in each run, never reused */
    bool alive;
    bool doomed;          /* killed while it was running: reaped when it yields */
    int64_t paused_until; /* its fibers wait until then */
    /* Points (calls of the simulated system) until it is killed; 0: it is not to be. */
    uint32_t points_to_live;
    void (*on_end)(struct sim_proc *proc, int exit_code, int signal);
    void *owner;
    /* Of the other modules. */
    char notify_text[16];     /* number of the socket to its supervisor; empty: none */
    struct sim_block *blocks; /* memory.c */
    uint64_t block_bytes;
    struct sim_fiber *fibers;
    struct sim_proc *next;
};

typedef void sim_fn(void *ctx);
typedef int sim_main_fn(struct sim_proc *proc);

/* ---- A run ---- */

void sim_kernel_begin(uint64_t seed);
void sim_kernel_end(void);
/* Carries out events until the clock would pass `until`, or sim_stop. */
void sim_run_until(int64_t until);
void sim_stop(void);
int64_t sim_now(void);
struct sim_random *sim_chance(void); /* for what is no fault: delays, costs */
/* Folds something that must be the same in every run of the seed into the trace's hash. */
void sim_trace(uint64_t what);
uint64_t sim_trace_hash(void);
uint64_t sim_events(void);
void sim_count_event(void);

/* ---- Events ---- */

/* Calls fn in kernel context. */
void sim_at(int64_t at, sim_fn *fn, void *ctx);

/* ---- Processes and fibers ---- */

struct sim_proc *sim_spawn(const char *name, sim_main_fn *main, void *owner,
                           void (*on_end)(struct sim_proc *proc, int exit_code, int signal));
/* The process that runs now; NULL in kernel context. */
struct sim_proc *sim_self(void);
struct sim_fiber *sim_self_fiber(void);
/* Another thread of the running process. */
struct sim_fiber *sim_thread(void *(*fn)(void *), void *arg);
bool sim_fiber_is_done(const struct sim_fiber *fiber);
void sim_fiber_on_done(struct sim_fiber *fiber, struct sim_fiber *waiter);
struct sim_proc *sim_fiber_proc(const struct sim_fiber *fiber);
/* Blocks the running fiber until a wake or `until`. True if it was woken. */
bool sim_block(int64_t until);
/* Ends the fiber's wait at `at` or sooner. One that does not wait is left alone. */
void sim_wake(struct sim_fiber *fiber, int64_t at);
/* May be called for any process, also by itself (then it does not return). */
void sim_kill(struct sim_proc *proc, int signal);
/* A place where the running process may be killed from outside. */
void sim_point(void);
/* Called when a process has ended, before on_end: releases what it had. */
void sim_on_reap(void (*fn)(struct sim_proc *proc));

#endif
