/* Records published market data (IDataPersistor) on a thread of its own, so that completing a file
 * (sync and reading back) never holds up the stream. Records go through a bounded queue: what does
 * not fit is dropped and counted, unless the caller waits for room (a replay can, a live feed
 * cannot). All functions are for the one thread that feeds it.
 */
#ifndef SP_MARKETDATA_RECORD_THREAD_H
#define SP_MARKETDATA_RECORD_THREAD_H

#include "common/persist/data_persistor.h"

struct sp_record_thread;

struct sp_record_thread_stats {
    uint64_t queued_bytes;
    uint64_t dropped;      /* records that found the queue full */
    uint64_t failures;     /* of the recorder */
    int64_t append_ns_max; /* longest time in the recorder: completing a file */
    struct sp_recorder_stats recorder;
    struct sp_err last; /* of the failures */
};

/* Starts the thread, which owns `data` from then on; on failure it stays the caller's.
 * SP_NO_MEMORY, SP_IO. */
SP_NODISCARD sp_status sp_record_thread_open(struct sp_data_persistor *data,
                                             struct sp_record_thread **out, struct sp_err *err);
/* Whether a hundred records of any size fit. */
bool sp_record_thread_has_room(struct sp_record_thread *thread);
void sp_record_thread_put(struct sp_record_thread *thread, const struct sp_record *record);
struct sp_record_thread_stats sp_record_thread_stats(struct sp_record_thread *thread);
/* Writes what is queued, completes every file, ends the thread and frees. NULL is accepted. The
 * status is that of completing the files. */
SP_NODISCARD sp_status sp_record_thread_close(struct sp_record_thread *thread, struct sp_err *err);

#endif
