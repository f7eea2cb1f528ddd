/* Named steps at which a test kills the process, as kill -9 at that very instant would.
 *
 * SP_FAILPOINT(name) stands where the step is; failpoints.def lists them all. In every product
 * build nothing is left of it. A build with -DSP_PLANTED_BUGS maps the file that SPOOR_FAILPOINTS
 * names, two 64-bit numbers for each row of the table, in its order: how often the step was
 * passed, and at which number of passages (counted by the first) the process is to end by SIGKILL,
 * 0 for never. The file outlives the process, so that a test sees which steps it never met.
 * test/orderpath uses it.
 */
#ifndef SP_COMMON_FAILPOINT_H
#define SP_COMMON_FAILPOINT_H

#include "proto/record.h"

/* clang-format off */
enum sp_failpoint {
#define FAILPOINT(name, where) SP_FAILPOINT_##name,
#define FAILPOINT_KIND(name, step, kind, where) SP_FAILPOINT_##name,
#include "common/failpoints.def"
#undef FAILPOINT
#undef FAILPOINT_KIND
    SP_FAILPOINT_COUNT
};
/* clang-format on */

enum sp_failpoint_step { SP_FAILPOINT_APPENDED, SP_FAILPOINT_SYNCED };

#ifdef SP_PLANTED_BUGS
#define SP_FAILPOINT(name) sp_failpoint_pass(SP_FAILPOINT_##name)
#define SP_FAILPOINT_BATCH(step, records, count)                                                   \
    sp_failpoint_batch(SP_FAILPOINT_##step, (records), (count))
/* Any thread. A file that is named and cannot be mapped ends the process with code 99: a test must
 * not pass by a slip. */
void sp_failpoint_pass(enum sp_failpoint point);
void sp_failpoint_batch(enum sp_failpoint_step step, const struct sp_record *records,
                        uint32_t count);
#else
#define SP_FAILPOINT(name)                       ((void)SP_FAILPOINT_##name)
#define SP_FAILPOINT_BATCH(step, records, count) ((void)SP_FAILPOINT_##step)
#endif

#endif
