/* A strategy through a snapshot: at every point of random histories what is saved, with the rest of
 * its journal and of the facts of others, is what folding everything from the beginning gives. */
#include "common/journal/state.h"
#include "common/journal/state_rows.h"
#include "strategy_rig.h"

#define STEPS      220
#define TEXT_BYTES 8192

/* The rows after a step, and how much of both journals they stand on. */
struct checkpoint {
    uint32_t count, fact_count;
    size_t len_bytes;
    char text[TEXT_BYTES];
};

static struct checkpoint points[STEPS];
static uint64_t seed;

static uint64_t next_random(void)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return seed >> 33;
}

static bool one_in(uint64_t n)
{
    return next_random() % n == 0;
}

static size_t save(const struct sp_strategy *strategy, char text[TEXT_BYTES])
{
    struct sp_rows_writer writer;

    sp_rows_begin(&writer, text, TEXT_BYTES);
    sp_strategy_core.save(strategy, &writer);
    assert_int_equal(sp_rows_end(&writer), SP_OK);
    return writer.len_bytes;
}

static sp_status load(struct sp_strategy *strategy, const char *text, size_t len_bytes)
{
    struct sp_rows_reader reader;
    struct sp_err err = {0};
    sp_status status = sp_rows_open(&reader, text, len_bytes, &err);

    return status == SP_OK ? sp_strategy_core.load(strategy, &reader, &err) : status;
}

static void check_same_rows(const struct sp_strategy *strategy, const char *text, size_t len_bytes)
{
    char is[TEXT_BYTES];

    assert_int_equal(save(strategy, is), len_bytes);
    assert_memory_equal(is, text, len_bytes);
}

/* ---- A history ---- */

static void foreign_threat(struct rig *rig)
{
    union sp_body body = {
        .threat = {.threat_id = {{8, next_random() % 4 + 1}},
                   .threat_type = sp_name_of("CONNECTION_LOST"),
                   .severity = (uint8_t)(one_in(4) ? SP_SEVERITY_CRITICAL : SP_SEVERITY_MEDIUM),
                   .worker = sp_name_of("feed")}};

    fact(rig, one_in(2) ? "marketdata" : "execution",
         one_in(3) ? SP_REC_THREAT_DETECTED : SP_REC_THREAT_ENDED, &body);
}

static void halt(struct rig *rig)
{
    union sp_body body = {.trading_state = {.trading = (uint8_t)(one_in(2) ? SP_TRADING_ALLOWED
                                                                           : SP_TRADING_STOPPED)}};

    fact(rig, "execution", SP_REC_TRADING_HALTED, &body);
}

/* Execution's next word on a plan; true: it was the last. */
static bool go_on(struct rig *rig, const struct sp_plan *plan, uint32_t *said)
{
    struct sp_plan other = *plan;

    other.strategy_link_id = sp_name_of("other");
    if (one_in(8)) opened(rig, &other);
    switch ((*said)++) {
    case 0:
        answer(rig, plan, one_in(4) ? SP_REC_PLAN_REFUSED : SP_REC_PLAN_ACCEPTED);
        return rig->facts[rig->fact_count - 1].kind == SP_REC_PLAN_REFUSED;
    case 1: intent(rig, plan); return false;
    case 2:
        if (one_in(4)) {
            entry_ends(rig, plan, SP_REC_ORDER_REJECTED);
            return true;
        }
        opened(rig, plan);
        return false;
    default: closed(rig, plan, (int64_t)(next_random() % 1000) - 500); return true;
    }
}

static void step(struct rig *rig, struct sp_plan *plan, uint32_t *said)
{
    int64_t most = rig->seconds / 20 % 4 == 0 ? 900 : 90; /* bursts are threats */
    int64_t move = (int64_t)(next_random() % (uint64_t)most) * SP_FX_ONE / 100;

    if (one_in(9)) foreign_threat(rig);
    if (one_in(20)) halt(rig);
    if (one_in(30)) rig->next_tick += 3; /* a gap */
    if (!sp_pln_id_is_none(plan->plan_id) && one_in(3) && go_on(rig, plan, said))
        *plan = (struct sp_plan){0};
    bar(rig, 100 * SP_FX_ONE + move);
    if (rig->decision.record_count == 0 || at(rig, 0)->kind != SP_REC_PLAN_READY) return;
    *plan = at(rig, 0)->body.plan;
    *said = 0;
}

