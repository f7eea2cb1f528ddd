#include "services/reconciliation/reconciliation_io.h"

#include "common/rerun.h"
#include "common/turns.h"
#include "common/venue/venue.h"
#include "services/reconciliation/reconciliation_core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TICK_NS      (20 * SP_NS_PER_MS)
#define WAITERS_MAX  8
#define WAIT_WARN_NS (5 * SP_NS_PER_S)

struct io {
    struct sp_service *service;
    struct sp_shell *shell;
    struct sp_venue *venue;
    struct sp_client *execution;
    struct sp_turns *turns; /* NULL: not in lock-step */
    struct {
        bool connected, up; /* execution answers; the core was not told that the venue is up */
        bool ticked;
    } turn;
    bool not_sent;    /* a question of the event just run did not leave */
    sp_mono done_at;  /* of the newest result in this process; 0: none yet */
    sp_mono idle_at;  /* when nothing was under way last */
    bool wait_warned; /* about the pass under way */
    bool replaying;
    uint32_t waiter_count;
    struct sp_peer waiters[WAITERS_MAX]; /* operators who wait for their pass */
    struct sp_record answer;
    struct {
        struct sp_metric *passes, *discrepancies, *corrections, *unresolved, *clean, *age;
    } metrics;
    struct sp_reconciler core;
};

/* ---- Events in ---- */

static void feed(struct io *io, enum sp_event_type type, uint32_t id,
                 const struct sp_record *record)
{
    sp_shell_event(io->shell, type, id, record);
    if (!io->not_sent) return;
    io->not_sent = false;
    sp_shell_event(io->shell, SP_EVENT_MESSAGE, SP_RI_NOT_SENT, NULL); /* asks nothing itself */
}

static void on_fact(void *ctx, const struct sp_record *record)
{
    feed(ctx, SP_EVENT_RECORD, 0, record);
}

static void on_fact_notice(void *ctx, const struct sp_sub_notice *notice)
{
    struct io *io = ctx;

    sp_shell_on_notice(io->shell, notice);
}

static void give_books(void *ctx, const struct sp_record *record)
{
    feed(ctx, SP_EVENT_MESSAGE, SP_RI_BOOKS, record);
}

static void on_books(void *ctx, const struct sp_record *record)
{
    struct io *io = ctx;

    if (record->kind != SP_REC_SERVICE_STATUS) {
        sp_turns_hold(io->turns, give_books, io, record);
        return;
    }
    io->turn.connected = true;
    sp_turns_go_on(io->turns);
}

static void on_heartbeat(void *ctx, const struct sp_record *record)
{
    struct io *io = ctx;

    if (io->turns == NULL) sp_shell_set_market(io->shell, record->body.heartbeat.market_time);
}

static void on_heartbeat_notice(void *ctx, const struct sp_sub_notice *notice)
{
    (void)ctx;
    if (notice->type != SP_SUB_SILENT) return;
    sp_log(SP_LOG_WARN, "marketdata_silent",
           "next=\"schedules stand still with the market clock\"");
}

static void on_venue_up(void *ctx, uint32_t generation)
{
    struct io *io = ctx;

    sp_log(SP_LOG_INFO, "venue_connected", "generation=%u", generation);
    io->turn.up = io->turns != NULL;
    if (io->turns == NULL) feed(io, SP_EVENT_MESSAGE, SP_RI_VENUE_UP, NULL);
    sp_turns_go_on(io->turns);
}

static void on_venue_down(void *ctx, const char *reason)
{
    sp_log(SP_LOG_WARN, "venue_lost", "reason=\"%s\" next=reconnecting", reason);
    feed(ctx, SP_EVENT_MESSAGE, SP_RI_VENUE_DOWN, NULL);
}

/* Its key, or its rules for keys: nothing that a restart would change. */
static void on_venue_refused(void *ctx, const struct sp_err *err)
{
    struct io *io = ctx;

    sp_service_fail(io->service, err);
}

static void give_venue_message(void *ctx, const struct sp_record *message)
{
    feed(ctx, SP_EVENT_MESSAGE, SP_RI_VENUE, message);
}

static void on_venue_message(void *ctx, const struct sp_record *message)
{
    struct io *io = ctx;

    sp_turns_hold(io->turns, give_venue_message, io, message);
}

/* ---- In lock-step ---- */

