#include "faults.h"

#include "proto/status.h"

#include <dirent.h>
#include <errno.h>
#include <execinfo.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define HELD_MAX   (1u << 16)
#define FRAMES_MAX 48

static struct {
    struct fault_plan plan;
    _Atomic bool on;
    /* Also of a child of ours, which the nth may fail in; mapped at the first begin. */
    struct counters {
        _Atomic uint64_t counted, failed;
        _Atomic(const char *) last;
    } * shared;
    uint64_t *place; /* of each, if they are noted */
    uint64_t place_cap;
    int depth;
    pthread_mutex_t lock;
    void *held[HELD_MAX]; /* open addressing by pointer */
    size_t held_count;
} faults = {.lock = PTHREAD_MUTEX_INITIALIZER};

void faults_begin(const struct fault_plan *plan)
{
    if (faults.shared == NULL) {
        faults.shared = mmap(NULL, sizeof *faults.shared, PROT_READ | PROT_WRITE,
                             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (faults.shared == MAP_FAILED) abort();
    }
    faults.plan = *plan;
    atomic_store(&faults.shared->counted, 0);
    atomic_store(&faults.shared->failed, 0);
    atomic_store(&faults.shared->last, "");
    atomic_store(&faults.on, true);
}

void faults_end(void)
{
    atomic_store(&faults.on, false);
}

bool faults_pause(void)
{
    return atomic_exchange(&faults.on, false);
}

void faults_go_on(bool was_on)
{
    atomic_store(&faults.on, was_on);
}

void faults_note_places(uint64_t *place, uint64_t cap, int depth)
{
    void *frames[FRAMES_MAX];

    SP_IGNORE(backtrace(frames, FRAMES_MAX)); /* the unwinder loads what it needs */
    faults.place = place;
    faults.place_cap = cap;
    faults.depth = depth;
}

uint64_t faults_counted(void)
{
    return atomic_load(&faults.shared->counted);
}

uint64_t faults_failed(void)
{
    return atomic_load(&faults.shared->failed);
}

const char *faults_last(void)
{
    return atomic_load(&faults.shared->last);
}

size_t faults_held(void)
{
    return faults.held_count;
}

static void note_place(uint64_t n)
{
    void *frames[FRAMES_MAX];
    uint64_t hash = 0;
    int count = backtrace(frames, FRAMES_MAX);

    for (int i = 0; i < count && i < faults.depth; i++)
        hash = (hash ^ (uintptr_t)frames[i]) * UINT64_C(0x9e3779b97f4a7c15);
    SP_ASSERT(n < faults.place_cap);
    faults.place[n] = hash;
}

static bool fails(enum fault_kind kind, const char *name)
{
    const struct fault_plan *plan = &faults.plan;

    if (!atomic_load(&faults.on) || kind != plan->kind) return false;
    uint64_t n = atomic_fetch_add(&faults.shared->counted, 1) + 1;
    if (faults.place != NULL) note_place(n);
    if (plan->at == 0 || n < plan->at || (n > plan->at && !plan->forever)) return false;
    atomic_fetch_add(&faults.shared->failed, 1);
    atomic_store(&faults.shared->last, name);
    errno = kind == FAULT_ALLOCATION ? ENOMEM : plan->error;
    return true;
}

bool faults_call_fails(const char *name)
{
    return !faults.plan.half && fails(FAULT_CALL, name);
}

ssize_t faults_write_at_most(const char *name, size_t len)
{
    if (!fails(FAULT_CALL, name)) return (ssize_t)len;
    return faults.plan.half ? (ssize_t)len / 2 : -1;
}

/* ---- Allocations ---- */

static size_t place_of(const void *at)
{
    size_t place = ((uintptr_t)at >> 4) * 31 % HELD_MAX;

    while (faults.held[place] != NULL && faults.held[place] != at)
        place = (place + 1) % HELD_MAX;
    return place;
}

static void *hold(void *at)
{
    if (at == NULL) return NULL;
    pthread_mutex_lock(&faults.lock);
    SP_ASSERT(++faults.held_count < HELD_MAX / 2);
    faults.held[place_of(at)] = at;
    pthread_mutex_unlock(&faults.lock);
    return at;
}

/* Moves up what stands behind the hole, so that it is found. */
static void let_go(void *at)
{
    if (at == NULL) return;
    pthread_mutex_lock(&faults.lock);
    size_t place = place_of(at);
    if (faults.held[place] == at) {
        faults.held[place] = NULL;
        faults.held_count--;
        for (size_t i = (place + 1) % HELD_MAX; faults.held[i] != NULL; i = (i + 1) % HELD_MAX) {
            void *moved = faults.held[i];
            faults.held[i] = NULL;
            faults.held[place_of(moved)] = moved;
        }
    }
    pthread_mutex_unlock(&faults.lock);
}

/* The linker's names for wrapped functions are reserved, so ours are labels. */
#define REAL(name) __asm__("__real_" name)
#define WRAP(name) __asm__("__wrap_" name)

extern void *real_malloc(size_t size) REAL("malloc");
extern void *real_calloc(size_t count, size_t size) REAL("calloc");
extern void *real_realloc(void *old, size_t size) REAL("realloc");
extern void real_free(void *at) REAL("free");
void *wrap_malloc(size_t size) WRAP("malloc");
void *wrap_calloc(size_t count, size_t size) WRAP("calloc");
void *wrap_realloc(void *old, size_t size) WRAP("realloc");
void *wrap_reallocarray(void *old, size_t count, size_t size) WRAP("reallocarray");
char *wrap_strdup(const char *text) WRAP("strdup");
char *wrap_strndup(const char *text, size_t len_bytes) WRAP("strndup");
extern int real_vasprintf(char **out, const char *fmt, va_list ap) REAL("vasprintf")
    SP_PRINTF(2, 0);
int wrap_vasprintf(char **out, const char *fmt, va_list ap) WRAP("vasprintf") SP_PRINTF(2, 0);
void wrap_free(void *at) WRAP("free");

int wrap_vasprintf(char **out, const char *fmt, va_list ap)
{
    if (fails(FAULT_ALLOCATION, "vasprintf")) return -1;
    int n = real_vasprintf(out, fmt, ap);
    if (n >= 0) hold(*out);
    return n;
}
void *wrap_malloc(size_t size)
{
    return fails(FAULT_ALLOCATION, "malloc") ? NULL : hold(real_malloc(size));
}
void *wrap_calloc(size_t count, size_t size)
{
    return fails(FAULT_ALLOCATION, "calloc") ? NULL : hold(real_calloc(count, size));
}
void *wrap_realloc(void *old, size_t size)
{
    if (fails(FAULT_ALLOCATION, "realloc")) return NULL;
    let_go(old);
    return hold(real_realloc(old, size));
}
void *wrap_reallocarray(void *old, size_t count, size_t size)
{
    return wrap_realloc(old, count * size);
}
char *wrap_strndup(const char *text, size_t len_bytes)
{
    size_t len = strnlen(text, len_bytes);
    char *copy = wrap_malloc(len + 1);

    if (copy == NULL) return NULL;
    memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}
char *wrap_strdup(const char *text)
{
    return wrap_strndup(text, strlen(text));
}
void wrap_free(void *at)
{
    let_go(at);
    real_free(at);
}

/* ---- System calls ---- */

#define CALL(type, bad, name, symbol, params, args)                                                \
    extern type real_##name params REAL(symbol);                                                   \
    type wrap_##name params WRAP(symbol);                                                          \
    type wrap_##name params                                                                        \
    {                                                                                              \
        return faults_call_fails(#name) ? (bad) : real_##name args;                                \
    }

CALL(int, -1, open, "open64", (const char *path, int flags, mode_t mode), (path, flags, mode))
CALL(ssize_t, -1, read, "read", (int fd, void *buf, size_t len), (fd, buf, len))
CALL(ssize_t, -1, pread, "pread64", (int fd, void *buf, size_t len, off_t at), (fd, buf, len, at))
CALL(off_t, -1, lseek, "lseek64", (int fd, off_t at, int whence), (fd, at, whence))
CALL(int, -1, ftruncate, "ftruncate64", (int fd, off_t len), (fd, len))
CALL(int, -1, fsync, "fsync", (int fd), (fd))
CALL(int, -1, fdatasync, "fdatasync", (int fd), (fd))
CALL(int, -1, syncfs, "syncfs", (int fd), (fd))
CALL(int, -1, rename, "rename", (const char *from, const char *to), (from, to))
CALL(int, -1, link, "link", (const char *from, const char *to), (from, to))
CALL(int, -1, unlink, "unlink", (const char *path), (path))
CALL(int, -1, mkdir, "mkdir", (const char *path, mode_t mode), (path, mode))
CALL(int, -1, access, "access", (const char *path, int mode), (path, mode))
CALL(int, -1, flock, "flock", (int fd, int what), (fd, what))
CALL(int, -1, stat, "stat64", (const char *path, struct stat *out), (path, out))
CALL(int, -1, fstat, "fstat64", (int fd, struct stat *out), (fd, out))
CALL(int, -1, fstatat, "fstatat64", (int fd, const char *path, struct stat *out, int flags),
     (fd, path, out, flags))
CALL(int, -1, statvfs, "statvfs64", (const char *path, struct statvfs *out), (path, out))
CALL(DIR *, NULL, opendir, "opendir", (const char *path), (path))
CALL(struct dirent *, NULL, readdir, "readdir64", (DIR * folder), (folder))
CALL(void *, MAP_FAILED, mmap, "mmap64",
     (void *at, size_t len, int prot, int flags, int fd, off_t from),
     (at, len, prot, flags, fd, from))
CALL(int, EAGAIN, pthread_create, "pthread_create",
     (pthread_t * out, const pthread_attr_t *attr, void *(*run)(void *), void *arg),
     (out, attr, run, arg))

extern ssize_t real_write(int fd, const void *buf, size_t len) REAL("write");
ssize_t wrap_write(int fd, const void *buf, size_t len) WRAP("write");
ssize_t wrap_write(int fd, const void *buf, size_t len)
{
    ssize_t most = faults_write_at_most("write", len);

    return most < 0 ? -1 : real_write(fd, buf, (size_t)most);
}
extern ssize_t real_pwrite(int fd, const void *buf, size_t len, off_t at) REAL("pwrite64");
ssize_t wrap_pwrite(int fd, const void *buf, size_t len, off_t at) WRAP("pwrite64");
ssize_t wrap_pwrite(int fd, const void *buf, size_t len, off_t at)
{
    ssize_t most = faults_write_at_most("pwrite", len);

    return most < 0 ? -1 : real_pwrite(fd, buf, (size_t)most, at);
}

/* Whatever close says, the descriptor is gone. */
extern int real_close(int fd) REAL("close");
int wrap_close(int fd) WRAP("close");
int wrap_close(int fd)
{
    int rc = real_close(fd);

    return faults_call_fails("close") ? -1 : rc;
}
