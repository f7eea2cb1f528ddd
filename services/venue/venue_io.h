/* The practice exchange as a service: market stream in, requests and reports on its control socket.
 */
#ifndef SP_VENUE_IO_H
#define SP_VENUE_IO_H

#include "common/service.h"

extern const struct sp_service_spec sp_venue_spec;

#endif
