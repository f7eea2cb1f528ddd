/* Proof 2 for the ledger on SQLite's own file system: each system call, of the library's and of
 * ours, and each allocation of it fails once, and then for good: at a start on every state of the
 * file, and in `spoor ledger verify`, `rebuild` and `backup`. (ledger_faults, on a disk in memory,
 * has the allocations of writing.)
 *
 * usage: ledger_calls [--scene SCENE] [--mode MODE] [--every K]   every K-th besides; 1: all
 *        ledger_calls --replay SCENE:MODE:N
 *
 * Tried is the first of each place, which is the last functions that lead to it, as many as the
 * table of modes says: a later one goes the same way back, at least so far. A place that an
 * earlier scene had is not tried again. Of each run: it ends within 10 s with a status and a text,
 * or all is done; memory and descriptors are given back; no sync of ours failed in silence; and
 * what ledger_scenes.c asks of it.
 */
#include "faults.h"
#include "ledger_scenes.h"
#include "sqlite_calls.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define HANG_S        10
#define FAILURES_MAX  10
#define CALLS_MAX     40000
#define SEEN_MAX      (1u << 15)
#define WARM_UP       3
#define MISSED_ONE_IN 100 /* runs in which there was no such call, as the library had one less */

static const struct mode {
    const char *name;
    int depth; /* functions that make a place */
    struct fault_plan plan;
} modes[] = {
    {"call-once", 22, {.kind = FAULT_CALL, .error = EIO}},
    {"call-forever", 22, {.kind = FAULT_CALL, .error = EIO, .forever = true}},
    {"full-forever", 8, {.kind = FAULT_CALL, .error = ENOSPC, .forever = true}},
    {"interrupted-once", 8, {.kind = FAULT_CALL, .error = EINTR}},
    {"half-once", 22, {.kind = FAULT_CALL, .half = true}},
    {"half-forever", 22, {.kind = FAULT_CALL, .half = true, .forever = true}},
    {"allocation-once", 9, {.kind = FAULT_ALLOCATION}},
    {"allocation-forever", 9, {.kind = FAULT_ALLOCATION, .forever = true}},
};
#define MODES (sizeof modes / sizeof modes[0])

static struct {
    char replay[120];
    uint64_t runs, failed, told, missed;
    uint64_t place[CALLS_MAX];
    uint64_t seen[MODES][SEEN_MAX]; /* places, by open addressing */
} proof;

static void on_signal(int number)
{
    char line[200];
    int len = snprintf(line, sizeof line, "FAILED: signal %d; replay: %s\n", number, proof.replay);

    if (write(STDOUT_FILENO, line, (size_t)len) < 0) _exit(3);
    _exit(2);
}

static void watch(int seconds)
{
    struct itimerval timer = {.it_value = {.tv_sec = seconds}};

    setitimer(ITIMER_REAL, &timer, NULL);
}

static size_t count_descriptors(void)
{
    size_t count = 0;
    DIR *folder = opendir("/proc/self/fd");

    if (folder == NULL) abort();
    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count;
}

static void complain(const char *what, const char *detail)
{
    proof.failed++;
    printf("FAILED: %s: %s (%s); replay: %s\n", what, detail, faults_last(), proof.replay);
    fflush(stdout);
}

static bool is_sync(const char *call)
{
    return strcmp(call, "fsync") == 0 || strcmp(call, "syncfs") == 0;
}

static void judge(const struct mode *mode, const struct scene_run *run, sp_status status)
{
    bool hit = faults_failed() > 0;

    if (run->wrong != NULL) complain(run->wrong, run->err.text);
    if (status != SP_OK && !hit) complain("it fails when nothing does", run->err.text);
    if (status != SP_OK && run->err.text[0] == '\0') complain("no word on what failed", "");
    if (status == SP_OK && !run->tried_again && hit && is_sync(faults_last()))
        complain("a sync failed in silence", "");
    if (status != SP_OK && run->tried_again && !mode->plan.forever && !run->lost_sync)
        complain("the second attempt failed, too", run->err.text);
}

/* How many calls there were. */
static uint64_t run_one(const struct scene *scene, const struct mode *mode, uint64_t at)
{
    struct fault_plan plan = mode->plan;
    struct scene_run run = {.reported = 0};

    plan.at = at;
    snprintf(proof.replay, sizeof proof.replay, "ledger_calls --replay %s:%s:%" PRIu64, scene->name,
             mode->name, at);
    ledger_scene_begin(scene);
    watch(HANG_S);
    size_t held = faults_held(), descriptors = count_descriptors();
    faults_begin(&plan);
    sp_status status = scene->act(&run);
    faults_end();
    uint64_t calls = faults_counted();
    proof.runs++;
    proof.told += status != SP_OK || run.first_failed;
    judge(mode, &run, status);
    if (at > 0 && faults_failed() == 0) proof.missed++;
    if (at > 0 && faults_held() != held) complain("memory is not given back", "");
    if (count_descriptors() != descriptors) complain("a descriptor is left open", "");
    const char *wrong = scene->check(&run, status);
    if (wrong != NULL) complain(wrong, run.err.text);
    watch(0);
    return calls;
}

