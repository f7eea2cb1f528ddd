/* One trade as the journals have it: its records by what they are, and its sums from the fills.
 *
 * The records belong to the evidence. Memory is asserted. One thread.
 */
#ifndef SP_SPOOR_TRADE_CASE_H
#define SP_SPOOR_TRADE_CASE_H

#include "services/spoor/evidence.h"

struct sp_records {
    const struct sp_record **at;
    uint32_t count;
};

/* An order of the trade: its intent (NULL if that record is lost) and what followed. */
struct sp_order_case {
    sp_ord_id order_id;
    sp_name client_order_id;
    const struct sp_record *intent;
    struct sp_records steps; /* ORDER_*, CANCEL_INTENT, FILL, in order */
    sp_qty filled;
};

/* Summed from the fills, exactly. */
struct sp_trade_sums {
    sp_qty bought_qty, sold_qty;
    sp_amt bought, sold, fees, net; /* quote currency */
    sp_qty base_fees;               /* fees taken in the base asset */
    sp_name quote;                  /* asset of the fees, if it is the quote; else empty */
    uint32_t fills;
    bool overflow; /* a sum did not fit: the sums say nothing */
};

struct sp_trade_case {
    sp_trd_id trade_id;
    sp_name link, symbol;
    const struct sp_record *opened, *closed; /* NULL if not (yet) */
    struct sp_records plans;                 /* PLAN_READY */
    struct sp_records answers;               /* PLAN_ACCEPTED, REFUSED, EXPIRED */
    struct sp_records adjusted;              /* POSITION_ADJUSTED */
    struct sp_order_case *orders;
    uint32_t order_count;
    struct sp_trade_sums sums;
};

void sp_records_add(struct sp_records *records, const struct sp_record *record);

/* False, and an empty case, if no record mentions the trade as its own. */
bool sp_trade_case_gather(struct sp_evidence *evidence, sp_trd_id trade_id,
                          struct sp_trade_case *out);
void sp_trade_case_fini(struct sp_trade_case *c);

/* The first PLAN_READY or answer of that action; NULL if there is none. */
const struct sp_record *sp_trade_case_plan(const struct sp_trade_case *c, uint8_t action);
const struct sp_record *sp_trade_case_answer(const struct sp_trade_case *c, sp_pln_id plan_id);
const struct sp_order_case *sp_trade_case_order(const struct sp_trade_case *c, sp_ord_id order_id);

/* Whether TRADE_CLOSED says what the fills add up to; if not, `what` says where it differs. True
 * for a trade that is not closed. */
bool sp_trade_case_adds_up(const struct sp_trade_case *c, char what[512]);

#endif
