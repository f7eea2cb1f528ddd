/* The live shell: runs a decider core on a service's journal and bus (see common/decider.h).
 *
 * Cursors: a SP_EVENT_RECORD decision with records carries the input's place in "in" of its last
 * record; inputs without output are covered by a CURSOR record every 256 inputs or 100 ms. Replay
 * gives them back, so subscriptions continue where the journal says. One thread: the loop's.
 */
#ifndef SP_COMMON_SHELL_H
#define SP_COMMON_SHELL_H

#include "common/consumers.h"
#include "common/decider.h"
#include "common/service.h"
#include "common/snapshot.h"

struct sp_shell;

struct sp_shell_options {
    struct sp_service *service;
    const struct sp_core *core;
    void *core_state;
    /* Carries out one effect. */
    void (*perform)(void *ctx, const struct sp_effect *effect);
    /* Sees every record after it was applied, and after the effects of its decision (metrics, log,
     * ledger queue). May be NULL. */
    void (*applied)(void *ctx, const struct sp_record *record);
    /* The lowest sequence of its journal that the service needs besides (a ledger); 0: none. Asked
     * before old segments are deleted. May be NULL. */
    struct sp_need (*needs)(void *ctx);
    void *ctx;
    /* Of a core that can save: as in sp_snapshots_options; every < 0: none are taken or used. */
    sp_dur snapshot_every;
    uint64_t snapshot_records;
};

SP_NODISCARD sp_status sp_shell_open(const struct sp_shell_options *options, struct sp_shell **out,
                                     struct sp_err *err);
void sp_shell_close(struct sp_shell *shell);
/* Folds the journal from `from_seq` on (0: all of it) into the core by apply, and learns the
 * cursors. Call in init before subscribing. SP_CORRUPT: all of it, but its begin was deleted; else
 * the statuses of the reader. */
SP_NODISCARD sp_status sp_shell_replay(struct sp_shell *shell, uint64_t from_seq,
                                       struct sp_err *err);
/* The same, from the newest snapshot on if there is one that fits; else from the first record. From
 * then on inputs are recorded, if they are to be (common/record_inputs.h). */
SP_NODISCARD sp_status sp_shell_restore(struct sp_shell *shell, struct sp_err *err);
/* Last consumed place of an input stream; none if never. For sp_sub_options.cursor. */
struct sp_ref sp_shell_cursor(const struct sp_shell *shell, const sp_name *stream);
/* Runs one event through the cycle. On a storage failure the service is told to end; nothing was
 * acknowledged. `market` is the market clock as the caller knows it. */
void sp_shell_event(struct sp_shell *shell, enum sp_event_type type, uint32_t id,
                    const struct sp_record *record);
/* The same for something that happened a little earlier, such as the end of an effect. */
void sp_shell_event_at(struct sp_shell *shell, enum sp_event_type type, uint32_t id,
                       const struct sp_record *record, sp_mono at);
/* Tells of a change to the core beside decide and apply (derived state), made right after this
 * call, so that a rerun of recorded inputs can make it too: `id` is the core's own number of it
 * (struct sp_rerun_core), wall, market and record what it takes. */
void sp_shell_note(struct sp_shell *shell, const struct sp_event *event);
void sp_shell_set_market(struct sp_shell *shell, sp_wall market);
sp_wall sp_shell_market(const struct sp_shell *shell);
/* Ready-made callbacks: a facts subscription that feeds SP_EVENT_RECORD (REWOUND becomes a
 * STREAM_REWOUND record); ctx is the struct sp_shell. A GAP ends the service with SP_CORRUPT: facts
 * were deleted that it has not read, and it must not go on as if they had not been. */
void sp_shell_on_record(void *shell, const struct sp_record *record);
void sp_shell_on_notice(void *shell, const struct sp_sub_notice *notice);

struct sp_shell_stats {
    uint64_t events, records, effects, withdrawn, synced;
    uint64_t folded; /* records folded at the start */
    struct sp_snapshots_stats snapshots;
};
struct sp_shell_stats sp_shell_stats(const struct sp_shell *shell);

#endif
