#include "run.h"

#include "calls.h"
#include "check.h"
#include "faults.h"
#include "files.h"
#include "hands.h"
#include "health.h"
#include "live.h"
#include "lock_step.h"
#include "memory.h"
#include "sockets.h"
#include "truth.h"
#include "watch.h"
#include "world.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define HEAL_NS (120 * SIM_S)

static struct {
    const struct sim_run_options *options;
    struct sim_result *result;
} run;

void sim_violation(const char *fmt, ...)
{
    va_list ap;

    if (run.result->failed) return;
    run.result->failed = true;
    run.result->failed_at = sim_now();
    run.result->failed_event = sim_events();
    va_start(ap, fmt);
    vsnprintf(run.result->why, sizeof run.result->why, fmt, ap);
    va_end(ap);
    sim_stop();
}

bool sim_has_failed(void)
{
    return run.result->failed;
}

/* Our own broken assertion, in a simulated process: the service would have aborted. */
void __wrap_sp_assert_fail(const char *what, const char *site);
void __wrap_sp_assert_fail(const char *what, const char *site)
{
    if (sim_self() == NULL) {
        fprintf(stderr, "%s: assertion failed: %s\n", site, what);
        __builtin_trap();
    }
    sim_violation("%s: assertion failed: %s (%s)", sim_self()->name, what, site);
    sim_kill(sim_self(), 6);
    __builtin_unreachable();
}

/* Warnings about disks that are full on purpose, of each process again. */
void __real_sp_problems_print(const struct sp_problems *problems, int fd);
void __wrap_sp_problems_print(const struct sp_problems *problems, int fd);
void __wrap_sp_problems_print(const struct sp_problems *problems, int fd)
{
    if (sim_self() == NULL || run.options->verbose) __real_sp_problems_print(problems, fd);
}

/* ---- Costs ---- */

static int64_t turn_cost(void)
{
    return 2 * SIM_US + (int64_t)sim_random_below(sim_chance(), 4 * SIM_US);
}

static int64_t travel_cost(void)
{
    return 20 * SIM_US + (int64_t)sim_random_below(sim_chance(), 60 * SIM_US);
}

/* ---- Phases ---- */

#define HEALTH_EVERY 20 /* seeds: it takes six times as long */

static struct sim_world_options draw_world(uint64_t seed)
{
    static const uint32_t speeds[] = {10, 10, 20, 30, 50};
    struct sim_random r;

    sim_random_seed(&r, seed, 1);
    return (struct sim_world_options){.market_seed = 1 + sim_random_below(&r, 1000000),
                                      .speed_tenths = speeds[sim_random_below(&r, 5)],
                                      .nervous = sim_random_below(&r, 8) > 0,
                                      .links = 1 + (uint32_t)sim_random_below(&r, 3),
                                      .health = seed % HEALTH_EVERY == 5};
}

static bool wait_for(bool (*what)(void), int64_t at_most)
{
    int64_t until = sim_now() + at_most;

    while (!sim_has_failed() && sim_now() < until) {
        sim_run_until(sim_now() + 200 * SIM_MS);
        if (what()) return true;
    }
    return false;
}

static bool is_answered(void)
{
    return sim_hands_busy() == 0;
}

/* Trading is allowed, or a reason is stated. */
static void check_status(void)
{
    sim_hands_ask_status();
    if (!wait_for(is_answered, HEAL_NS) || sim_hands_status() == NULL) {
        sim_violation("execution does not say how it is");
        return;
    }
    const struct sp_service_status *status = sim_hands_status();
    if (status->trading == SP_TRADING_ALLOWED || status->reason.s[0] != '\0') return;
    sim_violation("trading is %s, and no reason is stated",
                  sp_enum_name(SP_ENUM_TRADING, status->trading));
}

static void heal(void)
{
    sim_faults_heal();
    sim_world_heal();
    if (!wait_for(sim_world_is_ready, HEAL_NS)) {
        sim_violation("not ready %d s after the faults: %s", (int)(HEAL_NS / SIM_S),
                      sim_check_unrest());
        return;
    }
    sim_hands_heal();
    if (!wait_for(sim_check_is_calm, HEAL_NS)) {
        sim_violation("not calm %d s after the faults: %s", (int)(HEAL_NS / SIM_S),
                      sim_check_unrest());
        return;
    }
    if (!wait_for(is_answered, HEAL_NS)) sim_violation("requests of people stay unanswered");
    check_status();
}

static void phases(void)
{
    const struct sim_run_options *o = run.options;

    sim_world_start();
    if (o->lock_step) {
        sim_lock_step();
        return;
    }
    sim_run_until(sim_now() + (int64_t)o->seconds * SIM_S);
    if (!sim_has_failed()) heal();
    if (sim_has_failed()) return;
    sim_world_stop();
    if (!wait_for(sim_world_is_down, HEAL_NS)) {
        sim_violation("not down %d s after it was asked to stop", (int)(HEAL_NS / SIM_S));
        return;
    }
    if (!sim_has_failed()) sim_check_final(run.result);
}

static void reap(struct sim_proc *proc)
{
    sim_live_reap(proc);
    sim_health_reap(proc);
    sim_sockets_reap(proc);
    sim_files_reap(proc);
    sim_calls_reap(proc);
    sim_memory_reap(proc);
}

void sim_run(const struct sim_run_options *options, struct sim_result *out)
{
    static bool reaps;
    struct sim_world_options world = draw_world(options->seed);
    int64_t began = sim_busy_ns();

    memset(out, 0, sizeof *out);
    run.options = options;
    run.result = out;
    world.verbose = options->verbose;
    if (options->lock_step) world.lock_step_s = options->seconds;
    if (options->lock_step) world.recording = options->recording;
    sim_kernel_begin(options->seed);
    if (!reaps) sim_on_reap(reap);
    reaps = true;
    sim_files_begin();
    sim_sockets_begin(sim_faults_message, turn_cost, travel_cost);
    sim_truth_begin();
    sim_world_begin(&world);
    sim_check_begin();
    sim_live_begin(options->lock_step);
    sim_health_begin();
    sim_watch_begin();
    sim_hands_begin(options->seed);
    sim_faults_begin(options->seed, options->lock_step ? UINT64_MAX : options->fault_off);
    phases();
    for (uint32_t i = 0; i < SIM_FAULT_COUNT; i++)
        out->fired[i] = sim_fault_fired((enum sim_fault)i);
    out->hash = sim_trace_hash();
    out->events = sim_events();
    out->messages = sim_socket_stats().delivered;
    out->virtual_ns = sim_now() - SIM_S;
    if (options->trace_dir != NULL && !sim_files_export(options->trace_dir)) {
        fprintf(stderr, "%s: cannot be written\n", options->trace_dir);
    }
    sim_kernel_end();
    sim_check_end();
    sim_hands_end();
    sim_watch_end();
    sim_live_end();
    sim_world_end();
    sim_truth_end();
    sim_sockets_end();
    sim_files_end();
    out->busy_ns = sim_busy_ns() - began;
}
