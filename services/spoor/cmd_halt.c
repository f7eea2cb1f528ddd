/* halt, resume, flatten, adopt: an operator's commands to execution; reconcile. */
#include "services/spoor/chain.h"
#include "services/spoor/cli.h"
#include "services/spoor/halt_file.h"
#include "services/spoor/service_client.h"

#include "common/clock.h"
#include "proto/decimal.h"
#include "proto/ids.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RECONCILE_TIMEOUT_NS (INT64_C(15) * 1000000000)

struct control {
    const struct sp_cli *cli;
    struct sp_config *config;
    const char *word;    /* "halt" */
    const char *confirm; /* what resume was given; NULL: nothing */
    struct sp_operator_command command;
};

static int set_scope(struct control *control, const char *scope)
{
    const char *link = strncmp(scope, "strategy.", 9) == 0 ? scope + 9 : NULL;
    char hint[SP_LINKS_MAX * (SP_NAME_SIZE + 12)] = "There are: all";
    size_t used = strlen(hint);

    bool known = strcmp(scope, "all") == 0 ||
                 (link != NULL && sp_config_link(control->config, link) != NULL);
    if (known && sp_name_set(&control->command.scope, scope)) return SP_EXIT_OK;
    for (uint32_t i = 0; i < control->config->link_count && used < sizeof hint; i++) {
        int n = snprintf(hint + used, sizeof hint - used, ", strategy.%s",
                         control->config->links[i].id.s);
        used += n > 0 ? (size_t)n : 0;
    }
    return sp_cli_usage(hint, "\"%s\" is no scope", scope);
}

static int parse(struct control *control)
{
    const struct sp_cli *cli = control->cli;
    const char *scope = NULL, *reason = NULL;
    char of_strategy[SP_NAME_SIZE + 16];

    for (int i = 1; i < cli->argc; i++) {
        const char *arg = cli->argv[i];
        if (sp_cli_option(cli, &i, "--scope", &scope)) {
            if (scope == NULL) return sp_cli_usage(NULL, "--scope wants all or strategy.ID");
        } else if (sp_cli_option(cli, &i, "--reason", &reason)) {
            if (reason == NULL) return sp_cli_usage(NULL, "--reason wants a text");
        } else if (control->command.command == SP_COMMAND_RESUME &&
                   sp_cli_option(cli, &i, "--confirm", &control->confirm)) {
            if (control->confirm == NULL)
                return sp_cli_usage(NULL, "--confirm wants the word that resume shows without it");
        } else {
            return sp_cli_usage(NULL, "%s does not know \"%s\"; see spoor %s --help", control->word,
                                arg, control->word);
        }
    }
    if (scope == NULL && cli->strategy != NULL) {
        snprintf(of_strategy, sizeof of_strategy, "strategy.%.40s", cli->strategy);
        scope = of_strategy;
    }
    if (reason != NULL && !sp_text_set_n(&control->command.reason, reason, strlen(reason)))
        return sp_cli_usage(NULL, "--reason is longer than %d bytes or not UTF-8",
                            SP_TEXT_SIZE - 1);
    return set_scope(control, scope != NULL ? scope : "all");
}

/* ASSET AMOUNT [--reason TEXT] */
static int parse_adopt(struct control *control)
{
    const struct sp_cli *cli = control->cli;
    struct sp_operator_command *command = &control->command;
    const char *reason = NULL;
    int named = 0;

    command->scope = sp_name_of("all");
    for (int i = 1; i < cli->argc; i++) {
        const char *arg = cli->argv[i];
        if (sp_cli_option(cli, &i, "--reason", &reason)) {
            if (reason == NULL) return sp_cli_usage(NULL, "--reason wants a text");
        } else if (named == 0 && sp_name_set(&command->asset, arg)) {
            named++;
        } else if (named == 1 && sp_e8_parse(arg, strlen(arg), &command->amount.e8) == SP_OK &&
                   command->amount.e8 >= 0) {
            named++;
        } else {
            return sp_cli_usage("Example: spoor adopt BTC 0.5 --reason \"moved to the wallet\"",
                                "adopt does not know what \"%s\" is", arg);
        }
    }
    if (named < 2)
        return sp_cli_usage("Example: spoor adopt BTC 0.5 --reason \"moved to the wallet\"",
                            "adopt wants an asset and how much of it the venue holds");
    if (reason == NULL)
        return sp_cli_usage(NULL, "adopt wants a --reason: it is kept, and why shows it");
    if (!sp_text_set_n(&command->reason, reason, strlen(reason)))
        return sp_cli_usage(NULL, "--reason is longer than %d bytes or not UTF-8",
                            SP_TEXT_SIZE - 1);
    return SP_EXIT_OK;
}

