/* What the venue says, and what it fails to say.
 *
 * An answer or report that names an order moves it; no answer within the limit, a lost connection
 * or our own death make it UNKNOWN, and from then on questions by client order id settle it. "Not
 * found" proves nothing by itself: absence needs several such answers, all to questions that were
 * asked when an order could no longer be on its way or out of their sight. How long that takes, the
 * venue's adapter declares.
 *
 * Reports are counted: a gap means that some were lost, also one that only the venue's own count
 * shows because nothing came behind it, and then executions and live orders are asked for. An
 * order's end is not believed before all executions that the venue counts are booked.
 * A cancel is repeated until the order has ended: unconfirmed, it cancels nothing.
 */
#include "services/execution/execution_internal.h"

#include "common/journal/state_rows.h"
#include "common/planted_bug.h"

#include <string.h>

#define ANSWER_LIMIT_NS     (INT64_C(2000) * 1000000)
#define QUESTION_EVERY_NS   (INT64_C(250) * 1000000)
#define LADDER_FIRST_NS     (INT64_C(500) * 1000000) /* doubles with each question */
#define LADDER_MOST_NS      (INT64_C(15000) * 1000000)
#define ABSENT_ANSWERS      3
#define VENUE_LOST_AFTER_NS (INT64_C(1000) * 1000000)
#define FILLS_LIMIT_NS      (INT64_C(1000) * 1000000)
#define RULES_EVERY_NS      (INT64_C(30000) * 1000000)
#define FILLS_BACK          100 /* executions may come out of order: known ones are passed over */

static struct sp_record *venue_record(struct sp_turn *turn, enum sp_kind kind, const char *reason)
{
    struct sp_record *record = sp_decision_add(turn->decision, kind, NULL);

    record->body.feed.feed = turn->x->books.world->venue;
    record->body.feed.messages = turn->x->venue_generation;
    sp_text_printf(&record->body.feed.reason, "%s", reason);
    return record;
}

/* One answer holds so many executions at most: the question is repeated until none is left. */
static void ask_fills_after(struct sp_turn *turn, uint64_t after)
{
    const struct sp_books *books = &turn->x->books;
    struct sp_effect *effect = sp_decision_effect(turn->decision, SP_XE_ASK);

    turn->x->fills_request = ++turn->x->last_request_id;
    turn->x->fills_asked = turn->event->now;
    turn->x->fills_seen = after;
    effect->message.kind = SP_REC_VENUE_QUERY;
    effect->message.body.venue_query = (struct sp_venue_query){.request_id = turn->x->fills_request,
                                                               .what = sp_name_of("fills"),
                                                               .after_trade_id = after};
    effect->message.body.venue_query.symbol = books->instruments[turn->x->fills_of].symbol;
}

/* Executions are numbered per instrument: one after the other is asked about. */
static void ask_fills_of(struct sp_turn *turn, uint32_t instrument)
{
    uint64_t newest = turn->x->books.instruments[instrument].newest_trade_id;

    turn->x->fills_of = instrument;
    ask_fills_after(turn, newest > FILLS_BACK ? newest - FILLS_BACK : 0);
}

void sp_x_catch_up(struct sp_turn *turn)
{
    turn->x->caught_up = turn->x->books.instrument_count == 0;
    if (!turn->x->caught_up) ask_fills_of(turn, 0);
}

static void fills_answered(struct sp_turn *turn, const struct sp_venue_answer *answer)
{
    struct sp_execution *x = turn->x;

    x->fills_request = 0;
    if (!answer->ok) return; /* the timer asks again */
    bool is_last = x->fills_of + 1 >= x->books.instrument_count;
    if (answer->items > 0) {
        x->caught_up = false;
        ask_fills_after(turn, x->fills_seen);
    } else if (!is_last) {
        ask_fills_of(turn, x->fills_of + 1);
    } else {
        x->caught_up = true;
    }
}

/* Filters may change while orders rest and positions are open. */
static void ask_rules(struct sp_turn *turn)
{
    struct sp_effect *effect = sp_decision_effect(turn->decision, SP_XE_ASK);

    turn->x->rules_asked = turn->event->now;
    effect->message.kind = SP_REC_VENUE_QUERY;
    effect->message.body.venue_query =
        (struct sp_venue_query){.request_id = ++turn->x->last_request_id,
                                .what = sp_name_of("instruments")};
}

