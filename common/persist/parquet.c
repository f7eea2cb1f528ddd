#include "common/persist/parquet.h"

#include "common/journal/file.h"
#include "common/persist/thrift.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CREATED_BY    "spoor version " SPOOR_BUILD
#define KEY_BODY      "spoor.body_crc32c"
#define KEY_FOOTER    "spoor.footer_crc32c"
#define CRC_TEXT_LEN  8
#define FORMAT        2
#define CODEC_ZSTD    6
#define ENCODING      0 /* PLAIN */
#define REQUIRED      0
#define E8_SCALE      8
#define E8_PRECISION  18
#define E8_LIMIT      INT64_C(1000000000000000000) /* 10 to the precision */
#define MAGIC_LEN     4
#define NO_CONVERSION (-1)

enum physical { PHYSICAL_BOOLEAN = 0, PHYSICAL_INT32 = 1, PHYSICAL_INT64 = 2, PHYSICAL_BYTES = 6 };
/* Field ids of the LogicalType union. */
enum logical {
    LOGICAL_NONE = 0,
    LOGICAL_STRING = 1,
    LOGICAL_DECIMAL = 5,
    LOGICAL_TIMESTAMP = 8,
    LOGICAL_INTEGER = 10
};

/* How each of our types stands in a schema. `converted` is the older form of `logical`. */
static const struct {
    enum physical physical;
    int converted;
    enum logical logical;
    uint8_t width_bytes;
    bool is_ordered;
} layouts[SP_PARQUET_TYPE_COUNT] = {
    [SP_PARQUET_BOOL] = {PHYSICAL_BOOLEAN, NO_CONVERSION, LOGICAL_NONE, 0, false},
    [SP_PARQUET_U32] = {PHYSICAL_INT32, 13, LOGICAL_INTEGER, 4, false},
    [SP_PARQUET_I64] = {PHYSICAL_INT64, NO_CONVERSION, LOGICAL_NONE, 8, true},
    [SP_PARQUET_U64] = {PHYSICAL_INT64, 14, LOGICAL_INTEGER, 8, false},
    [SP_PARQUET_TIME] = {PHYSICAL_INT64, NO_CONVERSION, LOGICAL_TIMESTAMP, 8, true},
    [SP_PARQUET_E8] = {PHYSICAL_INT64, 5, LOGICAL_DECIMAL, 8, true},
    [SP_PARQUET_TEXT] = {PHYSICAL_BYTES, 0, LOGICAL_STRING, 0, false},
};

bool sp_parquet_is_ordered(enum sp_parquet_type type)
{
    return layouts[type].is_ordered;
}
size_t sp_parquet_width(enum sp_parquet_type type)
{
    return layouts[type].width_bytes;
}

bool sp_parquet_fits(enum sp_parquet_type type, int64_t number)
{
    if (type == SP_PARQUET_BOOL) return number == 0 || number == 1;
    if (type == SP_PARQUET_U32) return number >= 0 && number <= UINT32_MAX;
    if (type == SP_PARQUET_E8) return number > -E8_LIMIT && number < E8_LIMIT;
    return true;
}

size_t sp_parquet_footer_bound(uint32_t column_count, uint32_t group_count)
{
    size_t per_column = SP_PARQUET_NAME_SIZE + 64;
    size_t per_chunk = SP_PARQUET_NAME_SIZE + 160;

    return 512 + column_count * per_column + (size_t)group_count * (64 + column_count * per_chunk);
}

static void encode_logical(struct sp_thrift_writer *w, enum sp_parquet_type type)
{
    enum logical logical = layouts[type].logical;

    if (logical == LOGICAL_NONE) return;
    sp_thrift_begin_struct(w, 10);
    sp_thrift_begin_struct(w, (int16_t)logical);
    if (logical == LOGICAL_DECIMAL) {
        sp_thrift_write_i32(w, 1, E8_SCALE);
        sp_thrift_write_i32(w, 2, E8_PRECISION);
    } else if (logical == LOGICAL_INTEGER) {
        sp_thrift_write_i8(w, 1, (int8_t)(layouts[type].width_bytes * 8));
        sp_thrift_write_bool(w, 2, false); /* signed */
    } else if (logical == LOGICAL_TIMESTAMP) {
        sp_thrift_write_bool(w, 1, true); /* adjusted to UTC */
        sp_thrift_begin_struct(w, 2);
        sp_thrift_begin_struct(w, 3); /* NANOS */
        sp_thrift_end_struct(w);
        sp_thrift_end_struct(w);
    }
    sp_thrift_end_struct(w);
    sp_thrift_end_struct(w);
}

