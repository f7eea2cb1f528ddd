#include "services/supervisor/process.h"

#include "common/log.h"
#include "common/notify.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define NOTIFY_FD       3
#define ENV_MAX         512
#define LOG_PIPE_BYTES  (1 << 20)
#define OPEN_FILES_MIN  4096 /* libzmq aborts when it runs out of descriptors */
#define DUMP_THREADS    32
#define DUMP_TEXT_BYTES 256

struct birth {
    const struct sp_process_spec *spec;
    char *const *envp;
    pid_t parent;
    int null_fd, log_fd, notify_fd;
};

static void raise_file_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= OPEN_FILES_MIN) return;
    limit.rlim_cur = limit.rlim_max < OPEN_FILES_MIN ? limit.rlim_max : OPEN_FILES_MIN;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* Another thread of ours may hold any lock: only async-signal-safe calls from here to exec. */
static _Noreturn void be_child(const struct birth *birth)
{
    static const char complaint[] = "STATUS=the program cannot be executed";
    sigset_t none;

    setsid();
    raise_file_limit();
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    /* It follows the thread that forked, which is the main one. A parent that died before this line
     * is noticed by the next. */
    prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
    if (getppid() != birth->parent) _exit(SP_EXIT_SOFTWARE);

    dup2(birth->null_fd, STDIN_FILENO);
    dup2(birth->log_fd, STDOUT_FILENO);
    dup2(birth->log_fd, STDERR_FILENO);
    if (birth->notify_fd == NOTIFY_FD) {
        fcntl(NOTIFY_FD, F_SETFD, 0);
    } else {
        dup2(birth->notify_fd, NOTIFY_FD);
    }
    close_range(NOTIFY_FD + 1, ~0U, 0);

    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    /* execve wants char *const[], and does not write through it. */
    union {
        const char *const *in;
        char *const *out;
    } argv = {.in = birth->spec->argv};
    execve(birth->spec->path, argv.out, birth->envp);
    send(NOTIFY_FD, complaint, sizeof complaint - 1, MSG_NOSIGNAL);
    _exit(SP_EXIT_CONFIG);
}

/* Our environment with the number of the notify socket; what does not fit is left out. */
static void fill_environment(char *envp[ENV_MAX], char *notify)
{
    size_t n = 0;
    size_t skip = strlen(SP_NOTIFY_FD_ENV "=");

    for (char **env = environ; *env != NULL && n < ENV_MAX - 2; env++) {
        if (strncmp(*env, SP_NOTIFY_FD_ENV "=", skip) != 0) envp[n++] = *env;
    }
    envp[n++] = notify;
    envp[n] = NULL;
}

static void close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (fds[i] >= 0) close(fds[i]);
    }
}

/* The descriptors of both sides. All of them are close-on-exec; dup2 clears that for the child's.
 * */
enum { OUR_NOTIFY, ITS_NOTIFY, OUR_LOG, ITS_LOG, ITS_NULL, FD_COUNT };

static sp_status open_descriptors(int fds[FD_COUNT], struct sp_err *err)
{
    int notify[2] = {-1, -1}, log[2] = {-1, -1};

    for (int i = 0; i < FD_COUNT; i++) {
        fds[i] = -1;
    }
    bool ok = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, notify) == 0;
    ok = ok && pipe2(log, O_CLOEXEC | O_NONBLOCK) == 0;
    fds[OUR_NOTIFY] = notify[0];
    fds[ITS_NOTIFY] = notify[1];
    fds[OUR_LOG] = log[0];
    fds[ITS_LOG] = log[1];
    if (ok) fds[ITS_NULL] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (!ok || fds[ITS_NULL] < 0) {
        SP_FAIL(err, SP_IO, "no descriptors for a child: %s", strerror(errno));
        close_all(fds, FD_COUNT);
        return SP_IO;
    }
    /* A larger pipe only delays the dropping of lines; refusal is harmless. */
    if (fcntl(log[0], F_SETPIPE_SZ, LOG_PIPE_BYTES) < 0) errno = 0;
    return SP_OK;
}

sp_status sp_process_spawn(const struct sp_process_spec *spec, struct sp_process *out,
                           struct sp_err *err)
{
    char notify[32];
    char *envp[ENV_MAX];
    int fds[FD_COUNT];

