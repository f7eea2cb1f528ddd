#include "services/marketdata/play.h"

#include "services/marketdata/event_check.h"

#include <string.h>

#define EVENTS_PER_TURN   256
#define EVENTS_PER_RUN_UP 4096
#define SEEK_STEP_NS      (3600 * SP_NS_PER_S) /* of the market: about 30 ms */
#define SEEK_WORTH_NS     (600 * SP_NS_PER_S)
#define MINUTE_NS         (60 * SP_NS_PER_S)
#define NOTE_EVERY_NS     SP_NS_PER_S
#define REST_NS_MAX       (25 * SP_NS_PER_MS)
#define REST_NS_MIN       SP_NS_PER_MS /* what is due within it goes out in one frame */
#define EARLY_EVENTS_MAX  100000
#define RECORDS_PER_EVENT (1 + SP_MD_INTERVALS)
#define ERRORS_LOGGED     10

static bool is_paced(const struct sp_md_play *play)
{
    return play->core->options.speed.e8 == 0;
}

static struct sp_record *message(struct sp_md_play *play)
{
    memset(&play->message, 0, sizeof play->message);
    return &play->message;
}

/* The counter of messages changes too often to be noted each time: only facts show it. */
static void note_messages(struct sp_md_play *play)
{
    struct sp_record record = {.kind = SP_REC_FEED_POSITION};
    struct sp_event note = {.id = SP_MD_NOTE_MESSAGES, .record = &record};

    if (play->messages_noted == play->core->messages) return;
    play->messages_noted = play->core->messages;
    record.body.feed.messages = play->core->messages;
    sp_shell_note(play->shell, &note);
}

void sp_md_play_tell(struct sp_md_play *play, enum sp_md_input input, struct sp_record *told)
{
    told->kind = input == SP_MD_GAP ? SP_REC_DATA_GAP : SP_REC_FEED_POSITION;
    note_messages(play);
    sp_shell_event(play->shell, SP_EVENT_MESSAGE, (uint32_t)input, told);
}

static void tell(struct sp_md_play *play, enum sp_md_input input)
{
    sp_shell_set_market(play->shell, play->market);
    sp_md_play_tell(play, input, &play->message);
}

static void expect(struct sp_md_play *play, bool expecting)
{
    struct sp_event note = {.id = expecting ? SP_MD_NOTE_EXPECT : SP_MD_NOTE_EXPECT_NONE};

    if (play->core->expecting == expecting) return;
    sp_shell_note(play->shell, &note);
    sp_marketdata_expect(play->core, expecting);
}

static bool flowed(struct sp_md_play *play)
{
    struct sp_event note = {.id = SP_MD_NOTE_FLOWED};

    if (play->core->silent.ns != 0) sp_shell_note(play->shell, &note);
    return sp_marketdata_flowed(play->core);
}

/* ---- Publishing ---- */

static void publish(struct sp_md_play *play, uint32_t symbol, enum sp_kind kind, sp_wall time)
{
    struct sp_md_out *out = &play->outs[symbol];
    struct sp_record *record = &play->record;
    struct sp_err err = {0};

    record->stream = out->stream;
    record->kind = kind;
    record->time = time;
    sp_status status = sp_bus_publish(play->service->bus, record, &err);
    if (status != SP_OK) {
        /* Not a value we could have made: the source's, beyond what a frame carries. */
        sp_log_err(SP_LOG_WARN, "record_not_published", &err);
        return;
    }
    out->last_seq = record->seq;
    if (play->conductor != NULL) {
        struct sp_ref last = sp_record_ref(record);
        sp_conductor_mark(play->conductor, &last);
    }
    if (out->room > 0) out->room--;
    if (play->recording != NULL) sp_record_thread_put(play->recording, record);
}

/* When what is published now has come in: in lock-step all clocks are the market's. */
static sp_mono receive_time(const struct sp_md_play *play, sp_wall time)
{
    return play->conductor != NULL ? (sp_mono){time.ns} : sp_clock_mono();
}

