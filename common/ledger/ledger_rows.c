#include "common/ledger/ledger_rows.h"

#include "common/ledger/ledger_chain.h"
#include "common/ledger/ledger_schema.h"
#include "common/planted_bug.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEGS_MAX 6

enum statement {
    PUT_ORDER,
    PUT_OUTCOME,
    PUT_FILL,
    PUT_OPENED,
    PUT_CLOSED,
    PUT_LINK,
    PUT_CURSOR,
    PUT_ACCOUNT,
    PUT_POSTING,
    PUT_TRANSACTION,
    GET_DUST,
    STATEMENTS
};

static const char *const sql[STATEMENTS] = {
    [PUT_ORDER] = "INSERT INTO orders (client_order_id, seq, trade_id, link, symbol, role, side,"
                  " type, qty, px, stop_px) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11)",
    [PUT_OUTCOME] = "UPDATE orders SET outcome = ?2, venue_order_id = max(venue_order_id, ?3)"
                    " WHERE client_order_id = ?1",
    [PUT_FILL] = "INSERT INTO fills (venue, symbol, venue_trade_id, seq, client_order_id,"
                 " trade_id, link, side, px, qty, fee, fee_asset, liquidity, venue_time, hash)"
                 " VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15)",
    [PUT_OPENED] = "INSERT INTO trades (trade_id, seq, link, symbol, opened)"
                   " VALUES (?1,?2,?3,?4,?5)",
    [PUT_CLOSED] = "UPDATE trades SET closed = ?2, cause = ?3, qty = ?4, bought = ?5, sold = ?6,"
                   " fees = ?7, pnl = ?8, dust = ?9, closed_seq = ?10 WHERE trade_id = ?1",
    [PUT_LINK] = "INSERT INTO links (link, seq, cash, realised_pnl, fees, position)"
                 " VALUES (?1,?2,?3,?4,?5,?6) ON CONFLICT (link) DO UPDATE SET seq = ?2,"
                 " cash = ?3, realised_pnl = ?4, fees = ?5, position = ?6",
    [PUT_ACCOUNT] = "INSERT INTO accounts (account, kind) VALUES (?1,?2)"
                    " ON CONFLICT (account) DO NOTHING",
    [PUT_POSTING] = "INSERT INTO postings (seq, leg, account, asset, amount, hash)"
                    " VALUES (?1,?2,?3,?4,?5,?6)",
    [PUT_TRANSACTION] = "INSERT INTO transactions (seq, kind, trade_id, time, hash)"
                        " VALUES (?1,?2,?3,?4,?5)",
    [GET_DUST] = "SELECT dust FROM trades WHERE trade_id = ?1",
    [PUT_CURSOR] = "UPDATE meta SET cursor = ?1, chain = ?2 WHERE id = 1",
};

struct sp_ledger_rows {
    struct sp_db *db;
    struct sp_stmt *statements[STATEMENTS];
    const struct sp_world_config *world;
    uint64_t cursor;
    struct sp_ledger_chain chain;   /* with the rows of the transaction that is open */
    char kept[SP_LEDGER_HASH_SIZE]; /* its head at the last commit */
};

/* One leg; a transaction is a few of them. */
struct leg {
    const char *kind; /* of the account */
    const sp_name *owner;
    const sp_name *asset;
    int64_t amount_e8;
};

/* ---- One record into one row ---- */

static void bind_name(struct sp_stmt *stmt, int at, const sp_name *name)
{
    sp_stmt_text(stmt, at, name->s);
}

static void bind_trade(struct sp_stmt *stmt, int at, sp_trd_id id)
{
    sp_stmt_id(stmt, at, SP_ID_TRD, id.raw);
}

static void bind_enum(struct sp_stmt *stmt, int at, enum sp_enum which, uint8_t value)
{
    sp_stmt_text(stmt, at, sp_enum_name(which, value));
}

static void bind_int(struct sp_stmt *stmt, int at, int64_t value)
{
    sp_stmt_int(stmt, at, value);
}

/* Likewise, and into the chain. */
static void chain_text(struct sp_ledger_rows *rows, struct sp_stmt *stmt, int at, const char *text)
{
    sp_stmt_text(stmt, at, text);
    sp_ledger_chain_text(&rows->chain, text);
}

static void chain_int(struct sp_ledger_rows *rows, struct sp_stmt *stmt, int at, int64_t value)
{
    sp_stmt_int(stmt, at, value);
    sp_ledger_chain_int(&rows->chain, value);
}

