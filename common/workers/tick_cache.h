/* The tick cache: what the workers of one flow tell each other.
 *
 * Lives for one flow, keyed by (DTO type, producer instance), so that two instances of one plugin
 * never overwrite each other. Values are immutable once written. Starting a flow forgets all values
 * of the one before without touching them. Fixed memory; one thread.
 */
#ifndef SP_COMMON_WORKERS_TICK_CACHE_H
#define SP_COMMON_WORKERS_TICK_CACHE_H

#include "common/config/config.h"

/* The DTO types of the plugins; D(name) has struct sp_cache_<name>. */
#define SP_CACHE_MAP(D) D(ema) D(entry_plan) D(exit_plan) D(size_plan)

struct sp_cache_ema {
    sp_px value;
    uint32_t samples; /* bars seen since the start or the last gap */
};
struct sp_cache_entry_plan {
    uint8_t side;       /* enum sp_side */
    uint8_t order_type; /* enum sp_order_type */
    sp_px limit_px;     /* 0 for market */
    sp_px reference_px; /* price that stop, target and size are taken from */
    sp_text text;
};
struct sp_cache_exit_plan {
    sp_px stop_px, target_px;
    sp_text text;
};
struct sp_cache_size_plan {
    sp_qty qty;
    sp_amt risk;   /* lost if the stop fills at its price */
    sp_amt equity; /* what the size was taken from */
    sp_text text;
};

/* clang-format off */
enum sp_cache_type {
    SP_CACHE_NONE,
#define D(name) SP_CACHE_##name,
    SP_CACHE_MAP(D)
#undef D
    SP_CACHE_COUNT
};
union sp_cache_value {
#define D(name) struct sp_cache_##name name;
    SP_CACHE_MAP(D)
#undef D
};
/* clang-format on */

struct sp_tick_cache {
    uint64_t flow;                    /* number of the flow; values of others are not there */
    uint64_t value_bytes, peak_bytes; /* written in this flow, most ever in one */
    uint64_t written[SP_WORKERS_MAX][SP_CACHE_COUNT]; /* flow that wrote it */
    union sp_cache_value values[SP_WORKERS_MAX][SP_CACHE_COUNT];
};

/* "ema"; NULL if it is none. */
const char *sp_cache_type_name(enum sp_cache_type type);
/* SP_CACHE_NONE if there is no such type. */
enum sp_cache_type sp_cache_type_parse(const char *name);
size_t sp_cache_type_bytes(enum sp_cache_type type);

void sp_tick_cache_begin(struct sp_tick_cache *cache);
/* False if this producer has written the type in this flow already; nothing is changed then. */
SP_NODISCARD bool sp_tick_cache_put(struct sp_tick_cache *cache, enum sp_cache_type type,
                                    uint32_t producer, const void *value);
/* What this producer has written in this flow is there no more. */
void sp_tick_cache_forget(struct sp_tick_cache *cache, uint32_t producer);
/* NULL if it was not written in this flow. Valid until the flow ends. */
const void *sp_tick_cache_get(const struct sp_tick_cache *cache, enum sp_cache_type type,
                              uint32_t producer);

#endif
