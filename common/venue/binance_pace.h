/* How often and how soon Binance may be asked: the share of the request weight, waits that the
 * venue imposes, back-off between connections, and the offset of its clock. Pure: times come in.
 * One thread.
 *
 * The venue counts per address and per fixed minute of its own clock. Three processes share the
 * address, so each has a share of its own; what the venue's header counts (all of them, and others
 * behind the same address) closes the door too when it nears the limit. A ban (418) or a limit
 * (429) is obeyed to its end, for every request.
 */
#ifndef SP_COMMON_VENUE_BINANCE_PACE_H
#define SP_COMMON_VENUE_BINANCE_PACE_H

#include "proto/types.h"

#define SP_BINANCE_WEIGHT_MAX    6000 /* per minute and address */
#define SP_BINANCE_WEIGHT_NEARLY 5400 /* by the venue's count: only orders and cancels go out */
#define SP_BINANCE_WAIT_MS_MAX   (INT64_C(3) * 24 * 3600 * 1000)

struct sp_binance_pace {
    uint32_t share;   /* weight per minute of this process */
    int64_t minute;   /* that is counted, by the venue's clock */
    uint32_t used;    /* in it, by this process */
    uint32_t counted; /* in it, by the venue's header */
    sp_mono wait_until;
};

/* `percent` of the address's weight. */
void sp_binance_pace_init(struct sp_binance_pace *pace, uint32_t percent);
/* Whether a request of that weight may leave now; it is then counted. Orders and cancels (`urgent`)
 * pass a share that is used up, but no wait that the venue imposed. */
SP_NODISCARD bool sp_binance_pace_take(struct sp_binance_pace *pace, uint32_t weight, bool urgent,
                                       sp_mono now, int64_t server_ms);
/* The venue's count in an answer. */
void sp_binance_pace_counted(struct sp_binance_pace *pace, uint32_t used, int64_t server_ms);
/* 429 or 418: nothing leaves for so long. Without a Retry-After (0) a minute, after a ban two. */
void sp_binance_pace_wait(struct sp_binance_pace *pace, int64_t retry_after_s, bool banned,
                          sp_mono now);

/* Wait before connection attempt number `attempt` (0: the first again): 1 s, doubling to 60 s, of
 * which between half and all, by `random`. */
sp_dur sp_binance_backoff(uint32_t attempt, uint64_t random);

/* Offset of the venue's clock: of several round trips the shortest tells best, and half of it
 * bounds the error. */
struct sp_binance_clock {
    uint32_t samples;
    int64_t offset_ms;     /* venue minus ours */
    int64_t round_trip_ms; /* of the sample that is believed */
};

/* One question for the time: our wall clock before and after, and the answer. */
void sp_binance_clock_sample(struct sp_binance_clock *clock, sp_wall before, sp_wall after,
                             int64_t server_ms);
/* Starts the next round of samples: the last estimate serves until one has come. */
void sp_binance_clock_restart(struct sp_binance_clock *clock);
int64_t sp_binance_clock_ms(const struct sp_binance_clock *clock, sp_wall now);

#endif
