#include "common/ledger/ledger_chain.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

sp_status sp_ledger_chain_hash(const void *bytes, size_t len_bytes, char out[SP_LEDGER_HASH_SIZE],
                               struct sp_err *err)
{
    uint8_t hash[SP_SHA256_BYTES];

    if (!sp_sha256(bytes, len_bytes, hash))
        return SP_FAIL(err, SP_NO_MEMORY, "SHA-256 of %zu bytes", len_bytes);
    sp_hex(hash, sizeof hash, out);
    return SP_OK;
}

/* ---- Adding ---- */

void sp_ledger_chain_text(struct sp_ledger_chain *chain, const char *text)
{
    size_t len = strlen(text) + 1;

    SP_ASSERT(chain->len_bytes + len <= sizeof chain->row);
    memcpy(chain->row + chain->len_bytes, text, len);
    chain->len_bytes += len;
}

void sp_ledger_chain_int(struct sp_ledger_chain *chain, int64_t value)
{
    char text[24];

    snprintf(text, sizeof text, "%" PRId64, value);
    sp_ledger_chain_text(chain, text);
}

void sp_ledger_chain_row(struct sp_ledger_chain *chain, const char *table)
{
    chain->len_bytes = 0;
    sp_ledger_chain_text(chain, chain->head);
    sp_ledger_chain_text(chain, table);
}

sp_status sp_ledger_chain_end(struct sp_ledger_chain *chain, struct sp_err *err)
{
    return sp_ledger_chain_hash(chain->row, chain->len_bytes, chain->head, err);
}

sp_status sp_ledger_chain_start(struct sp_ledger_chain *chain, const char *stream,
                                struct sp_err *err)
{
    chain->len_bytes = 0;
    sp_ledger_chain_text(chain, "spoor ledger 3");
    sp_ledger_chain_text(chain, stream);
    return sp_ledger_chain_end(chain, err);
}

/* ---- Following ---- */

enum table { TRANSACTIONS, POSTINGS, FILLS, TABLES };

/* The first column is the sequence, the last the hash; all but it are hashed. */
static const struct {
    const char *name, *sql;
} tables[TABLES] = {
    [TRANSACTIONS] = {"transactions",
                      "SELECT seq, kind, trade_id, time, hash FROM transactions ORDER BY seq"},
    [POSTINGS] = {"postings",
                  "SELECT seq, leg, account, asset, amount, hash FROM postings ORDER BY seq, leg"},
    [FILLS] = {"fills", "SELECT seq, venue, symbol, venue_trade_id, client_order_id, trade_id,"
                        " link, side, px, qty, fee, fee_asset, liquidity, venue_time, hash"
                        " FROM fills ORDER BY seq"},
};

struct walk {
    struct sp_db *db;
    struct sp_ledger_chain chain;
    struct sp_stmt *stmt[TABLES];
    bool ended[TABLES];
    int64_t seq[TABLES]; /* of the row at which each stands */
};

SP_NODISCARD static sp_status step(struct walk *walk, enum table which, struct sp_err *err)
{
    sp_status status = sp_stmt_next(walk->stmt[which], err);

    if (status == SP_NOT_FOUND) {
        walk->ended[which] = true;
        return SP_OK;
    }
    if (status == SP_OK) walk->seq[which] = sp_stmt_column_int(walk->stmt[which], 0);
    return status;
}

SP_NODISCARD static sp_status broken(const struct walk *walk, enum table which, struct sp_err *err)
{
    char leg[32] = "";

    if (which == POSTINGS)
        snprintf(leg, sizeof leg, ", leg %" PRId64, sp_stmt_column_int(walk->stmt[which], 1));
    return SP_FAIL(err, SP_CORRUPT,
                   "the chain breaks at %s, sequence %" PRId64 "%s: it was changed, or one before"
                   " it is missing",
                   tables[which].name, walk->seq[which], leg);
}

