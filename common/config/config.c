#include "common/config/config.h"

#include "common/clock.h"
#include "common/config/config_check.h"
#include "common/config/config_tables.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct sp_strict_limits file_limits = {.bytes_max = (size_t)1024 * 1024,
                                                    .depth_max = 16};

/* One file while it is loaded. */
struct file {
    char shown[SP_PATH_SIZE], path[SP_PATH_SIZE], dir[SP_PATH_SIZE];
    struct sp_strict_json *json;
    struct sp_problem_place named_by; /* another file, or none */
    bool is_good;                     /* no error of syntax or schema */
};

struct loading {
    struct sp_config *config;
    struct sp_problems *problems;
    sp_blueprint_check_fn *check;
    struct file platform, operation;
    struct sp_config_files files;
};

/* Reads one file by its table; false if it has errors. */
static bool read_file(struct loading *l, struct file *f, const struct sp_table *table, void *base)
{
    struct sp_problem_place place = {f->shown, 0};
    struct sp_table_reader reader = {.problems = l->problems,
                                     .file_shown = f->shown,
                                     .dir = f->dir};
    struct sp_strict_fault fault = {0};
    uint32_t errors = l->problems->errors;
    char *slash;
    sp_status status;

    snprintf(f->dir, sizeof f->dir, "%s", f->path);
    slash = strrchr(f->dir, '/');
    SP_ASSERT(slash != NULL);
    *slash = '\0';
    status = sp_strict_json_load(f->path, &file_limits, &f->json, &fault);
    if (status != SP_OK && fault.line == 0 && f->named_by.file != NULL) {
        sp_problems_error(l->problems, f->named_by,
                          "paths are relative to the file that names them", "%s %s", f->shown,
                          fault.text);
    } else if (status != SP_OK && fault.line == 0) {
        sp_problems_error(l->problems, place, NULL, "%s", fault.text);
    } else if (status != SP_OK) {
        place.line = fault.line;
        sp_problems_error(l->problems, place, NULL, "column %" PRIu32 ": %s", fault.column,
                          fault.text);
    } else {
        l->config->file_count++;
        sp_table_read(&reader, table, sp_strict_json_root(f->json), base);
    }
    f->is_good = l->problems->errors == errors;
    return f->is_good;
}

static bool name_file(struct loading *l, const char *dir_shown, const char *name, struct file *f)
{
    if (sp_config_join(dir_shown, name, f->shown) &&
        sp_config_join(l->config->dir, name, f->path)) {
        return true;
    }
    sp_problems_error(l->problems, (struct sp_problem_place){dir_shown, 0}, "use a shorter path",
                      "the path is too long");
    return false;
}

/* IOC is the one time in force that the gateway knows how to send for now. */
static void check_times_in_force(struct loading *l, const struct sp_blueprint *blueprint)
{
    for (uint32_t i = 0; i < blueprint->worker_count; i++) {
        const struct sp_worker_config *worker = &blueprint->workers[i];
        for (uint32_t k = 0; k < worker->param_count; k++) {
            const struct sp_param_config *param = &worker->params[k];
            uint8_t tif;
            if (!sp_name_is(&param->key, "time_in_force")) continue;
            if (!sp_enum_parse(SP_ENUM_TIF, param->text, strlen(param->text), &tif)) continue;
            if (tif == SP_TIF_IOC) continue;
            sp_problems_error(l->problems,
                              (struct sp_problem_place){blueprint->file_shown, param->line},
                              "use \"IOC\": fill at once what can be filled, cancel the rest",
                              "%s.params.time_in_force: \"%s\" is not there yet in this version",
                              worker->id.s, param->text);
        }
    }
}

/* Loads a link's blueprint. The same file may serve several links and counts once. */
static void load_blueprint(struct loading *l, uint32_t index, const char *dir_shown)
{
    struct sp_link_config *link = &l->config->links[index];
    struct sp_blueprint *blueprint = &link->blueprint;
    const struct sp_strict_node *node =
        sp_strict_first(sp_strict_get(l->files.operation, "strategy_links"));
    struct file f = {0};
    uint32_t first = 0;
    const char *text;

    for (uint32_t i = 0; i < index && node != NULL; i++)
        node = sp_strict_next(node);
    if (sp_strict_string(sp_strict_get(node, "blueprint"), &text) != SP_OK) return;
    while (strcmp(l->config->links[first].blueprint.file, blueprint->file) != 0)
        first++;
    if (first < index) {
        *blueprint = l->config->links[first].blueprint;
        if (l->operation.is_good && blueprint->worker_count > 0) {
            sp_config_check_link(&l->files, l->config, index, l->problems);
        }
        return;
    }
    if (!name_file(l, dir_shown, text, &f)) return;
    f.named_by = (struct sp_problem_place){l->operation.shown,
                                           sp_strict_line(sp_strict_get(node, "blueprint"))};
    memcpy(blueprint->file_shown, f.shown, sizeof f.shown);
    memcpy(f.path, blueprint->file, sizeof f.path);
    if (read_file(l, &f, &sp_blueprint_table, blueprint)) {
        l->config->worker_count += blueprint->worker_count;
        check_times_in_force(l, blueprint);
        if (l->operation.is_good) sp_config_check_link(&l->files, l->config, index, l->problems);
        if (l->check != NULL) l->check(blueprint, l->problems);
    }
    sp_strict_json_free(f.json);
}

