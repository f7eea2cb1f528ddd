#include "services/health/health_core.h"

#include "common/journal/state_rows.h"

struct loading {
    struct sp_health_kept *kept;
    uint32_t threats, refs;
};

/* ---- Saving ---- */

void sp_health_save(const void *state, struct sp_rows_writer *out)
{
    const struct sp_health_kept *kept = state; /* the begin of a struct sp_health */
    struct sp_health_state row = {.raised = kept->raised, .ended = kept->ended};

    SP_ROW_PUT_REF(&row, place, kept->place);
    sp_rows_add(out, SP_DTO_health_state, &row);
    for (uint32_t i = 0; i < kept->child_count; i++) {
        const struct sp_child_kept *child = &kept->children[i];
        struct sp_health_child own = {.name = child->name,
                                      .restarts = child->restarts,
                                      .given_up = child->given_up,
                                      .stopped = child->stopped};
        SP_ROW_PUT_REF(&own, last, child->last);
        sp_rows_add(out, SP_DTO_health_child, &own);
    }
    for (uint32_t i = 0; i < kept->alert_count; i++)
        sp_rows_add(out, SP_DTO_threat, &kept->alerts[i].threat);
    for (uint32_t i = 0; i < kept->alert_count; i++) {
        struct sp_health_alert own = {{{0}}, 0, 0};
        SP_ROW_PUT_REF(&own, by, kept->alerts[i].ref);
        sp_rows_add(out, SP_DTO_health_alert, &own);
    }
}

/* ---- Loading ---- */

static bool load_state(void *ctx, const union sp_body *body)
{
    const struct sp_health_state *row = &body->health_state;
    struct sp_health_kept *kept = ((struct loading *)ctx)->kept;

    kept->place = SP_ROW_REF(row, place);
    kept->raised = row->raised;
    kept->ended = row->ended;
    return true;
}

/* Of a service that is not configured any more nothing is kept. */
static bool load_child(void *ctx, const union sp_body *body)
{
    const struct sp_health_child *row = &body->health_child;
    struct sp_health_kept *kept = ((struct loading *)ctx)->kept;

    for (uint32_t i = 0; i < kept->child_count; i++) {
        struct sp_child_kept *child = &kept->children[i];
        if (!sp_name_eq(&child->name, &row->name)) continue;
        child->restarts = row->restarts;
        child->given_up = row->given_up;
        child->stopped = row->stopped;
        child->last = SP_ROW_REF(row, last);
    }
    return true;
}

static bool load_threat(void *ctx, const union sp_body *body)
{
    struct loading *loading = ctx;

    if (loading->threats == SP_HEALTH_ALERTS_MAX) return false;
    loading->kept->alerts[loading->threats++].threat = body->threat;
    return true;
}

static bool load_ref(void *ctx, const union sp_body *body)
{
    const struct sp_health_alert *row = &body->health_alert;
    struct loading *loading = ctx;

    if (loading->refs == loading->threats) return false;
    loading->kept->alerts[loading->refs++].ref = SP_ROW_REF(row, by);
    return true;
}

sp_status sp_health_load(void *state, struct sp_rows_reader *in, struct sp_err *err)
{
    static const struct sp_row_taker takers[] = {{SP_DTO_health_state, load_state},
                                                 {SP_DTO_health_child, load_child},
                                                 {SP_DTO_threat, load_threat},
                                                 {SP_DTO_health_alert, load_ref}};
    struct loading loading = {.kept = state};
    sp_status status = sp_rows_take(in, takers, sizeof takers / sizeof takers[0], &loading, err);

    if (status != SP_OK) return status;
    if (loading.refs != loading.threats)
        return SP_FAIL(err, SP_INVALID, "snapshot: an alert is not where it says");
    loading.kept->alert_count = loading.refs;
    return SP_OK;
}
