/* Orders: asking for them. */
#include "services/venue/rest_request.h"
#include "services/venue/rest_rows.h"

#define ORDERS_MAX 1000

void sp_rest_order(struct sp_rest_call *call)
{
    static const struct sp_rest_order_names names = {"orderId", "origClientOrderId"};
    int instrument = sp_rest_instrument(call);
    struct sp_venue_order_row row;
    int64_t order_no = 0;
    sp_name client_id;
    struct sp_err err = {0};

    if (instrument < 0 || !sp_rest_read_ids(call, &names, &order_no, &client_id)) return;
    struct sp_venue_store *store = call->rest->store;
    const struct sp_exchange *x = call->rest->exchange;
    struct sp_venue_order_key key = {call->account, (uint32_t)instrument, client_id};
    sp_status status = order_no != 0
                           ? sp_venue_store_order_no(store, x, (uint64_t)order_no, &row, &err)
                           : sp_venue_store_find_order(store, x, &key, &row, &err);
    if (status != SP_OK && status != SP_NOT_FOUND) {
        /* No answer is not "no such order": a client would take that for evidence. */
        sp_rest_fail(call, 500, REST_UNKNOWN, "%s", err.text);
        return;
    }
    const struct sp_rest_hooks *hooks = &call->rest->hooks;
    bool hidden = status == SP_OK && hooks->hides != NULL && hooks->hides(hooks->ctx, row.order_no);
    bool ours = status == SP_OK && row.account == call->account;
    if (!ours || hidden || row.instrument != (uint32_t)instrument) {
        sp_rest_fail(call, 400, REST_NO_SUCH_ORDER, "Order does not exist.");
        return;
    }
    if (client_id.s[0] != '\0' && !sp_name_eq(&client_id, &row.client_order_id)) {
        sp_rest_fail(call, 400, REST_IDS_DISAGREE,
                     "Client order ID is not correct for this order ID");
        return;
    }
    sp_rest_put_order(call, &row);
}

void sp_rest_open_orders(struct sp_rest_call *call)
{
    const struct sp_exchange *x = call->rest->exchange;
    bool one = sp_rest_param(call->params, "symbol") != NULL;
    int instrument = one ? sp_rest_instrument(call) : -1;

    if (call->failed) return;
    sp_jtext_begin(call->body, '[');
    for (uint32_t i = 0; i < x->open_count; i++) {
        const struct sp_venue_order_row *row = &x->open[i];
        if (row->account != call->account) continue;
        if (!one || row->instrument == (uint32_t)instrument) sp_rest_put_order(call, row);
    }
    sp_jtext_end(call->body, ']');
}

void sp_rest_all_orders(struct sp_rest_call *call)
{
    int instrument = sp_rest_instrument(call);
    int64_t limit = 0, from_no = 0;
    sp_wall from, until;
    struct sp_err err = {0};

    if (instrument < 0 || !sp_rest_number(call, "limit", 500, &limit) ||
        !sp_rest_number(call, "orderId", 0, &from_no) ||
        !sp_rest_time_of(call, "startTime", (sp_wall){0}, &from) ||
        !sp_rest_time_of(call, "endTime", (sp_wall){INT64_MAX}, &until)) {
        return;
    }
    struct sp_venue_order_query query = {.account = call->account,
                                         .instrument = (uint32_t)instrument,
                                         .from_no = (uint64_t)from_no,
                                         .from = from,
                                         .until = until,
                                         .from_oldest = from_no > 0 || from.ns > 0,
                                         .max = limit < ORDERS_MAX ? (uint32_t)limit : ORDERS_MAX};
    sp_jtext_begin(call->body, '[');
    if (sp_venue_store_find_orders(call->rest->store, call->rest->exchange, &query,
                                   sp_rest_put_order, call, &err) != SP_OK) {
        sp_rest_fail(call, 500, REST_UNKNOWN, "%s", err.text);
        return;
    }
    sp_jtext_end(call->body, ']');
}
