/* Each plugin alone, on planted values. */
#include "planted.h"
#include "proto/decimal.h"

/* ---- ema ---- */

/* alpha of period 3 is 0.5: 100, 104 -> 102, 97 -> 99.5. Of period 2 it is 0.66666667: 100, then
 * 103 -> 102.00000001 (3 * 0.66666667), then 103 -> 102.6666666733... */
static void test_plugins_ema_values_by_hand(void **state)
{
    static const struct {
        const char *period;
        int64_t closes[4], values[4];
    } rows[] = {
        {"3",
         {10000000000, 10400000000, 9700000000, 9700000000},
         {10000000000, 10200000000, 9950000000, 9825000000}},
        {"2",
         {10000000000, 10300000000, 10300000000, 10000000000},
         {10000000000, 10200000001, 10266666667, 10088888888}},
        {"1", {10000000000, 10300000000, 1, 2}, {10000000000, 10300000000, 1, 2}},
        /* alpha 0.00001999..98 -> 0.00002000: small steps survive below 1e-8 */
        {"100000",
         {10000000000, 10000000001, 10000025001, 10000050000},
         {10000000000, 10000000000, 10000000001, 10000000002}},
    };

    (void)state;
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        struct sp_blueprint blueprint = {.worker_count = 0};
        worker_param(blueprint_add(&blueprint, SP_CATEGORY_CONTEXT, "e", "ema"), "period",
                     rows[r].period);
        blueprint_add(&blueprint, SP_CATEGORY_QUALIFICATION, "q", "curious");
        struct sp_pipeline *pipeline = open_with(&blueprint);
        for (uint32_t i = 0; i < 4; i++) {
            struct sp_flow_base base = base_of(rows[r].closes[i]);
            run_to(pipeline, &base, 1);
            assert_int_equal(curious_value, rows[r].values[i]);
        }
        sp_pipeline_close(pipeline);
    }
}

/* ---- momentum_cross ---- */

static struct sp_pipeline *open_cross(const char *min_gap)
{
    struct sp_blueprint blueprint = {.worker_count = 0};
    struct sp_worker_config *cross;

    blueprint_add(&blueprint, SP_CATEGORY_CONTEXT, "ema_fast", "plant_fast");
    blueprint_add(&blueprint, SP_CATEGORY_CONTEXT, "ema_slow", "plant_slow");
    cross = blueprint_add(&blueprint, SP_CATEGORY_OPPORTUNITY, "cross", "momentum_cross");
    worker_read(cross, "fast", "ema_fast");
    worker_read(cross, "slow", "ema_slow");
    worker_param(cross, "min_gap", min_gap);
    return open_with(&blueprint);
}

/* Whether the cross fires with these averages. */
static bool crosses(struct sp_pipeline *pipeline, int64_t fast, int64_t slow,
                    struct sp_worker_result *out)
{
    struct sp_flow_base base = base_of(INT64_C(6214836000000));

    planted_fast = fast;
    planted_slow = slow;
    *out = run_to(pipeline, &base, 2);
    return out->type == SP_PUBLISH;
}

/* 0.8 bps of 100 is 0.008: at 100.00800000 the gap is exactly the limit. */
static void test_plugins_cross_fires_at_the_limit_and_not_below(void **state)
{
    const int64_t slow = 100 * SP_FX_ONE;
    struct sp_worker_result result;

    (void)state;
    for (int64_t off = -2; off <= 1; off++) {
        struct sp_pipeline *pipeline = open_cross("0.8 bps");
        assert_false(crosses(pipeline, slow, slow, &result));
        /* One unit of the gap is 100 units of the price here; it rounds half away from zero. */
        assert_int_equal(crosses(pipeline, slow + 800000 + off * 50, slow, &result), off >= -1);
        sp_pipeline_close(pipeline);
    }
}

static void test_plugins_cross_fires_once_per_crossing(void **state)
{
    const int64_t slow = 100 * SP_FX_ONE, above = slow + 900000;
    struct sp_pipeline *pipeline = open_cross("0.8 bps");
    struct sp_worker_result result;

    (void)state;
    /* Above from the beginning: it has not risen above. */
    assert_false(crosses(pipeline, above, slow, &result));
    assert_false(crosses(pipeline, slow - 1, slow, &result));
    /* Above, but not far enough; then far enough, later. */
    assert_false(crosses(pipeline, slow + 1, slow, &result));
    assert_true(crosses(pipeline, above, slow, &result));
    assert_false(crosses(pipeline, above, slow, &result));
    assert_false(crosses(pipeline, slow + 1, slow, &result));
    assert_false(crosses(pipeline, above, slow, &result));
    /* Equal is not above: it arms again. */
    assert_false(crosses(pipeline, slow, slow, &result));
    assert_true(crosses(pipeline, above, slow, &result));
    /* A gap in the data: what was below before says nothing any more. */
    assert_false(crosses(pipeline, slow, slow, &result));
    sp_pipeline_reset(pipeline);
    assert_false(crosses(pipeline, above, slow, &result));
    sp_pipeline_close(pipeline);
}

