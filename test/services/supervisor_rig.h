/* The supervisor's core on a virtual clock. Included by its tests. */
#ifndef SP_TEST_SERVICES_SUPERVISOR_RIG_H
#define SP_TEST_SERVICES_SUPERVISOR_RIG_H

#include "services/supervisor/supervisor_core.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MS INT64_C(1000000)
#define S  INT64_C(1000000000)

/* A supervisor on a virtual clock, with a log of what it asked for. */
struct world {
    struct sp_supervisor core;
    struct sp_supervisor_actions actions;
    int64_t now;
    uint32_t next_pid;
    uint32_t spawns, stops, terms, kills, dumps;
    enum sp_kind kinds[256];
    uint32_t kind_count;
};
static struct world *w;

static inline sp_mono now(void)
{
    return (sp_mono){w->now};
}

static inline void carry_out(void)
{
    for (uint32_t i = 0; i < w->actions.count; i++) {
        struct sp_supervisor_action a = w->actions.at[i];
        if (a.what == SP_SUPERVISOR_SPAWN) {
            w->spawns++;
            sp_supervisor_spawned(&w->core, a.child, w->next_pid++, &w->actions);
        }
        w->stops += a.what == SP_SUPERVISOR_STOP;
        w->terms += a.what == SP_SUPERVISOR_TERM;
        w->kills += a.what == SP_SUPERVISOR_KILL;
        w->dumps += a.what == SP_SUPERVISOR_DUMP;
        if (a.what == SP_SUPERVISOR_RECORD && w->kind_count < 256)
            w->kinds[w->kind_count++] = a.kind;
    }
    w->actions.count = 0;
}

static inline void add(const char *name, const char *after)
{
    struct sp_supervised_spec spec = {
        .instance = {.name = sp_name_of(name), .program = sp_name_of("spoor-x")},
        .start_timeout = {30 * S},
        .stop_timeout = {10 * S},
    };
    if (after != NULL) spec.instance.after[spec.instance.after_count++] = sp_name_of(after);
    sp_supervisor_add(&w->core, &spec);
}

static inline int setup(void **state)
{
    struct sp_supervisor_policy policy = sp_supervisor_policy_default();

    (void)state;
    w = calloc(1, sizeof *w);
    if (w == NULL) return -1;
    sp_supervisor_init(&w->core, &policy, 42);
    w->now = 1000 * S;
    w->next_pid = 100;
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    free(w);
    return 0;
}

/* Lets time pass in steps as the loop would, with a living child's signs of progress. */
static inline void pass(int64_t ns, bool progress)
{
    int64_t end = w->now + ns;

    while (w->now < end) {
        int64_t next = sp_supervisor_next(&w->core, now()).ns;
        w->now = next < end ? (next > w->now ? next : w->now + 1) : end;
        for (uint32_t i = 0; progress && i < w->core.count; i++) {
            if (sp_supervised_lives(&w->core.at[i]))
                sp_supervisor_notified(&w->core, i, "PROGRESS=1", now(), &w->actions);
        }
        sp_supervisor_tick(&w->core, now(), &w->actions);
        carry_out();
    }
}

static inline void start_all(void)
{
    sp_supervisor_start_all(&w->core, now(), &w->actions);
    carry_out();
}

static inline void ready(uint32_t child)
{
    sp_supervisor_notified(&w->core, child, "READY=1 EPOCH=7", now(), &w->actions);
    carry_out();
}

static inline void exits(uint32_t child, uint32_t code, uint32_t signal)
{
    struct sp_supervisor_end end = {.exit_code = code, .signal = signal};
    sp_supervisor_exited(&w->core, child, end, now(), &w->actions);
    carry_out();
}

static inline void event(uint32_t child, enum sp_supervised_event what)
{
    sp_supervisor_event(&w->core, child, what, now(), &w->actions);
    carry_out();
}

#define assert_state(child, name)                                                                  \
    assert_string_equal(sp_supervised_state_name(w->core.at[child].state), name)

#endif
