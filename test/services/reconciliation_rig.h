/* The reconciliation core between an execution and a venue that answer at once, on a virtual clock.
 * Included by tests of it. */
#ifndef SP_TEST_RECONCILIATION_RIG_H
#define SP_TEST_RECONCILIATION_RIG_H

#include "services/reconciliation/reconciliation_core.h"

#include "proto/ids.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MS        INT64_C(1000000)
#define QUEUE_MAX 4096
#define KEPT_MAX  512

struct rig {
    struct sp_config config;
    struct sp_reconciler core;
    struct sp_decision decision;
    sp_mono now;
    sp_wall market;
    uint64_t next_seq;
    struct sp_holdings ours, venues;
    struct sp_order_view ended[4]; /* orders that the venue knows and that are not open */
    uint32_t ended_count;
    struct sp_books_header header;
    bool books_move, books_silent, ignores_corrections;
    const char *venue_fails; /* this question is answered with an error */
    bool venue_loses_frames; /* and the answer's end counts them */
    uint32_t proposals, questions;
    uint32_t head, tail;
    struct {
        enum sp_reconciliation_input input;
        struct sp_record record;
    } queue[QUEUE_MAX];
    uint32_t kept_count;
    struct sp_record kept[KEPT_MAX];
};
static struct rig *rig;

static struct sp_record *push(enum sp_reconciliation_input input, enum sp_kind kind)
{
    assert_true(rig->tail < QUEUE_MAX);
    rig->queue[rig->tail].input = input;
    struct sp_record *record = &rig->queue[rig->tail++].record;
    memset(record, 0, sizeof *record);
    record->kind = kind;
    return record;
}

/* ---- Execution ---- */

static void answer_books(uint64_t id)
{
    if (rig->books_silent) return;
    if (rig->books_move) rig->header.version++;
    rig->header.orders = rig->ours.order_count;
    rig->header.fills = rig->ours.fill_count;
    rig->header.balances = rig->ours.balance_count;
    rig->header.request_id = id;
    push(SP_RI_BOOKS, SP_REC_BOOKS_HEADER)->body.books_header = rig->header;
    for (uint32_t i = 0; i < rig->ours.order_count; i++) {
        struct sp_record *record = push(SP_RI_BOOKS, SP_REC_ORDER_VIEW);
        record->body.order_view = rig->ours.orders[i];
        record->body.order_view.request_id = id;
    }
    for (uint32_t i = 0; i < rig->ours.fill_count; i++) {
        struct sp_record *record = push(SP_RI_BOOKS, SP_REC_FILL_VIEW);
        record->body.fill_view = rig->ours.fills[i];
        record->body.fill_view.request_id = id;
    }
    for (uint32_t i = 0; i < rig->ours.balance_count; i++) {
        struct sp_record *record = push(SP_RI_BOOKS, SP_REC_BALANCE_VIEW);
        record->body.balance_view = rig->ours.balances[i];
        record->body.balance_view.request_id = id;
    }
    struct sp_record *end = push(SP_RI_BOOKS, SP_REC_COMMAND_REPLY);
    end->body.command_reply = (struct sp_command_reply){.request_id = id, .ok = true};
}

static void move(const char *asset, int64_t e8)
{
    for (uint32_t i = 0; i < rig->ours.balance_count; i++) {
        if (sp_name_is(&rig->ours.balances[i].asset, asset)) {
            rig->ours.balances[i].free.e8 += e8;
        }
    }
}

/* As the gateway does: books the execution, or ends the order. */
static void correct(const struct sp_correction *c)
{
    rig->proposals++;
    push(SP_RI_BOOKS, SP_REC_COMMAND_REPLY)->body.command_reply.ok = true;
    if (rig->ignores_corrections) return;
    rig->header.version++;
    if (c->venue_trade_id != 0) {
        sp_amt value = {0};
        int64_t sign = c->side == SP_SIDE_BUY ? 1 : -1;
        assert_true(sp_px_times_qty(c->px, c->qty, &value));
        rig->ours.fills[rig->ours.fill_count++] =
            (struct sp_fill_view){.venue_trade_id = c->venue_trade_id,
                                  .client_order_id = c->client_order_id,
                                  .symbol = c->symbol,
                                  .side = c->side,
                                  .px = c->px,
                                  .qty = c->qty,
                                  .fee = c->fee,
                                  .fee_asset = c->fee_asset,
                                  .liquidity = c->liquidity};
        move("BTC", sign * c->qty.e8);
        move("USDT", -sign * value.e8 - c->fee.e8);
        return;
    }
    for (uint32_t i = 0; i < rig->ours.order_count; i++) {
        if (!sp_name_eq(&rig->ours.orders[i].client_order_id, &c->client_order_id)) continue;
        rig->ours.orders[i] = rig->ours.orders[--rig->ours.order_count];
    }
}

