/* The operator's side of the practice exchange, under /spoor/v1/ on its own port: faults that shall
 * happen, things that happen at once, and the truth as the exchange knows it. Parameters as of the
 * exchange's requests, in query or body. Only who shows the token of the configured file is
 * answered; keys that may trade are worth nothing here.
 */
#include "services/venue/api_internal.h"

#include "proto/decimal.h"
#include "services/venue/rest_internal.h"
#include "services/venue/user_data.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PREFIX          "/spoor/v1/"
#define TOKEN_CHARS_MIN 16
#define ROWS_MAX        1000
#define MS_MAX          INT64_C(86400000)
#define CUT_AFTER_MS    1000

/* ---- The token ---- */

sp_status sp_control_load_token(struct sp_api *api, const char *path, struct sp_err *err)
{
    struct stat st;
    char text[SP_API_TOKEN_SIZE] = "";

    if (stat(path, &st) != 0) {
        return SP_FAIL(err, SP_CONFIG, "%.150s: %s; make it, or leave venue.api.control out", path,
                       strerror(errno));
    }
    if ((st.st_mode & 077) != 0) {
        return SP_FAIL(err, SP_CONFIG, "%.150s holds a token and others may read it: chmod 400",
                       path);
    }
    FILE *file = fopen(path, "re");
    size_t bytes = file != NULL ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file != NULL) fclose(file);
    text[bytes] = '\0';
    text[strcspn(text, " \t\r\n")] = '\0';
    size_t len = strlen(text);
    if (len < TOKEN_CHARS_MIN || len >= sizeof text - 1) {
        return SP_FAIL(err, SP_CONFIG, "%.120s: expected one word of %d to %d characters", path,
                       TOKEN_CHARS_MIN, SP_API_TOKEN_SIZE - 3);
    }
    memcpy(api->token, text, len + 1);
    return SP_OK;
}

bool sp_control_is_path(const struct sp_api *api, const char *path)
{
    return api->token[0] != '\0' && strncmp(path, PREFIX, sizeof PREFIX - 1) == 0;
}

/* Digests are compared, so that the time tells nothing. */
static bool shows_token(const struct sp_api *api, const struct sp_http_request *request)
{
    static const char scheme[] = "Bearer ";
    const char *shown = sp_http_header(request, "Authorization");
    uint8_t ours[SP_SHA256_BYTES], theirs[SP_SHA256_BYTES];

    if (shown == NULL || strncmp(shown, scheme, sizeof scheme - 1) != 0) return false;
    shown += sizeof scheme - 1;
    return sp_sha256(api->token, strlen(api->token), ours) &&
           sp_sha256(shown, strlen(shown), theirs) && sp_digest_eq(ours, theirs, sizeof ours);
}

/* The account that is meant: the operation's, if none is named. */
SP_NODISCARD static bool take_account(const struct sp_api *api, struct sp_rest_call *call,
                                      uint32_t *out)
{
    const struct sp_exchange *x = api->options.exchange;
    const char *name = sp_rest_param(call->params, "account");

    for (uint32_t i = 0; i < x->account_count; i++) {
        if (strcmp(x->accounts[i].name.s, name != NULL ? name : "main") != 0) continue;
        *out = i;
        return true;
    }
    sp_rest_fail(call, 400, REST_ILLEGAL_CHARS, "No such account.");
    return false;
}

/* ---- Faults ---- */

SP_NODISCARD static bool take_number(struct sp_rest_call *call, const char *name, int64_t max,
                                     int64_t *out)
{
    if (!sp_rest_number(call, name, 0, out)) return false;
    if (*out <= max) return true;
    sp_rest_fail(call, 400, REST_ILLEGAL_CHARS, "'%s' is at most %lld.", name, (long long)max);
    return false;
}

