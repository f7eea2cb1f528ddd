/* What the supervisor decides: a [state][event] table per service, restart policy, budget, order.
 *
 *   STOPPED -> WAITING -> STARTING -> READY -> STOPPING -> STOPPED
 *   STARTING, READY -exit-> BACKOFF -> STARTING            after a delay
 *   BACKOFF -over budget-> OPEN -> STARTING                the circuit is open, then one probe
 *   STARTING, READY -hangs-> ENDING -exit-> BACKOFF
 *   any -exit 64, 65, 77, 78 or too many OPEN-> GIVEN_UP   until a person says start
 *
 * Pure: no clock, process, file or log. Time comes in with the events; what is to be done comes out
 * as actions, in order. All memory is in struct sp_supervisor. One thread.
 */
#ifndef SP_SUPERVISOR_CORE_H
#define SP_SUPERVISOR_CORE_H

#include "common/config/config.h"
#include "proto/record.h"
#include "services/supervisor/supervisor_policy.h"

#define SP_SUPERVISED_MAX         SP_INSTANCES_MAX
#define SP_SUPERVISOR_DEATHS_MAX  64
#define SP_SUPERVISOR_ACTIONS_MAX 256

/* The name of each state is what people see in `spoor status`. */
#define SP_SUPERVISED_STATES(S)                                                                    \
    S(STOPPED) S(WAITING) S(STARTING) S(READY) S(STOPPING) S(ENDING) S(BACKOFF) S(OPEN) S(GIVEN_UP)
#define SP_SUPERVISED_EVENTS(E)                                                                    \
    E(START)        /* a person or the operation wants it up */                                    \
    E(STOP)         /* ... wants it down */                                                        \
    E(RESTART)      /* ... wants a new incarnation */                                              \
    E(DEPS_READY)   /* everything it comes after is ready */                                       \
    E(BECAME_READY) /* it said READY */                                                            \
    E(EXIT_DONE)    /* exit code 0, unasked */                                                     \
    E(EXIT_CRASH)   /* a signal, 70, or any code without a rule */                                 \
    E(EXIT_STORAGE) /* 74: the disk refuses; trying again at once does not help */                 \
    E(EXIT_LOCKED)  /* 75: its twin still holds the lock */                                        \
    E(EXIT_FATAL)   /* 64, 65, 77, 78: the same start would fail the same way */                   \
    E(TIMER)        /* its deadline passed */                                                      \
    E(STUCK)        /* ready, but its loop makes no progress */

/* clang-format off */
enum sp_supervised_state {
#define S(name) SP_SUPERVISED_##name,
    SP_SUPERVISED_STATES(S)
#undef S
    SP_SUPERVISED_STATE_COUNT
};
enum sp_supervised_event {
#define E(name) SP_SUPERVISED_ON_##name,
    SP_SUPERVISED_EVENTS(E)
#undef E
    SP_SUPERVISED_EVENT_COUNT
};
/* clang-format on */

struct sp_supervised_spec {
    struct sp_instance instance;
    sp_dur start_timeout, stop_timeout;
};

struct sp_supervised {
    struct sp_supervised_spec spec;
    enum sp_supervised_state state;
    bool again;  /* STOPPING: start when it has ended */
    bool killed; /* KILL was sent */
    bool probe;  /* the one start that an open circuit allows */
    uint32_t pid;
    uint32_t epoch;
    uint32_t starts;
    uint32_t failures; /* consecutive */
    sp_mono started_at, ready_at, progress_at, deadline;
    uint32_t death_count; /* within the window */
    struct {
        sp_mono at;
        uint32_t weight;
    } deaths[SP_SUPERVISOR_DEATHS_MAX];
    uint32_t open_count;
    sp_mono opens[SP_SUPERVISOR_DEATHS_MAX];
    sp_dur cooldown;
    sp_mono locked_since; /* 0: not locked out */
    bool has_ended;
    uint32_t last_exit_code, last_signal;
    sp_name phase;
    sp_text text; /* what it says, or why it is as it is */
};

struct sp_supervisor {
    struct sp_supervisor_policy policy;
    uint64_t random; /* state of the jitter generator */
    bool stopping;   /* everything goes down, in reverse order */
    bool whole;      /* ... because the operation ends (not only this machine's part) */
    sp_mono last;    /* time of the last step */
    uint32_t count;
    struct sp_supervised at[SP_SUPERVISED_MAX];
};

