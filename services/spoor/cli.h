/* What every command of the command line shares: the common options, the table of commands, and how
 * a person is told what went wrong. One thread; commands may use malloc.
 *
 * A new command is a file cmd_<name>.c with sp_cmd_<name>, and one line in commands.def.
 */
#ifndef SP_SPOOR_CLI_H
#define SP_SPOOR_CLI_H

#include "common/config/config.h"

#define SP_CLI_ARGS_MAX 64

/* A command found that nothing runs (status), or that the thing asked for is not there. */
#define SP_EXIT_NOT_RUNNING 3
#define SP_EXIT_UNCONFIRMED 4 /* asked for, shown, and not yet confirmed: nothing was done */

/* Said after the errors, if problems->is_partial. */
#define SP_CLI_PARTIAL_CHECK "What refers to operation.json is checked once these are mended."

enum sp_cli_group {
    SP_CLI_RUN,
    SP_CLI_WATCH,
    SP_CLI_EXPLAIN,
    SP_CLI_CONTROL,
    SP_CLI_DEVELOP,
    SP_CLI_GROUP_COUNT
};

struct sp_cli {
    const char *program;             /* as we were called, for hints */
    const char *config_dir;          /* -C, SPOOR_CONFIG or config/demo */
    bool config_given;               /* by -C or SPOOR_CONFIG */
    const char *strategy;            /* --strategy, or NULL */
    bool json;                       /* --json */
    int argc;                        /* without the common options */
    char *argv[SP_CLI_ARGS_MAX + 1]; /* argv[0] is the command; NULL-terminated */
};

typedef int sp_cmd_fn(const struct sp_cli *cli);

struct sp_cli_command {
    const char *name;
    enum sp_cli_group group;
    const char *args;
    const char *about; /* its first line is for the list, all of it for --help */
    sp_cmd_fn *run;
};

#define CMD(name, group, args, about) int sp_cmd_##name(const struct sp_cli *cli);
#include "services/spoor/commands.def"
#undef CMD

/* Takes the common options out of the arguments, wherever they stand before "--". Returns 0, or the
 * exit code after printing what is wrong. argv[0] of *cli is NULL if there is no command. */
int sp_cli_parse(int argc, char **argv, struct sp_cli *cli);
/* Prints all commands by group, and the common options. The table ends with a NULL name. */
void sp_cli_help(const struct sp_cli_command *commands);

/* An option of one command: "--name VALUE" or "--name=VALUE", at *index in cli->argv. Moves *index
 * to the last argument used. False if this argument is another; *value is NULL if it is missing. */
bool sp_cli_option(const struct sp_cli *cli, int *index, const char *name, const char **value);
/* Prints "spoor: WHAT" and "  HINT" (unless NULL) to standard error; returns SP_EXIT_USAGE. */
int sp_cli_usage(const char *hint, const char *fmt, ...) SP_PRINTF(2, 3);
/* Prints "spoor: WHAT" and "  HINT" (unless NULL) to standard error; returns `code`. */
int sp_cli_fail(int code, const char *hint, const char *fmt, ...) SP_PRINTF(3, 4);

/* For a command without arguments: 0, or SP_EXIT_USAGE after naming the first it was given. */
int sp_cli_no_arguments(const struct sp_cli *cli);

/* A path for the screen: what lies below the current directory is shown from there. Points into
 * `path`. */
const char *sp_cli_path(const char *path);

/* Loads cli->config_dir. SP_EXIT_OK, or SP_EXIT_CONFIG after listing every problem. The caller
 * frees *out with sp_config_free. */
int sp_cli_config(const struct sp_cli *cli, struct sp_config **out);

/* The path of another program of ours, which lie beside this one. False if it does not fit. */
SP_NODISCARD bool sp_cli_beside(const char *program, char out[SP_PATH_SIZE]);

/* Who runs this: the user's name, or "uid-1000". */
sp_name sp_cli_operator(void);

#endif
