/* Somebody else on the account: trades and resting orders of a stranger, deposits and withdrawals;
 * and filters that the venue changes, which stay as they are for the rest of the run.
 *
 * Done within the venue's process, behind a market event, so that it is kept and reported as
 * everything there is. A stranger sells no more than he bought, and what was transferred is brought
 * back later: then the books can be equal again.
 */
#include "faults_internal.h"

#include "hands.h"
#include "live.h"
#include "run.h"
#include "services/execution/books.h"
#include "services/venue/store.h"
#include "truth.h"
#include "world.h"

#include <stdio.h>
#include <string.h>

#define LOOK_NS     (15 * SIM_S)
#define STEP_E8     1000 /* 0.00001 */
#define STEPS_MAX   2000
#define MOVE_E8_MAX (INT64_C(2000) * 100000000)

static struct {
    uint32_t pid; /* of the venue that opened the store */
    struct sp_venue_store *store;
    uint32_t orders, orders_wanted, rests_wanted;
    int64_t rest_until;    /* then the owner of what rests cancels it */
    int64_t moved, wanted; /* of the quote asset: so far; so it is to be */
    int64_t adopted[2];    /* of base and quote asset, by execution's journal */
    bool said;             /* the person has spoken: it may still be on its way */
    bool has_filters;
    sp_px tick;
    sp_qty step;
    sp_amt min_value;
    struct sp_venue_changes none;
} a;

/* ---- In the venue ---- */

static void set_filters(struct sp_exchange *x)
{
    struct sp_instrument *instrument = &x->match[0].instrument;

    if (!a.has_filters) return;
    instrument->tick = a.tick;
    instrument->step = a.step;
    instrument->min_qty = a.step;
    instrument->min_value = a.min_value;
}

sp_status __real_sp_venue_store_load(struct sp_venue_store *store, struct sp_exchange *x,
                                     struct sp_err *err);
sp_status __wrap_sp_venue_store_load(struct sp_venue_store *store, struct sp_exchange *x,
                                     struct sp_err *err);
sp_status __wrap_sp_venue_store_load(struct sp_venue_store *store, struct sp_exchange *x,
                                     struct sp_err *err)
{
    sp_status status = __real_sp_venue_store_load(store, x, err);

    a.pid = sim_self()->pid;
    a.store = store;
    if (status == SP_OK) sim_truth_loaded(store, x);
    set_filters(x);
    return status;
}

/* A stranger's order: at market, or one that rests at that price. */
static bool place(struct sp_exchange *x, enum sim_fault fault, sp_px px,
                  struct sp_venue_changes *changes)
{
    int64_t held = sim_truth_strangers(&x->world->instruments[0].base);
    bool rests = px.e8 > 0;
    struct sp_venue_request order = {
        .side = SP_SIDE_BUY,
        .leg_count = 1,
        .legs[0] = {.type = rests ? SP_ORDER_TYPE_LIMIT : SP_ORDER_TYPE_MARKET,
                    .tif = rests ? SP_TIF_GTC : SP_TIF_IOC,
                    .px = px}};
    struct sp_venue_placed placed;
    char id[40];

    order.qty.e8 = STEP_E8 * (1 + (int64_t)sim_fault_draw(fault, STEPS_MAX));
    if (held > 0 && !rests && sim_fault_draw(fault, 2) == 0) {
        order.side = SP_SIDE_SELL;
        order.qty.e8 = held;
    }
    snprintf(id, sizeof id, "hand%u", ++a.orders);
    order.legs[0].client_order_id = sp_name_of(id);
    bool taken = sp_exchange_place(x, &order, changes, &placed, NULL) == SP_OK;
    sim_fault_count(fault, taken ? 0 : -1);
    return taken;
}

/* Somewhat below the market, which may come to it. */
static void begin_rest(struct sp_exchange *x, struct sp_venue_changes *changes)
{
    const enum sim_fault fault = SIM_FAULT_EXTERNAL_REST;
    int64_t last = x->match[0].last_px.e8, tick = x->match[0].instrument.tick.e8;
    int64_t below = last / 10000 * (int64_t)sim_fault_draw(fault, 10);

    a.rests_wanted = 0;
    sp_px px = {(last - below) / tick * tick};
    if (px.e8 <= 0) return;
    if (place(x, fault, px, changes)) a.rest_until = sim_now() + sim_fault_draw_ns(fault, SIM_S, 6);
}

/* An order that the venue did not keep before it died may come back: only what is open counts. */
static const struct sp_venue_order_row *resting(const struct sp_exchange *x)
{
    for (uint32_t i = 0; i < x->open_count; i++) {
        if (strncmp(x->open[i].client_order_id.s, "hand", 4) == 0) return &x->open[i];
    }
    return NULL;
}

static void act(struct sp_exchange *x, struct sp_venue_changes *changes)
{
    const struct sp_venue_order_row *order = resting(x);

    if (order != NULL) {
        if (sim_now() < a.rest_until) return;
        SP_IGNORE(sp_exchange_cancel(x, order->order_no, NULL, changes, NULL)); /* it is there */
    } else if (a.rests_wanted > 0) {
        begin_rest(x, changes);
    } else if (a.orders_wanted > 0) {
        a.orders_wanted = 0;
        place(x, SIM_FAULT_EXTERNAL_ORDER, (sp_px){0}, changes);
    }
}

