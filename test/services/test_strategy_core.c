#include "strategy_rig.h"

/* ---- The flow ---- */

static void test_strategy_core_a_cross_becomes_an_explained_plan(void **state)
{
    struct sp_blueprint blueprint = small_blueprint();
    struct rig *rig = rig_new(&blueprint);

    (void)state;
    assert_int_equal(warm_and_cross(rig), 3);
    const struct sp_record *signal = at(rig, 2), *accepted = at(rig, 1), *ready = at(rig, 0);
    struct sp_ref bar_ref = {.stream = sp_name_of("md.paper.BTCUSDT"),
                             .epoch = 5,
                             .seq = rig->next_tick - 1};
    struct sp_ref signal_ref = sp_record_ref(signal), accepted_ref = sp_record_ref(accepted);

    assert_int_equal(signal->kind, SP_REC_OPPORTUNITY_DETECTED);
    assert_true(has_cause(signal, &bar_ref));
    assert_string_equal(signal->body.opportunity.worker.s, "cross");
    assert_string_equal(signal->body.opportunity.plugin.s, "momentum_cross");
    assert_string_equal(signal->body.opportunity.plugin_version.s, "1.0.0");
    assert_string_equal(signal->body.opportunity.tick.s, "bar 1s closes at 101.00 (11 trades)");
    /* 100; 99.5; 99.25; 100.125: a gap of 0.875 / 100.125 */
    assert_string_equal(signal->body.opportunity.rule.s,
                        "ema_fast 101.00 rose above ema_slow 100.13, gap 87.39 bps >= "
                        "min_gap 0.1%");
    assert_int_equal(signal->body.opportunity.timestamp.ns, signal->time.ns);

    assert_int_equal(accepted->kind, SP_REC_OPPORTUNITY_ACCEPTED);
    assert_true(has_cause(accepted, &bar_ref) && has_cause(accepted, &signal_ref));
    assert_true(sp_opp_id_eq(accepted->body.opportunity_verdict.opportunity_id,
                             signal->body.opportunity.opportunity_id));

    assert_int_equal(ready->kind, SP_REC_PLAN_READY);
    assert_int_equal(ready->by_count, 3);
    assert_true(has_cause(ready, &signal_ref) && has_cause(ready, &accepted_ref));
    const struct sp_plan *plan = &ready->body.plan;
    assert_int_equal(plan->opportunity_ids.count, 1);
    assert_int_equal(plan->tick_received.ns, rig->seconds * 100);
    assert_int_equal(plan->valid_until.ns, rig->seconds * 1000 + 500000000);
    /* 101 - 0.3 % = 100.697, down to 100.69: 15 USDT / 0.31, capped at 9,500 / 101. */
    assert_int_equal(plan->stop_px.e8, 10069000000);
    assert_int_equal(plan->qty.e8, 4838709000);
    assert_true(sp_strategy_status(rig->strategy).is_in_flight);
    rig_free(rig);
}

static void test_strategy_core_is_silent_until_warm(void **state)
{
    struct sp_blueprint blueprint = small_blueprint();

    (void)state;
    for (uint32_t warm_up = 3; warm_up <= 5; warm_up++) {
        blueprint.warm_up_bars = warm_up;
        struct rig *rig = rig_new(&blueprint);
        assert_int_equal(warm_and_cross(rig), warm_up <= 4 ? 3 : 0);
        rig_free(rig);
    }
}

