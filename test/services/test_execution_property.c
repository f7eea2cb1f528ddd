/* The gateway's core under seeded chaos: random plans, commands and prices; a venue whose answers
 * are lost, repeated, reordered and refused; kills between any two steps. Then everything heals,
 * and the books must equal the venue's truth.
 *
 * A failure names its seed; SPOOR_SEED=n runs that one alone.
 */
#include "core_shell.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define SEEDS       400
#define SECONDS     1 /* at most, about */
#define ACTIONS     80
#define SEEDS_LEAST 20

static struct core_shell *s;
static uint64_t random_state;
static const enum sp_kind interesting[] = {
    SP_REC_FILL,          SP_REC_TRADE_CLOSED,   SP_REC_ORDER_UNKNOWN,   SP_REC_ORDER_ABSENT_PROVEN,
    SP_REC_CANCEL_INTENT, SP_REC_STREAM_STARTED, SP_REC_SEND_SUPPRESSED, SP_REC_PLAN_REFUSED};
#define INTERESTING (sizeof interesting / sizeof *interesting)
static uint32_t seen[INTERESTING]; /* a test that meets nothing proves nothing */

/* xorshift64 */
static uint32_t below(uint32_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)((random_state >> 16) % n);
}

static const char *some_link(void)
{
    return below(2) == 0 ? "ema" : "mean";
}

static void plan(void)
{
    struct sp_record record = core_plan(s, some_link());
    struct sp_plan *body = &record.body.plan;

    body->qty.e8 = (int64_t)(1 + below(15)) * 1000000;
    body->stop_px.e8 = s->venue.price.e8 - (int64_t)below(1000) * SP_FX_ONE;
    body->target_px.e8 = s->venue.price.e8 + (int64_t)below(1000) * SP_FX_ONE;
    if (below(8) == 0) body->stop_px.e8 = 0;
    if (below(8) == 0) body->target_px.e8 = 0;
    if (below(3) == 0) {
        body->order_type = SP_ORDER_TYPE_LIMIT;
        body->tif = SP_TIF_GTC;
        body->limit_px.e8 = s->venue.price.e8 + ((int64_t)below(200) - 150) * SP_FX_ONE;
    }
    core_feed(s, &record);
    if (below(4) == 0) core_feed(s, &record);
}

static void close_plan(void)
{
    const struct sp_books *books = &s->core.books;

    if (books->trade_count == 0) return;
    const struct sp_trade_book *trade = &books->trades[below(books->trade_count)];
    struct sp_record record = core_close_plan(s, books->links[trade->link].id.s, trade->trade_id);
    core_feed(s, &record);
}

static void operate(void)
{
    static const enum sp_command what[] = {SP_COMMAND_HALT, SP_COMMAND_RESUME, SP_COMMAND_RESUME,
                                           SP_COMMAND_RESUME, SP_COMMAND_FLATTEN};
    struct sp_record record =
        core_command(s, what[below(5)], below(2) == 0 ? "all" : "strategy.ema");

    core_event(s, SP_EVENT_MESSAGE, SP_XI_COMMAND, &record);
    if (below(3) == 0) core_event(s, SP_EVENT_MESSAGE, SP_XI_COMMAND, &record);
}

static void move(void)
{
    int64_t to = s->venue.price.e8 / SP_FX_ONE + (int64_t)below(1600) - 800;

    core_price(s, to < 20000 ? 20000 : to > 90000 ? 90000 : to);
    venue_move(&s->venue, s->venue.price, (sp_qty){below(3) == 0 ? 1000000 : 0});
}

/* One message of the venue: mostly the oldest, sometimes any; sometimes twice, sometimes never. */
static void hear(void)
{
    if (s->venue.said_count == 0 || !s->connected) return;
    struct sp_record message =
        venue_take(&s->venue, below(4) == 0 ? below(s->venue.said_count) : 0);
    if (below(20) == 0) return;
    core_event(s, SP_EVENT_MESSAGE, SP_XI_VENUE_MESSAGE, &message);
    if (below(8) == 0) core_event(s, SP_EVENT_MESSAGE, SP_XI_VENUE_MESSAGE, &message);
}

static void tick(void)
{
    s->now += (int64_t)(1 + below(400)) * MS;
    core_event(s, SP_EVENT_TIMER, SP_XT_TICK, NULL);
}

static void mischief(void)
{
    struct fake_venue *v = &s->venue;

    s->lose_requests = below(6) == 0;
    s->lose_answers = below(6) == 0;
    v->refuses = below(8) == 0;
    v->fails = below(8) == 0;
    v->empty = below(8) == 0;
    v->parts = 1 + below(3);
    v->liquidity.e8 = below(4) == 0 ? (int64_t)(1 + below(9)) * 1000000 : 0;
}

static void reconnect(void)
{
    if (s->connected && below(2) == 0) { /* it is gone, and nobody knows yet */
        s->connected = false;
        plan();
        tick();
    }
    core_down(s);
    if (below(3) == 0) tick();
    core_up(s);
    if (below(8) > 0) core_reconciled(s, below(16) > 0);
}

