#include "common/journal/segment_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

sp_status sp_segment_file_open(struct sp_segment_file *file, const char *dir, uint64_t first_seq,
                               char path[SP_SEGMENT_PATH_SIZE], struct sp_err *err)
{
    sp_status status = sp_segment_path(dir, first_seq, path, err);

    if (status != SP_OK) return status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return SP_FAIL(err, errno == ENOENT ? SP_NOT_FOUND : SP_IO, "cannot open %s: %s", path,
                       strerror(errno));
    }
    *file = (struct sp_segment_file){.is_open = true, .fd = fd};
    return SP_OK;
}

void sp_segment_file_close(struct sp_segment_file *file)
{
    if (file->is_open) close(file->fd);
    *file = (struct sp_segment_file){0};
}

ssize_t sp_segment_file_read(struct sp_segment_file *file, void *buf, size_t len_bytes,
                             uint64_t offset)
{
    char *at = buf;
    size_t got = 0;

    while (got < len_bytes) {
        ssize_t n = pread(file->fd, at + got, len_bytes - got, (off_t)(offset + got));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -1;
        if (n == 0) break;
        got += (size_t)n;
    }
    return (ssize_t)got;
}

int64_t sp_segment_file_size(const struct sp_segment_file *file)
{
    struct stat st;

    return fstat(file->fd, &st) == 0 ? (int64_t)st.st_size : -1;
}
