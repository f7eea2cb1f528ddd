#include "files.h"

#include "memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "files_internal.h"

#define SECTOR 512

struct op {
    uint64_t id;
    bool is_write; /* else a truncate to `at` */
    size_t at, len;
    uint8_t *bytes;
};

enum dir_op_kind { NAME_LINK, NAME_UNLINK, NAME_RENAME };

struct dir_op {
    enum dir_op_kind kind;
    char path[SIM_PATH_SIZE], to[SIM_PATH_SIZE];
    struct sim_node *node;
};

struct name {
    char path[SIM_PATH_SIZE];
    struct sim_node *node;
};

struct names {
    size_t count, room;
    struct name *at;
};

static struct {
    struct names now, durable;
    size_t op_count, op_room;
    struct dir_op *ops;
    struct sim_node *nodes;
    uint64_t last_ino, free_bytes;
    sim_disk_fault_fn *fault;
    sim_disk_delay_fn *delay;
    sim_disk_size_fn *size;
} disk;

/* ---- Names ---- */

static bool is_safe(const char *path)
{
    return strncmp(path, "/sim/data/venue", 15) == 0 || strncmp(path, "/sim/etc", 8) == 0 ||
           strncmp(path, "/sim/run", 8) == 0 || strcmp(path, "/sim") == 0;
}

static struct name *find(const struct names *names, const char *path)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->at[i].path, path) == 0) return &names->at[i];
    }
    return NULL;
}

static void set_name(struct names *names, const char *path, struct sim_node *node)
{
    struct name *name = find(names, path);

    if (name == NULL) {
        if (names->count == names->room) {
            names->room = names->room * 2 + 64;
            names->at = sim_grow(names->at, names->room * sizeof *names->at);
        }
        name = &names->at[names->count++];
        memset(name, 0, sizeof *name);
        snprintf(name->path, sizeof name->path, "%s", path);
    } else {
        name->node->names--;
    }
    name->node = node;
    node->names++;
}

static void remove_name(struct names *names, const char *path)
{
    struct name *name = find(names, path);

    if (name == NULL) return;
    name->node->names--;
    size_t i = (size_t)(name - names->at);
    memmove(name, name + 1, (names->count - i - 1) * sizeof *name);
    names->count--;
}

static void apply_name_op(struct names *names, const struct dir_op *op)
{
    if (op->kind == NAME_LINK) set_name(names, op->path, op->node);
    if (op->kind == NAME_UNLINK) remove_name(names, op->path);
    if (op->kind == NAME_RENAME) {
        remove_name(names, op->path);
        set_name(names, op->to, op->node);
    }
}

/* `names` of a node counts those of the present only. */
static void apply_durable(const struct dir_op *op)
{
    uint32_t names = op->node->names;
    struct name *replaced = find(&disk.durable, op->kind == NAME_RENAME ? op->to : op->path);
    struct sim_node *other = replaced != NULL ? replaced->node : NULL;
    uint32_t other_names = other != NULL ? other->names : 0;
    struct name *source = find(&disk.durable, op->path);
    struct sim_node *third = source != NULL ? source->node : NULL;
    uint32_t third_names = third != NULL ? third->names : 0;

    apply_name_op(&disk.durable, op);
    if (third != NULL) third->names = third_names;
    if (other != NULL) other->names = other_names;
    op->node->names = names;
}

static void do_name_op(enum dir_op_kind kind, const char *path, const char *to,
                       struct sim_node *node)
{
    struct dir_op op = {.kind = kind, .node = node};

    snprintf(op.path, sizeof op.path, "%s", path);
    snprintf(op.to, sizeof op.to, "%s", to);
    apply_name_op(&disk.now, &op);
    if (is_safe(path)) {
        apply_durable(&op);
        return;
    }
    if (disk.op_count == disk.op_room) {
        disk.op_room = disk.op_room * 2 + 64;
        disk.ops = sim_grow(disk.ops, disk.op_room * sizeof *disk.ops);
    }
    disk.ops[disk.op_count++] = op;
}

static bool is_in(const char *path, const char *dir)
{
    size_t len = strlen(dir);

    while (len > 1 && dir[len - 1] == '/')
        len--;
    return strncmp(path, dir, len) == 0 && path[len] == '/' && strchr(path + len + 1, '/') == NULL;
}

static void sync_names(const char *dir)
{
    size_t kept = 0;

    for (size_t i = 0; i < disk.op_count; i++) {
        if (is_in(disk.ops[i].path, dir)) {
            apply_durable(&disk.ops[i]);
        } else {
            disk.ops[kept++] = disk.ops[i];
        }
    }
    disk.op_count = kept;
}

