#include "services/spoor/trade_case.h"

#include "services/spoor/describe.h"
#include "services/spoor/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void sp_records_add(struct sp_records *records, const struct sp_record *record)
{
    size_t bytes = (records->count + 1) * sizeof *records->at;
    const struct sp_record **at = sp_memory(realloc(records->at, bytes));

    at[records->count++] = record;
    records->at = at;
}

static struct sp_order_case *order_of(struct sp_trade_case *c, sp_ord_id order_id,
                                      const sp_name *client_order_id)
{
    for (uint32_t i = 0; i < c->order_count; i++)
        if (sp_ord_id_eq(c->orders[i].order_id, order_id)) return &c->orders[i];
    struct sp_order_case *orders =
        sp_memory(realloc(c->orders, (c->order_count + 1) * sizeof *c->orders));
    c->orders = orders;
    orders[c->order_count] =
        (struct sp_order_case){.order_id = order_id, .client_order_id = *client_order_id};
    return &orders[c->order_count++];
}

/* The name of the quote asset is the end of the symbol's, that of the base asset its begin. */
static bool is_quote(const sp_name *symbol, const sp_name *asset)
{
    size_t len = strlen(asset->s), all = strlen(symbol->s);

    return len > 0 && len < all && strcmp(symbol->s + all - len, asset->s) == 0;
}

static bool is_base(const sp_name *symbol, const sp_name *asset)
{
    size_t len = strlen(asset->s);

    return len > 0 && strncmp(symbol->s, asset->s, len) == 0;
}

static void add_fill(struct sp_trade_case *c, const struct sp_fill *fill)
{
    struct sp_trade_sums *sums = &c->sums;
    bool buys = fill->side == SP_SIDE_BUY;
    sp_qty *qty = buys ? &sums->bought_qty : &sums->sold_qty;
    sp_amt *amt = buys ? &sums->bought : &sums->sold, value = {0};
    bool fits = sp_px_times_qty(fill->px, fill->qty, &value) && sp_amt_add(*amt, value, amt) &&
                sp_qty_add(*qty, fill->qty, qty);

    sums->fills++;
    if (is_quote(&fill->symbol, &fill->fee_asset)) {
        fits = fits && sp_amt_add(sums->fees, fill->fee, &sums->fees);
        sums->quote = fill->fee_asset;
    } else if (is_base(&fill->symbol, &fill->fee_asset)) {
        fits = fits && sp_qty_add(sums->base_fees, (sp_qty){fill->fee.e8}, &sums->base_fees);
    }
    if (!fits) sums->overflow = true;
}

static void add_step(struct sp_trade_case *c, const struct sp_record *record)
{
    const struct sp_order_event *event = &record->body.order_event;
    struct sp_order_case *order = order_of(c, event->order_id, &event->client_order_id);

    sp_records_add(&order->steps, record);
}

/* One record that mentions the trade. */
static bool sort_in(struct sp_trade_case *c, const struct sp_record *record)
{
    const union sp_body *body = &record->body;
    enum sp_dto dto = sp_kind_info(record->kind)->dto;

    if (dto == SP_DTO_plan) {
        sp_records_add(&c->plans, record);
    } else if (dto == SP_DTO_plan_answer) {
        sp_records_add(&c->answers, record);
    } else if (dto == SP_DTO_order_intent) {
        const struct sp_order_intent *o = &body->order_intent;
        order_of(c, o->order_id, &o->client_order_id)->intent = record;
    } else if (dto == SP_DTO_order_event) {
        add_step(c, record);
    } else if (dto == SP_DTO_fill) {
        struct sp_order_case *order = order_of(c, body->fill.order_id, &body->fill.client_order_id);
        sp_records_add(&order->steps, record);
        SP_IGNORE(!sp_qty_add(order->filled, body->fill.qty, &order->filled)); /* sums tell */
        add_fill(c, &body->fill);
    } else if (dto == SP_DTO_trade_opened) {
        c->opened = record;
    } else if (dto == SP_DTO_trade_closed) {
        c->closed = record;
    } else if (dto == SP_DTO_position_adjusted) {
        sp_records_add(&c->adjusted, record);
    } else {
        return false;
    }
    return true;
}

