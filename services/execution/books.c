#include "services/execution/books.h"

#include "common/planted_bug.h"
#include "services/execution/books_table.h"
#include "services/execution/flatten_book.h"

#include <string.h>

void sp_books_init(struct sp_books *books, const struct sp_config *config)
{
    memset(books, 0, sizeof *books);
    books->config = config;
    books->world = sp_config_world(config);
    books->breaker = SP_BREAKER_CLOSED;
    for (uint32_t i = 0; i < config->link_count; i++) {
        struct sp_link_book *link = &books->links[books->link_count++];
        link->id = config->links[i].id;
        link->capital = config->links[i].capital;
        link->cash = link->capital;
    }
    for (uint32_t i = 0; i < books->world->instrument_count; i++)
        books->instruments[books->instrument_count++].symbol = books->world->instruments[i].symbol;
    for (uint32_t i = 0; i < books->world->balance_count; i++) {
        books->assets[books->asset_count++] =
            (struct sp_asset_book){.asset = books->world->balances[i].asset,
                                   .amount = books->world->balances[i].amount};
    }
}

/* ---- Looking up ---- */

struct sp_order *sp_books_order(struct sp_books *books, const sp_name *client_order_id)
{
    for (uint32_t i = books->order_count; i > 0; i--) {
        struct sp_order *order = &books->orders[i - 1];
        if (sp_name_eq(&order->intent.client_order_id, client_order_id)) return order;
    }
    return NULL;
}

struct sp_trade_book *sp_books_trade(struct sp_books *books, sp_trd_id trade_id)
{
    for (uint32_t i = books->trade_count; i > 0; i--) {
        if (sp_trd_id_eq(books->trades[i - 1].trade_id, trade_id)) return &books->trades[i - 1];
    }
    return NULL;
}

struct sp_trade_book *sp_books_open_trade(struct sp_books *books, uint32_t link)
{
    for (uint32_t i = books->live_trade_count; i > 0; i--) {
        struct sp_trade_book *trade = sp_books_live_trade(books, i - 1);
        if (trade->link != link || trade->closed) continue;
        if (trade->opened || sp_books_live_orders(books, trade, SP_LEG_ROLE_NONE) > 0) return trade;
    }
    return NULL;
}

struct sp_link_book *sp_books_link(struct sp_books *books, const sp_name *id, uint32_t *index)
{
    for (uint32_t i = 0; i < books->link_count; i++) {
        if (!sp_name_eq(&books->links[i].id, id)) continue;
        if (index != NULL) *index = i;
        return &books->links[i];
    }
    return NULL;
}

bool sp_books_scope_covers(const sp_name *scope, const sp_name *link)
{
    if (sp_name_is(scope, "all") || sp_name_is(scope, "disk")) return true;
    return strncmp(scope->s, "strategy.", 9) == 0 && strcmp(scope->s + 9, link->s) == 0;
}

const struct sp_scope_book *sp_books_halt_of(const struct sp_books *books, const sp_name *link)
{
    for (uint32_t i = 0; i < books->scope_count; i++) {
        const struct sp_scope_book *scope = &books->scopes[i];
        if (scope->halted && sp_books_scope_covers(&scope->scope, link)) return scope;
    }
    return NULL;
}

const struct sp_scope_book *sp_books_disk_halt(const struct sp_books *books)
{
    for (uint32_t i = 0; i < books->scope_count; i++) {
        const struct sp_scope_book *scope = &books->scopes[i];
        if (scope->halted && scope->cause == SP_HALT_CAUSE_STORAGE) return scope;
    }
    return NULL;
}

sp_amt sp_books_held(const struct sp_books *books, const sp_name *asset)
{
    for (uint32_t i = 0; i < books->asset_count; i++) {
        if (sp_name_eq(&books->assets[i].asset, asset)) return books->assets[i].amount;
    }
    return (sp_amt){0};
}

bool sp_books_has_fill(const struct sp_books *books, const sp_name *symbol, uint64_t trade_id)
{
    for (uint32_t i = 0; i < books->fill_count; i++) {
        const struct sp_fill *fill = &books->fills[i].fill;
        if (fill->venue_trade_id == trade_id && sp_name_eq(&fill->symbol, symbol)) return true;
    }
    return false;
}

bool sp_books_has_plan(const struct sp_books *books, sp_pln_id plan_id)
{
    for (uint32_t i = 0; i < books->plan_count; i++) {
        if (sp_pln_id_eq(books->plans[i], plan_id)) return true;
    }
    return false;
}

