/* How a service lives: the one main of all of them.
 *
 *   arguments -> configuration -> role (lock, epoch) -> journal (recover) -> bus -> init
 *   -> ready -> run -> stop -> seal -> exit code
 *
 * The services' main.c only fills sp_service_spec and calls sp_service_main. When the supervisor
 * started us (SPOOR_NOTIFY_FD), we tell it READY, progress and STATUS, and end in order when its
 * end of the socket closes. Started by hand, a service joins the running system all the same.
 * With --rerun it is none of this: it repeats recorded inputs (common/rerun.h).
 */
#ifndef SP_COMMON_SERVICE_H
#define SP_COMMON_SERVICE_H

#include "common/bus/bus.h"
#include "common/clock.h"
#include "common/config/config.h"
#include "common/journal/role.h"
#include "common/metrics.h"
#include "common/storage.h"

struct sp_rerun_core;

struct sp_service {
    const struct sp_config *config;
    sp_name instance;       /* "strategy.ema" */
    char dir[SP_PATH_SIZE]; /* DATA/<instance> */
    struct sp_role role;
    struct sp_journal *journal; /* NULL if the spec wants none */
    struct sp_loop *loop;
    struct sp_bus *bus;
    struct sp_metrics *metrics;
    sp_name stream;            /* of the journal: the instance's name */
    const char *record_inputs; /* FILE of --record-inputs; NULL: as the configuration says */
    struct sp_storage storage; /* looked at each second */
    /* Answers a request to delete old segments: set by who knows what a start needs (the shell);
     * NULL: nothing is deleted. */
    void (*on_retain)(void *ctx, const struct sp_retain *request, struct sp_command_reply *reply);
    void *on_retain_ctx;
    void *state; /* the service's own */
};

struct sp_service_spec {
    const char *program;  /* "spoor-execution" */
    const char *about;    /* one line for --help */
    const char *instance; /* default instance; NULL: --instance is required */
    bool journal;         /* keeps a journal of facts */
    /* How its core is made without anything around it (common/rerun.h); NULL: it has none. */
    const struct sp_rerun_core *rerun;
    /* Called once everything above exists and the journal is recovered; wires sockets and timers;
     * sets service->state. The shell (common/shell.h) replays the journal here. */
    sp_status (*init)(struct sp_service *service, struct sp_err *err);
    /* Asked every 50 ms until it says true: caught up, so READY. NULL: at once. */
    bool (*is_ready)(struct sp_service *service);
    /* A stop was asked (signal or supervisor). `whole_operation` is true if all of it stops.
     * Returns true when done; called again every 10 ms until then or the deadline. NULL: nothing to
     * do. */
    bool (*stop)(struct sp_service *service, bool whole_operation);
    /* Storage has failed: nothing can be kept or acknowledged any more, and the process will end
     * with 74. Does what is safe without memory of it (cancels) and returns true when done; called
     * again every 10 ms until then, for a second at most. NULL: nothing to do. */
    bool (*storage_failed)(struct sp_service *service);
    void (*fini)(struct sp_service *service);
    /* Answers control requests the service module does not know (it answers status and metrics
     * queries itself, after `fill_status`). May be NULL. */
    sp_bus_request_fn *on_request; /* ctx is the struct sp_service */
    void (*fill_status)(struct sp_service *service, struct sp_service_status *status);
};

/* Runs a service; returns its exit code. Prints --help and argument errors itself. */
int sp_service_main(int argc, char **argv, const struct sp_service_spec *spec);

/* Ends the service with this exit status after the current callback: storage errors, fencing. Logs
 * the error. */
void sp_service_fail(struct sp_service *service, const struct sp_err *err);
void sp_service_set_phase(struct sp_service *service, enum sp_phase phase);

#endif
