/* The sockets of the simulated processes: common/bus/sock.h over virtual time.
 *
 * What libzmq promises is kept: order within a connection, whole messages, bounded queues per
 * peer (a PUB drops, the others refuse), reconnects in the background, a ROUTER that names its
 * peers. What it does not promise is left to chance: delays, what is on its way when a peer dies,
 * and whatever the caller's `fate` decides for a message.
 */
#ifndef SP_TEST_SIM_SOCKETS_H
#define SP_TEST_SIM_SOCKETS_H

#include "kernel.h"

#include <stddef.h>

/* A message about to be put into a queue. */
struct sim_message {
    struct sim_proc *from; /* NULL: the simulator's own client */
    const char *to;        /* name of the process it goes to */
    bool published;        /* PUB to SUB; else a question or an answer */
    const uint8_t *frame;
    size_t len;
};

struct sim_fate {
    bool drop;
    uint32_t copies; /* beside the first */
    int64_t delay;   /* beside the ordinary one; order within the connection is kept */
    bool overtakes;  /* the message before it, if that has not arrived */
};

typedef void sim_fate_fn(const struct sim_message *message, struct sim_fate *fate);
/* How long one round of a process's loop takes, and how long a message is under way. */
typedef int64_t sim_cost_fn(void);

void sim_sockets_begin(sim_fate_fn *fate, sim_cost_fn *turn, sim_cost_fn *travel);
void sim_sockets_end(void);
void sim_sockets_reap(struct sim_proc *proc);

struct sim_socket_stats {
    uint64_t sent, delivered, full_drops, fate_drops, copies, connects;
};
struct sim_socket_stats sim_socket_stats(void);

#endif
