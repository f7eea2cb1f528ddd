/* What the writer and its recovery share. Internal to journal*.c. */
#ifndef SP_COMMON_JOURNAL_WRITER_H
#define SP_COMMON_JOURNAL_WRITER_H

#include "common/journal/journal.h"
#include "common/journal/journal_begin.h"
#include "common/journal/journal_segment.h"

/* Where a recovered journal goes on. */
struct sp_recovered {
    uint64_t first_seq;   /* oldest record held */
    uint64_t next_seq;    /* 1 for a new journal */
    uint64_t durable_seq; /* W */
    uint32_t crc;         /* of the last line; 0 for a new journal */
    uint32_t segments;
    /* The last segment; first_seq 0 if there is none. A sealed one is only made durable. */
    uint64_t segment_first_seq;
    uint64_t segment_bytes;
    bool sealed;
    uint64_t unsynced_at;      /* offset behind which nothing was ever promised */
    struct sp_begin_trim trim; /* of the last segment */
    bool begin_accepted;       /* nothing but an operator's note says why first_seq is not 1 */
    /* A tail that was cut off; bytes 0 if none. */
    uint64_t torn_bytes;
    sp_text torn_kept_in;
};

/* Checks what is in options->dir, and cuts off a torn tail. The statuses of sp_journal_open. */
SP_NODISCARD sp_status sp_journal_recover(const struct sp_journal_options *options,
                                          struct sp_recovered *out, struct sp_err *err);

#endif
