#include "database.h"

#include "files.h"
#include "kernel.h"
#include "memory.h"

#include <cJSON.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_SIZE 200

struct file {
    sqlite3_file base;
    int fd;
    bool sync_dir; /* a new file: its name is made durable with its first sync */
    char path[PATH_SIZE];
};

static struct file *of(sqlite3_file *at)
{
    return (struct file *)(void *)at;
}

static int file_close(sqlite3_file *at)
{
    sim_close(of(at)->fd);
    return SQLITE_OK;
}

static int file_read(sqlite3_file *at, void *buf, int len, sqlite3_int64 offset)
{
    ssize_t n = sim_pread(of(at)->fd, buf, (size_t)len, offset);

    if (n < 0) return SQLITE_IOERR_READ;
    if (n == len) return SQLITE_OK;
    memset((char *)buf + n, 0, (size_t)(len - (int)n));
    return SQLITE_IOERR_SHORT_READ;
}

static int file_write(sqlite3_file *at, const void *buf, int len, sqlite3_int64 offset)
{
    return sim_pwrite(of(at)->fd, buf, (size_t)len, offset) == len ? SQLITE_OK : SQLITE_FULL;
}

static int file_truncate(sqlite3_file *at, sqlite3_int64 len)
{
    return sim_truncate(of(at)->fd, len) == 0 ? SQLITE_OK : SQLITE_IOERR_TRUNCATE;
}

static int sync_dir_of(const char *path)
{
    char dir[PATH_SIZE];

    snprintf(dir, sizeof dir, "%s", path);
    *strrchr(dir, '/') = '\0';
    int fd = sim_open(dir, O_RDONLY | O_DIRECTORY);
    if (fd < 0) return SQLITE_IOERR_DIR_FSYNC;
    int rc = sim_sync(fd);
    sim_close(fd);
    return rc == 0 ? SQLITE_OK : SQLITE_IOERR_DIR_FSYNC;
}

static int file_sync(sqlite3_file *at, int flags)
{
    struct file *file = of(at);

    (void)flags;
    if (sim_sync(file->fd) != 0) return SQLITE_IOERR_FSYNC;
    if (!file->sync_dir) return SQLITE_OK;
    file->sync_dir = false;
    return sync_dir_of(file->path);
}

static int file_size(sqlite3_file *at, sqlite3_int64 *out)
{
    struct stat st;

    if (sim_fstat(of(at)->fd, &st) != 0) return SQLITE_IOERR_FSTAT;
    *out = st.st_size;
    return SQLITE_OK;
}

static int file_lock(sqlite3_file *at, int level)
{
    (void)at;
    (void)level;
    return SQLITE_OK;
}

static int file_reserved(sqlite3_file *at, int *out)
{
    (void)at;
    *out = 0;
    return SQLITE_OK;
}

static int file_control(sqlite3_file *at, int op, void *arg)
{
    (void)at;
    (void)op;
    (void)arg;
    return SQLITE_NOTFOUND;
}

static int file_sector(sqlite3_file *at)
{
    (void)at;
    return 4096;
}

static int file_traits(sqlite3_file *at)
{
    (void)at;
    return 0;
}

static const sqlite3_io_methods methods = {.iVersion = 1,
                                           .xClose = file_close,
                                           .xRead = file_read,
                                           .xWrite = file_write,
                                           .xTruncate = file_truncate,
                                           .xSync = file_sync,
                                           .xFileSize = file_size,
                                           .xLock = file_lock,
                                           .xUnlock = file_lock,
                                           .xCheckReservedLock = file_reserved,
                                           .xFileControl = file_control,
                                           .xSectorSize = file_sector,
                                           .xDeviceCharacteristics = file_traits};

static int vfs_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *at, int flags, int *out)
{
    struct file *file = of(at);
    bool create = (flags & SQLITE_OPEN_CREATE) != 0;

    (void)vfs;
    memset(file, 0, sizeof *file);
    if (path == NULL) return SQLITE_CANTOPEN; /* temporary files stay in memory */
    bool is_new = sim_access(path) != 0;
    file->fd = sim_open(path, create ? O_RDWR | O_CREAT : O_RDWR);
    if (file->fd < 0) return SQLITE_CANTOPEN;
    file->sync_dir = is_new;
    snprintf(file->path, sizeof file->path, "%s", path);
    file->base.pMethods = &methods;
    if (out != NULL) *out = flags;
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *path, int sync_dir)
{
    (void)vfs;
    if (sim_unlink(path) != 0) return SQLITE_IOERR_DELETE_NOENT;
    return sync_dir ? sync_dir_of(path) : SQLITE_OK;
}

