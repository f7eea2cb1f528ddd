/* Checking and rebuilding a ledger file from the journal it is a projection of. One thread. */
#ifndef SP_COMMON_LEDGER_CHECK_H
#define SP_COMMON_LEDGER_CHECK_H

#include "common/ledger/ledger_rows.h"

#define SP_LEDGER_ASSETS_MAX 32
#define SP_LEDGER_HASH_SIZE  33

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

/* integrity_check, foreign_key_check, and that every transaction sums to zero. SP_CORRUPT with what
 * is wrong; SP_STORAGE. */
SP_NODISCARD sp_status sp_ledger_check(struct sp_ledger_rows *rows, struct sp_err *err);
/* 32 hexadecimal digits over every value of every table, in an order that does not depend on how
 * the file came to be: FNV-1a, 128 bits; against accident, not against intent. */
SP_NODISCARD sp_status sp_ledger_hash(struct sp_ledger_rows *rows, char out[SP_LEDGER_HASH_SIZE],
                                      struct sp_err *err);
/* Writes what the journal in `dir` holds after the file's cursor and not above `upto` (0 for all).
 * SP_CORRUPT if the journal ends before `upto`; SP_GONE if it no longer begins early enough; the
 * statuses of the journal's reader and of sp_ledger_rows_put. */
SP_NODISCARD sp_status sp_ledger_fold(struct sp_ledger_rows *rows, const char *dir,
                                      const sp_name *stream, uint64_t upto, struct sp_err *err);
/* Folds the journal's FILL records up to `upto` into *sums by arithmetic of its own, and adds the
 * sums of the postings of `rows`. SP_FULL for more assets than fit. */
SP_NODISCARD sp_status sp_ledger_sum(struct sp_ledger_rows *rows,
                                     const struct sp_world_config *world, const char *dir,
                                     const sp_name *stream, struct sp_ledger_sums *sums,
                                     struct sp_err *err);
bool sp_ledger_asset_agrees(const struct sp_ledger_asset *asset);

#endif
