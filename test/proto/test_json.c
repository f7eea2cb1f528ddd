#include "proto/json.h"

#include "filler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct line {
    char text[SP_JSON_LINE_MAX];
    size_t len;
};

static void make_line(enum sp_kind kind, uint64_t seed, struct sp_record *record, struct line *out)
{
    struct sp_line_meta meta = {.crc = 0x9f3a12bc,
                                .durable_seq = seed * UINT64_C(900719925474099),
                                .batch_left = 2};

    sp_filler_record(kind, seed, record);
    if (seed % 2 == 0) {
        record->in = (struct sp_ref){record->stream, UINT32_MAX, UINT64_MAX};
    }
    assert_int_equal(sp_json_encode_line(record, &meta, out->text, sizeof out->text, &out->len),
                     SP_OK);
}

/* Decodes from heap memory of exactly the text's size, so that a sanitizer sees any overrun. */
static sp_status decode(const char *text, size_t len, struct sp_record *out,
                        struct sp_line_meta *meta, struct sp_err *err)
{
    sp_name stream = sp_name_of("strategy.ema");
    char *copy = malloc(len > 0 ? len : 1);

    assert_non_null(copy);
    memcpy(copy, text, len);
    sp_status status = sp_json_decode_line(copy, len, &stream, out, meta, err);
    free(copy);
    assert_true(status == SP_OK ? out->kind != SP_REC_NONE : out->kind == SP_REC_NONE);
    return status;
}

static void assert_same(const struct sp_record *a, const struct sp_record *b)
{
    assert_int_equal(a->epoch, b->epoch);
    assert_true(a->seq == b->seq);
    assert_true(a->time.ns == b->time.ns);
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->by_count, b->by_count);
    for (uint32_t i = 0; i < a->by_count; i++)
        assert_true(sp_ref_eq(&a->by[i], &b->by[i]));
    assert_true(sp_ref_eq(&a->in, &b->in));
    assert_true(sp_dto_equal(sp_schema_of(sp_kind_info(a->kind)->dto), &a->body, &b->body));
}

static void test_json_every_kind_round_trips(void **state)
{
    static struct sp_record record;
    static struct sp_record back;
    static struct line line;

    (void)state;
    for (uint32_t kind = 1; kind <= SP_KIND_NUMBER_MAX; kind++) {
        if (sp_kind_info(kind) == NULL) continue;
        for (uint64_t seed = 1; seed <= 50; seed++) {
            struct sp_err err = {0};
            struct sp_line_meta meta;
            make_line((enum sp_kind)kind, seed, &record, &line);
            memset(&back, 0xa5, sizeof back);
            if (decode(line.text, line.len, &back, &meta, &err) != SP_OK) {
                fail_msg("%s: %.*s", err.text, (int)line.len, line.text);
            }
            assert_same(&record, &back);
            assert_string_equal(back.stream.s, "strategy.ema");
            assert_int_equal(meta.crc, 0x9f3a12bc);
            assert_true(meta.durable_seq == seed * UINT64_C(900719925474099));
            assert_int_equal(meta.batch_left, 2);
        }
    }
}

static void test_json_line_has_the_documented_form(void **state)
{
    struct sp_record record = {.epoch = 7,
                               .seq = 42,
                               .time = {1795370400123456789},
                               .kind = SP_REC_TRADE,
                               .by_count = 1};
    struct sp_line_meta meta = {.crc = 0x9f3a12bc, .durable_seq = 40, .batch_left = 0};
    struct line line = {.len = 0};

    (void)state;
    record.by[0] = (struct sp_ref){sp_name_of("strategy.ema"), 3, 118};
    record.in = record.by[0];
    record.body.trade = (struct sp_trade){.px = {6183763000000},
                                          .qty = {100000},
                                          .taker_side = SP_SIDE_BUY,
                                          .received = {1234567890123}};
    assert_int_equal(sp_json_encode_line(&record, &meta, line.text, sizeof line.text, &line.len),
                     SP_OK);
    line.text[line.len] = '\0';
    assert_string_equal(
        line.text,
        "{\"c\":\"9f3a12bc\",\"s\":42,\"e\":7,\"w\":40,\"m\":0,"
        "\"t\":\"2026-11-22T18:00:00.123456789Z\",\"k\":\"TRADE\",\"by\":[\"strategy.ema/3:118\"],"
        "\"in\":\"strategy.ema/3:118\",\"b\":{\"px\":\"61837.63\",\"qty\":\"0.001\","
        "\"taker_side\":\"BUY\",\"received\":\"1234567890123\"}}");
    assert_memory_equal(line.text + SP_LINE_CRC_PREFIX, "\"s\":42", 6);
}

