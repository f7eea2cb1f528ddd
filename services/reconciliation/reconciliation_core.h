/* Reconciliation as a pure core: when to compare, what to ask, what to believe.
 *
 *   wanted -> books -> venue: open orders, executions, balances -> each order that is absent there
 *          -> books again -> comparable? -> compare -> the same differences twice in a row
 *          -> propose corrections -> compare again -> RECONCILIATION_RESULT
 *
 * A question that fails or is not answered is asked again and never read as "nothing there". While
 * nobody answers a pass waits, without end and without a result: trading stays as it is. Only a cut
 * that was whole is compared; after SP_RECONCILE_TRIES cuts that were not, the result says so.
 * Durable are the newest result and the schedules' places, by apply. One thread.
 */
#ifndef SP_RECONCILIATION_CORE_H
#define SP_RECONCILIATION_CORE_H

#include "common/decider.h"
#include "common/schedule.h"
#include "services/reconciliation/compare.h"

#define SP_RECONCILE_TRIES 20

/* Ids of SP_EVENT_MESSAGE. */
enum sp_reconciliation_input {
    SP_RI_BOOKS,      /* a frame of execution's answers */
    SP_RI_VENUE,      /* a frame of the venue's answers */
    SP_RI_VENUE_UP,   /* our own connection; no record */
    SP_RI_VENUE_DOWN, /* no record */
    SP_RI_NOT_SENT,   /* the last question did not leave; no record */
    SP_RI_COMMAND     /* COMMAND with command RECONCILE */
};
enum sp_reconciliation_effect { SP_RE_BOOKS, SP_RE_VENUE };

enum sp_reconcile_step {
    SP_STEP_IDLE,
    SP_STEP_WAIT, /* for next_at and the venue */
    SP_STEP_BEFORE,
    SP_STEP_VENUE,
    SP_STEP_ASK,
    SP_STEP_AFTER,
    SP_STEP_PROPOSE
};

/* What a pass is for. */
struct sp_reconcile_reasons {
    bool wanted[SP_TRIGGER_COUNT]; /* by enum sp_trigger */
    sp_sch_id scheduled_id;
    sp_cmd_id command_id;
    uint32_t by_count;
    struct sp_ref by[SP_CAUSES_MAX];
};

/* One of the venue's lists as it comes in. */
struct sp_list_read {
    uint64_t request_id; /* 0: not asked */
    uint32_t seen;       /* frames of this answer */
    bool done;
};

struct sp_reconciler {
    const struct sp_config *config;
    const struct sp_world_config *world;
    /* Durable: the fold of our journal. */
    struct sp_reconciliation_result last; /* execution_epoch 0: none yet */
    uint64_t passes, discrepancies, corrections;
    uint32_t schedule_count;
    sp_wall ticked[SP_SCHEDULES_MAX]; /* due time of the newest SCHEDULED_TICK; 0: none */
    struct sp_schedule schedules[SP_SCHEDULES_MAX]; /* their `last` may be a place without a tick */
    /* Derived: what is wanted and under way. */
    bool venue_up;
    struct sp_reconcile_reasons want, pass;
    sp_mono not_before; /* of the next pass after one that could not compare */
    sp_dur back_off;
    sp_rec_id reconciliation_id;
    enum sp_reconcile_step step;
    bool verifying; /* corrections were proposed: see what they did */
    uint32_t tries;
    sp_mono next_at, asked_at;
    uint64_t last_request, books_request, asked_request;
    struct sp_list_read open_orders, fills, balances;
    uint32_t fills_of; /* the instrument whose executions are read */
    bool header_seen;
    struct sp_books_header seen;        /* frames counted, of the answer "books" */
    struct sp_books_header after;       /* the second header */
    uint32_t asked, replies, proposals; /* progress in SP_STEP_ASK and SP_STEP_PROPOSE */
    uint32_t unprotected;               /* per instrument, in the pass before */
    const char *obstacle;               /* why the newest cut was not comparable */
    struct sp_diffs previous, found, now;
    struct sp_cut cut;
};

extern const struct sp_core sp_reconciliation_core;

/* Wants a first pass, for START. */
void sp_reconciler_init(struct sp_reconciler *r, const struct sp_config *config);
/* What a pass under way is waiting for, for a person; NULL: nothing. */
const char *sp_reconciler_waits_for(const struct sp_reconciler *r);

#endif