/* ---- Bytes ---- */

static void fit(struct sim_bytes *b, size_t len)
{
    if (len > b->room) {
        b->room = len * 2 + 4096;
        b->at = sim_grow(b->at, b->room);
    }
    if (len > b->len) memset(b->at + b->len, 0, len - b->len);
    b->len = len;
}

static void put_bytes(struct sim_bytes *b, size_t at, const void *bytes, size_t len)
{
    if (at + len > b->len) fit(b, at + len);
    if (len > 0) memcpy(b->at + at, bytes, len);
}

static void apply_op(struct sim_bytes *b, const struct op *op)
{
    if (op->is_write) {
        put_bytes(b, op->at, op->bytes, op->len);
    } else {
        fit(b, op->at);
    }
}

static void add_op(struct sim_node *node, bool is_write, size_t at, const void *bytes, size_t len)
{
    struct op op = {.id = ++node->op_id, .is_write = is_write, .at = at, .len = len};

    if (node->safe) return;
    if (node->op_count == node->op_room) {
        node->op_room = node->op_room * 2 + 16;
        node->ops = sim_grow(node->ops, node->op_room * sizeof *node->ops);
    }
    if (is_write) {
        op.bytes = sim_alloc(len);
        memcpy(op.bytes, bytes, len);
    }
    node->ops[node->op_count++] = op;
}

static void clear_ops(struct sim_node *node)
{
    for (size_t i = 0; i < node->op_count; i++)
        sim_free(node->ops[i].bytes);
    node->op_count = 0;
}

static void settle_ops(struct sim_node *node, uint64_t up_to, bool kept)
{
    size_t done = 0;

    while (done < node->op_count && node->ops[done].id <= up_to) {
        if (kept) apply_op(&node->durable, &node->ops[done]);
        sim_free(node->ops[done].bytes);
        done++;
    }
    if (done == 0) return;
    memmove(node->ops, node->ops + done, (node->op_count - done) * sizeof *node->ops);
    node->op_count -= done;
}

void sim_node_sync(struct sim_node *node, uint64_t up_to)
{
    settle_ops(node, up_to, true);
}

void sim_node_lose(struct sim_node *node, uint64_t up_to)
{
    settle_ops(node, up_to, false);
}

void sim_node_write(struct sim_node *node, size_t at, const void *bytes, size_t len)
{
    add_op(node, true, at, bytes, len);
    put_bytes(&node->data, at, bytes, len);
}

void sim_node_truncate(struct sim_node *node, size_t len)
{
    add_op(node, false, len, NULL, 0);
    fit(&node->data, len);
}

void sim_node_sync_names(const char *path)
{
    sync_names(path);
}

struct sim_node *sim_node_new(bool is_dir, bool safe)
{
    struct sim_node *node = sim_alloc(sizeof *node);

    node->is_dir = is_dir;
    node->safe = safe;
    node->ino = ++disk.last_ino;
    node->next = disk.nodes;
    disk.nodes = node;
    return node;
}

struct sim_node *sim_node_find(const char *path)
{
    struct name *name = find(&disk.now, path);

    return name != NULL ? name->node : NULL;
}

struct sim_node *sim_node_make(const char *path, bool is_dir)
{
    struct sim_node *node = sim_node_new(is_dir, is_safe(path));

    do_name_op(NAME_LINK, path, "", node);
    return node;
}

int sim_disk_fault(enum sim_disk_op op, const char *path, size_t len)
{
    if (disk.fault == NULL || sim_self() == NULL || is_safe(path)) return 0;
    return disk.fault(op, path, len);
}

int64_t sim_disk_delay(void)
{
    return disk.delay != NULL ? disk.delay() : 100 * SIM_US;
}

/* ---- Power ---- */

enum cut_mode { CUT_NONE, CUT_ALL, CUT_PREFIX, CUT_RANDOM, CUT_MODES };

static bool is_kept(struct sim_random *chance, enum cut_mode mode, size_t i, size_t prefix)
{
    if (mode == CUT_NONE) return false;
    if (mode == CUT_ALL) return true;
    if (mode == CUT_PREFIX) return i < prefix;
    return sim_random_below(chance, 2) == 0;
}

/* One write of which the sectors from some place on came too late: those that were there before are
 * as they were; the others are cut off, zero or something else. */