static void take_rules(struct sp_turn *turn)
{
    const struct sp_venue_instrument *told = &turn->event->record->body.venue_instrument;

    for (uint32_t i = 0; i < turn->x->rule_count; i++) {
        struct sp_instrument_config *rules = &turn->x->rules[i];
        if (!sp_name_eq(&rules->symbol, &told->symbol) || SP_BUG(filters_ignored)) continue;
        rules->tick = told->tick;
        rules->step = told->step;
        rules->min_qty = told->min_qty;
        rules->min_value = told->min_value;
    }
}

/* The timer asks for each of them. */
static void question_live_orders(struct sp_turn *turn)
{
    struct sp_execution *x = turn->x;

    for (uint32_t i = 0; i < x->books.live_count; i++) {
        const struct sp_order *order = sp_books_live(&x->books, i);
        if (sp_x_pending(x, &order->intent.client_order_id) != NULL) continue;
        struct sp_pending *pending = sp_x_pending_take(x, &order->intent.client_order_id);
        if (pending == NULL)
            return; /* more live orders than places: reconciliation compares them */
        pending->is_question = true;
        pending->since = turn->event->now;
    }
}

static void ask_order(struct sp_turn *turn, struct sp_pending *pending,
                      const struct sp_order *order)
{
    struct sp_effect *effect = sp_decision_effect(turn->decision, SP_XE_ASK);

    pending->is_question = true;
    pending->request_id = ++turn->x->last_request_id;
    pending->asked = turn->event->now;
    pending->questions++;
    effect->message.kind = SP_REC_VENUE_QUERY;
    effect->message.body.venue_query =
        (struct sp_venue_query){.request_id = pending->request_id,
                                .what = sp_name_of("order"),
                                .client_order_id = order->intent.client_order_id,
                                .symbol = order->intent.symbol};
}

/* Orders whose answer can no longer come: their connection or their process is gone. */
static void orders_become_unknown(struct sp_turn *turn, const char *why)
{
    struct sp_books *books = &turn->x->books;
    enum sp_kind kind =
        SP_BUG(unsent_if_unanswered) ? SP_REC_SEND_SUPPRESSED : SP_REC_ORDER_UNKNOWN;

    for (uint32_t i = 0; i < books->live_count; i++) {
        const struct sp_order *order = sp_books_live(books, i);
        bool waits =
            order->state == SP_ORDER_STATE_INTENT_DURABLE || order->state == SP_ORDER_STATE_SENT;
        if (!waits || !sp_turn_has_room(turn, 4)) continue;
        sp_x_order_event(turn, kind, order, why);
        if (SP_BUG(sent_again_at_restart)) sp_x_send(turn, &order->intent);
    }
}

void sp_x_venue_up(struct sp_turn *turn)
{
    struct sp_execution *x = turn->x;

    x->venue_generation = (uint32_t)turn->event->record->body.venue_answer.request_id;
    x->venue_absence = turn->event->record->body.venue_answer.wait;
    if (x->venue_absence.ns <= 0) x->venue_absence.ns = INT64_MAX; /* nothing declared or proven */
    if (SP_BUG(absence_not_waited)) x->venue_absence.ns = 1;
    x->venue_up = true;
    x->venue_says = (sp_text){{0}};
    x->reconciled = SP_BUG(trades_unreconciled);
    x->caught_up = false;
    x->last_report = 0;
    memset(x->pending, 0, sizeof x->pending);
    struct sp_ref at = sp_decision_next_ref(turn->decision);
    venue_record(turn, SP_REC_VENUE_CONNECTED, "connected, reports subscribed");
    if (!sp_thr_id_is_none(x->books.venue_threat.threat_id)) {
        sp_thr_id lost = x->books.venue_threat.threat_id;
        struct sp_ref ended = sp_decision_next_ref(turn->decision);
        struct sp_record *record =
            sp_decision_add(turn->decision, SP_REC_THREAT_ENDED, &x->books.venue_threat_ref);
        sp_record_add_cause(record, &at);
        record->body.threat = x->books.venue_threat;
        record->body.threat.ended = turn->decision->time;
        sp_x_breaker_eases(turn, lost, &ended);
    }
    orders_become_unknown(turn, "the connection or process that sent it is gone");
    question_live_orders(turn);
    sp_x_catch_up(turn);
    ask_rules(turn);
}

