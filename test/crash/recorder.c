#include "recorder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FDS          256
#define SHORT_ONE_IN 7 /* writes that take half of what they are given */

static struct {
    struct disk_log *log;
    struct disk_image live; /* every operation done */
    size_t root_len;
    enum recorder_lie lie;
    uint32_t writes;
    uint32_t left;             /* operations until the process is dead */
    uint32_t syncs_to_failure; /* 0 = none fails */
    bool failed;
    uint32_t node_of[FDS];
} rec;

/* Whether one more operation is done. */
static bool alive(void)
{
    if (rec.left > 0) {
        rec.left -= rec.left == UINT32_MAX ? 0 : 1;
        return true;
    }
    errno = EIO;
    return false;
}

static bool sync_fails(void)
{
    if (rec.syncs_to_failure == 0 || --rec.syncs_to_failure > 0) return false;
    rec.failed = true;
    errno = EIO;
    return true;
}

static struct disk_op *note(enum disk_op_kind kind)
{
    SP_ASSERT(rec.log->count < DISK_OPS);
    struct disk_op *op = &rec.log->op[rec.log->count++];

    *op = (struct disk_op){.kind = kind};
    return op;
}

static void done(const struct disk_op *op)
{
    rec.live.nodes = rec.log->nodes;
    disk_apply(&rec.live, op, NULL);
}

static uint32_t new_node(void)
{
    SP_ASSERT(rec.log->nodes < DISK_NODES);
    return rec.log->nodes++;
}

/* The directory that a path's last part is in, and that part ("" for the root itself). */
static uint32_t resolve(const char *path, const char **name)
{
    uint32_t dir = DISK_ROOT;
    const char *at = path + rec.root_len;

    SP_ASSERT(strlen(path) >= rec.root_len);
    while (*at == '/')
        at++;
    for (const char *slash = strchr(at, '/'); slash != NULL; slash = strchr(at, '/')) {
        char part[60];
        snprintf(part, sizeof part, "%.*s", (int)(slash - at), at);
        int node = disk_find(&rec.live, dir, part);
        SP_ASSERT(node >= 0);
        dir = (uint32_t)node;
        at = slash + 1;
    }
    *name = at;
    return dir;
}

static void note_name(struct disk_op *op, uint32_t dir, const char *name, uint32_t node)
{
    op->dir = dir;
    op->node = node;
    snprintf(op->name, sizeof op->name, "%s", name);
}

static void note_truncate(uint32_t node, uint64_t len_bytes)
{
    struct disk_op *op = note(DISK_TRUNCATE);

    op->node = node;
    op->at = len_bytes;
    done(op);
}

static int rec_open(void *self, const char *path, int flags, mode_t mode)
{
    const char *name = NULL;

    if ((flags & (O_WRONLY | O_RDWR | O_CREAT)) != 0 && !alive()) return -1;
    int fd = sp_file_port_real()->open(self, path, flags, mode);
    if (fd < 0) return fd;
    SP_ASSERT(fd < FDS);
    uint32_t dir = resolve(path, &name);
    int node = disk_find(&rec.live, dir, name);
    if (node < 0) {
        struct disk_op *op = note(DISK_CREATE);
        note_name(op, dir, name, new_node());
        done(op);
        node = (int)op->node;
    } else if ((flags & O_TRUNC) != 0 && rec.live.node[node].len_bytes > 0) {
        note_truncate((uint32_t)node, 0);
    }
    rec.node_of[fd] = (uint32_t)node;
    return fd;
}

static ssize_t rec_write(void *self, int fd, const void *buf, size_t len_bytes)
{
    off_t at = lseek(fd, 0, SEEK_CUR);

    if (!alive()) return -1;
    bool is_short = (++rec.writes % SHORT_ONE_IN == 0 || rec.left == 0) && len_bytes > 1;
    ssize_t n = sp_file_port_real()->write(self, fd, buf, is_short ? len_bytes / 2 : len_bytes);

    if (n <= 0) return n;
    struct disk_op *op = note(DISK_WRITE);
    op->node = rec.node_of[fd];
    op->at = (uint64_t)at;
    op->len_bytes = (size_t)n;
    op->bytes = malloc((size_t)n);
    if (op->bytes == NULL) abort();
    memcpy(op->bytes, buf, (size_t)n);
    done(op);
    return n;
}

static int rec_truncate(void *self, int fd, off_t len_bytes)
{
    if (!alive()) return -1;
    int rc = sp_file_port_real()->truncate(self, fd, len_bytes);
    if (rc == 0) note_truncate(rec.node_of[fd], (uint64_t)len_bytes);
    return rc;
}

