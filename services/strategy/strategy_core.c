#include "services/strategy/strategy_core.h"

#include "proto/decimal.h"
#include "services/strategy/strategy_books.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(SP_DETECTORS_MAX + SP_STRATEGY_THREATS_MAX == SP_THREATS_MAX,
               "a flow has room for all active threats");
/* Per opportunity: detected, accepted, and a plan or a rejection; and one FLOW_FAILED. */
_Static_assert(4 * SP_DETECTORS_MAX + 1 <= SP_DECISION_RECORDS_MAX, "a flow fits in a decision");

struct sp_strategy {
    struct sp_pipeline *pipeline;
    struct sp_blueprint blueprint;
    sp_amt capital;

    /* Authoritative: changed by apply. */
    uint32_t threat_count;
    struct sp_active_threat threats[SP_DETECTORS_MAX];
    struct sp_strategy_tallies tallies;

    struct sp_strategy_books books;

    /* Derived. */
    uint32_t bars_seen;
    uint32_t tick_epoch; /* last market-data record; 0: none since the start or the last gap */
    uint64_t tick_seq;
    struct sp_flow_base base; /* what the workers of the running flow see */
    struct sp_worker_counters counters;
};

/* One bar's way through the workers. */
struct flow {
    struct sp_strategy *strategy;
    struct sp_decision *decision;
    const struct sp_record *bar;
    struct sp_ref bar_ref;
    uint32_t worker;                    /* that runs */
    uint32_t signals[SP_DETECTORS_MAX]; /* records of this decision */
    uint32_t signal_count;
    bool has_failed;
};

/* ---- Records ---- */

static void fail_flow(struct flow *flow, const char *contract, const char *reason)
{
    const struct sp_strategy *strategy = flow->strategy;
    const struct sp_worker_config *worker = sp_pipeline_worker(strategy->pipeline, flow->worker);
    struct sp_record *record = sp_decision_add(flow->decision, SP_REC_FLOW_FAILED, &flow->bar_ref);
    struct sp_flow_failed *body = &record->body.flow_failed;

    body->strategy_link_id = strategy->base.link;
    body->symbol = strategy->base.symbol;
    body->worker = worker->id;
    body->plugin = worker->plugin;
    body->contract = sp_name_of(contract);
    sp_text_printf(&body->reason, "%s", reason);
    body->timestamp = strategy->base.time;
    flow->has_failed = true;
}

/* A worker's body may be incomplete: that is its breach, and must not reach the journal. */
static bool keep_valid(struct flow *flow, struct sp_record *record)
{
    const struct sp_schema *schema = sp_schema_of(sp_kind_info(record->kind)->dto);
    struct sp_err err = {0};

    SP_ASSERT(record == &flow->decision->records[flow->decision->record_count - 1]);
    if (sp_validate(schema, &record->body, &err) == SP_OK) return true;
    flow->decision->record_count--;
    fail_flow(flow, "WORKER_ERROR", err.text);
    return false;
}

static struct sp_record *add(struct flow *flow, const struct sp_record *payload)
{
    struct sp_record *record = sp_decision_add(flow->decision, payload->kind, &flow->bar_ref);

    record->body = payload->body;
    return record;
}

static void describe_tick(const struct flow *flow, sp_text *out)
{
    const struct sp_bar *bar = &flow->bar->body.bar;
    char interval[SP_DUR_TEXT_SIZE], px[SP_WALL_TEXT_SIZE];

    sp_text_printf(out, "bar %s closes at %s (%u trade%s)", sp_dur_format(bar->interval, interval),
                   sp_e8_pretty(bar->close.e8, flow->strategy->base.px_places, px),
                   bar->trade_count, bar->trade_count == 1 ? "" : "s");
}

static const sp_name *worker_id(const struct flow *flow)
{
    return &sp_pipeline_worker(flow->strategy->pipeline, flow->worker)->id;
}

