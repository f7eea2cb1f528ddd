/* From the command line to the evidence and to the id that is meant. One thread.
 */
#ifndef SP_SPOOR_EVIDENCE_OPEN_H
#define SP_SPOOR_EVIDENCE_OPEN_H

#include "services/spoor/cli.h"
#include "services/spoor/evidence.h"

/* The data directory: --data DIR if given (may be NULL), else the configuration's. SP_EXIT_OK, or
 * the exit code after printing what is wrong. */
int sp_cli_data_dir(const struct sp_cli *cli, const char *data, char out[SP_PATH_SIZE]);
/* Loads the journals there, and says on standard error which are damaged. */
int sp_cli_evidence(const char *data_dir, struct sp_evidence **out);

/* The id a person means: whole, its last characters with or without the prefix, a client order id,
 * STREAM:SEQ, or the word of a kind ("trade", "rejected": the newest). SP_EXIT_OK, or the exit code
 * after printing candidates or what there is. */
int sp_cli_id(struct sp_evidence *evidence, const char *text, struct sp_evidence_id *out);
/* The newest of what a word names. */
int sp_cli_last(struct sp_evidence *evidence, const char *word, struct sp_evidence_id *out);

/* "records of execution before 12345 (2026-01-05 18:22:07) were deleted", of every stream of which
 * that is so; "" if none. Returns buf. */
const char *sp_cli_deleted(const struct sp_evidence *evidence, char *buf, size_t size_bytes);

#endif
