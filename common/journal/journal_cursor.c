/* Walking a segment.
 *
 * A file that is being appended may end anywhere, so whatever is not a whole, verified batch is
 * forgotten and read again next time: recovery may have cut it off and written something else in
 * its place.
 */
#include "common/journal/journal_segment.h"

#include "common/planted_bug.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Room for the longest batch, so that a whole one can be looked at before any of it is given. */
#define SEGMENT_BUF_BYTES (SP_BATCH_RECORDS_MAX * (SP_JSON_LINE_MAX + 1) + READ_BYTES)
#define READ_BYTES        ((size_t)64 * 1024)
#define FIRST_READ_BYTES  ((size_t)4 * 1024) /* often no more is wanted, or there */
#define SEAL_BYTES        1024               /* the last two lines of most segments */
#define WINDOW_BYTES      (2 * (SP_JSON_LINE_MAX + 1) + SP_SEGMENT_LINE_MAX)

sp_status sp_segment_damaged(const struct sp_segment_cursor *cursor, const char *why,
                             struct sp_err *err)
{
    return SP_FAIL(err, SP_CORRUPT,
                   "%s: byte %" PRIu64 ", record %" PRIu64 ": %s; see: spoor journal verify",
                   cursor->path, cursor->at, cursor->next_seq, why);
}

/* By errno. What is compressed is like any other batch that does not verify. */
static sp_status read_failed(struct sp_segment_cursor *cursor, struct sp_err *err)
{
    if (errno != EBADMSG)
        return SP_FAIL(err, SP_IO, "cannot read %s: %s", cursor->path, strerror(errno));
    cursor->why = "a compressed block is damaged";
    return sp_segment_damaged(cursor, cursor->why, err);
}

/* How much of what was just read is written already. A blank is written over once, by the byte of a
 * line, and in this order: what is behind it is none of our business yet, unless the file is
 * damaged, or a crash kept what came later. */
static sp_status before_blanks(struct sp_segment_cursor *cursor, const char *text,
                               size_t *len_bytes)
{
    const char *blank = memchr(text, SP_SEGMENT_BLANK, *len_bytes);
    size_t before = blank == NULL ? *len_bytes : (size_t)(blank - text);

    cursor->at_end = blank != NULL || *len_bytes == 0;
    if (*len_bytes > 0 && before == 0 && sp_segment_unblanked(text, *len_bytes) > 0) {
        cursor->why = "a hole before what follows";
        return SP_CORRUPT;
    }
    *len_bytes = before;
    return before > 0 ? SP_OK : SP_AGAIN;
}

/* SP_OK with at least one byte more in the buffer; SP_AGAIN at the end of the file. */
static sp_status fill(struct sp_segment_cursor *cursor, struct sp_err *err)
{
    SP_ASSERT(cursor->buf_at <= cursor->at);
    size_t done = (size_t)(cursor->at - cursor->buf_at);
    if (done > 0) {
        cursor->buf_len = done < cursor->buf_len ? cursor->buf_len - done : 0;
        memmove(cursor->buf, cursor->buf + done, cursor->buf_len);
        cursor->buf_at = cursor->at;
    }
    size_t room = SEGMENT_BUF_BYTES - cursor->buf_len;
    bool is_first = cursor->buf_at + cursor->buf_len == 0;
    size_t wanted = is_first || cursor->at_end ? FIRST_READ_BYTES : READ_BYTES;
    SP_ASSERT(room > 0);
    ssize_t n =
        sp_segment_file_read(&cursor->file, cursor->buf + cursor->buf_len,
                             room < wanted ? room : wanted, cursor->buf_at + cursor->buf_len);
    if (n < 0) return read_failed(cursor, err);
    size_t len = (size_t)n;
    sp_status status = before_blanks(cursor, cursor->buf + cursor->buf_len, &len);
    if (status == SP_OK) cursor->buf_len += len;
    return status;
}

/* The line at `skip` bytes behind cursor->at. Moves the buffer: earlier texts become invalid. */
static sp_status line_at(struct sp_segment_cursor *cursor, size_t skip, struct sp_batch_line *out,
                         struct sp_err *err)
{
    size_t searched = 0;

    for (;;) {
        size_t start = (size_t)(cursor->at - cursor->buf_at) + skip;
        size_t have = start < cursor->buf_len ? cursor->buf_len - start : 0;
        const char *text = cursor->buf + start;
        const char *end = have > searched ? memchr(text + searched, '\n', have - searched) : NULL;
        if (end != NULL && (size_t)(end - text) <= SP_JSON_LINE_MAX) {
            *out = (struct sp_batch_line){text, (size_t)(end - text)};
            return SP_OK;
        }
        if (have > SP_JSON_LINE_MAX) {
            cursor->why = "a line without an end";
            return SP_CORRUPT;
        }
        searched = have;
        sp_status status = fill(cursor, err);
        if (status != SP_OK) return status;
    }
}

