/* The life of an order, cell by cell. What each state does with each event is written here a second
 * time, as one letter a cell, so that a changed cell must be meant. */
#include "services/execution/order_life.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define S(name) SP_ORDER_STATE_##name

/* Columns: INTENT SENT SUPPRESSED ACK REJECT FILL FILL_LAST CANCEL_REQ CANCELED EXPIRED UNKNOWN
 * ABSENT. Letters: x impossible, = known already; a capital letter is the next state of a step, a
 * small one that of late truth: Intent Sent Open Partial pendinG Unknown Filled Canceled Expired
 * Rejected Absent Withheld (suppressed). */
static const char *const expected[SP_ORDER_STATE_COUNT] = {
    [S(NONE)] = "xxxxxxxxxxxx",           [S(NEW)] = "Ixxxxxxxxxxx",
    [S(INTENT_DURABLE)] = "xSWORPFxCEUx", [S(SENT)] = "x=xORPFGCEUx",
    [S(OPEN)] = "x=x=xPFGCEUx",           [S(PARTIALLY_FILLED)] = "x=x=xPFGCEUx",
    [S(PENDING_CANCEL)] = "x=x=R=F=CEUx", [S(UNKNOWN)] = "x=xORPF=CE=A",
    [S(FILLED)] = "x=x=xxx=xx=x",         [S(CANCELED)] = "x=x=xcf====x",
    [S(EXPIRED)] = "x=x=xef====x",        [S(REJECTED)] = "x=xo=pf====x",
    [S(ABSENT_PROVEN)] = "x=xorpf=ce==",  [S(SUPPRESSED)] = "xx=xxxx=xx==",
};

static enum sp_order_state state_of(char letter)
{
    static const struct {
        char letter;
        enum sp_order_state state;
    } map[] = {{'I', S(INTENT_DURABLE)},   {'S', S(SENT)},
               {'W', S(SUPPRESSED)},       {'O', S(OPEN)},
               {'P', S(PARTIALLY_FILLED)}, {'F', S(FILLED)},
               {'G', S(PENDING_CANCEL)},   {'C', S(CANCELED)},
               {'E', S(EXPIRED)},          {'U', S(UNKNOWN)},
               {'A', S(ABSENT_PROVEN)},    {'R', S(REJECTED)}};
    char capital = letter >= 'a' ? (char)(letter - 'a' + 'A') : letter;

    for (size_t i = 0; i < sizeof map / sizeof *map; i++) {
        if (map[i].letter == capital) return map[i].state;
    }
    fail_msg("no state '%c'", letter);
    return S(NONE);
}

static struct sp_order_step step_of(char letter, enum sp_order_state from)
{
    if (letter == 'x') return (struct sp_order_step){SP_OX_IMPOSSIBLE, from};
    if (letter == '=') return (struct sp_order_step){SP_OX_SAME, from};
    bool late = letter >= 'a';
    return (struct sp_order_step){late ? SP_OX_LATE : SP_OX_STEP, state_of(letter)};
}

static void test_order_life_every_cell_is_as_meant(void **state)
{
    (void)state;
    for (int from = 0; from < SP_ORDER_STATE_COUNT; from++) {
        assert_non_null(expected[from]);
        assert_int_equal(strlen(expected[from]), SP_OE_COUNT);
        for (int event = 0; event < SP_OE_COUNT; event++) {
            enum sp_order_state state_now = (enum sp_order_state)from;
            struct sp_order_step want = step_of(expected[from][event], state_now);
            struct sp_order_step got = sp_order_step(state_now, (enum sp_order_event_type)event);
            if (want.effect != got.effect || want.next != got.next) {
                fail_msg("[%s][%d] is effect %d to %s",
                         sp_enum_name(SP_ENUM_ORDER_STATE, (uint8_t)from), event, got.effect,
                         sp_enum_name(SP_ENUM_ORDER_STATE, (uint8_t)got.next));
            }
        }
    }
}

/* A cell that was left out is {IMPOSSIBLE, NONE}: it would lose the order. */
static void test_order_life_no_cell_is_left_out(void **state)
{
    (void)state;
    for (int from = 1; from < SP_ORDER_STATE_COUNT; from++) {
        for (int event = 0; event < SP_OE_COUNT; event++) {
            struct sp_order_step got =
                sp_order_step((enum sp_order_state)from, (enum sp_order_event_type)event);
            assert_int_not_equal(got.next, S(NONE));
            if (got.effect == SP_OX_IMPOSSIBLE || got.effect == SP_OX_SAME) {
                assert_int_equal(got.next, from);
            }
        }
    }
}

