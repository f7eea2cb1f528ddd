/* From the journal into the ledger: whole journal batches, a few to a transaction, each with the
 * cursor behind them. What one decision of the core wrote (a fill, the trade it closed, the
 * balances after it) is in the file as a whole or not at all. The one way in which a ledger file is
 * written: by execution, by a rebuild and by tests. One thread.
 */
#ifndef SP_COMMON_LEDGER_FEED_H
#define SP_COMMON_LEDGER_FEED_H

#include "common/ledger/ledger_rows.h"

struct sp_ledger_feed;

/* Reads the journal of `stream` in `dir` from behind the file's cursor. `rows` must outlive it.
 * Statuses of sp_journal_reader_open. */
SP_NODISCARD sp_status sp_ledger_feed_open(struct sp_ledger_rows *rows, const char *dir,
                                           const sp_name *stream, struct sp_ledger_feed **out,
                                           struct sp_err *err);
/* NULL is accepted. */
void sp_ledger_feed_close(struct sp_ledger_feed *feed);
/* One transaction: about 500 records, none above `upto`. SP_OK: there may be more at once;
 * SP_AGAIN: what is there up to `upto` is written. Anything else: the statuses of the journal's
 * reader and of ledger_rows.h, and SP_CORRUPT if `upto` lies within a batch; nothing of the
 * transaction is kept, and the feed is only to be closed. */
SP_NODISCARD sp_status sp_ledger_feed_write(struct sp_ledger_feed *feed, uint64_t upto,
                                            struct sp_err *err);
/* Of a write that failed: the journal could not be read, the file is as good as before. */
bool sp_ledger_feed_journal_failed(const struct sp_ledger_feed *feed);

/* Writes what the journal in `dir` holds after the file's cursor and not above `upto` (0 for all).
 * SP_CORRUPT if the journal ends before `upto`; SP_GONE if it no longer begins early enough; the
 * statuses of the above. */
SP_NODISCARD sp_status sp_ledger_fold(struct sp_ledger_rows *rows, const char *dir,
                                      const sp_name *stream, uint64_t upto, struct sp_err *err);

#endif
