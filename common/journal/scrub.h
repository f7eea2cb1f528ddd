/* The scrub: in the background every older segment of a journal is read again from its first line
 * to its SEAL, one after the other and then from the beginning, so that damage to what nobody reads
 * is found while a backup of it still exists.
 *
 * Repairs nothing and stops nothing: what is running stands on memory, on the newest segment and on
 * snapshots that verify by themselves. A thread of its own, nice, and paced by bytes.
 */
#ifndef SP_COMMON_SCRUB_H
#define SP_COMMON_SCRUB_H

#include "proto/types.h"

struct sp_scrub;

struct sp_scrub_options {
    const char *dir;           /* copied */
    uint64_t bytes_per_second; /* of reading; 0: as fast as it goes */
    sp_dur every;              /* pause after all segments were read */
};

struct sp_scrub_report {
    uint64_t segments, bytes; /* read so far */
    uint32_t passes;          /* over all segments */
    uint32_t damaged;         /* segments found damaged, in the newest look at each */
    uint64_t first_damaged;   /* the first sequence of the oldest of them */
    sp_text why;              /* of it; empty if none */
};

/* One segment, in the caller's thread: every line to its SEAL. SP_OK; SP_NOT_FOUND: deleted
 * meanwhile; SP_CORRUPT with err; the other statuses of sp_segment_open. */
SP_NODISCARD sp_status sp_scrub_segment(const char *dir, uint64_t first_seq, uint64_t *bytes,
                                        struct sp_err *err);
/* SP_NO_MEMORY. */
SP_NODISCARD sp_status sp_scrub_start(const struct sp_scrub_options *options, struct sp_scrub **out,
                                      struct sp_err *err);
/* Ends the thread after the segment at which it is. NULL is accepted. */
void sp_scrub_stop(struct sp_scrub *scrub);
/* Any thread. */
struct sp_scrub_report sp_scrub_report(struct sp_scrub *scrub);

#endif
