/* A day and more of both streams of Binance in virtual time: each connection is replaced before the
 * venue ends it, nothing is missed and nothing is told twice, although the old connection is behind
 * the new one. The clock, the loop, the sockets and the answers are the test's own. */
#include "common/clock.h"
#include "common/http/http_client.h"
#include "common/http/socket_client.h"
#include "common/venue/binance.h"
#include "common/venue/binance_keys.h"
#include "common/venue/binance_stream.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HOUR_NS     (INT64_C(3600) * SP_NS_PER_S)
#define START_NS    (INT64_C(1000) * SP_NS_PER_S)
#define WALL_NS     (INT64_C(1700000000) * SP_NS_PER_S)
#define EVERY_NS    (2 * SP_NS_PER_S) /* an event */
#define LAG_NS      (3 * SP_NS_PER_S) /* of every other connection */
#define SOCKETS_MAX 64
#define ASKS_MAX    16
#define EVENTS_MAX  200000

struct sp_socket_client {
    struct sp_socket_callbacks callbacks;
    bool used, open, subscribed, closed;
    int64_t opened, lag;
    int64_t subscribe_id; /* to be answered */
    uint32_t next;        /* event */
};

static struct {
    int64_t now, tick_every, next_tick;
    sp_loop_fn *fn;
    void *ctx;
    bool is_market, refuses;
    uint32_t socket_count, ended_by_venue, ask_count;
    struct sp_socket_client sockets[SOCKETS_MAX];
    struct {
        char path[64];
        void *ctx;
        void (*on_answer)(void *ctx, const struct sp_http_answer *answer);
    } asks[ASKS_MAX];
    /* What the adapter told. */
    uint32_t ups, downs, gaps, told, twice, last;
    uint64_t report_seq;
    uint8_t seen[EVENTS_MAX];
} f;

/* ---- What stands in for the rest ---- */

sp_mono __wrap_sp_clock_mono(void);
sp_mono __wrap_sp_clock_mono(void)
{
    return (sp_mono){f.now};
}

sp_wall __wrap_sp_clock_wall(void);
sp_wall __wrap_sp_clock_wall(void)
{
    return (sp_wall){WALL_NS + f.now};
}

sp_status __wrap_sp_loop_add_timer(struct sp_loop *loop, sp_dur first, sp_dur every, sp_loop_fn *fn,
                                   void *ctx, struct sp_timer **out);
sp_status __wrap_sp_loop_add_timer(struct sp_loop *loop, sp_dur first, sp_dur every, sp_loop_fn *fn,
                                   void *ctx, struct sp_timer **out)
{
    (void)loop;
    (void)first;
    f.fn = fn;
    f.ctx = ctx;
    f.tick_every = every.ns;
    f.next_tick = f.now;
    *out = NULL;
    return SP_OK;
}

sp_status __wrap_sp_http_client_open(struct sp_loop *loop, const char *ca_file,
                                     struct sp_http_client **out, struct sp_err *err);
sp_status __wrap_sp_http_client_open(struct sp_loop *loop, const char *ca_file,
                                     struct sp_http_client **out, struct sp_err *err)
{
    (void)loop;
    (void)ca_file;
    (void)err;
    *out = NULL;
    return SP_OK;
}

sp_status __wrap_sp_http_client_ask(struct sp_http_client *client, const struct sp_http_ask *ask,
                                    struct sp_err *err);
sp_status __wrap_sp_http_client_ask(struct sp_http_client *client, const struct sp_http_ask *ask,
                                    struct sp_err *err)
{
    (void)client;
    (void)err;
    assert_true(f.ask_count < ASKS_MAX);
    snprintf(f.asks[f.ask_count].path, sizeof f.asks[0].path, "%s", ask->path);
    f.asks[f.ask_count].ctx = ask->ctx;
    f.asks[f.ask_count++].on_answer = ask->on_answer;
    return SP_OK;
}

sp_status __wrap_sp_binance_keys_open(const char *path, struct sp_binance_keys **out,
                                      struct sp_err *err);
