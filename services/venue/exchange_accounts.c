#include "services/venue/exchange_internal.h"

#include <string.h>

/* ---- Accounts ---- */

sp_status sp_exchange_add_account(struct sp_exchange *x, const sp_name *name, uint32_t *out,
                                  struct sp_err *err)
{
    for (uint32_t i = 0; i < x->account_count; i++) {
        if (!sp_name_eq(&x->accounts[i].name, name)) continue;
        *out = i;
        return SP_OK;
    }
    if (x->account_count == SP_VENUE_ACCOUNTS_MAX) {
        return SP_FAIL(err, SP_FULL, "more than %d accounts", SP_VENUE_ACCOUNTS_MAX);
    }
    x->accounts[x->account_count] = (struct sp_venue_account){.name = *name};
    *out = x->account_count++;
    return SP_OK;
}

static struct sp_venue_balance *find_balance(struct sp_venue_account *account, const sp_name *asset)
{
    for (uint32_t i = 0; i < account->balance_count; i++) {
        if (sp_name_eq(&account->balances[i].asset, asset)) return &account->balances[i];
    }
    return NULL;
}

struct sp_venue_balance *sp_exchange_balance(struct sp_exchange *x, uint32_t account,
                                             const sp_name *asset)
{
    SP_ASSERT(account < x->account_count);
    struct sp_venue_account *of = &x->accounts[account];
    struct sp_venue_balance *balance = find_balance(of, asset);
    if (balance != NULL) return balance;
    SP_ASSERT(of->balance_count < SP_VENUE_ASSETS_MAX);
    of->balances[of->balance_count] = (struct sp_venue_balance){.asset = *asset};
    return &of->balances[of->balance_count++];
}

/* Room is kept for the assets that are traded: a fill never meets a full account. */
static bool has_room_for(const struct sp_exchange *x, struct sp_venue_account *account)
{
    uint32_t wanted = 0;

    for (uint32_t i = 0; i < x->world->instrument_count; i++) {
        const struct sp_instrument_config *instrument = &x->world->instruments[i];
        wanted += find_balance(account, &instrument->base) == NULL;
        wanted += find_balance(account, &instrument->quote) == NULL; /* too many is no harm */
    }
    return account->balance_count + wanted < SP_VENUE_ASSETS_MAX;
}

sp_status sp_exchange_transfer(struct sp_exchange *x, uint32_t account, const sp_name *asset,
                               sp_amt amount, struct sp_err *err)
{
    struct sp_venue_account *of = &x->accounts[account];
    sp_amt total = {0};

    SP_ASSERT(account < x->account_count);
    if (find_balance(of, asset) == NULL && !has_room_for(x, of)) {
        return SP_FAIL(err, SP_FULL, "the account has %u assets", of->balance_count);
    }
    struct sp_venue_balance *balance = sp_exchange_balance(x, account, asset);
    if (!sp_amt_add(balance->total, amount, &total) ||
        total.e8 < sp_exchange_locked(x, account, asset).e8) {
        return SP_FAIL(err, SP_REFUSED, "insufficient balance of %s", asset->s);
    }
    balance->total = total;
    return SP_OK;
}

/* ---- What orders hold ---- */

bool sp_exchange_cost(const struct sp_exchange *x, sp_px px, sp_qty qty, sp_amt *out)
{
    sp_amt value = {0}, fee = {0};

    return sp_px_times_qty(px, qty, &value) &&
           sp_fees_of_fill(&x->fees, SP_LIQUIDITY_TAKER, px, qty, &fee) &&
           sp_amt_add(value, fee, out);
}

bool sp_exchange_hold(const struct sp_exchange *x, const struct sp_venue_leg *leg, sp_qty qty,
                      sp_amt *out)
{
    sp_px px = leg->px;

    if (px.e8 == 0) px = sp_exchange_cap(leg->stop_px);
    return px.e8 > 0 && sp_exchange_cost(x, px, qty, out);
}

