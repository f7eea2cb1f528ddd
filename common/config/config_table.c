#include "common/config/config_table.h"

#include <stdio.h>
#include <string.h>

#define WORDS_MAX 64 /* candidates of a hint */

/* ---- Messages ---- */

static struct sp_problem_place place_of(const struct sp_table_reader *r,
                                        const struct sp_strict_node *node)
{
    return (struct sp_problem_place){r->file_shown, sp_strict_line(node)};
}

/* "worlds.practice: " or "" at the top. */
static const char *prefix(const struct sp_table_reader *r, char buf[180])
{
    snprintf(buf, 180, "%s%s", r->path, r->path[0] == '\0' ? "" : ": ");
    return buf;
}

static size_t push(struct sp_table_reader *r, const char *part)
{
    size_t old_bytes = strlen(r->path);

    snprintf(r->path + old_bytes, sizeof r->path - old_bytes, "%s%.48s",
             old_bytes == 0 || part[0] == '[' ? "" : ".", part);
    return old_bytes;
}

static void list_words(const char *const *words, size_t count, char *buf, size_t cap_bytes)
{
    size_t at = 0;

    buf[0] = '\0';
    for (size_t i = 0; i < count && at + 1 < cap_bytes; i++) {
        int n = snprintf(buf + at, cap_bytes - at, "%s%s", i == 0 ? "" : ", ", words[i]);
        if (n > 0) at += (size_t)n;
    }
}

/* "did you mean X?" or all that is known here. */
static const char *word_hint(const char *word, const char *const *known, size_t count,
                             char buf[240])
{
    const char *nearest = sp_config_nearest(word, known, count);
    char all[200];

    list_words(known, count, all, sizeof all);
    if (nearest != NULL) {
        snprintf(buf, 240, "did you mean \"%s\"?", nearest);
    } else {
        snprintf(buf, 240, "known here: %s", all);
    }
    return buf;
}

static size_t count_words(const char *const *words)
{
    size_t count = 0;

    while (words != NULL && words[count] != NULL)
        count++;
    return count;
}

static const char *example_hint(const struct sp_field *f, char buf[240])
{
    const char *example = f->example != NULL ? f->example : sp_value_type_example(f->type);
    char all[200];

    if (f->fallback != NULL && sp_value_type_kind(f->type) == SP_STRICT_INTEGER) {
        example = f->fallback;
    }

    if (f->words != NULL) {
        list_words(f->words, count_words(f->words), all, sizeof all);
        snprintf(buf, 240, "known here: %s", all);
    } else {
        snprintf(buf, 240, "write it like this: %s", example);
    }
    return buf;
}

static bool kind_fits(enum sp_value_type type, enum sp_strict_kind kind)
{
    if (type != SP_VALUE_SCALAR) return kind == sp_value_type_kind(type);
    return kind != SP_STRICT_NULL && kind != SP_STRICT_LIST && kind != SP_STRICT_OBJECT;
}

static void add_wrong_kind(struct sp_table_reader *r, const struct sp_field *f,
                           const struct sp_strict_node *node)
{
    char buf[240];
    const char *found = sp_strict_kind_name(sp_strict_kind_of(node));
    const char *wanted =
        f->type == SP_VALUE_ROWS && f->rows->is_map ? "an object" : sp_value_type_doc(f->type);

    sp_problems_error(r->problems, place_of(r, node), example_hint(f, buf),
                      "%s: expected %s, found %s", r->path, wanted, found);
}

static void add_unparsed(struct sp_table_reader *r, const struct sp_field *f,
                         const struct sp_strict_node *node, sp_status status)
{
    const char *text = sp_strict_text(node);
    struct sp_problem_place place = place_of(r, node);
    char hint[240];
    size_t index;

    if (sp_value_has_word(f->later, text, &index)) {
        sp_problems_error(r->problems, place, example_hint(f, hint),
                          "%s: \"%s\" is not there yet in this version", r->path, text);
    } else if (f->words != NULL) {
        sp_problems_error(r->problems, place,
                          word_hint(text, f->words, count_words(f->words), hint),
                          "%s: \"%.60s\" is not known", r->path, text);
    } else if (status == SP_RANGE) {
        sp_problems_error(r->problems, place, example_hint(f, hint),
                          "%s: \"%.60s\" is too large, too long or too fine", r->path, text);
    } else {
        sp_problems_error(r->problems, place, example_hint(f, hint), "%s: \"%.60s\" is not %s",
                          r->path, text, sp_value_type_doc(f->type));
    }
}

/* The bounds of a table are ours: they parse. */
static int64_t bound(const struct sp_field *f, const char *text, int64_t none)
{
    struct sp_scalar value = {0};
    sp_status status = SP_OK;

    if (text == NULL) return none;
    status = sp_value_parse(f, "", text, &value);
    SP_ASSERT(status == SP_OK);
    return value.number;
}