enum sp_supervisor_do {
    SP_SUPERVISOR_SPAWN, /* answer with sp_supervisor_spawned or an exit */
    SP_SUPERVISOR_STOP,  /* STOP= on its socket, TERM, CONT */
    SP_SUPERVISOR_TERM,  /* TERM, CONT */
    SP_SUPERVISOR_KILL,
    SP_SUPERVISOR_DUMP,  /* write down what it hangs in */
    SP_SUPERVISOR_RECORD /* append to the journal */
};
struct sp_supervisor_action {
    enum sp_supervisor_do what;
    uint32_t child;
    enum sp_kind kind;            /* RECORD */
    struct sp_child child_record; /* RECORD */
};
struct sp_supervisor_actions {
    uint32_t count;
    struct sp_supervisor_action at[SP_SUPERVISOR_ACTIONS_MAX];
};

void sp_supervisor_init(struct sp_supervisor *core, const struct sp_supervisor_policy *policy,
                        uint64_t seed);
/* Adds a service, STOPPED. Asserts that there is room. */
void sp_supervisor_add(struct sp_supervisor *core, const struct sp_supervised_spec *spec);
/* Each of these is one step: it appends what is to be done to *actions, whose count the caller
 * resets. A step never needs more than SP_SUPERVISOR_ACTIONS_MAX. */
void sp_supervisor_event(struct sp_supervisor *core, uint32_t child, enum sp_supervised_event event,
                         sp_mono now, struct sp_supervisor_actions *actions);
/* Starts what is STOPPED; what a tally (supervisor_tally.h) has left OPEN or GIVEN_UP stays so and
 * is told again. */
void sp_supervisor_start_all(struct sp_supervisor *core, sp_mono now,
                             struct sp_supervisor_actions *actions);
void sp_supervisor_stop_all(struct sp_supervisor *core, bool whole, sp_mono now,
                            struct sp_supervisor_actions *actions);
/* A message of the child (common/notify.h). Unknown ones are passed over. */
void sp_supervisor_notified(struct sp_supervisor *core, uint32_t child, const char *text,
                            sp_mono now, struct sp_supervisor_actions *actions);
/* How the child ended: a signal, or (signal 0) an exit code. */
struct sp_supervisor_end {
    uint32_t exit_code;
    uint32_t signal;
};
void sp_supervisor_exited(struct sp_supervisor *core, uint32_t child, struct sp_supervisor_end end,
                          sp_mono now, struct sp_supervisor_actions *actions);
/* Time passed: deadlines, stuck children. Call at sp_supervisor_next, and at least then. */
void sp_supervisor_tick(struct sp_supervisor *core, sp_mono now,
                        struct sp_supervisor_actions *actions);

/* SPAWN was carried out. */
void sp_supervisor_spawned(struct sp_supervisor *core, uint32_t child, uint32_t pid,
                           struct sp_supervisor_actions *actions);
/* Nothing lives and nothing will be started. */
bool sp_supervisor_all_down(const struct sp_supervisor *core);

/* For the test that walks the table. */
bool sp_supervisor_has_cell(enum sp_supervised_state state, enum sp_supervised_event event);
/* ---- Facts and reports (supervisor_report.c) ---- */

/* core->count if there is none of this name. */
uint32_t sp_supervisor_find(const struct sp_supervisor *core, const char *name);
/* When to tick next: within 500 ms while anything is alive. */
sp_mono sp_supervisor_next(const struct sp_supervisor *core, sp_mono now);
/* Starts after the first. */
uint32_t sp_supervised_restarts(const struct sp_supervised *child);
bool sp_supervised_comes_after(const struct sp_supervised *child, const sp_name *other);
/* It has a process: STARTING, READY, STOPPING, ENDING. */
bool sp_supervised_lives(const struct sp_supervised *child);
/* The first thing that it comes after and that is not ready, or NULL. */
const struct sp_supervised *sp_supervised_waits_for(const struct sp_supervisor *core,
                                                    const struct sp_supervised *child);

enum sp_supervised_event sp_supervisor_classify(struct sp_supervisor_end end);
const char *sp_supervised_state_name(enum sp_supervised_state state);
/* "killed by signal 9 (Killed)", "exit code 78: configuration or environment is wrong". */
void sp_supervisor_end_text(struct sp_supervisor_end end, sp_text *out);
void sp_supervisor_describe(const struct sp_supervisor *core, uint32_t child, sp_mono now,
                            struct sp_child_status *out);

#endif
