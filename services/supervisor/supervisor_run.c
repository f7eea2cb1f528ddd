#include "services/supervisor/supervisor_io.h"

#include "common/clock.h"

#include <errno.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define SWEEP_PATIENCE_NS (20 * SP_NS_PER_S)

#define START_TIMEOUT_NS (30 * SP_NS_PER_S)
#define STOP_TIMEOUT_NS  (10 * SP_NS_PER_S)
/* Execution flattens when the operation stops, and recovers the longest journal. */
#define EXECUTION_START_TIMEOUT_NS (60 * SP_NS_PER_S)
#define EXECUTION_STOP_TIMEOUT_NS  (20 * SP_NS_PER_S)

#define PROGRAM_DIR_ENV "SPOOR_PROGRAM_DIR"

static int complain(const struct sp_err *err)
{
    fprintf(stderr, "spoor-supervisor: %s\n", err->text);
    return sp_status_exit_code(err->status);
}

/* "supervisor", and for a part of the operation "supervisor.execution": each has its own lock,
 * journal and socket. */
static bool name_self(const char *only, sp_name *out)
{
    char text[SP_NAME_SIZE];

    *out = sp_name_of("supervisor");
    if (only == NULL) return true;
    int n = snprintf(text, sizeof text, "supervisor.%s", only);
    if (n < 0 || (size_t)n >= sizeof text) return false;
    for (char *c = text; *c != '\0'; c++) {
        if (strchr("*?[]!", *c) != NULL) *c = '_';
    }
    return sp_name_set(out, text);
}

static void add_instances(struct sp_supervisor_io *io, const struct sp_config *config)
{
    struct sp_instance instances[SP_INSTANCES_MAX];
    uint32_t count = sp_config_instances(config, instances);

    for (uint32_t i = 0; i < count; i++) {
        bool execution = strcmp(instances[i].program.s, "spoor-execution") == 0;
        struct sp_supervised_spec spec = {
            .instance = instances[i],
            .start_timeout = {execution ? EXECUTION_START_TIMEOUT_NS : START_TIMEOUT_NS},
            .stop_timeout = {execution ? EXECUTION_STOP_TIMEOUT_NS : STOP_TIMEOUT_NS},
        };
        if (io->options->only != NULL &&
            fnmatch(io->options->only, instances[i].name.s, FNM_NOESCAPE) != 0)
            continue;
        io->processes[io->core.count] = sp_process_none();
        sp_supervisor_add(&io->core, &spec);
    }
}

static sp_status find_programs(struct sp_supervisor_io *io, struct sp_err *err)
{
    const char *env = getenv(PROGRAM_DIR_ENV);

    if (env != NULL && env[0] != '\0') {
        int n = snprintf(io->program_dir, sizeof io->program_dir, "%s", env);
        if ((size_t)n < sizeof io->program_dir) return SP_OK;
        return SP_FAIL(err, SP_CONFIG, PROGRAM_DIR_ENV " is too long");
    }
    ssize_t n = readlink("/proc/self/exe", io->program_dir, sizeof io->program_dir - 1);
    if (n <= 0 || (size_t)n >= sizeof io->program_dir - 1)
        return SP_FAIL(err, SP_PLATFORM, "cannot find my own program: %s", strerror(errno));
    io->program_dir[n] = '\0';
    char *slash = strrchr(io->program_dir, '/');
    SP_ASSERT(slash != NULL);
    *slash = '\0';
    return SP_OK;
}

/* SP_CONFIG after all problems were printed. */
static sp_status read_config(struct sp_supervisor_io *io, struct sp_err *err)
{
    struct sp_problems *problems = calloc(1, sizeof *problems);
    struct sp_config *config = NULL;

    if (problems == NULL) return SP_FAIL(err, SP_NO_MEMORY, "memory is exhausted");
    sp_status status = sp_config_load(io->options->config_dir, &config, problems);
    if (problems->count > 0) sp_problems_print(problems, STDERR_FILENO);
    uint32_t errors = problems->errors;
    free(problems);
    if (status != SP_OK)
        return SP_FAIL(err, SP_CONFIG, "configuration %s has %u error%s; nothing was started",
                       io->options->config_dir, errors, errors == 1 ? "" : "s");
    io->platform = config->platform;
    io->operation = config->operation;
    io->installation = config->platform.installation;
    snprintf(io->config_dir, sizeof io->config_dir, "%s", config->dir);
    add_instances(io, config);
    sp_config_free(config);
    if (io->core.count == 0)
        return SP_FAIL(err, SP_USAGE, "no service of this operation matches --only %s",
                       io->options->only != NULL ? io->options->only : "");
    return SP_OK;
}

static sp_status make_dirs(const struct sp_supervisor_io *io, struct sp_err *err)
{
    const char *const dirs[] = {io->platform.data_dir, io->platform.run_dir, io->platform.log_dir};

    for (size_t i = 0; i < sizeof dirs / sizeof dirs[0]; i++) {
        sp_status status = sp_file_make_dirs(sp_file_port_real(), dirs[i], err);
        if (status != SP_OK) return status;
    }
    return SP_OK;
}

