/* momentum_cross: buys when a fast average rises above a slow one by at least min_gap.
 *
 *   gap = (fast - slow) / slow, rounded half away from zero to 1e-8
 *
 * It is armed while fast <= slow and fires once, at the first bar with gap >= min_gap (and fast >
 * slow); then it must see fast <= slow again. At the start and after a gap in the data it is not
 * armed: an average that is above already has not risen above. Long only.
 * confidence = gap / (gap + min_gap): 0.5 at the limit, 0.67 at twice it, towards 1.
 */
#include "common/workers/worker_text.h"

enum { READ_FAST, READ_SLOW };

struct momentum_cross {
    sp_ratio min_gap;
    bool is_armed;
};

static void momentum_cross_init(void *state, const struct sp_params *params)
{
    struct momentum_cross *cross = state;

    cross->min_gap = sp_params_ratio(params, "min_gap");
}

static struct sp_record *signal_of(const struct momentum_cross *cross, struct sp_flow *flow,
                                   sp_ratio gap)
{
    const struct sp_flow_base *base = sp_flow_base(flow);
    const struct sp_cache_ema *fast = sp_flow_read(flow, READ_FAST);
    const struct sp_cache_ema *slow = sp_flow_read(flow, READ_SLOW);
    const char *fast_name = sp_flow_source(flow, READ_FAST)->s;
    const char *slow_name = sp_flow_source(flow, READ_SLOW)->s;
    struct sp_record *record = sp_flow_payload(flow, SP_REC_OPPORTUNITY_DETECTED);
    struct sp_opportunity *signal = &record->body.opportunity;
    char f[SP_WORKER_TEXT_SIZE], s[SP_WORKER_TEXT_SIZE], g[SP_WORKER_TEXT_SIZE];
    char limit[SP_PARAM_TEXT_SIZE];

    signal->side = SP_SIDE_BUY;
    signal->signal_type = sp_name_of("MOMENTUM_CROSS");
    signal->px = base->bar.close;
    __int128 whole = (__int128)gap.e8 + cross->min_gap.e8;
    signal->confidence.e8 = (int64_t)((__int128)gap.e8 * SP_FX_ONE / (whole > 0 ? whole : 1));
    sp_text_printf(&signal->rule, "%s %s rose above %s %s, gap %s bps >= min_gap %s", fast_name,
                   sp_worker_px(base, fast->value, f), slow_name,
                   sp_worker_px(base, slow->value, s), sp_worker_bps(gap, g),
                   sp_param_format(SP_PARAM_RATIO, cross->min_gap.e8, limit));
    sp_worker_fact(&signal->values, fast_name, fast->value.e8);
    sp_worker_fact(&signal->values, slow_name, slow->value.e8);
    sp_worker_fact(&signal->values, "gap", gap.e8);
    sp_worker_fact(&signal->values, "min_gap", cross->min_gap.e8);
    return record;
}

static struct sp_disposition momentum_cross_process(void *state, struct sp_flow *flow)
{
    struct momentum_cross *cross = state;
    const struct sp_cache_ema *fast = sp_flow_read(flow, READ_FAST);
    const struct sp_cache_ema *slow = sp_flow_read(flow, READ_SLOW);
    sp_ratio gap;

    if (fast->value.e8 <= slow->value.e8) {
        cross->is_armed = true;
        return sp_stop();
    }
    if (!cross->is_armed) return sp_stop();
    if (!sp_px_div_px((sp_px){fast->value.e8 - slow->value.e8}, slow->value, &gap))
        return sp_stop();
    if (gap.e8 < cross->min_gap.e8) return sp_stop();
    cross->is_armed = false;
    return sp_publish("SIGNAL_GENERATED", signal_of(cross, flow, gap));
}

extern const struct sp_plugin sp_plugin_momentum_cross;
const struct sp_plugin sp_plugin_momentum_cross = {
    .manifest =
        "{\"name\": \"momentum_cross\", \"version\": \"1.0.0\", \"category\": \"opportunity\",\n"
        " \"subtype\": \"momentum_signal\",\n"
        " \"about\": \"buy when a fast average rises above a slow one by at least min_gap\",\n"
        " \"requires_dtos\": [{\"alias\": \"fast\", \"dto\": \"ema\"},\n"
        "                   {\"alias\": \"slow\", \"dto\": \"ema\"}],\n"
        " \"produces_dtos\": [],\n"
        " \"publishes\": [\"SIGNAL_GENERATED\"], \"listens\": [\"TICK_FLOW_START\"],\n"
        " \"params\": {\"min_gap\": {\"type\": \"ratio\", \"default\": \"1 bps\",\n"
        "                        \"min\": \"0\", \"max\": \"10%\"}}}",
    .state_bytes = sizeof(struct momentum_cross),
    .init = momentum_cross_init,
    .process = momentum_cross_process,
};
