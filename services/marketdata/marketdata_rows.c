#include "services/marketdata/marketdata_rows.h"

void sp_marketdata_save(const void *state, struct sp_rows_writer *out)
{
    const struct sp_marketdata *md = state;
    const struct sp_md_run *run = &md->run;
    struct sp_feed_run row = {.state = (uint32_t)run->state,
                              .source = run->source,
                              .anchor_wall = run->anchor_wall,
                              .anchor_market = run->anchor_market,
                              .speed = run->speed,
                              .position = run->position,
                              .paused = run->paused,
                              .outage_open = md->outage_open};

    if (md->outage_open) SP_ROW_PUT_REF(&row, outage, md->outage_ref);
    sp_rows_add(out, SP_DTO_feed_run, &row);
    if (md->outage_open) sp_rows_add(out, SP_DTO_threat, &md->outage);
}

static bool load_run(void *ctx, const union sp_body *body)
{
    const struct sp_feed_run *row = &body->feed_run;
    struct sp_marketdata *md = ctx;

    if (row->state > SP_MD_OVER) return false;
    md->run = (struct sp_md_run){.state = (enum sp_md_run_state)row->state,
                                 .source = row->source,
                                 .anchor_wall = row->anchor_wall,
                                 .anchor_market = row->anchor_market,
                                 .speed = row->speed,
                                 .position = row->position,
                                 .paused = row->paused};
    md->outage_open = row->outage_open;
    md->outage_ref = SP_ROW_REF(row, outage);
    return true;
}

static bool load_outage(void *ctx, const union sp_body *body)
{
    struct sp_marketdata *md = ctx;

    if (!md->outage_open || !sp_thr_id_is_none(md->outage.threat_id)) return false;
    md->outage = body->threat;
    return true;
}

sp_status sp_marketdata_load(void *state, struct sp_rows_reader *in, struct sp_err *err)
{
    static const struct sp_row_taker takers[] = {{SP_DTO_feed_run, load_run},
                                                 {SP_DTO_threat, load_outage}};
    struct sp_marketdata *md = state;
    sp_status status = sp_rows_take(in, takers, sizeof takers / sizeof takers[0], md, err);

    if (status != SP_OK) return status;
    if (md->outage_open == sp_thr_id_is_none(md->outage.threat_id))
        return SP_FAIL(err, SP_INVALID, "snapshot: the outage is missing");
    return SP_OK;
}
