#include "services/health/health_io.h"

#include "services/health/health_core.h"
#include "services/health/http.h"
#include "services/health/report.h"

#include "common/rerun.h"
#include "common/shell.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ASK_EVERY_NS     SP_NS_PER_S
#define PUBLISH_EVERY_NS (250 * SP_NS_PER_MS)
#define TAIL_RECORDS_MAX 1000 /* of the supervisor's journal in one round */
#define SERVICE_TEXT_MAX (64u * 1024)
#define PAGE_TEXT_MAX    (1024u * 1024)

/* One service that is asked: the metrics that are coming in, and the newest complete ones. */
struct asked {
    struct io *io;
    struct sp_service_health *health;
    struct sp_client *client;
    uint64_t request_id;
    struct sp_page coming, complete;
    char text[2][SERVICE_TEXT_MAX];
};

struct io {
    struct sp_service *service;
    struct sp_shell *shell;
    struct sp_http *http;
    uint64_t last_request;
    struct sp_journal_reader *supervisor; /* NULL until there is a journal */
    bool supervisor_failed;
    bool supervisor_caught_up; /* once, at the start */
    uint64_t supervisor_records;
    bool restoring, ready_told;
    struct sp_record scratch;
    struct sp_page page;
    char page_text[PAGE_TEXT_MAX];
    struct sp_exposition_source sources[SP_INSTANCES_MAX];
    struct asked asked[SP_INSTANCES_MAX];
    struct sp_health core;
};

/* ---- Heartbeats ---- */

static void on_heartbeat(void *ctx, const struct sp_record *record)
{
    struct io *io = ctx;
    const struct sp_heartbeat *heartbeat = &record->body.heartbeat;

    sp_shell_event(io->shell, SP_EVENT_MESSAGE, 0, record);
    if (sp_name_is(&heartbeat->service, "marketdata")) {
        sp_shell_set_market(io->shell, heartbeat->market_time);
        sp_bus_set_market_time(io->service->bus, heartbeat->market_time);
    }
}

static void on_notice(void *ctx, const struct sp_sub_notice *notice)
{
    (void)ctx;
    if (notice->type == SP_SUB_SILENT) {
        sp_log(SP_LOG_WARN, "service_silent", "stream=%s next=\"the supervisor restarts it\"",
               notice->stream.s);
    } else if (notice->type == SP_SUB_RESTORED) {
        sp_log(SP_LOG_INFO, "service_restored", "stream=%s", notice->stream.s);
    }
}

/* ---- Questions ---- */

static void take_metrics(struct asked *asked)
{
    struct sp_service_health *health = asked->health;
    struct sp_page swap = asked->complete;
    const char *text = asked->coming.text;

    health->cache_bytes = sp_exposition_sum(text, "spoor_cache_memory_bytes");
    sp_hour_window_add(&health->errors, health->heartbeat.epoch,
                       sp_exposition_sum(text, "spoor_validation_errors_total"), sp_clock_mono());
    asked->complete = asked->coming;
    asked->coming = swap;
}

static void on_answer(void *ctx, const struct sp_record *answer)
{
    struct asked *asked = ctx;
    const struct sp_metrics_text *metrics = &answer->body.metrics_text;

    if (answer->kind == SP_REC_SERVICE_STATUS) {
        sp_shell_event(asked->io->shell, SP_EVENT_MESSAGE, 0, answer);
    }
    if (answer->kind != SP_REC_METRICS_TEXT || metrics->request_id != asked->request_id) return;
    if (metrics->more) {
        sp_page_line(&asked->coming, "%s", metrics->line.s);
    } else {
        asked->request_id = 0;
        take_metrics(asked);
    }
}

