#include "services/venue/streams.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What an instrument's events need between two of them. */
struct state {
    struct sp_json_text bids, asks; /* of a change that comes in parts */
    uint64_t first_update_id;
    bool in_parts, changed; /* changed: since the last tick */
    struct sp_level bid, ask;
};

struct sp_streams {
    struct sp_streams_options options;
    uint32_t follower_count, follower_room;
    struct sp_follower **followers;
    struct sp_topics topics;
    struct state states[SP_SYMBOLS_MAX];
    struct sp_json_text event, wrapped;
};

sp_status sp_streams_open(const struct sp_streams_options *options, struct sp_streams **out,
                          struct sp_err *err)
{
    struct sp_streams *streams = calloc(1, sizeof *streams);

    if (streams == NULL) return SP_FAIL(err, SP_NO_MEMORY, "streams");
    streams->options = *options;
    *out = streams;
    return SP_OK;
}

void sp_streams_close(struct sp_streams *streams)
{
    if (streams == NULL) return;
    for (uint32_t i = 0; i < streams->follower_count; i++) {
        free(streams->followers[i]->at);
        free(streams->followers[i]);
    }
    for (uint32_t i = 0; i < SP_SYMBOLS_MAX; i++) {
        sp_json_text_free(&streams->states[i].bids);
        sp_json_text_free(&streams->states[i].asks);
    }
    sp_topics_fini(&streams->topics);
    sp_json_text_free(&streams->event);
    sp_json_text_free(&streams->wrapped);
    free(streams->followers);
    free(streams);
}

/* ---- Followers ---- */

static struct sp_follower **find_place(const struct sp_streams *streams, uint64_t connection)
{
    for (uint32_t i = 0; i < streams->follower_count; i++) {
        if (streams->followers[i]->connection == connection) return &streams->followers[i];
    }
    return NULL;
}

static struct sp_follower *find(const struct sp_streams *streams, uint64_t connection)
{
    struct sp_follower **place = find_place(streams, connection);

    return place != NULL ? *place : NULL;
}

sp_status sp_streams_join(struct sp_streams *streams, uint64_t connection, bool combined)
{
    struct sp_follower *follower = calloc(1, sizeof *follower);

    if (follower == NULL) return SP_NO_MEMORY;
    *follower = (struct sp_follower){.connection = connection, .combined = combined};
    if (streams->follower_count == streams->follower_room) {
        uint32_t room = 2 * streams->follower_room + 16;
        struct sp_follower **followers =
            realloc(streams->followers, room * sizeof(struct sp_follower *));
        if (followers == NULL) {
            free(follower);
            return SP_NO_MEMORY;
        }
        streams->followers = followers;
        streams->follower_room = room;
    }
    streams->followers[streams->follower_count++] = follower;
    return SP_OK;
}

void sp_streams_leave(struct sp_streams *streams, uint64_t connection)
{
    struct sp_follower **place = find_place(streams, connection);

    if (place == NULL) return;
    struct sp_follower *follower = *place;
    for (uint32_t i = 0; i < follower->count; i++)
        sp_topics_leave(&streams->topics, follower, &follower->at[i]);
    *place = streams->followers[--streams->follower_count];
    free(follower->at);
    free(follower);
}

bool sp_streams_has(const struct sp_streams *streams, uint64_t connection)
{
    return find(streams, connection) != NULL;
}

bool sp_streams_is_combined(const struct sp_streams *streams, uint64_t connection)
{
    const struct sp_follower *follower = find(streams, connection);

    return follower != NULL && follower->combined;
}

void sp_streams_set_combined(struct sp_streams *streams, uint64_t connection, bool combined)
{
    struct sp_follower *follower = find(streams, connection);

    if (follower != NULL) follower->combined = combined;
}

/* ---- Names ---- */

