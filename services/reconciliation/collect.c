/* Questions and answers: how one cut is read.
 *
 * Every answer is matched by its request id, so a late one of an earlier cut is passed over. A list
 * is complete if its end says as many items as were seen; executions are read page by page until a
 * page is empty, since no page size is promised.
 */
#include "services/reconciliation/reconciliation_internal.h"

#include <string.h>

static uint64_t next_request(struct sp_reconciler *r)
{
    return ++r->last_request;
}

static void go_to(struct sp_turn *turn, enum sp_reconcile_step step)
{
    turn->r->step = step;
    turn->r->asked_at = turn->event->now;
}

/* ---- Our books ---- */

static void send_books_query(struct sp_turn *turn, enum sp_reconcile_step step)
{
    struct sp_reconciler *r = turn->r;
    struct sp_effect *effect = sp_decision_effect(turn->decision, SP_RE_BOOKS);

    go_to(turn, step);
    r->header_seen = false;
    r->books_request = next_request(r);
    effect->message.kind = SP_REC_QUERY;
    effect->message.body.query = (struct sp_query){.request_id = r->books_request,
                                                   .what = sp_name_of("books"),
                                                   .asker = sp_name_of("reconciliation")};
}

void sp_r_ask_books(struct sp_turn *turn)
{
    struct sp_reconciler *r = turn->r;

    memset(&r->cut.header, 0, sizeof r->cut.header);
    r->cut.ours.order_count = r->cut.ours.fill_count = r->cut.ours.balance_count = 0;
    r->cut.venues.order_count = r->cut.venues.fill_count = r->cut.venues.balance_count = 0;
    r->cut.asked_count = 0;
    memset(r->cut.fills_after, 0, sizeof r->cut.fills_after);
    send_books_query(turn, SP_STEP_BEFORE);
}

void sp_r_propose(struct sp_turn *turn, const struct sp_correction *correction)
{
    struct sp_effect *effect = sp_decision_effect(turn->decision, SP_RE_BOOKS);

    go_to(turn, SP_STEP_PROPOSE);
    effect->message.kind = SP_REC_PROPOSE_CORRECTION;
    effect->message.body.correction = *correction;
}

/* ---- The venue ---- */

static struct sp_venue_query *send_venue_query(struct sp_turn *turn, const char *what)
{
    struct sp_effect *effect = sp_decision_effect(turn->decision, SP_RE_VENUE);
    struct sp_venue_query *query = &effect->message.body.venue_query;

    effect->message.kind = SP_REC_VENUE_QUERY;
    query->request_id = next_request(turn->r);
    query->what = sp_name_of(what);
    return query;
}

static void ask_list(struct sp_turn *turn, struct sp_list_read *list, const char *what)
{
    *list = (struct sp_list_read){.request_id = send_venue_query(turn, what)->request_id};
}

static void ask_fills_page(struct sp_turn *turn, uint64_t after)
{
    struct sp_venue_query *query = send_venue_query(turn, "fills");

    query->after_trade_id = after;
    query->symbol = turn->r->world->instruments[turn->r->fills_of].symbol;
    turn->r->fills = (struct sp_list_read){.request_id = query->request_id};
}

/* A page of executions is read: the next one, or that of the next instrument, is asked for. */
static void fills_page_end(struct sp_turn *turn)
{
    struct sp_reconciler *r = turn->r;

    if (r->fills.seen > 0) {
        ask_fills_page(turn, r->cut.venues.fills[r->cut.venues.fill_count - 1].venue_trade_id);
    } else if (r->fills_of + 1 < r->world->instrument_count) {
        r->fills_of++;
        ask_fills_page(turn, r->cut.fills_after[r->fills_of]);
    }
}

static void ask_venue(struct sp_turn *turn)
{
    struct sp_reconciler *r = turn->r;

    go_to(turn, SP_STEP_VENUE);
    for (uint32_t i = 0; i < r->world->instrument_count; i++)
        r->cut.fills_after[i] = sp_cut_fills_after(&r->cut.ours, &r->world->instruments[i].symbol);
    r->fills_of = 0;
    ask_list(turn, &r->open_orders, "open_orders");
    ask_fills_page(turn, r->cut.fills_after[0]);
    ask_list(turn, &r->balances, "balances");
}

