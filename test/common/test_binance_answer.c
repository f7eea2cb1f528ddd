#include "common/venue/binance_answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct kept {
    uint32_t count;
    struct sp_record at[4];
};

static void keep(void *ctx, const struct sp_record *record)
{
    struct kept *kept = ctx;

    assert_true(kept->count < 4);
    kept->at[kept->count++] = *record;
}

static void test_binance_answer_outcomes(void **state)
{
    static const struct {
        int http;
        const char *body;
        enum sp_binance_outcome outcome;
    } rows[] = {
        {200, "{}", SP_BINANCE_ACCEPTED},
        {400, "{\"code\":-1013,\"msg\":\"Filter failure: LOT_SIZE\"}", SP_BINANCE_REFUSED},
        {400, "{\"code\":-2010,\"msg\":\"Account has insufficient balance for requested action.\"}",
         SP_BINANCE_REFUSED},
        {400, "{\"code\":-2010,\"msg\":\"Duplicate order sent.\"}", SP_BINANCE_UNKNOWN},
        {400,
         "{\"code\":-1021,\"msg\":\"Timestamp for this request is outside of the recvWindow.\"}",
         SP_BINANCE_REFUSED},
        {400, "{\"code\":-1022,\"msg\":\"Signature for this request is not valid.\"}",
         SP_BINANCE_REFUSED},
        {400, "{\"code\":-1102,\"msg\":\"Mandatory parameter\"}", SP_BINANCE_REFUSED},
        {400, "{\"code\":-1121,\"msg\":\"Invalid symbol.\"}", SP_BINANCE_REFUSED},
        {401, "{\"code\":-2015,\"msg\":\"Invalid API-key\"}", SP_BINANCE_REFUSED},
        {400, "{\"code\":-2013,\"msg\":\"Order does not exist.\"}", SP_BINANCE_NOT_FOUND},
        {400, "{\"code\":-2011,\"msg\":\"Unknown order sent.\"}", SP_BINANCE_NOT_FOUND},
        {429, "{\"code\":-1003,\"msg\":\"Too much request weight used\"}", SP_BINANCE_LIMITED},
        {429, "{\"code\":-1015,\"msg\":\"Too many new orders\"}", SP_BINANCE_LIMITED},
        {418, "{\"code\":-1003,\"msg\":\"IP banned until 1\"}", SP_BINANCE_BANNED},
        /* What proves nothing, whatever the text says. */
        {500, "{\"code\":-1006,\"msg\":\"An unexpected response\"}", SP_BINANCE_UNKNOWN},
        {504, "{\"code\":-1007,\"msg\":\"Timeout waiting\"}", SP_BINANCE_UNKNOWN},
        {408, "{\"code\":-1007,\"msg\":\"Timeout waiting\"}", SP_BINANCE_UNKNOWN},
        {400, "{\"code\":-1007,\"msg\":\"Timeout waiting\"}", SP_BINANCE_UNKNOWN},
        {503, "{\"code\":-1008,\"msg\":\"overloaded\"}", SP_BINANCE_UNKNOWN},
        {500, "{\"code\":-2010,\"msg\":\"Market is closed.\"}", SP_BINANCE_UNKNOWN},
        {500, "{\"code\":-2013,\"msg\":\"Order does not exist.\"}", SP_BINANCE_UNKNOWN},
        {502, "<html>bad gateway</html>", SP_BINANCE_UNKNOWN},
        {400, "{\"code\":-1000,\"msg\":\"unknown\"}", SP_BINANCE_UNKNOWN},
        {400, "{\"code\":-1001,\"msg\":\"disconnected\"}", SP_BINANCE_UNKNOWN},
        {400, "{\"code\":-1006,\"msg\":\"bus\"}", SP_BINANCE_UNKNOWN},
        {400, "not JSON", SP_BINANCE_UNKNOWN},
        {400, "{\"code\":-9999,\"msg\":\"new\"}", SP_BINANCE_UNKNOWN},
        {403, "<html>firewall</html>", SP_BINANCE_UNKNOWN},
        {404, "", SP_BINANCE_UNKNOWN},
        {409, "{\"code\":-2021,\"msg\":\"partial\"}", SP_BINANCE_UNKNOWN},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sp_binance_error error;
        sp_binance_error(rows[i].body, strlen(rows[i].body), &error);
        enum sp_binance_outcome outcome = sp_binance_classify(rows[i].http, &error);
        if (outcome != rows[i].outcome) {
            fail_msg("%d %s: %s, expected %s", rows[i].http, rows[i].body,
                     sp_binance_outcome_name(outcome), sp_binance_outcome_name(rows[i].outcome));
        }
    }
}

