/* Proof 1: every state of the disk that a crash may leave, and the production start on each.
 *
 * usage: crash_states [--states N] [--seed S] [--jobs J] [--one-in K] [--plant PLANT]
 *        crash_states --seed S --replay STATE
 *
 * One seed is four lives of a service; seeds follow until N distinct states were tried. The states
 * of a seed are first those of the weak model, then those of the ordered one that the first did not
 * happen to try (disk.h). A STATE is MODEL:POINT:KEPT:OP.TEAR.SECTOR, and once more behind a slash
 * for a crash during recovery; a failure prints the command that tries exactly it again. --one-in
 * crashes before one in K operations only, so that as many states are of more lives. --plant
 * makes the disk forget a kind of sync (no-sync, no-sync-dir): then this program fails if it finds
 * nothing. Bugs of the code under test are planted otherwise (common/planted_bug.h).
 */
#include "trial.h"

#include "../common/folder.h"

#include <inttypes.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#define SUBSETS_MAX    12 /* pending operations of which every subset is tried */
#define RANDOM_SUBSETS 64
#define RANDOM_TEARS   12
#define TORN_WRITES    2
#define NESTED_ONE_IN  40
#define NESTED_STATES  48
#define FAILURES_MAX   5
#define JOBS_MAX       16
#define HANG_S         5

struct counts {
    uint64_t built, states, nested, refused, failed, seeds;
    uint64_t of_model[DISK_MODELS];     /* distinct states */
    uint64_t operations[DISK_OP_KINDS]; /* crashed before and after */
    uint64_t outcome[SP_STATE_DEGRADED + 1];
};

struct options {
    uint64_t states, seed, jobs, one_in;
    const char *plant, *replay;
};

static struct {
    struct options options;
    uint64_t job;
    struct counts *counts; /* of this job, shared with the parent */
    struct trial trial;
    struct disk_log log, nested_log;
    char root[200], work[220];
    uint64_t *seen;
    size_t seen_count, seen_cap;
    char replay[256]; /* of the state that is being tried */
} run;

static const char *const op_names[DISK_OP_KINDS] = {[DISK_CREATE] = "create",
                                                    [DISK_MKDIR] = "mkdir",
                                                    [DISK_LINK] = "link",
                                                    [DISK_RENAME] = "rename",
                                                    [DISK_UNLINK] = "unlink",
                                                    [DISK_WRITE] = "write",
                                                    [DISK_TRUNCATE] = "cut",
                                                    [DISK_SYNC] = "sync",
                                                    [DISK_SYNC_DIR] = "directory sync",
                                                    [DISK_SYNC_FAILED] = "failed sync",
                                                    [DISK_MARK] = "promise"};

static bool add_seen(uint64_t hash)
{
    if ((run.seen_count + 1) * 2 > run.seen_cap) {
        size_t old_cap = run.seen_cap;
        uint64_t *old = run.seen;
        run.seen_cap = old_cap == 0 ? 1 << 16 : old_cap * 2;
        run.seen = calloc(run.seen_cap, sizeof run.seen[0]);
        if (run.seen == NULL) abort();
        run.seen_count = 0;
        for (size_t i = 0; i < old_cap; i++)
            if (old[i] != 0) add_seen(old[i]);
        free(old);
    }
    size_t at = hash & (run.seen_cap - 1);
    while (run.seen[at] != 0 && run.seen[at] != hash)
        at = (at + 1) & (run.seen_cap - 1);
    if (run.seen[at] == hash) return false;
    run.seen[at] = hash;
    run.seen_count++;
    return true;
}

static void on_signal(int number)
{
    char line[400];
    int len = snprintf(line, sizeof line, "FAILED: signal %d; replay: %s\n", number, run.replay);

    if (write(STDOUT_FILENO, line, (size_t)len) < 0) _exit(3);
    _exit(2);
}