void sp_x_venue_down(struct sp_turn *turn)
{
    struct sp_execution *x = turn->x;

    if (!x->venue_up) return;
    x->venue_up = false;
    x->reconciled = false;
    x->venue_down_since = turn->event->now;
    x->fills_request = 0;
    x->venue_says = (sp_text){{0}};
    if (turn->event->record != NULL) x->venue_says = turn->event->record->body.venue_answer.reason;
    venue_record(turn, SP_REC_VENUE_DISCONNECTED,
                 x->venue_says.s[0] != '\0' ? x->venue_says.s : "connection lost");
    orders_become_unknown(turn, "the connection was lost before an answer came");
}

/* ---- Lost reports ---- */

static void missing_fill(struct sp_turn *turn)
{
    if (turn->x->fills_request == 0) sp_x_catch_up(turn);
}

/* `last` was sent; it has come itself, or not. */
static void watch_report_numbers(struct sp_turn *turn, uint64_t last, bool came)
{
    struct sp_execution *x = turn->x;
    /* Also when the first of a connection is lost. */
    bool gap = last > x->last_report + (came ? 1 : 0);

    if (last > x->last_report) x->last_report = last;
    if (!gap || (came && SP_BUG(report_gap_ignored))) return;
    question_live_orders(turn);
    missing_fill(turn);
}

/* ---- Answers ---- */

static void acknowledge(struct sp_turn *turn, const struct sp_order *order, uint64_t venue_order_id)
{
    struct sp_order_step step = sp_order_step(order->state, SP_OE_ACK);
    struct sp_ref at = sp_decision_next_ref(turn->decision);

    if (step.effect == SP_OX_SAME || step.effect == SP_OX_IMPOSSIBLE) return;
    struct sp_order_event *body = sp_x_order_event(turn, SP_REC_ORDER_ACK, order, "");
    body->venue_order_id = venue_order_id;
    sp_x_late(turn, order, "the venue holds order", &at);
    const struct sp_trade_book *trade = sp_books_trade(&turn->x->books, order->intent.trade_id);
    if (order->intent.role == SP_LEG_ROLE_ENTRY || order->intent.role == SP_LEG_ROLE_EXIT) return;

    struct sp_record *record = sp_decision_add(turn->decision, SP_REC_POSITION_ADJUSTED, &at);
    struct sp_position_adjusted *now = &record->body.position_adjusted;
    bool is_stop = order->intent.role == SP_LEG_ROLE_STOP;
    now->trade_id = order->intent.trade_id;
    now->strategy_link_id = order->intent.strategy_link_id;
    now->symbol = order->intent.symbol;
    if (trade != NULL && sp_trade_position(trade).e8 > 0) now->qty = sp_trade_position(trade);
    if (is_stop) {
        now->stop_px = order->intent.stop_px;
        now->stop_order_id = order->intent.order_id;
    } else {
        now->target_px = order->intent.px;
        now->target_order_id = order->intent.order_id;
    }
    sp_text_printf(&now->reason, "%s resting at the venue", is_stop ? "stop" : "target");
}

static void answer_to_send(struct sp_turn *turn, const struct sp_pending *pending,
                           const struct sp_venue_answer *answer)
{
    const struct sp_order *order = sp_books_order(&turn->x->books, &pending->client_order_id);

    if (order == NULL) return;
    if (answer->ok) {
        bool is_stop_leg = order->intent.role == SP_LEG_ROLE_STOP && order->intent.pair.s[0] != 0;
        acknowledge(turn, order,
                    is_stop_leg ? answer->pair_venue_order_id : answer->venue_order_id);
    } else if (!sp_order_is_in_flight(order->state)) {
        return; /* a report was faster */
    } else if (sp_name_is(&answer->status, "REFUSED") || sp_name_is(&answer->status, "INVALID")) {
        sp_x_order_event(turn, SP_REC_ORDER_REJECTED, order, answer->reason.s);
        turn->x->rules_asked = (sp_mono){0}; /* perhaps by a filter that is not ours yet */
    } else {
        sp_x_order_event(turn, SP_REC_ORDER_UNKNOWN, order, answer->reason.s);
        if (SP_BUG(sent_again)) sp_x_send(turn, &order->intent);
    }
}

