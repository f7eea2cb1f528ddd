/* Between the files of the core: triggers and verdicts (reconciliation_core.c), questions and
 * answers (collect.c), snapshots (reconciliation_rows.c). */
#ifndef SP_RECONCILIATION_INTERNAL_H
#define SP_RECONCILIATION_INTERNAL_H

#include "services/reconciliation/reconciliation_core.h"

struct sp_turn {
    struct sp_reconciler *r;
    const struct sp_event *event;
    struct sp_decision *decision;
};

/* The durable part as rows of a snapshot: sp_core's save and load (reconciliation_rows.c). */
void sp_r_save(const void *state, struct sp_rows_writer *out);
SP_NODISCARD sp_status sp_r_load(void *state, struct sp_rows_reader *in, struct sp_err *err);

/* Begins a cut with the question for our books. */
void sp_r_ask_books(struct sp_turn *turn);
/* Frames of answers; those of other questions are passed over. */
void sp_r_books_frame(struct sp_turn *turn);
void sp_r_venue_frame(struct sp_turn *turn);
/* Sends one proposal to execution. */
void sp_r_propose(struct sp_turn *turn, const struct sp_correction *correction);

/* A cut is complete: both headers and all lists are there. */
void sp_r_cut_complete(struct sp_turn *turn);
/* The cut cannot be compared; counts as a try. */
void sp_r_cut_failed(struct sp_turn *turn, const char *why);

#endif