/* Whether the place was not seen before in this mode; it is then. */
static bool is_new(uint64_t mode, uint64_t place)
{
    uint64_t at = place % SEEN_MAX;

    while (proof.seen[mode][at] != 0 && proof.seen[mode][at] != place)
        at = (at + 1) % SEEN_MAX;
    bool is_new = proof.seen[mode][at] == 0;
    proof.seen[mode][at] = place;
    return is_new;
}

static void try_mode(const struct scene *scene, size_t m, uint64_t every)
{
    for (int i = 0; i < WARM_UP; i++) /* libraries keep what they make at first use */
        SP_IGNORE(run_one(scene, &modes[m], 0));
    faults_note_places(proof.place, CALLS_MAX, modes[m].depth);
    uint64_t calls = run_one(scene, &modes[m], 0), tried = 0;
    faults_note_places(NULL, 0, 0);
    for (uint64_t n = 1; n <= calls && proof.failed < FAILURES_MAX; n++) {
        bool first = is_new(m, proof.place[n]);
        bool elsewhere = scene->only_calls && modes[m].plan.kind == FAULT_ALLOCATION;
        if ((elsewhere || !first) && (every == 0 || n % every != 0)) continue;
        SP_IGNORE(run_one(scene, &modes[m], n));
        tried++;
    }
    printf("%-15s %-18s %6" PRIu64 " of them, %5" PRIu64 " failed\n", scene->name, modes[m].name,
           calls, tried);
    fflush(stdout);
}

static int replay(char *text)
{
    char *rest = text;
    const char *scene = strtok_r(NULL, ":", &rest), *mode = strtok_r(NULL, ":", &rest);

    for (size_t s = 0; s < ledger_scene_count; s++) {
        for (size_t m = 0; mode != NULL && m < MODES; m++) {
            if (strcmp(ledger_scenes[s].name, scene) != 0 || strcmp(modes[m].name, mode) != 0)
                continue;
            SP_IGNORE(run_one(&ledger_scenes[s], &modes[m], 0));
            SP_IGNORE(run_one(&ledger_scenes[s], &modes[m], strtoull(rest, NULL, 10)));
            printf("%s\n", proof.failed > 0 ? "it does not hold" : "this run holds");
            return proof.failed > 0 ? 1 : 0;
        }
    }
    fprintf(stderr, "ledger_calls: no such run\n");
    return 64;
}

static int try_all(int argc, char **argv)
{
    const char *scene = NULL, *mode = NULL;
    uint64_t every = 0;
    time_t began = time(NULL);

    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--every") == 0) every = strtoull(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--scene") == 0) scene = argv[i + 1];
        if (strcmp(argv[i], "--mode") == 0) mode = argv[i + 1];
    }
    for (size_t s = 0; s < ledger_scene_count; s++) {
        if (scene != NULL && strcmp(scene, ledger_scenes[s].name) != 0) continue;
        for (size_t m = 0; m < MODES && proof.failed < FAILURES_MAX; m++)
            if (mode == NULL || strcmp(mode, modes[m].name) == 0)
                try_mode(&ledger_scenes[s], m, every);
    }
    printf("%" PRIu64 " runs, %" PRIu64 " told of their fault, %" PRIu64 " without one, %" PRIu64
           " failures; %ld s\n",
           proof.runs, proof.told, proof.missed, proof.failed, (long)(time(NULL) - began));
    return proof.failed > 0 || proof.missed * MISSED_ONE_IN > proof.runs ? 1 : 0;
}

int main(int argc, char **argv)
{
    static const int fatal[] = {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGALRM};

    for (size_t i = 0; i < sizeof fatal / sizeof fatal[0]; i++)
        signal(fatal[i], on_signal);
    if (access("/dev/shm", W_OK) == 0) setenv("TMPDIR", "/dev/shm", 0);
    sqlite_calls_install();
    ledger_scenes_make();
    int code =
        argc == 3 && strcmp(argv[1], "--replay") == 0 ? replay(argv[2]) : try_all(argc, argv);
    ledger_scenes_free();
    return code;
}
