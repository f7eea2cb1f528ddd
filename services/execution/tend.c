/* Every open trade gets what it needs next: protection after its entry, an exit when one is wanted
 * or when protection has ended with a position left, its close when it is flat.
 *
 * On spot, quantity that rests in a protective pair cannot be sold a second time. So an exit first
 * cancels what rests, waits until the venue confirms (late fills are collected meanwhile), and then
 * sells what is left at market; an exit that expires unfilled is followed by the next leg, later
 * and later. The first partial fill of the target ends the stop at the venue: then the rest of the
 * target is cancelled, and a new pair protects what is left.
 */
#include "services/execution/execution_internal.h"

#include "common/planted_bug.h"

#include <ctype.h>
#include <string.h>

#define EXIT_RETRY_NS  (INT64_C(250) * 1000000)
#define EXIT_RETRY_MAX 7 /* doublings: 32 s */

static const struct sp_instrument_config *instrument_of(const struct sp_turn *turn,
                                                        const struct sp_trade_book *trade)
{
    const struct sp_instrument_config *instrument = sp_execution_rules(turn->x, &trade->symbol);

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
    /* Dust after an exit that sold nothing is closed for what the exit was wanted for. */
    const struct sp_exit_want *sell = trade->last_sell.wanted ? &trade->last_sell : &trade->exit;
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
    if (body->dust.e8 < 0) body->dust.e8 = 0; /* sold twice: the result says so */
    body->closure_reason = closure_reason(body->cause);
    struct sp_link_book link = turn->x->books.links[trade->link];
    struct sp_trade_book after = *trade;
    after.dust = body->dust;
    bool fits = sp_amt_add(link.result.realised, body->realised_pnl, &link.result.realised) &&
                sp_amt_sub(link.result.realised, trade->counted, &link.result.realised);
    SP_ASSERT(fits);
    sp_x_ledger_state(turn, &after, &link, &at);
    sp_x_flatten_closes(turn, trade, body->dust);
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

static sp_px touch_of(struct sp_turn *turn, const struct sp_trade_book *trade)
{
    struct sp_gate_view view = {0};

    sp_execution_gate_view(turn->x, &trade->symbol, turn->event->now, turn->event->market, &view);
    return sp_gate_touch(&view, SP_SIDE_SELL);
}

/* Protection has ended with a position left: by the stop, or because the venue refused it while the
 * price was beyond one of its ends. */
static struct sp_exit_want want_of_protection(struct sp_turn *turn,
                                              const struct sp_trade_book *trade)
{
    const struct sp_order *tried =
        sp_books_newest(&turn->x->books, trade, SP_LEG_ROLE_EXIT, SP_LEG_ROLE_EXIT);
    sp_px touch = touch_of(turn, trade);
    bool beyond_target = trade->target_px.e8 > 0 && touch.e8 >= trade->target_px.e8;
    struct sp_exit_want want = {.by = trade->last_ref};

    want.cause = beyond_target ? SP_CLOSE_CAUSE_TARGET : SP_CLOSE_CAUSE_STOP;
    if (tried != NULL) want.cause = tried->intent.close_cause;
    return want;
}

uint32_t sp_x_exits_in_vain(const struct sp_books *books, const struct sp_trade_book *trade)
{
    uint32_t count = 0;

    for (uint32_t i = books->order_count; i > 0; i--) {
        const struct sp_order *order = &books->orders[i - 1];
        if (!sp_trd_id_eq(order->intent.trade_id, trade->trade_id)) continue;
        if (order->intent.role != SP_LEG_ROLE_EXIT || order->filled.e8 > 0) break;
        count++;
    }
    return count;
}

static void send_exit(struct sp_turn *turn, const struct sp_trade_book *trade, sp_qty qty)
{
    struct sp_exit_want want = trade->exit;
    uint32_t vain = sp_x_exits_in_vain(&turn->x->books, trade);

    if (turn->event->now.ns < turn->x->exit_not_before[trade->link].ns) return;
    if (vain >= SP_X_EXIT_ALARM) {
        sp_x_halt_link(turn, trade->link, "exits have no effect: the venue refuses or nobody buys",
                       &trade->last_ref);
    }
    if (trade->legs >= SP_X_LEGS_MAX) return; /* the halt says so, status shows the open trade */
    if (!want.wanted) want = want_of_protection(turn, trade);
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
    sp_x_flatten_reduces(turn, trade, intent);
    uint32_t doublings = vain < EXIT_RETRY_MAX ? vain : EXIT_RETRY_MAX;
    turn->x->exit_not_before[trade->link].ns = turn->event->now.ns + (EXIT_RETRY_NS << doublings);
}

static void send_protection(struct sp_turn *turn, const struct sp_trade_book *trade, sp_qty qty)
{
    struct sp_order_intent *target = NULL, *stop = NULL;
    sp_mono *not_before = &turn->x->renew_not_before[trade->link];
    int64_t tick = instrument_of(turn, trade)->tick.e8;
    uint32_t offset = 1;

    if (trade->protected_once && turn->event->now.ns < not_before->ns) return;
    not_before->ns = turn->event->now.ns + EXIT_RETRY_NS;
    if (trade->target_px.e8 > 0) {
        target = sell_intent(turn, trade, offset++, &trade->last_ref);
        target->role = SP_LEG_ROLE_TARGET;
        target->type = SP_ORDER_TYPE_LIMIT;
        target->qty = qty;
        target->px.e8 = sp_e8_floor_to(trade->target_px.e8, tick);
        target->close_cause = SP_CLOSE_CAUSE_TARGET;
    }
    if (trade->stop_px.e8 > 0) {
        stop = sell_intent(turn, trade, offset, &trade->last_ref);
        stop->role = SP_LEG_ROLE_STOP;
        stop->type = SP_ORDER_TYPE_STOP_LOSS;
        stop->qty = qty;
        stop->stop_px.e8 = sp_e8_floor_to(trade->stop_px.e8, tick);
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

/* Whether the venue would take a sale of that much: its filters, at that price if it is known. */
static bool can_sell(const struct sp_instrument_config *instrument, sp_qty qty, sp_px px)
{
    sp_qty lots = {qty.e8 > 0 ? sp_e8_floor_to(qty.e8, instrument->step.e8) : 0};
    sp_amt value = {0};

    if (lots.e8 == 0 || lots.e8 < instrument->min_qty.e8) return false;
    if (px.e8 <= 0) return true;
    return sp_px_times_qty(px, lots, &value) && value.e8 >= instrument->min_value.e8;
}

/* None yet; or the newest never reached the venue; or it was cancelled to be renewed. */
static bool needs_protection(const struct sp_books *books, const struct sp_trade_book *trade)
{
    if (trade->stop_px.e8 <= 0 && trade->target_px.e8 <= 0) return false;
    if (!trade->protected_once) return true;
    const struct sp_order *newest =
        sp_books_newest(books, trade, SP_LEG_ROLE_TARGET, SP_LEG_ROLE_STOP);
    const struct sp_order *target =
        sp_books_newest(books, trade, SP_LEG_ROLE_TARGET, SP_LEG_ROLE_TARGET);
    if (newest == NULL) return false;
    if (target != NULL && target->state == SP_ORDER_STATE_CANCELED && target->replaced) return true;
    return newest->state == SP_ORDER_STATE_SUPPRESSED ||
           newest->state == SP_ORDER_STATE_ABSENT_PROVEN;
}

static void cancel_one(struct sp_turn *turn, const struct sp_order *order, const char *why)
{
    if (!sp_turn_has_room(turn, 2) || !sp_x_may_message(turn)) return; /* a later tick comes back */
    sp_x_order_event(turn, SP_REC_CANCEL_INTENT, order, why);
    sp_x_cancel(turn, order);
}

/* What rests and must not any longer, although no exit is wanted. */
static void cancel_outdated(struct sp_turn *turn, const struct sp_trade_book *trade)
{
    const struct sp_books *books = &turn->x->books;
    const struct sp_order *target =
        sp_books_newest(books, trade, SP_LEG_ROLE_TARGET, SP_LEG_ROLE_TARGET);
    const struct sp_order *entry =
        sp_books_newest(books, trade, SP_LEG_ROLE_ENTRY, SP_LEG_ROLE_ENTRY);
    bool rests = entry != NULL && (entry->state == SP_ORDER_STATE_OPEN ||
                                   entry->state == SP_ORDER_STATE_PARTIALLY_FILLED);

    if (rests && sp_x_cancels_entries(turn->x, trade)) {
        cancel_one(turn, entry, "the operation stops");
    } else if (rests && entry->filled.e8 > 0 && entry->intent.tif == SP_TIF_GTC) {
        cancel_one(turn, entry, "filled in part: what was bought gets its protection");
    }
    if (target == NULL || target->state != SP_ORDER_STATE_PARTIALLY_FILLED) return;
    if (trade->stop_px.e8 <= 0 || sp_books_live_orders(books, trade, SP_LEG_ROLE_STOP) > 0) return;
    if (!can_sell(instrument_of(turn, trade), sp_trade_position(trade), trade->stop_px)) return;
    cancel_one(turn, target, "filled in part, which ended its stop: protection is renewed");
}

/* Cancels what rests; one cancel ends both legs of a pair. False if something is still live. */
static bool cancel_resting(struct sp_turn *turn, const struct sp_trade_book *trade)
{
    struct sp_books *books = &turn->x->books;
    const sp_name *covered = NULL;
    bool none_live = true;

    for (uint32_t i = 0; i < books->live_count; i++) {
        const struct sp_order *order = sp_books_live(books, i);
        if (!sp_trd_id_eq(order->intent.trade_id, trade->trade_id)) continue;
        none_live = false;
        if (order->intent.role == SP_LEG_ROLE_EXIT)
            continue; /* what is wanted: it ends by itself */
        if (order->state != SP_ORDER_STATE_OPEN && order->state != SP_ORDER_STATE_PARTIALLY_FILLED)
            continue;
        if (!sp_turn_has_room(turn, 2) || !sp_x_may_message(turn)) continue;
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

static void tend_trade(struct sp_turn *turn, const struct sp_trade_book *trade)
{
    struct sp_books *books = &turn->x->books;
    const struct sp_instrument_config *instrument = instrument_of(turn, trade);
    uint32_t live = sp_books_live_orders(books, trade, SP_LEG_ROLE_NONE);

    sp_x_flatten_cancels(turn, trade);
    sp_qty position = sp_trade_position(trade);
    if (trade->opened && live == 0 && !can_sell(instrument, position, touch_of(turn, trade))) {
        close_trade(turn, trade); /* flat, or dust */
        return;
    }
    if (!turn->x->venue_up || !sp_x_may_message(turn)) return; /* a later tick goes on */
    if (!trade->exit.wanted) cancel_outdated(turn, trade);
    if (trade->exit.wanted && !cancel_resting(turn, trade)) return;
    if (live > 0 || !trade->opened) return;
    if (SP_BUG(protection_not_renewed) && trade->protected_once && !trade->exit.wanted) return;
    sp_qty qty = {sp_e8_floor_to(position.e8, instrument->step.e8)};
    if (!trade->exit.wanted && trade->legs < SP_X_LEGS_MAX && needs_protection(books, trade)) {
        send_protection(turn, trade, qty);
    } else {
        send_exit(turn, trade, qty);
    }
}

/* Runs after every event: entries that came to nothing leave many trades that need nothing. */
void sp_x_tend(struct sp_turn *turn)
{
    struct sp_books *books = &turn->x->books;

    sp_x_flatten(turn);
    for (uint32_t i = 0; i < books->live_trade_count; i++) {
        struct sp_trade_book *trade = sp_books_live_trade(books, i);
        if (trade->closed) continue;
        bool idle = !trade->opened && sp_books_live_orders(books, trade, SP_LEG_ROLE_NONE) == 0;
        if (idle && trade->flatten == SP_FLATTEN_STEP_NONE) continue;
        if (!sp_turn_has_room(turn, 8)) return; /* the next tick goes on */
        tend_trade(turn, trade);
    }
}
