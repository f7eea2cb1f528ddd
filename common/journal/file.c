#include "common/journal/file.h"

#include "common/planted_bug.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

#define PATH_BYTES 1024

static int real_open(void *self, const char *path, int flags, mode_t mode)
{
    (void)self;
    return open(path, flags | O_CLOEXEC, mode);
}
static ssize_t real_write(void *self, int fd, const void *buf, size_t len_bytes)
{
    (void)self;
    return write(fd, buf, len_bytes);
}
static ssize_t real_pread(void *self, int fd, void *buf, size_t len_bytes, off_t offset)
{
    (void)self;
    return pread(fd, buf, len_bytes, offset);
}
static int real_truncate(void *self, int fd, off_t len_bytes)
{
    (void)self;
    return ftruncate(fd, len_bytes);
}
static int real_sync(void *self, int fd)
{
    (void)self;
    return fsync(fd);
}
static int real_datasync(void *self, int fd)
{
    (void)self;
    return fdatasync(fd);
}
static int real_close(void *self, int fd)
{
    (void)self;
    return close(fd);
}
static int real_rename(void *self, const char *from, const char *to)
{
    (void)self;
    return rename(from, to);
}
static int real_link(void *self, const char *from, const char *to)
{
    (void)self;
    return link(from, to);
}
static int real_unlink(void *self, const char *path)
{
    (void)self;
    return unlink(path);
}
static int real_mkdir(void *self, const char *path, mode_t mode)
{
    (void)self;
    return mkdir(path, mode);
}
static int real_sync_dir(void *self, const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    (void)self;
    if (fd < 0) return -1;
    int rc = fsync(fd);
    int saved_errno = errno;
    close(fd);
    errno = saved_errno;
    return rc;
}

static const struct sp_file_port real_port = {
    .open = real_open,
    .write = real_write,
    .pread = real_pread,
    .truncate = real_truncate,
    .sync = real_sync,
    .datasync = real_datasync,
    .close = real_close,
    .rename = real_rename,
    .link = real_link,
    .unlink = real_unlink,
    .mkdir = real_mkdir,
    .sync_dir = real_sync_dir,
};

const struct sp_file_port *sp_file_port_real(void)
{
    return &real_port;
}

static bool makes_room(const struct sp_file_port *port)
{
    int saved_errno = errno;

    if (saved_errno != ENOSPC && saved_errno != EDQUOT) return false;
    bool made = port->make_room != NULL && port->make_room(port->room);
    errno = saved_errno;
    return made;
}

sp_status sp_file_write_all(const struct sp_file_port *port, int fd, const void *buf,
                            size_t len_bytes, struct sp_err *err)
{
    const char *at = buf;

    while (len_bytes > 0) {
        ssize_t n = port->write(port->self, fd, at, len_bytes);
        if (n < 0 && (errno == EINTR || makes_room(port))) continue;
        /* A write of nothing would loop for ever; no file system we use does it. */
        if (n == 0) errno = EIO;
        if (n <= 0) return SP_FAIL(err, SP_STORAGE, "write: %s", strerror(errno));
        SP_ASSERT((size_t)n <= len_bytes);
        if (SP_BUG(ignore_short_write)) break;
        at += n;
        len_bytes -= (size_t)n;
    }
    return SP_OK;
}

/* A new directory is only there after a power cut if its parent was synced. One that is there
 * already may be of a process that died before it could do that, if we could have made it. */
static sp_status make_dir(const struct sp_file_port *port, char *path, struct sp_err *err)
{
    bool made = port->mkdir(port->self, path, 0700) == 0;
    struct stat st;

    if (!made && errno == EEXIST && (stat(path, &st) != 0 || !S_ISDIR(st.st_mode))) errno = ENOTDIR;
    if (!made && errno != EEXIST) {
        return SP_FAIL(err, SP_STORAGE, "cannot create directory %s: %s", path, strerror(errno));
    }

    char *slash = strrchr(path, '/');
    const char *parent = slash == NULL ? "." : slash == path ? "/" : path;
    if (slash != NULL && slash != path) *slash = '\0';
    bool ours = made || access(parent, W_OK) == 0 || (errno != EACCES && errno != EROFS);
    int rc = ours ? port->sync_dir(port->self, parent) : 0;
    if (slash != NULL && slash != path) *slash = '/';
    if (rc != 0) {
        return SP_FAIL(err, SP_STORAGE, "cannot sync the parent of %s: %s", path, strerror(errno));
    }
    return SP_OK;
}

