#include "services/spoor/halt_file.h"

#include "common/journal/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PATH_BYTES 1024

static sp_status sync_dir(const char *dir, struct sp_err *err)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0) return SP_FAIL(err, SP_IO, "%s: %s", dir, strerror(errno));
    int result = fsync(fd);
    close(fd);
    if (result != 0) return SP_FAIL(err, SP_IO, "%s: %s", dir, strerror(errno));
    return SP_OK;
}

/* A scope that is already waiting and is not this one makes both "all". */
static void widen(const char *path, sp_name *scope)
{
    char waiting[SP_NAME_SIZE + 1] = "";
    FILE *file = fopen(path, "re");

    if (file == NULL) return;
    if (fgets(waiting, sizeof waiting, file) == NULL) waiting[0] = '\0';
    fclose(file);
    waiting[strcspn(waiting, "\n")] = '\0';
    if (strcmp(waiting, scope->s) != 0) *scope = sp_name_of("all");
}

static sp_status write_synced(const char *path, const char *text, struct sp_err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0) return SP_FAIL(err, SP_IO, "%s: %s", path, strerror(errno));
    ssize_t n = write(fd, text, strlen(text));
    bool whole = n == (ssize_t)strlen(text) && fsync(fd) == 0;
    int error = errno;
    close(fd);
    if (!whole) return SP_FAIL(err, SP_IO, "%s: %s", path, strerror(error));
    return SP_OK;
}

sp_status sp_halt_file_write(const char *execution_dir, sp_name *scope, const sp_text *reason,
                             struct sp_err *err)
{
    char path[PATH_BYTES], pending[PATH_BYTES + 8], text[SP_NAME_SIZE + SP_TEXT_SIZE + 4];
    sp_text line = *reason;

    for (char *p = line.s; *p != '\0'; p++)
        if (*p == '\n') *p = ' ';
    sp_status status = sp_file_make_dirs(sp_file_port_real(), execution_dir, err);
    if (status != SP_OK) return status;
    int n = snprintf(path, sizeof path, "%s/HALT", execution_dir);
    if (n < 0 || (size_t)n >= sizeof path) return SP_FAIL(err, SP_IO, "the path is too long");
    snprintf(pending, sizeof pending, "%s.new", path);
    widen(path, scope);
    snprintf(text, sizeof text, "%s\n%s\n", scope->s, line.s);
    status = write_synced(pending, text, err);
    if (status != SP_OK) return status;
    if (rename(pending, path) != 0) return SP_FAIL(err, SP_IO, "%s: %s", path, strerror(errno));
    return sync_dir(execution_dir, err);
}

sp_status sp_halt_file_remove(const char *execution_dir, struct sp_err *err)
{
    char path[PATH_BYTES];

    int n = snprintf(path, sizeof path, "%s/HALT", execution_dir);
    if (n < 0 || (size_t)n >= sizeof path) return SP_FAIL(err, SP_IO, "the path is too long");
    if (unlink(path) == 0) return sync_dir(execution_dir, err);
    if (errno == ENOENT) return SP_FAIL(err, SP_NOT_FOUND, "no halt is waiting");
    return SP_FAIL(err, SP_IO, "%s: %s", path, strerror(errno));
}
