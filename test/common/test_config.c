/* Syntax and schema: each case expects the line, the words and the hint. */
#include "config_fixture.h"

static void test_config_demo_loads_with_every_value(void **state)
{
    struct fixture *f = *state;
    char path[512];

    put_all(f);
    assert_int_equal(load(f, NULL), SP_OK);
    assert_int_equal(f->problems.errors, 0);
    const struct sp_config *c = f->config;
    const struct sp_world_config *world = sp_config_world(c);
    const struct sp_link_config *link = sp_config_link(c, "ema");
    snprintf(path, sizeof path, "%s/var/demo/run", f->folder.path);
    assert_string_equal(c->platform.run_dir, path);
    assert_string_equal(c->platform.installation.s, "demo");
    assert_int_equal(c->platform.log_rotate_bytes, 50 << 20);
    assert_string_equal(c->platform.http_host, "127.0.0.1");
    assert_int_equal(c->platform.http_port, 8787);
    assert_int_equal(c->platform.alert_count, 1);
    assert_int_equal(c->platform.alerts[0].from, SP_SEVERITY_HIGH);
    assert_int_equal(world->type, SP_WORLD_PAPER);
    assert_int_equal(world->feed.source, SP_FEED_GENERATOR);
    assert_int_equal(world->feed.seed, 7);
    assert_int_equal(world->feed.start.ns, INT64_C(1767636000000000000));
    assert_int_equal(world->feed.speed.e8, 60 * SP_FX_ONE);
    assert_int_equal(world->fee_taker.e8, 50000);
    assert_int_equal(world->balances[0].amount.e8, 10000 * SP_FX_ONE);
    assert_int_equal(sp_world_instrument(world, "BTCUSDT")->tick.e8, 1000000);
    assert_null(sp_world_instrument(world, "ETHUSDT"));
    assert_string_equal(sp_world_stream(world, "BTCUSDT").s, "md.paper.BTCUSDT");
    assert_ptr_equal(sp_config_world_of(c, link), world);
    assert_int_equal(link->on_stop, SP_ON_STOP_FLATTEN);
    assert_string_equal(link->capital_asset.s, "USDT");
    assert_int_equal(c->risk.drawdown_max.e8, 5000000);
    assert_true(c->breaker.resume_automatic);
    assert_true(c->schedules[0].run_once_if_missed);
    assert_string_equal(c->schedules[0].event.s, "RECONCILIATION_TICK");
    assert_int_equal(c->schedules[0].every.ns, INT64_C(300000000000));
    assert_int_equal(c->file_count, 3);
    assert_int_equal(c->worker_count, 9);
    sp_config_instance_dir(c, "execution", path);
    assert_non_null(strstr(path, "/var/demo/execution"));
}

static void test_config_blueprint_keeps_order_lines_and_texts(void **state)
{
    struct fixture *f = *state;

    put_all(f);
    assert_int_equal(load(f, NULL), SP_OK);
    const struct sp_blueprint *b = &f->config->links[0].blueprint;
    assert_string_equal(b->file_shown, "a/demo/strategies/ema_cross.json");
    assert_int_equal(b->bar.ns, 1000000000);
    assert_int_equal(b->warm_up_bars, 60);
    assert_int_equal(b->worker_count, 9);
    assert_string_equal(b->workers[1].id.s, "ema_slow");
    assert_string_equal(b->workers[1].params[0].text, "60");
    assert_int_equal(b->workers[2].category, SP_CATEGORY_OPPORTUNITY);
    assert_int_equal(b->workers[2].line, 11);
    assert_string_equal(b->workers[2].reads[1].alias.s, "slow");
    assert_string_equal(b->workers[2].reads[1].producer.s, "ema_slow");
    assert_string_equal(b->workers[2].params[0].text, "0.8 bps");
    assert_int_equal(b->workers[2].params[0].line, 15);
    assert_int_equal(b->workers[8].category, SP_CATEGORY_PLANNING);
}

static void test_config_syntax_faults_name_line_and_column(void **state)
{
    static const struct fault cases[] = {
        {PLATFORM, "\"demo\",", "\"demo\"", 4,
         "column 3: expected ',' or '}' after this value, found '\"'", ""},
        {PLATFORM, "\"keep\": 10", "\"keep\": 010", 5, "column 60: a number does not begin with 0",
         ""},
        {OPERATION, "\"topology\"", "\"operation\"", 58,
         "column 3: the key \"operation\" is here twice", ""},
        {OPERATION, "\"one_machine\"\n}", "\"one_machine\"\n} true", 59,
         "column 3: expected the end of the file, found 't'", ""},
        {PLATFORM, "\"keep\": 10", "\"keep\": 1e999", 5,
         "column 52: this number is beyond 2^53: write it as text", ""},
    };

    EXPECT(*state, cases);
}

