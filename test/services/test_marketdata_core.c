#include "services/marketdata/marketdata_core.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define MS    INT64_C(1000000)
#define S     INT64_C(1000000000)
#define FIRST (INT64_C(1767636000) * S)
#define WALL  (INT64_C(1790000000) * S)
#define MOST  256

/* A core with its journal, under virtual time. */
struct rig {
    struct sp_marketdata md;
    struct sp_decision decision;
    sp_mono now;
    sp_wall market;
    uint64_t seq;
    uint32_t count;
    struct sp_record journal[MOST];
};

static struct rig rig;

static void open_core(sp_ratio speed, bool outlives)
{
    struct sp_md_options options = {.feed = sp_name_of("generator"),
                                    .outlives = outlives,
                                    .speed = speed,
                                    .silence = {2 * S},
                                    .symbol_count = 1};

    options.symbols[0] = sp_name_of("BTCUSDT");
    options.streams[0] = sp_name_of("md.paper.BTCUSDT");
    sp_text_printf(&options.source, "generator: seed 7");
    sp_marketdata_fini(&rig.md);
    assert_int_equal(sp_marketdata_init(&rig.md, &options, NULL), SP_OK);
    for (uint32_t i = 0; i < rig.count; i++)
        sp_marketdata_core.apply(&rig.md, &rig.journal[i]);
}

static int begin(void **state)
{
    (void)state;
    sp_marketdata_fini(&rig.md);
    memset(&rig, 0, sizeof rig);
    rig.now.ns = 1000 * S;
    rig.market.ns = FIRST;
    return 0;
}

static void run(enum sp_event_type type, uint32_t id, const struct sp_record *record)
{
    struct sp_event event = {.type = type, .now = rig.now, .id = id, .record = record};
    struct sp_err err = {0};

    rig.decision.installation = "test";
    rig.decision.stream = sp_name_of("marketdata");
    rig.decision.epoch = 1;
    rig.decision.next_seq = rig.seq + 1;
    rig.decision.time = rig.market;
    sp_decision_begin(&rig.decision);
    sp_marketdata_core.decide(&rig.md, &event, &rig.decision);
    for (uint32_t i = 0; i < rig.decision.record_count; i++) {
        struct sp_record *made = &rig.decision.records[i];
        const struct sp_kind_info *info = sp_kind_info((uint32_t)made->kind);
        if (sp_validate(sp_schema_of(info->dto), &made->body, &err) != SP_OK)
            fail_msg("%s", err.text);
        if (info->needs_cause) assert_int_not_equal(made->by_count, 0);
        assert_true(rig.count < MOST);
        rig.journal[rig.count++] = *made;
        rig.seq++;
        sp_marketdata_core.apply(&rig.md, made);
    }
}

static void tell(enum sp_md_input input)
{
    static struct sp_record none;

    run(SP_EVENT_MESSAGE, (uint32_t)input, &none);
}

static const struct sp_md_plan *start(sp_wall wall)
{
    const struct sp_md_plan *plan = sp_marketdata_plan(&rig.md, wall, (sp_wall){FIRST});

    rig.market = plan->market;
    tell(SP_MD_START);
    return plan;
}

/* The regular timer, for a while. */
static void watch_for(int64_t ns)
{
    for (int64_t t = 0; t < ns; t += 25 * MS) {
        rig.now.ns += 25 * MS;
        run(SP_EVENT_TIMER, 0, NULL);
    }
}

static uint32_t facts(enum sp_kind kind)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < rig.count; i++)
        count += rig.journal[i].kind == kind;
    return count;
}

/* The nth outage of the journal. */
static const struct sp_threat *threat_of(uint32_t nth)
{
    uint32_t i = 0;

    for (uint32_t seen = 0; i < rig.count; i++) {
        if (rig.journal[i].kind == SP_REC_THREAT_DETECTED && ++seen == nth) break;
    }
    assert_true(i < rig.count);
    return &rig.journal[i].body.threat;
}

static void data(void)
{
    if (sp_marketdata_flowed(&rig.md)) tell(SP_MD_FLOWS);
}