static void watch(int seconds)
{
    struct itimerval timer = {.it_value = {.tv_sec = seconds}};

    setitimer(ITIMER_REAL, &timer, NULL);
}

static void name_state(const struct disk_crash *crash, const char *before)
{
    int len = snprintf(run.replay, sizeof run.replay, "%s%s", before, before[0] != '\0' ? "/" : "");

    if (before[0] == '\0') {
        len = snprintf(
            run.replay, sizeof run.replay, "crash_states%s%s --seed %" PRIu64 " --replay ",
            run.options.plant[0] != '\0' ? " --plant " : "", run.options.plant, run.trial.seed);
    }
    snprintf(run.replay + len, sizeof run.replay - (size_t)len,
             "%d:%" PRIu32 ":%" PRIx64 ":%" PRIu32 ".%d.%" PRIu32, (int)run.log.model, crash->point,
             crash->kept, crash->tear.op, (int)crash->tear.kind, crash->tear.sector);
}

static enum recorder_lie lie(void)
{
    if (strcmp(run.options.plant, "no-sync") == 0) return RECORDER_NO_SYNC;
    if (strcmp(run.options.plant, "no-sync-dir") == 0) return RECORDER_NO_SYNC_DIR;
    return RECORDER_HONEST;
}

static uint64_t hash_with(uint64_t hash, const struct disk_bounds *bounds)
{
    const uint64_t values[] = {bounds->seq_issued, bounds->seq_acked,  bounds->gen_issued,
                               bounds->gen_acked,  bounds->role_epoch, run.trial.seed};

    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        hash = (hash ^ values[i]) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 31;
    }
    return hash == 0 ? 1 : hash;
}

static struct trial_given given_for(const struct disk_bounds *bounds, uint64_t hash, uint32_t epoch)
{
    return (struct trial_given){.root = run.work,
                                .port = sp_file_port_real(),
                                .epoch = epoch,
                                .bounds = *bounds,
                                .note_acked = (hash >> 40 & 1) != 0,
                                .keep = (hash >> 41 & 3) == 0};
}

/* Whether the start keeps every promise on this disk. */
static bool try_state(const struct disk_image *image, const struct disk_bounds *bounds,
                      uint64_t hash, uint32_t epoch)
{
    struct trial_start found = {0};
    struct trial_given given = given_for(bounds, hash, epoch);

    disk_materialise(image, run.work);
    watch(HANG_S);
    bool right = trial_check(&run.trial, &given, &found);
    watch(0);
    folder_remove_path(run.work);
    run.counts->outcome[found.outcome]++;
    if (found.refused != SP_OK) run.counts->refused++;
    if (right) return true;
    run.counts->failed++;
    printf("FAILED: %s; replay: %s\n", found.why, run.replay);
    fflush(stdout);
    return false;
}

/* The start on `image`, recorded: the life of which a crash during recovery is a state. */
static void record_start(const struct disk_image *image, const struct disk_bounds *bounds,
                         uint64_t hash)
{
    struct trial_start found = {0};
    struct trial_given given = given_for(bounds, hash, 101);

    given.port = recorder_port();
    given.marks = true;
    disk_copy(&run.nested_log.base, image);
    run.nested_log.base_bounds = *bounds;
    disk_materialise(image, run.work);
    recorder_start(&run.nested_log, run.work, lie());
    watch(HANG_S);
    SP_IGNORE(trial_start(&run.trial, &given, &found)); /* judged before, by try_state */
    watch(0);
    recorder_stop();
    disk_log_finish(&run.nested_log, run.log.model);
    folder_remove_path(run.work);
}

static uint64_t all_of(uint32_t pending)
{
    return pending == 64 ? UINT64_MAX : (UINT64_C(1) << pending) - 1;
}

