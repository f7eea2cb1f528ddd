/* Bootstrap validation of a blueprint, and the wiring it proves possible.
 *
 * Finds everything at once: unknown plugin, wrong category, unknown, missing or invalid parameter,
 * duplicate instance id, missing or ambiguous producer, producer of another DTO, workers that run
 * side by side or later being read, a cycle within a flow, a subscriber without publisher, and more
 * workers than a flow may have. An edge from another flow (the ledger, a threat of the feed) is no
 * cycle: those events come from the platform. Pure; any thread.
 */
#ifndef SP_COMMON_WORKERS_WORKER_CHECK_H
#define SP_COMMON_WORKERS_WORKER_CHECK_H

#include "common/workers/registry.h"

#define SP_DETECTORS_MAX 6 /* opportunity workers, and threat workers, of one blueprint */

struct sp_wired_worker {
    const struct sp_plugin *plugin; /* NULL: not known, a problem was reported */
    struct sp_manifest manifest;
    struct sp_params params;          /* points into this manifest: do not copy the struct */
    uint32_t producers[SP_READS_MAX]; /* worker index of each required DTO */
    bool has_producer[SP_READS_MAX];  /* false: optional and not there */
};
struct sp_wiring {
    uint32_t count;
    struct sp_wired_worker workers[SP_WORKERS_MAX]; /* as in the blueprint */
};

/* Adds each problem to `problems` with the blueprint's file and line. */
void sp_workers_validate(const struct sp_blueprint *blueprint, struct sp_problems *problems);
/* The same against any registry, keeping the wiring. True if there was no error; *out is usable
 * only then. */
SP_NODISCARD bool sp_wiring_build(const struct sp_blueprint *blueprint,
                                  const struct sp_registry *registry, struct sp_wiring *out,
                                  struct sp_problems *problems);

#endif
