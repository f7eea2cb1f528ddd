#include "proto/decimal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static sp_status parse_e8(const char *text, int64_t *out)
{
    return sp_e8_parse(text, strlen(text), out);
}

static void test_decimal_e8_text_is_exact_both_ways(void **state)
{
    static const struct {
        int64_t e8;
        const char *text;
    } rows[] = {
        {0, "0"},
        {1, "0.00000001"},
        {-1, "-0.00000001"},
        {150000000, "1.5"},
        {-150000000, "-1.5"},
        {100000000, "1"},
        {6183763000000, "61837.63"},
        {INT64_MAX, "92233720368.54775807"},
        {INT64_MIN, "-92233720368.54775808"},
    };
    char buf[SP_E8_TEXT_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t back = 77;
        assert_string_equal(sp_e8_format(rows[i].e8, buf), rows[i].text);
        assert_int_equal(parse_e8(rows[i].text, &back), SP_OK);
        assert_int_equal(back, rows[i].e8);
    }
}

static void test_decimal_e8_parse_takes_needless_decimal_zeros(void **state)
{
    int64_t e8 = 0;

    (void)state;
    assert_int_equal(parse_e8("0.00100000", &e8), SP_OK);
    assert_int_equal(e8, 100000);
    assert_int_equal(parse_e8("1.500000000000000000000000000000", &e8), SP_OK);
    assert_int_equal(e8, 150000000);
    assert_int_equal(parse_e8("-0", &e8), SP_OK);
    assert_int_equal(e8, 0);
}

static void test_decimal_e8_parse_refuses_what_is_no_decimal(void **state)
{
    static const char *const wrong[] = {"",   "-",   ".",   "1.",    ".5",  "+1", "1e5", " 1",
                                        "1 ", "0x1", "1,0", "1.2.3", "--1", "01", "00",  "nan"};
    static const char *const big[] = {
        "92233720368.54775808", "-92233720368.54775809",
        "92233720369",          "99999999999999999999999999999999999999999999",
        "0.000000001",          "1.00000000000000000000001"};
    int64_t e8 = 42;

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(parse_e8(wrong[i], &e8), SP_TYPE);
    }
    for (size_t i = 0; i < sizeof big / sizeof *big; i++) {
        assert_int_equal(parse_e8(big[i], &e8), SP_RANGE);
    }
    assert_int_equal(sp_e8_parse("1\0", 2, &e8), SP_TYPE);
    assert_int_equal(e8, 42);
}

static void test_decimal_pretty_rounds_and_groups(void **state)
{
    char buf[SP_WALL_TEXT_SIZE];

    (void)state;
    assert_string_equal(sp_e8_pretty(123456789012345678, 2, buf), "1,234,567,890.12");
    assert_string_equal(sp_e8_pretty(99999500000, 2, buf), "1,000.00");
    assert_string_equal(sp_e8_pretty(-50000000, 0, buf), "-1");
    assert_string_equal(sp_e8_pretty(-400000, 2, buf), "0.00");
    assert_string_equal(sp_e8_pretty(INT64_MIN, 8, buf), "-92,233,720,368.54775808");
    assert_string_equal(sp_e8_pretty(10000000000, 0, buf), "100");
}

static void test_decimal_wall_text_round_trips(void **state)
{
    static const struct {
        int64_t ns;
        const char *text;
    } rows[] = {
        {0, "1970-01-01T00:00:00.000000000Z"},
        {951782400000000000, "2000-02-29T00:00:00.000000000Z"},
        {1795370400123456789, "2026-11-22T18:00:00.123456789Z"},
        {4107542400000000000, "2100-03-01T00:00:00.000000000Z"},
        {SP_WALL_NS_MAX, "2261-12-31T23:59:59.999999999Z"},
    };
    char buf[SP_WALL_TEXT_SIZE];
    sp_wall back = {0};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_string_equal(sp_wall_format((sp_wall){rows[i].ns}, buf), rows[i].text);
        assert_int_equal(sp_wall_parse(rows[i].text, strlen(rows[i].text), &back), SP_OK);
        assert_int_equal(back.ns, rows[i].ns);
    }
    assert_string_equal(sp_wall_format((sp_wall){-1}, buf), "1969-12-31T23:59:59.999999999Z");
    assert_int_equal(sp_wall_parse("1970-01-01T00:00:01Z", 20, &back), SP_OK);
    assert_int_equal(back.ns, 1000000000);
    assert_int_equal(sp_wall_parse("1970-01-01T00:00:01.25Z", 23, &back), SP_OK);
    assert_int_equal(back.ns, 1250000000);
}

