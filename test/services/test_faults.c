/* Which faults apply: by place, by name, by count, by chance of their own seed. */
#include "services/venue/faults.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct sp_faults faults;

static int setup(void **state)
{
    (void)state;
    memset(&faults, 0, sizeof faults);
    return 0;
}

static uint64_t add(enum sp_fault_kind kind, uint32_t count, int64_t chance_e8, uint64_t seed)
{
    struct sp_fault fault = {.kind = kind,
                             .count = count,
                             .chance_e8 = chance_e8,
                             .seed = seed,
                             .ms = 5};

    return sp_faults_add(&faults, &fault);
}

static bool draw(enum sp_fault_place place, const char *what)
{
    struct sp_fault fault;

    return sp_faults_draw(&faults, place, what, &fault);
}

static void test_faults_apply_at_their_place_to_what_they_are_meant_for(void **state)
{
    struct sp_fault fault;

    (void)state;
    assert_int_equal(add(SP_FAULT_TIMEOUT, 0, SP_FX_ONE, 0), 1);
    assert_int_equal(add(SP_FAULT_MAINTENANCE, 0, SP_FX_ONE, 0), 2);
    assert_false(draw(SP_FAULT_AT_REPLY, "order.cancel"));
    assert_false(draw(SP_FAULT_AT_EVENT, "order.place"));
    assert_true(sp_faults_draw(&faults, SP_FAULT_AT_REPLY, "order.place", &fault));
    assert_int_equal(fault.kind, SP_FAULT_TIMEOUT);
    assert_int_equal(fault.ms, 5);
    assert_true(draw(SP_FAULT_AT_GATE, "anything"));
    assert_false(sp_faults_any(&faults, SP_FAULT_AT_WAIT));
    assert_true(sp_faults_clear(&faults, 1));
    assert_false(sp_faults_clear(&faults, 1));
    assert_false(draw(SP_FAULT_AT_REPLY, "order.place"));
    assert_true(draw(SP_FAULT_AT_GATE, "anything"));
    assert_true(sp_faults_clear(&faults, 0));
    assert_false(draw(SP_FAULT_AT_GATE, "anything"));
    assert_int_equal(add(SP_FAULT_TIMEOUT, 0, SP_FX_ONE, 0), 3);
}

static void test_faults_are_used_up(void **state)
{
    (void)state;
    add(SP_FAULT_DROP_REPLY, 2, SP_FX_ONE, 0);
    add(SP_FAULT_TIMEOUT, 1, SP_FX_ONE, 0);
    for (int i = 0; i < 3; i++)
        assert_true(draw(SP_FAULT_AT_REPLY, "order.place"));
    assert_false(draw(SP_FAULT_AT_REPLY, "order.place"));
    assert_false(sp_faults_any(&faults, SP_FAULT_AT_REPLY));
    assert_int_equal(faults.at[0].hits, 2);
    assert_int_equal(faults.at[1].hits, 1);
}

static void test_faults_chance_is_of_the_seed(void **state)
{
    uint64_t history[3] = {0};
    int hits = 0;

    (void)state;
    for (int run = 0; run < 3; run++) {
        sp_faults_clear(&faults, 0);
        add(SP_FAULT_TIMEOUT, 0, SP_FX_ONE / 4, run == 2 ? 8 : 7);
        for (int i = 0; i < 1000; i++) {
            bool hit = draw(SP_FAULT_AT_REPLY, "order.place");
            hits += hit;
            history[run] = history[run] * 31 + hit;
        }
    }
    assert_true(history[0] == history[1]);
    assert_true(history[0] != history[2]);
    assert_in_range(hits, 600, 900);
    sp_faults_clear(&faults, 0);
    add(SP_FAULT_TIMEOUT, 0, 0, 7);
    for (int i = 0; i < 1000; i++)
        assert_false(draw(SP_FAULT_AT_REPLY, "order.place"));
}

static void test_faults_are_bounded_and_named(void **state)
{
    (void)state;
    for (int i = 0; i < SP_FAULTS_MAX; i++)
        assert_int_equal(add(SP_FAULT_BAN, 0, 0, 0), i + 1);
    assert_int_equal(add(SP_FAULT_BAN, 0, 0, 0), 0);
    for (enum sp_fault_kind kind = 0; kind < SP_FAULT_KINDS; kind++)
        assert_int_equal(sp_fault_kind_of(sp_fault_name(kind)), kind);
    assert_int_equal(sp_fault_kind_of("none"), SP_FAULT_KINDS);
}

#define T(name) cmocka_unit_test_setup(test_faults_##name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(apply_at_their_place_to_what_they_are_meant_for),
        T(are_used_up),
        T(chance_is_of_the_seed),
        T(are_bounded_and_named),
    };

    return cmocka_run_group_tests_name("faults", tests, NULL, NULL);
}