static bool in_bounds(struct sp_table_reader *r, const struct sp_field *f,
                      const struct sp_strict_node *node, int64_t number)
{
    bool is_unsigned = f->type == SP_VALUE_COUNT || f->type == SP_VALUE_BIG;
    int64_t top = f->type == SP_VALUE_COUNT ? UINT32_MAX : INT64_MAX;
    bool is_low = number < bound(f, f->min, is_unsigned ? 0 : INT64_MIN);
    bool is_high = number > bound(f, f->max, top);
    char hint[240];

    if (f->above_zero && number <= 0) {
        sp_problems_error(r->problems, place_of(r, node), example_hint(f, hint),
                          "%s: %s is not above zero", r->path, sp_strict_text(node));
        return false;
    }
    if (!is_low && !is_high) return true;
    snprintf(hint, sizeof hint, "allowed: %s%s%s",
             f->min == NULL ? is_unsigned ? "0 to" : "at most" : f->min,
             f->min != NULL && f->max != NULL ? " to " : " ", f->max == NULL ? "or more" : f->max);
    sp_problems_error(r->problems, place_of(r, node), hint, "%s: %s is too %s", r->path,
                      sp_strict_text(node), is_low ? "small" : "large");
    return false;
}

static void read_scalar(struct sp_table_reader *r, const struct sp_field *f,
                        const struct sp_strict_node *node, void *base)
{
    struct sp_scalar value = {0};
    sp_status status;

    if (!kind_fits(f->type, sp_strict_kind_of(node))) {
        add_wrong_kind(r, f, node);
        return;
    }
    status = sp_value_parse(f, r->dir, sp_strict_text(node), &value);
    if (status != SP_OK) {
        add_unparsed(r, f, node, status);
        return;
    }
    if (in_bounds(r, f, node, value.number)) sp_value_store(f, &value, base);
}

/* ---- Lists and objects ---- */

static void read_names(struct sp_table_reader *r, const struct sp_field *f,
                       const struct sp_strict_node *node, void *base)
{
    static const struct sp_field name = {.key = "", .type = SP_VALUE_NAME};
    sp_name *names = (sp_name *)(void *)((char *)base + f->offset);
    uint32_t *count = (uint32_t *)(void *)((char *)base + f->count_offset);
    char hint[240];

    if (sp_strict_count(node) == 0 || sp_strict_count(node) > f->capacity) {
        sp_problems_error(r->problems, place_of(r, node), example_hint(f, hint),
                          "%s: %" PRIu32 " names, allowed are 1 to %" PRIu32, r->path,
                          sp_strict_count(node), f->capacity);
        return;
    }
    for (const struct sp_strict_node *n = sp_strict_first(node); n != NULL; n = sp_strict_next(n)) {
        read_scalar(r, &name, n, &names[*count]);
        for (uint32_t i = 0; i < *count; i++) {
            if (sp_name_is_empty(&names[i]) || !sp_name_eq(&names[i], &names[*count])) continue;
            sp_problems_error(r->problems, place_of(r, n), NULL, "%s: \"%s\" is here twice",
                              r->path, names[i].s);
        }
        ++*count;
    }
}

static void put_u32(void *base, size_t offset, uint32_t value)
{
    if (offset != SP_NOWHERE) memcpy((char *)base + offset, &value, sizeof value);
}

static void read_field(struct sp_table_reader *r, const struct sp_field *f,
                       const struct sp_strict_node *node, void *base);

/* One element of a list or map. */
static void read_row(struct sp_table_reader *r, const struct sp_rows *rows,
                     const struct sp_strict_node *node, void *element)
{
    put_u32(element, rows->line_offset, sp_strict_line(node));
    put_u32(element, rows->stamp_offset, rows->stamp);
    if (rows->is_map &&
        !sp_name_set((sp_name *)(void *)((char *)element + rows->id_offset), sp_strict_key(node))) {
        sp_problems_error(r->problems, place_of(r, node),
                          "a key here is a name of letters, digits and . _ -",
                          "%s: the key is not a name", r->path);
    }
    if (rows->table != NULL) {
        sp_table_read(r, rows->table, node, element);
    } else {
        read_field(r, rows->value, node, element);
    }
}

static void check_unique(struct sp_table_reader *r, const struct sp_rows *rows, const char *first,
                         uint32_t index, const struct sp_strict_node *node)
{
    const sp_name *id =
        (const sp_name *)(const void *)(first + index * rows->element_bytes + rows->id_offset);

    for (uint32_t i = 0; i < index && !sp_name_is_empty(id); i++) {
        const sp_name *other =
            (const sp_name *)(const void *)(first + i * rows->element_bytes + rows->id_offset);
        if (!sp_name_eq(id, other)) continue;
        sp_problems_error(r->problems, place_of(r, node), "each needs a name of its own",
                          "%s: \"%s\" is here twice", r->path, id->s);
        return;
    }
}

static bool is_remark(const char *key)
{
    return strcmp(key, "note") == 0 || strcmp(key, "$schema") == 0;
}

