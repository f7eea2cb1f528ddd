/* One job per request of the caller. An order, a cancel, a list of orders and the account are one
 * call each. Executions are told by the venue without our order ids: the orders are then asked for
 * too, and only when each execution has its order the answer is passed on, whole or not at all. */
#include "common/venue/binance_internal.h"

#include "common/clock.h"

#include <stdlib.h>
#include <string.h>

#define EXPECT_NS   (INT64_C(5) * SP_NS_PER_S)
#define ROUNDS_MAX  20
#define RECORDS_MAX 4096

struct binance_job {
    struct binance *venue;
    bool forgotten;
    struct binance_job *next;
    struct sp_record request;
    uint32_t count, room, rounds;
    bool failed;
    struct sp_record *records; /* of the answer, until it is whole */
};

static uint64_t request_id_of(const struct sp_record *request)
{
    if (request->kind == SP_REC_VENUE_ORDER) return request->body.venue_order.request_id;
    if (request->kind == SP_REC_VENUE_CANCEL) return request->body.venue_cancel.request_id;
    return request->body.venue_query.request_id;
}

static void free_job(struct binance_job *job)
{
    for (struct binance_job **at = &job->venue->jobs; *at != NULL; at = &(*at)->next) {
        if (*at != job) continue;
        *at = job->next;
        break;
    }
    free(job->records);
    free(job);
}

void sp_binance_forget_jobs(struct binance *venue)
{
    for (struct binance_job *job = venue->jobs; job != NULL; job = job->next)
        job->forgotten = true;
}

void sp_binance_free_jobs(struct binance *venue)
{
    while (venue->jobs != NULL)
        free_job(venue->jobs);
}

/* ---- What is remembered ---- */

static const sp_name *known_of(const struct binance *venue, const sp_name *symbol,
                               uint64_t venue_order_id)
{
    for (uint32_t i = 0; i < BINANCE_KNOWN_MAX; i++) {
        if (venue->known[i].venue_order_id != venue_order_id) continue;
        if (sp_name_eq(&venue->known[i].symbol, symbol)) return &venue->known[i].client_order_id;
    }
    return NULL;
}

void sp_binance_know(struct binance *venue, const sp_name *symbol, uint64_t venue_order_id,
                     const sp_name *client_id)
{
    if (known_of(venue, symbol, venue_order_id) != NULL) return;
    uint32_t at = venue->known_next++ % BINANCE_KNOWN_MAX;
    venue->known[at].venue_order_id = venue_order_id;
    venue->known[at].symbol = *symbol;
    venue->known[at].client_order_id = *client_id;
}

static void found(struct binance *venue, const sp_name *client_id)
{
    for (uint32_t i = 0; i < BINANCE_ABSENT_MAX; i++) {
        if (sp_name_eq(&venue->absent[i].client_order_id, client_id))
            venue->absent[i].client_order_id.s[0] = '\0';
    }
}

/* Whether it has not been there for long enough. */
static bool is_absent(struct binance *venue, const sp_name *client_id)
{
    sp_mono now = sp_clock_mono();

    for (uint32_t i = 0; i < BINANCE_ABSENT_MAX; i++) {
        if (!sp_name_eq(&venue->absent[i].client_order_id, client_id)) continue;
        return sp_mono_since(now, venue->absent[i].since).ns >= venue->config->absence.ns;
    }
    uint32_t at = venue->absent_next++ % BINANCE_ABSENT_MAX;
    venue->absent[at].client_order_id = *client_id;
    venue->absent[at].since = now;
    return false;
}

static void expect(struct binance *venue, const sp_name *client_id)
{
    uint32_t at = venue->expected_next++ % BINANCE_EXPECTED_MAX;

    if (!venue->options.reports) return;
    venue->expected[at].client_order_id = *client_id;
    venue->expected[at].until = (sp_mono){0};
}

void sp_binance_told(struct binance *venue, const sp_name *client_order_id)
{
    found(venue, client_order_id);
    for (uint32_t i = 0; i < BINANCE_EXPECTED_MAX; i++) {
        if (sp_name_eq(&venue->expected[i].client_order_id, client_order_id))
            venue->expected[i].client_order_id.s[0] = '\0';
    }
}

static void accepted(struct binance *venue, const sp_name *client_id)
{
    for (uint32_t i = 0; i < BINANCE_EXPECTED_MAX; i++) {
        if (sp_name_eq(&venue->expected[i].client_order_id, client_id))
            venue->expected[i].until.ns = sp_clock_mono().ns + EXPECT_NS;
    }
}

bool sp_binance_is_untold(const struct binance *venue, sp_mono now)
{
    for (uint32_t i = 0; i < BINANCE_EXPECTED_MAX; i++) {
        bool waits =
            venue->expected[i].client_order_id.s[0] != '\0' && venue->expected[i].until.ns != 0;
        if (waits && now.ns >= venue->expected[i].until.ns) return true;
    }
    return false;
}