static void test_json_every_truncation_is_refused(void **state)
{
    static struct sp_record record;
    static struct line line;
    struct sp_line_meta meta;

    (void)state;
    for (unsigned dto = 1; dto < SP_DTO_COUNT; dto++) {
        make_line(sp_filler_kind_of((enum sp_dto)dto), 8, &record, &line);
        for (size_t len = 0; len < line.len; len++) {
            sp_status status = decode(line.text, len, &record, &meta, NULL);
            assert_int_equal(status, SP_TRUNCATED);
        }
    }
}

/* Whatever a changed byte makes of a line, it is refused or it can be written again. */
static void test_json_every_mutation_is_survived(void **state)
{
    static const char values[] = "\0 \"\\}],-.0u\xc2\xff";
    static struct sp_record record;
    static struct line line;
    static struct line again;
    struct sp_line_meta meta;
    size_t accepted = 0;

    (void)state;
    for (unsigned dto = 1; dto < SP_DTO_COUNT; dto++) {
        make_line(sp_filler_kind_of((enum sp_dto)dto), 12, &record, &line);
        for (size_t at = 0; at < line.len; at++) {
            char old = line.text[at];
            for (size_t i = 0; i < sizeof values + 7; i++) {
                line.text[at] = (char)(i < 8 ? old ^ (1 << i) : values[i - 8]);
                if (decode(line.text, line.len, &record, &meta, NULL) != SP_OK) continue;
                accepted++;
                assert_int_equal(
                    sp_json_encode_line(&record, &meta, again.text, sizeof again.text, &again.len),
                    SP_OK);
            }
            line.text[at] = old;
        }
    }
    assert_true(accepted > 0);
}

struct row {
    sp_status status;
    const char *text;
    const char *message; /* begin of it */
};

static void check_bodies(enum sp_dto dto, const struct row *rows, size_t count)
{
    static union sp_body body;

    for (size_t i = 0; i < count; i++) {
        struct sp_err err = {0};
        sp_status status =
            sp_json_decode_body(sp_schema_of(dto), rows[i].text, strlen(rows[i].text), &body, &err);
        if (status != rows[i].status ||
            strncmp(err.text, rows[i].message, strlen(rows[i].message)) != 0) {
            fail_msg("%s\n%s instead of %s: \"%s\" instead of \"%s\"", rows[i].text,
                     sp_status_name(status), sp_status_name(rows[i].status), err.text,
                     rows[i].message);
        }
    }
}

#define TRADE "\"px\":\"1\",\"qty\":\"2\",\"taker_side\":\"BUY\""

