#include "services/spoor/explain_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- Why it opened ---- */

static void plan_details(struct sp_chain_node *node, const struct sp_plan *plan)
{
    const struct {
        const char *label;
        const sp_text *text;
    } parts[] = {{"entry", &plan->entry},
                 {"exit", &plan->exit},
                 {"size", &plan->size},
                 {"route", &plan->route}};

    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (parts[i].text->s[0] != '\0')
            sp_chain_detail(node, parts[i].label, "%s", parts[i].text->s);
}

static void answer_node(struct sp_place place, const struct sp_record *record)
{
    const struct sp_plan_answer *a = &record->body.plan_answer;

    if (record->kind == SP_REC_PLAN_ACCEPTED) {
        sp_chain_node(place.section, place.parent, record, "accepted by the gate%s%s",
                      a->reason.s[0] != '\0' ? ": " : "", a->reason.s);
    } else {
        sp_chain_node(place.section, place.parent, record, "%s by the gate, %s: %s",
                      record->kind == SP_REC_PLAN_EXPIRED ? "expired" : "refused", a->gate.s,
                      a->reason.s);
    }
}

static struct sp_chain_node *plan_node(const struct sp_trade_case *c, struct sp_place place,
                                       const struct sp_record *plan)
{
    char id[SP_ID_SHORT_SIZE];
    struct sp_chain_node *node = sp_chain_node(place.section, place.parent, plan, "plan %s",
                                               sp_pln_id_short(plan->body.plan.plan_id, id));
    const struct sp_record *answer = sp_trade_case_answer(c, plan->body.plan.plan_id);

    plan_details(node, &plan->body.plan);
    if (answer != NULL) answer_node((struct sp_place){place.section, node}, answer);
    return node;
}

static void entry_orders(const struct sp_trade_case *c, struct sp_place place)
{
    for (uint32_t i = 0; i < c->order_count; i++) {
        const struct sp_order_case *order = &c->orders[i];
        if (order->intent == NULL || order->intent->body.order_intent.role == SP_LEG_ROLE_ENTRY)
            sp_explain_order(place, order, "order");
    }
}

/* What a schedule or an operator did to open it. */
static struct sp_chain_node *other_root(const struct sp_explain *x,
                                        struct sp_chain_section *section,
                                        const struct sp_plan *plan)
{
    char line[SP_LINE_SIZE];

    if (plan == NULL || sp_sch_id_is_none(plan->scheduled_id)) return NULL;
    struct sp_evidence_id id = {.type = SP_ID_SCH, .id = plan->scheduled_id.raw};
    const struct sp_record *tick = sp_explain_find(x, id, SP_REC_SCHEDULED_TICK);
    if (tick == NULL) return NULL;
    struct sp_chain_node *root =
        sp_chain_node(section, NULL, tick, "schedule %s", sp_describe(tick, line));
    sp_explain_clock(root, tick->time, 3);
    return root;
}

/* All opportunities of a confluence stand beside each other; the plan follows the last. */
static struct sp_chain_node *opportunity_roots(const struct sp_explain *x,
                                               struct sp_chain_section *section,
                                               const struct sp_trade_case *c)
{
    const struct sp_record *plan = sp_trade_case_plan(c, SP_PLAN_ACTION_OPEN);
    const sp_opp_ids *ids = plan != NULL        ? &plan->body.plan.opportunity_ids
                            : c->opened != NULL ? &c->opened->body.trade_opened.opportunity_ids
                                                : NULL;
    struct sp_chain_node *last = NULL;

    for (uint32_t i = 0; ids != NULL && i < ids->count; i++) {
        struct sp_chain_node *node = sp_explain_opportunity_branch(x, section, ids->at[i]);
        if (node != NULL) last = node;
    }
    return last;
}

