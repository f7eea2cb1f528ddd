/* Recorded inputs: everything that entered a core, in order, so that a rerun (common/rerun.h) makes
 * the same of it. inputs.c opens with the file format; docs/inputs.md is for people. One thread.
 */
#ifndef SP_COMMON_INPUTS_H
#define SP_COMMON_INPUTS_H

#include "common/decider.h"
#include "proto/json.h"

#define SP_INPUTS_FORMAT   1
#define SP_INPUT_LINE_SIZE (SP_JSON_LINE_MAX + 512)

enum sp_input_what {
    SP_INPUT_RUN,   /* a process begins: run */
    SP_INPUT_STATE, /* what its core held then: state */
    /* Numbered inputs: */
    SP_INPUT_EVENT, /* given to decide: event */
    SP_INPUT_NOTE,  /* a change beside decide and apply, sp_shell_note: event */
    SP_INPUT_OWN,   /* a record that the shell itself appended, such as a CURSOR: event.record */
    SP_INPUT_END    /* the recording ends here: why */
};

struct sp_input_run {
    sp_name stream, installation, build;
    uint32_t config_crc; /* sp_inputs_config_crc */
    uint32_t epoch;
    uint64_t next_seq; /* sequence of the first record after it */
    sp_wall at;
};

struct sp_input {
    enum sp_input_what what;
    uint64_t line; /* of the file, from 1 */
    struct sp_input_run run;
    const char *state; /* rows (common/journal/state_rows.h); until the next line is read */
    size_t state_bytes;
    uint64_t n;            /* from 1 in each run */
    uint64_t next_seq;     /* sequence that the next record got */
    struct sp_event event; /* record: NULL or &record */
    struct sp_record record;
    sp_text why;
};

/* ---- Writing ---- */

/* Each writes one line with its newline and moves *crc on; returns its bytes. SP_FULL: it does not
 * fit; *crc is then untouched. */
SP_NODISCARD sp_status sp_input_put_run(const struct sp_input_run *run, uint32_t *crc, char *buf,
                                        size_t cap_bytes, size_t *len_bytes);
/* In parts around the state's own text, which may be long: what comes before it. The text and "}\n"
 * follow. */
void sp_input_put_state_head(const char *state, size_t state_bytes, uint32_t *crc, char buf[32]);
struct sp_input_put {
    enum sp_input_what what; /* EVENT, NOTE, OWN */
    uint64_t n, next_seq;
    const struct sp_event *event;
};
SP_NODISCARD sp_status sp_input_put_event(const struct sp_input_put *put, uint32_t *crc, char *buf,
                                          size_t cap_bytes, size_t *len_bytes);
SP_NODISCARD sp_status sp_input_put_end(const char *why, uint32_t *crc, char *buf, size_t cap_bytes,
                                        size_t *len_bytes);

/* ---- Reading ---- */

struct sp_inputs;

/* SP_NOT_FOUND, SP_IO, SP_NO_MEMORY. */
SP_NODISCARD sp_status sp_inputs_open(const char *path, struct sp_inputs **out, struct sp_err *err);
void sp_inputs_close(struct sp_inputs *inputs);
/* The next line. SP_AGAIN at the end, which may be an unfinished line: a kill in its midst.
 * SP_CORRUPT, also for what no recorder writes: err names line and byte. SP_VERSION: another
 * format. SP_IO, SP_NO_MEMORY. *out is undefined on failure. */
SP_NODISCARD sp_status sp_inputs_next(struct sp_inputs *inputs, struct sp_input *out,
                                      struct sp_err *err);
/* Passes over whole lines, unchecked, up to the run of an epoch, which is then the next line.
 * SP_NOT_FOUND. */
SP_NODISCARD sp_status sp_inputs_seek(struct sp_inputs *inputs, uint32_t epoch, struct sp_err *err);

/* "EVENT TICK 0", "NOTE 2", "OWN CURSOR": for a person. */
#define SP_INPUT_TEXT_SIZE (SP_REF_TEXT_SIZE + 128)
const char *sp_input_text(const struct sp_input *input, char buf[SP_INPUT_TEXT_SIZE]);

/* The sum over the configuration's files as they are: platform.json, operation.json, blueprints. */
struct sp_config;
uint32_t sp_inputs_config_crc(const struct sp_config *config);

#endif
