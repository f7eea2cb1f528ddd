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

#define NS_PER_S  INT64_C(1000000000)
#define FOUND_MAX 64 /* the newest of more are looked at */

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

struct list {
    struct sp_ledger_backup *at;
    uint32_t count, cap;
};

SP_NODISCARD static sp_status add(struct list *list, const char *path, const char *name,
                                  struct sp_err *err)
{
    if (list->count == list->cap) {
        uint32_t cap = list->cap == 0 ? 32 : list->cap * 2;
        struct sp_ledger_backup *more = realloc(list->at, cap * sizeof *more);
        if (more == NULL) return SP_FAIL(err, SP_NO_MEMORY, "names of backups");
        list->at = more;
        list->cap = cap;
    }
    if (parse(path, name, &list->at[list->count])) list->count++;
    return SP_OK;
}

/* All of them, newest first; on failure those that were read. The caller frees list->at. */
SP_NODISCARD static sp_status list_all(const char *path, struct list *list, struct sp_err *err)
{
    DIR *dir = opendir(path);
    sp_status status = SP_OK;

    *list = (struct list){.count = 0};
    if (dir == NULL && (errno == ENOENT || errno == ENOTDIR)) return SP_OK;
    if (dir == NULL)
        return SP_FAIL(err, SP_STORAGE, "cannot open %.80s: %s", path, strerror(errno));
    while (status == SP_OK) {
        errno = 0;
        struct dirent *entry = readdir(dir);
        if (entry == NULL && errno != 0)
            status = SP_FAIL(err, SP_STORAGE, "cannot read %.80s: %s", path, strerror(errno));
        if (entry == NULL) break;
        status = add(list, path, entry->d_name, err);
    }
    closedir(dir);
    if (list->count > 0) qsort(list->at, list->count, sizeof *list->at, compare_newest_first);
    return status;
}

uint32_t sp_ledger_backup_list(const char *dir, struct sp_ledger_backup *out, uint32_t cap)
{
    struct list all;

    SP_IGNORE(list_all(dir, &all, NULL)); /* what cannot be read is none */
    uint32_t count = all.count < cap ? all.count : cap;
    if (count > 0) memcpy(out, all.at, count * sizeof *out);
    free(all.at);
    return count;
}

static bool may_be_later(sp_status status)
{
    return status == SP_LOCKED || status == SP_STORAGE || status == SP_NO_MEMORY;
}

sp_status sp_ledger_backup_find(const char *dir, const sp_name *stream, uint64_t first_seq,
                                uint64_t last_seq, struct sp_ledger_backup *out, struct sp_err *err)
{
    struct list all;
    struct sp_err why = {0};
    sp_status failed = list_all(dir, &all, &why);
    bool found = false;

    for (uint32_t i = 0; i < all.count && i < FOUND_MAX && !found; i++) {
        struct sp_err one = {0};
        uint64_t cursor = 0;
        sp_status status = sp_ledger_backup_check(all.at[i].path, stream, &cursor, &one);
        /* SQLite says the same of a read that failed: whether it is so shows the next. */
        if (status == SP_CORRUPT)
            status = sp_ledger_backup_check(all.at[i].path, stream, &cursor, &one);
        found = status == SP_OK && cursor + 1 >= first_seq && cursor <= last_seq;
        if (found) {
            *out = all.at[i];
            out->cursor = cursor;
        }
        if (failed != SP_OK || !may_be_later(status)) continue;
        failed = status;
        why = one;
    }
    free(all.at);
    if (found) return SP_OK;
    if (failed == SP_OK)
        return SP_FAIL(err, SP_NOT_FOUND, "no backup in \"%.80s\" reaches the journal", dir);
    if (err != NULL) *err = why;
    return failed;
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
    struct list all;

    SP_IGNORE(list_all(dir, &all, NULL)); /* those are left until later */
    for (uint32_t i = keep; keep > 0 && i < all.count; i++)
        unlink(all.at[i].path);
    free(all.at);
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
