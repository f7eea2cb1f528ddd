/* The Binance adapter: REST for orders, cancels and questions, the WebSocket API for user data.
 *
 *   WAITING  back-off before the next attempt
 *   CLOCK    the venue's time is asked for, several times
 *   RIGHTS   once in a process: what the key may do; a key that may withdraw is refused
 *   STREAM   user data is subscribed to (with `reports`)
 *   UP       requests pass; the time goes on being asked for, which also shows that the venue lives
 *
 * User data has no numbers and nothing is replayed: whenever its stream ends, the connection is
 * down, and who asked hears so. That a subscription works is shown by data: an order that was
 * accepted and that the stream does not tell of within seconds ends the stream.
 *
 * A stream that is as old as `renew` says is replaced by a second one beside it (binance_user.c).
 *
 * "No such order" is NOT_FOUND, and what sp_venue_absence says (`absence`: the receive window, the
 * venue's own limit for an order and the lag of its questions) is for who sends orders to weigh.
 * For who only asks it is a failed question until it has been the answer for so long.
 */
#ifndef SP_COMMON_VENUE_BINANCE_H
#define SP_COMMON_VENUE_BINANCE_H

#include "common/config/config.h"
#include "common/venue/venue.h"

struct sp_binance_options {
    const struct sp_world_config *world; /* outlives the connection */
    const char *ca_file;                 /* as of sp_http_client_open */
    bool reports;
    uint32_t weight_percent;
};

/* As sp_venue_open. Also SP_CONFIG: the key file. */
SP_NODISCARD sp_status sp_venue_open_binance(struct sp_loop *loop,
                                             const struct sp_binance_options *options,
                                             const struct sp_venue_callbacks *callbacks,
                                             struct sp_venue **out, struct sp_err *err);

#endif