static const char one_order[] =
    "{\"symbol\":\"BTCUSDT\",\"orderId\":28,\"orderListId\":-1,\"clientOrderId\":\"s1\","
    "\"price\":\"61813.10000000\",\"origQty\":\"0.08088000\",\"executedQty\":\"0.04000000\","
    "\"cummulativeQuoteQty\":\"2472.52400000\",\"status\":\"PARTIALLY_FILLED\","
    "\"timeInForce\":\"GTC\",\"type\":\"LIMIT\",\"side\":\"SELL\",\"stopPrice\":\"0.00000000\","
    "\"time\":1499827319559,\"updateTime\":1499827319600,\"isWorking\":true}";

static void test_binance_answer_orders_become_views(void **state)
{
    struct kept kept = {0};
    struct sp_binance_sink sink = {&kept, keep};
    char list[2048];

    (void)state;
    assert_int_equal(sp_binance_read_orders(one_order, strlen(one_order), 9, &sink, NULL), SP_OK);
    assert_int_equal(kept.count, 1);
    const struct sp_order_view *view = &kept.at[0].body.order_view;
    assert_int_equal(kept.at[0].kind, SP_REC_ORDER_VIEW);
    assert_int_equal(view->request_id, 9);
    assert_string_equal(view->client_order_id.s, "s1");
    assert_int_equal(view->venue_order_id, 28);
    assert_int_equal(view->state, SP_ORDER_STATE_PARTIALLY_FILLED);
    assert_int_equal(view->side, SP_SIDE_SELL);
    assert_int_equal(view->type, SP_ORDER_TYPE_LIMIT);
    assert_int_equal(view->tif, SP_TIF_GTC);
    assert_int_equal(view->qty.e8, 8088000);
    assert_int_equal(view->filled_qty.e8, 4000000);
    assert_int_equal(view->px.e8, 6181310000000);
    assert_int_equal(view->updated.ns, 1499827319600000000);

    kept.count = 0;
    snprintf(list, sizeof list, "[%s,%s]", one_order, one_order);
    assert_int_equal(sp_binance_read_orders(list, strlen(list), 9, &sink, NULL), SP_OK);
    assert_int_equal(kept.count, 2);
    kept.count = 0;
    assert_int_equal(sp_binance_read_orders("[]", 2, 9, &sink, NULL), SP_OK);
    assert_int_equal(kept.count, 0);
}

static void test_binance_answer_states(void **state)
{
    static const struct {
        const char *word;
        uint8_t state;
    } rows[] = {{"NEW", SP_ORDER_STATE_OPEN},
                {"PENDING_NEW", SP_ORDER_STATE_OPEN},
                {"PENDING_CANCEL", SP_ORDER_STATE_OPEN},
                {"FILLED", SP_ORDER_STATE_FILLED},
                {"CANCELED", SP_ORDER_STATE_CANCELED},
                {"REJECTED", SP_ORDER_STATE_REJECTED},
                {"EXPIRED", SP_ORDER_STATE_EXPIRED},
                {"EXPIRED_IN_MATCH", SP_ORDER_STATE_EXPIRED}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct kept kept = {0};
        struct sp_binance_sink sink = {&kept, keep};
        char text[1024];
        const char *at = strstr(one_order, "PARTIALLY_FILLED");
        snprintf(text, sizeof text, "%.*s%s%s", (int)(at - one_order), one_order, rows[i].word,
                 at + strlen("PARTIALLY_FILLED"));
        assert_int_equal(sp_binance_read_orders(text, strlen(text), 1, &sink, NULL), SP_OK);
        assert_int_equal(kept.at[0].body.order_view.state, rows[i].state);
    }
}

/* A list with one wrong element gives nothing: half an answer would be taken for all of it. */
static void test_binance_answer_a_broken_list_gives_nothing(void **state)
{
    static const char *const wrong[] = {
        "{\"symbol\":\"BTCUSDT\"}",
        "7",
        "{\"symbol\":\"BTCUSDT\",\"orderId\":28,\"clientOrderId\":\"s1\",\"price\":\"1.000000001\","
        "\"origQty\":\"1\",\"executedQty\":\"0\",\"status\":\"NEW\",\"timeInForce\":\"GTC\","
        "\"type\":\"LIMIT\",\"side\":\"SELL\",\"updateTime\":1}",
        "{\"symbol\":\"BTCUSDT\",\"orderId\":28,\"clientOrderId\":\"s1\",\"price\":\"1\","
        "\"origQty\":\"1\",\"executedQty\":\"0\",\"status\":\"ODD\",\"timeInForce\":\"GTC\","
        "\"type\":\"LIMIT\",\"side\":\"SELL\",\"updateTime\":1}",
    };
    struct kept kept = {0};
    struct sp_binance_sink sink = {&kept, keep};

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char list[2048];
        snprintf(list, sizeof list, "[%s,%s]", one_order, wrong[i]);
        assert_int_not_equal(sp_binance_read_orders(list, strlen(list), 9, &sink, NULL), SP_OK);
        assert_int_equal(kept.count, 0);
    }
    assert_int_not_equal(sp_binance_read_orders(one_order, 100, 9, &sink, NULL), SP_OK);
    assert_int_not_equal(sp_binance_read_trades("{}", 2, 9, &sink, NULL), SP_OK);
    assert_int_equal(kept.count, 0);
}