static void forget_buffer(struct sp_segment_cursor *cursor)
{
    cursor->buf_at = cursor->at;
    cursor->buf_len = 0;
}

static const char *check_seal(const struct sp_segment_cursor *cursor, const struct sp_line *line)
{
    if (line->seal.last_seq + 1 != cursor->next_seq) return "the seal names another last record";
    if (line->seal.count != cursor->next_seq - cursor->head.first_seq) {
        return "the seal counts other records";
    }
    if (line->seal.epoch < cursor->epoch) return "the seal's epoch goes back";
    return NULL;
}

/* What stands between this line and its place as record number i of a batch; NULL if nothing. */
static const char *check_record(const struct sp_segment_cursor *cursor, const struct sp_line *line,
                                uint32_t i, const struct sp_line *before)
{
    if (line->type != SP_LINE_RECORD) return "not a record";
    if (line->seq != cursor->next_seq + i) return "sequence does not follow";
    if (line->epoch < cursor->epoch) return "epoch goes back";
    if (line->durable_seq >= line->seq) return "durable before it was written";
    if (i == 0) return NULL;
    if (line->epoch != before->epoch) return "epoch changes within a batch";
    if (line->batch_left + 1 != before->batch_left) return "batch count does not follow";
    return NULL;
}

static sp_status pass_seal(struct sp_segment_cursor *cursor, const struct sp_line *line,
                           size_t line_bytes)
{
    cursor->why = check_seal(cursor, line);
    if (cursor->why != NULL) return SP_CORRUPT;
    cursor->seal_at = cursor->at;
    cursor->at += line_bytes;
    cursor->crc = line->crc;
    cursor->epoch = line->seal.epoch;
    cursor->durable_seq = line->seal.last_seq;
    cursor->sealed = true;
    return SP_CLOSED;
}

static sp_status read_batch(struct sp_segment_cursor *cursor, struct sp_batch *out,
                            struct sp_err *err)
{
    struct sp_line line = {0}, before = {0};
    size_t skip[SP_BATCH_RECORDS_MAX], bytes = 0;
    uint32_t crc = cursor->crc, count = 0;
    uint64_t durable_seq = cursor->durable_seq;

    do {
        struct sp_batch_line text = {0};
        sp_status status = line_at(cursor, bytes, &text, err);
        if (status != SP_OK) return status;
        sp_line_parse(text.text, text.len_bytes, &line);
        cursor->why = "checksum does not match";
        if (!sp_line_crc_holds(text.text, text.len_bytes, crc)) return SP_CORRUPT;
        if (count == 0 && line.type == SP_LINE_SEAL) {
            return pass_seal(cursor, &line, text.len_bytes + 1);
        }
        cursor->why = check_record(cursor, &line, count, &before);
        if (cursor->why != NULL) return SP_CORRUPT;
        skip[count] = bytes;
        out->line[count].len_bytes = text.len_bytes;
        bytes += text.len_bytes + 1;
        crc = line.crc;
        if (line.durable_seq > durable_seq) durable_seq = line.durable_seq;
        before = line;
        count++;
        SP_ASSERT(count + line.batch_left <= SP_BATCH_RECORDS_MAX);
    } while (line.batch_left > 0);

    for (uint32_t i = 0; i < count; i++) {
        out->line[i].text = cursor->buf + (cursor->at - cursor->buf_at) + skip[i];
    }
    out->count = count;
    cursor->at += bytes;
    cursor->next_seq += count;
    cursor->crc = crc;
    cursor->epoch = line.epoch;
    cursor->durable_seq = durable_seq;
    return SP_OK;
}

sp_status sp_segment_next(struct sp_segment_cursor *cursor, struct sp_batch *out,
                          struct sp_err *err)
{
    if (cursor->sealed) return SP_CLOSED;
    sp_status status = read_batch(cursor, out, err);
    if (status == SP_CORRUPT) {
        /* The buffer may hold what was there before a recovery: judge only what is there now. */
        forget_buffer(cursor);
        status = read_batch(cursor, out, err);
    }
    if (status == SP_AGAIN || status == SP_CORRUPT) forget_buffer(cursor);
    return status;
}

static sp_status open_checked(struct sp_segment_cursor *cursor, uint64_t first_seq,
                              struct sp_err *err)
{
    struct sp_batch_line text = {0};
    struct sp_line line = {0};
    sp_status status = line_at(cursor, 0, &text, err);

