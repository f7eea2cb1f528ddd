#include "common/journal/journal_begin.h"

#include "common/journal/journal_index.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEAD_BYTES 192 /* of a line: its kind stands within */
#define NOTE_BYTES 40  /* "begin-", twenty digits, ".lost" */
/* A list may be out of date when it is used, since the writer deletes: then the next one counts. */
#define TRIES_MAX 8

/* A trim is asked for by hand, so it is looked for where every line begins, and rarely decoded. */
static sp_status look_at_line(const char *text, size_t len_bytes, const sp_name *stream,
                              struct sp_begin_trim *trim, struct sp_err *err)
{
    static const char kind[] = "\"k\":\"JOURNAL_TRIMMED\"";
    struct sp_line_meta meta;

    if (memmem(text, len_bytes < HEAD_BYTES ? len_bytes : HEAD_BYTES, kind, sizeof kind - 1) ==
        NULL)
        return SP_OK;
    struct sp_record *record = malloc(sizeof *record);
    if (record == NULL) return SP_FAIL(err, SP_NO_MEMORY, "memory is exhausted");
    if (sp_json_decode_line(text, len_bytes, stream, record, &meta, NULL) == SP_OK &&
        record->kind == SP_REC_JOURNAL_TRIMMED)
        *trim = (struct sp_begin_trim){
            .first_kept = record->body.journal_trimmed.first_seq,
            .by_repair = sp_name_is(&record->body.journal_trimmed.limited_by, "repair")};
    free(record);
    return SP_OK;
}

sp_status sp_begin_look(const struct sp_segment_cursor *cursor, const struct sp_batch *batch,
                        struct sp_begin_trim *trim, struct sp_err *err)
{
    sp_status status = SP_OK;

    for (uint32_t i = 0; i < batch->count && status == SP_OK; i++)
        status = look_at_line(batch->line[i].text, batch->line[i].len_bytes, &cursor->head.stream,
                              trim, err);
    return status;
}

static void note_name(uint64_t first_seq, char out[NOTE_BYTES])
{
    snprintf(out, NOTE_BYTES, "begin-%020" PRIu64 ".lost", first_seq);
}

bool sp_begin_is_known(const char *dir, uint64_t first_seq, uint64_t trimmed_to, bool *accepted)
{
    char name[NOTE_BYTES], path[SP_SEGMENT_PATH_SIZE + NOTE_BYTES + 16];

    *accepted = false;
    if (first_seq <= 1 || trimmed_to >= first_seq) return true;
    note_name(first_seq, name);
    snprintf(path, sizeof path, "%s/quarantine/%s", dir, name);
    *accepted = access(path, F_OK) == 0;
    return *accepted;
}

sp_status sp_begin_missing(const char *dir, uint64_t first_seq, struct sp_err *err)
{
    return SP_FAIL(err, SP_CORRUPT,
                   "%s begins with record %" PRIu64
                   ", and no JOURNAL_TRIMMED says that records 1 to %" PRIu64
                   " were deleted: put the older segments back, or see: spoor journal repair",
                   dir, first_seq, first_seq - 1);
}

/* The newest of a segment by its index. SP_NOT_FOUND: there is no index, or it does not hold. */
static sp_status look_by_index(const char *dir, uint64_t first_seq, struct sp_begin_trim *trim,
                               struct sp_err *err)
{
    struct sp_segment_file file = {0};
    struct sp_index_record at = {0};
    struct sp_index *index = NULL;
    char path[SP_SEGMENT_PATH_SIZE], line[SP_JSON_LINE_MAX];
    uint32_t count = 0, number = 0;
    sp_status status = sp_index_open(dir, first_seq, &index, NULL);

    if (status != SP_OK) return SP_NOT_FOUND;
    sp_name stream = sp_index_facts(index).stream;
    status = sp_index_of_kind(index, SP_REC_JOURNAL_TRIMMED, &count);
    if (status == SP_OK && count > 0) {
        status = sp_index_at_kind(index, SP_REC_JOURNAL_TRIMMED, count - 1, &number);
        if (status == SP_OK) status = sp_index_record(index, number, &at);
        if (status == SP_OK) status = sp_segment_file_open(&file, dir, first_seq, path, NULL);
        if (status == SP_OK &&
            (at.len_bytes > sizeof line ||
             sp_segment_file_read(&file, line, at.len_bytes, at.offset) != (ssize_t)at.len_bytes ||
             !sp_line_crc_holds(line, at.len_bytes, at.prev_crc)))
            status = SP_CORRUPT;
        sp_segment_file_close(&file);
    }
    sp_index_close(index);
    if (status != SP_OK) return SP_NOT_FOUND;
    return count > 0 ? look_at_line(line, at.len_bytes, &stream, trim, err) : SP_OK;
}