static void ask(struct io *io, struct asked *asked, const char *what)
{
    struct sp_record *question = &io->scratch;
    struct sp_err err = {0};

    memset(question, 0, sizeof *question);
    question->kind = SP_REC_QUERY;
    question->time = sp_clock_wall();
    question->body.query.request_id = ++io->last_request;
    question->body.query.what = sp_name_of(what);
    question->body.query.asker = io->service->instance;
    SP_IGNORE(sp_client_send(asked->client, question, &err)); /* the heartbeat tells more */
}

static void ask_all(void *ctx)
{
    struct io *io = ctx;

    for (uint32_t i = 0; i < io->core.count; i++) {
        struct asked *asked = &io->asked[i];
        ask(io, asked, "status");
        asked->coming.len_bytes = 0;
        asked->coming.text[0] = '\0';
        ask(io, asked, "metrics");
        asked->request_id = io->last_request;
    }
}

/* ---- The supervisor's journal ---- */

/* What changes the core beside its events: NULL says that the place is lost. */
static void apply_note(void *state, const struct sp_event *event)
{
    if (event->record == NULL) sp_health_forget_children(state);
    if (event->record != NULL) sp_health_child(state, event->record);
}

static void note(struct io *io, const struct sp_record *record)
{
    struct sp_event event = {.type = SP_EVENT_RECORD, .now = sp_clock_mono(), .record = record};

    sp_shell_note(io->shell, &event);
    apply_note(&io->core, &event);
}

/* Opens it where we have read up to; from its begin if that place is not in it any more. */
static sp_status open_supervisor(struct io *io, struct sp_err *err)
{
    const struct sp_ref *place = &io->core.kept.place;
    struct sp_journal_reader *reader = NULL;
    char dir[SP_PATH_SIZE];

    sp_config_instance_dir(io->service->config, "supervisor", dir);
    if (!sp_ref_is_none(place)) {
        sp_status status = sp_journal_reader_open(dir, NULL, place->seq, &reader, NULL);
        if (status == SP_OK) status = sp_journal_reader_next(reader, &io->scratch, NULL, NULL);
        if (status == SP_OK && io->scratch.seq == place->seq && io->scratch.epoch == place->epoch) {
            io->supervisor = reader;
            return SP_OK;
        }
        sp_journal_reader_close(reader);
        sp_log(SP_LOG_WARN, "supervisor_journal_read_anew", "seq=%" PRIu64, place->seq);
        note(io, NULL);
    }
    return sp_journal_reader_open(dir, NULL, 0, &io->supervisor, err);
}

/* A record that our journal says is consumed, and the snapshot does not include, is only folded. */
static void take_supervisor(struct io *io, const struct sp_record *record)
{
    struct sp_ref cursor = sp_shell_cursor(io->shell, &record->stream);

    io->supervisor_records++;
    if (cursor.epoch > record->epoch ||
        (cursor.epoch == record->epoch && cursor.seq >= record->seq)) {
        note(io, record);
    } else {
        sp_shell_event(io->shell, SP_EVENT_RECORD, 0, record);
    }
}

static void caught_up(struct io *io)
{
    if (io->supervisor_caught_up) return;
    io->supervisor_caught_up = true;
    sp_log(SP_LOG_INFO, "supervisor_journal_read", "records=%" PRIu64 " up_to=%" PRIu64,
           io->supervisor_records, io->core.kept.place.seq);
}

static void tail_supervisor(struct io *io)
{
    struct sp_err err = {0};

    if (io->supervisor == NULL && open_supervisor(io, &err) != SP_OK) {
        return; /* none yet, or started by hand: asked again */
    }
    for (int i = 0; i < TAIL_RECORDS_MAX; i++) {
        sp_status status = sp_journal_reader_next(io->supervisor, &io->scratch, NULL, &err);
        if (status == SP_OK) {
            io->supervisor_failed = false;
            take_supervisor(io, &io->scratch);
            continue;
        }
        if (status == SP_AGAIN) {
            caught_up(io);
            return;
        }
        if (!io->supervisor_failed) sp_log_err(SP_LOG_WARN, "supervisor_journal_unreadable", &err);
        io->supervisor_failed = true;
        sp_journal_reader_close(io->supervisor);
        io->supervisor = NULL;
        return;
    }
}

