#include "kernel.h"

#include "memory.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#if !defined(__x86_64__)
#include <ucontext.h>
#endif

#define STACK_BYTES ((size_t)512 * 1024)
#define REAPERS_MAX 8

/* Where a fiber that does not run stands. The library's contexts ask the kernel for the signal mask
 * at each switch, a quarter of all the time; so they are only what other processors have. */
#if defined(__x86_64__)
struct context {
    void *sp;
};
void sim_switch(void **save, void *load);
__asm__(".text\n"
        ".globl sim_switch\n"
        ".type sim_switch, @function\n"
        "sim_switch:\n"
        "  pushq %rbp\n  pushq %rbx\n  pushq %r12\n  pushq %r13\n  pushq %r14\n  pushq %r15\n"
        "  movq %rsp, (%rdi)\n"
        "  movq %rsi, %rsp\n"
        "  popq %r15\n  popq %r14\n  popq %r13\n  popq %r12\n  popq %rbx\n  popq %rbp\n"
        "  ret\n"
        ".size sim_switch, . - sim_switch\n");

static void context_switch(struct context *from, struct context *to)
{
    sim_switch(&from->sp, to->sp);
}

/* The stack as sim_switch leaves it: six registers, then where to go on; aligned as at a call. */
static void context_make(struct context *context, char *stack, size_t bytes, void (*fn)(void))
{
    void **top = (void **)(void *)(stack + bytes);

    top[-1] = NULL;
    top[-2] = (void *)fn;
    for (int i = 3; i <= 8; i++)
        top[-i] = NULL;
    context->sp = &top[-8];
}
#else
struct context {
    ucontext_t at;
};

static void context_switch(struct context *from, struct context *to)
{
    swapcontext(&from->at, &to->at);
}

static void context_make(struct context *context, char *stack, size_t bytes, void (*fn)(void))
{
    getcontext(&context->at);
    context->at.uc_stack.ss_sp = stack;
    context->at.uc_stack.ss_size = bytes;
    context->at.uc_link = NULL;
    makecontext(&context->at, fn, 0);
}
#endif

struct sim_fiber {
    struct context context;
    struct sim_proc *proc;
    struct sim_fiber *next;   /* of the process */
    struct sim_fiber *waiter; /* joins it */
    void *stack;
    void *(*fn)(void *);
    void *arg;
    int saved_errno;
    int64_t wake_at;   /* of the wait under way: entries of the heap for other times are void */
    int64_t queued_at; /* the heap has an entry for it, if it is not over */
    bool waiting, woken, done, is_main;
};

struct entry {
    int64_t at;
    uint64_t seq;
    struct sim_fiber *fiber; /* or fn */
    sim_fn *fn;
    void *ctx;
};

struct main_call {
    sim_main_fn *main;
    int exit_code;
};

static struct {
    int64_t now;
    uint64_t seq, events, hash;
    bool stop;
    struct sim_random chance;
    struct entry *heap;
    size_t count, room;
    struct context scheduler;
    struct sim_fiber *running;
    struct sim_proc *procs;
    uint32_t last_pid;
    struct sim_fiber *dead; /* kept until the end: the heap may name them */
    void (*reapers[REAPERS_MAX])(struct sim_proc *proc);
    int reaper_count;
    void **stacks; /* free ones, kept over runs */
    size_t stack_count, stack_room;
} k;

/* ---- The order of events ---- */

static bool is_before(const struct entry *a, const struct entry *b)
{
    return a->at != b->at ? a->at < b->at : a->seq < b->seq;
}

static void push(struct entry entry)
{
    if (k.count == k.room) {
        k.room = k.room * 2 + 1024;
        k.heap = sim_grow(k.heap, k.room * sizeof *k.heap);
    }
    entry.seq = ++k.seq;
    if (entry.at < k.now) entry.at = k.now;
    size_t i = k.count++;
    while (i > 0 && is_before(&entry, &k.heap[(i - 1) / 2])) {
        k.heap[i] = k.heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    k.heap[i] = entry;
}

static struct entry pop(void)
{
    struct entry top = k.heap[0], last = k.heap[--k.count];
    size_t i = 0;

    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= k.count) break;
        if (child + 1 < k.count && is_before(&k.heap[child + 1], &k.heap[child])) child++;
        if (!is_before(&k.heap[child], &last)) break;
        k.heap[i] = k.heap[child];
        i = child;
    }
    k.heap[i] = last;
    return top;
}

