#include "services/venue/store_internal.h"

static int64_t column(struct sp_stmt *stmt, int at)
{
    return sp_stmt_column_int(stmt, at);
}

sp_status sp_venue_store_order(struct sp_venue_store *store, const struct sp_exchange *x,
                               const sp_name *client_order_id, struct sp_venue_order_row *out,
                               struct sp_err *err)
{
    struct sp_stmt *stmt = store->statements[GET_ORDER];

    sp_stmt_text(stmt, 1, client_order_id->s);
    sp_status status = sp_stmt_next(stmt, err);
    if (status == SP_NOT_FOUND) {
        return SP_FAIL(err, SP_NOT_FOUND, "order %s does not exist", client_order_id->s);
    }
    if (status == SP_OK) status = sp_venue_store_read_order(stmt, x, out, err);
    sp_stmt_reset(stmt);
    return status;
}

sp_status sp_venue_store_order_no(struct sp_venue_store *store, const struct sp_exchange *x,
                                  uint64_t order_no, struct sp_venue_order_row *out,
                                  struct sp_err *err)
{
    struct sp_stmt *stmt = store->statements[GET_ORDER_NO];

    sp_stmt_int(stmt, 1, (int64_t)order_no);
    sp_status status = sp_stmt_next(stmt, err);
    if (status == SP_NOT_FOUND) {
        return SP_FAIL(err, SP_NOT_FOUND, "order %llu does not exist",
                       (unsigned long long)order_no);
    }
    if (status == SP_OK) status = sp_venue_store_read_order(stmt, x, out, err);
    sp_stmt_reset(stmt);
    return status;
}

sp_status sp_venue_store_find_order(struct sp_venue_store *store, const struct sp_exchange *x,
                                    const struct sp_venue_order_key *key,
                                    struct sp_venue_order_row *out, struct sp_err *err)
{
    struct sp_stmt *stmt = store->statements[GET_ORDER_OF];

    sp_stmt_text(stmt, 1, key->client_order_id.s);
    sp_stmt_text(stmt, 2, x->world->instruments[key->instrument].symbol.s);
    sp_stmt_int(stmt, 3, key->account);
    sp_status status = sp_stmt_next(stmt, err);
    if (status == SP_NOT_FOUND) {
        return SP_FAIL(err, SP_NOT_FOUND, "order %s does not exist", key->client_order_id.s);
    }
    if (status == SP_OK) status = sp_venue_store_read_order(stmt, x, out, err);
    sp_stmt_reset(stmt);
    return status;
}

static void bind_span(struct sp_stmt *stmt, const struct sp_venue_span *span)
{
    sp_stmt_int(stmt, 1, (int64_t)span->after);
    sp_stmt_int(stmt, 2, span->max);
    sp_stmt_int(stmt, 3, span->all_accounts ? SP_VENUE_ACCOUNTS_MAX : 1);
}

SP_NODISCARD static sp_status give_orders(struct sp_stmt *stmt, const struct sp_exchange *x,
                                          sp_venue_order_fn *fn, void *ctx, struct sp_err *err)
{
    struct sp_venue_order_row row;
    sp_status status = sp_stmt_next(stmt, err);

    while (status == SP_OK) {
        status = sp_venue_store_read_order(stmt, x, &row, err);
        if (status == SP_OK) fn(ctx, &row);
        if (status == SP_OK) status = sp_stmt_next(stmt, err);
    }
    sp_stmt_reset(stmt);
    return status == SP_NOT_FOUND ? SP_OK : status;
}

sp_status sp_venue_store_find_orders(struct sp_venue_store *store, const struct sp_exchange *x,
                                     const struct sp_venue_order_query *query,
                                     sp_venue_order_fn *fn, void *ctx, struct sp_err *err)
{
    struct sp_stmt *stmt =
        store->statements[query->from_oldest ? FIND_ORDERS_OLDEST : FIND_ORDERS_NEWEST];

    sp_stmt_text(stmt, 1, x->world->instruments[query->instrument].symbol.s);
    sp_stmt_int(stmt, 2, (int64_t)query->from_no);
    sp_stmt_int(stmt, 3, query->from.ns);
    sp_stmt_int(stmt, 4, query->until.ns);
    sp_stmt_int(stmt, 5, query->max);
    sp_stmt_int(stmt, 6, query->account);
    return give_orders(stmt, x, fn, ctx, err);
}

sp_status sp_venue_store_orders(struct sp_venue_store *store, const struct sp_exchange *x,
                                const struct sp_venue_span *span, sp_venue_order_fn *fn, void *ctx,
                                struct sp_err *err)
{
    struct sp_stmt *stmt = store->statements[GET_ORDERS];

