#include "common/persist/persistor_factory.h"

#include "common/persist/memory_journal.h"

static sp_status unknown(const char *kind, struct sp_err *err)
{
    return SP_FAIL(err, SP_CONFIG, "persistence.%s: nothing is named", kind);
}

sp_status sp_persistor_state(const struct sp_persistence *persistence,
                             const struct sp_state_file *file, struct sp_state_persistor **out,
                             struct sp_err *err)
{
    switch (persistence->state) {
    case SP_STATE_KIND_JSON: return sp_state_persistor_json(file, out, err);
    case SP_STATE_KIND_MEMORY: return sp_state_persistor_memory(out, err);
    }
    return unknown("state", err);
}

sp_status sp_persistor_journal(const struct sp_persistence *persistence,
                               const struct sp_journal_options *options, struct sp_journal **out,
                               struct sp_err *err)
{
    switch (persistence->journal) {
    case SP_JOURNAL_KIND_JSON_LINES: return sp_journal_open(options, out, err);
    case SP_JOURNAL_KIND_MEMORY: return sp_memory_journal_open(options, 0, out, err);
    }
    return unknown("journal", err);
}

sp_status sp_persistor_data(const struct sp_persistence *persistence,
                            const struct sp_recorder_options *options,
                            struct sp_data_persistor **out, struct sp_err *err)
{
    switch (persistence->data) {
    case SP_DATA_KIND_PARQUET: return sp_data_persistor_parquet(options, out, err);
    case SP_DATA_KIND_NONE: return sp_data_persistor_none(out, err);
    }
    return unknown("data", err);
}
