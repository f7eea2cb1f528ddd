#include "common/workers/manifest.h"

#include "proto/decimal.h"

#include <stdio.h>
#include <string.h>

/* clang-format off */
static const struct {
    const char *name;
    enum sp_kind kind;
    enum sp_event_source source;
} events[SP_WORKER_EVENT_COUNT] = {
#define W(name_, kind_, source_) [SP_WORKER_##name_] = {#name_, kind_, source_},
    SP_WORKER_EVENT_MAP(W)
#undef W
};
/* clang-format on */

static const char *const categories[SP_CATEGORY_COUNT] = {
    [SP_CATEGORY_CONTEXT] = "context",   [SP_CATEGORY_OPPORTUNITY] = "opportunity",
    [SP_CATEGORY_THREAT] = "threat",     [SP_CATEGORY_QUALIFICATION] = "qualification",
    [SP_CATEGORY_PLANNING] = "planning",
};

const char *sp_category_name(enum sp_category category)
{
    SP_ASSERT(category < SP_CATEGORY_COUNT);
    return categories[category];
}

const char *sp_worker_event_name(enum sp_worker_event event)
{
    SP_ASSERT(event < SP_WORKER_EVENT_COUNT);
    return events[event].name;
}

enum sp_worker_event sp_worker_event_parse(const char *name)
{
    uint32_t i = 0;

    while (i < SP_WORKER_EVENT_COUNT && strcmp(events[i].name, name) != 0)
        i++;
    return (enum sp_worker_event)i;
}

enum sp_kind sp_worker_event_kind(enum sp_worker_event event)
{
    SP_ASSERT(event < SP_WORKER_EVENT_COUNT);
    return events[event].kind;
}

enum sp_event_source sp_worker_event_source(enum sp_worker_event event)
{
    SP_ASSERT(event < SP_WORKER_EVENT_COUNT);
    return events[event].source;
}

/* ---- The reader of the JSON subset ---- */

struct reader {
    const char *json, *at;
    struct sp_manifest *out;
    uint32_t seen; /* keys of the manifest object so far */
    struct sp_err *err;
    sp_status status; /* the first failure; everything stops then */
};

static bool fail(struct reader *r, sp_status status, const char *what)
{
    if (r->status == SP_OK)
        r->status = SP_FAIL(r->err, status, "manifest, offset %td: %s", r->at - r->json, what);
    return false;
}

static void skip_space(struct reader *r)
{
    while (*r->at == ' ' || *r->at == '\n')
        r->at++;
}

static bool is_next(struct reader *r, char c)
{
    skip_space(r);
    return *r->at == c;
}

static bool take(struct reader *r, char c)
{
    char what[] = "expected ' '";

    if (is_next(r, c)) {
        r->at++;
        return true;
    }
    what[sizeof what - 3] = c;
    return fail(r, SP_INVALID, what);
}

static bool take_string(struct reader *r, char *out, size_t size)
{
    size_t len = 0;

    if (!take(r, '"')) return false;
    while (r->at[len] != '"') {
        if (r->at[len] == '\0' || r->at[len] == '\\') return fail(r, SP_INVALID, "bad string");
        if (len + 1 >= size) return fail(r, SP_TOO_LONG, "string is too long");
        len++;
    }
    memcpy(out, r->at, len);
    out[len] = '\0';
    r->at += len + 1;
    return true;
}

static bool take_name(struct reader *r, sp_name *out)
{
    char text[SP_NAME_SIZE];

    if (!take_string(r, text, sizeof text)) return false;
    return sp_name_set(out, text) || fail(r, SP_INVALID, "not a name");
}

static bool take_bool(struct reader *r, bool *out)
{
    skip_space(r);
    *out = strncmp(r->at, "true", 4) == 0;
    if (!*out && strncmp(r->at, "false", 5) != 0) return fail(r, SP_TYPE, "not true or false");
    r->at += *out ? 4 : 5;
    return true;
}

/* Calls item for each element of an array. */
static bool take_array(struct reader *r, bool (*item)(struct reader *r))
{
    if (!take(r, '[')) return false;
    while (!is_next(r, ']')) {
        if (!item(r)) return false;
        if (is_next(r, ']')) break;
        if (!take(r, ',')) return false;
    }
    return take(r, ']');
}

/* Calls member for each key of an object. */
static bool take_object(struct reader *r, bool (*member)(struct reader *r, const char *key))
{
    char key[SP_NAME_SIZE];

    if (!take(r, '{')) return false;
    while (!is_next(r, '}')) {
        if (!take_string(r, key, sizeof key) || !take(r, ':') || !member(r, key)) return false;
        if (is_next(r, '}')) break;
        if (!take(r, ',')) return false;
    }
    return take(r, '}');
}

/* ---- The manifest's members ---- */

static bool take_category(struct reader *r)
{
    sp_name name;

    if (!take_name(r, &name)) return false;
    for (uint32_t i = 0; i < SP_CATEGORY_COUNT; i++) {
        if (!sp_name_is(&name, categories[i])) continue;
        r->out->category = (enum sp_category)i;
        return true;
    }
    return fail(r, SP_UNKNOWN_KIND, "unknown category");
}

static bool take_about(struct reader *r)
{
    return take_string(r, r->out->about.s, sizeof r->out->about.s);
}

static bool take_cache_type(struct reader *r, enum sp_cache_type *out)
{
    sp_name name;

    if (!take_name(r, &name)) return false;
    *out = sp_cache_type_parse(name.s);
    return *out != SP_CACHE_NONE || fail(r, SP_UNKNOWN_KIND, "unknown dto");
}

