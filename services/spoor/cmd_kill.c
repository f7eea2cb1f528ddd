/* kill: becomes spoor-kill, with what the configuration knows about the venue. */
#include "services/spoor/cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ARGS_MAX (SP_CLI_ARGS_MAX + 2 * SP_SYMBOLS_MAX + 8)

struct arguments {
    int argc;
    char *argv[ARGS_MAX];
    char url[128];
    char symbols[SP_SYMBOLS_MAX][SP_NAME_SIZE];
};

static bool has(const struct sp_cli *cli, const char *option)
{
    for (int i = 1; i < cli->argc; i++) {
        if (strcmp(cli->argv[i], option) == 0) return true;
    }
    return false;
}

static void add(struct arguments *arguments, char *text)
{
    if (arguments->argc + 1 < ARGS_MAX) arguments->argv[arguments->argc++] = text;
}

/* The address of the practice exchange, and every instrument; an exit code if there is none. */
static int complete(const struct sp_cli *cli, struct arguments *arguments)
{
    static char url[] = "--url", symbol[] = "--symbol";
    struct sp_config *config = NULL;

    if (has(cli, "--url") && has(cli, "--symbol")) return SP_EXIT_OK;
    int code = sp_cli_config(cli, &config);
    if (code != SP_EXIT_OK) return code;
    const struct sp_world_config *world = sp_config_world(config);
    if (!has(cli, "--url") && world->api_host[0] == '\0') {
        code = sp_cli_usage("name the venue with --url, or add \"api\" to the world's venue",
                            "world %s has no venue that speaks HTTP", world->id.s);
    } else if (!has(cli, "--url")) {
        snprintf(arguments->url, sizeof arguments->url, "http://%s:%u", world->api_host,
                 world->api_port);
        add(arguments, url);
        add(arguments, arguments->url);
    }
    for (uint32_t i = 0; !has(cli, "--symbol") && i < world->instrument_count; i++) {
        memcpy(arguments->symbols[i], world->instruments[i].symbol.s, SP_NAME_SIZE);
        add(arguments, symbol);
        add(arguments, arguments->symbols[i]);
    }
    sp_config_free(config);
    return code;
}

int sp_cmd_kill(const struct sp_cli *cli)
{
    static struct arguments arguments;
    char path[SP_PATH_SIZE];

    if (!sp_cli_beside("spoor-kill", path))
        return sp_cli_fail(SP_EXIT_CONFIG, NULL, "cannot find my own program");
    add(&arguments, path);
    for (int i = 1; i < cli->argc; i++)
        add(&arguments, cli->argv[i]);
    int code = complete(cli, &arguments);
    if (code != SP_EXIT_OK) return code;
    execv(path, arguments.argv);
    return sp_cli_fail(SP_EXIT_CONFIG, NULL, "cannot execute %s: %s", path, strerror(errno));
}
