/* What a new connection to the market streams tells before the old one gets there: kept, in order,
 * until it continues what was passed on. Without it a new connection that is always a little ahead
 * could never take over without a hole. Bounded: what does not fit is left out, and is then missed
 * only if the old connection never tells it. Zeroed memory is empty. One thread.
 */
#ifndef SP_COMMON_VENUE_BINANCE_STREAM_AHEAD_H
#define SP_COMMON_VENUE_BINANCE_STREAM_AHEAD_H

#include "proto/types.h"

#define SP_STREAM_AHEAD_BYTES (1u << 20)

struct sp_stream_ahead {
    char *bytes; /* SP_STREAM_AHEAD_BYTES; NULL: empty */
    size_t begin, end;
};

/* A copy of a message, behind the others. */
void sp_stream_ahead_keep(struct sp_stream_ahead *ahead, const char *text, size_t len_bytes);
/* The oldest, until the next call of another function; NULL: none. */
const char *sp_stream_ahead_first(const struct sp_stream_ahead *ahead, size_t *len_bytes);
/* Removes it. */
void sp_stream_ahead_drop(struct sp_stream_ahead *ahead);
/* Empty, its memory freed. */
void sp_stream_ahead_clear(struct sp_stream_ahead *ahead);

#endif
