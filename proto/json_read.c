/* The reading half: one pass over the text, driven by the table of the DTO, without allocation.
 * Nothing is nested deeper than a table can say, so no input can make the reader recurse. Second
 * values of a name, unknown names and bytes after the end are refused.
 */
#include "proto/json.h"

#include "proto/decimal.h"
#include "proto/form.h"
#include "proto/json_token.h"

#define FAILS SP_JSON_FAILS

static sp_status get_e8(struct sp_json_reader *reader, int64_t *out)
{
    struct sp_json_span span;

    sp_status status = sp_json_string(reader, &span);
    if (status != SP_OK) return status;
    return sp_json_parsed(reader, sp_e8_parse(span.at, span.len, out), &span, "decimal");
}

static sp_status get_wall(struct sp_json_reader *reader, sp_wall *out)
{
    struct sp_json_span span;

    sp_status status = sp_json_string(reader, &span);
    if (status != SP_OK) return status;
    return sp_json_parsed(reader, sp_wall_parse(span.at, span.len, out), &span, "time");
}

static sp_status get_dur(struct sp_json_reader *reader, sp_dur *out)
{
    struct sp_json_span span;

    sp_status status = sp_json_string(reader, &span);
    if (status != SP_OK) return status;
    return sp_json_parsed(reader, sp_dur_parse(span.at, span.len, out), &span, "duration");
}

static sp_status get_enum(struct sp_json_reader *reader, enum sp_enum which, uint8_t *out)
{
    struct sp_json_span span;

    sp_status status = sp_json_string(reader, &span);
    if (status != SP_OK) return status;
    status = sp_enum_parse(which, span.at, span.len, out) ? SP_OK : SP_INVALID;
    return sp_json_parsed(reader, status, &span, "value of it");
}

/* An empty text is no id: none. */
static sp_status get_id(struct sp_json_reader *reader, enum sp_id_type type, struct sp_id *out)
{
    struct sp_json_span span;

    sp_status status = sp_json_string(reader, &span);
    if (status != SP_OK) return status;
    bool known = span.len == 0 || sp_id_parse(type, span.at, span.len, out);
    return sp_json_parsed(reader, known ? SP_OK : SP_INVALID, &span, "id of its type");
}

/* Stands before an item or the end of a list; `count` is how many items there were. True with
 * *status SP_OK: an item follows. */
static bool next_item(struct sp_json_reader *reader, char end, uint32_t count, sp_status *status)
{
    if (*status != SP_OK || sp_json_take(reader, end)) return false;
    if (count > 0 && !sp_json_take(reader, ',')) {
        *status = sp_json_unexpected(reader, "a comma");
        return false;
    }
    return true;
}

static sp_status too_many(const struct sp_json_reader *reader, uint32_t max)
{
    return FAILS(reader, SP_TOO_LONG, "more than %" PRIu32 " items", max);
}

static sp_status get_ids(struct sp_json_reader *reader, enum sp_id_type type,
                         struct sp_form_ids *out)
{
    uint32_t count = 0;

    sp_status status = sp_json_begin(reader, '[', "array");
    while (next_item(reader, ']', count, &status)) {
        if (count == SP_IDS_MAX) return too_many(reader, SP_IDS_MAX);
        status = get_id(reader, type, &out->at[count++]);
    }
    out->count = status == SP_OK ? count : 0;
    return status;
}

static sp_status get_level(struct sp_json_reader *reader, struct sp_level *out)
{
    sp_status status = sp_json_begin(reader, '[', "array of price and quantity");

    if (status == SP_OK) status = get_e8(reader, &out->px.e8);
    if (status == SP_OK && !sp_json_take(reader, ','))
        status = sp_json_unexpected(reader, "a comma");
    if (status == SP_OK) status = get_e8(reader, &out->qty.e8);
    if (status == SP_OK && !sp_json_take(reader, ']')) status = sp_json_unexpected(reader, "]");
    return status;
}

static sp_status get_levels(struct sp_json_reader *reader, sp_levels *out)
{
    uint32_t count = 0;

    sp_status status = sp_json_begin(reader, '[', "array");
    while (next_item(reader, ']', count, &status)) {
        if (count == SP_LEVELS_MAX) return too_many(reader, SP_LEVELS_MAX);
        status = get_level(reader, &out->at[count++]);
    }
    out->count = status == SP_OK ? count : 0;
    return status;
}

static sp_status get_colon(struct sp_json_reader *reader)
{
    return sp_json_take(reader, ':') ? SP_OK : sp_json_unexpected(reader, "a colon");
}