static void test_decimal_wall_every_day_round_trips(void **state)
{
    char buf[SP_WALL_TEXT_SIZE];

    (void)state;
    for (int64_t day = 0; day < 106650; day++) {
        sp_wall back = {-1};
        sp_wall t = {day * INT64_C(86400000000000)};
        sp_wall_format(t, buf);
        assert_int_equal(sp_wall_parse(buf, strlen(buf), &back), SP_OK);
        assert_int_equal(back.ns, t.ns);
    }
}

static void test_decimal_wall_parse_refuses_what_is_no_time(void **state)
{
    static const char *const wrong[] = {"",
                                        "2026-11-22",
                                        "2026-11-22T18:00:00",
                                        "2026-11-22 18:00:00Z",
                                        "2026-11-22T18:00:00.Z",
                                        "2026-11-22T18:00:00.1234567890Z",
                                        "2026-11-22T18:00:00+00:00",
                                        "2026-11-22T18:00:00Zx",
                                        "2026-11-22T18:00:0xZ"};
    static const char *const big[] = {"1969-12-31T23:59:59Z", "2262-01-01T00:00:00Z",
                                      "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z",
                                      "2026-00-01T00:00:00Z", "2026-01-00T00:00:00Z",
                                      "2026-01-01T24:00:00Z", "2026-01-01T23:59:60Z"};
    sp_wall t = {42};

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(sp_wall_parse(wrong[i], strlen(wrong[i]), &t), SP_TYPE);
    }
    for (size_t i = 0; i < sizeof big / sizeof *big; i++) {
        assert_int_equal(sp_wall_parse(big[i], strlen(big[i]), &t), SP_RANGE);
    }
    assert_int_equal(t.ns, 42);
}

static void test_decimal_clock_shows_the_time_of_day(void **state)
{
    char buf[SP_WALL_TEXT_SIZE];
    sp_wall t = {1795370400123456789};

    (void)state;
    assert_string_equal(sp_wall_clock(t, 0, buf), "18:00:00");
    assert_string_equal(sp_wall_clock(t, 3, buf), "18:00:00.123");
    assert_string_equal(sp_wall_clock(t, 9, buf), "18:00:00.123456789");
}

static void test_decimal_durations_use_the_largest_exact_unit(void **state)
{
    static const struct {
        int64_t ns;
        const char *text;
    } rows[] = {
        {0, "0s"},
        {500000000, "500ms"},
        {300000000000, "5m"},
        {1000000000, "1s"},
        {90000000000, "90s"},
        {86400000000000, "1d"},
        {7200000000000, "2h"},
        {-1500, "-1500ns"},
        {-2000, "-2us"},
        {INT64_MAX, "9223372036854775807ns"},
        {INT64_MIN, "-9223372036854775808ns"},
    };
    char buf[SP_DUR_TEXT_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        sp_dur back = {1};
        assert_string_equal(sp_dur_format((sp_dur){rows[i].ns}, buf), rows[i].text);
        assert_int_equal(sp_dur_parse(rows[i].text, strlen(rows[i].text), &back), SP_OK);
        assert_int_equal(back.ns, rows[i].ns);
    }
}

static void test_decimal_dur_parse_is_exact_or_refuses(void **state)
{
    static const char *const wrong[] = {"",   "5",   "s",  "5x",   "5  s",
                                        "5S", "1.s", "5 ", "5ms ", "05s"};
    static const char *const big[] = {"0.5ns", "1.0000000001s", "106752d", "9223372036854775808ns",
                                      "0.0000000000000000001d"};
    sp_dur d = {42};

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(sp_dur_parse(wrong[i], strlen(wrong[i]), &d), SP_TYPE);
    }
    for (size_t i = 0; i < sizeof big / sizeof *big; i++) {
        assert_int_equal(sp_dur_parse(big[i], strlen(big[i]), &d), SP_RANGE);
    }
    assert_int_equal(d.ns, 42);
    assert_int_equal(sp_dur_parse("1.5 s", 5, &d), SP_OK);
    assert_int_equal(d.ns, 1500000000);
    assert_int_equal(sp_dur_parse("0.25m", 5, &d), SP_OK);
    assert_int_equal(d.ns, 15000000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decimal_e8_text_is_exact_both_ways),
        cmocka_unit_test(test_decimal_e8_parse_takes_needless_decimal_zeros),
        cmocka_unit_test(test_decimal_e8_parse_refuses_what_is_no_decimal),
        cmocka_unit_test(test_decimal_pretty_rounds_and_groups),
        cmocka_unit_test(test_decimal_wall_text_round_trips),
        cmocka_unit_test(test_decimal_wall_every_day_round_trips),
        cmocka_unit_test(test_decimal_wall_parse_refuses_what_is_no_time),
        cmocka_unit_test(test_decimal_clock_shows_the_time_of_day),
        cmocka_unit_test(test_decimal_durations_use_the_largest_exact_unit),
        cmocka_unit_test(test_decimal_dur_parse_is_exact_or_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
