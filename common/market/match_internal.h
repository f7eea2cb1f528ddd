/* Between matching (match.c) and the checks before it (match_check.c). */
#ifndef SP_MARKET_MATCH_INTERNAL_H
#define SP_MARKET_MATCH_INTERNAL_H

#include "common/market/match.h"

enum sp_side sp_match_opposite(enum sp_side side);
/* Whether an order of `side` with limit `limit` would trade at `px`. */
bool sp_match_reaches(enum sp_side side, sp_px limit, sp_px px);
/* Whether one that waits is triggered by a trade at `px`. */
bool sp_match_triggers(const struct sp_match_order *order, sp_px px);
/* Fields, filters, room and the market as it stands. SP_REFUSED, SP_FULL; err is for the client. */
SP_NODISCARD sp_status sp_match_check_order(const struct sp_match *match,
                                            const struct sp_match_order *order, struct sp_err *err);
SP_NODISCARD sp_status sp_match_check_pair(const struct sp_match *match,
                                           const struct sp_match_order *profit,
                                           const struct sp_match_order *stop, struct sp_err *err);

#endif
