#include "services/spoor/journal_retain.h"

#include "services/spoor/chain.h"
#include "services/spoor/service_client.h"

#include "common/clock.h"
#include "proto/decimal.h"
#include "proto/ids.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RETAIN_TIMEOUT_NS (INT64_C(20) * SP_NS_PER_S)

static int parse_keep(const char *text, struct sp_retain *request)
{
    sp_dur keep = {0};

    if (sp_dur_parse(text, strlen(text), &keep) != SP_OK || keep.ns < 0)
        return sp_cli_usage("Write 30d, 12h or 45m", "--keep %s is no duration", text);
    request->before_time = (sp_wall){sp_clock_wall().ns - keep.ns};
    return SP_EXIT_OK;
}

/* A sequence, or a time. */
static int parse_before(const char *text, struct sp_retain *request)
{
    char *end = NULL;

    if (sp_wall_parse(text, strlen(text), &request->before_time) == SP_OK) return SP_EXIT_OK;
    request->before_seq = strtoull(text, &end, 10);
    if (request->before_seq > 0 && *end == '\0' && text[0] != '-') return SP_EXIT_OK;
    return sp_cli_usage("Write 120000 or 2026-01-05T18:22:07Z",
                        "--before %s is neither a sequence nor a time", text);
}

static int parse(const struct sp_cli *cli, sp_name *service, struct sp_retain *request)
{
    const char *keep = NULL, *before = NULL;

    for (int i = 2; i < cli->argc; i++) {
        const char *arg = cli->argv[i];
        if (sp_cli_option(cli, &i, "--keep", &keep) || sp_cli_option(cli, &i, "--before", &before))
            continue;
        if (arg[0] == '-' || !sp_name_is_empty(service) || !sp_name_set(service, arg))
            return sp_cli_usage("See: spoor journal --help", "retain does not know \"%s\"", arg);
    }
    if (sp_name_is_empty(service) || (keep == NULL) == (before == NULL))
        return sp_cli_usage("Example: spoor journal retain execution --keep 30d",
                            "retain wants a service, and --keep DURATION or --before SEQ|TIME");
    return keep != NULL ? parse_keep(keep, request) : parse_before(before, request);
}

static int print_reply(const struct sp_cli *cli, const struct sp_command_reply *reply)
{
    if (cli->json) {
        printf("{\"ok\":%s,\"text\":", reply->ok ? "true" : "false");
        sp_chain_json_text(reply->text.s, stdout);
        printf("}\n");
    } else if (reply->ok) {
        printf("%s\n", reply->text.s);
    }
    if (reply->ok) return SP_EXIT_OK;
    return sp_cli_fail(SP_EXIT_SOFTWARE, "See its log: spoor logs", "%s", reply->text.s);
}

static int ask(const struct sp_cli *cli, const struct sp_config *config, const sp_name *service,
               const struct sp_retain *request)
{
    struct sp_command_reply reply = {0};
    sp_status status =
        sp_service_retain(config, service, request, (sp_dur){RETAIN_TIMEOUT_NS}, &reply);

    if (status == SP_NOT_FOUND)
        return sp_cli_fail(SP_EXIT_NOT_RUNNING, "Only its owner may delete of a journal: spoor up",
                           "%s does not run: nothing was deleted", service->s);
    if (status != SP_OK)
        return sp_cli_fail(SP_EXIT_SOFTWARE, "It may have been done; repeating it is safe.",
                           "%s: %s", service->s, sp_status_text(status));
    return print_reply(cli, &reply);
}

int sp_journal_retain(const struct sp_cli *cli)
{
    struct sp_config *config = NULL;
    sp_name service = {{0}};
    struct sp_retain request = {.request_id = 1, .operator_name = sp_cli_operator()};

    int code = parse(cli, &service, &request);
    if (code == SP_EXIT_OK) code = sp_cli_config(cli, &config);
    if (code != SP_EXIT_OK) return code;
    struct sp_id_source source = {.installation = config->platform.installation.s,
                                  .stream = "spoor",
                                  .epoch = (uint32_t)getpid(),
                                  .seq = (uint64_t)sp_clock_mono().ns,
                                  .time = sp_clock_wall()};
    request.command_id = sp_cmd_id_mint(&source);
    code = ask(cli, config, &service, &request);
    sp_config_free(config);
    return code;
}