bool sp_books_has_command(const struct sp_books *books, sp_cmd_id command_id)
{
    for (uint32_t i = 0; i < books->command_count; i++) {
        if (sp_cmd_id_eq(books->commands[i], command_id)) return true;
    }
    return false;
}

sp_qty sp_trade_position(const struct sp_trade_book *trade)
{
    return (sp_qty){trade->bought_qty.e8 - trade->sold_qty.e8 - trade->fee_qty.e8 - trade->dust.e8};
}

sp_amt sp_trade_pnl(const struct sp_trade_book *trade)
{
    return (sp_amt){trade->sold.e8 - trade->bought.e8 - trade->fees.e8};
}

uint32_t sp_books_live_orders(const struct sp_books *books, const struct sp_trade_book *trade,
                              enum sp_leg_role role)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < books->live_count; i++) {
        const struct sp_order *order = sp_books_live(books, i);
        if (!sp_trd_id_eq(order->intent.trade_id, trade->trade_id)) continue;
        if (role == SP_LEG_ROLE_NONE || order->intent.role == role) count++;
    }
    return count;
}

const struct sp_order *sp_books_newest(const struct sp_books *books,
                                       const struct sp_trade_book *trade, enum sp_leg_role first,
                                       enum sp_leg_role last)
{
    for (uint32_t i = books->order_count; i > 0; i--) {
        const struct sp_order *order = &books->orders[i - 1];
        if (!sp_trd_id_eq(order->intent.trade_id, trade->trade_id)) continue;
        if (order->intent.role >= first && order->intent.role <= last) return order;
    }
    return NULL;
}

uint32_t sp_books_in_flight(const struct sp_books *books)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < books->live_count; i++) {
        if (sp_order_is_in_flight(sp_books_live(books, i)->state)) count++;
    }
    return count;
}

/* ---- Money ---- */

static void must(bool exact)
{
    SP_ASSERT(exact); /* amounts were checked against the table's range when they were decoded */
}

static void add_to_asset(struct sp_books *books, const sp_name *asset, int64_t delta_e8)
{
    for (uint32_t i = 0; i < books->asset_count; i++) {
        if (!sp_name_eq(&books->assets[i].asset, asset)) continue;
        must(sp_amt_add(books->assets[i].amount, (sp_amt){delta_e8}, &books->assets[i].amount));
        return;
    }
    SP_ASSERT(books->asset_count < SP_ASSETS_MAX);
    books->assets[books->asset_count++] =
        (struct sp_asset_book){.asset = *asset, .amount = {delta_e8}};
}

void sp_trade_fold_fill(struct sp_trade_book *trade, struct sp_link_book *link,
                        const struct sp_instrument_config *instrument, const struct sp_fill *fill)
{
    sp_amt value = {0};
    bool buys = fill->side == SP_SIDE_BUY;

    must(sp_px_times_qty(fill->px, fill->qty, &value));
    if (buys) {
        must(sp_qty_add(trade->bought_qty, fill->qty, &trade->bought_qty));
        must(sp_amt_add(trade->bought, value, &trade->bought));
        must(sp_amt_sub(link->cash, value, &link->cash));
    } else {
        must(sp_qty_add(trade->sold_qty, fill->qty, &trade->sold_qty));
        must(sp_amt_add(trade->sold, value, &trade->sold));
        must(sp_amt_add(link->cash, value, &link->cash));
    }
    if (sp_name_eq(&fill->fee_asset, &instrument->quote)) {
        must(sp_amt_add(trade->fees, fill->fee, &trade->fees));
        must(sp_amt_add(link->fees, fill->fee, &link->fees));
        must(sp_amt_sub(link->cash, fill->fee, &link->cash));
    } else if (sp_name_eq(&fill->fee_asset, &instrument->base)) {
        must(sp_qty_add(trade->fee_qty, (sp_qty){fill->fee.e8}, &trade->fee_qty));
    }
}

static void move_balances(struct sp_books *books, const struct sp_instrument_config *instrument,
                          const struct sp_fill *fill)
{
    sp_amt value = {0};
    int64_t sign = fill->side == SP_SIDE_BUY ? 1 : -1;

    must(sp_px_times_qty(fill->px, fill->qty, &value));
    add_to_asset(books, &instrument->base, sign * fill->qty.e8);
    add_to_asset(books, &instrument->quote, -sign * value.e8);
    if (fill->fee.e8 != 0 && !SP_BUG(fee_forgotten))
        add_to_asset(books, &fill->fee_asset, -fill->fee.e8);
}

