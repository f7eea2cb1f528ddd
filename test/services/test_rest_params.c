#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/config/strict_json.h"
#include "services/venue/rest_params.h"

static struct sp_rest_params params;

static void assert_payload(const char *query, const char *body, const char *payload)
{
    assert_int_equal(sp_rest_params_parse(query, body, strlen(body), &params), SP_OK);
    assert_int_equal(params.payload_bytes, strlen(payload));
    assert_memory_equal(params.payload, payload, params.payload_bytes);
}

static void test_rest_params_signs_the_bytes_as_they_came(void **state)
{
    (void)state;
    assert_payload("a=1&b=%5B%22x%22%5D", "", "a=1&b=%5B%22x%22%5D");
    assert_payload("a=1", "b=2", "a=1b=2"); /* nothing between query and body */
    assert_payload("", "b=%2f&a=+", "b=%2f&a=+");
    assert_payload("a=1&signature=00", "", "a=1");
    assert_payload("signature=00&a=1", "", "a=1");
    assert_payload("a=1&signature=00&b=2", "", "a=1&b=2");
    assert_payload("a=1", "b=2&signature=0f", "a=1b=2");
    assert_string_equal(params.signature, "0f");
}

static void test_rest_params_decodes_and_lets_the_query_win(void **state)
{
    (void)state;
    assert_payload("symbols=%5B%22A%22%5D&x=1", "x=2&y=a+b%26",
                   "symbols=%5B%22A%22%5D&x=1x=2&y=a+b%26");
    assert_string_equal(sp_rest_param(&params, "symbols"), "[\"A\"]");
    assert_string_equal(sp_rest_param(&params, "x"), "1");
    assert_string_equal(sp_rest_param(&params, "y"), "a b&");
    assert_null(sp_rest_param(&params, "z"));
    assert_null(params.signature);
}

static void test_rest_params_refuses_what_it_cannot_hold(void **state)
{
    static char many[2 * SP_REST_PARAMS_MAX * 8], large[SP_REST_BYTES_MAX + 2];
    size_t len = 0;

    (void)state;
    assert_int_equal(sp_rest_params_parse("a=%4", "", 0, &params), SP_INVALID);
    assert_int_equal(sp_rest_params_parse("a=%zz", "", 0, &params), SP_INVALID);
    assert_int_equal(sp_rest_params_parse("a=%00", "", 0, &params), SP_INVALID);
    for (int i = 0; i <= SP_REST_PARAMS_MAX; i++)
        len += (size_t)snprintf(many + len, sizeof many - len, "a%d=1&", i);
    assert_int_equal(sp_rest_params_parse(many, "", 0, &params), SP_TOO_LONG);
    memset(large, 'a', SP_REST_BYTES_MAX + 1);
    assert_int_equal(sp_rest_params_parse(large, "", 0, &params), SP_TOO_LONG);
    large[SP_REST_BYTES_MAX] = '\0';
    assert_int_equal(sp_rest_params_parse(large, "", 0, &params), SP_OK);
    assert_int_equal(sp_rest_params_parse(large, "b", 1, &params), SP_TOO_LONG);
}

/* A name without a value is longer decoded than encoded. */
static void test_rest_params_hold_many_names_without_values(void **state)
{
    static char body[SP_REST_BYTES_MAX + 1], payload[SP_REST_BYTES_MAX + 1];
    static const char *const names[] = {"a&", "signature&"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        size_t len = strlen(names[i]), body_bytes = 0;
        for (; body_bytes + len <= SP_REST_BYTES_MAX; body_bytes += len)
            memcpy(body + body_bytes, names[i], len);
        memcpy(payload, body, body_bytes);
        assert_int_equal(sp_rest_params_parse("", body, body_bytes, &params), SP_OK);
        assert_in_range(params.text_bytes, 1, sizeof params.text);
        assert_int_equal(params.payload_bytes, i == 0 ? body_bytes - 1 : 0);
        assert_memory_equal(params.payload, payload, params.payload_bytes);
    }
}

