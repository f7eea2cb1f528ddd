#include "services/execution/execution_metrics.h"

void sp_execution_metrics_init(struct sp_execution_metrics *metrics, struct sp_metrics *registry)
{
    struct sp_metrics *m = registry;

    *metrics = (struct sp_execution_metrics){0};
    metrics->accepted = sp_metrics_gauge(m, "spoor_plans_accepted", "", "plans accepted");
    metrics->refused = sp_metrics_gauge(m, "spoor_plans_refused", "", "plans refused");
    metrics->expired = sp_metrics_gauge(m, "spoor_plans_expired", "", "plans expired");
    metrics->sent = sp_metrics_gauge(m, "spoor_orders_sent", "", "order messages sent");
    metrics->fills = sp_metrics_gauge(m, "spoor_fills", "", "executions booked");
    metrics->duplicates =
        sp_metrics_gauge(m, "spoor_fill_duplicates", "", "executions seen again and passed over");
    metrics->incidents = sp_metrics_gauge(m, "spoor_order_incidents", "", "impossible order steps");
    metrics->live_orders = sp_metrics_gauge(m, "spoor_orders_live", "", "orders not ended");
    metrics->in_flight =
        sp_metrics_gauge(m, "spoor_orders_in_flight", "", "orders sent or unknown");
    metrics->allowed = sp_metrics_gauge(m, "spoor_trading_allowed", "strategy=\"all\"",
                                        "1 if risk may be increased");
    metrics->disk_allows =
        sp_metrics_gauge(m, "spoor_trading_allowed", "strategy=\"all\",reason=\"disk_reserve\"",
                         "1 if risk may be increased");
    metrics->breaker = sp_metrics_gauge(m, "spoor_breaker", "", "1 closed, 2 open, 3 half open");
    metrics->appends = sp_metrics_gauge(m, "spoor_journal_records", "", "records appended");
    metrics->syncs = sp_metrics_gauge(m, "spoor_journal_syncs", "", "journal syncs");
    metrics->tick_to_send =
        sp_metrics_histogram(m, "spoor_tick_to_send_seconds", "",
                             "from the tick in marketdata to the order sent, intent synced");
}

void sp_execution_metrics_update(struct sp_execution_metrics *metrics,
                                 const struct sp_execution *core,
                                 const struct sp_journal_stats *journal, bool allowed)
{
    if (core->orders_sent != metrics->sends_observed && core->tick_to_send.ns > 0) {
        metrics->sends_observed = core->orders_sent;
        sp_metric_observe(metrics->tick_to_send, core->tick_to_send);
    }
    sp_metric_set(metrics->accepted, (int64_t)core->plans_accepted);
    sp_metric_set(metrics->refused, (int64_t)core->plans_refused);
    sp_metric_set(metrics->expired, (int64_t)core->plans_expired);
    sp_metric_set(metrics->sent, (int64_t)core->orders_sent);
    sp_metric_set(metrics->fills, (int64_t)core->fills);
    sp_metric_set(metrics->duplicates, (int64_t)core->duplicates);
    sp_metric_set(metrics->incidents, (int64_t)core->books.incidents);
    sp_metric_set(metrics->live_orders, core->books.live_count);
    sp_metric_set(metrics->in_flight, sp_books_in_flight(&core->books));
    sp_metric_set(metrics->breaker, (int64_t)core->books.breaker);
    sp_metric_set(metrics->allowed, allowed);
    sp_metric_set(metrics->appends, (int64_t)journal->records);
    sp_metric_set(metrics->syncs, (int64_t)journal->syncs);
}
