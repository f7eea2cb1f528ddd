#include "supervisor_rig.h"

static void test_supervisor_core_every_cell_of_the_table_is_filled(void **state)
{
    (void)state;
    for (int s = 0; s < SP_SUPERVISED_STATE_COUNT; s++) {
        for (int e = 0; e < SP_SUPERVISED_EVENT_COUNT; e++) {
            assert_true(
                sp_supervisor_has_cell((enum sp_supervised_state)s, (enum sp_supervised_event)e));
        }
    }
}

/* Every event in every state leaves a valid state, and no process is ever started while one lives
 * or forgotten: a child lives exactly while the core says so. */
static void test_supervisor_core_any_event_in_any_state_keeps_the_invariants(void **state)
{
    uint64_t random = 1;
    uint32_t alive = 0;

    (void)state;
    add("a", NULL);
    for (int i = 0; i < 20000; i++) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407U;
        uint32_t dice = (uint32_t)(random >> 33) % 10;
        uint32_t spawns = w->spawns;
        w->now += (int64_t)(random >> 40) * 100;
        if (dice < 3) event(0, (enum sp_supervised_event)dice);
        if (dice == 3 && alive) ready(0);
        if (dice == 4 || dice == 5) pass(3 * S, dice == 4);
        if (dice == 6) w->now += 3600 * S;
        if (dice > 6 && alive) {
            static const uint32_t codes[] = {0, 1, 64, 65, 70, 74, 75, 77, 78};
            alive = 0;
            exits(0, codes[(random >> 50) % 9], dice == 9 ? 9 : 0);
        }
        assert_in_range(w->spawns - spawns, 0, 1 - alive);
        alive += w->spawns - spawns;
        assert_int_equal(sp_supervised_lives(&w->core.at[0]), alive);
        w->kind_count = 0;
    }
    assert_true(w->spawns > 100);
}

static void test_supervisor_core_a_level_starts_when_the_one_before_is_ready(void **state)
{
    (void)state;
    add("a", NULL);
    add("b", "a");
    add("c", "b");
    add("d", "somewhere-else"); /* run by another supervisor */
    start_all();
    assert_state(0, "STARTING");
    assert_state(1, "WAITING");
    assert_state(2, "WAITING");
    assert_state(3, "STARTING");
    ready(0);
    assert_state(0, "READY");
    assert_int_equal(w->core.at[0].epoch, 7);
    assert_state(1, "STARTING");
    assert_state(2, "WAITING");
    ready(1);
    ready(2);
    assert_state(2, "READY");
    assert_int_equal(w->spawns, 4);
}

static void test_supervisor_core_everything_stops_in_reverse(void **state)
{
    (void)state;
    add("a", NULL);
    add("b", "a");
    add("c", "b");
    start_all();
    ready(0);
    ready(1);
    ready(2);
    sp_supervisor_stop_all(&w->core, true, now(), &w->actions);
    carry_out();
    assert_state(2, "STOPPING");
    assert_state(1, "READY");
    exits(2, 0, 0);
    assert_state(2, "STOPPED");
    assert_state(1, "STOPPING");
    assert_state(0, "READY");
    /* Not ending in time: killed at the deadline, not before. */
    pass(10 * S - MS, true);
    assert_int_equal(w->kills, 0);
    pass(2 * MS, true);
    assert_int_equal(w->kills, 1);
    exits(1, 0, 9);
    assert_state(0, "STOPPING");
    assert_false(sp_supervisor_all_down(&w->core));
    exits(0, 0, 0);
    assert_true(sp_supervisor_all_down(&w->core));
}

static void test_supervisor_core_a_stop_interrupts_a_start_at_any_moment(void **state)
{
    (void)state;
    add("a", NULL);
    add("b", "a");
    start_all();
    sp_supervisor_stop_all(&w->core, true, now(), &w->actions); /* a starts, b waits */
    carry_out();
    assert_state(0, "STOPPING");
    assert_state(1, "STOPPED");
    ready(0); /* too late */
    assert_state(0, "STOPPING");
    assert_state(1, "STOPPED");
    exits(0, 0, 15);
    assert_true(sp_supervisor_all_down(&w->core));
    assert_int_equal(w->spawns, 1);
}

static void test_supervisor_core_a_kill_after_ready_is_answered_at_once(void **state)
{
    (void)state;
    add("a", NULL);
    start_all();
    ready(0);
    pass(2 * S, true);
    exits(0, 0, 9);
    assert_state(0, "BACKOFF");
    pass(1, false);
    assert_state(0, "STARTING");
    assert_int_equal(w->spawns, 2);
    assert_int_equal(sp_supervised_restarts(&w->core.at[0]), 1);
}

