#include "common/venue/binance_answer.h"

#include "common/config/strict_json.h"
#include "common/planted_bug.h"
#include "proto/decimal.h"

#include <string.h>

#define NS_PER_MS INT64_C(1000000)

typedef const struct sp_strict_node node;

/* ---- Outcomes ---- */

const char *sp_binance_outcome_name(enum sp_binance_outcome outcome)
{
    static const char *const names[] = {"ACCEPTED",  "REFUSED", "UNKNOWN",
                                        "NOT_FOUND", "LIMITED", "BANNED"};
    _Static_assert(sizeof names / sizeof *names == SP_BINANCE_OUTCOMES, "a name each");
    return names[outcome];
}

static sp_status parse(const char *body, size_t len_bytes, struct sp_strict_json **out,
                       struct sp_err *err)
{
    static const struct sp_strict_limits limits = {.bytes_max = SP_BINANCE_ANSWER_BYTES_MAX,
                                                   .depth_max = 12};
    struct sp_strict_fault fault = {0};

    sp_status status = sp_strict_json_parse(body, len_bytes, &limits, out, &fault);
    if (status != SP_OK) return SP_FAIL(err, status, "the venue's answer: %.80s", fault.text);
    return SP_OK;
}

static void text_of(node *value, sp_text *out)
{
    const char *text = "";

    if (sp_strict_string(value, &text) != SP_OK) text = "";
    sp_text_printf(out, "%s", text);
}

static void error_of(node *object, struct sp_binance_error *out)
{
    *out = (struct sp_binance_error){0};
    if (sp_strict_integer(sp_strict_get(object, "code"), &out->code) != SP_OK) out->code = 0;
    text_of(sp_strict_get(object, "msg"), &out->message);
}

void sp_binance_error(const char *body, size_t len_bytes, struct sp_binance_error *out)
{
    struct sp_strict_json *json = NULL;

    *out = (struct sp_binance_error){0};
    if (parse(body, len_bytes, &json, NULL) != SP_OK) return;
    error_of(sp_strict_json_root(json), out);
    sp_strict_json_free(json);
}

/* What the venue refuses before, or instead of, taking the order: documented codes only. */
static bool is_certain_refusal(int64_t code)
{
    if (code <= -1100 && code >= -1199) return true; /* a wrong parameter */
    switch (code) {
    case -1002: /* not authorised */
    case -1013: /* filter */
    case -1014: /* unknown order composition */
    case -1015: /* too many new orders */
    case -1020: /* not supported */
    case -1021: /* outside the receive window */
    case -1022: /* signature */
    case -2010: /* refused by the engine */
    case -2014: /* key format */
    case -2015: /* key, address or rights */ return true;
    default: return false;
    }
}

enum sp_binance_outcome sp_binance_classify(int http_status, const struct sp_binance_error *error)
{
    if (http_status >= 200 && http_status < 300) return SP_BINANCE_ACCEPTED;
    if (http_status == 418) return SP_BINANCE_BANNED;
    if (http_status == 429) return SP_BINANCE_LIMITED;
    /* 5xx with whatever text, 403 of a firewall, 409: nothing is proven. */
    if (http_status >= 500 && SP_BUG(server_error_is_reject)) return SP_BINANCE_REFUSED;
    if (http_status != 400 && http_status != 401) return SP_BINANCE_UNKNOWN;
    if (error->code == -2013 || error->code == -2011) return SP_BINANCE_NOT_FOUND;
    /* An id is used once: who holds it is the very order that was sent. */
    if (error->code == -2010 && strstr(error->message.s, "Duplicate order") != NULL)
        return SP_BINANCE_UNKNOWN;
    return is_certain_refusal(error->code) ? SP_BINANCE_REFUSED : SP_BINANCE_UNKNOWN;
}

/* ---- Values ---- */

static sp_status missing(const char *key, struct sp_err *err)
{
    return SP_FAIL(err, SP_MISSING, "the venue's answer: %s is missing or of another type", key);
}

