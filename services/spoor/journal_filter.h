/* Which records of a journal are meant, and walking over them. One thread.
 */
#ifndef SP_SPOOR_JOURNAL_FILTER_H
#define SP_SPOOR_JOURNAL_FILTER_H

#include "services/spoor/evidence_open.h"

struct sp_journal_filter {
    /* As given; NULL: not given. */
    const char *kind_text, *id_text, *since_text, *until_text, *cause_text, *strategy;
    /* After finishing. */
    enum sp_kind kind; /* NONE: all but CURSOR */
    sp_wall since, until;
    struct sp_ref cause; /* epoch 0: any */
    struct sp_evidence_id id;
    char whole_id[SP_ID_TEXT_SIZE];
};

/* Takes the option at *index if it is one of --kind (--type), --id, --since, --until, --cause;
 * *taken says whether. SP_EXIT_OK, or SP_EXIT_USAGE if its value is missing. */
int sp_journal_filter_option(const struct sp_cli *cli, int *index, struct sp_journal_filter *filter,
                             bool *taken);
/* Understands what was given; a short id is looked up in the journals of data_dir. SP_EXIT_OK, or
 * the exit code after saying what is wrong. */
int sp_journal_filter_finish(struct sp_journal_filter *filter, const char *data_dir);
/* Whether anything was given. */
bool sp_journal_filter_is_set(const struct sp_journal_filter *filter);
/* Without CURSOR records, unless they were asked for. */
bool sp_journal_filter_takes(const struct sp_journal_filter *filter, const struct sp_record *record,
                             const char *line, size_t len_bytes);

/* False ends the walk. */
typedef bool sp_journal_walk_fn(void *ctx, const struct sp_record *record, const char *line,
                                size_t len_bytes);
/* Gives what is meant of one journal, in order; by the indexes of its segments if an id or a kind
 * is asked for. SP_OK at the end; SP_CORRUPT after what is before the damage; the statuses of
 * sp_journal_reader_open. */
SP_NODISCARD sp_status sp_journal_walk(const char *dir, const struct sp_journal_filter *filter,
                                       sp_journal_walk_fn *fn, void *ctx, struct sp_err *err);

#endif