static void test_supervisor_core_backoff_doubles_with_bounded_jitter(void **state)
{
    struct sp_supervisor_policy policy = sp_supervisor_policy_default();
    uint64_t random = 1;
    bool differs = false;

    (void)state;
    for (uint32_t n = 1; n < 40; n++) {
        int64_t base = n <= 7 ? (100 * MS) << (n - 1) : 10 * S;
        if (base > 10 * S) base = 10 * S;
        int64_t first = sp_supervisor_backoff(&policy, n, &random).ns;
        int64_t second = sp_supervisor_backoff(&policy, n, &random).ns;
        assert_in_range(first, base * 8 / 10, base * 12 / 10);
        assert_in_range(second, base * 8 / 10, base * 12 / 10);
        differs = differs || first != second;
    }
    assert_true(differs);
}

static void test_supervisor_core_over_budget_opens_the_circuit_then_probes(void **state)
{
    (void)state;
    add("a", NULL);
    start_all();
    /* Before ready each death counts twice; the budget is 5 in 60 s. */
    exits(0, 1, 0);
    assert_state(0, "BACKOFF");
    pass(S, false);
    exits(0, 1, 0);
    assert_state(0, "BACKOFF");
    pass(S, false);
    exits(0, 1, 0);
    assert_state(0, "OPEN");
    pass(60 * S - MS, false);
    assert_int_equal(w->spawns, 3);
    pass(2 * MS, false);
    assert_state(0, "STARTING"); /* the probe */
    exits(0, 1, 0);
    assert_state(0, "OPEN"); /* one failure is enough now, and the cool-down doubles */
    pass(119 * S, false);
    assert_state(0, "OPEN");
    pass(2 * S, false);
    assert_state(0, "STARTING");
    exits(0, 1, 0);
    assert_state(0, "GIVEN_UP"); /* third opening within the hour */
    pass(7200 * S, false);
    assert_int_equal(w->spawns, 5);
    event(0, SP_SUPERVISED_ON_START);
    assert_state(0, "STARTING");
}

static void test_supervisor_core_a_probe_that_gets_ready_closes_the_circuit(void **state)
{
    (void)state;
    add("a", NULL);
    start_all();
    for (int i = 0; i < 3; i++) {
        exits(0, 0, 11);
        pass(S, false);
    }
    assert_state(0, "OPEN");
    pass(61 * S, false);
    ready(0);
    exits(0, 0, 9);
    assert_state(0, "BACKOFF");
}

static void test_supervisor_core_deaths_outside_the_window_are_forgotten(void **state)
{
    (void)state;
    add("a", NULL);
    start_all();
    for (int i = 0; i < 50; i++) {
        ready(0);
        pass(15 * S, true); /* four in a minute */
        exits(0, 0, 9);
        assert_state(0, "BACKOFF");
        pass(12 * S, false);
        assert_state(0, "STARTING");
    }
}

static void test_supervisor_core_exit_codes_have_their_rules(void **state)
{
    static const uint32_t fatal[] = {64, 65, 77, 78};

    (void)state;
    add("a", NULL);
    start_all();
    for (int i = 0; i < 4; i++) {
        exits(0, fatal[i], 0);
        assert_state(0, "GIVEN_UP");
        pass(3600 * S, false);
        assert_state(0, "GIVEN_UP");
        event(0, SP_SUPERVISED_ON_START);
        assert_state(0, "STARTING");
    }
    exits(0, 74, 0); /* the disk: no quick retry */
    assert_state(0, "OPEN");
    event(0, SP_SUPERVISED_ON_START);
    ready(0);
    exits(0, 0, 0); /* unasked: it must run */
    assert_state(0, "BACKOFF");
}

static void test_supervisor_core_a_held_lock_is_retried_and_not_counted(void **state)
{
    (void)state;
    add("a", NULL);
    start_all();
    for (int i = 0; i < 200; i++) {
        exits(0, 75, 0);
        assert_state(0, "BACKOFF");
        pass(250 * MS - 1, false);
        assert_state(0, "BACKOFF");
        pass(2, false);
        assert_state(0, "STARTING");
    }
    exits(0, 75, 0);
    assert_non_null(strstr(w->core.at[0].text.s, "has held its lock"));
    assert_in_range(w->kind_count, 1, 256);
    uint32_t exited = 0;
    for (uint32_t i = 0; i < w->kind_count; i++) {
        exited += w->kinds[i] == SP_REC_CHILD_EXITED;
    }
    assert_int_equal(exited, 1); /* not one record every 250 ms */
    pass(S, false);
    ready(0);
    assert_state(0, "READY");
}

