/* The execution service around its core: venue, streams, control socket, ledger. */
#ifndef SP_EXECUTION_IO_H
#define SP_EXECUTION_IO_H

#include "common/rerun.h"
#include "common/service.h"

extern const struct sp_service_spec sp_execution_spec;
extern const struct sp_rerun_core sp_execution_rerun;

/* Reads the file that `spoor halt` leaves when execution is down: scope and reason, one a line.
 * False if there is none. */
SP_NODISCARD bool sp_execution_read_halt_file(const char *dir, struct sp_operator_command *command);

#endif
