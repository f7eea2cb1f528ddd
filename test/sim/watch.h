/* What must become known in time: while execution and the venue have talked to each other for a
 * while, the books know each execution and each end of an order that the venue has kept.
 *
 * Looks twice a second. Kernel context.
 */
#ifndef SP_TEST_SIM_WATCH_H
#define SP_TEST_SIM_WATCH_H

void sim_watch_begin(void);
void sim_watch_end(void);

#endif
