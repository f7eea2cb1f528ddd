/* Flatten as a procedure. The orders are tend.c's, by the trades' wish to exit; here is what was
 * reached, each step a record, in the same batch as the act it stands for:
 *
 *   STARTED          entries are blocked by the halt that came with the command
 *     of each trade:
 *     CANCELS_SENT       every order that rests has its cancel
 *     CANCELS_CONFIRMED  none is live any more: late fills are in
 *     MEASURED           what is left, what of it can be sold, what is dust
 *     REDUCING           the order that sells it; MEASURED again after one that sold a part
 *     FLAT
 *   VERIFYING        the venue is asked for executions that the books lack
 *   DONE             it has none, and every trade is flat still
 *
 * BLOCKED says what it waits for; it goes on by itself. FAILED ends the procedure, never an exit
 * that is wanted.
 */
#include "services/execution/execution_internal.h"
#include "services/execution/flatten_book.h"

#include <string.h>

#define CANCEL_LATE_NS (INT64_C(2000) * 1000000)

static struct sp_flatten *add_step(struct sp_turn *turn, const struct sp_flatten_book *flatten,
                                   enum sp_flatten_step step)
{
    struct sp_record *record = sp_decision_add(turn->decision, SP_REC_FLATTEN, &flatten->by);
    struct sp_flatten *body = &record->body.flatten;

    body->command_id = flatten->command_id;
    body->scope = flatten->scope;
    body->step = (uint8_t)step;
    return body;
}

static struct sp_flatten *add_trade_step(struct sp_turn *turn, const struct sp_trade_book *trade,
                                         enum sp_flatten_step step)
{
    struct sp_books *books = &turn->x->books;
    const struct sp_flatten_book *flatten = sp_flatten_of_trade(books, trade);

    if (flatten == NULL) return NULL;
    struct sp_flatten *body = add_step(turn, flatten, step);
    body->trade_id = trade->trade_id;
    body->strategy_link_id = books->links[trade->link].id;
    body->symbol = trade->symbol;
    return body;
}

/* ---- Of one trade ---- */

void sp_x_flatten_cancels(struct sp_turn *turn, const struct sp_trade_book *trade)
{
    const struct sp_books *books = &turn->x->books;
    uint32_t live = 0, asked = 0;

    if (trade->flatten != SP_FLATTEN_STEP_STARTED && trade->flatten != SP_FLATTEN_STEP_CANCELS_SENT)
        return;
    for (uint32_t i = 0; i < books->live_count; i++) {
        const struct sp_order *order = sp_books_live(books, i);
        if (!sp_trd_id_eq(order->intent.trade_id, trade->trade_id)) continue;
        if (order->intent.role == SP_LEG_ROLE_EXIT) continue;
        live++;
        if (order->state == SP_ORDER_STATE_PENDING_CANCEL) asked++;
    }
    if (live == 0) {
        add_trade_step(turn, trade, SP_FLATTEN_STEP_CANCELS_CONFIRMED);
        if (!trade->opened) add_trade_step(turn, trade, SP_FLATTEN_STEP_FLAT);
    } else if (asked == live && trade->flatten == SP_FLATTEN_STEP_STARTED) {
        struct sp_flatten *body = add_trade_step(turn, trade, SP_FLATTEN_STEP_CANCELS_SENT);
        if (body != NULL) body->orders = asked;
    }
}

void sp_x_flatten_reduces(struct sp_turn *turn, const struct sp_trade_book *trade,
                          const struct sp_order_intent *intent)
{
    sp_qty position = sp_trade_position(trade);
    struct sp_flatten *measured = add_trade_step(turn, trade, SP_FLATTEN_STEP_MEASURED);

    if (measured == NULL) return;
    measured->position = position;
    measured->qty = intent->qty;
    measured->dust.e8 = position.e8 - intent->qty.e8;
    struct sp_flatten *reducing = add_trade_step(turn, trade, SP_FLATTEN_STEP_REDUCING);
    SP_ASSERT(reducing != NULL);
    reducing->qty = intent->qty;
    reducing->client_order_id = intent->client_order_id;
}

void sp_x_flatten_closes(struct sp_turn *turn, const struct sp_trade_book *trade, sp_qty dust)
{
    struct sp_flatten *body = NULL;

    if (dust.e8 > 0) body = add_trade_step(turn, trade, SP_FLATTEN_STEP_MEASURED);
    if (body != NULL) body->position = body->dust = dust;
    body = add_trade_step(turn, trade, SP_FLATTEN_STEP_FLAT);
    if (body != NULL) body->dust = dust;
}

/* ---- Of the whole ---- */

static sp_text why_order_waits(const struct sp_turn *turn, const struct sp_order *order)
{
    const struct sp_pending *pending = sp_x_pending(turn->x, &order->intent.client_order_id);
    const char *id = order->intent.client_order_id.s;
    sp_text why = {{0}};

    if (order->state == SP_ORDER_STATE_UNKNOWN) {
        sp_text_printf(&why, "no answer about order %s yet: the venue is asked", id);
    } else if (order->state == SP_ORDER_STATE_PENDING_CANCEL && pending != NULL &&
               sp_mono_since(turn->event->now, pending->since).ns >= CANCEL_LATE_NS) {
        sp_text_printf(&why, "the cancel of order %s is not confirmed: it is repeated", id);
    }
    return why;
}

