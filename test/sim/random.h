/* The simulator's chance: xoshiro256**, seeded by splitmix64. Streams of one seed are independent,
 * so that switching one kind of fault off leaves the draws of the others as they were.
 */
#ifndef SP_TEST_SIM_RANDOM_H
#define SP_TEST_SIM_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct sim_random {
    uint64_t s[4];
};

void sim_random_seed(struct sim_random *r, uint64_t seed, uint64_t stream);
uint64_t sim_random_next(struct sim_random *r);
/* 0 .. n - 1; 0 for n = 0. */
uint64_t sim_random_below(struct sim_random *r, uint64_t n);
/* True in `parts` of a million cases. */
bool sim_random_ppm(struct sim_random *r, uint32_t parts);
/* Of an exponential distribution with this mean, at most 16 times the mean. */
int64_t sim_random_wait(struct sim_random *r, int64_t mean);
uint64_t sim_mix(uint64_t a);

#endif
