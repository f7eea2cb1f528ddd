#include "fuzz.h"

#include "../common/folder.h"

#include <sanitizer/allocator_interface.h>

/* The thread's own: libFuzzer watches from a thread, which allocates as it starts. */
static _Thread_local struct {
    bool counting;
    size_t now_bytes, peak_bytes;
} memory;

static struct folder folder;

_Noreturn void fuzz_claim_failed(const char *claim, const char *file, int line)
{
    fprintf(stderr, "%s:%d: this does not hold: %s\n", file, line, claim);
    abort();
}

static void on_malloc(const volatile void *at, size_t size_bytes)
{
    (void)at;
    if (!memory.counting) return;
    memory.now_bytes += size_bytes;
    if (memory.now_bytes > memory.peak_bytes) memory.peak_bytes = memory.now_bytes;
}

static void on_free(const volatile void *at)
{
    if (!memory.counting || at == NULL) return;
    size_t size_bytes = __sanitizer_get_allocated_size(at);
    memory.now_bytes -= size_bytes < memory.now_bytes ? size_bytes : memory.now_bytes;
}

void fuzz_memory_begin(void)
{
    static bool installed;

    if (!installed) FUZZ_CHECK(__sanitizer_install_malloc_and_free_hooks(on_malloc, on_free) > 0);
    installed = true;
    memory.now_bytes = memory.peak_bytes = 0;
    memory.counting = true;
}

void fuzz_memory_end(size_t input_bytes, size_t constant_bytes)
{
    memory.counting = false;
    if (memory.peak_bytes <= input_bytes * 16 + constant_bytes) return;
    fprintf(stderr, "%zu bytes of input took %zu bytes of memory\n", input_bytes,
            memory.peak_bytes);
    abort();
}

static void remove_folder(void)
{
    folder_remove(&folder);
}

const char *fuzz_folder(void)
{
    if (folder.path[0] == '\0') {
        folder = folder_make();
        atexit(remove_folder);
    }
    return folder.path;
}

void fuzz_folder_clear(void)
{
    folder_remove_path(fuzz_folder());
    FUZZ_CHECK(mkdir(fuzz_folder(), 0700) == 0);
}

static void path_of(const char *name, char path[FUZZ_PATH_SIZE])
{
    int len = snprintf(path, FUZZ_PATH_SIZE, "%s/%s", fuzz_folder(), name);

    FUZZ_CHECK(len > 0 && len < FUZZ_PATH_SIZE);
}

void fuzz_file_put(const char *name, const void *bytes, size_t len_bytes)
{
    char path[FUZZ_PATH_SIZE];

    path_of(name, path);
    file_write(path, bytes, len_bytes);
}

long fuzz_file_get(const char *name, void *buf, size_t cap_bytes)
{
    char path[FUZZ_PATH_SIZE];

    path_of(name, path);
    return file_read(path, buf, cap_bytes);
}

static int no_sync(void *self, int fd)
{
    (void)self;
    (void)fd;
    return 0;
}

static int no_sync_dir(void *self, const char *path)
{
    (void)self;
    (void)path;
    return 0;
}

const struct sp_file_port *fuzz_port(void)
{
    static struct sp_file_port port;

    port = *sp_file_port_real();
    port.sync = no_sync;
    port.datasync = no_sync;
    port.sync_dir = no_sync_dir;
    return &port;
}

bool fuzz_record_equal(const struct sp_record *a, const struct sp_record *b)
{
    bool same = a->epoch == b->epoch && a->seq == b->seq && a->time.ns == b->time.ns &&
                a->kind == b->kind && a->by_count == b->by_count && sp_ref_eq(&a->in, &b->in);

    for (uint32_t i = 0; same && i < a->by_count; i++) {
        same = sp_ref_eq(&a->by[i], &b->by[i]);
    }
    return same && sp_dto_equal(sp_schema_of(sp_kind_info(a->kind)->dto), &a->body, &b->body);
}
