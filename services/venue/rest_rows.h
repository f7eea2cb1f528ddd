/* Orders as the answers of the protocol show them. */
#ifndef SP_VENUE_REST_ROWS_H
#define SP_VENUE_REST_ROWS_H

#include "services/venue/rest_internal.h"

/* As GET order does. A sp_venue_order_fn: ctx is the call. */
void sp_rest_put_order(void *ctx, const struct sp_venue_order_row *row);
/* As the request that cancelled it does. */
void sp_rest_put_canceled(struct sp_rest_call *call, const struct sp_venue_order_row *row,
                          const char *cancel_id);
/* As the request that placed it does: newOrderRespType says how much; executions are those of the
 * call's changes. */
void sp_rest_put_placed(struct sp_rest_call *call, const struct sp_venue_order_row *row);
/* The order as it stands after all that happened at once; NULL if nothing happened to it. */
const struct sp_venue_order_row *sp_rest_last_row(const struct sp_rest_call *call,
                                                  uint64_t order_no);

#endif