static void test_plugins_cross_explains_itself(void **state)
{
    struct sp_pipeline *pipeline = open_cross("0.8 bps");
    struct sp_worker_result result;
    char text[SP_E8_TEXT_SIZE];

    (void)state;
    assert_false(crosses(pipeline, 1, 2, &result));
    assert_true(crosses(pipeline, INT64_C(6214690000000), INT64_C(6214074000000), &result));
    const struct sp_opportunity *signal = &result.payload->body.opportunity;
    assert_int_equal(result.event, SP_WORKER_SIGNAL_GENERATED);
    assert_int_equal(signal->side, SP_SIDE_BUY);
    assert_int_equal(signal->px.e8, INT64_C(6214836000000));
    assert_string_equal(signal->rule.s, "ema_fast 62,146.90 rose above ema_slow 62,140.74, "
                                        "gap 0.99 bps >= min_gap 0.8 bps");
    assert_int_equal(signal->values.count, 4);
    assert_string_equal(signal->values.at[0].name.s, "ema_fast");
    assert_string_equal(signal->values.at[0].value.s, "62146.9");
    assert_string_equal(signal->values.at[2].value.s, "0.00009913");
    /* 9913 / (9913 + 8000) */
    assert_string_equal(sp_e8_format(signal->confidence.e8, text), "0.55339697");
    sp_pipeline_close(pipeline);
}

/* ---- volatility_spike ---- */

static struct sp_pipeline *open_spike(const char *window, const char *limit)
{
    struct sp_blueprint blueprint = {.worker_count = 0};
    struct sp_worker_config *spike =
        blueprint_add(&blueprint, SP_CATEGORY_THREAT, "volatility", "volatility_spike");

    worker_param(spike, "window_bars", window);
    worker_param(spike, "limit", limit);
    worker_param(spike, "severity", "HIGH");
    return open_with(&blueprint);
}

static struct sp_worker_result close_at(struct sp_pipeline *pipeline, int64_t close, bool is_active)
{
    struct sp_flow_base base = base_of(close);

    base.threat_count = is_active;
    base.threats[0] = (struct sp_active_threat){.worker = sp_name_of("volatility"),
                                                .is_own = true,
                                                .severity = SP_SEVERITY_HIGH};
    return run_to(pipeline, &base, 0);
}

/* Returns of window 2: r, 0 -> deviation r / 2. A step of 2 bps is a deviation of exactly 1 bps. */
static void test_plugins_volatility_begins_above_and_ends_below(void **state)
{
    const int64_t px = 10000 * SP_FX_ONE;
    static const struct {
        int64_t step;
        bool begins, ends;
    } rows[] = {{199990000, false, true}, {200000000, false, false}, {200030000, true, false}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (int active = 0; active <= 1; active++) {
            struct sp_pipeline *pipeline = open_spike("2", "1 bps");
            assert_int_equal(close_at(pipeline, px, active).type, SP_STOP);
            assert_int_equal(close_at(pipeline, px, active).type, SP_STOP); /* window not full */
            struct sp_worker_result result = close_at(pipeline, px + rows[i].step, active);
            bool expected = active ? rows[i].ends : rows[i].begins;
            assert_int_equal(result.type, expected ? SP_PUBLISH : SP_STOP);
            if (expected)
                assert_int_equal(result.event,
                                 active ? SP_WORKER_THREAT_ENDED : SP_WORKER_THREAT_DETECTED);
            sp_pipeline_close(pipeline);
        }
    }
}

/* Returns +3 bps, -1 bps, +1 bps, -3 bps have mean 0 and deviation sqrt(20 / 4) = 2.236 bps. */
static void test_plugins_volatility_deviation_by_hand(void **state)
{
    static const int64_t closes[] = {1000000000000, 1000300000000, 1000199970000, 1000299989997,
                                     999999899999};
    struct sp_pipeline *pipeline = open_spike("4", "2.2 bps");
    struct sp_worker_result result = {0};

    (void)state;
    for (size_t i = 0; i < 5; i++)
        result = close_at(pipeline, closes[i], false);
    assert_int_equal(result.type, SP_PUBLISH);
    const struct sp_threat *threat = &result.payload->body.threat;
    assert_string_equal(threat->rule.s,
                        "deviation of 1 s returns over 4 bars 2.24 bps > limit 2.2 bps");
    assert_string_equal(threat->values.at[0].value.s, "0.0002236"); /* floor(22360.67) */
    assert_int_equal(threat->severity, SP_SEVERITY_HIGH);
    sp_pipeline_reset(pipeline);
    assert_int_equal(close_at(pipeline, 1, true).type, SP_STOP);
    sp_pipeline_close(pipeline);
}

