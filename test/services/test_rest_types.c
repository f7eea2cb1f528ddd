/* Orders of every type over REST: when they wait, trigger, fill, end each other, and come back. */
#include "rest_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void has(const char *text, const char *piece)
{
    if (strstr(text, piece) == NULL) fail_msg("%s is not in %s", piece, text);
}

static void order(const char *more)
{
    rest_rig_ask(SP_HTTP_POST, "order", "symbol=BTCUSDT&quantity=1&newOrderRespType=FULL&%s", more);
}

static void oco(const char *more)
{
    rest_rig_ask(SP_HTTP_POST, "orderList/oco",
                 "symbol=BTCUSDT&quantity=1&newOrderRespType=RESULT&%s", more);
}

static void status_of(uint64_t order_no, const char *status)
{
    rest_rig_ask(SP_HTTP_GET, "order", "symbol=BTCUSDT&orderId=%llu", (unsigned long long)order_no);
    rest_rig_expect(200, status);
}

static void free_is(const char *asset, const char *free, const char *locked)
{
    char piece[160];

    snprintf(piece, sizeof piece, "{\"asset\":\"%s\",\"free\":\"%s\",\"locked\":\"%s\"}", asset,
             free, locked);
    rest_rig_ask(SP_HTTP_GET, "account", "omitZeroBalances=true");
    rest_rig_expect(200, piece);
}

static void test_rest_types_a_stop_limit_waits_triggers_and_rests(void **state)
{
    (void)state;
    rest_rig_market(0, 999, 1001, 5 * ONE, 1000);
    order("side=SELL&type=STOP_LOSS_LIMIT&stopPrice=990&price=995&timeInForce=GTC");
    rest_rig_expect(200, "\"workingTime\":-1");
    has(rest_rig_event(0), "\"w\":false");
    status_of(1, "\"isWorking\":false");
    rest_rig_market(0, 990, 992, 5 * ONE, 991);
    status_of(1, "\"isWorking\":false");
    rest_rig_market(0, 988, 992, 5 * ONE, 990);
    has(rest_rig_event(0), "\"x\":\"NEW\",\"X\":\"NEW\"");
    has(rest_rig_event(0), "\"w\":true");
    status_of(1, "\"isWorking\":true");
    rest_rig_restart(); /* it rests as the limit order that it has become */
    status_of(1, "\"status\":\"NEW\"");
    free_is("BTC", "9.00000000", "1.00000000");
    rest_rig_market(0, 994, 996, 5 * ONE, 995);
    status_of(1, "\"status\":\"FILLED\"");
    status_of(1, "\"cummulativeQuoteQty\":\"995.00000000\"");
}

static void test_rest_types_a_take_profit_is_the_reverse_of_a_stop(void **state)
{
    (void)state;
    rest_rig_market(0, 999, 1001, 5 * ONE, 1000);
    order("side=SELL&type=TAKE_PROFIT&stopPrice=990");
    rest_rig_expect(400, "Order would trigger immediately.");
    order("side=SELL&type=TAKE_PROFIT&stopPrice=1010");
    rest_rig_expect(200, "\"status\":\"NEW\"");
    order("side=BUY&type=TAKE_PROFIT_LIMIT&stopPrice=990&price=980&timeInForce=GTC");
    rest_rig_expect(200, "\"status\":\"NEW\"");
    rest_rig_market(0, 1009, 1011, 5 * ONE, 1010);
    status_of(2, "\"status\":\"FILLED\"");
    rest_rig_market(0, 985, 987, 5 * ONE, 986);
    status_of(3, "\"isWorking\":true");
    status_of(3, "\"status\":\"NEW\"");
    rest_rig_market(0, 970, 980, 5 * ONE, 0);
    status_of(3, "\"status\":\"FILLED\"");
}

