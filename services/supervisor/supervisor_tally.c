#include "services/supervisor/supervisor_tally.h"

struct loading {
    struct sp_supervisor *core;
    const sp_name *boot_id;
    sp_mono now;
    bool is_ours; /* of this boot */
};

/* ---- Saving ---- */

void sp_supervisor_tally_save(const struct sp_supervisor *core, const sp_name *boot_id,
                              struct sp_rows_writer *out)
{
    struct sp_supervisor_tally head = {.boot_id = *boot_id};

    sp_rows_add(out, SP_DTO_supervisor_tally, &head);
    for (uint32_t i = 0; i < core->count; i++) {
        const struct sp_supervised *child = &core->at[i];
        bool is_open = child->state == SP_SUPERVISED_OPEN;
        struct sp_child_tally row = {.name = child->spec.instance.name,
                                     .starts = child->starts,
                                     .failures = child->failures,
                                     .probe = child->probe,
                                     .open_until = is_open ? child->deadline : (sp_mono){0},
                                     .has_ended = child->has_ended,
                                     .exit_code = child->last_exit_code,
                                     .signal = child->last_signal,
                                     .reason = child->text};
        sp_rows_add(out, SP_DTO_child_tally, &row);
    }
    for (uint32_t i = 0; i < core->count; i++) {
        const struct sp_supervised *child = &core->at[i];
        struct sp_child_mark mark = {.name = child->spec.instance.name};
        for (uint32_t n = 0; n < child->death_count; n++) {
            mark.at = child->deaths[n].at;
            mark.weight = child->deaths[n].weight;
            sp_rows_add(out, SP_DTO_child_mark, &mark);
        }
        mark.weight = 0;
        for (uint32_t n = 0; n < child->open_count; n++) {
            mark.at = child->opens[n];
            sp_rows_add(out, SP_DTO_child_mark, &mark);
        }
    }
}

/* ---- Loading ---- */

static struct sp_supervised *child_of(const struct loading *loading, const sp_name *name)
{
    uint32_t i = sp_supervisor_find(loading->core, name->s);

    return loading->is_ours && i < loading->core->count ? &loading->core->at[i] : NULL;
}

static bool load_head(void *ctx, const union sp_body *body)
{
    struct loading *loading = ctx;

    loading->is_ours = sp_name_eq(&body->supervisor_tally.boot_id, loading->boot_id);
    return true;
}

static bool load_tally(void *ctx, const union sp_body *body)
{
    const struct sp_child_tally *row = &body->child_tally;
    const struct loading *loading = ctx;
    struct sp_supervised *child = child_of(loading, &row->name);

    if (child == NULL) return true;
    SP_ASSERT(child->state == SP_SUPERVISED_STOPPED);
    child->starts = row->starts;
    child->failures = row->failures;
    child->probe = row->probe;
    child->has_ended = row->has_ended;
    child->last_exit_code = row->exit_code;
    child->last_signal = row->signal;
    child->text = row->reason;
    if (row->open_until.ns <= loading->now.ns) return true;
    child->state = SP_SUPERVISED_OPEN;
    child->deadline = row->open_until;
    child->cooldown = sp_mono_since(row->open_until, loading->now);
    return true;
}

/* Those that time has passed over are not counted any more. */
static bool load_mark(void *ctx, const union sp_body *body)
{
    const struct sp_child_mark *row = &body->child_mark;
    const struct loading *loading = ctx;
    const struct sp_supervisor_policy *policy = &loading->core->policy;
    struct sp_supervised *child = child_of(loading, &row->name);

    if (child == NULL) return true;
    sp_dur age = sp_mono_since(loading->now, row->at);
    if (age.ns < 0) return false;
    if (row->weight > 0 && age.ns <= policy->window.ns) {
        if (child->death_count == SP_SUPERVISOR_DEATHS_MAX) return false;
        child->deaths[child->death_count].at = row->at;
        child->deaths[child->death_count++].weight = row->weight;
    }
    if (row->weight == 0 && age.ns <= policy->opens_window.ns) {
        if (child->open_count == SP_SUPERVISOR_DEATHS_MAX) return false;
        child->opens[child->open_count++] = row->at;
        if (child->open_count >= policy->opens_max) child->state = SP_SUPERVISED_GIVEN_UP;
    }
    return true;
}

sp_status sp_supervisor_tally_load(struct sp_supervisor *core, const sp_name *boot_id, sp_mono now,
                                   struct sp_rows_reader *in, struct sp_err *err)
{
    static const struct sp_row_taker takers[] = {{SP_DTO_supervisor_tally, load_head},
                                                 {SP_DTO_child_tally, load_tally},
                                                 {SP_DTO_child_mark, load_mark}};
    struct loading loading = {.core = core, .boot_id = boot_id, .now = now};

    return sp_rows_take(in, takers, sizeof takers / sizeof takers[0], &loading, err);
}
