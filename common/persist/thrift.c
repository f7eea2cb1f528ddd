#include "common/persist/thrift.h"

#include <string.h>

static void put(struct sp_thrift_writer *w, const void *bytes, size_t len_bytes)
{
    if (w->failed || w->cap_bytes - w->len_bytes < len_bytes) {
        w->failed = true;
        return;
    }
    if (len_bytes > 0) memcpy(w->data + w->len_bytes, bytes, len_bytes);
    w->len_bytes += len_bytes;
}

static void put_byte(struct sp_thrift_writer *w, unsigned byte)
{
    uint8_t b = (uint8_t)byte;

    put(w, &b, 1);
}

static void put_varint(struct sp_thrift_writer *w, uint64_t value)
{
    while (value >= 0x80) {
        put_byte(w, (unsigned)(value & 0x7f) | 0x80);
        value >>= 7;
    }
    put_byte(w, (unsigned)value);
}

static void put_zigzag(struct sp_thrift_writer *w, int64_t value)
{
    put_varint(w, ((uint64_t)value << 1) ^ (value < 0 ? UINT64_MAX : 0));
}

static void put_field(struct sp_thrift_writer *w, int16_t id, enum sp_thrift_type type)
{
    int16_t *last;

    if (id == 0) return;
    SP_ASSERT(w->depth > 0);
    last = &w->last_id[w->depth - 1];
    SP_ASSERT(id > *last && id - *last <= 15);
    put_byte(w, (unsigned)(id - *last) << 4 | (unsigned)type);
    *last = id;
}

void sp_thrift_write_bool(struct sp_thrift_writer *w, int16_t id, bool value)
{
    SP_ASSERT(id != 0);
    put_field(w, id, value ? SP_THRIFT_TRUE : SP_THRIFT_FALSE);
}

void sp_thrift_write_i8(struct sp_thrift_writer *w, int16_t id, int8_t value)
{
    put_field(w, id, SP_THRIFT_I8);
    put_byte(w, (uint8_t)value);
}

void sp_thrift_write_i16(struct sp_thrift_writer *w, int16_t id, int16_t value)
{
    put_field(w, id, SP_THRIFT_I16);
    put_zigzag(w, value);
}

void sp_thrift_write_i32(struct sp_thrift_writer *w, int16_t id, int32_t value)
{
    put_field(w, id, SP_THRIFT_I32);
    put_zigzag(w, value);
}

void sp_thrift_write_i64(struct sp_thrift_writer *w, int16_t id, int64_t value)
{
    put_field(w, id, SP_THRIFT_I64);
    put_zigzag(w, value);
}

void sp_thrift_write_bytes(struct sp_thrift_writer *w, int16_t id, const void *bytes,
                           size_t len_bytes)
{
    put_field(w, id, SP_THRIFT_BINARY);
    put_varint(w, len_bytes);
    put(w, bytes, len_bytes);
}

void sp_thrift_write_text(struct sp_thrift_writer *w, int16_t id, const char *text)
{
    sp_thrift_write_bytes(w, id, text, strlen(text));
}

void sp_thrift_write_list(struct sp_thrift_writer *w, int16_t id, enum sp_thrift_type type,
                          size_t count)
{
    put_field(w, id, SP_THRIFT_LIST);
    if (count < 15) {
        put_byte(w, (unsigned)count << 4 | (unsigned)type);
    } else {
        put_byte(w, 0xf0 | (unsigned)type);
        put_varint(w, count);
    }
}

void sp_thrift_begin_struct(struct sp_thrift_writer *w, int16_t id)
{
    put_field(w, id, SP_THRIFT_STRUCT);
    SP_ASSERT(w->depth < SP_THRIFT_DEPTH_MAX);
    w->last_id[w->depth++] = 0;
}

void sp_thrift_end_struct(struct sp_thrift_writer *w)
{
    SP_ASSERT(w->depth > 0);
    put_byte(w, SP_THRIFT_STOP);
    w->depth--;
}

static uint8_t get_byte(struct sp_thrift_reader *r)
{
    if (r->failed || r->at >= r->len_bytes) {
        r->failed = true;
        return 0;
    }
    return r->data[r->at++];
}

static uint64_t get_varint(struct sp_thrift_reader *r)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = get_byte(r);
        if (shift == 63 && byte > 1) break;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) return r->failed ? 0 : value;
    }
    r->failed = true;
    return 0;
}

