#include "services/reconciliation/compare.h"

#include "proto/decimal.h"
#include "proto/ids.h"

#include <stdio.h>
#include <string.h>

/* ---- Finding ---- */

/* Both lists are nearly in the same order, so the search goes on behind the last hit. */
static const struct sp_fill_view *find_fill(const struct sp_holdings *side,
                                            const struct sp_fill_view *fill, uint32_t *hint)
{
    for (uint32_t n = 0; n < side->fill_count; n++) {
        uint32_t i = (*hint + n) % side->fill_count;
        const struct sp_fill_view *other = &side->fills[i];
        if (other->venue_trade_id != fill->venue_trade_id) continue;
        if (!sp_name_eq(&other->symbol, &fill->symbol)) continue;
        *hint = i + 1;
        return other;
    }
    return NULL;
}

static const struct sp_order_view *find_order(const struct sp_order_view *orders, uint32_t count,
                                              const sp_name *client_order_id)
{
    for (uint32_t i = 0; i < count; i++) {
        if (sp_name_eq(&orders[i].client_order_id, client_order_id)) return &orders[i];
    }
    return NULL;
}

static sp_amt balance_of(const struct sp_holdings *side, const sp_name *asset)
{
    sp_amt sum = {0};

    for (uint32_t i = 0; i < side->balance_count; i++) {
        if (!sp_name_eq(&side->balances[i].asset, asset)) continue;
        bool fits = sp_amt_add(side->balances[i].free, side->balances[i].locked, &sum);
        SP_ASSERT(fits); /* both were checked as they came in */
    }
    return sum;
}

uint64_t sp_cut_fills_after(const struct sp_holdings *ours, const sp_name *symbol)
{
    uint64_t lowest[SP_CUT_FILLS_MARGIN + 1];
    uint32_t count = 0, all = 0;

    /* Below the lowest ones there may be some that were booked early and are out of view. */
    for (uint32_t i = 0; i < ours->fill_count; i++) {
        uint64_t id = ours->fills[i].venue_trade_id;
        uint32_t at = count;
        if (!sp_name_eq(&ours->fills[i].symbol, symbol)) continue;
        all++;
        while (at > 0 && lowest[at - 1] > id)
            at--;
        if (at > SP_CUT_FILLS_MARGIN) continue;
        if (count <= SP_CUT_FILLS_MARGIN) count++;
        memmove(&lowest[at + 1], &lowest[at], (count - 1 - at) * sizeof *lowest);
        lowest[at] = id;
    }
    return all < SP_CUT_OUR_FILLS_MAX ? 0 : lowest[count - 1] - 1;
}

uint32_t sp_cut_list_absent(struct sp_cut *cut)
{
    uint32_t absent = 0;

    cut->asked_count = 0;
    for (uint32_t i = 0; i < cut->ours.order_count; i++) {
        const struct sp_order_view *order = &cut->ours.orders[i];
        if (find_order(cut->venues.orders, cut->venues.order_count, &order->client_order_id) !=
            NULL) {
            continue;
        }
        absent++;
        if (cut->asked_count == SP_CUT_ASKED_MAX) continue;
        cut->asked[cut->asked_count] =
            (struct sp_order_view){.client_order_id = order->client_order_id,
                                   .symbol = order->symbol};
        cut->asked_count++;
    }
    return absent;
}

/* ---- The list ---- */

static struct sp_diff *add(struct sp_diffs *out, enum sp_difference item, const sp_name *symbol)
{
    static _Thread_local struct sp_diff beyond;

    out->found++;
    struct sp_diff *diff = out->count < SP_DIFFS_MAX ? &out->at[out->count++] : &beyond;
    *diff = (struct sp_diff){.item = item};
    if (symbol != NULL) diff->symbol = *symbol;
    return diff;
}

static bool about_same(const struct sp_diff *a, const struct sp_diff *b)
{
    return a->item == b->item && a->venue_trade_id == b->venue_trade_id &&
           sp_name_eq(&a->client_order_id, &b->client_order_id) &&
           sp_name_eq(&a->symbol, &b->symbol) && sp_name_eq(&a->asset, &b->asset);
}

