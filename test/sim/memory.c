#include "memory.h"

#include <stdlib.h>
#include <string.h>

#define MAGIC UINT64_C(0x51dd0c5e2ab1f7e3)

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *block, size_t bytes);
void *__real_aligned_alloc(size_t alignment, size_t bytes);
void __real_free(void *block);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *block, size_t bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t bytes);
void __wrap_free(void *block);
void *__wrap_reallocarray(void *block, size_t count, size_t bytes);

/* Before each block of a process. The magic is last, right before the caller's bytes. */
struct sim_block {
    struct sim_block *next, *prev;
    struct sim_proc *proc;
    size_t bytes;
    uint64_t pad; /* bytes before this that were allocated too */
    uint64_t magic;
};

_Static_assert(sizeof(struct sim_block) % 16 == 0, "blocks stay aligned");

void *sim_alloc(size_t bytes)
{
    void *block = __real_calloc(1, bytes > 0 ? bytes : 1);

    SP_ASSERT(block != NULL);
    return block;
}

void *sim_grow(void *block, size_t bytes)
{
    void *grown = __real_realloc(block, bytes);

    SP_ASSERT(grown != NULL);
    return grown;
}

void sim_free(void *block)
{
    __real_free(block);
}

/* Blocks of glibc are at least 16 bytes behind its own header, so that looking is safe. */
static struct sim_block *ours(void *at)
{
    struct sim_block *block = (struct sim_block *)at - 1;

    return at != NULL && block->magic == (MAGIC ^ (uintptr_t)at) ? block : NULL;
}

static void *put(struct sim_block *block, size_t bytes, struct sim_proc *proc)
{
    if (block == NULL) return NULL;
    block->pad = 0;
    block->proc = proc;
    block->bytes = bytes;
    block->magic = MAGIC ^ (uintptr_t)(block + 1);
    block->prev = NULL;
    block->next = proc->blocks;
    if (block->next != NULL) block->next->prev = block;
    proc->blocks = block;
    proc->block_bytes += bytes;
    return block + 1;
}

static void take(struct sim_block *block)
{
    struct sim_proc *proc = block->proc;

    if (block->prev != NULL) {
        block->prev->next = block->next;
    } else {
        proc->blocks = block->next;
    }
    if (block->next != NULL) block->next->prev = block->prev;
    proc->block_bytes -= block->bytes;
    block->magic = 0;
}

void *__wrap_malloc(size_t bytes)
{
    struct sim_proc *proc = sim_self();

    if (proc == NULL) return __real_malloc(bytes);
    return put(__real_malloc(sizeof(struct sim_block) + bytes), bytes, proc);
}

void *__wrap_calloc(size_t count, size_t bytes)
{
    struct sim_proc *proc = sim_self();
    size_t all = count * bytes;

    if (proc == NULL) return __real_calloc(count, bytes);
    return put(__real_calloc(1, sizeof(struct sim_block) + all), all, proc);
}

void *__wrap_realloc(void *at, size_t bytes)
{
    struct sim_block *block = ours(at);
    struct sim_proc *proc = block != NULL ? block->proc : sim_self();

    if (proc == NULL || (at != NULL && block == NULL)) return __real_realloc(at, bytes);
    if (block != NULL) take(block);
    return put(__real_realloc(block, sizeof(struct sim_block) + bytes), bytes, proc);
}

void *__wrap_aligned_alloc(size_t alignment, size_t bytes)
{
    struct sim_proc *proc = sim_self();

    if (proc == NULL) return __real_aligned_alloc(alignment, bytes);
    SP_ASSERT(alignment >= sizeof(struct sim_block));
    char *base = __real_aligned_alloc(alignment, alignment + bytes);
    if (base == NULL) return NULL;
    struct sim_block *block = (struct sim_block *)(void *)(base + alignment) - 1;
    void *at = put(block, bytes, proc);
    block->pad = alignment - sizeof *block;
    return at;
}

static void release(struct sim_block *block)
{
    take(block);
    __real_free((char *)block - block->pad);
}

void *__wrap_reallocarray(void *at, size_t count, size_t bytes)
{
    SP_ASSERT(bytes == 0 || count <= SIZE_MAX / bytes);
    return __wrap_realloc(at, count * bytes);
}

void __wrap_free(void *at)
{
    struct sim_block *block = ours(at);

    if (block == NULL) {
        __real_free(at);
    } else {
        release(block);
    }
}

void sim_memory_reap(struct sim_proc *proc)
{
    while (proc->blocks != NULL)
        release(proc->blocks);
}
