#include "proto/decimal.h"

#include <string.h>

#define DECIMALS_MAX 8
#define NS_PER_S     INT64_C(1000000000)
#define S_PER_DAY    86400

static const int64_t powers_of_ten[] = {1,      10,      100,      1000,      10000,
                                        100000, 1000000, 10000000, 100000000, 1000000000};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static uint64_t magnitude(int64_t value)
{
    return value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
}

/* Writes `value` with at least `width` digits at out; returns where it ends. */
static char *put_uint(char *out, uint64_t value, unsigned width)
{
    char digits[20];
    unsigned n = 0;

    do {
        digits[n++] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    for (; width > n; width--)
        *out++ = '0';
    while (n > 0)
        *out++ = digits[--n];
    return out;
}

/* A number as written: digits before the point, digits after it without trailing zeros. */
struct number {
    bool negative;
    bool too_big; /* whole does not fit 64 bits, or decimals do not fit 18 digits */
    uint64_t whole;
    uint64_t decimals;
    unsigned decimal_count;
    size_t len_bytes; /* how much of the text it took */
};

/* Appends a digit to value unless it no longer fits. */
static bool append_digit(uint64_t *value, char c)
{
    uint64_t digit = (uint64_t)(c - '0');

    return !__builtin_mul_overflow(*value, 10, value) &&
           !__builtin_add_overflow(*value, digit, value);
}

/* Reads minus, digits, point, digits. False if the text does not begin with a number or begins with
 * a needless zero. */
static bool read_number(const char *text, size_t len, struct number *out)
{
    struct number number = {0};
    size_t i = 0;

    if (i < len && text[i] == '-') {
        number.negative = true;
        i++;
    }
    size_t first = i;
    for (; i < len && is_digit(text[i]); i++) {
        if (!append_digit(&number.whole, text[i])) number.too_big = true;
    }
    if (i == first || (i - first > 1 && text[first] == '0')) return false;
    if (i < len && text[i] == '.') {
        size_t begin = ++i;
        while (i < len && is_digit(text[i]))
            i++;
        if (i == begin) return false;
        size_t end = i;
        while (end > begin && text[end - 1] == '0')
            end--;
        number.decimal_count = end - begin > 18 ? 19 : (unsigned)(end - begin);
        if (number.decimal_count > 18) number.too_big = true;
        for (size_t k = begin; k < end && k < begin + 18; k++) {
            if (!append_digit(&number.decimals, text[k])) number.too_big = true;
        }
    }
    number.len_bytes = i;
    *out = number;
    return true;
}

/* The signed value of a magnitude. False if it does not fit. */
static bool to_signed(bool negative, unsigned __int128 value, int64_t *out)
{
    unsigned __int128 limit = (unsigned __int128)INT64_MAX + (negative ? 1 : 0);

    if (value > limit) return false;
    *out = negative ? (int64_t)(0 - (uint64_t)value) : (int64_t)value;
    return true;
}

sp_status sp_e8_parse(const char *text, size_t len_bytes, int64_t *out_e8)
{
    struct number number;

    if (!read_number(text, len_bytes, &number) || number.len_bytes != len_bytes) return SP_TYPE;
    if (number.too_big || number.decimal_count > DECIMALS_MAX) return SP_RANGE;
    unsigned __int128 value =
        (unsigned __int128)number.whole * (uint64_t)SP_FX_ONE +
        number.decimals * (uint64_t)powers_of_ten[DECIMALS_MAX - number.decimal_count];
    return to_signed(number.negative, value, out_e8) ? SP_OK : SP_RANGE;
}

const char *sp_e8_format(int64_t e8, char buf[SP_E8_TEXT_SIZE])
{
    uint64_t value = magnitude(e8);
    uint64_t decimals = value % (uint64_t)SP_FX_ONE;
    char *out = buf;

    if (e8 < 0) *out++ = '-';
    out = put_uint(out, value / (uint64_t)SP_FX_ONE, 1);
    if (decimals != 0) {
        *out++ = '.';
        out = put_uint(out, decimals, DECIMALS_MAX);
        while (out[-1] == '0')
            out--;
    }
    *out = '\0';
    return buf;
}

const char *sp_e8_pretty(int64_t e8, unsigned places, char buf[SP_WALL_TEXT_SIZE])
{
    char digits[24];
    char *out = buf;

    SP_ASSERT(places <= DECIMALS_MAX);
    uint64_t step = (uint64_t)powers_of_ten[DECIMALS_MAX - places];
    uint64_t scale = (uint64_t)powers_of_ten[places];
    uint64_t value = (magnitude(e8) + step / 2) / step; /* <= 2^63 + 5e7: no overflow */
    if (e8 < 0 && value != 0) *out++ = '-';
    size_t len = (size_t)(put_uint(digits, value / scale, 1) - digits);
    for (size_t i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0) *out++ = ',';
        *out++ = digits[i];
    }
    if (places > 0) {
        *out++ = '.';
        out = put_uint(out, value % scale, places);
    }
    *out = '\0';
    return buf;
}

