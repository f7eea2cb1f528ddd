#include "health.h"

#include "live.h"
#include "run.h"
#include "services/health/health_core.h"
#include "services/health/http.h"
#include "world.h"

#include <string.h>

#define ABSENT_NS  (8 * SIM_S)  /* two are silence, three more an alert; health may be slow */
#define READY_NS   (20 * SIM_S) /* heartbeats may be lost and late meanwhile */
#define ALERTS_MAX 256

static struct {
    struct sim_proc *proc;
    struct sp_health *core;
    int64_t since; /* it has run without a pause */
    struct {
        int64_t absent_since, ready_since; /* SIM_NEVER: it is not */
    } services[SP_INSTANCES_MAX];
    int ready_page; /* HTTP status */
    sp_thr_id active[ALERTS_MAX];
    uint32_t active_count;
} h;

/* ---- Its HTTP server, without a network ---- */

struct sp_http {
    int unused;
};

sp_status sp_http_open(const char *host, uint16_t port, struct sp_http **out, struct sp_err *err)
{
    static struct sp_http http;

    (void)host;
    (void)port;
    (void)err;
    *out = &http;
    return SP_OK;
}

sp_status sp_http_publish(struct sp_http *http, enum sp_http_route route, int status,
                          const char *text, size_t len_bytes)
{
    (void)http;
    if (strnlen(text, len_bytes + 1) != len_bytes || len_bytes == 0)
        sim_violation("health: page %d is not the text it says it is", (int)route);
    if (route == SP_HTTP_READYZ) h.ready_page = status;
    return SP_OK;
}

void sp_http_close(struct sp_http *http)
{
    (void)http;
}

/* ---- Its core ---- */

void __real_sp_health_init(struct sp_health *health, const struct sp_config *config,
                           const sp_name *self);
void __wrap_sp_health_init(struct sp_health *health, const struct sp_config *config,
                           const sp_name *self);
void __wrap_sp_health_init(struct sp_health *health, const struct sp_config *config,
                           const sp_name *self)
{
    __real_sp_health_init(health, config, self);
    h.core = health;
    h.proc = sim_self();
    h.since = sim_now();
    h.ready_page = 0;
}

void sim_health_reap(struct sim_proc *proc)
{
    if (proc != h.proc) return;
    h.proc = NULL;
    h.core = NULL;
}

void sim_health_begin(void)
{
    memset(&h, 0, sizeof h);
    for (uint32_t i = 0; i < SP_INSTANCES_MAX; i++)
        h.services[i].absent_since = h.services[i].ready_since = SIM_NEVER;
}

static const struct sp_threat *alert_about(const char *service, bool of_trading)
{
    const struct sp_health_kept *kept = &h.core->kept;

    for (uint32_t i = 0; i < kept->alert_count; i++) {
        const struct sp_threat *threat = &kept->alerts[i].threat;
        sp_name subject = sp_health_alert_service(threat);
        if (!sp_name_is(&subject, service)) continue;
        if ((strncmp(threat->threat_type.s, "TRADING_", 8) == 0) == of_trading) return threat;
    }
    return NULL;
}

/* ---- While things fail ---- */

/* How long it has been so, and has been seen by a health that runs. */
static bool has_been(bool is_so, int64_t *since, int64_t lasting)
{
    if (!is_so) *since = SIM_NEVER;
    if (is_so && *since == SIM_NEVER) *since = sim_now();
    return is_so && sim_now() - *since >= lasting && sim_now() - h.since >= lasting;
}

/* A service that runs and waits for another says so itself: it is not ready. */
static void look_at(uint32_t i)
{
    const struct sim_proc *proc = sim_world_proc(i);
    sp_name name = sp_name_of(sim_world_name(i));
    const struct sp_service_health *heard = sp_health_service(h.core, &name);
    bool runs = proc != NULL && proc->alive && proc->paused_until <= sim_now();
    bool ready = runs && heard != NULL && heard->heartbeat.phase == SP_PHASE_READY;
    /* Silent, too: somebody may have started it by hand. */
    bool absent = !runs && heard != NULL && !sp_health_is_up(heard, (sp_mono){sim_now()});
    bool long_absent = has_been(absent, &h.services[i].absent_since, ABSENT_NS);
    bool long_ready = has_been(ready, &h.services[i].ready_since, READY_NS);

    const struct sp_threat *alert = alert_about(name.s, false);
    if (long_absent && alert == NULL)
        sim_violation("health: %s has been absent for long, and there is no alert", name.s);
    if (long_ready && alert != NULL && sp_name_is(&alert->threat_type, "SERVICE_NOT_READY"))
        sim_violation("health: %s has been ready for long, and an alert says: %s", name.s,
                      alert->rule.s);
}

void sim_health_look(void)
{
    if (h.core == NULL) return;
    if (!h.proc->alive || h.proc->paused_until > sim_now()) h.since = sim_now();
    for (uint32_t i = 0; i < sim_world_count(); i++)
        look_at(i);
}

/* ---- At rest ---- */

bool sim_health_is_calm(const char **why)
{
    if (sim_world_find("health") == sim_world_count()) return true;
    if (h.core == NULL) {
        *why = "health does not run";
        return false;
    }
    if (h.ready_page != 200) {
        *why = "health says that not all is ready";
        return false;
    }
    for (uint32_t i = 0; i < sim_world_count(); i++) {
        const struct sp_threat *alert = alert_about(sim_world_name(i), false);
        /* What the scrub found and somebody mended lasts until its next round. */
        if (alert == NULL || strncmp(alert->rule.s, "journal damaged", 15) == 0) continue;
        *why = alert->rule.s;
        return false;
    }
    return true;
}

void sim_health_fold(const struct sp_record *record)
{
    sp_thr_id id = record->body.threat.threat_id;
    uint32_t at = 0;

    if (record->kind != SP_REC_THREAT_DETECTED && record->kind != SP_REC_THREAT_ENDED) return;
    while (at < h.active_count && !sp_thr_id_eq(h.active[at], id))
        at++;
    if (record->kind == SP_REC_THREAT_DETECTED) {
        if (at < h.active_count) sim_violation("health: an alert begins twice");
        if (at == h.active_count && at < ALERTS_MAX) h.active[h.active_count++] = id;
    } else if (at == h.active_count) {
        sim_violation("health: an alert ends that did not begin");
    } else {
        h.active[at] = h.active[--h.active_count];
    }
}
