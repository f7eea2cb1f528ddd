/* ema: exponential moving average of the closing price, in exact integers.
 *
 *   alpha = 2 / (period + 1), rounded half up to 1e-8
 *   value = first close; then value += alpha * (close - value)
 *
 * The value is kept in units of 1e-16 (1e-8 of a price unit); each step's increment is rounded half
 * away from zero to that unit, and what is published is rounded half away from zero to 1e-8.
 */
#include "common/workers/worker.h"

struct ema {
    int64_t alpha_e8;
    uint32_t samples;
    __int128 value_e16;
};

static __int128 div_one(__int128 num)
{
    __int128 half = SP_FX_ONE / 2;

    return (num < 0 ? num - half : num + half) / SP_FX_ONE;
}

static void ema_init(void *state, const struct sp_params *params)
{
    struct ema *ema = state;
    int64_t divisor = sp_params_int(params, "period") + 1;

    ema->alpha_e8 = (2 * SP_FX_ONE + divisor / 2) / divisor;
}

static struct sp_disposition ema_process(void *state, struct sp_flow *flow)
{
    struct ema *ema = state;
    __int128 close_e16 = (__int128)sp_flow_base(flow)->bar.close.e8 * SP_FX_ONE;
    struct sp_cache_ema result;

    if (ema->samples == 0)
        ema->value_e16 = close_e16;
    else
        ema->value_e16 += div_one((close_e16 - ema->value_e16) * ema->alpha_e8);
    if (ema->samples < UINT32_MAX) ema->samples++;
    result.value.e8 = (int64_t)div_one(ema->value_e16);
    result.samples = ema->samples;
    sp_flow_set(flow, SP_CACHE_ema, &result);
    return sp_continue();
}

extern const struct sp_plugin sp_plugin_ema;
const struct sp_plugin sp_plugin_ema = {
    .manifest =
        "{\"name\": \"ema\", \"version\": \"1.0.0\", \"category\": \"context\",\n"
        " \"subtype\": \"indicator_calculation\",\n"
        " \"about\": \"exponential moving average of the closing price\",\n"
        " \"requires_dtos\": [], \"produces_dtos\": [\"ema\"],\n"
        " \"publishes\": [], \"listens\": [\"TICK_FLOW_START\"],\n"
        " \"params\": {\"period\": {\"type\": \"int\", \"min\": \"1\", \"max\": \"100000\"}}}",
    .state_bytes = sizeof(struct ema),
    .init = ema_init,
    .process = ema_process,
};
