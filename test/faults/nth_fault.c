/* Proof 2: the nth allocation or system call fails, once or for ever, for every n.
 *
 * usage: nth_fault [SCENARIO...]
 *        nth_fault --replay SCENARIO MODE N
 *
 * A scenario is run with its first call failing, then its second, and so on until none fails any
 * more, in each mode: an allocation, a call with EIO, a call with ENOSPC; once, or from there on.
 * Each run must end with a status that says so, and give back all memory and descriptors; a start
 * after it, with nothing failing, must find all that was acknowledged. A failure prints the
 * command that runs exactly it again. Without SCENARIO all are run.
 */
#include "faults.h"
#include "scenarios.h"

#include "../common/folder.h"
#include "common/log.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/time.h>
#include <time.h>

#define HANG_S       10
#define FAILURES_MAX 60
#define FAULTS_MAX   5000 /* no scenario does so much */

static const struct mode {
    const char *name;
    struct fault_plan plan;
} modes[] = {
    {"allocation-once", {.kind = FAULT_ALLOCATION}},
    {"allocation-forever", {.kind = FAULT_ALLOCATION, .forever = true}},
    {"call-once", {.kind = FAULT_CALL, .error = EIO}},
    {"call-forever", {.kind = FAULT_CALL, .error = EIO, .forever = true}},
    {"full-once", {.kind = FAULT_CALL, .error = ENOSPC}},
    {"full-forever", {.kind = FAULT_CALL, .error = ENOSPC, .forever = true}},
};
#define MODES (sizeof modes / sizeof modes[0])

static struct {
    char replay[200]; /* of what is running */
    uint64_t runs, failed;
    uint64_t injected[FAULT_KINDS];
} proof;

static void on_signal(int number)
{
    char line[300];
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
    printf("FAILED: %s: %s; replay: %s\n", what, detail, proof.replay);
    fflush(stdout);
}

/* What is closed was synced before; who asks whether a file is there goes on with the answer that
 * is on the safe side. */