sp_status __wrap_sp_binance_keys_open(const char *path, struct sp_binance_keys **out,
                                      struct sp_err *err)
{
    (void)path;
    (void)err;
    *out = NULL;
    return SP_OK;
}

const char *__wrap_sp_binance_keys_api_key(const struct sp_binance_keys *keys);
const char *__wrap_sp_binance_keys_api_key(const struct sp_binance_keys *keys)
{
    (void)keys;
    return "key";
}

sp_status __wrap_sp_binance_keys_sign(const struct sp_binance_keys *keys, const char *text,
                                      size_t len_bytes, char *hex, struct sp_err *err);
sp_status __wrap_sp_binance_keys_sign(const struct sp_binance_keys *keys, const char *text,
                                      size_t len_bytes, char *hex, struct sp_err *err)
{
    (void)keys;
    (void)text;
    (void)len_bytes;
    (void)err;
    memset(hex, 'a', 64);
    hex[64] = '\0';
    return SP_OK;
}

sp_status __wrap_sp_socket_open(struct sp_http_client *client, const char *base, const char *path,
                                const struct sp_socket_callbacks *callbacks,
                                struct sp_socket_client **out, struct sp_err *err);
sp_status __wrap_sp_socket_open(struct sp_http_client *client, const char *base, const char *path,
                                const struct sp_socket_callbacks *callbacks,
                                struct sp_socket_client **out, struct sp_err *err)
{
    (void)client;
    (void)base;
    (void)path;
    (void)err;
    assert_true(f.socket_count < SOCKETS_MAX);
    *out = &f.sockets[f.socket_count];
    **out = (struct sp_socket_client){.callbacks = *callbacks,
                                      .used = true,
                                      .opened = f.now,
                                      .lag = f.socket_count % 2 == 0 ? LAG_NS : 0};
    f.socket_count++;
    return SP_OK;
}

bool __wrap_sp_socket_text(struct sp_socket_client *socket, const char *text, size_t len_bytes);
bool __wrap_sp_socket_text(struct sp_socket_client *socket, const char *text, size_t len_bytes)
{
    (void)len_bytes;
    assert_int_equal(sscanf(text, "{\"id\":%" SCNd64, &socket->subscribe_id), 1);
    return true;
}

bool __wrap_sp_socket_ping(struct sp_socket_client *socket);
bool __wrap_sp_socket_ping(struct sp_socket_client *socket)
{
    return !socket->closed;
}

sp_mono __wrap_sp_socket_heard(const struct sp_socket_client *socket);
sp_mono __wrap_sp_socket_heard(const struct sp_socket_client *socket)
{
    (void)socket;
    return (sp_mono){f.now}; /* it answers every ping */
}

void __wrap_sp_socket_close(struct sp_socket_client *socket);
void __wrap_sp_socket_close(struct sp_socket_client *socket)
{
    if (socket != NULL) socket->closed = true;
}

/* ---- The venue ---- */

static uint32_t events_until(int64_t time)
{
    return time < START_NS ? 0 : (uint32_t)((time - START_NS) / EVERY_NS);
}

static void answer(uint32_t i)
{
    char body[640];
    struct sp_http_answer told = {.status = 200,
                                  .sent = true,
                                  .failure = "",
                                  .head = "",
                                  .asked = sp_clock_wall(),
                                  .answered = sp_clock_wall(),
                                  .body = body};
    const char *path = f.asks[i].path;

    if (strcmp(path, "/api/v3/time") == 0) {
        snprintf(body, sizeof body, "{\"serverTime\":%" PRId64 "}",
                 sp_clock_wall().ns / SP_NS_PER_MS);
    } else if (strcmp(path, "/api/v3/exchangeInfo") == 0) {
        snprintf(body, sizeof body,
                 "{\"serverTime\":1,\"symbols\":[{\"symbol\":\"BTCUSDT\",\"status\":\"TRADING\","
                 "\"baseAsset\":\"BTC\",\"quoteAsset\":\"USDT\",\"filters\":["
                 "{\"filterType\":\"PRICE_FILTER\",\"minPrice\":\"0.01\",\"tickSize\":\"0.01\"},"
                 "{\"filterType\":\"LOT_SIZE\",\"minQty\":\"0.00001\",\"stepSize\":\"0.00001\"},"
                 "{\"filterType\":\"NOTIONAL\",\"minNotional\":\"5\"}]}]}");
    } else {
        snprintf(body, sizeof body,
                 "{\"ipRestrict\":false,\"enableWithdrawals\":false,"
                 "\"enableSpotAndMarginTrading\":true}");
    }
    told.body_bytes = strlen(body);
    f.asks[i].on_answer(f.asks[i].ctx, &told);
}