static void publish_bars(struct sp_md_play *play, sp_mono now)
{
    for (uint32_t i = 0; i < play->step.bar_count; i++) {
        struct sp_md_bar *closed = &play->step.bars[i];
        closed->bar.received = now;
        play->record.body.bar = closed->bar;
        publish(play, closed->symbol, SP_REC_BAR,
                (sp_wall){closed->bar.opened.ns + closed->bar.interval.ns});
        sp_metric_add(play->outs[closed->symbol].bars, 1);
    }
}

static void publish_event(struct sp_md_play *play)
{
    const struct sp_market_event *event = &play->pending;
    struct sp_md_out *out = &play->outs[event->symbol];
    union sp_body *body = &play->record.body;
    sp_mono now = receive_time(play, event->time);

    publish_bars(play, now);
    if (event->kind == SP_REC_TRADE) {
        body->trade = event->body.trade;
        body->trade.received = now;
        sp_metric_add(out->trades, 1);
    } else if (event->kind == SP_REC_QUOTE) {
        body->quote = event->body.quote;
        body->quote.received = now;
        sp_metric_add(out->quotes, 1);
    } else if (event->kind == SP_REC_BOOK_DELTA) {
        body->book_delta = event->body.book_delta;
        body->book_delta.received = now;
        sp_metric_add(out->deltas, 1);
    } else {
        body->book_snapshot = event->body.book_snapshot;
        body->book_snapshot.received = now;
        sp_metric_add(out->snapshots, 1);
    }
    publish(play, event->symbol, event->kind, event->time);
    play->published++;
    play->unnoted++;
}

/* The first record of this epoch in each stream. */
static void open_streams(struct sp_md_play *play, sp_wall time)
{
    sp_name boot_id = sp_clock_boot_id();

    play->opened = true;
    for (uint32_t i = 0; i < play->core->options.symbol_count; i++) {
        play->record.body.stream_started =
            (struct sp_stream_started){.first_seq = 1,
                                       .boot_id = boot_id,
                                       .build = sp_name_of(SPOOR_BUILD)};
        publish(play, i, SP_REC_STREAM_STARTED, time);
    }
}

static void publish_books(struct sp_md_play *play, sp_wall time)
{
    struct sp_book_snapshot *part = &play->record.body.book_snapshot;

    for (uint32_t i = 0; i < play->core->options.symbol_count; i++) {
        for (uint32_t n = 0; sp_marketdata_snapshot(play->core, i, n, part); n++) {
            part->received = receive_time(play, time);
            publish(play, i, SP_REC_BOOK_SNAPSHOT, time);
            sp_metric_add(play->outs[i].snapshots, 1);
        }
    }
}

/* For late joiners. The book is never between two parts here: turns end with whole events. */
static uint32_t give_snapshot(void *ctx, const sp_name *stream, struct sp_record *out, uint32_t max)
{
    struct sp_md_play *play = ctx;
    uint32_t symbol = 0, count = 0;

    while (symbol < play->core->options.symbol_count &&
           !sp_name_eq(&play->outs[symbol].stream, stream)) {
        symbol++;
    }
    SP_ASSERT(symbol < play->core->options.symbol_count);
    /* While running up the book is not the market's yet; it is published when it is. */
    if (play->mode == SP_MD_RUN_UP) return 0;
    for (; count < max; count++) {
        struct sp_book_snapshot *part = &out[count].body.book_snapshot;
        memset(&out[count], 0, sizeof out[count]);
        if (!sp_marketdata_snapshot(play->core, symbol, count, part)) break;
        out[count].kind = SP_REC_BOOK_SNAPSHOT;
        out[count].time = play->last;
        part->received = receive_time(play, play->last);
    }
    /* A book deeper than that ends early rather than never. */
    if (count == max && max > 0) out[count - 1].body.book_snapshot.more = false;
    return count;
}

