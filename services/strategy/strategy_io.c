#include "services/strategy/strategy_io.h"

#include "common/rerun.h"
#include "common/turns.h"
#include "proto/decimal.h"
#include "services/strategy/strategy_core.h"
#include "services/strategy/strategy_metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UPDATE_NS   (200 * SP_NS_PER_MS)
#define FACTS_COUNT 2
#define NOTE_FOLD   1 /* sp_strategy_fold of the record */

/* A stream of facts, and up to where it was decided upon before this start. */
struct facts {
    struct io *io;
    struct sp_subscription *sub;
    struct sp_ref decided;
    bool began;      /* the first one came */
    uint64_t folded; /* of those, into the books since this start */
};

struct io {
    struct sp_service *service;
    const struct sp_link_config *link;
    struct sp_strategy *strategy;
    struct sp_shell *shell;
    struct sp_turns *turns;
    struct facts facts[FACTS_COUNT];
    bool has_market;
    struct sp_strategy_metrics metrics;
};

static const char *const publishers[FACTS_COUNT] = {"execution", "marketdata"};

/* ---- Events in ---- */

/* The books are to be folded from the stream's beginning, and that was deleted. One that never
 * decided on anything has no trades there. */
static bool is_cut_off(struct facts *facts, const struct sp_record *first)
{
    struct sp_service *service = facts->io->service;
    struct sp_ref place = sp_strategy_place(facts->io->strategy, &first->stream);
    struct sp_err err = {0};

    if (first->seq == 1 || sp_ref_is_none(&facts->decided) || !sp_ref_is_none(&place)) return false;
    SP_IGNORE(SP_FAIL(&err, SP_CORRUPT,
                      "%s: records before %" PRIu64
                      " were deleted, and no sound snapshot stands for "
                      "them: restore %s.json from a backup, or move %s away to begin anew",
                      first->stream.s, first->seq, service->instance.s, service->dir));
    sp_service_fail(service, &err);
    return true;
}

/* The books are a fold of these streams; what lies behind the durable cursor was decided upon, so
 * it makes books and nothing else. */
static void on_fact(void *ctx, const struct sp_record *record)
{
    struct facts *facts = ctx;
    const struct sp_ref *decided = &facts->decided;
    bool is_old = record->epoch <= decided->epoch && record->seq <= decided->seq;

    if (!facts->began && is_cut_off(facts, record)) return;
    facts->began = true;
    facts->folded += is_old;
    if (is_old) {
        struct sp_event fold = {.id = NOTE_FOLD, .record = record};
        sp_shell_note(facts->io->shell, &fold);
        sp_strategy_fold(facts->io->strategy, record);
    } else {
        sp_shell_event(facts->io->shell, SP_EVENT_RECORD, 0, record);
    }
}

/* What was taken back is in our books already: STREAM_REWOUND empties them, also those of a
 * snapshot, and a new start folds them anew. */
static void on_fact_notice(void *ctx, const struct sp_sub_notice *notice)
{
    struct facts *facts = ctx;
    struct sp_err err = {0};

    if (notice->type == SP_SUB_GAP) sp_shell_on_notice(facts->io->shell, notice);
    if (notice->type != SP_SUB_REWOUND) return;
    sp_shell_on_notice(facts->io->shell, notice);
    SP_IGNORE(SP_FAIL(&err, SP_GONE, "%s took records back; starting anew to read it again",
                      notice->stream.s)); /* the service is told below */
    sp_service_fail(facts->io->service, &err);
}

static void on_market(void *ctx, const struct sp_record *record)
{
    struct io *io = ctx;

    sp_shell_set_market(io->shell, record->time);
    sp_shell_event(io->shell, SP_EVENT_TICK, 0, record);
}

static void on_market_notice(void *ctx, const struct sp_sub_notice *notice)
{
    struct io *io = ctx;
    struct sp_record record = {.stream = notice->stream,
                               .epoch = notice->epoch,
                               .kind = SP_REC_DATA_GAP};

    if (notice->type != SP_SUB_GAP) return;
    sp_log(SP_LOG_WARN, "market_gap",
           "stream=%s first=%" PRIu64 " last=%" PRIu64 " next=\"warm up again\"", notice->stream.s,
           notice->first_seq, notice->last_seq);
    record.body.data_gap.stream = notice->stream;
    record.body.data_gap.first_seq = notice->first_seq;
    record.body.data_gap.last_seq = notice->last_seq;
    sp_text_printf(&record.body.data_gap.reason, "records are no longer retained");
    sp_shell_event(io->shell, SP_EVENT_TICK, 0, &record);
}

