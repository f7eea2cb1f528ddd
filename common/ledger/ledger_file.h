/* A ledger file at start: as it lies there, or put aside and begun anew.
 *
 * The ledger is a projection of the journal, so that no state of its file is a reason not to trade
 * while the journal can give what was in it: a damaged file is renamed to PATH.damaged.N (with its
 * log), one of another version to PATH.old.N, and the journal is folded into a new one. If the
 * journal's begin is gone, the newest backup that the journal still reaches takes its place.
 * Refused is only what would hide a loss: a sound file that has seen more than the journal holds,
 * or a file that cannot be used and cannot be made again. One thread.
 */
#ifndef SP_COMMON_LEDGER_FILE_H
#define SP_COMMON_LEDGER_FILE_H

#include "common/ledger/ledger_backup.h"

struct sp_ledger_place {
    const char *path;
    const char *backup_dir; /* where backups lie; NULL or "": nowhere */
    sp_name stream;
    const struct sp_world_config *world;
    uint64_t first_seq, last_seq; /* what the journal holds; last 0: nothing */
};

struct sp_ledger_finding {
    bool checked;                     /* it was not closed in order: everything was checked */
    char aside[SP_LEDGER_PATH_SIZE];  /* where the file went; "" if it was used as it was */
    char backup[SP_LEDGER_PATH_SIZE]; /* what took its place; "" if the journal alone does */
    struct sp_err why;                /* it was put aside */
};

/* Opens what is there, or what takes its place. Checks a file that was not closed in order as a
 * whole (sp_ledger_check), others quickly. `damaged`: what is there failed already, put it aside.
 * SP_CORRUPT: the journal ends before what the file has seen, or the file is unusable and neither
 * the journal nor a backup has its begin. SP_LOCKED, SP_STORAGE, SP_NO_MEMORY: not now. */
SP_NODISCARD sp_status sp_ledger_file_open(const struct sp_ledger_place *place, bool damaged,
                                           struct sp_ledger_rows **out,
                                           struct sp_ledger_finding *finding, struct sp_err *err);
/* Whether the file that is there could go on with the journal of `place`; place->world may be NULL.
 * What it has in its log is written into it; else it is as it was. SP_OK; SP_NOT_FOUND: there is
 * none; SP_LOCKED, SP_STORAGE, SP_NO_MEMORY: not known; any other: it could not, err says why. */
SP_NODISCARD sp_status sp_ledger_file_look(const struct sp_ledger_place *place, struct sp_err *err);
/* What a file that is gone or of no use is made from: *from is "" if the journal of `place` has all
 * of it, else the backup that it goes on from. SP_NOT_FOUND: from neither. SP_STORAGE, SP_LOCKED,
 * SP_NO_MEMORY. */
SP_NODISCARD sp_status sp_ledger_file_source(const struct sp_ledger_place *place,
                                             char from[SP_LEDGER_PATH_SIZE], struct sp_err *err);
/* A copy of the backup `from`, synced, as the file `path`. SP_STORAGE. */
SP_NODISCARD sp_status sp_ledger_file_copy(const char *from, const char *path, struct sp_err *err);

#endif
