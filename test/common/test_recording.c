#include "common/market/recording.h"

#include "common/market/binance_feed.h"
#include "common/market/book_sync.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define MS INT64_C(1000000)

static struct sp_feed_message message; /* large: not on the stack */

static sp_status parse(const char *json, struct sp_err *err)
{
    return sp_feed_parse(json, strlen(json), &message, err);
}

static void test_recording_reads_the_five_payloads(void **state)
{
    struct sp_err err = {0};

    (void)state;
    assert_int_equal(
        parse("{\"stream\":\"btcusdt@trade\",\"data\":{\"e\":\"trade\",\"E\":1723161255343,"
              "\"s\":\"BTCUSDT\",\"t\":3735683259,\"p\":\"61837.63000000\",\"q\":"
              "\"0.02000000\",\"T\":1723161255342,\"m\":true,\"M\":true}}",
              &err),
        SP_OK);
    assert_int_equal(message.type, SP_FEED_TRADE);
    assert_string_equal(message.symbol, "BTCUSDT");
    assert_int_equal(message.time.ns, INT64_C(1723161255342) * MS);
    assert_int_equal(message.trade.trade_id, 3735683259);
    assert_int_equal(message.trade.px.e8, 6183763000000);
    assert_int_equal(message.trade.qty.e8, 2000000);
    assert_int_equal(message.trade.taker_side, SP_SIDE_SELL);

    assert_int_equal(parse("{\"u\":7,\"s\":\"BTCUSDT\",\"b\":\"1.5\",\"B\":\"2\",\"a\":\"1.6\","
                           "\"A\":\"0.00000000\"}",
                           &err),
                     SP_OK);
    assert_int_equal(message.type, SP_FEED_QUOTE);
    assert_int_equal(message.quote.update_id, 7);
    assert_int_equal(message.quote.ask_px.e8, 160000000);

    assert_int_equal(
        parse("{\"e\":\"depthUpdate\",\"E\":5,\"s\":\"X\",\"U\":3,\"u\":4,\"b\":[[\"1\","
              "\"0\"]],\"a\":[]}",
              &err),
        SP_OK);
    assert_int_equal(message.type, SP_FEED_DELTA);
    assert_int_equal(message.first_update_id, 3);
    assert_int_equal(message.bids.count, 1);
    assert_int_equal(message.asks.count, 0);

    assert_int_equal(
        parse("{\"lastUpdateId\":9,\"bids\":[[\"1\",\"2\"]],\"asks\":[[\"3\",\"4\"]]}", &err),
        SP_OK);
    assert_int_equal(message.type, SP_FEED_SNAPSHOT);
    assert_int_equal(message.time.ns, 0);

    assert_int_equal(parse("{\"stream\":\"!serverShutdown\",\"data\":{\"e\":\"serverShutdown\","
                           "\"E\":5}}",
                           &err),
                     SP_OK);
    assert_int_equal(message.type, SP_FEED_SHUTDOWN);
}

static void test_recording_refuses_payloads_that_are_wrong(void **state)
{
    static const struct {
        const char *json;
        sp_status status;
    } cases[] = {
        {"", SP_TRUNCATED},
        {"{", SP_TRUNCATED},
        {"[]", SP_TYPE},
        {"{}", SP_MISSING},
        {"{\"e\":\"kline\"}", SP_UNSUPPORTED},
        {"{\"k\":{}}", SP_UNSUPPORTED},
        {"{\"data\":{\"data\":{}}}", SP_TOO_DEEP},
        {"{\"u\":1,\"u\":1}", SP_INVALID},
        {"{\"u\":-1}", SP_TYPE},
        {"{\"u\":99999999999999999999}", SP_RANGE},
        {"{\"E\":99999999999999999}", SP_RANGE},
        {"{\"p\":1.5}", SP_TYPE},
        {"{\"p\":\"1e5\"}", SP_TYPE},
        {"{\"p\":\"0\"}", SP_RANGE},
        {"{\"q\":\"99999999999999\"}", SP_RANGE},
        {"{\"b\":[[\"1\",\"-2\"]]}", SP_RANGE},
        {"{\"b\":[[\"1\"]]}", SP_TYPE},
        {"{\"s\":\"A\\u0041\"}", SP_TYPE},
        {"{\"lastUpdateId\":9,\"bids\":[],\"asks\":[]} x", SP_INVALID},
        {"{\"e\":\"depthUpdate\",\"E\":5,\"s\":\"X\",\"U\":5,\"u\":4,\"b\":[],\"a\":[]}",
         SP_INVALID},
        {"{\"e\":\"trade\",\"E\":5,\"s\":\"X\",\"p\":\"1\",\"q\":\"1\",\"T\":5,\"m\":true}",
         SP_MISSING},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sp_err err = {0};
        sp_status st = parse(cases[i].json, &err);
        if (st != cases[i].status) print_error("%s\n", cases[i].json);
        assert_int_equal(st, cases[i].status);
        assert_true(err.text[0] != '\0');
    }
}

