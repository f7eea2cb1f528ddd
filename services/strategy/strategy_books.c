#include "services/strategy/strategy_books.h"

#include <string.h>

/* ---- Threats ---- */

struct sp_active_threat sp_threat_of_record(const struct sp_record *record)
{
    const struct sp_threat *threat = &record->body.threat;

    return (struct sp_active_threat){.threat_id = threat->threat_id,
                                     .threat_type = threat->threat_type,
                                     .worker = threat->worker,
                                     .plugin = threat->plugin,
                                     .severity = threat->severity,
                                     .began = threat->began,
                                     .ref = sp_record_ref(record)};
}

static uint32_t find_threat(const struct sp_active_threat *threats, uint32_t count, sp_thr_id id)
{
    uint32_t i = 0;

    while (i < count && !sp_thr_id_eq(threats[i].threat_id, id))
        i++;
    return i;
}

void sp_threats_begin(struct sp_active_threat *threats, uint32_t *count, uint32_t max,
                      const struct sp_active_threat *threat)
{
    uint32_t at = 0;

    SP_ASSERT(*count <= max);
    if (find_threat(threats, *count, threat->threat_id) < *count) return;
    if (*count < max) {
        threats[(*count)++] = *threat;
        return;
    }
    for (uint32_t i = 1; i < *count; i++)
        if (threats[i].severity < threats[at].severity) at = i;
    if (threats[at].severity < threat->severity) threats[at] = *threat;
}

void sp_threats_end(struct sp_active_threat *threats, uint32_t *count, sp_thr_id threat_id)
{
    uint32_t at = find_threat(threats, *count, threat_id);

    if (at == *count) return;
    memmove(&threats[at], &threats[at + 1], (*count - at - 1) * sizeof *threats);
    (*count)--;
}

static void fold_threat(struct sp_strategy_books *books, const struct sp_record *record)
{
    const struct sp_threat *body = &record->body.threat;
    struct sp_active_threat threat = sp_threat_of_record(record);
    bool is_ours = sp_name_is_empty(&body->strategy_link_id) ||
                   sp_name_eq(&body->strategy_link_id, &books->link);

    if (!is_ours) return;
    if (!sp_name_is_empty(&body->symbol) && !sp_name_eq(&body->symbol, &books->symbol)) return;
    if (record->kind == SP_REC_THREAT_DETECTED)
        sp_threats_begin(books->threats, &books->threat_count, SP_STRATEGY_THREATS_MAX, &threat);
    else
        sp_threats_end(books->threats, &books->threat_count, body->threat_id);
}

/* ---- Trades ---- */

static struct sp_live_trade *find_trade(struct sp_strategy_books *books, sp_trd_id id)
{
    for (uint32_t i = 0; i < books->trade_count; i++)
        if (sp_trd_id_eq(books->trades[i].trade_id, id)) return &books->trades[i];
    return NULL;
}

/* A full list keeps what it has: being in a trade is all that matters, and it stays true until one
 * of those it knows ends. */
static struct sp_live_trade *adopt(struct sp_strategy_books *books, sp_trd_id id)
{
    struct sp_live_trade *trade = find_trade(books, id);

    if (sp_trd_id_eq(books->last_trade_id, id)) books->is_pending = false;
    if (trade != NULL || books->trade_count == SP_STRATEGY_TRADES_MAX) return trade;
    trade = &books->trades[books->trade_count++];
    *trade = (struct sp_live_trade){.trade_id = id};
    return trade;
}

static void drop(struct sp_strategy_books *books, struct sp_live_trade *trade)
{
    struct sp_live_trade *last = &books->trades[--books->trade_count];

    *trade = *last;
    *last = (struct sp_live_trade){0};
}

/* Only the answer to our pending plan says something new: an accepted CLOSE plan names a trade that
 * may be closed already, and what an OPEN plan leads to is told by the order's intent. */
static void fold_answer(struct sp_strategy_books *books, const struct sp_record *record)
{
    const struct sp_plan_answer *answer = &record->body.plan_answer;

    if (!books->is_pending || !sp_pln_id_eq(answer->plan_id, books->last_plan_id)) return;
    if (record->kind == SP_REC_PLAN_ACCEPTED) adopt(books, books->last_trade_id);
    books->is_pending = false;
}

static void fold_intent(struct sp_strategy_books *books, const struct sp_record *record)
{
    const struct sp_order_intent *intent = &record->body.order_intent;

    if (intent->role != SP_LEG_ROLE_ENTRY) return;
    struct sp_live_trade *trade = adopt(books, intent->trade_id);
    if (trade != NULL) trade->entry_order_id = intent->order_id;
}

/* The entry ended without a fill: there is no trade. */
static void fold_order_end(struct sp_strategy_books *books, const struct sp_record *record)
{
    const struct sp_order_event *event = &record->body.order_event;
    struct sp_live_trade *trade = find_trade(books, event->trade_id);

    if (trade == NULL || trade->is_open || event->filled_qty.e8 > 0) return;
    if (sp_ord_id_eq(trade->entry_order_id, event->order_id)) drop(books, trade);
}

static void fold_fill(struct sp_strategy_books *books, const struct sp_record *record)
{
    struct sp_live_trade *trade = find_trade(books, record->body.fill.trade_id);

    if (trade != NULL) trade->is_open = true;
}

static void fold_opened(struct sp_strategy_books *books, const struct sp_record *record)
{
    struct sp_live_trade *trade = adopt(books, record->body.trade_opened.trade_id);

    if (trade != NULL) trade->is_open = true;
}

