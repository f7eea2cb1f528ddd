/* What the tables cannot see: references between values and files, limits of this version, storage
 * and clock. Each adds what is wrong to the problems. One thread.
 */
#ifndef SP_COMMON_CONFIG_CHECK_H
#define SP_COMMON_CONFIG_CHECK_H

#include "common/config/config.h"
#include "common/config/strict_json.h"

struct sp_config_files {
    const char *platform_shown, *operation_shown; /* as a person typed them */
    const struct sp_strict_node *platform;        /* NULL if it could not be read */
    const struct sp_strict_node *operation;
};

/* Worlds, symbols, instruments, recordings, assets; fills in links[].world. Only for an operation
 * whose schema has no error. */
void sp_config_check_references(const struct sp_config_files *files, struct sp_config *config,
                                struct sp_problems *problems);
/* Whether the persistors keep what the world must not lose, and what its feed is told to record.
 * Only for files whose schema has no error. */
void sp_config_check_persistence(const struct sp_config_files *files,
                                 const struct sp_config *config, struct sp_problems *problems);
/* A blueprint against the link that names it. */
void sp_config_check_link(const struct sp_config_files *files, const struct sp_config *config,
                          uint32_t link_index, struct sp_problems *problems);
/* Paths can be created and written, socket paths fit, enough space, a plausible wall clock. Changes
 * nothing on disk. */
void sp_config_check_storage(const struct sp_config_files *files, const struct sp_config *config,
                             struct sp_problems *problems);
void sp_config_check_clock(sp_wall now, struct sp_problems *problems, const char *file_shown);

#endif
