/* A change or a snapshot of the book as events of at most SP_LEVELS_MAX levels a side. Pure.
 */
#ifndef SP_COMMON_VENUE_BINANCE_STREAM_PARTS_H
#define SP_COMMON_VENUE_BINANCE_STREAM_PARTS_H

#include "common/market/binance_feed.h"
#include "common/market/source.h"

/* How much of a message was given; zero: nothing. */
struct sp_stream_parts {
    uint32_t bids_done, asks_done, part;
};

/* The next part of a DELTA or SNAPSHOT: kind and body of *out. Whether there is more. */
bool sp_stream_parts_give(struct sp_stream_parts *parts, const struct sp_feed_message *message,
                          struct sp_market_event *out);

#endif