static sp_status get_id(node *object, const char *key, uint64_t *out, struct sp_err *err)
{
    int64_t value = 0;

    if (sp_strict_integer(sp_strict_get(object, key), &value) != SP_OK) return missing(key, err);
    if (value < 0) return SP_FAIL(err, SP_RANGE, "the venue's answer: %s is negative", key);
    *out = (uint64_t)value;
    return SP_OK;
}

static sp_status get_time(node *object, const char *key, sp_wall *out, struct sp_err *err)
{
    int64_t ms = 0;

    if (sp_strict_integer(sp_strict_get(object, key), &ms) != SP_OK) return missing(key, err);
    if (ms < 0 || ms > INT64_MAX / NS_PER_MS) {
        return SP_FAIL(err, SP_RANGE, "the venue's answer: %s is no time", key);
    }
    out->ns = ms * NS_PER_MS;
    return SP_OK;
}

static sp_status get_e8(node *object, const char *key, int64_t *out, struct sp_err *err)
{
    const char *text = NULL;

    if (sp_strict_string(sp_strict_get(object, key), &text) != SP_OK) return missing(key, err);
    if (sp_e8_parse(text, strlen(text), out) == SP_OK) return SP_OK;
    return SP_FAIL(err, SP_RANGE, "the venue's answer: %s is no exact decimal: %.40s", key, text);
}

/* Ids of others may hold ':' and '/', which ours do not: shown as '_'. */
static sp_status get_name(node *object, const char *key, sp_name *out, struct sp_err *err)
{
    const char *text = NULL;
    char plain[SP_NAME_SIZE];

    if (sp_strict_string(sp_strict_get(object, key), &text) != SP_OK) return missing(key, err);
    size_t len = strlen(text);
    if (len == 0) return SP_FAIL(err, SP_MISSING, "the venue's answer: %s is empty", key);
    if (len >= sizeof plain) return SP_FAIL(err, SP_TOO_LONG, "the venue's answer: %s", key);
    for (size_t i = 0; i <= len; i++) {
        plain[i] = text[i] == ':' || text[i] == '/' ? '_' : text[i];
    }
    if (sp_name_set(out, plain)) return SP_OK;
    return SP_FAIL(err, SP_INVALID, "the venue's answer: %s is no name", key);
}

struct word {
    const char *text;
    uint8_t value;
};

static sp_status get_word(node *object, const char *key, const struct word *words, uint8_t *out,
                          struct sp_err *err)
{
    const char *text = NULL;

    if (sp_strict_string(sp_strict_get(object, key), &text) != SP_OK) return missing(key, err);
    for (; words->text != NULL; words++) {
        if (strcmp(words->text, text) != 0) continue;
        *out = words->value;
        return SP_OK;
    }
    return SP_FAIL(err, SP_INVALID, "the venue's answer: %s is %.40s", key, text);
}

static const struct word sides[] = {{"BUY", SP_SIDE_BUY}, {"SELL", SP_SIDE_SELL}, {NULL, 0}};
static const struct word tifs[] = {
    {"GTC", SP_TIF_GTC}, {"IOC", SP_TIF_IOC}, {"FOK", SP_TIF_FOK}, {NULL, 0}};
static const struct word types[] = {{"MARKET", SP_ORDER_TYPE_MARKET},
                                    {"LIMIT", SP_ORDER_TYPE_LIMIT},
                                    {"LIMIT_MAKER", SP_ORDER_TYPE_LIMIT_MAKER},
                                    {"STOP_LOSS", SP_ORDER_TYPE_STOP_LOSS},
                                    {"STOP_LOSS_LIMIT", SP_ORDER_TYPE_STOP_LOSS_LIMIT},
                                    {"TAKE_PROFIT", SP_ORDER_TYPE_TAKE_PROFIT},
                                    {"TAKE_PROFIT_LIMIT", SP_ORDER_TYPE_TAKE_PROFIT_LIMIT},
                                    {NULL, 0}};
