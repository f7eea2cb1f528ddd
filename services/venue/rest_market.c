/* Public data: what is traded here and what the market did. */
#include "services/venue/rest_internal.h"
#include "services/venue/rules.h"

#include "common/config/strict_json.h"

#include <string.h>

#define LEVELS_MAX 5000

static const struct sp_market_view *view_of(const struct sp_rest_call *call, int instrument)
{
    return &call->rest->views[instrument];
}

void sp_rest_ping(struct sp_rest_call *call)
{
    sp_jtext_raw(call->body, "{}");
}

void sp_rest_time(struct sp_rest_call *call)
{
    sp_jtext_begin(call->body, '{');
    sp_jtext_put_ms(call->body, "serverTime", call->now);
    sp_jtext_end(call->body, '}');
}

/* ---- exchangeInfo ---- */

static void put_rate_limit(struct sp_json_text *json, const char *type, const char *interval,
                           int64_t number, uint32_t limit)
{
    sp_jtext_begin(json, '{');
    sp_jtext_put_string(json, "rateLimitType", type);
    sp_jtext_put_string(json, "interval", interval);
    sp_jtext_put_int(json, "intervalNum", number);
    sp_jtext_put_int(json, "limit", limit);
    sp_jtext_end(json, '}');
}

/* Both sides alike, by the last price. */
static void put_percent_filter(struct sp_json_text *json, const struct sp_venue_rules *rules)
{
    sp_jtext_begin(json, '{');
    sp_jtext_put_string(json, "filterType", "PERCENT_PRICE_BY_SIDE");
    sp_jtext_put_e8(json, "bidMultiplierUp", rules->percent_up.e8);
    sp_jtext_put_e8(json, "bidMultiplierDown", rules->percent_down.e8);
    sp_jtext_put_e8(json, "askMultiplierUp", rules->percent_up.e8);
    sp_jtext_put_e8(json, "askMultiplierDown", rules->percent_down.e8);
    sp_jtext_put_int(json, "avgPriceMins", 0);
    sp_jtext_end(json, '}');
}

static void put_market_lot_filter(struct sp_json_text *json, const struct sp_venue_rules *rules)
{
    sp_jtext_begin(json, '{');
    sp_jtext_put_string(json, "filterType", "MARKET_LOT_SIZE");
    sp_jtext_put_e8(json, "minQty", 0);
    sp_jtext_put_e8(json, "maxQty",
                    rules->market_max_qty.e8 > 0 ? rules->market_max_qty.e8 : SP_RULES_MOST_E8);
    sp_jtext_put_e8(json, "stepSize", 0);
    sp_jtext_end(json, '}');
}

static void put_filters(struct sp_json_text *json, const struct sp_instrument *instrument,
                        const struct sp_venue_rules *rules)
{
    sp_jtext_key(json, "filters");
    sp_jtext_begin(json, '[');
    sp_jtext_begin(json, '{');
    sp_jtext_put_string(json, "filterType", "PRICE_FILTER");
    sp_jtext_put_e8(json, "minPrice", instrument->tick.e8);
    sp_jtext_put_e8(json, "maxPrice", SP_RULES_MOST_E8);
    sp_jtext_put_e8(json, "tickSize", instrument->tick.e8);
    sp_jtext_end(json, '}');
    sp_jtext_begin(json, '{');
    sp_jtext_put_string(json, "filterType", "LOT_SIZE");
    sp_jtext_put_e8(json, "minQty", instrument->min_qty.e8);
    sp_jtext_put_e8(json, "maxQty",
                    instrument->max_qty.e8 > 0 ? instrument->max_qty.e8 : SP_RULES_MOST_E8);
    sp_jtext_put_e8(json, "stepSize", instrument->step.e8);
    sp_jtext_end(json, '}');
    sp_jtext_begin(json, '{');
    sp_jtext_put_string(json, "filterType", "NOTIONAL");
    sp_jtext_put_e8(json, "minNotional", instrument->min_value.e8);
    sp_jtext_put_bool(json, "applyMinToMarket", true);
    sp_jtext_put_e8(json, "maxNotional", SP_RULES_MOST_E8);
    sp_jtext_put_bool(json, "applyMaxToMarket", false);
    sp_jtext_put_int(json, "avgPriceMins", 0);
    sp_jtext_end(json, '}');
    sp_jtext_begin(json, '{');
    sp_jtext_put_string(json, "filterType", "MAX_NUM_ORDERS");
    sp_jtext_put_int(json, "maxNumOrders", SP_VENUE_ORDERS_MAX);
    sp_jtext_end(json, '}');
    sp_jtext_begin(json, '{');
    sp_jtext_put_string(json, "filterType", "MAX_NUM_ALGO_ORDERS");
    sp_jtext_put_int(json, "maxNumAlgoOrders", rules->waiting_max);
    sp_jtext_end(json, '}');
    put_percent_filter(json, rules);
    put_market_lot_filter(json, rules);
    sp_jtext_end(json, ']');
}

