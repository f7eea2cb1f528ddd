/* health: every service's own answer, and whether trading is possible. */
#include "services/spoor/chain.h"
#include "services/spoor/cli.h"
#include "services/spoor/describe.h"
#include "services/spoor/service_client.h"

#include "proto/json.h"

#include <stdio.h>

struct health {
    const struct sp_cli *cli;
    const struct sp_config *config;
    uint32_t asked, running, ready;
    struct sp_service_status execution;
    bool has_execution;
};

static void print_json(const sp_name *name, sp_status status, const struct sp_service_status *s,
                       bool first)
{
    char line[1024];
    size_t len = 0;

    printf("%s{\"name\":\"%s\",\"answer\":\"%s\"", first ? "" : ",", name->s,
           sp_status_name(status));
    if (status == SP_OK && sp_json_encode_body(sp_schema_of(SP_DTO_service_status), s, line,
                                               sizeof line, &len) == SP_OK)
        printf(",\"status\":%.*s", (int)len, line);
    printf("}");
}

static void print_row(const sp_name *name, sp_status status, const struct sp_service_status *s)
{
    char clock[SP_WALL_TEXT_SIZE] = "-", phase[SP_SAY_SIZE], facts[SP_LINE_SIZE];

    if (status != SP_OK) {
        printf("%-18s %-10s %5s  %-8s  %s\n", name->s, status == SP_NOT_FOUND ? "-" : "SILENT", "-",
               "-", status == SP_NOT_FOUND ? "not running" : "listens, but gave no answer in 2 s");
        return;
    }
    if (s->market_time.ns != 0) sp_wall_clock(s->market_time, 0, clock);
    printf("%-18s %-10s %5u  %-8s  %s\n", name->s, sp_say_enum(SP_ENUM_PHASE, s->phase, phase),
           s->epoch, clock, sp_say_facts(&s->values, facts));
}

static void ask_one(struct health *health, const sp_name *name)
{
    struct sp_service_status answer = {0};

    sp_status status = sp_service_status_ask(health->config, name, &answer);
    if (health->cli->json) {
        print_json(name, status, &answer, health->asked == 0);
    } else {
        print_row(name, status, &answer);
    }
    health->asked++;
    if (status != SP_OK) return;
    health->running++;
    if (answer.phase == SP_PHASE_READY) health->ready++;
    if (!sp_name_is(name, "execution")) return;
    health->execution = answer;
    health->has_execution = true;
}

static int verdict(const struct health *health)
{
    bool all = health->ready == health->asked;

    if (health->cli->json) {
        printf("],\"ready\":%s,\"trading\":\"%s\",\"reason\":", all ? "true" : "false",
               health->has_execution ? sp_enum_name(SP_ENUM_TRADING, health->execution.trading)
                                     : "");
        sp_chain_json_text(health->execution.reason.s, stdout);
        printf(",\"next_step\":");
        sp_chain_json_text(health->execution.next_step.s, stdout);
        printf("}\n");
    } else {
        printf("\nservices %u of %u ready\n", health->ready, health->asked);
        if (health->has_execution) {
            sp_trading_print(&health->execution);
        } else {
            printf("trading  STOPPED: execution does not answer\n");
        }
    }
    if (health->running == 0) return SP_EXIT_NOT_RUNNING;
    return all ? SP_EXIT_OK : SP_EXIT_SOFTWARE;
}

int sp_cmd_health(const struct sp_cli *cli)
{
    struct sp_instance instances[SP_INSTANCES_MAX];
    struct sp_config *config = NULL;

    if (sp_cli_no_arguments(cli) != 0) return SP_EXIT_USAGE;
    int code = sp_cli_config(cli, &config);
    if (code != SP_EXIT_OK) return code;
    struct health health = {.cli = cli, .config = config};
    uint32_t count = sp_config_instances(config, instances);
    printf(cli->json ? "{\"services\":["
                     : "service            phase      epoch  market    figures\n");
    for (uint32_t i = 0; i < count; i++)
        ask_one(&health, &instances[i].name);
    code = verdict(&health);
    sp_config_free(config);
    return code;
}
