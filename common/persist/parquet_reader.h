/* Reads Parquet files that spoor wrote (common/persist/parquet.h): rows in order, every checksum
 * checked. Memory is bounded by the file's length and by the limits of parquet.h, whatever the file
 * claims. One thread per reader.
 */
#ifndef SP_COMMON_PERSIST_PARQUET_READER_H
#define SP_COMMON_PERSIST_PARQUET_READER_H

#include "common/journal/file.h"
#include "common/persist/parquet.h"

struct sp_parquet_reader;

/* Reads and checks the footer. `port` NULL: the operating system's. SP_NOT_FOUND; SP_TRUNCATED (no
 * footer at the end); SP_CORRUPT; SP_UNSUPPORTED (not made by spoor); SP_IO; SP_NO_MEMORY. */
SP_NODISCARD sp_status sp_parquet_reader_open(const char *path, const struct sp_file_port *port,
                                              struct sp_parquet_reader **out, struct sp_err *err);
void sp_parquet_reader_close(struct sp_parquet_reader *reader);

/* Owned by the reader, as long as it is open. */
const struct sp_parquet_footer *sp_parquet_reader_footer(const struct sp_parquet_reader *reader);
/* What the footer claims. */
struct sp_parquet_summary sp_parquet_reader_summary(const struct sp_parquet_reader *reader);

/* Passes over the row groups that hold nothing of [from, until), by the first TIME column; of the
 * others all rows are read. Before the first sp_parquet_reader_next. */
void sp_parquet_reader_limit(struct sp_parquet_reader *reader, sp_wall from, sp_wall until);
/* The next row: fills one cell per column and sets *is_end to false, or sets it to true after the
 * last row. Texts point into the reader and live until the next call. SP_CORRUPT, SP_IO. */
SP_NODISCARD sp_status sp_parquet_reader_next(struct sp_parquet_reader *reader,
                                              struct sp_parquet_cell *cells, bool *is_end,
                                              struct sp_err *err);

/* Reads a whole file: every byte is covered by a checksum that is checked, every row is decoded,
 * and row count and ranges must be those that the footer claims. `summary` may be NULL. */
SP_NODISCARD sp_status sp_parquet_verify(const char *path, const struct sp_file_port *port,
                                         struct sp_parquet_summary *summary, struct sp_err *err);

#endif
