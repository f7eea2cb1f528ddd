/* PersistorFactory: what `persistence` of platform.json names for each of the three kinds.
 *
 *   state    IStatePersistor    state_persistor.h            "json", "memory"
 *   journal  IJournalPersistor  common/journal/journal.h     "json-lines", "memory"
 *   data     IDataPersistor     data_persistor.h             "parquet", "none"
 *
 * What is in memory does not survive its process. The configuration refuses it for worlds in which
 * that would lose something, paper and live, and a state on disk beside a journal in memory. Each
 * function gives the statuses of what it opens.
 */
#ifndef SP_COMMON_PERSIST_PERSISTOR_FACTORY_H
#define SP_COMMON_PERSIST_PERSISTOR_FACTORY_H

#include "common/config/config.h"
#include "common/journal/journal.h"
#include "common/persist/data_persistor.h"
#include "common/persist/state_persistor.h"

SP_NODISCARD sp_status sp_persistor_state(const struct sp_persistence *persistence,
                                          const struct sp_state_file *file,
                                          struct sp_state_persistor **out, struct sp_err *err);
SP_NODISCARD sp_status sp_persistor_journal(const struct sp_persistence *persistence,
                                            const struct sp_journal_options *options,
                                            struct sp_journal **out, struct sp_err *err);
SP_NODISCARD sp_status sp_persistor_data(const struct sp_persistence *persistence,
                                         const struct sp_recorder_options *options,
                                         struct sp_data_persistor **out, struct sp_err *err);

#endif
