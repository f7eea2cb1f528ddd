#include "services/venue/api_internal.h"

#include "services/venue/parked.h"
#include "services/venue/stream_control.h"

#include <stdlib.h>
#include <string.h>

#define TICK_NS             SP_NS_PER_S
#define CONNECTIONS_MAX     300 /* of an address, in five minutes */
#define CONNECTIONS_SPAN_MS 300000
#define MESSAGES_MAX        5 /* of a connection that follows streams, in a second */
#define POLICY_VIOLATION    1008
#define GOING_AWAY          1001
#define LIFETIME_MS         (24 * INT64_C(3600000)) /* of a WebSocket */

/* ---- Answers ---- */

static void send_reply(struct sp_api *api, uint64_t connection, const struct sp_http_reply *reply)
{
    SP_IGNORE(sp_http_reply(api->server, connection, reply)); /* gone: it asks again */
}

/* A reply that waits: status, then the body. */
struct late_reply {
    uint64_t connection;
    bool is_socket;
    int status;
    char body[];
};

static void send_late(void *ctx, const void *bytes, size_t len_bytes)
{
    struct sp_api *api = ctx;
    const struct late_reply *late = bytes;
    struct sp_http_reply reply = {.status = late->status,
                                  .body = late->body,
                                  .body_bytes = len_bytes - sizeof *late};

    if (late->is_socket) {
        sp_api_send(api, late->connection, reply.body, reply.body_bytes);
    } else {
        send_reply(api, late->connection, &reply);
    }
}

static void answer_late(struct sp_api *api, uint64_t connection, const struct sp_rest_call *call)
{
    struct late_reply *late = malloc(sizeof *late + api->body.len_bytes);

    if (late == NULL) return;
    *late = (struct late_reply){connection, call->is_socket, call->status};
    memcpy(late->body, api->body.text, api->body.len_bytes);
    struct sp_later_item item = {.after = {call->fate_ms * SP_NS_PER_MS},
                                 .fn = send_late,
                                 .ctx = api,
                                 .bytes = late,
                                 .len_bytes = sizeof *late + api->body.len_bytes};
    SP_IGNORE(sp_later_add(api->later, &item)); /* else the asker waits in vain, as it may */
    free(late);
}

static void answer(struct sp_api *api, uint64_t connection, const struct sp_rest_call *call)
{
    if (call->fate == SP_REST_DROP) {
        sp_http_drop(api->server, connection);
    } else if (call->fate == SP_REST_LATE && !api->body.failed) {
        answer_late(api, connection, call);
    } else if (call->fate == SP_REST_SILENT) {
        return;
    } else if (call->is_socket) {
        sp_api_send_json(api, connection, &api->body);
    } else {
        struct sp_http_reply reply = {.status = call->status,
                                      .header_count = call->header_count,
                                      .headers = call->headers,
                                      .body = api->body.text,
                                      .body_bytes = api->body.len_bytes};
        if (api->body.failed) reply = (struct sp_http_reply){.status = 500};
        send_reply(api, connection, &reply);
    }
}

/* Truth first, then the answer, then the news: unless the call says otherwise. */
static void conclude(struct sp_api *api, uint64_t connection, const struct sp_rest_call *call)
{
    const struct sp_api_options *options = &api->options;

    if (call->changes->count > 0 && !options->keep(options->ctx)) return;
    if (call->events_first) options->report(options->ctx);
    answer(api, connection, call);
    sp_api_tell_ended(api);
    if (!call->events_first) options->report(options->ctx);
}

/* ---- Requests ---- */

static void wait(struct sp_api *api, const struct sp_http_request *request, int64_t ms,
                 sp_later_fn *fn)
{
    size_t len_bytes = 0;
    void *parked = sp_parked_pack(request, &len_bytes);
    struct sp_later_item item = {.after = {ms * SP_NS_PER_MS},
                                 .fn = fn,
                                 .ctx = api,
                                 .bytes = parked,
                                 .len_bytes = len_bytes};

    if (parked == NULL || sp_later_add(api->later, &item) != SP_OK) {
        sp_http_drop(api->server, request->connection);
    }
    free(parked);
}

static void carry_out(struct sp_api *api, const struct sp_http_request *request, bool has_waited);

static void carry_out_parked(void *ctx, const void *bytes, size_t len_bytes)
{
    struct sp_http_header headers[SP_HTTP_HEADERS_MAX];
    struct sp_http_request request;

    (void)len_bytes;
    sp_parked_unpack(bytes, &request, headers);
    carry_out(ctx, &request, true);
}

static void carry_out(struct sp_api *api, const struct sp_http_request *request, bool has_waited)
{
    struct sp_rest_call call = {.now = sp_api_now(api),
                                .body = &api->body,
                                .changes = api->options.changes,
                                .has_waited = has_waited};

    sp_rest_handle(&api->rest, request, &call);
    if (call.fate == SP_REST_WAIT) {
        wait(api, request, call.fate_ms, carry_out_parked);
    } else {
        conclude(api, request->connection, &call);
    }
}

