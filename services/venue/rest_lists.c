/* Lists of two orders of which one cancels the other. */
#include "services/venue/rest_request.h"
#include "services/venue/rest_rows.h"

#include <stdio.h>
#include <string.h>

#define LISTS_MAX 1000

/* ---- As JSON ---- */

static void put_leg(struct sp_rest_call *call, const struct sp_venue_order_row *row,
                    uint64_t order_no, const sp_name *client_id)
{
    struct sp_json_text *json = call->body;

    sp_jtext_begin(json, '{');
    sp_jtext_put_string(json, "symbol",
                        call->rest->exchange->world->instruments[row->instrument].symbol.s);
    sp_jtext_put_int(json, "orderId", (int64_t)order_no);
    sp_jtext_put_string(json, "clientOrderId", client_id->s);
    sp_jtext_end(json, '}');
}

/* A list by one of its legs, without the closing bracket. */
static void begin_list(struct sp_rest_call *call, const struct sp_venue_order_row *row,
                       bool is_done)
{
    struct sp_json_text *json = call->body;

    sp_jtext_begin(json, '{');
    sp_jtext_put_int(json, "orderListId", (int64_t)row->list_no);
    sp_jtext_put_string(json, "contingencyType", "OCO");
    sp_jtext_put_string(json, "listStatusType", is_done ? "ALL_DONE" : "EXEC_STARTED");
    sp_jtext_put_string(json, "listOrderStatus", is_done ? "ALL_DONE" : "EXECUTING");
    sp_jtext_put_string(json, "listClientOrderId", row->list_client_id.s);
    sp_jtext_put_ms(json, "transactionTime", row->created);
    sp_jtext_put_string(json, "symbol",
                        call->rest->exchange->world->instruments[row->instrument].symbol.s);
    sp_jtext_key(json, "orders");
    sp_jtext_begin(json, '[');
    put_leg(call, row, row->order_no, &row->client_order_id);
    put_leg(call, row, row->pair_no, &row->pair_client_order_id);
    sp_jtext_end(json, ']');
}

/* ---- Placing ---- */

/* Which of the two is which. False after an error. */
SP_NODISCARD static bool order_legs(struct sp_rest_call *call, struct sp_venue_request *request)
{
    enum sp_order_type a = request->legs[0].type, b = request->legs[1].type;
    bool profits = a == SP_ORDER_TYPE_LIMIT_MAKER || a == SP_ORDER_TYPE_TAKE_PROFIT ||
                   a == SP_ORDER_TYPE_TAKE_PROFIT_LIMIT;
    bool stops = b == SP_ORDER_TYPE_STOP_LOSS || b == SP_ORDER_TYPE_STOP_LOSS_LIMIT;

    if (profits && stops) return true;
    sp_rest_fail(call, 400, REST_BAD_TYPE, "Invalid orderType.");
    return false;
}

static void place(struct sp_rest_call *call, struct sp_venue_request *request)
{
    uint64_t number = call->rest->exchange->last_order_no + 1;
    struct sp_venue_placed placed = {0};
    struct sp_err err = {0};

    request->account = call->account;
    request->leg_count = 2;
    request->is_list = true;
    if (!sp_rest_decimal(call, "quantity", &request->qty.e8) ||
        !sp_rest_read_stp(call, &request->stp) ||
        !sp_rest_read_id(call, "listClientOrderId", "x-list-", number, &request->list_client_id) ||
        !order_legs(call, request) || !sp_rest_check_rules(call, request)) {
        return;
    }
    sp_status status =
        sp_exchange_place(call->rest->exchange, request, call->changes, &placed, &err);
    if (status != SP_OK) {
        sp_rest_fail(call, 400, REST_ORDER_REFUSED, "%s", sp_rest_refusal(status, &err));
        return;
    }
    const uint64_t legs[] = {placed.order_no, placed.pair_no};
    begin_list(call, sp_rest_last_row(call, placed.order_no), false);
    sp_jtext_key(call->body, "orderReports");
    sp_jtext_begin(call->body, '[');
    for (size_t i = 0; i < 2; i++)
        sp_rest_put_placed(call, sp_rest_last_row(call, legs[i]));
    sp_jtext_end(call->body, ']');
    sp_jtext_end(call->body, '}');
}