struct date {
    int64_t year;
    unsigned month; /* 1..12 */
    unsigned day;   /* 1..31 */
};

/* The proleptic Gregorian date of a day number, counted in 400-year eras that begin on 1 March, so
 * that the leap day is the last of its year. */
static struct date date_of_day(int64_t day_since_1970)
{
    int64_t day = day_since_1970 + 719468;
    int64_t era = (day >= 0 ? day : day - 146096) / 146097;
    int64_t in_era = day - era * 146097;
    int64_t year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    int64_t in_year = in_era - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * in_year + 2) / 153; /* 0 is March */
    struct date date = {.day = (unsigned)(in_year - (153 * month + 2) / 5 + 1)};

    date.month = (unsigned)(month < 10 ? month + 3 : month - 9);
    date.year = year + era * 400 + (date.month <= 2 ? 1 : 0);
    return date;
}

/* The inverse, for years from 1970 on. */
static int64_t day_of_date(struct date date)
{
    int64_t year = date.year - (date.month <= 2 ? 1 : 0);
    int64_t era = year / 400;
    int64_t in_era_year = year - era * 400;
    int64_t month = date.month > 2 ? date.month - 3 : date.month + 9;
    int64_t in_year = (153 * month + 2) / 5 + date.day - 1;
    int64_t in_era = in_era_year * 365 + in_era_year / 4 - in_era_year / 100 + in_year;

    return era * 146097 + in_era - 719468;
}

/* Splits into whole days and the nanoseconds of the day, also before 1970. */
static int64_t split_days(sp_wall t, int64_t *ns_of_day)
{
    const int64_t day_ns = S_PER_DAY * NS_PER_S;
    int64_t day = t.ns / day_ns;
    int64_t rest = t.ns % day_ns;

    if (rest < 0) {
        rest += day_ns;
        day--;
    }
    *ns_of_day = rest;
    return day;
}

static char *put_clock(char *out, int64_t ns_of_day, unsigned places)
{
    uint64_t seconds = (uint64_t)(ns_of_day / NS_PER_S);
    uint64_t ns = (uint64_t)(ns_of_day % NS_PER_S);

    out = put_uint(out, seconds / 3600, 2);
    *out++ = ':';
    out = put_uint(out, seconds / 60 % 60, 2);
    *out++ = ':';
    out = put_uint(out, seconds % 60, 2);
    if (places > 0) {
        *out++ = '.';
        out = put_uint(out, ns / (uint64_t)powers_of_ten[9 - places], places);
    }
    return out;
}

const char *sp_wall_format(sp_wall t, char buf[SP_WALL_TEXT_SIZE])
{
    int64_t ns_of_day = 0;
    struct date date = date_of_day(split_days(t, &ns_of_day));
    char *out = put_uint(buf, (uint64_t)date.year, 4);

    *out++ = '-';
    out = put_uint(out, date.month, 2);
    *out++ = '-';
    out = put_uint(out, date.day, 2);
    *out++ = 'T';
    out = put_clock(out, ns_of_day, 9);
    *out++ = 'Z';
    *out = '\0';
    return buf;
}

/* Checks text against a pattern in which 0 stands for a digit and all else for itself. */
static bool has_shape(const char *text, const char *pattern)
{
    for (; *pattern != '\0'; pattern++, text++) {
        if (*pattern == '0' ? !is_digit(*text) : *text != *pattern) return false;
    }
    return true;
}

static unsigned digits_at(const char *text, unsigned count)
{
    unsigned value = 0;

    for (unsigned i = 0; i < count; i++)
        value = value * 10 + (unsigned)(text[i] - '0');
    return value;
}

static unsigned days_in_month(int64_t year, unsigned month)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return month == 2 && leap ? 29 : days[month - 1];
}

