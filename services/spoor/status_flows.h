/* What each service says of its streams: how far behind it is, what was lost, dropped and replayed.
 * One thread.
 */
#ifndef SP_SPOOR_STATUS_FLOWS_H
#define SP_SPOOR_STATUS_FLOWS_H

#include "common/config/config.h"
#include "proto/messages.h"

#define SP_STATUS_FLOWS_MAX 512 /* more than subscriptions and streams of one service */

struct sp_status_flows {
    bool answered;
    uint32_t count;
    struct sp_bus_flow at[SP_STATUS_FLOWS_MAX];
};

/* Asks a service; one that does not answer soon has not answered. */
void sp_status_flows_ask(const struct sp_config *config, const sp_name *service,
                         struct sp_status_flows *out);
/* The heading of the lines below. */
void sp_status_flows_head(void);
/* One line: the sums of its subscriptions; nothing if it has none. */
void sp_status_flows_print(const sp_name *service, const struct sp_status_flows *flows);
/* [{"stream":...},...], or null if it has not answered. Numbers that are 0 are there, too. */
void sp_status_flows_json(const struct sp_status_flows *flows);

#endif