void sim_at(int64_t at, sim_fn *fn, void *ctx)
{
    push((struct entry){.at = at, .fn = fn, .ctx = ctx});
}

/* ---- Small things ---- */

int64_t sim_now(void)
{
    return k.now;
}
struct sim_random *sim_chance(void)
{
    return &k.chance;
}
void sim_trace(uint64_t what)
{
    k.hash = sim_mix(k.hash ^ what);
}
uint64_t sim_trace_hash(void)
{
    return k.hash;
}
uint64_t sim_events(void)
{
    return k.events;
}
void sim_count_event(void)
{
    k.events++;
}
void sim_stop(void)
{
    k.stop = true;
}
struct sim_proc *sim_self(void)
{
    return k.running != NULL ? k.running->proc : NULL;
}
struct sim_fiber *sim_self_fiber(void)
{
    return k.running;
}
struct sim_proc *sim_fiber_proc(const struct sim_fiber *fiber)
{
    return fiber->proc;
}
bool sim_fiber_is_done(const struct sim_fiber *fiber)
{
    return fiber->done;
}
void sim_fiber_on_done(struct sim_fiber *fiber, struct sim_fiber *waiter)
{
    fiber->waiter = waiter;
}

void sim_on_reap(void (*fn)(struct sim_proc *proc))
{
    SP_ASSERT(k.reaper_count < REAPERS_MAX);
    k.reapers[k.reaper_count++] = fn;
}

/* ---- Fibers ---- */

static void *take_stack(void)
{
    if (k.stack_count > 0) return k.stacks[--k.stack_count];
    void *stack =
        mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    SP_ASSERT(stack != MAP_FAILED);
    SP_ASSERT(mprotect(stack, 4096, PROT_NONE) == 0); /* an overflow is seen */
    return stack;
}

static void give_stack(void *stack)
{
    if (k.stack_count == k.stack_room) {
        k.stack_room = k.stack_room * 2 + 64;
        k.stacks = sim_grow(k.stacks, k.stack_room * sizeof *k.stacks);
    }
    k.stacks[k.stack_count++] = stack;
}

static void run_fiber(void)
{
    struct sim_fiber *self = k.running;

    self->fn(self->arg);
    self->done = true;
    if (self->waiter != NULL) sim_wake(self->waiter, k.now);
    context_switch(&self->context, &k.scheduler);
}

static struct sim_fiber *new_fiber(struct sim_proc *proc, void *(*fn)(void *), void *arg)
{
    struct sim_fiber *fiber = sim_alloc(sizeof *fiber);

    fiber->proc = proc;
    fiber->fn = fn;
    fiber->arg = arg;
    fiber->stack = take_stack();
    context_make(&fiber->context, fiber->stack, STACK_BYTES, run_fiber);
    fiber->next = proc->fibers;
    proc->fibers = fiber;
    fiber->waiting = true;
    fiber->wake_at = k.now;
    push((struct entry){.at = k.now, .fiber = fiber});
    return fiber;
}

struct sim_fiber *sim_thread(void *(*fn)(void *), void *arg)
{
    return new_fiber(sim_self(), fn, arg);
}

bool sim_block(int64_t until)
{
    struct sim_fiber *self = k.running;

    SP_ASSERT(self != NULL);
    self->waiting = true;
    self->woken = false;
    if (until < k.now) until = k.now;
    self->wake_at = until;
    self->saved_errno = errno;
    if (until != SIM_NEVER && (until != self->queued_at || until == k.now)) {
        push((struct entry){.at = until, .fiber = self});
        self->queued_at = until;
    }
    context_switch(&self->context, &k.scheduler);
    errno = self->saved_errno;
    return self->woken;
}

void sim_wake(struct sim_fiber *fiber, int64_t at)
{
    if (at < k.now) at = k.now;
    if (!fiber->waiting || fiber->done || fiber->wake_at <= at) return;
    fiber->wake_at = at;
    fiber->woken = true;
    push((struct entry){.at = at, .fiber = fiber});
}

/* ---- Processes ---- */

static void *run_main(void *arg)
{
    struct main_call *call = arg;
    struct sim_proc *self = sim_self();

    call->exit_code = call->main(self);
    return NULL;
}