static void tear(struct sim_random *chance, struct sim_bytes *b, const struct op *op)
{
    size_t from = op->at + sim_random_below(chance, op->len + 1), end = op->at + op->len;
    size_t old_len = b->len;
    uint64_t kind = sim_random_below(chance, 3);

    if (sim_random_below(chance, 2) == 0) from = from / SECTOR * SECTOR;
    if (from < op->at) from = op->at;
    if (from < old_len) {
        put_bytes(b, op->at, op->bytes, from - op->at);
        return;
    }
    put_bytes(b, op->at, op->bytes, op->len);
    if (kind == 0) fit(b, from);
    if (kind == 1) memset(b->at + from, 0, end - from);
    for (size_t i = from; kind == 2 && i < end; i++)
        b->at[i] = (uint8_t)sim_random_next(chance);
}

static void cut_node(struct sim_random *chance, struct sim_node *node, enum cut_mode mode)
{
    size_t prefix = sim_random_below(chance, node->op_count + 1);

    for (size_t i = 0; i < node->op_count; i++) {
        if (!is_kept(chance, mode, i, prefix)) continue;
        bool is_last = i + 1 == node->op_count || (mode == CUT_PREFIX && i + 1 == prefix);
        if (node->ops[i].is_write && is_last && sim_random_below(chance, 2) == 0) {
            tear(chance, &node->durable, &node->ops[i]);
        } else {
            apply_op(&node->durable, &node->ops[i]);
        }
    }
    bool lies = disk.size != NULL && node->op_count > 0;
    if (lies) fit(&node->durable, node->durable.len + disk.size(node->durable.len));
    clear_ops(node);
    fit(&node->data, node->durable.len);
    if (node->durable.len > 0) memcpy(node->data.at, node->durable.at, node->durable.len);
}

void sim_files_power_cut(struct sim_random *chance)
{
    enum cut_mode mode = (enum cut_mode)sim_random_below(chance, CUT_MODES);
    size_t prefix = sim_random_below(chance, disk.op_count + 1);

    for (struct sim_node *node = disk.nodes; node != NULL; node = node->next) {
        if (!node->safe && !node->is_dir) cut_node(chance, node, mode);
    }
    for (size_t i = 0; i < disk.op_count; i++) {
        if (is_kept(chance, mode, i, prefix)) apply_durable(&disk.ops[i]);
    }
    disk.op_count = 0;
    for (struct sim_node *node = disk.nodes; node != NULL; node = node->next)
        node->names = 0;
    disk.now.count = 0;
    for (size_t i = 0; i < disk.durable.count; i++) {
        set_name(&disk.now, disk.durable.at[i].path, disk.durable.at[i].node);
    }
}

/* ---- For the world and the checks ---- */

static void make_parents(const char *path)
{
    char dir[SIM_PATH_SIZE];

    snprintf(dir, sizeof dir, "%s", path);
    for (char *at = dir + strlen(SIM_ROOT); *at != '\0'; at++) {
        if (*at != '/') continue;
        *at = '\0';
        if (sim_node_find(dir) == NULL) sim_node_make(dir, true);
        *at = '/';
    }
}

void sim_files_put(const char *path, const void *bytes, size_t len_bytes)
{
    struct sim_node *node = sim_node_find(path);

    make_parents(path);
    if (node == NULL) node = sim_node_make(path, false);
    sim_node_truncate(node, 0);
    sim_node_write(node, 0, bytes, len_bytes);
    sim_node_sync(node, UINT64_MAX);
    char dir[SIM_PATH_SIZE];
    snprintf(dir, sizeof dir, "%s", path);
    *strrchr(dir, '/') = '\0';
    sync_names(dir);
}

void sim_files_flip(const char *path, size_t at, uint8_t bits)
{
    struct sim_node *node = sim_node_find(path);

    if (node == NULL) return;
    if (at < node->data.len) node->data.at[at] ^= bits;
    if (at < node->durable.len) node->durable.at[at] ^= bits;
}

const char *sim_files_get(const char *path, size_t *len_bytes)
{
    struct sim_node *node = sim_node_find(path);

    if (node == NULL) return NULL;
    *len_bytes = node->data.len;
    return node->data.len > 0 ? (const char *)node->data.at : "";
}

bool sim_files_has_durable(const char *path, const char *needle)
{
    struct name *name = find(&disk.durable, path);

    if (name == NULL) return false;
    const struct sim_node *node = name->node;
    const struct sim_bytes *b = node->safe ? &node->data : &node->durable;
    return b->len > 0 && memmem(b->at, b->len, needle, strlen(needle)) != NULL;
}

