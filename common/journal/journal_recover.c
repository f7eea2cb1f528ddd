/* Recovery, in the order in which it may be interrupted at any point and begin again:
 *
 *   1  segments but the last: SEGMENT line, SEAL line, and how they follow each other
 *   2  the last segment: every batch, up to the first that is not whole or does not verify
 *   3  acknowledged (W)? or the oldest segments gone? then it is damage: refuse, change nothing
 *   4  the tail to quarantine/, synced with its directory; then cut off, synced; blanks are only
 *      cut off
 *
 * A tail that was cut off by a recovery that died before it could write JOURNAL_TRUNCATED is found
 * again by its file's name, which is the sequence at which the journal goes on.
 */
#include "common/journal/journal_begin.h"
#include "common/journal/journal_writer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_BYTES 64

static sp_status check_owner(const struct sp_journal_options *options,
                             const struct sp_segment_cursor *cursor, struct sp_err *err)
{
    if (!sp_name_is(&cursor->head.installation, options->installation)) {
        return SP_FAIL(err, SP_INVALID, "%s belongs to the installation %s, not to %s",
                       cursor->path, cursor->head.installation.s, options->installation);
    }
    if (!sp_name_eq(&cursor->head.stream, &options->stream)) {
        return SP_FAIL(err, SP_INVALID, "%s holds the stream %s, not %s", cursor->path,
                       cursor->head.stream.s, options->stream.s);
    }
    return SP_OK;
}

/* What the segment before promised of this one. */
struct expected {
    bool known;
    uint64_t first_seq;
    uint32_t prev_crc, epoch;
};

static sp_status open_in_order(const struct sp_journal_options *options, uint64_t first_seq,
                               const struct expected *expected, struct sp_segment_cursor *cursor,
                               struct sp_err *err)
{
    sp_status status = sp_segment_open(cursor, options->dir, first_seq, err);

    if (status != SP_OK) return status;
    status = check_owner(options, cursor, err);
    if (status == SP_OK && expected->known) {
        if (expected->first_seq != first_seq) {
            status = sp_segment_damaged(cursor, "the segment before it is missing", err);
        } else if (expected->prev_crc != cursor->head.prev_crc ||
                   expected->epoch > cursor->head.epoch) {
            status = sp_segment_damaged(cursor, "does not follow the segment before", err);
        }
    }
    if (status != SP_OK) sp_segment_close(cursor);
    return status;
}

/* Steps 1: leaves the cursor in the last segment. */
static sp_status check_order(const struct sp_journal_options *options,
                             const struct sp_segment_list *list, struct sp_segment_cursor *cursor,
                             struct sp_err *err)
{
    struct expected expected = {0};

    for (size_t i = 0; i + 1 < list->count; i++) {
        struct sp_line seal;
        sp_status status = open_in_order(options, list->first[i], &expected, cursor, err);
        if (status != SP_OK) return status;
        status = sp_segment_read_seal(cursor, &seal, err);
        sp_segment_close(cursor);
        if (status != SP_OK) return status;
        expected = (struct expected){.known = true,
                                     .first_seq = seal.seal.last_seq + 1,
                                     .prev_crc = seal.crc,
                                     .epoch = seal.seal.epoch};
    }
    return open_in_order(options, list->first[list->count - 1], &expected, cursor, err);
}

static sp_status copy_tail(const struct sp_file_port *port, const struct sp_segment_cursor *cursor,
                           uint64_t end, const char *path, struct sp_err *err)
{
    static const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW;
    uint64_t at = cursor->at;
    int fd = port->open(port->self, path, flags, 0600);

    if (fd < 0) return SP_FAIL(err, SP_STORAGE, "cannot create %s: %s", path, strerror(errno));
    sp_status status = SP_OK;
    while (status == SP_OK && at < end) {
        char buf[4096];
        size_t wanted = end - at < sizeof buf ? (size_t)(end - at) : sizeof buf;
        ssize_t n = port->pread(port->self, cursor->file.fd, buf, wanted, (off_t)at);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0)
            status = SP_FAIL(err, SP_IO, "cannot read %s: %s", cursor->path, strerror(errno));
        if (n <= 0) break;
        status = sp_file_write_all(port, fd, buf, (size_t)n, err);
        at += (uint64_t)n;
    }
    if (status == SP_OK && port->sync(port->self, fd) != 0) {
        status = SP_FAIL(err, SP_STORAGE, "cannot sync %s: %s", path, strerror(errno));
    }
    port->close(port->self, fd);
    return status;
}

