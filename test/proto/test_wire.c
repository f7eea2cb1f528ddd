#include "proto/wire.h"

#include "filler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* stream "m", then [1, epoch 1, seq 2, time 3, kind TRADE, by []] and room for a body */
#define HEAD "m\0\x97\x01\x01\x02\x03\x0a\x90"

struct frame {
    uint8_t bytes[SP_WIRE_FRAME_MAX + 16];
    size_t len;
};

static void make_frame(enum sp_kind kind, uint64_t seed, struct sp_record *record,
                       struct frame *out)
{
    sp_filler_record(kind, seed, record);
    assert_int_equal(sp_wire_encode(record, out->bytes, sizeof out->bytes, &out->len, NULL), SP_OK);
}

static void assert_same(const struct sp_record *a, const struct sp_record *b)
{
    assert_true(sp_name_eq(&a->stream, &b->stream));
    assert_int_equal(a->epoch, b->epoch);
    assert_true(a->seq == b->seq);
    assert_true(a->time.ns == b->time.ns);
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->by_count, b->by_count);
    for (uint32_t i = 0; i < a->by_count; i++)
        assert_true(sp_ref_eq(&a->by[i], &b->by[i]));
    assert_true(sp_dto_equal(sp_schema_of(sp_kind_info(a->kind)->dto), &a->body, &b->body));
}

/* Reading in one pass gives what decoding gives, or nothing. */
static void check_plain(const uint8_t *bytes, size_t len, const struct sp_record *decoded)
{
    static struct sp_record plain;
    const uint8_t *nul = memchr(bytes, '\0', len);
    sp_name stream;

    if (nul == NULL || !sp_name_set_n(&stream, (const char *)bytes, (size_t)(nul - bytes))) return;
    memset(&plain, 0xa5, sizeof plain);
    sp_status status = sp_wire_read_plain(bytes, len, (size_t)(nul + 1 - bytes), &plain);
    if (status != SP_OK) {
        assert_int_equal(status, SP_AGAIN);
        return;
    }
    assert_non_null(decoded);
    plain.stream = decoded->stream;
    assert_same(decoded, &plain);
    assert_true(sp_ref_is_none(&plain.in));
}

/* Decodes from heap memory of exactly the frame's size, so that a sanitizer sees any overrun. */
static sp_status decode(const uint8_t *bytes, size_t len, struct sp_record *out, struct sp_err *err)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);

    assert_non_null(copy);
    memcpy(copy, bytes, len);
    sp_status status = sp_wire_decode(copy, len, out, err);
    check_plain(copy, len, status == SP_OK ? out : NULL);
    free(copy);
    assert_true(status == SP_OK ? out->kind != SP_REC_NONE : out->kind == SP_REC_NONE);
    return status;
}

static void test_wire_every_kind_round_trips(void **state)
{
    static struct sp_record record;
    static struct sp_record back;
    static struct frame frame;

    (void)state;
    for (uint32_t kind = 1; kind <= SP_KIND_NUMBER_MAX; kind++) {
        if (sp_kind_info(kind) == NULL) continue;
        for (uint64_t seed = 1; seed <= 50; seed++) {
            struct sp_err err = {0};
            make_frame((enum sp_kind)kind, seed, &record, &frame);
            memset(&back, 0xa5, sizeof back);
            if (decode(frame.bytes, frame.len, &back, &err) != SP_OK) fail_msg("%s", err.text);
            assert_same(&record, &back);
            assert_true(sp_ref_is_none(&back.in));
        }
    }
}

static void test_wire_every_truncation_is_refused(void **state)
{
    static struct sp_record record;
    static struct frame frame;

    (void)state;
    for (unsigned dto = 1; dto < SP_DTO_COUNT; dto++) {
        make_frame(sp_filler_kind_of((enum sp_dto)dto), 7, &record, &frame);
        for (size_t len = 0; len < frame.len; len++) {
            assert_int_equal(decode(frame.bytes, len, &record, NULL), SP_TRUNCATED);
        }
    }
}

