#include "common/journal/journal_ops.h"

static const struct sp_journal_ops *ops_of(const struct sp_journal *journal)
{
    return ((const struct sp_journal_base *)(const void *)journal)->ops;
}

sp_status sp_journal_append(struct sp_journal *journal, const struct sp_record *records,
                            uint32_t count, struct sp_err *err)
{
    return ops_of(journal)->append(journal, records, count, err);
}

sp_status sp_journal_sync(struct sp_journal *journal, struct sp_err *err)
{
    return ops_of(journal)->sync(journal, err);
}

bool sp_journal_is_short(const struct sp_journal *journal)
{
    return ops_of(journal)->is_short != NULL && ops_of(journal)->is_short(journal);
}

sp_status sp_journal_prepare(struct sp_journal *journal, struct sp_err *err)
{
    return ops_of(journal)->prepare != NULL ? ops_of(journal)->prepare(journal, err) : SP_OK;
}

sp_status sp_journal_seal(struct sp_journal *journal, struct sp_err *err)
{
    return ops_of(journal)->seal(journal, err);
}

sp_status sp_journal_read(const struct sp_journal *journal, uint64_t first_seq,
                          struct sp_journal_reader **out, struct sp_err *err)
{
    return ops_of(journal)->read(journal, first_seq, out, err);
}

void sp_journal_close(struct sp_journal *journal)
{
    if (journal != NULL) ops_of(journal)->close(journal);
}

uint64_t sp_journal_next_seq(const struct sp_journal *journal)
{
    return ops_of(journal)->next_seq(journal);
}

uint64_t sp_journal_first_seq(const struct sp_journal *journal)
{
    return ops_of(journal)->first_seq(journal);
}

uint64_t sp_journal_durable_seq(const struct sp_journal *journal)
{
    return ops_of(journal)->durable_seq(journal);
}

sp_status sp_journal_health(const struct sp_journal *journal)
{
    return ops_of(journal)->health(journal);
}

struct sp_journal_stats sp_journal_stats(const struct sp_journal *journal)
{
    return ops_of(journal)->stats(journal);
}

void sp_journal_hold_segments(struct sp_journal *journal)
{
    if (ops_of(journal)->hold_segments != NULL) ops_of(journal)->hold_segments(journal);
}

void sp_journal_release_segments(struct sp_journal *journal)
{
    if (ops_of(journal)->release_segments != NULL) ops_of(journal)->release_segments(journal);
}

void sp_journal_check_ours(const struct sp_record *record, const sp_name *stream, uint32_t epoch,
                           uint64_t seq, bool last)
{
    const struct sp_kind_info *info = sp_kind_info(record->kind);
    struct sp_err err = {0};

    SP_ASSERT(record->seq == seq);
    SP_ASSERT(record->epoch == epoch);
    SP_ASSERT(sp_name_eq(&record->stream, stream));
    SP_ASSERT(info != NULL);
    SP_ASSERT(info->durability != SP_DURABLE_NONE);
    SP_ASSERT(!info->needs_cause || record->by_count > 0);
    SP_ASSERT(record->by_count <= SP_CAUSES_MAX);
    SP_ASSERT(last || sp_ref_is_none(&record->in));
    if (sp_validate(sp_schema_of(info->dto), &record->body, &err) != SP_OK) {
        sp_assert_fail(err.text, SP_SITE);
    }
}

/* ---- Readers ---- */

static const struct sp_journal_reader_ops *reader_ops_of(const struct sp_journal_reader *reader)
{
    return ((const struct sp_journal_reader_base *)(const void *)reader)->ops;
}

sp_status sp_journal_reader_next(struct sp_journal_reader *reader, struct sp_record *out,
                                 struct sp_line_meta *meta, struct sp_err *err)
{
    return reader_ops_of(reader)->next(reader, out, meta, err);
}

const char *sp_journal_reader_line(const struct sp_journal_reader *reader, size_t *len_bytes)
{
    return reader_ops_of(reader)->line(reader, len_bytes);
}

void sp_journal_reader_close(struct sp_journal_reader *reader)
{
    if (reader != NULL) reader_ops_of(reader)->close(reader);
}
