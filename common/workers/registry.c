#include "common/workers/registry.h"

/* One line per plugin. */
#define SP_PLUGIN_MAP(P)                                                                           \
    P(ema)                                                                                         \
    P(momentum_cross)                                                                              \
    P(volatility_spike)                                                                            \
    P(block_on_threat)                                                                             \
    P(entry_market)                                                                                \
    P(exit_percent)                                                                                \
    P(size_fixed_fraction)                                                                         \
    P(route)

/* clang-format off */
#define P(name) extern const struct sp_plugin sp_plugin_##name;
SP_PLUGIN_MAP(P)
#undef P

static const struct sp_plugin *const plugins[] = {
#define P(name) &sp_plugin_##name,
    SP_PLUGIN_MAP(P)
#undef P
};
/* clang-format on */

const struct sp_registry *sp_registry_builtin(void)
{
    static const struct sp_registry builtin = {.count = sizeof plugins / sizeof plugins[0],
                                               .plugins = plugins};

    return &builtin;
}

const struct sp_plugin *sp_registry_find(const struct sp_registry *registry, const char *name,
                                         struct sp_manifest *manifest)
{
    struct sp_manifest candidate;
    struct sp_err err;

    for (uint32_t i = 0; i < registry->count; i++) {
        if (sp_manifest_parse(registry->plugins[i]->manifest, &candidate, &err) != SP_OK)
            sp_assert_fail(err.text, registry->plugins[i]->manifest);
        if (!sp_name_is(&candidate.name, name)) continue;
        *manifest = candidate;
        return registry->plugins[i];
    }
    return NULL;
}