static void load_all(struct loading *l, const char *dir_shown)
{
    struct sp_config *config = l->config;

    if (!name_file(l, dir_shown, "platform.json", &l->platform)) return;
    if (!name_file(l, dir_shown, "operation.json", &l->operation)) return;
    l->files.platform_shown = l->platform.shown;
    l->files.operation_shown = l->operation.shown;
    read_file(l, &l->platform, &sp_platform_table, &config->platform);
    read_file(l, &l->operation, &sp_operation_table, config);
    if (l->platform.json != NULL) l->files.platform = sp_strict_json_root(l->platform.json);
    if (l->operation.json != NULL) l->files.operation = sp_strict_json_root(l->operation.json);
    l->problems->is_partial = !l->operation.is_good;
    if (l->operation.is_good) {
        sp_config_check_references(&l->files, config, l->problems);
    }
    for (uint32_t i = 0; i < config->link_count; i++)
        load_blueprint(l, i, dir_shown);
    if (l->platform.is_good && l->operation.is_good)
        sp_config_check_persistence(&l->files, config, l->problems);
    if (l->platform.is_good) sp_config_check_storage(&l->files, config, l->problems);
    sp_config_check_clock(sp_clock_wall(), l->problems, l->platform.shown);
}

sp_status sp_config_read(const char *dir, sp_blueprint_check_fn *check, struct sp_config **out,
                         struct sp_problems *problems)
{
    struct sp_problem_place place = {dir, 0};
    struct loading *l = calloc(1, sizeof *l);
    char *real = realpath(dir, NULL);

    *out = NULL;
    *problems = (struct sp_problems){0};
    if (l != NULL) l->config = calloc(1, sizeof *l->config);
    if (l == NULL || l->config == NULL) {
        sp_problems_error(problems, place, NULL, "memory is exhausted");
    } else if (real == NULL) {
        sp_problems_error(problems, place,
                          "name the folder with platform.json and operation.json, for example "
                          "config/demo",
                          "cannot be opened: %s", strerror(errno));
    } else if (strlen(real) >= SP_PATH_SIZE) {
        sp_problems_error(problems, place, "use a shorter path", "the path is too long");
    } else {
        snprintf(l->config->dir, SP_PATH_SIZE, "%s", real);
        l->problems = problems;
        l->check = check;
        load_all(l, strcmp(dir, ".") == 0 ? "" : dir);
        sp_problems_sort(problems);
        sp_strict_json_free(l->platform.json);
        sp_strict_json_free(l->operation.json);
    }
    free(real);
    if (l != NULL && problems->errors == 0) {
        *out = l->config;
    } else if (l != NULL) {
        sp_config_free(l->config);
    }
    free(l);
    return problems->errors == 0 ? SP_OK : SP_CONFIG;
}

void sp_config_free(struct sp_config *config)
{
    free(config);
}

static struct sp_instance *add_instance(struct sp_instance *instances, uint32_t *count,
                                        const char *name, const char *program)
{
    struct sp_instance *instance = &instances[(*count)++];

    SP_ASSERT(*count <= SP_INSTANCES_MAX);
    *instance = (struct sp_instance){.name = sp_name_of(name), .program = sp_name_of(program)};
    return instance;
}

static void start_after(struct sp_instance *instance, const char *other)
{
    instance->after[instance->after_count++] = sp_name_of(other);
}

uint32_t sp_config_instances(const struct sp_config *config,
                             struct sp_instance instances[SP_INSTANCES_MAX])
{
    struct sp_instance *instance;
    uint32_t count = 0;

    add_instance(instances, &count, "marketdata", "spoor-marketdata");
    instance = add_instance(instances, &count, "venue", "spoor-venue");
    start_after(instance, "marketdata");
    instance = add_instance(instances, &count, "execution", "spoor-execution");
    start_after(instance, "venue");
    start_after(instance, "marketdata");
    instance = add_instance(instances, &count, "reconciliation", "spoor-reconciliation");
    start_after(instance, "execution");
    for (uint32_t i = 0; i < config->link_count; i++) {
        char name[SP_NAME_SIZE];
        if (!config->links[i].active) continue;
        snprintf(name, sizeof name, "strategy.%.24s", config->links[i].id.s);
        instance = add_instance(instances, &count, name, "spoor-strategy");
        start_after(instance, "execution");
        start_after(instance, "marketdata");
    }
    add_instance(instances, &count, "health", "spoor-health");
    return count;
}

const struct sp_link_config *sp_config_link(const struct sp_config *config, const char *id)
{
    for (uint32_t i = 0; i < config->link_count; i++) {
        if (sp_name_is(&config->links[i].id, id)) return &config->links[i];
    }
    return NULL;
}

const struct sp_world_config *sp_config_world_of(const struct sp_config *config,
                                                 const struct sp_link_config *link)
{
    SP_ASSERT(link->world < config->world_count);
    return &config->worlds[link->world];
}

const struct sp_world_config *sp_config_world(const struct sp_config *config)
{
    for (uint32_t i = 0; i < config->link_count; i++) {
        if (config->links[i].active) return sp_config_world_of(config, &config->links[i]);
    }
    return &config->worlds[0];
}

const struct sp_instrument_config *sp_world_instrument(const struct sp_world_config *world,
                                                       const char *symbol)
{
    for (uint32_t i = 0; i < world->instrument_count; i++) {
        if (sp_name_is(&world->instruments[i].symbol, symbol)) return &world->instruments[i];
    }
    return NULL;
}

sp_name sp_world_stream(const struct sp_world_config *world, const char *symbol)
{
    char text[2 * SP_NAME_SIZE];

    snprintf(text, sizeof text, "md.%.24s.%.39s", world->venue.s, symbol);
    return sp_name_of(text);
}

void sp_config_instance_dir(const struct sp_config *config, const char *instance,
                            char out[SP_PATH_SIZE])
{
    int n = snprintf(out, SP_PATH_SIZE, "%s/%s", config->platform.data_dir, instance);

    SP_ASSERT(n > 0 && n < SP_PATH_SIZE);
}
