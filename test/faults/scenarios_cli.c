/* The journal commands of the command line, as a person calls them: an exit code that is not zero
 * and a word on what failed, or all of what is printed when nothing fails. */
#include "scenarios.h"

#include "services/spoor/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OUTPUT_MAX ((size_t)256 * 1024)

/* What it prints when nothing fails; every run has the same journal. */
static char expected[OUTPUT_MAX], printed[OUTPUT_MAX];
static const char *expected_of; /* the words it was called with */

static void make(struct scenario_run *run)
{
    run->instance = "execution";
    scenario_make_journal(run);
}

static void make_zipped(struct scenario_run *run)
{
    run->instance = "execution";
    scenario_make_zipped(run);
}

static void make_damaged(struct scenario_run *run)
{
    run->instance = "execution";
    scenario_make_damaged(run);
}

static FILE *memory(char *buf, size_t size_bytes)
{
    FILE *file = fmemopen(buf, size_bytes, "w");

    if (file == NULL) abort();
    buf[0] = '\0';
    return file;
}

/* Takes what it prints. Streams are the C library's, whose own calls do not fail here. */
static int run_cli(struct sp_cli *cli, char out[OUTPUT_MAX], struct sp_err *err)
{
    static char complaint[4096];
    FILE *outer[] = {stdout, stderr};

    stdout = memory(out, OUTPUT_MAX);
    stderr = memory(complaint, sizeof complaint);
    int code = sp_cmd_journal(cli);
    fclose(stdout);
    fclose(stderr);
    stdout = outer[0];
    stderr = outer[1];
    if (code == SP_EXIT_OK) return code;
    complaint[strcspn(complaint, "\n")] = '\0';
    err->status = SP_IO;
    snprintf(err->text, sizeof err->text, "%.100s", complaint);
    return code;
}

/* "spoor journal WORDS --data DIR" */
static sp_status call(const struct scenario_run *run, const char *words, char out[OUTPUT_MAX],
                      struct sp_err *err)
{
    static char copy[400];
    struct sp_cli cli = {.program = "spoor"};
    char *rest = copy;

    snprintf(copy, sizeof copy, "journal %s --data %s", words, run->dir);
    for (char *word = strtok_r(copy, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest))
        cli.argv[cli.argc++] = word;
    return run_cli(&cli, out, err) == SP_EXIT_OK ? SP_OK : SP_IO;
}

/* The first call of a scenario is one in which nothing fails. */
static sp_status compare(struct scenario_run *run, const char *words, struct sp_err *err)
{
    sp_status status = call(run, words, printed, err);

    if (status != SP_OK) return status;
    if (expected_of == words && strcmp(expected, printed) != 0)
        snprintf(run->wrong, sizeof run->wrong, "exit code 0, and it prints something else");
    if (expected_of != words) memcpy(expected, printed, sizeof expected);
    if (expected[0] == '\0') abort();
    expected_of = words;
    return SP_OK;
}

#define CLI(name, words)                                                                           \
    static sp_status name(struct scenario_run *run, struct sp_err *err)                            \
    {                                                                                              \
        static const char said[] = words;                                                          \
        return compare(run, said, err);                                                            \
    }

CLI(verify, "verify")
CLI(stat_all, "stat")
CLI(dump, "dump execution")
CLI(dump_by_kind, "dump --kind STREAM_STARTED")
CLI(export_all, "export --csv")
CLI(export_by_kind, "export --csv --kind STREAM_STARTED")
CLI(show, "execution --kind STREAM_STARTED")

/* Names of files hold the folder, so what it prints is another each time. */
static sp_status repair(struct scenario_run *run, struct sp_err *err)
{
    return call(run, "repair execution --yes", printed, err);
}

/* Nobody is there to delete anything: it says so, or what failed before it could ask. */
static sp_status retain(struct scenario_run *run, struct sp_err *err)
{
    const char *source = getenv("SPOOR_SOURCE");
    char config[300], words[][12] = {"journal", "retain", "execution", "--keep", "30d"};
    struct sp_cli cli = {.program = "spoor", .config_dir = config, .argc = 5};

    (void)run;
    snprintf(config, sizeof config, "%s/config/demo", source != NULL ? source : ".");
    for (int i = 0; i < cli.argc; i++)
        cli.argv[i] = words[i];
    int code = run_cli(&cli, printed, err);
    if (code == SP_EXIT_NOT_RUNNING) return SP_OK;
    if (code == SP_EXIT_OK) abort();
    return SP_IO;
}

/* A look at a name that fails is tried on the next, and output is compared: "*" is no excuse. */
const struct scenario cli_scenarios[] = {
    {"cli-verify", make, verify, "*", verify},
    {"cli-verify-zipped", make_zipped, verify, "*", verify},
    {"cli-stat", make_zipped, stat_all, "*", stat_all},
    {"cli-dump", make_zipped, dump, "*", dump},
    {"cli-dump-kind", make_zipped, dump_by_kind, "*", dump_by_kind},
    {"cli-export", make, export_all, "*", export_all},
    {"cli-export-kind", make, export_by_kind, "*", export_by_kind},
    {"cli-show", make_zipped, show, "*", show},
    {"cli-retain", NULL, retain, "*", retain},
    {"cli-repair", make_damaged, repair, "*", repair},
};
const size_t cli_scenario_count = sizeof cli_scenarios / sizeof cli_scenarios[0];
