/* Who still needs which records of a stream of facts: for its owner, before it deletes any.
 *
 * Read from what the consumers have on disk, so that it holds after a power cut and while they do
 * not run: the place up to which their journals, as far as they are durable, and both generations
 * of their snapshots have consumed the stream. Whoever is configured to consume it, or has a folder
 * here from when it was, and cannot be read, needs everything. No state.
 */
#ifndef SP_COMMON_CONSUMERS_H
#define SP_COMMON_CONSUMERS_H

#include "common/config/config.h"
#include "proto/record.h"

struct sp_need {
    uint64_t seq; /* records from it on; UINT64_MAX: none */
    sp_name who;  /* the consumer that is farthest behind */
};

/* Whether services of this name read that stream of facts. */
bool sp_consumes(const sp_name *service, const sp_name *stream);
/* The lowest need of all consumers. SP_NO_MEMORY; SP_IO: the data directory cannot be read. */
SP_NODISCARD sp_status sp_consumers_need(const struct sp_config *config, const sp_name *stream,
                                         struct sp_need *out, struct sp_err *err);

#endif