static void test_order_life_what_ended_changes_only_by_late_truth(void **state)
{
    (void)state;
    for (int from = 1; from < SP_ORDER_STATE_COUNT; from++) {
        for (int event = 0; event < SP_OE_COUNT; event++) {
            struct sp_order_step got =
                sp_order_step((enum sp_order_state)from, (enum sp_order_event_type)event);
            bool terminal = sp_order_is_terminal((enum sp_order_state)from);
            if (terminal) assert_int_not_equal(got.effect, SP_OX_STEP);
            if (!terminal) assert_int_not_equal(got.effect, SP_OX_LATE);
        }
    }
}

/* Hearing the same thing twice changes nothing the second time (a fill in part is another fill). */
static void test_order_life_repeating_an_event_changes_nothing(void **state)
{
    (void)state;
    for (int from = 1; from < SP_ORDER_STATE_COUNT; from++) {
        for (int event = 0; event < SP_OE_COUNT; event++) {
            enum sp_order_event_type e = (enum sp_order_event_type)event;
            struct sp_order_step once = sp_order_step((enum sp_order_state)from, e);
            assert_int_equal(sp_order_step(once.next, e).next, once.next);
        }
    }
}

static void check(enum sp_order_state from, enum sp_order_event_type event, enum sp_order_state to)
{
    assert_int_equal(sp_order_step(from, event).next, to);
    assert_int_not_equal(sp_order_step(from, event).effect, SP_OX_IMPOSSIBLE);
}

static void test_order_life_tells_the_stories_that_matter(void **state)
{
    (void)state;
    /* A fill may come before the acknowledgement, which then changes nothing. */
    check(S(SENT), SP_OE_FILL, S(PARTIALLY_FILLED));
    check(S(PARTIALLY_FILLED), SP_OE_ACK, S(PARTIALLY_FILLED));
    /* We died between the send and its record: the answer still counts. */
    check(S(INTENT_DURABLE), SP_OE_ACK, S(OPEN));
    check(S(INTENT_DURABLE), SP_OE_UNKNOWN, S(UNKNOWN));
    /* No answer is neither a refusal nor an absence: only UNKNOWN may become absent. */
    for (int from = 1; from < S(UNKNOWN); from++) {
        struct sp_order_step got = sp_order_step((enum sp_order_state)from, SP_OE_ABSENT);
        assert_int_equal(got.effect, SP_OX_IMPOSSIBLE);
    }
    check(S(UNKNOWN), SP_OE_ABSENT, S(ABSENT_PROVEN));
    /* A cancel that was asked for is not a cancel: it may still fill. */
    check(S(OPEN), SP_OE_CANCEL_REQ, S(PENDING_CANCEL));
    check(S(PENDING_CANCEL), SP_OE_FILL, S(PENDING_CANCEL));
    check(S(PENDING_CANCEL), SP_OE_FILL_LAST, S(FILLED));
    assert_true(sp_order_is_live(S(PENDING_CANCEL)));
    /* Late truth wins, also over a proof of absence. */
    check(S(ABSENT_PROVEN), SP_OE_ACK, S(OPEN));
    check(S(ABSENT_PROVEN), SP_OE_FILL_LAST, S(FILLED));
    check(S(CANCELED), SP_OE_FILL_LAST, S(FILLED));
    /* An order of unknown outcome counts as live and in flight. */
    assert_true(sp_order_is_live(S(UNKNOWN)));
    assert_true(sp_order_is_in_flight(S(UNKNOWN)));
    assert_true(sp_order_is_in_flight(S(INTENT_DURABLE)));
    assert_false(sp_order_is_in_flight(S(OPEN)));
}

static void test_order_life_a_state_is_live_or_ended_or_not_begun(void **state)
{
    (void)state;
    for (int s = 0; s < SP_ORDER_STATE_COUNT; s++) {
        bool live = sp_order_is_live((enum sp_order_state)s);
        bool ended = sp_order_is_terminal((enum sp_order_state)s);
        assert_false(live && ended);
        assert_int_equal(!live && !ended, s == S(NONE) || s == S(NEW));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_life_every_cell_is_as_meant),
        cmocka_unit_test(test_order_life_no_cell_is_left_out),
        cmocka_unit_test(test_order_life_what_ended_changes_only_by_late_truth),
        cmocka_unit_test(test_order_life_repeating_an_event_changes_nothing),
        cmocka_unit_test(test_order_life_tells_the_stories_that_matter),
        cmocka_unit_test(test_order_life_a_state_is_live_or_ended_or_not_begun),
    };

    return cmocka_run_group_tests_name("order_life", tests, NULL, NULL);
}
