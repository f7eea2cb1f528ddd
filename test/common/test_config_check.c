/* What lies between values and files, and around them: references, storage, clock. */
#include "common/config/config_check.h"
#include "common/config/config_value.h"
#include "config_fixture.h"

static void test_config_check_reference_faults(void **state)
{
    static const struct fault cases[] = {
        {OPERATION, "\"world\": \"practice\"", "\"world\": \"practise\"", 39,
         "strategy_links[0].world: there is no world \"practise\"", "did you mean \"practice\"?"},
        {OPERATION, "[\"BTCUSDT\"]", "[\"BTCUSDT\", \"ETHUSDT\"]", 9,
         "worlds.practice.feed.symbols: there is no instrument ETHUSDT",
         "describe it in \"instruments\" of the same world"},
        {OPERATION, "\"seed\": 7,", "\"seed\": 7, \"file\": \"x.gz\",", 10,
         "feed.file: a generator has no file to choose", "remove it, or set another \"source\""},
        {OPERATION, "\"seed\": 7,", "\"seed\": 7, \"lock_step\": true,", 10,
         "worlds.practice.feed.lock_step: the market waits for the services, so it has no speed of "
         "its own",
         "\"speed\": \"max\""},
        {OPERATION, "\"seed\": 7,", "\"seed\": 7, \"stream\": \"wss://x.example\",", 10,
         "feed.stream: a generator has no stream to choose",
         "remove it, or set another \"source\""},
        {OPERATION, ", \"BTC\": \"0\"", "", 19, "worlds.practice.instruments: BTC has no balance",
         "add \"BTC\": \"0\" to worlds.practice.venue.balances"},
        {OPERATION, "\"capital\": \"10000 USDT\"", "\"capital\": \"10001 USDT\"", 40,
         "strategy_links[0].capital: active links use 10001 USDT, world practice begins with 10000",
         "lower the capital or raise worlds.*.venue.balances"},
        {OPERATION, "\"300 USDT\"", "\"300 BTC\"", 49,
         "risk.daily_loss_max: is in BTC, but BTCUSDT is quoted in USDT", ""},
    };

    EXPECT(*state, cases);
}

/* The demo's world is a paper world: what its orders stand on must survive a process. */
static void test_config_check_persistors_must_keep_what_matters(void **state)
{
    static const struct fault cases[] = {
        {PLATFORM, "\"log\":", "\"persistence\": { \"journal\": \"memory\" },\n  \"log\":", 5,
         "persistence.journal: in memory nothing survives a process, and world practice must not "
         "lose its orders",
         "\"json-lines\"; \"memory\" is for backtests"},
        {PLATFORM, "\"log\":", "\"persistence\": { \"state\": \"memory\" },\n  \"log\":", 5,
         "persistence.state: in memory nothing survives a process, and world practice must not "
         "lose its orders",
         "\"json\"; \"memory\" is for backtests"},
        {PLATFORM, "\"log\":", "\"persistence\": { \"data\": \"parquett\" },\n  \"log\":", 5,
         "persistence.data: \"parquett\" is not known", "did you mean \"parquet\"?"},
    };

    EXPECT(*state, cases);
}

static void test_config_check_a_live_market_has_addresses_and_its_own_pace(void **state)
{
    struct fixture *f = *state;

    put_all(f);
    put(f, OPERATION, "\"generator\"", "\"binance\"");
    assert_int_equal(load(f, NULL), SP_CONFIG);
    assert_int_equal(f->problems.errors, 5);
    assert_string_equal(f->problems.at[0].text, "feed: \"rest\" is missing");
    assert_string_equal(f->problems.at[1].text, "feed: \"stream\" is missing");
    assert_string_equal(f->problems.at[2].text, "feed.seed: a live market has no seed to choose");
    assert_string_equal(f->problems.at[4].text, "feed.speed: a live market has no speed to choose");
}

