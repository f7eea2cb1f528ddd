#include "common/market/bars.h"

#include <string.h>

sp_status sp_bars_init(struct sp_bars *bars, const sp_dur *intervals, uint32_t count,
                       struct sp_err *err)
{
    if (count == 0 || count > SP_BARS_INTERVALS_MAX) {
        return SP_FAIL(err, SP_INVALID, "%u bar intervals; 1 to %d are possible", count,
                       SP_BARS_INTERVALS_MAX);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (intervals[i].ns <= 0 || (i > 0 && intervals[i].ns <= intervals[i - 1].ns)) {
            return SP_FAIL(err, SP_INVALID, "bar intervals must be positive and ascending");
        }
    }
    memset(bars, 0, sizeof *bars);
    bars->interval_count = count;
    for (uint32_t i = 0; i < count; i++)
        bars->open[i].interval = intervals[i];
    return SP_OK;
}

void sp_bars_clock(struct sp_bars *bars, sp_wall now, struct sp_bars_closed *closed)
{
    closed->count = 0;
    for (uint32_t i = 0; i < bars->interval_count; i++) {
        struct sp_bar *bar = &bars->open[i];
        if (bar->trade_count == 0) continue;
        /* Subtracting cannot overflow: both are times of one stream. */
        if (now.ns - bar->opened.ns < bar->interval.ns) continue;
        closed->at[closed->count++] = *bar;
        bar->trade_count = 0;
    }
}

static void bar_begin(struct sp_bar *bar, sp_wall now, sp_px px)
{
    int64_t past = now.ns % bar->interval.ns;

    if (past < 0) past += bar->interval.ns;
    bar->opened.ns = now.ns - past;
    bar->open = bar->high = bar->low = px;
    bar->volume.e8 = 0;
}

sp_status sp_bars_trade(struct sp_bars *bars, sp_wall now, sp_px px, sp_qty qty, struct sp_err *err)
{
    SP_ASSERT(bars->interval_count > 0);
    for (uint32_t i = 0; i < bars->interval_count; i++) {
        const struct sp_bar *bar = &bars->open[i];
        sp_qty sum = {0};
        if (bar->trade_count == UINT32_MAX ||
            (bar->trade_count > 0 && !sp_qty_add(bar->volume, qty, &sum))) {
            return SP_FAIL(err, SP_OVERFLOWED, "volume of a bar does not fit");
        }
    }
    for (uint32_t i = 0; i < bars->interval_count; i++) {
        struct sp_bar *bar = &bars->open[i];
        SP_ASSERT(bar->trade_count == 0 || now.ns - bar->opened.ns < bar->interval.ns);
        if (bar->trade_count == 0) bar_begin(bar, now, px);
        if (px.e8 > bar->high.e8) bar->high = px;
        if (px.e8 < bar->low.e8) bar->low = px;
        bar->close = px;
        bar->volume.e8 += qty.e8;
        bar->trade_count++;
    }
    return SP_OK;
}