/* ---- The venue ---- */

static void venue_end(uint64_t id, uint32_t items, const char *status)
{
    struct sp_record *end = push(SP_RI_VENUE, SP_REC_VENUE_ANSWER);

    end->body.venue_answer = (struct sp_venue_answer){.request_id = id, .items = items};
    end->body.venue_answer.ok = status == NULL;
    if (status != NULL) end->body.venue_answer.status = sp_name_of(status);
}

static uint32_t answer_list(const struct sp_venue_query *query)
{
    uint32_t items = 0;

    for (uint32_t i = 0; i < rig->venues.order_count; i++) {
        if (!sp_name_is(&query->what, "open_orders")) break;
        struct sp_record *record = push(SP_RI_VENUE, SP_REC_ORDER_VIEW);
        record->body.order_view = rig->venues.orders[i];
        record->body.order_view.request_id = query->request_id;
        items++;
    }
    for (uint32_t i = 0; i < rig->venues.fill_count && items < 100; i++) {
        if (!sp_name_is(&query->what, "fills")) break;
        if (rig->venues.fills[i].venue_trade_id <= query->after_trade_id) continue;
        if (!sp_name_eq(&rig->venues.fills[i].symbol, &query->symbol)) continue;
        struct sp_record *record = push(SP_RI_VENUE, SP_REC_FILL_VIEW);
        record->body.fill_view = rig->venues.fills[i];
        record->body.fill_view.request_id = query->request_id;
        items++;
    }
    for (uint32_t i = 0; i < rig->venues.balance_count; i++) {
        if (!sp_name_is(&query->what, "balances")) break;
        struct sp_record *record = push(SP_RI_VENUE, SP_REC_BALANCE_VIEW);
        record->body.balance_view = rig->venues.balances[i];
        record->body.balance_view.request_id = query->request_id;
        items++;
    }
    return items;
}

static void answer_venue(const struct sp_venue_query *query)
{
    rig->questions++;
    if (rig->venue_fails != NULL && sp_name_is(&query->what, rig->venue_fails)) {
        venue_end(query->request_id, 0, "IO");
        return;
    }
    if (sp_name_is(&query->what, "order")) {
        for (uint32_t i = 0; i < rig->ended_count; i++) {
            if (!sp_name_eq(&rig->ended[i].client_order_id, &query->client_order_id)) continue;
            struct sp_record *record = push(SP_RI_VENUE, SP_REC_ORDER_VIEW);
            record->body.order_view = rig->ended[i];
            record->body.order_view.request_id = query->request_id;
            venue_end(query->request_id, 1, NULL);
            return;
        }
        venue_end(query->request_id, 0, "NOT_FOUND");
        return;
    }
    uint32_t items = answer_list(query);
    if (rig->venue_loses_frames && items > 0) rig->tail--;
    venue_end(query->request_id, items, NULL);
}

/* ---- The shell ---- */

static void event(enum sp_event_type type, uint32_t id, const struct sp_record *record)
{
    struct sp_event e = {.type = type,
                         .now = rig->now,
                         .wall = {rig->now.ns},
                         .market = rig->market,
                         .id = id,
                         .record = record};

    sp_decision_begin(&rig->decision);
    rig->decision.next_seq = rig->next_seq;
    rig->decision.time = rig->market;
    sp_reconciliation_core.decide(&rig->core, &e, &rig->decision);
    for (uint32_t i = 0; i < rig->decision.record_count; i++) {
        const struct sp_record *kept = &rig->decision.records[i];
        struct sp_err err = {0};
        const struct sp_kind_info *info = sp_kind_info(kept->kind);
        assert_int_equal(sp_validate(sp_schema_of(info->dto), &kept->body, &err), SP_OK);
        assert_true(kept->by_count > 0 || !info->needs_cause);
        assert_true(rig->kept_count < KEPT_MAX);
        rig->kept[rig->kept_count++] = *kept;
        sp_reconciliation_core.apply(&rig->core, kept);
    }
    rig->next_seq += rig->decision.record_count;
    for (uint32_t i = 0; i < rig->decision.effect_count; i++) {
        const struct sp_record *message = &rig->decision.effects[i].message;
        if (message->kind == SP_REC_QUERY) answer_books(message->body.query.request_id);
        if (message->kind == SP_REC_PROPOSE_CORRECTION) correct(&message->body.correction);
        if (message->kind == SP_REC_VENUE_QUERY) answer_venue(&message->body.venue_query);
    }
}

static void run_ms(int64_t ms)
{
    for (int64_t t = 0; t < ms; t += 20) {
        rig->now.ns += 20 * MS;
        event(SP_EVENT_TIMER, 0, NULL);
        while (rig->head < rig->tail) {
            struct sp_record record = rig->queue[rig->head].record;
            event(SP_EVENT_MESSAGE, rig->queue[rig->head++].input, &record);
        }
        rig->head = rig->tail = 0;
    }
}