static int64_t get_zigzag(struct sp_thrift_reader *r)
{
    uint64_t value = get_varint(r);

    return (int64_t)(value >> 1 ^ (value & 1 ? UINT64_MAX : 0));
}

void sp_thrift_enter_struct(struct sp_thrift_reader *r)
{
    if (r->depth >= SP_THRIFT_DEPTH_MAX) {
        r->failed = true;
        return;
    }
    r->last_id[r->depth++] = 0;
}

bool sp_thrift_next(struct sp_thrift_reader *r, int16_t *id, enum sp_thrift_type *type)
{
    unsigned head = get_byte(r);
    int64_t number;

    if (r->failed || r->depth == 0) {
        r->failed = true;
        return false;
    }
    if (head == SP_THRIFT_STOP) {
        r->depth--;
        return false;
    }
    number = head >> 4 ? r->last_id[r->depth - 1] + (int64_t)(head >> 4) : get_zigzag(r);
    if (r->failed || number < 1 || number > INT16_MAX || (head & 15) > SP_THRIFT_STRUCT) {
        r->failed = true;
        return false;
    }
    *id = r->last_id[r->depth - 1] = (int16_t)number;
    *type = (enum sp_thrift_type)(head & 15);
    return true;
}

bool sp_thrift_read_bool(struct sp_thrift_reader *r, enum sp_thrift_type type)
{
    if (type != SP_THRIFT_TRUE && type != SP_THRIFT_FALSE) r->failed = true;
    return type == SP_THRIFT_TRUE;
}

int64_t sp_thrift_read_int(struct sp_thrift_reader *r, enum sp_thrift_type type)
{
    if (type == SP_THRIFT_I8) return (int8_t)get_byte(r);
    if (type == SP_THRIFT_I16 || type == SP_THRIFT_I32 || type == SP_THRIFT_I64) {
        return get_zigzag(r);
    }
    r->failed = true;
    return 0;
}

const uint8_t *sp_thrift_read_bytes(struct sp_thrift_reader *r, enum sp_thrift_type type,
                                    size_t *len_bytes)
{
    uint64_t len = type == SP_THRIFT_BINARY ? get_varint(r) : UINT64_MAX;
    const uint8_t *bytes;

    *len_bytes = 0;
    if (r->failed || len > r->len_bytes - r->at) {
        r->failed = true;
        return NULL;
    }
    bytes = r->data + r->at;
    r->at += (size_t)len;
    *len_bytes = (size_t)len;
    return bytes;
}

size_t sp_thrift_read_list(struct sp_thrift_reader *r, enum sp_thrift_type type,
                           enum sp_thrift_type *element)
{
    unsigned head = type == SP_THRIFT_LIST || type == SP_THRIFT_SET ? get_byte(r) : 0;
    uint64_t count = head >> 4 == 15 ? get_varint(r) : head >> 4;

    *element = (enum sp_thrift_type)(head & 15);
    if (r->failed || head == 0 || (head & 15) > SP_THRIFT_STRUCT || count > r->len_bytes - r->at) {
        r->failed = true;
        return 0;
    }
    return (size_t)count;
}

static void skip_fields(struct sp_thrift_reader *r)
{
    enum sp_thrift_type type = SP_THRIFT_STOP;
    int16_t id = 0;

    sp_thrift_enter_struct(r);
    while (sp_thrift_next(r, &id, &type))
        sp_thrift_skip(r, type);
}

/* The depth of structs bounds the recursion; lists of lists are refused. */
void sp_thrift_skip(struct sp_thrift_reader *r, enum sp_thrift_type type)
{
    enum sp_thrift_type element = SP_THRIFT_STOP;
    size_t count = 0;

    if (type == SP_THRIFT_TRUE || type == SP_THRIFT_FALSE) return;
    if (type == SP_THRIFT_STRUCT) {
        skip_fields(r);
    } else if (type == SP_THRIFT_BINARY) {
        if (sp_thrift_read_bytes(r, type, &count) == NULL) r->failed = true;
    } else if (type == SP_THRIFT_LIST) {
        count = sp_thrift_read_list(r, type, &element);
        for (size_t i = 0; i < count && !r->failed; i++) {
            if (element == SP_THRIFT_STRUCT || element == SP_THRIFT_BINARY) {
                sp_thrift_skip(r, element);
            } else if (element == SP_THRIFT_TRUE || element == SP_THRIFT_FALSE) {
                get_byte(r);
            } else {
                sp_thrift_read_int(r, element);
            }
        }
    } else {
        sp_thrift_read_int(r, type);
    }
}
