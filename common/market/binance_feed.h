/* Reads one payload of the Binance Spot market streams: `trade`, `bookTicker`, `depthUpdate` and
 * `serverShutdown`, bare or inside the combined `{"stream":..,"data":..}`, and the REST answer for
 * the depth.
 *
 * A small scanner for exactly these shapes: keys in any order, each once; keys it does not know are
 * skipped if their value is a plain scalar; everything else is an error that says at which byte.
 * Numbers stay exact. No allocation. Any thread.
 */
#ifndef SP_MARKET_BINANCE_FEED_H
#define SP_MARKET_BINANCE_FEED_H

#include "proto/messages.h"

#define SP_FEED_LEVELS_MAX  8192
#define SP_FEED_SYMBOL_SIZE 24

enum sp_feed_type {
    SP_FEED_TRADE,
    SP_FEED_QUOTE,
    SP_FEED_DELTA,
    SP_FEED_SNAPSHOT,
    SP_FEED_SHUTDOWN /* the venue will end this connection; nothing else is set */
};

struct sp_feed_levels {
    uint32_t count;
    struct sp_level at[SP_FEED_LEVELS_MAX];
};

/* About 256 KiB: keep one and reuse it. */
struct sp_feed_message {
    enum sp_feed_type type;
    char symbol[SP_FEED_SYMBOL_SIZE]; /* upper case; empty for the REST answer */
    sp_wall time;                     /* trade: T; delta: E; 0 where the venue sends none */
    struct sp_trade trade;            /* of a TRADE */
    struct sp_quote quote;            /* of a QUOTE */
    uint64_t first_update_id;         /* U of a DELTA */
    uint64_t last_update_id;          /* u of a DELTA, lastUpdateId of a SNAPSHOT */
    struct sp_feed_levels bids;       /* of a DELTA or SNAPSHOT */
    struct sp_feed_levels asks;
};

/* SP_TRUNCATED, SP_TYPE, SP_MISSING, SP_RANGE, SP_INVALID, SP_TOO_LONG, SP_UNSUPPORTED (another
 * event). On failure *out is undefined but initialised. */
SP_NODISCARD sp_status sp_feed_parse(const char *json, size_t len_bytes,
                                     struct sp_feed_message *out, struct sp_err *err);

#endif