static const struct sp_manifest *manifest_of(const struct flow *flow)
{
    return sp_pipeline_manifest(flow->strategy->pipeline, flow->worker);
}

static void threat_begins(struct flow *flow, const struct sp_record *payload)
{
    struct sp_flow_base *base = &flow->strategy->base;
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

static void threat_ends(struct flow *flow, const struct sp_record *payload,
                        const struct sp_active_threat *active)
{
    struct sp_flow_base *base = &flow->strategy->base;
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
static void on_threat(struct flow *flow, const struct sp_worker_result *result)
{
    const struct sp_flow_base *base = &flow->strategy->base;
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
static void on_signal(struct flow *flow, const struct sp_worker_result *result)
{
    const struct sp_strategy *strategy = flow->strategy;

    if (strategy->bars_seen < strategy->blueprint.warm_up_bars) return;
    struct sp_id id = sp_decision_mint(flow->decision, SP_ID_OPP);
    struct sp_record *record = add(flow, result->payload);
    struct sp_opportunity *signal = &record->body.opportunity;
    signal->opportunity_id.raw = id;
    signal->strategy_link_id = strategy->base.link;
    signal->symbol = strategy->base.symbol;
    signal->worker = *worker_id(flow);
    signal->plugin = manifest_of(flow)->name;
    signal->plugin_version = manifest_of(flow)->version;
    signal->timestamp = strategy->base.time;
    describe_tick(flow, &signal->tick);
    if (keep_valid(flow, record))
        flow->signals[flow->signal_count++] = flow->decision->record_count - 1;
}

/* The verdict on an opportunity, caused by the bar, the opportunity and whatever blocked it. */
static struct sp_record *add_verdict(struct flow *flow, const struct sp_record *payload,
                                     const struct sp_record *signal)
{
    const struct sp_flow_base *base = &flow->strategy->base;
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

static void add_plan(struct flow *flow, const struct sp_record *payload,
                     const struct sp_record *signal, const struct sp_ref *accepted)
{
    struct sp_flow_base *base = &flow->strategy->base;
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
static bool run(struct flow *flow, uint32_t worker, struct sp_worker_result *out)
{
    struct sp_pipeline *pipeline = flow->strategy->pipeline;

    flow->worker = worker;
    if (!sp_pipeline_run(pipeline, worker, out)) {
        const struct sp_flow_failure *failure = sp_pipeline_failure(pipeline);
        fail_flow(flow, failure->contract, failure->reason.s);
        return false;
    }
    return out->type != SP_STOP;
}

static bool is_of(const struct flow *flow, uint32_t worker, enum sp_category category)
{
    return sp_pipeline_worker(flow->strategy->pipeline, worker)->category == category;
}

/* False if a worker stopped the chain or the flow has failed. */
static bool run_context(struct flow *flow)
{
    struct sp_worker_result result;

    for (uint32_t i = 0; i < sp_pipeline_count(flow->strategy->pipeline); i++)
        if (is_of(flow, i, SP_CATEGORY_CONTEXT) && !run(flow, i, &result)) return false;
    return true;
}

/* Opportunity and threat workers see the same values, none sees another's. */
static void run_detectors(struct flow *flow)
{
    struct sp_worker_result result;

    for (uint32_t i = 0; i < sp_pipeline_count(flow->strategy->pipeline) && !flow->has_failed;
         i++) {
        bool is_threat = is_of(flow, i, SP_CATEGORY_THREAT);
        if (!is_threat && !is_of(flow, i, SP_CATEGORY_OPPORTUNITY)) continue;
        if (!run(flow, i, &result) || result.type != SP_PUBLISH) continue;
        if (is_threat)
            on_threat(flow, &result);
        else
            on_signal(flow, &result);
    }
}

/* Every qualifier must agree. Returns the acceptance, or NULL if there is none. */
static const struct sp_record *qualify(struct flow *flow, const struct sp_record *signal)
{
    struct sp_record accepted = {0};
    struct sp_worker_result result;
    uint32_t accepted_by = 0;

    for (uint32_t i = 0; i < sp_pipeline_count(flow->strategy->pipeline); i++) {
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

static void plan(struct flow *flow, const struct sp_record *signal,
                 const struct sp_record *accepted)
{
    struct sp_ref accepted_ref = sp_record_ref(accepted);
    struct sp_worker_result result;

    for (uint32_t i = 0; i < sp_pipeline_count(flow->strategy->pipeline); i++) {
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

static void run_branches(struct flow *flow)
{
    for (uint32_t i = 0; i < flow->signal_count && !flow->has_failed; i++) {
        const struct sp_record *signal = &flow->decision->records[flow->signals[i]];
        sp_pipeline_begin_branch(flow->strategy->pipeline, &signal->body.opportunity);
        const struct sp_record *accepted = qualify(flow, signal);
        if (accepted != NULL) plan(flow, signal, accepted);
    }
}

static sp_amt equity_of(const struct sp_strategy *strategy)
{
    sp_amt equity = strategy->capital;

    SP_IGNORE(!sp_amt_add(strategy->capital, strategy->books.realised_pnl, &equity)); /* capital */
    return equity;
}

static void fill_base(struct sp_strategy *strategy, const struct sp_event *event)
{
    struct sp_flow_base *base = &strategy->base;
    const struct sp_bar *bar = &event->record->body.bar;

    base->bar = *bar;
    base->time.ns = bar->opened.ns + bar->interval.ns;
    base->now = event->now;
    base->equity = equity_of(strategy);
    base->trade_id = sp_strategy_books_trade(&strategy->books, &base->in_flight);
    memcpy(base->threats, strategy->threats, strategy->threat_count * sizeof *base->threats);
    memcpy(base->threats + strategy->threat_count, strategy->books.threats,
           strategy->books.threat_count * sizeof *base->threats);
    base->threat_count = strategy->threat_count + strategy->books.threat_count;
}

static void on_bar(struct sp_strategy *strategy, const struct sp_event *event,
                   struct sp_decision *decision)
{
    struct flow flow = {.strategy = strategy,
                        .decision = decision,
                        .bar = event->record,
                        .bar_ref = sp_record_ref(event->record)};

    if (event->record->body.bar.interval.ns != strategy->blueprint.bar.ns) return;
    if (strategy->bars_seen < UINT32_MAX) strategy->bars_seen++;
    fill_base(strategy, event);
    sp_pipeline_begin(strategy->pipeline, &strategy->base);
    if (run_context(&flow)) {
        run_detectors(&flow);
        run_branches(&flow);
    }
}

/* ---- Ticks ---- */

/* What was computed from a broken series says nothing: everything starts over. Silent while there
 * is nothing to lose. */
static void on_gap(struct sp_strategy *strategy, const struct sp_data_gap *gap,
                   struct sp_decision *decision)
{
    strategy->tick_epoch = 0;
    strategy->base.bid = strategy->base.ask = (sp_px){0};
    if (strategy->bars_seen == 0) return;
    struct sp_record *record = sp_decision_add(decision, SP_REC_DATA_GAP, NULL);
    record->body.data_gap = *gap;
    record->body.data_gap.symbol = strategy->base.symbol;
    sp_text_printf(&record->body.data_gap.reason, "%s: nothing is opened for the next %u bars",
                   gap->reason.s[0] != '\0' ? gap->reason.s : "market data is lost",
                   strategy->blueprint.warm_up_bars);
    strategy->bars_seen = 0;
    sp_pipeline_reset(strategy->pipeline);
}

/* Notices tell of gaps; this catches those that nobody told of. Parts of a snapshot after a gap
 * carry the sequence they stand for. */
static void check_sequence(struct sp_strategy *strategy, const struct sp_record *tick,
                           struct sp_decision *decision)
{
    bool is_next = tick->epoch == strategy->tick_epoch && tick->seq == strategy->tick_seq + 1;

    if (tick->kind == SP_REC_BOOK_SNAPSHOT && !is_next) return;
    if (strategy->tick_epoch != 0 && !is_next) {
        struct sp_data_gap gap = {.stream = tick->stream};
        bool same_epoch = tick->epoch == strategy->tick_epoch;
        gap.first_seq = same_epoch ? strategy->tick_seq + 1 : 0;
        gap.last_seq = same_epoch ? tick->seq - 1 : 0;
        sp_text_printf(&gap.reason, "%s",
                       same_epoch ? "records are missing" : "marketdata has started anew");
        on_gap(strategy, &gap, decision);
    }
    strategy->tick_epoch = tick->epoch;
    strategy->tick_seq = tick->seq;
}

static void on_tick(struct sp_strategy *strategy, const struct sp_event *event,
                    struct sp_decision *decision)
{
    const struct sp_record *tick = event->record;

    if (tick->kind == SP_REC_DATA_GAP) {
        on_gap(strategy, &tick->body.data_gap, decision);
        return;
    }
    check_sequence(strategy, tick, decision);
    strategy->counters.ticks_processed++;
    strategy->counters.last_tick = tick->time;
    if (tick->kind == SP_REC_QUOTE) {
        strategy->base.bid = tick->body.quote.bid_px;
        strategy->base.ask = tick->body.quote.ask_px;
    } else if (tick->kind == SP_REC_BAR) {
        on_bar(strategy, event, decision);
    }
}

/* The feed may know of a gap that the stream's sequence does not show. */
static void on_fact(struct sp_strategy *strategy, const struct sp_record *fact,
                    struct sp_decision *decision)
{
    const sp_name *symbol = &fact->body.data_gap.symbol;

    sp_strategy_fold(strategy, fact);
    if (fact->kind != SP_REC_DATA_GAP) return;
    if (sp_name_is_empty(symbol) || sp_name_eq(symbol, &strategy->base.symbol))
        on_gap(strategy, &fact->body.data_gap, decision);
}

/* ---- The decider ---- */

static void decide(void *state, const struct sp_event *event, struct sp_decision *decision)
{
    struct sp_strategy *strategy = state;

    switch (event->type) {
    case SP_EVENT_TICK: on_tick(strategy, event, decision); break;
    case SP_EVENT_RECORD: on_fact(strategy, event->record, decision); break;
    case SP_EVENT_TIMER:
    case SP_EVENT_MESSAGE: break;
    }
    strategy->counters.events_published += decision->record_count;
}

static void apply_threat(struct sp_strategy *strategy, const struct sp_record *record)
{
    struct sp_active_threat threat = sp_threat_of_record(record);

    threat.is_own = true;
    if (record->kind == SP_REC_THREAT_ENDED) {
        sp_threats_end(strategy->threats, &strategy->threat_count, threat.threat_id);
        return;
    }
    strategy->tallies.threats++;
    sp_threats_begin(strategy->threats, &strategy->threat_count, SP_DETECTORS_MAX, &threat);
}

/* A threat of a worker that the blueprint has no longer would never end. */
static bool is_known_worker(const struct sp_strategy *strategy, const sp_name *worker)
{
    for (uint32_t i = 0; i < sp_pipeline_count(strategy->pipeline); i++)
        if (sp_name_eq(&sp_pipeline_worker(strategy->pipeline, i)->id, worker)) return true;
    return false;
}

static void apply(void *state, const struct sp_record *record)
{
    struct sp_strategy *strategy = state;
    struct sp_strategy_tallies *tallies = &strategy->tallies;

    if (record->kind == SP_REC_OPPORTUNITY_DETECTED) tallies->opportunities++;
    if (record->kind == SP_REC_OPPORTUNITY_ACCEPTED) tallies->accepted++;
    if (record->kind == SP_REC_OPPORTUNITY_REJECTED) tallies->rejected++;
    if (record->kind == SP_REC_FLOW_FAILED) tallies->flows_failed++;
    if (record->kind == SP_REC_THREAT_DETECTED || record->kind == SP_REC_THREAT_ENDED) {
        if (is_known_worker(strategy, &record->body.threat.worker)) apply_threat(strategy, record);
    }
    if (record->kind == SP_REC_PLAN_READY) {
        tallies->plans++;
        sp_strategy_books_plan(&strategy->books, &record->body.plan);
    }
}

const struct sp_core sp_strategy_core = {.decide = decide, .apply = apply};

void sp_strategy_fold(struct sp_strategy *strategy, const struct sp_record *record)
{
    sp_strategy_books_fold(&strategy->books, record);
}

/* ---- Life and status ---- */

/* Decimals that show a multiple of `step` exactly. */
static unsigned places_of(int64_t step_e8)
{
    unsigned places = 8;

    while (step_e8 > 0 && places > 0 && step_e8 % 10 == 0) {
        step_e8 /= 10;
        places--;
    }
    return places;
}

sp_status sp_strategy_open(const struct sp_strategy_options *options, struct sp_strategy **out,
                           struct sp_err *err)
{
    const struct sp_instrument_config *instrument = options->instrument;
    const struct sp_blueprint *blueprint = &options->link->blueprint;
    const struct sp_registry *registry =
        options->registry != NULL ? options->registry : sp_registry_builtin();
    struct sp_strategy *strategy = calloc(1, sizeof *strategy);

    if (strategy == NULL) return SP_FAIL(err, SP_NO_MEMORY, "no memory for the strategy");
    sp_status status = sp_pipeline_open(blueprint, registry, &strategy->pipeline, err);
    if (status != SP_OK) {
        free(strategy);
        return status;
    }
    strategy->blueprint = *blueprint;
    strategy->capital = options->link->capital;
    sp_strategy_books_init(&strategy->books, &options->link->id, &blueprint->symbol);
    strategy->base = (struct sp_flow_base){.link = options->link->id,
                                           .symbol = blueprint->symbol,
                                           .base = instrument->base,
                                           .quote = instrument->quote,
                                           .tick = instrument->tick,
                                           .step = instrument->step,
                                           .min_qty = instrument->min_qty,
                                           .min_value = instrument->min_value,
                                           .px_places = places_of(instrument->tick.e8),
                                           .qty_places = places_of(instrument->step.e8)};
    *out = strategy;
    return SP_OK;
}

void sp_strategy_close(struct sp_strategy *strategy)
{
    if (strategy == NULL) return;
    sp_pipeline_close(strategy->pipeline);
    free(strategy);
}

struct sp_strategy_status sp_strategy_status(const struct sp_strategy *strategy)
{
    struct sp_strategy_status status = {
        .is_warm = strategy->bars_seen >= strategy->blueprint.warm_up_bars,
        .bars_seen = strategy->bars_seen,
        .bars_needed = strategy->blueprint.warm_up_bars,
        .threat_count = strategy->threat_count + strategy->books.threat_count,
        .equity = equity_of(strategy),
        .tallies = strategy->tallies,
    };

    status.trade_id = sp_strategy_books_trade(&strategy->books, &status.is_in_flight);
    return status;
}

struct sp_worker_counters sp_strategy_counters(const struct sp_strategy *strategy)
{
    struct sp_worker_counters sum = strategy->counters;

    for (uint32_t i = 0; i < sp_pipeline_count(strategy->pipeline); i++) {
        const struct sp_worker_counters *worker = sp_pipeline_counters(strategy->pipeline, i);
        sum.workers_executed += worker->workers_executed;
        sum.cache_hits += worker->cache_hits;
        sum.cache_misses += worker->cache_misses;
        sum.validation_errors += worker->validation_errors;
    }
    return sum;
}

const struct sp_pipeline *sp_strategy_pipeline(const struct sp_strategy *strategy)
{
    return strategy->pipeline;
}
