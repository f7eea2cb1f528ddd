/* Proof 1 for the ledger: what a crash may leave of its file, and the production start on it.
 *
 * usage: ledger_states [--states N] [--seed S]
 *        ledger_states --seed S --replay MODEL:POINT:KEPT:OP.TEAR.SECTOR[/POINT:...]
 *
 * One seed is one life: the core trades, its journal is synced now and then, the service's own
 * thread writes the ledger, which is checkpointed, closed, killed and opened again. Its files are
 * on the disk of disk.h, in both models; of one state in many the start is crashed as well. On a
 * state the start of the service must find a whole file: its cursor not above what the journal had
 * synced at that moment, its content what the journal up to the cursor gives, and the same as a
 * life without a crash once the rest is written; and the next start must find that. A failure
 * prints the command that tries the state again. Commits are not synced by themselves: that a state
 * lacks the newest is no failure.
 */
#include "ledger_vfs.h"

#include "../common/folder.h"
#include "../services/core_shell.h"
#include "common/ledger/ledger_check.h"
#include "common/ledger/ledger_feed.h"
#include "common/planted_bug.h"
#include "services/execution/ledger.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LIVES         4
#define STEPS         9
#define SEQS_MAX      4096
#define UNSYNCED_MAX  24 /* operations, and then a checkpoint: 64 may be pending */
#define FAILURES_MAX  5
#define NESTED_ONE_IN 60
#define NESTED_STATES 10
#define PENDING_MAX   60 /* operations of a start that may be open at a crash */
#define LEDGER_PATH   "/crash/ledger.db"

static struct {
    uint64_t seed, random;
    struct folder folder;
    struct core_shell *core;
    uint32_t written; /* records of the core that are in the journal */
    struct sp_journal *journal;
    struct sp_ledger *ledger;
    sqlite3 *handle; /* the newest connection */
    sp_name stream;
    struct disk_log log, nested_log;
    struct disk_bounds bounds;
    char hash[SEQS_MAX][SP_LEDGER_HASH_SIZE]; /* of a ledger up to each sequence; "" if not known */
    char replay[200], why[256];
    uint64_t states, nested, failed, behind, empty, checked;
    uint64_t of_model[DISK_MODELS];
} run;

static uint64_t random_below(uint64_t below)
{
    run.random += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = run.random;
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (z ^ z >> 31) % below;
}

static void must(sp_status status, const struct sp_err *err)
{
    if (status == SP_OK) return;
    printf("FAILED: a life without a crash, seed %" PRIu64 ": %s\n", run.seed, err->text);
    exit(1);
}

/* ---- A life ---- */

static void mark(void)
{
    struct disk_op op = {.kind = DISK_MARK};

    run.bounds.seq_issued = sp_journal_next_seq(run.journal) - 1;
    run.bounds.seq_acked = sp_journal_durable_seq(run.journal);
    op.bounds = run.bounds;
    SP_ASSERT(run.log.count < DISK_OPS);
    run.log.op[run.log.count++] = op;
}

static int note_handle(sqlite3 *handle, char **message, const struct sqlite3_api_routines *api)
{
    (void)message;
    (void)api;
    run.handle = handle;
    return SQLITE_OK;
}

/* What the core did since, batch by batch as it decided. */
static void write_journal(void)
{
    struct sp_err err = {0};

    while (run.written < run.core->record_count) {
        static struct sp_record batch[8];
        uint32_t count = 0;
        while (count < 8 && run.written < run.core->record_count) {
            batch[count] = run.core->records[run.written++];
            batch[count].seq = sp_journal_next_seq(run.journal) + count;
            count++;
            enum sp_kind kind = batch[count - 1].kind;
            if (kind == SP_REC_LEDGER_STATE_CHANGED) break;
        }
        must(sp_journal_append(run.journal, batch, count, &err), &err);
    }
    mark();
}