bool sp_diffs_concerns(const struct sp_diffs *list, const struct sp_diff *diff)
{
    for (uint32_t i = 0; i < list->count; i++) {
        if (about_same(&list->at[i], diff)) return true;
    }
    return false;
}

bool sp_diffs_has(const struct sp_diffs *list, const struct sp_diff *diff)
{
    for (uint32_t i = 0; i < list->count; i++) {
        const struct sp_diff *other = &list->at[i];
        if (about_same(other, diff) && strcmp(other->ours.s, diff->ours.s) == 0 &&
            strcmp(other->venues.s, diff->venues.s) == 0) {
            return true;
        }
    }
    return false;
}

bool sp_diffs_equal(const struct sp_diffs *a, const struct sp_diffs *b)
{
    if (a->found != b->found || a->count != b->count) return false;
    for (uint32_t i = 0; i < a->count; i++) {
        if (!sp_diffs_has(b, &a->at[i])) return false;
    }
    return true;
}

/* ---- Executions ---- */

static void tell_fill(sp_text *out, const struct sp_fill_view *fill)
{
    char px[SP_E8_TEXT_SIZE], qty[SP_E8_TEXT_SIZE], fee[SP_E8_TEXT_SIZE];

    sp_text_printf(out, "%s %s at %s, fee %s %s", sp_enum_name(SP_ENUM_SIDE, fill->side),
                   sp_e8_format(fill->qty.e8, qty), sp_e8_format(fill->px.e8, px),
                   sp_e8_format(fill->fee.e8, fee), fill->fee_asset.s);
}

static bool is_ours(const char *installation, const sp_name *client_order_id)
{
    char code[5];

    sp_id_installation_code(installation, code);
    return client_order_id->s[0] == 's' && strncmp(client_order_id->s + 1, code, 4) == 0;
}

static bool same_fill(const struct sp_fill_view *a, const struct sp_fill_view *b)
{
    return a->side == b->side && a->px.e8 == b->px.e8 && a->qty.e8 == b->qty.e8 &&
           a->fee.e8 == b->fee.e8 && sp_name_eq(&a->fee_asset, &b->fee_asset) &&
           sp_name_eq(&a->client_order_id, &b->client_order_id);
}

static void missing_fill(struct sp_diffs *out, const struct sp_fill_view *fill)
{
    struct sp_diff *diff = add(out, SP_DIFFERENCE_FILL_MISSING, &fill->symbol);
    bool fits = sp_px_times_qty(fill->px, fill->qty, &diff->value);

    diff->client_order_id = fill->client_order_id;
    diff->venue_trade_id = fill->venue_trade_id;
    sp_text_printf(&diff->ours, "not booked");
    tell_fill(&diff->venues, fill);
    diff->correctable = fits;
    sp_text_printf(&diff->evidence, "execution %" PRIu64 " of the venue, order %s, which is ours",
                   fill->venue_trade_id, fill->client_order_id.s);
    diff->correction = (struct sp_correction){.item = SP_DIFFERENCE_FILL_MISSING,
                                              .client_order_id = fill->client_order_id,
                                              .symbol = fill->symbol,
                                              .venue_order_id = fill->venue_order_id,
                                              .venue_trade_id = fill->venue_trade_id,
                                              .side = fill->side,
                                              .px = fill->px,
                                              .qty = fill->qty,
                                              .fee = fill->fee,
                                              .fee_asset = fill->fee_asset,
                                              .liquidity = fill->liquidity,
                                              .venue_time = fill->venue_time};
}

/* Whether its number is among those that were read, of an instrument of the world. */
static bool in_view(const struct sp_world_config *world, const struct sp_cut *cut,
                    const struct sp_fill_view *fill)
{
    for (uint32_t i = 0; i < world->instrument_count; i++) {
        if (sp_name_eq(&world->instruments[i].symbol, &fill->symbol))
            return fill->venue_trade_id > cut->fills_after[i];
    }
    return false;
}

