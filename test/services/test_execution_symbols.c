/* Two instruments at one venue, which numbers the executions of each from 1. */
#include "core_rig.h"

static int setup_two(void **state)
{
    struct sp_world_config *world = NULL;

    (void)state;
    s = core_new();
    world = &s->config.worlds[0];
    world->instruments[1] = world->instruments[0];
    world->instruments[1].symbol = sp_name_of("ETHUSDT");
    world->instruments[1].base = sp_name_of("ETH");
    world->feed.symbols[1] = sp_name_of("ETHUSDT");
    world->instrument_count = world->feed.symbol_count = 2;
    s->config.links[1].blueprint.symbol = sp_name_of("ETHUSDT");
    sp_execution_init(&s->shadow, &s->config);
    core_restart(s);
    return 0;
}

static void price_both(void)
{
    struct sp_record quote = {.stream = sp_name_of("md.paper.ETHUSDT"), .kind = SP_REC_QUOTE};

    core_price(s, 50000);
    quote.body.quote = (struct sp_quote){.bid_px = s->venue.price, .ask_px = s->venue.price};
    core_event(s, SP_EVENT_TICK, 0, &quote);
}

static void come_up(void)
{
    price_both();
    core_up(s);
    core_pass(s, 200);
    core_reconciled(s, true);
}

static struct sp_record plan_of(const char *link, const char *symbol)
{
    struct sp_record plan = core_plan(s, link);

    plan.body.plan.symbol = sp_name_of(symbol);
    return plan;
}

static void open_one(const char *link, const char *symbol)
{
    struct sp_record plan = plan_of(link, symbol);

    core_feed(s, &plan);
    core_deliver(s);
}

/* Everything the venue executed is booked, once. */
static void check_fills(void)
{
    assert_int_equal(s->core.books.fill_total, s->venue.fill_count);
    for (uint32_t i = 0; i < s->venue.fill_count; i++) {
        const struct sp_fill_view *fill = &s->venue.fills[i];
        assert_true(sp_books_has_fill(&s->core.books, &fill->symbol, fill->venue_trade_id));
    }
}

static void test_execution_symbols_one_number_of_two_instruments_is_two_executions(void **state)
{
    (void)state;
    come_up();
    open_one("ema", "BTCUSDT");
    open_one("mean", "ETHUSDT");
    assert_int_equal(s->venue.fills[0].venue_trade_id, s->venue.fills[1].venue_trade_id);
    assert_int_equal(core_count(s, SP_REC_TRADE_OPENED), 2);
    check_fills();
}

/* The numbers of one are far beyond those of the other, of which some are missing. */
static void test_execution_symbols_executions_of_each_are_caught_up(void **state)
{
    (void)state;
    come_up();
    s->venue.parts = 250;
    open_one("ema", "BTCUSDT");
    s->venue.parts = 3;
    struct sp_record plan = plan_of("mean", "ETHUSDT");
    core_feed(s, &plan); /* executed, and we die before we hear of it */
    core_restart(s);
    come_up();
    core_pass(s, 1000);
    assert_true(s->core.caught_up);
    assert_int_equal(s->core.books.instruments[0].newest_trade_id, 250);
    assert_int_equal(s->core.books.instruments[1].newest_trade_id, 3);
    check_fills();
}

static void lose_reports(void)
{
    for (uint32_t i = 0; i < s->venue.said_count;) {
        if (s->venue.said[i].kind == SP_REC_VENUE_REPORT)
            venue_take(&s->venue, i);
        else
            i++;
    }
}

/* The same over a connection that stays: reports are lost, the next one shows that. */
static void test_execution_symbols_lost_reports_of_each_are_recovered(void **state)
{
    (void)state;
    come_up();
    s->venue.parts = 250;
    open_one("ema", "BTCUSDT");
    s->venue.parts = 3;
    struct sp_record plan = plan_of("mean", "ETHUSDT");
    core_feed(s, &plan);
    lose_reports();
    core_deliver(s);
    core_move(s, 52500, 0); /* the target of the first one fills, which is told */
    core_pass(s, 3000);
    assert_int_equal(core_count(s, SP_REC_TRADE_OPENED), 2);
    check_fills();
}

int main(void)
{
#define T(name)                                                                                    \
    cmocka_unit_test_setup_teardown(test_execution_symbols_##name, setup_two, teardown_as_it_is)
    const struct CMUnitTest tests[] = {
        T(one_number_of_two_instruments_is_two_executions),
        T(executions_of_each_are_caught_up),
        T(lost_reports_of_each_are_recovered),
    };
#undef T
    return cmocka_run_group_tests(tests, NULL, NULL);
}
