#include "common/schedule.h"

bool sp_schedule_poll(struct sp_schedule *schedule, sp_wall market, struct sp_schedule_due *due)
{
    int64_t every = schedule->config->every.ns;

    SP_ASSERT(every > 0);
    if (market.ns <= 0) return false;
    sp_wall now = {market.ns - market.ns % every};
    if (schedule->last.ns == 0 || now.ns < schedule->last.ns - every) {
        schedule->last = now;
        return false;
    }
    /* One period back may be jitter of a clock that continues: nothing is due twice. */
    if (now.ns <= schedule->last.ns) return false;
    uint64_t passed = (uint64_t)(now.ns - schedule->last.ns) / (uint64_t)every;
    schedule->last = now;
    if (passed > 1 && !schedule->config->run_once_if_missed) return false;
    due->at = now;
    due->missed = passed - 1 > UINT32_MAX ? UINT32_MAX : (uint32_t)(passed - 1);
    return true;
}
