/* journal: the records themselves, of one stream or of all, once or as they come. */
#include "services/spoor/describe.h"
#include "services/spoor/journal_check.h"
#include "services/spoor/journal_filter.h"
#include "services/spoor/journal_retain.h"

#include "common/journal/journal.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define FOLLOW_POLL_MS 1000 /* also when no notice comes */

struct view {
    const char *data, *stream;
    struct sp_journal_filter filter;
    uint64_t seq; /* 0 for all */
    bool follow, json;
    uint32_t printed;
};

/* STREAM, STREAM:SEQ or STREAM/EPOCH:SEQ: a sequence is unique without its epoch. */
static int split_stream(struct view *view)
{
    char *colon = view->stream != NULL ? strrchr(view->stream, ':') : NULL;

    if (colon != NULL) {
        char *end = NULL;
        view->seq = strtoull(colon + 1, &end, 10);
        if (view->seq == 0 || *end != '\0')
            return sp_cli_usage("Example: spoor journal execution:57", "\"%s\" is no sequence",
                                colon + 1);
        *colon = '\0';
    }
    char *slash = view->stream != NULL ? strchr(view->stream, '/') : NULL;
    if (slash != NULL) *slash = '\0';
    return SP_EXIT_OK;
}

static int parse(const struct sp_cli *cli, struct view *view)
{
    static char stream[SP_NAME_SIZE + 32];
    view->json = cli->json;
    view->filter.strategy = cli->strategy;
    for (int i = 1; i < cli->argc; i++) {
        const char *arg = cli->argv[i];
        bool taken = false;
        int code = sp_journal_filter_option(cli, &i, &view->filter, &taken);
        if (code != SP_EXIT_OK) return code;
        if (taken) continue;
        if (sp_cli_option(cli, &i, "--data", &view->data)) {
            if (view->data == NULL) return sp_cli_usage(NULL, "--data wants a directory");
        } else if (strcmp(arg, "-f") == 0 || strcmp(arg, "--follow") == 0) {
            view->follow = true;
        } else if (arg[0] == '-' || view->stream != NULL) {
            return sp_cli_usage("See: spoor journal --help", "journal does not know \"%s\"", arg);
        } else {
            snprintf(stream, sizeof stream, "%s", arg);
            view->stream = stream;
        }
    }
    return split_stream(view);
}

/* ---- Printing ---- */

static void print_record(const struct view *view, const struct sp_record *record, const char *line,
                         size_t len)
{
    char clock[SP_WALL_TEXT_SIZE], text[SP_LINE_SIZE], at[SP_NAME_SIZE + 24];

    if (view->json) {
        printf("{\"stream\":\"%s\",%.*s\n", record->stream.s, (int)len - 1, line + 1);
        return;
    }
    snprintf(at, sizeof at, "%s:%" PRIu64, record->stream.s, record->seq);
    printf("%-20s %s  %-22s %s\n", at, sp_wall_clock(record->time, 3, clock),
           sp_kind_name(record->kind), sp_describe(record, text));
}

static void print_field(const struct sp_field *field, const struct sp_record *record)
{
    char line[SP_LINE_SIZE], value[SP_VALUE_TEXT_SIZE];
    const char *at = (const char *)&record->body + field->offset;

    if (field->kind == SP_KIND_RETIRED || sp_field_is_empty(field, &record->body)) return;
    printf("  %-18s ", field->name);
    if (field->kind == SP_KIND_FACTS) {
        sp_facts facts;
        memcpy(&facts, at, sizeof facts);
        printf("%s\n", sp_say_facts(&facts, line));
    } else if (sp_kind_is_ids(field->kind)) {
        sp_trd_ids ids; /* all lists of ids are alike */
        memcpy(&ids, at, sizeof ids);
        for (uint32_t i = 0; i < ids.count; i++)
            printf("%s%s", i > 0 ? ", " : "",
                   sp_id_format((enum sp_id_type)((int)field->kind - SP_KIND_IDS_FIRST - 1),
                                ids.at[i].raw, value));
        printf("\n");
    } else if (field->kind == SP_KIND_LEVELS || field->kind == SP_KIND_MARKS) {
        printf("(a list; see --json)\n");
    } else {
        printf("%s\n", sp_value_text(field, &record->body, value));
    }
}

/* One record, every field on a line of its own. */
static void print_whole(const struct view *view, const struct sp_record *record, const char *line,
                        size_t len)
{
    const struct sp_kind_info *info = sp_kind_info(record->kind);
    char time[SP_WALL_TEXT_SIZE], ref[SP_REF_TEXT_SIZE], text[SP_LINE_SIZE];

    if (view->json || info == NULL) {
        print_record(view, record, line, len);
        return;
    }
    struct sp_ref at = sp_record_ref(record);
    const struct sp_schema *schema = sp_schema_of(info->dto);
    printf("%s  %s\n%s\n\n", sp_ref_format(&at, ref), info->name, sp_describe(record, text));
    printf("  %-18s %s\n", "time", sp_wall_format(record->time, time));
    for (uint32_t i = 0; i < record->by_count; i++)
        printf("  %-18s %s\n", i == 0 ? "caused by" : "", sp_ref_format(&record->by[i], ref));
    if (!sp_ref_is_none(&record->in))
        printf("  %-18s %s\n", "has consumed", sp_ref_format(&record->in, ref));
    printf("\n");
    for (uint32_t i = 0; i < schema->field_count; i++)
        print_field(&schema->fields[i], record);
}

