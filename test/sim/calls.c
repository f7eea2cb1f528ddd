/* The system calls of the production code, as the linker redirects them (--wrap): on simulated
 * paths and descriptors they go to the simulated machine, else to the real one. Names are those of
 * 64-bit file offsets, which is how everything here is compiled.
 */
#include "calls.h"

#include "files.h"
#include "memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define LINE_BYTES 1024

/* The declarations of both sides. */
#define CALL(type, name, parameters)                                                               \
    type __real_##name parameters;                                                                 \
    type __wrap_##name parameters;
CALL(int, close, (int fd))
CALL(ssize_t, read, (int fd, void *buf, size_t len))
CALL(ssize_t, write, (int fd, const void *buf, size_t len))
CALL(ssize_t, pread64, (int fd, void *buf, size_t len, off_t at))
CALL(ssize_t, pwrite64, (int fd, const void *buf, size_t len, off_t at))
CALL(off_t, lseek64, (int fd, off_t at, int whence))
CALL(int, ftruncate64, (int fd, off_t len))
CALL(int, fsync, (int fd))
CALL(int, fdatasync, (int fd))
CALL(int, stat64, (const char *path, struct stat *out))
CALL(int, fstat64, (int fd, struct stat *out))
CALL(int, rename, (const char *from, const char *to))
CALL(int, link, (const char *from, const char *to))
CALL(int, unlink, (const char *path))
CALL(int, mkdir, (const char *path, mode_t mode))
CALL(int, access, (const char *path, int mode))
CALL(int, flock, (int fd, int operation))
CALL(char *, realpath, (const char *path, char *out))
CALL(DIR *, opendir, (const char *path))
CALL(int, dirfd, (DIR * dir))
CALL(int, fstatat64, (int fd, const char *path, struct stat *out, int flags))
CALL(struct dirent *, readdir64, (DIR * dir))
CALL(int, closedir, (DIR * dir))
CALL(int, scandir64,
     (const char *path, struct dirent ***out, int (*filter)(const struct dirent *),
      int (*compare)(const struct dirent **, const struct dirent **)))
CALL(int, statvfs64, (const char *path, struct statvfs *out))
CALL(void *, mmap64, (void *at, size_t len, int protection, int flags, int fd, off_t from))
CALL(int, munmap, (void *at, size_t len))
CALL(FILE *, fopen64, (const char *path, const char *mode))
CALL(int, clock_gettime, (clockid_t id, struct timespec *out))
CALL(pid_t, getpid, (void))
CALL(char *, getenv, (const char *name))
CALL(int, eventfd, (unsigned count, int flags))
CALL(int, signalfd, (int fd, const void *mask, int flags))
CALL(ssize_t, send, (int fd, const void *buf, size_t len, int flags))
CALL(ssize_t, recv, (int fd, void *buf, size_t len, int flags))
CALL(int, getsockopt, (int fd, int level, int name, void *out, socklen_t *len))
#undef CALL
int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_fcntl64(int fd, int command, ...);
int __real_fcntl64(int fd, int command, ...);

#define MAPS_MAX 64

static struct {
    struct {
        void *at;
        struct sim_proc *proc;
    } maps[MAPS_MAX];             /* of simulated files */
    int64_t wall_base, wall_step; /* wall = base + step + now */
    uint32_t boots;
    sim_notified_fn *notified;
    sim_logged_fn *logged;
} os;

void sim_calls_begin(int64_t wall_ns, sim_notified_fn *notified, sim_logged_fn *logged)
{
    os.wall_base = wall_ns - sim_now();
    os.wall_step = 0;
    os.boots = 1;
    os.notified = notified;
    os.logged = logged;
}

void sim_wall_step(int64_t ns)
{
    os.wall_step += ns;
}

int64_t sim_wall_now(void)
{
    return os.wall_base + os.wall_step + sim_now();
}

void sim_new_boot(void)
{
    os.boots++;
}

/* ---- Clocks and identity ---- */

int __wrap_clock_gettime(clockid_t id, struct timespec *out)
{
    int64_t now = id == CLOCK_REALTIME ? sim_wall_now() : sim_now();

    if (sim_self() == NULL && id != CLOCK_REALTIME && id != CLOCK_MONOTONIC) {
        return __real_clock_gettime(id, out);
    }
    out->tv_sec = now / SIM_S;
    out->tv_nsec = now % SIM_S;
    return 0;
}

