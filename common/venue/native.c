/* The native adapter: msgpack DTOs to spoor-venue over its control socket.
 *
 * The connection is judged by questions, not by sockets: a ping every 250 ms, answered with the
 * venue's epoch. No answer for a second, or another epoch, means that the connection is lost; what
 * was under way is of unknown outcome. A new connection subscribes to reports first and is up when
 * that is answered: the socket keeps order, so whatever an earlier connection of this process still
 * had queued was handled by the venue before.
 *
 * A venue that refuses requests for a while (LIMITED: too many; AWAY: maintenance, or an exclusion)
 * is not asked before that while is over, by nobody of this process; a longer while ends the
 * connection, since nothing can be settled in it.
 *
 * The answer also says how many reports were sent to us. It is behind them in the same connection,
 * so that one which has not come by then is lost: a gap behind which nothing comes is seen too.
 */
#include "common/planted_bug.h"
#include "common/venue/venue_base.h"

#include "common/bus/bus.h"
#include "common/clock.h"

#include <stdlib.h>
#include <string.h>

#define PING_EVERY_NS (250 * SP_NS_PER_MS)
#define SILENCE_NS    (1000 * SP_NS_PER_MS)
#define ABSENCE_NS    (2000 * SP_NS_PER_MS) /* docs/decisions/0005 */
#define UNSAID_NS     (1000 * SP_NS_PER_MS) /* a refusal that does not say for how long */

struct native {
    struct sp_venue base;
    struct sp_loop *loop;
    struct sp_client *client;
    struct sp_timer *timer;
    sp_name service;
    bool reports;
    bool joining;         /* the own request under way is the one that ends with being up */
    uint32_t epoch;       /* of the venue, as its answers say; 0 while down */
    uint64_t own_request; /* ping or subscribe under way */
    uint64_t last_report; /* of this connection */
    sp_mono asked;        /* the own request under way */
    sp_mono heard;
    sp_mono quiet_until;
    struct sp_record scratch;
};

/* Requests of this module are answered here and not passed on. */
static void ask(struct native *venue, bool join)
{
    struct sp_record *record = &venue->scratch;
    struct sp_err err = {0};
    sp_mono now = sp_clock_mono();

    if (now.ns < venue->quiet_until.ns) return; /* the timer comes back */
    venue->asked = now;
    memset(record, 0, sizeof *record);
    record->kind = SP_REC_VENUE_QUERY;
    record->time = sp_clock_wall();
    venue->own_request = sp_venue_next_request(&venue->base);
    record->body.venue_query.request_id = venue->own_request;
    record->body.venue_query.what = sp_name_of(join && venue->reports ? "subscribe" : "ping");
    venue->joining = join;
    SP_IGNORE(sp_client_send(venue->client, record, &err)); /* silence will tell */
    sp_venue_metrics_asked(&venue->base.metrics, SP_VENUE_ASK_TIME);
}

static void go_down(struct native *venue, const char *reason)
{
    bool was_up = venue->base.up;

    venue->base.up = false;
    venue->epoch = 0;
    if (was_up) venue->base.callbacks.on_down(venue->base.callbacks.ctx, reason);
}

/* True if the answer refuses this request and all others for a while. */
static bool told_to_wait(struct native *venue, const struct sp_record *message)
{
    const struct sp_venue_answer *answer = &message->body.venue_answer;
    sp_mono now = sp_clock_mono();

    if (message->kind != SP_REC_VENUE_ANSWER || answer->ok) return false;
    bool away = sp_name_is(&answer->status, sp_status_name(SP_AWAY));
    if (!away && !sp_name_is(&answer->status, sp_status_name(SP_LIMITED))) return false;
    sp_dur wait = {answer->wait.ns > 0 ? answer->wait.ns : UNSAID_NS};
    if (wait.ns > INT64_MAX - now.ns) wait.ns = INT64_MAX - now.ns;
    if (now.ns + wait.ns > venue->quiet_until.ns && !SP_BUG(wait_ignored))
        venue->quiet_until.ns = now.ns + wait.ns;
    if (venue->base.callbacks.on_wait != NULL)
        venue->base.callbacks.on_wait(venue->base.callbacks.ctx, wait, answer->reason.s);
    if (away || wait.ns > SILENCE_NS) go_down(venue, answer->reason.s);
    return true;
}

