/* Market streams as Binance Spot's: who follows what, and the events as JSON. The public stream of
 * an instrument goes in, texts for connections come out of `send`. Pure; one thread.
 *
 * Streams: SYMBOL@trade, @aggTrade, @bookTicker, @depth (@100ms, @1000ms: both as the feed sends
 * changes), @depth5|10|20, @kline_INTERVAL, @miniTicker, @ticker, @avgPrice; names in lower
 * case.
 */
#ifndef SP_VENUE_STREAMS_H
#define SP_VENUE_STREAMS_H

#include "services/venue/exchange.h"
#include "services/venue/json_text.h"
#include "services/venue/market_view.h"
#include "services/venue/stream_topics.h"

#define SP_STREAMS_PER_CONNECTION 1024

struct sp_streams;

struct sp_streams_options {
    const struct sp_exchange *exchange;
    const struct sp_market_view *views; /* by instrument; they have seen the event already */
    /* Sends a text to a connection. It may end it, but does not call back. */
    void (*send)(void *ctx, uint64_t connection, const char *text, size_t len_bytes);
    void *ctx;
};

SP_NODISCARD sp_status sp_streams_open(const struct sp_streams_options *options,
                                       struct sp_streams **out, struct sp_err *err);
void sp_streams_close(struct sp_streams *streams);

/* A connection follows nothing at first. `combined`: events are wrapped with their stream's name.
 * SP_NO_MEMORY. */
SP_NODISCARD sp_status sp_streams_join(struct sp_streams *streams, uint64_t connection,
                                       bool combined);
/* Unknown ones are ignored. */
void sp_streams_leave(struct sp_streams *streams, uint64_t connection);
bool sp_streams_has(const struct sp_streams *streams, uint64_t connection);

/* SP_NOT_FOUND: no such stream here. SP_FULL: too many. Twice the same is once. */
SP_NODISCARD sp_status sp_streams_follow(struct sp_streams *streams, uint64_t connection,
                                         const char *name);
void sp_streams_unfollow(struct sp_streams *streams, uint64_t connection, const char *name);
/* The names as a JSON list. */
void sp_streams_list(const struct sp_streams *streams, uint64_t connection,
                     struct sp_json_text *out);
/* "combined" as it is now, or a new value. */
bool sp_streams_is_combined(const struct sp_streams *streams, uint64_t connection);
void sp_streams_set_combined(struct sp_streams *streams, uint64_t connection, bool combined);

/* One event of an instrument's public stream. */
void sp_streams_market(struct sp_streams *streams, uint32_t instrument,
                       const struct sp_market_event *event);
/* Once a second: candles and tickers that changed. */
void sp_streams_tick(struct sp_streams *streams);

#endif
