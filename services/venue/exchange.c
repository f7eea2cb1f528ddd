#include "services/venue/exchange.h"

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

sp_status sp_exchange_init(struct sp_exchange *x, const struct sp_world_config *world,
                           struct sp_err *err)
{
    memset(x, 0, sizeof *x);
    x->world = world;
    x->fees = (struct sp_fees){.maker = world->fee_maker, .taker = world->fee_taker};
    for (uint32_t i = 0; i < world->balance_count; i++) {
        x->balances[x->balance_count++] =
            (struct sp_venue_balance){.asset = world->balances[i].asset,
                                      .total = world->balances[i].amount};
    }
    for (uint32_t i = 0; i < world->instrument_count; i++) {
        struct sp_instrument instrument = instrument_of(&world->instruments[i]);
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

struct sp_venue_balance *sp_exchange_balance(struct sp_exchange *x, const sp_name *asset)
{
    for (uint32_t i = 0; i < x->balance_count; i++) {
        if (sp_name_eq(&x->balances[i].asset, asset)) return &x->balances[i];
    }
    SP_ASSERT(x->balance_count < SP_VENUE_ASSETS_MAX);
    x->balances[x->balance_count] = (struct sp_venue_balance){.asset = *asset};
    return &x->balances[x->balance_count++];
}

sp_status sp_exchange_transfer(struct sp_exchange *x, const sp_name *asset, sp_amt amount,
                               struct sp_err *err)
{
    bool is_known = false;
    sp_amt total = {0};

    for (uint32_t i = 0; i < x->balance_count; i++)
        is_known = is_known || sp_name_eq(&x->balances[i].asset, asset);
    if (!is_known && x->balance_count == SP_VENUE_ASSETS_MAX) {
        return SP_FAIL(err, SP_FULL, "the account has %d assets", SP_VENUE_ASSETS_MAX);
    }
    struct sp_venue_balance *balance = sp_exchange_balance(x, asset);
    if (!sp_amt_add(balance->total, amount, &total) || total.e8 < sp_exchange_locked(x, asset).e8) {
        return SP_FAIL(err, SP_REFUSED, "insufficient balance of %s", asset->s);
    }
    balance->total = total;
    return SP_OK;
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
    }
}

static struct sp_venue_order_row *find_open(struct sp_exchange *x, uint64_t order_no)
{
    for (uint32_t i = 0; i < x->open_count; i++) {
        if (x->open[i].order_no == order_no) return &x->open[i];
    }
    return NULL;
}

const struct sp_venue_order_row *sp_exchange_open_order(const struct sp_exchange *x,
                                                        const sp_name *client_order_id)
{
    for (uint32_t i = 0; i < x->open_count; i++) {
        if (sp_name_eq(&x->open[i].client_order_id, client_order_id)) return &x->open[i];
    }
    return NULL;
}

/* What a buy at this price may cost with its fee. False if it does not fit. */
SP_NODISCARD static bool cost_of(const struct sp_exchange *x, sp_px px, sp_qty qty, sp_amt *out)
{
    sp_amt value = {0}, fee = {0};

    return sp_px_times_qty(px, qty, &value) &&
           sp_fees_of_fill(&x->fees, SP_LIQUIDITY_TAKER, px, qty, &fee) &&
           sp_amt_add(value, fee, out);
}

/* A pair holds its quantity once: the stop leg's is the limit leg's. A buy holds its fee too. */
sp_amt sp_exchange_locked(const struct sp_exchange *x, const sp_name *asset)
{
    sp_amt locked = {0};

    for (uint32_t i = 0; i < x->open_count; i++) {
        const struct sp_venue_order_row *row = &x->open[i];
        const struct sp_instrument_config *instrument = &x->world->instruments[row->instrument];
        sp_qty left = {row->qty.e8 - row->filled.e8};
        bool second_leg = row->pair_no != 0 && row->type == SP_ORDER_TYPE_STOP_LOSS;
        sp_amt value = {0};
        if (second_leg) continue;
        if (row->side == SP_SIDE_SELL && sp_name_eq(asset, &instrument->base)) {
            locked.e8 += left.e8;
        } else if (row->side == SP_SIDE_BUY && sp_name_eq(asset, &instrument->quote)) {
            if (cost_of(x, row->px, left, &value)) locked.e8 += value.e8;
        }
    }
    return locked;
}

/* ---- What the engine says becomes rows ---- */

static void book_fill(struct sp_exchange *x, struct sp_venue_order_row *row,
                      const struct sp_match_event *event, struct sp_venue_fill_row *fill)
{
    const struct sp_instrument_config *instrument = &x->world->instruments[row->instrument];
    struct sp_venue_balance *base = sp_exchange_balance(x, &instrument->base);
    struct sp_venue_balance *quote = sp_exchange_balance(x, &instrument->quote);
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
    case SP_MATCH_ACCEPTED: return SP_ORDER_STATE_OPEN;
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
        change->order = *row;
        if (row->state >= SP_ORDER_STATE_FILLED) remove_open(x, event->order_no);
    }
}

