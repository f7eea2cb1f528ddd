/* The simulator's command line: runs seeds, says what failed and how to see it again.
 */
#include "calls.h"
#include "common/planted_bug.h"
#include "database.h"
#include "jobs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_SEEDS_MAX 1000

static const char usage[] =
    "usage: simulate [--seed N | --first N --seeds N | --hours N] [--seconds N] [options]\n"
    "\n"
    "  --seed N       this seed alone\n"
    "  --seeds N      so many, from --first on (default: 10 from 1)\n"
    "  --hours N      real hours, instead of a number of seeds; --minutes likewise\n"
    "  --file PATH    seeds of a file, one \"SEED SECONDS OFF\" a line, # begins a comment\n"
    "  --seconds N    virtual seconds under faults (default 600)\n"
    "  --off SET      kinds of faults that stay off, as hexadecimal bits; calm: all\n"
    "  --twice        each seed twice: the trace hashes must be equal\n"
    "  --shrink       of a seed that fails, find the fewest kinds of faults that do it\n"
    "  --each         a line for each seed; --verbose: the services' log too\n"
    "  --trace DIR    writes what is left on the disks: spoor why --data DIR/data ...\n"
    "  --lock-step    no faults, --seconds of market in lock-step (docs/lock_step.md)\n"
    "  --recording FILE  with it, the market of a recording, whole\n"
    "  --until-failure  no more seeds after one that failed\n"
    "  --jobs N       seeds over so many processes; 0: one for each processor (default 1)\n";

struct arguments {
    struct sim_run_options run;
    uint64_t first, count;
    int64_t real_ns;
    uint32_t jobs;
    const char *file;
    bool twice, shrink, each, until_failure;
};

static bool parse_flag(const char *arg, struct arguments *a)
{
    if (strcmp(arg, "--twice") == 0) return a->twice = true;
    if (strcmp(arg, "--shrink") == 0) return a->shrink = true;
    if (strcmp(arg, "--each") == 0) return a->each = true;
    if (strcmp(arg, "--lock-step") == 0) return a->run.lock_step = true;
    if (strcmp(arg, "--until-failure") == 0) return a->until_failure = true;
    if (strcmp(arg, "--verbose") == 0) return a->run.verbose = a->each = true;
    return false;
}

static bool parse_value(const char *arg, const char *value, struct arguments *a)
{
    uint64_t number = strtoull(value, NULL, 10);

    if (strcmp(arg, "--seed") == 0) {
        a->first = number;
        a->count = 1;
        a->each = true;
    } else if (strcmp(arg, "--first") == 0) {
        a->first = number;
    } else if (strcmp(arg, "--seeds") == 0) {
        a->count = number;
    } else if (strcmp(arg, "--hours") == 0) {
        a->real_ns = (int64_t)number * 3600 * SIM_S;
    } else if (strcmp(arg, "--minutes") == 0) {
        a->real_ns = (int64_t)number * 60 * SIM_S;
    } else if (strcmp(arg, "--seconds") == 0) {
        a->run.seconds = (uint32_t)number;
    } else if (strcmp(arg, "--jobs") == 0) {
        a->jobs = number > 0 ? (uint32_t)number : (uint32_t)sysconf(_SC_NPROCESSORS_ONLN);
    } else if (strcmp(arg, "--file") == 0) {
        a->file = value;
    } else if (strcmp(arg, "--recording") == 0) {
        a->run.recording = value;
    } else if (strcmp(arg, "--trace") == 0) {
        a->run.trace_dir = value;
    } else if (strcmp(arg, "--off") == 0) {
        a->run.fault_off = strcmp(value, "calm") == 0 ? UINT64_MAX : strtoull(value, NULL, 16);
    } else {
        return false;
    }
    return true;
}

static bool parse(int argc, char **argv, struct arguments *a)
{
    for (int i = 1; i < argc; i++) {
        if (parse_flag(argv[i], a)) continue;
        if (i + 1 == argc || !parse_value(argv[i], argv[i + 1], a)) return false;
        i++;
    }
    return true;
}

static void print_failure(const struct sim_run_options *o, const struct sim_result *r)
{
    printf("seed %" PRIu64 " FAILED at %.6f s, event %" PRIu64 ": %s\n", o->seed,
           (double)r->failed_at / 1e9, r->failed_event, r->why);
    printf("  again: simulate --seed %" PRIu64 " --seconds %u --off %" PRIx64 " --verbose\n",
           o->seed, o->seconds, o->fault_off);
    fflush(stdout);
}

/* Switches off one kind after the other, as long as the seed still fails. */
static void shrink(struct sim_run_options options)
{
    struct sim_result result;

    options.verbose = false;
    options.trace_dir = NULL;
    for (int i = 0; i < SIM_FAULT_COUNT; i++) {
        struct sim_run_options less = options;
        less.fault_off |= UINT64_C(1) << i;
        if (less.fault_off == options.fault_off) continue;
        sim_run(&less, &result);
        if (result.failed) options.fault_off = less.fault_off;
    }
    sim_run(&options, &result);
    print_failure(&options, &result);
    printf("  with:");
    for (int i = 0; i < SIM_FAULT_COUNT; i++) {
        if (result.fired[i] > 0)
            printf(" %s x%" PRIu64, sim_fault_name((enum sim_fault)i), result.fired[i]);
    }
    printf("\n");
}

