/* Orders: placing, cancelling, and one in place of another. */
#include "services/venue/rest_request.h"
#include "services/venue/rest_rows.h"

#include <stdio.h>
#include <string.h>

static const struct sp_rest_order_names by_order = {"orderId", "origClientOrderId"};

/* ---- Placing ---- */

void sp_rest_place(struct sp_rest_call *call)
{
    struct sp_venue_request request;
    struct sp_venue_placed placed = {0};
    struct sp_err err = {0};

    if (!sp_rest_read_order(call, &request)) return;
    sp_status status =
        sp_exchange_place(call->rest->exchange, &request, call->changes, &placed, &err);
    if (status != SP_OK) {
        sp_rest_fail(call, 400, REST_ORDER_REFUSED, "%s", sp_rest_refusal(status, &err));
        return;
    }
    const struct sp_venue_order_row *row = sp_rest_last_row(call, placed.order_no);
    SP_ASSERT(row != NULL); /* it was taken */
    sp_rest_put_placed(call, row);
}

void sp_rest_place_test(struct sp_rest_call *call)
{
    struct sp_venue_request request;

    if (sp_rest_read_order(call, &request)) sp_jtext_raw(call->body, "{}");
}

/* ---- Cancelling ---- */

void sp_rest_cancel(struct sp_rest_call *call)
{
    const struct sp_venue_order_row *row = sp_rest_find_open(call, &by_order);
    sp_name cancel_id;
    struct sp_err err = {0};

    if (row == NULL) return;
    uint64_t order_no = row->order_no;
    if (!sp_rest_read_id(call, "newClientOrderId", "x-cancel-", order_no, &cancel_id)) return;
    if (sp_exchange_cancel(call->rest->exchange, order_no, &cancel_id, call->changes, &err) !=
        SP_OK) {
        sp_rest_fail(call, 400, REST_CANCEL_REFUSED, "%s", err.text);
        return;
    }
    row = sp_rest_last_row(call, order_no);
    SP_ASSERT(row != NULL); /* it was cancelled */
    sp_rest_put_canceled(call, row, cancel_id.s);
}

/* One after the other; the changes of all of them are stored together. */
void sp_rest_cancel_all(struct sp_rest_call *call)
{
    struct sp_exchange *x = call->rest->exchange;
    int instrument = sp_rest_instrument(call);
    struct sp_venue_changes *all = &call->rest->all;
    const sp_name cancel_id = {"x-cancel-all"};

    if (instrument < 0) return;
    all->count = 0;
    sp_jtext_begin(call->body, '[');
    for (uint32_t i = 0; i < x->open_count && all->count + 2 <= SP_VENUE_CHANGES_MAX;) {
        const struct sp_venue_order_row *row = &x->open[i];
        bool ours = row->instrument == (uint32_t)instrument && row->account == call->account;
        if (!ours ||
            sp_exchange_cancel(x, row->order_no, &cancel_id, call->changes, NULL) != SP_OK) {
            i++;
            continue;
        }
        for (uint32_t k = 0; k < call->changes->count; k++) {
            sp_rest_put_canceled(call, &call->changes->at[k].order, cancel_id.s);
            all->at[all->count++] = call->changes->at[k];
        }
        i = 0; /* a pair takes two out */
    }
    *call->changes = *all;
    if (all->count == 0) {
        sp_rest_fail(call, 400, REST_CANCEL_REFUSED, "Unknown order sent.");
        return;
    }
    sp_jtext_end(call->body, ']');
}

/* ---- One in place of another ---- */

/* What became of one of the two: an order, or the error that its own request would have got. */
struct part {
    bool is_done, is_tried;
    uint64_t order_no;
    int code;
    char text[512];
};

static void fail_part(struct part *part, int code, const char *text)
{
    part->code = code;
    snprintf(part->text, sizeof part->text, "%s", text);
}

static void put_part(struct sp_rest_call *call, const char *key, const struct part *part)
{
    struct sp_json_text *json = call->body;

    sp_jtext_key(json, key);
    if (!part->is_tried) {
        sp_jtext_raw(json, "null");
    } else if (!part->is_done) {
        sp_jtext_begin(json, '{');
        sp_jtext_put_int(json, "code", part->code);
        sp_jtext_put_string(json, "msg", part->text);
        sp_jtext_end(json, '}');
    }
}

static const char *result_of(const struct part *part)
{
    return !part->is_tried ? "NOT_ATTEMPTED" : part->is_done ? "SUCCESS" : "FAILURE";
}

static void put_replaced(struct sp_rest_call *call, const struct part *cancel,
                         const struct part *order, const sp_name *cancel_id)
{
    struct sp_json_text *json = call->body;

    sp_jtext_begin(json, '{');
    sp_jtext_put_string(json, "cancelResult", result_of(cancel));
    sp_jtext_put_string(json, "newOrderResult", result_of(order));
    put_part(call, "cancelResponse", cancel);
    if (cancel->is_done) {
        sp_rest_put_canceled(call, sp_rest_last_row(call, cancel->order_no), cancel_id->s);
    }
    put_part(call, "newOrderResponse", order);
    if (order->is_done) sp_rest_put_placed(call, sp_rest_last_row(call, order->order_no));
    sp_jtext_end(json, '}');
}

