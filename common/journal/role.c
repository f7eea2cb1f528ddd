/* LOCK holds the text "pid N\n" for the message of whoever finds it held; only the flock counts.
 *
 * EPOCH is two slots of 512 bytes, so that a torn write of one sector leaves the other alone. A
 * slot is the text
 *
 *   epoch 0000000007 crc 9f3a12bc
 *
 * then spaces and a newline at its end; the CRC-32C covers the 16 bytes "epoch 0000000007".
 * Raising writes the slot that does not hold the highest epoch, and syncs. If a slot is unreadable
 * it may have held an epoch that was in use, one above the other's, so the next one is two above.
 * The file is made whole by a rename at first use, and every start syncs its name.
 */
#include "common/journal/role.h"

#include "common/planted_bug.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define SLOT_BYTES    512
#define FILE_BYTES    SP_ROLE_EPOCH_BYTES
#define CRC_OFFSET    21
#define TRIES_MAX     8
#define COVERED_BYTES 16

_Static_assert(FILE_BYTES == 2 * SLOT_BYTES, "two slots");

struct slots {
    bool valid[2];
    uint32_t epoch[2];
};

static void slot_write(char slot[SLOT_BYTES], uint32_t epoch)
{
    char text[40];
    char covered[COVERED_BYTES + 1];

    snprintf(covered, sizeof covered, "epoch %010" PRIu32, epoch);
    int len = snprintf(text, sizeof text, "%s crc %08" PRIx32, covered,
                       sp_crc32c(0, covered, COVERED_BYTES));
    SP_ASSERT(len == CRC_OFFSET + 8);
    memset(slot, ' ', SLOT_BYTES);
    memcpy(slot, text, (size_t)len);
    slot[SLOT_BYTES - 1] = '\n';
}

static bool slot_read(const char slot[SLOT_BYTES], uint32_t *out)
{
    char expected[SLOT_BYTES];
    uint64_t epoch = 0;

    for (size_t i = 6; i < COVERED_BYTES; i++) {
        if (slot[i] < '0' || slot[i] > '9') return false;
        epoch = epoch * 10 + (uint64_t)(slot[i] - '0');
    }
    if (epoch > UINT32_MAX) return false;
    slot_write(expected, (uint32_t)epoch);
    if (memcmp(expected, slot, SLOT_BYTES) != 0) return false;
    *out = (uint32_t)epoch;
    return true;
}

/* False if the file cannot be read in full. */
static bool file_read(int fd, char buf[FILE_BYTES])
{
    const struct sp_file_port *port = sp_file_port_real(); /* reading changes nothing */

    return port->pread(port->self, fd, buf, FILE_BYTES, 0) == FILE_BYTES;
}

static struct slots slots_in(const char buf[FILE_BYTES])
{
    struct slots slots = {0};

    for (int i = 0; i < 2; i++)
        slots.valid[i] = slot_read(buf + i * SLOT_BYTES, &slots.epoch[i]);
    return slots;
}

/* Index of the slot with the highest epoch; -1 if none can be read. */
static int slots_highest(const struct slots *slots)
{
    if (!slots->valid[0] && !slots->valid[1]) return -1;
    if (!slots->valid[1]) return 0;
    if (!slots->valid[0]) return 1;
    return slots->epoch[0] > slots->epoch[1] ? 0 : 1;
}