static void test_wire_plain_is_every_frame_of_our_own_version(void **state)
{
    static struct sp_record record;
    static struct sp_record plain;
    static struct frame frame;

    (void)state;
    for (uint32_t kind = 1; kind <= SP_KIND_NUMBER_MAX; kind++) {
        if (sp_kind_info(kind) == NULL) continue;
        make_frame((enum sp_kind)kind, 3, &record, &frame);
        size_t head = strlen((const char *)frame.bytes) + 1;
        assert_int_equal(sp_wire_read_plain(frame.bytes, frame.len, head, &plain), SP_OK);
        plain.stream = record.stream;
        assert_same(&record, &plain);
        assert_int_equal(sp_wire_read_plain(frame.bytes, frame.len - 1, head, &plain), SP_AGAIN);
        frame.bytes[frame.len] = 0;
        assert_int_equal(sp_wire_read_plain(frame.bytes, frame.len + 1, head, &plain), SP_AGAIN);
    }
    /* A newer writer's: what is passed over is only bounded by the scan. */
    memcpy(frame.bytes, HEAD "\x96\x01\x02\x03\x01\x04\x05", sizeof(HEAD) - 1 + 7);
    assert_int_equal(sp_wire_read_plain(frame.bytes, sizeof(HEAD) - 1 + 7, 2, &plain), SP_AGAIN);
}

/* Whatever a changed byte makes of a frame, it is refused or it is a frame. */
static void test_wire_every_mutation_is_survived(void **state)
{
    static const uint8_t values[] = {0x00, 0x7f, 0x80, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc4,
                                     0xc6, 0xca, 0xcf, 0xd3, 0xd9, 0xdb, 0xdc, 0xdd, 0xdf, 0xff};
    static struct sp_record record;
    static struct frame frame;
    static struct frame again;
    size_t accepted = 0;

    (void)state;
    for (unsigned dto = 1; dto < SP_DTO_COUNT; dto++) {
        make_frame(sp_filler_kind_of((enum sp_dto)dto), 11, &record, &frame);
        for (size_t at = 0; at < frame.len; at++) {
            uint8_t old = frame.bytes[at];
            for (size_t i = 0; i < sizeof values + 8; i++) {
                frame.bytes[at] = (uint8_t)(i < 8 ? old ^ 1U << i : values[i - 8]);
                if (decode(frame.bytes, frame.len, &record, NULL) != SP_OK) continue;
                accepted++;
                assert_int_equal(
                    sp_wire_encode(&record, again.bytes, sizeof again.bytes, &again.len, NULL),
                    SP_OK);
            }
            frame.bytes[at] = old;
        }
    }
    assert_true(accepted > 0);
}

static sp_status decode_text(const char *bytes, size_t len, struct sp_err *err)
{
    static struct sp_record record;

    return decode((const uint8_t *)bytes, len, &record, err);
}

#define DECODE(literal, err) decode_text(literal, sizeof(literal) - 1, err)

#define ROW(status, bytes, text)                                                                   \
    {                                                                                              \
        status, bytes, sizeof(bytes) - 1, text                                                     \
    }

