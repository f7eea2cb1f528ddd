/* Compiled once per case by check_mixing.py: every CASE but 0 mixes up two things that the value
 * types tell apart, and must not compile. */
#include "proto/messages.h"

static sp_qty take_qty(sp_qty qty)
{
    return qty;
}
static sp_px take_px(sp_px px)
{
    return px;
}
static sp_trd_id take_trade(sp_trd_id id)
{
    return id;
}
static sp_dur take_dur(sp_dur dur)
{
    return dur;
}

int main(void)
{
    sp_px px = {100};
    sp_qty qty = {200};
    sp_trd_id trade = {{1, 2}};
    sp_ord_id order = {{3, 4}};
    sp_wall wall = {5};
    sp_mono mono = {6};
    sp_amt amt = {0};
    struct sp_trade record = {.px = px};

#if CASE == 0 /* the control: right in every line */
    px = take_px(px);
    qty = take_qty(qty);
    trade = take_trade(trade);
    record.qty = qty;
    return sp_px_times_qty(px, qty, &amt) && take_dur(sp_mono_since(mono, mono)).ns == 0 ? 0 : 1;
#elif CASE == 1  /* a price as quantity */
    qty = take_qty(px);
#elif CASE == 2  /* a bare number as price */
    px = take_px(5);
#elif CASE == 3  /* an order's id as a trade's */
    trade = take_trade(order);
#elif CASE == 4  /* ids of two types compared */
    return sp_trd_id_eq(trade, order);
#elif CASE == 5  /* price and quantity swapped */
    return sp_px_times_qty(qty, px, &amt);
#elif CASE == 6  /* the boot clock against the calendar */
    return take_dur(sp_mono_since(mono, wall)).ns != 0;
#elif CASE == 7  /* arithmetic without its function */
    px = px + px;
#elif CASE == 8  /* a field of another type */
    record.px = qty;
#elif CASE == 9  /* a number as id */
    trade = 7;
#elif CASE == 10 /* an amount of money where a quantity is due */
    return sp_px_times_qty(px, amt, &amt);
#elif CASE == 11 /* a time as a length of time */
    return take_dur(wall).ns != 0;
#elif CASE == 12 /* a dropped result of exact arithmetic */
    sp_px_times_qty(px, qty, &amt);
#endif
    return (int)(px.e8 + qty.e8 + amt.e8 + wall.ns + mono.ns + record.px.e8) +
           (int)(trade.raw.hi + order.raw.hi);
}