static void explain_opening(const struct sp_explain *x, const struct sp_trade_case *c)
{
    struct sp_chain_section *section =
        sp_chain_section(x->chain, c->opened != NULL ? "OPENED BECAUSE" : "PLANNED BECAUSE");
    const struct sp_record *plan = sp_trade_case_plan(c, SP_PLAN_ACTION_OPEN);
    struct sp_chain_node *parent = opportunity_roots(x, section, c);

    if (parent == NULL) parent = other_root(x, section, plan != NULL ? &plan->body.plan : NULL);
    struct sp_place place = {section, parent};
    if (plan != NULL) {
        place.parent = plan_node(c, place, plan);
    } else {
        place.parent = sp_chain_node(section, parent, NULL,
                                     "the strategy's plan is not in the journals; what follows is "
                                     "from execution's own records");
        for (uint32_t i = 0; i < c->answers.count; i++)
            if (c->answers.at[i]->body.plan_answer.action == SP_PLAN_ACTION_OPEN)
                answer_node(place, c->answers.at[i]);
    }
    entry_orders(c, place);
}

/* ---- Why it closed ---- */

static bool sells(const struct sp_order_case *order, bool *is_exit)
{
    if (order->intent == NULL) return false;
    uint8_t role = order->intent->body.order_intent.role;
    *is_exit = role == SP_LEG_ROLE_EXIT;
    return role != SP_LEG_ROLE_ENTRY;
}

/* An order that rested and ended without being what closed the trade. */
static void ended_leg(struct sp_place place, const struct sp_order_case *order)
{
    char role[SP_SAY_SIZE], id[SP_ID_SHORT_SIZE], qty[SP_SAY_SIZE], px[SP_SAY_SIZE];

    sp_say_enum(SP_ENUM_LEG_ROLE, order->intent->body.order_intent.role, role);
    sp_ord_id_short(order->order_id, id);
    for (uint32_t i = 0; i < order->steps.count; i++) {
        const struct sp_record *step = order->steps.at[i];
        if (step->kind == SP_REC_ORDER_SENT || step->kind == SP_REC_ORDER_ACK) continue;
        if (step->kind == SP_REC_FILL) {
            sp_chain_node(place.section, place.parent, step, "%s %s filled %s at %s", role, id,
                          sp_say_places(step->body.fill.qty.e8, 5, qty),
                          sp_say_e8(step->body.fill.px.e8, px));
            continue;
        }
        const char *reason = step->body.order_event.reason.s;
        const char *what = step->kind == SP_REC_CANCEL_INTENT    ? "cancel on disk, then sent"
                           : step->kind == SP_REC_ORDER_CANCELED ? "cancelled"
                                                                 : sp_kind_name(step->kind);
        sp_chain_node(place.section, place.parent, step, "%s %s %s%s%s", role, id, what,
                      reason[0] != '\0' ? ": " : "", reason);
    }
}

/* The order whose fill closed it: the last one that sold. */
static const struct sp_order_case *closing_order(const struct sp_trade_case *c)
{
    const struct sp_order_case *found = NULL;
    bool is_exit = false;
    uint64_t seq = 0;

    for (uint32_t i = 0; i < c->order_count; i++) {
        const struct sp_order_case *order = &c->orders[i];
        if (!sells(order, &is_exit)) continue;
        for (uint32_t s = 0; s < order->steps.count; s++) {
            const struct sp_record *step = order->steps.at[s];
            if (step->kind != SP_REC_FILL || step->seq < seq) continue;
            seq = step->seq;
            found = order;
        }
    }
    return found;
}

static void protective_root(struct sp_chain_section *section, const struct sp_order_case *order,
                            struct sp_place *place)
{
    const struct sp_order_intent *intent = &order->intent->body.order_intent;
    char id[SP_ID_SHORT_SIZE], line[SP_LINE_SIZE];
    const char *what = intent->role == SP_LEG_ROLE_TARGET ? "target reached" : "stop triggered";

