/* What files.c (the disk) and descriptors.c share; nobody else includes it.
 */
#ifndef SP_TEST_SIM_FILES_INTERNAL_H
#define SP_TEST_SIM_FILES_INTERNAL_H

#include "files.h"

#define SIM_PATH_SIZE 200

struct sim_bytes {
    uint8_t *at;
    size_t len, room;
};

struct sim_node {
    struct sim_node *next;
    bool is_dir, safe;
    uint32_t names;                 /* that it has now */
    uint64_t ino, op_id;            /* op_id: of the newest operation */
    struct sim_bytes data, durable; /* a safe node's data are durable */
    size_t op_count, op_room;
    struct op *ops;           /* not yet durable, oldest first */
    struct sim_proc *lock_of; /* flock */
};

struct sim_node *sim_node_new(bool is_dir, bool safe);
struct sim_node *sim_node_find(const char *path);
struct sim_node *sim_node_make(const char *path, bool is_dir);
void sim_node_write(struct sim_node *node, size_t at, const void *bytes, size_t len);
void sim_node_truncate(struct sim_node *node, size_t len);
/* Of the operations asked for so far, those up to this one. */
void sim_node_sync(struct sim_node *node, uint64_t up_to);
/* A sync of these failed: they stay readable and never become durable. */
void sim_node_lose(struct sim_node *node, uint64_t up_to);
void sim_node_sync_names(const char *path);
void sim_node_stat(const struct sim_node *node, struct stat *out);
int sim_disk_fault(enum sim_disk_op op, const char *path, size_t len);
int64_t sim_disk_delay(void);
void sim_descriptors_end(void);

#endif
