#include "services/spoor/explain_internal.h"

#include <stdlib.h>
#include <string.h>

static void lead_since_tick(struct sp_chain_node *node, sp_dur since_tick)
{
    char took[SP_SAY_SIZE];

    if (since_tick.ns > 0) sp_chain_lead(node, "+%s", sp_say_dur(since_tick, took));
}

static void add_fill(struct sp_place place, const struct sp_record *record)
{
    const struct sp_fill *f = &record->body.fill;
    char qty[SP_SAY_SIZE], px[SP_SAY_SIZE], fee[SP_SAY_SIZE], liquidity[SP_SAY_SIZE];
    char found[SP_ID_SHORT_SIZE];

    struct sp_chain_node *node = sp_chain_node(
        place.section, place.parent, record, "fill %s at %s, fee %s %s %s%s%s",
        sp_say_places(f->qty.e8, 5, qty), sp_say_e8(f->px.e8, px), sp_e8_pretty(f->fee.e8, 8, fee),
        f->fee_asset.s, sp_say_enum(SP_ENUM_LIQUIDITY, f->liquidity, liquidity),
        sp_rec_id_is_none(f->reconciliation_id) ? "" : ", found by reconciliation ",
        sp_rec_id_short(f->reconciliation_id, found));
    lead_since_tick(node, f->since_tick);
}

/* What a step means, for a person. */
static const char *meaning(enum sp_kind kind)
{
    static const struct {
        enum sp_kind kind;
        const char *text;
    } table[] = {
        {SP_REC_ORDER_SENT, "sent, once"},
        {SP_REC_ORDER_ACK, "acknowledged"},
        {SP_REC_ORDER_REJECTED, "rejected by the venue"},
        {SP_REC_ORDER_UNKNOWN, "fate unknown: asked the venue by its id, not sent again"},
        {SP_REC_ORDER_CANCELED, "cancelled"},
        {SP_REC_ORDER_EXPIRED, "expired"},
        {SP_REC_ORDER_ABSENT_PROVEN, "proven never to have reached the venue"},
        {SP_REC_SEND_SUPPRESSED, "not sent"},
        {SP_REC_CANCEL_INTENT, "cancel on disk, then sent"},
    };

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (table[i].kind == kind) return table[i].text;
    return sp_kind_name(kind);
}

static void add_event(struct sp_place place, const struct sp_record *record)
{
    const struct sp_order_event *e = &record->body.order_event;
    char venue[64] = "", operator_id[SP_ID_SHORT_SIZE];

    if (record->kind == SP_REC_ORDER_ACK && e->venue_order_id != 0)
        snprintf(venue, sizeof venue, ", venue order %" PRIu64, e->venue_order_id);
    struct sp_chain_node *node = sp_chain_node(
        place.section, place.parent, record, "%s%s%s%s%s%s", meaning(record->kind), venue,
        e->reason.s[0] != '\0' ? ": " : "", e->reason.s,
        sp_cmd_id_is_none(e->command_id) ? "" : ", ", sp_cmd_id_short(e->command_id, operator_id));
    lead_since_tick(node, e->since_tick);
}

void sp_explain_steps(struct sp_place place, const struct sp_order_case *order)
{
    if (order->intent != NULL)
        sp_chain_node(place.section, place.parent, order->intent, "intent on disk");
    for (uint32_t i = 0; i < order->steps.count; i++) {
        const struct sp_record *record = order->steps.at[i];
        if (record->kind == SP_REC_FILL) {
            add_fill(place, record);
        } else {
            add_event(place, record);
        }
    }
}

