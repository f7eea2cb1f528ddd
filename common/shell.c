#include "common/shell.h"

#include "common/failpoint.h"
#include "common/log.h"
#include "common/persist/persistor_factory.h"
#include "common/planted_bug.h"
#include "common/record_inputs.h"
#include "common/retain.h"
#include "common/shell_internal.h"

#include <stdlib.h>
#include <string.h>

#define CURSOR_EVERY_INPUTS 256
#define CURSOR_EVERY_NS     (100 * SP_NS_PER_MS)

#define WALL_OF(shell) ((shell)->lock_step ? (shell)->market : sp_clock_wall())

struct sp_shell_cursor_at *sp_shell_find_cursor(struct sp_shell *shell, const sp_name *stream)
{
    struct sp_shell_cursor_at *at = shell->cursors, *end = at + shell->cursor_count;

    while (at < end && strcmp(at->at.stream.s, stream->s) < 0)
        at++;
    if (at < end && sp_name_eq(&at->at.stream, stream)) return at;
    SP_ASSERT(shell->cursor_count++ < SP_SNAPSHOT_CURSORS_MAX);
    memmove(at + 1, at, (size_t)(end - at) * sizeof *at);
    *at = (struct sp_shell_cursor_at){.at = {.stream = *stream}};
    return at;
}

/* `wall`: the one reading of the clock that all decisions of an event share. */
static void begin(struct sp_shell *shell, sp_wall wall)
{
    struct sp_service *service = shell->options.service;
    struct sp_decision *decision = &shell->decision;

    sp_decision_begin(decision);
    decision->installation = service->config->platform.installation.s;
    decision->stream = service->stream;
    decision->epoch = service->role.epoch;
    decision->next_seq = sp_journal_next_seq(service->journal);
    decision->time = shell->market.ns != 0 ? shell->market : wall;
}

static bool needs_sync(const struct sp_decision *decision)
{
    for (uint32_t i = 0; i < decision->record_count; i++) {
        if (SP_BUG(effect_before_sync)) return false;
        if (sp_kind_info(decision->records[i].kind)->durability == SP_DURABLE_SYNC) return true;
    }
    return false;
}

/* Journal first, then memory. False: the journal failed, or belongs to a successor by now (we were
 * stopped, say), and the service ends. */
static bool keep(struct sp_shell *shell)
{
    struct sp_service *service = shell->options.service;
    struct sp_decision *decision = &shell->decision;
    struct sp_err err = {0};

    if (decision->record_count == 0) return true;
    sp_status status = sp_role_check(&service->role, &err);
    if (status == SP_OK) {
        status =
            sp_journal_append(service->journal, decision->records, decision->record_count, &err);
    }
    SP_FAILPOINT_BATCH(APPENDED, decision->records, decision->record_count);
    if (status == SP_OK && needs_sync(decision)) {
        status = sp_journal_sync(service->journal, &err);
        shell->stats.synced++;
        SP_FAILPOINT_BATCH(SYNCED, decision->records, decision->record_count);
    }
    if (status != SP_OK) {
        sp_service_fail(service, &err);
        return false;
    }
    for (uint32_t i = 0; i < decision->record_count; i++) {
        shell->options.core->apply(shell->options.core_state, &decision->records[i]);
    }
    const struct sp_record *last = &decision->records[decision->record_count - 1];
    shell->last = sp_record_ref(last);
    shell->last_time = last->time;
    shell->stats.records += decision->record_count;
    return true;
}

/* Somebody waited for the sync of this event, and will for the next one's; now nobody does. */
static void prepare_sync(struct sp_shell *shell)
{
    struct sp_service *service = shell->options.service;
    struct sp_err err = {0};

    if (service->storage.level != SP_DISK_AMPLE || !sp_journal_is_short(service->journal)) return;
    if (sp_role_check(&service->role, NULL) != SP_OK) return; /* the file is a successor's */
    sp_status status = sp_journal_prepare(service->journal, &err);
    if (status != SP_OK) sp_service_fail(service, &err);
}

