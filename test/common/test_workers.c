/* Parameters, manifests and the contracts of the pipeline. */
#include "planted.h"

/* ---- Parameters and manifests ---- */

static void test_workers_params_parse_exactly(void **state)
{
    static const struct {
        enum sp_param_type type;
        const char *text;
        sp_status status;
        int64_t value;
    } rows[] = {
        {SP_PARAM_RATIO, "0.8 bps", SP_OK, 8000},
        {SP_PARAM_RATIO, "0.8bps", SP_OK, 8000},
        {SP_PARAM_RATIO, "0.15%", SP_OK, 150000},
        {SP_PARAM_RATIO, "0.6 %", SP_OK, 600000},
        {SP_PARAM_RATIO, "0.5", SP_OK, 50000000},
        {SP_PARAM_RATIO, "0.0001 bps", SP_OK, 1},
        {SP_PARAM_RATIO, "0.00001 bps", SP_RANGE, 0},
        {SP_PARAM_RATIO, "0.8  bps", SP_TYPE, 0},
        {SP_PARAM_RATIO, "bps", SP_TYPE, 0},
        {SP_PARAM_RATIO, "", SP_TYPE, 0},
        {SP_PARAM_RATIO, "1 percent", SP_TYPE, 0},
        {SP_PARAM_INT, "20", SP_OK, 20},
        {SP_PARAM_INT, "20.0", SP_TYPE, 0},
        {SP_PARAM_INT, "x", SP_TYPE, 0},
        {SP_PARAM_DURATION, "500ms", SP_OK, 500000000},
        {SP_PARAM_DURATION, "500", SP_TYPE, 0},
        {SP_PARAM_SEVERITY, "HIGH", SP_OK, SP_SEVERITY_HIGH},
        {SP_PARAM_SEVERITY, "high", SP_TYPE, 0},
        {SP_PARAM_SEVERITY, "", SP_TYPE, 0},
        {SP_PARAM_TIF, "IOC", SP_OK, SP_TIF_IOC},
    };
    char text[SP_PARAM_TEXT_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t value = -7;
        assert_int_equal(sp_param_parse(rows[i].type, rows[i].text, &value), rows[i].status);
        assert_int_equal(value, rows[i].status == SP_OK ? rows[i].value : -7);
    }
    assert_string_equal(sp_param_format(SP_PARAM_RATIO, 8000, text), "0.8 bps");
    assert_string_equal(sp_param_format(SP_PARAM_RATIO, 150000, text), "0.15%");
    assert_string_equal(sp_param_format(SP_PARAM_DURATION, 500000000, text), "500ms");
    assert_string_equal(sp_param_format(SP_PARAM_SEVERITY, SP_SEVERITY_HIGH, text), "HIGH");
}

static void test_workers_manifests_are_strict(void **state)
{
    static const struct {
        const char *json;
        sp_status status;
    } rows[] = {
        {"", SP_INVALID},
        {"{", SP_INVALID},
        {"[]", SP_INVALID},
        {"{\"name\": \"a\"}", SP_MISSING},
        {"{\"name\": \"a\", \"name\": \"b\"}", SP_EXISTS},
        {"{\"nome\": \"a\"}", SP_UNKNOWN_KIND},
        {"{\"category\": \"wizard\"}", SP_UNKNOWN_KIND},
        {"{\"produces_dtos\": [\"gold\"]}", SP_UNKNOWN_KIND},
        {"{\"publishes\": [\"HELLO\"]}", SP_UNKNOWN_KIND},
        {"{\"requires_dtos\": [{\"alias\": \"x\"}]}", SP_MISSING},
        {"{\"requires_dtos\": [{\"dto\": \"ema\", \"optional\": 1}]}", SP_TYPE},
        {"{\"params\": {\"p\": {\"default\": \"1\"}}}", SP_MISSING},
        {"{\"params\": {\"p\": {\"type\": \"int\", \"default\": \"x\"}}}", SP_TYPE},
        {"{\"params\": {\"p\": {\"type\": \"float\"}}}", SP_UNKNOWN_KIND},
        {"{\"params\": {} } x", SP_INVALID},
        {"{\"about\": \"never ends", SP_INVALID},
    };
    const struct sp_registry *builtin = sp_registry_builtin();
    struct sp_manifest manifest;
    struct sp_err err;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(sp_manifest_parse(rows[i].json, &manifest, &err), rows[i].status);
    for (uint32_t i = 0; i < builtin->count; i++) {
        assert_int_equal(sp_manifest_parse(builtin->plugins[i]->manifest, &manifest, &err), SP_OK);
        assert_ptr_equal(sp_registry_find(builtin, manifest.name.s, &manifest),
                         builtin->plugins[i]);
    }
    assert_null(sp_registry_find(builtin, "nothing", &manifest));
}

/* ---- Contracts ---- */

