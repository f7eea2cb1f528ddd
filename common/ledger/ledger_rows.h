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
 * fills, accounts, postings and transactions are never changed or deleted, and all but the accounts
 * (whose names the postings repeat) are in a hash chain (ledger_chain.h). An execution is known by
 * venue, symbol and the venue's trade number: an installation has one account at a venue. Orders,
 * trades and links say what is also in these rows, or what the journal says besides. Opening
 * balances are not in it: they come from the configuration, not from the journal. One thread.
 */
#ifndef SP_COMMON_LEDGER_ROWS_H
#define SP_COMMON_LEDGER_ROWS_H

#include "common/config/config.h"
#include "common/ledger/ledger_schema.h"
#include "proto/record.h"

struct sp_ledger_rows;

/* Opens or creates the file. `world` must outlive it: its instruments say what a symbol is made of.
 * SP_VERSION: of another version: move it away, it is rebuilt from the journal. SP_INVALID: of
 * another stream. SP_CORRUPT (also: not a ledger), SP_LOCKED, SP_STORAGE as in db.h; SP_NO_MEMORY.
 */
SP_NODISCARD sp_status sp_ledger_rows_open(const char *path, const sp_name *stream,
                                           const struct sp_world_config *world,
                                           struct sp_ledger_rows **out, struct sp_err *err);
/* A backup, to read only. Statuses as above. */
SP_NODISCARD sp_status sp_ledger_rows_open_copy(const char *path, const sp_name *stream,
                                                struct sp_ledger_rows **out, struct sp_err *err);
/* NULL is accepted. */
void sp_ledger_rows_close(struct sp_ledger_rows *rows);
/* Journal sequence the file includes. */
uint64_t sp_ledger_rows_cursor(const struct sp_ledger_rows *rows);
/* The hash of the last row of the chain, as text. */
const char *sp_ledger_rows_chain(const struct sp_ledger_rows *rows);
struct sp_db *sp_ledger_rows_db(struct sp_ledger_rows *rows);

/* One transaction at a time. A commit that failed, like everything else that fails in between, is
 * to be rolled back; rollback is safe in any state. SP_STORAGE, SP_CORRUPT, SP_NO_MEMORY. */
SP_NODISCARD sp_status sp_ledger_rows_begin(struct sp_ledger_rows *rows, struct sp_err *err);
/* The rows of one record; nothing for kinds that are not booked. SP_INVALID for an instrument the
 * world does not have, SP_RANGE, SP_EXISTS (a rule of the file is broken), and as above. */
SP_NODISCARD sp_status sp_ledger_rows_put(struct sp_ledger_rows *rows,
                                          const struct sp_record *record, struct sp_err *err);
/* Notes the cursor and the chain, and commits. */
SP_NODISCARD sp_status sp_ledger_rows_commit(struct sp_ledger_rows *rows, uint64_t cursor,
                                             struct sp_err *err);
void sp_ledger_rows_rollback(struct sp_ledger_rows *rows);

#endif
