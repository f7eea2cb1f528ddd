#include "services/health/health_core.h"

#include <string.h>

#define GRACE_NS         INT64_C(3000000000) /* a start, a restart: silence is no news yet */
#define RECORDS_PER_LOOK (SP_DECISION_RECORDS_MAX - 2)
#define SUBJECT          "service" /* what `values` of an alert's threat name it */
#define SELF             "health"

#define NOT_READY   "SERVICE_NOT_READY"
#define GIVEN_UP    "SERVICE_GIVEN_UP"
#define STORAGE     "STORAGE"
#define REDUCE_ONLY "TRADING_REDUCE_ONLY"
#define STOPPED     "TRADING_STOPPED"

sp_name sp_health_alert_service(const struct sp_threat *threat)
{
    for (uint32_t i = 0; i < threat->values.count; i++) {
        if (sp_name_is(&threat->values.at[i].name, SUBJECT)) return threat->values.at[i].value;
    }
    return (sp_name){{0}};
}

/* ---- The fold ---- */

static void apply(void *state, const struct sp_record *record)
{
    struct sp_health_kept *kept = &((struct sp_health *)state)->kept;
    uint32_t at = 0;

    if (record->kind != SP_REC_THREAT_DETECTED && record->kind != SP_REC_THREAT_ENDED) return;
    const struct sp_threat *threat = &record->body.threat;
    while (at < kept->alert_count &&
           !sp_thr_id_eq(kept->alerts[at].threat.threat_id, threat->threat_id))
        at++;
    bool known = at < kept->alert_count;
    if (record->kind == SP_REC_THREAT_DETECTED) {
        if (known || kept->alert_count == SP_HEALTH_ALERTS_MAX) return;
        kept->raised++;
        kept->alerts[kept->alert_count++] =
            (struct sp_active_alert){.ref = sp_record_ref(record), .threat = *threat};
    } else if (known) {
        kept->ended++;
        kept->alert_count--;
        memmove(&kept->alerts[at], &kept->alerts[at + 1],
                (kept->alert_count - at) * sizeof kept->alerts[0]);
    }
}

/* ---- Looking ---- */

/* One look at everything: raises and ends until the decision is full; the next look goes on. */
struct look {
    struct sp_health *health;
    struct sp_decision *decision;
    sp_mono now;
};

/* What an alert would say. */
struct case_of {
    const char *type;
    const struct sp_service_health *service;
    uint8_t severity;
    struct sp_ref by; /* none: nobody else's record tells of it */
    sp_text rule;
};

static const struct sp_active_alert *find_alert(const struct look *look, const char *type,
                                                const struct sp_service_health *service)
{
    const struct sp_health_kept *kept = &look->health->kept;

    for (uint32_t i = 0; i < kept->alert_count; i++) {
        const struct sp_threat *threat = &kept->alerts[i].threat;
        sp_name subject = sp_health_alert_service(threat);
        if (sp_name_is(&threat->threat_type, type) && sp_name_eq(&subject, &service->name))
            return &kept->alerts[i];
    }
    return NULL;
}

static bool has_room(const struct look *look)
{
    return look->decision->record_count < RECORDS_PER_LOOK;
}

static void end_alert(struct look *look, const struct sp_active_alert *alert)
{
    if (!has_room(look)) return;
    struct sp_record *record = sp_decision_add(look->decision, SP_REC_THREAT_ENDED, &alert->ref);
    record->body.threat = alert->threat;
    record->body.threat.ended = record->time;
}

static void raise_alert(struct look *look, const struct case_of *c)
{
    static const char strategy[] = "strategy.";
    const char *name = c->service->name.s;

    /* Those that end in this look count until they are applied. */
    if (!has_room(look)) return;
    if (look->health->kept.alert_count + look->decision->record_count >= SP_HEALTH_ALERTS_MAX)
        return;
    struct sp_thr_id id = {sp_decision_mint(look->decision, SP_ID_THR)};
    struct sp_record *record = sp_decision_add(look->decision, SP_REC_THREAT_DETECTED,
                                               sp_ref_is_none(&c->by) ? NULL : &c->by);
    struct sp_threat *threat = &record->body.threat;
    *threat = (struct sp_threat){.threat_id = id,
                                 .threat_type = sp_name_of(c->type),
                                 .severity = c->severity,
                                 .worker = sp_name_of(SELF),
                                 .rule = c->rule,
                                 .began = record->time};
    threat->values.at[threat->values.count++] =
        (struct sp_fact){sp_name_of(SUBJECT), c->service->name};
    if (strncmp(name, strategy, sizeof strategy - 1) == 0)
        threat->strategy_link_id = sp_name_of(name + sizeof strategy - 1);
}

/* How long something has lasted; `since` is kept by the caller. */
static bool has_lasted(struct look *look, bool is_so, sp_mono *since)
{
    if (!is_so) *since = (sp_mono){0};
    if (is_so && since->ns == 0) *since = look->now;
    return is_so && sp_mono_since(look->now, *since).ns >= GRACE_NS;
}

