/* Venue fees: a ratio of the quote amount, as an exact integer. Any thread.
 */
#ifndef SP_MARKET_FEES_H
#define SP_MARKET_FEES_H

#include "proto/enums.h"
#include "proto/types.h"

struct sp_fees {
    sp_ratio maker; /* may be negative: a rebate */
    sp_ratio taker;
};

/* Fee of one fill, in the quote asset: px * qty * ratio, rounded once, half away from zero, at
 * 1e-8. Rounding per fill and once is what makes the sum of fills equal the account: nobody may
 * sum amounts first. False if it does not fit; *out is then untouched. Asserts that `liquidity` is
 * MAKER or TAKER. */
SP_NODISCARD bool sp_fees_of_fill(const struct sp_fees *fees, enum sp_liquidity liquidity, sp_px px,
                                  sp_qty qty, sp_amt *out);

#endif
