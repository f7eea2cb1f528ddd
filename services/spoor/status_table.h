/* How the state of the supervised services looks on a screen and as JSON.
 */
#ifndef SP_SPOOR_STATUS_TABLE_H
#define SP_SPOOR_STATUS_TABLE_H

#include "services/spoor/supervisor_client.h"

/* One line per service, the supervisor first, with a header line. */
void sp_status_table_print(const struct sp_supervisor_answer *answer);
/* The rows as JSON objects, separated by commas: {...},{...}; `more` (may be NULL) prints further
 * members of each, with a comma before them. */
typedef void sp_status_more_fn(void *ctx, const struct sp_child_status *row);
void sp_status_table_json(const struct sp_supervisor_answer *answer, sp_status_more_fn *more,
                          void *ctx);

#endif
