#include "common/venue/binance_pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MS  INT64_C(1000000)
#define NOW ((sp_mono){1000 * MS})

static void test_binance_pace_a_share_is_kept_per_minute(void **state)
{
    struct sp_binance_pace pace;

    (void)state;
    sp_binance_pace_init(&pace, 20);
    assert_int_equal(pace.share, 1200);
    for (int i = 0; i < 60; i++)
        assert_true(sp_binance_pace_take(&pace, 20, false, NOW, 59999));
    assert_false(sp_binance_pace_take(&pace, 1, false, NOW, 59999));
    assert_true(sp_binance_pace_take(&pace, 1, true, NOW, 59999)); /* a cancel still goes */
    assert_true(sp_binance_pace_take(&pace, 1200, false, NOW, 60000));
    assert_false(sp_binance_pace_take(&pace, 1, false, NOW, 60001));
}

static void test_binance_pace_the_venues_count_closes_it_too(void **state)
{
    struct sp_binance_pace pace;

    (void)state;
    sp_binance_pace_init(&pace, 60);
    sp_binance_pace_counted(&pace, 5399, 1000);
    assert_true(sp_binance_pace_take(&pace, 1, false, NOW, 1000));
    sp_binance_pace_counted(&pace, 5400, 1000);
    sp_binance_pace_counted(&pace, 100, 1000); /* an older answer */
    assert_false(sp_binance_pace_take(&pace, 1, false, NOW, 1000));
    assert_true(sp_binance_pace_take(&pace, 1, false, NOW, 60000));
}

static void test_binance_pace_waits_are_obeyed_by_all(void **state)
{
    struct sp_binance_pace pace;

    (void)state;
    sp_binance_pace_init(&pace, 60);
    sp_binance_pace_wait(&pace, 7, false, NOW);
    assert_false(sp_binance_pace_take(&pace, 1, true, (sp_mono){NOW.ns + 6999 * MS}, 0));
    assert_true(sp_binance_pace_take(&pace, 1, true, (sp_mono){NOW.ns + 7000 * MS}, 0));
    sp_binance_pace_wait(&pace, 0, true, NOW);
    assert_false(sp_binance_pace_take(&pace, 1, true, (sp_mono){NOW.ns + 119999 * MS}, 0));
    sp_binance_pace_wait(&pace, 1, false, NOW); /* no shorter wait ends a longer one */
    assert_false(sp_binance_pace_take(&pace, 1, true, (sp_mono){NOW.ns + 119999 * MS}, 0));
    sp_binance_pace_wait(&pace, INT64_MAX, true, NOW);
    assert_true(pace.wait_until.ns == NOW.ns + SP_BINANCE_WAIT_MS_MAX * MS);
}

static void test_binance_pace_backoff_grows_and_varies(void **state)
{
    static const int64_t ms[] = {1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000};

    (void)state;
    for (uint32_t i = 0; i < 8; i++) {
        assert_int_equal(sp_binance_backoff(i, 0).ns, ms[i] / 2 * MS);
        assert_int_equal(sp_binance_backoff(i, (uint64_t)(ms[i] / 2)).ns, ms[i] * MS);
    }
    assert_int_equal(sp_binance_backoff(4000000000u, 0).ns, 30000 * MS);
}

static void test_binance_pace_the_shortest_trip_tells_the_time(void **state)
{
    struct sp_binance_clock clock = {0};

    (void)state;
    sp_binance_clock_sample(&clock, (sp_wall){1000 * MS}, (sp_wall){1400 * MS}, 5900);
    assert_int_equal(clock.offset_ms, 4700);
    sp_binance_clock_sample(&clock, (sp_wall){2000 * MS}, (sp_wall){2020 * MS}, 7010);
    assert_int_equal(clock.offset_ms, 5000);
    sp_binance_clock_sample(&clock, (sp_wall){3000 * MS}, (sp_wall){3900 * MS}, 1);
    sp_binance_clock_sample(&clock, (sp_wall){5000 * MS}, (sp_wall){4000 * MS}, 1); /* set back */
    assert_int_equal(clock.offset_ms, 5000);
    assert_int_equal(sp_binance_clock_ms(&clock, (sp_wall){9000 * MS}), 14000);
    sp_binance_clock_restart(&clock);
    assert_int_equal(sp_binance_clock_ms(&clock, (sp_wall){9000 * MS}), 14000);
    sp_binance_clock_sample(&clock, (sp_wall){9000 * MS}, (sp_wall){9100 * MS}, 9050);
    assert_int_equal(clock.offset_ms, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_binance_pace_a_share_is_kept_per_minute),
        cmocka_unit_test(test_binance_pace_the_venues_count_closes_it_too),
        cmocka_unit_test(test_binance_pace_waits_are_obeyed_by_all),
        cmocka_unit_test(test_binance_pace_backoff_grows_and_varies),
        cmocka_unit_test(test_binance_pace_the_shortest_trip_tells_the_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
