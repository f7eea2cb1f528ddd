/* The gateway's core under threats, reconciliation, operators, and the end of the operation. */
#include "core_rig.h"

static void command(enum sp_command what, const char *scope)
{
    struct sp_record record = core_command(s, what, scope);

    core_order_command(s, &record);
}

static void threat(uint64_t id, bool ends)
{
    struct sp_record record = {.stream = sp_name_of("marketdata"),
                               .epoch = 1,
                               .seq = ++s->plans,
                               .time = {1},
                               .kind = ends ? SP_REC_THREAT_ENDED : SP_REC_THREAT_DETECTED};

    record.body.threat = (struct sp_threat){.threat_id = {{6, id}},
                                            .threat_type = sp_name_of("CONNECTION_LOST"),
                                            .severity = SP_SEVERITY_CRITICAL,
                                            .worker = sp_name_of("feed"),
                                            .began = {1}};
    sp_text_printf(&record.body.threat.rule, "no message for 3 s");
    core_event(s, SP_EVENT_RECORD, 0, &record);
}

/* ---- The disk reserve ---- */

static void disk(uint64_t free_mib, bool reserved)
{
    struct sp_record record = {.kind = SP_REC_DISK_SPACE};

    record.body.disk_space = (struct sp_disk_space){.free_bytes = free_mib << 20,
                                                    .reserve_bytes = UINT64_C(512) << 20,
                                                    .reserved = reserved};
    core_event(s, SP_EVENT_MESSAGE, SP_XI_DISK, &record);
}

static void test_execution_control_the_disk_reserve_reduces_only_until_space_is_back(void **state)
{
    (void)state;
    core_open(s, "ema");
    disk(511, true);
    disk(510, true);
    assert_int_equal(core_count(s, SP_REC_TRADING_HALTED), 1);
    const struct sp_trading_state *said = &core_last(s, SP_REC_TRADING_HALTED)->body.trading_state;
    assert_int_equal(said->cause, SP_HALT_CAUSE_STORAGE);
    assert_int_equal(said->trading, SP_TRADING_REDUCE_ONLY);
    assert_string_equal(said->reason.s, "disk reserve: 511 MiB free, 512 MiB are kept");
    check_refused("mean", "disk_reserve");
    const struct sp_plan_answer *refused = &core_last(s, SP_REC_PLAN_REFUSED)->body.plan_answer;
    assert_string_equal(refused->limit.s, "512MiB");
    assert_string_equal(refused->value.s, "510MiB");
    core_move(s, 48900, 0); /* the stop still works */
    assert_int_equal(core_count(s, SP_REC_TRADE_CLOSED), 1);
    core_check_saved(s);
    core_restart(s); /* and it outlives us until the disk is looked at again */
    core_price(s, 50000);
    core_up(s);
    core_reconciled(s, true);
    check_refused("ema", "disk_reserve");
    disk(700, false);
    disk(701, false);
    assert_int_equal(core_count(s, SP_REC_TRADING_RESUMED), 1);
    check_opens("ema");
}

static void test_execution_control_nobody_orders_space(void **state)
{
    (void)state;
    disk(100, true);
    command(SP_COMMAND_HALT, "all");
    command(SP_COMMAND_RESUME, "all");
    check_refused("mean", "disk_reserve");
    command(SP_COMMAND_RESUME, "disk");
    assert_non_null(strstr(s->core.command_refused.s, "no scope disk"));
    check_refused("mean", "disk_reserve");
    /* Nor does space order trading. */
    command(SP_COMMAND_HALT, "strategy.mean");
    disk(700, false);
    assert_int_equal(core_last(s, SP_REC_TRADING_RESUMED)->body.trading_state.trading,
                     SP_TRADING_REDUCE_ONLY);
    check_refused("mean", "halted");
    check_opens("ema");
}

/* ---- Operators ---- */