/* A withdrawal takes what is free. */
static void move(struct sp_exchange *x)
{
    const sp_name *asset = &x->world->instruments[0].quote;
    struct sp_venue_balance *balance = sp_exchange_balance(x, 0, asset);
    int64_t amount = a.wanted - a.moved;

    if (balance->total.e8 + amount < sp_exchange_locked(x, 0, asset).e8) return;
    balance->total.e8 += amount;
    sp_status status = sp_venue_store_save(a.store, x, &a.none, NULL);
    SP_ASSERT(status == SP_OK); /* its disk has no faults */
    a.moved = a.wanted;
}

void __real_sp_exchange_market(struct sp_exchange *x, uint32_t instrument,
                               const struct sp_market_event *event,
                               struct sp_venue_changes *changes);
void __wrap_sp_exchange_market(struct sp_exchange *x, uint32_t instrument,
                               const struct sp_market_event *event,
                               struct sp_venue_changes *changes);
void __wrap_sp_exchange_market(struct sp_exchange *x, uint32_t instrument,
                               const struct sp_market_event *event,
                               struct sp_venue_changes *changes)
{
    __real_sp_exchange_market(x, instrument, event, changes);
    if (a.pid != sim_self()->pid || changes->count > 0) return;
    set_filters(x);
    if (a.moved != a.wanted) move(x);
    act(x, changes);
}

/* ---- The person who adopts it ---- */

static const sp_name *asset_of(uint32_t i)
{
    const struct sp_instrument_config *instrument =
        &sp_config_world(sim_world_config())->instruments[0];

    return i == 0 ? &instrument->base : &instrument->quote;
}

/* What others did to an asset and the books do not know. */
static int64_t owed(uint32_t i)
{
    return sim_truth_strangers(asset_of(i)) + (i == 1 ? a.moved : 0) - a.adopted[i];
}

bool sim_faults_account_is_settled(void)
{
    bool known = owed(0) == 0 && owed(1) == 0;

    return known && (!a.said || sim_hands_busy() == 0);
}

void sim_faults_account_adopted(const struct sp_balance_adopted *adopted)
{
    for (uint32_t i = 0; i < 2; i++) {
        if (sp_name_eq(&adopted->asset, asset_of(i)))
            a.adopted[i] += adopted->after.e8 - adopted->before.e8;
    }
}

void sim_faults_account_forget(void)
{
    memset(a.adopted, 0, sizeof a.adopted);
}

static void look(void *ctx)
{
    if ((uint32_t)(uintptr_t)ctx != sim_faults_generation()) return;
    for (uint32_t i = 0; i < 2; i++) {
        sp_amt amount = {sp_books_held(sim_live_books(), asset_of(i)).e8 + owed(i)};
        if (owed(i) == 0 || amount.e8 < 0) continue;
        a.said = true;
        sim_hands_adopt(asset_of(i), amount);
    }
    sim_at(sim_now() + LOOK_NS, look, ctx);
}

/* ---- A run ---- */

/* Coarser than the configuration says, or as it says. */
static void draw_filters(void)
{
    static const int64_t steps[] = {1000, 1000, 10000, 100000}; /* 0.00001 to 0.001 */
    static const int64_t ticks[] = {1000000, 10000000, 100000000};
    static const int64_t values[] = {500000000, 1000000000, 2000000000};
    const enum sim_fault fault = SIM_FAULT_FILTERS;

    a.has_filters = true;
    a.step.e8 = steps[sim_fault_draw(fault, 4)];
    a.tick.e8 = ticks[sim_fault_draw(fault, 3)];
    a.min_value.e8 = values[sim_fault_draw(fault, 3)];
}

void sim_faults_account(enum sim_fault fault)
{
    if (fault == SIM_FAULT_FILTERS) {
        draw_filters();
        return;
    }
    if (fault == SIM_FAULT_EXTERNAL_ORDER) {
        a.orders_wanted = 1;
        return;
    }
    if (fault == SIM_FAULT_EXTERNAL_REST) {
        a.rests_wanted = 1;
        return;
    }
    a.wanted = a.moved + (int64_t)sim_fault_draw(fault, (uint64_t)MOVE_E8_MAX) - MOVE_E8_MAX / 2;
}

void sim_faults_account_heal(void)
{
    a.orders_wanted = a.rests_wanted = 0;
    a.rest_until = 0;
    a.wanted = a.moved;
}

void sim_faults_account_begin(void)
{
    memset(&a, 0, sizeof a);
    if (sim_fault_is_on(SIM_FAULT_EXTERNAL_ORDER) || sim_fault_is_on(SIM_FAULT_EXTERNAL_REST) ||
        sim_fault_is_on(SIM_FAULT_TRANSFER))
        sim_at(sim_now() + LOOK_NS, look, (void *)(uintptr_t)sim_faults_generation());
}
