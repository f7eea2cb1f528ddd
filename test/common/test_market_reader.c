#include "common/persist/data_persistor.h"
#include "common/persist/market_rows.h"
#include "common/persist/parquet_writer.h"

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define START_NS   INT64_C(1786000000000000000)
#define STEP_NS    INT64_C(250000000)
#define RECORDS    400
#define KINDS      5
#define DIR_OF(at) "market/paper/BTCUSDT/" at
#define UNTIL_EVER INT64_MAX

static const enum sp_kind kinds[KINDS] = {SP_REC_TRADE, SP_REC_QUOTE, SP_REC_BAR, SP_REC_BOOK_DELTA,
                                          SP_REC_BOOK_SNAPSHOT};
static char folder[64];

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/spoor-market-XXXXXX");
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static int64_t mixed(uint64_t n, uint64_t salt)
{
    uint64_t x = (n + 1) * UINT64_C(0x9e3779b97f4a7c15) + salt * UINT64_C(0xbf58476d1ce4e5b9);

    return (int64_t)((x ^ x >> 31) % UINT64_C(900000000000000000));
}

static void fill_levels(sp_levels *levels, uint64_t count, uint64_t n)
{
    levels->count = (uint32_t)count;
    for (uint32_t i = 0; i < levels->count; i++)
        levels->at[i] = (struct sp_level){{mixed(n, i)}, {mixed(n, i + 100)}};
}

/* Every field of every kind, from n alone; some book records have no level, some have all. */
static struct sp_record record_of(enum sp_kind kind, uint64_t n)
{
    struct sp_record record;
    union sp_body *body = &record.body;

    memset(&record, 0, sizeof record);
    record.stream = sp_name_of("md.paper.BTCUSDT");
    record.kind = kind;
    record.epoch = 3 + (uint32_t)(n / 150);
    record.seq = n + 1;
    record.time.ns = START_NS + (int64_t)n * STEP_NS;
    if (kind == SP_REC_TRADE) {
        body->trade = (struct sp_trade){.trade_id = UINT64_MAX - n,
                                        .px = {mixed(n, 1)},
                                        .qty = {mixed(n, 2)},
                                        .taker_side = n % 3 ? SP_SIDE_BUY : SP_SIDE_SELL,
                                        .received = {(int64_t)n}};
    } else if (kind == SP_REC_QUOTE) {
        body->quote = (struct sp_quote){n, {mixed(n, 1)}, {0}, {mixed(n, 2)}, {7}, {(int64_t)n}};
    } else if (kind == SP_REC_BAR) {
        body->bar = (struct sp_bar){.interval = {INT64_C(1000000000)},
                                    .opened = {record.time.ns - 1},
                                    .open = {mixed(n, 1)},
                                    .high = {mixed(n, 2)},
                                    .low = {mixed(n, 3)},
                                    .close = {mixed(n, 4)},
                                    .volume = {mixed(n, 5)},
                                    .trade_count = UINT32_MAX - (uint32_t)n,
                                    .received = {(int64_t)n}};
    } else if (kind == SP_REC_BOOK_DELTA) {
        body->book_delta.first_update_id = n;
        body->book_delta.last_update_id = UINT64_MAX - n;
        body->book_delta.more = n % 5 == 0;
        body->book_delta.received.ns = (int64_t)n;
        fill_levels(&body->book_delta.bids, n % 4, n);
        fill_levels(&body->book_delta.asks, n % 3, n);
    } else {
        body->book_snapshot.last_update_id = n;
        body->book_snapshot.part = (uint32_t)n;
        body->book_snapshot.more = n % 5 == 0;
        body->book_snapshot.received.ns = (int64_t)n;
        fill_levels(&body->book_snapshot.bids, n % 7 == 0 ? SP_LEVELS_MAX : n % 2, n);
        fill_levels(&body->book_snapshot.asks, n % 11 == 0 ? SP_LEVELS_MAX : 0, n);
    }
    return record;
}

static struct sp_data_persistor *open_data(uint64_t roll_rows)
{
    struct sp_recorder_options options = {.data_dir = folder,
                                          .world = sp_name_of("paper"),
                                          .roll_rows = roll_rows,
                                          .group_rows = 16};
    struct sp_data_persistor *data = NULL;
    struct sp_err err = {0};

    if (sp_data_persistor_parquet(&options, &data, &err) != SP_OK) fail_msg("%s", err.text);
    return data;
}

