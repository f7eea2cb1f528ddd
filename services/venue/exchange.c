#include "services/venue/exchange_internal.h"

#include <string.h>

#define LEVELS_MAX 8192

static struct sp_instrument instrument_of(const struct sp_instrument_config *config)
{
    return (struct sp_instrument){.symbol = config->symbol,
                                  .base = config->base,
                                  .quote = config->quote,
                                  .tick = config->tick,
                                  .step = config->step,
                                  .min_qty = config->min_qty,
                                  .min_value = config->min_value};
}

static const struct sp_venue_rules own_rules = {
    .waiting_max = SP_VENUE_WAITING_MAX,
    .percent_up = {SP_VENUE_PERCENT_UP * SP_FX_ONE},
    .percent_down = {SP_FX_ONE / SP_VENUE_PERCENT_DOWN},
};

sp_status sp_exchange_init(struct sp_exchange *x, const struct sp_world_config *world,
                           struct sp_err *err)
{
    memset(x, 0, sizeof *x);
    x->world = world;
    x->fees = (struct sp_fees){.maker = world->fee_maker, .taker = world->fee_taker};
    x->account_count = 1;
    x->accounts[0].name = sp_name_of("main");
    for (uint32_t i = 0; i < world->balance_count; i++) {
        sp_exchange_balance(x, 0, &world->balances[i].asset)->total = world->balances[i].amount;
    }
    for (uint32_t i = 0; i < world->instrument_count; i++) {
        struct sp_instrument instrument = instrument_of(&world->instruments[i]);
        x->rules[i] = own_rules;
        sp_status status = sp_match_init(&x->match[i], &instrument, LEVELS_MAX, err);
        if (status != SP_OK) return status;
    }
    return SP_OK;
}

void sp_exchange_fini(struct sp_exchange *x)
{
    if (x->world == NULL) return;
    for (uint32_t i = 0; i < x->world->instrument_count; i++)
        sp_match_fini(&x->match[i]);
}

int sp_exchange_instrument(const struct sp_exchange *x, const sp_name *symbol)
{
    for (uint32_t i = 0; i < x->world->instrument_count; i++) {
        if (sp_name_eq(&x->world->instruments[i].symbol, symbol)) return (int)i;
    }
    return -1;
}

static const char *const status_names[SP_VENUE_STATUSES] = {
    [SP_VENUE_TRADING] = "TRADING",
    [SP_VENUE_END_OF_DAY] = "END_OF_DAY",
    [SP_VENUE_HALT] = "HALT",
    [SP_VENUE_BREAK] = "BREAK",
    [SP_VENUE_CANCEL_ONLY] = "CANCEL_ONLY",
};

const char *sp_venue_status_name(enum sp_venue_status status)
{
    return status_names[status];
}

bool sp_exchange_set_status(struct sp_exchange *x, uint32_t instrument, const char *name)
{
    for (enum sp_venue_status status = 0; status < SP_VENUE_STATUSES; status++) {
        if (strcmp(status_names[status], name) != 0) continue;
        x->status[instrument] = status;
        return true;
    }
    return false;
}

void sp_exchange_reset_rules(struct sp_exchange *x)
{
    for (uint32_t i = 0; i < x->world->instrument_count; i++) {
        x->match[i].instrument = instrument_of(&x->world->instruments[i]);
        x->status[i] = SP_VENUE_TRADING;
        x->rules[i] = own_rules;
    }
}

static struct sp_venue_order_row *find_open(struct sp_exchange *x, uint64_t order_no)
{
    for (uint32_t i = 0; i < x->open_count; i++) {
        if (x->open[i].order_no == order_no) return &x->open[i];
    }
    return NULL;
}

/* ---- What the engine says becomes rows ---- */

/* A time that is not 0, which says that an order still waits. */
static sp_wall since(sp_wall time)
{
    return time.ns != 0 ? time : (sp_wall){1};
}

