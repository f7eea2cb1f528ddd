/* While the venue refuses all requests for a time, and right behind it. Nothing is asked and
 * nothing is sent meanwhile; new entries are refused, what reduces waits. When the time is over,
 * cancels go first: those that wait to be decided, and those that were decided and did not reach
 * the venue. The gate stays closed until a tick has sent them all. A cancel is no order: sent
 * again, it cannot happen twice. */
#include "services/execution/execution_internal.h"

void sp_x_venue_wait(struct sp_turn *turn)
{
    const struct sp_venue_answer *answer = &turn->event->record->body.venue_answer;
    sp_mono until = {turn->event->now.ns + answer->wait.ns};

    if (until.ns > turn->x->venue_quiet_until.ns) turn->x->venue_quiet_until = until;
    turn->x->venue_says = answer->reason;
    turn->x->venue_waited = true;
}

static bool is_over(const struct sp_turn *turn)
{
    const struct sp_execution *x = turn->x;

    return x->venue_waited && x->venue_up && turn->event->now.ns >= x->venue_quiet_until.ns;
}

/* Taken anew where none watches over the order; NULL if there is no place. */
static struct sp_pending *watch_over(struct sp_turn *turn, const sp_name *client_order_id)
{
    struct sp_pending *pending = sp_x_pending(turn->x, client_order_id);

    if (pending != NULL) return pending;
    pending = sp_x_pending_take(turn->x, client_order_id);
    if (pending == NULL) return NULL;
    pending->is_question = true;
    pending->since = turn->event->now;
    return pending;
}

/* Which ones did not go yet is told by when each was sent, or asked about, last. One cancel ends
 * both legs of a pair. */
void sp_x_cancel_first(struct sp_turn *turn)
{
    struct sp_execution *x = turn->x;
    const sp_name *covered = NULL;

    if (!is_over(turn)) return;
    for (uint32_t i = 0; i < x->books.live_count; i++) {
        const struct sp_order *order = sp_books_live(&x->books, i);
        if (order->state != SP_ORDER_STATE_PENDING_CANCEL) continue;
        struct sp_pending *pending = watch_over(turn, &order->intent.client_order_id);
        if (pending == NULL || pending->asked.ns >= x->venue_quiet_until.ns) continue;
        if (!sp_turn_has_room(turn, 2) || !sp_x_may_message(turn)) return;
        pending->asked = turn->event->now;
        if (covered != NULL && sp_name_eq(covered, &order->intent.client_order_id)) continue;
        sp_x_cancel(turn, order);
        covered = &order->intent.pair;
    }
}

/* Without room something may not have been looked at: the next tick goes on. */
void sp_x_cancelled_first(struct sp_turn *turn)
{
    if (is_over(turn) && sp_turn_has_room(turn, 8) && sp_x_may_message(turn))
        turn->x->venue_waited = false;
}
