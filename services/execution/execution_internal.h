/* What the files of the execution core share; nobody else includes it. */
#ifndef SP_EXECUTION_INTERNAL_H
#define SP_EXECUTION_INTERNAL_H

#include "services/execution/execution_core.h"

/* One event on its way through the core. */
struct sp_turn {
    struct sp_execution *x;
    const struct sp_event *event;
    struct sp_decision *decision;
};

/* plan_input.c */
void sp_x_plan(struct sp_turn *turn);
/* venue_input.c */
void sp_x_venue_up(struct sp_turn *turn);
void sp_x_venue_down(struct sp_turn *turn);
void sp_x_venue_message(struct sp_turn *turn);
void sp_x_sent(struct sp_turn *turn);
void sp_x_not_sent(struct sp_turn *turn, const struct sp_record *message, const char *why);
void sp_x_watch_venue(struct sp_turn *turn);
/* Asks the venue for executions that the books lack: `caught_up` is false until there are none. */
void sp_x_catch_up(struct sp_turn *turn);
/* venue_wait.c */
void sp_x_venue_wait(struct sp_turn *turn);
/* On a tick behind the wait: cancels that are intended and did not go, before all else. */
void sp_x_cancel_first(struct sp_turn *turn);
/* At the end of a tick that could send every cancel: the gate may open. */
void sp_x_cancelled_first(struct sp_turn *turn);
/* control_input.c */
void sp_x_threat(struct sp_turn *turn);
void sp_x_reconciled(struct sp_turn *turn);
void sp_x_command(struct sp_turn *turn);
void sp_x_correction(struct sp_turn *turn);
void sp_x_stop(struct sp_turn *turn);
/* Opens the breaker for a threat, or moves it on when the threat ends. */
void sp_x_breaker_opens(struct sp_turn *turn, sp_thr_id threat, const char *why,
                        const struct sp_ref *cause);
void sp_x_breaker_eases(struct sp_turn *turn, sp_thr_id threat, const struct sp_ref *cause);
/* The operation stops, and the trade's link wants no entry left behind. */
bool sp_x_cancels_entries(const struct sp_execution *x, const struct sp_trade_book *trade);
/* disk_input.c: halts at the disk reserve, and resumes when there is space again. */
void sp_x_disk(struct sp_turn *turn);
/* tend.c: every trade gets what it needs next. */
void sp_x_tend(struct sp_turn *turn);
#define SP_X_EXIT_ALARM 5   /* exits in a row without effect, then a person looks */
#define SP_X_LEGS_MAX   990 /* client order ids count to 999 */
/* Exits in a row of which nothing came. */
uint32_t sp_x_exits_in_vain(const struct sp_books *books, const struct sp_trade_book *trade);

/* flatten.c: the steps of a flatten. Those of a trade do nothing if it is not part of one. */
/* How far its cancels are: at most 2 records. */
void sp_x_flatten_cancels(struct sp_turn *turn, const struct sp_trade_book *trade);
/* Its exit was just added. */
void sp_x_flatten_reduces(struct sp_turn *turn, const struct sp_trade_book *trade,
                          const struct sp_order_intent *intent);
/* Its TRADE_CLOSED was just added. */
void sp_x_flatten_closes(struct sp_turn *turn, const struct sp_trade_book *trade, sp_qty dust);
void sp_x_flatten_fails(struct sp_turn *turn, const struct sp_flatten_book *flatten,
                        const char *why);
/* What is due of the whole procedures. */
void sp_x_flatten(struct sp_turn *turn);

/* orders.c: building records and messages. */
/* Fills the fields of an intent that follow from its trade: ids, link, symbol, leg, client order
 * id. `leg_offset` is 1 for the next order, 2 for the one after. */
void sp_x_fill_intent(struct sp_turn *turn, const struct sp_trade_book *trade, uint32_t leg_offset,
                      struct sp_order_intent *intent);
/* The effect that sends an order whose intent was just added; returns its message body. */
struct sp_venue_order *sp_x_send(struct sp_turn *turn, const struct sp_order_intent *intent);
void sp_x_cancel(struct sp_turn *turn, const struct sp_order *order);
/* Whether the message budget has room for one more that reduces, and the venue takes requests. */
bool sp_x_may_message(const struct sp_turn *turn);
/* Adds an ORDER_* record about an order. */
struct sp_order_event *sp_x_order_event(struct sp_turn *turn, enum sp_kind kind,
                                        const struct sp_order *order, const char *reason);
void sp_x_ledger_state(struct sp_turn *turn, const struct sp_trade_book *trade,
                       const struct sp_link_book *link, const struct sp_ref *cause);
/* Halts a link for a person to look at, unless it is halted for this very reason already. */
void sp_x_halt_link(struct sp_turn *turn, uint32_t link, const char *reason,
                    const struct sp_ref *cause);
/* Halts a link that fires too often, until somebody resumes it. */
void sp_x_latch_link(struct sp_turn *turn, uint32_t link, const char *reason,
                     const struct sp_ref *cause);
/* The venue said something about an order that had ended by our books: after LATE truth the link is
 * halted, and a trade that was closed is closed again at market. Call after the record is added. */
void sp_x_late(struct sp_turn *turn, const struct sp_order *order, const char *what,
               const struct sp_ref *cause);
struct sp_pending *sp_x_pending(struct sp_execution *x, const sp_name *client_order_id);
/* A free or the order's own entry; NULL if all are taken (the timer comes back to it). */
struct sp_pending *sp_x_pending_take(struct sp_execution *x, const sp_name *client_order_id);
/* Whether an execution can be of this order: side, symbol, numbers, and not beyond its quantity. */
bool sp_x_fill_is_possible(const struct sp_order *order, const struct sp_fill_view *view);
/* Books an execution unless it is known: FILL, TRADE_OPENED, LEDGER_STATE_CHANGED. One that cannot
 * be of its order is not booked, but halts the link. */
void sp_x_book_fill(struct sp_turn *turn, const struct sp_fill_view *view,
                    const struct sp_ref *cause, sp_rec_id reconciliation_id);

/* Room for n more records in this decision: what does not fit waits for the next event. */
static inline bool sp_turn_has_room(const struct sp_turn *turn, uint32_t records)
{
    return turn->decision->record_count + records <= SP_DECISION_RECORDS_MAX &&
           turn->decision->effect_count + 2 <= SP_DECISION_EFFECTS_MAX;
}

#endif
