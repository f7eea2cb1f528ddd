/* One bar's way through the workers: from their dispositions to records with ids and causes.
 *
 * context -> opportunity and threat -> for each opportunity: qualification, then planning. A broken
 * contract ends the flow with FLOW_FAILED; what was recorded before stays, and a plan is always the
 * last thing a branch records. Pure. One thread.
 */
#ifndef SP_SERVICES_STRATEGY_STRATEGY_FLOW_H
#define SP_SERVICES_STRATEGY_STRATEGY_FLOW_H

#include "common/decider.h"
#include "common/workers/pipeline.h"

struct sp_strategy_flow {
    /* Given by the caller. */
    struct sp_pipeline *pipeline;
    struct sp_flow_base *base; /* follows what the flow decides: threats, trade in flight */
    struct sp_decision *decision;
    const struct sp_record *bar;
    bool is_warm;     /* else opportunities are dropped: the indicators have not settled */
    bool is_repeated; /* decided before a restart: warms the workers, records nothing */
    /* The flow's own. */
    struct sp_ref bar_ref;
    uint32_t worker;                    /* that runs */
    uint32_t signals[SP_DETECTORS_MAX]; /* records of this decision */
    uint32_t signal_count;
    bool has_failed;
};

void sp_strategy_flow_run(struct sp_strategy_flow *flow);

#endif
