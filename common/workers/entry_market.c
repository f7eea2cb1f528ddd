/* entry_market: enters at the market; the bar's close is the price the plan is made at.
 */
#include "common/workers/worker.h"

static struct sp_disposition entry_market_process(void *state, struct sp_flow *flow)
{
    const struct sp_opportunity *signal = sp_flow_opportunity(flow);
    struct sp_cache_entry_plan plan = {.order_type = SP_ORDER_TYPE_MARKET};

    (void)state;
    SP_ASSERT(signal != NULL);
    plan.side = signal->side;
    plan.reference_px = sp_flow_base(flow)->bar.close;
    sp_text_printf(&plan.text, "market");
    sp_flow_set(flow, SP_CACHE_entry_plan, &plan);
    return sp_continue();
}

extern const struct sp_plugin sp_plugin_entry_market;
const struct sp_plugin sp_plugin_entry_market = {
    .manifest = "{\"name\": \"entry_market\", \"version\": \"1.0.0\", \"category\": \"planning\",\n"
                " \"subtype\": \"entry_planning\", \"about\": \"enter at the market\",\n"
                " \"requires_dtos\": [], \"produces_dtos\": [\"entry_plan\"],\n"
                " \"publishes\": [], \"listens\": [\"OPPORTUNITY_ACCEPTED\"], \"params\": {}}",
    .process = entry_market_process,
};