bool sp_trade_case_gather(struct sp_evidence *evidence, sp_trd_id trade_id,
                          struct sp_trade_case *out)
{
    uint32_t count = 0;
    const uint32_t *items = sp_evidence_of_id(evidence, SP_ID_TRD, trade_id.raw, &count);
    bool any = false;

    *out = (struct sp_trade_case){.trade_id = trade_id};
    for (uint32_t i = 0; i < count; i++) {
        const struct sp_record *record = sp_evidence_record(evidence, items[i]);
        if (record == NULL || !sort_in(out, record)) continue;
        any = true;
        const struct sp_schema *schema = sp_schema_of(sp_kind_info(record->kind)->dto);
        const struct sp_field *symbol = sp_schema_field(schema, "symbol");
        if (sp_name_is_empty(&out->link)) out->link = sp_record_link(record);
        if (symbol != NULL && sp_name_is_empty(&out->symbol))
            memcpy(&out->symbol, (const char *)&record->body + symbol->offset, sizeof out->symbol);
    }
    struct sp_trade_sums *sums = &out->sums;
    sp_amt gross = {0};
    if (!sp_amt_sub(sums->sold, sums->bought, &gross) || !sp_amt_sub(gross, sums->fees, &sums->net))
        sums->overflow = true;
    return any;
}

void sp_trade_case_fini(struct sp_trade_case *c)
{
    for (uint32_t i = 0; i < c->order_count; i++)
        free(c->orders[i].steps.at);
    free(c->orders);
    free(c->plans.at);
    free(c->answers.at);
    free(c->adjusted.at);
    *c = (struct sp_trade_case){0};
}

const struct sp_record *sp_trade_case_plan(const struct sp_trade_case *c, uint8_t action)
{
    for (uint32_t i = 0; i < c->plans.count; i++)
        if (c->plans.at[i]->body.plan.action == action) return c->plans.at[i];
    return NULL;
}

const struct sp_record *sp_trade_case_answer(const struct sp_trade_case *c, sp_pln_id plan_id)
{
    for (uint32_t i = 0; i < c->answers.count; i++)
        if (sp_pln_id_eq(c->answers.at[i]->body.plan_answer.plan_id, plan_id))
            return c->answers.at[i];
    return NULL;
}

const struct sp_order_case *sp_trade_case_order(const struct sp_trade_case *c, sp_ord_id order_id)
{
    for (uint32_t i = 0; i < c->order_count; i++)
        if (sp_ord_id_eq(c->orders[i].order_id, order_id)) return &c->orders[i];
    return NULL;
}

bool sp_trade_case_adds_up(const struct sp_trade_case *c, char what[512])
{
    const struct sp_trade_sums *sums = &c->sums;

    what[0] = '\0';
    if (c->closed == NULL) return true;
    const struct sp_trade_closed *said = &c->closed->body.trade_closed;
    if (sums->overflow) {
        snprintf(what, 512, "the fills' sums do not fit in 64 bits");
        return false;
    }
    const struct {
        const char *name;
        int64_t said_e8, is_e8;
    } rows[] = {
        {"quantity bought", said->qty.e8, sums->bought_qty.e8},
        {"bought", said->bought.e8, sums->bought.e8},
        {"sold", said->sold.e8, sums->sold.e8},
        {"fees", said->fees.e8, sums->fees.e8},
        {"net", said->realised_pnl.e8, sums->net.e8},
        {"quantity left", said->dust.e8,
         sums->bought_qty.e8 - sums->sold_qty.e8 - sums->base_fees.e8},
    };
    size_t used = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0] && used < 512; i++) {
        char a[SP_SAY_SIZE], b[SP_SAY_SIZE];
        if (rows[i].said_e8 == rows[i].is_e8) continue;
        int n =
            snprintf(what + used, 512 - used, "%s%s: the record says %s, its fills add up to %s",
                     used > 0 ? "; " : "", rows[i].name, sp_e8_pretty(rows[i].said_e8, 8, a),
                     sp_e8_pretty(rows[i].is_e8, 8, b));
        used += n > 0 ? (size_t)n : 0;
    }
    return used == 0;
}
