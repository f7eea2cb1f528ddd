/* Records market data to Parquet: IDataPersistor of the specification.
 *
 *   DATA/market/<world>/<symbol>/<kind>/<time of first record>-<n>.parquet
 *   e.g. data/market/paper/BTCUSDT/trade/20261122T180000.000000000Z-0.parquet
 *
 * One file per symbol and kind is open at a time. A file appears under its name when it is rolled:
 * whole, synced and read back (common/persist/parquet_writer.h); until then its rows are in memory
 * and in a .tmp. It is rolled at `roll_rows`, when the market clock has moved `roll_after` since
 * its first row, by roll, and at close. market_rows.h says what a file holds.
 *
 * Recorded data is for research and replay and never authority for orders: a process that is killed
 * loses the rows since the last roll. What it leaves is moved to DATA/quarantine at the next open.
 * Rolling takes time on the caller's thread (sync and reading back). One thread, one process per
 * world.
 */
#ifndef SP_COMMON_PERSIST_RECORDER_H
#define SP_COMMON_PERSIST_RECORDER_H

#include "common/journal/file.h"
#include "proto/record.h"

#define SP_RECORDER_FILES_MAX 160 /* open at once: 32 symbols, five kinds each */

struct sp_recorder_options {
    const char *data_dir; /* made if it is not there */
    sp_name world;
    uint64_t roll_rows;              /* 0: 1,000,000 */
    sp_dur roll_after;               /* 0: 15 minutes */
    uint32_t group_rows;             /* rows held in memory per file; 0: 16384 */
    const struct sp_file_port *port; /* NULL: the operating system's */
};

struct sp_recorder_stats {
    uint64_t rows;         /* given to a file */
    uint64_t rows_lost;    /* of those, in files that could not be completed */
    uint64_t files;        /* completed */
    uint64_t bytes;        /* of completed files */
    uint64_t swept;        /* leftovers moved to quarantine at open */
    uint64_t out_of_range; /* records refused: a value does not fit its column */
};

struct sp_recorder;

/* Makes the directories and sweeps leftovers. SP_STORAGE, SP_NO_MEMORY, SP_INVALID. */
SP_NODISCARD sp_status sp_recorder_open(const struct sp_recorder_options *options,
                                        struct sp_recorder **out, struct sp_err *err);
/* Records a trade, quote, bar, book_delta or book_snapshot of stream md.<world>.<symbol>; other
 * kinds are left alone. SP_STORAGE: a file could not be completed or begun; its rows are lost and
 * counted, and the next record begins a new file, so the caller may go on. SP_INVALID: not a stream
 * of this world. SP_RANGE: a value does not fit its column; the record is not recorded. SP_FULL:
 * too many symbols. */
SP_NODISCARD sp_status sp_recorder_append(struct sp_recorder *recorder,
                                          const struct sp_record *record, struct sp_err *err);
/* Completes every open file. All are tried; the first failure is reported. */
SP_NODISCARD sp_status sp_recorder_roll(struct sp_recorder *recorder, struct sp_err *err);
/* Completes the open file of one symbol and kind, if there is one. */
SP_NODISCARD sp_status sp_recorder_roll_one(struct sp_recorder *recorder, const sp_name *symbol,
                                            enum sp_kind kind, struct sp_err *err);
/* Rolls and frees, whatever the outcome. */
SP_NODISCARD sp_status sp_recorder_close(struct sp_recorder *recorder, struct sp_err *err);
struct sp_recorder_stats sp_recorder_stats(const struct sp_recorder *recorder);

#endif
