/* Configuration read by tables: each key with its type, unit, bounds, default and meaning.
 *
 * One table serves three readers: the loader below, the messages that tell what is expected, and
 * the JSON Schemas (config_schema.c). A wrong value is added to the problems with its line, and
 * reading goes on, so that all mistakes are found at once. One thread; tables are constant.
 */
#ifndef SP_COMMON_CONFIG_TABLE_H
#define SP_COMMON_CONFIG_TABLE_H

#include "common/config/config_value.h"

struct sp_table_reader {
    struct sp_problems *problems;
    const char *file_shown; /* as a person typed it */
    const char *dir;        /* absolute, of the file */
    char path[160];         /* where in the file we are: "worlds.practice.feed" */
};

/* Reads `node` into the zeroed memory at `base`; defaults where a key is absent. What is wrong goes
 * to the problems. "$schema" and "note" are allowed in every object. */
void sp_table_read(struct sp_table_reader *reader, const struct sp_table *table,
                   const struct sp_strict_node *node, void *base);
#endif