/* ---- The clock ---- */

static void test_marketdata_core_market_goes_on_while_it_is_away(void **state)
{
    (void)state;
    open_core((sp_ratio){60 * SP_FX_ONE}, true);
    const struct sp_md_plan *plan = start((sp_wall){WALL});
    assert_true(plan->anew);
    assert_int_equal(plan->market.ns, FIRST);
    assert_int_equal(facts(SP_REC_DATA_GAP), 0);

    open_core((sp_ratio){60 * SP_FX_ONE}, true); /* killed; 10 s later */
    plan = start((sp_wall){WALL + 10 * S});
    assert_false(plan->anew);
    assert_int_equal(plan->market.ns, FIRST + 600 * S);
    assert_int_equal(plan->anchor_wall.ns, WALL);
    assert_int_equal(plan->anchor_market.ns, FIRST);
    assert_int_equal(facts(SP_REC_DATA_GAP), 1);

    open_core((sp_ratio){60 * SP_FX_ONE}, true);
    plan = start((sp_wall){WALL + 20 * S + 1});
    assert_int_equal(plan->market.ns, FIRST + 1200 * S + 60);
}

static void test_marketdata_core_wall_clock_set_back_does_not_take_the_market_back(void **state)
{
    (void)state;
    open_core((sp_ratio){60 * SP_FX_ONE}, true);
    start((sp_wall){WALL});
    rig.market.ns = FIRST + 900 * S;
    tell(SP_MD_PAUSE);
    open_core((sp_ratio){60 * SP_FX_ONE}, true);
    const struct sp_md_plan *plan = start((sp_wall){WALL - 3600 * S});
    assert_int_equal(plan->market.ns, FIRST + 900 * S);
    assert_int_equal(plan->anchor_wall.ns, WALL - 3600 * S);
    open_core((sp_ratio){60 * SP_FX_ONE}, true);
    assert_int_equal(start((sp_wall){WALL - 3590 * S})->market.ns, FIRST + 1500 * S);
}

static void test_marketdata_core_another_speed_takes_up_where_the_market_stands(void **state)
{
    (void)state;
    open_core((sp_ratio){60 * SP_FX_ONE}, true);
    start((sp_wall){WALL});
    open_core((sp_ratio){SP_FX_ONE}, true);
    const struct sp_md_plan *plan = start((sp_wall){WALL + 10 * S});
    assert_int_equal(plan->market.ns, FIRST + 600 * S);
    assert_int_equal(plan->anchor_wall.ns, WALL + 10 * S);
    open_core((sp_ratio){SP_FX_ONE}, true);
    assert_int_equal(start((sp_wall){WALL + 20 * S})->market.ns, FIRST + 610 * S);
}

static void test_marketdata_core_full_speed_continues_from_the_last_position(void **state)
{
    (void)state;
    open_core((sp_ratio){0}, true);
    start((sp_wall){WALL});
    rig.market.ns = FIRST + 77 * S;
    tell(SP_MD_POSITION);
    open_core((sp_ratio){0}, true);
    const struct sp_md_plan *plan = start((sp_wall){WALL + 1000 * S});
    assert_false(plan->anew);
    assert_int_equal(plan->market.ns, FIRST + 77 * S);
    assert_int_equal(facts(SP_REC_DATA_GAP), 0);
}

static void test_marketdata_core_other_source_or_too_long_a_market_begins_anew(void **state)
{
    (void)state;
    open_core((sp_ratio){60 * SP_FX_ONE}, true);
    start((sp_wall){WALL});
    sp_text_printf(&rig.md.options.source, "generator: seed 8");
    assert_true(sp_marketdata_plan(&rig.md, (sp_wall){WALL + S}, (sp_wall){FIRST})->anew);
    sp_text_printf(&rig.md.options.source, "generator: seed 7");
    assert_false(sp_marketdata_plan(&rig.md, (sp_wall){WALL + S}, (sp_wall){FIRST})->anew);
    assert_true(
        sp_marketdata_plan(&rig.md, (sp_wall){WALL + 40 * 86400 * S}, (sp_wall){FIRST})->anew);
}

