#include "services/venue/ws_api.h"

#include "common/config/strict_json.h"
#include "services/venue/rest_internal.h"

#include <string.h>

#define SUBSCRIBE_WEIGHT 2

/* ---- User data ---- */

/* Of one account, or the first of all (`account` SP_VENUE_ACCOUNTS_MAX). */
static struct sp_ws_holder *holder_of(struct sp_ws_api *api, uint64_t connection, uint32_t account)
{
    for (uint32_t i = 0; i < api->holder_count; i++) {
        struct sp_ws_holder *holder = &api->holders[i];
        bool is_it = account == SP_VENUE_ACCOUNTS_MAX || holder->account == account;
        if (holder->connection == connection && is_it) return holder;
    }
    return NULL;
}

/* The smallest number that the connection does not use. */
static uint32_t free_number(const struct sp_ws_api *api, uint64_t connection)
{
    for (uint32_t number = 0;; number++) {
        bool is_used = false;
        for (uint32_t i = 0; i < api->holder_count && !is_used; i++) {
            is_used =
                api->holders[i].connection == connection && api->holders[i].subscription == number;
        }
        if (!is_used) return number;
    }
}

static void subscribe(struct sp_ws_api *api, uint64_t connection, struct sp_rest_call *call)
{
    if (!sp_rest_take_weight(call, SUBSCRIBE_WEIGHT)) return;
    if (!sp_rest_check_signed(call, sp_rest_param(call->params, "apiKey"))) return;
    if (holder_of(api, connection, call->account) != NULL) {
        sp_rest_fail(call, 400, -2035, "Subscription is already active.");
        return;
    }
    if (api->holder_count == SP_WS_API_HOLDERS_MAX) {
        sp_rest_fail(call, 400, REST_UNKNOWN, "Too many subscriptions.");
        return;
    }
    uint32_t number = free_number(api, connection);
    api->holders[api->holder_count++] = (struct sp_ws_holder){.connection = connection,
                                                              .account = call->account,
                                                              .subscription = number};
    sp_jtext_begin(call->body, '{');
    sp_jtext_put_int(call->body, "subscriptionId", number);
    sp_jtext_end(call->body, '}');
}

/* One subscription, or all of the connection. */
static void unsubscribe(struct sp_ws_api *api, uint64_t connection, struct sp_rest_call *call)
{
    bool one = sp_rest_param(call->params, "subscriptionId") != NULL;
    int64_t number = 0;

    if (!sp_rest_number(call, "subscriptionId", 0, &number)) return;
    for (uint32_t i = 0; i < api->holder_count;) {
        struct sp_ws_holder *holder = &api->holders[i];
        bool is_meant =
            holder->connection == connection && (!one || holder->subscription == (uint64_t)number);
        if (!is_meant || api->ended_count == SP_VENUE_ACCOUNTS_MAX) {
            i++;
            continue;
        }
        api->ended[api->ended_count++] = *holder;
        *holder = api->holders[--api->holder_count];
    }
    if (api->ended_count == 0) {
        sp_rest_fail(call, 400, -2036, "Subscription not active.");
        return;
    }
    sp_jtext_raw(call->body, "{}");
}

static void list_subscriptions(const struct sp_ws_api *api, uint64_t connection,
                               struct sp_rest_call *call)
{
    sp_jtext_begin(call->body, '[');
    for (uint32_t i = 0; i < api->holder_count; i++) {
        if (api->holders[i].connection != connection) continue;
        sp_jtext_begin(call->body, '{');
        sp_jtext_put_int(call->body, "subscriptionId", api->holders[i].subscription);
        sp_jtext_end(call->body, '}');
    }
    sp_jtext_end(call->body, ']');
}

void sp_ws_api_leave(struct sp_ws_api *api, uint64_t connection)
{
    struct sp_ws_holder *holder = holder_of(api, connection, SP_VENUE_ACCOUNTS_MAX);

    while (holder != NULL) {
        *holder = api->holders[--api->holder_count];
        holder = holder_of(api, connection, SP_VENUE_ACCOUNTS_MAX);
    }
}

void sp_ws_api_wrap(struct sp_json_text *out, const struct sp_ws_holder *holder,
                    const struct sp_json_text *event)
{
    sp_json_text_clear(out);
    sp_jtext_begin(out, '{');
    sp_jtext_put_int(out, "subscriptionId", holder->subscription);
    sp_jtext_key(out, "event");
    sp_jtext_raw(out, event->text != NULL ? event->text : "{}");
    sp_jtext_end(out, '}');
}

