/* What goes out without being asked for: user data, market streams, good-byes. */
#include "services/venue/api_internal.h"

#include "services/venue/user_data.h"

#include <string.h>

void sp_api_send(struct sp_api *api, uint64_t connection, const char *text, size_t len_bytes)
{
    /* Who does not read has been cut off; on_closed will come. */
    SP_IGNORE(sp_http_send_text(api->server, connection, text, len_bytes));
}

void sp_api_send_json(struct sp_api *api, uint64_t connection, const struct sp_json_text *json)
{
    if (!json->failed) sp_api_send(api, connection, json->text, json->len_bytes);
}

void sp_api_tell(struct sp_api *api, uint32_t account, const struct sp_json_text *event)
{
    for (uint32_t i = 0; i < api->ws.holder_count; i++) {
        const struct sp_ws_holder *holder = &api->ws.holders[i];
        if (holder->account != account || !sp_ws_api_holds(&api->ws, holder)) continue;
        sp_ws_api_wrap(&api->wrapped, holder, event);
        sp_api_send_json(api, holder->connection, &api->wrapped);
    }
}

void sp_api_tell_ended(struct sp_api *api)
{
    sp_json_text_clear(&api->event);
    sp_jtext_begin(&api->event, '{');
    sp_jtext_put_string(&api->event, "e", "eventStreamTerminated");
    sp_jtext_put_ms(&api->event, "E", sp_api_now(api));
    sp_jtext_end(&api->event, '}');
    for (uint32_t i = 0; i < api->ws.ended_count; i++) {
        sp_ws_api_wrap(&api->wrapped, &api->ws.ended[i], &api->event);
        sp_api_send_json(api, api->ws.ended[i].connection, &api->wrapped);
    }
    api->ws.ended_count = 0;
}

void sp_api_expire_keys(struct sp_api *api)
{
    sp_wall now = sp_api_now(api);
    struct sp_listen_key key;
    uint32_t account = 0;

    while (sp_listen_keys_expire(&api->rest.listen_keys, now.ns / SP_NS_PER_MS, &account, &key)) {
        sp_json_text_clear(&api->event);
        sp_jtext_begin(&api->event, '{');
        sp_jtext_put_string(&api->event, "e", "listenKeyExpired");
        sp_jtext_put_ms(&api->event, "E", now);
        sp_jtext_put_string(&api->event, "listenKey", key.text);
        sp_jtext_end(&api->event, '}');
        for (uint32_t i = 0; i < api->ws.holder_count; i++) {
            const struct sp_ws_holder *holder = &api->ws.holders[i];
            if (strcmp(holder->listen_key, key.text) != 0) continue;
            sp_ws_api_wrap(&api->wrapped, holder, &api->event);
            sp_api_send_json(api, holder->connection, &api->wrapped);
        }
        sp_ws_api_unlisten(&api->ws, key.text);
    }
}

static void tell(struct sp_api *api, uint32_t account, const char *type)
{
    if (sp_faults_any(&api->faults, SP_FAULT_AT_EVENT) || api->held.len_bytes > 0) {
        sp_api_fault_event(api, account, type);
    } else {
        sp_api_tell(api, account, &api->event);
    }
}

/* Orders are told of in the order of their numbers. */
static void note_order(struct sp_api *api, uint64_t order_no)
{
    if (order_no <= api->last_seen_no) return;
    api->last_seen_no = order_no;
    api->seen[order_no % SP_API_SEEN_MAX] = (struct sp_api_seen){order_no, sp_clock_mono()};
}

static void tell_positions(struct sp_api *api, const struct sp_venue_changes *changes, sp_wall now)
{
    struct sp_exchange *x = api->options.exchange;
    bool changed[SP_VENUE_ACCOUNTS_MAX][SP_SYMBOLS_MAX] = {{false}};

    for (uint32_t i = 0; i < changes->count; i++) {
        const struct sp_venue_order_row *order = &changes->at[i].order;
        const struct sp_instrument_config *instrument = &x->world->instruments[order->instrument];
        if (changed[order->account][order->instrument]) continue;
        changed[order->account][order->instrument] = true;
        sp_user_data_position(&api->event, x, order->account, &instrument->base, &instrument->quote,
                              now);
        tell(api, order->account, "outboundAccountPosition");
    }
}

