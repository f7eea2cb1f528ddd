#include "services/supervisor/supervisor_io.h"

#include "common/clock.h"
#include "common/notify.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define EVENTS_MAX     32
#define LOG_CHUNKS_MAX 64 /* of one child in one round, so that a chatterer does not starve us */
#define REAP_MAX       256
#define MESSAGES_MAX   64

/* What a descriptor in epoll is; with the index of the child or client in the lower half. */
enum source {
    FROM_SIGNAL,
    FROM_TIMER,
    FROM_LISTEN,
    FROM_CLIENT,
    FROM_PIDFD,
    FROM_NOTIFY,
    FROM_LOG
};

/* ---- Descriptors ---- */

static sp_status watch(struct sp_supervisor_io *io, int fd, enum source source, uint32_t index,
                       struct sp_err *err)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)source << 32 | index};

    if (fd < 0 || epoll_ctl(io->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0) return SP_OK;
    return SP_FAIL(err, SP_IO, "epoll: %s", strerror(errno));
}

static void unwatch(struct sp_supervisor_io *io, int fd)
{
    if (fd >= 0) epoll_ctl(io->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

/* ---- Journal ---- */

/* "delay" of a child that is ready or has ended is how long that took. What is not known yet is
 * left out. */
static void log_child(enum sp_kind kind, const struct sp_child *child)
{
    char epoch[24] = "", delay[48] = "", reason[SP_TEXT_SIZE + 16] = "";
    bool is_pause = kind == SP_REC_CHILD_BACKOFF;

    if (child->epoch != 0) snprintf(epoch, sizeof epoch, " epoch=%u", child->epoch);
    if (child->delay.ns != 0)
        snprintf(delay, sizeof delay, " %s=%lld", is_pause ? "restart_in_ms" : "after_ms",
                 (long long)(child->delay.ns / SP_NS_PER_MS));
    if (child->reason.s[0] != '\0')
        snprintf(reason, sizeof reason, " reason=\"%s\"", child->reason.s);
    sp_log(kind == SP_REC_CHILD_GIVEN_UP ? SP_LOG_ERROR : SP_LOG_INFO, sp_kind_name(kind),
           "child=%s pid=%u%s restarts=%u%s%s", child->name.s, child->pid, epoch, child->restarts,
           delay, reason);
}

static void record(struct sp_supervisor_io *io, const struct sp_supervisor_action *action)
{
    const struct sp_child *child = &action->child_record;
    struct sp_record rec = {
        .stream = io->self,
        .epoch = io->role.epoch,
        .time = sp_clock_wall(),
        .kind = action->kind,
        .body.child = *child,
    };
    struct sp_err err = {0};

    log_child(action->kind, child);
    if (io->journal == NULL) return;
    rec.seq = sp_journal_next_seq(io->journal);
    if (sp_journal_append(io->journal, &rec, 1, &err) == SP_OK) return;
    /* Ending here would take down the services that hold positions; their own journals decide
     * whether they can go on. */
    sp_log_err(SP_LOG_ERROR, "journal_failed", &err);
    sp_journal_close(io->journal);
    io->journal = NULL;
}

/* ---- Children ---- */

static void note_children(struct sp_supervisor_io *io)
{
    struct sp_sweep_entry entries[SP_SUPERVISED_MAX];
    size_t count = 0;
    struct sp_err err = {0};

    for (uint32_t i = 0; i < io->core.count; i++) {
        if (io->processes[i].pid == 0) continue;
        entries[count++] = (struct sp_sweep_entry){.name = io->core.at[i].spec.instance.name,
                                                   .pid = io->processes[i].pid};
    }
    if (sp_sweep_note(io->children_path, entries, count, &err) != SP_OK)
        sp_log_err(SP_LOG_WARN, "children_not_noted", &err);
}

static void spawn(struct sp_supervisor_io *io, uint32_t index)
{
    const struct sp_instance *instance = &io->core.at[index].spec.instance;
    char path[SP_PATH_SIZE + SP_NAME_SIZE];
    const char *argv[] = {path, "--config", io->config_dir, "--instance", instance->name.s, NULL};
    struct sp_process_spec spec = {.path = path, .argv = argv};
    struct sp_process *process = &io->processes[index];
    struct sp_err err = {0};

    snprintf(path, sizeof path, "%s/%s", io->program_dir, instance->program.s);
    sp_status status = sp_process_spawn(&spec, process, &err);
    if (status != SP_OK) {
        struct sp_supervisor_end end = {.exit_code = status == SP_NOT_FOUND ? SP_EXIT_CONFIG
                                                                            : SP_EXIT_SOFTWARE};
        sp_log_err(SP_LOG_ERROR, "child_not_started", &err);
        sp_text_printf(&io->core.at[index].text, "%s", err.text);
        sp_supervisor_exited(&io->core, index, end, sp_clock_mono(), &io->actions);
        return;
    }
    bool ok = watch(io, process->pidfd, FROM_PIDFD, index, &err) == SP_OK;
    ok = watch(io, process->notify_fd, FROM_NOTIFY, index, &err) == SP_OK && ok;
    ok = watch(io, process->log_fd, FROM_LOG, index, &err) == SP_OK && ok;
    if (!ok) sp_log_err(SP_LOG_ERROR, "child_not_watched", &err);
    note_children(io);
    sp_supervisor_spawned(&io->core, index, (uint32_t)process->pid, &io->actions);
}

static void send_signal(const struct sp_process *process, int signal)
{
    if (process->pid == 0) return;
    if (process->pidfd >= 0 && pidfd_send_signal(process->pidfd, signal, NULL, 0) == 0) return;
    kill(process->pid, signal); /* not reaped yet, so the number still is its own */
}

static void ask_to_stop(struct sp_supervisor_io *io, uint32_t index)
{
    const struct sp_process *process = &io->processes[index];
    bool whole = io->core.stopping && io->core.whole;

    sp_notify_send(process->notify_fd, "STOP=%s", whole ? "operation" : "service");
    send_signal(process, SIGTERM);
    send_signal(process, SIGCONT);
}

/* Carries out what the core decided. Carrying out a spawn may add actions, so the list is read by
 * index until its end. */
static void perform(struct sp_supervisor_io *io)
{
    for (uint32_t i = 0; i < io->actions.count; i++) {
        struct sp_supervisor_action action = io->actions.at[i];
        const struct sp_process *process = &io->processes[action.child];
        switch (action.what) {
        case SP_SUPERVISOR_SPAWN: spawn(io, action.child); break;
        case SP_SUPERVISOR_STOP: ask_to_stop(io, action.child); break;
        case SP_SUPERVISOR_TERM:
            send_signal(process, SIGTERM);
            send_signal(process, SIGCONT);
            break;
        case SP_SUPERVISOR_KILL: send_signal(process, SIGKILL); break;
        case SP_SUPERVISOR_DUMP:
            sp_process_dump(process->pid, io->core.at[action.child].spec.instance.name.s);
            break;
        case SP_SUPERVISOR_RECORD:
            io->tally_changed = true;
            record(io, &action);
            break;
        }
    }
    io->actions.count = 0;
}

static void read_notify(struct sp_supervisor_io *io, uint32_t index)
{
    struct sp_process *process = &io->processes[index];
    char text[SP_NOTIFY_TEXT_MAX];

    for (int i = 0; i < MESSAGES_MAX && process->notify_fd >= 0; i++) {
        sp_status status = sp_notify_receive(process->notify_fd, text);
        if (status == SP_AGAIN) return;
        if (status == SP_CLOSED) {
            unwatch(io, process->notify_fd);
            close(process->notify_fd);
            process->notify_fd = -1;
            return;
        }
        sp_supervisor_notified(&io->core, index, text, sp_clock_mono(), &io->actions);
    }
}

static void read_log(struct sp_supervisor_io *io, uint32_t index)
{
    struct sp_process *process = &io->processes[index];

    for (int i = 0; i < LOG_CHUNKS_MAX && process->log_fd >= 0; i++) {
        ssize_t n = read(process->log_fd, io->chunk, sizeof io->chunk);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) return;
        if (n <= 0) {
            unwatch(io, process->log_fd);
            close(process->log_fd);
            process->log_fd = -1;
            return;
        }
        sp_log_file_write(&io->logs[index], io->chunk, (size_t)n);
        /* A closed console loses it; the file has it. */
        if (io->options->only != NULL && write(STDOUT_FILENO, io->chunk, (size_t)n) < 0) errno = 0;
    }
}

static struct sp_supervisor_end end_of(const siginfo_t *info)
{
    struct sp_supervisor_end end = {0};

    if (info->si_code == CLD_EXITED) {
        end.exit_code = (uint32_t)info->si_status;
    } else {
        end.signal = (uint32_t)info->si_status;
    }
    return end;
}

/* Reads its last words before telling the core, so that the status says why it ended. */
static void bury(struct sp_supervisor_io *io, uint32_t index, struct sp_supervisor_end end)
{
    struct sp_process *process = &io->processes[index];

    read_notify(io, index);
    read_log(io, index);
    unwatch(io, process->pidfd);
    unwatch(io, process->notify_fd);
    unwatch(io, process->log_fd);
    sp_process_close(process);
    note_children(io);
    sp_supervisor_exited(&io->core, index, end, sp_clock_mono(), &io->actions);
    perform(io);
}

/* Reaps children and, as process 1 or sub-reaper, whatever was left to us. Looks first and reaps
 * then: the group of a child is killed while its number cannot have been given away. */
static void reap(struct sp_supervisor_io *io)
{
    for (int i = 0; i < REAP_MAX; i++) {
        siginfo_t info = {0};
        uint32_t index = 0;
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) return;
        while (index < io->core.count && io->processes[index].pid != info.si_pid) {
            index++;
        }
        if (index < io->core.count) kill(-info.si_pid, SIGKILL);
        if (waitid(P_PID, (id_t)info.si_pid, &info, WEXITED | WNOHANG) != 0) return;
        if (index < io->core.count) bury(io, index, end_of(&info));
    }
}