static void encode_schema(struct sp_thrift_writer *w, const struct sp_parquet_footer *footer)
{
    sp_thrift_write_list(w, 2, SP_THRIFT_STRUCT, footer->column_count + 1);
    sp_thrift_begin_struct(w, 0);
    sp_thrift_write_text(w, 4, "schema");
    sp_thrift_write_i32(w, 5, (int32_t)footer->column_count);
    sp_thrift_end_struct(w);
    for (uint32_t i = 0; i < footer->column_count; i++) {
        enum sp_parquet_type type = footer->columns[i].type;

        sp_thrift_begin_struct(w, 0);
        sp_thrift_write_i32(w, 1, (int32_t)layouts[type].physical);
        sp_thrift_write_i32(w, 3, REQUIRED);
        sp_thrift_write_text(w, 4, footer->columns[i].name);
        if (layouts[type].converted != NO_CONVERSION) {
            sp_thrift_write_i32(w, 6, layouts[type].converted);
        }
        if (type == SP_PARQUET_E8) {
            sp_thrift_write_i32(w, 7, E8_SCALE);
            sp_thrift_write_i32(w, 8, E8_PRECISION);
        }
        encode_logical(w, type);
        sp_thrift_end_struct(w);
    }
}

static void encode_chunk(struct sp_thrift_writer *w, const struct sp_parquet_column *column,
                         const struct sp_parquet_chunk *chunk, int64_t rows)
{
    sp_thrift_begin_struct(w, 0);
    sp_thrift_write_i64(w, 2, chunk->offset);
    sp_thrift_begin_struct(w, 3);
    sp_thrift_write_i32(w, 1, (int32_t)layouts[column->type].physical);
    sp_thrift_write_list(w, 2, SP_THRIFT_I32, 1);
    sp_thrift_write_i32(w, 0, ENCODING);
    sp_thrift_write_list(w, 3, SP_THRIFT_BINARY, 1);
    sp_thrift_write_text(w, 0, column->name);
    sp_thrift_write_i32(w, 4, CODEC_ZSTD);
    sp_thrift_write_i64(w, 5, rows);
    sp_thrift_write_i64(w, 6, chunk->plain_bytes);
    sp_thrift_write_i64(w, 7, chunk->compressed_bytes);
    sp_thrift_write_i64(w, 9, chunk->offset);
    if (layouts[column->type].is_ordered) {
        sp_thrift_begin_struct(w, 12);
        sp_thrift_write_i64(w, 3, 0); /* nulls */
        sp_thrift_write_bytes(w, 5, &chunk->max, sizeof chunk->max);
        sp_thrift_write_bytes(w, 6, &chunk->min, sizeof chunk->min);
        sp_thrift_end_struct(w);
    }
    sp_thrift_end_struct(w);
    sp_thrift_end_struct(w);
}

static void encode_group(struct sp_thrift_writer *w, const struct sp_parquet_footer *footer,
                         const struct sp_parquet_group *group)
{
    int64_t plain = 0;
    int64_t compressed = 0;

    sp_thrift_begin_struct(w, 0);
    sp_thrift_write_list(w, 1, SP_THRIFT_STRUCT, footer->column_count);
    for (uint32_t i = 0; i < footer->column_count; i++) {
        encode_chunk(w, &footer->columns[i], &group->chunks[i], group->rows);
        plain += group->chunks[i].plain_bytes;
        compressed += group->chunks[i].compressed_bytes;
    }
    sp_thrift_write_i64(w, 2, plain);
    sp_thrift_write_i64(w, 3, group->rows);
    sp_thrift_write_i64(w, 5, group->chunks[0].offset);
    sp_thrift_write_i64(w, 6, compressed);
    sp_thrift_end_struct(w);
}

