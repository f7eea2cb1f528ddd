/* A file port that fails on purpose: at its n-th call, once or from there on, or at calls of one
 * kind only. */
#ifndef SP_TEST_FAULT_PORT_H
#define SP_TEST_FAULT_PORT_H

#include "common/journal/file.h"

#include <errno.h>
#include <stdatomic.h>
#include <unistd.h>

enum fault_call {
    FAULT_ANY,
    FAULT_OPEN,
    FAULT_WRITE,
    FAULT_PREAD,
    FAULT_TRUNCATE,
    FAULT_SYNC,
    FAULT_DATASYNC,
    FAULT_CLOSE,
    FAULT_RENAME,
    FAULT_LINK,
    FAULT_UNLINK,
    FAULT_MKDIR,
    FAULT_SYNC_DIR
};

struct fault {
    enum fault_call only; /* which calls count */
    int at;               /* the first call that fails, from 1; 0 = none */
    bool forever;
    bool half;  /* a write that fails writes half of it first; so does every other one */
    bool quick; /* syncs that do not fail do nothing */
    int error;
    _Atomic int calls;
    _Atomic int failed;
    enum fault_call failed_in; /* the last one that did */
};

static inline bool fault_hits(struct fault *fault, enum fault_call call)
{
    if (fault->only != FAULT_ANY && fault->only != call) return false;
    int n = atomic_fetch_add(&fault->calls, 1) + 1;
    if (fault->at == 0 || n < fault->at || (n > fault->at && !fault->forever)) return false;
    atomic_fetch_add(&fault->failed, 1);
    fault->failed_in = call;
    errno = fault->error;
    return true;
}

#define FAULT_REAL sp_file_port_real()

static inline int fault_open(void *self, const char *path, int flags, mode_t mode)
{
    return fault_hits(self, FAULT_OPEN) ? -1 : FAULT_REAL->open(NULL, path, flags, mode);
}
static inline ssize_t fault_write(void *self, int fd, const void *buf, size_t len)
{
    struct fault *fault = self;

    if (fault_hits(fault, FAULT_WRITE)) {
        if (fault->half && write(fd, buf, len / 2) < 0) return -1;
        errno = fault->error;
        return -1;
    }
    return FAULT_REAL->write(NULL, fd, buf, fault->half && len > 1 ? len / 2 : len);
}
static inline ssize_t fault_pread(void *self, int fd, void *buf, size_t len, off_t at)
{
    return fault_hits(self, FAULT_PREAD) ? -1 : FAULT_REAL->pread(NULL, fd, buf, len, at);
}
static inline int fault_truncate(void *self, int fd, off_t len)
{
    return fault_hits(self, FAULT_TRUNCATE) ? -1 : FAULT_REAL->truncate(NULL, fd, len);
}
static inline int fault_sync(void *self, int fd)
{
    const struct fault *fault = self;

    if (fault_hits(self, FAULT_SYNC)) return -1;
    return fault->quick ? 0 : FAULT_REAL->sync(NULL, fd);
}
static inline int fault_datasync(void *self, int fd)
{
    const struct fault *fault = self;

    if (fault_hits(self, FAULT_DATASYNC)) return -1;
    return fault->quick ? 0 : FAULT_REAL->datasync(NULL, fd);
}
static inline int fault_close(void *self, int fd)
{
    int rc = FAULT_REAL->close(NULL, fd); /* whatever close says, the descriptor is gone */

    return fault_hits(self, FAULT_CLOSE) ? -1 : rc;
}
static inline int fault_rename(void *self, const char *from, const char *to)
{
    return fault_hits(self, FAULT_RENAME) ? -1 : FAULT_REAL->rename(NULL, from, to);
}
static inline int fault_link(void *self, const char *from, const char *to)
{
    return fault_hits(self, FAULT_LINK) ? -1 : FAULT_REAL->link(NULL, from, to);
}
static inline int fault_unlink(void *self, const char *path)
{
    return fault_hits(self, FAULT_UNLINK) ? -1 : FAULT_REAL->unlink(NULL, path);
}
static inline int fault_mkdir(void *self, const char *path, mode_t mode)
{
    return fault_hits(self, FAULT_MKDIR) ? -1 : FAULT_REAL->mkdir(NULL, path, mode);
}
static inline int fault_sync_dir(void *self, const char *path)
{
    const struct fault *fault = self;

    if (fault_hits(self, FAULT_SYNC_DIR)) return -1;
    return fault->quick ? 0 : FAULT_REAL->sync_dir(NULL, path);
}

static inline struct sp_file_port fault_port(struct fault *fault)
{
    return (struct sp_file_port){.self = fault,
                                 .open = fault_open,
                                 .write = fault_write,
                                 .pread = fault_pread,
                                 .truncate = fault_truncate,
                                 .sync = fault_sync,
                                 .datasync = fault_datasync,
                                 .close = fault_close,
                                 .rename = fault_rename,
                                 .link = fault_link,
                                 .unlink = fault_unlink,
                                 .mkdir = fault_mkdir,
                                 .sync_dir = fault_sync_dir};
}

#endif
