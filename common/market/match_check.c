#include "common/market/match_internal.h"

bool sp_order_type_waits(enum sp_order_type type)
{
    return type == SP_ORDER_TYPE_STOP_LOSS || type == SP_ORDER_TYPE_STOP_LOSS_LIMIT ||
           type == SP_ORDER_TYPE_TAKE_PROFIT || type == SP_ORDER_TYPE_TAKE_PROFIT_LIMIT;
}

bool sp_order_type_has_limit(enum sp_order_type type)
{
    return type == SP_ORDER_TYPE_LIMIT || type == SP_ORDER_TYPE_LIMIT_MAKER ||
           type == SP_ORDER_TYPE_STOP_LOSS_LIMIT || type == SP_ORDER_TYPE_TAKE_PROFIT_LIMIT;
}

enum sp_side sp_match_opposite(enum sp_side side)
{
    return side == SP_SIDE_BUY ? SP_SIDE_SELL : SP_SIDE_BUY;
}

bool sp_match_reaches(enum sp_side side, sp_px limit, sp_px px)
{
    return side == SP_SIDE_BUY ? px.e8 <= limit.e8 : px.e8 >= limit.e8;
}

static bool is_stop(const struct sp_match_order *order)
{
    return order->type == SP_ORDER_TYPE_STOP_LOSS || order->type == SP_ORDER_TYPE_STOP_LOSS_LIMIT;
}

/* A stop is the mirror of a limit; a take-profit triggers where a limit would trade. */
bool sp_match_triggers(const struct sp_match_order *order, sp_px px)
{
    enum sp_side side = is_stop(order) ? sp_match_opposite(order->side) : order->side;

    return sp_match_reaches(side, order->stop_px, px);
}

/* The price by which the value of an order is judged; zero if there is none. */
static sp_px judging_px(const struct sp_match *match, const struct sp_match_order *order)
{
    struct sp_level touch = {0};

    if (order->px.e8 != 0) return order->px;
    if (order->stop_px.e8 != 0) return order->stop_px;
    if (sp_seen_best(&match->seen, sp_match_opposite(order->side), &touch)) return touch.px;
    return match->last_px;
}

static sp_status check_fields(const struct sp_match_order *order, struct sp_err *err)
{
    bool has_limit = sp_order_type_has_limit(order->type);

    if (order->side != SP_SIDE_BUY && order->side != SP_SIDE_SELL) {
        return SP_FAIL(err, SP_REFUSED, "the order has no side");
    }
    if (order->type <= SP_ORDER_TYPE_NONE || order->type >= SP_ORDER_TYPE_COUNT ||
        order->type == SP_ORDER_TYPE_LIMIT_MAKER) {
        return SP_FAIL(err, SP_REFUSED, "the order has no type");
    }
    if (has_limit && (order->tif <= SP_TIF_NONE || order->tif >= SP_TIF_COUNT)) {
        return SP_FAIL(err, SP_REFUSED, "a limit order needs a time in force");
    }
    if (has_limit != (order->px.e8 != 0) ||
        sp_order_type_waits(order->type) != (order->stop_px.e8 != 0)) {
        return SP_FAIL(err, SP_REFUSED, "prices do not belong to the type of the order");
    }
    return SP_OK;
}

static sp_status check_filters(const struct sp_match *match, const struct sp_match_order *order,
                               struct sp_err *err)
{
    const struct sp_instrument *rules = &match->instrument;
    sp_px px = judging_px(match, order);
    sp_status st = sp_instrument_check_qty(rules, order->qty, err);

    if (st == SP_OK && px.e8 == 0) st = SP_FAIL(err, SP_REFUSED, "no market is known yet");
    if (st == SP_OK && order->px.e8 != 0) st = sp_instrument_check_px(rules, order->px, err);
    if (st == SP_OK && order->stop_px.e8 != 0) {
        st = sp_instrument_check_px(rules, order->stop_px, err);
    }
    if (st == SP_OK) st = sp_instrument_check_value(rules, px, order->qty, err);
    return st;
}

static sp_status check_room(const struct sp_match *match, uint32_t orders, struct sp_err *err)
{
    if (match->order_count + orders <= SP_MATCH_ORDERS_MAX) return SP_OK;
    return SP_FAIL(err, SP_FULL, "MAX_NUM_ORDERS: %u orders are open", match->order_count);
}

sp_status sp_match_check_order(const struct sp_match *match, const struct sp_match_order *order,
                               struct sp_err *err)
{
    sp_status st = check_fields(order, err);

    if (st == SP_OK) st = check_filters(match, order, err);
    if (st == SP_OK) st = check_room(match, 1, err);
    if (st == SP_OK && sp_order_type_waits(order->type) && match->last_px.e8 != 0 &&
        sp_match_triggers(order, match->last_px)) {
        st = SP_FAIL(err, SP_REFUSED, "Order would trigger immediately.");
    }
    return st;
}

static sp_status check_legs(const struct sp_match_order *profit, const struct sp_match_order *stop,
                            struct sp_err *err)
{
    bool rests = profit->type == SP_ORDER_TYPE_LIMIT && profit->tif == SP_TIF_GTC;
    bool waits = profit->type == SP_ORDER_TYPE_TAKE_PROFIT ||
                 profit->type == SP_ORDER_TYPE_TAKE_PROFIT_LIMIT;

    if ((!rests && !waits) || !is_stop(stop)) {
        return SP_FAIL(err, SP_REFUSED, "a pair is a resting limit or take-profit and a stop");
    }
    if (profit->side != stop->side || profit->qty.e8 != stop->qty.e8) {
        return SP_FAIL(err, SP_REFUSED, "the legs of a pair have one side and quantity");
    }
    return SP_OK;
}

sp_status sp_match_check_pair(const struct sp_match *match, const struct sp_match_order *profit,
                              const struct sp_match_order *stop, struct sp_err *err)
{
    struct sp_level touch = {0};
    sp_status st = check_fields(profit, err);

    if (st == SP_OK) st = check_fields(stop, err);
    if (st == SP_OK) st = check_legs(profit, stop, err);
    if (st == SP_OK) st = check_filters(match, profit, err);
    if (st == SP_OK) st = check_filters(match, stop, err);
    if (st == SP_OK) st = check_room(match, 2, err);
    if (st != SP_OK) return st;
    bool waits = sp_order_type_waits(profit->type);
    sp_px px = waits ? profit->stop_px : profit->px;
    bool is_met = !waits && sp_seen_best(&match->seen, sp_match_opposite(profit->side), &touch) &&
                  sp_match_reaches(profit->side, px, touch.px);
    if (match->last_px.e8 != 0) {
        is_met = is_met || sp_match_reaches(profit->side, px, match->last_px);
        if (sp_match_triggers(stop, match->last_px)) {
            return SP_FAIL(err, SP_REFUSED, "Order would trigger immediately.");
        }
    }
    if (is_met || sp_match_reaches(profit->side, px, stop->stop_px)) {
        return SP_FAIL(err, SP_REFUSED,
                       "The relationship of the prices for the orders is not correct.");
    }
    return SP_OK;
}
