/* Orders: placing, cancelling, asking. */
#include "services/venue/rest_internal.h"
#include "services/venue/user_data.h"

#include <stdio.h>
#include <string.h>

#define ORDERS_MAX 1000

/* ---- Rows as JSON ---- */

static const char *tif_of(const struct sp_venue_order_row *row)
{
    return row->type == SP_ORDER_TYPE_LIMIT ? sp_enum_name(SP_ENUM_TIF, (uint8_t)row->tif) : "GTC";
}

static const char *symbol_of(const struct sp_rest_call *call, const struct sp_venue_order_row *row)
{
    return call->rest->exchange->world->instruments[row->instrument].symbol.s;
}

/* Ids and symbol, as every answer about an order begins. */
static void put_names(struct sp_rest_call *call, const struct sp_venue_order_row *row)
{
    sp_jtext_put_string(call->body, "symbol", symbol_of(call, row));
    sp_jtext_put_int(call->body, "orderId", (int64_t)row->order_no);
    sp_jtext_put_int(call->body, "orderListId", row->pair_no != 0 ? (int64_t)row->pair_no : -1);
}

static void put_amounts(struct sp_json_text *json, const struct sp_venue_order_row *row)
{
    sp_jtext_put_e8(json, "price", row->px.e8);
    sp_jtext_put_e8(json, "origQty", row->qty.e8);
    sp_jtext_put_e8(json, "executedQty", row->filled.e8);
    sp_jtext_put_e8(json, "origQuoteOrderQty", row->quote_qty.e8);
    sp_jtext_put_e8(json, "cummulativeQuoteQty", row->quote_filled.e8);
    sp_jtext_put_string(json, "status", sp_user_data_status(row->state));
    sp_jtext_put_string(json, "timeInForce", tif_of(row));
    sp_jtext_put_string(json, "type", sp_enum_name(SP_ENUM_ORDER_TYPE, (uint8_t)row->type));
    sp_jtext_put_string(json, "side", sp_enum_name(SP_ENUM_SIDE, (uint8_t)row->side));
    if (row->stop_px.e8 > 0) sp_jtext_put_e8(json, "stopPrice", row->stop_px.e8);
}

static void put_end(struct sp_json_text *json, const struct sp_venue_order_row *row)
{
    sp_jtext_put_ms(json, "workingTime", row->created);
    sp_jtext_put_string(json, "selfTradePreventionMode", "NONE");
}

static void put_order(void *ctx, const struct sp_venue_order_row *row)
{
    struct sp_rest_call *call = ctx;
    struct sp_json_text *json = call->body;

    sp_jtext_begin(json, '{');
    put_names(call, row);
    sp_jtext_put_string(json, "clientOrderId", row->client_order_id.s);
    put_amounts(json, row);
    if (row->stop_px.e8 == 0) sp_jtext_put_e8(json, "stopPrice", 0);
    sp_jtext_put_e8(json, "icebergQty", 0);
    sp_jtext_put_ms(json, "time", row->created);
    sp_jtext_put_ms(json, "updateTime", row->updated);
    sp_jtext_put_bool(json, "isWorking", true);
    put_end(json, row);
    sp_jtext_end(json, '}');
}

static void put_canceled(struct sp_rest_call *call, const struct sp_venue_order_row *row,
                         const char *cancel_id)
{
    struct sp_json_text *json = call->body;

    sp_jtext_begin(json, '{');
    put_names(call, row);
    sp_jtext_put_string(json, "origClientOrderId", row->client_order_id.s);
    sp_jtext_put_string(json, "clientOrderId", cancel_id);
    sp_jtext_put_ms(json, "transactTime", row->updated);
    put_amounts(json, row);
    sp_jtext_put_string(json, "selfTradePreventionMode", "NONE");
    sp_jtext_end(json, '}');
}

/* ---- Placing ---- */

SP_NODISCARD static bool take_word(struct sp_rest_call *call, const char *name,
                                   enum sp_enum enum_id, uint8_t *out)
{
    static const struct {
        enum sp_enum enum_id;
        int code;
        const char *text;
    } errors[] = {{SP_ENUM_SIDE, REST_BAD_SIDE, "Invalid side."},
                  {SP_ENUM_ORDER_TYPE, REST_BAD_TYPE, "Invalid orderType."},
                  {SP_ENUM_TIF, REST_BAD_TIF, "Invalid timeInForce."}};
    const char *word = sp_rest_need(call, name);

