#include "risk.h"

#include "files.h"
#include "kernel.h"
#include "proto/ids.h"
#include "run.h"
#include "services/execution/books.h"
#include "world.h"

#include <string.h>

#define PLANS_MAX     256
#define DECIDED_NS    (50 * SIM_MS)         /* from a decision to its append */
#define RESERVE_BYTES (UINT64_C(400) << 20) /* clearly below the reserve of the configuration */
#define NOTICED_NS    (10 * SIM_S)          /* from a disk that is low to the halt */

static struct {
    uint32_t plan_count;
    struct {
        sp_pln_id id;
        sp_mono valid_until;
    } plans[PLANS_MAX]; /* the newest */
    int64_t low_since;  /* the disk; SIM_NEVER: it is not */
    uint32_t told;      /* the process of execution that knows `rules`, by number */
    struct sp_venue_instrument rules;
} k;

/* ---- Plans ---- */

static void note_plan(const struct sp_plan *plan)
{
    uint32_t i = k.plan_count++ % PLANS_MAX;

    k.plans[i].id = plan->plan_id;
    k.plans[i].valid_until = plan->valid_until;
}

static void check_entry(const struct sp_order_intent *intent)
{
    for (uint32_t i = 0; i < PLANS_MAX && i < k.plan_count; i++) {
        if (!sp_pln_id_eq(k.plans[i].id, intent->plan_id)) continue;
        int64_t until = k.plans[i].valid_until.ns;
        if (until != 0 && sim_now() > until + DECIDED_NS)
            sim_violation("order %s is of a plan that ended %lld ms ago", intent->client_order_id.s,
                          (long long)((sim_now() - until) / SIM_MS));
        return;
    }
}

static void check_answer(const struct sp_plan_answer *answer, const struct sp_books *books)
{
    char text[SP_ID_TEXT_SIZE];

    if (!sp_books_has_plan(books, answer->plan_id)) return;
    sp_id_format(SP_ID_PLN, answer->plan_id.raw, text);
    sim_violation("plan %s is answered twice", text);
}

/* ---- Filters ---- */

void sim_risk_hears(const struct sp_venue_instrument *rules)
{
    if (strcmp(sim_self()->name, "execution") != 0) return;
    k.told = sim_self()->pid;
    k.rules = *rules;
}

/* As the venue has told this very process; before that it goes by the configuration. */
static void check_filters(const struct sp_order_intent *intent)
{
    const struct sp_venue_instrument *rules = &k.rules;
    bool known = k.told == sim_self()->pid && sp_name_eq(&rules->symbol, &intent->symbol);

    if (!known) return;
    bool on_step = intent->qty.e8 % rules->step.e8 == 0 && intent->qty.e8 >= rules->min_qty.e8;
    bool on_tick = intent->px.e8 % rules->tick.e8 == 0 && intent->stop_px.e8 % rules->tick.e8 == 0;
    if (!on_step || !on_tick)
        sim_violation("order %s breaks the venue's filters: its %s", intent->client_order_id.s,
                      on_step ? "price" : "quantity");
}

void sim_risk_record(const struct sp_record *record, const struct sp_books *books)
{
    bool is_answer = record->kind == SP_REC_PLAN_ACCEPTED || record->kind == SP_REC_PLAN_REFUSED ||
                     record->kind == SP_REC_PLAN_EXPIRED;

    if (record->kind == SP_REC_PLAN_READY) note_plan(&record->body.plan);
    if (is_answer) check_answer(&record->body.plan_answer, books);
    if (record->kind == SP_REC_ORDER_INTENT) check_filters(&record->body.order_intent);
    if (record->kind == SP_REC_ORDER_INTENT && record->body.order_intent.role == SP_LEG_ROLE_ENTRY)
        check_entry(&record->body.order_intent);
}

/* ---- Limits ---- */

/* Open, in flight and unknown all count, and this one too. */
static void check_open_orders(const struct sp_order *order, const struct sp_books *books)
{
    uint32_t limit = books->config->risk.open_orders_max, live = 0;

    for (uint32_t i = 0; i < books->order_count; i++) {
        if (sp_order_is_live(books->orders[i].state)) live++;
    }
    if (limit > 0 && live > limit)
        sim_violation("order %s is open order number %u, the limit is %u",
                      order->intent.client_order_id.s, live, limit);
}

static void check_unknown(const struct sp_order *order, const struct sp_books *books)
{
    for (uint32_t i = 0; i < books->order_count; i++) {
        const struct sp_order *other = &books->orders[i];
        if (other->state != SP_ORDER_STATE_UNKNOWN || other == order) continue;
        if (!sp_name_eq(&other->intent.symbol, &order->intent.symbol)) continue;
        sim_violation("order %s buys while the outcome of %s is unknown",
                      order->intent.client_order_id.s, other->intent.client_order_id.s);
    }
}

/* What was bought, and what may still be by this and all other entries, at a price below the
 * market's: the stop of each. */
static void check_position_value(const struct sp_order *order, const struct sp_books *books)
{
    int64_t limit = books->config->risk.position_value_max.e8, sum = 0;
    sp_amt value = {0};

    for (uint32_t i = 0; i < books->trade_count; i++) {
        const struct sp_trade_book *trade = &books->trades[i];
        if (trade->closed || !sp_px_times_qty(trade->stop_px, sp_trade_position(trade), &value))
            continue;
        sum += value.e8;
    }
    for (uint32_t i = 0; i < books->order_count; i++) {
        const struct sp_order *other = &books->orders[i];
        sp_qty rest = {other->intent.qty.e8 - other->filled.e8};
        if (other->intent.role != SP_LEG_ROLE_ENTRY || !sp_order_is_live(other->state)) continue;
        if (sp_px_times_qty(other->intent.plan_stop_px, rest, &value)) sum += value.e8;
    }
    if (limit == 0 || sum <= limit) return;
    sim_violation("order %s makes positions of %lld possible, the limit is %lld",
                  order->intent.client_order_id.s, (long long)(sum / SP_FX_ONE),
                  (long long)(limit / SP_FX_ONE));
}

/* What was bought and all that may still be is paid by the link's capital. */
static void check_capital(const struct sp_order *order, struct sp_books *books)
{
    const struct sp_link_book *link = sp_books_link(books, &order->intent.strategy_link_id, NULL);

    if (link != NULL && link->cash.e8 > 0) return;
    sim_violation("order %s buys with nothing left of its capital",
                  order->intent.client_order_id.s);
}

void sim_risk_look(void)
{
    if (sim_files_free_bytes() >= RESERVE_BYTES) {
        k.low_since = SIM_NEVER;
    } else if (k.low_since == SIM_NEVER) {
        k.low_since = sim_now();
    }
}

void sim_risk_buys(const struct sp_order *order, struct sp_books *books)
{
    sim_risk_look(); /* space may have come back since */
    check_open_orders(order, books);
    check_position_value(order, books);
    check_unknown(order, books);
    check_capital(order, books);
    if (k.low_since != SIM_NEVER && sim_now() - k.low_since > NOTICED_NS)
        sim_violation("order %s buys %lld s after the disk fell below its reserve",
                      order->intent.client_order_id.s,
                      (long long)((sim_now() - k.low_since) / SIM_S));
}

/* ---- A run ---- */

void sim_risk_begin(void)
{
    memset(&k, 0, sizeof k);
    k.low_since = SIM_NEVER;
}
