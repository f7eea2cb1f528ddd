#include "common/ledger/ledger_check.h"

#include "common/journal/journal.h"

#include <stdio.h>
#include <string.h>

/* ---- The file by itself ---- */

/* A query that finds nothing if all is well. */
SP_NODISCARD static sp_status expect_none(struct sp_db *db, const char *sql, const char *what,
                                          struct sp_err *err)
{
    struct sp_stmt *stmt = NULL;

    sp_status status = sp_db_prepare(db, sql, &stmt, err);
    if (status == SP_OK) {
        status = sp_stmt_next(stmt, err);
        if (status == SP_OK)
            status = SP_FAIL(err, SP_CORRUPT, "%s: %.80s", what, sp_stmt_column_text(stmt, 0));
        else if (status == SP_NOT_FOUND)
            status = SP_OK;
    }
    sp_stmt_drop(stmt);
    return status;
}

/* Leg 2 of a fill is its value in the quote currency, leg 4 the fee (ledger_rows.c). */
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
    {"SELECT seq FROM transactions WHERE seq > (SELECT cursor FROM meta)",
     "a transaction is beyond the cursor, sequence"},
    {"SELECT link FROM links LEFT JOIN (SELECT link, sum(pnl) AS pnl FROM trades GROUP BY link)"
     " AS t USING (link) WHERE realised_pnl <> coalesce(t.pnl, 0)",
     "a link's result is not that of its trades"},
    {"SELECT trade_id FROM trades LEFT JOIN (SELECT trade_id, sum(p.amount) AS gain,"
     " sum(iif(side = 'BUY', f.qty, 0)) AS bought FROM fills AS f JOIN trades AS c USING (trade_id)"
     " JOIN postings AS p ON p.seq = f.seq AND p.leg = 2 WHERE f.seq < c.closed_seq"
     " GROUP BY trade_id) AS t USING (trade_id) WHERE closed_seq > 0"
     " AND (sold - trades.bought <> coalesce(gain, 0) OR qty <> coalesce(t.bought, 0))",
     "a trade is not the sum of its fills"},
    {"SELECT link FROM links LEFT JOIN (SELECT f.link, -sum(fee.amount) AS paid FROM fills AS f"
     " JOIN postings AS value ON value.seq = f.seq AND value.leg = 2 JOIN postings AS fee ON"
     " fee.seq = f.seq AND fee.leg = 4 AND fee.asset = value.asset GROUP BY f.link) AS t"
     " USING (link) WHERE fees <> coalesce(paid, 0)",
     "a link's fees are not those of its fills"},
    {"SELECT t.link FROM (SELECT link, max(seq) AS last FROM fills GROUP BY link) AS t"
     " LEFT JOIN links USING (link) WHERE coalesce(links.seq, 0) < last",
     "a link was not written with its last fill"},
};

sp_status sp_ledger_check(struct sp_ledger_rows *rows, struct sp_err *err)
{
    struct sp_db *db = sp_ledger_rows_db(rows);
    sp_status status = SP_OK;

    for (size_t i = 0; i < sizeof checks / sizeof *checks && status == SP_OK; i++)
        status = expect_none(db, checks[i].sql, checks[i].what, err);
    return status == SP_OK ? sp_ledger_chain_verify(db, err) : status;
}

/* ---- Its content as a number ---- */

/* Runs a query's rows through the hash. */
SP_NODISCARD static sp_status hash_rows(struct sp_db *db, const char *table, const char *sql,
                                        struct sp_ledger_chain *chain, struct sp_err *err)
{
    struct sp_stmt *stmt = NULL;

    sp_status status = sp_db_prepare(db, sql, &stmt, err);
    while (status == SP_OK) {
        status = sp_stmt_next(stmt, err);
        if (status != SP_OK) break;
        sp_ledger_chain_row(chain, table);
        for (int i = 0; i < sp_stmt_columns(stmt); i++) {
            char text[SP_LEDGER_HASH_SIZE];
            const char *held = sp_stmt_column_text(stmt, i);
            status = sp_ledger_chain_hash(held, strlen(held), text, err); /* of whatever length */
            if (status != SP_OK) break;
            sp_ledger_chain_text(chain, text);
        }
        if (status == SP_OK && sp_stmt_failed(stmt))
            status = SP_FAIL(err, SP_NO_MEMORY, "a row of %s", table);
        if (status == SP_OK) status = sp_ledger_chain_end(chain, err);
    }
    sp_stmt_drop(stmt);
    return status == SP_NOT_FOUND ? SP_OK : status;
}

sp_status sp_ledger_hash(struct sp_ledger_rows *rows, char out[SP_LEDGER_HASH_SIZE],
                         struct sp_err *err)
{
    static const struct {
        const char *table, *key;
    } tables[] = {
        {"meta", "id"},
        {"accounts", "account"},
        {"transactions", "seq"},
        {"postings", "seq, leg"},
        {"orders", "client_order_id"},
        {"fills", "seq"},
        {"trades", "trade_id"},
        {"links", "link"},
    };
    struct sp_ledger_chain chain;

    sp_status status = sp_ledger_chain_start(&chain, "content", err);
    for (size_t i = 0; i < sizeof tables / sizeof *tables && status == SP_OK; i++) {
        char sql[96];
        snprintf(sql, sizeof sql, "SELECT * FROM %s ORDER BY %s", tables[i].table, tables[i].key);
        status = hash_rows(sp_ledger_rows_db(rows), tables[i].table, sql, &chain, err);
    }
    if (status == SP_OK) memcpy(out, chain.head, SP_LEDGER_HASH_SIZE);
    return status;
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
