/* One supervised process: how it is born, what it inherits, what it hangs in.
 *
 * The child gets its own session, standard input from /dev/null, standard output and error into a
 * pipe whose write side never blocks, the notify socket as descriptor 3 and nothing else; TERM when
 * the supervisor dies. The supervisor's main thread only.
 */
#ifndef SP_SUPERVISOR_PROCESS_H
#define SP_SUPERVISOR_PROCESS_H

#include "proto/status.h"

#include <sys/types.h>

struct sp_process {
    pid_t pid; /* 0: none */
    int pidfd, notify_fd, log_fd;
};

struct sp_process_spec {
    const char *path;        /* of the program */
    const char *const *argv; /* NULL-terminated */
};

/* SP_NOT_FOUND if there is no such program, SP_IO if the system refuses; *out is then untouched. A
 * program that cannot be executed after all says so as STATUS= and exits with 78. */
SP_NODISCARD sp_status sp_process_spawn(const struct sp_process_spec *spec, struct sp_process *out,
                                        struct sp_err *err);
/* Closes the descriptors; accepts a process that is none. */
void sp_process_close(struct sp_process *process);
/* The descriptors of no process. */
struct sp_process sp_process_none(void);

/* In which state, function and system call each thread is, to the log. */
void sp_process_dump(pid_t pid, const char *name);

#define SP_PROCESS_START_TIME_NONE 0
/* Clock ticks from boot to its start: with the pid, and within one boot, its identity. NONE if
 * there is no such process. */
unsigned long long sp_process_start_time(pid_t pid);

#endif