/* A window that slides over extremes keeps exact sums. */
static void test_plugins_volatility_survives_extremes(void **state)
{
    struct sp_pipeline *pipeline = open_spike("400", "100%");

    (void)state;
    for (uint32_t i = 0; i < 2000; i++)
        close_at(pipeline, i % 2 == 0 ? 1 : INT64_MAX, true);
    for (uint32_t i = 0; i < 399; i++)
        assert_int_equal(close_at(pipeline, 10000, true).type, SP_STOP);
    assert_int_equal(close_at(pipeline, 10000, true).event, SP_WORKER_THREAT_ENDED);
    sp_pipeline_close(pipeline);
}

/* ---- block_on_threat ---- */

enum { QUALIFY = 4, ENTRY = 5, EXIT, SIZE, ROUTE };

/* Runs workers first..last of the demo for one opportunity. */
static struct sp_worker_result branch(struct sp_pipeline *pipeline, const struct sp_flow_base *base,
                                      uint32_t first, uint32_t last)
{
    static const struct sp_opportunity signal = {.side = SP_SIDE_BUY};
    struct sp_worker_result result = {0};

    sp_pipeline_begin(pipeline, base);
    sp_pipeline_begin_branch(pipeline, &signal);
    for (uint32_t i = first; i <= last; i++)
        if (!sp_pipeline_run(pipeline, i, &result) || result.type == SP_STOP)
            fail_msg("%s", sp_pipeline_failure(pipeline)->reason.s);
    return result;
}

static struct sp_active_threat threat_of(const char *plugin, uint8_t severity, uint64_t id)
{
    return (struct sp_active_threat){.threat_id = {{1, id}},
                                     .threat_type = sp_name_of("THE_TYPE"),
                                     .plugin = sp_name_of(plugin),
                                     .severity = severity};
}

static void test_plugins_block_verdicts(void **state)
{
    struct sp_blueprint blueprint = blueprint_ema_cross();
    struct sp_pipeline *pipeline = open_with(&blueprint);
    struct sp_flow_base base = base_of(SP_FX_ONE);
    struct sp_worker_result result = branch(pipeline, &base, QUALIFY, QUALIFY);
    const struct sp_opportunity_verdict *verdict = &result.payload->body.opportunity_verdict;

    (void)state;
    assert_int_equal(result.event, SP_WORKER_OPPORTUNITY_ACCEPTED);
    assert_string_equal(verdict->reason.s, "no active threat, no open position");

    base.threats[base.threat_count++] = threat_of("minor", SP_SEVERITY_MEDIUM, 1);
    result = branch(pipeline, &base, QUALIFY, QUALIFY);
    assert_int_equal(result.event, SP_WORKER_OPPORTUNITY_ACCEPTED);
    assert_string_equal(verdict->reason.s, "no active threat that blocks, no open position");

    base.trade_id = (sp_trd_id){{7, 7}};
    base.in_flight = true;
    result = branch(pipeline, &base, QUALIFY, QUALIFY);
    assert_int_equal(result.event, SP_WORKER_OPPORTUNITY_REJECTED);
    assert_int_equal(verdict->cause, SP_REJECT_CAUSE_POSITION_OPEN);
    assert_true(sp_trd_id_eq(verdict->trade_id, base.trade_id));
    assert_string_equal(verdict->reason.s, "already_long: the entry of trd_000007 is in flight");
    assert_string_equal(verdict->values.at[0].value.s, "already_long");

    base.threats[base.threat_count++] = threat_of("volatility_spike", SP_SEVERITY_HIGH, 2);
    base.threats[base.threat_count++] = threat_of("", SP_SEVERITY_CRITICAL, 3);
    result = branch(pipeline, &base, QUALIFY, QUALIFY);
    assert_int_equal(verdict->cause, SP_REJECT_CAUSE_THREAT);
    assert_int_equal(verdict->threat_ids.count, 2);
    assert_int_equal(verdict->threat_ids.at[0].raw.lo, 2);
    assert_string_equal(verdict->reason.s, "THE_TYPE (CRITICAL)");
    assert_string_equal(verdict->rule.s,
                        "an active threat of severity HIGH or above blocks entries");
    assert_string_equal(verdict->configured_at.s,
                        "config/demo/strategies/ema_cross.json:51, block_from");
    sp_pipeline_close(pipeline);
}

