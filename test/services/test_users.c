/* What users of other platforms suffered, told to the gateway's core: a test per story, named by
 * its row (docs/users.md). Those of reconciliation are in test_users_books.c, those that need
 * processes in test/integration/users.py. */
#include "core_rig.h"

/* Pairs that protect, by what is open at the venue: as many as targets, or as stops if they are
 * more. */
static uint32_t resting_sales(void)
{
    uint32_t targets = 0, stops = 0;

    for (uint32_t i = 0; i < s->venue.order_count; i++) {
        const struct venue_order *order = &s->venue.orders[i];
        bool open =
            order->state == SP_ORDER_STATE_OPEN || order->state == SP_ORDER_STATE_PARTIALLY_FILLED;
        if (!open || order->side != SP_SIDE_SELL) continue;
        targets += order->type == SP_ORDER_TYPE_LIMIT;
        stops += order->type == SP_ORDER_TYPE_STOP_LOSS;
    }
    return targets > stops ? targets : stops;
}

static struct sp_record resting_plan(void)
{
    struct sp_record plan = core_plan(s, "ema");

    plan.body.plan.order_type = SP_ORDER_TYPE_LIMIT;
    plan.body.plan.tif = SP_TIF_GTC;
    plan.body.plan.limit_px = (sp_px){49900 * ONE};
    return plan;
}

/* Filled, and the database did not take it: the journal has one writer, and what the venue holds of
 * ours is found by our own id. */
static void test_users_row_02_a_fill_nobody_was_told_of_is_found(void **state)
{
    struct sp_record plan = core_plan(s, "ema");

    (void)state;
    s->lose_answers = true;
    core_feed(s, &plan); /* the venue executes it */
    s->lose_answers = false;
    core_restart(s);
    recover();
    assert_int_equal(core_count(s, SP_REC_FILL), 1);
    assert_int_equal(core_count(s, SP_REC_TRADE_OPENED), 1);
    assert_int_equal(resting_sales(), 1); /* and is protected */
}

/* A cancel that timed out is not a cancel: the order is followed until the venue says. */
static void test_users_row_03_a_cancel_without_an_answer_keeps_tracking(void **state)
{
    struct sp_record plan = resting_plan();

    (void)state;
    core_feed(s, &plan);
    core_deliver(s);
    struct sp_record close = core_close_plan(s, "ema", plan.body.plan.trade_id);
    s->lose_requests = true;
    core_feed(s, &close);
    core_pass(s, 1500);
    assert_int_equal(state_of(SP_LEG_ROLE_ENTRY), SP_ORDER_STATE_PENDING_CANCEL);
    assert_int_equal(core_count(s, SP_REC_ORDER_CANCELED), 0);
    core_move(s, 49900, 0); /* it fills instead */
    s->lose_requests = false;
    core_pass(s, 5000);
    assert_int_equal(core_count(s, SP_REC_TRADE_OPENED), 1);
    assert_int_equal(core_count(s, SP_REC_TRADE_CLOSED), 1); /* which was what was wanted */
    assert_int_equal(s->venue.base.e8, 0);
}

/* An open entry after a restart is an order, not a position. */
static void test_users_row_04_an_open_entry_is_no_position_after_a_restart(void **state)
{
    struct sp_record plan = resting_plan();

    (void)state;
    core_feed(s, &plan);
    core_deliver(s);
    assert_int_equal(state_of(SP_LEG_ROLE_ENTRY), SP_ORDER_STATE_OPEN);
    core_restart(s);
    venue_cancel(&s->venue, &core_order(s, SP_LEG_ROLE_ENTRY)->intent.client_order_id);
    s->venue.said_count = 0; /* nobody was there to hear it */
    recover();
    core_pass(s, 2000);
    assert_int_equal(state_of(SP_LEG_ROLE_ENTRY), SP_ORDER_STATE_CANCELED);
    assert_int_equal(core_count(s, SP_REC_TRADE_OPENED), 0);
    assert_null(sp_books_open_trade(&s->core.books, 0));
}

