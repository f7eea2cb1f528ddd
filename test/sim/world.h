/* The operation on the simulated machine: its configuration, its services, their supervisor, and
 * the hands that hit it from outside.
 *
 * The supervisor's policy is the production one (services/supervisor/supervisor_core); carrying out
 * what it says - starting, asking to stop, killing - is done here.
 */
#ifndef SP_TEST_SIM_WORLD_H
#define SP_TEST_SIM_WORLD_H

#include "common/config/config.h"
#include "kernel.h"
#include "services/supervisor/supervisor_core.h"

/* How lively it is. Drawn from the seed by sim_world_draw. */
struct sim_world_options {
    uint64_t market_seed;
    uint32_t speed_tenths; /* market time per time, in tenths */
    uint32_t links;        /* strategies: 1 to 3 */
    bool health;           /* spoor-health runs, too */
    bool nervous;          /* a strategy that trades all the time */
    bool verbose;          /* the services' log goes to standard error */
    uint32_t lock_step_s;  /* so much market, in lock-step; 0: none of it */
    const char *recording; /* in lock-step: this real file instead, whole; NULL: generated */
};

void sim_world_begin(const struct sim_world_options *options);
void sim_world_end(void);
/* Starts the supervisor, which starts the services. */
void sim_world_start(void);
/* The whole operation is asked to stop, in order. */
void sim_world_stop(void);
bool sim_world_is_down(void);
/* The same, and somebody starts it again so long after it is down. */
void sim_world_rest(int64_t dark_ns);
/* Every service says READY. */
bool sim_world_is_ready(void);

uint32_t sim_world_count(void);
struct sim_proc *sim_world_proc(uint32_t service); /* NULL: does not run */
const char *sim_world_name(uint32_t service);
const struct sp_supervised *sim_world_child(uint32_t service);
/* sim_world_count() if there is none. */
uint32_t sim_world_find(const char *name);
void sim_world_kill_supervisor(void);
/* Power goes, and comes back after a while. */
void sim_world_power_cut(struct sim_random *chance, int64_t dark_ns);
/* As a person: start what was given up. */
void sim_world_restart(uint32_t service);
/* As a person who does not know that it runs: one more of the same instance, for that long. */
void sim_world_start_twin(uint32_t service, int64_t for_ns);
/* A supervisor lives, nothing is given up any more. */
void sim_world_heal(void);
/* The configuration as the services read it; lives as long as the world. */
const struct sp_config *sim_world_config(void);

#endif
