#include "common/journal/journal_segment.h"

#include "common/planted_bug.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CRC_AT         6 /* offset of the eight digits in {"c":"xxxxxxxx", */
#define CRC_DIGITS     8
#define NAME_DIGITS    20
#define TAIL_BYTES     20 /* ,"prev":"xxxxxxxx"}} */
#define LIST_GROW      64
#define SEGMENT_SUFFIX ".jsonl"

/* What is left to read of a line; `ok` turns false at the first surprise and stays so. */
struct text {
    const char *at, *end;
    bool ok;
};

static void take(struct text *text, const char *literal)
{
    size_t len = strlen(literal);

    text->ok =
        text->ok && (size_t)(text->end - text->at) >= len && memcmp(text->at, literal, len) == 0;
    if (text->ok) text->at += len;
}

static uint64_t take_uint(struct text *text, uint64_t max)
{
    uint64_t value = 0;
    const char *start = text->at;

    while (text->ok && text->at < text->end && *text->at >= '0' && *text->at <= '9') {
        uint64_t digit = (uint64_t)(*text->at++ - '0');
        text->ok = value <= (max - digit) / 10 && (text->at - start == 1 || *start != '0');
        value = value * 10 + digit;
    }
    text->ok = text->ok && text->at > start;
    return text->ok ? value : 0;
}

static bool hex_parse(const char *at, uint32_t *out)
{
    uint32_t value = 0;

    for (int i = 0; i < CRC_DIGITS; i++) {
        char c = at[i];
        uint32_t digit = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                         : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a') + 10
                                                : 16;
        if (digit == 16) return false;
        value = value << 4 | digit;
    }
    *out = value;
    return true;
}

static void hex_format(uint32_t value, char out[CRC_DIGITS])
{
    for (int i = CRC_DIGITS - 1; i >= 0; i--, value >>= 4)
        out[i] = "0123456789abcdef"[value & 15];
}

static uint32_t take_hex(struct text *text)
{
    uint32_t value = 0;

    text->ok = text->ok && text->end - text->at >= CRC_DIGITS && hex_parse(text->at, &value);
    if (text->ok) text->at += CRC_DIGITS;
    return value;
}

static void take_name(struct text *text, sp_name *out)
{
    const char *start = text->at;

    while (text->ok && text->at < text->end && *text->at != '"')
        text->at++;
    text->ok = text->ok && sp_name_set_n(out, start, (size_t)(text->at - start));
}

static bool take_end(struct text *text)
{
    return text->ok && text->at == text->end;
}

static size_t finish_line(char *buf, int len, uint32_t prev_crc, uint32_t *crc)
{
    SP_ASSERT(len > 0);
    SP_ASSERT(len + 1 < SP_SEGMENT_LINE_MAX);
    *crc = sp_line_stamp(buf, (size_t)len, prev_crc);
    buf[len] = '\n';
    return (size_t)len + 1;
}

size_t sp_segment_head_line(const struct sp_segment_head *head, char buf[SP_SEGMENT_LINE_MAX],
                            uint32_t *crc)
{
    int len = snprintf(buf, SP_SEGMENT_LINE_MAX,
                       "{\"c\":\"00000000\",\"segment\":{\"format\":%d,\"installation\":\"%s\","
                       "\"stream\":\"%s\",\"world\":\"%s\",\"build\":\"%s\",\"epoch\":%" PRIu32
                       ",\"first_seq\":%" PRIu64 ",\"prev\":\"%08" PRIx32 "\"}}",
                       SP_SEGMENT_FORMAT, head->installation.s, head->stream.s, head->world.s,
                       head->build.s, head->epoch, head->first_seq, head->prev_crc);

    return finish_line(buf, len, head->prev_crc, crc);
}

size_t sp_segment_seal_line(const struct sp_segment_seal *seal, uint32_t prev_crc,
                            char buf[SP_SEGMENT_LINE_MAX], uint32_t *crc)
{
    int len = snprintf(buf, SP_SEGMENT_LINE_MAX,
                       "{\"c\":\"00000000\",\"seal\":{\"epoch\":%" PRIu32 ",\"count\":%" PRIu64
                       ",\"last_seq\":%" PRIu64 "}}",
                       seal->epoch, seal->count, seal->last_seq);

    return finish_line(buf, len, prev_crc, crc);
}

