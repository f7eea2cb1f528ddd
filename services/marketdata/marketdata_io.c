#include "services/marketdata/marketdata_io.h"

#include "common/market/generator.h"
#include "common/market/recording.h"
#include "common/persist/persistor_factory.h"
#include "common/rerun.h"
#include "common/venue/binance_stream.h"
#include "proto/decimal.h"
#include "services/marketdata/play.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define WATCH_NS           (25 * SP_NS_PER_MS)
#define WEIGHT_PERCENT     20 /* of an address's requests; execution has 60, reconciliation 20 */
#define CONNECTION_LIFE_NS (INT64_C(23) * 3600 * SP_NS_PER_S)
#define READY_AT_ONCE      (3 * SP_NS_PER_S) /* ready without a book after this long */
#define SOURCE_PATH_MAX    100

struct io {
    struct sp_service *service;
    struct sp_shell *shell;
    struct sp_binance_stream *stream; /* NULL: the source is not live */
    struct sp_binance_stream_stats stats;
    struct sp_md_play play;
    struct sp_timer *rest; /* until the next turn of play */
    sp_mono started;
    uint64_t failures_told, dropped_told;
    struct {
        struct sp_metric *ticks, *messages, *errors, *gaps, *lag, *silent, *outage, *paused,
            *connections, *ups, *books, *waiting, *drops, *rows, *files, *rows_lost, *record_queue,
            *record_stall;
    } metrics;
    struct sp_record answer;
    struct sp_marketdata core;
};

/* ---- The source ---- */

static struct sp_instrument instrument_of(const struct sp_instrument_config *config)
{
    return (struct sp_instrument){.symbol = config->symbol,
                                  .base = config->base,
                                  .quote = config->quote,
                                  .tick = config->tick,
                                  .step = config->step,
                                  .min_qty = config->min_qty,
                                  .max_qty = {9000 * SP_FX_ONE},
                                  .min_value = config->min_value};
}

static sp_status open_generator(struct sp_source *source, const struct sp_world_config *world,
                                struct sp_md_options *options, struct sp_err *err)
{
    const struct sp_feed_config *feed = &world->feed;
    struct sp_generator_config config = {.seed = feed->seed,
                                         .start = feed->start,
                                         .length = feed->length};

    if (feed->symbol_count > SP_GENERATOR_SYMBOLS_MAX) {
        return SP_FAIL(err, SP_CONFIG, "worlds.%s.feed.symbols: the generator makes at most %d",
                       world->id.s, SP_GENERATOR_SYMBOLS_MAX);
    }
    for (uint32_t i = 0; i < feed->symbol_count; i++) {
        struct sp_generator_symbol *symbol = &config.symbols[config.symbol_count++];
        sp_status status = sp_generator_known(feed->symbols[i].s, symbol, err);
        if (status != SP_OK)
            return SP_FAIL(err, SP_CONFIG, "the generator does not know %s", feed->symbols[i].s);
        const struct sp_instrument_config *rules = sp_world_instrument(world, feed->symbols[i].s);
        if (rules != NULL) symbol->instrument = instrument_of(rules);
    }
    options->feed = sp_name_of("generator");
    options->outlives = true;
    sp_text_printf(&options->source,
                   "generator: seed %" PRIu64 ", start %" PRId64 ", %u symbols, %" PRId64 " s",
                   feed->seed, feed->start.ns / SP_NS_PER_S, feed->symbol_count,
                   feed->length.ns / SP_NS_PER_S);
    return sp_generator_open(&config, source, err);
}

static sp_status open_recording(struct sp_source *source, const struct sp_world_config *world,
                                struct sp_md_options *options, struct sp_err *err)
{
    const struct sp_feed_config *feed = &world->feed;
    const struct sp_instrument_config *rules = sp_world_instrument(world, feed->symbols[0].s);
    struct stat info = {0};

