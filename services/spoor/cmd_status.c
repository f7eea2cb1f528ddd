#include "services/spoor/cli.h"
#include "services/spoor/memory.h"
#include "services/spoor/service_client.h"
#include "services/spoor/status_flows.h"
#include "services/spoor/status_table.h"

#include "common/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STATUS_TIMEOUT_NS (5 * SP_NS_PER_S)

static void print_nothing(const struct sp_cli *cli, const struct sp_config *config)
{
    if (cli->json) {
        printf("{\"running\":false,\"supervisors\":[]}\n");
        return;
    }
    printf("%s: nothing runs.\n", config->operation.s);
    printf("data   %s\n", sp_cli_path(config->platform.data_dir));
    printf("next   %s up %s\n", cli->program, cli->config_dir);
}

/* Whether trading is possible, why not, and what would change it: execution knows. */
static void print_trading(const struct sp_config *config)
{
    struct sp_service_status status;
    sp_name execution = sp_name_of("execution");

    printf("\n");
    if (sp_service_status_ask(config, &execution, &status) == SP_OK) {
        sp_trading_print(&status);
    } else {
        printf("trading  STOPPED: execution does not answer\n");
    }
}

/* Services that take part in the bus and can be expected to answer. */
static bool has_bus(const struct sp_child_status *row)
{
    return sp_name_is(&row->state, "READY") && !sp_name_is(&row->name, "supervisor");
}

struct flows {
    const struct sp_config *config;
    struct sp_status_flows *asked; /* of one service at a time */
};

static void print_flows_json(void *ctx, const struct sp_child_status *row)
{
    const struct flows *flows = ctx;

    if (!has_bus(row)) return;
    sp_status_flows_ask(flows->config, &row->name, flows->asked);
    printf(",\"bus\":");
    sp_status_flows_json(flows->asked);
}

static void print_flows(const struct flows *flows, const struct sp_supervisor_answer *answer)
{
    sp_status_flows_head();
    for (uint32_t i = 0; i < answer->count; i++) {
        if (!has_bus(&answer->rows[i])) continue;
        sp_status_flows_ask(flows->config, &answer->rows[i].name, flows->asked);
        sp_status_flows_print(&answer->rows[i].name, flows->asked);
    }
}

static void print_answer(const struct sp_cli *cli, const struct sp_config *config,
                         const struct sp_supervisor_answer *answer, bool is_short)
{
    struct flows flows = {config, sp_memory(malloc(sizeof *flows.asked))};

    if (cli->json) {
        sp_status_table_json(answer, is_short ? NULL : print_flows_json, &flows);
    } else {
        sp_status_table_print(answer);
        if (!is_short) print_flows(&flows, answer);
    }
    free(flows.asked);
}

int sp_cmd_status(const struct sp_cli *cli)
{
    struct sp_config *config = NULL;
    struct sp_supervisor_sockets sockets;
    struct sp_err err = {0};
    uint32_t running = 0;

    bool is_short = cli->argc == 2 && strcmp(cli->argv[1], "--short") == 0;
    if (!is_short && sp_cli_no_arguments(cli) != 0) return SP_EXIT_USAGE;
    int code = sp_cli_config(cli, &config);
    if (code != SP_EXIT_OK) return code;
    struct sp_supervisor_answer *answer = sp_memory(calloc(1, sizeof *answer));
    sp_supervisor_sockets_find(config->platform.run_dir, &sockets);
    for (uint32_t i = 0; i < sockets.count; i++) {
        sp_status status = sp_supervisor_ask(sockets.path[i], "status", NULL,
                                             (sp_dur){STATUS_TIMEOUT_NS}, answer, &err);
        if (status == SP_CLOSED) continue; /* left by one that was killed */
        if (status != SP_OK) {
            code = sp_cli_fail(SP_EXIT_SOFTWARE, NULL, "%s: %s", sockets.path[i], err.text);
            continue;
        }
        if (cli->json) printf("%s", running == 0 ? "{\"running\":true,\"supervisors\":[[" : ",[");
        print_answer(cli, config, answer, is_short);
        if (cli->json) printf("]");
        running++;
    }
    if (running > 0 && cli->json) printf("]}\n");
    if (running > 0 && !cli->json) print_trading(config);
    if (running == 0 && code == SP_EXIT_OK) {
        print_nothing(cli, config);
        code = SP_EXIT_NOT_RUNNING;
    }
    free(answer);
    sp_config_free(config);
    return code;
}
