/* Seeking reads from the start again: at several hundred thousand lines a second an index is not
 * worth its file. What is skipped still goes through a book, so that the changes after the seek
 * have a snapshot to stand on. */
#include "common/market/recording.h"

#include "common/market/binance_feed.h"
#include "common/market/book_sync.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#define READ_AHEAD_BYTES (256u * 1024)
#define SEEK_CHANGES_MAX 256

struct recording {
    struct sp_instrument instrument;
    gzFile file;
    uint64_t line_number;
    uint64_t messages;
    sp_wall now; /* market time so far; 0: not known */
    /* A change or snapshot in `message` is being handed out in parts. */
    bool in_parts;
    uint32_t bids_done;
    uint32_t asks_done;
    uint32_t part;
    /* After a seek: book events go to `sync` until the first event at or after `target`. */
    bool joining;
    bool started; /* an event before `target` was seen */
    sp_wall target;
    struct sp_book_sync sync;
    bool has_held;
    struct sp_market_event held;
    struct sp_feed_message message;
    char line[SP_RECORDING_LINE_MAX];
};

/* Moves market time for a message stamped `venue` by the venue (0: not stamped). */
static void move_time(struct recording *rec, sp_wall venue, sp_wall received)
{
    if (venue.ns > rec->now.ns) {
        rec->now = venue;
    } else if (rec->now.ns == 0) {
        rec->now = received;
    }
}

static void event_begin(struct recording *rec, struct sp_market_event *out, enum sp_kind kind)
{
    out->time = rec->now;
    out->symbol = 0;
    out->kind = kind;
}

static uint32_t copy_part(const struct sp_feed_levels *from, uint32_t done, struct sp_levels *to)
{
    uint32_t count = from->count - done;

    if (count > SP_LEVELS_MAX) count = SP_LEVELS_MAX;
    memset(to, 0, sizeof *to);
    memcpy(to->at, &from->at[done], count * sizeof to->at[0]);
    to->count = count;
    return done + count;
}

/* The next part of the change or snapshot in `message`. */
static void emit_part(struct recording *rec, struct sp_market_event *out)
{
    const struct sp_feed_message *msg = &rec->message;
    struct sp_book_delta *delta = &out->body.book_delta;
    struct sp_book_snapshot *snapshot = &out->body.book_snapshot;
    bool is_delta = msg->type == SP_FEED_DELTA;

    event_begin(rec, out, is_delta ? SP_REC_BOOK_DELTA : SP_REC_BOOK_SNAPSHOT);
    rec->bids_done =
        copy_part(&msg->bids, rec->bids_done, is_delta ? &delta->bids : &snapshot->bids);
    rec->asks_done =
        copy_part(&msg->asks, rec->asks_done, is_delta ? &delta->asks : &snapshot->asks);
    rec->in_parts = rec->bids_done < msg->bids.count || rec->asks_done < msg->asks.count;
    if (is_delta) {
        delta->first_update_id = msg->first_update_id;
        delta->last_update_id = msg->last_update_id;
        delta->more = rec->in_parts;
        delta->received.ns = 0;
    } else {
        snapshot->last_update_id = msg->last_update_id;
        snapshot->part = rec->part++;
        snapshot->more = rec->in_parts;
        snapshot->received.ns = 0;
    }
}

static void begin_parts(struct recording *rec)
{
    rec->in_parts = true;
    rec->bids_done = rec->asks_done = 0;
    rec->part = 0;
}

static void emit_message(struct recording *rec, struct sp_market_event *out)
{
    switch (rec->message.type) {
    case SP_FEED_TRADE:
        event_begin(rec, out, SP_REC_TRADE);
        out->body.trade = rec->message.trade;
        return;
    case SP_FEED_QUOTE:
        event_begin(rec, out, SP_REC_QUOTE);
        out->body.quote = rec->message.quote;
        return;
    case SP_FEED_DELTA:
    case SP_FEED_SNAPSHOT:
        begin_parts(rec);
        emit_part(rec, out);
        return;
    case SP_FEED_SHUTDOWN: break;
    }
    SP_ASSERT(rec->message.type != SP_FEED_SHUTDOWN); /* refused when its line was parsed */
}

static void emit_error(struct recording *rec, const struct sp_err *why, struct sp_market_event *out)
{
    struct sp_feed *feed = &out->body.feed;

    event_begin(rec, out, SP_REC_FEED_ERROR);
    memset(feed, 0, sizeof *feed);
    feed->feed = sp_name_of("recording");
    feed->symbol = rec->instrument.symbol;
    feed->messages = rec->messages;
    sp_text_printf(&feed->reason, "line %" PRIu64 ": %s: %s", rec->line_number,
                   sp_status_name(why->status), why->text);
}

