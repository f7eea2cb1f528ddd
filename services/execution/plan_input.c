#include "services/execution/execution_internal.h"

#include <string.h>

static struct sp_plan_answer *answer(struct sp_turn *turn, enum sp_kind kind)
{
    const struct sp_plan *plan = &turn->event->record->body.plan;
    struct sp_ref cause = sp_record_ref(turn->event->record);
    struct sp_record *record = sp_decision_add(turn->decision, kind, &cause);
    struct sp_plan_answer *body = &record->body.plan_answer;

    *body = (struct sp_plan_answer){.plan_id = plan->plan_id,
                                    .trade_id = plan->trade_id,
                                    .strategy_link_id = plan->strategy_link_id,
                                    .action = plan->action,
                                    .close_cause = plan->close_cause,
                                    .threat_ids = plan->threat_ids,
                                    .scheduled_id = plan->scheduled_id};
    return body;
}

static void refuse(struct sp_turn *turn, const struct sp_refusal *refusal)
{
    struct sp_plan_answer *body = answer(turn, SP_REC_PLAN_REFUSED);

    body->gate = sp_name_of(refusal->gate);
    body->limit = refusal->limit;
    body->value = refusal->value;
    body->reason = refusal->reason;
    turn->x->plans_refused++;
}

/* Monotonic time starts anew with the machine, so a plan "from the future" is from another boot. */
static bool is_expired(const struct sp_plan *plan, sp_mono now)
{
    if (plan->valid_until.ns == 0) return false;
    return now.ns > plan->valid_until.ns || now.ns < plan->tick_received.ns;
}

static void open_trade(struct sp_turn *turn, const sp_facts *facts)
{
    const struct sp_plan *plan = &turn->event->record->body.plan;
    struct sp_trade_book trade = {.trade_id = plan->trade_id,
                                  .plan_id = plan->plan_id,
                                  .symbol = plan->symbol,
                                  .open_cause = plan->open_cause,
                                  .opportunity_ids = plan->opportunity_ids};
    struct sp_ref cause = sp_record_ref(turn->event->record);
    struct sp_ref accepted = sp_decision_next_ref(turn->decision);

    struct sp_link_book *link =
        sp_books_link(&turn->x->books, &plan->strategy_link_id, &trade.link);
    SP_ASSERT(link != NULL);
    answer(turn, SP_REC_PLAN_ACCEPTED);
    struct sp_record *record = sp_decision_add(turn->decision, SP_REC_ORDER_INTENT, &cause);
    sp_record_add_cause(record, &accepted);
    struct sp_order_intent *intent = &record->body.order_intent;
    sp_x_fill_intent(turn, &trade, 1, intent);
    intent->role = SP_LEG_ROLE_ENTRY;
    intent->side = plan->side;
    intent->type = plan->order_type;
    intent->tif = plan->tif;
    intent->qty = plan->qty;
    intent->px = plan->limit_px;
    intent->plan_stop_px = plan->stop_px;
    intent->plan_target_px = plan->target_px;
    intent->scheduled_id = plan->scheduled_id;
    intent->tick_received = plan->tick_received;
    intent->gate = *facts;
    sp_x_send(turn, intent);
    turn->x->plans_accepted++;
}

static void decide_open(struct sp_turn *turn)
{
    const struct sp_plan *plan = &turn->event->record->body.plan;
    struct sp_refusal refusal = {0};
    struct sp_gate_view view = {0};
    sp_facts facts = {0};

    if (is_expired(plan, turn->event->now)) {
        struct sp_plan_answer *body = answer(turn, SP_REC_PLAN_EXPIRED);
        body->gate = sp_name_of("valid_until");
        sp_text_printf(&body->reason, "the plan reached the gate after its time");
        turn->x->plans_expired++;
        return;
    }
    if (turn->x->stopping) {
        refusal.gate = "stopping";
        sp_text_printf(&refusal.reason, "the operation is stopping");
        refuse(turn, &refusal);
        return;
    }
    sp_execution_gate_view(turn->x, &plan->symbol, turn->event->now, turn->event->market, &view);
    if (sp_gate_open_plan(&view, plan, &facts, &refusal)) {
        open_trade(turn, &facts);
    } else {
        struct sp_ref refused = sp_decision_next_ref(turn->decision);
        refuse(turn, &refusal);
        if (refusal.latches) {
            uint32_t link = 0;
            SP_IGNORE(sp_books_link(&turn->x->books, &plan->strategy_link_id, &link) == NULL);
            sp_x_latch_link(turn, link, refusal.reason.s, &refused);
        }
    }
}

static void decide_close(struct sp_turn *turn)
{
    const struct sp_plan *plan = &turn->event->record->body.plan;
    const struct sp_trade_book *trade = sp_books_trade(&turn->x->books, plan->trade_id);
    struct sp_refusal refusal = {.gate = "no_position"};
    bool is_own =
        trade != NULL && sp_name_eq(&turn->x->books.links[trade->link].id, &plan->strategy_link_id);

    if (trade != NULL && !is_own) {
        refusal.gate = "link";
        sp_text_printf(&refusal.reason, "the trade is of link %s, not of %s",
                       turn->x->books.links[trade->link].id.s, plan->strategy_link_id.s);
        refuse(turn, &refusal);
        return;
    }
    if (is_own && !trade->closed) {
        answer(turn, SP_REC_PLAN_ACCEPTED);
        turn->x->plans_accepted++;
        return;
    }
    sp_text_printf(&refusal.reason, "the trade is not open: there is nothing to close");
    refuse(turn, &refusal);
}

void sp_x_plan(struct sp_turn *turn)
{
    const struct sp_record *record = turn->event->record;
    const struct sp_plan *plan = &record->body.plan;
    struct sp_refusal refusal = {.gate = "link"};

    /* Exactly one answer per plan, also when a rewound or replayed stream shows it again. */
    if (sp_books_has_plan(&turn->x->books, plan->plan_id)) return;
    if (strncmp(record->stream.s, "strategy.", 9) != 0 ||
        strcmp(record->stream.s + 9, plan->strategy_link_id.s) != 0) {
        sp_text_printf(&refusal.reason, "stream %s may not plan for link %s", record->stream.s,
                       plan->strategy_link_id.s);
        refuse(turn, &refusal);
    } else if (plan->action == SP_PLAN_ACTION_OPEN) {
        decide_open(turn);
    } else {
        decide_close(turn);
    }
}
