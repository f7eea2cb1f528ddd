#include "services/venue/venue_io.h"

#include "common/turns.h"
#include "services/venue/api_io.h"
#include "services/venue/exchange.h"
#include "services/venue/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUBSCRIBERS_MAX  8
#define FILLS_PER_ANSWER 1000
#define OUR_ACCOUNT      0 /* of who speaks over the bus */
/* An order older than this when it is read is refused: it may have waited in a dead connection. */
#define RECEIVE_WINDOW_NS (1000 * SP_NS_PER_MS)

struct subscriber {
    struct sp_peer peer;
    uint64_t report_seq;
};

struct io {
    struct sp_service *service;
    struct sp_turns *turns;
    struct sp_venue_store *store;
    struct sp_api *api; /* NULL: not served */
    bool has_market;
    uint32_t subscriber_count;
    struct subscriber subscribers[SUBSCRIBERS_MAX];
    struct sp_market_event market;
    struct sp_venue_changes changes;
    struct sp_record answer;
    struct sp_metric *orders, *fills, *refused;
    struct sp_exchange exchange;
};

/* ---- Out ---- */

static void send(struct io *io, const struct sp_peer *peer, enum sp_kind kind)
{
    io->answer.kind = kind;
    io->answer.time = sp_clock_wall();
    SP_IGNORE(
        sp_bus_reply(io->service->bus, peer, &io->answer)); /* the asker has gone: it asks again */
    memset(&io->answer, 0, sizeof io->answer);
}

static void answer(struct io *io, const struct sp_peer *peer, uint64_t request_id, sp_status status,
                   const char *reason)
{
    struct sp_venue_answer *body = &io->answer.body.venue_answer;

    body->request_id = request_id;
    body->ok = status == SP_OK;
    body->venue_time = io->exchange.time;
    if (status != SP_OK) {
        body->status = sp_name_of(sp_status_name(status));
        sp_text_printf(&body->reason, "%s", reason);
    }
    send(io, peer, SP_REC_VENUE_ANSWER);
}

static void report_to(struct io *io, struct subscriber *to, const struct sp_venue_change *change)
{
    const struct sp_world_config *world = io->exchange.world;
    const struct sp_venue_order_row *order = &change->order;
    const struct sp_venue_fill_row *fill = &change->fill;
    struct sp_venue_report *body = &io->answer.body.venue_report;

    *body = (struct sp_venue_report){.report_seq = ++to->report_seq,
                                     .client_order_id = order->client_order_id,
                                     .venue_order_id = order->order_no,
                                     .symbol = world->instruments[order->instrument].symbol,
                                     .state = (uint8_t)order->state,
                                     .filled_qty = order->filled,
                                     .side = (uint8_t)order->side,
                                     .venue_time = order->updated,
                                     .reason = order->reason};
    if (fill->trade_no != 0) {
        body->venue_trade_id = fill->trade_no;
        body->px = fill->px;
        body->qty = fill->qty;
        body->fee = fill->fee;
        body->fee_asset = world->instruments[order->instrument].quote;
        body->liquidity = (uint8_t)fill->liquidity;
        body->market = fill->market;
    }
    send(io, &to->peer, SP_REC_VENUE_REPORT);
}

/* Truth first, then the news of it. False: the file failed, the service ends, nobody was told. */
static bool keep_changes(struct io *io)
{
    struct sp_err err = {0};

    if (io->changes.count == 0) return true;
    if (sp_venue_store_save(io->store, &io->exchange, &io->changes, &err) != SP_OK) {
        sp_service_fail(io->service, &err);
        return false;
    }
    return true;
}

/* That an order no longer waits is no change of its state. */
static bool is_for_us(const struct sp_venue_change *change)
{
    return change->order.account == OUR_ACCOUNT && !change->is_triggered;
}

static void report_changes(struct io *io)
{
    for (uint32_t i = 0; i < io->changes.count; i++) {
        if (io->changes.at[i].fill.trade_no != 0) sp_metric_add(io->fills, 1);
        if (!is_for_us(&io->changes.at[i])) continue;
        for (uint32_t s = 0; s < io->subscriber_count; s++) {
            report_to(io, &io->subscribers[s], &io->changes.at[i]);
        }
    }
    if (io->api != NULL) sp_api_report(io->api, &io->changes);
    io->changes.count = 0;
}