static sp_status cut_off(const struct sp_file_port *port, const struct sp_segment_cursor *cursor,
                         struct sp_err *err)
{
    int fd = port->open(port->self, cursor->path, O_WRONLY | O_NOFOLLOW, 0);

    if (fd < 0)
        return SP_FAIL(err, SP_STORAGE, "cannot open %s: %s", cursor->path, strerror(errno));
    int rc = port->truncate(port->self, fd, (off_t)cursor->at);
    if (rc == 0) rc = port->sync(port->self, fd);
    int saved_errno = errno;
    port->close(port->self, fd);
    if (rc == 0) return SP_OK;
    return SP_FAIL(err, SP_STORAGE, "cannot cut off the tail of %s: %s", cursor->path,
                   strerror(saved_errno));
}

static sp_status quarantine(const struct sp_journal_options *options,
                            const struct sp_segment_cursor *cursor, uint64_t end,
                            struct sp_recovered *out, struct sp_err *err)
{
    const struct sp_file_port *port = options->port;
    char name[NAME_BYTES], dir[SP_SEGMENT_PATH_SIZE], path[SP_SEGMENT_PATH_SIZE + NAME_BYTES];

    snprintf(dir, sizeof dir, "%s/quarantine", options->dir);
    snprintf(name, sizeof name, "%020" PRIu64 "-%" PRIu32 ".torn", cursor->next_seq,
             options->epoch);
    snprintf(path, sizeof path, "%s/%s", dir, name);
    sp_status status = sp_file_make_dirs(port, dir, err);
    if (status != SP_OK) return status;
    status = copy_tail(port, cursor, end, path, err);
    if (status != SP_OK) return status;
    out->torn_bytes = end - cursor->at;
    if (port->sync_dir(port->self, dir) != 0) {
        return SP_FAIL(err, SP_STORAGE, "cannot sync %s: %s", dir, strerror(errno));
    }
    sp_text_printf(&out->torn_kept_in, "quarantine/%s", name);
    return cut_off(port, cursor, err);
}

/* A tail that an earlier recovery cut off here without living to record it. */
static sp_status find_unrecorded(const struct sp_journal_options *options, struct sp_recovered *out,
                                 struct sp_err *err)
{
    char dir[SP_SEGMENT_PATH_SIZE], begin[NAME_BYTES];

    snprintf(dir, sizeof dir, "%s/quarantine", options->dir);
    int len = snprintf(begin, sizeof begin, "%020" PRIu64 "-", out->next_seq);
    DIR *folder = opendir(dir);
    if (folder == NULL && errno == ENOENT) return SP_OK;
    if (folder == NULL) return SP_FAIL(err, SP_IO, "cannot read %s: %s", dir, strerror(errno));
    errno = 0;
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        struct stat st;
        if (strncmp(entry->d_name, begin, (size_t)len) != 0) continue;
        if (fstatat(dirfd(folder), entry->d_name, &st, 0) != 0) break;
        if (st.st_size == 0) continue;
        out->torn_bytes = (uint64_t)st.st_size;
        sp_text_printf(&out->torn_kept_in, "quarantine/%.60s", entry->d_name);
    }
    int saved_errno = errno;
    closedir(folder);
    if (saved_errno == 0) return SP_OK;
    return SP_FAIL(err, SP_IO, "cannot read %s: %s", dir, strerror(saved_errno));
}

/* The offset behind record W: what follows may have been lost by a failed sync without our seeing
 * it in the page cache, so the writer writes it again. */
static sp_status find_unsynced(const struct sp_journal_options *options,
                               const struct sp_segment_cursor *done, struct sp_recovered *out,
                               struct sp_err *err)
{
    struct sp_segment_cursor cursor = {0};
    struct sp_batch batch;

    /* A SEAL vouches for what is before it, but nothing vouches for the SEAL yet. */
    out->unsynced_at = done->sealed ? done->seal_at : done->at;
    if (out->durable_seq + 1 >= done->next_seq) return SP_OK;
    sp_status status = sp_segment_open(&cursor, options->dir, done->head.first_seq, err);
    if (status == SP_OK) status = sp_segment_seek(&cursor, out->durable_seq + 1, err);
    while (status == SP_OK) {
        out->unsynced_at = cursor.at;
        status = sp_segment_next(&cursor, &batch, err);
        if (cursor.next_seq > out->durable_seq + 1) break;
    }
    sp_segment_close(&cursor);
    return status;
}

