/* Room for events is reserved before an order is worked on, so that no fill is ever made that
 * cannot be told: an order that finds no room is left for the next call. */
#include "common/market/match.h"

#include "proto/decimal.h"

#include <string.h>

#define CHANGES_KEPT_MAX 256
/* A walk, the acceptance, the end of the order and the end of its other leg. */
#define ROOM_FOR_ONE (SP_MATCH_WALK_MAX + 4)

_Static_assert(ROOM_FOR_ONE <= SP_MATCH_EVENTS_MAX, "one order always fits");

sp_status sp_match_init(struct sp_match *match, const struct sp_instrument *instrument,
                        uint32_t level_capacity, struct sp_err *err)
{
    struct sp_seen seen = {0};
    sp_status st = sp_instrument_check(instrument, err);

    if (st == SP_OK) st = sp_seen_init(&seen, level_capacity, CHANGES_KEPT_MAX, err);
    if (st != SP_OK) return st;
    memset(match, 0, sizeof *match);
    match->instrument = *instrument;
    match->seen = seen;
    return SP_OK;
}

void sp_match_fini(struct sp_match *match)
{
    if (!match) return;
    sp_seen_fini(&match->seen);
    memset(match, 0, sizeof *match);
}

static enum sp_side opposite(enum sp_side side)
{
    return side == SP_SIDE_BUY ? SP_SIDE_SELL : SP_SIDE_BUY;
}

/* Whether an order of `side` with limit `limit` would trade at `px`. */
static bool reaches(enum sp_side side, sp_px limit, sp_px px)
{
    return side == SP_SIDE_BUY ? px.e8 <= limit.e8 : px.e8 >= limit.e8;
}

/* Whether a stop of `side` is triggered by a trade at `px`: the mirror of a limit. */
static bool triggers(enum sp_side side, sp_px stop, sp_px px)
{
    return side == SP_SIDE_BUY ? px.e8 >= stop.e8 : px.e8 <= stop.e8;
}

static struct sp_match_order *find(struct sp_match *match, uint64_t order_no)
{
    for (uint32_t i = 0; i < match->order_count; i++) {
        if (match->orders[i].order_no == order_no) return &match->orders[i];
    }
    return NULL;
}

const struct sp_match_order *sp_match_order(const struct sp_match *match, uint64_t order_no)
{
    for (uint32_t i = 0; i < match->order_count; i++) {
        if (match->orders[i].order_no == order_no) return &match->orders[i];
    }
    return NULL;
}

static void remove_order(struct sp_match *match, uint64_t order_no)
{
    struct sp_match_order *order = find(match, order_no);

    SP_ASSERT(order);
    uint32_t i = (uint32_t)(order - match->orders);
    memmove(order, order + 1, (match->order_count - i - 1) * sizeof *order);
    match->order_count--;
}

static struct sp_match_order *append(struct sp_match *match, const struct sp_match_order *order)
{
    SP_ASSERT(order->order_no != 0);
    SP_ASSERT(!find(match, order->order_no));
    SP_ASSERT(match->order_count < SP_MATCH_ORDERS_MAX);
    match->orders[match->order_count] = *order;
    return &match->orders[match->order_count++];
}

static bool has_room(const struct sp_match_events *events)
{
    return events->count + ROOM_FOR_ONE <= SP_MATCH_EVENTS_MAX;
}

static struct sp_match_event *tell(struct sp_match_events *events, enum sp_match_event_type type,
                                   const struct sp_match_order *order)
{
    SP_ASSERT(events->count < SP_MATCH_EVENTS_MAX);
    struct sp_match_event *event = &events->at[events->count++];
    *event = (struct sp_match_event){
        .type = type,
        .order_no = order->order_no,
        .filled = order->filled,
        .is_complete = order->filled.e8 == order->qty.e8,
    };
    return event;
}

static void tell_because(struct sp_match_events *events, enum sp_match_event_type type,
                         const struct sp_match_order *order, const char *cause)
{
    sp_text_printf(&tell(events, type, order)->cause, "%s", cause);
}

/* Ends an open order without a fill. */
static void end_order(struct sp_match *match, uint64_t order_no, enum sp_match_event_type type,
                      const char *cause, struct sp_match_events *events)
{
    const struct sp_match_order *order = find(match, order_no);

    if (!order) return;
    tell_because(events, type, order, cause);
    remove_order(match, order_no);
}

