#include "common/market/fees.h"

/* |px * qty| can use 127 bits, so the product is split at 1e8 before the ratio is applied: the two
 * halves recombine without loss because the lower half stays below 1e8 * 2^63. */
bool sp_fees_of_fill(const struct sp_fees *fees, enum sp_liquidity liquidity, sp_px px, sp_qty qty,
                     sp_amt *out)
{
    SP_ASSERT(liquidity == SP_LIQUIDITY_MAKER || liquidity == SP_LIQUIDITY_TAKER);
    int64_t ratio = liquidity == SP_LIQUIDITY_MAKER ? fees->maker.e8 : fees->taker.e8;
    const __int128 unit = (__int128)SP_FX_ONE * SP_FX_ONE;

    __int128 value = (__int128)px.e8 * qty.e8; /* 1e-16 */
    bool negative = (value < 0) != (ratio < 0);
    if (value < 0) value = -value;
    __int128 scale = ratio < 0 ? -(__int128)ratio : (__int128)ratio;
    __int128 high = value / SP_FX_ONE;
    __int128 low = value % SP_FX_ONE;
    if (high > INT64_MAX) return false;

    /* fee = (high * 1e8 + low) * scale / 1e16, rounded half up on the magnitude. */
    __int128 whole = high * scale / SP_FX_ONE;
    __int128 rest = (high * scale % SP_FX_ONE) * SP_FX_ONE + low * scale; /* 1e-16 of a unit */
    __int128 fee = whole + (rest + unit / 2) / unit;
    if (fee > INT64_MAX) return false;
    out->e8 = (int64_t)(negative ? -fee : fee);
    return true;
}