static void test_execution_control_a_halt_lets_exits_through(void **state)
{
    (void)state;
    core_open(s, "ema");
    command(SP_COMMAND_HALT, "all");
    check_refused("mean", "halted");
    core_move(s, 48900, 0);
    assert_int_equal(core_count(s, SP_REC_TRADE_CLOSED), 1);
    core_price(s, 50000);
    check_refused("ema", "halted");
    core_restart(s); /* a halt outlives us */
    core_price(s, 50000);
    core_up(s);
    core_reconciled(s, true);
    check_refused("ema", "halted");
    command(SP_COMMAND_RESUME, "all");
    check_opens("ema");
}

static void test_execution_control_a_halt_of_one_link_leaves_the_other(void **state)
{
    (void)state;
    command(SP_COMMAND_HALT, "strategy.ema");
    check_refused("ema", "halted");
    check_opens("mean");
    command(SP_COMMAND_RESUME, "strategy.ema");
    check_opens("ema");
}

/* A resume that names what was seen lifts that, and nothing that came since. */
static void test_execution_control_a_resume_lifts_what_was_seen(void **state)
{
    struct sp_record resume;

    (void)state;
    command(SP_COMMAND_HALT, "strategy.ema");
    uint64_t seen = sp_execution_halts(&s->core);
    command(SP_COMMAND_HALT, "all");
    assert_int_not_equal(sp_execution_halts(&s->core), seen);
    resume = core_command(s, SP_COMMAND_RESUME, "all");
    resume.body.operator_command.confirms = seen;
    core_order_command(s, &resume);
    assert_non_null(strstr(s->core.command_refused.s, "look again"));
    check_refused("mean", "halted");
    seen = sp_execution_halts(&s->core);
    core_restart(s);
    core_price(s, 50000);
    core_up(s);
    core_reconciled(s, true);
    assert_int_equal(sp_execution_halts(&s->core), seen);
    resume.body.operator_command.confirms = seen;
    core_order_command(s, &resume);
    assert_string_equal(s->core.command_refused.s, "");
    check_opens("mean");
    seen = sp_execution_halts(&s->core);
    threat(1, false); /* the breaker counts, too */
    assert_int_not_equal(sp_execution_halts(&s->core), seen);
    threat(1, true);
    core_reconciled(s, true);
    command(SP_COMMAND_FLATTEN, "all");
    assert_int_not_equal(sp_execution_halts(&s->core), seen);
}

/* The intent is durable, then the halt comes, then the send would leave. */
static void test_execution_control_a_halt_withdraws_what_has_not_left(void **state)
{
    struct sp_effect effect = {.type = SP_XE_SEND};
    struct sp_record plan = core_plan(s, "ema");

    (void)state;
    s->connected = false;
    core_feed(s, &plan);
    s->connected = true;
    effect.message.body.venue_order.side = SP_SIDE_BUY;
    effect.message.body.venue_order.client_order_id =
        core_order(s, SP_LEG_ROLE_ENTRY)->intent.client_order_id;
    assert_true(sp_execution_core.allows(&s->core, &effect));
    command(SP_COMMAND_HALT, "strategy.ema");
    assert_false(sp_execution_core.allows(&s->core, &effect));
    effect.message.body.venue_order.side = SP_SIDE_SELL;
    assert_true(sp_execution_core.allows(&s->core, &effect));
}

static void test_execution_control_commands_act_once(void **state)
{
    struct sp_record halt = core_command(s, SP_COMMAND_HALT, "all");

    (void)state;
    core_order_command(s, &halt);
    core_order_command(s, &halt);
    command(SP_COMMAND_RESUME, "all");
    core_order_command(s, &halt); /* a late repetition must not halt again */
    assert_int_equal(core_count(s, SP_REC_TRADING_HALTED), 1);
    assert_int_equal(core_count(s, SP_REC_OPERATOR_COMMAND), 2);
    core_restart(s);
    core_order_command(s, &halt);
    assert_int_equal(core_count(s, SP_REC_TRADING_HALTED), 1);
}