struct sp_chain_node *sp_explain_order(struct sp_place place, const struct sp_order_case *order,
                                       const char *text)
{
    char id[SP_ID_SHORT_SIZE], line[SP_LINE_SIZE];

    sp_ord_id_short(order->order_id, id);
    struct sp_chain_node *node;
    if (order->intent == NULL) {
        node = sp_chain_node(place.section, place.parent, NULL,
                             "%s %s: its intent is not in the journals", text, id);
    } else {
        node = sp_chain_node(place.section, place.parent, NULL, "%s %s: %s", text, id,
                             sp_say_order(&order->intent->body.order_intent, line));
        const sp_facts *gate = &order->intent->body.order_intent.gate;
        if (gate->count > 0) sp_chain_detail(node, "gate", "passed: %s", sp_say_facts(gate, line));
    }
    sp_explain_steps((struct sp_place){place.section, node}, order);
    return node;
}

static const char *order_end(const struct sp_order_case *order)
{
    const struct sp_record *last = NULL;

    for (uint32_t i = 0; i < order->steps.count; i++)
        if (order->steps.at[i]->kind != SP_REC_CANCEL_INTENT) last = order->steps.at[i];
    if (last == NULL) return "INTENT, nothing after it";
    if (last->kind != SP_REC_FILL) {
        const char *name = sp_kind_name(last->kind);
        return strncmp(name, "ORDER_", 6) == 0 ? name + 6 : name;
    }
    if (order->intent == NULL) return "FILLED";
    return order->filled.e8 >= order->intent->body.order_intent.qty.e8 ? "FILLED"
                                                                       : "PARTIALLY FILLED";
}

static void explain_purpose(struct sp_explain *x, const struct sp_order_intent *intent)
{
    char role[SP_SAY_SIZE], cause[SP_SAY_SIZE], plan[SP_ID_SHORT_SIZE], trade[SP_ID_SHORT_SIZE];
    bool enters = intent->role == SP_LEG_ROLE_ENTRY;

    sp_say_enum(SP_ENUM_LEG_ROLE, intent->role, role);
    if (enters) {
        sp_say_enum(SP_ENUM_OPEN_CAUSE, intent->open_cause, cause);
    } else {
        sp_say_enum(SP_ENUM_CLOSE_CAUSE, intent->close_cause, cause);
    }
    sp_chain_say(x->chain, "PURPOSE", "%s, order %u of %s, because of %s", role, intent->leg,
                 sp_trd_id_short(intent->trade_id, trade), cause);
    sp_chain_say(x->chain, "PLAN", "%s", sp_pln_id_short(intent->plan_id, plan));
    sp_chain_say(x->chain, "VENUE ID", "%s", intent->client_order_id.s);
    if (intent->pair.s[0] != '\0')
        sp_chain_say(x->chain, "PAIR", "%s: one cancels the other", intent->pair.s);
    sp_chain_say(x->chain, "NEXT", "spoor why %s: the whole trade", trade);
}

void sp_explain_order_id(struct sp_explain *x, sp_ord_id order_id)
{
    struct sp_evidence_id id = {.type = SP_ID_ORD, .id = order_id.raw};
    struct sp_records records = sp_explain_all(x, id);
    sp_trd_id *trades = NULL;
    struct sp_trade_case c = {0};
    const struct sp_order_case *order = NULL;

    if (sp_explain_trades(&records, &trades) > 0 &&
        sp_trade_case_gather(x->evidence, trades[0], &c))
        order = sp_trade_case_order(&c, order_id);
    if (order != NULL) {
        char line[SP_LINE_SIZE] = "intent not in the journals";
        const struct sp_order_intent *intent =
            order->intent != NULL ? &order->intent->body.order_intent : NULL;
        if (intent != NULL) sp_say_order(intent, line);
        sp_chain_headline(x->chain, "%s  %s  %s  %s", c.link.s, c.symbol.s, line, order_end(order));
        struct sp_chain_section *section = sp_chain_section(x->chain, "WHAT HAPPENED TO IT");
        sp_explain_order((struct sp_place){section, NULL}, order, "order");
        if (intent != NULL) explain_purpose(x, intent);
    } else {
        sp_explain_list(x, "MENTIONED IN", &records);
    }
    sp_trade_case_fini(&c);
    free(trades);
    free(records.at);
}
