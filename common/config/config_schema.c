#include "common/config/config_schema.h"

#include "common/config/config_tables.h"

#include <string.h>

struct writer {
    FILE *out;
    unsigned depth;
    bool has_member; /* of the object or list that is open */
};

/* What the text of a type looks like; the loader knows the rest. */
static const char *const patterns[SP_VALUE_TYPE_COUNT] = {
    [SP_VALUE_NAME] = "^[A-Za-z0-9._-]{1,39}$",
    [SP_VALUE_ID] = "^[A-Za-z0-9_-]{1,24}$",
    [SP_VALUE_PATH] = "^.+$",
    [SP_VALUE_AMOUNT] = "^[0-9]+([.][0-9]+)? ?[A-Z0-9]+$",
    [SP_VALUE_NUMBER] = "^[0-9]+([.][0-9]+)?$",
    [SP_VALUE_RATIO] = "^[0-9]+([.][0-9]+)? ?(%|bps)$",
    [SP_VALUE_SPEED] = "^([0-9]+([.][0-9]+)? ?x|max)$",
    [SP_VALUE_DURATION] = "^[0-9]+([.][0-9]+)? ?(ns|us|ms|s|m|h|d)$",
    [SP_VALUE_BYTES] = "^[0-9]+([.][0-9]+)? ?(B|KiB|MiB|GiB|TiB)$",
    [SP_VALUE_TIME] = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,9})?Z$",
    [SP_VALUE_ZONE] = "^(UTC|[+-](0[0-9]|1[0-4]):[0-5][0-9])$",
    [SP_VALUE_LISTEN] = "^[0-9]+([.][0-9]+){3}:[0-9]+$",
    [SP_VALUE_URL] = "^(https?|wss?)://[A-Za-z0-9.-]+(:[0-9]+)?$",
};

static void begin_member(struct writer *w, const char *key)
{
    fprintf(w->out, "%s%*s",
            w->has_member   ? ",\n"
            : w->depth == 0 ? ""
                            : "\n",
            (int)(2 * w->depth), "");
    if (key != NULL) fprintf(w->out, "\"%s\": ", key);
    w->has_member = true;
}

static void begin(struct writer *w, const char *key, char bracket)
{
    begin_member(w, key);
    fputc(bracket, w->out);
    w->depth++;
    w->has_member = false;
}

static void end(struct writer *w, char bracket)
{
    w->depth--;
    if (w->has_member) fprintf(w->out, "\n%*s", (int)(2 * w->depth), "");
    fputc(bracket, w->out);
    w->has_member = true;
}

/* Our own texts: nothing in them but double quotes needs an escape. */
static void put_text(struct writer *w, const char *key, const char *text)
{
    begin_member(w, key);
    fputc('"', w->out);
    for (; *text != '\0'; text++)
        fprintf(w->out, "%s%c", *text == '"' ? "\\" : "", *text);
    fputc('"', w->out);
}

static void put_raw(struct writer *w, const char *key, const char *text)
{
    begin_member(w, key);
    fputs(text, w->out);
}

static void put_count(struct writer *w, const char *key, uint32_t count)
{
    begin_member(w, key);
    fprintf(w->out, "%" PRIu32, count);
}

static void put_words(struct writer *w, const char *const *words)
{
    begin(w, "enum", '[');
    for (size_t i = 0; words[i] != NULL; i++)
        put_text(w, NULL, words[i]);
    end(w, ']');
}

static void put_remarks(struct writer *w)
{
    put_raw(w, "$schema", "{ \"type\": \"string\" }");
    put_raw(w, "note", "{ \"description\": \"for people; not read\" }");
}

static void put_field(struct writer *w, const char *key, const struct sp_field *f);

static void put_table(struct writer *w, const struct sp_table *table)
{
    bool has_required = false;

    put_text(w, "type", "object");
    begin(w, "properties", '{');
    put_remarks(w);
    for (size_t i = 0; i < table->count; i++) {
        put_field(w, table->fields[i].key, &table->fields[i]);
        has_required = has_required || table->fields[i].required;
    }
    end(w, '}');
    if (has_required) {
        begin(w, "required", '[');
        for (size_t i = 0; i < table->count; i++) {
            if (table->fields[i].required) put_text(w, NULL, table->fields[i].key);
        }
        end(w, ']');
    }
    put_raw(w, "additionalProperties", "false");
}

static void put_rows(struct writer *w, const struct sp_rows *rows)
{
    put_text(w, "type", rows->is_map ? "object" : "array");
    if (rows->is_map) {
        begin(w, "properties", '{');
        put_remarks(w);
        end(w, '}');
    } else {
        put_count(w, "minItems", rows->least);
        put_count(w, "maxItems", rows->capacity);
    }
    if (rows->value != NULL) {
        put_field(w, rows->is_map ? "additionalProperties" : "items", rows->value);
        return;
    }
    begin(w, rows->is_map ? "additionalProperties" : "items", '{');
    put_table(w, rows->table);
    end(w, '}');
}

static void put_simple(struct writer *w, const struct sp_field *f)
{
    enum sp_strict_kind kind = sp_value_type_kind(f->type);

    if (f->type == SP_VALUE_SCALAR) {
        put_raw(w, "type", "[\"string\", \"number\", \"boolean\"]");
        return;
    }
    put_text(w, "type",
             kind == SP_STRICT_INTEGER ? "integer"
             : kind == SP_STRICT_BOOL  ? "boolean"
                                       : "string");
    if (f->words != NULL) {
        put_words(w, f->words);
    } else if (patterns[f->type] != NULL) {
        put_text(w, "pattern", patterns[f->type]);
    }
    if (kind == SP_STRICT_INTEGER) {
        put_raw(w, "minimum", f->min == NULL ? "0" : f->min);
        if (f->max != NULL) put_raw(w, "maximum", f->max);
    }
    if (f->fallback != NULL && kind == SP_STRICT_STRING) put_text(w, "default", f->fallback);
    if (f->fallback != NULL && kind != SP_STRICT_STRING) put_raw(w, "default", f->fallback);
}

static void put_field(struct writer *w, const char *key, const struct sp_field *f)
{
    begin(w, key, '{');
    put_text(w, "description", f->doc);
    if (f->type == SP_VALUE_OBJECT) {
        put_table(w, f->table);
    } else if (f->type == SP_VALUE_ROWS) {
        put_rows(w, f->rows);
    } else if (f->type == SP_VALUE_NAMES) {
        put_text(w, "type", "array");
        put_raw(w, "items", "{ \"type\": \"string\" }");
        put_count(w, "minItems", 1);
        put_count(w, "maxItems", f->capacity);
    } else {
        put_simple(w, f);
    }
    end(w, '}');
}

sp_status sp_config_schema_write(const char *layer, FILE *out)
{
    static const struct {
        const char *name;
        const struct sp_table *table;
    } layers[] = {{"platform", &sp_platform_table},
                  {"operation", &sp_operation_table},
                  {"strategy", &sp_blueprint_table}};
    struct writer w = {.out = out};

    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        if (strcmp(layers[i].name, layer) != 0) continue;
        begin(&w, NULL, '{');
        put_text(&w, "$schema", "https://json-schema.org/draft/2020-12/schema");
        put_text(&w, "title", layer);
        put_text(&w, "description", layers[i].table->doc);
        put_table(&w, layers[i].table);
        end(&w, '}');
        fputc('\n', out);
        return ferror(out) ? SP_IO : SP_OK;
    }
    return SP_NOT_FOUND;
}
