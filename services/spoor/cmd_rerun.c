/* rerun: finds the program of a service, which repeats its recorded inputs, and becomes it. */
#include "services/spoor/cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARGS_MAX (SP_CLI_ARGS_MAX + 8)

/* The program of the instance. False: there is none; all names are then in *names. */
static bool find_program(const struct sp_config *config, const char *instance, sp_name *program,
                         sp_text *names)
{
    struct sp_instance instances[SP_INSTANCES_MAX];
    uint32_t count = sp_config_instances(config, instances);
    size_t used = 0;

    for (uint32_t i = 0; i < count; i++) {
        *program = instances[i].program;
        if (sp_name_is(&instances[i].name, instance)) return true;
        if (used < sizeof names->s)
            used += (size_t)snprintf(names->s + used, sizeof names->s - used, " %s",
                                     instances[i].name.s);
    }
    return false;
}

int sp_cmd_rerun(const struct sp_cli *cli)
{
    struct sp_config *config = NULL;
    sp_name program = {{0}};
    sp_text names = {{0}};
    char path[SP_PATH_SIZE], dir[SP_PATH_SIZE], rerun[] = "--rerun", c[] = "-C";
    char *argv[ARGS_MAX];
    int argc = 0;

    if (cli->argc < 3 || cli->argv[1][0] == '-')
        return sp_cli_usage("Example: spoor rerun execution var/inputs/execution.inputs",
                            "rerun wants a service and a file of its recorded inputs");
    if (strncmp(cli->argv[1], "supervisor", strlen("supervisor")) == 0)
        return sp_cli_fail(SP_EXIT_USAGE,
                           "Its journal says what its children did, and its answer: spoor journal "
                           "supervisor",
                           "the supervisor records no inputs: what it decides are system calls");
    int code = sp_cli_config(cli, &config);
    if (code != SP_EXIT_OK) return code;
    bool is_known = find_program(config, cli->argv[1], &program, &names);
    sp_config_free(config);
    if (!is_known)
        return sp_cli_fail(SP_EXIT_USAGE, NULL, "there is no service \"%s\"; there are:%s",
                           cli->argv[1], names.s);
    if (!sp_cli_beside(program.s, path))
        return sp_cli_fail(SP_EXIT_CONFIG, NULL, "cannot find my own program");
    snprintf(dir, sizeof dir, "%s", cli->config_dir);
    argv[argc++] = path;
    argv[argc++] = rerun;
    argv[argc++] = c;
    argv[argc++] = dir;
    for (int i = 2; i < cli->argc; i++)
        argv[argc++] = cli->argv[i];
    argv[argc] = NULL;
    execv(path, argv);
    return sp_cli_fail(SP_EXIT_CONFIG, NULL, "cannot execute %s: %s", path, strerror(errno));
}
