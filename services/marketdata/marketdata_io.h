/* The market-data service around its core.
 *
 * Control socket, beside the questions every service answers: a QUERY with `what`
 *   pause_feed   nothing more is read: a drill of a lost connection. The market goes on.
 *   resume_feed  reading goes on where the market is by now; what was missed is missed
 * Each is journalled (FEED_PAUSED, FEED_RESUMED) before it acts and answered by COMMAND_REPLY. A
 * pause ends with the process. `asker` is kept as the reason.
 */
#ifndef SP_MARKETDATA_IO_H
#define SP_MARKETDATA_IO_H

#include "common/service.h"

extern const struct sp_service_spec sp_marketdata_spec;

#endif
