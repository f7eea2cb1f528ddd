/* The Prometheus text of several services as one: every metric family once, with one HELP and TYPE,
 * every sample with the label of its service. Pure; any thread.
 */
#ifndef SP_HEALTH_EXPOSITION_H
#define SP_HEALTH_EXPOSITION_H

#include "proto/types.h"

/* Text that grows to a bound; what does not fit is cut at a line. */
struct sp_page {
    char *text; /* NUL-terminated */
    size_t len_bytes, size_bytes;
    bool is_cut;
};

/* One service's metrics: lines, each with its newline. */
struct sp_exposition_source {
    const char *service;
    const char *text; /* NULL: none */
};

/* Appends a line; the newline comes by itself. */
void sp_page_line(struct sp_page *page, const char *fmt, ...) SP_PRINTF(2, 3);
/* Appends the families in the order of the first source that has each. Lines that are no metric
 * are passed over. */
void sp_exposition_merge(struct sp_page *page, const struct sp_exposition_source *sources,
                         uint32_t count);
/* The sum of all samples of a whole-number metric, whatever their labels; 0 if there are none. */
uint64_t sp_exposition_sum(const char *text, const char *name);

#endif
