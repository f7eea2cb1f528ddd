/* Seeds over processes: each takes the next number until there are no more.
 *
 * A number's output is written in one piece. What all of them counted is added up at the end. A
 * process that dies is a failure of the seed it had.
 */
#ifndef SP_TEST_SIM_JOBS_H
#define SP_TEST_SIM_JOBS_H

#include "faults.h"
#include "run.h"

struct sim_totals {
    uint64_t seeds, failed, events, messages, orders, fills, trades, explained;
    int64_t virtual_ns, busy_ns;
    uint64_t fired[SIM_FAULT_COUNT];
};

struct sim_jobs {
    uint32_t processes; /* 1: this one */
    uint64_t count;     /* numbers 0 to count - 1 */
    int64_t real_ns;    /* > 0: as many as are begun in this time instead */
    bool until_failure; /* none is begun after one that failed */
    /* Runs number `i`, adds to `totals`. */
    void (*run)(void *ctx, uint64_t i, struct sim_totals *totals);
    void *ctx;
};

void sim_totals_add(struct sim_totals *totals, const struct sim_result *result);
/* `totals` begins at zero. */
void sim_jobs_run(const struct sim_jobs *jobs, struct sim_totals *totals);

#endif
