/* IDataPersistor: market data in bulk, for research and replay and never authority for orders.
 * persistor_factory.h makes one.
 *
 *   parquet  files per instrument and kind (common/persist/recorder.h)
 *   none     takes everything and keeps nothing, and counts what it did not keep
 *
 * What was written can be read at once, whether it was published or not, and also after a restart.
 * One thread.
 */
#ifndef SP_COMMON_PERSIST_DATA_PERSISTOR_H
#define SP_COMMON_PERSIST_DATA_PERSISTOR_H

#include "common/persist/market_reader.h"
#include "common/persist/recorder.h"

struct sp_data_persistor;

/* Takes a trade, quote, bar, book_delta or book_snapshot of a stream md.<world>.<symbol>; other
 * kinds are left alone. The statuses of sp_recorder_append: the caller may go on after each. */
SP_NODISCARD sp_status sp_data_persistor_write(struct sp_data_persistor *persistor,
                                               const struct sp_record *record, struct sp_err *err);
/* Completes every open file, so that it can be read. SP_STORAGE. */
SP_NODISCARD sp_status sp_data_persistor_publish(struct sp_data_persistor *persistor,
                                                 struct sp_err *err);
/* Reads the records of an instrument and kind within a span of market time, all that are kept now
 * (market_reader.h says in which order): of `none` that is nothing. It completes the open file of
 * that instrument and kind first, so frequent reads make small files. The reader does not need the
 * persistor and sees nothing that is written later. The statuses of sp_market_reader_open;
 * SP_STORAGE: the open file could not be completed, its rows are lost and counted. */
SP_NODISCARD sp_status sp_data_persistor_read(struct sp_data_persistor *persistor,
                                              const struct sp_market_range *range,
                                              struct sp_market_reader **out, struct sp_err *err);
struct sp_recorder_stats sp_data_persistor_stats(const struct sp_data_persistor *persistor);
/* Publishes and frees, whatever the outcome. NULL is accepted. */
SP_NODISCARD sp_status sp_data_persistor_close(struct sp_data_persistor *persistor,
                                               struct sp_err *err);

/* The kinds. The statuses of sp_recorder_open; SP_NO_MEMORY. */
SP_NODISCARD sp_status sp_data_persistor_parquet(const struct sp_recorder_options *options,
                                                 struct sp_data_persistor **out,
                                                 struct sp_err *err);
SP_NODISCARD sp_status sp_data_persistor_none(struct sp_data_persistor **out, struct sp_err *err);

#endif