static void test_json_bad_bodies_get_their_status(void **state)
{
    static const struct row rows[] = {
        {SP_OK, "{" TRADE "}", ""},
        {SP_OK, "{\"taker_side\":\"SELL\",\"qty\":\"2\",\"px\":\"1\"}", ""},
        {SP_OK, " {\t\"px\" : \"1\" ,\n\"qty\":\"2\",\"taker_side\":\"BUY\"\r}", ""},
        {SP_OK, "{" TRADE ",\"trade_id\":9007199254740991}", ""},
        {SP_OK, "{" TRADE ",\"trade_id\":\"18446744073709551615\"}", ""},
        {SP_OK, "{" TRADE ",\"trade_id\":0,\"received\":\"0\"}", ""},
        {SP_TRUNCATED, "", "trade.body: text ends too early"},
        {SP_TRUNCATED, "{" TRADE, "trade."},
        {SP_TYPE, "[]", "trade.body: is no object"},
        {SP_TYPE, "null", "trade.body: is no object"},
        {SP_MISSING, "{}", "trade.px: required, is missing"},
        {SP_INVALID, "{" TRADE "}}", "trade.body: something follows it"},
        {SP_INVALID, "{" TRADE "} ", "trade.body: something follows it"},
        {SP_INVALID, "{" TRADE ",\"px\":\"1\"}", "trade.px: appears twice"},
        {SP_INVALID, "{" TRADE " \"trade_id\":1}", "trade.taker_side: a comma expected at byte 39"},
        {SP_INVALID, "{\"px\" \"1\"}", "trade.px: a colon expected"},
        {SP_TYPE, "{" TRADE ",}", "trade.body: is no text"},
        {SP_TYPE, "{,}", "trade.body: is no text"},
        {SP_TYPE, "{px:1}", "trade.body: is no text"},
        {SP_UNKNOWN_KIND, "{" TRADE ",\"price\":\"1\"}", "trade.body: \"price\" is no field of it"},
        {SP_UNKNOWN_KIND, "{\"PX\":\"1\"}", "trade.body: \"PX\""},
        {SP_UNKNOWN_KIND, "{\"\":\"1\"}", "trade.body: \"\""},
        {SP_UNKNOWN_KIND, "{\"p\":\"1\"}", "trade.body: \"p\""},
        {SP_TYPE, "{\"px\":1}", "trade.px: is no text"},
        {SP_TYPE, "{\"px\":null}", "trade.px: is no text"},
        {SP_TYPE, "{\"px\":[[[[[[[[[[]]]]]]]]]]}", "trade.px: is no text"},
        {SP_TYPE, "{\"px\":\"1e3\"}", "trade.px: \"1e3\" is no decimal"},
        {SP_TYPE, "{\"px\":\"01\"}", "trade.px: \"01\" is no decimal"},
        {SP_TYPE, "{\"px\":\"1.\"}", "trade.px"},
        {SP_RANGE, "{\"px\":\"99999999999\"}", "trade.px: \"99999999999\" does not fit"},
        {SP_RANGE, "{\"px\":\"0.000000001\"}", "trade.px"},
        {SP_RANGE, "{\"px\":\"-1\",\"qty\":\"1\",\"taker_side\":\"BUY\"}",
         "trade.px: must be > 0, is -1"},
        {SP_INVALID, "{\"taker_side\":\"buy\"}", "trade.taker_side: \"buy\" is no value of it"},
        {SP_TYPE, "{\"taker_side\":1}", "trade.taker_side: is no text"},
        {SP_TYPE, "{\"trade_id\":01}", "trade.trade_id: \"01\" is no integer"},
        {SP_TYPE, "{\"trade_id\":1.0}", "trade.trade_id"},
        {SP_TYPE, "{\"trade_id\":1e3}", "trade.trade_id"},
        {SP_TYPE, "{\"trade_id\":+1}", "trade.trade_id"},
        {SP_TYPE, "{\"trade_id\":-}", "trade.trade_id"},
        {SP_TYPE, "{\"trade_id\":\"\"}", "trade.trade_id"},
        {SP_TYPE, "{\"trade_id\":true}", "trade.trade_id: is no integer"},
        {SP_RANGE, "{\"trade_id\":-1}", "trade.trade_id: must not be negative"},
        {SP_RANGE, "{\"trade_id\":9007199254740992}", "trade.trade_id: integers above"},
        {SP_RANGE, "{\"trade_id\":\"18446744073709551616\"}", "trade.trade_id"},
        {SP_TYPE, "{\"received\":5}", "trade.received: is no text"},
        {SP_RANGE, "{" TRADE ",\"received\":\"-5\"}", "trade.received: must be >= 0"},
    };

    (void)state;
    check_bodies(SP_DTO_trade, rows, sizeof rows / sizeof *rows);
}

