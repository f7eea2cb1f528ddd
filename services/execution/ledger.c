#include "services/execution/ledger.h"

#include "common/db.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_MAX 500

/* Money, prices and quantities are integers in units of 1e-8, times are ns since 1970 UTC. */
static const char schema[] =
    "CREATE TABLE IF NOT EXISTS meta (id INTEGER PRIMARY KEY CHECK (id = 1),"
    " stream TEXT NOT NULL, cursor INTEGER NOT NULL) STRICT;"
    "CREATE TABLE IF NOT EXISTS orders (client_order_id TEXT PRIMARY KEY, seq INTEGER NOT NULL,"
    " trade_id TEXT NOT NULL, link TEXT NOT NULL, symbol TEXT NOT NULL, role TEXT NOT NULL,"
    " side TEXT NOT NULL, type TEXT NOT NULL, qty INTEGER NOT NULL CHECK (qty > 0),"
    " px INTEGER NOT NULL, stop_px INTEGER NOT NULL, outcome TEXT NOT NULL DEFAULT '',"
    " venue_order_id INTEGER NOT NULL DEFAULT 0) STRICT;"
    "CREATE TABLE IF NOT EXISTS fills (venue TEXT NOT NULL, symbol TEXT NOT NULL,"
    " venue_trade_id INTEGER NOT NULL, seq INTEGER NOT NULL UNIQUE, client_order_id TEXT NOT NULL,"
    " trade_id TEXT NOT NULL, link TEXT NOT NULL, side TEXT NOT NULL,"
    " px INTEGER NOT NULL CHECK (px > 0), qty INTEGER NOT NULL CHECK (qty > 0),"
    " fee INTEGER NOT NULL, fee_asset TEXT NOT NULL, liquidity TEXT NOT NULL,"
    " venue_time INTEGER NOT NULL, PRIMARY KEY (venue, symbol, venue_trade_id)) STRICT;"
    "CREATE TABLE IF NOT EXISTS trades (trade_id TEXT PRIMARY KEY, seq INTEGER NOT NULL,"
    " link TEXT NOT NULL, symbol TEXT NOT NULL, opened INTEGER NOT NULL,"
    " closed INTEGER NOT NULL DEFAULT 0, cause TEXT NOT NULL DEFAULT '',"
    " qty INTEGER NOT NULL DEFAULT 0, bought INTEGER NOT NULL DEFAULT 0,"
    " sold INTEGER NOT NULL DEFAULT 0, fees INTEGER NOT NULL DEFAULT 0,"
    " pnl INTEGER NOT NULL DEFAULT 0 CHECK (pnl = sold - bought - fees)) STRICT;"
    "CREATE TABLE IF NOT EXISTS links (link TEXT PRIMARY KEY, seq INTEGER NOT NULL,"
    " cash INTEGER NOT NULL, realised_pnl INTEGER NOT NULL, fees INTEGER NOT NULL,"
    " position INTEGER NOT NULL) STRICT;"
    "CREATE TRIGGER IF NOT EXISTS fills_stay BEFORE UPDATE ON fills BEGIN"
    " SELECT RAISE(ABORT, 'fills are never changed'); END;"
    "CREATE TRIGGER IF NOT EXISTS fills_are_kept BEFORE DELETE ON fills BEGIN"
    " SELECT RAISE(ABORT, 'fills are never deleted'); END;";

enum statement {
    PUT_ORDER,
    PUT_OUTCOME,
    PUT_FILL,
    PUT_OPENED,
    PUT_CLOSED,
    PUT_LINK,
    PUT_CURSOR,
    STATEMENTS
};

static const char *const sql[STATEMENTS] = {
    [PUT_ORDER] = "INSERT INTO orders (client_order_id, seq, trade_id, link, symbol, role, side,"
                  " type, qty, px, stop_px) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11)",
    [PUT_OUTCOME] = "UPDATE orders SET outcome = ?2, venue_order_id = max(venue_order_id, ?3)"
                    " WHERE client_order_id = ?1",
    [PUT_FILL] = "INSERT INTO fills (venue, symbol, venue_trade_id, seq, client_order_id,"
                 " trade_id, link, side, px, qty, fee, fee_asset, liquidity, venue_time)"
                 " VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14)",
    [PUT_OPENED] = "INSERT INTO trades (trade_id, seq, link, symbol, opened)"
                   " VALUES (?1,?2,?3,?4,?5)",
    [PUT_CLOSED] = "UPDATE trades SET closed = ?2, cause = ?3, qty = ?4, bought = ?5, sold = ?6,"
                   " fees = ?7, pnl = ?8 WHERE trade_id = ?1",
    [PUT_LINK] = "INSERT INTO links (link, seq, cash, realised_pnl, fees, position)"
                 " VALUES (?1,?2,?3,?4,?5,?6) ON CONFLICT (link) DO UPDATE SET seq = ?2,"
                 " cash = ?3, realised_pnl = ?4, fees = ?5, position = ?6",
    [PUT_CURSOR] = "UPDATE meta SET cursor = ?1 WHERE id = 1",
};