static sp_qty rest_of(const struct sp_match_order *order)
{
    return (sp_qty){order->qty.e8 - order->filled.e8};
}

static void fill(struct sp_match_order *order, struct sp_level part, enum sp_liquidity liquidity,
                 const sp_text *cause, struct sp_match_events *events)
{
    SP_ASSERT(part.qty.e8 > 0);
    SP_ASSERT(part.qty.e8 <= rest_of(order).e8);
    order->filled.e8 += part.qty.e8;
    struct sp_match_event *event = tell(events, SP_MATCH_FILL, order);
    event->px = part.px;
    event->qty = part.qty;
    event->liquidity = liquidity;
    event->cause = *cause;
}

/* After a fill: the other leg goes, and the order itself if nothing is left of it. */
static void settle(struct sp_match *match, uint64_t order_no, struct sp_match_events *events)
{
    struct sp_match_order *order = find(match, order_no);

    SP_ASSERT(order);
    uint64_t pair_no = order->pair_no;
    bool is_done = rest_of(order).e8 == 0;
    order->pair_no = 0;
    if (is_done) remove_order(match, order_no);
    if (pair_no != 0) {
        end_order(match, pair_no, SP_MATCH_CANCELED, "the other leg of the pair filled", events);
    }
}

/* What one walk over the opposite levels may do. */
struct walk {
    enum sp_liquidity liquidity;
    bool limited;
    const char *why; /* what made the order take: for the cause */
};

static void walk_cause(const struct walk *walk, enum sp_side side, struct sp_level seen,
                       sp_text *out)
{
    char px[SP_E8_TEXT_SIZE];
    char qty[SP_E8_TEXT_SIZE];

    sp_text_printf(out, "%s%s %s x %s in the book", walk->why, side == SP_SIDE_BUY ? "bid" : "ask",
                   sp_e8_format(seen.px.e8, px), sp_e8_format(seen.qty.e8, qty));
}

/* Fills as much of the order as the seen levels give. A maker gets its own price. */
static void take(struct sp_match *match, struct sp_match_order *order, const struct walk *walk,
                 struct sp_match_events *events)
{
    enum sp_side side = opposite(order->side);
    struct sp_level level = {0};
    uint32_t cursor = 0;

    for (int i = 0; i < SP_MATCH_WALK_MAX && rest_of(order).e8 > 0; i++) {
        sp_text cause = {{0}};
        if (!sp_seen_next(&match->seen, side, &cursor, &level)) return;
        if (walk->limited && !reaches(order->side, order->px, level.px)) return;
        struct sp_level part = level;
        if (part.qty.e8 > rest_of(order).e8) part.qty = rest_of(order);
        if (!sp_seen_take(&match->seen, side, part)) return;
        walk_cause(walk, side, level, &cause);
        if (walk->liquidity == SP_LIQUIDITY_MAKER) part.px = order->px;
        fill(order, part, walk->liquidity, &cause, events);
    }
}

/* Whether the seen levels can fill all of a limit order. */
static bool can_fill_whole(const struct sp_match *match, const struct sp_match_order *order)
{
    struct sp_level level = {0};
    uint32_t cursor = 0;
    int64_t left = order->qty.e8;

    for (int i = 0; i < SP_MATCH_WALK_MAX; i++) {
        if (!sp_seen_next(&match->seen, opposite(order->side), &cursor, &level)) return false;
        if (!reaches(order->side, order->px, level.px)) return false;
        if (level.qty.e8 >= left) return true;
        left -= level.qty.e8;
    }
    return false;
}

/* The order takes what it can, then rests or expires. */
static void execute(struct sp_match *match, uint64_t order_no, const struct walk *walk,
                    struct sp_match_events *events)
{
    struct sp_match_order *order = find(match, order_no);

    SP_ASSERT(order);
    bool rests = order->type == SP_ORDER_TYPE_LIMIT && order->tif == SP_TIF_GTC;
    if (order->type == SP_ORDER_TYPE_LIMIT && order->tif == SP_TIF_FOK &&
        !can_fill_whole(match, order)) {
        end_order(match, order_no, SP_MATCH_EXPIRED, "cannot be filled whole at once", events);
        return;
    }
    take(match, order, walk, events);
    if (rest_of(order).e8 == 0) {
        remove_order(match, order_no);
    } else if (!rests) {
        end_order(match, order_no, SP_MATCH_EXPIRED, "no more quantity within reach in the book",
                  events);
    }
}

