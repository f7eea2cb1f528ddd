/* Snapshots of a core's state: a start folds only the journal's tail. An accelerator, never an
 * authority: what is missing, damaged, foreign, of another build or does not fit the journal is
 * passed over, and the journal is folded from its first record.
 *
 * Taken between events: the state is copied in the loop; once the journal has synced what the copy
 * includes, a thread turns it into rows and saves it (state_persistor.h). One thread, which
 * is the loop's, except for that.
 */
#ifndef SP_COMMON_SNAPSHOT_H
#define SP_COMMON_SNAPSHOT_H

#include "common/decider.h"
#include "common/persist/state_persistor.h"

#define SP_SNAPSHOT_CURSORS_MAX 32

struct sp_snapshots;

struct sp_snapshots_options {
    struct sp_state_persistor *state; /* the caller's; closed after the snapshots */
    const struct sp_core *core;       /* with save and load */
    void *core_state;                 /* no record applied yet */
    sp_dur every;                     /* if the journal grew; 0 = 10 s */
    uint64_t every_records;           /* 0 = 50,000 */
    const char *build;                /* NULL = this build */
    bool partial; /* a part of some history was deleted, so that there may be nothing
                                 * else to start from: the generation before is taken too, and what
                                 * another build wrote */
};

/* What a state stands on. */
struct sp_snapshot_base {
    struct sp_ref at; /* the last record it includes */
    sp_wall time;     /* of that record */
    uint32_t cursor_count;
    struct sp_ref cursors[SP_SNAPSHOT_CURSORS_MAX]; /* of the inputs, as the journal has them */
};

struct sp_snapshots_stats {
    uint64_t taken, failed, too_large;
    sp_dur copy, save; /* of the newest: in the loop; in the thread, encoding and writing */
    size_t bytes;
    uint64_t generation, seq; /* of the newest that was saved or loaded; 0: none */
    sp_mono saved_at;         /* 0: not in this process */
};

/* SP_NO_MEMORY. */
SP_NODISCARD sp_status sp_snapshots_open(const struct sp_snapshots_options *options,
                                         struct sp_snapshots **out, struct sp_err *err);
/* Waits for a save under way. NULL is accepted. */
void sp_snapshots_close(struct sp_snapshots *snapshots);
/* Whether the core's state is now that of *base. If not it is as it was, and the log says why. */
SP_NODISCARD bool sp_snapshots_load(struct sp_snapshots *snapshots, struct sp_snapshot_base *base);
/* What was loaded does not fit the journal: puts the state back. Before the first tick. */
void sp_snapshots_refuse(struct sp_snapshots *snapshots, const char *why);
/* Where the journal ends when the service begins to work: counts start here. */
void sp_snapshots_begin(struct sp_snapshots *snapshots, uint64_t seq);
/* Called regularly between events: takes one if it is due, saves it once `durable_seq` covers it.
 * `now` is what the core's state stands on. */
void sp_snapshots_tick(struct sp_snapshots *snapshots, const struct sp_snapshot_base *now,
                       uint64_t durable_seq);
/* The sequence that the older of two sound generations includes: a start may need every record
 * behind it. 0 while there are fewer than two. Waits for a save under way. */
uint64_t sp_snapshots_oldest(struct sp_snapshots *snapshots);
struct sp_snapshots_stats sp_snapshots_stats(const struct sp_snapshots *snapshots);

#endif
