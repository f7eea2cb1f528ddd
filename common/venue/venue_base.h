/* Between venue.c and the adapters: what every connection has. */
#ifndef SP_COMMON_VENUE_BASE_H
#define SP_COMMON_VENUE_BASE_H

#include "common/venue/venue.h"
#include "common/venue/venue_metrics.h"

struct sp_venue_ops {
    void (*close)(struct sp_venue *venue);
    /* Only called while up. */
    sp_status (*send)(struct sp_venue *venue, const struct sp_record *request, struct sp_err *err);
};

/* The first member of an adapter's own struct. */
struct sp_venue {
    const struct sp_venue_ops *ops;
    struct sp_venue_callbacks callbacks;
    bool up;
    uint32_t generation;
    sp_dur absence; /* above zero */
    bool over_a_network;
    struct sp_venue_metrics metrics;
    uint64_t last_request;
};

#endif
