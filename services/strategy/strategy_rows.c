#include "services/strategy/strategy_rows.h"

struct loading {
    struct sp_strategy_kept *kept;
    uint32_t config_crc;
};

/* ---- Saving ---- */

static void save_state(const struct sp_strategy_kept *kept, uint32_t config_crc,
                       struct sp_rows_writer *out)
{
    const struct sp_strategy_tallies *tallies = &kept->tallies;
    const struct sp_strategy_books *books = &kept->books;
    struct sp_strategy_state row = {.config_crc = config_crc,
                                    .opportunities = tallies->opportunities,
                                    .accepted = tallies->accepted,
                                    .rejected = tallies->rejected,
                                    .plans = tallies->plans,
                                    .threats = tallies->threats,
                                    .flows_failed = tallies->flows_failed,
                                    .last_trade_id = books->last_trade_id,
                                    .last_plan_id = books->last_plan_id,
                                    .is_pending = books->is_pending,
                                    .realised_pnl = books->realised_pnl,
                                    .trading = books->trading,
                                    .symbol = books->symbol};

    SP_ROW_PUT_REF(&row, decided, kept->decided);
    sp_rows_add(out, SP_DTO_strategy_state, &row);
}

static void save_threats(const struct sp_active_threat *threats, uint32_t count,
                         struct sp_rows_writer *out)
{
    for (uint32_t i = 0; i < count; i++) {
        struct sp_strategy_threat row = {.is_own = threats[i].is_own,
                                         .threat_id = threats[i].threat_id,
                                         .threat_type = threats[i].threat_type,
                                         .worker = threats[i].worker,
                                         .plugin = threats[i].plugin,
                                         .severity = threats[i].severity,
                                         .began = threats[i].began};
        SP_ROW_PUT_REF(&row, by, threats[i].ref);
        sp_rows_add(out, SP_DTO_strategy_threat, &row);
    }
}

void sp_strategy_kept_save(const struct sp_strategy_kept *kept, uint32_t config_crc,
                           struct sp_rows_writer *out)
{
    const struct sp_strategy_books *books = &kept->books;

    save_state(kept, config_crc, out);
    for (uint32_t i = 0; i < books->place_count; i++) {
        const struct sp_ref *place = &books->places[i];
        struct sp_strategy_place row = {place->stream, place->epoch, place->seq};
        sp_rows_add(out, SP_DTO_strategy_place, &row);
    }
    for (uint32_t i = 0; i < books->trade_count; i++) {
        const struct sp_live_trade *trade = &books->trades[i];
        struct sp_strategy_trade row = {trade->trade_id, trade->entry_order_id, trade->is_open};
        sp_rows_add(out, SP_DTO_strategy_trade, &row);
    }
    save_threats(kept->threats, kept->threat_count, out);
    save_threats(books->threats, books->threat_count, out);
}

/* ---- Loading ---- */

static bool load_state(void *ctx, const union sp_body *body)
{
    const struct sp_strategy_state *row = &body->strategy_state;
    struct loading *loading = ctx;
    struct sp_strategy_kept *kept = loading->kept;

    bool same = row->config_crc == loading->config_crc;
    if (!same && !sp_name_eq(&row->symbol, &kept->books.symbol)) return false;
    kept->tallies = (struct sp_strategy_tallies){.opportunities = row->opportunities,
                                                 .accepted = row->accepted,
                                                 .rejected = row->rejected,
                                                 .plans = row->plans,
                                                 .threats = row->threats,
                                                 .flows_failed = row->flows_failed};
    kept->decided = SP_ROW_REF(row, decided);
    kept->books.last_trade_id = row->last_trade_id;
    kept->books.last_plan_id = row->last_plan_id;
    kept->books.is_pending = row->is_pending;
    kept->books.realised_pnl = row->realised_pnl;
    kept->books.trading = row->trading;
    return true;
}

static bool load_place(void *ctx, const union sp_body *body)
{
    const struct sp_strategy_place *row = &body->strategy_place;
    struct sp_strategy_books *books = &((struct loading *)ctx)->kept->books;

    if (books->place_count == SP_STRATEGY_STREAMS_MAX) return false;
    books->places[books->place_count++] = (struct sp_ref){row->stream, row->epoch, row->seq};
    return true;
}

static bool load_trade(void *ctx, const union sp_body *body)
{
    const struct sp_strategy_trade *row = &body->strategy_trade;
    struct sp_strategy_books *books = &((struct loading *)ctx)->kept->books;

    if (books->trade_count == SP_STRATEGY_TRADES_MAX) return false;
    books->trades[books->trade_count++] =
        (struct sp_live_trade){row->trade_id, row->entry_order_id, row->is_open};
    return true;
}

static bool load_threat(void *ctx, const union sp_body *body)
{
    const struct sp_strategy_threat *row = &body->strategy_threat;
    struct sp_strategy_kept *kept = ((struct loading *)ctx)->kept;
    struct sp_active_threat threat = {.threat_id = row->threat_id,
                                      .threat_type = row->threat_type,
                                      .worker = row->worker,
                                      .plugin = row->plugin,
                                      .severity = row->severity,
                                      .began = row->began,
                                      .is_own = row->is_own,
                                      .ref = SP_ROW_REF(row, by)};

    if (row->is_own && kept->threat_count < SP_DETECTORS_MAX) {
        kept->threats[kept->threat_count++] = threat;
        return true;
    }
    if (row->is_own || kept->books.threat_count == SP_STRATEGY_THREATS_MAX) return false;
    kept->books.threats[kept->books.threat_count++] = threat;
    return true;
}

sp_status sp_strategy_kept_load(struct sp_strategy_kept *kept, uint32_t config_crc,
                                struct sp_rows_reader *in, struct sp_err *err)
{
    static const struct sp_row_taker takers[] = {{SP_DTO_strategy_state, load_state},
                                                 {SP_DTO_strategy_place, load_place},
                                                 {SP_DTO_strategy_trade, load_trade},
                                                 {SP_DTO_strategy_threat, load_threat}};
    struct loading loading = {.kept = kept, .config_crc = config_crc};

    return sp_rows_take(in, takers, sizeof takers / sizeof takers[0], &loading, err);
}
