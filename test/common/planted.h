/* Workers that only tests have: planted values, a reader, one that breaks contracts; and a pipeline
 * that knows them beside the real ones.
 */
#ifndef SP_TEST_COMMON_PLANTED_H
#define SP_TEST_COMMON_PLANTED_H

#include "blueprint.h"
#include "common/workers/pipeline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static inline struct sp_flow_base base_of(int64_t close_e8)
{
    struct sp_flow_base base = {.link = sp_name_of("ema"),
                                .symbol = sp_name_of("BTCUSDT"),
                                .base = sp_name_of("BTC"),
                                .quote = sp_name_of("USDT"),
                                .tick = {1000000},
                                .step = {1000},
                                .min_qty = {1000},
                                .min_value = {5 * SP_FX_ONE},
                                .px_places = 2,
                                .qty_places = 5,
                                .equity = {INT64_C(1001242000000)}};

    base.bar.interval.ns = INT64_C(1000000000);
    base.bar.close.e8 = close_e8;
    return base;
}

/* Values that a test's own worker gives to those under test. */
static int64_t planted_fast, planted_slow;

static inline struct sp_disposition plant(struct sp_flow *flow, int64_t value)
{
    struct sp_cache_ema ema = {.value = {value}, .samples = 100};

    sp_flow_set(flow, SP_CACHE_ema, &ema);
    return sp_continue();
}
static inline struct sp_disposition plant_fast(void *state, struct sp_flow *flow)
{
    (void)state;
    return plant(flow, planted_fast);
}
static inline struct sp_disposition plant_slow(void *state, struct sp_flow *flow)
{
    (void)state;
    return plant(flow, planted_slow);
}
#define PLANT(name_)                                                                               \
    "{\"name\": \"" name_ "\", \"version\": \"1\", \"category\": \"context\", \"subtype\": \"x\"," \
    " \"about\": \"a planted value\", \"requires_dtos\": [], \"produces_dtos\": [\"ema\"],"        \
    " \"publishes\": [], \"listens\": [], \"params\": {}}"
static const struct sp_plugin plugin_plant_fast = {.manifest = PLANT("plant_fast"),
                                                   .process = plant_fast};
static const struct sp_plugin plugin_plant_slow = {.manifest = PLANT("plant_slow"),
                                                   .process = plant_slow};

/* Breaks whatever contract the test names. */
static const char *misdeed = "none";
static inline struct sp_disposition misbehave(void *state, struct sp_flow *flow)
{
    struct sp_cache_ema ema = {.value = {1}, .samples = 1};
    struct sp_cache_size_plan size = {.qty = {1}};

    (void)state;
    if (strcmp(misdeed, "undeclared dto") == 0) sp_flow_set(flow, SP_CACHE_size_plan, &size);
    if (strcmp(misdeed, "nothing") == 0) return sp_continue();
    sp_flow_set(flow, SP_CACHE_ema, &ema);
    if (strcmp(misdeed, "twice") == 0) sp_flow_set(flow, SP_CACHE_ema, &ema);
    if (strcmp(misdeed, "undeclared read") == 0) sp_flow_read(flow, 5);
    if (strcmp(misdeed, "undeclared event") == 0)
        return sp_publish("PLAN_READY", sp_flow_payload(flow, SP_REC_PLAN_READY));
    if (strcmp(misdeed, "unknown event") == 0)
        return sp_publish("HELLO", sp_flow_payload(flow, SP_REC_PLAN_READY));
    if (strcmp(misdeed, "no payload") == 0) return sp_publish("THREAT_DETECTED", NULL);
    if (strcmp(misdeed, "other payload") == 0)
        return sp_publish("THREAT_DETECTED", sp_flow_payload(flow, SP_REC_THREAT_ENDED));
    if (strcmp(misdeed, "empty threat") == 0)
        return sp_publish("THREAT_DETECTED", sp_flow_payload(flow, SP_REC_THREAT_DETECTED));
    if (strcmp(misdeed, "no disposition") == 0) return (struct sp_disposition){0};
    return sp_continue();
}
static const struct sp_plugin plugin_misbehave = {
    .manifest =
        "{\"name\": \"misbehave\", \"version\": \"1\", \"category\": \"threat\","
        " \"subtype\": \"x\","
        " \"about\": \"breaks contracts\", \"requires_dtos\": [], \"produces_dtos\": [\"ema\"],"
        " \"publishes\": [\"THREAT_DETECTED\"], \"listens\": [], \"params\": {}}",
    .process = misbehave,
};
static uint32_t curious_seen;
static int64_t curious_value;
static inline struct sp_disposition curious(void *state, struct sp_flow *flow)
{
    (void)state;
    const struct sp_cache_ema *ema = sp_flow_read(flow, 0);
    if (ema == NULL) return sp_stop();
    curious_seen++;
    curious_value = ema->value.e8;
    return sp_stop();
}
static const struct sp_plugin plugin_curious = {
    .manifest = "{\"name\": \"curious\", \"version\": \"1\", \"category\": \"qualification\","
                " \"subtype\": \"x\", \"about\": \"reads an ema if there is one\","
                " \"requires_dtos\": [{\"dto\": \"ema\", \"optional\": true}],"
                " \"produces_dtos\": [], \"publishes\": [], \"listens\": [], \"params\": {}}",
    .process = curious,
};

static inline struct sp_pipeline *open_with(const struct sp_blueprint *blueprint)
{
    const struct sp_plugin *plugins[16] = {&plugin_plant_fast, &plugin_plant_slow,
                                           &plugin_misbehave, &plugin_curious};
    const struct sp_registry *builtin = sp_registry_builtin();
    struct sp_registry registry = {.count = builtin->count + 4, .plugins = plugins};
    struct sp_pipeline *pipeline = NULL;
    struct sp_err err = {0};

    assert_true(builtin->count + 4 <= 16);
    memcpy(&plugins[4], builtin->plugins, builtin->count * sizeof plugins[0]);
    if (sp_pipeline_open(blueprint, &registry, &pipeline, &err) != SP_OK) fail_msg("%s", err.text);
    return pipeline;
}

/* Runs workers 0..last of one flow; the last one's result. All must keep their contracts. */
static inline struct sp_worker_result run_to(struct sp_pipeline *pipeline,
                                             const struct sp_flow_base *base, uint32_t last)
{
    struct sp_worker_result result = {0};

    sp_pipeline_begin(pipeline, base);
    for (uint32_t i = 0; i <= last; i++)
        if (!sp_pipeline_run(pipeline, i, &result))
            fail_msg("%s", sp_pipeline_failure(pipeline)->reason.s);
    return result;
}

#endif