static void put_symbol(struct sp_json_text *json, const struct sp_instrument *instrument,
                       const struct sp_venue_rules *rules, enum sp_venue_status status)
{
    sp_jtext_begin(json, '{');
    sp_jtext_put_string(json, "symbol", instrument->symbol.s);
    sp_jtext_put_string(json, "status", sp_venue_status_name(status));
    sp_jtext_put_string(json, "baseAsset", instrument->base.s);
    sp_jtext_put_int(json, "baseAssetPrecision", 8);
    sp_jtext_put_string(json, "quoteAsset", instrument->quote.s);
    sp_jtext_put_int(json, "quotePrecision", 8);
    sp_jtext_put_int(json, "quoteAssetPrecision", 8);
    sp_jtext_put_int(json, "baseCommissionPrecision", 8);
    sp_jtext_put_int(json, "quoteCommissionPrecision", 8);
    sp_jtext_key(json, "orderTypes");
    sp_jtext_raw(json, "[\"LIMIT\",\"LIMIT_MAKER\",\"MARKET\",\"STOP_LOSS\",\"STOP_LOSS_LIMIT\","
                       "\"TAKE_PROFIT\",\"TAKE_PROFIT_LIMIT\"]");
    sp_jtext_put_bool(json, "icebergAllowed", false);
    sp_jtext_put_bool(json, "ocoAllowed", true);
    sp_jtext_put_bool(json, "otoAllowed", false);
    sp_jtext_put_bool(json, "opoAllowed", false);
    sp_jtext_put_bool(json, "quoteOrderQtyMarketAllowed", true);
    sp_jtext_put_bool(json, "allowTrailingStop", false);
    sp_jtext_put_bool(json, "cancelReplaceAllowed", true);
    sp_jtext_put_bool(json, "amendAllowed", false);
    sp_jtext_put_bool(json, "pegInstructionsAllowed", false);
    sp_jtext_put_bool(json, "isSpotTradingAllowed", true);
    sp_jtext_put_bool(json, "isMarginTradingAllowed", false);
    put_filters(json, instrument, rules);
    sp_jtext_key(json, "permissions");
    sp_jtext_raw(json, "[]");
    sp_jtext_key(json, "permissionSets");
    sp_jtext_raw(json, "[[\"SPOT\"]]");
    sp_jtext_put_string(json, "defaultSelfTradePreventionMode", "NONE");
    sp_jtext_key(json, "allowedSelfTradePreventionModes");
    sp_jtext_raw(json, "[\"NONE\",\"EXPIRE_TAKER\",\"EXPIRE_MAKER\",\"EXPIRE_BOTH\"]");
    sp_jtext_end(json, '}');
}

/* ---- One symbol, some, or all ---- */

typedef void put_fn(struct sp_rest_call *call, int instrument);

