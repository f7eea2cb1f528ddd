/* A temporary folder for one test, removed with all that is in it. */
#ifndef SP_TEST_FOLDER_H
#define SP_TEST_FOLDER_H

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct folder {
    char path[256];
};

static inline void folder_remove_path(const char *path)
{
    DIR *dir = opendir(path);

    if (dir != NULL) {
        for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
            char sub[1024];
            if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
            int len = snprintf(sub, sizeof sub, "%s/%s", path, e->d_name);
            if (len >= (int)sizeof sub) abort();
            if (unlink(sub) != 0) folder_remove_path(sub);
        }
        closedir(dir);
    }
    rmdir(path);
}

static inline struct folder folder_make(void)
{
    struct folder f;
    const char *root = getenv("TMPDIR");

    snprintf(f.path, sizeof f.path, "%s/spoor-test-XXXXXX", root != NULL ? root : "/tmp");
    if (mkdtemp(f.path) == NULL) abort();
    return f;
}

static inline void folder_remove(struct folder *f)
{
    folder_remove_path(f->path);
}

static inline const char *folder_path(const struct folder *f, const char *name, char buf[512])
{
    snprintf(buf, 512, "%s/%s", f->path, name);
    return buf;
}

/* Length, or -1 if it cannot be read. */
static inline long file_read(const char *path, char *buf, size_t cap)
{
    FILE *in = fopen(path, "rb");

    if (in == NULL) return -1;
    size_t n = fread(buf, 1, cap, in);
    fclose(in);
    return (long)n;
}

/* Not by truncating to nothing first: ext4 then flushes the file at close, which is slow. */
static inline void file_write(const char *path, const char *buf, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT, 0600);

    if (fd < 0 || pwrite(fd, buf, len, 0) != (ssize_t)len) abort();
    if (ftruncate(fd, (off_t)len) != 0) abort();
    close(fd);
}

#endif
