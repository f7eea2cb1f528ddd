#include "disk.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static uint64_t mix(uint64_t a)
{
    a ^= a >> 32;
    a *= UINT64_C(0xd6e8feb86659fd93);
    a ^= a >> 32;
    a *= UINT64_C(0xd6e8feb86659fd93);
    return a ^ a >> 32;
}

static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t len_bytes)
{
    const uint8_t *at = bytes;

    hash = mix(hash ^ len_bytes);
    for (; len_bytes >= 8; at += 8, len_bytes -= 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 29;
    }
    uint64_t last = 0;
    memcpy(&last, at, len_bytes);
    return mix(hash ^ last);
}

uint32_t disk_pending(const struct disk_log *log, uint32_t point, uint32_t out[64])
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < point; i++) {
        if (log->op[i].kind >= DISK_SYNC || log->op[i].durable_at <= point) continue;
        SP_ASSERT(count < 64);
        out[count++] = i;
    }
    return count;
}

struct disk_bounds disk_bounds_at(const struct disk_log *log, uint32_t point)
{
    struct disk_bounds bounds = log->base_bounds;

    for (uint32_t i = 0; i < point; i++) {
        if (log->op[i].kind == DISK_MARK) bounds = log->op[i].bounds;
    }
    return bounds;
}

static bool is_data(const struct disk_op *op)
{
    return op->kind == DISK_WRITE || op->kind == DISK_TRUNCATE;
}

static bool covers(const struct disk_op *sync, const struct disk_op *op, enum disk_model model)
{
    if (sync->kind != DISK_SYNC && sync->kind != DISK_SYNC_DIR) return false;
    if (is_data(op)) return sync->kind == DISK_SYNC && sync->node == op->node;
    if (model == DISK_ORDERED) return true;
    return sync->kind == DISK_SYNC_DIR && sync->node == op->dir;
}

/* A write whose pages a failed sync lost matters until the same bytes are durable otherwise. */
static uint32_t written_again_at(const struct disk_log *log, uint32_t lost, uint32_t from)
{
    const struct disk_op *op = &log->op[lost];

    for (uint32_t i = from; i < log->count; i++) {
        const struct disk_op *again = &log->op[i];
        if (again->kind != DISK_WRITE || again->node != op->node) continue;
        if (again->at > op->at || again->at + again->len_bytes < op->at + op->len_bytes) continue;
        return again->durable_at;
    }
    return UINT32_MAX;
}

static uint32_t durable_at(const struct disk_log *log, uint32_t at)
{
    const struct disk_op *op = &log->op[at];

    if (op->kind >= DISK_SYNC) return UINT32_MAX;
    for (uint32_t i = at + 1; i < log->count; i++) {
        const struct disk_op *sync = &log->op[i];
        if (covers(sync, op, log->model)) return i + 1;
        if (sync->kind == DISK_SYNC_FAILED && op->kind == DISK_WRITE && sync->node == op->node) {
            return written_again_at(log, at, i + 1);
        }
    }
    return UINT32_MAX;
}

/* From the end, because what was lost asks for what was written later. */
void disk_log_finish(struct disk_log *log, enum disk_model model)
{
    log->model = model;
    for (uint32_t i = log->count; i-- > 0;)
        log->op[i].durable_at = durable_at(log, i);
}

void disk_settle(const struct disk_log *log, struct disk_crash *crash)
{
    uint32_t pending[64], count = disk_pending(log, crash->point, pending);
    bool behind = false; /* a directory operation was left out: none comes behind it */

    if (log->model != DISK_ORDERED) return;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t bit = UINT64_C(1) << i;
        if (is_data(&log->op[pending[i]])) continue;
        behind = behind || (crash->kept & bit) == 0;
        if (behind) crash->kept &= ~bit;
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct disk_op *rename = &log->op[pending[i]];
        if (rename->kind != DISK_RENAME || !rename->replaces || !(crash->kept >> i & 1)) continue;
        for (uint32_t k = 0; k < i; k++) {
            const struct disk_op *op = &log->op[pending[k]];
            if (!is_data(op) || op->node != rename->node) continue;
            crash->kept |= UINT64_C(1) << k;
            if (crash->tear.op == pending[k]) crash->tear = (struct disk_tear){0};
        }
    }
}

void disk_log_clear(struct disk_log *log)
{
    for (uint32_t i = 0; i < log->count; i++) {
        free(log->op[i].bytes);
        log->op[i].bytes = NULL;
    }
    log->count = 0;
}