static void look_at_readiness(struct look *look, struct sp_service_health *service)
{
    const struct sp_child_kept *child = sp_health_kept_child(look->health, service);
    bool ready = sp_health_is_ready_service(service, look->now);
    bool lasts = has_lasted(look, !ready && !child->stopped, &service->unready_since);
    const struct sp_active_alert *alert = find_alert(look, NOT_READY, service);
    const char *phase = sp_enum_name(SP_ENUM_PHASE, service->heartbeat.phase);
    struct case_of c = {.type = NOT_READY,
                        .service = service,
                        .severity = SP_SEVERITY_HIGH,
                        .by = child->last};

    if (alert != NULL && (ready || child->stopped)) end_alert(look, alert);
    if (alert != NULL || !lasts) return;
    if (!service->ever_heard) {
        sp_text_printf(&c.rule, "%s was never heard", service->name.s);
    } else if (!sp_health_is_up(service, look->now)) {
        sp_text_printf(&c.rule, "%s is silent: no heartbeat for 2 s", service->name.s);
    } else {
        sp_text_printf(&c.rule, "%s is not ready: phase %s", service->name.s,
                       phase != NULL ? phase : "unknown");
    }
    raise_alert(look, &c);
}

static void look_at_child(struct look *look, struct sp_service_health *service)
{
    const struct sp_child_kept *child = sp_health_kept_child(look->health, service);
    const struct sp_active_alert *alert = find_alert(look, GIVEN_UP, service);
    struct case_of c = {.type = GIVEN_UP,
                        .service = service,
                        .severity = SP_SEVERITY_CRITICAL,
                        .by = child->last};

    if (alert != NULL && !child->given_up) end_alert(look, alert);
    if (alert != NULL || !child->given_up) return;
    sp_text_printf(&c.rule, "the supervisor starts %s no more; spoor start %s", service->name.s,
                   service->name.s);
    raise_alert(look, &c);
}

/* Begin, kind and end of it are news; the bytes in it change all the time. While a service does not
 * answer, what it said last holds. */
static void look_at_storage(struct look *look, struct sp_service_health *service)
{
    const struct sp_active_alert *alert = find_alert(look, STORAGE, service);
    const char *says = sp_health_storage(service, look->now);
    size_t kind_len = strcspn(says, ":");
    struct case_of c = {.type = STORAGE, .service = service, .severity = SP_SEVERITY_HIGH};

    if (!sp_health_knows(service, look->now)) return;
    bool same =
        alert != NULL && says[0] != '\0' && strncmp(says, alert->threat.rule.s, kind_len + 1) == 0;
    if (alert != NULL && !same) end_alert(look, alert);
    if (says[0] == '\0' || same) return;
    sp_text_printf(&c.rule, "%s", says);
    raise_alert(look, &c);
}

/* An alert is about the one who decides. */
static void look_at_trading(struct look *look, struct sp_service_health *execution)
{
    struct sp_trading_verdict verdict;

    sp_health_trading(look->health, look->now, &verdict);
    bool stops = verdict.trading == SP_TRADING_STOPPED;
    bool allowed = verdict.trading == SP_TRADING_ALLOWED;
    bool asked = sp_health_kept_child(look->health, execution)->stopped;
    bool lasts = has_lasted(look, !allowed && !asked, &look->health->untraded_since);
    struct case_of c = {.type = stops ? STOPPED : REDUCE_ONLY,
                        .service = execution,
                        .severity = stops ? SP_SEVERITY_HIGH : SP_SEVERITY_MEDIUM};
    const struct sp_active_alert *other =
        find_alert(look, stops ? REDUCE_ONLY : STOPPED, execution);
    const struct sp_active_alert *same = find_alert(look, c.type, execution);

    /* Until it has lasted, nothing is known that would end what was raised before. */
    if (other != NULL && (allowed || asked || lasts)) end_alert(look, other);
    if (same != NULL && (allowed || asked)) end_alert(look, same);
    if (same != NULL || !lasts) return;
    c.rule = verdict.reason;
    raise_alert(look, &c);
}

/* Alerts about what is not configured any more. */
static void end_orphans(struct look *look)
{
    const struct sp_health_kept *kept = &look->health->kept;

    for (uint32_t i = 0; i < kept->alert_count; i++) {
        sp_name subject = sp_health_alert_service(&kept->alerts[i].threat);
        if (sp_health_service(look->health, &subject) == NULL) end_alert(look, &kept->alerts[i]);
    }
}

static void look_at_all(struct sp_health *health, const struct sp_event *event,
                        struct sp_decision *decision)
{
    struct look look = {.health = health, .decision = decision, .now = event->now};

    end_orphans(&look);
    for (uint32_t i = 0; i < health->count; i++) {
        struct sp_service_health *service = &health->services[i];
        look_at_readiness(&look, service);
        look_at_child(&look, service);
        look_at_storage(&look, service);
        if (sp_name_is(&service->name, "execution")) look_at_trading(&look, service);
    }
}

/* ---- The core ---- */

static void decide(void *state, const struct sp_event *event, struct sp_decision *decision)
{
    struct sp_health *health = state;

    switch (event->type) {
    case SP_EVENT_RECORD: sp_health_child(health, event->record); return;
    case SP_EVENT_MESSAGE:
        if (event->record->kind == SP_REC_HEARTBEAT)
            sp_health_heartbeat(health, &event->record->body.heartbeat, event->now);
        if (event->record->kind == SP_REC_SERVICE_STATUS)
            sp_health_status(health, &event->record->body.service_status, event->now);
        return;
    case SP_EVENT_TIMER: look_at_all(health, event, decision); return;
    case SP_EVENT_TICK: return;
    }
}

const struct sp_core sp_health_core = {.decide = decide,
                                       .apply = apply,
                                       .save = sp_health_save,
                                       .load = sp_health_load,
                                       .state_bytes = sizeof(struct sp_health_kept)};
