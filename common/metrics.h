/* Metrics of one process: counters and gauges with labels, histograms of durations, printed in the
 * Prometheus text format. Registered at start (bounded), updated without allocation. One thread.
 */
#ifndef SP_COMMON_METRICS_H
#define SP_COMMON_METRICS_H

#include "proto/types.h"

#define SP_METRICS_MAX        256
#define SP_METRIC_NAME_SIZE   64
#define SP_METRIC_LABELS_SIZE 96

struct sp_metrics;
struct sp_metric;

SP_NODISCARD sp_status sp_metrics_open(struct sp_metrics **out, struct sp_err *err);
void sp_metrics_close(struct sp_metrics *metrics);

/* `labels` without braces: strategy="ema",worker="cross"; "" for none. Asserts that there is room
 * and that the pair is new. `help` is a literal. */
struct sp_metric *sp_metrics_counter(struct sp_metrics *metrics, const char *name,
                                     const char *labels, const char *help);
struct sp_metric *sp_metrics_gauge(struct sp_metrics *metrics, const char *name, const char *labels,
                                   const char *help);
/* Buckets 1-2-5 from 1 us to 10 s; exported in seconds. */
struct sp_metric *sp_metrics_histogram(struct sp_metrics *metrics, const char *name,
                                       const char *labels, const char *help);

void sp_metric_add(struct sp_metric *metric, uint64_t n);
void sp_metric_set(struct sp_metric *metric, int64_t value);
void sp_metric_observe(struct sp_metric *metric, sp_dur value);
int64_t sp_metric_value(const struct sp_metric *metric);

/* Calls fn with each line of the exposition format, without newline. */
void sp_metrics_print(const struct sp_metrics *metrics, void (*fn)(void *ctx, const char *line),
                      void *ctx);

#endif
