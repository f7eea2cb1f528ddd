#include "services/strategy/strategy_flow.h"

#include "proto/decimal.h"
#include "services/strategy/strategy_books.h"

/* Per opportunity: detected, accepted, and a plan or a rejection; and one FLOW_FAILED. */
_Static_assert(4 * SP_DETECTORS_MAX + 1 <= SP_DECISION_RECORDS_MAX, "a flow fits in a decision");

/* ---- Records ---- */

static void fail_flow(struct sp_strategy_flow *flow, const char *contract, const char *reason)
{
    flow->has_failed = true;
    if (flow->is_repeated) return;
    const struct sp_flow_base *base = flow->base;
    const struct sp_worker_config *worker = sp_pipeline_worker(flow->pipeline, flow->worker);
    struct sp_record *record = sp_decision_add(flow->decision, SP_REC_FLOW_FAILED, &flow->bar_ref);
    struct sp_flow_failed *body = &record->body.flow_failed;

    body->strategy_link_id = base->link;
    body->symbol = base->symbol;
    body->worker = worker->id;
    body->plugin = worker->plugin;
    body->contract = sp_name_of(contract);
    sp_text_printf(&body->reason, "%s", reason);
    body->timestamp = base->time;
}

/* A worker's body may be incomplete: that is its breach, and must not reach the journal. */
static bool keep_valid(struct sp_strategy_flow *flow, struct sp_record *record)
{
    const struct sp_schema *schema = sp_schema_of(sp_kind_info(record->kind)->dto);
    struct sp_err err = {0};

    SP_ASSERT(record == &flow->decision->records[flow->decision->record_count - 1]);
    if (sp_validate(schema, &record->body, &err) == SP_OK) return true;
    flow->decision->record_count--;
    fail_flow(flow, "WORKER_ERROR", err.text);
    return false;
}

static struct sp_record *add(struct sp_strategy_flow *flow, const struct sp_record *payload)
{
    struct sp_record *record = sp_decision_add(flow->decision, payload->kind, &flow->bar_ref);

    record->body = payload->body;
    return record;
}

static void describe_tick(const struct sp_strategy_flow *flow, sp_text *out)
{
    const struct sp_bar *bar = &flow->bar->body.bar;
    char interval[SP_DUR_TEXT_SIZE], px[SP_WALL_TEXT_SIZE];

    sp_text_printf(out, "bar %s closes at %s (%u trade%s)", sp_dur_format(bar->interval, interval),
                   sp_e8_pretty(bar->close.e8, flow->base->px_places, px), bar->trade_count,
                   bar->trade_count == 1 ? "" : "s");
}

static const sp_name *worker_id(const struct sp_strategy_flow *flow)
{
    return &sp_pipeline_worker(flow->pipeline, flow->worker)->id;
}

static const struct sp_manifest *manifest_of(const struct sp_strategy_flow *flow)
{
    return sp_pipeline_manifest(flow->pipeline, flow->worker);
}

static void threat_begins(struct sp_strategy_flow *flow, const struct sp_record *payload)
{
    struct sp_flow_base *base = flow->base;
    struct sp_id id = sp_decision_mint(flow->decision, SP_ID_THR);
    struct sp_record *record = add(flow, payload);
    struct sp_threat *threat = &record->body.threat;

    threat->threat_id.raw = id;
    threat->strategy_link_id = base->link;
    threat->symbol = base->symbol;
    threat->worker = *worker_id(flow);
    threat->plugin = manifest_of(flow)->name;
    threat->plugin_version = manifest_of(flow)->version;
    threat->began = base->time;
    describe_tick(flow, &threat->tick);
    if (!keep_valid(flow, record)) return;
    struct sp_active_threat active = sp_threat_of_record(record);
    active.is_own = true;
    sp_threats_begin(base->threats, &base->threat_count, SP_THREATS_MAX, &active);
}

static void threat_ends(struct sp_strategy_flow *flow, const struct sp_record *payload,
                        const struct sp_active_threat *active)
{
    struct sp_flow_base *base = flow->base;
    struct sp_record *record = add(flow, payload);
    struct sp_threat *threat = &record->body.threat;

    threat->threat_id = active->threat_id;
    threat->strategy_link_id = base->link;
    threat->symbol = base->symbol;
    threat->worker = *worker_id(flow);
    threat->plugin = manifest_of(flow)->name;
    threat->plugin_version = manifest_of(flow)->version;
    threat->began = active->began;
    threat->ended = base->time;
    describe_tick(flow, &threat->tick);
    sp_record_add_cause(record, &active->ref);
    if (!keep_valid(flow, record)) return;
    sp_threats_end(base->threats, &base->threat_count, threat->threat_id);
}

