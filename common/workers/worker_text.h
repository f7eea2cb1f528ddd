/* How workers say numbers: to a person (rules, reasons) and as facts (exact). Pure; any thread.
 */
#ifndef SP_COMMON_WORKERS_WORKER_TEXT_H
#define SP_COMMON_WORKERS_WORKER_TEXT_H

#include "common/workers/worker.h"
#include "proto/decimal.h"

#define SP_WORKER_TEXT_SIZE SP_WALL_TEXT_SIZE

/* "62,148.36", with the decimals of the instrument's tick. Returns buf. */
const char *sp_worker_px(const struct sp_flow_base *base, sp_px px, char buf[SP_WORKER_TEXT_SIZE]);
/* "0.08055", with the decimals of the instrument's step. Returns buf. */
const char *sp_worker_qty(const struct sp_flow_base *base, sp_qty qty,
                          char buf[SP_WORKER_TEXT_SIZE]);
/* "10,012.42": an amount with two decimals. Returns buf. */
const char *sp_worker_amt(sp_amt amt, char buf[SP_WORKER_TEXT_SIZE]);
/* "0.99": a ratio in basis points, two decimals. Returns buf. */
const char *sp_worker_bps(sp_ratio ratio, char buf[SP_WORKER_TEXT_SIZE]);
/* "0.15 %", exact. Returns buf. */
const char *sp_worker_percent(sp_ratio ratio, char buf[SP_WORKER_TEXT_SIZE]);
/* "1 s", "500 ms": exact, with a space. Returns buf. */
const char *sp_worker_dur(sp_dur dur, char buf[SP_DUR_TEXT_SIZE]);

/* Adds what a rule read, exactly; a full list drops it. */
void sp_worker_fact(sp_facts *facts, const char *name, int64_t value_e8);
void sp_worker_fact_name(sp_facts *facts, const char *name, const char *value);

#endif