    if (feed->symbol_count != 1 || rules == NULL) {
        return SP_FAIL(err, SP_CONFIG, "worlds.%s.feed.symbols: a recording is of one instrument",
                       world->id.s);
    }
    struct sp_instrument instrument = instrument_of(rules);
    sp_status status = sp_recording_open(feed->file, &instrument, source, err);
    if (status == SP_NOT_FOUND) return SP_FAIL(err, SP_CONFIG, "no such file: %.150s", feed->file);
    if (status != SP_OK) return status;
    SP_IGNORE(stat(feed->file, &info)); /* it was opened; a size of 0 tells less, no more */
    size_t len = strlen(feed->file);
    const char *shown = len > SOURCE_PATH_MAX ? feed->file + len - SOURCE_PATH_MAX : feed->file;
    options->feed = sp_name_of("recording");
    sp_text_printf(&options->source, "recording: %s, %lld bytes", shown, (long long)info.st_size);
    return SP_OK;
}

/* What it is called; it is opened when all else stands. */
static void describe_binance(const struct sp_world_config *world, struct sp_md_options *options)
{
    options->feed = sp_name_of("binance");
    options->outlives = true;
    sp_text_printf(&options->source, "binance: %.90s, %u symbols", world->feed.stream,
                   world->feed.symbol_count);
}

static sp_status open_core(const struct sp_config *config, struct sp_source *source,
                           struct sp_marketdata *core, struct sp_err *err)
{
    const struct sp_world_config *world = sp_config_world(config);
    struct sp_md_options options = {.speed = world->feed.speed, .silence = world->feed.silence};
    sp_status status = SP_OK;

    _Static_assert((int)SP_SYMBOLS_MAX == (int)SP_MD_SYMBOLS_MAX, "as many as are configured");
    options.symbol_count = world->feed.symbol_count;
    for (uint32_t i = 0; i < options.symbol_count; i++) {
        options.symbols[i] = world->feed.symbols[i];
        options.streams[i] = sp_world_stream(world, options.symbols[i].s);
    }
    if (world->feed.source == SP_FEED_RECORDING) {
        status = open_recording(source, world, &options, err);
    } else if (world->feed.source == SP_FEED_BINANCE) {
        describe_binance(world, &options);
    } else {
        status = open_generator(source, world, &options, err);
    }
    if (status != SP_OK) return status;
    return sp_marketdata_init(core, &options, err);
}

static void on_live_data(void *ctx)
{
    struct io *io = ctx;

    SP_IGNORE(!sp_md_play_turn(&io->play)); /* a live source has no more than it gives at once */
}

static bool is_book_right(void *ctx, uint32_t symbol)
{
    const struct io *io = ctx;

    return sp_book_sync_is_right(&io->core.lanes[symbol].sync);
}

static sp_status open_binance(struct io *io, struct sp_err *err)
{
    const struct sp_world_config *world = sp_config_world(io->service->config);
    struct sp_instrument instruments[SP_MD_SYMBOLS_MAX];
    struct sp_binance_stream_options options = {
        .rest = world->feed.rest,
        .stream = world->feed.stream,
        .ca_file = io->service->config->platform.tls_ca_file,
        .instrument_count = world->feed.symbol_count,
        .instruments = instruments,
        .weight_percent = WEIGHT_PERCENT,
        .life = {CONNECTION_LIFE_NS},
        .seed = (uint64_t)sp_clock_wall().ns ^ io->service->role.epoch,
        .ctx = io,
        .on_data = on_live_data,
        .is_book_right = is_book_right};

    for (uint32_t i = 0; i < world->feed.symbol_count; i++) {
        const struct sp_instrument_config *rules =
            sp_world_instrument(world, world->feed.symbols[i].s);
        SP_ASSERT(rules != NULL); /* checked with the configuration */
        instruments[i] = instrument_of(rules);
    }
    return sp_binance_stream_open(io->service->loop, &options, &io->stream, &io->play.source, err);
}