static void log_decision(const struct sp_record *record)
{
    const union sp_body *body = &record->body;
    char id[SP_ID_SHORT_SIZE];

    if (record->kind == SP_REC_PLAN_READY)
        sp_log(SP_LOG_INFO, "plan_ready", "trade=%s size=\"%s\"",
               sp_trd_id_short(body->plan.trade_id, id), body->plan.size.s);
    if (record->kind == SP_REC_OPPORTUNITY_REJECTED)
        sp_log(SP_LOG_INFO, "rejected", "opportunity=%s reason=\"%s\"",
               sp_opp_id_short(body->opportunity_verdict.opportunity_id, id),
               body->opportunity_verdict.reason.s);
    if (record->kind == SP_REC_THREAT_DETECTED || record->kind == SP_REC_THREAT_ENDED)
        sp_log(SP_LOG_INFO, record->kind == SP_REC_THREAT_ENDED ? "threat_ended" : "threat_began",
               "threat=%s rule=\"%s\"", sp_thr_id_short(body->threat.threat_id, id),
               body->threat.rule.s);
    if (record->kind == SP_REC_FLOW_FAILED)
        sp_log(SP_LOG_ERROR, "flow_failed", "worker=%s contract=%s reason=\"%s\" next=\"next bar\"",
               body->flow_failed.worker.s, body->flow_failed.contract.s,
               body->flow_failed.reason.s);
}

/* Also called for each record of the replay, which was logged when it was made. */
static void applied(void *ctx, const struct sp_record *record)
{
    struct io *io = ctx;

    if (record->epoch == io->service->role.epoch) log_decision(record);
}

/* ---- Subscriptions ---- */

static sp_status subscribe_facts(struct io *io, uint32_t i, struct sp_err *err)
{
    sp_name name = sp_name_of(publishers[i]);
    struct sp_sub_options options = {.stream = name,
                                     .publisher = name,
                                     .facts = true,
                                     .cursor = sp_strategy_place(io->strategy, &name),
                                     .on_record = on_fact,
                                     .on_notice = on_fact_notice,
                                     .ctx = &io->facts[i]};

    io->facts[i].io = io;
    io->facts[i].decided = sp_shell_cursor(io->shell, &name);
    return sp_turns_subscribe(io->turns, io->service, &options, &io->facts[i].sub, err);
}

/* Market data from now on; a feed at full speed is read from its beginning, at our pace. */
static sp_status subscribe_market(struct io *io, struct sp_err *err)
{
    const struct sp_world_config *world = sp_config_world_of(io->service->config, io->link);
    struct sp_subscription *sub = NULL;
    struct sp_sub_options options = {.stream = sp_world_stream(world, io->link->blueprint.symbol.s),
                                     .publisher = sp_name_of("marketdata"),
                                     .paced = world->feed.speed.e8 == 0,
                                     .on_record = on_market,
                                     .on_notice = on_market_notice,
                                     .ctx = io};

    return sp_turns_subscribe(io->turns, io->service, &options, &sub, err);
}

static bool is_ready(struct sp_service *service)
{
    struct io *io = service->state;
    struct sp_err err = {0};

    for (uint32_t i = 0; i < FACTS_COUNT; i++)
        if (!sp_subscription_caught_up(io->facts[i].sub)) return false;
    if (io->has_market) return true;
    sp_log(SP_LOG_INFO, "books_restored", "execution=%" PRIu64 " marketdata=%" PRIu64,
           io->facts[0].folded, io->facts[1].folded);
    if (subscribe_market(io, &err) != SP_OK) {
        sp_service_fail(service, &err);
        return false;
    }
    io->has_market = true;
    return true;
}

/* ---- Status and life ---- */

static void add_value(struct sp_service_status *status, const char *name, uint64_t value)
{
    struct sp_fact fact = {0};

    SP_ASSERT(status->values.count < SP_FACTS_MAX);
    fact.name = sp_name_of(name);
    snprintf(fact.value.s, sizeof fact.value.s, "%" PRIu64, value);
    status->values.at[status->values.count++] = fact;
}

static void fill_status(struct sp_service *service, struct sp_service_status *out)
{
    struct io *io = service->state;
    struct sp_strategy_status status = sp_strategy_status(io->strategy);
    struct sp_fact *trade = &out->values.at[0];
    struct sp_fact *equity = &out->values.at[1];
    char digits[SP_E8_TEXT_SIZE], id[SP_ID_SHORT_SIZE];

    if (!status.is_warm)
        sp_text_printf(&out->reason, "warming up: %u of %u bars", status.bars_seen,
                       status.bars_needed);
    out->market_time = sp_shell_market(io->shell);
    trade->name = sp_name_of("trade");
    trade->value = sp_name_of(
        sp_trd_id_is_none(status.trade_id) ? "none" : sp_trd_id_short(status.trade_id, id));
    equity->name = sp_name_of("equity");
    equity->value = sp_name_of(sp_e8_format(status.equity.e8, digits));
    out->values.count = 2;
    add_value(out, "bars_seen", status.bars_seen);
    add_value(out, "opportunities", status.tallies.opportunities);
    add_value(out, "accepted", status.tallies.accepted);
    add_value(out, "rejected", status.tallies.rejected);
    add_value(out, "plans", status.tallies.plans);
    add_value(out, "threats", status.tallies.threats);
    add_value(out, "active_threats", status.threat_count);
    add_value(out, "flows_failed", status.tallies.flows_failed);
}