static void grow(struct disk_node *node, size_t len_bytes)
{
    if (len_bytes > node->cap_bytes) {
        node->cap_bytes = len_bytes * 2 + 1024;
        node->data = realloc(node->data, node->cap_bytes);
        if (node->data == NULL) abort();
    }
    if (len_bytes > node->len_bytes) {
        memset(node->data + node->len_bytes, 0, len_bytes - node->len_bytes);
    }
    node->len_bytes = len_bytes;
}

void disk_copy(struct disk_image *to, const struct disk_image *from)
{
    for (uint32_t i = 0; i < DISK_NODES; i++) {
        struct disk_node *node = &to->node[i];
        const struct disk_node *source = &from->node[i];
        size_t len = i < from->nodes ? source->len_bytes : 0;
        node->is_dir = i < from->nodes && source->is_dir;
        node->len_bytes = 0;
        if (len == 0) continue;
        grow(node, len);
        memcpy(node->data, source->data, len);
    }
    to->nodes = from->nodes;
    to->entries = from->entries;
    memcpy(to->entry, from->entry, sizeof to->entry[0] * from->entries);
}

void disk_clear(struct disk_image *image)
{
    for (uint32_t i = 0; i < DISK_NODES; i++)
        free(image->node[i].data);
    memset(image, 0, sizeof *image);
}

static struct disk_entry *entry_of(struct disk_image *image, uint32_t dir, const char *name)
{
    for (uint32_t i = 0; i < image->entries; i++) {
        struct disk_entry *entry = &image->entry[i];
        if (entry->dir == dir && strcmp(entry->name, name) == 0) return entry;
    }
    return NULL;
}

int disk_find(const struct disk_image *image, uint32_t dir, const char *name)
{
    for (uint32_t i = 0; i < image->entries; i++) {
        const struct disk_entry *entry = &image->entry[i];
        if (entry->dir == dir && strcmp(entry->name, name) == 0) return (int)entry->node;
    }
    return -1;
}

static void set_name(struct disk_image *image, uint32_t dir, const char *name, uint32_t node)
{
    struct disk_entry *entry = entry_of(image, dir, name);

    if (entry == NULL) {
        SP_ASSERT(image->entries < DISK_ENTRIES);
        entry = &image->entry[image->entries++];
        entry->dir = dir;
        snprintf(entry->name, sizeof entry->name, "%s", name);
    }
    entry->node = node;
}

static void remove_name(struct disk_image *image, uint32_t dir, const char *name)
{
    struct disk_entry *entry = entry_of(image, dir, name);

    if (entry != NULL) *entry = image->entry[--image->entries];
}

/* What a sector holds that the disk has taken into the file but not written. */
static void fill(uint8_t *at, size_t len_bytes, enum disk_tear_kind kind,
                 const struct disk_node *node)
{
    for (size_t i = 0; i < len_bytes; i++) {
        if (kind == DISK_REST_GARBAGE || kind == DISK_ONE_GARBAGE) {
            at[i] = (uint8_t)mix(i + len_bytes);
        } else if ((kind == DISK_REST_STALE || kind == DISK_ONE_STALE) && node->data + i < at) {
            at[i] = node->data[i];
        } else {
            at[i] = 0;
        }
    }
}

/* Sectors begin at multiples of DISK_SECTOR in the file; the first of a write may be a part. */
static void write_torn(struct disk_node *node, const struct disk_op *op,
                       const struct disk_tear *tear)
{
    size_t old_len = node->len_bytes, start = (size_t)op->at, end = start + op->len_bytes;
    size_t from = (start / DISK_SECTOR + tear->sector) * DISK_SECTOR, to = from + DISK_SECTOR;

    if (tear->kind == DISK_CUT_BYTE) from = start + tear->sector;
    if (from < start) from = start;
    if (from > end) from = end;
    if (to > end || (tear->kind >= DISK_CUT && tear->kind <= DISK_REST_STALE)) to = end;
    if (tear->kind == DISK_CUT || tear->kind == DISK_CUT_BYTE) {
        if (from > old_len) grow(node, from);
        memcpy(node->data + start, op->bytes, from - start);
        return;
    }
    if (end > old_len) grow(node, end);
    memcpy(node->data + start, op->bytes, from - start);
    memcpy(node->data + to, op->bytes + (to - start), end - to);
    if (from < old_len) from = old_len; /* what was there stays */
    if (from < to && tear->kind != DISK_ONE_OLD) {
        fill(node->data + from, to - from, tear->kind, node);
    }
}

