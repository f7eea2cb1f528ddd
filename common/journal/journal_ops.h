/* IJournalPersistor: what a journal is made of. journal.h is the contract and the only way in; this
 * is for those who implement it: journal.c (segments of JSON lines in a folder) and
 * common/persist/memory_journal.c. common/persist/persistor_factory.h chooses.
 *
 * The struct sp_journal of an implementation begins with struct sp_journal_base, that of its reader
 * with struct sp_journal_reader_base: each call costs one look at a table.
 */
#ifndef SP_COMMON_JOURNAL_OPS_H
#define SP_COMMON_JOURNAL_OPS_H

#include "common/journal/journal.h"

struct sp_journal_ops {
    sp_status (*append)(struct sp_journal *journal, const struct sp_record *records, uint32_t count,
                        struct sp_err *err);
    sp_status (*sync)(struct sp_journal *journal, struct sp_err *err);
    sp_status (*seal)(struct sp_journal *journal, struct sp_err *err);
    /* Both NULL: nothing is written ahead. */
    bool (*is_short)(const struct sp_journal *journal);
    sp_status (*prepare)(struct sp_journal *journal, struct sp_err *err);
    /* Any thread. */
    sp_status (*read)(const struct sp_journal *journal, uint64_t first_seq,
                      struct sp_journal_reader **out, struct sp_err *err);
    uint64_t (*next_seq)(const struct sp_journal *journal);
    uint64_t (*first_seq)(const struct sp_journal *journal);
    uint64_t (*durable_seq)(const struct sp_journal *journal);
    sp_status (*health)(const struct sp_journal *journal);
    struct sp_journal_stats (*stats)(const struct sp_journal *journal);
    /* NULL: there are no segments. */
    void (*hold_segments)(struct sp_journal *journal);
    void (*release_segments)(struct sp_journal *journal);
    void (*close)(struct sp_journal *journal);
};
struct sp_journal_base {
    const struct sp_journal_ops *ops;
};

struct sp_journal_reader_ops {
    sp_status (*next)(struct sp_journal_reader *reader, struct sp_record *out,
                      struct sp_line_meta *meta, struct sp_err *err);
    const char *(*line)(const struct sp_journal_reader *reader, size_t *len_bytes);
    void (*close)(struct sp_journal_reader *reader);
};
struct sp_journal_reader_base {
    const struct sp_journal_reader_ops *ops;
};

/* A record as its writer must give it: asserted, since it is our own. */
void sp_journal_check_ours(const struct sp_record *record, const sp_name *stream, uint32_t epoch,
                           uint64_t seq, bool last);

#endif
