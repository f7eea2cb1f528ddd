/* The hash chain over the rows that are never changed: postings, transactions and fills.
 *
 * Each of these rows holds a SHA-256 over the row before it and its own content, so that a row
 * that was changed, taken out or put in breaks the chain at its place. The order is that of
 * writing: by sequence; within one sequence the postings by leg, the transaction, the fill. Hashed
 * are 64 hexadecimal digits of the row before, the table's name, and each column's decimal or text
 * value, each with a NUL behind it. Before the first row stands the hash of "spoor ledger 3" and
 * the stream's name, made the same way with no row before; after the last, meta.chain. All of it
 * is a function of the journal: a ledger that is built anew has the same hashes.
 *
 * It shows what came about by accident or by a hand that does not know it. Against one that writes
 * the whole chain anew stand the journal and the backups. One thread.
 */
#ifndef SP_COMMON_LEDGER_CHAIN_H
#define SP_COMMON_LEDGER_CHAIN_H

#include "common/crypto.h"
#include "common/db.h"

#define SP_LEDGER_ROW_SIZE  2048
#define SP_LEDGER_HASH_SIZE (2 * SP_SHA256_BYTES + 1)

struct sp_ledger_chain {
    char head[SP_LEDGER_HASH_SIZE]; /* of the last row */
    size_t len_bytes;               /* of the row that is being added */
    char row[SP_LEDGER_ROW_SIZE];
};

/* SHA-256 in hexadecimal. SP_NO_MEMORY if the library cannot. */
SP_NODISCARD sp_status sp_ledger_chain_hash(const void *bytes, size_t len_bytes,
                                            char out[SP_LEDGER_HASH_SIZE], struct sp_err *err);
/* The chain before the first row. SP_NO_MEMORY. */
SP_NODISCARD sp_status sp_ledger_chain_start(struct sp_ledger_chain *chain, const char *stream,
                                             struct sp_err *err);
/* A row of `table`, then its values in the order of its columns (they must fit: asserted), then its
 * hash, which is the new head. SP_NO_MEMORY leaves the head as it was. */
void sp_ledger_chain_row(struct sp_ledger_chain *chain, const char *table);
void sp_ledger_chain_int(struct sp_ledger_chain *chain, int64_t value);
void sp_ledger_chain_text(struct sp_ledger_chain *chain, const char *text);
SP_NODISCARD sp_status sp_ledger_chain_end(struct sp_ledger_chain *chain, struct sp_err *err);

/* Follows the chain through a whole file to meta.chain. SP_CORRUPT names the first row that breaks
 * it; SP_STORAGE, SP_NO_MEMORY. */
SP_NODISCARD sp_status sp_ledger_chain_verify(struct sp_db *db, struct sp_err *err);

#endif