void sim_files_each(const char *prefix, void (*fn)(void *ctx, const char *path), void *ctx)
{
    for (size_t i = 0; i < disk.now.count; i++) {
        const struct name *name = &disk.now.at[i];
        if (!name->node->is_dir && strncmp(name->path, prefix, strlen(prefix)) == 0) {
            fn(ctx, name->path);
        }
    }
}

void sim_files_on_fault(sim_disk_fault_fn *fault, sim_disk_delay_fn *delay, sim_disk_size_fn *size)
{
    disk.fault = fault;
    disk.delay = delay;
    disk.size = size;
}

uint64_t sim_files_free_bytes(void)
{
    return disk.free_bytes;
}

void sim_files_set_free(uint64_t bytes)
{
    disk.free_bytes = bytes;
}

void sim_files_begin(void)
{
    disk.free_bytes = UINT64_C(50) << 30;
    disk.last_ino = 1;
    disk.fault = NULL;
    disk.delay = NULL;
    disk.size = NULL;
    sim_node_make("/sim", true);
}

void sim_files_end(void)
{
    sim_descriptors_end();
    disk.now.count = 0;
    disk.durable.count = 0;
    disk.op_count = 0;
    while (disk.nodes != NULL) {
        struct sim_node *node = disk.nodes;
        disk.nodes = node->next;
        clear_ops(node);
        sim_free(node->ops);
        sim_free(node->data.at);
        sim_free(node->durable.at);
        sim_free(node);
    }
}

/* ---- Calls on paths ---- */

bool sim_is_sim_path(const char *path)
{
    return strncmp(path, SIM_ROOT, strlen(SIM_ROOT)) == 0 || strcmp(path, "/sim") == 0;
}

static int fail(int code)
{
    errno = code;
    return -1;
}

static struct sim_node *of_path(const char *path, char clean[SIM_PATH_SIZE])
{
    snprintf(clean, SIM_PATH_SIZE, "%s", path);
    size_t len = strlen(clean);
    while (len > 1 && clean[len - 1] == '/')
        clean[--len] = '\0';
    return sim_node_find(clean);
}

void sim_node_stat(const struct sim_node *node, struct stat *out)
{
    memset(out, 0, sizeof *out);
    out->st_mode = (node->is_dir ? S_IFDIR : S_IFREG) | 0700;
    out->st_size = (off_t)node->data.len;
    out->st_ino = node->ino;
    out->st_dev = 1;
    out->st_nlink = node->names;
}

int sim_stat(const char *path, struct stat *out)
{
    char clean[SIM_PATH_SIZE];
    struct sim_node *node = of_path(path, clean);

    if (node == NULL) return fail(ENOENT);
    sim_node_stat(node, out);
    return 0;
}

int sim_rename(const char *from, const char *to)
{
    struct sim_node *node = sim_node_find(from);

    sim_point();
    if (node == NULL) return fail(ENOENT);
    do_name_op(NAME_RENAME, from, to, node);
    sim_point();
    return 0;
}

int sim_link(const char *from, const char *to)
{
    struct sim_node *node = sim_node_find(from);

    sim_point();
    if (node == NULL) return fail(ENOENT);
    if (sim_node_find(to) != NULL) return fail(EEXIST);
    do_name_op(NAME_LINK, to, "", node);
    return 0;
}

int sim_unlink(const char *path)
{
    struct sim_node *node = sim_node_find(path);

    sim_point();
    if (node == NULL) return fail(ENOENT);
    do_name_op(NAME_UNLINK, path, "", node);
    SP_IGNORE(sim_disk_fault(SIM_DISK_REMOVE, path, node->data.len)); /* only told */
    return 0;
}

void sim_files_remove(const char *path)
{
    struct sim_node *node = sim_node_find(path);

    if (node != NULL) do_name_op(NAME_UNLINK, path, "", node);
}

int sim_mkdir(const char *path)
{
    char clean[SIM_PATH_SIZE];

    if (of_path(path, clean) != NULL) return fail(EEXIST);
    sim_node_make(clean, true);
    return 0;
}

int sim_access(const char *path)
{
    struct stat st;

    return sim_stat(path, &st);
}

const char *sim_dir_entry(const char *path, size_t n)
{
    for (size_t i = 0; i < disk.now.count; i++) {
        if (!is_in(disk.now.at[i].path, path)) continue;
        if (n-- == 0) return strrchr(disk.now.at[i].path, '/') + 1;
    }
    return NULL;
}