static void test_workers_broken_contracts_abort_and_the_next_flow_runs(void **state)
{
    static const struct {
        const char *misdeed, *contract, *reason;
    } rows[] = {
        {"undeclared dto", "UNDECLARED_DTO",
         "m (misbehave) wrote a DTO that its manifest does not produce: size_plan"},
        {"undeclared read", "UNDECLARED_DTO",
         "m (misbehave) read a DTO that its manifest does not require "},
        {"undeclared event", "UNDECLARED_EVENT",
         "m (misbehave) published an event that its manifest does not declare: PLAN_READY"},
        {"unknown event", "UNDECLARED_EVENT",
         "m (misbehave) published an event that its manifest does not declare: HELLO"},
        {"twice", "WORKER_ERROR", "m (misbehave) wrote twice in one flow: ema"},
        {"no payload", "WORKER_ERROR",
         "m (misbehave) published without a payload of this flow: THREAT_DETECTED"},
        {"other payload", "WORKER_ERROR",
         "m (misbehave) published a payload of another kind with THREAT_DETECTED"},
        {"no disposition", "WORKER_ERROR", "m (misbehave) returned no disposition "},
    };
    struct sp_blueprint blueprint = {.worker_count = 0};
    struct sp_flow_base base = base_of(SP_FX_ONE);
    struct sp_worker_result result = {0};

    (void)state;
    blueprint_add(&blueprint, SP_CATEGORY_THREAT, "m", "misbehave");
    struct sp_pipeline *pipeline = open_with(&blueprint);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        misdeed = rows[i].misdeed;
        sp_pipeline_begin(pipeline, &base);
        assert_false(sp_pipeline_run(pipeline, 0, &result));
        assert_string_equal(sp_pipeline_failure(pipeline)->contract, rows[i].contract);
        assert_string_equal(sp_pipeline_failure(pipeline)->reason.s, rows[i].reason);
        assert_int_equal(sp_pipeline_counters(pipeline, 0)->validation_errors, i + 1);
        misdeed = "none";
        sp_pipeline_begin(pipeline, &base);
        assert_true(sp_pipeline_run(pipeline, 0, &result));
        assert_int_equal(result.type, SP_CONTINUE);
    }
    assert_int_equal(sp_pipeline_counters(pipeline, 0)->workers_executed,
                     2 * sizeof rows / sizeof rows[0]);
    sp_pipeline_close(pipeline);
}

static void test_workers_missing_dto_aborts_before_the_reader_runs(void **state)
{
    struct sp_blueprint blueprint = blueprint_ema_cross();
    struct sp_flow_base base = base_of(SP_FX_ONE);
    struct sp_worker_result result = {0};

    (void)state;
    struct sp_pipeline *pipeline = open_with(&blueprint);
    sp_pipeline_begin(pipeline, &base);
    assert_true(sp_pipeline_run(pipeline, 0, &result));
    assert_false(sp_pipeline_run(pipeline, 2, &result)); /* without ema_slow */
    assert_string_equal(sp_pipeline_failure(pipeline)->contract, "MISSING_DTO");
    assert_string_equal(
        sp_pipeline_failure(pipeline)->reason.s,
        "cross (momentum_cross) requires a DTO that was not written in this flow: ema");
    assert_int_equal(sp_pipeline_counters(pipeline, 2)->workers_executed, 0);
    sp_pipeline_close(pipeline);
}

/* The cache lives for one flow, keyed by the producer; optional reads count. */
static void test_workers_cache_lives_for_one_flow(void **state)
{
    struct sp_blueprint blueprint = {.worker_count = 0};
    struct sp_flow_base base = base_of(SP_FX_ONE);
    struct sp_worker_result result = {0};

    (void)state;
    blueprint_add(&blueprint, SP_CATEGORY_CONTEXT, "f", "plant_fast");
    blueprint_add(&blueprint, SP_CATEGORY_CONTEXT, "s", "plant_slow");
    worker_read(blueprint_add(&blueprint, SP_CATEGORY_QUALIFICATION, "q", "curious"), "ema", "f");
    struct sp_pipeline *pipeline = open_with(&blueprint);
    curious_seen = 0;
    planted_fast = 11;
    planted_slow = 22;
    run_to(pipeline, &base, 2);
    assert_int_equal(curious_seen, 1);
    assert_int_equal(curious_value, 11);
    sp_pipeline_begin(pipeline, &base);
    assert_true(sp_pipeline_run(pipeline, 1, &result)); /* the other producer only */
    assert_true(sp_pipeline_run(pipeline, 2, &result));
    assert_int_equal(curious_seen, 1);
    assert_int_equal(sp_pipeline_counters(pipeline, 2)->cache_hits, 1);
    assert_int_equal(sp_pipeline_counters(pipeline, 2)->cache_misses, 1);
    assert_int_equal(sp_pipeline_cache_bytes(pipeline), 2 * sizeof(struct sp_cache_ema));
    sp_pipeline_close(pipeline);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_workers_params_parse_exactly),
        cmocka_unit_test(test_workers_manifests_are_strict),
        cmocka_unit_test(test_workers_broken_contracts_abort_and_the_next_flow_runs),
        cmocka_unit_test(test_workers_missing_dto_aborts_before_the_reader_runs),
        cmocka_unit_test(test_workers_cache_lives_for_one_flow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
