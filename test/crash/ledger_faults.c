/* Proof 2 for the ledger: every allocation, and every call of the file system under SQLite, fails
 * once, and then for good.
 *
 * usage: ledger_faults [--every K]   every K-th allocation besides; 1: all of them
 *        ledger_faults --replay KIND:N:FOREVER
 *
 * Tried are every call of the file system, and of the allocations the first of each place, which is
 * all the functions that lead to it: a later one of the same place goes the same way back.
 *
 * A run opens the ledger, writes the journal into it in several transactions, and closes it; after
 * a failure that may pass it tries once more, as the service does. Whatever fails: a clean status,
 * nothing left allocated or open, a transaction that was reported is there at the next start, and
 * the file is whole, a prefix of the journal, and the same as without a fault once caught up. A
 * fault that happens once and is no lost sync does not keep the second attempt from the end.
 */
#include "ledger_vfs.h"

#include "../common/folder.h"
#include "../services/ledger_journal.h"
#include "common/ledger/ledger_feed.h"

#include <execinfo.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FAILURES_MAX 5
#define CALLS_MAX    20000
#define FRAMES_MAX   40
#define LEDGER_PATH  "/crash/ledger.db"

enum kind { CALL, ALLOCATION, KINDS };
static const char *const kind_names[KINDS] = {[CALL] = "call", [ALLOCATION] = "allocation"};

static struct {
    struct folder folder;
    struct ledger_journal journal;
    struct sp_ledger_place place;
    uint64_t runs, failed, told, tried_again;
} run;

/* ---- Allocations: SQLite's and ours ---- */

static struct {
    uint64_t n, calls, failed;
    bool forever, on, noting;
    int64_t held;
    sqlite3_mem_methods real;
    uint64_t place[CALLS_MAX]; /* of each call, from 1, while noting */
} memory;

static void note_place(void)
{
    void *frames[FRAMES_MAX];
    uint64_t hash = 0;

    memory.on = false; /* what the unwinder itself allocates */
    int count = backtrace(frames, FRAMES_MAX);
    memory.on = true;
    for (int i = 0; i < count; i++)
        hash = (hash ^ (uintptr_t)frames[i]) * UINT64_C(0x9e3779b97f4a7c15);
    SP_ASSERT(memory.calls < CALLS_MAX);
    memory.place[memory.calls] = hash;
}

static bool refuses(void)
{
    if (!memory.on || ledger_vfs_busy()) return false;
    memory.calls++;
    if (memory.noting) note_place();
    bool now =
        memory.n != 0 && (memory.calls == memory.n || (memory.forever && memory.calls > memory.n));
    if (now) memory.failed++;
    return now;
}

static void *lib_malloc(int bytes)
{
    void *at = refuses() ? NULL : memory.real.xMalloc(bytes);

    if (at != NULL) memory.held++;
    return at;
}

static void lib_free(void *at)
{
    if (at != NULL) memory.held--;
    memory.real.xFree(at);
}

static void *lib_realloc(void *at, int bytes)
{
    return refuses() ? NULL : memory.real.xRealloc(at, bytes);
}

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *at, size_t bytes);
void __real_free(void *at);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *at, size_t bytes);
void __wrap_free(void *at);

static bool ours(const void *at)
{
    if (at != NULL && memory.on && !ledger_vfs_busy()) memory.held++;
    return at != NULL;
}

void *__wrap_malloc(size_t bytes)
{
    void *at = refuses() ? NULL : __real_malloc(bytes);

    return ours(at) ? at : NULL;
}

void *__wrap_calloc(size_t count, size_t bytes)
{
    void *at = refuses() ? NULL : __real_calloc(count, bytes);

    return ours(at) ? at : NULL;
}

void *__wrap_realloc(void *at, size_t bytes)
{
    if (refuses()) return NULL;
    if (at == NULL && memory.on && !ledger_vfs_busy()) memory.held++;
    return __real_realloc(at, bytes);
}

void __wrap_free(void *at)
{
    if (at != NULL && memory.on && !ledger_vfs_busy()) memory.held--;
    __real_free(at);
}

static void set_fault(enum kind kind, uint64_t n, bool forever)
{
    ledger_vfs_fail(kind == CALL ? n : 0, forever);
    memory.n = kind == ALLOCATION ? n : 0;
    memory.forever = forever;
    memory.calls = memory.failed = 0;
}

static void must(sp_status status, const struct sp_err *err)
{
    if (status == SP_OK) return;
    printf("FAILED: without a fault: %s\n", err->text);
    exit(1);
}

/* ---- A run ---- */

/* One opening of the file and all that is written to it. *reported: a transaction said so. */
static sp_status attempt(uint64_t *reported, bool *lost_sync, bool *replaced, struct sp_err *err)
{
    const uint64_t ends[] = {run.journal.middle, run.journal.last};
    struct sp_ledger_finding finding = {0};
    struct sp_ledger_rows *rows = NULL;
    struct sp_ledger_feed *feed = NULL;

    sp_status status = sp_ledger_file_open(&run.place, false, &rows, &finding, err);
    if (finding.aside[0] != '\0') *replaced = true;
    if (status == SP_OK)
        status = sp_ledger_feed_open(rows, run.folder.path, &run.place.stream, &feed, err);
    for (size_t i = 0; i < 2 && status == SP_OK; i++) {
        while (status == SP_OK) {
            status = sp_ledger_feed_write(feed, ends[i], err);
            *reported = sp_ledger_rows_cursor(rows);
        }
        if (status == SP_AGAIN) status = SP_OK;
    }
    *lost_sync = rows != NULL && sp_db_sync_failed(sp_ledger_rows_db(rows));
    sp_ledger_feed_close(feed);
    sp_ledger_rows_close(rows);
    return status;
}

