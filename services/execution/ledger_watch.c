#include "services/execution/ledger_watch.h"

#include "common/clock.h"
#include "common/failpoint.h"
#include "common/log.h"

#include <stdio.h>
#include <string.h>

void sp_ledger_watch_init(struct sp_ledger_watch *watch, struct sp_service *service)
{
    struct sp_metrics *m = service->metrics;

    watch->service = service;
    watch->lag =
        sp_metrics_gauge(m, "spoor_ledger_lag_records", "", "journal records not in the ledger");
    watch->failed_now =
        sp_metrics_gauge(m, "spoor_ledger_failed", "", "1 while the ledger is not written");
    watch->replaced_total =
        sp_metrics_gauge(m, "spoor_ledger_replaced", "", "ledger files put aside and written anew");
    watch->backup_time = sp_metrics_gauge(m, "spoor_ledger_backup_timestamp_seconds", "",
                                          "when the last sound backup was taken; 0: never");
    watch->backup_failed = sp_metrics_gauge(m, "spoor_ledger_backup_failed", "",
                                            "1 if the last attempt at a backup failed");
}

static uint64_t last_seq(const struct sp_ledger_watch *watch)
{
    return sp_journal_next_seq(watch->service->journal) - 1;
}

sp_status sp_ledger_watch_open(struct sp_ledger_watch *watch, struct sp_err *err)
{
    const struct sp_service *service = watch->service;
    const struct sp_platform *platform = &service->config->platform;
    char path[SP_PATH_SIZE + 16];

    snprintf(path, sizeof path, "%s/ledger.db", service->dir);
    struct sp_ledger_options options = {
        .path = path,
        .journal_dir = service->dir,
        .stream = service->stream,
        .world = sp_config_world(service->config),
        .journal = service->journal,
        .backup = {.every = platform->ledger_backup_every, .keep = platform->ledger_backup_keep}};
    if (!sp_ledger_backup_dir(platform, options.backup.dir, sizeof options.backup.dir))
        return SP_FAIL(err, SP_CONFIG, "ledger.backup_dir is too long");
    sp_status status = sp_ledger_open(&options, &watch->ledger, err);
    if (status == SP_OK) sp_ledger_notify(watch->ledger, last_seq(watch));
    return status;
}

void sp_ledger_watch_close(struct sp_ledger_watch *watch)
{
    /* The ledger takes only what is durable; at an end in order that is to be everything. */
    if (watch->ledger != NULL && sp_journal_sync(watch->service->journal, NULL) == SP_OK)
        sp_ledger_notify(watch->ledger, last_seq(watch));
    sp_ledger_close(watch->ledger);
    watch->ledger = NULL;
}

void sp_ledger_watch_applied(struct sp_ledger_watch *watch, uint64_t seq)
{
    if (watch->ledger != NULL) watch->due = seq;
}

void sp_ledger_watch_flush(struct sp_ledger_watch *watch)
{
    if (watch->due > 0) {
        sp_ledger_notify(watch->ledger, watch->due);
        SP_FAILPOINT(ledger_told);
    }
    watch->due = 0;
}

static void tell_failed(struct sp_ledger_watch *watch, const struct sp_ledger_report *report)
{
    const char *next = report->ended ? "the next start continues it" : "trying again";

    sp_text_printf(&watch->why, "the ledger is not written, trading goes on: %.60s",
                   report->why.text);
    sp_log(SP_LOG_ERROR, "ledger_failed", "status=%s reason=\"%s\" next=\"trading goes on; %s\"",
           sp_status_name(report->status), report->why.text, next);
}

static void tell_replaced(struct sp_ledger_watch *watch, const struct sp_ledger_report *report)
{
    const struct sp_ledger_finding *finding = &report->finding;
    bool older = finding->why.status == SP_VERSION;

    sp_log(older ? SP_LOG_WARN : SP_LOG_ERROR, "ledger_replaced",
           "reason=\"%s\" aside=%s from=%s next=\"writing the rest from the journal\"",
           finding->why.text, finding->aside,
           finding->backup[0] != '\0' ? finding->backup : "journal");
    if (!older)
        sp_text_printf(&watch->why, "the ledger was damaged and is written anew: see %.70s",
                       finding->aside);
}

/* ---- Backups ---- */

