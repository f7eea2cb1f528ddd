#include "services/health/report.h"

#include "proto/decimal.h"

#include <stdio.h>
#include <string.h>

#define QUOTED_SIZE (6 * SP_TEXT_SIZE + 3)

/* A JSON string. Texts are UTF-8 already; only quotes, backslashes and controls need care. */
static const char *quoted(const char *text, char buf[QUOTED_SIZE])
{
    size_t at = 0;

    buf[at++] = '"';
    for (const char *p = text; *p != '\0' && at + 8 < QUOTED_SIZE; p++) {
        unsigned char c = (unsigned char)*p;
        if (c == '"' || c == '\\') buf[at++] = '\\';
        if (c < 0x20) {
            at += (size_t)snprintf(buf + at, QUOTED_SIZE - at, "\\u%04x", c);
        } else {
            buf[at++] = (char)c;
        }
    }
    buf[at++] = '"';
    buf[at] = '\0';
    return buf;
}

static const char *boolean(bool value)
{
    return value ? "true" : "false";
}

static int64_t age_ms(const struct sp_service_health *service, sp_mono now)
{
    return service->ever_heard ? sp_mono_since(now, service->heard).ns / 1000000 : -1;
}

static uint32_t restarts(const struct sp_health *health)
{
    uint32_t sum = 0;

    for (uint32_t i = 0; i < health->count; i++) {
        sum += sp_health_kept_child(health, &health->services[i])->restarts;
    }
    return sum;
}

/* ---- The specification's fields and ours ---- */

static void specification_fields(struct sp_page *page, const struct sp_health *health, sp_mono now)
{
    sp_wall tick = sp_health_last_tick(health);
    char time[SP_WALL_TEXT_SIZE], text[QUOTED_SIZE];
    uint64_t cache = 0;

    for (uint32_t i = 0; i < health->count; i++) {
        cache += health->services[i].cache_bytes;
    }
    sp_page_line(page, "  \"event_bus_alive\": %s,", boolean(sp_health_bus_alive(health, now)));
    sp_page_line(page, "  \"strategies_running\": %u,", sp_health_strategies_running(health, now));
    sp_page_line(page, "  \"last_tick_timestamp\": %s,",
                 tick.ns > 0 ? quoted(sp_wall_format(tick, time), text) : "null");
    sp_page_line(page, "  \"cache_memory_usage\": %" PRIu64 ",", cache);
    sp_page_line(page, "  \"validation_errors_last_hour\": %" PRIu64 ",",
                 sp_health_errors_last_hour(health, now));
}

static void verdicts(struct sp_page *page, const struct sp_health *health, sp_mono now)
{
    struct sp_trading_verdict trading;
    sp_text missing = {{0}};
    char text[QUOTED_SIZE];

    sp_health_trading(health, now, &trading);
    sp_page_line(page, "  \"live\": %s,", boolean(sp_health_live(health, now)));
    sp_page_line(page, "  \"ready\": %s,", boolean(sp_health_ready(health, now, &missing)));
    sp_page_line(page, "  \"not_ready\": %s,", quoted(missing.s, text));
    sp_page_line(page, "  \"storage_ok\": %s,", boolean(sp_health_storage_ok(health, now)));
    sp_page_line(page, "  \"trading\": \"%s\",",
                 sp_enum_name(SP_ENUM_TRADING, (uint8_t)trading.trading));
    sp_page_line(page, "  \"trading_reason\": %s,", quoted(trading.reason.s, text));
    sp_page_line(page, "  \"trading_next_step\": %s,", quoted(trading.next_step.s, text));
    sp_page_line(page, "  \"breaker\": \"%s\",",
                 sp_enum_name(SP_ENUM_BREAKER, (uint8_t)trading.breaker));
    sp_page_line(page, "  \"restarts\": %u,", restarts(health));
    sp_page_line(page, "  \"event_bus_echo_us\": %" PRId64 ",", health->echo.ns / 1000);
}