static void ask_next_order(struct sp_turn *turn)
{
    struct sp_reconciler *r = turn->r;

    if (r->asked == r->cut.asked_count) {
        send_books_query(turn, SP_STEP_AFTER);
        return;
    }
    go_to(turn, SP_STEP_ASK);
    struct sp_venue_query *query = send_venue_query(turn, "order");
    r->asked_request = query->request_id;
    query->client_order_id = r->cut.asked[r->asked].client_order_id;
    query->symbol = r->cut.asked[r->asked].symbol;
}

/* ---- Keeping frames ---- */

static bool keep_order(struct sp_holdings *side, const struct sp_order_view *order)
{
    if (side->order_count == SP_CUT_ORDERS_MAX) return false;
    side->orders[side->order_count++] = *order;
    return true;
}

static bool keep_fill(struct sp_holdings *side, const struct sp_fill_view *fill)
{
    if (side->fill_count == SP_CUT_FILLS_MAX) return false;
    side->fills[side->fill_count++] = *fill;
    return true;
}

/* An asset told twice, or more of it than a number holds, is no answer. */
static bool keep_balance(struct sp_holdings *side, const struct sp_balance_view *balance)
{
    sp_amt sum = {0};

    if (side->balance_count == SP_CUT_BALANCES_MAX) return false;
    if (!sp_amt_add(balance->free, balance->locked, &sum)) return false;
    for (uint32_t i = 0; i < side->balance_count; i++) {
        if (sp_name_eq(&side->balances[i].asset, &balance->asset)) return false;
    }
    side->balances[side->balance_count++] = *balance;
    return true;
}

/* ---- Answers of execution ---- */

static void books_end(struct sp_turn *turn, const struct sp_command_reply *reply)
{
    struct sp_reconciler *r = turn->r;
    const struct sp_books_header *header = r->step == SP_STEP_BEFORE ? &r->cut.header : &r->after;

    r->books_request = 0;
    bool whole = reply->ok && r->header_seen && r->seen.orders == header->orders &&
                 r->seen.fills == header->fills && r->seen.balances == header->balances;
    if (!whole) {
        sp_r_cut_failed(turn, "execution's answer was not complete");
    } else if (header->in_flight > 0) {
        sp_r_cut_failed(turn, "orders are in flight");
    } else if (r->step == SP_STEP_BEFORE) {
        ask_venue(turn);
    } else {
        sp_r_cut_complete(turn);
    }
}

/* The second answer counts for its header only: the same version means the same content. */
void sp_r_books_frame(struct sp_turn *turn)
{
    const struct sp_record *record = turn->event->record;
    const union sp_body *body = &record->body;
    struct sp_reconciler *r = turn->r;
    bool before = r->step == SP_STEP_BEFORE, kept = true;

    if (r->step == SP_STEP_PROPOSE) {
        if (record->kind != SP_REC_COMMAND_REPLY || body->command_reply.request_id != 0) return;
        r->replies++;
        return;
    }
    if (!before && r->step != SP_STEP_AFTER) return;
    if (record->kind == SP_REC_BOOKS_HEADER && body->books_header.request_id == r->books_request) {
        r->header_seen = true;
        memset(&r->seen, 0, sizeof r->seen);
        if (before) r->cut.header = body->books_header;
        if (!before) r->after = body->books_header;
    } else if (record->kind == SP_REC_ORDER_VIEW &&
               body->order_view.request_id == r->books_request) {
        r->seen.orders++;
        if (before) kept = keep_order(&r->cut.ours, &body->order_view);
    } else if (record->kind == SP_REC_FILL_VIEW && body->fill_view.request_id == r->books_request) {
        r->seen.fills++;
        if (before) kept = keep_fill(&r->cut.ours, &body->fill_view);
    } else if (record->kind == SP_REC_BALANCE_VIEW &&
               body->balance_view.request_id == r->books_request) {
        r->seen.balances++;
        if (before) kept = keep_balance(&r->cut.ours, &body->balance_view);
    } else if (record->kind == SP_REC_COMMAND_REPLY &&
               body->command_reply.request_id == r->books_request) {
        books_end(turn, &body->command_reply);
    }
    if (!kept) sp_r_cut_failed(turn, "our books do not fit this comparison");
}

