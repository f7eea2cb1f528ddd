#include "services/venue/rest_internal.h"

#include "proto/decimal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_MS INT64_C(1000000)

enum security { OPEN, KEYED, SIGNED };

/* `path` is behind /api/v3/, `name` the method of the same thing over a WebSocket (NULL: none). */
struct route {
    enum sp_http_method method;
    const char *path, *name;
    enum security security;
    uint32_t weight;
    sp_rest_fn *fn;
};

static const struct route routes[] = {
    {SP_HTTP_GET, "ping", "ping", OPEN, 1, sp_rest_ping},
    {SP_HTTP_GET, "time", "time", OPEN, 1, sp_rest_time},
    {SP_HTTP_GET, "exchangeInfo", "exchangeInfo", OPEN, 20, sp_rest_exchange_info},
    {SP_HTTP_GET, "depth", "depth", OPEN, 5, sp_rest_depth},
    {SP_HTTP_GET, "trades", "trades.recent", OPEN, 25, sp_rest_trades},
    {SP_HTTP_GET, "historicalTrades", "trades.historical", OPEN, 25, sp_rest_trades},
    {SP_HTTP_GET, "aggTrades", "trades.aggregate", OPEN, 4, sp_rest_agg_trades},
    {SP_HTTP_GET, "klines", "klines", OPEN, 2, sp_rest_klines},
    {SP_HTTP_GET, "avgPrice", "avgPrice", OPEN, 2, sp_rest_avg_price},
    {SP_HTTP_GET, "ticker/24hr", "ticker.24hr", OPEN, 2, sp_rest_ticker_day},
    {SP_HTTP_GET, "ticker/price", "ticker.price", OPEN, 2, sp_rest_ticker_price},
    {SP_HTTP_GET, "ticker/bookTicker", "ticker.book", OPEN, 2, sp_rest_ticker_book},
    {SP_HTTP_POST, "order", "order.place", SIGNED, 1, sp_rest_place},
    {SP_HTTP_POST, "order/test", "order.test", SIGNED, 1, sp_rest_place_test},
    {SP_HTTP_GET, "order", "order.status", SIGNED, 4, sp_rest_order},
    {SP_HTTP_DELETE, "order", "order.cancel", SIGNED, 1, sp_rest_cancel},
    {SP_HTTP_POST, "order/cancelReplace", "order.cancelReplace", SIGNED, 1, sp_rest_replace},
    {SP_HTTP_POST, "orderList/oco", "orderList.place.oco", SIGNED, 1, sp_rest_place_oco},
    {SP_HTTP_POST, "order/oco", "orderList.place", SIGNED, 1, sp_rest_place_oco_old},
    {SP_HTTP_GET, "orderList", "orderList.status", SIGNED, 4, sp_rest_list},
    {SP_HTTP_DELETE, "orderList", "orderList.cancel", SIGNED, 1, sp_rest_cancel_list},
    {SP_HTTP_GET, "openOrderList", "openOrderLists.status", SIGNED, 6, sp_rest_open_lists},
    {SP_HTTP_GET, "allOrderList", "allOrderLists", SIGNED, 20, sp_rest_all_lists},
    {SP_HTTP_GET, "openOrders", "openOrders.status", SIGNED, 6, sp_rest_open_orders},
    {SP_HTTP_DELETE, "openOrders", "openOrders.cancelAll", SIGNED, 1, sp_rest_cancel_all},
    {SP_HTTP_GET, "allOrders", "allOrders", SIGNED, 20, sp_rest_all_orders},
    {SP_HTTP_GET, "account", "account.status", SIGNED, 20, sp_rest_account},
    {SP_HTTP_GET, "myTrades", "myTrades", SIGNED, 20, sp_rest_my_trades},
    {SP_HTTP_GET, "rateLimit/order", "account.rateLimits.orders", SIGNED, 40, sp_rest_order_limits},
    {SP_HTTP_POST, "userDataStream", "userDataStream.start", KEYED, 2, sp_rest_listen},
    {SP_HTTP_PUT, "userDataStream", "userDataStream.ping", KEYED, 2, sp_rest_listen_extend},
    {SP_HTTP_DELETE, "userDataStream", "userDataStream.stop", KEYED, 2, sp_rest_listen_stop},
    {SP_HTTP_GET, "account/commission", "account.commission", SIGNED, 20, sp_rest_commission},
};

/* ---- For the handlers ---- */

static void put_error(struct sp_rest_call *call, int code, const char *text)
{
    struct sp_json_text *json = call->body;

    sp_json_text_clear(json);
    sp_jtext_begin(json, '{');
    sp_jtext_put_int(json, "code", code);
    sp_jtext_put_string(json, "msg", text);
    if (call->is_socket && call->retry_at_ms > 0) {
        sp_jtext_key(json, "data");
        sp_jtext_begin(json, '{');
        sp_jtext_put_ms(json, "serverTime", call->now);
        sp_jtext_put_int(json, "retryAfter", call->retry_at_ms);
        sp_jtext_end(json, '}');
    }
    sp_jtext_end(json, '}');
}