static void push(struct sp_socket_client *socket, uint32_t event)
{
    char text[512];
    int64_t ms = (WALL_NS + START_NS + event * EVERY_NS) / SP_NS_PER_MS;

    if (f.is_market) {
        snprintf(text, sizeof text,
                 "{\"stream\":\"btcusdt@trade\",\"data\":{\"e\":\"trade\",\"E\":%" PRId64
                 ",\"s\":\"BTCUSDT\",\"t\":%u,\"p\":\"50000.00\",\"q\":\"0.1\",\"T\":%" PRId64
                 ",\"m\":false,\"M\":true}}",
                 ms, event, ms);
    } else {
        snprintf(text, sizeof text,
                 "{\"subscriptionId\":0,\"event\":{\"e\":\"executionReport\",\"E\":%" PRId64
                 ",\"s\":\"BTCUSDT\",\"c\":\"s1\",\"S\":\"BUY\",\"o\":\"LIMIT\",\"f\":\"GTC\","
                 "\"q\":\"9\",\"p\":\"1\",\"C\":\"\",\"x\":\"TRADE\",\"X\":\"PARTIALLY_FILLED\","
                 "\"r\":\"NONE\",\"i\":7,\"l\":\"0.5\",\"z\":\"0.5\",\"L\":\"1\",\"n\":\"0\","
                 "\"N\":\"USDT\",\"T\":%" PRId64 ",\"t\":%u,\"I\":8641984,\"m\":true}}",
                 ms, ms, event);
    }
    socket->callbacks.on_text(socket->callbacks.ctx, text, strlen(text));
}

static void subscribe(struct sp_socket_client *socket)
{
    char text[160];

    snprintf(text, sizeof text,
             f.refuses ? "{\"id\":%" PRId64
                         ",\"status\":400,\"error\":{\"code\":-1,\"msg\":\"no\"}}"
                       : "{\"id\":%" PRId64 ",\"status\":200,\"result\":{\"subscriptionId\":0}}",
             socket->subscribe_id);
    socket->subscribe_id = 0;
    socket->subscribed = !f.refuses;
    socket->next = events_until(f.now) + 1;
    socket->callbacks.on_text(socket->callbacks.ctx, text, strlen(text));
}

/* Half a second after it was asked for a connection is there; after a day it is ended. */
static void serve(struct sp_socket_client *socket)
{
    if (!socket->closed && !socket->open && f.now - socket->opened >= SP_NS_PER_S / 2) {
        socket->open = true;
        socket->next = events_until(f.now) + 1;
        socket->subscribed = f.is_market;
        socket->callbacks.on_open(socket->callbacks.ctx);
    }
    if (!socket->closed && socket->subscribe_id != 0) subscribe(socket);
    while (!socket->closed && socket->subscribed &&
           socket->next <= events_until(f.now - socket->lag))
        push(socket, socket->next++);
    if (!socket->closed && f.now - socket->opened >= 24 * HOUR_NS) {
        f.ended_by_venue++;
        socket->callbacks.on_end(socket->callbacks.ctx, "a day is over");
    }
}

