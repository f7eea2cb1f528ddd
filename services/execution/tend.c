/* Every open trade gets what it needs next: protection after its entry, an exit when one is wanted
 * or when protection has ended with a position left, its close when it is flat.
 *
 * On spot, quantity that rests in a protective pair cannot be sold a second time. So an exit first
 * cancels what rests, waits until the venue confirms (late fills are collected meanwhile), and then
 * sells what is left at market; an exit that expires unfilled is followed by the next leg.
 */
#include "services/execution/execution_internal.h"

#include <ctype.h>
#include <string.h>

#define EXIT_RETRY_NS (INT64_C(250) * 1000000)
#define LEGS_MAX      990 /* client order ids count to 999 */

static const struct sp_instrument_config *instrument_of(const struct sp_turn *turn,
                                                        const struct sp_trade_book *trade)
{
    const struct sp_instrument_config *instrument =
        sp_world_instrument(turn->x->books.world, trade->symbol.s);

    SP_ASSERT(instrument != NULL);
    return instrument;
}

/* "target" for TARGET. */
static sp_name closure_reason(uint8_t cause)
{
    char text[SP_NAME_SIZE] = {0};
    const char *name = sp_enum_name(SP_ENUM_CLOSE_CAUSE, cause);
    sp_name out = {{0}};

    for (size_t i = 0; name != NULL && name[i] != '\0' && i + 1 < sizeof text; i++) {
        text[i] = (char)tolower((unsigned char)name[i]);
    }
    SP_IGNORE(!sp_name_set(&out, text)); /* enumeration names are names */
    return out;
}

static void close_trade(struct sp_turn *turn, const struct sp_trade_book *trade)
{
    const struct sp_exit_want *sell = &trade->last_sell;
    struct sp_ref at = sp_decision_next_ref(turn->decision);
    struct sp_record *record = sp_decision_add(turn->decision, SP_REC_TRADE_CLOSED,
                                               sell->wanted ? &sell->by : &trade->last_ref);
    struct sp_trade_closed *body = &record->body.trade_closed;

    sp_record_add_cause(record, &trade->last_ref);
    *body = (struct sp_trade_closed){.trade_id = trade->trade_id,
                                     .strategy_link_id = turn->x->books.links[trade->link].id,
                                     .symbol = trade->symbol,
                                     .cause = sell->wanted ? sell->cause : SP_CLOSE_CAUSE_EXTERNAL,
                                     .opportunity_ids = trade->opportunity_ids,
                                     .threat_ids = sell->threat_ids,
                                     .scheduled_id = sell->scheduled_id,
                                     .command_id = sell->command_id,
                                     .opened = trade->opened_at,
                                     .closed = turn->decision->time,
                                     .qty = trade->bought_qty,
                                     .bought = trade->bought,
                                     .sold = trade->sold,
                                     .fees = trade->fees,
                                     .realised_pnl = sp_trade_pnl(trade),
                                     .dust = sp_trade_position(trade)};
    body->closure_reason = closure_reason(body->cause);
    struct sp_link_book link = turn->x->books.links[trade->link];
    struct sp_trade_book after = *trade;
    after.dust = body->dust;
    bool fits = sp_amt_add(link.realised_pnl, body->realised_pnl, &link.realised_pnl);
    SP_ASSERT(fits);
    sp_x_ledger_state(turn, &after, &link, &at);
}

/* Intent of a selling order of this trade. */
static struct sp_order_intent *sell_intent(struct sp_turn *turn, const struct sp_trade_book *trade,
                                           uint32_t leg_offset, const struct sp_ref *cause)
{
    struct sp_record *record = sp_decision_add(turn->decision, SP_REC_ORDER_INTENT, cause);
    struct sp_order_intent *intent = &record->body.order_intent;

    sp_x_fill_intent(turn, trade, leg_offset, intent);
    intent->side = SP_SIDE_SELL;
    intent->tif = SP_TIF_GTC;
    intent->plan_stop_px = trade->stop_px;
    intent->plan_target_px = trade->target_px;
    return intent;
}

static void send_exit(struct sp_turn *turn, const struct sp_trade_book *trade, sp_qty qty)
{
    struct sp_exit_want want = trade->exit;

    if (turn->event->now.ns < turn->x->exit_not_before[trade->link].ns) return;
    if (trade->legs >= LEGS_MAX) return; /* status shows an open trade with an exit wanted */
    if (!want.wanted) {
        want = trade->last_sell;
        if (!want.wanted) want = (struct sp_exit_want){.cause = SP_CLOSE_CAUSE_STOP};
        want.by = trade->last_ref;
    }
    struct sp_order_intent *intent = sell_intent(turn, trade, 1, &want.by);
    intent->role = SP_LEG_ROLE_EXIT;
    intent->type = SP_ORDER_TYPE_MARKET;
    intent->tif = SP_TIF_IOC;
    intent->qty = qty;
    intent->close_cause = want.cause;
    intent->threat_ids = want.threat_ids;
    intent->scheduled_id = want.scheduled_id;
    intent->command_id = want.command_id;
    sp_x_send(turn, intent);
    turn->x->exit_not_before[trade->link] = (sp_mono){turn->event->now.ns + EXIT_RETRY_NS};
}

