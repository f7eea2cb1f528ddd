#include "proto/types.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_types_products_round_half_away_from_zero(void **state)
{
    sp_amt amt = {77};

    (void)state;
    assert_true(sp_px_times_qty((sp_px){6183763000000}, (sp_qty){100000}, &amt));
    assert_int_equal(amt.e8, 6183763000);
    assert_true(sp_px_times_qty((sp_px){1}, (sp_qty){50000000}, &amt));
    assert_int_equal(amt.e8, 1);
    assert_true(sp_px_times_qty((sp_px){1}, (sp_qty){49999999}, &amt));
    assert_int_equal(amt.e8, 0);
    assert_true(sp_amt_times_ratio((sp_amt){-1}, (sp_ratio){50000000}, &amt));
    assert_int_equal(amt.e8, -1);
    assert_true(sp_amt_times_ratio((sp_amt){-1}, (sp_ratio){49999999}, &amt));
    assert_int_equal(amt.e8, 0);
}

static void test_types_what_does_not_fit_leaves_the_output(void **state)
{
    sp_amt amt = {77};
    sp_qty qty = {78};
    sp_ratio ratio = {79};

    (void)state;
    assert_false(sp_px_times_qty((sp_px){INT64_MAX}, (sp_qty){INT64_MAX}, &amt));
    assert_false(sp_amt_add((sp_amt){INT64_MAX}, (sp_amt){1}, &amt));
    assert_false(sp_amt_sub((sp_amt){INT64_MIN}, (sp_amt){1}, &amt));
    assert_false(sp_qty_add((sp_qty){INT64_MAX}, (sp_qty){1}, &qty));
    assert_false(sp_amt_div_px((sp_amt){1}, (sp_px){0}, &qty));
    assert_false(sp_px_div_px((sp_px){INT64_MAX}, (sp_px){1}, &ratio));
    assert_false(sp_amt_div_amt((sp_amt){1}, (sp_amt){0}, &ratio));
    assert_int_equal(amt.e8, 77);
    assert_int_equal(qty.e8, 78);
    assert_int_equal(ratio.e8, 79);
}

static void test_types_quantity_for_an_amount_rounds_toward_zero(void **state)
{
    sp_qty qty = {0};
    sp_ratio ratio = {0};

    (void)state;
    assert_true(sp_amt_div_px((sp_amt){200000000}, (sp_px){300000000}, &qty));
    assert_int_equal(qty.e8, 66666666);
    assert_true(sp_px_div_px((sp_px){200000000}, (sp_px){300000000}, &ratio));
    assert_int_equal(ratio.e8, 66666667);
    assert_true(sp_amt_div_amt((sp_amt){-200000000}, (sp_amt){300000000}, &ratio));
    assert_int_equal(ratio.e8, -66666667);
}

static void test_types_floor_to_a_step(void **state)
{
    (void)state;
    assert_int_equal(sp_e8_floor_to(12345, 1000), 12000);
    assert_int_equal(sp_e8_floor_to(12000, 1000), 12000);
    assert_int_equal(sp_e8_floor_to(999, 1000), 0);
    assert_int_equal(sp_e8_floor_to(12345, 0), 12345);
}

static void test_types_names_hold_identifiers_only(void **state)
{
    sp_name name = sp_name_of("before");

    (void)state;
    assert_false(sp_name_set(&name, "a b"));
    assert_false(sp_name_set(&name, "a/b"));
    assert_false(sp_name_set(&name, "\xc3\xa4"));
    assert_false(sp_name_set_n(&name, "a\0b", 3));
    assert_false(sp_name_set(&name, "1234567890123456789012345678901234567890"));
    assert_string_equal(name.s, "before");
    assert_true(sp_name_set(&name, "123456789012345678901234567890123456789"));
    assert_true(sp_name_set(&name, ""));
    assert_true(sp_name_is_empty(&name));
    for (size_t i = 0; i < sizeof name.s; i++)
        assert_int_equal(name.s[i], 0);
}

static void test_types_texts_hold_utf8_and_are_cut_whole(void **state)
{
    sp_text text;

    (void)state;
    sp_text_printf(&text, "%s", "before");
    assert_false(sp_text_set_n(&text, "\xc3\x28", 2));
    assert_false(sp_text_set_n(&text, "\xc0\x80", 2));
    assert_false(sp_text_set_n(&text, "\xf4\x90\x80\x80", 4));
    assert_false(sp_text_set_n(&text, "\xe2\x82", 2));
    assert_false(sp_text_set_n(&text, "a\0", 2));
    assert_string_equal(text.s, "before");
    assert_true(sp_text_set_n(&text, "\xf0\x9f\x90\xbe", 4));
    sp_text_printf(&text, "%0157d%s", 0, "\xe2\x82\xac"); /* 157 + 3 bytes, room for 159 */
    assert_int_equal(strlen(text.s), 157);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types_products_round_half_away_from_zero),
        cmocka_unit_test(test_types_what_does_not_fit_leaves_the_output),
        cmocka_unit_test(test_types_quantity_for_an_amount_rounds_toward_zero),
        cmocka_unit_test(test_types_floor_to_a_step),
        cmocka_unit_test(test_types_names_hold_identifiers_only),
        cmocka_unit_test(test_types_texts_hold_utf8_and_are_cut_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