struct sp_ledger {
    struct sp_ledger_options options;
    char path[512], journal_dir[512];
    struct sp_db *db;
    struct sp_stmt *statements[STATEMENTS];
    struct sp_journal_reader *reader;
    struct sp_record record; /* read, not yet written if `held` */
    bool held;
    atomic_uint_fast64_t cursor;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    uint64_t target;  /* under lock: write up to here */
    bool stop;        /* under lock */
    sp_status health; /* under lock */
    struct sp_err why;
};

/* ---- One record into rows ---- */

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

static struct sp_stmt *bind_intent(struct sp_ledger *ledger, const struct sp_record *record)
{
    const struct sp_order_intent *b = &record->body.order_intent;
    struct sp_stmt *stmt = ledger->statements[PUT_ORDER];

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

static struct sp_stmt *bind_fill(struct sp_ledger *ledger, const struct sp_record *record)
{
    const struct sp_fill *b = &record->body.fill;
    struct sp_stmt *stmt = ledger->statements[PUT_FILL];

    bind_name(stmt, 1, &b->venue);
    bind_name(stmt, 2, &b->symbol);
    bind_int(stmt, 3, (int64_t)b->venue_trade_id);
    bind_int(stmt, 4, (int64_t)record->seq);
    bind_name(stmt, 5, &b->client_order_id);
    bind_trade(stmt, 6, b->trade_id);
    bind_name(stmt, 7, &b->strategy_link_id);
    bind_enum(stmt, 8, SP_ENUM_SIDE, b->side);
    bind_int(stmt, 9, b->px.e8);
    bind_int(stmt, 10, b->qty.e8);
    bind_int(stmt, 11, b->fee.e8);
    bind_name(stmt, 12, &b->fee_asset);
    bind_enum(stmt, 13, SP_ENUM_LIQUIDITY, b->liquidity);
    bind_int(stmt, 14, b->venue_time.ns);
    return stmt;
}

static struct sp_stmt *bind_opened(struct sp_ledger *ledger, const struct sp_record *record)
{
    const struct sp_trade_opened *b = &record->body.trade_opened;
    struct sp_stmt *stmt = ledger->statements[PUT_OPENED];

    bind_trade(stmt, 1, b->trade_id);
    bind_int(stmt, 2, (int64_t)record->seq);
    bind_name(stmt, 3, &b->strategy_link_id);
    bind_name(stmt, 4, &b->symbol);
    bind_int(stmt, 5, record->time.ns);
    return stmt;
}

static struct sp_stmt *bind_closed(struct sp_ledger *ledger, const struct sp_record *record)
{
    const struct sp_trade_closed *b = &record->body.trade_closed;
    struct sp_stmt *stmt = ledger->statements[PUT_CLOSED];

    bind_trade(stmt, 1, b->trade_id);
    bind_int(stmt, 2, record->time.ns);
    bind_enum(stmt, 3, SP_ENUM_CLOSE_CAUSE, b->cause);
    bind_int(stmt, 4, b->qty.e8);
    bind_int(stmt, 5, b->bought.e8);
    bind_int(stmt, 6, b->sold.e8);
    bind_int(stmt, 7, b->fees.e8);
    bind_int(stmt, 8, b->realised_pnl.e8);
    return stmt;
}

static struct sp_stmt *bind_link(struct sp_ledger *ledger, const struct sp_record *record)
{
    const struct sp_ledger_state *b = &record->body.ledger_state;
    struct sp_stmt *stmt = ledger->statements[PUT_LINK];

    bind_name(stmt, 1, &b->strategy_link_id);
    bind_int(stmt, 2, (int64_t)record->seq);
    bind_int(stmt, 3, b->cash.e8);
    bind_int(stmt, 4, b->realised_pnl.e8);
    bind_int(stmt, 5, b->fees.e8);
    bind_int(stmt, 6, b->position.e8);
    return stmt;
}

static struct sp_stmt *bind_outcome(struct sp_ledger *ledger, const struct sp_record *record)
{
    const struct sp_order_event *b = &record->body.order_event;
    struct sp_stmt *stmt = ledger->statements[PUT_OUTCOME];

