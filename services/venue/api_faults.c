/* What goes wrong on purpose, at its places in the life of requests and events. */
#include "services/venue/api_internal.h"

#include "services/venue/rest_internal.h"

#include <stdlib.h>
#include <string.h>

#define HELD_MS 500 /* how long an event waits for the one that overtakes it, if not said */

/* ---- Requests ---- */

static int status_of(const struct sp_fault *fault, int usual)
{
    return fault->status > 0 ? fault->status : usual;
}

static const char timeout_text[] = "Timeout waiting for response from backend server. Send status "
                                   "unknown; execution status unknown.";
static const char unexpected_text[] =
    "An unexpected response was received from the message bus. Execution status unknown.";

static void refuse_limited(struct sp_api *api, struct sp_rest_call *call)
{
    int64_t until_ms = api->limited_until.ns / SP_NS_PER_MS;
    int64_t wait_ms = until_ms - call->now.ns / SP_NS_PER_MS;

    if (api->limited_status == 418) {
        sp_rest_refuse_banned(call, until_ms);
    } else {
        sp_rest_fail_limit(call, 429, wait_ms,
                           "Too much request weight used; current limit is %d request weight per 1 "
                           "MINUTE. Please use WebSocket Streams for live updates to avoid polling "
                           "the API.",
                           SP_REST_WEIGHT_MAX);
    }
}

static void stop_at_gate(struct sp_api *api, struct sp_rest_call *call,
                         const struct sp_fault *fault)
{
    switch ((int)fault->kind) {
    case SP_FAULT_DROP_REQUEST: call->fate = SP_REST_DROP; break;
    case SP_FAULT_ERROR_REFUSED:
        sp_rest_fail(call, status_of(fault, 500), REST_UNEXPECTED, "%s", unexpected_text);
        break;
    case SP_FAULT_TIMEOUT_REFUSED:
        sp_rest_fail(call, status_of(fault, 504), REST_TIMEOUT, "%s", timeout_text);
        break;
    case SP_FAULT_RATE_LIMIT:
    case SP_FAULT_BAN:
        api->limited_status = fault->kind == SP_FAULT_BAN ? 418 : 429;
        api->limited_until.ns = call->now.ns + fault->ms * SP_NS_PER_MS;
        refuse_limited(api, call);
        break;
    default:
        sp_rest_fail(call, status_of(fault, 503), REST_OVERLOADED,
                     "Server is currently overloaded with other requests. Please try again in a "
                     "few minutes.");
        break;
    }
}

bool sp_api_fault_before(void *ctx, struct sp_rest_call *call, const char *method)
{
    struct sp_api *api = ctx;
    struct sp_fault fault;

    if (call->now.ns < api->limited_until.ns) {
        refuse_limited(api, call);
        return false;
    }
    if (api->faults.count == 0) return true;
    if (sp_faults_draw(&api->faults, SP_FAULT_AT_GATE, method, &fault)) {
        stop_at_gate(api, call, &fault);
        return false;
    }
    if (!sp_faults_draw(&api->faults, SP_FAULT_AT_WAIT, method, &fault)) return true;
    call->fate = SP_REST_WAIT;
    call->fate_ms = fault.ms;
    return false;
}

void sp_api_fault_after(void *ctx, struct sp_rest_call *call, const char *method)
{
    struct sp_api *api = ctx;
    struct sp_fault fault;

    if (api->faults.count == 0) return;
    if (sp_faults_draw(&api->faults, SP_FAULT_AT_ORDER, method, &fault)) {
        call->events_first = true;
        call->fate = fault.ms > 0 ? SP_REST_LATE : SP_REST_ANSWER;
        call->fate_ms = fault.ms;
    }
    if (!sp_faults_draw(&api->faults, SP_FAULT_AT_REPLY, method, &fault)) return;
    switch ((int)fault.kind) {
    case SP_FAULT_DROP_REPLY: call->fate = SP_REST_DROP; break;
    case SP_FAULT_NO_REPLY: call->fate = SP_REST_SILENT; break;
    case SP_FAULT_TIMEOUT:
        sp_rest_answer_instead(call, status_of(&fault, 504), REST_TIMEOUT, timeout_text);
        break;
    case SP_FAULT_ERROR_EXECUTED:
        sp_rest_answer_instead(call, status_of(&fault, 500), REST_UNEXPECTED, unexpected_text);
        break;
    default:
        call->fate = SP_REST_LATE;
        call->fate_ms = fault.ms;
        break;
    }
}

bool sp_api_fault_hides(void *ctx, uint64_t order_no)
{
    struct sp_api *api = ctx;
    const struct sp_api_seen *seen = &api->seen[order_no % SP_API_SEEN_MAX];
    int64_t age_ns = seen->order_no == order_no     ? sp_mono_since(sp_clock_mono(), seen->at).ns
                     : order_no > api->last_seen_no ? 0
                                                    : INT64_MAX;

    for (uint32_t i = 0; i < api->faults.count; i++) {
        const struct sp_fault *rule = &api->faults.at[i];
        struct sp_fault fault;
        if (rule->kind != SP_FAULT_QUERY_LAG || age_ns >= rule->ms * SP_NS_PER_MS) continue;
        return sp_faults_draw(&api->faults, SP_FAULT_AT_QUERY, "order.status", &fault);
    }
    return false;
}