sp_status sp_md_play_add_streams(struct sp_md_play *play, struct sp_err *err)
{
    const struct sp_config *config = play->service->config;
    const struct sp_world_config *world = sp_config_world(config);
    sp_status status = SP_OK;

    for (uint32_t i = 0; i < world->feed.symbol_count && status == SP_OK; i++) {
        struct sp_md_out *out = &play->outs[i];
        out->stream = sp_world_stream(world, world->feed.symbols[i].s);
        out->consumers[out->consumer_count++] = sp_name_of("venue");
        out->consumers[out->consumer_count++] = sp_name_of("execution");
        for (uint32_t n = 0; n < config->link_count; n++) {
            const struct sp_link_config *link = &config->links[n];
            if (!link->active || sp_config_world_of(config, link) != world) continue;
            if (!sp_name_eq(&link->blueprint.symbol, &world->feed.symbols[i])) continue;
            sp_text name;
            sp_text_printf(&name, "strategy.%s", link->id.s);
            SP_IGNORE(!sp_name_set(&out->consumers[out->consumer_count++], name.s));
        }
        status =
            sp_bus_add_ring(play->service->bus, &out->stream, SP_MD_RING, give_snapshot, play, err);
    }
    return status;
}

/* ---- Reading ---- */

static void end_source(struct sp_md_play *play, const char *reason)
{
    play->mode = SP_MD_PLAYED;
    if (play->core->run.state == SP_MD_OVER) return;
    sp_text_printf(&message(play)->body.feed.reason, "%s", reason);
    tell(play, SP_MD_ENDED);
    sp_log(SP_LOG_INFO, "feed_ended", "reason=\"%s\" messages=%" PRIu64, reason,
           play->core->messages);
}

/* The next event into `pending`; one that no market sends becomes a FEED_ERROR. */
static sp_status next_event(struct sp_md_play *play, struct sp_err *err)
{
    struct sp_market_event *event = &play->pending;
    sp_text why = {{0}};

    sp_status status = sp_source_next(&play->source, event, err);
    bool is_market = event->kind != SP_REC_FEED_ERROR && event->kind != SP_REC_DATA_GAP;
    if (status != SP_OK || !is_market) return status;
    if (sp_md_is_possible(event, play->last, &why)) return SP_OK;
    event->kind = SP_REC_FEED_ERROR;
    event->body.feed =
        (struct sp_feed){.symbol = play->core->options.symbols[event->symbol], .reason = why};
    return SP_OK;
}

/* One event into `pending`. False: there is none now, or (after an error in the input) not yet. */
static bool read_one(struct sp_md_play *play)
{
    struct sp_err err = {0};

    sp_status status = next_event(play, &err);
    play->dry = status == SP_AGAIN;
    if (play->dry) return false;
    if (status == SP_CLOSED) {
        end_source(play, "the source has no more");
        return false;
    }
    if (status != SP_OK) {
        sp_log_err(SP_LOG_ERROR, "source_failed", &err);
        sp_text_printf(&message(play)->body.feed.reason, "%s", err.text);
        tell(play, SP_MD_ERROR);
        end_source(play, err.text);
        return false;
    }
    if (play->pending.kind == SP_REC_FEED_ERROR) {
        if (play->mode == SP_MD_RUN_UP) return false; /* told when it was first read */
        play->core->error_count++;
        message(play)->body.feed = play->pending.body.feed;
        if (play->core->error_count <= ERRORS_LOGGED)
            sp_log(SP_LOG_WARN, "feed_error", "reason=\"%s\" next=\"%s\"",
                   play->pending.body.feed.reason.s,
                   play->core->error_count < ERRORS_LOGGED ? "passed over"
                                                           : "more of them: see the journal");
        tell(play, SP_MD_ERROR);
        return false;
    }
    play->has_pending = true;
    return true;
}

/* Makes the pending event part of books and bars, and publishes it unless it is only caught up
 * with. */
