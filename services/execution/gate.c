#include "services/execution/limits.h"

#include "common/config/units.h"
#include "common/planted_bug.h"
#include "proto/decimal.h"

#include <string.h>

static sp_name decimal_name(int64_t e8)
{
    char buf[SP_E8_TEXT_SIZE];
    sp_name name = {{0}};

    SP_IGNORE(!sp_name_set(&name, sp_e8_format(e8, buf))); /* a decimal always fits */
    return name;
}

static sp_name duration_name(sp_dur d)
{
    char buf[SP_DUR_TEXT_SIZE];
    sp_name name = {{0}};

    SP_IGNORE(!sp_name_set(&name, sp_dur_format(d, buf))); /* a duration always fits */
    return name;
}

static void add_fact(sp_facts *facts, const char *name, sp_name value)
{
    if (facts->count == SP_FACTS_MAX) return;
    facts->at[facts->count].name = sp_name_of(name);
    facts->at[facts->count].value = value;
    facts->count++;
}

static bool refuse(struct sp_refusal *refusal, const char *gate, const char *reason)
{
    *refusal = (struct sp_refusal){.gate = gate};
    sp_text_printf(&refusal->reason, "%s", reason);
    return false;
}

static bool refuse_value(struct sp_refusal *refusal, const char *gate, sp_name value, sp_name limit)
{
    *refusal = (struct sp_refusal){.gate = gate, .limit = limit, .value = value};
    sp_text_printf(&refusal->reason, "%s is %s, the limit is %s", gate, value.s, limit.s);
    return false;
}

static bool is_fresh(const struct sp_gate_view *view, sp_mono at)
{
    sp_dur limit = view->books->config->risk.data_age_max;

    return at.ns != 0 && sp_mono_since(view->now, at).ns <= limit.ns;
}

sp_px sp_gate_touch(const struct sp_gate_view *view, enum sp_side side)
{
    sp_px none = {0};

    if (view->market == NULL) return none;
    sp_px quote = side == SP_SIDE_BUY ? view->market->ask : view->market->bid;
    if (quote.e8 > 0 && is_fresh(view, view->market->quoted)) return quote;
    return is_fresh(view, view->market->traded) ? view->market->last : none;
}

const struct sp_market_view *sp_gate_market(const struct sp_gate_view *view, const sp_name *symbol)
{
    if (view->market != NULL && sp_name_eq(&view->market->symbol, symbol)) return view->market;
    for (uint32_t i = 0; i < view->market_count; i++) {
        if (sp_name_eq(&view->markets[i].symbol, symbol)) return &view->markets[i];
    }
    return NULL;
}

uint32_t sp_gate_messages_of_entries(const struct sp_risk_config *risk)
{
    return risk->messages_max - risk->messages_max / 5;
}

bool sp_gate_worst_price(const struct sp_gate_view *view, enum sp_side side, sp_px limit_px,
                         sp_px *out)
{
    sp_ratio collar = view->books->config->risk.price_collar;

    if (limit_px.e8 > 0) {
        *out = limit_px;
        return true;
    }
    sp_px touch = sp_gate_touch(view, side);
    if (touch.e8 <= 0) return false;
    sp_ratio factor = {side == SP_SIDE_BUY ? SP_FX_ONE + collar.e8 : SP_FX_ONE - collar.e8};
    return sp_px_times_ratio(touch, factor, out);
}

/* "511MiB": a name has no spaces. */
static sp_name bytes_name(uint64_t bytes)
{
    char buf[SP_BYTES_TEXT_SIZE];

    sp_units_bytes_about(bytes, buf);
    char *space = strchr(buf, ' ');
    SP_ASSERT(space != NULL);
    memmove(space, space + 1, strlen(space));
    return sp_name_of(buf);
}

static bool check_disk(const struct sp_gate_view *view, struct sp_refusal *refusal)
{
    const struct sp_scope_book *halt = sp_books_disk_halt(view->books);

    if (halt == NULL) return true;
    *refusal = (struct sp_refusal){.gate = "disk_reserve",
                                   .limit = bytes_name(view->disk.reserve_bytes),
                                   .value = bytes_name(view->disk.free_bytes),
                                   .reason = halt->reason};
    return false;
}

static bool check_state(const struct sp_gate_view *view, const struct sp_plan *plan,
                        struct sp_refusal *refusal)
{
    sp_text reason = {{0}}, next = {{0}};