static void test_json_bad_texts_get_their_status(void **state)
{
    static char long_text[400] = "{\"text\":\"";
    static char long_escaped[400] = "{\"text\":\"\\n";
    const struct row rows[] = {
        {SP_OK, "{\"ok\":true,\"more\":false,\"status\":\"\",\"text\":\"a \xe2\x82\xac\"}", ""},
        {SP_OK, "{\"text\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u20ac\\uD83D\\udc3e\"}", ""},
        {SP_TYPE, "{\"ok\":1}", "command_reply.ok: is neither true nor false"},
        {SP_TYPE, "{\"ok\":\"true\"}", "command_reply.ok"},
        {SP_TYPE, "{\"ok\":tru }", "command_reply.ok"},
        {SP_INVALID, "{\"ok\":truex}", "command_reply.ok: a comma expected"},
        {SP_INVALID, "{\"status\":\"a b\"}", "command_reply.status: may hold only"},
        {SP_TOO_LONG, "{\"status\":\"1234567890123456789012345678901234567890\"}",
         "command_reply.status: 40 bytes, at most 39"},
        {SP_INVALID, "{\"text\":\"\\u0000\"}", "command_reply.text: NUL"},
        {SP_INVALID, "{\"text\":\"\\ud83d\"}", "command_reply.text: half a surrogate pair"},
        {SP_INVALID, "{\"text\":\"\\ud83d\\u0041\"}", "command_reply.text: half a surrogate pair"},
        {SP_INVALID, "{\"text\":\"\\udc3e\\ud83d\"}", "command_reply.text: half a surrogate pair"},
        {SP_INVALID, "{\"text\":\"\\u12g4\"}", "command_reply.text: a hexadecimal digit"},
        {SP_INVALID, "{\"text\":\"\\x\"}", "command_reply.text: unknown escape"},
        {SP_INVALID, "{\"text\":\"a\tb\"}", "command_reply.text: control character 09"},
        {SP_INVALID, "{\"text\":\"\\n\tb\"}", "command_reply.text: control character 09"},
        {SP_INVALID, "{\"text\":\"\xc3\x28\"}", "command_reply.text: must be UTF-8"},
        {SP_INVALID, "{\"text\":\"\xed\xa0\x80\"}", "command_reply.text: must be UTF-8"},
        {SP_TRUNCATED, "{\"text\":\"abc\\", "command_reply.text"},
        {SP_TRUNCATED, "{\"text\":\"abc\\u12", "command_reply.text"},
        {SP_TOO_LONG, long_text, "command_reply.text: 160 bytes, at most 159"},
        {SP_TOO_LONG, long_escaped, "command_reply.text: at most 159 bytes"},
    };

    (void)state;
    memset(long_text + strlen(long_text), 'x', 160);
    strcat(long_text, "\"}");
    memset(long_escaped + strlen(long_escaped), 'x', 200);
    strcat(long_escaped, "\"}");
    check_bodies(SP_DTO_command_reply, rows, sizeof rows / sizeof *rows);
}

#define BEAT "\"service\":\"x\",\"epoch\":1,\"count\":1,\"streams\":"

static void test_json_bad_lists_get_their_status(void **state)
{
    static const struct row levels[] = {
        {SP_OK, "{\"last_update_id\":1,\"bids\":[[\"1\",\"0\"],[\"2\",\"3\"]],\"asks\":[]}", ""},
        {SP_TYPE, "{\"bids\":{}}", "book_snapshot.bids: is no array"},
        {SP_TYPE, "{\"bids\":[\"1\",\"2\"]}", "book_snapshot.bids: is no array of price"},
        {SP_INVALID, "{\"bids\":[[\"1\"]]}", "book_snapshot.bids: a comma expected"},
        {SP_INVALID, "{\"bids\":[[\"1\",\"2\",\"3\"]]}", "book_snapshot.bids: ] expected"},
        {SP_TYPE, "{\"bids\":[[\"1\",\"2\"],]}", "book_snapshot.bids"},
        {SP_RANGE, "{\"last_update_id\":1,\"bids\":[[\"0\",\"2\"]]}",
         "book_snapshot.bids: price 0"},
    };
    static const struct row marks[] = {
        {SP_OK, "{" BEAT "[{\"seq\":1,\"stream\":\"m\"}]}", ""},
        {SP_INVALID, "{\"streams\":[{\"seq\":1,\"seq\":1}]}", "heartbeat.streams: seq twice"},
        {SP_UNKNOWN_KIND, "{\"streams\":[{\"x\":1}]}", "heartbeat.streams: \"x\""},
        {SP_INVALID, "{" BEAT "[{\"seq\":1}]}", "heartbeat.streams: stream 0 is empty"},
    };
    static const struct row facts[] = {
        {SP_OK, "{\"service\":\"x\",\"values\":{\"a\":\"1\",\"b\":\"-2.5\"}}", ""},
        {SP_INVALID, "{\"service\":\"x\",\"values\":{\"a\":\"1\",\"a\":\"2\"}}",
         "service_status.values: \"a\" appears twice"},
        {SP_TYPE, "{\"values\":{\"a\":1}}", "service_status.values: is no text"},
        {SP_TYPE, "{\"values\":[]}", "service_status.values: is no object"},
    };
    static const struct row ids[] = {
        {SP_INVALID, "{\"opportunity_ids\":[\"thr_00000000000000000000000001\"]}",
         "trade_opened.opportunity_ids: \"thr_00000000000000000000000001\" is no id of its type"},
        {SP_INVALID, "{\"trade_id\":\"trd_1\"}", "trade_opened.trade_id"},
        {SP_TOO_LONG,
         "{\"opportunity_ids\":[\"opp_00000000000000000000000001\","
         "\"opp_00000000000000000000000001\",\"opp_00000000000000000000000001\","
         "\"opp_00000000000000000000000001\",\"opp_00000000000000000000000001\"]}",
         "trade_opened.opportunity_ids: more than 4 items"},
    };

    (void)state;
    check_bodies(SP_DTO_book_snapshot, levels, sizeof levels / sizeof *levels);
    check_bodies(SP_DTO_heartbeat, marks, sizeof marks / sizeof *marks);
    check_bodies(SP_DTO_service_status, facts, sizeof facts / sizeof *facts);
    check_bodies(SP_DTO_trade_opened, ids, sizeof ids / sizeof *ids);
}