static void test_supervisor_core_a_stuck_child_is_dumped_ended_killed_restarted(void **state)
{
    (void)state;
    add("a", NULL);
    start_all();
    ready(0);
    pass(60 * S, true);
    assert_state(0, "READY");
    pass(4900 * MS, false);
    assert_state(0, "READY");
    pass(700 * MS, false);
    assert_state(0, "ENDING");
    assert_int_equal(w->dumps, 1);
    assert_int_equal(w->terms, 1);
    assert_int_equal(w->kills, 0);
    pass(2100 * MS, false);
    assert_int_equal(w->kills, 1);
    exits(0, 0, 9);
    assert_state(0, "BACKOFF");
    assert_non_null(strstr(w->core.at[0].text.s, "no progress"));
    pass(1, false);
    assert_state(0, "STARTING");
}

static void test_supervisor_core_its_own_sleep_ends_nobody(void **state)
{
    (void)state;
    add("a", NULL);
    start_all();
    ready(0);
    pass(S, true);
    w->now += 600 * S; /* the supervisor, or the machine, was stopped */
    sp_supervisor_tick(&w->core, now(), &w->actions);
    carry_out();
    assert_state(0, "READY");
    pass(10 * S, true);
    assert_state(0, "READY");
}

static void test_supervisor_core_a_start_that_hangs_is_ended(void **state)
{
    (void)state;
    add("a", NULL);
    start_all();
    pass(29900 * MS, true);
    assert_state(0, "STARTING");
    pass(200 * MS, true);
    assert_state(0, "ENDING");
    event(0, SP_SUPERVISED_ON_STOP);
    assert_state(0, "STOPPING");
    exits(0, 0, 15);
    assert_state(0, "STOPPED");
}

static void test_supervisor_core_a_restart_is_a_stop_and_a_start(void **state)
{
    (void)state;
    add("a", NULL);
    start_all();
    ready(0);
    event(0, SP_SUPERVISED_ON_RESTART);
    assert_state(0, "STOPPING");
    assert_int_equal(w->stops, 1);
    event(0, SP_SUPERVISED_ON_STOP); /* changed our mind */
    exits(0, 0, 0);
    assert_state(0, "STOPPED");
    event(0, SP_SUPERVISED_ON_START);
    ready(0);
    event(0, SP_SUPERVISED_ON_STOP);
    event(0, SP_SUPERVISED_ON_START); /* and again */
    assert_state(0, "STOPPING");
    exits(0, 0, 0);
    assert_state(0, "STARTING");
}

static void test_supervisor_core_policy_text_is_checked(void **state)
{
    struct sp_supervisor_policy policy = sp_supervisor_policy_default();
    struct sp_err err = {0};

    (void)state;
    assert_int_equal(sp_supervisor_policy_parse("budget=3,window=10s", &policy, &err), SP_OK);
    assert_int_equal(policy.budget, 3);
    assert_int_equal(policy.window.ns, 10 * S);
    assert_int_equal(sp_supervisor_policy_parse("", &policy, &err), SP_OK);
    assert_int_equal(sp_supervisor_policy_parse("budgets=3", &policy, &err), SP_USAGE);
    assert_non_null(strstr(err.text, "budgets"));
    assert_int_equal(sp_supervisor_policy_parse("budget=0", &policy, &err), SP_USAGE);
    assert_int_equal(sp_supervisor_policy_parse("budget=61", &policy, &err), SP_USAGE);
    assert_int_equal(sp_supervisor_policy_parse("window=10", &policy, &err), SP_USAGE);
    assert_int_equal(sp_supervisor_policy_parse("window", &policy, &err), SP_USAGE);
}

#define T(name) cmocka_unit_test_setup_teardown(test_supervisor_core_##name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(every_cell_of_the_table_is_filled),
        T(any_event_in_any_state_keeps_the_invariants),
        T(a_level_starts_when_the_one_before_is_ready),
        T(everything_stops_in_reverse),
        T(a_stop_interrupts_a_start_at_any_moment),
        T(a_kill_after_ready_is_answered_at_once),
        T(backoff_doubles_with_bounded_jitter),
        T(over_budget_opens_the_circuit_then_probes),
        T(a_probe_that_gets_ready_closes_the_circuit),
        T(deaths_outside_the_window_are_forgotten),
        T(exit_codes_have_their_rules),
        T(a_held_lock_is_retried_and_not_counted),
        T(a_stuck_child_is_dumped_ended_killed_restarted),
        T(its_own_sleep_ends_nobody),
        T(a_start_that_hangs_is_ended),
        T(a_restart_is_a_stop_and_a_start),
        T(policy_text_is_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
