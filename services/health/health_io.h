/* The health service around its core: heartbeats, questions, the supervisor's journal, the pages.
 */
#ifndef SP_HEALTH_IO_H
#define SP_HEALTH_IO_H

#include "common/service.h"

extern const struct sp_service_spec sp_health_spec;

#endif
