#include "common/venue/venue.h"

#include "common/venue/binance.h"
#include "common/venue/venue_base.h"

#define WEIGHT_EXECUTION 60 /* percent of what one address may ask */
#define WEIGHT_OTHERS    20

sp_status sp_venue_open(struct sp_loop *loop, const struct sp_config *config,
                        const sp_name *service, bool reports,
                        const struct sp_venue_callbacks *callbacks, struct sp_venue **out,
                        struct sp_err *err)
{
    const struct sp_world_config *world = sp_config_world(config);
    struct sp_binance_options options = {.world = world,
                                         .ca_file = config->platform.tls_ca_file,
                                         .reports = reports,
                                         .weight_percent =
                                             reports ? WEIGHT_EXECUTION : WEIGHT_OTHERS};

    if (world->binance.rest[0] != '\0')
        return sp_venue_open_binance(loop, &options, callbacks, out, err);
    return sp_venue_open_native(loop, config->platform.run_dir, service, reports, callbacks, out,
                                err);
}

void sp_venue_measure(struct sp_venue *venue, struct sp_metrics *registry)
{
    sp_venue_metrics_init(&venue->metrics, registry, venue->over_a_network);
}

void sp_venue_close(struct sp_venue *venue)
{
    if (venue != NULL) venue->ops->close(venue);
}

bool sp_venue_is_up(const struct sp_venue *venue)
{
    return venue->up;
}

uint32_t sp_venue_generation(const struct sp_venue *venue)
{
    return venue->generation;
}

sp_dur sp_venue_absence(const struct sp_venue *venue)
{
    SP_ASSERT(venue->absence.ns > 0);
    return venue->absence;
}

sp_status sp_venue_send(struct sp_venue *venue, const struct sp_record *request, struct sp_err *err)
{
    if (!venue->up) return SP_FAIL(err, SP_CLOSED, "venue is not connected");
    sp_status status = venue->ops->send(venue, request, err);
    if (status == SP_AGAIN) sp_venue_metrics_count(venue->metrics.held_back);
    return status;
}

/* The upper half keeps ids of this module apart from the callers' own counters. */
uint64_t sp_venue_next_request(struct sp_venue *venue)
{
    return (UINT64_C(1) << 40) + ++venue->last_request;
}
