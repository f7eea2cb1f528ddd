/* How a field kind is stored and travels: the many kinds of schema.h folded into the few forms that
 * the validator and the codecs tell apart. Internal to proto. Any thread.
 */
#ifndef SP_PROTO_FORM_H
#define SP_PROTO_FORM_H

#include "proto/ids.h"
#include "proto/messages.h"

#include <string.h>

enum sp_form {
    SP_FORM_RETIRED, /* nothing is stored */
    SP_FORM_E8,      /* int64_t of 1e-8 */
    SP_FORM_WALL,    /* int64_t of ns since 1970 */
    SP_FORM_MONO,    /* int64_t of ns since boot */
    SP_FORM_DUR,     /* int64_t of ns */
    SP_FORM_I64,
    SP_FORM_U64,
    SP_FORM_U32,
    SP_FORM_BOOL,
    SP_FORM_ENUM, /* uint8_t */
    SP_FORM_NAME,
    SP_FORM_TEXT,
    SP_FORM_ID,
    SP_FORM_IDS, /* all sp_xxx_ids have the layout of struct sp_form_ids */
    SP_FORM_LEVELS,
    SP_FORM_FACTS,
    SP_FORM_MARKS
};

/* Any of the sp_xxx_ids types. */
struct sp_form_ids {
    uint32_t count;
    struct sp_id at[SP_IDS_MAX];
};

extern const uint8_t sp_forms[SP_KIND_COUNT]; /* an enum sp_form for each kind */

static inline enum sp_form sp_form_of(const struct sp_field *field)
{
    return (enum sp_form)sp_forms[field->kind];
}

/* Which enumeration an SP_FORM_ENUM field holds. */
static inline enum sp_enum sp_form_enum(const struct sp_field *field)
{
    return (enum sp_enum)(field->kind - SP_KIND_ENUM_FIRST - 1);
}

/* Which type of id an SP_FORM_ID or SP_FORM_IDS field holds. */
static inline enum sp_id_type sp_form_id_type(const struct sp_field *field)
{
    int first = sp_kind_is_ids(field->kind) ? SP_KIND_IDS_FIRST : SP_KIND_ID_FIRST;
    return (enum sp_id_type)((int)field->kind - first - 1);
}

static inline const void *sp_form_at(const struct sp_field *field, const void *dto)
{
    return (const char *)dto + field->offset;
}

#endif
