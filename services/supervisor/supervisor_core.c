#include "services/supervisor/supervisor_core.h"

#include <stdlib.h>
#include <string.h>

#define MS                  INT64_C(1000000)
#define S                   INT64_C(1000000000)
#define STALL_NS            (1 * S) /* a step this late means that we were the ones who slept */
#define LOCKED_ALARM_NS     (5 * S)
#define WEIGHT_BEFORE_READY 2

struct step {
    struct sp_supervisor *core;
    struct sp_supervised *child;
    uint32_t index;
    sp_mono now;
    struct sp_supervisor_actions *actions;
};
typedef void cell_fn(struct step *step);

/* ---- Actions ---- */

static struct sp_supervisor_action *add_action(struct step *step, enum sp_supervisor_do what)
{
    struct sp_supervisor_actions *actions = step->actions;

    SP_ASSERT(actions->count < SP_SUPERVISOR_ACTIONS_MAX);
    struct sp_supervisor_action *action = &actions->at[actions->count++];
    *action = (struct sp_supervisor_action){.what = what, .child = step->index};
    return action;
}

static void add_record(struct step *step, enum sp_kind kind, sp_dur delay)
{
    const struct sp_supervised *child = step->child;
    struct sp_supervisor_action *action = add_action(step, SP_SUPERVISOR_RECORD);
    bool ended = kind != SP_REC_CHILD_STARTED && kind != SP_REC_CHILD_READY && child->has_ended;

    action->kind = kind;
    action->child_record = (struct sp_child){
        .name = child->spec.instance.name,
        .pid = child->pid,
        .epoch = child->epoch,
        .exit_code = ended ? child->last_exit_code : 0,
        .signal = ended ? child->last_signal : 0,
        .restarts = sp_supervised_restarts(child),
        .delay = delay,
        .reason = child->text,
    };
}

/* ---- Small facts ---- */

static sp_mono after(sp_mono now, sp_dur wait)
{
    return (sp_mono){now.ns + wait.ns};
}

static bool is_down(const struct sp_supervised *child)
{
    return child->state == SP_SUPERVISED_STOPPED || child->state == SP_SUPERVISED_GIVEN_UP;
}

static bool dependents_are_down(const struct sp_supervisor *core, const struct sp_supervised *child)
{
    for (uint32_t i = 0; i < core->count; i++) {
        if (is_down(&core->at[i])) continue;
        if (sp_supervised_comes_after(&core->at[i], &child->spec.instance.name)) return false;
    }
    return true;
}

/* ---- The work of the cells ---- */

static void ignore(struct step *step)
{
    (void)step;
}

static void forgive(struct sp_supervised *child)
{
    child->failures = 0;
    child->death_count = 0;
    child->open_count = 0;
    child->cooldown = (sp_dur){0};
    child->locked_since = (sp_mono){0};
    child->probe = false;
}

static void spawn(struct step *step)
{
    struct sp_supervised *child = step->child;

    child->state = SP_SUPERVISED_STARTING;
    child->pid = 0;
    child->epoch = 0;
    child->killed = false;
    child->again = false;
    child->phase = (sp_name){0};
    child->text = (sp_text){0};
    child->starts++;
    child->started_at = step->now;
    child->ready_at = (sp_mono){0};
    child->progress_at = step->now;
    child->deadline = after(step->now, child->spec.start_timeout);
    add_action(step, SP_SUPERVISOR_SPAWN);
}

static void wait_for_others(struct step *step)
{
    forgive(step->child);
    step->child->text = (sp_text){0};
    step->child->state = SP_SUPERVISED_WAITING;
}

static void start_now(struct step *step)
{
    forgive(step->child);
    spawn(step);
}

static void probe(struct step *step)
{
    step->child->probe = true;
    spawn(step);
}

