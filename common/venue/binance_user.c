/* The stream of user data. When it is as old as `renew` says, a second one is subscribed beside it,
 * and both are listened to for a while before the first is closed: what was sent over the old one
 * before the new one was subscribed, and is not read yet, still comes. What both tell is passed on
 * once. Where a second one does not come about, the first goes on, and another attempt is made
 * after the back-off; the venue ends it after a day, and then the connection is down. */
#include "common/venue/binance_internal.h"

#include "common/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PING_EVERY_NS (10 * SP_NS_PER_S)
#define SILENCE_NS    (25 * SP_NS_PER_S)
#define OVERLAP_NS    (5 * SP_NS_PER_S)
#define OPENING_NS    (20 * SP_NS_PER_S)

static struct binance_user *other_of(struct binance_user *user)
{
    struct binance *venue = user->venue;

    return user == &venue->users[0] ? &venue->users[1] : &venue->users[0];
}

static struct binance_user *current(struct binance *venue)
{
    return &venue->users[venue->user_now];
}

static void close_one(struct binance_user *user)
{
    sp_socket_close(user->socket);
    user->socket = NULL;
    user->subscribed = false;
}

void sp_binance_user_close(struct binance *venue)
{
    close_one(&venue->users[0]);
    close_one(&venue->users[1]);
    venue->users[0].venue = venue->users[1].venue = venue;
    venue->renew_attempt = 0;
    venue->renew_not_before = (sp_mono){0};
    memset(venue->told, 0, sizeof venue->told);
}

/* One of the two is of no more use. The connection is lost only if nothing is left of it. */
static void lose(struct binance_user *user, const char *reason)
{
    struct binance *venue = user->venue;
    struct binance_user *other = other_of(user);

    if (user == current(venue) && !(venue->base.up && other->subscribed)) {
        sp_binance_down(venue, reason);
        return;
    }
    if (user == current(venue)) venue->user_now = 1 - venue->user_now;
    close_one(user);
    sp_dur wait = sp_binance_backoff(venue->renew_attempt++, (uint64_t)sp_clock_mono().ns);
    venue->renew_not_before.ns = sp_clock_mono().ns + wait.ns;
}

static void on_open(void *ctx)
{
    struct binance_user *user = ctx;
    struct binance *venue = user->venue;
    const char *key = sp_binance_keys_api_key(venue->keys);
    int64_t now = sp_binance_clock_ms(&venue->clock, sp_clock_wall());
    char text[512], hex[SP_BINANCE_SIGNATURE_SIZE];
    struct sp_err err = {0};

    /* Signed are the parameters in the order of their names, without any escaping. */
    int n = snprintf(text, sizeof text, "apiKey=%s&recvWindow=%d&timestamp=%" PRId64, key,
                     SP_BINANCE_RECV_WINDOW_MS, now);
    SP_ASSERT(n > 0 && (size_t)n < sizeof text);
    if (sp_binance_keys_sign(venue->keys, text, (size_t)n, hex, &err) != SP_OK) return;
    user->subscribe_id = ++venue->subscribe_id;
    n = snprintf(text, sizeof text,
                 "{\"id\":%" PRId64 ",\"method\":\"userDataStream.subscribe.signature\","
                 "\"params\":{\"apiKey\":\"%s\",\"recvWindow\":%d,\"timestamp\":%" PRId64
                 ",\"signature\":\"%s\"}}",
                 user->subscribe_id, key, SP_BINANCE_RECV_WINDOW_MS, now, hex);
    SP_ASSERT(n > 0 && (size_t)n < sizeof text);
    if (!sp_socket_text(user->socket, text, (size_t)n)) return; /* the limit for opening ends it */
}

static bool is_same(const struct binance_told *told, const struct sp_venue_report *report)
{
    return told->venue_order_id == report->venue_order_id &&
           told->venue_trade_id == report->venue_trade_id && told->state == report->state &&
           told->filled_qty.e8 == report->filled_qty.e8 &&
           told->venue_time.ns == report->venue_time.ns &&
           sp_name_eq(&told->symbol, &report->symbol);
}

/* Whether the other stream has told it; what one stream tells twice is not ours to judge. */
static bool is_repeated(struct binance_user *user, const struct sp_venue_report *report)
{
    struct binance *venue = user->venue;
    uint32_t index = (uint32_t)(user - venue->users);

    for (uint32_t i = 0; i < BINANCE_TOLD_MAX; i++) {
        struct binance_told *told = &venue->told[i];
        if (told->by != 2 - index || !is_same(told, report)) continue;
        told->by = 0; /* each once */
        return true;
    }
    struct binance_told *told = &venue->told[venue->told_next++ % BINANCE_TOLD_MAX];
    *told = (struct binance_told){.by = 1 + index,
                                  .state = report->state,
                                  .venue_order_id = report->venue_order_id,
                                  .venue_trade_id = report->venue_trade_id,
                                  .filled_qty = report->filled_qty,
                                  .venue_time = report->venue_time,
                                  .symbol = report->symbol};
    return false;
}

