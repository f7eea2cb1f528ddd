/* The log of one child: a file that is appended to and rotated: NAME.log, NAME.log.1 the newest old
 * one, up to NAME.log.KEEP. What cannot be written is dropped and counted: a full disk must not
 * stop the supervisor. One thread.
 */
#ifndef SP_SUPERVISOR_LOG_FILE_H
#define SP_SUPERVISOR_LOG_FILE_H

#include "common/config/config.h"

struct sp_log_file {
    int fd; /* -1: could not be opened; tried again at the next write */
    uint64_t bytes, rotate_bytes, dropped_bytes;
    uint32_t keep;
    char path[SP_PATH_SIZE];
};

/* Opens DIR/NAME.log for appending. rotate_bytes 0: never rotated. */
void sp_log_file_open(struct sp_log_file *file, const char *dir, const char *name,
                      const struct sp_platform *platform);
void sp_log_file_write(struct sp_log_file *file, const char *text, size_t len_bytes);
void sp_log_file_close(struct sp_log_file *file);

#endif
