#include "services/execution/execution_internal.h"

#include "common/planted_bug.h"

#include <stdio.h>
#include <string.h>

sp_name sp_execution_client_order_id(const char *installation, sp_trd_id trade_id, uint32_t leg)
{
    char code[5], id[SP_ID_TEXT_SIZE], text[SP_NAME_SIZE];
    sp_name name = {{0}};

    SP_ASSERT(leg > 0 && leg < 1000);
    snprintf(text, sizeof text, "s%s%s%03u", sp_id_installation_code(installation, code),
             sp_id_digits(trade_id.raw, id), leg);
    bool fits = sp_name_set(&name, text);
    SP_ASSERT(fits);
    return name;
}

void sp_x_fill_intent(struct sp_turn *turn, const struct sp_trade_book *trade, uint32_t leg_offset,
                      struct sp_order_intent *intent)
{
    intent->order_id.raw = sp_decision_mint(turn->decision, SP_ID_ORD);
    intent->plan_id = trade->plan_id;
    intent->trade_id = trade->trade_id;
    intent->strategy_link_id = turn->x->books.links[trade->link].id;
    intent->symbol = trade->symbol;
    intent->leg = SP_BUG(leg_not_counted) ? leg_offset : trade->legs + leg_offset;
    intent->client_order_id =
        sp_execution_client_order_id(turn->decision->installation, trade->trade_id, intent->leg);
    intent->open_cause = trade->open_cause;
    intent->opportunity_ids = trade->opportunity_ids;
}

static void count_message(struct sp_turn *turn, const struct sp_order_intent *intent)
{
    const struct sp_world_config *world = turn->x->books.world;
    struct sp_message_log *log = &turn->x->messages;
    uint32_t link = 0;

    sp_message_note(&log->all, turn->event->now);
    for (uint32_t i = 0; i < world->instrument_count; i++) {
        if (sp_name_eq(&world->instruments[i].symbol, &intent->symbol))
            sp_message_note(&log->instruments[i], turn->event->now);
    }
    if (sp_books_link(&turn->x->books, &intent->strategy_link_id, &link) != NULL)
        sp_message_note(&log->links[link], turn->event->now);
}

bool sp_x_may_message(const struct sp_turn *turn)
{
    const struct sp_risk_config *risk = &turn->x->books.config->risk;

    if (turn->event->now.ns < turn->x->venue_quiet_until.ns) return false;
    return risk->messages_max == 0 ||
           sp_message_count(&turn->x->messages.all, risk, turn->event->now) < risk->messages_max;
}

struct sp_venue_order *sp_x_send(struct sp_turn *turn, const struct sp_order_intent *intent)
{
    struct sp_effect *effect = sp_decision_effect(turn->decision, SP_XE_SEND);
    struct sp_pending *pending = sp_x_pending_take(turn->x, &intent->client_order_id);
    struct sp_venue_order *order = &effect->message.body.venue_order;

    count_message(turn, intent);
    effect->message.kind = SP_REC_VENUE_ORDER;
    effect->message.time = turn->decision->time;
    *order = (struct sp_venue_order){.request_id = ++turn->x->last_request_id,
                                     .client_order_id = intent->client_order_id,
                                     .symbol = intent->symbol,
                                     .side = intent->side,
                                     .type = intent->type,
                                     .tif = intent->tif,
                                     .qty = intent->qty,
                                     .px = intent->px,
                                     .stop_px = intent->stop_px};
    if (pending != NULL) {
        pending->request_id = order->request_id;
        pending->since = turn->event->now;
        pending->is_question = false;
    }
    return order;
}

void sp_x_cancel(struct sp_turn *turn, const struct sp_order *order)
{
    struct sp_effect *effect = sp_decision_effect(turn->decision, SP_XE_CANCEL);

    count_message(turn, &order->intent);
    effect->message.kind = SP_REC_VENUE_CANCEL;
    effect->message.time = turn->decision->time;
    effect->message.body.venue_cancel =
        (struct sp_venue_cancel){.request_id = ++turn->x->last_request_id,
                                 .client_order_id = order->intent.client_order_id,
                                 .symbol = order->intent.symbol};
}

struct sp_order_event *sp_x_order_event(struct sp_turn *turn, enum sp_kind kind,
                                        const struct sp_order *order, const char *reason)
{
    struct sp_record *record = sp_decision_add(turn->decision, kind, &order->intent_ref);
    struct sp_order_event *body = &record->body.order_event;
    int64_t tick = order->intent.tick_received.ns;

    body->order_id = order->intent.order_id;
    body->client_order_id = order->intent.client_order_id;
    body->trade_id = order->intent.trade_id;
    body->strategy_link_id = order->intent.strategy_link_id;
    body->venue_order_id = order->venue_order_id;
    body->filled_qty = order->filled;
    if (tick != 0 && turn->event->now.ns > tick) {
        body->since_tick = (sp_dur){turn->event->now.ns - tick};
    }
    sp_text_printf(&body->reason, "%s", reason);
    return body;
}