static void tell_all(struct sp_shell *shell)
{
    struct sp_decision *decision = &shell->decision;

    for (uint32_t i = 0; i < decision->record_count; i++) {
        /* A send that fails is a hint lost: subscribers replay from the journal. */
        SP_IGNORE(sp_bus_publish(shell->options.service->bus, &decision->records[i], NULL));
    }
    sp_bus_flush(shell->options.service->bus); /* the next event's sync may be long */
    SP_FAILPOINT(told);
    if (shell->options.applied == NULL) return;
    for (uint32_t i = 0; i < decision->record_count; i++) {
        shell->options.applied(shell->options.ctx, &decision->records[i]);
    }
}

/* For a decision without effects. False: the journal failed and the service ends. */
static bool keep_and_tell(struct sp_shell *shell)
{
    if (!keep(shell)) return false;
    tell_all(shell);
    return true;
}

/* What withdrawing an effect leads to is kept too; its own effects are not carried out, so that a
 * withdrawal cannot recurse. */
static void withdraw(struct sp_shell *shell, const struct sp_effect *effect, sp_wall wall)
{
    shell->stats.withdrawn++;
    if (shell->options.core->withdrawn == NULL) return;
    begin(shell, wall);
    shell->options.core->withdrawn(shell->options.core_state, effect, &shell->decision);
    SP_IGNORE(!keep_and_tell(shell)); /* a failure has already told the service to end */
}

/* Effects first: an order must not wait for the bus, the log or a ledger. Withdrawals reuse the
 * decision, so they come last and their effects are moved out of it. */
static void perform_all(struct sp_shell *shell, sp_wall wall)
{
    struct sp_effect *withdrawn = shell->withdrawn;
    const struct sp_core *core = shell->options.core;
    struct sp_decision *decision = &shell->decision;
    uint32_t withdrawn_count = 0;

    for (uint32_t i = 0; i < decision->effect_count; i++) {
        const struct sp_effect *effect = &decision->effects[i];
        if (core->allows != NULL && !core->allows(shell->options.core_state, effect)) {
            withdrawn[withdrawn_count++] = *effect;
            continue;
        }
        shell->stats.effects++;
        if (shell->options.perform != NULL) shell->options.perform(shell->options.ctx, effect);
    }
    tell_all(shell);
    for (uint32_t i = 0; i < withdrawn_count; i++) {
        withdraw(shell, &withdrawn[i], wall);
    }
}

/* The one record of a decision that is the shell's own, not the core's. */
static bool keep_own(struct sp_shell *shell)
{
    const struct sp_record *record = &shell->decision.records[0];
    struct sp_event event = {.market = shell->market, .record = record};

    SP_ASSERT(shell->decision.record_count == 1);
    sp_input_recorder_put(shell->inputs, SP_INPUT_OWN, &event, record->seq);
    return keep_and_tell(shell);
}

static void write_cursor(struct sp_shell *shell, struct sp_shell_cursor_at *cursor)
{
    begin(shell, WALL_OF(shell));
    struct sp_record *record = sp_decision_add(&shell->decision, SP_REC_CURSOR, NULL);
    record->body.cursor.inputs = cursor->unwritten;
    record->in = cursor->at;
    if (!keep_own(shell)) return;
    cursor->written = cursor->at;
    cursor->unwritten = 0;
}

static void write_due_cursors(void *ctx)
{
    struct sp_shell *shell = ctx;

    for (uint32_t i = 0; i < shell->cursor_count; i++) {
        if (shell->cursors[i].unwritten > 0) write_cursor(shell, &shell->cursors[i]);
    }
}

static void take_snapshot(struct sp_shell *shell)
{
    const struct sp_service *service = shell->options.service;
    struct sp_journal *journal = service->journal;
    struct sp_snapshot_base base = {.at = shell->last, .time = shell->last_time};

    /* After a failed append the core may not be what the journal says. */
    if (sp_journal_health(journal) != SP_OK) return;
    if (sp_role_check(&service->role, NULL) != SP_OK) return; /* the file is a successor's */
    for (uint32_t i = 0; i < shell->cursor_count; i++) {
        if (!sp_ref_is_none(&shell->cursors[i].written))
            base.cursors[base.cursor_count++] = shell->cursors[i].written;
    }
    sp_snapshots_tick(shell->snapshots, &base, sp_journal_durable_seq(journal));
    struct sp_snapshots_stats stats = sp_snapshots_stats(shell->snapshots);
    if (shell->metrics.taken == NULL) return;
    sp_metric_set(shell->metrics.taken, (int64_t)stats.taken);
    sp_metric_set(shell->metrics.failed, (int64_t)(stats.failed + stats.too_large));
    sp_metric_set(shell->metrics.ms, stats.save.ns / SP_NS_PER_MS);
    sp_metric_set(shell->metrics.generation, (int64_t)stats.generation);
    sp_metric_set(shell->metrics.behind, (int64_t)(shell->last.seq - stats.seq));
    int64_t age = sp_mono_since(sp_clock_mono(), stats.saved_at).ns / SP_NS_PER_S;
    sp_metric_set(shell->metrics.age, stats.saved_at.ns == 0 ? -1 : age);
}

