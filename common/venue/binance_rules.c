#include "common/venue/binance_rules.h"

#include "common/config/strict_json.h"
#include "proto/decimal.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define BODY_BYTES_MAX (4u << 20)
#define DEPTH_MAX      12

typedef const struct sp_strict_node node;

static bool has_text(node *object, const char *key, const char *text)
{
    const char *value = "";

    if (sp_strict_string(sp_strict_get(object, key), &value) != SP_OK) return false;
    return strcmp(value, text) == 0;
}

static node *find(node *list, const char *key, const char *text)
{
    for (node *item = sp_strict_first(list); item != NULL; item = sp_strict_next(item)) {
        if (has_text(item, key, text)) return item;
    }
    return NULL;
}

static sp_status number(node *filter, const char *key, int64_t *out, struct sp_err *err)
{
    const char *text = NULL;

    if (sp_strict_string(sp_strict_get(filter, key), &text) != SP_OK)
        return SP_FAIL(err, SP_MISSING, "the venue's rules: no %s", key);
    if (sp_e8_parse(text, strlen(text), out) != SP_OK || *out < 0)
        return SP_FAIL(err, SP_RANGE, "the venue's rules: %s is %.40s", key, text);
    return SP_OK;
}

struct rule {
    const char *filter, *key, *name;
    int64_t ours;
    bool is_least; /* ours may be above it; else both are the same */
};

static sp_status check(node *filters, const struct rule *rule, const char *symbol,
                       struct sp_err *err)
{
    char ours[SP_E8_TEXT_SIZE], theirs[SP_E8_TEXT_SIZE];
    node *filter = find(filters, "filterType", rule->filter);
    int64_t e8 = 0;

    if (filter == NULL && rule->is_least) return SP_OK; /* it asks for no least */
    if (filter == NULL)
        return SP_FAIL(err, SP_MISSING, "the venue's rules: no %s of %s", rule->filter, symbol);
    sp_status status = number(filter, rule->key, &e8, err);
    if (status != SP_OK) return status;
    if (e8 == rule->ours || (rule->is_least && e8 <= rule->ours)) return SP_OK;
    return SP_FAIL(err, SP_REFUSED, "%s: %s is %s here and %s at the venue", symbol, rule->name,
                   sp_e8_format(rule->ours, ours), sp_e8_format(e8, theirs));
}

static sp_status check_symbol(node *root, const struct sp_instrument *in, struct sp_err *err)
{
    node *symbol = find(sp_strict_get(root, "symbols"), "symbol", in->symbol.s);

    if (symbol == NULL) return SP_FAIL(err, SP_MISSING, "the venue's rules: no %s", in->symbol.s);
    if (!has_text(symbol, "status", "TRADING"))
        return SP_FAIL(err, SP_REFUSED, "%s is not traded at the venue now", in->symbol.s);
    if (!has_text(symbol, "baseAsset", in->base.s) || !has_text(symbol, "quoteAsset", in->quote.s))
        return SP_FAIL(err, SP_REFUSED, "%s is of other assets at the venue", in->symbol.s);
    node *filters = sp_strict_get(symbol, "filters");
    bool has_notional = find(filters, "filterType", "NOTIONAL") != NULL;
    const struct rule rules[] = {{"PRICE_FILTER", "tickSize", "tick", in->tick.e8, false},
                                 {"LOT_SIZE", "stepSize", "step", in->step.e8, false},
                                 {"LOT_SIZE", "minQty", "min_qty", in->min_qty.e8, true},
                                 {has_notional ? "NOTIONAL" : "MIN_NOTIONAL", "minNotional",
                                  "min_value", in->min_value.e8, true}};
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        sp_status status = check(filters, &rules[i], in->symbol.s, err);
        if (status != SP_OK) return status;
    }
    return SP_OK;
}

sp_status sp_binance_check_rules(const char *body, size_t len_bytes,
                                 const struct sp_instrument *instrument, struct sp_err *err)
{
    static const struct sp_strict_limits limits = {.bytes_max = BODY_BYTES_MAX,
                                                   .depth_max = DEPTH_MAX};
    struct sp_strict_json *json = NULL;
    struct sp_strict_fault fault = {0};

    sp_status status = sp_strict_json_parse(body, len_bytes, &limits, &json, &fault);
    if (status != SP_OK) return SP_FAIL(err, status, "the venue's rules: %.80s", fault.text);
    status = check_symbol(sp_strict_json_root(json), instrument, err);
    sp_strict_json_free(json);
    return status;
}

void sp_binance_stream_path(const struct sp_instrument *instruments, uint32_t count,
                            char path[SP_STREAM_PATH_SIZE])
{
    size_t len = (size_t)snprintf(path, SP_STREAM_PATH_SIZE, "/stream?streams=");

    for (uint32_t i = 0; i < count; i++) {
        char name[SP_NAME_SIZE];
        snprintf(name, sizeof name, "%s", instruments[i].symbol.s);
        for (char *c = name; *c != '\0'; c++)
            *c = (char)tolower((unsigned char)*c);
        int n =
            snprintf(path + len, SP_STREAM_PATH_SIZE - len,
                     "%s%s@trade/%s@bookTicker/%s@depth@100ms", i > 0 ? "/" : "", name, name, name);
        SP_ASSERT(n > 0);
        len += (size_t)n;
        SP_ASSERT(len < SP_STREAM_PATH_SIZE); /* eight short names */
    }
}
