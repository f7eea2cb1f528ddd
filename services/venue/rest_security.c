/* Who may ask: keys, signatures over the bytes as received, and the window of time. */
#include "services/venue/rest_internal.h"

#include "common/config/strict_json.h"
#include "proto/decimal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define NS_PER_MS         INT64_C(1000000)
#define AHEAD_MAX_MS      1000
#define RECV_WINDOW_MS    5000
#define RECV_WINDOW_MAX   60000
#define KEYS_BYTES_MAX    16384
#define MICROSECONDS_FROM INT64_C(100000000000000) /* a time of that many digits is in us */

/* ---- Checks ---- */

static const struct sp_rest_key *key_of(struct sp_rest_call *call, const char *key)
{
    if (key == NULL || key[0] == '\0' || strlen(key) >= SP_REST_KEY_SIZE) {
        sp_rest_fail(call, 401, -2014, "API-key format invalid.");
        return NULL;
    }
    for (uint32_t i = 0; i < call->rest->key_count; i++) {
        if (strcmp(call->rest->keys[i].key, key) == 0) return &call->rest->keys[i];
    }
    sp_rest_fail(call, 401, REST_BAD_KEY, "Invalid API-key, IP, or permissions for action.");
    return NULL;
}

const struct sp_rest_key *sp_rest_check_key(struct sp_rest_call *call, const char *api_key)
{
    const struct sp_rest_key *key =
        api_key == NULL && call->session != NULL ? call->session : key_of(call, api_key);

    if (key != NULL) call->account = key->account;
    return key;
}

SP_NODISCARD static bool is_signed(const struct sp_rest_params *params,
                                   const struct sp_rest_key *key)
{
    struct sp_bytes payload = {params->payload, params->payload_bytes};
    uint8_t ours[SP_SHA256_BYTES], theirs[SP_ED25519_SIGNATURE_BYTES];

    if (key->is_ed25519) {
        return sp_base64_parse(params->signature, theirs, sizeof theirs) &&
               sp_ed25519_verify(key->public_key, &payload, theirs);
    }
    return sp_hmac_sha256(key->secret, strlen(key->secret), &payload, 1, ours) &&
           sp_hex_parse(params->signature, strlen(params->signature), theirs, sizeof ours) &&
           sp_digest_eq(ours, theirs, sizeof ours);
}

SP_NODISCARD static bool check_signature(struct sp_rest_call *call, const struct sp_rest_key *key)
{
    if (call->params->signature == NULL) {
        sp_rest_fail(call, 400, REST_MISSING,
                     "Mandatory parameter 'signature' was not sent, was empty/null, or malformed.");
        return false;
    }
    if (is_signed(call->params, key)) return true;
    sp_rest_fail(call, 400, REST_BAD_SIGNATURE, "Signature for this request is not valid.");
    return false;
}

SP_NODISCARD static bool check_time(struct sp_rest_call *call)
{
    int64_t timestamp = 0, window_e8 = 0;
    int64_t now_ms = call->now.ns / NS_PER_MS;

    if (sp_rest_need(call, "timestamp") == NULL) return false;
    if (!sp_rest_number(call, "timestamp", 0, &timestamp)) return false;
    if (!sp_rest_decimal(call, "recvWindow", &window_e8)) return false;
    if (sp_rest_param(call->params, "recvWindow") == NULL) window_e8 = RECV_WINDOW_MS * SP_FX_ONE;
    if (window_e8 > RECV_WINDOW_MAX * SP_FX_ONE) {
        sp_rest_fail(call, 400, -1131, "'recvWindow' must be less than %d.", RECV_WINDOW_MAX);
        return false;
    }
    if (timestamp >= MICROSECONDS_FROM) timestamp /= 1000;
    if (timestamp >= now_ms + AHEAD_MAX_MS) {
        sp_rest_fail(call, 400, REST_BAD_TIME,
                     "Timestamp for this request was 1000ms ahead of the server's time.");
        return false;
    }
    if (now_ms - timestamp > window_e8 / SP_FX_ONE) {
        sp_rest_fail(call, 400, REST_BAD_TIME,
                     "Timestamp for this request is outside of the recvWindow.");
        return false;
    }
    return true;
}

bool sp_rest_check_signed(struct sp_rest_call *call, const char *api_key)
{
    /* Who has logged on need not sign each request, but may. */
    bool by_session = call->session != NULL && api_key == NULL && call->params->signature == NULL;
    const struct sp_rest_key *key = sp_rest_check_key(call, api_key);

    if (key == NULL || (!by_session && !check_signature(call, key))) return false;
    return check_time(call);
}

/* ---- Keys ---- */

/* What a new account begins with. */
SP_NODISCARD static bool take_balances(struct sp_exchange *x, uint32_t account,
                                       const struct sp_strict_node *balances)
{
    for (const struct sp_strict_node *node = sp_strict_first(balances); node != NULL;
         node = sp_strict_next(node)) {
        const char *text = NULL;
        sp_name asset = {{0}};
        sp_amt amount = {0};
        if (sp_strict_string(node, &text) != SP_OK) return false;
        if (!sp_name_set(&asset, sp_strict_key(node))) return false;
        if (sp_e8_parse(text, strlen(text), &amount.e8) != SP_OK || amount.e8 < 0) return false;
        if (sp_exchange_transfer(x, account, &asset, amount, NULL) != SP_OK) return false;
    }
    return true;
}

