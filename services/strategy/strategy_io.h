/* The strategy service around its core: journal, subscriptions, metrics, status.
 *
 * First the facts of execution and marketdata are read from their beginning (they make the books),
 * then market data is subscribed: nothing is decided before the strategy knows its trades. One
 * thread: the loop's.
 */
#ifndef SP_SERVICES_STRATEGY_STRATEGY_IO_H
#define SP_SERVICES_STRATEGY_STRATEGY_IO_H

#include "common/service.h"

extern const struct sp_service_spec sp_strategy_spec;

#endif