static bool may_pass(sp_status status)
{
    return status == SP_STORAGE || status == SP_NO_MEMORY;
}

static void begin_anew(void)
{
    struct disk_image *image = ledger_vfs_image();

    disk_clear(image);
    image->nodes = 1;
    image->node[DISK_ROOT].is_dir = true;
    ledger_vfs_seed(1);
}

/* NULL if all is well. */
static const char *try_fault(enum kind kind, uint64_t n, bool forever, struct sp_err *err)
{
    uint64_t reported = 0;
    bool lost_sync = false, replaced = false;

    begin_anew();
    memory.held = 0;
    memory.on = true;
    set_fault(kind, n, forever);
    sp_status status = attempt(&reported, &lost_sync, &replaced, err);
    if (status != SP_OK) run.told++;
    sp_status first = status;
    if (may_pass(status) && !lost_sync) {
        run.tried_again++;
        status = attempt(&reported, &lost_sync, &replaced, err);
    }
    bool happened = kind == CALL ? ledger_vfs_failed() > 0 : memory.failed > 0;
    memory.on = false;
    int64_t held = memory.held;
    set_fault(kind, 0, false);
    if (!happened && n != 0) return "there was no such call";
    if (first != SP_OK && !may_pass(first)) return "not a status for this";
    if (status != SP_OK && !may_pass(status)) return "not a status for this";
    if (!forever && !lost_sync && status != SP_OK) return "the second attempt failed, too";
    if (replaced) return "a sound file was put aside";
    if (held != 0) {
        SP_IGNORE(SP_FAIL(err, SP_NO_MEMORY, "%lld pieces", (long long)held));
        return "something is left allocated";
    }
    if (ledger_vfs_open_files() != 0) return "a file is left open";
    return ledger_journal_next_start(&run.journal, &run.place, reported, err);
}

static void report(enum kind kind, uint64_t n, bool forever)
{
    struct sp_err err = {0};
    const char *wrong = try_fault(kind, n, forever, &err);

    run.runs++;
    if (wrong == NULL) return;
    run.failed++;
    printf("FAILED: %s (%s); replay: ledger_faults --replay %d:%" PRIu64 ":%d\n", wrong, err.text,
           (int)kind, n, forever);
    fflush(stdout);
}

/* A run without a fault, in which the places are noted: how many calls there are. */
static uint64_t count_calls(enum kind kind)
{
    struct sp_err err = {0};
    uint64_t reported = 0;
    bool lost_sync = false, replaced = false;

    begin_anew();
    set_fault(kind, 0, false);
    memory.on = memory.noting = true;
    must(attempt(&reported, &lost_sync, &replaced, &err), &err);
    memory.on = memory.noting = false;
    return kind == CALL ? ledger_vfs_calls() : memory.calls;
}

static bool is_first_of_place(uint64_t n)
{
    for (uint64_t i = 1; i < n; i++)
        if (memory.place[i] == memory.place[n]) return false;
    return true;
}

static void try_kind(enum kind kind, uint64_t every)
{
    struct sp_err err = {0};
    const char *wrong = try_fault(kind, 0, false, &err);
    if (wrong != NULL) wrong = try_fault(kind, 0, false, &err); /* the library keeps some things */
    uint64_t before = run.runs, tried = 0;

    if (wrong != NULL) {
        printf("FAILED: without a fault: %s (%s)\n", wrong, err.text);
        exit(1);
    }
    uint64_t calls = count_calls(kind), places = 0;
    for (uint64_t n = 1; n <= calls && run.failed < FAILURES_MAX; n++) {
        bool first = kind == CALL || is_first_of_place(n);
        places += first;
        if (!first && (every == 0 || n % every != 0)) continue;
        tried++;
        report(kind, n, false);
        report(kind, n, true);
    }
    printf("%s: %" PRIu64 " of them in %" PRIu64 " places, %" PRIu64 " failed, %" PRIu64 " runs\n",
           kind_names[kind], calls, places, tried, run.runs - before);
}

static void prepare(void)
{
    sqlite3_mem_methods methods;

    sqlite3_config(SQLITE_CONFIG_GETMALLOC, &memory.real);
    methods = memory.real;
    methods.xMalloc = lib_malloc;
    methods.xFree = lib_free;
    methods.xRealloc = lib_realloc;
    sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
    sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0); /* small ones, too, are allocations */
    ledger_vfs_install();
    run.folder = folder_make();
    ledger_journal_make(&run.journal, run.folder.path);
    run.place = ledger_journal_place(&run.journal, LEDGER_PATH);
}

int main(int argc, char **argv)
{
    uint64_t every = 0, n = 0;
    int kind = -1, forever = 0;
    time_t began = time(NULL);

    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--every") == 0) every = strtoull(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--replay") == 0 &&
            sscanf(argv[i + 1], "%d:%" SCNu64 ":%d", &kind, &n, &forever) != 3)
            return 64;
    }
    prepare();
    if (kind >= 0) {
        report((enum kind)kind, n, forever != 0);
    } else {
        for (int i = 0; i < KINDS; i++)
            try_kind((enum kind)i, every);
    }
    printf("%" PRIu64 " runs, %" PRIu64 " failures; %" PRIu64 " told of their fault, %" PRIu64
           " tried again; %ld s\n",
           run.runs, run.failed, run.told, run.tried_again, (long)(time(NULL) - began));
    ledger_journal_free(&run.journal);
    folder_remove(&run.folder);
    return run.failed == 0 ? 0 : 1;
}
