#include "services/spoor/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int sp_cli_config(const struct sp_cli *cli, struct sp_config **out)
{
    struct sp_problems *problems = calloc(1, sizeof *problems);

    if (problems == NULL) return sp_cli_fail(SP_EXIT_SOFTWARE, NULL, "memory is exhausted");
    sp_status status = sp_config_load(cli->config_dir, out, problems);
    if (problems->count > 0) sp_problems_print(problems, STDERR_FILENO);
    if (problems->is_partial) fprintf(stderr, "%s\n", SP_CLI_PARTIAL_CHECK);
    uint32_t errors = problems->errors;
    free(problems);
    if (status == SP_OK) return SP_EXIT_OK;
    return sp_cli_fail(SP_EXIT_CONFIG, "Nothing was started or changed.",
                       "configuration %s has %u error%s", cli->config_dir, errors,
                       errors == 1 ? "" : "s");
}
