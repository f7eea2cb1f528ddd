#include "common/journal/state_rows.h"

#include "common/journal/file.h"
#include "proto/json.h"

#include <stdio.h>
#include <string.h>

#define BEGIN_SIZE 32 /* of {"version":1 */
#define END_SIZE   3  /* of ]}, and one to spare */

static size_t begin_text(char out[BEGIN_SIZE])
{
    return (size_t)snprintf(out, BEGIN_SIZE, "{\"version\":%d", SP_STATE_ROWS_VERSION);
}

static void put(struct sp_rows_writer *writer, const char *text, size_t len_bytes)
{
    if (writer->full || writer->cap_bytes - writer->len_bytes < len_bytes + END_SIZE) {
        writer->full = true;
        return;
    }
    memcpy(writer->text + writer->len_bytes, text, len_bytes);
    writer->len_bytes += len_bytes;
}

void sp_rows_begin(struct sp_rows_writer *writer, char *text, size_t cap_bytes)
{
    char begin[BEGIN_SIZE];

    SP_ASSERT(cap_bytes > BEGIN_SIZE + END_SIZE);
    memset(writer, 0, sizeof *writer);
    writer->text = text;
    writer->cap_bytes = cap_bytes;
    put(writer, begin, begin_text(begin));
}

static void open_list(struct sp_rows_writer *writer, enum sp_dto dto)
{
    const char *name = sp_schema_of(dto)->name;

    SP_ASSERT(!writer->seen[dto]);
    writer->seen[dto] = true;
    if (writer->dto != SP_DTO_NONE) put(writer, "]", 1);
    put(writer, ",\"", 2);
    put(writer, name, strlen(name));
    put(writer, "\":[", 3);
    writer->dto = dto;
}

void sp_rows_add(struct sp_rows_writer *writer, enum sp_dto dto, const void *row)
{
    size_t len_bytes = 0;

    if (writer->dto != dto) {
        open_list(writer, dto);
    } else {
        put(writer, ",", 1);
    }
    if (writer->full || writer->cap_bytes - writer->len_bytes <= END_SIZE) {
        writer->full = true;
        return;
    }
    size_t room = writer->cap_bytes - writer->len_bytes - END_SIZE;
    if (sp_json_encode_body(sp_schema_of(dto), row, writer->text + writer->len_bytes, room,
                            &len_bytes) != SP_OK) {
        writer->full = true;
        return;
    }
    writer->len_bytes += len_bytes;
}

sp_status sp_rows_end(struct sp_rows_writer *writer)
{
    if (writer->full) return SP_FULL;
    if (writer->dto != SP_DTO_NONE) writer->text[writer->len_bytes++] = ']';
    writer->text[writer->len_bytes++] = '}';
    return SP_OK;
}

/* ---- Reading ---- */

sp_status sp_rows_open(struct sp_rows_reader *reader, const char *text, size_t len_bytes,
                       struct sp_err *err)
{
    static const char key[] = "{\"version\":";
    char begin[BEGIN_SIZE];
    size_t begin_bytes = begin_text(begin);

    *reader = (struct sp_rows_reader){.text = text, .len_bytes = len_bytes, .at = begin_bytes};
    if (len_bytes < sizeof key || memcmp(text, key, sizeof key - 1) != 0) {
        return SP_FAIL(err, SP_INVALID, "snapshot: does not begin with its version");
    }
    if (len_bytes <= begin_bytes || memcmp(text, begin, begin_bytes) != 0 ||
        (text[begin_bytes] != ',' && text[begin_bytes] != '}')) {
        return SP_FAIL(err, SP_VERSION, "snapshot: another version than %d", SP_STATE_ROWS_VERSION);
    }
    return SP_OK;
}

static bool take(struct sp_rows_reader *reader, const char *text)
{
    size_t len_bytes = strlen(text);

    if (reader->len_bytes - reader->at < len_bytes) return false;
    if (memcmp(reader->text + reader->at, text, len_bytes) != 0) return false;
    reader->at += len_bytes;
    return true;
}

static sp_status bad(const struct sp_rows_reader *reader, struct sp_err *err)
{
    return SP_FAIL(err, SP_INVALID, "snapshot: not as we write it, at byte %zu", reader->at);
}

