/* Thrift's compact protocol, as far as Parquet's footers and page headers need it.
 *
 * The writer fills a caller's buffer and remembers that it overflowed; the reader never leaves its
 * buffer, bounds depth and counts by the bytes that are there, and remembers that it failed. Both
 * are checked once, at the end. No allocation. Any thread, one at a time per object.
 */
#ifndef SP_COMMON_PERSIST_THRIFT_H
#define SP_COMMON_PERSIST_THRIFT_H

#include "proto/status.h"

#define SP_THRIFT_DEPTH_MAX 8

enum sp_thrift_type {
    SP_THRIFT_STOP = 0,
    SP_THRIFT_TRUE = 1,
    SP_THRIFT_FALSE = 2,
    SP_THRIFT_I8 = 3,
    SP_THRIFT_I16 = 4,
    SP_THRIFT_I32 = 5,
    SP_THRIFT_I64 = 6,
    SP_THRIFT_DOUBLE = 7,
    SP_THRIFT_BINARY = 8,
    SP_THRIFT_LIST = 9,
    SP_THRIFT_SET = 10,
    SP_THRIFT_MAP = 11,
    SP_THRIFT_STRUCT = 12
};

struct sp_thrift_writer {
    uint8_t *data;
    size_t cap_bytes;
    size_t len_bytes;
    unsigned depth;
    int16_t last_id[SP_THRIFT_DEPTH_MAX];
    bool failed; /* it did not fit */
};

/* Field ids ascend within a struct. `id` 0: an element of a list, or the outermost struct. */
void sp_thrift_write_bool(struct sp_thrift_writer *w, int16_t id, bool value);
void sp_thrift_write_i8(struct sp_thrift_writer *w, int16_t id, int8_t value);
void sp_thrift_write_i16(struct sp_thrift_writer *w, int16_t id, int16_t value);
void sp_thrift_write_i32(struct sp_thrift_writer *w, int16_t id, int32_t value);
void sp_thrift_write_i64(struct sp_thrift_writer *w, int16_t id, int64_t value);
void sp_thrift_write_bytes(struct sp_thrift_writer *w, int16_t id, const void *bytes,
                           size_t len_bytes);
void sp_thrift_write_text(struct sp_thrift_writer *w, int16_t id, const char *text);
/* `count` elements of `type` follow, each written with id 0. */
void sp_thrift_write_list(struct sp_thrift_writer *w, int16_t id, enum sp_thrift_type type,
                          size_t count);
void sp_thrift_begin_struct(struct sp_thrift_writer *w, int16_t id);
void sp_thrift_end_struct(struct sp_thrift_writer *w);

struct sp_thrift_reader {
    const uint8_t *data;
    size_t len_bytes;
    size_t at;
    unsigned depth;
    int16_t last_id[SP_THRIFT_DEPTH_MAX];
    bool failed; /* the bytes are not thrift, end too early or nest too deeply */
};

void sp_thrift_enter_struct(struct sp_thrift_reader *r);
/* The next field of the struct entered last; false at its end, which leaves the struct. */
SP_NODISCARD bool sp_thrift_next(struct sp_thrift_reader *r, int16_t *id,
                                 enum sp_thrift_type *type);
/* A value of the announced type. A wrong type fails the reader and gives 0 or NULL. */
bool sp_thrift_read_bool(struct sp_thrift_reader *r, enum sp_thrift_type type);
int64_t sp_thrift_read_int(struct sp_thrift_reader *r, enum sp_thrift_type type);
const uint8_t *sp_thrift_read_bytes(struct sp_thrift_reader *r, enum sp_thrift_type type,
                                    size_t *len_bytes);
/* How many elements follow, never more than bytes are left. */
size_t sp_thrift_read_list(struct sp_thrift_reader *r, enum sp_thrift_type type,
                           enum sp_thrift_type *element);
void sp_thrift_skip(struct sp_thrift_reader *r, enum sp_thrift_type type);

#endif