#define LINE_HEAD                                                                                  \
    "{\"c\":\"9f3a12bc\",\"s\":42,\"e\":7,\"w\":40,\"m\":0,\"t\":\"2026-11-22T18:00:00Z\","
#define LINE_TAIL ",\"b\":{\"inputs\":1}}"

static void test_json_bad_lines_get_their_status(void **state)
{
    static const struct row rows[] = {
        {SP_OK, LINE_HEAD "\"k\":\"CURSOR\"" LINE_TAIL, ""},
        {SP_OK, LINE_HEAD "\"k\":\"CURSOR\",\"in\":\"m/1:2\"" LINE_TAIL, ""},
        {SP_UNKNOWN_KIND, LINE_HEAD "\"k\":\"CURSORY\"" LINE_TAIL,
         "line.k: \"CURSORY\" is no kind"},
        {SP_UNKNOWN_KIND, LINE_HEAD "\"k\":\"\"" LINE_TAIL, "line.k"},
        {SP_INVALID, LINE_HEAD "\"k\":\"CURSOR\",\"by\":[]" LINE_TAIL, "line.by: is empty"},
        {SP_INVALID, LINE_HEAD "\"k\":\"CURSOR\",\"by\":[\"m/1\"]" LINE_TAIL, "line.by: \"m/1\""},
        {SP_TOO_LONG,
         LINE_HEAD "\"k\":\"CURSOR\",\"by\":[\"m/1:1\",\"m/1:2\",\"m/1:3\",\"m/1:4\",\"m/1:5\","
                   "\"m/1:6\",\"m/1:7\",\"m/1:8\",\"m/1:9\"]" LINE_TAIL,
         "line.by: more than 8"},
        {SP_INVALID, LINE_HEAD "\"k\":\"CURSOR\",\"x\":1" LINE_TAIL, "line.b"},
        {SP_INVALID, LINE_HEAD "\"k\":\"CURSOR\"" LINE_TAIL "}", "cursor.body: something follows"},
        {SP_MISSING, LINE_HEAD "\"k\":\"CURSOR\",\"b\":{}}", "cursor.inputs"},
        {SP_INVALID, "{\"c\":\"9F3A12BC\",\"s\":42", "line.c: 8 hexadecimal digits expected"},
        {SP_INVALID, "{\"c\":\"9f3a12b\",\"s\":42", "line.c: 8 hexadecimal digits expected"},
        {SP_INVALID, "{\"s\":42}", "line.c"},
        {SP_RANGE, "{\"c\":\"9f3a12bc\",\"s\":1,\"e\":4294967296,", "line.e"},
        {SP_TRUNCATED, LINE_HEAD "\"k\":\"CURSOR\",\"b\":{\"inputs\":1", "line.b"},
    };
    struct sp_record record;
    struct sp_line_meta meta;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sp_err err = {0};
        sp_status status = decode(rows[i].text, strlen(rows[i].text), &record, &meta, &err);
        if (status != rows[i].status ||
            strncmp(err.text, rows[i].message, strlen(rows[i].message)) != 0) {
            fail_msg("%s\n%s: %s", rows[i].text, sp_status_name(status), err.text);
        }
    }
}

