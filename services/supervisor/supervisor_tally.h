/* What the supervisor remembers across its own death, as rows (common/journal/state_rows.h): how
 * often each service failed of late. Else a service in a crash loop would begin anew with every
 * supervisor. Pure.
 *
 * Times are of the machine's monotonic clock, so a tally of another boot says nothing and is passed
 * over. A service whose openings within the window are too many is GIVEN_UP again, one whose
 * circuit is open stays OPEN; all others are started, with their deaths still counted. Given up for
 * an exit code that forbids a restart is not kept: one new try shows whether it still is so.
 */
#ifndef SP_SUPERVISOR_TALLY_H
#define SP_SUPERVISOR_TALLY_H

#include "common/journal/state_rows.h"
#include "services/supervisor/supervisor_core.h"

void sp_supervisor_tally_save(const struct sp_supervisor *core, const sp_name *boot_id,
                              struct sp_rows_writer *out);
/* Into a core whose services were added and not yet started. SP_OK, also if it was of another boot;
 * services that are not there any more are passed over. SP_INVALID and the statuses of
 * sp_rows_next: the core may hold a part of it, which is not wrong. */
SP_NODISCARD sp_status sp_supervisor_tally_load(struct sp_supervisor *core, const sp_name *boot_id,
                                                sp_mono now, struct sp_rows_reader *in,
                                                struct sp_err *err);

#endif
