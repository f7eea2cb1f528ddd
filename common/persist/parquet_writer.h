/* Writes one Parquet file (common/persist/parquet.h), row by row, whole or not at all.
 *
 * Rows are collected column by column and go to PATH.tmp one row group at a time. finish writes the
 * footer, syncs, reads the whole file back with our own reader (every checksum, row count, ranges),
 * renames it to PATH and syncs the directory. Until then no file called PATH exists or changes; an
 * existing PATH is replaced by the rename. A failed write poisons the writer: everything later
 * fails too, and closing removes the .tmp. A process that dies leaves the .tmp to its successor.
 *
 * Memory: at most one row group, its compressed page and the footer so far, all bounded.
 * One thread.
 */
#ifndef SP_COMMON_PERSIST_PARQUET_WRITER_H
#define SP_COMMON_PERSIST_PARQUET_WRITER_H

#include "common/journal/file.h"
#include "common/persist/parquet.h"

struct sp_parquet_writer_options {
    const char *path; /* ends in ".parquet"; its directory exists */
    const struct sp_parquet_column *columns;
    uint32_t column_count;
    uint32_t group_rows;             /* rows per group; 0: 65536 */
    const struct sp_file_port *port; /* NULL: the operating system's */
};

struct sp_parquet_writer;

/* Creates PATH.tmp. SP_EXISTS if there is one: another writer, or a dead one's that was not swept.
 * SP_STORAGE, SP_NO_MEMORY, SP_INVALID (columns or path). */
SP_NODISCARD sp_status sp_parquet_writer_open(const struct sp_parquet_writer_options *options,
                                              struct sp_parquet_writer **out, struct sp_err *err);
/* One row: one cell per column. A row that is refused is not in the file, and the writer goes on:
 * SP_RANGE (an E8 of 10^10 or more, a BOOL or U32 out of range), SP_TOO_LONG (text), SP_FULL (the
 * file has all the row groups it may have). SP_STORAGE poisons. */
SP_NODISCARD sp_status sp_parquet_writer_append(struct sp_parquet_writer *writer,
                                                const struct sp_parquet_cell *cells,
                                                struct sp_err *err);
uint64_t sp_parquet_writer_rows(const struct sp_parquet_writer *writer);
/* Completes the file and frees the writer, whatever the outcome. On failure PATH is as it was
 * before and the .tmp is gone, except when only the last directory sync failed: then PATH is there
 * but may not survive a power cut. SP_STORAGE; SP_CORRUPT if the file did not read back as written.
 * `summary` may be NULL. */
SP_NODISCARD sp_status sp_parquet_writer_finish(struct sp_parquet_writer *writer,
                                                struct sp_parquet_summary *summary,
                                                struct sp_err *err);
/* Gives up: removes the .tmp and frees the writer. */
void sp_parquet_writer_abandon(struct sp_parquet_writer *writer);

#endif