static void act(void)
{
    uint32_t what = below(100);

    if (below(12) == 0) s->kill.steps = 1 + below(12);
    if (what < 14)
        plan();
    else if (what < 18)
        close_plan();
    else if (what < 22)
        operate();
    else if (what < 34)
        move();
    else if (what < 64)
        hear();
    else if (what < 84)
        tick();
    else if (what < 92)
        mischief();
    else
        reconnect();
    s->kill.steps = 0;
    if (below(16) == 0) core_check_saved(s);
    if (!s->kill.happened) return;
    core_restart(s);
    core_price(s, s->venue.price.e8 / SP_FX_ONE);
    if (below(6) > 0) reconnect();
}

static void heal(void)
{
    struct sp_record resume;

    s->lose_requests = s->lose_answers = false;
    s->venue.refuses = s->venue.fails = s->venue.empty = false;
    s->venue.liquidity.e8 = 0;
    if (s->connected) core_down(s);
    core_price(s, s->venue.price.e8 / SP_FX_ONE);
    core_up(s);
    core_pass(s, 45000); /* exits in vain had slowed down to 32 s */
    core_reconciled(s, true);
    resume = core_command(s, SP_COMMAND_RESUME, "all");
    core_order_command(s, &resume);
    core_pass(s, 1000);
}

static void check_one_entry_per_plan(void)
{
    for (uint32_t i = 0; i < s->record_count; i++) {
        const struct sp_record *a = &s->records[i];
        if (a->kind != SP_REC_ORDER_INTENT) continue;
        if (a->body.order_intent.role != SP_LEG_ROLE_ENTRY) continue;
        for (uint32_t k = i + 1; k < s->record_count; k++) {
            const struct sp_record *b = &s->records[k];
            if (b->kind != SP_REC_ORDER_INTENT) continue;
            if (b->body.order_intent.role != SP_LEG_ROLE_ENTRY) continue;
            assert_false(sp_pln_id_eq(a->body.order_intent.plan_id, b->body.order_intent.plan_id));
        }
    }
}

static void check_positions_are_cared_for(void)
{
    struct sp_books *books = &s->core.books;

    for (uint32_t i = 0; i < books->trade_count; i++) {
        const struct sp_trade_book *trade = &books->trades[i];
        if (trade->closed || !trade->opened) continue;
        uint32_t resting = sp_books_live_orders(books, trade, SP_LEG_ROLE_TARGET) +
                           sp_books_live_orders(books, trade, SP_LEG_ROLE_STOP);
        if (resting == 0) fail_msg("a position with neither protection nor exit");
    }
}

/* What lives is kept up to date with every record: looked for anew it is the same. */
static void check_what_lives(void)
{
    struct sp_books *books = &s->core.books;
    static uint16_t orders[SP_ORDERS_MAX], trades[SP_TRADES_MAX];
    uint32_t order_count = books->live_count, trade_count = books->live_trade_count;

    memcpy(orders, books->live, sizeof orders);
    memcpy(trades, books->live_trades, sizeof trades);
    sp_books_find_live(books);
    assert_int_equal(books->live_count, order_count);
    assert_memory_equal(books->live, orders, order_count * sizeof *orders);
    assert_int_equal(books->live_trade_count, trade_count);
    assert_memory_equal(books->live_trades, trades, trade_count * sizeof *trades);
}

static void check_orders_are_settled(void)
{
    for (uint32_t i = 0; i < s->core.books.order_count; i++) {
        const struct sp_order *order = &s->core.books.orders[i];
        const struct venue_order *truth = venue_find(&s->venue, &order->intent.client_order_id);
        assert_true(venue_count(&s->venue, &order->intent.client_order_id) <= 1);
        assert_false(sp_order_is_in_flight(order->state));
        if (truth != NULL) assert_int_equal(order->state, truth->state);
        if (truth != NULL) assert_int_equal(order->filled.e8, truth->filled.e8);
        if (truth == NULL) assert_true(sp_order_is_terminal(order->state));
    }
}

static void run(uint64_t seed)
{
    random_state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    s = core_ready();
    for (int i = 0; i < ACTIONS; i++) {
        act();
        check_what_lives();
    }
    heal();
    check_orders_are_settled();
    check_positions_are_cared_for();
    check_one_entry_per_plan();
    core_check_truth(s);
    core_check_saved(s);
    for (size_t i = 0; i < INTERESTING; i++)
        seen[i] += core_count(s, interesting[i]);
    core_free(s);
}

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void test_execution_property_books_equal_the_truth_after_chaos(void **state)
{
    const char *only = getenv("SPOOR_SEED");
    double begin = seconds();
    uint32_t seeds = 0;

    (void)state;
    if (only != NULL) {
        run(strtoull(only, NULL, 10));
        return;
    }
    for (uint64_t seed = 1; seed <= SEEDS; seed++, seeds++) {
        if (seeds >= SEEDS_LEAST && seconds() - begin > SECONDS) break;
        print_message("seed %" PRIu64 "\r", seed);
        run(seed);
    }
    print_message("%u seeds, %d actions each\n", seeds, ACTIONS);
    for (size_t i = 0; i < INTERESTING; i++) {
        print_message("  %-20s %u\n", sp_kind_name(interesting[i]), seen[i]);
        assert_true(seen[i] > seeds / 10);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_execution_property_books_equal_the_truth_after_chaos),
    };

    return cmocka_run_group_tests_name("execution_property", tests, NULL, NULL);
}
