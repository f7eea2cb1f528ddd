/* Flatten as a procedure: every step a record, every failure said, and no kill in its middle that
 * leaves it behind. */
#include "core_rig.h"
#include "services/execution/flatten_book.h"

static void flatten(const char *scope)
{
    struct sp_record record = core_command(s, SP_COMMAND_FLATTEN, scope);

    core_order_command(s, &record);
}

/* The steps in the journal, in order: "STARTED DONE". */
static const char *steps(void)
{
    static char text[2048];
    size_t used = 0;

    text[0] = '\0';
    for (uint32_t i = 0; i < s->record_count; i++) {
        if (s->records[i].kind != SP_REC_FLATTEN) continue;
        int n = snprintf(text + used, sizeof text - used, "%s%s", used > 0 ? " " : "",
                         sp_enum_name(SP_ENUM_FLATTEN_STEP, s->records[i].body.flatten.step));
        used += (size_t)n;
        assert_true(used < sizeof text);
    }
    return text;
}

/* The newest record of a step; of none, an empty one. */
static const struct sp_flatten *newest(enum sp_flatten_step step)
{
    static const struct sp_flatten none;

    for (uint32_t i = s->record_count; i > 0; i--) {
        const struct sp_record *record = &s->records[i - 1];
        if (record->kind == SP_REC_FLATTEN && record->body.flatten.step == step)
            return &record->body.flatten;
    }
    return &none;
}

static uint32_t count(enum sp_flatten_step step)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < s->record_count; i++) {
        const struct sp_record *record = &s->records[i];
        n += record->kind == SP_REC_FLATTEN && record->body.flatten.step == step;
    }
    return n;
}

static void check_flat(void)
{
    assert_int_equal(s->venue.base.e8, 0);
    assert_int_equal(s->core.books.flatten_count, 0);
    for (uint32_t i = 0; i < s->core.books.trade_count; i++)
        assert_int_equal(s->core.books.trades[i].flatten, SP_FLATTEN_STEP_NONE);
}

#define ONE_TRADE "STARTED CANCELS_SENT CANCELS_CONFIRMED MEASURED REDUCING FLAT VERIFYING DONE"

static void test_flatten_every_step_is_a_record(void **state)
{
    (void)state;
    core_open(s, "ema");
    flatten("all");
    core_check_saved(s);
    core_pass(s, 1000);
    assert_string_equal(steps(), ONE_TRADE);
    assert_int_equal(newest(SP_FLATTEN_STEP_STARTED)->trades, 1);
    assert_int_equal(newest(SP_FLATTEN_STEP_STARTED)->orders, 2);
    assert_int_equal(newest(SP_FLATTEN_STEP_CANCELS_SENT)->orders, 2);
    const struct sp_flatten *measured = newest(SP_FLATTEN_STEP_MEASURED);
    assert_int_equal(measured->position.e8, ONE / 10);
    assert_int_equal(measured->qty.e8, ONE / 10);
    assert_int_equal(measured->dust.e8, 0);
    const struct sp_order *exit = core_order(s, SP_LEG_ROLE_EXIT);
    const struct sp_flatten *reducing = newest(SP_FLATTEN_STEP_REDUCING);
    assert_string_equal(reducing->client_order_id.s, exit->intent.client_order_id.s);
    assert_string_equal(reducing->symbol.s, "BTCUSDT");
    assert_true(sp_cmd_id_eq(reducing->command_id, exit->intent.command_id));
    check_flat();
}

static void test_flatten_with_nothing_open_is_verified_too(void **state)
{
    (void)state;
    flatten("all");
    core_pass(s, 200);
    assert_string_equal(steps(), "STARTED VERIFYING DONE");
    assert_int_equal(newest(SP_FLATTEN_STEP_DONE)->trades, 0);
}

static void test_flatten_of_one_link_leaves_the_other(void **state)
{
    (void)state;
    core_open(s, "ema");
    core_open(s, "mean");
    flatten("strategy.ema");
    core_pass(s, 1000);
    assert_string_equal(steps(), ONE_TRADE);
    assert_int_equal(newest(SP_FLATTEN_STEP_DONE)->trades, 1);
    assert_int_equal(s->venue.base.e8, ONE / 10);
    flatten("all");
    core_pass(s, 1000);
    assert_int_equal(newest(SP_FLATTEN_STEP_DONE)->trades, 1);
    check_flat();
}