static sp_status open_recorder(struct io *io, struct sp_err *err)
{
    const struct sp_config *config = io->service->config;
    const struct sp_world_config *world = sp_config_world(config);
    struct sp_recorder_options options = {.data_dir = config->platform.data_dir,
                                          .world = world->venue};

    if (!world->feed.record) return SP_OK;
    struct sp_data_persistor *data = NULL;
    sp_status status = sp_persistor_data(&config->platform.persistence, &options, &data, err);
    if (status != SP_OK) return status;
    status = sp_record_thread_open(data, &io->play.recording, err);
    if (status != SP_OK) SP_IGNORE(sp_data_persistor_close(data, NULL)); /* it is empty */
    return status;
}

/* ---- Metrics ---- */

static struct sp_metric *kind_counter(struct io *io, uint32_t symbol, const char *kind)
{
    char labels[SP_METRIC_LABELS_SIZE];

    snprintf(labels, sizeof labels, "symbol=\"%s\",kind=\"%s\"", io->core.options.symbols[symbol].s,
             kind);
    return sp_metrics_counter(io->service->metrics, "spoor_feed_messages", labels,
                              "market records published");
}

static void register_metrics(struct io *io)
{
    struct sp_metrics *m = io->service->metrics;

    for (uint32_t i = 0; i < io->core.options.symbol_count; i++) {
        struct sp_md_out *out = &io->play.outs[i];
        out->trades = kind_counter(io, i, "TRADE");
        out->quotes = kind_counter(io, i, "QUOTE");
        out->deltas = kind_counter(io, i, "BOOK_DELTA");
        out->snapshots = kind_counter(io, i, "BOOK_SNAPSHOT");
        out->bars = kind_counter(io, i, "BAR");
    }
    io->metrics.ticks =
        sp_metrics_gauge(m, "spoor_ticks_published_total", "", "source messages published");
    io->metrics.messages = sp_metrics_gauge(m, "spoor_feed_read", "", "source messages read");
    io->metrics.errors = sp_metrics_gauge(m, "spoor_feed_errors", "", "unusable pieces of input");
    io->metrics.gaps = sp_metrics_gauge(m, "spoor_feed_gaps", "", "holes in trades or books");
    io->metrics.lag = sp_metrics_gauge(m, "spoor_feed_lag_ns", "",
                                       "how far the stream is behind the market clock");
    io->metrics.silent = sp_metrics_gauge(m, "spoor_feed_silence_ns", "",
                                          "time without a message while some are expected");
    io->metrics.outage = sp_metrics_gauge(m, "spoor_feed_outage", "", "1 while CONNECTION_LOST");
    io->metrics.paused = sp_metrics_gauge(m, "spoor_feed_paused", "", "1 during a drill");
    io->metrics.waiting =
        sp_metrics_gauge(m, "spoor_feed_waiting", "", "1 while paced by a consumer");
    io->metrics.drops =
        sp_metrics_gauge(m, "spoor_publish_drops", "", "records that met a full queue");
    if (io->play.live) {
        io->metrics.connections = sp_metrics_gauge(m, "spoor_feed_connections", "",
                                                   "connections to the venue that data come from");
        io->metrics.ups =
            sp_metrics_gauge(m, "spoor_feed_connected_total", "", "connections that came up");
        io->metrics.books =
            sp_metrics_gauge(m, "spoor_feed_books_taken_total", "", "snapshots of books taken");
    }
    if (io->play.recording == NULL) return;
    io->metrics.rows = sp_metrics_gauge(m, "spoor_recorder_rows", "", "rows given to files");
    io->metrics.files = sp_metrics_gauge(m, "spoor_recorder_files", "", "files completed");
    io->metrics.rows_lost =
        sp_metrics_gauge(m, "spoor_recorder_rows_lost", "", "rows not recorded");
    io->metrics.record_queue =
        sp_metrics_gauge(m, "spoor_recorder_queue_bytes", "", "waiting to be recorded");
    io->metrics.record_stall = sp_metrics_gauge(m, "spoor_recorder_append_max_ns", "",
                                                "longest completion of a file, on its own thread");
}

