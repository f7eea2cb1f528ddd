#include "proto/json_token.h"

#include <string.h>

sp_status sp_json_cut_short(const struct sp_json_reader *reader)
{
    return SP_JSON_FAILS(reader, SP_TRUNCATED, "%s", "text ends too early");
}

sp_status sp_json_unexpected(const struct sp_json_reader *reader, const char *wanted)
{
    if (reader->at == reader->end) return sp_json_cut_short(reader);
    return SP_JSON_FAILS(reader, SP_INVALID, "%s expected at byte %zu", wanted,
                         (size_t)(reader->at - reader->begin));
}

static void skip_space(struct sp_json_reader *reader)
{
    while (reader->at < reader->end && (*reader->at == ' ' || *reader->at == '\t' ||
                                        *reader->at == '\n' || *reader->at == '\r')) {
        reader->at++;
    }
}

bool sp_json_take(struct sp_json_reader *reader, char c)
{
    skip_space(reader);
    if (reader->at == reader->end || *reader->at != c) return false;
    reader->at++;
    return true;
}

sp_status sp_json_begin(struct sp_json_reader *reader, char c, const char *wanted)
{
    if (sp_json_take(reader, c)) return SP_OK;
    if (reader->at == reader->end) return sp_json_cut_short(reader);
    return SP_JSON_FAILS(reader, SP_TYPE, "is no %s", wanted);
}

/* Four hexadecimal digits. */
static sp_status read_hex(struct sp_json_reader *reader, uint32_t *out)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < 4; i++) {
        if (reader->at == reader->end) return sp_json_cut_short(reader);
        char c = *reader->at;
        uint32_t digit = 0;
        if (c >= '0' && c <= '9')
            digit = (uint32_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            digit = (uint32_t)(c - 'a' + 10);
        else if (c >= 'A' && c <= 'F')
            digit = (uint32_t)(c - 'A' + 10);
        else
            return sp_json_unexpected(reader, "a hexadecimal digit");
        value = value << 4 | digit;
        reader->at++;
    }
    *out = value;
    return SP_OK;
}

/* The code point of \uXXXX, or of two of them that make a pair; stands after the first \u. */
static sp_status read_code_point(struct sp_json_reader *reader, uint32_t *out)
{
    uint32_t high = 0;
    uint32_t low = 0;

    sp_status status = read_hex(reader, &high);
    if (status != SP_OK) return status;
    if (high == 0) return SP_JSON_FAILS(reader, SP_INVALID, "%s", "NUL may not stand in text");
    *out = high;
    if (high < 0xd800 || high > 0xdfff) return SP_OK;
    for (const char *c = "\\u"; *c != '\0'; c++) {
        if (reader->at == reader->end) return sp_json_cut_short(reader);
        if (*reader->at++ != *c)
            return SP_JSON_FAILS(reader, SP_INVALID, "%s", "half a surrogate pair");
    }
    status = read_hex(reader, &low);
    if (status != SP_OK) return status;
    if (high > 0xdbff || low < 0xdc00 || low > 0xdfff) {
        return SP_JSON_FAILS(reader, SP_INVALID, "%s", "half a surrogate pair");
    }
    *out = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
    return SP_OK;
}

static size_t put_utf8(char *out, uint32_t c)
{
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const uint8_t first[] = {0, 0, 0xc0, 0xe0, 0xf0};

    for (size_t i = n - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (c & 0x3f));
        c >>= 6;
    }
    out[0] = (char)(first[n] | c);
    return n;
}

/* Stands after a backslash; appends what it means to the scratch. */
static sp_status read_escape(struct sp_json_reader *reader, size_t *len)
{
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";
    uint32_t code = 0;

    if (reader->at == reader->end) return sp_json_cut_short(reader);
    char c = *reader->at++;
    if (c == 'u') {
        sp_status status = read_code_point(reader, &code);
        if (status != SP_OK) return status;
        *len += put_utf8(reader->scratch + *len, code);
        return SP_OK;
    }
    const char *known = memchr(from, c, sizeof from - 1);
    if (known == NULL) return SP_JSON_FAILS(reader, SP_INVALID, "%s", "unknown escape");
    reader->scratch[(*len)++] = to[known - from];
    return SP_OK;
}

