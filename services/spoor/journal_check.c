#include "services/spoor/journal_check.h"

#include "services/spoor/evidence_open.h"

#include "common/journal/journal.h"
#include "proto/decimal.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct check {
    const char *word; /* verify, stat or dump */
    const char *data, *stream;
    bool json;
};

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

bool sp_journal_check_is(const char *word)
{
    return strcmp(word, "verify") == 0 || strcmp(word, "stat") == 0 || strcmp(word, "dump") == 0;
}

/* One line per journal; its exit code. */
static int report(const struct check *check, const char *dir, const sp_name *name)
{
    struct sp_journal_report r = {0};
    struct sp_err err = {0};
    char bytes[SP_WALL_TEXT_SIZE];

    sp_status status = sp_journal_verify(dir, name, &r, &err);
    if (check->json) {
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
    return sp_cli_fail(sp_status_exit_code(status), NULL, "%s", err.text);
}

/* Every line as it is, without judging: for jq and for looking at damage. */
static int dump(const char *dir)
{
    struct dirent **entries = NULL;
    int count = scandir(dir, &entries, is_dir_name, alphasort);
    int code = SP_EXIT_OK;

    for (int i = 0; i < count; i++) {
        char path[SP_PATH_SIZE * 2 + 258], buf[65536];
        size_t len = strlen(entries[i]->d_name), n = 0;
        snprintf(path, sizeof path, "%s/%s", dir, entries[i]->d_name);
        bool is_segment = len > 6 && strcmp(entries[i]->d_name + len - 6, ".jsonl") == 0;
        free(entries[i]);
        if (!is_segment) continue;
        FILE *file = fopen(path, "re");
        if (file == NULL) {
            code = sp_cli_fail(SP_EXIT_STORAGE, NULL, "%s: %s", path, strerror(errno));
            continue;
        }
        while ((n = fread(buf, 1, sizeof buf, file)) > 0)
            fwrite(buf, 1, n, stdout);
        fclose(file);
    }
    free(entries);
    return code;
}

static int parse(const struct sp_cli *cli, struct check *check)
{
    check->word = cli->argv[1];
    check->json = cli->json;
    for (int i = 2; i < cli->argc; i++) {
        if (sp_cli_option(cli, &i, "--data", &check->data)) {
            if (check->data == NULL) return sp_cli_usage(NULL, "--data wants a directory");
        } else if (cli->argv[i][0] == '-' || check->stream != NULL) {
            return sp_cli_usage("See: spoor journal --help", "journal %s does not know \"%s\"",
                                check->word, cli->argv[i]);
        } else {
            check->stream = cli->argv[i];
        }
    }
    return SP_EXIT_OK;
}

int sp_journal_check(const struct sp_cli *cli)
{
    struct check check = {0};
    struct sp_journal_names names;
    char data_dir[SP_PATH_SIZE];
    bool found = false;

    int code = parse(cli, &check);
    if (code == SP_EXIT_OK) code = sp_cli_data_dir(cli, check.data, data_dir);
    if (code == SP_EXIT_OK) code = sp_journal_names(data_dir, &names);
    if (code != SP_EXIT_OK) return code;
    for (uint32_t i = 0; i < names.count; i++) {
        char dir[SP_PATH_SIZE + SP_NAME_SIZE + 2];
        if (check.stream != NULL && !sp_name_is(&names.at[i], check.stream)) continue;
        found = true;
        snprintf(dir, sizeof dir, "%s/%s", data_dir, names.at[i].s);
        int one = strcmp(check.word, "dump") == 0 ? dump(dir) : report(&check, dir, &names.at[i]);
        if (one != SP_EXIT_OK) code = one;
    }
    if (!found)
        return sp_cli_fail(SP_EXIT_NOT_RUNNING, "spoor journal stat lists them",
                           "there is no journal \"%s\" in %s", check.stream, data_dir);
    return code;
}
