/* The filters that exchangeInfo tells of, and nothing but those: exact integers. Pure; any thread.
 */
#ifndef SP_VENUE_RULES_H
#define SP_VENUE_RULES_H

#include "services/venue/exchange.h"

/* The largest price, quantity (where the instrument has none of its own) and value of an order. */
#define SP_RULES_MOST_E8 (INT64_C(9000000000) * SP_FX_ONE)

/* The first filter that an order of that leg would break, by its name; NULL: none. The value of one
 * at market is judged by `last_px`, if there is one. */
const char *sp_rules_broken(const struct sp_instrument *rules, const struct sp_venue_leg *leg,
                            sp_qty qty, sp_px last_px);

#endif
