/* What execution measures of itself (docs: the metrics endpoint). One thread: the loop's. */
#ifndef SP_EXECUTION_METRICS_H
#define SP_EXECUTION_METRICS_H

#include "common/journal/journal.h"
#include "common/metrics.h"
#include "services/execution/execution_core.h"

struct sp_execution_metrics {
    struct sp_metric *accepted, *refused, *expired, *sent, *fills, *duplicates, *incidents,
        *live_orders, *in_flight, *allowed, *breaker, *tick_to_send, *appends, *syncs,
        *disk_allows; /* set by who watches the disk */
    uint64_t sends_observed;
};

void sp_execution_metrics_init(struct sp_execution_metrics *metrics, struct sp_metrics *registry);
/* `allowed`: whether risk may be increased now. */
void sp_execution_metrics_update(struct sp_execution_metrics *metrics,
                                 const struct sp_execution *core,
                                 const struct sp_journal_stats *journal, bool allowed);

#endif