static void test_recording_refuses_a_payload_cut_at_every_byte(void **state)
{
    const char *whole =
        "{\"stream\":\"x\",\"data\":{\"e\":\"depthUpdate\",\"E\":5,\"s\":\"X\",\"U\":3,"
        "\"u\":4,\"b\":[[\"1\",\"0\"]],\"a\":[]}}";

    (void)state;
    for (size_t len = 0; len < strlen(whole); len++) {
        assert_int_not_equal(sp_feed_parse(whole, len, &message, NULL), SP_OK);
    }
    assert_int_equal(sp_feed_parse(whole, strlen(whole), &message, NULL), SP_OK);
}

/* A capture in a temporary file. */
struct capture {
    char path[64];
    FILE *file;
};

static struct capture capture_begin(void)
{
    struct capture cap = {.path = "/tmp/spoor-recording-XXXXXX"};
    int fd = mkstemp(cap.path);

    assert_true(fd >= 0);
    cap.file = fdopen(fd, "w");
    assert_non_null(cap.file);
    return cap;
}

static struct sp_source capture_open(struct capture *cap)
{
    struct sp_instrument rules = {.symbol = sp_name_of("X"),
                                  .base = sp_name_of("B"),
                                  .quote = sp_name_of("Q")};
    struct sp_source source = {0};

    assert_int_equal(fclose(cap->file), 0);
    assert_int_equal(sp_recording_open(cap->path, &rules, &source, NULL), SP_OK);
    unlink(cap->path);
    return source;
}

static void put_trade(FILE *f, long recv_ms, long ms, long id)
{
    fprintf(f,
            "%ld000000 {\"e\":\"trade\",\"E\":%ld,\"s\":\"X\",\"t\":%ld,\"p\":\"5\",\"q\":\"1\","
            "\"T\":%ld,\"m\":false}\n",
            recv_ms, ms, id, ms);
}

static void put_quote(FILE *f, long recv_ms, long update)
{
    fprintf(f,
            "%ld000000 {\"u\":%ld,\"s\":\"X\",\"b\":\"4\",\"B\":\"1\",\"a\":\"6\",\"A\":\"1\"}\n",
            recv_ms, update);
}

static void put_change(FILE *f, long ms, long first, long last, int levels)
{
    fprintf(f, "1 {\"e\":\"depthUpdate\",\"E\":%ld,\"s\":\"X\",\"U\":%ld,\"u\":%ld,\"b\":[", ms,
            first, last);
    for (int i = 0; i < levels; i++) {
        fprintf(f, "%s[\"0.%04d\",\"%ld\"]", i ? "," : "", i + 1, last);
    }
    fputs("],\"a\":[[\"9\",\"1\"]]}\n", f);
}

static struct sp_market_event event; /* large */

static void next_is(struct sp_source *source, enum sp_kind kind, int64_t ms)
{
    assert_int_equal(sp_source_next(source, &event, NULL), SP_OK);
    assert_int_equal(event.kind, kind);
    assert_int_equal(event.time.ns, ms * MS);
}

static void test_recording_market_time_is_the_venues_and_never_runs_back(void **state)
{
    struct capture cap = capture_begin();

    (void)state;
    put_quote(cap.file, 700, 1); /* nothing better known than the receive stamp */
    put_trade(cap.file, 710, 2000, 1);
    put_quote(cap.file, 9000, 2);
    put_trade(cap.file, 730, 1900, 2);
    put_trade(cap.file, 740, 2100, 3);
    struct sp_source source = capture_open(&cap);
    next_is(&source, SP_REC_QUOTE, 700);
    next_is(&source, SP_REC_TRADE, 2000);
    next_is(&source, SP_REC_QUOTE, 2000);
    next_is(&source, SP_REC_TRADE, 2000);
    next_is(&source, SP_REC_TRADE, 2100);
    assert_int_equal(sp_source_next(&source, &event, NULL), SP_CLOSED);
    assert_int_equal(sp_source_next(&source, &event, NULL), SP_CLOSED);
    sp_source_close(&source);
    sp_source_close(&source);
}