    bind_span(stmt, span);
    return give_orders(stmt, x, fn, ctx, err);
}

sp_status sp_venue_store_lists(struct sp_venue_store *store, const struct sp_exchange *x,
                               const struct sp_venue_list_query *query, sp_venue_order_fn *fn,
                               void *ctx, struct sp_err *err)
{
    struct sp_stmt *stmt = store->statements[GET_LISTS];

    sp_stmt_int(stmt, 1, query->account);
    sp_stmt_int(stmt, 2, (int64_t)query->list_no);
    sp_stmt_int(stmt, 3, (int64_t)query->from_no);
    sp_stmt_text(stmt, 4, query->list_client_id.s);
    sp_stmt_int(stmt, 5, query->from.ns);
    sp_stmt_int(stmt, 6, query->until.ns);
    sp_stmt_int(stmt, 7, query->max);
    return give_orders(stmt, x, fn, ctx, err);
}

sp_status sp_venue_store_transfers(struct sp_venue_store *store, sp_venue_transfer_fn *fn,
                                   void *ctx, struct sp_err *err)
{
    struct sp_stmt *stmt = store->statements[GET_TRANSFERS];
    sp_status status = sp_stmt_next(stmt, err);

    while (status == SP_OK) {
        struct sp_venue_transfer row = {.transfer_no = (uint64_t)column(stmt, 0),
                                        .account = (uint32_t)column(stmt, 4),
                                        .amount = {column(stmt, 2)},
                                        .time = {column(stmt, 3)}};
        if (sp_name_set(&row.asset, sp_stmt_column_text(stmt, 1))) fn(ctx, &row);
        status = sp_stmt_next(stmt, err);
    }
    sp_stmt_reset(stmt);
    return status == SP_NOT_FOUND ? SP_OK : status;
}

SP_NODISCARD static sp_status give_fills(struct sp_stmt *stmt, const struct sp_exchange *x,
                                         sp_venue_fill_fn *fn, void *ctx, struct sp_err *err)
{
    sp_status status = sp_stmt_next(stmt, err);

    while (status == SP_OK) {
        struct sp_venue_fill_row row = {.trade_no = (uint64_t)column(stmt, 0),
                                        .order_no = (uint64_t)column(stmt, 1),
                                        .side = (enum sp_side)column(stmt, 4),
                                        .liquidity = (enum sp_liquidity)column(stmt, 5),
                                        .px = {column(stmt, 6)},
                                        .qty = {column(stmt, 7)},
                                        .fee = {column(stmt, 8)},
                                        .time = {column(stmt, 9)},
                                        .account = (uint32_t)column(stmt, 10)};
        sp_name symbol = {{0}};
        bool named = sp_name_set(&row.client_order_id, sp_stmt_column_text(stmt, 2)) &&
                     sp_name_set(&symbol, sp_stmt_column_text(stmt, 3));
        int instrument = named ? sp_exchange_instrument(x, &symbol) : -1;
        if (instrument >= 0) {
            row.instrument = (uint32_t)instrument;
            fn(ctx, &row);
        }
        status = sp_stmt_next(stmt, err);
    }
    sp_stmt_reset(stmt);
    return status == SP_NOT_FOUND ? SP_OK : status;
}

sp_status sp_venue_store_fills(struct sp_venue_store *store, const struct sp_exchange *x,
                               const struct sp_venue_span *span, sp_venue_fill_fn *fn, void *ctx,
                               struct sp_err *err)
{
    struct sp_stmt *stmt = store->statements[GET_FILLS];

    bind_span(stmt, span);
    return give_fills(stmt, x, fn, ctx, err);
}

sp_status sp_venue_store_find_fills(struct sp_venue_store *store, const struct sp_exchange *x,
                                    const struct sp_venue_fill_query *query, sp_venue_fill_fn *fn,
                                    void *ctx, struct sp_err *err)
{
    struct sp_stmt *stmt =
        store->statements[query->from_oldest ? FIND_FILLS_OLDEST : FIND_FILLS_NEWEST];

    sp_stmt_text(stmt, 1, x->world->instruments[query->instrument].symbol.s);
    sp_stmt_int(stmt, 2, (int64_t)query->from_no);
    sp_stmt_int(stmt, 3, query->from.ns);
    sp_stmt_int(stmt, 4, query->until.ns);
    sp_stmt_int(stmt, 5, query->max);
    sp_stmt_int(stmt, 6, (int64_t)query->order_no);
    sp_stmt_int(stmt, 7, query->account);
    return give_fills(stmt, x, fn, ctx, err);
}
