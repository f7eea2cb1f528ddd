/* Market data as rows of a Parquet file, and back: the kinds, their columns, and what a row holds.
 *
 * Columns, after `time` (market clock), `epoch` and `seq` (the record's place in its stream):
 *
 *   trade          trade_id px qty taker_side received_ns
 *   quote          update_id bid_px bid_qty ask_px ask_qty received_ns
 *   bar            interval_ns opened open high low close volume trade_count received_ns
 *   book_delta     first_update_id last_update_id more side px qty received_ns
 *   book_snapshot  last_update_id part more side px qty received_ns
 *
 * A record of the two book kinds has one row per level, bids before asks; one without levels has
 * one row with an empty side, so that its update numbers are kept. Pure; any thread.
 */
#ifndef SP_COMMON_PERSIST_MARKET_ROWS_H
#define SP_COMMON_PERSIST_MARKET_ROWS_H

#include "common/persist/parquet.h"
#include "proto/record.h"

struct sp_market_layout {
    const char *name; /* of the kind, and of its folder */
    const struct sp_parquet_column *columns;
    uint32_t column_count;
    bool by_level; /* several rows for one record */
};

/* NULL: no market data that is recorded. */
const struct sp_market_layout *sp_market_layout(enum sp_kind kind);
/* How many rows the record has, at least one. Its kind has a layout, here and below. */
uint32_t sp_market_row_count(const struct sp_record *record);
/* Fills the cells of one of them. Texts are constants. */
void sp_market_row(const struct sp_record *record, uint32_t index, struct sp_parquet_cell *cells);
/* Makes the record of a row, of which stream and kind are set: its first one. SP_CORRUPT. */
SP_NODISCARD sp_status sp_market_record_begin(struct sp_record *record,
                                              const struct sp_parquet_cell *cells,
                                              struct sp_err *err);
/* Adds the next row of a layout by level. SP_AGAIN: it belongs to another record. SP_CORRUPT. */
SP_NODISCARD sp_status sp_market_record_add(struct sp_record *record,
                                            const struct sp_parquet_cell *cells,
                                            struct sp_err *err);

#endif
