#include "ledger_vfs.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRAME_HEADER_BYTES 24 /* of a log; the page that follows belongs to the same operation */

struct file {
    sqlite3_file base;
    uint32_t node;
    bool sync_dir, delete_it;
    char name[60];
};

static struct {
    struct disk_image live;
    struct disk_log *log;
    bool killed, forever, busy;
    uint64_t random, fail_at, calls, failed;
    uint32_t open_files;
} vfs;

/* ---- Faults ---- */

static bool refuses(void)
{
    vfs.calls++;
    bool now =
        vfs.fail_at != 0 && (vfs.calls == vfs.fail_at || (vfs.forever && vfs.calls > vfs.fail_at));

    if (now) vfs.failed++;
    return now;
}

/* ---- The log ---- */

static void perform(const struct disk_op *op)
{
    if (vfs.log != NULL) {
        SP_ASSERT(vfs.log->count < DISK_OPS);
        vfs.log->op[vfs.log->count++] = *op;
        vfs.live.nodes = vfs.log->nodes;
    }
    disk_apply(&vfs.live, op, NULL);
}

static uint32_t new_node(void)
{
    uint32_t *nodes = vfs.log != NULL ? &vfs.log->nodes : &vfs.live.nodes;

    SP_ASSERT(*nodes < DISK_NODES);
    uint32_t node = (*nodes)++;
    vfs.live.nodes = *nodes;
    return node;
}

/* A frame's header and its page are one operation, as they are for the disk. */
static bool extends_last(uint32_t node, uint64_t at)
{
    if (vfs.log == NULL || vfs.log->count == 0) return false;
    const struct disk_op *last = &vfs.log->op[vfs.log->count - 1];

    return last->kind == DISK_WRITE && last->node == node &&
           last->len_bytes == FRAME_HEADER_BYTES && last->at + last->len_bytes == at;
}

static void write_bytes(uint32_t node, uint64_t at, const void *buf, size_t len_bytes)
{
    bool extends = extends_last(node, at);
    size_t before = extends ? FRAME_HEADER_BYTES : 0;
    uint8_t *bytes = malloc(before + len_bytes);

    if (bytes == NULL) abort();
    memcpy(bytes + before, buf, len_bytes);
    struct disk_op op = {.kind = DISK_WRITE,
                         .node = node,
                         .at = at - before,
                         .len_bytes = before + len_bytes,
                         .bytes = bytes};
    if (extends) {
        struct disk_op *last = &vfs.log->op[--vfs.log->count];
        memcpy(bytes, last->bytes, before);
        free(last->bytes);
    }
    perform(&op);
    if (vfs.log == NULL) free(bytes);
}

/* ---- One file ---- */

static struct file *of(sqlite3_file *base)
{
    return (struct file *)(void *)base;
}

static void remove_name(const char *name)
{
    struct disk_op op = {.kind = DISK_UNLINK, .dir = DISK_ROOT};

    snprintf(op.name, sizeof op.name, "%s", name);
    if (!vfs.killed) perform(&op);
}

static int file_close(sqlite3_file *base)
{
    struct file *file = of(base);

    if (file->delete_it) remove_name(file->name);
    vfs.open_files--;
    return SQLITE_OK;
}

