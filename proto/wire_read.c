/* The reading half: a cursor of our own. msgpack-c's unpacker allocates a zone per message and,
 * before it has seen a single element, as much memory as an array claims to need (five bytes can
 * ask for gigabytes). The cursor copies straight into the record and allocates nothing. Only nil,
 * bool, integers, str, bin and arrays travel; maps, floats and extensions are refused wherever they
 * stand. An integer may come in any length: the value counts. wire_frame.c says
 * what is scanned before it is read here.
 */
#include "proto/wire_reader.h"

#include "proto/decimal.h"
#include "proto/form.h"
#include "proto/wire_plain.h"

#define ENVELOPE_FIELDS 7
#define ID_BYTES        16
#define REF_FIELDS      3
#define LEVEL_FIELDS    2
#define FACT_FIELDS     2
#define MARK_FIELDS     4

enum token_type {
    TOKEN_REFUSED, /* map, float, extension, or the one unused byte */
    TOKEN_NIL,
    TOKEN_BOOL,
    TOKEN_UINT,
    TOKEN_INT, /* only if it is negative */
    TOKEN_STR,
    TOKEN_BIN,
    TOKEN_ARRAY
};

struct token {
    enum token_type type;
    uint64_t value; /* the number (a negative one in two's complement), length or count */
};

#define FAILS SP_WIRE_FAIL

static sp_status cut_short(const struct sp_wire_reader *reader)
{
    return FAILS(reader, SP_TRUNCATED, "%s", "frame ends too early");
}

/* The first bytes 0xc0 to 0xdf: what follows, in how many bytes, signed or not. */
static const struct {
    uint8_t type;
    uint8_t width;
    bool is_signed;
} wide_tokens[32] = {
    [0x00] = {TOKEN_NIL, 0, false},   [0x02] = {TOKEN_BOOL, 0, false},
    [0x03] = {TOKEN_BOOL, 0, false},  [0x04] = {TOKEN_BIN, 1, false},
    [0x05] = {TOKEN_BIN, 2, false},   [0x06] = {TOKEN_BIN, 4, false},
    [0x0c] = {TOKEN_UINT, 1, false},  [0x0d] = {TOKEN_UINT, 2, false},
    [0x0e] = {TOKEN_UINT, 4, false},  [0x0f] = {TOKEN_UINT, 8, false},
    [0x10] = {TOKEN_UINT, 1, true},   [0x11] = {TOKEN_UINT, 2, true},
    [0x12] = {TOKEN_UINT, 4, true},   [0x13] = {TOKEN_UINT, 8, true},
    [0x19] = {TOKEN_STR, 1, false},   [0x1a] = {TOKEN_STR, 2, false},
    [0x1b] = {TOKEN_STR, 4, false},   [0x1c] = {TOKEN_ARRAY, 2, false},
    [0x1d] = {TOKEN_ARRAY, 4, false},
};

/* A big-endian number of at most 8 bytes. */
static uint64_t load(const uint8_t *at, unsigned width)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < width; i++)
        value = value << 8 | at[i];
    return value;
}

static sp_status read_wide(struct sp_wire_reader *reader, uint8_t first, struct token *out)
{
    unsigned row = first - 0xc0U;
    unsigned width = wide_tokens[row].width;

    if (width > sp_wire_left(reader)) return cut_short(reader);
    uint64_t value = load(reader->at, width);
    reader->at += width;
    out->type = (enum token_type)wide_tokens[row].type;
    out->value = out->type == TOKEN_BOOL ? first & 1U : value;
    if (wide_tokens[row].is_signed) {
        unsigned shift = 64 - 8 * width;
        int64_t number = (int64_t)(value << shift) >> shift;
        out->type = number < 0 ? TOKEN_INT : TOKEN_UINT;
        out->value = (uint64_t)number;
    }
    if (out->type == TOKEN_REFUSED) {
        return FAILS(reader, SP_TYPE, "byte %02x begins nothing that may travel", first);
    }
    return SP_OK;
}

