/* The market of a world from its begin to its end in lock-step (common/turns.h), then an orderly
 * stop: what the same configuration gives with real processes on real sockets, to the byte.
 */
#ifndef SP_TEST_SIM_LOCK_STEP_H
#define SP_TEST_SIM_LOCK_STEP_H

/* After sim_world_start. What goes wrong is a violation. */
void sim_lock_step(void);

#endif
