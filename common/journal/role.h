/* A role: the lock and the epoch that make a process the only writer of its journal.
 *
 * DIR/LOCK is held with flock for the life of the process; DIR/EPOCH holds the incarnation, raised
 * and synced under the lock before the process does anything else. The kernel drops the lock with
 * the process; a stopped process keeps it, so its twin gets SP_LOCKED (exit 75) and retries.
 */
#ifndef SP_COMMON_ROLE_H
#define SP_COMMON_ROLE_H

#include "common/journal/file.h"
#include "proto/types.h"

#define SP_ROLE_PATH_SIZE   512
#define SP_ROLE_EPOCH_BYTES 1024

struct sp_role {
    int lock_fd;    /* -1 when not held */
    int epoch_fd;   /* -1 when not held */
    uint32_t epoch; /* 1 or more while held, else 0 */
    char epoch_path[SP_ROLE_PATH_SIZE];
    char epoch_bytes[SP_ROLE_EPOCH_BYTES]; /* the file as we left it: while so, nobody raised it */
};

/* Creates dir (0700) if needed, takes the lock, raises the epoch. SP_LOCKED if another process
 * holds it (err names its pid), SP_STORAGE if the epoch cannot be made durable or dir is too long,
 * SP_CORRUPT if the epoch file is damaged beyond its two slots. An epoch is never given twice, but
 * numbers may be skipped. */
SP_NODISCARD sp_status sp_role_acquire(struct sp_role *role, const char *dir, struct sp_err *err);
/* The same through a file port. */
SP_NODISCARD sp_status sp_role_acquire_through(const struct sp_file_port *port,
                                               struct sp_role *role, const char *dir,
                                               struct sp_err *err);
/* SP_FENCED if the epoch file holds a higher epoch than ours, or LOCK or EPOCH was removed:
 * something superseded us. SP_CORRUPT if the file no longer shows our epoch. One pread and two
 * fstats; called before every write to a venue or to the journal. */
SP_NODISCARD sp_status sp_role_check(const struct sp_role *role, struct sp_err *err);
/* Releases the lock. Accepts a zeroed or released role. */
void sp_role_release(struct sp_role *role);

#endif
