/* The keeper: what the owner does with segments that are sealed and have a successor.
 *
 * Gives each the index that it lacks (journal_index.h), and compresses what is old enough
 * (segment_zip.h). All of it can be interrupted at any point and done again, and none of it is
 * needed for correctness: what fails is counted, and tried again after the next segment, minute or
 * start. A thread of its own, so that it delays neither appends nor syncs; or, without one,
 * whenever it is called.
 *
 * A compressed segment takes the place of the one that was written in this order, so that one of
 * them is whole at any time: write another name, sync, read back and compare, rename, sync the
 * directory, remove the one that was written, sync the directory. Readers prefer that one.
 */
#ifndef SP_COMMON_JOURNAL_KEEPER_H
#define SP_COMMON_JOURNAL_KEEPER_H

#include "common/journal/journal_segment.h"

struct sp_keeper;

struct sp_keeper_options {
    const char *dir;                 /* copied */
    const struct sp_file_port *port; /* outlives the keeper */
    sp_dur compress_after;           /* age of a segment, since its last write; 0 = never */
};

/* What was done since the begin. */
struct sp_keeper_done {
    uint32_t indexed, compressed, failed;
};

/* One pass over all segments, in the caller's thread: what a start does. SP_OK, also without
 * segments; else the first status that kept it from something. */
SP_NODISCARD sp_status sp_keeper_pass(const struct sp_keeper_options *options,
                                      struct sp_keeper_done *done, struct sp_err *err);

/* Removes a segment in all its forms, and its index last. Does not sync the directory. What is not
 * there is removed already. SP_STORAGE. */
SP_NODISCARD sp_status sp_keeper_remove(const char *dir, uint64_t first_seq,
                                        const struct sp_file_port *port, struct sp_err *err);

/* Starts the thread, which makes a pass at once. SP_NO_MEMORY. */
SP_NODISCARD sp_status sp_keeper_start(const struct sp_keeper_options *options,
                                       struct sp_keeper **out, struct sp_err *err);
/* A segment was begun: look again. Any thread. */
void sp_keeper_wake(struct sp_keeper *keeper);
/* Between the two nothing is renamed or removed by the keeper: for who removes segments. Any
 * thread; held for a few system calls only. */
void sp_keeper_hold(struct sp_keeper *keeper);
void sp_keeper_release(struct sp_keeper *keeper);
struct sp_keeper_done sp_keeper_done(const struct sp_keeper *keeper);
/* Ends the thread after the segment at which it is. NULL is accepted. */
void sp_keeper_stop(struct sp_keeper *keeper);

#endif
