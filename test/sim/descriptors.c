#include "files_internal.h"

#include "memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define INBOX_MAX  32
#define LINE_BYTES 256

struct inbox {
    uint32_t first, count;
    char line[INBOX_MAX][LINE_BYTES];
    bool hung_up;
};

struct descriptor {
    enum sim_fd_kind kind;
    struct sim_proc *proc;
    struct sim_node *node;
    char path[SIM_PATH_SIZE];
    size_t offset;
    bool locked;
    uint64_t count; /* of an event */
    struct inbox *inbox;
    struct sim_fiber *watcher;
};

static struct {
    size_t count, room;
    struct descriptor *at;
} table;

bool sim_is_sim_fd(int fd)
{
    return fd >= SIM_FD_FIRST;
}

static int fail(int code)
{
    errno = code;
    return -1;
}

static struct descriptor *of(int fd)
{
    size_t i = (size_t)(fd - SIM_FD_FIRST);

    if (fd < SIM_FD_FIRST || i >= table.count || table.at[i].kind == SIM_FD_FREE) return NULL;
    return &table.at[i];
}

int sim_fd_make(enum sim_fd_kind kind)
{
    size_t i = 0;

    while (i < table.count && table.at[i].kind != SIM_FD_FREE)
        i++;
    if (i == table.count) {
        if (table.count == table.room) {
            table.room = table.room * 2 + 64;
            table.at = sim_grow(table.at, table.room * sizeof *table.at);
        }
        table.count++;
    }
    memset(&table.at[i], 0, sizeof table.at[i]);
    table.at[i].kind = kind;
    table.at[i].proc = sim_self();
    if (kind == SIM_FD_NOTIFY) table.at[i].inbox = sim_alloc(sizeof(struct inbox));
    return SIM_FD_FIRST + (int)i;
}

enum sim_fd_kind sim_fd_kind(int fd)
{
    const struct descriptor *d = of(fd);

    return d != NULL ? d->kind : SIM_FD_FREE;
}

static void release(struct descriptor *d)
{
    if (d->locked) d->node->lock_of = NULL;
    sim_free(d->inbox);
    memset(d, 0, sizeof *d);
}

int sim_close(int fd)
{
    struct descriptor *d = of(fd);

    if (d == NULL) return fail(EBADF);
    release(d);
    return 0;
}

void sim_files_reap(struct sim_proc *proc)
{
    for (size_t i = 0; i < table.count; i++) {
        if (table.at[i].kind != SIM_FD_FREE && table.at[i].proc == proc) release(&table.at[i]);
    }
}

void sim_descriptors_end(void)
{
    for (size_t i = 0; i < table.count; i++) {
        if (table.at[i].kind != SIM_FD_FREE) release(&table.at[i]);
    }
    table.count = 0;
}

/* ---- Files ---- */

int sim_open(const char *path, int flags)
{
    char clean[SIM_PATH_SIZE];

    sim_point();
    snprintf(clean, sizeof clean, "%s", path);
    size_t len = strlen(clean);
    while (len > 1 && clean[len - 1] == '/')
        clean[--len] = '\0';
    int code = sim_disk_fault(SIM_DISK_OPEN, clean, 0);
    if (code > 0) return fail(code);
    struct sim_node *node = sim_node_find(clean);
    if (node != NULL && (flags & O_CREAT) != 0 && (flags & O_EXCL) != 0) return fail(EEXIST);
    if (node == NULL && (flags & O_CREAT) == 0) return fail(ENOENT);
    if (node != NULL && (flags & O_DIRECTORY) != 0 && !node->is_dir) return fail(ENOTDIR);
    if (node == NULL) node = sim_node_make(clean, false);
    if ((flags & O_TRUNC) != 0 && node->data.len > 0) sim_node_truncate(node, 0);
    int fd = sim_fd_make(node->is_dir ? SIM_FD_DIR : SIM_FD_FILE);
    struct descriptor *d = &table.at[fd - SIM_FD_FIRST];
    d->node = node;
    snprintf(d->path, sizeof d->path, "%s", clean);
    return fd;
}

ssize_t sim_pread(int fd, void *buf, size_t len, off_t at)
{
    struct descriptor *d = of(fd);

    if (d == NULL || d->kind != SIM_FD_FILE) return fail(EBADF);
    int code = sim_disk_fault(SIM_DISK_READ, d->path, len);
    if (code > 0) return fail(code);
    size_t have = d->node->data.len;
    if ((size_t)at >= have) return 0;
    if (len > have - (size_t)at) len = have - (size_t)at;
    memcpy(buf, d->node->data.at + at, len);
    return (ssize_t)len;
}

ssize_t sim_pwrite(int fd, const void *buf, size_t len, off_t at)
{
    struct descriptor *d = of(fd);

    sim_point();
    if (d == NULL || d->kind != SIM_FD_FILE) return fail(EBADF);
    int code = sim_disk_fault(SIM_DISK_WRITE, d->path, len);
    if (code > 0) return fail(code);
    if (code == SIM_DISK_SHORT && len > 1) len /= 2;
    sim_node_write(d->node, (size_t)at, buf, len);
    sim_point();
    return (ssize_t)len;
}

