#include "services/venue/store_internal.h"

#include <stdlib.h>
#include <string.h>

/* Amounts, prices and quantities are integers in units of 1e-8; times are ns since 1970 UTC. */
static const char schema[] =
    "CREATE TABLE IF NOT EXISTS counters (id INTEGER PRIMARY KEY CHECK (id = 1),"
    " last_order_no INTEGER NOT NULL, last_trade_no INTEGER NOT NULL) STRICT;"
    "CREATE TABLE IF NOT EXISTS accounts (account INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)"
    " STRICT;"
    "CREATE TABLE IF NOT EXISTS balances (account INTEGER NOT NULL, asset TEXT NOT NULL,"
    " total INTEGER NOT NULL, PRIMARY KEY (account, asset)) STRICT;"
    "CREATE TABLE IF NOT EXISTS orders (order_no INTEGER PRIMARY KEY,"
    " client_order_id TEXT NOT NULL, pair_no INTEGER NOT NULL, pair_client_order_id TEXT NOT NULL,"
    " symbol TEXT NOT NULL,"
    " side INTEGER NOT NULL, type INTEGER NOT NULL, tif INTEGER NOT NULL, state INTEGER NOT NULL,"
    " qty INTEGER NOT NULL, filled INTEGER NOT NULL CHECK (filled BETWEEN 0 AND qty),"
    " px INTEGER NOT NULL, stop_px INTEGER NOT NULL, reason TEXT NOT NULL,"
    " updated INTEGER NOT NULL, created INTEGER NOT NULL, quote_filled INTEGER NOT NULL,"
    " quote_qty INTEGER NOT NULL, account INTEGER NOT NULL, list_no INTEGER NOT NULL,"
    " list_client_id TEXT NOT NULL, stp INTEGER NOT NULL, working INTEGER NOT NULL,"
    " counter_no INTEGER NOT NULL) STRICT;"
    "CREATE INDEX IF NOT EXISTS orders_by_client ON orders (client_order_id, order_no);"
    "CREATE INDEX IF NOT EXISTS orders_by_list ON orders (list_no, order_no) WHERE list_no > 0;"
    "CREATE TABLE IF NOT EXISTS fills (trade_no INTEGER PRIMARY KEY, order_no INTEGER NOT NULL,"
    " client_order_id TEXT NOT NULL, symbol TEXT NOT NULL, side INTEGER NOT NULL,"
    " liquidity INTEGER NOT NULL, px INTEGER NOT NULL, qty INTEGER NOT NULL, fee INTEGER NOT NULL,"
    " time INTEGER NOT NULL, market TEXT NOT NULL, account INTEGER NOT NULL) STRICT;"
    "CREATE TABLE IF NOT EXISTS transfers (transfer_no INTEGER PRIMARY KEY,"
    " account INTEGER NOT NULL, asset TEXT NOT NULL,"
    " amount INTEGER NOT NULL, time INTEGER NOT NULL) STRICT;";

#define ORDER_COLUMNS                                                                              \
    "order_no, client_order_id, pair_no, pair_client_order_id, symbol, side, type, tif, state, "   \
    "qty, filled, px, stop_px, reason, updated, created, quote_filled, quote_qty, account, "       \
    "list_no, list_client_id, stp, working, counter_no"

#define FILL_COLUMNS                                                                               \
    "trade_no, order_no, client_order_id, symbol, side, liquidity, px, qty, fee, time, account"

#define ORDERS_FOUND "symbol = ?1 AND order_no >= ?2 AND created BETWEEN ?3 AND ?4 AND account = ?6"
#define FILLS_FOUND                                                                                \
    "symbol = ?1 AND trade_no >= ?2 AND time BETWEEN ?3 AND ?4 AND (?6 = 0 OR order_no = ?6)"      \
    " AND account = ?7"

