#include "services/venue/user_data.h"

const char *sp_user_data_status(const struct sp_venue_order_row *order)
{
    static const char *const names[SP_ORDER_STATE_COUNT] = {
        [SP_ORDER_STATE_PARTIALLY_FILLED] = "PARTIALLY_FILLED",
        [SP_ORDER_STATE_FILLED] = "FILLED",
        [SP_ORDER_STATE_CANCELED] = "CANCELED",
        [SP_ORDER_STATE_EXPIRED] = "EXPIRED",
        [SP_ORDER_STATE_REJECTED] = "REJECTED",
    };

    if (order->counter_no != 0) return "EXPIRED_IN_MATCH";
    return names[order->state] != NULL ? names[order->state] : "NEW";
}

const char *sp_user_data_tif(const struct sp_venue_order_row *order)
{
    bool has_tif = sp_order_type_has_limit(order->type) && order->type != SP_ORDER_TYPE_LIMIT_MAKER;

    return has_tif ? sp_enum_name(SP_ENUM_TIF, (uint8_t)order->tif) : "GTC";
}

static void put_order(struct sp_json_text *json, const struct sp_venue_change *change)
{
    const struct sp_venue_order_row *order = &change->order;
    bool canceled = change->cancel_id.s[0] != '\0'; /* such a request has an id of its own */

    sp_jtext_put_string(json, "c", canceled ? change->cancel_id.s : order->client_order_id.s);
    sp_jtext_put_string(json, "S", sp_enum_name(SP_ENUM_SIDE, (uint8_t)order->side));
    sp_jtext_put_string(json, "o", sp_enum_name(SP_ENUM_ORDER_TYPE, (uint8_t)order->type));
    sp_jtext_put_string(json, "f", sp_user_data_tif(order));
    sp_jtext_put_e8(json, "q", order->qty.e8);
    sp_jtext_put_e8(json, "p", order->px.e8);
    sp_jtext_put_e8(json, "P", order->stop_px.e8);
    sp_jtext_put_e8(json, "F", 0);
    sp_jtext_put_int(json, "g", order->list_no != 0 ? (int64_t)order->list_no : -1);
    sp_jtext_put_string(json, "C", canceled ? order->client_order_id.s : "");
}

static const char *execution_of(const struct sp_venue_change *change)
{
    if (change->fill.trade_no != 0) return "TRADE";
    if (change->order.counter_no != 0) return "TRADE_PREVENTION";
    if (change->is_triggered) return "NEW";
    return sp_user_data_status(&change->order);
}

/* Of an order that ended because it met another of its owner's. */
static void put_prevented(struct sp_json_text *out, const struct sp_exchange *x,
                          const struct sp_venue_order_row *order, uint64_t execution_id)
{
    int64_t left_e8 = order->qty.e8 - order->filled.e8;

    sp_jtext_put_int(out, "v", (int64_t)execution_id);
    sp_jtext_put_e8(out, "A", left_e8);
    sp_jtext_put_e8(out, "B", left_e8);
    sp_jtext_put_int(out, "u", (int64_t)execution_id);
    sp_jtext_put_int(out, "U", (int64_t)order->counter_no);
    sp_jtext_put_string(out, "Cs", x->world->instruments[order->instrument].symbol.s);
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
    sp_jtext_put_string(out, "X", sp_user_data_status(order));
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
    sp_jtext_put_bool(out, "w", order->state < SP_ORDER_STATE_FILLED && order->working.ns != 0);
    sp_jtext_put_bool(out, "m", filled && fill->liquidity == SP_LIQUIDITY_MAKER);
    sp_jtext_put_bool(out, "M", false);
    sp_jtext_put_ms(out, "O", order->created);
    sp_jtext_put_e8(out, "Z", order->quote_filled.e8);
    sp_jtext_put_e8(out, "Y", value.e8);
    sp_jtext_put_e8(out, "Q", order->quote_qty.e8);
    if (order->working.ns != 0) sp_jtext_put_ms(out, "W", order->working);
    sp_jtext_put_string(out, "V", sp_venue_stp_name(order->stp));
    if (order->counter_no != 0) put_prevented(out, x, order, execution_id);
    sp_jtext_end(out, '}');
}

static void put_balance(struct sp_json_text *out, struct sp_exchange *x, uint32_t account,
                        const sp_name *asset)
{
    sp_amt total = sp_exchange_balance(x, account, asset)->total;
    sp_amt locked = sp_exchange_locked(x, account, asset);

    sp_jtext_begin(out, '{');
    sp_jtext_put_string(out, "a", asset->s);
    sp_jtext_put_e8(out, "f", total.e8 - locked.e8);
    sp_jtext_put_e8(out, "l", locked.e8);
    sp_jtext_end(out, '}');
}

void sp_user_data_position(struct sp_json_text *out, struct sp_exchange *x, uint32_t account,
                           const sp_name *first, const sp_name *second, sp_wall now)
{
    sp_json_text_clear(out);
    sp_jtext_begin(out, '{');
    sp_jtext_put_string(out, "e", "outboundAccountPosition");
    sp_jtext_put_ms(out, "E", now);
    sp_jtext_put_ms(out, "u", x->time);
    sp_jtext_key(out, "B");
    sp_jtext_begin(out, '[');
    put_balance(out, x, account, first);
    if (second != NULL) put_balance(out, x, account, second);
    sp_jtext_end(out, ']');
    sp_jtext_end(out, '}');
}

static void put_leg(struct sp_json_text *out, const char *symbol, uint64_t order_no,
                    const sp_name *client_id)
{
    sp_jtext_begin(out, '{');
    sp_jtext_put_string(out, "s", symbol);
    sp_jtext_put_int(out, "i", (int64_t)order_no);
    sp_jtext_put_string(out, "c", client_id->s);
    sp_jtext_end(out, '}');
}

void sp_user_data_list(struct sp_json_text *out, const struct sp_exchange *x,
                       const struct sp_venue_order_row *leg, bool is_done, sp_wall now)
{
    const char *symbol = x->world->instruments[leg->instrument].symbol.s;

    sp_json_text_clear(out);
    sp_jtext_begin(out, '{');
    sp_jtext_put_string(out, "e", "listStatus");
    sp_jtext_put_ms(out, "E", now);
    sp_jtext_put_string(out, "s", symbol);
    sp_jtext_put_int(out, "g", (int64_t)leg->list_no);
    sp_jtext_put_string(out, "c", "OCO");
    sp_jtext_put_string(out, "l", is_done ? "ALL_DONE" : "EXEC_STARTED");
    sp_jtext_put_string(out, "L", is_done ? "ALL_DONE" : "EXECUTING");
    sp_jtext_put_string(out, "r", "NONE");
    sp_jtext_put_string(out, "C", leg->list_client_id.s);
    sp_jtext_put_ms(out, "T", leg->updated);
    sp_jtext_key(out, "O");
    sp_jtext_begin(out, '[');
    put_leg(out, symbol, leg->order_no, &leg->client_order_id);
    put_leg(out, symbol, leg->pair_no, &leg->pair_client_order_id);
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
