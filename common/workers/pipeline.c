#include "common/workers/pipeline.h"

#include <stdlib.h>
#include <string.h>

struct sp_flow {
    struct sp_pipeline *pipeline;
    const struct sp_flow_base *base;
    const struct sp_opportunity *opportunity; /* of this branch */
    uint32_t worker;                          /* running */
    bool failed;
};

struct instance {
    _Alignas(16) unsigned char state[SP_WORKER_STATE_MAX];
    struct sp_worker_counters counters;
};

struct sp_pipeline {
    struct sp_blueprint blueprint;
    struct sp_wiring wiring;
    struct sp_tick_cache cache;
    struct sp_flow flow;
    struct sp_flow_failure failure;
    struct sp_record payload;
    struct instance instances[]; /* one per worker */
};

/* The first breach is the one that is reported. */
static void breach(struct sp_flow *flow, const char *contract, const char *what, const char *name)
{
    struct sp_pipeline *pipeline = flow->pipeline;
    const struct sp_worker_config *config = &pipeline->blueprint.workers[flow->worker];

    pipeline->instances[flow->worker].counters.validation_errors++;
    if (flow->failed) return;
    flow->failed = true;
    memset(&pipeline->failure, 0, sizeof pipeline->failure);
    pipeline->failure.worker = flow->worker;
    pipeline->failure.contract = contract;
    sp_text_printf(&pipeline->failure.reason, "%s (%s) %s %s", config->id.s, config->plugin.s, what,
                   name);
}

static const struct sp_wired_worker *wired_of(const struct sp_flow *flow)
{
    return &flow->pipeline->wiring.workers[flow->worker];
}

/* ---- What a worker may ask of its flow ---- */

const struct sp_flow_base *sp_flow_base(const struct sp_flow *flow)
{
    return flow->base;
}

const void *sp_flow_read(struct sp_flow *flow, uint32_t index)
{
    const struct sp_wired_worker *wired = wired_of(flow);
    struct sp_worker_counters *counters = &flow->pipeline->instances[flow->worker].counters;
    const void *value = NULL;

    if (index >= wired->manifest.read_count) {
        breach(flow, "UNDECLARED_DTO", "read a DTO that its manifest does not require", "");
        return NULL;
    }
    if (wired->has_producer[index])
        value = sp_tick_cache_get(&flow->pipeline->cache, wired->manifest.reads[index].type,
                                  wired->producers[index]);
    if (wired->manifest.reads[index].is_optional) {
        counters->cache_hits += value != NULL;
        counters->cache_misses += value == NULL;
    }
    return value;
}

const sp_name *sp_flow_source(const struct sp_flow *flow, uint32_t index)
{
    const struct sp_wired_worker *wired = wired_of(flow);

    SP_ASSERT(index < wired->manifest.read_count);
    return &flow->pipeline->blueprint.workers[wired->producers[index]].id;
}

void sp_flow_set(struct sp_flow *flow, enum sp_cache_type type, const void *value)
{
    const struct sp_wired_worker *wired = wired_of(flow);

    SP_ASSERT(type > SP_CACHE_NONE && type < SP_CACHE_COUNT);
    if ((wired->manifest.produces & 1u << type) == 0)
        breach(flow, "UNDECLARED_DTO",
               "wrote a DTO that its manifest does not produce:", sp_cache_type_name(type));
    else if (!sp_tick_cache_put(&flow->pipeline->cache, type, flow->worker, value))
        breach(flow, "WORKER_ERROR", "wrote twice in one flow:", sp_cache_type_name(type));
}

struct sp_record *sp_flow_payload(struct sp_flow *flow, enum sp_kind kind)
{
    struct sp_record *payload = &flow->pipeline->payload;

    memset(payload, 0, sizeof *payload);
    payload->kind = kind;
    return payload;
}

const struct sp_opportunity *sp_flow_opportunity(const struct sp_flow *flow)
{
    return flow->opportunity;
}

const struct sp_active_threat *sp_flow_own_threat(const struct sp_flow *flow)
{
    const sp_name *id = &flow->pipeline->blueprint.workers[flow->worker].id;

    for (uint32_t i = 0; i < flow->base->threat_count; i++) {
        const struct sp_active_threat *threat = &flow->base->threats[i];
        if (threat->is_own && sp_name_eq(&threat->worker, id)) return threat;
    }
    return NULL;
}