static void pass(int64_t ns)
{
    int64_t end = f.now + ns;

    while (f.now < end) {
        f.fn(f.ctx);
        uint32_t asked = f.ask_count; /* an answer may ask the next */
        for (uint32_t i = 0; i < asked; i++)
            answer(i);
        f.ask_count -= asked;
        memmove(f.asks, f.asks + asked, f.ask_count * sizeof *f.asks);
        for (uint32_t i = 0; i < f.socket_count; i++)
            serve(&f.sockets[i]);
        f.now += f.tick_every;
    }
}

static uint32_t live_sockets(void)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < f.socket_count; i++)
        count += !f.sockets[i].closed;
    return count;
}

static void begin(bool is_market)
{
    memset(&f, 0, sizeof f);
    f.now = START_NS;
    f.is_market = is_market;
}

/* Each event since `first` once; those of the last seconds may still come. */
static void check_told(uint32_t first)
{
    assert_int_equal(f.twice, 0);
    for (uint32_t event = first; event < events_until(f.now - 2 * LAG_NS); event++) {
        if (f.seen[event] != 1) fail_msg("event %u of %u was missed", event, events_until(f.now));
    }
}

static void see(uint64_t event)
{
    assert_true(event < EVENTS_MAX);
    f.told++;
    f.twice += f.seen[event] > 0;
    f.seen[event] = 1;
    f.last = (uint32_t)event;
}

/* ---- User data ---- */

static void on_up(void *ctx, uint32_t generation)
{
    (void)ctx;
    f.ups++;
    f.report_seq = 0;
    assert_int_equal(generation, f.ups);
}

static void on_down(void *ctx, const char *reason)
{
    (void)ctx;
    (void)reason;
    f.downs++;
}

static void on_message(void *ctx, const struct sp_record *message)
{
    (void)ctx;
    if (message->kind != SP_REC_VENUE_REPORT) return;
    assert_int_equal(message->body.venue_report.report_seq, ++f.report_seq);
    see(message->body.venue_report.venue_trade_id);
}

static struct sp_venue *open_user(struct sp_world_config *world)
{
    struct sp_venue_callbacks callbacks = {.on_up = on_up,
                                           .on_down = on_down,
                                           .on_message = on_message};
    struct sp_binance_options options = {.world = world, .reports = true, .weight_percent = 60};
    struct sp_venue *venue = NULL;

    begin(false);
    world->binance.absence.ns = 45 * SP_NS_PER_S;
    world->binance.renew.ns = 23 * HOUR_NS;
    assert_int_equal(sp_venue_open_binance(NULL, &options, &callbacks, &venue, NULL), SP_OK);
    pass(10 * SP_NS_PER_S);
    assert_int_equal(f.ups, 1);
    return venue;
}

static void test_binance_renewal_user_data_overlap_without_a_hole(void **state)
{
    static struct sp_world_config world;

    (void)state;
    struct sp_venue *venue = open_user(&world);
    pass(22 * HOUR_NS);
    assert_int_equal(f.socket_count, 1);
    pass(HOUR_NS - 8 * SP_NS_PER_S);
    assert_int_equal(f.socket_count, 2);
    assert_int_equal(live_sockets(), 2); /* both, for a while */
    pass(10 * SP_NS_PER_S);
    assert_int_equal(live_sockets(), 1);
    assert_true(f.sockets[0].closed);
    pass(50 * HOUR_NS);
    assert_int_equal(f.socket_count, 4);
    assert_int_equal(f.downs, 0);
    assert_int_equal(f.ended_by_venue, 0);
    check_told(10);
    sp_venue_close(venue);
}

