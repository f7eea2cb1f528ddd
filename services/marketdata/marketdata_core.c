/* Silence is counted in the steps of the regular timer, each at most half the limit: a process that
 * was stopped or starved itself does not take its own absence for the feed's. */
#include "services/marketdata/marketdata_core.h"

#include "proto/decimal.h"
#include "services/marketdata/marketdata_rows.h"

#include <string.h>

#define CHANGES_MAX     256
#define FACTS_AT_ONCE   10
#define FACT_EVERY_NS   INT64_C(1000000000)
#define MINUTE_NS       INT64_C(60000000000)
#define SECOND_NS       INT64_C(1000000000)
#define LEVELS_PER_PART SP_LEVELS_MAX

sp_status sp_marketdata_init(struct sp_marketdata *md, const struct sp_md_options *options,
                             struct sp_err *err)
{
    sp_dur intervals[SP_MD_INTERVALS] = {{SECOND_NS}, {MINUTE_NS}};
    sp_status status = SP_OK;

    SP_ASSERT(options->symbol_count > 0);
    SP_ASSERT(options->symbol_count <= SP_MD_SYMBOLS_MAX);
    memset(md, 0, sizeof *md);
    md->options = *options;
    for (uint32_t i = 0; i < options->symbol_count && status == SP_OK; i++) {
        struct sp_md_lane *lane = &md->lanes[i];
        status = sp_book_sync_init(&lane->sync, SP_MD_LEVELS_MAX, CHANGES_MAX, err);
        if (status == SP_OK) status = sp_bars_init(&lane->bars, intervals, SP_MD_INTERVALS, err);
    }
    if (status != SP_OK) sp_marketdata_fini(md);
    return status;
}

void sp_marketdata_fini(struct sp_marketdata *md)
{
    if (md == NULL) return;
    for (uint32_t i = 0; i < SP_MD_SYMBOLS_MAX; i++) {
        sp_book_sync_fini(&md->lanes[i].sync);
    }
}

/* ---- The clock and the plan of a start ---- */

sp_dur sp_md_scale(sp_dur real, sp_ratio speed)
{
    __int128 market = (__int128)real.ns * speed.e8 / SP_FX_ONE;
    __int128 most = INT64_MAX / 4;

    if (market > most) market = most;
    if (market < -most) market = -most;
    return (sp_dur){(int64_t)market};
}

static void plan_anew(struct sp_md_plan *plan, sp_wall wall, sp_wall first, const char *why)
{
    *plan = (struct sp_md_plan){.anew = true,
                                .anchor_wall = wall,
                                .anchor_market = first,
                                .market = first};
    sp_text_printf(&plan->why, "%s", why);
}

const struct sp_md_plan *sp_marketdata_plan(struct sp_marketdata *md, sp_wall wall, sp_wall first)
{
    const struct sp_md_run *run = &md->run;
    struct sp_md_plan *plan = &md->plan;

    if (run->state == SP_MD_NONE) {
        plan_anew(plan, wall, first, "begins");
        return plan;
    }
    if (strcmp(run->source.s, md->options.source.s) != 0) {
        plan_anew(plan, wall, first, "begins: another market than before");
        return plan;
    }
    sp_wall market = run->position;
    bool clock_is_good = false;
    if (run->speed.e8 != 0 && run->state == SP_MD_RUNNING) {
        sp_dur gone = sp_md_scale(sp_wall_since(wall, run->anchor_wall), run->speed);
        /* A wall clock that was set back must not take the market back. */
        clock_is_good = run->anchor_market.ns + gone.ns >= run->position.ns;
        if (clock_is_good) market.ns = run->anchor_market.ns + gone.ns;
    }
    if (market.ns - first.ns > SP_MD_RUN_UP_MAX_NS) {
        plan_anew(plan, wall, first, "begins anew: it would be over 366 days long");
        return plan;
    }
    *plan = (struct sp_md_plan){.over = run->state == SP_MD_OVER,
                                .anchor_wall = wall,
                                .anchor_market = market,
                                .market = market};
    sp_text_printf(&plan->why, "%s", plan->over ? "has ended before" : "continues");
    if (clock_is_good && run->speed.e8 == md->options.speed.e8) {
        plan->anchor_wall = run->anchor_wall;
        plan->anchor_market = run->anchor_market;
    }
    return plan;
}