static const struct {
    sp_status status;
    const char *bytes;
    size_t len;
    const char *text; /* begin of the message */
} bad_frames[] = {
    ROW(SP_OK, HEAD "\x95\x01\x02\x03\x01\x04", ""),
    ROW(SP_OK, HEAD "\x94\x01\x02\x03\x01", ""),                          /* older writer */
    ROW(SP_OK, HEAD "\x97\x01\x02\x03\x01\x04\x93\xc0\xa1x\x90\x05", ""), /* newer writer */
    ROW(SP_OK, HEAD "\x95\x01\xcf\0\0\0\0\0\0\0\x05\xd3\0\0\0\0\0\0\0\x05\x01\x04", ""),
    ROW(SP_TRUNCATED, "", "frame.stream"),
    ROW(SP_TRUNCATED, "m", "frame.stream"),
    ROW(SP_TRUNCATED, "m\0", "frame.frame"),
    ROW(SP_TRUNCATED, "m\0\xdd\xff\xff\xff\xff", "frame.frame"),
    ROW(SP_TRUNCATED, "m\0\xdd\x10\0\0\0", "frame.frame"),
    ROW(SP_TRUNCATED, "m\0\xdc\xff\xff\x01", "frame.frame"),
    ROW(SP_TRUNCATED, HEAD "\x9f\x01", "frame.frame"),
    ROW(SP_TRUNCATED, HEAD "\x95\x01\xdb\xff\xff\xff\xff\x01", "frame.frame"),
    ROW(SP_TRUNCATED, HEAD "\x95\x01\xc6\x7f\xff\xff\xff\x01", "frame.frame"),
    ROW(SP_TOO_LONG, "m123456789012345678901234567890123456789\0\x97", "frame.stream"),
    ROW(SP_INVALID, "m m\0\x97\x01\x01\x02\x03\x0a\x90\x90", "frame.stream"),
    ROW(SP_INVALID, HEAD "\x95\x01\x02\x03\x01\x04\x05", "frame.frame: 1 bytes after"),
    ROW(SP_TOO_DEEP, "m\0\x91\x91\x91\x91\x91\x91\x91\x91\x91\x01", "frame.frame"),
    ROW(SP_TYPE, "m\0\x81\x01\x01", "frame.frame"),
    ROW(SP_TYPE, "m\0\x01", "frame.envelope"),
    ROW(SP_TYPE, "m\0\x96\x01\x01\x02\x03\x0a\x90", "frame.version: an envelope"),
    ROW(SP_VERSION, "m\0\x91\x02", "frame.version"),
    ROW(SP_VERSION, "m\0\x97\0\x01\x02\x03\x0a\x90\x90", "frame.version"),
    ROW(SP_RANGE, "m\0\x97\x01\xcf\0\0\0\x01\0\0\0\0\x02\x03\x0a\x90\x90", "frame.epoch"),
    ROW(SP_RANGE, "m\0\x97\x01\x01\xff\x03\x0a\x90\x90", "frame.seq"),
    ROW(SP_RANGE, "m\0\x97\x01\x01\x02\xff\x0a\x90\x90", "frame.time"),
    ROW(SP_TYPE, "m\0\x97\x01\x01\x02\xca\0\0\0\0\x0a\x90\x90", "frame.frame"),
    ROW(SP_UNKNOWN_KIND, "m\0\x97\x01\x01\x02\x03\x63\x90\x90", "frame.kind: 99"),
    ROW(SP_UNKNOWN_KIND, "m\0\x97\x01\x01\x02\x03\xcf\0\0\0\x01\0\0\0\x0a\x90\x90", "frame.kind"),
    ROW(SP_TYPE, "m\0\x97\x01\x01\x02\x03\x0a\xc0\x90", "frame.by"),
    ROW(SP_TYPE, "m\0\x97\x01\x01\x02\x03\x0a\x91\x92\xa1x\x01\x90", "frame.by"),
    ROW(SP_INVALID, "m\0\x97\x01\x01\x02\x03\x0a\x91\x93\xa0\x01\x02\x90", "frame.by"),
    ROW(SP_TOO_LONG, "m\0\x97\x01\x01\x02\x03\x0a\x99\1\1\1\1\1\1\1\1\1\x90", "frame.by"),
    ROW(SP_TYPE, HEAD "\x01", "trade.body"),
    ROW(SP_TYPE, HEAD "\x95\xa1x\x02\x03\x01\x04", "trade.trade_id"),
    ROW(SP_TYPE, HEAD "\x95\x01\xc2\x03\x01\x04", "trade.px"),
    ROW(SP_TYPE, HEAD "\x95\x01\xc0\x03\x01\x04", "trade.px"),
    ROW(SP_RANGE, HEAD "\x95\x01\xcf\xff\0\0\0\0\0\0\0\x03\x01\x04", "trade.px"),
    ROW(SP_RANGE, HEAD "\x95\x01\xff\x03\x01\x04", "trade.px: must be > 0, is -0.00000001"),
    ROW(SP_MISSING, HEAD "\x95\x01\0\x03\x01\x04", "trade.px: required, is missing"),
    ROW(SP_MISSING, HEAD "\x90", "trade.px"),
    ROW(SP_RANGE, HEAD "\x95\x01\x02\x03\x03\x04", "trade.taker_side: 3 is not"),
    ROW(SP_RANGE, HEAD "\x95\x01\x02\x03\xcd\x01\x01\x04", "trade.taker_side"),
    ROW(SP_RANGE, HEAD "\x95\x01\x02\x03\x01\xff", "trade.received: must be >= 0, is -1"),
};

static void test_wire_bad_frames_get_their_status(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_frames / sizeof *bad_frames; i++) {
        const char *text = bad_frames[i].text;
        struct sp_err err = {0};
        sp_status status = decode_text(bad_frames[i].bytes, bad_frames[i].len, &err);
        if (status == bad_frames[i].status && strncmp(err.text, text, strlen(text)) == 0) continue;
        fail_msg("row %zu: %s instead of %s: \"%s\" instead of \"%s\"", i, sp_status_name(status),
                 sp_status_name(bad_frames[i].status), err.text, text);
    }
}