/* ---- Folding ---- */

/* What remains of it is no longer dust, but a position to be managed. */
static void open_again(struct sp_trade_book *trade)
{
    if (!trade->closed) return;
    trade->closed = false;
    trade->dust = (sp_qty){0};
}

static void step(struct sp_books *books, struct sp_order *order, enum sp_order_event_type event)
{
    struct sp_order_step next = sp_order_step(order->state, event);
    struct sp_trade_book *trade = sp_books_trade(books, order->intent.trade_id);

    if (trade != NULL && sp_order_is_live(next.next)) open_again(trade);

    if (next.effect == SP_OX_IMPOSSIBLE) {
        books->incidents++;
        return;
    }
    sp_books_set_state(books, order, next.next);
}

static void fold_intent(struct sp_books *books, const struct sp_record *record)
{
    const struct sp_order_intent *intent = &record->body.order_intent;
    struct sp_trade_book *trade = sp_books_trade(books, intent->trade_id);

    if (trade == NULL) {
        sp_books_room_for_trade(books);
        trade = &books->trades[books->trade_count++];
        *trade = (struct sp_trade_book){.trade_id = intent->trade_id,
                                        .plan_id = intent->plan_id,
                                        .symbol = intent->symbol,
                                        .open_cause = intent->open_cause,
                                        .opportunity_ids = intent->opportunity_ids,
                                        .stop_px = intent->plan_stop_px,
                                        .target_px = intent->plan_target_px};
        if (sp_books_link(books, &intent->strategy_link_id, &trade->link) == NULL)
            trade->link = sp_books_retired_link(books, &intent->strategy_link_id);
    }
    if (intent->leg > trade->legs) trade->legs = intent->leg;
    if (intent->role == SP_LEG_ROLE_TARGET || intent->role == SP_LEG_ROLE_STOP) {
        trade->protected_once = true;
    }
    trade->last_ref = sp_record_ref(record);
    sp_books_room_for_order(books);
    struct sp_order *order = &books->orders[books->order_count++];
    *order = (struct sp_order){.intent = *intent,
                               .intent_ref = sp_record_ref(record),
                               .state = SP_ORDER_STATE_NEW};
    step(books, order, SP_OE_INTENT);
    sp_results_entry(books, intent, record->time);
    books->version = record->seq;
}

static void fold_order_event(struct sp_books *books, const struct sp_record *record,
                             enum sp_order_event_type event)
{
    const struct sp_order_event *body = &record->body.order_event;
    struct sp_order *order = sp_books_order(books, &body->client_order_id);

    if (order == NULL) return;
    step(books, order, event);
    if (body->venue_order_id != 0) order->venue_order_id = body->venue_order_id;
    if (body->reason.s[0] != '\0') order->reason = body->reason;
    struct sp_trade_book *trade = sp_books_trade(books, order->intent.trade_id);
    if (event == SP_OE_CANCEL_REQ) order->replaced = trade != NULL && !trade->exit.wanted;
    if (trade != NULL) trade->last_ref = sp_record_ref(record);
    books->version = record->seq;
}

static void fold_fill(struct sp_books *books, const struct sp_record *record)
{
    const struct sp_fill *fill = &record->body.fill;
    struct sp_order *order = sp_books_order(books, &fill->client_order_id);
    struct sp_trade_book *trade = sp_books_trade(books, fill->trade_id);
    const struct sp_instrument_config *instrument =
        sp_world_instrument(books->world, fill->symbol.s);

    if (sp_books_has_fill(books, &fill->symbol, fill->venue_trade_id)) return;
    SP_ASSERT(instrument != NULL && trade != NULL);
    open_again(trade);
    if (order != NULL) {
        must(sp_qty_add(order->filled, fill->qty, &order->filled));
        bool last = order->filled.e8 >= order->intent.qty.e8;
        step(books, order, last ? SP_OE_FILL_LAST : SP_OE_FILL);
    }
    sp_trade_fold_fill(trade, &books->links[trade->link], instrument, fill);
    sp_books_note_trade(books, trade);
    trade->last_ref = sp_record_ref(record);
    if (fill->side == SP_SIDE_SELL && order != NULL) {
        trade->last_sell = (struct sp_exit_want){.wanted = true,
                                                 .cause = order->intent.close_cause,
                                                 .threat_ids = order->intent.threat_ids,
                                                 .scheduled_id = order->intent.scheduled_id,
                                                 .command_id = order->intent.command_id,
                                                 .by = trade->last_ref};
    }
    move_balances(books, instrument, fill);
    books->fills[books->fill_total++ % SP_FILLS_MAX] = (struct sp_fill_book){.fill = *fill};
    if (books->fill_count < SP_FILLS_MAX) books->fill_count++;
    for (uint32_t i = 0; i < books->instrument_count; i++) {
        struct sp_instrument_book *book = &books->instruments[i];
        bool newer = fill->venue_trade_id > book->newest_trade_id;
        if (newer && sp_name_eq(&book->symbol, &fill->symbol))
            book->newest_trade_id = fill->venue_trade_id;
    }
    books->version = record->seq;
}