static void send_order_view(struct io *io, const struct sp_peer *peer, uint64_t request_id,
                            const struct sp_venue_order_row *row)
{
    io->answer.body.order_view =
        (struct sp_order_view){.request_id = request_id,
                               .client_order_id = row->client_order_id,
                               .venue_order_id = row->order_no,
                               .symbol = io->exchange.world->instruments[row->instrument].symbol,
                               .side = (uint8_t)row->side,
                               .type = (uint8_t)row->type,
                               .tif = (uint8_t)row->tif,
                               .state = (uint8_t)row->state,
                               .qty = row->qty,
                               .filled_qty = row->filled,
                               .px = row->px,
                               .stop_px = row->stop_px,
                               .pair = row->pair_client_order_id,
                               .reason = row->reason,
                               .updated = row->updated};
    send(io, peer, SP_REC_ORDER_VIEW);
}

/* ---- Requests ---- */

static void on_order(struct io *io, const struct sp_peer *peer, const struct sp_record *request)
{
    const struct sp_venue_order *order = &request->body.venue_order;
    sp_dur age = sp_wall_since(sp_clock_wall(), request->time);
    struct sp_venue_request wanted;
    struct sp_venue_placed placed = {0};
    struct sp_err err = {0};

    if (age.ns > RECEIVE_WINDOW_NS || age.ns < -RECEIVE_WINDOW_NS) {
        sp_metric_add(io->refused, 1);
        answer(io, peer, order->request_id, SP_REFUSED,
               "timestamp outside of the receive window of 1 s");
        return;
    }
    io->changes.count = 0;
    sp_status status = sp_exchange_read(&io->exchange, order, &wanted, &err);
    if (status == SP_OK) {
        status = sp_exchange_place(&io->exchange, &wanted, &io->changes, &placed, &err);
    }
    if (status != SP_OK) {
        sp_metric_add(io->refused, 1);
        answer(io, peer, order->request_id, status, err.text);
        return;
    }
    if (!keep_changes(io)) return;
    sp_metric_add(io->orders, 1);
    io->answer.body.venue_answer.venue_order_id = placed.order_no;
    io->answer.body.venue_answer.pair_venue_order_id = placed.pair_no;
    answer(io, peer, order->request_id, SP_OK, "");
    report_changes(io);
}

static void on_cancel(struct io *io, const struct sp_peer *peer, const struct sp_record *request)
{
    const struct sp_venue_cancel *cancel = &request->body.venue_cancel;
    const struct sp_venue_order_row *row =
        sp_exchange_open_order(&io->exchange, OUR_ACCOUNT, &cancel->client_order_id);
    struct sp_err err = {0};

    io->changes.count = 0;
    sp_status status =
        row != NULL ? sp_exchange_cancel(&io->exchange, row->order_no, NULL, &io->changes, &err)
                    : SP_FAIL(&err, SP_NOT_FOUND, "no open order %s", cancel->client_order_id.s);
    if (status == SP_OK && !keep_changes(io)) return;
    answer(io, peer, cancel->request_id, status, err.text);
    report_changes(io);
}

static void query_order(struct io *io, const struct sp_peer *peer,
                        const struct sp_venue_query *query)
{
    struct sp_venue_order_row row;
    struct sp_err err = {0};

    sp_status status =
        sp_venue_store_order(io->store, &io->exchange, &query->client_order_id, &row, &err);
    if (status == SP_OK) {
        send_order_view(io, peer, query->request_id, &row);
        io->answer.body.venue_answer.items = 1;
    }
    answer(io, peer, query->request_id, status, err.text);
}

struct fill_answer {
    struct io *io;
    const struct sp_peer *peer;
    uint64_t request_id;
    uint32_t count;
};

