#include "common/persist/parquet_reader.h"
#include "common/persist/recorder.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define HOUR_NS  INT64_C(3600000000000)
#define START_NS INT64_C(1786000000000000000)

static char folder[64];
static struct sp_recorder_options options;

/* What is below a folder, counted by the end of the name. */
static struct {
    unsigned parquet;
    unsigned tmp;
    char last[PATH_MAX];
} found;

static int count_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    size_t len = strlen(path);

    (void)st;
    (void)ftw;
    if (type != FTW_F) return 0;
    if (strstr(path, ".parquet.tmp") != NULL) {
        found.tmp++;
    } else if (len > 8 && strcmp(path + len - 8, ".parquet") == 0) {
        found.parquet++;
        snprintf(found.last, sizeof found.last, "%s", path);
    }
    return 0;
}

static void look(const char *below)
{
    char path[PATH_MAX];

    memset(&found, 0, sizeof found);
    snprintf(path, sizeof path, "%s/%s", folder, below);
    nftw(path, count_one, 8, FTW_PHYS);
}

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
    snprintf(folder, sizeof folder, "/tmp/spoor-recorder-XXXXXX");
    if (mkdtemp(folder) == NULL) return -1;
    options = (struct sp_recorder_options){.data_dir = folder, .world = sp_name_of("paper")};
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static struct sp_recorder *open_recorder(void)
{
    struct sp_recorder *recorder = NULL;
    struct sp_err err = {0};

    if (sp_recorder_open(&options, &recorder, &err) != SP_OK) fail_msg("%s", err.text);
    return recorder;
}

static struct sp_record trade_of(const char *stream, uint64_t n, int64_t time_ns)
{
    struct sp_record record = {.stream = sp_name_of(stream),
                               .epoch = 2,
                               .seq = n,
                               .time = {time_ns},
                               .kind = SP_REC_TRADE};

    record.body.trade = (struct sp_trade){.trade_id = n,
                                          .px = {INT64_C(6183763000000)},
                                          .qty = {150000000},
                                          .taker_side = SP_SIDE_BUY};
    return record;
}

static void append_ok(struct sp_recorder *recorder, const struct sp_record *record)
{
    struct sp_err err = {0};

    if (sp_recorder_append(recorder, record, &err) != SP_OK) fail_msg("%s", err.text);
}

static uint64_t rows_of(const char *path)
{
    struct sp_parquet_summary summary = {0};
    struct sp_err err = {0};

    if (sp_parquet_verify(path, NULL, &summary, &err) != SP_OK) fail_msg("%s", err.text);
    return summary.rows;
}

static void test_recorder_writes_a_file_per_symbol_and_kind(void **state)
{
    struct sp_recorder *recorder = open_recorder();
    struct sp_record record = trade_of("md.paper.BTCUSDT", 1, START_NS);
    char expected[PATH_MAX];

    (void)state;
    append_ok(recorder, &record);
    look("market");
    assert_int_equal(found.parquet, 0); /* not before it is whole */
    assert_int_equal(found.tmp, 1);
    record.stream = sp_name_of("md.paper.ETH.USDT");
    append_ok(recorder, &record);
    record.kind = SP_REC_QUOTE;
    record.body.quote = (struct sp_quote){.bid_px = {1}, .ask_px = {2}};
    append_ok(recorder, &record);
    record.kind = SP_REC_DATA_GAP; /* not market data: left alone */
    append_ok(recorder, &record);
    assert_int_equal(sp_recorder_stats(recorder).rows, 3);
    assert_int_equal(sp_recorder_roll(recorder, NULL), SP_OK);
    assert_int_equal(sp_recorder_stats(recorder).files, 3);
    assert_int_equal(sp_recorder_close(recorder, NULL), SP_OK);
    look("market");
    assert_int_equal(found.parquet, 3);
    assert_int_equal(found.tmp, 0);
    snprintf(expected, sizeof expected,
             "%s/market/paper/BTCUSDT/trade/20260806T070640.000000000Z-0.parquet", folder);
    assert_int_equal(rows_of(expected), 1);
}

