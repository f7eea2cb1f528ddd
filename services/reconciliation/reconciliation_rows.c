#include "services/reconciliation/reconciliation_internal.h"

#include "common/journal/state_rows.h"

/* Ticks count for schedules that are configured; for a person who compares. */
static uint32_t config_crc(const struct sp_reconciler *r)
{
    uint32_t crc = 0;

    for (uint32_t i = 0; i < r->schedule_count; i++)
        crc = sp_rows_crc_name(crc, &r->schedules[i].config->name);
    return crc;
}

void sp_r_save(const void *state, struct sp_rows_writer *out)
{
    const struct sp_reconciler *r = state;
    struct sp_reconciliation_state row = {.config_crc = config_crc(r),
                                          .passes = r->passes,
                                          .discrepancies = r->discrepancies,
                                          .corrections = r->corrections};

    sp_rows_add(out, SP_DTO_reconciliation_state, &row);
    if (r->passes > 0) sp_rows_add(out, SP_DTO_reconciliation_result, &r->last);
    for (uint32_t i = 0; i < r->schedule_count; i++) {
        struct sp_schedule_place place = {r->schedules[i].config->name, r->ticked[i]};
        sp_rows_add(out, SP_DTO_schedule_place, &place);
    }
}

static bool load_state(void *ctx, const union sp_body *body)
{
    const struct sp_reconciliation_state *row = &body->reconciliation_state;
    struct sp_reconciler *r = ctx;

    r->passes = row->passes;
    r->discrepancies = row->discrepancies;
    r->corrections = row->corrections;
    return true;
}

static bool load_result(void *ctx, const union sp_body *body)
{
    struct sp_reconciler *r = ctx;

    if (r->passes == 0) return false;
    r->last = body->reconciliation_result;
    return true;
}

static bool load_place(void *ctx, const union sp_body *body)
{
    const struct sp_schedule_place *row = &body->schedule_place;
    struct sp_reconciler *r = ctx;

    for (uint32_t i = 0; i < r->schedule_count; i++) {
        if (!sp_name_eq(&r->schedules[i].config->name, &row->name)) continue;
        r->schedules[i].last = r->ticked[i] = row->ticked;
    }
    return true; /* of one that is not configured any more nothing is kept */
}

sp_status sp_r_load(void *state, struct sp_rows_reader *in, struct sp_err *err)
{
    static const struct sp_row_taker takers[] = {{SP_DTO_reconciliation_state, load_state},
                                                 {SP_DTO_reconciliation_result, load_result},
                                                 {SP_DTO_schedule_place, load_place}};

    return sp_rows_take(in, takers, sizeof takers / sizeof takers[0], state, err);
}
