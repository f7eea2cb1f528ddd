/* volatility_spike: a threat while the returns of the last bars scatter more than the limit.
 *
 *   return    = (close - previous close) / previous close, rounded half away from zero to 1e-8,
 *               held within +-10,000
 *   deviation = floor(sqrt(n * sum(return^2) - sum(return)^2) / n), in 1e-8: the standard deviation
 *               of the window's n returns
 *
 * One threat begins when the deviation is above the limit and ends when it is below; at the limit
 * nothing changes. It says nothing until the window is full; after a gap in the data it starts
 * over, and a threat that had begun stays until the new window says that it ended.
 */
#include "common/workers/worker_text.h"

#define WINDOW_MAX 400
#define RETURN_MAX (10000 * SP_FX_ONE)

struct volatility_spike {
    uint32_t window, count, next;
    sp_ratio limit;
    uint8_t severity;
    sp_px last;
    __int128 sum, sum_squares;
    int64_t returns[WINDOW_MAX];
};

_Static_assert(sizeof(struct volatility_spike) <= SP_WORKER_STATE_MAX, "state fits its place");

static void volatility_spike_init(void *state, const struct sp_params *params)
{
    struct volatility_spike *spike = state;

    spike->window = (uint32_t)sp_params_int(params, "window_bars");
    spike->limit = sp_params_ratio(params, "limit");
    spike->severity = sp_params_severity(params, "severity");
    SP_ASSERT(spike->window <= WINDOW_MAX);
}

/* floor(sqrt(n)), bit by bit. */
static uint64_t isqrt(unsigned __int128 n)
{
    unsigned __int128 root = 0;
    unsigned __int128 bit = (unsigned __int128)1 << 126;

    while (bit > n)
        bit >>= 2;
    for (; bit != 0; bit >>= 2) {
        bool is_set = n >= root + bit;
        if (is_set) n -= root + bit;
        root = (root >> 1) + (is_set ? bit : 0);
    }
    return (uint64_t)root;
}

static int64_t return_of(sp_px close, sp_px last)
{
    sp_ratio r;

    if (!sp_px_div_px((sp_px){close.e8 - last.e8}, last, &r))
        r.e8 = close.e8 > last.e8 ? RETURN_MAX : -RETURN_MAX;
    if (r.e8 > RETURN_MAX) return RETURN_MAX;
    return r.e8 < -RETURN_MAX ? -RETURN_MAX : r.e8;
}

static void push(struct volatility_spike *spike, int64_t r)
{
    int64_t old = spike->returns[spike->next];

    if (spike->count == spike->window) {
        spike->sum -= old;
        spike->sum_squares -= (__int128)old * old;
    } else {
        spike->count++;
    }
    spike->returns[spike->next] = r;
    spike->next = (spike->next + 1) % spike->window;
    spike->sum += r;
    spike->sum_squares += (__int128)r * r;
}

static sp_ratio deviation_of(const struct volatility_spike *spike)
{
    __int128 spread = spike->window * spike->sum_squares - spike->sum * spike->sum;

    SP_ASSERT(spread >= 0);
    return (sp_ratio){(int64_t)(isqrt((unsigned __int128)spread) / spike->window)};
}

static struct sp_disposition publish(const struct volatility_spike *spike, struct sp_flow *flow,
                                     sp_ratio deviation)
{
    const struct sp_flow_base *base = sp_flow_base(flow);
    bool begins = sp_flow_own_threat(flow) == NULL;
    struct sp_record *record =
        sp_flow_payload(flow, begins ? SP_REC_THREAT_DETECTED : SP_REC_THREAT_ENDED);
    struct sp_threat *threat = &record->body.threat;
    char bar[SP_DUR_TEXT_SIZE], seen[SP_WORKER_TEXT_SIZE], limit[SP_PARAM_TEXT_SIZE];

    threat->threat_type = sp_name_of("VOLATILITY_SPIKE");
    threat->severity = spike->severity;
    sp_text_printf(&threat->rule, "deviation of %s returns over %u bars %s bps %c limit %s",
                   sp_worker_dur(base->bar.interval, bar), spike->window,
                   sp_worker_bps(deviation, seen), begins ? '>' : '<',
                   sp_param_format(SP_PARAM_RATIO, spike->limit.e8, limit));
    sp_worker_fact(&threat->values, "deviation", deviation.e8);
    sp_worker_fact(&threat->values, "limit", spike->limit.e8);
    sp_worker_fact(&threat->values, "window_bars", spike->window * SP_FX_ONE);
    return sp_publish(begins ? "THREAT_DETECTED" : "THREAT_ENDED", record);
}

static struct sp_disposition volatility_spike_process(void *state, struct sp_flow *flow)
{
    struct volatility_spike *spike = state;
    sp_px close = sp_flow_base(flow)->bar.close;

    if (spike->last.e8 > 0) push(spike, return_of(close, spike->last));
    spike->last = close;
    if (spike->count < spike->window) return sp_stop();
    sp_ratio deviation = deviation_of(spike);
    bool is_active = sp_flow_own_threat(flow) != NULL;
    if (is_active ? deviation.e8 < spike->limit.e8 : deviation.e8 > spike->limit.e8)
        return publish(spike, flow, deviation);
    return sp_stop();
}

extern const struct sp_plugin sp_plugin_volatility_spike;
const struct sp_plugin sp_plugin_volatility_spike = {
    .manifest =
        "{\"name\": \"volatility_spike\", \"version\": \"1.0.0\", \"category\": \"threat\",\n"
        " \"subtype\": \"market_risk\",\n"
        " \"about\": \"a threat while the returns of the last bars scatter more than the limit\",\n"
        " \"requires_dtos\": [], \"produces_dtos\": [],\n"
        " \"publishes\": [\"THREAT_DETECTED\", \"THREAT_ENDED\"],\n"
        " \"listens\": [\"TICK_FLOW_START\"],\n"
        " \"params\": {\"window_bars\": {\"type\": \"int\", \"default\": \"30\",\n"
        "                            \"min\": \"2\", \"max\": \"400\"},\n"
        "            \"limit\": {\"type\": \"ratio\", \"min\": \"0.01 bps\", \"max\": \"100%\"},\n"
        "            \"severity\": {\"type\": \"severity\", \"default\": \"HIGH\"}}}",
    .state_bytes = sizeof(struct volatility_spike),
    .init = volatility_spike_init,
    .process = volatility_spike_process,
};