static void read_rows(struct sp_table_reader *r, const struct sp_field *f,
                      const struct sp_strict_node *node, void *base)
{
    const struct sp_rows *rows = f->rows;
    uint32_t *count = (uint32_t *)(void *)((char *)base + rows->count_offset);
    char *first = (char *)base + f->offset, part[24];
    uint32_t index = 0;

    if (sp_strict_count(node) < rows->least || sp_strict_count(node) > rows->capacity - *count) {
        sp_problems_error(r->problems, place_of(r, node), NULL,
                          "%s: %" PRIu32 " entries, allowed are %" PRIu32 " to %" PRIu32, r->path,
                          sp_strict_count(node), rows->least, rows->capacity);
        return;
    }
    for (const struct sp_strict_node *n = sp_strict_first(node); n != NULL; n = sp_strict_next(n)) {
        size_t old_bytes;
        if (rows->is_map && is_remark(sp_strict_key(n))) continue;
        snprintf(part, sizeof part, "[%" PRIu32 "]", index++);
        old_bytes = push(r, rows->is_map ? sp_strict_key(n) : part);
        read_row(r, rows, n, first + *count * rows->element_bytes);
        if (!rows->is_map && rows->id_offset != SP_NOWHERE) check_unique(r, rows, first, *count, n);
        ++*count;
        r->path[old_bytes] = '\0';
    }
}

static void read_field(struct sp_table_reader *r, const struct sp_field *f,
                       const struct sp_strict_node *node, void *base)
{
    enum sp_strict_kind kind = sp_strict_kind_of(node);
    bool is_map = f->type == SP_VALUE_ROWS && f->rows->is_map;

    if (f->type == SP_VALUE_OBJECT) {
        sp_table_read(r, f->table, node, (char *)base + f->offset);
    } else if (f->type != SP_VALUE_ROWS && f->type != SP_VALUE_NAMES) {
        read_scalar(r, f, node, base);
    } else if (kind != (is_map ? SP_STRICT_OBJECT : SP_STRICT_LIST)) {
        add_wrong_kind(r, f, node);
    } else if (f->type == SP_VALUE_NAMES) {
        read_names(r, f, node, base);
    } else {
        read_rows(r, f, node, base);
    }
}

static void use_fallbacks(const struct sp_table *table, void *base);

static void use_fallback(const struct sp_field *f, void *base)
{
    struct sp_scalar value = {0};
    sp_status status;

    if (f->type == SP_VALUE_OBJECT) use_fallbacks(f->table, (char *)base + f->offset);
    if (f->fallback == NULL) return;
    status = sp_value_parse(f, "", f->fallback, &value);
    SP_ASSERT(status == SP_OK);
    sp_value_store(f, &value, base);
}

static void use_fallbacks(const struct sp_table *table, void *base)
{
    for (size_t i = 0; i < table->count; i++)
        use_fallback(&table->fields[i], base);
}

static void check_unknown(struct sp_table_reader *r, const struct sp_table *table,
                          const struct sp_strict_node *node)
{
    const char *known[WORDS_MAX];
    char hint[240], where[180];

    SP_ASSERT(table->count <= WORDS_MAX);
    for (size_t i = 0; i < table->count; i++)
        known[i] = table->fields[i].key;
    for (const struct sp_strict_node *n = sp_strict_first(node); n != NULL; n = sp_strict_next(n)) {
        const char *key = sp_strict_key(n);
        size_t i = 0;
        while (i < table->count && strcmp(known[i], key) != 0)
            i++;
        if (i < table->count || is_remark(key)) continue;
        sp_problems_error(r->problems, place_of(r, n), word_hint(key, known, table->count, hint),
                          "%sunknown key \"%.60s\"", prefix(r, where), key);
    }
}

void sp_table_read(struct sp_table_reader *r, const struct sp_table *table,
                   const struct sp_strict_node *node, void *base)
{
    char hint[240], where[180];

    if (sp_strict_kind_of(node) != SP_STRICT_OBJECT) {
        sp_problems_error(r->problems, place_of(r, node), NULL, "%sexpected an object, found %s",
                          prefix(r, where), sp_strict_kind_name(sp_strict_kind_of(node)));
        return;
    }
    for (size_t i = 0; i < table->count; i++) {
        const struct sp_field *f = &table->fields[i];
        const struct sp_strict_node *value = sp_strict_get(node, f->key);
        if (value != NULL) {
            size_t old_bytes = push(r, f->key);
            read_field(r, f, value, base);
            r->path[old_bytes] = '\0';
        } else if (f->required) {
            const char *example = f->example != NULL ? f->example : sp_value_type_example(f->type);
            snprintf(hint, sizeof hint, "add \"%s\": %s (%s)", f->key,
                     example != NULL ? example : "\"...\"", f->doc);
            sp_problems_error(r->problems, place_of(r, node), hint, "%s\"%s\" is missing",
                              prefix(r, where), f->key);
        } else {
            use_fallback(f, base);
        }
    }
    check_unknown(r, table, node);
}