/* The price by which the value of an order is judged; zero if there is none. */
static sp_px judging_px(const struct sp_match *match, const struct sp_match_order *order)
{
    struct sp_level touch = {0};

    if (order->type == SP_ORDER_TYPE_LIMIT) return order->px;
    if (order->type == SP_ORDER_TYPE_STOP_LOSS) return order->stop_px;
    if (sp_seen_best(&match->seen, opposite(order->side), &touch)) return touch.px;
    return match->last_px;
}

/* Fields and filters. */
static sp_status check_order(const struct sp_match *match, const struct sp_match_order *order,
                             struct sp_err *err)
{
    bool is_limit = order->type == SP_ORDER_TYPE_LIMIT;
    bool is_stop = order->type == SP_ORDER_TYPE_STOP_LOSS;

    if (order->side != SP_SIDE_BUY && order->side != SP_SIDE_SELL) {
        return SP_FAIL(err, SP_REFUSED, "the order has no side");
    }
    if (!is_limit && !is_stop && order->type != SP_ORDER_TYPE_MARKET) {
        return SP_FAIL(err, SP_REFUSED, "the order has no type");
    }
    if (is_limit && (order->tif <= SP_TIF_NONE || order->tif >= SP_TIF_COUNT)) {
        return SP_FAIL(err, SP_REFUSED, "a limit order needs a time in force");
    }
    if (is_limit != (order->px.e8 != 0) || is_stop != (order->stop_px.e8 != 0)) {
        return SP_FAIL(err, SP_REFUSED, "prices do not belong to the type of the order");
    }
    if (order->type == SP_ORDER_TYPE_MARKET) {
        sp_px px = judging_px(match, order);
        sp_status st = sp_instrument_check_qty(&match->instrument, order->qty, err);
        if (st != SP_OK) return st;
        if (px.e8 == 0) return SP_FAIL(err, SP_REFUSED, "no market is known yet");
        return sp_instrument_check_value(&match->instrument, px, order->qty, err);
    }
    return sp_instrument_check_order(&match->instrument, is_limit ? order->px : order->stop_px,
                                     order->qty, err);
}

void sp_match_place(struct sp_match *match, const struct sp_match_order *order,
                    struct sp_match_events *events)
{
    static const struct walk limit = {SP_LIQUIDITY_TAKER, true, "took "};
    static const struct walk market = {SP_LIQUIDITY_TAKER, false, "took "};
    struct sp_err err = {0};

    SP_ASSERT(order->order_no != 0);
    SP_ASSERT(order->pair_no == 0);
    SP_ASSERT(order->filled.e8 == 0);
    SP_ASSERT(!find(match, order->order_no));
    events->count = 0;
    sp_status st = check_order(match, order, &err);
    if (st == SP_OK && match->order_count == SP_MATCH_ORDERS_MAX) {
        st = SP_FAIL(&err, SP_FULL, "MAX_NUM_ORDERS: %d orders are open", SP_MATCH_ORDERS_MAX);
    }
    if (st == SP_OK && order->type == SP_ORDER_TYPE_STOP_LOSS && match->last_px.e8 != 0 &&
        triggers(order->side, order->stop_px, match->last_px)) {
        st = SP_FAIL(&err, SP_REFUSED, "order would trigger immediately");
    }
    if (st != SP_OK) {
        tell_because(events, SP_MATCH_REJECTED, order, err.text);
        return;
    }
    tell(events, SP_MATCH_ACCEPTED, append(match, order));
    if (order->type == SP_ORDER_TYPE_STOP_LOSS) return;
    execute(match, order->order_no, order->type == SP_ORDER_TYPE_LIMIT ? &limit : &market, events);
}