static void test_execution_control_flatten_closes_and_halts(void **state)
{
    (void)state;
    core_open(s, "ema");
    core_open(s, "mean");
    command(SP_COMMAND_FLATTEN, "strategy.ema");
    const struct sp_trade_closed *closed = &core_last(s, SP_REC_TRADE_CLOSED)->body.trade_closed;
    assert_int_equal(core_count(s, SP_REC_TRADE_CLOSED), 1);
    assert_int_equal(closed->cause, SP_CLOSE_CAUSE_OPERATOR);
    assert_false(sp_cmd_id_is_none(closed->command_id));
    assert_int_equal(s->venue.base.e8, ONE / 10);
    check_refused("ema", "halted");
}

/* A typing error must neither halt something else nor fill a table. */
static void test_execution_control_unknown_scopes_are_refused(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) {
        char scope[SP_NAME_SIZE];
        snprintf(scope, sizeof scope, "strategy.typo%d", i);
        command(SP_COMMAND_HALT, scope);
        assert_non_null(strstr(s->core.command_refused.s, scope));
    }
    command(SP_COMMAND_HALT, "everything");
    assert_int_equal(core_count(s, SP_REC_OPERATOR_COMMAND), 0);
    command(SP_COMMAND_HALT, "all");
    assert_string_equal(s->core.command_refused.s, "");
    check_refused("ema", "halted");
}

/* ---- The venue's connection and the breaker ---- */

static void test_execution_control_the_breaker_follows_the_connection(void **state)
{
    (void)state;
    core_open(s, "ema");
    core_down(s);
    check_refused("mean", "venue");
    core_pass(s, 950);
    assert_int_equal(s->core.books.breaker, SP_BREAKER_CLOSED);
    core_pass(s, 100);
    assert_int_equal(s->core.books.breaker, SP_BREAKER_OPEN);
    assert_int_equal(core_count(s, SP_REC_THREAT_DETECTED), 1);
    core_pass(s, 3000);
    assert_int_equal(core_count(s, SP_REC_THREAT_DETECTED), 1);
    core_price(s, 50000);
    core_up(s);
    assert_int_equal(s->core.books.breaker, SP_BREAKER_HALF_OPEN);
    check_refused("mean", "breaker");
    core_reconciled(s, false);
    check_refused("mean", "breaker");
    core_reconciled(s, true);
    assert_int_equal(s->core.books.breaker, SP_BREAKER_CLOSED);
    check_opens("mean");
    assert_int_equal(core_count(s, SP_REC_TRADE_CLOSED), 0); /* the resting pair held */
}

static void test_execution_control_the_breaker_outlives_a_restart(void **state)
{
    (void)state;
    core_down(s);
    core_pass(s, 1100);
    core_restart(s);
    assert_int_equal(s->core.books.breaker, SP_BREAKER_OPEN);
    core_price(s, 50000);
    core_up(s);
    assert_int_equal(core_count(s, SP_REC_THREAT_ENDED), 1);
    core_reconciled(s, true);
    assert_int_equal(s->core.books.breaker, SP_BREAKER_CLOSED);
}

/* Lost once more while half open: the old, ended threat must not hold the breaker for ever. */
static void test_execution_control_a_second_loss_while_half_open_also_ends(void **state)
{
    (void)state;
    threat(1, false);
    threat(1, true);
    assert_int_equal(s->core.books.breaker, SP_BREAKER_HALF_OPEN);
    threat(2, false);
    assert_int_equal(s->core.books.breaker, SP_BREAKER_OPEN);
    threat(2, true);
    assert_int_equal(s->core.books.breaker, SP_BREAKER_HALF_OPEN);
    core_reconciled(s, true);
    assert_int_equal(s->core.books.breaker, SP_BREAKER_CLOSED);
}

