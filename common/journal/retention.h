/* Retention: which whole segments of a journal may be deleted, and deleting them.
 *
 * Never the newest segment, and never a record that somebody needs. The owner first writes and
 * syncs JOURNAL_TRIMMED, then the files go, oldest first; a death in between is finished by the
 * next open, which finds the record in the last segment. So at any moment the journal is whole from
 * its first record on. No state; the owner's thread.
 */
#ifndef SP_COMMON_RETENTION_H
#define SP_COMMON_RETENTION_H

#include "common/journal/journal_segment.h"

struct sp_retention_ask {
    uint64_t before_seq; /* delete only below it; 0: of any sequence */
    sp_wall before_time; /* only what was last written before it; 0: of any age */
};

struct sp_retention_plan {
    uint64_t first_kept; /* the first sequence that stays; the oldest held if nothing goes */
    uint32_t segments;   /* that go */
    uint64_t bytes;
    bool is_asked;  /* the ask kept more than the needs did */
    bool is_newest; /* nothing kept more than that the newest stays */
};

/* Whole segments below `needs_seq` that the ask covers. SP_NOT_FOUND: no journal; SP_IO,
 * SP_NO_MEMORY, SP_TOO_LONG. */
SP_NODISCARD sp_status sp_retention_plan(const char *dir, const struct sp_retention_ask *ask,
                                         uint64_t needs_seq, struct sp_retention_plan *out,
                                         struct sp_err *err);
/* Deletes every file of the segments before `first_kept`, oldest first, and syncs the directory.
 * May be repeated. SP_INVALID: no segment begins there; nothing was deleted. SP_STORAGE: some may
 * be left. SP_IO, SP_NO_MEMORY, SP_NOT_FOUND, SP_TOO_LONG. */
SP_NODISCARD sp_status sp_retention_delete(const char *dir, uint64_t first_kept,
                                           const struct sp_file_port *port, struct sp_err *err);

#endif
