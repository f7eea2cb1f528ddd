/* The reconciliation service around its core: books, venue, facts, control socket. */
#ifndef SP_RECONCILIATION_IO_H
#define SP_RECONCILIATION_IO_H

#include "common/service.h"

extern const struct sp_service_spec sp_reconciliation_spec;

#endif
