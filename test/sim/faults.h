/* What hits the operation while phase A lasts. Each kind has its own chance, drawn from the seed:
 * in half of the seeds, half of the kinds are off.
 */
#ifndef SP_TEST_SIM_FAULTS_H
#define SP_TEST_SIM_FAULTS_H

#include "proto/record.h"
#include "sockets.h"

/* clang-format off */
enum sim_fault {
#define FAULT(name, text, mean_s) SIM_FAULT_##name,
#include "faults.def"
#undef FAULT
    SIM_FAULT_COUNT
};
/* clang-format on */

#define SIM_FAULTS_MAX 60
_Static_assert(SIM_FAULT_COUNT <= SIM_FAULTS_MAX, "they are counted in arrays of this size");

const char *sim_fault_name(enum sim_fault fault); /* "KILL_POINT" */
const char *sim_fault_text(enum sim_fault fault);

/* `off`: kinds that stay off, as a set of bits by number; ~0 for none at all. */
void sim_faults_begin(uint64_t seed, uint64_t off);
/* No more from now on; what lasts is ended. */
void sim_faults_heal(void);
/* Kinds that are on in this seed. */
uint64_t sim_faults_on(void);
uint64_t sim_fault_fired(enum sim_fault fault);

/* The simulator itself reads in the place of the running process: between the two nothing strikes,
 * and what is rotten reads as it was written. */
void sim_faults_look_begin(void);
void sim_faults_look_end(void);

/* For sockets.h and files.h. */
void sim_faults_message(const struct sim_message *message, struct sim_fate *fate);
int64_t sim_faults_sync_delay(void);
/* For live.c: execution's journal says so; it is read again from its begin. */
void sim_faults_account_adopted(const struct sp_balance_adopted *adopted);
void sim_faults_account_forget(void);
/* Whether all that others did on the account is adopted, and nobody is about to say more. */
bool sim_faults_account_is_settled(void);
/* Whether the running process is being told something by the venue. */
bool sim_faults_venue_speaks(void);
/* Instead of the venue's own service: some requests do not reach it. */
const struct sp_service_spec *sim_faults_venue_spec(void);

#endif
