#include "services/supervisor/supervisor_core.h"

#include <signal.h>
#include <string.h>

#define S            INT64_C(1000000000)
#define HEARTBEAT_NS (S / 2) /* the longest we sleep while a child lives */

uint32_t sp_supervisor_find(const struct sp_supervisor *core, const char *name)
{
    uint32_t i = 0;

    while (i < core->count && !sp_name_is(&core->at[i].spec.instance.name, name)) {
        i++;
    }
    return i;
}

uint32_t sp_supervised_restarts(const struct sp_supervised *child)
{
    return child->starts > 0 ? child->starts - 1 : 0;
}

bool sp_supervised_lives(const struct sp_supervised *child)
{
    return child->state == SP_SUPERVISED_STARTING || child->state == SP_SUPERVISED_READY ||
           child->state == SP_SUPERVISED_STOPPING || child->state == SP_SUPERVISED_ENDING;
}

bool sp_supervised_comes_after(const struct sp_supervised *child, const sp_name *other)
{
    for (uint32_t i = 0; i < child->spec.instance.after_count; i++) {
        if (sp_name_eq(&child->spec.instance.after[i], other)) return true;
    }
    return false;
}

/* What another supervisor runs is not ours to wait for: the services find each other at run time in
 * any order. */
const struct sp_supervised *sp_supervised_waits_for(const struct sp_supervisor *core,
                                                    const struct sp_supervised *child)
{
    for (uint32_t i = 0; i < core->count; i++) {
        const struct sp_supervised *other = &core->at[i];
        if (other->state == SP_SUPERVISED_READY) continue;
        if (sp_supervised_comes_after(child, &other->spec.instance.name)) return other;
    }
    return NULL;
}

enum sp_supervised_event sp_supervisor_classify(struct sp_supervisor_end end)
{
    if (end.signal != 0) return SP_SUPERVISED_ON_EXIT_CRASH;
    if (end.exit_code == SP_EXIT_OK) return SP_SUPERVISED_ON_EXIT_DONE;
    if (end.exit_code == SP_EXIT_STORAGE) return SP_SUPERVISED_ON_EXIT_STORAGE;
    if (end.exit_code == SP_EXIT_LOCKED) return SP_SUPERVISED_ON_EXIT_LOCKED;
    if (end.exit_code == SP_EXIT_USAGE || end.exit_code == SP_EXIT_DAMAGED ||
        end.exit_code == SP_EXIT_FENCED || end.exit_code == SP_EXIT_CONFIG)
        return SP_SUPERVISED_ON_EXIT_FATAL;
    return SP_SUPERVISED_ON_EXIT_CRASH;
}

const char *sp_supervised_state_name(enum sp_supervised_state state)
{
    static const char *const names[SP_SUPERVISED_STATE_COUNT] = {
#define N(name) [SP_SUPERVISED_##name] = #name,
        SP_SUPERVISED_STATES(N)
#undef N
    };
    return names[state];
}

static const char *exit_meaning(uint32_t code)
{
    switch (code) {
    case SP_EXIT_OK: return "ended in order";
    case SP_EXIT_USAGE: return "wrong arguments";
    case SP_EXIT_DAMAGED:
        return "acknowledged data is damaged; see its log for file and repair command";
    case SP_EXIT_SOFTWARE: return "internal error; see its log";
    case SP_EXIT_STORAGE: return "the disk refused a write or sync";
    case SP_EXIT_LOCKED: return "another process holds its lock";
    case SP_EXIT_FENCED: return "superseded by a newer epoch";
    case SP_EXIT_CONFIG: return "configuration or environment is wrong; see its log";
    default: return "crashed; see its log";
    }
}

void sp_supervisor_end_text(struct sp_supervisor_end end, sp_text *out)
{
    if (end.signal != 0) {
        const char *name = sigabbrev_np((int)end.signal);
        sp_text_printf(out, "killed by signal %u (%s)", end.signal, name != NULL ? name : "?");
    } else {
        sp_text_printf(out, "exit code %u: %s", end.exit_code, exit_meaning(end.exit_code));
    }
}

void sp_supervisor_describe(const struct sp_supervisor *core, uint32_t index, sp_mono now,
                            struct sp_child_status *out)
{
    SP_ASSERT(index < core->count);
    const struct sp_supervised *child = &core->at[index];
    const struct sp_supervised *other = sp_supervised_waits_for(core, child);
    bool lives = sp_supervised_lives(child);
    bool was_ready = lives && child->ready_at.ns != 0;

    *out = (struct sp_child_status){
        .name = child->spec.instance.name,
        .state = sp_name_of(sp_supervised_state_name(child->state)),
        .phase = lives ? child->phase : (sp_name){0},
        .pid = lives ? child->pid : 0,
        .epoch = child->epoch,
        .uptime = lives ? sp_mono_since(now, child->started_at) : (sp_dur){0},
        .restarts = sp_supervised_restarts(child),
        .has_ended = child->has_ended,
        .exit_code = child->last_exit_code,
        .signal = child->last_signal,
        .start_time = was_ready ? sp_mono_since(child->ready_at, child->started_at) : (sp_dur){0},
        .text = child->text,
    };
    if (child->state == SP_SUPERVISED_WAITING && other != NULL)
        sp_text_printf(&out->text, "waits for %s (%s)", other->spec.instance.name.s,
                       sp_supervised_state_name(other->state));
}

sp_mono sp_supervisor_next(const struct sp_supervisor *core, sp_mono now)
{
    int64_t next = now.ns + 60 * S;

    for (uint32_t i = 0; i < core->count; i++) {
        const struct sp_supervised *child = &core->at[i];
        bool timed = child->state == SP_SUPERVISED_BACKOFF || child->state == SP_SUPERVISED_OPEN ||
                     (sp_supervised_lives(child) && child->state != SP_SUPERVISED_READY);
        if (timed && child->deadline.ns < next) next = child->deadline.ns;
        if (sp_supervised_lives(child) && now.ns + HEARTBEAT_NS < next)
            next = now.ns + HEARTBEAT_NS;
    }
    return (sp_mono){next > now.ns ? next : now.ns};
}
