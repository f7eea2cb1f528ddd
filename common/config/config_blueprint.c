#include "common/config/config_tables.h"

static const char *const bars[] = {"1s", "1m", NULL};
static const struct sp_field trigger_fields[] = {
    {.key = "symbol",
     .doc = "the instrument whose bars start a flow",
     .type = SP_VALUE_NAME,
     .required = true,
     SP_AT(sp_blueprint, symbol)},
    {.key = "bar",
     .doc = "length of a bar",
     .type = SP_VALUE_DURATION,
     .required = true,
     .words = bars,
     .example = "\"1s\"",
     SP_AT(sp_blueprint, bar)},
    {.key = "warm_up_bars",
     .doc = "bars that are seen before the first trade",
     .type = SP_VALUE_COUNT,
     .fallback = "0",
     .max = "100000",
     SP_AT(sp_blueprint, warm_up_bars)},
};
static const struct sp_table trigger_table = SP_TABLE(trigger_fields, "what starts a flow");

static const struct sp_field read_value = {.key = "",
                                           .doc = "the worker whose result is read",
                                           .type = SP_VALUE_NAME,
                                           .example = "\"ema_fast\"",
                                           SP_AT(sp_read_config, producer)};
static const struct sp_rows read_rows = {.is_map = true,
                                         .element_bytes = sizeof(struct sp_read_config),
                                         .count_offset =
                                             offsetof(struct sp_worker_config, read_count),
                                         .id_offset = offsetof(struct sp_read_config, alias),
                                         .line_offset = SP_NOWHERE,
                                         .stamp_offset = SP_NOWHERE,
                                         .capacity = SP_READS_MAX,
                                         .value = &read_value};
static const struct sp_field param_value = {.key = "",
                                            .doc = "as the plugin's manifest defines it",
                                            .type = SP_VALUE_SCALAR,
                                            SP_AT(sp_param_config, text)};
static const struct sp_rows param_rows = {.is_map = true,
                                          .element_bytes = sizeof(struct sp_param_config),
                                          .count_offset =
                                              offsetof(struct sp_worker_config, param_count),
                                          .id_offset = offsetof(struct sp_param_config, key),
                                          .line_offset = offsetof(struct sp_param_config, line),
                                          .stamp_offset = SP_NOWHERE,
                                          .capacity = SP_PARAMS_MAX,
                                          .value = &param_value};
static const struct sp_field worker_fields[] = {
    {.key = "id",
     .doc = "the name of this worker in the blueprint",
     .type = SP_VALUE_ID,
     .required = true,
     .example = "\"ema_fast\"",
     SP_AT(sp_worker_config, id)},
    {.key = "worker",
     .doc = "the plugin it is an instance of",
     .type = SP_VALUE_NAME,
     .required = true,
     .example = "\"ema\"",
     SP_AT(sp_worker_config, plugin)},
    {.key = "reads",
     .doc = "what the plugin reads, and from which worker",
     .type = SP_VALUE_ROWS,
     .rows = &read_rows,
     .example = "{ \"fast\": \"ema_fast\" }",
     SP_AT(sp_worker_config, reads)},
    {.key = "params",
     .doc = "the plugin's parameters",
     .type = SP_VALUE_ROWS,
     .rows = &param_rows,
     .example = "{ \"period\": 20 }",
     SP_AT(sp_worker_config, params)},
};
static const struct sp_table worker_table = SP_TABLE(worker_fields, "one worker");

/* All categories go to one array, in the order of this table. */
#define ROWS(which, least_count)                                                                   \
    {                                                                                              \
        .element_bytes = sizeof(struct sp_worker_config),                                          \
        .count_offset = offsetof(struct sp_blueprint, worker_count),                               \
        .id_offset = offsetof(struct sp_worker_config, id),                                        \
        .line_offset = offsetof(struct sp_worker_config, line),                                    \
        .stamp_offset = offsetof(struct sp_worker_config, category), .stamp = (which),             \
        .least = (least_count), .capacity = SP_WORKERS_MAX, .table = &worker_table                 \
    }
static const struct sp_rows category_rows[SP_CATEGORY_COUNT] = {
    [SP_CATEGORY_CONTEXT] = ROWS(SP_CATEGORY_CONTEXT, 0),
    [SP_CATEGORY_OPPORTUNITY] = ROWS(SP_CATEGORY_OPPORTUNITY, 1),
    [SP_CATEGORY_THREAT] = ROWS(SP_CATEGORY_THREAT, 0),
    [SP_CATEGORY_QUALIFICATION] = ROWS(SP_CATEGORY_QUALIFICATION, 1),
    [SP_CATEGORY_PLANNING] = ROWS(SP_CATEGORY_PLANNING, 1),
};
#undef ROWS

static const char *const wirings[] = {"by_category", NULL};
static const char *const wirings_later[] = {"by_event", "explicit", NULL};
static const struct sp_field blueprint_fields[] = {
    {.key = "blueprint",
     .doc = "the name of this strategy",
     .type = SP_VALUE_NAME,
     .required = true,
     .example = "\"ema_cross\"",
     SP_AT(sp_blueprint, name)},
    {.key = "version",
     .doc = "the version of this strategy",
     .type = SP_VALUE_NAME,
     .required = true,
     .example = "\"1.0.0\"",
     SP_AT(sp_blueprint, version)},
    {.key = "trigger",
     .doc = "what starts a flow",
     .type = SP_VALUE_OBJECT,
     .required = true,
     .table = &trigger_table,
     .example = "{ \"symbol\": \"BTCUSDT\", \"bar\": \"1s\" }"},
    {.key = "context",
     .doc = "workers that compute what others read",
     .type = SP_VALUE_ROWS,
     .rows = &category_rows[SP_CATEGORY_CONTEXT],
     SP_AT(sp_blueprint, workers)},
    {.key = "opportunity",
     .doc = "workers that find reasons to open",
     .type = SP_VALUE_ROWS,
     .required = true,
     .rows = &category_rows[SP_CATEGORY_OPPORTUNITY],
     SP_AT(sp_blueprint, workers)},
    {.key = "threat",
     .doc = "workers that find reasons to close or to stay away",
     .type = SP_VALUE_ROWS,
     .rows = &category_rows[SP_CATEGORY_THREAT],
     SP_AT(sp_blueprint, workers)},
    {.key = "qualification",
     .doc = "workers that accept or reject an opportunity",
     .type = SP_VALUE_ROWS,
     .required = true,
     .rows = &category_rows[SP_CATEGORY_QUALIFICATION],
     SP_AT(sp_blueprint, workers)},
    {.key = "planning",
     .doc = "workers that make the plan: entry, exit, size, route",
     .type = SP_VALUE_ROWS,
     .required = true,
     .rows = &category_rows[SP_CATEGORY_PLANNING],
     SP_AT(sp_blueprint, workers)},
    {.key = "wiring",
     .doc = "by_category: context, opportunity and threat, qualification, planning",
     .type = SP_VALUE_WORD,
     .words = wirings,
     .later = wirings_later,
     .fallback = "by_category",
     .offset = SP_NOWHERE},
};
const struct sp_table sp_blueprint_table =
    SP_TABLE(blueprint_fields, "one strategy: its trigger and its workers");
