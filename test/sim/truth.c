#include "truth.h"

#include "kernel.h"
#include "live.h"
#include "memory.h"
#include "services/venue/store.h"
#include "world.h"

#include <string.h>

sp_status __real_sp_venue_store_save(struct sp_venue_store *store, const struct sp_exchange *x,
                                     const struct sp_venue_changes *changes, struct sp_err *err);
sp_status __wrap_sp_venue_store_save(struct sp_venue_store *store, const struct sp_exchange *x,
                                     const struct sp_venue_changes *changes, struct sp_err *err);

static struct {
    uint32_t order_count, order_room, fill_count, fill_room, balance_count;
    struct sim_truth_order *orders;
    struct sp_venue_fill_row *fills;
    struct sp_venue_balance balances[SP_VENUE_ASSETS_MAX];
    /* What is being saved: whether it was, a venue that was killed meanwhile finds out. */
    bool saving;
    struct sp_venue_changes changes;
    struct sp_venue_balance balances_then[SP_VENUE_ASSETS_MAX];
    uint32_t balances_then_count;
} truth;

static struct sim_truth_order *by_no(uint64_t order_no)
{
    for (uint32_t i = truth.order_count; i-- > 0;) {
        if (truth.orders[i].order_no == order_no) return &truth.orders[i];
    }
    return NULL;
}

static void take_order(const struct sp_venue_order_row *row)
{
    struct sim_truth_order *order = by_no(row->order_no);

    if (order == NULL) {
        if (truth.order_count == truth.order_room) {
            truth.order_room = truth.order_room * 2 + 256;
            truth.orders = sim_grow(truth.orders, truth.order_room * sizeof *truth.orders);
        }
        order = &truth.orders[truth.order_count++];
        *order = (struct sim_truth_order){.client_order_id = row->client_order_id,
                                          .order_no = row->order_no,
                                          .placed_at = sim_now(),
                                          .side = row->side,
                                          .qty = row->qty};
        order->is_external = strncmp(row->client_order_id.s, "hand", 4) == 0;
        if (!order->is_external) sim_live_taken(&order->client_order_id);
    }
    order->state = row->state;
    order->filled = row->filled;
}

static void take_fill(const struct sp_venue_fill_row *fill)
{
    for (uint32_t i = truth.fill_count; i-- > 0;) {
        if (truth.fills[i].trade_no == fill->trade_no) return;
    }
    if (truth.fill_count == truth.fill_room) {
        truth.fill_room = truth.fill_room * 2 + 256;
        truth.fills = sim_grow(truth.fills, truth.fill_room * sizeof *truth.fills);
    }
    truth.fills[truth.fill_count++] = *fill;
}

static void take_saved(void)
{
    for (uint32_t i = 0; i < truth.changes.count; i++) {
        take_order(&truth.changes.at[i].order);
        if (truth.changes.at[i].fill.trade_no != 0) take_fill(&truth.changes.at[i].fill);
    }
    truth.balance_count = truth.balances_then_count;
    memcpy(truth.balances, truth.balances_then, sizeof truth.balances);
    truth.saving = false;
}

/* All of it was, or nothing: one transaction. */
void sim_truth_loaded(struct sp_venue_store *store, const struct sp_exchange *x)
{
    struct sp_venue_order_row row;

    if (!truth.saving || truth.changes.count == 0) return;
    truth.saving = false;
    const struct sp_venue_order_row *order = &truth.changes.at[truth.changes.count - 1].order;
    if (sp_venue_store_order_no(store, x, order->order_no, &row, NULL) != SP_OK) return;
    if (row.state == order->state && row.filled.e8 == order->filled.e8) take_saved();
}

/* Only what was kept is true: the venue tells nobody before. */
sp_status __wrap_sp_venue_store_save(struct sp_venue_store *store, const struct sp_exchange *x,
                                     const struct sp_venue_changes *changes, struct sp_err *err)
{
    truth.changes.count = changes->count;
    memcpy(truth.changes.at, changes->at, changes->count * sizeof changes->at[0]);
    truth.balances_then_count = x->accounts[0].balance_count;
    memcpy(truth.balances_then, x->accounts[0].balances, sizeof truth.balances_then);
    truth.saving = true;
    sp_status status = __real_sp_venue_store_save(store, x, changes, err);

    truth.saving = false;
    if (status == SP_OK) take_saved();
    return status;
}

void sim_truth_begin(void)
{
    truth.order_count = 0;
    truth.fill_count = 0;
    truth.balance_count = 0;
}

void sim_truth_end(void)
{
    sim_free(truth.orders);
    sim_free(truth.fills);
    memset(&truth, 0, sizeof truth);
}

uint32_t sim_truth_order_count(void)
{
    return truth.order_count;
}
const struct sim_truth_order *sim_truth_order(uint32_t i)
{
    return &truth.orders[i];
}

const struct sim_truth_order *sim_truth_find(const sp_name *client_order_id, uint32_t *count)
{
    const struct sim_truth_order *found = NULL;

    *count = 0;
    for (uint32_t i = 0; i < truth.order_count; i++) {
        if (!sp_name_eq(&truth.orders[i].client_order_id, client_order_id)) continue;
        found = &truth.orders[i];
        ++*count;
    }
    return found;
}

uint32_t sim_truth_fill_count(void)
{
    return truth.fill_count;
}
const struct sp_venue_fill_row *sim_truth_fill(uint32_t i)
{
    return &truth.fills[i];
}

static bool is_strangers(const struct sp_venue_fill_row *fill)
{
    return strncmp(fill->client_order_id.s, "hand", 4) == 0;
}

int64_t sim_truth_strangers(const sp_name *asset)
{
    const struct sp_world_config *world = sp_config_world(sim_world_config());
    int64_t sum = 0;

    for (uint32_t i = 0; i < truth.fill_count; i++) {
        const struct sp_venue_fill_row *fill = &truth.fills[i];
        const struct sp_instrument_config *instrument = &world->instruments[fill->instrument];
        int64_t sign = fill->side == SP_SIDE_BUY ? 1 : -1;
        sp_amt value = {0};
        if (!is_strangers(fill)) continue;
        SP_IGNORE(!sp_px_times_qty(fill->px, fill->qty, &value)); /* the venue has done it */
        if (sp_name_eq(asset, &instrument->base)) sum += sign * fill->qty.e8;
        if (sp_name_eq(asset, &instrument->quote)) sum -= sign * value.e8 + fill->fee.e8;
    }
    return sum;
}

int64_t sim_truth_balance(const sp_name *asset)
{
    for (uint32_t i = 0; i < truth.balance_count; i++) {
        if (sp_name_eq(&truth.balances[i].asset, asset)) return truth.balances[i].total.e8;
    }
    return -1;
}