static void leave(struct sp_api *api, uint64_t connection)
{
    sp_streams_leave(api->streams, connection);
    sp_ws_api_leave(&api->ws, connection);
    for (uint32_t i = 0; i < api->socket_count; i++) {
        if (api->sockets[i].connection != connection) continue;
        api->sockets[i] = api->sockets[--api->socket_count];
        return;
    }
}

static void on_request(void *ctx, const struct sp_http_request *request)
{
    struct sp_api *api = ctx;

    leave(api, request->connection); /* a handshake that failed */
    if (request->connection == api->refused_connection) {
        struct sp_http_reply reply = {.status = 429, .type = "text/plain"};
        api->refused_connection = 0;
        send_reply(api, request->connection, &reply);
    } else if (sp_control_is_path(api, request->path)) {
        sp_control_handle(api, request);
    } else {
        carry_out(api, request, false);
    }
}

/* ---- WebSockets ---- */

void sp_api_reset_limits(struct sp_api *api)
{
    api->connections_max = CONNECTIONS_MAX;
    api->messages_max = MESSAGES_MAX;
    api->lifetime_ms = LIFETIME_MS;
}

/* Spans are aligned. */
SP_NODISCARD static bool may_connect(struct sp_api *api)
{
    int64_t begin_ms = sp_api_now(api).ns / SP_NS_PER_MS / CONNECTIONS_SPAN_MS;

    if (begin_ms != api->connections_begin_ms) api->connections = 0;
    api->connections_begin_ms = begin_ms;
    if (api->connections >= api->connections_max) return false;
    api->connections++;
    return true;
}

/* False: it sent too many messages within a second, and was told so and closed. */
SP_NODISCARD static bool may_speak(struct sp_api *api, uint64_t connection)
{
    int64_t second = sp_clock_mono().ns / SP_NS_PER_S;

    for (uint32_t i = 0; i < api->socket_count; i++) {
        struct sp_api_socket *socket = &api->sockets[i];
        if (socket->connection != connection) continue;
        if (socket->second != second) socket->messages = 0;
        socket->second = second;
        if (++socket->messages <= api->messages_max) return true;
        sp_http_close_socket(api->server, connection, POLICY_VIOLATION);
        return false;
    }
    return true;
}

SP_NODISCARD static bool join(struct sp_api *api, uint64_t connection, bool is_market)
{
    if (api->socket_count == api->socket_room) {
        uint32_t room = 2 * api->socket_room + 16;
        struct sp_api_socket *sockets = realloc(api->sockets, room * sizeof *sockets);
        if (sockets == NULL) return false;
        api->sockets = sockets;
        api->socket_room = room;
    }
    api->sockets[api->socket_count++] = (struct sp_api_socket){.connection = connection,
                                                               .is_market = is_market,
                                                               .since = sp_clock_mono(),
                                                               .connected = sp_api_now(api)};
    return true;
}

/* User data by listen keys, which stand in the path as streams do. */
static void listen_to_keys(struct sp_api *api, const struct sp_http_request *request, bool combined)
{
    const char *at = combined ? request->query : request->path;

    at += strcspn(at, combined ? "=" : "/");
    while (*at != '\0') {
        size_t len = strcspn(++at, "/&");
        sp_ws_api_listen(&api->ws, request->connection, at, len, combined);
        at += len;
    }
}

static bool on_upgrade(void *ctx, const struct sp_http_request *request)
{
    struct sp_api *api = ctx;
    bool combined = strcmp(request->path, "/stream") == 0;
    bool raw = strcmp(request->path, "/ws") == 0 || strncmp(request->path, "/ws/", 4) == 0;

    bool requests = strcmp(request->path, "/ws-api/v3") == 0;
    if (!combined && !raw && !requests) return false;
    if (!may_connect(api)) {
        api->refused_connection = request->connection;
        return false;
    }
    if (requests) return join(api, request->connection, false);
    if (sp_streams_join(api->streams, request->connection, combined) != SP_OK) return false;
    sp_stream_control_path(api->streams, request->connection, request->path, request->query);
    listen_to_keys(api, request, combined);
    return join(api, request->connection, true);
}

static void handle_text(struct sp_api *api, uint64_t connection, const char *text, size_t len_bytes,
                        bool has_waited);

static void handle_parked_text(void *ctx, const void *bytes, size_t len_bytes)
{
    struct sp_http_header headers[SP_HTTP_HEADERS_MAX];
    struct sp_http_request request;

    (void)len_bytes;
    sp_parked_unpack(bytes, &request, headers);
    handle_text(ctx, request.connection, request.body, request.body_bytes, true);
}

static void handle_text(struct sp_api *api, uint64_t connection, const char *text, size_t len_bytes,
                        bool has_waited)
{
    struct sp_rest_call call = {.now = sp_api_now(api),
                                .body = &api->body,
                                .changes = api->options.changes,
                                .has_waited = has_waited};

    for (uint32_t i = 0; i < api->socket_count; i++)
        if (api->sockets[i].connection == connection) call.connected = api->sockets[i].connected;
    sp_ws_api_handle(&api->ws, connection, text, len_bytes, &call);
    if (call.fate == SP_REST_WAIT) {
        struct sp_http_request request = {.connection = connection,
                                          .path = "",
                                          .query = "",
                                          .body = text,
                                          .body_bytes = len_bytes};
        wait(api, &request, call.fate_ms, handle_parked_text);
    } else {
        conclude(api, connection, &call);
    }
}