/* Checks the row at which a table stands, and goes to its next. */
SP_NODISCARD static sp_status take(struct walk *walk, enum table which, struct sp_err *err)
{
    struct sp_stmt *stmt = walk->stmt[which];
    int last = sp_stmt_columns(stmt) - 1;

    sp_ledger_chain_row(&walk->chain, tables[which].name);
    for (int i = 0; i < last; i++) {
        const char *text = sp_stmt_column_text(stmt, i);
        if (strlen(text) > 100) return broken(walk, which, err);
        sp_ledger_chain_text(&walk->chain, text);
    }
    sp_status status = sp_ledger_chain_end(&walk->chain, err);
    if (status != SP_OK) return status;
    bool same = strcmp(sp_stmt_column_text(stmt, last), walk->chain.head) == 0;
    if (sp_stmt_failed(stmt)) return SP_FAIL(err, SP_NO_MEMORY, "a row of %s", tables[which].name);
    return same ? step(walk, which, err) : broken(walk, which, err);
}

static bool stands_at(const struct walk *walk, enum table which, int64_t seq)
{
    return !walk->ended[which] && walk->seq[which] <= seq;
}

/* One transaction with all that belongs to it; a row of a lower sequence belongs to none, and
 * breaks the chain where it stands. */
SP_NODISCARD static sp_status follow_one(struct walk *walk, struct sp_err *err)
{
    int64_t seq = walk->seq[TRANSACTIONS];
    sp_status status = SP_OK;

    while (status == SP_OK && stands_at(walk, POSTINGS, seq))
        status = take(walk, POSTINGS, err);
    if (status == SP_OK) status = take(walk, TRANSACTIONS, err);
    if (status == SP_OK && stands_at(walk, FILLS, seq)) status = take(walk, FILLS, err);
    return status;
}

SP_NODISCARD static sp_status follow(struct walk *walk, const char *head, struct sp_err *err)
{
    sp_status status = SP_OK;

    for (int i = 0; i < TABLES && status == SP_OK; i++) {
        status = sp_db_prepare(walk->db, tables[i].sql, &walk->stmt[i], err);
        if (status == SP_OK) status = step(walk, (enum table)i, err);
    }
    while (status == SP_OK && !walk->ended[TRANSACTIONS])
        status = follow_one(walk, err);
    if (status == SP_OK && !walk->ended[POSTINGS]) status = broken(walk, POSTINGS, err);
    if (status == SP_OK && !walk->ended[FILLS]) status = broken(walk, FILLS, err);
    if (status == SP_OK && strcmp(walk->chain.head, head) != 0)
        status = SP_FAIL(err, SP_CORRUPT,
                         "the chain is shorter than what the file says: rows are"
                         " missing at its end");
    for (int i = TABLES - 1; i >= 0; i--)
        sp_stmt_drop(walk->stmt[i]);
    return status;
}

sp_status sp_ledger_chain_verify(struct sp_db *db, struct sp_err *err)
{
    struct walk walk = {.db = db};
    struct sp_stmt *stmt = NULL;
    char stream[SP_NAME_SIZE] = "", head[SP_LEDGER_HASH_SIZE] = "";

    sp_status status = sp_db_prepare(db, "SELECT stream, chain FROM meta WHERE id = 1", &stmt, err);
    if (status == SP_OK) status = sp_stmt_next(stmt, err);
    if (status == SP_NOT_FOUND) status = SP_FAIL(err, SP_CORRUPT, "there is no row in meta");
    if (status == SP_OK) {
        snprintf(stream, sizeof stream, "%s", sp_stmt_column_text(stmt, 0));
        snprintf(head, sizeof head, "%s", sp_stmt_column_text(stmt, 1));
    }
    sp_stmt_drop(stmt);
    if (status == SP_OK) status = sp_ledger_chain_start(&walk.chain, stream, err);
    return status == SP_OK ? follow(&walk, head, err) : status;
}