static void test_marketdata_core_ended_recording_starts_anew_only_after_a_stop(void **state)
{
    (void)state;
    open_core((sp_ratio){10 * SP_FX_ONE}, false);
    start((sp_wall){WALL});
    rig.market.ns = FIRST + 100 * S;
    tell(SP_MD_ENDED);
    open_core((sp_ratio){10 * SP_FX_ONE}, false); /* killed */
    assert_true(start((sp_wall){WALL + 50 * S})->over);
    assert_int_equal(rig.md.run.state, SP_MD_OVER);
    open_core((sp_ratio){10 * SP_FX_ONE}, false); /* killed again */
    assert_true(start((sp_wall){WALL + 51 * S})->over);
    tell(SP_MD_STOP);
    open_core((sp_ratio){10 * SP_FX_ONE}, false);
    const struct sp_md_plan *plan = start((sp_wall){WALL + 60 * S});
    assert_true(plan->anew);
    assert_int_equal(plan->market.ns, FIRST);
    tell(SP_MD_STOP); /* while it runs */
    open_core((sp_ratio){10 * SP_FX_ONE}, false);
    assert_true(start((sp_wall){WALL + 70 * S})->anew);
}

static void test_marketdata_core_generated_market_outlives_a_stop(void **state)
{
    (void)state;
    open_core((sp_ratio){10 * SP_FX_ONE}, true);
    start((sp_wall){WALL});
    tell(SP_MD_STOP);
    assert_int_equal(facts(SP_REC_FEED_ENDED), 0);
    open_core((sp_ratio){10 * SP_FX_ONE}, true);
    assert_int_equal(start((sp_wall){WALL + 60 * S})->market.ns, FIRST + 600 * S);
}

/* ---- Outages ---- */

static void test_marketdata_core_silence_is_one_threat_per_outage(void **state)
{
    (void)state;
    open_core((sp_ratio){SP_FX_ONE}, true);
    start((sp_wall){WALL});
    watch_for(10 * S); /* not expecting anything yet */
    assert_int_equal(facts(SP_REC_THREAT_DETECTED), 0);
    sp_marketdata_expect(&rig.md, true);
    watch_for(1900 * MS);
    assert_int_equal(facts(SP_REC_THREAT_DETECTED), 0);
    data();
    watch_for(1900 * MS);
    assert_int_equal(facts(SP_REC_THREAT_DETECTED), 0);
    watch_for(60 * S);
    assert_int_equal(facts(SP_REC_THREAT_DETECTED), 1);
    data();
    data();
    assert_int_equal(facts(SP_REC_THREAT_ENDED), 1);
    watch_for(3 * S);
    assert_int_equal(facts(SP_REC_THREAT_DETECTED), 2);
    data();
    assert_int_equal(facts(SP_REC_THREAT_ENDED), 2);
    const struct sp_threat *first = threat_of(1), *last = threat_of(2);
    assert_string_equal(first->threat_type.s, "CONNECTION_LOST");
    assert_int_equal(first->severity, SP_SEVERITY_CRITICAL);
    assert_string_equal(first->worker.s, "feed_monitor");
    assert_false(sp_thr_id_eq(first->threat_id, last->threat_id));
}

static void test_marketdata_core_own_absence_is_not_silence(void **state)
{
    (void)state;
    open_core((sp_ratio){SP_FX_ONE}, true);
    start((sp_wall){WALL});
    sp_marketdata_expect(&rig.md, true);
    watch_for(100 * MS);
    rig.now.ns += 3600 * S; /* stopped by a signal */
    run(SP_EVENT_TIMER, 0, NULL);
    assert_int_equal(facts(SP_REC_THREAT_DETECTED), 0);
    watch_for(2 * S);
    assert_int_equal(facts(SP_REC_THREAT_DETECTED), 1);
}

