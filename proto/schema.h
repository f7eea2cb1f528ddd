/* Field tables: what the codecs, the validator and the printers walk.
 *
 * A DTO is one .def file of FIELD(tag, c_type, name, KIND, flags, doc) lines, listed once in
 * proto/messages.def. Tag n is element n-1 of the wire array. Tags are append-only: a retired field
 * stays as a RETIRED(tag) line and travels as nil. Read-only tables; any thread.
 */
#ifndef SP_PROTO_SCHEMA_H
#define SP_PROTO_SCHEMA_H

#include "proto/enums.h"
#include "proto/types.h"

/* K(KIND, c_type). Wire: integers, or text for NAME and TEXT; lists are arrays. */
#define SP_SCALAR_KIND_MAP(K)                                                                      \
    K(PX, sp_px)                                                                                   \
    K(QTY, sp_qty)                                                                                 \
    K(AMT, sp_amt)                                                                                 \
    K(RATIO, sp_ratio)                                                                             \
    K(WALL, sp_wall)                                                                               \
    K(MONO, sp_mono)                                                                               \
    K(DUR, sp_dur)                                                                                 \
    K(NAME, sp_name)                                                                               \
    K(TEXT, sp_text)                                                                               \
    K(BOOL, bool)                                                                                  \
    K(U32, uint32_t)                                                                               \
    K(U64, uint64_t)                                                                               \
    K(I64, int64_t)                                                                                \
    K(LEVELS, sp_levels)                                                                           \
    K(FACTS, sp_facts)                                                                             \
    K(MARKS, sp_marks)

/* clang-format off */
enum sp_field_kind {
    SP_KIND_RETIRED, /* travels as nil, has no place in the struct */
#define K(kind, type) SP_KIND_##kind,
    SP_SCALAR_KIND_MAP(K)
#undef K
    SP_KIND_ID_FIRST,
#define I(tag, TAG, doc) SP_KIND_##TAG##_ID,
    SP_ID_MAP(I)
#undef I
    SP_KIND_IDS_FIRST,
#define I(tag, TAG, doc) SP_KIND_##TAG##_IDS,
    SP_ID_MAP(I)
#undef I
    SP_KIND_ENUM_FIRST,
#define E(tag, TAG) SP_KIND_##TAG,
    SP_ENUM_MAP(E)
#undef E
    SP_KIND_COUNT
};
/* clang-format on */

enum sp_field_flag {
    SP_F_REQUIRED = 1 << 0, /* must not be the empty value */
    SP_F_POSITIVE = 1 << 1, /* must be > 0 where present */
    SP_F_NONNEG = 1 << 2,   /* must be >= 0 */
    SP_F_KEY = 1 << 3       /* idempotency key */
};

struct sp_field {
    const char *name;
    enum sp_field_kind kind;
    uint16_t tag;    /* position + 1 on the wire: never reused, never renumbered */
    uint16_t offset; /* in the C struct */
    uint32_t flags;
    const char *doc;
};

struct sp_schema {
    const char *name;
    uint16_t size;        /* of the C struct, bytes */
    uint16_t field_count; /* rows in fields = elements on the wire; row i has tag i + 1 */
    const struct sp_field *fields;
};

static inline bool sp_kind_is_enum(enum sp_field_kind kind)
{
    return kind > SP_KIND_ENUM_FIRST;
}
static inline bool sp_kind_is_ids(enum sp_field_kind kind)
{
    return kind > SP_KIND_IDS_FIRST && kind < SP_KIND_ENUM_FIRST;
}
static inline bool sp_kind_is_id(enum sp_field_kind kind)
{
    return kind > SP_KIND_ID_FIRST && kind < SP_KIND_IDS_FIRST;
}

#endif
