/* IStatePersistor: the newest state of one writer, replaced whole. persistor_factory.h makes one.
 *
 *   json    a file that is replaced atomically, with the generation before (common/journal/state.h)
 *   memory  kept until it is closed: nothing survives the process
 *
 * The contract is that of sp_state_save and sp_state_load, of all kinds: generations follow each
 * other, what was saved last is loaded, and a load says so if that cannot be had. One thread at a
 * time.
 */
#ifndef SP_COMMON_PERSIST_STATE_PERSISTOR_H
#define SP_COMMON_PERSIST_STATE_PERSISTOR_H

#include "common/journal/state.h"

struct sp_state_persistor;

SP_NODISCARD sp_status sp_state_persistor_save(struct sp_state_persistor *persistor,
                                               const struct sp_state_header *header,
                                               const char *json, size_t len_bytes,
                                               struct sp_err *err);
/* *json is malloc'ed, the caller's; NULL for SP_STATE_NEW. */
SP_NODISCARD sp_status sp_state_persistor_load(struct sp_state_persistor *persistor,
                                               uint64_t generation_expected,
                                               enum sp_state_outcome *outcome,
                                               struct sp_state_header *header, char **json,
                                               struct sp_err *err);
/* As sp_state_peek. In memory there is no generation before: SP_NOT_FOUND. */
SP_NODISCARD sp_status sp_state_persistor_peek(struct sp_state_persistor *persistor, bool before,
                                               struct sp_state_header *header, char **json,
                                               struct sp_err *err);
/* NULL is accepted. */
void sp_state_persistor_close(struct sp_state_persistor *persistor);

/* The kinds. `file` is copied, its strings are kept. SP_NO_MEMORY. */
SP_NODISCARD sp_status sp_state_persistor_json(const struct sp_state_file *file,
                                               struct sp_state_persistor **out, struct sp_err *err);
SP_NODISCARD sp_status sp_state_persistor_memory(struct sp_state_persistor **out,
                                                 struct sp_err *err);

#endif