static void put_some(struct sp_rest_call *call, const char *symbols, put_fn *put)
{
    static const struct sp_strict_limits limits = {.bytes_max = SP_REST_BYTES_MAX, .depth_max = 2};
    struct sp_strict_json *json = NULL;

    if (sp_strict_json_parse(symbols, strlen(symbols), &limits, &json, NULL) != SP_OK) {
        sp_rest_fail(call, 400, REST_ILLEGAL_CHARS,
                     "Illegal characters found in parameter 'symbols'.");
        return;
    }
    const struct sp_strict_node *root = sp_strict_json_root(json);
    uint32_t count = sp_strict_count(root), most = call->rest->exchange->world->instrument_count;
    if (sp_strict_kind_of(root) != SP_STRICT_LIST) {
        sp_rest_fail(call, 400, REST_ILLEGAL_CHARS,
                     "Illegal characters found in parameter 'symbols'.");
    } else if (count > most) { /* more than there are: some of them twice */
        sp_rest_fail(call, 400, REST_TOO_MANY_PARAMS,
                     "Too many parameters; expected '%u' and received '%u'.", most, count);
    }
    const struct sp_strict_node *node = sp_strict_first(root);
    for (; node != NULL && !call->failed; node = sp_strict_next(node)) {
        const char *symbol = "";
        int instrument =
            sp_strict_string(node, &symbol) == SP_OK ? sp_rest_symbol(call, symbol) : -1;
        if (instrument < 0) {
            sp_rest_fail(call, 400, REST_BAD_SYMBOL, "Invalid symbol.");
        } else {
            put(call, instrument);
        }
    }
    sp_strict_json_free(json);
}

/* A list, unless one symbol was named. */
static void put_chosen(struct sp_rest_call *call, put_fn *put)
{
    const char *symbols = sp_rest_param(call->params, "symbols");

    if (sp_rest_param(call->params, "symbol") != NULL) {
        int instrument = sp_rest_instrument(call);
        if (instrument >= 0) put(call, instrument);
        return;
    }
    sp_jtext_begin(call->body, '[');
    if (symbols != NULL) {
        put_some(call, symbols, put);
    } else {
        for (uint32_t i = 0; i < call->rest->exchange->world->instrument_count; i++)
            put(call, (int)i);
    }
    if (!call->failed) sp_jtext_end(call->body, ']');
}

static void put_info(struct sp_rest_call *call, int instrument)
{
    const struct sp_exchange *x = call->rest->exchange;

    put_symbol(call->body, &x->match[instrument].instrument, &x->rules[instrument],
               x->status[instrument]);
}

void sp_rest_exchange_info(struct sp_rest_call *call)
{
    struct sp_json_text *json = call->body;
    const char *symbols = sp_rest_param(call->params, "symbols");

    sp_jtext_begin(json, '{');
    sp_jtext_put_string(json, "timezone", "UTC");
    sp_jtext_put_ms(json, "serverTime", call->now);
    sp_jtext_key(json, "rateLimits");
    sp_jtext_begin(json, '[');
    put_rate_limit(json, "REQUEST_WEIGHT", "MINUTE", 1, call->rest->limits.weight.max);
    put_rate_limit(json, "ORDERS", "SECOND", 10, call->rest->limits.orders_10s[0].max);
    put_rate_limit(json, "ORDERS", "DAY", 1, call->rest->limits.orders_day[0].max);
    put_rate_limit(json, "RAW_REQUESTS", "MINUTE", 5, call->rest->limits.raw.max);
    sp_jtext_end(json, ']');
    sp_jtext_key(json, "exchangeFilters");
    sp_jtext_raw(json, "[]");
    sp_jtext_key(json, "symbols");
    sp_jtext_begin(json, '[');
    if (sp_rest_param(call->params, "symbol") != NULL) {
        int instrument = sp_rest_instrument(call);
        if (instrument >= 0) put_info(call, instrument);
    } else if (symbols != NULL) {
        put_some(call, symbols, put_info);
    } else {
        for (uint32_t i = 0; i < call->rest->exchange->world->instrument_count; i++)
            put_info(call, (int)i);
    }
    if (call->failed) return;
    sp_jtext_end(json, ']');
    sp_jtext_end(json, '}');
}

/* ---- Book and trades ---- */