static void on_timer(void *ctx)
{
    struct sp_shell *shell = ctx;

    if (!shell->lock_step) write_due_cursors(shell); /* there they come by number alone */
    if (shell->snapshots != NULL) take_snapshot(shell);
}

static sp_status open_snapshots(struct sp_shell *shell, struct sp_err *err)
{
    const struct sp_shell_options *options = &shell->options;
    struct sp_service *service = options->service;
    struct sp_state_file file = {.dir = service->dir,
                                 .name = service->instance.s,
                                 .installation = service->config->platform.installation.s};
    struct sp_snapshots_options snapshots = {
        .core = options->core,
        .core_state = options->core_state,
        .every = options->snapshot_every,
        .every_records = options->snapshot_records,
        .partial = sp_retain_has_trimmed(service->config, sp_journal_first_seq(service->journal))};

    if (options->core->save == NULL || options->snapshot_every.ns < 0) return SP_OK;
    if (service->metrics != NULL) {
        struct sp_metrics *m = service->metrics;
        shell->metrics.taken = sp_metrics_gauge(m, "spoor_snapshots", "", "snapshots of the state");
        shell->metrics.failed =
            sp_metrics_gauge(m, "spoor_snapshots_failed", "", "not taken: too large, or the disk");
        shell->metrics.generation =
            sp_metrics_gauge(m, "spoor_snapshot_generation", "", "of the newest; 0 for none");
        shell->metrics.behind = sp_metrics_gauge(m, "spoor_snapshot_records_behind", "",
                                                 "journal records that a start would fold");
        shell->metrics.age = sp_metrics_gauge(m, "spoor_snapshot_age_seconds", "",
                                              "of the newest of this process; -1 for none");
        shell->metrics.ms =
            sp_metrics_gauge(m, "spoor_snapshot_ms", "", "time the newest took, beside the loop");
    }
    sp_status status =
        sp_persistor_state(&service->config->platform.persistence, &file, &shell->state, err);
    if (status != SP_OK) return status;
    snapshots.state = shell->state;
    return sp_snapshots_open(&snapshots, &shell->snapshots, err);
}

static sp_status trim(struct sp_shell *shell, const struct sp_journal_trimmed *trimmed,
                      struct sp_err *err)
{
    begin(shell, WALL_OF(shell));
    sp_decision_add(&shell->decision, SP_REC_JOURNAL_TRIMMED, NULL)->body.journal_trimmed =
        *trimmed;
    if (!keep_own(shell)) return SP_FAIL(err, SP_STORAGE, "the journal failed");
    return sp_journal_delete_before(shell->options.service->journal, trimmed->first_seq, err);
}

static void on_retain(void *ctx, const struct sp_retain *request, struct sp_command_reply *reply)
{
    struct sp_shell *shell = ctx;
    const struct sp_service *service = shell->options.service;
    struct sp_retain_input input = {.config = service->config,
                                    .dir = service->dir,
                                    .stream = service->stream,
                                    .request = request};
    struct sp_journal_trimmed trimmed = {0};
    struct sp_err err = {0};

    SP_ASSERT(!shell->busy);
    if (shell->snapshots != NULL) input.snapshot_seq = sp_snapshots_oldest(shell->snapshots);
    if (shell->options.needs != NULL) input.own = shell->options.needs(shell->options.ctx);
    sp_status status = sp_retain_decide(&input, &trimmed, &err);
    if (status == SP_OK && trimmed.segments > 0) status = trim(shell, &trimmed, &err);
    reply->ok = status == SP_OK;
    if (status != SP_OK) {
        reply->status = sp_name_of(sp_status_name(status));
        sp_text_printf(&reply->text, "%s", err.text);
        sp_log_err(SP_LOG_ERROR, "journal_not_trimmed", &err);
        return;
    }
    sp_retain_say(&trimmed, &reply->text);
    sp_log(SP_LOG_INFO, "journal_trimmed",
           "segments=%u bytes=%" PRIu64 " first_seq=%" PRIu64 " limited_by=%s by=%s",
           trimmed.segments, trimmed.bytes, trimmed.first_seq, trimmed.limited_by.s,
           request->operator_name.s);
}