static void test_flatten_of_all_counts_every_trade(void **state)
{
    sp_text said = {{0}};

    (void)state;
    core_open(s, "ema");
    core_open(s, "mean");
    s->venue.empty = true;
    flatten("all");
    core_deliver(s);
    sp_flatten_say(&s->core.books, &said);
    assert_string_equal(said.s, "all: 0 of 2 trades flat");
    s->venue.empty = false;
    core_pass(s, 1000);
    assert_int_equal(count(SP_FLATTEN_STEP_FLAT), 2);
    assert_int_equal(count(SP_FLATTEN_STEP_VERIFYING), 1);
    assert_int_equal(newest(SP_FLATTEN_STEP_DONE)->trades, 2);
    check_flat();
    sp_flatten_say(&s->core.books, &said);
    assert_string_equal(said.s, "");
}

/* The entry rests, and nothing of it was executed. */
static void test_flatten_cancels_an_entry_of_which_nothing_came(void **state)
{
    struct sp_record plan = core_plan(s, "ema");

    (void)state;
    plan.body.plan.order_type = SP_ORDER_TYPE_LIMIT;
    plan.body.plan.tif = SP_TIF_GTC;
    plan.body.plan.limit_px = (sp_px){49900 * ONE};
    core_feed(s, &plan);
    core_deliver(s);
    flatten("all");
    core_pass(s, 500);
    assert_string_equal(steps(), "STARTED CANCELS_SENT CANCELS_CONFIRMED FLAT VERIFYING DONE");
    assert_int_equal(state_of(SP_LEG_ROLE_ENTRY), SP_ORDER_STATE_CANCELED);
    check_flat();
}

/* Executed while its cancel is on its way: what was bought is sold. */
static void test_flatten_collects_late_fills(void **state)
{
    struct sp_record plan = core_plan(s, "ema");

    (void)state;
    plan.body.plan.order_type = SP_ORDER_TYPE_LIMIT;
    plan.body.plan.tif = SP_TIF_GTC;
    plan.body.plan.limit_px = (sp_px){49900 * ONE};
    core_feed(s, &plan);
    core_deliver(s);
    venue_fill(&s->venue, &core_order(s, SP_LEG_ROLE_ENTRY)->intent.client_order_id,
               (sp_px){49900 * ONE}, (sp_qty){ONE / 50}); /* not delivered yet */
    flatten("all");
    core_pass(s, 500);
    assert_string_equal(steps(), ONE_TRADE);
    assert_int_equal(newest(SP_FLATTEN_STEP_MEASURED)->position.e8, ONE / 50);
    check_flat();
}

/* ---- What goes wrong ---- */

static void test_flatten_waits_for_a_cancel_without_an_answer(void **state)
{
    (void)state;
    core_open(s, "ema");
    s->lose_requests = true;
    flatten("all");
    core_pass(s, 3000);
    assert_string_equal(steps(), "STARTED CANCELS_SENT BLOCKED");
    assert_non_null(strstr(newest(SP_FLATTEN_STEP_BLOCKED)->reason.s, "is not confirmed"));
    assert_int_equal(core_count(s, SP_REC_TRADE_CLOSED), 0);
    core_check_saved(s);
    s->lose_requests = false;
    core_pass(s, 3000);
    assert_string_equal(steps(), "STARTED CANCELS_SENT BLOCKED CANCELS_CONFIRMED MEASURED REDUCING "
                                 "FLAT VERIFYING DONE");
    check_flat();
}

