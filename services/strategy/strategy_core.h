/* The strategy of one link: bars in, explained decisions and trade plans out.
 *
 * Pure (common/decider.h): no clock, socket or file. Three kinds of state:
 *   authoritative  active threats of its own workers, the plan without answer, tallies: changed
 *                  only by apply, rebuilt by folding its journal
 *   books          trades, result and foreign threats: a fold of other services' facts
 *                  (strategy_books.h). After a start they are folded from where the snapshot has
 *                  them (sp_strategy_place), without one from their beginning: those up to the
 *                  cursor through sp_strategy_fold, the rest as events
 *   derived        indicators and windows: from ticks. After a start or a gap in the data they are
 *                  not warm, and nothing is opened until `warm_up_bars` bars have been seen
 *
 * A bar of the trigger interval runs one flow; other ticks only update prices. One open trade per
 * link, long only. Positions are closed by the protective pair that execution places from the plan.
 */
#ifndef SP_SERVICES_STRATEGY_STRATEGY_CORE_H
#define SP_SERVICES_STRATEGY_STRATEGY_CORE_H

#include "common/decider.h"
#include "common/workers/pipeline.h"
#include "services/strategy/strategy_rows.h"

struct sp_strategy;

struct sp_strategy_options {
    const struct sp_link_config *link;
    const struct sp_instrument_config *instrument; /* of the blueprint's symbol */
    const struct sp_registry *registry;            /* NULL: the plugins compiled in */
};

struct sp_strategy_status {
    bool is_warm;
    uint32_t bars_seen, bars_needed; /* since the start or the last gap */
    sp_trd_id trade_id;              /* open or in flight */
    bool is_in_flight;
    uint32_t threat_count; /* active, all sources */
    sp_amt equity;
    struct sp_strategy_tallies tallies;
};

/* SP_CONFIG, SP_NO_MEMORY. The options are copied. */
SP_NODISCARD sp_status sp_strategy_open(const struct sp_strategy_options *options,
                                        struct sp_strategy **out, struct sp_err *err);
void sp_strategy_close(struct sp_strategy *strategy);

/* decide and apply; the state is the struct sp_strategy. Events: TICK (records of the instrument's
 * market-data stream, or a DATA_GAP made from a notice) and RECORD (facts of execution and
 * marketdata). No effects: plans are records, and execution reads them. */
extern const struct sp_core sp_strategy_core;

/* How far the books follow a stream of facts; none: from its beginning. */
struct sp_ref sp_strategy_place(const struct sp_strategy *strategy, const sp_name *stream);
/* A fact of execution or marketdata that was decided upon before the start: books only. */
void sp_strategy_fold(struct sp_strategy *strategy, const struct sp_record *record);

struct sp_strategy_status sp_strategy_status(const struct sp_strategy *strategy);
/* Sum over the workers; ticks_processed counts every market-data record, events_published the
 * records written. Since the start of the process. */
struct sp_worker_counters sp_strategy_counters(const struct sp_strategy *strategy);
/* The workers, for counters of each and the cache's size. */
const struct sp_pipeline *sp_strategy_pipeline(const struct sp_strategy *strategy);

#endif