static const char *const sql[STATEMENTS] = {
    [PUT_COUNTERS] = "INSERT OR REPLACE INTO counters VALUES (1, ?1, ?2)",
    [PUT_ACCOUNT] = "INSERT OR REPLACE INTO accounts VALUES (?1, ?2)",
    [PUT_BALANCE] = "INSERT OR REPLACE INTO balances VALUES (?1, ?2, ?3)",
    [PUT_ORDER] = "INSERT OR REPLACE INTO orders (" ORDER_COLUMNS
                  ") VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,"
                  "?19,?20,?21,?22,?23,?24)",
    [PUT_FILL] = "INSERT INTO fills VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12)",
    [GET_COUNTERS] = "SELECT last_order_no, last_trade_no FROM counters",
    [GET_ACCOUNTS] = "SELECT account, name FROM accounts ORDER BY account",
    [GET_BALANCES] = "SELECT account, asset, total FROM balances ORDER BY account, rowid",
    [GET_OPEN] = "SELECT " ORDER_COLUMNS " FROM orders WHERE state < ?1 ORDER BY order_no",
    [GET_ORDER] = "SELECT " ORDER_COLUMNS " FROM orders WHERE client_order_id = ?1 AND account = 0"
                  " ORDER BY order_no DESC LIMIT 1",
    [GET_FILLS] = "SELECT " FILL_COLUMNS
                  " FROM fills WHERE trade_no > ?1 AND account < ?3 ORDER BY trade_no LIMIT ?2",
    [GET_ORDER_NO] = "SELECT " ORDER_COLUMNS " FROM orders WHERE order_no = ?1",
    [GET_ORDER_OF] = "SELECT " ORDER_COLUMNS
                     " FROM orders WHERE client_order_id = ?1 AND symbol = ?2 AND account = ?3"
                     " ORDER BY order_no DESC LIMIT 1",
    [FIND_ORDERS_OLDEST] =
        "SELECT " ORDER_COLUMNS " FROM orders WHERE " ORDERS_FOUND " ORDER BY order_no LIMIT ?5",
    [FIND_ORDERS_NEWEST] = "SELECT * FROM (SELECT " ORDER_COLUMNS " FROM orders WHERE " ORDERS_FOUND
                           " ORDER BY order_no DESC LIMIT ?5) ORDER BY order_no",
    [FIND_FILLS_OLDEST] =
        "SELECT " FILL_COLUMNS " FROM fills WHERE " FILLS_FOUND " ORDER BY trade_no LIMIT ?5",
    [FIND_FILLS_NEWEST] = "SELECT * FROM (SELECT " FILL_COLUMNS " FROM fills WHERE " FILLS_FOUND
                          " ORDER BY trade_no DESC LIMIT ?5) ORDER BY trade_no",
    [GET_ORDERS] = "SELECT " ORDER_COLUMNS
                   " FROM orders WHERE order_no > ?1 AND account < ?3 ORDER BY order_no LIMIT ?2",
    [GET_LISTS] = "SELECT " ORDER_COLUMNS
                  " FROM orders WHERE account = ?1 AND list_no > 0 AND list_no >= ?3 AND"
                  " (?2 = 0 OR list_no = ?2) AND (?4 = '' OR list_client_id = ?4) AND"
                  " created BETWEEN ?5 AND ?6 ORDER BY list_no, order_no LIMIT ?7",
    [PUT_TRANSFER] = "INSERT INTO transfers (asset, amount, time, account) VALUES (?1, ?2, ?3, ?4)",
    [GET_TRANSFERS] =
        "SELECT transfer_no, asset, amount, time, account FROM transfers ORDER BY transfer_no",
};

sp_status sp_venue_store_open(const char *path, struct sp_venue_store **out, struct sp_err *err)
{
    struct sp_venue_store *store = calloc(1, sizeof *store);

    if (store == NULL) return SP_FAIL(err, SP_NO_MEMORY, "venue store");
    sp_status status = sp_db_open(path, SP_DB_SYNC_LAZY, schema, &store->db, err);
    for (int i = 0; i < STATEMENTS && status == SP_OK; i++) {
        status = sp_db_prepare(store->db, sql[i], &store->statements[i], err);
    }
    if (status != SP_OK) {
        sp_venue_store_close(store);
        const char *text = err != NULL ? err->text : "";
        bool is_older = strstr(text, "no such column") != NULL ||
                        strstr(text, "no column named") != NULL ||
                        strstr(text, "columns but") != NULL;
        if (!is_older) return status;
        return SP_FAIL(err, SP_VERSION,
                       "%.150s is of an older spoor: move it away, and the practice account begins "
                       "anew",
                       path);
    }
    *out = store;
    return SP_OK;
}

void sp_venue_store_close(struct sp_venue_store *store)
{
    if (store == NULL) return;
    sp_db_close(store->db);
    free(store);
}

/* ---- Writing ---- */

