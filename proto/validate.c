#include "proto/decimal.h"
#include "proto/form.h"

#include <stdio.h>

_Static_assert(sizeof(struct sp_form_ids) == sizeof(sp_trd_ids), "one layout for all id lists");
_Static_assert(offsetof(struct sp_form_ids, at) == offsetof(sp_trd_ids, at), "same offsets");
_Static_assert((int)SP_KIND_SIDE - (int)SP_KIND_ENUM_FIRST - 1 == (int)SP_ENUM_SIDE, "one order");
_Static_assert((int)SP_KIND_OPP_ID - (int)SP_KIND_ID_FIRST - 1 == (int)SP_ID_OPP, "one order");

const uint8_t sp_forms[SP_KIND_COUNT] = {[SP_KIND_RETIRED] = SP_FORM_RETIRED,
                                         [SP_KIND_PX] = SP_FORM_E8,
                                         [SP_KIND_QTY] = SP_FORM_E8,
                                         [SP_KIND_AMT] = SP_FORM_E8,
                                         [SP_KIND_RATIO] = SP_FORM_E8,
                                         [SP_KIND_WALL] = SP_FORM_WALL,
                                         [SP_KIND_MONO] = SP_FORM_MONO,
                                         [SP_KIND_DUR] = SP_FORM_DUR,
                                         [SP_KIND_NAME] = SP_FORM_NAME,
                                         [SP_KIND_TEXT] = SP_FORM_TEXT,
                                         [SP_KIND_BOOL] = SP_FORM_BOOL,
                                         [SP_KIND_U32] = SP_FORM_U32,
                                         [SP_KIND_U64] = SP_FORM_U64,
                                         [SP_KIND_I64] = SP_FORM_I64,
                                         [SP_KIND_LEVELS] = SP_FORM_LEVELS,
                                         [SP_KIND_FACTS] = SP_FORM_FACTS,
                                         [SP_KIND_MARKS] = SP_FORM_MARKS,
#define I(tag, TAG, doc) [SP_KIND_##TAG##_ID] = SP_FORM_ID, [SP_KIND_##TAG##_IDS] = SP_FORM_IDS,
                                         SP_ID_MAP(I)
#undef I
#define E(tag, TAG) [SP_KIND_##TAG] = SP_FORM_ENUM,
                                             SP_ENUM_MAP(E)
#undef E
};

/* The field under check, so that every rule can name it. */
struct check {
    const char *dto;
    const struct sp_field *field;
    struct sp_err *err;
};

#define BREAKS(check, status, fmt, ...)                                                            \
    SP_FAIL((check)->err, (status), "%s.%s: " fmt, (check)->dto, (check)->field->name, __VA_ARGS__)

static sp_status check_name(const struct check *check, const sp_name *name, const char *what)
{
    sp_name copy;
    const char *end = memchr(name->s, '\0', sizeof name->s);

    if (end == NULL) return BREAKS(check, SP_INVALID, "%s does not end", what);
    if (!sp_name_set_n(&copy, name->s, (size_t)(end - name->s))) {
        return BREAKS(check, SP_INVALID, "%s may hold only A-Z a-z 0-9 . _ -", what);
    }
    return SP_OK;
}

static sp_status check_text(const struct check *check, const sp_text *text)
{
    sp_text copy;
    const char *end = memchr(text->s, '\0', sizeof text->s);

    if (end == NULL) return BREAKS(check, SP_INVALID, "%s does not end", "text");
    if (!sp_text_set_n(&copy, text->s, (size_t)(end - text->s))) {
        return BREAKS(check, SP_INVALID, "%s", "must be UTF-8");
    }
    return SP_OK;
}

static sp_status check_count(const struct check *check, uint32_t count, uint32_t max)
{
    if (count <= max) return SP_OK;
    return BREAKS(check, SP_RANGE, "at most %" PRIu32 " items, has %" PRIu32, max, count);
}

static sp_status check_levels(const struct check *check, const sp_levels *levels)
{
    char text[SP_E8_TEXT_SIZE];

    sp_status status = check_count(check, levels->count, SP_LEVELS_MAX);
    for (uint32_t i = 0; status == SP_OK && i < levels->count; i++) {
        if (levels->at[i].px.e8 <= 0) {
            status = BREAKS(check, SP_RANGE, "price %" PRIu32 " must be > 0, is %s", i,
                            sp_e8_format(levels->at[i].px.e8, text));
        } else if (levels->at[i].qty.e8 < 0) {
            status = BREAKS(check, SP_RANGE, "quantity %" PRIu32 " must be >= 0, is %s", i,
                            sp_e8_format(levels->at[i].qty.e8, text));
        }
    }
    return status;
}