/* Waits until the thread rests: nothing is left for it to write. */
static void await_ledger(void)
{
    struct timespec little = {.tv_nsec = 50000};
    uint64_t last = sp_journal_next_seq(run.journal) - 1;
    uint64_t until = SP_BUG(ledger_ahead) ? last : sp_journal_durable_seq(run.journal);

    sp_ledger_notify(run.ledger, last);
    for (int i = 0; i < 200000 && sp_ledger_cursor(run.ledger) < until; i++)
        nanosleep(&little, NULL);
    SP_ASSERT(sp_ledger_cursor(run.ledger) >= until);
}

static void open_ledger(void)
{
    struct sp_ledger_options options = {.path = LEDGER_PATH,
                                        .journal_dir = run.folder.path,
                                        .stream = run.stream,
                                        .world = run.core->core.books.world,
                                        .journal = run.journal};
    struct sp_ledger_report report = {0};
    struct sp_err err = {0};

    must(sp_ledger_open(&options, &run.ledger, &err), &err);
    sp_ledger_report(run.ledger, &report);
    must(report.status, &report.why);
    SP_ASSERT(report.replaced == 0);
}

static void close_ledger(bool killed)
{
    ledger_vfs_kill(killed);
    sp_ledger_close(run.ledger);
    ledger_vfs_kill(false);
    run.ledger = NULL;
}

static uint32_t unsynced(void)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < run.log.count; i++)
        count = run.log.op[i].kind == DISK_SYNC ? 0 : count + 1;
    return count;
}

