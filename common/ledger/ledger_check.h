/* Checking and rebuilding a ledger file from the journal it is a projection of. One thread. */
#ifndef SP_COMMON_LEDGER_CHECK_H
#define SP_COMMON_LEDGER_CHECK_H

#include "common/ledger/ledger_chain.h"
#include "common/ledger/ledger_rows.h"

#define SP_LEDGER_ASSETS_MAX 32

/* Of one asset, what the fills of the journal say and what the postings say, in units of 1e-8. */
struct sp_ledger_asset {
    sp_name asset;
    int64_t journal, journal_fees; /* fold of the FILL records: what all links gained, with fees */
    int64_t links, dust, fees, venue; /* sums of postings by kind of account */
};

struct sp_ledger_sums {
    uint32_t count;
    struct sp_ledger_asset at[SP_LEDGER_ASSETS_MAX];
    uint64_t fills; /* FILL records folded */
};

/* The file by itself: integrity_check, foreign_key_check, every transaction sums to zero, what is
 * kept of trades and links equals the sums of fills and postings, and the hash chain. SP_CORRUPT
 * with what is wrong and where; SP_STORAGE, SP_NO_MEMORY. */
SP_NODISCARD sp_status sp_ledger_check(struct sp_ledger_rows *rows, struct sp_err *err);
/* A SHA-256 over every value of every table, in an order that does not depend on how the file came
 * to be. */
SP_NODISCARD sp_status sp_ledger_hash(struct sp_ledger_rows *rows, char out[SP_LEDGER_HASH_SIZE],
                                      struct sp_err *err);
/* Folds the journal's FILL records up to `upto` into *sums by arithmetic of its own, and adds the
 * sums of the postings of `rows`. SP_FULL for more assets than fit. */
SP_NODISCARD sp_status sp_ledger_sum(struct sp_ledger_rows *rows,
                                     const struct sp_world_config *world, const char *dir,
                                     const sp_name *stream, struct sp_ledger_sums *sums,
                                     struct sp_err *err);
bool sp_ledger_asset_agrees(const struct sp_ledger_asset *asset);

#endif