static void test_flatten_waits_for_an_order_that_is_unknown(void **state)
{
    struct sp_record plan = core_plan(s, "ema");

    (void)state;
    s->lose_answers = true;
    core_feed(s, &plan);
    flatten("all");
    core_pass(s, 3000);
    assert_string_equal(steps(), "STARTED BLOCKED");
    assert_non_null(strstr(newest(SP_FLATTEN_STEP_BLOCKED)->reason.s, "no answer about order s"));
    s->lose_answers = false;
    core_pass(s, 5000);
    assert_string_equal(steps(), "STARTED BLOCKED CANCELS_CONFIRMED MEASURED REDUCING FLAT "
                                 "VERIFYING DONE");
    check_flat();
}

static void test_flatten_sells_the_rest_after_a_part(void **state)
{
    (void)state;
    core_open(s, "ema");
    s->venue.liquidity = (sp_qty){ONE / 25};
    flatten("all");
    core_pass(s, 2000);
    assert_string_equal(steps(), "STARTED CANCELS_SENT CANCELS_CONFIRMED MEASURED REDUCING "
                                 "MEASURED REDUCING FLAT VERIFYING DONE");
    assert_int_equal(newest(SP_FLATTEN_STEP_MEASURED)->position.e8, ONE / 10 - ONE / 25);
    check_flat();
}

/* 4.5 USDT are left, the venue takes no order below 5. */
static void test_flatten_leaves_dust_by_record(void **state)
{
    (void)state;
    core_open(s, "ema");
    s->venue.liquidity = (sp_qty){ONE / 10 - 9000};
    flatten("all");
    core_pass(s, 2000);
    assert_string_equal(steps(), "STARTED CANCELS_SENT CANCELS_CONFIRMED MEASURED REDUCING "
                                 "MEASURED FLAT VERIFYING DONE");
    assert_int_equal(newest(SP_FLATTEN_STEP_MEASURED)->position.e8, 9000);
    assert_int_equal(newest(SP_FLATTEN_STEP_MEASURED)->qty.e8, 0);
    assert_int_equal(newest(SP_FLATTEN_STEP_MEASURED)->dust.e8, 9000);
    assert_int_equal(newest(SP_FLATTEN_STEP_FLAT)->dust.e8, 9000);
    assert_int_equal(core_last(s, SP_REC_TRADE_CLOSED)->body.trade_closed.dust.e8, 9000);
    assert_int_equal(s->venue.base.e8, 9000);
}

/* No quote since the start, and then a market that is far away: neither stops a reduction. */
static void test_flatten_needs_no_price(void **state)
{
    (void)state;
    core_open(s, "ema");
    core_restart(s);
    core_up(s);
    flatten("all");
    core_pass(s, 1000);
    assert_string_equal(steps(), ONE_TRADE);
    check_flat();
}

static void test_flatten_needs_no_price_that_is_near(void **state)
{
    (void)state;
    core_open(s, "ema");
    s->now += INT64_C(3600000) * MS; /* an hour without a tick */
    s->venue.price = (sp_px){42000 * ONE};
    flatten("all");
    core_pass(s, 1000);
    assert_string_equal(steps(), ONE_TRADE);
    check_flat();
}

static void test_flatten_says_when_nobody_buys(void **state)
{
    (void)state;
    core_open(s, "ema");
    s->venue.empty = true;
    flatten("all");
    core_pass(s, 20000);
    assert_non_null(strstr(steps(), "REDUCING BLOCKED MEASURED REDUCING"));
    assert_string_equal(newest(SP_FLATTEN_STEP_BLOCKED)->reason.s,
                        "exits have no effect: tried again, later and later");
    assert_int_equal(count(SP_FLATTEN_STEP_DONE), 0);
    s->venue.empty = false;
    core_pass(s, 40000);
    assert_int_equal(count(SP_FLATTEN_STEP_DONE), 1);
    check_flat();
}

static void test_flatten_waits_for_the_connection(void **state)
{
    (void)state;
    core_open(s, "ema");
    core_down(s);
    flatten("all");
    core_pass(s, 5000);
    assert_string_equal(steps(), "STARTED BLOCKED");
    assert_string_equal(newest(SP_FLATTEN_STEP_BLOCKED)->reason.s, "no connection to the venue");
    core_up(s);
    core_pass(s, 3000);
    assert_int_equal(count(SP_FLATTEN_STEP_DONE), 1);
    check_flat();
}

