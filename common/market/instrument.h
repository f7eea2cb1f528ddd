/* What is traded, and the venue's rules for it. Exact integers; any thread.
 */
#ifndef SP_MARKET_INSTRUMENT_H
#define SP_MARKET_INSTRUMENT_H

#include "proto/types.h"

/* A zero tick, step, minimum or maximum disables that rule, as at Binance. */
struct sp_instrument {
    sp_name symbol;
    sp_name base;
    sp_name quote;
    sp_px tick;
    sp_qty step;
    sp_qty min_qty;
    sp_qty max_qty;
    sp_amt min_value; /* least price * quantity of an order */
};

/* Checks the rules themselves: names present, nothing negative. SP_INVALID. */
SP_NODISCARD sp_status sp_instrument_check(const struct sp_instrument *instrument,
                                           struct sp_err *err);
/* Positive and on the tick. SP_REFUSED, and err names the rule (PRICE_FILTER). */
SP_NODISCARD sp_status sp_instrument_check_px(const struct sp_instrument *instrument, sp_px px,
                                              struct sp_err *err);
/* Positive, on the step and within minimum and maximum. SP_REFUSED (LOT_SIZE). */
SP_NODISCARD sp_status sp_instrument_check_qty(const struct sp_instrument *instrument, sp_qty qty,
                                               struct sp_err *err);
/* px * qty reaches the minimum, compared exactly (before any rounding). SP_REFUSED (NOTIONAL). */
SP_NODISCARD sp_status sp_instrument_check_value(const struct sp_instrument *instrument, sp_px px,
                                                 sp_qty qty, struct sp_err *err);
/* All three. For market orders pass the price that the value is judged by. */
SP_NODISCARD sp_status sp_instrument_check_order(const struct sp_instrument *instrument, sp_px px,
                                                 sp_qty qty, struct sp_err *err);

/* Nearest allowed value not above / not below. Inputs are not negative. False if it does not fit;
 * *out is then untouched. */
sp_px sp_instrument_px_down(const struct sp_instrument *instrument, sp_px px);
SP_NODISCARD bool sp_instrument_px_up(const struct sp_instrument *instrument, sp_px px, sp_px *out);
sp_qty sp_instrument_qty_down(const struct sp_instrument *instrument, sp_qty qty);
/* Whether a holding is too small to be sold: below the step or minimum quantity, or its value at
 * `px` below the minimum value. Such a rest is dust. */
bool sp_instrument_is_dust(const struct sp_instrument *instrument, sp_px px, sp_qty qty);

#endif
