/* The plugins there are. A new one is one file and one line in registry.c. Any thread.
 */
#ifndef SP_COMMON_WORKERS_REGISTRY_H
#define SP_COMMON_WORKERS_REGISTRY_H

#include "common/workers/worker.h"

struct sp_registry {
    uint32_t count;
    const struct sp_plugin *const *plugins;
};

/* The plugins that are compiled in. */
const struct sp_registry *sp_registry_builtin(void);
/* Finds a plugin by its manifest's name. NULL, leaving *manifest untouched, if there is none.
 * Asserts that every manifest parses: they are ours. */
const struct sp_plugin *sp_registry_find(const struct sp_registry *registry, const char *name,
                                         struct sp_manifest *manifest);

#endif
