#include "common/venue/binance_internal.h"

#include "common/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>

#define TICK_NS         (250 * SP_NS_PER_MS)
#define ANSWER_LIMIT_NS (15 * SP_NS_PER_S) /* the venue gives up on its own backend after 10 s */
#define TIME_LIMIT_NS   (5 * SP_NS_PER_S)
#define TIME_EVERY_NS   (2 * SP_NS_PER_S)
#define STEP_LIMIT_NS   (20 * SP_NS_PER_S)
#define CLOCK_SAMPLES   3

static void enter(struct binance *venue, enum binance_step step)
{
    venue->step = step;
    venue->since = sp_clock_mono();
}

static void wait_anew(struct binance *venue)
{
    uint64_t random = 0;

    SP_IGNORE(getrandom(&random, sizeof random, GRND_NONBLOCK) < 0); /* then without jitter */
    enter(venue, BINANCE_WAITING);
    sp_venue_metrics_count(venue->base.metrics.back_offs);
    venue->resume.ns = venue->since.ns + sp_binance_backoff(venue->attempt++, random).ns;
    if (venue->resume.ns < venue->pace.wait_until.ns) venue->resume = venue->pace.wait_until;
}

void sp_binance_down(struct binance *venue, const char *reason)
{
    bool was_up = venue->base.up;

    venue->base.up = false;
    venue->life++;
    sp_binance_forget_jobs(venue);
    memset(venue->expected, 0, sizeof venue->expected);
    sp_binance_user_close(venue);
    venue->time_asked = false;
    wait_anew(venue);
    if (was_up) {
        venue->base.callbacks.on_down(venue->base.callbacks.ctx, reason);
    } else if (strcmp(venue->down_reason.s, reason) != 0) {
        sp_log(SP_LOG_WARN, "venue_not_reached", "reason=\"%s\" next=\"tried again\"", reason);
    }
    sp_text_printf(&venue->down_reason, "%s", reason);
}

void sp_binance_up(struct binance *venue)
{
    venue->down_reason = (sp_text){{0}};
    enter(venue, BINANCE_UP);
    venue->attempt = 0;
    venue->report_seq = 0;
    venue->base.up = true;
    venue->base.generation++;
    sp_venue_metrics_count(venue->base.metrics.connections);
    venue->base.callbacks.on_up(venue->base.callbacks.ctx, venue->base.generation);
}

static void refuse(struct binance *venue, const char *what)
{
    struct sp_err err = {0};

    SP_IGNORE(SP_FAIL(&err, SP_CONFIG, "the venue's key: %.100s", what));
    sp_binance_down(venue, "the key is refused");
    venue->resume.ns = INT64_MAX; /* the service is about to end */
    venue->base.callbacks.on_refused(venue->base.callbacks.ctx, &err);
}

/* ---- Asking ---- */

static enum sp_venue_ask kind_of(const struct sp_binance_call *call)
{
    static const struct {
        const char *path;
        enum sp_venue_ask kinds[3]; /* of GET, POST, DELETE */
    } paths[] = {
        {"/api/v3/order", {SP_VENUE_ASK_ORDER_QUERY, SP_VENUE_ASK_ORDER, SP_VENUE_ASK_CANCEL}},
        {"/api/v3/orderList/oco", {SP_VENUE_ASK_OTHER, SP_VENUE_ASK_ORDER, SP_VENUE_ASK_OTHER}},
        {"/api/v3/openOrders", {SP_VENUE_ASK_OPEN_ORDERS, SP_VENUE_ASK_OTHER, SP_VENUE_ASK_OTHER}},
        {"/api/v3/allOrders", {SP_VENUE_ASK_ALL_ORDERS, SP_VENUE_ASK_OTHER, SP_VENUE_ASK_OTHER}},
        {"/api/v3/myTrades", {SP_VENUE_ASK_TRADES, SP_VENUE_ASK_OTHER, SP_VENUE_ASK_OTHER}},
        {"/api/v3/account", {SP_VENUE_ASK_ACCOUNT, SP_VENUE_ASK_OTHER, SP_VENUE_ASK_OTHER}},
        {"/api/v3/time", {SP_VENUE_ASK_TIME, SP_VENUE_ASK_OTHER, SP_VENUE_ASK_OTHER}},
    };

    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        if (strcmp(paths[i].path, call->path) == 0) return paths[i].kinds[call->method];
    }
    return SP_VENUE_ASK_OTHER;
}

