#include "services/venue/api_io.h"

#include "common/clock.h"

#include <stdlib.h>

struct sp_api {
    struct sp_api_options options;
    struct sp_http_server *server;
    struct sp_rest rest;
    struct sp_json_text body;
    struct sp_market_view views[SP_SYMBOLS_MAX];
};

static void on_request(void *ctx, const struct sp_http_request *request)
{
    struct sp_api *api = ctx;
    struct sp_rest_call call = {.now = sp_clock_wall(),
                                .body = &api->body,
                                .changes = api->options.changes};

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

sp_status sp_api_open(const struct sp_api_options *options, struct sp_api **out, struct sp_err *err)
{
    const struct sp_world_config *world = options->exchange->world;
    struct sp_http_handlers handlers = {.on_request = on_request};
    struct sp_http_options http = {.host = world->api_host, .port = world->api_port};
    struct sp_api *api = calloc(1, sizeof *api);

    if (api == NULL) return SP_FAIL(err, SP_NO_MEMORY, "venue api");
    api->options = *options;
    handlers.ctx = api;
    for (uint32_t i = 0; i < world->instrument_count; i++)
        sp_market_view_init(&api->views[i]);
    sp_rest_init(&api->rest, options->exchange, options->store, api->views);
    sp_status status = sp_rest_load_keys(&api->rest, world->api_keys, err);
    if (status == SP_OK) {
        status = sp_http_server_open(options->loop, &http, &handlers, &api->server, err);
    }
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
    sp_http_server_close(api->server);
    sp_json_text_free(&api->body);
    free(api);
}

uint16_t sp_api_port(const struct sp_api *api)
{
    return sp_http_server_port(api->server);
}

void sp_api_market(struct sp_api *api, uint32_t instrument, const struct sp_market_event *event)
{
    if (event->kind != SP_REC_TRADE) return;
    sp_market_view_trade(&api->views[instrument], &event->body.trade, event->time);
}