static void send_fill_view(void *ctx, const struct sp_venue_fill_row *row)
{
    struct fill_answer *to = ctx;
    const struct sp_instrument_config *instrument =
        &to->io->exchange.world->instruments[row->instrument];

    to->io->answer.body.fill_view = (struct sp_fill_view){.request_id = to->request_id,
                                                          .venue_trade_id = row->trade_no,
                                                          .client_order_id = row->client_order_id,
                                                          .venue_order_id = row->order_no,
                                                          .symbol = instrument->symbol,
                                                          .side = (uint8_t)row->side,
                                                          .px = row->px,
                                                          .qty = row->qty,
                                                          .fee = row->fee,
                                                          .fee_asset = instrument->quote,
                                                          .liquidity = (uint8_t)row->liquidity,
                                                          .venue_time = row->time};
    send(to->io, to->peer, SP_REC_FILL_VIEW);
    to->count++;
}

static void query_fills(struct io *io, const struct sp_peer *peer,
                        const struct sp_venue_query *query)
{
    struct fill_answer to = {.io = io, .peer = peer, .request_id = query->request_id};
    struct sp_err err = {0};

    struct sp_venue_span span = {.after = query->after_trade_id, .max = FILLS_PER_ANSWER};
    int instrument = sp_exchange_instrument(&io->exchange, &query->symbol);
    struct sp_venue_fill_query find = {.account = OUR_ACCOUNT,
                                       .instrument = (uint32_t)instrument,
                                       .from_no = query->after_trade_id + 1,
                                       .until = {INT64_MAX},
                                       .from_oldest = true,
                                       .max = FILLS_PER_ANSWER};
    bool of_all = query->symbol.s[0] == '\0';
    if (!of_all && instrument < 0) {
        answer(io, peer, query->request_id, SP_NOT_FOUND, "no such instrument");
        return;
    }
    sp_status status =
        of_all
            ? sp_venue_store_fills(io->store, &io->exchange, &span, send_fill_view, &to, &err)
            : sp_venue_store_find_fills(io->store, &io->exchange, &find, send_fill_view, &to, &err);
    io->answer.body.venue_answer.items = to.count;
    answer(io, peer, query->request_id, status, err.text);
}

static void query_open_orders(struct io *io, const struct sp_peer *peer,
                              const struct sp_venue_query *query)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < io->exchange.open_count; i++) {
        if (io->exchange.open[i].account != OUR_ACCOUNT) continue;
        send_order_view(io, peer, query->request_id, &io->exchange.open[i]);
        count++;
    }
    io->answer.body.venue_answer.items = count;
    answer(io, peer, query->request_id, SP_OK, "");
}

static void query_balances(struct io *io, const struct sp_peer *peer,
                           const struct sp_venue_query *query)
{
    const struct sp_venue_account *account = &io->exchange.accounts[OUR_ACCOUNT];

    for (uint32_t i = 0; i < account->balance_count; i++) {
        const struct sp_venue_balance *balance = &account->balances[i];
        sp_amt locked = sp_exchange_locked(&io->exchange, OUR_ACCOUNT, &balance->asset);
        io->answer.body.balance_view =
            (struct sp_balance_view){.request_id = query->request_id,
                                     .asset = balance->asset,
                                     .free = {balance->total.e8 - locked.e8},
                                     .locked = locked};
        send(io, peer, SP_REC_BALANCE_VIEW);
    }
    io->answer.body.venue_answer.items = account->balance_count;
    answer(io, peer, query->request_id, SP_OK, "");
}

/* As the engine has them, which is what it checks orders by. */
static void query_instruments(struct io *io, const struct sp_peer *peer,
                              const struct sp_venue_query *query)
{
    uint32_t count = io->exchange.world->instrument_count;

    for (uint32_t i = 0; i < count; i++) {
        const struct sp_instrument *instrument = &io->exchange.match[i].instrument;
        io->answer.body.venue_instrument =
            (struct sp_venue_instrument){.request_id = query->request_id,
                                         .symbol = instrument->symbol,
                                         .tick = instrument->tick,
                                         .step = instrument->step,
                                         .min_qty = instrument->min_qty,
                                         .min_value = instrument->min_value};
        send(io, peer, SP_REC_VENUE_INSTRUMENT);
    }
    io->answer.body.venue_answer.items = count;
    answer(io, peer, query->request_id, SP_OK, "");
}

