/* The writing half: msgpack-c's packer onto the caller's buffer, without allocation. Every value
 * has one encoding, the shortest. Reading is in wire_read.c.
 *
 * The packer is made from the library's template instead of its ready functions: those call back
 * for every value, which took as long as all the rest.
 */
#include "proto/wire.h"

#include "proto/form.h"
#include "proto/wire_plain.h"

#include <msgpack.h>

#define ENVELOPE_FIELDS 7
#define ID_BYTES        16
#define REF_FIELDS      3
#define LEVEL_FIELDS    2
#define FACT_FIELDS     2
#define MARK_FIELDS     4

#define HEAD_BYTES_MAX (2 + 5 * SP_WIRE_PLAIN_BYTES_MAX) /* an envelope, up to its causes */

/* Where the packer writes. Once something did not fit, nothing more is written. */
struct writer {
    uint8_t *buf;
    size_t cap;
    size_t len;
    bool full;
};

static inline void put_bytes(struct writer *writer, const void *bytes, size_t count)
{
    if (count > writer->cap - writer->len) {
        writer->full = true;
        writer->cap = writer->len;
        return; /* the caller asks once, at the end */
    }
    memcpy(writer->buf + writer->len, bytes, count);
    writer->len += count;
}

#define msgpack_pack_user                               struct writer *
#define msgpack_pack_inline_func(name)                  static inline void pack##name
#define msgpack_pack_inline_func_cint(name)             static inline void pack##name
#define msgpack_pack_append_buffer(writer, bytes, size) put_bytes(writer, bytes, size)
#include <msgpack/pack_template.h>

static void put_uint(struct writer *to, uint64_t value)
{
    pack_uint64(to, value);
}

static void put_int(struct writer *to, const void *at)
{
    int64_t value = 0;

    memcpy(&value, at, sizeof value);
    pack_int64(to, value);
}

static void put_array(struct writer *to, uint32_t count, uint32_t max)
{
    SP_ASSERT(count <= max);
    pack_array(to, count);
}

static void put_str(struct writer *to, const char *text, size_t size)
{
    size_t len = strnlen(text, size);

    SP_ASSERT(len < size);
    pack_str(to, len);
    pack_str_body(to, text, len);
}

static void put_name(struct writer *to, const sp_name *name)
{
    put_str(to, name->s, sizeof name->s);
}

static void put_id(struct writer *to, const struct sp_id *id)
{
    uint8_t bytes[ID_BYTES];

    for (unsigned i = 0; i < 8; i++) {
        bytes[i] = (uint8_t)(id->hi >> (56 - 8 * i));
        bytes[8 + i] = (uint8_t)(id->lo >> (56 - 8 * i));
    }
    pack_bin(to, ID_BYTES);
    pack_bin_body(to, bytes, ID_BYTES);
}

static void put_ids(struct writer *to, const struct sp_form_ids *ids)
{
    put_array(to, ids->count, SP_IDS_MAX);
    for (uint32_t i = 0; i < ids->count; i++)
        put_id(to, &ids->at[i]);
}

static void put_levels(struct writer *to, const sp_levels *levels)
{
    put_array(to, levels->count, SP_LEVELS_MAX);
    for (uint32_t i = 0; i < levels->count; i++) {
        pack_array(to, LEVEL_FIELDS);
        pack_int64(to, levels->at[i].px.e8);
        pack_int64(to, levels->at[i].qty.e8);
    }
}

static void put_facts(struct writer *to, const sp_facts *facts)
{
    put_array(to, facts->count, SP_FACTS_MAX);
    for (uint32_t i = 0; i < facts->count; i++) {
        pack_array(to, FACT_FIELDS);
        put_name(to, &facts->at[i].name);
        put_name(to, &facts->at[i].value);
    }
}

static void put_marks(struct writer *to, const sp_marks *marks)
{
    put_array(to, marks->count, SP_MARKS_MAX);
    for (uint32_t i = 0; i < marks->count; i++) {
        const struct sp_mark *mark = &marks->at[i];
        pack_array(to, MARK_FIELDS);
        put_name(to, &mark->stream);
        put_uint(to, mark->epoch);
        put_uint(to, mark->seq);
        put_uint(to, mark->durable_seq);
    }
}

static void put_field(struct writer *to, const struct sp_field *field, const void *at)
{
    uint64_t u64 = 0;
    uint32_t u32 = 0;
    uint8_t byte = 0;

    switch (sp_form_of(field)) {
    case SP_FORM_E8:
    case SP_FORM_WALL:
    case SP_FORM_MONO:
    case SP_FORM_DUR:
    case SP_FORM_I64: put_int(to, at); break;
    case SP_FORM_U64:
        memcpy(&u64, at, sizeof u64);
        put_uint(to, u64);
        break;
    case SP_FORM_U32:
        memcpy(&u32, at, sizeof u32);
        put_uint(to, u32);
        break;
    case SP_FORM_BOOL:
        memcpy(&byte, at, 1);
        if (byte != 0)
            pack_true(to);
        else
            pack_false(to);
        break;
    case SP_FORM_ENUM:
        memcpy(&byte, at, 1);
        put_uint(to, byte);
        break;
    case SP_FORM_NAME: put_name(to, at); break;
    case SP_FORM_TEXT: put_str(to, at, SP_TEXT_SIZE); break;
    case SP_FORM_ID: put_id(to, at); break;
    case SP_FORM_IDS: put_ids(to, at); break;
    case SP_FORM_LEVELS: put_levels(to, at); break;
    case SP_FORM_FACTS: put_facts(to, at); break;
    case SP_FORM_MARKS: put_marks(to, at); break;
    case SP_FORM_RETIRED: pack_nil(to); break;
    }
}