SP_NODISCARD static bool parse_kind(const char *kind, struct sp_stream *out)
{
    static const struct {
        const char *name;
        enum sp_stream_type type;
        int64_t arg;
    } kinds[] = {
        {"trade", SP_STREAM_TRADE, 0},
        {"aggTrade", SP_STREAM_AGG_TRADE, 0},
        {"bookTicker", SP_STREAM_BOOK_TICKER, 0},
        {"depth", SP_STREAM_DEPTH, 0},
        {"depth@100ms", SP_STREAM_DEPTH, 0},
        {"depth@1000ms", SP_STREAM_DEPTH, 0},
        {"depth5", SP_STREAM_PARTIAL_DEPTH, 5},
        {"depth5@100ms", SP_STREAM_PARTIAL_DEPTH, 5},
        {"depth10", SP_STREAM_PARTIAL_DEPTH, 10},
        {"depth10@100ms", SP_STREAM_PARTIAL_DEPTH, 10},
        {"depth20", SP_STREAM_PARTIAL_DEPTH, 20},
        {"depth20@100ms", SP_STREAM_PARTIAL_DEPTH, 20},
        {"miniTicker", SP_STREAM_MINI_TICKER, 0},
        {"ticker", SP_STREAM_TICKER, 0},
        {"avgPrice", SP_STREAM_AVG_PRICE, 0},
    };

    if (strncmp(kind, "kline_", 6) == 0) {
        out->type = SP_STREAM_KLINE;
        out->arg = sp_candle_interval(kind + 6);
        return out->arg > 0;
    }
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(kinds[i].name, kind) != 0) continue;
        out->type = kinds[i].type;
        out->arg = kinds[i].arg;
        return true;
    }
    return false;
}

SP_NODISCARD static bool parse_name(const struct sp_streams *streams, const char *name,
                                    struct sp_stream *out)
{
    const char *at = strchr(name, '@');
    sp_name symbol = {{0}};

    if (at == NULL || (size_t)(at - name) >= SP_NAME_SIZE) return false;
    int len = snprintf(out->name, sizeof out->name, "%s", name);
    if (len >= (int)sizeof out->name) return false;
    for (const char *c = name; c < at; c++) {
        if (isupper((unsigned char)*c)) return false;
        symbol.s[c - name] = (char)toupper((unsigned char)*c);
    }
    int instrument = sp_exchange_instrument(streams->options.exchange, &symbol);
    if (instrument < 0) return false;
    out->instrument = (uint32_t)instrument;
    return parse_kind(at + 1, out);
}

sp_status sp_streams_follow(struct sp_streams *streams, uint64_t connection, const char *name)
{
    struct sp_follower *follower = find(streams, connection);
    struct sp_stream stream;

    if (follower == NULL || !parse_name(streams, name, &stream)) return SP_NOT_FOUND;
    for (uint32_t i = 0; i < follower->count; i++) {
        if (strcmp(follower->at[i].name, name) == 0) return SP_OK;
    }
    if (follower->count == SP_STREAMS_PER_CONNECTION) return SP_FULL;
    if (follower->count == follower->room) {
        uint32_t room = 2 * follower->room + 4;
        struct sp_stream *at = realloc(follower->at, room * sizeof *at);
        if (at == NULL) return SP_FULL;
        follower->at = at;
        follower->room = room;
    }
    if (!sp_topics_enter(&streams->topics, follower, &stream)) return SP_FULL;
    follower->at[follower->count++] = stream;
    return SP_OK;
}

void sp_streams_unfollow(struct sp_streams *streams, uint64_t connection, const char *name)
{
    struct sp_follower *follower = find(streams, connection);

    for (uint32_t i = 0; follower != NULL && i < follower->count; i++) {
        if (strcmp(follower->at[i].name, name) != 0) continue;
        sp_topics_leave(&streams->topics, follower, &follower->at[i]);
        follower->at[i] = follower->at[--follower->count];
        return;
    }
}

void sp_streams_list(const struct sp_streams *streams, uint64_t connection,
                     struct sp_json_text *out)
{
    const struct sp_follower *follower = find(streams, connection);

