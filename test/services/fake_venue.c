#include "fake_venue.h"

#include <string.h>

#define FEE_DIVISOR 1000

void venue_init(struct fake_venue *v, sp_px price, sp_amt base, sp_amt quote)
{
    memset(v, 0, sizeof *v);
    v->price = price;
    v->base = base;
    v->quote = quote;
    v->parts = 1;
}

struct venue_order *venue_find(struct fake_venue *v, const sp_name *id)
{
    for (uint32_t i = v->order_count; i > 0; i--) {
        if (sp_name_eq(&v->orders[i - 1].id, id)) return &v->orders[i - 1];
    }
    return NULL;
}

uint32_t venue_count(const struct fake_venue *v, const sp_name *id)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < v->order_count; i++)
        count += sp_name_eq(&v->orders[i].id, id);
    return count;
}

static bool is_open(const struct venue_order *order)
{
    return order->state == SP_ORDER_STATE_OPEN || order->state == SP_ORDER_STATE_PARTIALLY_FILLED;
}

/* ---- What it says ---- */

static struct sp_record *say(struct fake_venue *v, enum sp_kind kind)
{
    SP_ASSERT(v->said_count < VENUE_SAID_MAX);
    struct sp_record *record = &v->said[v->said_count++];

    *record = (struct sp_record){.kind = kind};
    return record;
}

struct sp_record venue_take(struct fake_venue *v, uint32_t at)
{
    SP_ASSERT(at < v->said_count);
    struct sp_record record = v->said[at];

    v->said_count--;
    memmove(&v->said[at], &v->said[at + 1], (v->said_count - at) * sizeof *v->said);
    return record;
}

static struct sp_venue_answer *say_answer(struct fake_venue *v, uint64_t request_id,
                                          const char *status, const char *reason)
{
    struct sp_venue_answer *answer = &say(v, SP_REC_VENUE_ANSWER)->body.venue_answer;

    answer->request_id = request_id;
    answer->ok = status == NULL;
    if (status != NULL) answer->status = sp_name_of(status);
    sp_text_printf(&answer->reason, "%s", reason);
    return answer;
}

static void say_report(struct fake_venue *v, const struct venue_order *order,
                       const struct sp_fill_view *fill)
{
    struct sp_venue_report *report = &say(v, SP_REC_VENUE_REPORT)->body.venue_report;

    *report = (struct sp_venue_report){.report_seq = ++v->report_seq,
                                       .client_order_id = order->id,
                                       .venue_order_id = order->number,
                                       .symbol = order->symbol,
                                       .state = order->state,
                                       .filled_qty = order->filled,
                                       .side = order->side};
    if (fill == NULL) return;
    report->venue_trade_id = fill->venue_trade_id;
    report->px = fill->px;
    report->qty = fill->qty;
    report->fee = fill->fee;
    report->fee_asset = fill->fee_asset;
    report->liquidity = fill->liquidity;
}

/* ---- What it does ---- */

/* Executions are numbered per instrument. */
static uint64_t next_trade_id(const struct fake_venue *v, const sp_name *symbol)
{
    uint64_t id = 1;

    for (uint32_t i = 0; i < v->fill_count; i++) {
        if (sp_name_eq(&v->fills[i].symbol, symbol)) id++;
    }
    return id;
}

static void execute(struct fake_venue *v, struct venue_order *order, sp_px px, sp_qty qty)
{
    struct sp_fill_view *fill = &v->fills[v->fill_count];
    sp_amt value = {0};

    SP_ASSERT(v->fill_count < VENUE_FILLS_MAX && qty.e8 > 0);
    SP_ASSERT(order->filled.e8 + qty.e8 <= order->qty.e8);
    bool fits = sp_px_times_qty(px, qty, &value);
    SP_ASSERT(fits);
    *fill = (struct sp_fill_view){.venue_trade_id = next_trade_id(v, &order->symbol),
                                  .client_order_id = order->id,
                                  .venue_order_id = order->number,
                                  .symbol = order->symbol,
                                  .side = order->side,
                                  .px = px,
                                  .qty = qty,
                                  .fee = {value.e8 / FEE_DIVISOR},
                                  .fee_asset = sp_name_of("USDT"),
                                  .liquidity = SP_LIQUIDITY_TAKER,
                                  .venue_time = {1}};
    v->fill_count++;
    int64_t sign = order->side == SP_SIDE_BUY ? 1 : -1;
    v->base.e8 += sign * qty.e8;
    v->quote.e8 -= sign * value.e8 + fill->fee.e8;
    order->filled.e8 += qty.e8;
    bool done = order->filled.e8 == order->qty.e8;
    order->state = done ? SP_ORDER_STATE_FILLED : SP_ORDER_STATE_PARTIALLY_FILLED;
    say_report(v, order, fill);
}

