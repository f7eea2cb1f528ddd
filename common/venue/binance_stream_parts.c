#include "common/venue/binance_stream_parts.h"

#include <string.h>

static uint32_t copy_part(const struct sp_feed_levels *from, uint32_t done, struct sp_levels *to)
{
    uint32_t count = from->count - done;

    if (count > SP_LEVELS_MAX) count = SP_LEVELS_MAX;
    memset(to, 0, sizeof *to);
    memcpy(to->at, &from->at[done], count * sizeof to->at[0]);
    to->count = count;
    return done + count;
}

bool sp_stream_parts_give(struct sp_stream_parts *parts, const struct sp_feed_message *message,
                          struct sp_market_event *out)
{
    struct sp_book_delta *delta = &out->body.book_delta;
    struct sp_book_snapshot *snapshot = &out->body.book_snapshot;
    bool is_delta = message->type == SP_FEED_DELTA;

    out->kind = is_delta ? SP_REC_BOOK_DELTA : SP_REC_BOOK_SNAPSHOT;
    parts->bids_done =
        copy_part(&message->bids, parts->bids_done, is_delta ? &delta->bids : &snapshot->bids);
    parts->asks_done =
        copy_part(&message->asks, parts->asks_done, is_delta ? &delta->asks : &snapshot->asks);
    bool more = parts->bids_done < message->bids.count || parts->asks_done < message->asks.count;
    if (is_delta) {
        delta->first_update_id = message->first_update_id;
        delta->last_update_id = message->last_update_id;
        delta->more = more;
        delta->received.ns = 0;
    } else {
        snapshot->last_update_id = message->last_update_id;
        snapshot->part = parts->part++;
        snapshot->more = more;
        snapshot->received.ns = 0;
    }
    return more;
}
