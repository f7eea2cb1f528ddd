/* IStatePersistor, first form: atomic JSON snapshots of a service's state.
 *
 * DIR/NAME.json is current, NAME.json.bak the generation before, NAME.json.journal pending. state.c
 * opens with the layout. A pending file is promoted only if it verifies and continues the chain of
 * generations; anything else goes to DIR/quarantine. "Missing" is told apart from "never written".
 * One writer, under the role's lock. One thread.
 */
#ifndef SP_COMMON_STATE_H
#define SP_COMMON_STATE_H

#include "common/journal/file.h"

#define SP_STATE_BYTES_MAX ((size_t)8 * 1024 * 1024)

enum sp_state_outcome {
    SP_STATE_NEW,      /* never written */
    SP_STATE_LOADED,   /* the current generation */
    SP_STATE_PROMOTED, /* a crash hit between sync and rename: the pending generation */
    SP_STATE_DEGRADED  /* only the generation before is readable: rebuild from the journal */
};

struct sp_state_file {
    const char *dir;
    const char *name;                /* "execution" */
    const char *installation;        /* foreign snapshots are refused */
    const struct sp_file_port *port; /* NULL = the real one */
};

struct sp_state_header {
    uint64_t generation;
    uint32_t epoch;
    uint64_t noted_seq; /* journal sequence the state includes; synced before the save */
};

/* Writes generation `header->generation` with `json` (one JSON object) as payload. The generation
 * is one above the current one's; if there is no current one (new, or degraded), it is above
 * every generation that was ever written. The directory exists. SP_OK: durable. SP_STORAGE:
 * fail-stop, do not retry. SP_FULL: no space; the old state is untouched. SP_INVALID: the
 * generation does not follow, the payload holds a NUL or is empty, name or installation is no name,
 * or what is there is foreign. SP_TOO_LONG: payload or path. SP_VERSION, SP_NO_MEMORY. */
SP_NODISCARD sp_status sp_state_save(const struct sp_state_file *file,
                                     const struct sp_state_header *header, const char *json,
                                     size_t len_bytes, struct sp_err *err);
/* Loads the newest trustworthy generation. *json is malloc'ed, NUL-terminated, the caller's; NULL
 * for SP_STATE_NEW. `generation_expected` is what a witness (the journal) says was written:
 * SP_CORRUPT if less than that can be loaded, or all are damaged. */
SP_NODISCARD sp_status sp_state_load(const struct sp_state_file *file, uint64_t generation_expected,
                                     enum sp_state_outcome *outcome, struct sp_state_header *header,
                                     char **json, struct sp_err *err);
/* The generation to save after such a load: above all that may have been written. 0: none may be,
 * because what is there is foreign or cannot be read at all. */
uint64_t sp_state_next_generation(sp_status loaded, enum sp_state_outcome outcome,
                                  const struct sp_state_header *header);

/* The current generation as it is, or the one before, without changing anything: for others than
 * the writer, also while it writes. *json as above. SP_NOT_FOUND: there is none; SP_CORRUPT:
 * damaged; SP_INVALID: foreign; SP_VERSION, SP_NO_MEMORY, SP_IO. */
SP_NODISCARD sp_status sp_state_peek(const struct sp_state_file *file, bool before,
                                     struct sp_state_header *header, char **json,
                                     struct sp_err *err);

#endif
