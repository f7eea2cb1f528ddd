/* Workers: what a strategy is made of. A worker never sees the bus, a clock or a file.
 *
 * A plugin is one file in this folder: a manifest (JSON text, the source of what is enforced, see
 * manifest.h), an `init` and a `process`, listed once in registry.c. Categories run in order within
 * one flow (one bar): context -> opportunity and threat, side by side -> qualification -> planning.
 * Workers of a category run in the order of the blueprint. A worker reads the flow's base and the
 * immutable values of earlier workers, writes values of its own into the tick cache, and returns a
 * disposition. What it reads, writes and publishes must be in its manifest: anything else aborts
 * the flow (FLOW_FAILED), and the next flow runs.
 *
 * The state of a plugin is derived: rebuilt from ticks, never stored. Integers only, no libm. One
 * thread: the strategy's.
 */
#ifndef SP_COMMON_WORKERS_WORKER_H
#define SP_COMMON_WORKERS_WORKER_H

#include "common/workers/manifest.h"
#include "common/workers/tick_cache.h"
#include "proto/record.h"

#define SP_WORKER_STATE_MAX 4096
#define SP_THREATS_MAX      16

/* A threat that has begun and not ended. */
struct sp_active_threat {
    sp_thr_id threat_id;
    sp_name threat_type; /* "VOLATILITY_SPIKE" */
    sp_name worker;      /* who saw it */
    sp_name plugin;      /* "volatility_spike"; empty if it is not a worker's */
    uint8_t severity;
    sp_wall began;
    bool is_own;       /* begun by a worker of this strategy */
    struct sp_ref ref; /* its THREAT_DETECTED */
};

/* What every worker of a flow may see. Nothing in it is later than `time`. */
struct sp_flow_base {
    sp_name link;
    sp_name symbol, base, quote;
    sp_px tick;
    sp_qty step, min_qty;
    sp_amt min_value;
    unsigned px_places, qty_places; /* decimals of tick and step */
    struct sp_bar bar;
    sp_wall time;       /* end of the bar: the flow's market time */
    sp_mono now;        /* receive clock of the event that started the flow */
    sp_px bid, ask;     /* 0 if not known */
    sp_amt equity;      /* capital + realised result */
    sp_trd_id trade_id; /* open trade or entry in flight; none when flat */
    bool in_flight;     /* that trade has no fill yet */
    uint32_t threat_count;
    struct sp_active_threat threats[SP_THREATS_MAX];
};

enum sp_disposition_type {
    SP_DISPOSITION_NONE, /* a worker that returns it breaks its contract */
    SP_CONTINUE,         /* the next worker of the chain runs */
    SP_PUBLISH,          /* like CONTINUE, and `payload` becomes a record */
    SP_STOP              /* this branch of the flow ends here */
};

struct sp_disposition {
    enum sp_disposition_type type;
    const char *event_name; /* for SP_PUBLISH: declared in "publishes" */
    struct sp_record
        *payload; /* from sp_flow_payload; the strategy fills ids, link, worker, time */
};

struct sp_flow;

struct sp_plugin {
    const char *manifest; /* JSON */
    size_t state_bytes;   /* at most SP_WORKER_STATE_MAX */
    /* `state` is zeroed. Called at start and after a gap in the data: forget what was seen. May be
     * NULL if there is nothing to set. */
    void (*init)(void *state, const struct sp_params *params);
    struct sp_disposition (*process)(void *state, struct sp_flow *flow);
};

/* ---- What a worker may ask of its flow ---- */

const struct sp_flow_base *sp_flow_base(const struct sp_flow *flow);
/* The value of the n-th "requires_dtos" entry. Never NULL for a required one (the flow was aborted
 * before the worker ran); NULL for an optional one that is not there. */
const void *sp_flow_read(struct sp_flow *flow, uint32_t index);
/* The worker instance behind that entry: "ema_fast". */
const sp_name *sp_flow_source(const struct sp_flow *flow, uint32_t index);
/* Writes a copy of a result; immutable from then on. */
void sp_flow_set(struct sp_flow *flow, enum sp_cache_type type, const void *value);
/* A zeroed record of this kind to publish. One per worker and flow. */
struct sp_record *sp_flow_payload(struct sp_flow *flow, enum sp_kind kind);
/* Qualification and planning: the opportunity this branch is about. NULL elsewhere. */
const struct sp_opportunity *sp_flow_opportunity(const struct sp_flow *flow);
/* The active threat that this very instance has begun; NULL if there is none. */
const struct sp_active_threat *sp_flow_own_threat(const struct sp_flow *flow);
/* "config/strategies/ema_cross.json:26, block_from": where a parameter was set. */
void sp_flow_configured_at(const struct sp_flow *flow, const char *param, sp_text *out);

static inline struct sp_disposition sp_continue(void)
{
    return (struct sp_disposition){.type = SP_CONTINUE};
}
static inline struct sp_disposition sp_stop(void)
{
    return (struct sp_disposition){.type = SP_STOP};
}
static inline struct sp_disposition sp_publish(const char *event_name, struct sp_record *payload)
{
    return (struct sp_disposition){SP_PUBLISH, event_name, payload};
}

#endif
