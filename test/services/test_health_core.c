#include "services/health/health_core.h"

#include "services/health/exposition.h"
#include "services/health/report.h"

#include "common/config/strict_json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MS     INT64_C(1000000)
#define S      (1000 * MS)
#define MINUTE (60 * S)

static struct sp_health health;
static char buf[64 * 1024];
static struct sp_page page;

static void add(const char *name)
{
    health.services[health.count++].name = sp_name_of(name);
    health.kept.children[health.kept.child_count++].name = sp_name_of(name);
}

static int set_up(void **state)
{
    (void)state;
    memset(&health, 0, sizeof health);
    health.self = sp_name_of("health");
    add("execution");
    add("reconciliation");
    add("strategy.ema");
    add("health");
    page = (struct sp_page){.text = buf, .size_bytes = sizeof buf};
    buf[0] = '\0';
    return 0;
}

static void beat(const char *name, enum sp_phase phase, uint32_t epoch, int64_t now)
{
    struct sp_heartbeat heartbeat = {.service = sp_name_of(name),
                                     .epoch = epoch,
                                     .count = 1,
                                     .phase = (uint8_t)phase,
                                     .sent = {now - 3 * MS}};

    sp_health_heartbeat(&health, &heartbeat, (sp_mono){now});
}

static void beat_all(int64_t now)
{
    for (uint32_t i = 0; i < health.count; i++) {
        beat(health.services[i].name.s, SP_PHASE_READY, 1, now);
    }
}

static void say_trading(enum sp_trading trading, uint32_t epoch, int64_t now)
{
    struct sp_service_status status = {.service = sp_name_of("execution"),
                                       .epoch = epoch,
                                       .trading = (uint8_t)trading,
                                       .breaker = SP_BREAKER_OPEN};

    sp_text_printf(&status.reason, "why \"so\"\\");
    sp_health_status(&health, &status, (sp_mono){now});
}

/* ---- Verdicts ---- */

static void test_health_core_live_is_the_echo_of_its_own_heartbeat(void **state)
{
    (void)state;
    assert_false(sp_health_live(&health, (sp_mono){10 * S}));
    beat("execution", SP_PHASE_READY, 1, 10 * S); /* the others prove nothing */
    assert_false(sp_health_bus_alive(&health, (sp_mono){10 * S}));
    beat("health", SP_PHASE_LOAD, 1, 10 * S);
    assert_true(sp_health_bus_alive(&health, (sp_mono){10 * S}));
    assert_true(sp_health_live(&health, (sp_mono){10 * S}));
    assert_int_equal(health.echo.ns, 3 * MS);
    assert_true(sp_health_live(&health, (sp_mono){12 * S - 1}));
    assert_false(sp_health_live(&health, (sp_mono){12 * S}));
}

static void test_health_core_ready_needs_every_service_and_not_the_breaker(void **state)
{
    sp_text missing = {{0}};

    (void)state;
    beat_all(10 * S);
    say_trading(SP_TRADING_STOPPED, 1, 10 * S);
    assert_true(sp_health_ready(&health, (sp_mono){10 * S}, &missing));
    assert_string_equal(missing.s, "");
    beat("execution", SP_PHASE_RECONCILE, 1, 10 * S);
    assert_false(sp_health_ready(&health, (sp_mono){10 * S}, &missing));
    assert_string_equal(missing.s, "execution (RECONCILE)");
    beat_all(20 * S);
    add("marketdata");
    assert_false(sp_health_ready(&health, (sp_mono){20 * S}, &missing));
    assert_string_equal(missing.s, "marketdata (never heard)");
    beat("marketdata", SP_PHASE_READY, 1, 18 * S);
    assert_false(sp_health_ready(&health, (sp_mono){20 * S}, &missing));
    assert_string_equal(missing.s, "marketdata (silent)");
}

static void test_health_core_trading_is_stopped_while_execution_is_silent(void **state)
{
    struct sp_trading_verdict verdict;

    (void)state;
    sp_health_trading(&health, (sp_mono){10 * S}, &verdict);
    assert_int_equal(verdict.trading, SP_TRADING_STOPPED);
    beat_all(10 * S);
    say_trading(SP_TRADING_ALLOWED, 1, 10 * S);
    sp_health_trading(&health, (sp_mono){10 * S}, &verdict);
    assert_int_equal(verdict.trading, SP_TRADING_ALLOWED);
    assert_int_equal(verdict.breaker, SP_BREAKER_OPEN);
    sp_health_trading(&health, (sp_mono){12 * S}, &verdict);
    assert_int_equal(verdict.trading, SP_TRADING_STOPPED);
    /* Its next incarnation has not spoken yet: the old word does not count. */
    beat("execution", SP_PHASE_RECONCILE, 2, 12 * S);
    sp_health_trading(&health, (sp_mono){12 * S}, &verdict);
    assert_int_equal(verdict.trading, SP_TRADING_STOPPED);
    say_trading(SP_TRADING_REDUCE_ONLY, 2, 12 * S);
    sp_health_trading(&health, (sp_mono){12 * S}, &verdict);
    assert_int_equal(verdict.trading, SP_TRADING_REDUCE_ONLY);
    for (int64_t t = 12; t <= 18; t++) {
        beat("execution", SP_PHASE_READY, 2, t * S); /* alive, and answers no more */
    }
    sp_health_trading(&health, (sp_mono){18 * S}, &verdict);
    assert_int_equal(verdict.trading, SP_TRADING_STOPPED);
}