/* A worker has at most one threat at a time. */
static void on_threat(struct sp_strategy_flow *flow, const struct sp_worker_result *result)
{
    const struct sp_flow_base *base = flow->base;
    const struct sp_active_threat *active = NULL;

    for (uint32_t i = 0; i < base->threat_count; i++)
        if (base->threats[i].is_own && sp_name_eq(&base->threats[i].worker, worker_id(flow)))
            active = &base->threats[i];
    if (result->event == SP_WORKER_THREAT_DETECTED && active == NULL)
        threat_begins(flow, result->payload);
    else if (result->event == SP_WORKER_THREAT_ENDED && active != NULL)
        threat_ends(flow, result->payload, active);
    else
        fail_flow(flow, "WORKER_ERROR",
                  active == NULL ? "ended a threat that it had not begun"
                                 : "began a threat while its last one lasts");
}

/* Before the strategy is warm a signal is only an indicator that has not settled. */
static void on_signal(struct sp_strategy_flow *flow, const struct sp_worker_result *result)
{
    const struct sp_flow_base *base = flow->base;

    if (!flow->is_warm) return;
    struct sp_id id = sp_decision_mint(flow->decision, SP_ID_OPP);
    struct sp_record *record = add(flow, result->payload);
    struct sp_opportunity *signal = &record->body.opportunity;
    signal->opportunity_id.raw = id;
    signal->strategy_link_id = base->link;
    signal->symbol = base->symbol;
    signal->worker = *worker_id(flow);
    signal->plugin = manifest_of(flow)->name;
    signal->plugin_version = manifest_of(flow)->version;
    signal->timestamp = base->time;
    describe_tick(flow, &signal->tick);
    if (keep_valid(flow, record))
        flow->signals[flow->signal_count++] = flow->decision->record_count - 1;
}

/* The verdict on an opportunity, caused by the bar, the opportunity and whatever blocked it. */
static struct sp_record *add_verdict(struct sp_strategy_flow *flow, const struct sp_record *payload,
                                     const struct sp_record *signal)
{
    const struct sp_flow_base *base = flow->base;
    struct sp_record *record = add(flow, payload);
    struct sp_opportunity_verdict *verdict = &record->body.opportunity_verdict;
    struct sp_ref signal_ref = sp_record_ref(signal);

    verdict->opportunity_id = signal->body.opportunity.opportunity_id;
    verdict->strategy_link_id = base->link;
    verdict->symbol = base->symbol;
    verdict->worker = *worker_id(flow);
    verdict->plugin = manifest_of(flow)->name;
    verdict->plugin_version = manifest_of(flow)->version;
    sp_record_add_cause(record, &signal_ref);
    for (uint32_t i = 0; i < verdict->threat_ids.count; i++)
        for (uint32_t t = 0; t < base->threat_count; t++)
            if (sp_thr_id_eq(base->threats[t].threat_id, verdict->threat_ids.at[i]))
                sp_record_add_cause(record, &base->threats[t].ref);
    return keep_valid(flow, record) ? record : NULL;
}

static void add_plan(struct sp_strategy_flow *flow, const struct sp_record *payload,
                     const struct sp_record *signal, const struct sp_ref *accepted)
{
    struct sp_flow_base *base = flow->base;
    struct sp_id plan_id = sp_decision_mint(flow->decision, SP_ID_PLN);
    struct sp_id trade_id = sp_decision_mint(flow->decision, SP_ID_TRD);
    struct sp_record *record = add(flow, payload);
    struct sp_plan *plan = &record->body.plan;
    struct sp_ref signal_ref = sp_record_ref(signal);

    plan->plan_id.raw = plan_id;
    plan->trade_id.raw = trade_id;
    plan->strategy_link_id = base->link;
    plan->symbol = base->symbol;
    plan->opportunity_ids.count = 1;
    plan->opportunity_ids.at[0] = signal->body.opportunity.opportunity_id;
    plan->tick_received = flow->bar->body.bar.received;
    sp_record_add_cause(record, &signal_ref);
    sp_record_add_cause(record, accepted);
    if (!keep_valid(flow, record)) return;
    base->trade_id = plan->trade_id;
    base->in_flight = true;
}

