/* Lock-step (common/turns.h), the side of marketdata: after each event of the market every service
 * that has something new to see gets its turn, one after the other, until nobody has.
 *
 * The order is that of the configuration: venue, execution, reconciliation, strategies. A service
 * has something new when a stream that it reads has moved on since its last turn; reconciliation,
 * which reads no market data, also when a second of the market has passed. One thread: the loop's.
 */
#ifndef SP_MARKETDATA_CONDUCTOR_H
#define SP_MARKETDATA_CONDUCTOR_H

#include "common/service.h"

struct sp_conductor;

/* SP_CONFIG: more streams than a turn can name; SP_NO_MEMORY; the statuses of sp_client_open. */
SP_NODISCARD sp_status sp_conductor_open(struct sp_service *service, struct sp_conductor **out,
                                         struct sp_err *err);
void sp_conductor_close(struct sp_conductor *conductor);
/* Our streams have moved on. */
void sp_conductor_mark(struct sp_conductor *conductor, const struct sp_ref *last);
/* The market is at `time`: gives turns until nobody has anything new. Not while it is busy. */
void sp_conductor_step(struct sp_conductor *conductor, sp_wall time);
bool sp_conductor_is_busy(const struct sp_conductor *conductor);

#endif
