#include "common/config/json_scan.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INTEGER_MAX      SP_JSON_INTEGER_MAX
#define NONE             SP_JSON_NO_TOKEN
#define NUMBER_BYTES_MAX 40

sp_status sp_json_fault_set(struct sp_strict_fault *fault, sp_status status, const char *fmt, ...)
{
    va_list args;

    if (fault == NULL) return status;
    fault->line = fault->column = 0;
    va_start(args, fmt);
    vsnprintf(fault->text, sizeof fault->text, fmt, args);
    va_end(args);
    return status;
}

uint32_t sp_json_column(const char *text, size_t at)
{
    uint32_t column = 1;

    for (; at > 0 && text[at - 1] != '\n'; at--) {
        if (((unsigned char)text[at - 1] & 0xC0) != 0x80) column++;
    }
    return column;
}

static sp_status fail_at(const struct sp_json_scan *s, size_t at, sp_status status,
                         const char *text)
{
    sp_json_fault_set(s->fault, status, "%s", text);
    if (s->fault != NULL) {
        s->fault->line = s->line;
        s->fault->column = sp_json_column(s->text, at);
    }
    return status;
}

static sp_status expected(const struct sp_json_scan *s, const char *what)
{
    char text[200];
    const char *p = s->text + s->at;

    if (s->at >= s->len_bytes) {
        snprintf(text, sizeof text, "expected %s, found the end of the file", what);
    } else if (*p == '/') {
        snprintf(text, sizeof text, "expected %s, found '/': JSON has no comments (use \"note\")",
                 what);
    } else if (*p == '\'') {
        snprintf(text, sizeof text, "expected %s, found ': text stands in double quotes", what);
    } else if ((unsigned char)*p < 0x20 || (unsigned char)*p > 0x7E) {
        snprintf(text, sizeof text, "expected %s, found byte 0x%02x", what, (unsigned char)*p);
    } else {
        snprintf(text, sizeof text, "expected %s, found '%c'", what, *p);
    }
    return fail_at(s, s->at, SP_INVALID, text);
}

static void skip_space(struct sp_json_scan *s)
{
    for (; s->at < s->len_bytes; s->at++) {
        char c = s->text[s->at];
        if (c == '\n') {
            s->line++;
        } else if (c != ' ' && c != '\t' && c != '\r') {
            return;
        }
    }
}

static bool next_is(const struct sp_json_scan *s, char c)
{
    return s->at < s->len_bytes && s->text[s->at] == c;
}

static bool is_digit(const struct sp_json_scan *s)
{
    return s->at < s->len_bytes && s->text[s->at] >= '0' && s->text[s->at] <= '9';
}

static sp_status fail_dense(const struct sp_json_scan *s, uint32_t values_max)
{
    char text[200];

    snprintf(text, sizeof text,
             "here begins value %" PRIu32 " of a document of %zu bytes, which may have %" PRIu32
             ": %u, and one more for each %u bytes; leave values out or shorten the lists",
             s->count + 1, s->len_bytes, values_max, SP_STRICT_JSON_VALUES,
             SP_STRICT_JSON_VALUE_BYTES);
    return fail_at(s, s->at, SP_TOO_LONG, text);
}

static sp_status token_add(struct sp_json_scan *s, enum sp_strict_kind kind, uint32_t *index)
{
    if (s->count == s->capacity) {
        uint32_t values_max = sp_strict_json_values_max(s->len_bytes);
        uint32_t capacity = s->capacity == 0 ? 64 : s->capacity * 2;
        struct sp_json_token *grown;
        if (s->count == values_max) return fail_dense(s, values_max);
        if (capacity > values_max) capacity = values_max;
        grown = realloc(s->tokens, capacity * sizeof *grown);
        if (grown == NULL) return fail_at(s, s->at, SP_NO_MEMORY, "memory is exhausted");
        s->tokens = grown;
        s->capacity = capacity;
    }
    *index = s->count++;
    s->tokens[*index] = (struct sp_json_token){.kind = (uint8_t)kind,
                                               .line = s->line,
                                               .at = (uint32_t)s->at,
                                               .value_at = (uint32_t)s->at,
                                               .next = NONE};
    return SP_OK;
}

/* The length of the well-formed UTF-8 character at p, 0 if there is none. */
static size_t utf8_bytes(const unsigned char *p, size_t left)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = p[0] < 0x80 ? 1 : p[0] < 0xC2 ? 0 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
    uint32_t code;

    if (n <= 1) return n;
    if (p[0] > 0xF4 || n > left) return 0;
    code = p[0] & (0xFFu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xC0) != 0x80) return 0;
        code = code << 6 | (p[i] & 0x3F);
    }
    if (code < least[n] || code > 0x10FFFF) return 0;
    return code >= 0xD800 && code <= 0xDFFF ? 0 : n;
}