static void visit_nested(const struct disk_crash *outer_crash)
{
    static struct disk_image image;
    struct disk_log *log = &run.nested_log;
    char before[sizeof run.replay];
    uint32_t pending[64];

    snprintf(before, sizeof before, "%s", run.replay);
    struct trial random = {.random = outer_crash->kept + outer_crash->point * UINT64_C(7919)};
    for (int i = 0; i < NESTED_STATES && log->count > 0; i++) {
        struct disk_crash crash = {.point = (uint32_t)trial_random(&random, log->count + 1)};
        uint32_t count = disk_pending(log, crash.point, pending);
        crash.kept = trial_random(&random, UINT64_MAX) & all_of(count);
        if (count > 0) {
            crash.tear.op = pending[trial_random(&random, count)];
            crash.tear.kind = (enum disk_tear_kind)trial_random(&random, DISK_TEAR_KINDS);
            crash.tear.sector = (uint32_t)trial_random(&random, 4);
            if (log->op[crash.tear.op].kind != DISK_WRITE) crash.tear = (struct disk_tear){0};
        }
        struct disk_bounds bounds = disk_bounds_at(log, crash.point);
        disk_settle(log, &crash);
        disk_build(log, &crash, &image);
        uint64_t hash = hash_with(disk_hash(&image) + 1, &bounds);
        if (!add_seen(hash)) continue;
        run.counts->nested++;
        name_state(&crash, before);
        if (!try_state(&image, &bounds, hash, 201) && run.counts->failed >= FAILURES_MAX) return;
    }
}

static bool is_over(void)
{
    return run.counts->failed >= FAILURES_MAX;
}

static void visit(const struct disk_crash *asked)
{
    static struct disk_image image;
    struct disk_crash crash = *asked;

    if (is_over()) return;
    struct disk_bounds bounds = disk_bounds_at(&run.log, crash.point);
    run.counts->built++;
    disk_settle(&run.log, &crash);
    disk_build(&run.log, &crash, &image);
    uint64_t hash = hash_with(disk_hash(&image), &bounds);
    if ((hash >> 20) % run.options.jobs != run.job || !add_seen(hash)) return;
    run.counts->states++;
    run.counts->of_model[run.log.model]++;
    name_state(&crash, "");
    bool right = try_state(&image, &bounds, hash, 101);
    if (!right || (hash >> 24) % NESTED_ONE_IN != 0) return;
    record_start(&image, &bounds, hash);
    visit_nested(&crash);
}

static void visit_subsets(struct disk_crash crash, uint32_t pending)
{
    uint64_t all = all_of(pending);

    if (pending <= SUBSETS_MAX) {
        for (crash.kept = 0; crash.kept <= all; crash.kept++)
            visit(&crash);
        return;
    }
    for (uint32_t i = 0; i <= pending; i++) {
        crash.kept = all_of(i);
        visit(&crash);
    }
    for (uint32_t i = 0; i < pending; i++) {
        for (uint32_t j = i; j < pending; j++) {
            crash.kept = all & ~(UINT64_C(1) << i) & ~(UINT64_C(1) << j);
            visit(&crash);
        }
    }
    for (int i = 0; i < RANDOM_SUBSETS; i++) {
        crash.kept = trial_random(&run.trial, UINT64_MAX) & all;
        visit(&crash);
    }
}

/* Every tear of one write, with all other operations there or only those before it. */
static void visit_tears(struct disk_crash crash, uint32_t count, uint32_t at, uint32_t op)
{
    size_t first = run.log.op[op].at / DISK_SECTOR;
    size_t last = (run.log.op[op].at + run.log.op[op].len_bytes - 1) / DISK_SECTOR;
    const uint64_t kept[] = {all_of(count), all_of(at + 1)};

    crash.tear.op = op;
    for (int i = 0; i < (at + 1 == count ? 1 : 2); i++) {
        crash.kept = kept[i];
        for (int kind = DISK_CUT; kind < DISK_TEAR_KINDS; kind++) {
            crash.tear.kind = (enum disk_tear_kind)kind;
            for (uint32_t sector = 0; sector <= last - first; sector++) {
                crash.tear.sector = sector;
                if (kind == DISK_CUT_BYTE) {
                    crash.tear.sector =
                        (uint32_t)trial_random(&run.trial, run.log.op[op].len_bytes);
                }
                visit(&crash);
            }
        }
    }
}

