/* A file system for SQLite in memory, on the disk that crashes (disk.h): notes each operation in a
 * log, or refuses one. It behaves as SQLite's own for Unix does: a new log or rollback journal
 * syncs its folder with its first sync, writes do not touch what lies beside them, and there is no
 * shared memory, so that only an exclusive connection can use a write-ahead log. All files are in
 * one folder; only the last part of a path counts. One thread at a time.
 */
#ifndef SP_TEST_CRASH_LEDGER_VFS_H
#define SP_TEST_CRASH_LEDGER_VFS_H

#include "disk.h"

/* Makes it what SQLite uses in this process. */
void ledger_vfs_install(void);
/* What programs see: may be set between openings. */
struct disk_image *ledger_vfs_image(void);
/* Notes what follows, NULL ends it; the image is to be the log's base. */
void ledger_vfs_record(struct disk_log *log);
/* What the library draws as random from here on. */
void ledger_vfs_seed(uint64_t seed);
/* The process is killed: from now on nothing reaches the disk. */
void ledger_vfs_kill(bool killed);
/* The n-th call from now on fails, from 1, also all after it if `forever`; 0: none. */
void ledger_vfs_fail(uint64_t n, bool forever);
uint64_t ledger_vfs_calls(void); /* since the last ledger_vfs_fail */
uint64_t ledger_vfs_failed(void);
uint32_t ledger_vfs_open_files(void);
/* It works on the disk: what is allocated now is the test's own. */
bool ledger_vfs_busy(void);

#endif
