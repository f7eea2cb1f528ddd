#include "common/journal/journal_repair.h"

#include "common/journal/journal_begin.h"
#include "common/journal/journal_index.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COPY_BYTES ((size_t)64 * 1024)
#define NAME_BYTES 64
#define TRIES_MAX  100 /* names for the same thing in quarantine */

/* ---- Looking ---- */

/* What the segment before promised of the next. */
struct expected {
    bool known;
    uint64_t first_seq;
    uint32_t prev_crc, epoch;
    struct sp_begin_trim trim; /* up to it */
};

static sp_status check_order(const struct sp_segment_cursor *cursor,
                             const struct expected *expected, struct sp_err *err)
{
    if (!expected->known) return SP_OK;
    if (expected->first_seq != cursor->head.first_seq)
        return sp_segment_damaged(cursor, "the segment before it is missing", err);
    if (expected->prev_crc != cursor->head.prev_crc || expected->epoch > cursor->head.epoch)
        return sp_segment_damaged(cursor, "does not follow the segment before", err);
    return SP_OK;
}

/* SP_OK: whole, or torn at the end of the last one. */
static sp_status walk(struct sp_segment_cursor *cursor, bool is_last, struct sp_begin_trim *trim,
                      struct sp_err *err)
{
    struct sp_batch batch;
    sp_status status;

    do {
        status = sp_segment_next(cursor, &batch, err);
        if (status == SP_OK) status = sp_begin_look(cursor, &batch, trim, err);
    } while (status == SP_OK);
    if (status == SP_CLOSED) return SP_OK;
    if (status != SP_AGAIN && status != SP_CORRUPT) return status;
    if (!is_last)
        return sp_segment_damaged(cursor,
                                  status == SP_CORRUPT ? cursor->why : "ends without a seal", err);
    if (status == SP_AGAIN) cursor->why = NULL;
    return sp_segment_judge(cursor, 0, err);
}

/* One segment; SP_CORRUPT with the place in *out. */
static sp_status look_at(const char *dir, uint64_t first_seq, bool is_last,
                         struct expected *expected, struct sp_repair *out, struct sp_err *err)
{
    struct sp_segment_cursor cursor = {0};
    sp_status status = sp_segment_open(&cursor, dir, first_seq, err);

    out->segment = first_seq;
    out->whole_segment = true;
    out->at = 0;
    out->next_seq = expected->known ? expected->first_seq : first_seq;
    if (status == SP_OK) {
        if (sp_name_is_empty(&out->stream)) out->stream = cursor.head.stream;
        status = check_order(&cursor, expected, err);
    }
    if (status == SP_OK) {
        status = walk(&cursor, is_last, &expected->trim, err);
        out->whole_segment = false;
        out->at = cursor.at;
        out->next_seq = cursor.next_seq;
        *expected =
            (struct expected){true, cursor.next_seq, cursor.crc, cursor.epoch, expected->trim};
    }
    sp_segment_close(&cursor);
    return status;
}

/* Counts a line of what goes, if it looks like a record. */
static void count_line(struct sp_repair *out, const char *text, size_t len)
{
    static const char before_kind[] = ",\"k\":\"";
    struct sp_line line = {0};
    enum sp_kind kind = SP_REC_NONE;

    sp_line_parse(text, len, &line);
    if (line.type != SP_LINE_RECORD) return;
    const char *at = memmem(text, len, before_kind, sizeof before_kind - 1);
    const char *end = at != NULL ? text + len : NULL;
    if (at != NULL) at += sizeof before_kind - 1;
    const char *quote = at != NULL ? memchr(at, '"', (size_t)(end - at)) : NULL;
    if (quote != NULL) SP_IGNORE(!sp_kind_parse(at, (size_t)(quote - at), &kind)); /* then NONE */
    out->lost_lines++;
    out->lost_kinds[kind]++;
    if (line.seq > out->lost_last) out->lost_last = line.seq;
}

/* Gives a segment's bytes from `at` on, as far as they can be read. */
typedef sp_status take_fn(void *ctx, const char *text, size_t len, struct sp_err *err);

