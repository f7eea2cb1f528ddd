#include "common/persist/market_rows.h"

#include <string.h>

#define PLACE_CELLS 3 /* time, epoch, seq */
#define LEVEL_CELL  6 /* of the book kinds: side, px, qty, received_ns */

/* clang-format off */
#define PLACE {"time", SP_PARQUET_TIME}, {"epoch", SP_PARQUET_U32}, {"seq", SP_PARQUET_U64}
static const struct sp_parquet_column trade_columns[] = {
    PLACE, {"trade_id", SP_PARQUET_U64}, {"px", SP_PARQUET_E8}, {"qty", SP_PARQUET_E8},
    {"taker_side", SP_PARQUET_TEXT}, {"received_ns", SP_PARQUET_I64}};
static const struct sp_parquet_column quote_columns[] = {
    PLACE, {"update_id", SP_PARQUET_U64}, {"bid_px", SP_PARQUET_E8}, {"bid_qty", SP_PARQUET_E8},
    {"ask_px", SP_PARQUET_E8}, {"ask_qty", SP_PARQUET_E8}, {"received_ns", SP_PARQUET_I64}};
static const struct sp_parquet_column bar_columns[] = {
    PLACE, {"interval_ns", SP_PARQUET_I64}, {"opened", SP_PARQUET_TIME}, {"open", SP_PARQUET_E8},
    {"high", SP_PARQUET_E8}, {"low", SP_PARQUET_E8}, {"close", SP_PARQUET_E8},
    {"volume", SP_PARQUET_E8}, {"trade_count", SP_PARQUET_U32}, {"received_ns", SP_PARQUET_I64}};
static const struct sp_parquet_column book_delta_columns[] = {
    PLACE, {"first_update_id", SP_PARQUET_U64}, {"last_update_id", SP_PARQUET_U64},
    {"more", SP_PARQUET_BOOL}, {"side", SP_PARQUET_TEXT}, {"px", SP_PARQUET_E8},
    {"qty", SP_PARQUET_E8}, {"received_ns", SP_PARQUET_I64}};
static const struct sp_parquet_column book_snapshot_columns[] = {
    PLACE, {"last_update_id", SP_PARQUET_U64}, {"part", SP_PARQUET_U32},
    {"more", SP_PARQUET_BOOL}, {"side", SP_PARQUET_TEXT}, {"px", SP_PARQUET_E8},
    {"qty", SP_PARQUET_E8}, {"received_ns", SP_PARQUET_I64}};