    struct sp_chain_node *root =
        sp_chain_node(section, NULL, NULL, "%s: %s %s", what, sp_ord_id_short(order->order_id, id),
                      sp_say_order(intent, line));
    *place = (struct sp_place){section, root};
    for (uint32_t i = 0; i < order->steps.count; i++) {
        const struct sp_record *step = order->steps.at[i];
        if (step->kind != SP_REC_FILL || root->lead != NULL) continue;
        sp_wall time = step->body.fill.venue_time;
        sp_explain_clock(root, time.ns != 0 ? time : step->time, 3);
    }
    struct sp_order_case rest = *order;
    rest.intent = NULL; /* it was placed while the trade was open */
    while (rest.steps.count > 0 && (rest.steps.at[0]->kind == SP_REC_ORDER_SENT ||
                                    rest.steps.at[0]->kind == SP_REC_ORDER_ACK)) {
        rest.steps.at++;
        rest.steps.count--;
    }
    sp_explain_steps(*place, &rest);
}

/* The record of a cause that has an id of its own: an operator's command, a schedule. */
static struct sp_chain_node *cause_node(const struct sp_explain *x, struct sp_place place,
                                        struct sp_evidence_id id, enum sp_kind kind)
{
    const struct sp_record *record = sp_explain_find(x, id, kind);
    char line[SP_LINE_SIZE];

    if (record == NULL) return NULL;
    struct sp_chain_node *node =
        sp_chain_node(place.section, place.parent, record, "%s", sp_describe(record, line));
    if (place.parent == NULL) sp_explain_clock(node, record->time, 3);
    return node;
}

static struct sp_place cause_roots(const struct sp_explain *x, struct sp_chain_section *section,
                                   const struct sp_trade_closed *closed)
{
    struct sp_place place = {section, NULL};
    struct sp_chain_node *node = NULL;

    for (uint32_t i = 0; i < closed->threat_ids.count; i++) {
        node =
            sp_explain_threat_branch(x, (struct sp_place){section, NULL}, closed->threat_ids.at[i]);
        if (node != NULL) place.parent = node;
    }
    const struct {
        struct sp_evidence_id id;
        enum sp_kind kind;
    } causes[] = {
        {{SP_ID_CMD, closed->command_id.raw}, SP_REC_OPERATOR_COMMAND},
        {{SP_ID_SCH, closed->scheduled_id.raw}, SP_REC_SCHEDULED_TICK},
        {{SP_ID_REC, closed->reconciliation_id.raw}, SP_REC_RECONCILIATION_RESULT},
    };
    for (size_t i = 0; i < sizeof causes / sizeof causes[0]; i++) {
        node = cause_node(x, (struct sp_place){section, NULL}, causes[i].id, causes[i].kind);
        if (node != NULL) place.parent = node;
    }
    if (place.parent == NULL) {
        char cause[SP_SAY_SIZE];
        place.parent = sp_chain_node(section, NULL, NULL, "%s",
                                     sp_say_enum(SP_ENUM_CLOSE_CAUSE, closed->cause, cause));
    }
    return place;
}

static void close_answers(const struct sp_trade_case *c, struct sp_place place)
{
    for (uint32_t i = 0; i < c->plans.count; i++)
        if (c->plans.at[i]->body.plan.action == SP_PLAN_ACTION_CLOSE)
            plan_node(c, place, c->plans.at[i]);
    for (uint32_t i = 0; i < c->answers.count; i++) {
        const struct sp_plan_answer *a = &c->answers.at[i]->body.plan_answer;
        bool shown = false;
        for (uint32_t p = 0; p < c->plans.count; p++)
            shown = shown || sp_pln_id_eq(c->plans.at[p]->body.plan.plan_id, a->plan_id);
        if (!shown && a->action == SP_PLAN_ACTION_CLOSE) answer_node(place, c->answers.at[i]);
    }
}

static void explain_closing(const struct sp_explain *x, const struct sp_trade_case *c)
{
    struct sp_chain_section *section = sp_chain_section(x->chain, "CLOSED BECAUSE");
    const struct sp_trade_closed *closed = &c->closed->body.trade_closed;
    const struct sp_order_case *by = closing_order(c);
    struct sp_place place;
    bool is_exit = true;

    if (by != NULL && sells(by, &is_exit) && !is_exit) {
        protective_root(section, by, &place);
    } else {
        place = cause_roots(x, section, closed);
    }
    close_answers(c, place);
    for (uint32_t i = 0; i < c->order_count; i++) {
        const struct sp_order_case *order = &c->orders[i];
        if (!sells(order, &is_exit) || (order == by && !is_exit)) continue;
        if (is_exit) {
            sp_explain_order(place, order, "order");
        } else {
            ended_leg(place, order);
        }
    }
    sp_chain_node(section, place.parent, c->closed, "position flat");
}

