#include "blueprint.h"
#include "common/workers/worker_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static struct sp_problems problems;

static void validate(const struct sp_blueprint *blueprint)
{
    memset(&problems, 0, sizeof problems);
    sp_workers_validate(blueprint, &problems);
}

/* Whether exactly these problems are there, in order: "LINE: text". */
static void expect(const struct sp_blueprint *blueprint, const char *const *texts, uint32_t count)
{
    char seen[300];

    validate(blueprint);
    for (uint32_t i = 0; i < problems.count && i < count; i++) {
        snprintf(seen, sizeof seen, "%u: %s", problems.at[i].line, problems.at[i].text);
        assert_string_equal(seen, texts[i]);
        assert_string_equal(problems.at[i].file, "config/demo/strategies/ema_cross.json");
    }
    assert_int_equal(problems.count, count);
}

static void expect_one(const struct sp_blueprint *blueprint, const char *text)
{
    expect(blueprint, &text, 1);
}

static void test_workers_check_demo_is_valid(void **state)
{
    struct sp_blueprint blueprint = blueprint_ema_cross();

    (void)state;
    expect(&blueprint, NULL, 0);
}

static void test_workers_check_unknown_plugin_is_guessed(void **state)
{
    struct sp_blueprint blueprint = blueprint_ema_cross();

    (void)state;
    blueprint_worker(&blueprint, "volatility")->plugin = sp_name_of("volatilty_spike");
    expect_one(&blueprint, "40: worker 'volatility': there is no plugin 'volatilty_spike'");
    assert_string_equal(problems.at[0].hint, "did you mean 'volatility_spike'?");
}

static void test_workers_check_category_must_fit(void **state)
{
    struct sp_blueprint blueprint = blueprint_ema_cross();

    (void)state;
    blueprint_worker(&blueprint, "ema_fast")->category = SP_CATEGORY_THREAT;
    expect_one(&blueprint,
               "10: worker 'ema_fast': ema is a worker of category context, not threat");
}

static void test_workers_check_params(void **state)
{
    struct sp_blueprint blueprint = blueprint_ema_cross();
    static const char *const texts[] = {
        "11: worker 'ema_fast': period is '20.5': value has the wrong type",
        "21: worker 'ema_slow': period is 0, below the minimum 1",
        "31: worker 'cross': momentum_cross has no parameter 'min_gab'",
        "72: worker 'exit': target is 1001%, above the maximum 1000%",
        "80: worker 'size': parameter 'risk' is missing",
        "91: worker 'route': time_in_force is 'DAY': value has the wrong type",
    };

    (void)state;
    blueprint_set(&blueprint, "ema_fast", "period", "20.5");
    blueprint_set(&blueprint, "ema_slow", "period", "0");
    blueprint_worker(&blueprint, "cross")->params[0].key = sp_name_of("min_gab");
    blueprint_set(&blueprint, "exit", "target", "1001%");
    blueprint_worker(&blueprint, "size")->param_count = 0;
    blueprint_set(&blueprint, "route", "time_in_force", "DAY");
    expect(&blueprint, texts, 6);
    assert_string_equal(problems.at[2].hint, "did you mean 'min_gap'?");
    assert_string_equal(problems.at[5].hint, "write GTC, IOC or FOK");
    assert_int_equal(problems.errors, 6);
}

static void test_workers_check_producers(void **state)
{
    struct sp_blueprint blueprint = blueprint_ema_cross();
    struct sp_worker_config *cross = blueprint_worker(&blueprint, "cross");
    static const char *const texts[] = {
        "30: worker 'cross' reads 'fast': there is no worker 'ema_fats'",
        "30: worker 'cross' reads ema of 'volatility', but volatility_spike does not produce it",
    };

    (void)state;
    cross->reads[0].producer = sp_name_of("ema_fats");
    cross->reads[1].producer = sp_name_of("volatility");
    expect(&blueprint, texts, 2);
    assert_string_equal(problems.at[0].hint, "did you mean 'ema_fast'?");
    cross->reads[0].alias = sp_name_of("fasd");
    cross->read_count = 1;
    validate(&blueprint);
    assert_string_equal(problems.at[0].text, "worker 'cross': momentum_cross has no input 'fasd'");
    assert_string_equal(problems.at[1].text, "worker 'cross' reads ema, which 2 workers produce");
    assert_string_equal(problems.at[1].hint, "name one: \"reads\": {\"fast\": \"ema_slow\"}");
}

