#include "proto/status.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_status_names_round_trip_and_are_pinned(void **state)
{
    (void)state;
    for (int i = 0; i < SP_STATUS_COUNT; i++) {
        sp_status back = SP_STATUS_COUNT;
        assert_true(sp_status_parse(sp_status_name((sp_status)i), &back));
        assert_int_equal(back, i);
        assert_true(strlen(sp_status_text((sp_status)i)) > 0);
    }
    assert_int_equal(SP_OK, 0);
    assert_int_equal(SP_AWAY, 30); /* append-only: the last one moves when one is added */
    assert_string_equal(sp_status_name(SP_FENCED), "FENCED");
}

static void test_status_unknown_numbers_and_names_are_survived(void **state)
{
    sp_status status = SP_IO;

    (void)state;
    assert_non_null(sp_status_name((sp_status)4711));
    assert_non_null(sp_status_text((sp_status)4711));
    assert_false(sp_status_parse("NO_SUCH", &status));
    assert_int_equal(status, SP_IO);
}

static void test_status_error_says_where_and_why(void **state)
{
    struct sp_err err = {0};

    (void)state;
    errno = ENOSPC;
    assert_int_equal(SP_FAIL(&err, SP_IO, "cannot write %s", "x.jnl"), SP_IO);
    assert_int_equal(err.status, SP_IO);
    assert_int_equal(err.os_errno, ENOSPC);
    assert_string_equal(err.text, "cannot write x.jnl");
    assert_non_null(strstr(err.site, "test_status.c:"));
    assert_int_equal(SP_FAIL(NULL, SP_FULL, "%d", 1), SP_FULL);
    SP_IGNORE(SP_FAIL(&err, SP_IO, "%0500d", 0)); /* cut, not overrun */
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
}

static void test_status_exit_codes_tell_the_supervisor(void **state)
{
    (void)state;
    assert_int_equal(sp_status_exit_code(SP_OK), SP_EXIT_OK);
    assert_int_equal(sp_status_exit_code(SP_CORRUPT), SP_EXIT_DAMAGED);
    assert_int_equal(sp_status_exit_code(SP_STORAGE), SP_EXIT_STORAGE);
    assert_int_equal(sp_status_exit_code(SP_LOCKED), SP_EXIT_LOCKED);
    assert_int_equal(sp_status_exit_code(SP_FENCED), SP_EXIT_FENCED);
    assert_int_equal(sp_status_exit_code(SP_CONFIG), SP_EXIT_CONFIG);
    assert_int_equal(sp_status_exit_code(SP_USAGE), SP_EXIT_USAGE);
    assert_int_equal(sp_status_exit_code(SP_OVERFLOWED), SP_EXIT_SOFTWARE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status_names_round_trip_and_are_pinned),
        cmocka_unit_test(test_status_unknown_numbers_and_names_are_survived),
        cmocka_unit_test(test_status_error_says_where_and_why),
        cmocka_unit_test(test_status_exit_codes_tell_the_supervisor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