static void on_text(void *ctx, uint64_t connection, const char *text, size_t len_bytes)
{
    struct sp_api *api = ctx;

    if (sp_streams_has(api->streams, connection)) {
        if (!may_speak(api, connection)) return;
        sp_stream_control_handle(api->streams, connection, text, len_bytes, &api->body);
        sp_api_send_json(api, connection, &api->body);
    } else {
        handle_text(api, connection, text, len_bytes, false);
    }
}

/* Pings and pongs count among the messages of who follows streams. */
static void on_control(void *ctx, uint64_t connection)
{
    struct sp_api *api = ctx;

    if (sp_streams_has(api->streams, connection)) SP_IGNORE(!may_speak(api, connection)); /* told */
}

static void on_closed(void *ctx, uint64_t connection)
{
    leave(ctx, connection);
}

static void on_stream_text(void *ctx, uint64_t connection, const char *text, size_t len_bytes)
{
    struct sp_api *api = ctx;

    if (api->faults.count > 0) {
        sp_api_fault_market(api, connection, text, len_bytes);
    } else {
        sp_api_send(api, connection, text, len_bytes);
    }
}

/* A connection lasts a day. */
static void end_old_sockets(struct sp_api *api)
{
    sp_mono now = sp_clock_mono();

    for (uint32_t i = 0; i < api->socket_count; i++) {
        const struct sp_api_socket *socket = &api->sockets[i];
        if (sp_mono_since(now, socket->since).ns < api->lifetime_ms * SP_NS_PER_MS) continue;
        sp_http_close_socket(api->server, socket->connection, GOING_AWAY);
    }
}

static void on_tick(void *ctx)
{
    struct sp_api *api = ctx;

    sp_streams_tick(api->streams);
    sp_api_expire_keys(api);
    end_old_sockets(api);
}

/* ---- Life ---- */

static sp_status serve(struct sp_api *api, struct sp_err *err)
{
    const struct sp_world_config *world = api->options.exchange->world;
    struct sp_http_handlers handlers = {.ctx = api,
                                        .on_request = on_request,
                                        .on_upgrade = on_upgrade,
                                        .on_text = on_text,
                                        .on_control = on_control,
                                        .on_closed = on_closed};
    struct sp_http_options http = {.host = world->api_host, .port = world->api_port};
    struct sp_streams_options streams = {.exchange = api->options.exchange,
                                         .views = api->views,
                                         .send = on_stream_text,
                                         .ctx = api};
    sp_dur every = {TICK_NS};

    sp_status status = sp_rest_load_keys(&api->rest, world->api_keys, err);
    if (status == SP_OK && world->api_control[0] != '\0') {
        status = sp_control_load_token(api, world->api_control, err);
    }
    if (status == SP_OK) status = sp_later_open(api->options.loop, &api->later, err);
    if (status == SP_OK) status = sp_streams_open(&streams, &api->streams, err);
    if (status == SP_OK) {
        status = sp_http_server_open(api->options.loop, &http, &handlers, &api->server, err);
    }
    if (status != SP_OK) return status;
    return sp_loop_add_timer(api->options.loop, every, every, on_tick, api, &api->timer);
}

sp_status sp_api_open(const struct sp_api_options *options, struct sp_api **out, struct sp_err *err)
{
    struct sp_api *api = calloc(1, sizeof *api);

    if (api == NULL) return SP_FAIL(err, SP_NO_MEMORY, "venue api");
    api->options = *options;
    api->execution_id = (uint64_t)sp_clock_wall().ns / 1000;
    api->last_seen_no = options->exchange->last_order_no;
    for (uint32_t i = 0; i < SP_SYMBOLS_MAX; i++)
        sp_market_view_init(&api->views[i]);
    sp_api_reset_limits(api);
    sp_rest_init(&api->rest, options->exchange, options->store, api->views);
    api->rest.hooks = (struct sp_rest_hooks){.ctx = api,
                                             .before = sp_api_fault_before,
                                             .after = sp_api_fault_after,
                                             .hides = sp_api_fault_hides};
    api->ws.rest = &api->rest;
    sp_status status = serve(api, err);
    if (status != SP_OK) {
        sp_api_close(api);
        return status;
    }
    *out = api;
    return SP_OK;
}

void sp_api_close(struct sp_api *api)
{
    if (api == NULL) return;
    if (api->server != NULL) sp_api_say_shutdown(api);
    sp_timer_cancel(api->timer);
    sp_later_close(api->later);
    sp_http_server_close(api->server);
    sp_streams_close(api->streams);
    sp_json_text_free(&api->body);
    sp_json_text_free(&api->event);
    sp_json_text_free(&api->wrapped);
    sp_json_text_free(&api->held);
    sp_json_text_free(&api->ws.result);
    free(api->sockets);
    free(api);
}

uint16_t sp_api_port(const struct sp_api *api)
{
    return sp_http_server_port(api->server);
}