/* A question that finds no connection would be asked again, at another time than in another run. */
static bool turn_can_begin(void *ctx)
{
    const struct io *io = ctx;
    struct sp_record status = {.kind = SP_REC_QUERY};

    if (!sp_venue_is_up(io->venue)) return false;
    if (io->turn.connected) return true;
    status.body.query.request_id = 1;
    status.body.query.what = sp_name_of("status");
    SP_IGNORE(sp_client_send(io->execution, &status, NULL)); /* asked again by on_tick */
    return false;
}

static void turn_begins(void *ctx)
{
    struct io *io = ctx;

    if (io->turn.up) feed(io, SP_EVENT_MESSAGE, SP_RI_VENUE_UP, NULL);
    io->turn.up = io->turn.ticked = false;
}

/* A pass that waits for time ends the turn: time comes with the next. */
static bool turn_settles(void *ctx)
{
    struct io *io = ctx;

    if (!io->turn.ticked) feed(io, SP_EVENT_TIMER, 0, NULL);
    io->turn.ticked = true;
    return io->core.step == SP_STEP_IDLE || io->core.step == SP_STEP_WAIT;
}

/* ---- Effects out ---- */

static void perform(void *ctx, const struct sp_effect *effect)
{
    struct io *io = ctx;
    struct sp_err err = {0};

    sp_status status = effect->type == SP_RE_BOOKS
                           ? sp_client_send(io->execution, &effect->message, &err)
                           : sp_venue_send(io->venue, &effect->message, &err);
    if (status != SP_OK) io->not_sent = true;
}

static void answer_waiters(struct io *io, const struct sp_reconciliation_result *result)
{
    char id[SP_ID_SHORT_SIZE];

    for (uint32_t i = 0; i < io->waiter_count; i++) {
        struct sp_command_reply *body = &io->answer.body.command_reply;
        memset(&io->answer, 0, sizeof io->answer);
        io->answer.kind = SP_REC_COMMAND_REPLY;
        io->answer.time = sp_clock_wall();
        body->ok = result->clean;
        if (!result->clean) body->status = sp_name_of(sp_status_name(SP_REFUSED));
        sp_text_printf(&body->text, "%s: %u differences, %u corrected, %u unresolved%s%s",
                       sp_rec_id_short(result->reconciliation_id, id), result->discrepancies_found,
                       result->corrections_applied, result->unresolved,
                       result->reason.s[0] != '\0' ? ": " : "", result->reason.s);
        SP_IGNORE(
            sp_bus_reply(io->service->bus, &io->waiters[i], &io->answer)); /* the asker has gone */
    }
    io->waiter_count = 0;
}

static void log_result(const struct sp_reconciliation_result *result)
{
    char id[SP_ID_TEXT_SIZE];

    sp_log(result->clean ? SP_LOG_INFO : SP_LOG_WARN, "reconciled",
           "reconciliation_id=%s trigger=%s clean=%d orders=%u fills=%u balances=%u found=%u "
           "corrected=%u unresolved=%u%s%s%s",
           sp_rec_id_text(result->reconciliation_id, id),
           sp_enum_name(SP_ENUM_TRIGGER, result->trigger), result->clean, result->orders,
           result->fills, result->balances, result->discrepancies_found,
           result->corrections_applied, result->unresolved,
           result->reason.s[0] != '\0' ? " reason=\"" : "", result->reason.s,
           result->reason.s[0] != '\0' ? "\" next=\"trading stays closed\"" : "");
}

static void applied(void *ctx, const struct sp_record *record)
{
    struct io *io = ctx;
    const struct sp_reconciliation_result *result = &record->body.reconciliation_result;
    const struct sp_discrepancy *item = &record->body.discrepancy;

    if (io->replaying) return;
    if (record->kind == SP_REC_DISCREPANCY) {
        sp_log(SP_LOG_WARN, "discrepancy",
               "item=%s result=%s symbol=%s asset=%s order=%s ours=\"%s\" venue=\"%s\"",
               sp_enum_name(SP_ENUM_DIFFERENCE, item->item),
               sp_enum_name(SP_ENUM_ITEM_RESULT, item->result), item->symbol.s, item->asset.s,
               item->client_order_id.s, item->ours.s, item->venues.s);
    }
    if (record->kind != SP_REC_RECONCILIATION_RESULT) return;
    io->done_at = sp_clock_mono();
    log_result(result);
    if (!sp_cmd_id_is_none(result->command_id)) answer_waiters(io, result);
}

/* ---- The control socket ---- */