/* Symbol, side, and that there is a quantity. */
SP_NODISCARD static bool begin_request(struct sp_rest_call *call, struct sp_venue_request *out)
{
    int instrument = sp_rest_instrument(call);

    if (instrument < 0) return false;
    *out = (struct sp_venue_request){.instrument = (uint32_t)instrument};
    return sp_rest_read_side(call, &out->side) && sp_rest_need(call, "quantity") != NULL;
}

void sp_rest_place_oco(struct sp_rest_call *call)
{
    static const struct sp_rest_leg_names above = {"aboveType", "aboveClientOrderId", "abovePrice",
                                                   "aboveStopPrice", "aboveTimeInForce"};
    static const struct sp_rest_leg_names below = {"belowType", "belowClientOrderId", "belowPrice",
                                                   "belowStopPrice", "belowTimeInForce"};
    uint64_t number = call->rest->exchange->last_order_no + 1;
    struct sp_venue_request request;

    if (!begin_request(call, &request)) return;
    bool sells = request.side == SP_SIDE_SELL;
    if (!sp_rest_read_leg(call, sells ? &above : &below, number, &request.legs[0]) ||
        !sp_rest_read_leg(call, sells ? &below : &above, number + 1, &request.legs[1])) {
        return;
    }
    place(call, &request);
}

/* The request that was there before: a limit and a stop, which has a limit if it has a price. */
void sp_rest_place_oco_old(struct sp_rest_call *call)
{
    uint64_t number = call->rest->exchange->last_order_no + 1;
    bool has_limit = sp_rest_param(call->params, "stopLimitPrice") != NULL;
    struct sp_venue_request request;

    if (!begin_request(call, &request) || sp_rest_need(call, "price") == NULL ||
        sp_rest_need(call, "stopPrice") == NULL) {
        return;
    }
    struct sp_venue_leg *profit = &request.legs[0], *stop = &request.legs[1];
    *profit = (struct sp_venue_leg){.type = SP_ORDER_TYPE_LIMIT_MAKER, .tif = SP_TIF_GTC};
    *stop = (struct sp_venue_leg){.type = has_limit ? SP_ORDER_TYPE_STOP_LOSS_LIMIT
                                                    : SP_ORDER_TYPE_STOP_LOSS,
                                  .tif = SP_TIF_GTC};
    if (has_limit) {
        const char *tif = sp_rest_need(call, "stopLimitTimeInForce");
        uint8_t value = 0;
        if (tif == NULL) return;
        if (!sp_enum_parse(SP_ENUM_TIF, tif, strlen(tif), &value) || value == 0) {
            sp_rest_fail(call, 400, REST_BAD_TIF, "Invalid timeInForce.");
            return;
        }
        stop->tif = (enum sp_tif)value;
    }
    if (!sp_rest_decimal(call, "price", &profit->px.e8) ||
        !sp_rest_decimal(call, "stopPrice", &stop->stop_px.e8) ||
        !sp_rest_decimal(call, "stopLimitPrice", &stop->px.e8) ||
        !sp_rest_read_id(call, "limitClientOrderId", "x-venue-", number,
                         &profit->client_order_id) ||
        !sp_rest_read_id(call, "stopClientOrderId", "x-venue-", number + 1,
                         &stop->client_order_id)) {
        return;
    }
    place(call, &request);
}

/* ---- Asking ---- */

/* The legs of a list come one after the other; the second one closes it. */
struct gather {
    struct sp_rest_call *call;
    bool only_open, has_first;
    uint32_t count;
    struct sp_venue_order_row first;
};

static void take_leg(void *ctx, const struct sp_venue_order_row *row)
{
    struct gather *gather = ctx;

    if (!gather->has_first || gather->first.list_no != row->list_no) {
        gather->first = *row;
        gather->has_first = true;
        return;
    }
    bool is_done =
        gather->first.state >= SP_ORDER_STATE_FILLED && row->state >= SP_ORDER_STATE_FILLED;
    gather->has_first = false;
    if (gather->only_open && is_done) return;
    gather->count++;
    begin_list(gather->call, &gather->first, is_done);
    sp_jtext_end(gather->call->body, '}');
}

SP_NODISCARD static bool find_lists(struct sp_rest_call *call,
                                    const struct sp_venue_list_query *query, struct gather *gather)
{
    struct sp_err err = {0};

    if (sp_venue_store_lists(call->rest->store, call->rest->exchange, query, take_leg, gather,
                             &err) == SP_OK) {
        return true;
    }
    sp_rest_fail(call, 500, REST_UNKNOWN, "%s", err.text);
    return false;
}

