/* A service that does nothing, in the ways a supervisor must cope with. The first word of the file
 * FAKE_DIR/<instance> says how; FAKE_DIR/order gets a line per step.
 *
 *   ready            says READY, makes progress, ends at TERM or when the supervisor is gone
 *   exit N           exits with N before READY
 *   crash            aborts before READY
 *   hang             says READY, then makes no progress
 *   never            never says READY
 *   deaf             as ready, but ignores TERM and the end of the supervisor
 *   blind            as ready, but does not notice the end of the supervisor, only TERM
 *   chatty           as ready, after writing 4000 long lines
 *   fork             as ready, with a child of its own that ignores TERM
 *
 * "fake_service --verify DIR STREAM" checks a journal and prints how many records it has.
 */
#include "common/clock.h"
#include "common/journal/journal.h"
#include "common/notify.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t asked_to_stop;

static void on_term(int signal)
{
    (void)signal;
    asked_to_stop = 1;
}

static void note(const char *dir, const char *what, const char *instance)
{
    char path[600], line[200];

    snprintf(path, sizeof path, "%s/order", dir);
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    int n = snprintf(line, sizeof line, "%s %s %d\n", what, instance, (int)getpid());
    if (fd < 0 || write(fd, line, (size_t)n) != n) _exit(SP_EXIT_SOFTWARE);
    close(fd);
}

static void read_behaviour(const char *dir, const char *instance, char out[64])
{
    char path[600];

    snprintf(path, sizeof path, "%s/%s", dir, instance);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, out, 63) : 0;
    out[n > 0 ? n : 0] = '\0';
    out[strcspn(out, "\n")] = '\0';
    if (fd >= 0) close(fd);
    if (out[0] == '\0') snprintf(out, 64, "ready");
}

static int verify(const char *dir, const char *stream)
{
    struct sp_journal_report report = {0};
    struct sp_err err = {0};
    sp_name name = sp_name_of(stream);

    if (sp_journal_verify(dir, &name, &report, &err) != SP_OK) {
        printf("%s\n", err.text);
        return 1;
    }
    printf("%llu\n", (unsigned long long)report.records);
    return 0;
}

static void have_a_deaf_child(const char *dir, const char *instance)
{
    pid_t pid = fork();

    if (pid != 0) return;
    signal(SIGTERM, SIG_IGN);
    note(dir, "grandchild", instance);
    for (;;) {
        pause();
    }
}

static int live(int fd, const char *dir, const char *instance, const char *behaviour)
{
    bool deaf = strcmp(behaviour, "deaf") == 0;
    bool blind = strcmp(behaviour, "blind") == 0;
    bool hang = strcmp(behaviour, "hang") == 0;
    char text[SP_NOTIFY_TEXT_MAX] = "";
    unsigned rounds = 0;

    for (;;) {
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        int n = poll(&poll_fd, (deaf || blind) && rounds > 20 ? 0 : 1, 50);
        sp_status status = n > 0 ? sp_notify_receive(fd, text) : SP_AGAIN;
        if (status == SP_OK) note(dir, text, instance);
        if (status == SP_CLOSED && !blind) asked_to_stop = 1;
        if (asked_to_stop && !deaf) break;
        if (!hang && ++rounds % 5 == 0) sp_notify_send(fd, "PROGRESS=%u", rounds);
    }
    sp_notify_send(fd, "STOPPING=1");
    note(dir, "end", instance);
    return 0;
}

int main(int argc, char **argv)
{
    const char *instance = "?";
    const char *dir = getenv("FAKE_DIR");
    char behaviour[64];

    if (argc == 4 && strcmp(argv[1], "--verify") == 0) return verify(argv[2], argv[3]);
    for (int i = 1; i + 1 < argc; i++) {
        if (strcmp(argv[i], "--instance") == 0) instance = argv[i + 1];
    }
    if (dir == NULL) return SP_EXIT_USAGE;
    int fd = sp_notify_inherited();
    read_behaviour(dir, instance, behaviour);
    bool deaf = strcmp(behaviour, "deaf") == 0;
    signal(SIGTERM, deaf ? SIG_IGN : on_term);
    note(dir, "start", instance);
    printf("hello from %s\n", instance);
    fflush(stdout);

    for (int i = 0; i < 4000 && strcmp(behaviour, "chatty") == 0; i++) {
        printf("line %04d %090d\n", i, 0);
        if (i % 100 == 99) fflush(stdout);
    }
    if (strncmp(behaviour, "exit ", 5) == 0) {
        sp_notify_send(fd, "STATUS=as told");
        return atoi(behaviour + 5);
    }
    if (strcmp(behaviour, "crash") == 0) abort();
    if (strcmp(behaviour, "fork") == 0) have_a_deaf_child(dir, instance);
    sp_notify_send(fd, "PHASE=%s", "LOAD");
    if (strcmp(behaviour, "never") != 0) {
        note(dir, "ready", instance); /* first: who waits for it notes its start at once */
        sp_notify_send(fd, "PHASE=READY");
        sp_notify_send(fd, "READY=1 EPOCH=%u", 1U);
    }
    return live(fd, dir, instance, behaviour);
}
