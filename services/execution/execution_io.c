#include "services/execution/execution_io.h"

#include "common/failpoint.h"
#include "common/turns.h"
#include "common/venue/venue.h"
#include "proto/decimal.h"
#include "services/execution/books_answer.h"
#include "services/execution/execution_metrics.h"
#include "services/execution/flatten_book.h"
#include "services/execution/last_words.h"
#include "services/execution/ledger_watch.h"
#include "services/execution/venue_turn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TICK_NS   (50 * SP_NS_PER_MS)
#define QUEUE_MAX (2 * SP_DECISION_EFFECTS_MAX)

/* What became of an effect, told to the core after the event that caused it has ended. */
struct outcome {
    enum sp_execution_input input;
    sp_mono at;
    struct sp_record message;
};

struct io {
    struct sp_service *service;
    struct sp_shell *shell;
    struct sp_venue *venue;
    struct sp_turns *turns; /* NULL: not in lock-step */
    struct sp_venue_turn turn;
    uint32_t connected; /* in lock-step: a connection the core was not told of; 0: none */
    struct sp_ledger_watch ledger;
    struct sp_last_words last_words; /* once the journal has failed */
    bool dirty;                      /* records were applied since trades were last tended */
    bool halted;                     /* the halt file was taken over */
    uint32_t outcome_count;
    struct outcome outcomes[QUEUE_MAX];
    struct sp_record answer;
    struct sp_execution_metrics metrics;
    uint64_t disk_checks; /* of the storage, as the core knows it */
    struct sp_execution core;
};

/* ---- Events in ---- */

/* Runs one event, then what it left behind: outcomes of its effects, and trades that need something
 * next. Ends because outcomes shrink and tending without news changes nothing. */
