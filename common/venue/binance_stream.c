/* Market time is the venue's (T of trades, E of changes). Best prices and snapshots carry none and
 * get the time of the message before them, so nothing untimed is passed on before the first. */
#include "common/venue/binance_stream.h"

#include "common/clock.h"
#include "common/http/socket_client.h"
#include "common/venue/binance_pace.h"
#include "common/venue/binance_rules.h"
#include "common/venue/binance_stream_ahead.h"
#include "common/venue/binance_stream_merge.h"
#include "common/venue/binance_stream_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TICK_NS      (100 * SP_NS_PER_MS)
#define PROOF_NS     (30 * SP_NS_PER_S) /* an instrument may be quiet for a while */
#define PING_NS      (5 * SP_NS_PER_S)
#define OVERLAP_NS   (30 * SP_NS_PER_S) /* longest */
#define ANSWER_NS    (10 * SP_NS_PER_S)
#define BOOK_LEVELS  "1000"
#define BOOK_WEIGHT  50
#define RULES_WEIGHT 20
#define OPEN_WEIGHT  2
#define PATH_BYTES   1024

enum link_state { LINK_NONE, LINK_PROVING, LINK_UP };

struct link {
    struct sp_binance_stream *stream;
    uint32_t index;
    enum link_state state;
    bool leaving; /* the venue will end it */
    sp_mono opened, pinged;
    struct sp_socket_client *socket;
};

/* What is asked over REST about one instrument. An answer to an earlier life is passed over. */
struct asked {
    struct sp_binance_stream *stream;
    uint32_t symbol;
    bool under_way;
    uint32_t life, attempt;
    sp_mono next;
};

struct sp_binance_stream {
    struct sp_binance_stream_options options;
    struct sp_instrument instruments[SP_STREAM_SYMBOLS_MAX];
    struct sp_loop *loop;
    struct sp_http_client *http;
    struct sp_timer *timer;
    struct sp_binance_pace pace;
    struct link links[SP_STREAM_CONNECTIONS_MAX];
    struct sp_stream_merge merge;
    struct sp_stream_ahead ahead; /* of the newest connection */
    uint32_t newest;              /* that came up */
    uint32_t attempt, life;
    sp_mono resume;
    uint32_t rules_known; /* bits of instruments, in this attempt */
    struct asked rules[SP_STREAM_SYMBOLS_MAX], books[SP_STREAM_SYMBOLS_MAX];
    uint64_t random;
    struct sp_binance_stream_stats stats;
    sp_text why; /* it is not up */
    /* What can be pulled. */
    sp_wall now;
    uint32_t lost; /* bits of instruments */
    bool has_error, has_message;
    uint32_t symbol; /* of error or message */
    sp_text error;
    struct sp_stream_parts parts;
    struct sp_feed_message message;
};