static const struct word states[] = {{"NEW", SP_ORDER_STATE_OPEN},
                                     {"PENDING_NEW", SP_ORDER_STATE_OPEN},
                                     {"PARTIALLY_FILLED", SP_ORDER_STATE_PARTIALLY_FILLED},
                                     {"PENDING_CANCEL", SP_ORDER_STATE_OPEN},
                                     {"FILLED", SP_ORDER_STATE_FILLED},
                                     {"CANCELED", SP_ORDER_STATE_CANCELED},
                                     {"REJECTED", SP_ORDER_STATE_REJECTED},
                                     {"EXPIRED", SP_ORDER_STATE_EXPIRED},
                                     {"EXPIRED_IN_MATCH", SP_ORDER_STATE_EXPIRED},
                                     {NULL, 0}};

/* ---- Orders ---- */

/* Both legs of a list carry its answer's client ids; which is which is said by the ids. */
static sp_status read_pair(node *root, const struct sp_venue_order *order, uint64_t ids[2],
                           struct sp_err *err)
{
    const sp_name *wanted[] = {&order->client_order_id, &order->pair_client_order_id};
    node *list = sp_strict_get(root, "orders");

    if (sp_strict_count(list) != 2) return missing("orders", err);
    for (node *item = sp_strict_first(list); item != NULL; item = sp_strict_next(item)) {
        sp_name client_id = {{0}};
        uint64_t id = 0;
        sp_status status = get_name(item, "clientOrderId", &client_id, err);
        if (status == SP_OK) status = get_id(item, "orderId", &id, err);
        if (status != SP_OK) return status;
        for (size_t i = 0; i < 2; i++) {
            if (sp_name_eq(&client_id, wanted[i])) ids[i] = id;
        }
    }
    if (ids[0] != 0 && ids[1] != 0) return SP_OK;
    return SP_FAIL(err, SP_INVALID, "the venue's answer is about other orders");
}

static sp_status read_single(node *root, const struct sp_venue_order *order, uint64_t ids[2],
                             struct sp_err *err)
{
    sp_name client_id = {{0}};
    sp_status status = get_name(root, "clientOrderId", &client_id, err);

    if (status == SP_OK) status = get_id(root, "orderId", &ids[0], err);
    if (status != SP_OK) return status;
    if (sp_name_eq(&client_id, &order->client_order_id)) return SP_OK;
    return SP_FAIL(err, SP_INVALID, "the venue's answer is about order %s", client_id.s);
}

sp_status sp_binance_read_accepted(const char *body, size_t len_bytes,
                                   const struct sp_venue_order *order, uint64_t *venue_order_id,
                                   uint64_t *pair_venue_order_id, struct sp_err *err)
{
    struct sp_strict_json *json = NULL;
    uint64_t ids[2] = {0, 0};
    sp_status status = parse(body, len_bytes, &json, err);

    if (status != SP_OK) return status;
    bool is_pair = order->pair_client_order_id.s[0] != '\0';
    status = is_pair ? read_pair(sp_strict_json_root(json), order, ids, err)
                     : read_single(sp_strict_json_root(json), order, ids, err);
    sp_strict_json_free(json);
    if (status != SP_OK) return status;
    *venue_order_id = ids[0];
    *pair_venue_order_id = ids[1];
    return SP_OK;
}

