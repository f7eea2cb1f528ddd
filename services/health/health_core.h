/* What health believes about the other services, its three verdicts, and its alerts. Pure; one
 * thread. What comes in are events: heartbeats and answers as messages, the supervisor's records,
 * and a timer on which it looks.
 *
 *   live     this process runs and hears itself through the bus
 *   ready    every service of the operation runs and is READY; the breaker does not matter
 *   trading  what execution says is possible; STOPPED while execution is silent
 *
 * The gate decides; health reports.
 *
 * An alert is a threat of its own: THREAT_DETECTED when it begins, THREAT_ENDED when it is over,
 * of the types below. Alerts are durable, by apply: a restart neither repeats nor forgets one, and
 * ends none before it has heard that it is over. A service stopped on request raises none.
 *
 *   SERVICE_NOT_READY    silent or not READY for three seconds
 *   SERVICE_GIVEN_UP     the supervisor starts it no more
 *   STORAGE              what a service says of its disk: low, reserve, a damaged journal
 *   TRADING_REDUCE_ONLY  execution opens nothing, or
 *   TRADING_STOPPED      sends nothing, for three seconds
 *
 * Of the supervisor's children it keeps what the supervisor's journal says, up to a place in it.
 * Heartbeats and answers are volatile.
 */
#ifndef SP_HEALTH_CORE_H
#define SP_HEALTH_CORE_H

#include "common/config/config.h"
#include "common/decider.h"

#define SP_HEALTH_WINDOW_SLOTS 60 /* of a minute each */
#define SP_HEALTH_ALERTS_MAX   (3 * SP_INSTANCES_MAX + 1)

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
    sp_mono unready_since; /* 0: it is ready, or nothing was looked at yet */
    struct sp_hour_window errors;
    uint64_t cache_bytes;
    uint64_t journal_seq, journal_durable_seq; /* of its facts, 0: it keeps none */
};

/* A child of the supervisor, as the supervisor's journal says. */
struct sp_child_kept {
    sp_name name;
    uint32_t restarts;  /* since the operation was started */
    bool given_up;      /* the supervisor starts it no more */
    bool stopped;       /* on request */
    struct sp_ref last; /* the newest record about it */
};

struct sp_active_alert {
    struct sp_ref ref; /* its THREAT_DETECTED */
    struct sp_threat threat;
};

/* What survives a restart. */
struct sp_health_kept {
    struct sp_ref place; /* in the supervisor's journal: read up to here */
    uint64_t raised, ended;
    uint32_t child_count;
    struct sp_child_kept children[SP_INSTANCES_MAX]; /* one per service, in the same order */
    uint32_t alert_count;
    struct sp_active_alert alerts[SP_HEALTH_ALERTS_MAX]; /* active, oldest first */
};

struct sp_health {
    struct sp_health_kept kept;
    sp_name self;
    sp_mono untraded_since; /* 0: trading is allowed */
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
/* A record of the supervisor's journal: CHILD_* and STREAM_STARTED (a new run counts anew). Moves
 * the place. */
void sp_health_child(struct sp_health *health, const struct sp_record *record);
/* The supervisor's journal does not hold the place any more: it is to be read from its begin. */
void sp_health_forget_children(struct sp_health *health);
const struct sp_child_kept *sp_health_kept_child(const struct sp_health *health,
                                                 const struct sp_service_health *service);
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
/* Whether its newest answer is one of this incarnation, which is up. */
bool sp_health_knows(const struct sp_service_health *service, sp_mono now);
/* What a service says is wrong with its storage; "" if nothing, or if it does not answer. */
const char *sp_health_storage(const struct sp_service_health *service, sp_mono now);
bool sp_health_storage_ok(const struct sp_health *health, sp_mono now);
void sp_health_trading(const struct sp_health *health, sp_mono now, struct sp_trading_verdict *out);
uint32_t sp_health_strategies_running(const struct sp_health *health, sp_mono now);
/* Market time of the newest tick that a strategy has seen; 0 for none. */
sp_wall sp_health_last_tick(const struct sp_health *health);
uint64_t sp_health_errors_last_hour(const struct sp_health *health, sp_mono now);

/* alerts.c, health_rows.c: SP_EVENT_RECORD is the supervisor's, SP_EVENT_MESSAGE a HEARTBEAT or
 * SERVICE_STATUS, SP_EVENT_TIMER looks. No effects. */
extern const struct sp_core sp_health_core;
/* The service that an alert is about; "" for none. */
sp_name sp_health_alert_service(const struct sp_threat *threat);
void sp_health_save(const void *state, struct sp_rows_writer *out);
SP_NODISCARD sp_status sp_health_load(void *state, struct sp_rows_reader *in, struct sp_err *err);

#endif
