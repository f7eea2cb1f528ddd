/* A market source: one ordered sequence of what a venue sent about the instruments it covers.
 *
 * Market time never runs back within a source. Book changes and snapshots come as the venue sends
 * them: the consumer keeps its book with common/market/book_sync. After a seek the first book event
 * is a snapshot that the following changes join. The same source gives the same events every time.
 * `received` is left zero: it belongs to the process that reads the source. One thread.
 */
#ifndef SP_MARKET_SOURCE_H
#define SP_MARKET_SOURCE_H

#include "common/market/instrument.h"
#include "proto/record.h"

/* One event. `kind` is TRADE, QUOTE, BOOK_DELTA, BOOK_SNAPSHOT, or FEED_ERROR (body.feed: one piece
 * of input was unusable; its reason says where and why, and the source goes on). Only the DTO of
 * the kind is written in `body`. */
struct sp_market_event {
    sp_wall time;
    uint32_t symbol; /* index of the instrument in the source */
    enum sp_kind kind;
    union sp_body body;
};

struct sp_source_ops {
    sp_status (*next)(void *self, struct sp_market_event *out, struct sp_err *err);
    sp_status (*seek)(void *self, sp_wall time, struct sp_err *err);
    const struct sp_instrument *(*instrument)(const void *self, uint32_t symbol);
    void (*close)(void *self);
};

struct sp_source {
    const struct sp_source_ops *ops; /* NULL: closed */
    void *self;                      /* owned */
};

/* SP_OK, SP_CLOSED after the last event (err is untouched), SP_IO or SP_CORRUPT if nothing more can
 * be read. */
SP_NODISCARD static inline sp_status sp_source_next(struct sp_source *source,
                                                    struct sp_market_event *out, struct sp_err *err)
{
    return source->ops->next(source->self, out, err);
}
/* Goes to the first event at or after `time`, forwards or backwards. Past the end is SP_OK and the
 * next event is SP_CLOSED. */
SP_NODISCARD static inline sp_status sp_source_seek(struct sp_source *source, sp_wall time,
                                                    struct sp_err *err)
{
    return source->ops->seek(source->self, time, err);
}
/* NULL if there are not so many. Valid until close. */
static inline const struct sp_instrument *sp_source_instrument(const struct sp_source *source,
                                                               uint32_t symbol)
{
    return source->ops->instrument(source->self, symbol);
}
static inline void sp_source_close(struct sp_source *source)
{
    if (!source || !source->ops) return;
    source->ops->close(source->self);
    *source = (struct sp_source){0};
}

#endif