static void test_strategy_core_a_gap_means_cold(void **state)
{
    struct sp_blueprint blueprint = small_blueprint();
    struct rig *rig = rig_new(&blueprint);

    (void)state;
    units(rig, 100);
    units(rig, 99);
    units(rig, 99);
    rig->next_tick += 2; /* two records are lost */
    assert_int_equal(units(rig, 101), 1);
    assert_int_equal(at(rig, 0)->kind, SP_REC_DATA_GAP);
    assert_int_equal(at(rig, 0)->body.data_gap.first_seq, 1003);
    assert_int_equal(at(rig, 0)->body.data_gap.last_seq, 1004);
    assert_string_equal(at(rig, 0)->body.data_gap.reason.s,
                        "records are missing: nothing is opened for the next 3 bars");
    assert_int_equal(sp_strategy_status(rig->strategy).bars_seen, 1);
    assert_false(sp_strategy_status(rig->strategy).is_warm);
    assert_int_equal(units(rig, 99), 0);
    assert_int_equal(units(rig, 103), 3);
    /* 101; 100; 101.5: nothing from before the gap is in it. */
    assert_non_null(strstr(at(rig, 2)->body.opportunity.rule.s, "above ema_slow 101.50,"));

    /* A notice says so at once, and a snapshot after it is no second gap. */
    struct sp_record notice = tick_of(rig, SP_REC_DATA_GAP);
    assert_int_equal(give(rig, SP_EVENT_TICK, &notice), 1);
    struct sp_record snapshot = tick_of(rig, SP_REC_BOOK_SNAPSHOT);
    snapshot.seq = 77777;
    assert_int_equal(give(rig, SP_EVENT_TICK, &snapshot), 0);
    rig->next_tick = 90000;
    assert_int_equal(units(rig, 100), 0);
    assert_int_equal(units(rig, 100), 0);
    assert_int_equal(sp_strategy_status(rig->strategy).bars_seen, 2);

    /* So does the feed, for its whole or for our instrument; another one is no matter of ours. */
    union sp_body gap = {.data_gap = {.symbol = sp_name_of("ETHUSDT")}};
    assert_int_equal(fact(rig, "marketdata", SP_REC_DATA_GAP, &gap), 0);
    gap.data_gap.symbol = (sp_name){0};
    assert_int_equal(fact(rig, "marketdata", SP_REC_DATA_GAP, &gap), 1);
    rig_free(rig);
}

/* ---- Rejections ---- */

static void test_strategy_core_two_signals_of_one_bar_make_one_plan(void **state)
{
    struct sp_blueprint blueprint = small_blueprint();

    (void)state;
    memmove(&blueprint.workers[4], &blueprint.workers[3], 6 * sizeof blueprint.workers[0]);
    blueprint.workers[3] = blueprint.workers[2];
    blueprint.workers[3].id = sp_name_of("cross2");
    blueprint.worker_count++;
    struct rig *rig = rig_new(&blueprint);
    assert_int_equal(warm_and_cross(rig), 5);
    assert_int_equal(at(rig, 4)->kind, SP_REC_OPPORTUNITY_DETECTED);
    assert_int_equal(at(rig, 3)->kind, SP_REC_OPPORTUNITY_DETECTED);
    assert_false(sp_opp_id_eq(at(rig, 4)->body.opportunity.opportunity_id,
                              at(rig, 3)->body.opportunity.opportunity_id));
    assert_int_equal(at(rig, 1)->kind, SP_REC_PLAN_READY);
    const struct sp_opportunity_verdict *verdict = &at(rig, 0)->body.opportunity_verdict;
    assert_int_equal(at(rig, 0)->kind, SP_REC_OPPORTUNITY_REJECTED);
    assert_true(sp_trd_id_eq(verdict->trade_id, at(rig, 1)->body.plan.trade_id));
    assert_non_null(strstr(verdict->reason.s, "is in flight"));
    rig_free(rig);
}

static void expect_rejected(struct rig *rig, uint8_t cause, const char *blocked_by)
{
    assert_int_equal(cross_again(rig), 2);
    assert_int_equal(at(rig, 1)->kind, SP_REC_OPPORTUNITY_DETECTED);
    assert_int_equal(at(rig, 0)->kind, SP_REC_OPPORTUNITY_REJECTED);
    assert_int_equal(at(rig, 0)->body.opportunity_verdict.cause, cause);
    assert_string_equal(at(rig, 0)->body.opportunity_verdict.values.at[0].value.s, blocked_by);
}

static void expect_planned(struct rig *rig)
{
    assert_int_equal(cross_again(rig), 3);
    assert_int_equal(at(rig, 0)->kind, SP_REC_PLAN_READY);
}

