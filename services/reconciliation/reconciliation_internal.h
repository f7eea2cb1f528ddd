/* Between the files of the core: triggers and verdicts (reconciliation_core.c), questions and
 * answers (collect.c). */
#ifndef SP_RECONCILIATION_INTERNAL_H
#define SP_RECONCILIATION_INTERNAL_H

#include "services/reconciliation/reconciliation_core.h"

struct sp_turn {
    struct sp_reconciler *r;
    const struct sp_event *event;
    struct sp_decision *decision;
};

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