static sp_status read_order(node *item, struct sp_record *out, struct sp_err *err)
{
    struct sp_order_view *view = &out->body.order_view;
    sp_status status = get_name(item, "clientOrderId", &view->client_order_id, err);

    out->kind = SP_REC_ORDER_VIEW;
    if (status == SP_OK) status = get_id(item, "orderId", &view->venue_order_id, err);
    if (status == SP_OK) status = get_name(item, "symbol", &view->symbol, err);
    if (status == SP_OK) status = get_word(item, "side", sides, &view->side, err);
    if (status == SP_OK) status = get_word(item, "type", types, &view->type, err);
    if (status == SP_OK) status = get_word(item, "timeInForce", tifs, &view->tif, err);
    if (status == SP_OK) status = get_word(item, "status", states, &view->state, err);
    if (status == SP_OK) status = get_e8(item, "origQty", &view->qty.e8, err);
    if (status == SP_OK) status = get_e8(item, "executedQty", &view->filled_qty.e8, err);
    if (status == SP_OK) status = get_e8(item, "price", &view->px.e8, err);
    if (status == SP_OK) status = get_time(item, "updateTime", &view->updated, err);
    if (status == SP_OK && sp_strict_get(item, "stopPrice") != NULL)
        status = get_e8(item, "stopPrice", &view->stop_px.e8, err);
    return status;
}

static sp_status read_trade(node *item, struct sp_record *out, struct sp_err *err)
{
    struct sp_fill_view *view = &out->body.fill_view;
    bool is_buyer = false, is_maker = false;
    sp_status status = get_id(item, "id", &view->venue_trade_id, err);

    out->kind = SP_REC_FILL_VIEW;
    if (status == SP_OK) status = get_id(item, "orderId", &view->venue_order_id, err);
    if (status == SP_OK) status = get_name(item, "symbol", &view->symbol, err);
    if (status == SP_OK) status = get_e8(item, "price", &view->px.e8, err);
    if (status == SP_OK) status = get_e8(item, "qty", &view->qty.e8, err);
    if (status == SP_OK) status = get_e8(item, "commission", &view->fee.e8, err);
    if (status == SP_OK) status = get_name(item, "commissionAsset", &view->fee_asset, err);
    if (status == SP_OK) status = get_time(item, "time", &view->venue_time, err);
    if (status != SP_OK) return status;
    if (sp_strict_bool(sp_strict_get(item, "isBuyer"), &is_buyer) != SP_OK)
        return missing("isBuyer", err);
    if (sp_strict_bool(sp_strict_get(item, "isMaker"), &is_maker) != SP_OK)
        return missing("isMaker", err);
    view->side = is_buyer ? SP_SIDE_BUY : SP_SIDE_SELL;
    view->liquidity = is_maker ? SP_LIQUIDITY_MAKER : SP_LIQUIDITY_TAKER;
    return SP_OK;
}

static sp_status read_balance(node *item, struct sp_record *out, struct sp_err *err)
{
    struct sp_balance_view *view = &out->body.balance_view;
    sp_status status = get_name(item, "asset", &view->asset, err);

    out->kind = SP_REC_BALANCE_VIEW;
    if (status == SP_OK) status = get_e8(item, "free", &view->free.e8, err);
    if (status == SP_OK) status = get_e8(item, "locked", &view->locked.e8, err);
    return status;
}

typedef sp_status read_fn(node *item, struct sp_record *out, struct sp_err *err);

static void set_request(struct sp_record *record, uint64_t request_id)
{
    if (record->kind == SP_REC_ORDER_VIEW) record->body.order_view.request_id = request_id;
    if (record->kind == SP_REC_FILL_VIEW) record->body.fill_view.request_id = request_id;
    if (record->kind == SP_REC_BALANCE_VIEW) record->body.balance_view.request_id = request_id;
}

static bool is_nothing(const struct sp_record *record)
{
    const struct sp_balance_view *view = &record->body.balance_view;

    return record->kind == SP_REC_BALANCE_VIEW && view->free.e8 == 0 && view->locked.e8 == 0;
}

/* Two passes: the first only looks, so that a broken list emits nothing. */
static sp_status read_items(node *first, read_fn *read, uint64_t request_id,
                            const struct sp_binance_sink *sink, struct sp_err *err)
{
    struct sp_record record;

    for (int pass = 0; pass < 2; pass++) {
        for (node *item = first; item != NULL; item = sp_strict_next(item)) {
            memset(&record, 0, sizeof record);
            sp_status status = read(item, &record, err);
            if (status != SP_OK) return status;
            if (pass == 0 || is_nothing(&record)) continue;
            set_request(&record, request_id);
            sink->fn(sink->ctx, &record);
        }
    }
    return SP_OK;
}

