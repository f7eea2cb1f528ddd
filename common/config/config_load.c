#include "common/config/config.h"
#include "common/workers/worker_check.h"

sp_status sp_config_load(const char *dir, struct sp_config **out, struct sp_problems *problems)
{
    return sp_config_read(dir, sp_workers_validate, out, problems);
}