static void mint(struct control *control)
{
    struct sp_id_source source = {.installation = control->config->platform.installation.s,
                                  .stream = "spoor",
                                  .epoch = (uint32_t)getpid(),
                                  .seq = (uint64_t)sp_clock_mono().ns,
                                  .time = sp_clock_wall()};

    control->command.command_id = sp_cmd_id_mint(&source);
    control->command.operator_name = sp_cli_operator();
    control->command.asked = source.time;
}

/* ---- When execution does not answer ---- */

static int leave_halt_file(struct control *control, bool is_running)
{
    char dir[SP_PATH_SIZE];
    struct sp_err err = {0};

    sp_config_instance_dir(control->config, "execution", dir);
    sp_status status =
        sp_halt_file_write(dir, &control->command.scope, &control->command.reason, &err);
    if (status != SP_OK)
        return sp_cli_fail(SP_EXIT_STORAGE, "NOT HALTED. Stop the operation: spoor down",
                           "no halt could be left for execution: %s", err.text);
    if (control->cli->json) {
        printf("{\"ok\":%s,\"waiting\":true,\"scope\":\"%s\",\"file\":",
               is_running ? "false" : "true", control->command.scope.s);
        char path[SP_PATH_SIZE + 8];
        snprintf(path, sizeof path, "%s/HALT", dir);
        sp_chain_json_text(path, stdout);
        printf("}\n");
    } else {
        printf("halt     waits for execution in %s/HALT (scope %s): honoured at its start\n",
               sp_cli_path(dir), control->command.scope.s);
    }
    if (!is_running) return SP_EXIT_OK;
    return sp_cli_fail(
        SP_EXIT_SOFTWARE, "Restart it, and the halt holds: spoor restart execution",
        "execution runs but did not answer within 2 s: it may or may not have halted");
}

static int not_running(struct control *control)
{
    char dir[SP_PATH_SIZE];

    if (control->command.command == SP_COMMAND_HALT) return leave_halt_file(control, false);
    if (control->command.command == SP_COMMAND_RESUME) {
        sp_config_instance_dir(control->config, "execution", dir);
        if (sp_halt_file_remove(dir, NULL) == SP_OK) {
            printf("%s\n", control->cli->json
                               ? "{\"ok\":true,\"withdrawn\":true}"
                               : "The halt that waited for execution was taken back. Halts that it "
                                 "knows already\nlast: resume again when it runs.");
            return SP_EXIT_OK;
        }
    }
    return sp_cli_fail(SP_EXIT_NOT_RUNNING, "Start it: spoor up, or spoor start execution",
                       "execution does not run: nothing was done");
}

/* ---- The answer ---- */

static void print_reply(const struct control *control, const struct sp_command_reply *reply)
{
    struct sp_service_status status = {0};
    sp_name execution = sp_name_of("execution");
    char id[SP_ID_TEXT_SIZE], shown[SP_ID_SHORT_SIZE];
    bool known = sp_service_status_ask(control->config, &execution, &status) == SP_OK;

    if (control->cli->json) {
        printf("{\"ok\":%s,\"command_id\":\"%s\",\"scope\":\"%s\",\"trading\":\"%s\",\"reason\":",
               reply->ok ? "true" : "false", sp_cmd_id_text(control->command.command_id, id),
               control->command.scope.s,
               known ? sp_enum_name(SP_ENUM_TRADING, status.trading) : "");
        sp_chain_json_text(known ? status.reason.s : reply->text.s, stdout);
        printf(",\"next_step\":");
        sp_chain_json_text(status.next_step.s, stdout);
        printf("}\n");
        return;
    }
    if (known) {
        sp_trading_print(&status);
    } else {
        printf("%s\n", reply->text.s);
    }
    sp_cmd_id_short(control->command.command_id, shown);
    printf("why      spoor why %s\n", shown);
    if (control->command.command == SP_COMMAND_FLATTEN)
        printf("flat     when spoor why %s says DONE; spoor status shows how far it is\n", shown);
}

static int send_command(struct control *control)
{
    sp_name execution = sp_name_of("execution");
    struct sp_command_reply reply = {0};

    sp_status status = sp_service_command(control->config, &execution, &control->command,
                                          (sp_dur){SP_SERVICE_TIMEOUT_NS}, &reply);
    if (status == SP_NOT_FOUND) return not_running(control);
    if (status == SP_TIMEOUT && control->command.command == SP_COMMAND_HALT)
        return leave_halt_file(control, true);
    if (status != SP_OK)
        return sp_cli_fail(SP_EXIT_SOFTWARE, "Ask again, the same command twice does no harm",
                           "execution: %s", sp_status_text(status));
    if (!reply.ok)
        return sp_cli_fail(SP_EXIT_SOFTWARE, "See: spoor status", "execution refused: %s",
                           reply.text.s);
    print_reply(control, &reply);
    return SP_EXIT_OK;
}

/* ---- A resume in two steps: look, then confirm what was seen ---- */

