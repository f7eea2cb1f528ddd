#include "common/workers/worker_param.h"

#include "common/config/units.h"
#include "proto/decimal.h"
#include "proto/enums.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *example;
} types[SP_PARAM_TYPE_COUNT] = {
    [SP_PARAM_NONE] = {"none", "nothing"},
    [SP_PARAM_RATIO] = {"ratio", "a ratio like 0.8 bps or 0.15%"},
    [SP_PARAM_INT] = {"int", "a whole number"},
    [SP_PARAM_DURATION] = {"duration", "a duration like 500ms or 5m"},
    [SP_PARAM_SEVERITY] = {"severity", "LOW, MEDIUM, HIGH or CRITICAL"},
    [SP_PARAM_TIF] = {"tif", "GTC, IOC or FOK"},
};

const char *sp_param_type_name(enum sp_param_type type)
{
    SP_ASSERT(type < SP_PARAM_TYPE_COUNT);
    return types[type].name;
}

const char *sp_param_type_example(enum sp_param_type type)
{
    SP_ASSERT(type < SP_PARAM_TYPE_COUNT);
    return types[type].example;
}

enum sp_param_type sp_param_type_parse(const char *name)
{
    for (uint32_t i = SP_PARAM_RATIO; i < SP_PARAM_TYPE_COUNT; i++)
        if (strcmp(types[i].name, name) == 0) return (enum sp_param_type)i;
    return SP_PARAM_NONE;
}

/* With a unit, or a plain number. */
static sp_status ratio_parse(const char *text, int64_t *out)
{
    sp_ratio ratio;
    size_t len = strlen(text);

    if (len > 0 && text[len - 1] >= '0' && text[len - 1] <= '9') return sp_e8_parse(text, len, out);
    sp_status status = sp_units_ratio(text, &ratio);
    if (status == SP_OK) *out = ratio.e8;
    return status;
}

static sp_status int_parse(const char *text, int64_t *out)
{
    int64_t value;
    sp_status status = sp_e8_parse(text, strlen(text), &value);

    if (status != SP_OK) return status;
    if (strchr(text, '.') != NULL) return SP_TYPE;
    *out = value / SP_FX_ONE;
    return SP_OK;
}

static sp_status enum_parse(enum sp_enum which, const char *text, int64_t *out)
{
    uint8_t value;

    if (!sp_enum_parse(which, text, strlen(text), &value) || value == 0) return SP_TYPE;
    *out = value;
    return SP_OK;
}

sp_status sp_param_parse(enum sp_param_type type, const char *text, int64_t *out)
{
    sp_dur dur;
    sp_status status;

    switch (type) {
    case SP_PARAM_RATIO: return ratio_parse(text, out);
    case SP_PARAM_INT: return int_parse(text, out);
    case SP_PARAM_DURATION:
        status = sp_dur_parse(text, strlen(text), &dur);
        if (status == SP_OK) *out = dur.ns;
        return status;
    case SP_PARAM_SEVERITY: return enum_parse(SP_ENUM_SEVERITY, text, out);
    case SP_PARAM_TIF: return enum_parse(SP_ENUM_TIF, text, out);
    case SP_PARAM_NONE:
    case SP_PARAM_TYPE_COUNT: break;
    }
    return SP_TYPE;
}

static void ratio_format(int64_t value, char buf[SP_PARAM_TEXT_SIZE])
{
    char digits[SP_E8_TEXT_SIZE];
    bool is_small = value > -SP_FX_ONE / 1000 && value < SP_FX_ONE / 1000;

    if (value == 0)
        snprintf(buf, SP_PARAM_TEXT_SIZE, "0");
    else if (is_small)
        snprintf(buf, SP_PARAM_TEXT_SIZE, "%s bps", sp_e8_format(value * 10000, digits));
    else if (value > -INT64_MAX / 100 && value < INT64_MAX / 100)
        snprintf(buf, SP_PARAM_TEXT_SIZE, "%s%%", sp_e8_format(value * 100, digits));
    else
        snprintf(buf, SP_PARAM_TEXT_SIZE, "%s", sp_e8_format(value, digits));
}

const char *sp_param_format(enum sp_param_type type, int64_t value, char buf[SP_PARAM_TEXT_SIZE])
{
    char dur[SP_DUR_TEXT_SIZE];
    const char *name = NULL;

    switch (type) {
    case SP_PARAM_RATIO: ratio_format(value, buf); return buf;
    case SP_PARAM_INT: snprintf(buf, SP_PARAM_TEXT_SIZE, "%" PRId64, value); return buf;
    case SP_PARAM_DURATION:
        snprintf(buf, SP_PARAM_TEXT_SIZE, "%s", sp_dur_format((sp_dur){value}, dur));
        return buf;
    case SP_PARAM_SEVERITY: name = sp_enum_name(SP_ENUM_SEVERITY, (uint8_t)value); break;
    case SP_PARAM_TIF: name = sp_enum_name(SP_ENUM_TIF, (uint8_t)value); break;
    case SP_PARAM_NONE:
    case SP_PARAM_TYPE_COUNT: break;
    }
    snprintf(buf, SP_PARAM_TEXT_SIZE, "%s", name != NULL ? name : "?");
    return buf;
}

static int64_t value_of(const struct sp_params *params, const char *name, enum sp_param_type type)
{
    for (uint32_t i = 0; i < params->count; i++) {
        if (!sp_name_is(&params->specs[i].name, name)) continue;
        SP_ASSERT(params->specs[i].type == type);
        return params->values[i];
    }
    sp_assert_fail("the manifest has the parameter", name);
}

sp_ratio sp_params_ratio(const struct sp_params *params, const char *name)
{
    return (sp_ratio){value_of(params, name, SP_PARAM_RATIO)};
}

int64_t sp_params_int(const struct sp_params *params, const char *name)
{
    return value_of(params, name, SP_PARAM_INT);
}

sp_dur sp_params_dur(const struct sp_params *params, const char *name)
{
    return (sp_dur){value_of(params, name, SP_PARAM_DURATION)};
}

uint8_t sp_params_severity(const struct sp_params *params, const char *name)
{
    return (uint8_t)value_of(params, name, SP_PARAM_SEVERITY);
}

uint8_t sp_params_tif(const struct sp_params *params, const char *name)
{
    return (uint8_t)value_of(params, name, SP_PARAM_TIF);
}
