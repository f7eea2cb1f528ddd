/* What becomes of the ledger after each failure. */
#include "services/execution/ledger_failure.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void check(struct sp_ledger_failure failure, enum sp_ledger_next next)
{
    assert_int_equal(sp_ledger_after(&failure), next);
}

static void test_ledger_failure_what_may_pass_is_tried_again(void **state)
{
    static const sp_status passing[] = {SP_STORAGE, SP_LOCKED, SP_NO_MEMORY};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        assert_true(sp_ledger_may_pass(passing[i]));
        check((struct sp_ledger_failure){.status = passing[i]}, SP_LEDGER_RETRY);
        check((struct sp_ledger_failure){.status = passing[i], .replaced = 9}, SP_LEDGER_RETRY);
    }
    check((struct sp_ledger_failure){.status = SP_EXISTS}, SP_LEDGER_END);
    check((struct sp_ledger_failure){.status = SP_INVALID}, SP_LEDGER_END);
}

/* A disk that damages the file again and again is not written to for ever. */
static void test_ledger_failure_a_damaged_file_is_replaced_three_times(void **state)
{
    struct sp_ledger_failure damaged = {.status = SP_CORRUPT};

    (void)state;
    for (; damaged.replaced < 3; damaged.replaced++)
        check(damaged, SP_LEDGER_REPLACE);
    check(damaged, SP_LEDGER_END);
}

/* A page that a refused sync lost reads as if it were kept; and a damaged journal would be written
 * into a new file as far as it goes, which is less than the old one has. */
static void test_ledger_failure_some_end_it_whatever_the_status(void **state)
{
    static const sp_status all[] = {SP_STORAGE, SP_LOCKED, SP_NO_MEMORY, SP_CORRUPT, SP_EXISTS};

    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        check((struct sp_ledger_failure){.status = all[i], .sync_refused = true}, SP_LEDGER_END);
        check((struct sp_ledger_failure){.status = all[i], .of_journal = true}, SP_LEDGER_END);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ledger_failure_what_may_pass_is_tried_again),
        cmocka_unit_test(test_ledger_failure_a_damaged_file_is_replaced_three_times),
        cmocka_unit_test(test_ledger_failure_some_end_it_whatever_the_status),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