static void answer_to_question(struct sp_turn *turn, struct sp_pending *pending,
                               const struct sp_venue_answer *answer)
{
    const struct sp_order *order = sp_books_order(&turn->x->books, &pending->client_order_id);
    sp_dur waited = sp_mono_since(pending->asked, pending->since);

    pending->request_id = 0;
    if (answer->ok || order == NULL) return;
    if (!sp_name_is(&answer->status, "NOT_FOUND")) return; /* a failed question says nothing */
    if (waited.ns >= turn->x->venue_absence.ns) pending->absent_answers++;
    if (SP_BUG(not_found_is_reject) && order->state == SP_ORDER_STATE_UNKNOWN)
        sp_x_order_event(turn, SP_REC_ORDER_REJECTED, order, answer->reason.s);
    if (pending->absent_answers < ABSENT_ANSWERS && !SP_BUG(absent_at_once)) return;
    if (order->state != SP_ORDER_STATE_UNKNOWN || !turn->x->caught_up) return;
    sp_x_order_event(turn, SP_REC_ORDER_ABSENT_PROVEN, order,
                     "the venue does not know it, asked repeatedly after it could have arrived");
    *pending = (struct sp_pending){0};
}

static void on_answer(struct sp_turn *turn)
{
    const struct sp_venue_answer *answer = &turn->event->record->body.venue_answer;
    struct sp_execution *x = turn->x;

    if (answer->reports > 0 && !SP_BUG(last_report_unmissed))
        watch_report_numbers(turn, answer->reports, false);
    if (answer->request_id == x->fills_request) {
        fills_answered(turn, answer);
        return;
    }
    for (uint32_t i = 0; i < SP_PENDING_MAX; i++) {
        struct sp_pending *pending = &x->pending[i];
        if (pending->request_id != answer->request_id || pending->client_order_id.s[0] == '\0')
            continue;
        if (pending->is_question) {
            answer_to_question(turn, pending, answer);
        } else {
            answer_to_send(turn, pending, answer);
            *pending = (struct sp_pending){0};
        }
    }
}

/* ---- States of orders ---- */

static enum sp_kind end_kind(uint8_t state)
{
    if (state == SP_ORDER_STATE_CANCELED) return SP_REC_ORDER_CANCELED;
    if (state == SP_ORDER_STATE_EXPIRED) return SP_REC_ORDER_EXPIRED;
    if (state == SP_ORDER_STATE_REJECTED) return SP_REC_ORDER_REJECTED;
    return SP_REC_NONE;
}

static void order_is(struct sp_turn *turn, const struct sp_order *order, uint8_t state,
                     uint64_t venue_order_id, const char *reason)
{
    enum sp_kind end = end_kind(state);

    if (end != SP_REC_NONE && sp_order_is_live(order->state)) {
        struct sp_order_event *body = sp_x_order_event(turn, end, order, reason);
        body->venue_order_id = venue_order_id;
    } else if (state == SP_ORDER_STATE_OPEN || state == SP_ORDER_STATE_PARTIALLY_FILLED) {
        acknowledge(turn, order, venue_order_id);
    }
}

static void on_report(struct sp_turn *turn)
{
    const struct sp_venue_report *report = &turn->event->record->body.venue_report;
    const struct sp_order *order = sp_books_order(&turn->x->books, &report->client_order_id);

    watch_report_numbers(turn, report->report_seq, true);
    if (order == NULL) return; /* not ours: reconciliation names it */
    if (SP_BUG(fill_before_ack_dropped) && sp_order_is_in_flight(order->state)) return;
    if (report->venue_trade_id != 0) {
        struct sp_fill_view view = {.venue_trade_id = report->venue_trade_id,
                                    .client_order_id = report->client_order_id,
                                    .venue_order_id = report->venue_order_id,
                                    .symbol = report->symbol,
                                    .side = report->side,
                                    .px = report->px,
                                    .qty = report->qty,
                                    .fee = report->fee,
                                    .fee_asset = report->fee_asset,
                                    .liquidity = report->liquidity,
                                    .venue_time = report->venue_time};
        sp_x_book_fill(turn, &view, NULL, (sp_rec_id){{0}});
        return;
    }
    if (report->filled_qty.e8 > order->filled.e8) {
        question_live_orders(turn);
        missing_fill(turn);
        return;
    }
    order_is(turn, order, report->state, report->venue_order_id, report->reason.s);
}