static void encode_key(struct sp_thrift_writer *w, const char *key, uint32_t crc)
{
    char text[CRC_TEXT_LEN + 1];

    snprintf(text, sizeof text, "%08x", (unsigned)crc);
    sp_thrift_begin_struct(w, 0);
    sp_thrift_write_text(w, 1, key);
    sp_thrift_write_text(w, 2, text);
    sp_thrift_end_struct(w);
}

sp_status sp_parquet_footer_encode(const struct sp_parquet_footer *footer, uint8_t *buf,
                                   size_t cap_bytes, size_t *len_bytes, struct sp_err *err)
{
    struct sp_thrift_writer w = {.data = buf, .cap_bytes = cap_bytes};
    size_t crc_end;
    char text[CRC_TEXT_LEN + 1];

    sp_thrift_begin_struct(&w, 0);
    sp_thrift_write_i32(&w, 1, FORMAT);
    encode_schema(&w, footer);
    sp_thrift_write_i64(&w, 3, footer->rows);
    sp_thrift_write_list(&w, 4, SP_THRIFT_STRUCT, footer->group_count);
    for (uint32_t i = 0; i < footer->group_count; i++)
        encode_group(&w, footer, &footer->groups[i]);
    sp_thrift_write_list(&w, 5, SP_THRIFT_STRUCT, 2);
    encode_key(&w, KEY_BODY, footer->body_crc32c);
    encode_key(&w, KEY_FOOTER, 0);
    crc_end = w.len_bytes - 1; /* before the end of its struct */
    sp_thrift_write_text(&w, 6, CREATED_BY);
    /* Without the order of the columns readers must ignore min and max. */
    sp_thrift_write_list(&w, 7, SP_THRIFT_STRUCT, footer->column_count);
    for (uint32_t i = 0; i < footer->column_count; i++) {
        sp_thrift_begin_struct(&w, 0);
        sp_thrift_begin_struct(&w, 1);
        sp_thrift_end_struct(&w);
        sp_thrift_end_struct(&w);
    }
    sp_thrift_end_struct(&w);
    if (w.failed) return SP_FAIL(err, SP_FULL, "footer does not fit %zu bytes", cap_bytes);
    snprintf(text, sizeof text, "%08x", (unsigned)sp_crc32c(0, buf, w.len_bytes));
    memcpy(buf + crc_end - CRC_TEXT_LEN, text, CRC_TEXT_LEN);
    *len_bytes = w.len_bytes;
    return SP_OK;
}

/* What decoding has seen beside the footer itself. */
struct decoding {
    struct sp_thrift_reader r;
    struct sp_parquet_footer *footer;
    const uint8_t *footer_crc; /* within the buffer */
    const uint8_t *body_crc;
    bool foreign; /* well formed perhaps, but not a layout of ours */
    bool no_memory;
};

static enum logical decode_logical(struct sp_thrift_reader *r)
{
    enum sp_thrift_type type = SP_THRIFT_STOP;
    enum logical logical = LOGICAL_NONE;
    int16_t id = 0;

    sp_thrift_enter_struct(r);
    while (sp_thrift_next(r, &id, &type)) {
        logical = (enum logical)id;
        sp_thrift_skip(r, type);
    }
    return logical;
}

struct element {
    int64_t physical;
    int64_t repetition;
    int64_t children;
    int64_t converted;
    enum logical logical;
    const uint8_t *name;
    size_t name_len;
};

static struct element decode_element(struct sp_thrift_reader *r)
{
    struct element e = {.physical = -1, .children = -1, .converted = NO_CONVERSION};
    enum sp_thrift_type type = SP_THRIFT_STOP;
    int16_t id = 0;

    sp_thrift_enter_struct(r);
    while (sp_thrift_next(r, &id, &type)) {
        switch (id) {
        case 1: e.physical = sp_thrift_read_int(r, type); break;
        case 3: e.repetition = sp_thrift_read_int(r, type); break;
        case 4: e.name = sp_thrift_read_bytes(r, type, &e.name_len); break;
        case 5: e.children = sp_thrift_read_int(r, type); break;
        case 6: e.converted = sp_thrift_read_int(r, type); break;
        case 10:
            if (type == SP_THRIFT_STRUCT)
                e.logical = decode_logical(r);
            else
                r->failed = true;
            break;
        default: sp_thrift_skip(r, type);
        }
    }
    return e;
}

