/* journal verify, stat and dump: whole journals instead of records. One thread.
 */
#ifndef SP_SPOOR_JOURNAL_CHECK_H
#define SP_SPOOR_JOURNAL_CHECK_H

#include "services/spoor/cli.h"

#define SP_JOURNAL_NAMES_MAX 64

struct sp_journal_names {
    uint32_t count;
    sp_name at[SP_JOURNAL_NAMES_MAX]; /* sorted */
};

/* The sub-directories that hold a journal. SP_EXIT_OK, or the exit code after saying that there is
 * none. */
int sp_journal_names(const char *data_dir, struct sp_journal_names *out);

/* Whether the word is one of the three. */
bool sp_journal_check_is(const char *word);
int sp_journal_check(const struct sp_cli *cli);

#endif
