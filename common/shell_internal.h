/* What shell.c (the cycle of an event) and shell_restore.c (the way back to where the journal ends)
 * share. One thread: the loop's. */
#ifndef SP_COMMON_SHELL_INTERNAL_H
#define SP_COMMON_SHELL_INTERNAL_H

#include "common/persist/persistor_factory.h"
#include "common/record_inputs.h"
#include "common/shell.h"

struct sp_shell_cursor_at {
    struct sp_ref at;      /* consumed, as known in memory */
    struct sp_ref written; /* consumed, as the journal says */
    uint32_t unwritten;    /* inputs consumed since */
};

struct sp_shell {
    struct sp_shell_options options;
    struct sp_timer *cursor_timer;
    sp_wall market;
    bool lock_step;                   /* all clocks are the market's (common/turns.h) */
    struct sp_input_recorder *inputs; /* NULL: not recorded */
    uint32_t cursor_count;
    struct sp_shell_cursor_at cursors[SP_SNAPSHOT_CURSORS_MAX];
    struct sp_state_persistor *state;
    struct sp_snapshots *snapshots; /* NULL: the core cannot save, or is not to */
    struct {
        struct sp_metric *taken, *failed, *ms, *generation, *age, *behind;
    } metrics;          /* of snapshots; NULL where there are none */
    struct sp_ref last; /* the last record applied */
    sp_wall last_time;
    struct sp_shell_stats stats;
    bool busy; /* an effect must not start another event from within */
    struct sp_decision decision;
    struct sp_effect withdrawn[SP_DECISION_EFFECTS_MAX]; /* scratch of perform_all */
};

/* In the order of their names, so that cursors are written in one order whatever came first. Makes
 * the one that is not there. */
struct sp_shell_cursor_at *sp_shell_find_cursor(struct sp_shell *shell, const sp_name *stream);

#endif