/* ---- The result ---- */

static void explain_result(struct sp_explain *x, const struct sp_trade_case *c)
{
    const struct sp_trade_sums *sums = &c->sums;
    char what[512], sold[SP_SAY_SIZE], bought[SP_SAY_SIZE], fees[SP_SAY_SIZE], net[SP_SAY_SIZE],
        dust[SP_SAY_SIZE];

    if (!sp_trade_case_adds_up(c, what)) {
        x->chain->contradicts = true;
        sp_chain_say(x->chain, "RESULT DOES NOT ADD UP", "%s", what);
        sp_chain_say(x->chain, "NEXT", "spoor journal verify; the venue's own statement decides");
        return;
    }
    sp_chain_say(x->chain, "RESULT", "sold %s - bought %s - fees %s = %s%s%s",
                 sp_e8_pretty(sums->sold.e8, 8, sold), sp_e8_pretty(sums->bought.e8, 8, bought),
                 sp_e8_pretty(sums->fees.e8, 8, fees), sp_say_signed(sums->net.e8, net),
                 sums->quote.s[0] != '\0' ? " " : "", sums->quote.s);
    if (c->closed->body.trade_closed.dust.e8 > 0)
        sp_chain_say(x->chain, "LEFT", "%s, too small to sell",
                     sp_say_e8(c->closed->body.trade_closed.dust.e8, dust));
}

static void say_open(struct sp_explain *x, const struct sp_trade_case *c)
{
    const struct sp_trade_sums *sums = &c->sums;
    char left[SP_SAY_SIZE], bought[SP_SAY_SIZE], sold[SP_SAY_SIZE], fees[SP_SAY_SIZE];
    sp_qty held = {sums->bought_qty.e8 - sums->sold_qty.e8 - sums->base_fees.e8};

    sp_chain_say(x->chain, "STILL OPEN", "%s held; bought %s, sold %s, fees %s so far",
                 sp_say_e8(held.e8, left), sp_e8_pretty(sums->bought.e8, 8, bought),
                 sp_e8_pretty(sums->sold.e8, 8, sold), sp_e8_pretty(sums->fees.e8, 8, fees));
    sp_chain_say(x->chain, "NEXT", "spoor status: what is resting and whether trading is allowed");
}

/* ---- The headline ---- */

static void headline_closed(struct sp_explain *x, const struct sp_trade_case *c)
{
    const struct sp_trade_closed *closed = &c->closed->body.trade_closed;
    char qty[SP_SAY_SIZE], net[SP_SAY_SIZE], what[512], percent[SP_SAY_SIZE] = "",
                                                        number[SP_SAY_SIZE];
    sp_ratio ratio = {0};

    if (!sp_trade_case_adds_up(c, what)) {
        sp_chain_headline(x->chain, "%s  %s  long %s  closed by %s  THE RECORDS DO NOT ADD UP",
                          c->link.s, c->symbol.s, sp_say_e8(closed->qty.e8, qty),
                          sp_enum_name(SP_ENUM_CLOSE_CAUSE, closed->cause));
        return;
    }
    if (sp_amt_div_amt(c->sums.net, c->sums.bought, &ratio))
        snprintf(percent, sizeof percent, "  (%s%s %%)", ratio.e8 >= 0 ? "+" : "",
                 sp_e8_pretty(ratio.e8 * 100, 2, number));
    sp_chain_headline(x->chain, "%s  %s  long %s  closed by %s  %s%s%s net%s", c->link.s,
                      c->symbol.s, sp_say_e8(closed->qty.e8, qty),
                      sp_enum_name(SP_ENUM_CLOSE_CAUSE, closed->cause),
                      sp_say_signed(c->sums.net.e8, net), c->sums.quote.s[0] != '\0' ? " " : "",
                      c->sums.quote.s, percent);
}