static void test_strategy_core_one_trade_at_a_time(void **state)
{
    struct sp_blueprint blueprint = small_blueprint();
    struct rig *rig = rig_new(&blueprint);

    (void)state;
    warm_and_cross(rig);
    struct sp_plan plan = at(rig, 0)->body.plan, other = plan;
    expect_rejected(rig, SP_REJECT_CAUSE_POSITION_OPEN, "already_long"); /* no answer yet */
    other.plan_id.raw.lo++;
    answer(rig, &other, SP_REC_PLAN_REFUSED); /* of an older plan */
    expect_rejected(rig, SP_REJECT_CAUSE_POSITION_OPEN, "already_long");
    answer(rig, &plan, SP_REC_PLAN_ACCEPTED);
    intent(rig, &plan);
    expect_rejected(rig, SP_REJECT_CAUSE_POSITION_OPEN, "already_long");
    opened(rig, &plan);
    entry_ends(rig, &plan, SP_REC_ORDER_EXPIRED); /* the rest of a partial fill */
    expect_rejected(rig, SP_REJECT_CAUSE_POSITION_OPEN, "already_long");
    assert_true(sp_trd_id_eq(at(rig, 0)->body.opportunity_verdict.trade_id, plan.trade_id));
    closed(rig, &plan, 100 * SP_FX_ONE);
    expect_planned(rig);
    assert_int_equal(at(rig, 0)->body.plan.capital.e8, 10100 * SP_FX_ONE);

    plan = at(rig, 0)->body.plan;
    answer(rig, &plan, SP_REC_PLAN_REFUSED);
    expect_planned(rig);
    plan = at(rig, 0)->body.plan;
    answer(rig, &plan, SP_REC_PLAN_EXPIRED);
    expect_planned(rig);
    plan = at(rig, 0)->body.plan;
    answer(rig, &plan, SP_REC_PLAN_ACCEPTED);
    intent(rig, &plan);
    entry_ends(rig, &plan, SP_REC_ORDER_REJECTED);
    expect_planned(rig);
    rig_free(rig);
}

static void test_strategy_core_facts_of_other_links_are_not_ours(void **state)
{
    struct sp_blueprint blueprint = small_blueprint();
    struct rig *rig = rig_new(&blueprint);

    (void)state;
    warm_and_cross(rig);
    struct sp_plan plan = at(rig, 0)->body.plan;
    answer(rig, &plan, SP_REC_PLAN_REFUSED);
    plan.strategy_link_id = sp_name_of("other");
    plan.trade_id.raw.lo++;
    opened(rig, &plan);
    closed(rig, &plan, -5 * SP_FX_ONE);
    opened(rig, &plan);
    expect_planned(rig);
    assert_int_equal(at(rig, 0)->body.plan.capital.e8, 10000 * SP_FX_ONE);
    rig_free(rig);
}

/* A trade whose plan is not in our journal: a power cut took our tail, execution has it. */
static void test_strategy_core_adopts_its_unknown_trades(void **state)
{
    struct sp_blueprint blueprint = small_blueprint();
    struct rig *rig = rig_new(&blueprint);
    struct sp_plan plan = {.plan_id = {{3, 3}},
                           .trade_id = {{4, 4}},
                           .strategy_link_id = sp_name_of("ema")};

    (void)state;
    intent(rig, &plan);
    warm_and_cross(rig);
    assert_int_equal(at(rig, 0)->kind, SP_REC_OPPORTUNITY_REJECTED);
    opened(rig, &plan);
    expect_rejected(rig, SP_REJECT_CAUSE_POSITION_OPEN, "already_long");
    closed(rig, &plan, 0);
    expect_planned(rig);
    rig_free(rig);
}

static void test_strategy_core_threats_of_others_block(void **state)
{
    struct sp_blueprint blueprint = small_blueprint();
    struct rig *rig = rig_new(&blueprint);
    union sp_body lost = {.threat = {.threat_id = {{8, 8}},
                                     .threat_type = sp_name_of("CONNECTION_LOST"),
                                     .severity = SP_SEVERITY_CRITICAL,
                                     .worker = sp_name_of("feed")}};

    (void)state;
    fact(rig, "marketdata", SP_REC_THREAT_DETECTED, &lost);
    struct sp_ref lost_ref = sp_record_ref(&rig->facts[rig->fact_count - 1]);
    fact(rig, "marketdata", SP_REC_THREAT_DETECTED, &lost); /* once more is still one */
    warm_and_cross(rig);
    assert_int_equal(at(rig, 0)->kind, SP_REC_OPPORTUNITY_REJECTED);
    assert_true(has_cause(at(rig, 0), &lost_ref));
    assert_true(
        sp_thr_id_eq(at(rig, 0)->body.opportunity_verdict.threat_ids.at[0], lost.threat.threat_id));
    fact(rig, "marketdata", SP_REC_THREAT_ENDED, &lost);
    assert_int_equal(sp_strategy_status(rig->strategy).threat_count, 0);
    lost.threat.symbol = sp_name_of("ETHUSDT");
    fact(rig, "marketdata", SP_REC_THREAT_DETECTED, &lost);
    expect_planned(rig);
    rig_free(rig);
}

