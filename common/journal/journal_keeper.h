/* The keeper: what the owner does with segments that are sealed and have a successor.
 *
 * Gives each the index that it lacks (journal_index.h). All of it can be interrupted at any point
 * and done again, and none of it is needed for correctness: what fails is counted, and tried again
 * after the next segment or start. A thread of its own, so that it delays neither appends nor
 * syncs; or, without one, whenever it is called.
 */
#ifndef SP_COMMON_JOURNAL_KEEPER_H
#define SP_COMMON_JOURNAL_KEEPER_H

#include "common/journal/journal_segment.h"

struct sp_keeper;

struct sp_keeper_options {
    const char *dir;                 /* copied */
    const struct sp_file_port *port; /* outlives the keeper */
};

/* What was done since the begin. */
struct sp_keeper_done {
    uint32_t indexed, failed;
};

/* One pass over all segments, in the caller's thread: what a start does. SP_OK, also without
 * segments; else the first status that kept it from something. */
SP_NODISCARD sp_status sp_keeper_pass(const struct sp_keeper_options *options,
                                      struct sp_keeper_done *done, struct sp_err *err);

/* Starts the thread, which makes a pass at once. SP_NO_MEMORY. */
SP_NODISCARD sp_status sp_keeper_start(const struct sp_keeper_options *options,
                                       struct sp_keeper **out, struct sp_err *err);
/* A segment was begun: look again. Any thread. */
void sp_keeper_wake(struct sp_keeper *keeper);
struct sp_keeper_done sp_keeper_done(const struct sp_keeper *keeper);
/* Ends the thread after the segment at which it is. NULL is accepted. */
void sp_keeper_stop(struct sp_keeper *keeper);

#endif