static int64_t real_clock(clockid_t id)
{
    struct timespec ts;

    SP_ASSERT(__real_clock_gettime(id, &ts) == 0);
    return ts.tv_sec * SIM_S + ts.tv_nsec;
}

int64_t sim_real_ns(void)
{
    return real_clock(CLOCK_MONOTONIC);
}
int64_t sim_busy_ns(void)
{
    return real_clock(CLOCK_PROCESS_CPUTIME_ID);
}

pid_t __wrap_getpid(void)
{
    return sim_self() != NULL ? (pid_t)sim_self()->pid : __real_getpid();
}

char *__wrap_getenv(const char *name)
{
    if (sim_self() == NULL) return __real_getenv(name);
    return strcmp(name, "SPOOR_NOTIFY_FD") == 0 ? sim_self()->notify_text : NULL;
}

/* ---- Files ---- */

static int open_boot_id(void)
{
    char path[64], text[64];

    snprintf(path, sizeof path, "/sim/etc/boot.%u", os.boots);
    snprintf(text, sizeof text, "00000000-0000-4000-8000-%012u\n", os.boots);
    size_t len = 0;
    if (sim_files_get(path, &len) == NULL) sim_files_put(path, text, strlen(text));
    return sim_open(path, O_RDONLY);
}

int __wrap_open64(const char *path, int flags, ...)
{
    mode_t mode = 0;

    if ((flags & O_CREAT) != 0) {
        va_list ap;
        va_start(ap, flags);
        mode = va_arg(ap, mode_t);
        va_end(ap);
    }
    if (sim_self() != NULL && strcmp(path, "/proc/sys/kernel/random/boot_id") == 0)
        return open_boot_id();
    return sim_is_sim_path(path) ? sim_open(path, flags) : __real_open64(path, flags, mode);
}

int __wrap_close(int fd)
{
    return sim_is_sim_fd(fd) ? sim_close(fd) : __real_close(fd);
}

ssize_t __wrap_read(int fd, void *buf, size_t len)
{
    return sim_is_sim_fd(fd) ? sim_read(fd, buf, len) : __real_read(fd, buf, len);
}

ssize_t __wrap_write(int fd, const void *buf, size_t len)
{
    if (sim_is_sim_fd(fd)) return sim_write(fd, buf, len);
    if (fd == STDERR_FILENO && sim_self() != NULL) {
        os.logged(sim_self(), buf, len);
        return (ssize_t)len;
    }
    return __real_write(fd, buf, len);
}

ssize_t __wrap_pread64(int fd, void *buf, size_t len, off_t at)
{
    return sim_is_sim_fd(fd) ? sim_pread(fd, buf, len, at) : __real_pread64(fd, buf, len, at);
}

ssize_t __wrap_pwrite64(int fd, const void *buf, size_t len, off_t at)
{
    return sim_is_sim_fd(fd) ? sim_pwrite(fd, buf, len, at) : __real_pwrite64(fd, buf, len, at);
}

off_t __wrap_lseek64(int fd, off_t at, int whence)
{
    return sim_is_sim_fd(fd) ? sim_lseek(fd, at, whence) : __real_lseek64(fd, at, whence);
}

int __wrap_ftruncate64(int fd, off_t len)
{
    return sim_is_sim_fd(fd) ? sim_truncate(fd, len) : __real_ftruncate64(fd, len);
}

int __wrap_fsync(int fd)
{
    return sim_is_sim_fd(fd) ? sim_sync(fd) : __real_fsync(fd);
}

int __wrap_fdatasync(int fd)
{
    return sim_is_sim_fd(fd) ? sim_sync(fd) : __real_fdatasync(fd);
}

int __wrap_stat64(const char *path, struct stat *out)
{
    return sim_is_sim_path(path) ? sim_stat(path, out) : __real_stat64(path, out);
}

int __wrap_fstat64(int fd, struct stat *out)
{
    return sim_is_sim_fd(fd) ? sim_fstat(fd, out) : __real_fstat64(fd, out);
}