static void write_records(struct sp_data_persistor *data, uint64_t from, uint64_t to)
{
    struct sp_err err = {0};

    for (uint64_t n = from; n < to; n++) {
        for (size_t k = 0; k < KINDS; k++) {
            struct sp_record record = record_of(kinds[k], n);
            if (sp_data_persistor_write(data, &record, &err) != SP_OK) fail_msg("%s", err.text);
        }
    }
}

/* Expects the records from..to-1 and nothing else of [from_ns, until_ns). */
static void expect_range(struct sp_data_persistor *data, enum sp_kind kind, sp_wall from,
                         sp_wall until, uint64_t first, uint64_t end)
{
    struct sp_market_range range = {sp_name_of("BTCUSDT"), kind, from, until};
    struct sp_market_reader *reader = NULL;
    struct sp_record record;
    struct sp_err err = {0};
    bool is_end = false;

    if (sp_data_persistor_read(data, &range, &reader, &err) != SP_OK) fail_msg("%s", err.text);
    for (uint64_t n = first; n < end; n++) {
        struct sp_record expected = record_of(kind, n);
        if (sp_market_reader_next(reader, &record, &is_end, &err) != SP_OK)
            fail_msg("%s", err.text);
        assert_false(is_end);
        assert_memory_equal(&record, &expected, sizeof record);
    }
    for (int i = 0; i < 2; i++) { /* the end stays the end */
        assert_int_equal(sp_market_reader_next(reader, &record, &is_end, &err), SP_OK);
        assert_true(is_end);
    }
    sp_market_reader_close(reader);
}

static sp_wall time_of(uint64_t n)
{
    return (sp_wall){START_NS + (int64_t)n * STEP_NS};
}

static void expect_everywhere(struct sp_data_persistor *data, uint64_t written)
{
    for (size_t k = 0; k < KINDS; k++) {
        expect_range(data, kinds[k], (sp_wall){0}, (sp_wall){UNTIL_EVER}, 0, written);
        expect_range(data, kinds[k], time_of(0), time_of(0), 0, 0);
        expect_range(data, kinds[k], time_of(written), (sp_wall){UNTIL_EVER}, 0, 0);
        for (uint64_t n = 1; n < written; n += 37) { /* the end does not belong to it */
            expect_range(data, kinds[k], time_of(n), time_of(n + 60), n,
                         n + 60 < written ? n + 60 : written);
            expect_range(data, kinds[k], (sp_wall){time_of(n).ns - 1}, (sp_wall){time_of(n).ns + 1},
                         n, n + 1);
        }
    }
}

static void test_market_reader_gives_back_what_was_written(void **state)
{
    struct sp_data_persistor *data = open_data(90);

    (void)state;
    write_records(data, 0, RECORDS / 2);
    assert_true(sp_data_persistor_stats(data).files > KINDS); /* several each, and one is open */
    expect_everywhere(data, RECORDS / 2);
    write_records(data, RECORDS / 2, RECORDS); /* and it goes on */
    assert_int_equal(sp_data_persistor_publish(data, NULL), SP_OK);
    expect_everywhere(data, RECORDS);
    assert_int_equal(sp_data_persistor_stats(data).rows_lost, 0);
    assert_int_equal(sp_data_persistor_close(data, NULL), SP_OK);
    data = open_data(0); /* another process, later */
    expect_everywhere(data, RECORDS);
    assert_int_equal(sp_data_persistor_close(data, NULL), SP_OK);
}

static void test_market_reader_orders_files_by_begin_then_number(void **state)
{
    struct sp_data_persistor *data = open_data(1);
    struct sp_market_range range = {sp_name_of("BTCUSDT"), SP_REC_TRADE, {0}, {UNTIL_EVER}};
    struct sp_market_reader *reader = NULL;
    bool is_end = false;

    (void)state;
    for (uint64_t n = 0; n < 25; n++) { /* all begin at one time: -0 ... -24 */
        struct sp_record record = record_of(SP_REC_TRADE, n);
        record.time = time_of(0);
        assert_int_equal(sp_data_persistor_write(data, &record, NULL), SP_OK);
    }
    assert_int_equal(sp_data_persistor_read(data, &range, &reader, NULL), SP_OK);
    for (uint64_t n = 0; n < 25; n++) {
        struct sp_record record;
        assert_int_equal(sp_market_reader_next(reader, &record, &is_end, NULL), SP_OK);
        assert_int_equal(record.seq, n + 1);
    }
    sp_market_reader_close(reader);
    assert_int_equal(sp_data_persistor_close(data, NULL), SP_OK);
}