static void become_ready(struct step *step)
{
    struct sp_supervised *child = step->child;

    child->state = SP_SUPERVISED_READY;
    child->ready_at = step->now;
    child->progress_at = step->now;
    child->probe = false;
    child->locked_since = (sp_mono){0};
    add_record(step, SP_REC_CHILD_READY, sp_mono_since(step->now, child->started_at));
}

static void be_stopped(struct step *step)
{
    step->child->state = SP_SUPERVISED_STOPPED;
    step->child->text = (sp_text){0};
    add_record(step, SP_REC_CHILD_STOPPED, (sp_dur){0});
}

static void stop_process(struct step *step)
{
    struct sp_supervised *child = step->child;

    child->state = SP_SUPERVISED_STOPPING;
    child->again = false;
    child->deadline = after(step->now, child->spec.stop_timeout);
    add_action(step, SP_SUPERVISOR_STOP);
}

static void restart_process(struct step *step)
{
    stop_process(step);
    step->child->again = true;
}

static void start_when_ended(struct step *step)
{
    step->child->again = true;
}

static void stay_stopped(struct step *step)
{
    step->child->again = false;
}

/* It is being ended because it hung; now it is also not wanted any more. */
static void stop_while_ending(struct step *step)
{
    step->child->state = SP_SUPERVISED_STOPPING;
    step->child->again = false;
}

static void kill_process(struct step *step)
{
    step->child->killed = true;
    step->child->deadline = after(step->now, step->core->policy.end_timeout);
    add_action(step, SP_SUPERVISOR_KILL);
}

static void end_hung(struct step *step, const char *why)
{
    struct sp_supervised *child = step->child;

    child->state = SP_SUPERVISED_ENDING;
    child->deadline = after(step->now, step->core->policy.end_timeout);
    sp_text_printf(&child->text, "%s", why);
    add_action(step, SP_SUPERVISOR_DUMP);
    add_action(step, SP_SUPERVISOR_TERM);
}

static void end_late(struct step *step)
{
    end_hung(step, "not ready in time; ended");
}

static void end_stuck(struct step *step)
{
    end_hung(step, "made no progress; ended");
}

/* A stop was asked, so however it ended is right; the exit code stays visible in status. */
static void ended_as_asked(struct step *step)
{
    struct sp_supervised *child = step->child;

    child->state = SP_SUPERVISED_STOPPED;
    add_record(step, SP_REC_CHILD_STOPPED, sp_mono_since(step->now, child->started_at));
    child->text = (sp_text){0};
    if (child->again) wait_for_others(step);
    child->again = false;
}

static void give_up(struct step *step)
{
    struct sp_supervised *child = step->child;

    add_record(step, SP_REC_CHILD_EXITED, sp_mono_since(step->now, child->started_at));
    child->state = SP_SUPERVISED_GIVEN_UP;
    add_record(step, SP_REC_CHILD_GIVEN_UP, (sp_dur){0});
}

/* Opens the circuit: no start until the cool-down is over. Too often: given up. */
static void open_circuit(struct step *step)
{
    struct sp_supervised *child = step->child;
    const struct sp_supervisor_policy *policy = &step->core->policy;
    uint32_t kept = 0;

    for (uint32_t i = 0; i < child->open_count; i++) {
        if (sp_mono_since(step->now, child->opens[i]).ns > policy->opens_window.ns) continue;
        child->opens[kept++] = child->opens[i];
    }
    SP_ASSERT(kept < SP_SUPERVISOR_DEATHS_MAX);
    child->opens[kept++] = step->now;
    child->open_count = kept;
    child->death_count = 0;
    if (kept >= policy->opens_max) {
        sp_text reason = child->text;
        child->state = SP_SUPERVISED_GIVEN_UP;
        sp_text_printf(&child->text, "given up after %u failed rounds; last: %.90s", kept,
                       reason.s);
        add_record(step, SP_REC_CHILD_GIVEN_UP, (sp_dur){0});
        return;
    }
    child->cooldown = sp_supervisor_doubled(policy->cooldown_min, kept, policy->cooldown_max);
    child->state = SP_SUPERVISED_OPEN;
    child->deadline = after(step->now, child->cooldown);
    add_record(step, SP_REC_CHILD_BACKOFF, child->cooldown);
}

