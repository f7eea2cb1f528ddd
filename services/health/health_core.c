#include "services/health/health_core.h"

#include <stdio.h>
#include <string.h>

#define NS_PER_S   INT64_C(1000000000)
#define SILENCE_NS (2 * NS_PER_S) /* as on the bus: then it counts as gone */
#define STALE_NS   (5 * NS_PER_S) /* an answer older than this says nothing about now */
#define MINUTE_NS  (60 * NS_PER_S)

void sp_health_init(struct sp_health *health, const struct sp_config *config, const sp_name *self)
{
    struct sp_instance instances[SP_INSTANCES_MAX];

    memset(health, 0, sizeof *health);
    health->self = *self;
    health->count = sp_config_instances(config, instances);
    health->kept.child_count = health->count;
    for (uint32_t i = 0; i < health->count; i++) {
        health->services[i].name = instances[i].name;
        health->kept.children[i].name = instances[i].name;
    }
}

struct sp_service_health *sp_health_service(struct sp_health *health, const sp_name *name)
{
    for (uint32_t i = 0; i < health->count; i++) {
        if (sp_name_eq(&health->services[i].name, name)) return &health->services[i];
    }
    return NULL;
}

static const struct sp_service_health *find(const struct sp_health *health, const char *name)
{
    for (uint32_t i = 0; i < health->count; i++) {
        if (sp_name_is(&health->services[i].name, name)) return &health->services[i];
    }
    return NULL;
}

/* ---- What comes in ---- */

void sp_health_heartbeat(struct sp_health *health, const struct sp_heartbeat *heartbeat,
                         sp_mono now)
{
    struct sp_service_health *service = sp_health_service(health, &heartbeat->service);

    if (service == NULL) return;
    if (service->ever_heard && heartbeat->epoch < service->heartbeat.epoch) return; /* a late one */
    service->ever_heard = true;
    service->heard = now;
    service->heartbeat = *heartbeat;
    /* Only streams that moved are told each time. */
    for (uint32_t i = 0; i < heartbeat->streams.count; i++) {
        const struct sp_mark *mark = &heartbeat->streams.at[i];
        if (!sp_name_eq(&mark->stream, &heartbeat->service)) continue;
        service->journal_seq = mark->seq;
        service->journal_durable_seq = mark->durable_seq;
    }
    bool own = sp_name_eq(&heartbeat->service, &health->self);
    if (own && heartbeat->sent.ns > 0) health->echo = sp_mono_since(now, heartbeat->sent);
}

void sp_health_status(struct sp_health *health, const struct sp_service_status *status, sp_mono now)
{
    struct sp_service_health *service = sp_health_service(health, &status->service);

    if (service == NULL) return;
    service->has_status = true;
    service->status = *status;
    service->status_at = now;
}

void sp_health_forget_children(struct sp_health *health)
{
    health->kept.place = (struct sp_ref){0};
    for (uint32_t i = 0; i < health->kept.child_count; i++)
        health->kept.children[i] = (struct sp_child_kept){.name = health->kept.children[i].name};
}

static void take_child(struct sp_child_kept *kept, const struct sp_record *record)
{
    kept->restarts = record->body.child.restarts;
    kept->given_up = record->kind == SP_REC_CHILD_GIVEN_UP;
    kept->stopped = record->kind == SP_REC_CHILD_STOPPED;
    kept->last = sp_record_ref(record);
}

void sp_health_child(struct sp_health *health, const struct sp_record *record)
{
    if (record->kind == SP_REC_STREAM_STARTED) sp_health_forget_children(health);
    health->kept.place = sp_record_ref(record);
    if (record->kind < SP_REC_CHILD_STARTED || record->kind > SP_REC_CHILD_STOPPED) return;
    for (uint32_t i = 0; i < health->kept.child_count; i++) {
        struct sp_child_kept *kept = &health->kept.children[i];
        if (sp_name_eq(&kept->name, &record->body.child.name)) take_child(kept, record);
    }
}

const struct sp_child_kept *sp_health_kept_child(const struct sp_health *health,
                                                 const struct sp_service_health *service)
{
    static const struct sp_child_kept none;

    for (uint32_t i = 0; i < health->kept.child_count; i++) {
        if (sp_name_eq(&health->kept.children[i].name, &service->name))
            return &health->kept.children[i];
    }
    return &none;
}

/* ---- The hour ---- */

static void turn_to(struct sp_hour_window *window, int64_t minute)
{
    int64_t passed = minute - window->minute;

    if (passed <= 0) return;
    for (int64_t i = 0; i < passed && i < SP_HEALTH_WINDOW_SLOTS; i++) {
        window->slots[(minute - i) % SP_HEALTH_WINDOW_SLOTS] = 0;
    }
    window->minute = minute;
}

void sp_hour_window_add(struct sp_hour_window *window, uint32_t epoch, uint64_t total, sp_mono now)
{
    bool same = window->has_total && window->epoch == epoch && total >= window->total;
    uint64_t more = same ? total - window->total : window->has_total ? total : 0;

    turn_to(window, now.ns / MINUTE_NS);
    window->slots[window->minute % SP_HEALTH_WINDOW_SLOTS] += more;
    window->has_total = true;
    window->epoch = epoch;
    window->total = total;
}