sp_status sp_shell_open(const struct sp_shell_options *options, struct sp_shell **out,
                        struct sp_err *err)
{
    struct sp_shell *shell = calloc(1, sizeof *shell);

    SP_ASSERT(options->service->journal != NULL);
    if (shell == NULL) return SP_FAIL(err, SP_NO_MEMORY, "shell");
    shell->options = *options;
    shell->lock_step = sp_config_world(options->service->config)->feed.lock_step;
    sp_dur every = {CURSOR_EVERY_NS};
    sp_status status = sp_loop_add_timer(options->service->loop, every, every, on_timer, shell,
                                         &shell->cursor_timer);
    if (status != SP_OK) {
        free(shell);
        return SP_FAIL(err, status, "event loop: no room for a timer");
    }
    status = open_snapshots(shell, err);
    if (status != SP_OK) {
        sp_timer_cancel(shell->cursor_timer);
        sp_state_persistor_close(shell->state);
        free(shell);
        return status;
    }
    options->service->on_retain = on_retain;
    options->service->on_retain_ctx = shell;
    *out = shell;
    return SP_OK;
}

void sp_shell_close(struct sp_shell *shell)
{
    if (shell == NULL) return;
    shell->options.service->on_retain = NULL;
    write_due_cursors(shell);
    sp_input_recorder_close(shell->inputs);
    sp_timer_cancel(shell->cursor_timer);
    sp_snapshots_close(shell->snapshots);
    sp_state_persistor_close(shell->state);
    free(shell);
}

struct sp_ref sp_shell_cursor(const struct sp_shell *shell, const sp_name *stream)
{
    for (uint32_t i = 0; i < shell->cursor_count; i++) {
        struct sp_ref at = shell->cursors[i].at;
        if (!sp_name_eq(&at.stream, stream)) continue;
        if (SP_BUG(cursor_one_behind) && at.seq > 1) at.seq--;
        return at;
    }
    return (struct sp_ref){0};
}

/* What must never be: see SP_BUG(cursor_before_effect). */
static void write_cursor_early(struct sp_shell *shell, const struct sp_record *input)
{
    struct sp_shell_cursor_at *cursor = sp_shell_find_cursor(shell, &input->stream);

    cursor->at = sp_record_ref(input);
    cursor->unwritten++;
    write_cursor(shell, cursor);
}

/* Puts the input's place into the last record, so that effect and cursor are one append. */
static void move_cursor(struct sp_shell *shell, const struct sp_record *input)
{
    struct sp_shell_cursor_at *cursor = sp_shell_find_cursor(shell, &input->stream);
    struct sp_decision *decision = &shell->decision;

    cursor->at = sp_record_ref(input);
    if (decision->record_count > 0) {
        decision->records[decision->record_count - 1].in = cursor->at;
        cursor->written = cursor->at;
        cursor->unwritten = 0;
    } else if (input->kind != SP_REC_CURSOR) {
        /* A cursor of another service needs no cursor of ours: two services that read each other
         * would answer for ever. It is delivered again after a restart, and passed over again. */
        cursor->unwritten++;
    }
}

static void record_input(struct sp_shell *shell, const struct sp_event *event)
{
    const struct sp_service *service = shell->options.service;

    if (shell->inputs == NULL) return;
    if (service->storage.level == SP_DISK_RESERVE)
        sp_input_recorder_stop(shell->inputs, "the disk reserve is reached");
    sp_input_recorder_put(shell->inputs, SP_INPUT_EVENT, event,
                          sp_journal_next_seq(service->journal));
}

