/* What a follower of market streams may ask for: SUBSCRIBE, UNSUBSCRIBE, LIST_SUBSCRIPTIONS,
 * SET_PROPERTY and GET_PROPERTY. Pure; one thread.
 */
#ifndef SP_VENUE_STREAM_CONTROL_H
#define SP_VENUE_STREAM_CONTROL_H

#include "services/venue/streams.h"

/* The streams that the path of a new connection names: /ws/A/B, /stream?streams=A/B. Names that
 * are no streams are passed over, as at Binance. */
void sp_stream_control_path(struct sp_streams *streams, uint64_t connection, const char *path,
                            const char *query);
/* Answers one message into *out. */
void sp_stream_control_handle(struct sp_streams *streams, uint64_t connection, const char *text,
                              size_t len_bytes, struct sp_json_text *out);

#endif