    bind_name(stmt, 1, &b->client_order_id);
    sp_stmt_text(stmt, 2, sp_kind_name(record->kind));
    bind_int(stmt, 3, (int64_t)b->venue_order_id);
    return stmt;
}

/* NULL for records that are not in the ledger. */
static struct sp_stmt *bind(struct sp_ledger *ledger, const struct sp_record *record)
{
    enum sp_dto dto = sp_kind_info(record->kind)->dto;

    if (record->kind == SP_REC_ORDER_INTENT) return bind_intent(ledger, record);
    if (record->kind == SP_REC_FILL) return bind_fill(ledger, record);
    if (record->kind == SP_REC_TRADE_OPENED) return bind_opened(ledger, record);
    if (record->kind == SP_REC_TRADE_CLOSED) return bind_closed(ledger, record);
    if (record->kind == SP_REC_LEDGER_STATE_CHANGED) return bind_link(ledger, record);
    if (dto == SP_DTO_order_event) return bind_outcome(ledger, record);
    return NULL;
}

/* ---- The thread ---- */

/* Writes up to BATCH_MAX records not above `target`, with the cursor, in one transaction. *more
 * says whether there was more to read. */
SP_NODISCARD static sp_status write_batch(struct sp_ledger *ledger, uint64_t target, bool *more,
                                          struct sp_err *err)
{
    uint64_t cursor = atomic_load(&ledger->cursor);
    uint32_t written = 0;

    *more = false;
    sp_status status = sp_db_begin(ledger->db, err);
    while (status == SP_OK && written < BATCH_MAX) {
        if (!ledger->held) {
            status = sp_journal_reader_next(ledger->reader, &ledger->record, NULL, err);
            if (status != SP_OK) break;
            ledger->held = true;
        }
        if (ledger->record.seq > target) break;
        struct sp_stmt *stmt = bind(ledger, &ledger->record);
        if (stmt != NULL) status = sp_stmt_run(stmt, err);
        cursor = ledger->record.seq;
        ledger->held = false;
        written++;
    }
    if (status == SP_AGAIN) status = SP_OK;
    if (status == SP_OK) {
        bind_int(ledger->statements[PUT_CURSOR], 1, (int64_t)cursor);
        status = sp_stmt_run(ledger->statements[PUT_CURSOR], err);
    }
    if (status == SP_OK) status = sp_db_commit(ledger->db, err);
    if (status != SP_OK) {
        sp_db_rollback(ledger->db);
        return status;
    }
    atomic_store(&ledger->cursor, cursor);
    *more = written == BATCH_MAX;
    return SP_OK;
}

/* The durable part of what was asked for. */
static uint64_t writable(const struct sp_ledger *ledger)
{
    uint64_t durable = sp_journal_durable_seq(ledger->options.journal);

    return ledger->target < durable ? ledger->target : durable;
}

static void *work(void *ctx)
{
    struct sp_ledger *ledger = ctx;
    struct sp_err err = {0};
    sp_status status = SP_OK;

    pthread_mutex_lock(&ledger->lock);
    while (status == SP_OK) {
        uint64_t target = writable(ledger), before = atomic_load(&ledger->cursor);
        if (target > before) {
            bool more = true;
            pthread_mutex_unlock(&ledger->lock);
            while (status == SP_OK && more)
                status = write_batch(ledger, target, &more, &err);
            pthread_mutex_lock(&ledger->lock);
            /* The reader may lag behind the writer's last line: wait for the next notice. */
        }
        /* A stop may have come while an older target was written: look once more. */
        if (status == SP_OK && ledger->stop && atomic_load(&ledger->cursor) != before) continue;
        if (status != SP_OK || ledger->stop) break;
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += 1; /* what was not durable yet is by then */
        pthread_cond_timedwait(&ledger->wake, &ledger->lock, &until);
    }
    ledger->health = status;
    ledger->why = err;
    pthread_mutex_unlock(&ledger->lock);
    return NULL;
}

/* ---- Opening ---- */

SP_NODISCARD static sp_status read_cursor(struct sp_ledger *ledger, struct sp_err *err)
{
    struct sp_stmt *stmt = NULL;

    sp_status status =
        sp_db_prepare(ledger->db, "SELECT stream, cursor FROM meta WHERE id = 1", &stmt, err);
    if (status == SP_OK) status = sp_stmt_next(stmt, err);
    if (status != SP_OK) return status;
    if (strcmp(sp_stmt_column_text(stmt, 0), ledger->options.stream.s) != 0) {
        status = SP_FAIL(err, SP_INVALID, "%s belongs to stream %s", ledger->path,
                         sp_stmt_column_text(stmt, 0));
    }
    atomic_store(&ledger->cursor, (uint64_t)sp_stmt_column_int(stmt, 1));
    sp_stmt_reset(stmt);
    return status;
}

SP_NODISCARD static sp_status prepare(struct sp_ledger *ledger, struct sp_err *err)
{
    struct sp_stmt *insert = NULL;

    sp_status status =
        sp_db_prepare(ledger->db, "INSERT OR IGNORE INTO meta VALUES (1, ?1, 0)", &insert, err);
    if (status != SP_OK) return status;
    bind_name(insert, 1, &ledger->options.stream);
    status = sp_stmt_run(insert, err);
    if (status == SP_OK) status = read_cursor(ledger, err);
    for (int i = 0; i < STATEMENTS && status == SP_OK; i++) {
        status = sp_db_prepare(ledger->db, sql[i], &ledger->statements[i], err);
    }
    return status;
}

/* The ledger only notes what the journal has synced, so a journal that ends earlier has lost data:
 * it was removed, or an old copy was put back. An empty journal never means "nothing was traded".
 */
SP_NODISCARD static sp_status check_journal(const struct sp_ledger *ledger, struct sp_err *err)
{
    uint64_t noted = atomic_load(&ledger->cursor);
    uint64_t held = sp_journal_next_seq(ledger->options.journal) - 1;

    if (noted <= held) return SP_OK;
    return SP_FAIL(
        err, SP_CORRUPT,
        "%s ends at sequence %llu, but the ledger has seen %llu: restore the journal, or "
        "move the whole folder away to begin anew",
        ledger->journal_dir, (unsigned long long)held, (unsigned long long)noted);
}

static void release(struct sp_ledger *ledger)
{
    sp_db_close(ledger->db);
    sp_journal_reader_close(ledger->reader);
    pthread_mutex_destroy(&ledger->lock);
    pthread_cond_destroy(&ledger->wake);
    free(ledger);
}

sp_status sp_ledger_open(const struct sp_ledger_options *options, struct sp_ledger **out,
                         struct sp_err *err)
{
    struct sp_ledger *ledger = calloc(1, sizeof *ledger);