static void test_rest_types_a_stop_that_buys_holds_what_it_may_cost(void **state)
{
    (void)state;
    rest_rig_market(0, 999, 1001, 5 * ONE, 1000);
    order("side=BUY&type=STOP_LOSS&stopPrice=1100");
    rest_rig_expect(200, "\"status\":\"NEW\"");
    free_is("USDT", "98843.84500000", "1156.15500000"); /* 1155 and its fee */
    rest_rig_restart();
    free_is("USDT", "98843.84500000", "1156.15500000");
    rest_rig_market(0, 1150, 1156, 5 * ONE, 1120); /* nothing up to 1155 */
    status_of(1, "\"status\":\"EXPIRED\"");
    free_is("USDT", "100000.00000000", "0.00000000");
    rest_rig_market(0, 1090, 1095, 5 * ONE, 1090);
    order("side=BUY&type=STOP_LOSS&stopPrice=1100");
    rest_rig_market(0, 1140, 1150, ONE / 2, 1101);
    status_of(2, "\"status\":\"EXPIRED\"");
    status_of(2, "\"executedQty\":\"0.50000000\"");
}

static void test_rest_types_an_oco_ends_its_other_leg(void **state)
{
    (void)state;
    rest_rig_market(0, 999, 1001, 5 * ONE, 1000);
    oco("side=SELL&aboveType=LIMIT_MAKER&abovePrice=1100&belowType=STOP_LOSS_LIMIT"
        "&belowStopPrice=900&belowPrice=890&belowTimeInForce=GTC&listClientOrderId=mine");
    rest_rig_expect(200, "\"orderListId\":1,\"contingencyType\":\"OCO\",\"listStatusType\":"
                         "\"EXEC_STARTED\",\"listOrderStatus\":\"EXECUTING\","
                         "\"listClientOrderId\":\"mine\"");
    rest_rig_expect(200, "\"orderReports\":[{\"symbol\":\"BTCUSDT\",\"orderId\":1,"
                         "\"orderListId\":1");
    assert_int_equal(rig->changes->count, 2);
    has(rest_rig_event(1), "\"g\":1");
    free_is("BTC", "9.00000000", "1.00000000"); /* once for both */
    rest_rig_ask(SP_HTTP_GET, "orderList", "origClientOrderId=mine");
    rest_rig_expect(200, "\"orders\":[{\"symbol\":\"BTCUSDT\",\"orderId\":1,");
    rest_rig_restart();
    rest_rig_ask(SP_HTTP_GET, "openOrderList", "%s", "");
    rest_rig_expect(200, "[{\"orderListId\":1,");
    rest_rig_market(0, 1101, 1102, ONE / 4, 0); /* a part is enough */
    status_of(1, "\"status\":\"PARTIALLY_FILLED\"");
    status_of(2, "\"status\":\"CANCELED\"");
    free_is("BTC", "9.00000000", "0.75000000");
    rest_rig_ask(SP_HTTP_GET, "openOrderList", "%s", "");
    rest_rig_expect(200, "[{\"orderListId\":1,");
    rest_rig_ask(SP_HTTP_DELETE, "order", "symbol=BTCUSDT&orderId=1");
    rest_rig_ask(SP_HTTP_GET, "openOrderList", "%s", "");
    rest_rig_expect(200, "[]");
    rest_rig_ask(SP_HTTP_GET, "allOrderList", "%s", "");
    rest_rig_expect(200, "\"listStatusType\":\"ALL_DONE\"");
}

static void test_rest_types_an_oco_triggers_and_is_cancelled(void **state)
{
    (void)state;
    rest_rig_market(0, 999, 1001, 5 * ONE, 1000);
    oco("side=BUY&belowType=LIMIT_MAKER&belowPrice=900&aboveType=STOP_LOSS&aboveStopPrice=1100");
    rest_rig_expect(200, "\"status\":\"NEW\"");
    free_is("USDT", "98843.84500000", "1156.15500000"); /* the dearer leg */
    rest_rig_market(0, 1098, 1100, 5 * ONE, 1100);
    status_of(1, "\"status\":\"CANCELED\"");
    status_of(2, "\"status\":\"FILLED\"");
    oco("side=SELL&aboveType=TAKE_PROFIT&aboveStopPrice=1200&belowType=STOP_LOSS"
        "&belowStopPrice=1000&listClientOrderId=both");
    rest_rig_expect(200, "\"orderListId\":3");
    rest_rig_ask(SP_HTTP_DELETE, "orderList", "symbol=BTCUSDT&listClientOrderId=both");
    rest_rig_expect(200, "\"listStatusType\":\"ALL_DONE\"");
    status_of(3, "\"status\":\"CANCELED\"");
    status_of(4, "\"status\":\"CANCELED\"");
    rest_rig_ask(SP_HTTP_DELETE, "orderList", "symbol=BTCUSDT&listClientOrderId=both");
    rest_rig_expect(400, "-2011");
    oco("side=SELL&aboveType=LIMIT_MAKER&abovePrice=1000&belowType=STOP_LOSS&belowStopPrice=900");
    rest_rig_expect(400, "The relationship of the prices for the orders is not correct.");
    rest_rig_ask(SP_HTTP_POST, "order/oco",
                 "symbol=BTCUSDT&side=SELL&quantity=1&price=1200&stopPrice=1000"
                 "&stopLimitPrice=990&stopLimitTimeInForce=GTC");
    rest_rig_expect(200, "\"contingencyType\":\"OCO\"");
    status_of(8, "\"type\":\"STOP_LOSS_LIMIT\"");
}