static sp_status check_pair(const struct sp_match *match, const struct sp_match_order *limit,
                            const struct sp_match_order *stop, struct sp_err *err)
{
    struct sp_level touch = {0};
    sp_status st = check_order(match, limit, err);

    if (st == SP_OK) st = check_order(match, stop, err);
    if (st != SP_OK) return st;
    if (limit->type != SP_ORDER_TYPE_LIMIT || stop->type != SP_ORDER_TYPE_STOP_LOSS ||
        limit->tif != SP_TIF_GTC) {
        return SP_FAIL(err, SP_REFUSED, "a pair is a resting limit order and a stop");
    }
    if (limit->side != stop->side || limit->qty.e8 != stop->qty.e8) {
        return SP_FAIL(err, SP_REFUSED, "the legs of a pair have one side and quantity");
    }
    if (match->order_count + 2 > SP_MATCH_ORDERS_MAX) {
        return SP_FAIL(err, SP_FULL, "MAX_NUM_ORDERS: %d orders are open", match->order_count);
    }
    bool limit_is_met = sp_seen_best(&match->seen, opposite(limit->side), &touch) &&
                        reaches(limit->side, limit->px, touch.px);
    if (match->last_px.e8 != 0) {
        limit_is_met = limit_is_met || reaches(limit->side, limit->px, match->last_px);
        if (triggers(stop->side, stop->stop_px, match->last_px)) {
            return SP_FAIL(err, SP_REFUSED, "stop leg would trigger immediately");
        }
    }
    if (limit_is_met || reaches(limit->side, limit->px, stop->stop_px)) {
        return SP_FAIL(err, SP_REFUSED,
                       "the relationship of the prices for the orders is not correct");
    }
    return SP_OK;
}

void sp_match_place_pair(struct sp_match *match, const struct sp_match_order *limit,
                         const struct sp_match_order *stop, struct sp_match_events *events)
{
    struct sp_err err = {0};

    SP_ASSERT(limit->pair_no == stop->order_no);
    SP_ASSERT(stop->pair_no == limit->order_no);
    SP_ASSERT(limit->filled.e8 == 0);
    SP_ASSERT(stop->filled.e8 == 0);
    events->count = 0;
    if (check_pair(match, limit, stop, &err) != SP_OK) {
        tell_because(events, SP_MATCH_REJECTED, limit, err.text);
        tell_because(events, SP_MATCH_REJECTED, stop, err.text);
        return;
    }
    tell(events, SP_MATCH_ACCEPTED, append(match, limit));
    tell(events, SP_MATCH_ACCEPTED, append(match, stop));
}

sp_status sp_match_cancel(struct sp_match *match, uint64_t order_no, struct sp_match_events *events,
                          struct sp_err *err)
{
    const struct sp_match_order *order = find(match, order_no);

    events->count = 0;
    if (!order) return SP_FAIL(err, SP_NOT_FOUND, "order %" PRIu64 " is not open", order_no);
    uint64_t pair_no = order->pair_no;
    end_order(match, order_no, SP_MATCH_CANCELED, "asked for", events);
    if (pair_no != 0) {
        end_order(match, pair_no, SP_MATCH_CANCELED, "the other leg of the pair was cancelled",
                  events);
    }
    return SP_OK;
}

sp_status sp_match_restore(struct sp_match *match, const struct sp_match_order *order,
                           struct sp_err *err)
{
    if (order->order_no == 0 || order->filled.e8 < 0 || order->filled.e8 >= order->qty.e8) {
        return SP_FAIL(err, SP_INVALID, "order %" PRIu64 " is not open", order->order_no);
    }
    if (find(match, order->order_no)) {
        return SP_FAIL(err, SP_EXISTS, "order %" PRIu64 " is there already", order->order_no);
    }
    if (match->order_count == SP_MATCH_ORDERS_MAX) {
        return SP_FAIL(err, SP_FULL, "%d orders are open", SP_MATCH_ORDERS_MAX);
    }
    append(match, order);
    return SP_OK;
}

/* The resting limit order of `side` that comes first in price and time among those that `px`
 * reaches. Orders are kept oldest first. */
static struct sp_match_order *first_reached(struct sp_match *match, enum sp_side side, sp_px px)
{
    struct sp_match_order *best = NULL;

    for (uint32_t i = 0; i < match->order_count; i++) {
        struct sp_match_order *order = &match->orders[i];
        if (order->type != SP_ORDER_TYPE_LIMIT || order->side != side) continue;
        if (!reaches(side, order->px, px)) continue;
        bool is_better = !best || (side == SP_SIDE_BUY ? order->px.e8 > best->px.e8
                                                       : order->px.e8 < best->px.e8);
        if (is_better) best = order;
    }
    return best;
}

static void trade_cause(const struct sp_trade *trade, const char *what, sp_text *out)
{
    char px[SP_E8_TEXT_SIZE];
    char qty[SP_E8_TEXT_SIZE];

    sp_text_printf(out, "trade %s x %s%s", sp_e8_format(trade->px.e8, px),
                   sp_e8_format(trade->qty.e8, qty), what);
}