static sp_status read_from(const char *dir, uint64_t first_seq, uint64_t at, take_fn *take,
                           void *ctx, struct sp_err *err)
{
    struct sp_segment_file file = {0};
    char path[SP_SEGMENT_PATH_SIZE];
    sp_status status = sp_segment_file_open(&file, dir, first_seq, path, NULL);

    if (status != SP_OK) return SP_OK; /* nothing of it can be read; the file itself is kept */
    char *buf = malloc(COPY_BYTES);
    if (buf == NULL) status = SP_FAIL(err, SP_NO_MEMORY, "no memory to read %s", path);
    while (status == SP_OK) {
        ssize_t n = sp_segment_file_read(&file, buf, COPY_BYTES, at);
        if (n <= 0) break;
        status = take(ctx, buf, sp_segment_unblanked(buf, (size_t)n), err);
        at += (uint64_t)n;
    }
    free(buf);
    sp_segment_file_close(&file);
    return status;
}

/* Lines that come in pieces. */
struct counter {
    struct sp_repair *out;
    size_t len; /* of the line so far; above the longest: passed over */
    char line[SP_JSON_LINE_MAX];
};

static sp_status count_text(void *ctx, const char *text, size_t len, struct sp_err *err)
{
    struct counter *counter = ctx;

    (void)err;
    counter->out->lost_bytes += len;
    for (size_t i = 0; i < len; i++) {
        if (text[i] != '\n') {
            if (counter->len < sizeof counter->line) counter->line[counter->len] = text[i];
            counter->len++;
            continue;
        }
        if (counter->len <= sizeof counter->line)
            count_line(counter->out, counter->line, counter->len);
        counter->len = 0;
    }
    return SP_OK;
}

/* From the damage on: the segment it is in, then the later ones. */
static sp_status read_lost(const char *dir, const struct sp_repair *repair, take_fn *take,
                           void *ctx, struct sp_err *err)
{
    struct sp_segment_list list;
    sp_status status = sp_segment_list_read(dir, &list, err);

    if (status != SP_OK) return status;
    for (size_t i = 0; i < list.count && status == SP_OK; i++) {
        if (list.first[i] < repair->segment) continue;
        uint64_t at = list.first[i] == repair->segment ? repair->at : 0;
        status = read_from(dir, list.first[i], at, take, ctx, err);
    }
    sp_segment_list_free(&list);
    return status;
}

static sp_status count_lost(const char *dir, struct sp_repair *out, struct sp_err *err)
{
    struct counter *counter = calloc(1, sizeof *counter);

    if (counter == NULL) return SP_FAIL(err, SP_NO_MEMORY, "no memory to read %s", dir);
    counter->out = out;
    sp_status status = read_lost(dir, out, count_text, counter, err);
    free(counter);
    return status;
}

sp_status sp_repair_look(const char *dir, struct sp_repair *out, struct sp_err *err)
{
    struct sp_segment_list list;
    struct expected expected = {0};
    struct sp_err why = {0};
    size_t i = 0;
    sp_status status = sp_segment_list_read(dir, &list, err);

    if (status != SP_OK) return status;
    *out = (struct sp_repair){.first_seq = list.first[0]};
    for (; i < list.count; i++) {
        status = look_at(dir, list.first[i], i + 1 == list.count, &expected, out, &why);
        if (status != SP_OK) break;
    }
    out->segments = (uint32_t)(list.count - i);
    sp_segment_list_free(&list);
    bool accepted = false;
    out->begin_missing =
        (status == SP_OK || status == SP_CORRUPT) &&
        !sp_begin_is_known(dir, out->first_seq, expected.trim.first_kept, &accepted);
    if (status == SP_OK && out->begin_missing) status = sp_begin_missing(dir, out->first_seq, &why);
    if (status == SP_OK) return SP_OK;
    if (err != NULL) *err = why;
    if (status != SP_CORRUPT) return status;
    snprintf(out->why, sizeof out->why, "%s", why.text);
    if (out->segments == 0) return SP_CORRUPT; /* all that is held stays */
    status = count_lost(dir, out, err);
    if (status != SP_OK) return status;
    if (i == 0 && (out->whole_segment || out->next_seq == out->first_seq))
        return SP_FAIL(err, SP_GONE, "nothing of the journal in %s verifies: %.100s", dir,
                       out->why);
    if (err != NULL) *err = why;
    return SP_CORRUPT;
}

/* ---- Cutting off ---- */

struct cut {
    const char *dir;
    char quarantine[SP_SEGMENT_PATH_SIZE];
    const struct sp_repair *repair;
    const struct sp_file_port *port;
    int fd;
    uint64_t left; /* bytes still to write of what stays */
};

static sp_status storage_failed(const char *what, const char *path, struct sp_err *err)
{
    return SP_FAIL(err, SP_STORAGE, "cannot %s %s: %s", what, path, strerror(errno));
}