static void book_fill(struct sp_exchange *x, struct sp_venue_order_row *row,
                      const struct sp_match_event *event, struct sp_venue_fill_row *fill)
{
    const struct sp_instrument_config *instrument = &x->world->instruments[row->instrument];
    struct sp_venue_balance *base = sp_exchange_balance(x, row->account, &instrument->base);
    struct sp_venue_balance *quote = sp_exchange_balance(x, row->account, &instrument->quote);
    sp_amt value = {0}, fee = {0};
    bool exact = sp_px_times_qty(event->px, event->qty, &value) &&
                 sp_fees_of_fill(&x->fees, event->liquidity, event->px, event->qty, &fee);

    SP_ASSERT(exact); /* quantities are bounded by what the account holds */
    int64_t sign = row->side == SP_SIDE_BUY ? 1 : -1;
    base->total.e8 += sign * event->qty.e8;
    quote->total.e8 -= sign * value.e8 + fee.e8;
    row->quote_filled.e8 += value.e8;
    *fill = (struct sp_venue_fill_row){.trade_no = ++x->last_trade_no,
                                       .order_no = row->order_no,
                                       .account = row->account,
                                       .client_order_id = row->client_order_id,
                                       .instrument = row->instrument,
                                       .side = row->side,
                                       .liquidity = event->liquidity,
                                       .px = event->px,
                                       .qty = event->qty,
                                       .fee = fee,
                                       .time = x->time,
                                       .market = event->cause};
}

static enum sp_order_state state_after(const struct sp_match_event *event)
{
    switch (event->type) {
    case SP_MATCH_ACCEPTED:
    case SP_MATCH_TRIGGERED: return SP_ORDER_STATE_OPEN;
    case SP_MATCH_FILL:
        return event->is_complete ? SP_ORDER_STATE_FILLED : SP_ORDER_STATE_PARTIALLY_FILLED;
    case SP_MATCH_CANCELED: return SP_ORDER_STATE_CANCELED;
    case SP_MATCH_EXPIRED: return SP_ORDER_STATE_EXPIRED;
    case SP_MATCH_REJECTED: return SP_ORDER_STATE_REJECTED;
    }
    return SP_ORDER_STATE_NONE;
}

static void remove_open(struct sp_exchange *x, uint64_t order_no)
{
    for (uint32_t i = 0; i < x->open_count; i++) {
        if (x->open[i].order_no != order_no) continue;
        memmove(&x->open[i], &x->open[i + 1], (x->open_count - i - 1) * sizeof *x->open);
        x->open_count--;
        return;
    }
}

static void take_events(struct sp_exchange *x, struct sp_venue_changes *changes)
{
    changes->count = 0;
    for (uint32_t i = 0; i < x->events.count; i++) {
        const struct sp_match_event *event = &x->events.at[i];
        struct sp_venue_order_row *row = find_open(x, event->order_no);
        SP_ASSERT(row != NULL);
        struct sp_venue_change *change = &changes->at[changes->count++];
        *change = (struct sp_venue_change){0};
        if (event->type == SP_MATCH_FILL) book_fill(x, row, event, &change->fill);
        row->state = state_after(event);
        row->filled = event->filled;
        row->updated = x->time;
        row->reason = event->cause;
        row->counter_no = event->counter_no;
        change->is_new = event->type == SP_MATCH_ACCEPTED;
        change->is_triggered = event->type == SP_MATCH_TRIGGERED;
        if (change->is_triggered) row->working = since(x->time);
        change->order = *row;
        if (row->state >= SP_ORDER_STATE_FILLED) remove_open(x, event->order_no);
    }
}

/* ---- Requests ---- */

/* A market order pays the asks as they are seen, which may lie far above the last trade; what they
 * do not hold expires. */
SP_NODISCARD static bool cost_at_market(const struct sp_exchange *x, uint32_t instrument,
                                        sp_qty qty, sp_amt *out)
{
    struct sp_level level = {0};
    uint32_t cursor = 0;
    sp_amt cost = {0}, part = {0};

    while (qty.e8 > 0 && sp_seen_next(&x->match[instrument].seen, SP_SIDE_SELL, &cursor, &level)) {
        if (level.qty.e8 > qty.e8) level.qty = qty;
        if (!sp_exchange_cost(x, level.px, level.qty, &part) || !sp_amt_add(cost, part, &cost)) {
            return false;
        }
        qty.e8 -= level.qty.e8;
    }
    *out = cost;
    return true;
}