struct sim_proc *sim_spawn(const char *name, sim_main_fn *main, void *owner,
                           void (*on_end)(struct sim_proc *proc, int exit_code, int signal))
{
    struct sim_proc *proc = sim_alloc(sizeof *proc);
    struct main_call *call = sim_alloc(sizeof *call);

    snprintf(proc->name, sizeof proc->name, "%s", name);
    proc->pid = ++k.last_pid;
    proc->alive = true;
    proc->owner = owner;
    proc->on_end = on_end;
    proc->next = k.procs;
    k.procs = proc;
    call->main = main;
    new_fiber(proc, run_main, call)->is_main = true;
    return proc;
}

static void reap(struct sim_proc *proc, int exit_code, int signal)
{
    SP_ASSERT(proc->alive);
    proc->alive = false;
    sim_trace(((uint64_t)proc->pid << 32) ^ ((uint64_t)exit_code << 8) ^ (uint64_t)signal);
    for (int i = 0; i < k.reaper_count; i++)
        k.reapers[i](proc);
    while (proc->fibers != NULL) {
        struct sim_fiber *fiber = proc->fibers;
        proc->fibers = fiber->next;
        if (fiber->is_main) sim_free(fiber->arg);
        if (fiber->stack != NULL) give_stack(fiber->stack);
        fiber->done = true;
        fiber->waiting = false;
        fiber->next = k.dead;
        k.dead = fiber;
    }
    if (proc->on_end != NULL) proc->on_end(proc, exit_code, signal);
}

void sim_kill(struct sim_proc *proc, int signal)
{
    if (!proc->alive) return;
    if (k.running != NULL && k.running->proc == proc) {
        proc->doomed = true;
        sim_block(SIM_NEVER); /* for ever */
    }
    reap(proc, 0, signal);
}

void sim_point(void)
{
    struct sim_proc *self = sim_self();

    if (self == NULL || self->points_to_live == 0) return;
    if (--self->points_to_live > 0) return;
    sim_kill(self, SIGKILL);
}

/* A fiber that has ended stays among those of its process until that is reaped: it may be joined.
 */
static void resume(struct sim_fiber *fiber)
{
    struct sim_proc *proc = fiber->proc;

    fiber->waiting = false;
    k.events++;
    sim_trace((uint64_t)k.now ^ ((uint64_t)proc->pid << 48));
    k.running = fiber;
    context_switch(&k.scheduler, &fiber->context);
    k.running = NULL;
    if (proc->doomed) {
        reap(proc, 0, SIGKILL);
    } else if (fiber->done && !fiber->is_main) {
        give_stack(fiber->stack);
        fiber->stack = NULL;
    } else if (fiber->done) {
        reap(proc, ((struct main_call *)fiber->arg)->exit_code, 0);
    }
}

static void step(const struct entry *entry)
{
    struct sim_fiber *fiber = entry->fiber;

    if (fiber == NULL) {
        k.events++;
        entry->fn(entry->ctx);
        return;
    }
    if (!fiber->waiting || fiber->wake_at != entry->at) return;
    if (fiber->proc->paused_until > k.now) {
        fiber->wake_at = fiber->proc->paused_until;
        push((struct entry){.at = fiber->wake_at, .fiber = fiber});
        return;
    }
    resume(fiber);
}

void sim_run_until(int64_t until)
{
    k.stop = false;
    while (!k.stop && k.count > 0 && k.heap[0].at <= until) {
        struct entry entry = pop();
        k.now = entry.at;
        step(&entry);
    }
    if (!k.stop && k.now < until) k.now = until;
}

void sim_kernel_begin(uint64_t seed)
{
    k.now = SIM_S;
    k.seq = 0;
    k.events = 0;
    k.hash = sim_mix(seed);
    k.last_pid = 0;
    k.count = 0;
    sim_random_seed(&k.chance, seed, 0);
}

void sim_kernel_end(void)
{
    while (k.procs != NULL) {
        struct sim_proc *proc = k.procs;
        proc->on_end = NULL;
        if (proc->alive) reap(proc, 0, SIGKILL);
        k.procs = proc->next;
        sim_free(proc);
    }
    while (k.dead != NULL) {
        struct sim_fiber *fiber = k.dead;
        k.dead = fiber->next;
        sim_free(fiber);
    }
    k.count = 0;
}
