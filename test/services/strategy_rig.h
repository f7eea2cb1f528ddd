/* A strategy driven as the shell drives it (decide, give the records their places, apply), with the
 * market and the execution that a test plays to it.
 */
#ifndef SP_TEST_SERVICES_STRATEGY_RIG_H
#define SP_TEST_SERVICES_STRATEGY_RIG_H

#include "../common/planted.h"
#include "services/strategy/strategy_core.h"

#define JOURNAL_MAX 1024

/* A strategy, its journal, and the facts of others that it was told. */
struct rig {
    struct sp_strategy *strategy;
    struct sp_blueprint blueprint;
    struct sp_decision decision;
    struct sp_record journal[JOURNAL_MAX];
    uint32_t count;
    struct sp_record facts[JOURNAL_MAX];
    uint32_t fact_count;
    uint64_t next_tick;
    int64_t seconds; /* market time */
};

/* Averages of 1 and 3 bars, so that a test can compute them: fast is the close. */
static inline struct sp_blueprint small_blueprint(void)
{
    struct sp_blueprint blueprint = blueprint_ema_cross();

    blueprint.warm_up_bars = 3;
    blueprint_set(&blueprint, "ema_fast", "period", "1");
    blueprint_set(&blueprint, "ema_slow", "period", "3");
    blueprint_set(&blueprint, "cross", "min_gap", "10 bps");
    blueprint_set(&blueprint, "volatility", "window_bars", "2");
    blueprint_set(&blueprint, "volatility", "limit", "50%");
    return blueprint;
}

static inline struct sp_strategy *open_strategy(const struct sp_blueprint *blueprint)
{
    static struct sp_link_config link;
    struct sp_instrument_config instrument = {.symbol = sp_name_of("BTCUSDT"),
                                              .base = sp_name_of("BTC"),
                                              .quote = sp_name_of("USDT"),
                                              .tick = {1000000},
                                              .step = {1000},
                                              .min_qty = {1000},
                                              .min_value = {5 * SP_FX_ONE}};
    const struct sp_plugin *plugins[16] = {&plugin_plant_fast, &plugin_plant_slow,
                                           &plugin_misbehave, &plugin_curious};
    const struct sp_registry *builtin = sp_registry_builtin();
    struct sp_registry registry = {.count = builtin->count + 4, .plugins = plugins};
    struct sp_strategy *strategy = NULL;
    struct sp_err err = {0};

    memcpy(&plugins[4], builtin->plugins, builtin->count * sizeof plugins[0]);
    link = (struct sp_link_config){.id = sp_name_of("ema"),
                                   .capital = {10000 * SP_FX_ONE},
                                   .blueprint = *blueprint};
    struct sp_strategy_options options = {.link = &link,
                                          .instrument = &instrument,
                                          .registry = &registry};
    if (sp_strategy_open(&options, &strategy, &err) != SP_OK) fail_msg("%s", err.text);
    return strategy;
}

static inline struct rig *rig_new(const struct sp_blueprint *blueprint)
{
    struct rig *rig = calloc(1, sizeof *rig);

    assert_non_null(rig);
    rig->blueprint = *blueprint;
    rig->strategy = open_strategy(blueprint);
    rig->next_tick = 1000;
    return rig;
}

static inline void rig_free(struct rig *rig)
{
    sp_strategy_close(rig->strategy);
    free(rig);
}

/* One event; returns how many records it led to. */
static inline uint32_t give(struct rig *rig, enum sp_event_type type,
                            const struct sp_record *record)
{
    struct sp_event event = {.type = type, .record = record, .now = {rig->seconds * 1000}};
    struct sp_decision *decision = &rig->decision;

    sp_decision_begin(decision);
    decision->installation = "demo";
    decision->stream = sp_name_of("strategy.ema");
    decision->epoch = 1;
    decision->next_seq = rig->count + 1;
    decision->time.ns = (rig->seconds + 1795370400) * INT64_C(1000000000);
    sp_strategy_core.decide(rig->strategy, &event, decision);
    for (uint32_t i = 0; i < decision->record_count; i++) {
        const struct sp_kind_info *info = sp_kind_info(decision->records[i].kind);
        struct sp_err err = {0};
        if (sp_validate(sp_schema_of(info->dto), &decision->records[i].body, &err) != SP_OK)
            fail_msg("%s", err.text);
        assert_true(!info->needs_cause || decision->records[i].by_count > 0);
        assert_true(rig->count < JOURNAL_MAX);
        rig->journal[rig->count++] = decision->records[i];
        sp_strategy_core.apply(rig->strategy, &decision->records[i]);
    }
    assert_int_equal(decision->effect_count, 0);
    return decision->record_count;
}