/* ---- Reading ---- */

static bool print_found(void *ctx, const struct sp_record *record, const char *line, size_t len)
{
    struct view *view = ctx;

    print_record(view, record, line, len);
    view->printed++;
    return !ferror(stdout);
}

/* What is there now. SP_AGAIN at the end. */
static sp_status print_available(struct view *view, struct sp_journal_reader *reader,
                                 struct sp_err *err)
{
    static struct sp_record record;
    sp_status status;
    size_t len = 0;

    while ((status = sp_journal_reader_next(reader, &record, NULL, err)) == SP_OK) {
        const char *line = sp_journal_reader_line(reader, &len);
        if (view->seq != 0 && !view->follow) {
            if (record.seq == view->seq) {
                print_whole(view, &record, line, len);
                view->printed++;
            }
            return SP_AGAIN;
        }
        if (sp_journal_filter_takes(&view->filter, &record, line, len))
            print_found(view, &record, line, len);
    }
    fflush(stdout);
    return status;
}

/* Waits for a write to the journal, and prints, until interrupted. */
static sp_status follow(struct view *view, struct sp_journal_reader *reader, const char *dir,
                        struct sp_err *err)
{
    struct pollfd watch = {.fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK), .events = POLLIN};
    sp_status status = SP_AGAIN;

    if (watch.fd >= 0) SP_IGNORE(inotify_add_watch(watch.fd, dir, IN_MODIFY | IN_CREATE) < 0);
    while (status == SP_AGAIN && !ferror(stdout)) {
        char notices[4096];
        if (poll(&watch, watch.fd >= 0 ? 1 : 0, FOLLOW_POLL_MS) > 0)
            SP_IGNORE(read(watch.fd, notices, sizeof notices) < 0); /* that it came says enough */
        status = print_available(view, reader, err);
    }
    if (watch.fd >= 0) close(watch.fd);
    return status;
}

static sp_status read_stream(struct view *view, const char *dir, struct sp_err *err)
{
    struct sp_journal_reader *reader = NULL;

    if (view->seq == 0 && !view->follow)
        return sp_journal_walk(dir, &view->filter, print_found, view, err);
    sp_status status = sp_journal_reader_open(dir, NULL, view->seq, &reader, err);
    if (status == SP_OK) status = print_available(view, reader, err);
    if (status == SP_AGAIN && view->follow) status = follow(view, reader, dir, err);
    sp_journal_reader_close(reader);
    return status == SP_AGAIN ? SP_OK : status;
}

static int print_stream(struct view *view, const char *data_dir, const char *stream)
{
    struct sp_err err = {0};
    char dir[SP_PATH_SIZE + SP_NAME_SIZE + 2];

    view->printed = 0;
    snprintf(dir, sizeof dir, "%s/%s", data_dir, stream);
    sp_status status = read_stream(view, dir, &err);
    if (status == SP_NOT_FOUND)
        return sp_cli_fail(SP_EXIT_NOT_RUNNING, "spoor journal stat lists the journals",
                           "there is no journal \"%s\" in %s", stream, sp_cli_path(data_dir));
    fflush(stdout);
    if (status != SP_OK) return sp_cli_fail(sp_status_exit_code(status), NULL, "%s", err.text);
    if (view->seq != 0 && view->printed == 0)
        return sp_cli_fail(SP_EXIT_NOT_RUNNING, "spoor journal stat shows how far it goes",
                           "journal %s has no such record %" PRIu64, stream, view->seq);
    return SP_EXIT_OK;
}

int sp_cmd_journal(const struct sp_cli *cli)
{
    struct view view = {0};
    char data_dir[SP_PATH_SIZE];
    struct sp_journal_names names = {0};

    if (cli->argc > 1 && sp_journal_check_is(cli->argv[1])) return sp_journal_check(cli);
    if (cli->argc > 1 && strcmp(cli->argv[1], "retain") == 0) return sp_journal_retain(cli);
    int code = parse(cli, &view);
    if (code == SP_EXIT_OK) code = sp_cli_data_dir(cli, view.data, data_dir);
    if (code == SP_EXIT_OK) code = sp_journal_filter_finish(&view.filter, data_dir);
    if (code != SP_EXIT_OK) return code;
    if (view.stream != NULL) return print_stream(&view, data_dir, view.stream);
    if (view.follow)
        return sp_cli_usage("Example: spoor journal execution -f", "-f wants one stream");
    code = sp_journal_names(data_dir, &names);
    for (uint32_t i = 0; i < names.count && code == SP_EXIT_OK; i++)
        code = print_stream(&view, data_dir, names.at[i].s);
    return code;
}
