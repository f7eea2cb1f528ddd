#include "common/config/units.h"

#include "proto/decimal.h"

#include <stdio.h>
#include <string.h>

#define NS_PER_MINUTE INT64_C(60000000000)

static const struct {
    const char *name;
    unsigned shift;
} byte_units[] = {{"TiB", 40}, {"GiB", 30}, {"MiB", 20}, {"KiB", 10}, {"B", 0}};
#define BYTE_UNIT_COUNT (sizeof byte_units / sizeof *byte_units)

/* The number before a unit; *unit points at the unit, which is not empty. */
static sp_status split(const char *text, int64_t *e8, const char **unit)
{
    size_t len_bytes = strspn(text, "-0123456789.");
    sp_status status = sp_e8_parse(text, len_bytes, e8);

    if (status != SP_OK) return status;
    *unit = text + len_bytes + (text[len_bytes] == ' ');
    return **unit == '\0' || **unit == ' ' ? SP_TYPE : SP_OK;
}

sp_status sp_units_amount(const char *text, sp_amt *out, sp_name *asset)
{
    const char *unit;
    int64_t e8;
    sp_status status = split(text, &e8, &unit);

    if (status != SP_OK) return status;
    if (unit[strspn(unit, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")] != '\0') return SP_TYPE;
    if (!sp_name_set(asset, unit)) return SP_TYPE;
    *out = (sp_amt){e8};
    return SP_OK;
}

sp_status sp_units_ratio(const char *text, sp_ratio *out)
{
    const char *unit;
    int64_t e8, divisor;
    sp_status status = split(text, &e8, &unit);

    if (status != SP_OK) return status;
    if (strcmp(unit, "%") == 0) {
        divisor = 100;
    } else if (strcmp(unit, "bps") == 0) {
        divisor = 10000;
    } else {
        return SP_TYPE;
    }
    if (e8 % divisor != 0) return SP_RANGE;
    *out = (sp_ratio){e8 / divisor};
    return SP_OK;
}

static bool two_digits(const char *text, int64_t *out)
{
    if (text[0] < '0' || text[0] > '9' || text[1] < '0' || text[1] > '9') return false;
    *out = (text[0] - '0') * 10 + (text[1] - '0');
    return true;
}

sp_status sp_units_zone(const char *text, sp_dur *out)
{
    int64_t hours, minutes;

    if (strcmp(text, "UTC") == 0) {
        *out = (sp_dur){0};
        return SP_OK;
    }
    if ((text[0] != '+' && text[0] != '-') || strlen(text) != 6 || text[3] != ':') return SP_TYPE;
    if (!two_digits(text + 1, &hours) || !two_digits(text + 4, &minutes)) return SP_TYPE;
    if (minutes > 59 || hours * 60 + minutes > 14 * 60) return SP_RANGE;
    *out = (sp_dur){(text[0] == '-' ? -1 : 1) * (hours * 60 + minutes) * NS_PER_MINUTE};
    return SP_OK;
}

sp_status sp_units_speed(const char *text, sp_ratio *out)
{
    const char *unit;
    int64_t e8;
    sp_status status;

    if (strcmp(text, "max") == 0) {
        *out = (sp_ratio){0};
        return SP_OK;
    }
    status = split(text, &e8, &unit);
    if (status != SP_OK) return status;
    if (strcmp(unit, "x") != 0) return SP_TYPE;
    if (e8 <= 0) return SP_RANGE;
    *out = (sp_ratio){e8};
    return SP_OK;
}

sp_status sp_units_bytes(const char *text, uint64_t *out)
{
    const char *unit;
    int64_t e8;
    sp_status status = split(text, &e8, &unit);

    if (status != SP_OK) return status;
    for (size_t i = 0; i < BYTE_UNIT_COUNT; i++) {
        __int128 bytes_e8 = (__int128)e8 * (INT64_C(1) << byte_units[i].shift);
        if (strcmp(unit, byte_units[i].name) != 0) continue;
        if (e8 < 0 || bytes_e8 % SP_FX_ONE != 0 || bytes_e8 / SP_FX_ONE > INT64_MAX) {
            return SP_RANGE;
        }
        *out = (uint64_t)(bytes_e8 / SP_FX_ONE);
        return SP_OK;
    }
    return SP_TYPE;
}

const char *sp_units_bytes_format(uint64_t bytes, char buf[SP_BYTES_TEXT_SIZE])
{
    size_t i = 0;

    while (bytes % (UINT64_C(1) << byte_units[i].shift) != 0 || bytes == 0) {
        if (++i == BYTE_UNIT_COUNT - 1) break;
    }
    snprintf(buf, SP_BYTES_TEXT_SIZE, "%" PRIu64 " %s", bytes >> byte_units[i].shift,
             byte_units[i].name);
    return buf;
}

const char *sp_units_bytes_about(uint64_t bytes, char buf[SP_BYTES_TEXT_SIZE])
{
    size_t i = 0;

    while (i + 1 < BYTE_UNIT_COUNT && bytes >> byte_units[i].shift < 10)
        i++;
    snprintf(buf, SP_BYTES_TEXT_SIZE, "%" PRIu64 " %s", bytes >> byte_units[i].shift,
             byte_units[i].name);
    return buf;
}