    if (sp_gate_trading(view, &plan->strategy_link_id, &reason, &next) != SP_TRADING_ALLOWED &&
        !(SP_BUG(halt_unchecked) && sp_books_halt_of(view->books, &plan->strategy_link_id))) {
        const char *gate = "reconciled";
        if (!view->venue_up || view->venue_waits) {
            gate = "venue";
        } else if (sp_books_halt_of(view->books, &plan->strategy_link_id) != NULL) {
            gate = "halted";
        } else if (view->books->breaker != SP_BREAKER_CLOSED) {
            gate = "breaker";
        }
        return refuse(refusal, gate, reason.s);
    }
    if (!sp_books_has_room(view->books)) {
        return refuse(refusal, "capacity", "order tables are half full of live orders");
    }
    return true;
}

static bool check_data(const struct sp_gate_view *view, sp_facts *facts, struct sp_refusal *refusal)
{
    sp_dur limit = view->books->config->risk.data_age_max;

    if (view->market == NULL || view->market->received.ns == 0) {
        return refuse(refusal, "price", "no market data for this instrument yet");
    }
    sp_dur age = sp_mono_since(view->now, view->market->received);
    if (age.ns > limit.ns || limit.ns <= 0) {
        return refuse_value(refusal, "data_age", duration_name(age), duration_name(limit));
    }
    age.ns -= age.ns % 1000; /* for a person: whole microseconds */
    add_fact(facts, "data_age", duration_name(age));
    return true;
}

static bool check_one_position(const struct sp_gate_view *view, const struct sp_plan *plan,
                               uint32_t link, struct sp_refusal *refusal)
{
    const struct sp_trade_book *open = sp_books_open_trade(view->books, link);

    if (plan->side != SP_SIDE_BUY) return refuse(refusal, "side", "spot is long only: BUY opens");
    if (open != NULL) return refuse(refusal, "one_position", "the link has an open trade");
    if (sp_books_trade(view->books, plan->trade_id) != NULL) {
        return refuse(refusal, "trade_id", "this trade id was used before");
    }
    return true;
}

/* A price that the venue ignores must not decide what the order counts; and a position with neither
 * stop nor target would be sold as soon as it is bought. */
static bool check_type(const struct sp_plan *plan, struct sp_refusal *refusal)
{
    if (plan->stop_px.e8 == 0 && plan->target_px.e8 == 0) {
        return refuse(refusal, "protection", "the plan has neither a stop nor a target");
    }
    if (plan->order_type == SP_ORDER_TYPE_MARKET && plan->limit_px.e8 == 0) return true;
    if (plan->order_type == SP_ORDER_TYPE_LIMIT && plan->limit_px.e8 > 0) return true;
    return refuse(refusal, "order_type", "an entry is MARKET without a price or LIMIT with one");
}

/* While the outcome of an order is open, its instrument may only reduce. */
static bool check_unknown(const struct sp_gate_view *view, const struct sp_plan *plan,
                          struct sp_refusal *refusal)
{
    for (uint32_t i = 0; i < view->books->live_count; i++) {
        const struct sp_order *order = sp_books_live(view->books, i);
        if (order->state != SP_ORDER_STATE_UNKNOWN || SP_BUG(unknown_allows_entries)) continue;
        if (!sp_name_eq(&order->intent.symbol, &plan->symbol)) continue;
        *refusal = (struct sp_refusal){.gate = "unknown_order"};
        sp_text_printf(&refusal->reason, "the outcome of order %s is not known yet: reduce only",
                       order->intent.client_order_id.s);
        return false;
    }
    return true;
}

static bool check_filters(const struct sp_instrument_config *instrument, const struct sp_plan *plan,
                          sp_amt value, struct sp_refusal *refusal)
{
    if (instrument->step.e8 <= 0 || instrument->tick.e8 <= 0) {
        return refuse(refusal, "instrument", "its step or tick is not known");
    }
    if (plan->qty.e8 % instrument->step.e8 != 0) {
        return refuse_value(refusal, "step", decimal_name(plan->qty.e8),
                            decimal_name(instrument->step.e8));
    }
    if (plan->qty.e8 < instrument->min_qty.e8) {
        return refuse_value(refusal, "min_qty", decimal_name(plan->qty.e8),
                            decimal_name(instrument->min_qty.e8));
    }
    const sp_px prices[] = {plan->limit_px, plan->stop_px, plan->target_px};
    for (size_t i = 0; i < sizeof prices / sizeof *prices; i++) {
        if (prices[i].e8 % instrument->tick.e8 == 0) continue;
        return refuse_value(refusal, "tick", decimal_name(prices[i].e8),
                            decimal_name(instrument->tick.e8));
    }
    if (value.e8 < instrument->min_value.e8) {
        return refuse_value(refusal, "min_value", decimal_name(value.e8),
                            decimal_name(instrument->min_value.e8));
    }
    return true;
}