static void headline_never_opened(struct sp_explain *x, const struct sp_trade_case *c)
{
    const struct sp_record *answer = c->answers.count > 0 ? c->answers.at[0] : NULL;

    if (answer == NULL) {
        sp_chain_headline(x->chain, "%s  %s  PLANNED, not answered yet", c->link.s, c->symbol.s);
    } else if (answer->kind == SP_REC_PLAN_ACCEPTED) {
        sp_chain_headline(x->chain, "%s  %s  NOT FILLED", c->link.s, c->symbol.s);
    } else {
        sp_chain_headline(x->chain, "%s  %s  NOT OPENED, plan %s by %s", c->link.s, c->symbol.s,
                          answer->kind == SP_REC_PLAN_EXPIRED ? "expired" : "refused",
                          answer->body.plan_answer.gate.s);
    }
}

/* The stream of execution, if its oldest records were deleted and with them what this trade began
 * with; else NULL. What is held of a trade's answer or opening on is whole. */
static const struct sp_evidence_stream *cut_off(const struct sp_explain *x,
                                                const struct sp_trade_case *c)
{
    if (c->opened != NULL || c->answers.count > 0) return NULL;
    for (uint32_t i = 0; i < sp_evidence_streams(x->evidence); i++) {
        const struct sp_evidence_stream *stream = sp_evidence_stream(x->evidence, i);
        if (!sp_name_is(&stream->name, "execution") || stream->first_seq <= 1) continue;
        bool newer = c->plans.count > 0 && c->plans.at[0]->time.ns > stream->first_time.ns;
        return newer && c->closed == NULL && c->order_count == 0 ? NULL : stream;
    }
    return NULL;
}

static void explain_cut_off(struct sp_explain *x, const struct sp_trade_case *c,
                            const struct sp_evidence_stream *stream)
{
    struct sp_evidence_id mention = {.type = SP_ID_TRD, .id = c->trade_id.raw};
    struct sp_records records = sp_explain_all(x, mention);

    sp_chain_headline(x->chain, "%s  %s  ITS BEGIN WAS DELETED", c->link.s, c->symbol.s);
    sp_explain_list(x, "WHAT IS LEFT", &records);
    sp_chain_say(x->chain, "DELETED",
                 "records of execution before %" PRIu64 " (spoor journal retain)",
                 stream->first_seq);
    free(records.at);
}

void sp_explain_trade(struct sp_explain *x, sp_trd_id id)
{
    struct sp_trade_case c;
    char qty[SP_SAY_SIZE], clock[SP_WALL_TEXT_SIZE];
    struct sp_evidence_id mention = {.type = SP_ID_TRD, .id = id.raw};

    if (!sp_trade_case_gather(x->evidence, id, &c)) {
        struct sp_records records = sp_explain_all(x, mention);
        sp_explain_list(x, "MENTIONED IN", &records);
        free(records.at);
        return;
    }
    const struct sp_evidence_stream *cut = cut_off(x, &c);
    if (cut != NULL) {
        explain_cut_off(x, &c, cut);
        sp_trade_case_fini(&c);
        return;
    }
    if (c.closed != NULL) {
        headline_closed(x, &c);
    } else if (c.opened != NULL) {
        sp_chain_headline(x->chain, "%s  %s  long %s  OPEN since %s", c.link.s, c.symbol.s,
                          sp_say_e8(c.sums.bought_qty.e8, qty),
                          sp_wall_clock(c.opened->time, 0, clock));
    } else {
        headline_never_opened(x, &c);
    }
    explain_opening(x, &c);
    if (c.opened != NULL) sp_explain_while_open(x, &c);
    if (c.closed != NULL) {
        explain_closing(x, &c);
        explain_result(x, &c);
    } else if (c.opened != NULL) {
        say_open(x, &c);
    } else {
        sp_chain_say(x->chain, "NOT DONE", "nothing was bought; the position stayed flat");
    }
    sp_trade_case_fini(&c);
}