/* The answer to "order": executions come first, so that the end of an order never hides one. */
static void on_order_view(struct sp_turn *turn)
{
    const struct sp_order_view *view = &turn->event->record->body.order_view;
    struct sp_order *order = sp_books_order(&turn->x->books, &view->client_order_id);
    struct sp_pending *pending = sp_x_pending(turn->x, &view->client_order_id);

    if (order == NULL || pending == NULL || pending->request_id != view->request_id) return;
    if (view->filled_qty.e8 > order->filled.e8) {
        missing_fill(turn);
        return;
    }
    bool is_open =
        view->state == SP_ORDER_STATE_OPEN || view->state == SP_ORDER_STATE_PARTIALLY_FILLED;
    if (is_open && order->state == SP_ORDER_STATE_PENDING_CANCEL) sp_x_cancel(turn, order);
    order_is(turn, order, view->state, view->venue_order_id, view->reason.s);
    *pending = (struct sp_pending){0};
}

void sp_x_venue_message(struct sp_turn *turn)
{
    const struct sp_record *record = turn->event->record;

    if (record->kind == SP_REC_VENUE_ANSWER) on_answer(turn);
    if (record->kind == SP_REC_VENUE_REPORT) on_report(turn);
    if (record->kind == SP_REC_ORDER_VIEW) on_order_view(turn);
    if (record->kind == SP_REC_VENUE_INSTRUMENT) take_rules(turn);
    if (record->kind == SP_REC_FILL_VIEW) {
        const struct sp_fill_view *view = &record->body.fill_view;
        bool is_answer = view->request_id == turn->x->fills_request;
        if (is_answer && view->venue_trade_id > turn->x->fills_seen) {
            turn->x->fills_seen = view->venue_trade_id;
        }
        sp_x_book_fill(turn, &record->body.fill_view, NULL, (sp_rec_id){{0}});
    }
}

/* ---- Our own sends ---- */

/* An order message is about one order, or about both legs of a pair. */
static void for_each_sent(struct sp_turn *turn, const struct sp_record *message, enum sp_kind kind,
                          const char *reason)
{
    const struct sp_venue_order *sent = &message->body.venue_order;
    const sp_name *ids[] = {&sent->client_order_id, &sent->pair_client_order_id};

    for (size_t i = 0; i < 2; i++) {
        if (ids[i]->s[0] == '\0') continue;
        const struct sp_order *order = sp_books_order(&turn->x->books, ids[i]);
        if (order != NULL) sp_x_order_event(turn, kind, order, reason);
    }
}

void sp_x_sent(struct sp_turn *turn)
{
    const struct sp_record *message = turn->event->record;

    if (message->kind != SP_REC_VENUE_ORDER) return;
    for_each_sent(turn, message, SP_REC_ORDER_SENT, "");
    turn->x->orders_sent++;
    const struct sp_order *order =
        sp_books_order(&turn->x->books, &message->body.venue_order.client_order_id);
    if (order != NULL && order->intent.tick_received.ns != 0) {
        turn->x->tick_to_send = sp_mono_since(turn->event->now, order->intent.tick_received);
    }
}

void sp_x_not_sent(struct sp_turn *turn, const struct sp_record *message, const char *why)
{
    if (message->kind != SP_REC_VENUE_ORDER) return; /* a cancel or question is repeated */
    for_each_sent(turn, message, SP_REC_SEND_SUPPRESSED, why);
    struct sp_pending *pending = sp_x_pending(turn->x, &message->body.venue_order.client_order_id);
    if (pending != NULL) *pending = (struct sp_pending){0};
}

/* ---- The clock ---- */

static void watch_connection(struct sp_turn *turn)
{
    struct sp_execution *x = turn->x;
    sp_dur down = sp_mono_since(turn->event->now, x->venue_down_since);

    if (x->venue_up || x->venue_down_since.ns == 0 || down.ns < VENUE_LOST_AFTER_NS) return;
    if (!sp_thr_id_is_none(x->books.venue_threat.threat_id)) return;
    struct sp_ref at = sp_decision_next_ref(turn->decision);
    sp_thr_id id = {sp_decision_mint(turn->decision, SP_ID_THR)};
    struct sp_record *record = sp_decision_add(turn->decision, SP_REC_THREAT_DETECTED, NULL);
    struct sp_threat *threat = &record->body.threat;
    threat->threat_id = id;
    threat->threat_type = sp_name_of("CONNECTION_LOST");
    threat->severity = SP_SEVERITY_CRITICAL;
    threat->worker = sp_name_of("venue_monitor");
    threat->began = turn->decision->time;
    sp_text_printf(&threat->rule, "no connection to venue %s for more than 1 s",
                   x->books.world->venue.s);
    sp_x_breaker_opens(turn, id, "connection to the venue lost", &at);
}

