/* A disk that crashes: what was asked of it in which order, and what may be left of that.
 *
 * Two models. The weak one, which is the gate: file data and directory operations are independent
 * of each other, a sync of a file makes its earlier data durable but not its name, a sync of a
 * directory makes the earlier operations in it durable. Whatever is not durable may be there or
 * not, one operation at a time; rename is atomic; a write may be torn at sectors of 512 bytes.
 * Sectors that already hold durable bytes keep them until they are overwritten, as a whole.
 *
 * The ordered one is ext4's: directory operations become durable in the order in which they were
 * done, any sync makes all earlier ones durable, and the data of a file that replaces another by a
 * rename is there when the rename is. Each of its states is one of the weak model too.
 *
 * A sync that fails loses pages: what was written before it and was not durable may be there or
 * not for ever, whatever later syncs say, until it is written again. Programs go on seeing it.
 */
#ifndef SP_TEST_CRASH_DISK_H
#define SP_TEST_CRASH_DISK_H

#include "common/journal/file.h"

#define DISK_NODES   96
#define DISK_ENTRIES 96
#define DISK_OPS     1024
#define DISK_SECTOR  512
#define DISK_ROOT    0

/* Files and directories by number; 0 is the root. */
struct disk_node {
    bool is_dir;
    uint8_t *data;
    size_t len_bytes, cap_bytes;
};

struct disk_entry {
    uint32_t dir, node;
    char name[60];
};

struct disk_image {
    uint32_t nodes, entries;
    struct disk_node node[DISK_NODES];
    struct disk_entry entry[DISK_ENTRIES];
};

enum disk_op_kind {
    DISK_CREATE,
    DISK_MKDIR,
    DISK_LINK,
    DISK_RENAME,
    DISK_UNLINK,
    DISK_WRITE,
    DISK_TRUNCATE,
    DISK_SYNC,
    DISK_SYNC_DIR,
    DISK_SYNC_FAILED,
    DISK_MARK,
    DISK_OP_KINDS
};

enum disk_model { DISK_WEAK, DISK_ORDERED, DISK_MODELS };

/* What the code under test was given and what it promised, so far. */
struct disk_bounds {
    uint64_t seq_issued, seq_acked; /* journal records */
    uint64_t gen_issued, gen_acked; /* state generations */
    uint32_t gen_epoch;             /* of who wrote the acknowledged one */
    uint64_t trim_issued;           /* records below may be deleted */
    uint32_t role_epoch;            /* the highest that was handed out */
};

struct disk_op {
    enum disk_op_kind kind;
    uint32_t node;               /* the file, or the directory that is synced */
    uint32_t dir;                /* of the name */
    char name[60], new_name[60]; /* new_name: of a rename, in the same directory */
    bool replaces;               /* a rename over another file */
    uint64_t at;                 /* of a write; the new length of a truncate */
    size_t len_bytes;
    uint8_t *bytes;
    struct disk_bounds bounds; /* of a mark */
    uint32_t durable_at;       /* the first crash point at which it is durable */
};

struct disk_log {
    struct disk_image base; /* durable before the first operation */
    struct disk_bounds base_bounds;
    uint32_t count, nodes;
    enum disk_model model;
    struct disk_op op[DISK_OPS];
};

enum disk_tear_kind {
    DISK_WHOLE,
    DISK_CUT,          /* the file ends at the sector */
    DISK_CUT_BYTE,     /* at `sector` bytes into the write */
    DISK_REST_ZERO,    /* from the sector on */
    DISK_REST_GARBAGE, /* likewise */
    DISK_REST_STALE,   /* likewise, of the beginning of the same file */
    DISK_ONE_ZERO,     /* the sector only */
    DISK_ONE_GARBAGE,
    DISK_ONE_STALE,
    DISK_ONE_OLD, /* the sector was not written: what was there before, or zeros */
    DISK_TEAR_KINDS
};

struct disk_tear {
    uint32_t op;
    enum disk_tear_kind kind;
    uint32_t sector;
};

/* One state: a crash before operation `point`, with those pending operations whose bit is set. */
struct disk_crash {
    uint32_t point;
    uint64_t kept;
    struct disk_tear tear;
};

/* The pending operations at a crash point, at most 64 (asserted). */
uint32_t disk_pending(const struct disk_log *log, uint32_t point, uint32_t out[64]);
struct disk_bounds disk_bounds_at(const struct disk_log *log, uint32_t point);
/* Fills durable_at of every operation of a complete log: what disk_pending and disk_build go by. */
void disk_log_finish(struct disk_log *log, enum disk_model model);
/* Makes a crash one that the log's model allows: takes operations out of what is kept, or adds what
 * must be there with it. */
void disk_settle(const struct disk_log *log, struct disk_crash *crash);
void disk_log_clear(struct disk_log *log);

/* Overwrites *out, which is zeroed or was built before. */
void disk_build(const struct disk_log *log, const struct disk_crash *crash, struct disk_image *out);
void disk_apply(struct disk_image *image, const struct disk_op *op, const struct disk_tear *tear);
void disk_copy(struct disk_image *to, const struct disk_image *from);
void disk_clear(struct disk_image *image);
/* The node of a name in a directory; -1 if there is none. */
int disk_find(const struct disk_image *image, uint32_t dir, const char *name);
/* Of names, links and contents; the same for images that no program can tell apart. */
uint64_t disk_hash(const struct disk_image *image);
/* Makes `path`, which does not exist, look like the image. */
void disk_materialise(const struct disk_image *image, const char *path);

#endif
