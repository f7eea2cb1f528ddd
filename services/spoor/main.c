/* spoor: the command line. Writes nothing of its own; asks the services and reads their files. */
#include "services/spoor/cli.h"

#include <stdio.h>
#include <string.h>

static const struct sp_cli_command commands[] = {
#define CMD(name, group, args, about) {#name, SP_CLI_##group, args, about, sp_cmd_##name},
#include "services/spoor/commands.def"
#undef CMD
    {NULL, SP_CLI_GROUP_COUNT, NULL, NULL, NULL},
};

static const struct sp_cli_command *find(const char *name)
{
    for (const struct sp_cli_command *c = commands; c->name != NULL; c++) {
        if (strcmp(c->name, name) == 0) return c;
    }
    return NULL;
}

static bool wants_help(const struct sp_cli *cli)
{
    for (int i = 1; i < cli->argc; i++) {
        if (strcmp(cli->argv[i], "--") == 0) return false;
        if (strcmp(cli->argv[i], "--help") == 0) return true;
        if (strcmp(cli->argv[i], "-h") == 0) return true;
    }
    return false;
}

int main(int argc, char **argv)
{
    struct sp_cli cli;
    int code = sp_cli_parse(argc, argv, &cli);

    if (code != 0) return code;
    if (cli.argc == 0) {
        sp_cli_help(commands);
        return SP_EXIT_USAGE;
    }
    const char *name = cli.argv[0];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        sp_cli_help(commands);
        return 0;
    }
    if (strcmp(name, "--version") == 0) {
        printf("spoor %s\n", SPOOR_BUILD);
        return 0;
    }
    const struct sp_cli_command *command = find(name);
    if (command == NULL) {
        return sp_cli_usage(NULL, "there is no %s \"%s\"", name[0] == '-' ? "option" : "command",
                            name);
    }
    if (wants_help(&cli)) {
        printf("Usage: spoor [-C DIR] %s%s%s\n%s\n", command->name,
               command->args[0] != '\0' ? " " : "", command->args, command->about);
        return 0;
    }
    int done = command->run(&cli);
    bool written = fflush(stdout) == 0 && ferror(stdout) == 0;
    return written || done != SP_EXIT_OK
               ? done
               : sp_cli_fail(SP_EXIT_STORAGE, NULL, "what was asked for could not be written out");
}
