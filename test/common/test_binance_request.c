#include "common/venue/binance_request.h"

#include "proto/enums.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define ID   "sABCD0123456789ABCDEFGHIJKLMNOP001"
#define STOP "sABCD0123456789ABCDEFGHIJKLMNOP002"

static struct sp_venue_order an_order(enum sp_order_type type)
{
    return (struct sp_venue_order){.request_id = 1,
                                   .client_order_id = sp_name_of(ID),
                                   .symbol = sp_name_of("BTCUSDT"),
                                   .side = SP_SIDE_BUY,
                                   .type = (uint8_t)type,
                                   .tif = SP_TIF_GTC,
                                   .qty = {8088000},
                                   .px = {6181310000000},
                                   .stop_px = {6000000000000}};
}

static void test_binance_request_orders_are_written_by_type(void **state)
{
    static const struct {
        enum sp_order_type type;
        const char *params;
    } rows[] = {
        {SP_ORDER_TYPE_MARKET, "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.08088"
                               "&newClientOrderId=" ID "&newOrderRespType=RESULT"},
        {SP_ORDER_TYPE_LIMIT, "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&price=61813.1"
                              "&quantity=0.08088&newClientOrderId=" ID "&newOrderRespType=RESULT"},
        {SP_ORDER_TYPE_LIMIT_MAKER,
         "symbol=BTCUSDT&side=BUY&type=LIMIT_MAKER&price=61813.1"
         "&quantity=0.08088&newClientOrderId=" ID "&newOrderRespType=RESULT"},
        {SP_ORDER_TYPE_STOP_LOSS,
         "symbol=BTCUSDT&side=BUY&type=STOP_LOSS&stopPrice=60000"
         "&quantity=0.08088&newClientOrderId=" ID "&newOrderRespType=RESULT"},
    };
    struct sp_binance_call call;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sp_venue_order order = an_order(rows[i].type);
        assert_int_equal(sp_binance_order(&order, &call, NULL), SP_OK);
        assert_string_equal(call.params, rows[i].params);
        assert_string_equal(call.path, "/api/v3/order");
        assert_int_equal(call.method, SP_BINANCE_POST);
        assert_true(call.is_signed);
    }
}

static void test_binance_request_a_pair_is_one_list(void **state)
{
    struct sp_venue_order order = an_order(SP_ORDER_TYPE_LIMIT);
    struct sp_binance_call call;

    (void)state;
    order.side = SP_SIDE_SELL;
    order.pair_client_order_id = sp_name_of(STOP);
    order.pair_stop_px.e8 = 6100000000000;
    assert_int_equal(sp_binance_order(&order, &call, NULL), SP_OK);
    assert_string_equal(call.path, "/api/v3/orderList/oco");
    assert_string_equal(
        call.params, "symbol=BTCUSDT&side=SELL&quantity=0.08088&aboveType=LIMIT_MAKER"
                     "&abovePrice=61813.1&aboveClientOrderId=" ID "&belowType=STOP_LOSS"
                     "&belowStopPrice=61000&belowClientOrderId=" STOP "&newOrderRespType=RESULT");
    order.side = SP_SIDE_BUY;
    assert_int_equal(sp_binance_order(&order, &call, NULL), SP_UNSUPPORTED);
}

static void test_binance_request_what_is_incomplete_is_not_sent(void **state)
{
    struct sp_venue_order order = an_order(SP_ORDER_TYPE_LIMIT);
    struct sp_binance_call call;

    (void)state;
    order.px.e8 = 0;
    assert_int_equal(sp_binance_order(&order, &call, NULL), SP_INVALID);
    order = an_order(SP_ORDER_TYPE_LIMIT);
    order.tif = SP_TIF_NONE;
    assert_int_equal(sp_binance_order(&order, &call, NULL), SP_INVALID);
    order = an_order(SP_ORDER_TYPE_MARKET);
    order.qty.e8 = 0;
    assert_int_equal(sp_binance_order(&order, &call, NULL), SP_INVALID);
    order = an_order(SP_ORDER_TYPE_MARKET);
    order.client_order_id = sp_name_of("sABCD0123456789ABCDEFGHIJKLMNOP0012345");
    assert_int_equal(sp_binance_order(&order, &call, NULL), SP_TOO_LONG);
    order = an_order(SP_ORDER_TYPE_MARKET);
    order.symbol = (sp_name){"BTC&side=SELL"}; /* as only a broken caller could make it */
    assert_int_equal(sp_binance_order(&order, &call, NULL), SP_INVALID);
    order = an_order(SP_ORDER_TYPE_NONE);
    assert_int_equal(sp_binance_order(&order, &call, NULL), SP_UNSUPPORTED);
}

static void test_binance_request_questions_and_cancels(void **state)
{
    struct sp_venue_cancel cancel = {.client_order_id = sp_name_of(ID),
                                     .symbol = sp_name_of("BTCUSDT")};
    sp_name symbol = sp_name_of("BTCUSDT"), id = sp_name_of(ID);
    struct sp_binance_call call;

    (void)state;
    assert_int_equal(sp_binance_cancel(&cancel, &call, NULL), SP_OK);
    assert_int_equal(call.method, SP_BINANCE_DELETE);
    assert_string_equal(call.params, "symbol=BTCUSDT&origClientOrderId=" ID);
    assert_int_equal(sp_binance_order_query(&symbol, &id, &call, NULL), SP_OK);
    assert_string_equal(call.params, "symbol=BTCUSDT&origClientOrderId=" ID);
    assert_int_equal(call.weight, 4);
    assert_int_equal(sp_binance_trades(&symbol, 41, &call, NULL), SP_OK);
    assert_string_equal(call.params, "symbol=BTCUSDT&fromId=42&limit=1000");
    assert_int_equal(sp_binance_all_orders(&symbol, 7, &call, NULL), SP_OK);
    assert_string_equal(call.params, "symbol=BTCUSDT&orderId=7&limit=1000");
    assert_int_equal(sp_binance_open_orders(&symbol, &call, NULL), SP_OK);
    assert_string_equal(call.params, "symbol=BTCUSDT");
    assert_int_equal(sp_binance_depth(&symbol, &call, NULL), SP_OK);
    assert_string_equal(call.params, "symbol=BTCUSDT&limit=1000");
    assert_false(call.is_signed);
    sp_binance_server_time(&call);
    assert_string_equal(call.params, "");
}

static void test_binance_request_window_time_and_signature_come_last(void **state)
{
    struct sp_binance_call call;

    (void)state;
    sp_binance_account(&call);
    assert_int_equal(sp_binance_stamp(&call, 1499827319559, NULL), SP_OK);
    assert_string_equal(call.params, "recvWindow=5000&timestamp=1499827319559");
    assert_int_equal(sp_binance_add_signature(&call, "abcd", NULL), SP_OK);
    assert_string_equal(call.params, "recvWindow=5000&timestamp=1499827319559&signature=abcd");
    assert_int_equal(call.len_bytes, 54);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_binance_request_orders_are_written_by_type),
        cmocka_unit_test(test_binance_request_a_pair_is_one_list),
        cmocka_unit_test(test_binance_request_what_is_incomplete_is_not_sent),
        cmocka_unit_test(test_binance_request_questions_and_cancels),
        cmocka_unit_test(test_binance_request_window_time_and_signature_come_last),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
