#include "services/execution/books_answer.h"

#include "common/clock.h"
#include "services/execution/limits.h"

#include <string.h>

#define FILL_VIEWS_MAX 512 /* of each instrument */

struct answer {
    struct sp_bus *bus;
    const struct sp_peer *peer;
    uint64_t request_id;
    struct sp_record frame;
};

static void reply(struct answer *answer, enum sp_kind kind)
{
    answer->frame.kind = kind;
    answer->frame.time = sp_clock_wall();
    SP_IGNORE(sp_bus_reply(answer->bus, answer->peer, &answer->frame)); /* the asker has gone */
    memset(&answer->frame, 0, sizeof answer->frame);
}

static void send_order_views(struct answer *answer, const struct sp_books *books)
{
    for (uint32_t i = 0; i < books->live_count; i++) {
        const struct sp_order *order = sp_books_live(books, i);
        answer->frame.body.order_view =
            (struct sp_order_view){.request_id = answer->request_id,
                                   .client_order_id = order->intent.client_order_id,
                                   .venue_order_id = order->venue_order_id,
                                   .symbol = order->intent.symbol,
                                   .side = order->intent.side,
                                   .type = order->intent.type,
                                   .tif = order->intent.tif,
                                   .state = (uint8_t)order->state,
                                   .qty = order->intent.qty,
                                   .filled_qty = order->filled,
                                   .px = order->intent.px,
                                   .stop_px = order->intent.stop_px,
                                   .pair = order->intent.pair};
        reply(answer, SP_REC_ORDER_VIEW);
    }
}

/* Which executions are shown: of each instrument those at `from` and behind it. */
struct shown {
    uint32_t count;
    uint64_t from[SP_SYMBOLS_MAX];
};

/* SP_SYMBOLS_MAX: it is not traded any more, so the venue is not asked about it either. */
static uint32_t instrument_of(const struct sp_books *books, const struct sp_fill *fill)
{
    for (uint32_t i = 0; i < books->instrument_count; i++) {
        if (sp_name_eq(&books->instruments[i].symbol, &fill->symbol)) return i;
    }
    return SP_SYMBOLS_MAX;
}

static void pick_fills(const struct sp_books *books, struct shown *shown)
{
    uint32_t counts[SP_SYMBOLS_MAX] = {0};

    *shown = (struct shown){0};
    for (uint32_t back = 1; back <= books->fill_count; back++) {
        uint64_t n = books->fill_total - back;
        uint32_t i = instrument_of(books, &books->fills[n % SP_FILLS_MAX].fill);
        if (i == SP_SYMBOLS_MAX || counts[i] == FILL_VIEWS_MAX) continue;
        counts[i]++;
        shown->count++;
        shown->from[i] = n;
    }
}

/* The newest of each instrument, oldest first. */
static void send_fill_views(struct answer *answer, const struct sp_books *books,
                            const struct shown *shown)
{
    for (uint64_t n = books->fill_total - books->fill_count; n < books->fill_total; n++) {
        const struct sp_fill *fill = &books->fills[n % SP_FILLS_MAX].fill;
        uint32_t i = instrument_of(books, fill);
        if (i == SP_SYMBOLS_MAX || n < shown->from[i]) continue;
        answer->frame.body.fill_view =
            (struct sp_fill_view){.request_id = answer->request_id,
                                  .venue_trade_id = fill->venue_trade_id,
                                  .client_order_id = fill->client_order_id,
                                  .symbol = fill->symbol,
                                  .side = fill->side,
                                  .px = fill->px,
                                  .qty = fill->qty,
                                  .fee = fill->fee,
                                  .fee_asset = fill->fee_asset,
                                  .liquidity = fill->liquidity,
                                  .venue_time = fill->venue_time};
        reply(answer, SP_REC_FILL_VIEW);
    }
}

static void send_header(struct answer *answer, const struct sp_execution *x, uint32_t epoch,
                        uint32_t fills)
{
    const struct sp_books *books = &x->books;

    answer->frame.body.books_header =
        (struct sp_books_header){.request_id = answer->request_id,
                                 .epoch = epoch,
                                 .venue_generation = x->venue_generation,
                                 .version = books->version,
                                 .orders = books->live_count,
                                 .balances = books->asset_count,
                                 .fills = fills,
                                 .in_flight = sp_books_in_flight(books)};
    if (!x->caught_up) answer->frame.body.books_header.in_flight++;
    reply(answer, SP_REC_BOOKS_HEADER);
}

static void tell_limit(void *ctx, const struct sp_limit_view *limit)
{
    struct answer *answer = ctx;

    answer->frame.body.limit_view = *limit;
    answer->frame.body.limit_view.request_id = answer->request_id;
    reply(answer, SP_REC_LIMIT_VIEW);
}

static void send_end(struct answer *answer)
{
    answer->frame.body.command_reply =
        (struct sp_command_reply){.request_id = answer->request_id, .ok = true};
    reply(answer, SP_REC_COMMAND_REPLY);
}

void sp_limits_answer(struct sp_bus *bus, const struct sp_gate_view *view,
                      const struct sp_peer *peer, uint64_t request_id)
{
    struct answer answer = {.bus = bus, .peer = peer, .request_id = request_id};

    sp_limits_tell(view, tell_limit, &answer);
    send_end(&answer);
}

void sp_books_answer(struct sp_bus *bus, const struct sp_execution *x, uint32_t epoch,
                     const struct sp_peer *peer, uint64_t request_id)
{
    struct answer answer = {.bus = bus, .peer = peer, .request_id = request_id};
    const struct sp_books *books = &x->books;
    struct shown shown;

    pick_fills(books, &shown);
    send_header(&answer, x, epoch, shown.count);
    send_order_views(&answer, books);
    send_fill_views(&answer, books, &shown);
    for (uint32_t i = 0; i < books->asset_count; i++) {
        answer.frame.body.balance_view = (struct sp_balance_view){.request_id = request_id,
                                                                  .asset = books->assets[i].asset,
                                                                  .free = books->assets[i].amount};
        reply(&answer, SP_REC_BALANCE_VIEW);
    }
    send_end(&answer);
}