static void send_protection(struct sp_turn *turn, const struct sp_trade_book *trade, sp_qty qty)
{
    struct sp_order_intent *target = NULL, *stop = NULL;
    uint32_t offset = 1;

    if (trade->target_px.e8 > 0) {
        target = sell_intent(turn, trade, offset++, &trade->last_ref);
        target->role = SP_LEG_ROLE_TARGET;
        target->type = SP_ORDER_TYPE_LIMIT;
        target->qty = qty;
        target->px = trade->target_px;
        target->close_cause = SP_CLOSE_CAUSE_TARGET;
    }
    if (trade->stop_px.e8 > 0) {
        stop = sell_intent(turn, trade, offset, &trade->last_ref);
        stop->role = SP_LEG_ROLE_STOP;
        stop->type = SP_ORDER_TYPE_STOP_LOSS;
        stop->qty = qty;
        stop->stop_px = trade->stop_px;
        stop->close_cause = SP_CLOSE_CAUSE_STOP;
    }
    if (target == NULL || stop == NULL) {
        sp_x_send(turn, target != NULL ? target : stop);
        return;
    }
    target->pair = stop->client_order_id;
    stop->pair = target->client_order_id;
    struct sp_venue_order *order = sp_x_send(turn, target);
    order->pair_client_order_id = stop->client_order_id;
    order->pair_stop_px = stop->stop_px;
    struct sp_pending *pending = sp_x_pending_take(turn->x, &stop->client_order_id);
    if (pending != NULL) {
        pending->request_id = order->request_id;
        pending->since = turn->event->now;
    }
}

/* Cancels what rests; one cancel ends both legs of a pair. False if something is still live. */
static bool cancel_resting(struct sp_turn *turn, const struct sp_trade_book *trade)
{
    struct sp_books *books = &turn->x->books;
    const sp_name *covered = NULL;
    bool none_live = true;

    for (uint32_t i = 0; i < books->order_count; i++) {
        const struct sp_order *order = &books->orders[i];
        if (!sp_trd_id_eq(order->intent.trade_id, trade->trade_id)) continue;
        if (!sp_order_is_live(order->state)) continue;
        none_live = false;
        if (order->state != SP_ORDER_STATE_OPEN && order->state != SP_ORDER_STATE_PARTIALLY_FILLED)
            continue;
        if (!sp_turn_has_room(turn, 2)) continue;
        struct sp_order_event *body =
            sp_x_order_event(turn, SP_REC_CANCEL_INTENT, order, "an exit of the trade is wanted");
        body->command_id = trade->exit.command_id;
        if (covered == NULL || !sp_name_eq(covered, &order->intent.client_order_id)) {
            sp_x_cancel(turn, order);
            covered = &order->intent.pair;
        }
    }
    return none_live;
}

static bool is_dust(const struct sp_trade_book *trade,
                    const struct sp_instrument_config *instrument)
{
    return sp_trade_position(trade).e8 < instrument->step.e8;
}

static void tend_trade(struct sp_turn *turn, const struct sp_trade_book *trade)
{
    struct sp_books *books = &turn->x->books;
    const struct sp_instrument_config *instrument = instrument_of(turn, trade);
    uint32_t live = sp_books_live_orders(books, trade, SP_LEG_ROLE_NONE);

    if (trade->opened && live == 0 && is_dust(trade, instrument)) {
        close_trade(turn, trade);
        return;
    }
    if (!turn->x->venue_up) return;
    if (trade->exit.wanted && !cancel_resting(turn, trade)) return;
    if (live > 0 || !trade->opened) return;
    sp_qty qty = {sp_e8_floor_to(sp_trade_position(trade).e8, instrument->step.e8)};
    bool can_protect = trade->stop_px.e8 > 0 || trade->target_px.e8 > 0;
    if (!trade->exit.wanted && !trade->protected_once && can_protect) {
        send_protection(turn, trade, qty);
    } else {
        send_exit(turn, trade, qty);
    }
}

void sp_x_tend(struct sp_turn *turn)
{
    struct sp_books *books = &turn->x->books;

    for (uint32_t i = 0; i < books->trade_count; i++) {
        if (books->trades[i].closed) continue;
        if (!sp_turn_has_room(turn, 8)) return; /* the next tick goes on */
        tend_trade(turn, &books->trades[i]);
    }
}