    cursor->next_seq = first_seq;
    if (status == SP_IO) return status;
    if (status != SP_OK) return sp_segment_damaged(cursor, "no SEGMENT line", err);
    sp_line_parse(text.text, text.len_bytes, &line);
    if (line.type != SP_LINE_HEAD) return sp_segment_damaged(cursor, "no SEGMENT line", err);
    if (!sp_line_crc_holds(text.text, text.len_bytes, line.head.prev_crc)) {
        return sp_segment_damaged(cursor, "checksum of the SEGMENT line does not match", err);
    }
    if (line.head.format != SP_SEGMENT_FORMAT) {
        return SP_FAIL(err, SP_VERSION, "%s: format %" PRIu32 " is not known here, only %d",
                       cursor->path, line.head.format, SP_SEGMENT_FORMAT);
    }
    if (line.head.first_seq != first_seq) {
        return sp_segment_damaged(cursor, "the SEGMENT line belongs to another file", err);
    }
    cursor->head = line.head;
    cursor->crc = line.crc;
    cursor->epoch = line.head.epoch;
    cursor->durable_seq = first_seq - 1; /* a segment is begun when the one before is durable */
    cursor->at = text.len_bytes + 1;
    return SP_OK;
}

sp_status sp_segment_open(struct sp_segment_cursor *cursor, const char *dir, uint64_t first_seq,
                          struct sp_err *err)
{
    struct sp_segment_cursor opened = {0};
    sp_status status = sp_segment_file_open(&opened.file, dir, first_seq, opened.path, err);

    if (status != SP_OK) return status;
    opened.buf = malloc(SEGMENT_BUF_BYTES);
    if (opened.buf == NULL) {
        sp_segment_close(&opened);
        return SP_FAIL(err, SP_NO_MEMORY, "no memory to read %s", opened.path);
    }
    status = open_checked(&opened, first_seq, err);
    if (status != SP_OK) {
        sp_segment_close(&opened);
        return status;
    }
    *cursor = opened;
    return SP_OK;
}

void sp_segment_close(struct sp_segment_cursor *cursor)
{
    if (cursor->path[0] == '\0') return;
    free(cursor->buf);
    sp_segment_file_close(&cursor->file);
    *cursor = (struct sp_segment_cursor){0};
}

/* All of the file from `from` on. The caller frees. */
static sp_status read_rest(struct sp_segment_cursor *cursor, uint64_t from, char **out,
                           size_t *len_bytes, struct sp_err *err)
{
    int64_t size = sp_segment_file_size(&cursor->file);

    if (size < 0) return read_failed(cursor, err);
    size_t len = (uint64_t)size > from ? (size_t)((uint64_t)size - from) : 0;
    char *text = malloc(len + 1);
    if (text == NULL) return SP_FAIL(err, SP_NO_MEMORY, "no memory to read %s", cursor->path);
    ssize_t got = sp_segment_file_read(&cursor->file, text, len, from);
    if (got < 0) {
        free(text);
        return read_failed(cursor, err);
    }
    *out = text;
    *len_bytes = (size_t)got;
    return SP_OK;
}

/* The highest sequence that the lines in `text` say is durable. A line counts only if it verifies
 * behind the one before it. Lines are found by how they begin, not by how the one before ends, so
 * that a damaged newline hides no witness. */
static uint64_t witness(const char *text, size_t len_bytes, uint32_t crc)
{
    static const char begin[] = {'{', '"', 'c', '"', ':', '"'};
    const char *end = text + len_bytes;
    bool known = true;
    uint64_t highest = 0;

    for (const char *at = text; at < end; at++) {
        at = memmem(at, (size_t)(end - at), begin, sizeof begin);
        if (at == NULL) break;
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        if (newline == NULL) break;
        struct sp_line line = {0};
        size_t len = (size_t)(newline - at);
        sp_line_parse(at, len, &line);
        if (known && sp_line_crc_holds(at, len, crc)) {
            if (line.type == SP_LINE_RECORD && line.durable_seq > highest) {
                highest = line.durable_seq;
            }
            if (line.type == SP_LINE_SEAL && line.seal.last_seq > highest) {
                highest = line.seal.last_seq;
            }
        }
        known = line.type != SP_LINE_BAD;
        crc = line.crc;
    }
    return highest;
}

sp_status sp_segment_judge(struct sp_segment_cursor *cursor, uint64_t noted_seq, struct sp_err *err)
{
    char *text = NULL;
    size_t len = 0;
    sp_status status = read_rest(cursor, cursor->at, &text, &len, err);

    if (status != SP_OK) return status;
    const char *blank = memchr(text, SP_SEGMENT_BLANK, len);
    if (SP_BUG(hole_is_the_end) && blank != NULL) len = (size_t)(blank - text);
    uint64_t durable_seq = witness(text, len, cursor->crc);
    free(text);
    if (durable_seq < cursor->durable_seq) durable_seq = cursor->durable_seq;
    if (durable_seq < noted_seq) durable_seq = noted_seq;
    if (cursor->next_seq > durable_seq || SP_BUG(truncate_in_the_middle)) return SP_OK;
    return sp_segment_damaged(
        cursor, cursor->why != NULL ? cursor->why : "acknowledged records are missing", err);
}

