/* The writing half: msgpack-c's packer onto the caller's buffer, without allocation. Every value
 * has one encoding, the shortest. Reading is in wire_read.c.
 */
#include "proto/wire.h"

#include "proto/form.h"

#include <msgpack.h>

#define ENVELOPE_FIELDS 7
#define ID_BYTES        16
#define REF_FIELDS      3
#define LEVEL_FIELDS    2
#define FACT_FIELDS     2
#define MARK_FIELDS     4

/* Where the packer writes. Once something did not fit, nothing more is written. */
struct writer {
    uint8_t *buf;
    size_t cap;
    size_t len;
    bool full;
};

static int put_bytes(void *data, const char *bytes, size_t count)
{
    struct writer *writer = data;

    if (writer->full || count > writer->cap - writer->len) {
        writer->full = true;
        return 0; /* the caller asks once, at the end */
    }
    memcpy(writer->buf + writer->len, bytes, count);
    writer->len += count;
    return 0;
}

static void put_uint(msgpack_packer *pk, uint64_t value)
{
    msgpack_pack_uint64(pk, value);
}

static void put_int(msgpack_packer *pk, const void *at)
{
    int64_t value = 0;

    memcpy(&value, at, sizeof value);
    msgpack_pack_int64(pk, value);
}

static void put_array(msgpack_packer *pk, uint32_t count, uint32_t max)
{
    SP_ASSERT(count <= max);
    msgpack_pack_array(pk, count);
}

static void put_str(msgpack_packer *pk, const char *text, size_t size)
{
    size_t len = strnlen(text, size);

    SP_ASSERT(len < size);
    msgpack_pack_str(pk, len);
    msgpack_pack_str_body(pk, text, len);
}

static void put_name(msgpack_packer *pk, const sp_name *name)
{
    put_str(pk, name->s, sizeof name->s);
}

static void put_id(msgpack_packer *pk, const struct sp_id *id)
{
    uint8_t bytes[ID_BYTES];

    for (unsigned i = 0; i < 8; i++) {
        bytes[i] = (uint8_t)(id->hi >> (56 - 8 * i));
        bytes[8 + i] = (uint8_t)(id->lo >> (56 - 8 * i));
    }
    msgpack_pack_bin(pk, ID_BYTES);
    msgpack_pack_bin_body(pk, bytes, ID_BYTES);
}

static void put_ids(msgpack_packer *pk, const struct sp_form_ids *ids)
{
    put_array(pk, ids->count, SP_IDS_MAX);
    for (uint32_t i = 0; i < ids->count; i++)
        put_id(pk, &ids->at[i]);
}

static void put_levels(msgpack_packer *pk, const sp_levels *levels)
{
    put_array(pk, levels->count, SP_LEVELS_MAX);
    for (uint32_t i = 0; i < levels->count; i++) {
        msgpack_pack_array(pk, LEVEL_FIELDS);
        msgpack_pack_int64(pk, levels->at[i].px.e8);
        msgpack_pack_int64(pk, levels->at[i].qty.e8);
    }
}

static void put_facts(msgpack_packer *pk, const sp_facts *facts)
{
    put_array(pk, facts->count, SP_FACTS_MAX);
    for (uint32_t i = 0; i < facts->count; i++) {
        msgpack_pack_array(pk, FACT_FIELDS);
        put_name(pk, &facts->at[i].name);
        put_name(pk, &facts->at[i].value);
    }
}

static void put_marks(msgpack_packer *pk, const sp_marks *marks)
{
    put_array(pk, marks->count, SP_MARKS_MAX);
    for (uint32_t i = 0; i < marks->count; i++) {
        const struct sp_mark *mark = &marks->at[i];
        msgpack_pack_array(pk, MARK_FIELDS);
        put_name(pk, &mark->stream);
        put_uint(pk, mark->epoch);
        put_uint(pk, mark->seq);
        put_uint(pk, mark->durable_seq);
    }
}

static void put_field(msgpack_packer *pk, const struct sp_field *field, const void *at)
{
    uint64_t u64 = 0;
    uint32_t u32 = 0;
    uint8_t byte = 0;

    switch (sp_form_of(field)) {
    case SP_FORM_E8:
    case SP_FORM_WALL:
    case SP_FORM_MONO:
    case SP_FORM_DUR:
    case SP_FORM_I64: put_int(pk, at); break;
    case SP_FORM_U64:
        memcpy(&u64, at, sizeof u64);
        put_uint(pk, u64);
        break;
    case SP_FORM_U32:
        memcpy(&u32, at, sizeof u32);
        put_uint(pk, u32);
        break;
    case SP_FORM_BOOL:
        memcpy(&byte, at, 1);
        if (byte != 0)
            msgpack_pack_true(pk);
        else
            msgpack_pack_false(pk);
        break;
    case SP_FORM_ENUM:
        memcpy(&byte, at, 1);
        put_uint(pk, byte);
        break;
    case SP_FORM_NAME: put_name(pk, at); break;
    case SP_FORM_TEXT: put_str(pk, at, SP_TEXT_SIZE); break;
    case SP_FORM_ID: put_id(pk, at); break;
    case SP_FORM_IDS: put_ids(pk, at); break;
    case SP_FORM_LEVELS: put_levels(pk, at); break;
    case SP_FORM_FACTS: put_facts(pk, at); break;
    case SP_FORM_MARKS: put_marks(pk, at); break;
    case SP_FORM_RETIRED: msgpack_pack_nil(pk); break;
    }
}

sp_status sp_wire_encode(const struct sp_record *record, uint8_t *buf, size_t cap_bytes,
                         size_t *len_bytes, struct sp_err *err)
{
    const struct sp_kind_info *info = sp_kind_info(record->kind);
    struct writer writer = {.buf = buf, .cap = cap_bytes};
    msgpack_packer pk = {.data = &writer, .callback = put_bytes};
    size_t name_len = strnlen(record->stream.s, SP_NAME_SIZE);

    SP_ASSERT(info != NULL);
    SP_ASSERT(name_len < SP_NAME_SIZE);
    const struct sp_schema *schema = sp_schema_of(info->dto);
    put_bytes(&writer, record->stream.s, name_len + 1);
    msgpack_pack_array(&pk, ENVELOPE_FIELDS);
    put_uint(&pk, SP_WIRE_VERSION);
    put_uint(&pk, record->epoch);
    put_uint(&pk, record->seq);
    msgpack_pack_int64(&pk, record->time.ns);
    put_uint(&pk, record->kind);
    put_array(&pk, record->by_count, SP_CAUSES_MAX);
    for (uint32_t i = 0; i < record->by_count; i++) {
        msgpack_pack_array(&pk, REF_FIELDS);
        put_name(&pk, &record->by[i].stream);
        put_uint(&pk, record->by[i].epoch);
        put_uint(&pk, record->by[i].seq);
    }
    msgpack_pack_array(&pk, schema->field_count);
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct sp_field *field = &schema->fields[i];
        put_field(&pk, field, sp_form_at(field, &record->body));
    }
    if (writer.full) {
        return SP_FAIL(err, SP_FULL, "%s does not fit %zu bytes", info->name, cap_bytes);
    }
    *len_bytes = writer.len;
    return SP_OK;
}
