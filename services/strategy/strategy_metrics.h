/* The strategy's counters as metrics: of the link, and of each worker. One thread.
 */
#ifndef SP_SERVICES_STRATEGY_STRATEGY_METRICS_H
#define SP_SERVICES_STRATEGY_STRATEGY_METRICS_H

#include "common/metrics.h"
#include "services/strategy/strategy_core.h"

struct sp_worker_metrics {
    struct sp_metric *published, *executed, *hits, *misses, *errors;
};
struct sp_strategy_metrics {
    struct sp_metric *ticks, *last_tick, *cache_bytes, *is_warm, *has_trade, *threats, *plans;
    struct sp_worker_metrics workers[SP_WORKERS_MAX];
};

void sp_strategy_metrics_register(struct sp_strategy_metrics *out, struct sp_metrics *metrics,
                                  const struct sp_strategy *strategy, const sp_name *link);
void sp_strategy_metrics_update(struct sp_strategy_metrics *to, const struct sp_strategy *strategy);

#endif
