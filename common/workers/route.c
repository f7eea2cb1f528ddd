/* route: joins the plans of entry, exit and size into one order plan with its time in force and how
 * long the gateway may still open it. The strategy mints the plan's and the trade's id for it.
 */
#include "common/workers/worker_text.h"

enum { READ_ENTRY, READ_EXIT, READ_SIZE };

struct route {
    uint8_t tif;
    sp_dur valid;
};

static void route_init(void *state, const struct sp_params *params)
{
    struct route *route = state;

    route->tif = sp_params_tif(params, "time_in_force");
    route->valid = sp_params_dur(params, "valid");
}

static struct sp_disposition route_process(void *state, struct sp_flow *flow)
{
    const struct route *route = state;
    const struct sp_cache_entry_plan *entry = sp_flow_read(flow, READ_ENTRY);
    const struct sp_cache_exit_plan *exit = sp_flow_read(flow, READ_EXIT);
    const struct sp_cache_size_plan *size = sp_flow_read(flow, READ_SIZE);
    struct sp_record *record = sp_flow_payload(flow, SP_REC_PLAN_READY);
    struct sp_plan *plan = &record->body.plan;
    char valid[SP_DUR_TEXT_SIZE];

    plan->action = SP_PLAN_ACTION_OPEN;
    plan->open_cause = SP_OPEN_CAUSE_OPPORTUNITY;
    plan->side = entry->side;
    plan->order_type = entry->order_type;
    plan->tif = route->tif;
    plan->limit_px = entry->limit_px;
    plan->reference_px = entry->reference_px;
    plan->qty = size->qty;
    plan->risk = size->risk;
    plan->capital = size->equity;
    plan->stop_px = exit->stop_px;
    plan->target_px = exit->target_px;
    plan->valid_until.ns = sp_flow_base(flow)->now.ns + route->valid.ns;
    plan->entry = entry->text;
    plan->exit = exit->text;
    plan->size = size->text;
    sp_text_printf(&plan->route, "%s, valid %s", sp_enum_name(SP_ENUM_TIF, route->tif),
                   sp_worker_dur(route->valid, valid));
    return sp_publish("PLAN_READY", record);
}

extern const struct sp_plugin sp_plugin_route;
const struct sp_plugin sp_plugin_route = {
    .manifest = "{\"name\": \"route\", \"version\": \"1.0.0\", \"category\": \"planning\",\n"
                " \"subtype\": \"order_routing\",\n"
                " \"about\": \"time in force, and how long the plan may still be opened\",\n"
                " \"requires_dtos\": [{\"alias\": \"entry\", \"dto\": \"entry_plan\"},\n"
                "                   {\"alias\": \"exit\", \"dto\": \"exit_plan\"},\n"
                "                   {\"alias\": \"size\", \"dto\": \"size_plan\"}],\n"
                " \"produces_dtos\": [],\n"
                " \"publishes\": [\"PLAN_READY\"], \"listens\": [\"OPPORTUNITY_ACCEPTED\"],\n"
                " \"params\": {\"time_in_force\": {\"type\": \"tif\", \"default\": \"IOC\"},\n"
                "            \"valid\": {\"type\": \"duration\", \"default\": \"500ms\",\n"
                "                      \"min\": \"1ms\", \"max\": \"1h\"}}}",
    .state_bytes = sizeof(struct route),
    .init = route_init,
    .process = route_process,
};