/* The newest of a segment by all its lines, up to what does not verify: others tell of that. */
static sp_status look_by_reading(const char *dir, uint64_t first_seq, struct sp_begin_trim *trim,
                                 struct sp_err *err)
{
    struct sp_segment_cursor cursor = {0};
    struct sp_batch batch;
    sp_status status = sp_segment_open(&cursor, dir, first_seq, err);

    while (status == SP_OK) {
        status = sp_segment_next(&cursor, &batch, err);
        if (status == SP_OK) status = sp_begin_look(&cursor, &batch, trim, err);
    }
    sp_segment_close(&cursor);
    return status == SP_IO || status == SP_NO_MEMORY ? status : SP_OK;
}

/* From the newest segment back to the one that has a JOURNAL_TRIMMED: that is the newest of all,
 * and none before it keeps less. */
static sp_status look_in(const char *dir, const struct sp_segment_list *list, bool by_index,
                         struct sp_begin_trim *trim, struct sp_err *err)
{
    sp_status status = SP_OK;

    for (size_t i = list->count; i > 0 && trim->first_kept == 0 && status == SP_OK; i--) {
        status = by_index ? look_by_index(dir, list->first[i - 1], trim, err) : SP_NOT_FOUND;
        if (status == SP_NOT_FOUND) status = look_by_reading(dir, list->first[i - 1], trim, err);
    }
    return status;
}

sp_status sp_begin_check(const char *dir, uint64_t below_seq, struct sp_begin *out,
                         struct sp_err *err)
{
    uint64_t before = 0;

    for (int i = 0; i < TRIES_MAX; i++) {
        struct sp_segment_list list;
        struct sp_begin_trim trim = {0};
        sp_status status = sp_segment_list_read(dir, &list, err);
        if (status != SP_OK) return status;
        uint64_t first = list.first[0];
        *out = (struct sp_begin){.first_seq = first};
        while (below_seq > 0 && list.count > 0 && list.first[list.count - 1] >= below_seq)
            list.count--;
        if (first > 1) status = look_in(dir, &list, i == 0, &trim, err);
        sp_segment_list_free(&list);
        if (status != SP_OK) return status;
        if (sp_begin_is_known(dir, first, trim.first_kept, &out->accepted)) return SP_OK;
        /* Once more, without trust in the indexes, unless nothing was deleted meanwhile. */
        if (first == before) break;
        before = first;
    }
    return sp_begin_missing(dir, out->first_seq, err);
}

sp_status sp_begin_accept(const char *quarantine, uint64_t first_seq,
                          const struct sp_file_port *port, struct sp_err *err)
{
    static const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW;
    char name[NOTE_BYTES], path[SP_SEGMENT_PATH_SIZE + NOTE_BYTES], text[128];

    note_name(first_seq, name);
    snprintf(path, sizeof path, "%s/%s", quarantine, name);
    int len = snprintf(text, sizeof text,
                       "records 1 to %" PRIu64 " are not held; an operator has accepted it\n",
                       first_seq - 1);
    int fd = port->open(port->self, path, flags, 0600);
    if (fd < 0) return SP_FAIL(err, SP_STORAGE, "cannot create %s: %s", path, strerror(errno));
    sp_status status = sp_file_write_all(port, fd, text, (size_t)len, err);
    if (status == SP_OK && port->sync(port->self, fd) != 0)
        status = SP_FAIL(err, SP_STORAGE, "cannot sync %s: %s", path, strerror(errno));
    port->close(port->self, fd);
    if (status == SP_OK && port->sync_dir(port->self, quarantine) != 0)
        status = SP_FAIL(err, SP_STORAGE, "cannot sync %s: %s", quarantine, strerror(errno));
    return status;
}