static void compare_fills(struct sp_diffs *out, const struct sp_world_config *world,
                          const char *installation, const struct sp_cut *cut)
{
    uint32_t hint = 0;

    for (uint32_t i = 0; i < cut->venues.fill_count; i++) {
        const struct sp_fill_view *fill = &cut->venues.fills[i];
        if (!in_view(world, cut, fill)) continue;
        const struct sp_fill_view *ours = find_fill(&cut->ours, fill, &hint);
        if (ours == NULL && !is_ours(installation, &fill->client_order_id)) {
            out->strangers++;
            out->stranger_order = fill->client_order_id;
        } else if (ours == NULL) {
            missing_fill(out, fill);
        } else if (!same_fill(ours, fill)) {
            struct sp_diff *diff = add(out, SP_DIFFERENCE_FILL_UNKNOWN, &fill->symbol);
            diff->client_order_id = fill->client_order_id;
            diff->venue_trade_id = fill->venue_trade_id;
            tell_fill(&diff->ours, ours);
            tell_fill(&diff->venues, fill);
            sp_text_printf(&diff->evidence, "booked otherwise than the venue tells");
        }
    }
    hint = 0;
    for (uint32_t i = 0; i < cut->ours.fill_count; i++) {
        const struct sp_fill_view *fill = &cut->ours.fills[i];
        if (!in_view(world, cut, fill)) continue;
        if (find_fill(&cut->venues, fill, &hint) != NULL) continue;
        struct sp_diff *diff = add(out, SP_DIFFERENCE_FILL_UNKNOWN, &fill->symbol);
        diff->client_order_id = fill->client_order_id;
        diff->venue_trade_id = fill->venue_trade_id;
        tell_fill(&diff->ours, fill);
        sp_text_printf(&diff->venues, "no such execution");
        sp_text_printf(&diff->evidence, "all executions of %s around it were read", fill->symbol.s);
    }
}

/* ---- Orders ---- */

static void tell_order(sp_text *out, const struct sp_order_view *order)
{
    char px[SP_E8_TEXT_SIZE], qty[SP_E8_TEXT_SIZE], filled[SP_E8_TEXT_SIZE];
    sp_px at = order->stop_px.e8 != 0 ? order->stop_px : order->px;

    sp_text_printf(out, "%s: %s %s at %s, filled %s",
                   sp_enum_name(SP_ENUM_ORDER_STATE, order->state),
                   sp_enum_name(SP_ENUM_SIDE, order->side), sp_e8_format(order->qty.e8, qty),
                   sp_e8_format(at.e8, px), sp_e8_format(order->filled_qty.e8, filled));
}

static bool has_fill_diff(const struct sp_diffs *out, const sp_name *client_order_id)
{
    for (uint32_t i = 0; i < out->count; i++) {
        enum sp_difference item = out->at[i].item;
        bool fill = item == SP_DIFFERENCE_FILL_MISSING || item == SP_DIFFERENCE_FILL_UNKNOWN;
        if (fill && sp_name_eq(&out->at[i].client_order_id, client_order_id)) return true;
    }
    return false;
}

static struct sp_diff *add_order(struct sp_diffs *out, enum sp_difference item,
                                 const struct sp_order_view *ours,
                                 const struct sp_order_view *venues)
{
    const struct sp_order_view *either = ours != NULL ? ours : venues;
    struct sp_diff *diff = add(out, item, &either->symbol);

    diff->client_order_id = either->client_order_id;
    if (ours != NULL) tell_order(&diff->ours, ours);
    if (venues != NULL) tell_order(&diff->venues, venues);
    return diff;
}

/* Open on both sides. A fill that differs is listed as such and explains the filled quantity. */
static void compare_open(struct sp_diffs *out, const struct sp_order_view *ours,
                         const struct sp_order_view *venues)
{
    bool same_order = ours->side == venues->side && ours->qty.e8 == venues->qty.e8 &&
                      ours->px.e8 == venues->px.e8 && ours->stop_px.e8 == venues->stop_px.e8;

    if (same_order && ours->filled_qty.e8 == venues->filled_qty.e8) return;
    if (same_order && has_fill_diff(out, &ours->client_order_id)) return;
    struct sp_diff *diff = add_order(out, SP_DIFFERENCE_ORDER_STATE, ours, venues);
    sp_text_printf(&diff->evidence, "open on both sides, with other %s",
                   same_order ? "filled quantity" : "terms");
}

