/* What may be bought: the limits of the operation, plans that are still good, room on the disk;
 * each plan answered once; orders that keep to the venue's filters.
 *
 * Reads the fold of execution's appends (live.h).
 */
#ifndef SP_TEST_SIM_RISK_H
#define SP_TEST_SIM_RISK_H

#include "proto/record.h"

struct sp_books;
struct sp_order;

void sim_risk_begin(void);
/* A service has appended it; before it is folded. */
void sim_risk_record(const struct sp_record *record, const struct sp_books *books);
/* The order leaves for the venue, and buys. */
void sim_risk_buys(const struct sp_order *order, struct sp_books *books);
/* The running process was told an instrument's filters by the venue. */
void sim_risk_hears(const struct sp_venue_instrument *rules);
/* Twice a second. */
void sim_risk_look(void);

#endif
