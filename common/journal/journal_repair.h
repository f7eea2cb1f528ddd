/* What is left of a damaged journal, and cutting off the rest: for an operator, with the owner
 * stopped and its role held (role.h), after a start was refused with SP_CORRUPT.
 *
 * Kept is everything before the first batch that does not verify; nothing behind it, however sound,
 * because order and completeness are what a journal is for. Nothing is deleted: what is cut off is
 * in quarantine/ before it goes, and the next start records JOURNAL_TRUNCATED. If the oldest
 * segments have vanished, what is held stays, and it is noted that an operator has accepted it; the
 * next start records JOURNAL_TRIMMED. Interrupted at any point it is begun again. One thread.
 */
#ifndef SP_COMMON_JOURNAL_REPAIR_H
#define SP_COMMON_JOURNAL_REPAIR_H

#include "common/journal/journal_segment.h"
#include "proto/record.h"

/* Where a journal stops to verify, and what would go. */
struct sp_repair {
    sp_name stream;
    uint64_t first_seq;  /* oldest record that stays */
    uint64_t next_seq;   /* the first that goes; the journal goes on with it */
    uint64_t segment;    /* the segment in which the damage is, by its first sequence */
    uint64_t at;         /* byte in it; what is before it stays */
    bool whole_segment;  /* nothing of that segment stays */
    uint32_t segments;   /* that go or lose something, this one included; 0: nothing goes */
    bool begin_missing;  /* what stays does not say why nothing is held before first_seq */
    uint64_t lost_bytes; /* that can still be read of what goes */
    uint64_t lost_last;  /* highest sequence seen there; below next_seq if none */
    uint64_t lost_lines; /* records that can still be read there, if not verified */
    uint64_t lost_kinds[SP_KIND_NUMBER_MAX + 1];
    char why[240];
    /* Set by the caller after a look: names of other files in the folder that say what the journal
     * will not say any more; put aside if they are there, in this order, each one's name on disk
     * before the next. NULL-terminated, or NULL. */
    const char *const *also;
};

/* SP_OK: nothing to repair (a torn tail is none: a start cuts it off). SP_CORRUPT: *out says what
 * is damaged. SP_GONE: nothing of the journal verifies; only a backup helps. SP_NOT_FOUND,
 * SP_VERSION, SP_IO, SP_NO_MEMORY, SP_TOO_LONG. */
SP_NODISCARD sp_status sp_repair_look(const char *dir, struct sp_repair *out, struct sp_err *err);
/* Does it, in this order: the note about the begin, if that is missing; all that can be read of
 * what goes to a new file in quarantine/, whose name is written to kept_in; the files of `also`;
 * the later segments there, newest first; then the rest of this one. If nothing goes, only the
 * first. SP_STORAGE, SP_IO, SP_NO_MEMORY: look again before trying again. */
SP_NODISCARD sp_status sp_repair_do(const char *dir, const struct sp_repair *repair,
                                    const struct sp_file_port *port, sp_text *kept_in,
                                    struct sp_err *err);

#endif
