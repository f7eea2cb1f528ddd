/* start, stop, restart: one service. down: all of them. */
#include "services/spoor/cli.h"
#include "services/spoor/memory.h"
#include "services/spoor/supervisor_client.h"

#include "common/clock.h"
#include "proto/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COMMAND_TIMEOUT_NS (90 * SP_NS_PER_S)
#define STATUS_TIMEOUT_NS  (5 * SP_NS_PER_S)

struct target {
    struct sp_supervisor_sockets sockets;
    struct sp_supervisor_answer answer;
};

static int not_running(const struct sp_cli *cli)
{
    char hint[SP_PATH_SIZE + 64];

    snprintf(hint, sizeof hint, "Start it: %s up %.400s", cli->program, cli->config_dir);
    return sp_cli_fail(SP_EXIT_NOT_RUNNING, hint, "nothing runs for %s", cli->config_dir);
}

static void print_text(const struct sp_cli *cli, const struct sp_command_reply *reply)
{
    if (cli->json) {
        char line[1024];
        size_t len = 0;
        sp_status status =
            sp_json_encode_body(sp_schema_of(SP_DTO_command_reply), reply, line, sizeof line, &len);
        SP_ASSERT(status == SP_OK);
        printf("%.*s\n", (int)len, line);
    } else if (reply->ok) {
        printf("%s\n", reply->text.s);
    }
}

static bool has_row(const struct sp_supervisor_answer *answer, const char *name)
{
    for (uint32_t i = 1; i < answer->count; i++) {
        if (sp_name_is(&answer->rows[i].name, name)) return true;
    }
    return false;
}

/* The socket of the supervisor that has the service. SP_CLOSED: none runs. SP_NOT_FOUND: none has
 * it; `names` then lists all there are. */
static sp_status find_supervisor(struct target *target, const char *name, const char **path,
                                 sp_text *names)
{
    sp_status found = SP_CLOSED;
    size_t used = 0;

    for (uint32_t i = 0; i < target->sockets.count; i++) {
        struct sp_supervisor_answer *answer = &target->answer;
        if (sp_supervisor_ask(target->sockets.path[i], "status", NULL, (sp_dur){STATUS_TIMEOUT_NS},
                              answer, NULL) != SP_OK)
            continue;
        found = SP_NOT_FOUND;
        *path = target->sockets.path[i];
        if (has_row(answer, name)) return SP_OK;
        for (uint32_t r = 1; r < answer->count && used < sizeof names->s; r++) {
            int n =
                snprintf(names->s + used, sizeof names->s - used, " %s", answer->rows[r].name.s);
            used += (size_t)n;
        }
    }
    return found;
}

static int command_service(const struct sp_cli *cli, const char *command)
{
    struct sp_config *config = NULL;
    const char *path = NULL;
    sp_text names = {0};
    struct sp_err err = {0};

    if (cli->argc != 2) return sp_cli_usage(NULL, "%s wants the name of one service", command);
    const char *name = cli->argv[1];
    int code = sp_cli_config(cli, &config);
    if (code != SP_EXIT_OK) return code;
    struct target *target = sp_memory(calloc(1, sizeof *target));
    sp_supervisor_sockets_find(config->platform.run_dir, &target->sockets);
    sp_config_free(config);

    sp_status status = find_supervisor(target, name, &path, &names);
    if (status == SP_CLOSED) {
        code = not_running(cli);
    } else if (status == SP_NOT_FOUND) {
        code = sp_cli_fail(SP_EXIT_USAGE, NULL, "there is no service \"%s\"; there are:%s", name,
                           names.s);
    } else if (sp_supervisor_ask(path, command, name, (sp_dur){COMMAND_TIMEOUT_NS}, &target->answer,
                                 &err) != SP_OK) {
        code = sp_cli_fail(SP_EXIT_SOFTWARE, "See: spoor status", "%s %s: %s", command, name,
                           err.text);
    } else {
        print_text(cli, &target->answer.reply);
        if (!target->answer.reply.ok)
            code = sp_cli_fail(SP_EXIT_SOFTWARE, "See its log, and: spoor status", "%s",
                               target->answer.reply.text.s);
    }
    free(target);
    return code;
}

int sp_cmd_start(const struct sp_cli *cli)
{
    return command_service(cli, "start");
}
int sp_cmd_stop(const struct sp_cli *cli)
{
    return command_service(cli, "stop");
}
int sp_cmd_restart(const struct sp_cli *cli)
{
    return command_service(cli, "restart");
}

int sp_cmd_down(const struct sp_cli *cli)
{
    struct sp_config *config = NULL;
    struct sp_err err = {0};
    uint32_t stopped = 0;

    if (sp_cli_no_arguments(cli) != 0) return SP_EXIT_USAGE;
    int code = sp_cli_config(cli, &config);
    if (code != SP_EXIT_OK) return code;
    struct target *target = sp_memory(calloc(1, sizeof *target));
    sp_supervisor_sockets_find(config->platform.run_dir, &target->sockets);
    sp_config_free(config);

    int64_t begin = sp_clock_mono().ns;
    for (uint32_t i = 0; i < target->sockets.count; i++) {
        sp_status status = sp_supervisor_ask(target->sockets.path[i], "down", NULL,
                                             (sp_dur){COMMAND_TIMEOUT_NS}, &target->answer, &err);
        if (status == SP_OK) stopped++;
        if (status != SP_OK && status != SP_CLOSED)
            code = sp_cli_fail(SP_EXIT_SOFTWARE, "See: spoor status", "down: %s", err.text);
    }
    free(target);
    int64_t ms = (sp_clock_mono().ns - begin) / SP_NS_PER_MS;
    if (cli->json) {
        printf("{\"stopped\":%s}\n", stopped > 0 ? "true" : "false");
    } else if (stopped > 0) {
        printf("stop   in order, %lld.%02lld s\n", (long long)(ms / 1000),
               (long long)(ms % 1000 / 10));
    } else if (code == SP_EXIT_OK) {
        printf("Nothing runs for %s.\n", cli->config_dir);
    }
    return code;
}