/* Returns over two bars: one jump of 20 % is a deviation of about 10 %. */
static void test_strategy_core_one_threat_from_begin_to_end(void **state)
{
    struct sp_blueprint blueprint = small_blueprint();

    (void)state;
    blueprint_set(&blueprint, "volatility", "limit", "5%");
    struct rig *rig = rig_new(&blueprint);
    units(rig, 100);
    units(rig, 99);
    units(rig, 99);
    assert_int_equal(units(rig, 120), 3); /* threat, signal, rejection in one flow */
    const struct sp_record *begun = NULL, *rejected = at(rig, 0);
    for (uint32_t i = 0; i < rig->count; i++)
        if (rig->journal[i].kind == SP_REC_THREAT_DETECTED) begun = &rig->journal[i];
    assert_non_null(begun);
    assert_int_equal(rejected->kind, SP_REC_OPPORTUNITY_REJECTED);
    struct sp_ref begun_ref = sp_record_ref(begun);
    assert_true(has_cause(rejected, &begun_ref));
    assert_string_equal(begun->body.threat.worker.s, "volatility");
    assert_string_equal(begun->body.threat.tick.s, "bar 1s closes at 120.00 (11 trades)");

    assert_int_equal(units(rig, 90), 0); /* it lasts */
    assert_int_equal(units(rig, 90), 0);
    assert_int_equal(units(rig, 90), 1);
    const struct sp_record *ended = at(rig, 0);
    assert_int_equal(ended->kind, SP_REC_THREAT_ENDED);
    assert_true(sp_thr_id_eq(ended->body.threat.threat_id, begun->body.threat.threat_id));
    assert_int_equal(ended->body.threat.began.ns, begun->body.threat.began.ns);
    assert_int_equal(ended->body.threat.ended.ns, ended->time.ns);
    assert_true(has_cause(ended, &begun_ref));
    assert_int_equal(sp_strategy_status(rig->strategy).threat_count, 0);
    assert_int_equal(sp_strategy_status(rig->strategy).tallies.threats, 1);
    rig_free(rig);
}

static void test_strategy_core_too_small_is_rejected_after_acceptance(void **state)
{
    struct sp_blueprint blueprint = small_blueprint();
    struct rig *rig = rig_new(&blueprint);
    union sp_body broke = {.ledger_state = {.strategy_link_id = sp_name_of("ema"),
                                            .realised_pnl = {-9999 * SP_FX_ONE}}};

    (void)state;
    fact(rig, "execution", SP_REC_LEDGER_STATE_CHANGED, &broke);
    assert_int_equal(warm_and_cross(rig), 3);
    struct sp_ref accepted_ref = sp_record_ref(at(rig, 1));
    assert_int_equal(at(rig, 0)->kind, SP_REC_OPPORTUNITY_REJECTED);
    assert_int_equal(at(rig, 0)->body.opportunity_verdict.cause, SP_REJECT_CAUSE_LIMIT);
    assert_true(has_cause(at(rig, 0), &accepted_ref));
    assert_true(sp_trd_id_is_none(sp_strategy_status(rig->strategy).trade_id));
    rig_free(rig);
}

/* ---- Contracts ---- */

static void test_strategy_core_a_failed_flow_is_told_and_the_next_one_runs(void **state)
{
    struct sp_blueprint blueprint = small_blueprint();

    (void)state;
    blueprint.workers[3] = (struct sp_worker_config){.category = SP_CATEGORY_THREAT,
                                                     .id = sp_name_of("m"),
                                                     .plugin = sp_name_of("misbehave"),
                                                     .line = 40};
    struct rig *rig = rig_new(&blueprint);
    misdeed = "none";
    units(rig, 100);
    units(rig, 99);
    misdeed = "undeclared event";
    assert_int_equal(units(rig, 99), 1);
    const struct sp_flow_failed *failed = &at(rig, 0)->body.flow_failed;
    assert_int_equal(at(rig, 0)->kind, SP_REC_FLOW_FAILED);
    assert_string_equal(failed->worker.s, "m");
    assert_string_equal(failed->plugin.s, "misbehave");
    assert_string_equal(failed->contract.s, "UNDECLARED_EVENT");
    assert_int_equal(at(rig, 0)->by[0].seq, rig->next_tick - 1);
    misdeed = "empty threat"; /* declared, but without a severity */
    assert_int_equal(units(rig, 99), 1);
    assert_string_equal(failed[0].contract.s, "UNDECLARED_EVENT");
    assert_string_equal(at(rig, 0)->body.flow_failed.contract.s, "WORKER_ERROR");
    misdeed = "none";
    assert_int_equal(units(rig, 101), 3);
    assert_int_equal(at(rig, 0)->kind, SP_REC_PLAN_READY);
    struct sp_worker_counters counters = sp_strategy_counters(rig->strategy);
    assert_int_equal(counters.validation_errors, 1);
    assert_int_equal(counters.events_published, 5);
    assert_int_equal(counters.ticks_processed, 5);
    assert_int_equal(sp_strategy_status(rig->strategy).tallies.flows_failed, 2);
    rig_free(rig);
}

