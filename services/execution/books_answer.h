/* The answers to the queries "books" (live orders, newest executions and balances, for who compares
 * them with the venue's) and "limits". The loop's thread. */
#ifndef SP_EXECUTION_BOOKS_ANSWER_H
#define SP_EXECUTION_BOOKS_ANSWER_H

#include "common/bus/bus.h"
#include "services/execution/execution_core.h"

/* BOOKS_HEADER, then ORDER_VIEW, FILL_VIEW and BALANCE_VIEW, and COMMAND_REPLY at the end. */
void sp_books_answer(struct sp_bus *bus, const struct sp_execution *x, uint32_t epoch,
                     const struct sp_peer *peer, uint64_t request_id);
/* A LIMIT_VIEW for each configured limit, and COMMAND_REPLY at the end. */
void sp_limits_answer(struct sp_bus *bus, const struct sp_gate_view *view,
                      const struct sp_peer *peer, uint64_t request_id);

#endif