static void test_execution_control_two_threats_end_one_by_one(void **state)
{
    (void)state;
    threat(1, false);
    threat(2, false);
    threat(2, false); /* heard twice */
    threat(1, true);
    assert_int_equal(s->core.books.breaker, SP_BREAKER_OPEN);
    core_reconciled(s, true);
    assert_int_equal(s->core.books.breaker, SP_BREAKER_OPEN);
    threat(2, true);
    core_reconciled(s, true);
    assert_int_equal(s->core.books.breaker, SP_BREAKER_CLOSED);
}

static void test_execution_control_close_on_disconnect_closes_after_reconciliation(void **state)
{
    (void)state;
    s->config.breaker.close_on_disconnect = true;
    core_open(s, "ema");
    core_open(s, "mean");
    threat(1, false);
    core_pass(s, 500);
    assert_int_equal(core_count(s, SP_REC_TRADE_CLOSED), 0);
    threat(1, true);
    core_reconciled(s, true);
    core_deliver(s);
    core_pass(s, 500);
    assert_int_equal(core_count(s, SP_REC_TRADE_CLOSED), 2);
    const struct sp_trade_closed *closed = &core_last(s, SP_REC_TRADE_CLOSED)->body.trade_closed;
    assert_int_equal(closed->cause, SP_CLOSE_CAUSE_THREAT);
    assert_int_equal(closed->threat_ids.count, 1);
}

static void test_execution_control_a_person_may_have_to_resume(void **state)
{
    (void)state;
    s->config.breaker.resume_automatic = false;
    threat(1, false);
    command(SP_COMMAND_RESUME, "all");
    assert_int_equal(s->core.books.breaker, SP_BREAKER_OPEN); /* not while it lasts */
    threat(1, true);
    core_reconciled(s, true);
    assert_int_equal(s->core.books.breaker, SP_BREAKER_HALF_OPEN);
    command(SP_COMMAND_RESUME, "all");
    assert_int_equal(s->core.books.breaker, SP_BREAKER_CLOSED);
}

/* ---- Reconciliation ---- */

static void result_of(uint32_t epoch, uint32_t generation)
{
    struct sp_record record = {.stream = sp_name_of("reconciliation"),
                               .epoch = 1,
                               .seq = ++s->plans,
                               .kind = SP_REC_RECONCILIATION_RESULT};

    record.body.reconciliation_result =
        (struct sp_reconciliation_result){.reconciliation_id = {{7, s->plans}},
                                          .trigger = SP_TRIGGER_START,
                                          .execution_epoch = epoch,
                                          .venue_generation = generation,
                                          .clean = true};
    core_event(s, SP_EVENT_RECORD, 0, &record);
}

static void test_execution_control_results_of_another_time_open_nothing(void **state)
{
    (void)state;
    core_down(s);
    core_price(s, 50000);
    result_of(s->epoch, s->generation); /* while down */
    core_up(s);
    check_refused("ema", "reconciled");
    result_of(s->epoch, s->generation - 1); /* of the connection before */
    check_refused("ema", "reconciled");
    result_of(s->epoch - 1, s->generation); /* of the process before */
    check_refused("ema", "reconciled");
    result_of(s->epoch, s->generation);
    check_opens("ema");
}

static void test_execution_control_an_unclean_result_closes_trading(void **state)
{
    (void)state;
    core_reconciled(s, false);
    check_refused("ema", "reconciled");
    core_reconciled(s, true);
    check_opens("ema");
}

static struct sp_record correction(const struct sp_order *order)
{
    struct sp_record record = {.kind = SP_REC_PROPOSE_CORRECTION};

    record.body.correction =
        (struct sp_correction){.reconciliation_id = {{7, 77}},
                               .item = SP_DIFFERENCE_FILL_MISSING,
                               .client_order_id = order->intent.client_order_id,
                               .symbol = order->intent.symbol,
                               .execution_epoch = s->epoch};
    return record;
}