static void test_health_core_a_late_heartbeat_of_an_old_epoch_is_none(void **state)
{
    (void)state;
    beat("execution", SP_PHASE_READY, 2, 10 * S);
    beat("execution", SP_PHASE_READY, 1, 20 * S);
    assert_false(sp_health_is_up(&health.services[0], (sp_mono){20 * S}));
}

static void test_health_core_strategies_count_when_ready(void **state)
{
    (void)state;
    add("strategy.rsi");
    beat("strategy.ema", SP_PHASE_READY, 1, 10 * S);
    beat("strategy.rsi", SP_PHASE_REPLAY, 1, 10 * S);
    assert_int_equal(sp_health_strategies_running(&health, (sp_mono){10 * S}), 1);
    assert_int_equal(sp_health_strategies_running(&health, (sp_mono){12 * S}), 0);
}

static void test_health_core_restarts_follow_the_supervisor(void **state)
{
    struct sp_record record = {.kind = SP_REC_CHILD_STARTED};

    (void)state;
    record.body.child.name = sp_name_of("execution");
    record.body.child.restarts = 3;
    sp_health_child(&health, &record);
    assert_int_equal(health.kept.children[0].restarts, 3);
    record.kind = SP_REC_CHILD_GIVEN_UP;
    sp_health_child(&health, &record);
    assert_true(health.kept.children[0].given_up);
    record.kind = SP_REC_STREAM_STARTED; /* another supervisor */
    memset(&record.body, 0, sizeof record.body);
    sp_health_child(&health, &record);
    assert_int_equal(health.kept.children[0].restarts, 0);
    assert_false(health.kept.children[0].given_up);
}

/* ---- The hour ---- */

static void test_health_core_errors_leave_after_an_hour(void **state)
{
    struct sp_hour_window window = {0};

    (void)state;
    sp_hour_window_add(&window, 1, 50, (sp_mono){100 * MINUTE}); /* where we came in */
    assert_int_equal(sp_hour_window_sum(&window, (sp_mono){100 * MINUTE}), 0);
    sp_hour_window_add(&window, 1, 53, (sp_mono){101 * MINUTE});
    sp_hour_window_add(&window, 1, 53, (sp_mono){102 * MINUTE});
    sp_hour_window_add(&window, 1, 57, (sp_mono){130 * MINUTE});
    assert_int_equal(sp_hour_window_sum(&window, (sp_mono){130 * MINUTE}), 7);
    assert_int_equal(sp_hour_window_sum(&window, (sp_mono){160 * MINUTE}), 7);
    assert_int_equal(sp_hour_window_sum(&window, (sp_mono){161 * MINUTE}), 4);
    sp_hour_window_add(&window, 1, 58, (sp_mono){161 * MINUTE});
    assert_int_equal(sp_hour_window_sum(&window, (sp_mono){161 * MINUTE}), 5);
    assert_int_equal(sp_hour_window_sum(&window, (sp_mono){1000 * MINUTE}), 0);
    sp_hour_window_add(&window, 1, 59, (sp_mono){1000 * MINUTE});
    assert_int_equal(sp_hour_window_sum(&window, (sp_mono){1000 * MINUTE}), 1);
}

static void test_health_core_a_restarted_counter_counts_from_zero(void **state)
{
    struct sp_hour_window window = {0};

    (void)state;
    sp_hour_window_add(&window, 1, 50, (sp_mono){0});
    sp_hour_window_add(&window, 2, 60, (sp_mono){MINUTE}); /* larger, and another process */
    assert_int_equal(sp_hour_window_sum(&window, (sp_mono){MINUTE}), 60);
    sp_hour_window_add(&window, 2, 61, (sp_mono){MINUTE});
    assert_int_equal(sp_hour_window_sum(&window, (sp_mono){MINUTE}), 61);
}

/* ---- Text ---- */

static const char a_text[] = "# HELP spoor_x what x is\n"
                             "# TYPE spoor_x gauge\n"
                             "spoor_x 1\n"
                             "# HELP spoor_h how long\n"
                             "# TYPE spoor_h histogram\n"
                             "spoor_h_bucket{le=\"+Inf\"} 2\n"
                             "spoor_h_sum{} 0.5\n";