/* ---- Events ---- */

/* A text that is on its way to a connection; of an event, to an account. */
struct parcel {
    uint64_t connection;
    char text[];
};

static void deliver_parcel(void *ctx, const void *bytes, size_t len_bytes)
{
    const struct parcel *parcel = bytes;

    sp_api_send(ctx, parcel->connection, parcel->text, len_bytes - sizeof *parcel);
}

static void send_late(struct sp_api *api, uint64_t to, int64_t ms, struct sp_bytes text,
                      sp_later_fn *fn)
{
    struct parcel *parcel = malloc(sizeof *parcel + text.len_bytes);

    if (parcel == NULL) return;
    parcel->connection = to;
    memcpy(parcel->text, text.at, text.len_bytes);
    struct sp_later_item item = {.after = {ms * SP_NS_PER_MS},
                                 .fn = fn,
                                 .ctx = api,
                                 .bytes = parcel,
                                 .len_bytes = sizeof *parcel + text.len_bytes};
    SP_IGNORE(sp_later_add(api->later, &item)); /* an event that is lost is a fault as well */
    free(parcel);
}

void sp_api_fault_market(struct sp_api *api, uint64_t connection, const char *text,
                         size_t len_bytes)
{
    struct sp_fault fault;

    if (!sp_faults_draw(&api->faults, SP_FAULT_AT_EVENT, "market", &fault)) {
        sp_api_send(api, connection, text, len_bytes);
        return;
    }
    switch ((int)fault.kind) {
    case SP_FAULT_LOSE_EVENT: return;
    case SP_FAULT_DROP_STREAM: sp_http_drop(api->server, connection); return;
    case SP_FAULT_DUPLICATE_EVENT:
        sp_api_send(api, connection, text, len_bytes);
        sp_api_send(api, connection, text, len_bytes);
        return;
    default:
        send_late(api, connection, fault.ms > 0 ? fault.ms : HELD_MS,
                  (struct sp_bytes){text, len_bytes}, deliver_parcel);
        return;
    }
}

/* An event that is on its way to who holds the account. */
static void tell_late(void *ctx, const void *bytes, size_t len_bytes)
{
    struct parcel *own = malloc(len_bytes); /* with its NUL */

    if (own == NULL) return;
    memcpy(own, bytes, len_bytes);
    struct sp_json_text event = {.text = own->text, .len_bytes = len_bytes - sizeof *own - 1};
    sp_api_tell(ctx, (uint32_t)own->connection, &event);
    free(own);
}

static void tell_held(struct sp_api *api)
{
    if (api->held.len_bytes == 0) return;
    sp_api_tell(api, api->held_account, &api->held);
    sp_json_text_clear(&api->held);
}

static void on_held_long(void *ctx, const void *bytes, size_t len_bytes)
{
    (void)bytes;
    (void)len_bytes;
    tell_held(ctx);
}

static void hold(struct sp_api *api, uint32_t account, int64_t ms)
{
    struct sp_later_item item = {.after = {(ms > 0 ? ms : HELD_MS) * SP_NS_PER_MS},
                                 .fn = on_held_long,
                                 .ctx = api};

    tell_held(api);
    sp_jtext_raw(&api->held, api->event.text);
    api->held_account = account;
    if (sp_later_add(api->later, &item) != SP_OK) tell_held(api);
}

void sp_api_fault_event(struct sp_api *api, uint32_t account, const char *type)
{
    struct sp_fault fault;

    if (api->event.failed) return;
    if (!sp_faults_draw(&api->faults, SP_FAULT_AT_EVENT, type, &fault)) {
        sp_api_tell(api, account, &api->event);
        tell_held(api); /* it was overtaken */
        return;
    }
    switch ((int)fault.kind) {
    case SP_FAULT_DUPLICATE_EVENT:
        sp_api_tell(api, account, &api->event);
        sp_api_tell(api, account, &api->event);
        break;
    case SP_FAULT_LATE_EVENT:
        send_late(api, account, fault.ms,
                  (struct sp_bytes){api->event.text, api->event.len_bytes + 1}, tell_late);
        break;
    case SP_FAULT_REORDER_EVENT: hold(api, account, fault.ms); break;
    case SP_FAULT_DROP_STREAM:
        for (uint32_t i = 0; i < api->ws.holder_count; i++) {
            const struct sp_ws_holder *holder = &api->ws.holders[i];
            if (holder->account == account) sp_http_drop(api->server, holder->connection);
        }
        break;
    default: break;
    }
}
