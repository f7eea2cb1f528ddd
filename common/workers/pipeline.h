/* The pipeline: the worker instances of one blueprint, and the contracts they are held to.
 *
 * A flow is: begin, then run each worker in order; the caller (the strategy core) decides what runs
 * next from the dispositions and turns payloads into records. Checked while running: a required DTO
 * that is missing, a result, an event or a payload that the manifest does not declare, a value
 * written twice, no disposition. A broken contract ends the run with `false` and a failure; the
 * caller aborts the flow, and the next one begins clean.
 *
 * Memory is allocated at open only. One thread.
 */
#ifndef SP_COMMON_WORKERS_PIPELINE_H
#define SP_COMMON_WORKERS_PIPELINE_H

#include "common/workers/worker_check.h"

struct sp_pipeline;

struct sp_worker_counters {
    uint64_t ticks_processed; /* of a worker: flows that reached it */
    uint64_t events_published;
    uint64_t workers_executed;
    uint64_t cache_hits, cache_misses; /* of optional reads */
    uint64_t validation_errors;        /* broken contracts */
    sp_wall last_tick;                 /* market time */
};

struct sp_worker_result {
    enum sp_disposition_type type;
    enum sp_worker_event event;      /* for SP_PUBLISH */
    const struct sp_record *payload; /* for SP_PUBLISH: valid until the next run */
};

struct sp_flow_failure {
    uint32_t worker;
    const char *contract; /* UNDECLARED_DTO, UNDECLARED_EVENT, MISSING_DTO, WORKER_ERROR */
    sp_text reason;
};

/* SP_CONFIG with the first problem if the blueprint does not validate; SP_NO_MEMORY. The blueprint
 * is copied. */
SP_NODISCARD sp_status sp_pipeline_open(const struct sp_blueprint *blueprint,
                                        const struct sp_registry *registry,
                                        struct sp_pipeline **out, struct sp_err *err);
void sp_pipeline_close(struct sp_pipeline *pipeline);
/* All workers forget what they have seen: after a gap. */
void sp_pipeline_reset(struct sp_pipeline *pipeline);

uint32_t sp_pipeline_count(const struct sp_pipeline *pipeline);
const struct sp_worker_config *sp_pipeline_worker(const struct sp_pipeline *pipeline,
                                                  uint32_t worker);
const struct sp_manifest *sp_pipeline_manifest(const struct sp_pipeline *pipeline, uint32_t worker);

/* `base` must stay until the flow ends. */
void sp_pipeline_begin(struct sp_pipeline *pipeline, const struct sp_flow_base *base);
/* Another opportunity of the same flow: what qualification and planning wrote is forgotten. */
void sp_pipeline_begin_branch(struct sp_pipeline *pipeline,
                              const struct sp_opportunity *opportunity);
/* False: a contract was broken, see sp_pipeline_failure; *out is untouched. */
SP_NODISCARD bool sp_pipeline_run(struct sp_pipeline *pipeline, uint32_t worker,
                                  struct sp_worker_result *out);
const struct sp_flow_failure *sp_pipeline_failure(const struct sp_pipeline *pipeline);

const struct sp_worker_counters *sp_pipeline_counters(const struct sp_pipeline *pipeline,
                                                      uint32_t worker);
/* Most bytes of values that one flow has held. */
uint64_t sp_pipeline_cache_bytes(const struct sp_pipeline *pipeline);

#endif
