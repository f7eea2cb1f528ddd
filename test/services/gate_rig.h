/* One plan before the gate, with books, prices and limits that a test changes. */
#ifndef SP_TEST_SERVICES_GATE_RIG_H
#define SP_TEST_SERVICES_GATE_RIG_H

#include "core_shell.h"
#include "services/execution/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ONE SP_FX_ONE

struct gate {
    struct sp_config config;
    struct sp_books books;
    struct sp_market_view market;
    struct sp_message_log messages;
    struct sp_gate_view view;
    struct sp_plan plan;
    struct sp_refusal refusal;
    sp_facts facts;
};
static struct gate *g;

static inline int setup(void **state)
{
    (void)state;
    g = calloc(1, sizeof *g);
    if (g == NULL) return -1;
    core_config(&g->config);
    sp_books_init(&g->books, &g->config);
    g->market = (struct sp_market_view){.symbol = sp_name_of("BTCUSDT"),
                                        .bid = {49999 * ONE},
                                        .ask = {50000 * ONE},
                                        .last = {50000 * ONE},
                                        .received = {1000 * MS},
                                        .quoted = {1000 * MS},
                                        .traded = {1000 * MS}};
    g->view = (struct sp_gate_view){.books = &g->books,
                                    .market = &g->market,
                                    .messages = &g->messages,
                                    .now = {1000 * MS},
                                    .market_time = {INT64_C(86400000) * MS * 20000},
                                    .venue_up = true,
                                    .reconciled = true};
    g->plan = (struct sp_plan){.plan_id = {{1, 1}},
                               .trade_id = {{2, 1}},
                               .strategy_link_id = sp_name_of("ema"),
                               .symbol = sp_name_of("BTCUSDT"),
                               .action = SP_PLAN_ACTION_OPEN,
                               .side = SP_SIDE_BUY,
                               .order_type = SP_ORDER_TYPE_MARKET,
                               .tif = SP_TIF_IOC,
                               .qty = {ONE / 10},
                               .stop_px = {49000 * ONE},
                               .target_px = {52000 * ONE},
                               .reference_px = {50000 * ONE}};
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    free(g);
    return 0;
}

/* The books are put in place by hand, not by folding. */
static inline bool ask_gate(void)
{
    sp_books_find_live(&g->books);
    return sp_gate_open_plan(&g->view, &g->plan, &g->facts, &g->refusal);
}

static inline void tell_limits(sp_limit_fn *tell, void *ctx)
{
    sp_books_find_live(&g->books);
    sp_limits_tell(&g->view, tell, ctx);
}

static inline void passes(void)
{
    bool ok = ask_gate();

    if (!ok) fail_msg("refused by %s: %s", g->refusal.gate, g->refusal.reason.s);
}

/* Refused by that check, with words for a person. */
static inline void refuses(const char *gate)
{
    g->refusal = (struct sp_refusal){0};
    if (ask_gate()) {
        fail_msg("passed, %s should have refused", gate);
    }
    assert_string_equal(g->refusal.gate, gate);
    assert_true(strlen(g->refusal.reason.s) >= 8);
}

/* Refused, naming value and limit both as fields and in the sentence. */
static inline void refuses_value(const char *gate, const char *value, const char *limit)
{
    refuses(gate);
    assert_string_equal(g->refusal.value.s, value);
    assert_string_equal(g->refusal.limit.s, limit);
    assert_non_null(strstr(g->refusal.reason.s, value));
    assert_non_null(strstr(g->refusal.reason.s, limit));
}

/* Sent now. */
static inline void add_messages(struct sp_message_ring *ring, int count)
{
    for (int i = 0; i < count; i++)
        sp_message_note(ring, g->view.now);
}

static inline struct sp_order *add_order(const char *trade, enum sp_order_state order_state)
{
    struct sp_order *order = &g->books.orders[g->books.order_count++];

    *order = (struct sp_order){.state = order_state};
    order->intent.client_order_id = sp_name_of(trade);
    order->intent.symbol = sp_name_of("BTCUSDT");
    order->intent.trade_id = (sp_trd_id){{9, g->books.order_count}};
    return order;
}

static inline void set_order_state(uint32_t place, enum sp_order_state order_state)
{
    g->books.orders[place].state = order_state;
}

#endif