/* The side the public taker met comes first; the trade's quantity is there only once. */
static void fill_makers(struct sp_match *match, const struct sp_trade *trade,
                        struct sp_match_events *events)
{
    enum sp_side met = opposite((enum sp_side)trade->taker_side);
    const enum sp_side sides[] = {met, opposite(met)};
    int64_t left = trade->qty.e8;
    sp_text cause = {{0}};

    for (int i = 0; i < 2; i++) {
        while (left > 0 && has_room(events)) {
            struct sp_match_order *order = first_reached(match, sides[i], trade->px);
            if (!order) break;
            struct sp_level part = {order->px, rest_of(order)};
            if (part.qty.e8 > left) part.qty.e8 = left;
            left -= part.qty.e8;
            trade_cause(trade, "", &cause);
            fill(order, part, SP_LIQUIDITY_MAKER, &cause, events);
            settle(match, order->order_no, events);
        }
    }
}

/* Turns the stops that a trade triggers into market orders and cancels their other legs. */
static void trigger_stops(struct sp_match *match, sp_px px, struct sp_match_events *events)
{
    for (uint32_t i = 0; i < match->order_count;) {
        struct sp_match_order *order = &match->orders[i];
        uint64_t pair_no = order->pair_no;
        bool fires =
            order->type == SP_ORDER_TYPE_STOP_LOSS && triggers(order->side, order->stop_px, px);
        if (!fires) {
            i++;
            continue;
        }
        order->type = SP_ORDER_TYPE_MARKET;
        order->pair_no = 0;
        end_order(match, pair_no, SP_MATCH_CANCELED, "the stop leg of the pair triggered", events);
        if (pair_no != 0) i = 0; /* the orders have moved; triggered ones are stops no more */
    }
}

/* Carries out triggered stops, oldest first. One that finds no room for its events stays a market
 * order and has its turn at the next call. */
static void fire_stops(struct sp_match *match, const char *why, struct sp_match_events *events)
{
    const struct walk walk = {SP_LIQUIDITY_TAKER, false, why};

    for (uint32_t i = 0; i < match->order_count && has_room(events);) {
        if (match->orders[i].type == SP_ORDER_TYPE_MARKET) {
            execute(match, match->orders[i].order_no, &walk, events); /* ends it */
        } else {
            i++;
        }
    }
}

/* Resting orders that the opposite touch has crossed. Each round takes a level or completes an
 * order, so the loop is bounded by the orders: an order that gets nothing ends it. */
static void fill_crossed(struct sp_match *match, enum sp_side side, struct sp_match_events *events)
{
    static const struct walk walk = {SP_LIQUIDITY_MAKER, true, "crossed by "};

    for (uint32_t i = 0; i < SP_MATCH_ORDERS_MAX && has_room(events); i++) {
        struct sp_level level = {0};
        uint32_t cursor = 0;
        if (!sp_seen_next(&match->seen, opposite(side), &cursor, &level)) return;
        struct sp_match_order *order = first_reached(match, side, level.px);
        if (!order) return;
        sp_qty before = order->filled;
        take(match, order, &walk, events);
        if (order->filled.e8 == before.e8) return;
        settle(match, order->order_no, events);
    }
}

static void on_trade(struct sp_match *match, const struct sp_trade *trade,
                     struct sp_match_events *events)
{
    sp_text why = {{0}};

    match->last_px = trade->px;
    if (match->order_count == 0) return;
    fill_makers(match, trade, events);
    trigger_stops(match, trade->px, events);
    trade_cause(trade, " triggered the stop; took ", &why);
    fire_stops(match, why.s, events);
}

void sp_match_market(struct sp_match *match, const struct sp_market_event *event,
                     struct sp_match_events *events)
{
    events->count = 0;
    sp_seen_event(&match->seen, event);
    if (match->order_count == 0 && event->kind != SP_REC_TRADE) return;
    fire_stops(match, "stop triggered before; took ", events);
    if (event->kind == SP_REC_TRADE) {
        on_trade(match, &event->body.trade, events);
    } else {
        fill_crossed(match, SP_SIDE_BUY, events);
        fill_crossed(match, SP_SIDE_SELL, events);
    }
}
