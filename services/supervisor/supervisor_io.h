/* The supervisor's life around the pure core: signals, children, timers, the control socket.
 *
 * One thread (the journal has its sync helper). Links no libzmq: a library's abort must not take
 * the supervisor down. supervisor_run.c sets up and tears down, supervisor_io.c is the loop,
 * supervisor_commands.c answers the control socket.
 */
#ifndef SP_SUPERVISOR_IO_H
#define SP_SUPERVISOR_IO_H

#include "common/journal/journal.h"
#include "common/journal/role.h"
#include "services/supervisor/control.h"
#include "services/supervisor/log_file.h"
#include "services/supervisor/process.h"
#include "services/supervisor/supervisor_core.h"
#include "services/supervisor/sweep.h"
#include "services/supervisor/tally_file.h"

#define SP_SUPERVISOR_CHUNK_BYTES 16384

struct sp_supervisor_options {
    const char *config_dir;
    const char *only; /* pattern of instance names, or NULL: all */
    struct sp_supervisor_policy policy;
};

struct sp_supervisor_io {
    const struct sp_supervisor_options *options;
    struct sp_platform platform; /* copied: the configuration is freed after the start */
    sp_name operation;
    sp_name self; /* "supervisor", or "supervisor.PATTERN" */
    sp_name installation;
    char config_dir[SP_PATH_SIZE];
    char program_dir[SP_PATH_SIZE];
    char children_path[SP_PATH_SIZE + 64];
    sp_mono started_at;
    int epoll_fd, signal_fd, timer_fd;
    struct sp_role role;
    struct sp_journal *journal;            /* NULL once the disk has refused */
    char dir[SP_PATH_SIZE + SP_NAME_SIZE]; /* of role, journal and tally */
    struct sp_tally_file tally;
    bool tally_changed;
    struct sp_control control;
    struct sp_supervisor core;
    struct sp_supervisor_actions actions;
    struct sp_process processes[SP_SUPERVISED_MAX];
    struct sp_log_file logs[SP_SUPERVISED_MAX];
    char chunk[SP_SUPERVISOR_CHUNK_BYTES];
};

/* Runs until everything was asked to stop and has; returns the exit code. Prints what is wrong with
 * the configuration. */
int sp_supervisor_run(const struct sp_supervisor_options *options);

/* Puts the signal, timer and control descriptors into epoll. */
SP_NODISCARD sp_status sp_supervisor_watch_all(struct sp_supervisor_io *io, struct sp_err *err);
/* Starts everything; returns when all is down and should be. */
void sp_supervisor_loop(struct sp_supervisor_io *io);

/* Something came from a client: a request is begun, and answered if it can be at once. */
void sp_supervisor_read_client(struct sp_supervisor_io *io, uint32_t index);
/* Answers the clients whose command has come to its end. */
void sp_supervisor_settle_clients(struct sp_supervisor_io *io);
/* Tells those who wait for "down" that it is done. */
void sp_supervisor_answer_down(struct sp_supervisor_io *io);

#endif
