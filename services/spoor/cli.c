#include "services/spoor/cli.h"

#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_CONFIG_DIR "config/demo"

static const char *const group_titles[SP_CLI_GROUP_COUNT] = {
    [SP_CLI_RUN] = "Run",         [SP_CLI_WATCH] = "Watch",     [SP_CLI_EXPLAIN] = "Explain",
    [SP_CLI_CONTROL] = "Control", [SP_CLI_DEVELOP] = "Develop",
};

/* "--name VALUE", "--name=VALUE" and, for a one-letter name, "-n VALUE". */
static bool take_value(char **argv, int argc, int *index, const char *name, const char **value)
{
    const char *arg = argv[*index];
    size_t len = strlen(name);

    if (strncmp(arg, name, len) != 0) return false;
    if (arg[len] == '=' && name[1] == '-') {
        *value = arg + len + 1;
        return true;
    }
    if (arg[len] != '\0') return false;
    *value = *index + 1 < argc ? argv[++*index] : NULL;
    return true;
}

/* One common option at *index: 1 if it was one, 0 if not, -1 if its value is missing. */
static int take_common(int argc, char **argv, int *index, struct sp_cli *cli)
{
    const char *value = NULL;

    if (strcmp(argv[*index], "--json") == 0) {
        cli->json = true;
        return 1;
    }
    if (take_value(argv, argc, index, "-C", &value) ||
        take_value(argv, argc, index, "--config", &value)) {
        cli->config_dir = value;
        cli->config_given = true;
        return value != NULL ? 1 : -1;
    }
    if (take_value(argv, argc, index, "--strategy", &value)) {
        cli->strategy = value;
        return value != NULL ? 1 : -1;
    }
    return 0;
}

int sp_cli_parse(int argc, char **argv, struct sp_cli *cli)
{
    const char *env = getenv("SPOOR_CONFIG");
    bool options = true;

    *cli = (struct sp_cli){.program = argc > 0 ? argv[0] : "spoor"};
    cli->config_given = env != NULL && env[0] != '\0';
    cli->config_dir = cli->config_given ? env : DEFAULT_CONFIG_DIR;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0) options = false;
        int taken = options ? take_common(argc, argv, &i, cli) : 0;
        if (taken < 0)
            return sp_cli_usage("Give it: -C config/demo", "a value is missing at the end");
        if (taken > 0) continue;
        if (cli->argc == SP_CLI_ARGS_MAX) return sp_cli_usage(NULL, "too many arguments");
        cli->argv[cli->argc++] = argv[i];
    }
    return 0;
}

void sp_cli_help(const struct sp_cli_command *commands)
{
    printf("Usage: spoor [-C DIR] COMMAND [ARGUMENTS]\n"
           "Runs, watches, explains and controls a trading operation.\n");
    for (int group = 0; group < SP_CLI_GROUP_COUNT; group++) {
        bool titled = false;
        for (const struct sp_cli_command *c = commands; c->name != NULL; c++) {
            if ((int)c->group != group) continue;
            if (!titled) printf("\n%s\n", group_titles[group]);
            titled = true;
            printf("  %-10s %-22s %.*s\n", c->name, c->args, (int)strcspn(c->about, "\n"),
                   c->about);
        }
    }
    printf("\nOptions of all commands\n"
           "  -C, --config DIR                  configuration; else SPOOR_CONFIG, else %s\n"
           "      --strategy NAME               only this strategy\n"
           "      --json                        for programs\n"
           "      --help                        after a command: about that command\n"
           "      --version\n",
           DEFAULT_CONFIG_DIR);
}

bool sp_cli_option(const struct sp_cli *cli, int *index, const char *name, const char **value)
{
    char *args[SP_CLI_ARGS_MAX + 1];

    memcpy(args, cli->argv, sizeof args);
    return take_value(args, cli->argc, index, name, value);
}

static void SP_PRINTF(2, 0) complain(const char *hint, const char *fmt, va_list ap)
{
    fflush(stdout);
    fprintf(stderr, "spoor: ");
    vfprintf(stderr, fmt, ap);
    fprintf(stderr, "\n");
    if (hint != NULL) fprintf(stderr, "  %s\n", hint);
}

int sp_cli_usage(const char *hint, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    complain(hint != NULL ? hint : "See: spoor --help", fmt, ap);
    va_end(ap);
    return SP_EXIT_USAGE;
}

int sp_cli_fail(int code, const char *hint, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    complain(hint, fmt, ap);
    va_end(ap);
    return code;
}

int sp_cli_no_arguments(const struct sp_cli *cli)
{
    if (cli->argc == 1) return 0;
    return sp_cli_usage(NULL, "%s has no %s \"%s\"", cli->argv[0],
                        cli->argv[1][0] == '-' ? "option" : "argument", cli->argv[1]);
}

const char *sp_cli_path(const char *path)
{
    char here[SP_PATH_SIZE];

    if (getcwd(here, sizeof here) == NULL) return path;
    size_t len = strlen(here);
    if (strncmp(path, here, len) != 0 || path[len] != '/' || path[len + 1] == '\0') return path;
    return path + len + 1;
}

bool sp_cli_beside(const char *program, char out[SP_PATH_SIZE])
{
    ssize_t n = readlink("/proc/self/exe", out, SP_PATH_SIZE - 1);

    if (n <= 0) return false;
    out[n] = '\0';
    char *slash = strrchr(out, '/');
    if (slash == NULL) return false;
    size_t room = SP_PATH_SIZE - (size_t)(slash + 1 - out);
    return (size_t)snprintf(slash + 1, room, "%s", program) < room;
}

sp_name sp_cli_operator(void)
{
    const struct passwd *user = getpwuid(getuid());
    char text[SP_NAME_SIZE];
    sp_name name = {{0}};

    if (user != NULL && sp_name_set(&name, user->pw_name)) return name;
    snprintf(text, sizeof text, "uid-%u", (unsigned)getuid());
    SP_IGNORE(!sp_name_set(&name, text)); /* digits are a name */
    return name;
}
