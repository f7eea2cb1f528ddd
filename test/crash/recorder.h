/* The recording file port: works on a real folder, and notes each operation in a log. Syncs are
 * noted and not done. One recorder at a time in a process. */
#ifndef SP_TEST_CRASH_RECORDER_H
#define SP_TEST_CRASH_RECORDER_H

#include "disk.h"

enum recorder_lie { RECORDER_HONEST, RECORDER_NO_SYNC, RECORDER_NO_SYNC_DIR };

/* `log` holds the base image and its bounds; what it held of operations is freed. `root` is a
 * folder that looks like the base; all paths begin with it. `lie` leaves one kind of sync out, as
 * if the code under test had forgotten it. */
void recorder_start(struct disk_log *log, const char *root, enum recorder_lie lie);
void recorder_mark(const struct disk_bounds *bounds);
/* The process is killed after `operations` more (of which a write takes only half, if it is the
 * last): then everything that would change the disk fails. What it wrote before stays readable. */
void recorder_kill(uint32_t operations);
bool recorder_is_dead(void);
/* Of the syncs that follow, the nth (from 1) fails; all later ones are believed. */
void recorder_fail_sync(uint32_t nth);
/* A sync has failed since the process started. */
bool recorder_has_failed(void);
/* Another process starts. */
void recorder_revive(void);
/* Ends the log, which is not finished yet. The port is not used again. */
void recorder_stop(void);
const struct sp_file_port *recorder_port(void);

#endif
