#include "services/venue/rest_request.h"

#include "services/venue/rules.h"

#include <stdio.h>
#include <string.h>

/* ---- Words ---- */

SP_NODISCARD static bool take_word(struct sp_rest_call *call, const char *name,
                                   enum sp_enum enum_id, uint8_t *out)
{
    static const struct {
        enum sp_enum enum_id;
        int code;
        const char *text;
    } errors[] = {{SP_ENUM_SIDE, REST_BAD_SIDE, "Invalid side."},
                  {SP_ENUM_ORDER_TYPE, REST_BAD_TYPE, "Invalid orderType."},
                  {SP_ENUM_TIF, REST_BAD_TIF, "Invalid timeInForce."}};
    const char *word = sp_rest_need(call, name);

    if (word == NULL) return false;
    if (sp_enum_parse(enum_id, word, strlen(word), out) && *out != 0) return true;
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        if (errors[i].enum_id == enum_id)
            sp_rest_fail(call, 400, errors[i].code, "%s", errors[i].text);
    }
    return false;
}

bool sp_rest_read_side(struct sp_rest_call *call, enum sp_side *out)
{
    uint8_t side = 0;

    if (!take_word(call, "side", SP_ENUM_SIDE, &side)) return false;
    *out = (enum sp_side)side;
    return true;
}

bool sp_rest_read_stp(struct sp_rest_call *call, enum sp_match_stp *out)
{
    static const char name[] = "selfTradePreventionMode";

    if (sp_venue_stp_parse(sp_rest_param(call->params, name), out)) return true;
    sp_rest_fail(call, 400, REST_ILLEGAL_CHARS, "Invalid %s.", name);
    return false;
}

bool sp_rest_read_id(struct sp_rest_call *call, const char *name, const char *prefix,
                     uint64_t number, sp_name *out)
{
    const char *id = sp_rest_param(call->params, name);
    char own[SP_NAME_SIZE];

    if (id == NULL) {
        snprintf(own, sizeof own, "%s%llu", prefix, (unsigned long long)number);
        return sp_name_set(out, own);
    }
    size_t len = strlen(id);
    if (len >= 1 && len <= SP_REST_CLIENT_ID_MAX && sp_name_set(out, id)) return true;
    sp_rest_fail(call, 400, REST_ILLEGAL_CHARS,
                 "Illegal characters found in parameter '%s'; legal range is "
                 "'^[a-zA-Z0-9-_.]{1,36}$'.",
                 name);
    return false;
}

void sp_rest_refuse_extra(struct sp_rest_call *call, const char *name)
{
    if (sp_rest_param(call->params, name) == NULL) return;
    sp_rest_fail(call, 400, REST_NOT_READ, "Parameter '%s' sent when not required.", name);
}

/* ---- Legs ---- */

static void want(struct sp_rest_call *call, const char *name, bool is_wanted)
{
    if (is_wanted) {
        SP_IGNORE(sp_rest_need(call, name) == NULL); /* the error is in the answer */
    } else {
        sp_rest_refuse_extra(call, name);
    }
}

bool sp_rest_read_leg(struct sp_rest_call *call, const struct sp_rest_leg_names *names,
                      uint64_t number, struct sp_venue_leg *out)
{
    uint8_t type = 0, tif = SP_TIF_GTC;

    *out = (struct sp_venue_leg){0};
    if (!take_word(call, names->type, SP_ENUM_ORDER_TYPE, &type)) return false;
    out->type = (enum sp_order_type)type;
    bool has_limit = sp_order_type_has_limit(out->type);
    bool has_tif = has_limit && out->type != SP_ORDER_TYPE_LIMIT_MAKER;
    want(call, names->price, has_limit);
    want(call, names->stop, sp_order_type_waits(out->type));
    if (!has_tif) sp_rest_refuse_extra(call, names->tif);
    if (call->failed || (has_tif && !take_word(call, names->tif, SP_ENUM_TIF, &tif))) return false;
    out->tif = out->type == SP_ORDER_TYPE_MARKET ? SP_TIF_IOC : (enum sp_tif)tif;
    return sp_rest_decimal(call, names->price, &out->px.e8) &&
           sp_rest_decimal(call, names->stop, &out->stop_px.e8) &&
           sp_rest_read_id(call, names->id, "x-venue-", number, &out->client_order_id);
}

bool sp_rest_check_rules(struct sp_rest_call *call, const struct sp_venue_request *request)
{
    const struct sp_exchange *x = call->rest->exchange;
    const char *broken = NULL;

    for (uint32_t i = 0; i < request->leg_count && broken == NULL; i++)
        broken = sp_rules_broken(x, request, i);
    if (broken == NULL) broken = sp_rules_broken_by_count(x, request);
    if (broken != NULL) sp_rest_fail(call, 400, REST_FILTER, "Filter failure: %s", broken);
    return !call->failed;
}