/* The type of ours that an element stands for; SP_PARQUET_TYPE_COUNT if none. */
static enum sp_parquet_type type_of(const struct element *e)
{
    for (unsigned i = 0; i < SP_PARQUET_TYPE_COUNT; i++) {
        if (e->physical == (int64_t)layouts[i].physical && e->converted == layouts[i].converted &&
            e->logical == layouts[i].logical) {
            return (enum sp_parquet_type)i;
        }
    }
    return SP_PARQUET_TYPE_COUNT;
}

static void decode_schema(struct decoding *d, enum sp_thrift_type type)
{
    enum sp_thrift_type element = SP_THRIFT_STOP;
    size_t count = sp_thrift_read_list(&d->r, type, &element);
    struct element e;

    if (d->r.failed || element != SP_THRIFT_STRUCT || count < 2 ||
        count > SP_PARQUET_COLUMNS_MAX + 1) {
        d->foreign = true;
        return;
    }
    e = decode_element(&d->r);
    if (e.children != (int64_t)count - 1) d->foreign = true;
    for (size_t i = 0; i + 1 < count && !d->r.failed && !d->foreign; i++) {
        struct sp_parquet_column *column = &d->footer->columns[i];

        e = decode_element(&d->r);
        column->type = type_of(&e);
        if (column->type == SP_PARQUET_TYPE_COUNT || e.repetition != REQUIRED || e.children != -1 ||
            e.name == NULL || e.name_len == 0 || e.name_len >= sizeof column->name) {
            d->foreign = true;
            return;
        }
        memcpy(column->name, e.name, e.name_len);
        column->name[e.name_len] = '\0';
        d->footer->column_count = (uint32_t)i + 1;
    }
}

static void decode_range(struct sp_thrift_reader *r, struct sp_parquet_chunk *chunk)
{
    enum sp_thrift_type type = SP_THRIFT_STOP;
    int16_t id = 0;

    sp_thrift_enter_struct(r);
    while (sp_thrift_next(r, &id, &type)) {
        size_t len = 0;
        const uint8_t *bytes = NULL;

        if (id != 5 && id != 6) {
            sp_thrift_skip(r, type);
            continue;
        }
        bytes = sp_thrift_read_bytes(r, type, &len);
        if (bytes == NULL || len != sizeof chunk->min) {
            r->failed = true;
            continue;
        }
        memcpy(id == 5 ? &chunk->max : &chunk->min, bytes, len);
    }
}

static void decode_chunk_data(struct decoding *d, struct sp_parquet_chunk *chunk, int64_t *values)
{
    struct sp_thrift_reader *r = &d->r;
    enum sp_thrift_type type = SP_THRIFT_STOP;
    int16_t id = 0;

    sp_thrift_enter_struct(r);
    while (sp_thrift_next(r, &id, &type)) {
        switch (id) {
        case 4:
            if (sp_thrift_read_int(r, type) != CODEC_ZSTD) d->foreign = true;
            break;
        case 5: *values = sp_thrift_read_int(r, type); break;
        case 6: chunk->plain_bytes = sp_thrift_read_int(r, type); break;
        case 7: chunk->compressed_bytes = sp_thrift_read_int(r, type); break;
        case 9: chunk->offset = sp_thrift_read_int(r, type); break;
        case 12:
            if (type == SP_THRIFT_STRUCT)
                decode_range(r, chunk);
            else
                r->failed = true;
            break;
        default: sp_thrift_skip(r, type);
        }
    }
}

/* Returns how many values the chunk claims. */
static int64_t decode_chunk(struct decoding *d, struct sp_parquet_chunk *chunk)
{
    enum sp_thrift_type type = SP_THRIFT_STOP;
    int64_t values = -1;
    int16_t id = 0;

    sp_thrift_enter_struct(&d->r);
    while (sp_thrift_next(&d->r, &id, &type)) {
        if (id == 3 && type == SP_THRIFT_STRUCT)
            decode_chunk_data(d, chunk, &values);
        else
            sp_thrift_skip(&d->r, type);
    }
    return values;
}

