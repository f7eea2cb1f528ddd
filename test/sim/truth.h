/* The truth that the code under test never sees: what the venue did, as it was committed.
 *
 * Taken from the calls by which spoor-venue keeps its own file; survives everything.
 */
#ifndef SP_TEST_SIM_TRUTH_H
#define SP_TEST_SIM_TRUTH_H

#include "services/venue/exchange.h"

struct sim_truth_order {
    sp_name client_order_id;
    uint64_t order_no;
    int64_t placed_at; /* of the simulated clock */
    enum sp_side side;
    enum sp_order_state state;
    sp_qty qty, filled;
    bool is_external; /* placed by the simulator's own hand */
};

void sim_truth_begin(void);
void sim_truth_end(void);

/* A venue has read its file: whether what was being saved when it was killed is in there. */
struct sp_venue_store;
void sim_truth_loaded(struct sp_venue_store *store, const struct sp_exchange *x);

uint32_t sim_truth_order_count(void);
const struct sim_truth_order *sim_truth_order(uint32_t i);
/* The newest of that id, and how many there are of it. NULL, 0 if none. */
const struct sim_truth_order *sim_truth_find(const sp_name *client_order_id, uint32_t *count);
uint32_t sim_truth_fill_count(void);
const struct sp_venue_fill_row *sim_truth_fill(uint32_t i);
/* What strangers' executions moved of an asset, in 1e-8. */
int64_t sim_truth_strangers(const sp_name *asset);
/* -1 for an asset the venue does not know. */
int64_t sim_truth_balance(const sp_name *asset);

#endif