/* What it waits for beyond the ordinary; empty if for nothing. */
static sp_text why_blocked(struct sp_turn *turn, const struct sp_flatten_book *flatten)
{
    struct sp_execution *x = turn->x;
    struct sp_books *books = &x->books;
    sp_text why = {{0}};

    if (!x->venue_up) {
        sp_text_printf(&why, "no connection to the venue");
        return why;
    }
    if (turn->event->now.ns < x->venue_quiet_until.ns) {
        sp_text_printf(&why, "the venue takes no request: %.100s", x->venue_says.s);
        return why;
    }
    for (uint32_t i = 0; i < books->live_count && why.s[0] == '\0'; i++) {
        const struct sp_order *order = sp_books_live(books, i);
        const struct sp_trade_book *trade = sp_books_trade(books, order->intent.trade_id);
        if (trade != NULL && sp_flatten_of_trade(books, trade) == flatten)
            why = why_order_waits(turn, order);
    }
    for (uint32_t i = 0; i < books->trade_count && why.s[0] == '\0'; i++) {
        const struct sp_trade_book *trade = &books->trades[i];
        if (trade->closed || sp_flatten_of_trade(books, trade) != flatten) continue;
        if (sp_x_exits_in_vain(books, trade) >= SP_X_EXIT_ALARM)
            sp_text_printf(&why, "exits have no effect: tried again, later and later");
    }
    return why;
}

/* Why it cannot end flat; NULL if it can. */
static const char *why_failed(struct sp_books *books, const struct sp_flatten_book *flatten)
{
    if (flatten->resumed) return "trading was resumed before it was flat: exits go on";
    for (uint32_t i = 0; i < books->trade_count; i++) {
        const struct sp_trade_book *trade = &books->trades[i];
        if (sp_flatten_of_trade(books, trade) != flatten || trade->legs < SP_X_LEGS_MAX) continue;
        if (!sp_flatten_is_over(books, trade) &&
            sp_books_live_orders(books, trade, SP_LEG_ROLE_NONE) == 0)
            return "a trade has no order id left: a person has to close it at the venue";
    }
    return NULL;
}

void sp_x_flatten_fails(struct sp_turn *turn, const struct sp_flatten_book *flatten,
                        const char *why)
{
    struct sp_flatten *body = add_step(turn, flatten, SP_FLATTEN_STEP_FAILED);
    uint32_t flat = 0;

    body->trades = sp_flatten_trades(&turn->x->books, flatten, &flat);
    sp_text_printf(&body->reason, "%s", why);
}

static void go_on(struct sp_turn *turn, const struct sp_flatten_book *flatten)
{
    struct sp_execution *x = turn->x;
    uint32_t flat = 0, trades = sp_flatten_trades(&x->books, flatten, &flat);

    if (flatten->step == SP_FLATTEN_STEP_NONE) {
        struct sp_flatten *body = add_step(turn, flatten, SP_FLATTEN_STEP_STARTED);
        body->trades = trades;
        for (uint32_t i = 0; i < x->books.trade_count; i++) {
            const struct sp_trade_book *trade = &x->books.trades[i];
            if (sp_flatten_of_trade(&x->books, trade) == flatten)
                body->orders += sp_books_live_orders(&x->books, trade, SP_LEG_ROLE_NONE);
        }
        return;
    }
    if (flat == trades && flatten->step == SP_FLATTEN_STEP_STARTED && x->venue_up) {
        add_step(turn, flatten, SP_FLATTEN_STEP_VERIFYING)->trades = trades;
        sp_x_catch_up(turn);
        return;
    }
    if (flat == trades && flatten->step == SP_FLATTEN_STEP_VERIFYING && x->venue_up &&
        x->caught_up) {
        struct sp_flatten *body = add_step(turn, flatten, SP_FLATTEN_STEP_DONE);
        body->trades = trades;
        sp_text_printf(&body->reason, "flat: the venue knows no execution that the books lack");
        return;
    }
    const char *failed = why_failed(&x->books, flatten);
    if (failed != NULL) {
        sp_x_flatten_fails(turn, flatten, failed);
        return;
    }
    sp_text why = why_blocked(turn, flatten);
    if (why.s[0] == '\0' || strcmp(why.s, flatten->blocked.s) == 0) return;
    struct sp_flatten *body = add_step(turn, flatten, SP_FLATTEN_STEP_BLOCKED);
    body->trades = trades;
    body->reason = why;
}

void sp_x_flatten(struct sp_turn *turn)
{
    for (uint32_t i = 0; i < turn->x->books.flatten_count; i++) {
        if (!sp_turn_has_room(turn, 2)) return; /* a later tick comes back */
        go_on(turn, &turn->x->books.flattens[i]);
    }
}