static void test_rest_types_one_order_in_place_of_another(void **state)
{
    static const char replace[] = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1"
                                  "&newOrderRespType=ACK&cancelReplaceMode=";

    (void)state;
    order("side=BUY&type=LIMIT&timeInForce=GTC&price=900&newClientOrderId=a");
    rest_rig_ask(SP_HTTP_POST, "order/cancelReplace",
                 "%sSTOP_ON_FAILURE&price=901&cancelOrigClientOrderId=a&cancelNewClientOrderId=c",
                 replace);
    rest_rig_expect(200, "{\"cancelResult\":\"SUCCESS\",\"newOrderResult\":\"SUCCESS\","
                         "\"cancelResponse\":{\"symbol\":\"BTCUSDT\",\"orderId\":1,");
    rest_rig_expect(200, "\"origClientOrderId\":\"a\",\"clientOrderId\":\"c\"");
    rest_rig_expect(200, "\"newOrderResponse\":{\"symbol\":\"BTCUSDT\",\"orderId\":2,");
    assert_int_equal(rig->changes->count, 2);
    status_of(1, "\"status\":\"CANCELED\"");
    rest_rig_ask(SP_HTTP_POST, "order/cancelReplace", "%sSTOP_ON_FAILURE&price=902&cancelOrderId=1",
                 replace);
    rest_rig_expect(400, "{\"code\":-2022,\"msg\":\"Order cancel-replace failed.\",\"data\":{"
                         "\"cancelResult\":\"FAILURE\",\"newOrderResult\":\"NOT_ATTEMPTED\","
                         "\"cancelResponse\":{\"code\":-2011,\"msg\":\"Unknown order sent.\"},"
                         "\"newOrderResponse\":null}}");
    rest_rig_ask(SP_HTTP_POST, "order/cancelReplace", "%sALLOW_FAILURE&price=902&cancelOrderId=1",
                 replace);
    rest_rig_expect(409, "{\"code\":-2021,\"msg\":\"Order cancel-replace partially failed.\","
                         "\"data\":{\"cancelResult\":\"FAILURE\",\"newOrderResult\":\"SUCCESS\"");
    status_of(3, "\"status\":\"NEW\"");
    rest_rig_ask(SP_HTTP_POST, "order/cancelReplace",
                 "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1000&price=900"
                 "&cancelReplaceMode=STOP_ON_FAILURE&cancelOrderId=3");
    rest_rig_expect(409, "\"cancelResult\":\"SUCCESS\",\"newOrderResult\":\"FAILURE\"");
    rest_rig_expect(409, "\"newOrderResponse\":{\"code\":-2010,\"msg\":\"Account has insufficient "
                         "balance for requested action.\"}");
    status_of(3, "\"status\":\"CANCELED\"");
    rest_rig_ask(SP_HTTP_POST, "order/cancelReplace",
                 "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1000&price=900"
                 "&cancelReplaceMode=ALLOW_FAILURE&cancelOrderId=3");
    rest_rig_expect(400, "\"cancelResult\":\"FAILURE\",\"newOrderResult\":\"FAILURE\"");
    rest_rig_ask(SP_HTTP_POST, "order/cancelReplace",
                 "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=900.001"
                 "&cancelReplaceMode=ALLOW_FAILURE&cancelOrderId=2");
    rest_rig_expect(400, "\"code\":-1013"); /* filters come first: nothing was cancelled */
    status_of(2, "\"status\":\"NEW\"");
}

