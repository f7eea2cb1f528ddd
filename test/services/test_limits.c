/* Every limit in every scope: at its boundary, one unit to either side, and for whom it counts. */
#include "gate_rig.h"
#include "services/execution/limits.h"

#define HOUR (INT64_C(3600000) * MS)

enum { VENUE, INSTRUMENT, STRATEGY, SCOPES };

static struct sp_risk_config *risk_of(int scope)
{
    struct sp_risk_config *risks[] = {&g->config.risk, &g->config.worlds[0].instruments[0].risk,
                                      &g->config.links[0].risk};
    return risks[scope];
}

static struct sp_result_book *result_of(int scope)
{
    struct sp_result_book *results[] = {&g->books.venue, &g->books.instruments[0].result,
                                        &g->books.links[0].result};
    return results[scope];
}

static void expect_scope(int scope)
{
    static const char *const names[] = {"venue.paper", "instrument.BTCUSDT", "strategy.ema"};

    assert_non_null(strstr(g->refusal.reason.s, names[scope]));
}

static void test_limits_order_qty(void **state)
{
    (void)state;
    for (int scope = 0; scope < SCOPES; scope++) {
        sp_qty *limit = &risk_of(scope)->order_qty_max;
        *limit = g->plan.qty;
        passes();
        limit->e8--;
        refuses_value("order_qty_max", "0.1", "0.09999999");
        expect_scope(scope);
        limit->e8 += 2;
        passes();
        limit->e8 = 0; /* not set */
        passes();
    }
}

static void test_limits_order_value(void **state)
{
    (void)state;
    for (int scope = 0; scope < SCOPES; scope++) {
        sp_amt *limit = &risk_of(scope)->order_value_max;
        *limit = (sp_amt){5000 * ONE};
        passes();
        limit->e8--;
        refuses_value("order_value_max", "5000", "4999.99999999");
        expect_scope(scope);
        limit->e8 += 2;
        passes();
        limit->e8 = 0;
        passes();
    }
}

/* A position of 0.03 BTC that is left of 0.04 bought for 2000.00000001. */
static void hold(uint32_t link)
{
    struct sp_trade_book *trade = &g->books.trades[g->books.trade_count++];

    *trade = (struct sp_trade_book){.trade_id = {{7, 7}},
                                    .link = link,
                                    .symbol = sp_name_of("BTCUSDT"),
                                    .opened = true,
                                    .bought_qty = {4 * ONE / 100},
                                    .bought = {2000 * ONE + 1},
                                    .sold_qty = {ONE / 100}};
}

/* What it holds counts at what it cost, rounded up; an entry that may still fill at its limit. */
static void test_limits_position_value_counts_all_of_its_scope(void **state)
{
    (void)state;
    hold(1); /* link "mean" */
    struct sp_order *entry = add_order("rest", SP_ORDER_STATE_PARTIALLY_FILLED);
    entry->intent.role = SP_LEG_ROLE_ENTRY;
    entry->intent.side = SP_SIDE_BUY;
    entry->intent.strategy_link_id = sp_name_of("mean");
    entry->intent.qty = (sp_qty){ONE / 100};
    entry->filled = (sp_qty){ONE / 200};
    entry->intent.px = (sp_px){40000 * ONE};
    for (int scope = 0; scope < SCOPES; scope++) {
        int64_t used = scope == STRATEGY ? 5000 * ONE : 5000 * ONE + 1500 * ONE + 1 + 200 * ONE;
        sp_amt *limit = &risk_of(scope)->position_value_max;
        limit->e8 = used;
        passes();
        limit->e8--;
        refuses("position_value_max");
        expect_scope(scope);
        limit->e8 += 2;
        passes();
        limit->e8 = 0;
    }
}

static void test_limits_position_value_forgets_what_is_over(void **state)
{
    (void)state;
    hold(0);
    g->books.trades[0].closed = true;
    add_order("was", SP_ORDER_STATE_CANCELED)->intent.role = SP_LEG_ROLE_ENTRY;
    add_order("exit", SP_ORDER_STATE_OPEN)->intent.role = SP_LEG_ROLE_TARGET;
    for (int scope = 0; scope < SCOPES; scope++)
        risk_of(scope)->position_value_max = (sp_amt){5000 * ONE};
    passes();
}