static void test_marketdata_core_threat_survives_a_restart(void **state)
{
    (void)state;
    open_core((sp_ratio){SP_FX_ONE}, true);
    start((sp_wall){WALL});
    sp_marketdata_expect(&rig.md, true);
    watch_for(3 * S);
    struct sp_record detected = rig.journal[rig.count - 1];
    assert_int_equal(detected.kind, SP_REC_THREAT_DETECTED);

    open_core((sp_ratio){SP_FX_ONE}, true);
    start((sp_wall){WALL + 10 * S});
    sp_marketdata_expect(&rig.md, true);
    watch_for(10 * S);
    assert_int_equal(facts(SP_REC_THREAT_DETECTED), 1);
    data();
    const struct sp_record *ended = &rig.journal[rig.count - 1];
    assert_int_equal(ended->kind, SP_REC_THREAT_ENDED);
    assert_true(sp_thr_id_eq(ended->body.threat.threat_id, detected.body.threat.threat_id));
    assert_int_equal(ended->by[0].seq, detected.seq);
    assert_int_equal(ended->body.threat.began.ns, detected.body.threat.began.ns);
    assert_true(ended->body.threat.ended.ns > ended->body.threat.began.ns);
}

static void test_marketdata_core_end_of_the_source_is_no_outage(void **state)
{
    (void)state;
    open_core((sp_ratio){SP_FX_ONE}, false);
    start((sp_wall){WALL});
    sp_marketdata_expect(&rig.md, true);
    watch_for(3 * S);
    tell(SP_MD_ENDED);
    sp_marketdata_expect(&rig.md, false);
    assert_int_equal(facts(SP_REC_THREAT_ENDED), 1);
    watch_for(60 * S);
    assert_int_equal(facts(SP_REC_THREAT_DETECTED), 1);
}

static void test_marketdata_core_pause_ends_with_the_process(void **state)
{
    (void)state;
    open_core((sp_ratio){SP_FX_ONE}, true);
    start((sp_wall){WALL});
    tell(SP_MD_PAUSE);
    tell(SP_MD_PAUSE);
    assert_int_equal(facts(SP_REC_FEED_PAUSED), 1);
    assert_true(rig.md.run.paused);
    tell(SP_MD_RESUME);
    assert_false(rig.md.run.paused);
    assert_int_equal(facts(SP_REC_DATA_GAP), 1);
    tell(SP_MD_PAUSE);
    open_core((sp_ratio){SP_FX_ONE}, true);
    assert_true(rig.md.run.paused);
    start((sp_wall){WALL + S});
    assert_false(rig.md.run.paused);
}

static void test_marketdata_core_a_flood_of_errors_is_held_back(void **state)
{
    struct sp_record error = {.kind = SP_REC_NONE};

    (void)state;
    open_core((sp_ratio){SP_FX_ONE}, true);
    start((sp_wall){WALL});
    sp_text_printf(&error.body.feed.reason, "line 7: nonsense");
    for (int i = 0; i < 1000; i++)
        run(SP_EVENT_MESSAGE, SP_MD_ERROR, &error);
    assert_int_equal(facts(SP_REC_FEED_ERROR), 10);
    rig.now.ns += S;
    run(SP_EVENT_MESSAGE, SP_MD_ERROR, &error);
    assert_int_equal(facts(SP_REC_FEED_ERROR), 11);
    assert_string_equal(rig.journal[rig.count - 1].body.feed.reason.s,
                        "990 more, then: line 7: nonsense");
}

/* ---- Books and bars ---- */

static struct sp_md_step step;

static void trade(int64_t ns, uint64_t id, int64_t px)
{
    struct sp_market_event event = {.time = {FIRST + ns}, .kind = SP_REC_TRADE};

    event.body.trade = (struct sp_trade){.trade_id = id,
                                         .px = {px * SP_FX_ONE},
                                         .qty = {SP_FX_ONE},
                                         .taker_side = SP_SIDE_BUY};
    sp_marketdata_step(&rig.md, &event, &step);
}