/* The receive stamp and where the payload begins. */
static sp_status split_line(const char *line, size_t len, sp_wall *received, size_t *payload,
                            struct sp_err *err)
{
    size_t i = 0;
    int64_t ns = 0;

    for (; i < len && line[i] >= '0' && line[i] <= '9'; i++) {
        int digit = line[i] - '0';
        if (ns > (INT64_MAX - digit) / 10) return SP_FAIL(err, SP_RANGE, "receive time too large");
        ns = ns * 10 + digit;
    }
    if (i == 0) return SP_FAIL(err, SP_TYPE, "does not begin with a receive time");
    if (i == len || line[i] != ' ') {
        return SP_FAIL(err, SP_TRUNCATED, "no payload after the receive time");
    }
    received->ns = ns;
    *payload = i + 1;
    return SP_OK;
}

static sp_status parse_line(struct recording *rec, size_t len, struct sp_err *err)
{
    sp_wall received = {0};
    size_t payload = 0;
    sp_status st = split_line(rec->line, len, &received, &payload, err);

    if (st != SP_OK) return st;
    st = sp_feed_parse(rec->line + payload, len - payload, &rec->message, err);
    if (st != SP_OK) return st;
    if (rec->message.type == SP_FEED_SHUTDOWN)
        return SP_FAIL(err, SP_UNSUPPORTED, "the venue ended the connection");
    if (rec->message.symbol[0] != '\0' &&
        !sp_name_is(&rec->instrument.symbol, rec->message.symbol)) {
        return SP_FAIL(err, SP_INVALID, "is about %s, not %s", rec->message.symbol,
                       rec->instrument.symbol.s);
    }
    move_time(rec, rec->message.time, received);
    return SP_OK;
}

/* SP_OK with the length, SP_TOO_LONG if the line was skipped, SP_CLOSED at the end. */
static sp_status read_line(struct recording *rec, size_t *len_bytes, struct sp_err *err)
{
    int code = Z_OK;
    bool whole = false;
    size_t parts = 0;
    size_t len = 0;

    do {
        if (!gzgets(rec->file, rec->line, (int)sizeof rec->line)) {
            const char *text = gzerror(rec->file, &code);
            if (code == Z_BUF_ERROR) return SP_FAIL(err, SP_CORRUPT, "the file is cut off");
            if (code == Z_ERRNO) return SP_FAIL(err, SP_IO, "reading: %s", strerror(errno));
            if (code != Z_OK && code != Z_STREAM_END) {
                return SP_FAIL(err, SP_CORRUPT, "reading: %s", text);
            }
            break;
        }
        parts++;
        len = strlen(rec->line);
        whole = len + 1 < sizeof rec->line || rec->line[len - 1] == '\n';
    } while (!whole);
    if (parts == 0) return SP_CLOSED;
    rec->line_number++;
    if (parts > 1) return SP_FAIL(err, SP_TOO_LONG, "longer than %zu bytes", sizeof rec->line);
    if (len > 0 && rec->line[len - 1] == '\n') len--;
    *len_bytes = len;
    return SP_OK;
}

/* The next event of the file, as if there were no seeking. */
static sp_status next_raw(struct recording *rec, struct sp_market_event *out, struct sp_err *err)
{
    struct sp_err why = {0};
    size_t len = 0;

    if (rec->in_parts) {
        emit_part(rec, out);
        return SP_OK;
    }
    sp_status st = read_line(rec, &len, &why);
    if (st == SP_CLOSED) return st;
    if (st != SP_OK && st != SP_TOO_LONG) {
        if (err) *err = why;
        return st;
    }
    rec->messages++;
    if (st == SP_OK) st = parse_line(rec, len, &why);
    if (st != SP_OK) {
        emit_error(rec, &why, out);
        return SP_OK;
    }
    emit_message(rec, out);
    return SP_OK;
}

/* Makes the book gathered while seeking the message that is handed out next. */
static void begin_book(struct recording *rec)
{
    struct sp_feed_message *msg = &rec->message;
    const struct sp_book *book = &rec->sync.book;

    msg->type = SP_FEED_SNAPSHOT;
    msg->last_update_id = book->last_update_id;
    msg->bids.count = sp_book_count(book, SP_SIDE_BUY);
    msg->asks.count = sp_book_count(book, SP_SIDE_SELL);
    for (uint32_t i = 0; i < msg->bids.count; i++) {
        msg->bids.at[i] = sp_book_at(book, SP_SIDE_BUY, i);
    }
    for (uint32_t i = 0; i < msg->asks.count; i++) {
        msg->asks.at[i] = sp_book_at(book, SP_SIDE_SELL, i);
    }
    rec->joining = false;
    begin_parts(rec);
}

