#include "common/venue/binance_rules.h"

#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define GOOD                                                                                       \
    "{\"serverTime\":1,\"symbols\":[{\"symbol\":\"BTCUSDT\",\"status\":\"TRADING\","               \
    "\"baseAsset\":\"BTC\",\"quoteAsset\":\"USDT\",\"filters\":["                                  \
    "{\"filterType\":\"PRICE_FILTER\",\"minPrice\":\"0.01\",\"tickSize\":\"0.01000000\"},"         \
    "{\"filterType\":\"LOT_SIZE\",\"minQty\":\"0.00001000\",\"stepSize\":\"0.00001000\"},"         \
    "{\"filterType\":\"NOTIONAL\",\"minNotional\":\"5.00000000\"}]}]}"

static struct sp_instrument ours(void)
{
    return (struct sp_instrument){.symbol = sp_name_of("BTCUSDT"),
                                  .base = sp_name_of("BTC"),
                                  .quote = sp_name_of("USDT"),
                                  .tick = {1000000},
                                  .step = {1000},
                                  .min_qty = {1000},
                                  .min_value = {500000000}};
}

static sp_status check(const char *body, struct sp_err *err)
{
    struct sp_instrument instrument = ours();

    return sp_binance_check_rules(body, strlen(body), &instrument, err);
}

static void test_binance_rules_the_same_are_fine(void **state)
{
    struct sp_instrument stricter = ours();
    struct sp_err err = {0};

    (void)state;
    assert_int_equal(check(GOOD, &err), SP_OK);
    stricter.min_qty.e8 = 2000;
    stricter.min_value.e8 = 600000000;
    assert_int_equal(sp_binance_check_rules(GOOD, strlen(GOOD), &stricter, &err), SP_OK);
}

/* GOOD with one text instead of another. */
static const char *with(const char *from, const char *to)
{
    static char body[1024];
    const char *at = strstr(GOOD, from);

    assert_non_null(at);
    snprintf(body, sizeof body, "%.*s%s%s", (int)(at - GOOD), GOOD, to, at + strlen(from));
    return body;
}

static void test_binance_rules_others_are_refused(void **state)
{
    static const struct {
        const char *from, *to, *text;
    } cases[] = {
        {"0.01000000", "0.10000000", "tick is 0.01 here and 0.1 at the venue"},
        {"0.01000000", "0.00100000", "tick is 0.01 here and 0.001 at the venue"},
        {"\"stepSize\":\"0.00001", "\"stepSize\":\"0.00010", "step is 0.00001 here and 0.0001"},
        {"\"minQty\":\"0.00001", "\"minQty\":\"0.00002", "min_qty is 0.00001 here and 0.00002"},
        {"5.00000000", "5.00000001", "min_value is 5 here and 5.00000001"},
        {"TRADING", "BREAK", "is not traded"},
        {"\"USDT\"", "\"USDC\"", "of other assets"}};
    struct sp_err err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(check(with(cases[i].from, cases[i].to), &err), SP_REFUSED);
        assert_non_null(strstr(err.text, cases[i].text));
    }
}

static void test_binance_rules_other_texts_are_errors(void **state)
{
    struct sp_err err = {0};

    (void)state;
    assert_int_not_equal(check("", &err), SP_OK);
    assert_int_not_equal(check("<html>", &err), SP_OK);
    assert_int_equal(check("[]", &err), SP_MISSING);
    assert_int_equal(check("{\"symbols\":{}}", &err), SP_MISSING);
    assert_int_equal(check(with("\"symbol\":\"BTC", "\"symbol\":\"ETH"), &err), SP_MISSING);
    assert_int_equal(check(with("PRICE_FILTER", "ELSE"), &err), SP_MISSING);
    assert_int_equal(check(with("\"0.01000000\"", "0.01"), &err), SP_MISSING);
    assert_int_equal(check(with("0.01000000", "1e5"), &err), SP_RANGE);
    assert_int_equal(check(with("0.01000000", "-0.01"), &err), SP_RANGE);
}

static void test_binance_rules_streams_are_named_in_lower_case(void **state)
{
    struct sp_instrument two[2] = {ours(), ours()};
    char path[SP_STREAM_PATH_SIZE];

    (void)state;
    two[1].symbol = sp_name_of("ETHUSDT");
    sp_binance_stream_path(two, 2, path);
    assert_string_equal(path, "/stream?streams=btcusdt@trade/btcusdt@bookTicker/btcusdt@depth@100ms"
                              "/ethusdt@trade/ethusdt@bookTicker/ethusdt@depth@100ms");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_binance_rules_the_same_are_fine),
        cmocka_unit_test(test_binance_rules_others_are_refused),
        cmocka_unit_test(test_binance_rules_streams_are_named_in_lower_case),
        cmocka_unit_test(test_binance_rules_other_texts_are_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
