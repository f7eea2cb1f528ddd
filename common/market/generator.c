#include "common/market/generator.h"

#include "common/market/synth.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS_PER_MINUTE 600
#define SEEK_MOST_NS     (INT64_C(366) * 86400 * 1000000000)

/* One instrument and the slot it is handing out. */
struct lane {
    struct sp_synth synth;
    sp_px begin;
    uint64_t seed;
    int64_t slot_index; /* of the slot in `slot`; -1: none made yet */
    bool snapshot_due;  /* before the items of the slot */
    sp_wall snapshot_time;
    struct sp_book_snapshot snapshot;
    uint32_t item;   /* next of the slot; == count: the change is next */
    bool delta_done; /* the slot is used up */
    struct sp_synth_slot slot;
};

struct generator {
    sp_wall start;
    sp_dur length;
    uint32_t lane_count;
    sp_wall not_before; /* events before this are skipped, after a seek */
    struct lane lanes[SP_GENERATOR_SYMBOLS_MAX];
};

static sp_wall slot_time(const struct generator *gen, int64_t index)
{
    return (sp_wall){gen->start.ns + index * SP_SYNTH_SLOT_NS};
}

static void next_slot(const struct generator *gen, struct lane *lane)
{
    lane->slot_index++;
    lane->snapshot_due = lane->slot_index % SLOTS_PER_MINUTE == 0;
    if (lane->snapshot_due) {
        lane->snapshot_time = slot_time(gen, lane->slot_index);
        sp_synth_snapshot(&lane->synth, &lane->snapshot);
    }
    sp_synth_slot(&lane->synth, &lane->slot);
    lane->item = 0;
    lane->delta_done = false;
}

/* Time of the event the lane hands out next, making a slot if the last is used up. */
static sp_wall peek(const struct generator *gen, struct lane *lane)
{
    if (lane->delta_done) next_slot(gen, lane);
    sp_wall base = slot_time(gen, lane->slot_index);
    if (lane->snapshot_due) return lane->snapshot_time;
    if (lane->item < lane->slot.count) {
        return (sp_wall){base.ns + lane->slot.at[lane->item].offset_ns};
    }
    return (sp_wall){base.ns + SP_SYNTH_SLOT_NS};
}

/* Moves past the event that peek spoke of; copies it if `out` is not NULL. */
static void pop(struct lane *lane, struct sp_market_event *out)
{
    if (lane->snapshot_due) {
        lane->snapshot_due = false;
        if (!out) return;
        out->kind = SP_REC_BOOK_SNAPSHOT;
        out->body.book_snapshot = lane->snapshot;
    } else if (lane->item < lane->slot.count) {
        const struct sp_synth_item *item = &lane->slot.at[lane->item++];
        if (!out) return;
        out->kind = item->kind;
        if (item->kind == SP_REC_TRADE) {
            out->body.trade = item->trade;
        } else {
            out->body.quote = item->quote;
        }
    } else {
        lane->delta_done = true;
        if (!out) return;
        out->kind = SP_REC_BOOK_DELTA;
        out->body.book_delta = lane->slot.delta;
    }
}

static sp_status generator_next(void *self, struct sp_market_event *out, struct sp_err *err)
{
    struct generator *gen = self;

    (void)err;
    for (;;) {
        uint32_t first = 0;
        sp_wall time = peek(gen, &gen->lanes[0]);
        for (uint32_t i = 1; i < gen->lane_count; i++) {
            sp_wall other = peek(gen, &gen->lanes[i]);
            if (other.ns >= time.ns) continue;
            time = other;
            first = i;
        }
        if (gen->length.ns != 0 && time.ns - gen->start.ns >= gen->length.ns) return SP_CLOSED;
        if (time.ns < gen->not_before.ns) {
            pop(&gen->lanes[first], NULL);
            continue;
        }
        out->time = time;
        out->symbol = first;
        pop(&gen->lanes[first], out);
        return SP_OK;
    }
}

/* Puts a lane at its first slot. */
static sp_status rewind_lane(struct lane *lane, struct sp_err *err)
{
    struct sp_synth fresh = {0};
    sp_status st = sp_synth_init(&fresh, &lane->synth.instrument, lane->begin, lane->seed, err);

    if (st != SP_OK) return st;
    sp_synth_fini(&lane->synth);
    lane->synth = fresh;
    lane->slot_index = -1;
    lane->delta_done = true;
    return SP_OK;
}