    if (word == NULL) return false;
    if (sp_enum_parse(enum_id, word, strlen(word), out) && *out != 0) return true;
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        if (errors[i].enum_id == enum_id)
            sp_rest_fail(call, 400, errors[i].code, "%s", errors[i].text);
    }
    return false;
}

/* The id of an order or of a cancel: the client's, or one of ours. */
SP_NODISCARD static bool take_client_id(struct sp_rest_call *call, const char *prefix,
                                        uint64_t number, sp_name *out)
{
    const char *id = sp_rest_param(call->params, "newClientOrderId");
    char own[SP_NAME_SIZE];

    if (id == NULL) {
        snprintf(own, sizeof own, "%s%llu", prefix, (unsigned long long)number);
        return sp_name_set(out, own);
    }
    size_t len = strlen(id);
    if (len >= 1 && len <= SP_REST_CLIENT_ID_MAX && sp_name_set(out, id)) return true;
    sp_rest_fail(call, 400, REST_ILLEGAL_CHARS,
                 "Illegal characters found in parameter 'newClientOrderId'; legal range is "
                 "'^[a-zA-Z0-9-_.]{1,36}$'.");
    return false;
}

static void refuse_extra(struct sp_rest_call *call, const char *name)
{
    if (sp_rest_param(call->params, name) == NULL) return;
    sp_rest_fail(call, 400, REST_NOT_READ, "Parameter '%s' sent when not required.", name);
}

/* Which parameters a type has: those it needs, and those it must not have. */
static void check_shape(struct sp_rest_call *call, enum sp_order_type type)
{
    bool has_price = type == SP_ORDER_TYPE_LIMIT || type == SP_ORDER_TYPE_LIMIT_MAKER;
    bool by_quote = sp_rest_param(call->params, "quoteOrderQty") != NULL;

    if (type == SP_ORDER_TYPE_MARKET && !by_quote &&
        sp_rest_param(call->params, "quantity") == NULL) {
        sp_rest_fail(call, 400, REST_MISSING,
                     "Param 'quantity' or 'quoteOrderQty' must be sent, but both were "
                     "empty/null!");
        return;
    }
    if (type != SP_ORDER_TYPE_MARKET) {
        SP_IGNORE(sp_rest_need(call, "quantity") == NULL); /* the error is in the answer */
        refuse_extra(call, "quoteOrderQty");
    } else if (by_quote) {
        refuse_extra(call, "quantity");
    }
    if (has_price) {
        SP_IGNORE(sp_rest_need(call, "price") == NULL);
    } else {
        refuse_extra(call, "price");
    }
    if (type == SP_ORDER_TYPE_STOP_LOSS) {
        SP_IGNORE(sp_rest_need(call, "stopPrice") == NULL);
    } else {
        refuse_extra(call, "stopPrice");
    }
    if (type != SP_ORDER_TYPE_LIMIT) refuse_extra(call, "timeInForce");
    refuse_extra(call, "icebergQty");
    refuse_extra(call, "trailingDelta");
}

SP_NODISCARD static bool read_order(struct sp_rest_call *call, int instrument,
                                    struct sp_venue_order *order)
{
    *order = (struct sp_venue_order){
        .symbol = call->rest->exchange->world->instruments[instrument].symbol,
        .tif = SP_TIF_GTC};
    if (!take_word(call, "side", SP_ENUM_SIDE, &order->side)) return false;
    if (!take_word(call, "type", SP_ENUM_ORDER_TYPE, &order->type)) return false;
    check_shape(call, (enum sp_order_type)order->type);
    if (call->failed) return false;
    if (order->type == SP_ORDER_TYPE_LIMIT &&
        !take_word(call, "timeInForce", SP_ENUM_TIF, &order->tif)) {
        return false;
    }
    if (order->type == SP_ORDER_TYPE_MARKET) order->tif = SP_TIF_IOC;
    return sp_rest_decimal(call, "quantity", &order->qty.e8) &&
           sp_rest_decimal(call, "price", &order->px.e8) &&
           sp_rest_decimal(call, "stopPrice", &order->stop_px.e8) &&
           take_client_id(call, "x-venue-", call->rest->exchange->last_order_no + 1,
                          &order->client_order_id);
}

