#include "common/ledger/ledger_backup.h"

#include "common/ledger/ledger_check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S INT64_C(1000000000)

sp_status sp_ledger_sync_dir(const char *path, struct sp_err *err)
{
    char dir[SP_LEDGER_PATH_SIZE + 64];

    snprintf(dir, sizeof dir, "%s", path);
    char *slash = strrchr(dir, '/');
    snprintf(slash != NULL ? slash + 1 : dir, 2, slash != NULL ? "" : ".");
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool synced = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0) close(fd);
    return synced ? SP_OK : SP_FAIL(err, SP_STORAGE, "cannot sync %.80s", dir);
}

sp_status sp_ledger_backup_check(const char *path, const sp_name *stream, uint64_t *cursor,
                                 struct sp_err *err)
{
    struct sp_ledger_rows *rows = NULL;

    sp_status status = sp_ledger_rows_open_copy(path, stream, &rows, err);
    if (status == SP_OK) status = sp_ledger_check(rows, err);
    if (status == SP_OK) *cursor = sp_ledger_rows_cursor(rows);
    sp_ledger_rows_close(rows);
    return status;
}

/* ---- Names ---- */

bool sp_ledger_backup_dir(const struct sp_platform *platform, char *out, size_t cap_bytes)
{
    int len = platform->ledger_backup_dir[0] != '\0'
                  ? snprintf(out, cap_bytes, "%s", platform->ledger_backup_dir)
                  : snprintf(out, cap_bytes, "%s/execution/backup", platform->data_dir);

    return (size_t)len < cap_bytes;
}

SP_NODISCARD static sp_status name_it(const char *dir, sp_wall taken, uint64_t cursor,
                                      struct sp_ledger_backup *out, struct sp_err *err)
{
    time_t seconds = (time_t)(taken.ns / NS_PER_S);
    struct tm tm = {0};
    char text[32];

    gmtime_r(&seconds, &tm);
    strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &tm);
    if (snprintf(out->path, sizeof out->path, "%s/ledger-%s-%" PRIu64 ".db", dir, text, cursor) >=
        (int)sizeof out->path)
        return SP_FAIL(err, SP_STORAGE, "%.80s... is too long", dir);
    out->taken = (sp_wall){(int64_t)seconds * NS_PER_S};
    out->cursor = cursor;
    return SP_OK;
}

/* Only a name that we would give ourselves. */
static bool parse(const char *dir, const char *name, struct sp_ledger_backup *out)
{
    struct tm tm = {0};
    char *end = NULL;

    if (strncmp(name, "ledger-", 7) != 0) return false;
    const char *rest = strptime(name + 7, "%Y%m%dT%H%M%SZ", &tm);
    if (rest == NULL || *rest != '-') return false;
    errno = 0;
    uint64_t cursor = strtoull(rest + 1, &end, 10);
    sp_wall taken = {(int64_t)timegm(&tm) * NS_PER_S};
    if (errno != 0 || name_it(dir, taken, cursor, out, NULL) != SP_OK) return false;
    return strcmp(strrchr(out->path, '/') + 1, name) == 0;
}

static int compare_newest_first(const void *a, const void *b)
{
    const struct sp_ledger_backup *one = a, *other = b;

    if (one->taken.ns != other->taken.ns) return one->taken.ns > other->taken.ns ? -1 : 1;
    if (one->cursor != other->cursor) return one->cursor > other->cursor ? -1 : 1;
    return 0;
}

/* All of them, newest first; the caller frees. */
static struct sp_ledger_backup *list_all(const char *path, uint32_t *count_out)
{
    struct sp_ledger_backup *all = NULL;
    uint32_t count = 0, cap = 0;
    DIR *dir = opendir(path);

    *count_out = 0;
    if (dir == NULL) return NULL;
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (count == cap) {
            cap = cap == 0 ? 32 : cap * 2;
            struct sp_ledger_backup *more = realloc(all, cap * sizeof *all);
            if (more == NULL) break; /* those are left until later */
            all = more;
        }
        if (parse(path, entry->d_name, &all[count])) count++;
    }
    closedir(dir);
    if (count > 0) qsort(all, count, sizeof *all, compare_newest_first);
    *count_out = count;
    return all;
}

uint32_t sp_ledger_backup_list(const char *dir, struct sp_ledger_backup *out, uint32_t cap)
{
    uint32_t count = 0;
    struct sp_ledger_backup *all = list_all(dir, &count);

    if (count > cap) count = cap;
    if (count > 0) memcpy(out, all, count * sizeof *out);
    free(all);
    return count;
}

/* ---- Making one ---- */

sp_status sp_ledger_backup_begin(const char *dir, char part[SP_LEDGER_PATH_SIZE],
                                 struct sp_err *err)
{
    if (snprintf(part, SP_LEDGER_PATH_SIZE, "%s/" SP_LEDGER_PART, dir) >= SP_LEDGER_PATH_SIZE)
        return SP_FAIL(err, SP_STORAGE, "%.80s... is too long", dir);
    if (mkdir(dir, 0700) == 0) return sp_ledger_sync_dir(dir, err);
    if (errno != EEXIST)
        return SP_FAIL(err, SP_STORAGE, "cannot make %.80s: %s", dir, strerror(errno));
    if (unlink(part) != 0 && errno != ENOENT)
        return SP_FAIL(err, SP_STORAGE, "cannot remove %.80s: %s", part, strerror(errno));
    return SP_OK;
}

static void prune(const char *dir, uint32_t keep)
{
    uint32_t count = 0;
    struct sp_ledger_backup *all = list_all(dir, &count);

    for (uint32_t i = keep; keep > 0 && i < count; i++)
        unlink(all[i].path);
    free(all);
}

sp_status sp_ledger_backup_end(const char *dir, const sp_name *stream, sp_wall taken, uint32_t keep,
                               struct sp_ledger_backup *out, struct sp_err *err)
{
    struct sp_ledger_backup made = {.cursor = 0};
    char part[SP_LEDGER_PATH_SIZE + 16];
    uint64_t cursor = 0;

    snprintf(part, sizeof part, "%s/" SP_LEDGER_PART, dir);
    sp_status status = sp_ledger_backup_check(part, stream, &cursor, err);
    if (status == SP_OK) status = name_it(dir, taken, cursor, &made, err);
    if (status == SP_OK && rename(part, made.path) != 0)
        status = SP_FAIL(err, SP_STORAGE, "cannot name %.80s: %s", made.path, strerror(errno));
    if (status == SP_OK) status = sp_ledger_sync_dir(made.path, err);
    if (status != SP_OK) {
        unlink(part);
        return status;
    }
    prune(dir, keep);
    *out = made;
    return SP_OK;
}