static void count_answer(struct binance *venue, const struct sp_http_answer *answer,
                         enum sp_binance_outcome outcome)
{
    static const enum sp_venue_error errors[] = {
        [SP_BINANCE_REFUSED] = SP_VENUE_ERROR_REFUSED,
        [SP_BINANCE_NOT_FOUND] = SP_VENUE_ERROR_NOT_FOUND,
        [SP_BINANCE_LIMITED] = SP_VENUE_ERROR_LIMITED,
        [SP_BINANCE_BANNED] = SP_VENUE_ERROR_BANNED,
        [SP_BINANCE_UNKNOWN] = SP_VENUE_ERROR_UNKNOWN,
    };
    struct sp_venue_metrics *metrics = &venue->base.metrics;

    if (answer->status == 0) {
        sp_venue_metrics_failed(metrics,
                                answer->sent ? SP_VENUE_ERROR_NO_ANSWER : SP_VENUE_ERROR_NOT_SENT);
        return;
    }
    venue->heard = sp_clock_mono();
    sp_venue_metrics_took(metrics, (sp_dur){answer->answered.ns - answer->asked.ns});
    if (outcome != SP_BINANCE_ACCEPTED) sp_venue_metrics_failed(metrics, errors[outcome]);
}

sp_status sp_binance_ask(struct binance *venue, struct sp_binance_call *call, bool urgent,
                         void *ctx,
                         void (*on_answer)(void *ctx, const struct sp_http_answer *answer),
                         struct sp_err *err)
{
    static const char *const verbs[] = {"GET", "POST", "DELETE"};
    char hex[SP_BINANCE_SIGNATURE_SIZE], header[SP_BINANCE_KEY_SIZE + 16];
    int64_t server_ms = sp_binance_clock_ms(&venue->clock, sp_clock_wall());
    struct sp_http_ask ask = {.base = venue->config->rest,
                              .verb = verbs[call->method],
                              .path = call->path,
                              .limit = {call->is_signed ? ANSWER_LIMIT_NS : TIME_LIMIT_NS},
                              .ctx = ctx,
                              .on_answer = on_answer};

    if (!sp_binance_pace_take(&venue->pace, call->weight, urgent, sp_clock_mono(), server_ms))
        return SP_FAIL(err, SP_AGAIN, "no request weight is left for now");
    if (call->is_signed) {
        sp_status status = sp_binance_stamp(call, server_ms, err);
        if (status == SP_OK)
            status = sp_binance_keys_sign(venue->keys, call->params, call->len_bytes, hex, err);
        if (status == SP_OK) status = sp_binance_add_signature(call, hex, err);
        if (status != SP_OK) return status;
        snprintf(header, sizeof header, "X-MBX-APIKEY: %s", sp_binance_keys_api_key(venue->keys));
        ask.header = header;
    }
    ask.params = call->params;
    sp_status status = sp_http_client_ask(venue->http, &ask, err);
    if (status == SP_OK) sp_venue_metrics_asked(&venue->base.metrics, kind_of(call));
    return status;
}

enum sp_binance_outcome sp_binance_heard(struct binance *venue, const struct sp_http_answer *answer,
                                         struct sp_binance_error *error)
{
    *error = (struct sp_binance_error){0};
    if (answer->status == 0) {
        count_answer(venue, answer, SP_BINANCE_UNKNOWN);
        return SP_BINANCE_UNKNOWN;
    }
    if (answer->status >= 300) sp_binance_error(answer->body, answer->body_bytes, error);
    enum sp_binance_outcome outcome = sp_binance_classify(answer->status, error);
    count_answer(venue, answer, outcome);
    int64_t used = sp_http_answer_number(answer, "x-mbx-used-weight-1m");
    int64_t server_ms = sp_binance_clock_ms(&venue->clock, answer->answered);
    if (used > 0 && used <= UINT32_MAX)
        sp_binance_pace_counted(&venue->pace, (uint32_t)used, server_ms);
    bool banned = outcome == SP_BINANCE_BANNED;
    if (banned || outcome == SP_BINANCE_LIMITED) {
        int64_t after_s = sp_http_answer_number(answer, "retry-after");
        sp_mono now = sp_clock_mono();
        sp_binance_pace_wait(&venue->pace, after_s, banned, now);
        if (venue->base.callbacks.on_wait != NULL)
            venue->base.callbacks.on_wait(venue->base.callbacks.ctx,
                                          sp_mono_since(venue->pace.wait_until, now),
                                          error->message.s);
    }
    return outcome;
}

/* ---- Rights ---- */