static inline struct sp_record tick_of(struct rig *rig, enum sp_kind kind)
{
    return (struct sp_record){.stream = sp_name_of("md.paper.BTCUSDT"),
                              .epoch = 5,
                              .seq = rig->next_tick++,
                              .kind = kind,
                              .time = {(rig->seconds + 1795370400) * INT64_C(1000000000)}};
}

/* One bar of a second, closing at px (1e-8). */
static inline uint32_t bar(struct rig *rig, int64_t px)
{
    rig->seconds++;
    struct sp_record tick = tick_of(rig, SP_REC_BAR);
    tick.body.bar = (struct sp_bar){.interval = {1000000000},
                                    .opened = {tick.time.ns - 1000000000},
                                    .open = {px},
                                    .high = {px},
                                    .low = {px},
                                    .close = {px},
                                    .volume = {SP_FX_ONE},
                                    .trade_count = 11,
                                    .received = {rig->seconds * 100}};
    return give(rig, SP_EVENT_TICK, &tick);
}

static inline uint32_t units(struct rig *rig, int64_t px)
{
    return bar(rig, px * SP_FX_ONE);
}

/* 100 99 100 and then 101: with averages of 1 and 3 bars that crosses at the fourth bar. */
static inline uint32_t warm_and_cross(struct rig *rig)
{
    units(rig, 100);
    units(rig, 99);
    units(rig, 99);
    return units(rig, 101);
}

/* Below, then above again. */
static inline uint32_t cross_again(struct rig *rig)
{
    assert_int_equal(units(rig, 99), 0);
    return units(rig, 102);
}

static inline const struct sp_record *at(const struct rig *rig, uint32_t back)
{
    assert_true(back < rig->count);
    return &rig->journal[rig->count - 1 - back];
}

static inline uint32_t fact(struct rig *rig, const char *stream, enum sp_kind kind,
                            const union sp_body *body)
{
    struct sp_record *record = &rig->facts[rig->fact_count++];

    assert_true(rig->fact_count < JOURNAL_MAX);
    *record = (struct sp_record){.stream = sp_name_of(stream),
                                 .epoch = 1,
                                 .seq = rig->fact_count,
                                 .kind = kind,
                                 .body = *body};
    return give(rig, SP_EVENT_RECORD, record);
}

/* What execution says about the last plan. */
static inline void answer(struct rig *rig, const struct sp_plan *plan, enum sp_kind kind)
{
    union sp_body body = {.plan_answer = {.plan_id = plan->plan_id,
                                          .trade_id = plan->trade_id,
                                          .strategy_link_id = plan->strategy_link_id}};

    fact(rig, "execution", kind, &body);
}

static inline void intent(struct rig *rig, const struct sp_plan *plan)
{
    union sp_body body = {.order_intent = {.order_id = {{9, plan->trade_id.raw.lo}},
                                           .plan_id = plan->plan_id,
                                           .trade_id = plan->trade_id,
                                           .strategy_link_id = plan->strategy_link_id,
                                           .role = SP_LEG_ROLE_ENTRY}};

    fact(rig, "execution", SP_REC_ORDER_INTENT, &body);
}

static inline void entry_ends(struct rig *rig, const struct sp_plan *plan, enum sp_kind kind)
{
    union sp_body body = {.order_event = {.order_id = {{9, plan->trade_id.raw.lo}},
                                          .trade_id = plan->trade_id,
                                          .strategy_link_id = plan->strategy_link_id}};

    fact(rig, "execution", kind, &body);
}

static inline void opened(struct rig *rig, const struct sp_plan *plan)
{
    union sp_body body = {
        .trade_opened = {.trade_id = plan->trade_id, .strategy_link_id = plan->strategy_link_id}};

    fact(rig, "execution", SP_REC_TRADE_OPENED, &body);
}

static inline void closed(struct rig *rig, const struct sp_plan *plan, int64_t realised_e8)
{
    union sp_body body = {
        .trade_closed = {.trade_id = plan->trade_id, .strategy_link_id = plan->strategy_link_id}};

    fact(rig, "execution", SP_REC_TRADE_CLOSED, &body);
    body = (union sp_body){.ledger_state = {.strategy_link_id = plan->strategy_link_id,
                                            .realised_pnl = {realised_e8}}};
    fact(rig, "execution", SP_REC_LEDGER_STATE_CHANGED, &body);
}

static inline bool has_cause(const struct sp_record *record, const struct sp_ref *cause)
{
    for (uint32_t i = 0; i < record->by_count; i++)
        if (sp_ref_eq(&record->by[i], cause)) return true;
    return false;
}

#endif