static void answer(struct sp_ledger_watch *watch, struct sp_backup_asker *asker,
                   sp_status backup_status, const char *text)
{
    static struct sp_record record; /* large, and of the loop's thread */

    record = (struct sp_record){.kind = SP_REC_COMMAND_REPLY, .time = sp_clock_wall()};
    struct sp_command_reply *body = &record.body.command_reply;
    body->request_id = asker->request_id;
    body->ok = backup_status == SP_OK;
    body->status = sp_name_of(sp_status_name(backup_status));
    /* A path may be longer than a reply's text: the folder is known, the name is what is new. */
    const char *slash = backup_status == SP_OK ? strrchr(text, '/') : NULL;
    sp_text_printf(&body->text, "%s", slash != NULL ? slash + 1 : text);
    SP_IGNORE(sp_bus_reply(watch->service->bus, &asker->peer, &record)); /* it may have gone */
    *asker = (struct sp_backup_asker){0};
}

void sp_ledger_watch_ask_backup(struct sp_ledger_watch *watch, const struct sp_peer *peer,
                                uint64_t request_id)
{
    struct sp_backup_asker refused = {.peer = *peer, .request_id = request_id};

    for (uint32_t i = 0; i < SP_BACKUP_ASKERS_MAX; i++) {
        struct sp_backup_asker *asker = &watch->askers[i];
        if (asker->number != 0) continue;
        *asker = refused;
        asker->number = sp_ledger_ask_backup(watch->ledger);
        return;
    }
    answer(watch, &refused, SP_AGAIN, "too many ask for backups");
}

static void watch_backups(struct sp_ledger_watch *watch, const struct sp_backup_report *report)
{
    bool failed = report->status != SP_OK;

    for (uint32_t i = 0; i < SP_BACKUP_ASKERS_MAX; i++) {
        struct sp_backup_asker *asker = &watch->askers[i];
        if (asker->number == 0 || asker->number > report->answered) continue;
        answer(watch, asker, report->status, failed ? report->why.text : report->last.path);
    }
    if (failed && watch->backup_status != report->status) {
        sp_log(SP_LOG_ERROR, "ledger_backup_failed", "status=%s reason=\"%s\" next=\"in a minute\"",
               sp_status_name(report->status), report->why.text);
        sp_text_printf(&watch->backup_why, "no backup of the ledger: %.80s", report->why.text);
    }
    if (!failed && report->last.taken.ns != watch->backup_taken.ns)
        sp_log(SP_LOG_INFO, "ledger_backup", "path=%s cursor=%llu", report->last.path,
               (unsigned long long)report->last.cursor);
    if (!failed) watch->backup_why = (sp_text){{0}};
    watch->backup_status = report->status;
    watch->backup_taken = report->last.taken;
    sp_metric_set(watch->backup_failed, failed);
    sp_metric_set(watch->backup_time, report->last.taken.ns / SP_NS_PER_S);
}

void sp_ledger_watch_tick(struct sp_ledger_watch *watch)
{
    struct sp_ledger_report report = {0};

    sp_ledger_report(watch->ledger, &report);
    bool failed = report.status != SP_OK;
    if (failed && !watch->failed) tell_failed(watch, &report);
    if (!failed && watch->failed) {
        watch->why = (sp_text){{0}};
        sp_log(SP_LOG_INFO, "ledger_continues", "cursor=%llu",
               (unsigned long long)sp_ledger_cursor(watch->ledger));
    }
    if (report.replaced != watch->replaced) tell_replaced(watch, &report);
    watch->failed = failed;
    watch->replaced = report.replaced;
    watch_backups(watch, &report.backup);
    sp_metric_set(watch->failed_now, failed);
    sp_metric_set(watch->replaced_total, (int64_t)report.replaced);
    sp_metric_set(watch->lag, (int64_t)(last_seq(watch) - sp_ledger_cursor(watch->ledger)));
}

void sp_ledger_watch_status(const struct sp_ledger_watch *watch, struct sp_service_status *status)
{
    const sp_text *why = watch->why.s[0] != '\0' ? &watch->why : &watch->backup_why;

    if (why->s[0] == '\0' || status->trading != SP_TRADING_ALLOWED) return;
    status->reason = *why;
    sp_text_printf(&status->next_step, why == &watch->why
                                           ? "see the log; after spoor down: spoor ledger verify"
                                           : "see the log; then spoor ledger backup");
}