/* The rest of a string that has an escape at reader->at; `begin` is where the string began. */
static sp_status read_escaped(struct sp_json_reader *reader, const char *begin,
                              struct sp_json_span *out)
{
    size_t len = (size_t)(reader->at - begin);

    if (len >= SP_TEXT_SIZE)
        return SP_JSON_FAILS(reader, SP_TOO_LONG, "at most %d bytes", SP_TEXT_SIZE - 1);
    memcpy(reader->scratch, begin, len);
    while (reader->at < reader->end) {
        unsigned char c = (unsigned char)*reader->at++;
        sp_status status = SP_OK;
        if (c == '"') {
            *out = (struct sp_json_span){reader->scratch, len};
            return SP_OK;
        }
        if (len >= SP_TEXT_SIZE) break;
        if (c == '\\')
            status = read_escape(reader, &len);
        else if (c < 0x20)
            status = SP_JSON_FAILS(reader, SP_INVALID, "control character %02x in text", c);
        else
            reader->scratch[len++] = (char)c;
        if (status != SP_OK) return status;
    }
    if (reader->at == reader->end && len < SP_TEXT_SIZE) return sp_json_cut_short(reader);
    return SP_JSON_FAILS(reader, SP_TOO_LONG, "at most %d bytes", SP_TEXT_SIZE - 1);
}

sp_status sp_json_string(struct sp_json_reader *reader, struct sp_json_span *out)
{
    sp_status status = sp_json_begin(reader, '"', "text");
    if (status != SP_OK) return status;
    const char *begin = reader->at;
    for (; reader->at < reader->end; reader->at++) {
        unsigned char c = (unsigned char)*reader->at;
        if (c == '"') {
            *out = (struct sp_json_span){begin, (size_t)(reader->at - begin)};
            reader->at++;
            return SP_OK;
        }
        if (c == '\\') return read_escaped(reader, begin, out);
        if (c < 0x20) return SP_JSON_FAILS(reader, SP_INVALID, "control character %02x in text", c);
    }
    return sp_json_cut_short(reader);
}

sp_status sp_json_parsed(const struct sp_json_reader *reader, sp_status status,
                         const struct sp_json_span *span, const char *wanted)
{
    if (status == SP_OK) return SP_OK;
    int shown = span->len > 40 ? 40 : (int)span->len;
    if (status == SP_RANGE)
        return SP_JSON_FAILS(reader, SP_RANGE, "\"%.*s\" does not fit", shown, span->at);
    return SP_JSON_FAILS(reader, status, "\"%.*s\" is no %s", shown, span->at, wanted);
}

/* Minus, digits without needless zero. SP_TYPE, SP_RANGE. */
static sp_status parse_integer(const struct sp_json_span *span, bool *negative, uint64_t *out)
{
    uint64_t value = 0;
    size_t i = span->len > 0 && span->at[0] == '-' ? 1 : 0;
    size_t first = i;

    for (; i < span->len; i++) {
        if (span->at[i] < '0' || span->at[i] > '9') return SP_TYPE;
        uint64_t digit = (uint64_t)(span->at[i] - '0');
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, digit, &value)) {
            return SP_RANGE;
        }
    }
    if (i == first || (i - first > 1 && span->at[first] == '0')) return SP_TYPE;
    *negative = first == 1 && value != 0;
    *out = value;
    return SP_OK;
}