ssize_t sim_read(int fd, void *buf, size_t len)
{
    struct descriptor *d = of(fd);

    if (d == NULL) return fail(EBADF);
    if (d->kind == SIM_FD_SIGNAL) return fail(EAGAIN);
    if (d->kind == SIM_FD_EVENT) {
        if (d->count == 0) return fail(EAGAIN);
        SP_ASSERT(len >= sizeof d->count);
        memcpy(buf, &d->count, sizeof d->count);
        d->count = 0;
        return sizeof d->count;
    }
    ssize_t n = sim_pread(fd, buf, len, (off_t)d->offset);
    if (n > 0) d->offset += (size_t)n;
    return n;
}

ssize_t sim_write(int fd, const void *buf, size_t len)
{
    struct descriptor *d = of(fd);

    if (d == NULL) return fail(EBADF);
    if (d->kind == SIM_FD_EVENT) {
        uint64_t more = 0;
        SP_ASSERT(len == sizeof more);
        memcpy(&more, buf, sizeof more);
        d->count += more;
        if (d->watcher != NULL) sim_wake(d->watcher, sim_now());
        return (ssize_t)len;
    }
    ssize_t n = sim_pwrite(fd, buf, len, (off_t)d->offset);
    if (n > 0) table.at[fd - SIM_FD_FIRST].offset += (size_t)n;
    return n;
}

off_t sim_lseek(int fd, off_t at, int whence)
{
    struct descriptor *d = of(fd);

    if (d == NULL || d->kind != SIM_FD_FILE) return fail(EBADF);
    if (whence == SEEK_END) at += (off_t)d->node->data.len;
    if (whence == SEEK_CUR) at += (off_t)d->offset;
    d->offset = (size_t)at;
    return at;
}

int sim_truncate(int fd, off_t len)
{
    struct descriptor *d = of(fd);

    sim_point();
    if (d == NULL || d->kind != SIM_FD_FILE) return fail(EBADF);
    int code = sim_disk_fault(SIM_DISK_WRITE, d->path, 0);
    if (code > 0) return fail(code);
    sim_node_truncate(d->node, (size_t)len);
    return 0;
}

/* What was written before the call is durable when it returns; what others write meanwhile is not
 * waited for. A kill falls before, within or after. */
int sim_sync(int fd)
{
    struct descriptor *d = of(fd);

    sim_point();
    if (d == NULL) return fail(EBADF);
    int code = sim_disk_fault(SIM_DISK_SYNC, d->path, 0);
    struct sim_node *node = d->node;
    uint64_t up_to = node->op_id;
    if (code > 0) {
        if (!node->is_dir) sim_node_lose(node, up_to);
        return fail(code);
    }
    sim_count_event();
    if (sim_self_fiber() != NULL) sim_block(sim_now() + sim_disk_delay());
    if (node->is_dir) {
        sim_node_sync_names(table.at[fd - SIM_FD_FIRST].path);
    } else {
        sim_node_sync(node, up_to);
    }
    sim_point();
    return 0;
}

int sim_fstat(int fd, struct stat *out)
{
    struct descriptor *d = of(fd);

    if (d == NULL || d->node == NULL) return fail(EBADF);
    sim_node_stat(d->node, out);
    return 0;
}

int sim_flock(int fd, int operation)
{
    struct descriptor *d = of(fd);

    if (d == NULL || d->node == NULL) return fail(EBADF);
    SP_ASSERT((operation & LOCK_EX) != 0);
    if (d->node->lock_of != NULL) return fail(EWOULDBLOCK);
    d->node->lock_of = d->proc;
    d->locked = true;
    return 0;
}

/* ---- The others ---- */

bool sim_fd_is_readable(int fd)
{
    const struct descriptor *d = of(fd);

    if (d == NULL) return false;
    if (d->kind == SIM_FD_EVENT) return d->count > 0;
    if (d->kind == SIM_FD_NOTIFY) return d->inbox->count > 0 || d->inbox->hung_up;
    return d->kind == SIM_FD_FILE;
}

void sim_fd_set_watcher(int fd, struct sim_fiber *fiber)
{
    struct descriptor *d = of(fd);

    if (d != NULL) d->watcher = fiber;
}

void sim_notify_tell(struct sim_proc *proc, const char *text)
{
    for (size_t i = 0; i < table.count; i++) {
        struct descriptor *d = &table.at[i];
        if (d->kind != SIM_FD_NOTIFY || d->proc != proc) continue;
        if (text == NULL) {
            d->inbox->hung_up = true;
        } else if (d->inbox->count < INBOX_MAX) {
            uint32_t at = (d->inbox->first + d->inbox->count++) % INBOX_MAX;
            snprintf(d->inbox->line[at], LINE_BYTES, "%s", text);
        }
        if (d->watcher != NULL) sim_wake(d->watcher, sim_now());
    }
}

ssize_t sim_notify_receive(int fd, char *buf, size_t len)
{
    struct descriptor *d = of(fd);

    if (d == NULL || d->kind != SIM_FD_NOTIFY) return fail(EBADF);
    if (d->inbox->count == 0) return d->inbox->hung_up ? 0 : fail(EAGAIN);
    const char *line = d->inbox->line[d->inbox->first];
    size_t n = strlen(line) < len ? strlen(line) : len;
    memcpy(buf, line, n);
    d->inbox->first = (d->inbox->first + 1) % INBOX_MAX;
    d->inbox->count--;
    return (ssize_t)n;
}