/* Before anything is changed: the oldest segments must not just have vanished. */
static sp_status check_begin(const struct sp_journal_options *options, struct sp_recovered *out,
                             struct sp_err *err)
{
    struct sp_begin begin = {0};

    if (out->first_seq <= 1 || out->trim.first_kept >= out->first_seq) return SP_OK;
    sp_status status = sp_begin_check(options->dir, out->segment_first_seq, &begin, err);
    out->begin_accepted = begin.accepted;
    return status;
}

/* Step 4. */
static sp_status end_with_records(const struct sp_journal_options *options,
                                  struct sp_segment_cursor *cursor, struct sp_recovered *out,
                                  struct sp_err *err)
{
    int64_t size = sp_segment_file_size(&cursor->file);
    int64_t end = size < 0 ? size : sp_segment_file_end(&cursor->file, cursor->at);
    sp_status status = SP_OK;

    if (end < 0) return SP_FAIL(err, SP_IO, "cannot read %s: %s", cursor->path, strerror(errno));
    if ((uint64_t)end > cursor->at) return quarantine(options, cursor, (uint64_t)end, out, err);
    if (size > end) status = cut_off(options->port, cursor, err);
    return status == SP_OK ? find_unrecorded(options, out, err) : status;
}

/* Steps 2 to 4. */
static sp_status recover_last(const struct sp_journal_options *options,
                              struct sp_segment_cursor *cursor, struct sp_recovered *out,
                              struct sp_err *err)
{
    struct sp_batch batch;
    sp_status status;

    do {
        status = sp_segment_next(cursor, &batch, err);
        if (status == SP_OK) status = sp_begin_look(cursor, &batch, &out->trim, err);
    } while (status == SP_OK);
    if (status == SP_IO || status == SP_NO_MEMORY) return status;
    if (status != SP_CORRUPT) cursor->why = NULL;
    status = sp_segment_judge(cursor, options->noted_seq, err);
    if (status != SP_OK) return status;
    /* Only what is sealed is compressed, so nothing of it can be torn. */
    if (cursor->file.zip != NULL && !cursor->sealed)
        return sp_segment_damaged(cursor, "compressed, but not sealed", err);
    if (cursor->next_seq > SP_SEGMENT_SEQ_ROOM_BELOW) {
        return sp_segment_damaged(cursor, "its sequence leaves no room for new records", err);
    }
    if (cursor->epoch >= options->epoch) {
        return SP_FAIL(err, SP_FENCED, "%s holds records of epoch %" PRIu32 ", we are %" PRIu32,
                       cursor->path, cursor->epoch, options->epoch);
    }
    out->next_seq = cursor->next_seq;
    out->crc = cursor->crc;
    out->durable_seq =
        cursor->durable_seq > options->noted_seq ? cursor->durable_seq : options->noted_seq;
    out->segment_first_seq = cursor->head.first_seq;
    out->sealed = cursor->sealed;
    out->segment_bytes = cursor->at;
    status = check_begin(options, out, err);
    if (status != SP_OK) return status;
    status = end_with_records(options, cursor, out, err);
    if (status != SP_OK) return status;
    return find_unsynced(options, cursor, out, err);
}

sp_status sp_journal_recover(const struct sp_journal_options *options, struct sp_recovered *out,
                             struct sp_err *err)
{
    struct sp_recovered found = {.first_seq = 1, .next_seq = 1};
    struct sp_segment_cursor cursor = {0};
    struct sp_segment_list list;
    sp_status status = sp_segment_list_read(options->dir, &list, err);

    if (status == SP_NOT_FOUND && options->noted_seq > 0) {
        return SP_FAIL(err, SP_CORRUPT,
                       "no journal in %s, but record %" PRIu64 " was acknowledged; restore it",
                       options->dir, options->noted_seq);
    }
    if (status == SP_NOT_FOUND) {
        *out = found;
        return SP_OK;
    }
    if (status != SP_OK) return status;
    found.first_seq = list.first[0];
    found.segments = (uint32_t)list.count;
    status = check_order(options, &list, &cursor, err);
    if (status == SP_OK) status = recover_last(options, &cursor, &found, err);
    sp_segment_close(&cursor);
    sp_segment_list_free(&list);
    if (status == SP_OK) *out = found;
    return status;
}