static sp_status create_epoch_file(const struct sp_file_port *port, const char *dir,
                                   const char *path, struct sp_err *err)
{
    char tmp[SP_ROLE_PATH_SIZE + 8];
    char buf[FILE_BYTES];

    slot_write(buf, 0);
    slot_write(buf + SLOT_BYTES, 0);
    snprintf(tmp, sizeof tmp, "%s.tmp", path);
    int fd = port->open(port->self, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
    if (fd < 0) return SP_FAIL(err, SP_STORAGE, "cannot create %s: %s", tmp, strerror(errno));

    sp_status status = sp_file_write_all(port, fd, buf, sizeof buf, err);
    if (status == SP_OK && port->sync(port->self, fd) != 0) {
        status = SP_FAIL(err, SP_STORAGE, "cannot sync %s: %s", tmp, strerror(errno));
    }
    port->close(port->self, fd);
    if (status != SP_OK) return status;
    if (port->rename(port->self, tmp, path) != 0 || port->sync_dir(port->self, dir) != 0) {
        return SP_FAIL(err, SP_STORAGE, "cannot create %s: %s", path, strerror(errno));
    }
    return SP_OK;
}

/* Takes the flock on the file that is at `path` now: one that was removed while we waited in open
 * would give a lock beside another's. */
static sp_status take_lock(const struct sp_file_port *port, const char *path, int *out_fd,
                           struct sp_err *err)
{
    for (int i = 0; i < TRIES_MAX; i++) {
        struct stat held, there;
        int fd = port->open(port->self, path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
        if (fd < 0) return SP_FAIL(err, SP_STORAGE, "cannot open %s: %s", path, strerror(errno));
        if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
            char text[32] = {0};
            bool busy = errno == EWOULDBLOCK;
            if (!busy) SP_FAIL(err, SP_STORAGE, "cannot lock %s: %s", path, strerror(errno));
            if (busy && pread(fd, text, sizeof text - 1, 0) < 4) text[0] = '\0';
            text[strcspn(text, "\n")] = '\0';
            close(fd);
            if (!busy) return SP_STORAGE;
            return SP_FAIL(err, SP_LOCKED, "%s is held by another process (%s)", path,
                           text[0] != '\0' ? text : "pid not known");
        }
        if (fstat(fd, &held) == 0 && stat(path, &there) == 0 && held.st_ino == there.st_ino &&
            held.st_dev == there.st_dev) {
            *out_fd = fd;
            return SP_OK;
        }
        close(fd);
    }
    return SP_FAIL(err, SP_STORAGE, "%s keeps being replaced", path);
}

static sp_status write_pid(const struct sp_file_port *port, int fd, const char *path,
                           struct sp_err *err)
{
    char text[32];
    int len = snprintf(text, sizeof text, "pid %ld\n", (long)getpid());

    if (port->truncate(port->self, fd, 0) != 0) {
        return SP_FAIL(err, SP_STORAGE, "cannot write %s: %s", path, strerror(errno));
    }
    return sp_file_write_all(port, fd, text, (size_t)len, err);
}

/* A file that is there may be of a process that died before its name was durable: an epoch raised
 * in it would be forgotten with the name, and handed out again. */
static sp_status open_epoch(const struct sp_file_port *port, const char *dir, struct sp_role *role,
                            struct sp_err *err)
{
    int fd = port->open(port->self, role->epoch_path, O_RDWR | O_NOFOLLOW, 0);

    if (fd < 0 && errno == ENOENT) {
        sp_status status = create_epoch_file(port, dir, role->epoch_path, err);
        if (status != SP_OK) return status;
        fd = port->open(port->self, role->epoch_path, O_RDWR | O_NOFOLLOW, 0);
    } else if (fd >= 0 && !SP_BUG(epoch_name_unsynced) && port->sync_dir(port->self, dir) != 0) {
        SP_FAIL(err, SP_STORAGE, "cannot sync %s: %s", dir, strerror(errno));
        port->close(port->self, fd);
        return SP_STORAGE;
    }
    if (fd < 0) {
        return SP_FAIL(err, SP_STORAGE, "cannot open %s: %s", role->epoch_path, strerror(errno));
    }
    role->epoch_fd = fd;
    return SP_OK;
}

static sp_status write_slot(const struct sp_file_port *port, const struct sp_role *role, int slot,
                            uint32_t epoch, struct sp_err *err)
{
    char bytes[SLOT_BYTES];
    sp_status status = SP_OK;

    slot_write(bytes, epoch);
    if (lseek(role->epoch_fd, (off_t)slot * SLOT_BYTES, SEEK_SET) < 0) {
        return SP_FAIL(err, SP_STORAGE, "cannot seek in %s: %s", role->epoch_path, strerror(errno));
    }
    status = sp_file_write_all(port, role->epoch_fd, bytes, sizeof bytes, err);
    if (status == SP_OK && !SP_BUG(epoch_unsynced) &&
        port->datasync(port->self, role->epoch_fd) != 0) {
        status = SP_FAIL(err, SP_STORAGE, "cannot raise the epoch in %s: %s", role->epoch_path,
                         strerror(errno));
    }
    return status;
}

static sp_status raise_epoch(const struct sp_file_port *port, struct sp_role *role,
                             struct sp_err *err)
{
    bool whole = file_read(role->epoch_fd, role->epoch_bytes);
    struct slots slots = slots_in(role->epoch_bytes);
    int highest = slots_highest(&slots);

    if (!whole || highest < 0) {
        return SP_FAIL(err, SP_CORRUPT,
                       "%s is damaged; write both slots with an epoch above the journal's last",
                       role->epoch_path);
    }
    int target = 1 - highest;
    uint32_t step = slots.valid[target] ? 1 : 2;
    if (slots.epoch[highest] > UINT32_MAX - step) {
        return SP_FAIL(err, SP_CORRUPT, "%s has no epoch left", role->epoch_path);
    }
    uint32_t epoch = slots.epoch[highest] + step;
    sp_status status = write_slot(port, role, target, epoch, err);
    if (status != SP_OK) return status;
    whole = file_read(role->epoch_fd, role->epoch_bytes);
    slots = slots_in(role->epoch_bytes);
    if (!whole || !slots.valid[target] || slots.epoch[target] != epoch) {
        return SP_FAIL(err, SP_STORAGE, "%s does not read back as written", role->epoch_path);
    }
    role->epoch = epoch;
    return SP_OK;
}

sp_status sp_role_acquire_through(const struct sp_file_port *port, struct sp_role *role,
                                  const char *dir, struct sp_err *err)
{
    struct sp_role taken = {.lock_fd = -1, .epoch_fd = -1};
    char lock_path[SP_ROLE_PATH_SIZE];

    if (strlen(dir) + sizeof "/EPOCH" > sizeof lock_path) {
        return SP_FAIL(err, SP_STORAGE, "path of %zu bytes is too long", strlen(dir));
    }
    sp_status status = sp_file_make_dirs(port, dir, err);
    if (status != SP_OK) return status;
    snprintf(lock_path, sizeof lock_path, "%s/LOCK", dir);
    snprintf(taken.epoch_path, sizeof taken.epoch_path, "%s/EPOCH", dir);
    status = take_lock(port, lock_path, &taken.lock_fd, err);
    if (status != SP_OK) return status;
    status = write_pid(port, taken.lock_fd, lock_path, err);
    if (status == SP_OK) status = open_epoch(port, dir, &taken, err);
    if (status == SP_OK) status = raise_epoch(port, &taken, err);
    if (status != SP_OK) {
        if (taken.epoch_fd >= 0) close(taken.epoch_fd);
        close(taken.lock_fd);
        return status;
    }
    *role = taken;
    return SP_OK;
}

sp_status sp_role_acquire(struct sp_role *role, const char *dir, struct sp_err *err)
{
    return sp_role_acquire_through(sp_file_port_real(), role, dir, err);
}

sp_status sp_role_check(const struct sp_role *role, struct sp_err *err)
{
    struct stat lock, file;

    SP_ASSERT(role->epoch > 0);
    if (SP_BUG(epoch_unchecked)) return SP_OK;
    if (fstat(role->lock_fd, &lock) != 0 || fstat(role->epoch_fd, &file) != 0) {
        return SP_FAIL(err, SP_STORAGE, "cannot look at %s: %s", role->epoch_path, strerror(errno));
    }
    if (lock.st_nlink == 0 || file.st_nlink == 0) {
        return SP_FAIL(err, SP_FENCED, "LOCK or %s was removed while we held it", role->epoch_path);
    }
    /* A slot that is being written may read as damaged: look again before judging. */
    for (int i = 0; i < TRIES_MAX; i++) {
        char buf[FILE_BYTES];
        if (!file_read(role->epoch_fd, buf)) continue;
        if (memcmp(buf, role->epoch_bytes, sizeof buf) == 0) return SP_OK;
        struct slots slots = slots_in(buf);
        int highest = slots_highest(&slots);
        if (highest < 0) continue;
        if (slots.epoch[highest] == role->epoch) return SP_OK;
        if (slots.epoch[highest] > role->epoch) {
            return SP_FAIL(err, SP_FENCED, "epoch %" PRIu32 " was superseded by %" PRIu32,
                           role->epoch, slots.epoch[highest]);
        }
    }
    return SP_FAIL(err, SP_CORRUPT, "%s no longer shows our epoch %" PRIu32, role->epoch_path,
                   role->epoch);
}

void sp_role_release(struct sp_role *role)
{
    if (role == NULL || role->epoch == 0) return;
    close(role->epoch_fd);
    close(role->lock_fd);
    role->lock_fd = -1;
    role->epoch_fd = -1;
    role->epoch = 0;
}
