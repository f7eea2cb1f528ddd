#include "services/execution/limits.h"

#include "common/planted_bug.h"
#include "proto/decimal.h"

#include <stdio.h>
#include <string.h>

enum scope_kind { SCOPE_VENUE, SCOPE_INSTRUMENT, SCOPE_STRATEGY };

/* Whose limits, and what they speak of. */
struct scope {
    enum scope_kind kind;
    const struct sp_risk_config *risk;
    const struct sp_result_book *result;
    const struct sp_message_ring *messages;
    sp_amt capital; /* of the links in it */
    const sp_name *symbol, *link;
    sp_name quote;
    char name[SP_NAME_SIZE + 16]; /* "strategy.ema" */
};

/* What a limit is asked about. `plan` is NULL where nobody wants to open anything. */
struct question {
    const struct sp_gate_view *view;
    const struct scope *scope;
    const struct sp_plan *plan;
};

enum unit { UNIT_AMOUNT, UNIT_QTY, UNIT_RATIO, UNIT_COUNT, UNIT_DURATION };

/* A value is refused when it is above the limit, or already when it reaches it. */
enum bound { REFUSE_ABOVE, REFUSE_AT };

struct limit {
    const char *name;
    enum unit unit;
    enum bound bound;
    bool of_one_order; /* nothing is used of it between orders */
    int64_t (*most)(const struct sp_risk_config *risk);
    /* What is used, the plan included. False if it cannot be computed. */
    bool (*use)(const struct question *q, int64_t *out);
};

/* ---- Scopes ---- */

static bool is_in(const struct scope *scope, const sp_name *symbol, const sp_name *link)
{
    if (scope->kind == SCOPE_INSTRUMENT) return sp_name_eq(scope->symbol, symbol);
    if (scope->kind == SCOPE_STRATEGY) return sp_name_eq(scope->link, link);
    return true;
}

static sp_amt capital_of(const struct sp_gate_view *view, const sp_name *symbol)
{
    const struct sp_config *config = view->books->config;
    sp_amt sum = {0};

    for (uint32_t i = 0; i < config->link_count; i++) {
        const struct sp_link_config *link = &config->links[i];
        if (!link->active || &config->worlds[link->world] != view->books->world) continue;
        if (symbol != NULL && !sp_name_eq(&link->blueprint.symbol, symbol)) continue;
        if (!sp_amt_add(sum, link->capital, &sum)) sum.e8 = INT64_MAX;
    }
    return sum;
}

static void venue_scope(const struct sp_gate_view *view, struct scope *out)
{
    const struct sp_books *books = view->books;

    *out = (struct scope){.kind = SCOPE_VENUE,
                          .risk = &books->config->risk,
                          .result = &books->venue,
                          .messages = &view->messages->all,
                          .capital = capital_of(view, NULL)};
    if (books->world->instrument_count > 0) out->quote = books->world->instruments[0].quote;
    snprintf(out->name, sizeof out->name, "venue.%s", books->world->venue.s);
}

static void instrument_scope(const struct sp_gate_view *view, uint32_t index, struct scope *out)
{
    const struct sp_books *books = view->books;
    const struct sp_instrument_config *config = &books->world->instruments[index];

    *out = (struct scope){.kind = SCOPE_INSTRUMENT,
                          .risk = &config->risk,
                          .result = &books->instruments[index].result,
                          .messages = &view->messages->instruments[index],
                          .capital = capital_of(view, &config->symbol),
                          .symbol = &config->symbol,
                          .quote = config->quote};
    snprintf(out->name, sizeof out->name, "instrument.%s", config->symbol.s);
}

static void strategy_scope(const struct sp_gate_view *view, uint32_t index, struct scope *out)
{
    const struct sp_books *books = view->books;
    const struct sp_link_book *link = &books->links[index];

    *out = (struct scope){.kind = SCOPE_STRATEGY,
                          .risk = &books->config->links[index].risk,
                          .result = &link->result,
                          .messages = &view->messages->links[index],
                          .capital = link->capital,
                          .link = &link->id,
                          .quote = books->config->links[index].capital_asset};
    snprintf(out->name, sizeof out->name, "strategy.%s", link->id.s);
}

/* ---- What is used ---- */

static int64_t most_order_qty(const struct sp_risk_config *risk)
{
    return risk->order_qty_max.e8;
}

