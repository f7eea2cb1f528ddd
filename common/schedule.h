/* When a configured schedule is due: "every 5 m" of the market clock, on the grid of whole
 * multiples since 1970, so that 5 m is due at 18:00, 18:05, 18:10 whenever the process was started.
 * Pure; the owner keeps `last` durable (the timestamp of its newest SCHEDULED_TICK). One thread.
 */
#ifndef SP_COMMON_SCHEDULE_H
#define SP_COMMON_SCHEDULE_H

#include "common/config/config.h"

struct sp_schedule {
    const struct sp_schedule_config *config;
    sp_wall last; /* newest due time that is done with; 0: none yet */
};

struct sp_schedule_due {
    sp_wall at;      /* the newest due time */
    uint32_t missed; /* due times passed over before it */
};

/* Whether the schedule is due at this market time. The first call only takes the place on the grid,
 * so a start is not a tick. Of due times that were passed over at once (the service was down, the
 * feed jumped) `run_once` gives the newest, with the rest counted in `missed`; `skip` gives none
 * and goes on with the next. A clock that went back by more than a period is another market
 * (another recording): the place is taken anew. Market time 0 is never due. */
SP_NODISCARD bool sp_schedule_poll(struct sp_schedule *schedule, sp_wall market,
                                   struct sp_schedule_due *due);

#endif