static void test_config_check_recording_must_be_there_and_takes_no_seed(void **state)
{
    struct fixture *f = *state;
    char want[600];

    put_all(f);
    put(f, OPERATION, "\"generator\"", "\"recording\"");
    assert_int_equal(load(f, NULL), SP_CONFIG);
    assert_int_equal(f->problems.errors, 3);
    assert_string_equal(f->problems.at[0].text, "worlds.practice.feed: \"file\" is missing");
    assert_int_equal(f->problems.at[0].line, 8);
    assert_string_equal(f->problems.at[1].text, "feed.seed: a recording has no seed to choose");
    assert_int_equal(f->problems.at[2].line, 11);
    put(f, OPERATION,
        "\"generator\",\n        \"symbols\": [\"BTCUSDT\"],\n        \"seed\": 7,\n"
        "        \"start\": \"2026-01-05T18:00:00Z\",",
        "\"recording\", \"symbols\": [\"BTCUSDT\"], \"file\": \"../x.gz\",");
    assert_int_equal(load(f, NULL), SP_CONFIG);
    snprintf(want, sizeof want,
             "worlds.practice.feed.file: cannot read %s/a/x.gz: No such file or directory",
             f->folder.path);
    assert_string_equal(f->problems.at[0].text, want);
    assert_int_equal(f->problems.at[0].line, 8);
    file_write("a/x.gz", "x", 1);
    assert_int_equal(load(f, NULL), SP_OK);
    assert_string_equal(strrchr(f->config->worlds[0].feed.file, '/'), "/x.gz");
}

static void test_config_check_blueprint_must_fit_its_link(void **state)
{
    struct fixture *f = *state;

    put_all(f);
    put(f, STRATEGY, "\"BTCUSDT\"", "\"ETHUSDT\"");
    assert_int_equal(load(f, NULL), SP_CONFIG);
    assert_string_equal(f->problems.at[0].file, "a/demo/operation.json");
    assert_int_equal(f->problems.at[0].line, 38);
    assert_string_equal(f->problems.at[0].text,
                        "strategy_links[0]: a/demo/strategies/ema_cross.json trades ETHUSDT, which "
                        "world practice does not follow");
    put_all(f);
    put(f, OPERATION, "strategies/ema_cross.json", "strategies/ema.json");
    assert_int_equal(load(f, NULL), SP_CONFIG);
    assert_int_equal(f->problems.errors, 1);
    assert_string_equal(f->problems.at[0].file, "a/demo/operation.json");
    assert_int_equal(f->problems.at[0].line, 38);
    assert_string_equal(f->problems.at[0].text,
                        "a/demo/strategies/ema.json cannot be opened: No such file or directory");
    assert_string_equal(f->problems.at[0].hint, "paths are relative to the file that names them");
}

static void test_config_check_all_faults_of_all_files_come_at_once(void **state)
{
    struct fixture *f = *state;

    put(f, PLATFORM, "\"keep\": 10", "\"keep\": \"ten\", \"kept\": 1");
    put(f, OPERATION, "\"5m\"", "\"5 minutes\"");
    put(f, STRATEGY, "\"1.0.0\",", "\"1.0.0\" ");
    assert_int_equal(load(f, NULL), SP_CONFIG);
    assert_null(f->config);
    assert_int_equal(f->problems.count, 4);
    assert_string_equal(f->problems.at[0].text, "log.keep: expected a whole number, found a text");
    assert_string_equal(f->problems.at[1].text, "log: unknown key \"kept\"");
    assert_string_equal(f->problems.at[2].file, "a/demo/operation.json");
    assert_string_equal(
        f->problems.at[2].text,
        "schedules[0].every: \"5 minutes\" is not a duration with its unit (ms s m h d)");
    assert_string_equal(f->problems.at[3].file, "a/demo/strategies/ema_cross.json");
    assert_int_equal(f->problems.at[3].line, 5);
}

static void test_config_check_remarks_are_allowed_in_every_object(void **state)
{
    struct fixture *f = *state;

    put(f, PLATFORM, "{ \"level\"", "{ \"note\": [\"why\", 1.5], \"$schema\": \"x\", \"level\"");
    put(f, OPERATION, "\"practice\": {", "\"note\": \"worlds\", \"practice\": { \"note\": 1,");
    put(f, STRATEGY, "\"period\": 20", "\"note\": \"fast\", \"period\": 20");
    assert_int_equal(load(f, NULL), SP_OK);
    assert_int_equal(f->config->world_count, 1);
    assert_int_equal(f->config->links[0].blueprint.workers[0].param_count, 1);
}