static struct rig *history(uint64_t with)
{
    struct sp_blueprint blueprint = small_blueprint();
    struct sp_plan plan = {0};
    uint32_t said = 0;

    seed = with;
    blueprint_set(&blueprint, "volatility", "limit", "150 bps");
    blueprint_set(&blueprint, "volatility", "window_bars", "4");
    struct rig *rig = rig_new(&blueprint);
    for (uint32_t i = 0; i < STEPS; i++) {
        step(rig, &plan, &said);
        points[i].count = rig->count;
        points[i].fact_count = rig->fact_count;
        points[i].len_bytes = save(rig->strategy, points[i].text);
    }
    return rig;
}

/* As a start does it: its own journal, then the facts that follow what the books have. */
static struct sp_strategy *start(const struct rig *rig, const struct checkpoint *from)
{
    struct sp_strategy *strategy = open_strategy(&rig->blueprint);
    uint32_t own = 0, facts = 0;

    if (from != NULL) {
        assert_int_equal(load(strategy, from->text, from->len_bytes), SP_OK);
        check_same_rows(strategy, from->text, from->len_bytes);
        own = from->count;
    }
    for (; own < rig->count; own++)
        sp_strategy_core.apply(strategy, &rig->journal[own]);
    for (; facts < rig->fact_count; facts++) {
        const struct sp_record *record = &rig->facts[facts];
        if (record->seq > sp_strategy_place(strategy, &record->stream).seq)
            sp_strategy_fold(strategy, record);
    }
    return strategy;
}

/* ---- Tests ---- */

static void test_strategy_rows_snapshot_and_tail_equal_the_full_fold_at_every_point(void **state)
{
    const struct checkpoint *last = &points[STEPS - 1];
    uint32_t plans = 0, threats = 0, most_trades = 0;

    (void)state;
    for (uint64_t with = 1; with <= 12; with++) {
        struct rig *rig = history(with);
        struct sp_strategy *folded = start(rig, NULL);
        check_same_rows(folded, last->text, last->len_bytes);
        sp_strategy_close(folded);
        for (uint32_t i = 0; i < STEPS; i++) {
            struct sp_strategy *strategy = start(rig, &points[i]);
            check_same_rows(strategy, last->text, last->len_bytes);
            sp_strategy_close(strategy);
            if (strstr(points[i].text, "\"strategy_trade\"") != NULL) most_trades++;
        }
        plans += (uint32_t)sp_strategy_status(rig->strategy).tallies.plans;
        threats += (uint32_t)sp_strategy_status(rig->strategy).tallies.threats;
        rig_free(rig);
    }
    assert_true(plans > 60);
    assert_true(threats > 20);
    assert_true(most_trades > 200);
    print_message("%u plans, %u threats, %u points within a trade\n", plans, threats, most_trades);
}

/* Power cut at execution: what the books have was taken back, so they begin anew, and the newest
 * plan waits for its answer again. */
