/* Verified backups of the ledger in a folder of their own: ledger-20261122T221500Z-1234.db is what
 * the ledger was when its cursor stood at 1234. A file has that name only after everything in it
 * was checked and is on disk; what ends in .part is not a backup. One thread at a time. */
#ifndef SP_COMMON_LEDGER_BACKUP_H
#define SP_COMMON_LEDGER_BACKUP_H

#include "common/ledger/ledger_rows.h"

#define SP_LEDGER_PATH_SIZE 512
#define SP_LEDGER_PART      "ledger.part" /* in the folder: the copy that is being made */

struct sp_ledger_backup {
    char path[SP_LEDGER_PATH_SIZE];
    sp_wall taken;
    uint64_t cursor;
};

/* Where they lie: what the configuration says, or DATA/execution/backup. False if that is too long.
 */
SP_NODISCARD bool sp_ledger_backup_dir(const struct sp_platform *platform, char *out,
                                       size_t cap_bytes);
/* The newest `cap` backups of a folder, newest first; returns how many. None if there is no such
 * folder. */
uint32_t sp_ledger_backup_list(const char *dir, struct sp_ledger_backup *out, uint32_t cap);
/* The newest that is sound and that a journal of `first_seq` to `last_seq` can go on from; of the
 * newest 64 only. SP_NOT_FOUND: there is none. SP_STORAGE, SP_LOCKED, SP_NO_MEMORY: there is none
 * among those that could be looked at. */
SP_NODISCARD sp_status sp_ledger_backup_find(const char *dir, const sp_name *stream,
                                             uint64_t first_seq, uint64_t last_seq,
                                             struct sp_ledger_backup *out, struct sp_err *err);
/* Makes the folder (not the one above) if it is not there, removes what an earlier copy left, and
 * gives the path to copy to. SP_STORAGE. */
SP_NODISCARD sp_status sp_ledger_backup_begin(const char *dir, char part[SP_LEDGER_PATH_SIZE],
                                              struct sp_err *err);
/* Opens a finished copy and checks everything in it, gives it its name, syncs the folder, and
 * removes all but the newest `keep` backups (0: none). Removes the copy if it is not sound.
 * SP_CORRUPT, SP_VERSION, SP_INVALID, SP_STORAGE, SP_NO_MEMORY. */
SP_NODISCARD sp_status sp_ledger_backup_end(const char *dir, const sp_name *stream, sp_wall taken,
                                            uint32_t keep, struct sp_ledger_backup *out,
                                            struct sp_err *err);
/* Opens a backup and checks everything in it; *cursor is what it includes. Statuses as above. */
SP_NODISCARD sp_status sp_ledger_backup_check(const char *path, const sp_name *stream,
                                              uint64_t *cursor, struct sp_err *err);
/* Syncs the folder that `path` is in. SP_STORAGE. */
SP_NODISCARD sp_status sp_ledger_sync_dir(const char *path, struct sp_err *err);

#endif