void sp_rest_answer_instead(struct sp_rest_call *call, int http, int code, const char *text)
{
    call->failed = true;
    call->code = code;
    snprintf(call->message, sizeof call->message, "%s", text);
    call->status = http;
    put_error(call, code, text);
}

void sp_rest_fail(struct sp_rest_call *call, int http, int code, const char *fmt, ...)
{
    char text[512];
    va_list args;

    if (call->failed) return;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    sp_rest_answer_instead(call, http, code, text);
}

const char *sp_rest_need(struct sp_rest_call *call, const char *name)
{
    const char *value = sp_rest_param(call->params, name);

    if (value != NULL && value[0] != '\0') return value;
    sp_rest_fail(call, 400, REST_MISSING,
                 "Mandatory parameter '%s' was not sent, was empty/null, or malformed.", name);
    return NULL;
}

bool sp_rest_decimal(struct sp_rest_call *call, const char *name, int64_t *out_e8)
{
    const char *value = sp_rest_param(call->params, name);

    *out_e8 = 0;
    if (value == NULL) return true;
    sp_status status = sp_e8_parse(value, strlen(value), out_e8);
    if (status == SP_RANGE) {
        sp_rest_fail(call, 400, REST_PRECISION, "Parameter '%s' has too much precision.", name);
    } else if (status != SP_OK || *out_e8 < 0) {
        sp_rest_fail(call, 400, REST_ILLEGAL_CHARS,
                     "Illegal characters found in parameter '%s'; legal range is "
                     "'^([0-9]{1,20})(\\.[0-9]{1,20})?$'.",
                     name);
    }
    return !call->failed;
}

bool sp_rest_number(struct sp_rest_call *call, const char *name, int64_t fallback, int64_t *out)
{
    const char *value = sp_rest_param(call->params, name);
    char *end = NULL;

    *out = fallback;
    if (value == NULL) return true;
    errno = 0; /* signs and spaces are not of the protocol's numbers */
    long long number = strtoll(value, &end, 10);
    if (errno != 0 || value[0] < '0' || value[0] > '9' || *end != '\0') {
        sp_rest_fail(call, 400, REST_ILLEGAL_CHARS,
                     "Illegal characters found in parameter '%s'; legal range is "
                     "'^[0-9]{1,20}$'.",
                     name);
        return false;
    }
    *out = number;
    return true;
}

bool sp_rest_time_of(struct sp_rest_call *call, const char *name, sp_wall fallback, sp_wall *out)
{
    int64_t ms = 0;

    *out = fallback;
    if (sp_rest_param(call->params, name) == NULL) return true;
    if (!sp_rest_number(call, name, 0, &ms)) return false;
    out->ns = ms > INT64_MAX / NS_PER_MS ? INT64_MAX : ms * NS_PER_MS;
    return true;
}

int sp_rest_symbol(const struct sp_rest_call *call, const char *symbol)
{
    sp_name name;

    return sp_name_set(&name, symbol) ? sp_exchange_instrument(call->rest->exchange, &name) : -1;
}

int sp_rest_instrument(struct sp_rest_call *call)
{
    const char *symbol = sp_rest_need(call, "symbol");
    int instrument = symbol != NULL ? sp_rest_symbol(call, symbol) : -1;

    if (instrument < 0) sp_rest_fail(call, 400, REST_BAD_SYMBOL, "Invalid symbol.");
    return instrument;
}

/* ---- Limits ---- */

void sp_rest_add_header(struct sp_rest_call *call, const char *name, int64_t value)
{
    char *text = call->header_text[call->header_count];

    snprintf(text, sizeof *call->header_text, "%lld", (long long)value);
    call->headers[call->header_count++] = (struct sp_http_header){name, text};
}

void sp_rest_fail_limit(struct sp_rest_call *call, int http, int64_t wait_ms, const char *fmt, ...)
{
    char text[512];
    va_list args;

    if (call->failed) return;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    call->retry_at_ms = call->now.ns / NS_PER_MS + wait_ms;
    sp_rest_add_header(call, "Retry-After", (wait_ms + 999) / 1000);
    sp_rest_fail(call, http, REST_TOO_MANY_REQUESTS, "%s", text);
}

/* ---- The way of a request ---- */

static const struct route *route_of(const struct sp_http_request *request, bool *known_path)
{
    static const char prefix[] = "/api/v3/";

    *known_path = false;
    if (strncmp(request->path, prefix, sizeof prefix - 1) != 0) return NULL;
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        if (strcmp(routes[i].path, request->path + sizeof prefix - 1) != 0) continue;
        *known_path = true;
        if (routes[i].method == request->method) return &routes[i];
    }
    return NULL;
}