static void test_strategy_rows_books_begin_anew_after_a_rewind(void **state)
{
    struct sp_record rewound = {.stream = sp_name_of("strategy.ema"),
                                .epoch = 1,
                                .kind = SP_REC_STREAM_REWOUND};
    struct sp_blueprint blueprint = small_blueprint();
    struct rig *rig = rig_new(&blueprint);
    sp_name execution = sp_name_of("execution");
    char text[TEXT_BYTES];

    (void)state;
    warm_and_cross(rig);
    struct sp_plan plan = at(rig, 0)->body.plan;
    answer(rig, &plan, SP_REC_PLAN_ACCEPTED);
    intent(rig, &plan);
    opened(rig, &plan);
    closed(rig, &plan, 5 * SP_FX_ONE);
    size_t len_bytes = save(rig->strategy, text);
    struct sp_strategy *again = open_strategy(&blueprint);
    assert_int_equal(load(again, text, len_bytes), SP_OK);
    assert_int_equal(sp_strategy_place(again, &execution).seq, rig->fact_count);
    assert_true(sp_trd_id_is_none(sp_strategy_status(again).trade_id));
    rewound.seq = rig->count + 1;
    sp_strategy_core.apply(again, &rewound);
    assert_int_equal(sp_strategy_place(again, &execution).seq, 0);
    assert_true(sp_trd_id_eq(sp_strategy_status(again).trade_id, plan.trade_id));
    assert_true(sp_strategy_status(again).is_in_flight);
    assert_int_equal(sp_strategy_status(again).equity.e8, 10000 * SP_FX_ONE);
    for (uint32_t i = 0; i < rig->fact_count; i++)
        sp_strategy_fold(again, &rig->facts[i]);
    check_same_rows(again, text, len_bytes);
    sp_strategy_close(again);
    rig_free(rig);
}

/* Other workers decide from what the ones before did; a threat that nobody would end is dropped. */
static void test_strategy_rows_of_another_configuration_are_adapted(void **state)
{
    struct rig *rig = history(3);
    struct sp_blueprint other = rig->blueprint;

    (void)state;
    for (uint32_t i = 0; i < other.worker_count; i++)
        if (sp_name_is(&other.workers[i].id, "volatility"))
            other.workers[i].id = sp_name_of("renamed");
    uint32_t with = 0;
    for (uint32_t i = 0; i < STEPS && with == 0; i++)
        if (strstr(points[i].text, "\"worker\":\"volatility\"") != NULL) with = i;
    assert_true(with > 0);
    struct sp_strategy *strategy = open_strategy(&other);
    assert_int_equal(load(strategy, points[with].text, points[with].len_bytes), SP_OK);
    static char text[TEXT_BYTES];
    text[save(strategy, text)] = '\0';
    assert_null(strstr(text, "\"worker\":\"volatility\""));
    sp_strategy_close(strategy);
    other = rig->blueprint;
    blueprint_set(&other, "volatility", "limit", "9%"); /* the fold does not read it */
    strategy = open_strategy(&other);
    assert_int_equal(load(strategy, points[9].text, points[9].len_bytes), SP_OK);
    sp_strategy_close(strategy);
    rig_free(rig);
}

static void test_strategy_rows_that_are_not_whole_are_refused(void **state)
{
    static const struct {
        const char *from, *to;
    } faults[] = {{"{\"version\":1", "{\"version\":2"},
                  {"\"strategy_state\":", "\"strategy_stats\":"},
                  {"\"plans\":", "\"plaxs\":"},
                  {"\"strategy_place\":", "\"strategy_trade\":"}};
    struct rig *rig = history(4);
    const struct checkpoint *last = &points[STEPS - 1];
    char text[TEXT_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        struct sp_strategy *strategy = open_strategy(&rig->blueprint);
        memcpy(text, last->text, sizeof text);
        char *place = memmem(text, last->len_bytes, faults[i].from, strlen(faults[i].from));
        assert_non_null(place);
        memcpy(place, faults[i].to, strlen(faults[i].to));
        assert_int_not_equal(load(strategy, text, last->len_bytes), SP_OK);
        sp_strategy_close(strategy);
    }
    for (size_t cut = 1; cut < last->len_bytes - 16; cut++) {
        struct sp_strategy *strategy = open_strategy(&rig->blueprint);
        assert_int_not_equal(load(strategy, last->text, last->len_bytes - cut), SP_OK);
        sp_strategy_close(strategy);
    }
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strategy_rows_snapshot_and_tail_equal_the_full_fold_at_every_point),
        cmocka_unit_test(test_strategy_rows_books_begin_anew_after_a_rewind),
        cmocka_unit_test(test_strategy_rows_of_another_configuration_are_adapted),
        cmocka_unit_test(test_strategy_rows_that_are_not_whole_are_refused),
    };

    return cmocka_run_group_tests_name("strategy_rows", tests, NULL, NULL);
}