    sp_jtext_begin(out, '[');
    for (uint32_t i = 0; follower != NULL && i < follower->count; i++)
        sp_jtext_string(out, follower->at[i].name);
    sp_jtext_end(out, ']');
}

/* ---- Sending ---- */

static const struct sp_json_text *wrap(struct sp_streams *streams, const char *name)
{
    struct sp_json_text *wrapped = &streams->wrapped;

    sp_json_text_clear(wrapped);
    sp_jtext_begin(wrapped, '{');
    sp_jtext_put_string(wrapped, "stream", name);
    sp_jtext_key(wrapped, "data");
    sp_jtext_raw(wrapped, streams->event.text);
    sp_jtext_end(wrapped, '}');
    return wrapped;
}

/* To all who follow it; the event's text is in streams->event. Partial books have several names. */
static void send_event(struct sp_streams *streams, enum sp_stream_type type, uint32_t instrument,
                       int64_t arg)
{
    const struct sp_topic *topic = sp_topics_find(&streams->topics, instrument, type, arg);
    const char *wrapped_for = "";

    if (topic == NULL || streams->event.failed) return;
    for (uint32_t i = 0; i < topic->count; i++) {
        const struct sp_subscriber *to = &topic->at[i];
        const struct sp_json_text *text = &streams->event;
        if (to->follower->combined && strcmp(wrapped_for, to->name) == 0) {
            text = &streams->wrapped;
        } else if (to->follower->combined) {
            text = wrap(streams, to->name);
            wrapped_for = to->name;
        }
        if (text->failed) continue;
        streams->options.send(streams->options.ctx, to->follower->connection, text->text,
                              text->len_bytes);
    }
}

static bool is_followed(const struct sp_streams *streams, enum sp_stream_type type,
                        uint32_t instrument, int64_t arg)
{
    const struct sp_topic *topic = sp_topics_find(&streams->topics, instrument, type, arg);

    return topic != NULL && topic->count > 0;
}

static const char *symbol_of(const struct sp_streams *streams, uint32_t instrument)
{
    return streams->options.exchange->world->instruments[instrument].symbol.s;
}

/* "e", "E" and "s", as most events begin. */
static struct sp_json_text *begin(struct sp_streams *streams, const char *type, uint32_t instrument,
                                  sp_wall time)
{
    struct sp_json_text *json = &streams->event;

    sp_json_text_clear(json);
    sp_jtext_begin(json, '{');
    sp_jtext_put_string(json, "e", type);
    sp_jtext_put_ms(json, "E", time);
    sp_jtext_put_string(json, "s", symbol_of(streams, instrument));
    return json;
}

/* ---- Events ---- */

static void on_trade(struct sp_streams *streams, uint32_t instrument, const struct sp_trade *trade,
                     sp_wall time)
{
    bool buyer_is_maker = trade->taker_side == SP_SIDE_SELL;

    for (enum sp_stream_type type = SP_STREAM_TRADE; type <= SP_STREAM_AGG_TRADE; type++) {
        if (!is_followed(streams, type, instrument, 0)) continue;
        struct sp_json_text *json =
            begin(streams, type == SP_STREAM_TRADE ? "trade" : "aggTrade", instrument, time);
        sp_jtext_put_int(json, type == SP_STREAM_TRADE ? "t" : "a", (int64_t)trade->trade_id);
        sp_jtext_put_e8(json, "p", trade->px.e8);
        sp_jtext_put_e8(json, "q", trade->qty.e8);
        if (type == SP_STREAM_AGG_TRADE) {
            sp_jtext_put_int(json, "f", (int64_t)trade->trade_id);
            sp_jtext_put_int(json, "l", (int64_t)trade->trade_id);
        }
        sp_jtext_put_ms(json, "T", time);
        sp_jtext_put_bool(json, "m", buyer_is_maker);
        sp_jtext_put_bool(json, "M", true);
        sp_jtext_end(json, '}');
        send_event(streams, type, instrument, 0);
    }
}