static void tell_recording(struct io *io)
{
    struct sp_record_thread_stats stats;
    struct sp_record message = {.kind = SP_REC_NONE};

    if (io->play.recording == NULL) return;
    stats = sp_record_thread_stats(io->play.recording);
    sp_metric_set(io->metrics.rows, (int64_t)stats.recorder.rows);
    sp_metric_set(io->metrics.files, (int64_t)stats.recorder.files);
    sp_metric_set(io->metrics.rows_lost, (int64_t)(stats.recorder.rows_lost + stats.dropped));
    sp_metric_set(io->metrics.record_queue, (int64_t)stats.queued_bytes);
    sp_metric_set(io->metrics.record_stall, stats.append_ns_max);
    if (stats.failures == io->failures_told && stats.dropped == io->dropped_told) return;
    if (stats.failures != io->failures_told) {
        sp_log_err(SP_LOG_ERROR, "recording_failed", &stats.last);
        sp_text_printf(&message.body.feed.reason, "recording: %.120s", stats.last.text);
    } else {
        sp_log(SP_LOG_WARN, "recording_behind", "dropped=%" PRIu64, stats.dropped);
        sp_text_printf(&message.body.feed.reason, "recording is behind: %" PRIu64 " records lost",
                       stats.dropped - io->dropped_told);
    }
    io->failures_told = stats.failures;
    io->dropped_told = stats.dropped;
    sp_md_play_tell(&io->play, SP_MD_ERROR, &message);
}

static void update_metrics(struct io *io)
{
    const struct sp_marketdata *core = &io->core;

    sp_metric_set(io->metrics.ticks, (int64_t)io->play.published);
    sp_metric_set(io->metrics.messages, (int64_t)core->messages);
    sp_metric_set(io->metrics.errors, (int64_t)core->error_count);
    sp_metric_set(io->metrics.gaps, (int64_t)core->gap_count);
    sp_metric_set(io->metrics.lag, sp_md_play_lag(&io->play).ns);
    sp_metric_set(io->metrics.silent, core->silent.ns);
    sp_metric_set(io->metrics.outage, core->outage_open);
    sp_metric_set(io->metrics.paused, core->run.paused);
    sp_metric_set(io->metrics.waiting, io->play.waiting);
    if (io->stream != NULL) {
        struct sp_binance_stream_stats stats = sp_binance_stream_stats(io->stream);
        sp_metric_set(io->metrics.connections, stats.connections);
        sp_metric_set(io->metrics.ups, (int64_t)stats.ups);
        sp_metric_set(io->metrics.books, (int64_t)stats.snapshots);
    }
    sp_metric_set(io->metrics.drops, (int64_t)sp_bus_stats(io->service->bus).publish_drops);
}

/* ---- The control socket ---- */

static void on_request(void *ctx, const struct sp_peer *peer, const struct sp_record *request)
{
    struct sp_service *service = ctx;
    struct io *io = service->state;
    const struct sp_query *query = &request->body.query;
    struct sp_record message = {.kind = SP_REC_NONE};

    if (request->kind != SP_REC_QUERY) return;
    memset(&io->answer, 0, sizeof io->answer);
    io->answer.kind = SP_REC_COMMAND_REPLY;
    io->answer.time = sp_clock_wall();
    io->answer.body.command_reply.request_id = query->request_id;
    io->answer.body.command_reply.ok = true;
    sp_text_printf(&message.body.feed.reason, "asked by %s",
                   query->asker.s[0] != '\0' ? query->asker.s : "the control socket");
    if (sp_name_is(&query->what, "pause_feed")) {
        sp_md_play_tell(&io->play, SP_MD_PAUSE, &message);
        sp_text_printf(&io->answer.body.command_reply.text, "the feed is paused");
    } else if (sp_name_is(&query->what, "resume_feed")) {
        bool was_paused = io->core.run.paused;
        sp_md_play_tell(&io->play, SP_MD_RESUME, &message);
        if (was_paused) sp_md_play_resumed(&io->play);
        sp_text_printf(&io->answer.body.command_reply.text, "the feed goes on");
    } else {
        io->answer.body.command_reply.ok = false;
        io->answer.body.command_reply.status = sp_name_of("UNKNOWN_KIND");
        sp_text_printf(&io->answer.body.command_reply.text, "no such question: %s", query->what.s);
    }
    SP_IGNORE(sp_bus_reply(service->bus, peer, &io->answer)); /* the asker has gone */
}

