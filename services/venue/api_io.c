#include "services/venue/api_io.h"

#include "common/clock.h"
#include "services/venue/stream_control.h"
#include "services/venue/user_data.h"
#include "services/venue/ws_api.h"

#include <stdlib.h>
#include <string.h>

#define TICK_NS SP_NS_PER_S

struct sp_api {
    struct sp_api_options options;
    struct sp_http_server *server;
    struct sp_timer *timer;
    struct sp_streams *streams;
    struct sp_rest rest;
    struct sp_ws_api ws;
    struct sp_json_text body, event, wrapped;
    uint64_t execution_id; /* of the last report; begins with the clock, so never used twice */
    struct sp_market_view views[SP_SYMBOLS_MAX];
};

/* ---- Requests ---- */

static void on_request(void *ctx, const struct sp_http_request *request)
{
    struct sp_api *api = ctx;
    struct sp_rest_call call = {.now = sp_clock_wall(),
                                .body = &api->body,
                                .changes = api->options.changes};

    sp_streams_leave(api->streams, request->connection); /* a handshake that failed */
    sp_rest_handle(&api->rest, request, &call);
    if (call.changes->count > 0 && !api->options.keep(api->options.ctx)) return;
    struct sp_http_reply reply = {.status = call.status,
                                  .header_count = call.header_count,
                                  .headers = call.headers,
                                  .body = api->body.text,
                                  .body_bytes = api->body.len_bytes};
    if (api->body.failed) reply = (struct sp_http_reply){.status = 500};
    SP_IGNORE(sp_http_reply(api->server, request->connection, &reply)); /* gone: it asks again */
    api->options.report(api->options.ctx);
}

static bool on_upgrade(void *ctx, const struct sp_http_request *request)
{
    struct sp_api *api = ctx;
    bool combined = strcmp(request->path, "/stream") == 0;
    bool raw = strcmp(request->path, "/ws") == 0 || strncmp(request->path, "/ws/", 4) == 0;

    if (strcmp(request->path, "/ws-api/v3") == 0) return true;
    if (!combined && !raw) return false;
    if (sp_streams_join(api->streams, request->connection, combined) != SP_OK) return false;
    sp_stream_control_path(api->streams, request->connection, request->path, request->query);
    return true;
}

static void send_text(void *ctx, uint64_t connection, const char *text, size_t len_bytes)
{
    struct sp_api *api = ctx;

    /* Who does not read has been cut off; on_closed will come. */
    SP_IGNORE(sp_http_send_text(api->server, connection, text, len_bytes));
}

static void send_json(struct sp_api *api, uint64_t connection, const struct sp_json_text *json)
{
    if (!json->failed) send_text(api, connection, json->text, json->len_bytes);
}

static void on_text(void *ctx, uint64_t connection, const char *text, size_t len_bytes)
{
    struct sp_api *api = ctx;
    struct sp_rest_call call = {.now = sp_clock_wall(),
                                .body = &api->body,
                                .changes = api->options.changes};

    if (sp_streams_has(api->streams, connection)) {
        sp_stream_control_handle(api->streams, connection, text, len_bytes, &api->body);
        send_json(api, connection, &api->body);
        return;
    }
    sp_ws_api_handle(&api->ws, connection, text, len_bytes, &call);
    if (call.changes->count > 0 && !api->options.keep(api->options.ctx)) return;
    send_json(api, connection, &api->body);
    api->options.report(api->options.ctx);
}

static void on_closed(void *ctx, uint64_t connection)
{
    struct sp_api *api = ctx;

    sp_streams_leave(api->streams, connection);
    sp_ws_api_leave(&api->ws, connection);
}

/* ---- News ---- */

static void tell_holders(struct sp_api *api)
{
    for (uint32_t i = 0; i < api->ws.holder_count; i++) {
        sp_ws_api_wrap(&api->wrapped, &api->ws.holders[i], &api->event);
        send_json(api, api->ws.holders[i].connection, &api->wrapped);
    }
}

void sp_api_report(struct sp_api *api, const struct sp_venue_changes *changes)
{
    sp_wall now = sp_clock_wall();
    bool changed[SP_SYMBOLS_MAX] = {false};

    if (api->ws.holder_count == 0) return;
    for (uint32_t i = 0; i < changes->count; i++) {
        changed[changes->at[i].order.instrument] = true;
        sp_user_data_report(&api->event, api->options.exchange, &changes->at[i],
                            ++api->execution_id, now);
        tell_holders(api);
    }
    for (uint32_t i = 0; i < SP_SYMBOLS_MAX; i++) {
        if (!changed[i]) continue;
        sp_user_data_position(&api->event, api->options.exchange, i, now);
        tell_holders(api);
    }
}

void sp_api_market(struct sp_api *api, uint32_t instrument, const struct sp_market_event *event)
{
    if (event->kind == SP_REC_TRADE) {
        sp_market_view_trade(&api->views[instrument], &event->body.trade, event->time);
    }
    sp_streams_market(api->streams, instrument, event);
}

static void on_tick(void *ctx)
{
    struct sp_api *api = ctx;

    sp_streams_tick(api->streams);
}

/* ---- Life ---- */

static sp_status serve(struct sp_api *api, struct sp_err *err)
{
    const struct sp_world_config *world = api->options.exchange->world;
    struct sp_http_handlers handlers = {.ctx = api,
                                        .on_request = on_request,
                                        .on_upgrade = on_upgrade,
                                        .on_text = on_text,
                                        .on_closed = on_closed};
    struct sp_http_options http = {.host = world->api_host, .port = world->api_port};
    struct sp_streams_options streams = {.exchange = api->options.exchange,
                                         .views = api->views,
                                         .send = send_text,
                                         .ctx = api};
    sp_dur every = {TICK_NS};

    sp_status status = sp_rest_load_keys(&api->rest, world->api_keys, err);
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
    for (uint32_t i = 0; i < SP_SYMBOLS_MAX; i++)
        sp_market_view_init(&api->views[i]);
    sp_rest_init(&api->rest, options->exchange, options->store, api->views);
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
    sp_timer_cancel(api->timer);
    sp_http_server_close(api->server);
    sp_streams_close(api->streams);
    sp_json_text_free(&api->body);
    sp_json_text_free(&api->event);
    sp_json_text_free(&api->wrapped);
    sp_json_text_free(&api->ws.result);
    free(api);
}

uint16_t sp_api_port(const struct sp_api *api)
{
    return sp_http_server_port(api->server);
}
