/* A gateway that is ready, for each test of a program; what such tests say again and again.
 * Included by one test program. */
#ifndef SP_TEST_SERVICES_CORE_RIG_H
#define SP_TEST_SERVICES_CORE_RIG_H

#include "core_shell.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ONE SP_FX_ONE

static struct core_shell *s;

static inline int setup(void **state)
{
    (void)state;
    s = core_ready();
    return 0;
}

/* For stories that end with something open or wrong. */
static inline int teardown_as_it_is(void **state)
{
    (void)state;
    core_free(s);
    return 0;
}

/* Whatever happened, in the end the books are the venue's. */
static inline int teardown(void **state)
{
    core_check_truth(s);
    return teardown_as_it_is(state);
}

static inline enum sp_order_state state_of(enum sp_leg_role role)
{
    const struct sp_order *order = core_order(s, role);

    assert_non_null(order);
    return order->state;
}

/* The newest plan that was refused. */
static inline const struct sp_plan_answer *refused(void)
{
    return &core_last(s, SP_REC_PLAN_REFUSED)->body.plan_answer;
}

/* Back to work after a kill or a lost connection. */
static inline void recover(void)
{
    core_price(s, 50000);
    core_up(s);
    core_pass(s, 200);
    core_reconciled(s, true);
}

/* The gate refuses an entry of this link, by that check, and nothing is sent. */
static inline void check_refused(const char *link, const char *gate)
{
    uint32_t sends = s->send_count;

    core_open(s, link);
    assert_string_equal(refused()->gate.s, gate);
    assert_true(strlen(refused()->reason.s) > 10);
    assert_int_equal(s->send_count, sends);
}

static inline void check_opens(const char *link)
{
    uint32_t opened = core_count(s, SP_REC_TRADE_OPENED);

    core_open(s, link);
    assert_int_equal(core_count(s, SP_REC_TRADE_OPENED), opened + 1);
}

#endif