static void add_fault(struct sp_api *api, struct sp_rest_call *call)
{
    const char *kind = sp_rest_need(call, "kind");
    const char *on = sp_rest_param(call->params, "on");
    int64_t count = 0, seed = 0, status = 0;
    struct sp_fault fault = {.chance_e8 = SP_FX_ONE};

    if (kind == NULL || !take_number(call, "count", UINT32_MAX, &count) ||
        !take_number(call, "seed", INT64_MAX, &seed) ||
        !take_number(call, "ms", MS_MAX, &fault.ms) || !take_number(call, "status", 599, &status)) {
        return;
    }
    if (sp_rest_param(call->params, "chance") != NULL &&
        !sp_rest_decimal(call, "chance", &fault.chance_e8)) {
        return;
    }
    fault.kind = sp_fault_kind_of(kind);
    fault.count = (uint32_t)count;
    fault.seed = (uint64_t)seed;
    fault.status = (int)status;
    int len = snprintf(fault.on, sizeof fault.on, "%s", on != NULL ? on : "");
    if (fault.kind == SP_FAULT_KINDS || len >= (int)sizeof fault.on ||
        (status != 0 && status < 400)) {
        sp_rest_fail(call, 400, REST_ILLEGAL_CHARS, "No such kind, place or status.");
        return;
    }
    uint64_t id = sp_faults_add(&api->faults, &fault);
    if (id == 0) {
        sp_rest_fail(call, 400, REST_UNKNOWN, "%d faults are set.", SP_FAULTS_MAX);
        return;
    }
    sp_jtext_begin(call->body, '{');
    sp_jtext_put_int(call->body, "id", (int64_t)id);
    sp_jtext_end(call->body, '}');
}

static void list_faults(struct sp_api *api, struct sp_rest_call *call)
{
    struct sp_json_text *json = call->body;

    sp_jtext_begin(json, '[');
    for (uint32_t i = 0; i < api->faults.count; i++) {
        const struct sp_fault *fault = &api->faults.at[i];
        sp_jtext_begin(json, '{');
        sp_jtext_put_int(json, "id", (int64_t)fault->id);
        sp_jtext_put_string(json, "kind", sp_fault_name(fault->kind));
        sp_jtext_put_string(json, "on", fault->on);
        sp_jtext_put_int(json, "count", fault->count);
        sp_jtext_put_e8(json, "chance", fault->chance_e8);
        sp_jtext_put_int(json, "seed", (int64_t)fault->seed);
        sp_jtext_put_int(json, "ms", fault->ms);
        sp_jtext_put_int(json, "status", fault->status);
        sp_jtext_put_int(json, "hits", fault->hits);
        sp_jtext_end(json, '}');
    }
    sp_jtext_end(json, ']');
}

/* Without an id everything is as it was at the start, also what was done at once. */
static void clear_faults(struct sp_api *api, struct sp_rest_call *call)
{
    int64_t id = 0;

    if (!take_number(call, "id", INT64_MAX, &id)) return;
    if (!sp_faults_clear(&api->faults, (uint64_t)id)) {
        sp_rest_fail(call, 404, REST_UNKNOWN, "No such fault.");
        return;
    }
    if (id == 0) {
        api->clock_offset_ns = 0;
        api->limited_until = (sp_wall){0};
        sp_rest_reset_limits(&api->rest);
        sp_api_reset_limits(api);
        sp_exchange_reset_rules(api->options.exchange);
    }
    sp_jtext_raw(call->body, "{}");
}

/* ---- What happens at once ---- */

static void act_stream_drop(struct sp_api *api, struct sp_rest_call *call)
{
    const char *which = sp_rest_param(call->params, "which");

    if (!sp_api_cut(api, which != NULL ? which : "all")) {
        sp_rest_fail(call, 400, REST_ILLEGAL_CHARS, "'which' is user, market or all.");
    }
}

/* Who came since stays: a client may have replaced its connection in time. */
static void cut_told(void *ctx, const void *bytes, size_t len_bytes)
{
    (void)bytes;
    (void)len_bytes;
    SP_IGNORE(!sp_api_cut(ctx, "told")); /* a word that it knows */
}

