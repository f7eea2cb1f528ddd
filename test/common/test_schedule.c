#include "common/schedule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define MIN (INT64_C(60) * 1000000000)

static const struct sp_schedule_config run_once = {.every = {5 * MIN}, .run_once_if_missed = true};
static const struct sp_schedule_config skip = {.every = {5 * MIN}};

static bool poll(struct sp_schedule *schedule, int64_t at, struct sp_schedule_due *due)
{
    memset(due, 0, sizeof *due);
    return sp_schedule_poll(schedule, (sp_wall){at}, due);
}

static void test_schedule_is_due_once_on_each_grid_point(void **state)
{
    struct sp_schedule schedule = {.config = &run_once};
    struct sp_schedule_due due;
    uint32_t ticks = 0;

    (void)state;
    for (int64_t t = 1003 * MIN; t < 1031 * MIN; t += 100000000) {
        if (!poll(&schedule, t, &due)) continue;
        assert_int_equal(due.at.ns, (1005 + 5 * (int64_t)ticks) * MIN);
        assert_int_equal(due.missed, 0);
        ticks++;
    }
    assert_int_equal(ticks, 6);
}

static void test_schedule_is_not_due_without_a_market(void **state)
{
    struct sp_schedule schedule = {.config = &run_once};
    struct sp_schedule_due due;

    (void)state;
    assert_false(poll(&schedule, 0, &due));
    assert_int_equal(schedule.last.ns, 0);
    assert_false(poll(&schedule, 1001 * MIN, &due)); /* takes its place only */
    assert_int_equal(schedule.last.ns, 1000 * MIN);
}

static void test_schedule_runs_missed_ticks_once(void **state)
{
    struct sp_schedule schedule = {.config = &run_once, .last = {1000 * MIN}};
    struct sp_schedule_due due;

    (void)state;
    assert_true(poll(&schedule, 1023 * MIN, &due));
    assert_int_equal(due.at.ns, 1020 * MIN);
    assert_int_equal(due.missed, 3);
    assert_false(poll(&schedule, 1024 * MIN, &due));
    assert_true(poll(&schedule, 1025 * MIN, &due));
    assert_int_equal(due.missed, 0);
}

static void test_schedule_skips_missed_ticks_if_told(void **state)
{
    struct sp_schedule schedule = {.config = &skip, .last = {1000 * MIN}};
    struct sp_schedule_due due;

    (void)state;
    assert_false(poll(&schedule, 1023 * MIN, &due));
    assert_true(poll(&schedule, 1025 * MIN, &due));
    assert_int_equal(due.at.ns, 1025 * MIN);
    assert_int_equal(due.missed, 0);
}

static void test_schedule_follows_a_clock_that_went_back(void **state)
{
    struct sp_schedule schedule = {.config = &run_once, .last = {1000 * MIN}};
    struct sp_schedule_due due;

    (void)state;
    assert_false(poll(&schedule, 999 * MIN, &due)); /* jitter: nothing is due twice */
    assert_false(poll(&schedule, 1001 * MIN, &due));
    assert_false(poll(&schedule, 201 * MIN, &due)); /* another market */
    assert_true(poll(&schedule, 205 * MIN, &due));
    assert_int_equal(due.at.ns, 205 * MIN);
    assert_int_equal(due.missed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schedule_is_due_once_on_each_grid_point),
        cmocka_unit_test(test_schedule_is_not_due_without_a_market),
        cmocka_unit_test(test_schedule_runs_missed_ticks_once),
        cmocka_unit_test(test_schedule_skips_missed_ticks_if_told),
        cmocka_unit_test(test_schedule_follows_a_clock_that_went_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