static int vfs_access(sqlite3_vfs *vfs, const char *path, int flags, int *out)
{
    struct stat st;

    (void)vfs;
    *out = sim_stat(path, &st) == 0 && (flags != SQLITE_ACCESS_EXISTS || st.st_size > 0);
    return SQLITE_OK;
}

static int vfs_full_path(sqlite3_vfs *vfs, const char *path, int room, char *out)
{
    (void)vfs;
    snprintf(out, (size_t)room, "%s", path);
    return SQLITE_OK;
}

static int vfs_random(sqlite3_vfs *vfs, int len, char *out)
{
    (void)vfs;
    for (int i = 0; i < len; i++)
        out[i] = (char)(i * 37 + 11);
    return len;
}

static int vfs_sleep(sqlite3_vfs *vfs, int us)
{
    (void)vfs;
    return us;
}

static int vfs_time(sqlite3_vfs *vfs, double *out)
{
    (void)vfs;
    *out = 2460000.5; /* no statement asks for it */
    return SQLITE_OK;
}

static int vfs_error(sqlite3_vfs *vfs, int room, char *out)
{
    (void)vfs;
    (void)room;
    (void)out;
    return 0;
}

/* Allocations of a connection belong to the process that made them. The size stands before. */
#define SIZE_ROOM 16

static void *db_malloc(int bytes)
{
    char *at = malloc((size_t)bytes + SIZE_ROOM);

    if (at == NULL) return NULL;
    memcpy(at, &bytes, sizeof bytes);
    return at + SIZE_ROOM;
}

static void db_free(void *at)
{
    if (at != NULL) free((char *)at - SIZE_ROOM);
}

static int db_size(void *at)
{
    int bytes = 0;

    if (at != NULL) memcpy(&bytes, (char *)at - SIZE_ROOM, sizeof bytes);
    return bytes;
}

static void *db_realloc(void *at, int bytes)
{
    char *grown = realloc((char *)at - SIZE_ROOM, (size_t)bytes + SIZE_ROOM);

    if (grown == NULL) return NULL;
    memcpy(grown, &bytes, sizeof bytes);
    return grown + SIZE_ROOM;
}

static int db_round_up(int bytes)
{
    return (bytes + 7) & ~7;
}

static int db_init(void *ctx)
{
    (void)ctx;
    return SQLITE_OK;
}

static void db_shutdown(void *ctx)
{
    (void)ctx;
}

void sim_database_begin(void)
{
    static const sqlite3_mem_methods memory = {.xMalloc = db_malloc,
                                               .xFree = db_free,
                                               .xRealloc = db_realloc,
                                               .xSize = db_size,
                                               .xRoundup = db_round_up,
                                               .xInit = db_init,
                                               .xShutdown = db_shutdown};
    static sqlite3_vfs vfs = {.iVersion = 1,
                              .szOsFile = sizeof(struct file),
                              .mxPathname = PATH_SIZE,
                              .zName = "simulated",
                              .xOpen = vfs_open,
                              .xDelete = vfs_delete,
                              .xAccess = vfs_access,
                              .xFullPathname = vfs_full_path,
                              .xRandomness = vfs_random,
                              .xSleep = vfs_sleep,
                              .xCurrentTime = vfs_time,
                              .xGetLastError = vfs_error};

    cJSON_Hooks hooks = {.malloc_fn = malloc, .free_fn = free};

    cJSON_InitHooks(&hooks); /* its trees, too, go with their process */
    SP_ASSERT(sqlite3_config(SQLITE_CONFIG_SINGLETHREAD) == SQLITE_OK);
    SP_ASSERT(sqlite3_config(SQLITE_CONFIG_MALLOC, &memory) == SQLITE_OK);
    SP_ASSERT(sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0) == SQLITE_OK);
    SP_ASSERT(sqlite3_initialize() == SQLITE_OK);
    SP_ASSERT(sqlite3_vfs_register(&vfs, 1) == SQLITE_OK);
}
