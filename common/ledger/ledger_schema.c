#include "common/ledger/ledger_schema.h"

#include "common/ledger/ledger_chain.h"

#include <stdio.h>
#include <sys/stat.h>

#define APPLICATION_ID 0x53704c67 /* "SpLg" */

/* clang-format off */
#define KEPT(table)                                                                            \
    "CREATE TRIGGER IF NOT EXISTS " table "_stay BEFORE UPDATE ON " table " BEGIN"             \
    " SELECT RAISE(ABORT, '" table " are never changed'); END;"                                \
    "CREATE TRIGGER IF NOT EXISTS " table "_are_kept BEFORE DELETE ON " table " BEGIN"         \
    " SELECT RAISE(ABORT, '" table " are never deleted'); END;"
/* clang-format on */

#define HASH " hash TEXT NOT NULL CHECK (length(hash) = 64)"

/* Money, prices and quantities are integers in units of 1e-8, times are ns since 1970 UTC. */
static const char schema[] =
    "CREATE TABLE IF NOT EXISTS accounts (account TEXT PRIMARY KEY,"
    " kind TEXT NOT NULL CHECK (kind IN ('link', 'dust', 'fees', 'venue')),"
    " CHECK (substr(account, 1, length(kind) + 1) = kind || ':')) STRICT;"
    "CREATE TABLE IF NOT EXISTS transactions (seq INTEGER PRIMARY KEY,"
    " kind TEXT NOT NULL CHECK (kind IN ('FILL', 'DUST')), trade_id TEXT NOT NULL,"
    " time INTEGER NOT NULL," HASH ") STRICT;"
    "CREATE TABLE IF NOT EXISTS postings (seq INTEGER NOT NULL"
    " REFERENCES transactions (seq) DEFERRABLE INITIALLY DEFERRED, leg INTEGER NOT NULL,"
    " account TEXT NOT NULL REFERENCES accounts (account), asset TEXT NOT NULL,"
    " amount INTEGER NOT NULL CHECK (amount <> 0)," HASH ", PRIMARY KEY (seq, leg)) STRICT;"
    "CREATE TRIGGER IF NOT EXISTS transactions_balance BEFORE INSERT ON transactions BEGIN"
    " SELECT RAISE(ABORT, 'a transaction has postings')"
    " WHERE NOT EXISTS (SELECT 1 FROM postings WHERE seq = NEW.seq);"
    " SELECT RAISE(ABORT, 'a transaction sums to zero in each asset') WHERE EXISTS"
    " (SELECT 1 FROM postings WHERE seq = NEW.seq GROUP BY asset HAVING sum(amount) <> 0); END;"
    "CREATE TRIGGER IF NOT EXISTS postings_come_first BEFORE INSERT ON postings"
    " WHEN EXISTS (SELECT 1 FROM transactions WHERE seq = NEW.seq) BEGIN"
    " SELECT RAISE(ABORT, 'a closed transaction takes no more'); END;"
    "CREATE TABLE IF NOT EXISTS meta (id INTEGER PRIMARY KEY CHECK (id = 1),"
    " stream TEXT NOT NULL, cursor INTEGER NOT NULL, chain TEXT NOT NULL) STRICT;"
    "CREATE TABLE IF NOT EXISTS orders (client_order_id TEXT PRIMARY KEY, seq INTEGER NOT NULL,"
    " trade_id TEXT NOT NULL, link TEXT NOT NULL, symbol TEXT NOT NULL, role TEXT NOT NULL,"
    " side TEXT NOT NULL, type TEXT NOT NULL, qty INTEGER NOT NULL CHECK (qty > 0),"
    " px INTEGER NOT NULL, stop_px INTEGER NOT NULL, outcome TEXT NOT NULL DEFAULT '',"
    " venue_order_id INTEGER NOT NULL DEFAULT 0) STRICT;"
    "CREATE TABLE IF NOT EXISTS fills (venue TEXT NOT NULL, symbol TEXT NOT NULL,"
    " venue_trade_id INTEGER NOT NULL, seq INTEGER NOT NULL UNIQUE"
    " REFERENCES transactions (seq) DEFERRABLE INITIALLY DEFERRED, client_order_id TEXT NOT NULL,"
    " trade_id TEXT NOT NULL, link TEXT NOT NULL, side TEXT NOT NULL,"
    " px INTEGER NOT NULL CHECK (px > 0), qty INTEGER NOT NULL CHECK (qty > 0),"
    " fee INTEGER NOT NULL, fee_asset TEXT NOT NULL, liquidity TEXT NOT NULL,"
    " venue_time INTEGER NOT NULL," HASH ", PRIMARY KEY (venue, symbol, venue_trade_id)) STRICT;"
    "CREATE TABLE IF NOT EXISTS trades (trade_id TEXT PRIMARY KEY, seq INTEGER NOT NULL,"
    " link TEXT NOT NULL, symbol TEXT NOT NULL, opened INTEGER NOT NULL,"
    " closed INTEGER NOT NULL DEFAULT 0, closed_seq INTEGER NOT NULL DEFAULT 0,"
    " cause TEXT NOT NULL DEFAULT '',"
    " qty INTEGER NOT NULL DEFAULT 0, bought INTEGER NOT NULL DEFAULT 0,"
    " sold INTEGER NOT NULL DEFAULT 0, fees INTEGER NOT NULL DEFAULT 0,"
    " pnl INTEGER NOT NULL DEFAULT 0 CHECK (pnl = sold - bought - fees),"
    " dust INTEGER NOT NULL DEFAULT 0) STRICT;"
    "CREATE TABLE IF NOT EXISTS links (link TEXT PRIMARY KEY, seq INTEGER NOT NULL,"
    " cash INTEGER NOT NULL, realised_pnl INTEGER NOT NULL, fees INTEGER NOT NULL,"
    " position INTEGER NOT NULL) STRICT;" KEPT("accounts") KEPT("transactions") KEPT("postings")
        KEPT("fills");