/* ---- The flow ---- */

/* Runs one worker. False: the flow has failed or the worker stopped its branch. */
static bool run(struct sp_strategy_flow *flow, uint32_t worker, struct sp_worker_result *out)
{
    struct sp_pipeline *pipeline = flow->pipeline;

    flow->worker = worker;
    if (!sp_pipeline_run(pipeline, worker, out)) {
        const struct sp_flow_failure *failure = sp_pipeline_failure(pipeline);
        fail_flow(flow, failure->contract, failure->reason.s);
        return false;
    }
    return out->type != SP_STOP;
}

static bool is_of(const struct sp_strategy_flow *flow, uint32_t worker, enum sp_category category)
{
    return sp_pipeline_worker(flow->pipeline, worker)->category == category;
}

/* False if a worker stopped the chain or the flow has failed. */
static bool run_context(struct sp_strategy_flow *flow)
{
    struct sp_worker_result result;

    for (uint32_t i = 0; i < sp_pipeline_count(flow->pipeline); i++)
        if (is_of(flow, i, SP_CATEGORY_CONTEXT) && !run(flow, i, &result)) return false;
    return true;
}

/* Opportunity and threat workers see the same values, none sees another's. */
static void run_detectors(struct sp_strategy_flow *flow)
{
    struct sp_worker_result result;

    for (uint32_t i = 0; i < sp_pipeline_count(flow->pipeline) && !flow->has_failed; i++) {
        bool is_threat = is_of(flow, i, SP_CATEGORY_THREAT);
        if (!is_threat && !is_of(flow, i, SP_CATEGORY_OPPORTUNITY)) continue;
        if (!run(flow, i, &result) || result.type != SP_PUBLISH || flow->is_repeated) continue;
        if (is_threat)
            on_threat(flow, &result);
        else
            on_signal(flow, &result);
    }
}

/* Every qualifier must agree. Returns the acceptance, or NULL if there is none. */
static const struct sp_record *qualify(struct sp_strategy_flow *flow,
                                       const struct sp_record *signal)
{
    struct sp_record accepted = {0};
    struct sp_worker_result result;
    uint32_t accepted_by = 0;

    for (uint32_t i = 0; i < sp_pipeline_count(flow->pipeline); i++) {
        if (!is_of(flow, i, SP_CATEGORY_QUALIFICATION)) continue;
        if (!run(flow, i, &result)) return NULL;
        if (result.type != SP_PUBLISH) continue;
        if (result.event == SP_WORKER_OPPORTUNITY_REJECTED) {
            add_verdict(flow, result.payload, signal);
            return NULL;
        }
        accepted = *result.payload;
        accepted_by = i;
    }
    if (accepted.kind == SP_REC_NONE) return NULL;
    flow->worker = accepted_by;
    return add_verdict(flow, &accepted, signal);
}

static void plan(struct sp_strategy_flow *flow, const struct sp_record *signal,
                 const struct sp_record *accepted)
{
    struct sp_ref accepted_ref = sp_record_ref(accepted);
    struct sp_worker_result result;

    for (uint32_t i = 0; i < sp_pipeline_count(flow->pipeline); i++) {
        if (!is_of(flow, i, SP_CATEGORY_PLANNING)) continue;
        if (!run(flow, i, &result)) return;
        if (result.type != SP_PUBLISH) continue;
        if (result.event == SP_WORKER_PLAN_READY) {
            add_plan(flow, result.payload, signal, &accepted_ref);
            return;
        }
        struct sp_record *rejected = add_verdict(flow, result.payload, signal);
        if (rejected != NULL) sp_record_add_cause(rejected, &accepted_ref);
        return;
    }
}

static void run_branches(struct sp_strategy_flow *flow)
{
    for (uint32_t i = 0; i < flow->signal_count && !flow->has_failed; i++) {
        const struct sp_record *signal = &flow->decision->records[flow->signals[i]];
        sp_pipeline_begin_branch(flow->pipeline, &signal->body.opportunity);
        const struct sp_record *accepted = qualify(flow, signal);
        if (accepted != NULL) plan(flow, signal, accepted);
    }
}

void sp_strategy_flow_run(struct sp_strategy_flow *flow)
{
    flow->bar_ref = sp_record_ref(flow->bar);
    sp_pipeline_begin(flow->pipeline, flow->base);
    if (!run_context(flow)) return;
    run_detectors(flow);
    run_branches(flow);
}
