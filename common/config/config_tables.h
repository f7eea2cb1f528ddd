/* The tables of the three layers. Constant. */
#ifndef SP_COMMON_CONFIG_TABLES_H
#define SP_COMMON_CONFIG_TABLES_H

#include "common/config/config_table.h"

#define SP_COUNT_OF(list) (sizeof(list) / sizeof *(list))
#define SP_AT(s, field)   .offset = offsetof(struct s, field)
#define SP_TABLE(fields, what)                                                                     \
    {                                                                                              \
        (fields), SP_COUNT_OF(fields), (what)                                                      \
    }

extern const struct sp_table sp_platform_table;  /* into struct sp_platform */
extern const struct sp_table sp_operation_table; /* into struct sp_config */
extern const struct sp_table sp_blueprint_table; /* into struct sp_blueprint */
/* Limits, into struct sp_risk_config: of the operation; of one instrument or strategy link. */
extern const struct sp_table sp_risk_table, sp_scope_risk_table;
extern const struct sp_rows sp_world_rows; /* part of the operation; into struct sp_config */

#endif