static bool use_order_qty(const struct question *q, int64_t *out)
{
    *out = q->plan != NULL ? q->plan->qty.e8 : 0;
    return true;
}

/* What the plan's order is worth at its price, or at the touch. */
static bool order_value(const struct question *q, sp_amt *out)
{
    sp_px px = {0};

    *out = (sp_amt){0};
    if (q->plan == NULL) return true;
    px = q->plan->limit_px.e8 > 0 ? q->plan->limit_px : sp_gate_touch(q->view, SP_SIDE_BUY);
    return px.e8 > 0 && sp_px_times_qty(px, q->plan->qty, out);
}

static int64_t most_order_value(const struct sp_risk_config *risk)
{
    return risk->order_value_max.e8;
}

static bool use_order_value(const struct question *q, int64_t *out)
{
    sp_amt value = {0};

    if (!order_value(q, &value)) return false;
    *out = value.e8;
    return true;
}

/* What the part of a trade that is still held has cost: bought x position / bought quantity,
 * rounded up. */
static bool cost_of(const struct sp_trade_book *trade, sp_amt *out)
{
    sp_qty position = sp_trade_position(trade);

    *out = (sp_amt){0};
    if (trade->closed || position.e8 <= 0 || trade->bought_qty.e8 <= 0) return true;
    __int128 cost = (__int128)trade->bought.e8 * position.e8;
    cost = (cost + trade->bought_qty.e8 - 1) / trade->bought_qty.e8;
    if (cost > INT64_MAX) return false;
    out->e8 = (int64_t)cost;
    return true;
}

/* What the rest of an entry that lives may still cost. */
static bool entry_may_cost(const struct sp_gate_view *view, const struct sp_order *order,
                           sp_amt *out)
{
    sp_qty rest = {order->intent.qty.e8 - order->filled.e8};
    struct sp_gate_view there = *view;
    sp_px px = {0};

    *out = (sp_amt){0};
    if (order->intent.role != SP_LEG_ROLE_ENTRY) return true;
    if (rest.e8 <= 0) return true;
    if (SP_BUG(in_flight_uncounted) && sp_order_is_in_flight(order->state)) return true;
    there.market = sp_gate_market(view, &order->intent.symbol);
    return sp_gate_worst_price(&there, order->intent.side, order->intent.px, &px) &&
           sp_px_times_qty(px, rest, out);
}

static int64_t most_position_value(const struct sp_risk_config *risk)
{
    return risk->position_value_max.e8;
}

static bool use_position_value(const struct question *q, int64_t *out)
{
    const struct sp_books *books = q->view->books;
    sp_amt sum = {0}, part = {0};

    if (!order_value(q, &sum)) return false;
    for (uint32_t i = 0; i < books->live_trade_count; i++) {
        const struct sp_trade_book *trade = &books->trades[books->live_trades[i]];
        if (!is_in(q->scope, &trade->symbol, &books->links[trade->link].id)) continue;
        if (!cost_of(trade, &part) || !sp_amt_add(sum, part, &sum)) return false;
    }
    for (uint32_t i = 0; i < books->live_count; i++) {
        const struct sp_order *order = sp_books_live(books, i);
        if (!is_in(q->scope, &order->intent.symbol, &order->intent.strategy_link_id)) continue;
        if (!entry_may_cost(q->view, order, &part) || !sp_amt_add(sum, part, &sum)) return false;
    }
    *out = sum.e8;
    return true;
}

static int64_t most_open_orders(const struct sp_risk_config *risk)
{
    return risk->open_orders_max;
}

static bool use_open_orders(const struct question *q, int64_t *out)
{
    const struct sp_books *books = q->view->books;

    *out = 0;
    for (uint32_t i = 0; i < books->live_count; i++) {
        const struct sp_order *order = sp_books_live(books, i);
        if (is_in(q->scope, &order->intent.symbol, &order->intent.strategy_link_id)) ++*out;
    }
    return true;
}

static int64_t most_price_collar(const struct sp_risk_config *risk)
{
    return risk->price_collar.e8;
}

