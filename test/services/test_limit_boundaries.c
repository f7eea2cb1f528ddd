/* Every limit of limits.def in every scope: one unit below what is used, at it, one unit above; and
 * what must close the gate. A limit without a row does not compile; a key of the configuration
 * without a limit fails. What each limit counts, and for whom: test_limits.c. */
#include "gate_rig.h"
#include "limit_keys.h"
#include "services/execution/limits.h"

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

enum scope { VENUE, INSTRUMENT, STRATEGY, SCOPES };
static const char *const scope_names[] = {"venue.paper", "instrument.BTCUSDT", "strategy.ema"};

/* What docs/limits.md says: refused above the limit, or already at it. */
enum refused { ABOVE, AT };

struct row {
    enum refused refused;
    /* Makes the plan and the books use so much of the limit, in its smallest units. */
    int64_t (*use)(enum scope scope);
    void (*set)(struct sp_risk_config *risk, int64_t value);
};

static struct sp_risk_config *risk_of(enum scope scope)
{
    struct sp_risk_config *risks[] = {&g->config.risk, &g->config.worlds[0].instruments[0].risk,
                                      &g->config.links[0].risk};
    return risks[scope];
}

static struct sp_result_book *result_of(enum scope scope)
{
    struct sp_result_book *results[] = {&g->books.venue, &g->books.instruments[0].result,
                                        &g->books.links[0].result};
    return results[scope];
}

/* The rig as new, without any limit but the oldest data, which the operation must have. */
static void begin(void)
{
    assert_int_equal(teardown(NULL), 0);
    assert_int_equal(setup(NULL), 0);
    g->config.risk.price_collar.e8 = 0;
}

static struct sp_order *add_entry(const char *link, enum sp_order_state order_state)
{
    struct sp_order *order = add_order("entry", order_state);

    order->intent.role = SP_LEG_ROLE_ENTRY;
    order->intent.side = SP_SIDE_BUY;
    order->intent.strategy_link_id = sp_name_of(link);
    order->intent.qty = (sp_qty){ONE / 100};
    return order;
}

/* ---- What is used ---- */

static int64_t use_data_age(enum scope scope)
{
    (void)scope;
    g->view.now.ns = g->market.received.ns + 40 * MS;
    return 40 * MS;
}

static void set_data_age(struct sp_risk_config *risk, int64_t value)
{
    risk->data_age_max.ns = value;
}

static int64_t use_order_qty(enum scope scope)
{
    (void)scope;
    return g->plan.qty.e8;
}

static void set_order_qty(struct sp_risk_config *risk, int64_t value)
{
    risk->order_qty_max.e8 = value;
}

static int64_t use_order_value(enum scope scope)
{
    (void)scope;
    return 5000 * ONE;
}

static void set_order_value(struct sp_risk_config *risk, int64_t value)
{
    risk->order_value_max.e8 = value;
}

/* An entry in flight of the same strategy, and outside of its scope also a position of another. */
static int64_t use_position_value(enum scope scope)
{
    add_entry("ema", SP_ORDER_STATE_SENT);
    if (scope == STRATEGY) return 5500 * ONE;
    g->books.trades[g->books.trade_count++] =
        (struct sp_trade_book){.trade_id = {{7, 7}},
                               .link = 1,
                               .symbol = sp_name_of("BTCUSDT"),
                               .opened = true,
                               .bought_qty = {3 * ONE / 100},
                               .bought = {1000 * ONE},
                               .sold_qty = {ONE / 100}};
    return 5500 * ONE + 66666666667; /* two thirds, rounded up */
}

static void set_position_value(struct sp_risk_config *risk, int64_t value)
{
    risk->position_value_max.e8 = value;
}

static int64_t use_open_orders(enum scope scope)
{
    (void)scope;
    add_entry("ema", SP_ORDER_STATE_OPEN);
    add_entry("ema", SP_ORDER_STATE_INTENT_DURABLE);
    add_entry("ema", SP_ORDER_STATE_FILLED);
    return 2;
}

static void set_open_orders(struct sp_risk_config *risk, int64_t value)
{
    risk->open_orders_max = (uint32_t)value;
}

static int64_t use_price_collar(enum scope scope)
{
    (void)scope;
    g->plan.reference_px = (sp_px){50500 * ONE};
    return ONE / 100;
}

static void set_price_collar(struct sp_risk_config *risk, int64_t value)
{
    risk->price_collar.e8 = value;
}

static int64_t use_daily_loss(enum scope scope)
{
    result_of(scope)->day = 20000;
    result_of(scope)->realised_today = (sp_amt){-100 * ONE};
    return 100 * ONE;
}

static void set_daily_loss(struct sp_risk_config *risk, int64_t value)
{
    risk->daily_loss_max.e8 = value;
}