static bool over_budget(struct step *step, uint32_t weight)
{
    struct sp_supervised *child = step->child;
    uint32_t kept = 0;
    uint32_t sum = weight;

    for (uint32_t i = 0; i < child->death_count; i++) {
        sp_dur age = sp_mono_since(step->now, child->deaths[i].at);
        if (age.ns > step->core->policy.window.ns) continue;
        child->deaths[kept++] = child->deaths[i];
        sum += child->deaths[i].weight;
    }
    if (kept < SP_SUPERVISOR_DEATHS_MAX) {
        child->deaths[kept].at = step->now;
        child->deaths[kept++].weight = weight;
    }
    child->death_count = kept;
    return sum > step->core->policy.budget || kept == SP_SUPERVISOR_DEATHS_MAX;
}

/* A first death after being ready is answered at once: the demo's kill must not cost a delay. */
static sp_dur backoff_delay(struct step *step, bool was_ready)
{
    const struct sp_supervisor_policy *policy = &step->core->policy;
    uint32_t n = step->child->failures;

    if (was_ready && n <= 1) return (sp_dur){0};
    return sp_supervisor_backoff(policy, n, &step->core->random);
}

static void fail(struct step *step)
{
    struct sp_supervised *child = step->child;
    bool was_ready = child->ready_at.ns != 0;
    sp_dur ready_for = was_ready ? sp_mono_since(step->now, child->ready_at) : (sp_dur){0};

    add_record(step, SP_REC_CHILD_EXITED, sp_mono_since(step->now, child->started_at));
    if (ready_for.ns >= step->core->policy.stable_after.ns) child->failures = 0;
    child->failures++;
    bool over = over_budget(step, was_ready ? 1 : WEIGHT_BEFORE_READY);
    if (over || child->probe) {
        open_circuit(step);
        return;
    }
    sp_dur delay = backoff_delay(step, was_ready);
    child->state = SP_SUPERVISED_BACKOFF;
    child->deadline = after(step->now, delay);
    add_record(step, SP_REC_CHILD_BACKOFF, delay);
}

static void fail_storage(struct step *step)
{
    add_record(step, SP_REC_CHILD_EXITED, sp_mono_since(step->now, step->child->started_at));
    open_circuit(step);
}

/* Its twin has the lock: safety over liveness. Not a failure of this one, so it is not counted, and
 * recorded once, not four times a second. */
static void retry_lock(struct step *step)
{
    struct sp_supervised *child = step->child;

    if (child->locked_since.ns == 0) {
        child->locked_since = step->now;
        add_record(step, SP_REC_CHILD_EXITED, sp_mono_since(step->now, child->started_at));
        add_record(step, SP_REC_CHILD_BACKOFF, step->core->policy.lock_retry);
    }
    sp_dur held = sp_mono_since(step->now, child->locked_since);
    if (held.ns >= LOCKED_ALARM_NS) {
        sp_text_printf(
            &child->text,
            "another process has held its lock for %lld s; end it if you started it by hand",
            (long long)(held.ns / S));
    }
    child->state = SP_SUPERVISED_BACKOFF;
    child->deadline = after(step->now, step->core->policy.lock_retry);
}

/* clang-format off */
#define ALL_EXITS(fn)                                                                              \
    [SP_SUPERVISED_ON_EXIT_DONE] = (fn), [SP_SUPERVISED_ON_EXIT_CRASH] = (fn),                     \
    [SP_SUPERVISED_ON_EXIT_STORAGE] = (fn), [SP_SUPERVISED_ON_EXIT_LOCKED] = (fn),                 \
    [SP_SUPERVISED_ON_EXIT_FATAL] = (fn)