#undef PLACE
#define LAYOUT(name, by_level) \
    {#name, name##_columns, sizeof name##_columns / sizeof name##_columns[0], by_level}
static const struct sp_market_layout trade_layout = LAYOUT(trade, false);
static const struct sp_market_layout quote_layout = LAYOUT(quote, false);
static const struct sp_market_layout bar_layout = LAYOUT(bar, false);
static const struct sp_market_layout delta_layout = LAYOUT(book_delta, true);
static const struct sp_market_layout snapshot_layout = LAYOUT(book_snapshot, true);
#undef LAYOUT
/* clang-format on */

const struct sp_market_layout *sp_market_layout(enum sp_kind kind)
{
    if (kind == SP_REC_TRADE) return &trade_layout;
    if (kind == SP_REC_QUOTE) return &quote_layout;
    if (kind == SP_REC_BAR) return &bar_layout;
    if (kind == SP_REC_BOOK_DELTA) return &delta_layout;
    if (kind == SP_REC_BOOK_SNAPSHOT) return &snapshot_layout;
    return NULL;
}

/* The two sides of a book record. */
struct sides {
    const sp_levels *bids, *asks;
    sp_mono received;
};

static struct sides sides_of(const struct sp_record *record)
{
    const struct sp_book_delta *delta = &record->body.book_delta;
    const struct sp_book_snapshot *snapshot = &record->body.book_snapshot;

    if (record->kind == SP_REC_BOOK_DELTA) {
        return (struct sides){&delta->bids, &delta->asks, delta->received};
    }
    return (struct sides){&snapshot->bids, &snapshot->asks, snapshot->received};
}

uint32_t sp_market_row_count(const struct sp_record *record)
{
    if (!sp_market_layout(record->kind)->by_level) return 1;
    struct sides sides = sides_of(record);
    uint32_t count = sides.bids->count + sides.asks->count;
    return count > 0 ? count : 1;
}

/* ---- To cells ---- */

static void put_number(struct sp_parquet_cell **cell, int64_t number)
{
    *(*cell)++ = (struct sp_parquet_cell){.number = number};
}

static void put_side(struct sp_parquet_cell **cell, uint8_t side)
{
    const char *name = sp_enum_name(SP_ENUM_SIDE, side);

    if (name == NULL) name = "";
    *(*cell)++ = (struct sp_parquet_cell){.text = name, .len_bytes = (uint32_t)strlen(name)};
}

static void put_trade(struct sp_parquet_cell **cell, const struct sp_trade *trade)
{
    put_number(cell, (int64_t)trade->trade_id);
    put_number(cell, trade->px.e8);
    put_number(cell, trade->qty.e8);
    put_side(cell, trade->taker_side);
    put_number(cell, trade->received.ns);
}

static void put_quote(struct sp_parquet_cell **cell, const struct sp_quote *quote)
{
    put_number(cell, (int64_t)quote->update_id);
    put_number(cell, quote->bid_px.e8);
    put_number(cell, quote->bid_qty.e8);
    put_number(cell, quote->ask_px.e8);
    put_number(cell, quote->ask_qty.e8);
    put_number(cell, quote->received.ns);
}

static void put_bar(struct sp_parquet_cell **cell, const struct sp_bar *bar)
{
    put_number(cell, bar->interval.ns);
    put_number(cell, bar->opened.ns);
    put_number(cell, bar->open.e8);
    put_number(cell, bar->high.e8);
    put_number(cell, bar->low.e8);
    put_number(cell, bar->close.e8);
    put_number(cell, bar->volume.e8);
    put_number(cell, bar->trade_count);
    put_number(cell, bar->received.ns);
}

static void put_level(struct sp_parquet_cell **cell, const struct sp_record *record, uint32_t index)
{
    struct sides sides = sides_of(record);
    bool is_ask = index >= sides.bids->count;
    const struct sp_level *level = NULL;

    if (!is_ask) {
        level = &sides.bids->at[index];
    } else if (index - sides.bids->count < sides.asks->count) {
        level = &sides.asks->at[index - sides.bids->count];
    }
    put_side(cell, level == NULL ? SP_SIDE_NONE : is_ask ? SP_SIDE_SELL : SP_SIDE_BUY);
    put_number(cell, level == NULL ? 0 : level->px.e8);
    put_number(cell, level == NULL ? 0 : level->qty.e8);
    put_number(cell, sides.received.ns);
}

void sp_market_row(const struct sp_record *record, uint32_t index, struct sp_parquet_cell *cells)
{
    const union sp_body *body = &record->body;
    struct sp_parquet_cell *cell = cells;

    SP_ASSERT(index < sp_market_row_count(record));
    put_number(&cell, record->time.ns);
    put_number(&cell, record->epoch);
    put_number(&cell, (int64_t)record->seq);
    if (record->kind == SP_REC_TRADE) put_trade(&cell, &body->trade);
    if (record->kind == SP_REC_QUOTE) put_quote(&cell, &body->quote);
    if (record->kind == SP_REC_BAR) put_bar(&cell, &body->bar);
    if (record->kind == SP_REC_BOOK_DELTA) {
        put_number(&cell, (int64_t)body->book_delta.first_update_id);
        put_number(&cell, (int64_t)body->book_delta.last_update_id);
        put_number(&cell, body->book_delta.more);
        put_level(&cell, record, index);
    }
    if (record->kind == SP_REC_BOOK_SNAPSHOT) {
        put_number(&cell, (int64_t)body->book_snapshot.last_update_id);
        put_number(&cell, body->book_snapshot.part);
        put_number(&cell, body->book_snapshot.more);
        put_level(&cell, record, index);
    }
    SP_ASSERT(cell - cells == sp_market_layout(record->kind)->column_count);
}

/* ---- From cells ---- */

static sp_status take_side(const struct sp_parquet_cell *cell, uint8_t *out, struct sp_err *err)
{
    *out = SP_SIDE_NONE;
    if (cell->len_bytes == 0) return SP_OK;
    if (sp_enum_parse(SP_ENUM_SIDE, cell->text, cell->len_bytes, out)) return SP_OK;
    return SP_FAIL(err, SP_CORRUPT, "'%.*s' is no side", (int)cell->len_bytes, cell->text);
}

static sp_status take_level(struct sp_record *record, const struct sp_parquet_cell *cells,
                            struct sp_err *err)
{
    bool is_delta = record->kind == SP_REC_BOOK_DELTA;
    struct sp_book_delta *delta = &record->body.book_delta;
    struct sp_book_snapshot *snapshot = &record->body.book_snapshot;
    uint8_t side = SP_SIDE_NONE;
    sp_status status = take_side(&cells[LEVEL_CELL], &side, err);

    if (status != SP_OK || side == SP_SIDE_NONE) return status;
    sp_levels *levels = is_delta ? &delta->bids : &snapshot->bids;
    if (side == SP_SIDE_SELL) levels = is_delta ? &delta->asks : &snapshot->asks;
    if (levels->count == SP_LEVELS_MAX) {
        return SP_FAIL(err, SP_CORRUPT, "record %u:%llu has more than %d levels", record->epoch,
                       (unsigned long long)record->seq, SP_LEVELS_MAX);
    }
    levels->at[levels->count++] =
        (struct sp_level){{cells[LEVEL_CELL + 1].number}, {cells[LEVEL_CELL + 2].number}};
    return SP_OK;
}

static void take_quote(struct sp_quote *quote, const struct sp_parquet_cell *own)
{
    *quote = (struct sp_quote){.update_id = (uint64_t)own[0].number,
                               .bid_px = {own[1].number},
                               .bid_qty = {own[2].number},
                               .ask_px = {own[3].number},
                               .ask_qty = {own[4].number},
                               .received = {own[5].number}};
}

static void take_bar(struct sp_bar *bar, const struct sp_parquet_cell *own)
{
    *bar = (struct sp_bar){.interval = {own[0].number},
                           .opened = {own[1].number},
                           .open = {own[2].number},
                           .high = {own[3].number},
                           .low = {own[4].number},
                           .close = {own[5].number},
                           .volume = {own[6].number},
                           .trade_count = (uint32_t)own[7].number,
                           .received = {own[8].number}};
}

sp_status sp_market_record_begin(struct sp_record *record, const struct sp_parquet_cell *cells,
                                 struct sp_err *err)
{
    const struct sp_parquet_cell *own = cells + PLACE_CELLS;
    union sp_body *body = &record->body;

    memset(body, 0, sizeof *body);
    record->time.ns = cells[0].number;
    record->epoch = (uint32_t)cells[1].number;
    record->seq = (uint64_t)cells[2].number;
    if (record->kind == SP_REC_TRADE) {
        body->trade = (struct sp_trade){.trade_id = (uint64_t)own[0].number,
                                        .px = {own[1].number},
                                        .qty = {own[2].number},
                                        .received = {own[4].number}};
        return take_side(&own[3], &body->trade.taker_side, err);
    }
    if (record->kind == SP_REC_QUOTE) take_quote(&body->quote, own);
    if (record->kind == SP_REC_BAR) take_bar(&body->bar, own);
    if (record->kind == SP_REC_BOOK_DELTA) {
        body->book_delta.first_update_id = (uint64_t)own[0].number;
        body->book_delta.last_update_id = (uint64_t)own[1].number;
        body->book_delta.more = own[2].number != 0;
        body->book_delta.received.ns = own[6].number;
        return take_level(record, cells, err);
    }
    if (record->kind == SP_REC_BOOK_SNAPSHOT) {
        body->book_snapshot.last_update_id = (uint64_t)own[0].number;
        body->book_snapshot.part = (uint32_t)own[1].number;
        body->book_snapshot.more = own[2].number != 0;
        body->book_snapshot.received.ns = own[6].number;
        return take_level(record, cells, err);
    }
    return SP_OK;
}

sp_status sp_market_record_add(struct sp_record *record, const struct sp_parquet_cell *cells,
                               struct sp_err *err)
{
    if (record->epoch != (uint32_t)cells[1].number) return SP_AGAIN;
    if (record->seq != (uint64_t)cells[2].number) return SP_AGAIN;
    if (cells[LEVEL_CELL].len_bytes == 0) return SP_AGAIN; /* a record without levels */
    return take_level(record, cells, err);
}
