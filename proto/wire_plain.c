/* DTOs of plain numbers only, as a market's are, in straight lines of code that the compiler makes
 * of their tables: a walk of a table asks for each field what is known here beforehand.
 */
#include "proto/wire_plain.h"

#include "proto/decimal.h"

/* Not above this, a number breaks no rule of its kind. */
static const uint64_t max_of[SP_KIND_COUNT] = {[SP_KIND_PX] = INT64_MAX,
                                               [SP_KIND_QTY] = INT64_MAX,
                                               [SP_KIND_AMT] = INT64_MAX,
                                               [SP_KIND_RATIO] = INT64_MAX,
                                               [SP_KIND_WALL] = SP_WALL_NS_MAX,
                                               [SP_KIND_MONO] = INT64_MAX,
                                               [SP_KIND_DUR] = INT64_MAX,
                                               [SP_KIND_U32] = UINT32_MAX,
                                               [SP_KIND_U64] = INT64_MAX,
                                               [SP_KIND_I64] = INT64_MAX,
#define E(tag, TAG) [SP_KIND_##TAG] = SP_##TAG##_COUNT - 1,
                                               SP_ENUM_MAP(E)
#undef E
};

#define BIT(kind) (UINT64_C(1) << SP_KIND_##kind)
#define SCALARS                                                                                    \
    (BIT(PX) | BIT(QTY) | BIT(AMT) | BIT(RATIO) | BIT(WALL) | BIT(MONO) | BIT(DUR) | BIT(U32) |    \
     BIT(U64) | BIT(I64))
_Static_assert((int)SP_KIND_ID_FIRST < 64, "a bit for each scalar kind");

/* Constant expressions: whether fields of the kind are plain numbers, and whether zero breaks a
 * rule of a field with these flags. */
#define IS_PLAIN(kind)                                                                             \
    ((int)(kind) > (int)SP_KIND_ENUM_FIRST ||                                                      \
     ((int)(kind) < (int)SP_KIND_ID_FIRST && (SCALARS >> ((kind) % 64) & 1) != 0))
#define IS_OWED(flags) (((flags) & (SP_F_REQUIRED | SP_F_POSITIVE)) != 0)

/* A field as it is stored, in 1, 4 or 8 bytes. */
static inline bool load(const void *from, size_t size, uint64_t *out)
{
    uint32_t half = 0;

    *out = 0;
    switch (size) {
    case sizeof(uint8_t): *out = *(const uint8_t *)from; return true;
    case sizeof half:
        memcpy(&half, from, sizeof half);
        *out = half;
        return true;
    case sizeof *out: memcpy(out, from, sizeof *out); return true;
    default: return false;
    }
}

static inline bool store(uint64_t value, void *to, size_t size)
{
    uint32_t half = (uint32_t)value;

    switch (size) {
    case sizeof(uint8_t): *(uint8_t *)to = (uint8_t)value; return true;
    case sizeof half: memcpy(to, &half, sizeof half); return true;
    case sizeof value: memcpy(to, &value, sizeof value); return true;
    default: return false;
    }
}

/* clang-format off */
/* One function per DTO; returns what is behind the body. */
#define DTO_BEGIN(dto)                                                                             \
    static uint8_t *put_##dto(const void *body, uint8_t *at)                                       \
    {                                                                                              \
        const struct sp_##dto *from = body;                                                        \
        uint64_t value = 0;
#define FIELD(tag_, type_, name_, kind_, flags_, doc_)                                             \
        if (!load(&from->name_, sizeof from->name_, &value)) return NULL;                          \
        if (value > max_of[SP_KIND_##kind_]) return NULL;                                          \
        at = sp_wire_put_plain(at, value);
#define RETIRED(tag_)
#define DTO_END(dto)                                                                               \
        return at;                                                                                 \
    }
#include "proto/messages.def"
#undef FIELD
#undef DTO_BEGIN
#undef DTO_END

#define DTO_BEGIN(dto)                                                                             \
    static const uint8_t *take_##dto(const uint8_t *at, const uint8_t *end, void *body)            \
    {                                                                                              \
        struct sp_##dto *to = body;                                                                \
        uint64_t value = 0;                                                                        \
        memset(to, 0, sizeof *to);
#define FIELD(tag_, type_, name_, kind_, flags_, doc_)                                             \
        if (!sp_wire_take_plain(&at, end, max_of[SP_KIND_##kind_], &value)) return NULL;           \
        if (IS_OWED(flags_) && value == 0) return NULL;                                            \
        if (!store(value, &to->name_, sizeof to->name_)) return NULL;
#define DTO_END(dto)                                                                               \
        return at;                                                                                 \
    }
#include "proto/messages.def"
#undef FIELD
#undef RETIRED
#undef DTO_BEGIN
#undef DTO_END

/* NULL for a DTO with any other field. */
#define FIELD(tag_, type_, name_, kind_, flags_, doc_) && IS_PLAIN(SP_KIND_##kind_)
#define RETIRED(tag_) && false
#define DTO_BEGIN(dto) [SP_DTO_##dto] = (true
#define DTO_END(dto) ) ? put_##dto : NULL,
static uint8_t *(*const putters[SP_DTO_COUNT])(const void *, uint8_t *) = {
#include "proto/messages.def"
};
#undef DTO_END
#define DTO_END(dto) ) ? take_##dto : NULL,
static const uint8_t *(*const takers[SP_DTO_COUNT])(const uint8_t *, const uint8_t *, void *) = {
#include "proto/messages.def"
};
#undef FIELD
#undef RETIRED
#undef DTO_BEGIN
#undef DTO_END
/* clang-format on */

uint8_t *sp_wire_plain_put(enum sp_dto dto, const void *body, uint8_t *at)
{
    return putters[dto] != NULL ? putters[dto](body, at) : NULL;
}

const uint8_t *sp_wire_plain_take(enum sp_dto dto, const uint8_t *at, const uint8_t *end,
                                  void *body)
{
    return takers[dto] != NULL ? takers[dto](at, end, body) : NULL;
}