static void on_request(void *ctx, const struct sp_peer *peer, const struct sp_record *request)
{
    struct sp_service *service = ctx;
    struct io *io = service->state;
    const struct sp_operator_command *command = &request->body.operator_command;

    if (sp_turns_take(io->turns, peer, request)) return;
    if (request->kind != SP_REC_COMMAND || command->command != SP_COMMAND_RECONCILE) return;
    if (io->waiter_count == WAITERS_MAX) return; /* the asker times out and asks again */
    io->waiters[io->waiter_count++] = *peer;
    if (sp_cmd_id_eq(command->command_id, io->core.last.command_id)) {
        answer_waiters(io, &io->core.last); /* a repeated command: it has its result */
        return;
    }
    feed(io, SP_EVENT_MESSAGE, SP_RI_COMMAND, request);
}

static void add_value(struct sp_service_status *status, const char *name, uint64_t value)
{
    char text[SP_NAME_SIZE];

    if (status->values.count == SP_FACTS_MAX) return;
    struct sp_fact *fact = &status->values.at[status->values.count++];
    fact->name = sp_name_of(name);
    snprintf(text, sizeof text, "%" PRIu64, value);
    SP_IGNORE(!sp_name_set(&fact->value, text)); /* digits fit */
}

static int64_t age_seconds(const struct io *io)
{
    if (io->done_at.ns == 0) return -1;
    return sp_mono_since(sp_clock_mono(), io->done_at).ns / SP_NS_PER_S;
}

static void fill_status(struct sp_service *service, struct sp_service_status *status)
{
    struct io *io = service->state;
    const struct sp_reconciler *r = &io->core;
    const char *waits = sp_reconciler_waits_for(r);

    status->market_time = sp_shell_market(io->shell);
    if (waits != NULL) {
        sp_text_printf(&status->reason, "reconciling: waits for %s", waits);
    } else if (!r->last.clean) {
        sp_text_printf(&status->reason, "%s", r->last.reason.s);
        sp_text_printf(&status->next_step,
                       "compare with the venue, then spoor reconcile; trading stays closed");
    }
    add_value(status, "passes", r->passes);
    add_value(status, "clean", r->last.clean);
    add_value(status, "found", r->last.discrepancies_found);
    add_value(status, "corrected", r->last.corrections_applied);
    add_value(status, "unresolved", r->last.unresolved);
    add_value(status, "orders", r->last.orders);
    add_value(status, "fills", r->last.fills);
    add_value(status, "positions", r->last.positions);
    add_value(status, "balances", r->last.balances);
    if (io->done_at.ns != 0) add_value(status, "age_s", (uint64_t)age_seconds(io));
}

/* ---- Life ---- */

static void register_metrics(struct io *io)
{
    struct sp_metrics *m = io->service->metrics;

    io->metrics.passes =
        sp_metrics_gauge(m, "spoor_reconciliation_passes", "", "results in the journal");
    io->metrics.discrepancies = sp_metrics_gauge(m, "spoor_reconciliation_discrepancies_total", "",
                                                 "differences found, in all passes");
    io->metrics.corrections = sp_metrics_gauge(m, "spoor_reconciliation_corrections_total", "",
                                               "differences corrected, in all passes");
    io->metrics.unresolved =
        sp_metrics_gauge(m, "spoor_reconciliation_unresolved", "", "unresolved in the last pass");
    io->metrics.clean =
        sp_metrics_gauge(m, "spoor_reconciliation_clean", "", "1 if the last pass was clean");
    io->metrics.age = sp_metrics_gauge(m, "spoor_reconciliation_age_seconds", "",
                                       "since the last result of this process; -1 for none");
}

static void update_metrics(struct io *io)
{
    const struct sp_reconciler *r = &io->core;

    sp_metric_set(io->metrics.passes, (int64_t)r->passes);
    sp_metric_set(io->metrics.discrepancies, (int64_t)r->discrepancies);
    sp_metric_set(io->metrics.corrections, (int64_t)r->corrections);
    sp_metric_set(io->metrics.unresolved, r->last.unresolved);
    sp_metric_set(io->metrics.clean, r->last.clean);
    sp_metric_set(io->metrics.age, age_seconds(io));
}

