/* How many orders a second the practice exchange's core takes, without socket, text or file.
 *
 *   rest    one limit order placed and cancelled, beside nine that rest (two orders of work)
 *   take    an immediate order that trades against the book as seen
 *   match   the matching engine alone: rest and take in turn
 *
 * The first two are sp_exchange: the checks of money and filters, the matching, the accounts and
 * the list of changes. Prints the best of ROUNDS; judges nothing. bench-match [--json]
 */
#include "common/clock.h"
#include "services/venue/exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ONE    SP_FX_ONE
#define ROUNDS 5
#define COUNT  200000
#define DEPTH  9

static struct sp_exchange *x;
static struct sp_venue_changes *changes;
static struct sp_world_config world;
static uint64_t taken;

static void must(bool ok, const char *what)
{
    if (ok) return;
    fprintf(stderr, "bench-match: %s failed\n", what);
    exit(1);
}

/* The touch that everything trades against. */
static void quote(void)
{
    struct sp_market_event event = {.time = {1}, .kind = SP_REC_QUOTE};

    event.body.quote = (struct sp_quote){.bid_px = {999 * ONE},
                                         .bid_qty = {1000000 * ONE},
                                         .ask_px = {1000 * ONE},
                                         .ask_qty = {1000000 * ONE}};
    sp_exchange_market(x, 0, &event, changes);
}

static void open_exchange(void)
{
    x = calloc(1, sizeof *x);
    changes = calloc(1, sizeof *changes);
    must(x != NULL && changes != NULL, "memory");
    world = (struct sp_world_config){.venue = sp_name_of("paper"),
                                     .instrument_count = 1,
                                     .balance_count = 2,
                                     .fee_maker = {ONE / 2000},
                                     .fee_taker = {ONE / 1000}};
    world.instruments[0] = (struct sp_instrument_config){.symbol = sp_name_of("BTCUSDT"),
                                                         .base = sp_name_of("BTC"),
                                                         .quote = sp_name_of("USDT"),
                                                         .tick = {1000000},
                                                         .step = {1000},
                                                         .min_qty = {1000},
                                                         .min_value = {5 * ONE}};
    world.balances[0] = (struct sp_balance_config){sp_name_of("USDT"), {1000000000 * ONE}};
    world.balances[1] = (struct sp_balance_config){sp_name_of("BTC"), {1000000 * ONE}};
    must(sp_exchange_init(x, &world, NULL) == SP_OK, "exchange");
    quote();
}

static struct sp_venue_order request(uint64_t number, enum sp_side side, int64_t px)
{
    struct sp_venue_order order = {.request_id = number,
                                   .symbol = sp_name_of("BTCUSDT"),
                                   .side = (uint8_t)side,
                                   .type = SP_ORDER_TYPE_LIMIT,
                                   .tif = SP_TIF_GTC,
                                   .qty = {ONE / 100},
                                   .px = {px}};

    snprintf(order.client_order_id.s, sizeof order.client_order_id.s, "bench-%" PRIu64, number);
    return order;
}

/* Returns the venue's number of it. */
static uint64_t place(const struct sp_venue_order *order)
{
    struct sp_venue_request wanted;
    struct sp_venue_placed placed = {0};

    must(sp_exchange_read(x, order, &wanted, NULL) == SP_OK, "read");
    must(sp_exchange_place(x, &wanted, changes, &placed, NULL) == SP_OK, "place");
    return placed.order_no;
}

/* ---- What is measured ---- */

static void fill_book(void)
{
    for (uint64_t i = 0; i < DEPTH; i++) {
        struct sp_venue_order order = request(i + 1, SP_SIDE_BUY, (900 - (int64_t)i) * ONE);
        place(&order);
    }
}

static void rest(void)
{
    struct sp_venue_order order = request(1000, SP_SIDE_BUY, 950 * ONE);

    for (uint64_t i = 0; i < COUNT / 2; i++) {
        uint64_t number = place(&order);
        must(sp_exchange_cancel(x, number, NULL, changes, NULL) == SP_OK, "cancel");
    }
}

static void take(void)
{
    struct sp_venue_order orders[2] = {request(2000, SP_SIDE_BUY, 1000 * ONE),
                                       request(2001, SP_SIDE_SELL, 999 * ONE)};

    for (uint64_t i = 0; i < COUNT; i++) {
        if (i % 1000 == 0) quote(); /* what was taken is there again */
        orders[i % 2].tif = SP_TIF_IOC;
        place(&orders[i % 2]);
        must(changes->at[changes->count - 1].order.state == SP_ORDER_STATE_FILLED, "fill");
    }
}

static void match(void)
{
    static struct sp_match_events events;
    struct sp_match *engine = &x->match[0];
    struct sp_match_order order = {.type = SP_ORDER_TYPE_LIMIT, .qty = {ONE / 100}};

    for (uint64_t i = 0; i < COUNT / 2; i++) {
        if (i % 1000 == 0) quote();
        order.order_no = (UINT64_C(1) << 40) + ++taken;
        order.side = SP_SIDE_BUY;
        order.px = (sp_px){950 * ONE};
        order.tif = SP_TIF_GTC;
        sp_match_place(engine, &order, &events);
        must(sp_match_cancel(engine, order.order_no, &events, NULL) == SP_OK, "cancel");
        order.order_no = (UINT64_C(1) << 40) + ++taken;
        order.px = (sp_px){1000 * ONE};
        order.tif = SP_TIF_IOC;
        sp_match_place(engine, &order, &events);
        must(events.count == 2, "fill");
    }
}

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * SP_NS_PER_S + t.tv_nsec;
}

static void measure(const char *name, void (*fn)(void), uint64_t orders, bool json)
{
    int64_t best = INT64_MAX;

    for (int round = 0; round < ROUNDS; round++) {
        int64_t began = now_ns();
        fn();
        int64_t took = now_ns() - began;
        if (took < best) best = took;
    }
    double ns = (double)best / (double)orders;
    if (json) {
        printf("{\"name\":\"%s\",\"orders_per_s\":%.0f,\"ns\":%.1f}\n", name, 1e9 / ns, ns);
    } else {
        printf("%-6s %9.0f orders/s, %6.1f ns each\n", name, 1e9 / ns, ns);
    }
}

int main(int argc, char **argv)
{
    bool json = argc > 1 && strcmp(argv[1], "--json") == 0;

    open_exchange();
    fill_book();
    measure("rest", rest, COUNT, json);
    measure("take", take, COUNT, json);
    measure("match", match, COUNT + COUNT / 2, json);
    sp_exchange_fini(x);
    free(x);
    free(changes);
    return 0;
}