/* The touch as orders meet it, when it has changed. */
static void on_touch(struct sp_streams *streams, uint32_t instrument, uint64_t update_id)
{
    const struct sp_seen *seen = &streams->options.exchange->match[instrument].seen;
    struct state *state = &streams->states[instrument];
    struct sp_level bid = {0}, ask = {0};

    if (!sp_seen_best(seen, SP_SIDE_BUY, &bid) || !sp_seen_best(seen, SP_SIDE_SELL, &ask)) return;
    if (memcmp(&bid, &state->bid, sizeof bid) == 0 && memcmp(&ask, &state->ask, sizeof ask) == 0) {
        return;
    }
    state->bid = bid;
    state->ask = ask;
    if (!is_followed(streams, SP_STREAM_BOOK_TICKER, instrument, 0)) return;
    struct sp_json_text *json = &streams->event;
    sp_json_text_clear(json);
    sp_jtext_begin(json, '{');
    sp_jtext_put_int(json, "u", (int64_t)update_id);
    sp_jtext_put_string(json, "s", symbol_of(streams, instrument));
    sp_jtext_put_e8(json, "b", bid.px.e8);
    sp_jtext_put_e8(json, "B", bid.qty.e8);
    sp_jtext_put_e8(json, "a", ask.px.e8);
    sp_jtext_put_e8(json, "A", ask.qty.e8);
    sp_jtext_end(json, '}');
    send_event(streams, SP_STREAM_BOOK_TICKER, instrument, 0);
}

static void put_level(struct sp_json_text *json, struct sp_level level)
{
    sp_jtext_begin(json, '[');
    sp_jtext_e8(json, level.px.e8);
    sp_jtext_e8(json, level.qty.e8);
    sp_jtext_end(json, ']');
}

static void put_levels(struct sp_json_text *json, const struct sp_levels *levels)
{
    for (uint32_t i = 0; i < levels->count; i++)
        put_level(json, levels->at[i]);
}

static void put_side(struct sp_json_text *json, const char *key, const struct sp_book *book,
                     enum sp_side side, int64_t levels)
{
    uint32_t count = sp_book_count(book, side);

    sp_jtext_key(json, key);
    sp_jtext_begin(json, '[');
    for (uint32_t i = 0; i < count && i < levels; i++)
        put_level(json, sp_book_at(book, side, i));
    sp_jtext_end(json, ']');
}

static void send_partial_books(struct sp_streams *streams, uint32_t instrument)
{
    static const int64_t depths[] = {5, 10, 20};
    const struct sp_book_sync *sync = &streams->options.exchange->match[instrument].seen.sync;

    if (sync->state != SP_SYNC_SYNCED) return;
    for (size_t i = 0; i < sizeof depths / sizeof *depths; i++) {
        if (!is_followed(streams, SP_STREAM_PARTIAL_DEPTH, instrument, depths[i])) continue;
        struct sp_json_text *json = &streams->event;
        sp_json_text_clear(json);
        sp_jtext_begin(json, '{');
        sp_jtext_put_int(json, "lastUpdateId", (int64_t)sync->book.last_update_id);
        put_side(json, "bids", &sync->book, SP_SIDE_BUY, depths[i]);
        put_side(json, "asks", &sync->book, SP_SIDE_SELL, depths[i]);
        sp_jtext_end(json, '}');
        send_event(streams, SP_STREAM_PARTIAL_DEPTH, instrument, depths[i]);
    }
}