static void fold_closed(struct sp_strategy_books *books, const struct sp_record *record)
{
    struct sp_live_trade *trade = find_trade(books, record->body.trade_closed.trade_id);

    if (trade != NULL) drop(books, trade);
}

static void fold_ledger(struct sp_strategy_books *books, const struct sp_record *record)
{
    books->realised_pnl = record->body.ledger_state.realised_pnl;
}

static void fold_trading(struct sp_strategy_books *books, const struct sp_record *record)
{
    books->trading = record->body.trading_state.trading;
}

/* The link's id stands at another place in each body; NULL: meant for every link. */
#define LINK_OF(dto)                                                                               \
    static const sp_name *link_of_##dto(const struct sp_record *record)                            \
    {                                                                                              \
        return &record->body.dto.strategy_link_id;                                                 \
    }
LINK_OF(plan_answer)
LINK_OF(order_intent)
LINK_OF(order_event)
LINK_OF(fill)
LINK_OF(trade_opened)
LINK_OF(trade_closed)
LINK_OF(ledger_state)
LINK_OF(trading_state)
#undef LINK_OF

static const struct {
    enum sp_kind kind;
    const sp_name *(*link_of)(const struct sp_record *record); /* NULL: fold looks by itself */
    void (*fold)(struct sp_strategy_books *books, const struct sp_record *record);
} folds[] = {
    {SP_REC_PLAN_ACCEPTED, link_of_plan_answer, fold_answer},
    {SP_REC_PLAN_REFUSED, link_of_plan_answer, fold_answer},
    {SP_REC_PLAN_EXPIRED, link_of_plan_answer, fold_answer},
    {SP_REC_ORDER_INTENT, link_of_order_intent, fold_intent},
    {SP_REC_ORDER_REJECTED, link_of_order_event, fold_order_end},
    {SP_REC_ORDER_CANCELED, link_of_order_event, fold_order_end},
    {SP_REC_ORDER_EXPIRED, link_of_order_event, fold_order_end},
    {SP_REC_ORDER_ABSENT_PROVEN, link_of_order_event, fold_order_end},
    {SP_REC_SEND_SUPPRESSED, link_of_order_event, fold_order_end},
    {SP_REC_FILL, link_of_fill, fold_fill},
    {SP_REC_TRADE_OPENED, link_of_trade_opened, fold_opened},
    {SP_REC_TRADE_CLOSED, link_of_trade_closed, fold_closed},
    {SP_REC_LEDGER_STATE_CHANGED, link_of_ledger_state, fold_ledger},
    {SP_REC_TRADING_HALTED, link_of_trading_state, fold_trading},
    {SP_REC_TRADING_RESUMED, link_of_trading_state, fold_trading},
    {SP_REC_THREAT_DETECTED, NULL, fold_threat},
    {SP_REC_THREAT_ENDED, NULL, fold_threat},
};

/* A halt of all or of a venue names no link and is ours too. */
static bool is_ours(const struct sp_strategy_books *books, const sp_name *link)
{
    return link == NULL || sp_name_is_empty(link) || sp_name_eq(link, &books->link);
}

void sp_strategy_books_init(struct sp_strategy_books *books, const sp_name *link,
                            const sp_name *symbol)
{
    memset(books, 0, sizeof *books);
    books->link = *link;
    books->symbol = *symbol;
}

static struct sp_ref *find_place(struct sp_strategy_books *books, const sp_name *stream)
{
    for (uint32_t i = 0; i < books->place_count; i++)
        if (sp_name_eq(&books->places[i].stream, stream)) return &books->places[i];
    SP_ASSERT(books->place_count < SP_STRATEGY_STREAMS_MAX);
    return &books->places[books->place_count++];
}

struct sp_ref sp_strategy_books_place(const struct sp_strategy_books *books, const sp_name *stream)
{
    for (uint32_t i = 0; i < books->place_count; i++)
        if (sp_name_eq(&books->places[i].stream, stream)) return books->places[i];
    return (struct sp_ref){0};
}

void sp_strategy_books_forget(struct sp_strategy_books *books)
{
    struct sp_strategy_books old = *books;

    sp_strategy_books_init(books, &old.link, &old.symbol);
    books->last_trade_id = old.last_trade_id;
    books->last_plan_id = old.last_plan_id;
    books->is_pending = !sp_pln_id_is_none(old.last_plan_id);
}

void sp_strategy_books_fold(struct sp_strategy_books *books, const struct sp_record *record)
{
    *find_place(books, &record->stream) = sp_record_ref(record);
    for (size_t i = 0; i < sizeof folds / sizeof folds[0]; i++) {
        if (folds[i].kind != record->kind) continue;
        if (is_ours(books, folds[i].link_of != NULL ? folds[i].link_of(record) : NULL))
            folds[i].fold(books, record);
        return;
    }
}

void sp_strategy_books_plan(struct sp_strategy_books *books, const struct sp_plan *plan)
{
    books->last_trade_id = plan->trade_id;
    books->last_plan_id = plan->plan_id;
    books->is_pending = true;
}

sp_trd_id sp_strategy_books_trade(const struct sp_strategy_books *books, bool *is_in_flight)
{
    sp_trd_id blocking = books->is_pending ? books->last_trade_id : (sp_trd_id){0};

    *is_in_flight = true;
    for (uint32_t i = 0; i < books->trade_count; i++) {
        blocking = books->trades[i].trade_id;
        if (!books->trades[i].is_open) continue;
        *is_in_flight = false;
        return blocking;
    }
    if (sp_trd_id_is_none(blocking)) *is_in_flight = false;
    return blocking;
}
