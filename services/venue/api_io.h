/* The exchange's door for other programs, on loopback: REST, market streams, and requests with user
 * data over WebSockets. One thread: the loop's.
 */
#ifndef SP_VENUE_API_IO_H
#define SP_VENUE_API_IO_H

#include "services/venue/rest.h"

struct sp_api;

struct sp_api_options {
    struct sp_loop *loop;
    struct sp_exchange *exchange;
    struct sp_venue_store *store;
    struct sp_venue_changes *changes; /* where a request leaves what it changed */
    void *ctx;
    /* Stores what is in `changes`. False: it failed, and nobody may be answered. */
    bool (*keep)(void *ctx);
    /* The same of a balance that was changed from outside. */
    bool (*keep_transfer)(void *ctx, const struct sp_venue_transfer *row);
    /* Tells the subscribers of reports, after the asker has its answer. */
    void (*report)(void *ctx);
};

/* Serves at the world's venue.api.listen. SP_CONFIG: address or keys; err says what to do. */
SP_NODISCARD sp_status sp_api_open(const struct sp_api_options *options, struct sp_api **out,
                                   struct sp_err *err);
void sp_api_close(struct sp_api *api);
uint16_t sp_api_port(const struct sp_api *api);
/* Tells the holders of the account what happened to their orders. */
void sp_api_report(struct sp_api *api, const struct sp_venue_changes *changes);
/* One event of an instrument's public stream, after the exchange has taken it. */
void sp_api_market(struct sp_api *api, uint32_t instrument, const struct sp_market_event *event);

#endif
