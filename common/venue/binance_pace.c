#include "common/venue/binance_pace.h"

#define MINUTE_MS INT64_C(60000)
#define NS_PER_MS INT64_C(1000000)

void sp_binance_pace_init(struct sp_binance_pace *pace, uint32_t percent)
{
    *pace = (struct sp_binance_pace){.share = SP_BINANCE_WEIGHT_MAX * percent / 100};
}

/* Minutes are aligned: the count begins anew at :00 of the venue's clock. */
static void enter(struct sp_binance_pace *pace, int64_t server_ms)
{
    int64_t minute = server_ms / MINUTE_MS;

    if (minute == pace->minute) return;
    pace->minute = minute;
    pace->used = 0;
    pace->counted = 0;
}

bool sp_binance_pace_take(struct sp_binance_pace *pace, uint32_t weight, bool urgent, sp_mono now,
                          int64_t server_ms)
{
    enter(pace, server_ms);
    if (now.ns < pace->wait_until.ns) return false;
    bool fits =
        pace->used + weight <= pace->share && pace->counted + weight <= SP_BINANCE_WEIGHT_NEARLY;
    if (!fits && !urgent) return false;
    pace->used += weight;
    return true;
}

void sp_binance_pace_counted(struct sp_binance_pace *pace, uint32_t used, int64_t server_ms)
{
    enter(pace, server_ms);
    if (used > pace->counted) pace->counted = used; /* answers may overtake each other */
}

void sp_binance_pace_wait(struct sp_binance_pace *pace, int64_t retry_after_s, bool banned,
                          sp_mono now)
{
    int64_t ms = banned ? 2 * MINUTE_MS : MINUTE_MS;

    if (retry_after_s > SP_BINANCE_WAIT_MS_MAX / 1000)
        retry_after_s = SP_BINANCE_WAIT_MS_MAX / 1000;
    if (retry_after_s > 0) ms = retry_after_s * 1000;
    sp_mono until = {now.ns + ms * NS_PER_MS};
    if (until.ns > pace->wait_until.ns) pace->wait_until = until;
}

sp_dur sp_binance_backoff(uint32_t attempt, uint64_t random)
{
    int64_t ms = attempt >= 6 ? MINUTE_MS : INT64_C(1000) << attempt;
    int64_t half = (ms < MINUTE_MS ? ms : MINUTE_MS) / 2;

    return (sp_dur){(half + (int64_t)(random % (uint64_t)(half + 1))) * NS_PER_MS};
}

void sp_binance_clock_sample(struct sp_binance_clock *clock, sp_wall before, sp_wall after,
                             int64_t server_ms)
{
    int64_t trip_ms = (after.ns - before.ns) / NS_PER_MS;

    if (trip_ms < 0) return; /* our clock was set back meanwhile */
    if (clock->samples++ > 0 && trip_ms >= clock->round_trip_ms) return;
    clock->round_trip_ms = trip_ms;
    clock->offset_ms = server_ms - (before.ns / NS_PER_MS + trip_ms / 2);
}

void sp_binance_clock_restart(struct sp_binance_clock *clock)
{
    clock->samples = 0;
}

int64_t sp_binance_clock_ms(const struct sp_binance_clock *clock, sp_wall now)
{
    return now.ns / NS_PER_MS + clock->offset_ms;
}