static void act_server_shutdown(struct sp_api *api, struct sp_rest_call *call)
{
    int64_t ms = 0;

    if (!take_number(call, "ms", MS_MAX, &ms)) return;
    struct sp_later_item item = {.after = {(ms > 0 ? ms : CUT_AFTER_MS) * SP_NS_PER_MS},
                                 .fn = cut_told,
                                 .ctx = api};
    sp_api_say_shutdown(api);
    if (sp_later_add(api->later, &item) != SP_OK) {
        sp_rest_fail(call, 500, REST_UNKNOWN, "Too much waits already.");
    }
}

static void act_transfer(struct sp_api *api, struct sp_rest_call *call)
{
    const char *asset = sp_rest_need(call, "asset");
    const char *amount = sp_rest_need(call, "amount");
    struct sp_venue_transfer row = {.time = api->options.exchange->time};
    struct sp_err err = {0};

    if (asset == NULL || amount == NULL) return;
    if (!sp_name_set(&row.asset, asset) ||
        sp_e8_parse(amount, strlen(amount), &row.amount.e8) != SP_OK) {
        sp_rest_fail(call, 400, REST_ILLEGAL_CHARS, "No such asset or amount.");
        return;
    }
    if (!take_account(api, call, &row.account)) return;
    if (sp_exchange_transfer(api->options.exchange, row.account, &row.asset, row.amount, &err) !=
        SP_OK) {
        sp_rest_fail(call, 400, REST_UNKNOWN, "%s", err.text);
        return;
    }
    if (!api->options.keep_transfer(api->options.ctx, &row)) {
        call->fate = SP_REST_DROP;
        return;
    }
    sp_api_report_transfer(api, &row);
}

static void act_clock_offset(struct sp_api *api, struct sp_rest_call *call)
{
    const char *text = sp_rest_need(call, "ms");
    char *end = NULL;

    if (text == NULL) return;
    long long ms = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || ms > MS_MAX || ms < -MS_MAX) {
        sp_rest_fail(call, 400, REST_ILLEGAL_CHARS, "'ms' is within a day.");
        return;
    }
    api->clock_offset_ns = ms * SP_NS_PER_MS;
}

/* What is not said stays as it is. */
static void act_filters(struct sp_api *api, struct sp_rest_call *call)
{
    int at = sp_rest_instrument(call);

    if (at < 0) return;
    struct sp_instrument rules = api->options.exchange->match[at].instrument;
    struct sp_venue_rules more = api->options.exchange->rules[at];
    int64_t waiting_max = 0;
    const struct {
        const char *name;
        int64_t *e8;
    } fields[] = {{"tick", &rules.tick.e8},
                  {"step", &rules.step.e8},
                  {"min_qty", &rules.min_qty.e8},
                  {"max_qty", &rules.max_qty.e8},
                  {"min_value", &rules.min_value.e8},
                  {"market_max_qty", &more.market_max_qty.e8},
                  {"percent_up", &more.percent_up.e8},
                  {"percent_down", &more.percent_down.e8}};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (sp_rest_param(call->params, fields[i].name) == NULL) continue;
        if (!sp_rest_decimal(call, fields[i].name, fields[i].e8)) return;
    }
    if (!sp_rest_number(call, "waiting_max", more.waiting_max, &waiting_max)) return;
    if (sp_instrument_check(&rules, NULL) != SP_OK) {
        sp_rest_fail(call, 400, REST_ILLEGAL_CHARS, "These are no filters.");
        return;
    }
    more.waiting_max =
        waiting_max < SP_VENUE_ORDERS_MAX ? (uint32_t)waiting_max : SP_VENUE_ORDERS_MAX;
    api->options.exchange->match[at].instrument = rules;
    api->options.exchange->rules[at] = more;
}

static void act_market(struct sp_api *api, struct sp_rest_call *call)
{
    int at = sp_rest_instrument(call);
    const char *status = at >= 0 ? sp_rest_need(call, "status") : NULL;

    if (status == NULL) return;
    if (!sp_exchange_set_status(api->options.exchange, (uint32_t)at, status)) {
        sp_rest_fail(call, 400, REST_ILLEGAL_CHARS,
                     "'status' is TRADING, BREAK, HALT, END_OF_DAY or CANCEL_ONLY.");
    }
}

