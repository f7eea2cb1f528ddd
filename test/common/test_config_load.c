/* The whole check, workers included, on the configurations that are shipped. */
#include "common/config/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct sp_problems problems;

static struct sp_config *load(const char *name)
{
    char dir[1024];
    struct sp_config *config;

    snprintf(dir, sizeof dir, "%s/config/%s", getenv("SPOOR_SOURCE"), name);
    SP_IGNORE(sp_config_load(dir, &config, &problems)); /* seen in the problems */
    sp_problems_print(&problems, STDERR_FILENO);
    return config;
}

static void test_config_load_takes_the_demo(void **state)
{
    struct sp_config *config = load("demo");

    (void)state;
    assert_non_null(config);
    assert_int_equal(problems.errors, 0);
    assert_int_equal(config->file_count, 3);
    assert_int_equal(config->worker_count, 9);
    sp_config_free(config);
}

static void test_config_load_misses_only_the_capture_of_the_recording(void **state)
{
    struct sp_config *config = load("recording");

    (void)state;
    for (uint32_t i = 0; i < problems.count; i++) {
        assert_non_null(strstr(problems.at[i].text, "capture.gz"));
    }
    sp_config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config_load_takes_the_demo),
        cmocka_unit_test(test_config_load_misses_only_the_capture_of_the_recording),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
