/* A source of market data that sends more than anybody asked for, and nonsense.
 *
 * Stands between marketdata and its generator: what strikes is handed out before the next event.
 * Nothing of it may be published; nobody behind marketdata looks again.
 */
#include "faults_internal.h"

#include "common/market/generator.h"
#include "proto/wire.h"
#include "run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BURST_MAX   4000
#define READERS_MAX 16
#define WATCH_NS    (100 * SIM_MS) /* what is given is published within a turn */

/* In front of the real source. */
struct front {
    struct sp_source behind;
    struct sp_market_event last; /* newest trade or quote */
    bool has_last;
};

static struct {
    uint32_t wanted[SIM_FAULT_COUNT]; /* events still to be handed out */
    int64_t watch_until;
    struct reader {
        char name[SIM_NAME_SIZE];
        uint32_t from;  /* process of marketdata */
        sp_wall newest; /* time of the newest record sent to it */
    } readers[READERS_MAX];
    struct sp_record record;
} m;

/* ---- In front of the generator ---- */

static enum sim_fault next_fault(const struct front *front)
{
    static const enum sim_fault faults[] = {SIM_FAULT_BURST, SIM_FAULT_CROSSED_BOOK,
                                            SIM_FAULT_BAD_PRICE, SIM_FAULT_STALE_PRICE};

    for (size_t i = 0; front->has_last && i < sizeof faults / sizeof *faults; i++) {
        if (m.wanted[faults[i]] > 0) return faults[i];
    }
    return SIM_FAULT_COUNT;
}

static void spoil_price(struct sp_market_event *event)
{
    int64_t bad = -(int64_t)sim_fault_draw(SIM_FAULT_BAD_PRICE, 2) * 100;
    bool px = sim_fault_draw(SIM_FAULT_BAD_PRICE, 2) == 0;

    if (event->kind == SP_REC_QUOTE) {
        *(px ? &event->body.quote.bid_px : &event->body.quote.ask_px) = (sp_px){bad};
    } else if (px) {
        event->body.trade.px.e8 = bad;
    } else {
        event->body.trade.qty.e8 = bad;
    }
}

static void make_bad(const struct front *front, enum sim_fault fault, struct sp_market_event *out)
{
    *out = front->last;
    if (fault == SIM_FAULT_BURST && out->kind == SP_REC_TRADE) {
        out->body.trade.trade_id = 0; /* of these the venue gives no numbers */
    } else if (fault == SIM_FAULT_BAD_PRICE) {
        spoil_price(out);
    } else if (fault == SIM_FAULT_STALE_PRICE) {
        out->time.ns -= sim_fault_draw_ns(fault, SIM_MS, 15);
    } else if (fault == SIM_FAULT_CROSSED_BOOK) {
        out->kind = SP_REC_QUOTE;
        if (front->last.kind == SP_REC_TRADE) {
            sp_px px = front->last.body.trade.px;
            out->body.quote = (struct sp_quote){.bid_px = px, .ask_px = px};
        }
        out->body.quote.bid_px.e8 =
            out->body.quote.ask_px.e8 + (int64_t)sim_fault_draw(fault, 1000) * 1000000;
    }
}

static sp_status front_next(void *self, struct sp_market_event *out, struct sp_err *err)
{
    struct front *front = self;
    enum sim_fault fault = next_fault(front);

    if (fault != SIM_FAULT_COUNT) {
        m.wanted[fault]--;
        m.watch_until = sim_now() + WATCH_NS;
        make_bad(front, fault, out);
        return SP_OK;
    }
    sp_status status = sp_source_next(&front->behind, out, err);
    if (status != SP_OK) return status;
    if (out->kind != SP_REC_TRADE && out->kind != SP_REC_QUOTE) return SP_OK;
    front->last = *out;
    front->has_last = true;
    return SP_OK;
}

static sp_status front_seek(void *self, sp_wall time, struct sp_err *err)
{
    struct front *front = self;

    front->has_last = false;
    return sp_source_seek(&front->behind, time, err);
}

static const struct sp_instrument *front_instrument(const void *self, uint32_t symbol)
{
    const struct front *front = self;

    return sp_source_instrument(&front->behind, symbol);
}

static void front_close(void *self)
{
    struct front *front = self;

    sp_source_close(&front->behind);
    free(front);
}

sp_status __real_sp_generator_open(const struct sp_generator_config *config, struct sp_source *out,
                                   struct sp_err *err);
sp_status __wrap_sp_generator_open(const struct sp_generator_config *config, struct sp_source *out,
                                   struct sp_err *err);
sp_status __wrap_sp_generator_open(const struct sp_generator_config *config, struct sp_source *out,
                                   struct sp_err *err)
{
    static const struct sp_source_ops ops = {.next = front_next,
                                             .seek = front_seek,
                                             .instrument = front_instrument,
                                             .close = front_close};
    struct sp_source behind = {0};

    sp_status status = __real_sp_generator_open(config, &behind, err);
    if (status != SP_OK) return status;
    struct front *front = calloc(1, sizeof *front); /* of the process, which may be killed */
    SP_ASSERT(front != NULL);
    front->behind = behind;
    *out = (struct sp_source){.ops = &ops, .self = front};
    return SP_OK;
}

/* ---- Behind marketdata ---- */

static struct reader *reader_of(const struct sim_message *message)
{
    uint32_t i = 0;

    while (i < READERS_MAX && m.readers[i].name[0] != '\0' &&
           strcmp(m.readers[i].name, message->to) != 0)
        i++;
    SP_ASSERT(i < READERS_MAX);
    struct reader *reader = &m.readers[i];
    if (reader->from != message->from->pid) {
        *reader = (struct reader){.from = message->from->pid};
        snprintf(reader->name, sizeof reader->name, "%s", message->to);
    }
    return reader;
}

static void check_published(struct reader *reader, const struct sp_record *record)
{
    bool good = true;

    if (record->kind == SP_REC_TRADE)
        good = record->body.trade.px.e8 > 0 && record->body.trade.qty.e8 > 0;
    if (record->kind == SP_REC_QUOTE)
        good = record->body.quote.bid_px.e8 > 0 &&
               record->body.quote.ask_px.e8 > record->body.quote.bid_px.e8;
    if (!good) sim_violation("marketdata published a bad %s", sp_kind_name(record->kind));
    if (record->time.ns < reader->newest.ns)
        sim_violation("marketdata published a %s of the past", sp_kind_name(record->kind));
    reader->newest = record->time;
}

void sim_faults_market_message(const struct sim_message *message)
{
    struct sp_wire_frame frame;

    if (sim_now() > m.watch_until) {
        if (m.watch_until > 0) memset(m.readers, 0, sizeof m.readers);
        m.watch_until = 0;
        return;
    }
    if (message->from == NULL || strcmp(message->from->name, "marketdata") != 0) return;
    if (message->len < 3 || memcmp(message->frame, "md.", 3) != 0) return;
    if (sp_wire_open(message->frame, message->len, &frame, NULL) != SP_OK) return;
    struct reader *reader = reader_of(message);
    while (sp_wire_next(&frame, &m.record, NULL) == SP_OK)
        check_published(reader, &m.record);
}

void sim_faults_market(enum sim_fault fault)
{
    uint64_t most = fault == SIM_FAULT_BURST ? BURST_MAX : 5;

    m.wanted[fault] += 1 + (uint32_t)sim_fault_draw(fault, most);
}

void sim_faults_market_begin(void)
{
    memset(&m, 0, sizeof m);
}
