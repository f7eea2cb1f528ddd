/* The older way to user data: keys that name a stream. */
#include "services/venue/rest_internal.h"

#define NS_PER_MS INT64_C(1000000)

void sp_rest_listen(struct sp_rest_call *call)
{
    int64_t now_ms = call->now.ns / NS_PER_MS;
    const char *key = sp_listen_keys_start(&call->rest->listen_keys, call->account, now_ms);

    if (key == NULL) {
        sp_rest_fail(call, 500, REST_UNKNOWN, "No listen key could be made.");
        return;
    }
    sp_jtext_begin(call->body, '{');
    sp_jtext_put_string(call->body, "listenKey", key);
    sp_jtext_end(call->body, '}');
}

static void answer(struct sp_rest_call *call, bool ok)
{
    if (ok) {
        sp_jtext_raw(call->body, "{}");
    } else {
        sp_rest_fail(call, 400, REST_NO_LISTEN_KEY, "This listenKey does not exist.");
    }
}

void sp_rest_listen_extend(struct sp_rest_call *call)
{
    const char *key = sp_rest_need(call, "listenKey");
    int64_t now_ms = call->now.ns / NS_PER_MS;

    if (key == NULL) return;
    answer(call, sp_listen_keys_extend(&call->rest->listen_keys, call->account, key, now_ms));
}

void sp_rest_listen_stop(struct sp_rest_call *call)
{
    const char *key = sp_rest_need(call, "listenKey");

    if (key != NULL)
        answer(call, sp_listen_keys_stop(&call->rest->listen_keys, call->account, key));
}