static void visit_point(uint32_t point)
{
    struct disk_crash crash = {.point = point};
    uint32_t pending[64];
    uint32_t count = disk_pending(&run.log, point, pending), torn = 0;

    visit_subsets(crash, count);
    for (uint32_t i = count; i-- > 0 && torn < TORN_WRITES;) {
        if (run.log.op[pending[i]].kind != DISK_WRITE) continue;
        visit_tears(crash, count, i, pending[i]);
        torn++;
    }
    for (int i = 0; i < RANDOM_TEARS && torn > 0; i++) {
        uint32_t op = pending[trial_random(&run.trial, count)];
        if (run.log.op[op].kind != DISK_WRITE) continue;
        crash.kept = trial_random(&run.trial, UINT64_MAX) & all_of(count);
        crash.tear.op = op;
        crash.tear.kind = (enum disk_tear_kind)trial_random(&run.trial, DISK_TEAR_KINDS);
        crash.tear.sector = (uint32_t)trial_random(&run.trial, 3);
        visit(&crash);
    }
}

/* False: the life itself broke a promise. */
static bool live(uint64_t seed)
{
    run.trial = (struct trial){.seed = seed};
    run.log.base = (struct disk_image){.nodes = 1, .node = {{.is_dir = true}}};
    disk_materialise(&run.log.base, run.work);
    recorder_start(&run.log, run.work, lie());
    bool right = trial_live(&run.trial, run.work);
    recorder_stop();
    folder_remove_path(run.work);
    run.counts->seeds++;
    for (uint32_t i = 0; i < run.log.count; i++)
        run.counts->operations[run.log.op[i].kind]++;
    if (right) return true;
    run.counts->failed++;
    printf("FAILED: %s; in the life of --seed %" PRIu64 "\n", run.trial.why, seed);
    fflush(stdout);
    return false;
}

static void visit_seed(void)
{
    for (int model = 0; model < DISK_MODELS; model++) {
        disk_log_finish(&run.log, (enum disk_model)model);
        for (uint32_t point = 0; point <= run.log.count && !is_over(); point++)
            if ((point + run.trial.seed) % run.options.one_in == 0) visit_point(point);
    }
}

static void run_job(void)
{
    uint64_t share = (run.options.states + run.options.jobs - 1) / run.options.jobs;

    for (uint64_t seed = run.options.seed; run.counts->states < share && !is_over(); seed++) {
        if (live(seed)) visit_seed();
        disk_log_clear(&run.log);
        run.seen_count = 0; /* lives share no state: the seed is part of what is compared */
        if (run.seen_cap > 0) memset(run.seen, 0, run.seen_cap * sizeof run.seen[0]);
    }
}

static void parse_crash(const char *text, enum disk_model *model, struct disk_crash *out)
{
    int kind = 0, number = 0;

    *out = (struct disk_crash){0};
    if (sscanf(text, "%d:%" SCNu32 ":%" SCNx64 ":%" SCNu32 ".%d.%" SCNu32, &number, &out->point,
               &out->kept, &out->tear.op, &kind, &out->tear.sector) != 6) {
        fprintf(stderr, "no state: %s\n", text);
        exit(64);
    }
    *model = (enum disk_model)number;
    out->tear.kind = (enum disk_tear_kind)kind;
}