/* Names must differ, because in JSON they are the keys of one object. */
static sp_status check_facts(const struct check *check, const sp_facts *facts)
{
    sp_status status = check_count(check, facts->count, SP_FACTS_MAX);

    for (uint32_t i = 0; status == SP_OK && i < facts->count; i++) {
        const struct sp_fact *fact = &facts->at[i];
        status = check_name(check, &fact->name, "a name");
        if (status == SP_OK) status = check_name(check, &fact->value, "a value");
        if (status == SP_OK && sp_name_is_empty(&fact->name)) {
            status = BREAKS(check, SP_INVALID, "name %" PRIu32 " is empty", i);
        }
        for (uint32_t j = 0; status == SP_OK && j < i; j++) {
            if (!sp_name_eq(&facts->at[j].name, &fact->name)) continue;
            status = BREAKS(check, SP_INVALID, "\"%s\" appears twice", fact->name.s);
        }
    }
    return status;
}

static sp_status check_marks(const struct check *check, const sp_marks *marks)
{
    sp_status status = check_count(check, marks->count, SP_MARKS_MAX);

    for (uint32_t i = 0; status == SP_OK && i < marks->count; i++) {
        status = check_name(check, &marks->at[i].stream, "a stream");
        if (status == SP_OK && sp_name_is_empty(&marks->at[i].stream)) {
            status = BREAKS(check, SP_INVALID, "stream %" PRIu32 " is empty", i);
        }
    }
    return status;
}

static sp_status check_ids(const struct check *check, const struct sp_form_ids *ids)
{
    sp_status status = check_count(check, ids->count, SP_IDS_MAX);

    for (uint32_t i = 0; status == SP_OK && i < ids->count; i++) {
        if (ids->at[i].hi == 0 && ids->at[i].lo == 0) {
            status = BREAKS(check, SP_INVALID, "id %" PRIu32 " is empty", i);
        }
    }
    return status;
}

/* Fixed point is shown as people write it, everything else as it is stored. */
static const char *number_text(enum sp_form form, int64_t value, char buf[SP_E8_TEXT_SIZE])
{
    if (form == SP_FORM_E8) return sp_e8_format(value, buf);
    snprintf(buf, SP_E8_TEXT_SIZE, "%" PRId64, value);
    return buf;
}

static sp_status check_number(const struct check *check, enum sp_form form, int64_t value)
{
    const struct sp_field *field = check->field;
    char text[SP_E8_TEXT_SIZE];
    bool is_time = form == SP_FORM_WALL || form == SP_FORM_MONO;

    if ((field->flags & SP_F_POSITIVE) != 0 && value < 0) {
        return BREAKS(check, SP_RANGE, "must be > 0, is %s", number_text(form, value, text));
    }
    bool nonneg = (field->flags & SP_F_NONNEG) != 0 || field->kind == SP_KIND_QTY || is_time;
    if (nonneg && value < 0) {
        return BREAKS(check, SP_RANGE, "must be >= 0, is %s", number_text(form, value, text));
    }
    if (form == SP_FORM_WALL && value > SP_WALL_NS_MAX) {
        return BREAKS(check, SP_RANGE, "must be before the year %d", 2262);
    }
    return SP_OK;
}

static sp_status check_enum(const struct check *check, uint8_t value)
{
    if (value < sp_enum_count(sp_form_enum(check->field))) return SP_OK;
    return BREAKS(check, SP_RANGE, "%u is not one of its values", value);
}

static sp_status check_field(const struct check *check, const void *at)
{
    enum sp_form form = sp_form_of(check->field);
    int64_t number = 0;
    uint8_t byte = 0;

    switch (form) {
    case SP_FORM_E8:
    case SP_FORM_WALL:
    case SP_FORM_MONO:
    case SP_FORM_DUR:
    case SP_FORM_I64: memcpy(&number, at, sizeof number); return check_number(check, form, number);
    case SP_FORM_BOOL:
        memcpy(&byte, at, 1);
        return byte <= 1 ? SP_OK : BREAKS(check, SP_RANGE, "%u is neither true nor false", byte);
    case SP_FORM_ENUM: memcpy(&byte, at, 1); return check_enum(check, byte);
    case SP_FORM_NAME: return check_name(check, at, "name");
    case SP_FORM_TEXT: return check_text(check, at);
    case SP_FORM_IDS: return check_ids(check, at);
    case SP_FORM_LEVELS: return check_levels(check, at);
    case SP_FORM_FACTS: return check_facts(check, at);
    case SP_FORM_MARKS: return check_marks(check, at);
    case SP_FORM_RETIRED:
    case SP_FORM_U64:
    case SP_FORM_U32:
    case SP_FORM_ID: break; /* every value is valid */
    }
    return SP_OK;
}

/* Most values are numbers above zero: they are not empty, and only times have a bound above. */
static inline bool is_plainly_valid(const struct sp_field *field, const void *dto)
{
    enum sp_form form = sp_form_of(field);
    int64_t number = 0;

    if (form < SP_FORM_E8 || form > SP_FORM_I64 || form == SP_FORM_WALL) return false;
    memcpy(&number, sp_form_at(field, dto), sizeof number);
    return number > 0;
}