/* The code of a "\\uXXXX" at `at`; false if there is none. */
static bool unicode_escape(const struct sp_json_scan *s, size_t at, uint32_t *code)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";

    *code = 0;
    if (at + 6 > s->len_bytes || s->text[at] != '\\' || s->text[at + 1] != 'u') return false;
    for (size_t i = at + 2; i < at + 6; i++) {
        const char *digit = s->text[i] == '\0' ? NULL : strchr(digits, s->text[i]);
        if (digit == NULL) return false;
        *code = *code << 4 | (uint32_t)((digit - digits) % 16);
    }
    return true;
}

static sp_status scan_escape(struct sp_json_scan *s)
{
    char c = s->at + 1 < s->len_bytes ? s->text[s->at + 1] : '\0';
    uint32_t code, low;
    bool is_pair;

    if (c != '\0' && strchr("\"\\/bfnrt", c) != NULL) {
        s->at += 2;
        return SP_OK;
    }
    if (!unicode_escape(s, s->at, &code)) {
        return fail_at(s, s->at, SP_INVALID,
                       "expected one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX after '\\'");
    }
    if (code == 0) return fail_at(s, s->at, SP_INVALID, "\\u0000 is not allowed in text");
    is_pair = code >= 0xD800 && code <= 0xDBFF && unicode_escape(s, s->at + 6, &low) &&
              low >= 0xDC00 && low <= 0xDFFF;
    if (code >= 0xD800 && code <= 0xDFFF && !is_pair) {
        return fail_at(s, s->at, SP_INVALID, "this \\uXXXX is half a character");
    }
    s->at += is_pair ? 12 : 6;
    return SP_OK;
}

static sp_status scan_string(struct sp_json_scan *s)
{
    size_t begin = s->at++;

    while (s->at < s->len_bytes) {
        unsigned char c = (unsigned char)s->text[s->at];
        size_t n;
        if (c == '"') {
            s->at++;
            return SP_OK;
        }
        if (c == '\n') break;
        if (c == '\\') {
            sp_status status = scan_escape(s);
            if (status != SP_OK) return status;
            continue;
        }
        if (c < 0x20) {
            return fail_at(s, s->at, SP_INVALID, "control characters in text are written \\uXXXX");
        }
        n = utf8_bytes((const unsigned char *)s->text + s->at, s->len_bytes - s->at);
        if (n == 0) return fail_at(s, s->at, SP_INVALID, "this text is not valid UTF-8");
        s->at += n;
    }
    return fail_at(s, begin, SP_INVALID, "this text has no closing '\"' on its line");
}

/* The digits of an integer of any length. */
static bool is_at_most(const char *digits, size_t count, int64_t most)
{
    int64_t value = 0;

    for (size_t i = 0; i < count; i++) {
        int digit = digits[i] - '0';
        if (value > (most - digit) / 10) return false;
        value = value * 10 + digit;
    }
    return true;
}

static sp_status scan_number(struct sp_json_scan *s, struct sp_json_token *token)
{
    size_t begin = s->at, digits;
    bool whole = true;

    if (next_is(s, '-')) s->at++;
    digits = s->at;
    if (!is_digit(s)) return expected(s, "a digit");
    while (is_digit(s))
        s->at++;
    if (s->text[digits] == '0' && s->at - digits > 1) {
        return fail_at(s, begin, SP_INVALID, "a number does not begin with 0");
    }
    size_t digits_end = s->at;
    if (next_is(s, '.')) {
        whole = false;
        s->at++;
        if (!is_digit(s)) return expected(s, "a digit after the point");
        while (is_digit(s))
            s->at++;
    }
    if (next_is(s, 'e') || next_is(s, 'E')) {
        whole = false;
        s->at++;
        if (next_is(s, '+') || next_is(s, '-')) s->at++;
        if (!is_digit(s)) return expected(s, "a digit in the exponent");
        while (is_digit(s))
            s->at++;
    }
    int64_t most = s->wide ? INT64_MAX : INTEGER_MAX;
    if (whole && !is_at_most(s->text + digits, digits_end - digits, most)) {
        return fail_at(s, begin, SP_RANGE,
                       s->wide ? "this number is beyond 64 bits: write it as text"
                               : "this number is beyond 2^53 and would lose digits: write it as "
                                 "text");
    }
    if (s->at - begin > NUMBER_BYTES_MAX) { /* cJSON reads no more than 63 characters of it */
        return fail_at(s, begin, SP_RANGE, "this number has too many digits: write it as text");
    }
    token->kind = whole ? SP_STRICT_INTEGER : SP_STRICT_FRACTION;
    token->value_bytes = (uint8_t)(s->at - begin);
    return SP_OK;
}