/* A market entry of another instrument counts at that one's price; without one, nothing passes. */
static void test_limits_position_value_needs_every_price(void **state)
{
    struct sp_market_view eth = {.symbol = sp_name_of("ETHUSDT"),
                                 .ask = {1000 * ONE},
                                 .received = g->view.now,
                                 .quoted = g->view.now};

    (void)state;
    struct sp_order *entry = add_order("eth", SP_ORDER_STATE_SENT);
    entry->intent.role = SP_LEG_ROLE_ENTRY;
    entry->intent.side = SP_SIDE_BUY;
    entry->intent.symbol = eth.symbol;
    entry->intent.qty = (sp_qty){ONE};
    g->config.risk.position_value_max = (sp_amt){(5000 + 1010) * ONE}; /* the collar is 1 % */
    refuses("price");
    g->view.markets = &eth;
    g->view.market_count = 1;
    passes();
    g->config.risk.position_value_max.e8--;
    refuses("position_value_max");
    g->config.risk.position_value_max.e8 = 0;
    risk_of(INSTRUMENT)->position_value_max = (sp_amt){5000 * ONE}; /* not this instrument's */
    passes();
}

static void test_limits_open_orders(void **state)
{
    (void)state;
    add_order("one", SP_ORDER_STATE_OPEN)->intent.strategy_link_id = sp_name_of("mean");
    add_order("two", SP_ORDER_STATE_INTENT_DURABLE)->intent.strategy_link_id = sp_name_of("mean");
    add_order("over", SP_ORDER_STATE_FILLED)->intent.strategy_link_id = sp_name_of("ema");
    for (int scope = 0; scope < SCOPES; scope++) {
        uint32_t *limit = &risk_of(scope)->open_orders_max;
        *limit = 3;
        passes();
        *limit = 2;
        if (scope == STRATEGY) { /* they are of another one */
            passes();
            g->books.orders[0].intent.strategy_link_id = sp_name_of("ema");
            g->books.orders[1].intent.strategy_link_id = sp_name_of("ema");
        }
        refuses_value("open_orders_max", "2", "2"); /* in flight counts */
        expect_scope(scope);
        set_order_state(1, SP_ORDER_STATE_REJECTED);
        passes();
        set_order_state(1, SP_ORDER_STATE_INTENT_DURABLE);
        *limit = 0;
        passes();
    }
}

static void test_limits_price_collar(void **state)
{
    (void)state;
    g->config.risk.price_collar.e8 = 0;
    for (int scope = 0; scope < SCOPES; scope++) {
        sp_ratio *limit = &risk_of(scope)->price_collar;
        *limit = (sp_ratio){ONE / 100};
        g->plan.reference_px = (sp_px){50500 * ONE}; /* 1 % above */
        passes();
        g->plan.reference_px.e8 += 50000; /* the ratio's next unit */
        refuses_value("price_collar", "0.01000001", "0.01");
        expect_scope(scope);
        g->plan.reference_px = (sp_px){49500 * ONE};
        passes();
        g->plan.reference_px.e8 -= 50000;
        refuses("price_collar");
        g->plan.reference_px.e8 = 0;
        refuses("price");
        limit->e8 = 0;
        passes();
    }
}

static void test_limits_data_age(void **state)
{
    (void)state;
    for (int scope = INSTRUMENT; scope < SCOPES; scope++) { /* the operation's: test_gate.c */
        sp_dur *limit = &risk_of(scope)->data_age_max;
        limit->ns = 40 * MS;
        g->view.now.ns = g->market.received.ns + 40 * MS;
        passes();
        g->view.now.ns++;
        refuses_value("data_age_max", "40000001ns", "40ms");
        expect_scope(scope);
        limit->ns++;
        passes();
        limit->ns = 0;
    }
}

