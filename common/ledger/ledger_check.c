#include "common/ledger/ledger_check.h"

#include "common/journal/journal.h"

#include <stdio.h>
#include <string.h>

#define BATCH_MAX 500

/* ---- The file by itself ---- */

/* A query that finds nothing if all is well. */
SP_NODISCARD static sp_status expect_none(struct sp_db *db, const char *sql, const char *what,
                                          struct sp_err *err)
{
    struct sp_stmt *stmt = NULL;

    sp_status status = sp_db_prepare(db, sql, &stmt, err);
    if (status == SP_OK) status = sp_stmt_next(stmt, err);
    if (status == SP_NOT_FOUND) return SP_OK;
    if (status != SP_OK) return status;
    status = SP_FAIL(err, SP_CORRUPT, "%s: %.80s", what, sp_stmt_column_text(stmt, 0));
    sp_stmt_reset(stmt);
    return status;
}

sp_status sp_ledger_check(struct sp_ledger_rows *rows, struct sp_err *err)
{
    static const struct {
        const char *sql, *what;
    } checks[] = {
        {"SELECT integrity_check FROM pragma_integrity_check WHERE integrity_check <> 'ok'",
         "the file is damaged"},
        {"SELECT \"table\" FROM pragma_foreign_key_check", "a row refers to none"},
        {"SELECT seq FROM postings GROUP BY seq, asset HAVING sum(amount) <> 0",
         "a transaction does not sum to zero, sequence"},
        {"SELECT seq FROM transactions WHERE seq NOT IN (SELECT seq FROM postings)",
         "a transaction has no postings, sequence"},
        {"SELECT seq FROM transactions WHERE kind = 'FILL' AND seq NOT IN (SELECT seq FROM fills)",
         "a transaction has no fill, sequence"},
    };
    sp_status status = SP_OK;

    for (size_t i = 0; i < sizeof checks / sizeof *checks && status == SP_OK; i++)
        status = expect_none(sp_ledger_rows_db(rows), checks[i].sql, checks[i].what, err);
    return status;
}

/* ---- Its content as a number ---- */

typedef unsigned __int128 hash;

static void hash_text(hash *h, const char *text)
{
    const hash prime = ((hash)1 << 88) + 0x13b;

    do {
        *h ^= (unsigned char)*text;
        *h *= prime;
    } while (*text++ != '\0');
}

/* Runs a query of one text column through the hash. */
SP_NODISCARD static sp_status hash_rows(struct sp_db *db, const char *sql, hash *h,
                                        struct sp_err *err)
{
    struct sp_stmt *stmt = NULL;

    sp_status status = sp_db_prepare(db, sql, &stmt, err);
    while (status == SP_OK) {
        status = sp_stmt_next(stmt, err);
        if (status == SP_OK) hash_text(h, sp_stmt_column_text(stmt, 0));
    }
    return status == SP_NOT_FOUND ? SP_OK : status;
}

sp_status sp_ledger_hash(struct sp_ledger_rows *rows, char out[SP_LEDGER_HASH_SIZE],
                         struct sp_err *err)
{
    /* clang-format off */
    static const struct { const char *table, *columns; } tables[] = {
        {"meta", "quote(stream)||','||cursor"},
        {"accounts", "quote(account)||','||quote(kind)"},
        {"transactions", "seq||','||quote(kind)||','||quote(trade_id)||','||time"},
        {"postings", "seq||','||leg||','||quote(account)||','||quote(asset)||','||amount"},
        {"orders", "quote(client_order_id)||','||seq||','||quote(trade_id)||','||quote(link)||','||"
                   "quote(symbol)||','||quote(role)||','||quote(side)||','||quote(type)||','||qty"
                   "||','||px||','||stop_px||','||quote(outcome)||','||venue_order_id"},
        {"fills", "quote(venue)||','||quote(symbol)||','||venue_trade_id||','||seq||','||"
                  "quote(client_order_id)||','||quote(trade_id)||','||quote(link)||','||"
                  "quote(side)||','||px||','||qty||','||fee||','||quote(fee_asset)||','||"
                  "quote(liquidity)||','||venue_time"},
        {"trades", "quote(trade_id)||','||seq||','||quote(link)||','||quote(symbol)||','||opened"
                   "||','||closed||','||quote(cause)||','||qty||','||bought||','||sold||','||fees"
                   "||','||pnl||','||dust"},
        {"links", "quote(link)||','||seq||','||cash||','||realised_pnl||','||fees||','||position"},
    };
    /* clang-format on */
    hash h = ((hash)0x6c62272e07bb0142 << 64) | 0x62b821756295c58d;
    sp_status status = SP_OK;