/* What is not said stays as it is. */
static void act_limits(struct sp_api *api, struct sp_rest_call *call)
{
    struct sp_rest_limits *limits = &api->rest.limits;
    int64_t weight = 0, orders_10s = 0, orders_day = 0, connections = 0, messages = 0;
    int64_t lifetime_ms = 0;

    if (!take_number(call, "weight", UINT32_MAX, &weight) ||
        !take_number(call, "orders_10s", UINT32_MAX, &orders_10s) ||
        !take_number(call, "orders_day", UINT32_MAX, &orders_day) ||
        !take_number(call, "connections", UINT32_MAX, &connections) ||
        !take_number(call, "messages", UINT32_MAX, &messages) ||
        !take_number(call, "lifetime_ms", UINT32_MAX, &lifetime_ms)) {
        return;
    }
    if (weight > 0) limits->weight.max = (uint32_t)weight;
    if (weight > 0) limits->banned_until_ms = limits->refusals = 0;
    for (uint32_t i = 0; i < SP_VENUE_ACCOUNTS_MAX; i++) {
        if (orders_10s > 0) limits->orders_10s[i].max = (uint32_t)orders_10s;
        if (orders_day > 0) limits->orders_day[i].max = (uint32_t)orders_day;
    }
    if (connections > 0) api->connections_max = (uint32_t)connections;
    if (messages > 0) api->messages_max = (uint32_t)messages;
    if (lifetime_ms > 0) api->lifetime_ms = lifetime_ms;
}

static void act(struct sp_api *api, struct sp_rest_call *call)
{
    static const struct {
        const char *what;
        void (*fn)(struct sp_api *api, struct sp_rest_call *call);
    } acts[] = {{"stream_drop", act_stream_drop},
                {"server_shutdown", act_server_shutdown},
                {"transfer", act_transfer},
                {"clock_offset", act_clock_offset},
                {"filters", act_filters},
                {"market", act_market},
                {"limits", act_limits}};
    const char *what = sp_rest_need(call, "what");

    for (size_t i = 0; what != NULL && i < sizeof acts / sizeof *acts; i++) {
        if (strcmp(acts[i].what, what) != 0) continue;
        acts[i].fn(api, call);
        if (!call->failed) sp_jtext_raw(call->body, "{}");
        return;
    }
    sp_rest_fail(call, 400, REST_ILLEGAL_CHARS, "No such act.");
}

/* ---- The truth ---- */

static void put_order(void *ctx, const struct sp_venue_order_row *row)
{
    struct sp_rest_call *call = ctx;
    struct sp_json_text *json = call->body;

    sp_jtext_begin(json, '{');
    sp_jtext_put_int(json, "order_no", (int64_t)row->order_no);
    sp_jtext_put_int(json, "pair_no", (int64_t)row->pair_no);
    sp_jtext_put_int(json, "list_no", (int64_t)row->list_no);
    sp_jtext_put_string(json, "account", call->rest->exchange->accounts[row->account].name.s);
    sp_jtext_put_string(json, "client_order_id", row->client_order_id.s);
    sp_jtext_put_string(json, "symbol",
                        call->rest->exchange->world->instruments[row->instrument].symbol.s);
    sp_jtext_put_string(json, "side", sp_enum_name(SP_ENUM_SIDE, (uint8_t)row->side));
    sp_jtext_put_string(json, "type", sp_enum_name(SP_ENUM_ORDER_TYPE, (uint8_t)row->type));
    sp_jtext_put_string(json, "status", sp_user_data_status(row));
    sp_jtext_put_e8(json, "qty", row->qty.e8);
    sp_jtext_put_e8(json, "filled", row->filled.e8);
    sp_jtext_put_e8(json, "px", row->px.e8);
    sp_jtext_put_e8(json, "stop_px", row->stop_px.e8);
    sp_jtext_put_e8(json, "quote_filled", row->quote_filled.e8);
    sp_jtext_put_int(json, "created_ns", row->created.ns);
    sp_jtext_put_int(json, "updated_ns", row->updated.ns);
    sp_jtext_put_string(json, "reason", row->reason.s);
    sp_jtext_end(json, '}');
}

