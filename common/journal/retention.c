/* The files of a segment are all those whose name begins with its number and a point: the segment,
 * in whatever form, and what was made from it. */
#include "common/journal/retention.h"

#include "common/journal/journal_keeper.h"
#include "common/planted_bug.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define DIGITS     20
#define FILES_GROW 64
#define NAME_BYTES 64

struct file {
    uint64_t first_seq;
    char name[NAME_BYTES];
};

struct files {
    struct file *at;
    size_t count;
};

/* Whether the file is of a segment, and of which. */
static bool parse_name(const char *name, uint64_t *first_seq)
{
    size_t len = strlen(name);

    if (len <= DIGITS + 1 || len >= NAME_BYTES || name[DIGITS] != '.') return false;
    if (strspn(name, "0123456789") != DIGITS) return false;
    *first_seq = strtoull(name, NULL, 10);
    return true;
}

static bool add_file(struct files *files, const char *name)
{
    uint64_t first_seq = 0;

    if (!parse_name(name, &first_seq)) return true;
    if (files->count % FILES_GROW == 0) {
        struct file *grown = realloc(files->at, (files->count + FILES_GROW) * sizeof *grown);
        if (grown == NULL) return false;
        files->at = grown;
    }
    struct file *file = &files->at[files->count++];
    file->first_seq = first_seq;
    memcpy(file->name, name, strlen(name) + 1);
    return true;
}

static sp_status list_files(const char *dir, struct files *out, struct sp_err *err)
{
    struct files files = {0};
    bool fits = true;
    DIR *folder = opendir(dir);

    if (folder == NULL) return SP_FAIL(err, SP_IO, "cannot read %s: %s", dir, strerror(errno));
    errno = 0;
    for (struct dirent *entry = readdir(folder); entry != NULL && fits; entry = readdir(folder))
        fits = add_file(&files, entry->d_name);
    int saved_errno = errno;
    closedir(folder);
    if (!fits || saved_errno != 0) {
        free(files.at);
        if (!fits) return SP_FAIL(err, SP_NO_MEMORY, "too many files in %s", dir);
        return SP_FAIL(err, SP_IO, "cannot read %s: %s", dir, strerror(saved_errno));
    }
    *out = files;
    return SP_OK;
}

/* Bytes of a segment's files, the index too, and when the newest of them was written. */
static sp_status measure(const char *dir, const struct files *files, uint64_t first_seq,
                         uint64_t *bytes, sp_wall *written, struct sp_err *err)
{
    *bytes = 0;
    *written = (sp_wall){0};
    for (size_t i = 0; i < files->count; i++) {
        char path[SP_SEGMENT_PATH_SIZE + NAME_BYTES];
        struct stat st;
        if (files->at[i].first_seq != first_seq) continue;
        snprintf(path, sizeof path, "%s/%s", dir, files->at[i].name);
        if (stat(path, &st) != 0) {
            if (errno == ENOENT) continue; /* made anew at this moment */
            return SP_FAIL(err, SP_IO, "cannot look at %s: %s", path, strerror(errno));
        }
        int64_t ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
        *bytes += (uint64_t)st.st_size;
        if (ns > written->ns) written->ns = ns;
    }
    return SP_OK;
}

static sp_status plan_in(const char *dir, const struct sp_retention_ask *ask, uint64_t needs_seq,
                         const struct sp_segment_list *list, struct sp_retention_plan *out,
                         struct sp_err *err)
{
    struct files files = {0};
    sp_status status = list_files(dir, &files, err);
    size_t i = 0;

    if (status != SP_OK) return status;
    *out = (struct sp_retention_plan){.first_kept = list->first[0]};
    for (; i + 1 < list->count && status == SP_OK; i++) {
        uint64_t bytes = 0, next = list->first[i + 1];
        sp_wall written;
        if (next > needs_seq) break;
        status = measure(dir, &files, list->first[i], &bytes, &written, err);
        bool asked = (ask->before_seq == 0 || next <= ask->before_seq) &&
                     (ask->before_time.ns == 0 || written.ns < ask->before_time.ns);
        if (status != SP_OK || !asked) {
            out->is_asked = true;
            break;
        }
        out->first_kept = next;
        out->segments++;
        out->bytes += bytes;
    }
    out->is_newest = i + 1 >= list->count;
    free(files.at);
    return status;
}

sp_status sp_retention_plan(const char *dir, const struct sp_retention_ask *ask, uint64_t needs_seq,
                            struct sp_retention_plan *out, struct sp_err *err)
{
    struct sp_retention_plan plan = {0};
    struct sp_segment_list list;
    sp_status status = sp_segment_list_read(dir, &list, err);

    if (status != SP_OK) return status;
    status = plan_in(dir, ask, needs_seq, &list, &plan, err);
    sp_segment_list_free(&list);
    if (status == SP_OK) *out = plan;
    return status;
}

static sp_status check_boundary(const char *dir, uint64_t first_kept, struct sp_err *err)
{
    struct sp_segment_list list;
    bool found = false;
    sp_status status = sp_segment_list_read(dir, &list, err);

    if (status != SP_OK) return status;
    for (size_t i = 0; i < list.count; i++)
        found = found || list.first[i] == first_kept;
    sp_segment_list_free(&list);
    if (found) return SP_OK;
    return SP_FAIL(err, SP_INVALID, "%s: no segment begins at %" PRIu64, dir, first_kept);
}

/* Synced before the next one goes: names that are removed together may stay in any order, and a
 * journal with a hole is damaged. */
static sp_status delete_one(const char *dir, uint64_t first_seq, const struct sp_file_port *port,
                            struct sp_err *err)
{
    sp_status status = sp_keeper_remove(dir, first_seq, port, err);

    if (status != SP_OK || SP_BUG(removed_together)) return status;
    if (port->sync_dir(port->self, dir) == 0) return SP_OK;
    return SP_FAIL(err, SP_STORAGE, "cannot sync %s: %s", dir, strerror(errno));
}

sp_status sp_retention_delete(const char *dir, uint64_t first_kept, const struct sp_file_port *port,
                              struct sp_err *err)
{
    struct sp_segment_list list;
    sp_status status = check_boundary(dir, first_kept, err);

    if (status == SP_OK) status = sp_segment_list_read(dir, &list, err);
    if (status != SP_OK) return status;
    for (size_t i = 0; i < list.count && list.first[i] < first_kept && status == SP_OK; i++)
        status = delete_one(dir, list.first[i], port, err);
    sp_segment_list_free(&list);
    if (status == SP_OK && port->sync_dir(port->self, dir) != 0)
        status = SP_FAIL(err, SP_STORAGE, "cannot sync %s: %s", dir, strerror(errno));
    return status;
}