static void confirm_word(const struct sp_service_status *status, char word[16])
{
    snprintf(word, 16, "%08" PRIx32, (uint32_t)status->halts);
}

static void show_first_step(const struct control *control, const struct sp_service_status *status)
{
    const char *scope = control->command.scope.s;
    char word[16];

    confirm_word(status, word);
    if (control->cli->json) {
        printf("{\"ok\":false,\"scope\":\"%s\",\"confirm\":\"%s\",\"trading\":\"%s\",\"reason\":",
               scope, word, sp_enum_name(SP_ENUM_TRADING, status->trading));
        sp_chain_json_text(status->reason.s, stdout);
        printf("}\n");
        return;
    }
    sp_trading_print(status);
    printf("\nNothing was resumed yet. To end the halts of %s, as they are now:\n"
           "  %s resume --scope %s --confirm %s\n",
           scope, control->cli->program, scope, word);
}

/* Only what was seen is resumed: an execution that does not show what is halted is sent nothing. */
static int resume(struct control *control)
{
    sp_name execution = sp_name_of("execution");
    struct sp_service_status status = {0};
    char word[16];

    sp_status asked = sp_service_status_ask(control->config, &execution, &status);
    if (asked == SP_NOT_FOUND) return not_running(control);
    if (asked != SP_OK)
        return sp_cli_fail(SP_EXIT_SOFTWARE, "Ask again: spoor resume",
                           "execution did not say what is halted (%s): nothing was resumed",
                           sp_status_text(asked));
    if (control->confirm == NULL) {
        show_first_step(control, &status);
        return SP_EXIT_UNCONFIRMED;
    }
    confirm_word(&status, word);
    if (strcmp(word, control->confirm) != 0)
        return sp_cli_fail(SP_EXIT_UNCONFIRMED, "Look again: spoor resume",
                           "\"%s\" does not stand for what is halted now", control->confirm);
    control->command.confirms = status.halts;
    return send_command(control);
}

/* Reconciliation answers when the pass is done. */
static int ask_reconciliation(struct control *control)
{
    sp_name service = sp_name_of("reconciliation");
    struct sp_command_reply reply = {0};
    char id[SP_ID_SHORT_SIZE];

    sp_status status = sp_service_command(control->config, &service, &control->command,
                                          (sp_dur){RECONCILE_TIMEOUT_NS}, &reply);
    if (status == SP_NOT_FOUND)
        return sp_cli_fail(SP_EXIT_NOT_RUNNING, "Start it: spoor up, or spoor start reconciliation",
                           "reconciliation does not run: nothing was compared");
    if (status != SP_OK)
        return sp_cli_fail(SP_EXIT_SOFTWARE, "See: spoor health", "reconciliation: %s",
                           sp_status_text(status));
    if (control->cli->json) {
        printf("{\"ok\":%s,\"text\":", reply.ok ? "true" : "false");
        sp_chain_json_text(reply.text.s, stdout);
        printf("}\n");
    } else {
        printf("%s\nwhy      spoor why %s\n", reply.text.s,
               sp_cmd_id_short(control->command.command_id, id));
    }
    if (reply.ok) return SP_EXIT_OK;
    return sp_cli_fail(SP_EXIT_SOFTWARE, "See: spoor why last reconciliation",
                       "the books differ: trading stays closed");
}

static int command(const struct sp_cli *cli, enum sp_command what)
{
    struct control control = {.cli = cli, .word = cli->argv[0]};

    int code = sp_cli_config(cli, &control.config);
    if (code != SP_EXIT_OK) return code;
    control.command.command = (uint8_t)what;
    code = what == SP_COMMAND_ADOPT ? parse_adopt(&control) : parse(&control);
    if (code == SP_EXIT_OK) {
        mint(&control);
        code = what == SP_COMMAND_RECONCILE ? ask_reconciliation(&control)
               : what == SP_COMMAND_RESUME  ? resume(&control)
                                            : send_command(&control);
    }
    if (code == SP_EXIT_OK && what == SP_COMMAND_ADOPT) {
        control.command.command = SP_COMMAND_RECONCILE;
        mint(&control);
        code = ask_reconciliation(&control); /* is it true? */
    }
    sp_config_free(control.config);
    return code;
}

int sp_cmd_halt(const struct sp_cli *cli)
{
    return command(cli, SP_COMMAND_HALT);
}

int sp_cmd_resume(const struct sp_cli *cli)
{
    return command(cli, SP_COMMAND_RESUME);
}

int sp_cmd_flatten(const struct sp_cli *cli)
{
    return command(cli, SP_COMMAND_FLATTEN);
}

int sp_cmd_reconcile(const struct sp_cli *cli)
{
    return command(cli, SP_COMMAND_RECONCILE);
}

int sp_cmd_adopt(const struct sp_cli *cli)
{
    return command(cli, SP_COMMAND_ADOPT);
}
