/* The simulated disks, and the descriptors of the simulated processes.
 *
 * Paths below /sim are on simulated disks; /sim/data/venue and /sim/etc are on one that loses
 * nothing (another machine's), the rest on one that a power cut hits. Its model is the weak one: a
 * sync of a file makes its earlier bytes durable but not its name, a sync of a directory the
 * earlier operations on names in it; what is not durable may be there after the cut or not, one
 * operation at a time; rename is atomic; a write may be torn at sectors of 512 bytes.
 *
 * The functions behave like the system calls of their names: -1 and errno. Descriptors count from
 * SIM_FD_FIRST, so that they are told apart from real ones.
 */
#ifndef SP_TEST_SIM_FILES_H
#define SP_TEST_SIM_FILES_H

#include "kernel.h"

#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#define SIM_ROOT     "/sim/"
#define SIM_FD_FIRST 100000

/* Kinds of operation that a fault may hit. */
enum sim_disk_op { SIM_DISK_WRITE, SIM_DISK_SYNC, SIM_DISK_READ, SIM_DISK_OPEN, SIM_DISK_REMOVE };

/* What is to become of an operation: 0, it works; else its errno. A sync that fails loses what it
 * was to make durable, as Linux does. SIM_DISK_SHORT: half of the write is done. */
#define SIM_DISK_SHORT (-1)
typedef int sim_disk_fault_fn(enum sim_disk_op op, const char *path, size_t len);
/* How long a sync takes, in ns. */
typedef int64_t sim_disk_delay_fn(void);
/* By how much a file is longer after a power cut than what was written of it; `len` was. */
typedef size_t sim_disk_size_fn(size_t len);

void sim_files_begin(void);
void sim_files_end(void);
void sim_files_on_fault(sim_disk_fault_fn *fault, sim_disk_delay_fn *delay, sim_disk_size_fn *size);
/* Nothing that is not durable is sure to be there any more. No process is alive. */
void sim_files_power_cut(struct sim_random *chance);
/* How much statvfs says is free, and what it says from now on. */
uint64_t sim_files_free_bytes(void);
void sim_files_set_free(uint64_t bytes);
/* Makes a durable file, from kernel context. */
void sim_files_put(const char *path, const void *bytes, size_t len_bytes);
/* Changes bits of one byte, now and on the disk; of a file that is gone or shorter nothing. */
void sim_files_flip(const char *path, size_t at, uint8_t bits);
/* Removes a file, from kernel context. */
void sim_files_remove(const char *path);
/* The current bytes; NULL if there is no such file. Valid until it is written again. */
const char *sim_files_get(const char *path, size_t *len_bytes);
/* Whether these bytes stand in the part of a file that no power cut can take. */
bool sim_files_has_durable(const char *path, const char *needle);
/* Calls fn for every path that begins so, in the order they were made. */
void sim_files_each(const char *prefix, void (*fn)(void *ctx, const char *path), void *ctx);
/* Writes everything below /sim/PREFIX into a real folder. */
bool sim_files_export(const char *folder);

bool sim_is_sim_path(const char *path);
bool sim_is_sim_fd(int fd);

int sim_open(const char *path, int flags);
int sim_close(int fd);
ssize_t sim_read(int fd, void *buf, size_t len);
ssize_t sim_write(int fd, const void *buf, size_t len);
ssize_t sim_pread(int fd, void *buf, size_t len, off_t at);
ssize_t sim_pwrite(int fd, const void *buf, size_t len, off_t at);
off_t sim_lseek(int fd, off_t at, int whence);
int sim_truncate(int fd, off_t len);
int sim_sync(int fd);
int sim_stat(const char *path, struct stat *out);
int sim_fstat(int fd, struct stat *out);
int sim_rename(const char *from, const char *to);
int sim_link(const char *from, const char *to);
int sim_unlink(const char *path);
int sim_mkdir(const char *path);
int sim_access(const char *path);
int sim_flock(int fd, int operation);
/* The n-th name in a directory; NULL past the last. */
const char *sim_dir_entry(const char *path, size_t n);

/* ---- Descriptors that are no files ---- */

enum sim_fd_kind {
    SIM_FD_FREE,
    SIM_FD_FILE,
    SIM_FD_DIR,
    SIM_FD_EVENT,
    SIM_FD_SIGNAL,
    SIM_FD_NOTIFY
};

int sim_fd_make(enum sim_fd_kind kind);
enum sim_fd_kind sim_fd_kind(int fd);
bool sim_fd_is_readable(int fd);
/* Of SIM_FD_EVENT: adds to its count. SIM_FD_SIGNAL: the signal that waits. */
void sim_fd_set_watcher(int fd, struct sim_fiber *fiber);
/* A line for the process at the other end of its notify socket, or the end of that socket. */
void sim_notify_tell(struct sim_proc *proc, const char *text);
ssize_t sim_notify_receive(int fd, char *buf, size_t len);
void sim_files_reap(struct sim_proc *proc);

#endif
