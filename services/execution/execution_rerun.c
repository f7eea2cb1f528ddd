#include "services/execution/execution_core.h"
#include "services/execution/execution_io.h"

#include <stdlib.h>

static sp_status open_core(const struct sp_config *config, const sp_name *instance, void **state,
                           struct sp_err *err)
{
    struct sp_execution *core = malloc(sizeof *core);

    (void)instance;
    if (core == NULL) return SP_FAIL(err, SP_NO_MEMORY, "execution");
    sp_execution_init(core, config);
    *state = core;
    return SP_OK;
}

const struct sp_rerun_core sp_execution_rerun = {
    .core = &sp_execution_core, .open = open_core, .close = free};
