/* check: everything that is wrong with a configuration, at once; starts and changes nothing. */
#include "services/spoor/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* JSON takes UTF-8 as it is; quotes, backslashes and control characters are escaped. */
static void put_text(const char *key, const char *text)
{
    printf("\"%s\":\"", key);
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 0x20) {
            printf("\\u%04x", c);
        } else {
            printf(c == '"' || c == '\\' ? "\\%c" : "%c", c);
        }
    }
    putchar('"');
}

static void print_json(const char *dir, const struct sp_config *config,
                       const struct sp_problems *problems)
{
    putchar('{');
    put_text("dir", dir);
    if (config != NULL) {
        printf(",\"files\":%u,\"workers\":%u", config->file_count, config->worker_count);
    }
    printf(",\"errors\":%u,\"dropped\":%u,\"partial\":%s,\"problems\":[", problems->errors,
           problems->dropped, problems->is_partial ? "true" : "false");
    for (uint32_t i = 0; i < problems->count; i++) {
        const struct sp_problem *p = &problems->at[i];
        printf(i == 0 ? "{" : ",{");
        put_text("file", p->file);
        printf(",\"line\":%u,", p->line);
        put_text("severity", p->is_warning ? "warning" : "error");
        putchar(',');
        put_text("text", p->text);
        putchar(',');
        put_text("hint", p->hint);
        putchar('}');
    }
    printf("]}\n");
}

static void print_text(const struct sp_config *config, const struct sp_problems *problems)
{
    uint32_t warnings = 0;

    for (uint32_t i = 0; i < problems->count; i++)
        warnings += problems->at[i].is_warning;
    sp_problems_print(problems, STDOUT_FILENO);
    printf("config checked: ");
    if (config != NULL) printf("%u files, %u workers, ", config->file_count, config->worker_count);
    printf("%u error%s", problems->errors, problems->errors == 1 ? "" : "s");
    if (warnings > 0) printf(", %u warning%s", warnings, warnings == 1 ? "" : "s");
    putchar('\n');
    if (problems->is_partial) printf("%s\n", SP_CLI_PARTIAL_CHECK);
}

int sp_cmd_check(const struct sp_cli *cli)
{
    const char *dir = cli->config_dir;
    struct sp_problems *problems;
    struct sp_config *config;
    sp_status status;

    for (int i = 1; i < cli->argc; i++) {
        if (cli->argv[i][0] == '-') {
            return sp_cli_usage("See: spoor check --help", "check has no option %s", cli->argv[i]);
        }
        dir = cli->argv[i];
    }
    problems = calloc(1, sizeof *problems);
    if (problems == NULL) return sp_cli_fail(SP_EXIT_SOFTWARE, NULL, "memory is exhausted");
    status = sp_config_load(dir, &config, problems);
    if (cli->json) {
        print_json(dir, config, problems);
    } else {
        print_text(config, problems);
    }
    sp_config_free(config);
    free(problems);
    return status == SP_OK ? SP_EXIT_OK : SP_EXIT_CONFIG;
}