static void test_config_schema_faults_in_the_platform(void **state)
{
    static const struct fault cases[] = {
        {PLATFORM, "\"queue_max\": 10000", "\"queue_max\": \"10000\"", 6,
         "bus.queue_max: expected a whole number, found a text", "write it like this: 10000"},
        {PLATFORM, "\"queue_max\": 10000", "\"queue_max\": 1e4", 6,
         "bus.queue_max: expected a whole number, found a fraction", "write it like this: 10000"},
        {PLATFORM, "\"queue_max\": 10000", "\"queue_max\": 5", 6, "bus.queue_max: 5 is too small",
         "allowed: 16 to 1000000"},
        {PLATFORM, "\"queue_max\": 10000", "\"queue_max\": 4294967297", 6,
         "bus.queue_max: 4294967297 is too large", "allowed: 16 to 1000000"},
        {PLATFORM, "\"keep\": 10", "\"keep\": -1", 5, "log.keep: -1 is too small",
         "allowed: 0 to 1000"},
        {PLATFORM, "\"rotate_at\"", "\"rotat_at\"", 5, "log: unknown key \"rotat_at\"",
         "did you mean \"rotate_at\"?"},
        {PLATFORM, "\"rotate_at\"", "\"colour\"", 5, "log: unknown key \"colour\"",
         "known here: level, rotate_at, keep"},
        {PLATFORM, "\"log\": {", "\"Log\": {", 5, "unknown key \"Log\"", "did you mean \"log\"?"},
        {PLATFORM, "\"level\": \"info\"", "\"level\": \"inof\"", 5,
         "log.level: \"inof\" is not known", "did you mean \"info\"?"},
        {PLATFORM, "\"1 MiB\"", "\"1 MB\"", 6,
         "bus.message_max: \"1 MB\" is not a size with its unit (B KiB MiB GiB)",
         "write it like this: \"1 MiB\""},
        {PLATFORM, "\"ipc\"", "\"tcp\"", 6,
         "bus.transport: \"tcp\" is not there yet in this version", "known here: ipc"},
        {PLATFORM, "\"installation\": \"demo\",", "", 1, "\"installation\" is missing",
         "add \"installation\": \"demo\" (the name of this installation; never change it while "
         "trades are open)"},
        {PLATFORM, "127.0.0.1:8787", "localhost:8787", 8,
         "http.listen: \"localhost:8787\" is not a numeric address and a port",
         "write it like this: \"127.0.0.1:8787\""},
        {PLATFORM, ":8787", ":87870", 8,
         "http.listen: \"127.0.0.1:87870\" is too large, too long or too fine",
         "write it like this: \"127.0.0.1:8787\""},
        {PLATFORM, "{ \"level\": \"info\", \"rotate_at\": \"50 MiB\", \"keep\": 10 }", "[]", 5,
         "log: expected an object, found a list", ""},
        {PLATFORM, "\"to\": \"log\"", "\"to\": \"telegram\"", 9,
         "alerts[0].to: \"telegram\" is not there yet in this version", "known here: log"},
    };

    EXPECT(*state, cases);
}