/* The lists and texts, which the trade above does not have. */
static void test_wire_bad_lists_and_texts_get_their_status(void **state)
{
    struct sp_err err;

    (void)state;
#define BOOK "m\0\x97\x01\x01\x02\x03\x0d\x90" /* book_snapshot: id, part, more, bids, asks */
    assert_int_equal(DECODE(BOOK "\x95\x01\0\xc2\x91\x92\x01\0\x90", &err), SP_OK);
    assert_int_equal(DECODE(BOOK "\x95\x01\0\xc2\x91\x92\0\x01\x90", &err), SP_RANGE);
    assert_int_equal(DECODE(BOOK "\x95\x01\0\xc2\x91\x92\x01\xff\x90", &err), SP_RANGE);
    assert_int_equal(DECODE(BOOK "\x95\x01\0\xc2\x91\x93\x01\x01\x01\x90", &err), SP_TYPE);
    assert_int_equal(DECODE(BOOK "\x95\x01\0\xc2\x91\x01\x90", &err), SP_TYPE);
    assert_int_equal(DECODE(BOOK "\x95\x01\0\x01\x90\x90", &err), SP_TYPE);
    assert_string_equal(err.text, "book_snapshot.more: is neither true nor false");
#define REPLY "m\0\x97\x01\x01\x02\x03\x69\x90" /* command_reply: id, ok, status, text, more */
    assert_int_equal(DECODE(REPLY "\x94\x01\xc3\xa2OK\xa2\xc2\xa7", &err), SP_OK);
    assert_int_equal(DECODE(REPLY "\x94\x01\xc3\xa2O \xa0", &err), SP_INVALID);
    assert_int_equal(DECODE(REPLY "\x94\x01\xc3\xa2O\0\xa0", &err), SP_INVALID);
    assert_int_equal(DECODE(REPLY "\x94\x01\xc3\xa2OK\xa2\xc2\x20", &err), SP_INVALID);
    assert_int_equal(DECODE(REPLY "\x94\x01\xc3\xa2OK\xa2x\0", &err), SP_INVALID);
    assert_int_equal(DECODE(REPLY "\x94\x01\xc3\xc4\x02OK\xa0", &err), SP_TYPE);
    assert_int_equal(DECODE(REPLY "\x94\x01\xc3\xd9\x28"
                                  "1234567890123456789012345678901234567890\xa0",
                            &err),
                     SP_TOO_LONG);
    assert_string_equal(err.text, "command_reply.status: 40 bytes, at most 39");
#define TICK "m\0\x97\x01\x01\x02\x03\x53\x90" /* scheduled_tick: begins with an id */
    assert_int_equal(DECODE(TICK "\x91\xc4\x0f"
                                 "123456789012345",
                            &err),
                     SP_TYPE);
    assert_int_equal(DECODE(TICK "\x91\xc4\x11"
                                 "12345678901234567",
                            &err),
                     SP_TOO_LONG);
    assert_int_equal(DECODE(TICK "\x91\xa3"
                                 "abc",
                            &err),
                     SP_TYPE);
#undef BOOK
#undef REPLY
#undef TICK
}

static void test_wire_too_many_levels_and_values_are_refused(void **state)
{
    static struct frame frame;
    static struct sp_record record;
    uint8_t *at = frame.bytes;
    static const char book[] = "m\0\x97\x01\x01\x02\x03\x0d\x90\x95\x01\0\xc2\xdc\0\x41";

    (void)state;
    memcpy(at, book, sizeof book - 1);
    at += sizeof book - 1;
    for (int i = 0; i < 65; i++) {
        memcpy(at, "\x92\x01\x01", 3);
        at += 3;
    }
    *at++ = 0x90;
    assert_int_equal(decode(frame.bytes, (size_t)(at - frame.bytes), &record, NULL), SP_TOO_LONG);

    static const char head[] = HEAD "\xdc\x20\0";
    memset(frame.bytes, 1, sizeof frame.bytes);
    memcpy(frame.bytes, head, sizeof head - 1);
    assert_int_equal(decode(frame.bytes, sizeof head - 1 + 0x2000, &record, NULL), SP_TOO_LONG);
    assert_int_equal(decode(frame.bytes, SP_WIRE_FRAME_MAX + 1, &record, NULL), SP_TOO_LONG);
}

static void test_wire_unknown_kind_still_tells_its_place(void **state)
{
    static const char bytes[] = "m\0\x97\x01\x01\x02\x03\x63\x90\x90";
    struct sp_record record;

    (void)state;
    assert_int_equal(decode((const uint8_t *)bytes, sizeof bytes - 1, &record, NULL),
                     SP_UNKNOWN_KIND);
    assert_string_equal(record.stream.s, "m");
    assert_int_equal(record.epoch, 1);
    assert_int_equal(record.seq, 2);
    assert_int_equal(record.time.ns, 3);
}