/* ---- Requests ---- */

static void put_limit(struct sp_json_text *json, const char *type, const char *interval,
                      int64_t number, const struct sp_rest_window *window)
{
    sp_jtext_begin(json, '{');
    sp_jtext_put_string(json, "rateLimitType", type);
    sp_jtext_put_string(json, "interval", interval);
    sp_jtext_put_int(json, "intervalNum", number);
    sp_jtext_put_int(json, "limit", window->max);
    sp_jtext_put_int(json, "count", window->used);
    sp_jtext_end(json, '}');
}

static void put_id(struct sp_json_text *json, const struct sp_strict_node *id)
{
    const char *text = sp_strict_text(id);

    sp_jtext_key(json, "id");
    if (id != NULL && sp_strict_kind_of(id) == SP_STRICT_STRING) {
        sp_jtext_string(json, text);
    } else {
        sp_jtext_raw(json, text != NULL ? text : "null");
    }
}

/* Puts the result, which the handler left in call->body, into the answer. */
static void wrap(struct sp_ws_api *api, struct sp_rest_call *call, const struct sp_strict_node *id)
{
    const char *hide = sp_rest_param(call->params, "returnRateLimits");
    struct sp_json_text handed = *call->body;

    *call->body = api->result;
    api->result = handed;
    sp_json_text_clear(call->body);
    sp_jtext_begin(call->body, '{');
    put_id(call->body, id);
    sp_jtext_put_int(call->body, "status", call->status);
    sp_jtext_key(call->body, call->failed ? "error" : "result");
    sp_jtext_raw(call->body, handed.text != NULL ? handed.text : "{}");
    if (hide == NULL || strcmp(hide, "false") != 0) {
        sp_jtext_key(call->body, "rateLimits");
        sp_jtext_begin(call->body, '[');
        put_limit(call->body, "REQUEST_WEIGHT", "MINUTE", 1, &api->rest->limits.weight);
        sp_jtext_end(call->body, ']');
    }
    sp_jtext_end(call->body, '}');
}

static void dispatch(struct sp_ws_api *api, uint64_t connection, const char *method,
                     struct sp_rest_call *call)
{
    sp_rest_begin(api->rest, call);
    if (strcmp(method, "userDataStream.subscribe.signature") == 0) {
        if (sp_rest_may_begin(call, method)) subscribe(api, connection, call);
    } else if (strcmp(method, "userDataStream.unsubscribe") == 0) {
        unsubscribe(api, connection, call);
    } else if (strcmp(method, "session.subscriptions") == 0) {
        list_subscriptions(api, connection, call);
    } else if (strcmp(method, "session.status") == 0) {
        sp_jtext_raw(call->body,
                     "{\"apiKey\":null,\"authorizedSince\":null,\"connectedSince\":null,"
                     "\"returnRateLimits\":true}");
    } else {
        sp_rest_handle_method(api->rest, method, call);
    }
}

void sp_ws_api_handle(struct sp_ws_api *api, uint64_t connection, const char *text,
                      size_t len_bytes, struct sp_rest_call *call)
{
    static const struct sp_strict_limits limits = {.bytes_max = SP_REST_BYTES_MAX,
                                                   .depth_max = 4,
                                                   .wide = true};
    struct sp_strict_json *json = NULL;
    const char *method = NULL;

    call->is_socket = true;
    api->ended_count = 0;
    sp_rest_begin(api->rest, call);
    api->rest->params.count = 0;
    if (sp_strict_json_parse(text, len_bytes, &limits, &json, NULL) != SP_OK) {
        sp_rest_fail(call, 400, REST_ILLEGAL_CHARS, "The message is no JSON.");
        wrap(api, call, NULL);
        return;
    }
    const struct sp_strict_node *root = sp_strict_json_root(json);
    const struct sp_strict_node *id = sp_strict_get(root, "id");
    if (sp_strict_string(sp_strict_get(root, "method"), &method) != SP_OK) {
        sp_rest_fail(call, 400, REST_MISSING, "Mandatory parameter 'method' was not sent.");
    } else if (sp_rest_params_from_json(sp_strict_get(root, "params"), &api->rest->params) !=
               SP_OK) {
        api->rest->params.count = 0;
        sp_rest_fail(call, 400, REST_ILLEGAL_CHARS, "Illegal parameters.");
    } else {
        dispatch(api, connection, method, call);
    }
    wrap(api, call, id);
    sp_strict_json_free(json);
}