static void step(void)
{
    struct sp_err err = {0};

    core_price(run.core, 50000);
    core_open(run.core, random_below(2) == 0 ? "ema" : "mean");
    if (random_below(3) > 0) core_move(run.core, random_below(2) == 0 ? 52000 : 48900, 0);
    write_journal();
    if (random_below(3) > 0) must(sp_journal_sync(run.journal, &err), &err);
    mark();
    await_ledger();
    uint64_t what = random_below(8);
    if (what < 2 || unsynced() > UNSYNCED_MAX)
        sqlite3_wal_checkpoint_v2(run.handle, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    if (what != 2 && what != 3) return;
    close_ledger(what == 3);
    open_ledger();
    await_ledger();
}

static void open_journal(void)
{
    struct sp_journal_options options = {.dir = run.folder.path,
                                         .stream = run.stream,
                                         .installation = "testbench",
                                         .world = "paper",
                                         .epoch = 1,
                                         .sync_every = {-1},
                                         .start_time = {INT64_C(1795374000000000000)},
                                         .build = "0.0.0",
                                         .boot_id = sp_name_of("boot")};
    struct sp_err err = {0};

    must(sp_journal_open(&options, &run.journal, &err), &err);
}

static void live(uint64_t seed)
{
    struct sp_err err = {0};

    run.seed = run.random = seed;
    memset(run.hash, 0, sizeof run.hash);
    run.folder = folder_make();
    run.core = core_ready();
    run.written = 1; /* the journal begins its stream itself */
    open_journal();
    disk_clear(ledger_vfs_image());
    ledger_vfs_image()->nodes = 1;
    ledger_vfs_image()->node[DISK_ROOT].is_dir = true;
    disk_log_clear(&run.log);
    disk_copy(&run.log.base, ledger_vfs_image());
    ledger_vfs_seed(seed);
    ledger_vfs_record(&run.log);
    mark();
    run.log.base_bounds = run.bounds;
    open_ledger();
    for (int i = 0; i < STEPS; i++)
        step();
    close_ledger(random_below(2) == 0);
    ledger_vfs_record(NULL);
    must(sp_journal_sync(run.journal, &err), &err);
    SP_ASSERT(sp_journal_next_seq(run.journal) <= SEQS_MAX);
}

static void end_life(void)
{
    sp_journal_close(run.journal);
    core_free(run.core);
    folder_remove(&run.folder);
}

/* ---- A state ---- */

static bool fails(const char *what, const struct sp_err *err)
{
    snprintf(run.why, sizeof run.why, "%s: %.180s", what, err != NULL ? err->text : "");
    return false;
}

/* What the journal up to `cursor` gives. */
static const char *expected(uint64_t cursor, struct sp_err *err)
{
    struct sp_ledger_rows *rows = NULL;
    char *hash = run.hash[cursor];

    if (hash[0] != '\0') return hash;
    sp_status status =
        sp_ledger_rows_open(":memory:", &run.stream, run.core->core.books.world, &rows, err);
    if (status == SP_OK && cursor > 0)
        status = sp_ledger_fold(rows, run.folder.path, &run.stream, cursor, err);
    if (status == SP_OK) status = sp_ledger_hash(rows, hash, err);
    sp_ledger_rows_close(rows);
    return status == SP_OK ? hash : NULL;
}

static bool has_content(struct sp_ledger_rows *rows, const char *what)
{
    char hash[SP_LEDGER_HASH_SIZE] = "";
    struct sp_err err = {0};
    uint64_t cursor = sp_ledger_rows_cursor(rows);

    if (sp_ledger_check(rows, &err) != SP_OK) return fails(what, &err);
    if (sp_ledger_hash(rows, hash, &err) != SP_OK) return fails(what, &err);
    const char *wanted = cursor < SEQS_MAX ? expected(cursor, &err) : NULL;
    if (wanted == NULL) return fails(what, &err);
    if (strcmp(hash, wanted) != 0) {
        SP_IGNORE(
            SP_FAIL(&err, SP_CORRUPT, "not what the journal up to %" PRIu64 " gives", cursor));
        return fails(what, &err);
    }
    return true;
}

static bool start(uint64_t journal_has, struct sp_ledger_rows **out)
{
    struct sp_ledger_finding finding = {0};
    struct sp_err err = {0};
    struct sp_ledger_place place = {.path = LEDGER_PATH,
                                    .stream = run.stream,
                                    .world = run.core->core.books.world,
                                    .first_seq = 1,
                                    .last_seq = journal_has};

    sp_status status = sp_ledger_file_open(&place, false, out, &finding, &err);
    if (status != SP_OK) return fails("the start refuses the ledger", &err);
    if (finding.checked) run.checked++;
    if (finding.aside[0] == '\0') return true;
    sp_ledger_rows_close(*out);
    return fails("the file is damaged", &finding.why);
}

static bool check_state(const struct disk_bounds *bounds)
{
    uint64_t last = sp_journal_next_seq(run.journal) - 1;
    struct sp_ledger_rows *rows = NULL;
    struct sp_err err = {0};

    if (!start(bounds->seq_acked, &rows)) return false;
    uint64_t cursor = sp_ledger_rows_cursor(rows);
    run.behind += cursor > 0 && cursor < bounds->seq_acked;
    run.empty += cursor == 0;
    bool right = cursor <= bounds->seq_acked || fails("ahead of the journal", NULL);
    right = right && has_content(rows, "after the crash");
    if (right && sp_ledger_fold(rows, run.folder.path, &run.stream, 0, &err) != SP_OK)
        right = fails("catching up", &err);
    right = right && sp_ledger_rows_cursor(rows) == last && has_content(rows, "caught up");
    sp_ledger_rows_close(rows);
    if (!right || !start(last, &rows)) return false;
    right = sp_ledger_rows_cursor(rows) == last && has_content(rows, "at the second start");
    sp_ledger_rows_close(rows);
    return right && (ledger_vfs_open_files() == 0 || fails("a file was left open", NULL));
}

/* Whether what is on the disk now keeps every promise. */
static bool try_disk(const struct disk_bounds *bounds)
{
    run.why[0] = '\0';
    if (check_state(bounds)) return true;
    run.failed++;
    printf("FAILED: %s; replay: ledger_states --seed %" PRIu64 " --replay %s\n", run.why, run.seed,
           run.replay);
    fflush(stdout);
    return false;
}

static void name_state(const struct disk_crash *crash, const char *before)
{
    snprintf(run.replay, sizeof run.replay, "%s%" PRIu32 ":%" PRIx64 ":%" PRIu32 ".%d.%" PRIu32,
             before, crash->point, crash->kept, crash->tear.op, (int)crash->tear.kind,
             crash->tear.sector);
}

static bool visit(const struct disk_crash *asked)
{
    struct disk_crash crash = *asked;
    struct disk_bounds bounds = disk_bounds_at(&run.log, crash.point);
    char model[16];

    disk_settle(&run.log, &crash);
    snprintf(model, sizeof model, "%d:", (int)run.log.model);
    name_state(&crash, model);
    disk_build(&run.log, &crash, ledger_vfs_image());
    run.states++;
    run.of_model[run.log.model]++;
    return try_disk(&bounds);
}

/* The first keeps all, the second nothing; then a prefix, all but one or any subset, and every
 * other one with a torn write. */
static void choose(const struct disk_log *log, uint32_t point, uint64_t number,
                   struct disk_crash *out)
{
    uint32_t pending[64];
    uint32_t count = disk_pending(log, point, pending);
    uint64_t all = count == 64 ? UINT64_MAX : (UINT64_C(1) << count) - 1;

    *out = (struct disk_crash){.point = point, .kept = number == 1 ? 0 : all};
    if (number < 2 || count == 0) return;
    uint64_t how = random_below(4);
    if (how == 0) out->kept = all >> random_below(count);
    if (how == 1) out->kept = all & ~(UINT64_C(1) << random_below(count));
    if (how == 2) out->kept = random_below(UINT64_MAX) & all;
    /* Mostly of the newest operations. */
    uint64_t at = count - 1 - random_below(random_below(2) == 0 && count > 3 ? 3 : count);
    const struct disk_op *op = &log->op[pending[at]];
    if (number % 2 == 0 || op->kind != DISK_WRITE) return;
    size_t sectors = (op->at + op->len_bytes - 1) / DISK_SECTOR - op->at / DISK_SECTOR + 1;
    out->kept |= UINT64_C(1) << at;
    out->tear.op = pending[at];
    out->tear.kind = (enum disk_tear_kind)(1 + random_below(DISK_TEAR_KINDS - 1));
    out->tear.sector =
        (uint32_t)random_below(out->tear.kind == DISK_CUT_BYTE ? op->len_bytes : sectors);
}

/* ---- A crash in the start after a crash ---- */

/* The start on a state, and what it catches up with, recorded. */
static void record_start(const struct disk_crash *crash)
{
    struct disk_bounds bounds = disk_bounds_at(&run.log, crash->point);
    struct sp_ledger_rows *rows = NULL;
    struct sp_err err = {0};

    disk_build(&run.log, crash, ledger_vfs_image());
    disk_log_clear(&run.nested_log);
    disk_copy(&run.nested_log.base, ledger_vfs_image());
    run.nested_log.base_bounds = bounds;
    ledger_vfs_record(&run.nested_log);
    if (start(bounds.seq_acked, &rows)) { /* judged before, by visit */
        uint64_t upto = bounds.seq_acked;
        if (upto > sp_ledger_rows_cursor(rows))
            SP_IGNORE(sp_ledger_fold(rows, run.folder.path, &run.stream, upto, &err));
        sp_ledger_rows_close(rows);
    }
    ledger_vfs_record(NULL);
    disk_log_finish(&run.nested_log, run.log.model);
}

static bool has_room(const struct disk_log *log, uint32_t point)
{
    uint32_t open = 0;

    for (uint32_t i = 0; i < point; i++)
        open += log->op[i].kind < DISK_SYNC && log->op[i].durable_at > point;
    return open <= PENDING_MAX;
}

static bool visit_inner(struct disk_crash *crash, const char *before)
{
    struct disk_bounds bounds = disk_bounds_at(&run.nested_log, crash->point);

    disk_settle(&run.nested_log, crash);
    name_state(crash, before);
    disk_build(&run.nested_log, crash, ledger_vfs_image());
    run.nested++;
    return try_disk(&bounds);
}

static void visit_nested(const struct disk_crash *outer)
{
    char before[sizeof run.replay];

    snprintf(before, sizeof before, "%.190s/", run.replay);
    struct disk_crash settled = *outer;
    disk_settle(&run.log, &settled);
    record_start(&settled);
    for (uint64_t i = 0; i < NESTED_STATES && run.failed < FAILURES_MAX; i++) {
        struct disk_crash crash;
        uint32_t point = (uint32_t)random_below(run.nested_log.count + 1);
        if (!has_room(&run.nested_log, point)) continue;
        choose(&run.nested_log, point, 2 + i, &crash);
        SP_IGNORE(visit_inner(&crash, before));
    }
}

static void try_life(enum disk_model model, uint64_t states)
{
    uint64_t points = run.log.count + 1, each = states / points + 2;

    disk_log_finish(&run.log, model);
    for (uint32_t point = 0; point < points && run.failed < FAILURES_MAX; point++) {
        for (uint64_t i = 0; i < each && run.failed < FAILURES_MAX; i++) {
            struct disk_crash crash;
            choose(&run.log, point, i, &crash);
            if (visit(&crash) && run.states % NESTED_ONE_IN == 0) visit_nested(&crash);
        }
    }
}

static bool parse_crash(const char *text, struct disk_crash *out)
{
    int kind = 0;

    *out = (struct disk_crash){0};
    if (sscanf(text, "%" SCNu32 ":%" SCNx64 ":%" SCNu32 ".%d.%" SCNu32, &out->point, &out->kept,
               &out->tear.op, &kind, &out->tear.sector) != 5)
        return false;
    out->tear.kind = (enum disk_tear_kind)kind;
    return true;
}

static int replay(uint64_t seed, const char *text)
{
    const char *inner = strchr(text, '/');
    struct disk_crash crash, nested;
    int model = text[0] - '0';

    if (model < 0 || model >= DISK_MODELS || text[1] != ':' || !parse_crash(text + 2, &crash) ||
        (inner != NULL && !parse_crash(inner + 1, &nested))) {
        fprintf(stderr, "no state: %s\n", text);
        return 64;
    }
    live(seed);
    disk_log_finish(&run.log, (enum disk_model)model);
    bool right = visit(&crash);
    if (right && inner != NULL) {
        char before[sizeof run.replay];
        snprintf(before, sizeof before, "%.190s/", run.replay);
        record_start(&crash);
        right = visit_inner(&nested, before);
    }
    if (right) printf("this state holds\n");
    end_life();
    return right ? 0 : 1;
}

int main(int argc, char **argv)
{
    uint64_t states = 6000, seed = 1;
    const char *state = NULL;
    time_t began = time(NULL);

    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--states") == 0) states = strtoull(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--seed") == 0) seed = strtoull(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--replay") == 0) state = argv[i + 1];
    }
    run.stream = sp_name_of("execution");
    ledger_vfs_install();
    sqlite3_auto_extension((void (*)(void))(void *)note_handle);
    if (state != NULL) return replay(seed, state);
    uint64_t operations = 0;
    for (uint64_t i = 0; run.states < states && run.failed < FAILURES_MAX; i++) {
        live(seed + i);
        operations += run.log.count;
        try_life(DISK_WEAK, states * 2 / (LIVES * 3));
        try_life(DISK_ORDERED, states / (LIVES * 3));
        end_life();
    }
    printf("%" PRIu64 " states (weak model %" PRIu64 ", ordered %" PRIu64 ", nested %" PRIu64
           " more) around %" PRIu64 " operations, %" PRIu64 " failures; commits lost in"
           " %" PRIu64 ", no ledger yet in %" PRIu64 ", checked as a whole %" PRIu64 "; %ld s\n",
           run.states, run.of_model[DISK_WEAK], run.of_model[DISK_ORDERED], run.nested, operations,
           run.failed, run.behind, run.empty, run.checked, (long)(time(NULL) - began));
    bool varied = run.behind > 0 && run.empty > 0 && run.checked > 0 && run.nested > 0;
    return run.failed == 0 && varied ? 0 : 1;
}
