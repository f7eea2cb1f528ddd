/* Room for events is reserved before an order is worked on, so that no fill is ever made that
 * cannot be told: an order that finds no room is left for the next call. */
#include "common/market/match_internal.h"

#include "proto/decimal.h"

#include <string.h>

#define CHANGES_KEPT_MAX 256
/* A walk of which each step fills a part or ends an own order and its other leg, the acceptance,
 * the end of the order and the end of its other leg. */
#define ROOM_FOR_ONE (2 * SP_MATCH_WALK_MAX + 4)

_Static_assert(SP_MATCH_ORDERS_MAX + ROOM_FOR_ONE <= SP_MATCH_EVENTS_MAX,
               "a trade may fill all orders, and one order always fits");

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

/* Ends an open order that met one of its owner's, and its other leg. */
static void prevent(struct sp_match *match, uint64_t order_no, uint64_t counter_no,
                    struct sp_match_events *events)
{
    const struct sp_match_order *order = find(match, order_no);

    SP_ASSERT(order);
    uint64_t pair_no = order->pair_no;
    tell_because(events, SP_MATCH_EXPIRED, order, "it would have met an order of its owner");
    events->at[events->count - 1].counter_no = counter_no;
    remove_order(match, order_no);
    if (pair_no != 0) {
        end_order(match, pair_no, SP_MATCH_CANCELED, "the other leg of the pair expired", events);
    }
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

/* ASCII parts that fit together. A fill has one such text, and printf would take half its time. */
static void join(sp_text *out, const char *const *parts)
{
    size_t at = 0;

    memset(out, 0, sizeof *out);
    for (; *parts != NULL; parts++) {
        size_t len = strlen(*parts);
        SP_ASSERT(len < sizeof out->s - at);
        memcpy(out->s + at, *parts, len);
        at += len;
    }
}

static void walk_cause(const struct walk *walk, enum sp_side side, struct sp_level seen,
                       sp_text *out)
{
    char px[SP_E8_TEXT_SIZE];
    char qty[SP_E8_TEXT_SIZE];

    join(out, (const char *const[]){walk->why, side == SP_SIDE_BUY ? "bid " : "ask ",
                                    sp_e8_format(seen.px.e8, px), " x ",
                                    sp_e8_format(seen.qty.e8, qty), " in the book", NULL});
}

/* The worst price the order takes; 0: any. */
static sp_px bound_of(const struct sp_match_order *order, const struct walk *walk)
{
    return walk->limited ? order->px : order->cap_px;
}

/* The owner's resting order that a taker reaches before `level` (NULL: the end of the levels); NULL
 * if there is none. */
static const struct sp_match_order *own_before(const struct sp_match *match,
                                               const struct sp_match_order *taker, sp_px bound,
                                               const struct sp_level *level)
{
    const struct sp_match_order *best = NULL;

    if (taker->stp == SP_STP_NONE) return NULL;
    for (uint32_t i = 0; i < match->order_count; i++) {
        const struct sp_match_order *own = &match->orders[i];
        bool is_met = own->owner == taker->owner && own->side != taker->side &&
                      own->type == SP_ORDER_TYPE_LIMIT && !own->fired &&
                      own->order_no != taker->pair_no;
        if (!is_met) continue;
        if (bound.e8 != 0 && !sp_match_reaches(taker->side, bound, own->px)) continue;
        if (level && !sp_match_reaches(taker->side, level->px, own->px)) continue;
        if (!best ||
            (own->px.e8 != best->px.e8 && sp_match_reaches(taker->side, best->px, own->px))) {
            best = own;
        }
    }
    return best;
}

/* What the taker's word says about one of its owner's orders. False: the taker has ended. */
static bool meet_own(struct sp_match *match, uint64_t taker_no, uint64_t own_no,
                     struct sp_match_events *events)
{
    const struct sp_match_order *taker = sp_match_order(match, taker_no);

    SP_ASSERT(taker);
    enum sp_match_stp stp = taker->stp;
    if (stp != SP_STP_EXPIRE_TAKER) prevent(match, own_no, taker_no, events);
    if (stp == SP_STP_EXPIRE_MAKER) return true;
    prevent(match, taker_no, own_no, events);
    return false;
}

/* Fills as much of the order as the seen levels give. A maker gets its own price. False: the order
 * has ended, because it met one of its owner's. */
static bool take(struct sp_match *match, uint64_t order_no, const struct walk *walk,
                 struct sp_match_events *events)
{
    struct sp_match_order *order = find(match, order_no);

    SP_ASSERT(order);
    enum sp_side side = sp_match_opposite(order->side);
    sp_px bound = bound_of(order, walk);
    uint32_t cursor = 0;