/* splitmix64 */
static uint64_t next_random(struct sp_binance_stream *stream)
{
    uint64_t z = stream->random += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static bool any(const struct sp_binance_stream *stream, enum link_state state)
{
    for (uint32_t i = 0; i < SP_STREAM_CONNECTIONS_MAX; i++) {
        if (stream->links[i].state == state) return true;
    }
    return false;
}

/* ---- What is handed out ---- */

static void hand_out(struct sp_binance_stream *stream)
{
    stream->options.on_data(stream->options.ctx);
    stream->has_message = stream->has_error = false;
}

static void tell_error(struct sp_binance_stream *stream, uint32_t symbol, const char *text)
{
    stream->has_error = true;
    stream->symbol = symbol;
    sp_text_printf(&stream->error, "%s", text);
    hand_out(stream);
}

static void hand_out_message(struct sp_binance_stream *stream, uint32_t symbol)
{
    sp_wall time = stream->message.time;

    if (time.ns > stream->now.ns) stream->now = time;
    if (stream->now.ns == 0) return;
    stream->symbol = symbol;
    stream->has_message = true;
    stream->parts = (struct sp_stream_parts){0};
    hand_out(stream);
}

static void give_message(struct sp_binance_stream *stream, struct sp_market_event *out)
{
    switch (stream->message.type) {
    case SP_FEED_TRADE:
        out->kind = SP_REC_TRADE;
        out->body.trade = stream->message.trade;
        break;
    case SP_FEED_QUOTE:
        out->kind = SP_REC_QUOTE;
        out->body.quote = stream->message.quote;
        break;
    case SP_FEED_DELTA:
    case SP_FEED_SNAPSHOT:
        stream->has_message = sp_stream_parts_give(&stream->parts, &stream->message, out);
        return;
    case SP_FEED_SHUTDOWN: break;
    }
    stream->has_message = false;
}

static void give_loss(struct sp_binance_stream *stream, struct sp_market_event *out)
{
    uint32_t symbol = (uint32_t)__builtin_ctz(stream->lost);

    stream->lost &= ~(1u << symbol);
    out->kind = SP_REC_DATA_GAP;
    out->symbol = symbol;
    out->body.data_gap = (struct sp_data_gap){.symbol = stream->instruments[symbol].symbol};
    sp_text_printf(&out->body.data_gap.reason,
                   "the connection to the venue was lost, and the book with it: %.100s",
                   stream->why.s);
}

static sp_status stream_next(void *self, struct sp_market_event *out, struct sp_err *err)
{
    struct sp_binance_stream *stream = self;

    (void)err;
    out->time = stream->now;
    out->symbol = stream->symbol;
    if (stream->lost != 0) {
        give_loss(stream, out);
    } else if (stream->has_error) {
        stream->has_error = false;
        out->kind = SP_REC_FEED_ERROR;
        out->body.feed = (struct sp_feed){.feed = sp_name_of("binance"),
                                          .symbol = stream->instruments[stream->symbol].symbol,
                                          .reason = stream->error};
    } else if (stream->has_message) {
        give_message(stream, out);
    } else {
        return SP_AGAIN;
    }
    return SP_OK;
}

static sp_status stream_seek(void *self, sp_wall time, struct sp_err *err)
{
    (void)self;
    (void)time;
    return SP_FAIL(err, SP_UNSUPPORTED, "a live market cannot be sought");
}

static const struct sp_instrument *stream_instrument(const void *self, uint32_t symbol)
{
    const struct sp_binance_stream *stream = self;

    return symbol < stream->options.instrument_count ? &stream->instruments[symbol] : NULL;
}

/* ---- Connections ---- */

static void wait_again(struct sp_binance_stream *stream, const char *reason)
{
    sp_dur wait = sp_binance_backoff(stream->attempt++, next_random(stream));

    stream->life++;
    stream->rules_known = 0;
    for (uint32_t i = 0; i < SP_STREAM_SYMBOLS_MAX; i++) {
        stream->rules[i].under_way = stream->books[i].under_way = false;
        stream->books[i].attempt = 0;
        stream->books[i].next = (sp_mono){0};
    }
    stream->resume.ns = sp_clock_mono().ns + wait.ns;
    sp_text_printf(&stream->why, "%s", reason);
}

static bool find_symbol(const struct sp_binance_stream *stream, const char *name, uint32_t *out)
{
    for (*out = 0; *out < stream->options.instrument_count; ++*out) {
        if (sp_name_is(&stream->instruments[*out].symbol, name)) return true;
    }
    return false;
}

/* What waited and now continues what was passed on. It was read once already. */
static void release(struct sp_binance_stream *stream, uint32_t connection)
{
    size_t len_bytes = 0;
    uint32_t symbol = 0;

    for (const char *text; (text = sp_stream_ahead_first(&stream->ahead, &len_bytes)) != NULL;) {
        enum sp_stream_verdict verdict = SP_STREAM_REPEATED;
        if (sp_feed_parse(text, len_bytes, &stream->message, NULL) == SP_OK &&
            find_symbol(stream, stream->message.symbol, &symbol))
            verdict = sp_stream_merge_take(&stream->merge, connection, symbol, &stream->message);
        if (verdict == SP_STREAM_AHEAD) return;
        sp_stream_ahead_drop(&stream->ahead);
        if (verdict == SP_STREAM_PASS) hand_out_message(stream, symbol);
    }
}

/* The connection has ended or is ended. */
static void leave(struct link *link, const char *reason)
{
    struct sp_binance_stream *stream = link->stream;
    bool was_up = link->state == LINK_UP;

    sp_socket_close(link->socket);
    link->socket = NULL;
    link->state = LINK_NONE;
    link->leaving = false;
    sp_stream_merge_down(&stream->merge, link->index);
    if (link->index == stream->newest) sp_stream_ahead_clear(&stream->ahead);
    if (any(stream, LINK_UP)) {
        release(stream, stream->newest); /* alone, it continues with a hole */
        stream->resume.ns =
            sp_clock_mono().ns + sp_binance_backoff(stream->attempt++, next_random(stream)).ns;
        return;
    }
    if (was_up) {
        stream->lost = (1u << stream->options.instrument_count) - 1;
        sp_text_printf(&stream->why, "%s", reason);
    }
    if (!any(stream, LINK_PROVING)) wait_again(stream, reason);
    if (was_up) hand_out(stream);
}

static void on_link_open(void *ctx)
{
    struct link *link = ctx;

    link->pinged = sp_clock_mono();
}

static void on_link_end(void *ctx, const char *reason)
{
    leave(ctx, reason);
}

static void come_up(struct link *link)
{
    struct sp_binance_stream *stream = link->stream;

    stream->stats.ups++;
    if (any(stream, LINK_UP)) stream->stats.replaced++;
    link->state = LINK_UP;
    sp_stream_ahead_clear(&stream->ahead);
    stream->newest = link->index;
    stream->attempt = 0;
    sp_stream_merge_up(&stream->merge, link->index);
}

/* Closes the other connection once this one has taken its place. */
static void replace_other(struct link *link)
{
    struct sp_binance_stream *stream = link->stream;
    struct link *other = &stream->links[1 - link->index];

    if (other->state != LINK_UP || link->opened.ns < other->opened.ns) return;
    if (sp_stream_merge_is_replaced(&stream->merge, link->index)) {
        leave(other, "replaced");
        stream->attempt = 0;
    }
}

static void on_link_text(void *ctx, const char *text, size_t len_bytes)
{
    struct link *link = ctx;
    struct sp_binance_stream *stream = link->stream;
    struct sp_err err = {0};
    uint32_t symbol = 0;

    if (sp_feed_parse(text, len_bytes, &stream->message, &err) != SP_OK) {
        tell_error(stream, 0, err.text);
        return;
    }
    if (stream->message.type == SP_FEED_SHUTDOWN) {
        link->leaving = true;
        return;
    }
    if (stream->message.type == SP_FEED_SNAPSHOT ||
        !find_symbol(stream, stream->message.symbol, &symbol)) {
        tell_error(stream, 0, "an event that was not asked for");
        return;
    }
    if (link->state == LINK_PROVING) come_up(link);
    enum sp_stream_verdict verdict =
        sp_stream_merge_take(&stream->merge, link->index, symbol, &stream->message);
    if (verdict == SP_STREAM_REPEATED) stream->stats.repeated++;
    if (verdict == SP_STREAM_AHEAD) {
        stream->stats.ahead++;
        if (link->index == stream->newest) sp_stream_ahead_keep(&stream->ahead, text, len_bytes);
    }
    if (verdict == SP_STREAM_PASS) {
        hand_out_message(stream, symbol);
        release(stream, stream->newest);
    }
    replace_other(link);
}

static bool take_weight(struct sp_binance_stream *stream, uint32_t weight)
{
    /* Our clock instead of the venue's: minutes are told apart a moment too early or too late. */
    return sp_binance_pace_take(&stream->pace, weight, false, sp_clock_mono(),
                                sp_clock_wall().ns / SP_NS_PER_MS);
}

static void open_link(struct sp_binance_stream *stream, struct link *link)
{
    struct sp_socket_callbacks callbacks = {link, on_link_open, on_link_text, on_link_end};
    struct sp_err err = {0};
    char path[SP_STREAM_PATH_SIZE];

    if (!take_weight(stream, OPEN_WEIGHT)) return;
    sp_binance_stream_path(stream->instruments, stream->options.instrument_count, path);
    link->opened = link->pinged = sp_clock_mono();
    sp_status status =
        sp_socket_open(stream->http, stream->options.stream, path, &callbacks, &link->socket, &err);
    if (status == SP_OK) {
        link->state = LINK_PROVING;
    } else {
        leave(link, err.text);
    }
}

/* ---- Questions ---- */

/* What every answer tells about limits. True: it is what was asked for. */
static bool hear(struct sp_binance_stream *stream, const struct sp_http_answer *answer)
{
    int64_t used = sp_http_answer_number(answer, "x-mbx-used-weight-1m");
    int64_t server_ms = answer->answered.ns / SP_NS_PER_MS;
    bool banned = answer->status == 418;

    if (used > 0 && used <= UINT32_MAX)
        sp_binance_pace_counted(&stream->pace, (uint32_t)used, server_ms);
    if (banned || answer->status == 429)
        sp_binance_pace_wait(&stream->pace, sp_http_answer_number(answer, "retry-after"), banned,
                             sp_clock_mono());
    return answer->status >= 200 && answer->status < 300;
}

static bool is_of_now(struct asked *asked)
{
    if (!asked->under_way || asked->life != asked->stream->life) return false;
    asked->under_way = false;
    return true;
}

static void ask(struct asked *asked, const char *path, const char *params,
                void (*on_answer)(void *ctx, const struct sp_http_answer *answer))
{
    struct sp_binance_stream *stream = asked->stream;
    struct sp_err err = {0};
    struct sp_http_ask question = {.base = stream->options.rest,
                                   .verb = "GET",
                                   .path = path,
                                   .params = params,
                                   .limit = {ANSWER_NS},
                                   .ctx = asked,
                                   .on_answer = on_answer};

    if (sp_http_client_ask(stream->http, &question, &err) != SP_OK) return; /* asked again later */
    asked->under_way = true;
    asked->life = stream->life;
}

static void on_rules(void *ctx, const struct sp_http_answer *answer)
{
    struct asked *asked = ctx;
    struct sp_binance_stream *stream = asked->stream;
    const struct sp_instrument *instrument = &stream->instruments[asked->symbol];
    struct sp_err err = {0};
    char reason[160];

    bool fine = hear(stream, answer);
    if (!is_of_now(asked)) return;
    if (!fine) {
        snprintf(reason, sizeof reason, "the venue does not tell its rules: %.100s",
                 answer->status == 0 ? answer->failure : answer->body);
        wait_again(stream, reason);
    } else if (sp_binance_check_rules(answer->body, answer->body_bytes, instrument, &err) !=
               SP_OK) {
        wait_again(stream, err.text);
        tell_error(stream, asked->symbol, err.text);
    } else {
        stream->rules_known |= 1u << asked->symbol;
    }
}

static void ask_rules(struct sp_binance_stream *stream)
{
    char params[SP_NAME_SIZE + 16];

    for (uint32_t i = 0; i < stream->options.instrument_count; i++) {
        if (stream->rules[i].under_way || (stream->rules_known & 1u << i) != 0) continue;
        if (!take_weight(stream, RULES_WEIGHT)) return;
        snprintf(params, sizeof params, "symbol=%s", stream->instruments[i].symbol.s);
        ask(&stream->rules[i], "/api/v3/exchangeInfo", params, on_rules);
    }
}

static void on_book(void *ctx, const struct sp_http_answer *answer)
{
    struct asked *asked = ctx;
    struct sp_binance_stream *stream = asked->stream;
    struct sp_err err = {0};

    bool fine = hear(stream, answer);
    if (!is_of_now(asked)) return;
    sp_dur wait = sp_binance_backoff(asked->attempt++, next_random(stream));
    asked->next.ns = sp_clock_mono().ns + wait.ns;
    if (!fine) return;
    if (sp_feed_parse(answer->body, answer->body_bytes, &stream->message, &err) != SP_OK ||
        stream->message.type != SP_FEED_SNAPSHOT) {
        tell_error(stream, asked->symbol, err.text);
        return;
    }
    stream->stats.snapshots++;
    hand_out_message(stream, asked->symbol);
}

static void ask_books(struct sp_binance_stream *stream, sp_mono now)
{
    char params[SP_NAME_SIZE + 32];

    for (uint32_t i = 0; i < stream->options.instrument_count; i++) {
        struct asked *book = &stream->books[i];
        if (stream->options.is_book_right(stream->options.ctx, i)) {
            book->attempt = 0;
            continue;
        }
        if (book->under_way || now.ns < book->next.ns) continue;
        if (!take_weight(stream, BOOK_WEIGHT)) return;
        snprintf(params, sizeof params, "symbol=%s&limit=" BOOK_LEVELS,
                 stream->instruments[i].symbol.s);
        ask(book, "/api/v3/depth", params, on_book);
    }
}

/* ---- Time ---- */

static void watch_link(struct link *link, sp_mono now)
{
    if (link->state == LINK_NONE) return;
    sp_mono heard = sp_socket_heard(link->socket);
    if (link->state == LINK_PROVING && sp_mono_since(now, link->opened).ns > PROOF_NS) {
        leave(link, "no data came over the new connection");
    } else if (sp_mono_since(now, heard).ns > SP_STREAM_STALE_NS) {
        leave(link, "the venue fell silent");
    } else if (sp_mono_since(now, link->pinged).ns > PING_NS) {
        link->pinged = now;
        SP_IGNORE(!sp_socket_ping(link->socket)); /* its end is told */
    }
}

/* The venue ends connections after a day, or says so before: another takes its place first. */
static void renew(struct sp_binance_stream *stream, sp_mono now)
{
    for (uint32_t i = 0; i < SP_STREAM_CONNECTIONS_MAX; i++) {
        struct link *link = &stream->links[i], *other = &stream->links[1 - i];
        sp_dur age = sp_mono_since(now, link->opened);
        if (link->state != LINK_UP) continue;
        if (other->state == LINK_UP && other->opened.ns > link->opened.ns &&
            sp_mono_since(now, other->opened).ns > OVERLAP_NS) {
            leave(link, "replaced");
            return;
        }
        if (other->state == LINK_NONE && (link->leaving || age.ns > stream->options.life.ns) &&
            now.ns >= stream->resume.ns)
            open_link(stream, other);
    }
}

static void on_tick(void *ctx)
{
    struct sp_binance_stream *stream = ctx;
    sp_mono now = sp_clock_mono();
    uint32_t all = (1u << stream->options.instrument_count) - 1;

    for (uint32_t i = 0; i < SP_STREAM_CONNECTIONS_MAX; i++) {
        watch_link(&stream->links[i], now);
    }
    if (any(stream, LINK_UP)) {
        renew(stream, now);
        ask_books(stream, now);
    } else if (!any(stream, LINK_PROVING) && now.ns >= stream->resume.ns) {
        if (stream->rules_known != all)
            ask_rules(stream);
        else
            open_link(stream, &stream->links[0]);
    }
}

struct sp_binance_stream_stats sp_binance_stream_stats(const struct sp_binance_stream *stream)
{
    struct sp_binance_stream_stats stats = stream->stats;

    for (uint32_t i = 0; i < SP_STREAM_CONNECTIONS_MAX; i++) {
        stats.connections += stream->links[i].state == LINK_UP ? 1 : 0;
    }
    stats.state[0] = '\0';
    if (stats.connections == 0)
        snprintf(stats.state, sizeof stats.state, "not connected: %.75s",
                 stream->why.s[0] != '\0' ? stream->why.s : "connecting");
    return stats;
}

static void stream_close(void *self)
{
    struct sp_binance_stream *stream = self;

    for (uint32_t i = 0; i < SP_STREAM_CONNECTIONS_MAX; i++) {
        sp_socket_close(stream->links[i].socket);
    }
    sp_stream_ahead_clear(&stream->ahead);
    sp_timer_cancel(stream->timer);
    sp_http_client_close(stream->http);
    free(stream);
}

sp_status sp_binance_stream_open(struct sp_loop *loop,
                                 const struct sp_binance_stream_options *options,
                                 struct sp_binance_stream **out, struct sp_source *source,
                                 struct sp_err *err)
{
    static const struct sp_source_ops ops = {.next = stream_next,
                                             .seek = stream_seek,
                                             .instrument = stream_instrument,
                                             .close = stream_close};
    sp_dur tick = {TICK_NS};

    SP_ASSERT(options->instrument_count > 0);
    SP_ASSERT(options->instrument_count <= SP_STREAM_SYMBOLS_MAX);
    sp_status status = sp_http_base_check(options->rest, err);
    if (status == SP_OK) status = sp_http_base_check(options->stream, err);
    if (status != SP_OK) return status;
    struct sp_binance_stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL) return SP_FAIL(err, SP_NO_MEMORY, "market streams");
    stream->options = *options;
    stream->loop = loop;
    stream->random = options->seed;
    for (uint32_t i = 0; i < options->instrument_count; i++) {
        stream->instruments[i] = options->instruments[i];
        stream->rules[i] = (struct asked){.stream = stream, .symbol = i};
        stream->books[i] = (struct asked){.stream = stream, .symbol = i};
    }
    for (uint32_t i = 0; i < SP_STREAM_CONNECTIONS_MAX; i++) {
        stream->links[i] = (struct link){.stream = stream, .index = i};
    }
    sp_binance_pace_init(&stream->pace, options->weight_percent);
    status = sp_http_client_open(loop, options->ca_file, &stream->http, err);
    if (status == SP_OK)
        status = sp_loop_add_timer(loop, tick, tick, on_tick, stream, &stream->timer);
    if (status != SP_OK) {
        stream_close(stream);
        return status;
    }
    *out = stream;
    *source = (struct sp_source){.ops = &ops, .self = stream};
    return SP_OK;
}