static void test_rest_types_an_order_does_not_meet_its_owners(void **state)
{
    static const char *const modes[] = {"NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"};
    static const char *const makers[] = {"\"status\":\"NEW\"", "\"status\":\"NEW\"",
                                         "\"status\":\"EXPIRED_IN_MATCH\"",
                                         "\"status\":\"EXPIRED_IN_MATCH\""};
    static const char *const takers[] = {"\"status\":\"FILLED\"", "\"status\":\"EXPIRED_IN_MATCH\"",
                                         "\"status\":\"FILLED\"",
                                         "\"status\":\"EXPIRED_IN_MATCH\""};

    (void)state;
    for (uint64_t i = 0; i < 4; i++) {
        char text[200];
        rest_rig_market(0, 990, 1010, 5 * ONE, 1000);
        order("side=SELL&type=LIMIT&timeInForce=GTC&price=1005&newClientOrderId=maker");
        snprintf(text, sizeof text,
                 "side=BUY&type=LIMIT&timeInForce=GTC&price=1010&selfTradePreventionMode=%s",
                 modes[i]);
        order(text);
        rest_rig_expect(200, takers[i]);
        has(rig->body.text, modes[i]);
        status_of(2 * i + 1, makers[i]);
        rest_rig_ask(SP_HTTP_DELETE, "openOrders", "symbol=BTCUSDT");
        rest_rig_market(0, 990, 1012, 5 * ONE, 0); /* other levels: nothing is taken of them */
    }
    rest_rig_market(0, 990, 1010, 5 * ONE, 1000);
    order("side=SELL&type=LIMIT&timeInForce=GTC&price=1005");
    order("side=BUY&type=MARKET&selfTradePreventionMode=EXPIRE_TAKER");
    has(rest_rig_event(1), "\"x\":\"TRADE_PREVENTION\",\"X\":\"EXPIRED_IN_MATCH\"");
    has(rest_rig_event(1), "\"A\":\"1.00000000\"");
    has(rest_rig_event(1), "\"U\":9,");
    rest_rig_ask(SP_HTTP_POST, "order",
                 "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=FOK"
                 "&quantity=1&price=1010"
                 "&selfTradePreventionMode=EXPIRE_TAKER");
    rest_rig_expect(200, "\"status\":\"EXPIRED\"");
    rest_rig_expect(200, "\"executedQty\":\"0.00000000\"");
}

static void test_rest_types_cancels_may_be_restricted(void **state)
{
    (void)state;
    rest_rig_market(0, 999, 1000, ONE / 2, 0);
    order("side=BUY&type=LIMIT&timeInForce=GTC&price=1000");
    rest_rig_expect(200, "\"status\":\"PARTIALLY_FILLED\"");
    rest_rig_ask(SP_HTTP_DELETE, "order", "symbol=BTCUSDT&orderId=1&cancelRestrictions=ONLY_NEW");
    rest_rig_expect(400, "Order was not canceled due to cancel restrictions.");
    rest_rig_ask(SP_HTTP_DELETE, "order", "symbol=BTCUSDT&orderId=1&cancelRestrictions=OTHER");
    rest_rig_expect(400, "-1145");
    rest_rig_ask(SP_HTTP_DELETE, "order",
                 "symbol=BTCUSDT&orderId=1&cancelRestrictions=ONLY_PARTIALLY_FILLED");
    rest_rig_expect(200, "\"status\":\"CANCELED\"");
}

#define T(name)                                                                                    \
    cmocka_unit_test_setup_teardown(test_rest_types_##name, rest_rig_setup, rest_rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_stop_limit_waits_triggers_and_rests),   T(a_take_profit_is_the_reverse_of_a_stop),
        T(a_stop_that_buys_holds_what_it_may_cost), T(an_oco_ends_its_other_leg),
        T(an_oco_triggers_and_is_cancelled),        T(one_order_in_place_of_another),
        T(an_order_does_not_meet_its_owners),       T(cancels_may_be_restricted),
    };

    return cmocka_run_group_tests_name("rest_types", tests, NULL, NULL);
}
