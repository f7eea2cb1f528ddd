/* What explains: commands that end without memory, so each run is a process of its own. An exit
 * code that is not zero and a word, or all that is printed when nothing fails; never a signal. */
#include "scenarios.h"

#include "../common/folder.h"
#include "../services/explain_fixture.h"
#include "faults.h"
#include "services/spoor/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUTPUT_MAX    ((size_t)64 * 1024)
#define COMPLAINT_MAX 1024

/* A history that nobody changes, written once; removed when this process ends. */
static struct folder history;
static char order[SP_ID_TEXT_SIZE];

/* What a child leaves. */
struct said {
    char out[OUTPUT_MAX], complaint[COMPLAINT_MAX];
};
static struct said *said, expected;
static bool is_child;

static void remove_history(void)
{
    if (!is_child) folder_remove(&history);
}

static void write_history(struct scenario_run *run)
{
    static struct history h;

    run->instance = "none";
    if (said != NULL) return;
    history = folder_make();
    history_write(&h, history.path, HISTORY_WHOLE);
    history_close(&h);
    sp_id_format(SP_ID_ORD, h.entry.raw, order);
    atexit(remove_history);
    said = mmap(NULL, sizeof *said, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (said == MAP_FAILED) abort();
}

struct words {
    const char *text;
    bool with_id;
};

/* In the child. */
static _Noreturn void run_command(char *words)
{
    struct sp_cli cli = {.program = "spoor"};
    size_t held = faults_held();
    char *rest = words;

    for (char *word = strtok_r(words, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest))
        cli.argv[cli.argc++] = word;
    is_child = true;
    stdout = fmemopen(said->out, OUTPUT_MAX, "w");
    stderr = fmemopen(said->complaint, COMPLAINT_MAX, "w");
    if (stdout == NULL || stderr == NULL) abort();
    int code = strcmp(cli.argv[0], "why") == 0      ? sp_cmd_why(&cli)
               : strcmp(cli.argv[0], "trades") == 0 ? sp_cmd_trades(&cli)
                                                    : sp_cmd_journal(&cli);
    fflush(stdout);
    fflush(stderr);
    if (faults_held() != held) code = 99;
    _exit(code);
}

static sp_status call(struct scenario_run *run, const struct words *words, struct sp_err *err)
{
    static char copy[400];
    int how = 0;

    snprintf(copy, sizeof copy, "%s --data %s%s%s", words->text, history.path,
             words->with_id ? " --id " : "", words->with_id ? order : "");
    memset(said, 0, sizeof *said);
    fflush(stdout);
    pid_t child = fork();
    if (child < 0) abort();
    if (child == 0) run_command(copy);
    while (waitpid(child, &how, 0) < 0)
        ;
    said->complaint[COMPLAINT_MAX - 1] = '\0';
    said->complaint[strcspn(said->complaint, "\n")] = '\0';
    if (!WIFEXITED(how) || WEXITSTATUS(how) == 2 || WEXITSTATUS(how) == 99) {
        snprintf(run->wrong, sizeof run->wrong, "%s",
                 WIFEXITED(how) && WEXITSTATUS(how) == 99 ? "memory is not given back"
                                                          : "it ended by a signal");
        return SP_OK;
    }
    if (WEXITSTATUS(how) == 0) return SP_OK;
    snprintf(err->text, sizeof err->text, "%.200s", said->complaint);
    return SP_NO_MEMORY;
}

static const struct words *expected_of; /* what printed that */

/* The first call of a scenario is one in which nothing fails. */
static sp_status compare(struct scenario_run *run, const struct words *words, struct sp_err *err)
{
    sp_status status = call(run, words, err);

    if (status != SP_OK || run->wrong[0] != '\0') return status;
    if (expected_of == words && strcmp(expected.out, said->out) != 0)
        snprintf(run->wrong, sizeof run->wrong, "exit code 0, and it prints something else");
    if (expected_of != words) expected = *said;
    if (expected.out[0] == '\0') abort();
    expected_of = words;
    return SP_OK;
}

#define WHY(name, ...)                                                                             \
    static sp_status name(struct scenario_run *run, struct sp_err *err)                            \
    {                                                                                              \
        static const struct words words = {__VA_ARGS__};                                           \
        return compare(run, &words, err);                                                          \
    }

WHY(why_last, .text = "why last")
WHY(trades, .text = "trades")
WHY(by_id, .text = "journal execution", .with_id = true)

const struct scenario why_scenarios[] = {
    {"why", write_history, why_last, "*", why_last},
    {"trades", write_history, trades, "*", trades},
    {"journal-id", write_history, by_id, "*", by_id},
};
const size_t why_scenario_count = sizeof why_scenarios / sizeof why_scenarios[0];