/* The lock first: what follows may then be treated as a dead predecessor's. */
static sp_status take_role(struct sp_supervisor_io *io, struct sp_err *err)
{
    snprintf(io->dir, sizeof io->dir, "%s/%s", io->platform.data_dir, io->self.s);
    sp_status status = sp_role_acquire(&io->role, io->dir, err);
    if (status != SP_OK) return status;
    sp_tally_file_open(&io->tally, io->dir, io->installation.s, io->role.epoch, &io->core);
    struct sp_journal_options options = {.dir = io->dir,
                                         .stream = io->self,
                                         .installation = io->installation.s,
                                         .world = "",
                                         .epoch = io->role.epoch,
                                         .compress_after = io->platform.journal_compress_after};
    return sp_journal_open(&options, &io->journal, err);
}

/* All signals are blocked and come by signalfd: process 1 ignores those without a handler. */
static sp_status take_signals(struct sp_supervisor_io *io, struct sp_err *err)
{
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    /* Grandchildren whose parent died come to us, as to process 1. */
    if (getpid() != 1 && prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) errno = 0;
    io->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    io->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    io->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (io->signal_fd < 0 || io->timer_fd < 0 || io->epoll_fd < 0)
        return SP_FAIL(err, SP_IO, "signalfd, timerfd or epoll: %s", strerror(errno));
    return SP_OK;
}

static sp_status open_all(struct sp_supervisor_io *io, struct sp_err *err)
{
    char path[SP_PATH_SIZE + SP_NAME_SIZE + 8];

    if (!name_self(io->options->only, &io->self))
        return SP_FAIL(err, SP_USAGE, "--only %s cannot be part of a file name", io->options->only);
    sp_status status = find_programs(io, err);
    if (status == SP_OK) status = read_config(io, err);
    if (status == SP_OK) status = make_dirs(io, err);
    sp_log_init(io->self.s, io->platform.log_level);
    if (status == SP_OK) status = take_signals(io, err);
    if (status == SP_OK) status = take_role(io, err);
    if (status != SP_OK) return status;

    snprintf(io->children_path, sizeof io->children_path, "%s/%s.children", io->platform.run_dir,
             io->self.s);
    unsigned swept = sp_sweep_run(io->children_path, (sp_dur){SWEEP_PATIENCE_NS});
    if (swept > 0) sp_log(SP_LOG_WARN, "orphans_ended", "count=%u next=starting", swept);
    for (uint32_t i = 0; i < io->core.count; i++) {
        sp_log_file_open(&io->logs[i], io->platform.log_dir, io->core.at[i].spec.instance.name.s,
                         &io->platform);
    }
    snprintf(path, sizeof path, "%s/%s.sock", io->platform.run_dir, io->self.s);
    status = sp_control_open(&io->control, path, err);
    if (status == SP_OK) status = sp_supervisor_watch_all(io, err);
    return status;
}

static void close_all(struct sp_supervisor_io *io)
{
    struct sp_err err = {0};

    for (uint32_t i = 0; i < io->core.count; i++) {
        sp_process_close(&io->processes[i]);
        sp_log_file_close(&io->logs[i]);
    }
    if (io->journal != NULL &&
        (sp_role_check(&io->role, &err) != SP_OK || sp_journal_seal(io->journal, &err) != SP_OK))
        sp_log_err(SP_LOG_ERROR, "journal_not_sealed", &err);
    sp_journal_close(io->journal);
    sp_role_release(&io->role);
}

static int exit_code_of(const struct sp_supervisor_io *io)
{
    if (io->core.stopping) return SP_EXIT_OK;
    uint32_t code = io->core.at[0].last_exit_code;
    return code != 0 ? (int)code : SP_EXIT_SOFTWARE;
}

int sp_supervisor_run(const struct sp_supervisor_options *options)
{
    struct sp_supervisor_io *io = calloc(1, sizeof *io);
    struct sp_err err = {0};

    if (io == NULL) return SP_EXIT_SOFTWARE;
    io->options = options;
    io->role.lock_fd = -1;
    io->started_at = sp_clock_mono();
    sp_supervisor_init(&io->core, &options->policy,
                       (uint64_t)sp_clock_wall().ns ^ (uint64_t)getpid());
    int code = SP_EXIT_OK;
    if (open_all(io, &err) == SP_OK) {
        sp_log(SP_LOG_INFO, "supervisor_started", "pid=%d epoch=%u services=%u", (int)getpid(),
               io->role.epoch, io->core.count);
        sp_supervisor_loop(io);
        code = exit_code_of(io);
        sp_log(SP_LOG_INFO, "supervisor_ends", "code=%d", code);
        if (io->core.stopping) {
            static const struct sp_supervisor none;
            unlink(io->children_path);
            sp_tally_file_save(&io->tally, &none); /* the next start is a person's */
        }
    } else {
        code = complain(&err);
    }
    close_all(io);
    if (io->core.stopping) sp_supervisor_answer_down(io);
    sp_control_close(&io->control);
    free(io);
    return code;
}