static void chain_trade(struct sp_ledger_rows *rows, struct sp_stmt *stmt, int at, sp_trd_id id)
{
    char text[SP_ID_TEXT_SIZE];

    chain_text(rows, stmt, at, sp_id_format(SP_ID_TRD, id.raw, text));
}

/* The hash, and the row into the file. */
SP_NODISCARD static sp_status run_chained(struct sp_ledger_rows *rows, struct sp_stmt *stmt, int at,
                                          struct sp_err *err)
{
    sp_status status = sp_ledger_chain_end(&rows->chain, err);

    if (status != SP_OK) {
        sp_stmt_reset(stmt);
        return status;
    }
    sp_stmt_text(stmt, at, rows->chain.head);
    return sp_stmt_run(stmt, err);
}

static struct sp_stmt *bind_intent(struct sp_ledger_rows *rows, const struct sp_record *record)
{
    const struct sp_order_intent *b = &record->body.order_intent;
    struct sp_stmt *stmt = rows->statements[PUT_ORDER];

    bind_name(stmt, 1, &b->client_order_id);
    bind_int(stmt, 2, (int64_t)record->seq);
    bind_trade(stmt, 3, b->trade_id);
    bind_name(stmt, 4, &b->strategy_link_id);
    bind_name(stmt, 5, &b->symbol);
    bind_enum(stmt, 6, SP_ENUM_LEG_ROLE, b->role);
    bind_enum(stmt, 7, SP_ENUM_SIDE, b->side);
    bind_enum(stmt, 8, SP_ENUM_ORDER_TYPE, b->type);
    bind_int(stmt, 9, b->qty.e8);
    bind_int(stmt, 10, b->px.e8);
    bind_int(stmt, 11, b->stop_px.e8);
    return stmt;
}

SP_NODISCARD static sp_status put_fill(struct sp_ledger_rows *rows, const struct sp_record *record,
                                       struct sp_err *err)
{
    const struct sp_fill *b = &record->body.fill;
    struct sp_stmt *stmt = rows->statements[PUT_FILL];

    sp_ledger_chain_row(&rows->chain, "fills");
    chain_int(rows, stmt, 4, (int64_t)record->seq);
    chain_text(rows, stmt, 1, b->venue.s);
    chain_text(rows, stmt, 2, b->symbol.s);
    chain_int(rows, stmt, 3, (int64_t)b->venue_trade_id);
    chain_text(rows, stmt, 5, b->client_order_id.s);
    chain_trade(rows, stmt, 6, b->trade_id);
    chain_text(rows, stmt, 7, b->strategy_link_id.s);
    chain_text(rows, stmt, 8, sp_enum_name(SP_ENUM_SIDE, b->side));
    chain_int(rows, stmt, 9, b->px.e8);
    chain_int(rows, stmt, 10, b->qty.e8);
    chain_int(rows, stmt, 11, b->fee.e8);
    chain_text(rows, stmt, 12, b->fee_asset.s);
    chain_text(rows, stmt, 13, sp_enum_name(SP_ENUM_LIQUIDITY, b->liquidity));
    chain_int(rows, stmt, 14, b->venue_time.ns);
    return run_chained(rows, stmt, 15, err);
}

static struct sp_stmt *bind_opened(struct sp_ledger_rows *rows, const struct sp_record *record)
{
    const struct sp_trade_opened *b = &record->body.trade_opened;
    struct sp_stmt *stmt = rows->statements[PUT_OPENED];

    bind_trade(stmt, 1, b->trade_id);
    bind_int(stmt, 2, (int64_t)record->seq);
    bind_name(stmt, 3, &b->strategy_link_id);
    bind_name(stmt, 4, &b->symbol);
    bind_int(stmt, 5, record->time.ns);
    return stmt;
}

static struct sp_stmt *bind_closed(struct sp_ledger_rows *rows, const struct sp_record *record)
{
    const struct sp_trade_closed *b = &record->body.trade_closed;
    struct sp_stmt *stmt = rows->statements[PUT_CLOSED];

    bind_trade(stmt, 1, b->trade_id);
    bind_int(stmt, 2, record->time.ns);
    bind_enum(stmt, 3, SP_ENUM_CLOSE_CAUSE, b->cause);
    bind_int(stmt, 4, b->qty.e8);
    bind_int(stmt, 5, b->bought.e8);
    bind_int(stmt, 6, b->sold.e8);
    bind_int(stmt, 7, b->fees.e8);
    bind_int(stmt, 8, b->realised_pnl.e8);
    bind_int(stmt, 9, b->dust.e8);
    bind_int(stmt, 10, (int64_t)record->seq);
    return stmt;
}