static void check_filters(struct sp_rest_call *call, const struct sp_match *match,
                          const struct sp_venue_order *order)
{
    const struct sp_instrument *rules = &match->instrument;
    sp_px px = order->px.e8 > 0        ? order->px
               : order->stop_px.e8 > 0 ? order->stop_px
                                       : match->last_px;
    const char *failed = NULL;

    bool has_px = order->px.e8 > 0 || order->type == SP_ORDER_TYPE_LIMIT ||
                  order->type == SP_ORDER_TYPE_LIMIT_MAKER;
    if (has_px && sp_instrument_check_px(rules, order->px, NULL) != SP_OK) failed = "PRICE_FILTER";
    if (failed == NULL && order->stop_px.e8 > 0 &&
        sp_instrument_check_px(rules, order->stop_px, NULL) != SP_OK) {
        failed = "PRICE_FILTER";
    }
    if (failed == NULL && sp_instrument_check_qty(rules, order->qty, NULL) != SP_OK) {
        failed = "LOT_SIZE";
    }
    if (failed == NULL && px.e8 > 0 &&
        sp_instrument_check_value(rules, px, order->qty, NULL) != SP_OK) {
        failed = "NOTIONAL";
    }
    if (failed != NULL) sp_rest_fail(call, 400, REST_FILTER, "Filter failure: %s", failed);
}

/* The quantity that "quoteOrderQty" buys or sells at the levels as seen. */
static void take_quote(struct sp_rest_call *call, int instrument, struct sp_venue_order *order,
                       sp_amt *quote)
{
    if (!sp_rest_decimal(call, "quoteOrderQty", &quote->e8) || quote->e8 == 0) return;
    order->qty =
        sp_exchange_qty_for(call->rest->exchange, instrument, (enum sp_side)order->side, *quote);
}

static void refuse_order(struct sp_rest_call *call, sp_status status, const struct sp_err *err)
{
    const char *text = err->text;

    if (status == SP_EXISTS) text = "Duplicate order sent.";
    if (strncmp(err->text, "insufficient", 12) == 0) {
        text = "Account has insufficient balance for requested action.";
    }
    sp_rest_fail(call, 400, REST_ORDER_REFUSED, "%s", text);
}

/* Everything before the exchange is asked. False after an error. */
SP_NODISCARD static bool prepare(struct sp_rest_call *call, struct sp_venue_order *order,
                                 sp_amt *quote)
{
    int instrument = sp_rest_instrument(call);

    if (instrument < 0 || !read_order(call, instrument, order)) return false;
    take_quote(call, instrument, order, quote);
    if (!call->failed) check_filters(call, &call->rest->exchange->match[instrument], order);
    return !call->failed;
}

static void put_fills(struct sp_rest_call *call, uint64_t order_no)
{
    struct sp_json_text *json = call->body;

    sp_jtext_key(json, "fills");
    sp_jtext_begin(json, '[');
    for (uint32_t i = 0; i < call->changes->count; i++) {
        const struct sp_venue_fill_row *fill = &call->changes->at[i].fill;
        if (fill->trade_no == 0 || fill->order_no != order_no) continue;
        sp_jtext_begin(json, '{');
        sp_jtext_put_e8(json, "price", fill->px.e8);
        sp_jtext_put_e8(json, "qty", fill->qty.e8);
        sp_jtext_put_e8(json, "commission", fill->fee.e8);
        sp_jtext_put_string(json, "commissionAsset",
                            call->rest->exchange->world->instruments[fill->instrument].quote.s);
        sp_jtext_put_int(json, "tradeId", (int64_t)fill->trade_no);
        sp_jtext_end(json, '}');
    }
    sp_jtext_end(json, ']');
}

/* The order as it stands after all that happened at once. */
static const struct sp_venue_order_row *last_row(const struct sp_rest_call *call, uint64_t order_no)
{
    for (uint32_t i = call->changes->count; i > 0; i--) {
        const struct sp_venue_order_row *row = &call->changes->at[i - 1].order;
        if (row->order_no == order_no) return row;
    }
    return NULL;
}

