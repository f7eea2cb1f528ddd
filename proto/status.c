#include "proto/status.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[SP_STATUS_COUNT] = {
#define S(name, text) [SP_##name] = #name,
    SP_STATUS_MAP(S)
#undef S
};

static const char *const texts[SP_STATUS_COUNT] = {
#define S(name, text) [SP_##name] = text,
    SP_STATUS_MAP(S)
#undef S
};

const char *sp_status_name(sp_status status)
{
    return (unsigned)status < SP_STATUS_COUNT ? names[status] : "UNKNOWN";
}

const char *sp_status_text(sp_status status)
{
    return (unsigned)status < SP_STATUS_COUNT ? texts[status] : "unknown status";
}

bool sp_status_parse(const char *name, sp_status *out)
{
    for (unsigned i = 0; i < SP_STATUS_COUNT; i++) {
        if (strcmp(names[i], name) == 0) {
            *out = (sp_status)i;
            return true;
        }
    }
    return false;
}

int sp_status_exit_code(sp_status status)
{
    if (status == SP_OK) return SP_EXIT_OK;
    if (status == SP_USAGE) return SP_EXIT_USAGE;
    if (status == SP_CORRUPT) return SP_EXIT_DAMAGED;
    if (status == SP_STORAGE) return SP_EXIT_STORAGE;
    if (status == SP_LOCKED) return SP_EXIT_LOCKED;
    if (status == SP_FENCED) return SP_EXIT_FENCED;
    if (status == SP_CONFIG || status == SP_PLATFORM) return SP_EXIT_CONFIG;
    return SP_EXIT_SOFTWARE;
}

sp_status sp_err_set(struct sp_err *err, sp_status status, const char *site, const char *fmt, ...)
{
    if (err == NULL) return status;

    int saved_errno = errno;
    va_list ap;
    va_start(ap, fmt);
    *err = (struct sp_err){.status = status, .os_errno = saved_errno, .site = site};
    vsnprintf(err->text, sizeof err->text, fmt, ap);
    va_end(ap);
    return status;
}

void sp_assert_fail(const char *expr, const char *site)
{
    fprintf(stderr, "%s: assertion failed: %s\n", site, expr);
    abort();
}