static uint32_t count_of(enum sp_kind kind)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < rig->kept_count; i++) {
        n += rig->kept[i].kind == kind;
    }
    return n;
}

static const struct sp_record *newest(enum sp_kind kind)
{
    for (uint32_t i = rig->kept_count; i > 0; i--) {
        if (rig->kept[i - 1].kind == kind) return &rig->kept[i - 1];
    }
    fail_msg("no %s was written", sp_kind_name(kind));
    abort(); /* fail_msg does not come back, which the compiler does not know */
}

static const struct sp_reconciliation_result *result(void)
{
    return &newest(SP_REC_RECONCILIATION_RESULT)->body.reconciliation_result;
}

static const struct sp_discrepancy *discrepancy(void)
{
    return &newest(SP_REC_DISCREPANCY)->body.discrepancy;
}

/* ---- The scene ---- */

static sp_name own_id(uint32_t n)
{
    char code[5], text[SP_NAME_SIZE];

    snprintf(text, sizeof text, "s%s%026u001", sp_id_installation_code("demo", code), n);
    return sp_name_of(text);
}

static struct sp_order_view order_of(uint32_t n, enum sp_side side)
{
    return (struct sp_order_view){.client_order_id = own_id(n),
                                  .venue_order_id = n,
                                  .symbol = sp_name_of("BTCUSDT"),
                                  .side = (uint8_t)side,
                                  .type = SP_ORDER_TYPE_LIMIT,
                                  .tif = SP_TIF_GTC,
                                  .state = SP_ORDER_STATE_OPEN,
                                  .qty = {SP_FX_ONE / 100},
                                  .px = {60000 * SP_FX_ONE}};
}

static struct sp_fill_view fill_of(uint64_t n, enum sp_side side)
{
    return (struct sp_fill_view){.venue_trade_id = n,
                                 .client_order_id = own_id((uint32_t)n),
                                 .symbol = sp_name_of("BTCUSDT"),
                                 .side = (uint8_t)side,
                                 .px = {60000 * SP_FX_ONE},
                                 .qty = {SP_FX_ONE / 1000},
                                 .fee = {SP_FX_ONE / 100},
                                 .fee_asset = sp_name_of("USDT"),
                                 .liquidity = SP_LIQUIDITY_TAKER};
}

/* An execution of the venue and what it did to the account there. */
static void venue_fills(uint64_t n, enum sp_side side)
{
    int64_t sign = side == SP_SIDE_BUY ? 1 : -1;

    rig->venues.fills[rig->venues.fill_count++] = fill_of(n, side);
    rig->venues.balances[0].free.e8 -= sign * 60 * SP_FX_ONE + SP_FX_ONE / 100;
    rig->venues.balances[1].free.e8 += sign * SP_FX_ONE / 1000;
}

static int set_up(void **state)
{
    (void)state;
    rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    struct sp_config *config = &rig->config;
    config->world_count = 1;
    config->worlds[0].instrument_count = 1;
    config->worlds[0].instruments[0] =
        (struct sp_instrument_config){.symbol = sp_name_of("BTCUSDT"),
                                      .base = sp_name_of("BTC"),
                                      .quote = sp_name_of("USDT"),
                                      .min_qty = {1000},
                                      .min_value = {5 * SP_FX_ONE}};
    config->reconciliation.correct_items_max = 5;
    config->reconciliation.correct_value_max.e8 = 500 * SP_FX_ONE;
    config->schedule_count = 1;
    config->schedules[0] = (struct sp_schedule_config){.name = sp_name_of("reconcile"),
                                                       .event = sp_name_of("RECONCILIATION_TICK"),
                                                       .every = {300000 * MS},
                                                       .run_once_if_missed = true};
    sp_reconciler_init(&rig->core, config);
    rig->decision.installation = "demo";
    rig->decision.stream = sp_name_of("reconciliation");
    rig->decision.epoch = 1;
    rig->next_seq = 2;
    rig->now.ns = 1000 * MS;
    rig->market.ns = INT64_C(1800000000) * 1000 * MS + 7 * MS;
    rig->header = (struct sp_books_header){.epoch = 3, .venue_generation = 2, .version = 40};
    struct sp_holdings *both[] = {&rig->ours, &rig->venues};
    for (size_t i = 0; i < 2; i++) {
        both[i]->balance_count = 2;
        both[i]->balances[0].asset = sp_name_of("USDT");
        both[i]->balances[0].free.e8 = 10000 * SP_FX_ONE;
        both[i]->balances[1].asset = sp_name_of("BTC");
    }
    event(SP_EVENT_MESSAGE, SP_RI_VENUE_UP, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(rig);
    rig = NULL;
    return 0;
}

#endif
