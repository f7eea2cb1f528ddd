#include "common/workers/worker_check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct check {
    const struct sp_blueprint *blueprint;
    const struct sp_registry *registry;
    struct sp_wiring *wiring;
    struct sp_problems *problems;
    uint32_t edges[SP_WORKERS_MAX]; /* bit v of edges[w]: v needs w within a flow */
    uint32_t errors;
    char hint[240]; /* of the next problem */
};

_Static_assert(SP_WORKERS_MAX <= 32, "edges are one word per worker");

static void set_hint(struct check *check, const char *fmt, ...) SP_PRINTF(2, 3);
static void set_hint(struct check *check, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsnprintf(check->hint, sizeof check->hint, fmt, args);
    va_end(args);
}

static void report(struct check *check, uint32_t line, bool is_warning, const char *fmt, ...)
    SP_PRINTF(4, 5);
static void report(struct check *check, uint32_t line, bool is_warning, const char *fmt, ...)
{
    struct sp_problems *problems = check->problems;
    va_list args;

    check->errors += !is_warning;
    problems->errors += !is_warning;
    if (problems->count >= SP_PROBLEMS_MAX) {
        problems->dropped++;
        return;
    }
    struct sp_problem *problem = &problems->at[problems->count++];
    memset(problem, 0, sizeof *problem);
    snprintf(problem->file, sizeof problem->file, "%s", check->blueprint->file_shown);
    snprintf(problem->hint, sizeof problem->hint, "%s", check->hint);
    problem->line = line;
    problem->is_warning = is_warning;
    va_start(args, fmt);
    vsnprintf(problem->text, sizeof problem->text, fmt, args);
    va_end(args);
    check->hint[0] = '\0';
}

/* ---- Did you mean ---- */

static uint32_t min3(uint32_t a, uint32_t b, uint32_t c)
{
    uint32_t ab = a < b ? a : b;

    return ab < c ? ab : c;
}