/* ---- Facts ---- */

/* Whether one more fact of this sort may be written now. */
static bool may_tell(struct sp_md_limit *limit, sp_mono now)
{
    if (sp_mono_since(now, limit->last).ns >= FACT_EVERY_NS) limit->burst = 0;
    if (limit->burst >= FACTS_AT_ONCE) {
        limit->held_back++;
        return false;
    }
    limit->burst = limit->burst + 1;
    limit->last = now;
    return true;
}

static struct sp_record *add_feed_fact(const struct sp_marketdata *md, struct sp_decision *decision,
                                       enum sp_kind kind)
{
    struct sp_record *record = sp_decision_add(decision, kind, NULL);

    record->body.feed.feed = md->options.feed;
    record->body.feed.speed = md->options.speed;
    record->body.feed.messages = md->messages;
    return record;
}

static void decide_start(const struct sp_marketdata *md, struct sp_decision *decision)
{
    const struct sp_md_plan *plan = &md->plan;
    struct sp_feed *feed = &add_feed_fact(md, decision, SP_REC_FEED_STARTED)->body.feed;

    feed->anchor_wall = plan->anchor_wall;
    feed->anchor_market = plan->anchor_market;
    feed->source = md->options.source;
    feed->reason = plan->why;
    feed->anew = plan->anew;
    if (plan->anew || plan->over || md->options.speed.e8 == 0) return;
    struct sp_record *gap = sp_decision_add(decision, SP_REC_DATA_GAP, NULL);
    sp_text_printf(&gap->body.data_gap.reason, "the market went on while marketdata was away");
}

static void end_outage(const struct sp_marketdata *md, struct sp_decision *decision)
{
    struct sp_record *record = sp_decision_add(decision, SP_REC_THREAT_ENDED, &md->outage_ref);

    record->body.threat = md->outage;
    record->body.threat.ended = decision->time;
}

static void decide_end(const struct sp_marketdata *md, const struct sp_text *reason, bool stopped,
                       struct sp_decision *decision)
{
    struct sp_feed *feed = &add_feed_fact(md, decision, SP_REC_FEED_ENDED)->body.feed;

    feed->stopped = stopped;
    if (reason != NULL) feed->reason = *reason;
    /* Where no more data is due none is missing. */
    if (!stopped && md->outage_open) end_outage(md, decision);
}

static void decide_stop(const struct sp_marketdata *md, struct sp_decision *decision)
{
    sp_text reason;

    if (md->run.state == SP_MD_NONE) return;
    if (md->options.outlives && md->run.state == SP_MD_RUNNING) return;
    sp_text_printf(&reason, "stopped");
    decide_end(md, &reason, true, decision);
}

static void decide_error(struct sp_marketdata *md, const struct sp_event *event,
                         struct sp_decision *decision)
{
    if (!may_tell(&md->errors, event->now)) return;
    struct sp_feed *feed = &add_feed_fact(md, decision, SP_REC_FEED_ERROR)->body.feed;

    feed->symbol = event->record->body.feed.symbol;
    if (md->errors.held_back == 0) {
        feed->reason = event->record->body.feed.reason;
        return;
    }
    sp_text_printf(&feed->reason, "%" PRIu64 " more, then: %.100s", md->errors.held_back,
                   event->record->body.feed.reason.s);
    md->errors.held_back = 0;
}

static void decide_pause(struct sp_marketdata *md, const struct sp_event *event, bool pause,
                         struct sp_decision *decision)
{
    if (md->run.paused == pause) return;
    enum sp_kind kind = pause ? SP_REC_FEED_PAUSED : SP_REC_FEED_RESUMED;
    add_feed_fact(md, decision, kind)->body.feed.reason = event->record->body.feed.reason;
    if (pause || md->options.speed.e8 == 0 || md->run.state != SP_MD_RUNNING) return;
    struct sp_record *gap = sp_decision_add(decision, SP_REC_DATA_GAP, NULL);
    sp_text_printf(&gap->body.data_gap.reason, "the market went on while the feed was paused");
}