static struct sp_stmt *bind_link(struct sp_ledger_rows *rows, const struct sp_record *record)
{
    const struct sp_ledger_state *b = &record->body.ledger_state;
    struct sp_stmt *stmt = rows->statements[PUT_LINK];

    bind_name(stmt, 1, &b->strategy_link_id);
    bind_int(stmt, 2, (int64_t)record->seq);
    bind_int(stmt, 3, b->cash.e8);
    bind_int(stmt, 4, b->realised_pnl.e8);
    bind_int(stmt, 5, b->fees.e8);
    bind_int(stmt, 6, b->position.e8);
    return stmt;
}

static struct sp_stmt *bind_outcome(struct sp_ledger_rows *rows, const struct sp_record *record)
{
    const struct sp_order_event *b = &record->body.order_event;
    struct sp_stmt *stmt = rows->statements[PUT_OUTCOME];

    bind_name(stmt, 1, &b->client_order_id);
    sp_stmt_text(stmt, 2, sp_kind_name(record->kind));
    bind_int(stmt, 3, (int64_t)b->venue_order_id);
    return stmt;
}

/* NULL for records that are not in the ledger, and for fills, which are in the chain. */
static struct sp_stmt *bind(struct sp_ledger_rows *rows, const struct sp_record *record)
{
    enum sp_dto dto = sp_kind_info(record->kind)->dto;

    if (record->kind == SP_REC_ORDER_INTENT) return bind_intent(rows, record);
    if (record->kind == SP_REC_TRADE_OPENED) return bind_opened(rows, record);
    if (record->kind == SP_REC_TRADE_CLOSED) return bind_closed(rows, record);
    if (record->kind == SP_REC_LEDGER_STATE_CHANGED) return bind_link(rows, record);
    if (dto == SP_DTO_order_event) return bind_outcome(rows, record);
    return NULL;
}

/* ---- Money, booked twice ---- */

SP_NODISCARD static sp_status put_leg(struct sp_ledger_rows *rows, const struct sp_record *record,
                                      int at, const struct leg *leg, struct sp_err *err)
{
    struct sp_stmt *account = rows->statements[PUT_ACCOUNT];
    struct sp_stmt *posting = rows->statements[PUT_POSTING];
    char name[SP_NAME_SIZE + 8];

    snprintf(name, sizeof name, "%s:%s", leg->kind, leg->owner->s);
    sp_stmt_text(account, 1, name);
    sp_stmt_text(account, 2, leg->kind);
    sp_status status = sp_stmt_run(account, err);
    if (status != SP_OK) return status;
    sp_ledger_chain_row(&rows->chain, "postings");
    chain_int(rows, posting, 1, (int64_t)record->seq);
    chain_int(rows, posting, 2, at);
    chain_text(rows, posting, 3, name);
    chain_text(rows, posting, 4, leg->asset->s);
    chain_int(rows, posting, 5, leg->amount_e8);
    return run_chained(rows, posting, 6, err);
}

/* The postings, then the transaction that closes them. Empty legs are left out. */
SP_NODISCARD static sp_status put_transaction(struct sp_ledger_rows *rows,
                                              const struct sp_record *record, sp_trd_id trade_id,
                                              const struct leg legs[LEGS_MAX], struct sp_err *err)
{
    struct sp_stmt *stmt = rows->statements[PUT_TRANSACTION];
    sp_status status = SP_OK;

    for (int i = 0; i < LEGS_MAX && status == SP_OK; i++) {
        if (legs[i].amount_e8 != 0) status = put_leg(rows, record, i, &legs[i], err);
    }
    if (status != SP_OK) return status;
    sp_ledger_chain_row(&rows->chain, "transactions");
    chain_int(rows, stmt, 1, (int64_t)record->seq);
    chain_text(rows, stmt, 2, record->kind == SP_REC_FILL ? "FILL" : "DUST");
    chain_trade(rows, stmt, 3, trade_id);
    chain_int(rows, stmt, 4, record->time.ns);
    return run_chained(rows, stmt, 5, err);
}

