#include "random.h"

uint64_t sim_mix(uint64_t a)
{
    a += UINT64_C(0x9e3779b97f4a7c15);
    a = (a ^ (a >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    a = (a ^ (a >> 27)) * UINT64_C(0x94d049bb133111eb);
    return a ^ (a >> 31);
}

void sim_random_seed(struct sim_random *r, uint64_t seed, uint64_t stream)
{
    uint64_t at = sim_mix(seed) ^ sim_mix(stream * UINT64_C(0x632be59bd9b4e019) + 1);

    for (int i = 0; i < 4; i++) {
        at += UINT64_C(0x9e3779b97f4a7c15);
        r->s[i] = sim_mix(at);
    }
}

static uint64_t rotate(uint64_t a, int by)
{
    return (a << by) | (a >> (64 - by));
}

uint64_t sim_random_next(struct sim_random *r)
{
    uint64_t *s = r->s;
    uint64_t result = rotate(s[1] * 5, 7) * 9, t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

uint64_t sim_random_below(struct sim_random *r, uint64_t n)
{
    return n == 0 ? 0 : (uint64_t)(((unsigned __int128)sim_random_next(r) * n) >> 64);
}

bool sim_random_ppm(struct sim_random *r, uint32_t parts)
{
    return parts > 0 && sim_random_below(r, 1000000) < parts;
}

/* Without a logarithm of the library, whose last digit may differ between machines: the number of
 * halvings is geometric, the rest is linear. */
int64_t sim_random_wait(struct sim_random *r, int64_t mean)
{
    int64_t half_life = mean - mean * 3 / 10;
    int64_t wait = 0;

    for (int i = 0; i < 22 && (sim_random_next(r) & 1) != 0; i++)
        wait += half_life;
    return wait + (int64_t)sim_random_below(r, (uint64_t)half_life + 1);
}