/* Flat by our books is not enough: it is done when the venue has answered. */
static void test_flatten_is_done_when_the_venue_says_so(void **state)
{
    (void)state;
    s->venue.fails = true;
    flatten("all");
    core_pass(s, 3000);
    assert_string_equal(steps(), "STARTED VERIFYING");
    core_check_saved(s);
    s->venue.fails = false;
    core_pass(s, 2000);
    assert_string_equal(steps(), "STARTED VERIFYING DONE");
}

/* The venue executed what its answer about the cancel did not tell: the books hear of it when they
 * ask, and sell that as well. */
static void test_flatten_goes_back_to_selling_when_it_was_not_flat(void **state)
{
    struct sp_record plan = core_plan(s, "ema");

    (void)state;
    plan.body.plan.order_type = SP_ORDER_TYPE_LIMIT;
    plan.body.plan.tif = SP_TIF_GTC;
    plan.body.plan.limit_px = (sp_px){49900 * ONE};
    core_feed(s, &plan);
    core_deliver(s);
    s->venue.fails = true; /* asks for executions stay without an answer */
    flatten("all");
    const struct sp_order *entry = core_order(s, SP_LEG_ROLE_ENTRY);
    struct sp_record report = {.kind = SP_REC_VENUE_REPORT};
    report.body.venue_report =
        (struct sp_venue_report){.report_seq = s->venue.report_seq + 1,
                                 .client_order_id = entry->intent.client_order_id,
                                 .venue_order_id = entry->venue_order_id,
                                 .symbol = entry->intent.symbol,
                                 .side = SP_SIDE_BUY,
                                 .state = SP_ORDER_STATE_CANCELED};
    core_event(s, SP_EVENT_MESSAGE, SP_XI_VENUE_MESSAGE, &report);
    core_pass(s, 500);
    assert_string_equal(steps(), "STARTED CANCELS_SENT CANCELS_CONFIRMED FLAT VERIFYING");
    s->venue.fails = false;
    venue_fill(&s->venue, &entry->intent.client_order_id, (sp_px){49900 * ONE}, (sp_qty){ONE / 50});
    venue_cancel(&s->venue, &entry->intent.client_order_id);
    s->venue.said_count = 0;
    core_pass(s, 3000);
    assert_string_equal(steps(), "STARTED CANCELS_SENT CANCELS_CONFIRMED FLAT VERIFYING "
                                 "MEASURED REDUCING FLAT VERIFYING DONE");
    check_flat();
}

/* ---- People ---- */

static void test_flatten_ends_when_trading_is_resumed(void **state)
{
    struct sp_record resume;

    (void)state;
    core_open(s, "ema");
    s->venue.empty = true;
    flatten("all");
    core_pass(s, 500);
    resume = core_command(s, SP_COMMAND_RESUME, "all");
    core_order_command(s, &resume);
    assert_int_equal(count(SP_FLATTEN_STEP_FAILED), 1);
    assert_int_equal(newest(SP_FLATTEN_STEP_FAILED)->trades, 1);
    assert_non_null(strstr(newest(SP_FLATTEN_STEP_FAILED)->reason.s, "resumed"));
    assert_int_equal(s->core.books.flatten_count, 0);
    s->venue.empty = false;
    core_pass(s, 5000); /* a wish to exit stays one */
    assert_int_equal(core_count(s, SP_REC_TRADE_CLOSED), 1);
    assert_int_equal(count(SP_FLATTEN_STEP_DONE), 0);
}

static void test_flatten_one_of_a_scope_at_a_time(void **state)
{
    (void)state;
    core_open(s, "ema");
    s->venue.empty = true;
    flatten("all");
    core_pass(s, 500);
    flatten("all");
    assert_int_equal(count(SP_FLATTEN_STEP_FAILED), 1);
    assert_int_equal(count(SP_FLATTEN_STEP_STARTED), 2);
    s->venue.empty = false;
    core_pass(s, 5000);
    assert_int_equal(count(SP_FLATTEN_STEP_DONE), 1);
    assert_true(
        sp_cmd_id_eq(newest(SP_FLATTEN_STEP_DONE)->command_id,
                     core_last(s, SP_REC_OPERATOR_COMMAND)->body.operator_command.command_id));
    check_flat();
}