static void feed(struct io *io, enum sp_event_type type, uint32_t id,
                 const struct sp_record *record)
{
    struct sp_record message;

    if (io->last_words.began) return; /* nothing can be kept, so nothing is decided */
    sp_shell_event(io->shell, type, id, record);
    while (io->outcome_count > 0 || io->dirty) {
        if (io->outcome_count > 0) {
            enum sp_execution_input input = io->outcomes[0].input;
            sp_mono at = io->outcomes[0].at;
            message = io->outcomes[0].message;
            io->outcome_count--;
            memmove(&io->outcomes[0], &io->outcomes[1], io->outcome_count * sizeof *io->outcomes);
            sp_shell_event_at(io->shell, SP_EVENT_MESSAGE, input, &message, at);
        } else {
            io->dirty = false;
            sp_shell_event(io->shell, SP_EVENT_TIMER, SP_XT_TICK, NULL);
        }
    }
    sp_ledger_watch_flush(&io->ledger);
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

static void on_market(void *ctx, const struct sp_record *record)
{
    struct io *io = ctx;

    sp_shell_set_market(io->shell, record->time);
    if (record->kind == SP_REC_QUOTE || record->kind == SP_REC_TRADE) {
        feed(io, SP_EVENT_TICK, 0, record);
    }
}

/* A gap in market data needs no repair here: the gate looks at the age of the newest price. */
static void on_market_notice(void *ctx, const struct sp_sub_notice *notice)
{
    (void)ctx;
    sp_log(notice->type == SP_SUB_RESTORED ? SP_LOG_INFO : SP_LOG_WARN, "market_data",
           "stream=%s now=%s", notice->stream.s, sp_sub_notice_name(notice));
}

static void connected(struct io *io, uint32_t generation)
{
    struct sp_record record = {.kind = SP_REC_VENUE_ANSWER};

    record.body.venue_answer.request_id = generation;
    record.body.venue_answer.wait = sp_venue_absence(io->venue);
    SP_FAILPOINT(venue_up);
    sp_log(SP_LOG_INFO, "venue_connected", "generation=%u next=reconcile", generation);
    sp_service_set_phase(io->service, SP_PHASE_RECONCILE);
    feed(io, SP_EVENT_MESSAGE, SP_XI_VENUE_UP, &record);
}

static void on_venue_up(void *ctx, uint32_t generation)
{
    struct io *io = ctx;

    if (io->turns == NULL) {
        connected(io, generation);
        return;
    }
    io->connected = generation;
    sp_turns_go_on(io->turns);
}

static void on_venue_down(void *ctx, const char *reason)
{
    struct io *io = ctx;
    struct sp_record record = {.kind = SP_REC_VENUE_ANSWER};

    sp_text_printf(&record.body.venue_answer.reason, "%s", reason);
    sp_log(SP_LOG_WARN, "venue_lost", "reason=\"%s\" next=reconnecting", reason);
    io->turn.question = 0;
    feed(io, SP_EVENT_MESSAGE, SP_XI_VENUE_DOWN, &record);
}

static void on_venue_wait(void *ctx, sp_dur wait, const char *reason)
{
    struct io *io = ctx;
    struct sp_record record = {.kind = SP_REC_VENUE_ANSWER};

    record.body.venue_answer.wait = wait;
    sp_text_printf(&record.body.venue_answer.reason, "%s", reason);
    sp_log(SP_LOG_WARN, "venue_limits",
           "reason=\"%s\" wait_ms=%lld next=\"asks nothing until then\"", reason,
           (long long)(wait.ns / SP_NS_PER_MS));
    feed(io, SP_EVENT_MESSAGE, SP_XI_VENUE_WAIT, &record);
}

/* Its key, or its rules for keys: nothing that a restart would change. */
static void on_venue_refused(void *ctx, const struct sp_err *err)
{
    struct io *io = ctx;

    sp_service_fail(io->service, err);
}

static void give_venue_message(void *ctx, const struct sp_record *message)
{
    feed(ctx, SP_EVENT_MESSAGE, SP_XI_VENUE_MESSAGE, message);
}

static void pass_message(const struct sp_record *message)
{
    if (message->kind == SP_REC_VENUE_ANSWER) SP_FAILPOINT(answer_received);
    if (message->kind == SP_REC_VENUE_REPORT) SP_FAILPOINT(report_received);
}

static void on_venue_message(void *ctx, const struct sp_record *message)
{
    struct io *io = ctx;

    if (sp_venue_turn_takes(&io->turn, message)) {
        sp_turns_go_on(io->turns);
        return;
    }
    pass_message(message);
    sp_last_words_hear(&io->last_words, message);
    sp_turns_hold(io->turns, give_venue_message, io, message);
}

/* ---- In lock-step ---- */

static bool turn_can_begin(void *ctx)
{
    return sp_venue_is_up(((const struct io *)ctx)->venue);
}

static void turn_begins(void *ctx)
{
    struct io *io = ctx;

    sp_venue_turn_begins(&io->turn);
    if (io->connected != 0) connected(io, io->connected);
    io->connected = 0;
}

static void turn_ticks(void *ctx)
{
    feed(ctx, SP_EVENT_TIMER, SP_XT_TICK, NULL);
}

static bool turn_settles(void *ctx)
{
    struct io *io = ctx;

    return sp_venue_turn_settles(&io->turn, io->venue, turn_ticks, io);
}

/* ---- Effects out ---- */

static void tell_outcome(struct io *io, enum sp_execution_input input,
                         const struct sp_record *message)
{
    SP_ASSERT(io->outcome_count < QUEUE_MAX);
    io->outcomes[io->outcome_count].input = input;
    io->outcomes[io->outcome_count].at = sp_clock_mono();
    io->outcomes[io->outcome_count].message = *message;
    io->outcome_count++;
}

/* The last look at the fence before bytes leave: a superseded holder sends nothing. */
static void perform(void *ctx, const struct sp_effect *effect)
{
    struct io *io = ctx;
    struct sp_err err = {0};

    sp_status status = sp_role_check(&io->service->role, &err);
    if (status != SP_OK) {
        sp_service_fail(io->service, &err);
        tell_outcome(io, SP_XI_NOT_SENT, &effect->message);
        return;
    }
    if (effect->type == SP_XE_SEND) SP_FAILPOINT(order_before_send);
    status = sp_venue_send(io->venue, &effect->message, &err);
    if (effect->type == SP_XE_SEND) SP_FAILPOINT(order_sent);
    if (effect->message.kind == SP_REC_VENUE_CANCEL) SP_FAILPOINT(cancel_sent);
    io->turn.sent = true;
    if (effect->type != SP_XE_SEND) return; /* cancels and questions are repeated by the timer */
    tell_outcome(io, status == SP_OK ? SP_XI_SENT : SP_XI_NOT_SENT, &effect->message);
}

static void applied(void *ctx, const struct sp_record *record)
{
    struct io *io = ctx;

    if (record->kind == SP_REC_CURSOR) return;
    io->dirty = true;
    sp_ledger_watch_applied(&io->ledger, record->seq);
}

/* ---- The control socket ---- */

static void reply(struct io *io, const struct sp_peer *peer, enum sp_kind kind)
{
    io->answer.kind = kind;
    io->answer.time = sp_clock_wall();
    SP_IGNORE(sp_bus_reply(io->service->bus, peer, &io->answer)); /* the asker has gone */
    memset(&io->answer, 0, sizeof io->answer);
}

/* Of the whole operation: the tightest state of any link, so that the halt of one strategy is not
 * hidden behind the others. */
static enum sp_trading trading_now(struct io *io, sp_text *reason, sp_text *next_step)
{
    const struct sp_books *books = &io->core.books;
    struct sp_gate_view view = {0};
    sp_name none = {{0}};

    sp_execution_gate_view(&io->core, &none, sp_clock_mono(), sp_shell_market(io->shell), &view);
    enum sp_trading trading = sp_gate_trading(&view, NULL, reason, next_step);
    for (uint32_t i = 0; i < books->link_count && trading == SP_TRADING_ALLOWED; i++) {
        trading = sp_gate_trading(&view, &books->links[i].id, reason, next_step);
    }
    if (trading == SP_TRADING_REDUCE_ONLY && !io->core.reconciled &&
        io->core.unclean.s[0] != '\0') {
        sp_text_printf(reason, "books differ: %s", io->core.unclean.s);
    }
    return trading;
}

static void on_command(struct io *io, const struct sp_peer *peer, const struct sp_record *request)
{
    struct sp_command_reply *body = &io->answer.body.command_reply;
    sp_cmd_id id = request->body.operator_command.command_id;
    sp_text reason = {{0}}, next = {{0}};

    feed(io, SP_EVENT_MESSAGE, SP_XI_COMMAND, request);
    enum sp_trading trading = trading_now(io, &reason, &next);
    /* The books know a command only once it is on disk: no other "done" may leave us. */
    body->ok = sp_books_has_command(&io->core.books, id);
    if (body->ok) {
        sp_text_printf(&body->text, "trading %s: %s",
                       sp_enum_name(SP_ENUM_TRADING, (uint8_t)trading), reason.s);
    } else if (io->core.command_refused.s[0] != '\0') {
        body->status = sp_name_of(sp_status_name(SP_USAGE));
        body->text = io->core.command_refused;
    } else {
        body->status = sp_name_of(sp_status_name(SP_STORAGE));
        sp_text_printf(&body->text, "not done: it could not be written to the journal");
    }
    reply(io, peer, SP_REC_COMMAND_REPLY);
}

static void on_limits(struct io *io, const struct sp_peer *peer, uint64_t request_id)
{
    struct sp_gate_view view = {0};
    sp_name none = {{0}};

    sp_execution_gate_view(&io->core, &none, sp_clock_mono(), sp_shell_market(io->shell), &view);
    sp_limits_answer(io->service->bus, &view, peer, request_id);
}

static void on_request(void *ctx, const struct sp_peer *peer, const struct sp_record *request)
{
    struct sp_service *service = ctx;
    struct io *io = service->state;

    if (sp_turns_take(io->turns, peer, request)) return;
    if (request->kind == SP_REC_COMMAND) {
        on_command(io, peer, request);
    } else if (request->kind == SP_REC_QUERY && sp_name_is(&request->body.query.what, "books")) {
        sp_books_answer(io->service->bus, &io->core, io->service->role.epoch, peer,
                        request->body.query.request_id);
    } else if (request->kind == SP_REC_QUERY && sp_name_is(&request->body.query.what, "limits")) {
        on_limits(io, peer, request->body.query.request_id);
    } else if (request->kind == SP_REC_QUERY && sp_name_is(&request->body.query.what, "backup")) {
        sp_ledger_watch_ask_backup(&io->ledger, peer, request->body.query.request_id);
    } else if (request->kind == SP_REC_PROPOSE_CORRECTION) {
        uint64_t before = io->core.books.version;
        feed(io, SP_EVENT_MESSAGE, SP_XI_CORRECTION, request);
        io->answer.body.command_reply.ok = io->core.books.version != before;
        reply(io, peer, SP_REC_COMMAND_REPLY);
    }
}

static void fill_status(struct sp_service *service, struct sp_service_status *status)
{
    struct io *io = service->state;
    char buf[SP_E8_TEXT_SIZE];

    status->trading = (uint8_t)trading_now(io, &status->reason, &status->next_step);
    sp_ledger_watch_status(&io->ledger, status);
    status->breaker = (uint8_t)io->core.books.breaker;
    status->market_time = sp_shell_market(io->shell);
    sp_flatten_say(&io->core.books, &status->flatten);
    status->halts = sp_execution_halts(&io->core);
    for (uint32_t i = 0; i < io->core.books.link_count && i < SP_FACTS_MAX; i++) {
        const struct sp_link_book *link = &io->core.books.links[i];
        struct sp_fact *fact = &status->values.at[status->values.count++];
        fact->name = link->id;
        SP_IGNORE(!sp_name_set(&fact->value, sp_e8_format(link->result.realised.e8, buf)));
    }
}

/* ---- Life ---- */

static void watch_disk(struct io *io)
{
    struct sp_storage *storage = &io->service->storage;
    struct sp_record record = {.kind = SP_REC_DISK_SPACE};

    sp_storage_poll(storage);
    if (io->disk_checks == storage->checks) return;
    io->disk_checks = storage->checks;
    record.body.disk_space =
        (struct sp_disk_space){.free_bytes = storage->room.free_bytes,
                               .reserve_bytes = storage->options.limits.reserve_bytes,
                               .reserved = storage->level == SP_DISK_RESERVE};
    feed(io, SP_EVENT_MESSAGE, SP_XI_DISK, &record);
    sp_metric_set(io->metrics.disk_allows, storage->level != SP_DISK_RESERVE);
}

static void on_tick(void *ctx)
{
    struct io *io = ctx;

    watch_disk(io);
    if (!sp_turns_hold_back(io->turns)) feed(io, SP_EVENT_TIMER, SP_XT_TICK, NULL);
    if (io->core.reconciled) sp_service_set_phase(io->service, SP_PHASE_READY);
    sp_bus_set_market_time(io->service->bus, sp_shell_market(io->shell));
    sp_text reason = {{0}}, next = {{0}};
    bool allowed = trading_now(io, &reason, &next) == SP_TRADING_ALLOWED;
    struct sp_journal_stats journal = sp_journal_stats(io->service->journal);
    sp_execution_metrics_update(&io->metrics, &io->core, &journal, allowed);
    sp_ledger_watch_tick(&io->ledger);
}

static sp_status subscribe_fact(struct io *io, const sp_name *service, struct sp_err *err)
{
    struct sp_subscription *sub = NULL;
    struct sp_sub_options options = {.stream = *service,
                                     .publisher = *service,
                                     .facts = true,
                                     .cursor = sp_shell_cursor(io->shell, service),
                                     .on_record = on_fact,
                                     .on_notice = on_fact_notice,
                                     .ctx = io};

    return sp_turns_subscribe(io->turns, io->service, &options, &sub, err);
}

static sp_status subscribe(struct io *io, struct sp_err *err)
{
    const struct sp_config *config = io->service->config;
    const struct sp_world_config *world = sp_config_world(config);
    struct sp_instance instances[SP_INSTANCES_MAX];
    uint32_t count = sp_config_instances(config, instances);
    sp_status status = SP_OK;

    for (uint32_t i = 0; i < count && status == SP_OK; i++) {
        const sp_name *name = &instances[i].name;
        bool wanted = sp_name_is(name, "marketdata") || sp_name_is(name, "reconciliation") ||
                      strncmp(name->s, "strategy.", 9) == 0;
        if (wanted) status = subscribe_fact(io, name, err);
    }
    for (uint32_t i = 0; i < world->feed.symbol_count && status == SP_OK; i++) {
        struct sp_subscription *sub = NULL;
        struct sp_sub_options options = {.stream = sp_world_stream(world, world->feed.symbols[i].s),
                                         .publisher = sp_name_of("marketdata"),
                                         .paced = world->feed.speed.e8 == 0,
                                         .on_record = on_market,
                                         .on_notice = on_market_notice,
                                         .ctx = io};
        status = sp_turns_subscribe(io->turns, io->service, &options, &sub, err);
    }
    return status;
}

/* Taken over by the journal first, then removed. */
static void honour_halt_file(struct io *io)
{
    struct sp_record record = {.kind = SP_REC_COMMAND};
    char path[SP_PATH_SIZE + 16];

    if (!sp_execution_read_halt_file(io->service->dir, &record.body.operator_command)) return;
    struct sp_id_source source = {.installation = io->service->config->platform.installation.s,
                                  .stream = "halt_file",
                                  .epoch = io->service->role.epoch,
                                  .time = sp_clock_wall()};
    record.body.operator_command.command_id.raw = sp_id_mint(SP_ID_CMD, &source);
    record.body.operator_command.asked = sp_clock_wall();
    feed(io, SP_EVENT_MESSAGE, SP_XI_COMMAND, &record);
    if (io->core.command_refused.s[0] != '\0') { /* better too much than nothing */
        record.body.operator_command.scope = sp_name_of("all");
        feed(io, SP_EVENT_MESSAGE, SP_XI_COMMAND, &record);
    }
    snprintf(path, sizeof path, "%s/HALT", io->service->dir);
    unlink(path);
    sp_log(SP_LOG_WARN, "halt_file_honoured", "scope=%s", record.body.operator_command.scope.s);
}

/* What the ledger's file has for good; the next start reads on behind it. */
static struct sp_need needs(void *ctx)
{
    struct io *io = ctx;

    return (struct sp_need){.seq = sp_ledger_make_durable(io->ledger.ledger) + 1,
                            .who = sp_name_of("ledger")};
}

static sp_status init(struct sp_service *service, struct sp_err *err)
{
    struct io *io = calloc(1, sizeof *io);
    sp_dur every = {TICK_NS};

    if (io == NULL) return SP_FAIL(err, SP_NO_MEMORY, "execution");
    service->state = io;
    io->service = service;
    sp_execution_init(&io->core, service->config);
    sp_execution_metrics_init(&io->metrics, service->metrics);
    sp_ledger_watch_init(&io->ledger, service);
    struct sp_shell_options shell = {.service = service,
                                     .core = &sp_execution_core,
                                     .core_state = &io->core,
                                     .perform = perform,
                                     .applied = applied,
                                     .needs = needs,
                                     .ctx = io,
                                     .snapshot_every = service->config->platform.snapshot_every};
    sp_status status = sp_shell_open(&shell, &io->shell, err);
    if (status == SP_OK) status = sp_shell_restore(io->shell, err);
    if (status == SP_OK) status = sp_ledger_watch_open(&io->ledger, err);
    struct sp_turns_options turns = {.service = service,
                                     .shell = io->shell,
                                     .can_begin = turn_can_begin,
                                     .begin = turn_begins,
                                     .settle = turn_settles,
                                     .ctx = io};
    if (status == SP_OK) status = sp_turns_open(&turns, &io->turns, err);
    if (status != SP_OK) return status;
    honour_halt_file(io);
    watch_disk(io);
    sp_service_set_phase(service, SP_PHASE_CONNECT);
    struct sp_venue_callbacks callbacks = {.ctx = io,
                                           .on_up = on_venue_up,
                                           .on_down = on_venue_down,
                                           .on_wait = on_venue_wait,
                                           .on_message = on_venue_message,
                                           .on_refused = on_venue_refused};
    status = sp_venue_open(service->loop, service->config, &service->instance, true, &callbacks,
                           &io->venue, err);
    if (status == SP_OK) sp_venue_measure(io->venue, service->metrics);
    if (status == SP_OK) status = subscribe(io, err);
    if (status != SP_OK) return status;
    return sp_loop_add_timer(service->loop, every, every, on_tick, io, NULL);
}

static bool stop(struct sp_service *service, bool whole_operation)
{
    struct io *io = service->state;

    if (!whole_operation) return true;
    sp_turns_release(io->turns);
    if (!io->core.stopping) feed(io, SP_EVENT_MESSAGE, SP_XI_STOP, NULL);
    return sp_execution_is_flat(&io->core);
}

/* A holder that was superseded leaves the orders to who took over. */
static bool storage_failed(struct sp_service *service)
{
    struct io *io = service->state;

    if (io->venue == NULL || sp_role_check(&service->role, NULL) != SP_OK) return true;
    return sp_last_words_go_on(&io->last_words, io->venue, &io->core.books);
}

static void fini(struct sp_service *service)
{
    struct io *io = service->state;

    sp_turns_close(io->turns);
    sp_shell_close(io->shell);
    sp_venue_close(io->venue);
    sp_ledger_watch_close(&io->ledger);
    free(io);
    service->state = NULL;
}

const struct sp_service_spec sp_execution_spec = {
    .program = "spoor-execution",
    .about = "the one order gateway: gate, durable intents, order life, ledger",
    .instance = "execution",
    .journal = true,
    .rerun = &sp_execution_rerun,
    .init = init,
    .stop = stop,
    .storage_failed = storage_failed,
    .fini = fini,
    .on_request = on_request,
    .fill_status = fill_status,
};
