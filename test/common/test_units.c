#include "common/config/units.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_units_amounts_carry_their_asset(void **state)
{
    sp_amt amount = {7};
    sp_name asset = {"kept"};

    (void)state;
    assert_int_equal(sp_units_amount("6000.5 USDT", &amount, &asset), SP_OK);
    assert_int_equal(amount.e8, INT64_C(600050000000));
    assert_string_equal(asset.s, "USDT");
    assert_int_equal(sp_units_amount("-1BTC", &amount, &asset), SP_OK);
    assert_int_equal(amount.e8, -SP_FX_ONE);
    assert_int_equal(sp_units_amount("6000", &amount, &asset), SP_TYPE);
    assert_int_equal(sp_units_amount("6000 usdt", &amount, &asset), SP_TYPE);
    assert_int_equal(sp_units_amount("6000  USDT", &amount, &asset), SP_TYPE);
    assert_int_equal(sp_units_amount("6,000 USDT", &amount, &asset), SP_TYPE);
    assert_int_equal(sp_units_amount("0.000000001 USDT", &amount, &asset), SP_RANGE);
    assert_int_equal(sp_units_amount("99999999999999 USDT", &amount, &asset), SP_RANGE);
    assert_string_equal(asset.s, "BTC");
    assert_int_equal(amount.e8, -SP_FX_ONE);
}

static void test_units_ratios_are_exact(void **state)
{
    sp_ratio r = {7};

    (void)state;
    assert_int_equal(sp_units_ratio("0.3%", &r), SP_OK);
    assert_int_equal(r.e8, 300000);
    assert_int_equal(sp_units_ratio("0.8 bps", &r), SP_OK);
    assert_int_equal(r.e8, 8000);
    assert_int_equal(sp_units_ratio("0.0001 bps", &r), SP_OK);
    assert_int_equal(r.e8, 1);
    assert_int_equal(sp_units_ratio("0.00001 bps", &r), SP_RANGE);
    assert_int_equal(sp_units_ratio("0.003", &r), SP_TYPE);
    assert_int_equal(sp_units_ratio("3 percent", &r), SP_TYPE);
    assert_int_equal(r.e8, 1);
}

static void test_units_speeds_and_sizes(void **state)
{
    sp_ratio r = {7};
    uint64_t bytes = 7;
    char buf[SP_BYTES_TEXT_SIZE];

    (void)state;
    assert_int_equal(sp_units_speed("60x", &r), SP_OK);
    assert_int_equal(r.e8, 60 * SP_FX_ONE);
    assert_int_equal(sp_units_speed("0.5x", &r), SP_OK);
    assert_int_equal(sp_units_speed("max", &r), SP_OK);
    assert_int_equal(r.e8, 0);
    assert_int_equal(sp_units_speed("0x", &r), SP_RANGE);
    assert_int_equal(sp_units_speed("fast", &r), SP_TYPE);
    assert_int_equal(sp_units_bytes("50 MiB", &bytes), SP_OK);
    assert_int_equal(bytes, 50 << 20);
    assert_int_equal(sp_units_bytes("0.5KiB", &bytes), SP_OK);
    assert_int_equal(bytes, 512);
    assert_int_equal(sp_units_bytes("0.3 B", &bytes), SP_RANGE);
    assert_int_equal(sp_units_bytes("-1 B", &bytes), SP_RANGE);
    assert_int_equal(sp_units_bytes("90000000000 TiB", &bytes), SP_RANGE);
    assert_int_equal(sp_units_bytes("50 MB", &bytes), SP_TYPE);
    assert_int_equal(bytes, 512);
    assert_string_equal(sp_units_bytes_format(512 << 20, buf), "512 MiB");
    assert_string_equal(sp_units_bytes_format(1000, buf), "1000 B");
    assert_string_equal(sp_units_bytes_format(0, buf), "0 B");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_units_amounts_carry_their_asset),
        cmocka_unit_test(test_units_ratios_are_exact),
        cmocka_unit_test(test_units_speeds_and_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