uint64_t sp_hour_window_sum(const struct sp_hour_window *window, sp_mono now)
{
    int64_t minute = now.ns / MINUTE_NS;
    uint64_t sum = 0;

    for (int64_t i = 0; i < SP_HEALTH_WINDOW_SLOTS; i++) {
        int64_t slot = window->minute - i;
        if (slot < 0 || minute - slot >= SP_HEALTH_WINDOW_SLOTS) break;
        sum += window->slots[slot % SP_HEALTH_WINDOW_SLOTS];
    }
    return sum;
}

/* ---- Verdicts ---- */

bool sp_health_is_up(const struct sp_service_health *service, sp_mono now)
{
    return service->ever_heard && sp_mono_since(now, service->heard).ns < SILENCE_NS;
}

bool sp_health_is_ready_service(const struct sp_service_health *service, sp_mono now)
{
    return sp_health_is_up(service, now) && service->heartbeat.phase == SP_PHASE_READY;
}

bool sp_health_bus_alive(const struct sp_health *health, sp_mono now)
{
    const struct sp_service_health *self = find(health, health->self.s);

    return self != NULL && sp_health_is_up(self, now);
}

bool sp_health_live(const struct sp_health *health, sp_mono now)
{
    return sp_health_bus_alive(health, now);
}

bool sp_health_ready(const struct sp_health *health, sp_mono now, sp_text *missing)
{
    char list[SP_TEXT_SIZE] = "";
    size_t len = 0;

    for (uint32_t i = 0; i < health->count; i++) {
        const struct sp_service_health *service = &health->services[i];
        if (sp_health_is_ready_service(service, now)) continue;
        const char *phase = sp_enum_name(SP_ENUM_PHASE, service->heartbeat.phase);
        bool up = sp_health_is_up(service, now);
        int n = snprintf(list + len, sizeof list - len, "%s%s (%s)", len > 0 ? ", " : "",
                         service->name.s,
                         up && phase != NULL                               ? phase
                         : sp_health_kept_child(health, service)->given_up ? "given up"
                         : service->ever_heard                             ? "silent"
                                                                           : "never heard");
        if (n < 0 || (size_t)n >= sizeof list - len) {
            len = sizeof list - 1;
            break;
        }
        len += (size_t)n;
    }
    if (missing != NULL) sp_text_printf(missing, "%s", list);
    return len == 0;
}

void sp_health_trading(const struct sp_health *health, sp_mono now, struct sp_trading_verdict *out)
{
    const struct sp_service_health *execution = find(health, "execution");
    bool knows = execution != NULL && execution->has_status && sp_health_is_up(execution, now) &&
                 sp_mono_since(now, execution->status_at).ns < STALE_NS &&
                 execution->status.epoch == execution->heartbeat.epoch;

    *out = (struct sp_trading_verdict){.trading = SP_TRADING_STOPPED};
    if (!knows) {
        sp_text_printf(&out->reason, "execution is silent: no order can leave");
        sp_text_printf(&out->next_step, "spoor status; the supervisor restarts it");
        return;
    }
    out->trading = (enum sp_trading)execution->status.trading;
    out->breaker = (enum sp_breaker)execution->status.breaker;
    out->reason = execution->status.reason;
    out->next_step = execution->status.next_step;
}

bool sp_health_knows(const struct sp_service_health *service, sp_mono now)
{
    return service->has_status && sp_health_is_up(service, now) &&
           service->status.epoch == service->heartbeat.epoch;
}

const char *sp_health_storage(const struct sp_service_health *service, sp_mono now)
{
    return sp_health_knows(service, now) ? service->status.storage.s : "";
}

bool sp_health_storage_ok(const struct sp_health *health, sp_mono now)
{
    for (uint32_t i = 0; i < health->count; i++) {
        if (sp_health_storage(&health->services[i], now)[0] != '\0') return false;
    }
    return true;
}

static bool is_strategy(const struct sp_service_health *service)
{
    return strncmp(service->name.s, "strategy.", 9) == 0;
}

uint32_t sp_health_strategies_running(const struct sp_health *health, sp_mono now)
{
    uint32_t running = 0;

    for (uint32_t i = 0; i < health->count; i++) {
        const struct sp_service_health *service = &health->services[i];
        if (is_strategy(service) && sp_health_is_ready_service(service, now)) running++;
    }
    return running;
}

sp_wall sp_health_last_tick(const struct sp_health *health)
{
    sp_wall last = {0};

    for (uint32_t i = 0; i < health->count; i++) {
        const struct sp_service_health *service = &health->services[i];
        if (!is_strategy(service)) continue;
        if (service->status.market_time.ns > last.ns) last = service->status.market_time;
    }
    return last;
}

uint64_t sp_health_errors_last_hour(const struct sp_health *health, sp_mono now)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < health->count; i++) {
        sum += sp_hour_window_sum(&health->services[i].errors, now);
    }
    return sum;
}