sp_qty sp_exchange_qty_for(const struct sp_exchange *x, int instrument, enum sp_side side,
                           sp_amt value)
{
    const struct sp_match *match = &x->match[instrument];
    enum sp_side from = side == SP_SIDE_BUY ? SP_SIDE_SELL : SP_SIDE_BUY;
    struct sp_level level = {0};
    uint32_t cursor = 0;
    sp_qty qty = {0};

    while (value.e8 > 0 && sp_seen_next(&match->seen, from, &cursor, &level)) {
        sp_amt whole = {0};
        sp_qty part = level.qty;
        if (!sp_px_times_qty(level.px, level.qty, &whole)) break;
        if (whole.e8 > value.e8 && !sp_amt_div_px(value, level.px, &part)) break;
        qty.e8 += part.e8;
        value.e8 -= whole.e8 < value.e8 ? whole.e8 : value.e8;
    }
    return sp_instrument_qty_down(&match->instrument, qty);
}

/* What the request needs of the asset it pays with. False if it does not fit. */
SP_NODISCARD static bool need_of(const struct sp_exchange *x,
                                 const struct sp_venue_request *request, sp_amt *out)
{
    sp_amt most = {0}, one = {0};

    if (request->side == SP_SIDE_SELL) {
        *out = (sp_amt){request->qty.e8};
        return true;
    }
    if (request->legs[0].type == SP_ORDER_TYPE_MARKET) {
        return cost_at_market(x, request->instrument, request->qty, out);
    }
    for (uint32_t i = 0; i < request->leg_count; i++) {
        if (!sp_exchange_hold(x, &request->legs[i], request->qty, &one)) return false;
        if (one.e8 > most.e8) most = one;
    }
    *out = most;
    return true;
}

SP_NODISCARD static sp_status check_funds(struct sp_exchange *x,
                                          const struct sp_venue_request *request,
                                          struct sp_err *err)
{
    const struct sp_instrument_config *config = &x->world->instruments[request->instrument];
    const sp_name *asset = request->side == SP_SIDE_BUY ? &config->quote : &config->base;
    sp_amt needed = {0};

    if (!need_of(x, request, &needed)) {
        return SP_FAIL(err, SP_REFUSED, "order value does not fit");
    }
    sp_amt total = sp_exchange_balance(x, request->account, asset)->total;
    sp_amt locked = sp_exchange_locked(x, request->account, asset);
    if (needed.e8 <= total.e8 - locked.e8) return SP_OK;
    return SP_FAIL(err, SP_REFUSED, "insufficient balance of %s", asset->s);
}

/* What only some types may not do to the market as it stands. */
SP_NODISCARD static sp_status check_market(const struct sp_exchange *x,
                                           const struct sp_venue_request *request,
                                           struct sp_err *err)
{
    const struct sp_match *match = &x->match[request->instrument];
    const struct sp_venue_leg *leg = &request->legs[0];
    bool buys = request->side == SP_SIDE_BUY;
    struct sp_level touch = {0};

    if (request->leg_count == 1 && leg->type == SP_ORDER_TYPE_LIMIT_MAKER &&
        sp_seen_best(&match->seen, buys ? SP_SIDE_SELL : SP_SIDE_BUY, &touch) &&
        (buys ? touch.px.e8 <= leg->px.e8 : touch.px.e8 >= leg->px.e8)) {
        return SP_FAIL(err, SP_REFUSED, "Order would immediately match and take.");
    }
    return SP_OK;
}

SP_NODISCARD static sp_status check_request(struct sp_exchange *x,
                                            const struct sp_venue_request *request,
                                            struct sp_err *err)
{
    uint32_t open = sp_exchange_order_count(x, request->account, request->instrument);

    if (x->status[request->instrument] != SP_VENUE_TRADING) {
        return SP_FAIL(err, SP_REFUSED, "Market is closed.");
    }
    for (uint32_t i = 0; i < request->leg_count; i++) {
        const sp_name *id = &request->legs[i].client_order_id;
        if (sp_exchange_open_order(x, request->account, id) == NULL) continue;
        return SP_FAIL(err, SP_EXISTS, "duplicate order sent: an open order has this id");
    }
    if (request->leg_count == 2 &&
        sp_name_eq(&request->legs[0].client_order_id, &request->legs[1].client_order_id)) {
        return SP_FAIL(err, SP_REFUSED, "the legs of a pair need two ids");
    }
    if (open + request->leg_count > SP_VENUE_ORDERS_MAX) {
        return SP_FAIL(err, SP_REFUSED, "too many open orders");
    }
    uint32_t waiting = sp_exchange_waiting_count(x, request->account, request->instrument);
    if (sp_venue_waiting(request) > 0 &&
        waiting + sp_venue_waiting(request) > x->rules[request->instrument].waiting_max)
        return SP_FAIL(err, SP_REFUSED, "too many orders that wait");
    sp_status status = check_market(x, request, err);
    return status == SP_OK ? check_funds(x, request, err) : status;
}

