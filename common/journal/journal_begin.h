/* Why a journal does not begin with record 1.
 *
 * Retention writes and syncs JOURNAL_TRIMMED before it deletes anything, so whatever a crash
 * leaves, one record of that kind that is held names the oldest segment or a later one. If none
 * does, segments have vanished, and what is left is no whole history. An operator accepts that with
 * `spoor journal repair`, which leaves a note in quarantine/; the next start finds it and records
 * it. Internal to the journal's own files (journal*.c) and to who shows a journal to people. One
 * thread.
 */
#ifndef SP_COMMON_JOURNAL_BEGIN_H
#define SP_COMMON_JOURNAL_BEGIN_H

#include "common/journal/journal_segment.h"

/* What the newest JOURNAL_TRIMMED says. */
struct sp_begin_trim {
    uint64_t first_kept; /* 0: there is none */
    bool by_repair;      /* it was accepted that what is before is gone; what comes back stays */
};
/* Looks for JOURNAL_TRIMMED in a batch that the cursor has just read. SP_NO_MEMORY. */
SP_NODISCARD sp_status sp_begin_look(const struct sp_segment_cursor *cursor,
                                     const struct sp_batch *batch, struct sp_begin_trim *trim,
                                     struct sp_err *err);
/* Whether it is known why nothing before `first_seq` is held: it is 1, `trimmed_to` reaches it, or
 * an operator has accepted it, then *accepted. */
bool sp_begin_is_known(const char *dir, uint64_t first_seq, uint64_t trimmed_to, bool *accepted);
/* Fills err with what is missing and what to do. Returns SP_CORRUPT. */
sp_status sp_begin_missing(const char *dir, uint64_t first_seq, struct sp_err *err);
struct sp_begin {
    uint64_t first_seq; /* oldest record held */
    bool accepted;      /* that is known by the operator's note alone */
};
/* Finds it out, by the indexes where they are; out->first_seq is also set with SP_CORRUPT.
 * Segments that begin at `below_seq` or behind were looked at (0: none). SP_CORRUPT: it is not
 * known. The writer may go on. SP_NOT_FOUND, SP_IO, SP_NO_MEMORY, SP_TOO_LONG. */
SP_NODISCARD sp_status sp_begin_check(const char *dir, uint64_t below_seq, struct sp_begin *out,
                                      struct sp_err *err);
/* Leaves the note, durable, in the folder `quarantine`. May be repeated. SP_STORAGE. */
SP_NODISCARD sp_status sp_begin_accept(const char *quarantine, uint64_t first_seq,
                                       const struct sp_file_port *port, struct sp_err *err);

#endif