/* Alive here, not open there; the venue was asked for it. */
static void compare_ended(struct sp_diffs *out, const struct sp_order_view *ours,
                          const struct sp_order_view *told)
{
    if (told == NULL || told->state == SP_ORDER_STATE_NONE) {
        struct sp_diff *diff = add_order(out, SP_DIFFERENCE_ORDER_MISSING, ours, NULL);
        sp_text_printf(&diff->venues, "no such order");
        sp_text_printf(&diff->evidence, "not among the open orders; asked for it: not found");
        return;
    }
    bool ended = told->state == SP_ORDER_STATE_CANCELED || told->state == SP_ORDER_STATE_EXPIRED ||
                 told->state == SP_ORDER_STATE_REJECTED;
    if (!ended && has_fill_diff(out, &ours->client_order_id)) return;
    struct sp_diff *diff = add_order(out, SP_DIFFERENCE_ORDER_STATE, ours, told);
    diff->correctable = ended;
    sp_text_printf(&diff->evidence, "not among the open orders; asked for it: %s",
                   sp_enum_name(SP_ENUM_ORDER_STATE, told->state));
    diff->correction = (struct sp_correction){.item = SP_DIFFERENCE_ORDER_STATE,
                                              .client_order_id = ours->client_order_id,
                                              .symbol = ours->symbol,
                                              .order_state = told->state,
                                              .venue_order_id = told->venue_order_id,
                                              .side = ours->side};
}

static void compare_orders(struct sp_diffs *out, const char *installation, const struct sp_cut *cut)
{
    const struct sp_holdings *ours = &cut->ours, *venues = &cut->venues;

    for (uint32_t i = 0; i < ours->order_count; i++) {
        const struct sp_order_view *order = &ours->orders[i];
        const struct sp_order_view *open =
            find_order(venues->orders, venues->order_count, &order->client_order_id);
        if (open != NULL) {
            compare_open(out, order, open);
        } else {
            compare_ended(out, order,
                          find_order(cut->asked, cut->asked_count, &order->client_order_id));
        }
    }
    for (uint32_t i = 0; i < venues->order_count; i++) {
        const struct sp_order_view *order = &venues->orders[i];
        if (find_order(ours->orders, ours->order_count, &order->client_order_id) != NULL) continue;
        bool own = is_ours(installation, &order->client_order_id);
        struct sp_diff *diff = add_order(
            out, own ? SP_DIFFERENCE_ORDER_ORPHAN : SP_DIFFERENCE_ORDER_EXTERNAL, NULL, order);
        sp_text_printf(&diff->ours, own ? "not live" : "not ours");
        sp_text_printf(&diff->evidence, own ? "open at the venue, its id carries our installation"
                                            : "open at the venue, placed by somebody else");
    }
}

/* ---- Balances ---- */

/* What the executions we have not booked will do to an asset. False: it does not fit. */
static bool unbooked(const struct sp_world_config *world, const struct sp_diffs *out,
                     const sp_name *asset, sp_amt *sum)
{
    for (uint32_t i = 0; i < out->count; i++) {
        const struct sp_diff *diff = &out->at[i];
        const struct sp_correction *fill = &diff->correction;
        const struct sp_instrument_config *instrument = sp_world_instrument(world, diff->symbol.s);
        if (diff->item != SP_DIFFERENCE_FILL_MISSING || instrument == NULL) continue;
        int64_t sign = fill->side == SP_SIDE_BUY ? 1 : -1;
        sp_amt moved = {sign * fill->qty.e8};
        sp_amt paid = {-sign * diff->value.e8}, fee = {-fill->fee.e8};
        bool fits = true;
        if (sp_name_eq(&instrument->base, asset)) fits = sp_amt_add(*sum, moved, sum);
        if (fits && sp_name_eq(&instrument->quote, asset)) fits = sp_amt_add(*sum, paid, sum);
        if (fits && sp_name_eq(&fill->fee_asset, asset)) fits = sp_amt_add(*sum, fee, sum);
        if (!fits) return false;
    }
    return true;
}

