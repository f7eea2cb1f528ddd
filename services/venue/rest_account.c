/* Balances, our executions, limits and fees. */
#include "services/venue/rest_internal.h"

#include <string.h>

#define TRADES_MAX 1000

static int64_t bps(sp_ratio ratio)
{
    return ratio.e8 / 10000;
}

static void put_rates(struct sp_json_text *json, const char *key, const struct sp_fees *fees)
{
    sp_jtext_key(json, key);
    sp_jtext_begin(json, '{');
    sp_jtext_put_e8(json, "maker", fees->maker.e8);
    sp_jtext_put_e8(json, "taker", fees->taker.e8);
    sp_jtext_put_e8(json, "buyer", 0);
    sp_jtext_put_e8(json, "seller", 0);
    sp_jtext_end(json, '}');
}

void sp_rest_account(struct sp_rest_call *call)
{
    struct sp_exchange *x = call->rest->exchange;
    struct sp_json_text *json = call->body;
    const char *omit = sp_rest_param(call->params, "omitZeroBalances");
    bool omit_zero = omit != NULL && strcmp(omit, "true") == 0;

    sp_jtext_begin(json, '{');
    sp_jtext_put_int(json, "makerCommission", bps(x->fees.maker));
    sp_jtext_put_int(json, "takerCommission", bps(x->fees.taker));
    sp_jtext_put_int(json, "buyerCommission", 0);
    sp_jtext_put_int(json, "sellerCommission", 0);
    put_rates(json, "commissionRates", &x->fees);
    sp_jtext_put_bool(json, "canTrade", true);
    sp_jtext_put_bool(json, "canWithdraw", false);
    sp_jtext_put_bool(json, "canDeposit", false);
    sp_jtext_put_bool(json, "brokered", false);
    sp_jtext_put_bool(json, "requireSelfTradePrevention", false);
    sp_jtext_put_bool(json, "preventSor", false);
    sp_jtext_put_ms(json, "updateTime", x->time);
    sp_jtext_put_string(json, "accountType", "SPOT");
    sp_jtext_key(json, "balances");
    sp_jtext_begin(json, '[');
    for (uint32_t i = 0; i < x->accounts[call->account].balance_count; i++) {
        const struct sp_venue_balance *balance = &x->accounts[call->account].balances[i];
        sp_amt locked = sp_exchange_locked(x, call->account, &balance->asset);
        if (omit_zero && balance->total.e8 == 0) continue;
        sp_jtext_begin(json, '{');
        sp_jtext_put_string(json, "asset", balance->asset.s);
        sp_jtext_put_e8(json, "free", balance->total.e8 - locked.e8);
        sp_jtext_put_e8(json, "locked", locked.e8);
        sp_jtext_end(json, '}');
    }
    sp_jtext_end(json, ']');
    sp_jtext_key(json, "permissions");
    sp_jtext_raw(json, "[\"SPOT\"]");
    sp_jtext_put_int(json, "uid", call->account + 1);
    sp_jtext_end(json, '}');
}

static void put_trade(void *ctx, const struct sp_venue_fill_row *row)
{
    struct sp_rest_call *call = ctx;
    const struct sp_instrument_config *instrument =
        &call->rest->exchange->world->instruments[row->instrument];
    struct sp_json_text *json = call->body;
    sp_amt value = {0};

    SP_ASSERT(sp_px_times_qty(row->px, row->qty, &value)); /* it was booked */
    sp_jtext_begin(json, '{');
    sp_jtext_put_string(json, "symbol", instrument->symbol.s);
    sp_jtext_put_int(json, "id", (int64_t)row->trade_no);
    sp_jtext_put_int(json, "orderId", (int64_t)row->order_no);
    sp_jtext_put_int(json, "orderListId", -1);
    sp_jtext_put_e8(json, "price", row->px.e8);
    sp_jtext_put_e8(json, "qty", row->qty.e8);
    sp_jtext_put_e8(json, "quoteQty", value.e8);
    sp_jtext_put_e8(json, "commission", row->fee.e8);
    sp_jtext_put_string(json, "commissionAsset", instrument->quote.s);
    sp_jtext_put_ms(json, "time", row->time);
    sp_jtext_put_bool(json, "isBuyer", row->side == SP_SIDE_BUY);
    sp_jtext_put_bool(json, "isMaker", row->liquidity == SP_LIQUIDITY_MAKER);
    sp_jtext_put_bool(json, "isBestMatch", true);
    sp_jtext_end(json, '}');
}

void sp_rest_my_trades(struct sp_rest_call *call)
{
    int instrument = sp_rest_instrument(call);
    int64_t limit = 0, order_no = 0, from_no = 0;
    sp_wall from, until;
    struct sp_err err = {0};

    if (instrument < 0 || !sp_rest_number(call, "limit", 500, &limit) ||
        !sp_rest_number(call, "orderId", 0, &order_no) ||
        !sp_rest_number(call, "fromId", 0, &from_no) ||
        !sp_rest_time_of(call, "startTime", (sp_wall){0}, &from) ||
        !sp_rest_time_of(call, "endTime", (sp_wall){INT64_MAX}, &until)) {
        return;
    }
    bool from_oldest = sp_rest_param(call->params, "fromId") != NULL ||
                       sp_rest_param(call->params, "startTime") != NULL;
    struct sp_venue_fill_query query = {.account = call->account,
                                        .instrument = (uint32_t)instrument,
                                        .order_no = (uint64_t)order_no,
                                        .from_no = (uint64_t)from_no,
                                        .from = from,
                                        .until = until,
                                        .from_oldest = from_oldest,
                                        .max = limit < TRADES_MAX ? (uint32_t)limit : TRADES_MAX};
    sp_jtext_begin(call->body, '[');
    if (sp_venue_store_find_fills(call->rest->store, call->rest->exchange, &query, put_trade, call,
                                  &err) != SP_OK) {
        sp_rest_fail(call, 500, REST_UNKNOWN, "%s", err.text);
        return;
    }
    sp_jtext_end(call->body, ']');
}

static void put_limit(struct sp_json_text *json, const char *interval, int64_t number,
                      const struct sp_rest_window *window)
{
    sp_jtext_begin(json, '{');
    sp_jtext_put_string(json, "rateLimitType", "ORDERS");
    sp_jtext_put_string(json, "interval", interval);
    sp_jtext_put_int(json, "intervalNum", number);
    sp_jtext_put_int(json, "limit", window->max);
    sp_jtext_put_int(json, "count", window->used);
    sp_jtext_end(json, '}');
}

void sp_rest_order_limits(struct sp_rest_call *call)
{
    sp_jtext_begin(call->body, '[');
    put_limit(call->body, "SECOND", 10, &call->rest->limits.orders_10s[call->account]);
    put_limit(call->body, "DAY", 1, &call->rest->limits.orders_day[call->account]);
    sp_jtext_end(call->body, ']');
}

void sp_rest_commission(struct sp_rest_call *call)
{
    static const struct sp_fees none = {{0}, {0}};
    int instrument = sp_rest_instrument(call);
    struct sp_json_text *json = call->body;

    if (instrument < 0) return;
    sp_jtext_begin(json, '{');
    sp_jtext_put_string(json, "symbol",
                        call->rest->exchange->world->instruments[instrument].symbol.s);
    put_rates(json, "standardCommission", &call->rest->exchange->fees);
    put_rates(json, "specialCommission", &none);
    put_rates(json, "taxCommission", &none);
    sp_jtext_end(json, '}');
}
