#include "common/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct text {
    char all[16384];
};

static void collect(void *ctx, const char *line)
{
    struct text *text = ctx;

    assert_true(strlen(text->all) + strlen(line) + 2 < sizeof text->all);
    strcat(text->all, line);
    strcat(text->all, "\n");
}

static void test_metrics_print_families_together(void **state)
{
    struct sp_metrics *metrics = NULL;
    struct text text = {{0}};

    (void)state;
    assert_int_equal(sp_metrics_open(&metrics, NULL), SP_OK);
    struct sp_metric *a =
        sp_metrics_counter(metrics, "spoor_ticks_total", "strategy=\"a\"", "ticks");
    struct sp_metric *g = sp_metrics_gauge(metrics, "spoor_lag", "", "lag");
    struct sp_metric *b =
        sp_metrics_counter(metrics, "spoor_ticks_total", "strategy=\"b\"", "ticks");
    sp_metric_add(a, 3);
    sp_metric_add(b, 4);
    sp_metric_add(b, 1);
    sp_metric_set(g, -7);
    sp_metrics_print(metrics, collect, &text);
    assert_string_equal(text.all, "# HELP spoor_ticks_total ticks\n"
                                  "# TYPE spoor_ticks_total counter\n"
                                  "spoor_ticks_total{strategy=\"a\"} 3\n"
                                  "spoor_ticks_total{strategy=\"b\"} 5\n"
                                  "# HELP spoor_lag lag\n"
                                  "# TYPE spoor_lag gauge\n"
                                  "spoor_lag -7\n");
    assert_int_equal(sp_metric_value(b), 5);
    sp_metrics_close(metrics);
}

static void test_metrics_histogram_cumulates_its_buckets(void **state)
{
    struct sp_metrics *metrics = NULL;
    struct text text = {{0}};

    (void)state;
    assert_int_equal(sp_metrics_open(&metrics, NULL), SP_OK);
    struct sp_metric *h = sp_metrics_histogram(metrics, "spoor_hop_seconds", "", "one hop");
    sp_metric_observe(h, (sp_dur){1000});        /* on the bound of the first bucket */
    sp_metric_observe(h, (sp_dur){1001});        /* just above it */
    sp_metric_observe(h, (sp_dur){20000000000}); /* above all */
    sp_metrics_print(metrics, collect, &text);
    assert_non_null(strstr(text.all, "spoor_hop_seconds_bucket{le=\"0.000001000\"} 1\n"));
    assert_non_null(strstr(text.all, "spoor_hop_seconds_bucket{le=\"0.000002000\"} 2\n"));
    assert_non_null(strstr(text.all, "spoor_hop_seconds_bucket{le=\"10.000000000\"} 2\n"));
    assert_non_null(strstr(text.all, "spoor_hop_seconds_bucket{le=\"+Inf\"} 3\n"));
    assert_non_null(strstr(text.all, "spoor_hop_seconds_sum{} 20.000002001\n"));
    assert_non_null(strstr(text.all, "spoor_hop_seconds_count{} 3\n"));
    sp_metrics_close(metrics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metrics_print_families_together),
        cmocka_unit_test(test_metrics_histogram_cumulates_its_buckets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
