/* size_fixed_fraction: loses at most a fixed part of the equity if the stop fills at its price.
 *
 *   quantity = floor(equity * risk / (entry - stop)), at most floor(equity * max_notional / entry),
 *   each down to the lot step
 *
 * max_notional keeps room for fees and for a market entry that fills above the bar's close. What is
 * too small for the instrument's minimum quantity or value is rejected, cause LIMIT.
 */
#include "common/workers/worker_text.h"

enum { READ_ENTRY, READ_EXIT };

struct size_fixed_fraction {
    sp_ratio risk, max_notional;
};

static void size_fixed_fraction_init(void *state, const struct sp_params *params)
{
    struct size_fixed_fraction *size = state;

    size->risk = sp_params_ratio(params, "risk");
    size->max_notional = sp_params_ratio(params, "max_notional");
}

/* floor(equity * part / px) to the step; as much as there is if that does not fit. */
static sp_qty part_of(const struct sp_flow_base *base, sp_amt amt, sp_px px)
{
    sp_qty qty;

    if (amt.e8 <= 0 || px.e8 <= 0) return (sp_qty){0};
    if (!sp_amt_div_px(amt, px, &qty)) qty.e8 = INT64_MAX;
    return (sp_qty){sp_e8_floor_to(qty.e8, base->step.e8)};
}

static struct sp_disposition reject(struct sp_flow *flow, sp_qty qty, sp_amt value)
{
    const struct sp_flow_base *base = sp_flow_base(flow);
    struct sp_record *record = sp_flow_payload(flow, SP_REC_OPPORTUNITY_REJECTED);
    struct sp_opportunity_verdict *verdict = &record->body.opportunity_verdict;
    char q[SP_WORKER_TEXT_SIZE], v[SP_WORKER_TEXT_SIZE];
    char min_q[SP_WORKER_TEXT_SIZE], min_v[SP_WORKER_TEXT_SIZE];

    verdict->cause = SP_REJECT_CAUSE_LIMIT;
    sp_text_printf(&verdict->reason, "too small: %s %s worth %s %s", sp_worker_qty(base, qty, q),
                   base->base.s, sp_worker_amt(value, v), base->quote.s);
    sp_text_printf(&verdict->rule, "the venue takes at least %s %s and %s %s",
                   sp_worker_qty(base, base->min_qty, min_q), base->base.s,
                   sp_worker_amt(base->min_value, min_v), base->quote.s);
    sp_flow_configured_at(flow, "risk", &verdict->configured_at);
    sp_worker_fact_name(&verdict->values, "blocked_by", "too_small");
    sp_worker_fact(&verdict->values, "qty", qty.e8);
    sp_worker_fact(&verdict->values, "value", value.e8);
    return sp_publish("OPPORTUNITY_REJECTED", record);
}

static void describe(const struct size_fixed_fraction *size, const struct sp_flow_base *base,
                     struct sp_cache_size_plan *plan, sp_amt budget, sp_px distance)
{
    char qty[SP_WORKER_TEXT_SIZE], risk[SP_WORKER_TEXT_SIZE], part[SP_WORKER_TEXT_SIZE];
    char equity[SP_WORKER_TEXT_SIZE], per[SP_WORKER_TEXT_SIZE];

    sp_text_printf(&plan->text, "%s %s = risk %s %s (%s of %s) / %s per %s",
                   sp_worker_qty(base, plan->qty, qty), base->base.s, sp_worker_amt(budget, risk),
                   base->quote.s, sp_worker_percent(size->risk, part),
                   sp_worker_amt(base->equity, equity), sp_worker_px(base, distance, per),
                   base->base.s);
}

static struct sp_disposition size_fixed_fraction_process(void *state, struct sp_flow *flow)
{
    const struct size_fixed_fraction *size = state;
    const struct sp_flow_base *base = sp_flow_base(flow);
    const struct sp_cache_entry_plan *entry = sp_flow_read(flow, READ_ENTRY);
    const struct sp_cache_exit_plan *exit = sp_flow_read(flow, READ_EXIT);
    struct sp_cache_size_plan plan = {.equity = base->equity};
    sp_px distance = {entry->reference_px.e8 - exit->stop_px.e8};
    sp_amt budget = {0}, most = {0}, value = {0};
    char part[SP_WORKER_TEXT_SIZE], qty[SP_WORKER_TEXT_SIZE];

    if (!sp_amt_times_ratio(base->equity, size->risk, &budget) ||
        !sp_amt_times_ratio(base->equity, size->max_notional, &most))
        return reject(flow, plan.qty, value);
    sp_qty by_risk = part_of(base, budget, distance);
    sp_qty affordable = part_of(base, most, entry->reference_px);
    plan.qty = by_risk.e8 < affordable.e8 ? by_risk : affordable;
    if (!sp_px_times_qty(entry->reference_px, plan.qty, &value) ||
        !sp_px_times_qty(distance, plan.qty, &plan.risk) || plan.qty.e8 <= 0 ||
        plan.qty.e8 < base->min_qty.e8 || value.e8 < base->min_value.e8)
        return reject(flow, plan.qty, value);
    if (by_risk.e8 <= affordable.e8)
        describe(size, base, &plan, budget, distance);
    else
        sp_text_printf(&plan.text, "%s %s = %s of equity, less than the risk would allow",
                       sp_worker_qty(base, plan.qty, qty), base->base.s,
                       sp_worker_percent(size->max_notional, part));
    sp_flow_set(flow, SP_CACHE_size_plan, &plan);
    return sp_continue();
}

extern const struct sp_plugin sp_plugin_size_fixed_fraction;
const struct sp_plugin sp_plugin_size_fixed_fraction = {
    .manifest =
        "{\"name\": \"size_fixed_fraction\", \"version\": \"1.0.0\", \"category\": \"planning\",\n"
        " \"subtype\": \"size_planning\",\n"
        " \"about\": \"lose at most a fixed part of the equity at the stop\",\n"
        " \"requires_dtos\": [{\"alias\": \"entry\", \"dto\": \"entry_plan\"},\n"
        "                   {\"alias\": \"exit\", \"dto\": \"exit_plan\"}],\n"
        " \"produces_dtos\": [\"size_plan\"],\n"
        " \"publishes\": [\"OPPORTUNITY_REJECTED\"], \"listens\": [\"OPPORTUNITY_ACCEPTED\"],\n"
        " \"params\": {\"risk\": {\"type\": \"ratio\", \"min\": \"0.01 bps\", \"max\": \"100%\"},\n"
        "            \"max_notional\": {\"type\": \"ratio\", \"default\": \"95%\",\n"
        "                             \"min\": \"1%\", \"max\": \"100%\"}}}",
    .state_bytes = sizeof(struct size_fixed_fraction),
    .init = size_fixed_fraction_init,
    .process = size_fixed_fraction_process,
};
