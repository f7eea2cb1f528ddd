/* Memory of simulated processes: what a process allocates is its own and goes with it.
 *
 * The linker sends malloc, calloc, realloc and free of all code in the program here. In a process
 * each block stands in its list, so that a kill gives back everything; outside of one the blocks
 * are ordinary. Blocks of other libraries (cJSON) are recognised and passed on.
 */
#ifndef SP_TEST_SIM_MEMORY_H
#define SP_TEST_SIM_MEMORY_H

#include "kernel.h"

#include <stddef.h>

/* The simulator's own, whoever runs: zeroed, never NULL. */
void *sim_alloc(size_t bytes);
void *sim_grow(void *block, size_t bytes);
void sim_free(void *block);

void sim_memory_reap(struct sim_proc *proc);

#endif
