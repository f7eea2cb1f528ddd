/* People: what operators ask for, through the control sockets, with the client of the command line.
 *
 * Each request is a short process of its own. Repeats until it is answered, with the same id.
 */
#ifndef SP_TEST_SIM_HANDS_H
#define SP_TEST_SIM_HANDS_H

#include "proto/record.h"

void sim_hands_begin(uint64_t seed);
void sim_hands_end(void);

/* Of everything, or of some strategy. */
void sim_hands_command(enum sp_command command, bool all);
/* Resumes everything that may be halted, and the feed. */
void sim_hands_heal(void);
/* Says how much of an asset the account holds, and asks for a comparison. */
void sim_hands_adopt(const sp_name *asset, sp_amt amount);
void sim_hands_pause_feed(int64_t ns);
/* Requests that wait for an answer. */
uint32_t sim_hands_busy(void);
/* How execution says it is: asks; the answer is there once nothing is busy. NULL: none came. */
void sim_hands_ask_status(void);
const struct sp_service_status *sim_hands_status(void);

#endif
