/* Orders over REST: asked for, cancelled, and told about, by the names the client gave them. */
#include "rest_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void limit_buy(const char *symbol, const char *id)
{
    rest_rig_ask(SP_HTTP_POST, "order",
                 "symbol=%s&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=900"
                 "&newClientOrderId=%s",
                 symbol, id);
}

static void test_rest_orders_an_id_is_of_its_symbol(void **state)
{
    (void)state;
    limit_buy("BTCUSDT", "again");
    rest_rig_expect(200, "\"orderId\":1,");
    rest_rig_ask(SP_HTTP_DELETE, "order", "symbol=BTCUSDT&origClientOrderId=again");
    rest_rig_expect(200, "\"status\":\"CANCELED\"");
    limit_buy("ETHUSDT", "again"); /* the id is free once its order has ended */
    rest_rig_expect(200, "\"orderId\":2,");
    rest_rig_ask(SP_HTTP_GET, "order", "symbol=BTCUSDT&origClientOrderId=again");
    rest_rig_expect(200, "\"orderId\":1,");
    rest_rig_ask(SP_HTTP_GET, "order", "symbol=ETHUSDT&origClientOrderId=again");
    rest_rig_expect(200, "\"orderId\":2,");
    rest_rig_ask(SP_HTTP_GET, "order", "symbol=ETHUSDT&origClientOrderId=other");
    rest_rig_expect(400, "-2013");
    rest_rig_ask(SP_HTTP_DELETE, "order", "symbol=BTCUSDT&origClientOrderId=again");
    rest_rig_expect(400, "-2011");
    rest_rig_ask(SP_HTTP_DELETE, "order", "symbol=ETHUSDT&origClientOrderId=again");
    rest_rig_expect(200, "\"status\":\"CANCELED\"");
}

static void test_rest_orders_a_cancel_tells_both_ids(void **state)
{
    (void)state;
    limit_buy("BTCUSDT", "first");
    assert_non_null(strstr(rest_rig_event(0), "\"c\":\"first\","));
    assert_non_null(strstr(rest_rig_event(0), "\"C\":\"\","));
    rest_rig_ask(SP_HTTP_DELETE, "order",
                 "symbol=BTCUSDT&origClientOrderId=first&newClientOrderId=the-cancel");
    rest_rig_expect(200, "\"origClientOrderId\":\"first\",\"clientOrderId\":\"the-cancel\"");
    assert_non_null(strstr(rest_rig_event(0), "\"c\":\"the-cancel\","));
    assert_non_null(strstr(rest_rig_event(0), "\"C\":\"first\","));
    limit_buy("BTCUSDT", "second");
    rest_rig_ask(SP_HTTP_DELETE, "openOrders", "symbol=BTCUSDT");
    rest_rig_expect(200, "\"origClientOrderId\":\"second\"");
    assert_non_null(strstr(rest_rig_event(0), "\"C\":\"second\","));
    /* What the exchange ends by itself was cancelled by nobody. */
    rest_rig_market(0, 999, 1000, ONE, 0);
    rest_rig_ask(SP_HTTP_POST, "order",
                 "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=IOC&quantity=2&price=1000"
                 "&newClientOrderId=third");
    rest_rig_expect(200, "\"status\":\"EXPIRED\"");
    const char *last = rest_rig_event(rig->changes->count - 1);
    assert_non_null(strstr(last, "\"c\":\"third\","));
    assert_non_null(strstr(last, "\"C\":\"\","));
}

#define T(name)                                                                                    \
    cmocka_unit_test_setup_teardown(test_rest_orders_##name, rest_rig_setup, rest_rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_id_is_of_its_symbol),
        T(a_cancel_tells_both_ids),
    };

    return cmocka_run_group_tests_name("rest_orders", tests, NULL, NULL);
}