sp_px sp_exchange_cap(sp_px stop_px)
{
    return stop_px.e8 > INT64_MAX / 21 * 20 ? (sp_px){0} : (sp_px){stop_px.e8 + stop_px.e8 / 20};
}

static sp_amt held_by(const struct sp_exchange *x, const struct sp_venue_order_row *row)
{
    struct sp_venue_leg leg = {.px = row->px, .stop_px = row->stop_px};
    sp_qty left = {row->qty.e8 - row->filled.e8};
    sp_amt value = {0};

    SP_ASSERT(sp_exchange_hold(x, &leg, left, &value)); /* it was held when it was taken */
    return value;
}

/* A pair holds once: the first leg for both, as long as it has another. */
sp_amt sp_exchange_locked(const struct sp_exchange *x, uint32_t account, const sp_name *asset)
{
    sp_amt locked = {0};

    for (uint32_t i = 0; i < x->open_count; i++) {
        const struct sp_venue_order_row *row = &x->open[i];
        const struct sp_instrument_config *instrument = &x->world->instruments[row->instrument];
        bool sells = row->side == SP_SIDE_SELL;
        if (row->account != account) continue;
        if (!sp_name_eq(asset, sells ? &instrument->base : &instrument->quote)) continue;
        const struct sp_venue_order_row *other =
            row->pair_no != 0 ? sp_exchange_order(x, row->pair_no) : NULL;
        if (other != NULL && other->order_no < row->order_no) continue;
        if (sells) {
            locked.e8 += row->qty.e8 - row->filled.e8;
            continue;
        }
        sp_amt value = held_by(x, row);
        if (other != NULL && held_by(x, other).e8 > value.e8) value = held_by(x, other);
        locked.e8 += value.e8;
    }
    return locked;
}

/* ---- Open orders ---- */

const struct sp_venue_order_row *sp_exchange_order(const struct sp_exchange *x, uint64_t order_no)
{
    for (uint32_t i = 0; i < x->open_count; i++) {
        if (x->open[i].order_no == order_no) return &x->open[i];
    }
    return NULL;
}

const struct sp_venue_order_row *sp_exchange_open_order(const struct sp_exchange *x,
                                                        uint32_t account,
                                                        const sp_name *client_order_id)
{
    for (uint32_t i = 0; i < x->open_count; i++) {
        const struct sp_venue_order_row *row = &x->open[i];
        if (row->account == account && sp_name_eq(&row->client_order_id, client_order_id)) {
            return row;
        }
    }
    return NULL;
}

uint32_t sp_exchange_order_count(const struct sp_exchange *x, uint32_t account, uint32_t instrument)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < x->open_count; i++)
        count += x->open[i].account == account && x->open[i].instrument == instrument;
    return count;
}

uint32_t sp_venue_waiting(const struct sp_venue_request *request)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < request->leg_count; i++)
        count += sp_order_type_waits(request->legs[i].type);
    return count;
}

uint32_t sp_exchange_waiting_count(const struct sp_exchange *x, uint32_t account,
                                   uint32_t instrument)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < x->open_count; i++)
        count += x->open[i].account == account && x->open[i].instrument == instrument &&
                 x->open[i].working.ns == 0;
    return count;
}

/* ---- Words ---- */

static const char *const stp_names[] = {
    [SP_STP_NONE] = "NONE",
    [SP_STP_EXPIRE_TAKER] = "EXPIRE_TAKER",
    [SP_STP_EXPIRE_MAKER] = "EXPIRE_MAKER",
    [SP_STP_EXPIRE_BOTH] = "EXPIRE_BOTH",
};

const char *sp_venue_stp_name(enum sp_match_stp stp)
{
    return stp_names[stp];
}

bool sp_venue_stp_parse(const char *name, enum sp_match_stp *out)
{
    for (size_t i = 0; i < sizeof stp_names / sizeof *stp_names; i++) {
        if (name != NULL && strcmp(stp_names[i], name) != 0) continue;
        *out = (enum sp_match_stp)i;
        return true;
    }
    return false;
}