/* After ," and up to the first row of the list. */
static sp_status take_list(struct sp_rows_reader *reader, struct sp_err *err)
{
    const char *name = reader->text + reader->at;
    const char *end = memchr(name, '"', reader->len_bytes - reader->at);

    if (end == NULL) return bad(reader, err);
    size_t name_bytes = (size_t)(end - name);
    for (int dto = SP_DTO_NONE + 1; dto < SP_DTO_COUNT; dto++) {
        const char *known = sp_schema_of((enum sp_dto)dto)->name;
        if (strlen(known) != name_bytes || memcmp(known, name, name_bytes) != 0) continue;
        reader->dto = (enum sp_dto)dto;
        reader->at += name_bytes;
        return take(reader, "\":[") ? SP_OK : bad(reader, err);
    }
    return SP_FAIL(err, SP_UNKNOWN_KIND, "snapshot: list %.*s is not known here",
                   (int)(name_bytes < 64 ? name_bytes : 64), name);
}

/* The length of the object that begins here; 0 if it does not end. */
static size_t object_bytes(const struct sp_rows_reader *reader)
{
    bool in_text = false;
    int depth = 0;

    for (size_t i = reader->at; i < reader->len_bytes; i++) {
        char c = reader->text[i];
        if (in_text) {
            if (c == '\\') i++;
            if (c == '"') in_text = false;
            continue;
        }
        if (c == '"') in_text = true;
        if (c == '{') depth++;
        if (c == '}' && --depth == 0) return i + 1 - reader->at;
    }
    return 0;
}

sp_status sp_rows_next(struct sp_rows_reader *reader, enum sp_dto *dto, union sp_body *row,
                       struct sp_err *err)
{
    sp_status status = SP_OK;

    if (reader->dto != SP_DTO_NONE && take(reader, ",{")) {
        reader->at--;
    } else {
        if (reader->dto != SP_DTO_NONE && !take(reader, "]")) return bad(reader, err);
        if (take(reader, "}")) return reader->at == reader->len_bytes ? SP_AGAIN : bad(reader, err);
        if (!take(reader, ",\"")) return bad(reader, err);
        status = take_list(reader, err);
    }
    if (status != SP_OK) return status;
    size_t len_bytes = reader->text[reader->at] == '{' ? object_bytes(reader) : 0;
    if (len_bytes == 0) return bad(reader, err);
    *dto = reader->dto;
    status = sp_json_decode_body(sp_schema_of(reader->dto), reader->text + reader->at, len_bytes,
                                 row, err);
    reader->at += len_bytes;
    return status;
}

sp_status sp_rows_verify(const char *text, size_t len_bytes, struct sp_err *err)
{
    struct sp_rows_reader reader;
    enum sp_dto dto = SP_DTO_NONE;
    union sp_body row;
    char again[SP_JSON_LINE_MAX];
    size_t again_bytes = 0;
    sp_status status = sp_rows_open(&reader, text, len_bytes, err);

    while (status == SP_OK) {
        status = sp_rows_next(&reader, &dto, &row, err);
        if (status != SP_OK) break;
        bool same = sp_json_encode_body(sp_schema_of(dto), &row, again, sizeof again,
                                        &again_bytes) == SP_OK &&
                    again_bytes <= reader.at &&
                    memcmp(text + reader.at - again_bytes, again, again_bytes) == 0;
        if (!same) {
            status = SP_FAIL(err, SP_CORRUPT, "snapshot: a row of %s does not read as written",
                             sp_schema_of(dto)->name);
        }
    }
    return status == SP_AGAIN ? SP_OK : status;
}

static const struct sp_row_taker *taker_of(const struct sp_row_taker *takers, size_t count,
                                           enum sp_dto dto)
{
    for (size_t i = 0; i < count; i++)
        if (takers[i].dto == dto) return &takers[i];
    return NULL;
}

sp_status sp_rows_take(struct sp_rows_reader *reader, const struct sp_row_taker *takers,
                       size_t count, void *ctx, struct sp_err *err)
{
    enum sp_dto dto = SP_DTO_NONE;
    union sp_body row;
    bool first = true;
    sp_status status = sp_rows_next(reader, &dto, &row, err);

    for (; status == SP_OK; status = sp_rows_next(reader, &dto, &row, err)) {
        const struct sp_row_taker *taker = taker_of(takers, count, dto);
        if ((dto == takers[0].dto) != first || taker == NULL || !taker->take(ctx, &row)) {
            return SP_FAIL(err, SP_INVALID,
                           "snapshot: a row of %s does not fit this state or this configuration",
                           sp_schema_of(dto)->name);
        }
        first = false;
    }
    if (status != SP_AGAIN) return status;
    return first ? SP_FAIL(err, SP_INVALID, "snapshot: without rows") : SP_OK;
}

uint32_t sp_rows_crc_name(uint32_t crc, const sp_name *name)
{
    return sp_crc32c(crc, name->s, strlen(name->s) + 1);
}