static void decide_message(struct sp_marketdata *md, const struct sp_event *event,
                           struct sp_decision *decision)
{
    switch ((enum sp_md_input)event->id) {
    case SP_MD_START: decide_start(md, decision); return;
    case SP_MD_ENDED: decide_end(md, &event->record->body.feed.reason, false, decision); return;
    case SP_MD_STOP: decide_stop(md, decision); return;
    case SP_MD_ERROR: decide_error(md, event, decision); return;
    case SP_MD_GAP:
        if (!may_tell(&md->gaps, event->now)) return;
        sp_decision_add(decision, SP_REC_DATA_GAP, NULL)->body.data_gap =
            event->record->body.data_gap;
        return;
    case SP_MD_FLOWS:
        if (md->outage_open) end_outage(md, decision);
        return;
    case SP_MD_PAUSE: decide_pause(md, event, true, decision); return;
    case SP_MD_RESUME: decide_pause(md, event, false, decision); return;
    case SP_MD_POSITION: add_feed_fact(md, decision, SP_REC_FEED_POSITION); return;
    case SP_MD_INPUT_COUNT: break;
    }
    SP_ASSERT(event->id < SP_MD_INPUT_COUNT);
}

/* ---- Silence ---- */

static void seconds_text(sp_dur dur, sp_name *out)
{
    char buf[SP_E8_TEXT_SIZE];

    SP_IGNORE(!sp_name_set(out, sp_e8_format(dur.ns / 1000000 * 100000, buf)));
}

static void detect_outage(const struct sp_marketdata *md, struct sp_decision *decision)
{
    struct sp_thr_id id = {sp_decision_mint(decision, SP_ID_THR)};
    struct sp_threat *threat =
        &sp_decision_add(decision, SP_REC_THREAT_DETECTED, NULL)->body.threat;

    *threat = (struct sp_threat){.threat_id = id,
                                 .threat_type = sp_name_of("CONNECTION_LOST"),
                                 .severity = SP_SEVERITY_CRITICAL,
                                 .worker = sp_name_of("feed_monitor"),
                                 .began = decision->time};
    threat->values.count = 2;
    threat->values.at[0].name = sp_name_of("silent_seconds");
    seconds_text(md->silent, &threat->values.at[0].value);
    threat->values.at[1].name = sp_name_of("allowed_seconds");
    seconds_text(md->options.silence, &threat->values.at[1].value);
    sp_text_printf(&threat->rule, "no message from the %s for %s s (allowed: %s s)",
                   md->options.feed.s, threat->values.at[0].value.s, threat->values.at[1].value.s);
}

static void watch(struct sp_marketdata *md, sp_mono now, struct sp_decision *decision)
{
    sp_dur step = sp_mono_since(now, md->watched.ns != 0 ? md->watched : now);
    int64_t most = md->options.silence.ns / 2;

    md->watched = now;
    if (!md->expecting) return;
    md->silent.ns += step.ns < most ? step.ns : most;
    if (md->silent.ns >= md->options.silence.ns && !md->outage_open) detect_outage(md, decision);
}

void sp_marketdata_expect(struct sp_marketdata *md, bool expecting)
{
    if (md->expecting == expecting) return;
    md->expecting = expecting;
    md->silent = (sp_dur){0};
}

bool sp_marketdata_flowed(struct sp_marketdata *md)
{
    md->silent = (sp_dur){0};
    return md->outage_open;
}

void sp_marketdata_note(struct sp_marketdata *md, const struct sp_event *event)
{
    switch ((enum sp_md_note)event->id) {
    case SP_MD_NOTE_PLAN: SP_IGNORE(!sp_marketdata_plan(md, event->wall, event->market)); return;
    case SP_MD_NOTE_MESSAGES: md->messages = event->record->body.feed.messages; return;
    case SP_MD_NOTE_FLOWED: SP_IGNORE(sp_marketdata_flowed(md)); return;
    case SP_MD_NOTE_EXPECT: sp_marketdata_expect(md, true); return;
    case SP_MD_NOTE_EXPECT_NONE: sp_marketdata_expect(md, false); return;
    }
}