/* A failed flow plans nothing, even after an accepted opportunity. */
static void test_strategy_core_a_failed_flow_plans_nothing(void **state)
{
    struct sp_blueprint blueprint = small_blueprint();

    (void)state;
    blueprint.workers[3] = (struct sp_worker_config){.category = SP_CATEGORY_THREAT,
                                                     .id = sp_name_of("m"),
                                                     .plugin = sp_name_of("misbehave"),
                                                     .line = 40};
    struct rig *rig = rig_new(&blueprint);
    misdeed = "none";
    units(rig, 100);
    units(rig, 99);
    units(rig, 99);
    misdeed = "undeclared dto";
    assert_int_equal(units(rig, 101), 2);
    assert_int_equal(at(rig, 1)->kind, SP_REC_OPPORTUNITY_DETECTED);
    assert_int_equal(at(rig, 0)->kind, SP_REC_FLOW_FAILED);
    misdeed = "none";
    rig_free(rig);
}

/* ---- Replay ---- */

/* A market of 500 bars with bursts, and an execution that takes, refuses, opens and closes. */
static void play(struct rig *rig)
{
    uint64_t seed = 42;
    int64_t px = 100 * SP_FX_ONE;
    int64_t realised = 0;
    struct sp_plan plan = {0};

    for (uint32_t i = 0; i < 500; i++) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        int64_t step = (int64_t)(seed >> 33) % (i % 100 < 20 ? 2000000 : 200000000);
        px += (seed >> 60) % 2 == 0 ? step : -step;
        if (px < 50 * SP_FX_ONE) px = 100 * SP_FX_ONE;
        bar(rig, px);
        if (rig->decision.record_count > 0 && at(rig, 0)->kind == SP_REC_PLAN_READY) {
            plan = at(rig, 0)->body.plan;
            if (seed >> 62 == 0) {
                answer(rig, &plan, SP_REC_PLAN_REFUSED);
                plan = (struct sp_plan){0};
                continue;
            }
            answer(rig, &plan, SP_REC_PLAN_ACCEPTED);
            intent(rig, &plan);
            opened(rig, &plan);
        } else if (!sp_trd_id_is_none(plan.trade_id) && (seed >> 50) % 8 == 0) {
            realised += (int64_t)(seed >> 40) % 100 - 50;
            closed(rig, &plan, realised);
            plan = (struct sp_plan){0};
        }
    }
}

static struct rig *played(void)
{
    struct sp_blueprint blueprint = small_blueprint();

    blueprint_set(&blueprint, "volatility", "window_bars", "5");
    blueprint_set(&blueprint, "volatility", "limit", "90 bps");
    struct rig *rig = rig_new(&blueprint);
    play(rig);
    return rig;
}

static void test_strategy_core_same_inputs_same_records(void **state)
{
    struct rig *a = played(), *b = played();
    struct sp_strategy_tallies tallies = sp_strategy_status(a->strategy).tallies;

    (void)state;
    assert_true(tallies.opportunities > 20 && tallies.accepted > 5 && tallies.rejected > 5);
    assert_true(tallies.threats > 2 && tallies.plans > 5);
    assert_int_equal(tallies.opportunities, tallies.accepted + tallies.rejected);
    assert_int_equal(a->count, b->count);
    for (uint32_t i = 0; i < a->count; i++) {
        const struct sp_record *ra = &a->journal[i], *rb = &b->journal[i];
        assert_int_equal(ra->kind, rb->kind);
        assert_int_equal(ra->by_count, rb->by_count);
        for (uint32_t c = 0; c < ra->by_count; c++)
            assert_true(sp_ref_eq(&ra->by[c], &rb->by[c]));
        assert_true(sp_dto_equal(sp_schema_of(sp_kind_info(ra->kind)->dto), &ra->body, &rb->body));
    }
    rig_free(a);
    rig_free(b);
}

