/* What the files that explain share; nobody else includes it. */
#ifndef SP_SPOOR_EXPLAIN_INTERNAL_H
#define SP_SPOOR_EXPLAIN_INTERNAL_H

#include "services/spoor/describe.h"
#include "services/spoor/explain.h"
#include "services/spoor/trade_case.h"

/* One explanation in the making. */
struct sp_explain {
    struct sp_evidence *evidence;
    struct sp_chain *chain;
};

/* Where a branch is added: a section, and a node in it or NULL for its roots. */
struct sp_place {
    struct sp_chain_section *section;
    struct sp_chain_node *parent;
};

/* explain.c: finding records. */
/* The first record of that kind that mentions the id; NULL. */
const struct sp_record *sp_explain_find(const struct sp_explain *x, struct sp_evidence_id id,
                                        enum sp_kind kind);
/* All of them. */
struct sp_records sp_explain_all(const struct sp_explain *x, struct sp_evidence_id id);
/* "18:22:07.000"; with seconds only if `places` is 0. */
void sp_explain_clock(struct sp_chain_node *node, sp_wall time, unsigned places);
/* Trades among the records, first mention first; the caller frees *out. */
uint32_t sp_explain_trades(const struct sp_records *records, sp_trd_id **out);
/* One line per record, with its clock. */
void sp_explain_list(const struct sp_explain *x, const char *title,
                     const struct sp_records *records);

/* explain_order.c */
/* An order and all that happened to it. `text` comes before the order itself: "order". */
struct sp_chain_node *sp_explain_order(struct sp_place place, const struct sp_order_case *order,
                                       const char *text);
/* The steps alone. */
void sp_explain_steps(struct sp_place place, const struct sp_order_case *order);
void sp_explain_order_id(struct sp_explain *x, sp_ord_id order_id);

/* explain_opportunity.c */
/* Tick, opportunity and verdict as a branch; returns the opportunity's node (NULL if unknown). */
struct sp_chain_node *sp_explain_opportunity_branch(const struct sp_explain *x,
                                                    struct sp_chain_section *section, sp_opp_id id);
void sp_explain_opportunity(struct sp_explain *x, sp_opp_id id);

/* explain_trade.c */
void sp_explain_trade(struct sp_explain *x, sp_trd_id id);
/* explain_open.c: "WHILE OPEN". */
void sp_explain_while_open(struct sp_explain *x, const struct sp_trade_case *c);

/* explain_event.c: threats, commands, reconciliations, schedules. */
/* A threat with its begin and end. */
struct sp_chain_node *sp_explain_threat_branch(const struct sp_explain *x, struct sp_place place,
                                               sp_thr_id id);
void sp_explain_threat(struct sp_explain *x, sp_thr_id id);
void sp_explain_command(struct sp_explain *x, sp_cmd_id id);
void sp_explain_reconciliation(struct sp_explain *x, sp_rec_id id);
void sp_explain_schedule(struct sp_explain *x, sp_sch_id id);

#endif