/* ---- Answers to the caller ---- */

static void finish(struct binance_job *job, struct sp_venue_answer *answer)
{
    struct binance *venue = job->venue;
    struct sp_record record = {.kind = SP_REC_VENUE_ANSWER, .time = sp_clock_wall()};

    answer->request_id = request_id_of(&job->request);
    answer->venue_time.ns = sp_binance_clock_ms(&venue->clock, sp_clock_wall()) * SP_NS_PER_MS;
    record.body.venue_answer = *answer;
    free_job(job);
    venue->base.callbacks.on_message(venue->base.callbacks.ctx, &record);
}

/* `status` decides what the caller may believe: REFUSED is certain, NOT_FOUND is no proof by
 * itself, everything else proves nothing. */
static void fail(struct binance_job *job, sp_status status, const char *reason)
{
    struct sp_venue_answer answer = {.status = sp_name_of(sp_status_name(status))};

    sp_text_printf(&answer.reason, "%s", reason);
    finish(job, &answer);
}

static void succeed(struct binance_job *job)
{
    struct binance *venue = job->venue;
    struct sp_venue_answer answer = {.ok = true, .items = job->count};
    uint32_t life = venue->life;

    /* A callback may end the connection: the job is then forgotten, but still ours to free. */
    for (uint32_t i = 0; i < job->count && venue->life == life; i++)
        venue->base.callbacks.on_message(venue->base.callbacks.ctx, &job->records[i]);
    if (venue->life == life)
        finish(job, &answer);
    else
        free_job(job);
}

/* What an answer without the promised content means. */
static void fail_by_outcome(struct binance_job *job, enum sp_binance_outcome outcome,
                            const struct sp_http_answer *answer,
                            const struct sp_binance_error *error)
{
    sp_text reason = {{0}};

    if (answer->status == 0) {
        sp_text_printf(&reason, "%s: %s", answer->sent ? "no answer" : "not sent", answer->failure);
        fail(job, answer->sent ? SP_TIMEOUT : SP_REFUSED, reason.s);
        return;
    }
    sp_text_printf(&reason, "HTTP %d, %lld: %s", answer->status, (long long)error->code,
                   error->message.s);
    switch (outcome) {
    case SP_BINANCE_REFUSED: fail(job, SP_REFUSED, reason.s); return;
    case SP_BINANCE_NOT_FOUND: fail(job, SP_NOT_FOUND, reason.s); return;
    case SP_BINANCE_LIMITED:
    case SP_BINANCE_BANNED: fail(job, SP_LIMITED, reason.s); return;
    case SP_BINANCE_ACCEPTED:
    case SP_BINANCE_UNKNOWN:
    case SP_BINANCE_OUTCOMES: fail(job, SP_TIMEOUT, reason.s); return;
    }
}

/* A question that was refused, or never left, says nothing about an order. */
static void fail_question(struct binance_job *job, enum sp_binance_outcome outcome,
                          const struct sp_http_answer *answer, const struct sp_binance_error *error)
{
    if (answer->status != 0 && outcome == SP_BINANCE_NOT_FOUND) {
        const sp_name *id = &job->request.body.venue_query.client_order_id;
        if (job->venue->options.reports || is_absent(job->venue, id))
            fail(job, SP_NOT_FOUND, "order does not exist");
        else
            fail(job, SP_AGAIN, "not found, which proves nothing yet");
        return;
    }
    sp_text reason = {{0}};
    sp_text_printf(&reason, "HTTP %d, %lld: %s%s", answer->status, (long long)error->code,
                   error->message.s, answer->failure);
    fail(job, SP_AGAIN, reason.s);
}

/* ---- Orders ---- */

static void on_order_answer(void *ctx, const struct sp_http_answer *answer)
{
    struct binance_job *job = ctx;
    const struct sp_venue_order *order = &job->request.body.venue_order;
    struct sp_venue_answer done = {.ok = true};
    struct sp_binance_error error;
    struct sp_err err = {0};

    if (job->forgotten) {
        free_job(job);
        return;
    }
    enum sp_binance_outcome outcome = sp_binance_heard(job->venue, answer, &error);
    if (answer->status == 0 || outcome != SP_BINANCE_ACCEPTED) {
        bool gone = outcome == SP_BINANCE_REFUSED || (answer->status == 0 && !answer->sent);
        if (gone) sp_binance_told(job->venue, &order->client_order_id);
        fail_by_outcome(job, outcome, answer, &error);
        return;
    }
    if (sp_binance_read_accepted(answer->body, answer->body_bytes, order, &done.venue_order_id,
                                 &done.pair_venue_order_id, &err) != SP_OK) {
        fail(job, SP_TIMEOUT, err.text);
        return;
    }
    sp_binance_know(job->venue, &order->symbol, done.venue_order_id, &order->client_order_id);
    if (done.pair_venue_order_id != 0)
        sp_binance_know(job->venue, &order->symbol, done.pair_venue_order_id,
                        &order->pair_client_order_id);
    accepted(job->venue, &order->client_order_id);
    finish(job, &done);
}

