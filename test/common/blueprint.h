/* The demo's blueprint as the configuration loader would give it, to be bent by tests. */
#ifndef SP_TEST_COMMON_BLUEPRINT_H
#define SP_TEST_COMMON_BLUEPRINT_H

#include "common/config/config.h"

#include <stdio.h>
#include <string.h>

static inline struct sp_worker_config *blueprint_add(struct sp_blueprint *blueprint,
                                                     enum sp_category category, const char *id,
                                                     const char *plugin)
{
    SP_ASSERT(blueprint->worker_count < SP_WORKERS_MAX);
    struct sp_worker_config *worker = &blueprint->workers[blueprint->worker_count++];

    memset(worker, 0, sizeof *worker);
    worker->category = category;
    worker->id = sp_name_of(id);
    worker->plugin = sp_name_of(plugin);
    worker->line = 10 * blueprint->worker_count;
    return worker;
}

static inline void worker_param(struct sp_worker_config *worker, const char *key, const char *text)
{
    SP_ASSERT(worker->param_count < SP_PARAMS_MAX);
    struct sp_param_config *param = &worker->params[worker->param_count++];

    param->key = sp_name_of(key);
    snprintf(param->text, sizeof param->text, "%s", text);
    param->line = worker->line + worker->param_count;
}

static inline void worker_read(struct sp_worker_config *worker, const char *alias,
                               const char *producer)
{
    SP_ASSERT(worker->read_count < SP_READS_MAX);
    worker->reads[worker->read_count++] =
        (struct sp_read_config){.alias = sp_name_of(alias), .producer = sp_name_of(producer)};
}

static inline struct sp_worker_config *blueprint_worker(struct sp_blueprint *blueprint,
                                                        const char *id)
{
    for (uint32_t i = 0; i < blueprint->worker_count; i++)
        if (sp_name_is(&blueprint->workers[i].id, id)) return &blueprint->workers[i];
    sp_assert_fail("the blueprint has the worker", id);
}

/* Sets a parameter that is there already. */
static inline void blueprint_set(struct sp_blueprint *blueprint, const char *id, const char *key,
                                 const char *text)
{
    struct sp_worker_config *worker = blueprint_worker(blueprint, id);

    for (uint32_t i = 0; i < worker->param_count; i++)
        if (sp_name_is(&worker->params[i].key, key))
            snprintf(worker->params[i].text, sizeof worker->params[i].text, "%s", text);
}

static inline void blueprint_planning(struct sp_blueprint *blueprint)
{
    struct sp_worker_config *worker;

    blueprint_add(blueprint, SP_CATEGORY_PLANNING, "entry", "entry_market");
    worker = blueprint_add(blueprint, SP_CATEGORY_PLANNING, "exit", "exit_percent");
    worker_param(worker, "stop", "0.3%");
    worker_param(worker, "target", "0.6%");
    worker = blueprint_add(blueprint, SP_CATEGORY_PLANNING, "size", "size_fixed_fraction");
    worker_param(worker, "risk", "0.15%");
    worker = blueprint_add(blueprint, SP_CATEGORY_PLANNING, "route", "route");
    worker_param(worker, "time_in_force", "IOC");
    worker_param(worker, "valid", "500ms");
}

static inline struct sp_blueprint blueprint_ema_cross(void)
{
    struct sp_blueprint blueprint = {.name = sp_name_of("ema_cross"),
                                     .version = sp_name_of("1.0.0"),
                                     .file_shown = "config/demo/strategies/ema_cross.json",
                                     .symbol = sp_name_of("BTCUSDT"),
                                     .bar = {1000000000},
                                     .warm_up_bars = 60};
    struct sp_worker_config *worker;

    worker = blueprint_add(&blueprint, SP_CATEGORY_CONTEXT, "ema_fast", "ema");
    worker_param(worker, "period", "20");
    worker = blueprint_add(&blueprint, SP_CATEGORY_CONTEXT, "ema_slow", "ema");
    worker_param(worker, "period", "60");
    worker = blueprint_add(&blueprint, SP_CATEGORY_OPPORTUNITY, "cross", "momentum_cross");
    worker_read(worker, "fast", "ema_fast");
    worker_read(worker, "slow", "ema_slow");
    worker_param(worker, "min_gap", "0.8 bps");
    worker = blueprint_add(&blueprint, SP_CATEGORY_THREAT, "volatility", "volatility_spike");
    worker_param(worker, "window_bars", "30");
    worker_param(worker, "limit", "2.5 bps");
    worker_param(worker, "severity", "HIGH");
    worker = blueprint_add(&blueprint, SP_CATEGORY_QUALIFICATION, "qualify", "block_on_threat");
    worker_param(worker, "block_from", "HIGH");
    blueprint_planning(&blueprint);
    return blueprint;
}

#endif