/* Who does not want reports is up without them. */
static void begin_stream(struct binance *venue)
{
    if (!venue->options.reports) {
        sp_binance_up(venue);
        return;
    }
    enter(venue, BINANCE_STREAM);
    sp_binance_user_begin(venue);
}

static void rights_are(struct binance *venue, const struct sp_binance_rights *rights)
{
    if (rights->can_withdraw) {
        refuse(venue, "it may withdraw; make one that may only trade and read");
    } else if (venue->options.reports && !rights->can_trade) {
        refuse(venue, "it may not trade");
    } else {
        venue->rights_known = true;
        begin_stream(venue);
    }
}

static bool is_of_now(const struct binance_asked *asked, struct binance **venue)
{
    *venue = asked->venue;
    return asked->life == asked->venue->life;
}

static void ask_for(struct binance *venue, struct sp_binance_call *call,
                    void (*on_answer)(void *ctx, const struct sp_http_answer *answer))
{
    struct binance_asked *asked = &venue->asked[venue->asked_next++ % BINANCE_ASKED_MAX];
    struct sp_err err = {0};

    *asked = (struct binance_asked){venue, venue->life};
    SP_IGNORE(sp_binance_ask(venue, call, true, asked, on_answer, &err)); /* a limit will tell */
}

static sp_status read_rights(const struct sp_http_answer *answer, struct sp_binance_rights *rights)
{
    if (sp_binance_read_key_rights(answer->body, answer->body_bytes, rights, NULL) == SP_OK)
        return SP_OK;
    return sp_binance_read_account(answer->body, answer->body_bytes, 0, NULL, rights, NULL);
}

/* A venue that knows no rights of keys is asked for those of the account. */
/* Why nothing came, a wrong certificate for one, is for a person to know. */
static void unanswered(struct binance *venue, const char *what, const struct sp_http_answer *answer)
{
    sp_text reason = {{0}};

    if (answer->status != 0) {
        sp_binance_down(venue, what);
        return;
    }
    sp_text_printf(&reason, "%s: %s: %.120s", what, venue->config->rest, answer->failure);
    sp_binance_down(venue, reason.s);
}

static void on_rights(void *ctx, const struct sp_http_answer *answer)
{
    struct binance *venue = NULL;
    struct sp_binance_error error;
    struct sp_binance_rights rights = {0};
    struct sp_binance_call call;

    if (!is_of_now(ctx, &venue)) return;
    enum sp_binance_outcome outcome = sp_binance_heard(venue, answer, &error);
    bool is_key_fault = error.code == -1022 || error.code == -2014 || error.code == -2015;
    if (answer->status == 404) {
        sp_binance_account(&call);
        ask_for(venue, &call, on_rights);
    } else if (outcome == SP_BINANCE_REFUSED && is_key_fault) {
        refuse(venue, error.message.s);
    } else if (answer->status == 0 || outcome != SP_BINANCE_ACCEPTED ||
               read_rights(answer, &rights) != SP_OK) {
        unanswered(venue, "the key's rights are not known", answer);
    } else {
        rights_are(venue, &rights);
    }
}

static void begin_rights(struct binance *venue)
{
    struct sp_binance_call call;

    if (venue->rights_known) {
        begin_stream(venue);
        return;
    }
    enter(venue, BINANCE_RIGHTS);
    sp_binance_key_rights(&call);
    ask_for(venue, &call, on_rights);
}

/* ---- Time ---- */

static void ask_time(struct binance *venue);

static void on_time(void *ctx, const struct sp_http_answer *answer)
{
    struct binance *venue = NULL;
    struct sp_binance_error error;
    int64_t server_ms = 0;

    if (!is_of_now(ctx, &venue)) return;
    venue->time_asked = false;
    enum sp_binance_outcome outcome = sp_binance_heard(venue, answer, &error);
    bool fine = answer->status != 0 && outcome == SP_BINANCE_ACCEPTED &&
                sp_binance_read_time(answer->body, answer->body_bytes, &server_ms, NULL) == SP_OK;
    if (!fine) {
        unanswered(venue, "the venue does not answer", answer);
        return;
    }
    sp_binance_clock_sample(&venue->clock, answer->asked, answer->answered, server_ms);
    if (venue->step != BINANCE_CLOCK) {
        if (venue->clock.samples >= 10 * CLOCK_SAMPLES) sp_binance_clock_restart(&venue->clock);
        return;
    }
    if (venue->clock.samples < CLOCK_SAMPLES)
        ask_time(venue);
    else
        begin_rights(venue);
}

