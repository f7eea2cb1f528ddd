/* What an account's holder is told, as Binance Spot's user data events. Pure; any thread. */
#ifndef SP_VENUE_USER_DATA_H
#define SP_VENUE_USER_DATA_H

#include "services/venue/exchange.h"
#include "services/venue/json_text.h"

/* An executionReport of one step of one order. `execution_id` is new with each; `now` is the real
 * clock's. */
void sp_user_data_report(struct sp_json_text *out, const struct sp_exchange *x,
                         const struct sp_venue_change *change, uint64_t execution_id, sp_wall now);
/* An outboundAccountPosition of one or two assets of an account (`second` may be NULL). */
void sp_user_data_position(struct sp_json_text *out, struct sp_exchange *x, uint32_t account,
                           const sp_name *first, const sp_name *second, sp_wall now);
/* A change from outside. */
void sp_user_data_balance(struct sp_json_text *out, const sp_name *asset, sp_amt amount,
                          sp_wall now);
/* A list of two orders by one of its legs: it was taken, or both have ended. */
void sp_user_data_list(struct sp_json_text *out, const struct sp_exchange *x,
                       const struct sp_venue_order_row *leg, bool is_done, sp_wall now);
/* The protocol's words. */
const char *sp_user_data_status(const struct sp_venue_order_row *order);
const char *sp_user_data_tif(const struct sp_venue_order_row *order);

#endif