#define BY_EXIT                                                                                    \
    [SP_SUPERVISED_ON_EXIT_DONE] = fail, [SP_SUPERVISED_ON_EXIT_CRASH] = fail,                     \
    [SP_SUPERVISED_ON_EXIT_STORAGE] = fail_storage, [SP_SUPERVISED_ON_EXIT_LOCKED] = retry_lock,   \
    [SP_SUPERVISED_ON_EXIT_FATAL] = give_up
#define COMMANDS(on_start, on_stop, on_restart)                                                    \
    [SP_SUPERVISED_ON_START] = (on_start), [SP_SUPERVISED_ON_STOP] = (on_stop),                    \
    [SP_SUPERVISED_ON_RESTART] = (on_restart)
#define SIGNS(on_deps, on_ready, on_timer, on_stuck)                                               \
    [SP_SUPERVISED_ON_DEPS_READY] = (on_deps), [SP_SUPERVISED_ON_BECAME_READY] = (on_ready),       \
    [SP_SUPERVISED_ON_TIMER] = (on_timer), [SP_SUPERVISED_ON_STUCK] = (on_stuck)

/* A child without a process cannot exit; ignoring it costs nothing and asserting would take the
 * whole supervisor down for a stray report. */
static cell_fn *const cells[SP_SUPERVISED_STATE_COUNT][SP_SUPERVISED_EVENT_COUNT] = {
    [SP_SUPERVISED_STOPPED]  = { COMMANDS(wait_for_others, ignore, wait_for_others),
                                 SIGNS(ignore, ignore, ignore, ignore), ALL_EXITS(ignore) },
    [SP_SUPERVISED_WAITING]  = { COMMANDS(ignore, be_stopped, ignore),
                                 SIGNS(spawn, ignore, ignore, ignore), ALL_EXITS(ignore) },
    [SP_SUPERVISED_STARTING] = { COMMANDS(ignore, stop_process, restart_process),
                                 SIGNS(ignore, become_ready, end_late, ignore), BY_EXIT },
    [SP_SUPERVISED_READY]    = { COMMANDS(ignore, stop_process, restart_process),
                                 SIGNS(ignore, ignore, ignore, end_stuck), BY_EXIT },
    [SP_SUPERVISED_STOPPING] = { COMMANDS(start_when_ended, stay_stopped, start_when_ended),
                                 SIGNS(ignore, ignore, kill_process, ignore),
                                 ALL_EXITS(ended_as_asked) },
    [SP_SUPERVISED_ENDING]   = { COMMANDS(ignore, stop_while_ending, ignore),
                                 SIGNS(ignore, ignore, kill_process, ignore), ALL_EXITS(fail) },
    [SP_SUPERVISED_BACKOFF]  = { COMMANDS(start_now, be_stopped, start_now),
                                 SIGNS(ignore, ignore, spawn, ignore), ALL_EXITS(ignore) },
    [SP_SUPERVISED_OPEN]     = { COMMANDS(start_now, be_stopped, start_now),
                                 SIGNS(ignore, ignore, probe, ignore), ALL_EXITS(ignore) },
    [SP_SUPERVISED_GIVEN_UP] = { COMMANDS(wait_for_others, be_stopped, wait_for_others),
                                 SIGNS(ignore, ignore, ignore, ignore), ALL_EXITS(ignore) },
};
/* clang-format on */

bool sp_supervisor_has_cell(enum sp_supervised_state state, enum sp_supervised_event event)
{
    return cells[state][event] != NULL;
}

static void run_cell(struct step *step, enum sp_supervised_event event)
{
    cell_fn *cell = cells[step->child->state][event];

    SP_ASSERT(cell != NULL);
    cell(step);
}

static struct step step_of(struct sp_supervisor *core, uint32_t child, sp_mono now,
                           struct sp_supervisor_actions *actions)
{
    SP_ASSERT(child < core->count);
    return (struct step){core, &core->at[child], child, now, actions};
}

