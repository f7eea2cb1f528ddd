/* What must hold: after each event (phase A), and once everything has healed (phase B).
 *
 * Knows the services only by what they leave: journals, the ledger, what they send. Books are
 * folded anew here, from the journal on the simulated disk.
 */
#ifndef SP_TEST_SIM_CHECK_H
#define SP_TEST_SIM_CHECK_H

#include "run.h"

void sim_check_begin(void);
void sim_check_end(void);

/* Ready, reconciled in the newest epoch of execution, nothing unknown or in flight. */
bool sim_check_is_calm(void);
/* What is missing for that. */
const char *sim_check_unrest(void);
/* The operation is down: books, ledger and the venue's truth are equal, everything is explained.
 * Reports violations; fills the counts of *result. */
void sim_check_final(struct sim_result *result);

#endif