/* ---- Requests ---- */

/* A market order pays the asks as they are seen, which may lie far above the last trade; what they
 * do not hold expires. */
SP_NODISCARD static bool cost_at_market(const struct sp_exchange *x, int instrument, sp_qty qty,
                                        sp_amt *out)
{
    struct sp_level level = {0};
    uint32_t cursor = 0;
    sp_amt cost = {0}, part = {0};

    while (qty.e8 > 0 && sp_seen_next(&x->match[instrument].seen, SP_SIDE_SELL, &cursor, &level)) {
        if (level.qty.e8 > qty.e8) level.qty = qty;
        if (!cost_of(x, level.px, level.qty, &part) || !sp_amt_add(cost, part, &cost)) return false;
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

SP_NODISCARD static sp_status check_funds(struct sp_exchange *x, int instrument,
                                          const struct sp_venue_order *request, struct sp_err *err)
{
    const struct sp_instrument_config *config = &x->world->instruments[instrument];
    bool buys = request->side == SP_SIDE_BUY;
    const sp_name *asset = buys ? &config->quote : &config->base;
    sp_amt needed = {request->qty.e8};

    if (buys && request->type == SP_ORDER_TYPE_STOP_LOSS) {
        return SP_FAIL(err, SP_REFUSED, "a stop that buys has no price to hold funds for");
    }
    bool fits = true;
    if (buys && request->type == SP_ORDER_TYPE_MARKET) {
        fits = cost_at_market(x, instrument, request->qty, &needed);
    } else if (buys) {
        fits = cost_of(x, request->px, request->qty, &needed);
    }
    if (!fits) return SP_FAIL(err, SP_REFUSED, "order value does not fit");
    sp_amt total = sp_exchange_balance(x, asset)->total;
    sp_amt locked = sp_exchange_locked(x, asset);
    if (needed.e8 <= total.e8 - locked.e8) return SP_OK;
    return SP_FAIL(err, SP_REFUSED, "insufficient balance of %s", asset->s);
}

/* What only some types may not do to the market as it stands. */
SP_NODISCARD static sp_status check_market(const struct sp_exchange *x, int instrument,
                                           const struct sp_venue_order *request, struct sp_err *err)
{
    const struct sp_match *match = &x->match[instrument];
    bool buys = request->side == SP_SIDE_BUY;
    struct sp_level touch = {0};

    if (request->type == SP_ORDER_TYPE_LIMIT_MAKER &&
        sp_seen_best(&match->seen, buys ? SP_SIDE_SELL : SP_SIDE_BUY, &touch) &&
        (buys ? touch.px.e8 <= request->px.e8 : touch.px.e8 >= request->px.e8)) {
        return SP_FAIL(err, SP_REFUSED, "Order would immediately match and take.");
    }
    return SP_OK;
}

SP_NODISCARD static sp_status check_request(struct sp_exchange *x, int instrument,
                                            const struct sp_venue_order *request,
                                            struct sp_err *err)
{
    bool is_pair = request->pair_client_order_id.s[0] != '\0';

    if (instrument < 0) {
        return SP_FAIL(err, SP_REFUSED, "invalid symbol %s", request->symbol.s);
    }
    if (x->status[instrument] != SP_VENUE_TRADING) {
        return SP_FAIL(err, SP_REFUSED, "Market is closed.");
    }
    if (sp_exchange_open_order(x, &request->client_order_id) != NULL ||
        (is_pair && sp_exchange_open_order(x, &request->pair_client_order_id) != NULL)) {
        return SP_FAIL(err, SP_EXISTS, "duplicate order sent: an open order has this id");
    }
    if (is_pair && (request->type != SP_ORDER_TYPE_LIMIT || request->pair_stop_px.e8 <= 0 ||
                    request->side != SP_SIDE_SELL)) {
        return SP_FAIL(err, SP_REFUSED, "a pair is a selling LIMIT leg and a stop price");
    }
    if (sp_name_eq(&request->client_order_id, &request->pair_client_order_id)) {
        return SP_FAIL(err, SP_REFUSED, "the legs of a pair need two ids");
    }
    if (x->open_count + 2 > SP_VENUE_OPEN_MAX) {
        return SP_FAIL(err, SP_REFUSED, "too many open orders");
    }
    sp_status status = check_market(x, instrument, request, err);
    return status == SP_OK ? check_funds(x, instrument, request, err) : status;
}

static struct sp_venue_order_row *add_row(struct sp_exchange *x, int instrument,
                                          const struct sp_venue_order *request)
{
    struct sp_venue_order_row *row = &x->open[x->open_count++];

    *row = (struct sp_venue_order_row){.order_no = ++x->last_order_no,
                                       .client_order_id = request->client_order_id,
                                       .pair_client_order_id = request->pair_client_order_id,
                                       .instrument = (uint32_t)instrument,
                                       .side = (enum sp_side)request->side,
                                       .type = (enum sp_order_type)request->type,
                                       .tif = (enum sp_tif)request->tif,
                                       .state = SP_ORDER_STATE_NEW,
                                       .qty = request->qty,
                                       .px = request->px,
                                       .stop_px = request->stop_px,
                                       .updated = x->time,
                                       .created = x->time};
    return row;
}

static struct sp_match_order match_order(const struct sp_venue_order_row *row)
{
    bool maker = row->type == SP_ORDER_TYPE_LIMIT_MAKER; /* to the engine a limit that rests */

    return (struct sp_match_order){.order_no = row->order_no,
                                   .pair_no = row->pair_no,
                                   .side = row->side,
                                   .type = maker ? SP_ORDER_TYPE_LIMIT : row->type,
                                   .tif = row->tif,
                                   .qty = row->qty,
                                   .px = row->px,
                                   .stop_px = row->stop_px,
                                   .filled = row->filled};
}

static void place_pair(struct sp_exchange *x, int instrument, const struct sp_venue_order *request,
                       uint64_t *order_no, uint64_t *pair_no)
{
    struct sp_venue_order stop_request = *request;

    stop_request.client_order_id = request->pair_client_order_id;
    stop_request.pair_client_order_id = request->client_order_id;
    stop_request.type = SP_ORDER_TYPE_STOP_LOSS;
    stop_request.px = (sp_px){0};
    stop_request.stop_px = request->pair_stop_px;
    struct sp_venue_order_row *limit = add_row(x, instrument, request);
    struct sp_venue_order_row *stop = add_row(x, instrument, &stop_request);
    limit->pair_no = stop->order_no;
    stop->pair_no = limit->order_no;
    *order_no = limit->order_no;
    *pair_no = stop->order_no;
    struct sp_match_order a = match_order(limit), b = match_order(stop);
    sp_match_place_pair(&x->match[instrument], &a, &b, &x->events);
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

sp_status sp_exchange_place(struct sp_exchange *x, const struct sp_venue_order *request,
                            struct sp_venue_changes *changes, uint64_t *order_no, uint64_t *pair_no,
                            struct sp_err *err)
{
    int instrument = sp_exchange_instrument(x, &request->symbol);
    uint64_t first = 0, second = 0;

    changes->count = 0;
    sp_status status = check_request(x, instrument, request, err);
    if (status != SP_OK) return status;
    if (request->pair_client_order_id.s[0] != '\0') {
        place_pair(x, instrument, request, &first, &second);
    } else {
        struct sp_venue_order_row *row = add_row(x, instrument, request);
        struct sp_match_order order = match_order(row);
        first = row->order_no;
        sp_match_place(&x->match[instrument], &order, &x->events);
    }
    if (was_rejected(x, err)) return SP_REFUSED;
    take_events(x, changes);
    *order_no = first;
    *pair_no = second;
    return SP_OK;
}

sp_status sp_exchange_cancel(struct sp_exchange *x, const sp_name *client_order_id,
                             struct sp_venue_changes *changes, struct sp_err *err)
{
    const struct sp_venue_order_row *row = sp_exchange_open_order(x, client_order_id);

    changes->count = 0;
    if (row == NULL) return SP_FAIL(err, SP_NOT_FOUND, "no open order %s", client_order_id->s);
    if (x->status[row->instrument] != SP_VENUE_TRADING &&
        x->status[row->instrument] != SP_VENUE_CANCEL_ONLY) {
        return SP_FAIL(err, SP_REFUSED, "Market is closed.");
    }
    sp_status status = sp_match_cancel(&x->match[row->instrument], row->order_no, &x->events, err);
    if (status == SP_OK) take_events(x, changes);
    return status;
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