static sp_status sync_dirs(const struct cut *cut, struct sp_err *err)
{
    if (cut->port->sync_dir(cut->port->self, cut->quarantine) != 0)
        return storage_failed("sync", cut->quarantine, err);
    if (cut->port->sync_dir(cut->port->self, cut->dir) != 0)
        return storage_failed("sync", cut->dir, err);
    return SP_OK;
}

static sp_status write_text(void *ctx, const char *text, size_t len, struct sp_err *err)
{
    struct cut *cut = ctx;

    return sp_file_write_all(cut->port, cut->fd, text, len, err);
}

/* A name in quarantine that is not taken, since an earlier try may have left something. */
static sp_status free_path(const struct cut *cut, const char *name, char out[SP_SEGMENT_PATH_SIZE],
                           struct sp_err *err)
{
    for (int i = 1; i <= TRIES_MAX; i++) {
        char suffix[8] = "";
        if (i > 1) snprintf(suffix, sizeof suffix, ".%d", i);
        int n = snprintf(out, SP_SEGMENT_PATH_SIZE, "%s/%s%s", cut->quarantine, name, suffix);
        if (n < 0 || n >= SP_SEGMENT_PATH_SIZE)
            return SP_FAIL(err, SP_TOO_LONG, "path of %d bytes is too long", n);
        if (access(out, F_OK) == 0) continue;
        if (errno == ENOENT) return SP_OK;
        return storage_failed("look at", out, err); /* in doubt nothing is written over */
    }
    return SP_FAIL(err, SP_STORAGE, "%s holds too many of %s", cut->quarantine, name);
}

/* Everything that can be read of what goes, under the name by which the next start finds it: the
 * sequence at which the journal goes on. */