/* Reads what stands before the bytes of a str or bin, or before the elements of an array. */
static inline sp_status read_token(struct sp_wire_reader *reader, struct token *out)
{
    if (reader->at == reader->end) return cut_short(reader);
    uint8_t first = *reader->at++;
    if (first < 0x80) {
        *out = (struct token){TOKEN_UINT, first};
    } else if (first >= 0xe0) {
        *out = (struct token){TOKEN_INT, (uint64_t)((int64_t)first - 256)};
    } else if (first >= 0xc0) {
        return read_wide(reader, first, out);
    } else if (first >= 0xa0) {
        *out = (struct token){TOKEN_STR, first & 31U};
    } else if (first >= 0x90) {
        *out = (struct token){TOKEN_ARRAY, first & 15U};
    } else {
        return FAILS(reader, SP_TYPE, "%s", "a map may not travel");
    }
    return SP_OK;
}

static sp_status get_any_uint(struct sp_wire_reader *reader, uint64_t max, uint64_t *out)
{
    struct token token;

    sp_status status = read_token(reader, &token);
    if (status != SP_OK) return status;
    if (token.type == TOKEN_INT) return FAILS(reader, SP_RANGE, "%s", "must not be negative");
    if (token.type != TOKEN_UINT) return FAILS(reader, SP_TYPE, "%s", "is no integer");
    if (token.value > max) {
        return FAILS(reader, SP_RANGE, "%" PRIu64 " is more than %" PRIu64, token.value, max);
    }
    *out = token.value;
    return SP_OK;
}

static inline sp_status get_uint(struct sp_wire_reader *reader, uint64_t max, uint64_t *out)
{
    if (sp_wire_take_plain(&reader->at, reader->end, max, out)) return SP_OK;
    return get_any_uint(reader, max, out);
}

static sp_status get_any_int(struct sp_wire_reader *reader, int64_t *out)
{
    struct token token;

    sp_status status = read_token(reader, &token);
    if (status != SP_OK) return status;
    if (token.type != TOKEN_UINT && token.type != TOKEN_INT) {
        return FAILS(reader, SP_TYPE, "%s", "is no integer");
    }
    if (token.type == TOKEN_UINT && token.value > INT64_MAX) {
        return FAILS(reader, SP_RANGE, "%" PRIu64 " does not fit", token.value);
    }
    *out = (int64_t)token.value;
    return SP_OK;
}

static inline sp_status get_int(struct sp_wire_reader *reader, int64_t *out)
{
    uint64_t value = 0;

    if (!sp_wire_take_plain(&reader->at, reader->end, INT64_MAX, &value))
        return get_any_int(reader, out);
    *out = (int64_t)value;
    return SP_OK;
}

static sp_status get_bool(struct sp_wire_reader *reader, void *out)
{
    struct token token;

    sp_status status = read_token(reader, &token);
    if (status != SP_OK) return status;
    if (token.type != TOKEN_BOOL) return FAILS(reader, SP_TYPE, "%s", "is neither true nor false");
    *(bool *)out = token.value != 0;
    return SP_OK;
}

/* An array of at most max elements. */
static sp_status get_count(struct sp_wire_reader *reader, uint32_t max, uint32_t *out)
{
    struct token token;

    sp_status status = read_token(reader, &token);
    if (status != SP_OK) return status;
    if (token.type != TOKEN_ARRAY) return FAILS(reader, SP_TYPE, "%s", "is no array");
    if (token.value > max) {
        return FAILS(reader, SP_TOO_LONG, "%" PRIu64 " items, at most %" PRIu32, token.value, max);
    }
    *out = (uint32_t)token.value;
    return SP_OK;
}

/* An array of exactly `count` elements. */
static sp_status get_tuple(struct sp_wire_reader *reader, uint32_t count)
{
    struct token token;

    sp_status status = read_token(reader, &token);
    if (status != SP_OK) return status;
    if (token.type == TOKEN_ARRAY && token.value == count) return SP_OK;
    return FAILS(reader, SP_TYPE, "is no array of %" PRIu32, count);
}

/* The bytes of a str or bin, of fewer than `size` bytes. They stay where they are. */
static sp_status get_bytes(struct sp_wire_reader *reader, enum token_type type, size_t size,
                           struct token *out)
{
    sp_status status = read_token(reader, out);
    if (status != SP_OK) return status;
    if (out->type != type) {
        return FAILS(reader, SP_TYPE, "is no %s", type == TOKEN_STR ? "text" : "id");
    }
    if (out->value >= size) {
        return FAILS(reader, SP_TOO_LONG, "%" PRIu64 " bytes, at most %zu", out->value, size - 1);
    }
    if (out->value > sp_wire_left(reader)) return cut_short(reader);
    reader->at += out->value;
    return SP_OK;
}