/* No space: nothing new, but what is open is closed all the same. */
static void test_users_row_05_a_full_disk_still_lets_go(void **state)
{
    struct sp_record space = {.kind = SP_REC_DISK_SPACE};

    (void)state;
    sp_trd_id trade = core_open(s, "ema");
    space.body.disk_space = (struct sp_disk_space){1 << 20, 1 << 30, true};
    core_event(s, SP_EVENT_MESSAGE, SP_XI_DISK, &space);
    core_open(s, "mean");
    assert_string_equal(core_last(s, SP_REC_PLAN_REFUSED)->body.plan_answer.gate.s, "disk_reserve");
    struct sp_record close = core_close_plan(s, "ema", trade);
    core_feed(s, &close);
    core_pass(s, 500);
    assert_int_equal(core_count(s, SP_REC_TRADE_CLOSED), 1);
}

/* The name server is away for a minute: no order of ours is dropped, whatever the network says. */
static void test_users_row_11_a_network_error_is_never_not_found(void **state)
{
    struct sp_record plan = resting_plan();

    (void)state;
    core_feed(s, &plan);
    core_deliver(s);
    core_down(s);
    for (int i = 0; i < 6; i++) {
        s->venue.fails = true; /* it answers, and says nothing */
        core_up(s);
        core_pass(s, 5000);
        core_down(s);
        core_pass(s, 5000);
    }
    assert_true(sp_order_is_live(state_of(SP_LEG_ROLE_ENTRY)));
    assert_int_equal(core_count(s, SP_REC_ORDER_ABSENT_PROVEN), 0);
    s->venue.fails = false;
    recover();
    assert_int_equal(state_of(SP_LEG_ROLE_ENTRY), SP_ORDER_STATE_OPEN);
}

static void create_times_out(void)
{
    s->lose_answers = true;
    core_open(s, "ema");
    core_pass(s, 3000);
}

/* A timeout on create has a state of its own, in which its instrument may only reduce. */
static void test_users_row_12_a_timeout_on_create_is_unknown(void **state)
{
    (void)state;
    create_times_out();
    assert_int_equal(state_of(SP_LEG_ROLE_ENTRY), SP_ORDER_STATE_UNKNOWN);
    core_open(s, "mean");
    assert_string_equal(core_last(s, SP_REC_PLAN_REFUSED)->body.plan_answer.gate.s,
                        "unknown_order");
    s->lose_answers = false;
    core_pass(s, 3000);
    assert_int_equal(state_of(SP_LEG_ROLE_ENTRY), SP_ORDER_STATE_FILLED);
}

/* Warm restarts with a position held and another that was sold: no fill is made up for either. */
static void test_users_row_18_a_restart_invents_no_fill(void **state)
{
    (void)state;
    core_open(s, "ema");
    sp_trd_id other = core_open(s, "mean");
    struct sp_record close = core_close_plan(s, "mean", other);
    core_feed(s, &close);
    core_pass(s, 500);
    uint32_t fills = core_count(s, SP_REC_FILL);
    for (int i = 0; i < 5; i++) {
        core_restart(s);
        recover();
        core_pass(s, 3000);
    }
    assert_int_equal(core_count(s, SP_REC_FILL), fills);
    const struct sp_trade_book *held = sp_books_open_trade(&s->core.books, 0);
    assert_non_null(held);
    assert_int_equal(sp_trade_position(held).e8, s->venue.base.e8);
}

