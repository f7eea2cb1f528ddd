#include "common/market/fees.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct sp_fees paper = {.maker = {20000}, .taker = {50000}}; /* 0.02%, 0.05% */

static void test_fees_are_a_ratio_of_the_value(void **state)
{
    sp_amt fee = {0};

    (void)state;
    /* 61813.10 x 0.08088 = 4999.443528; 0.05% of it = 2.499721764 */
    assert_true(sp_fees_of_fill(&paper, SP_LIQUIDITY_TAKER, (sp_px){6181310000000},
                                (sp_qty){8088000}, &fee));
    assert_int_equal(fee.e8, 249972176);
    assert_true(sp_fees_of_fill(&paper, SP_LIQUIDITY_MAKER, (sp_px){6181310000000},
                                (sp_qty){8088000}, &fee));
    assert_int_equal(fee.e8, 99988871);
}

static void test_fees_round_once_and_half_away_from_zero(void **state)
{
    struct sp_fees half = {.maker = {-50000000}, .taker = {50000000}};
    sp_amt fee = {0};

    (void)state;
    assert_true(sp_fees_of_fill(&half, SP_LIQUIDITY_TAKER, (sp_px){1}, (sp_qty){SP_FX_ONE}, &fee));
    assert_int_equal(fee.e8, 1);
    assert_true(sp_fees_of_fill(&half, SP_LIQUIDITY_MAKER, (sp_px){1}, (sp_qty){SP_FX_ONE}, &fee));
    assert_int_equal(fee.e8, -1);
    /* 0.99999999 of the smallest unit, halved: below one half, although the value alone would have
     * rounded up to a whole unit first. */
    assert_true(sp_fees_of_fill(&half, SP_LIQUIDITY_TAKER, (sp_px){1}, (sp_qty){99999999}, &fee));
    assert_int_equal(fee.e8, 0);
}

static void test_fees_that_do_not_fit_are_refused(void **state)
{
    struct sp_fees whole = {.maker = {0}, .taker = {SP_FX_ONE}};
    sp_amt fee = {77};

    (void)state;
    assert_false(
        sp_fees_of_fill(&whole, SP_LIQUIDITY_TAKER, (sp_px){INT64_MAX}, (sp_qty){INT64_MAX}, &fee));
    assert_int_equal(fee.e8, 77);
    assert_true(
        sp_fees_of_fill(&whole, SP_LIQUIDITY_TAKER, (sp_px){INT64_MAX}, (sp_qty){SP_FX_ONE}, &fee));
    assert_true(fee.e8 == INT64_MAX);
    assert_true(sp_fees_of_fill(&whole, SP_LIQUIDITY_MAKER, (sp_px){1}, (sp_qty){1}, &fee));
    assert_int_equal(fee.e8, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fees_are_a_ratio_of_the_value),
        cmocka_unit_test(test_fees_round_once_and_half_away_from_zero),
        cmocka_unit_test(test_fees_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
