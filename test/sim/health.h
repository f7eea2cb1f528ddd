/* spoor-health on the simulated machine: its pages go nowhere, its alerts are judged.
 *
 * It runs in some of the seeds: its questions are a third of all messages.
 */
#ifndef SP_TEST_SIM_HEALTH_H
#define SP_TEST_SIM_HEALTH_H

#include "kernel.h"
#include "proto/record.h"

void sim_health_begin(void);
void sim_health_reap(struct sim_proc *proc);
/* Twice a second: a service that has not been ready for long has an alert, one that has been ready
 * for long has none. */
void sim_health_look(void);
/* Whether it reports what is so once all is calm: ready, with no alert but one of trading that is
 * not allowed. If not, *why says what. True without health. */
bool sim_health_is_calm(const char **why);
/* Each record of its journal: an alert begins once and ends once. */
void sim_health_fold(const struct sp_record *record);

#endif
