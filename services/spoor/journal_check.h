/* journal verify, stat, dump, export and repair: whole journals instead of records. One thread.
 */
#ifndef SP_SPOOR_JOURNAL_CHECK_H
#define SP_SPOOR_JOURNAL_CHECK_H

#include "services/spoor/journal_filter.h"

#define SP_JOURNAL_NAMES_MAX 64

struct sp_journal_names {
    uint32_t count;
    sp_name at[SP_JOURNAL_NAMES_MAX]; /* sorted */
};

/* What was asked for. */
struct sp_journal_job {
    const struct sp_cli *cli;
    const char *word, *data, *stream;
    struct sp_journal_filter filter;
    bool json, csv, yes;
    bool header_done; /* of an export */
};

/* The sub-directories that hold a journal. SP_EXIT_OK, or the exit code after saying that there is
 * none. */
int sp_journal_names(const char *data_dir, struct sp_journal_names *out);

/* Whether the word is one of the five. */
bool sp_journal_check_is(const char *word);
int sp_journal_check(const struct sp_cli *cli);

/* Each for one journal; its exit code. */
int sp_journal_stat(struct sp_journal_job *job, const char *dir, const sp_name *name);
int sp_journal_dump(struct sp_journal_job *job, const char *dir, const sp_name *name);
int sp_journal_export(struct sp_journal_job *job, const char *dir, const sp_name *name);
int sp_journal_repair(struct sp_journal_job *job, const char *dir, const sp_name *name);

#endif