    if (access(spec->path, X_OK) != 0)
        return SP_FAIL(err, SP_NOT_FOUND, "there is no program %s", spec->path);
    sp_status status = open_descriptors(fds, err);
    if (status != SP_OK) return status;
    snprintf(notify, sizeof notify, SP_NOTIFY_FD_ENV "=%d", NOTIFY_FD);
    fill_environment(envp, notify);

    struct birth birth = {.spec = spec,
                          .envp = envp,
                          .parent = getpid(),
                          .null_fd = fds[ITS_NULL],
                          .log_fd = fds[ITS_LOG],
                          .notify_fd = fds[ITS_NOTIFY]};
    pid_t pid = fork();
    if (pid == 0) be_child(&birth);
    if (pid < 0) {
        SP_FAIL(err, SP_IO, "fork: %s", strerror(errno));
        close_all(fds, FD_COUNT);
        return SP_IO;
    }
    /* Nobody but us reaps it, so the pid cannot have been reused yet. */
    int pidfd = pidfd_open(pid, 0);
    if (pidfd < 0) pidfd = -1; /* SIGCHLD alone will do */
    close(fds[ITS_NOTIFY]);
    close(fds[ITS_LOG]);
    close(fds[ITS_NULL]);
    *out = (struct sp_process){.pid = pid,
                               .pidfd = pidfd,
                               .notify_fd = fds[OUR_NOTIFY],
                               .log_fd = fds[OUR_LOG]};
    return SP_OK;
}

struct sp_process sp_process_none(void)
{
    return (struct sp_process){.pidfd = -1, .notify_fd = -1, .log_fd = -1};
}

void sp_process_close(struct sp_process *process)
{
    int fds[] = {process->pidfd, process->notify_fd, process->log_fd};

    close_all(fds, 3);
    *process = sp_process_none();
}

/* One line of /proc/PID/task/TID/FILE; "?" if it cannot be read. */
static void read_line(pid_t pid, const char *tid, const char *file, char out[DUMP_TEXT_BYTES])
{
    char path[128];

    snprintf(path, sizeof path, "/proc/%ld/task/%.20s/%s", (long)pid, tid, file);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, out, DUMP_TEXT_BYTES - 1) : -1;
    if (fd >= 0) close(fd);
    if (n <= 0) out[0] = '?';
    out[n > 0 ? n : 1] = '\0';
    out[strcspn(out, "\n")] = '\0';
}

void sp_process_dump(pid_t pid, const char *name)
{
    char path[64];
    char wchan[DUMP_TEXT_BYTES], call[DUMP_TEXT_BYTES], stat[DUMP_TEXT_BYTES];
    int threads = 0;

    snprintf(path, sizeof path, "/proc/%ld/task", (long)pid);
    DIR *dir = opendir(path);
    if (dir == NULL) return;
    for (struct dirent *e = readdir(dir); e != NULL && threads < DUMP_THREADS; e = readdir(dir)) {
        if (e->d_name[0] == '.') continue;
        read_line(pid, e->d_name, "wchan", wchan);
        read_line(pid, e->d_name, "syscall", call);
        read_line(pid, e->d_name, "stat", stat);
        const char *state = strrchr(stat, ')');
        sp_log(SP_LOG_ERROR, "child_hangs", "child=%s tid=%s state=%.1s wchan=%s syscall=\"%.60s\"",
               name, e->d_name, state != NULL && state[1] != '\0' ? state + 2 : "?", wchan, call);
        threads++;
    }
    closedir(dir);
}

unsigned long long sp_process_start_time(pid_t pid)
{
    char path[64];
    char text[1024];

    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return SP_PROCESS_START_TIME_NONE;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0) return SP_PROCESS_START_TIME_NONE;
    text[n] = '\0';

    /* The name in parentheses may hold spaces and parentheses: count from the last one. The state
     * is field 3, the start time field 22. */
    const char *at = strrchr(text, ')');
    for (int field = 2; at != NULL && field < 22; field++) {
        at = strchr(at + 1, ' ');
    }
    return at != NULL ? strtoull(at + 1, NULL, 10) : SP_PROCESS_START_TIME_NONE;
}
