/* How much room a service's data has, and what follows from it.
 *
 * Asked once a second. Below the warning it is said in log, metrics and status; below the reserve,
 * or when a write had to take the ballast (common/journal/ballast.h), no position may be opened:
 * what is left is for reducing. A level is left again a quarter above where it begins, so that it
 * does not flicker, and the reserve only with the ballast back in place. One thread: the loop's.
 */
#ifndef SP_COMMON_STORAGE_H
#define SP_COMMON_STORAGE_H

#include "common/journal/ballast.h"
#include "common/journal/scrub.h"
#include "common/metrics.h"

struct sp_disk_room {
    uint64_t free_bytes, total_bytes; /* free: for us, without root's reserve */
};

/* Who counts; tests answer themselves. -1 and errno on failure. */
struct sp_disk_port {
    void *self;
    int (*read)(void *self, const char *dir, struct sp_disk_room *out);
};
/* statvfs. */
const struct sp_disk_port *sp_disk_port_real(void);

enum sp_disk_level {
    SP_DISK_AMPLE,
    SP_DISK_LOW,    /* worth a warning */
    SP_DISK_RESERVE /* nothing new is begun */
};
/* "ample", "low" or "reserve". */
const char *sp_disk_level_name(enum sp_disk_level level);

struct sp_disk_limits {
    uint64_t warn_bytes, reserve_bytes;
    sp_ratio warn_part; /* of the whole: the larger of the two counts */
};
/* Free bytes below which it is worth a warning. */
uint64_t sp_disk_warn_below(const struct sp_disk_limits *limits, const struct sp_disk_room *space);
enum sp_disk_level sp_disk_judge(const struct sp_disk_limits *limits,
                                 const struct sp_disk_room *space, enum sp_disk_level before);

struct sp_storage_options {
    const char *dir;                 /* the service's own; kept, not copied */
    const struct sp_disk_port *disk; /* NULL = the real one */
    struct sp_disk_limits limits;
    struct sp_ballast *ballast; /* NULL: none */
    struct sp_metrics *metrics; /* NULL: none */
};

struct sp_storage {
    struct sp_storage_options options;
    struct sp_disk_room room; /* when last asked */
    enum sp_disk_level level;
    uint64_t checks;        /* so far: a change shows that the rest is news */
    struct sp_scrub *scrub; /* asked with the disk; NULL: there is none. Its owner's */
    struct sp_scrub_report scrubbed;
    uint32_t given_up; /* of the ballast, as told in the log */
    struct {
        struct sp_metric *free, *level, *ballast, *scrub_bytes, *scrub_passes, *scrub_damaged;
    } metrics;
};

/* Asks nobody yet. */
void sp_storage_init(struct sp_storage *storage, const struct sp_storage_options *options);
/* Asks, judges, makes the ballast if there is room for it, and logs what changed. If the disk does
 * not answer, the level stays what it was. */
void sp_storage_check(struct sp_storage *storage);
/* The same at once if the ballast was given up since: a disk can fill up in less than a second. */
void sp_storage_poll(struct sp_storage *storage);
/* What is wrong, for a person; empty if nothing is. */
void sp_storage_say(const struct sp_storage *storage, sp_text *out);

#endif