static void put_levels(struct sp_json_text *json, const struct sp_seen *seen, enum sp_side side,
                       int64_t limit)
{
    struct sp_level level;
    uint32_t cursor = 0;

    sp_jtext_begin(json, '[');
    for (int64_t i = 0; i < limit && sp_seen_next(seen, side, &cursor, &level); i++) {
        sp_jtext_begin(json, '[');
        sp_jtext_e8(json, level.px.e8);
        sp_jtext_e8(json, level.qty.e8);
        sp_jtext_end(json, ']');
    }
    sp_jtext_end(json, ']');
}

/* The public book, which the depth stream's changes continue. */
static void put_book(struct sp_json_text *json, const struct sp_seen *seen, enum sp_side side,
                     int64_t limit)
{
    uint32_t count = sp_book_count(&seen->sync.book, side);

    sp_jtext_begin(json, '[');
    for (uint32_t i = 0; i < count && i < limit; i++) {
        struct sp_level level = sp_book_at(&seen->sync.book, side, i);
        sp_jtext_begin(json, '[');
        sp_jtext_e8(json, level.px.e8);
        sp_jtext_e8(json, level.qty.e8);
        sp_jtext_end(json, ']');
    }
    sp_jtext_end(json, ']');
}

void sp_rest_depth(struct sp_rest_call *call)
{
    int instrument = sp_rest_instrument(call);
    int64_t limit = 0;

    if (instrument < 0 || !sp_rest_number(call, "limit", 100, &limit)) return;
    if (limit > LEVELS_MAX) limit = LEVELS_MAX;
    const struct sp_seen *seen = &call->rest->exchange->match[instrument].seen;
    bool has_book = seen->sync.state == SP_SYNC_SYNCED;
    sp_jtext_begin(call->body, '{');
    sp_jtext_put_int(call->body, "lastUpdateId", (int64_t)seen->sync.book.last_update_id);
    sp_jtext_key(call->body, "bids");
    (has_book ? put_book : put_levels)(call->body, seen, SP_SIDE_BUY, limit);
    sp_jtext_key(call->body, "asks");
    (has_book ? put_book : put_levels)(call->body, seen, SP_SIDE_SELL, limit);
    sp_jtext_end(call->body, '}');
}

/* Newest `limit` trades, or from "fromId" on; oldest first. */
static void put_trades(struct sp_rest_call *call,
                       void (*put)(struct sp_json_text *, const struct sp_view_trade *))
{
    int instrument = sp_rest_instrument(call);
    int64_t limit = 0, from_id = 0, from_ms = 0, until_ms = 0, given = 0;

    if (instrument < 0 || !sp_rest_number(call, "limit", 500, &limit) ||
        !sp_rest_number(call, "fromId", 0, &from_id) ||
        !sp_rest_number(call, "startTime", 0, &from_ms) ||
        !sp_rest_number(call, "endTime", INT64_MAX, &until_ms)) {
        return;
    }
    const struct sp_market_view *view = view_of(call, instrument);
    uint32_t held = sp_market_view_trades(view);
    bool from_oldest = from_id > 0 || from_ms > 0;
    uint32_t first = from_oldest || limit > held ? held : (uint32_t)limit;
    sp_jtext_begin(call->body, '[');
    for (uint32_t back = first; back > 0 && given < limit; back--) {
        const struct sp_view_trade *trade = sp_market_view_back(view, back - 1);
        int64_t time_ms = trade->time.ns / 1000000;
        if (trade->id < (uint64_t)from_id || time_ms < from_ms || time_ms > until_ms) continue;
        put(call->body, trade);
        given++;
    }
    sp_jtext_end(call->body, ']');
}