static size_t put_stream(uint8_t *buf, size_t cap_bytes, const sp_name *stream)
{
    size_t len = strnlen(stream->s, SP_NAME_SIZE);

    SP_ASSERT(len < SP_NAME_SIZE);
    if (len + 1 > cap_bytes) return 0;
    memcpy(buf, stream->s, len + 1);
    return len + 1;
}

size_t sp_wire_encode_stream(const sp_name *stream, uint8_t buf[SP_NAME_SIZE])
{
    return put_stream(buf, SP_NAME_SIZE, stream);
}

/* False: the field is no number, or a negative one. */
static inline bool is_plain(const struct sp_field *field, const void *at, uint64_t *out)
{
    uint64_t value = 0;

    switch (sp_form_of(field)) {
    case SP_FORM_E8:
    case SP_FORM_WALL:
    case SP_FORM_MONO:
    case SP_FORM_DUR:
    case SP_FORM_I64:
        memcpy(&value, at, sizeof value);
        *out = value;
        return value <= INT64_MAX;
    case SP_FORM_U64: memcpy(out, at, sizeof *out); return true;
    case SP_FORM_ENUM: *out = *(const uint8_t *)at; return true;
    case SP_FORM_RETIRED:
    case SP_FORM_U32:
    case SP_FORM_BOOL:
    case SP_FORM_NAME:
    case SP_FORM_TEXT:
    case SP_FORM_ID:
    case SP_FORM_IDS:
    case SP_FORM_LEVELS:
    case SP_FORM_FACTS:
    case SP_FORM_MARKS: break;
    }
    return false;
}

static void put_head(struct writer *to, const struct sp_record *record)
{
    uint8_t head[HEAD_BYTES_MAX];
    uint8_t *begin = to->cap >= HEAD_BYTES_MAX ? to->buf : head;

    begin[0] = 0x90 | ENVELOPE_FIELDS;
    uint8_t *at = sp_wire_put_plain(begin + 1, SP_WIRE_VERSION);
    at = sp_wire_put_plain(at, record->epoch);
    at = sp_wire_put_plain(at, record->seq);
    /* A negative time is refused by the reader. */
    at = sp_wire_put_plain(at, (uint64_t)record->time.ns);
    at = sp_wire_put_plain(at, record->kind);
    if (begin == to->buf) {
        to->len = (size_t)(at - begin);
    } else {
        put_bytes(to, head, (size_t)(at - begin));
    }
}

static void put_body(struct writer *to, enum sp_dto dto, const void *body)
{
    const struct sp_schema *schema = sp_schema_of(dto);

    pack_array(to, schema->field_count);
    uint8_t *at = to->buf + to->len;
    if (to->cap - to->len >= schema->field_count * (size_t)SP_WIRE_PLAIN_BYTES_MAX) {
        uint8_t *behind = sp_wire_plain_put(dto, body, at);
        if (behind != NULL) {
            to->len = (size_t)(behind - to->buf);
            return;
        }
    }
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct sp_field *field = &schema->fields[i];
        const void *from = sp_form_at(field, body);
        uint64_t value = 0;
        if (to->buf + to->cap - at >= SP_WIRE_PLAIN_BYTES_MAX && is_plain(field, from, &value)) {
            at = sp_wire_put_plain(at, value);
            continue;
        }
        to->len = (size_t)(at - to->buf);
        put_field(to, field, from);
        at = to->buf + to->len;
    }
    to->len = (size_t)(at - to->buf);
}

sp_status sp_wire_encode_record(const struct sp_record *record, uint8_t *buf, size_t cap_bytes,
                                size_t *len_bytes, struct sp_err *err)
{
    const struct sp_kind_info *info = sp_kind_info(record->kind);
    struct writer writer = {.buf = buf, .cap = cap_bytes};

    SP_ASSERT(info != NULL);
    put_head(&writer, record);
    put_array(&writer, record->by_count, SP_CAUSES_MAX);
    for (uint32_t i = 0; i < record->by_count; i++) {
        pack_array(&writer, REF_FIELDS);
        put_name(&writer, &record->by[i].stream);
        put_uint(&writer, record->by[i].epoch);
        put_uint(&writer, record->by[i].seq);
    }
    put_body(&writer, info->dto, &record->body);
    if (writer.full) {
        return SP_FAIL(err, SP_FULL, "%s does not fit %zu bytes", info->name, cap_bytes);
    }
    *len_bytes = writer.len;
    return SP_OK;
}

sp_status sp_wire_encode(const struct sp_record *record, uint8_t *buf, size_t cap_bytes,
                         size_t *len_bytes, struct sp_err *err)
{
    size_t begin = put_stream(buf, cap_bytes, &record->stream);
    size_t len = 0;

    sp_status status =
        sp_wire_encode_record(record, buf + begin, begin > 0 ? cap_bytes - begin : 0, &len, err);
    if (status == SP_OK) *len_bytes = begin + len;
    return status;
}