int __wrap_rename(const char *from, const char *to)
{
    return sim_is_sim_path(from) ? sim_rename(from, to) : __real_rename(from, to);
}

int __wrap_link(const char *from, const char *to)
{
    return sim_is_sim_path(from) ? sim_link(from, to) : __real_link(from, to);
}

int __wrap_unlink(const char *path)
{
    return sim_is_sim_path(path) ? sim_unlink(path) : __real_unlink(path);
}

int __wrap_mkdir(const char *path, mode_t mode)
{
    return sim_is_sim_path(path) ? sim_mkdir(path) : __real_mkdir(path, mode);
}

int __wrap_access(const char *path, int mode)
{
    return sim_is_sim_path(path) ? sim_access(path) : __real_access(path, mode);
}

int __wrap_flock(int fd, int operation)
{
    return sim_is_sim_fd(fd) ? sim_flock(fd, operation) : __real_flock(fd, operation);
}

char *__wrap_realpath(const char *path, char *out)
{
    struct stat st;

    if (!sim_is_sim_path(path)) return __real_realpath(path, out);
    if (sim_stat(path, &st) != 0) return NULL;
    char *copy = malloc(strlen(path) + 1);
    return copy != NULL ? strcpy(copy, path) : NULL;
}

int __wrap_statvfs64(const char *path, struct statvfs *out)
{
    if (!sim_is_sim_path(path)) return __real_statvfs64(path, out);
    memset(out, 0, sizeof *out);
    out->f_bsize = out->f_frsize = 4096;
    out->f_blocks = UINT64_C(100) << 18;
    out->f_bavail = out->f_bfree = sim_files_free_bytes() / 4096;
    return 0;
}

/* A copy: who maps a file here only reads it, and it has ended. */
void *__wrap_mmap64(void *at, size_t len, int protection, int flags, int fd, off_t from)
{
    if (!sim_is_sim_fd(fd)) return __real_mmap64(at, len, protection, flags, fd, from);
    for (int i = 0; i < MAPS_MAX; i++) {
        if (os.maps[i].at != NULL) continue;
        void *copy = sim_alloc(len);
        if (sim_pread(fd, copy, len, from) < 0) {
            sim_free(copy);
            return MAP_FAILED;
        }
        os.maps[i].at = copy;
        os.maps[i].proc = sim_self();
        return copy;
    }
    errno = ENOMEM;
    return MAP_FAILED;
}

static void unmap(int i)
{
    sim_free(os.maps[i].at);
    os.maps[i].at = NULL;
}

int __wrap_munmap(void *at, size_t len)
{
    for (int i = 0; i < MAPS_MAX; i++) {
        if (os.maps[i].at != at) continue;
        unmap(i);
        return 0;
    }
    return __real_munmap(at, len);
}

void sim_calls_reap(struct sim_proc *proc)
{
    for (int i = 0; i < MAPS_MAX; i++) {
        if (os.maps[i].at != NULL && os.maps[i].proc == proc) unmap(i);
    }
}

FILE *__wrap_fopen64(const char *path, const char *mode)
{
    size_t len = 0;

    if (!sim_is_sim_path(path)) return __real_fopen64(path, mode);
    SP_ASSERT(mode[0] == 'r');
    const char *text = sim_files_get(path, &len);
    if (text == NULL) {
        errno = ENOENT;
        return NULL;
    }
    FILE *file = fmemopen(NULL, len + 1, "w+");
    if (file == NULL) return NULL;
    if (fwrite(text, 1, len, file) != len) errno = EIO;
    rewind(file);
    return file;
}

/* ---- Directories ---- */

struct sim_dir {
    uint64_t magic;
    char path[256];
    size_t next;
    struct dirent entry;
};

#define DIR_MAGIC UINT64_C(0x6469726469726469)
#define SIM_DIRFD (-1000) /* neither a descriptor nor AT_FDCWD */

DIR *__wrap_opendir(const char *path)
{
    struct stat st;

    if (!sim_is_sim_path(path)) return __real_opendir(path);
    if (sim_stat(path, &st) != 0) return NULL;
    struct sim_dir *dir = calloc(1, sizeof *dir);
    if (dir == NULL) return NULL;
    dir->magic = DIR_MAGIC;
    snprintf(dir->path, sizeof dir->path, "%s", path);
    return (DIR *)dir;
}