static void compare_asset(struct sp_diffs *out, const struct sp_world_config *world,
                          const struct sp_cut *cut, const sp_name *asset)
{
    sp_amt ours = balance_of(&cut->ours, asset), venues = balance_of(&cut->venues, asset);
    sp_amt expected = {0};
    char a[SP_E8_TEXT_SIZE], b[SP_E8_TEXT_SIZE], c[SP_E8_TEXT_SIZE];

    sp_amt explained = {0};
    bool fits = unbooked(world, out, asset, &explained) && sp_amt_add(ours, explained, &expected);
    if (fits && expected.e8 == venues.e8) return;
    struct sp_diff *diff = add(out, SP_DIFFERENCE_BALANCE, NULL);
    diff->asset = *asset;
    sp_text_printf(&diff->ours, "%s", sp_e8_format(ours.e8, a));
    sp_text_printf(&diff->venues, "%s", sp_e8_format(venues.e8, b));
    if (out->strangers == 0) {
        sp_text_printf(&diff->evidence,
                       "free and locked together; the listed executions explain %s",
                       sp_e8_format(explained.e8, c));
        return;
    }
    sp_text_printf(&diff->evidence,
                   "free and locked together; the listed executions explain %s; %u others are not "
                   "ours, the newest of order %s",
                   sp_e8_format(explained.e8, c), out->strangers, out->stranger_order.s);
}

static bool has_asset(const struct sp_holdings *side, uint32_t count, const sp_name *asset)
{
    for (uint32_t i = 0; i < count; i++) {
        if (sp_name_eq(&side->balances[i].asset, asset)) return true;
    }
    return false;
}

static void compare_balances(struct sp_diffs *out, const struct sp_world_config *world,
                             const struct sp_cut *cut)
{
    for (uint32_t i = 0; i < cut->ours.balance_count; i++) {
        compare_asset(out, world, cut, &cut->ours.balances[i].asset);
    }
    for (uint32_t i = 0; i < cut->venues.balance_count; i++) {
        const sp_name *asset = &cut->venues.balances[i].asset;
        if (has_asset(&cut->ours, cut->ours.balance_count, asset)) continue;
        if (!has_asset(&cut->venues, i, asset)) compare_asset(out, world, cut, asset);
    }
}

void sp_compare(const struct sp_world_config *world, const char *installation,
                const struct sp_cut *cut, struct sp_diffs *out)
{
    out->found = 0;
    out->count = 0;
    out->strangers = 0;
    compare_fills(out, world, installation, cut);
    compare_orders(out, installation, cut);
    compare_balances(out, world, cut);
}

/* ---- Protection ---- */

/* Newest price we know for an instrument: of our last execution in it. */
static sp_px last_px(const struct sp_cut *cut, const sp_name *symbol)
{
    for (uint32_t i = cut->ours.fill_count; i > 0; i--) {
        if (sp_name_eq(&cut->ours.fills[i - 1].symbol, symbol)) return cut->ours.fills[i - 1].px;
    }
    return (sp_px){0};
}

static bool is_held(const struct sp_world_config *world, const struct sp_cut *cut,
                    const struct sp_instrument_config *instrument)
{
    sp_amt held = balance_of(&cut->ours, &instrument->base), value = {0};

    for (uint32_t i = 0; i < world->balance_count; i++) {
        if (sp_name_eq(&world->balances[i].asset, &instrument->base)) {
            held.e8 -= world->balances[i].amount.e8;
        }
    }
    if (held.e8 < instrument->min_qty.e8 || held.e8 <= 0) return false;
    sp_px px = last_px(cut, &instrument->symbol);
    if (!sp_px_times_qty(px, (sp_qty){held.e8}, &value)) return true;
    return value.e8 >= instrument->min_value.e8; /* less cannot be sold: dust */
}

uint32_t sp_cut_unprotected(const struct sp_world_config *world, const struct sp_cut *cut,
                            uint32_t *positions)
{
    uint32_t bits = 0;

    *positions = 0;
    for (uint32_t i = 0; i < world->instrument_count; i++) {
        const struct sp_instrument_config *instrument = &world->instruments[i];
        bool covered = false;
        if (!is_held(world, cut, instrument)) continue;
        (*positions)++;
        for (uint32_t n = 0; n < cut->ours.order_count && !covered; n++) {
            covered = cut->ours.orders[n].side == SP_SIDE_SELL &&
                      sp_name_eq(&cut->ours.orders[n].symbol, &instrument->symbol);
        }
        if (!covered) bits |= 1u << i;
    }
    return bits;
}