static void update(void *ctx)
{
    struct io *io = ctx;

    sp_bus_set_market_time(io->service->bus, sp_shell_market(io->shell));
    sp_strategy_metrics_update(&io->metrics, io->strategy);
}

/* NULL: there is none. */
static const struct sp_link_config *find_link(const struct sp_config *config,
                                              const sp_name *instance)
{
    const char *dot = strchr(instance->s, '.');

    return dot != NULL ? sp_config_link(config, dot + 1) : NULL;
}

static sp_status make_core(const struct sp_config *config, const sp_name *instance,
                           struct sp_strategy **out, struct sp_err *err)
{
    const char *id = instance->s;
    struct sp_strategy_options options = {.link = find_link(config, instance)};

    if (options.link == NULL)
        return SP_FAIL(err, SP_CONFIG, "%s: there is no such strategy link", id);
    const sp_name *symbol = &options.link->blueprint.symbol;
    options.instrument = sp_world_instrument(sp_config_world_of(config, options.link), symbol->s);
    if (options.instrument == NULL)
        return SP_FAIL(err, SP_CONFIG, "%s: its world has no instrument %s", id, symbol->s);
    return sp_strategy_open(&options, out, err);
}

static sp_status open_core(struct io *io, struct sp_err *err)
{
    const struct sp_config *config = io->service->config;

    sp_status status = make_core(config, &io->service->instance, &io->strategy, err);
    if (status != SP_OK) return status;
    io->link = find_link(config, &io->service->instance);
    sp_strategy_metrics_register(&io->metrics, io->service->metrics, io->strategy, &io->link->id);
    return SP_OK;
}

static void on_request(void *ctx, const struct sp_peer *peer, const struct sp_record *request)
{
    const struct sp_service *service = ctx;
    struct io *io = service->state;

    SP_IGNORE(!sp_turns_take(io->turns, peer, request)); /* nothing else is asked of us */
}

static sp_status init(struct sp_service *service, struct sp_err *err)
{
    struct io *io = calloc(1, sizeof *io);
    sp_dur every = {UPDATE_NS};

    if (io == NULL) return SP_FAIL(err, SP_NO_MEMORY, "strategy");
    service->state = io;
    io->service = service;
    sp_status status = open_core(io, err);
    if (status != SP_OK) return status;
    struct sp_shell_options shell = {.service = service,
                                     .core = &sp_strategy_core,
                                     .core_state = io->strategy,
                                     .applied = applied,
                                     .ctx = io,
                                     .snapshot_every = service->config->platform.snapshot_every};
    status = sp_shell_open(&shell, &io->shell, err);
    if (status == SP_OK) status = sp_shell_restore(io->shell, err);
    struct sp_turns_options turns = {.service = service, .shell = io->shell};
    if (status == SP_OK) status = sp_turns_open(&turns, &io->turns, err);
    for (uint32_t i = 0; i < FACTS_COUNT && status == SP_OK; i++)
        status = subscribe_facts(io, i, err);
    if (status != SP_OK) return status;
    status = sp_loop_add_timer(service->loop, every, every, update, io, NULL);
    return status == SP_OK ? SP_OK : SP_FAIL(err, status, "event loop: no room for a timer");
}

static void fini(struct sp_service *service)
{
    struct io *io = service->state;

    sp_turns_close(io->turns);
    sp_shell_close(io->shell);
    sp_strategy_close(io->strategy);
    free(io);
    service->state = NULL;
}

/* ---- Rerun ---- */

static sp_status rerun_open(const struct sp_config *config, const sp_name *instance, void **state,
                            struct sp_err *err)
{
    struct sp_strategy *strategy = NULL;

    sp_status status = make_core(config, instance, &strategy, err);
    if (status == SP_OK) *state = strategy;
    return status;
}

static void rerun_close(void *state)
{
    sp_strategy_close(state);
}

static void rerun_note(void *state, const struct sp_event *event)
{
    SP_ASSERT(event->id == NOTE_FOLD);
    sp_strategy_fold(state, event->record);
}

static const struct sp_rerun_core rerun = {
    .core = &sp_strategy_core, .open = rerun_open, .close = rerun_close, .note = rerun_note};

const struct sp_service_spec sp_strategy_spec = {
    .program = "spoor-strategy",
    .about = "one strategy: market data in, explained trade plans out",
    .journal = true,
    .rerun = &rerun,
    .init = init,
    .is_ready = is_ready,
    .fini = fini,
    .on_request = on_request,
    .fill_status = fill_status,
};