static const char *doing(struct io *io)
{
    if (io->stream != NULL) {
        io->stats = sp_binance_stream_stats(io->stream);
        if (io->stats.state[0] != '\0') return io->stats.state;
    }
    if (io->core.outage_open) return "CONNECTION_LOST: the feed is silent";
    if (io->core.run.paused) return "the feed is paused";
    if (io->play.mode == SP_MD_RUN_UP) return "running up to where the market is";
    if (io->play.conductor != NULL && sp_conductor_is_busy(io->play.conductor))
        return "in lock-step: waiting for a service to end its turn";
    if (io->play.mode == SP_MD_PLAYED) return "the feed has ended";
    return io->play.waiting ? "waiting for a consumer" : "";
}

static void add_value(struct sp_service_status *status, const char *name, int64_t e8)
{
    struct sp_fact *fact = &status->values.at[status->values.count++];
    char buf[SP_E8_TEXT_SIZE];

    fact->name = sp_name_of(name);
    SP_IGNORE(!sp_name_set(&fact->value, sp_e8_format(e8, buf)));
}

static void fill_status(struct sp_service *service, struct sp_service_status *status)
{
    struct io *io = service->state;

    status->market_time = io->play.market;
    sp_text_printf(&status->reason, "%s", doing(io));
    if (io->core.run.paused) sp_text_printf(&status->next_step, "ask for resume_feed");
    add_value(status, "speed", io->core.options.speed.e8);
    add_value(status, "messages", (int64_t)io->play.published * SP_FX_ONE);
    add_value(status, "errors", (int64_t)io->core.error_count * SP_FX_ONE);
    add_value(status, "gaps", (int64_t)io->core.gap_count * SP_FX_ONE);
    add_value(status, "silent_seconds", io->core.silent.ns / 10);
}

/* ---- Life ---- */

static bool on_idle(void *ctx)
{
    struct io *io = ctx;
    bool more = sp_md_play_turn(&io->play);

    if (!more) sp_timer_arm(io->rest, sp_md_play_rest(&io->play));
    return more;
}

/* Only wakes the loop, which then has its idle turn. */
static void on_rested(void *ctx)
{
    (void)ctx;
}

static void on_watch(void *ctx)
{
    struct io *io = ctx;

    sp_shell_event(io->shell, SP_EVENT_TIMER, 0, NULL);
    sp_md_play_note(&io->play);
    sp_bus_set_market_time(io->service->bus, io->play.market);
    tell_recording(io);
    update_metrics(io);
}

static sp_status add_timers(struct io *io, struct sp_err *err)
{
    struct sp_loop *loop = io->service->loop;
    sp_dur none = {0}, watch = {WATCH_NS};

    sp_loop_set_idle(loop, on_idle, io);
    sp_status status = sp_loop_add_timer(loop, watch, watch, on_watch, io, NULL);
    if (status == SP_OK) status = sp_loop_add_timer(loop, none, none, on_rested, io, &io->rest);
    return status == SP_OK ? SP_OK : SP_FAIL(err, status, "event loop: no room for timers");
}

