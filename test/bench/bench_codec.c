/* How fast a record becomes bytes and back. Prints one line per measurement; judges nothing. */
#include "../proto/filler.h"
#include "proto/json.h"
#include "proto/wire.h"

#include <stdio.h>
#include <time.h>

#define ROUNDS 7

static struct sp_record record;
static struct sp_record back;
static uint8_t frame[SP_WIRE_FRAME_MAX];
static size_t frame_len;
static char line[SP_JSON_LINE_MAX];
static size_t line_len;
static struct sp_line_meta meta = {.crc = 0x9f3a12bc, .durable_seq = 40};

static void wire_encode(void)
{
    sp_status status = sp_wire_encode(&record, frame, sizeof frame, &frame_len, NULL);

    SP_ASSERT(status == SP_OK);
    record.seq++;
}

static void wire_decode(void)
{
    sp_status status = sp_wire_decode(frame, frame_len, &back, NULL);

    SP_ASSERT(status == SP_OK);
}

static void json_encode(void)
{
    sp_status status = sp_json_encode_line(&record, &meta, line, sizeof line, &line_len);

    SP_ASSERT(status == SP_OK);
}

static void json_decode(void)
{
    sp_status status = sp_json_decode_line(line, line_len, &record.stream, &back, &meta, NULL);

    SP_ASSERT(status == SP_OK);
}

static void json_envelope(void)
{
    const char *body = NULL;
    size_t body_len = 0;
    sp_status status = sp_json_decode_envelope(line, line_len, &record.stream, &back, &meta, &body,
                                               &body_len, NULL);

    SP_ASSERT(status == SP_OK);
}

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* The best of some rounds: what the code can do when nothing else runs. */
static void measure(const char *what, const char *kind, size_t bytes, void (*step)(void))
{
    const int64_t count = 200000;
    int64_t best = INT64_MAX;

    for (int round = 0; round < ROUNDS; round++) {
        int64_t begin = now_ns();
        for (int64_t i = 0; i < count; i++)
            step();
        int64_t took = now_ns() - begin;
        if (took < best) best = took;
    }
    printf("%-14s %-14s %5zu bytes %8" PRId64 " ns %7" PRId64 " k/s\n", kind, what, bytes,
           best / count, count * 1000000 / best);
}

static void measure_all(void)
{
    const char *kind = sp_kind_name(record.kind);

    record.stream = sp_name_of("md.paper.BTCUSDT");
    record.epoch = 7;
    record.seq = 123456789;
    record.time.ns = 1795370400123456789;
    wire_encode();
    json_encode();
    measure("wire encode", kind, frame_len, wire_encode);
    measure("wire decode", kind, frame_len, wire_decode);
    measure("json encode", kind, line_len, json_encode);
    measure("json decode", kind, line_len, json_decode);
    measure("json envelope", kind, line_len, json_envelope);
}

int main(void)
{
    record = (struct sp_record){.kind = SP_REC_TRADE};
    record.body.trade = (struct sp_trade){.trade_id = 3712345678,
                                          .px = {6183763000000},
                                          .qty = {100000},
                                          .taker_side = SP_SIDE_BUY,
                                          .received = {123456789012345}};
    measure_all();
    record = (struct sp_record){.kind = SP_REC_QUOTE};
    record.body.quote = (struct sp_quote){.update_id = 51234567890,
                                          .bid_px = {6183763000000},
                                          .bid_qty = {100000},
                                          .ask_px = {6183764000000},
                                          .ask_qty = {200000},
                                          .received = {123456789012345}};
    measure_all();
    sp_filler_record(SP_REC_ORDER_INTENT, 1, &record);
    measure_all();
    return 0;
}