static bool is_number_char(char c)
{
    return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

/* Beyond 2^53 - 1 programs that read JSON lose digits: such a number must stand in a string. */
static sp_status get_integer(struct sp_json_reader *reader, bool *negative, uint64_t *out)
{
    struct sp_json_span span;

    skip_space(reader);
    if (reader->at < reader->end && *reader->at == '"') {
        sp_status status = sp_json_string(reader, &span);
        if (status != SP_OK) return status;
        return sp_json_parsed(reader, parse_integer(&span, negative, out), &span, "integer");
    }
    span.at = reader->at;
    while (reader->at < reader->end && is_number_char(*reader->at))
        reader->at++;
    span.len = (size_t)(reader->at - span.at);
    if (reader->at == reader->end)
        return sp_json_cut_short(reader); /* a number never ends a text */
    if (span.len == 0) return SP_JSON_FAILS(reader, SP_TYPE, "%s", "is no integer");
    sp_status status =
        sp_json_parsed(reader, parse_integer(&span, negative, out), &span, "integer");
    if (status == SP_OK && *out > SP_JSON_EXACT_MAX) {
        status =
            SP_JSON_FAILS(reader, SP_RANGE, "%s", "integers above 2^53 - 1 are written as strings");
    }
    return status;
}

sp_status sp_json_uint(struct sp_json_reader *reader, uint64_t max, uint64_t *out)
{
    bool negative = false;
    uint64_t value = 0;

    sp_status status = get_integer(reader, &negative, &value);
    if (status != SP_OK) return status;
    if (negative) return SP_JSON_FAILS(reader, SP_RANGE, "%s", "must not be negative");
    if (value > max) {
        return SP_JSON_FAILS(reader, SP_RANGE, "%" PRIu64 " is more than %" PRIu64, value, max);
    }
    *out = value;
    return SP_OK;
}

sp_status sp_json_int(struct sp_json_reader *reader, int64_t *out)
{
    bool negative = false;
    uint64_t value = 0;

    sp_status status = get_integer(reader, &negative, &value);
    if (status != SP_OK) return status;
    if (value > (uint64_t)INT64_MAX + (negative ? 1 : 0)) {
        return SP_JSON_FAILS(reader, SP_RANGE, "%s%" PRIu64 " does not fit", negative ? "-" : "",
                             value);
    }
    *out = negative ? (int64_t)(0 - value) : (int64_t)value;
    return SP_OK;
}

sp_status sp_json_bool(struct sp_json_reader *reader, bool *out)
{
    static const char *const words[] = {"false", "true"};

    skip_space(reader);
    size_t left = (size_t)(reader->end - reader->at);
    for (unsigned i = 0; i < 2; i++) {
        size_t len = strlen(words[i]);
        if (left < len && memcmp(reader->at, words[i], left) == 0) return sp_json_cut_short(reader);
        if (left < len || memcmp(reader->at, words[i], len) != 0) continue;
        reader->at += len;
        *out = i == 1;
        return SP_OK;
    }
    return SP_JSON_FAILS(reader, SP_TYPE, "%s", "is neither true nor false");
}

sp_status sp_json_name(struct sp_json_reader *reader, sp_name *out)
{
    struct sp_json_span span;

    sp_status status = sp_json_string(reader, &span);
    if (status != SP_OK) return status;
    if (span.len >= sizeof out->s) {
        return SP_JSON_FAILS(reader, SP_TOO_LONG, "%zu bytes, at most %zu", span.len,
                             sizeof out->s - 1);
    }
    if (sp_name_set_n(out, span.at, span.len)) return SP_OK;
    return SP_JSON_FAILS(reader, SP_INVALID, "%s", "may hold only A-Z a-z 0-9 . _ -");
}

sp_status sp_json_text(struct sp_json_reader *reader, sp_text *out)
{
    struct sp_json_span span;

    sp_status status = sp_json_string(reader, &span);
    if (status != SP_OK) return status;
    if (span.len >= sizeof out->s) {
        return SP_JSON_FAILS(reader, SP_TOO_LONG, "%zu bytes, at most %zu", span.len,
                             sizeof out->s - 1);
    }
    if (sp_text_set_n(out, span.at, span.len)) return SP_OK;
    return SP_JSON_FAILS(reader, SP_INVALID, "%s", "must be UTF-8 without NUL");
}