void sp_shell_event(struct sp_shell *shell, enum sp_event_type type, uint32_t id,
                    const struct sp_record *record)
{
    sp_shell_event_at(shell, type, id, record, sp_clock_mono());
}

void sp_shell_event_at(struct sp_shell *shell, enum sp_event_type type, uint32_t id,
                       const struct sp_record *record, sp_mono at)
{
    struct sp_event event = {.type = type,
                             .now = shell->lock_step ? (sp_mono){shell->market.ns} : at,
                             .wall = WALL_OF(shell),
                             .market = shell->market,
                             .id = id,
                             .record = record};

    SP_ASSERT(!shell->busy);
    shell->busy = true;
    shell->stats.events++;
    if (SP_BUG(cursor_before_effect) && type == SP_EVENT_RECORD) write_cursor_early(shell, record);
    record_input(shell, &event);
    begin(shell, event.wall);
    uint64_t synced = shell->stats.synced;
    shell->options.core->decide(shell->options.core_state, &event, &shell->decision);
    if (type == SP_EVENT_RECORD) move_cursor(shell, record);
    if (keep(shell)) perform_all(shell, event.wall);
    if (type == SP_EVENT_RECORD) {
        struct sp_shell_cursor_at *cursor = sp_shell_find_cursor(shell, &record->stream);
        if (cursor->unwritten >= CURSOR_EVERY_INPUTS) write_cursor(shell, cursor);
    }
    if (shell->stats.synced > synced) prepare_sync(shell);
    shell->busy = false;
}

void sp_shell_note(struct sp_shell *shell, const struct sp_event *event)
{
    if (shell->inputs == NULL) return;
    sp_input_recorder_put(shell->inputs, SP_INPUT_NOTE, event,
                          sp_journal_next_seq(shell->options.service->journal));
}

void sp_shell_set_market(struct sp_shell *shell, sp_wall market)
{
    if (market.ns > shell->market.ns) shell->market = market;
}

sp_wall sp_shell_market(const struct sp_shell *shell)
{
    return shell->market;
}

void sp_shell_on_record(void *ctx, const struct sp_record *record)
{
    struct sp_shell *shell = ctx;

    sp_shell_event(shell, SP_EVENT_RECORD, 0, record);
}

static void fail_for_gap(struct sp_shell *shell, const struct sp_sub_notice *notice)
{
    struct sp_service *service = shell->options.service;
    struct sp_ref cursor = sp_shell_cursor(shell, &notice->stream);
    char at[SP_REF_TEXT_SIZE];
    struct sp_err err = {0};

    SP_IGNORE(SP_FAIL(&err, SP_CORRUPT,
                      "%s: records %" PRIu64 " to %" PRIu64
                      " were deleted before they were read here "
                      "(read: %s): restore them, or move %s away to begin anew",
                      notice->stream.s, notice->first_seq, notice->last_seq,
                      sp_ref_format(&cursor, at), service->dir));
    sp_service_fail(service, &err);
}

void sp_shell_on_notice(void *ctx, const struct sp_sub_notice *notice)
{
    struct sp_shell *shell = ctx;

    if (notice->type == SP_SUB_GAP) fail_for_gap(shell, notice);
    if (notice->type != SP_SUB_REWOUND) return;
    begin(shell, WALL_OF(shell));
    struct sp_record *record = sp_decision_add(&shell->decision, SP_REC_STREAM_REWOUND, NULL);
    struct sp_shell_cursor_at *cursor = sp_shell_find_cursor(shell, &notice->stream);
    record->body.stream_rewound = (struct sp_stream_rewound){.stream = notice->stream,
                                                             .seen_epoch = notice->seen_epoch,
                                                             .seen_seq = cursor->at.seq,
                                                             .new_epoch = notice->epoch,
                                                             .first_seq = notice->first_seq};
    SP_IGNORE(!keep_own(shell)); /* a failure has already told the service to end */
}

struct sp_shell_stats sp_shell_stats(const struct sp_shell *shell)
{
    struct sp_shell_stats stats = shell->stats;

    if (shell->snapshots != NULL) stats.snapshots = sp_snapshots_stats(shell->snapshots);
    return stats;
}