SP_NODISCARD static sp_status put_balances(struct sp_venue_store *store,
                                           const struct sp_exchange *x, struct sp_err *err)
{
    struct sp_stmt *stmt = store->statements[PUT_BALANCE];
    sp_status status = SP_OK;

    for (uint32_t a = 0; a < x->account_count; a++) {
        const struct sp_venue_account *account = &x->accounts[a];
        for (uint32_t i = 0; i < account->balance_count && status == SP_OK; i++) {
            sp_stmt_int(stmt, 1, a);
            sp_stmt_text(stmt, 2, account->balances[i].asset.s);
            sp_stmt_int(stmt, 3, account->balances[i].total.e8);
            status = sp_stmt_run(stmt, err);
        }
    }
    return status;
}

/* Only those that were added since. */
SP_NODISCARD static sp_status put_accounts(struct sp_venue_store *store,
                                           const struct sp_exchange *x, struct sp_err *err)
{
    struct sp_stmt *stmt = store->statements[PUT_ACCOUNT];
    sp_status status = SP_OK;

    for (uint32_t a = store->accounts_kept; a < x->account_count && status == SP_OK; a++) {
        sp_stmt_int(stmt, 1, a);
        sp_stmt_text(stmt, 2, x->accounts[a].name.s);
        status = sp_stmt_run(stmt, err);
    }
    return status;
}

SP_NODISCARD static sp_status put_counters(struct sp_venue_store *store,
                                           const struct sp_exchange *x, struct sp_err *err)
{
    struct sp_stmt *stmt = store->statements[PUT_COUNTERS];

    sp_stmt_int(stmt, 1, (int64_t)x->last_order_no);
    sp_stmt_int(stmt, 2, (int64_t)x->last_trade_no);
    return sp_stmt_run(stmt, err);
}

SP_NODISCARD static sp_status put_order(struct sp_venue_store *store, const struct sp_exchange *x,
                                        const struct sp_venue_order_row *row, struct sp_err *err)
{
    struct sp_stmt *stmt = store->statements[PUT_ORDER];

    sp_stmt_int(stmt, 1, (int64_t)row->order_no);
    sp_stmt_text(stmt, 2, row->client_order_id.s);
    sp_stmt_int(stmt, 3, (int64_t)row->pair_no);
    sp_stmt_text(stmt, 4, row->pair_client_order_id.s);
    sp_stmt_text(stmt, 5, x->world->instruments[row->instrument].symbol.s);
    sp_stmt_int(stmt, 6, row->side);
    sp_stmt_int(stmt, 7, row->type);
    sp_stmt_int(stmt, 8, row->tif);
    sp_stmt_int(stmt, 9, row->state);
    sp_stmt_int(stmt, 10, row->qty.e8);
    sp_stmt_int(stmt, 11, row->filled.e8);
    sp_stmt_int(stmt, 12, row->px.e8);
    sp_stmt_int(stmt, 13, row->stop_px.e8);
    sp_stmt_text(stmt, 14, row->reason.s);
    sp_stmt_int(stmt, 15, row->updated.ns);
    sp_stmt_int(stmt, 16, row->created.ns);
    sp_stmt_int(stmt, 17, row->quote_filled.e8);
    sp_stmt_int(stmt, 18, row->quote_qty.e8);
    sp_stmt_int(stmt, 19, row->account);
    sp_stmt_int(stmt, 20, (int64_t)row->list_no);
    sp_stmt_text(stmt, 21, row->list_client_id.s);
    sp_stmt_int(stmt, 22, row->stp);
    sp_stmt_int(stmt, 23, row->working.ns);
    sp_stmt_int(stmt, 24, (int64_t)row->counter_no);
    return sp_stmt_run(stmt, err);
}

SP_NODISCARD static sp_status put_fill(struct sp_venue_store *store, const struct sp_exchange *x,
                                       const struct sp_venue_fill_row *row, struct sp_err *err)
{
    struct sp_stmt *stmt = store->statements[PUT_FILL];

    sp_stmt_int(stmt, 1, (int64_t)row->trade_no);
    sp_stmt_int(stmt, 2, (int64_t)row->order_no);
    sp_stmt_text(stmt, 3, row->client_order_id.s);
    sp_stmt_text(stmt, 4, x->world->instruments[row->instrument].symbol.s);
    sp_stmt_int(stmt, 5, row->side);
    sp_stmt_int(stmt, 6, row->liquidity);
    sp_stmt_int(stmt, 7, row->px.e8);
    sp_stmt_int(stmt, 8, row->qty.e8);
    sp_stmt_int(stmt, 9, row->fee.e8);
    sp_stmt_int(stmt, 10, row->time.ns);
    sp_stmt_text(stmt, 11, row->market.s);
    sp_stmt_int(stmt, 12, row->account);
    return sp_stmt_run(stmt, err);
}

