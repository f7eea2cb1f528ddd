/* A record: one fact of a stream, or one message between processes. What the journal stores as a
 * JSON line and the bus carries as one msgpack frame. Any thread.
 */
#ifndef SP_PROTO_RECORD_H
#define SP_PROTO_RECORD_H

#include "proto/messages.h"

#define SP_CAUSES_MAX 8

/* clang-format off */
enum sp_kind {
    SP_REC_NONE = 0,
#define KIND(name, number, dto, writer, durability, cause) SP_REC_##name = (number),
#include "proto/kinds.def"
#undef KIND
    SP_KIND_NUMBER_MAX = 199
};
/* clang-format on */

enum sp_durability { SP_DURABLE_NONE, SP_DURABLE_LAZY, SP_DURABLE_SYNC };

struct sp_kind_info {
    const char *name;
    enum sp_dto dto;
    const char *writer; /* service that may write it, "*" any, "-" not a record */
    enum sp_durability durability;
    bool needs_cause;
};

/* Where a record stands: "strategy.ema/3:118". Empty stream: none. */
struct sp_ref {
    sp_name stream;
    uint32_t epoch;
    uint64_t seq;
};

struct sp_record {
    sp_name stream;
    uint32_t epoch;
    uint64_t seq;
    sp_wall time; /* market clock for market data and decisions; wall clock where there is none */
    enum sp_kind kind;
    uint32_t by_count;
    struct sp_ref by[SP_CAUSES_MAX]; /* causes */
    struct sp_ref in;                /* input this batch has consumed; on its last record only */
    union sp_body body;
};

/* NULL if the number is no kind. */
const struct sp_kind_info *sp_kind_info(uint32_t kind);
const char *sp_kind_name(uint32_t kind); /* "?" if it is none */
SP_NODISCARD bool sp_kind_parse(const char *name, size_t len_bytes, enum sp_kind *out);

#define SP_REF_TEXT_SIZE (SP_NAME_SIZE + 32)
/* "strategy.ema/3:118"; "" for none. Returns buf. */
const char *sp_ref_format(const struct sp_ref *ref, char buf[SP_REF_TEXT_SIZE]);
SP_NODISCARD bool sp_ref_parse(const char *text, size_t len_bytes, struct sp_ref *out);
static inline bool sp_ref_is_none(const struct sp_ref *ref)
{
    return ref->stream.s[0] == '\0';
}
bool sp_ref_eq(const struct sp_ref *a, const struct sp_ref *b);
struct sp_ref sp_record_ref(const struct sp_record *record);
/* Adds a cause unless it is none, already there, or the list is full (the first causes win). */
void sp_record_add_cause(struct sp_record *record, const struct sp_ref *cause);

#endif
