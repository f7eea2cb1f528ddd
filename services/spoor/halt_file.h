/* The halt that waits for execution: DATA/execution/HALT, honoured at its start before anything is
 * traded. Two lines: scope and reason. One thread.
 */
#ifndef SP_SPOOR_HALT_FILE_H
#define SP_SPOOR_HALT_FILE_H

#include "proto/types.h"

/* Writes it so that it survives a power cut (temporary file, rename, directory synced). A file that
 * is there already is never weakened: another scope makes it "all", and *scope is set so. SP_IO. */
SP_NODISCARD sp_status sp_halt_file_write(const char *execution_dir, sp_name *scope,
                                          const sp_text *reason, struct sp_err *err);
/* Takes it back. SP_NOT_FOUND if there is none, SP_IO. */
SP_NODISCARD sp_status sp_halt_file_remove(const char *execution_dir, struct sp_err *err);

#endif