/* What reconciliation says of itself; null while it does not answer. */
static void reconciliation(struct sp_page *page, const struct sp_health *health, sp_mono now)
{
    char text[QUOTED_SIZE];

    for (uint32_t i = 0; i < health->count; i++) {
        const struct sp_service_health *service = &health->services[i];
        if (!sp_name_is(&service->name, "reconciliation") || !service->has_status) continue;
        if (!sp_health_is_up(service, now)) continue;
        sp_page_line(page, "  \"reconciliation\": {");
        for (uint32_t n = 0; n < service->status.values.count; n++) {
            const struct sp_fact *fact = &service->status.values.at[n];
            sp_page_line(page, "    \"%s\": %s,", fact->name.s, fact->value.s); /* whole numbers */
        }
        sp_page_line(page, "    \"reason\": %s", quoted(service->status.reason.s, text));
        sp_page_line(page, "  },");
        return;
    }
    sp_page_line(page, "  \"reconciliation\": null,");
}

static void one_service(struct sp_page *page, const struct sp_health *health, uint32_t index,
                        sp_mono now)
{
    const struct sp_service_health *service = &health->services[index];
    const struct sp_child_kept *child = sp_health_kept_child(health, service);
    const char *phase = sp_enum_name(SP_ENUM_PHASE, service->heartbeat.phase);
    char storage[QUOTED_SIZE];

    sp_page_line(
        page,
        "    {\"name\": \"%s\", \"up\": %s, \"ready\": %s, \"phase\": \"%s\", "
        "\"epoch\": %u, \"restarts\": %u, \"given_up\": %s, \"heartbeat_age_ms\": %" PRId64
        ", \"journal_seq\": %" PRIu64 ", \"journal_durable_seq\": %" PRIu64 ", \"storage\": %s}%s",
        service->name.s, boolean(sp_health_is_up(service, now)),
        boolean(sp_health_is_ready_service(service, now)), phase != NULL ? phase : "",
        service->heartbeat.epoch, child->restarts, boolean(child->given_up), age_ms(service, now),
        service->journal_seq, service->journal_durable_seq,
        quoted(sp_health_storage(service, now), storage), index + 1 == health->count ? "" : ",");
}

static void alerts(struct sp_page *page, const struct sp_health *health)
{
    sp_page_line(page, "  \"alerts\": [");
    for (uint32_t i = 0; i < health->kept.alert_count; i++) {
        const struct sp_threat *threat = &health->kept.alerts[i].threat;
        sp_name service = sp_health_alert_service(threat);
        char id[SP_ID_TEXT_SIZE], time[SP_WALL_TEXT_SIZE], text[QUOTED_SIZE];

        sp_thr_id_text(threat->threat_id, id);
        sp_page_line(page,
                     "    {\"threat_id\": \"%s\", \"type\": \"%s\", \"severity\": \"%s\", "
                     "\"service\": \"%s\", \"since\": \"%s\", \"rule\": %s}%s",
                     id, threat->threat_type.s, sp_enum_name(SP_ENUM_SEVERITY, threat->severity),
                     service.s, sp_wall_format(threat->began, time), quoted(threat->rule.s, text),
                     i + 1 == health->kept.alert_count ? "" : ",");
    }
    sp_page_line(page, "  ],");
}

void sp_report_health(struct sp_page *page, const struct sp_health *health, sp_mono now)
{
    sp_page_line(page, "{");
    specification_fields(page, health, now);
    verdicts(page, health, now);
    reconciliation(page, health, now);
    alerts(page, health);
    sp_page_line(page, "  \"services\": [");
    for (uint32_t i = 0; i < health->count; i++) {
        one_service(page, health, i, now);
    }
    sp_page_line(page, "  ]");
    sp_page_line(page, "}");
}

/* ---- Metrics ---- */

static void head(struct sp_page *page, const char *name, const char *type, const char *help)
{
    sp_page_line(page, "# HELP %s %s", name, help);
    sp_page_line(page, "# TYPE %s %s", name, type);
}