/* What follows from the new states: levels start when what they come after is ready, and stop when
 * nothing that comes after them is left. Each round changes a state or is the last. */
static void settle(struct sp_supervisor *core, sp_mono now, struct sp_supervisor_actions *actions)
{
    bool changed = true;

    for (uint32_t round = 0; changed && round < 4 * SP_SUPERVISED_MAX; round++) {
        changed = false;
        for (uint32_t i = 0; i < core->count; i++) {
            struct step step = step_of(core, i, now, actions);
            enum sp_supervised_state before = step.child->state;
            if (core->stopping) {
                bool asked = is_down(step.child) || before == SP_SUPERVISED_STOPPING;
                if (!asked && dependents_are_down(core, step.child))
                    run_cell(&step, SP_SUPERVISED_ON_STOP);
            } else if (before == SP_SUPERVISED_WAITING &&
                       sp_supervised_waits_for(core, step.child) == NULL) {
                run_cell(&step, SP_SUPERVISED_ON_DEPS_READY);
            }
            if (step.child->state != before) changed = true;
        }
    }
}

/* Every child gets a fresh interval if it was we who slept (a stopped supervisor, a paused
 * machine): else we would end all of them on waking up. */
static void forgive_own_stall(struct sp_supervisor *core, sp_mono now)
{
    int64_t slept = core->last.ns != 0 ? sp_mono_since(now, core->last).ns : 0;

    core->last = now;
    if (slept < STALL_NS) return;
    for (uint32_t i = 0; i < core->count; i++) {
        struct sp_supervised *child = &core->at[i];
        if (!sp_supervised_lives(child)) continue;
        child->progress_at = now;
        child->deadline.ns += slept;
    }
}

/* ---- Public ---- */

void sp_supervisor_init(struct sp_supervisor *core, const struct sp_supervisor_policy *policy,
                        uint64_t seed)
{
    SP_ASSERT(policy->opens_max >= 1);
    SP_ASSERT(policy->opens_max < SP_SUPERVISOR_DEATHS_MAX);
    *core = (struct sp_supervisor){.policy = *policy, .random = seed};
}

void sp_supervisor_add(struct sp_supervisor *core, const struct sp_supervised_spec *spec)
{
    SP_ASSERT(core->count < SP_SUPERVISED_MAX);
    core->at[core->count++] = (struct sp_supervised){.spec = *spec};
}

void sp_supervisor_event(struct sp_supervisor *core, uint32_t child, enum sp_supervised_event event,
                         sp_mono now, struct sp_supervisor_actions *actions)
{
    struct step step = step_of(core, child, now, actions);

    forgive_own_stall(core, now);
    run_cell(&step, event);
    settle(core, now, actions);
}

void sp_supervisor_start_all(struct sp_supervisor *core, sp_mono now,
                             struct sp_supervisor_actions *actions)
{
    forgive_own_stall(core, now);
    for (uint32_t i = 0; i < core->count; i++) {
        struct step step = step_of(core, i, now, actions);
        sp_dur rest = sp_mono_since(step.child->deadline, now);
        if (step.child->state == SP_SUPERVISED_STOPPED) step.child->state = SP_SUPERVISED_WAITING;
        if (step.child->state == SP_SUPERVISED_OPEN) add_record(&step, SP_REC_CHILD_BACKOFF, rest);
        if (step.child->state == SP_SUPERVISED_GIVEN_UP)
            add_record(&step, SP_REC_CHILD_GIVEN_UP, (sp_dur){0});
    }
    settle(core, now, actions);
}

void sp_supervisor_stop_all(struct sp_supervisor *core, bool whole, sp_mono now,
                            struct sp_supervisor_actions *actions)
{
    forgive_own_stall(core, now);
    if (!core->stopping) core->whole = whole;
    core->stopping = true;
    for (uint32_t i = 0; i < core->count; i++) {
        core->at[i].again = false;
    }
    settle(core, now, actions);
}

