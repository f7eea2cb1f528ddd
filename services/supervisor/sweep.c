#include "services/supervisor/sweep.h"

#include "common/clock.h"
#include "common/log.h"
#include "services/supervisor/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#define ENTRIES_MAX   64
#define LINE_BYTES    160
#define PATH_BYTES    600
#define AFTER_KILL_NS (5 * SP_NS_PER_S)

struct orphan {
    sp_name name;
    int pid;
    int pidfd; /* -1: gone */
};

sp_status sp_sweep_note(const char *path, const struct sp_sweep_entry *entries, size_t count,
                        struct sp_err *err)
{
    char tmp[PATH_BYTES];
    sp_name boot = sp_clock_boot_id();

    snprintf(tmp, sizeof tmp, "%s.tmp", path);
    int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool ok = fd >= 0;
    for (size_t i = 0; ok && i < count; i++) {
        char line[LINE_BYTES];
        unsigned long long start = sp_process_start_time(entries[i].pid);
        int n = snprintf(line, sizeof line, "%s %d %llu %s\n", boot.s, (int)entries[i].pid, start,
                         entries[i].name.s);
        ok = write(fd, line, (size_t)n) == n;
    }
    if (fd >= 0) ok = close(fd) == 0 && ok;
    ok = ok && rename(tmp, path) == 0;
    return ok ? SP_OK : SP_FAIL(err, SP_IO, "cannot write %s: %s", path, strerror(errno));
}

/* Fills *out if the line names a process that is still the same one. */
static bool find_orphan(const char *line, const sp_name *boot, struct orphan *out)
{
    char line_boot[SP_NAME_SIZE], name[SP_NAME_SIZE];
    int pid = 0;
    unsigned long long start = 0;

    if (sscanf(line, "%39s %d %llu %39s", line_boot, &pid, &start, name) != 4) return false;
    if (strcmp(line_boot, boot->s) != 0 || pid <= 1 || start == SP_PROCESS_START_TIME_NONE)
        return false;
    if (!sp_name_set(&out->name, name)) return false;
    /* Take the handle first, compare then: the handle cannot come to mean another process. */
    out->pid = pid;
    out->pidfd = pidfd_open(pid, 0);
    if (out->pidfd < 0) return false;
    if (sp_process_start_time(pid) == start) return true;
    close(out->pidfd);
    return false;
}

static void signal_all(const struct orphan *orphans, unsigned count, int signal)
{
    for (unsigned i = 0; i < count; i++) {
        if (orphans[i].pidfd >= 0) pidfd_send_signal(orphans[i].pidfd, signal, NULL, 0);
    }
}

/* Waits until all are gone, at most until the deadline. */
static bool await_all(struct orphan *orphans, unsigned count, int64_t deadline_ns)
{
    for (unsigned i = 0; i < count; i++) {
        struct pollfd poll_fd = {.fd = orphans[i].pidfd, .events = POLLIN};
        int64_t left_ms = (deadline_ns - sp_clock_mono().ns) / SP_NS_PER_MS;
        if (orphans[i].pidfd < 0) continue;
        if (poll(&poll_fd, 1, left_ms > 0 ? (int)left_ms : 0) <= 0) return false;
        close(orphans[i].pidfd);
        orphans[i].pidfd = -1;
    }
    return true;
}

unsigned sp_sweep_run(const char *path, sp_dur patience)
{
    struct orphan orphans[ENTRIES_MAX];
    char line[LINE_BYTES];
    sp_name boot = sp_clock_boot_id();
    unsigned count = 0;

    FILE *file = fopen(path, "re");
    if (file == NULL) return 0;
    while (count < ENTRIES_MAX && fgets(line, sizeof line, file) != NULL) {
        if (!find_orphan(line, &boot, &orphans[count])) continue;
        sp_log(SP_LOG_WARN, "orphan_found", "child=%s pid=%d next=\"ending it\"",
               orphans[count].name.s, orphans[count].pid);
        count++;
    }
    fclose(file);
    signal_all(orphans, count, SIGTERM);
    signal_all(orphans, count, SIGCONT);
    if (!await_all(orphans, count, sp_clock_mono().ns + patience.ns)) {
        signal_all(orphans, count, SIGKILL);
        if (!await_all(orphans, count, sp_clock_mono().ns + AFTER_KILL_NS))
            sp_log(SP_LOG_ERROR, "orphan_stays", "next=\"starting; the locks keep it apart\"");
    }
    for (unsigned i = 0; i < count; i++) {
        if (orphans[i].pidfd >= 0) close(orphans[i].pidfd);
    }
    return count;
}
