#include "services/strategy/strategy_metrics.h"

#include <stdio.h>

#define NS_PER_S INT64_C(1000000000)

static void register_worker(struct sp_worker_metrics *out, struct sp_metrics *metrics,
                            const sp_name *link, const sp_name *worker)
{
    char labels[SP_METRIC_LABELS_SIZE];

    snprintf(labels, sizeof labels, "strategy=\"%.36s\",worker=\"%.36s\"", link->s, worker->s);
    out->executed =
        sp_metrics_counter(metrics, "spoor_workers_executed_total", labels, "runs of a worker");
    out->published = sp_metrics_counter(metrics, "spoor_events_published_total", labels,
                                        "events a worker has published");
    out->hits = sp_metrics_counter(metrics, "spoor_cache_hits_total", labels,
                                   "optional values that were there");
    out->misses = sp_metrics_counter(metrics, "spoor_cache_misses_total", labels,
                                     "optional values that were not there");
    out->errors = sp_metrics_counter(metrics, "spoor_validation_errors_total", labels,
                                     "contracts a worker has broken");
}

void sp_strategy_metrics_register(struct sp_strategy_metrics *out, struct sp_metrics *metrics,
                                  const struct sp_strategy *strategy, const sp_name *link)
{
    const struct sp_pipeline *pipeline = sp_strategy_pipeline(strategy);
    char labels[SP_METRIC_LABELS_SIZE];

    snprintf(labels, sizeof labels, "strategy=\"%.36s\"", link->s);
    out->ticks = sp_metrics_counter(metrics, "spoor_ticks_processed_total", labels,
                                    "market-data records seen");
    out->last_tick = sp_metrics_gauge(metrics, "spoor_last_tick_timestamp_seconds", labels,
                                      "market time of the last record");
    out->cache_bytes = sp_metrics_gauge(metrics, "spoor_cache_memory_bytes", labels,
                                        "most bytes of values in one flow");
    out->is_warm = sp_metrics_gauge(metrics, "spoor_strategy_warm", labels,
                                    "1 when enough bars have been seen");
    out->has_trade = sp_metrics_gauge(metrics, "spoor_strategy_trade_open", labels,
                                      "1 while a trade is open or its entry in flight");
    out->threats = sp_metrics_gauge(metrics, "spoor_active_threats", labels, "threats now");
    out->plans = sp_metrics_gauge(metrics, "spoor_plans_made", labels, "plans in the journal");
    for (uint32_t i = 0; i < sp_pipeline_count(pipeline); i++)
        register_worker(&out->workers[i], metrics, link, &sp_pipeline_worker(pipeline, i)->id);
}

static void count_to(struct sp_metric *metric, uint64_t value)
{
    SP_ASSERT(value >= (uint64_t)sp_metric_value(metric));
    sp_metric_add(metric, value - (uint64_t)sp_metric_value(metric));
}

void sp_strategy_metrics_update(struct sp_strategy_metrics *to, const struct sp_strategy *strategy)
{
    const struct sp_pipeline *pipeline = sp_strategy_pipeline(strategy);
    struct sp_worker_counters counters = sp_strategy_counters(strategy);
    struct sp_strategy_status status = sp_strategy_status(strategy);

    count_to(to->ticks, counters.ticks_processed);
    sp_metric_set(to->last_tick, counters.last_tick.ns / NS_PER_S);
    sp_metric_set(to->cache_bytes, (int64_t)sp_pipeline_cache_bytes(pipeline));
    sp_metric_set(to->is_warm, status.is_warm);
    sp_metric_set(to->has_trade, !sp_trd_id_is_none(status.trade_id));
    sp_metric_set(to->threats, status.threat_count);
    sp_metric_set(to->plans, (int64_t)status.tallies.plans);
    for (uint32_t i = 0; i < sp_pipeline_count(pipeline); i++) {
        const struct sp_worker_counters *worker = sp_pipeline_counters(pipeline, i);
        count_to(to->workers[i].executed, worker->workers_executed);
        count_to(to->workers[i].published, worker->events_published);
        count_to(to->workers[i].hits, worker->cache_hits);
        count_to(to->workers[i].misses, worker->cache_misses);
        count_to(to->workers[i].errors, worker->validation_errors);
    }
}
