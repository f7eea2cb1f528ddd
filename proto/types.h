/* Value types shared by every process.
 *
 * Each quantity is its own struct, so that passing a price where a quantity is wanted does not
 * compile. Most are one machine word and are passed by value. All-zero bytes are the empty value
 * of every type, and text in a value is always NUL-terminated. Any thread.
 */
#ifndef SP_PROTO_TYPES_H
#define SP_PROTO_TYPES_H

#include "proto/status.h"

#include <inttypes.h>

/* One unit of every fixed-point type is 1e-8 of the named thing. */
#define SP_FX_ONE INT64_C(100000000)

#define SP_NAME_SIZE  40
#define SP_TEXT_SIZE  160
#define SP_LEVELS_MAX 64
#define SP_FACTS_MAX  12
#define SP_IDS_MAX    4
#define SP_MARKS_MAX  16

/* clang-format off */
typedef struct sp_px { int64_t e8; } sp_px;       /* quote currency per base unit */
typedef struct sp_qty { int64_t e8; } sp_qty;     /* base units; never negative on the wire */
typedef struct sp_amt { int64_t e8; } sp_amt;     /* an amount of one asset; signed */
typedef struct sp_ratio { int64_t e8; } sp_ratio; /* a plain number: 0.01 is one percent */

typedef struct sp_wall { int64_t ns; } sp_wall; /* since 1970-01-01 UTC */
typedef struct sp_mono { int64_t ns; } sp_mono; /* since boot; one host only */
typedef struct sp_dur { int64_t ns; } sp_dur;   /* a length of time; may be negative */

typedef struct sp_name { char s[SP_NAME_SIZE]; } sp_name; /* [A-Za-z0-9._-], an identifier */
typedef struct sp_text { char s[SP_TEXT_SIZE]; } sp_text; /* UTF-8 for a person to read */

/* One price level of a book. */
struct sp_level { sp_px px; sp_qty qty; };
typedef struct sp_levels { uint32_t count; struct sp_level at[SP_LEVELS_MAX]; } sp_levels;

/* What a rule read: name and value as decimal text. */
struct sp_fact { sp_name name; sp_name value; };
typedef struct sp_facts { uint32_t count; struct sp_fact at[SP_FACTS_MAX]; } sp_facts;

/* Where a stream stands. */
struct sp_mark { sp_name stream; uint32_t epoch; uint64_t seq; uint64_t durable_seq; };
typedef struct sp_marks { uint32_t count; struct sp_mark at[SP_MARKS_MAX]; } sp_marks;
/* clang-format on */

/* Typed ids: 16 bytes, ordered by time, deterministic (proto/ids.h). All zero is "none". */
#define SP_ID_MAP(I)                                                                               \
    I(opp, OPP, "why opened: an opportunity")                                                      \
    I(thr, THR, "why closed, changed or rejected: a threat")                                       \
    I(trd, TRD, "which trade")                                                                     \
    I(sch, SCH, "why now: a schedule")                                                             \
    I(pln, PLN, "a trade plan")                                                                    \
    I(ord, ORD, "an order")                                                                        \
    I(rec, REC, "a reconciliation")                                                                \
    I(cmd, CMD, "an operator command")

struct sp_id {
    uint64_t hi; /* 48 bits of milliseconds since 1970, then 16 bits of hash */
    uint64_t lo; /* 64 bits of hash */
};

/* clang-format off */
#define SP_DEFINE_ID(tag, TAG, doc)                                                                \
    typedef struct sp_##tag##_id { struct sp_id raw; } sp_##tag##_id;                              \
    typedef struct sp_##tag##_ids {                                                                \
        uint32_t count; sp_##tag##_id at[SP_IDS_MAX]; } sp_##tag##_ids;                            \
    static inline bool sp_##tag##_id_eq(sp_##tag##_id a, sp_##tag##_id b)                          \
    { return a.raw.hi == b.raw.hi && a.raw.lo == b.raw.lo; }                                       \
    static inline bool sp_##tag##_id_is_none(sp_##tag##_id a)                                      \
    { return a.raw.hi == 0 && a.raw.lo == 0; }
SP_ID_MAP(SP_DEFINE_ID)
#undef SP_DEFINE_ID
/* clang-format on */

/* Exact arithmetic: false if the result does not fit; *out is then untouched. Multiplication and
 * division round half away from zero. */
SP_NODISCARD bool sp_px_times_qty(sp_px px, sp_qty qty, sp_amt *out);
SP_NODISCARD bool sp_px_times_ratio(sp_px px, sp_ratio ratio, sp_px *out);
SP_NODISCARD bool sp_amt_times_ratio(sp_amt amt, sp_ratio ratio, sp_amt *out);
SP_NODISCARD bool sp_amt_div_px(sp_amt amt, sp_px px, sp_qty *out); /* rounds toward zero */
SP_NODISCARD bool sp_px_div_px(sp_px num, sp_px den, sp_ratio *out);
SP_NODISCARD bool sp_amt_div_amt(sp_amt num, sp_amt den, sp_ratio *out);
SP_NODISCARD bool sp_amt_add(sp_amt a, sp_amt b, sp_amt *out);
SP_NODISCARD bool sp_amt_sub(sp_amt a, sp_amt b, sp_amt *out);
SP_NODISCARD bool sp_qty_add(sp_qty a, sp_qty b, sp_qty *out);
SP_NODISCARD bool sp_qty_sub(sp_qty a, sp_qty b, sp_qty *out);
/* The largest multiple of `step` that is <= value; value itself if step is zero. Both >= 0. */
int64_t sp_e8_floor_to(int64_t value_e8, int64_t step_e8);

static inline sp_dur sp_mono_since(sp_mono now, sp_mono then)
{
    return (sp_dur){now.ns - then.ns};
}
static inline sp_dur sp_wall_since(sp_wall now, sp_wall then)
{
    return (sp_dur){now.ns - then.ns};
}

/* Copies a text into a value type. False, leaving *out untouched, if it does not fit or (for a
 * name) holds a character outside [A-Za-z0-9._-] or is not valid UTF-8 (for a text). */
SP_NODISCARD bool sp_name_set(sp_name *out, const char *text);
SP_NODISCARD bool sp_name_set_n(sp_name *out, const char *text, size_t len_bytes);
SP_NODISCARD bool sp_text_set_n(sp_text *out, const char *text, size_t len_bytes);
/* Formats into a text, cutting what does not fit (at a UTF-8 boundary): for people, not keys. */
void sp_text_printf(sp_text *out, const char *fmt, ...) SP_PRINTF(2, 3);
/* A name from a trusted literal; asserts that it fits. */
sp_name sp_name_of(const char *literal);
static inline bool sp_name_is_empty(const sp_name *name)
{
    return name->s[0] == '\0';
}
bool sp_name_eq(const sp_name *a, const sp_name *b);
bool sp_name_is(const sp_name *a, const char *text);

#endif