static void test_limits_daily_loss(void **state)
{
    (void)state;
    for (int scope = 0; scope < SCOPES; scope++) {
        struct sp_result_book *result = result_of(scope);
        risk_of(scope)->daily_loss_max = (sp_amt){100 * ONE};
        result->day = 20000;
        result->realised_today = (sp_amt){-100 * ONE + 1};
        passes();
        result->realised_today.e8--;
        refuses_value("daily_loss_max", "100", "100");
        expect_scope(scope);
        result->day = 19999; /* yesterday's */
        passes();
        result->day = 20000;
        risk_of(scope)->daily_loss_max.e8 = 0;
        passes();
    }
}

/* East of Greenwich the next day begins earlier. */
static void test_limits_daily_loss_ends_at_midnight_there(void **state)
{
    struct sp_result_book *result = result_of(VENUE);

    (void)state;
    g->config.risk.daily_loss_max = (sp_amt){100 * ONE};
    g->config.risk.day_zone.ns = 5 * HOUR + HOUR / 2; /* +05:30 */
    result->realised_today = (sp_amt){-100 * ONE};
    g->view.market_time.ns = 20000 * 24 * HOUR;
    result->day = 20000;
    refuses("daily_loss_max");
    g->view.market_time.ns += 18 * HOUR + HOUR / 2 - 1;
    refuses("daily_loss_max");
    g->view.market_time.ns++;
    passes();
    g->config.risk.day_zone.ns = -5 * HOUR;
    refuses("daily_loss_max");
}

static void test_limits_drawdown(void **state)
{
    (void)state;
    for (int scope = 0; scope < SCOPES; scope++) {
        struct sp_result_book *result = result_of(scope);
        int64_t links = scope == STRATEGY ? 1 : 2;
        risk_of(scope)->drawdown_max = (sp_ratio){ONE / 10};
        result->peak = (sp_amt){1000 * links * ONE}; /* of 11,000 a link, 1,100 are a tenth */
        result->realised = (sp_amt){-100 * links * ONE + 11000 * links};
        passes();
        result->realised.e8 -= 11000 * links;
        refuses_value("drawdown_max", "0.1", "0.1");
        expect_scope(scope);
        risk_of(scope)->drawdown_max.e8 = 0;
        passes();
    }
    g->config.links[0].risk.drawdown_max = (sp_ratio){ONE / 10};
    g->books.links[0].capital.e8 = g->books.links[0].result.peak.e8 = 0;
    refuses("drawdown_max"); /* cannot be computed: closed */
}

static void test_limits_entries_latch_within_their_window(void **state)
{
    (void)state;
    for (int scope = 0; scope < SCOPES; scope++) {
        struct sp_result_book *result = result_of(scope);
        risk_of(scope)->entries_max = 3;
        risk_of(scope)->entries_window.ns = 60000 * MS;
        result->entries_since = g->view.market_time;
        result->entries = 2;
        passes();
        result->entries = 3;
        refuses_value("entries_max", "3", "3");
        expect_scope(scope);
        assert_true(g->refusal.latches);
        result->entries_since.ns = g->view.market_time.ns - 60000 * MS + 1;
        refuses("entries_max");
        result->entries_since.ns--;
        passes();
        result->entries = 0;
        risk_of(scope)->entries_max = 0;
    }
}

/* A fifth is kept for what reduces. */
static void test_limits_messages_keep_a_reserve(void **state)
{
    (void)state;
    g->config.risk.messages_max = 50;
    g->config.risk.messages_window.ns = 10000 * MS;
    add_messages(&g->messages.all, 39);
    passes();
    add_messages(&g->messages.all, 1);
    refuses_value("messages_max", "40", "40");
    g->config.risk.messages_max = 0;
    passes();
}

/* In real time, and exactly: at the window's end a message counts no more. A ring that is full of
 * newer ones still has as many as any limit may be. */