uint32_t sp_line_stamp(char *text, size_t len_bytes, uint32_t prev_crc)
{
    SP_ASSERT(len_bytes > SP_LINE_CRC_PREFIX);
    uint32_t crc = sp_crc32c(prev_crc, text + SP_LINE_CRC_PREFIX, len_bytes - SP_LINE_CRC_PREFIX);
    hex_format(crc, text + CRC_AT);
    return crc;
}

uint32_t sp_line_crc(const char *text)
{
    uint32_t crc = 0;

    SP_IGNORE(!hex_parse(text + CRC_AT, &crc)); /* it verified */
    return crc;
}

bool sp_line_crc_holds(const char *text, size_t len_bytes, uint32_t prev_crc)
{
    uint32_t stored = 0;

    if (len_bytes <= SP_LINE_CRC_PREFIX || !hex_parse(text + CRC_AT, &stored)) return false;
    return stored == sp_crc32c(prev_crc, text + SP_LINE_CRC_PREFIX, len_bytes - SP_LINE_CRC_PREFIX);
}

static bool parse_record(struct text text, struct sp_line *out)
{
    take(&text, "\"s\":");
    out->seq = take_uint(&text, SP_SEGMENT_SEQ_MAX);
    take(&text, ",\"e\":");
    out->epoch = (uint32_t)take_uint(&text, UINT32_MAX);
    take(&text, ",\"w\":");
    out->durable_seq = take_uint(&text, SP_SEGMENT_SEQ_MAX);
    take(&text, ",\"m\":");
    out->batch_left = (uint32_t)take_uint(&text, SP_BATCH_RECORDS_MAX - 1);
    take(&text, ",\"t\":\"");
    return text.ok;
}

/* The line of every format begins with the format and ends with prev, so that a newer one can be
 * told from a damaged one. */
static bool parse_head(struct text text, struct sp_segment_head *head)
{
    struct text tail = {.at = text.end - TAIL_BYTES, .end = text.end, .ok = true};

    if (text.end - text.at < TAIL_BYTES) return false;
    take(&tail, ",\"prev\":\"");
    head->prev_crc = take_hex(&tail);
    take(&tail, "\"}}");
    take(&text, "\"segment\":{\"format\":");
    head->format = (uint32_t)take_uint(&text, UINT32_MAX);
    if (!take_end(&tail) || !text.ok) return false;
    if (head->format != SP_SEGMENT_FORMAT) return true;
    text.end -= TAIL_BYTES;
    take(&text, ",\"installation\":\"");
    take_name(&text, &head->installation);
    take(&text, "\",\"stream\":\"");
    take_name(&text, &head->stream);
    take(&text, "\",\"world\":\"");
    take_name(&text, &head->world);
    take(&text, "\",\"build\":\"");
    take_name(&text, &head->build);
    take(&text, "\",\"epoch\":");
    head->epoch = (uint32_t)take_uint(&text, UINT32_MAX);
    take(&text, ",\"first_seq\":");
    head->first_seq = take_uint(&text, SP_SEGMENT_SEQ_MAX);
    return take_end(&text);
}

static bool parse_seal(struct text text, struct sp_segment_seal *seal)
{
    take(&text, "\"seal\":{\"epoch\":");
    seal->epoch = (uint32_t)take_uint(&text, UINT32_MAX);
    take(&text, ",\"count\":");
    seal->count = take_uint(&text, SP_SEGMENT_SEQ_MAX);
    take(&text, ",\"last_seq\":");
    seal->last_seq = take_uint(&text, SP_SEGMENT_SEQ_MAX);
    take(&text, "}}");
    return take_end(&text);
}

void sp_line_parse(const char *text, size_t len_bytes, struct sp_line *out)
{
    struct text rest = {.at = text, .end = text + len_bytes, .ok = true};

    out->type = SP_LINE_BAD;
    take(&rest, "{\"c\":\"");
    out->crc = take_hex(&rest);
    take(&rest, "\",");
    if (!rest.ok || rest.end - rest.at < 3) return;
    if (rest.at[2] == '"') {
        if (parse_record(rest, out)) out->type = SP_LINE_RECORD;
    } else if (rest.at[3] == 'g') {
        if (parse_head(rest, &out->head)) out->type = SP_LINE_HEAD;
    } else if (parse_seal(rest, &out->seal)) {
        out->type = SP_LINE_SEAL;
    }
}

sp_status sp_segment_path(const char *dir, uint64_t first_seq, char out[SP_SEGMENT_PATH_SIZE],
                          struct sp_err *err)
{
    return sp_segment_path_as(dir, first_seq, SEGMENT_SUFFIX, out, err);
}

