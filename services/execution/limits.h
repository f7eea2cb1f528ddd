/* Limits: how much may be at risk. The same limits exist in three scopes, and an order must pass
 * all that it falls into: the venue (operation.json "risk": all that this operation does there),
 * its instrument, its strategy link. What was sent and not yet answered, and what is of unknown
 * outcome, counts as filled. Part of the gate; pure; one thread. Formulas: docs/limits.md. */
#ifndef SP_EXECUTION_LIMITS_H
#define SP_EXECUTION_LIMITS_H

#include "services/execution/gate.h"

/* Checks an entry against every limit of its scopes. True: those that were checked are among
 * *facts. False: *refusal names the first that it would break. */
SP_NODISCARD bool sp_limits_allow(const struct sp_gate_view *view, const struct sp_plan *plan,
                                  sp_facts *facts, struct sp_refusal *refusal);

/* Tells every configured limit of every scope and how much of it is used now; `limit` lives for the
 * call. What cannot be computed (no price) is told as reached. */
typedef void sp_limit_fn(void *ctx, const struct sp_limit_view *limit);
void sp_limits_tell(const struct sp_gate_view *view, sp_limit_fn *tell, void *ctx);

#endif