static void take_pending(struct sp_md_play *play, bool silently)
{
    sp_marketdata_step(play->core, &play->pending, &play->step);
    play->whole_turn = play->step.in_parts;
    play->last = play->pending.time;
    play->has_pending = false;
    if (silently) return;
    if (!play->opened) open_streams(play, play->last);
    if (play->pending.kind != SP_REC_DATA_GAP) publish_event(play);
    if (!play->step.has_gap) return;
    message(play)->body.data_gap = play->step.gap;
    sp_log(SP_LOG_WARN, "data_gap", "symbol=%s reason=\"%s\"", play->step.gap.symbol.s,
           play->step.gap.reason.s);
    tell(play, SP_MD_GAP);
}

/* ---- The clock ---- */

static sp_wall clock_now(const struct sp_md_play *play, sp_mono now)
{
    sp_dur gone = sp_md_scale(sp_mono_since(now, play->clock_mono), play->core->options.speed);

    return (sp_wall){play->clock_market.ns + gone.ns};
}

sp_dur sp_md_play_lag(const struct sp_md_play *play)
{
    if (is_paced(play) || play->mode != SP_MD_LIVE || !play->has_pending) return (sp_dur){0};
    if (play->pending.time.ns >= play->market.ns) return (sp_dur){0};
    return sp_wall_since(play->market, play->pending.time);
}

/* ---- Running up ---- */

static void end_run_up(struct sp_md_play *play)
{
    sp_wall time = play->has_pending ? play->pending.time : play->last;

    if (time.ns == 0) time = play->core->plan.market;
    if (play->mode == SP_MD_RUN_UP) play->mode = SP_MD_LIVE;
    if (is_paced(play) || play->mode == SP_MD_PLAYED) play->market = time;
    if (!play->opened) open_streams(play, time);
    publish_books(play, time);
    sp_log(SP_LOG_INFO, "run_up_done", "market_ns=%" PRId64 " messages=%" PRIu64, time.ns,
           play->core->messages);
}

/* The generator gets there faster than by reading. True if it was moved. */
static bool seek_ahead(struct sp_md_play *play, sp_wall target)
{
    struct sp_err err = {0};
    int64_t goal = (target.ns - MINUTE_NS) / MINUTE_NS * MINUTE_NS;
    int64_t from = play->sought.ns > play->last.ns ? play->sought.ns : play->last.ns;

    if (!play->can_seek || target.ns - from < SEEK_WORTH_NS) return false;
    if (goal > from + SEEK_STEP_NS) goal = from + SEEK_STEP_NS;
    sp_status status = sp_source_seek(&play->source, (sp_wall){goal}, &err);
    if (status != SP_OK) {
        sp_log_err(SP_LOG_ERROR, "seek_failed", &err);
        end_source(play, err.text);
        return true;
    }
    play->sought = (sp_wall){goal};
    play->has_pending = false;
    sp_marketdata_reset_lanes(play->core);
    return true;
}

static bool run_up(struct sp_md_play *play, sp_mono now)
{
    sp_wall target = is_paced(play) ? play->target : clock_now(play, now);

    if (play->core->plan.over) target.ns = INT64_MAX;
    if (!play->core->plan.over && seek_ahead(play, target)) return true;
    for (uint32_t n = 0; n < EVENTS_PER_RUN_UP || play->whole_turn; n++) {
        if (!play->has_pending && !read_one(play)) {
            if (play->mode == SP_MD_PLAYED) break;
            continue;
        }
        if (play->pending.time.ns >= target.ns && !play->whole_turn) {
            end_run_up(play);
            return true;
        }
        take_pending(play, true);
    }
    if (play->mode == SP_MD_PLAYED) end_run_up(play);
    return play->mode == SP_MD_RUN_UP;
}

/* ---- Live ---- */

