#include "jobs.h"

#include "calls.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROCESSES_MAX 256
#define OUTPUT_BYTES  65536

/* What the processes share. */
struct queue {
    _Atomic uint64_t next;
    _Atomic bool failed;
    struct {
        uint64_t number; /* being run */
        struct sim_totals totals;
    } at[PROCESSES_MAX];
};

void sim_totals_add(struct sim_totals *t, const struct sim_result *r)
{
    t->seeds++;
    t->failed += r->failed;
    t->events += r->events;
    t->messages += r->messages;
    t->orders += r->orders;
    t->fills += r->fills;
    t->trades += r->trades;
    t->explained += r->explained;
    t->virtual_ns += r->virtual_ns;
    t->busy_ns += r->busy_ns;
    for (int i = 0; i < SIM_FAULT_COUNT; i++)
        t->fired[i] += r->fired[i];
}

static void add_all(struct sim_totals *t, const struct sim_totals *of)
{
    t->seeds += of->seeds;
    t->failed += of->failed;
    t->events += of->events;
    t->messages += of->messages;
    t->orders += of->orders;
    t->fills += of->fills;
    t->trades += of->trades;
    t->explained += of->explained;
    t->virtual_ns += of->virtual_ns;
    t->busy_ns += of->busy_ns;
    for (int i = 0; i < SIM_FAULT_COUNT; i++)
        t->fired[i] += of->fired[i];
}

static void work(const struct sim_jobs *jobs, struct queue *queue, uint32_t process)
{
    struct sim_totals *totals = &queue->at[process].totals;
    int64_t began = sim_real_ns();

    for (;;) {
        if (jobs->until_failure && queue->failed) return;
        if (jobs->real_ns > 0 && sim_real_ns() - began >= jobs->real_ns) return;
        uint64_t number = queue->next++;
        if (jobs->real_ns == 0 && number >= jobs->count) return;
        queue->at[process].number = number;
        jobs->run(jobs->ctx, number, totals);
        fflush(stdout);
        if (totals->failed > 0) queue->failed = true;
    }
}

static void wait_for(pid_t pid, struct queue *queue, uint32_t process)
{
    int status = 0;

    SP_ASSERT(waitpid(pid, &status, 0) == pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
    queue->at[process].totals.failed++;
    printf("FAILED: process %u died (status %d) at number %" PRIu64 " of this run\n", process,
           status, queue->at[process].number);
}

void sim_jobs_run(const struct sim_jobs *jobs, struct sim_totals *totals)
{
    static char output[OUTPUT_BYTES];
    pid_t pids[PROCESSES_MAX];
    uint32_t processes = jobs->processes < PROCESSES_MAX ? jobs->processes : PROCESSES_MAX;
    struct queue *queue =
        mmap(NULL, sizeof *queue, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    SP_ASSERT(queue != MAP_FAILED);
    SP_ASSERT(setvbuf(stdout, output, _IOFBF, sizeof output) == 0);
    for (uint32_t i = 0; i < processes && processes > 1; i++) {
        pids[i] = fork();
        SP_ASSERT(pids[i] >= 0);
        if (pids[i] > 0) continue;
        work(jobs, queue, i);
        _exit(0);
    }
    if (processes <= 1) work(jobs, queue, 0);
    for (uint32_t i = 0; i < processes; i++) {
        if (processes > 1) wait_for(pids[i], queue, i);
        add_all(totals, &queue->at[i].totals);
    }
    munmap(queue, sizeof *queue);
}