static bool check_values(const struct sp_gate_view *view, const struct sp_plan *plan,
                         const struct sp_link_book *link, sp_facts *facts,
                         struct sp_refusal *refusal)
{
    const struct sp_instrument_config *instrument = view->rules;
    if (instrument == NULL) instrument = sp_world_instrument(view->books->world, plan->symbol.s);
    sp_px worst = {0}, now = plan->limit_px;
    sp_amt value = {0}, worst_value = {0};

    if (instrument == NULL) return refuse(refusal, "instrument", "not traded in this world");
    if (now.e8 == 0) now = sp_gate_touch(view, SP_SIDE_BUY);
    if (now.e8 <= 0 || !sp_gate_worst_price(view, SP_SIDE_BUY, plan->limit_px, &worst) ||
        !sp_px_times_qty(now, plan->qty, &value) ||
        !sp_px_times_qty(worst, plan->qty, &worst_value)) {
        return refuse(refusal, "price", "the order's value cannot be computed");
    }
    if (!check_filters(instrument, plan, value, refusal)) return false;
    add_fact(facts, "order_value", decimal_name(value.e8));
    /* Unlike a limit, capital of zero is not "unset": it is spent. */
    if (worst_value.e8 > link->cash.e8) {
        return refuse_value(refusal, "capital", decimal_name(worst_value.e8),
                            decimal_name(link->cash.e8));
    }
    add_fact(facts, "capital", decimal_name(link->cash.e8));
    return true;
}

bool sp_gate_open_plan(const struct sp_gate_view *view, const struct sp_plan *plan, sp_facts *facts,
                       struct sp_refusal *refusal)
{
    uint32_t index = 0;
    const struct sp_link_book *link = sp_books_link(view->books, &plan->strategy_link_id, &index);

    memset(facts, 0, sizeof *facts);
    if (link == NULL) return refuse(refusal, "link", "not a strategy link of this operation");
    return check_disk(view, refusal) && check_state(view, plan, refusal) &&
           check_data(view, facts, refusal) && check_one_position(view, plan, index, refusal) &&
           check_type(plan, refusal) && check_unknown(view, plan, refusal) &&
           check_values(view, plan, link, facts, refusal) &&
           sp_limits_allow(view, plan, facts, refusal);
}

enum sp_trading sp_gate_trading(const struct sp_gate_view *view, const sp_name *link,
                                sp_text *reason, sp_text *next_step)
{
    const struct sp_books *books = view->books;
    sp_name nobody = {{0}};
    const struct sp_scope_book *halt = sp_books_halt_of(books, link != NULL ? link : &nobody);

    const char *says = view->venue_says != NULL ? view->venue_says->s : "";
    if (!view->venue_up) {
        sp_text_printf(reason, "no connection to venue %s%s%.150s", books->world->venue.s,
                       says[0] != '\0' ? ": " : "", says);
        sp_text_printf(next_step, "reconnects by itself, then reconciles");
        return SP_TRADING_STOPPED;
    }
    if (view->venue_waits) {
        sp_text_printf(reason, "venue %s takes no requests for a while: %.150s",
                       books->world->venue.s, says);
        sp_text_printf(next_step, "goes on by itself when the venue's time is over");
        return SP_TRADING_STOPPED;
    }
    if (halt != NULL && halt->cause == SP_HALT_CAUSE_STORAGE) {
        *reason = halt->reason;
        sp_text_printf(next_step, "free some disk space; trading then resumes by itself");
        return SP_TRADING_REDUCE_ONLY;
    }
    if (halt != NULL) {
        sp_text_printf(reason, "halted (%s): %s", halt->scope.s, halt->reason.s);
        sp_text_printf(next_step, "spoor resume");
        return SP_TRADING_REDUCE_ONLY;
    }
    if (books->breaker != SP_BREAKER_CLOSED) {
        bool open = books->breaker == SP_BREAKER_OPEN;
        sp_text_printf(reason, "circuit breaker %s: %s",
                       sp_enum_name(SP_ENUM_BREAKER, (uint8_t)books->breaker),
                       books->breaker_reason.s);
        sp_text_printf(next_step, "%s",
                       open ? "ends with the threat, then reconciles"
                            : "closes after a clean reconciliation");
        return SP_TRADING_REDUCE_ONLY;
    }
    if (!view->reconciled) {
        sp_text_printf(reason, "books not reconciled with the venue yet");
        sp_text_printf(next_step, "the reconciliation service compares them");
        return SP_TRADING_REDUCE_ONLY;
    }
    sp_text_printf(reason, "books equal");
    *next_step = (sp_text){{0}};
    return SP_TRADING_ALLOWED;
}