/* Two whole lines in a row somewhere behind `from`: where the second begins and what it says, and
 * the CRC that the first left. False if they do not verify. */
static bool sample(struct sp_segment_cursor *cursor, uint64_t from, char *window, uint64_t *at,
                   struct sp_line *second)
{
    struct sp_line first = {0};
    ssize_t n = sp_segment_file_read(&cursor->file, window, WINDOW_BYTES, from);

    if (n <= 0) return false;
    const char *end = window + n;
    const char *a = memchr(window, '\n', (size_t)n);
    if (a == NULL) return false;
    a++;
    const char *b = memchr(a, '\n', (size_t)(end - a));
    if (b == NULL) return false;
    sp_line_parse(a, (size_t)(b - a), &first);
    b++;
    const char *c = memchr(b, '\n', (size_t)(end - b));
    if (c == NULL) return false;
    sp_line_parse(b, (size_t)(c - b), second);
    if (first.type != SP_LINE_RECORD || second->type != SP_LINE_RECORD) return false;
    if (!sp_line_crc_holds(b, (size_t)(c - b), first.crc)) return false;
    *at = from + (uint64_t)(b - window);
    second->crc = first.crc; /* what the cursor needs is the CRC before the line */
    return true;
}

sp_status sp_segment_seek(struct sp_segment_cursor *cursor, uint64_t seq, struct sp_err *err)
{
    int64_t size = sp_segment_file_size(&cursor->file);

    if (size < 0) return read_failed(cursor, err);
    char *window = malloc(WINDOW_BYTES);
    if (window == NULL) return SP_FAIL(err, SP_NO_MEMORY, "no memory to read %s", cursor->path);
    uint64_t low = cursor->at, high = (uint64_t)size;
    while (high > low + WINDOW_BYTES) {
        struct sp_line line = {0};
        uint64_t middle = low + (high - low) / 2, at = 0;
        if (sample(cursor, middle, window, &at, &line) && line.seq <= seq &&
            line.seq > cursor->next_seq) {
            low = cursor->at = at;
            cursor->next_seq = line.seq;
            cursor->crc = line.crc;
            cursor->epoch = line.epoch;
            cursor->durable_seq = line.durable_seq;
        } else {
            high = middle;
        }
    }
    free(window);
    forget_buffer(cursor);
    return SP_OK;
}

/* Whether the text ends with a sound SEAL and with enough of the line before it to tell. */
static bool ends_with_seal(const struct sp_segment_cursor *cursor, const char *text, size_t len,
                           struct sp_line *out)
{
    struct sp_line before = {0}, last = {0};

    if (len == 0 || text[len - 1] != '\n') return false;
    const char *end = memrchr(text, '\n', len - 1);
    if (end == NULL) return false;
    const char *start = memrchr(text, '\n', (size_t)(end - text));
    start = start != NULL ? start + 1 : text;
    sp_line_parse(start, (size_t)(end - start), &before);
    size_t last_len = (size_t)(text + len - 1 - (end + 1));
    sp_line_parse(end + 1, last_len, &last);
    if (before.type == SP_LINE_BAD || last.type != SP_LINE_SEAL) return false;
    if (!sp_line_crc_holds(end + 1, last_len, before.crc)) return false;
    if (last.seal.last_seq + 1 != cursor->head.first_seq + last.seal.count) return false;
    *out = last;
    return true;
}

sp_status sp_segment_read_seal(struct sp_segment_cursor *cursor, struct sp_line *out,
                               struct sp_err *err)
{
    static const size_t windows[] = {SEAL_BYTES, WINDOW_BYTES};
    int64_t end_at = sp_segment_file_size(&cursor->file);
    bool sound = false;

    if (end_at < 0) return read_failed(cursor, err);
    uint64_t size = (uint64_t)end_at;
    for (uint32_t i = 0; i < sizeof windows / sizeof windows[0] && !sound; i++) {
        char *text = NULL;
        size_t len = 0;
        uint64_t from = size > windows[i] ? size - windows[i] : 0;
        sp_status status = read_rest(cursor, from, &text, &len, err);
        if (status != SP_OK) return status;
        sound = ends_with_seal(cursor, text, len, out);
        free(text);
    }
    return sound ? SP_OK : sp_segment_damaged(cursor, "an older segment without a sound seal", err);
}