static void test_wire_encode_needs_its_room_to_the_byte(void **state)
{
    static struct sp_record record;
    static struct frame frame;
    uint8_t small[SP_WIRE_FRAME_MAX];
    size_t len = 4711;

    (void)state;
    for (unsigned dto = 1; dto < SP_DTO_COUNT; dto++) {
        make_frame(sp_filler_kind_of((enum sp_dto)dto), 3, &record, &frame);
        for (size_t cap = 0; cap < frame.len; cap++) {
            len = 4711;
            assert_int_equal(sp_wire_encode(&record, small, cap, &len, NULL), SP_FULL);
            assert_int_equal(len, 4711);
        }
        assert_int_equal(sp_wire_encode(&record, small, frame.len, &len, NULL), SP_OK);
        assert_memory_equal(small, frame.bytes, len);
    }
}

/* The largest record of each kind must fit a frame. */
static void test_wire_the_largest_record_fits(void **state)
{
    static struct sp_record record;
    static struct frame frame;

    (void)state;
    record.kind = SP_REC_BOOK_SNAPSHOT;
    record.by_count = SP_CAUSES_MAX;
    memset(record.stream.s, 'm', SP_NAME_SIZE - 1);
    for (int i = 0; i < SP_CAUSES_MAX; i++) {
        record.by[i] = (struct sp_ref){record.stream, UINT32_MAX, UINT64_MAX};
    }
    record.body.book_snapshot.bids.count = SP_LEVELS_MAX;
    record.body.book_snapshot.asks.count = SP_LEVELS_MAX;
    for (int i = 0; i < SP_LEVELS_MAX; i++) {
        record.body.book_snapshot.bids.at[i] = (struct sp_level){{INT64_MAX}, {INT64_MAX}};
        record.body.book_snapshot.asks.at[i] = (struct sp_level){{INT64_MAX}, {INT64_MAX}};
    }
    record.body.book_snapshot.last_update_id = 1;
    assert_int_equal(sp_wire_encode(&record, frame.bytes, SP_WIRE_FRAME_MAX, &frame.len, NULL),
                     SP_OK);
    assert_int_equal(decode(frame.bytes, frame.len, &record, NULL), SP_OK);
}

/* ---- Several records in one frame ---- */

#define TRADE(seq) "\x97\x01\x01" seq "\x03\x0a\x90\x95\x01\x02\x03\x01\x04"
#define UNKNOWN    "\x97\x01\x01\x03\x03\x63\x90\x90"

static void test_wire_frame_of_records_has_these_bytes(void **state)
{
    static const char expected[] = "md.a\0" TRADE("\x05") TRADE("\x06") TRADE("\x07");
    struct sp_record record = {.stream = sp_name_of("md.a"), .epoch = 1, .kind = SP_REC_TRADE};
    uint8_t bytes[100];

    (void)state;
    record.time.ns = 3;
    record.body.trade = (struct sp_trade){.trade_id = 1,
                                          .px = {2},
                                          .qty = {3},
                                          .taker_side = SP_SIDE_BUY,
                                          .received = {4}};
    size_t len = sp_wire_encode_stream(&record.stream, bytes);
    for (record.seq = 5; record.seq <= 7; record.seq++) {
        size_t one = 0;
        assert_int_equal(
            sp_wire_encode_record(&record, bytes + len, sizeof bytes - len, &one, NULL), SP_OK);
        len += one;
    }
    assert_int_equal(len, sizeof expected - 1);
    assert_memory_equal(bytes, expected, len);
    /* One of one is what a writer of single records sends. */
    size_t single = 0;
    assert_int_equal(sp_wire_encode(&record, bytes, sizeof bytes, &single, NULL), SP_OK);
    assert_int_equal(single, sizeof("md.a\0" TRADE("\x08")) - 1);
    assert_memory_equal(bytes, "md.a\0" TRADE("\x08"), single);
}

/* From heap memory of exactly the frame's size, which the next call frees. */
static sp_status open_text(const char *bytes, size_t len, struct sp_wire_frame *out)
{
    static uint8_t *copy;
    struct sp_err err = {0};

    free(copy);
    copy = len > 0 ? malloc(len) : NULL;
    if (len > 0) memcpy(copy, bytes, len);
    sp_status status = sp_wire_open(copy, len, out, &err);
    assert_int_equal(err.status, status);
    return status;
}