    if (ledger == NULL) return SP_FAIL(err, SP_NO_MEMORY, "ledger");
    ledger->options = *options;
    snprintf(ledger->path, sizeof ledger->path, "%s", options->path);
    snprintf(ledger->journal_dir, sizeof ledger->journal_dir, "%s", options->journal_dir);
    pthread_mutex_init(&ledger->lock, NULL);
    pthread_cond_init(&ledger->wake, NULL);
    sp_status status = sp_db_open(options->path, SP_DB_SYNC_LAZY, schema, &ledger->db, err);
    if (status == SP_CORRUPT) {
        status =
            SP_FAIL(err, SP_CORRUPT, "%.80s is damaged: remove it, it is rebuilt from the journal",
                    options->path);
    }
    if (status == SP_OK) status = prepare(ledger, err);
    if (status == SP_OK) status = check_journal(ledger, err);
    if (status == SP_OK) {
        status = sp_journal_reader_open(ledger->journal_dir, &ledger->options.stream,
                                        atomic_load(&ledger->cursor) + 1, &ledger->reader, err);
    }
    if (status == SP_OK && pthread_create(&ledger->thread, NULL, work, ledger) != 0) {
        status = SP_FAIL(err, SP_NO_MEMORY, "ledger thread");
    }
    if (status != SP_OK) {
        release(ledger);
        return status;
    }
    *out = ledger;
    return SP_OK;
}

void sp_ledger_notify(struct sp_ledger *ledger, uint64_t seq)
{
    pthread_mutex_lock(&ledger->lock);
    if (seq > ledger->target) ledger->target = seq;
    pthread_cond_signal(&ledger->wake);
    pthread_mutex_unlock(&ledger->lock);
}

void sp_ledger_close(struct sp_ledger *ledger)
{
    if (ledger == NULL) return;
    pthread_mutex_lock(&ledger->lock);
    ledger->stop = true;
    pthread_cond_signal(&ledger->wake);
    pthread_mutex_unlock(&ledger->lock);
    pthread_join(ledger->thread, NULL);
    release(ledger);
}

uint64_t sp_ledger_cursor(const struct sp_ledger *ledger)
{
    return atomic_load(&ledger->cursor);
}

sp_status sp_ledger_health(struct sp_ledger *ledger, struct sp_err *err)
{
    pthread_mutex_lock(&ledger->lock);
    sp_status status = ledger->health;
    if (status != SP_OK) *err = ledger->why;
    pthread_mutex_unlock(&ledger->lock);
    return status;
}
