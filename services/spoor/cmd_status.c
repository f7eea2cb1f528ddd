#include "services/spoor/cli.h"
#include "services/spoor/memory.h"
#include "services/spoor/service_client.h"
#include "services/spoor/status_table.h"

#include "common/clock.h"

#include <stdio.h>
#include <stdlib.h>

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

int sp_cmd_status(const struct sp_cli *cli)
{
    struct sp_config *config = NULL;
    struct sp_supervisor_sockets sockets;
    struct sp_err err = {0};
    uint32_t running = 0;

    if (sp_cli_no_arguments(cli) != 0) return SP_EXIT_USAGE;
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
        if (cli->json) {
            printf("%s", running == 0 ? "{\"running\":true,\"supervisors\":[[" : ",[");
            sp_status_table_json(answer);
            printf("]");
        } else {
            sp_status_table_print(answer);
        }
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
