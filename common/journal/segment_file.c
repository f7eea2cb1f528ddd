#include "common/journal/segment_file.h"

#include "common/journal/journal_segment.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOOK_BYTES 4096

static sp_status open_zip(struct sp_segment_file *file, int fd, uint64_t first_seq,
                          const char *path, struct sp_err *err)
{
    struct sp_segment_zip *zip = NULL;
    struct sp_err why = {0};
    sp_status status = sp_segment_zip_open(fd, &zip, &why);

    if (status != SP_OK) {
        close(fd);
        return SP_FAIL(err, status, "%s: %.80s", path, why.text);
    }
    if (sp_segment_zip_facts(zip).first_seq != first_seq) {
        sp_segment_zip_close(zip);
        return SP_FAIL(err, SP_CORRUPT, "%s holds another segment", path);
    }
    *file = (struct sp_segment_file){.is_open = true, .fd = -1, .zip = zip};
    return SP_OK;
}

sp_status sp_segment_file_open(struct sp_segment_file *file, const char *dir, uint64_t first_seq,
                               char path[SP_SEGMENT_PATH_SIZE], struct sp_err *err)
{
    sp_status status = sp_segment_path(dir, first_seq, path, err);

    if (status != SP_OK) return status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        *file = (struct sp_segment_file){.is_open = true, .fd = fd};
        return SP_OK;
    }
    if (errno == ENOENT) {
        char zipped[SP_SEGMENT_PATH_SIZE];
        status = sp_segment_path_as(dir, first_seq, SP_SEGMENT_ZIP_SUFFIX, zipped, err);
        if (status != SP_OK) return status;
        fd = open(zipped, O_RDONLY | O_CLOEXEC);
        if (fd >= 0) {
            memcpy(path, zipped, sizeof zipped);
            return open_zip(file, fd, first_seq, path, err);
        }
    }
    return SP_FAIL(err, errno == ENOENT ? SP_NOT_FOUND : SP_IO, "cannot open %s: %s", path,
                   strerror(errno));
}

void sp_segment_file_close(struct sp_segment_file *file)
{
    if (file->is_open && file->zip == NULL) close(file->fd);
    sp_segment_zip_close(file->zip);
    *file = (struct sp_segment_file){0};
}

ssize_t sp_segment_file_read(struct sp_segment_file *file, void *buf, size_t len_bytes,
                             uint64_t offset)
{
    char *at = buf;
    size_t got = 0;

    if (file->zip != NULL) return sp_segment_zip_read(file->zip, buf, len_bytes, offset);
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

    if (file->zip != NULL) return (int64_t)sp_segment_zip_facts(file->zip).plain_bytes;
    return fstat(file->fd, &st) == 0 ? (int64_t)st.st_size : -1;
}

size_t sp_segment_unblanked(const char *text, size_t len_bytes)
{
    while (len_bytes > 0 && text[len_bytes - 1] == SP_SEGMENT_BLANK)
        len_bytes--;
    return len_bytes;
}

int64_t sp_segment_file_end(struct sp_segment_file *file, uint64_t from)
{
    uint64_t end = from;
    char text[LOOK_BYTES];

    for (uint64_t at = from;;) {
        ssize_t n = sp_segment_file_read(file, text, sizeof text, at);
        if (n < 0) return -1;
        if (n == 0) return (int64_t)end;
        size_t len = sp_segment_unblanked(text, (size_t)n);
        if (len > 0) end = at + len;
        at += (uint64_t)n;
    }
}