/* Parts of one change become one event: a client drops a second one with the same numbers. */
static void on_delta(struct sp_streams *streams, uint32_t instrument,
                     const struct sp_book_delta *delta, sp_wall time)
{
    struct state *state = &streams->states[instrument];

    if (!state->in_parts) {
        sp_json_text_clear(&state->bids);
        sp_json_text_clear(&state->asks);
        sp_jtext_begin(&state->bids, '[');
        sp_jtext_begin(&state->asks, '[');
        state->first_update_id = delta->first_update_id;
    }
    put_levels(&state->bids, &delta->bids);
    put_levels(&state->asks, &delta->asks);
    state->in_parts = delta->more;
    if (delta->more) return;
    sp_jtext_end(&state->bids, ']');
    sp_jtext_end(&state->asks, ']');
    if (is_followed(streams, SP_STREAM_DEPTH, instrument, 0) && !state->bids.failed &&
        !state->asks.failed) {
        struct sp_json_text *json = begin(streams, "depthUpdate", instrument, time);
        sp_jtext_put_int(json, "U", (int64_t)state->first_update_id);
        sp_jtext_put_int(json, "u", (int64_t)delta->last_update_id);
        sp_jtext_key(json, "b");
        sp_jtext_raw(json, state->bids.text);
        sp_jtext_key(json, "a");
        sp_jtext_raw(json, state->asks.text);
        sp_jtext_end(json, '}');
        send_event(streams, SP_STREAM_DEPTH, instrument, 0);
    }
    send_partial_books(streams, instrument);
}

/* ---- Candles and tickers ---- */

/* The candle of the newest trade, or the one before it, which that trade has closed. */
static void send_candle(struct sp_streams *streams, const struct sp_stream *stream, bool closed)
{
    const struct sp_market_view *view = &streams->options.views[stream->instrument];
    const char *interval = strchr(stream->name, '_') + 1;
    struct sp_candle candle;

    if (!sp_market_view_candle(view, stream->arg, closed ? 1 : 0, &candle)) return;
    struct sp_json_text *json = begin(streams, "kline", stream->instrument, view->time);
    sp_jtext_key(json, "k");
    sp_jtext_begin(json, '{');
    sp_jtext_put_int(json, "t", candle.open_ms);
    sp_jtext_put_int(json, "T", candle.open_ms + candle.interval_ms - 1);
    sp_jtext_put_string(json, "s", symbol_of(streams, stream->instrument));
    sp_jtext_put_string(json, "i", interval);
    sp_jtext_put_int(json, "f", (int64_t)candle.first_id);
    sp_jtext_put_int(json, "L", (int64_t)candle.last_id);
    sp_jtext_put_e8(json, "o", candle.open.e8);
    sp_jtext_put_e8(json, "c", candle.close.e8);
    sp_jtext_put_e8(json, "h", candle.high.e8);
    sp_jtext_put_e8(json, "l", candle.low.e8);
    sp_jtext_put_e8(json, "v", candle.volume.e8);
    sp_jtext_put_int(json, "n", candle.trades);
    sp_jtext_put_bool(json, "x", closed);
    sp_jtext_put_e8(json, "q", candle.quote.e8);
    sp_jtext_put_e8(json, "V", candle.taker_base.e8);
    sp_jtext_put_e8(json, "Q", candle.taker_quote.e8);
    sp_jtext_put_string(json, "B", "0");
    sp_jtext_end(json, '}');
    sp_jtext_end(json, '}');
    send_event(streams, SP_STREAM_KLINE, stream->instrument, stream->arg);
}