/* By quantity, or at market by what it shall cost or yield. */
SP_NODISCARD static bool read_quantity(struct sp_rest_call *call, struct sp_venue_request *out)
{
    bool by_value = sp_rest_param(call->params, "quoteOrderQty") != NULL;
    bool at_market = out->legs[0].type == SP_ORDER_TYPE_MARKET;

    if (at_market && !by_value && sp_rest_param(call->params, "quantity") == NULL) {
        sp_rest_fail(call, 400, REST_MISSING,
                     "Param 'quantity' or 'quoteOrderQty' must be sent, but both were "
                     "empty/null!");
        return false;
    }
    if (!at_market) sp_rest_refuse_extra(call, "quoteOrderQty");
    want(call, "quantity", !at_market || !by_value);
    if (call->failed || !sp_rest_decimal(call, "quantity", &out->qty.e8) ||
        !sp_rest_decimal(call, "quoteOrderQty", &out->quote_qty.e8)) {
        return false;
    }
    if (by_value) {
        out->qty = sp_exchange_qty_for(call->rest->exchange, (int)out->instrument, out->side,
                                       out->quote_qty);
    }
    return true;
}

bool sp_rest_read_order(struct sp_rest_call *call, struct sp_venue_request *out)
{
    static const struct sp_rest_leg_names names = {"type", "newClientOrderId", "price", "stopPrice",
                                                   "timeInForce"};
    int instrument = sp_rest_instrument(call);
    uint64_t number = call->rest->exchange->last_order_no + 1;

    if (instrument < 0) return false;
    *out = (struct sp_venue_request){.account = call->account,
                                     .instrument = (uint32_t)instrument,
                                     .leg_count = 1};
    sp_rest_refuse_extra(call, "icebergQty");
    sp_rest_refuse_extra(call, "trailingDelta");
    return !call->failed && sp_rest_read_side(call, &out->side) &&
           sp_rest_read_leg(call, &names, number, &out->legs[0]) && read_quantity(call, out) &&
           sp_rest_read_stp(call, &out->stp) && sp_rest_check_rules(call, out);
}

const char *sp_rest_refusal(sp_status status, const struct sp_err *err)
{
    if (status == SP_EXISTS) return "Duplicate order sent.";
    if (strncmp(err->text, "insufficient", 12) == 0) {
        return "Account has insufficient balance for requested action.";
    }
    return err->text;
}

/* ---- Orders that are there ---- */

bool sp_rest_read_ids(struct sp_rest_call *call, const struct sp_rest_order_names *names,
                      int64_t *order_no, sp_name *client_id)
{
    const char *id = sp_rest_param(call->params, names->client_id);

    *client_id = (sp_name){{0}};
    if (!sp_rest_number(call, names->order_id, 0, order_no)) return false;
    if (id == NULL && *order_no == 0) {
        sp_rest_fail(call, 400, REST_MISSING,
                     "Param '%s' or '%s' must be sent, but both were empty/null!", names->client_id,
                     names->order_id);
        return false;
    }
    if (id == NULL || sp_name_set(client_id, id)) return true;
    *client_id = (sp_name){"?"}; /* an id that no order can have: no name has this sign */
    return true;
}

static const struct sp_venue_order_row *open_row(const struct sp_rest_call *call, int instrument,
                                                 int64_t order_no, const sp_name *client_id)
{
    const struct sp_exchange *x = call->rest->exchange;
    const struct sp_venue_order_row *row =
        order_no != 0 ? sp_exchange_order(x, (uint64_t)order_no)
                      : sp_exchange_open_order(x, call->account, client_id);
    bool ours = row != NULL && row->account == call->account;

    return ours && row->instrument == (uint32_t)instrument ? row : NULL;
}

/* "cancelRestrictions". */
SP_NODISCARD static bool may_cancel(struct sp_rest_call *call, const struct sp_venue_order_row *row)
{
    const char *only = sp_rest_param(call->params, "cancelRestrictions");
    bool is_new = row->filled.e8 == 0;

    if (only == NULL) return true;
    if (strcmp(only, "ONLY_NEW") != 0 && strcmp(only, "ONLY_PARTIALLY_FILLED") != 0) {
        sp_rest_fail(call, 400, REST_BAD_RESTRICTION, "Invalid cancelRestrictions.");
        return false;
    }
    if (is_new == (strcmp(only, "ONLY_NEW") == 0)) return true;
    sp_rest_fail(call, 400, REST_CANCEL_REFUSED,
                 "Order was not canceled due to cancel restrictions.");
    return false;
}

const struct sp_venue_order_row *sp_rest_find_open(struct sp_rest_call *call,
                                                   const struct sp_rest_order_names *names)
{
    int instrument = sp_rest_instrument(call);
    int64_t order_no = 0;
    sp_name client_id;

    if (instrument < 0 || !sp_rest_read_ids(call, names, &order_no, &client_id)) return NULL;
    const struct sp_venue_order_row *row = open_row(call, instrument, order_no, &client_id);
    if (row == NULL) {
        sp_rest_fail(call, 400, REST_CANCEL_REFUSED, "Unknown order sent.");
        return NULL;
    }
    if (client_id.s[0] != '\0' && !sp_name_eq(&client_id, &row->client_order_id)) {
        sp_rest_fail(call, 400, REST_IDS_DISAGREE,
                     "Client order ID is not correct for this order ID");
        return NULL;
    }
    return may_cancel(call, row) ? row : NULL;
}
