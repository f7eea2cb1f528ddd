/* The configuration tables as JSON Schema (draft 2020-12), for editors: completion, descriptions
 * and a first check while writing. config/schema/ holds the result; a test keeps both equal.
 */
#ifndef SP_COMMON_CONFIG_SCHEMA_H
#define SP_COMMON_CONFIG_SCHEMA_H

#include "proto/status.h"

#include <stdio.h>

/* The schema of "platform", "operation" or "strategy". SP_NOT_FOUND for another name, SP_IO. */
SP_NODISCARD sp_status sp_config_schema_write(const char *layer, FILE *out);

#endif