static void test_limits_messages_count_within_their_window(void **state)
{
    struct sp_risk_config *risk = &g->config.links[0].risk;

    (void)state;
    risk->messages_max = 5;
    risk->messages_window.ns = 300 * MS;
    add_messages(&g->messages.links[0], 4);
    refuses_value("messages_max", "4", "4");
    g->view.now.ns += 300 * MS - 1;
    refuses_value("messages_max", "4", "4");
    g->view.now.ns++;
    passes();
    risk->messages_max = 1000;
    add_messages(&g->messages.links[0], 799);
    passes();
    add_messages(&g->messages.links[0], 500);
    refuses_value("messages_max", "1000", "800");
}

/* What another strategy uses of the venue is none of this one's business, and the other way. */
static void test_limits_of_another_strategy_do_not_count(void **state)
{
    (void)state;
    g->config.links[1].risk.order_value_max = (sp_amt){1};
    passes();
    g->plan.strategy_link_id = sp_name_of("mean");
    refuses("order_value_max");
    assert_non_null(strstr(g->refusal.reason.s, "strategy.mean"));
}

/* ---- Telling ---- */

struct told {
    uint32_t count;
    struct sp_limit_view at[32];
};

static void tell(void *ctx, const struct sp_limit_view *row)
{
    struct told *told = ctx;

    told->at[told->count++] = *row;
}

static void expect_row(const struct told *told, const char *scope, const char *name,
                       const char *const says[3])
{
    for (uint32_t i = 0; i < told->count; i++) {
        const struct sp_limit_view *row = &told->at[i];
        if (!sp_name_is(&row->scope, scope) || !sp_name_is(&row->name, name)) continue;
        assert_string_equal(row->limit.s, says[0]);
        assert_string_equal(row->use.s, says[1]);
        assert_string_equal(row->headroom.s, says[2]);
        return;
    }
    fail_msg("no row %s %s", scope, name);
}
#define SAYS(...) ((const char *const[3]){__VA_ARGS__})

static void test_limits_are_told_with_use_and_headroom(void **state)
{
    struct told told = {0};

    (void)state;
    hold(0);
    add_order("one", SP_ORDER_STATE_OPEN);
    g->config.risk.open_orders_max = 4;
    g->config.risk.position_value_max = (sp_amt){6000 * ONE};
    g->config.risk.order_value_max = (sp_amt){5000 * ONE};
    g->config.risk.drawdown_max = (sp_ratio){ONE / 20};
    g->books.venue.realised = (sp_amt){-200 * ONE};
    g->config.links[0].risk.daily_loss_max = (sp_amt){100 * ONE};
    g->books.links[0].result.day = 20000;
    g->books.links[0].result.realised_today = (sp_amt){-150 * ONE};
    tell_limits(tell, &told);
    expect_row(&told, "venue.paper", "open_orders_max", SAYS("4", "1", "3"));
    expect_row(&told, "venue.paper", "position_value_max",
               SAYS("6000 USDT", "1500.00000001 USDT", "4499.99999999 USDT"));
    expect_row(&told, "venue.paper", "order_value_max", SAYS("5000 USDT", "", ""));
    expect_row(&told, "venue.paper", "drawdown_max", SAYS("5%", "1%", "4%"));
    expect_row(&told, "strategy.ema", "daily_loss_max", SAYS("100 USDT", "150 USDT", "0 USDT"));
    uint32_t reached = 0;
    for (uint32_t i = 0; i < told.count; i++)
        reached += told.at[i].reached;
    assert_int_equal(reached, 1);
    assert_int_equal(told.count, 7); /* with the operation's collar and data age */
}

#define T(name) cmocka_unit_test_setup_teardown(test_limits_##name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(order_qty),
        T(order_value),
        T(position_value_counts_all_of_its_scope),
        T(position_value_forgets_what_is_over),
        T(position_value_needs_every_price),
        T(open_orders),
        T(price_collar),
        T(data_age),
        T(daily_loss),
        T(daily_loss_ends_at_midnight_there),
        T(drawdown),
        T(entries_latch_within_their_window),
        T(messages_keep_a_reserve),
        T(messages_count_within_their_window),
        T(of_another_strategy_do_not_count),
        T(are_told_with_use_and_headroom),
    };

    return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