/* The dearer forms of some requests. */
static uint32_t weight_of(const struct route *route, const struct sp_rest_params *params)
{
    const char *limit = sp_rest_param(params, "limit");
    long levels = limit != NULL ? strtol(limit, NULL, 10) : 100;
    bool all = sp_rest_param(params, "symbol") == NULL && sp_rest_param(params, "symbols") == NULL;

    if (route->fn == sp_rest_depth) {
        return levels <= 100 ? 5 : levels <= 500 ? 25 : levels <= 1000 ? 50 : 250;
    }
    if (route->fn == sp_rest_ticker_day || route->fn == sp_rest_open_orders) {
        return all ? 80 : route->weight;
    }
    if (route->fn == sp_rest_my_trades && sp_rest_param(params, "orderId") != NULL) return 5;
    bool short_ticker = route->fn == sp_rest_ticker_price || route->fn == sp_rest_ticker_book;
    return short_ticker && all ? 4 : route->weight;
}

bool sp_rest_may_begin(struct sp_rest_call *call, const char *method)
{
    const struct sp_rest_hooks *hooks = &call->rest->hooks;

    return call->has_waited || hooks->before == NULL || hooks->before(hooks->ctx, call, method);
}

/* What takes orders, and how many it counts as. */
static uint32_t orders_of(sp_rest_fn *fn)
{
    if (fn == sp_rest_place_oco || fn == sp_rest_place_oco_old) return 2;
    return fn == sp_rest_place || fn == sp_rest_replace;
}

static void run(const struct route *route, struct sp_rest_call *call, const char *api_key)
{
    struct sp_rest *rest = call->rest;
    uint32_t orders = orders_of(route->fn);
    /* Orders and cancels that succeed cost nothing. */
    bool trades = orders > 0 || route->fn == sp_rest_cancel || route->fn == sp_rest_cancel_all ||
                  route->fn == sp_rest_cancel_list;

    if (!sp_rest_may_begin(call, route->name)) return;
    if (!sp_rest_take_weight(call, trades ? 0 : weight_of(route, &rest->params))) return;
    if (route->security == KEYED && sp_rest_check_key(call, api_key) == NULL) return;
    if (route->security == SIGNED && !sp_rest_check_signed(call, api_key)) return;
    if (orders > 0 && !sp_rest_may_order(call, orders)) return;
    route->fn(call);
    if (orders > 0 && !call->failed) sp_rest_count_orders(call, orders);
    if (trades && call->failed) rest->limits.weight.used++;
    if (!call->failed && rest->hooks.after != NULL) {
        rest->hooks.after(rest->hooks.ctx, call, route->name);
    }
}

void sp_rest_begin(struct sp_rest *rest, struct sp_rest_call *call)
{
    call->rest = rest;
    call->params = &rest->params;
    call->status = 200;
    call->failed = false;
    call->header_count = 0;
    call->fate = SP_REST_ANSWER;
    call->fate_ms = call->retry_at_ms = 0;
    call->events_first = false;
    call->changes->count = 0;
    sp_json_text_clear(call->body);
    sp_rest_turn_windows(rest, call->now); /* every answer tells what is used of them now */
}

void sp_rest_handle(struct sp_rest *rest, const struct sp_http_request *request,
                    struct sp_rest_call *call)
{
    bool known_path = false;
    const struct route *route = route_of(request, &known_path);

    sp_rest_begin(rest, call);
    if (route == NULL) {
        sp_rest_fail(call, known_path ? 405 : 404, REST_UNKNOWN,
                     known_path ? "Method not allowed." : "No such endpoint at this exchange.");
        return;
    }
    sp_status status =
        sp_rest_params_parse(request->query, request->body, request->body_bytes, &rest->params);
    if (status == SP_OK) {
        run(route, call, sp_http_header(request, "X-MBX-APIKEY"));
    } else {
        sp_rest_fail(call, 400, REST_ILLEGAL_CHARS,
                     "Illegal characters found in a parameter, or too many parameters.");
    }
    sp_rest_add_header(call, "X-MBX-USED-WEIGHT", rest->limits.weight.used);
    sp_rest_add_header(call, "X-MBX-USED-WEIGHT-1M", rest->limits.weight.used);
}

void sp_rest_handle_method(struct sp_rest *rest, const char *method, struct sp_rest_call *call)
{
    sp_rest_begin(rest, call);
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        if (strcmp(routes[i].name, method) != 0) continue;
        run(&routes[i], call, sp_rest_param(&rest->params, "apiKey"));
        return;
    }
    sp_rest_fail(call, 400, REST_UNKNOWN, "Unknown method '%.40s'.", method);
}

bool sp_rest_handle_trusted(struct sp_rest *rest, const char *method, struct sp_rest_call *call)
{
    sp_rest_begin(rest, call);
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        if (strcmp(routes[i].name, method) != 0) continue;
        routes[i].fn(call);
        return true;
    }
    return false;
}

/* ---- Life ---- */

void sp_rest_init(struct sp_rest *rest, struct sp_exchange *exchange, struct sp_venue_store *store,
                  struct sp_market_view *views)
{
    memset(rest, 0, sizeof *rest);
    rest->exchange = exchange;
    rest->store = store;
    rest->views = views;
    sp_rest_init_limits(rest);
}
