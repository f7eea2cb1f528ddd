/* Writes the market data that parquet_pyarrow.py knows, through the persistor. Every value follows
 * from the record's number by a formula that the script repeats. Or reads a range of it back, and
 * prints a line of cells for each row.
 *
 * usage: parquet_sample DIR ROWS
 *        parquet_sample DIR KIND FROM_NS UNTIL_NS
 */
#include "common/persist/data_persistor.h"
#include "common/persist/market_rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define START_NS INT64_C(1786000000123456789)

static void begin(struct sp_record *record, enum sp_kind kind, uint64_t n)
{
    memset(record, 0, sizeof *record);
    record->stream = sp_name_of("md.paper.BTCUSDT");
    record->epoch = 3;
    record->seq = n + 1;
    record->time.ns = START_NS + (int64_t)n * 1000001;
    record->kind = kind;
}

static int64_t price(uint64_t n)
{
    return INT64_C(6183763000000) + (int64_t)(n * 7919 % 100003);
}
static int64_t quantity(uint64_t n)
{
    return 1 + (int64_t)(n * 104729 % 1000000007);
}

static void make_trade(struct sp_record *record, uint64_t n)
{
    begin(record, SP_REC_TRADE, n);
    record->body.trade = (struct sp_trade){.trade_id = UINT64_C(18446744073709551615) - n,
                                           .px = {price(n)},
                                           .qty = {quantity(n)},
                                           .taker_side = n % 3 ? SP_SIDE_BUY : SP_SIDE_SELL,
                                           .received = {(int64_t)n * 11}};
}

static void make_quote(struct sp_record *record, uint64_t n)
{
    begin(record, SP_REC_QUOTE, n);
    record->body.quote = (struct sp_quote){.update_id = n * 2,
                                           .bid_px = {price(n)},
                                           .bid_qty = {0},
                                           .ask_px = {price(n) + 1},
                                           .ask_qty = {INT64_C(999999999999999999)},
                                           .received = {(int64_t)n * 11}};
}

static void make_bar(struct sp_record *record, uint64_t n)
{
    begin(record, SP_REC_BAR, n);
    record->body.bar = (struct sp_bar){.interval = {INT64_C(1000000000)},
                                       .opened = {START_NS - 1},
                                       .open = {price(n)},
                                       .high = {price(n) + 5},
                                       .low = {price(n) - 5},
                                       .close = {price(n) + 2},
                                       .volume = {quantity(n)},
                                       .trade_count = UINT32_MAX - (uint32_t)n,
                                       .received = {(int64_t)n * 11}};
}

/* n % 4 bids and n % 3 asks, so some changes have no level at all. */
static void make_levels(sp_levels *levels, uint64_t count, uint64_t n)
{
    levels->count = (uint32_t)count;
    for (uint64_t i = 0; i < count; i++) {
        levels->at[i] = (struct sp_level){{price(n) + (int64_t)i}, {(int64_t)(n % 2)}};
    }
}

static void make_delta(struct sp_record *record, uint64_t n)
{
    begin(record, SP_REC_BOOK_DELTA, n);
    record->body.book_delta.first_update_id = n;
    record->body.book_delta.last_update_id = n + 1;
    record->body.book_delta.more = n % 5 == 0;
    record->body.book_delta.received.ns = (int64_t)n * 11;
    make_levels(&record->body.book_delta.bids, n % 4, n);
    make_levels(&record->body.book_delta.asks, n % 3, n);
}

static void make_snapshot(struct sp_record *record, uint64_t n)
{
    begin(record, SP_REC_BOOK_SNAPSHOT, n);
    record->body.book_snapshot.last_update_id = n + 1;
    record->body.book_snapshot.part = (uint32_t)n;
    record->body.book_snapshot.more = n % 5 == 0;
    record->body.book_snapshot.received.ns = (int64_t)n * 11;
    make_levels(&record->body.book_snapshot.bids, SP_LEVELS_MAX, n);
    make_levels(&record->body.book_snapshot.asks, 1, n);
}

