/* The WebSocket API by itself: who has logged on, and what that is good for. */
#include "rest_rig.h"

#include "common/clock.h"
#include "services/venue/ws_api.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/evp.h>

#define HOUR_NS (3600 * SP_NS_PER_S)

/* The first test vector of RFC 8032. */
static const uint8_t seed[] = {0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a,
                               0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32,
                               0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60};
static const char keys[] =
    "{\"keys\": [{\"api_key\": \"ed\", \"account\": \"second\", \"public_key\": "
    "\"MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"}]}";

static struct sp_ws_api *api;

static int setup(void **state)
{
    char path[512];

    if (rest_rig_setup(state) != 0) return -1;
    file_write(folder_path(&rig->folder, "more.json", path), keys, sizeof keys - 1);
    if (chmod(path, 0400) != 0) return -1;
    if (sp_rest_load_keys(rig->rest, path, &rig->err) != SP_OK) fail_msg("%s", rig->err.text);
    api = calloc(1, sizeof *api);
    if (api == NULL) return -1;
    api->rest = rig->rest;
    return 0;
}

static int teardown(void **state)
{
    sp_json_text_free(&api->result);
    free(api);
    return rest_rig_teardown(state);
}

static long long now_ms(void)
{
    return rig->now.ns / SP_NS_PER_MS;
}

/* The text by which the holder of the Ed25519 key signs. */
static void sign(const char *payload, char out[96])
{
    uint8_t signature[SP_ED25519_SIGNATURE_BYTES];
    size_t len = sizeof signature;
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, sizeof seed);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    assert_int_equal(EVP_DigestSignInit(ctx, NULL, NULL, NULL, key), 1);
    assert_int_equal(
        EVP_DigestSign(ctx, signature, &len, (const uint8_t *)payload, strlen(payload)), 1);
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    sp_base64(signature, sizeof signature, out, 96);
}

/* One message of a connection; `params` are the members of its object. */
static void ask(uint64_t connection, const char *method, const char *params)
{
    char text[1024];

    snprintf(text, sizeof text, "{\"id\":1,\"method\":\"%s\",\"params\":{%s}}", method, params);
    rig->call = (struct sp_rest_call){.now = rig->now,
                                      .connected = {rig->now.ns - SP_NS_PER_S},
                                      .body = &rig->body,
                                      .changes = rig->changes};
    sp_ws_api_handle(api, connection, text, strlen(text), &rig->call);
}

/* With a signature over what is sent, which is in the order of names. */
static void log_on(uint64_t connection, const char *key, int64_t late_ms)
{
    char payload[256], signature[96], params[512];

    snprintf(payload, sizeof payload, "apiKey=%s&timestamp=%lld", key, now_ms() - late_ms);
    sign(payload, signature);
    snprintf(params, sizeof params, "\"apiKey\":\"%s\",\"timestamp\":%lld,\"signature\":\"%s\"",
             key, now_ms() - late_ms, signature);
    ask(connection, "session.logon", params);
}

static void ask_with_time(uint64_t connection, const char *method, const char *more)
{
    char params[512];

    snprintf(params, sizeof params, "%s\"timestamp\":%lld", more, now_ms());
    ask(connection, method, params);
}

static void test_ws_api_session_stands_for_key_and_signature(void **state)
{
    (void)state;
    ask_with_time(1, "account.status", "");
    rest_rig_expect(401, "-2014"); /* nobody yet */
    log_on(1, "ed", 0);
    rest_rig_expect(200, "\"apiKey\":\"ed\",\"authorizedSince\":1");
    ask_with_time(1, "account.status", "");
    rest_rig_expect(200, "\"balances\"");
    ask(1, "account.status", "");
    rest_rig_expect(400, "timestamp"); /* time is still looked at */
    ask_with_time(1, "account.status", "\"apiKey\":\"ed\",");
    rest_rig_expect(400, "signature"); /* who names a key must sign */
    ask_with_time(1, "account.status", "\"signature\":\"bm8=\",");
    rest_rig_expect(400, "-1022"); /* a signature is not passed over */
    ask_with_time(2, "account.status", "");
    rest_rig_expect(401, "-2014"); /* it is the connection's */
    ask(1, "session.logout", "");
    rest_rig_expect(200, "\"apiKey\":null,\"authorizedSince\":null,\"connectedSince\":1");
    ask_with_time(1, "account.status", "");
    rest_rig_expect(401, "-2014");
    log_on(1, "ed", 0);
    sp_ws_api_leave(api, 1); /* the number of a connection may come again */
    ask_with_time(1, "account.status", "");
    rest_rig_expect(401, "-2014");
}

static void test_ws_api_logon_is_for_those_who_may(void **state)
{
    char params[256], text[64], digest_text[2 * SP_SHA256_BYTES + 1];
    uint8_t digest[SP_SHA256_BYTES];

    (void)state;
    log_on(1, "key", 0); /* an HMAC key */
    rest_rig_expect(400, "-4056");
    log_on(1, "nobody", 0);
    rest_rig_expect(401, "-2015");
    log_on(1, "ed", 6000);
    rest_rig_expect(400, "-1021");
    snprintf(text, sizeof text, "apiKey=ed&timestamp=%lld", now_ms());
    struct sp_bytes payload = {text, strlen(text)};
    assert_true(sp_hmac_sha256("", 0, &payload, 1, digest)); /* an empty secret is none */
    sp_hex(digest, sizeof digest, digest_text);
    snprintf(params, sizeof params, "\"apiKey\":\"ed\",\"timestamp\":%lld,\"signature\":\"%s\"",
             now_ms(), digest_text);
    ask(1, "session.logon", params);
    rest_rig_expect(400, "-1022");
    ask(1, "session.logon", "");
    rest_rig_expect(400, "apiKey");
    ask(1, "session.status", "");
    rest_rig_expect(200, "\"apiKey\":null");
}

