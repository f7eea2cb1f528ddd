/* What an account's holder is told, as Binance Spot's user data events. Pure; any thread. */
#ifndef SP_VENUE_USER_DATA_H
#define SP_VENUE_USER_DATA_H

#include "services/venue/exchange.h"
#include "services/venue/json_text.h"

/* An executionReport of one step of one order. `execution_id` is new with each; `now` is the real
 * clock's. */
void sp_user_data_report(struct sp_json_text *out, const struct sp_exchange *x,
                         const struct sp_venue_change *change, uint64_t execution_id, sp_wall now);
/* An outboundAccountPosition of the assets of one instrument. */
void sp_user_data_position(struct sp_json_text *out, struct sp_exchange *x, uint32_t instrument,
                           sp_wall now);
/* The same of one asset; and the change from outside that led to it. */
void sp_user_data_asset(struct sp_json_text *out, struct sp_exchange *x, const sp_name *asset,
                        sp_wall now);
void sp_user_data_balance(struct sp_json_text *out, const sp_name *asset, sp_amt amount,
                          sp_wall now);
/* The protocol's words. */
const char *sp_user_data_status(enum sp_order_state state);

#endif