static void test_recorder_rolls_by_rows_and_by_market_time(void **state)
{
    struct sp_recorder *recorder;
    struct sp_record record;

    (void)state;
    options.roll_rows = 10;
    options.roll_after.ns = HOUR_NS;
    recorder = open_recorder();
    for (uint64_t n = 0; n < 25; n++) { /* all at one market time: names must still differ */
        record = trade_of("md.paper.BTCUSDT", n, START_NS);
        append_ok(recorder, &record);
    }
    assert_int_equal(sp_recorder_stats(recorder).files, 2);
    record = trade_of("md.paper.BTCUSDT", 26, START_NS + HOUR_NS - 1);
    append_ok(recorder, &record);
    assert_int_equal(sp_recorder_stats(recorder).files, 2);
    record = trade_of("md.paper.BTCUSDT", 27, START_NS + HOUR_NS);
    append_ok(recorder, &record);
    assert_int_equal(sp_recorder_stats(recorder).files, 3);
    assert_int_equal(sp_recorder_close(recorder, NULL), SP_OK);
    look("market");
    assert_int_equal(found.parquet, 4);
}

static void test_recorder_flattens_book_levels_in_order(void **state)
{
    struct sp_recorder *recorder = open_recorder();
    struct sp_record record = trade_of("md.paper.BTCUSDT", 7, START_NS);
    struct sp_parquet_cell cells[SP_PARQUET_COLUMNS_MAX];
    struct sp_parquet_reader *reader = NULL;
    static const struct {
        const char *side;
        int64_t px;
    } rows[] = {{"BUY", 10}, {"BUY", 9}, {"SELL", 11}, {"", 0}};
    bool is_end = false;

    (void)state;
    record.kind = SP_REC_BOOK_DELTA;
    memset(&record.body, 0, sizeof record.body);
    record.body.book_delta.last_update_id = 5;
    record.body.book_delta.more = true;
    record.body.book_delta.bids = (sp_levels){2, {{{10}, {1}}, {{9}, {0}}}};
    record.body.book_delta.asks = (sp_levels){1, {{{11}, {3}}}};
    append_ok(recorder, &record);
    record.body.book_delta.bids.count = record.body.book_delta.asks.count = 0;
    append_ok(recorder, &record);
    assert_int_equal(sp_recorder_close(recorder, NULL), SP_OK);
    look("market/paper/BTCUSDT/book_delta");
    assert_int_equal(sp_parquet_reader_open(found.last, NULL, &reader, NULL), SP_OK);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(sp_parquet_reader_next(reader, cells, &is_end, NULL), SP_OK);
        assert_false(is_end);
        assert_int_equal(cells[2].number, 7);
        assert_int_equal(cells[4].number, 5);
        assert_int_equal(cells[5].number, 1);
        assert_int_equal(cells[6].len_bytes, strlen(rows[i].side));
        assert_memory_equal(cells[6].text, rows[i].side, cells[6].len_bytes);
        assert_int_equal(cells[7].number, rows[i].px);
    }
    assert_int_equal(sp_parquet_reader_next(reader, cells, &is_end, NULL), SP_OK);
    assert_true(is_end);
    sp_parquet_reader_close(reader);
}

static void test_recorder_refuses_what_does_not_fit_and_goes_on(void **state)
{
    struct sp_recorder *recorder = open_recorder();
    struct sp_record record = trade_of("md.paper.BTCUSDT", 1, START_NS);

    (void)state;
    record.body.trade.qty.e8 = INT64_C(1000000000000000000);
    assert_int_equal(sp_recorder_append(recorder, &record, NULL), SP_RANGE);
    record = trade_of("md.paper.BTCUSDT", 2, START_NS);
    append_ok(recorder, &record);
    record.kind = SP_REC_BOOK_SNAPSHOT; /* one wrong level: none of them is recorded */
    memset(&record.body, 0, sizeof record.body);
    record.body.book_snapshot.bids = (sp_levels){2, {{{10}, {1}}, {{INT64_MAX}, {0}}}};
    assert_int_equal(sp_recorder_append(recorder, &record, NULL), SP_RANGE);
    assert_int_equal(sp_recorder_stats(recorder).out_of_range, 2);
    assert_int_equal(sp_recorder_stats(recorder).rows, 1);
    assert_int_equal(sp_recorder_close(recorder, NULL), SP_OK);
    look("market");
    assert_int_equal(found.parquet, 1);
    assert_int_equal(found.tmp, 0);
}

