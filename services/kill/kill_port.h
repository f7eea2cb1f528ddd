/* The venue over HTTP, as the core of spoor-kill sees it. One thread; blocking. */
#ifndef SP_KILL_PORT_H
#define SP_KILL_PORT_H

#include "services/kill/kill_core.h"
#include "services/kill/kill_key.h"

struct sp_kill_venue {
    const char *url;     /* without a path */
    const char *ca_file; /* as of sp_http_call */
    struct sp_kill_key key;
    int64_t offset_ms; /* the venue's clock - ours */
    uint32_t minted;
};

/* `venue` is the port's context and outlives it. Asks the venue for its time. */
struct sp_kill_port sp_kill_venue_open(struct sp_kill_venue *venue);

#endif