/* Passes on what says that the last reports were lost. */
static void watch_reports(struct native *venue, const struct sp_record *message)
{
    uint64_t sent = message->body.venue_answer.reports;

    if (sent <= venue->last_report) return;
    venue->last_report = sent;
    venue->base.callbacks.on_message(venue->base.callbacks.ctx, message);
}

static void on_own_answer(struct native *venue, const struct sp_record *message)
{
    const struct sp_venue_answer *answer = &message->body.venue_answer;
    uint32_t epoch = answer->items;
    bool joined = venue->joining && epoch == venue->epoch;

    venue->own_request = 0;
    sp_venue_metrics_took(&venue->base.metrics, sp_mono_since(venue->heard, venue->asked));
    if (!answer->ok) return;
    if (venue->base.up && epoch != venue->epoch) go_down(venue, "the venue was restarted");
    if (venue->base.up) {
        watch_reports(venue, message);
        return;
    }
    if (!joined) {
        /* First word of this incarnation: subscribe, and be up when that itself is answered. The
         * answer to a ping proves no subscription: the question may have been lost. */
        venue->epoch = epoch;
        ask(venue, true);
        return;
    }
    venue->base.up = true;
    venue->last_report = answer->reports; /* who comes up asks for everything */
    venue->base.generation++;
    sp_venue_metrics_count(venue->base.metrics.connections);
    venue->base.callbacks.on_up(venue->base.callbacks.ctx, venue->base.generation);
}

/* An answer that is no success; what the request was, the caller knows. */
static void count_error(struct native *venue, const struct sp_record *message)
{
    const struct sp_venue_answer *answer = &message->body.venue_answer;
    enum sp_venue_error error = SP_VENUE_ERROR_UNKNOWN;

    if (message->kind != SP_REC_VENUE_ANSWER || answer->ok) return;
    if (sp_name_is(&answer->status, sp_status_name(SP_REFUSED)) ||
        sp_name_is(&answer->status, sp_status_name(SP_INVALID)))
        error = SP_VENUE_ERROR_REFUSED;
    if (sp_name_is(&answer->status, sp_status_name(SP_NOT_FOUND))) error = SP_VENUE_ERROR_NOT_FOUND;
    if (sp_name_is(&answer->status, sp_status_name(SP_LIMITED))) error = SP_VENUE_ERROR_LIMITED;
    if (sp_name_is(&answer->status, sp_status_name(SP_AWAY))) error = SP_VENUE_ERROR_BANNED;
    sp_venue_metrics_failed(&venue->base.metrics, error);
}

static void on_message(void *ctx, const struct sp_record *message)
{
    struct native *venue = ctx;
    bool own = message->kind == SP_REC_VENUE_ANSWER && venue->own_request != 0 &&
               message->body.venue_answer.request_id == venue->own_request;

    venue->heard = sp_clock_mono();
    count_error(venue, message);
    bool refused = told_to_wait(venue, message);
    if (own && refused) {
        venue->own_request = 0;
    } else if (own) {
        on_own_answer(venue, message);
    } else if (venue->base.up) {
        if (message->kind == SP_REC_VENUE_REPORT &&
            message->body.venue_report.report_seq > venue->last_report)
            venue->last_report = message->body.venue_report.report_seq;
        venue->base.callbacks.on_message(venue->base.callbacks.ctx, message);
    }
}

