/* Whether what a source sent can be a market's: before it is published, since nobody behind
 * marketdata looks again. Pure.
 */
#ifndef SP_MARKETDATA_EVENT_CHECK_H
#define SP_MARKETDATA_EVENT_CHECK_H

#include "common/market/source.h"

/* False: *why says what is wrong. Prices are above zero, quantities of trades too and of levels not
 * below; a bid is below its ask; time does not run back behind `last`, of the event before. */
bool sp_md_is_possible(const struct sp_market_event *event, sp_wall last, sp_text *why);

#endif