/* A folder's descriptor serves to look at a file in it: the folder that was asked for last, since
 * no other fiber runs between the two calls. */
static char dirfd_path[256];

int __wrap_dirfd(DIR *at)
{
    const struct sim_dir *dir = (struct sim_dir *)at;

    if (dir->magic != DIR_MAGIC) return __real_dirfd(at);
    snprintf(dirfd_path, sizeof dirfd_path, "%s", dir->path);
    return SIM_DIRFD;
}

int __wrap_fstatat64(int fd, const char *path, struct stat *out, int flags)
{
    char whole[512];

    if (fd != SIM_DIRFD) return __real_fstatat64(fd, path, out, flags);
    snprintf(whole, sizeof whole, "%s/%s", dirfd_path, path);
    return sim_stat(whole, out);
}

struct dirent *__wrap_readdir64(DIR *at)
{
    struct sim_dir *dir = (struct sim_dir *)at;

    if (dir->magic != DIR_MAGIC) return __real_readdir64(at);
    const char *name = sim_dir_entry(dir->path, dir->next++);
    if (name == NULL) return NULL;
    snprintf(dir->entry.d_name, sizeof dir->entry.d_name, "%s", name);
    return &dir->entry;
}

int __wrap_closedir(DIR *at)
{
    struct sim_dir *dir = (struct sim_dir *)at;

    if (dir->magic != DIR_MAGIC) return __real_closedir(at);
    dir->magic = 0;
    free(dir);
    return 0;
}

int __wrap_scandir64(const char *path, struct dirent ***out, int (*filter)(const struct dirent *),
                     int (*compare)(const struct dirent **, const struct dirent **))
{
    struct dirent **names = NULL;
    int count = 0;

    if (!sim_is_sim_path(path)) return __real_scandir64(path, out, filter, compare);
    for (size_t i = 0; sim_dir_entry(path, i) != NULL; i++) {
        struct dirent *entry = calloc(1, sizeof *entry);
        names = realloc(names, (size_t)(count + 1) * sizeof *names);
        if (entry == NULL || names == NULL) return -1;
        snprintf(entry->d_name, sizeof entry->d_name, "%s", sim_dir_entry(path, i));
        int at = count;
        while (at > 0 && strcmp(names[at - 1]->d_name, entry->d_name) > 0) {
            names[at] = names[at - 1];
            at--;
        }
        names[at] = entry;
        count++;
        (void)filter; /* nothing hidden is made, and names come sorted */
        (void)compare;
    }
    *out = names;
    return count;
}

/* ---- Other descriptors ---- */

int __wrap_eventfd(unsigned count, int flags)
{
    return sim_self() != NULL ? sim_fd_make(SIM_FD_EVENT) : __real_eventfd(count, flags);
}

/* No signal comes this way: a process is asked to stop by its notify socket, or killed. */
int __wrap_signalfd(int fd, const void *mask, int flags)
{
    return sim_self() != NULL ? sim_fd_make(SIM_FD_SIGNAL) : __real_signalfd(fd, mask, flags);
}

ssize_t __wrap_send(int fd, const void *buf, size_t len, int flags)
{
    char line[LINE_BYTES];

    if (!sim_is_sim_fd(fd)) return __real_send(fd, buf, len, flags);
    snprintf(line, sizeof line, "%.*s", (int)len, (const char *)buf);
    os.notified(sim_self(), line);
    return (ssize_t)len;
}

ssize_t __wrap_recv(int fd, void *buf, size_t len, int flags)
{
    return sim_is_sim_fd(fd) ? sim_notify_receive(fd, buf, len) : __real_recv(fd, buf, len, flags);
}

int __wrap_getsockopt(int fd, int level, int name, void *out, socklen_t *len)
{
    if (!sim_is_sim_fd(fd)) return __real_getsockopt(fd, level, name, out, len);
    int type = SOCK_SEQPACKET;
    memcpy(out, &type, sizeof type);
    return 0;
}

int __wrap_fcntl64(int fd, int command, ...)
{
    va_list ap;

    va_start(ap, command);
    int value = va_arg(ap, int);
    va_end(ap);
    return sim_is_sim_fd(fd) ? 0 : __real_fcntl64(fd, command, value);
}
