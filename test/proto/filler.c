#include "filler.h"

#include "proto/form.h"

#include <stdio.h>

/* A small generator of our own: the values must not change with a library. */
static uint64_t next(uint64_t *state)
{
    uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);

    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* 1 to `bits` bits long, so that every length on the wire occurs. Never zero. */
static uint64_t next_bits(uint64_t *state, unsigned bits)
{
    uint64_t x = next(state);
    unsigned keep = 1 + (unsigned)(next(state) % bits);
    uint64_t value = x >> (64 - keep);

    return value != 0 ? value : 1;
}

static sp_name next_name(uint64_t *state, const char *stem)
{
    sp_name name;
    char text[SP_NAME_SIZE];

    unsigned number = (unsigned)(next(state) % 1000000);
    char letter = (char)('A' + next(state) % 26);
    snprintf(text, sizeof text, "%.20s-%u.%c_", stem, number, letter);
    SP_ASSERT(sp_name_set(&name, text));
    return name;
}

static sp_text next_text(uint64_t *state, const char *stem)
{
    sp_text text;

    memset(&text, 0, sizeof text);
    sp_text_printf(&text, "%s \"%u\" \\ / \n\t\x01\x7f \xc2\xa7 \xe2\x82\xac \xf0\x9f\x90\xbe",
                   stem, (unsigned)(next(state) % 1000));
    return text;
}

static struct sp_id next_id(uint64_t *state)
{
    uint64_t hi = next(state);

    return (struct sp_id){.hi = hi, .lo = next(state)};
}

static void fill_number(const struct sp_field *field, uint64_t *state, void *at)
{
    bool is_time = field->kind == SP_KIND_WALL || field->kind == SP_KIND_MONO;
    int64_t value = (int64_t)next_bits(state, 62);
    bool may_be_negative = (field->flags & (SP_F_POSITIVE | SP_F_NONNEG)) == 0 &&
                           field->kind != SP_KIND_QTY && !is_time;

    if (may_be_negative && next(state) % 2 == 0) value = -value;
    memcpy(at, &value, sizeof value);
}

static void fill_list(const struct sp_field *field, uint64_t *state, void *at)
{
    struct sp_form_ids *ids = at;
    sp_levels *levels = at;
    sp_facts *facts = at;
    sp_marks *marks = at;

    if (sp_form_of(field) == SP_FORM_IDS) {
        ids->count = 1 + (uint32_t)(next(state) % SP_IDS_MAX);
        for (uint32_t i = 0; i < ids->count; i++)
            ids->at[i] = next_id(state);
    } else if (sp_form_of(field) == SP_FORM_LEVELS) {
        levels->count = 1 + (uint32_t)(next(state) % 4);
        for (uint32_t i = 0; i < levels->count; i++) {
            levels->at[i].px.e8 = (int64_t)next_bits(state, 50);
            levels->at[i].qty.e8 = i == 0 ? 0 : (int64_t)next_bits(state, 50);
        }
    } else if (sp_form_of(field) == SP_FORM_FACTS) {
        facts->count = 1 + (uint32_t)(next(state) % 4);
        for (uint32_t i = 0; i < facts->count; i++) {
            facts->at[i].name = next_name(state, "fact");
            facts->at[i].value = i == 1 ? sp_name_of("-0.5") : next_name(state, "");
        }
    } else {
        marks->count = 1 + (uint32_t)(next(state) % 3);
        for (uint32_t i = 0; i < marks->count; i++) {
            marks->at[i].stream = next_name(state, "md.paper");
            marks->at[i].epoch = (uint32_t)next_bits(state, 32);
            marks->at[i].seq = next_bits(state, 64);
            marks->at[i].durable_seq = next_bits(state, 64);
        }
    }
}

static void fill_field(const struct sp_field *field, uint64_t *state, void *at)
{
    uint64_t number = 0;

    switch (sp_form_of(field)) {
    case SP_FORM_RETIRED: break;
    case SP_FORM_E8:
    case SP_FORM_WALL:
    case SP_FORM_MONO:
    case SP_FORM_DUR:
    case SP_FORM_I64: fill_number(field, state, at); break;
    case SP_FORM_U64:
        number = next_bits(state, 64);
        memcpy(at, &number, 8);
        break;
    case SP_FORM_U32: *(uint32_t *)at = (uint32_t)next_bits(state, 32); break;
    case SP_FORM_BOOL: *(bool *)at = true; break;
    case SP_FORM_ENUM:
        number = next(state) % (sp_enum_count(sp_form_enum(field)) - 1U);
        *(uint8_t *)at = (uint8_t)(1 + number);
        break;
    case SP_FORM_NAME: *(sp_name *)at = next_name(state, field->name); break;
    case SP_FORM_TEXT: *(sp_text *)at = next_text(state, field->name); break;
    case SP_FORM_ID: *(struct sp_id *)at = next_id(state); break;
    case SP_FORM_IDS:
    case SP_FORM_LEVELS:
    case SP_FORM_FACTS:
    case SP_FORM_MARKS: fill_list(field, state, at); break;
    }
}

void sp_filler_fill(const struct sp_schema *schema, uint64_t seed, void *dto)
{
    memset(dto, 0, schema->size);
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct sp_field *field = &schema->fields[i];
        uint64_t state = seed * 1000 + field->tag; /* a new field changes no other one */
        fill_field(field, &state, (char *)dto + field->offset);
    }
}

void sp_filler_record(enum sp_kind kind, uint64_t seed, struct sp_record *out)
{
    uint64_t state = seed * 1000 + 999;
    const struct sp_kind_info *info = sp_kind_info(kind);

    SP_ASSERT(info != NULL);
    memset(out, 0, sizeof *out);
    out->stream = next_name(&state, "strategy");
    out->epoch = (uint32_t)next_bits(&state, 32);
    out->seq = next_bits(&state, 64);
    out->time.ns = (int64_t)next_bits(&state, 62);
    out->kind = kind;
    out->by_count = (uint32_t)(next(&state) % 3);
    for (uint32_t i = 0; i < out->by_count; i++) {
        out->by[i].stream = next_name(&state, "md.paper");
        out->by[i].epoch = (uint32_t)next_bits(&state, 32);
        out->by[i].seq = next_bits(&state, 64);
    }
    sp_filler_fill(sp_schema_of(info->dto), seed, &out->body);
}

enum sp_kind sp_filler_kind_of(enum sp_dto dto)
{
    for (uint32_t kind = 1; kind <= SP_KIND_NUMBER_MAX; kind++) {
        const struct sp_kind_info *info = sp_kind_info(kind);
        if (info != NULL && info->dto == dto) return (enum sp_kind)kind;
    }
    return SP_REC_NONE;
}
