#include "services/venue/ws_api.h"

#include "common/config/strict_json.h"
#include "services/venue/rest_internal.h"

#include <string.h>

#define SUBSCRIBE_WEIGHT 2

/* ---- Sessions ---- */

static struct sp_ws_session *session_of(struct sp_ws_api *api, uint64_t connection)
{
    for (uint32_t i = 0; i < api->session_count; i++)
        if (api->sessions[i].connection == connection) return &api->sessions[i];
    return NULL;
}

static void forget_session(struct sp_ws_api *api, uint64_t connection)
{
    struct sp_ws_session *session = session_of(api, connection);

    if (session != NULL) *session = api->sessions[--api->session_count];
}

static void put_session(struct sp_ws_api *api, uint64_t connection, struct sp_rest_call *call)
{
    const struct sp_ws_session *session = session_of(api, connection);
    bool has_user_data = false;

    for (uint32_t i = 0; i < api->holder_count; i++)
        has_user_data = has_user_data || api->holders[i].connection == connection;
    sp_jtext_begin(call->body, '{');
    sp_jtext_key(call->body, "apiKey");
    if (session != NULL) {
        sp_jtext_string(call->body, session->key->key);
        sp_jtext_put_ms(call->body, "authorizedSince", session->since);
    } else {
        sp_jtext_raw(call->body, "null");
        sp_jtext_key(call->body, "authorizedSince");
        sp_jtext_raw(call->body, "null");
    }
    sp_jtext_put_ms(call->body, "connectedSince", call->connected);
    sp_jtext_put_bool(call->body, "returnRateLimits", true);
    sp_jtext_put_ms(call->body, "serverTime", call->now);
    sp_jtext_put_bool(call->body, "userDataStream", has_user_data);
    sp_jtext_end(call->body, '}');
}

/* Somebody else than before may log on, too. */
static void log_on(struct sp_ws_api *api, uint64_t connection, struct sp_rest_call *call)
{
    const char *api_key = sp_rest_need(call, "apiKey");
    const struct sp_rest_key *key = api_key != NULL ? sp_rest_check_key(call, api_key) : NULL;

    if (key == NULL || !sp_rest_take_weight(call, SUBSCRIBE_WEIGHT)) return;
    if (!key->is_ed25519) {
        sp_rest_fail(call, 400, REST_NOT_ED25519, "HMAC_SHA256 API key is not supported.");
        return;
    }
    if (!sp_rest_check_signed(call, api_key)) return;
    forget_session(api, connection);
    if (api->session_count == SP_WS_API_HOLDERS_MAX) {
        sp_rest_fail(call, 400, REST_UNKNOWN, "Too many sessions.");
        return;
    }
    api->sessions[api->session_count++] = (struct sp_ws_session){connection, key, call->now};
    put_session(api, connection, call);
}

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

static void add_holder(struct sp_ws_api *api, const struct sp_ws_holder *holder)
{
    SP_ASSERT(api->holder_count < SP_WS_API_HOLDERS_MAX);
    api->holders[api->holder_count++] = *holder;
}

/* Who asks is known by now. */
static void subscribe(struct sp_ws_api *api, uint64_t connection, struct sp_rest_call *call,
                      bool by_session)
{
    if (holder_of(api, connection, call->account) != NULL) {
        sp_rest_fail(call, 400, -2035, "Subscription is already active.");
        return;
    }
    if (api->holder_count == SP_WS_API_HOLDERS_MAX) {
        sp_rest_fail(call, 400, REST_UNKNOWN, "Too many subscriptions.");
        return;
    }
    struct sp_ws_holder holder = {.connection = connection,
                                  .account = call->account,
                                  .subscription = free_number(api, connection),
                                  .by_session = by_session};
    add_holder(api, &holder);
    sp_jtext_begin(call->body, '{');
    sp_jtext_put_int(call->body, "subscriptionId", holder.subscription);
    sp_jtext_end(call->body, '}');
}

static void subscribe_signed(struct sp_ws_api *api, uint64_t connection, struct sp_rest_call *call)
{
    const char *key = sp_rest_param(call->params, "apiKey");

    if (!sp_rest_take_weight(call, SUBSCRIBE_WEIGHT)) return;
    if (sp_rest_check_signed(call, key)) subscribe(api, connection, call, false);
}

static void subscribe_session(struct sp_ws_api *api, uint64_t connection, struct sp_rest_call *call)
{
    if (!sp_rest_take_weight(call, SUBSCRIBE_WEIGHT)) return;
    if (call->session == NULL) {
        sp_rest_fail(call, 401, REST_BAD_KEY, "Nobody has logged on here: session.logon.");
        return;
    }
    call->account = call->session->account;
    subscribe(api, connection, call, true);
}

