/* A journal of execution for tests of the ledger's file: some trades, which do not change any more,
 * and what a ledger over it must be. One thread.
 */
#ifndef SP_TEST_SERVICES_LEDGER_JOURNAL_H
#define SP_TEST_SERVICES_LEDGER_JOURNAL_H

#include "common/journal/journal.h"
#include "common/ledger/ledger_chain.h"
#include "common/ledger/ledger_file.h"
#include "core_shell.h"

#define LEDGER_JOURNAL_SEQS_MAX 2048

struct ledger_journal {
    const char *dir; /* the caller's */
    struct core_shell *core;
    struct sp_journal *journal;
    sp_name stream;
    uint64_t middle, last; /* sequences that end a batch: about in the middle, of all */
    char hash[LEDGER_JOURNAL_SEQS_MAX][SP_LEDGER_HASH_SIZE]; /* up to each; "" if not known */
};

/* Writes it into `dir`. Ends the process if that fails. */
void ledger_journal_make(struct ledger_journal *out, const char *dir);
void ledger_journal_free(struct ledger_journal *journal);
/* Where a ledger over it is opened. */
struct sp_ledger_place ledger_journal_place(const struct ledger_journal *journal, const char *path);
/* The next start at `place`: the file is used as it is, its cursor not below `reported`, whole,
 * what the journal gives up to there, and in the end what all of it gives. NULL, or what is wrong.
 */
const char *ledger_journal_next_start(struct ledger_journal *journal,
                                      const struct sp_ledger_place *place, uint64_t reported,
                                      struct sp_err *err);
/* The same of rows that are open: whole, and what the journal gives up to their cursor. */
const char *ledger_journal_look(struct ledger_journal *journal, struct sp_ledger_rows *rows,
                                struct sp_err *err);

#endif