static void put_fill(void *ctx, const struct sp_venue_fill_row *row)
{
    struct sp_rest_call *call = ctx;
    const struct sp_instrument_config *instrument =
        &call->rest->exchange->world->instruments[row->instrument];
    struct sp_json_text *json = call->body;

    sp_jtext_begin(json, '{');
    sp_jtext_put_int(json, "trade_no", (int64_t)row->trade_no);
    sp_jtext_put_int(json, "order_no", (int64_t)row->order_no);
    sp_jtext_put_string(json, "account", call->rest->exchange->accounts[row->account].name.s);
    sp_jtext_put_string(json, "client_order_id", row->client_order_id.s);
    sp_jtext_put_string(json, "symbol", instrument->symbol.s);
    sp_jtext_put_string(json, "side", sp_enum_name(SP_ENUM_SIDE, (uint8_t)row->side));
    sp_jtext_put_string(json, "liquidity",
                        sp_enum_name(SP_ENUM_LIQUIDITY, (uint8_t)row->liquidity));
    sp_jtext_put_e8(json, "px", row->px.e8);
    sp_jtext_put_e8(json, "qty", row->qty.e8);
    sp_jtext_put_e8(json, "fee", row->fee.e8);
    sp_jtext_put_string(json, "fee_asset", instrument->quote.s);
    sp_jtext_put_int(json, "time_ns", row->time.ns);
    sp_jtext_end(json, '}');
}

static void put_transfer(void *ctx, const struct sp_venue_transfer *row)
{
    struct sp_rest_call *call = ctx;

    sp_jtext_begin(call->body, '{');
    sp_jtext_put_int(call->body, "transfer_no", (int64_t)row->transfer_no);
    sp_jtext_put_string(call->body, "account", call->rest->exchange->accounts[row->account].name.s);
    sp_jtext_put_string(call->body, "asset", row->asset.s);
    sp_jtext_put_e8(call->body, "amount", row->amount.e8);
    sp_jtext_put_int(call->body, "time_ns", row->time.ns);
    sp_jtext_end(call->body, '}');
}

static void put_balances(struct sp_exchange *x, struct sp_json_text *json)
{
    sp_jtext_key(json, "balances");
    sp_jtext_begin(json, '[');
    for (uint32_t a = 0; a < x->account_count; a++) {
        const struct sp_venue_account *account = &x->accounts[a];
        for (uint32_t i = 0; i < account->balance_count; i++) {
            const struct sp_venue_balance *balance = &account->balances[i];
            sp_jtext_begin(json, '{');
            sp_jtext_put_string(json, "account", account->name.s);
            sp_jtext_put_string(json, "asset", balance->asset.s);
            sp_jtext_put_e8(json, "total", balance->total.e8);
            sp_jtext_put_e8(json, "locked", sp_exchange_locked(x, a, &balance->asset).e8);
            sp_jtext_end(json, '}');
        }
    }
    sp_jtext_end(json, ']');
}

/* Everything at one instant: nothing else happens meanwhile. Pages go on after the last numbers
 * that were given. */