SP_NODISCARD static bool take_account(struct sp_rest *rest, const struct sp_strict_node *node,
                                      uint32_t *out)
{
    const struct sp_strict_node *balances = sp_strict_get(node, "balances");
    uint32_t before = rest->exchange->account_count;
    const char *text = "main";
    sp_name name = {{0}};

    if (sp_strict_get(node, "account") != NULL &&
        sp_strict_string(sp_strict_get(node, "account"), &text) != SP_OK) {
        return false;
    }
    if (text[0] == '\0' || !sp_name_set(&name, text)) return false;
    if (sp_exchange_add_account(rest->exchange, &name, out, NULL) != SP_OK) return false;
    return *out < before || take_balances(rest->exchange, *out, balances);
}

/* What the base64 line of a PEM file holds: the key, behind what says that it is Ed25519's (RFC
 * 8410). */
SP_NODISCARD static bool take_public_key(const char *text, uint8_t out[SP_ED25519_KEY_BYTES])
{
    static const uint8_t head[] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
                                   0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
    uint8_t bytes[sizeof head + SP_ED25519_KEY_BYTES];

    if (!sp_base64_parse(text, bytes, sizeof bytes)) return false;
    if (memcmp(bytes, head, sizeof head) != 0) return false;
    memcpy(out, bytes + sizeof head, SP_ED25519_KEY_BYTES);
    return true;
}

SP_NODISCARD static bool take_secret(struct sp_rest_key *to, const struct sp_strict_node *node)
{
    const struct sp_strict_node *public_key = sp_strict_get(node, "public_key");
    const char *text = NULL;

    to->is_ed25519 = public_key != NULL;
    if (to->is_ed25519) {
        return sp_strict_get(node, "secret") == NULL &&
               sp_strict_string(public_key, &text) == SP_OK &&
               take_public_key(text, to->public_key);
    }
    if (sp_strict_string(sp_strict_get(node, "secret"), &text) != SP_OK) return false;
    int len = snprintf(to->secret, sizeof to->secret, "%s", text);
    return len > 0 && len < SP_REST_KEY_SIZE;
}

SP_NODISCARD static bool take_key(struct sp_rest *rest, const struct sp_strict_node *node)
{
    const char *key = NULL;

    if (rest->key_count == SP_REST_KEYS_MAX) return false;
    if (sp_strict_string(sp_strict_get(node, "api_key"), &key) != SP_OK) return false;
    struct sp_rest_key *to = &rest->keys[rest->key_count];
    int len = snprintf(to->key, sizeof to->key, "%s", key);
    if (len <= 0 || len >= SP_REST_KEY_SIZE) return false;
    if (!take_secret(to, node) || !take_account(rest, node, &to->account)) return false;
    rest->key_count++;
    return true;
}

sp_status sp_rest_load_keys(struct sp_rest *rest, const char *path, struct sp_err *err)
{
    static const struct sp_strict_limits limits = {.bytes_max = KEYS_BYTES_MAX, .depth_max = 4};
    struct sp_strict_json *json = NULL;
    struct sp_strict_fault fault = {0};
    struct stat st;

    if (stat(path, &st) != 0) {
        return SP_FAIL(err, SP_CONFIG, "%.150s: %s; make it, or leave venue.api out", path,
                       strerror(errno));
    }
    if ((st.st_mode & 077) != 0) {
        return SP_FAIL(err, SP_CONFIG, "%.150s holds keys and others may read it: chmod 400", path);
    }
    if (sp_strict_json_load(path, &limits, &json, &fault) != SP_OK) {
        return SP_FAIL(err, SP_CONFIG, "%.100s:%u: %.100s", path, fault.line, fault.text);
    }
    const struct sp_strict_node *keys = sp_strict_get(sp_strict_json_root(json), "keys");
    bool fine = sp_strict_count(keys) > 0;
    for (const struct sp_strict_node *key = sp_strict_first(keys); key != NULL && fine;
         key = sp_strict_next(key)) {
        fine = take_key(rest, key);
    }
    sp_strict_json_free(json);
    rest->all.count = 0;
    if (fine) return sp_venue_store_save(rest->store, rest->exchange, &rest->all, err);
    return SP_FAIL(err, SP_CONFIG,
                   "%.120s: expected {\"keys\": [{\"api_key\": \"...\", \"secret\": \"...\"}]}, or "
                   "\"public_key\" (Ed25519, base64 of the PEM file) for the secret; at most %d of "
                   "up to %d characters, of at most %d accounts",
                   path, SP_REST_KEYS_MAX, SP_REST_KEY_SIZE - 1, SP_VENUE_ACCOUNTS_MAX);
}