static bool tolerates(const struct scenario *scenario, const char *call)
{
    const char *names[] = {"close access", scenario->tolerates};
    size_t len = strlen(call);

    for (size_t i = 0; i < 2; i++) {
        const char *at = names[i];
        if (strcmp(at, "*") == 0) return true;
        for (at = strstr(at, call); at != NULL; at = strstr(at + 1, call))
            if ((at == names[i] || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0'))
                return true;
    }
    return false;
}

static void judge(const struct scenario *scenario, sp_status status, const struct sp_err *err)
{
    bool hit = faults_failed() > 0;

    if (status == SP_OK && hit && !tolerates(scenario, faults_last())) {
        complain("it went on as if nothing had failed", faults_last());
    }
    if (status != SP_OK && !hit) complain("it fails when nothing does", err->text);
    if (status != SP_OK && err->text[0] == '\0') complain("no word on what failed", faults_last());
}

static void check_given_back(size_t held, size_t descriptors)
{
    if (faults_held() != held) complain("memory is not given back", faults_last());
    for (int i = 0; i < 200 && count_descriptors() > descriptors; i++)
        usleep(2000); /* a library's thread may be closing some */
    if (count_descriptors() > descriptors) complain("a descriptor is left open", faults_last());
}

/* False once nothing failed any more. */
static bool run(const struct scenario *scenario, const struct mode *mode, uint64_t at)
{
    struct folder folder = folder_make();
    struct scenario_run run = {0};
    struct fault_plan plan = mode->plan;
    struct sp_err err = {0};
    char why[256];

    snprintf(run.dir, sizeof run.dir, "%.190s", folder.path);
    snprintf(proof.replay, sizeof proof.replay, "nth_fault --replay %s %s %" PRIu64, scenario->name,
             mode->name, at);
    watch(HANG_S);
    size_t held = faults_held(), descriptors = count_descriptors();
    if (scenario->prepare != NULL) scenario->prepare(&run);
    plan.at = at;
    faults_begin(&plan);
    sp_status status = scenario->act(&run, &err);
    faults_end();
    bool hit = faults_failed() > 0;
    proof.runs++;
    proof.injected[plan.kind] += faults_failed();
    judge(scenario, status, &err);
    if (at > 0) check_given_back(held, descriptors);
    if (run.wrong[0] != '\0') complain("wrong", run.wrong);
    if (status != SP_OK && scenario->again != NULL && scenario->again(&run, &err) != SP_OK)
        complain("it does not work afterwards", err.text);
    if (!scenario_kept(&run, why)) complain("lost", why);
    watch(0);
    folder_remove(&folder);
    return hit;
}

static void run_all(const struct scenario *scenario)
{
    /* What explains says of a file that cannot be read that it is damaged, and goes on. */
    bool only_memory = scenario >= why_scenarios && scenario < why_scenarios + why_scenario_count;
    uint64_t runs = proof.runs;

    SP_IGNORE(run(scenario, &modes[0], 0)); /* libraries keep what they make at first use */
    for (size_t m = 0; m < MODES; m++) {
        if (only_memory && modes[m].plan.kind != FAULT_ALLOCATION) continue;
        for (uint64_t at = 1; proof.failed < FAILURES_MAX && run(scenario, &modes[m], at); at++)
            SP_ASSERT(at < FAULTS_MAX);
    }
    printf("%-20s %5" PRIu64 " runs\n", scenario->name, proof.runs - runs);
    fflush(stdout);
}

static const struct scenario *scenario_at(size_t i)
{
    if (i < journal_scenario_count) return &journal_scenarios[i];
    i -= journal_scenario_count;
    if (i < state_scenario_count) return &state_scenarios[i];
    i -= state_scenario_count;
    if (i < shell_scenario_count) return &shell_scenarios[i];
    i -= shell_scenario_count;
    if (i < cli_scenario_count) return &cli_scenarios[i];
    i -= cli_scenario_count;
    return i < why_scenario_count ? &why_scenarios[i] : NULL;
}

static const struct scenario *find_scenario(const char *name)
{
    for (size_t i = 0; scenario_at(i) != NULL; i++)
        if (strcmp(scenario_at(i)->name, name) == 0) return scenario_at(i);
    fprintf(stderr, "nth_fault: no scenario is called %s\n", name);
    exit(64);
}

static int replay(char **args)
{
    const struct scenario *scenario = find_scenario(args[0]);

    for (size_t m = 0; m < MODES; m++) {
        if (strcmp(modes[m].name, args[1]) != 0) continue;
        bool hit = run(scenario, &modes[m], strtoull(args[2], NULL, 10));
        printf("%s\n", !hit               ? "nothing failed"
                       : proof.failed > 0 ? "it does not hold"
                                          : "this run holds");
        return proof.failed > 0 ? 1 : 0;
    }
    fprintf(stderr, "nth_fault: no mode is called %s\n", args[1]);
    return 64;
}

int main(int argc, char **argv)
{
    static const int fatal[] = {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGALRM};
    time_t began = time(NULL);

    for (size_t i = 0; i < sizeof fatal / sizeof fatal[0]; i++)
        signal(fatal[i], on_signal);
    if (access("/dev/shm", W_OK) == 0) setenv("TMPDIR", "/dev/shm", 0);
    if (freopen("/dev/null", "w", stderr) == NULL) return 71; /* what services log */
    if (argc == 5 && strcmp(argv[1], "--replay") == 0) return replay(&argv[2]);
    for (int i = 1; i < argc; i++)
        run_all(find_scenario(argv[i]));
    for (size_t i = 0; argc == 1 && scenario_at(i) != NULL; i++)
        run_all(scenario_at(i));
    printf("runs %" PRIu64 ", failed allocations %" PRIu64 ", failed calls %" PRIu64
           ", failures %" PRIu64 "; %ld s\n",
           proof.runs, proof.injected[FAULT_ALLOCATION], proof.injected[FAULT_CALL], proof.failed,
           (long)(time(NULL) - began));
    return proof.failed == 0 ? 0 : 1;
}