/* The last four parts of a path: "config/demo/strategies/ema_cross.json". A supervised service is
 * given an absolute path, of which a journal need not tell more. */
static const char *end_of_path(const char *path)
{
    const char *at = path + strlen(path);

    for (int parts = 0; at > path; at--) {
        if (at[-1] == '/' && ++parts == 4) break;
    }
    return at;
}

void sp_flow_configured_at(const struct sp_flow *flow, const char *param, sp_text *out)
{
    const struct sp_blueprint *blueprint = &flow->pipeline->blueprint;
    const struct sp_worker_config *config = &blueprint->workers[flow->worker];
    const char *file = end_of_path(blueprint->file_shown);

    for (uint32_t i = 0; i < config->param_count; i++) {
        if (!sp_name_is(&config->params[i].key, param)) continue;
        sp_text_printf(out, "%s:%u, %s", file, config->params[i].line, param);
        return;
    }
    sp_text_printf(out, "%s:%u, %s (default)", file, config->line, param);
}

/* ---- The pipeline ---- */

static sp_status wire(struct sp_pipeline *pipeline, const struct sp_registry *registry,
                      struct sp_err *err)
{
    struct sp_problems *problems = calloc(1, sizeof *problems);
    sp_status status = SP_OK;

    if (problems == NULL) return SP_FAIL(err, SP_NO_MEMORY, "no memory to check the blueprint");
    if (!sp_wiring_build(&pipeline->blueprint, registry, &pipeline->wiring, problems)) {
        uint32_t i = 0;
        while (i + 1 < problems->count && problems->at[i].is_warning)
            i++;
        status = SP_FAIL(err, SP_CONFIG, "%s:%u: %s", problems->at[i].file, problems->at[i].line,
                         problems->at[i].text);
    }
    free(problems);
    return status;
}

sp_status sp_pipeline_open(const struct sp_blueprint *blueprint, const struct sp_registry *registry,
                           struct sp_pipeline **out, struct sp_err *err)
{
    size_t size = sizeof(struct sp_pipeline) + blueprint->worker_count * sizeof(struct instance);
    struct sp_pipeline *pipeline = aligned_alloc(64, (size + 63) / 64 * 64);

    if (pipeline == NULL) return SP_FAIL(err, SP_NO_MEMORY, "no memory for %zu bytes", size);
    memset(pipeline, 0, size);
    pipeline->blueprint = *blueprint;
    pipeline->flow.pipeline = pipeline;
    sp_status status = wire(pipeline, registry, err);
    if (status != SP_OK) {
        free(pipeline);
        return status;
    }
    for (uint32_t i = 0; i < pipeline->wiring.count; i++)
        SP_ASSERT(pipeline->wiring.workers[i].plugin->state_bytes <= SP_WORKER_STATE_MAX);
    sp_pipeline_reset(pipeline);
    *out = pipeline;
    return SP_OK;
}

void sp_pipeline_close(struct sp_pipeline *pipeline)
{
    free(pipeline);
}

void sp_pipeline_reset(struct sp_pipeline *pipeline)
{
    for (uint32_t i = 0; i < pipeline->wiring.count; i++) {
        const struct sp_wired_worker *wired = &pipeline->wiring.workers[i];
        memset(pipeline->instances[i].state, 0, sizeof pipeline->instances[i].state);
        if (wired->plugin->init != NULL)
            wired->plugin->init(pipeline->instances[i].state, &wired->params);
    }
}

uint32_t sp_pipeline_count(const struct sp_pipeline *pipeline)
{
    return pipeline->wiring.count;
}

const struct sp_worker_config *sp_pipeline_worker(const struct sp_pipeline *pipeline,
                                                  uint32_t worker)
{
    SP_ASSERT(worker < pipeline->wiring.count);
    return &pipeline->blueprint.workers[worker];
}

const struct sp_manifest *sp_pipeline_manifest(const struct sp_pipeline *pipeline, uint32_t worker)
{
    SP_ASSERT(worker < pipeline->wiring.count);
    return &pipeline->wiring.workers[worker].manifest;
}