/* ---- The loop ---- */

static void accept_client(struct sp_supervisor_io *io)
{
    struct sp_err err = {0};
    int index = sp_control_accept(&io->control);

    if (index < 0) return;
    if (watch(io, io->control.clients[index].fd, FROM_CLIENT, (uint32_t)index, &err) != SP_OK)
        sp_control_end(&io->control, (uint32_t)index);
}

static void read_signals(struct sp_supervisor_io *io)
{
    struct signalfd_siginfo info;

    while (read(io->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT) {
            sp_log(SP_LOG_INFO, "stop_asked", "signal=%u", info.ssi_signo);
            /* A container that ends does not end the operation: others go on trading. */
            bool whole = io->options->only == NULL;
            sp_supervisor_stop_all(&io->core, whole, sp_clock_mono(), &io->actions);
        }
    }
}

static void dispatch(struct sp_supervisor_io *io, uint64_t key)
{
    uint32_t index = (uint32_t)key;
    uint64_t expirations;

    switch ((enum source)(key >> 32)) {
    case FROM_SIGNAL: read_signals(io); break;
    case FROM_TIMER:
        if (read(io->timer_fd, &expirations, sizeof expirations) < 0) errno = 0;
        break;
    case FROM_LISTEN: accept_client(io); break;
    case FROM_CLIENT: sp_supervisor_read_client(io, index); break;
    case FROM_PIDFD: break; /* reap sees to it */
    case FROM_NOTIFY: read_notify(io, index); break;
    case FROM_LOG: read_log(io, index); break;
    }
    perform(io);
}

