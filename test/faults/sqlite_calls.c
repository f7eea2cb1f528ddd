#include "sqlite_calls.h"

#include "faults.h"

#include "proto/status.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- Allocations ---- */

static void *allocate(int bytes)
{
    return malloc((size_t)bytes);
}

static void *resize(void *at, int bytes)
{
    return realloc(at, (size_t)bytes);
}

static int size_of(void *at)
{
    return (int)malloc_usable_size(at);
}

static int round_up(int bytes)
{
    return (bytes + 7) & ~7;
}

static int begin(void *data)
{
    (void)data;
    return SQLITE_OK;
}

static void end(void *data)
{
    (void)data;
}

/* ---- Calls ---- */

/* Each with the address it has in the library's table, and ours. */
#define OWN(type, bad, name, params, args)                                                         \
    static type(*real_##name) params;                                                              \
    static type own_##name params                                                                  \
    {                                                                                              \
        return faults_call_fails("sqlite " #name) ? (bad) : real_##name args;                      \
    }

OWN(int, -1, open, (const char *path, int flags, int mode), (path, flags, mode))
OWN(int, -1, access, (const char *path, int mode), (path, mode))
OWN(int, -1, stat, (const char *path, struct stat *out), (path, out))
OWN(int, -1, fstat, (int fd, struct stat *out), (fd, out))
OWN(int, -1, ftruncate, (int fd, off_t len), (fd, len))
OWN(ssize_t, -1, read, (int fd, void *buf, size_t len), (fd, buf, len))
OWN(ssize_t, -1, pread, (int fd, void *buf, size_t len, off_t at), (fd, buf, len, at))
OWN(int, -1, fchmod, (int fd, mode_t mode), (fd, mode))
OWN(int, -1, fchown, (int fd, uid_t user, gid_t group), (fd, user, group))
OWN(int, -1, unlink, (const char *path), (path))
OWN(ssize_t, -1, readlink, (const char *path, char *buf, size_t len), (path, buf, len))
OWN(int, -1, lstat, (const char *path, struct stat *out), (path, out))

static int (*real_close)(int fd);
static int own_close(int fd)
{
    int rc = real_close(fd); /* whatever it says, the descriptor is gone */

    return faults_call_fails("sqlite close") ? -1 : rc;
}

static int (*real_fcntl)(int fd, int command, ...);
static int own_fcntl(int fd, int command, ...)
{
    va_list ap;

    va_start(ap, command);
    void *arg = va_arg(ap, void *);
    va_end(ap);
    return faults_call_fails("sqlite fcntl") ? -1 : real_fcntl(fd, command, arg);
}

static ssize_t (*real_write)(int fd, const void *buf, size_t len);
static ssize_t own_write(int fd, const void *buf, size_t len)
{
    ssize_t most = faults_write_at_most("sqlite write", len);

    return most < 0 ? -1 : real_write(fd, buf, (size_t)most);
}

static ssize_t (*real_pwrite)(int fd, const void *buf, size_t len, off_t at);
static ssize_t own_pwrite(int fd, const void *buf, size_t len, off_t at)
{
    ssize_t most = faults_write_at_most("sqlite pwrite", len);

    return most < 0 ? -1 : real_pwrite(fd, buf, (size_t)most, at);
}

/* The library's sync, past its table: the linker gives it this one, and faults.c counts it. */
extern int wrap_fdatasync(int fd) __asm__("__wrap_fdatasync");
int real_fdatasync(int fd) __asm__("__real_fdatasync");

int real_fdatasync(int fd)
{
    return (int)syscall(SYS_fdatasync, fd);
}

int fdatasync(int fd)
{
    return wrap_fdatasync(fd);
}

typedef void any_fn(void);

#define CALL(name, table_name)                                                                     \
    {                                                                                              \
        table_name, (any_fn *)own_##name, (any_fn **)(void *)&real_##name                          \
    }
static const struct {
    const char *name;
    any_fn *own, **real;
} calls[] = {
    CALL(open, "open"),     CALL(close, "close"),     CALL(access, "access"),
    CALL(stat, "stat"),     CALL(fstat, "fstat"),     CALL(ftruncate, "ftruncate"),
    CALL(fcntl, "fcntl"),   CALL(read, "read"),       CALL(pread, "pread64"),
    CALL(write, "write"),   CALL(pwrite, "pwrite64"), CALL(fchmod, "fchmod"),
    CALL(unlink, "unlink"), CALL(fchown, "fchown"),   CALL(readlink, "readlink"),
    CALL(lstat, "lstat"),
};

/* Not replaced: openDirectory uses open; mmap, munmap, mremap and getpagesize are of mapped files
 * and shared memory, pread and pwrite of 32 bits, mkdir and rmdir of lock folders, fallocate of
 * chunks, ioctl of atomic writes, getcwd of relative paths; geteuid does not fail. */
static const char *const others[] = {
    "openDirectory", "mmap",  "munmap", "mremap", "getpagesize", "pread",    "pwrite",
    "mkdir",         "rmdir", "ioctl",  "getcwd", "geteuid",     "fallocate"};

static void replace(sqlite3_vfs *files, const char *name)
{
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        if (strcmp(calls[i].name, name) != 0) continue;
        *calls[i].real = (any_fn *)files->xGetSystemCall(files, name);
        if (files->xSetSystemCall(files, name, (sqlite3_syscall_ptr)calls[i].own) != SQLITE_OK)
            abort();
        return;
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (strcmp(others[i], name) == 0) return;
    printf("FAILED: the library has a system call that is not known here: %s\n", name);
    exit(1);
}

void sqlite_calls_install(void)
{
    const sqlite3_mem_methods own = {.xMalloc = allocate,
                                     .xFree = free,
                                     .xRealloc = resize,
                                     .xSize = size_of,
                                     .xRoundup = round_up,
                                     .xInit = begin,
                                     .xShutdown = end};

    sqlite3_config(SQLITE_CONFIG_MALLOC, &own);
    sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0); /* small ones, too, are allocations */
    sqlite3_vfs *files = sqlite3_vfs_find(NULL);
    if (files == NULL) abort();
    for (const char *name = files->xNextSystemCall(files, NULL); name != NULL;
         name = files->xNextSystemCall(files, name))
        replace(files, name);
}