static bool is_book(const struct sp_market_event *event)
{
    return event->kind == SP_REC_BOOK_DELTA || event->kind == SP_REC_BOOK_SNAPSHOT;
}

static void feed_sync(struct recording *rec, const struct sp_market_event *event)
{
    /* Whatever the results: what counts is whether the book is right in the end. */
    if (event->kind == SP_REC_BOOK_DELTA) {
        sp_book_sync_delta(&rec->sync, &event->body.book_delta);
    } else {
        sp_book_sync_snapshot(&rec->sync, &event->body.book_snapshot);
    }
}

/* After a seek: skips to the target, and puts a snapshot of the book before what follows. */
static sp_status next_joined(struct recording *rec, struct sp_market_event *out, struct sp_err *err)
{
    for (;;) {
        sp_status st = next_raw(rec, out, err);
        if (st != SP_OK) return st;
        bool reached = out->time.ns >= rec->target.ns;
        if (!rec->started && reached) {
            /* Before the first event: the file itself brings its snapshot. */
            rec->joining = false;
            return SP_OK;
        }
        rec->started = true;
        if (is_book(out)) {
            feed_sync(rec, out);
            if (!reached || !sp_book_sync_is_right(&rec->sync)) continue;
            begin_book(rec);
            emit_part(rec, out);
            return SP_OK;
        }
        if (!reached) continue;
        if (!sp_book_sync_is_right(&rec->sync)) return SP_OK;
        rec->held = *out;
        rec->has_held = true;
        begin_book(rec);
        emit_part(rec, out);
        return SP_OK;
    }
}

static sp_status recording_next(void *self, struct sp_market_event *out, struct sp_err *err)
{
    struct recording *rec = self;

    if (rec->joining) return next_joined(rec, out, err);
    if (rec->in_parts) return next_raw(rec, out, err);
    if (rec->has_held) {
        *out = rec->held;
        rec->has_held = false;
        return SP_OK;
    }
    return next_raw(rec, out, err);
}

static sp_status recording_seek(void *self, sp_wall time, struct sp_err *err)
{
    struct recording *rec = self;

    if (!rec->sync.kept) {
        sp_status st = sp_book_sync_init(&rec->sync, SP_FEED_LEVELS_MAX, SEEK_CHANGES_MAX, err);
        if (st != SP_OK) return st;
    }
    if (gzrewind(rec->file) != 0) return SP_FAIL(err, SP_IO, "cannot go back to the start");
    sp_book_sync_reset(&rec->sync);
    rec->line_number = 0;
    rec->messages = 0;
    rec->now.ns = 0;
    rec->in_parts = false;
    rec->has_held = false;
    rec->started = false;
    rec->joining = true;
    rec->target = time;
    return SP_OK;
}

static const struct sp_instrument *recording_instrument(const void *self, uint32_t symbol)
{
    const struct recording *rec = self;

    return symbol == 0 ? &rec->instrument : NULL;
}

static void recording_close(void *self)
{
    struct recording *rec = self;

    gzclose(rec->file);
    sp_book_sync_fini(&rec->sync);
    free(rec);
}

sp_status sp_recording_open(const char *path, const struct sp_instrument *instrument,
                            struct sp_source *out, struct sp_err *err)
{
    static const struct sp_source_ops ops = {
        .next = recording_next,
        .seek = recording_seek,
        .instrument = recording_instrument,
        .close = recording_close,
    };
    sp_status st = sp_instrument_check(instrument, err);

    if (st != SP_OK) return st;
    struct recording *rec = calloc(1, sizeof *rec);
    if (!rec) return SP_FAIL(err, SP_NO_MEMORY, "no memory to read %s", path);
    rec->instrument = *instrument;
    errno = 0;
    rec->file = gzopen(path, "rb");
    if (!rec->file) {
        st = SP_FAIL(err, errno == ENOENT ? SP_NOT_FOUND : SP_IO, "cannot open %s: %s", path,
                     strerror(errno));
        free(rec);
        return st;
    }
    if (gzbuffer(rec->file, READ_AHEAD_BYTES) != 0) {
        recording_close(rec);
        return SP_FAIL(err, SP_NO_MEMORY, "no memory to read %s", path);
    }
    *out = (struct sp_source){.ops = &ops, .self = rec};
    return SP_OK;
}
