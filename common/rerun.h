/* Repeats recorded inputs (common/inputs.h): the same core, in one process without sockets, clocks
 * or files of its own, and its records compared with the journal that the live service wrote.
 *
 * What is compared is the journal line, byte for byte apart from its checksum and "w". Every
 * service understands `--rerun FILE`, so that what runs, also under a debugger, is the very program
 * that ran; `spoor rerun SERVICE FILE` executes it. Writes nothing. One thread.
 */
#ifndef SP_COMMON_RERUN_H
#define SP_COMMON_RERUN_H

#include "common/config/config.h"
#include "common/decider.h"

struct sp_service_spec;

/* How a service's core is made, and what of it changes beside decide and apply. */
struct sp_rerun_core {
    const struct sp_core *core;
    /* A core to which nothing was applied. The statuses of the service's own start. */
    sp_status (*open)(const struct sp_config *config, const sp_name *instance, void **state,
                      struct sp_err *err);
    void (*close)(void *state); /* NULL is accepted */
    /* Makes the change that sp_shell_note told of. May be NULL if there are none. */
    void (*note)(void *state, const struct sp_event *event);
};

/* Arguments after --rerun. Returns the exit code: 0 equal; 70 (SP_EXIT_SOFTWARE) a record differs
 * or is missing; 65 the file or the journal is damaged; 64, 78. */
int sp_rerun_main(int argc, char **argv, const struct sp_service_spec *spec);

#endif
