#include "common/workers/worker_text.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

const char *sp_worker_px(const struct sp_flow_base *base, sp_px px, char buf[SP_WORKER_TEXT_SIZE])
{
    return sp_e8_pretty(px.e8, base->px_places, buf);
}

const char *sp_worker_qty(const struct sp_flow_base *base, sp_qty qty,
                          char buf[SP_WORKER_TEXT_SIZE])
{
    return sp_e8_pretty(qty.e8, base->qty_places, buf);
}

const char *sp_worker_amt(sp_amt amt, char buf[SP_WORKER_TEXT_SIZE])
{
    return sp_e8_pretty(amt.e8, 2, buf);
}

/* Beyond the bounds nobody trades; what matters is that no text is wrong. */
static const char *scaled(int64_t e8, int64_t scale, unsigned places, char *buf)
{
    if (e8 > INT64_MAX / scale || e8 < -INT64_MAX / scale)
        snprintf(buf, SP_WORKER_TEXT_SIZE, "beyond %" PRId64, INT64_MAX / SP_FX_ONE / scale);
    else
        sp_e8_pretty(e8 * scale, places, buf);
    return buf;
}

const char *sp_worker_bps(sp_ratio ratio, char buf[SP_WORKER_TEXT_SIZE])
{
    return scaled(ratio.e8, 10000, 2, buf);
}

const char *sp_worker_percent(sp_ratio ratio, char buf[SP_WORKER_TEXT_SIZE])
{
    char digits[SP_E8_TEXT_SIZE];

    if (ratio.e8 > INT64_MAX / 100 || ratio.e8 < -INT64_MAX / 100)
        return scaled(ratio.e8, 100, 0, buf);
    snprintf(buf, SP_WORKER_TEXT_SIZE, "%s %%", sp_e8_format(ratio.e8 * 100, digits));
    return buf;
}

const char *sp_worker_dur(sp_dur dur, char buf[SP_DUR_TEXT_SIZE])
{
    char text[SP_DUR_TEXT_SIZE];
    size_t digits = 0;

    sp_dur_format(dur, text);
    while (text[digits] != '\0' && !isalpha((unsigned char)text[digits]))
        digits++;
    snprintf(buf, SP_DUR_TEXT_SIZE, "%.*s %.8s", (int)(digits < 20 ? digits : 20), text,
             text + digits);
    return buf;
}

void sp_worker_fact(sp_facts *facts, const char *name, int64_t value_e8)
{
    char digits[SP_E8_TEXT_SIZE];

    sp_worker_fact_name(facts, name, sp_e8_format(value_e8, digits));
}

void sp_worker_fact_name(sp_facts *facts, const char *name, const char *value)
{
    struct sp_fact fact = {0};

    if (facts->count >= SP_FACTS_MAX) return;
    if (!sp_name_set(&fact.name, name) || !sp_name_set(&fact.value, value)) return;
    facts->at[facts->count++] = fact;
}