static void test_config_schema_faults_in_the_operation(void **state)
{
    static const struct fault cases[] = {
        {OPERATION, "\"paper\",\n      \"feed\"", "\"live\",\n      \"feed\"", 6,
         "worlds.practice.type: \"live\" is not there yet in this version", "known here: paper"},
        {OPERATION, "\"open_orders_max\": 4", "\"open_orders_max\": 0", 47,
         "risk.open_orders_max: 0 is too small", "allowed: 1 to 1000"},
        {OPERATION, "\"order_value_max\": \"6000 USDT\"", "\"order_value_max\": \"6000\"", 45,
         "risk.order_value_max: \"6000\" is not an amount with its asset",
         "write it like this: \"6000 USDT\""},
        {OPERATION, "\"order_value_max\": \"6000 USDT\"", "\"order_value_max\": 6000", 45,
         "risk.order_value_max: expected an amount with its asset, found a whole number",
         "write it like this: \"6000 USDT\""},
        {OPERATION, "\"order_value_max\": \"6000 USDT\"", "\"order_value_max\": \"0 USDT\"", 45,
         "risk.order_value_max: 0 USDT is not above zero", "write it like this: \"6000 USDT\""},
        {OPERATION, "\"1%\"", "\"0.01\"", 48,
         "risk.price_collar: \"0.01\" is not a share in % or bps", "write it like this: \"1%\""},
        {OPERATION, "\"data_age_max\": \"2s\"", "\"data_age_max\": \"2 sec\"", 51,
         "risk.data_age_max: \"2 sec\" is not a duration with its unit (ms s m h d)",
         "write it like this: \"2s\""},
        {OPERATION, "\"flatten\"", "\"flaten\"", 41,
         "strategy_links[0].on_stop: \"flaten\" is not known", "did you mean \"flatten\"?"},
        {OPERATION, "\"flatten\"", "\"hope\"", 41,
         "strategy_links[0].on_stop: \"hope\" is not known",
         "known here: keep, cancel_entries, flatten"},
        {OPERATION, "\"capital\": \"10000 USDT\",", "", 35,
         "strategy_links[0]: \"capital\" is missing",
         "add \"capital\": \"10000 USDT\" (what it may use)"},
        {OPERATION, "\"capital\"", "\"captial\"", 35, "strategy_links[0]: \"capital\" is missing",
         "add \"capital\": \"10000 USDT\" (what it may use)"},
        {OPERATION, "RECONCILIATION_TICK", "TIMED_TICK", 56,
         "schedules[0].event: \"TIMED_TICK\" is not there yet in this version",
         "known here: RECONCILIATION_TICK"},
        {OPERATION, "\"active\": true", "\"active\": \"yes\"", 37,
         "strategy_links[0].active: expected true or false, found a text",
         "write it like this: true"},
        {OPERATION, "[\"BTCUSDT\"]", "[\"BTCUSDT\", \"BTCUSDT\"]", 9,
         "worlds.practice.feed.symbols: \"BTCUSDT\" is here twice", ""},
        {OPERATION, "[\"BTCUSDT\"]", "[]", 9,
         "worlds.practice.feed.symbols: 0 names, allowed are 1 to 8",
         "write it like this: [\"BTCUSDT\"]"},
        {OPERATION, "\"0.00001\"", "\"0.000000001\"", 22,
         "worlds.practice.instruments[0].step: \"0.000000001\" is too large, too long or too fine",
         "write it like this: \"0.00001\""},
        {OPERATION, "\"id\": \"ema\"", "\"id\": \"e.ma\"", 36,
         "strategy_links[0].id: \"e.ma\" is not an id of at most 24 letters, digits, _ and -",
         "write it like this: \"ema\""},
        {OPERATION, "2026-01-05T18", "2026-13-05T18", 11,
         "worlds.practice.feed.start: \"2026-13-05T18:00:00Z\" is too large, too long or too fine",
         "write it like this: \"2026-01-05T18:00:00Z\""},
    };
    struct fixture *f = *state;

    /* The misspelt key is the second problem of its case: unknown and missing. */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (strcmp(cases[i].to, "\"captial\"") != 0) {
            expect_fault(f, &cases[i]);
            continue;
        }
        put_all(f);
        put(f, OPERATION, cases[i].from, cases[i].to);
        assert_int_equal(load(f, NULL), SP_CONFIG);
        assert_int_equal(f->problems.errors, 2);
        assert_string_equal(f->problems.at[0].text, cases[i].text);
        assert_string_equal(f->problems.at[1].text, "strategy_links[0]: unknown key \"captial\"");
        assert_string_equal(f->problems.at[1].hint, "did you mean \"capital\"?");
        assert_int_equal(f->problems.at[1].line, 40);
    }
}

static void test_config_schema_faults_in_the_blueprint(void **state)
{
    static const struct fault cases[] = {
        {STRATEGY, "\"bar\": \"1s\"", "\"bar\": \"5s\"", 5, "trigger.bar: \"5s\" is not known",
         "did you mean \"1s\"?"},
        {STRATEGY, "\"ema_slow\", \"worker\"", "\"ema_fast\", \"worker\"", 8,
         "context[1]: \"ema_fast\" is here twice", "each needs a name of its own"},
        {STRATEGY, "\"id\": \"entry\"", "\"id\": \"cross\"", 29,
         "planning[0]: \"cross\" is here twice", "each needs a name of its own"},
        {STRATEGY, "\"period\": 20", "\"period\": [20]", 7,
         "context[0].params.period: expected a text, a number, true or false, found a list",
         "write it like this: 20"},
        {STRATEGY, "\"IOC\"", "\"GTC\"", 32,
         "route.params.time_in_force: \"GTC\" is not there yet in this version",
         "use \"IOC\": fill at once what can be filled, cancel the rest"},
        {STRATEGY, "by_category", "by_event", 34,
         "wiring: \"by_event\" is not there yet in this version", "known here: by_category"},
    };

    EXPECT(*state, cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config_demo_loads_with_every_value),
        cmocka_unit_test(test_config_blueprint_keeps_order_lines_and_texts),
        cmocka_unit_test(test_config_syntax_faults_name_line_and_column),
        cmocka_unit_test(test_config_schema_faults_in_the_platform),
        cmocka_unit_test(test_config_schema_faults_in_the_operation),
        cmocka_unit_test(test_config_schema_faults_in_the_blueprint),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