sp_status sp_validate(const struct sp_schema *schema, const void *dto, struct sp_err *err)
{
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct sp_field *field = &schema->fields[i];
        struct check check = {.dto = schema->name, .field = field, .err = err};

        if (is_plainly_valid(field, dto)) continue;
        if (sp_field_is_empty(field, dto)) {
            if ((field->flags & SP_F_REQUIRED) == 0) continue;
            return BREAKS(&check, SP_MISSING, "%s", "required, is missing");
        }
        sp_status status = check_field(&check, sp_form_at(field, dto));
        if (status != SP_OK) return status;
    }
    return SP_OK;
}

bool sp_field_is_empty(const struct sp_field *field, const void *dto)
{
    const void *at = sp_form_at(field, dto);
    uint64_t words[2] = {0, 0};

    switch (sp_form_of(field)) {
    case SP_FORM_RETIRED: return true;
    case SP_FORM_E8:
    case SP_FORM_WALL:
    case SP_FORM_MONO:
    case SP_FORM_DUR:
    case SP_FORM_I64:
    case SP_FORM_U64: memcpy(words, at, 8); break;
    case SP_FORM_U32: /* and the lists, which begin with their count */
    case SP_FORM_IDS:
    case SP_FORM_LEVELS:
    case SP_FORM_FACTS:
    case SP_FORM_MARKS: memcpy(words, at, 4); break;
    case SP_FORM_BOOL:
    case SP_FORM_ENUM:
    case SP_FORM_NAME: /* text is empty where it begins with its end */
    case SP_FORM_TEXT: memcpy(words, at, 1); break;
    case SP_FORM_ID: memcpy(words, at, 16); break;
    }
    return words[0] == 0 && words[1] == 0;
}

static bool levels_equal(const sp_levels *a, const sp_levels *b)
{
    bool equal = a->count == b->count;

    for (uint32_t i = 0; equal && i < a->count; i++) {
        equal = a->at[i].px.e8 == b->at[i].px.e8 && a->at[i].qty.e8 == b->at[i].qty.e8;
    }
    return equal;
}

static bool facts_equal(const sp_facts *a, const sp_facts *b)
{
    bool equal = a->count == b->count;

    for (uint32_t i = 0; equal && i < a->count; i++) {
        equal = sp_name_eq(&a->at[i].name, &b->at[i].name) &&
                sp_name_eq(&a->at[i].value, &b->at[i].value);
    }
    return equal;
}

static bool marks_equal(const sp_marks *a, const sp_marks *b)
{
    bool equal = a->count == b->count;

    for (uint32_t i = 0; equal && i < a->count; i++) {
        equal = sp_name_eq(&a->at[i].stream, &b->at[i].stream) &&
                a->at[i].epoch == b->at[i].epoch && a->at[i].seq == b->at[i].seq &&
                a->at[i].durable_seq == b->at[i].durable_seq;
    }
    return equal;
}

static bool ids_equal(const struct sp_form_ids *a, const struct sp_form_ids *b)
{
    bool equal = a->count == b->count;

    for (uint32_t i = 0; equal && i < a->count; i++) {
        equal = a->at[i].hi == b->at[i].hi && a->at[i].lo == b->at[i].lo;
    }
    return equal;
}

static bool field_equal(const struct sp_field *field, const void *a, const void *b)
{
    switch (sp_form_of(field)) {
    case SP_FORM_RETIRED: return true;
    case SP_FORM_E8:
    case SP_FORM_WALL:
    case SP_FORM_MONO:
    case SP_FORM_DUR:
    case SP_FORM_I64:
    case SP_FORM_U64: return memcmp(a, b, 8) == 0;
    case SP_FORM_U32: return memcmp(a, b, 4) == 0;
    case SP_FORM_BOOL:
    case SP_FORM_ENUM: return memcmp(a, b, 1) == 0;
    case SP_FORM_ID: return memcmp(a, b, 16) == 0;
    case SP_FORM_NAME: return strncmp(a, b, SP_NAME_SIZE) == 0;
    case SP_FORM_TEXT: return strncmp(a, b, SP_TEXT_SIZE) == 0;
    case SP_FORM_IDS: return ids_equal(a, b);
    case SP_FORM_LEVELS: return levels_equal(a, b);
    case SP_FORM_FACTS: return facts_equal(a, b);
    case SP_FORM_MARKS: return marks_equal(a, b);
    }
    return false;
}

bool sp_dto_equal(const struct sp_schema *schema, const void *a, const void *b)
{
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct sp_field *field = &schema->fields[i];
        if (!field_equal(field, sp_form_at(field, a), sp_form_at(field, b))) return false;
    }
    return true;
}