static void put_trade(struct sp_json_text *json, const struct sp_view_trade *trade)
{
    sp_amt value = {0};

    SP_ASSERT(sp_px_times_qty(trade->px, trade->qty, &value)); /* the view took it */
    sp_jtext_begin(json, '{');
    sp_jtext_put_int(json, "id", (int64_t)trade->id);
    sp_jtext_put_e8(json, "price", trade->px.e8);
    sp_jtext_put_e8(json, "qty", trade->qty.e8);
    sp_jtext_put_e8(json, "quoteQty", value.e8);
    sp_jtext_put_ms(json, "time", trade->time);
    sp_jtext_put_bool(json, "isBuyerMaker", trade->buyer_is_maker);
    sp_jtext_put_bool(json, "isBestMatch", true);
    sp_jtext_end(json, '}');
}

void sp_rest_trades(struct sp_rest_call *call)
{
    put_trades(call, put_trade);
}

/* Each trade is its own aggregate: the stream does not say which belong to one order. */
static void put_aggregate(struct sp_json_text *json, const struct sp_view_trade *trade)
{
    sp_jtext_begin(json, '{');
    sp_jtext_put_int(json, "a", (int64_t)trade->id);
    sp_jtext_put_e8(json, "p", trade->px.e8);
    sp_jtext_put_e8(json, "q", trade->qty.e8);
    sp_jtext_put_int(json, "f", (int64_t)trade->id);
    sp_jtext_put_int(json, "l", (int64_t)trade->id);
    sp_jtext_put_ms(json, "T", trade->time);
    sp_jtext_put_bool(json, "m", trade->buyer_is_maker);
    sp_jtext_put_bool(json, "M", true);
    sp_jtext_end(json, '}');
}

void sp_rest_agg_trades(struct sp_rest_call *call)
{
    put_trades(call, put_aggregate);
}

/* ---- Candles and tickers ---- */

static void put_candle(void *ctx, const struct sp_candle *candle)
{
    struct sp_json_text *json = ctx;

    sp_jtext_begin(json, '[');
    sp_jtext_int(json, candle->open_ms);
    sp_jtext_e8(json, candle->open.e8);
    sp_jtext_e8(json, candle->high.e8);
    sp_jtext_e8(json, candle->low.e8);
    sp_jtext_e8(json, candle->close.e8);
    sp_jtext_e8(json, candle->volume.e8);
    sp_jtext_int(json, candle->open_ms + candle->interval_ms - 1);
    sp_jtext_e8(json, candle->quote.e8);
    sp_jtext_int(json, candle->trades);
    sp_jtext_e8(json, candle->taker_base.e8);
    sp_jtext_e8(json, candle->taker_quote.e8);
    sp_jtext_string(json, "0");
    sp_jtext_end(json, ']');
}

void sp_rest_klines(struct sp_rest_call *call)
{
    int instrument = sp_rest_instrument(call);
    const char *interval = sp_rest_need(call, "interval");
    struct sp_candle_query query = {.interval_ms = interval ? sp_candle_interval(interval) : 0};
    int64_t limit = 0;

    if (call->failed || instrument < 0) return;
    if (query.interval_ms == 0) {
        sp_rest_fail(call, 400, REST_BAD_INTERVAL, "Invalid interval.");
        return;
    }
    if (!sp_rest_number(call, "limit", 500, &limit) ||
        !sp_rest_number(call, "startTime", 0, &query.from_ms) ||
        !sp_rest_number(call, "endTime", INT64_MAX, &query.until_ms)) {
        return;
    }
    query.max = limit < 1000 ? (uint32_t)limit : 1000;
    query.from_oldest = sp_rest_param(call->params, "startTime") != NULL;
    sp_jtext_begin(call->body, '[');
    sp_market_view_candles(view_of(call, instrument), &query, put_candle, call->body);
    sp_jtext_end(call->body, ']');
}

void sp_rest_avg_price(struct sp_rest_call *call)
{
    int instrument = sp_rest_instrument(call);

    if (instrument < 0) return;
    const struct sp_match *match = &call->rest->exchange->match[instrument];
    sp_jtext_begin(call->body, '{');
    sp_jtext_put_int(call->body, "mins", 0); /* the last price */
    sp_jtext_put_e8(call->body, "price", match->last_px.e8);
    sp_jtext_put_ms(call->body, "closeTime", call->rest->exchange->time);
    sp_jtext_end(call->body, '}');
}

