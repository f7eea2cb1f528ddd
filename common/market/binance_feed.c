#include "common/market/binance_feed.h"

#include "proto/decimal.h"

#include <string.h>

#define NS_PER_MS INT64_C(1000000)

/* Bits of the keys that were seen. */
enum {
    KEY_e = 1 << 0,
    KEY_E = 1 << 1,
    KEY_s = 1 << 2,
    KEY_U = 1 << 3,
    KEY_u = 1 << 4,
    KEY_b = 1 << 5, /* a price: bookTicker */
    KEY_B = 1 << 6,
    KEY_a = 1 << 7,
    KEY_A = 1 << 8,
    KEY_t = 1 << 9,
    KEY_p = 1 << 10,
    KEY_q = 1 << 11,
    KEY_T = 1 << 12,
    KEY_m = 1 << 13,
    KEY_lastUpdateId = 1 << 14,
    KEY_bids = 1 << 15, /* lists: depthUpdate's b and a, or the REST answer's bids and asks */
    KEY_asks = 1 << 16,
    KEY_stream = 1 << 17,
    KEY_data = 1 << 18
};

#define KEYS_TRADE    (KEY_e | KEY_E | KEY_s | KEY_t | KEY_p | KEY_q | KEY_T | KEY_m)
#define KEYS_DELTA    (KEY_e | KEY_E | KEY_s | KEY_U | KEY_u | KEY_bids | KEY_asks)
#define KEYS_QUOTE    (KEY_u | KEY_s | KEY_b | KEY_B | KEY_a | KEY_A)
#define KEYS_SNAPSHOT (KEY_lastUpdateId | KEY_bids | KEY_asks)

struct text {
    const char *at;
    size_t len;
};

struct scan {
    const char *begin;
    const char *p;
    const char *end;
    struct sp_feed_message *out;
    struct sp_err *err;
    uint32_t seen;
    bool in_data;
    struct text event; /* value of "e" */
    int64_t event_ms;
    int64_t trade_ms;
    bool buyer_is_maker;
};

static sp_status bad(const struct scan *s, sp_status st, const char *what)
{
    return SP_FAIL(s->err, st, "byte %zu: %s", (size_t)(s->p - s->begin) + 1, what);
}

static void skip_space(struct scan *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\r' || *s->p == '\n')) {
        s->p++;
    }
}

static sp_status expect(struct scan *s, char c)
{
    if (s->p < s->end && *s->p == c) {
        s->p++;
        return SP_OK;
    }
    if (s->p == s->end) return bad(s, SP_TRUNCATED, "the line ends too early");
    return SP_FAIL(s->err, SP_TYPE, "byte %zu: expected '%c'", (size_t)(s->p - s->begin) + 1, c);
}

/* Whether the next byte is c, taking it if so. */
static bool take(struct scan *s, char c)
{
    if (s->p == s->end || *s->p != c) return false;
    s->p++;
    return true;
}

/* None of the strings of these payloads needs an escape, so one is refused. */
static sp_status scan_text(struct scan *s, struct text *out)
{
    sp_status st = expect(s, '"');

    if (st != SP_OK) return st;
    const char *start = s->p;
    while (s->p < s->end && *s->p != '"') {
        if (*s->p == '\\' || (unsigned char)*s->p < 0x20) return bad(s, SP_TYPE, "escaped text");
        s->p++;
    }
    *out = (struct text){start, (size_t)(s->p - start)};
    return expect(s, '"');
}

static sp_status scan_u64(struct scan *s, uint64_t *out)
{
    uint64_t n = 0;

    if (s->p == s->end) return bad(s, SP_TRUNCATED, "the line ends too early");
    if (*s->p < '0' || *s->p > '9') return bad(s, SP_TYPE, "expected a whole number");
    for (; s->p < s->end && *s->p >= '0' && *s->p <= '9'; s->p++) {
        unsigned digit = (unsigned)(*s->p - '0');
        if (n > (UINT64_MAX - digit) / 10) return bad(s, SP_RANGE, "number is too large");
        n = n * 10 + digit;
    }
    *out = n;
    return SP_OK;
}

static sp_status scan_ms(struct scan *s, int64_t *out)
{
    uint64_t ms = 0;
    sp_status st = scan_u64(s, &ms);

    if (st != SP_OK) return st;
    if (ms == 0 || ms > (uint64_t)(INT64_MAX / NS_PER_MS)) {
        return bad(s, SP_RANGE, "time is out of range");
    }
    *out = (int64_t)ms;
    return SP_OK;
}

static sp_status scan_bool(struct scan *s, bool *out)
{
    if (s->end - s->p >= 4 && memcmp(s->p, "true", 4) == 0) {
        s->p += 4;
        *out = true;
        return SP_OK;
    }
    if (s->end - s->p >= 5 && memcmp(s->p, "false", 5) == 0) {
        s->p += 5;
        *out = false;
        return SP_OK;
    }
    return bad(s, SP_TYPE, "expected true or false");
}