static sp_status save_lost(struct cut *cut, sp_text *kept_in, struct sp_err *err)
{
    static const char none[] = "nothing of it could be read\n";
    char name[NAME_BYTES], path[SP_SEGMENT_PATH_SIZE];

    snprintf(name, sizeof name, "%020" PRIu64 "-repair.torn", cut->repair->next_seq);
    sp_status status = free_path(cut, name, path, err);
    if (status != SP_OK) return status;
    cut->fd = cut->port->open(cut->port->self, path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (cut->fd < 0) return storage_failed("create", path, err);
    status = read_lost(cut->dir, cut->repair, write_text, cut, err);
    if (status == SP_OK && cut->repair->lost_bytes == 0)
        status = sp_file_write_all(cut->port, cut->fd, none, sizeof none - 1, err);
    if (status == SP_OK && cut->port->sync(cut->port->self, cut->fd) != 0)
        status = storage_failed("sync", path, err);
    cut->port->close(cut->port->self, cut->fd);
    if (status == SP_OK && cut->port->sync_dir(cut->port->self, cut->quarantine) != 0)
        status = storage_failed("sync", cut->quarantine, err);
    sp_text_printf(kept_in, "quarantine/%s", strrchr(path, '/') + 1);
    return status;
}

static sp_status put_file_aside(const struct cut *cut, const char *from, const char *name,
                                struct sp_err *err)
{
    char to[SP_SEGMENT_PATH_SIZE];

    if (access(from, F_OK) != 0)
        return errno == ENOENT ? SP_OK : storage_failed("look at", from, err);
    sp_status status = free_path(cut, name, to, err);
    if (status != SP_OK) return status;
    if (cut->port->rename(cut->port->self, from, to) != 0)
        return storage_failed("put aside", from, err);
    return SP_OK;
}

static sp_status put_aside(const struct cut *cut, uint64_t first_seq, const char *suffix,
                           struct sp_err *err)
{
    char from[SP_SEGMENT_PATH_SIZE], name[NAME_BYTES];
    sp_status status = sp_segment_path_as(cut->dir, first_seq, suffix, from, err);

    if (status != SP_OK) return status;
    snprintf(name, sizeof name, "segment-%020" PRIu64 "%s", first_seq, suffix);
    return put_file_aside(cut, from, name, err);
}

static sp_status put_files_aside(const struct cut *cut, const char *const *files,
                                 struct sp_err *err)
{
    sp_status status = SP_OK;

    for (; files != NULL && *files != NULL && status == SP_OK; files++) {
        char from[SP_SEGMENT_PATH_SIZE];
        snprintf(from, sizeof from, "%.480s/%.24s", cut->dir, *files);
        status = put_file_aside(cut, from, *files, err);
        if (status == SP_OK) status = sync_dirs(cut, err); /* in this order, on disk, too */
    }
    return status;
}

/* An index says nothing that the segment does not: it just goes. */
static sp_status drop_index(const struct cut *cut, uint64_t first_seq, struct sp_err *err)
{
    char path[SP_SEGMENT_PATH_SIZE];
    sp_status status = sp_index_path(cut->dir, first_seq, path, err);

    if (status != SP_OK || cut->port->unlink(cut->port->self, path) == 0 || errno == ENOENT)
        return status;
    return storage_failed("remove", path, err);
}

static sp_status put_segment_aside(const struct cut *cut, uint64_t first_seq, struct sp_err *err)
{
    sp_status status = drop_index(cut, first_seq, err);

    if (status == SP_OK) status = put_aside(cut, first_seq, SP_SEGMENT_ZIP_SUFFIX, err);
    if (status == SP_OK) status = put_aside(cut, first_seq, ".jsonl", err);
    return status == SP_OK ? sync_dirs(cut, err) : status;
}

/* The newest first, so that what is left after a crash still is one damage and what follows it. */
static sp_status put_later_aside(const struct cut *cut, struct sp_err *err)
{
    struct sp_segment_list list;
    uint64_t last = cut->repair->segment + (cut->repair->whole_segment ? 0 : 1);
    sp_status status = sp_segment_list_read(cut->dir, &list, err);

    if (status != SP_OK) return status;
    for (size_t i = list.count; i > 0 && list.first[i - 1] >= last && status == SP_OK; i--)
        status = put_segment_aside(cut, list.first[i - 1], err);
    sp_segment_list_free(&list);
    return status;
}

static sp_status write_kept(void *ctx, const char *text, size_t len, struct sp_err *err)
{
    struct cut *cut = ctx;
    size_t n = len < cut->left ? len : (size_t)cut->left;

    if (n == 0) return SP_OK;
    cut->left -= n;
    return sp_file_write_all(cut->port, cut->fd, text, n, err);
}

/* What stays of the segment, as it was written, in a new file; then that takes the place of the
 * old one. Also of one that is not compressed: so a crash leaves either. */
static sp_status rewrite_segment(struct cut *cut, struct sp_err *err)
{
    const struct sp_file_port *port = cut->port;
    char path[SP_SEGMENT_PATH_SIZE], tmp[SP_SEGMENT_PATH_SIZE];
    sp_status status = sp_segment_path(cut->dir, cut->repair->segment, path, err);

    if (status == SP_OK) status = drop_index(cut, cut->repair->segment, err);
    if (status != SP_OK) return status;
    snprintf(tmp, sizeof tmp, "%s/segment.tmp", cut->dir);
    cut->fd = port->open(port->self, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
    if (cut->fd < 0) return storage_failed("create", tmp, err);
    cut->left = cut->repair->at;
    status = read_from(cut->dir, cut->repair->segment, 0, write_kept, cut, err);
    if (status == SP_OK && cut->left > 0)
        status = SP_FAIL(err, SP_IO, "cannot read what stays of %s", path);
    if (status == SP_OK && port->sync(port->self, cut->fd) != 0)
        status = storage_failed("sync", tmp, err);
    port->close(port->self, cut->fd);
    if (status == SP_OK && port->rename(port->self, tmp, path) != 0)
        status = storage_failed("name", path, err);
    if (status == SP_OK) status = sync_dirs(cut, err);
    if (status == SP_OK) status = put_aside(cut, cut->repair->segment, SP_SEGMENT_ZIP_SUFFIX, err);
    return status == SP_OK ? sync_dirs(cut, err) : status;
}

sp_status sp_repair_do(const char *dir, const struct sp_repair *repair,
                       const struct sp_file_port *port, sp_text *kept_in, struct sp_err *err)
{
    struct cut cut = {.dir = dir, .repair = repair, .port = port, .fd = -1};

    snprintf(cut.quarantine, sizeof cut.quarantine, "%.480s/quarantine", dir);
    sp_status status = sp_file_make_dirs(port, cut.quarantine, err);
    if (status == SP_OK && repair->begin_missing)
        status = sp_begin_accept(cut.quarantine, repair->first_seq, port, err);
    if (status != SP_OK || repair->segments == 0) return status;
    status = save_lost(&cut, kept_in, err);
    if (status == SP_OK) status = put_files_aside(&cut, repair->also, err);
    if (status == SP_OK) status = put_later_aside(&cut, err);
    if (status == SP_OK && !repair->whole_segment) status = rewrite_segment(&cut, err);
    return status;
}
