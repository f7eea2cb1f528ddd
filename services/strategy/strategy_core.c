#include "services/strategy/strategy_core.h"

#include "services/strategy/strategy_flow.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(SP_DETECTORS_MAX + SP_STRATEGY_THREATS_MAX == SP_THREATS_MAX,
               "a flow has room for all active threats");

struct sp_strategy {
    struct sp_pipeline *pipeline;
    struct sp_blueprint blueprint;
    sp_amt capital;

    struct sp_strategy_kept kept; /* changed by apply, its books by folding facts */

    /* Derived. */
    uint32_t bars_seen;
    uint32_t tick_epoch; /* last market-data record; 0: none since the start or the last gap */
    uint64_t tick_seq;
    struct sp_flow_base base; /* what the workers of the running flow see */
    struct sp_worker_counters counters;
};

/* ---- Bars ---- */

static sp_amt equity_of(const struct sp_strategy *strategy)
{
    sp_amt equity = strategy->capital;

    SP_IGNORE(
        !sp_amt_add(strategy->capital, strategy->kept.books.realised_pnl, &equity)); /* capital */
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
    base->trade_id = sp_strategy_books_trade(&strategy->kept.books, &base->in_flight);
    memcpy(base->threats, strategy->kept.threats,
           strategy->kept.threat_count * sizeof *base->threats);
    memcpy(base->threats + strategy->kept.threat_count, strategy->kept.books.threats,
           strategy->kept.books.threat_count * sizeof *base->threats);
    base->threat_count = strategy->kept.threat_count + strategy->kept.books.threat_count;
}

/* After a restart a stream that is replayed from its beginning shows bars again. They warm the
 * indicators; what was decided on them stands in the journal and is not decided twice. */
static bool is_decided(const struct sp_strategy *strategy, const struct sp_ref *bar)
{
    const struct sp_ref *decided = &strategy->kept.decided;

    if (!sp_name_eq(&decided->stream, &bar->stream)) return false;
    return bar->epoch < decided->epoch ||
           (bar->epoch == decided->epoch && bar->seq <= decided->seq);
}

static void on_bar(struct sp_strategy *strategy, const struct sp_event *event,
                   struct sp_decision *decision)
{
    struct sp_ref bar_ref = sp_record_ref(event->record);

    if (event->record->body.bar.interval.ns != strategy->blueprint.bar.ns) return;
    if (strategy->bars_seen < UINT32_MAX) strategy->bars_seen++;
    fill_base(strategy, event);
    struct sp_strategy_flow flow = {.pipeline = strategy->pipeline,
                                    .base = &strategy->base,
                                    .decision = decision,
                                    .bar = event->record,
                                    .is_warm =
                                        strategy->bars_seen >= strategy->blueprint.warm_up_bars,
                                    .is_repeated = is_decided(strategy, &bar_ref)};
    sp_strategy_flow_run(&flow);
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
        sp_threats_end(strategy->kept.threats, &strategy->kept.threat_count, threat.threat_id);
        return;
    }
    strategy->kept.tallies.threats++;
    sp_threats_begin(strategy->kept.threats, &strategy->kept.threat_count, SP_DETECTORS_MAX,
                     &threat);
}

/* A threat of a worker that the blueprint has no longer would never end. */
static bool is_known_worker(const struct sp_strategy *strategy, const sp_name *worker)
{
    for (uint32_t i = 0; i < sp_pipeline_count(strategy->pipeline); i++)
        if (sp_name_eq(&sp_pipeline_worker(strategy->pipeline, i)->id, worker)) return true;
    return false;
}

/* The first cause of everything that a flow records is its bar. */
static void note_decided(struct sp_strategy *strategy, const struct sp_record *record)
{
    bool is_of_flow = record->kind >= SP_REC_OPPORTUNITY_DETECTED &&
                      record->kind <= SP_REC_FLOW_FAILED && record->by_count > 0;

    if (is_of_flow) strategy->kept.decided = record->by[0];
}

static void apply(void *state, const struct sp_record *record)
{
    struct sp_strategy *strategy = state;
    struct sp_strategy_tallies *tallies = &strategy->kept.tallies;

    note_decided(strategy, record);
    if (record->kind == SP_REC_OPPORTUNITY_DETECTED) tallies->opportunities++;
    if (record->kind == SP_REC_OPPORTUNITY_ACCEPTED) tallies->accepted++;
    if (record->kind == SP_REC_OPPORTUNITY_REJECTED) tallies->rejected++;
    if (record->kind == SP_REC_FLOW_FAILED) tallies->flows_failed++;
    if (record->kind == SP_REC_THREAT_DETECTED || record->kind == SP_REC_THREAT_ENDED) {
        if (is_known_worker(strategy, &record->body.threat.worker)) apply_threat(strategy, record);
    }
    if (record->kind == SP_REC_STREAM_REWOUND) sp_strategy_books_forget(&strategy->kept.books);
    if (record->kind == SP_REC_PLAN_READY) {
        tallies->plans++;
        sp_strategy_books_plan(&strategy->kept.books, &record->body.plan);
    }
}

/* Threats depend on the workers, the rest on link and instrument. */
static uint32_t config_crc(const struct sp_strategy *strategy)
{
    uint32_t crc = sp_rows_crc_name(0, &strategy->kept.books.link);

    crc = sp_rows_crc_name(crc, &strategy->kept.books.symbol);
    for (uint32_t i = 0; i < strategy->blueprint.worker_count; i++)
        crc = sp_rows_crc_name(crc, &strategy->blueprint.workers[i].id);
    return crc;
}

static void save(const void *state, struct sp_rows_writer *out)
{
    const struct sp_strategy *strategy = state;

    sp_strategy_kept_save(&strategy->kept, config_crc(strategy), out);
}

/* Saved under another blueprint. */
static void drop_foreign_threats(struct sp_strategy *strategy)
{
    struct sp_strategy_kept *kept = &strategy->kept;
    uint32_t count = 0;

    for (uint32_t i = 0; i < kept->threat_count; i++)
        if (is_known_worker(strategy, &kept->threats[i].worker))
            kept->threats[count++] = kept->threats[i];
    kept->threat_count = count;
}

static sp_status load(void *state, struct sp_rows_reader *in, struct sp_err *err)
{
    struct sp_strategy *strategy = state;

    sp_status status = sp_strategy_kept_load(&strategy->kept, config_crc(strategy), in, err);
    if (status == SP_OK) drop_foreign_threats(strategy);
    return status;
}

const struct sp_core sp_strategy_core = {.decide = decide,
                                         .apply = apply,
                                         .save = save,
                                         .load = load,
                                         .state_bytes = sizeof(struct sp_strategy)};

struct sp_ref sp_strategy_place(const struct sp_strategy *strategy, const sp_name *stream)
{
    return sp_strategy_books_place(&strategy->kept.books, stream);
}

void sp_strategy_fold(struct sp_strategy *strategy, const struct sp_record *record)
{
    sp_strategy_books_fold(&strategy->kept.books, record);
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
    sp_strategy_books_init(&strategy->kept.books, &options->link->id, &blueprint->symbol);
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
        .threat_count = strategy->kept.threat_count + strategy->kept.books.threat_count,
        .equity = equity_of(strategy),
        .tallies = strategy->kept.tallies,
    };

    status.trade_id = sp_strategy_books_trade(&strategy->kept.books, &status.is_in_flight);
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