static bool run_seed(const struct arguments *a, const struct sim_run_options *options,
                     struct sim_totals *totals)
{
    struct sim_result result, again;

    sim_run(options, &result);
    sim_totals_add(totals, &result);
    if (a->each) {
        printf("seed %" PRIu64 ": hash %016" PRIx64 " events %" PRIu64 " messages %" PRIu64
               " orders %" PRIu64 " fills %" PRIu64 " trades %" PRIu64 " whys %" PRIu64
               " %.1f s in %.2f s\n",
               options->seed, result.hash, result.events, result.messages, result.orders,
               result.fills, result.trades, result.explained, (double)result.virtual_ns / 1e9,
               (double)result.busy_ns / 1e9);
    }
    if (result.failed) print_failure(options, &result);
    if (result.failed && a->shrink) shrink(*options);
    if (!a->twice) return !result.failed;
    sim_run(options, &again);
    if (again.hash != result.hash) {
        printf("seed %" PRIu64 " FAILED: hash %016" PRIx64 ", the second time %016" PRIx64 "\n",
               options->seed, result.hash, again.hash);
        totals->failed++;
    }
    return !result.failed && again.hash == result.hash;
}

/* The seeds of a file, or those from `first` on. */
struct list {
    const struct arguments *arguments;
    uint64_t count;
    struct sim_run_options at[FILE_SEEDS_MAX];
};

static void run_number(void *ctx, uint64_t i, struct sim_totals *totals)
{
    const struct list *list = ctx;
    struct sim_run_options options = list->arguments->run;

    if (list->count > 0) options = list->at[i];
    if (list->count == 0) options.seed = list->arguments->first + i;
    run_seed(list->arguments, &options, totals);
}

static bool read_file(const char *path, struct list *list)
{
    FILE *file = fopen(path, "r");
    char line[200];

    if (file == NULL) return false;
    while (fgets(line, sizeof line, file) != NULL && list->count < FILE_SEEDS_MAX) {
        struct sim_run_options options = list->arguments->run;
        char *at = line;
        options.seed = strtoull(at, &at, 10);
        if (at == line) continue;
        options.seconds = (uint32_t)strtoul(at, &at, 10);
        options.fault_off = strtoull(at, NULL, 16);
        list->at[list->count++] = options;
    }
    fclose(file);
    return list->count > 0;
}

/* `real_ns` is what passed meanwhile. */
static void print_totals(const struct sim_totals *t, int64_t real_ns, uint32_t processes)
{
    double simulated = (double)t->virtual_ns / 1e9, busy = (double)t->busy_ns / 1e9;

    printf("%" PRIu64 " seeds, %" PRIu64 " failed; %.1f simulated hours (%.4f years) in %.1f s by "
           "%u; %" PRIu64 " events, %.0f a second and processor\n",
           t->seeds, t->failed, simulated / 3600, simulated / 31557600, (double)real_ns / 1e9,
           processes, t->events, busy > 0 ? (double)t->events / busy : 0);
    printf("%" PRIu64 " orders, %" PRIu64 " fills, %" PRIu64 " trades, %" PRIu64
           " explanations, %" PRIu64 " messages\n",
           t->orders, t->fills, t->trades, t->explained, t->messages);
    for (int i = 0; i < SIM_FAULT_COUNT; i++)
        printf("  %-18s %8" PRIu64 "  %s\n", sim_fault_name((enum sim_fault)i), t->fired[i],
               sim_fault_text((enum sim_fault)i));
}

/* The planted build looks into the environment once, before there is a simulated process, which
 * has another one. */
static void plant(void)
{
#ifdef SP_PLANTED_BUGS
    SP_IGNORE(sp_bug_is(SP_BUG_NONE));
#endif
}

int main(int argc, char **argv)
{
    static struct list list;
    struct arguments a = {.run = {.seconds = 600}, .first = 1, .count = 10, .jobs = 1};
    struct sim_totals totals = {0};
    int64_t began = sim_real_ns();

    if (!parse(argc, argv, &a)) {
        fputs(usage, stderr);
        return 64;
    }
    list.arguments = &a;
    if (a.file != NULL && !read_file(a.file, &list)) {
        fprintf(stderr, "simulate: no seeds in %s\n", a.file);
        return 66;
    }
    plant();
    sim_database_begin();
    struct sim_jobs jobs = {.processes = a.jobs,
                            .count = list.count > 0 ? list.count : a.count,
                            .real_ns = a.real_ns,
                            .until_failure = a.until_failure,
                            .run = run_number,
                            .ctx = &list};
    sim_jobs_run(&jobs, &totals);
    print_totals(&totals, sim_real_ns() - began, a.jobs);
    return totals.failed > 0;
}
