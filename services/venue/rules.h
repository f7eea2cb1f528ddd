/* The filters that exchangeInfo tells of, and nothing but those: exact integers. Pure; any thread.
 */
#ifndef SP_VENUE_RULES_H
#define SP_VENUE_RULES_H

#include "services/venue/exchange.h"

/* The largest price, quantity (where the instrument has none of its own) and value of an order. */
#define SP_RULES_MOST_E8 (INT64_C(9000000000) * SP_FX_ONE)

/* The first filter that an order of that leg would break, by its name; NULL: none. Where a price of
 * the market is asked for it is the last one, and without one that filter waits. */
const char *sp_rules_broken(const struct sp_exchange *x, const struct sp_venue_request *request,
                            uint32_t leg);
/* The same of the request as a whole: how many orders are open. */
const char *sp_rules_broken_by_count(const struct sp_exchange *x,
                                     const struct sp_venue_request *request);

#endif