static void decode_chunks(struct decoding *d, enum sp_thrift_type type,
                          struct sp_parquet_group *group)
{
    enum sp_thrift_type element = SP_THRIFT_STOP;
    size_t count = sp_thrift_read_list(&d->r, type, &element);
    int64_t values = 0;

    if (d->r.failed || element != SP_THRIFT_STRUCT || count != d->footer->column_count ||
        group->chunks != NULL) {
        d->r.failed = true;
        return;
    }
    group->chunks = calloc(count, sizeof *group->chunks);
    if (group->chunks == NULL) {
        d->no_memory = d->r.failed = true;
        return;
    }
    for (size_t i = 0; i < count && !d->r.failed; i++) {
        values = decode_chunk(d, &group->chunks[i]);
        if (i == 0)
            group->rows = values;
        else if (values != group->rows)
            d->r.failed = true;
    }
}

static void decode_groups(struct decoding *d, enum sp_thrift_type type)
{
    enum sp_thrift_type element = SP_THRIFT_STOP;
    size_t count = sp_thrift_read_list(&d->r, type, &element);

    if (d->r.failed || (count > 0 && element != SP_THRIFT_STRUCT) ||
        count > SP_PARQUET_GROUPS_MAX || d->footer->column_count == 0 || d->footer->groups) {
        d->r.failed = true;
        return;
    }
    d->footer->groups = calloc(count > 0 ? count : 1, sizeof *d->footer->groups);
    if (d->footer->groups == NULL) {
        d->no_memory = d->r.failed = true;
        return;
    }
    for (size_t i = 0; i < count && !d->r.failed; i++) {
        struct sp_parquet_group *group = &d->footer->groups[i];
        int16_t id = 0;

        d->footer->group_count = (uint32_t)i + 1;
        sp_thrift_enter_struct(&d->r);
        while (sp_thrift_next(&d->r, &id, &type)) {
            if (id == 1)
                decode_chunks(d, type, group);
            else
                sp_thrift_skip(&d->r, type);
        }
        if (group->chunks == NULL) d->r.failed = true;
    }
}

static void decode_keys(struct decoding *d, enum sp_thrift_type type)
{
    enum sp_thrift_type element = SP_THRIFT_STOP;
    size_t count = sp_thrift_read_list(&d->r, type, &element);

    for (size_t i = 0; i < count && !d->r.failed; i++) {
        const uint8_t *bytes[2] = {NULL, NULL}; /* key, value */
        size_t len[2] = {0, 0};
        int16_t id = 0;

        sp_thrift_enter_struct(&d->r);
        while (sp_thrift_next(&d->r, &id, &type)) {
            if (id == 1 || id == 2) {
                bytes[id - 1] = sp_thrift_read_bytes(&d->r, type, &len[id - 1]);
            } else {
                sp_thrift_skip(&d->r, type);
            }
        }
        if (bytes[0] == NULL || bytes[1] == NULL || len[1] != CRC_TEXT_LEN) continue;
        if (len[0] == strlen(KEY_BODY) && memcmp(bytes[0], KEY_BODY, len[0]) == 0) {
            d->body_crc = bytes[1];
        }
        if (len[0] == strlen(KEY_FOOTER) && memcmp(bytes[0], KEY_FOOTER, len[0]) == 0) {
            d->footer_crc = bytes[1];
        }
    }
}

static void decode_file(struct decoding *d)
{
    enum sp_thrift_type type = SP_THRIFT_STOP;
    int16_t id = 0;

    sp_thrift_enter_struct(&d->r);
    while (!d->foreign && sp_thrift_next(&d->r, &id, &type)) {
        switch (id) {
        case 2: decode_schema(d, type); break;
        case 3: d->footer->rows = sp_thrift_read_int(&d->r, type); break;
        case 4: decode_groups(d, type); break;
        case 5: decode_keys(d, type); break;
        default: sp_thrift_skip(&d->r, type);
        }
    }
}