    for (int i = 0; i < SP_MATCH_WALK_MAX && rest_of(order).e8 > 0; i++) {
        sp_text cause = {{0}};
        struct sp_level level = {0};
        uint32_t next = cursor;
        bool has_level = sp_seen_next(&match->seen, side, &next, &level);
        const struct sp_match_order *own =
            walk->liquidity == SP_LIQUIDITY_TAKER
                ? own_before(match, order, bound, has_level ? &level : NULL)
                : NULL;
        if (own) {
            if (!meet_own(match, order_no, own->order_no, events)) return false;
            order = find(match, order_no); /* the orders have moved */
            SP_ASSERT(order);
            continue;
        }
        cursor = next;
        if (!has_level) return true;
        if (bound.e8 != 0 && !sp_match_reaches(order->side, bound, level.px)) return true;
        struct sp_level part = level;
        if (part.qty.e8 > rest_of(order).e8) part.qty = rest_of(order);
        if (!sp_seen_take(&match->seen, side, part)) return true;
        walk_cause(walk, side, level, &cause);
        if (walk->liquidity == SP_LIQUIDITY_MAKER) part.px = order->px;
        fill(order, part, walk->liquidity, &cause, events);
    }
    return true;
}

/* Whether the seen levels can fill all of a limit order. */
static bool can_fill_whole(const struct sp_match *match, const struct sp_match_order *order)
{
    struct sp_level level = {0};
    uint32_t cursor = 0;
    int64_t left = order->qty.e8;

    for (int i = 0; i < SP_MATCH_WALK_MAX; i++) {
        if (!sp_seen_next(&match->seen, sp_match_opposite(order->side), &cursor, &level))
            return false;
        if (!sp_match_reaches(order->side, order->px, level.px)) return false;
        bool is_stopped = order->stp != SP_STP_NONE && order->stp != SP_STP_EXPIRE_MAKER;
        if (is_stopped && own_before(match, order, order->px, &level)) return false;
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
    order->fired = false;
    if (!take(match, order_no, walk, events)) return;
    order = find(match, order_no);
    SP_ASSERT(order);
    if (rest_of(order).e8 == 0) {
        remove_order(match, order_no);
    } else if (!rests) {
        end_order(match, order_no, SP_MATCH_EXPIRED, "no more quantity within reach in the book",
                  events);
    }
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
    if (sp_match_check_order(match, order, &err) != SP_OK) {
        tell_because(events, SP_MATCH_REJECTED, order, err.text);
        return;
    }
    tell(events, SP_MATCH_ACCEPTED, append(match, order));
    if (sp_order_type_waits(order->type)) return;
    execute(match, order->order_no, order->type == SP_ORDER_TYPE_LIMIT ? &limit : &market, events);
}

void sp_match_place_pair(struct sp_match *match, const struct sp_match_order *profit,
                         const struct sp_match_order *stop, struct sp_match_events *events)
{
    struct sp_err err = {0};

    SP_ASSERT(profit->pair_no == stop->order_no);
    SP_ASSERT(stop->pair_no == profit->order_no);
    SP_ASSERT(profit->filled.e8 == 0);
    SP_ASSERT(stop->filled.e8 == 0);
    events->count = 0;
    if (sp_match_check_pair(match, profit, stop, &err) != SP_OK) {
        tell_because(events, SP_MATCH_REJECTED, profit, err.text);
        tell_because(events, SP_MATCH_REJECTED, stop, err.text);
        return;
    }
    tell(events, SP_MATCH_ACCEPTED, append(match, profit));
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
        if (order->type != SP_ORDER_TYPE_LIMIT || order->side != side || order->fired) continue;
        if (!sp_match_reaches(side, order->px, px)) continue;
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
    enum sp_side met = sp_match_opposite((enum sp_side)trade->taker_side);
    const enum sp_side sides[] = {met, sp_match_opposite(met)};
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

static void trigger_waiting(struct sp_match *match, sp_px px)
{
    for (uint32_t i = 0; i < match->order_count; i++) {
        struct sp_match_order *order = &match->orders[i];
        if (sp_order_type_waits(order->type) && sp_match_triggers(order, px)) order->fired = true;
    }
}

/* A triggered order goes on as a market or a limit order; its other leg ends. */
static void wake(struct sp_match *match, struct sp_match_order *order,
                 struct sp_match_events *events)
{
    uint64_t pair_no = order->pair_no;

    if (!sp_order_type_waits(order->type)) return; /* it was told of before a restart */
    order->type = sp_order_type_has_limit(order->type) ? SP_ORDER_TYPE_LIMIT : SP_ORDER_TYPE_MARKET;
    order->pair_no = 0;
    tell(events, SP_MATCH_TRIGGERED, order);
    end_order(match, pair_no, SP_MATCH_CANCELED, "the other leg of the pair triggered", events);
}

/* Carries out triggered orders, oldest first. One that finds no room for its events has its turn at
 * the next call. */
static void fire(struct sp_match *match, const char *why, struct sp_match_events *events)
{
    for (uint32_t i = 0; i < match->order_count && has_room(events);) {
        struct sp_match_order *order = &match->orders[i];
        uint64_t order_no = order->order_no;
        const struct walk walk = {SP_LIQUIDITY_TAKER, sp_order_type_has_limit(order->type), why};
        if (!order->fired) {
            i++;
            continue;
        }
        wake(match, order, events);
        execute(match, order_no, &walk, events);
        i = 0; /* the orders may have moved; this one is fired no more */
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
        if (!sp_seen_next(&match->seen, sp_match_opposite(side), &cursor, &level)) return;
        struct sp_match_order *order = first_reached(match, side, level.px);
        if (!order) return;
        sp_qty before = order->filled;
        SP_IGNORE(!take(match, order->order_no, &walk, events)); /* a maker meets nobody */
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
    trigger_waiting(match, trade->px);
    trade_cause(trade, " triggered it; took ", &why);
    fire(match, why.s, events);
}

void sp_match_market(struct sp_match *match, const struct sp_market_event *event,
                     struct sp_match_events *events)
{
    events->count = 0;
    sp_seen_event(&match->seen, event);
    if (match->order_count == 0 && event->kind != SP_REC_TRADE) return;
    fire(match, "triggered before; took ", events);
    if (event->kind == SP_REC_TRADE) {
        on_trade(match, &event->body.trade, events);
    } else {
        fill_crossed(match, SP_SIDE_BUY, events);
        fill_crossed(match, SP_SIDE_SELL, events);
    }
}