static void test_execution_control_a_missing_fill_is_corrected_once(void **state)
{
    (void)state;
    core_open(s, "ema");
    core_price(s, 52000);
    venue_move(&s->venue, s->venue.price, (sp_qty){0});
    s->venue.said_count = 0; /* nobody heard of it */
    struct sp_record proposal = correction(core_order(s, SP_LEG_ROLE_TARGET));
    const struct sp_fill_view *fill = &s->venue.fills[s->venue.fill_count - 1];
    struct sp_correction *body = &proposal.body.correction;
    body->venue_trade_id = fill->venue_trade_id;
    body->side = fill->side;
    body->px = fill->px;
    body->qty = fill->qty;
    body->fee = fill->fee;
    body->fee_asset = fill->fee_asset;
    body->liquidity = fill->liquidity;
    body->execution_epoch = s->epoch - 1;
    core_event(s, SP_EVENT_MESSAGE, SP_XI_CORRECTION, &proposal); /* of another process */
    assert_int_equal(core_count(s, SP_REC_CORRECTION), 0);
    body->execution_epoch = s->epoch;
    core_event(s, SP_EVENT_MESSAGE, SP_XI_CORRECTION, &proposal);
    core_event(s, SP_EVENT_MESSAGE, SP_XI_CORRECTION, &proposal);
    assert_int_equal(core_count(s, SP_REC_CORRECTION), 1);
    assert_false(sp_rec_id_is_none(core_last(s, SP_REC_FILL)->body.fill.reconciliation_id));
    struct sp_record ended = correction(core_order(s, SP_LEG_ROLE_STOP));
    ended.body.correction.item = SP_DIFFERENCE_ORDER_STATE;
    ended.body.correction.order_state = SP_ORDER_STATE_CANCELED;
    core_event(s, SP_EVENT_MESSAGE, SP_XI_CORRECTION, &ended);
    assert_int_equal(core_count(s, SP_REC_TRADE_CLOSED), 1);
}

static void test_execution_control_a_correction_that_cannot_be_is_not_applied(void **state)
{
    (void)state;
    core_open(s, "ema");
    struct sp_record proposal = correction(core_order(s, SP_LEG_ROLE_ENTRY));
    struct sp_correction *body = &proposal.body.correction;
    body->venue_trade_id = 4711;
    body->side = SP_SIDE_SELL; /* of an order that buys */
    body->px = (sp_px){52000 * ONE};
    body->qty = (sp_qty){ONE / 10};
    core_event(s, SP_EVENT_MESSAGE, SP_XI_CORRECTION, &proposal);
    assert_int_equal(core_count(s, SP_REC_CORRECTION), 0);
    assert_int_equal(core_count(s, SP_REC_TRADING_HALTED), 1);
}

/* ---- The end of the operation ---- */

static void test_execution_control_a_stop_flattens_by_policy(void **state)
{
    (void)state;
    s->config.links[1].on_stop = SP_ON_STOP_KEEP;
    core_open(s, "ema");
    core_open(s, "mean");
    core_event(s, SP_EVENT_MESSAGE, SP_XI_STOP, NULL);
    assert_false(sp_execution_is_flat(&s->core));
    core_deliver(s);
    core_pass(s, 500);
    assert_true(sp_execution_is_flat(&s->core));
    assert_int_equal(core_count(s, SP_REC_TRADE_CLOSED), 1);
    assert_int_equal(s->venue.base.e8, ONE / 10); /* kept, and protected */
    check_refused("ema", "stopping");
    core_restart(s); /* a stop is no halt */
    core_price(s, 50000);
    core_up(s);
    core_reconciled(s, true);
    check_opens("ema");
}