/* Of 10,000 a link and 1,000 won of it, 1,100 are lost. */
static int64_t use_drawdown(enum scope scope)
{
    int64_t links = scope == STRATEGY ? 1 : 2;

    result_of(scope)->peak = (sp_amt){1000 * links * ONE};
    result_of(scope)->realised = (sp_amt){-100 * links * ONE};
    return ONE / 10;
}

static void set_drawdown(struct sp_risk_config *risk, int64_t value)
{
    risk->drawdown_max.e8 = value;
}

static int64_t use_messages(enum scope scope)
{
    struct sp_message_ring *rings[] = {[VENUE] = &g->messages.all,
                                       [INSTRUMENT] = &g->messages.instruments[0],
                                       [STRATEGY] = &g->messages.links[0]};

    risk_of(scope)->messages_window.ns = 10000 * MS;
    add_messages(rings[scope], 40);
    return 40;
}

/* A fifth more is configured, which entries may not use. */
static void set_messages(struct sp_risk_config *risk, int64_t value)
{
    risk->messages_max = (uint32_t)(value + value / 4);
}

static int64_t use_entries(enum scope scope)
{
    result_of(scope)->entries_since = g->view.market_time;
    result_of(scope)->entries = 3;
    return 3;
}

static void set_entries(struct sp_risk_config *risk, int64_t value)
{
    risk->entries_max = (uint32_t)value;
}

static const struct row row_data_age = {ABOVE, use_data_age, set_data_age};
static const struct row row_order_qty = {ABOVE, use_order_qty, set_order_qty};
static const struct row row_order_value = {ABOVE, use_order_value, set_order_value};
static const struct row row_position_value = {ABOVE, use_position_value, set_position_value};
static const struct row row_open_orders = {AT, use_open_orders, set_open_orders};
static const struct row row_price_collar = {ABOVE, use_price_collar, set_price_collar};
static const struct row row_daily_loss = {AT, use_daily_loss, set_daily_loss};
static const struct row row_drawdown = {AT, use_drawdown, set_drawdown};
static const struct row row_messages = {AT, use_messages, set_messages};
static const struct row row_entries = {AT, use_entries, set_entries};

/* clang-format off */
static const struct {
    const char *key;
    const struct row *row;
} limits[] = {
#define LIMIT(stem, key, unit, bound, of_one_order) {key, &row_##stem},
#include "services/execution/limits.def"
#undef LIMIT
};
/* clang-format on */

/* ---- The boundaries ---- */

static void expect_refused(const char *key, enum scope scope)
{
    /* The operation's oldest data close the gate before its other limits are asked. */
    bool first = scope == VENUE && strcmp(key, "data_age_max") == 0;

    refuses(first ? "data_age" : key);
    if (!first && strstr(g->refusal.reason.s, scope_names[scope]) == NULL)
        fail_msg("%s does not name %s: %s", key, scope_names[scope], g->refusal.reason.s);
}

struct told {
    const char *key, *scope;
    uint32_t found;
    bool reached;
};

static void tell(void *ctx, const struct sp_limit_view *view)
{
    struct told *told = ctx;

    if (!sp_name_is(&view->name, told->key) || !sp_name_is(&view->scope, told->scope)) return;
    told->found++;
    told->reached = view->reached;
}

/* `spoor limits` says of a limit that it is reached when the gate would refuse. */
static void expect_told(const char *key, enum scope scope, bool reached)
{
    struct told told = {.key = key, .scope = scope_names[scope]};

    tell_limits(tell, &told);
    assert_int_equal(told.found, 1);
    assert_int_equal(told.reached, reached);
}

static void check_boundary(const char *key, const struct row *row, enum scope scope)
{
    for (int64_t unit = -1; unit <= 1; unit++) {
        begin();
        int64_t use = row->use(scope), most = use + unit;
        row->set(risk_of(scope), most);
        bool refused = row->refused == AT ? use >= most : use > most;
        if (refused)
            expect_refused(key, scope);
        else
            passes();
        if (row->refused == AT) expect_told(key, scope, refused);
    }
}

static void test_limit_boundaries_hold_to_the_unit_in_each_scope(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(limits); i++) {
        for (enum scope scope = VENUE; scope <= STRATEGY; scope++)
            check_boundary(limits[i].key, limits[i].row, scope);
    }
}

static void test_limit_boundaries_are_of_all_that_can_be_configured(void **state)
{
    (void)state;
    for (int operation = 0; operation < 2; operation++) {
        assert_int_equal(limit_keys_count(operation == 1), COUNT_OF(limits));
        for (size_t i = 0; i < COUNT_OF(limits); i++)
            assert_true(limit_keys_have(operation == 1, limits[i].key));
    }
}

/* ---- What closes the gate ---- */