static void test_market_reader_refuses_what_is_not_data(void **state)
{
    struct sp_data_persistor *data = open_data(0);
    struct sp_market_range range = {sp_name_of("BTCUSDT"), SP_REC_FILL, {0}, {UNTIL_EVER}};
    struct sp_market_reader *reader = NULL;

    (void)state;
    assert_int_equal(sp_data_persistor_read(data, &range, &reader, NULL), SP_INVALID);
    range.kind = SP_REC_TRADE;
    range.symbol = sp_name_of("..");
    assert_int_equal(sp_data_persistor_read(data, &range, &reader, NULL), SP_INVALID);
    range.symbol = sp_name_of("ETHUSDT"); /* never recorded: nothing, which is no error */
    assert_int_equal(sp_data_persistor_read(data, &range, &reader, NULL), SP_OK);
    sp_market_reader_close(reader);
    assert_int_equal(sp_data_persistor_close(data, NULL), SP_OK);
}

static void test_market_reader_of_none_holds_nothing(void **state)
{
    struct sp_data_persistor *data = NULL;

    (void)state;
    assert_int_equal(sp_data_persistor_none(&data, NULL), SP_OK);
    write_records(data, 0, 10);
    for (size_t k = 0; k < KINDS; k++)
        expect_range(data, kinds[k], (sp_wall){0}, (sp_wall){UNTIL_EVER}, 0, 0);
    assert_int_equal(sp_data_persistor_close(data, NULL), SP_OK);
}

/* The first status that is not SP_OK; SP_OK: it was read to its end. */
static sp_status read_all(struct sp_data_persistor *data, struct sp_err *err)
{
    struct sp_market_range range = {sp_name_of("BTCUSDT"), SP_REC_TRADE, {0}, {UNTIL_EVER}};
    struct sp_market_reader *reader = NULL;
    struct sp_record record;
    bool is_end = false;
    sp_status status = sp_data_persistor_read(data, &range, &reader, err);

    while (status == SP_OK && !is_end)
        status = sp_market_reader_next(reader, &record, &is_end, err);
    sp_market_reader_close(reader);
    return status;
}

static void test_market_reader_passes_over_no_damage(void **state)
{
    static const struct sp_parquet_column column = {"price", SP_PARQUET_E8};
    struct sp_data_persistor *data = open_data(0);
    struct sp_parquet_writer *writer = NULL;
    char path[PATH_MAX];
    struct sp_parquet_writer_options other = {.path = path, .columns = &column, .column_count = 1};
    struct sp_parquet_cell cell = {.number = 1};
    struct sp_err err = {0};
    uint8_t byte = 0;

    (void)state;
    write_records(data, 0, 50);
    assert_int_equal(sp_data_persistor_publish(data, NULL), SP_OK);
    snprintf(path, sizeof path, "%s/" DIR_OF("trade/20260806T070640.000000000Z-0.parquet"), folder);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, 200), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, 200), 1);
    assert_int_equal(read_all(data, &err), SP_CORRUPT);
    assert_non_null(strstr(err.text, "070640"));
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, 200), 1);
    close(fd);
    assert_int_equal(read_all(data, &err), SP_OK);
    snprintf(path, sizeof path, "%s/" DIR_OF("trade/prices.parquet"), folder);
    assert_int_equal(sp_parquet_writer_open(&other, &writer, NULL), SP_OK);
    assert_int_equal(sp_parquet_writer_append(writer, &cell, NULL), SP_OK);
    assert_int_equal(sp_parquet_writer_finish(writer, NULL, NULL), SP_OK);
    assert_int_equal(read_all(data, &err), SP_UNSUPPORTED);
    assert_int_equal(sp_data_persistor_close(data, NULL), SP_OK);
}

#define T(name)                                                                                    \
    cmocka_unit_test_setup_teardown(test_market_reader_##name, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(gives_back_what_was_written), T(orders_files_by_begin_then_number),
        T(refuses_what_is_not_data),    T(of_none_holds_nothing),
        T(passes_over_no_damage),
    };

    return cmocka_run_group_tests_name("market_reader", tests, NULL, NULL);
}
