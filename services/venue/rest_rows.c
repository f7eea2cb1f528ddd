#include "services/venue/rest_rows.h"

#include "services/venue/user_data.h"

#include <string.h>

static const char *symbol_of(const struct sp_rest_call *call, const struct sp_venue_order_row *row)
{
    return call->rest->exchange->world->instruments[row->instrument].symbol.s;
}

/* Ids and symbol, as every answer about an order begins. */
static void put_names(struct sp_rest_call *call, const struct sp_venue_order_row *row)
{
    sp_jtext_put_string(call->body, "symbol", symbol_of(call, row));
    sp_jtext_put_int(call->body, "orderId", (int64_t)row->order_no);
    sp_jtext_put_int(call->body, "orderListId", row->list_no != 0 ? (int64_t)row->list_no : -1);
}

static void put_amounts(struct sp_json_text *json, const struct sp_venue_order_row *row)
{
    sp_jtext_put_e8(json, "price", row->px.e8);
    sp_jtext_put_e8(json, "origQty", row->qty.e8);
    sp_jtext_put_e8(json, "executedQty", row->filled.e8);
    sp_jtext_put_e8(json, "origQuoteOrderQty", row->quote_qty.e8);
    sp_jtext_put_e8(json, "cummulativeQuoteQty", row->quote_filled.e8);
    sp_jtext_put_string(json, "status", sp_user_data_status(row));
    sp_jtext_put_string(json, "timeInForce", sp_user_data_tif(row));
    sp_jtext_put_string(json, "type", sp_enum_name(SP_ENUM_ORDER_TYPE, (uint8_t)row->type));
    sp_jtext_put_string(json, "side", sp_enum_name(SP_ENUM_SIDE, (uint8_t)row->side));
    if (row->stop_px.e8 > 0) sp_jtext_put_e8(json, "stopPrice", row->stop_px.e8);
}

static void put_end(struct sp_json_text *json, const struct sp_venue_order_row *row)
{
    if (row->working.ns != 0) {
        sp_jtext_put_ms(json, "workingTime", row->working);
    } else {
        sp_jtext_put_int(json, "workingTime", -1);
    }
    sp_jtext_put_string(json, "selfTradePreventionMode", sp_venue_stp_name(row->stp));
    if (row->counter_no != 0) {
        sp_jtext_put_e8(json, "preventedQuantity", row->qty.e8 - row->filled.e8);
    }
}

void sp_rest_put_order(void *ctx, const struct sp_venue_order_row *row)
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
    sp_jtext_put_bool(json, "isWorking", row->working.ns != 0);
    put_end(json, row);
    sp_jtext_end(json, '}');
}

void sp_rest_put_canceled(struct sp_rest_call *call, const struct sp_venue_order_row *row,
                          const char *cancel_id)
{
    struct sp_json_text *json = call->body;

    sp_jtext_begin(json, '{');
    put_names(call, row);
    sp_jtext_put_string(json, "origClientOrderId", row->client_order_id.s);
    sp_jtext_put_string(json, "clientOrderId", cancel_id);
    sp_jtext_put_ms(json, "transactTime", row->updated);
    put_amounts(json, row);
    sp_jtext_put_string(json, "selfTradePreventionMode", sp_venue_stp_name(row->stp));
    sp_jtext_end(json, '}');
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

const struct sp_venue_order_row *sp_rest_last_row(const struct sp_rest_call *call,
                                                  uint64_t order_no)
{
    for (uint32_t i = call->changes->count; i > 0; i--) {
        const struct sp_venue_order_row *row = &call->changes->at[i - 1].order;
        if (row->order_no == order_no) return row;
    }
    return NULL;
}

void sp_rest_put_placed(struct sp_rest_call *call, const struct sp_venue_order_row *row)
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
