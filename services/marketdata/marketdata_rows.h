/* What marketdata keeps across starts, as rows of a snapshot: the run and the open outage. Books
 * and bars are not in it: the source gives them again. Pure; for sp_marketdata_core, whose state is
 * a struct sp_marketdata.
 */
#ifndef SP_MARKETDATA_ROWS_H
#define SP_MARKETDATA_ROWS_H

#include "common/journal/state_rows.h"
#include "services/marketdata/marketdata_core.h"

void sp_marketdata_save(const void *state, struct sp_rows_writer *out);
/* Into a core to which nothing was applied; on failure run and outage are undefined. SP_INVALID,
 * and the statuses of sp_rows_next. */
SP_NODISCARD sp_status sp_marketdata_load(void *state, struct sp_rows_reader *in,
                                          struct sp_err *err);

#endif