/* A decimal in quotes that is not below `least`. */
static sp_status scan_e8(struct scan *s, int64_t least, int64_t *out)
{
    struct text text = {0};
    int64_t e8 = 0;
    sp_status st = scan_text(s, &text);

    if (st != SP_OK) return st;
    st = sp_e8_parse(text.at, text.len, &e8);
    if (st != SP_OK) return bad(s, st, "not an exact decimal");
    if (e8 < least) return bad(s, SP_RANGE, "price must be positive, quantity not negative");
    *out = e8;
    return SP_OK;
}

static sp_status scan_level(struct scan *s, struct sp_level *out)
{
    sp_status st = expect(s, '[');

    if (st == SP_OK) st = scan_e8(s, 1, &out->px.e8);
    if (st == SP_OK) st = expect(s, ',');
    if (st == SP_OK) st = scan_e8(s, 0, &out->qty.e8);
    if (st == SP_OK) st = expect(s, ']');
    return st;
}

static sp_status scan_levels(struct scan *s, struct sp_feed_levels *out)
{
    sp_status st = expect(s, '[');

    out->count = 0;
    if (st != SP_OK) return st;
    if (take(s, ']')) return SP_OK;
    do {
        if (out->count == SP_FEED_LEVELS_MAX) return bad(s, SP_TOO_LONG, "too many levels");
        st = scan_level(s, &out->at[out->count]);
        if (st != SP_OK) return st;
        out->count++;
    } while (take(s, ','));
    return expect(s, ']');
}

static sp_status scan_symbol(struct scan *s)
{
    struct text text = {0};
    sp_status st = scan_text(s, &text);

    if (st != SP_OK) return st;
    if (text.len == 0 || text.len >= SP_FEED_SYMBOL_SIZE) {
        return bad(s, SP_TOO_LONG, "symbol has an impossible length");
    }
    memcpy(s->out->symbol, text.at, text.len);
    s->out->symbol[text.len] = '\0';
    return SP_OK;
}

/* The value of a key that means nothing here. */
static sp_status skip_scalar(struct scan *s)
{
    struct text ignored = {0};

    if (s->p == s->end) return bad(s, SP_TRUNCATED, "the line ends too early");
    if (*s->p == '"') return scan_text(s, &ignored);
    if (*s->p == '{' || *s->p == '[') return bad(s, SP_UNSUPPORTED, "unknown nested value");
    const char *start = s->p;
    while (s->p < s->end && *s->p != ',' && *s->p != '}')
        s->p++;
    return s->p == start ? bad(s, SP_TYPE, "expected a value") : SP_OK;
}

/* b and a are a price in bookTicker and a list in depthUpdate. */
static sp_status scan_b_or_a(struct scan *s, bool bid, uint32_t *bit)
{
    if (s->p < s->end && *s->p == '[') {
        *bit = bid ? KEY_bids : KEY_asks;
        return scan_levels(s, bid ? &s->out->bids : &s->out->asks);
    }
    *bit = bid ? KEY_b : KEY_a;
    return scan_e8(s, 1, bid ? &s->out->quote.bid_px.e8 : &s->out->quote.ask_px.e8);
}

static sp_status scan_short(struct scan *s, char key, uint32_t *bit)
{
    struct sp_feed_message *out = s->out;

    switch (key) {
    case 'e': *bit = KEY_e; return scan_text(s, &s->event);
    case 'E': *bit = KEY_E; return scan_ms(s, &s->event_ms);
    case 's': *bit = KEY_s; return scan_symbol(s);
    case 'U': *bit = KEY_U; return scan_u64(s, &out->first_update_id);
    case 'u': *bit = KEY_u; return scan_u64(s, &out->last_update_id);
    case 'b': return scan_b_or_a(s, true, bit);
    case 'a': return scan_b_or_a(s, false, bit);
    case 'B': *bit = KEY_B; return scan_e8(s, 0, &out->quote.bid_qty.e8);
    case 'A': *bit = KEY_A; return scan_e8(s, 0, &out->quote.ask_qty.e8);
    case 't': *bit = KEY_t; return scan_u64(s, &out->trade.trade_id);
    case 'p': *bit = KEY_p; return scan_e8(s, 1, &out->trade.px.e8);
    case 'q': *bit = KEY_q; return scan_e8(s, 1, &out->trade.qty.e8);
    case 'T': *bit = KEY_T; return scan_ms(s, &s->trade_ms);
    case 'm': *bit = KEY_m; return scan_bool(s, &s->buyer_is_maker);
    default: return skip_scalar(s);
    }
}