/* What was asked of the disk before the crash, and what it kept of that. */
static void print_log(const struct disk_log *log, const struct disk_crash *crash)
{
    uint32_t pending = 0;

    for (uint32_t i = 0; i < crash->point; i++) {
        const struct disk_op *op = &log->op[i];
        const char *kept = "";
        if (op->kind < DISK_SYNC) {
            kept = op->durable_at <= crash->point ? "durable"
                   : crash->kept >> pending++ & 1 ? "kept"
                                                  : "lost";
        }
        printf("%4" PRIu32 " %-14s %-7s", i, op_names[op->kind], kept);
        if (op->kind == DISK_MARK) {
            printf(" record %" PRIu64 " of %" PRIu64 ", generation %" PRIu64 " of %" PRIu64,
                   op->bounds.seq_acked, op->bounds.seq_issued, op->bounds.gen_acked,
                   op->bounds.gen_issued);
        } else {
            printf(" file %" PRIu32 " %s %s", op->node, op->name, op->new_name);
        }
        if (op->kind == DISK_WRITE) printf("%zu bytes at %" PRIu64, op->len_bytes, op->at);
        printf("\n");
    }
}

static void replay(void)
{
    static struct disk_image image;
    struct disk_crash crash;
    const char *inner = strchr(run.options.replay, '/');
    char before[sizeof run.replay];
    enum disk_model model;

    if (!live(run.options.seed)) return;
    parse_crash(run.options.replay, &model, &crash);
    disk_log_finish(&run.log, model);
    struct disk_bounds bounds = disk_bounds_at(&run.log, crash.point);
    disk_build(&run.log, &crash, &image);
    print_log(&run.log, &crash);
    uint64_t hash = hash_with(disk_hash(&image), &bounds);
    name_state(&crash, "");
    snprintf(before, sizeof before, "%s", run.replay);
    if (inner != NULL) {
        record_start(&image, &bounds, hash);
        parse_crash(inner + 1, &model, &crash);
        bounds = disk_bounds_at(&run.nested_log, crash.point);
        disk_build(&run.nested_log, &crash, &image);
        print_log(&run.nested_log, &crash);
        hash = hash_with(disk_hash(&image) + 1, &bounds);
        name_state(&crash, before);
    }
    char kept[220];
    snprintf(kept, sizeof kept, "%s/before", run.root);
    disk_materialise(&image, kept);
    printf("acknowledged: record %" PRIu64 ", generation %" PRIu64 "; issued: %" PRIu64 ", %" PRIu64
           "; the disk before the start: %s\n",
           bounds.seq_acked, bounds.gen_acked, bounds.seq_issued, bounds.gen_issued, kept);
    if (try_state(&image, &bounds, hash, inner != NULL ? 201 : 101)) printf("this state holds\n");
}

static void usage(void)
{
    fprintf(stderr, "usage: crash_states [--states N] [--seed S] [--jobs J] [--one-in K] "
                    "[--plant PLANT] [--replay STATE]\n");
    exit(64);
}

static struct options parse_options(int argc, char **argv)
{
    struct options options = {.states = 60000, .seed = 1, .jobs = 2, .one_in = 1, .plant = ""};