/* The price the plan was made at must still be near the market. */
static bool use_price_collar(const struct question *q, int64_t *out)
{
    sp_ratio ratio = {SP_FX_ONE};

    if (q->plan != NULL) {
        sp_px planned = q->plan->limit_px.e8 > 0 ? q->plan->limit_px : q->plan->reference_px;
        sp_px touch = sp_gate_touch(q->view, SP_SIDE_BUY);
        if (planned.e8 <= 0 || touch.e8 <= 0 || !sp_px_div_px(planned, touch, &ratio)) return false;
    }
    *out = ratio.e8 > SP_FX_ONE ? ratio.e8 - SP_FX_ONE : SP_FX_ONE - ratio.e8;
    return true;
}

static int64_t most_daily_loss(const struct sp_risk_config *risk)
{
    return risk->daily_loss_max.e8;
}

static bool use_daily_loss(const struct question *q, int64_t *out)
{
    sp_amt today = sp_results_today(q->view->books, q->scope->result, q->view->market_time);

    *out = today.e8 < 0 ? -today.e8 : 0;
    return true;
}

static int64_t most_drawdown(const struct sp_risk_config *risk)
{
    return risk->drawdown_max.e8;
}

/* (peak - now) / peak, of capital and realised result. */
static bool use_drawdown(const struct question *q, int64_t *out)
{
    sp_amt peak = {0}, down = {0};
    sp_ratio ratio = {0};

    if (!sp_amt_add(q->scope->capital, q->scope->result->peak, &peak) || peak.e8 <= 0 ||
        !sp_amt_sub(q->scope->result->peak, q->scope->result->realised, &down) ||
        !sp_amt_div_amt(down, peak, &ratio))
        return false;
    *out = ratio.e8;
    return true;
}

static int64_t most_data_age(const struct sp_risk_config *risk)
{
    return risk->data_age_max.ns;
}

static bool use_data_age(const struct question *q, int64_t *out)
{
    if (q->plan != NULL && (q->view->market == NULL || q->view->market->received.ns == 0))
        return false;
    *out = q->plan != NULL ? sp_mono_since(q->view->now, q->view->market->received).ns : 0;
    return true;
}

static int64_t most_entries(const struct sp_risk_config *risk)
{
    return risk->entries_max;
}

static bool use_entries(const struct question *q, int64_t *out)
{
    *out = (int64_t)sp_results_entries(q->scope->result, q->scope->risk, q->view->market_time);
    return true;
}

static int64_t most_messages(const struct sp_risk_config *risk)
{
    return sp_gate_messages_of_entries(risk);
}

static bool use_messages(const struct question *q, int64_t *out)
{
    *out = sp_message_count(q->scope->messages, q->scope->risk, q->view->now);
    return true;
}

