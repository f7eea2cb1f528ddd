/* The supervisor's tally on disk: DATA/<supervisor>/tally.json, a snapshot file
 * (common/journal/state.h) that is replaced whenever a service was born, died or became ready.
 *
 * Not synced: it outlives our death, not the machine's, whose next run would pass it over anyway.
 * What cannot be read or written is logged and supervision goes on without. One thread.
 */
#ifndef SP_SUPERVISOR_TALLY_FILE_H
#define SP_SUPERVISOR_TALLY_FILE_H

#include "common/journal/state.h"
#include "services/supervisor/supervisor_core.h"

struct sp_tally_file {
    struct sp_state_file file; /* its strings are the caller's */
    struct sp_file_port port;
    uint64_t generation; /* of the next; 0: it is not written any more */
    uint32_t epoch;
};

/* Gives the core what the supervisor before knew, unless that ended in order. `dir`, under the
 * role's lock, and `installation` are kept, not copied. */
void sp_tally_file_open(struct sp_tally_file *tally, const char *dir, const char *installation,
                        uint32_t epoch, struct sp_supervisor *core);
/* Writes down what the core knows; a core without services: nothing is to be remembered. */
void sp_tally_file_save(struct sp_tally_file *tally, const struct sp_supervisor *core);

#endif