/* That no two facts have one name is for sp_validate. */
static sp_status get_facts(struct sp_json_reader *reader, sp_facts *out)
{
    uint32_t count = 0;

    sp_status status = sp_json_begin(reader, '{', "object");
    while (next_item(reader, '}', count, &status)) {
        if (count == SP_FACTS_MAX) return too_many(reader, SP_FACTS_MAX);
        status = sp_json_name(reader, &out->at[count].name);
        if (status == SP_OK) status = get_colon(reader);
        if (status == SP_OK) status = sp_json_name(reader, &out->at[count].value);
        count++;
    }
    out->count = status == SP_OK ? count : 0;
    return status;
}

/* The name before a value, and its colon. *out is the index of the name in names. */
static sp_status get_key(struct sp_json_reader *reader, const char *const *names,
                         unsigned name_count, unsigned *out)
{
    struct sp_json_span key;

    sp_status status = sp_json_string(reader, &key);
    if (status != SP_OK) return status;
    for (unsigned i = 0; i < name_count; i++) {
        if (strlen(names[i]) != key.len || memcmp(names[i], key.at, key.len) != 0) continue;
        *out = i;
        return get_colon(reader);
    }
    int shown = key.len > 40 ? 40 : (int)key.len;
    return FAILS(reader, SP_UNKNOWN_KIND, "\"%.*s\" is no field of it", shown, key.at);
}

static sp_status get_mark(struct sp_json_reader *reader, struct sp_mark *out)
{
    static const char *const names[] = {"stream", "epoch", "seq", "durable_seq"};
    uint64_t epoch = 0;
    unsigned seen = 0;
    uint32_t count = 0;

    sp_status status = sp_json_begin(reader, '{', "object");
    for (; next_item(reader, '}', count, &status); count++) {
        unsigned key = 0;
        status = get_key(reader, names, 4, &key);
        if (status != SP_OK) return status;
        if ((seen >> key & 1) != 0) return FAILS(reader, SP_INVALID, "%s twice", names[key]);
        seen |= 1U << key;
        if (key == 0)
            status = sp_json_name(reader, &out->stream);
        else if (key == 1)
            status = sp_json_uint(reader, UINT32_MAX, &epoch);
        else if (key == 2)
            status = sp_json_uint(reader, UINT64_MAX, &out->seq);
        else
            status = sp_json_uint(reader, UINT64_MAX, &out->durable_seq);
    }
    out->epoch = (uint32_t)epoch;
    return status;
}

static sp_status get_marks(struct sp_json_reader *reader, sp_marks *out)
{
    uint32_t count = 0;

    sp_status status = sp_json_begin(reader, '[', "array");
    while (next_item(reader, ']', count, &status)) {
        if (count == SP_MARKS_MAX) return too_many(reader, SP_MARKS_MAX);
        status = get_mark(reader, &out->at[count++]);
    }
    out->count = status == SP_OK ? count : 0;
    return status;
}

/* Nanoseconds since boot as the text of an integer. */
static sp_status get_mono(struct sp_json_reader *reader, int64_t *out)
{
    if (!sp_json_take(reader, '"')) return sp_json_begin(reader, '"', "text");
    reader->at--;
    return sp_json_int(reader, out);
}

static sp_status get_field(struct sp_json_reader *reader, const struct sp_field *field, void *at)
{
    sp_status status = SP_OK;
    uint64_t number = 0;

    switch (sp_form_of(field)) {
    case SP_FORM_E8: status = get_e8(reader, at); break;
    case SP_FORM_WALL: status = get_wall(reader, at); break;
    case SP_FORM_MONO: status = get_mono(reader, at); break;
    case SP_FORM_DUR: status = get_dur(reader, at); break;
    case SP_FORM_I64: status = sp_json_int(reader, at); break;
    case SP_FORM_U64: status = sp_json_uint(reader, UINT64_MAX, at); break;
    case SP_FORM_U32:
        status = sp_json_uint(reader, UINT32_MAX, &number);
        *(uint32_t *)at = (uint32_t)number;
        break;
    case SP_FORM_BOOL: status = sp_json_bool(reader, at); break;
    case SP_FORM_ENUM: status = get_enum(reader, sp_form_enum(field), at); break;
    case SP_FORM_NAME: status = sp_json_name(reader, at); break;
    case SP_FORM_TEXT: status = sp_json_text(reader, at); break;
    case SP_FORM_ID: status = get_id(reader, sp_form_id_type(field), at); break;
    case SP_FORM_IDS: status = get_ids(reader, sp_form_id_type(field), at); break;
    case SP_FORM_LEVELS: status = get_levels(reader, at); break;
    case SP_FORM_FACTS: status = get_facts(reader, at); break;
    case SP_FORM_MARKS: status = get_marks(reader, at); break;
    case SP_FORM_RETIRED: break; /* has no name, so it cannot be asked for */
    }
    return status;
}