static void end_holder(struct sp_ws_api *api, struct sp_ws_holder *holder)
{
    api->ended[api->ended_count++] = *holder;
    *holder = api->holders[--api->holder_count];
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
        end_holder(api, holder);
    }
    if (api->ended_count == 0) {
        sp_rest_fail(call, 400, -2036, "Subscription not active.");
        return;
    }
    sp_jtext_raw(call->body, "{}");
}

static void list_subscriptions(struct sp_ws_api *api, uint64_t connection,
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

void sp_ws_api_listen(struct sp_ws_api *api, uint64_t connection, const char *name,
                      size_t len_bytes, bool combined)
{
    int account = sp_listen_keys_account(&api->rest->listen_keys, name, len_bytes);
    struct sp_ws_holder holder = {.connection = connection, .combined = combined};

    if (account < 0 || api->holder_count == SP_WS_API_HOLDERS_MAX) return; /* as at Binance */
    if (holder_of(api, connection, (uint32_t)account) != NULL) return;
    holder.account = (uint32_t)account;
    memcpy(holder.listen_key, name, len_bytes);
    add_holder(api, &holder);
}

bool sp_ws_api_holds(const struct sp_ws_api *api, const struct sp_ws_holder *holder)
{
    const char *key = holder->listen_key;

    return key[0] == '\0' || sp_listen_keys_account(&api->rest->listen_keys, key, strlen(key)) >= 0;
}

void sp_ws_api_unlisten(struct sp_ws_api *api, const char *listen_key)
{
    for (uint32_t i = api->holder_count; i > 0; i--) {
        struct sp_ws_holder *holder = &api->holders[i - 1];
        if (strcmp(holder->listen_key, listen_key) == 0)
            *holder = api->holders[--api->holder_count];
    }
}

void sp_ws_api_leave(struct sp_ws_api *api, uint64_t connection)
{
    struct sp_ws_holder *holder = holder_of(api, connection, SP_VENUE_ACCOUNTS_MAX);

    while (holder != NULL) {
        *holder = api->holders[--api->holder_count];
        holder = holder_of(api, connection, SP_VENUE_ACCOUNTS_MAX);
    }
    forget_session(api, connection);
}

void sp_ws_api_wrap(struct sp_json_text *out, const struct sp_ws_holder *holder,
                    const struct sp_json_text *event)
{
    const char *text = event->text != NULL ? event->text : "{}";
    bool by_key = holder->listen_key[0] != '\0';

    sp_json_text_clear(out);
    if (by_key && !holder->combined) {
        sp_jtext_raw(out, text);
        return;
    }
    sp_jtext_begin(out, '{');
    if (by_key) {
        sp_jtext_put_string(out, "stream", holder->listen_key);
    } else {
        sp_jtext_put_int(out, "subscriptionId", holder->subscription);
    }
    sp_jtext_key(out, by_key ? "data" : "event");
    sp_jtext_raw(out, text);
    sp_jtext_end(out, '}');
}

/* What the session has subscribed ends with it. */
static void log_out(struct sp_ws_api *api, uint64_t connection, struct sp_rest_call *call)
{
    for (uint32_t i = 0; i < api->holder_count;) {
        struct sp_ws_holder *holder = &api->holders[i];
        bool ends = holder->connection == connection && holder->by_session;
        if (ends && api->ended_count < SP_VENUE_ACCOUNTS_MAX) {
            end_holder(api, holder);
        } else {
            i++;
        }
    }
    forget_session(api, connection);
    put_session(api, connection, call);
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

typedef void method_fn(struct sp_ws_api *api, uint64_t connection, struct sp_rest_call *call);

/* Those that are of a connection; all others are the REST face's. */
static method_fn *method_of(const char *method)
{
    static const struct {
        const char *name;
        method_fn *fn;
    } methods[] = {
        {"userDataStream.subscribe.signature", subscribe_signed},
        {"userDataStream.subscribe", subscribe_session},
        {"userDataStream.unsubscribe", unsubscribe},
        {"session.subscriptions", list_subscriptions},
        {"session.logon", log_on},
        {"session.status", put_session},
        {"session.logout", log_out},
    };

    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (strcmp(methods[i].name, method) == 0) return methods[i].fn;
    return NULL;
}

static void dispatch(struct sp_ws_api *api, uint64_t connection, const char *method,
                     struct sp_rest_call *call)
{
    const struct sp_ws_session *session = session_of(api, connection);
    method_fn *fn = method_of(method);

    sp_rest_begin(api->rest, call);
    call->session = session != NULL ? session->key : NULL;
    if (fn == NULL) {
        sp_rest_handle_method(api->rest, method, call);
    } else if (sp_rest_may_begin(call, method)) {
        fn(api, connection, call);
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