/* ---- Pages ---- */

static void clear_page(struct io *io)
{
    io->page.len_bytes = 0;
    io->page.is_cut = false;
    io->page.text[0] = '\0';
}

static void publish(struct io *io, enum sp_http_route route, int status)
{
    if (sp_http_publish(io->http, route, status, io->page.text, io->page.len_bytes) != SP_OK) {
        sp_log(SP_LOG_WARN, "page_not_renewed", "reason=\"memory is exhausted\" next=\"503\"");
    }
}

static void publish_all(struct io *io, sp_mono now)
{
    clear_page(io);
    publish(io, SP_HTTP_HEALTHZ, sp_report_live(&io->page, &io->core, now));
    clear_page(io);
    publish(io, SP_HTTP_READYZ, sp_report_ready(&io->page, &io->core, now));
    clear_page(io);
    sp_report_health(&io->page, &io->core, now);
    publish(io, SP_HTTP_HEALTH, 200);
    clear_page(io);
    sp_report_metrics(&io->page, &io->core, now);
    for (uint32_t i = 0; i < io->core.count; i++) {
        bool up = sp_health_is_up(io->asked[i].health, now);
        io->sources[i] = (struct sp_exposition_source){
            .service = io->core.services[i].name.s,
            .text = up ? io->asked[i].complete.text : NULL, /* a dead service has no figures */
        };
    }
    sp_exposition_merge(&io->page, io->sources, io->core.count);
    publish(io, SP_HTTP_METRICS, 200);
}

/* ---- Alerts ---- */

/* Each as it begins and ends, in the log too. */
static void applied(void *ctx, const struct sp_record *record)
{
    const struct io *io = ctx;
    bool begins = record->kind == SP_REC_THREAT_DETECTED;
    char id[SP_ID_SHORT_SIZE];

    if (io->restoring || (!begins && record->kind != SP_REC_THREAT_ENDED)) return;
    const struct sp_threat *threat = &record->body.threat;
    sp_name service = sp_health_alert_service(threat);
    sp_thr_id_short(threat->threat_id, id);
    if (begins) {
        sp_log(SP_LOG_WARN, "alert", "type=%s service=%s says=\"%s\" why=\"spoor why %s\"",
               threat->threat_type.s, service.s, threat->rule.s, id);
    } else {
        sp_log(SP_LOG_INFO, "alert_over", "type=%s service=%s id=%s", threat->threat_type.s,
               service.s, id);
    }
}

static void tell_ready(struct io *io, sp_mono now)
{
    bool ready = sp_health_ready(&io->core, now, NULL);

    if (ready && !io->ready_told) sp_log(SP_LOG_INFO, "all_ready", "services=%u", io->core.count);
    io->ready_told = ready;
}

static void on_publish(void *ctx)
{
    struct io *io = ctx;
    sp_mono now = sp_clock_mono();

    tail_supervisor(io);
    sp_shell_event(io->shell, SP_EVENT_TIMER, 0, NULL);
    publish_all(io, now);
    tell_ready(io, now);
}

/* ---- Life ---- */

static sp_status open_asked(struct io *io, uint32_t i, struct sp_err *err)
{
    struct asked *asked = &io->asked[i];
    const sp_name *name = &io->core.services[i].name;
    struct sp_service *service = io->service;

    asked->io = io;
    asked->health = &io->core.services[i];
    asked->coming = (struct sp_page){.text = asked->text[0], .size_bytes = SERVICE_TEXT_MAX};
    asked->complete = (struct sp_page){.text = asked->text[1], .size_bytes = SERVICE_TEXT_MAX};
    sp_status status = sp_bus_watch(service->bus, name, on_heartbeat, on_notice, io, err);
    if (status != SP_OK) return status;
    return sp_client_open(service->loop, service->config->platform.run_dir, name, on_answer, asked,
                          &asked->client, err);
}