static void on_cancel_answer(void *ctx, const struct sp_http_answer *answer)
{
    struct binance_job *job = ctx;
    struct sp_venue_answer done = {.ok = true};
    struct sp_binance_error error;

    if (job->forgotten) {
        free_job(job);
        return;
    }
    enum sp_binance_outcome outcome = sp_binance_heard(job->venue, answer, &error);
    if (answer->status != 0 && outcome == SP_BINANCE_ACCEPTED)
        finish(job, &done);
    else
        fail_by_outcome(job, outcome, answer, &error);
}

/* ---- Lists ---- */

/* The account may hold orders in instruments that are not configured. */
static bool is_traded(const struct binance *venue, const struct sp_record *record)
{
    if (record->kind != SP_REC_ORDER_VIEW) return true;
    return sp_world_instrument(venue->options.world, record->body.order_view.symbol.s) != NULL;
}

static void keep(void *ctx, const struct sp_record *record)
{
    struct binance_job *job = ctx;

    if (!is_traded(job->venue, record)) return;
    if (job->count == job->room) {
        uint32_t room = job->room == 0 ? 16 : job->room * 2;
        struct sp_record *grown =
            room <= RECORDS_MAX ? realloc(job->records, room * sizeof *grown) : NULL;
        if (grown == NULL) {
            job->failed = true;
            return;
        }
        job->records = grown;
        job->room = room;
    }
    job->records[job->count] = *record;
    job->records[job->count].time = sp_clock_wall();
    job->count++;
}

static void know_orders(struct binance_job *job)
{
    for (uint32_t i = 0; i < job->count; i++) {
        const struct sp_order_view *view = &job->records[i].body.order_view;
        if (job->records[i].kind != SP_REC_ORDER_VIEW) continue;
        sp_binance_know(job->venue, &view->symbol, view->venue_order_id, &view->client_order_id);
        found(job->venue, &view->client_order_id);
    }
}

static void on_list(void *ctx, const struct sp_http_answer *answer)
{
    struct binance_job *job = ctx;
    const struct sp_venue_query *query = &job->request.body.venue_query;
    struct sp_binance_sink sink = {job, keep};
    struct sp_binance_rights rights;
    struct sp_binance_error error;
    struct sp_err err = {0};

    if (job->forgotten) {
        free_job(job);
        return;
    }
    enum sp_binance_outcome outcome = sp_binance_heard(job->venue, answer, &error);
    if (answer->status == 0 || outcome != SP_BINANCE_ACCEPTED) {
        fail_question(job, outcome, answer, &error);
        return;
    }
    sp_status status = sp_name_is(&query->what, "balances")
                           ? sp_binance_read_account(answer->body, answer->body_bytes,
                                                     query->request_id, &sink, &rights, &err)
                           : sp_binance_read_orders(answer->body, answer->body_bytes,
                                                    query->request_id, &sink, &err);
    if (status != SP_OK || job->failed) {
        fail(job, SP_AGAIN, job->failed ? "the answer is too long" : err.text);
        return;
    }
    know_orders(job);
    succeed(job);
}

/* ---- Executions ---- */

static void resolve(struct binance_job *job);

static void name_order(void *ctx, const struct sp_record *record)
{
    struct binance_job *job = ctx;
    const struct sp_order_view *view = &record->body.order_view;

    sp_binance_know(job->venue, &view->symbol, view->venue_order_id, &view->client_order_id);
    for (uint32_t i = 0; i < job->count; i++) {
        struct sp_fill_view *fill = &job->records[i].body.fill_view;
        if (fill->venue_order_id == view->venue_order_id)
            fill->client_order_id = view->client_order_id;
    }
}

static void on_fill_orders(void *ctx, const struct sp_http_answer *answer)
{
    struct binance_job *job = ctx;
    struct sp_binance_sink sink = {job, name_order};
    struct sp_binance_error error;
    struct sp_err err = {0};

    if (job->forgotten) {
        free_job(job);
        return;
    }
    enum sp_binance_outcome outcome = sp_binance_heard(job->venue, answer, &error);
    if (answer->status == 0 || outcome != SP_BINANCE_ACCEPTED) {
        fail_question(job, outcome, answer, &error);
        return;
    }
    if (sp_binance_read_orders(answer->body, answer->body_bytes, 0, &sink, &err) != SP_OK) {
        fail(job, SP_AGAIN, err.text);
        return;
    }
    resolve(job);
}