static sp_status get_name(struct sp_wire_reader *reader, sp_name *out)
{
    struct token token;

    sp_status status = get_bytes(reader, TOKEN_STR, sizeof out->s, &token);
    if (status != SP_OK) return status;
    const char *text = (const char *)reader->at - token.value;
    if (sp_name_set_n(out, text, token.value)) return SP_OK;
    return FAILS(reader, SP_INVALID, "%s", "may hold only A-Z a-z 0-9 . _ -");
}

static sp_status get_text(struct sp_wire_reader *reader, sp_text *out)
{
    struct token token;

    sp_status status = get_bytes(reader, TOKEN_STR, sizeof out->s, &token);
    if (status != SP_OK) return status;
    const char *text = (const char *)reader->at - token.value;
    if (sp_text_set_n(out, text, token.value)) return SP_OK;
    return FAILS(reader, SP_INVALID, "%s", "must be UTF-8 without NUL");
}

static sp_status get_id(struct sp_wire_reader *reader, struct sp_id *out)
{
    struct token token;

    sp_status status = get_bytes(reader, TOKEN_BIN, ID_BYTES + 1, &token);
    if (status != SP_OK) return status;
    if (token.value != ID_BYTES) return FAILS(reader, SP_TYPE, "%s", "an id is 16 bytes");
    const uint8_t *bytes = reader->at - ID_BYTES;
    struct sp_id id;
    id.hi = load(bytes, 8);
    id.lo = load(bytes + 8, 8);
    *out = id;
    return SP_OK;
}

static sp_status get_ids(struct sp_wire_reader *reader, struct sp_form_ids *out)
{
    uint32_t count = 0;

    sp_status status = get_count(reader, SP_IDS_MAX, &count);
    for (uint32_t i = 0; status == SP_OK && i < count; i++)
        status = get_id(reader, &out->at[i]);
    out->count = status == SP_OK ? count : 0;
    return status;
}

static sp_status get_levels(struct sp_wire_reader *reader, sp_levels *out)
{
    uint32_t count = 0;

    sp_status status = get_count(reader, SP_LEVELS_MAX, &count);
    for (uint32_t i = 0; status == SP_OK && i < count; i++) {
        status = get_tuple(reader, LEVEL_FIELDS);
        if (status == SP_OK) status = get_int(reader, &out->at[i].px.e8);
        if (status == SP_OK) status = get_int(reader, &out->at[i].qty.e8);
    }
    out->count = status == SP_OK ? count : 0;
    return status;
}

static sp_status get_facts(struct sp_wire_reader *reader, sp_facts *out)
{
    uint32_t count = 0;

    sp_status status = get_count(reader, SP_FACTS_MAX, &count);
    for (uint32_t i = 0; status == SP_OK && i < count; i++) {
        status = get_tuple(reader, FACT_FIELDS);
        if (status == SP_OK) status = get_name(reader, &out->at[i].name);
        if (status == SP_OK) status = get_name(reader, &out->at[i].value);
    }
    out->count = status == SP_OK ? count : 0;
    return status;
}

static sp_status get_marks(struct sp_wire_reader *reader, sp_marks *out)
{
    uint32_t count = 0;

    sp_status status = get_count(reader, SP_MARKS_MAX, &count);
    for (uint32_t i = 0; status == SP_OK && i < count; i++) {
        struct sp_mark *mark = &out->at[i];
        uint64_t epoch = 0;
        status = get_tuple(reader, MARK_FIELDS);
        if (status == SP_OK) status = get_name(reader, &mark->stream);
        if (status == SP_OK) status = get_uint(reader, UINT32_MAX, &epoch);
        if (status == SP_OK) status = get_uint(reader, UINT64_MAX, &mark->seq);
        if (status == SP_OK) status = get_uint(reader, UINT64_MAX, &mark->durable_seq);
        mark->epoch = (uint32_t)epoch;
    }
    out->count = status == SP_OK ? count : 0;
    return status;
}

static sp_status pass_over(struct sp_wire_reader *reader)
{
    return reader->unscanned ? SP_AGAIN : sp_wire_skip(reader);
}