static struct subscriber *subscriber_of(struct io *io, const struct sp_peer *peer)
{
    for (uint32_t i = 0; i < io->subscriber_count; i++) {
        const struct sp_peer *known = &io->subscribers[i].peer;
        if (known->len_bytes == peer->len_bytes &&
            memcmp(known->id, peer->id, peer->len_bytes) == 0)
            return &io->subscribers[i];
    }
    return NULL;
}

/* Answers with our epoch, by which a client sees that we were restarted, and with the number of its
 * last report, by which it sees that it has missed some though none came behind them. */
static void query_ping(struct io *io, const struct sp_peer *peer,
                       const struct sp_venue_query *query)
{
    const struct subscriber *asker = subscriber_of(io, peer);

    io->answer.body.venue_answer.items = io->service->role.epoch;
    if (asker != NULL) io->answer.body.venue_answer.reports = asker->report_seq;
    answer(io, peer, query->request_id, SP_OK, "");
}

/* The oldest subscriber makes room: a process that died leaves its entry behind. */
static void query_subscribe(struct io *io, const struct sp_peer *peer,
                            const struct sp_venue_query *query)
{
    if (subscriber_of(io, peer) != NULL) {
        query_ping(io, peer, query);
        return;
    }
    if (io->subscriber_count == SUBSCRIBERS_MAX) {
        memmove(&io->subscribers[0], &io->subscribers[1],
                (SUBSCRIBERS_MAX - 1) * sizeof *io->subscribers);
        io->subscriber_count--;
    }
    io->subscribers[io->subscriber_count++] = (struct subscriber){.peer = *peer};
    query_ping(io, peer, query);
}

static void on_query(struct io *io, const struct sp_peer *peer, const struct sp_record *request)
{
    static const struct {
        const char *what;
        void (*fn)(struct io *io, const struct sp_peer *peer, const struct sp_venue_query *query);
    } queries[] = {{"ping", query_ping},
                   {"subscribe", query_subscribe},
                   {"order", query_order},
                   {"open_orders", query_open_orders},
                   {"fills", query_fills},
                   {"balances", query_balances},
                   {"instruments", query_instruments}};
    const struct sp_venue_query *query = &request->body.venue_query;

    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        if (!sp_name_is(&query->what, queries[i].what)) continue;
        queries[i].fn(io, peer, query);
        return;
    }
    answer(io, peer, query->request_id, SP_UNSUPPORTED, "no such question");
}

static void on_request(void *ctx, const struct sp_peer *peer, const struct sp_record *request)
{
    struct sp_service *service = ctx;
    struct io *io = service->state;

    if (sp_turns_take(io->turns, peer, request)) return;
    if (request->kind == SP_REC_VENUE_ORDER) on_order(io, peer, request);
    if (request->kind == SP_REC_VENUE_CANCEL) on_cancel(io, peer, request);
    if (request->kind == SP_REC_VENUE_QUERY) on_query(io, peer, request);
}

/* ---- The market ---- */

static void on_market(void *ctx, const struct sp_record *record)
{
    struct io *io = ctx;
    const char *dot = strrchr(record->stream.s, '.');
    sp_name symbol = {{0}};

    if (dot == NULL || !sp_name_set(&symbol, dot + 1)) return;
    int instrument = sp_exchange_instrument(&io->exchange, &symbol);
    if (instrument < 0) return;
    io->has_market = true;
    io->market.time = record->time;
    io->market.kind = record->kind;
    memcpy(&io->market.body, &record->body, sp_schema_of(sp_kind_info(record->kind)->dto)->size);
    sp_exchange_market(&io->exchange, (uint32_t)instrument, &io->market, &io->changes);
    if (io->api != NULL) sp_api_market(io->api, (uint32_t)instrument, &io->market);
    sp_bus_set_market_time(io->service->bus, io->exchange.time);
    if (keep_changes(io)) report_changes(io);
}

static void on_market_notice(void *ctx, const struct sp_sub_notice *notice)
{
    (void)ctx;
    const char *next = notice->type == SP_SUB_SILENT ? "nothing is matched until it comes back"
                                                     : "matching goes on from what comes";
    sp_log(notice->type == SP_SUB_RESTORED ? SP_LOG_INFO : SP_LOG_WARN, "market_data",
           "stream=%s now=%s next=\"%s\"", notice->stream.s, sp_sub_notice_name(notice), next);
}