static void ask_time(struct binance *venue)
{
    struct sp_binance_call call;

    venue->time_asked = true;
    venue->time_asked_at = sp_clock_mono();
    sp_binance_server_time(&call);
    ask_for(venue, &call, on_time);
}

/* ---- The clock ---- */

static void set_gauges(struct binance *venue, sp_mono now)
{
    struct sp_venue_metrics *metrics = &venue->base.metrics;
    sp_dur wait = sp_mono_since(venue->pace.wait_until, now);

    sp_venue_metrics_set(metrics->is_up, venue->base.up);
    sp_venue_metrics_set(metrics->wait, wait.ns > 0 ? wait.ns : 0);
    sp_mono heard = venue->options.reports ? sp_binance_user_heard(venue) : venue->heard;
    sp_venue_metrics_set(metrics->silence, heard.ns != 0 ? sp_mono_since(now, heard).ns : 0);
    sp_venue_metrics_set(metrics->weight_used, venue->pace.used);
    sp_venue_metrics_set(metrics->weight_counted, venue->pace.counted);
    sp_venue_metrics_set(metrics->weight_share, venue->pace.share);
    sp_venue_metrics_set(metrics->weight_limit, SP_BINANCE_WEIGHT_MAX);
    sp_venue_metrics_set(metrics->clock_offset, venue->clock.offset_ms * SP_NS_PER_MS);
    sp_venue_metrics_set(metrics->clock_error, venue->clock.round_trip_ms * SP_NS_PER_MS / 2);
}

static void on_tick(void *ctx)
{
    struct binance *venue = ctx;
    sp_mono now = sp_clock_mono();

    set_gauges(venue, now);
    if (venue->step == BINANCE_WAITING) {
        if (now.ns < venue->resume.ns) return;
        sp_binance_clock_restart(&venue->clock);
        enter(venue, BINANCE_CLOCK);
        ask_time(venue);
        return;
    }
    if (venue->step != BINANCE_UP) {
        if (sp_mono_since(now, venue->since).ns >= STEP_LIMIT_NS)
            sp_binance_down(venue, "no answer while connecting");
        return;
    }
    sp_dur asked = sp_mono_since(now, venue->time_asked_at);
    if (!venue->time_asked && asked.ns >= TIME_EVERY_NS) ask_time(venue);
    if (venue->time_asked && asked.ns >= 2 * TIME_LIMIT_NS) venue->time_asked = false;
    if (venue->options.reports) sp_binance_user_watch(venue, now);
}

/* ---- Life ---- */

static void close_binance(struct sp_venue *base)
{
    struct binance *venue = (struct binance *)base;

    sp_binance_user_close(venue);
    sp_http_client_close(venue->http);
    sp_binance_free_jobs(venue);
    sp_timer_cancel(venue->timer);
    sp_binance_keys_close(venue->keys);
    free(venue);
}

sp_status sp_venue_open_binance(struct sp_loop *loop, const struct sp_binance_options *options,
                                const struct sp_venue_callbacks *callbacks, struct sp_venue **out,
                                struct sp_err *err)
{
    static const struct sp_venue_ops ops = {.close = close_binance, .send = sp_binance_send};
    struct binance *venue = calloc(1, sizeof *venue);
    sp_dur every = {TICK_NS};

    if (venue == NULL) return SP_FAIL(err, SP_NO_MEMORY, "venue connection");
    venue->base.ops = &ops;
    venue->base.callbacks = *callbacks;
    venue->loop = loop;
    venue->options = *options;
    venue->config = &options->world->binance;
    venue->base.absence = venue->config->absence;
    venue->base.over_a_network = true;
    sp_binance_pace_init(&venue->pace, options->weight_percent);
    /* Copies of the key's public half pass through other modules: no core file of this process. */
    sp_status status = prctl(PR_SET_DUMPABLE, 0) == 0
                           ? SP_OK
                           : SP_FAIL(err, SP_PLATFORM, "core files cannot be turned off");
    if (status == SP_OK) status = sp_binance_keys_open(venue->config->key, &venue->keys, err);
    if (status == SP_OK) status = sp_http_client_open(loop, options->ca_file, &venue->http, err);
    if (status == SP_OK) {
        status = sp_loop_add_timer(loop, (sp_dur){0}, every, on_tick, venue, &venue->timer);
        if (status != SP_OK) status = SP_FAIL(err, status, "event loop: no room for a timer");
    }
    if (status != SP_OK) {
        close_binance(&venue->base);
        return status;
    }
    *out = &venue->base;
    return SP_OK;
}
