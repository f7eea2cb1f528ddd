/* The gate without its limits (test_limits.c): state, data, filters, capital, each at its boundary,
 * one unit of 1e-8 to either side. */
#include "gate_rig.h"

static void test_gate_a_good_plan_passes_and_says_what_was_read(void **state)
{
    (void)state;
    passes();
    assert_true(g->facts.count >= 2);
    assert_string_equal(g->facts.at[0].name.s, "data_age");
}

/* A market order counts at the ask moved by the collar. */
static void test_gate_capital_counts_the_collar(void **state)
{
    struct sp_link_book *link = &g->books.links[0];

    (void)state;
    link->cash = (sp_amt){5050 * ONE};
    passes();
    link->cash.e8--;
    refuses_value("capital", "5050", "5049.99999999");
    g->config.risk.price_collar.e8 = 0;
    link->cash = (sp_amt){5000 * ONE};
    passes();
    link->cash.e8--;
    refuses("capital");
    link->cash.e8 = 0; /* nothing left is not "no limit" */
    refuses_value("capital", "5000", "0");
    link->cash.e8 = -1;
    refuses("capital");
}

static void test_gate_capital_of_a_limit_order_counts_its_price(void **state)
{
    (void)state;
    g->plan.order_type = SP_ORDER_TYPE_LIMIT;
    g->plan.limit_px = (sp_px){49900 * ONE};
    g->books.links[0].cash = (sp_amt){4990 * ONE};
    passes();
    g->books.links[0].cash.e8--;
    refuses("capital");
}

static void test_gate_data_age_at_its_boundary(void **state)
{
    (void)state;
    g->view.now.ns = g->market.received.ns + g->config.risk.data_age_max.ns;
    passes();
    g->view.now.ns++;
    refuses_value("data_age", "60000000001ns", "1m");
}

/* A quote that stopped while trades go on is not a price. */
static void test_gate_an_old_quote_is_not_used(void **state)
{
    (void)state;
    g->view.now.ns += 2 * g->config.risk.data_age_max.ns;
    g->market.received = g->market.traded = g->view.now;
    g->market.ask = (sp_px){ONE}; /* long ago */
    g->config.risk.order_value_max = (sp_amt){4999 * ONE};
    refuses_value("order_value_max", "5000", "4999");
}

static void test_gate_no_price_closes_it(void **state)
{
    (void)state;
    g->view.market = NULL;
    refuses("price");
    g->view.market = &g->market;
    g->market.received.ns = 0;
    refuses("price");
    g->market.received.ns = 1000 * MS;
    g->market.ask = g->market.last = (sp_px){0};
    refuses("price");
    g->market.last = (sp_px){50000 * ONE};
    passes();
}

static void test_gate_filters_at_their_boundaries(void **state)
{
    (void)state;
    g->plan.qty.e8++;
    refuses_value("step", "0.10000001", "0.00001");
    g->plan.qty.e8 = 1000;
    g->config.worlds[0].instruments[0].min_value.e8 = 0;
    passes();
    g->config.worlds[0].instruments[0].min_qty.e8 = 1001;
    refuses_value("min_qty", "0.00001", "0.00001001");
    g->config.worlds[0].instruments[0].min_qty.e8 = 1000;
    g->config.worlds[0].instruments[0].min_value = (sp_amt){ONE / 2};
    passes();
    g->config.worlds[0].instruments[0].min_value.e8++;
    refuses_value("min_value", "0.5", "0.50000001");
}

static void test_gate_prices_are_multiples_of_the_tick(void **state)
{
    sp_px *const prices[] = {&g->plan.stop_px, &g->plan.target_px};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        prices[i]->e8++;
        refuses("tick");
        prices[i]->e8 += 999999;
        passes();
    }
    g->plan.order_type = SP_ORDER_TYPE_LIMIT;
    g->plan.limit_px = (sp_px){50000 * ONE + 1};
    refuses_value("tick", "50000.00000001", "0.01");
}

/* A price that the venue would ignore must not make an order look small. */
static void test_gate_type_and_price_belong_together(void **state)
{
    (void)state;
    g->config.risk.order_value_max = (sp_amt){100 * ONE};
    g->plan.limit_px = (sp_px){500 * ONE};
    g->config.risk.price_collar.e8 = 0;
    refuses("order_type");
    g->plan.order_type = SP_ORDER_TYPE_LIMIT;
    g->plan.limit_px.e8 = 0;
    refuses("order_type");
    g->plan.order_type = SP_ORDER_TYPE_STOP_LOSS;
    refuses("order_type");
}

static void test_gate_needs_a_stop_or_a_target(void **state)
{
    (void)state;
    g->plan.target_px.e8 = 0;
    passes();
    g->plan.stop_px.e8 = 0;
    refuses("protection");
    g->plan.target_px = (sp_px){52000 * ONE};
    passes();
}