static void end(struct fake_venue *v, struct venue_order *order, uint8_t state)
{
    order->state = state;
    say_report(v, order, NULL);
}

static struct venue_order *pair_of(struct fake_venue *v, const struct venue_order *order)
{
    return order->pair.s[0] != '\0' ? venue_find(v, &order->pair) : NULL;
}

/* One leg fills or triggers: the other one ends. */
static void end_pair(struct fake_venue *v, const struct venue_order *order)
{
    struct venue_order *pair = pair_of(v, order);

    if (pair != NULL && is_open(pair)) end(v, pair, SP_ORDER_STATE_CANCELED);
}

/* Fills what there is at the market's price; the rest expires. */
static void take(struct fake_venue *v, struct venue_order *order)
{
    int64_t want = order->qty.e8 - order->filled.e8;
    int64_t have = v->empty ? 0 : v->liquidity.e8 == 0 ? want : v->liquidity.e8;
    int64_t left = have < want ? have : want;
    int64_t piece = left / (v->parts > 0 ? v->parts : 1);

    v->liquidity = (sp_qty){0};
    if (piece == 0) piece = left;
    while (left > 0) {
        int64_t part = left < 2 * piece ? left : piece;
        execute(v, order, v->price, (sp_qty){part});
        left -= part;
    }
    if (order->state != SP_ORDER_STATE_FILLED) end(v, order, SP_ORDER_STATE_EXPIRED);
}

void venue_fill(struct fake_venue *v, const sp_name *id, sp_px px, sp_qty qty)
{
    struct venue_order *order = venue_find(v, id);

    SP_ASSERT(order != NULL && is_open(order));
    execute(v, order, px, qty);
    end_pair(v, order);
}

void venue_move(struct fake_venue *v, sp_px price, sp_qty part)
{
    v->price = price;
    for (uint32_t i = 0; i < v->order_count; i++) {
        struct venue_order *order = &v->orders[i];
        if (!is_open(order)) continue;
        bool sells = order->side == SP_SIDE_SELL;
        if (order->type == SP_ORDER_TYPE_LIMIT) {
            bool met = sells ? price.e8 >= order->px.e8 : price.e8 <= order->px.e8;
            int64_t left = order->qty.e8 - order->filled.e8;
            if (!met) continue;
            if (part.e8 > 0 && part.e8 < left) left = part.e8;
            execute(v, order, order->px, (sp_qty){left});
            end_pair(v, order);
        } else if (order->type == SP_ORDER_TYPE_STOP_LOSS && price.e8 <= order->stop_px.e8) {
            end_pair(v, order);
            take(v, order);
        }
    }
}

void venue_cancel(struct fake_venue *v, const sp_name *id)
{
    struct venue_order *order = venue_find(v, id);

    SP_ASSERT(order != NULL && is_open(order));
    struct venue_order *pair = pair_of(v, order);
    end(v, order, SP_ORDER_STATE_CANCELED);
    if (pair != NULL && is_open(pair)) end(v, pair, SP_ORDER_STATE_CANCELED);
}

/* Base that resting sells hold; a pair holds it once. */
static int64_t locked_base(const struct fake_venue *v)
{
    int64_t locked = 0;

    for (uint32_t i = 0; i < v->order_count; i++) {
        const struct venue_order *order = &v->orders[i];
        bool second = order->pair.s[0] != '\0' && order->type == SP_ORDER_TYPE_STOP_LOSS;
        if (!is_open(order) || order->side != SP_SIDE_SELL || second) continue;
        locked += order->qty.e8 - order->filled.e8;
    }
    return locked;
}

static const char *refusal(struct fake_venue *v, const struct sp_venue_order *o)
{
    sp_amt value = {0};
    bool is_pair = o->pair_client_order_id.s[0] != '\0';
    const struct venue_order *known = venue_find(v, &o->client_order_id);

    if (v->refuses) return "the test says so";
    if (known != NULL && is_open(known)) return "duplicate order sent";
    if (!sp_px_times_qty(v->price, o->qty, &value)) return "too large";
    if (o->side == SP_SIDE_BUY && value.e8 + value.e8 / FEE_DIVISOR > v->quote.e8)
        return "no money";
    if (o->side == SP_SIDE_SELL && o->qty.e8 > v->base.e8 - locked_base(v)) return "no base";
    if (is_pair && (o->px.e8 <= v->price.e8 || o->pair_stop_px.e8 >= v->price.e8)) {
        return "the relationship of the prices is not correct";
    }
    return NULL;
}

