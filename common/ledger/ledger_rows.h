/* The ledger's file and its rows: what each record of an execution journal becomes in SQLite.
 *
 * Shared by the service that writes it and the command line that checks and rebuilds it. A pure
 * function of the journal and of the world's instruments: the same records give the same rows.
 *
 * Money is booked twice. A transaction is one FILL, or what a TRADE_CLOSED moves to dust; its
 * postings (account, asset, amount in units of 1e-8) sum to zero in each asset:
 *
 *   link:ID     what the strategy link gained or gave
 *   dust:ID     what was too small to sell
 *   fees:VENUE  what the venue kept
 *   venue:VENUE the other side of every trade
 *
 * The transaction's own row closes it: a trigger refuses a sum other than zero, another refuses
 * postings to a closed one, and a deferred foreign key refuses the commit of one left open. Rows of
 * fills, accounts, postings and transactions are never changed or deleted. Opening balances are not
 * in it: they come from the configuration, not from the journal. One thread.
 */
#ifndef SP_COMMON_LEDGER_ROWS_H
#define SP_COMMON_LEDGER_ROWS_H

#include "common/config/config.h"
#include "common/db.h"
#include "proto/record.h"

#define SP_LEDGER_VERSION 2 /* PRAGMA user_version; files of the first version have 0 */

struct sp_ledger_rows;

/* Opens or creates the file. `world` must outlive it: its instruments say what a symbol is made of.
 * SP_VERSION: of another version: move it away, it is rebuilt from the journal. SP_INVALID: of
 * another stream. SP_CORRUPT, SP_LOCKED, SP_STORAGE as in db.h; SP_NO_MEMORY. */
SP_NODISCARD sp_status sp_ledger_rows_open(const char *path, const sp_name *stream,
                                           const struct sp_world_config *world,
                                           struct sp_ledger_rows **out, struct sp_err *err);
/* NULL is accepted. */
void sp_ledger_rows_close(struct sp_ledger_rows *rows);
/* Journal sequence the file includes. */
uint64_t sp_ledger_rows_cursor(const struct sp_ledger_rows *rows);
struct sp_db *sp_ledger_rows_db(struct sp_ledger_rows *rows);

/* Between sp_db_begin and commit: the rows of one record; nothing for kinds that are not booked.
 * SP_INVALID for an instrument the world does not have, SP_RANGE, SP_EXISTS (a rule of the file
 * is broken), SP_STORAGE, SP_CORRUPT. After a failure the caller rolls back. */
SP_NODISCARD sp_status sp_ledger_rows_put(struct sp_ledger_rows *rows,
                                          const struct sp_record *record, struct sp_err *err);
/* Notes the cursor and commits. */
SP_NODISCARD sp_status sp_ledger_rows_commit(struct sp_ledger_rows *rows, uint64_t cursor,
                                             struct sp_err *err);
/* The version and cursor of any ledger file, of the first version too; version -1 and cursor 0 if
 * the file does not exist or is empty. Statuses of sp_db_open. */
SP_NODISCARD sp_status sp_ledger_rows_peek(const char *path, int64_t *version, uint64_t *cursor,
                                           struct sp_err *err);

#endif