static void on_tick(void *ctx)
{
    struct io *io = ctx;
    sp_mono now = sp_clock_mono();

    if (io->turns == NULL) feed(io, SP_EVENT_TIMER, 0, NULL);
    sp_turns_go_on(io->turns);
    sp_bus_set_market_time(io->service->bus, sp_shell_market(io->shell));
    update_metrics(io);
    const char *waits = sp_reconciler_waits_for(&io->core);
    if (waits == NULL) {
        io->idle_at = now;
        io->wait_warned = false;
    } else if (!io->wait_warned && sp_mono_since(now, io->idle_at).ns >= WAIT_WARN_NS) {
        io->wait_warned = true;
        sp_log(SP_LOG_WARN, "reconciliation_waits", "for=\"%s\" next=\"asking again\"", waits);
    }
}

static sp_status connect_all(struct io *io, struct sp_err *err)
{
    struct sp_service *service = io->service;
    const char *run_dir = service->config->platform.run_dir;
    sp_name execution = sp_name_of("execution"), marketdata = sp_name_of("marketdata");
    struct sp_subscription *sub = NULL;
    struct sp_venue_callbacks callbacks = {.ctx = io,
                                           .on_up = on_venue_up,
                                           .on_down = on_venue_down,
                                           .on_message = on_venue_message,
                                           .on_refused = on_venue_refused};
    struct sp_sub_options facts = {.stream = execution,
                                   .publisher = execution,
                                   .facts = true,
                                   .cursor = sp_shell_cursor(io->shell, &execution),
                                   .on_record = on_fact,
                                   .on_notice = on_fact_notice,
                                   .ctx = io};

    sp_status status = sp_venue_open(service->loop, service->config, &service->instance, false,
                                     &callbacks, &io->venue, err);
    if (status == SP_OK) sp_venue_measure(io->venue, service->metrics);
    if (status == SP_OK) {
        status =
            sp_client_open(service->loop, run_dir, &execution, on_books, io, &io->execution, err);
    }
    if (status == SP_OK) status = sp_turns_subscribe(io->turns, service, &facts, &sub, err);
    if (status != SP_OK) return status;
    return sp_bus_watch(service->bus, &marketdata, on_heartbeat, on_heartbeat_notice, io, err);
}

static sp_status init(struct sp_service *service, struct sp_err *err)
{
    struct io *io = calloc(1, sizeof *io);
    sp_dur every = {TICK_NS};

    if (io == NULL) return SP_FAIL(err, SP_NO_MEMORY, "reconciliation");
    service->state = io;
    io->service = service;
    io->idle_at = sp_clock_mono();
    sp_reconciler_init(&io->core, service->config);
    register_metrics(io);
    struct sp_shell_options shell = {.service = service,
                                     .core = &sp_reconciliation_core,
                                     .core_state = &io->core,
                                     .perform = perform,
                                     .applied = applied,
                                     .ctx = io,
                                     .snapshot_every = service->config->platform.snapshot_every};
    sp_status status = sp_shell_open(&shell, &io->shell, err);
    io->replaying = true;
    if (status == SP_OK) status = sp_shell_restore(io->shell, err);
    io->replaying = false;
    struct sp_turns_options turns = {.service = service,
                                     .shell = io->shell,
                                     .can_begin = turn_can_begin,
                                     .begin = turn_begins,
                                     .settle = turn_settles,
                                     .ctx = io};
    if (status == SP_OK) status = sp_turns_open(&turns, &io->turns, err);
    if (status == SP_OK) status = connect_all(io, err);
    if (status != SP_OK) return status;
    return sp_loop_add_timer(service->loop, every, every, on_tick, io, NULL);
}

static void fini(struct sp_service *service)
{
    struct io *io = service->state;

    sp_turns_close(io->turns);
    sp_shell_close(io->shell);
    sp_venue_close(io->venue);
    sp_client_close(io->execution);
    free(io);
    service->state = NULL;
}

/* ---- Rerun ---- */

static sp_status open_core(const struct sp_config *config, const sp_name *instance, void **state,
                           struct sp_err *err)
{
    struct sp_reconciler *core = malloc(sizeof *core);

    (void)instance;
    if (core == NULL) return SP_FAIL(err, SP_NO_MEMORY, "reconciliation");
    sp_reconciler_init(core, config);
    *state = core;
    return SP_OK;
}

static const struct sp_rerun_core rerun = {
    .core = &sp_reconciliation_core, .open = open_core, .close = free};

const struct sp_service_spec sp_reconciliation_spec = {
    .program = "spoor-reconciliation",
    .about = "compares our books with the venue's truth, proposes corrections",
    .instance = "reconciliation",
    .journal = true,
    .rerun = &rerun,
    .init = init,
    .fini = fini,
    .on_request = on_request,
    .fill_status = fill_status,
};