static sp_status write_all(struct sp_data_persistor *data, uint64_t rows, struct sp_err *err)
{
    static void (*const makers[])(struct sp_record *, uint64_t) = {make_trade, make_quote, make_bar,
                                                                   make_delta, make_snapshot};
    static struct sp_record record;
    sp_status status = SP_OK;

    for (unsigned m = 0; m < sizeof makers / sizeof makers[0] && status == SP_OK; m++) {
        for (uint64_t n = 0; n < (m == 4 ? rows / 100 : rows) && status == SP_OK; n++) {
            makers[m](&record, n);
            status = sp_data_persistor_write(data, &record, err);
        }
    }
    return status;
}

static void print_record(const struct sp_record *record)
{
    const struct sp_market_layout *layout = sp_market_layout(record->kind);
    struct sp_parquet_cell cells[SP_PARQUET_COLUMNS_MAX];

    for (uint32_t row = 0; row < sp_market_row_count(record); row++) {
        sp_market_row(record, row, cells);
        for (uint32_t i = 0; i < layout->column_count; i++) {
            enum sp_parquet_type type = layout->columns[i].type;
            if (i > 0) putchar(',');
            if (type == SP_PARQUET_TEXT) printf("%.*s", (int)cells[i].len_bytes, cells[i].text);
            if (type == SP_PARQUET_U64) printf("%llu", (unsigned long long)cells[i].number);
            if (type != SP_PARQUET_TEXT && type != SP_PARQUET_U64)
                printf("%lld", (long long)cells[i].number);
        }
        putchar('\n');
    }
}

static sp_status print_range(struct sp_data_persistor *data, char **args, struct sp_err *err)
{
    struct sp_market_range range = {.symbol = sp_name_of("BTCUSDT"),
                                    .from = {strtoll(args[1], NULL, 10)},
                                    .until = {strtoll(args[2], NULL, 10)}};
    struct sp_market_reader *reader = NULL;
    struct sp_record record;
    bool is_end = false;

    for (int kind = 1; kind < SP_REC_HEARTBEAT; kind++) {
        const struct sp_market_layout *layout = sp_market_layout((enum sp_kind)kind);
        if (layout != NULL && strcmp(layout->name, args[0]) == 0) range.kind = (enum sp_kind)kind;
    }
    sp_status status = sp_data_persistor_read(data, &range, &reader, err);
    while (status == SP_OK && !is_end) {
        status = sp_market_reader_next(reader, &record, &is_end, err);
        if (status == SP_OK && !is_end) print_record(&record);
    }
    sp_market_reader_close(reader);
    return status;
}

int main(int argc, char **argv)
{
    struct sp_data_persistor *data = NULL;
    struct sp_recorder_options options = {.world = sp_name_of("paper"), .roll_rows = 100000};
    struct sp_err err = {0};
    uint64_t rows = argc == 3 ? strtoull(argv[2], NULL, 10) : 0;

    if (rows == 0 && argc != 5) {
        fprintf(stderr, "usage: parquet_sample DIR ROWS | DIR KIND FROM_NS UNTIL_NS\n");
        return SP_EXIT_USAGE;
    }
    options.data_dir = argv[1];
    sp_status status = sp_data_persistor_parquet(&options, &data, &err);
    if (status == SP_OK) {
        status = argc == 5 ? print_range(data, argv + 2, &err) : write_all(data, rows, &err);
    }
    if (status == SP_OK) {
        status = sp_data_persistor_close(data, &err);
    } else {
        SP_IGNORE(sp_data_persistor_close(data, NULL)); /* the first failure is the one to show */
    }
    if (status != SP_OK) fprintf(stderr, "%s: %s\n", err.site, err.text);
    return status == SP_OK ? 0 : SP_EXIT_SOFTWARE;
}
