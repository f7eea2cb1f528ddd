/* One sequence out of two connections to the same market streams, so that a connection can be
 * replaced without a hole. Pure; owned by one thread.
 *
 * While one connection is up, what is newer than what was passed on is passed on, holes included:
 * who follows sees them by the numbers. While both are up, a message also has to continue what was
 * passed on: what is ahead waits for the other connection to get there
 * (binance_stream_ahead.h). The old connection may be closed once nothing of the new one is ahead.
 */
#ifndef SP_COMMON_VENUE_BINANCE_STREAM_MERGE_H
#define SP_COMMON_VENUE_BINANCE_STREAM_MERGE_H

#include "common/market/binance_feed.h"

#define SP_STREAM_SYMBOLS_MAX     8
#define SP_STREAM_CONNECTIONS_MAX 2

enum sp_stream_verdict {
    SP_STREAM_PASS,
    SP_STREAM_REPEATED, /* was passed on already */
    SP_STREAM_AHEAD     /* something before it is still to come from the other connection */
};

/* Numbers of the venue; 0: none yet. */
struct sp_stream_numbers {
    uint64_t trade, quote, update;
};

struct sp_stream_merge {
    bool up[SP_STREAM_CONNECTIONS_MAX];
    struct sp_stream_lane {
        struct sp_stream_numbers passed, seen[SP_STREAM_CONNECTIONS_MAX];
    } lanes[SP_STREAM_SYMBOLS_MAX];
};

/* The connection has delivered its first message. If no other is up everything begins anew: a venue
 * repeats nothing, so lower numbers than before are another count, not repetitions. */
void sp_stream_merge_up(struct sp_stream_merge *merge, uint32_t connection);
void sp_stream_merge_down(struct sp_stream_merge *merge, uint32_t connection);
/* Of a TRADE, QUOTE or DELTA from a connection that is up. */
enum sp_stream_verdict sp_stream_merge_take(struct sp_stream_merge *merge, uint32_t connection,
                                            uint32_t symbol, const struct sp_feed_message *message);
/* Whether nothing is lost if the other connection ends now. False while `by` is not up. */
bool sp_stream_merge_is_replaced(const struct sp_stream_merge *merge, uint32_t by);

#endif