static struct venue_order *add(struct fake_venue *v, const struct sp_venue_order *o)
{
    SP_ASSERT(v->order_count < VENUE_ORDERS_MAX);
    struct venue_order *order = &v->orders[v->order_count++];

    *order = (struct venue_order){.id = o->client_order_id,
                                  .pair = o->pair_client_order_id,
                                  .symbol = o->symbol,
                                  .number = 1000 + v->order_count,
                                  .side = o->side,
                                  .type = o->type,
                                  .tif = o->tif,
                                  .state = SP_ORDER_STATE_OPEN,
                                  .qty = o->qty,
                                  .px = o->px,
                                  .stop_px = o->stop_px};
    return order;
}

static void receive_order(struct fake_venue *v, const struct sp_venue_order *o)
{
    const char *why = refusal(v, o);
    struct venue_order *stop = NULL;

    if (why != NULL) {
        say_answer(v, o->request_id, "REFUSED", why);
        return;
    }
    struct venue_order *order = add(v, o);
    if (o->pair_client_order_id.s[0] != '\0') {
        struct sp_venue_order leg = *o;
        leg.client_order_id = o->pair_client_order_id;
        leg.pair_client_order_id = o->client_order_id;
        leg.type = SP_ORDER_TYPE_STOP_LOSS;
        leg.px = (sp_px){0};
        leg.stop_px = o->pair_stop_px;
        stop = add(v, &leg);
    }
    struct sp_venue_answer *answer = say_answer(v, o->request_id, NULL, "");
    answer->venue_order_id = order->number;
    answer->pair_venue_order_id = stop != NULL ? stop->number : 0;
    say_report(v, order, NULL);
    if (stop != NULL) say_report(v, stop, NULL);
    bool takes =
        o->type == SP_ORDER_TYPE_MARKET ||
        (o->type == SP_ORDER_TYPE_LIMIT && o->side == SP_SIDE_BUY && o->px.e8 >= v->price.e8);
    if (takes) take(v, order);
}

static void receive_cancel(struct fake_venue *v, const struct sp_venue_cancel *cancel)
{
    const struct venue_order *order = venue_find(v, &cancel->client_order_id);

    if (order == NULL || !is_open(order)) {
        say_answer(v, cancel->request_id, "NOT_FOUND", "no open order");
        return;
    }
    say_answer(v, cancel->request_id, NULL, "");
    venue_cancel(v, &cancel->client_order_id);
}

static void say_order(struct fake_venue *v, uint64_t request_id, const struct venue_order *order)
{
    say(v, SP_REC_ORDER_VIEW)->body.order_view =
        (struct sp_order_view){.request_id = request_id,
                               .client_order_id = order->id,
                               .venue_order_id = order->number,
                               .symbol = order->symbol,
                               .side = order->side,
                               .type = order->type,
                               .tif = order->tif,
                               .state = order->state,
                               .qty = order->qty,
                               .filled_qty = order->filled};
}

static void receive_query(struct fake_venue *v, const struct sp_venue_query *query)
{
    uint32_t items = 0;

    if (sp_name_is(&query->what, "order")) {
        const struct venue_order *order = venue_find(v, &query->client_order_id);
        if (order == NULL) {
            say_answer(v, query->request_id, "NOT_FOUND", "no such order");
            return;
        }
        say_order(v, query->request_id, order);
        items = 1;
    } else if (sp_name_is(&query->what, "fills")) {
        for (uint64_t i = 0; i < v->fill_count && items < 100; i++) {
            if (!sp_name_eq(&v->fills[i].symbol, &query->symbol)) continue;
            if (v->fills[i].venue_trade_id <= query->after_trade_id) continue;
            items++;
            struct sp_record *record = say(v, SP_REC_FILL_VIEW);
            record->body.fill_view = v->fills[i];
            record->body.fill_view.request_id = query->request_id;
        }
    }
    say_answer(v, query->request_id, NULL, "")->items = items;
}

void venue_receive(struct fake_venue *v, const struct sp_record *request)
{
    if (v->fails) {
        uint64_t id = request->kind == SP_REC_VENUE_ORDER    ? request->body.venue_order.request_id
                      : request->kind == SP_REC_VENUE_CANCEL ? request->body.venue_cancel.request_id
                                                             : request->body.venue_query.request_id;
        say_answer(v, id, "IO", "internal error: execution status unknown");
        return;
    }
    if (request->kind == SP_REC_VENUE_ORDER) receive_order(v, &request->body.venue_order);
    if (request->kind == SP_REC_VENUE_CANCEL) receive_cancel(v, &request->body.venue_cancel);
    if (request->kind == SP_REC_VENUE_QUERY) receive_query(v, &request->body.venue_query);
}