/* Runs a lane to the slot `index` and puts a snapshot at `time` before what is left of it. */
static sp_status seek_lane(const struct generator *gen, struct lane *lane, int64_t index,
                           sp_wall time, struct sp_err *err)
{
    if (index <= lane->slot_index) {
        sp_status st = rewind_lane(lane, err);
        if (st != SP_OK) return st;
    }
    while (lane->slot_index < index - 1)
        next_slot(gen, lane);
    struct sp_book_snapshot before;
    sp_synth_snapshot(&lane->synth, &before);
    next_slot(gen, lane);
    lane->snapshot = before;
    lane->snapshot_due = true;
    lane->snapshot_time = time;
    return SP_OK;
}

static sp_status generator_seek(void *self, sp_wall time, struct sp_err *err)
{
    struct generator *gen = self;

    if (time.ns < gen->start.ns) time = gen->start;
    if (gen->length.ns == 0 && time.ns - gen->start.ns > SEEK_MOST_NS) {
        return SP_FAIL(err, SP_RANGE, "a generated market reaches 366 days, not beyond");
    }
    int64_t index = (time.ns - gen->start.ns) / SP_SYNTH_SLOT_NS;
    if (gen->length.ns != 0 && time.ns - gen->start.ns > gen->length.ns) {
        index = gen->length.ns / SP_SYNTH_SLOT_NS;
    }
    for (uint32_t i = 0; i < gen->lane_count; i++) {
        sp_status st = seek_lane(gen, &gen->lanes[i], index, time, err);
        if (st != SP_OK) return st;
    }
    gen->not_before = time;
    return SP_OK;
}

static const struct sp_instrument *generator_instrument(const void *self, uint32_t symbol)
{
    const struct generator *gen = self;

    return symbol < gen->lane_count ? &gen->lanes[symbol].synth.instrument : NULL;
}

static void generator_close(void *self)
{
    struct generator *gen = self;

    for (uint32_t i = 0; i < gen->lane_count; i++)
        sp_synth_fini(&gen->lanes[i].synth);
    free(gen);
}

sp_status sp_generator_known(const char *symbol, struct sp_generator_symbol *out,
                             struct sp_err *err)
{
    static const struct {
        const char *symbol, *base;
        int64_t px_e8, tick_e8, step_e8;
    } known[] = {
        {"BTCUSDT", "BTC", INT64_C(6200000000000), 1000000, 1000},
        {"ETHUSDT", "ETH", INT64_C(265000000000), 1000000, 10000},
        {"SOLUSDT", "SOL", INT64_C(15000000000), 100000, 100000},
    };

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(known[i].symbol, symbol) != 0) continue;
        *out = (struct sp_generator_symbol){
            .instrument = {.symbol = sp_name_of(known[i].symbol),
                           .base = sp_name_of(known[i].base),
                           .quote = sp_name_of("USDT"),
                           .tick = {known[i].tick_e8},
                           .step = {known[i].step_e8},
                           .min_qty = {known[i].step_e8},
                           .max_qty = {9000 * SP_FX_ONE},
                           .min_value = {5 * SP_FX_ONE}},
            .px = {known[i].px_e8},
        };
        return SP_OK;
    }
    return SP_FAIL(err, SP_NOT_FOUND, "the generator knows BTCUSDT, ETHUSDT and SOLUSDT, not %s",
                   symbol);
}

sp_status sp_generator_open(const struct sp_generator_config *config, struct sp_source *out,
                            struct sp_err *err)
{
    static const struct sp_source_ops ops = {
        .next = generator_next,
        .seek = generator_seek,
        .instrument = generator_instrument,
        .close = generator_close,
    };

    if (config->symbol_count == 0 || config->symbol_count > SP_GENERATOR_SYMBOLS_MAX) {
        return SP_FAIL(err, SP_INVALID, "the generator makes 1 to %d instruments, not %u",
                       SP_GENERATOR_SYMBOLS_MAX, config->symbol_count);
    }
    struct generator *gen = calloc(1, sizeof *gen);
    if (!gen) return SP_FAIL(err, SP_NO_MEMORY, "no memory for the generator");
    gen->start = config->start;
    if (gen->start.ns == 0) gen->start.ns = SP_GENERATOR_START_DEFAULT;
    gen->length = config->length;
    for (uint32_t i = 0; i < config->symbol_count; i++) {
        struct lane *lane = &gen->lanes[i];
        lane->seed = config->seed + UINT64_C(0x9e3779b97f4a7c15) * i;
        lane->begin = config->symbols[i].px;
        lane->slot_index = -1;
        lane->delta_done = true;
        sp_status st = sp_synth_init(&lane->synth, &config->symbols[i].instrument, lane->begin,
                                     lane->seed, err);
        if (st != SP_OK) {
            generator_close(gen);
            return st;
        }
        gen->lane_count++;
    }
    *out = (struct sp_source){.ops = &ops, .self = gen};
    return SP_OK;
}