sp_status sp_file_make_dirs(const struct sp_file_port *port, const char *path, struct sp_err *err)
{
    char buf[PATH_BYTES];
    size_t len = strlen(path);

    SP_ASSERT(len > 0);
    if (len >= sizeof buf) {
        errno = ENAMETOOLONG;
        return SP_FAIL(err, SP_STORAGE, "path of %zu bytes is too long", len);
    }
    memcpy(buf, path, len + 1);
    while (len > 1 && buf[len - 1] == '/')
        buf[--len] = '\0';
    for (size_t i = 1; i <= len; i++) {
        if (buf[i] != '/' && buf[i] != '\0') continue;
        if (buf[i - 1] == '/') continue;
        buf[i] = '\0';
        sp_status status = make_dir(port, buf, err);
        if (status != SP_OK) return status;
        buf[i] = i < len ? '/' : '\0';
    }
    return SP_OK;
}

/* Castagnoli's polynomial 0x1edc6f41, reflected, one byte at a time. */

static const uint32_t crc_table[256] = {
    0x00000000, 0xf26b8303, 0xe13b70f7, 0x1350f3f4, 0xc79a971f, 0x35f1141c, 0x26a1e7e8, 0xd4ca64eb,
    0x8ad958cf, 0x78b2dbcc, 0x6be22838, 0x9989ab3b, 0x4d43cfd0, 0xbf284cd3, 0xac78bf27, 0x5e133c24,
    0x105ec76f, 0xe235446c, 0xf165b798, 0x030e349b, 0xd7c45070, 0x25afd373, 0x36ff2087, 0xc494a384,
    0x9a879fa0, 0x68ec1ca3, 0x7bbcef57, 0x89d76c54, 0x5d1d08bf, 0xaf768bbc, 0xbc267848, 0x4e4dfb4b,
    0x20bd8ede, 0xd2d60ddd, 0xc186fe29, 0x33ed7d2a, 0xe72719c1, 0x154c9ac2, 0x061c6936, 0xf477ea35,
    0xaa64d611, 0x580f5512, 0x4b5fa6e6, 0xb93425e5, 0x6dfe410e, 0x9f95c20d, 0x8cc531f9, 0x7eaeb2fa,
    0x30e349b1, 0xc288cab2, 0xd1d83946, 0x23b3ba45, 0xf779deae, 0x05125dad, 0x1642ae59, 0xe4292d5a,
    0xba3a117e, 0x4851927d, 0x5b016189, 0xa96ae28a, 0x7da08661, 0x8fcb0562, 0x9c9bf696, 0x6ef07595,
    0x417b1dbc, 0xb3109ebf, 0xa0406d4b, 0x522bee48, 0x86e18aa3, 0x748a09a0, 0x67dafa54, 0x95b17957,
    0xcba24573, 0x39c9c670, 0x2a993584, 0xd8f2b687, 0x0c38d26c, 0xfe53516f, 0xed03a29b, 0x1f682198,
    0x5125dad3, 0xa34e59d0, 0xb01eaa24, 0x42752927, 0x96bf4dcc, 0x64d4cecf, 0x77843d3b, 0x85efbe38,
    0xdbfc821c, 0x2997011f, 0x3ac7f2eb, 0xc8ac71e8, 0x1c661503, 0xee0d9600, 0xfd5d65f4, 0x0f36e6f7,
    0x61c69362, 0x93ad1061, 0x80fde395, 0x72966096, 0xa65c047d, 0x5437877e, 0x4767748a, 0xb50cf789,
    0xeb1fcbad, 0x197448ae, 0x0a24bb5a, 0xf84f3859, 0x2c855cb2, 0xdeeedfb1, 0xcdbe2c45, 0x3fd5af46,
    0x7198540d, 0x83f3d70e, 0x90a324fa, 0x62c8a7f9, 0xb602c312, 0x44694011, 0x5739b3e5, 0xa55230e6,
    0xfb410cc2, 0x092a8fc1, 0x1a7a7c35, 0xe811ff36, 0x3cdb9bdd, 0xceb018de, 0xdde0eb2a, 0x2f8b6829,
    0x82f63b78, 0x709db87b, 0x63cd4b8f, 0x91a6c88c, 0x456cac67, 0xb7072f64, 0xa457dc90, 0x563c5f93,
    0x082f63b7, 0xfa44e0b4, 0xe9141340, 0x1b7f9043, 0xcfb5f4a8, 0x3dde77ab, 0x2e8e845f, 0xdce5075c,
    0x92a8fc17, 0x60c37f14, 0x73938ce0, 0x81f80fe3, 0x55326b08, 0xa759e80b, 0xb4091bff, 0x466298fc,
    0x1871a4d8, 0xea1a27db, 0xf94ad42f, 0x0b21572c, 0xdfeb33c7, 0x2d80b0c4, 0x3ed04330, 0xccbbc033,
    0xa24bb5a6, 0x502036a5, 0x4370c551, 0xb11b4652, 0x65d122b9, 0x97baa1ba, 0x84ea524e, 0x7681d14d,
    0x2892ed69, 0xdaf96e6a, 0xc9a99d9e, 0x3bc21e9d, 0xef087a76, 0x1d63f975, 0x0e330a81, 0xfc588982,
    0xb21572c9, 0x407ef1ca, 0x532e023e, 0xa145813d, 0x758fe5d6, 0x87e466d5, 0x94b49521, 0x66df1622,
    0x38cc2a06, 0xcaa7a905, 0xd9f75af1, 0x2b9cd9f2, 0xff56bd19, 0x0d3d3e1a, 0x1e6dcdee, 0xec064eed,
    0xc38d26c4, 0x31e6a5c7, 0x22b65633, 0xd0ddd530, 0x0417b1db, 0xf67c32d8, 0xe52cc12c, 0x1747422f,
    0x49547e0b, 0xbb3ffd08, 0xa86f0efc, 0x5a048dff, 0x8ecee914, 0x7ca56a17, 0x6ff599e3, 0x9d9e1ae0,
    0xd3d3e1ab, 0x21b862a8, 0x32e8915c, 0xc083125f, 0x144976b4, 0xe622f5b7, 0xf5720643, 0x07198540,
    0x590ab964, 0xab613a67, 0xb831c993, 0x4a5a4a90, 0x9e902e7b, 0x6cfbad78, 0x7fab5e8c, 0x8dc0dd8f,
    0xe330a81a, 0x115b2b19, 0x020bd8ed, 0xf0605bee, 0x24aa3f05, 0xd6c1bc06, 0xc5914ff2, 0x37faccf1,
    0x69e9f0d5, 0x9b8273d6, 0x88d28022, 0x7ab90321, 0xae7367ca, 0x5c18e4c9, 0x4f48173d, 0xbd23943e,
    0xf36e6f75, 0x0105ec76, 0x12551f82, 0xe03e9c81, 0x34f4f86a, 0xc69f7b69, 0xd5cf889d, 0x27a40b9e,
    0x79b737ba, 0x8bdcb4b9, 0x988c474d, 0x6ae7c44e, 0xbe2da0a5, 0x4c4623a6, 0x5f16d052, 0xad7d5351,
};

static uint32_t crc_by_table(uint32_t crc, const uint8_t *at, size_t len_bytes)
{
    for (size_t i = 0; i < len_bytes; i++) {
        crc = (crc >> 8) ^ crc_table[(crc ^ at[i]) & 0xff];
    }
    return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc_by_cpu(uint32_t crc, const uint8_t *at,
                                                             size_t len_bytes)
{
    uint64_t wide = crc;

    while (len_bytes >= 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        wide = _mm_crc32_u64(wide, word);
        at += 8;
        len_bytes -= 8;
    }
    crc = (uint32_t)wide;
    while (len_bytes > 0) {
        crc = _mm_crc32_u8(crc, *at++);
        len_bytes--;
    }
    return crc;
}
#endif

uint32_t sp_crc32c(uint32_t seed, const void *buf, size_t len_bytes)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2")) return ~crc_by_cpu(~seed, buf, len_bytes);
#endif
    return sp_crc32c_portable(seed, buf, len_bytes);
}

uint32_t sp_crc32c_portable(uint32_t seed, const void *buf, size_t len_bytes)
{
    return ~crc_by_table(~seed, buf, len_bytes);
}