static void test_recorder_refuses_other_streams(void **state)
{
    static const char *const streams[] = {"md.live.BTCUSDT", "md.paper",    "md.paper.",
                                          "md.paper...",     "md.paper..x", "md.papers.BTCUSDT",
                                          "execution"};
    struct sp_recorder *recorder = open_recorder();

    (void)state;
    for (unsigned i = 0; i < sizeof streams / sizeof streams[0]; i++) {
        struct sp_record record = trade_of(streams[i], 1, START_NS);
        assert_int_equal(sp_recorder_append(recorder, &record, NULL), SP_INVALID);
    }
    assert_int_equal(sp_recorder_close(recorder, NULL), SP_OK);
    options.world = sp_name_of("..");
    assert_int_equal(sp_recorder_open(&options, &recorder, NULL), SP_INVALID);
}

/* A process that records and is killed in the middle. */
static void record_and_die(void)
{
    pid_t pid = fork();
    int status = 0;

    assert_true(pid >= 0);
    if (pid == 0) {
        struct sp_recorder *recorder = open_recorder();

        for (uint64_t n = 0; n < 25; n++) {
            struct sp_record record = trade_of("md.paper.BTCUSDT", n, START_NS);
            if (sp_recorder_append(recorder, &record, NULL) != SP_OK) _exit(1);
        }
        raise(SIGKILL);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
}

static void test_recorder_sweeps_what_a_killed_one_left(void **state)
{
    struct sp_recorder *recorder;

    (void)state;
    options.roll_rows = 10;
    options.group_rows = 2;
    for (unsigned round = 1; round <= 3; round++) {
        record_and_die();
        look("market");
        assert_int_equal(found.parquet, 2 * round); /* what was rolled is whole */
        assert_int_equal(found.tmp, 1);
        recorder = open_recorder();
        assert_int_equal(sp_recorder_stats(recorder).swept, 1);
        assert_int_equal(sp_recorder_close(recorder, NULL), SP_OK);
        look("market");
        assert_int_equal(found.tmp, 0);
        assert_int_equal(rows_of(found.last), 10);
        look("quarantine");
        assert_int_equal(found.tmp, round);
    }
}

static bool is_disk_full;

static ssize_t full_write(void *self, int fd, const void *buf, size_t len_bytes)
{
    if (is_disk_full) {
        errno = ENOSPC;
        return -1;
    }
    return sp_file_port_real()->write(self, fd, buf, len_bytes);
}

static void test_recorder_loses_only_the_open_file_when_the_disk_is_full(void **state)
{
    struct sp_file_port port = *sp_file_port_real();
    struct sp_recorder *recorder;
    struct sp_record record;
    struct sp_err err = {0};

    (void)state;
    port.write = full_write;
    options.port = &port;
    options.roll_rows = 10;
    recorder = open_recorder();
    for (uint64_t n = 0; n < 15; n++) {
        record = trade_of("md.paper.BTCUSDT", n, START_NS);
        append_ok(recorder, &record);
    }
    is_disk_full = true;
    assert_int_equal(sp_recorder_roll(recorder, &err), SP_STORAGE);
    assert_int_equal(err.os_errno, ENOSPC);
    assert_int_equal(sp_recorder_append(recorder, &record, &err), SP_STORAGE);
    is_disk_full = false;
    append_ok(recorder, &record); /* there is room again: recording goes on */
    assert_int_equal(sp_recorder_stats(recorder).rows_lost, 5);
    assert_int_equal(sp_recorder_close(recorder, NULL), SP_OK);
    look("market");
    assert_int_equal(found.parquet, 2);
    assert_int_equal(found.tmp, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_recorder_writes_a_file_per_symbol_and_kind,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_recorder_rolls_by_rows_and_by_market_time, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_recorder_flattens_book_levels_in_order, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_recorder_refuses_what_does_not_fit_and_goes_on,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_recorder_refuses_other_streams, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_recorder_sweeps_what_a_killed_one_left, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(
            test_recorder_loses_only_the_open_file_when_the_disk_is_full, make_folder,
            remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