/* ---- The core ---- */

static void decide(void *state, const struct sp_event *event, struct sp_decision *decision)
{
    struct sp_marketdata *md = state;

    if (event->type == SP_EVENT_MESSAGE) decide_message(md, event, decision);
    if (event->type == SP_EVENT_TIMER) watch(md, event->now, decision);
}

static void apply_started(struct sp_md_run *run, const struct sp_feed *feed)
{
    bool stays_over = !feed->anew && run->state == SP_MD_OVER;
    sp_wall position = run->position;

    *run = (struct sp_md_run){.state = stays_over ? SP_MD_OVER : SP_MD_RUNNING,
                              .source = feed->source,
                              .anchor_wall = feed->anchor_wall,
                              .anchor_market = feed->anchor_market,
                              .speed = feed->speed,
                              .position = feed->anchor_market};
    if (!feed->anew && position.ns > run->position.ns) run->position = position;
}

static void apply_ended(struct sp_marketdata *md, const struct sp_feed *feed)
{
    md->run.state = feed->stopped ? SP_MD_NONE : SP_MD_OVER;
}

static void apply(void *state, const struct sp_record *record)
{
    struct sp_marketdata *md = state;
    uint32_t kind = (uint32_t)record->kind;

    if (kind == SP_REC_FEED_STARTED) {
        apply_started(&md->run, &record->body.feed);
    } else if (kind == SP_REC_FEED_ENDED) {
        apply_ended(md, &record->body.feed);
    } else if (kind == SP_REC_FEED_PAUSED || kind == SP_REC_FEED_RESUMED) {
        md->run.paused = kind == SP_REC_FEED_PAUSED;
    } else if (kind == SP_REC_THREAT_DETECTED) {
        md->outage_open = true;
        md->outage = record->body.threat;
        md->outage_ref = sp_record_ref(record);
    } else if (kind == SP_REC_THREAT_ENDED) {
        md->outage_open = false;
    } else if (kind != SP_REC_FEED_POSITION && kind != SP_REC_DATA_GAP &&
               kind != SP_REC_FEED_ERROR) {
        return; /* its time is not the market's */
    }
    if (md->run.state != SP_MD_NONE && record->time.ns > md->run.position.ns) {
        md->run.position = record->time;
    }
}

const struct sp_core sp_marketdata_core = {.decide = decide,
                                           .apply = apply,
                                           .save = sp_marketdata_save,
                                           .load = sp_marketdata_load,
                                           .state_bytes = sizeof(struct sp_marketdata)};

/* ---- Books and bars ---- */

static void close_bars(struct sp_marketdata *md, sp_wall now, struct sp_md_step *step)
{
    struct sp_bars_closed closed;

    for (uint32_t i = 0; i < md->options.symbol_count; i++) {
        sp_bars_clock(&md->lanes[i].bars, now, &closed);
        for (uint32_t n = 0; n < closed.count; n++) {
            step->bars[step->bar_count++] = (struct sp_md_bar){.symbol = i, .bar = closed.at[n]};
        }
    }
}

static void set_gap(struct sp_marketdata *md, uint32_t symbol, struct sp_md_step *step)
{
    step->has_gap = true;
    step->gap = (struct sp_data_gap){.symbol = md->options.symbols[symbol],
                                     .stream = md->options.streams[symbol]};
    md->gap_count++;
}

static void take_trade(struct sp_marketdata *md, const struct sp_market_event *event,
                       struct sp_md_step *step)
{
    struct sp_md_lane *lane = &md->lanes[event->symbol];
    const struct sp_trade *trade = &event->body.trade;
    uint64_t last = lane->last_trade_id;

