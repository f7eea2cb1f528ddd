#include "lock_step.h"

#include "files.h"
#include "kernel.h"
#include "run.h"
#include "world.h"

#include <string.h>

#define END_NS  (600 * SIM_S) /* longer than any market asked for takes */
#define STOP_NS (60 * SIM_S)

static void look(void *ctx, const char *path)
{
    bool *found = ctx;

    if (strstr(path, ".jsonl") != NULL && sim_files_has_durable(path, "\"k\":\"FEED_ENDED\""))
        *found = true;
}

/* The last turns are over before the lazy sync that shows us the end of the feed. */
static bool has_ended(void)
{
    bool found = false;

    sim_files_each("/sim/data/marketdata/", look, &found);
    return found;
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

void sim_lock_step(void)
{
    if (!wait_for(has_ended, END_NS)) {
        sim_violation("in lock-step the market does not come to its end");
        return;
    }
    sim_run_until(sim_now() + SIM_S);
    sim_world_stop();
    if (!wait_for(sim_world_is_down, STOP_NS))
        sim_violation("not down %d s after it was asked to stop", (int)(STOP_NS / SIM_S));
}