static sp_status init(struct sp_service *service, struct sp_err *err)
{
    struct io *io = calloc(1, sizeof *io);

    if (io == NULL) return SP_FAIL(err, SP_NO_MEMORY, "marketdata");
    service->state = io;
    io->service = service;
    io->started = sp_clock_mono();
    io->play.service = service;
    io->play.core = &io->core;
    enum sp_feed_source source = sp_config_world(service->config)->feed.source;
    io->play.can_seek = source == SP_FEED_GENERATOR;
    io->play.live = source == SP_FEED_BINANCE;
    sp_status status = open_core(service->config, &io->play.source, &io->core, err);
    struct sp_shell_options shell = {.service = service,
                                     .core = &sp_marketdata_core,
                                     .core_state = &io->core,
                                     .ctx = io,
                                     .snapshot_every = service->config->platform.snapshot_every};
    if (status == SP_OK) status = sp_shell_open(&shell, &io->shell, err);
    if (status == SP_OK) status = sp_shell_restore(io->shell, err);
    io->play.shell = io->shell;
    if (status == SP_OK) status = open_recorder(io, err);
    if (status == SP_OK && sp_config_world(service->config)->feed.lock_step)
        status = sp_conductor_open(service, &io->play.conductor, err);
    if (status != SP_OK) return status;
    register_metrics(io);
    sp_service_set_phase(service, SP_PHASE_REPLAY);
    status = sp_md_play_add_streams(&io->play, err);
    if (status == SP_OK && io->play.live) {
        status = open_binance(io, err);
        if (status == SP_OK) sp_md_play_start_live(&io->play);
    } else if (status == SP_OK) {
        status = sp_md_play_start(&io->play, err);
    }
    if (status == SP_OK) status = add_timers(io, err);
    return status;
}

static bool is_ready(struct sp_service *service)
{
    const struct io *io = service->state;

    if (io->play.mode == SP_MD_RUN_UP) return io->core.run.paused;
    if (io->play.mode == SP_MD_PLAYED || io->play.waiting) return true;
    if (sp_mono_since(sp_clock_mono(), io->started).ns > READY_AT_ONCE) return true;
    for (uint32_t i = 0; i < io->core.options.symbol_count; i++) {
        if (!sp_book_sync_is_right(&io->core.lanes[i].sync)) return false;
    }
    return true;
}

static bool stop(struct sp_service *service, bool whole_operation)
{
    struct io *io = service->state;
    struct sp_record none = {.kind = SP_REC_NONE};

    /* A recording that is stopped with its operation begins anew next time, and so does what has
     * ended. Otherwise the market goes on without us. */
    if (whole_operation || io->core.run.state == SP_MD_OVER) {
        sp_md_play_tell(&io->play, SP_MD_STOP, &none);
    }
    sp_loop_set_idle(service->loop, NULL, NULL);
    return true;
}

static void fini(struct sp_service *service)
{
    struct io *io = service->state;
    struct sp_err err = {0};

    sp_conductor_close(io->play.conductor);
    sp_shell_close(io->shell);
    if (sp_record_thread_close(io->play.recording, &err) != SP_OK) {
        sp_log_err(SP_LOG_ERROR, "recording_not_completed", &err);
    }
    sp_source_close(&io->play.source);
    sp_marketdata_fini(&io->core);
    free(io);
    service->state = NULL;
}

/* ---- Rerun ---- */

static void rerun_close(void *state)
{
    sp_marketdata_fini(state);
    free(state);
}

/* The source is opened for what it is called, and read no further. */
static sp_status rerun_open(const struct sp_config *config, const sp_name *instance, void **state,
                            struct sp_err *err)
{
    struct sp_marketdata *core = calloc(1, sizeof *core);
    struct sp_source source = {0};

    (void)instance;
    if (core == NULL) return SP_FAIL(err, SP_NO_MEMORY, "marketdata");
    sp_status status = open_core(config, &source, core, err);
    sp_source_close(&source);
    if (status == SP_OK) {
        *state = core;
    } else {
        free(core);
    }
    return status;
}

static void rerun_note(void *state, const struct sp_event *event)
{
    sp_marketdata_note(state, event);
}

static const struct sp_rerun_core rerun = {
    .core = &sp_marketdata_core, .open = rerun_open, .close = rerun_close, .note = rerun_note};

const struct sp_service_spec sp_marketdata_spec = {
    .program = "spoor-marketdata",
    .about = "feeds, recordings or the generator as one ordered stream per instrument",
    .instance = "marketdata",
    .journal = true,
    .rerun = &rerun,
    .init = init,
    .is_ready = is_ready,
    .stop = stop,
    .fini = fini,
    .on_request = on_request,
    .fill_status = fill_status,
};