/* ---- Life ---- */

static sp_status subscribe(struct io *io, struct sp_err *err)
{
    const struct sp_world_config *world = io->exchange.world;
    sp_status status = SP_OK;

    for (uint32_t i = 0; i < world->feed.symbol_count && status == SP_OK; i++) {
        struct sp_subscription *sub = NULL;
        struct sp_sub_options options = {.stream = sp_world_stream(world, world->feed.symbols[i].s),
                                         .publisher = sp_name_of("marketdata"),
                                         .paced = world->feed.speed.e8 == 0,
                                         .on_record = on_market,
                                         .on_notice = on_market_notice,
                                         .ctx = io};
        status = sp_turns_subscribe(io->turns, io->service, &options, &sub, err);
    }
    return status;
}

static bool keep_api_changes(void *ctx)
{
    struct io *io = ctx;

    return keep_changes(io);
}

static bool keep_api_transfer(void *ctx, const struct sp_venue_transfer *row)
{
    struct io *io = ctx;
    struct sp_err err = {0};

    if (sp_venue_store_transfer(io->store, &io->exchange, row, &err) == SP_OK) return true;
    sp_service_fail(io->service, &err);
    return false;
}

static void report_api_changes(void *ctx)
{
    struct io *io = ctx;

    report_changes(io);
}

static sp_status serve_api(struct io *io, struct sp_err *err)
{
    struct sp_api_options options = {.loop = io->service->loop,
                                     .exchange = &io->exchange,
                                     .store = io->store,
                                     .changes = &io->changes,
                                     .ctx = io,
                                     .keep = keep_api_changes,
                                     .keep_transfer = keep_api_transfer,
                                     .report = report_api_changes};

    if (io->exchange.world->api_host[0] == '\0') return SP_OK;
    sp_status status = sp_api_open(&options, &io->api, err);
    if (status != SP_OK) return status;
    sp_log(SP_LOG_INFO, "serving", "url=http://%s:%u/api/v3", io->exchange.world->api_host,
           sp_api_port(io->api));
    return SP_OK;
}

static sp_status init(struct sp_service *service, struct sp_err *err)
{
    struct io *io = calloc(1, sizeof *io);
    char path[SP_PATH_SIZE + 16];

    if (io == NULL) return SP_FAIL(err, SP_NO_MEMORY, "venue");
    service->state = io;
    io->service = service;
    io->orders =
        sp_metrics_counter(service->metrics, "spoor_venue_orders_total", "", "orders taken");
    io->fills = sp_metrics_counter(service->metrics, "spoor_venue_fills_total", "", "executions");
    io->refused =
        sp_metrics_counter(service->metrics, "spoor_venue_refused_total", "", "orders refused");
    snprintf(path, sizeof path, "%s/venue.db", service->dir);
    sp_status status = sp_exchange_init(&io->exchange, sp_config_world(service->config), err);
    if (status == SP_OK) status = sp_venue_store_open(path, &io->store, err);
    if (status == SP_OK) status = sp_venue_store_load(io->store, &io->exchange, err);
    if (status == SP_OK) status = serve_api(io, err);
    struct sp_turns_options turns = {.service = service};
    if (status == SP_OK) status = sp_turns_open(&turns, &io->turns, err);
    if (status == SP_OK) status = subscribe(io, err);
    return status;
}

static bool is_ready(struct sp_service *service)
{
    const struct io *io = service->state;

    return io->has_market || sp_turns_has_market(io->turns);
}

static void fini(struct sp_service *service)
{
    struct io *io = service->state;

    sp_turns_close(io->turns);
    sp_api_close(io->api);
    sp_exchange_fini(&io->exchange);
    sp_venue_store_close(io->store);
    free(io);
    service->state = NULL;
}

const struct sp_service_spec sp_venue_spec = {
    .program = "spoor-venue",
    .about = "the practice exchange: matching and accounts, in a process of its own",
    .instance = "venue",
    .journal = false,
    .init = init,
    .is_ready = is_ready,
    .fini = fini,
    .on_request = on_request,
};