void sp_pipeline_begin(struct sp_pipeline *pipeline, const struct sp_flow_base *base)
{
    sp_tick_cache_begin(&pipeline->cache);
    pipeline->flow.base = base;
    pipeline->flow.opportunity = NULL;
    pipeline->flow.failed = false;
}

void sp_pipeline_begin_branch(struct sp_pipeline *pipeline,
                              const struct sp_opportunity *opportunity)
{
    pipeline->flow.opportunity = opportunity;
    for (uint32_t i = 0; i < pipeline->wiring.count; i++)
        if (pipeline->blueprint.workers[i].category >= SP_CATEGORY_QUALIFICATION)
            sp_tick_cache_forget(&pipeline->cache, i);
}

static bool has_required(struct sp_flow *flow)
{
    const struct sp_wired_worker *wired = wired_of(flow);

    for (uint32_t i = 0; i < wired->manifest.read_count; i++) {
        const struct sp_manifest_read *read = &wired->manifest.reads[i];
        if (read->is_optional) continue;
        SP_ASSERT(wired->has_producer[i]);
        if (sp_tick_cache_get(&flow->pipeline->cache, read->type, wired->producers[i]) != NULL)
            continue;
        breach(flow, "MISSING_DTO",
               "requires a DTO that was not written in this flow:", sp_cache_type_name(read->type));
        return false;
    }
    return true;
}

static void check_publication(struct sp_flow *flow, const struct sp_disposition *disposition,
                              enum sp_worker_event *out)
{
    const char *name = disposition->event_name != NULL ? disposition->event_name : "";
    enum sp_worker_event event = sp_worker_event_parse(name);
    uint32_t declared = wired_of(flow)->manifest.publishes;

    *out = event;
    if (event == SP_WORKER_EVENT_COUNT || (declared & 1u << event) == 0)
        breach(flow, "UNDECLARED_EVENT",
               "published an event that its manifest does not declare:", name);
    else if (disposition->payload != &flow->pipeline->payload)
        breach(flow, "WORKER_ERROR", "published without a payload of this flow:", name);
    else if (disposition->payload->kind != sp_worker_event_kind(event))
        breach(flow, "WORKER_ERROR", "published a payload of another kind with", name);
}

bool sp_pipeline_run(struct sp_pipeline *pipeline, uint32_t worker, struct sp_worker_result *out)
{
    struct sp_flow *flow = &pipeline->flow;
    struct sp_worker_result result = {0};

    SP_ASSERT(worker < pipeline->wiring.count);
    SP_ASSERT(flow->base != NULL && !flow->failed);
    struct instance *instance = &pipeline->instances[worker];
    flow->worker = worker;
    instance->counters.ticks_processed++;
    instance->counters.last_tick = flow->base->time;
    if (!has_required(flow)) return false;

    instance->counters.workers_executed++;
    struct sp_disposition disposition =
        pipeline->wiring.workers[worker].plugin->process(instance->state, flow);
    switch (disposition.type) {
    case SP_CONTINUE:
    case SP_STOP: break;
    case SP_PUBLISH: check_publication(flow, &disposition, &result.event); break;
    case SP_DISPOSITION_NONE: breach(flow, "WORKER_ERROR", "returned no disposition", ""); break;
    }
    if (flow->failed) return false;
    result.type = disposition.type;
    result.payload = disposition.type == SP_PUBLISH ? &pipeline->payload : NULL;
    instance->counters.events_published += disposition.type == SP_PUBLISH;
    *out = result;
    return true;
}

const struct sp_flow_failure *sp_pipeline_failure(const struct sp_pipeline *pipeline)
{
    return &pipeline->failure;
}

const struct sp_worker_counters *sp_pipeline_counters(const struct sp_pipeline *pipeline,
                                                      uint32_t worker)
{
    SP_ASSERT(worker < pipeline->wiring.count);
    return &pipeline->instances[worker].counters;
}

uint64_t sp_pipeline_cache_bytes(const struct sp_pipeline *pipeline)
{
    return pipeline->cache.peak_bytes;
}