static void put_price(struct sp_rest_call *call, int instrument)
{
    const struct sp_match *match = &call->rest->exchange->match[instrument];

    sp_jtext_begin(call->body, '{');
    sp_jtext_put_string(call->body, "symbol", match->instrument.symbol.s);
    sp_jtext_put_e8(call->body, "price", match->last_px.e8);
    sp_jtext_end(call->body, '}');
}

void sp_rest_ticker_price(struct sp_rest_call *call)
{
    put_chosen(call, put_price);
}

static void put_touch(struct sp_rest_call *call, int instrument)
{
    const struct sp_match *match = &call->rest->exchange->match[instrument];
    struct sp_level bid = {0}, ask = {0};

    SP_IGNORE(!sp_seen_best(&match->seen, SP_SIDE_BUY, &bid)); /* zeros say that there is none */
    SP_IGNORE(!sp_seen_best(&match->seen, SP_SIDE_SELL, &ask));
    sp_jtext_put_e8(call->body, "bidPrice", bid.px.e8);
    sp_jtext_put_e8(call->body, "bidQty", bid.qty.e8);
    sp_jtext_put_e8(call->body, "askPrice", ask.px.e8);
    sp_jtext_put_e8(call->body, "askQty", ask.qty.e8);
}

static void put_book_ticker(struct sp_rest_call *call, int instrument)
{
    sp_jtext_begin(call->body, '{');
    sp_jtext_put_string(call->body, "symbol",
                        call->rest->exchange->match[instrument].instrument.symbol.s);
    put_touch(call, instrument);
    sp_jtext_end(call->body, '}');
}

void sp_rest_ticker_book(struct sp_rest_call *call)
{
    put_chosen(call, put_book_ticker);
}

static void put_day(struct sp_rest_call *call, int instrument)
{
    struct sp_json_text *json = call->body;
    struct sp_candle day;
    sp_ratio average = {0}, change = {0};

    bool traded = sp_market_view_day(view_of(call, instrument), &day);
    if (traded) {
        sp_amt moved = {day.close.e8 - day.open.e8};
        SP_IGNORE(!sp_amt_div_amt(day.quote, (sp_amt){day.volume.e8}, &average)); /* 0: no figure */
        SP_IGNORE(!sp_amt_div_amt(moved, (sp_amt){day.open.e8}, &change));
    }
    sp_jtext_begin(json, '{');
    sp_jtext_put_string(json, "symbol",
                        call->rest->exchange->match[instrument].instrument.symbol.s);
    sp_jtext_put_e8(json, "priceChange", day.close.e8 - day.open.e8);
    sp_jtext_put_e8(json, "priceChangePercent", 100 * change.e8);
    sp_jtext_put_e8(json, "weightedAvgPrice", average.e8);
    sp_jtext_put_e8(json, "prevClosePrice", day.open.e8);
    sp_jtext_put_e8(json, "lastPrice", day.close.e8);
    sp_jtext_put_e8(json, "lastQty",
                    traded ? sp_market_view_back(view_of(call, instrument), 0)->qty.e8 : 0);
    put_touch(call, instrument);
    sp_jtext_put_e8(json, "openPrice", day.open.e8);
    sp_jtext_put_e8(json, "highPrice", day.high.e8);
    sp_jtext_put_e8(json, "lowPrice", day.low.e8);
    sp_jtext_put_e8(json, "volume", day.volume.e8);
    sp_jtext_put_e8(json, "quoteVolume", day.quote.e8);
    sp_jtext_put_int(json, "openTime", day.open_ms);
    sp_jtext_put_int(json, "closeTime", day.open_ms + day.interval_ms);
    sp_jtext_put_int(json, "firstId", traded ? (int64_t)day.first_id : -1);
    sp_jtext_put_int(json, "lastId", traded ? (int64_t)day.last_id : -1);
    sp_jtext_put_int(json, "count", day.trades);
    sp_jtext_end(json, '}');
}

void sp_rest_ticker_day(struct sp_rest_call *call)
{
    put_chosen(call, put_day);
}