static sp_status get_field(struct sp_wire_reader *reader, const struct sp_field *field, void *at)
{
    sp_status status = SP_OK;
    uint64_t number = 0;

    switch (sp_form_of(field)) {
    case SP_FORM_E8:
    case SP_FORM_WALL:
    case SP_FORM_MONO:
    case SP_FORM_DUR:
    case SP_FORM_I64: status = get_int(reader, at); break;
    case SP_FORM_U64: status = get_uint(reader, UINT64_MAX, at); break;
    case SP_FORM_U32:
        status = get_uint(reader, UINT32_MAX, &number);
        *(uint32_t *)at = (uint32_t)number;
        break;
    case SP_FORM_ENUM:
        status = get_uint(reader, UINT8_MAX, &number);
        *(uint8_t *)at = (uint8_t)number;
        break;
    case SP_FORM_BOOL: status = get_bool(reader, at); break;
    case SP_FORM_NAME: status = get_name(reader, at); break;
    case SP_FORM_TEXT: status = get_text(reader, at); break;
    case SP_FORM_ID: status = get_id(reader, at); break;
    case SP_FORM_IDS: status = get_ids(reader, at); break;
    case SP_FORM_LEVELS: status = get_levels(reader, at); break;
    case SP_FORM_FACTS: status = get_facts(reader, at); break;
    case SP_FORM_MARKS: status = get_marks(reader, at); break;
    case SP_FORM_RETIRED: status = pass_over(reader); break; /* an old writer may still fill it */
    }
    return status;
}

/* Everything before the kind, so that a frame of an unknown kind can still be counted. */
static sp_status get_head(struct sp_wire_reader *reader, struct sp_record *out)
{
    struct token array;
    uint64_t version = 0;
    uint64_t epoch = 0;

    reader->field = "envelope";
    sp_status status = read_token(reader, &array);
    if (status != SP_OK) return status;
    if (array.type != TOKEN_ARRAY) return FAILS(reader, SP_TYPE, "%s", "is no array");
    /* The next value would be another record's. */
    if (array.value == 0) return FAILS(reader, SP_TYPE, "%s", "is empty");
    reader->field = "version";
    status = get_uint(reader, UINT64_MAX, &version);
    if (status != SP_OK) return status;
    if (version != SP_WIRE_VERSION)
        return FAILS(reader, SP_VERSION, "%" PRIu64 ", only %d is read", version, SP_WIRE_VERSION);
    if (array.value != ENVELOPE_FIELDS) {
        return FAILS(reader, SP_TYPE, "an envelope has %d values", ENVELOPE_FIELDS);
    }
    reader->field = "epoch";
    status = get_uint(reader, UINT32_MAX, &epoch);
    out->epoch = (uint32_t)epoch;
    if (status != SP_OK) return status;
    reader->field = "seq";
    status = get_uint(reader, UINT64_MAX, &out->seq);
    if (status != SP_OK) return status;
    reader->field = "time";
    status = get_int(reader, &out->time.ns);
    if (status != SP_OK) return status;
    if (out->time.ns < 0 || out->time.ns > SP_WALL_NS_MAX) {
        return FAILS(reader, SP_RANGE, "%s", "must be in the years 1970 to 2261");
    }
    return SP_OK;
}

static sp_status get_causes(struct sp_wire_reader *reader, struct sp_record *out)
{
    uint32_t count = 0;

    reader->field = "by";
    sp_status status = get_count(reader, SP_CAUSES_MAX, &count);
    for (uint32_t i = 0; status == SP_OK && i < count; i++) {
        struct sp_ref *ref = &out->by[i];
        uint64_t epoch = 0;
        status = get_tuple(reader, REF_FIELDS);
        if (status == SP_OK) status = get_name(reader, &ref->stream);
        if (status == SP_OK && sp_ref_is_none(ref)) {
            status = FAILS(reader, SP_INVALID, "%s", "a cause without stream");
        }
        if (status == SP_OK) status = get_uint(reader, UINT32_MAX, &epoch);
        if (status == SP_OK) status = get_uint(reader, UINT64_MAX, &ref->seq);
        ref->epoch = (uint32_t)epoch;
    }
    out->by_count = status == SP_OK ? count : 0;
    return status;
}

/* A number above zero that is sure to keep every rule of its field: it is not empty, and has no
 * bound above, or is below it. False if this is none; nothing is read then. */