static void test_config_check_two_worlds_are_refused_only_if_both_are_used(void **state)
{
    static const char second[] =
        "\"strategy_links\": [ { \"id\": \"b\", \"active\": %s, \"blueprint\": "
        "\"strategies/ema_cross.json\", \"world\": \"other\", \"capital\": \"1 USDT\", "
        "\"on_stop\": \"keep\" },";
    struct fixture *f = *state;
    char *first = f->text[OPERATION], saved[FILE_MAX], world[FILE_MAX], link[512];
    const char *begin = strstr(first, "\"practice\": {"),
               *end = strstr(first, "  },\n  \"strategy");

    put_all(f);
    memcpy(saved, first, sizeof saved);
    snprintf(world, sizeof world, "%.*s  , \"other\"%.*s%s", (int)(end - first), first,
             (int)(end - begin) - 10, begin + 10, end);
    memcpy(first, world, sizeof world);
    snprintf(link, sizeof link, second, "true");
    put(f, OPERATION, "\"strategy_links\": [", link);
    assert_int_equal(load(f, NULL), SP_CONFIG);
    assert_int_equal(f->problems.errors, 1);
    assert_string_equal(f->problems.at[0].text,
                        "strategy_links[1].world: active links in two worlds (other, practice) are "
                        "not there yet in this version");
    snprintf(link, sizeof link, second, "false");
    put(f, OPERATION, "\"strategy_links\": [", link);
    assert_int_equal(load(f, NULL), SP_OK);
    assert_string_equal(sp_config_world(f->config)->id.s, "practice");
    assert_int_equal(f->config->file_count, 3);
    assert_int_equal(f->config->worker_count, 9);
    memcpy(first, saved, sizeof saved);
}

static void complain(const struct sp_blueprint *blueprint, struct sp_problems *problems)
{
    sp_problems_error(problems,
                      (struct sp_problem_place){blueprint->file_shown, blueprint->workers[0].line},
                      "hint", "worker %s", blueprint->workers[0].id.s);
}

static void test_config_check_workers_are_checked_once_a_file(void **state)
{
    struct fixture *f = *state;

    put_all(f);
    put(f, OPERATION, "\"strategy_links\": [",
        "\"strategy_links\": [ { \"id\": \"b\", \"active\": false, \"blueprint\": "
        "\"strategies/ema_cross.json\", \"world\": \"practice\", \"capital\": \"1 USDT\", "
        "\"on_stop\": \"keep\" },");
    assert_int_equal(load(f, complain), SP_CONFIG);
    assert_int_equal(f->problems.errors, 1);
    assert_string_equal(f->problems.at[0].text, "worker ema_fast");
    assert_int_equal(f->problems.at[0].line, 7);
}

static void test_config_check_missing_limit_is_a_warning(void **state)
{
    struct fixture *f = *state;

    put_all(f);
    put(f, OPERATION, "\"daily_loss_max\": \"300 USDT\",", "");
    assert_int_equal(load(f, NULL), SP_OK);
    assert_int_equal(f->problems.count, 1);
    assert_true(f->problems.at[0].is_warning);
    assert_string_equal(f->problems.at[0].text, "risk: no daily_loss_max, so it is not limited");
    assert_int_equal(f->config->risk.daily_loss_max.e8, 0);
}

