/* tap: the records of a stream as they travel on the bus. */
#include "services/spoor/cli.h"
#include "services/spoor/describe.h"
#include "services/spoor/memory.h"

#include "common/bus/bus.h"
#include "common/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TAP_QUEUE_MAX   10000
#define TAP_MESSAGE_MAX 1048576

struct tap {
    const struct sp_cli *cli;
    sp_name stream, publisher;
    enum { TAP_MARKET, TAP_FACTS, TAP_HEARTBEATS } type;
    uint64_t count, seen; /* count 0: for ever */
    struct sp_config *config;
    struct sp_loop *loop;
    struct sp_bus *bus;
};

static int parse(struct tap *tap)
{
    const char *count = NULL, *stream = NULL;
    char *end = NULL;

    for (int i = 1; i < tap->cli->argc; i++) {
        if (sp_cli_option(tap->cli, &i, "--count", &count)) {
            if (count == NULL) return sp_cli_usage(NULL, "--count wants a number");
        } else if (tap->cli->argv[i][0] == '-' || stream != NULL) {
            return sp_cli_usage("See: spoor tap --help", "tap does not know \"%s\"",
                                tap->cli->argv[i]);
        } else {
            stream = tap->cli->argv[i];
        }
    }
    if (stream == NULL)
        return sp_cli_usage("Example: spoor tap execution, spoor tap md.paper.BTCUSDT",
                            "tap wants a stream");
    if (!sp_name_set(&tap->stream, stream))
        return sp_cli_usage(NULL, "\"%s\" is no stream's name", stream);
    tap->publisher = tap->stream;
    tap->type = TAP_FACTS;
    if (strncmp(stream, "md.", 3) == 0) {
        tap->publisher = sp_name_of("marketdata");
        tap->type = TAP_MARKET;
    } else if (strncmp(stream, "hb.", 3) == 0) {
        SP_IGNORE(!sp_name_set(&tap->publisher, stream + 3)); /* it is shorter */
        tap->type = TAP_HEARTBEATS;
    }
    if (count == NULL) return SP_EXIT_OK;
    tap->count = strtoull(count, &end, 10);
    if (tap->count > 0 && *end == '\0') return SP_EXIT_OK;
    return sp_cli_usage("Example: --count 100", "\"%s\" is no number of records", count);
}

/* A typing error would wait for ever. */
static int check_publisher(const struct tap *tap)
{
    struct sp_instance instances[SP_INSTANCES_MAX];
    uint32_t count = sp_config_instances(tap->config, instances);
    const struct sp_world_config *world = sp_config_world(tap->config);
    char hint[SP_LINE_SIZE] = "There are: supervisor";
    size_t used = strlen(hint);

    if (tap->type != TAP_MARKET && sp_name_is(&tap->publisher, "supervisor")) {
        return sp_cli_usage("Its journal is followed by: spoor journal supervisor -f",
                            "the supervisor is not on the bus");
    }
    for (uint32_t i = 0; i < count; i++)
        if (tap->type != TAP_MARKET && sp_name_eq(&instances[i].name, &tap->publisher))
            return SP_EXIT_OK;
    for (uint32_t i = 0; i < world->feed.symbol_count; i++) {
        sp_name stream = sp_world_stream(world, world->feed.symbols[i].s);
        if (sp_name_eq(&stream, &tap->stream)) return SP_EXIT_OK;
    }
    used = (size_t)snprintf(hint, sizeof hint, "There are:");
    for (uint32_t i = 0; i < count && used < sizeof hint; i++) {
        int n = snprintf(hint + used, sizeof hint - used, " %s", instances[i].name.s);
        used += n > 0 ? (size_t)n : 0;
    }
    for (uint32_t i = 0; i < world->feed.symbol_count && used < sizeof hint; i++) {
        sp_name stream = sp_world_stream(world, world->feed.symbols[i].s);
        int n = snprintf(hint + used, sizeof hint - used, " %s", stream.s);
        used += n > 0 ? (size_t)n : 0;
    }
    return sp_cli_usage(hint, "there is no stream \"%s\"", tap->stream.s);
}

/* ---- Printing ---- */

static void print_json(const struct sp_record *record)
{
    static char line[SP_JSON_LINE_MAX];
    const struct sp_kind_info *info = sp_kind_info(record->kind);
    char time[SP_WALL_TEXT_SIZE];
    size_t len = 0;

    if (info == NULL || sp_json_encode_body(sp_schema_of(info->dto), &record->body, line,
                                            sizeof line, &len) != SP_OK)
        return;
    printf("{\"stream\":\"%s\",\"e\":%u,\"s\":%" PRIu64 ",\"t\":\"%s\",\"k\":\"%s\",\"b\":%.*s}\n",
           record->stream.s, record->epoch, record->seq, sp_wall_format(record->time, time),
           info->name, (int)len, line);
}

