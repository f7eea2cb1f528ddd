#include "proto/enums.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_enums_every_name_round_trips(void **state)
{
    (void)state;
    for (unsigned which = 0; which < SP_ENUM_COUNT; which++) {
        uint8_t count = sp_enum_count((enum sp_enum)which);
        assert_in_range(count, 2, 64);
        for (uint8_t value = 0; value < count; value++) {
            const char *name = sp_enum_name((enum sp_enum)which, value);
            uint8_t back = 255;
            assert_true(sp_enum_parse((enum sp_enum)which, name, strlen(name), &back));
            assert_int_equal(back, value);
        }
        assert_null(sp_enum_name((enum sp_enum)which, count));
        assert_null(sp_enum_name((enum sp_enum)which, 255));
    }
}

static void test_enums_numbers_are_pinned(void **state)
{
    (void)state;
    assert_int_equal(SP_SIDE_BUY, 1);
    assert_int_equal(SP_SIDE_SELL, 2);
    assert_int_equal(SP_ORDER_STATE_UNKNOWN, 7);
    assert_int_equal(SP_CLOSE_CAUSE_EXTERNAL, 10);
    assert_string_equal(sp_enum_name(SP_ENUM_SIDE, SP_SIDE_NONE), "");
}

static void test_enums_other_names_are_refused(void **state)
{
    uint8_t value = 42;

    (void)state;
    assert_false(sp_enum_parse(SP_ENUM_SIDE, "buy", 3, &value));
    assert_false(sp_enum_parse(SP_ENUM_SIDE, "BUYS", 4, &value));
    assert_false(sp_enum_parse(SP_ENUM_SIDE, "BUY", 2, &value));
    assert_int_equal(value, 42);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_enums_every_name_round_trips),
        cmocka_unit_test(test_enums_numbers_are_pinned),
        cmocka_unit_test(test_enums_other_names_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
