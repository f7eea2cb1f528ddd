/* What a supervisor leaves to the next one. */
#include "services/supervisor/supervisor_tally.h"
#include "supervisor_rig.h"

static char rows[65536];

/* Kills the supervisor, and starts another with what the first has written; its children are gone.
 */
static void replace_supervisor(const char *boot_now)
{
    struct sp_supervisor_policy policy = w->core.policy;
    struct sp_rows_writer writer;
    struct sp_rows_reader reader;
    sp_name boot = sp_name_of("boot"), other = sp_name_of(boot_now);
    struct sp_err err = {0};
    uint32_t count = w->core.count;

    sp_rows_begin(&writer, rows, sizeof rows);
    sp_supervisor_tally_save(&w->core, &boot, &writer);
    assert_int_equal(sp_rows_end(&writer), SP_OK);
    sp_supervisor_init(&w->core, &policy, 43);
    for (uint32_t i = 0; i < count; i++)
        add(i == 0 ? "a" : "b", NULL);
    assert_int_equal(sp_rows_open(&reader, rows, writer.len_bytes, &err), SP_OK);
    assert_int_equal(sp_supervisor_tally_load(&w->core, &other, now(), &reader, &err), SP_OK);
    w->kind_count = 0;
    start_all();
}

static uint32_t recorded(enum sp_kind kind)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < w->kind_count; i++)
        count += w->kinds[i] == kind;
    return count;
}

/* Every third death of the service takes the supervisor along: a crash loop all the same. */
static void test_supervisor_tally_a_crash_loop_outlives_the_supervisor(void **state)
{
    uint32_t deaths = 0;

    (void)state;
    add("a", NULL);
    add("b", NULL);
    start_all();
    ready(1);
    for (; deaths < 40 && w->core.at[0].state != SP_SUPERVISED_OPEN; deaths++) {
        pass(300 * MS, true);
        if (w->core.at[0].state == SP_SUPERVISED_STARTING) exits(0, 0, 11);
        if (deaths % 3 == 2) replace_supervisor("boot");
    }
    assert_in_range(deaths, 2, 12);
    assert_state(0, "OPEN");
    uint32_t starts = w->core.at[0].starts;

    pass(30 * S, true);
    replace_supervisor("boot"); /* while it is open: not started, and told again */
    assert_state(0, "OPEN");
    assert_state(1, "STARTING");
    assert_int_equal(recorded(SP_REC_CHILD_BACKOFF), 1);
    pass(29 * S, true);
    assert_state(0, "OPEN");
    assert_int_equal(w->core.at[0].starts, starts);
    pass(2 * S, true);
    assert_state(0, "STARTING"); /* the probe */
    replace_supervisor("boot");
    assert_true(w->core.at[0].probe);
    exits(0, 0, 11);
    assert_state(0, "OPEN"); /* it failed: twice the time */
    pass(119 * S, true);
    assert_state(0, "OPEN");
    pass(2 * S, true);
    exits(0, 0, 11);
    assert_state(0, "GIVEN_UP");
    replace_supervisor("boot");
    assert_state(0, "GIVEN_UP");
    assert_int_equal(recorded(SP_REC_CHILD_GIVEN_UP), 1);
    assert_string_equal(w->core.at[0].text.s,
                        "given up after 3 failed rounds; last: killed by signal 11 (SEGV)");
    assert_true(sp_supervised_restarts(&w->core.at[0]) >= 5);
    event(0, SP_SUPERVISED_ON_START);
    assert_state(0, "STARTING");
}

static void test_supervisor_tally_a_tally_of_another_boot_or_long_ago_is_passed_over(void **state)
{
    (void)state;
    add("a", NULL);
    start_all();
    for (int i = 0; i < 6 && w->core.at[0].state != SP_SUPERVISED_OPEN; i++) {
        exits(0, 0, 11);
        if (w->core.at[0].state != SP_SUPERVISED_OPEN) pass(2 * S, false);
    }
    assert_state(0, "OPEN");
    struct sp_supervisor before = w->core;
    replace_supervisor("later");
    assert_state(0, "STARTING");
    assert_int_equal(w->core.at[0].death_count, 0);
    w->core = before;
    w->now += 3601 * S;
    replace_supervisor("boot");
    assert_state(0, "STARTING");
    assert_int_equal(w->core.at[0].open_count, 0);
    exits(0, 78, 0); /* what forbids a restart is tried once more by the next one */
    assert_state(0, "GIVEN_UP");
    replace_supervisor("boot");
    assert_state(0, "STARTING");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_supervisor_tally_a_crash_loop_outlives_the_supervisor,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_supervisor_tally_a_tally_of_another_boot_or_long_ago_is_passed_over, setup,
            teardown),
    };

    return cmocka_run_group_tests_name("supervisor_tally", tests, NULL, NULL);
}
