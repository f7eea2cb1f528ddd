/* What the files of the faults share; nobody else includes it.
 *
 *   faults.c         the kinds, their chances, those that come by themselves
 *   faults_account.c somebody else at the venue's account
 *   faults_disk.c    disks
 *   faults_limits.c  a venue that refuses requests
 *   faults_market.c  the source of market data
 *   faults_venue.c   messages to and from the venue, and what it does to the account
 */
#ifndef SP_TEST_SIM_FAULTS_INTERNAL_H
#define SP_TEST_SIM_FAULTS_INTERNAL_H

#include "faults.h"

bool sim_fault_is_on(enum sim_fault fault);
/* Whether it strikes now, by parts in a million of an average seed; counted if so. */
bool sim_fault_strikes(enum sim_fault fault, uint32_t parts);
/* One more, or one less because there was nothing to hit. */
void sim_fault_count(enum sim_fault fault, int by);
uint64_t sim_fault_draw(enum sim_fault fault, uint64_t n);
/* Between `least` and 2^doublings times that, each order of magnitude as likely. */
int64_t sim_fault_draw_ns(enum sim_fault fault, int64_t least, uint32_t doublings);
struct sim_random *sim_fault_chance(enum sim_fault fault);
/* Timers of earlier runs are void. */
uint32_t sim_faults_generation(void);
bool sim_faults_healed(void);

/* ---- faults_disk.c ---- */

void sim_faults_disk_begin(void);
void sim_faults_disk_heal(void);
void sim_faults_disk_full(enum sim_fault fault); /* DISK_FULL, DISK_LOW */
void sim_faults_rot(void);
/* Whether the rot is to be seen; it lasts all the same. */
void sim_faults_show_rot(bool shown);

/* ---- faults_market.c ---- */

void sim_faults_market_begin(void);
void sim_faults_market(enum sim_fault fault);
/* What marketdata publishes, while bad input was given it lately. */
void sim_faults_market_message(const struct sim_message *message);

/* ---- faults_venue.c ---- */

/* ---- faults_account.c ---- */

void sim_faults_account_begin(void);
void sim_faults_account_heal(void);
void sim_faults_account(enum sim_fault fault); /* EXTERNAL_ORDER, TRANSFER, FILTERS */

/* ---- faults_limits.c ---- */

void sim_faults_limits_begin(void);
/* RATE_LIMIT, BAN, MAINTENANCE: from now on for a while. */
void sim_faults_venue_refuses(enum sim_fault fault);
/* No report comes through for a while. */
void sim_faults_venue_gap(void);
void sim_faults_venue_begin(struct sim_random *seed);
void sim_faults_venue_message(const struct sim_message *message, struct sim_fate *fate);

#endif