static void truth(struct sp_api *api, struct sp_rest_call *call)
{
    struct sp_exchange *x = api->options.exchange;
    struct sp_venue_store *store = api->options.store;
    struct sp_json_text *json = call->body;
    int64_t after_order = 0, after_trade = 0;
    struct sp_err err = {0};

    if (!take_number(call, "after_order", INT64_MAX, &after_order) ||
        !take_number(call, "after_trade", INT64_MAX, &after_trade)) {
        return;
    }
    sp_jtext_begin(json, '{');
    sp_jtext_put_int(json, "time_ns", x->time.ns);
    sp_jtext_put_int(json, "last_order_no", (int64_t)x->last_order_no);
    sp_jtext_put_int(json, "last_trade_no", (int64_t)x->last_trade_no);
    put_balances(x, json);
    sp_jtext_key(json, "orders");
    sp_jtext_begin(json, '[');
    struct sp_venue_span span = {.after = (uint64_t)after_order,
                                 .max = ROWS_MAX,
                                 .all_accounts = true};
    sp_status status = sp_venue_store_orders(store, x, &span, put_order, call, &err);
    sp_jtext_end(json, ']');
    sp_jtext_key(json, "fills");
    sp_jtext_begin(json, '[');
    span.after = (uint64_t)after_trade;
    if (status == SP_OK) status = sp_venue_store_fills(store, x, &span, put_fill, call, &err);
    sp_jtext_end(json, ']');
    sp_jtext_key(json, "transfers");
    sp_jtext_begin(json, '[');
    if (status == SP_OK) status = sp_venue_store_transfers(store, put_transfer, call, &err);
    sp_jtext_end(json, ']');
    sp_jtext_end(json, '}');
    if (status != SP_OK) sp_rest_fail(call, 500, REST_UNKNOWN, "%s", err.text);
}

/* ---- Requests ---- */

/* An order that did not come from a client with a key. */
static void external(struct sp_api *api, struct sp_rest_call *call, enum sp_http_method method)
{
    const char *name = method == SP_HTTP_POST     ? "order.place"
                       : method == SP_HTTP_DELETE ? "order.cancel"
                                                  : "order.status";
    uint32_t account = 0;

    if (!take_account(api, call, &account)) return;
    call->account = account;
    if (!sp_rest_handle_trusted(&api->rest, name, call)) {
        sp_rest_fail(call, 404, REST_UNKNOWN, "No such method.");
    }
}

static void dispatch(struct sp_api *api, const struct sp_http_request *request,
                     struct sp_rest_call *call)
{
    const char *path = request->path + sizeof PREFIX - 1;
    bool gets = request->method == SP_HTTP_GET;
    bool posts = request->method == SP_HTTP_POST;

    if (strcmp(path, "order") == 0 && request->method != SP_HTTP_PUT) {
        external(api, call, request->method);
    } else if (strcmp(path, "faults") == 0 && posts) {
        add_fault(api, call);
    } else if (strcmp(path, "faults") == 0 && gets) {
        list_faults(api, call);
    } else if (strcmp(path, "faults") == 0 && request->method == SP_HTTP_DELETE) {
        clear_faults(api, call);
    } else if (strcmp(path, "act") == 0 && posts) {
        act(api, call);
    } else if (strcmp(path, "truth") == 0 && gets) {
        truth(api, call);
    } else {
        sp_rest_fail(call, 404, REST_UNKNOWN, "Not served here.");
    }
}

void sp_control_handle(struct sp_api *api, const struct sp_http_request *request)
{
    const struct sp_api_options *options = &api->options;
    struct sp_rest_call call = {.now = sp_api_now(api),
                                .body = &api->body,
                                .changes = options->changes};

    sp_rest_begin(&api->rest, &call);
    if (!shows_token(api, request)) {
        sp_rest_fail(&call, 401, REST_BAD_KEY, "The token of venue.api.control is needed.");
    } else if (sp_rest_params_parse(request->query, request->body, request->body_bytes,
                                    &api->rest.params) != SP_OK) {
        sp_rest_fail(&call, 400, REST_ILLEGAL_CHARS, "Illegal parameters.");
    } else {
        dispatch(api, request, &call);
    }
    if (call.changes->count > 0 && !options->keep(options->ctx)) return;
    struct sp_http_reply reply = {.status = call.status,
                                  .body = api->body.text,
                                  .body_bytes = api->body.len_bytes};
    if (call.fate == SP_REST_DROP) {
        sp_http_drop(api->server, request->connection);
        return;
    }
    SP_IGNORE(sp_http_reply(api->server, request->connection, &reply)); /* gone: it asks again */
    options->report(options->ctx);
}