static void test_strategy_core_folding_rebuilds_what_is_authoritative(void **state)
{
    struct rig *rig = played();
    struct sp_strategy *again = open_strategy(&rig->blueprint);

    (void)state;
    for (uint32_t i = 0; i < rig->count; i++)
        sp_strategy_core.apply(again, &rig->journal[i]);
    for (uint32_t i = 0; i < rig->fact_count; i++)
        sp_strategy_fold(again, &rig->facts[i]);
    struct sp_strategy_status was = sp_strategy_status(rig->strategy);
    struct sp_strategy_status is = sp_strategy_status(again);
    assert_int_equal(is.bars_seen, 0);
    assert_false(is.is_warm);
    assert_true(sp_trd_id_eq(is.trade_id, was.trade_id));
    assert_int_equal(is.is_in_flight, was.is_in_flight);
    assert_int_equal(is.threat_count, was.threat_count);
    assert_int_equal(is.equity.e8, was.equity.e8);
    assert_memory_equal(&is.tallies, &was.tallies, sizeof is.tallies);
    sp_strategy_close(again);
    rig_free(rig);
}

/* Killed between the plan and its answer: the entry is in flight until execution says more. */
static void test_strategy_core_a_plan_without_answer_survives(void **state)
{
    struct sp_blueprint blueprint = small_blueprint();
    struct rig *rig = rig_new(&blueprint);

    (void)state;
    warm_and_cross(rig);
    struct sp_plan plan = at(rig, 0)->body.plan;
    sp_strategy_close(rig->strategy);
    rig->strategy = open_strategy(&blueprint);
    for (uint32_t i = 0; i < rig->count; i++)
        sp_strategy_core.apply(rig->strategy, &rig->journal[i]);
    warm_and_cross(rig);
    assert_int_equal(at(rig, 0)->body.opportunity_verdict.cause, SP_REJECT_CAUSE_POSITION_OPEN);
    answer(rig, &plan, SP_REC_PLAN_EXPIRED);
    expect_planned(rig);
    rig_free(rig);
}

/* A paced feed is replayed from its beginning after a restart: the bars warm the indicators, and
 * what was decided on them is not decided again. */
static void test_strategy_core_bars_are_decided_once(void **state)
{
    struct sp_blueprint blueprint = small_blueprint();
    struct rig *rig = rig_new(&blueprint);

    (void)state;
    warm_and_cross(rig);
    struct sp_plan plan = at(rig, 0)->body.plan;
    uint32_t written = rig->count;
    sp_strategy_close(rig->strategy);
    rig->strategy = open_strategy(&blueprint);
    for (uint32_t i = 0; i < written; i++)
        sp_strategy_core.apply(rig->strategy, &rig->journal[i]);
    answer(rig, &plan, SP_REC_PLAN_EXPIRED);
    rig->next_tick = 1000;
    rig->seconds = 0;
    assert_int_equal(warm_and_cross(rig), 0);
    assert_int_equal(rig->count, written);
    assert_true(sp_strategy_status(rig->strategy).is_warm);
    expect_planned(rig);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strategy_core_a_cross_becomes_an_explained_plan),
        cmocka_unit_test(test_strategy_core_is_silent_until_warm),
        cmocka_unit_test(test_strategy_core_a_gap_means_cold),
        cmocka_unit_test(test_strategy_core_two_signals_of_one_bar_make_one_plan),
        cmocka_unit_test(test_strategy_core_one_trade_at_a_time),
        cmocka_unit_test(test_strategy_core_facts_of_other_links_are_not_ours),
        cmocka_unit_test(test_strategy_core_adopts_its_unknown_trades),
        cmocka_unit_test(test_strategy_core_threats_of_others_block),
        cmocka_unit_test(test_strategy_core_one_threat_from_begin_to_end),
        cmocka_unit_test(test_strategy_core_too_small_is_rejected_after_acceptance),
        cmocka_unit_test(test_strategy_core_a_failed_flow_is_told_and_the_next_one_runs),
        cmocka_unit_test(test_strategy_core_a_failed_flow_plans_nothing),
        cmocka_unit_test(test_strategy_core_same_inputs_same_records),
        cmocka_unit_test(test_strategy_core_folding_rebuilds_what_is_authoritative),
        cmocka_unit_test(test_strategy_core_a_plan_without_answer_survives),
        cmocka_unit_test(test_strategy_core_bars_are_decided_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
