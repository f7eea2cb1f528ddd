/* The market streams of Binance Spot as a market source: trades, best prices and changes of the
 * book of some instruments over one combined stream, and snapshots of the book over REST. No key.
 *
 *   WAITING  back-off, with jitter, before the next attempt
 *   RULES    exchangeInfo is asked for: an instrument whose rules differ from ours is not followed
 *   PROVING  the stream was asked for; it is up only when data has come
 *   UP       events pass; each book that is not right is asked for, in our share of the weight
 *
 * Before a connection is `life` old, or when the venue says that it will end, a second one is
 * opened, and the first is closed once it has been replaced (binance_stream_merge.h). Without a
 * byte for SP_STREAM_STALE_NS a connection is given up. When none is left every book is lost: one
 * DATA_GAP event per instrument. What cannot be read becomes a FEED_ERROR event.
 *
 * The source has events only within `on_data`, which pulls them until SP_AGAIN; what is not pulled
 * is gone, except losses. It cannot be sought. One thread: the loop's.
 */
#ifndef SP_COMMON_VENUE_BINANCE_STREAM_H
#define SP_COMMON_VENUE_BINANCE_STREAM_H

#include "common/bus/loop.h"
#include "common/market/source.h"

#define SP_STREAM_STALE_NS (INT64_C(15) * 1000000000)

struct sp_binance_stream;

struct sp_binance_stream_options {
    const char *rest, *stream; /* bases: outlive the source */
    const char *ca_file;       /* as of sp_http_client_open */
    uint32_t instrument_count;
    const struct sp_instrument *instruments; /* copied */
    uint32_t weight_percent;
    sp_dur life;   /* of a connection; the venue ends it after 24 hours */
    uint64_t seed; /* of the jitter */
    void *ctx;
    void (*on_data)(void *ctx);
    bool (*is_book_right)(void *ctx, uint32_t symbol);
};

struct sp_binance_stream_stats {
    uint32_t connections;   /* up now */
    uint64_t ups, replaced; /* connections that came up; of those, in place of one that was up */
    uint64_t repeated, ahead;
    uint64_t snapshots;
    char state[96]; /* for a person */
};

/* SP_CONFIG (a base), SP_NO_MEMORY, SP_IO, SP_FULL (the loop). The caller owns *source and closes
 * it before the loop; *out lives as long. */
SP_NODISCARD sp_status sp_binance_stream_open(struct sp_loop *loop,
                                              const struct sp_binance_stream_options *options,
                                              struct sp_binance_stream **out,
                                              struct sp_source *source, struct sp_err *err);
struct sp_binance_stream_stats sp_binance_stream_stats(const struct sp_binance_stream *stream);

#endif