static void test_binance_answer_acceptance_is_of_our_order(void **state)
{
    static const char pair[] =
        "{\"orderListId\":3,\"orders\":[{\"symbol\":\"BTCUSDT\",\"orderId\":5,"
        "\"clientOrderId\":\"s2\"},{\"symbol\":\"BTCUSDT\",\"orderId\":6,"
        "\"clientOrderId\":\"s1\"}]}";
    struct sp_venue_order order = {.client_order_id = sp_name_of("s1")};
    uint64_t id = 0, pair_id = 0;

    (void)state;
    assert_int_equal(
        sp_binance_read_accepted(one_order, strlen(one_order), &order, &id, &pair_id, NULL), SP_OK);
    assert_int_equal(id, 28);
    order.client_order_id = sp_name_of("s9");
    assert_int_equal(
        sp_binance_read_accepted(one_order, strlen(one_order), &order, &id, &pair_id, NULL),
        SP_INVALID);
    order.client_order_id = sp_name_of("s1");
    order.pair_client_order_id = sp_name_of("s2");
    assert_int_equal(sp_binance_read_accepted(pair, strlen(pair), &order, &id, &pair_id, NULL),
                     SP_OK);
    assert_int_equal(id, 6); /* named by the ids, not by the order of the list */
    assert_int_equal(pair_id, 5);
    order.pair_client_order_id = sp_name_of("s3");
    assert_int_equal(sp_binance_read_accepted(pair, strlen(pair), &order, &id, &pair_id, NULL),
                     SP_INVALID);
}

static void test_binance_answer_executions_balances_rights(void **state)
{
    static const char trades[] =
        "[{\"symbol\":\"BTCUSDT\",\"id\":77,\"orderId\":28,\"price\":\"4.00000100\","
        "\"qty\":\"12.00000000\",\"quoteQty\":\"48.000012\",\"commission\":\"10.10000000\","
        "\"commissionAsset\":\"BNB\",\"time\":1499865549590,\"isBuyer\":true,\"isMaker\":false,"
        "\"isBestMatch\":true}]";
    static const char account[] =
        "{\"canTrade\":true,\"canWithdraw\":false,\"canDeposit\":true,\"balances\":["
        "{\"asset\":\"BTC\",\"free\":\"0.00000000\",\"locked\":\"1.50000000\"},"
        "{\"asset\":\"DUST\",\"free\":\"0.00000000\",\"locked\":\"0.00000000\"},"
        "{\"asset\":\"USDT\",\"free\":\"10000.00000001\",\"locked\":\"0.00000000\"}]}";
    static const char rights_text[] =
        "{\"ipRestrict\":false,\"enableWithdrawals\":true,\"enableSpotAndMarginTrading\":true}";
    struct sp_binance_rights rights = {0};
    struct kept kept = {0};
    struct sp_binance_sink sink = {&kept, keep};

    (void)state;
    assert_int_equal(sp_binance_read_trades(trades, strlen(trades), 3, &sink, NULL), SP_OK);
    const struct sp_fill_view *fill = &kept.at[0].body.fill_view;
    assert_int_equal(fill->request_id, 3);
    assert_int_equal(fill->venue_trade_id, 77);
    assert_int_equal(fill->venue_order_id, 28);
    assert_int_equal(fill->px.e8, 400000100);
    assert_int_equal(fill->fee.e8, 1010000000);
    assert_string_equal(fill->fee_asset.s, "BNB");
    assert_int_equal(fill->side, SP_SIDE_BUY);
    assert_int_equal(fill->liquidity, SP_LIQUIDITY_TAKER);

    kept.count = 0;
    assert_int_equal(sp_binance_read_account(account, strlen(account), 4, &sink, &rights, NULL),
                     SP_OK);
    assert_int_equal(kept.count, 2); /* what is nothing is not listed */
    assert_int_equal(kept.at[0].body.balance_view.locked.e8, 150000000);
    assert_int_equal(kept.at[1].body.balance_view.free.e8, 1000000000001);
    assert_true(rights.can_trade);
    assert_false(rights.can_withdraw);
    assert_int_equal(sp_binance_read_key_rights(rights_text, strlen(rights_text), &rights, NULL),
                     SP_OK);
    assert_true(rights.can_withdraw);
    assert_int_equal(sp_binance_read_key_rights("{}", 2, &rights, NULL), SP_MISSING);
}