/* clang-format off */
static const struct limit limits[] = {
#define LIMIT(stem, key, unit, bound, of_one_order)                                                \
    {key, UNIT_##unit, REFUSE_##bound, of_one_order, most_##stem, use_##stem},
#include "services/execution/limits.def"
#undef LIMIT
};
/* clang-format on */
#define LIMIT_COUNT (sizeof limits / sizeof *limits)

static bool is_broken(const struct limit *limit, int64_t use, int64_t most)
{
    if (SP_BUG(limit_off_by_one)) return use > most;
    return limit->bound == REFUSE_AT ? use >= most : use > most;
}

/* ---- For a person ---- */

/* Exact, without a unit. */
static sp_name value_name(enum unit unit, int64_t value)
{
    char text[SP_DUR_TEXT_SIZE];
    sp_name name = {{0}};

    if (unit == UNIT_COUNT) {
        snprintf(text, sizeof text, "%lld", (long long)value);
    } else if (unit == UNIT_DURATION) {
        sp_dur_format((sp_dur){value}, text);
    } else {
        sp_e8_format(value, text);
    }
    SP_IGNORE(!sp_name_set(&name, text)); /* digits and a unit always are a name */
    return name;
}

/* With its unit: "6000 USDT", "1%", "4". */
static void say(const struct limit *limit, const struct scope *scope, int64_t value, sp_text *out)
{
    char buf[SP_E8_TEXT_SIZE];

    if (limit->unit == UNIT_RATIO) {
        sp_text_printf(out, "%s%%", sp_e8_format(value * 100, buf)); /* shares are small */
    } else if (limit->unit == UNIT_AMOUNT) {
        sp_text_printf(out, "%s %s", sp_e8_format(value, buf), scope->quote.s);
    } else {
        sp_text_printf(out, "%s", value_name(limit->unit, value).s);
    }
}

/* ---- The gate ---- */

static void add_fact(const struct limit *limit, const struct scope *scope, int64_t most,
                     sp_facts *facts)
{
    static const char *const prefix[] = {"", "instrument.", "strategy."};
    char name[SP_NAME_SIZE];

    if (facts->count == SP_FACTS_MAX || limit->unit == UNIT_DURATION) return;
    if (limit->unit != UNIT_AMOUNT && limit->unit != UNIT_QTY) return;
    snprintf(name, sizeof name, "%s%s", prefix[scope->kind], limit->name);
    facts->at[facts->count++] =
        (struct sp_fact){.name = sp_name_of(name), .value = value_name(limit->unit, most)};
}

static bool allow_in(const struct question *q, sp_facts *facts, struct sp_refusal *refusal)
{
    for (size_t i = 0; i < LIMIT_COUNT; i++) {
        const struct limit *limit = &limits[i];
        int64_t most = limit->most(q->scope->risk), use = 0;
        if (most == 0) continue;
        if (!limit->use(q, &use)) {
            bool lacks_price = limit->use != use_drawdown;
            *refusal = (struct sp_refusal){.gate = lacks_price ? "price" : limit->name};
            sp_text_printf(&refusal->reason, "%s of %s cannot be computed%s", limit->name,
                           q->scope->name, lacks_price ? ": no usable price" : "");
            return false;
        }
        if (!is_broken(limit, use, most)) {
            add_fact(limit, q->scope, most, facts);
            continue;
        }
        *refusal = (struct sp_refusal){.gate = limit->name,
                                       .limit = value_name(limit->unit, most),
                                       .value = value_name(limit->unit, use),
                                       .latches = limit->use == use_entries};
        sp_text_printf(&refusal->reason, "%s of %s is %s, the limit is %s", limit->name,
                       q->scope->name, refusal->value.s, refusal->limit.s);
        return false;
    }
    return true;
}

bool sp_limits_allow(const struct sp_gate_view *view, const struct sp_plan *plan, sp_facts *facts,
                     struct sp_refusal *refusal)
{
    const struct sp_world_config *world = view->books->world;
    struct scope scope;
    struct question q = {.view = view, .scope = &scope, .plan = plan};
    uint32_t link = 0;

    venue_scope(view, &scope);
    if (!allow_in(&q, facts, refusal)) return false;
    for (uint32_t i = 0; i < world->instrument_count; i++) {
        if (!sp_name_eq(&world->instruments[i].symbol, &plan->symbol)) continue;
        instrument_scope(view, i, &scope);
        if (!allow_in(&q, facts, refusal)) return false;
    }
    if (sp_books_link(view->books, &plan->strategy_link_id, &link) == NULL) return true;
    strategy_scope(view, link, &scope);
    return allow_in(&q, facts, refusal);
}

/* ---- Telling ---- */

static void tell_scope(const struct question *q, sp_limit_fn *tell, void *ctx)
{
    for (size_t i = 0; i < LIMIT_COUNT; i++) {
        const struct limit *limit = &limits[i];
        int64_t most = limit->most(q->scope->risk), use = 0;
        struct sp_limit_view row = {.name = sp_name_of(limit->name)};
        if (most == 0) continue;
        if (!sp_name_set(&row.scope, q->scope->name)) row.scope = sp_name_of("venue");
        say(limit, q->scope, most, &row.limit);
        bool known = limit->use(q, &use);
        row.reached = !limit->of_one_order && (!known || is_broken(limit, use, most));
        if (!limit->of_one_order && known) {
            say(limit, q->scope, use, &row.use);
            say(limit, q->scope, use < most ? most - use : 0, &row.headroom);
        }
        tell(ctx, &row);
    }
}

void sp_limits_tell(const struct sp_gate_view *view, sp_limit_fn *tell, void *ctx)
{
    struct scope scope;
    struct question q = {.view = view, .scope = &scope};

    venue_scope(view, &scope);
    tell_scope(&q, tell, ctx);
    for (uint32_t i = 0; i < view->books->world->instrument_count; i++) {
        instrument_scope(view, i, &scope);
        tell_scope(&q, tell, ctx);
    }
    for (uint32_t i = 0; i < view->books->link_count; i++) {
        strategy_scope(view, i, &scope);
        tell_scope(&q, tell, ctx);
    }
}