static void test_ws_api_session_subscribes_until_it_ends(void **state)
{
    (void)state;
    ask(1, "userDataStream.subscribe", "");
    rest_rig_expect(401, "session.logon");
    log_on(1, "ed", 0);
    ask(1, "userDataStream.subscribe", "");
    rest_rig_expect(200, "\"subscriptionId\":0");
    ask(1, "userDataStream.subscribe", "");
    rest_rig_expect(400, "-2035");
    assert_int_equal(api->holder_count, 1);
    assert_int_equal(api->holders[0].account, rig->rest->keys[1].account);
    ask(1, "session.status", "");
    rest_rig_expect(200, "\"userDataStream\":true");
    ask(1, "session.logout", "");
    assert_int_equal(api->holder_count, 0);
    assert_int_equal(api->ended_count, 1); /* and is told so */
}

static const char *listen(void)
{
    static char key[SP_LISTEN_KEY_SIZE];

    ask(1, "userDataStream.start", "\"apiKey\":\"key\"");
    rest_rig_expect(200, "\"listenKey\":\"");
    memcpy(key, strstr(rig->body.text, "\"listenKey\":\"") + 13, sizeof key - 1);
    return key;
}

static void test_ws_api_listen_keys_live_an_hour_from_their_last_sign(void **state)
{
    struct sp_listen_keys *all = &rig->rest->listen_keys;
    struct sp_listen_key out;
    uint32_t account = 9;
    char params[160];
    const char *key = listen();

    (void)state;
    assert_string_equal(listen(), key);
    snprintf(params, sizeof params, "\"apiKey\":\"key\",\"listenKey\":\"%s\"", key);
    rig->now.ns += HOUR_NS / 2;
    ask(1, "userDataStream.ping", params);
    rest_rig_expect(200, "\"result\":{}");
    rig->now.ns += HOUR_NS - SP_NS_PER_MS;
    assert_false(sp_listen_keys_expire(all, now_ms(), &account, &out));
    rig->now.ns += SP_NS_PER_MS;
    assert_true(sp_listen_keys_expire(all, now_ms(), &account, &out));
    assert_string_equal(out.text, key);
    assert_int_equal(account, 0);
    assert_false(sp_listen_keys_expire(all, now_ms(), &account, &out));
    ask(1, "userDataStream.ping", params);
    rest_rig_expect(400, "-1125");
    char before[SP_LISTEN_KEY_SIZE];
    snprintf(before, sizeof before, "%s", key);
    assert_string_not_equal(listen(), before);
}

static void test_ws_api_listen_keys_are_of_their_account(void **state)
{
    struct sp_json_text event = {0}, wrapped = {0};
    char params[160];
    const char *key = listen();

    (void)state;
    ask(1, "userDataStream.start", "\"apiKey\":\"nobody\"");
    rest_rig_expect(401, "-2015");
    snprintf(params, sizeof params, "\"apiKey\":\"ed\",\"listenKey\":\"%s\"", key);
    ask(1, "userDataStream.ping", params); /* another's */
    rest_rig_expect(400, "-1125");
    ask(1, "userDataStream.stop", params);
    rest_rig_expect(400, "-1125");
    sp_ws_api_listen(api, 5, key, SP_LISTEN_KEY_SIZE - 2, false); /* a part of it is none */
    sp_ws_api_listen(api, 5, "", 0, false);
    assert_int_equal(api->holder_count, 0);
    sp_ws_api_listen(api, 5, key, SP_LISTEN_KEY_SIZE - 1, false);
    sp_ws_api_listen(api, 5, key, SP_LISTEN_KEY_SIZE - 1, false);
    sp_ws_api_listen(api, 6, key, SP_LISTEN_KEY_SIZE - 1, true);
    assert_int_equal(api->holder_count, 2);
    sp_jtext_raw(&event, "{\"e\":\"x\"}");
    sp_ws_api_wrap(&wrapped, &api->holders[0], &event);
    assert_string_equal(wrapped.text, "{\"e\":\"x\"}");
    sp_ws_api_wrap(&wrapped, &api->holders[1], &event);
    assert_non_null(strstr(wrapped.text, key));
    assert_non_null(strstr(wrapped.text, "\"data\":{\"e\":\"x\"}"));
    assert_true(sp_ws_api_holds(api, &api->holders[0]));
    snprintf(params, sizeof params, "\"apiKey\":\"key\",\"listenKey\":\"%s\"", key);
    ask(1, "userDataStream.stop", params);
    rest_rig_expect(200, "\"result\":{}");
    assert_false(sp_ws_api_holds(api, &api->holders[0]));
    sp_json_text_free(&event);
    sp_json_text_free(&wrapped);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_ws_api_session_stands_for_key_and_signature),
        TEST(test_ws_api_logon_is_for_those_who_may),
        TEST(test_ws_api_session_subscribes_until_it_ends),
        TEST(test_ws_api_listen_keys_live_an_hour_from_their_last_sign),
        TEST(test_ws_api_listen_keys_are_of_their_account),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
