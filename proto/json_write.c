/* The writing half: text straight into the caller's buffer, without allocation. Every value has one
 * text. Reading is in json_read.c.
 */
#include "proto/json.h"

#include <stdio.h>

#include "proto/decimal.h"
#include "proto/form.h"
#include "proto/json_token.h"

/* Once something did not fit, nothing more is written. */
struct writer {
    char *buf;
    size_t cap;
    size_t len;
    bool full;
};

static void put(struct writer *writer, const char *text, size_t len)
{
    if (writer->full || len > writer->cap - writer->len) {
        writer->full = true;
        return;
    }
    memcpy(writer->buf + writer->len, text, len);
    writer->len += len;
}

#define PUT(writer, literal) put((writer), (literal), sizeof(literal) - 1)

static void put_string(struct writer *writer, const char *text, size_t len)
{
    PUT(writer, "\"");
    put(writer, text, len);
    PUT(writer, "\"");
}

/* Formats backwards into the end of buf; returns where it begins. */
#define UINT_TEXT_SIZE 20
static const char *uint_text(uint64_t value, char buf[UINT_TEXT_SIZE], size_t *len)
{
    char *at = buf + UINT_TEXT_SIZE;

    do {
        *--at = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    *len = (size_t)(buf + UINT_TEXT_SIZE - at);
    return at;
}

static void put_digits(struct writer *writer, uint64_t value)
{
    char buf[UINT_TEXT_SIZE];
    size_t len = 0;
    const char *text = uint_text(value, buf, &len);

    put(writer, text, len);
}

static void put_integer(struct writer *writer, bool negative, uint64_t magnitude)
{
    if (magnitude > SP_JSON_EXACT_MAX) PUT(writer, "\"");
    if (negative) PUT(writer, "-");
    put_digits(writer, magnitude);
    if (magnitude > SP_JSON_EXACT_MAX) PUT(writer, "\"");
}

static void put_uint(struct writer *writer, uint64_t value)
{
    put_integer(writer, false, value);
}

static void put_name(struct writer *writer, const sp_name *name)
{
    size_t len = strnlen(name->s, sizeof name->s);

    SP_ASSERT(len < sizeof name->s);
    put_string(writer, name->s, len);
}

/* Text may hold anything but NUL: what JSON does not take is escaped, UTF-8 passes. */
static void put_text(struct writer *writer, const sp_text *text)
{
    static const char hex[] = "0123456789abcdef";
    size_t len = strnlen(text->s, sizeof text->s);
    size_t begin = 0;

    SP_ASSERT(len < sizeof text->s);
    PUT(writer, "\"");
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text->s[i];
        if (c >= 0x20 && c != '"' && c != '\\') continue;
        put(writer, text->s + begin, i - begin);
        begin = i + 1;
        if (c < 0x20) {
            const char escape[] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
            put(writer, escape, sizeof escape);
        } else {
            const char escape[] = {'\\', (char)c};
            put(writer, escape, sizeof escape);
        }
    }
    put(writer, text->s + begin, len - begin);
    PUT(writer, "\"");
}

static void put_e8(struct writer *writer, int64_t e8)
{
    char buf[SP_E8_TEXT_SIZE];

    sp_e8_format(e8, buf);
    put_string(writer, buf, strlen(buf));
}

static void put_ids(struct writer *writer, enum sp_id_type type, const struct sp_form_ids *ids)
{
    char buf[SP_ID_TEXT_SIZE];

    SP_ASSERT(ids->count <= SP_IDS_MAX);
    PUT(writer, "[");
    for (uint32_t i = 0; i < ids->count; i++) {
        if (i > 0) PUT(writer, ",");
        sp_id_format(type, ids->at[i], buf);
        put_string(writer, buf, strlen(buf));
    }
    PUT(writer, "]");
}

static void put_levels(struct writer *writer, const sp_levels *levels)
{
    SP_ASSERT(levels->count <= SP_LEVELS_MAX);
    PUT(writer, "[");
    for (uint32_t i = 0; i < levels->count; i++) {
        if (i > 0) PUT(writer, ",");
        PUT(writer, "[");
        put_e8(writer, levels->at[i].px.e8);
        PUT(writer, ",");
        put_e8(writer, levels->at[i].qty.e8);
        PUT(writer, "]");
    }
    PUT(writer, "]");
}