static bool read_member(struct reader *r, const char *key)
{
    struct sp_manifest_read *read = &r->out->reads[r->out->read_count];

    if (strcmp(key, "alias") == 0) return take_name(r, &read->alias);
    if (strcmp(key, "dto") == 0) return take_cache_type(r, &read->type);
    if (strcmp(key, "optional") == 0) return take_bool(r, &read->is_optional);
    return fail(r, SP_UNKNOWN_KIND, "unknown key of a required dto");
}

static bool read_item(struct reader *r)
{
    if (r->out->read_count >= SP_READS_MAX) return fail(r, SP_FULL, "too many required dtos");
    struct sp_manifest_read *read = &r->out->reads[r->out->read_count];

    if (!take_object(r, read_member)) return false;
    if (read->type == SP_CACHE_NONE) return fail(r, SP_MISSING, "a required dto without type");
    if (sp_name_is_empty(&read->alias)) read->alias = sp_name_of(sp_cache_type_name(read->type));
    r->out->read_count++;
    return true;
}

static bool produced_item(struct reader *r)
{
    enum sp_cache_type type;

    if (!take_cache_type(r, &type)) return false;
    r->out->produces |= 1u << type;
    return true;
}

static bool take_event(struct reader *r, uint32_t *bits)
{
    sp_name name;

    if (!take_name(r, &name)) return false;
    enum sp_worker_event event = sp_worker_event_parse(name.s);
    if (event == SP_WORKER_EVENT_COUNT) return fail(r, SP_UNKNOWN_KIND, "unknown event");
    *bits |= 1u << event;
    return true;
}

static bool published_item(struct reader *r)
{
    return take_event(r, &r->out->publishes);
}
static bool listened_item(struct reader *r)
{
    return take_event(r, &r->out->listens);
}

static bool take_value(struct reader *r, bool *has, int64_t *out)
{
    char text[SP_PARAM_TEXT_SIZE];
    struct sp_param_spec *spec = &r->out->params[r->out->param_count];

    if (!take_string(r, text, sizeof text)) return false;
    if (spec->type == SP_PARAM_NONE) return fail(r, SP_MISSING, "a parameter's type comes first");
    *has = true;
    return sp_param_parse(spec->type, text, out) == SP_OK || fail(r, SP_TYPE, "bad value");
}

static bool param_member(struct reader *r, const char *key)
{
    struct sp_param_spec *spec = &r->out->params[r->out->param_count];
    sp_name type;

    if (strcmp(key, "default") == 0) return take_value(r, &spec->has_default, &spec->default_value);
    if (strcmp(key, "min") == 0) return take_value(r, &spec->has_min, &spec->min);
    if (strcmp(key, "max") == 0) return take_value(r, &spec->has_max, &spec->max);
    if (strcmp(key, "type") != 0) return fail(r, SP_UNKNOWN_KIND, "unknown key of a parameter");
    if (!take_name(r, &type)) return false;
    spec->type = sp_param_type_parse(type.s);
    return spec->type != SP_PARAM_NONE || fail(r, SP_UNKNOWN_KIND, "unknown type of parameter");
}

static bool param_item(struct reader *r, const char *key)
{
    if (r->out->param_count >= SP_PARAMS_MAX) return fail(r, SP_FULL, "too many parameters");
    struct sp_param_spec *spec = &r->out->params[r->out->param_count];

    if (!sp_name_set(&spec->name, key)) return fail(r, SP_INVALID, "not a name");
    if (!take_object(r, param_member)) return false;
    if (spec->type == SP_PARAM_NONE) return fail(r, SP_MISSING, "a parameter without type");
    r->out->param_count++;
    return true;
}

static bool take_named(struct reader *r)
{
    return take_name(r, &r->out->name);
}
static bool take_version(struct reader *r)
{
    return take_name(r, &r->out->version);
}
static bool take_subtype(struct reader *r)
{
    return take_name(r, &r->out->subtype);
}
static bool take_reads(struct reader *r)
{
    return take_array(r, read_item);
}
static bool take_produces(struct reader *r)
{
    return take_array(r, produced_item);
}
static bool take_publishes(struct reader *r)
{
    return take_array(r, published_item);
}
static bool take_listens(struct reader *r)
{
    return take_array(r, listened_item);
}
static bool take_params(struct reader *r)
{
    return take_object(r, param_item);
}

static const struct {
    const char *key;
    bool (*take)(struct reader *r);
} members[] = {
    {"name", take_named},
    {"version", take_version},
    {"category", take_category},
    {"subtype", take_subtype},
    {"about", take_about},
    {"requires_dtos", take_reads},
    {"produces_dtos", take_produces},
    {"publishes", take_publishes},
    {"listens", take_listens},
    {"params", take_params},
};
#define MEMBER_COUNT (sizeof members / sizeof members[0])

static bool manifest_member(struct reader *r, const char *key)
{
    for (uint32_t i = 0; i < MEMBER_COUNT; i++) {
        if (strcmp(members[i].key, key) != 0) continue;
        if ((r->seen & 1u << i) != 0) return fail(r, SP_EXISTS, "key is there twice");
        r->seen |= 1u << i;
        return members[i].take(r);
    }
    return fail(r, SP_UNKNOWN_KIND, "unknown key");
}

sp_status sp_manifest_parse(const char *json, struct sp_manifest *out, struct sp_err *err)
{
    struct sp_manifest manifest = {0};
    struct reader r = {.json = json, .at = json, .out = &manifest, .err = err, .status = SP_OK};

    if (!take_object(&r, manifest_member)) return r.status;
    skip_space(&r);
    if (*r.at != '\0') fail(&r, SP_INVALID, "text after the manifest");
    for (uint32_t i = 0; i < MEMBER_COUNT; i++)
        if ((r.seen & 1u << i) == 0) fail(&r, SP_MISSING, members[i].key);
    if (r.status == SP_OK) *out = manifest;
    return r.status;
}