static void on_record(void *ctx, const struct sp_record *record)
{
    struct tap *tap = ctx;
    char clock[SP_WALL_TEXT_SIZE], text[SP_LINE_SIZE];

    if (tap->count != 0 && tap->seen == tap->count) return;
    tap->seen++;
    if (tap->cli->json) {
        print_json(record);
    } else {
        printf("%8" PRIu64 "  %s  %-20s %s\n", record->seq, sp_wall_clock(record->time, 3, clock),
               sp_kind_name(record->kind), sp_describe(record, text));
    }
    fflush(stdout);
    if ((tap->count != 0 && tap->seen == tap->count) || ferror(stdout)) sp_loop_stop(tap->loop);
}

static void on_notice(void *ctx, const struct sp_sub_notice *notice)
{
    const struct tap *tap = ctx;

    if (notice->type == SP_SUB_GAP) {
        fprintf(stderr, "spoor: %s: %" PRIu64 " to %" PRIu64 " are lost to this tap\n",
                notice->stream.s, notice->first_seq, notice->last_seq);
    } else if (notice->type == SP_SUB_SILENT) {
        fprintf(stderr, "spoor: %s is silent; waiting\n", tap->publisher.s);
    } else if (notice->type == SP_SUB_RESTORED) {
        fprintf(stderr, "spoor: %s is back\n", tap->publisher.s);
    }
}

/* ---- Joining the bus ---- */

/* Facts from now on: behind the last record in the journal. */
static struct sp_ref last_of_journal(const struct tap *tap)
{
    struct sp_journal_reader *reader = NULL;
    struct sp_record *record = sp_memory(calloc(1, sizeof *record));
    struct sp_ref last = {0};
    char dir[SP_PATH_SIZE];

    sp_config_instance_dir(tap->config, tap->publisher.s, dir);
    if (sp_journal_reader_open(dir, &tap->stream, 0, &reader, NULL) == SP_OK) {
        while (sp_journal_reader_next(reader, record, NULL, NULL) == SP_OK)
            last = sp_record_ref(record);
        sp_journal_reader_close(reader);
    }
    free(record);
    return last;
}

static sp_status subscribe(struct tap *tap, struct sp_err *err)
{
    struct sp_subscription *sub = NULL;
    struct sp_sub_options options = {.stream = tap->stream,
                                     .publisher = tap->publisher,
                                     .facts = tap->type == TAP_FACTS,
                                     .on_record = on_record,
                                     .on_notice = on_notice,
                                     .ctx = tap};

    if (tap->type == TAP_HEARTBEATS)
        return sp_bus_watch(tap->bus, &tap->publisher, on_record, on_notice, tap, err);
    if (options.facts) options.cursor = last_of_journal(tap);
    return sp_bus_subscribe(tap->bus, &options, &sub, err);
}

static sp_status listen_to(struct tap *tap, struct sp_err *err)
{
    struct sp_bus_options options = {.run_dir = tap->config->platform.run_dir,
                                     .data_dir = tap->config->platform.data_dir,
                                     .epoch = 1,
                                     .queue_max = TAP_QUEUE_MAX,
                                     .message_max_bytes = TAP_MESSAGE_MAX};
    char name[SP_NAME_SIZE];

    snprintf(name, sizeof name, "tap-%d", (int)getpid());
    options.service = sp_name_of(name);
    sp_status status = sp_loop_open(&tap->loop, err);
    if (status == SP_OK) status = sp_bus_open(tap->loop, &options, &tap->bus, err);
    if (status == SP_OK) status = subscribe(tap, err);
    if (status == SP_OK) status = sp_loop_run(tap->loop, err);
    sp_bus_close(tap->bus);
    sp_loop_close(tap->loop);
    return status;
}

int sp_cmd_tap(const struct sp_cli *cli)
{
    struct tap tap = {.cli = cli};
    struct sp_err err = {0};

    int code = parse(&tap);
    if (code == SP_EXIT_OK) code = sp_cli_config(cli, &tap.config);
    if (code != SP_EXIT_OK) return code;
    code = check_publisher(&tap);
    if (code == SP_EXIT_OK && access(tap.config->platform.run_dir, W_OK) != 0)
        code = sp_cli_fail(SP_EXIT_NOT_RUNNING, "Start it: spoor up", "nothing runs here");
    if (code == SP_EXIT_OK && listen_to(&tap, &err) != SP_OK)
        code = sp_cli_fail(sp_status_exit_code(err.status), NULL, "%s", err.text);
    sp_config_free(tap.config);
    return code;
}