static void test_config_check_storage_must_be_writable_and_paths_short(void **state)
{
    struct fixture *f = *state;
    char run[200] = "\"run\": \"";

    put_all(f);
    put(f, PLATFORM, "\"../../var/demo\"", "\"platform.json\"");
    assert_int_equal(load(f, NULL), SP_CONFIG);
    assert_non_null(strstr(f->problems.at[0].text, "platform.json is not a folder"));
    assert_int_equal(f->problems.at[0].line, 4);
    memset(run + 8, 'x', 110);
    put(f, PLATFORM, "\"run\": \"../../var/demo/run", run);
    assert_int_equal(load(f, NULL), SP_CONFIG);
    assert_non_null(strstr(f->problems.at[0].text, "characters, 107 fit"));
    put(f, PLATFORM, "\"../../var/demo\"", "\"open\"");
    assert_int_equal(mkdir("a/demo/open", 0700), 0);
    assert_int_equal(load(f, NULL), SP_OK);
    assert_int_equal(chmod("a/demo/open", 0777), 0);
    assert_int_equal(load(f, NULL), SP_CONFIG);
    assert_non_null(strstr(f->problems.at[0].text, "paths.data: others may write in "));
    assert_non_null(strstr(f->problems.at[0].hint, "chmod 700 "));
    put(f, PLATFORM, "\"512 MiB\"", "\"1000 TiB\"");
    assert_int_equal(load(f, NULL), SP_CONFIG);
    assert_int_equal(f->problems.errors, 2); /* warn_below is less; too little is free */
    assert_non_null(strstr(f->problems.at[1].text, "less than 1000 TiB"));
    put(f, PLATFORM, "\"2 GiB\", \"reduce_only_below\": \"512 MiB\"",
        "\"1000 TiB\", \"reduce_only_below\": \"1000 TiB\"");
    assert_int_equal(load(f, NULL), SP_CONFIG);
    assert_int_equal(f->problems.errors, 1);
    assert_int_equal(mkdir("var", 0700), 0);
    assert_int_equal(mkdir("var/demo", 0700), 0);
    assert_int_equal(mkdir("var/demo/execution", 0700), 0);
    assert_int_equal(load(f, NULL), SP_OK);
    assert_true(f->problems.at[0].is_warning);
    assert_non_null(strstr(f->problems.at[0].text, "less than 1000 TiB"));
    put_all(f);
}

static void test_config_check_clock_must_be_plausible(void **state)
{
    struct fixture *f = *state;

    f->problems = (struct sp_problems){0};
    sp_config_check_clock((sp_wall){INT64_C(1767636000000000000)}, &f->problems, "p");
    assert_int_equal(f->problems.count, 0);
    sp_config_check_clock((sp_wall){INT64_C(86400000000000)}, &f->problems, "p");
    assert_string_equal(f->problems.at[0].text,
                        "the clock says 1970-01-02T00:00:00, which cannot be");
}

static void test_config_check_missing_folder_teaches(void **state)
{
    struct fixture *f = *state;

    sp_config_free(f->config);
    assert_int_equal(sp_config_read("nowhere", NULL, &f->config, &f->problems), SP_CONFIG);
    assert_string_equal(f->problems.at[0].file, "nowhere");
    assert_string_equal(f->problems.at[0].text, "cannot be opened: No such file or directory");
    assert_int_equal(sp_config_read("a", NULL, &f->config, &f->problems), SP_CONFIG);
    assert_int_equal(f->problems.errors, 2);
    assert_string_equal(f->problems.at[0].file, "a/platform.json");
    assert_string_equal(f->problems.at[1].file, "a/operation.json");
}

static void test_config_check_instances_come_in_start_order(void **state)
{
    static const char *const want[] = {"marketdata",     "venue",        "execution",
                                       "reconciliation", "strategy.ema", "health"};
    struct sp_instance in[SP_INSTANCES_MAX];
    struct fixture *f = *state;

    put_all(f);
    assert_int_equal(load(f, NULL), SP_OK);
    assert_int_equal(sp_config_instances(f->config, in), 6);
    for (size_t i = 0; i < 6; i++)
        assert_string_equal(in[i].name.s, want[i]);
    assert_string_equal(in[4].program.s, "spoor-strategy");
    assert_int_equal(in[4].after_count, 2);
    assert_string_equal(in[4].after[0].s, "execution");
    assert_int_equal(in[5].after_count, 0);
}