static bool is(struct text text, const char *word)
{
    return text.len == strlen(word) && memcmp(text.at, word, text.len) == 0;
}

static sp_status scan_object(struct scan *s);

static sp_status scan_data(struct scan *s, uint32_t *bit)
{
    *bit = KEY_data;
    if (s->in_data) return bad(s, SP_TOO_DEEP, "data within data");
    s->in_data = true;
    sp_status st = scan_object(s);
    s->in_data = false;
    return st;
}

static sp_status scan_value(struct scan *s, struct text key, uint32_t *bit)
{
    struct text ignored = {0};

    if (key.len == 1) return scan_short(s, key.at[0], bit);
    if (is(key, "stream")) {
        *bit = KEY_stream;
        return scan_text(s, &ignored);
    }
    if (is(key, "data")) return scan_data(s, bit);
    if (is(key, "lastUpdateId")) {
        *bit = KEY_lastUpdateId;
        return scan_u64(s, &s->out->last_update_id);
    }
    if (is(key, "bids")) {
        *bit = KEY_bids;
        return scan_levels(s, &s->out->bids);
    }
    if (is(key, "asks")) {
        *bit = KEY_asks;
        return scan_levels(s, &s->out->asks);
    }
    return skip_scalar(s);
}

static sp_status scan_object(struct scan *s)
{
    sp_status st = expect(s, '{');

    if (st != SP_OK) return st;
    if (take(s, '}')) return SP_OK;
    do {
        struct text key = {0};
        uint32_t bit = 0;
        skip_space(s);
        st = scan_text(s, &key);
        if (st == SP_OK) skip_space(s);
        if (st == SP_OK) st = expect(s, ':');
        if (st == SP_OK) skip_space(s);
        if (st == SP_OK) st = scan_value(s, key, &bit);
        if (st != SP_OK) return st;
        if (s->seen & bit) return bad(s, SP_INVALID, "a key stands twice");
        s->seen |= bit;
        skip_space(s);
    } while (take(s, ','));
    return expect(s, '}');
}

static sp_status finish_trade(struct scan *s)
{
    if ((s->seen & KEYS_TRADE) != KEYS_TRADE) return bad(s, SP_MISSING, "a trade lacks a key");
    s->out->type = SP_FEED_TRADE;
    s->out->time.ns = s->trade_ms * NS_PER_MS;
    s->out->trade.taker_side = s->buyer_is_maker ? SP_SIDE_SELL : SP_SIDE_BUY;
    return SP_OK;
}

static sp_status finish_delta(struct scan *s)
{
    if ((s->seen & KEYS_DELTA) != KEYS_DELTA) return bad(s, SP_MISSING, "a change lacks a key");
    if (s->out->first_update_id > s->out->last_update_id || s->out->last_update_id == 0) {
        return bad(s, SP_INVALID, "update numbers run backwards");
    }
    s->out->type = SP_FEED_DELTA;
    s->out->time.ns = s->event_ms * NS_PER_MS;
    return SP_OK;
}

static sp_status finish(struct scan *s)
{
    if (s->seen & KEY_e) {
        if (is(s->event, "trade")) return finish_trade(s);
        if (is(s->event, "depthUpdate")) return finish_delta(s);
        if (is(s->event, "serverShutdown")) {
            s->out->type = SP_FEED_SHUTDOWN;
            s->out->time.ns = 0;
            return SP_OK;
        }
        return bad(s, SP_UNSUPPORTED, "an event that is not read here");
    }
    s->out->time.ns = 0;
    if ((s->seen & KEYS_SNAPSHOT) == KEYS_SNAPSHOT) {
        if (s->out->last_update_id == 0) return bad(s, SP_INVALID, "update number is zero");
        s->out->type = SP_FEED_SNAPSHOT;
        s->out->symbol[0] = '\0';
        return SP_OK;
    }
    if ((s->seen & KEYS_QUOTE) != KEYS_QUOTE) return bad(s, SP_MISSING, "no payload known here");
    s->out->type = SP_FEED_QUOTE;
    s->out->quote.update_id = s->out->last_update_id;
    return SP_OK;
}

sp_status sp_feed_parse(const char *json, size_t len_bytes, struct sp_feed_message *out,
                        struct sp_err *err)
{
    struct scan s = {.begin = json, .p = json, .end = json + len_bytes, .out = out, .err = err};

    out->symbol[0] = '\0';
    out->trade = (struct sp_trade){0};
    out->quote = (struct sp_quote){0};
    out->bids.count = out->asks.count = 0;
    skip_space(&s);
    sp_status st = scan_object(&s);
    if (st != SP_OK) return st;
    skip_space(&s);
    if (s.p != s.end) return bad(&s, SP_INVALID, "more text after the payload");
    return finish(&s);
}
