#include "common/workers/tick_cache.h"

#include <string.h>

/* clang-format off */
static const struct {
    const char *name;
    size_t bytes;
} types[SP_CACHE_COUNT] = {
#define D(type) [SP_CACHE_##type] = {#type, sizeof(struct sp_cache_##type)},
    SP_CACHE_MAP(D)
#undef D
};
/* clang-format on */

const char *sp_cache_type_name(enum sp_cache_type type)
{
    return type < SP_CACHE_COUNT ? types[type].name : NULL;
}

enum sp_cache_type sp_cache_type_parse(const char *name)
{
    for (uint32_t i = SP_CACHE_NONE + 1; i < SP_CACHE_COUNT; i++)
        if (strcmp(types[i].name, name) == 0) return (enum sp_cache_type)i;
    return SP_CACHE_NONE;
}

size_t sp_cache_type_bytes(enum sp_cache_type type)
{
    SP_ASSERT(type < SP_CACHE_COUNT);
    return types[type].bytes;
}

void sp_tick_cache_begin(struct sp_tick_cache *cache)
{
    cache->flow++;
    cache->value_bytes = 0;
}

bool sp_tick_cache_put(struct sp_tick_cache *cache, enum sp_cache_type type, uint32_t producer,
                       const void *value)
{
    SP_ASSERT(type > SP_CACHE_NONE && type < SP_CACHE_COUNT);
    SP_ASSERT(producer < SP_WORKERS_MAX);
    if (cache->written[producer][type] == cache->flow) return false;
    cache->written[producer][type] = cache->flow;
    memcpy(&cache->values[producer][type], value, types[type].bytes);
    cache->value_bytes += types[type].bytes;
    if (cache->value_bytes > cache->peak_bytes) cache->peak_bytes = cache->value_bytes;
    return true;
}

void sp_tick_cache_forget(struct sp_tick_cache *cache, uint32_t producer)
{
    SP_ASSERT(producer < SP_WORKERS_MAX);
    memset(cache->written[producer], 0, sizeof cache->written[producer]);
}

const void *sp_tick_cache_get(const struct sp_tick_cache *cache, enum sp_cache_type type,
                              uint32_t producer)
{
    SP_ASSERT(type < SP_CACHE_COUNT);
    SP_ASSERT(producer < SP_WORKERS_MAX);
    if (cache->flow == 0 || cache->written[producer][type] != cache->flow) return NULL;
    return &cache->values[producer][type];
}