/* The index of the field called `key`, looked for from `guess` on, because fields mostly come in
 * the order of the table; field_count if there is none. */
static size_t find_field(const struct sp_schema *schema, size_t guess,
                         const struct sp_json_span *key)
{
    for (size_t n = 0; n < schema->field_count; n++) {
        size_t i = (guess + n) % schema->field_count;
        const char *name = schema->fields[i].name;
        if (schema->fields[i].kind == SP_KIND_RETIRED) continue;
        if (strncmp(name, key->at, key->len) == 0 && name[key->len] == '\0') return i;
    }
    return schema->field_count;
}

static sp_status get_members(struct sp_json_reader *reader, const struct sp_schema *schema,
                             void *out)
{
    uint64_t seen = 0;
    size_t row = schema->field_count - 1U;
    uint32_t count = 0;

    SP_ASSERT(schema->field_count > 0 && schema->field_count <= 64);
    sp_status status = sp_json_begin(reader, '{', "object");
    for (; next_item(reader, '}', count, &status); count++) {
        struct sp_json_span key;
        reader->field = "body";
        status = sp_json_string(reader, &key);
        if (status != SP_OK) return status;
        row = find_field(schema, row + 1, &key);
        if (row == schema->field_count) {
            int shown = key.len > 40 ? 40 : (int)key.len;
            return FAILS(reader, SP_UNKNOWN_KIND, "\"%.*s\" is no field of it", shown, key.at);
        }
        const struct sp_field *field = &schema->fields[row];
        reader->field = field->name;
        if ((seen >> row & 1) != 0) return FAILS(reader, SP_INVALID, "%s", "appears twice");
        seen |= UINT64_C(1) << row;
        status = get_colon(reader);
        if (status == SP_OK) status = get_field(reader, field, (char *)out + field->offset);
    }
    return status;
}

sp_status sp_json_parse_body(const struct sp_schema *schema, const char *text, size_t len_bytes,
                             void *out, struct sp_err *err)
{
    struct sp_json_reader reader = {.begin = text,
                                    .at = text,
                                    .end = text + len_bytes,
                                    .dto = schema->name,
                                    .field = "body",
                                    .err = err};

    memset(out, 0, schema->size);
    sp_status status = get_members(&reader, schema, out);
    if (status != SP_OK) return status;
    reader.field = "body";
    if (reader.at != reader.end) return FAILS(&reader, SP_INVALID, "%s", "something follows it");
    return SP_OK;
}

sp_status sp_json_decode_body(const struct sp_schema *schema, const char *text, size_t len_bytes,
                              void *out, struct sp_err *err)
{
    sp_status status = sp_json_parse_body(schema, text, len_bytes, out, err);

    return status == SP_OK ? sp_validate(schema, out, err) : status;
}

/* An envelope has one form only: exactly these characters follow, or if they may be absent, others.
 * *found tells which; with found NULL they must follow. */
static sp_status take_literal(struct sp_json_reader *reader, const char *literal, const char *field,
                              bool *found)
{
    size_t len = strlen(literal);
    size_t left = (size_t)(reader->end - reader->at);

    reader->field = field;
    if (left < len && memcmp(reader->at, literal, left) == 0) return sp_json_cut_short(reader);
    bool follows = left >= len && memcmp(reader->at, literal, len) == 0;
    if (follows) reader->at += len;
    if (found == NULL) return follows ? SP_OK : sp_json_unexpected(reader, literal);
    *found = follows;
    return SP_OK;
}

static sp_status expect(struct sp_json_reader *reader, const char *literal, const char *field)
{
    return take_literal(reader, literal, field, NULL);
}

/* Eight lower-case hexadecimal digits. */
static sp_status get_crc(struct sp_json_reader *reader, uint32_t *out)
{
    static const char digits[] = "0123456789abcdef";
    struct sp_json_span span;
    uint32_t crc = 0;

    sp_status status = sp_json_string(reader, &span);
    if (status != SP_OK) return status;
    if (span.len != 8) return FAILS(reader, SP_INVALID, "%s", "8 hexadecimal digits expected");
    for (size_t i = 0; i < 8; i++) {
        const char *digit = memchr(digits, span.at[i], sizeof digits - 1);
        if (digit == NULL) return FAILS(reader, SP_INVALID, "%s", "8 hexadecimal digits expected");
        crc = crc << 4 | (uint32_t)(digit - digits);
    }
    *out = crc;
    return SP_OK;
}

static sp_status get_ref(struct sp_json_reader *reader, struct sp_ref *out)
{
    struct sp_json_span span;

    sp_status status = sp_json_string(reader, &span);
    if (status != SP_OK) return status;
    status = sp_ref_parse(span.at, span.len, out) ? SP_OK : SP_INVALID;
    return sp_json_parsed(reader, status, &span, "place in a stream");
}