sp_status sp_exchange_read(const struct sp_exchange *x, const struct sp_venue_order *message,
                           struct sp_venue_request *out, struct sp_err *err)
{
    int instrument = sp_exchange_instrument(x, &message->symbol);
    bool is_pair = message->pair_client_order_id.s[0] != '\0';

    if (instrument < 0) return SP_FAIL(err, SP_REFUSED, "invalid symbol %s", message->symbol.s);
    if (is_pair && (message->type != SP_ORDER_TYPE_LIMIT || message->pair_stop_px.e8 <= 0 ||
                    message->side != SP_SIDE_SELL)) {
        return SP_FAIL(err, SP_REFUSED, "a pair is a selling LIMIT leg and a stop price");
    }
    *out = (struct sp_venue_request){.instrument = (uint32_t)instrument,
                                     .side = (enum sp_side)message->side,
                                     .qty = message->qty,
                                     .leg_count = is_pair ? 2 : 1};
    out->legs[0] = (struct sp_venue_leg){.client_order_id = message->client_order_id,
                                         .type = (enum sp_order_type)message->type,
                                         .tif = (enum sp_tif)message->tif,
                                         .px = message->px,
                                         .stop_px = message->stop_px};
    if (!is_pair) return SP_OK;
    out->legs[1] = (struct sp_venue_leg){.client_order_id = message->pair_client_order_id,
                                         .type = SP_ORDER_TYPE_STOP_LOSS,
                                         .tif = SP_TIF_GTC,
                                         .stop_px = message->pair_stop_px};
    return SP_OK;
}

static struct sp_venue_order_row *add_row(struct sp_exchange *x,
                                          const struct sp_venue_request *request,
                                          const struct sp_venue_leg *leg)
{
    struct sp_venue_order_row *row = &x->open[x->open_count++];
    bool waits = sp_order_type_waits(leg->type);

    *row = (struct sp_venue_order_row){.order_no = ++x->last_order_no,
                                       .account = request->account,
                                       .client_order_id = leg->client_order_id,
                                       .instrument = request->instrument,
                                       .side = request->side,
                                       .type = leg->type,
                                       .tif = leg->tif,
                                       .state = SP_ORDER_STATE_NEW,
                                       .qty = request->qty,
                                       .px = leg->px,
                                       .stop_px = leg->stop_px,
                                       .updated = x->time,
                                       .created = x->time,
                                       .quote_qty = request->quote_qty,
                                       .stp = request->stp,
                                       .working = waits ? (sp_wall){0} : since(x->time)};
    return row;
}

/* As the engine knows it: one that no longer waits is what it has become. */
static struct sp_match_order match_order(const struct sp_venue_order_row *row)
{
    bool has_limit = sp_order_type_has_limit(row->type);
    bool has_waited = sp_order_type_waits(row->type) && row->working.ns != 0;
    enum sp_order_type plain = has_limit ? SP_ORDER_TYPE_LIMIT : SP_ORDER_TYPE_MARKET;
    bool maker = row->type == SP_ORDER_TYPE_LIMIT_MAKER; /* to the engine a limit that rests */
    bool capped = row->side == SP_SIDE_BUY && !has_limit && sp_order_type_waits(row->type);

    return (struct sp_match_order){.order_no = row->order_no,
                                   .pair_no = row->pair_no,
                                   .owner = row->account,
                                   .side = row->side,
                                   .type = maker || has_waited ? plain : row->type,
                                   .tif = row->tif,
                                   .stp = row->stp,
                                   .fired = has_waited && !has_limit,
                                   .qty = row->qty,
                                   .px = row->px,
                                   .stop_px = row->stop_px,
                                   .cap_px = capped ? sp_exchange_cap(row->stop_px) : (sp_px){0},
                                   .filled = row->filled};
}

