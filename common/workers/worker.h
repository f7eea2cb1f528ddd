/* Workers: what a strategy is made of. A worker never sees the bus, a clock or a file.
 *
 * A plugin is one file in this folder: a JSON manifest, a parameter table and a few functions,
 * listed in registry.c. Categories run in order within one flow (one tick): context -> opportunity
 * and threat -> qualification -> planning. Workers write immutable DTOs into the flow's tick cache,
 * keyed by (DTO type, producer instance), and return a disposition.
 */
#ifndef SP_COMMON_WORKERS_WORKER_H
#define SP_COMMON_WORKERS_WORKER_H

#include "common/config.h"
#include "proto/record.h"

#define SP_WORKER_STATE_MAX 4096

/* A plugin's manifest as parsed from its JSON:
 *   {"name":"momentum_cross","version":"1.0.0","category":"opportunity",
 *    "subtype":"momentum_signal",
 *    "requires_dtos":[{"alias":"fast","dto":"ema"},{"alias":"slow","dto":"ema"}],
 *    "produces_dtos":[], "publishes":["SIGNAL_GENERATED"], "listens":["TICK_FLOW_START"],
 *    "params":{"min_gap":{"type":"ratio","default":"1 bps","min":"0 bps","max":"100 bps"}}}
 */
struct sp_manifest;

enum sp_disposition_type { SP_CONTINUE, SP_PUBLISH, SP_STOP };

struct sp_disposition {
    enum sp_disposition_type type;
    const char *event_name;    /* for SP_PUBLISH: UPPER_SNAKE_CASE, declared in "publishes" */
    struct sp_record *payload; /* system DTO: kind and body; the flow fills ids and envelope */
};

#endif
