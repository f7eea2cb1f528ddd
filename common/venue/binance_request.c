#include "common/venue/binance_request.h"

#include "proto/decimal.h"
#include "proto/enums.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void begin(struct sp_binance_call *call, enum sp_binance_method method, const char *path,
                  uint32_t weight)
{
    *call = (struct sp_binance_call){.method = method,
                                     .path = path,
                                     .is_signed = true,
                                     .weight = weight};
}

SP_PRINTF(3, 4)
static sp_status put(struct sp_binance_call *call, struct sp_err *err, const char *format, ...)
{
    size_t room = sizeof call->params - call->len_bytes;
    va_list args;

    if (call->len_bytes > 0 && room > 1) {
        call->params[call->len_bytes++] = '&';
        room--;
    }
    va_start(args, format);
    int n = vsnprintf(call->params + call->len_bytes, room, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= room) return SP_FAIL(err, SP_TOO_LONG, "request parameters");
    call->len_bytes += (size_t)n;
    return SP_OK;
}

/* A name goes into the text as it is: what could mean something else there is refused. */
static sp_status put_name(struct sp_binance_call *call, const char *key, const sp_name *name,
                          struct sp_err *err)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                  "._-";

    if (name->s[0] == '\0') return SP_FAIL(err, SP_INVALID, "%s is empty", key);
    if (name->s[strspn(name->s, allowed)] != '\0') {
        return SP_FAIL(err, SP_INVALID, "%s cannot be sent: %s", key, name->s);
    }
    return put(call, err, "%s=%s", key, name->s);
}

static sp_status put_id(struct sp_binance_call *call, const char *key, const sp_name *id,
                        struct sp_err *err)
{
    if (strlen(id->s) > 36) return SP_FAIL(err, SP_TOO_LONG, "%s: %s", key, id->s);
    return put_name(call, key, id, err);
}

static sp_status put_e8(struct sp_binance_call *call, const char *key, int64_t e8,
                        struct sp_err *err)
{
    char text[SP_E8_TEXT_SIZE];

    if (e8 <= 0) return SP_FAIL(err, SP_INVALID, "%s must be positive", key);
    return put(call, err, "%s=%s", key, sp_e8_format(e8, text));
}

/* Target above, stop below: the sale that protects a long position. */
static sp_status put_pair(const struct sp_venue_order *order, struct sp_binance_call *out,
                          struct sp_err *err)
{
    bool is_limit = order->type == SP_ORDER_TYPE_LIMIT || order->type == SP_ORDER_TYPE_LIMIT_MAKER;

    if (order->side != SP_SIDE_SELL || !is_limit) {
        return SP_FAIL(err, SP_UNSUPPORTED, "a pair that is no sale with a limit leg");
    }
    begin(out, SP_BINANCE_POST, "/api/v3/orderList/oco", 1);
    sp_status status = put_name(out, "symbol", &order->symbol, err);
    if (status == SP_OK) status = put(out, err, "side=SELL");
    if (status == SP_OK) status = put_e8(out, "quantity", order->qty.e8, err);
    if (status == SP_OK) status = put(out, err, "aboveType=LIMIT_MAKER");
    if (status == SP_OK) status = put_e8(out, "abovePrice", order->px.e8, err);
    if (status == SP_OK) status = put_id(out, "aboveClientOrderId", &order->client_order_id, err);
    if (status == SP_OK) status = put(out, err, "belowType=STOP_LOSS");
    if (status == SP_OK) status = put_e8(out, "belowStopPrice", order->pair_stop_px.e8, err);
    if (status == SP_OK) {
        status = put_id(out, "belowClientOrderId", &order->pair_client_order_id, err);
    }
    if (status == SP_OK) status = put(out, err, "newOrderRespType=RESULT");
    return status;
}

static sp_status put_prices(const struct sp_venue_order *order, struct sp_binance_call *out,
                            struct sp_err *err)
{
    sp_status status = SP_OK;

    switch ((enum sp_order_type)order->type) {
    case SP_ORDER_TYPE_LIMIT:
        if (order->tif == SP_TIF_NONE) return SP_FAIL(err, SP_INVALID, "time in force is missing");
        status = put(out, err, "timeInForce=%s", sp_enum_name(SP_ENUM_TIF, order->tif));
        return status == SP_OK ? put_e8(out, "price", order->px.e8, err) : status;
    case SP_ORDER_TYPE_LIMIT_MAKER: return put_e8(out, "price", order->px.e8, err);
    case SP_ORDER_TYPE_STOP_LOSS: return put_e8(out, "stopPrice", order->stop_px.e8, err);
    case SP_ORDER_TYPE_MARKET: return SP_OK;
    case SP_ORDER_TYPE_STOP_LOSS_LIMIT:
    case SP_ORDER_TYPE_TAKE_PROFIT:
    case SP_ORDER_TYPE_TAKE_PROFIT_LIMIT:
    case SP_ORDER_TYPE_NONE:
    case SP_ORDER_TYPE_COUNT: break;
    }
    return SP_FAIL(err, SP_UNSUPPORTED, "order type %u", order->type);
}

