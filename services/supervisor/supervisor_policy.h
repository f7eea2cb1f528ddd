/* The figures of the restart policy, and the delays that follow from them. Pure.
 */
#ifndef SP_SUPERVISOR_POLICY_H
#define SP_SUPERVISOR_POLICY_H

#include "proto/types.h"

/* A death counts 1, before READY 2; more than `budget` within `window` opens the circuit. */
struct sp_supervisor_policy {
    uint32_t budget;
    sp_dur window;
    sp_dur stable_after;             /* READY this long forgets consecutive failures */
    sp_dur backoff_min, backoff_max; /* doubled each time, +- 20 % jitter */
    sp_dur cooldown_min, cooldown_max;
    uint32_t opens_max; /* that many openings within opens_window: given up */
    sp_dur opens_window;
    sp_dur lock_retry;
    sp_dur stuck_after; /* no progress for this long after READY */
    sp_dur end_timeout; /* a stuck child: from TERM to KILL */
};
struct sp_supervisor_policy sp_supervisor_policy_default(void);

/* Applies "budget=3,window=10s,cooldown_min=1s" to *policy. SP_USAGE: err names the key or value
 * that is wrong and lists the keys; *policy is then unspecified. */
SP_NODISCARD sp_status sp_supervisor_policy_parse(const char *text,
                                                  struct sp_supervisor_policy *policy,
                                                  struct sp_err *err);
/* `first` doubled n-1 times, at most `most`. */
sp_dur sp_supervisor_doubled(sp_dur first, uint32_t n, sp_dur most);
/* The delay before the start that follows the n-th failure in a row. Advances *random. */
sp_dur sp_supervisor_backoff(const struct sp_supervisor_policy *policy, uint32_t n,
                             uint64_t *random);

#endif