static int rec_sync(void *self, int fd)
{
    (void)self;
    if (!alive()) return -1;
    bool fails = sync_fails();
    if (rec.lie == RECORDER_NO_SYNC) return 0;
    note(fails ? DISK_SYNC_FAILED : DISK_SYNC)->node = rec.node_of[fd];
    return fails ? -1 : 0;
}

static int rec_sync_dir(void *self, const char *path)
{
    const char *name = NULL;

    (void)self;
    if (strlen(path) < rec.root_len) return 0;
    if (!alive() || sync_fails()) return -1;
    if (rec.lie == RECORDER_NO_SYNC_DIR) return 0;
    uint32_t dir = resolve(path, &name);
    int node = name[0] == '\0' ? (int)dir : disk_find(&rec.live, dir, name);
    SP_ASSERT(node >= 0);
    note(DISK_SYNC_DIR)->node = (uint32_t)node;
    return 0;
}

static int rec_rename(void *self, const char *from, const char *to)
{
    const char *name = NULL, *new_name = NULL;

    if (!alive()) return -1;
    int rc = sp_file_port_real()->rename(self, from, to);
    if (rc != 0) return rc;
    uint32_t dir = resolve(from, &name);
    SP_ASSERT(resolve(to, &new_name) == dir);
    int node = disk_find(&rec.live, dir, name);
    SP_ASSERT(node >= 0);
    int there = disk_find(&rec.live, dir, new_name);
    if (there == node) return 0; /* two names of one file: no-op */
    struct disk_op *op = note(DISK_RENAME);
    note_name(op, dir, name, (uint32_t)node);
    op->replaces = there >= 0;
    snprintf(op->new_name, sizeof op->new_name, "%s", new_name);
    done(op);
    return 0;
}

static int rec_link(void *self, const char *from, const char *to)
{
    const char *name = NULL;

    if (!alive()) return -1;
    int rc = sp_file_port_real()->link(self, from, to);
    if (rc != 0) return rc;
    uint32_t dir = resolve(from, &name);
    int node = disk_find(&rec.live, dir, name);
    SP_ASSERT(node >= 0);
    dir = resolve(to, &name);
    struct disk_op *op = note(DISK_LINK);
    note_name(op, dir, name, (uint32_t)node);
    done(op);
    return 0;
}

static int rec_unlink(void *self, const char *path)
{
    const char *name = NULL;

    if (!alive()) return -1;
    int rc = sp_file_port_real()->unlink(self, path);
    if (rc != 0) return rc;
    uint32_t dir = resolve(path, &name);
    struct disk_op *op = note(DISK_UNLINK);
    note_name(op, dir, name, DISK_ROOT);
    done(op);
    return 0;
}

static int rec_mkdir(void *self, const char *path, mode_t mode)
{
    const char *name = NULL;

    if (!alive()) return -1;
    int rc = sp_file_port_real()->mkdir(self, path, mode);
    if (rc != 0) return rc;
    uint32_t dir = resolve(path, &name);
    struct disk_op *op = note(DISK_MKDIR);
    note_name(op, dir, name, new_node());
    done(op);
    return 0;
}

void recorder_start(struct disk_log *log, const char *root, enum recorder_lie lie)
{
    disk_log_clear(log);
    log->nodes = log->base.nodes;
    rec.log = log;
    rec.root_len = strlen(root);
    rec.lie = lie;
    rec.writes = 0;
    recorder_revive();
    disk_copy(&rec.live, &log->base);
}

void recorder_mark(const struct disk_bounds *bounds)
{
    if (rec.log != NULL) note(DISK_MARK)->bounds = *bounds;
}

void recorder_kill(uint32_t operations)
{
    rec.left = operations;
}

bool recorder_is_dead(void)
{
    return rec.left == 0;
}

void recorder_fail_sync(uint32_t nth)
{
    rec.syncs_to_failure = nth;
}

bool recorder_has_failed(void)
{
    return rec.failed;
}

void recorder_revive(void)
{
    rec.left = UINT32_MAX;
    rec.syncs_to_failure = 0;
    rec.failed = false;
}

void recorder_stop(void)
{
    rec.log = NULL;
    disk_clear(&rec.live);
}

const struct sp_file_port *recorder_port(void)
{
    static struct sp_file_port port;

    port = *sp_file_port_real(); /* reading and closing change nothing */
    port.open = rec_open;
    port.write = rec_write;
    port.truncate = rec_truncate;
    port.sync = rec_sync;
    port.datasync = rec_sync;
    port.rename = rec_rename;
    port.link = rec_link;
    port.unlink = rec_unlink;
    port.mkdir = rec_mkdir;
    port.sync_dir = rec_sync_dir;
    return &port;
}
