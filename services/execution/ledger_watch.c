#include "services/execution/ledger_watch.h"

#include "common/log.h"

#include <stdio.h>

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
}

static uint64_t last_seq(const struct sp_ledger_watch *watch)
{
    return sp_journal_next_seq(watch->service->journal) - 1;
}

sp_status sp_ledger_watch_open(struct sp_ledger_watch *watch, struct sp_err *err)
{
    const struct sp_service *service = watch->service;
    char path[SP_PATH_SIZE + 16];

    snprintf(path, sizeof path, "%s/ledger.db", service->dir);
    struct sp_ledger_options options = {.path = path,
                                        .journal_dir = service->dir,
                                        .stream = service->stream,
                                        .world = sp_config_world(service->config),
                                        .journal = service->journal};
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
    if (watch->due > 0) sp_ledger_notify(watch->ledger, watch->due);
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
    sp_metric_set(watch->failed_now, failed);
    sp_metric_set(watch->replaced_total, (int64_t)report.replaced);
    sp_metric_set(watch->lag, (int64_t)(last_seq(watch) - sp_ledger_cursor(watch->ledger)));
}

void sp_ledger_watch_status(const struct sp_ledger_watch *watch, struct sp_service_status *status)
{
    if (watch->why.s[0] == '\0' || status->trading != SP_TRADING_ALLOWED) return;
    status->reason = watch->why;
    sp_text_printf(&status->next_step, "see the log; after spoor down: spoor ledger verify");
}