static void place_pair(struct sp_exchange *x, const struct sp_venue_request *request,
                       struct sp_venue_placed *placed)
{
    struct sp_venue_order_row *profit = add_row(x, request, &request->legs[0]);
    struct sp_venue_order_row *stop = add_row(x, request, &request->legs[1]);

    profit->pair_no = stop->order_no;
    stop->pair_no = profit->order_no;
    profit->pair_client_order_id = stop->client_order_id;
    stop->pair_client_order_id = profit->client_order_id;
    profit->list_client_id = stop->list_client_id = request->list_client_id;
    profit->list_no = stop->list_no = request->is_list ? profit->order_no : 0;
    *placed = (struct sp_venue_placed){profit->order_no, stop->order_no, profit->list_no};
    struct sp_match_order a = match_order(profit), b = match_order(stop);
    sp_match_place_pair(&x->match[request->instrument], &a, &b, &x->events);
}

/* The engine's refusal of a whole request is an answer, not an order that once existed. */
static bool was_rejected(struct sp_exchange *x, struct sp_err *err)
{
    if (x->events.count == 0 || x->events.at[0].type != SP_MATCH_REJECTED) return false;
    for (uint32_t i = 0; i < x->events.count; i++)
        remove_open(x, x->events.at[i].order_no);
    SP_IGNORE(SP_FAIL(err, SP_REFUSED, "%s", x->events.at[0].cause.s)); /* returned by the caller */
    return true;
}

sp_status sp_exchange_place(struct sp_exchange *x, const struct sp_venue_request *request,
                            struct sp_venue_changes *changes, struct sp_venue_placed *placed,
                            struct sp_err *err)
{
    struct sp_venue_placed numbers = {0};

    SP_ASSERT(request->account < x->account_count);
    SP_ASSERT(request->leg_count == 1 || request->leg_count == 2);
    changes->count = 0;
    sp_status status = check_request(x, request, err);
    if (status != SP_OK) return status;
    if (request->leg_count == 2) {
        place_pair(x, request, &numbers);
    } else {
        struct sp_venue_order_row *row = add_row(x, request, &request->legs[0]);
        struct sp_match_order order = match_order(row);
        numbers.order_no = row->order_no;
        sp_match_place(&x->match[request->instrument], &order, &x->events);
    }
    if (was_rejected(x, err)) return SP_REFUSED;
    take_events(x, changes);
    *placed = numbers;
    return SP_OK;
}

sp_status sp_exchange_cancel(struct sp_exchange *x, uint64_t order_no, const sp_name *cancel_id,
                             struct sp_venue_changes *changes, struct sp_err *err)
{
    const struct sp_venue_order_row *row = sp_exchange_order(x, order_no);

    changes->count = 0;
    if (row == NULL) {
        return SP_FAIL(err, SP_NOT_FOUND, "order %llu is not open", (unsigned long long)order_no);
    }
    if (x->status[row->instrument] != SP_VENUE_TRADING &&
        x->status[row->instrument] != SP_VENUE_CANCEL_ONLY) {
        return SP_FAIL(err, SP_REFUSED, "Market is closed.");
    }
    sp_status status = sp_match_cancel(&x->match[row->instrument], order_no, &x->events, err);
    if (status != SP_OK) return status;
    take_events(x, changes);
    for (uint32_t i = 0; i < changes->count && cancel_id != NULL; i++)
        changes->at[i].cancel_id = *cancel_id;
    return SP_OK;
}

void sp_exchange_market(struct sp_exchange *x, uint32_t instrument,
                        const struct sp_market_event *event, struct sp_venue_changes *changes)
{
    if (event->time.ns > x->time.ns) x->time = event->time;
    sp_match_market(&x->match[instrument], event, &x->events);
    take_events(x, changes);
}

sp_status sp_exchange_restore(struct sp_exchange *x, const struct sp_venue_order_row *order,
                              struct sp_err *err)
{
    struct sp_match_order match = match_order(order);

    if (x->open_count == SP_VENUE_OPEN_MAX) return SP_FAIL(err, SP_FULL, "too many open orders");
    x->open[x->open_count++] = *order;
    return sp_match_restore(&x->match[order->instrument], &match, err);
}
