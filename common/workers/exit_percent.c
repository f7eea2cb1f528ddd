/* exit_percent: a protective stop and a target, each a fixed part away from the entry's price,
 * rounded down to the tick: the stop a little further, the target a little nearer. Long only.
 */
#include "common/workers/worker_text.h"

enum { READ_ENTRY };

struct exit_percent {
    sp_ratio stop, target;
};

static void exit_percent_init(void *state, const struct sp_params *params)
{
    struct exit_percent *exit = state;

    exit->stop = sp_params_ratio(params, "stop");
    exit->target = sp_params_ratio(params, "target");
}

static sp_px away(const struct sp_flow_base *base, sp_px from, int64_t ratio_e8)
{
    sp_px px;

    if (!sp_px_times_ratio(from, (sp_ratio){SP_FX_ONE + ratio_e8}, &px)) px = from;
    return (sp_px){sp_e8_floor_to(px.e8, base->tick.e8)};
}

static struct sp_disposition exit_percent_process(void *state, struct sp_flow *flow)
{
    const struct exit_percent *exit = state;
    const struct sp_flow_base *base = sp_flow_base(flow);
    const struct sp_cache_entry_plan *entry = sp_flow_read(flow, READ_ENTRY);
    struct sp_cache_exit_plan plan = {0};
    char stop[SP_WORKER_TEXT_SIZE], target[SP_WORKER_TEXT_SIZE];
    char below[SP_WORKER_TEXT_SIZE], above[SP_WORKER_TEXT_SIZE];

    plan.stop_px = away(base, entry->reference_px, -exit->stop.e8);
    plan.target_px = away(base, entry->reference_px, exit->target.e8);
    sp_text_printf(&plan.text, "stop %s (-%s), target %s (+%s)",
                   sp_worker_px(base, plan.stop_px, stop), sp_worker_percent(exit->stop, below),
                   sp_worker_px(base, plan.target_px, target),
                   sp_worker_percent(exit->target, above));
    sp_flow_set(flow, SP_CACHE_exit_plan, &plan);
    return sp_continue();
}

extern const struct sp_plugin sp_plugin_exit_percent;
const struct sp_plugin sp_plugin_exit_percent = {
    .manifest =
        "{\"name\": \"exit_percent\", \"version\": \"1.0.0\", \"category\": \"planning\",\n"
        " \"subtype\": \"exit_planning\",\n"
        " \"about\": \"stop and target a fixed part away from the entry\",\n"
        " \"requires_dtos\": [{\"alias\": \"entry\", \"dto\": \"entry_plan\"}],\n"
        " \"produces_dtos\": [\"exit_plan\"],\n"
        " \"publishes\": [], \"listens\": [\"OPPORTUNITY_ACCEPTED\"],\n"
        " \"params\": {\"stop\": {\"type\": \"ratio\", \"min\": \"0.01%\", \"max\": \"50%\"},\n"
        "            \"target\": {\"type\": \"ratio\", \"min\": \"0.01%\", \"max\": \"1000%\"}}}",
    .state_bytes = sizeof(struct exit_percent),
    .init = exit_percent_init,
    .process = exit_percent_process,
};
