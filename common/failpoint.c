#include "common/failpoint.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXIT_UNMAPPED 99

struct counter {
    _Atomic uint64_t passed, ends_at;
};

static const struct {
    enum sp_failpoint point;
    enum sp_failpoint_step step;
    enum sp_kind kind;
} by_kind[] = {
#define FAILPOINT(name, where)
#define FAILPOINT_KIND(name, step, kind, where)                                                    \
    {SP_FAILPOINT_##name, SP_FAILPOINT_##step, SP_REC_##kind},
#include "common/failpoints.def"
#undef FAILPOINT
#undef FAILPOINT_KIND
};

static struct counter *counters;
static pthread_once_t mapped = PTHREAD_ONCE_INIT;

static void map(void)
{
    const size_t bytes = SP_FAILPOINT_COUNT * sizeof *counters;
    const char *path = getenv("SPOOR_FAILPOINTS");
    struct stat st;

    if (path == NULL) return;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    void *at = MAP_FAILED;
    if (fd >= 0 && fstat(fd, &st) == 0 && (size_t)st.st_size == bytes)
        at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) {
        fprintf(stderr, "%s is not a file of %zu bytes that can be mapped\n", path, bytes);
        _exit(EXIT_UNMAPPED);
    }
    close(fd);
    counters = at;
}

void sp_failpoint_pass(enum sp_failpoint point)
{
    pthread_once(&mapped, map);
    if (counters == NULL) return;
    uint64_t passed = atomic_fetch_add(&counters[point].passed, 1) + 1;
    if (passed == atomic_load(&counters[point].ends_at)) {
        kill(getpid(), SIGKILL);
        pause(); /* the signal is on its way: nothing more may happen */
    }
}

void sp_failpoint_batch(enum sp_failpoint_step step, const struct sp_record *records,
                        uint32_t count)
{
    for (size_t i = 0; i < sizeof by_kind / sizeof *by_kind; i++) {
        bool holds = false;
        for (uint32_t k = 0; k < count; k++)
            holds = holds || records[k].kind == by_kind[i].kind;
        if (by_kind[i].step == step && holds) sp_failpoint_pass(by_kind[i].point);
    }
}