static void test_binance_answer_reports(void **state)
{
    static const char trade[] =
        "{\"subscriptionId\":0,\"event\":{\"e\":\"executionReport\",\"E\":1499405658658,"
        "\"s\":\"BTCUSDT\",\"c\":\"s1\",\"S\":\"BUY\",\"o\":\"LIMIT\",\"f\":\"GTC\","
        "\"q\":\"1.00000000\",\"p\":\"0.10264410\",\"C\":\"\",\"x\":\"TRADE\","
        "\"X\":\"PARTIALLY_FILLED\",\"r\":\"NONE\",\"i\":4293153,\"l\":\"0.50000000\","
        "\"z\":\"0.75000000\",\"L\":\"0.10264410\",\"n\":\"0.00010000\",\"N\":\"USDT\","
        "\"T\":1499405658657,\"t\":912,\"I\":8641984,\"m\":true}}";
    static const char cancel[] =
        "{\"subscriptionId\":0,\"event\":{\"e\":\"executionReport\",\"E\":1,\"s\":\"BTCUSDT\","
        "\"c\":\"cancel-1\",\"S\":\"BUY\",\"C\":\"s1\",\"x\":\"CANCELED\",\"X\":\"CANCELED\","
        "\"r\":\"NONE\",\"i\":5,\"l\":\"0\",\"z\":\"0\",\"L\":\"0\",\"n\":\"0\",\"N\":null,"
        "\"T\":1,\"t\":-1,\"m\":false}}";
    static const char shut[] = "{\"event\":{\"e\":\"serverShutdown\",\"E\":1}}";
    static const char ended[] =
        "{\"subscriptionId\":0,\"event\":{\"e\":\"eventStreamTerminated\",\"E\":1}}";
    static const char answer[] =
        "{\"id\":12,\"status\":400,\"error\":{\"code\":-1022,\"msg\":\"Signature\"}}";
    struct sp_binance_pushed out;

    (void)state;
    assert_int_equal(sp_binance_read_push(trade, strlen(trade), &out, NULL), SP_OK);
    assert_int_equal(out.what, SP_BINANCE_PUSH_REPORT);
    assert_int_equal(out.report.venue_trade_id, 912);
    assert_int_equal(out.report.qty.e8, 50000000);
    assert_int_equal(out.report.filled_qty.e8, 75000000);
    assert_int_equal(out.report.fee.e8, 10000);
    assert_int_equal(out.report.liquidity, SP_LIQUIDITY_MAKER);
    assert_string_equal(out.report.client_order_id.s, "s1");
    assert_int_equal(sp_binance_read_push(cancel, strlen(cancel), &out, NULL), SP_OK);
    assert_string_equal(out.report.client_order_id.s, "s1"); /* the order's id, not the cancel's */
    assert_int_equal(out.report.state, SP_ORDER_STATE_CANCELED);
    assert_int_equal(out.report.venue_trade_id, 0);
    assert_int_equal(sp_binance_read_push(shut, strlen(shut), &out, NULL), SP_OK);
    assert_int_equal(out.what, SP_BINANCE_PUSH_SHUTDOWN);
    assert_int_equal(sp_binance_read_push(ended, strlen(ended), &out, NULL), SP_OK);
    assert_int_equal(out.what, SP_BINANCE_PUSH_ENDED);
    assert_int_equal(sp_binance_read_push(answer, strlen(answer), &out, NULL), SP_OK);
    assert_int_equal(out.what, SP_BINANCE_PUSH_ANSWER);
    assert_int_equal(out.id, 12);
    assert_int_equal(out.status, 400);
    assert_int_equal(out.error.code, -1022);
    assert_int_not_equal(sp_binance_read_push("{", 1, &out, NULL), SP_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_binance_answer_outcomes),
        cmocka_unit_test(test_binance_answer_orders_become_views),
        cmocka_unit_test(test_binance_answer_states),
        cmocka_unit_test(test_binance_answer_a_broken_list_gives_nothing),
        cmocka_unit_test(test_binance_answer_acceptance_is_of_our_order),
        cmocka_unit_test(test_binance_answer_executions_balances_rights),
        cmocka_unit_test(test_binance_answer_reports),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
