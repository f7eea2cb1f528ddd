/* What a strategy keeps across starts, as rows of a snapshot (common/snapshot.h). Pure. One thread.
 *
 * Kept is what folds of journals give: decisions (its own journal) and books (facts of others, with
 * the place up to which each stream is in them). Indicators are not: they are warmed by bars.
 */
#ifndef SP_SERVICES_STRATEGY_STRATEGY_ROWS_H
#define SP_SERVICES_STRATEGY_STRATEGY_ROWS_H

#include "common/journal/state_rows.h"
#include "common/workers/worker_check.h"
#include "services/strategy/strategy_books.h"

/* Decisions of the whole journal; rebuilt by folding it. */
struct sp_strategy_tallies {
    uint64_t opportunities, accepted, rejected, plans, threats, flows_failed;
};

struct sp_strategy_kept {
    uint32_t threat_count;
    struct sp_active_threat threats[SP_DETECTORS_MAX]; /* of its own workers */
    struct sp_strategy_tallies tallies;
    struct sp_ref decided; /* newest bar that a decision was made on */
    struct sp_strategy_books books;
};

/* `config_crc`: of all that the fold takes from the configuration. */
void sp_strategy_kept_save(const struct sp_strategy_kept *kept, uint32_t config_crc,
                           struct sp_rows_writer *out);
/* Into one to which nothing was applied; on failure it is undefined. SP_INVALID: rows that do not
 * fit, or another configuration; the statuses of sp_rows_next. */
SP_NODISCARD sp_status sp_strategy_kept_load(struct sp_strategy_kept *kept, uint32_t config_crc,
                                             struct sp_rows_reader *in, struct sp_err *err);

#endif
