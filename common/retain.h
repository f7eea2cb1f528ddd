/* The decision behind `spoor journal retain`: what of a service's journal may be deleted, and who
 * needs the rest. Reads files, changes nothing. The loop's thread.
 */
#ifndef SP_COMMON_RETAIN_H
#define SP_COMMON_RETAIN_H

#include "common/consumers.h"

struct sp_retain_input {
    const struct sp_config *config;
    const char *dir; /* of the journal */
    sp_name stream;
    uint64_t snapshot_seq; /* what the older of two sound snapshots includes; 0: there are none */
    struct sp_need own;    /* what else the service needs; seq 0: nothing */
    const struct sp_retain *request;
};

/* *out is the record to write; segments is 0 if nothing may go: then limited_by says why. The
 * statuses of sp_consumers_need and sp_retention_plan. */
SP_NODISCARD sp_status sp_retain_decide(const struct sp_retain_input *input,
                                        struct sp_journal_trimmed *out, struct sp_err *err);
/* For a person: what was done, and what limited it. */
void sp_retain_say(const struct sp_journal_trimmed *trimmed, sp_text *out);
/* Whether segments were deleted of any journal here, one's own among them: then a fold from the
 * first record may not be possible, and a snapshot is more than an accelerator. */
bool sp_retain_has_trimmed(const struct sp_config *config, uint64_t own_first_seq);

#endif