static void test_execution_control_a_stop_cancels_entries_by_policy(void **state)
{
    struct sp_record plan = core_plan(s, "ema");

    (void)state;
    s->config.links[0].on_stop = SP_ON_STOP_CANCEL_ENTRIES;
    plan.body.plan.order_type = SP_ORDER_TYPE_LIMIT;
    plan.body.plan.tif = SP_TIF_GTC;
    plan.body.plan.limit_px = (sp_px){49900 * ONE};
    core_feed(s, &plan);
    core_deliver(s);
    core_event(s, SP_EVENT_MESSAGE, SP_XI_STOP, NULL);
    assert_false(sp_execution_is_flat(&s->core));
    core_deliver(s);
    core_pass(s, 500);
    assert_int_equal(state_of(SP_LEG_ROLE_ENTRY), SP_ORDER_STATE_CANCELED);
    assert_true(sp_execution_is_flat(&s->core));
}

/* The third entry within a minute halts its strategy, for good: no window, no restart, only a
 * person lets it on, and counting begins anew. The other strategy goes on. */
static void test_execution_control_firing_too_often_latches(void **state)
{
    (void)state;
    s->config.links[0].risk.entries_max = 2;
    for (int i = 0; i < 2; i++) {
        sp_trd_id trade = core_open(s, "ema");
        struct sp_record close = core_close_plan(s, "ema", trade);
        core_feed(s, &close);
        core_pass(s, 1000);
    }
    check_refused("ema", "entries_max");
    const struct sp_trading_state *halt = &core_last(s, SP_REC_TRADING_HALTED)->body.trading_state;
    assert_string_equal(halt->scope.s, "strategy.ema");
    assert_int_equal(halt->cause, SP_HALT_CAUSE_LIMIT);
    assert_non_null(strstr(halt->reason.s, "entries_max of strategy.ema is 2"));
    assert_non_null(strstr(halt->next_step.s, "spoor resume --scope strategy.ema"));
    check_opens("mean");
    core_pass(s, 61000);
    check_refused("ema", "halted");
    core_restart(s);
    core_up(s);
    core_reconciled(s, true);
    core_price(s, 50000);
    check_refused("ema", "halted");
    command(SP_COMMAND_RESUME, "strategy.ema");
    check_opens("ema");
}

/* Whoever resumes has looked: the window is not waited for. */
static void test_execution_control_a_resume_counts_anew(void **state)
{
    (void)state;
    s->config.risk.entries_max = 1;
    check_opens("ema");
    check_refused("mean", "entries_max");
    command(SP_COMMAND_RESUME, "strategy.mean");
    sp_trd_id trade = core_open(s, "mean");
    struct sp_record close = core_close_plan(s, "mean", trade);
    core_feed(s, &close);
    core_pass(s, 1000);
    s->config.risk.entries_max = 0;
    s->config.links[1].risk.entries_max = 1; /* its own count began anew with the resume */
    check_refused("mean", "entries_max");
    command(SP_COMMAND_RESUME, "strategy.mean");
    check_opens("mean");
}

#define T(name) cmocka_unit_test_setup_teardown(test_execution_control_##name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_halt_lets_exits_through),
        T(a_halt_of_one_link_leaves_the_other),
        T(a_resume_lifts_what_was_seen),
        T(a_halt_withdraws_what_has_not_left),
        T(commands_act_once),
        T(firing_too_often_latches),
        T(a_resume_counts_anew),
        T(flatten_closes_and_halts),
        T(the_disk_reserve_reduces_only_until_space_is_back),
        T(nobody_orders_space),
        T(unknown_scopes_are_refused),
        T(the_breaker_follows_the_connection),
        T(the_breaker_outlives_a_restart),
        T(a_second_loss_while_half_open_also_ends),
        T(two_threats_end_one_by_one),
        T(close_on_disconnect_closes_after_reconciliation),
        T(a_person_may_have_to_resume),
        T(results_of_another_time_open_nothing),
        T(an_unclean_result_closes_trading),
        T(a_missing_fill_is_corrected_once),
        T(a_correction_that_cannot_be_is_not_applied),
        T(a_stop_flattens_by_policy),
        T(a_stop_cancels_entries_by_policy),
    };

    return cmocka_run_group_tests_name("execution_control", tests, NULL, NULL);
}
