#include "common/market/instrument.h"

#include "proto/decimal.h"

sp_status sp_instrument_check(const struct sp_instrument *instrument, struct sp_err *err)
{
    if (sp_name_is_empty(&instrument->symbol) || sp_name_is_empty(&instrument->base) ||
        sp_name_is_empty(&instrument->quote)) {
        return SP_FAIL(err, SP_INVALID, "an instrument needs a symbol, a base and a quote asset");
    }
    if (sp_name_eq(&instrument->base, &instrument->quote)) {
        return SP_FAIL(err, SP_INVALID, "%s: base and quote are the same asset",
                       instrument->symbol.s);
    }
    if (instrument->tick.e8 < 0 || instrument->step.e8 < 0 || instrument->min_qty.e8 < 0 ||
        instrument->max_qty.e8 < 0 || instrument->min_value.e8 < 0) {
        return SP_FAIL(err, SP_INVALID, "%s: a rule of the instrument is negative",
                       instrument->symbol.s);
    }
    if (instrument->max_qty.e8 != 0 && instrument->max_qty.e8 < instrument->min_qty.e8) {
        return SP_FAIL(err, SP_INVALID, "%s: max_qty is below min_qty", instrument->symbol.s);
    }
    return SP_OK;
}

sp_status sp_instrument_check_px(const struct sp_instrument *instrument, sp_px px,
                                 struct sp_err *err)
{
    char got[SP_E8_TEXT_SIZE];
    char tick[SP_E8_TEXT_SIZE];

    if (px.e8 <= 0) {
        return SP_FAIL(err, SP_REFUSED, "PRICE_FILTER: price %s is not positive",
                       sp_e8_format(px.e8, got));
    }
    if (sp_e8_floor_to(px.e8, instrument->tick.e8) != px.e8) {
        return SP_FAIL(err, SP_REFUSED, "PRICE_FILTER: price %s is not a multiple of tick %s",
                       sp_e8_format(px.e8, got), sp_e8_format(instrument->tick.e8, tick));
    }
    return SP_OK;
}

sp_status sp_instrument_check_qty(const struct sp_instrument *instrument, sp_qty qty,
                                  struct sp_err *err)
{
    char got[SP_E8_TEXT_SIZE];
    char rule[SP_E8_TEXT_SIZE];

    if (qty.e8 <= 0) {
        return SP_FAIL(err, SP_REFUSED, "LOT_SIZE: quantity %s is not positive",
                       sp_e8_format(qty.e8, got));
    }
    if (qty.e8 < instrument->min_qty.e8) {
        return SP_FAIL(err, SP_REFUSED, "LOT_SIZE: quantity %s is below the minimum %s",
                       sp_e8_format(qty.e8, got), sp_e8_format(instrument->min_qty.e8, rule));
    }
    if (instrument->max_qty.e8 != 0 && qty.e8 > instrument->max_qty.e8) {
        return SP_FAIL(err, SP_REFUSED, "LOT_SIZE: quantity %s is above the maximum %s",
                       sp_e8_format(qty.e8, got), sp_e8_format(instrument->max_qty.e8, rule));
    }
    if (sp_e8_floor_to(qty.e8, instrument->step.e8) != qty.e8) {
        return SP_FAIL(err, SP_REFUSED, "LOT_SIZE: quantity %s is not a multiple of step %s",
                       sp_e8_format(qty.e8, got), sp_e8_format(instrument->step.e8, rule));
    }
    return SP_OK;
}

/* Compared in 1e-16, where the product is exact: rounding up must not lift an order over the
 * minimum. */
static bool reaches_min_value(const struct sp_instrument *instrument, sp_px px, sp_qty qty)
{
    return (__int128)px.e8 * qty.e8 >= (__int128)instrument->min_value.e8 * SP_FX_ONE;
}

sp_status sp_instrument_check_value(const struct sp_instrument *instrument, sp_px px, sp_qty qty,
                                    struct sp_err *err)
{
    char px_text[SP_E8_TEXT_SIZE];
    char qty_text[SP_E8_TEXT_SIZE];
    char rule[SP_E8_TEXT_SIZE];

    if (reaches_min_value(instrument, px, qty)) return SP_OK;
    return SP_FAIL(err, SP_REFUSED, "NOTIONAL: %s x %s is below the minimum value %s",
                   sp_e8_format(px.e8, px_text), sp_e8_format(qty.e8, qty_text),
                   sp_e8_format(instrument->min_value.e8, rule));
}

sp_status sp_instrument_check_order(const struct sp_instrument *instrument, sp_px px, sp_qty qty,
                                    struct sp_err *err)
{
    sp_status st = sp_instrument_check_px(instrument, px, err);

    if (st == SP_OK) st = sp_instrument_check_qty(instrument, qty, err);
    if (st == SP_OK) st = sp_instrument_check_value(instrument, px, qty, err);
    return st;
}

sp_px sp_instrument_px_down(const struct sp_instrument *instrument, sp_px px)
{
    return (sp_px){sp_e8_floor_to(px.e8, instrument->tick.e8)};
}

bool sp_instrument_px_up(const struct sp_instrument *instrument, sp_px px, sp_px *out)
{
    int64_t down = sp_e8_floor_to(px.e8, instrument->tick.e8);

    if (down == px.e8) {
        *out = px;
        return true;
    }
    if (down > INT64_MAX - instrument->tick.e8) return false;
    *out = (sp_px){down + instrument->tick.e8};
    return true;
}

sp_qty sp_instrument_qty_down(const struct sp_instrument *instrument, sp_qty qty)
{
    return (sp_qty){sp_e8_floor_to(qty.e8, instrument->step.e8)};
}

bool sp_instrument_is_dust(const struct sp_instrument *instrument, sp_px px, sp_qty qty)
{
    sp_qty whole = sp_instrument_qty_down(instrument, qty);

    if (whole.e8 <= 0 || whole.e8 < instrument->min_qty.e8) return true;
    return !reaches_min_value(instrument, px, whole);
}