/* The first goes on while no second one comes about, until its day is over. */
static void test_binance_renewal_user_data_go_on_while_none_replaces_them(void **state)
{
    static struct sp_world_config world;

    (void)state;
    struct sp_venue *venue = open_user(&world);
    f.refuses = true;
    pass(23 * HOUR_NS + 900 * SP_NS_PER_S);
    assert_int_equal(f.downs, 0);
    assert_in_range(f.socket_count, 5, 60); /* later and later */
    assert_int_equal(live_sockets(), 1);
    check_told(10);
    f.refuses = false;
    pass(200 * SP_NS_PER_S);
    assert_int_equal(live_sockets(), 1);
    assert_true(f.sockets[0].closed);
    assert_int_equal(f.downs, 0);
    assert_int_equal(f.ended_by_venue, 0);
    check_told(10);
    sp_venue_close(venue);
}

/* The old one ends while both are there: nothing is lost, so nobody is told. */
static void test_binance_renewal_user_data_survive_the_end_of_one(void **state)
{
    static struct sp_world_config world;

    (void)state;
    struct sp_venue *venue = open_user(&world);
    pass(23 * HOUR_NS - 8 * SP_NS_PER_S);
    assert_int_equal(live_sockets(), 2);
    f.sockets[0].callbacks.on_end(f.sockets[0].callbacks.ctx, "cut");
    pass(60 * SP_NS_PER_S);
    assert_int_equal(f.downs, 0);
    assert_int_equal(live_sockets(), 1);
    f.sockets[1].callbacks.on_end(f.sockets[1].callbacks.ctx, "cut");
    assert_int_equal(f.downs, 1);
    pass(60 * SP_NS_PER_S);
    assert_int_equal(f.ups, 2);
    sp_venue_close(venue);
}

/* ---- Market streams ---- */

static struct sp_source source;

static void on_data(void *ctx)
{
    struct sp_market_event event;

    (void)ctx;
    while (sp_source_next(&source, &event, NULL) == SP_OK) {
        if (event.kind == SP_REC_DATA_GAP) f.gaps++;
        if (event.kind != SP_REC_TRADE) continue;
        assert_true(f.last == 0 || event.body.trade.trade_id == f.last + 1); /* in order */
        see(event.body.trade.trade_id);
    }
}

static bool is_book_right(void *ctx, uint32_t symbol)
{
    (void)ctx;
    (void)symbol;
    return true;
}

static void test_binance_renewal_market_streams_overlap_without_a_hole(void **state)
{
    struct sp_instrument btc = {.symbol = sp_name_of("BTCUSDT"),
                                .base = sp_name_of("BTC"),
                                .quote = sp_name_of("USDT"),
                                .tick = {1000000},
                                .step = {1000},
                                .min_qty = {1000},
                                .min_value = {500000000}};
    struct sp_binance_stream_options options = {.rest = "http://127.0.0.1:1",
                                                .stream = "ws://127.0.0.1:1",
                                                .instrument_count = 1,
                                                .instruments = &btc,
                                                .weight_percent = 20,
                                                .life = {23 * HOUR_NS},
                                                .on_data = on_data,
                                                .is_book_right = is_book_right};
    struct sp_binance_stream *stream = NULL;

    (void)state;
    begin(true);
    assert_int_equal(sp_binance_stream_open(NULL, &options, &stream, &source, NULL), SP_OK);
    pass(22 * HOUR_NS);
    assert_int_equal(f.socket_count, 1);
    pass(2 * HOUR_NS);
    assert_int_equal(f.socket_count, 2);
    assert_int_equal(live_sockets(), 1);
    pass(50 * HOUR_NS);
    assert_int_equal(f.socket_count, 4);
    assert_int_equal(sp_binance_stream_stats(stream).replaced, 3);
    assert_int_equal(f.gaps, 0);
    assert_int_equal(f.ended_by_venue, 0);
    check_told(10);
    sp_source_close(&source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_binance_renewal_user_data_overlap_without_a_hole),
        cmocka_unit_test(test_binance_renewal_user_data_go_on_while_none_replaces_them),
        cmocka_unit_test(test_binance_renewal_user_data_survive_the_end_of_one),
        cmocka_unit_test(test_binance_renewal_market_streams_overlap_without_a_hole),
    };

    return cmocka_run_group_tests_name("binance_renewal", tests, NULL, NULL);
}
