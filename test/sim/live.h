/* What must hold after each event: the safety invariants, watched from outside of the services.
 *
 * Sees every record that a service appends, every message that execution sends to the venue, every
 * command that a person sends and that is answered "done".
 */
#ifndef SP_TEST_SIM_LIVE_H
#define SP_TEST_SIM_LIVE_H

#include "proto/record.h"
#include "sockets.h"

struct sp_books;
struct sp_execution;

/* `holds_messages`: what the venue says waits for its turn (docs/lock_step.md). */
void sim_live_begin(bool holds_messages);
void sim_live_end(void);
void sim_live_message(const struct sim_message *message);
/* `first`: not a repetition. */
void sim_live_command_leaves(const struct sp_operator_command *command, bool first);
void sim_live_command_done(const struct sp_operator_command *command);
/* The venue has kept a new order of ours. */
void sim_live_taken(const sp_name *client_order_id);
void sim_live_reap(struct sim_proc *proc);
/* Execution was asked to stop with the operation, and has ended by itself before it had to. */
void sim_live_stopped(void);
/* What execution's appends fold to, and the core of the process that runs (NULL: none). */
struct sp_books *sim_live_books(void);
const struct sp_execution *sim_live_core(void);
int64_t sim_live_price_age(void); /* since marketdata has published the newest */

#endif
