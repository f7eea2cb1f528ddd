/* The command line's side of the supervisor's control socket (services/supervisor/control.h): one
 * JSON line out, JSON lines in. Blocking. One thread.
 */
#ifndef SP_SPOOR_SUPERVISOR_CLIENT_H
#define SP_SPOOR_SUPERVISOR_CLIENT_H

#include "common/config/config.h"
#include "proto/messages.h"

#define SP_CLIENT_ROWS_MAX        (SP_INSTANCES_MAX + 1)
#define SP_CLIENT_SUPERVISORS_MAX (SP_INSTANCES_MAX + 1)

struct sp_supervisor_answer {
    struct sp_command_reply reply;
    uint32_t count; /* of rows: the supervisor itself first, then its services */
    struct sp_child_status rows[SP_CLIENT_ROWS_MAX];
};

/* The sockets of all supervisors that share the run directory: "supervisor.sock" of one machine,
 * "supervisor.NAME.sock" of one container each. */
struct sp_supervisor_sockets {
    uint32_t count;
    char path[SP_CLIENT_SUPERVISORS_MAX][108];
};
void sp_supervisor_sockets_find(const char *run_dir, struct sp_supervisor_sockets *out);

/* Asks and reads to the end of the answer; `name` may be NULL. SP_CLOSED: nobody listens.
 * SP_TIMEOUT. SP_IO, SP_CORRUPT: the answer breaks off or is not one. */
SP_NODISCARD sp_status sp_supervisor_ask(const char *path, const char *command, const char *name,
                                         sp_dur timeout, struct sp_supervisor_answer *answer,
                                         struct sp_err *err);

#endif
