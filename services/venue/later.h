/* What shall be done later: bytes that are handed back after a time, in order of their time. One
 * thread: the loop's.
 */
#ifndef SP_VENUE_LATER_H
#define SP_VENUE_LATER_H

#include "common/bus/loop.h"

#define SP_LATER_MAX 4096

struct sp_later;

/* `bytes` are valid during the call. */
typedef void sp_later_fn(void *ctx, const void *bytes, size_t len_bytes);

SP_NODISCARD sp_status sp_later_open(struct sp_loop *loop, struct sp_later **out,
                                     struct sp_err *err);
/* What waits is not done. NULL is accepted. */
void sp_later_close(struct sp_later *later);

struct sp_later_item {
    sp_dur after;
    sp_later_fn *fn;
    void *ctx;
    const void *bytes; /* copied */
    size_t len_bytes;
};
/* Items of one time are done in the order they came. SP_FULL beyond SP_LATER_MAX, SP_NO_MEMORY. */
SP_NODISCARD sp_status sp_later_add(struct sp_later *later, const struct sp_later_item *item);

#endif