/* Of each list that was taken or has ended, once: by the last of its legs among the changes. */
static void tell_lists(struct sp_api *api, const struct sp_venue_changes *changes, sp_wall now)
{
    const struct sp_exchange *x = api->options.exchange;

    for (uint32_t i = 0; i < changes->count; i++) {
        const struct sp_venue_change *change = &changes->at[i];
        const struct sp_venue_order_row *leg = &change->order;
        bool ended = leg->state >= SP_ORDER_STATE_FILLED;
        bool is_last = leg->list_no != 0 && (ended || change->is_new);
        for (uint32_t k = i + 1; k < changes->count && is_last; k++)
            is_last = changes->at[k].order.list_no != leg->list_no;
        if (!is_last) continue;
        bool is_done = ended && sp_exchange_order(x, leg->pair_no) == NULL;
        if (!is_done && !change->is_new) continue;
        sp_user_data_list(&api->event, x, leg, is_done, now);
        tell(api, leg->account, "listStatus");
    }
}

void sp_api_report(struct sp_api *api, const struct sp_venue_changes *changes)
{
    sp_wall now = sp_api_now(api);

    sp_rest_note_changes(&api->rest, changes);
    for (uint32_t i = 0; i < changes->count; i++) {
        note_order(api, changes->at[i].order.order_no);
        if (api->ws.holder_count == 0) continue;
        sp_user_data_report(&api->event, api->options.exchange, &changes->at[i],
                            ++api->execution_id, now);
        tell(api, changes->at[i].order.account, "executionReport");
    }
    if (api->ws.holder_count == 0) return;
    tell_lists(api, changes, now);
    tell_positions(api, changes, now);
}

void sp_api_report_transfer(struct sp_api *api, const struct sp_venue_transfer *transfer)
{
    sp_wall now = sp_api_now(api);

    if (api->ws.holder_count == 0) return;
    sp_user_data_balance(&api->event, &transfer->asset, transfer->amount, now);
    tell(api, transfer->account, "balanceUpdate");
    sp_user_data_position(&api->event, api->options.exchange, transfer->account, &transfer->asset,
                          NULL, now);
    tell(api, transfer->account, "outboundAccountPosition");
}

void sp_api_market(struct sp_api *api, uint32_t instrument, const struct sp_market_event *event)
{
    if (event->kind == SP_REC_TRADE) {
        sp_market_view_trade(&api->views[instrument], &event->body.trade, event->time);
    }
    sp_streams_market(api->streams, instrument, event);
}

/* The event in api->event, wrapped as that connection has its events. */
static void say(struct sp_api *api, const struct sp_api_socket *socket)
{
    struct sp_json_text *wrapped = &api->wrapped;

    if (socket->is_market && !sp_streams_is_combined(api->streams, socket->connection)) {
        sp_api_send_json(api, socket->connection, &api->event);
        return;
    }
    sp_json_text_clear(wrapped);
    sp_jtext_begin(wrapped, '{');
    if (socket->is_market) sp_jtext_put_string(wrapped, "stream", "!serverShutdown");
    sp_jtext_key(wrapped, socket->is_market ? "data" : "event");
    sp_jtext_raw(wrapped, api->event.text != NULL ? api->event.text : "{}");
    sp_jtext_end(wrapped, '}');
    sp_api_send_json(api, socket->connection, wrapped);
}

void sp_api_say_shutdown(struct sp_api *api)
{
    struct sp_json_text *event = &api->event;

    sp_json_text_clear(event);
    sp_jtext_begin(event, '{');
    sp_jtext_put_string(event, "e", "serverShutdown");
    sp_jtext_put_ms(event, "E", sp_api_now(api));
    sp_jtext_end(event, '}');
    for (uint32_t i = 0; i < api->socket_count; i++) {
        say(api, &api->sockets[i]);
        api->sockets[i].told = true;
    }
}

bool sp_api_cut(struct sp_api *api, const char *which)
{
    bool all = strcmp(which, "all") == 0, told = strcmp(which, "told") == 0;
    bool user = all || strcmp(which, "user") == 0;
    bool market = all || strcmp(which, "market") == 0;

    for (uint32_t i = 0; i < api->socket_count; i++) {
        const struct sp_api_socket *socket = &api->sockets[i];
        if ((told && socket->told) || (socket->is_market ? market : user))
            sp_http_drop(api->server, socket->connection);
    }
    return user || market || told;
}