static void test_marketdata_core_bars_come_before_what_closed_them(void **state)
{
    (void)state;
    open_core((sp_ratio){SP_FX_ONE}, true);
    trade(100 * MS, 1, 100);
    trade(999 * MS, 2, 103);
    assert_int_equal(step.bar_count, 0);
    trade(S, 3, 101);
    assert_int_equal(step.bar_count, 1);
    assert_int_equal(step.bars[0].bar.interval.ns, S);
    assert_int_equal(step.bars[0].bar.trade_count, 2);
    assert_int_equal(step.bars[0].bar.close.e8, 103 * SP_FX_ONE);
    trade(75 * S, 4, 90);
    assert_int_equal(step.bar_count, 2);
    assert_int_equal(step.bars[0].bar.interval.ns, S);
    assert_int_equal(step.bars[0].bar.opened.ns, FIRST + S);
    assert_int_equal(step.bars[1].bar.interval.ns, 60 * S);
    assert_int_equal(step.bars[1].bar.trade_count, 3);
    assert_false(step.has_gap);
    trade(76 * S, 9, 90);
    assert_true(step.has_gap);
    assert_string_equal(step.gap.reason.s, "trades 5 to 8 are missing");
    trade(76 * S, 11, 90);
    assert_string_equal(step.gap.reason.s, "trade 10 is missing");
}

static void test_marketdata_core_gives_its_book_in_parts(void **state)
{
    static struct sp_market_event event;
    struct sp_book_snapshot part;

    (void)state;
    open_core((sp_ratio){SP_FX_ONE}, true);
    assert_false(sp_marketdata_snapshot(&rig.md, 0, 0, &part));
    for (uint32_t n = 0; n < 2; n++) {
        struct sp_book_snapshot *snapshot = &event.body.book_snapshot;
        event.kind = SP_REC_BOOK_SNAPSHOT;
        event.time.ns = FIRST;
        *snapshot = (struct sp_book_snapshot){.last_update_id = 5, .part = n, .more = n == 0};
        for (uint32_t i = 0; i < SP_LEVELS_MAX; i++) {
            int64_t away = n * SP_LEVELS_MAX + i;
            snapshot->bids.at[i] = (struct sp_level){{(1000 - away) * SP_FX_ONE}, {SP_FX_ONE}};
        }
        snapshot->bids.count = SP_LEVELS_MAX;
        sp_marketdata_step(&rig.md, &event, &step);
        assert_int_equal(step.in_parts, n == 0);
    }
    assert_true(sp_marketdata_snapshot(&rig.md, 0, 0, &part));
    assert_true(part.more);
    assert_int_equal(part.bids.at[0].px.e8, 1000 * SP_FX_ONE);
    assert_true(sp_marketdata_snapshot(&rig.md, 0, 1, &part));
    assert_false(part.more);
    assert_int_equal(part.bids.at[0].px.e8, (1000 - SP_LEVELS_MAX) * SP_FX_ONE);
    assert_int_equal(part.last_update_id, 5);
    assert_false(sp_marketdata_snapshot(&rig.md, 0, 2, &part));

    event = (struct sp_market_event){.time = {FIRST}, .kind = SP_REC_DATA_GAP};
    sp_text_printf(&event.body.data_gap.reason, "the connection was lost");
    sp_marketdata_step(&rig.md, &event, &step);
    assert_true(step.has_gap);
    assert_string_equal(step.gap.reason.s, "the connection was lost");
    assert_false(sp_marketdata_snapshot(&rig.md, 0, 0, &part));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup(test_marketdata_core_##name, begin)
    const struct CMUnitTest tests[] = {
        T(market_goes_on_while_it_is_away),
        T(wall_clock_set_back_does_not_take_the_market_back),
        T(another_speed_takes_up_where_the_market_stands),
        T(full_speed_continues_from_the_last_position),
        T(other_source_or_too_long_a_market_begins_anew),
        T(ended_recording_starts_anew_only_after_a_stop),
        T(generated_market_outlives_a_stop),
        T(silence_is_one_threat_per_outage),
        T(own_absence_is_not_silence),
        T(threat_survives_a_restart),
        T(end_of_the_source_is_no_outage),
        T(pause_ends_with_the_process),
        T(a_flood_of_errors_is_held_back),
        T(bars_come_before_what_closed_them),
        T(gives_its_book_in_parts),
    };
#undef T
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    sp_marketdata_fini(&rig.md);
    return failed;
}