sp_status sp_binance_read_orders(const char *body, size_t len_bytes, uint64_t request_id,
                                 const struct sp_binance_sink *sink, struct sp_err *err)
{
    struct sp_strict_json *json = NULL;
    sp_status status = parse(body, len_bytes, &json, err);

    if (status != SP_OK) return status;
    node *root = sp_strict_json_root(json);
    bool is_list = sp_strict_kind_of(root) == SP_STRICT_LIST;
    status = read_items(is_list ? sp_strict_first(root) : root, read_order, request_id, sink, err);
    sp_strict_json_free(json);
    return status;
}

sp_status sp_binance_read_trades(const char *body, size_t len_bytes, uint64_t request_id,
                                 const struct sp_binance_sink *sink, struct sp_err *err)
{
    struct sp_strict_json *json = NULL;
    sp_status status = parse(body, len_bytes, &json, err);

    if (status != SP_OK) return status;
    node *root = sp_strict_json_root(json);
    status = sp_strict_kind_of(root) == SP_STRICT_LIST
                 ? read_items(sp_strict_first(root), read_trade, request_id, sink, err)
                 : SP_FAIL(err, SP_TYPE, "the venue's answer is no list of executions");
    sp_strict_json_free(json);
    return status;
}

static sp_status get_flag(node *object, const char *key, bool *out, struct sp_err *err)
{
    return sp_strict_bool(sp_strict_get(object, key), out) == SP_OK ? SP_OK : missing(key, err);
}

sp_status sp_binance_read_account(const char *body, size_t len_bytes, uint64_t request_id,
                                  const struct sp_binance_sink *sink,
                                  struct sp_binance_rights *rights, struct sp_err *err)
{
    struct sp_strict_json *json = NULL;
    struct sp_binance_rights now = {0};
    sp_status status = parse(body, len_bytes, &json, err);

    if (status != SP_OK) return status;
    node *root = sp_strict_json_root(json);
    node *balances = sp_strict_get(root, "balances");
    status = get_flag(root, "canTrade", &now.can_trade, err);
    if (status == SP_OK) status = get_flag(root, "canWithdraw", &now.can_withdraw, err);
    if (status == SP_OK && sp_strict_kind_of(balances) != SP_STRICT_LIST)
        status = missing("balances", err);
    if (status == SP_OK && sink != NULL)
        status = read_items(sp_strict_first(balances), read_balance, request_id, sink, err);
    sp_strict_json_free(json);
    if (status == SP_OK) *rights = now;
    return status;
}

sp_status sp_binance_read_key_rights(const char *body, size_t len_bytes,
                                     struct sp_binance_rights *rights, struct sp_err *err)
{
    struct sp_strict_json *json = NULL;
    struct sp_binance_rights now = {0};
    sp_status status = parse(body, len_bytes, &json, err);

    if (status != SP_OK) return status;
    node *root = sp_strict_json_root(json);
    status = get_flag(root, "enableWithdrawals", &now.can_withdraw, err);
    if (status == SP_OK) status = get_flag(root, "enableSpotAndMarginTrading", &now.can_trade, err);
    sp_strict_json_free(json);
    if (status == SP_OK) *rights = now;
    return status;
}

sp_status sp_binance_read_time(const char *body, size_t len_bytes, int64_t *server_ms,
                               struct sp_err *err)
{
    struct sp_strict_json *json = NULL;
    sp_wall time = {0};
    sp_status status = parse(body, len_bytes, &json, err);

    if (status != SP_OK) return status;
    status = get_time(sp_strict_json_root(json), "serverTime", &time, err);
    sp_strict_json_free(json);
    if (status == SP_OK) *server_ms = time.ns / NS_PER_MS;
    return status;
}

/* ---- Events ---- */