/* The venue answers about orders, not about executions: working orders stay working. */
static void test_users_row_19_working_orders_survive_a_gap_in_the_fills(void **state)
{
    (void)state;
    core_open(s, "ema");
    core_open(s, "mean");
    uint32_t resting = resting_sales();
    core_restart(s);
    core_price(s, 50000);
    s->venue.fails = true; /* every question, also that for executions */
    core_up(s);
    core_pass(s, 10000);
    assert_int_equal(core_count(s, SP_REC_ORDER_CANCELED), 0);
    assert_int_equal(core_count(s, SP_REC_TRADE_CLOSED), 0);
    s->venue.fails = false;
    core_pass(s, 3000);
    core_reconciled(s, true);
    assert_int_equal(resting_sales(), resting);
    assert_int_equal(state_of(SP_LEG_ROLE_STOP), SP_ORDER_STATE_OPEN);
}

/* What no history explains any more must not lock its owner out: a person says what the account
 * holds. It is kept, once, it changes no strategy, and it opens nothing before it was compared. */
static void test_users_row_20_an_operator_adopts_what_the_venue_holds(void **state)
{
    sp_name bnb = sp_name_of("BNB");
    struct sp_link_book before = s->core.books.links[0];
    struct sp_record record = core_command(s, SP_COMMAND_ADOPT, "all");

    (void)state;
    record.body.operator_command.asset = bnb;
    record.body.operator_command.amount = (sp_amt){3 * ONE};
    core_order_command(s, &record);
    core_order_command(s, &record);
    assert_int_equal(core_count(s, SP_REC_BALANCE_ADOPTED), 1);
    const struct sp_balance_adopted *said =
        &core_last(s, SP_REC_BALANCE_ADOPTED)->body.balance_adopted;
    assert_int_equal(said->before.e8, 0);
    assert_int_equal(sp_books_held(&s->core.books, &bnb).e8, 3 * ONE);
    assert_memory_equal(&s->core.books.links[0], &before, sizeof before);
    core_open(s, "ema");
    assert_string_equal(core_last(s, SP_REC_PLAN_REFUSED)->body.plan_answer.gate.s, "reconciled");
    core_reconciled(s, true);
    core_open(s, "ema");
    assert_int_equal(core_count(s, SP_REC_TRADE_OPENED), 1);
    record = core_command(s, SP_COMMAND_ADOPT, "strategy.ema");
    record.body.operator_command.asset = bnb;
    core_order_command(s, &record);
    record = core_command(s, SP_COMMAND_ADOPT, "all"); /* of nothing */
    core_order_command(s, &record);
    assert_int_equal(core_count(s, SP_REC_BALANCE_ADOPTED), 1);
    core_restart(s);
    core_up(s);
    core_reconciled(s, true);
    core_check_saved(s);
}

/* Restarts make no new orders, trades or executions. */
static void test_users_row_22_restarts_make_nothing_new(void **state)
{
    static const enum sp_kind kinds[] = {SP_REC_ORDER_INTENT, SP_REC_FILL, SP_REC_TRADE_OPENED,
                                         SP_REC_TRADE_CLOSED, SP_REC_CORRECTION};
    uint32_t before[5];

    (void)state;
    core_open(s, "ema");
    for (size_t i = 0; i < 5; i++)
        before[i] = core_count(s, kinds[i]);
    for (int i = 0; i < 10; i++) {
        core_restart(s);
        recover();
        core_pass(s, 1000);
    }
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(core_count(s, kinds[i]), before[i]);
}

/* The submit stays unresolved for a minute; the order lives. No REJECTED, no orphan. */
static void test_users_row_23_unresolved_is_not_rejected(void **state)
{
    (void)state;
    create_times_out();
    core_pass(s, 60000);
    assert_int_equal(state_of(SP_LEG_ROLE_ENTRY), SP_ORDER_STATE_UNKNOWN);
    assert_int_equal(core_count(s, SP_REC_ORDER_REJECTED), 0);
    s->lose_answers = false;
    core_price(s, 50000);
    core_pass(s, 20000);
    assert_int_equal(core_count(s, SP_REC_TRADE_OPENED), 1);
    assert_int_equal(state_of(SP_LEG_ROLE_STOP), SP_ORDER_STATE_OPEN); /* adopted and protected */
}