/* The nanoseconds of ".123456789Z": a point and 1 to 9 digits, or nothing, then Z. */
static bool read_fraction(const char *text, size_t len, int64_t *out_ns)
{
    int64_t ns = 0;

    if (len == 0 || text[len - 1] != 'Z') return false;
    if (len == 2 || len > 11 || (len > 1 && text[0] != '.')) return false;
    for (size_t i = 1; i + 1 < len; i++) {
        if (!is_digit(text[i])) return false;
        ns += (text[i] - '0') * powers_of_ten[9 - i];
    }
    *out_ns = ns;
    return true;
}

sp_status sp_wall_parse(const char *text, size_t len_bytes, sp_wall *out)
{
    static const char pattern[] = "0000-00-00T00:00:00";
    const size_t seconds_len = sizeof pattern - 1;
    int64_t ns = 0;

    if (len_bytes < seconds_len || !has_shape(text, pattern)) return SP_TYPE;
    if (!read_fraction(text + seconds_len, len_bytes - seconds_len, &ns)) return SP_TYPE;
    struct date date = {.year = digits_at(text, 4),
                        .month = digits_at(text + 5, 2),
                        .day = digits_at(text + 8, 2)};
    unsigned hour = digits_at(text + 11, 2);
    unsigned minute = digits_at(text + 14, 2);
    unsigned second = digits_at(text + 17, 2);
    if (date.year < 1970 || date.year > 2261 || date.month < 1 || date.month > 12) return SP_RANGE;
    if (date.day < 1 || date.day > days_in_month(date.year, date.month)) return SP_RANGE;
    if (hour > 23 || minute > 59 || second > 59) return SP_RANGE;
    int64_t seconds = day_of_date(date) * S_PER_DAY + hour * 3600 + minute * 60 + second;
    out->ns = seconds * NS_PER_S + ns;
    return SP_OK;
}

const char *sp_wall_clock(sp_wall t, unsigned places, char buf[SP_WALL_TEXT_SIZE])
{
    int64_t ns_of_day = 0;

    SP_ASSERT(places <= 9);
    split_days(t, &ns_of_day);
    *put_clock(buf, ns_of_day, places) = '\0';
    return buf;
}

static const struct {
    const char *name;
    int64_t ns;
} units[] = {
    {"d", S_PER_DAY *NS_PER_S},
    {"h", 3600 * NS_PER_S},
    {"m", 60 * NS_PER_S},
    {"s", NS_PER_S},
    {"ms", 1000000},
    {"us", 1000},
    {"ns", 1},
};

#define UNIT_COUNT (sizeof units / sizeof *units)

const char *sp_dur_format(sp_dur d, char buf[SP_DUR_TEXT_SIZE])
{
    uint64_t ns = magnitude(d.ns);
    size_t unit = 0;
    char *out = buf;

    if (ns == 0) return memcpy(buf, "0s", 3);
    while (ns % (uint64_t)units[unit].ns != 0)
        unit++;
    if (d.ns < 0) *out++ = '-';
    out = put_uint(out, ns / (uint64_t)units[unit].ns, 1);
    memcpy(out, units[unit].name, strlen(units[unit].name) + 1);
    return buf;
}

sp_status sp_dur_parse(const char *text, size_t len_bytes, sp_dur *out)
{
    struct number number;
    size_t unit = 0;

    if (!read_number(text, len_bytes, &number)) return SP_TYPE;
    size_t at = number.len_bytes;
    if (at < len_bytes && text[at] == ' ') at++;
    for (; unit < UNIT_COUNT; unit++) {
        size_t len = strlen(units[unit].name);
        if (len == len_bytes - at && memcmp(units[unit].name, text + at, len) == 0) break;
    }
    if (unit == UNIT_COUNT) return SP_TYPE;
    if (number.too_big) return SP_RANGE;

    uint64_t scale = 1;
    for (unsigned i = 0; i < number.decimal_count; i++)
        scale *= 10;
    unsigned __int128 part = (unsigned __int128)number.decimals * (uint64_t)units[unit].ns;
    if (part % scale != 0) return SP_RANGE;
    unsigned __int128 ns =
        (unsigned __int128)number.whole * (uint64_t)units[unit].ns + part / scale;
    return to_signed(number.negative, ns, &out->ns) ? SP_OK : SP_RANGE;
}