/* The practice venue's local socket takes a question at any time. Over a network they are asked
 * 0.5, 1, 2, 4, 8 and then every 15 s (a third of the time that proves absence, if that is less),
 * each up to a quarter later by its order's name, so that many orders do not ask at once. */
static bool question_is_due(const struct sp_turn *turn, const struct sp_pending *pending)
{
    bool is_local = turn->x->books.world->binance.rest[0] == '\0';
    sp_mono last = pending->questions > 0 ? pending->asked : pending->since;
    int64_t pause = LADDER_FIRST_NS, most = turn->x->venue_absence.ns / 3;

    if (is_local) return sp_mono_since(turn->event->now, pending->asked).ns >= QUESTION_EVERY_NS;
    if (most > LADDER_MOST_NS) most = LADDER_MOST_NS;
    for (uint32_t i = 0; i < pending->questions && pause < most; i++)
        pause *= 2;
    if (pause > most) pause = most;
    uint32_t spread = sp_rows_crc_name(0, &pending->client_order_id) % 256;
    return sp_mono_since(turn->event->now, last).ns >= pause + pause / 1024 * spread;
}

static void watch_order(struct sp_turn *turn, const struct sp_order *order)
{
    struct sp_pending *pending = sp_x_pending(turn->x, &order->intent.client_order_id);
    sp_mono now = turn->event->now;

    bool cancels = order->state == SP_ORDER_STATE_PENDING_CANCEL;
    bool waits =
        order->state == SP_ORDER_STATE_INTENT_DURABLE || order->state == SP_ORDER_STATE_SENT;

    if (pending == NULL && (cancels || sp_order_is_in_flight(order->state))) {
        pending = sp_x_pending_take(turn->x, &order->intent.client_order_id);
        if (pending == NULL) return;
        pending->is_question = !waits;
        pending->since = now;
        if (cancels) pending->asked = now; /* its cancel has just left */
    }
    if (pending == NULL) return;
    if (pending->is_question) {
        if (waits) sp_x_order_event(turn, SP_REC_ORDER_UNKNOWN, order, "its answer cannot come");
        if (question_is_due(turn, pending)) ask_order(turn, pending, order);
    } else if (sp_mono_since(now, pending->since).ns >= ANSWER_LIMIT_NS) {
        if (sp_order_is_in_flight(order->state) && order->state != SP_ORDER_STATE_UNKNOWN) {
            enum sp_kind kind =
                SP_BUG(timeout_is_reject) ? SP_REC_ORDER_REJECTED : SP_REC_ORDER_UNKNOWN;
            sp_x_order_event(turn, kind, order, "no answer within 2 s");
            if (SP_BUG(sent_again)) sp_x_send(turn, &order->intent);
        }
        pending->is_question = true;
        pending->request_id = 0;
        pending->since = now;
    }
}

/* Orders that ended by a report need no answer any more. */
static void free_pendings(struct sp_execution *x)
{
    for (uint32_t i = 0; i < SP_PENDING_MAX; i++) {
        struct sp_pending *pending = &x->pending[i];
        if (pending->client_order_id.s[0] == '\0') continue;
        const struct sp_order *order = sp_books_order(&x->books, &pending->client_order_id);
        if (order == NULL || !sp_order_is_live(order->state)) *pending = (struct sp_pending){0};
    }
}

void sp_x_watch_venue(struct sp_turn *turn)
{
    struct sp_books *books = &turn->x->books;

    watch_connection(turn);
    if (!turn->x->venue_up) return;
    free_pendings(turn->x);
    sp_dur asked = sp_mono_since(turn->event->now, turn->x->fills_asked);
    sp_dur told = sp_mono_since(turn->event->now, turn->x->rules_asked);
    if (turn->x->rules_asked.ns == 0 || told.ns >= RULES_EVERY_NS) ask_rules(turn);
    if (!turn->x->caught_up && asked.ns >= FILLS_LIMIT_NS) sp_x_catch_up(turn);
    for (uint32_t i = 0; i < books->live_count; i++) {
        if (!sp_turn_has_room(turn, 4)) return;
        watch_order(turn, sp_books_live(books, i));
    }
}