/* Edit distance of two names. */
static uint32_t distance(const char *a, const char *b)
{
    uint32_t row[SP_NAME_SIZE + 1];
    uint32_t len = (uint32_t)strnlen(b, SP_NAME_SIZE);

    for (uint32_t j = 0; j <= len; j++)
        row[j] = j;
    for (uint32_t i = 1; i <= strnlen(a, SP_NAME_SIZE); i++) {
        uint32_t diagonal = row[0];
        row[0] = i;
        for (uint32_t j = 1; j <= len; j++) {
            uint32_t above = row[j];
            row[j] = min3(row[j - 1] + 1, above + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[len];
}

struct guess {
    const char *wrong;
    sp_name best, all[SP_WORKERS_MAX];
    uint32_t best_distance, count;
};

static void guess_try(struct guess *guess, const sp_name *name)
{
    uint32_t d = distance(guess->wrong, name->s);

    if (guess->count < SP_WORKERS_MAX) guess->all[guess->count++] = *name;
    if (d > 3 || (guess->best_distance != 0 && d >= guess->best_distance)) return;
    guess->best = *name;
    guess->best_distance = d;
}

/* "did you mean 'ema'?", or the list of what there is. */
static void hint_guess(struct check *check, const struct guess *guess, const char *what)
{
    size_t len;

    if (guess->best_distance != 0) {
        set_hint(check, "did you mean '%s'?", guess->best.s);
        return;
    }
    set_hint(check, guess->count == 0 ? "there are no %s" : "%s:", what);
    for (uint32_t i = 0; i < guess->count; i++) {
        len = strlen(check->hint);
        snprintf(check->hint + len, sizeof check->hint - len, " %s", guess->all[i].s);
    }
}

/* ---- Each worker by itself ---- */

static bool is_known(const struct check *check, uint32_t i)
{
    return check->wiring->workers[i].plugin != NULL;
}

static void find_plugin(struct check *check, uint32_t i)
{
    const struct sp_worker_config *config = &check->blueprint->workers[i];
    struct sp_wired_worker *wired = &check->wiring->workers[i];
    struct guess guess = {.wrong = config->plugin.s};
    struct sp_manifest manifest;

    wired->plugin = sp_registry_find(check->registry, config->plugin.s, &wired->manifest);
    if (wired->plugin == NULL) {
        for (uint32_t p = 0; p < check->registry->count; p++)
            if (sp_manifest_parse(check->registry->plugins[p]->manifest, &manifest, NULL) == SP_OK)
                guess_try(&guess, &manifest.name);
        hint_guess(check, &guess, "workers");
        report(check, config->line, false, "worker '%s': there is no plugin '%s'", config->id.s,
               config->plugin.s);
    } else if (wired->manifest.category != config->category) {
        set_hint(check, "move it to \"%s\"", sp_category_name(wired->manifest.category));
        report(check, config->line, false, "worker '%s': %s is a worker of category %s, not %s",
               config->id.s, config->plugin.s, sp_category_name(wired->manifest.category),
               sp_category_name(config->category));
    }
}

static void check_id(struct check *check, uint32_t i)
{
    const struct sp_worker_config *config = &check->blueprint->workers[i];

    for (uint32_t j = 0; j < i; j++) {
        if (!sp_name_eq(&check->blueprint->workers[j].id, &config->id)) continue;
        set_hint(check, "the first one is at line %u", check->blueprint->workers[j].line);
        report(check, config->line, false, "worker id '%s' is used twice", config->id.s);
        return;
    }
}

static void take_param(struct check *check, uint32_t i, const struct sp_param_config *given,
                       uint32_t spec_index)
{
    struct sp_wired_worker *wired = &check->wiring->workers[i];
    const struct sp_param_spec *spec = &wired->manifest.params[spec_index];
    const char *id = check->blueprint->workers[i].id.s;
    char bound[SP_PARAM_TEXT_SIZE];
    int64_t value;
    sp_status status = sp_param_parse(spec->type, given->text, &value);

    if (status != SP_OK) {
        set_hint(check, "write %s", sp_param_type_example(spec->type));
        report(check, given->line, false, "worker '%s': %s is '%s': %s", id, given->key.s,
               given->text, sp_status_text(status));
    } else if (spec->has_min && value < spec->min) {
        report(check, given->line, false, "worker '%s': %s is %s, below the minimum %s", id,
               given->key.s, given->text, sp_param_format(spec->type, spec->min, bound));
    } else if (spec->has_max && value > spec->max) {
        report(check, given->line, false, "worker '%s': %s is %s, above the maximum %s", id,
               given->key.s, given->text, sp_param_format(spec->type, spec->max, bound));
    } else {
        wired->params.values[spec_index] = value;
    }
}

static uint32_t param_index(const struct sp_manifest *manifest, const char *key)
{
    uint32_t i = 0;

    while (i < manifest->param_count && !sp_name_is(&manifest->params[i].name, key))
        i++;
    return i;
}

static void check_params(struct check *check, uint32_t i)
{
    const struct sp_worker_config *config = &check->blueprint->workers[i];
    struct sp_wired_worker *wired = &check->wiring->workers[i];
    const struct sp_manifest *manifest = &wired->manifest;
    uint32_t given = 0;

    wired->params.count = manifest->param_count;
    wired->params.specs = manifest->params;
    for (uint32_t p = 0; p < config->param_count; p++) {
        struct guess guess = {.wrong = config->params[p].key.s};
        uint32_t at = param_index(manifest, config->params[p].key.s);
        if (at < manifest->param_count) {
            given |= 1u << at;
            take_param(check, i, &config->params[p], at);
            continue;
        }
        for (uint32_t s = 0; s < manifest->param_count; s++)
            guess_try(&guess, &manifest->params[s].name);
        hint_guess(check, &guess, "parameters");
        report(check, config->params[p].line, false, "worker '%s': %s has no parameter '%s'",
               config->id.s, config->plugin.s, config->params[p].key.s);
    }
    for (uint32_t s = 0; s < manifest->param_count; s++) {
        const struct sp_param_spec *spec = &manifest->params[s];
        if ((given & 1u << s) != 0) continue;
        wired->params.values[s] = spec->default_value;
        if (spec->has_default) continue;
        set_hint(check, "write %s", sp_param_type_example(spec->type));
        report(check, config->line, false, "worker '%s': parameter '%s' is missing", config->id.s,
               spec->name.s);
    }
}

/* ---- Who reads whom ---- */

static bool produces(const struct check *check, uint32_t i, enum sp_cache_type type)
{
    return is_known(check, i) && (check->wiring->workers[i].manifest.produces & 1u << type) != 0;
}

/* Opportunity and threat workers run side by side: none of them may see another's result. */
static bool are_siblings(const struct check *check, uint32_t a, uint32_t b)
{
    enum sp_category ca = check->wiring->workers[a].manifest.category;
    enum sp_category cb = check->wiring->workers[b].manifest.category;

    return (ca == SP_CATEGORY_OPPORTUNITY || ca == SP_CATEGORY_THREAT) &&
           (cb == SP_CATEGORY_OPPORTUNITY || cb == SP_CATEGORY_THREAT);
}

static void set_producer(struct check *check, uint32_t i, uint32_t read, uint32_t producer)
{
    const struct sp_worker_config *config = &check->blueprint->workers[i];

    check->wiring->workers[i].producers[read] = producer;
    check->wiring->workers[i].has_producer[read] = true;
    if (producer != i && are_siblings(check, i, producer)) {
        set_hint(check, "compute it in a context worker that both read");
        report(check, config->line, false, "worker '%s' reads '%s', which runs beside it",
               config->id.s, check->blueprint->workers[producer].id.s);
    } else {
        check->edges[producer] |= 1u << i;
    }
}

static void bind_named(struct check *check, uint32_t i, uint32_t read,
                       const struct sp_read_config *given)
{
    const struct sp_blueprint *blueprint = check->blueprint;
    enum sp_cache_type type = check->wiring->workers[i].manifest.reads[read].type;
    struct guess guess = {.wrong = given->producer.s};

    for (uint32_t p = 0; p < blueprint->worker_count; p++) {
        if (!sp_name_eq(&blueprint->workers[p].id, &given->producer)) {
            guess_try(&guess, &blueprint->workers[p].id);
            continue;
        }
        if (!is_known(check, p)) return; /* reported already */
        if (produces(check, p, type)) {
            set_producer(check, i, read, p);
            return;
        }
        report(check, blueprint->workers[i].line, false,
               "worker '%s' reads %s of '%s', but %s does not produce it",
               blueprint->workers[i].id.s, sp_cache_type_name(type), given->producer.s,
               blueprint->workers[p].plugin.s);
        return;
    }
    hint_guess(check, &guess, "workers");
    report(check, blueprint->workers[i].line, false,
           "worker '%s' reads '%s': there is no worker '%s'", blueprint->workers[i].id.s,
           given->alias.s, given->producer.s);
}

/* Without "reads" the one producer of the type is meant. */
static void bind_unnamed(struct check *check, uint32_t i, uint32_t read)
{
    const struct sp_blueprint *blueprint = check->blueprint;
    const struct sp_manifest_read *wanted = &check->wiring->workers[i].manifest.reads[read];
    uint32_t found = 0, producer = 0;

    for (uint32_t p = 0; p < blueprint->worker_count; p++) {
        if (p == i || !produces(check, p, wanted->type)) continue;
        producer = p;
        found++;
    }
    if (found == 1) {
        set_producer(check, i, read, producer);
    } else if (found > 1) {
        set_hint(check, "name one: \"reads\": {\"%s\": \"%s\"}", wanted->alias.s,
                 blueprint->workers[producer].id.s);
        report(check, blueprint->workers[i].line, false,
               "worker '%s' reads %s, which %u workers produce", blueprint->workers[i].id.s,
               sp_cache_type_name(wanted->type), found);
    } else if (!wanted->is_optional) {
        set_hint(check, "add a worker that produces %s", sp_cache_type_name(wanted->type));
        report(check, blueprint->workers[i].line, false,
               "worker '%s' needs %s, which no worker produces", blueprint->workers[i].id.s,
               sp_cache_type_name(wanted->type));
    }
}

static void check_reads(struct check *check, uint32_t i)
{
    const struct sp_worker_config *config = &check->blueprint->workers[i];
    const struct sp_manifest *manifest = &check->wiring->workers[i].manifest;
    uint32_t named = 0;

    for (uint32_t g = 0; g < config->read_count; g++) {
        struct guess guess = {.wrong = config->reads[g].alias.s};
        uint32_t read = 0;
        while (read < manifest->read_count &&
               !sp_name_eq(&manifest->reads[read].alias, &config->reads[g].alias))
            read++;
        if (read < manifest->read_count) {
            named |= 1u << read;
            bind_named(check, i, read, &config->reads[g]);
            continue;
        }
        for (uint32_t r = 0; r < manifest->read_count; r++)
            guess_try(&guess, &manifest->reads[r].alias);
        hint_guess(check, &guess, "inputs");
        report(check, config->line, false, "worker '%s': %s has no input '%s'", config->id.s,
               config->plugin.s, config->reads[g].alias.s);
    }
    for (uint32_t read = 0; read < manifest->read_count; read++)
        if ((named & 1u << read) == 0) bind_unnamed(check, i, read);
}

/* ---- Events ---- */

static const uint32_t may_publish[SP_CATEGORY_COUNT] = {
    [SP_CATEGORY_CONTEXT] = 0,
    [SP_CATEGORY_OPPORTUNITY] = 1u << SP_WORKER_SIGNAL_GENERATED,
    [SP_CATEGORY_THREAT] = 1u << SP_WORKER_THREAT_DETECTED | 1u << SP_WORKER_THREAT_ENDED,
    [SP_CATEGORY_QUALIFICATION] =
        1u << SP_WORKER_OPPORTUNITY_ACCEPTED | 1u << SP_WORKER_OPPORTUNITY_REJECTED,
    [SP_CATEGORY_PLANNING] = 1u << SP_WORKER_OPPORTUNITY_REJECTED | 1u << SP_WORKER_PLAN_READY,
};

static uint32_t publishers_of(const struct check *check, enum sp_worker_event event)
{
    uint32_t bits = 0;

    for (uint32_t i = 0; i < check->blueprint->worker_count; i++)
        if (is_known(check, i) && (check->wiring->workers[i].manifest.publishes & 1u << event) != 0)
            bits |= 1u << i;
    return bits;
}

static void check_listener(struct check *check, uint32_t i, enum sp_worker_event event)
{
    const struct sp_worker_config *config = &check->blueprint->workers[i];
    uint32_t publishers = publishers_of(check, event);

    for (uint32_t p = 0; p < check->blueprint->worker_count; p++)
        if ((publishers & 1u << p) != 0) check->edges[p] |= 1u << i;
    if (publishers != 0 || sp_worker_event_source(event) == SP_BY_PLATFORM) return;
    set_hint(check, "add a worker that publishes %s", sp_worker_event_name(event));
    report(check, config->line, false, "worker '%s' waits for %s, which nothing publishes",
           config->id.s, sp_worker_event_name(event));
}

static void check_publisher(struct check *check, uint32_t i, enum sp_worker_event event)
{
    const struct sp_worker_config *config = &check->blueprint->workers[i];
    enum sp_category category = check->wiring->workers[i].manifest.category;

    if ((may_publish[category] & 1u << event) == 0)
        report(check, config->line, false, "worker '%s': a worker of category %s cannot publish %s",
               config->id.s, sp_category_name(category), sp_worker_event_name(event));
    if (event != SP_WORKER_SIGNAL_GENERATED && event != SP_WORKER_OPPORTUNITY_ACCEPTED) return;
    for (uint32_t w = 0; w < check->blueprint->worker_count; w++)
        if (is_known(check, w) && (check->wiring->workers[w].manifest.listens & 1u << event) != 0)
            return;
    set_hint(check, "it will be recorded and nothing will come of it");
    report(check, config->line, true, "worker '%s' publishes %s, which no worker waits for",
           config->id.s, sp_worker_event_name(event));
}

static void check_events(struct check *check, uint32_t i)
{
    const struct sp_manifest *manifest = &check->wiring->workers[i].manifest;

    for (uint32_t e = 0; e < SP_WORKER_EVENT_COUNT; e++) {
        if ((manifest->listens & 1u << e) != 0) check_listener(check, i, (enum sp_worker_event)e);
        if ((manifest->publishes & 1u << e) != 0)
            check_publisher(check, i, (enum sp_worker_event)e);
    }
}

/* ---- Order ---- */

struct walk {
    struct check *check;
    uint32_t path[SP_WORKERS_MAX], depth;
    uint32_t on_path, done, in_cycle;
};

static void report_cycle(struct walk *walk, uint32_t start)
{
    const struct sp_blueprint *blueprint = walk->check->blueprint;
    char text[160] = "";
    uint32_t from = 0;

    while (walk->path[from] != start)
        from++;
    for (uint32_t i = from; i < walk->depth; i++) {
        size_t len = strlen(text);
        walk->in_cycle |= 1u << walk->path[i];
        snprintf(text + len, sizeof text - len, "%s -> ", blueprint->workers[walk->path[i]].id.s);
    }
    set_hint(walk->check, "a flow runs each worker once: break one of these links");
    report(walk->check, blueprint->workers[start].line, false, "cycle within a flow: %s%s", text,
           blueprint->workers[start].id.s);
}

/* Recursion is bounded by the number of workers. */
static void visit(struct walk *walk, uint32_t i)
{
    walk->path[walk->depth++] = i;
    walk->on_path |= 1u << i;
    for (uint32_t next = 0; next < walk->check->blueprint->worker_count; next++) {
        if ((walk->check->edges[i] & 1u << next) == 0) continue;
        if ((walk->on_path & 1u << next) != 0)
            report_cycle(walk, next);
        else if ((walk->done & 1u << next) == 0)
            visit(walk, next);
    }
    walk->on_path &= ~(1u << i);
    walk->done |= 1u << i;
    walk->depth--;
}

static void check_order(struct check *check)
{
    const struct sp_blueprint *blueprint = check->blueprint;
    struct walk walk = {.check = check};

    for (uint32_t i = 0; i < blueprint->worker_count; i++)
        if ((walk.done & 1u << i) == 0) visit(&walk, i);
    for (uint32_t p = 0; p < blueprint->worker_count; p++) {
        for (uint32_t i = 0; i < p; i++) {
            bool both = (walk.in_cycle & 1u << i) != 0 && (walk.in_cycle & 1u << p) != 0;
            if ((check->edges[p] & 1u << i) == 0 || both) continue;
            set_hint(check, "a flow runs context, opportunity and threat, qualification, planning, "
                            "each in the order of the file");
            report(check, blueprint->workers[i].line, false,
                   "worker '%s' needs '%s', which runs after it", blueprint->workers[i].id.s,
                   blueprint->workers[p].id.s);
        }
    }
}

static void check_counts(struct check *check)
{
    static const enum sp_category bounded[] = {SP_CATEGORY_OPPORTUNITY, SP_CATEGORY_THREAT};

    for (uint32_t b = 0; b < sizeof bounded / sizeof bounded[0]; b++) {
        uint32_t count = 0;
        for (uint32_t i = 0; i < check->blueprint->worker_count; i++) {
            if (check->blueprint->workers[i].category != bounded[b]) continue;
            if (++count != SP_DETECTORS_MAX + 1) continue;
            report(check, check->blueprint->workers[i].line, false, "more than %u %s workers",
                   (unsigned)SP_DETECTORS_MAX, sp_category_name(bounded[b]));
        }
    }
}

bool sp_wiring_build(const struct sp_blueprint *blueprint, const struct sp_registry *registry,
                     struct sp_wiring *out, struct sp_problems *problems)
{
    struct check check = {.blueprint = blueprint,
                          .registry = registry,
                          .wiring = out,
                          .problems = problems};

    SP_ASSERT(blueprint->worker_count <= SP_WORKERS_MAX);
    memset(out, 0, sizeof *out);
    out->count = blueprint->worker_count;
    for (uint32_t i = 0; i < out->count; i++) {
        check_id(&check, i);
        find_plugin(&check, i);
    }
    for (uint32_t i = 0; i < out->count; i++) {
        if (!is_known(&check, i)) continue;
        check_params(&check, i);
        check_reads(&check, i);
        check_events(&check, i);
    }
    check_order(&check);
    check_counts(&check);
    return check.errors == 0;
}

void sp_workers_validate(const struct sp_blueprint *blueprint, struct sp_problems *problems)
{
    struct sp_wiring *wiring = malloc(sizeof *wiring);

    if (wiring == NULL) {
        sp_problems_error(problems, (struct sp_problem_place){blueprint->file_shown, 0}, NULL,
                          "memory is exhausted");
        return;
    }
    SP_IGNORE(sp_wiring_build(blueprint, sp_registry_builtin(), wiring, problems)); /* counted */
    free(wiring);
}