/* Every trade has at most 999 ids. */
static void test_flatten_gives_up_a_trade_without_ids(void **state)
{
    (void)state;
    core_open(s, "ema");
    s->venue.empty = true;
    flatten("all");
    core_pass(s, 500);
    s->core.books.trades[0].legs = s->shadow.books.trades[0].legs = 990;
    core_pass(s, 10000);
    assert_int_equal(count(SP_FLATTEN_STEP_FAILED), 1);
    assert_non_null(strstr(newest(SP_FLATTEN_STEP_FAILED)->reason.s, "no order id left"));
}

/* ---- Kills ---- */

/* Every intent of an exit that a flatten sends is named by a REDUCING, once. */
static void check_reducing(void)
{
    uint32_t exits = 0;

    for (uint32_t i = 0; i < s->record_count; i++) {
        const struct sp_record *record = &s->records[i];
        exits += record->kind == SP_REC_ORDER_INTENT &&
                 record->body.order_intent.role == SP_LEG_ROLE_EXIT;
    }
    assert_int_equal(count(SP_FLATTEN_STEP_REDUCING), exits);
}

/* A kill after that many steps of any kind; false if it was done before. */
static bool killed_after(uint32_t at)
{
    core_open(s, "ema");
    core_open(s, "mean");
    s->venue.liquidity = (sp_qty){ONE / 25};
    struct sp_record command = core_command(s, SP_COMMAND_FLATTEN, "all");
    s->kill.steps = at;
    core_order_command(s, &command);
    core_pass(s, 2000);
    bool killed = s->kill.happened;
    core_restart(s);
    core_price(s, 50000);
    core_up(s);
    core_order_command(s, &command); /* who had no answer asks again */
    core_pass(s, 5000);
    return killed;
}

static void test_flatten_goes_on_after_a_kill_at_any_step(void **state)
{
    uint32_t at = 1;

    (void)state;
    for (;; at++) {
        bool killed = killed_after(at);
        assert_int_equal(count(SP_FLATTEN_STEP_STARTED), 1);
        assert_int_equal(count(SP_FLATTEN_STEP_CANCELS_CONFIRMED), 2);
        assert_int_equal(count(SP_FLATTEN_STEP_FLAT), 2);
        assert_int_equal(count(SP_FLATTEN_STEP_DONE), 1);
        assert_int_equal(count(SP_FLATTEN_STEP_FAILED), 0);
        assert_int_equal(core_count(s, SP_REC_TRADE_CLOSED), 2);
        check_reducing();
        check_flat();
        core_check_truth(s);
        core_check_saved(s);
        if (!killed) break;
        core_free(s);
        s = core_ready();
    }
    print_message("%u kills\n", at - 1);
    assert_true(at > 30);
}

#define T(name)  cmocka_unit_test_setup_teardown(test_flatten_##name, setup, teardown)
#define TX(name) cmocka_unit_test_setup_teardown(test_flatten_##name, setup, teardown_as_it_is)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(every_step_is_a_record),
        T(with_nothing_open_is_verified_too),
        T(of_one_link_leaves_the_other),
        T(of_all_counts_every_trade),
        T(cancels_an_entry_of_which_nothing_came),
        T(collects_late_fills),
        T(waits_for_a_cancel_without_an_answer),
        T(waits_for_an_order_that_is_unknown),
        T(sells_the_rest_after_a_part),
        T(leaves_dust_by_record),
        T(needs_no_price),
        T(needs_no_price_that_is_near),
        T(says_when_nobody_buys),
        T(waits_for_the_connection),
        T(is_done_when_the_venue_says_so),
        T(goes_back_to_selling_when_it_was_not_flat),
        T(ends_when_trading_is_resumed),
        T(one_of_a_scope_at_a_time),
        TX(gives_up_a_trade_without_ids),
        T(goes_on_after_a_kill_at_any_step),
    };

    return cmocka_run_group_tests_name("flatten", tests, NULL, NULL);
}
