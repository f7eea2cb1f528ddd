/* Typed ids: minting and text form. Deterministic and ordered by time. Any thread.
 *
 * An id is a hash of (type, installation, stream, epoch, sequence, n) under the millisecond of the
 * market clock at which it was minted, so a replay of the same inputs mints the same ids. Text is
 * the type's prefix and 26 lower-case base32 characters (Crockford's alphabet: no i, l, o, u).
 * Screens show the prefix and the last six characters.
 */
#ifndef SP_PROTO_IDS_H
#define SP_PROTO_IDS_H

#include "proto/types.h"

#define SP_ID_TEXT_SIZE  32 /* "trd_" + 26 + NUL, rounded up */
#define SP_ID_SHORT_SIZE 12 /* "trd_7k2mqd" + NUL, rounded up */

enum sp_id_type {
#define I(tag, TAG, doc) SP_ID_##TAG,
    SP_ID_MAP(I)
#undef I
        SP_ID_TYPE_COUNT
};

struct sp_id_source {
    const char *installation;
    const char *stream;
    uint32_t epoch;
    uint64_t seq; /* of the input, or of the record that first carries the id */
    uint32_t n;   /* tells ids minted from the same sequence apart */
    sp_wall time;
};

struct sp_id sp_id_mint(enum sp_id_type type, const struct sp_id_source *source);

const char *sp_id_prefix(enum sp_id_type type); /* "trd_" */
/* Whole text; "" for none. Returns buf. */
const char *sp_id_format(enum sp_id_type type, struct sp_id id, char buf[SP_ID_TEXT_SIZE]);
/* Prefix and last six characters; "" for none. Returns buf. */
const char *sp_id_short(enum sp_id_type type, struct sp_id id, char buf[SP_ID_SHORT_SIZE]);
/* The 26 characters without the prefix (for client order ids). Returns buf. */
const char *sp_id_digits(struct sp_id id, char buf[SP_ID_TEXT_SIZE]);
/* Parses the whole text form. False, leaving *out untouched, on any other text. */
SP_NODISCARD bool sp_id_parse(enum sp_id_type type, const char *text, size_t len_bytes,
                              struct sp_id *out);
/* Which type a text is of, by its prefix. */
SP_NODISCARD bool sp_id_type_of(const char *text, enum sp_id_type *out);

/* Four of the same digits that tell installations apart at a shared venue account: every client
 * order id of ours is "s", this code, and more. Returns buf. */
const char *sp_id_installation_code(const char *installation, char buf[5]);

/* sp_trd_id_mint(&source) and so on. */
#define SP_DEFINE_MINT(tag, TAG, doc)                                                              \
    static inline sp_##tag##_id sp_##tag##_id_mint(const struct sp_id_source *source)              \
    {                                                                                              \
        return (sp_##tag##_id){sp_id_mint(SP_ID_##TAG, source)};                                   \
    }                                                                                              \
    static inline const char *sp_##tag##_id_short(sp_##tag##_id id, char buf[SP_ID_SHORT_SIZE])    \
    {                                                                                              \
        return sp_id_short(SP_ID_##TAG, id.raw, buf);                                              \
    }                                                                                              \
    static inline const char *sp_##tag##_id_text(sp_##tag##_id id, char buf[SP_ID_TEXT_SIZE])      \
    {                                                                                              \
        return sp_id_format(SP_ID_##TAG, id.raw, buf);                                             \
    }
SP_ID_MAP(SP_DEFINE_MINT)
#undef SP_DEFINE_MINT

#endif