static int file_read(sqlite3_file *base, void *buf, int len, sqlite3_int64 at)
{
    const struct disk_node *node = &vfs.live.node[of(base)->node];
    size_t have = (uint64_t)at < node->len_bytes ? node->len_bytes - (size_t)at : 0;

    if (refuses()) return SQLITE_IOERR_READ;
    if (have > (size_t)len) have = (size_t)len;
    if (have > 0) memcpy(buf, node->data + at, have);
    memset((uint8_t *)buf + have, 0, (size_t)len - have);
    return have == (size_t)len ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

/* A write that is refused is half done, as on a disk that is full. */
static int file_write(sqlite3_file *base, const void *buf, int len, sqlite3_int64 at)
{
    bool refused = refuses();

    if (vfs.killed) return SQLITE_IOERR_WRITE;
    size_t bytes = refused ? (size_t)len / 2 : (size_t)len;
    vfs.busy = true;
    if (bytes > 0) write_bytes(of(base)->node, (uint64_t)at, buf, bytes);
    vfs.busy = false;
    if (!refused) return SQLITE_OK;
    return vfs.calls % 2 == 0 ? SQLITE_FULL : SQLITE_IOERR_WRITE;
}

static int file_truncate(sqlite3_file *base, sqlite3_int64 len)
{
    struct disk_op op = {.kind = DISK_TRUNCATE, .node = of(base)->node, .at = (uint64_t)len};

    if (vfs.killed || refuses()) return SQLITE_IOERR_TRUNCATE;
    vfs.busy = true;
    perform(&op);
    vfs.busy = false;
    return SQLITE_OK;
}

static int file_sync(sqlite3_file *base, int flags)
{
    struct file *file = of(base);
    struct disk_op op = {.kind = DISK_SYNC, .node = file->node};
    struct disk_op dir = {.kind = DISK_SYNC_DIR, .node = DISK_ROOT};

    (void)flags;
    if (vfs.killed || refuses()) return SQLITE_IOERR_FSYNC;
    perform(&op);
    if (file->sync_dir) perform(&dir);
    file->sync_dir = false;
    return SQLITE_OK;
}

static int file_size(sqlite3_file *base, sqlite3_int64 *out)
{
    if (refuses()) return SQLITE_IOERR_FSTAT;
    *out = (sqlite3_int64)vfs.live.node[of(base)->node].len_bytes;
    return SQLITE_OK;
}

static int file_lock(sqlite3_file *base, int lock)
{
    (void)base;
    (void)lock;
    return SQLITE_OK;
}

static int file_is_reserved(sqlite3_file *base, int *out)
{
    (void)base;
    *out = 0;
    return SQLITE_OK;
}

static int file_control(sqlite3_file *base, int verb, void *arg)
{
    (void)base;
    (void)verb;
    (void)arg;
    return SQLITE_NOTFOUND;
}

static int file_sector(sqlite3_file *base)
{
    (void)base;
    return 4096;
}

static int file_device(sqlite3_file *base)
{
    (void)base;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

/* The first version: no shared memory, no mapping. */
static const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_lock,
    .xCheckReservedLock = file_is_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector,
    .xDeviceCharacteristics = file_device,
};

/* ---- The folder ---- */

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

static int vfs_open(sqlite3_vfs *self, const char *path, sqlite3_file *base, int flags, int *out)
{
    const int logs = SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL | SQLITE_OPEN_WAL;
    struct file *file = of(base);

    (void)self;
    memset(file, 0, sizeof *file);
    if (refuses()) return SQLITE_CANTOPEN;
    snprintf(file->name, sizeof file->name, "%s", path != NULL ? last_part(path) : "temporary");
    int node = disk_find(&vfs.live, DISK_ROOT, file->name);
    if (node < 0) {
        struct disk_op op = {.kind = DISK_CREATE, .dir = DISK_ROOT};
        if ((flags & SQLITE_OPEN_CREATE) == 0 || vfs.killed) return SQLITE_CANTOPEN;
        memcpy(op.name, file->name, sizeof op.name);
        op.node = new_node();
        perform(&op);
        node = (int)op.node;
    }
    file->node = (uint32_t)node;
    file->sync_dir = (flags & SQLITE_OPEN_CREATE) != 0 && (flags & logs) != 0;
    file->delete_it = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0;
    file->base.pMethods = &methods;
    if (out != NULL) *out = flags;
    vfs.open_files++;
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *self, const char *path, int sync_dir)
{
    struct disk_op sync = {.kind = DISK_SYNC_DIR, .node = DISK_ROOT};

    (void)self;
    if (disk_find(&vfs.live, DISK_ROOT, last_part(path)) < 0) return SQLITE_IOERR_DELETE_NOENT;
    if (vfs.killed || refuses()) return SQLITE_IOERR_DELETE;
    remove_name(last_part(path));
    if (sync_dir != 0) perform(&sync);
    return SQLITE_OK;
}

static int vfs_access(sqlite3_vfs *self, const char *path, int flags, int *out)
{
    int node = disk_find(&vfs.live, DISK_ROOT, last_part(path));

    (void)self;
    (void)flags;
    if (refuses()) return SQLITE_IOERR_ACCESS;
    *out = node >= 0 && vfs.live.node[node].len_bytes > 0; /* as SQLite's own says */
    return SQLITE_OK;
}

static int vfs_full_path(sqlite3_vfs *self, const char *path, int cap, char *out)
{
    (void)self;
    snprintf(out, (size_t)cap, "%s", path);
    return SQLITE_OK;
}

static int vfs_random(sqlite3_vfs *self, int len, char *out)
{
    (void)self;
    for (int i = 0; i < len; i++) {
        vfs.random = vfs.random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        out[i] = (char)(vfs.random >> 56);
    }
    return len;
}

static int vfs_sleep(sqlite3_vfs *self, int us)
{
    (void)self;
    return us;
}

static int vfs_time(sqlite3_vfs *self, double *out)
{
    (void)self;
    *out = 2460000.5;
    return SQLITE_OK;
}

static int vfs_last_error(sqlite3_vfs *self, int cap, char *out)
{
    (void)self;
    (void)cap;
    (void)out;
    return 0;
}

void ledger_vfs_install(void)
{
    static sqlite3_vfs own = {.iVersion = 1,
                              .szOsFile = (int)sizeof(struct file),
                              .mxPathname = 512,
                              .zName = "crash",
                              .xOpen = vfs_open,
                              .xDelete = vfs_delete,
                              .xAccess = vfs_access,
                              .xFullPathname = vfs_full_path,
                              .xRandomness = vfs_random,
                              .xSleep = vfs_sleep,
                              .xCurrentTime = vfs_time,
                              .xGetLastError = vfs_last_error};

    if (sqlite3_vfs_register(&own, 1) != SQLITE_OK) abort();
    vfs.live.nodes = 1;
    vfs.live.node[DISK_ROOT].is_dir = true;
}

struct disk_image *ledger_vfs_image(void)
{
    return &vfs.live;
}

void ledger_vfs_record(struct disk_log *log)
{
    vfs.log = log;
    if (log != NULL) log->nodes = vfs.live.nodes;
}

void ledger_vfs_seed(uint64_t seed)
{
    vfs.random = seed;
    sqlite3_randomness(0, NULL); /* it draws anew */
}

void ledger_vfs_kill(bool killed)
{
    vfs.killed = killed;
}

void ledger_vfs_fail(uint64_t n, bool forever)
{
    vfs.fail_at = n;
    vfs.forever = forever;
    vfs.calls = vfs.failed = 0;
}

uint64_t ledger_vfs_calls(void)
{
    return vfs.calls;
}

uint64_t ledger_vfs_failed(void)
{
    return vfs.failed;
}

bool ledger_vfs_busy(void)
{
    return vfs.busy;
}

uint32_t ledger_vfs_open_files(void)
{
    return vfs.open_files;
}
