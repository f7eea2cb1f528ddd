/* limits: each configured limit, what is used of it, what is left. */
#include "services/spoor/cli.h"
#include "services/spoor/service_client.h"

#include "proto/json.h"

#include <stdio.h>
#include <string.h>

struct limits {
    const struct sp_cli *cli;
    uint32_t count, reached;
};

static bool is_wanted(const struct limits *limits, const struct sp_limit_view *row)
{
    const char *strategy = limits->cli->strategy;

    if (strategy == NULL || strncmp(row->scope.s, "strategy.", 9) != 0) return true;
    return strcmp(row->scope.s + 9, strategy) == 0;
}

static void print_json(const struct limits *limits, const struct sp_limit_view *row)
{
    char line[1024];
    size_t len = 0;

    if (sp_json_encode_body(sp_schema_of(SP_DTO_limit_view), row, line, sizeof line, &len) != SP_OK)
        return;
    printf("%s%.*s", limits->count == 0 ? "" : ",", (int)len, line);
}

static void print_row(const struct limits *limits, const struct sp_limit_view *row)
{
    bool of_one_order = row->use.s[0] == '\0' && !row->reached;

    if (limits->count == 0)
        printf("%-20s %-20s %-14s %-18s %s\n", "scope", "limit", "allowed", "in use", "left");
    printf("%-20s %-20s %-14s ", row->scope.s, row->name.s, row->limit.s);
    if (of_one_order) {
        printf("of each order\n");
    } else {
        printf("%-18s %s%s\n", row->use.s[0] != '\0' ? row->use.s : "unknown",
               row->headroom.s[0] != '\0' ? row->headroom.s : "-", row->reached ? "  REACHED" : "");
    }
}

static void on_answer(void *ctx, const struct sp_record *record)
{
    struct limits *limits = ctx;
    const struct sp_limit_view *row = &record->body.limit_view;

    if (record->kind != SP_REC_LIMIT_VIEW || !is_wanted(limits, row)) return;
    if (limits->cli->json) {
        print_json(limits, row);
    } else {
        print_row(limits, row);
    }
    limits->count++;
    if (row->reached) limits->reached++;
}

/* What keeps entries out beside the limits. */
static void print_end(const struct limits *limits, const struct sp_config *config)
{
    struct sp_service_status status;
    sp_name execution = sp_name_of("execution");

    if (limits->cli->json) {
        printf("],\"reached\":%u}\n", limits->reached);
        return;
    }
    if (limits->count == 0) printf("no limit is configured; see \"risk\" in operation.json\n");
    printf("\n");
    if (sp_service_status_ask(config, &execution, &status) == SP_OK) sp_trading_print(&status);
}

int sp_cmd_limits(const struct sp_cli *cli)
{
    struct sp_config *config = NULL;
    struct limits limits = {.cli = cli};

    if (sp_cli_no_arguments(cli) != 0) return SP_EXIT_USAGE;
    int code = sp_cli_config(cli, &config);
    if (code != SP_EXIT_OK) return code;
    if (cli->json) printf("{\"limits\":[");
    sp_status status = sp_service_limits(config, on_answer, &limits);
    if (status == SP_OK) {
        print_end(&limits, config);
    } else {
        if (cli->json) printf("],\"reached\":0}\n");
        code = sp_cli_fail(status == SP_NOT_FOUND ? SP_EXIT_NOT_RUNNING : SP_EXIT_SOFTWARE,
                           "see spoor status", "execution %s",
                           status == SP_NOT_FOUND ? "does not run: it knows what is used"
                                                  : "did not answer in 2 s");
    }
    sp_config_free(config);
    return code;
}