sp_status sp_binance_order(const struct sp_venue_order *order, struct sp_binance_call *out,
                           struct sp_err *err)
{
    const char *type = sp_enum_name(SP_ENUM_ORDER_TYPE, order->type);
    const char *side = sp_enum_name(SP_ENUM_SIDE, order->side);

    if (order->pair_client_order_id.s[0] != '\0') return put_pair(order, out, err);
    if (type == NULL || type[0] == '\0') return SP_FAIL(err, SP_UNSUPPORTED, "order type");
    if (side == NULL || side[0] == '\0') return SP_FAIL(err, SP_INVALID, "side is missing");
    begin(out, SP_BINANCE_POST, "/api/v3/order", 1);
    sp_status status = put_name(out, "symbol", &order->symbol, err);
    if (status == SP_OK) status = put(out, err, "side=%s&type=%s", side, type);
    if (status == SP_OK) status = put_prices(order, out, err);
    if (status == SP_OK) status = put_e8(out, "quantity", order->qty.e8, err);
    if (status == SP_OK) status = put_id(out, "newClientOrderId", &order->client_order_id, err);
    if (status == SP_OK) status = put(out, err, "newOrderRespType=RESULT");
    return status;
}

sp_status sp_binance_cancel(const struct sp_venue_cancel *cancel, struct sp_binance_call *out,
                            struct sp_err *err)
{
    begin(out, SP_BINANCE_DELETE, "/api/v3/order", 1);
    sp_status status = put_name(out, "symbol", &cancel->symbol, err);
    if (status != SP_OK) return status;
    return put_id(out, "origClientOrderId", &cancel->client_order_id, err);
}

sp_status sp_binance_order_query(const sp_name *symbol, const sp_name *client_order_id,
                                 struct sp_binance_call *out, struct sp_err *err)
{
    begin(out, SP_BINANCE_GET, "/api/v3/order", 4);
    sp_status status = put_name(out, "symbol", symbol, err);
    if (status != SP_OK) return status;
    return put_id(out, "origClientOrderId", client_order_id, err);
}

sp_status sp_binance_open_orders(const sp_name *symbol, struct sp_binance_call *out,
                                 struct sp_err *err)
{
    begin(out, SP_BINANCE_GET, "/api/v3/openOrders", symbol != NULL ? 6 : 80);
    if (symbol == NULL) return SP_OK;
    return put_name(out, "symbol", symbol, err);
}

sp_status sp_binance_all_orders(const sp_name *symbol, uint64_t from_venue_order_id,
                                struct sp_binance_call *out, struct sp_err *err)
{
    begin(out, SP_BINANCE_GET, "/api/v3/allOrders", 20);
    sp_status status = put_name(out, "symbol", symbol, err);
    if (status != SP_OK) return status;
    return put(out, err, "orderId=%" PRIu64 "&limit=1000", from_venue_order_id);
}

sp_status sp_binance_trades(const sp_name *symbol, uint64_t after, struct sp_binance_call *out,
                            struct sp_err *err)
{
    begin(out, SP_BINANCE_GET, "/api/v3/myTrades", 20);
    sp_status status = put_name(out, "symbol", symbol, err);
    if (status != SP_OK) return status;
    return put(out, err, "fromId=%" PRIu64 "&limit=%d", after + 1, SP_BINANCE_TRADES_PER_PAGE);
}

void sp_binance_account(struct sp_binance_call *out)
{
    begin(out, SP_BINANCE_GET, "/api/v3/account", 20);
}

void sp_binance_key_rights(struct sp_binance_call *out)
{
    begin(out, SP_BINANCE_GET, "/sapi/v1/account/apiRestrictions", 1);
}

void sp_binance_server_time(struct sp_binance_call *out)
{
    begin(out, SP_BINANCE_GET, "/api/v3/time", 1);
    out->is_signed = false;
}

sp_status sp_binance_depth(const sp_name *symbol, struct sp_binance_call *out, struct sp_err *err)
{
    begin(out, SP_BINANCE_GET, "/api/v3/depth", 50);
    out->is_signed = false;
    sp_status status = put_name(out, "symbol", symbol, err);
    return status == SP_OK ? put(out, err, "limit=1000") : status;
}

sp_status sp_binance_stamp(struct sp_binance_call *call, int64_t server_ms, struct sp_err *err)
{
    SP_ASSERT(call->is_signed);
    return put(call, err, "recvWindow=%d&timestamp=%" PRId64, SP_BINANCE_RECV_WINDOW_MS, server_ms);
}

sp_status sp_binance_add_signature(struct sp_binance_call *call, const char *hex,
                                   struct sp_err *err)
{
    SP_ASSERT(call->is_signed);
    return put(call, err, "signature=%s", hex);
}