static void count_room(struct sp_md_play *play)
{
    for (uint32_t i = 0; i < play->core->options.symbol_count; i++) {
        struct sp_md_out *out = &play->outs[i];
        uint64_t consumed =
            sp_bus_consumed(play->service->bus, &out->stream, out->consumers, out->consumer_count);
        uint64_t behind = out->last_seq - consumed;
        bool has_room = consumed > 0 && behind < SP_MD_WINDOW;
        out->room = has_room ? SP_MD_WINDOW - behind : 0;
    }
    if (play->recording == NULL || sp_record_thread_has_room(play->recording)) return;
    for (uint32_t i = 0; i < play->core->options.symbol_count; i++) {
        play->outs[i].room = 0;
    }
}

static bool is_due(const struct sp_md_play *play)
{
    if (play->whole_turn || play->live) return true;
    if (is_paced(play)) return play->outs[play->pending.symbol].room >= RECORDS_PER_EVENT;
    return play->pending.time.ns <= play->market.ns;
}

static void after_data(struct sp_md_play *play)
{
    if (is_paced(play) || play->live) play->market = play->last;
    if (flowed(play)) {
        message(play);
        tell(play, SP_MD_FLOWS);
    }
    if (is_paced(play) && play->unnoted >= SP_MD_POSITION_MAX) sp_md_play_note(play);
}

static bool go_live(struct sp_md_play *play, sp_mono now)
{
    uint64_t before = play->published;
    bool more = true;

    if (is_paced(play)) {
        count_room(play);
    } else if (!play->live) {
        play->market = clock_now(play, now);
    }
    for (uint32_t n = 0; (n < EVENTS_PER_TURN || play->whole_turn) && more; n++) {
        if (!play->has_pending && !read_one(play)) {
            more = play->mode == SP_MD_LIVE && !play->dry;
            continue;
        }
        more = is_due(play);
        if (more) take_pending(play, false);
    }
    play->waiting = is_paced(play) && !more && play->mode == SP_MD_LIVE;
    if (play->published == before) return more;
    sp_bus_flush(play->service->bus); /* before the journal has its turn */
    after_data(play);
    return more;
}

static void give_turns(struct sp_md_play *play, sp_wall time)
{
    const struct sp_service *service = play->service;
    struct sp_ref facts = {service->stream, service->role.epoch,
                           sp_journal_next_seq(service->journal) - 1};

    sp_bus_flush(service->bus);
    sp_conductor_mark(play->conductor, &facts);
    sp_conductor_step(play->conductor, time);
    play->waiting = sp_conductor_is_busy(play->conductor);
}

/* In lock-step: one event, once everybody is done with the one before. True if more is due. */
static bool go_step(struct sp_md_play *play)
{
    play->waiting = sp_conductor_is_busy(play->conductor);
    if (play->waiting) return false;
    bool is_first = !play->stepped;
    play->stepped = true;
    uint64_t before = play->published;
    while (!is_first && play->mode == SP_MD_LIVE &&
           (play->published == before || play->whole_turn)) {
        if (play->has_pending || read_one(play)) take_pending(play, false);
    }
    if (play->published > before) after_data(play);
    give_turns(play, is_first ? play->first : play->last);
    return !play->waiting && play->mode == SP_MD_LIVE;
}

bool sp_md_play_turn(struct sp_md_play *play)
{
    sp_mono now = sp_clock_mono();
    bool more = false;

    if (play->mode == SP_MD_PLAYED) {
        expect(play, false);
        return false;
    }
    if (!play->core->run.paused) {
        more = play->mode == SP_MD_RUN_UP ? run_up(play, now)
               : play->conductor != NULL  ? go_step(play)
                                          : go_live(play, now);
    } else if (!is_paced(play) && !play->live && play->mode == SP_MD_LIVE) {
        play->market = clock_now(play, now);
    }
    sp_shell_set_market(play->shell, play->market);
    expect(play, play->core->run.paused ||
                     (play->mode == SP_MD_LIVE && !play->waiting && play->conductor == NULL));
    return more;
}