sp_status sp_venue_store_save(struct sp_venue_store *store, const struct sp_exchange *x,
                              const struct sp_venue_changes *changes, struct sp_err *err)
{
    sp_status status = sp_db_begin(store->db, err);

    for (uint32_t i = 0; i < changes->count && status == SP_OK; i++) {
        const struct sp_venue_change *change = &changes->at[i];
        status = put_order(store, x, &change->order, err);
        if (status == SP_OK && change->fill.trade_no != 0) {
            status = put_fill(store, x, &change->fill, err);
        }
    }
    if (status == SP_OK) status = put_accounts(store, x, err);
    if (status == SP_OK) status = put_balances(store, x, err);
    if (status == SP_OK) status = put_counters(store, x, err);
    if (status == SP_OK) status = sp_db_commit(store->db, err);
    if (status == SP_OK) store->accounts_kept = x->account_count;
    if (status != SP_OK) sp_db_rollback(store->db);
    return status;
}

sp_status sp_venue_store_transfer(struct sp_venue_store *store, const struct sp_exchange *x,
                                  const struct sp_venue_transfer *row, struct sp_err *err)
{
    struct sp_stmt *stmt = store->statements[PUT_TRANSFER];
    sp_status status = sp_db_begin(store->db, err);

    sp_stmt_text(stmt, 1, row->asset.s);
    sp_stmt_int(stmt, 2, row->amount.e8);
    sp_stmt_int(stmt, 3, row->time.ns);
    sp_stmt_int(stmt, 4, row->account);
    if (status == SP_OK) status = sp_stmt_run(stmt, err);
    if (status == SP_OK) status = put_balances(store, x, err);
    if (status == SP_OK) status = sp_db_commit(store->db, err);
    if (status != SP_OK) sp_db_rollback(store->db);
    return status;
}

/* ---- Reading ---- */

static int64_t column(struct sp_stmt *stmt, int at)
{
    return sp_stmt_column_int(stmt, at);
}

sp_status sp_venue_store_read_order(struct sp_stmt *stmt, const struct sp_exchange *x,
                                    struct sp_venue_order_row *row, struct sp_err *err)
{
    sp_name symbol = {{0}};

    *row = (struct sp_venue_order_row){.order_no = (uint64_t)column(stmt, 0),
                                       .pair_no = (uint64_t)column(stmt, 2),
                                       .side = (enum sp_side)column(stmt, 5),
                                       .type = (enum sp_order_type)column(stmt, 6),
                                       .tif = (enum sp_tif)column(stmt, 7),
                                       .state = (enum sp_order_state)column(stmt, 8),
                                       .qty = {column(stmt, 9)},
                                       .filled = {column(stmt, 10)},
                                       .px = {column(stmt, 11)},
                                       .stop_px = {column(stmt, 12)},
                                       .updated = {column(stmt, 14)},
                                       .created = {column(stmt, 15)},
                                       .quote_filled = {column(stmt, 16)},
                                       .quote_qty = {column(stmt, 17)},
                                       .account = (uint32_t)column(stmt, 18),
                                       .list_no = (uint64_t)column(stmt, 19),
                                       .stp = (enum sp_match_stp)column(stmt, 21),
                                       .working = {column(stmt, 22)},
                                       .counter_no = (uint64_t)column(stmt, 23)};
    bool named = sp_name_set(&row->client_order_id, sp_stmt_column_text(stmt, 1)) &&
                 sp_name_set(&row->list_client_id, sp_stmt_column_text(stmt, 20)) &&
                 sp_name_set(&row->pair_client_order_id, sp_stmt_column_text(stmt, 3)) &&
                 sp_name_set(&symbol, sp_stmt_column_text(stmt, 4));
    sp_text_printf(&row->reason, "%s", sp_stmt_column_text(stmt, 13));
    int instrument = named ? sp_exchange_instrument(x, &symbol) : -1;
    if (instrument < 0) {
        return SP_FAIL(err, SP_CONFIG,
                       "the venue's file holds order %lld of %s, which this world does not trade",
                       (long long)row->order_no, sp_stmt_column_text(stmt, 4));
    }
    row->instrument = (uint32_t)instrument;
    if (row->account < x->account_count) return SP_OK;
    return SP_FAIL(err, SP_CORRUPT, "the venue's file holds order %lld of no account",
                   (long long)row->order_no);
}