static sp_status init(struct sp_service *service, struct sp_err *err)
{
    const struct sp_platform *platform = &service->config->platform;
    struct io *io = calloc(1, sizeof *io);
    sp_dur ask_every = {ASK_EVERY_NS}, publish_every = {PUBLISH_EVERY_NS};

    if (io == NULL) return SP_FAIL(err, SP_NO_MEMORY, "health");
    service->state = io;
    io->service = service;
    io->page = (struct sp_page){.text = io->page_text, .size_bytes = PAGE_TEXT_MAX};
    sp_health_init(&io->core, service->config, &service->instance);
    struct sp_shell_options shell = {.service = service,
                                     .core = &sp_health_core,
                                     .core_state = &io->core,
                                     .applied = applied,
                                     .ctx = io,
                                     .snapshot_every = platform->snapshot_every};
    sp_status status = sp_http_open(platform->http_host, platform->http_port, &io->http, err);
    if (status == SP_OK) status = sp_shell_open(&shell, &io->shell, err);
    io->restoring = true;
    if (status == SP_OK) status = sp_shell_restore(io->shell, err);
    io->restoring = false;
    for (uint32_t i = 0; i < io->core.count && status == SP_OK; i++) {
        status = open_asked(io, i, err);
    }
    if (status != SP_OK) return status;
    sp_log(SP_LOG_INFO, "serving", "url=http://%s:%u", platform->http_host, platform->http_port);
    on_publish(io);
    status = sp_loop_add_timer(service->loop, (sp_dur){0}, ask_every, ask_all, io, NULL);
    if (status != SP_OK) return status;
    return sp_loop_add_timer(service->loop, publish_every, publish_every, on_publish, io, NULL);
}

static void fini(struct sp_service *service)
{
    struct io *io = service->state;

    sp_http_close(io->http);
    sp_shell_close(io->shell);
    for (uint32_t i = 0; i < io->core.count; i++) {
        sp_client_close(io->asked[i].client);
    }
    sp_journal_reader_close(io->supervisor);
    free(io);
    service->state = NULL;
}

static void put_value(struct sp_service_status *status, const char *name, uint64_t value)
{
    struct sp_fact *fact = &status->values.at[status->values.count++];

    fact->name = sp_name_of(name);
    snprintf(fact->value.s, sizeof fact->value.s, "%" PRIu64, value);
}

static void fill_status(struct sp_service *service, struct sp_service_status *status)
{
    struct io *io = service->state;
    struct sp_trading_verdict trading;
    sp_text missing = {{0}};

    sp_health_trading(&io->core, sp_clock_mono(), &trading);
    status->trading = (uint8_t)trading.trading;
    status->breaker = (uint8_t)trading.breaker;
    put_value(status, "alerts_active", io->core.kept.alert_count);
    put_value(status, "alerts_raised", io->core.kept.raised);
    if (!sp_health_ready(&io->core, sp_clock_mono(), &missing)) {
        sp_text_printf(&status->reason, "not ready: %s", missing.s);
    }
}

/* ---- Rerun ---- */

static sp_status open_core(const struct sp_config *config, const sp_name *instance, void **state,
                           struct sp_err *err)
{
    struct sp_health *core = malloc(sizeof *core);

    if (core == NULL) return SP_FAIL(err, SP_NO_MEMORY, "health");
    sp_health_init(core, config, instance);
    *state = core;
    return SP_OK;
}

static const struct sp_rerun_core rerun = {
    .core = &sp_health_core, .open = open_core, .close = free, .note = apply_note};

const struct sp_service_spec sp_health_spec = {
    .program = "spoor-health",
    .about = "heartbeats, metrics, verdicts and alerts of all services, over HTTP on loopback",
    .instance = "health",
    .journal = true,
    .rerun = &rerun,
    .init = init,
    .fini = fini,
    .fill_status = fill_status,
};