static void test_recording_a_bad_line_is_one_error_with_its_number(void **state)
{
    struct capture cap = capture_begin();

    (void)state;
    put_trade(cap.file, 1, 2000, 1);
    fputs("1723 {\"e\":\"tra", cap.file);
    fputs("\n1723 {\"u\":3,\"s\":\"OTHER\",\"b\":\"1\",\"B\":\"1\",\"a\":\"1\",\"A\":\"1\"}\n",
          cap.file);
    fputs("no stamp\n17\n", cap.file);
    put_trade(cap.file, 1, 2001, 2);
    struct sp_source source = capture_open(&cap);
    next_is(&source, SP_REC_TRADE, 2000);
    next_is(&source, SP_REC_FEED_ERROR, 2000);
    assert_non_null(strstr(event.body.feed.reason.s, "line 2: TRUNCATED"));
    next_is(&source, SP_REC_FEED_ERROR, 2000);
    assert_non_null(strstr(event.body.feed.reason.s, "line 3: INVALID: is about OTHER, not X"));
    next_is(&source, SP_REC_FEED_ERROR, 2000);
    next_is(&source, SP_REC_FEED_ERROR, 2000);
    assert_non_null(strstr(event.body.feed.reason.s, "line 5: TRUNCATED"));
    assert_int_equal(event.body.feed.messages, 5);
    assert_int_equal(sp_validate(sp_schema_of(SP_DTO_feed), &event.body.feed, NULL), SP_OK);
    next_is(&source, SP_REC_TRADE, 2001);
    assert_int_equal(sp_source_next(&source, &event, NULL), SP_CLOSED);
    sp_source_close(&source);
}

static void test_recording_a_line_beyond_the_bound_is_skipped_whole(void **state)
{
    struct capture cap = capture_begin();

    (void)state;
    for (size_t i = 0; i < SP_RECORDING_LINE_MAX + 10; i++)
        fputc('7', cap.file);
    fputc('\n', cap.file);
    put_trade(cap.file, 1, 2001, 2);
    struct sp_source source = capture_open(&cap);
    next_is(&source, SP_REC_FEED_ERROR, 0);
    assert_non_null(strstr(event.body.feed.reason.s, "line 1: TOO_LONG"));
    next_is(&source, SP_REC_TRADE, 2001);
    sp_source_close(&source);
}

static void test_recording_large_changes_come_in_parts(void **state)
{
    struct capture cap = capture_begin();

    (void)state;
    put_change(cap.file, 2000, 3, 4, 2 * SP_LEVELS_MAX + 1);
    put_change(cap.file, 2001, 5, 5, SP_LEVELS_MAX);
    struct sp_source source = capture_open(&cap);
    for (int part = 0; part < 3; part++) {
        next_is(&source, SP_REC_BOOK_DELTA, 2000);
        assert_int_equal(event.body.book_delta.first_update_id, 3);
        assert_int_equal(event.body.book_delta.last_update_id, 4);
        assert_int_equal(event.body.book_delta.more, part < 2);
        assert_int_equal(event.body.book_delta.bids.count, part < 2 ? SP_LEVELS_MAX : 1);
        assert_int_equal(event.body.book_delta.asks.count, part == 0 ? 1 : 0);
    }
    next_is(&source, SP_REC_BOOK_DELTA, 2001);
    assert_false(event.body.book_delta.more);
    assert_int_equal(sp_source_next(&source, &event, NULL), SP_CLOSED);
    sp_source_close(&source);
}

