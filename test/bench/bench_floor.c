/* The physical floor of tick to order: what three processes cannot do faster on this machine.
 *
 *   first --raw frame--> middle --raw frame--> last: write + fdatasync of a record's bytes
 *
 * No codec, sequence, decision or journal. Every EVERY_US the first sends the time; the last prints
 * the nanoseconds from before the first send until after the sync. Runs until its input ends,
 * beside what it is the floor of: same disk, same background processes.
 * bench-floor DIR EVERY_US FRAME_BYTES_1 FRAME_BYTES_2 RECORD_BYTES
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/bus/sock.h"
#include "common/clock.h"

#define BYTES_MAX 65536

static uint8_t bytes[BYTES_MAX];
static const char *dir;
static sp_name stream;

static void must(bool ok, const char *what)
{
    if (ok) return;
    fprintf(stderr, "bench-floor: %s failed\n", what);
    exit(1);
}

static struct sp_sock *open_sock(enum sp_sock_type type, const char *name)
{
    struct sp_sock *sock = NULL;
    char endpoint[128];

    snprintf(endpoint, sizeof(endpoint), "ipc://%s/%s", dir, name);
    if (type == SP_SOCK_PUB) {
        must(sp_sock_bind(type, endpoint, NULL, &sock, NULL) == SP_OK, "bind");
    } else {
        must(sp_sock_connect(type, endpoint, NULL, &sock, NULL) == SP_OK, "connect");
        must(sp_sock_subscribe(sock, &stream, NULL) == SP_OK, "subscribe");
    }
    return sock;
}

/* Waits for a frame; returns the time it carries behind the stream's name. */
static sp_mono receive(struct sp_sock *sock)
{
    const uint8_t *frame = NULL;
    size_t len = 0, name_len = strlen(stream.s) + 1;
    sp_mono sent;

    while (sp_sock_receive(sock, NULL, &frame, &len) != SP_OK) {
        struct sp_poll_item item = {.sock = sock};
        must(sp_sock_poll(&item, 1, (sp_dur){-1}, NULL) == SP_OK, "poll");
    }
    must(len >= name_len + sizeof(sent), "frame");
    memcpy(&sent, frame + name_len, sizeof(sent));
    return sent;
}

static void send_time(struct sp_sock *sock, size_t len, sp_mono sent)
{
    size_t name_len = strlen(stream.s) + 1;

    memcpy(bytes, stream.s, name_len);
    memcpy(bytes + name_len, &sent, sizeof(sent));
    must(sp_sock_send(sock, bytes, len) == SP_OK, "send");
}

static void run_first(int64_t every_ns, size_t len)
{
    struct sp_sock *out = open_sock(SP_SOCK_PUB, "floor1");
    sp_mono due = sp_clock_mono();

    for (;;) {
        due.ns += every_ns;
        struct timespec at = {due.ns / SP_NS_PER_S, due.ns % SP_NS_PER_S};
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) != 0)
            continue;
        send_time(out, len, sp_clock_mono());
    }
}

static void run_middle(size_t len)
{
    struct sp_sock *out = open_sock(SP_SOCK_PUB, "floor2");
    struct sp_sock *in = open_sock(SP_SOCK_SUB, "floor1");

    for (;;)
        send_time(out, len, receive(in));
}

static void run_last(size_t len)
{
    struct sp_sock *in = open_sock(SP_SOCK_SUB, "floor2");
    char path[512];

    snprintf(path, sizeof(path), "%s/floor.bytes", dir);
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    must(fd >= 0, "open");
    for (;;) {
        sp_mono sent = receive(in);
        must(write(fd, bytes, len) == (ssize_t)len, "write");
        must(fdatasync(fd) == 0, "fdatasync");
        printf("%" PRId64 "\n", sp_mono_since(sp_clock_mono(), sent).ns);
        fflush(stdout);
    }
}

static size_t size_of(const char *text)
{
    size_t size = strtoul(text, NULL, 10);

    must(size >= 64 && size <= BYTES_MAX, "size");
    return size;
}

/* A part ends with the process that started it, however that ends. */
static pid_t start_part(void)
{
    pid_t parent = getpid(), pid = fork();

    must(pid >= 0, "fork");
    if (pid > 0) return pid;
    must(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0, "prctl");
    if (getppid() != parent) _exit(1);
    return 0;
}

int main(int argc, char **argv)
{
    pid_t parts[3];

    if (argc != 6) return 64;
    dir = argv[1];
    stream = sp_name_of("floor");
    int64_t every_ns = strtol(argv[2], NULL, 10) * SP_NS_PER_US;
    size_t first_len = size_of(argv[3]), middle_len = size_of(argv[4]);
    size_t record_len = size_of(argv[5]);

    must(every_ns > 0, "interval");
    if ((parts[0] = start_part()) == 0) run_first(every_ns, first_len);
    if ((parts[1] = start_part()) == 0) run_middle(middle_len);
    if ((parts[2] = start_part()) == 0) run_last(record_len);
    while (getchar() != EOF)
        continue;
    for (int i = 0; i < 3; i++) {
        kill(parts[i], SIGKILL);
        waitpid(parts[i], NULL, 0);
    }
    return 0;
}