static void set_gauges(struct native *venue, sp_mono now)
{
    struct sp_venue_metrics *metrics = &venue->base.metrics;
    sp_dur wait = sp_mono_since(venue->quiet_until, now);

    sp_venue_metrics_set(metrics->is_up, venue->base.up);
    sp_venue_metrics_set(metrics->wait, wait.ns > 0 ? wait.ns : 0);
    sp_venue_metrics_set(metrics->silence, sp_mono_since(now, venue->heard).ns);
}

static void on_timer(void *ctx)
{
    struct native *venue = ctx;
    sp_mono now = sp_clock_mono();
    sp_dur silent = sp_mono_since(now, venue->heard);

    set_gauges(venue, now);
    if (now.ns < venue->quiet_until.ns) {
        venue->heard = now; /* we do not ask: silence means nothing */
        return;
    }
    if (venue->epoch != 0 && silent.ns >= SILENCE_NS) go_down(venue, "no answer for a second");
    ask(venue, venue->epoch != 0 && !venue->base.up);
}

static void close_native(struct sp_venue *base)
{
    struct native *venue = (struct native *)base;

    sp_timer_cancel(venue->timer);
    sp_client_close(venue->client);
    free(venue);
}

static enum sp_venue_ask kind_of(const struct sp_record *request)
{
    const sp_name *what = &request->body.venue_query.what;

    if (request->kind == SP_REC_VENUE_ORDER) return SP_VENUE_ASK_ORDER;
    if (request->kind == SP_REC_VENUE_CANCEL) return SP_VENUE_ASK_CANCEL;
    if (sp_name_is(what, "order")) return SP_VENUE_ASK_ORDER_QUERY;
    if (sp_name_is(what, "open_orders")) return SP_VENUE_ASK_OPEN_ORDERS;
    if (sp_name_is(what, "fills")) return SP_VENUE_ASK_TRADES;
    return sp_name_is(what, "balances") ? SP_VENUE_ASK_ACCOUNT : SP_VENUE_ASK_OTHER;
}

static sp_status send_native(struct sp_venue *base, const struct sp_record *request,
                             struct sp_err *err)
{
    struct native *venue = (struct native *)base;

    if (sp_clock_mono().ns < venue->quiet_until.ns)
        return SP_FAIL(err, SP_AGAIN, "the venue asks us to wait");
    venue->scratch = *request;
    venue->scratch.time = sp_clock_wall(); /* the venue refuses orders older than its window */
    sp_status status = sp_client_send(venue->client, &venue->scratch, err);
    if (status == SP_OK) sp_venue_metrics_asked(&base->metrics, kind_of(request));
    return status;
}

sp_status sp_venue_open_native(struct sp_loop *loop, const char *run_dir, const sp_name *service,
                               bool reports, const struct sp_venue_callbacks *callbacks,
                               struct sp_venue **out, struct sp_err *err)
{
    static const struct sp_venue_ops ops = {.close = close_native, .send = send_native};
    struct native *venue = calloc(1, sizeof *venue);
    sp_name peer = sp_name_of("venue");
    sp_dur every = {PING_EVERY_NS};

    if (venue == NULL) return SP_FAIL(err, SP_NO_MEMORY, "venue connection");
    venue->base.ops = &ops;
    venue->base.callbacks = *callbacks;
    venue->base.absence.ns = ABSENCE_NS;
    venue->loop = loop;
    venue->service = *service;
    venue->reports = reports;
    venue->heard = sp_clock_mono();
    sp_status status = sp_client_open(loop, run_dir, &peer, on_message, venue, &venue->client, err);
    if (status == SP_OK) {
        status = sp_loop_add_timer(loop, (sp_dur){0}, every, on_timer, venue, &venue->timer);
        if (status != SP_OK) status = SP_FAIL(err, status, "event loop: no room for a timer");
    }
    if (status != SP_OK) {
        close_native(&venue->base);
        return status;
    }
    *out = &venue->base;
    return SP_OK;
}
