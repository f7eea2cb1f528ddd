/* Users' stories that are about comparing books, told to reconciliation's core: a test per story,
 * named by its row (docs/users.md). */
#include "reconciliation_rig.h"

/* What was lost and filled later is found by our own prefix, whoever forgot it. */
static void test_users_row_13_a_lost_order_of_ours_is_found(void **state)
{
    (void)state;
    rig->venues.orders[rig->venues.order_count++] = order_of(1, SP_SIDE_BUY);
    run_ms(5000);
    assert_false(result()->clean);
    assert_int_equal(discrepancy()->item, SP_DIFFERENCE_ORDER_ORPHAN);
    rig->venues.order_count = 0; /* it fills */
    venue_fills(7, SP_SIDE_BUY);
    rig->core.want.wanted[SP_TRIGGER_OPERATOR] = true;
    run_ms(5000);
    assert_int_equal(rig->ours.fill_count, 1);
    assert_true(result()->clean);
}

/* A difference that stays ends in a result that says so, not in a loop. */
static void test_users_row_21_a_lasting_difference_converges(void **state)
{
    (void)state;
    rig->venues.balances[1].free.e8 += 7;
    run_ms(120000);
    assert_int_equal(count_of(SP_REC_RECONCILIATION_RESULT), 1);
    assert_false(result()->clean);
    assert_int_equal(result()->unresolved, 1);
    assert_null(sp_reconciler_waits_for(&rig->core));
    assert_true(rig->questions < 20);
    rig->ignores_corrections = true; /* and one that the gateway does not take */
    venue_fills(3, SP_SIDE_BUY);
    rig->core.want.wanted[SP_TRIGGER_OPERATOR] = true;
    run_ms(120000);
    assert_int_equal(count_of(SP_REC_RECONCILIATION_RESULT), 2);
    assert_true(rig->proposals <= 2);
}

/* Comparing the same once more, after any number of restarts, corrects nothing twice. */
static void test_users_row_22_a_correction_is_made_once(void **state)
{
    (void)state;
    venue_fills(5, SP_SIDE_BUY);
    run_ms(5000);
    assert_int_equal(rig->proposals, 1);
    for (int i = 0; i < 5; i++) {
        sp_reconciler_init(&rig->core, &rig->config);
        rig->head = rig->tail = 0;
        event(SP_EVENT_MESSAGE, SP_RI_VENUE_UP, NULL);
        run_ms(5000);
        assert_true(result()->clean);
    }
    assert_int_equal(rig->proposals, 1);
    assert_int_equal(rig->ours.fill_count, 1);
}

/* A list that failed is not an empty list: nothing is corrected, nothing is called missing. */
static void test_users_row_25_a_failed_question_is_not_an_empty_answer(void **state)
{
    static const char *const questions[] = {"open_orders", "fills", "balances"};

    (void)state;
    rig->ours.orders[rig->ours.order_count++] = order_of(1, SP_SIDE_SELL);
    rig->venues.orders[rig->venues.order_count++] = order_of(1, SP_SIDE_SELL);
    for (size_t i = 0; i < 3; i++) {
        rig->venue_fails = questions[i];
        rig->core.want.wanted[SP_TRIGGER_OPERATOR] = true;
        run_ms(30000);
        assert_int_equal(rig->proposals, 0);
        assert_int_equal(count_of(SP_REC_DISCREPANCY), 0);
    }
    rig->venue_fails = NULL;
    rig->core.want.wanted[SP_TRIGGER_OPERATOR] = true;
    run_ms(60000);
    assert_true(result()->clean);
    assert_int_equal(rig->ours.order_count, 1);
}

#define T(name) cmocka_unit_test_setup_teardown(test_users_##name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(row_13_a_lost_order_of_ours_is_found),
        T(row_21_a_lasting_difference_converges),
        T(row_22_a_correction_is_made_once),
        T(row_25_a_failed_question_is_not_an_empty_answer),
    };

    return cmocka_run_group_tests_name("users_books", tests, NULL, NULL);
}
