/* The file port: every operation by which we keep data, behind one table, so that tests record,
 * refuse or crash at each of them. Each function behaves like the system call of its name: -1 (or
 * a short count) and errno on failure. One thread at a time per descriptor, except that a sync may
 * run beside a write.
 */
#ifndef SP_COMMON_FILE_H
#define SP_COMMON_FILE_H

#include "proto/status.h"

#include <sys/types.h>

struct sp_file_port {
    void *self;
    int (*open)(void *self, const char *path, int flags, mode_t mode); /* adds O_CLOEXEC */
    ssize_t (*write)(void *self, int fd, const void *buf, size_t len_bytes);
    ssize_t (*pread)(void *self, int fd, void *buf, size_t len_bytes, off_t offset);
    int (*truncate)(void *self, int fd, off_t len_bytes);
    int (*sync)(void *self, int fd);     /* fsync: data and size */
    int (*datasync)(void *self, int fd); /* fdatasync */
    int (*close)(void *self, int fd);
    int (*rename)(void *self, const char *from, const char *to);
    int (*link)(void *self, const char *from, const char *to);
    int (*unlink)(void *self, const char *path);
    int (*mkdir)(void *self, const char *path, mode_t mode);
    int (*sync_dir)(void *self, const char *path);
    /* Asked by sp_file_write_all when the disk is full; true: some space is free now, try again.
     * It must say false at last. May be NULL. */
    bool (*make_room)(void *room);
    void *room;
};

/* The operating system's. */
const struct sp_file_port *sp_file_port_real(void);

/* Writes everything, over EINTR, short writes and a full disk on which room can be made. SP_STORAGE
 * with errno otherwise. */
SP_NODISCARD sp_status sp_file_write_all(const struct sp_file_port *port, int fd, const void *buf,
                                         size_t len_bytes, struct sp_err *err);
/* mkdir -p with 0700; the names of all parts that we can have made are durable. SP_STORAGE. */
SP_NODISCARD sp_status sp_file_make_dirs(const struct sp_file_port *port, const char *path,
                                         struct sp_err *err);

/* CRC-32C (Castagnoli). Start with seed 0 or with the CRC of what came before. */
uint32_t sp_crc32c(uint32_t seed, const void *buf, size_t len_bytes);
/* The same by table: what sp_crc32c uses where the processor has no instruction for it. */
uint32_t sp_crc32c_portable(uint32_t seed, const void *buf, size_t len_bytes);

#endif