/* ---- Answers of the venue ---- */

static bool is_whole(const struct sp_list_read *list, const struct sp_venue_answer *answer)
{
    return answer->ok && answer->items == list->seen;
}

static void venue_complete(struct sp_turn *turn)
{
    struct sp_reconciler *r = turn->r;

    if (sp_cut_list_absent(&r->cut) > SP_CUT_ASKED_MAX) {
        sp_r_cut_failed(turn, "too many of our orders are not open at the venue to ask for each");
        return;
    }
    r->asked = 0;
    ask_next_order(turn);
}

static void list_end(struct sp_turn *turn, const struct sp_venue_answer *answer)
{
    struct sp_reconciler *r = turn->r;
    struct sp_list_read *lists[] = {&r->open_orders, &r->fills, &r->balances};
    bool known = false;

    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        if (lists[i]->request_id != answer->request_id || lists[i]->done) continue;
        if (!is_whole(lists[i], answer)) {
            sp_r_cut_failed(turn, "the venue's answer failed or was not complete");
            return;
        }
        known = true;
        lists[i]->done = true;
    }
    if (!known) return;
    if (r->fills.done && answer->request_id == r->fills.request_id) fills_page_end(turn);
    if (r->open_orders.done && r->fills.done && r->balances.done) venue_complete(turn);
}

static void list_frame(struct sp_turn *turn)
{
    const struct sp_record *record = turn->event->record;
    const union sp_body *body = &record->body;
    struct sp_reconciler *r = turn->r;
    bool kept = true;

    if (record->kind == SP_REC_VENUE_ANSWER) {
        list_end(turn, &body->venue_answer);
    } else if (record->kind == SP_REC_ORDER_VIEW &&
               body->order_view.request_id == r->open_orders.request_id) {
        r->open_orders.seen++;
        kept = keep_order(&r->cut.venues, &body->order_view);
    } else if (record->kind == SP_REC_FILL_VIEW &&
               body->fill_view.request_id == r->fills.request_id) {
        r->fills.seen++;
        kept = keep_fill(&r->cut.venues, &body->fill_view);
    } else if (record->kind == SP_REC_BALANCE_VIEW &&
               body->balance_view.request_id == r->balances.request_id) {
        r->balances.seen++;
        kept = keep_balance(&r->cut.venues, &body->balance_view);
    }
    if (!kept) sp_r_cut_failed(turn, "the venue's lists do not fit this comparison");
}

static void order_frame(struct sp_turn *turn)
{
    const struct sp_record *record = turn->event->record;
    struct sp_reconciler *r = turn->r;
    struct sp_order_view *asked = &r->cut.asked[r->asked];

    if (record->kind == SP_REC_ORDER_VIEW) {
        const struct sp_order_view *view = &record->body.order_view;
        if (view->request_id != r->asked_request) return;
        if (sp_name_eq(&view->client_order_id, &asked->client_order_id)) *asked = *view;
        return;
    }
    if (record->kind != SP_REC_VENUE_ANSWER) return;
    const struct sp_venue_answer *answer = &record->body.venue_answer;
    if (answer->request_id != r->asked_request) return;
    bool found = answer->ok && asked->state != SP_ORDER_STATE_NONE;
    bool absent = !answer->ok && sp_name_is(&answer->status, "NOT_FOUND");
    if (!found && !absent) {
        sp_r_cut_failed(turn, "the venue's answer about an order failed");
        return;
    }
    r->asked++;
    ask_next_order(turn);
}

void sp_r_venue_frame(struct sp_turn *turn)
{
    if (turn->r->step == SP_STEP_VENUE)
        list_frame(turn);
    else if (turn->r->step == SP_STEP_ASK)
        order_frame(turn);
}
