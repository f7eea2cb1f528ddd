/* What a supervisor leaves for the next one: which processes were its children.
 *
 * RUN/<supervisor>.children has one line per living child: "BOOT_ID PID START_TIME NAME". The file
 * is replaced at every birth and death. A child normally ends with its supervisor; the next
 * supervisor makes sure of it before it starts anything, and the locks of the services are the last
 * guard.
 */
#ifndef SP_SUPERVISOR_SWEEP_H
#define SP_SUPERVISOR_SWEEP_H

#include "proto/types.h"

#include <sys/types.h>

struct sp_sweep_entry {
    sp_name name;
    pid_t pid;
};

/* Replaces the file. SP_IO: the sweep would miss a child, which the caller logs. */
SP_NODISCARD sp_status sp_sweep_note(const char *path, const struct sp_sweep_entry *entries,
                                     size_t count, struct sp_err *err);
/* Ends every process of the file that still is the one noted (same boot, pid and start time): TERM,
 * and KILL after `patience`. Returns how many there were; they are gone then. */
unsigned sp_sweep_run(const char *path, sp_dur patience);

#endif