SP_NODISCARD static sp_status find_instrument(const struct sp_ledger_rows *rows,
                                              const sp_name *symbol,
                                              const struct sp_instrument_config **out,
                                              struct sp_err *err)
{
    *out = sp_world_instrument(rows->world, symbol->s);
    if (*out != NULL) return SP_OK;
    return SP_FAIL(err, SP_INVALID, "%s is not among the world's instruments", symbol->s);
}

SP_NODISCARD static sp_status post_fill(struct sp_ledger_rows *rows, const struct sp_record *record,
                                        struct sp_err *err)
{
    const struct sp_fill *b = &record->body.fill;
    const sp_name *link = &b->strategy_link_id, *venue = &b->venue;
    const struct sp_instrument_config *is = NULL;
    sp_amt value = {0};

    sp_status status = find_instrument(rows, &b->symbol, &is, err);
    if (status != SP_OK) return status;
    if (!sp_px_times_qty(b->px, b->qty, &value))
        return SP_FAIL(err, SP_RANGE, "value of execution %llu",
                       (unsigned long long)b->venue_trade_id);
    int64_t sign = b->side == SP_SIDE_BUY ? 1 : -1;
    const struct leg legs[LEGS_MAX] = {
        {"link", link, &is->base, sign * b->qty.e8},
        {"venue", venue, &is->base, -sign * b->qty.e8},
        {"link", link, &is->quote, -sign * value.e8},
        {"venue", venue, &is->quote, sign * value.e8},
        {"link", link, &b->fee_asset, -b->fee.e8},
        {"fees", venue, &b->fee_asset, b->fee.e8},
    };
    return put_transaction(rows, record, b->trade_id, legs, err);
}

/* A trade that late truth opened again may close with another remainder: what is moved is the
 * difference to what was moved before. Called before the trade's row changes. */
SP_NODISCARD static sp_status post_dust(struct sp_ledger_rows *rows, const struct sp_record *record,
                                        struct sp_err *err)
{
    const struct sp_trade_closed *b = &record->body.trade_closed;
    struct sp_stmt *get = rows->statements[GET_DUST];
    const struct sp_instrument_config *is = NULL;
    int64_t before = 0;

    bind_trade(get, 1, b->trade_id);
    sp_status status = sp_stmt_next(get, err);
    if (status == SP_OK) before = sp_stmt_column_int(get, 0);
    if (status == SP_OK) sp_stmt_reset(get);
    if (status != SP_OK && status != SP_NOT_FOUND) return status;
    int64_t moved = b->dust.e8 - before;
    if (moved == 0) return SP_OK;
    status = find_instrument(rows, &b->symbol, &is, err);
    if (status != SP_OK) return status;
    const struct leg legs[LEGS_MAX] = {
        {"link", &b->strategy_link_id, &is->base, -moved},
        {"dust", &b->strategy_link_id, &is->base, moved},
    };
    return put_transaction(rows, record, b->trade_id, legs, err);
}

sp_status sp_ledger_rows_put(struct sp_ledger_rows *rows, const struct sp_record *record,
                             struct sp_err *err)
{
    sp_status status = SP_OK;

    if (record->kind == SP_REC_FILL) {
        status = post_fill(rows, record, err);
        return status == SP_OK ? put_fill(rows, record, err) : status;
    }
    if (record->kind == SP_REC_TRADE_CLOSED) status = post_dust(rows, record, err);
    if (status != SP_OK) return status;
    struct sp_stmt *stmt = bind(rows, record);
    return stmt != NULL ? sp_stmt_run(stmt, err) : SP_OK;
}

sp_status sp_ledger_rows_begin(struct sp_ledger_rows *rows, struct sp_err *err)
{
    return sp_db_begin(rows->db, err);
}

sp_status sp_ledger_rows_commit(struct sp_ledger_rows *rows, uint64_t cursor, struct sp_err *err)
{
    sp_status early = SP_BUG(ledger_cursor_apart) ? sp_db_commit(rows->db, err) : SP_OK;

    if (early != SP_OK) return early;
    bind_int(rows->statements[PUT_CURSOR], 1, (int64_t)cursor);
    sp_stmt_text(rows->statements[PUT_CURSOR], 2, rows->chain.head);
    sp_status status = sp_stmt_run(rows->statements[PUT_CURSOR], err);
    if (status == SP_OK && !SP_BUG(ledger_cursor_apart)) status = sp_db_commit(rows->db, err);
    if (status != SP_OK && !SP_BUG(ledger_commit_unchecked)) return status;
    rows->cursor = cursor;
    memcpy(rows->kept, rows->chain.head, sizeof rows->kept);
    return SP_OK;
}