static void put_facts(struct writer *writer, const sp_facts *facts)
{
    SP_ASSERT(facts->count <= SP_FACTS_MAX);
    PUT(writer, "{");
    for (uint32_t i = 0; i < facts->count; i++) {
        if (i > 0) PUT(writer, ",");
        put_name(writer, &facts->at[i].name);
        PUT(writer, ":");
        put_name(writer, &facts->at[i].value);
    }
    PUT(writer, "}");
}

static void put_marks(struct writer *writer, const sp_marks *marks)
{
    SP_ASSERT(marks->count <= SP_MARKS_MAX);
    PUT(writer, "[");
    for (uint32_t i = 0; i < marks->count; i++) {
        const struct sp_mark *mark = &marks->at[i];
        if (i > 0) PUT(writer, ",");
        PUT(writer, "{\"stream\":");
        put_name(writer, &mark->stream);
        PUT(writer, ",\"epoch\":");
        put_uint(writer, mark->epoch);
        PUT(writer, ",\"seq\":");
        put_uint(writer, mark->seq);
        PUT(writer, ",\"durable_seq\":");
        put_uint(writer, mark->durable_seq);
        PUT(writer, "}");
    }
    PUT(writer, "]");
}

static uint64_t magnitude_of(int64_t value)
{
    return value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
}

static int64_t i64_at(const void *at)
{
    int64_t value = 0;

    memcpy(&value, at, sizeof value);
    return value;
}

/* The text of a value that is neither list nor text, and how long it is. */
static const char *scalar_text(const struct sp_field *field, const void *at,
                               char buf[SP_VALUE_TEXT_SIZE])
{
    struct sp_id id;
    uint32_t u32 = 0;
    uint8_t byte = 0;
    const char *name = NULL;

    switch (sp_form_of(field)) {
    case SP_FORM_E8: return sp_e8_format(i64_at(at), buf);
    case SP_FORM_WALL: return sp_wall_format((sp_wall){i64_at(at)}, buf);
    case SP_FORM_DUR: return sp_dur_format((sp_dur){i64_at(at)}, buf);
    case SP_FORM_MONO:
    case SP_FORM_I64: snprintf(buf, SP_VALUE_TEXT_SIZE, "%" PRId64, i64_at(at)); return buf;
    case SP_FORM_U64:
        snprintf(buf, SP_VALUE_TEXT_SIZE, "%" PRIu64, (uint64_t)i64_at(at));
        return buf;
    case SP_FORM_U32:
        memcpy(&u32, at, sizeof u32);
        snprintf(buf, SP_VALUE_TEXT_SIZE, "%" PRIu32, u32);
        return buf;
    case SP_FORM_BOOL: memcpy(&byte, at, 1); return byte != 0 ? "true" : "false";
    case SP_FORM_ENUM:
        memcpy(&byte, at, 1);
        name = sp_enum_name(sp_form_enum(field), byte);
        return name != NULL ? name : "?";
    case SP_FORM_ID:
        memcpy(&id, at, sizeof id);
        return sp_id_format(sp_form_id_type(field), id, buf);
    case SP_FORM_NAME:
    case SP_FORM_TEXT: return at;
    case SP_FORM_RETIRED:
    case SP_FORM_IDS:
    case SP_FORM_LEVELS:
    case SP_FORM_FACTS:
    case SP_FORM_MARKS: break;
    }
    return "";
}

static void put_field(struct writer *writer, const struct sp_field *field, const void *at)
{
    char buf[SP_VALUE_TEXT_SIZE];
    const char *text = NULL;
    uint32_t u32 = 0;

    switch (sp_form_of(field)) {
    case SP_FORM_E8:
    case SP_FORM_WALL:
    case SP_FORM_MONO:
    case SP_FORM_DUR:
    case SP_FORM_ENUM:
    case SP_FORM_ID:
        text = scalar_text(field, at, buf);
        put_string(writer, text, strlen(text));
        break;
    case SP_FORM_I64: put_integer(writer, i64_at(at) < 0, magnitude_of(i64_at(at))); break;
    case SP_FORM_U64: put_uint(writer, (uint64_t)i64_at(at)); break;
    case SP_FORM_U32:
        memcpy(&u32, at, sizeof u32);
        put_uint(writer, u32);
        break;
    case SP_FORM_BOOL: PUT(writer, "true"); break; /* false is empty */
    case SP_FORM_NAME: put_name(writer, at); break;
    case SP_FORM_TEXT: put_text(writer, at); break;
    case SP_FORM_IDS: put_ids(writer, sp_form_id_type(field), at); break;
    case SP_FORM_LEVELS: put_levels(writer, at); break;
    case SP_FORM_FACTS: put_facts(writer, at); break;
    case SP_FORM_MARKS: put_marks(writer, at); break;
    case SP_FORM_RETIRED: break; /* always empty */
    }
}