/* Protection is renewed while the connection comes and goes: never a second pair beside it. */
static void test_users_row_24_no_two_live_orders_for_one_purpose(void **state)
{
    (void)state;
    core_open(s, "ema");
    core_move(s, 52000, 4 * ONE / 100); /* a part of the target fills, which ends the stop */
    for (int i = 0; i < 8; i++) {
        s->lose_requests = i % 2 == 0;
        s->lose_answers = i % 3 == 0;
        core_pass(s, 700);
        assert_true(resting_sales() <= 1);
        core_down(s);
        core_pass(s, 300);
        core_up(s);
        assert_true(resting_sales() <= 1);
    }
    s->lose_requests = s->lose_answers = false;
    recover();
    core_price(s, 51000);
    core_pass(s, 60000);
    assert_int_equal(resting_sales(), 1);
}

/* Killed after the send: the execution is its strategy's, by what was on disk before the send. */
static void test_users_row_32_a_fill_after_a_crash_finds_its_strategy(void **state)
{
    (void)state;
    struct sp_record plan = core_plan(s, "mean");
    core_feed(s, &plan);
    core_restart(s);
    recover();
    const struct sp_fill *fill = &core_last(s, SP_REC_FILL)->body.fill;
    assert_string_equal(fill->strategy_link_id.s, "mean");
    assert_true(sp_trd_id_eq(fill->trade_id, plan.body.plan.trade_id));
    assert_non_null(sp_books_open_trade(&s->core.books, 1));
    assert_null(sp_books_open_trade(&s->core.books, 0));
}

/* Stop and target are intents on disk: they outlive a restart, and are set anew if the venue lost
 * them meanwhile. */
static void test_users_row_33_protection_outlives_a_restart(void **state)
{
    (void)state;
    core_open(s, "ema");
    core_restart(s);
    recover();
    assert_int_equal(state_of(SP_LEG_ROLE_TARGET), SP_ORDER_STATE_OPEN);
    assert_int_equal(state_of(SP_LEG_ROLE_STOP), SP_ORDER_STATE_OPEN);
    assert_int_equal(resting_sales(), 1);
    core_restart(s);
    venue_cancel(&s->venue, &core_order(s, SP_LEG_ROLE_TARGET)->intent.client_order_id);
    s->venue.said_count = 0;
    recover();
    core_pass(s, 5000);
    bool safe = resting_sales() == 1 || s->venue.base.e8 == 0;
    assert_true(safe);
}

/* Nothing is sold because something was started. */
static void test_users_row_34_a_start_closes_nothing(void **state)
{
    (void)state;
    core_open(s, "ema");
    uint32_t sends = s->send_count;
    for (int i = 0; i < 3; i++) {
        core_restart(s);
        recover();
        core_pass(s, 10000);
    }
    assert_int_equal(s->send_count, sends);
    assert_int_equal(s->cancels, 0);
    assert_int_equal(s->venue.base.e8, ONE / 10);
}

#define T(name) cmocka_unit_test_setup_teardown(test_users_##name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(row_02_a_fill_nobody_was_told_of_is_found),
        T(row_03_a_cancel_without_an_answer_keeps_tracking),
        T(row_04_an_open_entry_is_no_position_after_a_restart),
        T(row_05_a_full_disk_still_lets_go),
        T(row_11_a_network_error_is_never_not_found),
        T(row_12_a_timeout_on_create_is_unknown),
        T(row_18_a_restart_invents_no_fill),
        T(row_19_working_orders_survive_a_gap_in_the_fills),
        T(row_20_an_operator_adopts_what_the_venue_holds),
        T(row_22_restarts_make_nothing_new),
        T(row_23_unresolved_is_not_rejected),
        T(row_24_no_two_live_orders_for_one_purpose),
        T(row_32_a_fill_after_a_crash_finds_its_strategy),
        T(row_33_protection_outlives_a_restart),
        T(row_34_a_start_closes_nothing),
    };

    return cmocka_run_group_tests_name("users", tests, NULL, NULL);
}