static void fold_trade_opened(struct sp_books *books, const struct sp_record *record)
{
    struct sp_trade_book *trade = sp_books_trade(books, record->body.trade_opened.trade_id);

    SP_ASSERT(trade != NULL);
    trade->opened = true;
    trade->opened_at = record->time;
    trade->opened_ref = sp_record_ref(record);
    trade->last_ref = trade->opened_ref;
    sp_books_note_trade(books, trade);
}

static void fold_trade_closed(struct sp_books *books, const struct sp_record *record)
{
    const struct sp_trade_closed *body = &record->body.trade_closed;
    struct sp_trade_book *trade = sp_books_trade(books, body->trade_id);

    SP_ASSERT(trade != NULL);
    trade->closed = true;
    trade->closed_at = record->time;
    trade->dust = body->dust;
    trade->last_ref = sp_record_ref(record);
    SP_ASSERT(sp_trade_pnl(trade).e8 == body->realised_pnl.e8);
    sp_amt gain = {0}; /* all of it, or what late truth added since it was closed before */
    must(sp_amt_sub(body->realised_pnl, trade->counted, &gain));
    trade->counted = body->realised_pnl;

    sp_results_gain(books, trade, gain, record->time);
    sp_books_note_trade(books, trade);
    books->version = record->seq;
}

static void fold_plan_answer(struct sp_books *books, const struct sp_record *record)
{
    const struct sp_plan_answer *body = &record->body.plan_answer;

    books->plans[books->plan_total++ % SP_PLANS_MAX] = body->plan_id;
    if (books->plan_count < SP_PLANS_MAX) books->plan_count++;
    if (record->kind != SP_REC_PLAN_ACCEPTED || body->action != SP_PLAN_ACTION_CLOSE) return;
    struct sp_trade_book *trade = sp_books_trade(books, body->trade_id);
    if (trade == NULL || trade->exit.wanted) return;
    trade->exit = (struct sp_exit_want){.wanted = true,
                                        .cause = body->close_cause,
                                        .threat_ids = body->threat_ids,
                                        .scheduled_id = body->scheduled_id,
                                        .by = sp_record_ref(record)};
}

static void fold_command(struct sp_books *books, const struct sp_record *record)
{
    const struct sp_operator_command *body = &record->body.operator_command;

    books->commands[books->command_total++ % SP_COMMANDS_MAX] = body->command_id;
    if (books->command_count < SP_COMMANDS_MAX) books->command_count++;
    if (body->command != SP_COMMAND_FLATTEN) return;
    for (uint32_t i = 0; i < books->trade_count; i++) {
        struct sp_trade_book *trade = &books->trades[i];
        if (trade->closed || trade->exit.wanted) continue;
        if (!sp_books_scope_covers(&body->scope, &books->links[trade->link].id)) continue;
        trade->exit = (struct sp_exit_want){.wanted = true,
                                            .cause = SP_CLOSE_CAUSE_OPERATOR,
                                            .command_id = body->command_id,
                                            .by = sp_record_ref(record)};
    }
    sp_flatten_begin(books, record);
}

static struct sp_scope_book *scope_entry(struct sp_books *books, const sp_name *scope)
{
    for (uint32_t i = 0; i < books->scope_count; i++) {
        if (sp_name_eq(&books->scopes[i].scope, scope)) return &books->scopes[i];
    }
    SP_ASSERT(books->scope_count < SP_SCOPES_MAX);
    books->scopes[books->scope_count].scope = *scope;
    return &books->scopes[books->scope_count++];
}