static const char b_text[] = "# HELP spoor_y only here\n"
                             "# TYPE spoor_y counter\n"
                             "spoor_y{strategy=\"ema\",worker=\"a\"} 4\n"
                             "spoor_y{strategy=\"ema\",worker=\"b\"} 5\n"
                             "# HELP spoor_x what x is\n"
                             "# TYPE spoor_x gauge\n"
                             "spoor_x 7\n";

static void test_health_core_metrics_merge_by_family(void **state)
{
    const struct sp_exposition_source sources[] = {{"a", a_text}, {"silent", NULL}, {"b", b_text}};

    (void)state;
    sp_exposition_merge(&page, sources, 3);
    assert_string_equal(buf, "# HELP spoor_x what x is\n"
                             "# TYPE spoor_x gauge\n"
                             "spoor_x{service=\"a\"} 1\n"
                             "spoor_x{service=\"b\"} 7\n"
                             "# HELP spoor_h how long\n"
                             "# TYPE spoor_h histogram\n"
                             "spoor_h_bucket{service=\"a\",le=\"+Inf\"} 2\n"
                             "spoor_h_sum{service=\"a\"} 0.5\n"
                             "# HELP spoor_y only here\n"
                             "# TYPE spoor_y counter\n"
                             "spoor_y{service=\"b\",strategy=\"ema\",worker=\"a\"} 4\n"
                             "spoor_y{service=\"b\",strategy=\"ema\",worker=\"b\"} 5\n");
    assert_int_equal(sp_exposition_sum(b_text, "spoor_y"), 9);
    assert_int_equal(sp_exposition_sum(b_text, "spoor_x"), 7);
    assert_int_equal(sp_exposition_sum(b_text, "spoor_"), 0);
}

static void test_health_core_a_full_page_is_cut_at_a_line(void **state)
{
    const struct sp_exposition_source source = {"a", a_text};

    (void)state;
    page.size_bytes = 80;
    sp_exposition_merge(&page, &source, 1);
    assert_true(page.is_cut);
    assert_true(page.len_bytes < 80);
    assert_int_equal(buf[page.len_bytes - 1], '\n');
    assert_int_equal(buf[page.len_bytes], '\0');
}

static void test_health_core_the_report_is_strict_json(void **state)
{
    const struct sp_strict_limits limits = {.bytes_max = sizeof buf, .depth_max = 8};
    struct sp_strict_json *json = NULL;
    struct sp_strict_fault fault = {0};

    (void)state;
    for (int known = 0; known < 2; known++) {
        page.len_bytes = 0;
        if (known == 1) {
            beat_all(10 * S);
            say_trading(SP_TRADING_REDUCE_ONLY, 1, 10 * S);
            struct sp_service_status status = {.service = sp_name_of("reconciliation")};
            status.values.count = 1;
            status.values.at[0] = (struct sp_fact){sp_name_of("clean"), sp_name_of("1")};
            sp_health_status(&health, &status, (sp_mono){10 * S});
        }
        sp_report_health(&page, &health, (sp_mono){10 * S});
        sp_status got = sp_strict_json_parse(buf, page.len_bytes, &limits, &json, &fault);
        if (got != SP_OK) print_error("%s\n%s\n", fault.text, buf);
        assert_int_equal(got, SP_OK);
        sp_strict_json_free(json);
        assert_non_null(strstr(buf, known ? "\"event_bus_alive\": true"
                                          : "\"event_bus_alive\": "
                                            "false"));
    }
    assert_non_null(strstr(buf, "\"last_tick_timestamp\": null"));
    assert_non_null(strstr(buf, "\"trading_reason\": \"why \\\"so\\\"\\\\\""));
}

static void test_health_core_probes_answer_200_or_503(void **state)
{
    (void)state;
    assert_int_equal(sp_report_live(&page, &health, (sp_mono){10 * S}), 503);
    assert_int_equal(sp_report_ready(&page, &health, (sp_mono){10 * S}), 503);
    beat_all(10 * S);
    assert_int_equal(sp_report_live(&page, &health, (sp_mono){10 * S}), 200);
    assert_int_equal(sp_report_ready(&page, &health, (sp_mono){10 * S}), 200);
}

#define TEST(name) cmocka_unit_test_setup(test_health_core_##name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(live_is_the_echo_of_its_own_heartbeat),
        TEST(ready_needs_every_service_and_not_the_breaker),
        TEST(trading_is_stopped_while_execution_is_silent),
        TEST(a_late_heartbeat_of_an_old_epoch_is_none),
        TEST(strategies_count_when_ready),
        TEST(restarts_follow_the_supervisor),
        TEST(errors_leave_after_an_hour),
        TEST(a_restarted_counter_counts_from_zero),
        TEST(metrics_merge_by_family),
        TEST(a_full_page_is_cut_at_a_line),
        TEST(the_report_is_strict_json),
        TEST(probes_answer_200_or_503),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