/* One number; `otherwise` if there is no row. */
SP_NODISCARD static sp_status get_number(struct sp_db *db, const char *text, int64_t otherwise,
                                         int64_t *out, struct sp_err *err)
{
    struct sp_stmt *stmt = NULL;

    sp_status status = sp_db_prepare(db, text, &stmt, err);
    if (status == SP_OK) status = sp_stmt_next(stmt, err);
    if (status == SP_OK) *out = sp_stmt_column_int(stmt, 0);
    if (status == SP_NOT_FOUND) {
        *out = otherwise;
        status = SP_OK;
    }
    sp_stmt_drop(stmt);
    return status;
}

sp_status sp_ledger_schema_look(struct sp_db *db, struct sp_ledger_seen *out, struct sp_err *err)
{
    int64_t version = 0, tables = 0, meta = 0, noted = 0;

    sp_status status = get_number(db, "PRAGMA user_version", 0, &version, err);
    if (status == SP_OK)
        status = get_number(db, "SELECT count(*) FROM sqlite_schema", 0, &tables, err);
    if (status == SP_OK)
        status =
            get_number(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'meta'", 0, &meta, err);
    if (status == SP_OK && meta > 0)
        status = get_number(db, "SELECT cursor FROM meta WHERE id = 1", 0, &noted, err);
    if (status != SP_OK) return status;
    out->version = tables > 0 ? version : -1;
    out->cursor = (uint64_t)noted;
    return SP_OK;
}

/* In one transaction, so that a file that was begun is whole: with version and cursor. */
sp_status sp_ledger_schema_create(struct sp_db *db, const sp_name *stream, struct sp_err *err)
{
    struct sp_ledger_chain chain;
    struct sp_stmt *stmt = NULL;
    char numbers[96];

    snprintf(numbers, sizeof numbers, "PRAGMA application_id=%d; PRAGMA user_version=%d;",
             APPLICATION_ID, SP_LEDGER_VERSION);
    sp_status status = sp_ledger_chain_start(&chain, stream->s, err);
    if (status == SP_OK) status = sp_db_begin(db, err);
    if (status == SP_OK) status = sp_db_execute(db, schema, err);
    if (status == SP_OK) status = sp_db_execute(db, numbers, err);
    if (status == SP_OK)
        status = sp_db_prepare(db, "INSERT INTO meta VALUES (1, ?1, 0, ?2)", &stmt, err);
    if (status == SP_OK) {
        sp_stmt_text(stmt, 1, stream->s);
        sp_stmt_text(stmt, 2, chain.head);
        status = sp_stmt_run(stmt, err);
    }
    sp_stmt_drop(stmt);
    if (status == SP_OK) status = sp_db_commit(db, err);
    if (status != SP_OK) sp_db_rollback(db);
    return status;
}

sp_status sp_ledger_schema_check(struct sp_db *db, const char *path, struct sp_err *err)
{
    struct sp_ledger_seen seen = {0};
    int64_t application = 0;

    sp_status status = sp_ledger_schema_look(db, &seen, err);
    if (status != SP_OK) return status;
    if (seen.version != SP_LEDGER_VERSION)
        return SP_FAIL(err, SP_VERSION, "%.60s has version %d, not %d: spoor ledger rebuild", path,
                       (int)seen.version, SP_LEDGER_VERSION);
    status = get_number(db, "PRAGMA application_id", 0, &application, err);
    if (status == SP_OK && application != APPLICATION_ID)
        status = SP_FAIL(err, SP_CORRUPT, "%.60s is not a ledger", path);
    return status;
}

sp_status sp_ledger_schema_peek(const char *path, struct sp_ledger_seen *out, struct sp_err *err)
{
    struct sp_db *db = NULL;
    struct stat st;

    if (stat(path, &st) != 0 || st.st_size == 0) {
        *out = (struct sp_ledger_seen){.version = -1};
        return SP_OK;
    }
    sp_status status = sp_db_open(path, SP_DB_SYNC_LAZY, "", &db, err);
    if (status == SP_OK) status = sp_ledger_schema_look(db, out, err);
    sp_db_close(db);
    return status;
}
