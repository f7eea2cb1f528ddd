#include "common/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum metric_type { COUNTER, GAUGE, HISTOGRAM };

/* Upper bounds of the buckets: 1-2-5 from 1 us to 10 s. */
static const int64_t bounds_ns[] = {
    1000,      2000,      5000,       10000,      20000,      50000,      100000,   200000,
    500000,    1000000,   2000000,    5000000,    10000000,   20000000,   50000000, 100000000,
    200000000, 500000000, 1000000000, 2000000000, 5000000000, 10000000000};
#define BUCKETS (sizeof bounds_ns / sizeof *bounds_ns)

struct sp_metric {
    enum metric_type type;
    char name[SP_METRIC_NAME_SIZE];
    char labels[SP_METRIC_LABELS_SIZE];
    const char *help;
    int64_t value;             /* counter or gauge; histogram: number of observations */
    int64_t sum_ns;            /* histogram */
    uint64_t buckets[BUCKETS]; /* histogram: observations <= bound, not cumulated */
};

struct sp_metrics {
    uint32_t count;
    struct sp_metric at[SP_METRICS_MAX];
};

sp_status sp_metrics_open(struct sp_metrics **out, struct sp_err *err)
{
    struct sp_metrics *metrics = calloc(1, sizeof *metrics);

    if (metrics == NULL) return SP_FAIL(err, SP_NO_MEMORY, "metrics table");
    *out = metrics;
    return SP_OK;
}

void sp_metrics_close(struct sp_metrics *metrics)
{
    free(metrics);
}

static struct sp_metric *add(struct sp_metrics *metrics, enum metric_type type, const char *name,
                             const char *labels)
{
    SP_ASSERT(metrics->count < SP_METRICS_MAX);
    SP_ASSERT(strlen(name) < SP_METRIC_NAME_SIZE);
    SP_ASSERT(strlen(labels) < SP_METRIC_LABELS_SIZE);
    for (uint32_t i = 0; i < metrics->count; i++) {
        const struct sp_metric *old = &metrics->at[i];
        SP_ASSERT(strcmp(old->name, name) != 0 || strcmp(old->labels, labels) != 0);
    }
    struct sp_metric *metric = &metrics->at[metrics->count++];
    metric->type = type;
    snprintf(metric->name, sizeof metric->name, "%s", name);
    snprintf(metric->labels, sizeof metric->labels, "%s", labels);
    return metric;
}

struct sp_metric *sp_metrics_counter(struct sp_metrics *metrics, const char *name,
                                     const char *labels, const char *help)
{
    struct sp_metric *metric = add(metrics, COUNTER, name, labels);

    metric->help = help;
    return metric;
}

struct sp_metric *sp_metrics_gauge(struct sp_metrics *metrics, const char *name, const char *labels,
                                   const char *help)
{
    struct sp_metric *metric = add(metrics, GAUGE, name, labels);

    metric->help = help;
    return metric;
}

struct sp_metric *sp_metrics_histogram(struct sp_metrics *metrics, const char *name,
                                       const char *labels, const char *help)
{
    struct sp_metric *metric = add(metrics, HISTOGRAM, name, labels);

    metric->help = help;
    return metric;
}

void sp_metric_add(struct sp_metric *metric, uint64_t n)
{
    SP_ASSERT(metric->type == COUNTER);
    metric->value += (int64_t)n;
}

void sp_metric_set(struct sp_metric *metric, int64_t value)
{
    SP_ASSERT(metric->type != HISTOGRAM);
    metric->value = value;
}

void sp_metric_observe(struct sp_metric *metric, sp_dur value)
{
    SP_ASSERT(metric->type == HISTOGRAM);
    metric->value++;
    metric->sum_ns += value.ns;
    for (size_t i = 0; i < BUCKETS; i++) {
        if (value.ns <= bounds_ns[i]) {
            metric->buckets[i]++;
            return;
        }
    }
}

int64_t sp_metric_value(const struct sp_metric *metric)
{
    return metric->value;
}

typedef void line_fn(void *ctx, const char *line);

/* Nanoseconds as exact decimal seconds. */
static void seconds(int64_t ns, char buf[32])
{
    snprintf(buf, 32, "%s%" PRId64 ".%09" PRId64, ns < 0 ? "-" : "",
             (ns < 0 ? -ns : ns) / 1000000000, (ns < 0 ? -ns : ns) % 1000000000);
}

static void print_histogram(const struct sp_metric *metric, line_fn *fn, void *ctx)
{
    const char *comma = metric->labels[0] != '\0' ? "," : "";
    uint64_t below = 0;
    char line[320], at[32];

    for (size_t i = 0; i < BUCKETS; i++) {
        below += metric->buckets[i];
        seconds(bounds_ns[i], at);
        snprintf(line, sizeof line, "%s_bucket{%s%sle=\"%s\"} %" PRIu64, metric->name,
                 metric->labels, comma, at, below);
        fn(ctx, line);
    }
    snprintf(line, sizeof line, "%s_bucket{%s%sle=\"+Inf\"} %" PRId64, metric->name, metric->labels,
             comma, metric->value);
    fn(ctx, line);
    seconds(metric->sum_ns, at);
    snprintf(line, sizeof line, "%s_sum{%s} %s", metric->name, metric->labels, at);
    fn(ctx, line);
    snprintf(line, sizeof line, "%s_count{%s} %" PRId64, metric->name, metric->labels,
             metric->value);
    fn(ctx, line);
}

static void print_value(const struct sp_metric *metric, line_fn *fn, void *ctx)
{
    char line[320];

    if (metric->labels[0] != '\0') {
        snprintf(line, sizeof line, "%s{%s} %" PRId64, metric->name, metric->labels, metric->value);
    } else {
        snprintf(line, sizeof line, "%s %" PRId64, metric->name, metric->value);
    }
    fn(ctx, line);
}

/* The format wants all lines of one name together, under one HELP and TYPE. */
static void print_family(const struct sp_metrics *metrics, uint32_t first, line_fn *fn, void *ctx)
{
    static const char *const types[] = {"counter", "gauge", "histogram"};
    const struct sp_metric *head = &metrics->at[first];
    char line[320];

    snprintf(line, sizeof line, "# HELP %s %s", head->name, head->help);
    fn(ctx, line);
    snprintf(line, sizeof line, "# TYPE %s %s", head->name, types[head->type]);
    fn(ctx, line);
    for (uint32_t i = first; i < metrics->count; i++) {
        const struct sp_metric *metric = &metrics->at[i];
        if (strcmp(metric->name, head->name) != 0) continue;
        if (metric->type == HISTOGRAM) {
            print_histogram(metric, fn, ctx);
        } else {
            print_value(metric, fn, ctx);
        }
    }
}

void sp_metrics_print(const struct sp_metrics *metrics, void (*fn)(void *ctx, const char *line),
                      void *ctx)
{
    for (uint32_t i = 0; i < metrics->count; i++) {
        bool seen = false;
        for (uint32_t j = 0; j < i && !seen; j++) {
            seen = strcmp(metrics->at[j].name, metrics->at[i].name) == 0;
        }
        if (!seen) print_family(metrics, i, fn, ctx);
    }
}