    for (size_t i = 0; i < sizeof tables / sizeof *tables && status == SP_OK; i++) {
        char sql[640];
        snprintf(sql, sizeof sql, "SELECT %s FROM %s ORDER BY 1", tables[i].columns,
                 tables[i].table);
        hash_text(&h, tables[i].table);
        status = hash_rows(sp_ledger_rows_db(rows), sql, &h, err);
    }
    if (status != SP_OK) return status;
    snprintf(out, SP_LEDGER_HASH_SIZE, "%016llx%016llx", (unsigned long long)(h >> 64),
             (unsigned long long)h);
    return SP_OK;
}

/* ---- From the journal ---- */

/* Up to BATCH_MAX records in one transaction. SP_AGAIN: the journal ends, or `upto` is reached. */
SP_NODISCARD static sp_status fold_batch(struct sp_ledger_rows *rows,
                                         struct sp_journal_reader *reader, uint64_t upto,
                                         struct sp_err *err)
{
    static struct sp_record record;
    uint64_t cursor = sp_ledger_rows_cursor(rows);
    sp_status end = SP_OK;

    sp_status status = sp_db_begin(sp_ledger_rows_db(rows), err);
    for (int i = 0; i < BATCH_MAX && status == SP_OK && end == SP_OK; i++) {
        if (upto != 0 && cursor >= upto) {
            end = SP_AGAIN;
            break;
        }
        status = sp_journal_reader_next(reader, &record, NULL, err);
        if (status == SP_AGAIN) {
            end = SP_AGAIN;
            status = SP_OK;
            break;
        }
        if (status == SP_OK) status = sp_ledger_rows_put(rows, &record, err);
        if (status == SP_OK) cursor = record.seq;
    }
    if (status == SP_OK) status = sp_ledger_rows_commit(rows, cursor, err);
    if (status == SP_OK) return end;
    sp_db_rollback(sp_ledger_rows_db(rows));
    return status;
}

sp_status sp_ledger_fold(struct sp_ledger_rows *rows, const char *dir, const sp_name *stream,
                         uint64_t upto, struct sp_err *err)
{
    struct sp_journal_reader *reader = NULL;

    if (upto != 0 && sp_ledger_rows_cursor(rows) >= upto) return SP_OK;
    sp_status status =
        sp_journal_reader_open(dir, stream, sp_ledger_rows_cursor(rows) + 1, &reader, err);
    while (status == SP_OK)
        status = fold_batch(rows, reader, upto, err);
    sp_journal_reader_close(reader);
    if (status != SP_AGAIN) return status;
    if (upto == 0 || sp_ledger_rows_cursor(rows) >= upto) return SP_OK;
    return SP_FAIL(err, SP_CORRUPT, "the journal ends at %llu, but the ledger has seen %llu",
                   (unsigned long long)sp_ledger_rows_cursor(rows), (unsigned long long)upto);
}

/* ---- By asset ---- */

static struct sp_ledger_asset *asset_of(struct sp_ledger_sums *sums, const char *name)
{
    for (uint32_t i = 0; i < sums->count; i++) {
        if (sp_name_is(&sums->at[i].asset, name)) return &sums->at[i];
    }
    if (sums->count == SP_LEDGER_ASSETS_MAX) return NULL;
    struct sp_ledger_asset *asset = &sums->at[sums->count++];
    *asset = (struct sp_ledger_asset){.asset = sp_name_of(name)};
    return asset;
}