/* Chunks must follow each other without a hole from the magic to the footer. */
static bool is_layout_sound(const struct sp_parquet_footer *footer, int64_t body_bytes)
{
    int64_t at = MAGIC_LEN;
    int64_t rows = 0;
    int64_t most = (int64_t)SP_PARQUET_PAGE_BYTES_MAX;

    for (uint32_t g = 0; g < footer->group_count; g++) {
        const struct sp_parquet_group *group = &footer->groups[g];

        if (group->rows < 1 || group->rows > SP_PARQUET_GROUP_ROWS_MAX) return false;
        rows += group->rows;
        for (uint32_t i = 0; i < footer->column_count; i++) {
            const struct sp_parquet_chunk *chunk = &group->chunks[i];

            if (chunk->offset != at || chunk->compressed_bytes < 1) return false;
            if (chunk->compressed_bytes > body_bytes - at || chunk->compressed_bytes > most ||
                chunk->plain_bytes < 1 || chunk->plain_bytes > most) {
                return false;
            }
            at += chunk->compressed_bytes;
        }
    }
    return at == body_bytes && rows == footer->rows;
}

static bool parse_crc(const uint8_t *text, uint32_t *out)
{
    uint32_t crc = 0;

    for (unsigned i = 0; i < CRC_TEXT_LEN; i++) {
        static const char digits[] = "0123456789abcdef";
        const char *digit = memchr(digits, text[i], sizeof digits - 1);

        if (digit == NULL) return false;
        crc = crc << 4 | (uint32_t)(digit - digits);
    }
    *out = crc;
    return true;
}

static sp_status judge(struct decoding *d, uint8_t *buf, size_t len_bytes, int64_t body_bytes,
                       struct sp_err *err)
{
    uint32_t crc = 0;

    if (d->no_memory) return SP_FAIL(err, SP_NO_MEMORY, "no memory for the footer");
    if (d->r.failed && d->footer_crc == NULL) {
        return SP_FAIL(err, SP_CORRUPT, "footer of %zu bytes is damaged", len_bytes);
    }
    if (d->foreign || d->footer_crc == NULL || d->body_crc == NULL) {
        return SP_FAIL(err, SP_UNSUPPORTED, "footer is damaged, or not of a file made by spoor");
    }
    if (!parse_crc(d->body_crc, &d->footer->body_crc32c) || !parse_crc(d->footer_crc, &crc)) {
        return SP_FAIL(err, SP_CORRUPT, "checksums in the footer are damaged");
    }
    memset(buf + (d->footer_crc - buf), '0', CRC_TEXT_LEN);
    if (d->r.failed || crc != sp_crc32c(0, buf, len_bytes)) {
        return SP_FAIL(err, SP_CORRUPT, "footer of %zu bytes fails its checksum", len_bytes);
    }
    if (!is_layout_sound(d->footer, body_bytes)) {
        return SP_FAIL(err, SP_CORRUPT, "footer does not fit the file's %lld bytes of data",
                       (long long)body_bytes);
    }
    return SP_OK;
}

sp_status sp_parquet_footer_decode(uint8_t *buf, size_t len_bytes, int64_t body_bytes,
                                   struct sp_parquet_footer *out, struct sp_err *err)
{
    struct sp_parquet_footer footer = {0};
    struct decoding d = {.r = {.data = buf, .len_bytes = len_bytes}, .footer = &footer};
    sp_status status;

    decode_file(&d);
    if (d.r.at != len_bytes) d.r.failed = true;
    status = judge(&d, buf, len_bytes, body_bytes, err);
    if (status != SP_OK) {
        sp_parquet_footer_fini(&footer);
        return status;
    }
    *out = footer;
    return SP_OK;
}

void sp_parquet_footer_fini(struct sp_parquet_footer *footer)
{
    if (footer == NULL || footer->groups == NULL) return;
    for (uint32_t i = 0; i < footer->group_count; i++)
        free(footer->groups[i].chunks);
    free(footer->groups);
    footer->groups = NULL;
    footer->group_count = 0;
}
