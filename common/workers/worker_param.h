/* Parameters of workers: types, bounds and exact text. Pure; any thread.
 *
 * Types: ratio ("0.8 bps", "0.15%", "0.5"), int, duration ("500ms"), severity, tif. A value is one
 * exact integer whatever its type.
 */
#ifndef SP_COMMON_WORKERS_WORKER_PARAM_H
#define SP_COMMON_WORKERS_WORKER_PARAM_H

#include "common/config/config.h"

#define SP_PARAM_TEXT_SIZE 48

enum sp_param_type {
    SP_PARAM_NONE,
    SP_PARAM_RATIO,    /* value: sp_ratio, 1e-8 */
    SP_PARAM_INT,      /* value: a whole number */
    SP_PARAM_DURATION, /* value: sp_dur, ns */
    SP_PARAM_SEVERITY, /* value: enum sp_severity */
    SP_PARAM_TIF,      /* value: enum sp_tif */
    SP_PARAM_TYPE_COUNT
};

struct sp_param_spec {
    sp_name name;
    enum sp_param_type type;
    bool has_default, has_min, has_max;
    int64_t default_value, min, max;
};

/* The values of an instance's parameters, in the order of its manifest. */
struct sp_params {
    uint32_t count;
    const struct sp_param_spec *specs;
    int64_t values[SP_PARAMS_MAX];
};

const char *sp_param_type_name(enum sp_param_type type); /* "ratio" */
/* SP_PARAM_NONE if there is no such type. */
enum sp_param_type sp_param_type_parse(const char *name);
/* "0.8 bps" -> 8000. SP_TYPE if the text is not of the type, SP_RANGE if it is finer or larger than
 * the type holds; *out is untouched. */
SP_NODISCARD sp_status sp_param_parse(enum sp_param_type type, const char *text, int64_t *out);
/* The shortest exact text: "0.8 bps", "0.15%", "500ms", "HIGH". Returns buf. */
const char *sp_param_format(enum sp_param_type type, int64_t value, char buf[SP_PARAM_TEXT_SIZE]);
/* What a person may write: "a ratio like 0.8 bps or 0.15%". */
const char *sp_param_type_example(enum sp_param_type type);

/* These assert that there is a parameter of this name and type. */
sp_ratio sp_params_ratio(const struct sp_params *params, const char *name);
int64_t sp_params_int(const struct sp_params *params, const char *name);
sp_dur sp_params_dur(const struct sp_params *params, const char *name);
uint8_t sp_params_severity(const struct sp_params *params, const char *name);
uint8_t sp_params_tif(const struct sp_params *params, const char *name);

#endif