static void put_body(struct writer *writer, const struct sp_schema *schema, const void *dto)
{
    bool first = true;

    PUT(writer, "{");
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct sp_field *field = &schema->fields[i];
        if (sp_field_is_empty(field, dto)) continue;
        if (!first) PUT(writer, ",");
        first = false;
        put_string(writer, field->name, strlen(field->name));
        PUT(writer, ":");
        put_field(writer, field, sp_form_at(field, dto));
    }
    PUT(writer, "}");
}

static sp_status finish(const struct writer *writer, size_t *len_bytes)
{
    if (writer->full) return SP_FULL;
    *len_bytes = writer->len;
    return SP_OK;
}

sp_status sp_json_encode_body(const struct sp_schema *schema, const void *dto, char *buf,
                              size_t cap_bytes, size_t *len_bytes)
{
    struct writer writer = {.buf = buf, .cap = cap_bytes};

    put_body(&writer, schema, dto);
    return finish(&writer, len_bytes);
}

static void put_ref(struct writer *writer, const struct sp_ref *ref)
{
    size_t len = strnlen(ref->stream.s, sizeof ref->stream.s);

    SP_ASSERT(len < sizeof ref->stream.s);
    PUT(writer, "\"");
    put(writer, ref->stream.s, len);
    PUT(writer, "/");
    put_digits(writer, ref->epoch);
    PUT(writer, ":");
    put_digits(writer, ref->seq);
    PUT(writer, "\"");
}

static void put_crc(struct writer *writer, uint32_t crc)
{
    static const char hex[] = "0123456789abcdef";
    char digits[8];

    for (unsigned i = 0; i < 8; i++)
        digits[i] = hex[crc >> (28 - 4 * i) & 15];
    put_string(writer, digits, sizeof digits);
}

static void put_causes(struct writer *writer, const struct sp_record *record)
{
    SP_ASSERT(record->by_count <= SP_CAUSES_MAX);
    if (record->by_count > 0) PUT(writer, ",\"by\":[");
    for (uint32_t i = 0; i < record->by_count; i++) {
        if (i > 0) PUT(writer, ",");
        put_ref(writer, &record->by[i]);
    }
    if (record->by_count > 0) PUT(writer, "]");
    if (!sp_ref_is_none(&record->in)) {
        PUT(writer, ",\"in\":");
        put_ref(writer, &record->in);
    }
}

sp_status sp_json_encode_line(const struct sp_record *record, const struct sp_line_meta *meta,
                              char *buf, size_t cap_bytes, size_t *len_bytes)
{
    const struct sp_kind_info *info = sp_kind_info(record->kind);
    struct writer writer = {.buf = buf, .cap = cap_bytes};
    char time[SP_WALL_TEXT_SIZE];

    SP_ASSERT(info != NULL);
    PUT(&writer, "{\"c\":");
    put_crc(&writer, meta->crc);
    PUT(&writer, ",");
    SP_ASSERT(writer.full || writer.len == SP_LINE_CRC_PREFIX);
    PUT(&writer, "\"s\":");
    put_uint(&writer, record->seq);
    PUT(&writer, ",\"e\":");
    put_uint(&writer, record->epoch);
    PUT(&writer, ",\"w\":");
    put_uint(&writer, meta->durable_seq);
    PUT(&writer, ",\"m\":");
    put_uint(&writer, meta->batch_left);
    PUT(&writer, ",\"t\":");
    sp_wall_format(record->time, time);
    put_string(&writer, time, strlen(time));
    PUT(&writer, ",\"k\":");
    put_string(&writer, info->name, strlen(info->name));
    put_causes(&writer, record);
    PUT(&writer, ",\"b\":");
    put_body(&writer, sp_schema_of(info->dto), &record->body);
    PUT(&writer, "}");
    return finish(&writer, len_bytes);
}

const char *sp_value_text(const struct sp_field *field, const void *dto,
                          char buf[SP_VALUE_TEXT_SIZE])
{
    const char *text = scalar_text(field, sp_form_at(field, dto), buf);

    /* Names and texts come as they are stored, in the DTO. */
    if (text != buf) snprintf(buf, SP_VALUE_TEXT_SIZE, "%.*s", SP_TEXT_SIZE, text);
    return buf;
}