/* The value of `key` (with its '=') at the start of text or after a space; NULL if it is not there.
 * */
static const char *value_of(const char *text, const char *key)
{
    const char *at = strstr(text, key);

    if (at == NULL) return NULL;
    return at == text || at[-1] == ' ' ? at + strlen(key) : NULL;
}

void sp_supervisor_notified(struct sp_supervisor *core, uint32_t index, const char *text,
                            sp_mono now, struct sp_supervisor_actions *actions)
{
    struct step step = step_of(core, index, now, actions);
    struct sp_supervised *child = step.child;
    const char *value;

    forgive_own_stall(core, now);
    child->progress_at = now;
    if (strncmp(text, "STATUS=", 7) == 0) {
        if (!sp_text_set_n(&child->text, text + 7, strlen(text + 7)))
            sp_text_printf(&child->text, "(a status that is not text)");
    } else if (strncmp(text, "PHASE=", 6) == 0) {
        if (!sp_name_set(&child->phase, text + 6)) child->phase = (sp_name){0};
    } else if (strncmp(text, "STOPPING=1", 10) == 0) {
        child->phase = sp_name_of("STOPPING");
    } else if (strncmp(text, "READY=1", 7) == 0) {
        value = value_of(text, "EPOCH=");
        if (value != NULL) child->epoch = (uint32_t)strtoul(value, NULL, 10);
        run_cell(&step, SP_SUPERVISED_ON_BECAME_READY);
        settle(core, now, actions);
    }
}

void sp_supervisor_exited(struct sp_supervisor *core, uint32_t index, struct sp_supervisor_end end,
                          sp_mono now, struct sp_supervisor_actions *actions)
{
    struct step step = step_of(core, index, now, actions);
    struct sp_supervised *child = step.child;

    forgive_own_stall(core, now);
    child->has_ended = true;
    child->last_exit_code = end.exit_code;
    child->last_signal = end.signal;
    /* What we know of a hang is worth more than that our own signal ended it; and what it last said
     * about a refusal to start is worth more than the number. */
    bool keep = child->state == SP_SUPERVISED_ENDING ||
                (sp_supervisor_classify(end) == SP_SUPERVISED_ON_EXIT_FATAL && child->text.s[0]);
    if (!keep) sp_supervisor_end_text(end, &child->text);
    run_cell(&step, sp_supervisor_classify(end));
    child->pid = 0;
    settle(core, now, actions);
}

void sp_supervisor_tick(struct sp_supervisor *core, sp_mono now,
                        struct sp_supervisor_actions *actions)
{
    forgive_own_stall(core, now);
    for (uint32_t i = 0; i < core->count; i++) {
        struct step step = step_of(core, i, now, actions);
        const struct sp_supervised *child = step.child;
        bool timed = child->state == SP_SUPERVISED_BACKOFF || child->state == SP_SUPERVISED_OPEN ||
                     (sp_supervised_lives(child) && child->state != SP_SUPERVISED_READY);
        if (timed && now.ns >= child->deadline.ns) {
            run_cell(&step, SP_SUPERVISED_ON_TIMER);
        } else if (child->state == SP_SUPERVISED_READY &&
                   sp_mono_since(now, child->progress_at).ns > core->policy.stuck_after.ns) {
            run_cell(&step, SP_SUPERVISED_ON_STUCK);
        }
    }
    settle(core, now, actions);
}

void sp_supervisor_spawned(struct sp_supervisor *core, uint32_t child, uint32_t pid,
                           struct sp_supervisor_actions *actions)
{
    struct step step = step_of(core, child, core->last, actions);

    step.child->pid = pid;
    add_record(&step, SP_REC_CHILD_STARTED, (sp_dur){0});
}

bool sp_supervisor_all_down(const struct sp_supervisor *core)
{
    for (uint32_t i = 0; i < core->count; i++) {
        if (!is_down(&core->at[i])) return false;
    }
    return true;
}
