/* The real clocks. Only shells and services read them; cores get the time in their events.
 *
 * Wall time is for records and venues, monotonic time for ages and timeouts, market time for bars,
 * schedules and decisions (it comes from the market-data stream). Any thread.
 */
#ifndef SP_COMMON_CLOCK_H
#define SP_COMMON_CLOCK_H

#include "proto/types.h"

#define SP_NS_PER_US INT64_C(1000)
#define SP_NS_PER_MS INT64_C(1000000)
#define SP_NS_PER_S  INT64_C(1000000000)

sp_wall sp_clock_wall(void);
sp_mono sp_clock_mono(void);
/* The kernel's boot id: 36 characters and a NUL. */
sp_name sp_clock_boot_id(void);

#endif
