/* Builds the chain of causes behind an id, from the records alone: what is not recorded is not
 * said. One thread.
 */
#ifndef SP_SPOOR_EXPLAIN_H
#define SP_SPOOR_EXPLAIN_H

#include "services/spoor/chain.h"
#include "services/spoor/evidence.h"

/* NULL if no record mentions the id. The caller frees the chain. */
struct sp_chain *sp_explain(struct sp_evidence *evidence, struct sp_evidence_id id);
/* The id that says most about a record: its trade, else its opportunity, threat, ... False if it
 * mentions none. */
bool sp_explain_id_of_record(const struct sp_record *record, struct sp_evidence_id *out);

#endif