/* ---- planning ---- */

static void test_plugins_planning_exact_numbers(void **state)
{
    struct sp_blueprint blueprint = blueprint_ema_cross();
    struct sp_pipeline *pipeline = open_with(&blueprint);
    struct sp_flow_base base = base_of(INT64_C(6214836000000));

    (void)state;
    base.now.ns = 1000;
    struct sp_worker_result result = branch(pipeline, &base, ENTRY, ROUTE);
    assert_int_equal(result.event, SP_WORKER_PLAN_READY);
    const struct sp_plan *plan = &result.payload->body.plan;
    assert_int_equal(plan->stop_px.e8, INT64_C(6196191000000));
    assert_int_equal(plan->target_px.e8, INT64_C(6252125000000));
    assert_int_equal(plan->qty.e8, 8055000);
    assert_int_equal(plan->risk.e8, 1501854750); /* 0.08055 * 186.45 */
    assert_int_equal(plan->capital.e8, base.equity.e8);
    assert_int_equal(plan->valid_until.ns, 500001000);
    assert_string_equal(plan->entry.s, "market");
    assert_string_equal(plan->exit.s, "stop 61,961.91 (-0.3 %), target 62,521.25 (+0.6 %)");
    assert_string_equal(plan->size.s,
                        "0.08055 BTC = risk 15.02 USDT (0.15 % of 10,012.42) / 186.45 per BTC");
    assert_string_equal(plan->route.s, "IOC, valid 500 ms");
    sp_pipeline_close(pipeline);
}

static void test_plugins_size_is_capped_by_what_it_can_afford(void **state)
{
    struct sp_blueprint blueprint = blueprint_ema_cross();
    struct sp_flow_base base = base_of(INT64_C(6214836000000));

    (void)state;
    blueprint_set(&blueprint, "size", "risk", "2%");
    struct sp_pipeline *pipeline = open_with(&blueprint);
    struct sp_worker_result result = branch(pipeline, &base, ENTRY, ROUTE);
    /* 10,012.42 * 0.95 / 62,148.36 = 0.1530499... */
    assert_int_equal(result.payload->body.plan.qty.e8, 15304000);
    assert_string_equal(result.payload->body.plan.size.s,
                        "0.15304 BTC = 95 % of equity, less than the risk would allow");
    sp_pipeline_close(pipeline);
}

/* 5 USDT is the least: a loss that leaves 33 USDT of equity makes 0.00026 BTC, 16.15 USDT; 10 USDT
 * makes 0.00008 BTC, 4.97 USDT; nothing is left at all. */
static void test_plugins_size_too_small_is_rejected(void **state)
{
    static const struct {
        int64_t equity;
        enum sp_worker_event event;
    } rows[] = {{3300000000, SP_WORKER_PLAN_READY},
                {1000000000, SP_WORKER_OPPORTUNITY_REJECTED},
                {0, SP_WORKER_OPPORTUNITY_REJECTED},
                {-5, SP_WORKER_OPPORTUNITY_REJECTED}};
    struct sp_blueprint blueprint = blueprint_ema_cross();
    struct sp_pipeline *pipeline = open_with(&blueprint);

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sp_flow_base base = base_of(INT64_C(6214836000000));
        base.equity.e8 = rows[i].equity;
        bool is_plan = rows[i].event == SP_WORKER_PLAN_READY;
        struct sp_worker_result result = branch(pipeline, &base, ENTRY, is_plan ? ROUTE : SIZE);
        assert_int_equal(result.event, rows[i].event);
        if (is_plan) continue;
        const struct sp_opportunity_verdict *verdict = &result.payload->body.opportunity_verdict;
        assert_int_equal(verdict->cause, SP_REJECT_CAUSE_LIMIT);
        assert_string_equal(verdict->rule.s, "the venue takes at least 0.00001 BTC and 5.00 USDT");
    }
    sp_pipeline_close(pipeline);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plugins_ema_values_by_hand),
        cmocka_unit_test(test_plugins_cross_fires_at_the_limit_and_not_below),
        cmocka_unit_test(test_plugins_cross_fires_once_per_crossing),
        cmocka_unit_test(test_plugins_cross_explains_itself),
        cmocka_unit_test(test_plugins_volatility_begins_above_and_ends_below),
        cmocka_unit_test(test_plugins_volatility_deviation_by_hand),
        cmocka_unit_test(test_plugins_volatility_survives_extremes),
        cmocka_unit_test(test_plugins_block_verdicts),
        cmocka_unit_test(test_plugins_planning_exact_numbers),
        cmocka_unit_test(test_plugins_size_is_capped_by_what_it_can_afford),
        cmocka_unit_test(test_plugins_size_too_small_is_rejected),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
