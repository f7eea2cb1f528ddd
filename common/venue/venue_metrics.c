#include "common/venue/venue_metrics.h"

#include <stdio.h>

/* clang-format off */
static const char *const ask_labels[] = {
#define A(name, label) [SP_VENUE_ASK_##name] = "kind=\"" label "\"",
    SP_VENUE_ASK_MAP(A)
#undef A
};

static const char *const error_labels[] = {
#define E(name, label) [SP_VENUE_ERROR_##name] = "error=\"" label "\"",
    SP_VENUE_ERROR_MAP(E)
#undef E
};
/* clang-format on */

static void init_network(struct sp_venue_metrics *metrics, struct sp_metrics *m)
{
    metrics->weight_used = sp_metrics_gauge(m, "spoor_api_weight_used", "",
                                            "request weight of this process in the venue's minute");
    metrics->weight_counted = sp_metrics_gauge(m, "spoor_api_weight_counted", "",
                                               "of the whole address, by the venue's own count");
    metrics->weight_share = sp_metrics_gauge(m, "spoor_api_weight_share", "",
                                             "weight a minute that this process may use");
    metrics->weight_limit = sp_metrics_gauge(m, "spoor_api_weight_limit", "",
                                             "weight a minute that the venue allows the address");
    metrics->clock_offset = sp_metrics_gauge(m, "spoor_api_clock_offset_ns", "",
                                             "the venue's clock minus ours, as estimated");
    metrics->clock_error = sp_metrics_gauge(m, "spoor_api_clock_error_ns", "",
                                            "by how much that may be wrong: half a round trip");
    metrics->back_offs = sp_metrics_counter(m, "spoor_api_back_offs_total", "",
                                            "waits before another attempt to connect");
    metrics->messages = sp_metrics_counter(m, "spoor_api_stream_messages_total", "",
                                           "messages of the stream of user data");
    metrics->renewals = sp_metrics_counter(m, "spoor_api_renewals_total", "",
                                           "streams of user data replaced before their day ended");
}

void sp_venue_metrics_init(struct sp_venue_metrics *metrics, struct sp_metrics *registry,
                           bool over_a_network)
{
    struct sp_metrics *m = registry;

    *metrics = (struct sp_venue_metrics){0};
    for (size_t i = 0; i < SP_VENUE_ASKS; i++)
        metrics->requests[i] = sp_metrics_counter(m, "spoor_api_requests_total", ask_labels[i],
                                                  "requests sent to the venue");
    for (size_t i = 0; i < SP_VENUE_ERRORS; i++)
        metrics->errors[i] = sp_metrics_counter(m, "spoor_api_errors_total", error_labels[i],
                                                "requests that did not get what they asked for");
    metrics->held_back = sp_metrics_counter(m, "spoor_api_held_back_total", "",
                                            "requests not sent: the venue's limits");
    metrics->latency =
        sp_metrics_histogram(m, "spoor_api_latency_seconds", "", "from a request to its answer");
    metrics->connections =
        sp_metrics_counter(m, "spoor_api_connections_total", "", "times the connection came up");
    metrics->is_up = sp_metrics_gauge(m, "spoor_api_up", "", "1 while the connection is up");
    metrics->wait = sp_metrics_gauge(m, "spoor_api_wait_ns", "",
                                     "for so long the venue wants no request from us");
    metrics->silence = sp_metrics_gauge(m, "spoor_api_silence_ns", "",
                                        "since the venue was last heard in this connection");
    if (over_a_network) init_network(metrics, m);
}

void sp_venue_metrics_asked(struct sp_venue_metrics *metrics, enum sp_venue_ask kind)
{
    sp_venue_metrics_count(metrics->requests[kind]);
}

void sp_venue_metrics_failed(struct sp_venue_metrics *metrics, enum sp_venue_error error)
{
    sp_venue_metrics_count(metrics->errors[error]);
}

void sp_venue_metrics_count(struct sp_metric *metric)
{
    if (metric != NULL) sp_metric_add(metric, 1);
}

void sp_venue_metrics_set(struct sp_metric *metric, int64_t value)
{
    if (metric != NULL) sp_metric_set(metric, value);
}

void sp_venue_metrics_took(struct sp_venue_metrics *metrics, sp_dur time)
{
    if (metrics->latency != NULL && time.ns >= 0) sp_metric_observe(metrics->latency, time);
}
