/* Between the exchange's requests (exchange.c) and its accounts (exchange_accounts.c). */
#ifndef SP_VENUE_EXCHANGE_INTERNAL_H
#define SP_VENUE_EXCHANGE_INTERNAL_H

#include "services/venue/exchange.h"

/* What a buy at this price may cost with its fee. False if it does not fit. */
SP_NODISCARD bool sp_exchange_cost(const struct sp_exchange *x, sp_px px, sp_qty qty, sp_amt *out);
/* The worst price of one that waits to buy at market; 0 if it does not fit. */
sp_px sp_exchange_cap(sp_px stop_px);
/* What an open buy of that leg holds. False if it does not fit. */
SP_NODISCARD bool sp_exchange_hold(const struct sp_exchange *x, const struct sp_venue_leg *leg,
                                   sp_qty qty, sp_amt *out);

#endif
