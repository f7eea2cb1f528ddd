#include "services/execution/book_rows.h"

#include "common/planted_bug.h"
#include "services/execution/execution_internal.h"

#include <string.h>

void sp_execution_init(struct sp_execution *x, const struct sp_config *config)
{
    memset(x, 0, sizeof *x);
    sp_books_init(&x->books, config);
    const struct sp_world_config *world = x->books.world;
    for (uint32_t i = 0; i < world->instrument_count; i++)
        x->rules[x->rule_count++] = world->instruments[i];
    for (uint32_t i = 0; i < world->feed.symbol_count; i++) {
        x->markets[x->market_count++].symbol = world->feed.symbols[i];
    }
}

const struct sp_instrument_config *sp_execution_rules(const struct sp_execution *x,
                                                      const sp_name *symbol)
{
    for (uint32_t i = 0; i < x->rule_count; i++) {
        if (sp_name_eq(&x->rules[i].symbol, symbol)) return &x->rules[i];
    }
    return NULL;
}

static struct sp_market_view *market_of(struct sp_execution *x, const sp_name *symbol)
{
    for (uint32_t i = 0; i < x->market_count; i++) {
        if (sp_name_eq(&x->markets[i].symbol, symbol)) return &x->markets[i];
    }
    return NULL;
}

void sp_execution_gate_view(struct sp_execution *x, const sp_name *symbol, sp_mono now,
                            sp_wall market_time, struct sp_gate_view *view)
{
    *view =
        (struct sp_gate_view){.books = &x->books,
                              .rules = sp_execution_rules(x, symbol),
                              .market = market_of(x, symbol),
                              .markets = x->markets,
                              .market_count = x->market_count,
                              .messages = &x->messages,
                              .now = now,
                              .market_time = market_time,
                              .venue_up = x->venue_up,
                              .venue_waits = now.ns < x->venue_quiet_until.ns ||
                                             (x->venue_waited && !SP_BUG(entries_before_cancels)),
                              .venue_says = &x->venue_says,
                              .reconciled = x->reconciled,
                              .disk = x->disk};
}

bool sp_x_cancels_entries(const struct sp_execution *x, const struct sp_trade_book *trade)
{
    if (trade->link >= x->books.link_count) return false; /* not configured any more: kept */
    return x->stopping && x->books.config->links[trade->link].on_stop != SP_ON_STOP_KEEP;
}

bool sp_execution_is_flat(struct sp_execution *x)
{
    for (uint32_t i = 0; i < x->books.live_trade_count; i++) {
        const struct sp_trade_book *trade = sp_books_live_trade(&x->books, i);
        uint32_t live = sp_books_live_orders(&x->books, trade, SP_LEG_ROLE_NONE);
        if (trade->closed || (!trade->opened && live == 0)) continue;
        if (trade->exit.wanted && !SP_BUG(stop_forgets_positions)) return false;
        if (sp_x_cancels_entries(x, trade) &&
            sp_books_live_orders(&x->books, trade, SP_LEG_ROLE_ENTRY) > 0)
            return false;
    }
    if (SP_BUG(stop_forgets_positions)) return true;
    if (x->venue_up && x->books.flatten_count > 0) return false; /* it is being verified */
    return sp_books_in_flight(&x->books) == 0;
}

/* Stream "md.WORLD.SYMBOL". */
static void on_tick(struct sp_execution *x, const struct sp_event *event)
{
    const struct sp_record *record = event->record;
    const char *dot = strrchr(record->stream.s, '.');
    sp_name symbol = {{0}};

    if (dot == NULL || !sp_name_set(&symbol, dot + 1)) return;
    struct sp_market_view *market = market_of(x, &symbol);
    if (market == NULL) return;
    if (record->kind == SP_REC_QUOTE) {
        market->bid = record->body.quote.bid_px;
        market->ask = record->body.quote.ask_px;
        market->quoted = event->now;
    } else if (record->kind == SP_REC_TRADE) {
        market->last = record->body.trade.px;
        market->traded = event->now;
    } else {
        return;
    }
    market->received = event->now;
}