/* The execution of a report, if it tells one. */
static sp_status read_execution(node *event, struct sp_venue_report *out, struct sp_err *err)
{
    bool is_maker = false;
    sp_status status = get_id(event, "t", &out->venue_trade_id, err);

    if (status == SP_OK) status = get_e8(event, "L", &out->px.e8, err);
    if (status == SP_OK) status = get_e8(event, "l", &out->qty.e8, err);
    if (status == SP_OK) status = get_e8(event, "n", &out->fee.e8, err);
    if (status == SP_OK && out->fee.e8 != 0) status = get_name(event, "N", &out->fee_asset, err);
    if (status == SP_OK) status = get_flag(event, "m", &is_maker, err);
    if (status != SP_OK) return status;
    out->liquidity = is_maker ? SP_LIQUIDITY_MAKER : SP_LIQUIDITY_TAKER;
    return SP_OK;
}

/* Of a cancel, `c` is the id of the cancel and `C` that of the order. */
static sp_status read_report(node *event, struct sp_venue_report *out, struct sp_err *err)
{
    const char *original = "", *execution = "";
    node *named = sp_strict_get(event, "C");

    bool has_original = sp_strict_string(named, &original) == SP_OK && original[0] != '\0';
    sp_status status = get_name(event, has_original ? "C" : "c", &out->client_order_id, err);
    if (status == SP_OK) status = get_id(event, "i", &out->venue_order_id, err);
    if (status == SP_OK) status = get_name(event, "s", &out->symbol, err);
    if (status == SP_OK) status = get_word(event, "X", states, &out->state, err);
    if (status == SP_OK) status = get_word(event, "S", sides, &out->side, err);
    if (status == SP_OK) status = get_e8(event, "z", &out->filled_qty.e8, err);
    if (status == SP_OK) status = get_time(event, "T", &out->venue_time, err);
    if (status != SP_OK) return status;
    if (sp_strict_string(sp_strict_get(event, "x"), &execution) != SP_OK) return missing("x", err);
    if (strcmp(execution, "TRADE") == 0) return read_execution(event, out, err);
    text_of(sp_strict_get(event, "r"), &out->reason);
    if (strcmp(out->reason.s, "NONE") == 0) out->reason.s[0] = '\0';
    return SP_OK;
}

static sp_status read_event(node *event, struct sp_binance_pushed *out, struct sp_err *err)
{
    const char *type = "";

    if (sp_strict_string(sp_strict_get(event, "e"), &type) != SP_OK) return missing("e", err);
    out->what = SP_BINANCE_PUSH_OTHER;
    if (strcmp(type, "serverShutdown") == 0) out->what = SP_BINANCE_PUSH_SHUTDOWN;
    if (strcmp(type, "eventStreamTerminated") == 0) out->what = SP_BINANCE_PUSH_ENDED;
    if (strcmp(type, "executionReport") != 0) return SP_OK;
    out->what = SP_BINANCE_PUSH_REPORT;
    return read_report(event, &out->report, err);
}

sp_status sp_binance_read_push(const char *text, size_t len_bytes, struct sp_binance_pushed *out,
                               struct sp_err *err)
{
    struct sp_strict_json *json = NULL;
    sp_status status = parse(text, len_bytes, &json, err);

    if (status != SP_OK) return status;
    memset(out, 0, sizeof *out);
    node *root = sp_strict_json_root(json);
    node *event = sp_strict_get(root, "event");
    if (event != NULL) {
        status = read_event(event, out, err);
    } else {
        out->what = SP_BINANCE_PUSH_ANSWER;
        error_of(sp_strict_get(root, "error"), &out->error);
        if (sp_strict_integer(sp_strict_get(root, "status"), &out->status) != SP_OK)
            status = missing("status", err);
        if (sp_strict_integer(sp_strict_get(root, "id"), &out->id) != SP_OK) out->id = 0;
    }
    sp_strict_json_free(json);
    return status;
}
