/* The manifest of a plugin: what it needs, gives, says and can be told.
 *
 * The JSON text in the plugin's file is the source; `spoor workers` prints it as it stands, and
 * this module parses it strictly (unknown and doubled keys, unknown types and events are errors):
 *
 *   {"name": "momentum_cross", "version": "1.0.0", "category": "opportunity",
 *    "subtype": "momentum_signal", "about": "one line for a person",
 *    "requires_dtos": [{"alias": "fast", "dto": "ema"}, {"alias": "slow", "dto": "ema"}],
 *    "produces_dtos": [], "publishes": ["SIGNAL_GENERATED"], "listens": ["TICK_FLOW_START"],
 *    "params": {"min_gap": {"type": "ratio", "default": "1 bps", "min": "0 bps", "max": "1%"}}}
 *
 * A required DTO may have "optional": true. A parameter without "default" must be given. Types of
 * parameters: ratio ("0.8 bps", "0.15%", "0.5"), int, duration ("500ms"), severity, tif. The parser
 * takes only what manifests need (objects, arrays, strings without escapes, booleans): plugins are
 * compiled in, so this text is ours. Pure; any thread.
 */
#ifndef SP_COMMON_WORKERS_MANIFEST_H
#define SP_COMMON_WORKERS_MANIFEST_H

#include "common/workers/tick_cache.h"
#include "common/workers/worker_param.h"
#include "proto/record.h"

#define SP_MANIFEST_EVENTS_MAX 4

/* What workers may publish or listen to. W(name, record kind, source): what the
 * platform publishes by itself needs no worker that does. */
#define SP_WORKER_EVENT_MAP(W)                                                                     \
    W(TICK_FLOW_START, SP_REC_NONE, SP_BY_PLATFORM)                                                \
    W(SIGNAL_GENERATED, SP_REC_OPPORTUNITY_DETECTED, SP_BY_WORKER)                                 \
    W(THREAT_DETECTED, SP_REC_THREAT_DETECTED, SP_BY_PLATFORM)                                     \
    W(THREAT_ENDED, SP_REC_THREAT_ENDED, SP_BY_PLATFORM)                                           \
    W(OPPORTUNITY_ACCEPTED, SP_REC_OPPORTUNITY_ACCEPTED, SP_BY_WORKER)                             \
    W(OPPORTUNITY_REJECTED, SP_REC_OPPORTUNITY_REJECTED, SP_BY_WORKER)                             \
    W(PLAN_READY, SP_REC_PLAN_READY, SP_BY_WORKER)

enum sp_event_source { SP_BY_WORKER, SP_BY_PLATFORM };
/* clang-format off */
enum sp_worker_event {
#define W(name, kind, source) SP_WORKER_##name,
    SP_WORKER_EVENT_MAP(W)
#undef W
    SP_WORKER_EVENT_COUNT
};
/* clang-format on */

struct sp_manifest_read {
    sp_name alias;
    enum sp_cache_type type;
    bool is_optional;
};
struct sp_manifest {
    sp_name name, version, subtype;
    enum sp_category category;
    sp_text about;
    uint32_t read_count, param_count;
    uint32_t produces;  /* bit per enum sp_cache_type */
    uint32_t publishes; /* bit per enum sp_worker_event */
    uint32_t listens;
    struct sp_manifest_read reads[SP_READS_MAX];
    struct sp_param_spec params[SP_PARAMS_MAX];
};

/* SP_INVALID, SP_MISSING or SP_UNKNOWN_KIND with the offset in the text. */
SP_NODISCARD sp_status sp_manifest_parse(const char *json, struct sp_manifest *out,
                                         struct sp_err *err);
const char *sp_category_name(enum sp_category category); /* "opportunity" */
const char *sp_worker_event_name(enum sp_worker_event event);
/* SP_WORKER_EVENT_COUNT if there is no such event. */
enum sp_worker_event sp_worker_event_parse(const char *name);
enum sp_kind sp_worker_event_kind(enum sp_worker_event event);
enum sp_event_source sp_worker_event_source(enum sp_worker_event event);

#endif