static void test_recording_after_a_seek_changes_join_a_snapshot(void **state)
{
    struct capture cap = capture_begin();
    struct sp_book_sync sync = {0};

    (void)state;
    assert_int_equal(sp_book_sync_init(&sync, 256, 16, NULL), SP_OK);
    put_change(cap.file, 1990, 1, 4, 5);
    fputs("1 {\"lastUpdateId\":4,\"bids\":[[\"4\",\"1\"]],\"asks\":[[\"6\",\"1\"]]}\n", cap.file);
    put_trade(cap.file, 1, 2000, 1);
    for (long i = 0; i < 10; i++) {
        put_change(cap.file, 2010 + 10 * i, 5 + i, 5 + i, 100);
        put_trade(cap.file, 1, 2010 + 10 * i, 2 + i);
    }
    struct sp_source source = capture_open(&cap);
    assert_int_equal(sp_source_seek(&source, (sp_wall){2055 * MS}, NULL), SP_OK);
    for (int part = 0; part < 2; part++) { /* 101 bid levels */
        next_is(&source, SP_REC_BOOK_SNAPSHOT, 2060);
        assert_int_equal(event.body.book_snapshot.last_update_id, 10);
        sp_book_sync_snapshot(&sync, &event.body.book_snapshot);
    }
    assert_true(sp_book_sync_is_right(&sync));
    assert_int_equal(sp_book_count(&sync.book, SP_SIDE_BUY), 101);
    assert_int_equal(sp_book_qty_at(&sync.book, SP_SIDE_BUY, (sp_px){10000}).e8, 10 * SP_FX_ONE);
    next_is(&source, SP_REC_TRADE, 2060);
    assert_int_equal(event.body.trade.trade_id, 7);
    next_is(&source, SP_REC_BOOK_DELTA, 2070);
    assert_int_equal(sp_book_sync_delta(&sync, &event.body.book_delta), SP_SYNC_PART);
    next_is(&source, SP_REC_BOOK_DELTA, 2070);
    assert_int_equal(sp_book_sync_delta(&sync, &event.body.book_delta), SP_SYNC_APPLIED);
    /* Back to a trade: the snapshot comes first, then that trade. */
    assert_int_equal(sp_source_seek(&source, (sp_wall){1995 * MS}, NULL), SP_OK);
    next_is(&source, SP_REC_BOOK_SNAPSHOT, 2000);
    next_is(&source, SP_REC_TRADE, 2000);
    next_is(&source, SP_REC_BOOK_DELTA, 2010);
    /* The very start is the file as it is; past the end there is nothing. */
    assert_int_equal(sp_source_seek(&source, (sp_wall){0}, NULL), SP_OK);
    next_is(&source, SP_REC_BOOK_DELTA, 1990);
    next_is(&source, SP_REC_BOOK_SNAPSHOT, 1990);
    assert_int_equal(sp_source_seek(&source, (sp_wall){9999 * MS}, NULL), SP_OK);
    assert_int_equal(sp_source_next(&source, &event, NULL), SP_CLOSED);
    sp_source_close(&source);
    sp_book_sync_fini(&sync);
}

static void test_recording_a_file_that_is_not_there_is_said(void **state)
{
    struct sp_instrument rules = {.symbol = sp_name_of("X"),
                                  .base = sp_name_of("B"),
                                  .quote = sp_name_of("Q")};
    struct sp_source source = {0};
    struct sp_err err = {0};

    (void)state;
    assert_int_equal(sp_recording_open("/nonexistent/x.gz", &rules, &source, &err), SP_NOT_FOUND);
    assert_non_null(strstr(err.text, "/nonexistent/x.gz"));
    assert_null(source.ops);
}

static void test_recording_a_cut_gzip_file_is_corrupt(void **state)
{
    char path[] = "/tmp/spoor-test-XXXXXX";
    FILE *file = fdopen(mkstemp(path), "w");
    static const unsigned char head[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0x33, 0x34};
    struct sp_instrument rules = {.symbol = sp_name_of("X"),
                                  .base = sp_name_of("B"),
                                  .quote = sp_name_of("Q")};
    struct sp_source source = {0};
    struct sp_err err = {0};

    (void)state;
    assert_int_equal(fwrite(head, 1, sizeof head, file), sizeof head);
    fclose(file);
    assert_int_equal(sp_recording_open(path, &rules, &source, &err), SP_OK);
    sp_status status;
    do {
        status = sp_source_next(&source, &event, &err);
    } while (status == SP_OK);
    assert_int_equal(status, SP_CORRUPT);
    assert_non_null(strstr(err.text, "cut off"));
    sp_source_close(&source);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recording_reads_the_five_payloads),
        cmocka_unit_test(test_recording_refuses_payloads_that_are_wrong),
        cmocka_unit_test(test_recording_refuses_a_payload_cut_at_every_byte),
        cmocka_unit_test(test_recording_market_time_is_the_venues_and_never_runs_back),
        cmocka_unit_test(test_recording_a_bad_line_is_one_error_with_its_number),
        cmocka_unit_test(test_recording_a_line_beyond_the_bound_is_skipped_whole),
        cmocka_unit_test(test_recording_large_changes_come_in_parts),
        cmocka_unit_test(test_recording_after_a_seek_changes_join_a_snapshot),
        cmocka_unit_test(test_recording_a_file_that_is_not_there_is_said),
        cmocka_unit_test(test_recording_a_cut_gzip_file_is_corrupt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
