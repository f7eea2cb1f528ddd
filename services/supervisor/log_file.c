#include "services/supervisor/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEEP_MAX       1000
#define LINE_MAX_BYTES 1024 /* of a log line: those are never cut by a rotation */

static void open_again(struct sp_log_file *file)
{
    struct stat st;

    file->fd = open(file->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    file->bytes = file->fd >= 0 && fstat(file->fd, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static void rotate(struct sp_log_file *file)
{
    char from[SP_PATH_SIZE + 16], to[SP_PATH_SIZE + 16];

    sp_log_file_close(file);
    for (uint32_t n = file->keep; n > 0; n--) {
        if (n > 1) {
            snprintf(from, sizeof from, "%s.%u", file->path, n - 1);
        } else {
            snprintf(from, sizeof from, "%s", file->path);
        }
        snprintf(to, sizeof to, "%s.%u", file->path, n);
        if (rename(from, to) != 0 && errno != ENOENT) break; /* the file just grows on */
    }
    if (file->keep == 0) unlink(file->path);
    open_again(file);
}

void sp_log_file_open(struct sp_log_file *file, const char *dir, const char *name,
                      const struct sp_platform *platform)
{
    *file = (struct sp_log_file){.fd = -1, .rotate_bytes = platform->log_rotate_bytes};
    file->keep = platform->log_keep < KEEP_MAX ? platform->log_keep : KEEP_MAX;
    int n = snprintf(file->path, sizeof file->path, "%s/%s.log", dir, name);
    SP_ASSERT(n > 0);
    SP_ASSERT((size_t)n < sizeof file->path);
    open_again(file);
}

static void append(struct sp_log_file *file, const char *text, size_t len_bytes)
{
    if (file->fd < 0) open_again(file);
    ssize_t n = file->fd >= 0 ? write(file->fd, text, len_bytes) : -1;
    if (n > 0) file->bytes += (uint64_t)n;
    if (n < (ssize_t)len_bytes) file->dropped_bytes += len_bytes - (n > 0 ? (size_t)n : 0);
}

/* How much of the text still goes into the present file: up to the end of the line that crosses the
 * mark, which lies one line before the limit; all of it if that line does not end here. */
static size_t share(const struct sp_log_file *file, const char *text, size_t len_bytes)
{
    uint64_t mark = file->rotate_bytes > 2 * LINE_MAX_BYTES ? file->rotate_bytes - LINE_MAX_BYTES
                                                            : file->rotate_bytes;
    uint64_t room = file->bytes < mark ? mark - file->bytes : 0;

    if (file->rotate_bytes == 0 || len_bytes <= room) return len_bytes;
    const char *end = memchr(text + room, '\n', len_bytes - (size_t)room);
    uint64_t hard = file->bytes < file->rotate_bytes ? file->rotate_bytes - file->bytes : 0;
    if (end != NULL && (uint64_t)(end - text) < hard) return (size_t)(end - text) + 1;
    return hard < len_bytes ? (size_t)hard : len_bytes; /* a line longer than LINE_MAX_BYTES */
}

void sp_log_file_write(struct sp_log_file *file, const char *text, size_t len_bytes)
{
    while (len_bytes > 0) {
        size_t part = share(file, text, len_bytes);
        if (part > 0) append(file, text, part);
        text += part;
        len_bytes -= part;
        if (len_bytes == 0) return;
        rotate(file);
        if (file->bytes > 0 && part == 0) return append(file, text, len_bytes); /* cannot rotate */
    }
}

void sp_log_file_close(struct sp_log_file *file)
{
    if (file->path[0] != '\0' && file->fd >= 0) close(file->fd);
    file->fd = -1;
}
