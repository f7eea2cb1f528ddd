#include "services/spoor/journal_check.h"

#include "services/spoor/evidence_open.h"

#include "common/journal/journal.h"
#include "proto/decimal.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int journal_fn(struct sp_journal_job *job, const char *dir, const sp_name *name);

static int is_dir_name(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

int sp_journal_names(const char *data_dir, struct sp_journal_names *out)
{
    struct dirent **entries = NULL;
    int count = scandir(data_dir, &entries, is_dir_name, alphasort);
    int error = count < 0 ? errno : 0;

    *out = (struct sp_journal_names){0};
    for (int i = 0; i < count; i++) {
        struct sp_journal_reader *reader = NULL;
        char dir[SP_PATH_SIZE + 258];
        sp_name name;
        snprintf(dir, sizeof dir, "%s/%s", data_dir, entries[i]->d_name);
        bool is_name = sp_name_set(&name, entries[i]->d_name);
        free(entries[i]);
        if (!is_name || out->count == SP_JOURNAL_NAMES_MAX) continue;
        if (sp_journal_reader_open(dir, NULL, 0, &reader, NULL) == SP_NOT_FOUND) continue;
        sp_journal_reader_close(reader);
        out->at[out->count++] = name;
    }
    free(entries);
    if (out->count > 0) return SP_EXIT_OK;
    return sp_cli_fail(SP_EXIT_NOT_RUNNING, "Nothing ran with this configuration yet: spoor up",
                       "%s holds no journal%s%s", data_dir, error != 0 ? ": " : "",
                       error != 0 ? strerror(error) : "");
}

/* One line per journal; its exit code. */
static int verify(struct sp_journal_job *job, const char *dir, const sp_name *name)
{
    struct sp_journal_report r = {0};
    struct sp_err err = {0};
    char bytes[SP_WALL_TEXT_SIZE];

    sp_status status = sp_journal_verify(dir, name, &r, &err);
    if (job->json) {
        printf("{\"stream\":\"%s\",\"status\":\"%s\",\"first_seq\":%" PRIu64
               ",\"last_seq\":%" PRIu64 ",\"records\":%" PRIu64 ",\"batches\":%" PRIu64
               ",\"bytes\":%" PRIu64
               ",\"segments\":%u,\"sealed\":%u,\"epochs\":%u,\"torn_tail\":%s}\n",
               name->s, sp_status_name(status), r.first_seq, r.last_seq, r.records, r.batches,
               r.bytes, r.segments, r.sealed, r.epochs, r.torn_tail ? "true" : "false");
    } else {
        printf("%-18s %-8s %9" PRIu64 " records %" PRIu64 "..%" PRIu64
               "  %s bytes, %u segment%s (%u sealed), %u epoch%s%s\n",
               name->s, status == SP_OK ? "whole" : "DAMAGED", r.records, r.first_seq, r.last_seq,
               sp_e8_pretty((int64_t)r.bytes * SP_FX_ONE, 0, bytes), r.segments,
               r.segments == 1 ? "" : "s", r.sealed, r.epochs, r.epochs == 1 ? "" : "s",
               r.torn_tail ? ", unfinished tail" : "");
    }
    if (status == SP_OK) return SP_EXIT_OK;
    fflush(stdout);
    char hint[SP_NAME_SIZE + 64];
    snprintf(hint, sizeof hint, "spoor journal repair %s shows what can be kept", name->s);
    return sp_cli_fail(sp_status_exit_code(status), status == SP_CORRUPT ? hint : NULL, "%s",
                       err.text);
}

static const struct word {
    const char *word;
    journal_fn *fn;
    bool filters; /* takes --kind, --id, ... */
} words[] = {
    {"verify", verify, false},
    {"stat", sp_journal_stat, false},
    {"dump", sp_journal_dump, true},
    {"export", sp_journal_export, true},
    {"repair", sp_journal_repair, false},
};

static const struct word *find_word(const char *text)
{
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(words[i].word, text) == 0) return &words[i];
    return NULL;
}

bool sp_journal_check_is(const char *word)
{
    return find_word(word) != NULL;
}

static int parse_option(const struct sp_cli *cli, int *index, bool filters,
                        struct sp_journal_job *job)
{
    const char *arg = cli->argv[*index];
    bool taken = false;

    if (filters) {
        int code = sp_journal_filter_option(cli, index, &job->filter, &taken);
        if (code != SP_EXIT_OK || taken) return code;
    }
    if (sp_cli_option(cli, index, "--data", &job->data)) {
        if (job->data == NULL) return sp_cli_usage(NULL, "--data wants a directory");
    } else if (strcmp(arg, "--csv") == 0 && strcmp(job->word, "export") == 0) {
        job->csv = true;
    } else if (strcmp(arg, "--yes") == 0 && strcmp(job->word, "repair") == 0) {
        job->yes = true;
    } else if (arg[0] == '-' || job->stream != NULL) {
        return sp_cli_usage("See: spoor journal --help", "journal %s does not know \"%s\"",
                            job->word, arg);
    } else {
        job->stream = arg;
    }
    return SP_EXIT_OK;
}

static int parse(const struct sp_cli *cli, bool filters, struct sp_journal_job *job)
{
    int code = SP_EXIT_OK;

    job->word = cli->argv[1];
    job->json = cli->json;
    if (filters) job->filter.strategy = cli->strategy;
    for (int i = 2; i < cli->argc && code == SP_EXIT_OK; i++)
        code = parse_option(cli, &i, filters, job);
    if (code != SP_EXIT_OK) return code;
    if (strcmp(job->word, "repair") == 0 && job->stream == NULL)
        return sp_cli_usage("Example: spoor journal repair execution", "repair wants one journal");
    if (strcmp(job->word, "export") == 0 && !job->csv)
        return sp_cli_usage("JSON lines are what dump prints",
                            "export wants a format; there is --csv");
    return SP_EXIT_OK;
}

int sp_journal_check(const struct sp_cli *cli)
{
    const struct word *word = find_word(cli->argv[1]);
    struct sp_journal_job job = {.cli = cli};
    struct sp_journal_names names;
    char data_dir[SP_PATH_SIZE];
    bool found = false;

    SP_ASSERT(word != NULL);
    int code = parse(cli, word->filters, &job);
    if (code == SP_EXIT_OK) code = sp_cli_data_dir(cli, job.data, data_dir);
    if (code == SP_EXIT_OK) code = sp_journal_filter_finish(&job.filter, data_dir);
    if (code == SP_EXIT_OK) code = sp_journal_names(data_dir, &names);
    if (code != SP_EXIT_OK) return code;
    for (uint32_t i = 0; i < names.count; i++) {
        char dir[SP_PATH_SIZE + SP_NAME_SIZE + 2];
        if (job.stream != NULL && !sp_name_is(&names.at[i], job.stream)) continue;
        found = true;
        snprintf(dir, sizeof dir, "%s/%s", data_dir, names.at[i].s);
        int one = word->fn(&job, dir, &names.at[i]);
        if (one != SP_EXIT_OK) code = one;
    }
    if (!found)
        return sp_cli_fail(SP_EXIT_NOT_RUNNING, "spoor journal stat lists them",
                           "there is no journal \"%s\" in %s", job.stream, data_dir);
    return code;
}
