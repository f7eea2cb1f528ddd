/* The simulator's command line.
 *
 * usage: simulate [--seed N] [--seeds N] [--seconds N] [--calm] [--twice] [--verbose] [--trace DIR]
 */
#include "database.h"
#include "run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct arguments {
    struct sim_run_options run;
    uint64_t first, count;
    bool twice;
};

static bool parse(int argc, char **argv, struct arguments *a)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--calm") == 0) {
            a->run.calm = true;
        } else if (strcmp(argv[i], "--twice") == 0) {
            a->twice = true;
        } else if (strcmp(argv[i], "--verbose") == 0) {
            a->run.verbose = true;
        } else if (value == NULL) {
            return false;
        } else if (strcmp(argv[i], "--seed") == 0) {
            a->first = strtoull(value, NULL, 10);
            a->count = 1;
            i++;
        } else if (strcmp(argv[i], "--seeds") == 0) {
            a->count = strtoull(value, NULL, 10);
            i++;
        } else if (strcmp(argv[i], "--seconds") == 0) {
            a->run.seconds = (uint32_t)strtoul(value, NULL, 10);
            i++;
        } else if (strcmp(argv[i], "--trace") == 0) {
            a->run.trace_dir = value;
            i++;
        } else {
            return false;
        }
    }
    return true;
}

static bool run_seed(const struct arguments *a, uint64_t seed)
{
    struct sim_run_options options = a->run;
    struct sim_result result, again;

    options.seed = seed;
    sim_run(&options, &result);
    printf("seed %" PRIu64 ": hash %016" PRIx64 " %" PRIu64 " events %" PRIu64 " messages %" PRIu64
           " orders %" PRIu64 " fills %" PRIu64 " trades %" PRIu64 " explained %.1f s in %.2f s\n",
           seed, result.hash, result.events, result.messages, result.orders, result.fills,
           result.trades, result.explained, (double)result.virtual_ns / 1e9,
           (double)result.real_ns / 1e9);
    if (result.failed) {
        printf("FAILED at %.6f: %s\n  simulate --seed %" PRIu64 " --seconds %u\n",
               (double)result.failed_at / 1e9, result.why, seed, options.seconds);
    }
    if (!a->twice) return !result.failed;
    sim_run(&options, &again);
    if (again.hash != result.hash) {
        printf("FAILED: seed %" PRIu64 " gave %016" PRIx64 " the second time\n", seed, again.hash);
    }
    return !result.failed && again.hash == result.hash;
}

int main(int argc, char **argv)
{
    struct arguments a = {.run = {.seconds = 600}, .first = 1, .count = 10};
    uint64_t failed = 0;

    if (!parse(argc, argv, &a)) {
        fprintf(stderr, "usage: simulate [--seed N] [--seeds N] [--seconds N] [--calm] [--twice]"
                        " [--verbose] [--trace DIR]\n");
        return 64;
    }
    sim_database_begin();
    for (uint64_t i = 0; i < a.count; i++)
        failed += !run_seed(&a, a.first + i);
    return failed > 0;
}