static void put_placed(struct sp_rest_call *call, const struct sp_venue_order_row *row)
{
    const char *how = sp_rest_param(call->params, "newOrderRespType");
    bool taker = row->type == SP_ORDER_TYPE_LIMIT || row->type == SP_ORDER_TYPE_MARKET;
    struct sp_json_text *json = call->body;

    if (how == NULL) how = taker ? "FULL" : "ACK";
    sp_jtext_begin(json, '{');
    put_names(call, row);
    sp_jtext_put_string(json, "clientOrderId", row->client_order_id.s);
    sp_jtext_put_ms(json, "transactTime", row->updated);
    if (strcmp(how, "ACK") != 0) {
        put_amounts(json, row);
        put_end(json, row);
        if (strcmp(how, "FULL") == 0) put_fills(call, row->order_no);
    }
    sp_jtext_end(json, '}');
}

void sp_rest_place(struct sp_rest_call *call)
{
    struct sp_venue_order order;
    uint64_t order_no = 0, pair_no = 0;
    sp_amt quote = {0};
    struct sp_err err = {0};

    if (!prepare(call, &order, &quote)) return;
    sp_status status =
        sp_exchange_place(call->rest->exchange, &order, call->changes, &order_no, &pair_no, &err);
    if (status != SP_OK) {
        refuse_order(call, status, &err);
        return;
    }
    for (uint32_t i = 0; i < call->changes->count; i++) {
        call->changes->at[i].order.quote_qty = quote;
    }
    const struct sp_venue_order_row *row = last_row(call, order_no);
    SP_ASSERT(row != NULL); /* it was taken */
    put_placed(call, row);
}

void sp_rest_place_test(struct sp_rest_call *call)
{
    struct sp_venue_order order;
    sp_amt quote = {0};

    if (prepare(call, &order, &quote)) sp_jtext_raw(call->body, "{}");
}

/* ---- Cancelling ---- */

/* By "orderId", "origClientOrderId", or both that agree. False after an error. */
SP_NODISCARD static bool take_ids(struct sp_rest_call *call, int64_t *order_no, sp_name *client_id)
{
    const char *id = sp_rest_param(call->params, "origClientOrderId");

    *client_id = (sp_name){{0}};
    if (!sp_rest_number(call, "orderId", 0, order_no)) return false;
    if (id == NULL && *order_no == 0) {
        sp_rest_fail(call, 400, REST_MISSING,
                     "Param 'origClientOrderId' or 'orderId' must be sent, but both were "
                     "empty/null!");
        return false;
    }
    if (id == NULL || sp_name_set(client_id, id)) return true;
    *client_id = (sp_name){"?"}; /* an id that no order can have: no name has this sign */
    return true;
}

static const struct sp_venue_order_row *open_row(const struct sp_exchange *x, int instrument,
                                                 int64_t order_no, const sp_name *client_id)
{
    for (uint32_t i = 0; i < x->open_count; i++) {
        const struct sp_venue_order_row *row = &x->open[i];
        bool is_it = order_no != 0 ? row->order_no == (uint64_t)order_no
                                   : sp_name_eq(&row->client_order_id, client_id);
        if (is_it && row->instrument == (uint32_t)instrument) return row;
    }
    return NULL;
}

void sp_rest_cancel(struct sp_rest_call *call)
{
    struct sp_exchange *x = call->rest->exchange;
    int instrument = sp_rest_instrument(call);
    int64_t order_no = 0;
    sp_name client_id, found_id, cancel_id;
    struct sp_err err = {0};

    if (instrument < 0 || !take_ids(call, &order_no, &client_id)) return;
    const struct sp_venue_order_row *row = open_row(x, instrument, order_no, &client_id);
    if (row == NULL) {
        sp_rest_fail(call, 400, REST_CANCEL_REFUSED, "Unknown order sent.");
        return;
    }
    if (client_id.s[0] != '\0' && !sp_name_eq(&client_id, &row->client_order_id)) {
        sp_rest_fail(call, 400, REST_IDS_DISAGREE,
                     "Client order ID is not correct for this order ID");
        return;
    }
    uint64_t found_no = row->order_no;
    found_id = row->client_order_id;
    if (!take_client_id(call, "x-cancel-", found_no, &cancel_id)) return;
    if (sp_exchange_cancel(x, &found_id, call->changes, &err) != SP_OK) {
        sp_rest_fail(call, 400, REST_CANCEL_REFUSED, "%s", err.text);
        return;
    }
    for (uint32_t i = 0; i < call->changes->count; i++)
        call->changes->at[i].cancel_id = cancel_id;
    row = last_row(call, found_no);
    SP_ASSERT(row != NULL); /* it was cancelled */
    put_canceled(call, row, cancel_id.s);
}