SP_NODISCARD static bool add(struct sp_ledger_sums *sums, const char *name, int64_t gain,
                             int64_t fee)
{
    struct sp_ledger_asset *asset = asset_of(sums, name);

    return asset != NULL && !__builtin_add_overflow(asset->journal, gain, &asset->journal) &&
           !__builtin_add_overflow(asset->journal_fees, fee, &asset->journal_fees);
}

SP_NODISCARD static sp_status sum_fill(const struct sp_fill *fill,
                                       const struct sp_world_config *world,
                                       struct sp_ledger_sums *sums, struct sp_err *err)
{
    const struct sp_instrument_config *is = sp_world_instrument(world, fill->symbol.s);
    bool buys = fill->side == SP_SIDE_BUY;
    sp_amt value = {0};

    if (is == NULL)
        return SP_FAIL(err, SP_INVALID, "%s is not among the world's instruments", fill->symbol.s);
    bool fits = sp_px_times_qty(fill->px, fill->qty, &value) &&
                add(sums, is->base.s, buys ? fill->qty.e8 : -fill->qty.e8, 0) &&
                add(sums, is->quote.s, buys ? -value.e8 : value.e8, 0) &&
                (fill->fee.e8 == 0 || add(sums, fill->fee_asset.s, -fill->fee.e8, fill->fee.e8));
    sums->fills++;
    return fits ? SP_OK : SP_FAIL(err, SP_FULL, "the sums of all fills do not fit");
}

SP_NODISCARD static sp_status sum_postings(struct sp_db *db, struct sp_ledger_sums *sums,
                                           struct sp_err *err)
{
    struct sp_stmt *stmt = NULL;

    sp_status status = sp_db_prepare(db,
                                     "SELECT asset, kind, sum(amount) FROM postings"
                                     " JOIN accounts USING (account) GROUP BY asset, kind",
                                     &stmt, err);
    while (status == SP_OK) {
        status = sp_stmt_next(stmt, err);
        if (status != SP_OK) break;
        struct sp_ledger_asset *asset = asset_of(sums, sp_stmt_column_text(stmt, 0));
        if (asset == NULL) {
            sp_stmt_reset(stmt);
            return SP_FAIL(err, SP_FULL, "more than %d assets", SP_LEDGER_ASSETS_MAX);
        }
        const char *kind = sp_stmt_column_text(stmt, 1);
        int64_t amount = sp_stmt_column_int(stmt, 2);
        if (strcmp(kind, "link") == 0) asset->links = amount;
        if (strcmp(kind, "dust") == 0) asset->dust = amount;
        if (strcmp(kind, "fees") == 0) asset->fees = amount;
        if (strcmp(kind, "venue") == 0) asset->venue = amount;
    }
    return status == SP_NOT_FOUND ? SP_OK : status;
}

sp_status sp_ledger_sum(struct sp_ledger_rows *rows, const struct sp_world_config *world,
                        const char *dir, const sp_name *stream, struct sp_ledger_sums *sums,
                        struct sp_err *err)
{
    static struct sp_record record;
    struct sp_journal_reader *reader = NULL;
    uint64_t upto = sp_ledger_rows_cursor(rows);

    *sums = (struct sp_ledger_sums){0};
    sp_status status = sp_journal_reader_open(dir, stream, 1, &reader, err);
    while (status == SP_OK) {
        status = sp_journal_reader_next(reader, &record, NULL, err);
        if (status != SP_OK || record.seq > upto) break;
        if (record.kind == SP_REC_FILL) status = sum_fill(&record.body.fill, world, sums, err);
    }
    sp_journal_reader_close(reader);
    if (status != SP_OK && status != SP_AGAIN) return status;
    return sum_postings(sp_ledger_rows_db(rows), sums, err);
}

bool sp_ledger_asset_agrees(const struct sp_ledger_asset *asset)
{
    return asset->journal == asset->links + asset->dust && asset->journal_fees == asset->fees &&
           asset->links + asset->dust + asset->fees + asset->venue == 0;
}