SP_NODISCARD static sp_status load_accounts(struct sp_venue_store *store, struct sp_exchange *x,
                                            struct sp_err *err)
{
    struct sp_stmt *stmt = store->statements[GET_ACCOUNTS];
    sp_status status = sp_stmt_next(stmt, err);

    while (status == SP_OK) {
        sp_name name = {{0}};
        uint32_t account = 0;
        bool fits = sp_name_set(&name, sp_stmt_column_text(stmt, 1));
        status = fits ? sp_exchange_add_account(x, &name, &account, err)
                      : SP_FAIL(err, SP_CORRUPT, "the venue's file names an impossible account");
        if (status == SP_OK && account != (uint64_t)column(stmt, 0)) {
            status = SP_FAIL(err, SP_CORRUPT, "the venue's file numbers its accounts otherwise");
        }
        if (status == SP_OK) status = sp_stmt_next(stmt, err);
    }
    sp_stmt_reset(stmt);
    return status == SP_NOT_FOUND ? SP_OK : status;
}

SP_NODISCARD static sp_status take_balance(struct sp_stmt *stmt, struct sp_exchange *x,
                                           struct sp_err *err)
{
    sp_name asset = {{0}};
    int64_t account = column(stmt, 0);

    if (!sp_name_set(&asset, sp_stmt_column_text(stmt, 1)) || account < 0 ||
        account >= (int64_t)x->account_count ||
        x->accounts[account].balance_count == SP_VENUE_ASSETS_MAX) {
        return SP_FAIL(err, SP_CORRUPT, "the venue's file holds an impossible balance");
    }
    sp_exchange_balance(x, (uint32_t)account, &asset)->total = (sp_amt){column(stmt, 2)};
    return SP_OK;
}

/* What the file has replaces what was configured. */
SP_NODISCARD static sp_status load_balances(struct sp_venue_store *store, struct sp_exchange *x,
                                            bool *is_new, struct sp_err *err)
{
    struct sp_stmt *stmt = store->statements[GET_BALANCES];
    sp_status status = sp_stmt_next(stmt, err);

    *is_new = status == SP_NOT_FOUND;
    if (status == SP_OK) x->accounts[0].balance_count = 0;
    while (status == SP_OK) {
        status = take_balance(stmt, x, err);
        if (status == SP_OK) status = sp_stmt_next(stmt, err);
    }
    sp_stmt_reset(stmt);
    return status == SP_NOT_FOUND ? SP_OK : status;
}

SP_NODISCARD static sp_status load_open(struct sp_venue_store *store, struct sp_exchange *x,
                                        struct sp_err *err)
{
    struct sp_stmt *stmt = store->statements[GET_OPEN];
    struct sp_venue_order_row row;

    sp_stmt_int(stmt, 1, SP_ORDER_STATE_FILLED);
    sp_status status = sp_stmt_next(stmt, err);
    while (status == SP_OK) {
        status = sp_venue_store_read_order(stmt, x, &row, err);
        if (status == SP_OK) status = sp_exchange_restore(x, &row, err);
        if (status == SP_OK) status = sp_stmt_next(stmt, err);
    }
    sp_stmt_reset(stmt);
    return status == SP_NOT_FOUND ? SP_OK : status;
}

sp_status sp_venue_store_load(struct sp_venue_store *store, struct sp_exchange *x,
                              struct sp_err *err)
{
    struct sp_stmt *stmt = store->statements[GET_COUNTERS];
    struct sp_venue_changes none = {0};
    bool is_new = false;

    sp_status status = sp_stmt_next(stmt, err);
    if (status == SP_OK) {
        x->last_order_no = (uint64_t)column(stmt, 0);
        x->last_trade_no = (uint64_t)column(stmt, 1);
        sp_stmt_reset(stmt);
    } else if (status != SP_NOT_FOUND) {
        return status;
    }
    status = load_accounts(store, x, err);
    if (status == SP_OK) status = load_balances(store, x, &is_new, err);
    if (status == SP_OK && is_new) status = sp_venue_store_save(store, x, &none, err);
    if (status == SP_OK) status = load_open(store, x, err);
    return status;
}
