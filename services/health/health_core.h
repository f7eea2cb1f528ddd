/* What health believes about the other services, and its three verdicts. Pure: fed with heartbeats,
 * answers and the supervisor's records, all with the monotonic time; one thread.
 *
 *   live     this process runs and hears itself through the bus
 *   ready    every service of the operation runs and is READY; the breaker does not matter
 *   trading  what execution says is possible; STOPPED while execution is silent
 *
 * The gate decides; health reports.
 */
#ifndef SP_HEALTH_CORE_H
#define SP_HEALTH_CORE_H

#include "common/config/config.h"
#include "proto/record.h"

#define SP_HEALTH_WINDOW_SLOTS 60 /* of a minute each */
#define SP_HEALTH_VALUES_MAX   8

/* Counted within the last hour from totals that restart with their process. */
struct sp_hour_window {
    uint32_t epoch;
    bool has_total;
    uint64_t total;
    int64_t minute; /* of the newest slot, of the monotonic clock */
    uint64_t slots[SP_HEALTH_WINDOW_SLOTS];
};

struct sp_service_health {
    sp_name name;
    bool ever_heard;
    sp_mono heard; /* newest heartbeat */
    struct sp_heartbeat heartbeat;
    bool has_status;
    sp_mono status_at;
    struct sp_service_status status;
    uint32_t restarts;    /* since the operation was started */
    bool given_up;        /* the supervisor starts it no more */
    sp_text storage_told; /* what was last said of its storage in the log */
    struct sp_hour_window errors;
    uint64_t cache_bytes;
    uint64_t journal_seq, journal_durable_seq; /* of its facts, 0: it keeps none */
};

struct sp_health {
    sp_name self;
    uint32_t count;
    struct sp_service_health services[SP_INSTANCES_MAX];
    sp_dur echo; /* how long our newest heartbeat took through the bus */
};

struct sp_trading_verdict {
    enum sp_trading trading;
    enum sp_breaker breaker;
    sp_text reason, next_step;
};

void sp_health_init(struct sp_health *health, const struct sp_config *config, const sp_name *self);
/* NULL if it is no service of the operation. */
struct sp_service_health *sp_health_service(struct sp_health *health, const sp_name *name);

void sp_health_heartbeat(struct sp_health *health, const struct sp_heartbeat *heartbeat,
                         sp_mono now);
void sp_health_status(struct sp_health *health, const struct sp_service_status *status,
                      sp_mono now);
/* A record of the supervisor's journal: CHILD_* and STREAM_STARTED (a new run counts anew). */
void sp_health_child(struct sp_health *health, const struct sp_record *record);
/* A total that counts up within an epoch and begins at 0 in the next. The first one ever seen is
 * only a place to count from, unless the service began while we watched. */
void sp_hour_window_add(struct sp_hour_window *window, uint32_t epoch, uint64_t total, sp_mono now);
uint64_t sp_hour_window_sum(const struct sp_hour_window *window, sp_mono now);

bool sp_health_is_up(const struct sp_service_health *service, sp_mono now);
bool sp_health_is_ready_service(const struct sp_service_health *service, sp_mono now);
bool sp_health_bus_alive(const struct sp_health *health, sp_mono now);
bool sp_health_live(const struct sp_health *health, sp_mono now);
/* `missing`, if not NULL, tells which services are not ready, for a person. */
bool sp_health_ready(const struct sp_health *health, sp_mono now, sp_text *missing);
/* What a service says is wrong with its storage; "" if nothing, or if it does not answer. */
const char *sp_health_storage(const struct sp_service_health *service, sp_mono now);
bool sp_health_storage_ok(const struct sp_health *health, sp_mono now);
void sp_health_trading(const struct sp_health *health, sp_mono now, struct sp_trading_verdict *out);
uint32_t sp_health_strategies_running(const struct sp_health *health, sp_mono now);
/* Market time of the newest tick that a strategy has seen; 0 for none. */
sp_wall sp_health_last_tick(const struct sp_health *health);
uint64_t sp_health_errors_last_hour(const struct sp_health *health, sp_mono now);

#endif