static void on_fact(struct sp_turn *turn)
{
    enum sp_kind kind = turn->event->record->kind;

    if (kind == SP_REC_PLAN_READY) sp_x_plan(turn);
    if (kind == SP_REC_THREAT_DETECTED || kind == SP_REC_THREAT_ENDED) sp_x_threat(turn);
    if (kind == SP_REC_RECONCILIATION_RESULT) sp_x_reconciled(turn);
}

static void on_message(struct sp_turn *turn)
{
    static void (*const handlers[])(struct sp_turn *) = {
        [SP_XI_VENUE_UP] = sp_x_venue_up,
        [SP_XI_VENUE_DOWN] = sp_x_venue_down,
        [SP_XI_VENUE_MESSAGE] = sp_x_venue_message,
        [SP_XI_SENT] = sp_x_sent,
        [SP_XI_COMMAND] = sp_x_command,
        [SP_XI_CORRECTION] = sp_x_correction,
        [SP_XI_STOP] = sp_x_stop,
        [SP_XI_DISK] = sp_x_disk,
        [SP_XI_VENUE_WAIT] = sp_x_venue_wait,
    };
    uint32_t id = turn->event->id;

    if (id == SP_XI_NOT_SENT) {
        sp_x_not_sent(turn, turn->event->record, "no byte left: not connected, or fenced");
        return;
    }
    SP_ASSERT(id < sizeof handlers / sizeof *handlers);
    handlers[id](turn);
}

static void decide(void *state, const struct sp_event *event, struct sp_decision *decision)
{
    struct sp_turn turn = {.x = state, .event = event, .decision = decision};

    switch (event->type) {
    case SP_EVENT_RECORD: on_fact(&turn); break;
    case SP_EVENT_TICK: on_tick(turn.x, event); break;
    case SP_EVENT_MESSAGE: on_message(&turn); break;
    case SP_EVENT_TIMER:
        sp_x_cancel_first(&turn);
        sp_x_watch_venue(&turn);
        sp_x_tend(&turn);
        sp_x_cancelled_first(&turn);
        break;
    }
}

static void apply(void *state, const struct sp_record *record)
{
    struct sp_execution *x = state;

    sp_books_apply(&x->books, record);
}

static const struct sp_order *order_of(const struct sp_execution *x, const sp_name *client_order_id)
{
    for (uint32_t i = x->books.order_count; i > 0; i--) {
        const struct sp_order *order = &x->books.orders[i - 1];
        if (sp_name_eq(&order->intent.client_order_id, client_order_id)) return order;
    }
    return NULL;
}

/* Asked after the sync, right before the send: entries need trading to be allowed still. */
static bool allows(const void *state, const struct sp_effect *effect)
{
    const struct sp_execution *x = state;

    if (!x->venue_up) return false;
    if (effect->type != SP_XE_SEND || effect->message.body.venue_order.side != SP_SIDE_BUY) {
        return true;
    }
    const struct sp_order *order = order_of(x, &effect->message.body.venue_order.client_order_id);
    return order != NULL && x->reconciled && !x->stopping &&
           x->books.breaker == SP_BREAKER_CLOSED &&
           (SP_BUG(halt_unchecked) ||
            sp_books_halt_of(&x->books, &order->intent.strategy_link_id) == NULL);
}

static void withdrawn(void *state, const struct sp_effect *effect, struct sp_decision *decision)
{
    struct sp_event none = {.type = SP_EVENT_MESSAGE};
    struct sp_turn turn = {.x = state, .event = &none, .decision = decision};

    if (effect->type == SP_XE_SEND) {
        sp_x_not_sent(&turn, &effect->message,
                      "withdrawn after the sync: trading is no longer allowed");
    }
}

/* The rest of the state is derived, or of the connection. */
static void save(const void *state, struct sp_rows_writer *out)
{
    const struct sp_execution *x = state;

    sp_books_save(&x->books, out);
}

static sp_status load(void *state, struct sp_rows_reader *in, struct sp_err *err)
{
    struct sp_execution *x = state;

    return sp_books_load(&x->books, in, err);
}

const struct sp_core sp_execution_core = {.decide = decide,
                                          .apply = apply,
                                          .allows = allows,
                                          .withdrawn = withdrawn,
                                          .save = save,
                                          .load = load,
                                          .state_bytes = sizeof(struct sp_execution)};