static void resolve(struct binance_job *job)
{
    uint64_t first = 0;
    struct sp_binance_call call;
    struct sp_err err = {0};

    for (uint32_t i = 0; i < job->count; i++) {
        struct sp_fill_view *fill = &job->records[i].body.fill_view;
        const sp_name *known = known_of(job->venue, &fill->symbol, fill->venue_order_id);
        if (fill->client_order_id.s[0] == '\0' && known != NULL) fill->client_order_id = *known;
        bool open = fill->client_order_id.s[0] == '\0';
        if (open && (first == 0 || fill->venue_order_id < first)) first = fill->venue_order_id;
    }
    if (first == 0) {
        succeed(job);
        return;
    }
    sp_status status =
        job->rounds++ < ROUNDS_MAX
            ? sp_binance_all_orders(&job->request.body.venue_query.symbol, first, &call, &err)
            : SP_FAIL(&err, SP_AGAIN, "an execution of an order that is not told");
    if (status == SP_OK)
        status = sp_binance_ask(job->venue, &call, false, job, on_fill_orders, &err);
    if (status != SP_OK) fail(job, SP_AGAIN, err.text);
}

static void on_fills(void *ctx, const struct sp_http_answer *answer)
{
    struct binance_job *job = ctx;
    const struct sp_venue_query *query = &job->request.body.venue_query;
    struct sp_binance_sink sink = {job, keep};
    struct sp_binance_error error;
    struct sp_err err = {0};

    if (job->forgotten) {
        free_job(job);
        return;
    }
    enum sp_binance_outcome outcome = sp_binance_heard(job->venue, answer, &error);
    if (answer->status == 0 || outcome != SP_BINANCE_ACCEPTED) {
        fail_question(job, outcome, answer, &error);
        return;
    }
    if (sp_binance_read_trades(answer->body, answer->body_bytes, query->request_id, &sink, &err) !=
            SP_OK ||
        job->failed) {
        fail(job, SP_AGAIN, job->failed ? "the answer is too long" : err.text);
        return;
    }
    resolve(job);
}

/* ---- Sending ---- */

/* Open orders of several instruments are asked for at once: that answer is of one moment. */
static const sp_name *one_symbol(const struct binance *venue)
{
    const struct sp_world_config *world = venue->options.world;

    return world->instrument_count == 1 ? &world->instruments[0].symbol : NULL;
}

static sp_status make_query(struct binance *venue, const struct sp_venue_query *query,
                            struct sp_binance_call *call, struct sp_err *err)
{
    if (sp_name_is(&query->what, "order"))
        return sp_binance_order_query(&query->symbol, &query->client_order_id, call, err);
    if (sp_name_is(&query->what, "open_orders"))
        return sp_binance_open_orders(one_symbol(venue), call, err);
    if (sp_name_is(&query->what, "fills"))
        return sp_binance_trades(&query->symbol, query->after_trade_id, call, err);
    if (!sp_name_is(&query->what, "balances"))
        return SP_FAIL(err, SP_UNSUPPORTED, "no such question: %s", query->what.s);
    sp_binance_account(call);
    return SP_OK;
}

sp_status sp_binance_send(struct sp_venue *base, const struct sp_record *request,
                          struct sp_err *err)
{
    struct binance *venue = (struct binance *)base;
    struct sp_binance_call call;
    void (*on_answer)(void *ctx, const struct sp_http_answer *answer) = on_list;
    sp_status status = SP_OK;
    bool is_order = request->kind == SP_REC_VENUE_ORDER;

    if (is_order) {
        status = sp_binance_order(&request->body.venue_order, &call, err);
        on_answer = on_order_answer;
    } else if (request->kind == SP_REC_VENUE_CANCEL) {
        status = sp_binance_cancel(&request->body.venue_cancel, &call, err);
        on_answer = on_cancel_answer;
    } else {
        status = make_query(venue, &request->body.venue_query, &call, err);
        if (sp_name_is(&request->body.venue_query.what, "fills")) on_answer = on_fills;
    }
    if (status != SP_OK) return status;
    struct binance_job *job = calloc(1, sizeof *job);
    if (job == NULL) return SP_FAIL(err, SP_NO_MEMORY, "request to the venue");
    job->request = *request;
    job->venue = venue;
    bool urgent = request->kind != SP_REC_VENUE_QUERY;
    status = sp_binance_ask(venue, &call, urgent, job, on_answer, err);
    if (status != SP_OK) {
        free_job(job);
        return status;
    }
    job->next = venue->jobs;
    venue->jobs = job;
    if (is_order) expect(venue, &request->body.venue_order.client_order_id);
    return SP_OK;
}