void sp_x_ledger_state(struct sp_turn *turn, const struct sp_trade_book *trade,
                       const struct sp_link_book *link, const struct sp_ref *cause)
{
    struct sp_record *record = sp_decision_add(turn->decision, SP_REC_LEDGER_STATE_CHANGED, cause);
    struct sp_ledger_state *body = &record->body.ledger_state;

    body->strategy_link_id = link->id;
    body->symbol = trade->symbol;
    body->position = sp_trade_position(trade);
    if (body->position.e8 < 0) body->position.e8 = 0; /* sold twice: cash and balances say so */
    if (body->position.e8 > 0) body->cost = (sp_amt){trade->bought.e8 - trade->sold.e8};
    body->cash = link->cash;
    body->realised_pnl = link->result.realised;
    body->fees = link->fees;
    body->trade_id = trade->trade_id;
}

struct sp_pending *sp_x_pending(struct sp_execution *x, const sp_name *client_order_id)
{
    for (uint32_t i = 0; i < SP_PENDING_MAX; i++) {
        if (sp_name_eq(&x->pending[i].client_order_id, client_order_id)) return &x->pending[i];
    }
    return NULL;
}

struct sp_pending *sp_x_pending_take(struct sp_execution *x, const sp_name *client_order_id)
{
    sp_name nobody = {{0}};
    struct sp_pending *pending = sp_x_pending(x, client_order_id);

    if (pending == NULL) pending = sp_x_pending(x, &nobody);
    if (pending == NULL) return NULL;
    *pending = (struct sp_pending){.client_order_id = *client_order_id};
    return pending;
}

/* `why` has cause, reason and next step. */
static void halt_link(struct sp_turn *turn, uint32_t link, const struct sp_trading_state *why,
                      const struct sp_ref *cause)
{
    const struct sp_books *books = &turn->x->books;
    const struct sp_link_book *of = &books->links[link];
    char scope[SP_NAME_SIZE + 16];
    sp_name name = {{0}};

    snprintf(scope, sizeof scope, "strategy.%s", of->id.s);
    if (!sp_name_set(&name, scope)) name = sp_name_of("all");
    for (uint32_t i = 0; i < books->scope_count; i++) {
        const struct sp_scope_book *known = &books->scopes[i];
        if (known->halted && sp_name_eq(&known->scope, &name) &&
            strcmp(known->reason.s, why->reason.s) == 0)
            return;
    }
    struct sp_record *record = sp_decision_add(turn->decision, SP_REC_TRADING_HALTED, cause);
    struct sp_trading_state *body = &record->body.trading_state;
    *body = *why;
    body->scope = name;
    body->strategy_link_id = of->id;
    body->trading = SP_TRADING_REDUCE_ONLY;
    sp_text_printf(&body->next_step, "%s, then spoor resume --scope %s", why->next_step.s, name.s);
}

void sp_x_halt_link(struct sp_turn *turn, uint32_t link, const char *reason,
                    const struct sp_ref *cause)
{
    struct sp_trading_state why = {.cause = SP_HALT_CAUSE_RECONCILIATION};

    sp_text_printf(&why.reason, "%s", reason);
    sp_text_printf(&why.next_step, "look at the venue");
    halt_link(turn, link, &why, cause);
}

void sp_x_latch_link(struct sp_turn *turn, uint32_t link, const char *reason,
                     const struct sp_ref *cause)
{
    struct sp_trading_state why = {.cause = SP_HALT_CAUSE_LIMIT};

    sp_text_printf(&why.reason, "fires too often: %s", reason);
    sp_text_printf(&why.next_step, "look at the strategy");
    halt_link(turn, link, &why, cause);
}

void sp_x_late(struct sp_turn *turn, const struct sp_order *order, const char *what,
               const struct sp_ref *cause)
{
    const struct sp_trade_book *trade = sp_books_trade(&turn->x->books, order->intent.trade_id);
    bool was_none = order->state == SP_ORDER_STATE_ABSENT_PROVEN ||
                    order->state == SP_ORDER_STATE_REJECTED ||
                    order->state == SP_ORDER_STATE_SUPPRESSED;
    sp_text reason = {{0}};

    if (trade == NULL || !sp_order_is_terminal(order->state)) return;
    if (!was_none && !trade->closed) return; /* a fill beside a cancel is every day's race */
    sp_text_printf(&reason, "%s %s after it was %s%s", what, order->intent.client_order_id.s,
                   sp_enum_name(SP_ENUM_ORDER_STATE, (uint8_t)order->state),
                   trade->closed ? " and its trade was closed" : "");
    sp_x_halt_link(turn, trade->link, reason.s, cause);
    if (!trade->closed || trade->exit.wanted) return;
    struct sp_id plan = sp_decision_mint(turn->decision, SP_ID_PLN);
    struct sp_record *record = sp_decision_add(turn->decision, SP_REC_PLAN_ACCEPTED, cause);
    record->body.plan_answer =
        (struct sp_plan_answer){.plan_id = {plan},
                                .trade_id = trade->trade_id,
                                .strategy_link_id = turn->x->books.links[trade->link].id,
                                .action = SP_PLAN_ACTION_CLOSE,
                                .close_cause = SP_CLOSE_CAUSE_RECONCILIATION};
    record->body.plan_answer.reason = reason;
}

