/* A journal in memory: nothing of it survives its close. For tests, simulations and backtests; the
 * contract is that of common/journal/journal.h, except that
 *
 *   - what was appended is as durable at once as it will ever be: durable_seq is the last sequence;
 *   - it always begins with STREAM_STARTED at sequence 1, whatever was there before;
 *   - only this process can read it (sp_journal_read); others get it from the bus;
 *   - past `bytes_max` it is poisoned like a journal whose disk has failed.
 *
 * Lines are kept as the journal of files writes them, without CRC. One writer; readers in any
 * thread.
 */
#ifndef SP_COMMON_PERSIST_MEMORY_JOURNAL_H
#define SP_COMMON_PERSIST_MEMORY_JOURNAL_H

#include "common/journal/journal.h"

/* Of the options: stream, world, epoch, start_time, build and boot_id; `bytes_max` 0: 512 MiB.
 * SP_INVALID, SP_NO_MEMORY. */
SP_NODISCARD sp_status sp_memory_journal_open(const struct sp_journal_options *options,
                                              uint64_t bytes_max, struct sp_journal **out,
                                              struct sp_err *err);

#endif