static void test_workers_check_missing_producer(void **state)
{
    struct sp_blueprint blueprint = blueprint_ema_cross();

    (void)state;
    /* Without the exit planner, size and route need what nobody writes. */
    memmove(&blueprint.workers[6], &blueprint.workers[7], 2 * sizeof blueprint.workers[0]);
    blueprint.worker_count--;
    expect(&blueprint,
           (const char *const[]){"80: worker 'size' needs exit_plan, which no worker produces",
                                 "90: worker 'route' needs exit_plan, which no worker produces"},
           2);
}

static void test_workers_check_order(void **state)
{
    struct sp_blueprint blueprint = blueprint_ema_cross();
    struct sp_worker_config exit = blueprint.workers[6];

    (void)state;
    blueprint.workers[6] = blueprint.workers[7];
    blueprint.workers[7] = exit;
    expect_one(&blueprint, "80: worker 'size' needs 'exit', which runs after it");
}

static void test_workers_check_duplicate_id(void **state)
{
    struct sp_blueprint blueprint = blueprint_ema_cross();

    (void)state;
    blueprint.workers[3].id = sp_name_of("cross");
    expect_one(&blueprint, "40: worker id 'cross' is used twice");
}

static void test_workers_check_subscriber_without_publisher(void **state)
{
    struct sp_blueprint blueprint = blueprint_ema_cross();

    (void)state;
    /* Without the opportunity worker. */
    memmove(&blueprint.workers[2], &blueprint.workers[3], 6 * sizeof blueprint.workers[0]);
    blueprint.worker_count--;
    expect_one(&blueprint,
               "50: worker 'qualify' waits for SIGNAL_GENERATED, which nothing publishes");
}

static void test_workers_check_dead_end_is_a_warning(void **state)
{
    struct sp_blueprint blueprint = blueprint_ema_cross();

    (void)state;
    blueprint.worker_count = 4;
    expect_one(&blueprint,
               "30: worker 'cross' publishes SIGNAL_GENERATED, which no worker waits for");
    assert_true(problems.at[0].is_warning);
    assert_int_equal(problems.errors, 0);
}

static void test_workers_check_too_many_detectors(void **state)
{
    struct sp_blueprint blueprint = blueprint_ema_cross();
    struct sp_worker_config after[5];
    char id[8];

    (void)state;
    /* The blueprint is in the order of the categories. */
    memcpy(after, &blueprint.workers[4], sizeof after);
    blueprint.worker_count = 4;
    for (uint32_t i = 0; i < SP_DETECTORS_MAX; i++) {
        snprintf(id, sizeof id, "v%u", i);
        worker_param(blueprint_add(&blueprint, SP_CATEGORY_THREAT, id, "volatility_spike"), "limit",
                     "1 bps");
    }
    memcpy(&blueprint.workers[blueprint.worker_count], after, sizeof after);
    blueprint.worker_count += 5;
    expect_one(&blueprint, "100: more than 6 threat workers");
}

/* ---- Plugins that only exist here ---- */

static struct sp_disposition never(void *state, struct sp_flow *flow)
{
    (void)state;
    (void)flow;
    return sp_stop();
}

static const struct sp_plugin smooth = {
    .manifest = "{\"name\": \"smooth\", \"version\": \"1\", \"category\": \"context\","
                " \"subtype\": \"x\", \"about\": \"reads an ema and writes one\","
                " \"requires_dtos\": [{\"alias\": \"in\", \"dto\": \"ema\"}],"
                " \"produces_dtos\": [\"ema\"], \"publishes\": [],"
                " \"listens\": [\"TICK_FLOW_START\"], \"params\": {}}",
    .process = never,
};
static const struct sp_plugin watcher = {
    .manifest = "{\"name\": \"watcher\", \"version\": \"1\", \"category\": \"threat\","
                " \"subtype\": \"x\", \"about\": \"reads what runs beside it\","
                " \"requires_dtos\": [{\"alias\": \"in\", \"dto\": \"size_plan\"}],"
                " \"produces_dtos\": [\"size_plan\"], \"publishes\": [],"
                " \"listens\": [], \"params\": {}}",
    .process = never,
};
static const struct sp_plugin impatient = {
    .manifest = "{\"name\": \"impatient\", \"version\": \"1\", \"category\": \"opportunity\","
                " \"subtype\": \"x\", \"about\": \"detects plans\", \"requires_dtos\": [],"
                " \"produces_dtos\": [], \"publishes\": [\"SIGNAL_GENERATED\", \"PLAN_READY\"],"
                " \"listens\": [\"PLAN_READY\"], \"params\": {}}",
    .process = never,
};