static void no_market(enum scope scope)
{
    (void)scope;
    g->view.market = NULL;
}

static void no_tick(enum scope scope)
{
    (void)scope;
    g->market.received.ns = 0;
}

static void no_prices(enum scope scope)
{
    (void)scope;
    g->market.ask = g->market.last = (sp_px){0};
}

/* Something came, but neither a quote nor a trade that is young enough. */
static void old_prices(enum scope scope)
{
    (void)scope;
    g->view.now.ns += g->config.risk.data_age_max.ns + 1;
    g->market.received = g->view.now;
}

static void old_data(enum scope scope)
{
    (void)scope;
    g->view.now.ns += g->config.risk.data_age_max.ns + 1;
}

static void no_touch_for_a_collar(enum scope scope)
{
    g->plan.order_type = SP_ORDER_TYPE_LIMIT;
    g->plan.limit_px = (sp_px){50000 * ONE};
    g->market.ask = g->market.last = (sp_px){0};
    risk_of(scope)->price_collar.e8 = ONE;
}

static void no_reference_for_a_collar(enum scope scope)
{
    g->plan.reference_px.e8 = 0;
    risk_of(scope)->price_collar.e8 = ONE;
}

static void no_price_of_an_entry(enum scope scope)
{
    struct sp_order *entry = add_entry("ema", SP_ORDER_STATE_SENT);

    if (scope != INSTRUMENT) entry->intent.symbol = sp_name_of("ETHUSDT");
    if (scope == INSTRUMENT) entry->intent.qty.e8 = INT64_MAX; /* it has a price: too much of it */
    risk_of(scope)->position_value_max.e8 = INT64_MAX;
}

static void sum_that_does_not_fit(enum scope scope)
{
    struct sp_order *entry = add_entry("ema", SP_ORDER_STATE_SENT);

    entry->intent.px.e8 = 50000 * ONE;
    entry->intent.qty.e8 = INT64_MAX / 50000;
    risk_of(scope)->position_value_max.e8 = INT64_MAX;
}

static void value_that_does_not_fit(enum scope scope)
{
    (void)scope;
    g->plan.qty.e8 = INT64_MAX / 2000 * 1000;
}

static void no_data_age(enum scope scope)
{
    (void)scope;
    g->config.risk.data_age_max.ns = 0; /* must be written */
}

static void no_tick_size(enum scope scope)
{
    (void)scope;
    g->config.worlds[0].instruments[0].tick.e8 = 0;
}

static void no_step(enum scope scope)
{
    (void)scope;
    g->config.worlds[0].instruments[0].step.e8 = 0;
}

static void no_such_instrument(enum scope scope)
{
    (void)scope;
    g->plan.symbol = sp_name_of("DOGEUSDT");
}

static void no_such_link(enum scope scope)
{
    (void)scope;
    g->plan.strategy_link_id = sp_name_of("nobody");
}

static void no_capital(enum scope scope)
{
    for (uint32_t i = 0; i < 2; i++)
        g->config.links[i].capital.e8 = g->books.links[i].capital.e8 = 0;
    risk_of(scope)->drawdown_max.e8 = ONE;
}

static void negative_qty(enum scope scope)
{
    risk_of(scope)->order_qty_max.e8 = -1;
}

static void negative_loss(enum scope scope)
{
    risk_of(scope)->daily_loss_max.e8 = -1;
}

static const struct {
    void (*cause)(enum scope scope);
    const char *gate;
} closed[] = {
    {no_market, "price"},
    {no_tick, "price"},
    {no_prices, "price"},
    {old_prices, "price"},
    {old_data, "data_age"},
    {no_touch_for_a_collar, "price"},
    {no_reference_for_a_collar, "price"},
    {no_price_of_an_entry, "price"},
    {sum_that_does_not_fit, "price"},
    {value_that_does_not_fit, "price"},
    {no_data_age, "data_age"},
    {no_tick_size, "instrument"},
    {no_step, "instrument"},
    {no_such_instrument, "instrument"},
    {no_such_link, "link"},
    {no_capital, "drawdown_max"},
    {negative_qty, "order_qty_max"},
    {negative_loss, "daily_loss_max"},
};

static void test_limit_boundaries_what_is_missing_closes_the_gate(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(closed); i++) {
        for (enum scope scope = VENUE; scope < SCOPES; scope++) {
            begin();
            passes();
            closed[i].cause(scope);
            refuses(closed[i].gate);
        }
    }
}

#define T(name) cmocka_unit_test_setup_teardown(test_limit_boundaries_##name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(hold_to_the_unit_in_each_scope),
        T(are_of_all_that_can_be_configured),
        T(what_is_missing_closes_the_gate),
    };

    return cmocka_run_group_tests_name("limit_boundaries", tests, NULL, NULL);
}