    for (int i = 1; i < argc; i += 2) {
        if (i + 1 == argc) usage();
        uint64_t number = strtoull(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--states") == 0)
            options.states = number;
        else if (strcmp(argv[i], "--seed") == 0)
            options.seed = number;
        else if (strcmp(argv[i], "--jobs") == 0)
            options.jobs = number;
        else if (strcmp(argv[i], "--one-in") == 0)
            options.one_in = number;
        else if (strcmp(argv[i], "--plant") == 0)
            options.plant = argv[i + 1];
        else if (strcmp(argv[i], "--replay") == 0)
            options.replay = argv[i + 1];
        else
            usage();
    }
    if (options.jobs < 1 || options.jobs > JOBS_MAX || options.one_in < 1) usage();
    return options;
}

/* In memory if there is such a place: a state is a folder that lives for a moment. */
static void make_root(void)
{
    bool memory = access("/dev/shm", W_OK) == 0;

    snprintf(run.root, sizeof run.root, "%s/spoor-crash-XXXXXX", memory ? "/dev/shm" : "/tmp");
    if (mkdtemp(run.root) == NULL) abort();
}

static bool run_jobs(struct counts *counts)
{
    pid_t pid[JOBS_MAX];
    bool right = true;

    for (uint64_t job = 0; job < run.options.jobs; job++) {
        pid[job] = fork();
        if (pid[job] < 0) abort();
        if (pid[job] > 0) continue;
        run.job = job;
        run.counts = &counts[job];
        snprintf(run.work, sizeof run.work, "%s/%" PRIu64, run.root, job);
        run_job();
        _exit(0);
    }
    for (uint64_t job = 0; job < run.options.jobs; job++) {
        int status = 0;
        if (waitpid(pid[job], &status, 0) < 0 || status != 0) right = false;
    }
    return right;
}

static void report_operations(const struct counts *counts)
{
    printf("crashes around");
    for (int i = 0; i < DISK_OP_KINDS; i++)
        printf(" %s %" PRIu64 "%s", op_names[i], counts->operations[i],
               i + 1 < DISK_OP_KINDS ? "," : "\n");
}

static bool report(const struct counts *counts, time_t began)
{
    struct counts sum = {0};

    for (uint64_t job = 0; job < run.options.jobs; job++) {
        sum.built += counts[job].built;
        sum.states += counts[job].states;
        sum.nested += counts[job].nested;
        sum.refused += counts[job].refused;
        sum.failed += counts[job].failed;
        for (int i = 0; i < DISK_MODELS; i++)
            sum.of_model[i] += counts[job].of_model[i];
        for (int i = 0; i <= SP_STATE_DEGRADED; i++)
            sum.outcome[i] += counts[job].outcome[i];
    }
    printf("built %" PRIu64 ", distinct states %" PRIu64 " (weak model %" PRIu64
           ", ordered %" PRIu64 " more) of %" PRIu64 " seeds, nested %" PRIu64 ", refusals %" PRIu64
           ", failures %" PRIu64 "\n",
           sum.built / run.options.jobs, sum.states, sum.of_model[DISK_WEAK],
           sum.of_model[DISK_ORDERED], counts[0].seeds, sum.nested, sum.refused, sum.failed);
    report_operations(&counts[0]);
    printf("state: new %" PRIu64 ", loaded %" PRIu64 ", promoted %" PRIu64 ", degraded %" PRIu64
           "; %ld s\n",
           sum.outcome[SP_STATE_NEW], sum.outcome[SP_STATE_LOADED], sum.outcome[SP_STATE_PROMOTED],
           sum.outcome[SP_STATE_DEGRADED], (long)(time(NULL) - began));
    if (run.options.plant[0] != '\0') return sum.failed > 0;
    return sum.failed == 0 && sum.states >= run.options.states;
}

int main(int argc, char **argv)
{
    struct counts *counts = mmap(NULL, JOBS_MAX * sizeof *counts, PROT_READ | PROT_WRITE,
                                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    time_t began = time(NULL);

    if (counts == MAP_FAILED) return 71;
    run.options = parse_options(argc, argv);
    make_root();
    if (freopen("/dev/null", "w", stderr) == NULL) return 71; /* what snapshots log */
    static const int fatal[] = {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGALRM};
    for (size_t i = 0; i < sizeof fatal / sizeof fatal[0]; i++)
        signal(fatal[i], on_signal);
    if (run.options.replay != NULL) {
        run.options.jobs = 1;
        run.counts = counts;
        snprintf(run.work, sizeof run.work, "%s/0", run.root);
        replay();
        return counts->failed == 0 ? 0 : 1;
    }
    bool right = run_jobs(counts);
    right = report(counts, began) && (right || run.options.plant[0] != '\0');
    folder_remove_path(run.root);
    return right ? 0 : 1;
}