static void answer_replaced(struct sp_rest_call *call, const struct part *cancel,
                            const struct part *order, const sp_name *cancel_id)
{
    struct sp_json_text *json = call->body;
    bool in_part = cancel->is_done || order->is_done;

    if (cancel->is_done && order->is_done) {
        put_replaced(call, cancel, order, cancel_id);
        return;
    }
    call->failed = true;
    call->status = in_part ? 409 : 400;
    sp_json_text_clear(json);
    sp_jtext_begin(json, '{');
    sp_jtext_put_int(json, "code", in_part ? REST_REPLACED_IN_PART : REST_NOT_REPLACED);
    sp_jtext_put_string(json, "msg",
                        in_part ? "Order cancel-replace partially failed."
                                : "Order cancel-replace failed.");
    sp_jtext_key(json, "data");
    put_replaced(call, cancel, order, cancel_id);
    sp_jtext_end(json, '}');
}

/* False after an error: the words are wrong, or the order is meant by neither name. */
SP_NODISCARD static bool read_mode(struct sp_rest_call *call, bool *goes_on)
{
    const char *mode = sp_rest_need(call, "cancelReplaceMode");

    if (mode == NULL) return false;
    *goes_on = strcmp(mode, "ALLOW_FAILURE") == 0;
    if (*goes_on || strcmp(mode, "STOP_ON_FAILURE") == 0) return true;
    sp_rest_fail(call, 400, REST_ILLEGAL_CHARS, "Invalid cancelReplaceMode.");
    return false;
}

static void try_cancel(struct sp_rest_call *call, const sp_name *cancel_id, struct part *part)
{
    static const struct sp_rest_order_names names = {"cancelOrderId", "cancelOrigClientOrderId"};
    const struct sp_venue_order_row *row = sp_rest_find_open(call, &names);
    struct sp_err err = {0};

    part->is_tried = true;
    if (row == NULL) { /* the error is a part of the answer */
        fail_part(part, call->code, call->message);
        call->failed = false;
        call->status = 200;
        sp_json_text_clear(call->body);
        return;
    }
    part->order_no = row->order_no;
    sp_status status =
        sp_exchange_cancel(call->rest->exchange, part->order_no, cancel_id, call->changes, &err);
    part->is_done = status == SP_OK;
    if (!part->is_done) fail_part(part, REST_CANCEL_REFUSED, err.text);
}

static void try_place(struct sp_rest_call *call, const struct sp_venue_request *request,
                      struct part *part)
{
    struct sp_venue_changes *changes = call->changes;
    struct sp_venue_changes *all = &call->rest->all;
    struct sp_venue_placed placed = {0};
    struct sp_err err = {0};

    part->is_tried = true;
    all->count = changes->count;
    memcpy(all->at, changes->at, changes->count * sizeof *changes->at);
    sp_status status = sp_exchange_place(call->rest->exchange, request, changes, &placed, &err);
    part->is_done = status == SP_OK;
    part->order_no = placed.order_no;
    if (!part->is_done) fail_part(part, REST_ORDER_REFUSED, sp_rest_refusal(status, &err));
    SP_ASSERT(all->count + changes->count <= SP_VENUE_CHANGES_MAX); /* two and one order's */
    memcpy(all->at + all->count, changes->at, changes->count * sizeof *changes->at);
    all->count += changes->count;
    changes->count = all->count;
    memcpy(changes->at, all->at, all->count * sizeof *all->at);
}

/* Parameters and filters of the new order are looked at before anything is done. */
void sp_rest_replace(struct sp_rest_call *call)
{
    struct sp_venue_request request;
    struct part cancel = {0}, order = {0};
    sp_name cancel_id;
    bool goes_on = false;

    if (!read_mode(call, &goes_on) || !sp_rest_read_order(call, &request)) return;
    if (sp_rest_param(call->params, "cancelOrderId") == NULL &&
        sp_rest_param(call->params, "cancelOrigClientOrderId") == NULL) {
        sp_rest_fail(call, 400, REST_MISSING,
                     "Param 'cancelOrigClientOrderId' or 'cancelOrderId' must be sent, but both "
                     "were empty/null!");
        return;
    }
    uint64_t number = call->rest->exchange->last_order_no + 1;
    if (!sp_rest_read_id(call, "cancelNewClientOrderId", "x-cancel-", number, &cancel_id)) return;
    try_cancel(call, &cancel_id, &cancel);
    if (cancel.is_done || goes_on) try_place(call, &request, &order);
    answer_replaced(call, &cancel, &order, &cancel_id);
}
