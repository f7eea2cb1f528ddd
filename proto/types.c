#include "proto/types.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

_Static_assert(sizeof(sp_px) == sizeof(int64_t), "value types are one word");
_Static_assert(sizeof(sp_opp_id) == 16, "ids are 16 bytes");

static bool fits(__int128 wide, int64_t *out)
{
    if (wide > INT64_MAX || wide < INT64_MIN) return false;
    *out = (int64_t)wide;
    return true;
}

/* num / den, rounded half away from zero. */
static __int128 div_round(__int128 num, __int128 den)
{
    __int128 half = den < 0 ? -den / 2 : den / 2;
    bool negative = (num < 0) != (den < 0);

    if (num < 0) num = -num;
    if (den < 0) den = -den;
    __int128 q = (num + half) / den;
    return negative ? -q : q;
}

static bool mul_e8(int64_t a, int64_t b, int64_t *out)
{
    return fits(div_round((__int128)a * b, SP_FX_ONE), out);
}

static bool div_e8(int64_t num, int64_t den, int64_t *out)
{
    if (den == 0) return false;
    return fits(div_round((__int128)num * SP_FX_ONE, den), out);
}

bool sp_px_times_qty(sp_px px, sp_qty qty, sp_amt *out)
{
    return mul_e8(px.e8, qty.e8, &out->e8);
}

bool sp_px_times_ratio(sp_px px, sp_ratio ratio, sp_px *out)
{
    return mul_e8(px.e8, ratio.e8, &out->e8);
}

bool sp_amt_times_ratio(sp_amt amt, sp_ratio ratio, sp_amt *out)
{
    return mul_e8(amt.e8, ratio.e8, &out->e8);
}

bool sp_amt_div_px(sp_amt amt, sp_px px, sp_qty *out)
{
    if (px.e8 == 0) return false;
    return fits((__int128)amt.e8 * SP_FX_ONE / px.e8, &out->e8);
}

bool sp_px_div_px(sp_px num, sp_px den, sp_ratio *out)
{
    return div_e8(num.e8, den.e8, &out->e8);
}

bool sp_amt_div_amt(sp_amt num, sp_amt den, sp_ratio *out)
{
    return div_e8(num.e8, den.e8, &out->e8);
}

bool sp_amt_add(sp_amt a, sp_amt b, sp_amt *out)
{
    return fits((__int128)a.e8 + b.e8, &out->e8);
}
bool sp_amt_sub(sp_amt a, sp_amt b, sp_amt *out)
{
    return fits((__int128)a.e8 - b.e8, &out->e8);
}
bool sp_qty_add(sp_qty a, sp_qty b, sp_qty *out)
{
    return fits((__int128)a.e8 + b.e8, &out->e8);
}
bool sp_qty_sub(sp_qty a, sp_qty b, sp_qty *out)
{
    return fits((__int128)a.e8 - b.e8, &out->e8);
}

int64_t sp_e8_floor_to(int64_t value_e8, int64_t step_e8)
{
    SP_ASSERT(value_e8 >= 0);
    SP_ASSERT(step_e8 >= 0);
    return step_e8 == 0 ? value_e8 : value_e8 - value_e8 % step_e8;
}

static bool is_name_char(char c)
{
    static const bool allowed[256] = {['a' ... 'z'] = true, ['A' ... 'Z'] = true,
                                      ['0' ... '9'] = true, ['.'] = true,
                                      ['_'] = true,         ['-'] = true};

    return allowed[(uint8_t)c];
}

bool sp_name_set_n(sp_name *out, const char *text, size_t len_bytes)
{
    if (len_bytes >= sizeof out->s) return false;
    for (size_t i = 0; i < len_bytes; i++) {
        if (!is_name_char(text[i])) return false;
    }
    memset(out, 0, sizeof *out);
    memcpy(out->s, text, len_bytes);
    return true;
}

bool sp_name_set(sp_name *out, const char *text)
{
    return sp_name_set_n(out, text, strlen(text));
}

/* Bytes of the UTF-8 sequence that starts at p, 0 if it is not one. No overlong forms, surrogates,
 * or NUL. */
static size_t utf8_len(const unsigned char *p, size_t left)
{
    if (p[0] == 0) return 0;
    if (p[0] < 0x80) return 1;
    size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || n > left) return 0;
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) return 0;
    }
    if (p[0] == 0xe0 && p[1] < 0xa0) return 0;
    if (p[0] == 0xed && p[1] > 0x9f) return 0;
    if (p[0] == 0xf0 && p[1] < 0x90) return 0;
    if (p[0] == 0xf4 && p[1] > 0x8f) return 0;
    return n;
}

/* Length of the longest valid UTF-8 prefix of at most len bytes. */
static size_t utf8_prefix(const char *text, size_t len)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t at = 0;

    while (at < len) {
        size_t n = utf8_len(p + at, len - at);
        if (n == 0) break;
        at += n;
    }
    return at;
}

bool sp_text_set_n(sp_text *out, const char *text, size_t len_bytes)
{
    if (len_bytes >= sizeof out->s) return false;
    if (utf8_prefix(text, len_bytes) != len_bytes) return false;
    memset(out, 0, sizeof *out);
    memcpy(out->s, text, len_bytes);
    return true;
}

void sp_text_printf(sp_text *out, const char *fmt, ...)
{
    char buf[2 * SP_TEXT_SIZE];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(buf, sizeof buf, fmt, ap);
    va_end(ap);
    size_t len = strlen(buf);
    if (len > sizeof out->s - 1) len = sizeof out->s - 1;
    len = utf8_prefix(buf, len);
    memset(out, 0, sizeof *out);
    memcpy(out->s, buf, len);
}

sp_name sp_name_of(const char *literal)
{
    sp_name name = {{0}};
    bool ok = sp_name_set(&name, literal);

    SP_ASSERT(ok);
    return name;
}

bool sp_name_eq(const sp_name *a, const sp_name *b)
{
    return strcmp(a->s, b->s) == 0;
}
bool sp_name_is(const sp_name *a, const char *text)
{
    return strcmp(a->s, text) == 0;
}