    /* A volume beyond the range of its type cannot be shown; the trade itself is published. */
    SP_IGNORE(sp_bars_trade(&lane->bars, event->time, trade->px, trade->qty, NULL));
    if (trade->trade_id == 0) return;
    lane->last_trade_id = trade->trade_id;
    if (last == 0 || trade->trade_id <= last + 1) return;
    set_gap(md, event->symbol, step);
    if (trade->trade_id == last + 2) {
        sp_text_printf(&step->gap.reason, "trade %" PRIu64 " is missing", last + 1);
        return;
    }
    sp_text_printf(&step->gap.reason, "trades %" PRIu64 " to %" PRIu64 " are missing", last + 1,
                   trade->trade_id - 1);
}

static void take_book(struct sp_marketdata *md, const struct sp_market_event *event,
                      struct sp_md_step *step)
{
    struct sp_md_lane *lane = &md->lanes[event->symbol];
    enum sp_sync_result result;

    if (event->kind == SP_REC_BOOK_DELTA) {
        result = sp_book_sync_delta(&lane->sync, &event->body.book_delta);
        step->in_parts = event->body.book_delta.more;
    } else {
        result = sp_book_sync_snapshot(&lane->sync, &event->body.book_snapshot);
        step->in_parts = event->body.book_snapshot.more;
    }
    if (step->in_parts) return;
    bool is_right = sp_book_sync_is_right(&lane->sync);
    if (lane->book_was_right && !is_right) {
        set_gap(md, event->symbol, step);
        sp_text_printf(&step->gap.reason, "the book is lost until the next snapshot: %s",
                       sp_sync_result_name(result));
    }
    lane->book_was_right = is_right;
}

static void take_loss(struct sp_marketdata *md, const struct sp_market_event *event,
                      struct sp_md_step *step)
{
    struct sp_md_lane *lane = &md->lanes[event->symbol];

    sp_book_sync_reset(&lane->sync);
    lane->book_was_right = false;
    set_gap(md, event->symbol, step);
    step->gap.reason = event->body.data_gap.reason;
}

void sp_marketdata_step(struct sp_marketdata *md, const struct sp_market_event *event,
                        struct sp_md_step *step)
{
    SP_ASSERT(event->symbol < md->options.symbol_count);
    step->bar_count = 0;
    step->in_parts = false;
    step->has_gap = false;
    if (event->kind == SP_REC_DATA_GAP) {
        take_loss(md, event, step);
        return;
    }
    md->messages++;
    close_bars(md, event->time, step);
    if (event->kind == SP_REC_TRADE) {
        take_trade(md, event, step);
    } else if (event->kind != SP_REC_QUOTE) {
        take_book(md, event, step);
    }
}

void sp_marketdata_reset_lanes(struct sp_marketdata *md)
{
    for (uint32_t i = 0; i < md->options.symbol_count; i++) {
        struct sp_md_lane *lane = &md->lanes[i];
        sp_book_sync_reset(&lane->sync);
        for (uint32_t n = 0; n < lane->bars.interval_count; n++) {
            lane->bars.open[n].trade_count = 0;
        }
        lane->last_trade_id = 0;
        lane->book_was_right = false;
    }
}

static bool copy_levels(const struct sp_book *book, enum sp_side side, uint32_t from,
                        struct sp_levels *out)
{
    uint32_t count = sp_book_count(book, side);

    for (uint32_t i = from; i < count && out->count < LEVELS_PER_PART; i++) {
        out->at[out->count++] = sp_book_at(book, side, i);
    }
    return from + out->count < count;
}

bool sp_marketdata_snapshot(const struct sp_marketdata *md, uint32_t symbol, uint32_t part,
                            struct sp_book_snapshot *out)
{
    const struct sp_book_sync *sync = &md->lanes[symbol].sync;
    uint32_t from = part * LEVELS_PER_PART;

    if (!sp_book_sync_is_right(sync)) return false;
    memset(out, 0, sizeof *out);
    out->last_update_id = sync->book.last_update_id;
    out->part = part;
    bool more_bids = copy_levels(&sync->book, SP_SIDE_BUY, from, &out->bids);
    bool more_asks = copy_levels(&sync->book, SP_SIDE_SELL, from, &out->asks);
    out->more = more_bids || more_asks;
    return part == 0 || out->bids.count > 0 || out->asks.count > 0;
}