static void arm_timer(struct sp_supervisor_io *io)
{
    int64_t at = sp_supervisor_next(&io->core, sp_clock_mono()).ns;
    struct itimerspec spec = {
        .it_value = {.tv_sec = at / SP_NS_PER_S, .tv_nsec = at % SP_NS_PER_S}};

    int rc = timerfd_settime(io->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL);
    SP_ASSERT(rc == 0);
}

/* With --only, an end that nobody will repair is the container's end. Otherwise we stay: execution
 * goes on managing open orders while something else has been given up. */
static bool is_finished(const struct sp_supervisor_io *io)
{
    if (!sp_supervisor_all_down(&io->core)) return false;
    if (io->core.stopping) return true;
    if (io->options->only == NULL) return false;
    for (uint32_t i = 0; i < io->core.count; i++) {
        if (io->core.at[i].state != SP_SUPERVISED_GIVEN_UP) return false;
    }
    return true;
}

sp_status sp_supervisor_watch_all(struct sp_supervisor_io *io, struct sp_err *err)
{
    sp_status status = watch(io, io->signal_fd, FROM_SIGNAL, 0, err);

    if (status == SP_OK) status = watch(io, io->timer_fd, FROM_TIMER, 0, err);
    if (status == SP_OK) status = watch(io, io->control.listen_fd, FROM_LISTEN, 0, err);
    return status;
}

void sp_supervisor_loop(struct sp_supervisor_io *io)
{
    struct epoll_event events[EVENTS_MAX];

    sp_supervisor_start_all(&io->core, sp_clock_mono(), &io->actions);
    perform(io);
    while (!is_finished(io)) {
        arm_timer(io);
        int n = epoll_wait(io->epoll_fd, events, EVENTS_MAX, -1);
        for (int i = 0; i < n; i++) {
            dispatch(io, events[i].data.u64);
        }
        reap(io);
        sp_supervisor_tick(&io->core, sp_clock_mono(), &io->actions);
        perform(io);
        /* After the starts, which must not wait for it; before anybody is told of what it holds. */
        if (io->tally_changed) sp_tally_file_save(&io->tally, &io->core);
        io->tally_changed = false;
        sp_supervisor_settle_clients(io);
    }
}
