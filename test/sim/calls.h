/* The calls of the operating system that the simulation answers: clocks, descriptors, identity.
 */
#ifndef SP_TEST_SIM_CALLS_H
#define SP_TEST_SIM_CALLS_H

#include "kernel.h"

#include <stddef.h>

/* A process told its supervisor something; a process logged a line. */
typedef void sim_notified_fn(struct sim_proc *proc, const char *text);
typedef void sim_logged_fn(struct sim_proc *proc, const char *line, size_t len);

void sim_calls_begin(int64_t wall_ns, sim_notified_fn *notified, sim_logged_fn *logged);
void sim_calls_reap(struct sim_proc *proc);
void sim_wall_step(int64_t ns);
int64_t sim_wall_now(void);
/* The machine starts anew: another boot id. */
void sim_new_boot(void);
/* The real monotonic clock, for rates. */
int64_t sim_real_ns(void);
int64_t sim_busy_ns(void); /* of a processor, by the test program */

#endif