static sp_status scan_word(struct sp_json_scan *s, const char *word)
{
    size_t n = strlen(word);

    if (s->len_bytes - s->at < n || memcmp(s->text + s->at, word, n) != 0) {
        return expected(s, "a value");
    }
    s->at += n;
    return SP_OK;
}

static sp_status scan_value(struct sp_json_scan *s, uint32_t *index);

static sp_status scan_key(struct sp_json_scan *s)
{
    sp_status status;

    if (!next_is(s, '"')) return expected(s, "a key in double quotes");
    status = scan_string(s);
    if (status != SP_OK) return status;
    skip_space(s);
    if (!next_is(s, ':')) return expected(s, "':' after the key");
    s->at++;
    skip_space(s);
    return SP_OK;
}

static sp_status scan_member(struct sp_json_scan *s, bool is_object, uint32_t *index)
{
    uint32_t line = s->line, at = (uint32_t)s->at;
    sp_status status;

    if (is_object) {
        status = scan_key(s);
        if (status != SP_OK) return status;
    }
    status = scan_value(s, index);
    if (status == SP_OK && is_object) {
        s->tokens[*index].line = line;
        s->tokens[*index].at = at;
    }
    return status;
}

static sp_status scan_members(struct sp_json_scan *s, uint32_t parent, char close)
{
    bool is_object = close == '}';
    uint32_t previous = NONE, index;

    if (++s->depth > s->depth_max) {
        return fail_at(s, s->at, SP_TOO_DEEP, "values are nested too deeply here");
    }
    s->at++;
    skip_space(s);
    if (next_is(s, close)) goto closed;
    for (;;) {
        sp_status status = scan_member(s, is_object, &index);
        if (status != SP_OK) return status;
        SP_ASSERT(previous != NONE || index == parent + 1);
        if (previous != NONE) s->tokens[previous].next = index;
        previous = index;
        s->tokens[parent].member_count++;
        skip_space(s);
        if (next_is(s, close)) goto closed;
        if (!next_is(s, ',')) {
            return expected(s, is_object ? "',' or '}' after this value"
                                         : "',' or ']' after this value");
        }
        s->at++;
        skip_space(s);
        if (next_is(s, close)) return expected(s, "another value after ','");
    }
closed:
    s->at++;
    s->depth--;
    return SP_OK;
}

static sp_status scan_value(struct sp_json_scan *s, uint32_t *index)
{
    char c = s->at < s->len_bytes ? s->text[s->at] : '\0';
    enum sp_strict_kind kind = c == '{'               ? SP_STRICT_OBJECT
                               : c == '['             ? SP_STRICT_LIST
                               : c == '"'             ? SP_STRICT_STRING
                               : c == 't' || c == 'f' ? SP_STRICT_BOOL
                               : c == 'n'             ? SP_STRICT_NULL
                                                      : SP_STRICT_INTEGER;
    sp_status status = token_add(s, kind, index);

    if (status != SP_OK) return status;
    switch (kind) {
    case SP_STRICT_OBJECT: return scan_members(s, *index, '}');
    case SP_STRICT_LIST: return scan_members(s, *index, ']');
    case SP_STRICT_STRING: return scan_string(s);
    case SP_STRICT_BOOL: return scan_word(s, c == 't' ? "true" : "false");
    case SP_STRICT_NULL: return scan_word(s, "null");
    case SP_STRICT_INTEGER:
    case SP_STRICT_FRACTION: break;
    }
    if (c != '-' && !is_digit(s)) return expected(s, "a value");
    return scan_number(s, &s->tokens[*index]);
}

sp_status sp_json_scan(struct sp_json_scan *s)
{
    uint32_t root;
    sp_status status;

    SP_ASSERT(s->tokens == NULL);
    s->line = 1;
    if (s->len_bytes >= 3 && memcmp(s->text, "\xEF\xBB\xBF", 3) == 0) {
        return fail_at(s, 0, SP_INVALID, "the file begins with a byte-order mark: save it without");
    }
    skip_space(s);
    status = scan_value(s, &root);
    if (status != SP_OK) return status;
    skip_space(s);
    return s->at == s->len_bytes ? SP_OK : expected(s, "the end of the file");
}