/* A trading state with a breaker state is the breaker's; one without is a person's or a limit's. */
static void fold_trading_state(struct sp_books *books, const struct sp_record *record)
{
    const struct sp_trading_state *body = &record->body.trading_state;

    if (body->breaker != SP_BREAKER_NONE) {
        books->breaker = (enum sp_breaker)body->breaker;
        books->breaker_threats = body->threat_ids;
        books->breaker_reason = body->reason;
        return;
    }
    struct sp_scope_book *scope = scope_entry(books, &body->scope);
    scope->halted = record->kind == SP_REC_TRADING_HALTED;
    scope->cause = body->cause;
    scope->reason = body->reason;
    scope->by = sp_record_ref(record);
    if (scope->halted) return;
    if (body->cause != SP_HALT_CAUSE_STORAGE) sp_results_resumed(books, &body->scope);
    sp_flatten_resumed(books, &body->scope);
    if (!sp_name_is(&body->scope, "all")) return;
    for (uint32_t i = 0; i < books->scope_count; i++) {
        /* Nobody can order space: only space ends that one. */
        if (books->scopes[i].cause != SP_HALT_CAUSE_STORAGE) books->scopes[i].halted = false;
    }
}

static void fold_adopted(struct sp_books *books, const struct sp_record *record)
{
    const struct sp_balance_adopted *body = &record->body.balance_adopted;

    add_to_asset(books, &body->asset, body->after.e8 - sp_books_held(books, &body->asset).e8);
    for (uint32_t i = 0; i < books->asset_count; i++)
        if (sp_name_eq(&books->assets[i].asset, &body->asset)) books->assets[i].adopted = true;
    books->version = record->seq;
}

static void fold_threat(struct sp_books *books, const struct sp_record *record)
{
    bool ended = record->kind == SP_REC_THREAT_ENDED;

    books->venue_threat = ended ? (struct sp_threat){0} : record->body.threat;
    books->venue_threat_ref = ended ? (struct sp_ref){0} : sp_record_ref(record);
}

/* Which step in an order's life a record stands for; SP_OE_COUNT if none. */
static enum sp_order_event_type order_event_of(enum sp_kind kind)
{
    static const struct {
        enum sp_kind kind;
        enum sp_order_event_type event;
    } map[] = {{SP_REC_ORDER_SENT, SP_OE_SENT},
               {SP_REC_ORDER_ACK, SP_OE_ACK},
               {SP_REC_ORDER_REJECTED, SP_OE_REJECT},
               {SP_REC_ORDER_UNKNOWN, SP_OE_UNKNOWN},
               {SP_REC_ORDER_CANCELED, SP_OE_CANCELED},
               {SP_REC_ORDER_EXPIRED, SP_OE_EXPIRED},
               {SP_REC_ORDER_ABSENT_PROVEN, SP_OE_ABSENT},
               {SP_REC_SEND_SUPPRESSED, SP_OE_SUPPRESSED},
               {SP_REC_CANCEL_INTENT, SP_OE_CANCEL_REQ}};

    for (size_t i = 0; i < sizeof map / sizeof *map; i++) {
        if (map[i].kind == kind) return map[i].event;
    }
    return SP_OE_COUNT;
}

static void fold_plain(struct sp_books *books, const struct sp_record *record)
{
    if (record->kind == SP_REC_ORDER_INTENT) fold_intent(books, record);
    if (record->kind == SP_REC_FILL) fold_fill(books, record);
    if (record->kind == SP_REC_TRADE_OPENED) fold_trade_opened(books, record);
    if (record->kind == SP_REC_TRADE_CLOSED) fold_trade_closed(books, record);
    if (record->kind == SP_REC_OPERATOR_COMMAND) fold_command(books, record);
    if (record->kind == SP_REC_BALANCE_ADOPTED) fold_adopted(books, record);
    if (record->kind == SP_REC_FLATTEN) sp_flatten_fold(books, record);
    if (record->kind == SP_REC_STREAM_STARTED) books->epoch = record->epoch;
}

void sp_books_apply(struct sp_books *books, const struct sp_record *record)
{
    enum sp_order_event_type event = order_event_of(record->kind);

    if (event != SP_OE_COUNT) {
        fold_order_event(books, record, event);
    } else if (record->kind == SP_REC_PLAN_ACCEPTED || record->kind == SP_REC_PLAN_REFUSED ||
               record->kind == SP_REC_PLAN_EXPIRED) {
        fold_plan_answer(books, record);
    } else if (record->kind == SP_REC_TRADING_HALTED || record->kind == SP_REC_TRADING_RESUMED) {
        fold_trading_state(books, record);
    } else if (record->kind == SP_REC_THREAT_DETECTED || record->kind == SP_REC_THREAT_ENDED) {
        fold_threat(books, record);
    } else {
        fold_plain(books, record);
    }
}
