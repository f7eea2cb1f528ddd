/* Reads back what a recorder has written (recorder.h): the records of one instrument and kind
 * within a span of market time, over as many files as they are in.
 *
 * Files are read in the order of their first records, records in the order in which they were
 * recorded. What was recorded twice, because a recording was played twice, is read twice; epoch and
 * sequence tell the two apart. Files whose footers say that they hold nothing of the span are
 * passed over; nothing else ever is. A file that is not complete does not have its name yet and is
 * not read. One file is open at a time. One thread per reader.
 */
#ifndef SP_COMMON_PERSIST_MARKET_READER_H
#define SP_COMMON_PERSIST_MARKET_READER_H

#include "common/journal/file.h"
#include "proto/record.h"

struct sp_market_range {
    sp_name symbol;
    enum sp_kind kind; /* TRADE, QUOTE, BAR, BOOK_DELTA or BOOK_SNAPSHOT */
    sp_wall from;      /* the first market time that belongs to it */
    sp_wall until;     /* the first one that does not any more */
};

struct sp_market_reader;

/* Lists the files there are now. `data_dir` NULL, or no folder for it there: it holds nothing.
 * `port` NULL: the operating system's. SP_INVALID: no such kind or symbol; SP_IO; SP_NO_MEMORY. */
SP_NODISCARD sp_status sp_market_reader_open(const char *data_dir, const sp_name *world,
                                             const struct sp_market_range *range,
                                             const struct sp_file_port *port,
                                             struct sp_market_reader **out, struct sp_err *err);
/* The next record, as it was recorded, in *record; or *is_end, after the last one. SP_CORRUPT,
 * SP_TRUNCATED, SP_IO, SP_NOT_FOUND: a file is damaged or was removed, and err names it;
 * SP_UNSUPPORTED: it is not one of ours. Then the reader can only be closed. */
SP_NODISCARD sp_status sp_market_reader_next(struct sp_market_reader *reader,
                                             struct sp_record *record, bool *is_end,
                                             struct sp_err *err);
/* NULL is accepted. */
void sp_market_reader_close(struct sp_market_reader *reader);

#endif