static void test_gate_an_unknown_order_stops_its_instrument(void **state)
{
    (void)state;
    add_order("lost", SP_ORDER_STATE_UNKNOWN);
    refuses("unknown_order");
    assert_non_null(strstr(g->refusal.reason.s, "lost"));
    g->books.orders[0].intent.symbol = sp_name_of("ETHUSDT");
    passes();
}

static void test_gate_long_only(void **state)
{
    (void)state;
    g->plan.side = SP_SIDE_SELL;
    refuses("side");
}

static void test_gate_one_position_per_link(void **state)
{
    (void)state;
    struct sp_trade_book *trade = &g->books.trades[g->books.trade_count++];
    *trade = (struct sp_trade_book){.trade_id = {{9, 9}}, .opened = true};
    refuses("one_position");
    trade->link = 1; /* another link's */
    passes();
    *trade = (struct sp_trade_book){.trade_id = {{9, 9}}}; /* nothing filled yet ... */
    add_order("entry", SP_ORDER_STATE_SENT);               /* ... but its entry is on its way */
    g->books.orders[0].intent.trade_id = trade->trade_id;
    refuses("one_position");
    set_order_state(0, SP_ORDER_STATE_REJECTED);
    passes();
    g->plan.trade_id = trade->trade_id;
    refuses("trade_id");
}

static void test_gate_what_is_not_ours_is_refused(void **state)
{
    (void)state;
    g->plan.strategy_link_id = sp_name_of("nobody");
    refuses("link");
    g->plan.strategy_link_id = sp_name_of("ema");
    g->plan.symbol = sp_name_of("DOGEUSDT");
    refuses("instrument");
}

static void test_gate_needs_venue_and_reconciliation(void **state)
{
    (void)state;
    g->view.venue_up = false;
    refuses("venue");
    g->view.venue_up = true;
    g->view.venue_waits = true;
    refuses("venue");
    g->view.venue_waits = false;
    g->view.reconciled = false;
    refuses("reconciled");
}

static void halt(const char *scope)
{
    struct sp_record record = {.kind = SP_REC_TRADING_HALTED, .seq = 1};

    record.body.trading_state = (struct sp_trading_state){.scope = sp_name_of(scope),
                                                          .trading = SP_TRADING_REDUCE_ONLY,
                                                          .cause = SP_HALT_CAUSE_OPERATOR};
    sp_text_printf(&record.body.trading_state.reason, "because of lunch");
    sp_books_apply(&g->books, &record);
}

static void test_gate_halts_cover_their_scope(void **state)
{
    (void)state;
    halt("strategy.mean");
    passes();
    halt("strategy.ema");
    refuses("halted");
    assert_non_null(strstr(g->refusal.reason.s, "because of lunch"));
    assert_non_null(strstr(g->refusal.reason.s, "strategy.ema"));
    g->plan.strategy_link_id = sp_name_of("mean");
    refuses("halted");
}

static void test_gate_halt_of_all_covers_every_link(void **state)
{
    struct sp_record resumed = {.kind = SP_REC_TRADING_RESUMED, .seq = 2};

    (void)state;
    halt("all");
    halt("strategy.ema");
    refuses("halted");
    resumed.body.trading_state.scope = sp_name_of("all");
    sp_books_apply(&g->books, &resumed);
    passes();
}

static void test_gate_breaker_closed_is_the_only_open_door(void **state)
{
    (void)state;
    g->books.breaker = SP_BREAKER_OPEN;
    refuses("breaker");
    g->books.breaker = SP_BREAKER_HALF_OPEN;
    refuses("breaker");
    g->books.breaker = SP_BREAKER_NONE;
    refuses("breaker");
    g->books.breaker = SP_BREAKER_CLOSED;
    passes();
}

static void test_gate_values_that_do_not_fit_close_it(void **state)
{
    (void)state;
    g->plan.qty.e8 = INT64_MAX / 2000 * 1000;
    refuses("price");
}

#define T(name) cmocka_unit_test_setup_teardown(test_gate_##name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_good_plan_passes_and_says_what_was_read),
        T(capital_counts_the_collar),
        T(capital_of_a_limit_order_counts_its_price),
        T(data_age_at_its_boundary),
        T(an_old_quote_is_not_used),
        T(no_price_closes_it),
        T(filters_at_their_boundaries),
        T(prices_are_multiples_of_the_tick),
        T(type_and_price_belong_together),
        T(needs_a_stop_or_a_target),
        T(an_unknown_order_stops_its_instrument),
        T(long_only),
        T(one_position_per_link),
        T(what_is_not_ours_is_refused),
        T(needs_venue_and_reconciliation),
        T(halts_cover_their_scope),
        T(halt_of_all_covers_every_link),
        T(breaker_closed_is_the_only_open_door),
        T(values_that_do_not_fit_close_it),
    };

    return cmocka_run_group_tests_name("gate", tests, NULL, NULL);
}
