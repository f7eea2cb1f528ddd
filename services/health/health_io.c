#include "services/health/health_io.h"

#include "services/health/health_core.h"
#include "services/health/http.h"
#include "services/health/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ASK_EVERY_NS     SP_NS_PER_S
#define PUBLISH_EVERY_NS (250 * SP_NS_PER_MS)
#define QUIET_START_NS   (3 * SP_NS_PER_S)
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
    struct sp_http *http;
    uint64_t last_request;
    struct sp_journal_reader *supervisor; /* NULL until there is a journal */
    bool supervisor_failed;
    sp_mono began;
    enum sp_trading trading_told;
    bool ready_told;
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

    sp_health_heartbeat(&io->core, heartbeat, sp_clock_mono());
    if (sp_name_is(&heartbeat->service, "marketdata")) {
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
        sp_health_status(&asked->io->core, &answer->body.service_status, sp_clock_mono());
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

static void tail_supervisor(struct io *io)
{
    struct sp_err err = {0};
    char dir[SP_PATH_SIZE];

    if (io->supervisor == NULL) {
        sp_config_instance_dir(io->service->config, "supervisor", dir);
        sp_status status = sp_journal_reader_open(dir, NULL, 0, &io->supervisor, &err);
        if (status != SP_OK) return; /* none yet, or started by hand: asked again */
    }
    for (int i = 0; i < TAIL_RECORDS_MAX; i++) {
        sp_status status = sp_journal_reader_next(io->supervisor, &io->scratch, NULL, &err);
        if (status == SP_OK) {
            io->supervisor_failed = false;
            sp_health_child(&io->core, &io->scratch);
            continue;
        }
        if (status == SP_AGAIN) return;
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

/* Begin, kind and end of it are news; the bytes in it change all the time. */
static void tell_storage(struct sp_service_health *service, sp_mono now)
{
    const char *text = sp_health_storage(service, now);
    size_t kind_len = strcspn(text, ":");

    if (strncmp(text, service->storage_told.s, kind_len + 1) == 0) return;
    sp_text_printf(&service->storage_told, "%s", text);
    if (text[0] != '\0') {
        sp_log(SP_LOG_WARN, "storage", "service=%s says=\"%s\"", service->name.s, text);
    } else {
        sp_log(SP_LOG_INFO, "storage", "service=%s says=\"nothing is wrong\"", service->name.s);
    }
}

/* Alerts: what changed, in the log, as it changes. */
static void tell_changes(struct io *io, sp_mono now)
{
    struct sp_trading_verdict trading;
    sp_text missing = {{0}};

    sp_health_trading(&io->core, now, &trading);
    for (uint32_t i = 0; i < io->core.count; i++)
        tell_storage(&io->core.services[i], now);
    bool ready = sp_health_ready(&io->core, now, &missing);
    /* While everything starts, silence is no news. */
    bool starting = io->trading_told == SP_TRADING_NONE && trading.trading == SP_TRADING_STOPPED &&
                    sp_mono_since(now, io->began).ns < QUIET_START_NS;
    if (trading.trading != io->trading_told && !starting) {
        io->trading_told = trading.trading;
        sp_log(trading.trading == SP_TRADING_ALLOWED ? SP_LOG_INFO : SP_LOG_WARN, "trading",
               "now=%s reason=\"%s\" next=\"%s\"",
               sp_enum_name(SP_ENUM_TRADING, (uint8_t)trading.trading), trading.reason.s,
               trading.next_step.s);
    }
    if (ready == io->ready_told) return;
    io->ready_told = ready;
    if (ready) {
        sp_log(SP_LOG_INFO, "all_ready", "services=%u", io->core.count);
    } else {
        sp_log(SP_LOG_WARN, "not_ready", "missing=\"%s\"", missing.s);
    }
}

static void on_publish(void *ctx)
{
    struct io *io = ctx;
    sp_mono now = sp_clock_mono();

    tail_supervisor(io);
    publish_all(io, now);
    tell_changes(io, now);
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
    io->began = sp_clock_mono();
    io->page = (struct sp_page){.text = io->page_text, .size_bytes = PAGE_TEXT_MAX};
    sp_health_init(&io->core, service->config, &service->instance);
    sp_status status = sp_http_open(platform->http_host, platform->http_port, &io->http, err);
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
    for (uint32_t i = 0; i < io->core.count; i++) {
        sp_client_close(io->asked[i].client);
    }
    sp_journal_reader_close(io->supervisor);
    free(io);
    service->state = NULL;
}

static void fill_status(struct sp_service *service, struct sp_service_status *status)
{
    struct io *io = service->state;
    struct sp_trading_verdict trading;
    sp_text missing = {{0}};

    sp_health_trading(&io->core, sp_clock_mono(), &trading);
    status->trading = (uint8_t)trading.trading;
    status->breaker = (uint8_t)trading.breaker;
    if (!sp_health_ready(&io->core, sp_clock_mono(), &missing)) {
        sp_text_printf(&status->reason, "not ready: %s", missing.s);
    }
}

const struct sp_service_spec sp_health_spec = {
    .program = "spoor-health",
    .about = "heartbeats, metrics and verdicts of all services, over HTTP on loopback",
    .instance = "health",
    .journal = false,
    .init = init,
    .fini = fini,
    .fill_status = fill_status,
};