/* One after the other; the changes of all of them are stored together. */
void sp_rest_cancel_all(struct sp_rest_call *call)
{
    struct sp_exchange *x = call->rest->exchange;
    int instrument = sp_rest_instrument(call);
    struct sp_venue_changes *all = &call->rest->all;
    const sp_name cancel_id = {"x-cancel-all"};
    struct sp_err err = {0};

    if (instrument < 0) return;
    all->count = 0;
    sp_jtext_begin(call->body, '[');
    for (uint32_t i = 0; i < x->open_count && all->count + 2 <= SP_VENUE_CHANGES_MAX;) {
        sp_name id = x->open[i].client_order_id;
        bool ours = x->open[i].instrument == (uint32_t)instrument;
        if (!ours || sp_exchange_cancel(x, &id, call->changes, &err) != SP_OK) {
            i++;
            continue;
        }
        for (uint32_t k = 0; k < call->changes->count; k++) {
            struct sp_venue_change *change = &call->changes->at[k];
            change->cancel_id = cancel_id;
            put_canceled(call, &change->order, cancel_id.s);
            all->at[all->count++] = *change;
        }
        i = 0; /* a pair takes two out */
    }
    *call->changes = *all;
    if (all->count == 0) {
        sp_rest_fail(call, 400, REST_CANCEL_REFUSED, "Unknown order sent.");
        return;
    }
    sp_jtext_end(call->body, ']');
}

/* ---- Asking ---- */

void sp_rest_order(struct sp_rest_call *call)
{
    int instrument = sp_rest_instrument(call);
    struct sp_venue_order_row row;
    int64_t order_no = 0;
    sp_name client_id;
    struct sp_err err = {0};

    if (instrument < 0 || !take_ids(call, &order_no, &client_id)) return;
    struct sp_venue_store *store = call->rest->store;
    const struct sp_exchange *x = call->rest->exchange;
    struct sp_venue_order_key key = {(uint32_t)instrument, client_id};
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
    if (status != SP_OK || hidden || row.instrument != (uint32_t)instrument) {
        sp_rest_fail(call, 400, REST_NO_SUCH_ORDER, "Order does not exist.");
        return;
    }
    if (client_id.s[0] != '\0' && !sp_name_eq(&client_id, &row.client_order_id)) {
        sp_rest_fail(call, 400, REST_IDS_DISAGREE,
                     "Client order ID is not correct for this order ID");
        return;
    }
    put_order(call, &row);
}

void sp_rest_open_orders(struct sp_rest_call *call)
{
    const struct sp_exchange *x = call->rest->exchange;
    bool one = sp_rest_param(call->params, "symbol") != NULL;
    int instrument = one ? sp_rest_instrument(call) : -1;

    if (call->failed) return;
    sp_jtext_begin(call->body, '[');
    for (uint32_t i = 0; i < x->open_count; i++) {
        if (!one || x->open[i].instrument == (uint32_t)instrument) put_order(call, &x->open[i]);
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
    struct sp_venue_order_query query = {.instrument = (uint32_t)instrument,
                                         .from_no = (uint64_t)from_no,
                                         .from = from,
                                         .until = until,
                                         .from_oldest = from_no > 0 || from.ns > 0,
                                         .max = limit < ORDERS_MAX ? (uint32_t)limit : ORDERS_MAX};
    sp_jtext_begin(call->body, '[');
    if (sp_venue_store_find_orders(call->rest->store, call->rest->exchange, &query, put_order, call,
                                   &err) != SP_OK) {
        sp_rest_fail(call, 500, REST_UNKNOWN, "%s", err.text);
        return;
    }
    sp_jtext_end(call->body, ']');
}