#define OPEN(literal, out) open_text(literal, sizeof(literal) - 1, out)

static void test_wire_records_of_a_frame_are_read_one_by_one(void **state)
{
    struct sp_wire_frame frame, kept;
    struct sp_record record;

    (void)state;
    assert_int_equal(OPEN("md.a\0" TRADE("\x05") UNKNOWN TRADE("\x07"), &frame), SP_OK);
    assert_string_equal(frame.stream.s, "md.a");
    assert_int_equal(sp_wire_next(&frame, &record, NULL), SP_OK);
    assert_int_equal(record.seq, 5);
    assert_string_equal(record.stream.s, "md.a");
    assert_int_equal(record.body.trade.qty.e8, 3);
    assert_int_equal(sp_wire_next(&frame, &record, NULL), SP_UNKNOWN_KIND);
    assert_int_equal(record.kind, SP_REC_NONE);
    assert_int_equal(record.seq, 3);
    kept = frame;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(sp_wire_next(&frame, &record, NULL), SP_OK);
        assert_int_equal(record.seq, 7);
        assert_int_equal(sp_wire_next(&frame, &record, NULL), SP_AGAIN);
        frame = kept; /* bytes that were kept are a frame of their own */
    }
    assert_int_equal(OPEN("", &frame), SP_TRUNCATED);
    /* An empty envelope does not borrow its version from the record behind it. */
    assert_int_equal(OPEN("md.a\0\x90" TRADE("\x07"), &frame), SP_OK);
    assert_int_equal(sp_wire_next(&frame, &record, NULL), SP_TYPE);
    assert_int_equal(sp_wire_next(&frame, &record, NULL), SP_OK);
    assert_int_equal(record.seq, 7);
}

/* Nothing of a frame is read unless all of it is well-formed. */
static void test_wire_frame_is_taken_whole_or_not_at_all(void **state)
{
    struct sp_wire_frame frame;

    (void)state;
    assert_int_equal(OPEN("md.a\0", &frame), SP_TRUNCATED);
    assert_int_equal(OPEN("md.a\0" TRADE("\x05") "\x97\x01\x01", &frame), SP_TRUNCATED);
    assert_int_equal(OPEN("md.a\0" TRADE("\x05") "\x91\x81\x01\x01", &frame), SP_TYPE);
    assert_int_equal(
        OPEN("md.a\0" TRADE("\x05") "\x91\x91\x91\x91\x91\x91\x91\x91\x91\x01", &frame),
        SP_TOO_DEEP);
    assert_int_equal(OPEN("md a\0" TRADE("\x05"), &frame), SP_INVALID);
    assert_int_equal(DECODE("m\0" TRADE("\x05") TRADE("\x06"), NULL), SP_INVALID);
}

static void test_wire_frame_has_a_bound_of_records(void **state)
{
    static char bytes[SP_WIRE_FRAME_MAX + 1] = "m";
    struct sp_wire_frame frame;

    (void)state;
    memset(bytes + 2, 1, sizeof bytes - 2);
    assert_int_equal(open_text(bytes, 2 + SP_WIRE_RECORDS_MAX, &frame), SP_OK);
    assert_int_equal(open_text(bytes, 2 + SP_WIRE_RECORDS_MAX + 1, &frame), SP_TOO_LONG);
    memset(bytes + 2, 0xc4, 1); /* one bin of too many bytes */
    assert_int_equal(open_text(bytes, sizeof bytes, &frame), SP_TOO_LONG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wire_every_kind_round_trips),
        cmocka_unit_test(test_wire_every_truncation_is_refused),
        cmocka_unit_test(test_wire_plain_is_every_frame_of_our_own_version),
        cmocka_unit_test(test_wire_every_mutation_is_survived),
        cmocka_unit_test(test_wire_bad_frames_get_their_status),
        cmocka_unit_test(test_wire_bad_lists_and_texts_get_their_status),
        cmocka_unit_test(test_wire_too_many_levels_and_values_are_refused),
        cmocka_unit_test(test_wire_unknown_kind_still_tells_its_place),
        cmocka_unit_test(test_wire_encode_needs_its_room_to_the_byte),
        cmocka_unit_test(test_wire_the_largest_record_fits),
        cmocka_unit_test(test_wire_frame_of_records_has_these_bytes),
        cmocka_unit_test(test_wire_records_of_a_frame_are_read_one_by_one),
        cmocka_unit_test(test_wire_frame_is_taken_whole_or_not_at_all),
        cmocka_unit_test(test_wire_frame_has_a_bound_of_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