sp_status sp_segment_path_as(const char *dir, uint64_t first_seq, const char *suffix,
                             char out[SP_SEGMENT_PATH_SIZE], struct sp_err *err)
{
    int len = snprintf(out, SP_SEGMENT_PATH_SIZE, "%s/%020" PRIu64 "%s", dir, first_seq, suffix);

    if (len < 0 || len + 8 >= SP_SEGMENT_PATH_SIZE) {
        return SP_FAIL(err, SP_TOO_LONG, "path of %d bytes is too long", len);
    }
    return SP_OK;
}

static bool name_parse(const char *name, uint64_t *out)
{
    struct text text = {.at = name, .end = name + NAME_DIGITS, .ok = true};

    if (strlen(name) < NAME_DIGITS) return false;
    if (strcmp(name + NAME_DIGITS, SEGMENT_SUFFIX) != 0 &&
        strcmp(name + NAME_DIGITS, SP_SEGMENT_ZIP_SUFFIX) != 0)
        return false;
    while (text.at < text.end - 1 && *text.at == '0')
        text.at++;
    *out = take_uint(&text, SP_SEGMENT_SEQ_MAX);
    return take_end(&text);
}

static int compare_seq(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static bool list_add(struct sp_segment_list *list, uint64_t first_seq)
{
    if (list->count % LIST_GROW == 0) {
        size_t size = (list->count + LIST_GROW) * sizeof list->first[0];
        uint64_t *grown = realloc(list->first, size);
        if (grown == NULL) return false;
        list->first = grown;
    }
    list->first[list->count++] = first_seq;
    return true;
}

sp_status sp_segment_list_read(const char *dir, struct sp_segment_list *out, struct sp_err *err)
{
    struct sp_segment_list list = {0};
    bool fits = true;
    DIR *folder = opendir(dir);

    if (folder == NULL && errno == ENOENT) {
        return SP_FAIL(err, SP_NOT_FOUND, "no journal in %s", dir);
    }
    if (folder == NULL) return SP_FAIL(err, SP_IO, "cannot read %s: %s", dir, strerror(errno));
    errno = 0;
    for (struct dirent *entry = readdir(folder); entry != NULL && fits; entry = readdir(folder)) {
        uint64_t first_seq = 0;
        if (name_parse(entry->d_name, &first_seq)) fits = list_add(&list, first_seq);
    }
    int saved_errno = errno;
    closedir(folder);
    if (!fits || saved_errno != 0 || list.count == 0) {
        free(list.first);
        if (!fits) return SP_FAIL(err, SP_NO_MEMORY, "too many segments in %s", dir);
        if (saved_errno == 0) return SP_FAIL(err, SP_NOT_FOUND, "no journal in %s", dir);
        return SP_FAIL(err, SP_IO, "cannot read %s: %s", dir, strerror(saved_errno));
    }
    qsort(list.first, list.count, sizeof list.first[0], compare_seq);
    size_t kept = 1; /* one may be there twice: a crash came before its first form was removed */
    for (size_t i = 1; i < list.count; i++)
        if (list.first[i] != list.first[kept - 1]) list.first[kept++] = list.first[i];
    list.count = kept;
    *out = list;
    return SP_OK;
}

void sp_segment_list_free(struct sp_segment_list *list)
{
    free(list->first);
    *list = (struct sp_segment_list){0};
}

sp_status sp_segment_look(const char *dir, uint64_t first_seq, bool *is_there, struct sp_err *err)
{
    static const char *const suffixes[] = {SEGMENT_SUFFIX, SP_SEGMENT_ZIP_SUFFIX};
    char path[SP_SEGMENT_PATH_SIZE];

    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        sp_status status = sp_segment_path_as(dir, first_seq, suffixes[i], path, err);
        if (status != SP_OK) return status;
        *is_there = access(path, F_OK) == 0;
        if (*is_there) return SP_OK;
        if (errno != ENOENT && !SP_BUG(gone_if_in_doubt))
            return SP_FAIL(err, SP_IO, "cannot look at %s: %s", path, strerror(errno));
    }
    return SP_OK;
}

bool sp_segment_exists(const char *dir, uint64_t first_seq)
{
    bool is_there = false;

    return sp_segment_look(dir, first_seq, &is_there, NULL) != SP_OK || is_there;
}
