/* Records what enters a service's core (common/inputs.h), to be repeated by `spoor rerun`.
 *
 * On by `--record-inputs FILE` or by record_inputs of platform.json. Never in the way: what the
 * disk refuses, or what would pass the bound, ends the recording, which the log says, and nothing
 * else. Each input is one write before it is decided upon, so that a kill loses none that had an
 * effect. One thread: the loop's.
 */
#ifndef SP_COMMON_RECORD_INPUTS_H
#define SP_COMMON_RECORD_INPUTS_H

#include "common/inputs.h"
#include "common/service.h"

struct sp_input_recorder;

struct sp_input_recorder_options {
    const char *path;   /* appended to; with no room for more it is moved to PATH.1 first */
    uint64_t max_bytes; /* of the file */
    const struct sp_file_port *port;
    struct sp_input_run run;
    const struct sp_core *core; /* with save */
    const void *core_state;     /* as the run begins */
};

/* SP_STORAGE, SP_FULL: the state alone passes the bound; SP_NO_MEMORY. */
SP_NODISCARD sp_status sp_input_recorder_open(const struct sp_input_recorder_options *options,
                                              struct sp_input_recorder **out, struct sp_err *err);
/* The recorder of a service whose core stands at the begin of its run, as its options and
 * configuration want it. NULL: nothing is to be recorded, or cannot be, as the log says. */
struct sp_input_recorder *sp_input_recorder_of(const struct sp_service *service,
                                               const struct sp_core *core, const void *core_state);
/* Writes that it ended here. NULL is accepted, also below. */
void sp_input_recorder_close(struct sp_input_recorder *recorder);
/* One input, before it is decided upon. `next_seq` is the sequence that the next record gets. */
void sp_input_recorder_put(struct sp_input_recorder *recorder, enum sp_input_what what,
                           const struct sp_event *event, uint64_t next_seq);
/* Ends the recording, but not the service: the disk is wanted for what matters more. */
void sp_input_recorder_stop(struct sp_input_recorder *recorder, const char *why);
/* Bytes in the file; 0 if nothing is recorded any more. */
uint64_t sp_input_recorder_bytes(const struct sp_input_recorder *recorder);

#endif
