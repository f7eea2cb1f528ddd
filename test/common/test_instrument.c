#include "common/market/instrument.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct sp_instrument btc(void)
{
    return (struct sp_instrument){
        .symbol = sp_name_of("BTCUSDT"),
        .base = sp_name_of("BTC"),
        .quote = sp_name_of("USDT"),
        .tick = {1000000},        /* 0.01 */
        .step = {1000},           /* 0.00001 */
        .min_qty = {2000},        /* 0.00002 */
        .max_qty = {900000000},   /* 9 */
        .min_value = {500000000}, /* 5 */
    };
}

static void test_instrument_price_must_stand_on_the_tick(void **state)
{
    struct sp_instrument rules = btc();
    struct sp_err err = {0};

    (void)state;
    assert_int_equal(sp_instrument_check_px(&rules, (sp_px){1000000}, &err), SP_OK);
    assert_int_equal(sp_instrument_check_px(&rules, (sp_px){6200001000000}, &err), SP_OK);
    assert_int_equal(sp_instrument_check_px(&rules, (sp_px){6200001000001}, &err), SP_REFUSED);
    assert_non_null(strstr(err.text, "PRICE_FILTER"));
    assert_int_equal(sp_instrument_check_px(&rules, (sp_px){0}, &err), SP_REFUSED);
    assert_int_equal(sp_instrument_check_px(&rules, (sp_px){-1000000}, &err), SP_REFUSED);
    rules.tick.e8 = 0;
    assert_int_equal(sp_instrument_check_px(&rules, (sp_px){1}, &err), SP_OK);
}

static void test_instrument_quantity_obeys_minimum_maximum_and_step(void **state)
{
    struct sp_instrument rules = btc();
    struct sp_err err = {0};

    (void)state;
    assert_int_equal(sp_instrument_check_qty(&rules, (sp_qty){2000}, &err), SP_OK);
    assert_int_equal(sp_instrument_check_qty(&rules, (sp_qty){1000}, &err), SP_REFUSED);
    assert_int_equal(sp_instrument_check_qty(&rules, (sp_qty){1999}, &err), SP_REFUSED);
    assert_int_equal(sp_instrument_check_qty(&rules, (sp_qty){2001}, &err), SP_REFUSED);
    assert_int_equal(sp_instrument_check_qty(&rules, (sp_qty){900000000}, &err), SP_OK);
    assert_int_equal(sp_instrument_check_qty(&rules, (sp_qty){900001000}, &err), SP_REFUSED);
    assert_int_equal(sp_instrument_check_qty(&rules, (sp_qty){0}, &err), SP_REFUSED);
    assert_non_null(strstr(err.text, "LOT_SIZE"));
    rules.max_qty.e8 = 0;
    assert_int_equal(sp_instrument_check_qty(&rules, (sp_qty){900001000}, &err), SP_OK);
}

static void test_instrument_value_is_compared_before_rounding(void **state)
{
    struct sp_instrument rules = btc();
    struct sp_err err = {0};

    (void)state;
    /* 50000 x 0.0001 = 5 exactly. */
    assert_int_equal(
        sp_instrument_check_value(&rules, (sp_px){5000000000000}, (sp_qty){10000}, &err), SP_OK);
    /* 4.9999999999 would round to 5 at 1e-8, and is still too little. */
    rules.step.e8 = 0;
    assert_int_equal(
        sp_instrument_check_value(&rules, (sp_px){4999999999}, (sp_qty){10000000}, &err),
        SP_REFUSED);
    assert_non_null(strstr(err.text, "NOTIONAL"));
    assert_int_equal(
        sp_instrument_check_value(&rules, (sp_px){INT64_MAX}, (sp_qty){INT64_MAX}, &err), SP_OK);
}

static void test_instrument_rounding_stays_on_the_grid(void **state)
{
    struct sp_instrument rules = btc();
    sp_px up = {0};

    (void)state;
    assert_int_equal(sp_instrument_px_down(&rules, (sp_px){1999999}).e8, 1000000);
    assert_true(sp_instrument_px_up(&rules, (sp_px){1000001}, &up));
    assert_int_equal(up.e8, 2000000);
    assert_true(sp_instrument_px_up(&rules, (sp_px){2000000}, &up));
    assert_int_equal(up.e8, 2000000);
    assert_false(sp_instrument_px_up(&rules, (sp_px){INT64_MAX}, &up));
    assert_int_equal(up.e8, 2000000);
    assert_int_equal(sp_instrument_qty_down(&rules, (sp_qty){2999}).e8, 2000);
}

static void test_instrument_dust_is_what_cannot_be_sold(void **state)
{
    struct sp_instrument rules = btc();
    sp_px px = {5000000000000};

    (void)state;
    assert_true(sp_instrument_is_dust(&rules, px, (sp_qty){0}));
    assert_true(sp_instrument_is_dust(&rules, px, (sp_qty){999}));
    assert_true(sp_instrument_is_dust(&rules, px, (sp_qty){9999}));
    assert_true(sp_instrument_is_dust(&rules, px, (sp_qty){9000 + 999}));
    assert_false(sp_instrument_is_dust(&rules, px, (sp_qty){10000}));
}

static void test_instrument_rules_themselves_are_checked(void **state)
{
    struct sp_instrument rules = btc();
    struct sp_err err = {0};

    (void)state;
    assert_int_equal(sp_instrument_check(&rules, &err), SP_OK);
    rules.tick.e8 = -1;
    assert_int_equal(sp_instrument_check(&rules, &err), SP_INVALID);
    rules = btc();
    rules.max_qty.e8 = 1999;
    assert_int_equal(sp_instrument_check(&rules, &err), SP_INVALID);
    rules = btc();
    rules.quote = rules.base;
    assert_int_equal(sp_instrument_check(&rules, &err), SP_INVALID);
    rules.quote = (sp_name){{0}};
    assert_int_equal(sp_instrument_check(&rules, &err), SP_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_instrument_price_must_stand_on_the_tick),
        cmocka_unit_test(test_instrument_quantity_obeys_minimum_maximum_and_step),
        cmocka_unit_test(test_instrument_value_is_compared_before_rounding),
        cmocka_unit_test(test_instrument_rounding_stays_on_the_grid),
        cmocka_unit_test(test_instrument_dust_is_what_cannot_be_sold),
        cmocka_unit_test(test_instrument_rules_themselves_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