/* Vectors that two other programs computed. */
static void test_rest_params_payloads_match_known_signatures(void **state)
{
    static const struct {
        const char *query, *body, *signature;
    } vectors[] = {
        {"symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000"
         "&timestamp=1499827319559",
         "", "4ee99d2df11c88b8a9ad333bda3a731027ebcf270367916935a09b02000d0ec3"},
        {"symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC",
         "quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559",
         "fa06afeb01e348c739d503a9b4958d5d08f9a3c58308ae8e6a2b060336d923ff"},
        {"symbol=%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96&side=BUY&type=LIMIT"
         "&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559",
         "", "b040477067c2ca182a41bcd26feb842a29020af75f92e7e8304f47150152de32"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        uint8_t mac[SP_SHA256_BYTES];
        char text[2 * SP_SHA256_BYTES + 1], signed_query[512];
        snprintf(signed_query, sizeof signed_query, "%s&signature=%s", vectors[i].query,
                 vectors[i].signature);
        assert_int_equal(
            sp_rest_params_parse(signed_query, vectors[i].body, strlen(vectors[i].body), &params),
            SP_OK);
        struct sp_bytes payload = {params.payload, params.payload_bytes};
        assert_true(sp_hmac_sha256("spoor-example-secret", 20, &payload, 1, mac));
        sp_hex(mac, sizeof mac, text);
        assert_string_equal(text, vectors[i].signature);
    }
}

/* Members in any order; numbers and truth values as they were written; text not encoded. */
static void test_rest_params_of_json_are_signed_by_name(void **state)
{
    static const struct sp_strict_limits limits = {.bytes_max = 4096, .depth_max = 4};
    static const struct {
        const char *json, *signature;
    } vectors[] = {
        {"{\"symbol\":\"BTCUSDT\",\"side\":\"SELL\",\"type\":\"LIMIT\",\"timeInForce\":\"GTC\","
         "\"quantity\":\"0.01000000\",\"price\":\"52000.00\",\"recvWindow\":100,"
         "\"timestamp\":1645423376532,\"apiKey\":\"spoor-example-key\"}",
         "72f271cad1316c6c65d99f09065521a00036ff4d5bc90c9b30f6d3aa59ee8155"},
        {"{\"symbol\":\"\uff11\uff12\uff13\uff14\uff15\uff16\",\"side\":\"BUY\",\"type\":\"LIMIT\","
         "\"timeInForce\":\"GTC\",\"quantity\":\"1.00000000\",\"price\":\"0.10000000\","
         "\"recvWindow\":5000,\"timestamp\":1645423376532,\"apiKey\":\"spoor-example-key\"}",
         "0bb385c757a5e427147d0f489e054faf5f9d9250f7213007ea13257332f521b2"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        struct sp_strict_json *json = NULL;
        uint8_t mac[SP_SHA256_BYTES];
        char text[2 * SP_SHA256_BYTES + 1];
        assert_int_equal(
            sp_strict_json_parse(vectors[i].json, strlen(vectors[i].json), &limits, &json, NULL),
            SP_OK);
        assert_int_equal(sp_rest_params_from_json(sp_strict_json_root(json), &params), SP_OK);
        sp_strict_json_free(json);
        assert_string_equal(sp_rest_param(&params, "side"), i == 0 ? "SELL" : "BUY");
        struct sp_bytes payload = {params.payload, params.payload_bytes};
        assert_true(sp_hmac_sha256("spoor-example-secret", 20, &payload, 1, mac));
        sp_hex(mac, sizeof mac, text);
        assert_string_equal(text, vectors[i].signature);
    }
}

static void test_rest_params_of_json_are_an_object(void **state)
{
    static const struct sp_strict_limits limits = {.bytes_max = 4096, .depth_max = 4};
    static const struct {
        const char *json;
        sp_status status;
    } cases[] = {
        {"[\"a\"]", SP_INVALID},
        {"[1,2]", SP_INVALID},
        {"\"a\"", SP_INVALID},
        {"{\"a\":[]}", SP_INVALID},
        {"{\"a\":{}}", SP_INVALID},
        {"null", SP_OK},
        {"{}", SP_OK},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sp_strict_json *json = NULL;
        assert_int_equal(
            sp_strict_json_parse(cases[i].json, strlen(cases[i].json), &limits, &json, NULL),
            SP_OK);
        assert_int_equal(sp_rest_params_from_json(sp_strict_json_root(json), &params),
                         cases[i].status);
        assert_int_equal(params.count, 0);
        sp_strict_json_free(json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rest_params_signs_the_bytes_as_they_came),
        cmocka_unit_test(test_rest_params_decodes_and_lets_the_query_win),
        cmocka_unit_test(test_rest_params_refuses_what_it_cannot_hold),
        cmocka_unit_test(test_rest_params_hold_many_names_without_values),
        cmocka_unit_test(test_rest_params_payloads_match_known_signatures),
        cmocka_unit_test(test_rest_params_of_json_are_signed_by_name),
        cmocka_unit_test(test_rest_params_of_json_are_an_object),
    };
    return cmocka_run_group_tests_name("rest_params", tests, NULL, NULL);
}