static void test_config_check_problems_print_file_line_text_and_hint(void **state)
{
    struct fixture *f = *state;
    char buf[1024] = "";
    int pipes[2];

    f->problems = (struct sp_problems){0};
    sp_problems_error(&f->problems, (struct sp_problem_place){"b.json", 7}, "do %this", "is %d", 5);
    sp_problems_error(&f->problems, (struct sp_problem_place){"b.json", 7}, "again", "is %d", 5);
    sp_problems_warn(&f->problems, (struct sp_problem_place){"a.json", 9}, NULL, "odd");
    sp_problems_error(&f->problems, (struct sp_problem_place){"b.json", 3}, NULL, "early");
    sp_problems_sort(&f->problems);
    assert_int_equal(pipe(pipes), 0);
    sp_problems_print(&f->problems, pipes[1]);
    close(pipes[1]);
    assert_true(read(pipes[0], buf, sizeof buf - 1) > 0);
    close(pipes[0]);
    assert_string_equal(buf, "b.json:3: early\nb.json:7: is 5\n    do %this\n"
                             "a.json:9: warning: odd\n");
    assert_int_equal(f->problems.errors, 2);
    for (unsigned i = 0; i < 200; i++) {
        sp_problems_error(&f->problems, (struct sp_problem_place){"c.json", i}, NULL, "many");
    }
    assert_int_equal(f->problems.count, SP_PROBLEMS_MAX);
    assert_int_equal(f->problems.dropped, 103);
    assert_int_equal(f->problems.errors, 202);
}

static void test_config_check_paths_join_and_words_come_near(void **state)
{
    static const char *const words[] = {"capital", "active", "on_stop", "to"};
    char out[SP_PATH_SIZE] = "kept", many[2 * SP_PATH_SIZE];

    (void)state;
    assert_true(sp_config_join("/a/b", "../c/./d", out));
    assert_string_equal(out, "/a/c/d");
    assert_true(sp_config_join("/a", "../../..//x/", out));
    assert_string_equal(out, "/x");
    assert_true(sp_config_join("a/b", "/x", out));
    assert_string_equal(out, "/x");
    assert_true(sp_config_join("a", "../../b", out));
    assert_string_equal(out, "../b");
    assert_true(sp_config_join("", "..", out));
    assert_string_equal(out, "..");
    assert_true(sp_config_join("a", "..", out));
    assert_string_equal(out, ".");
    memset(many, 'x', sizeof many);
    many[SP_PATH_SIZE - 2] = '\0';
    assert_false(sp_config_join("/a", many, out));
    assert_string_equal(out, ".");
    assert_string_equal(sp_config_nearest("captial", words, 4), "capital");
    assert_string_equal(sp_config_nearest("onstop", words, 4), "on_stop");
    assert_string_equal(sp_config_nearest("ACTIVE", words, 4), "active");
    assert_string_equal(sp_config_nearest("ot", words, 4), "to");
    assert_null(sp_config_nearest("leverage", words, 4));
    assert_null(sp_config_nearest("", words, 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config_check_reference_faults),
        cmocka_unit_test(test_config_check_persistors_must_keep_what_matters),
        cmocka_unit_test(test_config_check_a_live_market_has_addresses_and_its_own_pace),
        cmocka_unit_test(test_config_check_recording_must_be_there_and_takes_no_seed),
        cmocka_unit_test(test_config_check_blueprint_must_fit_its_link),
        cmocka_unit_test(test_config_check_all_faults_of_all_files_come_at_once),
        cmocka_unit_test(test_config_check_remarks_are_allowed_in_every_object),
        cmocka_unit_test(test_config_check_two_worlds_are_refused_only_if_both_are_used),
        cmocka_unit_test(test_config_check_workers_are_checked_once_a_file),
        cmocka_unit_test(test_config_check_missing_limit_is_a_warning),
        cmocka_unit_test(test_config_check_storage_must_be_writable_and_paths_short),
        cmocka_unit_test(test_config_check_clock_must_be_plausible),
        cmocka_unit_test(test_config_check_missing_folder_teaches),
        cmocka_unit_test(test_config_check_instances_come_in_start_order),
        cmocka_unit_test(test_config_check_problems_print_file_line_text_and_hint),
        cmocka_unit_test(test_config_check_paths_join_and_words_come_near),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