static void add_opened(struct sp_turn *turn, const struct sp_trade_book *trade,
                       const struct sp_fill *fill, const struct sp_ref *cause)
{
    struct sp_record *record = sp_decision_add(turn->decision, SP_REC_TRADE_OPENED, cause);

    record->body.trade_opened = (struct sp_trade_opened){.trade_id = trade->trade_id,
                                                         .strategy_link_id = fill->strategy_link_id,
                                                         .symbol = trade->symbol,
                                                         .side = fill->side,
                                                         .cause = trade->open_cause,
                                                         .opportunity_ids = trade->opportunity_ids,
                                                         .plan_id = trade->plan_id,
                                                         .px = fill->px,
                                                         .qty = fill->qty};
}

bool sp_x_fill_is_possible(const struct sp_order *order, const struct sp_fill_view *view)
{
    sp_amt value = {0};
    int64_t left = order->intent.qty.e8 - order->filled.e8;

    return view->side == order->intent.side && sp_name_eq(&view->symbol, &order->intent.symbol) &&
           view->px.e8 > 0 && view->qty.e8 > 0 && view->qty.e8 <= left &&
           sp_px_times_qty(view->px, view->qty, &value) &&
           (view->fee.e8 == 0 || view->fee_asset.s[0] != '\0');
}

/* What an execution must not be known by: see SP_BUG(deduped_by_price). */
static bool is_like_another(const struct sp_books *books, const struct sp_fill_view *view)
{
    for (uint32_t i = 0; i < books->fill_count; i++) {
        const struct sp_fill *fill = &books->fills[i].fill;
        if (sp_name_eq(&fill->symbol, &view->symbol) && fill->px.e8 == view->px.e8) return true;
    }
    return false;
}

void sp_x_book_fill(struct sp_turn *turn, const struct sp_fill_view *view,
                    const struct sp_ref *cause, sp_rec_id reconciliation_id)
{
    struct sp_execution *x = turn->x;
    struct sp_order *order = sp_books_order(&x->books, &view->client_order_id);

    if (order == NULL) return; /* not ours: reconciliation names it */
    bool known = sp_books_has_fill(&x->books, &view->symbol, view->venue_trade_id);
    if (SP_BUG(fill_not_deduped)) known = false;
    if (SP_BUG(deduped_by_price) && is_like_another(&x->books, view)) known = true;
    if (known) {
        x->duplicates++;
        return;
    }
    struct sp_trade_book *trade = sp_books_trade(&x->books, order->intent.trade_id);
    const struct sp_instrument_config *instrument =
        sp_world_instrument(x->books.world, view->symbol.s);
    SP_ASSERT(trade != NULL);
    if (instrument == NULL || !sp_x_fill_is_possible(order, view)) {
        sp_text reason = {{0}};
        sp_text_printf(&reason, "execution %" PRIu64 " cannot be of order %s: not booked",
                       view->venue_trade_id, view->client_order_id.s);
        sp_x_halt_link(turn, trade->link, reason.s, &order->intent_ref);
        return;
    }

    struct sp_ref at = sp_decision_next_ref(turn->decision);
    struct sp_record *record =
        sp_decision_add(turn->decision, SP_REC_FILL, cause != NULL ? cause : &order->intent_ref);
    struct sp_fill *fill = &record->body.fill;
    *fill = (struct sp_fill){.order_id = order->intent.order_id,
                             .client_order_id = view->client_order_id,
                             .trade_id = trade->trade_id,
                             .strategy_link_id = order->intent.strategy_link_id,
                             .venue = x->books.world->venue,
                             .symbol = view->symbol,
                             .venue_trade_id = view->venue_trade_id,
                             .side = view->side,
                             .px = view->px,
                             .qty = view->qty,
                             .fee = view->fee,
                             .fee_asset = view->fee_asset,
                             .liquidity = view->liquidity != SP_LIQUIDITY_NONE
                                              ? view->liquidity
                                              : (uint8_t)SP_LIQUIDITY_TAKER,
                             .venue_time = view->venue_time,
                             .reconciliation_id = reconciliation_id};
    if (order->intent.tick_received.ns != 0 && turn->event->now.ns > 0) {
        fill->since_tick = sp_mono_since(turn->event->now, order->intent.tick_received);
    }
    struct sp_trade_book after = *trade;
    struct sp_link_book link = x->books.links[trade->link];
    sp_trade_fold_fill(&after, &link, instrument, fill);
    if (SP_BUG(booked_before_kept))
        sp_trade_fold_fill(trade, &x->books.links[trade->link], instrument, fill);
    if (!trade->opened) add_opened(turn, trade, fill, &at);
    sp_x_ledger_state(turn, &after, &link, &at);
    sp_x_late(turn, order, "the venue executed order", &at);
    x->fills++;
}