/* "by" and "in", of which either may be absent. */
static sp_status get_refs(struct sp_json_reader *reader, struct sp_record *out)
{
    bool found = false;

    sp_status status = take_literal(reader, ",\"by\":[", "by", &found);
    while (found && next_item(reader, ']', out->by_count, &status)) {
        if (out->by_count == SP_CAUSES_MAX) return too_many(reader, SP_CAUSES_MAX);
        status = get_ref(reader, &out->by[out->by_count++]);
    }
    if (status != SP_OK) return status;
    if (found && out->by_count == 0) return FAILS(reader, SP_INVALID, "%s", "is empty");
    status = take_literal(reader, ",\"in\":", "in", &found);
    return status == SP_OK && found ? get_ref(reader, &out->in) : status;
}

/* "s" to "m". */
static sp_status get_numbers(struct sp_json_reader *reader, struct sp_record *out,
                             struct sp_line_meta *meta)
{
    uint64_t epoch = 0;
    uint64_t batch_left = 0;

    sp_status status = expect(reader, ",\"s\":", "s");
    if (status == SP_OK) status = sp_json_uint(reader, UINT64_MAX, &out->seq);
    if (status == SP_OK) status = expect(reader, ",\"e\":", "e");
    if (status == SP_OK) status = sp_json_uint(reader, UINT32_MAX, &epoch);
    if (status == SP_OK) status = expect(reader, ",\"w\":", "w");
    if (status == SP_OK) status = sp_json_uint(reader, UINT64_MAX, &meta->durable_seq);
    if (status == SP_OK) status = expect(reader, ",\"m\":", "m");
    if (status == SP_OK) status = sp_json_uint(reader, UINT32_MAX, &batch_left);
    out->epoch = (uint32_t)epoch;
    meta->batch_left = (uint32_t)batch_left;
    return status;
}

static sp_status get_kind(const struct sp_json_reader *reader, const struct sp_json_span *name,
                          enum sp_kind *out)
{
    if (sp_kind_parse(name->at, name->len, out)) return SP_OK;
    return sp_json_parsed(reader, SP_UNKNOWN_KIND, name, "kind known here");
}

sp_status sp_json_decode_envelope(const char *text, size_t len_bytes, const sp_name *stream,
                                  struct sp_record *out, struct sp_line_meta *meta,
                                  const char **body, size_t *body_len_bytes, struct sp_err *err)
{
    struct sp_json_reader reader = {.begin = text,
                                    .at = text,
                                    .end = text + len_bytes,
                                    .dto = "line",
                                    .err = err};
    struct sp_json_span kind = {text, 0};

    memset(out, 0, offsetof(struct sp_record, body));
    *meta = (struct sp_line_meta){0};
    out->stream = *stream;
    sp_status status = expect(&reader, "{\"c\":", "c");
    if (status == SP_OK) status = get_crc(&reader, &meta->crc);
    if (status == SP_OK) status = get_numbers(&reader, out, meta);
    if (status == SP_OK) status = expect(&reader, ",\"t\":", "t");
    if (status == SP_OK) status = get_wall(&reader, &out->time);
    if (status == SP_OK) status = expect(&reader, ",\"k\":", "k");
    if (status == SP_OK) status = sp_json_string(&reader, &kind);
    if (status == SP_OK && kind.at == reader.scratch) {
        status = FAILS(&reader, SP_INVALID, "%s", "needs no escapes");
    }
    if (status == SP_OK) status = get_refs(&reader, out);
    if (status == SP_OK) status = expect(&reader, ",\"b\":", "b");
    if (status != SP_OK) return status;
    if (reader.at == reader.end || reader.end[-1] != '}') return sp_json_cut_short(&reader);
    *body = reader.at;
    *body_len_bytes = (size_t)(reader.end - reader.at) - 1;
    reader.field = "k";
    return get_kind(&reader, &kind, &out->kind);
}

sp_status sp_json_decode_line(const char *text, size_t len_bytes, const sp_name *stream,
                              struct sp_record *out, struct sp_line_meta *meta, struct sp_err *err)
{
    const char *body = NULL;
    size_t body_len = 0;

    sp_status status =
        sp_json_decode_envelope(text, len_bytes, stream, out, meta, &body, &body_len, err);
    if (status != SP_OK) return status;
    const struct sp_schema *schema = sp_schema_of(sp_kind_info(out->kind)->dto);
    status = sp_json_decode_body(schema, body, body_len, &out->body, err);
    if (status != SP_OK) out->kind = SP_REC_NONE;
    return status;
}
