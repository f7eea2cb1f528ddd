/* One seed: a world, faults on it for a while (phase A), then everything heals, stops in order and
 * has to be right (phase B).
 */
#ifndef SP_TEST_SIM_RUN_H
#define SP_TEST_SIM_RUN_H

#include "kernel.h"

struct sim_run_options {
    uint64_t seed;
    uint32_t seconds;   /* virtual, of phase A */
    uint64_t fault_off; /* kinds of faults that stay off, as a set */
    bool verbose;
    bool lock_step;        /* without faults, `seconds` of market in lock-step (lock_step.h) */
    const char *recording; /* in lock-step, the market of this file; NULL: a generated one */
    const char *trace_dir; /* NULL: what is left on the disks is not kept */
};

struct sim_result {
    bool failed;
    char why[400];
    int64_t failed_at;
    uint64_t failed_event, hash, events, fills, orders, trades, explained, messages;
    int64_t virtual_ns, busy_ns;
    uint64_t fired[60]; /* by enum sim_fault */
};

void sim_run(const struct sim_run_options *options, struct sim_result *out);
/* Ends the run: an invariant does not hold. Any context. The first reason counts. */
void sim_violation(const char *fmt, ...) SP_PRINTF(1, 2);
bool sim_has_failed(void);

#endif