static void test_json_envelope_shows_where_the_body_is(void **state)
{
    static const char text[] = LINE_HEAD "\"k\":\"CURSOR\",\"in\":\"m/1:2\"" LINE_TAIL;
    static const char newer[] = LINE_HEAD "\"k\":\"NEWER\",\"by\":[\"m/1:2\"]" LINE_TAIL;
    sp_name stream = sp_name_of("execution");
    struct sp_record record;
    struct sp_line_meta meta;
    const char *body = NULL;
    size_t body_len = 0;

    (void)state;
    record.body.cursor.inputs = 77;
    assert_int_equal(sp_json_decode_envelope(text, sizeof text - 1, &stream, &record, &meta, &body,
                                             &body_len, NULL),
                     SP_OK);
    assert_int_equal(record.seq, 42);
    assert_int_equal(record.kind, SP_REC_CURSOR);
    assert_int_equal(record.in.seq, 2);
    assert_int_equal(body_len, 12);
    assert_memory_equal(body, "{\"inputs\":1}", 12);
    assert_int_equal(record.body.cursor.inputs, 77);

    assert_int_equal(sp_json_decode_envelope(newer, sizeof newer - 1, &stream, &record, &meta,
                                             &body, &body_len, NULL),
                     SP_UNKNOWN_KIND);
    assert_int_equal(record.kind, SP_REC_NONE);
    assert_int_equal(record.seq, 42);
    assert_int_equal(record.by_count, 1);
}

static void test_json_encode_needs_its_room_to_the_byte(void **state)
{
    static struct sp_record record;
    static struct line line;
    static char small[SP_JSON_LINE_MAX];
    struct sp_line_meta meta = {0};

    (void)state;
    for (unsigned dto = 1; dto < SP_DTO_COUNT; dto++) {
        size_t need = 0;
        size_t len = 4711;
        sp_filler_record(sp_filler_kind_of((enum sp_dto)dto), 3, &record);
        assert_int_equal(sp_json_encode_line(&record, &meta, line.text, sizeof line.text, &need),
                         SP_OK);
        for (size_t cap = 0; cap < need; cap++) {
            assert_int_equal(sp_json_encode_line(&record, &meta, small, cap, &len), SP_FULL);
            assert_int_equal(len, 4711);
        }
        assert_int_equal(sp_json_encode_line(&record, &meta, small, need, &len), SP_OK);
        assert_memory_equal(small, line.text, need);
    }
}

static void test_json_value_text_shows_one_value(void **state)
{
    struct sp_trade trade = {.trade_id = UINT64_MAX, .px = {150000000}, .taker_side = SP_SIDE_SELL};
    struct sp_command_reply reply = {.ok = true};
    const struct sp_schema *schema = sp_schema_of(SP_DTO_trade);
    char buf[SP_VALUE_TEXT_SIZE];

    (void)state;
    assert_string_equal(sp_value_text(sp_schema_field(schema, "trade_id"), &trade, buf),
                        "18446744073709551615");
    assert_string_equal(sp_value_text(sp_schema_field(schema, "px"), &trade, buf), "1.5");
    assert_string_equal(sp_value_text(sp_schema_field(schema, "taker_side"), &trade, buf), "SELL");
    sp_text_printf(&reply.text, "%s", "a \"b\"");
    schema = sp_schema_of(SP_DTO_command_reply);
    assert_ptr_equal(sp_value_text(sp_schema_field(schema, "text"), &reply, buf), buf);
    assert_string_equal(buf, "a \"b\"");
    assert_string_equal(sp_value_text(sp_schema_field(schema, "ok"), &reply, buf), "true");
    assert_string_equal(sp_value_text(sp_schema_field(schema, "status"), &reply, buf), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_every_kind_round_trips),
        cmocka_unit_test(test_json_line_has_the_documented_form),
        cmocka_unit_test(test_json_every_truncation_is_refused),
        cmocka_unit_test(test_json_every_mutation_is_survived),
        cmocka_unit_test(test_json_bad_bodies_get_their_status),
        cmocka_unit_test(test_json_bad_texts_get_their_status),
        cmocka_unit_test(test_json_bad_lists_get_their_status),
        cmocka_unit_test(test_json_bad_lines_get_their_status),
        cmocka_unit_test(test_json_envelope_shows_where_the_body_is),
        cmocka_unit_test(test_json_encode_needs_its_room_to_the_byte),
        cmocka_unit_test(test_json_value_text_shows_one_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