static void send_day(struct sp_streams *streams, const struct sp_stream *stream)
{
    const struct sp_market_view *view = &streams->options.views[stream->instrument];
    const struct state *state = &streams->states[stream->instrument];
    bool full = stream->type == SP_STREAM_TICKER;
    struct sp_candle day;
    sp_ratio change = {0}, average = {0};

    if (!sp_market_view_day(view, &day)) return;
    struct sp_json_text *json =
        begin(streams, full ? "24hrTicker" : "24hrMiniTicker", stream->instrument, view->time);
    if (full) {
        sp_amt moved = {day.close.e8 - day.open.e8};
        SP_IGNORE(!sp_amt_div_amt(moved, (sp_amt){day.open.e8}, &change)); /* 0: no figure */
        SP_IGNORE(!sp_amt_div_amt(day.quote, (sp_amt){day.volume.e8}, &average));
        sp_jtext_put_e8(json, "p", moved.e8);
        sp_jtext_put_e8(json, "P", 100 * change.e8);
        sp_jtext_put_e8(json, "w", average.e8);
        sp_jtext_put_e8(json, "x", day.open.e8);
        sp_jtext_put_e8(json, "Q", sp_market_view_back(view, 0)->qty.e8);
        sp_jtext_put_e8(json, "b", state->bid.px.e8);
        sp_jtext_put_e8(json, "B", state->bid.qty.e8);
        sp_jtext_put_e8(json, "a", state->ask.px.e8);
        sp_jtext_put_e8(json, "A", state->ask.qty.e8);
        sp_jtext_put_int(json, "O", day.open_ms);
        sp_jtext_put_int(json, "C", day.open_ms + day.interval_ms);
        sp_jtext_put_int(json, "F", (int64_t)day.first_id);
        sp_jtext_put_int(json, "L", (int64_t)day.last_id);
        sp_jtext_put_int(json, "n", day.trades);
    }
    sp_jtext_put_e8(json, "c", day.close.e8);
    sp_jtext_put_e8(json, "o", day.open.e8);
    sp_jtext_put_e8(json, "h", day.high.e8);
    sp_jtext_put_e8(json, "l", day.low.e8);
    sp_jtext_put_e8(json, "v", day.volume.e8);
    sp_jtext_put_e8(json, "q", day.quote.e8);
    sp_jtext_end(json, '}');
    send_event(streams, stream->type, stream->instrument, 0);
}

/* Of no minutes, as the filters that go by it have it: the last price. */
static void send_average(struct sp_streams *streams, uint32_t instrument)
{
    const struct sp_market_view *view = &streams->options.views[instrument];

    if (sp_market_view_trades(view) == 0) return;
    const struct sp_view_trade *last = sp_market_view_back(view, 0);
    struct sp_json_text *json = begin(streams, "avgPrice", instrument, view->time);
    sp_jtext_put_string(json, "i", "0m");
    sp_jtext_put_e8(json, "w", last->px.e8);
    sp_jtext_put_ms(json, "T", last->time);
    sp_jtext_end(json, '}');
    send_event(streams, SP_STREAM_AVG_PRICE, instrument, 0);
}

static void close_candles(struct sp_streams *streams, uint32_t instrument)
{
    const struct sp_market_view *view = &streams->options.views[instrument];

    for (const struct sp_topic *t = streams->topics.first[instrument]; t != NULL; t = t->next) {
        struct sp_candle candle;
        if (t->stream.type != SP_STREAM_KLINE || t->count == 0) continue;
        if (!sp_market_view_candle(view, t->stream.arg, 0, &candle)) continue;
        if (candle.trades == 1) send_candle(streams, &t->stream, true);
    }
}

void sp_streams_tick(struct sp_streams *streams)
{
    for (uint32_t i = 0; i < SP_SYMBOLS_MAX; i++) {
        if (!streams->states[i].changed) continue;
        for (const struct sp_topic *t = streams->topics.first[i]; t != NULL; t = t->next) {
            if (t->count == 0) continue;
            if (t->stream.type == SP_STREAM_KLINE) send_candle(streams, &t->stream, false);
            if (t->stream.type == SP_STREAM_MINI_TICKER || t->stream.type == SP_STREAM_TICKER)
                send_day(streams, &t->stream);
            if (t->stream.type == SP_STREAM_AVG_PRICE) send_average(streams, i);
        }
        streams->states[i].changed = false;
    }
}

void sp_streams_market(struct sp_streams *streams, uint32_t instrument,
                       const struct sp_market_event *event)
{
    uint64_t update_id = 0;

    if (event->kind == SP_REC_TRADE) {
        streams->states[instrument].changed = true;
        close_candles(streams, instrument);
        on_trade(streams, instrument, &event->body.trade, event->time);
        return;
    }
    if (event->kind == SP_REC_QUOTE) update_id = event->body.quote.update_id;
    if (event->kind == SP_REC_BOOK_DELTA) {
        update_id = event->body.book_delta.last_update_id;
        on_delta(streams, instrument, &event->body.book_delta, event->time);
    }
    on_touch(streams, instrument, update_id);
}
