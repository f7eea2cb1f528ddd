/* A market source that makes its own market: deterministic from a seed, endless if wanted.
 *
 * About 40 messages a market second and instrument (common/market/synth). A book snapshot comes at
 * the start, at every full minute since the start, and after each seek. Seeking runs the market up
 * to its target, from where it stands or from the start: some 5 million events a second. SP_RANGE
 * beyond 366 days of an endless one.
 */
#ifndef SP_MARKET_GENERATOR_H
#define SP_MARKET_GENERATOR_H

#include "common/market/source.h"

#define SP_GENERATOR_SYMBOLS_MAX   4
#define SP_GENERATOR_START_DEFAULT INT64_C(1767636000000000000) /* 2026-01-05T18:00:00Z */

struct sp_generator_symbol {
    struct sp_instrument instrument;
    sp_px px; /* where it begins */
};

struct sp_generator_config {
    uint64_t seed;
    sp_wall start; /* 0: the default */
    sp_dur length; /* 0: endless */
    uint32_t symbol_count;
    struct sp_generator_symbol symbols[SP_GENERATOR_SYMBOLS_MAX];
};

/* Rules and price of a symbol the generator knows: BTCUSDT, ETHUSDT, SOLUSDT. SP_NOT_FOUND. */
SP_NODISCARD sp_status sp_generator_known(const char *symbol, struct sp_generator_symbol *out,
                                          struct sp_err *err);
/* SP_INVALID, SP_NO_MEMORY. The caller owns *out and closes it. Two instruments of one generator,
 * and one instrument at another place in the list, have different markets. */
SP_NODISCARD sp_status sp_generator_open(const struct sp_generator_config *config,
                                         struct sp_source *out, struct sp_err *err);

#endif