sp_dur sp_md_play_rest(const struct sp_md_play *play)
{
    int64_t speed = play->core->options.speed.e8;

    if (play->waiting) return (sp_dur){REST_NS_MIN};
    if (play->mode != SP_MD_LIVE || !play->has_pending || play->core->run.paused || speed == 0)
        return (sp_dur){REST_NS_MAX};
    __int128 left = (__int128)play->pending.time.ns - play->market.ns;
    left = (left * SP_FX_ONE + speed - 1) / speed;
    if (left < REST_NS_MIN) left = REST_NS_MIN;
    return (sp_dur){left < REST_NS_MAX ? (int64_t)left : REST_NS_MAX};
}

/* ---- Start and resume ---- */

/* The market's first time is the first event's that has one. */
static sp_status find_first(struct sp_md_play *play, struct sp_err *err)
{
    for (uint32_t n = 0; n < EARLY_EVENTS_MAX; n++) {
        sp_status status = next_event(play, err);
        if (status == SP_CLOSED) return SP_OK;
        if (status != SP_OK) return status;
        if (play->pending.kind != SP_REC_FEED_ERROR) {
            play->has_pending = true;
            play->first = play->pending.time;
            return SP_OK;
        }
        if (play->early_errors++ == 0) play->early_error = play->pending.body.feed;
    }
    return SP_FAIL(err, SP_INVALID, "nothing but errors, the first: %.150s",
                   play->early_error.reason.s);
}

/* Of a market whose first time is known. */
static const struct sp_md_plan *begin(struct sp_md_play *play, sp_wall wall)
{
    struct sp_event note = {.id = SP_MD_NOTE_PLAN, .wall = wall, .market = play->first};

    sp_shell_note(play->shell, &note);
    const struct sp_md_plan *plan = sp_marketdata_plan(play->core, wall, play->first);
    play->clock_mono = sp_clock_mono();
    play->clock_market = plan->market;
    play->target = plan->market;
    play->market = plan->market;
    message(play);
    tell(play, SP_MD_START);
    sp_log(SP_LOG_INFO, "feed_started", "source=\"%s\" plan=\"%s\"", play->core->options.source.s,
           plan->why.s);
    return plan;
}

void sp_md_play_start_live(struct sp_md_play *play)
{
    play->first = sp_clock_wall();
    SP_IGNORE(begin(play, play->first) == NULL); /* there is nothing to run up to */
    play->mode = SP_MD_LIVE;
}

sp_status sp_md_play_start(struct sp_md_play *play, struct sp_err *err)
{
    sp_wall wall = sp_clock_wall();
    sp_status status = find_first(play, err);

    if (status != SP_OK) return status;
    const struct sp_md_plan *plan = begin(play, wall);
    play->last = play->first;
    if (play->early_errors > 0) {
        play->core->error_count += play->early_errors;
        message(play)->body.feed = play->early_error;
        tell(play, SP_MD_ERROR);
    }
    play->mode = SP_MD_RUN_UP;
    if (plan->anew && play->has_pending) {
        play->mode = SP_MD_LIVE;
        open_streams(play, play->first);
    }
    return SP_OK;
}

void sp_md_play_resumed(struct sp_md_play *play)
{
    /* A live source has gone on; the first change that follows shows the hole in the book. */
    if (play->mode == SP_MD_LIVE && !is_paced(play) && !play->live) play->mode = SP_MD_RUN_UP;
}

void sp_md_play_note(struct sp_md_play *play)
{
    sp_mono now = sp_clock_mono();

    if (!is_paced(play) || play->unnoted == 0) return;
    if (play->conductor != NULL && play->unnoted < SP_MD_POSITION_MAX) return;
    if (play->unnoted < SP_MD_POSITION_MAX && sp_mono_since(now, play->noted).ns < NOTE_EVERY_NS) {
        return;
    }
    play->unnoted = 0;
    play->noted = now;
    message(play);
    tell(play, SP_MD_POSITION);
}