static struct sp_venue_list_query any_list(const struct sp_rest_call *call)
{
    return (struct sp_venue_list_query){.account = call->account,
                                        .max = 2 * LISTS_MAX,
                                        .until = {INT64_MAX}};
}

void sp_rest_list(struct sp_rest_call *call)
{
    static const struct sp_rest_order_names names = {"orderListId", "origClientOrderId"};
    struct sp_venue_list_query query = any_list(call);
    struct gather gather = {.call = call};
    int64_t list_no = 0;

    if (!sp_rest_read_ids(call, &names, &list_no, &query.list_client_id)) return;
    query.list_no = (uint64_t)list_no;
    query.max = 2;
    if (!find_lists(call, &query, &gather)) return;
    if (gather.count == 0) {
        sp_rest_fail(call, 400, REST_NO_SUCH_ORDER, "Order list does not exist.");
    }
}

void sp_rest_open_lists(struct sp_rest_call *call)
{
    struct sp_venue_list_query query = any_list(call);
    struct gather gather = {.call = call, .only_open = true};

    query.max = UINT32_MAX;
    sp_jtext_begin(call->body, '[');
    if (find_lists(call, &query, &gather)) sp_jtext_end(call->body, ']');
}

void sp_rest_all_lists(struct sp_rest_call *call)
{
    struct sp_venue_list_query query = any_list(call);
    struct gather gather = {.call = call};
    int64_t from_no = 0, limit = 0;

    if (!sp_rest_number(call, "fromId", 0, &from_no) ||
        !sp_rest_number(call, "limit", 500, &limit) ||
        !sp_rest_time_of(call, "startTime", (sp_wall){0}, &query.from) ||
        !sp_rest_time_of(call, "endTime", (sp_wall){INT64_MAX}, &query.until)) {
        return;
    }
    query.from_no = (uint64_t)from_no;
    query.max = 2 * (limit < LISTS_MAX ? (uint32_t)limit : LISTS_MAX);
    sp_jtext_begin(call->body, '[');
    if (find_lists(call, &query, &gather)) sp_jtext_end(call->body, ']');
}

/* ---- Cancelling ---- */

static const struct sp_venue_order_row *open_leg(const struct sp_rest_call *call, int instrument,
                                                 int64_t list_no, const sp_name *client_id)
{
    const struct sp_exchange *x = call->rest->exchange;

    for (uint32_t i = 0; i < x->open_count; i++) {
        const struct sp_venue_order_row *row = &x->open[i];
        bool is_it = list_no != 0 ? row->list_no == (uint64_t)list_no
                                  : sp_name_eq(&row->list_client_id, client_id);
        if (is_it && row->list_no != 0 && row->account == call->account &&
            row->instrument == (uint32_t)instrument) {
            return row;
        }
    }
    return NULL;
}

void sp_rest_cancel_list(struct sp_rest_call *call)
{
    static const struct sp_rest_order_names names = {"orderListId", "listClientOrderId"};
    int instrument = sp_rest_instrument(call);
    int64_t list_no = 0;
    sp_name client_id, cancel_id;
    struct sp_err err = {0};

    if (instrument < 0 || !sp_rest_read_ids(call, &names, &list_no, &client_id)) return;
    const struct sp_venue_order_row *row = open_leg(call, instrument, list_no, &client_id);
    if (row == NULL) {
        sp_rest_fail(call, 400, REST_CANCEL_REFUSED, "Unknown order list sent.");
        return;
    }
    uint64_t order_no = row->order_no;
    if (!sp_rest_read_id(call, "newClientOrderId", "x-cancel-", order_no, &cancel_id)) return;
    if (sp_exchange_cancel(call->rest->exchange, order_no, &cancel_id, call->changes, &err) !=
        SP_OK) {
        sp_rest_fail(call, 400, REST_CANCEL_REFUSED, "%s", err.text);
        return;
    }
    begin_list(call, sp_rest_last_row(call, order_no), true);
    sp_jtext_key(call->body, "orderReports");
    sp_jtext_begin(call->body, '[');
    for (uint32_t i = 0; i < call->changes->count; i++)
        sp_rest_put_canceled(call, &call->changes->at[i].order, cancel_id.s);
    sp_jtext_end(call->body, ']');
    sp_jtext_end(call->body, '}');
}