static inline bool take_valid(const uint8_t **from, const uint8_t *end,
                              const struct sp_field *field, void *at)
{
    static const bool unbounded[] = {
        [SP_FORM_E8] = true,  [SP_FORM_MONO] = true, [SP_FORM_DUR] = true,
        [SP_FORM_I64] = true, [SP_FORM_U64] = true,  [SP_FORM_MARKS] = false};
    enum sp_form form = sp_form_of(field);
    const uint8_t *before = *from;
    uint64_t max = INT64_MAX, value = 0;

    if (form == SP_FORM_ENUM) max = sp_enum_count(sp_form_enum(field)) - 1U;
    if (form != SP_FORM_ENUM && !unbounded[form]) return false;
    if (!sp_wire_take_plain(from, end, max, &value)) return false;
    if (value == 0) {
        *from = before;
        return false;
    }
    if (form == SP_FORM_ENUM) {
        *(uint8_t *)at = (uint8_t)value;
    } else {
        memcpy(at, &value, sizeof value);
    }
    return true;
}

static sp_status get_body(struct sp_wire_reader *reader, enum sp_dto dto, void *body)
{
    const struct sp_schema *schema = sp_schema_of(dto);
    struct token array;

    reader->dto = schema->name;
    reader->field = "body";
    sp_status status = read_token(reader, &array);
    if (status != SP_OK) return status;
    if (array.type != TOKEN_ARRAY) return FAILS(reader, SP_TYPE, "%s", "is no array");
    if (array.value == schema->field_count) {
        const uint8_t *behind = sp_wire_plain_take(dto, reader->at, reader->end, body);
        if (behind != NULL) {
            reader->at = behind;
            return SP_OK;
        }
    }
    memset(body, 0, schema->size);
    bool valid = array.value >= schema->field_count;
    const uint8_t *from = reader->at; /* kept in a register */
    for (uint64_t i = 0; i < array.value && i < schema->field_count; i++) {
        const struct sp_field *field = &schema->fields[i];
        void *at = (char *)body + field->offset;
        if (take_valid(&from, reader->end, field, at)) continue;
        valid = false;
        reader->at = from;
        reader->field = field->name;
        status = get_field(reader, field, at);
        if (status != SP_OK) return status;
        from = reader->at;
    }
    reader->at = from;
    reader->field = "body";
    for (uint64_t i = schema->field_count; i < array.value; i++) {
        status = pass_over(reader);
        if (status != SP_OK) return status;
    }
    return valid ? SP_OK : sp_validate(schema, body, reader->err);
}

/* An envelope of plain numbers, without causes. False: it is another, nothing is read. */
static inline bool take_head(struct sp_wire_reader *reader, struct sp_record *out, uint64_t *kind)
{
    const uint8_t *at = reader->at;
    uint64_t epoch = 0, seq = 0, ns = 0;

    if (reader->end - at < 2 || at[0] != (0x90 | ENVELOPE_FIELDS) || at[1] != SP_WIRE_VERSION) {
        return false;
    }
    at += 2;
    if (!sp_wire_take_plain(&at, reader->end, UINT32_MAX, &epoch)) return false;
    if (!sp_wire_take_plain(&at, reader->end, UINT64_MAX, &seq)) return false;
    if (!sp_wire_take_plain(&at, reader->end, SP_WALL_NS_MAX, &ns)) return false;
    if (!sp_wire_take_plain(&at, reader->end, UINT32_MAX, kind)) return false;
    if (at == reader->end || *at != 0x90) return false;
    reader->at = at + 1;
    out->epoch = (uint32_t)epoch;
    out->seq = seq;
    out->time.ns = (int64_t)ns;
    return true;
}

sp_status sp_wire_get_record(struct sp_wire_reader *reader, struct sp_record *out)
{
    uint64_t kind = 0;

    out->epoch = 0;
    out->seq = 0;
    out->time.ns = 0;
    out->kind = SP_REC_NONE;
    out->by_count = 0;
    out->in = (struct sp_ref){0};
    sp_status status = SP_OK;
    bool plain = take_head(reader, out, &kind);
    if (!plain) status = get_head(reader, out);
    if (status != SP_OK) return status;
    reader->field = "kind";
    if (!plain) status = get_uint(reader, UINT64_MAX, &kind);
    if (status != SP_OK) return status;
    const struct sp_kind_info *info = kind <= UINT32_MAX ? sp_kind_info((uint32_t)kind) : NULL;
    if (info == NULL) return FAILS(reader, SP_UNKNOWN_KIND, "%" PRIu64 " is not known", kind);
    if (!plain) status = get_causes(reader, out);
    if (status == SP_OK) status = get_body(reader, info->dto, &out->body);
    if (status == SP_OK) out->kind = (enum sp_kind)kind;
    return status;
}