void sp_report_metrics(struct sp_page *page, const struct sp_health *health, sp_mono now)
{
    struct sp_trading_verdict trading;

    head(page, "spoor_service_up", "gauge", "1 if its heartbeat was heard within 2 s");
    for (uint32_t i = 0; i < health->count; i++) {
        sp_page_line(page, "spoor_service_up{service=\"%s\"} %d", health->services[i].name.s,
                     sp_health_is_up(&health->services[i], now));
    }
    head(page, "spoor_service_ready", "gauge", "1 if it is up and READY");
    for (uint32_t i = 0; i < health->count; i++) {
        sp_page_line(page, "spoor_service_ready{service=\"%s\"} %d", health->services[i].name.s,
                     sp_health_is_ready_service(&health->services[i], now));
    }
    head(page, "spoor_service_restarts_total", "counter",
         "restarts since the operation was started");
    for (uint32_t i = 0; i < health->count; i++) {
        sp_page_line(page, "spoor_service_restarts_total{service=\"%s\"} %u",
                     health->services[i].name.s,
                     sp_health_kept_child(health, &health->services[i])->restarts);
    }
    head(page, "spoor_heartbeat_age_milliseconds", "gauge", "since the newest heartbeat; -1: none");
    for (uint32_t i = 0; i < health->count; i++) {
        sp_page_line(page, "spoor_heartbeat_age_milliseconds{service=\"%s\"} %" PRId64,
                     health->services[i].name.s, age_ms(&health->services[i], now));
    }
    head(page, "spoor_journal_unsynced_records", "gauge", "written, and not known to be durable");
    for (uint32_t i = 0; i < health->count; i++) {
        const struct sp_service_health *service = &health->services[i];
        if (service->journal_seq == 0) continue;
        sp_page_line(page, "spoor_journal_unsynced_records{service=\"%s\"} %" PRIu64,
                     service->name.s, service->journal_seq - service->journal_durable_seq);
    }
    head(page, "spoor_event_bus_alive", "gauge", "1 if health hears itself through the bus");
    sp_page_line(page, "spoor_event_bus_alive %d", sp_health_bus_alive(health, now));
    head(page, "spoor_event_bus_echo_microseconds", "gauge", "of health's own heartbeat");
    sp_page_line(page, "spoor_event_bus_echo_microseconds %" PRId64, health->echo.ns / 1000);
    head(page, "spoor_strategies_running", "gauge", "strategies that are ready");
    sp_page_line(page, "spoor_strategies_running %u", sp_health_strategies_running(health, now));
    head(page, "spoor_validation_errors_last_hour", "gauge", "contracts broken in the last hour");
    sp_page_line(page, "spoor_validation_errors_last_hour %" PRIu64,
                 sp_health_errors_last_hour(health, now));
    head(page, "spoor_storage_ok", "gauge", "verdict: no service has something to say of its disk");
    sp_page_line(page, "spoor_storage_ok %d", sp_health_storage_ok(health, now));
    head(page, "spoor_alerts_active", "gauge", "alerts that have begun and not ended");
    sp_page_line(page, "spoor_alerts_active %u", health->kept.alert_count);
    head(page, "spoor_alerts_raised_total", "counter", "since health's journal began");
    sp_page_line(page, "spoor_alerts_raised_total %" PRIu64, health->kept.raised);
    head(page, "spoor_live", "gauge", "verdict: health and the bus work");
    sp_page_line(page, "spoor_live %d", sp_health_live(health, now));
    head(page, "spoor_ready", "gauge", "verdict: every service is ready");
    sp_page_line(page, "spoor_ready %d", sp_health_ready(health, now, NULL));
    sp_health_trading(health, now, &trading);
    head(page, "spoor_trading", "gauge", "verdict: 1 allowed, 2 reduce only, 3 stopped");
    sp_page_line(page, "spoor_trading %d", (int)trading.trading);
}

/* ---- Probes ---- */

int sp_report_live(struct sp_page *page, const struct sp_health *health, sp_mono now)
{
    bool live = sp_health_live(health, now);

    sp_page_line(page, "%s", live ? "ok" : "the event bus does not echo");
    return live ? 200 : 503;
}

int sp_report_ready(struct sp_page *page, const struct sp_health *health, sp_mono now)
{
    sp_text missing = {{0}};
    bool ready = sp_health_ready(health, now, &missing);

    sp_page_line(page, "%s%s", ready ? "ok" : "not ready: ", missing.s);
    return ready ? 200 : 503;
}
