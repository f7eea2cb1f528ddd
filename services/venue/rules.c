#include "services/venue/rules.h"

SP_NODISCARD static bool px_fits(const struct sp_instrument *rules, sp_px px)
{
    return px.e8 <= SP_RULES_MOST_E8 && sp_instrument_check_px(rules, px, NULL) == SP_OK;
}

SP_NODISCARD static bool value_fits(const struct sp_instrument *rules, sp_px px, sp_qty qty,
                                    bool is_at_market)
{
    sp_amt value = {0};

    if (px.e8 == 0) return true;
    if (sp_instrument_check_value(rules, px, qty, NULL) != SP_OK) return false;
    return is_at_market || (sp_px_times_qty(px, qty, &value) && value.e8 <= SP_RULES_MOST_E8);
}

/* Both sides have the same bounds here; the protocol tells them apart. */
SP_NODISCARD static bool percent_fits(const struct sp_venue_rules *rules, sp_px px, sp_px last)
{
    sp_px high = {0}, low = {0};

    if (last.e8 <= 0) return true;
    if (rules->percent_up.e8 > 0 && sp_px_times_ratio(last, rules->percent_up, &high) &&
        px.e8 > high.e8)
        return false;
    return rules->percent_down.e8 <= 0 || !sp_px_times_ratio(last, rules->percent_down, &low) ||
           px.e8 >= low.e8;
}

const char *sp_rules_broken(const struct sp_exchange *x, const struct sp_venue_request *request,
                            uint32_t at)
{
    const struct sp_venue_leg *leg = &request->legs[at];
    const struct sp_instrument *instrument = &x->match[request->instrument].instrument;
    const struct sp_venue_rules *rules = &x->rules[request->instrument];
    sp_px last_px = x->match[request->instrument].last_px;
    sp_qty qty = request->qty;
    bool has_limit = sp_order_type_has_limit(leg->type);
    bool waits = sp_order_type_waits(leg->type);
    sp_px judged = has_limit ? leg->px : waits ? leg->stop_px : last_px;
    bool qty_fits =
        qty.e8 <= SP_RULES_MOST_E8 && sp_instrument_check_qty(instrument, qty, NULL) == SP_OK;

    if (has_limit && !px_fits(instrument, leg->px)) return "PRICE_FILTER";
    if (waits && !px_fits(instrument, leg->stop_px)) return "PRICE_FILTER";
    if (has_limit && !percent_fits(rules, leg->px, last_px)) return "PERCENT_PRICE_BY_SIDE";
    if (!qty_fits) return "LOT_SIZE";
    if (leg->type == SP_ORDER_TYPE_MARKET && rules->market_max_qty.e8 > 0 &&
        qty.e8 > rules->market_max_qty.e8)
        return "MARKET_LOT_SIZE";
    return value_fits(instrument, judged, qty, !has_limit && !waits) ? NULL : "NOTIONAL";
}

const char *sp_rules_broken_by_count(const struct sp_exchange *x,
                                     const struct sp_venue_request *request)
{
    uint32_t open = sp_exchange_order_count(x, request->account, request->instrument);
    uint32_t waiting = sp_exchange_waiting_count(x, request->account, request->instrument);
    uint32_t more = sp_venue_waiting(request);

    if (open + request->leg_count > SP_VENUE_ORDERS_MAX) return "MAX_NUM_ORDERS";
    if (more > 0 && waiting + more > x->rules[request->instrument].waiting_max)
        return "MAX_NUM_ALGO_ORDERS";
    return NULL;
}
