/* why: what caused a trade, an opportunity, an order, a halt, down to the tick. */
#include "services/spoor/chain.h"
#include "services/spoor/evidence_open.h"
#include "services/spoor/explain.h"

#include <stdio.h>
#include <string.h>

struct why {
    const char *data;
    const char *what; /* an id, or after "last" a word */
    bool last;
};

static int parse(const struct sp_cli *cli, struct why *why)
{
    for (int i = 1; i < cli->argc; i++) {
        const char *arg = cli->argv[i], *value = NULL;
        if (sp_cli_option(cli, &i, "--data", &value)) {
            if (value == NULL) return sp_cli_usage(NULL, "--data wants a directory");
            why->data = value;
        } else if (strncmp(arg, "--last-", 7) == 0 && arg[7] != '\0') {
            why->last = true;
            why->what = arg + 7;
        } else if (arg[0] == '-') {
            return sp_cli_usage("See: spoor why --help", "why has no option %s", arg);
        } else if (strcmp(arg, "last") == 0) {
            why->last = true;
        } else if (why->what != NULL) {
            return sp_cli_usage("Example: spoor why last", "why explains one id at a time");
        } else {
            why->what = arg;
        }
    }
    if (why->what == NULL && !why->last)
        return sp_cli_usage(
            "Example: spoor why last, spoor why trd_7k2mqd; spoor trades lists them",
            "why wants an id");
    if (why->what == NULL) why->what = "trade";
    return SP_EXIT_OK;
}

int sp_cmd_why(const struct sp_cli *cli)
{
    struct why why = {0};
    struct sp_evidence *evidence = NULL;
    struct sp_evidence_id id;
    char data_dir[SP_PATH_SIZE];

    int code = parse(cli, &why);
    if (code == SP_EXIT_OK) code = sp_cli_data_dir(cli, why.data, data_dir);
    if (code == SP_EXIT_OK) code = sp_cli_evidence(data_dir, &evidence);
    if (code != SP_EXIT_OK) return code;
    code = why.last ? sp_cli_last(evidence, why.what, &id) : sp_cli_id(evidence, why.what, &id);
    if (code == SP_EXIT_OK) {
        struct sp_chain *chain = sp_explain(evidence, id);
        SP_ASSERT(chain != NULL);
        struct sp_chain_style style = sp_chain_style_of(stdout);
        if (cli->json) {
            sp_chain_print_json(chain, stdout);
        } else {
            sp_chain_print(chain, &style, stdout);
        }
        if (chain->contradicts)
            code = sp_cli_fail(SP_EXIT_DAMAGED, NULL, "the records of %s do not add up: see RESULT",
                               chain->id);
        sp_chain_free(chain);
    }
    sp_evidence_free(evidence);
    return code;
}