void sp_ledger_rows_rollback(struct sp_ledger_rows *rows)
{
    sp_db_rollback(rows->db);
    memcpy(rows->chain.head, rows->kept, sizeof rows->kept);
}

uint64_t sp_ledger_rows_cursor(const struct sp_ledger_rows *rows)
{
    return rows->cursor;
}

const char *sp_ledger_rows_chain(const struct sp_ledger_rows *rows)
{
    return rows->kept;
}

struct sp_db *sp_ledger_rows_db(struct sp_ledger_rows *rows)
{
    return rows->db;
}

/* ---- Opening ---- */

/* The row of meta, which a new file does not have yet. */
SP_NODISCARD static sp_status read_meta(struct sp_ledger_rows *rows, const sp_name *stream,
                                        struct sp_err *err)
{
    struct sp_stmt *stmt = NULL;

    sp_status status =
        sp_db_prepare(rows->db, "SELECT stream, cursor, chain FROM meta WHERE id = 1", &stmt, err);
    if (status == SP_OK) status = sp_stmt_next(stmt, err);
    if (status == SP_OK && strcmp(sp_stmt_column_text(stmt, 0), stream->s) != 0)
        status = SP_FAIL(err, SP_INVALID, "the file belongs to stream %.40s",
                         sp_stmt_column_text(stmt, 0));
    if (status == SP_OK) {
        rows->cursor = (uint64_t)sp_stmt_column_int(stmt, 1);
        snprintf(rows->kept, sizeof rows->kept, "%s", sp_stmt_column_text(stmt, 2));
        memcpy(rows->chain.head, rows->kept, sizeof rows->kept);
    }
    sp_stmt_drop(stmt);
    return status;
}

SP_NODISCARD static sp_status prepare_all(struct sp_ledger_rows *rows, struct sp_err *err)
{
    sp_status status = SP_OK;

    for (int i = 0; i < STATEMENTS && status == SP_OK; i++)
        status = sp_db_prepare(rows->db, sql[i], &rows->statements[i], err);
    return status;
}

sp_status sp_ledger_rows_open(const char *path, const sp_name *stream,
                              const struct sp_world_config *world, struct sp_ledger_rows **out,
                              struct sp_err *err)
{
    struct sp_ledger_rows *rows = calloc(1, sizeof *rows);
    struct sp_ledger_seen seen = {0};

    if (rows == NULL) return SP_FAIL(err, SP_NO_MEMORY, "ledger");
    rows->world = world;
    sp_status status = sp_db_open(path, SP_DB_SYNC_LAZY, "", &rows->db, err);
    if (status == SP_OK) status = sp_ledger_schema_look(rows->db, &seen, err);
    if (status == SP_OK && seen.version < 0)
        status = sp_ledger_schema_create(rows->db, stream, err);
    else if (status == SP_OK)
        status = sp_ledger_schema_check(rows->db, path, err);
    if (status == SP_OK) status = read_meta(rows, stream, err);
    if (status == SP_OK) status = prepare_all(rows, err);
    if (status != SP_OK) {
        sp_ledger_rows_close(rows);
        return status == SP_NOT_FOUND ? SP_FAIL(err, SP_CORRUPT, "%.80s: meta is empty", path)
                                      : status;
    }
    *out = rows;
    return SP_OK;
}

sp_status sp_ledger_rows_open_copy(const char *path, const sp_name *stream,
                                   struct sp_ledger_rows **out, struct sp_err *err)
{
    struct sp_ledger_rows *rows = calloc(1, sizeof *rows);

    if (rows == NULL) return SP_FAIL(err, SP_NO_MEMORY, "ledger");
    sp_status status = sp_db_open_copy(path, &rows->db, err);
    if (status == SP_OK) status = sp_ledger_schema_check(rows->db, path, err);
    if (status == SP_OK) status = read_meta(rows, stream, err);
    if (status != SP_OK) {
        sp_ledger_rows_close(rows);
        return status == SP_NOT_FOUND ? SP_FAIL(err, SP_CORRUPT, "%.80s: meta is empty", path)
                                      : status;
    }
    *out = rows;
    return SP_OK;
}

void sp_ledger_rows_close(struct sp_ledger_rows *rows)
{
    if (rows == NULL) return;
    sp_db_close(rows->db);
    free(rows);
}
