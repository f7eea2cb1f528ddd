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

const char *sp_rules_broken(const struct sp_instrument *rules, const struct sp_venue_leg *leg,
                            sp_qty qty, sp_px last_px)
{
    bool has_limit = sp_order_type_has_limit(leg->type);
    bool waits = sp_order_type_waits(leg->type);
    sp_px judged = has_limit ? leg->px : waits ? leg->stop_px : last_px;
    bool qty_fits =
        qty.e8 <= SP_RULES_MOST_E8 && sp_instrument_check_qty(rules, qty, NULL) == SP_OK;

    if (has_limit && !px_fits(rules, leg->px)) return "PRICE_FILTER";
    if (waits && !px_fits(rules, leg->stop_px)) return "PRICE_FILTER";
    if (!qty_fits) return "LOT_SIZE";
    return value_fits(rules, judged, qty, !has_limit && !waits) ? NULL : "NOTIONAL";
}
