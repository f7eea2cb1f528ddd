/* What a request asks the exchange for, from its parameters. All are false (or NULL) after an error
 * that is in the answer.
 */
#ifndef SP_VENUE_REST_REQUEST_H
#define SP_VENUE_REST_REQUEST_H

#include "services/venue/rest_internal.h"

/* The names of the parameters of one leg. */
struct sp_rest_leg_names {
    const char *type, *id, *price, *stop, *tif;
};

/* The side, one of the protocol's words. */
SP_NODISCARD bool sp_rest_read_side(struct sp_rest_call *call, enum sp_side *out);
/* `number` makes an id if the client gave none. */
SP_NODISCARD bool sp_rest_read_leg(struct sp_rest_call *call, const struct sp_rest_leg_names *names,
                                   uint64_t number, struct sp_venue_leg *out);
SP_NODISCARD bool sp_rest_read_stp(struct sp_rest_call *call, enum sp_match_stp *out);
/* One order: parameters, quantity by value, and filters. */
SP_NODISCARD bool sp_rest_read_order(struct sp_rest_call *call, struct sp_venue_request *out);
/* Filters and the number of open orders, for all legs. */
SP_NODISCARD bool sp_rest_check_rules(struct sp_rest_call *call,
                                      const struct sp_venue_request *request);
/* A client's id in parameter `name`, else prefix and number. */
SP_NODISCARD bool sp_rest_read_id(struct sp_rest_call *call, const char *name, const char *prefix,
                                  uint64_t number, sp_name *out);
/* Refuses a parameter that does not belong. */
void sp_rest_refuse_extra(struct sp_rest_call *call, const char *name);
/* What the client is told of the exchange's refusal. */
const char *sp_rest_refusal(sp_status status, const struct sp_err *err);

/* The open order that the parameters of those names mean; it may be cancelled. */
struct sp_rest_order_names {
    const char *order_id, *client_id;
};
const struct sp_venue_order_row *sp_rest_find_open(struct sp_rest_call *call,
                                                   const struct sp_rest_order_names *names);
/* Number and id by which an order is asked for; 0 and "" for what was not sent. */
SP_NODISCARD bool sp_rest_read_ids(struct sp_rest_call *call,
                                   const struct sp_rest_order_names *names, int64_t *order_no,
                                   sp_name *client_id);

#endif