static void on_report(struct binance_user *user, struct sp_binance_pushed *pushed)
{
    struct binance *venue = user->venue;
    struct sp_record record = {.kind = SP_REC_VENUE_REPORT, .time = sp_clock_wall()};

    if (!venue->base.up) return; /* who comes up asks for everything */
    if (is_repeated(user, &pushed->report)) return;
    record.body.venue_report = pushed->report;
    record.body.venue_report.report_seq = ++venue->report_seq;
    sp_binance_know(venue, &pushed->report.symbol, pushed->report.venue_order_id,
                    &pushed->report.client_order_id);
    sp_binance_told(venue, &pushed->report.client_order_id);
    venue->base.callbacks.on_message(venue->base.callbacks.ctx, &record);
}

static void on_subscribed(struct binance_user *user, const struct sp_binance_pushed *pushed)
{
    struct binance *venue = user->venue;
    char reason[96];

    if (pushed->id != user->subscribe_id || user->subscribed) return;
    if (pushed->status != 200) {
        snprintf(reason, sizeof reason, "user data refused: %.60s", pushed->error.message.s);
        lose(user, reason);
        return;
    }
    user->subscribed = true;
    user->since = sp_clock_mono();
    if (venue->step == BINANCE_STREAM) sp_binance_up(venue);
}

static void on_text(void *ctx, const char *text, size_t len_bytes)
{
    struct binance_user *user = ctx;
    struct binance *venue = user->venue;
    struct sp_binance_pushed pushed;
    struct sp_err err = {0};

    sp_venue_metrics_count(venue->base.metrics.messages);
    /* A report that cannot be read may be an execution: everything is asked for anew. */
    if (sp_binance_read_push(text, len_bytes, &pushed, &err) != SP_OK) {
        sp_binance_down(venue, err.text);
        return;
    }
    switch (pushed.what) {
    case SP_BINANCE_PUSH_ANSWER: on_subscribed(user, &pushed); return;
    case SP_BINANCE_PUSH_REPORT: on_report(user, &pushed); return;
    case SP_BINANCE_PUSH_SHUTDOWN: lose(user, "the venue shuts down"); return;
    case SP_BINANCE_PUSH_ENDED: lose(user, "the venue ended user data"); return;
    case SP_BINANCE_PUSH_OTHER: return;
    }
}

static void on_end(void *ctx, const char *reason)
{
    lose(ctx, reason);
}

static void open_one(struct binance_user *user)
{
    struct binance *venue = user->venue;
    struct sp_socket_callbacks callbacks = {user, on_open, on_text, on_end};
    struct sp_err err = {0};

    user->opened = user->pinged = sp_clock_mono();
    if (sp_socket_open(venue->http, venue->config->ws_api, "/ws-api/v3", &callbacks, &user->socket,
                       &err) != SP_OK)
        lose(user, err.text);
}

void sp_binance_user_begin(struct binance *venue)
{
    sp_binance_user_close(venue);
    open_one(current(venue));
}

sp_mono sp_binance_user_heard(struct binance *venue)
{
    const struct binance_user *user = current(venue);

    return user->socket != NULL ? sp_socket_heard(user->socket) : (sp_mono){0};
}

static void watch_one(struct binance_user *user, sp_mono now)
{
    if (user->socket == NULL) return;
    if (sp_mono_since(now, sp_socket_heard(user->socket)).ns >= SILENCE_NS) {
        lose(user, "user data is silent");
    } else if (!user->subscribed && sp_mono_since(now, user->opened).ns >= OPENING_NS) {
        lose(user, "user data was not subscribed in time");
    } else if (sp_mono_since(now, user->pinged).ns >= PING_EVERY_NS) {
        user->pinged = now;
        if (!sp_socket_ping(user->socket)) lose(user, "user data cannot be sent to");
    }
}

static void renew(struct binance *venue, sp_mono now)
{
    struct binance_user *old = current(venue), *fresh = other_of(old);

    if (fresh->subscribed && sp_mono_since(now, fresh->since).ns >= OVERLAP_NS) {
        close_one(old);
        venue->user_now = 1 - venue->user_now;
        venue->renew_attempt = 0;
        sp_venue_metrics_count(venue->base.metrics.renewals);
        return;
    }
    bool is_old = sp_mono_since(now, old->opened).ns >= venue->config->renew.ns;
    if (is_old && fresh->socket == NULL && now.ns >= venue->renew_not_before.ns) open_one(fresh);
}

void sp_binance_user_watch(struct binance *venue, sp_mono now)
{
    uint32_t life = venue->life;

    for (uint32_t i = 0; i < 2 && venue->life == life; i++)
        watch_one(&venue->users[i], now);
    if (venue->life != life) return;
    if (sp_binance_is_untold(venue, now))
        sp_binance_down(venue, "user data did not tell of an accepted order");
    else
        renew(venue, now);
}
