#include "services/venue/user_data.h"

const char *sp_user_data_status(enum sp_order_state state)
{
    static const char *const names[SP_ORDER_STATE_COUNT] = {
        [SP_ORDER_STATE_PARTIALLY_FILLED] = "PARTIALLY_FILLED",
        [SP_ORDER_STATE_FILLED] = "FILLED",
        [SP_ORDER_STATE_CANCELED] = "CANCELED",
        [SP_ORDER_STATE_EXPIRED] = "EXPIRED",
        [SP_ORDER_STATE_REJECTED] = "REJECTED",
    };

    return names[state] != NULL ? names[state] : "NEW";
}

static void put_order(struct sp_json_text *json, const struct sp_venue_change *change)
{
    const struct sp_venue_order_row *order = &change->order;
    bool canceled = change->cancel_id.s[0] != '\0'; /* such a request has an id of its own */
    bool is_limit = order->type == SP_ORDER_TYPE_LIMIT;

    sp_jtext_put_string(json, "c", canceled ? change->cancel_id.s : order->client_order_id.s);
    sp_jtext_put_string(json, "S", sp_enum_name(SP_ENUM_SIDE, (uint8_t)order->side));
    sp_jtext_put_string(json, "o", sp_enum_name(SP_ENUM_ORDER_TYPE, (uint8_t)order->type));
    sp_jtext_put_string(json, "f",
                        is_limit ? sp_enum_name(SP_ENUM_TIF, (uint8_t)order->tif) : "GTC");
    sp_jtext_put_e8(json, "q", order->qty.e8);
    sp_jtext_put_e8(json, "p", order->px.e8);
    sp_jtext_put_e8(json, "P", order->stop_px.e8);
    sp_jtext_put_e8(json, "F", 0);
    sp_jtext_put_int(json, "g", order->pair_no != 0 ? (int64_t)order->pair_no : -1);
    sp_jtext_put_string(json, "C", canceled ? order->client_order_id.s : "");
}

static const char *execution_of(const struct sp_venue_change *change)
{
    const char *status = sp_user_data_status(change->order.state);

    return change->fill.trade_no != 0 ? "TRADE" : status;
}

void sp_user_data_report(struct sp_json_text *out, const struct sp_exchange *x,
                         const struct sp_venue_change *change, uint64_t execution_id, sp_wall now)
{
    const struct sp_venue_order_row *order = &change->order;
    const struct sp_venue_fill_row *fill = &change->fill;
    const struct sp_instrument_config *instrument = &x->world->instruments[order->instrument];
    bool filled = fill->trade_no != 0;
    sp_amt value = {0};

    if (filled) SP_ASSERT(sp_px_times_qty(fill->px, fill->qty, &value)); /* it was booked */
    sp_json_text_clear(out);
    sp_jtext_begin(out, '{');
    sp_jtext_put_string(out, "e", "executionReport");
    sp_jtext_put_ms(out, "E", now);
    sp_jtext_put_string(out, "s", instrument->symbol.s);
    put_order(out, change);
    sp_jtext_put_string(out, "x", execution_of(change));
    sp_jtext_put_string(out, "X", sp_user_data_status(order->state));
    sp_jtext_put_string(out, "r", "NONE");
    sp_jtext_put_int(out, "i", (int64_t)order->order_no);
    sp_jtext_put_e8(out, "l", fill->qty.e8);
    sp_jtext_put_e8(out, "z", order->filled.e8);
    sp_jtext_put_e8(out, "L", fill->px.e8);
    sp_jtext_put_e8(out, "n", fill->fee.e8);
    sp_jtext_key(out, "N");
    if (filled) {
        sp_jtext_string(out, instrument->quote.s);
    } else {
        sp_jtext_raw(out, "null");
    }
    sp_jtext_put_ms(out, "T", order->updated);
    sp_jtext_put_int(out, "t", filled ? (int64_t)fill->trade_no : -1);
    sp_jtext_put_int(out, "I", (int64_t)execution_id);
    sp_jtext_put_bool(out, "w", order->state < SP_ORDER_STATE_FILLED);
    sp_jtext_put_bool(out, "m", filled && fill->liquidity == SP_LIQUIDITY_MAKER);
    sp_jtext_put_bool(out, "M", false);
    sp_jtext_put_ms(out, "O", order->created);
    sp_jtext_put_e8(out, "Z", order->quote_filled.e8);
    sp_jtext_put_e8(out, "Y", value.e8);
    sp_jtext_put_e8(out, "Q", order->quote_qty.e8);
    sp_jtext_put_ms(out, "W", order->created);
    sp_jtext_put_string(out, "V", "NONE");
    sp_jtext_end(out, '}');
}

static void put_balance(struct sp_json_text *out, struct sp_exchange *x, const sp_name *asset)
{
    sp_amt total = sp_exchange_balance(x, asset)->total;
    sp_amt locked = sp_exchange_locked(x, asset);

    sp_jtext_begin(out, '{');
    sp_jtext_put_string(out, "a", asset->s);
    sp_jtext_put_e8(out, "f", total.e8 - locked.e8);
    sp_jtext_put_e8(out, "l", locked.e8);
    sp_jtext_end(out, '}');
}

static void begin_position(struct sp_json_text *out, const struct sp_exchange *x, sp_wall now)
{
    sp_json_text_clear(out);
    sp_jtext_begin(out, '{');
    sp_jtext_put_string(out, "e", "outboundAccountPosition");
    sp_jtext_put_ms(out, "E", now);
    sp_jtext_put_ms(out, "u", x->time);
    sp_jtext_key(out, "B");
    sp_jtext_begin(out, '[');
}

void sp_user_data_position(struct sp_json_text *out, struct sp_exchange *x, uint32_t instrument,
                           sp_wall now)
{
    const struct sp_instrument_config *config = &x->world->instruments[instrument];

    begin_position(out, x, now);
    put_balance(out, x, &config->base);
    put_balance(out, x, &config->quote);
    sp_jtext_end(out, ']');
    sp_jtext_end(out, '}');
}

void sp_user_data_asset(struct sp_json_text *out, struct sp_exchange *x, const sp_name *asset,
                        sp_wall now)
{
    begin_position(out, x, now);
    put_balance(out, x, asset);
    sp_jtext_end(out, ']');
    sp_jtext_end(out, '}');
}

void sp_user_data_balance(struct sp_json_text *out, const sp_name *asset, sp_amt amount,
                          sp_wall now)
{
    sp_json_text_clear(out);
    sp_jtext_begin(out, '{');
    sp_jtext_put_string(out, "e", "balanceUpdate");
    sp_jtext_put_ms(out, "E", now);
    sp_jtext_put_string(out, "a", asset->s);
    sp_jtext_put_e8(out, "d", amount.e8);
    sp_jtext_put_ms(out, "T", now);
    sp_jtext_end(out, '}');
}