static void expect_with(const struct sp_blueprint *blueprint, const struct sp_plugin *plugin,
                        const char *text)
{
    const struct sp_plugin *plugins[16] = {plugin};
    const struct sp_registry *builtin = sp_registry_builtin();
    struct sp_registry registry = {.count = builtin->count + 1, .plugins = plugins};
    struct sp_wiring *wiring = calloc(1, sizeof *wiring);
    char all[1000] = "";

    assert_true(builtin->count < 16);
    memcpy(&plugins[1], builtin->plugins, builtin->count * sizeof plugins[0]);
    memset(&problems, 0, sizeof problems);
    assert_false(sp_wiring_build(blueprint, &registry, wiring, &problems));
    for (uint32_t i = 0; i < problems.count; i++) {
        size_t len = strlen(all);
        snprintf(all + len, sizeof all - len, "%s\n", problems.at[i].text);
    }
    assert_string_equal(all, text);
    free(wiring);
}

static void test_workers_check_cycles_are_named(void **state)
{
    struct sp_blueprint blueprint = blueprint_ema_cross();

    (void)state;
    worker_read(blueprint_add(&blueprint, SP_CATEGORY_CONTEXT, "a", "smooth"), "in", "b");
    worker_read(blueprint_add(&blueprint, SP_CATEGORY_CONTEXT, "b", "smooth"), "in", "a");
    worker_read(blueprint_add(&blueprint, SP_CATEGORY_CONTEXT, "c", "smooth"), "in", "c");
    expect_with(&blueprint, &smooth,
                "cycle within a flow: a -> b -> a\ncycle within a flow: c -> c\n");
}

static void test_workers_check_siblings_must_not_read_each_other(void **state)
{
    struct sp_blueprint blueprint = blueprint_ema_cross();

    (void)state;
    blueprint.worker_count = 5;
    blueprint_add(&blueprint, SP_CATEGORY_THREAT, "w1", "watcher");
    worker_read(&blueprint.workers[5], "in", "w2");
    blueprint_add(&blueprint, SP_CATEGORY_THREAT, "w2", "watcher");
    worker_read(&blueprint.workers[6], "in", "w1");
    expect_with(&blueprint, &watcher,
                "worker 'qualify' publishes OPPORTUNITY_ACCEPTED, which no worker waits for\n"
                "worker 'w1' reads 'w2', which runs beside it\n"
                "worker 'w2' reads 'w1', which runs beside it\n");
}

static void test_workers_check_event_cycle(void **state)
{
    struct sp_blueprint blueprint = blueprint_ema_cross();

    (void)state;
    blueprint.workers[2] = (struct sp_worker_config){.category = SP_CATEGORY_OPPORTUNITY,
                                                     .id = sp_name_of("cross"),
                                                     .plugin = sp_name_of("impatient"),
                                                     .line = 30};
    validate(&blueprint);
    expect_with(
        &blueprint, &impatient,
        "worker 'cross': a worker of category opportunity cannot publish PLAN_READY\n"
        "cycle within a flow: cross -> cross\n"
        "cycle within a flow: cross -> qualify -> entry -> exit -> size -> route -> cross\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_workers_check_demo_is_valid),
        cmocka_unit_test(test_workers_check_unknown_plugin_is_guessed),
        cmocka_unit_test(test_workers_check_category_must_fit),
        cmocka_unit_test(test_workers_check_params),
        cmocka_unit_test(test_workers_check_producers),
        cmocka_unit_test(test_workers_check_missing_producer),
        cmocka_unit_test(test_workers_check_order),
        cmocka_unit_test(test_workers_check_duplicate_id),
        cmocka_unit_test(test_workers_check_subscriber_without_publisher),
        cmocka_unit_test(test_workers_check_dead_end_is_a_warning),
        cmocka_unit_test(test_workers_check_too_many_detectors),
        cmocka_unit_test(test_workers_check_cycles_are_named),
        cmocka_unit_test(test_workers_check_siblings_must_not_read_each_other),
        cmocka_unit_test(test_workers_check_event_cycle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
