#include "common/config.h"

sp_status sp_config_load(const char *dir, struct sp_config **out, struct sp_problems *problems)
{
    return sp_config_read(dir, NULL, out, problems);
}