static void write_data(struct disk_node *node, const struct disk_op *op,
                       const struct disk_tear *tear)
{
    if (op->kind == DISK_TRUNCATE) {
        grow(node, (size_t)op->at);
        return;
    }
    if (op->at > node->len_bytes) grow(node, (size_t)op->at);
    if (tear != NULL && tear->kind != DISK_WHOLE) {
        write_torn(node, op, tear);
        return;
    }
    if (op->at + op->len_bytes > node->len_bytes) grow(node, (size_t)op->at + op->len_bytes);
    memcpy(node->data + op->at, op->bytes, op->len_bytes);
}

void disk_apply(struct disk_image *image, const struct disk_op *op, const struct disk_tear *tear)
{
    switch (op->kind) {
    case DISK_CREATE:
    case DISK_MKDIR:
    case DISK_LINK:
        image->node[op->node].is_dir = op->kind == DISK_MKDIR;
        set_name(image, op->dir, op->name, op->node);
        break;
    case DISK_RENAME:
        remove_name(image, op->dir, op->name);
        set_name(image, op->dir, op->new_name, op->node);
        break;
    case DISK_UNLINK: remove_name(image, op->dir, op->name); break;
    case DISK_WRITE:
    case DISK_TRUNCATE: write_data(&image->node[op->node], op, tear); break;
    case DISK_SYNC:
    case DISK_SYNC_DIR:
    case DISK_SYNC_FAILED:
    case DISK_MARK:
    case DISK_OP_KINDS: break;
    }
}

void disk_build(const struct disk_log *log, const struct disk_crash *crash, struct disk_image *out)
{
    uint32_t pending = 0;

    disk_copy(out, &log->base);
    out->nodes = log->nodes;
    for (uint32_t i = 0; i < crash->point; i++) {
        const struct disk_op *op = &log->op[i];
        if (op->kind >= DISK_SYNC) continue;
        if (op->durable_at > crash->point && !(crash->kept >> pending++ & 1)) continue;
        disk_apply(out, op, crash->tear.op == i ? &crash->tear : NULL);
    }
}

static uint64_t hash_dir(const struct disk_image *image, uint32_t dir)
{
    uint64_t hash = 0; /* a sum: the order of names does not count */

    for (uint32_t i = 0; i < image->entries; i++) {
        const struct disk_entry *entry = &image->entry[i];
        if (entry->dir != dir) continue;
        const struct disk_node *node = &image->node[entry->node];
        uint64_t one = hash_bytes(17, entry->name, strlen(entry->name));
        one = node->is_dir ? mix(one ^ hash_dir(image, entry->node))
                           : hash_bytes(one, node->len_bytes > 0 ? node->data : (const void *)"",
                                        node->len_bytes);
        for (uint32_t j = 0; !node->is_dir && j < i; j++) { /* two names of one file */
            if (image->entry[j].node == entry->node) one = mix(one + 1);
        }
        hash += one;
    }
    return mix(hash);
}

uint64_t disk_hash(const struct disk_image *image)
{
    return hash_dir(image, DISK_ROOT);
}

static void make_file(const struct disk_node *node, const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0 || write(fd, node->data, node->len_bytes) != (ssize_t)node->len_bytes) abort();
    close(fd);
}

static void make_dir(const struct disk_image *image, uint32_t dir, const char *path,
                     char first[DISK_NODES][256])
{
    if (mkdir(path, 0700) != 0) abort();
    for (uint32_t i = 0; i < image->entries; i++) {
        const struct disk_entry *entry = &image->entry[i];
        char sub[256];
        if (entry->dir != dir) continue;
        if (snprintf(sub, sizeof sub, "%s/%s", path, entry->name) >= (int)sizeof sub) abort();
        if (image->node[entry->node].is_dir) {
            make_dir(image, entry->node, sub, first);
        } else if (first[entry->node][0] != '\0') {
            if (link(first[entry->node], sub) != 0) abort();
        } else {
            make_file(&image->node[entry->node], sub);
            memcpy(first[entry->node], sub, sizeof sub);
        }
    }
}

void disk_materialise(const struct disk_image *image, const char *path)
{
    static char first[DISK_NODES][256];

    for (uint32_t i = 0; i < DISK_NODES; i++)
        first[i][0] = '\0';
    make_dir(image, DISK_ROOT, path, first);
}
